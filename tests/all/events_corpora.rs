//! Published rule files and recorded attacks: what loads, and what matches.
//!
//! The rules of others are not in this repository. `.ci/run` says where they are with `UPRIGHT_CORPORA`; where nobody
//! does, only our own cases in `tests/fixtures/events/` run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;

use events::engine::Scratch;
use events::record::Record;
use events::ruleset::{Gravity, Issue, Language, Loader, Options, RuleSet};
use events::sigma::correlation::Limits;
use upright::events;

/// The folder of published rules and recorded attacks, where one is named.
fn corpora() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("UPRIGHT_CORPORA")?);
    assert!(folder.is_dir(), "UPRIGHT_CORPORA names {}, which is no folder", folder.display());
    Some(folder)
}

/// Our own cases.
fn own_cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/events")
}

fn load(options: Options, paths: &[PathBuf]) -> (RuleSet, Vec<Issue>) {
    let mut loader = Loader::new(options);
    paths.iter().for_each(|path| loader.path(path));
    loader.finish()
}

fn everything() -> Options {
    Options { with_disabled: true, ..Options::default() }
}

fn errors(issues: &[Issue]) -> Vec<String> {
    issues.iter().filter(|issue| issue.gravity == Gravity::Error).map(ToString::to_string).collect()
}

/// The records of a delivered file, compressed or not.
fn records(file: &Path) -> Vec<Box<RawValue>> {
    #[derive(Deserialize)]
    struct Delivered {
        #[serde(rename = "Records")]
        records: Vec<Box<RawValue>>,
    }
    let mut bytes = std::fs::read(file).unwrap();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        MultiGzDecoder::new(&*bytes).read_to_end(&mut plain).unwrap();
        bytes = plain;
    }
    serde_json::from_slice::<Delivered>(&bytes).unwrap().records
}

