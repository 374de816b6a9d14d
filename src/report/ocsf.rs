//! `report.ocsf.json`: one [OCSF](https://schema.ocsf.io/1.8.0/classes/compliance_finding) Compliance Finding for
//! each finding, as one JSON array with an event on each line.
//!
//! What event rules found follows as [Detection Findings](https://schema.ocsf.io/1.8.0/classes/detection_finding).
//!
//! How verdicts are told, in `compliance.status_id`: pass is 1 and fail is 3. What was not observed is 0,
//! Unknown, with the reason in `status_details` and the call behind it in `unmapped`; it is never a warning,
//! which would be a verdict. Where a control does not apply it is 99, Other, named "Not applicable", since OCSF
//! has no word for it.
//!
//! `severity_id` is how bad it is now: that of the finding for a failure and for what was not observed, which may
//! be one, and Informational where there is nothing to do. `status_id` is the state of somebody's work on the
//! finding: 1, New, or 3, Suppressed, where a waiver accepts it.

mod detection;

use std::collections::HashMap;
use std::io::{BufWriter, Write};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::text::printable;
use super::{ControlRow, Report, WriteError};
use crate::controls::{Severity, VerdictKind};
use crate::findings::{Finding, Waived};
use crate::inventory::{Account, GLOBAL};

/// Version of OCSF that the events follow.
pub const OCSF_VERSION: &str = "1.8.0";

/// Activity `Create`: each run tells what it found anew.
const ACTIVITY_CREATE: u32 = 1;
const CATEGORY_FINDINGS: u32 = 2;
const CLASS_COMPLIANCE_FINDING: u32 = 2003;

/// Writes the report.
///
/// # Errors
/// When the report does not add up, or `out` refuses.
pub fn write(report: &Report, out: &mut impl Write) -> Result<(), WriteError> {
    report.check()?;
    let events = Events::of(report)?;
    let mut out = BufWriter::with_capacity(1 << 16, out);
    out.write_all(b"[")?;
    let findings = report.findings.iter().map(|finding| events.event(finding));
    let detections = report.detections.iter().flat_map(|detections| events.detections(detections));
    for (index, event) in findings.chain(detections).enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut out, &event).map_err(std::io::Error::from)?;
    }
    out.write_all(b"\n]\n")?;
    Ok(out.flush()?)
}

/// What the events of one report share.
struct Events<'a> {
    report: &'a Report,
    /// Milliseconds since 1970.
    observed_at: i64,
    controls: HashMap<&'a str, &'a ControlRow>,
    accounts: HashMap<&'a str, &'a Account>,
    frameworks: HashMap<&'a str, &'a str>,
}

impl<'a> Events<'a> {
    fn of(report: &'a Report) -> Result<Self, WriteError> {
        Ok(Self {
            report,
            observed_at: observed_at(report)?.as_millisecond(),
            controls: report.controls.iter().map(|control| (control.id.as_str(), control)).collect(),
            accounts: report.accounts.iter().map(|account| (account.id.as_str(), account)).collect(),
            frameworks: report.frameworks.iter().map(|f| (f.id.as_str(), f.title.as_str())).collect(),
        })
    }

    fn event(&self, finding: &Finding) -> Value {
        let control = self.controls.get(finding.control.as_str()).copied();
        let (severity_id, severity) = severity(finding);
        let mut event = json!({
            "activity_id": ACTIVITY_CREATE,
            "activity_name": "Create",
            "category_name": "Findings",
            "category_uid": CATEGORY_FINDINGS,
            "class_name": "Compliance Finding",
            "class_uid": CLASS_COMPLIANCE_FINDING,
            "cloud": self.cloud(finding),
            "comment": finding.waived.as_ref().map(Waived::words),
            "compliance": self.compliance(finding, control),
            "evidences": evidences(finding),
            "finding_info": self.finding_info(finding, control),
            "message": finding.reason,
            "metadata": self.metadata(&finding.control, &finding.id),
            "remediation": remediation(finding, control),
            "resources": [self.resource(finding)],
            "severity": severity,
            "severity_id": severity_id,
            "status": if finding.waived.is_some() { "Suppressed" } else { "New" },
            "status_id": if finding.waived.is_some() { 3 } else { 1 },
            "time": self.observed_at,
            "type_name": "Compliance Finding: Create",
            "type_uid": CLASS_COMPLIANCE_FINDING * 100 + ACTIVITY_CREATE,
            "unmapped": unmapped(finding, control),
        });
        tidy(&mut event);
        event
    }

    /// About the finding or detection with that id, which the control or rule `code` made.
    fn metadata(&self, code: &str, id: &str) -> Value {
        let run = &self.report.run;
        json!({
            "correlation_uid": run.id,
            "event_code": code,
            "product": { "name": "Upright", "vendor_name": "Upright", "version": run.version },
            "profiles": ["cloud"],
            // An event happens once; the finding that it is about has the same id in every run.
            "uid": format!("{}/{id}", run.id),
            "version": OCSF_VERSION,
        })
    }

