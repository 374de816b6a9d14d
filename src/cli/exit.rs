//! The exit codes, which scripts rely on.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: everything was observed and nothing failed; or the command did what it was asked.
    Clean,
    /// 1: a control failed, or an event rule found something, at or above `--fail-on`; or an example did not give its verdict.
    Failed,
    /// 2: the command line or a file is wrong.
    Usage,
    /// 3: something was not observed, and nothing that was seen failed.
    Incomplete,
    /// 4: a control failed, and something was not observed.
    FailedAndIncomplete,
    /// 5: it could not run, or what it found could not be kept or not all be sent.
    CouldNotRun,
}

impl Exit {
    /// The code of a scan.
    #[must_use]
    pub const fn of_scan(failed: bool, complete: bool) -> Self {
        match (failed, complete) {
            (false, true) => Self::Clean,
            (true, true) => Self::Failed,
            (false, false) => Self::Incomplete,
            (true, false) => Self::FailedAndIncomplete,
        }
    }

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::FailedAndIncomplete => 4,
            Self::CouldNotRun => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
