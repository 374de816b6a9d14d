//! `report.sarif`: SARIF 2.1.0 ([OASIS](https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html)), for
//! code scanning.
//!
//! Controls are rules; findings are results, the worst first, so that a reader that stops early saw those. A
//! failure has the kind `fail` and the level of its severity. What was not observed has the kind `open`, which the
//! standard keeps for a rule that had too little information to decide, and its message begins with
//! `Not observed`: GitHub, which does not read `kind`, shows it as an alert with the severity of its rule. What
//! passes or does not apply would be an alert there as well. It is therefore no result, and is counted in the
//! properties of the run and of its rule. GitHub takes the severity of an alert from its rule, which has that of the
//! control; that of a failure that is worse is in the level and the properties of its result.
//!
//! A resource has no file, and GitHub refuses a whole document over one result without a location. The location
//! is therefore a path made of what the resource is, `aws/<account>/<region>/<type>/<ARN>`, the same in each run;
//! the ARN is also its logical location. GitHub refuses more than 25,000 results in a run and shows 5,000; scan
//! fewer accounts in a run where there are more.
//!
//! A failure that is waived has a suppression, accepted outside of the code, with who accepts it and why.
//!
//! Gaps are notifications of the invocation, which was successful when everything was observed.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{BufWriter, Write};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

use super::index::Index;
use super::{ControlRow, Counts, Gap, Report, WriteError, advice, json_text, markdown, printable};
use crate::controls::{Severity, VerdictKind};
use crate::findings::{Finding, Waived};

/// The schema of what is written here.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// GitHub refuses a rule with more than 20 tags and shows 10.
const MAX_TAGS: usize = 10;

/// What stands for itself in a segment of a path. A slash does not.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool<'a>,
    automation_details: Automation,
    invocations: [Invocation<'a>; 1],
    results: Vec<SarifResult<'a>>,
    properties: Value,
}

#[derive(Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

#[derive(Serialize)]
struct Driver<'a> {
    name: &'static str,
    version: &'a str,
    rules: Vec<Rule<'a>>,
}

#[derive(Serialize)]
struct Automation {
    id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule<'a> {
    id: &'a str,
    name: String,
    short_description: Message,
    full_description: Message,
    help: Help,
    #[serde(skip_serializing_if = "Option::is_none")]
    help_uri: Option<&'a str>,
    default_configuration: Configuration,
    properties: RuleProperties<'a>,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct RuleProperties<'a> {
    tags: Vec<&'a str>,
    #[serde(rename = "security-severity", skip_serializing_if = "Option::is_none")]
    security_severity: Option<&'static str>,
    severity: Severity,
    requirements: Vec<String>,
    totals: Counts,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
struct Help {
    text: String,
    markdown: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation<'a> {
    execution_successful: bool,
    start_time_utc: &'a str,
    end_time_utc: &'a str,
    tool_execution_notifications: Vec<Notification<'a>>,
}

#[derive(Serialize)]
struct Notification<'a> {
    level: &'static str,
    message: Message,
    properties: &'a Gap,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult<'a> {
    rule_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    kind: &'static str,
    level: &'static str,
    message: Message,
    locations: [Location<'a>; 1],
    partial_fingerprints: Fingerprints<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression>,
    properties: ResultProperties<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location<'a> {
    physical_location: PhysicalLocation,
    logical_locations: [LogicalLocation<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: LineRegion,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

/// GitHub asks for a line; there is only the first.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LineRegion {
    start_line: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation<'a> {
    name: String,
    fully_qualified_name: String,
    kind: &'a str,
}

#[derive(Serialize)]
struct Fingerprints<'a> {
    #[serde(rename = "uprightFinding/v1")]
    finding: &'a str,
}

/// That somebody accepts a result.
#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
    status: &'static str,
    justification: String,
}

#[derive(Serialize)]
struct ResultProperties<'a> {
    account_name: &'a str,
    what_to_do: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    command: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    terraform: Vec<String>,
    finding: &'a Finding,
}

/// Writes the report as SARIF.
///
/// # Errors
/// When the report does not add up, or `out` refuses.
pub fn write(report: &Report, out: &mut impl Write) -> Result<(), WriteError> {
    report.check()?;
    let log = Log { schema: SCHEMA, version: "2.1.0", runs: [run(report)] };
    let mut out = BufWriter::with_capacity(1 << 16, out);
    json_text::write_line(&log, &mut out)?;
    Ok(out.flush()?)
}

fn run(report: &Report) -> Run<'_> {
    let index = Index::of(report);
    let mut findings: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| matches!(finding.verdict, VerdictKind::Fail | VerdictKind::Unknown))
        .collect();
    findings.sort_by_key(|finding| (finding.verdict != VerdictKind::Fail, Reverse(finding.severity)));
    let position: HashMap<&str, usize> =
        report.controls.iter().enumerate().map(|(at, control)| (control.id.as_str(), at)).collect();
    Run {
        tool: Tool {
            driver: Driver {
                name: "Upright",
                version: &report.run.version,
                rules: report.controls.iter().map(rule).collect(),
            },
        },
        // GitHub takes what is before the last slash as the category.
        automation_details: Automation { id: format!("upright/{}", report.run.id) },
        invocations: [Invocation {
            execution_successful: report.run.complete,
            start_time_utc: &report.run.started_at,
            end_time_utc: &report.run.finished_at,
            tool_execution_notifications: report.gaps.iter().map(notification).collect(),
        }],
        results: findings
            .into_iter()
            .map(|finding| result(finding, position.get(finding.control.as_str()).copied(), &index))
            .collect(),
        properties: json!({
            "totals": report.totals,
            "observed_at": report.run.observed_at,
            "absent_regions": report.run.absent_regions,
        }),
    }
}

