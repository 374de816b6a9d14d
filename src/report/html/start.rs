//! The start of the page: what was scanned, and the answer.

use std::collections::BTreeSet;

use serde::Serialize;

use super::charts::Chart;
use super::pages::Role;
use super::{Link, content_security_policy, has_script};
use crate::controls::VerdictKind;
use crate::inventory::{Account, AccountState};
use crate::report::figures::Figures;
use crate::report::{ControlRow, Counts, Report, RunInfo, Undelivered, text};

/// More failing controls than this are only in the list of controls.
const WORST: usize = 8;

/// What comes before the style.
#[derive(Serialize)]
pub(super) struct Head<'a> {
    policy: String,
    version: &'a str,
    totals: Counts,
    account: &'a str,
}

impl<'a> Head<'a> {
    pub(super) fn of(report: &'a Report, role: Role<'_>) -> Self {
        Self {
            policy: content_security_policy(has_script(report, role)),
            version: &report.run.version,
            totals: report.totals,
            account: only_account(report, role).map_or("", |account| &account.id),
        }
    }
}

/// The account that the page is about, where it is one of several pages.
fn only_account<'a>(report: &'a Report, role: Role<'_>) -> Option<&'a Account> {
    match role {
        Role::Account => report.accounts.first(),
        Role::Whole | Role::Index(_) => None,
    }
}

/// What was scanned and when, and the way to the parts of the page.
#[derive(Serialize)]
pub(super) struct Start<'a> {
    run: &'a RunInfo,
    account: &'a str,
    account_name: &'a str,
    scanned: String,
    started: String,
    /// Given when a saved inventory was judged.
    observed: String,
    took: String,
    /// What is said of events.
    events: String,
    has_changes: bool,
    has_trend: bool,
    has_waivers: bool,
}

impl<'a> Start<'a> {
    pub(super) fn of(report: &'a Report, role: Role<'_>) -> Self {
        let run = &report.run;
        let account = only_account(report, role);
        Self {
            run,
            account: account.map_or("", |account| &account.id),
            account_name: account.map_or("", |account| &account.name),
            scanned: scanned(&report.accounts),
            started: text::time(&run.started_at),
            observed: if run.observed_at < run.started_at {
                text::time(&run.observed_at)
            } else {
                String::new()
            },
            took: text::duration(run.duration_ms),
            events: match &report.detections {
                Some(detections) => detections.headline(),
                None => String::new(),
            },
            has_changes: report.changes.is_some(),
            has_trend: report.trend.len() > 1,
            has_waivers: report.waivers.is_some(),
        }
    }
}

/// How bad it is, and what matters most.
#[derive(Serialize)]
pub(super) struct Answer<'a> {
    lead: String,
    totals: Counts,
    tiles: [Tile; 4],
    total: u64,
    is_complete: bool,
    /// What the earlier run could not deliver, a line each.
    undelivered: Vec<String>,
    worst: Vec<Worst<'a>>,
    /// Failing controls that are not among the worst.
    others: u64,
    charts: Vec<Chart>,
}

#[derive(Serialize)]
struct Tile {
    class: &'static str,
    words: &'static str,
    count: u64,
    href: String,
}

/// A failing control.
#[derive(Serialize)]
struct Worst<'a> {
    link: Link,
    title: &'a str,
    severity: &'static str,
    /// The greatest of its failures; 0 where none is known.
    risk: u8,
    is_about_public_access: bool,
    reach: String,
    href: String,
}

impl<'a> Answer<'a> {
    pub(super) fn of(
        report: &Report,
        figures: &Figures<'_>,
        controls: &[&'a ControlRow],
        role: Role<'_>,
    ) -> Self {
        let totals = report.totals;
        let tile =
            |class, words, count| Tile { class, words, count, href: role.filtered(&[("verdict", class)]) };
        let failing = controls.iter().filter(|control| control.totals.fail > 0);
        let charts = [
            Some(Chart::by_severity(report, role)),
            Some(Chart::by_service(report, role)),
            Some(Chart::by_account(report, figures, role)).filter(Chart::has_several),
        ];
        Self {
            lead: lead(report, figures),
            totals,
            tiles: [
                tile("fail", "fail", totals.fail),
                tile("unknown", "not observed", totals.unknown),
                tile("pass", "pass", totals.pass),
                tile("not_applicable", "not applicable", totals.not_applicable),
            ],
            total: totals.total(),
            is_complete: report.run.complete,
            undelivered: report.undelivered.as_ref().map(Undelivered::lines).unwrap_or_default(),
            others: failing.clone().count().saturating_sub(WORST) as u64,
            worst: failing.take(WORST).map(|control| Worst::of(control, figures, role)).collect(),
            charts: charts.into_iter().flatten().collect(),
        }
    }
}

impl<'a> Worst<'a> {
    fn of(control: &'a ControlRow, figures: &Figures<'_>, role: Role<'_>) -> Self {
        Self {
            link: Link::to_control(&control.id),
            title: &control.title,
            severity: figures.severity(control).as_str(),
            risk: figures.risk(control),
            is_about_public_access: control.is_about_public_access(),
            reach: reach(control, figures),
            href: role.filtered(&[("control", &control.id), ("verdict", "fail")]),
        }
    }
}

/// `12 resources in 3 accounts`, and how bad where that differs: `12 resources in 3 accounts: 1 critical, 11 high`.
pub(super) fn reach(control: &ControlRow, figures: &Figures<'_>) -> String {
    let accounts: BTreeSet<&str> =
        figures.findings(&control.id, VerdictKind::Fail).map(|finding| finding.account.as_str()).collect();
    format!(
        "{} in {}{}",
        text::count(control.totals.fail, "resource", "resources"),
        text::count(accounts.len() as u64, "account", "accounts"),
        figures.severities(control).map(|severities| format!(": {severities}")).unwrap_or_default()
    ) + &match control.totals.waived {
        0 => String::new(),
        n => format!("; {} waived", text::thousands(n)),
    }
}

/// How bad it is, in a sentence that never says more than was observed.
fn lead(report: &Report, figures: &Figures<'_>) -> String {
    let Counts { fail, unknown, .. } = report.totals;
    if fail == 0 {
        return match unknown {
            0 => "Nothing fails.".to_owned(),
            1 => "Nothing that was observed fails, and 1 check could not be decided.".to_owned(),
            _ => format!(
                "Nothing that was observed fails, and {} checks could not be decided.",
                text::thousands(unknown)
            ),
        };
    }
    let severities: Vec<String> = figures
        .failing
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(severity, n)| format!("{} {severity}", text::thousands(*n)))
        .collect();
    let judged = report.accounts.iter().filter(|account| account.is_judged());
    let failing = judged.clone().filter(|account| figures.account(&account.id).counts.fail > 0).count();
    let checks = text::count(fail, "check fails", "checks fail");
    let accounts = text::count(judged.count() as u64, "account", "accounts");
    let waived = match (report.totals.waived, fail) {
        (0, _) => String::new(),
        (waived, fail) if waived == fail => "; all of them are waived".to_owned(),
        (1, _) => "; 1 of them is waived".to_owned(),
        (waived, _) => format!("; {} of them are waived", text::thousands(waived)),
    };
    format!("{checks} in {failing} of {accounts}: {}{waived}.", severities.join(", "))
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