/// Rows of a CSV file without its head; fields may be quoted.
fn rows(file: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(file).unwrap();
    let parse = |line: &str| {
        let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
        let mut characters = line.chars().peekable();
        while let Some(c) = characters.next() {
            match c {
                '"' if quoted && characters.peek() == Some(&'"') => {
                    characters.next();
                    field.push('"');
                }
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(std::mem::take(&mut field)),
                c => field.push(c),
            }
        }
        fields.push(field);
        fields
    };
    text.lines().skip(1).map(parse).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// `file,rule,eventID,output` of every match.
fn alerts(rules: &RuleSet, events: &Path) -> BTreeSet<[String; 4]> {
    let mut scratch = Scratch::default();
    let mut alerts = BTreeSet::new();
    for raw in records(events) {
        let record = Record::parse(raw.get().as_bytes()).unwrap();
        rules.evaluate(&record, &mut scratch, |found| {
            let id = record.event_id().unwrap_or_default().into_owned();
            let info = &found.rule.info;
            alerts.insert([file_name(&info.file), info.name.clone(), id, found.output()]);
        });
    }
    alerts
}

fn difference<T: Ord + std::fmt::Debug>(expected: &BTreeSet<T>, found: &BTreeSet<T>) -> String {
    let mut text = String::new();
    for missing in expected.difference(found) {
        let _ = writeln!(text, "missing  {missing:?}");
    }
    for surplus in found.difference(expected) {
        let _ = writeln!(text, "surplus  {surplus:?}");
    }
    text
}

fn assert_same<T: Ord + std::fmt::Debug>(expected: &BTreeSet<T>, found: &BTreeSet<T>) {
    assert!(expected == found, "{}", difference(expected, found));
    assert!(!expected.is_empty());
}

#[test]
fn the_shipped_falco_rules_and_the_printed_one_alert_as_expected() {
    let Some(corpora) = corpora() else { return };
    let falco = corpora.join("falco");
    let mut found = BTreeSet::new();
    // Each alone: both have a rule of one name.
    for (file, count) in [("aws_cloudtrail_rules.yaml", 22), ("seed_ecs_task_legacy.yaml", 1)] {
        let (rules, issues) = load(everything(), &[falco.join(file)]);
        assert_eq!(errors(&issues), [""; 0]);
        assert_eq!(rules.rules().len(), count);
        found.extend(alerts(&rules, &falco.join("shipped_events.json")));
    }
    let expected: BTreeSet<[String; 4]> =
        rows(&falco.join("shipped_expected.csv")).into_iter().map(|row| row.try_into().unwrap()).collect();
    // The rule that is always so is not among the expected alerts; its output is tested on its own.
    found.retain(|[_, rule, ..]| rule != "All Cloudtrail Events");
    assert_same(&expected, &found);
}

#[test]
fn two_of_the_shipped_rules_are_switched_off() {
    let Some(corpora) = corpora() else { return };
    let (rules, _) = load(Options::default(), &[corpora.join("falco/aws_cloudtrail_rules.yaml")]);
    let names: Vec<&str> = rules.rules().iter().map(|rule| rule.info.name.as_str()).collect();
    assert_eq!(names.len(), 20);
    assert!(!names.contains(&"List Buckets") && !names.contains(&"All Cloudtrail Events"));
}

#[test]
fn falco_semantics_are_as_expected() {
    let falco = own_cases().join("falco");
    let (rules, issues) = load(Options::default(), &[falco.join("semantics_rules.yaml")]);
    assert_eq!(errors(&issues), [""; 0]);
    assert!(
        issues
            .iter()
            .any(|issue| issue.gravity == Gravity::Note && issue.rule.as_deref() == Some("other-source"))
    );
    let found: BTreeSet<[String; 3]> = alerts(&rules, &falco.join("semantics_events.json"))
        .into_iter()
        .map(|[_, rule, event, output]| [rule, event, output])
        .collect();
    let expected: BTreeSet<[String; 3]> =
        rows(&falco.join("semantics_expected.csv")).into_iter().map(|row| row.try_into().unwrap()).collect();
    assert_same(&expected, &found);
}

#[test]
fn sigma_semantics_are_as_expected() {
    let sigma = own_cases().join("sigma");
    let (rules, issues) = load(Options::default(), &[sigma.join("rules")]);
    assert_eq!(errors(&issues), [""; 0]);
    assert_eq!(rules.rules().len(), 39);
    let found: BTreeSet<[String; 2]> = alerts(&rules, &sigma.join("events.json"))
        .into_iter()
        .map(|[file, _, event, _]| [file, event])
        .collect();
    let expected: BTreeSet<[String; 2]> =
        rows(&sigma.join("expected.csv")).into_iter().map(|row| row.try_into().unwrap()).collect();
    assert_same(&expected, &found);
}

#[test]
fn all_published_sigma_rules_load() {
    let Some(corpora) = corpora() else { return };
    let (rules, issues) = load(Options::default(), &[corpora.join("sigma/rules")]);
    assert_eq!(errors(&issues), [""; 0]);
    assert_eq!(rules.rules().len(), 57);
    let (rules, issues) = load(Options::default(), &[corpora.join("sigma/suzaku-rules")]);
    assert_eq!(errors(&issues), [""; 0]);
    // 733 files with a rule, and 5 with a correlation and the seven rules that these are about.
    assert_eq!(rules.rules().iter().filter(|rule| rule.is_reported).count(), 733);
    assert_eq!(rules.rules().len(), 740);
    assert_eq!(rules.correlations().count(), 5);
    assert!(rules.rules().iter().all(|rule| rule.info.author.is_some()), "alerts name the author");
}

#[test]
fn rules_that_relate_events_in_the_old_way_are_refused_by_name_and_reason() {
    let Some(corpora) = corpora() else { return };
    let (rules, issues) = load(Options::default(), &[corpora.join("sigma/unsupported")]);
    assert_eq!(rules.rules().len(), 0);
    assert_eq!(issues.len(), 8);
    for issue in &issues {
        assert_eq!(issue.gravity, Gravity::Error);
        assert!(issue.rule.is_some(), "{issue}");
        assert!(issue.message.contains("aggregation `|") || issue.message.contains("`timeframe`"), "{issue}");
    }
}

#[test]
fn a_placeholder_without_values_refuses_its_rule_only() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("sigma/rules-placeholder");
    let (rules, issues) = load(Options::default(), std::slice::from_ref(&folder));
    assert_eq!(rules.rules().len(), 0);
    assert!(matches!(&*errors(&issues), [error] if error.contains("%Legitimate_Countries%")), "{issues:?}");
    let values = |name: &str, value: &str| (name.to_owned(), vec![value.to_owned()]);
    let placeholders =
        BTreeMap::from([values("Legitimate_Countries", "CH"), values("Legitimate_IP_Ranges", "x")]);
    let (rules, issues) = load(Options { placeholders, ..Options::default() }, &[folder]);
    assert_eq!((rules.rules().len(), errors(&issues)), (1, Vec::new()));
}

