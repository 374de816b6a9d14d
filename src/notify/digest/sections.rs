//! The parts of a message, each a heading with a table.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::about::About;
use super::{Cell, ChangeNumbers, MAX_CHARS, MAX_ROWS, Numbers, Row, Section, shown};
use crate::controls::{Severity, VerdictKind};
use crate::findings::{Finding, WaiverRow};
use crate::report::html::Score;
use crate::report::{Authors, ControlRow, DetectionRow, EventRuleRow, Gap, Group, Past, Report};

/// Characters of what to do about a gap, which is of no use when it is cut early.
const MAX_REMEDY_CHARS: usize = 400;
/// Characters of who made a change: names that others chose are in it.
const MAX_WHO_CHARS: usize = 300;
/// Places of a gap.
const MAX_PLACES: usize = 6;

const RESOURCES: &[&str] = &["Severity", "Control", "Resource"];
const CONTROLS: &[&str] = &["Severity", "Control", "Resources"];
const GAPS: &[&str] = &["Call", "Where", "What to do"];
const DETECTIONS: &[&str] = &["Severity", "Rule", "Detections"];
const WAIVERS: &[&str] = &["Waiver", "About", "Says"];
const FRAMEWORKS: &[&str] = &["Framework", "Score"];

/// What a receiver's part of the report consists of.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    report: &'a Report,
    /// Whether the receiver is told of a part only.
    is_limited: bool,
    names: Names<'a>,
    /// Failures that nobody accepts.
    failing: Vec<&'a Finding>,
    /// Failures that somebody accepts for some time.
    waived: u64,
    not_observed: Vec<&'a Finding>,
    changed: Option<Changed<'a>>,
    gaps: Vec<Gap>,
    detected: Vec<Detected<'a>>,
    waivers: Vec<&'a WaiverRow>,
    scores: Vec<(&'a str, Score)>,
}

#[derive(Debug)]
struct Changed<'a> {
    new: Vec<&'a Finding>,
    newly_judged: Vec<&'a Finding>,
    resolved: Vec<&'a Past>,
    no_longer_observed: Vec<&'a Past>,
}

/// What a rule found in events.
#[derive(Debug)]
struct Detected<'a> {
    rule: &'a EventRuleRow,
    found: u64,
    newest: Option<&'a DetectionRow>,
}

