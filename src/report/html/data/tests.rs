use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::json;

use super::*;
use crate::report::{Changes, sample};

fn decoded(block: &str) -> Value {
    let mut json = String::new();
    GzDecoder::new(aws_smithy_types::base64::decode(block).unwrap().as_slice())
        .read_to_string(&mut json)
        .unwrap();
    serde_json::from_str(&json).unwrap()
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

/// The findings as the block has them, in the shape of `report.json`, but with short ids.
fn findings(data: &Value) -> Vec<Value> {
    let columns = &data["findings"];
    let ids: Vec<&str> = columns["id"].as_str().unwrap().split(' ').collect();
    let (mut resource, mut evidence) = (0, 0);
    let row = |(at, id): (usize, &str)| {
        let of = |column: &str| number(&columns[column][at]);
        resource += columns["resource"][at].as_i64().unwrap();
        evidence += columns["evidence"][at].as_i64().unwrap();
        let (resource, evidence) = (usize::try_from(resource).unwrap(), usize::try_from(evidence).unwrap());
        let resources = &data["resources"];
        let read: Vec<Value> = data["evidence"][evidence]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let at = number(one);
                let path = &data["paths"][number(&data["read"]["path"][at])];
                let mut read = json!({ "path": path, "value": data["read"]["value"][at] });
                if data["read"]["cut"].as_array().unwrap().contains(one) {
                    read["cut"] = json!(true);
                }
                read
            })
            .collect();
        let mut finding = json!({
            "id": id,
            "control": data["controls"][of("control")]["id"],
            "account": data["accounts"]["id"][of("account")],
            "region": data["regions"][of("region")],
            "verdict": data["verdicts"][of("verdict")],
            "severity": data["severities"][of("severity")],
            "reason": data["reasons"][of("reason")],
            "resource_arn": resources["arn"][resource],
            "resource_name": resources["name"][resource],
            "resource_type": data["types"][number(&resources["type"][resource])],
            "evidence": read,
        });
        let tags = &data["tags"][number(&resources["tags"][resource])];
        if tags.as_object().is_some_and(|tags| !tags.is_empty()) {
            finding["tags"] = tags.clone();
        }
        if let Some(at) = of("unseen").checked_sub(1) {
            let unseen = &data["unseen"];
            finding["unseen"] = json!({
                "account": data["accounts"]["id"][number(&unseen["account"][at])],
                "region": data["regions"][number(&unseen["region"][at])],
                "operation": data["calls"][number(&unseen["call"][at])],
                "cause": unseen["cause"][at],
                "code": unseen["code"][at],
                "message": unseen["message"][at],
            });
        }
        finding
    };
    ids.into_iter().enumerate().map(row).collect()
}

/// Compares every finding with what the block says about it.
fn assert_same(report: &Report, data: &Value) {
    let read = findings(data);
    assert_eq!(read.len(), report.findings.len());
    for (finding, read) in report.findings.iter().zip(read) {
        let mut wanted = serde_json::to_value(finding).unwrap();
        if let Some(unseen) = &finding.unseen {
            wanted["unseen"]["cause"] = json!(unseen.cause.to_string());
        }
        assert!(finding.id.starts_with(read["id"].as_str().unwrap()), "{} is shown as {read}", finding.id);
        wanted["id"] = read["id"].clone();
        assert_eq!(wanted, read);
    }
}

#[test]
fn every_finding_is_there_with_all_its_fields() {
    let report = sample::report();
    let block = block(&report).unwrap();
    let data = decoded(&block);
    assert_same(&report, &data);
    assert!(data["new"].is_null());
    assert_eq!(block, super::block(&report).unwrap(), "the same report gives the same block");
}

#[test]
fn remedies_and_statements_come_with_what_was_not_observed() {
    let report = sample::report();
    let data = decoded(&block(&report).unwrap());
    for (row, finding) in report.findings.iter().enumerate() {
        let Some(unseen) = &finding.unseen else { continue };
        let at = number(&data["findings"]["unseen"][row]) - 1;
        assert_eq!(data["remedies"][number(&data["unseen"]["remedy"][at])], unseen.remedy());
        let statement = number(&data["unseen"]["statement"][at]).checked_sub(1);
        assert_eq!(statement.map(|at| data["statements"][at].clone()), unseen.statement());
    }
}

