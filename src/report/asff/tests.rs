use serde_json::Value;

use super::*;
use crate::controls::Evidence;
use crate::report::{sample, text as shown};

fn written(report: &Report) -> String {
    let mut out = Vec::new();
    write(report, &mut out).expect("written");
    String::from_utf8(out).expect("UTF-8")
}

fn findings(report: &Report) -> Vec<Value> {
    serde_json::from_str(&written(report)).expect("a JSON array")
}

#[test]
fn the_sample_is_told_like_this() {
    let report = sample::report();
    let findings = findings(&report);
    assert_eq!(findings.len(), report.findings.len());
    let mut chosen: Vec<&Value> = VerdictKind::ALL
        .iter()
        .filter_map(|kind| findings.iter().find(|f| f["ProductFields"]["upright/verdict"] == kind.as_str()))
        .collect();
    chosen.extend(findings.iter().find(|f| f["Resources"].to_string().contains("alert(1)")));
    insta::assert_json_snapshot!(chosen);
}

#[test]
fn what_was_not_observed_is_not_available_and_says_why() {
    let report = sample::report();
    for (asff, finding) in findings(&report).iter().zip(&report.findings) {
        let status = &asff["Compliance"]["Status"];
        match finding.verdict {
            VerdictKind::Pass => assert_eq!(status, "PASSED"),
            VerdictKind::Fail => assert_eq!(status, "FAILED"),
            VerdictKind::Unknown | VerdictKind::NotApplicable => {
                assert_eq!(status, "NOT_AVAILABLE");
                let reason = asff["Compliance"]["StatusReasons"][0]["Description"].as_str().expect("reason");
                assert!(!reason.is_empty(), "{}", finding.id);
            }
        }
    }
}

#[test]
fn hidden_characters_are_written_out_and_only_web_addresses_are_linked() {
    let text = written(&sample::report());
    assert!(!text.chars().any(|c| c != '\n' && shown::is_hidden(c)), "{text}");
    // JSON's own escapes would bring them back in whatever reads the file.
    let escapes = text.replace("\\\\", "");
    assert!(!escapes.contains("\\u00") && !escapes.contains("\\r") && !escapes.contains("\\n"));
    assert!(!text.contains("javascript:"));
}

/// A report of one failing finding in which every text that others write is as long as it can be.
fn overlong() -> Report {
    let mut report = sample::report();
    let long = |c: &str| c.repeat(10_240);
    for control in &mut report.controls {
        control.title = long("é");
        control.rationale = long("\u{1f600}");
        control.remediation = long("\u{202e}");
        control.references = vec![format!("https://{}", long("a"))];
        control.requirements =
            (0..50).map(|n| (format!("{n}{}", long("f")), vec![long("1"), long("2")])).collect();
    }
    for finding in &mut report.findings {
        finding.reason = long("ß");
        finding.resource_name = long("\"");
        finding.resource_arn = format!("arn:aws:s3:::{}", long("b"));
        finding.tags = (0..200).map(|n| (format!("k{n}"), "\u{10400}".repeat(256))).collect();
        finding.tags.insert(long("k"), String::new());
        let evidence = |n| Evidence {
            path: format!("{n}{}", long("p")),
            value: Value::String(long("\u{1f600}")),
            cut: true,
        };
        finding.evidence = (0..100).map(evidence).collect();
    }
    report
}

#[test]
fn every_limit_of_the_format_is_kept_with_names_of_ten_kilobytes() {
    let report = overlong();
    let all = Findings::of(&report).expect("a time");
    for finding in &report.findings {
        let asff = serde_json::to_value(all.asff(finding, "eu-west-1")).expect("JSON");
        let limits = [
            ("/Title", 256),
            ("/Description", 1024),
            ("/GeneratorId", 512),
            ("/Id", 512),
            ("/Remediation/Recommendation/Text", 512),
            ("/Remediation/Recommendation/Url", 512),
            ("/Resources/0/Id", 512),
            ("/Compliance/RelatedRequirements/0", 64),
            ("/Compliance/StatusReasons/0/Description", 1024),
        ];
        for (pointer, max) in limits {
            let Some(text) = asff.pointer(pointer).and_then(Value::as_str) else { continue };
            assert!(text.chars().count() <= max, "{pointer} has {}", text.chars().count());
        }
        let members =
            |pointer: &str| asff.pointer(pointer).and_then(Value::as_object).cloned().expect("object");
        let fields = members("/ProductFields");
        assert!(fields.len() <= 50, "{} product fields", fields.len());
        for (key, value) in &fields {
            let length = value.as_str().expect("text").chars().count();
            assert!(key.chars().count() <= 128 && (1..=2048).contains(&length), "{key}");
        }
        assert!(members("/Resources/0/Tags").len() <= 50);
        assert_eq!(asff["Compliance"]["RelatedRequirements"].as_array().expect("list").len(), 32);
        let bytes = asff.to_string().len();
        assert!(bytes < 240_000, "{bytes} bytes");
    }
}

#[test]
fn text_is_cut_between_characters_and_says_so() {
    assert_eq!(limited("naïve", 5), "naïve");
    assert_eq!(limited("naïves", 5), "naïv…");
    assert_eq!(limited("\u{202e}", 4), "\\u{…");
}

#[test]
fn tags_that_security_hub_would_refuse_are_left_out() {
    assert!(is_tag_text("cost center: 12/β+a@b", 128));
    assert!(!is_tag_text("<b>", 128) && !is_tag_text("a\nb", 128) && !is_tag_text(&"a".repeat(129), 128));
}

#[test]
fn every_type_of_resource_that_is_collected_is_named_or_known_to_have_no_name() {
    let unnamed: Vec<&str> =
        crate::collect::KINDS.iter().map(|kind| kind.name).filter(|name| kind::of(name) == "Other").collect();
    let expected = [
        "aws.efs.file_system",
        "aws.glacier.vault",
        "aws.iam.instance_profile",
        "aws.iam.server_certificate",
        "aws.logs.metric_filter",
        "aws.sso.instance",
    ];
    assert_eq!(unnamed, expected);
}

#[test]
fn the_product_is_that_of_the_account_and_of_its_partition() {
    assert_eq!(
        product_arn("aws-cn", "cn-north-1", "111122223333"),
        "arn:aws-cn:securityhub:cn-north-1:111122223333:product/111122223333/default"
    );
    assert_eq!(main_region("aws-us-gov"), "us-gov-west-1");
}

#[test]
fn the_severity_is_that_of_the_finding() {
    let report = sample::with_a_worse_failure();
    let finding = report.findings.iter().find(|finding| {
        finding.control == "s3-bucket-secure-transport" && finding.severity == Severity::Critical
    });
    let told = Findings::of(&report).expect("a report with a time").asff(finding.expect("one"), "eu-west-1");
    assert_eq!((told.severity.label, told.severity.original), ("CRITICAL", "critical"));
    assert_eq!(told.finding_provider_fields.severity, told.severity);
}