    fn cloud(&self, finding: &Finding) -> Value {
        self.place(&finding.account, region(finding))
    }

    fn place(&self, id: &str, region: Option<&str>) -> Value {
        let account = self.accounts.get(id);
        json!({
            "account": {
                "name": account.map(|account| &account.name),
                "type": "AWS Account",
                "type_id": 10,
                "uid": id,
            },
            "cloud_partition": account.map(|account| &account.partition),
            "org": account.and_then(|account| account.organization.as_ref()).map(|uid| json!({ "uid": uid })),
            "provider": "AWS",
            "region": region,
        })
    }

    fn compliance(&self, finding: &Finding, control: Option<&ControlRow>) -> Value {
        let (status_id, status) = match finding.verdict {
            VerdictKind::Pass => (1, "Pass"),
            VerdictKind::Fail => (3, "Fail"),
            VerdictKind::Unknown => (0, "Unknown"),
            VerdictKind::NotApplicable => (99, "Not applicable"),
        };
        let served: Vec<_> = control.into_iter().flat_map(|control| &control.requirements).collect();
        let standards: Vec<&str> =
            served.iter().map(|(id, _)| self.frameworks.get(id.as_str()).copied().unwrap_or(id)).collect();
        let requirements: Vec<String> = served
            .iter()
            .flat_map(|(framework, ids)| ids.iter().map(move |id| format!("{framework} {id}")))
            .collect();
        json!({
            "control": finding.control,
            "desc": control.map(|control| &control.title),
            "requirements": requirements,
            "standards": standards,
            "status": status,
            "status_details": [finding.reason],
            "status_id": status_id,
        })
    }

    fn finding_info(&self, finding: &Finding, control: Option<&ControlRow>) -> Value {
        json!({
            "analytic": {
                "name": control.map(|control| &control.title),
                "type": "Rule",
                "type_id": 1,
                "uid": finding.control,
            },
            "created_time": self.observed_at,
            "desc": control.map(|control| one_line(&control.rationale)),
            "last_seen_time": self.observed_at,
            "title": control.map_or(&finding.control, |control| &control.title),
            "types": control.map(|control| &control.tags),
            "uid": finding.id,
        })
    }

    fn resource(&self, finding: &Finding) -> Value {
        let account = self.accounts.get(finding.account.as_str());
        let tags = finding.tags.iter().map(|(name, value)| json!({ "name": name, "value": value }));
        json!({
            "cloud_partition": account.map(|account| &account.partition),
            "name": finding.resource_name,
            "owner": { "account": { "name": account.map(|account| &account.name), "uid": finding.account } },
            "region": region(finding),
            "tags": tags.collect::<Vec<_>>(),
            "type": finding.resource_type,
            "uid": match (finding.resource_arn.as_str(), account) {
                ("", Some(account)) => account_arn(&account.partition, &account.id),
                (arn, _) => arn.to_owned(),
            },
        })
    }
}

/// When the run observed what it tells.
///
/// # Errors
/// When the report says something that is no time; an event must have one.
pub(super) fn observed_at(report: &Report) -> Result<Timestamp, WriteError> {
    let text = &report.run.observed_at;
    let wrong = |error: jiff::Error| {
        std::io::Error::new(std::io::ErrorKind::InvalidData, format!("`{text}` is no time: {error}"))
    };
    Ok(text.parse().map_err(wrong)?)
}

/// Global services have no region, and a word for that would read as one.
fn region(finding: &Finding) -> Option<&str> {
    Some(finding.region.as_str()).filter(|region| *region != GLOBAL)
}

fn severity(finding: &Finding) -> (u32, &'static str) {
    if matches!(finding.verdict, VerdictKind::Pass | VerdictKind::NotApplicable) {
        return (1, "Informational");
    }
    severity_id(finding.severity)
}