/// What ids stand for.
#[derive(Debug)]
struct Names<'a> {
    controls: HashMap<&'a str, &'a ControlRow>,
    accounts: HashMap<&'a str, &'a str>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(report: &'a Report, about: &About<'a>) -> Self {
        let (failing, waived): (Vec<&Finding>, Vec<&Finding>) =
            about.findings(VerdictKind::Fail).partition(|finding| finding.is_open_failure());
        let not_observed: Vec<&Finding> = about.findings(VerdictKind::Unknown).collect();
        let changed = report.changes.as_ref().map(|changes| {
            let with = |ids: &[String]| {
                let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
                worst_first(failing.iter().copied().filter(|finding| ids.contains(finding.id.as_str())))
            };
            Changed {
                new: with(&changes.new),
                newly_judged: with(&changes.newly_judged),
                resolved: past(about, &changes.resolved),
                no_longer_observed: past(about, &changes.no_longer_observed),
            }
        });
        let gaps = gaps(report, about, &not_observed);
        // A score is one over all accounts and says nothing of some.
        let scored = report.frameworks.iter().filter(|_| !about.limits_accounts());
        let scores = scored
            .filter(|framework| about.takes_framework(&framework.id))
            .map(|framework| (framework.title.as_str(), Score::of(framework)))
            .collect();
        // Waivers are about all accounts too, and somebody who is told of some cannot mend them.
        let waivers = report.waivers.iter().filter(|_| !about.is_limited());
        Self {
            report,
            is_limited: about.is_limited(),
            names: Names::of(report),
            failing,
            waived: waived.len() as u64,
            not_observed,
            changed,
            gaps,
            detected: detected(report, about),
            waivers: waivers.flat_map(|waivers| waivers.to_look_at()).collect(),
            scores,
        }
    }

    pub(super) fn numbers(&self) -> Numbers {
        let critical = |findings: &[&Finding]| {
            findings.iter().filter(|finding| finding.severity == Severity::Critical).count() as u64
        };
        Numbers {
            failing: self.failing.len() as u64,
            critical: critical(&self.failing),
            waived: self.waived,
            not_observed: self.not_observed.len() as u64,
            detections: self.detected.iter().map(|detected| detected.found).sum(),
            changes: self.changed.as_ref().map(|changed| ChangeNumbers {
                new: changed.new.len() as u64,
                new_critical: critical(&changed.new),
                newly_judged: changed.newly_judged.len() as u64,
                resolved: changed.resolved.len() as u64,
                no_longer_observed: changed.no_longer_observed.len() as u64,
            }),
        }
    }

    pub(super) fn sections(&self) -> Vec<Section> {
        let mut sections = Vec::new();
        if let Some(changed) = &self.changed {
            sections.push(self.found("new", "New failures", &self.not_looked_up(), &changed.new));
            let note = "They fail, and the earlier run did not look at them.";
            sections.push(self.found(
                "newly_judged",
                "Failing, looked at for the first time",
                note,
                &changed.newly_judged,
            ));
        }
        sections.push(self.worst());
        if let Some(changed) = &self.changed {
            sections.push(self.gone("resolved", "Resolved", "", &changed.resolved));
            let note = "They failed in the earlier run, and nobody knows whether they still do.";
            sections.push(self.gone(
                "no_longer_observed",
                "No longer observed",
                note,
                &changed.no_longer_observed,
            ));
        }
        sections.push(self.detections());
        sections.push(self.not_observed());
        sections.push(self.waivers());
        sections.push(self.frameworks());
        sections.retain(|section| !section.rows.is_empty());
        sections
    }

    /// That it is not known of some who made the change, for who is told everything.
    fn not_looked_up(&self) -> String {
        let authors = self.report.changes.iter().filter_map(|changes| changes.authors.as_ref());
        let gaps: Vec<String> = authors.filter(|_| !self.is_limited).flat_map(Authors::gaps).collect();
        shown(&gaps.join("; "), MAX_REMEDY_CHARS)
    }

    fn found(&self, id: &'static str, title: &'static str, note: &str, findings: &[&Finding]) -> Section {
        let rows = findings.iter().map(|finding| {
            let place = (finding.account.as_str(), finding.region.as_str());
            let mut row = self.names.row(finding.severity, &finding.control, &finding.subject(), place);
            let change = self.report.changes.as_ref().and_then(|changes| changes.last_change(&finding.id));
            if let Some((change, resource)) = change.zip(row.cells.last_mut()) {
                resource.note = format!("{}; {}", resource.note, shown(&change.words(), MAX_WHO_CHARS));
            }
            row
        });
        section(id, title, note.to_owned(), RESOURCES, rows)
    }

    fn gone(&self, id: &'static str, title: &'static str, note: &str, past: &[&Past]) -> Section {
        let rows = past.iter().map(|past| {
            let name = if past.resource_name.is_empty() { &past.resource_arn } else { &past.resource_name };
            self.names.row(past.severity, &past.control, name, (&past.account, &past.region))
        });
        section(id, title, note.to_owned(), RESOURCES, rows)
    }

    /// The controls that fail, the worst first.
    fn worst(&self) -> Section {
        let mut by_control: BTreeMap<&str, (Severity, u64, HashSet<&str>)> = BTreeMap::new();
        for finding in &self.failing {
            let entry =
                by_control.entry(&finding.control).or_insert_with(|| (finding.severity, 0, HashSet::new()));
            entry.0 = entry.0.max(finding.severity);
            entry.1 += 1;
            entry.2.insert(&finding.account);
        }
        let mut controls: Vec<_> = by_control.into_iter().collect();
        controls.sort_by_key(|(id, (severity, count, _))| {
            let is_exposed = self.names.controls.get(id).is_some_and(|row| row.is_about_public_access());
            (Reverse(*severity), Reverse(is_exposed), Reverse(*count), *id)
        });
        let rows = controls.iter().map(|(id, (severity, count, accounts))| Row {
            severity: severity.as_str(),
            cells: vec![
                self.names.control(id),
                cell(
                    &format!("{count} failing"),
                    &format!("in {}", counted(accounts.len() as u64, "account")),
                ),
            ],
        });
        section("worst", "Failing, worst first", String::new(), CONTROLS, rows)
    }

    fn not_observed(&self) -> Section {
        let groups = Group::of(&self.gaps);
        let rows = groups.iter().map(|group| {
            let places = group.places();
            let mut shown_places: Vec<String> =
                places.iter().take(MAX_PLACES).map(|place| shown(place, 60)).collect();
            if places.len() > MAX_PLACES {
                shown_places.push(format!("{} more", places.len() - MAX_PLACES));
            }
            let findings = format!("{} undecided", counted(group.findings(), "finding"));
            Row {
                severity: "",
                cells: vec![
                    cell(&group.asked(), &group.error()),
                    Cell { text: shown_places.join(", "), note: findings },
                    Cell { text: shown(group.remedy(), MAX_REMEDY_CHARS), note: String::new() },
                ],
            }
        });
        section("not_observed", "Not observed", String::new(), GAPS, rows)
    }

    /// What event rules found, rule by rule.
    fn detections(&self) -> Section {
        let rows = self.detected.iter().map(|Detected { rule, found, newest }| {
            let tactics: Vec<&str> = rule.tactics.iter().map(|tactic| tactic.name.as_str()).collect();
            let last = newest.map(|row| {
                let time = row.time.as_deref().map(crate::report::time).unwrap_or_default();
                let actor = row.actor.name.as_deref().unwrap_or("an unknown actor");
                format!(
                    "last {time} by {actor}, in {}",
                    row.account.as_deref().unwrap_or("an unknown account")
                )
            });
            Row {
                severity: rule.severity.as_str(),
                cells: vec![
                    cell(&rule.name, &tactics.join(", ")),
                    cell(&counted(*found, "detection"), &last.unwrap_or_default()),
                ],
            }
        });
        section("detections", "Detected in events", String::new(), DETECTIONS, rows)
    }

    /// Waivers that end soon, have ended, or do nothing.
    fn waivers(&self) -> Section {
        let rows = self.waivers.iter().map(|row| {
            let failing = match row.failing {
                0 => String::new(),
                n => counted(n, "failure"),
            };
            Row {
                severity: "",
                cells: vec![
                    cell(&row.news(), &failing),
                    cell(&row.selector.words(), ""),
                    cell(&row.waiver.words(), ""),
                ],
            }
        });
        section("waivers", "Waivers to look at", String::new(), WAIVERS, rows)
    }

    fn frameworks(&self) -> Section {
        let rows = self.scores.iter().map(|(title, score)| {
            let (percent, words) = score.words();
            Row { severity: "", cells: vec![cell(title, ""), cell(&percent, &words)] }
        });
        let note = match self.report.accounts.len() {
            0 | 1 => String::new(),
            _ => "Over all accounts of the run.".to_owned(),
        };
        section("frameworks", "Frameworks", note, FRAMEWORKS, rows)
    }
}

