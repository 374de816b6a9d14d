//! The daemon's runs and answers, with a clock of our own and no scan behind them.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Request;
use http_body_util::BodyExt;
use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::*;
use crate::archive::{Claimed, LocalStore, PAGE, REPORT, RunFacts, RunId, Tally};
use crate::report::sample;
use crate::schedule::daemon::tests::Jumping;
use crate::schedule::{Clock, Job};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn archive(folder: &Path) -> Arc<Archive> {
    Arc::new(Archive::new(LocalStore::new(folder.to_owned())))
}

fn ready() -> Vec<Ready> {
    let config = Config {
        schedule: vec![crate::config::ScheduledJob {
            name: "nightly".parse().unwrap(),
            cron: "30 2 * * *".parse().unwrap(),
            time_zone: "Europe/Berlin".parse().unwrap(),
            config: None,
            jitter_minutes: 0,
            catch_up_hours: 24,
        }],
        ..Config::default()
    };
    jobs::ready(&config, time("2027-03-01T00:00:00Z")).unwrap()
}

/// A daemon of which a test sees the runs.
struct Daemon {
    archive: Arc<Archive>,
    state: Arc<State>,
    clock: Jumping,
    jobs: Vec<Job>,
    abandon: watch::Sender<bool>,
}

impl Daemon {
    fn new(folder: &Path, now: &str) -> Self {
        let jobs = ready();
        Self {
            archive: archive(folder),
            state: Arc::new(State::new(&jobs)),
            clock: Jumping(Mutex::new(time(now))),
            jobs: jobs.into_iter().map(|ready| ready.job).collect(),
            abandon: watch::channel(false).0,
        }
    }

    /// Runs until `most` runs began here, or this time is reached.
    async fn serve(
        &self,
        most: usize,
        until: &str,
        work: impl Fn(Timestamp, &Until) -> Result<Report, Stopped> + Send + Sync + 'static,
    ) {
        let (stop, stopped) = watch::channel(false);
        let stop = Arc::new(stop);
        let (count, stops) = (AtomicUsize::new(0), Arc::clone(&stop));
        let work: Work = Arc::new(move |_: &JobName, started_at: Timestamp, until: Until| {
            if count.fetch_add(1, Ordering::SeqCst) + 1 == most {
                stops.send_replace(true);
            }
            work(started_at, &until)
        });
        let nights = Nights {
            archive: Arc::clone(&self.archive),
            state: Arc::clone(&self.state),
            clock: &self.clock,
            work,
            abandon: self.abandon.subscribe(),
        };
        let until = time(until);
        let watching = async {
            while self.clock.now() < until {
                tokio::task::yield_now().await;
            }
            stop.send_replace(true);
        };
        tokio::select! {
            () = async { watching.await; std::future::pending().await } => {}
            () = schedule::serve(&self.jobs, &self.clock, &nights, stopped) => {}
        }
    }

    fn says(&self) -> Vec<String> {
        self.state.complaints(self.clock.now())
    }
}

fn done(_: Timestamp, _: &Until) -> Result<Report, Stopped> {
    Ok(sample::report())
}

#[tokio::test]
async fn two_daemons_over_one_archive_do_each_night_once() {
    let folder = tempfile::tempdir().unwrap();
    let ran = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..2 {
        // One after the other over the same nights, in which clocks go forward: the second finds them done.
        let daemon = Daemon::new(folder.path(), "2027-03-27T00:00:00Z");
        let noted = Arc::clone(&ran);
        let note = move |started_at: Timestamp, _: &Until| {
            noted.lock().unwrap().push(started_at.to_string());
            Ok(sample::report())
        };
        daemon.serve(usize::MAX, "2027-03-30T12:00:00Z", note).await;
        assert_eq!(daemon.says(), Vec::<String>::new());
    }
    assert_eq!(
        *ran.lock().unwrap(),
        ["2027-03-27T01:30:00Z", "2027-03-28T01:30:00Z", "2027-03-29T00:30:00Z", "2027-03-30T00:30:00Z"]
    );
}

#[tokio::test]
async fn a_night_that_another_daemon_died_in_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let due = time("2027-03-27T01:30:00Z");
    let name = "nightly".parse().unwrap();
    let claimed = archive(folder.path()).claim(&name, due, due, Duration::from_secs(180)).unwrap();
    assert!(matches!(claimed, Claimed::Ours(_)));
    let daemon = Daemon::new(folder.path(), "2027-03-27T01:31:00Z");
    daemon.serve(1, "2027-03-27T12:00:00Z", done).await;
    let text = daemon.state.metrics();
    assert!(text.contains("upright_runs_total{job=\"nightly\",outcome=\"success\"} 1\n"), "{text}");
    assert_eq!(daemon.archive.last_due(&name).unwrap(), Some(due));
}

