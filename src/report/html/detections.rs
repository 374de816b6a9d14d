//! What event rules found: in a few words at the start, in sums, and the data of the list.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::data::packed;
use super::pages::Role;
use super::{PLAIN, utf8_percent_encode};
use crate::controls::{Severity, VerdictKind};
use crate::events::detection::{Actor, TouchedResource};
use crate::findings::Finding;
use crate::report::detections::NONE_READ;
use crate::report::{DetectionRow, Detections, EventRuleRow, EventsRead, Report, WriteError, text};

/// Version of the layout of the data.
const FORMAT: u32 = 1;

/// Width of a whole bar.
const BAR: u64 = 1024;

/// Rules that are named though they found nothing.
const QUIET: usize = 500;

/// What happened, beside what changed.
#[derive(Serialize)]
pub(super) struct Happened {
    lead: String,
    read: String,
    missed: Vec<String>,
    severities: Vec<Tally>,
}

impl Happened {
    pub(super) fn of(detections: &Detections) -> Self {
        Self {
            lead: format!("{}.", detections.headline()),
            read: detections.was_read(),
            missed: detections.missed(),
            severities: by_severity(detections),
        }
    }
}

/// The part about detections.
#[derive(Serialize)]
pub(super) struct Section<'a> {
    /// Given when no events were read.
    none_read: &'static str,
    lead: String,
    read: String,
    missed: Vec<String>,
    is_part: bool,
    kept: u64,
    dropped: u64,
    severities: Vec<Tally>,
    tactics: Vec<Tally>,
    rules: Vec<RuleView<'a>>,
    /// `3 rules`; they ran and found nothing.
    quiet_count: String,
    quiet: Vec<&'a str>,
    more_quiet: u64,
    data: String,
}

/// How many detections there are of something.
#[derive(Serialize)]
struct Tally {
    class: &'static str,
    words: String,
    note: String,
    count: u64,
    width: u64,
    href: String,
}

/// A rule that found something.
#[derive(Serialize)]
struct RuleView<'a> {
    severity: &'static str,
    name: &'a str,
    href: String,
    note: String,
    found: u64,
    dropped: u64,
}

impl<'a> Section<'a> {
    pub(super) fn of(report: &'a Report, role: Role<'_>) -> Result<Self, WriteError> {
        let Some(detections) = &report.detections else { return Ok(Self::without_events()) };
        let (loud, quiet): (Vec<_>, Vec<_>) = detections.rules.iter().partition(|rule| rule.found > 0);
        let has_list = !detections.detections.is_empty();
        Ok(Self {
            none_read: "",
            lead: format!("{}.", detections.headline()),
            read: detections.was_read(),
            missed: detections.missed(),
            is_part: matches!(role, Role::Account),
            kept: detections.detections.len() as u64,
            dropped: detections.dropped(),
            severities: by_severity(detections),
            tactics: by_tactic(detections),
            rules: loud.into_iter().map(RuleView::of).collect(),
            quiet_count: text::count(quiet.len() as u64, "rule", "rules"),
            more_quiet: quiet.len().saturating_sub(QUIET) as u64,
            quiet: quiet.into_iter().take(QUIET).map(|rule| rule.name.as_str()).collect(),
            data: if has_list { packed(&Block::of(report, detections, role))? } else { String::new() },
        })
    }

    const fn without_events() -> Self {
        Self {
            none_read: NONE_READ,
            lead: String::new(),
            read: String::new(),
            missed: Vec::new(),
            is_part: false,
            kept: 0,
            dropped: 0,
            severities: Vec::new(),
            tactics: Vec::new(),
            rules: Vec::new(),
            quiet_count: String::new(),
            quiet: Vec::new(),
            more_quiet: 0,
            data: String::new(),
        }
    }
}

impl<'a> RuleView<'a> {
    fn of(rule: &'a EventRuleRow) -> Self {
        let author = rule.author.iter().map(|author| format!("by {author}"));
        let license = rule.license.iter().cloned();
        let place = std::iter::once(format!("{}:{}", rule.file, rule.line));
        Self {
            severity: rule.severity.as_str(),
            name: &rule.name,
            href: filtered("rule", &rule.id),
            note: author.chain(license).chain(place).collect::<Vec<_>>().join(" · "),
            found: rule.found,
            dropped: rule.found.saturating_sub(rule.kept),
        }
    }
}

/// The address of the detections with that value of that key.
fn filtered(key: &str, value: &str) -> String {
    format!("#detections?{key}={}", utf8_percent_encode(value, PLAIN))
}

fn by_severity(detections: &Detections) -> Vec<Tally> {
    let counts = detections.totals.worst_first();
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let found = counts.into_iter().filter(|(_, count)| *count > 0);
    let tally = |(severity, count): (Severity, u64)| Tally {
        class: severity.as_str(),
        words: severity.to_string(),
        note: String::new(),
        count,
        width: width(count, most),
        href: filtered("severity", severity.as_str()),
    };
    found.map(tally).collect()
}

fn by_tactic(detections: &Detections) -> Vec<Tally> {
    let counts = detections.by_tactic();
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    counts
        .into_iter()
        .map(|(tactic, count)| {
            let words = if tactic.name.is_empty() { "none named".to_owned() } else { tactic.name };
            let href = filtered("tactic", &words);
            Tally { class: "", words, note: tactic.id, count, width: width(count, most), href }
        })
        .collect()
}

/// What is not nothing can be seen.
fn width(count: u64, most: u64) -> u64 {
    (count.saturating_mul(BAR) / most.max(1)).max(8)
}

/// What is said of events among what was not observed.
#[derive(Serialize)]
pub(super) struct Unread<'a> {
    missed: Vec<String>,
    issues: Vec<String>,
    inputs: Vec<UnreadInputView<'a>>,
    more_inputs: u64,
}

