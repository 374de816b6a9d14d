//! `upright serve`: the real binary, its plan, its answers over HTTP, its runs against a replayed AWS, and its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use upright::archive::{Archive, Claimed, JobName, LocalStore};
use upright_testkit::{Env, Server, World};

use crate::common::{self, offline, plain};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(120);

/// A daemon for the demo organization, few controls of it, that answers at a free port.
const CONFIG: &str = "\
organization: true
regions: [us-east-1, eu-west-1]
enable: [iam-root-mfa, iam-user-mfa, s3-bucket-secure-transport]
archive: upright-data
listen: 127.0.0.1:0
schedule: [{ name: nightly, cron: '30 2 * * *', time_zone: Europe/Berlin, catch_up_hours: 48 }]
";

fn world(config: &str) -> World {
    let world = World::new(common::UPRIGHT).unwrap();
    world.write("upright.yaml", config).unwrap();
    world
}

/// A daemon that runs, and what it has said on stderr.
struct Daemon {
    child: Child,
    lines: Receiver<String>,
    said: String,
    address: String,
}

impl Daemon {
    fn start(world: &World, env: &Env) -> Self {
        let mut command = Command::new(common::UPRIGHT);
        env.apply(&mut command);
        let command =
            command.arg("serve").current_dir(world.dir()).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let (send, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let mut daemon = Self { child, lines, said: String::new(), address: String::new() };
        let line = daemon.says("Listening at http://");
        daemon.address = line.split("http://").nth(1).unwrap().trim_end_matches('/').to_owned();
        daemon
    }

    /// Waits for a line with this in it.
    fn says(&mut self, text: &str) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("it did not say `{text}`: {}", self.said)
            };
            self.said += &format!("{line}\n");
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Whether it has said this by now, or does in a moment.
    fn has_said(&mut self, text: &str) -> bool {
        if let Ok(line) = self.lines.recv_timeout(Duration::from_millis(10)) {
            self.said += &format!("{line}\n");
        }
        self.said.contains(text)
    }

    /// Status line and headers, and body.
    fn get(&self, path: &str) -> (String, String) {
        self.get_as(path, &self.address)
    }

    fn get_as(&self, path: &str, host: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_ascii_lowercase(), body.to_owned())
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// The exit code, which comes soon.
    fn end(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(Instant::now() < deadline, "it does not end: {}", self.said),
            }
            std::thread::yield_now();
        };
        self.said.extend(self.lines.iter().map(|line| line + "\n"));
        (status.code(), std::mem::take(&mut self.said))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn archive(world: &World) -> Archive {
    Archive::new(LocalStore::new(world.dir().join("upright-data")))
}

/// Makes the archive one in which the night before the last was done: last night's run is missed.
fn miss_a_night(world: &World) {
    let name: JobName = "nightly".parse().unwrap();
    let then = Timestamp::now() - SignedDuration::from_hours(24 * 7);
    let archive = archive(world);
    let Claimed::Ours(claim) = archive.claim(&name, then, then, Duration::from_secs(60)).unwrap() else {
        panic!("the archive is new")
    };
    claim.finish(&archive, then).unwrap();
}

fn nowhere() -> (Server, Env) {
    let server = Server::canned(|_| None).start().unwrap();
    let env = plain(server.env());
    (server, env)
}

