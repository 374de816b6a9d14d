use std::path::Path;

use super::lines::from_reader;
use super::{Detections, Limits, sample};
use crate::events::ruleset::Gravity;
use crate::report::sample::{DEV, HOSTILE, LOCKED, MANAGEMENT, PROD};
use crate::report::{Inconsistent, Report, json};

fn read(text: &str) -> Result<Detections, String> {
    from_reader(Path::new("found.jsonl"), text.as_bytes(), Limits::default())
        .map_err(|error| error.to_string())
}

fn limits() -> Limits {
    Limits::default()
}

#[test]
fn everything_is_counted_and_the_worst_comes_first() {
    let detections = sample::detections();
    let counts: Vec<_> =
        detections.rules.iter().map(|rule| (rule.name.as_str(), rule.found, rule.kept)).collect();
    assert_eq!(
        counts,
        [
            ("Bucket policy </script><img src=x onerror=alert(1)>", 9, 9),
            ("Root used", 1, 1),
            ("Nobody does this", 0, 0)
        ]
    );
    assert_eq!((detections.totals.critical, detections.totals.high, detections.totals.total()), (9, 1, 10));
    let times: Vec<_> = detections.detections.iter().map(|row| (row.severity, row.timestamp())).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    assert_eq!(detections.dropped(), 0);
}

#[test]
fn what_was_read_and_what_was_not_is_told() {
    let read = sample::detections().read.unwrap();
    assert_eq!((read.inputs, read.unread_inputs, read.counts.events, read.rules_left_out), (2, 1, 11, 1));
    assert_eq!(read.unread[0].name, format!("AWSLogs/{}", HOSTILE[5]));
    assert!(read.unread[0].problems[0].contains("cut short"), "{:?}", read.unread);
    assert_eq!(read.since.as_deref(), Some("2026-11-01T00:00:00Z"));
    let issue = read.issues.iter().find(|issue| issue.gravity == Gravity::Error).unwrap();
    assert_eq!((issue.file.as_str(), issue.rule.as_deref()), ("rules/sample.yml", Some("Does not compile")));
    assert!(!read.is_complete());
}

#[test]
fn tactics_and_techniques_have_ids_and_the_names_that_are_known() {
    let detections = sample::detections();
    let rule = &detections.rules[0];
    let named = |of: &[super::AttackName]| -> Vec<String> {
        of.iter().map(|one| format!("{} {}", one.id, one.name)).collect()
    };
    assert_eq!(named(&rule.tactics), ["TA0009 Collection", "TA0010 Exfiltration"]);
    assert_eq!(
        named(&rule.techniques),
        ["T1530 Data from Cloud Storage", "T1537 Transfer Data to Cloud Account", "T1999 "]
    );
}

#[test]
fn what_is_not_kept_is_counted_by_rule() {
    let few = sample::collected(Limits { detections: 4, ..limits() });
    assert_eq!((few.detections.len(), few.dropped(), few.totals.total()), (4, 6, 10));
    assert!(few.detections.iter().all(|row| few.rule(&row.rule).unwrap().found == 9));
    let of_a_rule = sample::collected(Limits { of_a_rule: 2, ..limits() });
    let counts: Vec<_> = of_a_rule.rules.iter().map(|rule| (rule.found, rule.kept)).collect();
    assert_eq!(counts, [(9, 2), (1, 1), (0, 0)]);
    // The newest of the rule are those that stay.
    let all = sample::detections();
    assert_eq!(of_a_rule.detections[..2], all.detections[..2]);
    let none = sample::collected(Limits { bytes: 0, ..limits() });
    assert_eq!((none.detections.len(), none.dropped()), (0, 10));
    for detections in [few, of_a_rule, none] {
        detections.check(&[]).unwrap();
    }
}

#[test]
fn a_large_event_is_left_out_of_its_detection() {
    let detections = sample::collected(Limits { event_bytes: 10, ..limits() });
    assert_eq!(detections.detections.len(), 10);
    assert!(detections.detections.iter().all(|row| row.event.is_none() && row.event_bytes > 10));
}

#[test]
fn detections_lead_to_the_findings_of_the_same_resource_and_bucket() {
    let report = sample::report();
    report.check().unwrap();
    let findings = |bucket: &str| -> Vec<&str> {
        let arn = format!("arn:aws:s3:::{bucket}");
        report.findings.iter().filter(|f| f.resource_arn == arn).map(|f| f.id.as_str()).collect()
    };
    let rows = &report.detections.as_ref().unwrap().detections;
    let website = rows.iter().find(|row| row.account.as_deref() == Some(PROD)).unwrap();
    assert_eq!(website.findings, findings("acme-website"));
    assert!(!website.findings.is_empty());
    // The object is in one bucket, and the parameter names another.
    for (row, hostile) in rows.iter().filter(|row| row.account.as_deref() == Some(DEV)).flat_map(|row| {
        HOSTILE.iter().filter(|of| row.actor.name.as_deref() == Some(**of)).map(move |of| (row, of))
    }) {
        let expected = [findings("acme-vault"), findings(hostile)].concat();
        let mut linked: Vec<&str> = row.findings.iter().map(String::as_str).collect();
        linked.sort_unstable();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(linked, expected, "{hostile}");
    }
    let root = rows.iter().find(|row| row.account.as_deref() == Some(MANAGEMENT)).unwrap();
    assert!(root.findings.is_empty());
}

