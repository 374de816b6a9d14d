//! The calls that a scan makes: the ones of the table, each once, all pages of each list, and no more of
//! them at once than was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use upright_testkit::{Run, Server, World, paging};

use crate::common::{self, everything};

/// Asked again until AWS has compiled the report, so repeating it is no waste.
const POLLED: &[&str] = &["iam:GenerateCredentialReport"];

/// Asked in the management account by the scanner, to find the accounts, and by the collector of organizations, to
/// judge this one: the one may be in another account than the other, and asks before it is known what is wanted.
const ASKED_BY_BOTH: &[&str] = &[
    "organizations:DescribeOrganization",
    "organizations:ListAccountsForParent",
    "organizations:ListOrganizationalUnitsForParent",
    "organizations:ListRoots",
];

/// A scan of everything that can be read.
fn scan_everything(server: &Server) -> (Value, Run) {
    let arguments = everything::arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (world, run) = common::run(server, &arguments);
    assert_eq!(run.code, Some(common::FAILED_AND_INCOMPLETE), "{run}");
    (world.report().unwrap(), run)
}

fn names<'a>(calls: impl Iterator<Item = &'a upright::aws::Call>) -> BTreeSet<String> {
    calls.map(upright::aws::Call::name).collect()
}

fn made(server: &Server) -> BTreeSet<String> {
    server.counts().into_keys().collect()
}

#[test]
fn the_table_and_the_server_agree_on_what_answers_in_pages() {
    for call in everything::table() {
        // An operation that AWS pages and that is called as if it answered whole loses its later pages.
        assert_eq!(call.paged, paging::knows(&call.name()), "{}", call.name());
    }
}

#[test]
fn every_list_of_the_table_is_read_to_its_end_and_the_findings_are_those_of_whole_lists() {
    let recording = everything::recorded().recording;
    let whole = Server::replay(&recording).start().unwrap();
    let (expected, _) = scan_everything(&whole);
    let paged = Server::replay(&recording).paged(3).start().unwrap();
    let (found, _) = scan_everything(&paged);

    let lists = paged.pages_served();
    let left: Vec<String> = lists
        .iter()
        .filter(|list| {
            let times = if ASKED_BY_BOTH.contains(&&*list.call.operation) { 2 } else { 1 };
            !list.was_read_to_its_end() || list.asked.values().any(|asked| *asked > times)
        })
        .map(|list| format!("{}: {:?}", list.call, list.asked))
        .collect();
    assert_eq!(left, Vec::<String>::new(), "not read to the end, or more than once");
    let read: BTreeSet<String> = lists.iter().map(|list| list.call.operation.clone()).collect();
    let paged_calls = everything::table().into_iter().filter(|call| call.paged);
    assert_eq!(read, names(paged_calls), "lists that were read, and lists of the table");

    let text = |report: &Value| serde_json::to_string(&report["findings"]).unwrap();
    assert!(!found["findings"].as_array().unwrap().is_empty());
    assert_eq!(text(&found), text(&expected));
    assert_eq!(whole.unexpected(), Vec::<String>::new());
    assert_eq!(paged.unexpected(), Vec::<String>::new());
}

#[test]
fn a_scan_makes_exactly_the_calls_of_the_table_all_of_which_read() {
    let server = Server::replay(&everything::recorded().recording).start().unwrap();
    scan_everything(&server);
    assert_eq!(made(&server), names(everything::table().into_iter()));
    for operation in made(&server) {
        let (_, name) = operation.split_once(':').unwrap();
        let reads = ["Get", "List", "Describe"].iter().any(|verb| name.starts_with(verb));
        // The one makes AWS compile a report about users, the other opens a session: neither changes anything.
        let harmless = ["iam:GenerateCredentialReport", "sts:AssumeRole"].contains(&&*operation);
        assert!(reads || harmless, "{operation}");
    }
}

#[test]
fn no_call_is_made_twice() {
    let server = Server::replay(&everything::recorded().recording).start().unwrap();
    scan_everything(&server);
    let repeated: Vec<String> = server
        .repeated()
        .into_iter()
        .filter(|request| !POLLED.contains(&&*request.call.operation))
        .filter(|request| request.attempt > 2 || !ASKED_BY_BOTH.contains(&&*request.call.operation))
        .map(|request| request.call.to_string())
        .collect();
    assert_eq!(repeated, Vec::<String>::new());
    // Accounts are entered once each: three members beside the caller's own account.
    assert_eq!(server.count("sts:AssumeRole"), 3);
    assert_eq!(server.count("sts:GetCallerIdentity"), 1);
}

