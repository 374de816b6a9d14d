//! The page of a report, opened in Chromium: what the files in `tests/browser/` hold it to.
//!
//! Each test writes the reports that one of these files opens, and runs it with Node. Node comes with `make venv`
//! and what the files import with `make browser`; a machine without them fails here and is told so.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use upright::controls::VerdictKind;
use upright::events::ruleset::{Loader, Options as RuleOptions};
use upright::events::source::{Input, Options};
use upright::events::{own, scan::Scan};
use upright::report::{Changes, Destination, Detections, Format, Limits, Past, Report, write_files};
use upright_testkit::{hostile_account, hostile_report, hostile_strings, shown, synthetic_report, workspace};

#[test]
fn the_modules_of_the_page_do_their_parts() {
    let unit = workspace().unwrap().join("tests/browser/unit");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(unit).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(".test.mjs"));
    assert!(!files.is_empty());
    run(Command::new(node()).arg("--test").args(files), "tests/browser/unit");
}

#[test]
fn the_page_keeps_to_itself() {
    Browser::new().ordinary().passes("trust");
}

#[test]
fn filters_search_and_export_show_what_the_report_has() {
    Browser::new().ordinary().passes("filters");
}

#[test]
fn links_open_what_they_say() {
    Browser::new().ordinary().passes("fragments");
}

#[test]
fn everyone_can_use_the_page() {
    Browser::new().ordinary().split().passes("looks");
}

#[test]
fn hostile_names_are_text_on_the_page() {
    Browser::new().hostile().passes("hostile");
}

#[test]
fn a_hundred_thousand_findings_are_one_light_page() {
    Browser::new().large().passes("large");
}

#[test]
fn a_split_report_has_everything_in_its_pages() {
    Browser::new().split().passes("split");
}

#[test]
fn detections_can_be_filtered_opened_and_followed_to_findings_and_back() {
    Browser::new().detected().passes("detections");
}

/// Reports in a folder, and the browser that opens them.
struct Browser {
    pages: TempDir,
}

impl Browser {
    fn new() -> Self {
        Self { pages: TempDir::new().unwrap() }
    }

    /// Twelve accounts, and an earlier run to compare with.
    fn ordinary(self) -> Self {
        let mut report: Report = synthetic_report(3_000, 12).unwrap();
        report.changes = Some(changes(&report));
        self.write("ordinary", &report, u64::MAX)
    }

    /// What event rules found beside findings, in one page and in many.
    fn detected(self) -> Self {
        let mut report: Report = synthetic_report(1_200, 6).unwrap();
        report.changes = Some(changes(&report));
        report.set_detections(detections(&report));
        self.write("detected", &report, u64::MAX).write("detected-split", &report, 500)
    }

    fn split(self) -> Self {
        self.write("split", &synthetic_report(1_200, 6).unwrap(), 500)
    }

    fn large(self) -> Self {
        self.write("large", &synthetic_report(100_000, 200).unwrap(), u64::MAX)
    }

    /// Beside the report, `names.json` tells how each name may be shown.
    fn hostile(self) -> Self {
        let names: Vec<Value> = hostile_strings()
            .iter()
            .enumerate()
            .map(|(n, text)| json!({ "account": hostile_account(n), "text": text, "shown": shown(text) }))
            .collect();
        let this = self.write("hostile", &hostile_report().unwrap(), u64::MAX);
        let file = this.pages.path().join("hostile/names.json");
        std::fs::write(file, serde_json::to_vec(&names).unwrap()).unwrap();
        this
    }

    fn write(self, name: &str, report: &Report, html_max_findings: u64) -> Self {
        let folder = self.pages.path().join(name);
        // A page may name the other files beside it.
        let formats = [Format::Html, Format::Json, Format::Csv];
        write_files(report, Destination { folder: &folder, formats: &formats, html_max_findings }).unwrap();
        self
    }

    /// Runs one of the files in `tests/browser/`, and fails with what it says.
    fn passes(self, file: &str) {
        let tests = workspace().unwrap().join("tests/browser");
        let modules = tests.join("node_modules/playwright-core");
        assert!(modules.exists(), "{} is not there; `make browser` makes it", modules.display());
        run(
            Command::new(node())
                .args(["--test", "--test-reporter=spec", "--test-timeout=300000"])
                .arg(tests.join(format!("{file}.test.mjs")))
                .current_dir(&tests)
                .env("UPRIGHT_PAGES", self.pages.path())
                .env("UPRIGHT_PICTURES", pictures()),
            file,
        );
    }
}

/// A rule with a modifier that does not exist.
const BROKEN_RULE: &str = "\
title: Broken
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName|nomodifier: x}, condition: selection}
level: low
";