#[tokio::test]
async fn a_run_that_fails_or_panics_ends_no_daemon_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::new(folder.path(), "2027-03-27T00:00:00Z");
    let work = |started_at: Timestamp, _: &Until| {
        let day = started_at.to_zoned_datetime(TimeZone::UTC).day();
        assert!(day != 28, "two\nlines\u{1b}[2J");
        Err(Stopped::could_not_run(miette::miette!("no credentials\r\nfor \u{1b}[31m")))
    };
    daemon.serve(2, "2027-03-29T00:00:00Z", work).await;
    let says = daemon.says();
    assert_eq!(says.len(), 1, "{says:?}");
    assert!(
        says[0].starts_with("job nightly: the last run failed: a fault of this program: two lines"),
        "{says:?}"
    );
    assert!(!says[0].contains(|c: char| c.is_control()), "{says:?}");
    let text = daemon.state.metrics();
    assert!(text.contains("upright_runs_total{job=\"nightly\",outcome=\"failed\"} 2\n"), "{text}");
    assert!(text.contains("upright_running{job=\"nightly\"} 0\n"), "{text}");
    // The night after, it is done, and all is well.
    daemon.serve(1, "2027-03-30T00:00:00Z", done).await;
    assert_eq!(daemon.says(), Vec::<String>::new());
    let text = daemon.state.metrics();
    for line in [
        "upright_findings{job=\"nightly\",severity=\"critical\",verdict=\"fail\"} ",
        "upright_last_success_timestamp_seconds{job=\"nightly\"} ",
        "upright_coverage_ratio{job=\"nightly\"} 0.",
        "upright_api_requests_total{job=\"nightly\"} ",
        "upright_run_duration_seconds{job=\"nightly\"} ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test]
async fn a_run_that_is_stopped_is_abandoned_and_free_for_the_next_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::new(folder.path(), "2027-03-27T00:00:00Z");
    let abandon = daemon.abandon.clone();
    let work = move |_: Timestamp, until: &Until| {
        abandon.send_replace(true);
        // As a scan between two steps.
        loop {
            until.check()?;
            std::thread::yield_now();
        }
    };
    daemon.serve(1, "2027-03-28T00:00:00Z", work).await;
    assert_eq!(daemon.says(), ["job nightly: the last run abandoned: the daemon was stopped"]);
    let next = Daemon::new(folder.path(), "2027-03-27T02:00:00Z");
    next.serve(1, "2027-03-27T03:00:00Z", done).await;
    assert!(next.clock.now() < time("2027-03-27T02:01:00Z"), "it is made up for at once");
}

#[tokio::test]
async fn while_the_archive_refuses_the_run_is_tried_again_and_told() {
    let folder = tempfile::tempdir().unwrap();
    // A file where a folder should be.
    std::fs::write(folder.path().join("claims"), "x").unwrap();
    let daemon = Daemon::new(folder.path(), "2027-03-27T01:00:00Z");
    let mending = async {
        while daemon.clock.now() < time("2027-03-27T02:00:00Z") {
            tokio::task::yield_now().await;
        }
        let says = daemon.says();
        assert!(says[0].starts_with("job nightly: a run is due and cannot begin: archive: "), "{says:?}");
        std::fs::remove_file(folder.path().join("claims")).unwrap();
    };
    tokio::join!(daemon.serve(1, "2027-03-27T06:00:00Z", done), mending);
    assert_eq!(daemon.says(), Vec::<String>::new());
    let name = "nightly".parse().unwrap();
    assert_eq!(daemon.archive.last_due(&name).unwrap(), Some(time("2027-03-27T01:30:00Z")));
}

#[test]
fn a_run_that_did_not_begin_is_overdue_and_a_long_one_is_not() {
    let daemon = Daemon::new(Path::new("nowhere"), "2027-03-27T00:00:00Z");
    let next = time("2027-03-27T01:30:00Z");
    daemon.state.waits(&[(&daemon.jobs[0], Some(next))]);
    assert_eq!(daemon.state.complaints(next + SignedDuration::from_mins(10)), Vec::<String>::new());
    let late = next + SignedDuration::from_mins(11);
    assert_eq!(daemon.state.complaints(late), ["job nightly: the run of 2027-03-27T01:30:00Z is overdue"]);
    daemon.state.begins(&daemon.jobs[0].name, next);
    assert_eq!(daemon.state.complaints(late), Vec::<String>::new());
}