fn suppression(waived: &Waived) -> Suppression {
    Suppression {
        kind: "external",
        status: "accepted",
        justification: printable(&waived.words()).into_owned(),
    }
}

fn rule(control: &ControlRow) -> Rule<'_> {
    let tags =
        ["security", control.service.as_str()].into_iter().chain(control.tags.iter().map(String::as_str));
    Rule {
        id: &control.id,
        name: pascal_case(&control.id),
        short_description: message(&control.title),
        full_description: Message { text: each_line(control.rationale.trim(), without_links) },
        help: help(control),
        help_uri: control
            .references
            .iter()
            .map(String::as_str)
            .find(|address| address.starts_with("https://")),
        default_configuration: Configuration { level: level(control.severity) },
        properties: RuleProperties {
            tags: tags.take(MAX_TAGS).collect(),
            security_severity: security_severity(control.severity),
            severity: control.severity,
            requirements: control
                .requirements
                .iter()
                .flat_map(|(framework, ids)| ids.iter().map(move |id| format!("{framework} {id}")))
                .collect(),
            totals: control.totals,
        },
    }
}

fn result<'a>(finding: &'a Finding, rule_index: Option<usize>, index: &Index<'a>) -> SarifResult<'a> {
    let control = index.control(&finding.control);
    let fails = finding.verdict == VerdictKind::Fail;
    let account = index.account_name(&finding.account);
    let (why, subject) = (advice::why(finding), finding.subject());
    let text = format!("{why} (account {} {account}, region {}: {subject})", finding.account, finding.region);
    SarifResult {
        rule_id: &finding.control,
        rule_index,
        kind: if fails { "fail" } else { "open" },
        // The standard allows no other level for what is not a failure.
        level: if fails { level(finding.severity) } else { "none" },
        message: message(&text),
        locations: [location(finding)],
        partial_fingerprints: Fingerprints { finding: &finding.id },
        suppressions: finding.waived.iter().map(suppression).collect(),
        properties: ResultProperties {
            account_name: account,
            what_to_do: advice::steps(finding, control),
            command: advice::command(finding, control),
            terraform: advice::terraform(finding, control),
            finding,
        },
    }
}

fn location(finding: &Finding) -> Location<'_> {
    let place = [finding.account.as_str(), &finding.region, &finding.resource_type];
    // An ARN is never `.` or `..`, as a name can be, and a reader of the path would go elsewhere.
    let uri = ["aws"].into_iter().chain(place).chain(finding.own_arn());
    let uri: Vec<String> = uri.map(|part| utf8_percent_encode(part, SEGMENT).to_string()).collect();
    Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation { uri: uri.join("/") },
            region: LineRegion { start_line: 1 },
        },
        logical_locations: [LogicalLocation {
            name: printable(&finding.subject()).into_owned(),
            fully_qualified_name: printable(finding.own_arn().unwrap_or(&place.join("/"))).into_owned(),
            kind: &finding.resource_type,
        }],
    }
}

fn notification(gap: &Gap) -> Notification<'_> {
    let text = format!("Not observed: {}. What to do: {}.", gap.unseen, gap.remedy);
    Notification { level: "error", message: message(&text), properties: gap }
}

/// Plain text on one line in which nothing is a link: SARIF reads `[text](target)` in plain text too.
fn message(text: &str) -> Message {
    Message { text: without_links(text.trim()) }
}

fn without_links(text: &str) -> String {
    printable(text).replace("](", "] (")
}

/// The control's own words about why and how.
fn help(control: &ControlRow) -> Help {
    let words = [&control.rationale, &control.remediation].map(|part| part.trim());
    let words = words.into_iter().filter(|part| !part.is_empty());
    let command = control.remediation_cli.trim();
    let as_text = words.clone().chain((!command.is_empty()).then_some(command));
    let text = as_text.map(|part| each_line(part, without_links)).collect::<Vec<_>>().join("\n\n");
    let as_markdown = words.map(|part| each_line(part, markdown::prose));
    let block = (!command.is_empty()).then(|| markdown::code_block(command));
    Help { text, markdown: as_markdown.chain(block).collect::<Vec<_>>().join("\n\n") }
}

fn each_line(text: &str, shown: fn(&str) -> String) -> String {
    text.lines().map(shown).collect::<Vec<_>>().join("\n")
}

/// `s3-bucket-not-public` → `S3BucketNotPublic`.
fn pascal_case(id: &str) -> String {
    let words = id.split(['-', '_']).map(|word| {
        let mut letters = word.chars();
        letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
    });
    words.collect()
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Informational => "note",
    }
}

/// The middle of the range that GitHub shows as that severity; it has no range for what is informational.
const fn security_severity(severity: Severity) -> Option<&'static str> {
    match severity {
        Severity::Critical => Some("9.5"),
        Severity::High => Some("8.0"),
        Severity::Medium => Some("5.5"),
        Severity::Low => Some("2.0"),
        Severity::Informational => None,
    }
}

#[cfg(test)]
mod tests;