#[test]
fn the_plan_tells_the_next_times_of_each_job_in_its_zone() {
    let world = world(CONFIG);
    let run = offline(&world, &["serve", "--plan"]);
    assert_eq!(run.code, Some(0), "{run}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], "nightly  `30 2 * * *` in Europe/Berlin");
    assert!(lines.len() == 4 && lines[1..].iter().all(|line| line.contains(":30:00 +0")), "{run}");
    let run = offline(&world, &["serve", "--plan", "--json"]);
    let plan: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((plan[0]["name"].as_str(), plan[0]["cron"].as_str()), (Some("nightly"), Some("30 2 * * *")));
    let times = plan[0]["next"].as_array().unwrap();
    assert!(times.len() == 3 && times.iter().all(|time| time.as_str().unwrap().parse::<Timestamp>().is_ok()));
    assert!(!world.dir().join("upright-data").exists(), "a plan writes nothing");
}

#[test]
fn what_is_wrong_with_any_job_stops_the_daemon_before_anything_runs() {
    for (config, expected) in [
        ("archive: a\n", "there is no job in `schedule`"),
        ("schedule: [{ name: n, cron: '@daily' }]\n", "a daemon needs an archive"),
        ("schedule: [{ name: n, cron: '0 2 * *' }]\n", "has 4 fields; there are five"),
        (
            "archive: a\nschedule: [{ name: n, cron: '@daily', config: none.yaml }]\n",
            "none.yaml` cannot be read",
        ),
        ("archive: a\nenable: [nothing]\nschedule: [{ name: n, cron: '@daily' }]\n", "job `n`"),
    ] {
        let world = world(config);
        let run = offline(&world, &["serve"]);
        let said = run.stderr.replace(['│', '×'], " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(run.code == Some(2) && said.contains(expected), "{config}: {run}");
        assert!(!world.dir().join("a").exists(), "{config}");
    }
}

#[test]
fn it_answers_at_the_address_it_says_and_ends_when_it_is_asked_to() {
    let world = world(CONFIG);
    let (server, env) = nowhere();
    for signal in ["TERM", "INT"] {
        let daemon = Daemon::start(&world, &env);
        let (head, body) = daemon.get("/healthz");
        assert!(head.starts_with("http/1.1 200") && body == "ok\n", "{head} {body}");
        let (head, body) = daemon.get("/metrics");
        assert!(head.contains("application/openmetrics-text"), "{head}");
        assert!(body.contains("upright_runs_total{job=\"nightly\",outcome=\"failed\"} 0"), "{body}");
        let (head, body) = daemon.get("/");
        assert!(head.contains("default-src 'none'") && body.contains("No run is kept yet."), "{head} {body}");
        assert!(daemon.get_as("/", "evil.example").0.starts_with("http/1.1 421"));
        assert!(daemon.get("/runs/../upright.yaml").0.starts_with("http/1.1 404"));
        daemon.signal(signal);
        let (code, said) = daemon.end();
        assert_eq!(code, Some(0), "{said}");
    }
    assert_eq!(server.requests(), []);
}

#[test]
fn two_daemons_make_up_for_a_missed_night_once_and_serve_its_report() {
    let world = world(CONFIG);
    miss_a_night(&world);
    let server = common::replay().start().unwrap();
    let env = plain(server.env());
    let mut daemons = [Daemon::start(&world, &env), Daemon::start(&world, &env)];
    let deadline = Instant::now() + LIMIT;
    let doer = loop {
        assert!(Instant::now() < deadline, "{}\n{}", daemons[0].said, daemons[1].said);
        if let Some(doer) = daemons.iter_mut().position(|daemon| daemon.has_said("Run done: ")) {
            break doer;
        }
    };
    let one = &daemons[doer];
    let ids = archive(&world).committed().unwrap();
    assert_eq!(ids.len(), 1, "{}", one.said);
    let id = &ids[0];
    for daemon in &daemons {
        let (_, body) = daemon.get("/");
        assert!(body.contains(&format!("/runs/{id}/report.html")), "{body}");
        let (head, body) = daemon.get(&format!("/runs/{id}/report.json"));
        let report: Value = serde_json::from_str(&body).unwrap();
        assert!(head.starts_with("http/1.1 200") && report["run"]["id"] == id.as_str(), "{head}");
        let (head, body) = daemon.get(&format!("/runs/{id}/report.html"));
        assert!(head.starts_with("http/1.1 200") && body.starts_with("<!doctype html>"), "{head}");
    }
    let (_, body) = one.get("/metrics");
    for line in [
        "upright_runs_total{job=\"nightly\",outcome=\"success\"} 1",
        "upright_findings{job=\"nightly\",severity=\"medium\",verdict=\"fail\"} ",
        "upright_coverage_ratio{job=\"nightly\"} ",
    ] {
        assert!(body.contains(line), "{body}");
    }
    assert_eq!(one.get("/healthz").1, "ok\n");
    let mut begun = 0;
    for daemon in daemons {
        daemon.signal("TERM");
        let (code, said) = daemon.end();
        assert_eq!(code, Some(0), "{said}");
        begun += said.matches("Run begins.").count();
    }
    assert_eq!(begun, 1);
    assert_eq!(archive(&world).committed().unwrap().len(), 1);
}

#[test]
fn a_run_that_fails_is_told_and_a_second_signal_ends_a_run_that_hangs_without_a_trace() {
    // Nobody answers like AWS here: the run fails, and the daemon goes on.
    let world = world(CONFIG);
    miss_a_night(&world);
    let (_server, env) = nowhere();
    let mut daemon = Daemon::start(&world, &env);
    daemon.says("Run failed: ");
    let (head, body) = daemon.get("/healthz");
    assert!(
        head.starts_with("http/1.1 503") && body.starts_with("job nightly: the last run failed: "),
        "{body}"
    );
    daemon.signal("TERM");
    assert_eq!(daemon.end().0, Some(0));

    // A server that takes connections and never answers.
    let world = self::world(&format!("{CONFIG}attempt_timeout_seconds: 300\ncall_timeout_seconds: 3600\n"));
    miss_a_night(&world);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}", silent.local_addr().unwrap().port());
    let mut daemon = Daemon::start(&world, &env.with("AWS_ENDPOINT_URL", &url));
    daemon.says("Run begins.");
    daemon.signal("TERM");
    daemon.says("Asked to stop; ");
    daemon.signal("TERM");
    let (code, said) = daemon.end();
    assert!(code == Some(0) && said.contains("Run abandoned: the daemon was stopped"), "{said}");
    assert_eq!(archive(&world).committed().unwrap(), []);
    assert!(!Path::new(&world.dir()).join("upright-report").exists());
}
