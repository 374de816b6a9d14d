//! The framework files against the facts they were made from, and what users see of frameworks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;
use upright::controls::{Assessment, ControlSet, Framework, Relation};
use upright_testkit::World;

use crate::common;

/// Ids in the facts, and in Upright.
const MAPPED: [(&str, &str); 7] = [
    ("GDPR", "gdpr"),
    ("HIPAA", "hipaa"),
    ("ISO-27001", "iso-27001-2022"),
    ("NIST-800-190", "nist-800-190"),
    ("NIST-800-53", "nist-800-53-r5"),
    ("PCI-DSS", "pci-dss-4.0.1"),
    ("SOC2", "soc2"),
];

fn upright(directory: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_upright")).current_dir(directory).args(args).output().unwrap()
}

fn json(args: &[&str]) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let output = upright(directory.path(), args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The error of a usage mistake, without the frame and the breaks of long lines.
fn mistake(directory: &Path, args: &[&str]) -> String {
    let output = upright(directory, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stderr).replace('│', " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn today() -> Date {
    Timestamp::now().to_zoned_datetime(TimeZone::UTC).date()
}

fn facts(file: &str) -> Vec<BTreeMap<String, String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file);
    csv::Reader::from_path(path).unwrap().deserialize().map(|row| row.unwrap()).collect()
}

fn slugs(row: &BTreeMap<String, String>) -> BTreeSet<&str> {
    row["control_slugs"].split(';').filter(|slug| !slug.is_empty()).collect()
}

fn builtin() -> ControlSet {
    ControlSet::builtin().unwrap_or_else(|errors| panic!("{:?}", miette::Report::new(errors)))
}

/// Checks that a framework has exactly the requirements of the facts, in their order, with their controls.
fn compare(framework: &Framework, facts: &[&BTreeMap<String, String>], id: &str) {
    let ids: Vec<&str> = framework.requirements.iter().map(|r| r.id.as_str()).collect();
    let expected: Vec<&str> = facts.iter().map(|row| row[id].as_str()).collect();
    assert_eq!(ids, expected, "{}", framework.id);
    for (requirement, row) in framework.requirements.iter().zip(facts) {
        let needs: BTreeSet<&str> = requirement.needs().collect();
        assert_eq!(needs, slugs(row), "{} {}", framework.id, requirement.id);
        assert_eq!(requirement.title, row["short_name"], "{} {}", framework.id, requirement.id);
    }
}

#[test]
fn every_cis_version_has_the_requirements_of_the_facts() {
    let (set, facts) = (builtin(), facts("cis.csv"));
    let versions: BTreeSet<&str> = facts.iter().map(|row| row["version"].as_str()).collect();
    assert_eq!(versions.len(), 7);
    for version in versions {
        let framework = set.framework(&format!("cis-aws-{version}")).unwrap();
        assert_eq!((framework.version.as_str(), framework.relation), (version, Relation::Decides));
        let rows: Vec<_> = facts.iter().filter(|row| row["version"] == version).collect();
        compare(framework, &rows, "id");
        for (requirement, row) in framework.requirements.iter().zip(rows) {
            let place = format!("{} {}", framework.id, requirement.id);
            assert_eq!(requirement.level.unwrap().to_string(), row["level"], "{place}");
            assert_eq!(requirement.assessment.as_str(), row["assessment"], "{place}");
            assert_eq!(requirement.section, row["section"], "{place}");
            let is_manual = requirement.assessment == Assessment::Manual;
            assert_eq!(!requirement.look_at.is_empty(), is_manual, "{place}: `look_at`");
        }
    }
}

