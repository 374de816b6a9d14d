//! What is different from an earlier run.

use std::collections::HashMap;

use serde::Serialize;

use super::Link;
use super::pages::Role;
use crate::events::authors::LastChange;
use crate::findings::Finding;
use crate::report::{Authors, Changes, ControlRow, Past, Report, text};

/// More entries of a list than this are folded away.
const SHOWN: usize = 20;

/// More entries of a list than this are only counted here.
const LISTED: usize = 200;

#[derive(Serialize)]
pub(super) struct ChangesPart<'a> {
    since: String,
    since_run: &'a str,
    new_count: u64,
    resolved_count: u64,
    still_failing: u64,
    /// Since when the one of them fails that fails longest; empty where none does.
    longest: String,
    unobserved_count: u64,
    /// Findings that still fail, with other evidence than then.
    changed_evidence: u64,
    /// Where nobody could be asked who made the changes, a line each.
    not_looked_up: Vec<String>,
    /// What was looked at otherwise, a line each.
    scope: Vec<String>,
    lists: Vec<List<'a>>,
}

/// Findings that changed in the same way.
#[derive(Serialize)]
struct List<'a> {
    anchor: &'static str,
    title: &'static str,
    note: &'static str,
    class: &'static str,
    count: u64,
    shown: Vec<Entry<'a>>,
    folded: Vec<Entry<'a>>,
    more: u64,
    /// Where all of them can be seen; empty for those that only the earlier run had.
    href: String,
}

#[derive(Serialize)]
struct Entry<'a> {
    severity: &'static str,
    control: Link,
    title: &'a str,
    account: &'a str,
    region: &'a str,
    resource: &'a str,
    /// Who made the change, in words; empty where nobody was seen to.
    by: String,
    href: String,
}

/// The lists of one run.
struct Lists<'a> {
    changes: &'a Changes,
    findings: HashMap<&'a str, &'a Finding>,
    controls: HashMap<&'a str, &'a ControlRow>,
    role: Role<'a>,
}

impl<'a> ChangesPart<'a> {
    pub(super) fn of(changes: &'a Changes, report: &'a Report, role: Role<'a>) -> Self {
        let lists = Lists {
            changes,
            findings: report.findings.iter().map(|finding| (finding.id.as_str(), finding)).collect(),
            controls: report.controls.iter().map(|control| (control.id.as_str(), control)).collect(),
            role,
        };
        let new = List {
            href: role.filtered(&[("change", "new"), ("verdict", "fail")]),
            ..lists.now(&changes.new, "new", "New", "Fails now and did not fail then.", "fail")
        };
        let judged = "Fails now; its control or account was not looked at then, or the control judged by another \
                      rule. The scope changed, and perhaps nothing else.";
        let unobserved = "Failed then and could not be looked at now. It is not resolved.";
        let dropped = "Failed then; its control or account was left out of this run, or the control judges by another \
                       rule now.";
        let resolved = "Failed then; passes now, does not apply any more, or the resource is gone.";
        let all = [
            new,
            lists.then(
                &changes.no_longer_observed,
                "unobserved",
                "No longer observed",
                unobserved,
                "unknown",
            ),
            lists.then(&changes.resolved, "resolved", "Resolved", resolved, "pass"),
            lists.now(&changes.newly_judged, "newly-judged", "Judged for the first time", judged, "manual"),
            lists.then(&changes.no_longer_judged, "left-out", "No longer judged", dropped, "manual"),
        ];
        Self {
            since: text::time(&changes.since),
            since_run: &changes.since_run,
            new_count: changes.new.len() as u64,
            resolved_count: changes.resolved.len() as u64,
            still_failing: changes.still_failing,
            longest: changes.failing_since.values().min().map_or(String::new(), |since| text::time(since)),
            unobserved_count: changes.no_longer_observed.len() as u64,
            changed_evidence: changes.changed_evidence.len() as u64,
            not_looked_up: changes.authors.as_ref().map(Authors::gaps).unwrap_or_default(),
            scope: changes.scope.lines(),
            lists: all.into_iter().filter(|list| list.count > 0).collect(),
        }
    }
}

impl<'a> Lists<'a> {
    /// A list of findings of this run.
    fn now(
        &self,
        ids: &[String],
        anchor: &'static str,
        title: &'static str,
        note: &'static str,
        class: &'static str,
    ) -> List<'a> {
        let mut findings: Vec<&Finding> =
            ids.iter().filter_map(|id| self.findings.get(id.as_str()).copied()).collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let entries = findings.into_iter().map(|finding| Entry {
            severity: finding.severity.as_str(),
            control: Link::to_control(&finding.control),
            title: self.title(&finding.control),
            account: &finding.account,
            region: &finding.region,
            resource: named(&finding.resource_name, &finding.resource_arn),
            by: self.changes.last_change(&finding.id).map(LastChange::words).unwrap_or_default(),
            href: self.role.finding(finding),
        });
        List::of((anchor, title, note, class), ids.len(), entries)
    }

    /// A list of findings of the earlier run.
    fn then(
        &self,
        past: &'a [Past],
        anchor: &'static str,
        title: &'static str,
        note: &'static str,
        class: &'static str,
    ) -> List<'a> {
        let mut worst: Vec<&Past> = past.iter().collect();
        worst.sort_by_key(|past| std::cmp::Reverse(past.severity));
        let entries = worst.into_iter().map(|past| Entry {
            severity: past.severity.as_str(),
            control: if self.controls.contains_key(past.control.as_str()) {
                Link::to_control(&past.control)
            } else {
                Link::nowhere(&past.control)
            },
            title: self.title(&past.control),
            account: &past.account,
            region: &past.region,
            resource: named(&past.resource_name, &past.resource_arn),
            by: String::new(),
            href: String::new(),
        });
        List::of((anchor, title, note, class), past.len(), entries)
    }

    /// The title of a control of this run; empty for one that only the earlier run had.
    fn title(&self, control: &str) -> &'a str {
        self.controls.get(control).map_or("", |control| &control.title)
    }
}

impl<'a> List<'a> {
    fn of(
        (anchor, title, note, class): (&'static str, &'static str, &'static str, &'static str),
        count: usize,
        entries: impl Iterator<Item = Entry<'a>>,
    ) -> Self {
        let mut shown: Vec<Entry<'a>> = entries.take(LISTED).collect();
        let folded = shown.split_off(shown.len().min(SHOWN));
        let more = count.saturating_sub(shown.len() + folded.len()) as u64;
        Self { anchor, title, note, class, count: count as u64, shown, folded, more, href: String::new() }
    }
}

fn named<'a>(name: &'a str, arn: &'a str) -> &'a str {
    match (name, arn) {
        ("", "") => "the whole account",
        ("", arn) => arn,
        (name, _) => name,
    }
}