/// An archive with one run, and what answers over it.
fn pages(folder: &Path) -> (RunId, answers::Pages) {
    let archive = archive(folder);
    let started_at = time("2027-03-27T01:30:00Z");
    let mut writing = archive.begin(started_at).unwrap();
    let id = writing.id().clone();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, b"<!doctype html>the report").unwrap();
    writing.put(PAGE, gzip.finish().unwrap()).unwrap();
    writing.put(REPORT, zstd::encode_all(b"{\"a\":1}".as_slice(), 1).unwrap()).unwrap();
    let facts = RunFacts {
        version: "0.0.0".to_owned(),
        started_at,
        finished_at: started_at,
        observed_at: started_at,
        complete: false,
        asked: "a".to_owned(),
        accounts: vec!["111122223333".to_owned()],
        findings: Tally { pass: 1, fail: 2, unknown: 3, not_applicable: 4 },
        failing: std::collections::BTreeMap::new(),
        notes: Vec::new(),
    };
    writing.commit(facts).unwrap();
    let state = Arc::new(State::new(&ready()));
    (id, answers::Pages::new(state, archive, "scanner.internal"))
}

/// Status, headers and body of what is answered.
async fn ask(
    pages: &answers::Pages,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (u16, String, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = pages.answer(&request.body(()).unwrap()).await;
    let (status, headers) = (answer.status().as_u16(), format!("{:?}", answer.headers()));
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, headers, String::from_utf8_lossy(&body).into_owned())
}

const HOST: (&str, &str) = ("host", "localhost:9464");

#[tokio::test]
async fn reports_of_the_archive_are_answered_and_nothing_else_is_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let (id, pages) = pages(folder.path());
    let html = format!("/runs/{id}/report.html");
    let (status, headers, body) = ask(&pages, "GET", &html, &[HOST]).await;
    assert_eq!((status, body.as_str()), (200, "<!doctype html>the report"), "{headers}");
    assert!(headers.contains("nosniff") && headers.contains("frame-ancestors 'none'"), "{headers}");
    let (_, headers, body) = ask(&pages, "GET", &html, &[HOST, ("accept-encoding", "br, gzip;q=0.5")]).await;
    assert!(headers.contains("\"content-encoding\": \"gzip\"") && !body.contains("report"), "{headers}");
    let json = format!("/runs/{id}/report.json");
    let (status, headers, body) = ask(&pages, "GET", &json, &[HOST, ("accept-encoding", "zstd;q=0")]).await;
    assert_eq!((status, body.as_str()), (200, "{\"a\":1}"), "{headers}");
    for path in [
        format!("/runs/{id}/inventory.json.zst"),
        format!("/runs/{id}/manifest.json"),
        format!("/runs/{id}/../{id}/report.html"),
        format!("/runs/{id}/report.html/"),
        "/runs/20270327T013000Z-00000000/report.html".to_owned(),
        "/runs/latest/report.html".to_owned(),
        "/runs/%2e%2e/report.html".to_owned(),
        "/../../etc/passwd".to_owned(),
        "/favicon.ico".to_owned(),
    ] {
        let (status, _, body) = ask(&pages, "GET", &path, &[HOST]).await;
        assert_eq!((status, body.as_str()), (404, "There is nothing here.\n"), "{path}");
    }
}