const fn severity_id(severity: Severity) -> (u32, &'static str) {
    match severity {
        Severity::Informational => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

fn evidences(finding: &Finding) -> Vec<Value> {
    finding.evidence.iter().map(|evidence| json!({ "data": evidence })).collect()
}

/// What to do: about the resource for a failure, about the scan for what was not observed, and nothing else.
fn remediation(finding: &Finding, control: Option<&ControlRow>) -> Value {
    match (finding.verdict, &finding.unseen, control) {
        (VerdictKind::Fail, _, Some(control)) => json!({
            "desc": one_line(&control.remediation),
            "references": control.references.iter().filter(|url| is_web(url)).collect::<Vec<_>>(),
        }),
        (VerdictKind::Unknown, Some(unseen), _) => json!({ "desc": unseen.remedy() }),
        _ => Value::Null,
    }
}

/// Text of a control's file with its lines joined: a line break would be written out like one in a name.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// ARN of an account, which stands for what has none of its own: a place, the settings of a region.
pub(crate) fn account_arn(partition: &str, account: &str) -> String {
    format!("arn:{partition}:iam::{account}:root")
}

/// Whether it can be followed; a control's file may hold anything.
pub(super) fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// What OCSF has no attribute for.
fn unmapped(finding: &Finding, control: Option<&ControlRow>) -> Value {
    json!({
        "control_severity": control.map_or(finding.severity, |control| control.severity),
        "not_observed": finding.unseen,
        "verdict": finding.verdict,
    })
}

/// Leaves out what is not there, which OCSF tells from what is empty, and writes out hidden characters. What a
/// control read is data and keeps its shape.
fn tidy(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let std::borrow::Cow::Owned(shown) = printable(text) {
                *text = shown;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(members) => tidy_members(members),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn tidy_members(members: &mut Map<String, Value>) {
    for (name, member) in members.iter_mut() {
        if name == "data" {
            show(member);
        } else {
            tidy(member);
        }
    }
    members.retain(|name, member| match member {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        // An empty value of a tag says something, an empty name of an account does not.
        Value::String(text) => !text.is_empty() || name == "value",
        Value::Bool(_) | Value::Number(_) => true,
    });
}

/// Writes out hidden characters and leaves the rest alone, names of members included.
fn show(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(show),
        Value::Object(members) => {
            let shown = std::mem::take(members).into_iter().map(|(name, mut member)| {
                show(&mut member);
                (printable(&name).into_owned(), member)
            });
            *members = shown.collect();
        }
        Value::String(_) => tidy(value),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{sample, text};

    fn written(report: &Report) -> String {
        let mut out = Vec::new();
        write(report, &mut out).expect("written");
        String::from_utf8(out).expect("UTF-8")
    }

    fn events(report: &Report) -> Vec<Value> {
        serde_json::from_str(&written(report)).expect("a JSON array")
    }

    #[test]
    fn the_sample_is_told_like_this() {
        let report = sample::report();
        let events = events(&report);
        assert_eq!(events.len(), report.findings.len());
        // One of each verdict, and the first with a hostile name.
        let mut chosen: Vec<&Value> = VerdictKind::ALL
            .iter()
            .filter_map(|kind| events.iter().find(|e| e["unmapped"]["verdict"] == kind.as_str()))
            .collect();
        chosen.extend(events.iter().find(|e| e["resources"][0].to_string().contains("alert(1)")));
        insta::assert_json_snapshot!(chosen);
    }

    #[test]
    fn what_was_not_observed_is_unknown_and_says_why() {
        let report = sample::report();
        for (event, finding) in events(&report).iter().zip(&report.findings) {
            let expected = match finding.verdict {
                VerdictKind::Pass => 1,
                VerdictKind::Fail => 3,
                VerdictKind::Unknown => 0,
                VerdictKind::NotApplicable => 99,
            };
            assert_eq!(event["compliance"]["status_id"], expected, "{}", finding.id);
            assert_eq!(event["unmapped"]["not_observed"].is_object(), finding.unseen.is_some());
            assert_eq!(event["finding_info"]["uid"], finding.id.as_str());
        }
    }

    #[test]
    fn hidden_characters_are_written_out_and_only_web_addresses_are_references() {
        let text = written(&sample::report());
        let hidden: Vec<char> = text.chars().filter(|c| *c != '\n' && text::is_hidden(*c)).collect();
        assert_eq!(hidden, ['a'; 0]);
        // JSON's own escapes would bring them back in whatever reads the file.
        let lines = text.replace("\\\\", "");
        assert!(!lines.contains("\\u00") && !lines.contains("\\r") && !lines.contains("\\n"), "only escaped");
        assert!(!text.contains("javascript:"));
    }

    #[test]
    fn a_report_that_does_not_add_up_or_has_no_time_is_not_written() {
        let mut report = sample::clean();
        report.totals.pass += 1;
        assert!(matches!(write(&report, &mut Vec::new()), Err(WriteError::Inconsistent(_))));
        let mut report = sample::clean();
        report.run.observed_at = "yesterday".to_owned();
        let error = write(&report, &mut Vec::new()).expect_err("no time").to_string();
        assert!(error.contains("yesterday"), "{error}");
    }

    #[test]
    fn the_severity_is_that_of_the_finding_beside_that_of_the_control() {
        let events = events(&sample::with_a_worse_failure());
        let severities: Vec<_> = events
            .iter()
            .filter(|event| event["unmapped"]["control_severity"] == "medium")
            .filter(|event| event["compliance"]["status_id"] == 3)
            .map(|event| event["severity_id"].as_u64())
            .collect();
        assert_eq!(severities.iter().filter(|severity| **severity == Some(5)).count(), 1);
        assert!(
            severities.len() > 1 && severities.iter().all(|of| [Some(3), Some(5)].contains(of)),
            "{severities:?}"
        );
    }
}
