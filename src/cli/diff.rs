//! `upright diff`.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::output::{print, print_json};
use super::runs::PlaceArguments;
use super::{Done, Exit, Stopped, archives, report, settings};
use crate::controls::Severity;
use crate::findings::Finding;
use crate::report::{Changes, Past, Report, printable};

/// Findings of a list that are printed at most; `--json` has all of them.
const MAX_LINES: usize = 200;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright diff 20261128 latest\n  \
    upright diff yesterday/report.json today/report.json --json\n  \
    upright diff baseline.json upright-report/report.json --new-only --fail-on high\n\n\
    With --new-only the exit code is 1 where there are new failures at or above --fail-on, and else 0.")]
pub(super) struct DiffArguments {
    /// The earlier run: a `report.json`, or a run of the archive by id, beginning of its id, or `latest`
    #[arg(value_name = "EARLIER")]
    earlier: String,
    /// The later run, named alike
    #[arg(value_name = "LATER")]
    later: String,
    /// Print only the new failures, and let the exit code tell whether there are any
    #[arg(long)]
    new_only: bool,
    /// With --new-only: severity from which a new failure makes the exit code 1 [default: that of the configuration]
    #[arg(long, value_name = "SEVERITY", value_parser = settings::severity, requires = "new_only")]
    fail_on: Option<Severity>,
    #[command(flatten)]
    place: PlaceArguments,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// What `--new-only --json` prints.
#[derive(Serialize)]
struct NewFailures<'a> {
    since_run: &'a str,
    new: &'a [&'a Finding],
}

pub(super) fn run(arguments: &DiffArguments) -> Done {
    let earlier = read(&arguments.earlier, &arguments.place)?;
    let mut later = read(&arguments.later, &arguments.place)?;
    report::compare(&mut later, &earlier, Path::new(&arguments.earlier))?;
    let Some(changes) = &later.changes else { return Ok(Exit::Clean) };
    let new = new_failures(&later, changes);
    match (arguments.new_only, arguments.json) {
        (false, true) => return print_json(changes),
        (false, false) => return print(&told(changes, &new, &later)),
        (true, true) => print_json(&NewFailures { since_run: &changes.since_run, new: &new })?,
        (true, false) => print(&listed(&new, changes))?,
    };
    let fail_on = match arguments.fail_on {
        Some(severity) => severity,
        None => arguments.place.config()?.fail_on,
    };
    let failed = new.iter().any(|finding| finding.severity >= fail_on);
    Ok(if failed { Exit::Failed } else { Exit::Clean })
}

/// A file where there is one of that name, or else a run of the archive.
fn read(name: &str, place: &PlaceArguments) -> Result<Report, Stopped> {
    let path = Path::new(name);
    if path.is_file() || name == "-" {
        return report::read(path);
    }
    if name.contains(['/', '\\']) || path.extension().is_some() {
        return Err(Stopped::usage(miette::miette!("`{}`: there is no such file", printable(name))));
    }
    let archive = place.open()?;
    let id = archive.find(name).map_err(|error| archives::failed(&error))?;
    archives::report_of(&archive, &id)
}

/// The failures that are new, worst first.
fn new_failures<'a>(later: &'a Report, changes: &Changes) -> Vec<&'a Finding> {
    let ids: HashSet<&str> = changes.new.iter().map(String::as_str).collect();
    let mut new: Vec<&Finding> =
        later.findings.iter().filter(|finding| ids.contains(finding.id.as_str())).collect();
    new.sort_by_key(|finding| Reverse(finding.severity));
    new
}

fn told(changes: &Changes, new: &[&Finding], later: &Report) -> String {
    let Changes { resolved, no_longer_observed, newly_judged, no_longer_judged, .. } = changes;
    let mut text = format!(
        "From run {} to run {}: {} new, {} resolved, {} no longer observed, {} still failing, {} of them with other \
         evidence.\n",
        printable(&changes.since_run),
        printable(&later.run.id),
        new.len(),
        resolved.len(),
        no_longer_observed.len(),
        changes.still_failing,
        changes.changed_evidence.len(),
    );
    for line in changes.scope.lines() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "Scope: {}.", printable(&line));
    }
    for (words, list) in
        [("Judged for the first time", newly_judged.len()), ("Not judged any more", no_longer_judged.len())]
    {
        if list > 0 {
            let _ = writeln!(text, "{words}: {list}.");
        }
    }
    if !new.is_empty() {
        let _ = write!(text, "\nNew\n{}", listed(new, changes));
    }
    for (words, list) in
        [("No longer observed, which is not resolved", no_longer_observed), ("Resolved", resolved)]
    {
        if !list.is_empty() {
            let _ = write!(text, "\n{words}\n{}", past(list));
        }
    }
    text
}

fn listed(findings: &[&Finding], changes: &Changes) -> String {
    let lines = findings.iter().map(|f| {
        let line = line(f.severity, &f.control, &f.subject(), &f.account, &f.region);
        match changes.last_change(&f.id) {
            Some(change) => format!("{line}                 {}\n", printable(&change.words())),
            None => line,
        }
    });
    cut(lines.collect())
}

fn past(list: &[Past]) -> String {
    let lines = list.iter().map(|past| {
        let name = if past.resource_name.is_empty() { &past.resource_arn } else { &past.resource_name };
        line(past.severity, &past.control, name, &past.account, &past.region)
    });
    cut(lines.collect())
}

fn line(severity: Severity, control: &str, name: &str, account: &str, region: &str) -> String {
    let [control, name, account, region] = [control, name, account, region].map(printable);
    format!("  {severity:<13}  {control}  {name} in {account} {region}\n")
}

fn cut(mut lines: Vec<String>) -> String {
    let more = lines.len().saturating_sub(MAX_LINES);
    lines.truncate(MAX_LINES);
    if more > 0 {
        lines.push(format!("  … and {more} more; --json has all of them\n"));
    }
    lines.concat()
}
