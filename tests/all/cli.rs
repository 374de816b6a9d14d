//! The command line: exit codes, streams, configuration and the commands that need no AWS.

use std::collections::BTreeMap;
use std::fs;

use regex::Regex;
use serde_json::{Value, json};
use upright_testkit::{Run, Server, World};

use crate::common::{self, offline, plain, said};

/// Controls whose verdicts in the demo are all the same.
const PASSES: &str = "iam-root-no-access-keys";
const FAILS: &str = "iam-root-mfa";
const UNKNOWN: &str = "iam-root-not-used";

fn here(arguments: &[&str]) -> Run {
    offline(&World::new(common::UPRIGHT).unwrap(), arguments)
}

/// Scans the demo in a directory with these files.
fn scan(files: &[(&str, &str)], arguments: &[&str]) -> (World, Run) {
    let server = common::replay().start().unwrap();
    let world = World::new(common::UPRIGHT).unwrap();
    for (path, text) in files {
        world.write(path, text).unwrap();
    }
    let run = world.run(&plain(server.env()), &[common::SCAN, arguments].concat()).unwrap();
    assert_eq!(server.unexpected(), Vec::<String>::new(), "{run}");
    (world, run)
}

fn verdicts<'a>(report: &'a Value, control: &str) -> BTreeMap<&'a str, &'a str> {
    let findings = report["findings"].as_array().unwrap().iter().filter(|of| of["control"] == control);
    findings.map(|of| (of["account"].as_str().unwrap(), of["verdict"].as_str().unwrap())).collect()
}