/// What the program's own rules find in events about buckets of the report, hostile ones among them, and a rule and a
/// file that could not be read.
fn detections(report: &Report) -> Detections {
    let mut loader = Loader::new(RuleOptions::default());
    own::load(&mut loader);
    loader.text(Path::new("rules/broken.yml"), BROKEN_RULE);
    let (set, issues) = loader.finish();
    let records = json!({ "Records": events(report) }).to_string().into_bytes();
    let inputs =
        [Input::bytes("trail.json", records), Input::bytes("cut.json", br#"{"Records":[{"a""#.to_vec())];
    let mut collector = Detections::collect(Limits::default());
    let options = Options::default();
    let mut scan = Scan::new(&set, options.clone(), NonZeroUsize::MIN);
    scan.read(inputs, |told| collector.take(&told));
    let scanned = scan.finish(|told| collector.take(&told));
    collector.finish(&scanned, &set, &issues, &options)
}

/// Every third event removes the public access block of a bucket, the next one stops a trail, the last is the root
/// user's. Names and addresses are what attackers would choose.
fn events(report: &Report) -> Vec<Value> {
    let hostile = hostile_strings();
    let buckets = report.findings.iter().filter(|finding| finding.resource_arn.starts_with("arn:aws:s3:::"));
    let of_event = |(n, (finding, name)): (usize, (&upright::findings::Finding, &String))| {
        let bucket = finding.resource_arn.trim_start_matches("arn:aws:s3:::");
        let (source, call, parameters) = match n % 3 {
            0 => (
                "s3.amazonaws.com",
                "DeleteBucketPublicAccessBlock",
                json!({ "bucketName": bucket, "note": name }),
            ),
            1 => ("cloudtrail.amazonaws.com", "StopLogging", json!({ "name": name })),
            _ => ("iam.amazonaws.com", "ListUsers", Value::Null),
        };
        let root = n % 3 == 2;
        json!({
            "eventVersion": "1.11",
            "userIdentity": {
                "type": if root { "Root" } else { "IAMUser" },
                "arn": format!("arn:aws:iam::{}:{}", finding.account, if root { "root" } else { "user/x" }),
                "userName": if root { Value::Null } else { json!(name) },
                "accountId": finding.account,
            },
            "eventTime": format!("2026-11-23T{:02}:{:02}:00Z", n / 60 % 24, n % 60),
            "eventSource": source,
            "eventName": call,
            "awsRegion": "eu-west-1",
            "sourceIPAddress": name,
            "userAgent": name,
            "requestParameters": parameters,
            "eventID": format!("00000000-0000-4000-8000-{n:012}"),
            "eventType": "AwsApiCall",
            "recipientAccountId": finding.account,
        })
    };
    buckets.step_by(4).zip(hostile.iter().cycle()).take(60).enumerate().map(of_event).collect()
}

/// Runs Node, and fails with what it says.
fn run(node: &mut Command, what: &str) {
    let run = node.output().unwrap();
    let [said, also] = [&run.stdout, &run.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(run.status.success(), "{what} fails:\n{said}\n{also}");
}

fn node() -> PathBuf {
    let node = workspace().unwrap().join(".venv/bin/node");
    assert!(node.exists(), "{} is not there; `make venv` makes it", node.display());
    node
}

/// Where pictures of the page are left to be looked at.
fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("pages")
}

/// Of the failing findings every third is new, and as many were resolved.
fn changes(report: &Report) -> Changes {
    let failing = || report.findings.iter().filter(|finding| finding.verdict == VerdictKind::Fail);
    let new: Vec<String> = failing().step_by(3).map(|finding| finding.id.clone()).collect();
    let past: Vec<Past> = failing()
        .take(9)
        .enumerate()
        .map(|(n, finding)| Past {
            id: format!("{n:032x}"),
            control: finding.control.clone(),
            severity: finding.severity,
            account: finding.account.clone(),
            region: finding.region.clone(),
            resource_arn: format!("{}-{n}", finding.resource_arn),
            resource_name: format!("{}-{n}", finding.resource_name),
        })
        .collect();
    let (resolved, rest) = past.split_at(4);
    Changes {
        since_run: "20261123T030000Z".to_owned(),
        failing_since: Default::default(),
        changed_evidence: Vec::new(),
        authors: None,
        scope: Default::default(),
        since: "2026-11-23T03:00:00Z".to_owned(),
        still_failing: (failing().count() - new.len()) as u64,
        new,
        resolved: resolved.to_vec(),
        no_longer_observed: rest.to_vec(),
        newly_judged: Vec::new(),
        no_longer_judged: Vec::new(),
    }
}
