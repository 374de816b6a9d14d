//! A scan while something fails, held against the undisturbed one.

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_types::base64;
use serde_json::Value;
use upright::collect::KINDS;
use upright::controls::ControlSet;
use upright_testkit::{Answer, Match, Recording, Run, Server, Setup, World};

use super::{SCAN, UPRIGHT};

/// Short limits, for faults that are only seen by waiting; long enough for a busy machine to answer.
pub const HASTY: &str = "connect_timeout_seconds: 3\nattempt_timeout_seconds: 4\ncall_timeout_seconds: 8\n\
                         max_attempts: 2\n";

/// A server that replays the demo. The emulator's credential report has no row of the root user, which every
/// report of AWS has; with it the undisturbed scan sees everything.
pub fn whole_demo() -> Setup {
    whole(&super::recording())
}

/// The same of another recording.
pub fn whole(recording: &Recording) -> Setup {
    let reports = recording.calls().filter(|call| call.operation == "iam:GetCredentialReport");
    reports.fold(Server::replay(recording), |server, call| {
        let answer = recording.answer(call).unwrap();
        let account = call.account.as_str();
        let which = Match::operation("iam:GetCredentialReport").account(account);
        server.answer(which, with_root(answer, account))
    })
}

fn with_root(answer: &Answer, account: &str) -> Answer {
    let (before, rest) = answer.body.split_once("<Content>").unwrap();
    let (content, after) = rest.split_once("</Content>").unwrap();
    let report = String::from_utf8(base64::decode(content).unwrap()).unwrap();
    let header = report.lines().next().unwrap();
    let root: Vec<String> = header
        .split(',')
        .map(|column| match column {
            "user" => "<root_account>".to_owned(),
            "arn" => format!("arn:aws:iam::{account}:root"),
            "user_creation_time" => "2019-03-01T09:00:00+00:00".to_owned(),
            "mfa_active" => "true".to_owned(),
            "password_last_used" => "no_information".to_owned(),
            active if active.ends_with("_active") => "false".to_owned(),
            _ => "not_supported".to_owned(),
        })
        .collect();
    let report = format!("{}\n{}\n", report.trim_end(), root.join(","));
    let body = format!("{before}<Content>{}</Content>{after}", base64::encode(report));
    Answer { body, ..answer.clone() }
}

/// A scan, with its findings by id.
pub struct Scan {
    pub run: Run,
    pub report: Value,
    pub findings: BTreeMap<String, Value>,
}

impl Scan {
    /// The demo as it is.
    pub fn undisturbed() -> Self {
        let server = whole_demo().start().unwrap();
        let scan = Self::of(&server);
        assert_eq!(server.unexpected(), Vec::<String>::new());
        assert_eq!(scan.run.code, Some(super::FAILED), "{}", scan.run);
        assert_eq!(scan.report["gaps"], Value::Array(Vec::new()));
        scan
    }

    /// A scan of whatever the server does.
    pub fn of(server: &Server) -> Self {
        Self::configured(server, "")
    }

    /// The same with an `upright.yaml`.
    pub fn configured(server: &Server, config: &str) -> Self {
        Self::with(server, config, SCAN)
    }

    /// The same with other arguments.
    pub fn with(server: &Server, config: &str, arguments: &[&str]) -> Self {
        let (world, run) = Self::try_run(server, config, arguments);
        let report = world.report().unwrap_or_else(|error| panic!("{error:#}\n{run}"));
        let findings = report["findings"].as_array().unwrap();
        let findings = findings.iter().map(|f| (text(f, "id").to_owned(), f.clone())).collect();
        Self { run, report, findings }
    }

    /// A scan that may come to no report.
    pub fn try_run(server: &Server, config: &str, arguments: &[&str]) -> (World, Run) {
        let world = World::new(UPRIGHT).unwrap();
        world.write("upright.yaml", config).unwrap();
        let run = world.run(&server.env(), arguments).unwrap();
        (world, run)
    }

    /// Whether the terminal says what a reason says: the call, the account and region, and the error.
    pub fn shows(&self, unseen: &Value) -> bool {
        let get = |key| text(unseen, key);
        let shown = self.run.stdout.split_once("NOT OBSERVED").map_or("", |(_, rest)| rest);
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        shown.split(&format!("{} in ", get("operation"))).skip(1).any(|rest| {
            let said = rest.split('→').next().unwrap();
            said.contains(&format!("{} {}", get("account"), get("region")))
                && said.contains(&format!("({})", get("code")))
        })
    }

