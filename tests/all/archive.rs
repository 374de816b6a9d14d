//! `--archive`, `upright runs` and `upright report --run`: a directory and S3, killed and shared.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};
use upright::archive::{Archive, LocalStore};
use upright_testkit::{Emulator, Env, Run, Server, World, workspace};

use crate::common::{self, FAILED, offline, plain, said, written};

/// Few controls, of which some fail and all are seen: a scan of the saved inventory then takes a moment.
const CONTROLS: &str = "iam-root-mfa,iam-user-mfa,s3-bucket-secure-transport";

/// The inventory of the demo, for those controls.
static INVENTORY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let server = common::replay().start().unwrap();
    let saving = ["--enable", CONTROLS, "--save-inventory", "state.zst"];
    let (world, run) = common::run(&server, &[common::SCAN, &saving].concat());
    assert!(world.dir().join("state.zst").is_file(), "{run}");
    fs::read(world.dir().join("state.zst")).unwrap()
});

/// A directory with the saved inventory.
fn world() -> World {
    let world = World::new(common::UPRIGHT).unwrap();
    fs::write(world.dir().join("state.zst"), &*INVENTORY).unwrap();
    world
}

/// A scan of the saved inventory.
const SCAN: &[&str] =
    &["scan", "--inventory", "state.zst", "--enable", CONTROLS, "--out", "out", "--format", "json"];

fn scan(world: &World, more: &[&str]) -> Run {
    let run = offline(world, &[SCAN, more].concat());
    assert!(run.stderr.contains("Kept as run "), "{run}");
    run
}