#[tokio::test]
async fn only_names_of_this_server_and_addresses_are_answered_and_only_get() {
    let folder = tempfile::tempdir().unwrap();
    let (_, pages) = pages(folder.path());
    for host in
        ["localhost", "LOCALHOST:1", "127.0.0.1:9464", "[::1]:9464", "10.1.2.3", "scanner.internal:9464"]
    {
        let (status, ..) = ask(&pages, "GET", "/healthz", &[("host", host)]).await;
        assert_eq!(status, 200, "{host}");
    }
    for hosts in [
        &[][..],
        &[("host", "evil.example")],
        &[("host", "localhost.evil.example")],
        &[("host", "localhost@evil.example")],
        &[("host", "")],
        &[("host", "localhost"), ("host", "evil.example")],
    ] {
        let (status, ..) = ask(&pages, "GET", "/", hosts).await;
        assert_eq!(status, 421, "{hosts:?}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"] {
        let (status, headers, _) = ask(&pages, method, "/", &[HOST]).await;
        assert!(status == 405 && headers.contains("\"allow\": \"GET\""), "{method} {headers}");
    }
}

#[tokio::test]
async fn the_page_lists_jobs_and_runs_and_hostile_text_stays_text() {
    let folder = tempfile::tempdir().unwrap();
    let (id, pages) = pages(folder.path());
    std::fs::create_dir_all(folder.path().join("runs/20270328T013000Z-00000000")).unwrap();
    std::fs::write(folder.path().join("runs/20270328T013000Z-00000000/manifest.json"), "{").unwrap();
    let (status, headers, body) = ask(&pages, "GET", "/", &[HOST]).await;
    assert_eq!(status, 200, "{body}");
    assert!(headers.contains("default-src 'none'") && !body.contains("<script"), "{headers}");
    for text in [
        "All is well",
        "30 2 * * *",
        "Europe/Berlin",
        "2027-03-27 01:30",
        "in part",
        &format!("href=\"/runs/{id}/report.html\""),
        "manifest of run 20270328T013000Z-00000000",
    ] {
        assert!(body.contains(text), "{text}: {body}");
    }
    let state = State::new(&ready());
    let job = "nightly".parse().unwrap();
    for hostile in sample::HOSTILE {
        let says = format!("failed: {hostile}");
        let ended = state::Ended { at: time("2027-03-27T01:30:00Z"), outcome: state::Outcome::Failed, says };
        state.ends(&job, &ended, None);
        let html = page::render(&state.jobs(), vec![hostile.to_owned()], &archive(folder.path())).unwrap();
        for markup in ["<img", "<svg", "' onmouseover='", "49"] {
            let before = body.contains(markup);
            assert!(before || !html.contains(markup), "{markup}: {html}");
        }
    }
}

#[test]
fn the_file_of_a_job_is_held_to_what_a_daemon_can_mean() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.yaml");
    let mut ours = Config { archive: Some("here".parse().unwrap()), ..Config::default() };
    ours.schedule = ready().iter().map(|_| scheduled(&path)).collect();
    let told = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let told = jobs::ready(&ours, time("2027-03-01T00:00:00Z")).map(|jobs| jobs.len());
        told.map_err(|stopped| stopped.chain())
    };
    assert_eq!(told("regions: [eu-west-1]\narchive: here\n"), Ok(1));
    assert!(told("archive: there\n").unwrap_err().contains("names another `archive`"));
    let own = "schedule: [{ name: other, cron: '@daily' }]\n";
    assert!(told(own).unwrap_err().contains("has a `schedule` of its own"));
    assert!(told("enable: [nothing-like-it]\n").unwrap_err().starts_with("job `nightly`: "));
    assert!(told("regions: eu-west-1\n").unwrap_err().contains("expected a list"));
    ours.schedule.clear();
    let none = jobs::ready(&ours, time("2027-03-01T00:00:00Z")).unwrap_err();
    assert!(none.why().to_string().contains("there is no job in `schedule`"));
}

fn scheduled(config: &Path) -> crate::config::ScheduledJob {
    crate::config::ScheduledJob {
        name: "nightly".parse().unwrap(),
        cron: "@daily".parse().unwrap(),
        time_zone: crate::config::ZoneName::default(),
        config: Some(config.to_owned()),
        jitter_minutes: 0,
        catch_up_hours: 24,
    }
}

/// The example rules would be silent for ever about numbers that the daemon does not have.
#[tokio::test]
async fn alert_rules_are_about_numbers_that_the_daemon_has() {
    let text = include_str!("../../../infra/prometheus-alerts.yaml");
    let rules: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 3);
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::new(folder.path(), "2027-03-27T00:00:00Z");
    daemon.serve(1, "2027-03-28T00:00:00Z", done).await;
    let numbers = daemon.state.metrics();
    let name = regex::Regex::new("upright_[a-z_]+").unwrap();
    for rule in rules {
        assert!(
            rule["annotations"]["summary"].is_string() && rule["labels"]["severity"].is_string(),
            "{rule}"
        );
        for name in name.find_iter(rule["expr"].as_str().unwrap()) {
            let family = name.as_str().trim_end_matches("_total");
            assert!(numbers.contains(&format!("# TYPE {family} ")), "{family}: {numbers}");
        }
    }
}