fn repository(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn every_exit_code_of_a_scan_is_reached_and_documented() {
    let all = [PASSES, FAILS, UNKNOWN].join(",");
    for (controls, code) in [(PASSES, 0), (FAILS, 1), (UNKNOWN, 3), (&all, 4)] {
        let (_, run) = scan(&[], &["--enable", controls]);
        assert_eq!(run.code, Some(code), "{controls}: {run}");
        assert_eq!(run.stderr, "", "{run}");
    }
    let help = here(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{help}");
    let documented: Vec<&str> = help
        .stdout
        .lines()
        .skip_while(|line| *line != "Exit codes:")
        .skip(1)
        .filter_map(|line| line.trim().split_once("  "))
        .map(|(code, _)| code)
        .collect();
    assert_eq!(documented, ["0", "1", "2", "3", "4", "5"]);
}

#[test]
fn without_credentials_or_region_it_could_not_run() {
    let world = World::new(common::UPRIGHT).unwrap();
    let server = Server::canned(|_| None).start().unwrap();
    for (missing, says) in [("AWS_REGION", "no region is configured"), ("AWS_ACCESS_KEY_ID", "credentials")] {
        let env = plain(server.env()).with(missing, "").with("AWS_DEFAULT_REGION", "");
        let env = if missing == "AWS_REGION" { env } else { env.with("AWS_SECRET_ACCESS_KEY", "") };
        let run = world.run(&env, &["scan"]).unwrap();
        assert_eq!((run.code, run.stdout.as_str()), (Some(5), ""), "{missing}: {run}");
        assert!(said(&run).contains(says), "{run}");
        assert!(world.report().is_err(), "{run}");
    }
    assert_eq!(server.requests(), []);
}

#[test]
fn what_is_typed_wrong_is_named_with_what_may_be_meant() {
    for (arguments, says) in [
        (&["scan", "--organisation"][..], "--organization"),
        (
            &["scan", "--enable", "iam-root-mfaa"],
            "unknown control `iam-root-mfaa`; did you mean `iam-root-mfa`?",
        ),
        (&["scan", "--framework", "cis-aws-3"], "unknown framework `cis-aws-3`; did you mean `cis-aws-3.0`?"),
        (&["scan", "--accounts", "12345"], "12345"),
        (&["scan", "--fail-on", "hihg"], "one of critical, high, medium, low, informational"),
        (&["scan", "--json"], "--explain"),
        (&["controls", "show", "s3-bucket-not-publik"], "did you mean `s3-bucket-not-public`?"),
        (&["controls", "list", "--framework", "cis"], "unknown framework `cis`"),
        (&["controls", "schema", "aws.s3.buckets"], "aws.s3.bucket"),
        (&["frobnicate"], "frobnicate"),
        (&[], "Usage: upright <COMMAND>"),
    ] {
        let run = here(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run}");
        assert!(said(&run).contains(says), "{says}: {run}");
    }
}

#[test]
fn a_key_that_does_not_exist_is_refused_with_its_line_and_a_suggestion() {
    let world = World::new(common::UPRIGHT).unwrap();
    world.write("upright.yaml", "organization: true\n\nregoins: [eu-west-1]\n").unwrap();
    let run = offline(&world, &["scan"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run}");
    assert!(said(&run).contains("upright.yaml:3:1: there is no key `regoins` here"), "{run}");
    assert!(said(&run).contains("did you mean `regions`?"), "{run}");
    for (file, says) in [
        ("parameters: { iam-password-reuse: { remembred: 12 } }", "did you mean `remembered`?"),
        ("parameters: { iam-password-reuze: { remembered: 12 } }", "did you mean `iam-password-reuse`?"),
        ("parameters: { iam-password-reuse: { remembered: twelve } }", "remembered"),
        ("disable: [iam-root-mfaa]", "did you mean `iam-root-mfa`?"),
    ] {
        world.write("other.yaml", file).unwrap();
        let run = offline(&world, &["scan", "--config", "other.yaml"]);
        assert_eq!(run.code, Some(2), "{file}: {run}");
        assert!(said(&run).contains(says), "{file}: {run}");
    }
    let run = offline(&world, &["scan", "--config", "missing.yaml"]);
    assert_eq!(run.code, Some(2), "{run}");
    assert!(run.stderr.contains("missing.yaml"), "{run}");
}

#[test]
fn parameters_in_the_configuration_change_a_verdict() {
    let management = common::recording().management().to_owned();
    let file = "parameters:\n  iam-password-reuse: { remembered: 12 }\n";
    let (before, _) = scan(&[], &["--enable", "iam-password-reuse"]);
    let (after, run) = scan(&[("upright.yaml", file)], &["--enable", "iam-password-reuse"]);
    let (before, after) = (before.report().unwrap(), after.report().unwrap());
    let (before, after) = (verdicts(&before, "iam-password-reuse"), verdicts(&after, "iam-password-reuse"));
    assert_eq!((before[&*management], after[&*management]), ("fail", "pass"), "{run}");
    let changed = before.iter().filter(|(account, verdict)| after[*account] != **verdict).count();
    assert_eq!(changed, 1, "it changes nothing else");
}

#[test]
fn flags_win_over_the_configuration() {
    let file = format!(
        "enable: [{FAILS}]\nregions: [me-south-1]\nout: elsewhere\nformats: [html]\nfail_on: critical\n"
    );
    let (world, run) = scan(&[("upright.yaml", &file)], &["--enable", PASSES, "--format", "json"]);
    assert_eq!(run.code, Some(0), "{run}");
    let report = world.report().unwrap();
    let controls: Vec<&Value> = report["controls"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
    assert_eq!(controls, [PASSES]);
    assert!(world.dir().join("out/report.json").is_file() && !world.dir().join("elsewhere").exists());
    assert!(!world.dir().join("out/report.html").exists());
    // And what no flag sets stays.
    let (_, run) = scan(&[("upright.yaml", "fail_on: critical\n")], &["--enable", "iam-password-reuse"]);
    assert_eq!(run.code, Some(0), "only medium failures: {run}");
}

#[test]
fn fail_on_decides_from_which_severity_a_failure_counts() {
    for (severity, code) in [("medium", 1), ("high", 0), ("critical", 0), ("informational", 1)] {
        let (_, run) = scan(&[], &["--enable", "iam-password-reuse", "--fail-on", severity]);
        assert_eq!(run.code, Some(code), "{severity}: {run}");
    }
}

/// The severity counts that the failure has, and not that of its control.
#[test]
fn a_failure_that_is_worse_than_its_control_counts_as_that() {
    let with = |when: &str| {
        let worse = format!("severity: medium\nseverity_if: {{ critical: \"{when}\" }}");
        repository("controls/iam/iam-password-reuse.yaml").replace("severity: medium", &worse)
    };
    for (when, severity, code) in [("true", "critical", 1), ("now < '2000'", "medium", 0)] {
        let files = [("mine/iam-password-reuse.yaml", &*with(when))];
        let flags = ["--enable", "iam-password-reuse", "--controls", "mine", "--fail-on", "high"];
        let (world, run) = scan(&files, &flags);
        assert_eq!(run.code, Some(code), "{when}: {run}");
        let report = world.report().unwrap();
        let mut failing = report["findings"].as_array().unwrap().iter().filter(|f| f["verdict"] == "fail");
        assert!(failing.clone().count() > 0 && failing.all(|f| f["severity"] == severity), "{report:#}");
        assert_eq!(report["controls"][0]["severity"], "medium");
    }
}

#[test]
fn what_makes_a_failure_worse_is_shown_and_what_it_reads_is_asked_for() {
    let id = "rds-instance-not-public";
    let shown = here(&["controls", "show", id]).stdout;
    let (_, worse) = shown.split_once("a failure is critical when\n    resource.port != null").unwrap();
    assert!(
        worse.contains("ec2:DescribeRouteTables") && worse.contains("ec2:DescribeSecurityGroups"),
        "{shown}"
    );
    let json = here(&["controls", "show", id, "--json"]).json().unwrap();
    assert!(json["severity_if"]["critical"].as_str().unwrap().contains("account.route_tables"), "{json}");
    let plan = here(&["scan", "--enable", id, "--explain", "--json"]).json().unwrap();
    let operations: Vec<&str> =
        plan["calls"].as_array().unwrap().iter().filter_map(|call| call["operation"].as_str()).collect();
    let own = ["ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups", "rds:DescribeDBClusters"];
    assert!(own.iter().all(|operation| operations.contains(operation)), "{operations:?}");
    assert!(!operations.contains(&"ec2:GetManagedPrefixListEntries"), "{operations:?}");
    let policy = here(&["iam-policy", "--enable", id]).stdout;
    assert!(policy.contains("ec2:DescribeRouteTables"), "{policy}");
}

#[test]
fn explain_prints_the_plan_and_asks_nothing() {
    let scan = ["scan", "--organization", "--regions", "eu-west-1", "--enable", "vpc-flow-logs", "--explain"];
    let text = here(&scan);
    assert_eq!((text.code, text.stderr.as_str()), (Some(0), ""), "{text}");
    let line = text.stdout.lines().find(|line| line.contains("ec2:DescribeFlowLogs")).unwrap();
    for part in ["region", "accounts", "aws.ec2.vpc.flow_logs"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let plan = here(&[&scan[..], &["--json"]].concat()).json().unwrap();
    assert_eq!((&plan["accounts"], &plan["regions"]), (&Value::Null, &json!(1)));
    let rows = plan["calls"].as_array().unwrap();
    let row = rows.iter().find(|row| row["operation"] == "ec2:DescribeFlowLogs").unwrap();
    assert_eq!(row["action"], "ec2:DescribeFlowLogs");
    assert_eq!((&row["where"], &row["times"]), (&json!("region"), &json!("accounts")));
    assert_eq!(row["fills"], json!(["aws.ec2.vpc.flow_logs"]));
    assert_eq!(text.stdout.lines().count(), rows.len() + 1, "one line each, and a title");
}

#[test]
fn controls_are_listed_by_service_severity_and_framework() {
    let list = |arguments: &[&str]| -> Vec<Value> {
        let run = here(&[&["controls", "list", "--json"], arguments].concat());
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run}");
        run.json().unwrap().as_array().unwrap().clone()
    };
    let all = list(&[]);
    assert!(all.len() >= 35, "{}", all.len());
    let of =
        |which: &dyn Fn(&Value) -> bool| all.iter().filter(|row| which(row)).cloned().collect::<Vec<_>>();
    assert_eq!(list(&["--service", "s3"]), of(&|row| row["service"] == "s3"));
    let severe = of(&|row| row["severity"] == "critical" || row["severity"] == "high");
    assert_eq!(list(&["--severity", "high"]), severe);
    let with_framework = list(&["--framework", "cis-aws-3.0"]);
    assert!(with_framework.len() > 20 && with_framework.len() < all.len());
    assert!(with_framework.iter().all(|row| row["requirements"]["cis-aws-3.0"].is_array()));
    let text = here(&["controls", "list", "--service", "s3"]);
    assert_eq!(text.stdout.lines().count(), list(&["--service", "s3"]).len() + 1);
    assert!(text.stdout.contains("s3-bucket-not-public"), "{text}");
}

#[test]
fn the_examples_of_all_controls_pass() {
    let run = here(&["controls", "test"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run}");
    assert!(run.stdout.ends_with("pass, 0 do not\n"), "{run}");
}

#[test]
fn the_schema_names_every_resource_type_with_its_fields() {
    let schemas = here(&["controls", "schema", "--json"]).json().unwrap();
    let text = here(&["controls", "schema"]);
    for kind in upright::collect::KINDS {
        let schema = jsonschema::validator_for(&schemas[kind.name]);
        assert!(schema.is_ok(), "{}: {:?}", kind.name, schema.err());
        let one = here(&["controls", "schema", kind.name]);
        assert!(one.stdout.starts_with(kind.name), "{one}");
        assert!(text.stdout.contains(one.stdout.trim_end()), "{}", kind.name);
        for row in kind.facets {
            let line = one.stdout.lines().find(|line| line.trim_start().starts_with(row.field));
            // Name, type, and what it means.
            assert!(
                line.is_some_and(|line| line.split_whitespace().count() > 2),
                "{}.{}",
                kind.name,
                row.field
            );
        }
    }
    assert!(text.stdout.contains("requires_tls("), "{text}");
}

#[test]
fn a_new_control_works_as_it_is_written() {
    let world = World::new(common::UPRIGHT).unwrap();
    for kind in ["aws.s3.bucket", "aws.iam.user", "aws.ec2.vpc"] {
        let id = format!("acme-{}", kind.replace('.', "-"));
        let run = offline(&world, &["controls", "new", &id, "--resource", kind]);
        assert_eq!(run.code, Some(0), "{run}");
        assert!(run.stdout.contains(&format!("{id}.yaml")), "{run}");
    }
    let run = offline(&world, &["controls", "test", "--controls", "."]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stdout.contains("6 examples of 3 controls pass, 0 do not"), "{run}");
    let listed = offline(&world, &["controls", "list", "--controls", "."]);
    assert!(listed.stdout.contains("acme-aws-s3-bucket"), "{listed}");
    let again = offline(&world, &["controls", "new", "acme-aws-iam-user"]);
    assert_eq!(again.code, Some(2), "a file that is there is not overwritten: {again}");
    let odd = offline(&world, &["controls", "new", "../escape"]);
    assert_eq!(odd.code, Some(2), "{odd}");
}

#[test]
fn a_control_without_a_passing_and_a_failing_example_fails_the_test() {
    let world = World::new(common::UPRIGHT).unwrap();
    offline(&world, &["controls", "new", "acme-one"]);
    let whole = world.read("acme-one.yaml").unwrap();
    let (without, _) = whole.split_once("  - name: the unwanted name").unwrap();
    world.write("acme-one.yaml", without).unwrap();
    let run = offline(&world, &["controls", "test", "--controls", "."]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stdout.contains("acme-one: has no example with the verdict fail"), "{run}");
    world.write("acme-one.yaml", &whole.replace("{ name: fine }", "{ name: example }")).unwrap();
    let run = offline(&world, &["controls", "test", "--controls", "."]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stdout.contains("acme-one: example `another name` gives fail, not pass"), "{run}");
}

#[test]
fn a_mistake_in_a_control_stops_everything_that_would_use_it() {
    let world = World::new(common::UPRIGHT).unwrap();
    offline(&world, &["controls", "new", "acme-typo"]);
    let text = world.read("acme-typo.yaml").unwrap().replace("resource.name !=", "resource.versionning !=");
    world.write("mine/acme-typo.yaml", &text).unwrap();
    for command in [
        &["scan", "--controls", "mine"][..],
        &["scan", "--controls", "mine", "--explain"],
        &["iam-policy", "--controls", "mine"],
        &["controls", "list", "--controls", "mine"],
        &["controls", "test", "--controls", "mine"],
    ] {
        let run = offline(&world, command);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run}");
        let line = 1 + text.lines().position(|line| line.contains("versionning")).unwrap();
        assert!(said(&run).contains(&format!("acme-typo.yaml:{line}:")), "{run}");
        assert!(said(&run).contains("did you mean `versioning`?"), "{run}");
    }
}

#[test]
fn a_control_of_ones_own_replaces_the_built_in_one_of_its_name() {
    let own = repository("controls/iam/iam-root-mfa.yaml")
        .replace("resource.summary.root_mfa_enabled\n", "resource.summary.root_mfa_enabled || true\n")
        .replace("severity: critical", "severity: low");
    let files = [("mine/iam-root-mfa.yaml", own.as_str())];
    let (world, run) = scan(&files, &["--enable", FAILS, "--controls", "mine"]);
    assert_eq!(run.code, Some(0), "{run}");
    let report = world.report().unwrap();
    assert_eq!(report["controls"][0]["severity"], "low");
    assert_eq!(report["controls"][0]["requirements"]["cis-aws-7.0"], json!(["2.5"]));
    assert!(verdicts(&report, FAILS).values().all(|verdict| *verdict == "pass"));
    let shown = offline(&world, &["controls", "show", FAILS, "--controls", "mine"]);
    assert!(shown.stdout.contains("root_mfa_enabled || true"), "{shown}");
}

#[test]
fn the_control_of_the_guide_works_as_it_is_printed() {
    let guide = repository("controls/README.md");
    let (_, rest) = guide.split_once("`iam/acme-password-expires.yaml`:\n\n```yaml\n").unwrap();
    let (control, _) = rest.split_once("\n```").unwrap();
    let files = [("mine/iam/acme-password-expires.yaml", control)];
    let (world, run) = scan(&files, &["--controls", "mine", "--enable", "acme-password-expires"]);
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(verdicts(&world.report().unwrap(), "acme-password-expires").len(), 4);
    let tested = offline(&world, &["controls", "test", "--controls", "mine"]);
    assert_eq!(tested.code, Some(0), "{tested}");
    assert!(tested.stdout.contains("6 examples of 1 controls pass"), "{tested}");
}

#[test]
fn the_report_of_the_demo_is_valid_by_its_published_schema() {
    let published = here(&["report", "schema"]).json().unwrap();
    let schema = jsonschema::validator_for(&published).unwrap();
    let (world, run) = scan(&[], &[]);
    let report = world.report().unwrap();
    let errors: Vec<String> =
        schema.iter_errors(&report).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new(), "{run}");
    let mut wrong = report;
    wrong["findings"][0]["verdict"] = "perhaps".into();
    assert!(!schema.is_valid(&wrong), "the schema says what a verdict can be");
}

#[test]
fn the_schema_of_the_configuration_knows_every_key_and_refuses_others() {
    let published = here(&["config", "schema"]).json().unwrap();
    let schema = jsonschema::validator_for(&published).unwrap();
    assert!(schema.is_valid(&json!({ "organization": true, "exclude": { "tags": { "env": [] } } })));
    assert!(!schema.is_valid(&json!({ "organisation": true })));
    for (key, of) in published["properties"].as_object().unwrap() {
        assert!(of["description"].is_string() || of["$ref"].is_string(), "`{key}` is not documented");
    }
}

#[test]
fn results_go_to_stdout_and_complaints_to_stderr() {
    let (world, run) = scan(&[], &["--enable", UNKNOWN]);
    assert_eq!(run.stderr, "", "a scan that could run complains of nothing: {run}");
    for part in ["not observed", "NOT OBSERVED", "out/report.json", "out/report.html"] {
        assert!(run.stdout.contains(part), "{part}: {run}");
    }
    let html = world.read("out/report.html").unwrap();
    assert!(html.contains(UNKNOWN));
    let (_, quiet) = scan(&[], &["--enable", UNKNOWN, "--quiet"]);
    assert_eq!(quiet.code, Some(3));
    assert!(quiet.stdout.lines().count() < run.stdout.lines().count(), "{quiet}");
    assert!(quiet.stdout.contains("out/report.json"), "{quiet}");
}

#[test]
fn what_is_not_a_terminal_gets_no_colours() {
    let server = common::replay().start().unwrap();
    for forced in ["", "1"] {
        let world = World::new(common::UPRIGHT).unwrap();
        let env = server.env().with("NO_COLOR", forced);
        let run = world.run(&env, &[common::SCAN, &["--enable", FAILS]].concat()).unwrap();
        assert_eq!(run.code, Some(1), "{run}");
        let wrong = world.run(&env, &["scan", "--enable", "iam-root-mfaa"]).unwrap();
        for text in [&run.stdout, &run.stderr, &wrong.stderr] {
            assert!(!text.contains('\u{1b}'), "{text:?}");
        }
    }
}

/// A report without what a clock says.
fn timeless(mut report: Value) -> Value {
    let run = report["run"].as_object_mut().unwrap();
    for key in ["id", "started_at", "finished_at", "duration_ms", "observed_at"] {
        assert!(run.remove(key).is_some(), "{key}");
    }
    for call in run["calls"].as_array_mut().unwrap() {
        assert!(call.as_object_mut().unwrap().remove("busy_ms").is_some());
    }
    report
}

#[test]
fn two_runs_differ_in_their_times_only() {
    let (first, run) = scan(&[], &[]);
    let (second, _) = scan(&[], &[]);
    let text = |world: &World| serde_json::to_string_pretty(&timeless(world.report().unwrap())).unwrap();
    assert_eq!(text(&first), text(&second), "{run}");
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let server = common::replay().start().unwrap();
    let scan = [common::SCAN, &["--enable", PASSES]].concat();
    for arguments in [&["--help"][..], &["controls", "schema", "--json"], &["report", "schema"], &scan] {
        let world = World::new(common::UPRIGHT).unwrap();
        common::run_for_nobody(&world, &plain(server.env()), arguments);
    }
}

#[test]
fn what_people_read_first() {
    insta::assert_snapshot!("help", here(&["--help"]).stdout);
    insta::assert_snapshot!("scan_help", here(&["scan", "--help"]).stdout);
    insta::assert_snapshot!("controls_show", here(&["controls", "show", FAILS]).stdout);
}

#[test]
fn how_a_wrong_control_file_is_explained() {
    let world = World::new(common::UPRIGHT).unwrap();
    offline(&world, &["controls", "new", "acme-typo"]);
    let text = world.read("acme-typo.yaml").unwrap();
    world
        .write("mine/acme-typo.yaml", &text.replace("resource.name", "resource.versioning.statuss"))
        .unwrap();
    world.write("mine/acme-keys.yaml", "id: acme-keys\ntitel: Wrong\n").unwrap();
    let run = offline(&world, &["controls", "test", "--controls", "mine"]);
    assert_eq!(run.code, Some(2), "{run}");
    insta::assert_snapshot!("wrong_control_file", run.stderr);
}

#[test]
fn how_a_scan_ends() {
    let (_, run) = scan(&[], &[]);
    assert_eq!(run.code, Some(common::FAILED_AND_INCOMPLETE), "{run}");
    let time = Regex::new(r"\b[\d.]+ (ms|s), ").unwrap();
    // The emulator makes up ids, by which resources are sorted.
    let ids = Regex::new(r"(  (?:cloudfront|ec2|kms|vpc)-[^\n]*)\n {10,}[^\n]*").unwrap();
    let summary = time.replace_all(&run.stdout, "[time], ");
    insta::assert_snapshot!("scan", ids.replace_all(&summary, "$1\n[resources]"));
}
