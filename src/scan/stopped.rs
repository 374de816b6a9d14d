//! [`Stopped`]: why something did not come to its end.

use std::fmt;

use crate::report::printable;

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What was typed or written in a file is wrong.
    Input,
    /// AWS or the machine did not let it run.
    Surroundings,
}

/// Why something did not come to its end, for people.
#[derive(Debug)]
pub struct Stopped {
    fault: Fault,
    why: miette::Report,
}

impl Stopped {
    /// What was typed or written in a file is wrong.
    pub fn usage(why: impl Into<miette::Report>) -> Self {
        Self { fault: Fault::Input, why: why.into() }
    }

    /// AWS or the machine did not let it run.
    pub fn could_not_run(why: impl Into<miette::Report>) -> Self {
        Self { fault: Fault::Surroundings, why: why.into() }
    }

    /// The same, of a part that has this name.
    #[must_use]
    pub fn within(self, name: String) -> Self {
        Self { why: self.why.wrap_err(name), ..self }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// The reason, with its help.
    #[must_use]
    pub const fn why(&self) -> &miette::Report {
        &self.why
    }

    /// The reason on one line, without a help.
    #[must_use]
    pub fn in_a_line(&self) -> String {
        printable(&self.why.to_string()).into_owned()
    }

    /// The reason and what leads to it, without a help.
    #[must_use]
    pub fn chain(&self) -> String {
        self.why.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_a_line())
    }
}