#[test]
fn hits_over_recorded_attacks_are_as_expected() {
    let Some(corpora) = corpora() else { return };
    let (falco, _) = load(everything(), &[corpora.join("falco/aws_cloudtrail_rules.yaml")]);
    let (hq, _) = load(Options::default(), &[corpora.join("sigma/rules")]);
    let (suzaku, _) = load(Options::default(), &[corpora.join("sigma/suzaku-rules")]);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(corpora.join("stratus/logs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    // By file and, as several rules share a Falco file, by name.
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut total = 0;
    let mut scratch = Scratch::default();
    for raw in files.iter().flat_map(|file| records(file)) {
        let record = Record::parse(raw.get().as_bytes()).unwrap();
        total += 1;
        for rules in [&falco, &hq, &suzaku] {
            rules.evaluate(&record, &mut scratch, |found| {
                // What only a correlation counts is not told, and the expectation has no rows for it.
                if !found.rule.is_reported {
                    return;
                }
                let info = &found.rule.info;
                *counts.entry((file_name(&info.file), info.name.clone())).or_default() += 1;
            });
        }
    }
    assert_eq!(total, 310);
    let mut differences = String::new();
    let mut expected_total = 0;
    for row in rows(&corpora.join("expected_stratus.csv")) {
        let [_, _, file, rule, expected, ..] = row.as_slice() else { panic!("{row:?}") };
        let expected: u64 = expected.parse().unwrap();
        let found = counts.remove(&(file.clone(), rule.clone())).unwrap_or(0);
        expected_total += expected;
        if found != expected {
            let _ = writeln!(differences, "{file} `{rule}`: expected {expected}, found {found}");
        }
    }
    for ((file, rule), found) in counts {
        let _ = writeln!(differences, "{file} `{rule}`: not expected at all, found {found}");
    }
    assert!(differences.is_empty(), "{differences}");
    assert_eq!(expected_total, 713);
}

#[test]
fn correlations_over_recorded_attacks_do_not_depend_on_the_order_of_files() {
    let Some(corpora) = corpora() else { return };
    let (rules, _) = load(Options::default(), &[corpora.join("sigma/suzaku-rules")]);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(corpora.join("stratus/logs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let run = |files: &[PathBuf]| {
        let mut correlator = rules.correlator(Limits::default());
        let mut scratch = Scratch::default();
        for raw in files.iter().flat_map(|file| records(file)) {
            let record = Record::parse(raw.get().as_bytes()).unwrap();
            rules.evaluate(&record, &mut scratch, |found| {
                found.observations().into_iter().for_each(|observation| correlator.observe(observation));
            });
        }
        let (detections, tally) = correlator.finish();
        assert_eq!((tally.late, tally.forgotten_groups), (0, 0));
        assert!(tally.counted > 50, "{tally:?}");
        detections.into_iter().map(|detection| (detection.id, detection.output)).collect::<Vec<_>>()
    };
    let forwards = run(&files);
    files.reverse();
    assert_eq!(forwards, run(&files));
    assert!(!forwards.is_empty());
}

#[test]
fn all_rules_together_match_what_they_match_alone() {
    let Some(corpora) = corpora() else { return };
    let folders = ["falco/aws_cloudtrail_rules.yaml", "sigma/rules", "sigma/suzaku-rules"]
        .map(|name| corpora.join(name));
    let (together, _) = load(everything(), &folders);
    let alone = folders.map(|folder| load(everything(), &[folder]).0);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(corpora.join("stratus/logs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut scratch = Scratch::default();
    let mut scratches = [Scratch::default(), Scratch::default(), Scratch::default()];
    for raw in files.iter().flat_map(|file| records(file)) {
        let record = Record::parse(raw.get().as_bytes()).unwrap();
        let mut all = Vec::new();
        let mut each = Vec::new();
        let key = |language: Language, name: &str| (language == Language::Falco, name.to_owned());
        together.evaluate(&record, &mut scratch, |found| {
            all.push(key(found.rule.info.language, &found.rule.info.name))
        });
        for (rules, scratch) in alone.iter().zip(&mut scratches) {
            rules.evaluate(&record, scratch, |found| {
                each.push(key(found.rule.info.language, &found.rule.info.name))
            });
        }
        assert_eq!(all, each);
    }
}