/// The runs of `upright-data`, newest first, each read through: every object is there and is what its manifest says.
fn whole(world: &World) -> Vec<String> {
    let list = offline(world, &["runs", "list", "--json"]);
    assert_eq!((list.code, list.stderr.as_str()), (Some(0), ""), "{list}");
    let runs: Vec<Value> = serde_json::from_str(&list.stdout).unwrap();
    for run in &runs {
        let folder = world.dir().join("upright-data/runs").join(run["run_id"].as_str().unwrap());
        let objects = run["objects"].as_array().unwrap();
        assert_eq!(objects.len(), 3, "{run}");
        for object in objects {
            let bytes = fs::read(folder.join(object["name"].as_str().unwrap())).unwrap();
            let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(object["sha256"], digest, "{object}");
        }
    }
    runs.iter().map(|run| run["run_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_run_is_kept_listed_shown_made_into_every_format_and_removed() {
    let world = world();
    let empty = offline(&world, &["runs", "list"]);
    assert!(empty.code == Some(0) && empty.stdout.contains("No run is kept yet"), "{empty}");
    let none = offline(&world, &["report", "--run", "latest", "--format", "json"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(5), ""), "{none}");
    assert!(said(&none).contains("holds no run yet"), "{none}");

    scan(&world, &["--archive"]);
    let first = world.read("out/report.json").unwrap();
    scan(&world, &["--archive", "upright-data"]);
    let runs = whole(&world);
    assert_eq!(written(&world)["run"]["id"], runs[0]);
    assert_eq!(written(&world)["changes"]["since_run"], runs[1]);
    let list = offline(&world, &["runs", "list"]);
    let lines: Vec<&str> = list.stdout.lines().collect();
    assert!(lines.len() == 3 && lines[1].starts_with(&runs[0]) && lines[2].starts_with(&runs[1]), "{list}");

    let show = offline(&world, &["runs", "show", "latest"]);
    let fails = written(&world)["totals"]["fail"].to_string();
    for part in [runs[0].as_str(), "report.json.zst", "findings.parquet", &format!("{fails} fail, ")] {
        assert!(show.stdout.contains(part), "{part}: {show}");
    }
    // The report of a run is what it was, in every format.
    let same = offline(&world, &["report", "--run", &runs[1], "--format", "json"]);
    assert_eq!((same.code, same.stdout.as_str()), (Some(0), first.as_str()), "{same}");
    let formats = "json,jsonl,csv,html,markdown,junit,sarif,ocsf,asff";
    let all = offline(&world, &["report", "--run", "latest", "--format", formats, "--out", "again"]);
    assert_eq!((all.code, all.stdout.lines().count()), (Some(0), 9), "{all}");

    let wrong = offline(&world, &["runs", "rm", &runs[1], "20200101"]);
    assert!(wrong.code == Some(5) && said(&wrong).contains("holds no run `20200101`"), "{wrong}");
    assert_eq!(whole(&world), runs, "nothing is removed where one is wrong");
    let removed = offline(&world, &["runs", "rm", &runs[1]]);
    assert_eq!(removed.stdout, format!("Removed run {}.\n", runs[1]), "{removed}");
    assert_eq!(whole(&world), &runs[..1]);
    assert!(!world.dir().join("upright-data/runs").join(&runs[1]).exists());
}

#[test]
fn a_scan_says_what_it_removed_and_never_removes_itself() {
    let world = world();
    world.write("upright.yaml", "archive: history\nkeep: 2\n").unwrap();
    let list = || offline(&world, &["runs", "list", "--json"]).json().unwrap();
    for _ in 0..2 {
        scan(&world, &[]);
    }
    let oldest = list()[1]["run_id"].as_str().unwrap().to_owned();
    let run = scan(&world, &[]);
    assert!(run.stderr.contains(&format!("Removed run {oldest}.")), "{run}");
    assert_eq!(list().as_array().unwrap().len(), 2);
    let removed = offline(&world, &["runs", "rm", "--keep", "1", "--json"]).json().unwrap();
    assert_eq!(removed["removed"].as_array().unwrap().len(), 1, "{removed}");
    assert_eq!(list().as_array().unwrap().len(), 1);
    let zero = offline(&world, &["runs", "rm", "--keep", "0"]);
    assert_eq!(zero.code, Some(2), "{zero}");
    let nothing = offline(&world, &["runs", "rm"]);
    assert_eq!(nothing.code, Some(2), "{nothing}");
}

#[test]
fn a_scan_is_compared_with_the_last_one_that_was_asked_the_same() {
    let world = world();
    scan(&world, &["--archive"]);
    let nightly = written(&world)["run"]["id"].clone();
    // Somebody looks at one control only.
    let narrow =
        ["scan", "--inventory", "state.zst", "--enable", "iam-root-mfa", "--out", "out", "--archive"];
    offline(&world, &[&narrow[..], &["--format", "json"]].concat());
    assert_eq!(written(&world)["changes"]["since_run"], nightly, "nothing else has the accounts in common");
    let left_out = written(&world)["changes"]["no_longer_judged"].as_array().unwrap().len();
    assert!(left_out > 0, "what the narrow scan left out is not resolved");
    scan(&world, &["--archive"]);
    let changes = &written(&world)["changes"];
    assert_eq!(changes["since_run"], nightly);
    assert_eq!(
        (changes["new"].as_array().unwrap().len(), changes["newly_judged"].as_array().unwrap().len()),
        (0, 0)
    );
}

/// The inventory as it would be on another day, with the MFA of the root users of the demo as it is told to be.
fn on(day: &str, has_mfa: bool) -> Vec<u8> {
    let text = String::from_utf8(zstd::decode_all(INVENTORY.as_slice()).unwrap()).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines[0]["observed_at"] = format!("{day}T03:00:00Z").into();
    let mut changed = 0;
    for resource in lines.iter_mut().filter_map(|line| line.get_mut("resource")) {
        if resource["type"] != "aws.iam.account" {
            continue;
        }
        let summary = &mut resource["fields"]["summary"];
        let known = if summary.get("known").is_some() { &mut summary["known"] } else { summary };
        if known.get("root_mfa_enabled").is_some() {
            known["root_mfa_enabled"] = has_mfa.into();
            changed += 1;
        }
    }
    assert!(changed > 0, "the demo has accounts");
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

#[test]
fn what_is_new_is_told_by_diff_and_by_exit_codes_and_since_when_it_fails_is_carried_on() {
    let world = world();
    let scan = |day: &str, has_mfa: bool, more: &[&str]| {
        fs::write(world.dir().join("state.zst"), on(day, has_mfa)).unwrap();
        let run = offline(&world, &[SCAN, &["--archive", "--fail-on", "critical"], more].concat());
        assert!(run.stderr.contains("Kept as run"), "{run}");
        (run, written(&world))
    };
    let ids = |changes: &Value, list: &str| -> Vec<String> {
        let list = changes[list].as_array().unwrap().iter();
        list.map(|item| item["id"].as_str().or(item.as_str()).unwrap().to_owned()).collect()
    };
    scan("2026-10-01", true, &[]);
    let (quiet, _) = scan("2026-10-02", true, &["--new-only"]);
    assert_eq!(quiet.code, Some(0), "nothing is new: {quiet}");
    let (broken, report_of_broken) = scan("2026-10-03", false, &["--new-only"]);
    assert_eq!(broken.code, Some(FAILED), "{broken}");
    let new = ids(&report_of_broken["changes"], "new");
    assert!(!new.is_empty());
    let (still, report_of_still) = scan("2026-10-04", false, &["--new-only"]);
    assert_eq!(still.code, Some(0), "it failed before: {still}");
    let since = &report_of_still["changes"]["failing_since"];
    assert_eq!(since[&new[0]], "2026-10-03T03:00:00Z");
    let other = since.as_object().unwrap().values().filter(|since| *since == "2026-10-01T03:00:00Z").count();
    assert!(other > 0, "what failed from the first run on: {since}");
    let days: Vec<&str> = report_of_still["trend"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["observed_at"].as_str().unwrap())
        .collect();
    assert_eq!(
        days,
        ["2026-10-01T03:00:00Z", "2026-10-02T03:00:00Z", "2026-10-03T03:00:00Z", "2026-10-04T03:00:00Z"]
    );

    let runs = whole(&world);
    let page = offline(&world, &["report", "--run", "latest", "--format", "html"]).stdout;
    assert!(page.contains("id=\"trend\"") && page.contains("<polyline points="), "the trend is drawn");
    // Over several runs, and from files as well.
    let diff = offline(&world, &["diff", &runs[3], "latest", "--json"]);
    assert_eq!((diff.code, ids(&diff.json().unwrap(), "new")), (Some(0), new.clone()), "{diff}");
    fs::write(
        world.dir().join("then.json"),
        offline(&world, &["report", "--run", &runs[2], "--format", "json"]).stdout,
    )
    .unwrap();
    let words = offline(&world, &["diff", "then.json", "out/report.json"]);
    assert_eq!(words.code, Some(0), "{words}");
    assert!(words.stdout.contains(&format!(": {} new, 0 resolved", new.len())), "{words}");
    for (severity, code) in [("critical", FAILED), ("low", FAILED)] {
        let run = offline(&world, &["diff", "then.json", "latest", "--new-only", "--fail-on", severity]);
        assert_eq!((run.code, run.stdout.lines().count()), (Some(code), new.len()), "{run}");
    }
    let none = offline(&world, &["diff", &runs[1], &runs[0], "--new-only"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{none}");
    let backwards = offline(&world, &["diff", "latest", &runs[3]]);
    assert!(backwards.code == Some(2) && said(&backwards).contains("is not earlier"), "{backwards}");
    let missing = offline(&world, &["diff", "nothing.json", "latest"]);
    assert!(missing.code == Some(2) && said(&missing).contains("no such file"), "{missing}");

    let (repaired, report_of_repaired) = scan("2026-10-05", true, &[]);
    assert_eq!(ids(&report_of_repaired["changes"], "resolved"), new, "{repaired}");
}

#[test]
fn a_damaged_run_is_told_and_the_scan_goes_on() {
    let world = world();
    scan(&world, &["--archive"]);
    let broken = whole(&world).remove(0);
    let path = world.dir().join("upright-data/runs").join(&broken);
    fs::write(path.join("report.json.zst"), "\u{1b}[2Jnonsense").unwrap();
    let run = scan(&world, &["--archive"]);
    assert!(run.stderr.contains("What changed since the run before is not told"), "{run}");
    assert!(written(&world).get("changes").is_none());
    let rendered = offline(&world, &["report", "--run", &broken, "--format", "csv"]);
    assert!(rendered.code == Some(5) && said(&rendered).contains("SHA-256 differs"), "{rendered}");
    fs::write(path.join("manifest.json"), "{\"schema_version\": 1, \"run_id\": \"\u{1b}[2J\"}").unwrap();
    let list = offline(&world, &["runs", "list"]);
    assert_eq!((list.code, list.stdout.lines().count()), (Some(5), 2), "{list}");
    assert!(list.stderr.contains(&broken) && !list.stderr.contains('\u{1b}'), "{list}");
}

#[test]
fn a_scan_whose_archive_cannot_be_reached_is_not_begun_and_one_that_fails_later_loses_no_report() {
    let world = world();
    world.write("file", "in the way").unwrap();
    let run = offline(&world, &[SCAN, &["--archive", "file"]].concat());
    assert_eq!(run.code, Some(5), "{run}");
    assert!(said(&run).contains("archive: `file/runs` could not be listed"), "{run}");
    // A file where the folder of published findings should be only keeps them from being published.
    world.write("half/findings", "in the way").unwrap();
    let run = offline(&world, &[SCAN, &["--archive", "half"]].concat());
    assert!(world.dir().join("out/report.json").is_file(), "{run}");
    assert!(run.stderr.contains("Kept as run"), "{run}");
    let place = ["--archive", "gs://bucket"];
    let wrong = offline(&world, &[SCAN, &place].concat());
    assert!(wrong.code == Some(2) && said(&wrong).contains("only s3:// is known"), "{wrong}");
}

/// The environment of a program that is not to ask AWS anything.
fn nowhere() -> (Server, Env) {
    let server = Server::canned(|_| None).start().unwrap();
    let env = plain(server.env());
    (server, env)
}

/// Starts a scan that keeps its run, and kills it (SIGKILL) once `is_time` says so.
fn killed(world: &World, env: &Env, is_time: impl Fn(Instant) -> bool) -> bool {
    let mut command = Command::new(common::UPRIGHT);
    env.apply(&mut command);
    let mut child = command
        .args(SCAN)
        .args(["--archive", "upright-data"])
        .current_dir(world.dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if is_time(started) {
            child.kill().unwrap();
            child.wait().unwrap();
            return true;
        }
        std::thread::yield_now();
    }
}

/// Files of runs, unfinished ones too.
fn files(world: &World) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let runs = world.dir().join("upright-data/runs");
    for run in fs::read_dir(&runs).into_iter().flatten().flatten() {
        for file in fs::read_dir(run.path()).into_iter().flatten().flatten() {
            found.insert(file.path().display().to_string());
        }
    }
    found
}

/// The same as [`whole`], without starting a program for it.
fn kept(world: &World) -> BTreeSet<String> {
    let archive = Archive::new(LocalStore::new(world.dir().join("upright-data")));
    let runs = archive.runs().unwrap();
    for run in &runs {
        let manifest = run.manifest.as_ref().unwrap();
        assert_eq!(manifest.objects.len(), 3);
        for object in &manifest.objects {
            archive.read(manifest, &object.name).unwrap();
        }
    }
    runs.into_iter().map(|run| run.id.to_string()).collect()
}

#[test]
fn killing_a_scan_at_any_moment_leaves_no_half_run_and_loses_none() {
    const KILLS: u32 = 52;
    let world = world();
    let (_server, env) = nowhere();
    let whole_run = scan(&world, &["--archive"]).wall;
    let mut committed = kept(&world);
    let (mut kills, mut within) = (0, 0);
    for attempt in 0.. {
        let before = files(&world);
        // Every other one at a moment of the whole run, the others when the run has so many files.
        let ended_by_us = if attempt % 2 == 0 {
            let moment = whole_run * (attempt % KILLS) / KILLS;
            killed(&world, &env, |started| started.elapsed() >= moment)
        } else {
            let number = 1 + usize::try_from(attempt / 2).unwrap() % 6;
            killed(&world, &env, |_| files(&world).difference(&before).count() >= number)
        };
        within += u32::from(files(&world) != before);
        kills += u32::from(ended_by_us);
        let there = kept(&world);
        assert!(there.is_superset(&committed), "attempt {attempt} lost a run");
        committed = there;
        if kills >= KILLS {
            break;
        }
        assert!(attempt < 4 * KILLS, "only {kills} of {attempt} scans were killed");
    }
    assert!(within >= KILLS / 4, "only {within} kills met a run being written");
    // The next scan is kept, and what the killed ones left is removed when it is old.
    scan(&world, &["--archive"]);
    assert_eq!(whole(&world).len(), committed.len() + 1);
    let old = Duration::from_secs(100 * 86_400);
    let runs = world.dir().join("upright-data/runs");
    for file in files(&world) {
        let long_ago = std::time::SystemTime::now() - old;
        fs::File::options().write(true).open(file).unwrap().set_modified(long_ago).unwrap();
    }
    // Their ids say that they began today; with those of another year they are as old as they look.
    let before: Vec<String> = whole(&world);
    for run in fs::read_dir(&runs).unwrap().flatten() {
        let name = run.file_name().into_string().unwrap();
        if !before.contains(&name) {
            fs::rename(run.path(), runs.join(format!("2020{}", &name[4..]))).unwrap();
        }
    }
    scan(&world, &["--archive"]);
    // A folder that was made and never written to is no run, and nothing is in it.
    let has_files = |run: &fs::DirEntry| fs::read_dir(run.path()).unwrap().next().is_some();
    let left = fs::read_dir(&runs).unwrap().flatten().filter(has_files).count();
    assert_eq!((whole(&world).len(), left), (before.len() + 1, before.len() + 1));
}

#[test]
fn two_scans_at_once_are_both_kept() {
    let world = world();
    std::thread::scope(|scope| {
        let scans: Vec<_> = (0..4)
            .map(|n: u32| {
                let world = &world;
                scope.spawn(move || {
                    let out = format!("out{n}");
                    let (_server, env) = nowhere();
                    let place = ["--out", &out, "--archive", "upright-data"];
                    let scan = [&SCAN[..5], &["--format", "json"], &place].concat();
                    let mut command = Command::new(common::UPRIGHT);
                    env.apply(&mut command);
                    command.args(scan).current_dir(world.dir()).output().unwrap()
                })
            })
            .collect();
        for scan in scans {
            let ended = scan.join().unwrap();
            assert_eq!(ended.status.code(), Some(FAILED), "{}", String::from_utf8_lossy(&ended.stderr));
        }
    });
    assert_eq!(whole(&world).len(), 4);
}

/// What a query over the world's files gives.
fn query(folder: &Path, sql: &str) -> Vec<Vec<Option<String>>> {
    let root = workspace().unwrap();
    let ended = Command::new(root.join(".venv/bin/python"))
        .arg(root.join("tests/support/query.py"))
        .arg(sql)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).unwrap()
}

#[test]
fn duckdb_reads_the_findings_of_all_committed_runs() {
    let world = world();
    scan(&world, &["--archive"]);
    scan(&world, &["--archive"]);
    // One that was never committed.
    let data = world.dir().join("upright-data");
    let half = data.join("runs/20261101T000000Z-00000000");
    fs::create_dir(&half).unwrap();
    fs::copy(
        data.join("runs").join(&whole(&world)[0]).join("findings.parquet"),
        half.join("findings.parquet"),
    )
    .unwrap();

    let from = "read_parquet('upright-data/findings/*/*.parquet', hive_partitioning = true)";
    let of = |sql: &str| query(&world.dir(), &sql.replace("FINDINGS", from));
    let report = written(&world);
    let totals = &report["totals"];
    let fails = totals["fail"].as_u64().unwrap().to_string();
    let counted =
        of("SELECT run_id, count(*) FILTER (verdict = 'fail') FROM FINDINGS GROUP BY 1 ORDER BY 1 DESC");
    let expected: Vec<Vec<Option<String>>> =
        whole(&world).into_iter().map(|run| vec![Some(run), Some(fails.clone())]).collect();
    assert_eq!(counted, expected);

    let findings = report["findings"].as_array().unwrap();
    let failing =
        findings.iter().find(|f| f["control"] == "s3-bucket-secure-transport" && f["verdict"] == "fail");
    let failing = failing.unwrap();
    let id = failing["id"].as_str().unwrap();
    let rows = of(&format!(
        "SELECT account, region, control, severity, verdict, resource_type, resource_arn, resource_name, reason, \
         service, list_contains(frameworks, 'cis-aws-7.0:' || '2.1.1'), evidence, strftime(observed_at, '%Y'), \
         typeof(observed_at), unseen_code FROM FINDINGS WHERE finding_id = '{id}' LIMIT 1"
    ));
    let keys = [
        "account",
        "region",
        "control",
        "severity",
        "verdict",
        "resource_type",
        "resource_arn",
        "resource_name",
        "reason",
    ];
    for (key, value) in keys.iter().zip(&rows[0]) {
        assert_eq!(failing[key].as_str(), value.as_deref(), "{key}");
    }
    assert_eq!(rows[0][9].as_deref(), Some("s3"));
    let evidence: Value = serde_json::from_str(rows[0][11].as_deref().unwrap()).unwrap();
    assert_eq!(evidence, failing["evidence"]);
    assert_eq!(rows[0][12].as_deref(), report["run"]["observed_at"].as_str().map(|time| &time[..4]));
    assert_eq!(rows[0][13].as_deref(), Some("TIMESTAMP WITH TIME ZONE"));
    assert_eq!(rows[0][14], None);
    let requirements =
        report["controls"].as_array().unwrap().iter().find(|row| row["id"] == failing["control"]);
    let expected: BTreeSet<String> = requirements.unwrap()["requirements"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(id, items)| {
            items.as_array().unwrap().iter().map(move |item| format!("{id}:{}", item.as_str().unwrap()))
        })
        .collect();
    let listed =
        of(&format!("SELECT DISTINCT unnest(frameworks) FROM FINDINGS WHERE finding_id = '{id}' ORDER BY 1"));
    let listed: BTreeSet<String> =
        listed.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
    assert_eq!(listed, expected);
}

/// Makes a bucket in the emulator, as the credentials of its environment.
fn make_bucket(emulator: &Emulator, name: &str) {
    let root = workspace().unwrap();
    let mut command = Command::new(root.join(".venv/bin/python"));
    emulator.env().apply(&mut command);
    let made = command
        .args([
            "-c",
            "import boto3, sys; boto3.client('s3', 'us-east-1').create_bucket(Bucket=sys.argv[1])",
            name,
        ])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn an_archive_in_s3_is_like_one_in_a_directory() {
    let emulator = Emulator::start().unwrap();
    let world = world();
    let env = plain(emulator.env());
    let place = ["--archive", "s3://acme-audit-runs/upright"];
    let upright = |arguments: &[&str]| world.run(&env, &[arguments, &place].concat()).unwrap();
    let missing = upright(SCAN);
    assert_eq!(missing.code, Some(5), "{missing}");
    assert!(said(&missing).contains("there is no bucket `acme-audit-runs`"), "{missing}");

    make_bucket(&emulator, "acme-audit-runs");
    let first = upright(SCAN);
    assert!(first.stderr.contains("Kept as run "), "{first}");
    let report_of_first = world.read("out/report.json").unwrap();
    let second = upright(SCAN);
    let list: Vec<Value> = serde_json::from_str(&upright(&["runs", "list", "--json"]).stdout).unwrap();
    let ids: Vec<&str> = list.iter().map(|run| run["run_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2, "{second}");
    assert_eq!(written(&world)["changes"]["since_run"], ids[1]);
    let same = upright(&["report", "--run", ids[1], "--format", "json"]);
    assert_eq!((same.code, same.stdout.as_str()), (Some(0), report_of_first.as_str()), "{same}");
    let removed = upright(&["runs", "rm", "--keep", "1"]);
    assert_eq!(removed.stdout, format!("Removed run {}.\n", ids[1]), "{removed}");
    let left = upright(&["runs", "list"]);
    assert!(left.stdout.contains(ids[0]) && !left.stdout.contains(ids[1]), "{left}");
}
