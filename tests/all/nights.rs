//! Several nights: the daemon's loop with a clock of the test, real scans of an organization that changes between them,
//! and the mails that people get.

use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::sync::watch;
use upright::schedule::{Clock, Job, Ran, Runs, serve};
use upright_testkit::{Emulator, World, workspace};

use crate::common::{FAILED, UPRIGHT, plain, receivers::Receivers};

/// A clock that is where it is waited for at once.
struct Jumping(Mutex<Timestamp>);

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep_until(&self, time: Timestamp) {
        *self.0.lock().unwrap() = time;
        tokio::task::yield_now().await;
    }
}

/// What happens before each night's scan, and the exit code of the scan.
const NIGHTS: [(&str, i32); 4] = [("make", FAILED), ("open", FAILED), ("close", FAILED), ("", FAILED)];
const BUCKET: &str = "opened-for-a-night";

struct Nights<'a> {
    world: &'a World,
    emulator: &'a Emulator,
    clock: &'a Jumping,
    stop: watch::Sender<bool>,
    /// When each run was due, and when it began on the clock of the test.
    ran: Mutex<Vec<(Timestamp, Timestamp)>>,
}

/// Runs a program of the tests in the emulated AWS.
fn python(emulator: &Emulator, program: &str, arguments: &[&str]) -> Vec<u8> {
    let root = workspace().unwrap();
    let mut command = Command::new(root.join(".venv/bin/python"));
    command.arg(root.join("tests/support").join(program)).args(arguments);
    emulator.env().apply(&mut command);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

impl Runs for Nights<'_> {
    async fn last(&self, _: &Job) -> Option<Timestamp> {
        None
    }

    async fn run(&self, _: &Job, due: Timestamp) -> Ran {
        let night = {
            let mut ran = self.ran.lock().unwrap();
            ran.push((due, self.clock.now()));
            ran.len() - 1
        };
        let (change, code) = NIGHTS[night];
        if !change.is_empty() {
            python(self.emulator, "nights.py", &[change, BUCKET]);
        }
        let run = self.world.run(&plain(self.emulator.env()), &["scan", "--quiet"]).unwrap();
        assert_eq!(run.code, Some(code), "night {night}: {run}");
        if night + 1 == NIGHTS.len() {
            self.stop.send_replace(true);
        }
        Ran::Over
    }

    fn waiting(&self, _: &[(&Job, Option<Timestamp>)]) {}
}

fn subject(mail: &Value) -> String {
    let headers = mail["headers"].as_array().unwrap();
    let subject = headers.iter().find(|header| header[0] == "Subject").unwrap()[1].as_str().unwrap();
    // The scans are of today, whatever the clock of the nights says.
    let (words, date) = subject.rsplit_once(", ").unwrap();
    assert!(date.parse::<jiff::civil::Date>().is_ok(), "{subject}");
    words.to_owned()
}

fn text(mail: &Value) -> &str {
    let parts = mail["parts"].as_array().unwrap();
    parts.iter().find(|part| part["type"] == "text/plain").unwrap()["text"].as_str().unwrap()
}

/// What the mails of the nights are about, written by hand. Six buckets of the seeded organization are public all the time.
const SUBJECTS: [&str; 4] = [
    "[Upright] 6 failures (6 critical): ACME org",
    "[Upright] 1 new failure (1 critical): ACME org",
    "[Upright] 1 resolved: ACME org",
    "[Upright] no change, 6 still failing (6 critical): ACME org",
];
const TO: &str =
    "      - addresses: [ann@example.com]\n      - { addresses: [bob@example.com], when: changed }\n";

/// Four nights with that part of the configuration which says who is told.
async fn nights(emulator: &Emulator, notify: &str) {
    let world = World::new(UPRIGHT).unwrap();
    let config = format!(
        "organization: true\nregions: [us-east-1, eu-west-1]\nenable: [s3-bucket-not-public]\narchive: kept\n{notify}"
    );
    world.write("upright.yaml", &config).unwrap();

    // The nights before and after the one in which Berlin's clocks go back.
    let clock = Jumping(Mutex::new("2027-10-29T12:00:00Z".parse().unwrap()));
    let (stop, stopped) = watch::channel(false);
    let nights = Nights { world: &world, emulator, clock: &clock, stop, ran: Mutex::new(Vec::new()) };
    let nightly = Job {
        name: "nightly".parse().unwrap(),
        cron: "30 2 * * *".parse().unwrap(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        jitter: Duration::ZERO,
        catch_up: Duration::from_secs(3600),
    };
    serve(&[nightly], &clock, &nights, stopped).await;

    let ran = nights.ran.into_inner().unwrap();
    let due: Vec<String> = ran.iter().map(|(due, _)| due.to_string()).collect();
    assert_eq!(
        due,
        ["2027-10-30T00:30:00Z", "2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z", "2027-11-02T01:30:00Z"]
    );
    assert!(ran.iter().all(|(due, began)| due == began), "{ran:?}");
    let runs = world.run(&plain(emulator.env()), &["runs", "list", "--archive", "kept", "--json"]).unwrap();
    assert_eq!(runs.json().unwrap().as_array().map(Vec::len), Some(NIGHTS.len()), "{runs}");
}

/// Checks the mails of the nights, whichever way they went.
fn check(mails: &[Value]) {
    let told = |address: &str| -> Vec<&Value> {
        mails.iter().filter(|mail| mail["to"] == serde_json::json!([address])).collect()
    };
    let ann = told("ann@example.com");
    let subjects: Vec<String> = ann.iter().map(|mail| subject(mail)).collect();
    assert_eq!(subjects, SUBJECTS);
    // Without an earlier night everything is news; in the last there was none.
    let bob: Vec<String> = told("bob@example.com").iter().map(|mail| subject(mail)).collect();
    assert_eq!(bob, SUBJECTS[..3]);

    for (night, mail) in ann.iter().enumerate() {
        assert_eq!(mail["defects"], serde_json::json!([]));
        assert_eq!(text(mail).contains(BUCKET), night == 1 || night == 2, "night {night}: {}", text(mail));
        let parts = mail["parts"].as_array().unwrap();
        let kinds: Vec<&str> = parts.iter().map(|part| part["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["text/plain", "text/html", "text/html"], "the last is the report");
        assert!(parts[..2].iter().all(|part| part["size"].as_u64().unwrap() < 100_000), "night {night}");
    }
    assert!(text(ann[1]).contains("NEW FAILURES"), "{}", text(ann[1]));
    assert!(text(ann[2]).contains("RESOLVED"), "{}", text(ann[2]));
}

#[tokio::test]
async fn each_night_tells_what_changed_since_the_one_before() {
    let (emulator, receivers) = (Emulator::start().unwrap(), Receivers::start(&[]));
    nights(&emulator, &receivers.mailing("starttls", &receivers.trusted(), TO)).await;
    let mails = receivers.taken("mail");
    assert!(mails.iter().all(|mail| mail["is_encrypted"] == true));
    check(&mails);
}

#[tokio::test]
async fn by_ses_each_night_tells_the_same() {
    let emulator = Emulator::start().unwrap();
    python(&emulator, "told.py", &["sender", "upright@example.com"]);
    let notify = "notify:\n  name: ACME org\n  mail:\n    from: Upright <upright@example.com>\n    via: { ses: {} }\n    to:\n";
    nights(&emulator, &format!("{notify}{TO}")).await;
    let mails: Vec<Value> = serde_json::from_slice(&python(&emulator, "told.py", &["mails"])).unwrap();
    check(&mails);
}