#[test]
fn requirements_and_calls_say_how_each_account_came_out() {
    let report = sample::report();
    let data = decoded(&block(&report).unwrap());
    for (f, framework) in report.frameworks.iter().enumerate() {
        for (r, requirement) in framework.requirements.iter().enumerate() {
            let statuses = data["frameworks"][f]["requirements"][r]["accounts"].as_str().unwrap();
            let read: BTreeMap<String, RequirementStatus> = statuses
                .chars()
                .zip(data["accounts"]["id"].as_array().unwrap())
                .filter_map(|(digit, id)| {
                    let status = RequirementStatus::ALL[usize::try_from(digit.to_digit(10)?).ok()?];
                    Some((id.as_str()?.to_owned(), status))
                })
                .collect();
            assert_eq!(read, requirement.accounts, "{} {}", framework.id, requirement.id);
        }
    }
    let calls = &data["coverage"];
    for (at, row) in report.coverage.iter().enumerate() {
        let of = |column: &str| number(&calls[column][at]);
        assert_eq!(data["accounts"]["id"][of("account")], row.account);
        assert_eq!(data["calls"][of("call")], format!("{}:{}", row.service, row.operation));
        assert_eq!(
            (of("answered"), of("unanswered")),
            (usize::try_from(row.answered).unwrap(), usize::try_from(row.unanswered).unwrap())
        );
        let errors = calls["errors"].as_array().unwrap().iter().filter(|error| error[0] == at).count();
        assert_eq!(errors, row.errors.len());
    }
}

#[test]
fn new_findings_are_named_by_position() {
    let mut report = sample::report();
    report.changes = Some(Changes {
        since_run: "20261123T030000Z".to_owned(),
        failing_since: Default::default(),
        changed_evidence: Vec::new(),
        authors: None,
        scope: Default::default(),
        since: "2026-11-23T03:00:00Z".to_owned(),
        new: vec![report.findings[5].id.clone(), report.findings[2].id.clone()],
        resolved: Vec::new(),
        no_longer_observed: Vec::new(),
        newly_judged: Vec::new(),
        no_longer_judged: Vec::new(),
        still_failing: 3,
    });
    assert_eq!(decoded(&block(&report).unwrap())["new"], json!([2, 5]));
}

#[test]
fn an_id_is_as_long_as_it_takes_to_be_the_only_one() {
    let mut report = sample::report();
    report.findings.truncate(3);
    for (finding, id) in report.findings.iter_mut().zip([
        "0123456789abcdef0123456789abcde1",
        "fedcba9876543210fedcba9876543210",
        "0123456789abcdef9123456789abcde1",
    ]) {
        id.clone_into(&mut finding.id);
    }
    assert_eq!(short_ids(&report.findings), ["0123456789abcdef0", "fedcba987654", "0123456789abcdef9"]);
}

#[test]
fn every_finding_of_many_accounts_is_there() {
    let report: Report = upright_testkit::synthetic_report(2_000, 20).unwrap();
    assert_same(&report, &decoded(&block(&report).unwrap()));
}

#[test]
fn a_hundred_thousand_findings_fit_into_the_page() {
    let report: Report = upright_testkit::synthetic_report(100_000, 200).unwrap();
    report.check().unwrap();
    let block = block(&report).unwrap();
    assert!(block.len() <= 4_600_000, "{} bytes", block.len());
}

#[test]
fn a_failure_that_is_worse_than_its_control_keeps_its_severity() {
    let report = sample::with_a_worse_failure();
    let data = decoded(&block(&report).unwrap());
    assert_same(&report, &data);
    let control =
        data["controls"].as_array().unwrap().iter().find(|c| c["id"] == "s3-bucket-secure-transport");
    assert_eq!(control.unwrap()["severity"], "medium");
}