/// An input and what is wrong with it.
#[derive(Serialize)]
struct UnreadInputView<'a> {
    name: &'a str,
    problems: String,
}

impl<'a> Unread<'a> {
    /// Whether anything was missed.
    pub(super) fn says_something(&self) -> bool {
        !self.missed.is_empty() || !self.issues.is_empty()
    }

    pub(super) fn of(detections: &'a Detections) -> Self {
        let read = detections.read.as_ref();
        let issue = |issue: &crate::report::RuleIssue| {
            let rule = issue.rule.iter().map(|rule| format!(" {rule}:")).collect::<String>();
            format!("{}:{}:{rule} {}", issue.file, issue.line, issue.message)
        };
        let unread = read.map(|read| read.unread.as_slice()).unwrap_or_default();
        Self {
            missed: detections.missed(),
            issues: read.map(|read| read.issues.iter().map(issue).collect()).unwrap_or_default(),
            inputs: unread
                .iter()
                .map(|input| {
                    let more = input.problems_found.saturating_sub(input.problems.len() as u64);
                    let also = (more > 0).then(|| format!("{} more", text::thousands(more)));
                    let problems = input.problems.iter().cloned().chain(also).collect::<Vec<_>>();
                    UnreadInputView { name: &input.name, problems: problems.join("; ") }
                })
                .collect(),
            more_inputs: read
                .map_or(0, |read: &EventsRead| read.unread_inputs.saturating_sub(read.unread.len() as u64)),
        }
    }
}

/// The data of the list of detections, which `templates/report/script/detections.mjs` reads.
#[derive(Serialize)]
struct Block<'a> {
    format: u32,
    severities: [Severity; 5],
    /// Names of the accounts of the report.
    accounts: BTreeMap<&'a str, &'a str>,
    rules: &'a [EventRuleRow],
    findings: Vec<FindingData<'a>>,
    detections: Vec<RowData<'a>>,
}

/// A finding that a detection leads to.
#[derive(Serialize)]
struct FindingData<'a> {
    id: &'a str,
    href: String,
    title: &'a str,
    verdict: VerdictKind,
    severity: Severity,
    account: &'a str,
    arn: &'a str,
    name: &'a str,
}

/// A detection as `report.json` has it, with positions of its rule and findings, and its event as text.
#[derive(Serialize)]
struct RowData<'a> {
    id: &'a str,
    rule: usize,
    severity: Severity,
    time: Option<&'a str>,
    account: Option<&'a str>,
    region: Option<&'a str>,
    event_source: Option<&'a str>,
    event_name: Option<&'a str>,
    event_id: Option<&'a str>,
    error_code: Option<&'a str>,
    actor: &'a Actor,
    source_address: Option<&'a str>,
    resources: &'a [TouchedResource],
    output: &'a str,
    related_event_count: u64,
    related_events: &'a [String],
    findings: Vec<usize>,
    event_bytes: u64,
    event: Option<&'a str>,
}

impl<'a> Block<'a> {
    fn of(report: &'a Report, detections: &'a Detections, role: Role<'_>) -> Self {
        let rules: HashMap<&str, usize> =
            detections.rules.iter().enumerate().map(|(at, rule)| (rule.id.as_str(), at)).collect();
        let known: HashMap<&str, &Finding> = report.findings.iter().map(|f| (f.id.as_str(), f)).collect();
        let titles: HashMap<&str, &str> =
            report.controls.iter().map(|control| (control.id.as_str(), control.title.as_str())).collect();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut findings = Vec::new();
        let mut rows = Vec::with_capacity(detections.detections.len());
        for row in &detections.detections {
            let mut linked = Vec::with_capacity(row.findings.len());
            for finding in row.findings.iter().filter_map(|id| known.get(id.as_str())) {
                let at = *places.entry(&finding.id).or_insert_with(|| {
                    let title = titles.get(finding.control.as_str()).copied();
                    findings.push(FindingData::of(finding, title, role));
                    findings.len() - 1
                });
                linked.push(at);
            }
            // INVARIANT: `Report::check` found the rule of every detection.
            let rule = rules.get(row.rule.as_str()).copied().unwrap_or_default();
            rows.push(RowData::of(row, rule, linked));
        }
        Self {
            format: FORMAT,
            severities: Severity::WORST_FIRST,
            accounts: report.accounts.iter().map(|one| (one.id.as_str(), one.name.as_str())).collect(),
            rules: &detections.rules,
            findings,
            detections: rows,
        }
    }
}

impl<'a> FindingData<'a> {
    fn of(finding: &'a Finding, title: Option<&'a str>, role: Role<'_>) -> Self {
        Self {
            id: &finding.id,
            href: role.finding(finding),
            title: title.unwrap_or(&finding.control),
            verdict: finding.verdict,
            severity: finding.severity,
            account: &finding.account,
            arn: &finding.resource_arn,
            name: &finding.resource_name,
        }
    }
}

impl<'a> RowData<'a> {
    fn of(row: &'a DetectionRow, rule: usize, findings: Vec<usize>) -> Self {
        Self {
            id: &row.id,
            rule,
            severity: row.severity,
            time: row.time.as_deref(),
            account: row.account.as_deref(),
            region: row.region.as_deref(),
            event_source: row.event_source.as_deref(),
            event_name: row.event_name.as_deref(),
            event_id: row.event_id.as_deref(),
            error_code: row.error_code.as_deref(),
            actor: &row.actor,
            source_address: row.source_address.as_deref(),
            resources: &row.resources,
            output: &row.output,
            related_event_count: row.related_event_count,
            related_events: &row.related_events,
            findings,
            event_bytes: row.event_bytes,
            event: row.event.as_ref().map(crate::report::EventJson::text),
        }
    }
}
