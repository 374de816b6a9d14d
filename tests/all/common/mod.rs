//! The demo organization for end-to-end tests: recorded once from the emulator, then replayed.

pub mod disturbed;
pub mod everything;
pub mod receivers;
pub mod store;

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use upright_testkit::{Env, Recording, Run, Seeded, Server, Setup, Shared, World};

/// The program under test.
pub const UPRIGHT: &str = env!("CARGO_BIN_EXE_upright");

/// Output does not depend on where the tests run.
pub fn plain(env: Env) -> Env {
    env.with("NO_COLOR", "1").with("LC_ALL", "C.UTF-8").with("FORCE_COLOR", "0").with("COLUMNS", "100")
}

/// Runs a command that is to ask nothing of AWS.
pub fn offline(world: &World, arguments: &[&str]) -> Run {
    let server = Server::canned(|_| None).start().unwrap();
    let run = world.run(&plain(server.env()), arguments).unwrap();
    assert_eq!(server.requests(), [], "{run}");
    run
}

/// What stderr says, without the margin and the breaks of long lines.
pub fn said(run: &Run) -> String {
    run.stderr.replace(['│', '×'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The report that a scan wrote into `out`.
pub fn written(world: &World) -> Value {
    serde_json::from_str(&world.read("out/report.json").unwrap()).unwrap()
}

/// Runs the program for a reader that has gone: it ends without an error and says nothing.
pub fn run_for_nobody(world: &World, env: &Env, arguments: &[&str]) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(UPRIGHT);
    env.apply(&mut command);
    let command = command.args(arguments).current_dir(world.dir());
    let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{arguments:?}");
}

/// The scan that everything here is about: all accounts, both seeded regions, all controls.
pub const SCAN: &[&str] = &[
    "scan",
    "--organization",
    "--role-name",
    "UprightScanner",
    "--regions",
    "us-east-1,eu-west-1",
    "--out",
    "out",
];

/// Exit codes: a control failed, and everything was observed, or something was not.
pub const FAILED: i32 = 1;
pub const FAILED_AND_INCOMPLETE: i32 = 4;

/// The recording of [`SCAN`].
pub fn demo() -> Shared {
    Shared::scan(UPRIGHT, SCAN, &[FAILED, FAILED_AND_INCOMPLETE]).unwrap()
}

/// A server that replays the demo.
pub fn replay() -> Setup {
    Server::replay(&demo().recording)
}

/// Runs the program against a server in a directory of its own.
pub fn run(server: &Server, args: &[&str]) -> (World, Run) {
    let world = World::new(UPRIGHT).unwrap().limit(Duration::from_secs(240));
    let run = world.run(&server.env(), args).unwrap();
    (world, run)
}

/// One scan of the replayed demo, with its report.
pub struct DemoScan {
    pub seeded: Seeded,
    pub report: Value,
    pub run: Run,
}

impl DemoScan {
    /// The undisturbed scan.
    pub fn run() -> Self {
        let shared = demo();
        let server = Server::replay(&shared.recording).start().unwrap();
        let scan = Self::against(&server);
        assert_eq!(server.unexpected(), Vec::<String>::new());
        scan
    }

    /// A scan against a server that may do other things than replay.
    pub fn against(server: &Server) -> Self {
        let (world, run) = run(server, SCAN);
        let report = world.report().unwrap_or_else(|error| panic!("{error:#}\n{run}"));
        Self { seeded: demo().seeded, report, run }
    }

    pub fn findings(&self) -> &Vec<Value> {
        self.report["findings"].as_array().unwrap()
    }

    /// What `expected_demo.csv` calls the resource of a finding: account alias, region, name. None for a
    /// finding about a place.
    pub fn name_of(&self, finding: &Value) -> Option<(String, String, String)> {
        let get = |key: &str| finding[key].as_str().unwrap();
        let arn = get("resource_arn");
        let account_wide =
            ["aws.account", "aws.iam.account", "aws.organizations.organization", "aws.s3.account"]
                .contains(&get("resource_type"));
        let of_region =
            get("resource_type") == "aws.ec2.region_settings" || get("resource_type").ends_with(".region");
        let keys = [
            account_wide.then(|| get("account").to_owned()),
            of_region.then(|| format!("{}/{}", get("account"), get("region"))),
            Some(arn.to_owned()),
            arn.rsplit('/').next().map(str::to_owned),
        ];
        let named = keys.into_iter().flatten().find_map(|key| self.seeded.names.get(&key))?;
        // The organization's trail is seen from every account; the table has it where it is owned, and the
        // others by the name of the account that looks.
        let looked = self.seeded.accounts.iter().find(|(_, account)| account.id == get("account"))?.0;
        Some((looked.clone(), named.region.clone(), named.name.clone()))
    }
}

/// The recording of the demo.
pub fn recording() -> Recording {
    demo().recording
}