#[test]
fn every_mapping_has_the_requirements_of_the_facts_and_only_contributes() {
    let (set, facts) = (builtin(), facts("frameworks.csv"));
    let named: BTreeSet<&str> = facts.iter().map(|row| row["framework"].as_str()).collect();
    assert_eq!(named, MAPPED.iter().map(|(name, _)| *name).collect());
    for (name, id) in MAPPED {
        let framework = set.framework(id).unwrap();
        assert_eq!(framework.relation, Relation::Contributes, "{id}");
        assert!(framework.covers.contains("not listed"), "{id} says what it leaves out");
        let rows: Vec<_> = facts.iter().filter(|row| row["framework"] == name).collect();
        compare(framework, &rows, "requirement_id");
    }
}

/// What one version tells people to look at, the others tell them too.
#[test]
fn a_requirement_reads_the_same_in_every_cis_version() {
    let set = builtin();
    let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
    for requirement in set.frameworks().flat_map(|framework| &framework.requirements) {
        if !requirement.look_at.is_empty() {
            let known = *texts.entry(&requirement.title).or_insert(&requirement.look_at);
            assert_eq!(known, requirement.look_at, "{}", requirement.title);
        }
    }
    assert!(texts.len() > 30);
}

/// A default run judges by the values that the benchmark asks for; where versions differ, by the newest one's.
#[test]
fn controls_judge_as_cis_asks_unless_they_are_told_otherwise() {
    let set = builtin();
    let mut compared = 0;
    for framework in set.frameworks().filter(|framework| framework.relation == Relation::Decides) {
        for requirement in &framework.requirements {
            for (control, values) in &requirement.parameters {
                // 5.0 asks for one event more.
                let is_older = control == "cloudwatch-alarm-security-group-changes"
                    && ["1.5", "2.0", "3.0", "4.0.1"].contains(&framework.version.as_str());
                let judges = set.control(control).unwrap().judges_with(values);
                assert_eq!(judges, !is_older, "{} {control}", framework.id);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 7 * 5);
}

#[test]
fn a_planned_control_counts_from_when_it_exists() {
    let directory = tempfile::tempdir().unwrap();
    let planned = "macie-s3-discovery";
    let requirement = |set: &ControlSet| {
        let framework = set.framework("cis-aws-5.0").unwrap();
        let requirement = framework.requirements.iter().find(|r| r.id == "2.1.3").unwrap();
        (requirement.controls.clone(), requirement.planned.clone())
    };
    if builtin().control(planned).is_none() {
        assert_eq!(requirement(&builtin()), (vec![], vec![planned.to_owned()]));
    }
    let text = std::fs::read_to_string("controls/s3/s3-bucket-mfa-delete.yaml").unwrap();
    let text = text.replace("id: s3-bucket-mfa-delete", &format!("id: {planned}"));
    std::fs::write(directory.path().join(format!("{planned}.yaml")), text).unwrap();
    let set = ControlSet::load(&[directory.path().to_owned()]).unwrap();
    assert_eq!(requirement(&set), (vec![planned.to_owned()], vec![]));
    assert_eq!(set.requirements_of(planned)["cis-aws-5.0"], ["2.1.3"]);
}

#[test]
fn list_and_show_agree_and_have_every_requirement_once() {
    let list = json(&["frameworks", "list", "--json"]);
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 14);
    for row in list {
        let id = row["id"].as_str().unwrap();
        let shown = json(&["frameworks", "show", id, "--json"]);
        assert_eq!(shown["counts"], row["counts"], "{id}");
        let requirements = shown["requirements"].as_array().unwrap();
        let ids: BTreeSet<&str> = requirements.iter().map(|r| r["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), requirements.len(), "{id}");
        assert_eq!(row["counts"]["total"], ids.len(), "{id}");
        for by in ["controls", "evidence", "person", "planned"] {
            let count = requirements.iter().filter(|r| r["decided_by"] == by).count();
            assert_eq!(row["counts"][by], count, "{id} {by}");
        }
        if row["relation"] == "contributes" {
            assert_eq!(row["counts"]["controls"], 0, "{id}: evidence decides nothing");
            assert!(shown["note"].as_str().unwrap().contains("None of them is met"), "{id}");
        }
    }
}

#[test]
fn show_says_what_decides_and_what_to_look_at() {
    let directory = tempfile::tempdir().unwrap();
    let shown = |args: &[&str]| String::from_utf8(upright(directory.path(), args).stdout).unwrap();
    let text = shown(&["frameworks", "show", "cis-aws-5.0", "--level", "1"]);
    assert!(text.starts_with("cis-aws-5.0\nCIS AWS Foundations Benchmark 5.0\nprofile: level 1\n"), "{text}");
    assert!(text.contains("with iam-password-min-length: min_length = 14"), "{text}");
    assert!(text.contains("look at: Account settings, Contact information"), "{text}");
    assert!(!text.contains("level 2)"), "{text}");
    let text = shown(&["frameworks", "show", "gdpr"]);
    assert!(
        text.contains("Controls contribute evidence to these requirements. None of them is met"),
        "{text}"
    );
    assert!(!text.contains("decided by controls"), "{text}");
}

#[test]
fn a_level_is_of_the_named_frameworks() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    for (args, expected) in [
        (&["scan", "--explain", "--level", "1"][..], "level 1 is of no framework: name the framework too"),
        (&["scan", "--explain", "--framework", "soc2", "--level", "1"], "framework `soc2` has no levels"),
        (
            &["scan", "--explain", "--framework", "cis-aws-5.0", "--level", "3"],
            "framework `cis-aws-5.0` has no level 3; there are 1, 2",
        ),
        (&["scan", "--explain", "--framework", "cis-aws-5.0", "--level", "one"], "invalid value 'one'"),
        (&["frameworks", "show", "cis-aws-5.0", "--level", "0"], "framework `cis-aws-5.0` has no level 0"),
        (&["frameworks", "show", "cis-aws-5"], "did you mean `cis-aws-5.0`?"),
        (&["frameworks", "show", "cis-aws-7"], "did you mean `cis-aws-7.0`?"),
        (&["frameworks", "show", "cis"], "unknown framework `cis`; there are cis-aws-1.5, cis-aws-2.0,"),
    ] {
        let message = mistake(here, args);
        assert!(message.contains(expected), "{args:?}: {message}");
    }
    let calls = |args: &[&str]| String::from_utf8(upright(here, args).stdout).unwrap();
    let all = calls(&["scan", "--explain", "--framework", "cis-aws-5.0"]);
    let first = calls(&["scan", "--explain", "--framework", "cis-aws-5.0", "--level", "1"]);
    assert_ne!(all, first, "a profile needs fewer calls");
    std::fs::write(here.join("upright.yaml"), "frameworks: [cis-aws-5.0]\nlevel: 1\n").unwrap();
    assert_eq!(calls(&["scan", "--explain"]), first, "the key is the flag");
}

#[test]
fn a_framework_of_your_own_is_read_from_the_folder_of_that_name() {
    // The folders above the one that is named do not count, whatever they are called.
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("frameworks").join("own");
    std::fs::create_dir_all(own.join("frameworks")).unwrap();
    let control = std::fs::read_to_string("controls/s3/s3-bucket-mfa-delete.yaml").unwrap();
    let control = control.replace("id: s3-bucket-mfa-delete", "id: acme-mfa-delete");
    std::fs::write(own.join("acme-mfa-delete.yaml"), control).unwrap();
    let file = own.join("frameworks/acme.yaml");
    let text = "id: acme\ntitle: Acme rules\nversion: '1'\nrequirements:\n  - id: A1\n    title: Versions stay\n    \
                section: Storage\n    controls: [acme-mfa-delete]\n";
    std::fs::write(&file, text).unwrap();
    let own = own.to_string_lossy();
    let show = ["frameworks", "show", "acme", "--controls", &own];
    let shown = json(&[&show[..], &["--json"]].concat());
    assert_eq!(shown["requirements"][0]["decided_by"], "controls");
    assert_eq!(shown["requirements"][0]["assessment"], "manual");

    for (from, to, expected) in [
        (
            "acme-mfa-delete]",
            "acme-mfa-delet]",
            "acme.yaml:8:16: requirement `A1` names unknown control `acme-mfa-delet`",
        ),
        ("    title:", "    titel:", "acme.yaml:6:5: there is no key `titel` here"),
        ("section: Storage", "section: Storage\n    level: high", "acme.yaml:8:12: expected a whole number"),
        (
            "acme-mfa-delete]\n",
            "iam-password-reuse]\n    parameters: { iam-password-reuse: { rememberd: 5 } }\n",
            "acme.yaml:9:41: control `iam-password-reuse` has no parameter `rememberd`; did you mean `remembered`?",
        ),
        (
            "acme-mfa-delete]\n",
            "iam-password-reuse]\n    parameters: { iam-password-reuse: { remembered: lots } }\n",
            "parameter `remembered` of control `iam-password-reuse` takes a value such as 24, not \"lots\"",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        let message = mistake(directory.path(), &show);
        assert!(message.contains(expected), "{to}: {message}");
    }
}

#[test]
fn an_attestation_is_about_a_requirement_that_exists_and_not_from_the_future() {
    let directory = tempfile::tempdir().unwrap();
    let write = |framework: &str, requirement: &str, date: &str| {
        let text = format!(
            "attestations:\n  - framework: {framework}\n    requirement: {requirement}\n    statement: looked at it\n    \
             author: Ann\n    date: {date}\n    expires: {date}\n"
        );
        std::fs::write(directory.path().join("upright.yaml"), text).unwrap();
    };
    let tomorrow = today().checked_add(2.days()).unwrap().to_string();
    for (framework, requirement, date, expected) in [
        ("cis-aws-5", "1.1", "2026-01-01", "attestations: unknown framework `cis-aws-5`; did you mean"),
        (
            "cis-aws-5.0",
            "9.9",
            "2026-01-01",
            "attestations: framework `cis-aws-5.0` has no requirement `9.9`",
        ),
        ("cis-aws-5.0", "1.1", tomorrow.as_str(), "of requirement `1.1` of `cis-aws-5.0` is dated"),
        ("cis-aws-5.0", "1.1", "yesterday", "upright.yaml:"),
    ] {
        write(framework, requirement, date);
        let message = mistake(directory.path(), &["scan", "--explain"]);
        assert!(message.contains(expected), "{framework} {requirement} {date}: {message}");
    }
    write("cis-aws-5.0", "1.10", "2026-01-01");
    let explain = upright(directory.path(), &["scan", "--explain", "--framework", "soc2"]);
    assert_eq!(explain.status.code(), Some(0), "{}", String::from_utf8_lossy(&explain.stderr));
}

/// Scans the demo with this configuration, and gives a requirement of the report.
fn scanned(config: &str) -> impl Fn(&str, &str) -> Value + use<> {
    let server = common::replay().start().unwrap();
    let world = World::new(common::UPRIGHT).unwrap();
    world.write("upright.yaml", config).unwrap();
    let run = world.run(&server.env(), common::SCAN).unwrap();
    let report = world.report().unwrap_or_else(|error| panic!("{error}: {run}"));
    move |framework, requirement| {
        let frameworks = report["frameworks"].as_array().unwrap();
        let framework = frameworks.iter().find(|of| of["id"] == framework).unwrap();
        if requirement.is_empty() {
            return framework.clone();
        }
        let mut requirements = framework["requirements"].as_array().unwrap().iter();
        requirements.find(|of| of["id"] == requirement).unwrap().clone()
    }
}

#[test]
fn evidence_meets_nothing_in_a_report() {
    let row = scanned("frameworks: [pci-dss-4.0.1, gdpr]\n");
    for id in ["pci-dss-4.0.1", "gdpr"] {
        let framework = row(id, "");
        assert_eq!(framework["relation"], "contributes");
        assert!(framework["note"].as_str().unwrap().contains("None of them is met by that"));
        for requirement in framework["requirements"].as_array().unwrap() {
            let in_accounts = requirement["accounts"].as_object().unwrap().values();
            for status in in_accounts.chain([&requirement["status"]]) {
                assert!(!["pass", "fail"].contains(&status.as_str().unwrap()), "{requirement}");
            }
        }
    }
    assert_eq!(row("pci-dss-4.0.1", "8.4.1")["status"], "failing_evidence");
}

#[test]
fn a_control_answers_only_the_question_that_it_was_asked() {
    const UNUSED: &str = "iam-user-unused-credentials";
    // Alone, PCI DSS is judged by its own 90 days.
    let row = scanned("frameworks: [pci-dss-4.0.1]\n");
    let alone = row("pci-dss-4.0.1", "8.2.6");
    assert_eq!(alone["set_otherwise"], Value::Null);
    assert_ne!(alone["status"], "not_covered");
    // Together with CIS, which asks for 45 days, the control keeps its own value and answers only CIS.
    let row = scanned("frameworks: [pci-dss-4.0.1, cis-aws-5.0]\n");
    let pci = row("pci-dss-4.0.1", "8.2.6");
    assert_eq!((&pci["status"], &pci["set_otherwise"][0]), (&"not_covered".into(), &UNUSED.into()));
    assert_eq!(pci["totals"]["fail"], 0);
    assert_eq!(row("cis-aws-5.0", "1.11")["set_otherwise"], Value::Null);
    // A looser value of the user's does not make CIS pass, nor a stricter one make it fail.
    for days in [1, 36_500] {
        let config = format!(
            "frameworks: [cis-aws-5.0]\nparameters: {{ iam-user-access-key-age: {{ max_age_days: {days} }} }}\n"
        );
        let keys = scanned(&config)("cis-aws-5.0", "1.13");
        assert_eq!(keys["status"], "not_covered", "{days}");
        assert_eq!(keys["set_otherwise"][0], "iam-user-access-key-age");
    }
}

#[test]
fn the_report_shows_profile_and_attestations_beside_the_status() {
    let config = |attestations: &str| format!("frameworks: [cis-aws-5.0]\nlevel: 1\n{attestations}");
    let today = today();
    let entry = |requirement: &str, date: &str, expires: &str| {
        format!(
            "  - {{ framework: cis-aws-5.0, requirement: \"{requirement}\", statement: looked at it, author: Ann, \
             date: {date}, expires: {expires} }}\n"
        )
    };
    let yesterday = today.checked_sub(1.day()).unwrap().to_string();
    let later = today.checked_add(30.days()).unwrap().to_string();
    let attestations = ["attestations:\n".to_owned(), entry("1.1", &yesterday, &later)];
    let attestations =
        [attestations.concat(), entry("1.6", "2020-01-01", "2020-02-01"), entry("1.4", &yesterday, &later)];
    let attested = scanned(&config(&attestations.concat()));
    let without = scanned(&config(""));
    assert_eq!(attested("cis-aws-5.0", "")["level"], 1);
    let levels = attested("cis-aws-5.0", "");
    let levels = levels["requirements"].as_array().unwrap().iter();
    assert!(levels.map(|row| row["level"].as_u64().unwrap()).all(|level| level == 1));
    for (requirement, state) in
        [("1.1", "attested"), ("1.6", "expired"), ("1.4", "attested"), ("1.2", "open")]
    {
        let (with, without) = (attested("cis-aws-5.0", requirement), without("cis-aws-5.0", requirement));
        assert_eq!(with["attestation"]["state"], state, "{requirement}");
        assert_eq!(with["status"], without["status"], "{requirement}");
        assert_eq!(with["attestation"]["said"].is_null(), state == "open", "{requirement}");
    }
    // Root has no MFA in the demo: it fails, whatever a person says.
    assert_eq!(attested("cis-aws-5.0", "1.4")["status"], "fail");
    assert_eq!(attested("cis-aws-5.0", "1.7")["attestation"], Value::Null, "no person is asked");
}
