//! One OCSF Detection Finding for each detection of an event rule that is kept in full.
//!
//! `time` is when it happened; where the event says no time, when the run observed. The event itself is `raw_data`.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{ACTIVITY_CREATE, CATEGORY_FINDINGS, Events, is_web, one_line, severity_id, tidy};
use crate::report::json_text::visible;
use crate::report::{AttackName, DetectionRow, Detections, EventRuleRow};

const CLASS_DETECTION_FINDING: u32 = 2004;

impl Events<'_> {
    /// The events of the detections.
    pub(super) fn detections<'e>(&'e self, detections: &'e Detections) -> impl Iterator<Item = Value> + 'e {
        detections.detections.iter().filter_map(|row| {
            // INVARIANT: `Report::check` found the rule of every detection.
            detections.rule(&row.rule).map(|rule| self.detection(row, rule))
        })
    }

    fn detection(&self, row: &DetectionRow, rule: &EventRuleRow) -> Value {
        let (severity_id, severity) = severity_id(row.severity);
        let mut event = json!({
            "activity_id": ACTIVITY_CREATE,
            "activity_name": "Create",
            "category_name": "Findings",
            "category_uid": CATEGORY_FINDINGS,
            "class_name": "Detection Finding",
            "class_uid": CLASS_DETECTION_FINDING,
            "cloud": self.place(row.account.as_deref().unwrap_or_default(), row.region.as_deref()),
            "evidences": [evidence(row)],
            "finding_info": self.detection_info(row, rule),
            "is_alert": true,
            "message": row.output,
            "metadata": self.metadata(&row.rule, &row.id),
            "raw_data": row.event.as_ref().map(|event| visible(event.text())),
            "resources": resources(row),
            "severity": severity,
            "severity_id": severity_id,
            "status": "New",
            "status_id": 1,
            "time": self.happened_at(row),
            "type_name": "Detection Finding: Create",
            "type_uid": CLASS_DETECTION_FINDING * 100 + ACTIVITY_CREATE,
            "unmapped": {
                "event_uid": row.event_id,
                "findings": row.findings,
                "related_event_count": row.related_event_count,
                "rule_author": rule.author,
                "rule_language": rule.language,
                "rule_level": rule.level,
                "rule_license": rule.license,
                "rule_references": rule.references.iter().filter(|url| is_web(url)).collect::<Vec<_>>(),
            },
        });
        tidy(&mut event);
        event
    }

    /// Milliseconds since 1970.
    fn happened_at(&self, row: &DetectionRow) -> i64 {
        row.timestamp().map_or(self.observed_at, |time| time.as_millisecond())
    }

    fn detection_info(&self, row: &DetectionRow, rule: &EventRuleRow) -> Value {
        let happened = self.happened_at(row);
        let tactics = rule.tactics.iter().map(|tactic| json!({ "tactic": of_attack(tactic) }));
        json!({
            "analytic": {
                "desc": one_line(&rule.description),
                "name": rule.name,
                "type": "Rule",
                "type_id": 1,
                "uid": rule.id,
            },
            "attacks": tactics.chain(rule.techniques.iter().map(technique)).collect::<Vec<_>>(),
            "created_time": self.observed_at,
            "desc": one_line(&rule.description),
            "first_seen_time": happened,
            "last_seen_time": happened,
            "title": rule.name,
            "uid": row.id,
        })
    }
}

fn of_attack(of: &AttackName) -> Value {
    json!({ "name": of.name, "uid": of.id })
}

/// A sub-technique stands beside the technique that it is of, whose name is the first part of its own.
fn technique(of: &AttackName) -> Value {
    match of.id.split_once('.') {
        None => json!({ "technique": of_attack(of) }),
        Some((parent, _)) => {
            let (name, sub) = of.name.split_once(": ").unwrap_or_default();
            json!({
                "sub_technique": { "name": sub, "uid": of.id },
                "technique": { "name": name, "uid": parent },
            })
        }
    }
}

/// Who did what, from where.
fn evidence(row: &DetectionRow) -> Value {
    let actor = &row.actor;
    let source = row.source_address.as_deref().map(|address| match address.parse::<IpAddr>() {
        Ok(ip) => json!({ "ip": ip.to_string() }),
        Err(_) => json!({ "svc_name": address }),
    });
    json!({
        "actor": {
            "invoked_by": actor.invoked_by,
            "session": { "uid": actor.session_name },
            "user": {
                "account": { "uid": actor.account_id },
                "credential_uid": actor.access_key_id,
                "name": actor.name,
                "type": actor.kind,
                "uid": actor.arn,
            },
        },
        "api": row.event_name.as_ref().map(|name| json!({
            "operation": name,
            "response": { "error": row.error_code },
            "service": { "name": row.event_source },
        })),
        "src_endpoint": source,
    })
}

fn resources(row: &DetectionRow) -> Vec<Value> {
    row.resources
        .iter()
        .map(|resource| {
            json!({
                "owner": { "account": { "uid": resource.account } },
                "type": resource.kind,
                "uid": resource.arn,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::report::detections::sample;
    use crate::report::{ocsf, text};

    #[test]
    fn detections_follow_the_findings_as_a_class_of_their_own() {
        let report = sample::report();
        let mut out = Vec::new();
        ocsf::write(&report, &mut out).expect("written");
        let written = String::from_utf8(out).expect("UTF-8");
        assert!(!written.contains(|c| c != '\n' && text::is_hidden(c)), "a hidden character");
        let events: Vec<Value> = serde_json::from_str(&written).expect("a JSON array");
        let detections: Vec<&Value> = events.iter().filter(|event| event["class_uid"] == 2004).collect();
        assert_eq!(events.len(), report.findings.len() + detections.len());
        let rows = report.detections.expect("the sample has them").detections;
        assert_eq!(detections.len(), rows.len());
        for (event, row) in detections.iter().zip(&rows) {
            assert_eq!(event["finding_info"]["uid"], row.id.as_str());
            let raw = event["raw_data"].as_str().expect("the event");
            let exact = row.event.as_ref().expect("the event").text();
            let parsed = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
            assert_eq!(parsed(raw), parsed(exact));
        }
        insta::assert_json_snapshot!(detections);
    }
}