    /// Everything that was not observed.
    pub fn gaps(&self) -> &Vec<Value> {
        self.report["gaps"].as_array().unwrap()
    }

    /// The coverage of one operation in one account.
    pub fn coverage<'a>(&'a self, operation: &'a str, account: &'a str) -> impl Iterator<Item = &'a Value> {
        let (service, name) = operation.split_once(':').unwrap();
        self.report["coverage"].as_array().unwrap().iter().filter(move |row| {
            text(row, "service") == service
                && text(row, "operation") == name
                && text(row, "account") == account
        })
    }

    /// How it differs from the undisturbed scan.
    pub fn against(&self, undisturbed: &Self) -> Difference {
        let mut difference = Difference { wrong: Vec::new(), lost: Vec::new() };
        for (id, before) in &undisturbed.findings {
            match self.findings.get(id) {
                Some(after) if after["verdict"] == before["verdict"] => {}
                Some(after) if text(after, "verdict") == "unknown" => difference.lost.push(after.clone()),
                Some(after) => difference.wrong.push(format!(
                    "{} turned from {} to {}: {}",
                    name(before),
                    before["verdict"],
                    after["verdict"],
                    after["reason"]
                )),
                None => match self.place_of(before) {
                    Some(place) => difference.lost.push(place.clone()),
                    None => difference.wrong.push(format!("{} vanished", name(before))),
                },
            }
        }
        for (id, after) in &self.findings {
            let stands_for_others = is_place(after) && text(after, "verdict") == "unknown";
            if !undisturbed.findings.contains_key(id) && !stands_for_others {
                difference.wrong.push(format!("{} appeared as {}", name(after), after["verdict"]));
            }
        }
        difference
    }

    /// The finding that stands for those of a place that could not be listed.
    fn place_of(&self, missing: &Value) -> Option<&Value> {
        self.findings.values().find(|finding| {
            let same = |key: &str| finding[key] == missing[key];
            is_place(finding)
                && text(finding, "verdict") == "unknown"
                && same("control")
                && same("account")
                && (same("region") || [finding, missing].iter().any(|f| text(f, "region") == "global"))
        })
    }
}

/// How a scan differs from the undisturbed one.
pub struct Difference {
    /// What must not be: other verdicts than before that are not unknown, and findings without a trace.
    pub wrong: Vec<String>,
    /// Findings that are unknown now.
    pub lost: Vec<Value>,
}

impl Difference {
    /// Nothing is claimed that the undisturbed scan does not say.
    pub fn assert_nothing_wrong(&self) {
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }
}

/// A member of a report's object that is text.
pub fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or_else(|| panic!("no `{key}` in {of}"))
}

/// Whether a finding is about a whole account or region.
pub fn is_place(finding: &Value) -> bool {
    let account = text(finding, "account");
    let place = text(finding, "resource_name");
    text(finding, "resource_arn").ends_with(&format!(":iam::{account}:root"))
        && (place == account || place.starts_with(&format!("{account}/")))
}

/// A finding in words.
pub fn name(finding: &Value) -> String {
    let get = |key| text(finding, key);
    format!(
        "{} on {} ({}) in {} {}",
        get("control"),
        get("resource_name"),
        get("resource_arn"),
        get("account"),
        get("region")
    )
}

/// A resource type with a field; without one, its list.
pub type Filled = (&'static str, Option<&'static str>);

/// What an operation fills, by the call table.
pub fn filled_by(operation: &str) -> BTreeSet<Filled> {
    let mut filled = BTreeSet::new();
    for kind in KINDS {
        if kind.list.iter().any(|call| call.name() == operation) {
            filled.insert((kind.name, None));
        }
        for row in kind.facets.iter().filter(|row| row.calls.iter().any(|call| call.name() == operation)) {
            filled.insert((kind.name, Some(row.field)));
        }
    }
    filled
}

/// What each control reads, of what is in `filled`; controls that read none of it are left out.
pub fn readers(filled: &BTreeSet<Filled>) -> BTreeMap<String, BTreeSet<Filled>> {
    let set = ControlSet::builtin().unwrap();
    let mut readers: BTreeMap<String, BTreeSet<Filled>> = BTreeMap::new();
    for control in set.controls() {
        for (kind, field) in control.reads() {
            // To read a field of a resource is to read the list that it is on.
            for read in
                filled.iter().filter(|(of, filled)| *of == kind && (filled.is_none() || *filled == field))
            {
                readers.entry(control.id.clone()).or_default().insert(*read);
            }
        }
    }
    readers
}
