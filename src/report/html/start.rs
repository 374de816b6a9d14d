//! The start of the page: what was scanned, the answer, what was not observed, the frameworks and the list
//! of controls.

use serde::Serialize;

use super::frameworks::Framework;
use super::{Link, Piece, content_security_policy, pieces};
use crate::inventory::{Account, AccountState, Cause};
use crate::report::figures::Figures;
use crate::report::{ControlRow, Counts, Gap, Report, RunInfo, text};

/// More failing controls than this are only in the list of controls.
const WORST: usize = 8;

/// Width of a drawn bar, in its own units.
const BAR: u64 = 1000;

#[derive(Serialize)]
pub(super) struct Start<'a> {
    policy: String,
    run: &'a RunInfo,
    scanned: String,
    started: String,
    /// Given when a saved inventory was judged.
    observed: String,
    took: String,
    totals: Counts,
    total: u64,
    bar: Vec<Segment>,
    bar_width: u64,
    severities: Vec<SeverityLine>,
    worst: Vec<ControlLine<'a>>,
    gaps: Vec<GapView<'a>>,
    absent: Vec<Absent>,
    frameworks: Vec<Framework<'a>>,
    controls: Vec<ControlLine<'a>>,
}

/// A part of the bar of all findings.
#[derive(Serialize)]
struct Segment {
    class: &'static str,
    x: u64,
    width: u64,
}

#[derive(Serialize)]
struct SeverityLine {
    severity: &'static str,
    fail: u64,
    width: u64,
}

/// A control in a list.
#[derive(Serialize)]
struct ControlLine<'a> {
    link: Link,
    title: &'a str,
    severity: &'static str,
    totals: Counts,
}

/// Regions that were asked for and that an account does not have.
#[derive(Serialize)]
struct Absent {
    account: Link,
    regions: String,
}

#[derive(Serialize)]
struct GapView<'a> {
    operation: &'a str,
    /// What it is where no call is to blame.
    cause: String,
    /// The IAM action that is missing, where AWS names one.
    action: &'a str,
    account: Link,
    account_name: &'a str,
    region: &'a str,
    error: String,
    message: &'a str,
    findings: u64,
    controls: Vec<Link>,
    remedy: Vec<Piece>,
    statement: String,
}

impl<'a> Start<'a> {
    pub(super) fn of(report: &'a Report, figures: &Figures<'_>, controls: &[&'a ControlRow]) -> Self {
        let run = &report.run;
        let bar = bar(report.totals);
        let most = figures.failing.iter().map(|(_, fail)| *fail).max().unwrap_or(0);
        Self {
            policy: content_security_policy(),
            run,
            scanned: scanned(&report.accounts),
            started: text::time(&run.started_at),
            observed: if run.observed_at < run.started_at {
                text::time(&run.observed_at)
            } else {
                String::new()
            },
            took: text::duration(run.duration_ms),
            totals: report.totals,
            total: report.totals.total(),
            bar_width: bar.iter().map(|segment| segment.width).sum(),
            bar,
            severities: figures
                .failing
                .iter()
                .map(|(severity, fail)| SeverityLine {
                    severity: severity.as_str(),
                    fail: *fail,
                    width: share(*fail, most),
                })
                .collect(),
            worst: controls
                .iter()
                .filter(|control| control.totals.fail > 0)
                .take(WORST)
                .map(|control| ControlLine::of(control))
                .collect(),
            gaps: report.gaps.iter().map(|gap| GapView::of(gap, &report.accounts)).collect(),
            absent: run
                .absent_regions
                .iter()
                .map(|(account, regions)| Absent {
                    account: Link::to_account(account),
                    regions: regions.join(", "),
                })
                .collect(),
            frameworks: report.frameworks.iter().map(|f| Framework::of(f, report)).collect(),
            controls: controls.iter().map(|control| ControlLine::of(control)).collect(),
        }
    }
}

impl<'a> ControlLine<'a> {
    fn of(control: &'a ControlRow) -> Self {
        Self {
            link: Link::to_control(&control.id),
            title: &control.title,
            severity: control.severity.as_str(),
            totals: control.totals,
        }
    }
}

impl<'a> GapView<'a> {
    fn of(gap: &'a Gap, accounts: &'a [Account]) -> Self {
        let unseen = &gap.unseen;
        let action = match &unseen.cause {
            Cause::Denied { action: Some(action), .. } => action,
            _ => "",
        };
        let account = accounts.iter().find(|account| account.id == unseen.account);
        Self {
            operation: &unseen.operation,
            cause: with_capital(&unseen.cause.to_string()),
            action,
            account: account.map_or(Link::nowhere(&unseen.account), |account| Link::to_account(&account.id)),
            account_name: account.map_or("", |account| &account.name),
            region: &unseen.region,
            error: match unseen.code.as_str() {
                // The heading says it already.
                "" if unseen.operation.is_empty() => String::new(),
                "" => unseen.cause.to_string(),
                code => format!("{} ({code})", unseen.cause),
            },
            message: &unseen.message,
            findings: gap.findings,
            controls: gap.controls.iter().map(|id| Link::to_control(id)).collect(),
            remedy: pieces(&gap.remedy),
            statement: gap.statement.as_ref().map_or(String::new(), |s| format!("{s:#}")),
        }
    }
}

fn with_capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// `3 accounts, 1 not entered, 1 skipped; 4 regions`.
fn scanned(accounts: &[Account]) -> String {
    let of = |state: fn(&AccountState) -> bool| {
        accounts.iter().filter(|account| state(&account.state)).count() as u64
    };
    let entered = of(|state| matches!(state, AccountState::Scanned));
    let failed = of(|state| matches!(state, AccountState::Failed { .. }));
    let skipped = of(|state| matches!(state, AccountState::Skipped { .. }));
    let mut words = text::count(entered, "account", "accounts");
    for (n, what) in [(failed, "not entered"), (skipped, "skipped")] {
        if n > 0 {
            words.push_str(&format!(", {n} {what}"));
        }
    }
    let mut regions: Vec<&String> = accounts.iter().flat_map(|account| &account.regions).collect();
    regions.sort_unstable();
    regions.dedup();
    format!("{words}; {}", text::count(regions.len() as u64, "region", "regions"))
}

/// The bar of all findings; what is there at all is wide enough to be seen.
fn bar(totals: Counts) -> Vec<Segment> {
    let Counts { pass, fail, unknown, not_applicable } = totals;
    let mut x = 0;
    [("fail", fail), ("unknown", unknown), ("pass", pass), ("not_applicable", not_applicable)]
        .into_iter()
        .filter(|(_, n)| *n > 0)
        .map(|(class, n)| {
            let segment = Segment { class, x, width: share(n, totals.total()) };
            x += segment.width;
            segment
        })
        .collect()
}

fn share(n: u64, of: u64) -> u64 {
    if n == 0 || of == 0 { 0 } else { (n * BAR / of).max(6) }
}
