//! `upright events pattern`.

use std::fmt::Write as _;

use clap::Args;

use super::Chosen;
use super::table::issues;
use crate::cli::Done;
use crate::cli::output::{print, print_json};
use crate::events::pattern::patterns;
use crate::incremental::calls;
use crate::report::printable;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright events pattern\n  \
    upright events pattern --rules sigma/ --json")]
pub(super) struct PatternArguments {
    #[command(flatten)]
    chosen: Chosen,
    /// Print one document with the rules that no pattern can serve, instead of one pattern on each line.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &PatternArguments) -> Done {
    let loaded = arguments.chosen.load()?;
    let patterns = patterns(Some(&loaded.set), &calls());
    eprint!("{}", issues(&loaded.issues));
    if arguments.json {
        return print_json(&patterns);
    }
    for rule in &patterns.unbounded {
        let of = match rule.sources.as_slice() {
            [] => "any event".to_owned(),
            sources => format!("any event of {}", sources.join(", ")),
        };
        let line = format!("rule `{}` may match {of}; the patterns do not let those through", rule.name);
        eprintln!("{}", printable(&line));
    }
    let mut text = String::new();
    for pattern in &patterns.patterns {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{pattern}");
    }
    print(&text)
}