impl<'a> Names<'a> {
    fn of(report: &'a Report) -> Self {
        Self {
            controls: report.controls.iter().map(|row| (row.id.as_str(), row)).collect(),
            accounts: report.accounts.iter().map(|row| (row.id.as_str(), row.name.as_str())).collect(),
        }
    }

    fn control(&self, id: &str) -> Cell {
        match self.controls.get(id) {
            Some(control) => cell(&control.title, id),
            None => cell(id, ""),
        }
    }

    fn row(&self, severity: Severity, control: &str, resource: &str, (account, region): (&str, &str)) -> Row {
        let place = match self.accounts.get(account).copied().unwrap_or_default() {
            "" => format!("{account}, {region}"),
            name => format!("{} ({account}), {region}", shown(name, 60)),
        };
        Row { severity: severity.as_str(), cells: vec![self.control(control), cell(resource, &place)] }
    }
}

/// What the rules found that the receiver is told of, the gravest first. Whoever is told of some accounts only is
/// told of the detections that are kept in full, since the others are counted over all accounts.
fn detected<'a>(report: &'a Report, about: &About<'_>) -> Vec<Detected<'a>> {
    let Some(detections) = &report.detections else { return Vec::new() };
    let rows = detections.detections.iter();
    let rows = rows.filter(|row| row.account.as_deref().is_none_or(|account| about.takes_account(account)));
    // The newest of each rule, which stands first, and how many there are.
    let mut by_rule: HashMap<&str, (&DetectionRow, u64)> = HashMap::new();
    for row in rows {
        by_rule.entry(&row.rule).or_insert((row, 0)).1 += 1;
    }
    let told = detections.rules.iter().filter(|rule| rule.found > 0 && about.takes_rule(rule.severity));
    let detected = told.map(|rule| {
        let kept = by_rule.get(rule.id.as_str());
        let seen = kept.map_or(0, |(_, seen)| *seen);
        let newest = kept.map(|(newest, _)| *newest);
        Detected { rule, found: if about.limits_accounts() { seen } else { rule.found }, newest }
    });
    detected.filter(|detected| detected.found > 0).collect()
}

fn section(
    id: &'static str,
    title: &'static str,
    note: String,
    columns: &'static [&'static str],
    rows: impl ExactSizeIterator<Item = Row>,
) -> Section {
    let more = rows.len().saturating_sub(MAX_ROWS) as u64;
    Section { id, title, note, columns, rows: rows.take(MAX_ROWS).collect(), more }
}

fn cell(text: &str, note: &str) -> Cell {
    Cell { text: shown(text, MAX_CHARS), note: shown(note, MAX_CHARS) }
}

fn counted(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

fn worst_first<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<&'a Finding> {
    let mut findings: Vec<&Finding> = findings.collect();
    findings.sort_by_key(|finding| Reverse(finding.severity));
    findings
}

fn past<'a>(about: &About<'a>, of: &'a [Past]) -> Vec<&'a Past> {
    let mut past = about.past(of);
    past.sort_by_key(|past| Reverse(past.severity));
    past
}

/// The gaps that the receiver is told, each with the findings that it hides from them. A call that failed and hides
/// no finding is told only to who is told everything.
fn gaps(report: &Report, about: &About<'_>, not_observed: &[&Finding]) -> Vec<Gap> {
    if !about.is_limited() {
        return report.gaps.clone();
    }
    let mut hidden: HashMap<String, u64> = HashMap::new();
    for unseen in not_observed.iter().filter_map(|finding| finding.unseen.as_ref()) {
        *hidden.entry(unseen.obstacle()).or_insert(0) += 1;
    }
    let told = report.gaps.iter().filter(|gap| about.takes_account(&gap.unseen.account)).filter_map(|gap| {
        let findings = hidden.get(&gap.unseen.obstacle()).copied();
        findings.map(|findings| Gap { findings, ..gap.clone() })
    });
    told.collect()
}