#[test]
fn a_report_with_detections_reads_back_the_same_and_fits_its_schema() {
    let report = sample::report();
    let mut text = Vec::new();
    json::write(&report, &mut text).unwrap();
    assert_eq!(json::parse(Path::new("report.json"), &text).unwrap(), report);
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let validator = jsonschema::draft202012::new(&json::schema()).unwrap();
    let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    // What was written before there were detections has none.
    let old: Report =
        serde_json::from_value(serde_json::to_value(crate::report::sample::report()).unwrap()).unwrap();
    assert_eq!(old.detections, None);
}

#[test]
fn an_event_keeps_its_numbers_its_order_and_its_depth() {
    let deep = format!("{}1{}", "{\"a\":[".repeat(60), "]}".repeat(60));
    let mut detection = sample::one();
    let event = format!("{{\"z\": 12345678901234567890123, \"a\" :{deep}}}");
    detection.event = serde_json::value::RawValue::from_string(event.clone()).unwrap().into();
    let mut report = crate::report::sample::report();
    report.set_detections(read(&serde_json::to_string(&detection).unwrap()).unwrap());
    let mut text = Vec::new();
    json::write(&report, &mut text).unwrap();
    let back = json::parse(Path::new("report.json"), &text).unwrap();
    let event = event.replace(' ', "");
    assert_eq!(back.detections.unwrap().detections[0].event.as_ref().unwrap().text(), event);
}

#[test]
fn the_lines_of_a_scan_give_the_detections_and_claim_no_more() {
    let read = read(&sample::lines()).unwrap();
    let scanned = sample::detections();
    assert_eq!(read.detections, scanned.detections);
    assert_eq!(read.totals, scanned.totals);
    assert_eq!(read.read, None);
    // Of rules that found nothing the lines know nothing.
    assert_eq!(read.rules, scanned.rules[..2]);
}

#[test]
fn the_same_line_twice_is_one_detection() {
    let lines = sample::lines();
    assert_eq!(read(&format!("{lines}\n\r\n{lines}")).unwrap(), read(&lines).unwrap());
    assert_eq!(read("").unwrap().totals.total(), 0);
}

#[test]
fn a_bad_line_is_named() {
    let lines = sample::lines();
    let first = lines.lines().next().unwrap();
    for (text, expected) in [
        ("{}\n".to_owned(), "line 1: missing field `id` at column 2"),
        (format!("{first}\n\n{}", &first[..40]), "line 3: EOF while parsing a string"),
        (format!("{first}\nnot read: x\n"), "line 2: expected ident at column 2"),
        (
            first.replacen("\"id\":\"", "\"id\":\"</script>", 1),
            "line 1: `id` is not made of up to 64 hexadecimal digits",
        ),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.starts_with(&format!("detections `found.jsonl` {expected}")), "{error}");
        assert!(error.ends_with("`upright events scan --json` prints"), "{error}");
    }
}

#[test]
fn what_does_not_add_up_is_refused() {
    type Break = fn(&mut Detections);
    let breaks: [(&str, Break); 8] = [
        ("the rules have", |d| d.totals.critical += 1),
        ("are there", |d| d.rules[0].kept -= 1),
        ("is there twice", |d| d.detections[1] = d.detections[0].clone()),
        ("is not listed", |d| d.detections[0].rule = "other".to_owned()),
        ("its rule", |d| d.detections[0].severity = crate::controls::Severity::Low),
        ("not about it", |d| d.detections[0].findings.push("0123456789abcdef".to_owned())),
        ("not in order", |d| d.detections.swap(0, 8)),
        ("no id", |d| d.detections[0].id = "\"><script>".to_owned()),
    ];
    for (expected, break_it) in breaks {
        let mut report = sample::report();
        break_it(report.detections.as_mut().unwrap());
        match report.check() {
            Err(Inconsistent::Detections { what }) => assert!(what.contains(expected), "{what}"),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn the_part_of_an_account_has_its_detections_and_those_of_its_resources() {
    let report = sample::report();
    let counts: Vec<u64> = [MANAGEMENT, PROD, DEV, LOCKED]
        .iter()
        .map(|account| {
            let part = report.of_account(account);
            part.check().unwrap();
            part.detections.unwrap().totals.total()
        })
        .collect();
    // The bucket `acme-vault`, from which DEV got objects, is PROD's.
    assert_eq!(counts, [1, 9, 8, 0]);
}