#[test]
fn a_scan_makes_the_calls_that_explain_announced() {
    let server = common::replay().start().unwrap();
    let scan = common::DemoScan::against(&server);
    let (_, explained) = common::run(&server, &[common::SCAN, &["--explain", "--json"]].concat());
    let plan = explained.json().unwrap();
    let rows = plan["calls"].as_array().unwrap();
    let operations = |which: &dyn Fn(&Value) -> bool| -> BTreeSet<String> {
        let rows = rows.iter().filter(|row| which(row));
        rows.map(|row| row["operation"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(made(&server), operations(&|_| true));
    // What the plan can count, it counts right: once for each of the four accounts and two regions.
    let counts = server.counts();
    for (operation, times) in
        [("ec2:DescribeVpcs", 8), ("iam:GetAccountSummary", 4), ("organizations:ListAccounts", 1)]
    {
        assert_eq!(counts[operation], times, "{operation}");
    }
    let reported: BTreeMap<String, u64> = scan.report["run"]["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["operation"].as_str().unwrap().to_owned(), row["requests"].as_u64().unwrap()))
        .collect();
    let counted: BTreeMap<String, u64> =
        counts.into_iter().map(|(operation, count)| (operation, count as u64)).collect();
    assert_eq!(reported, counted, "the report counts the requests that were made");
}

#[test]
fn one_control_makes_its_own_calls_and_no_other() {
    let finding = [
        ("organizations:DescribeOrganization", 1),
        ("organizations:ListAccounts", 1),
        ("sts:AssumeRole", 3),
        ("sts:GetCallerIdentity", 1),
    ];
    for (control, own) in [
        ("iam-root-mfa", vec![("iam:GetAccountSummary", 4)]),
        (
            "ec2-ebs-default-encryption",
            vec![("ec2:DescribeRegions", 4), ("ec2:GetEbsEncryptionByDefault", 8)],
        ),
    ] {
        let server = common::replay().start().unwrap();
        common::run(&server, &[common::SCAN, &["--enable", control]].concat());
        let expected: BTreeMap<String, usize> =
            finding.into_iter().chain(own).map(|(operation, times)| (operation.to_owned(), times)).collect();
        assert_eq!(server.counts(), expected, "{control}");
    }
}

#[test]
fn concurrency_bounds_the_calls_in_flight() {
    let controls = ["--enable", "iam-user-no-direct-policies,s3-bucket-mfa-delete,vpc-flow-logs"];
    for limit in [1, 4] {
        let server = common::replay().latency(Duration::from_millis(5)).start().unwrap();
        let concurrency = limit.to_string();
        let arguments = [common::SCAN, &controls, &["--concurrency", &concurrency]].concat();
        let (_, run) = common::run(&server, &arguments);
        assert_eq!(run.code, Some(common::FAILED), "{run}");
        assert_eq!(server.most_in_flight(), limit, "{run}");
    }
}

#[test]
fn max_rate_bounds_the_calls_per_second_to_a_service_of_an_account() {
    const RATE: usize = 4;
    let server = common::replay().start().unwrap();
    let arguments = ["--enable", "iam-user-no-direct-policies", "--max-rate", &RATE.to_string()];
    let (_, run) = common::run(&server, &[common::SCAN, &arguments].concat());
    assert_eq!(run.code, Some(common::FAILED), "{run}");
    let mut times: BTreeMap<(String, String, String), Vec<Duration>> = BTreeMap::new();
    for request in server.requests() {
        let place =
            (request.call.account.clone(), request.call.region.clone(), request.call.service().to_owned());
        times.entry(place).or_default().push(request.at);
    }
    let most = times.values().map(Vec::len).max().unwrap();
    assert!(most > 2 * RATE, "too few calls to one place for a limit to show: {most}");
    for (place, times) in times {
        for window in times.windows(2 * RATE + 1) {
            // A burst of RATE, then one every 1/RATE s: so many take longer than a second. Half of it leaves
            // room for requests that were late.
            let lasted = window[2 * RATE] - window[0];
            assert!(lasted > Duration::from_millis(500), "{} calls in {lasted:?}: {place:?}", window.len());
        }
    }
}

#[test]
fn a_directory_with_controls_of_every_type_has_no_mistake() {
    let world = World::new(common::UPRIGHT).unwrap();
    let server = Server::canned(|_| None).start().unwrap();
    let arguments = everything::arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--explain"]).collect();
    let run = world.run(&server.env(), &arguments).unwrap();
    assert_eq!(run.code, Some(0), "{run}");
    for call in everything::table() {
        assert!(run.stdout.contains(&call.name()), "{} is not in the plan:\n{run}", call.name());
    }
}
