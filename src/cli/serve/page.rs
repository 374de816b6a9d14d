//! The daemon's page: its jobs, and the runs of the archive, newest first. Made of `templates/serve.html`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use tera::{Context, Kwargs, State, Tera};

use super::jobs::in_zone;
use super::state::{JobState, Outcome};
use crate::archive::{Archive, ArchiveError, Manifest, PAGE, REPORT, RunId};
use crate::report::printable;

/// Runs on the page; `upright runs list` has all.
const MAX_RUNS: usize = 50;
/// How a time is written.
const TIME: &str = "%F %H:%M %:z";

const TEMPLATE: &str = include_str!("../../../templates/serve.html");

/// Why the page could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("the page could not be made, which is a fault of this program: {0}")]
    Template(#[from] tera::Error),
}

#[derive(Serialize)]
struct Page {
    version: &'static str,
    now: String,
    complaints: Vec<String>,
    jobs: Vec<JobRow>,
    runs: Vec<RunRow>,
    /// Runs that are in the archive and not on the page.
    older: usize,
}

#[derive(Serialize)]
struct JobRow {
    name: String,
    cron: String,
    zone: String,
    next: String,
    /// `running`, `done`, `failed`, `abandoned` or `waiting`.
    state: &'static str,
    since: String,
    says: String,
}

#[derive(Serialize)]
struct RunRow {
    id: String,
    started: String,
    accounts: usize,
    fail: u64,
    unknown: u64,
    pass: u64,
    is_complete: bool,
    has_page: bool,
    has_report: bool,
    /// Why nothing of it can be shown; empty where it can.
    damaged: String,
}

/// The page as of now. It reads the archive.
pub(super) fn render(
    jobs: &[JobState],
    complaints: Vec<String>,
    archive: &Archive,
) -> Result<String, PageError> {
    let ids = archive.committed()?;
    let runs = ids.iter().take(MAX_RUNS).filter_map(|id| match archive.manifest(id) {
        // Another process may remove a run between the list and the read.
        Err(error) if error.is_absence() => None,
        manifest => Some(run_row(id, manifest)),
    });
    let page = Page {
        version: env!("CARGO_PKG_VERSION"),
        now: in_zone(Timestamp::now(), &TimeZone::UTC, TIME),
        complaints,
        jobs: jobs.iter().map(job_row).collect(),
        runs: runs.collect(),
        older: ids.len().saturating_sub(MAX_RUNS),
    };
    let mut templates = Tera::new();
    // Asking for a name that does not exist is no error in Tera; printing one, or a test of it, is.
    templates.register_test("yes", |value: bool, _: Kwargs, _: &State<'_>| value);
    templates.register_test("given", |value: &str, _: Kwargs, _: &State<'_>| !value.is_empty());
    templates.add_raw_template("serve.html", TEMPLATE)?;
    Ok(templates.render("serve.html", &Context::from_serialize(&page)?)?)
}

fn job_row(job: &JobState) -> JobRow {
    let zone = &job.job.zone;
    let time = |time: Timestamp| in_zone(time, zone, TIME);
    let (state, since, says) = match (&job.running_since, &job.ended) {
        (Some(since), _) => ("running", time(*since), String::new()),
        (None, Some(ended)) => {
            let state = match ended.outcome {
                Outcome::Success => "done",
                outcome => outcome.as_str(),
            };
            (state, time(ended.at), ended.says.clone())
        }
        (None, None) => ("waiting", String::new(), String::new()),
    };
    JobRow {
        name: job.job.name.to_string(),
        cron: job.job.cron.to_string(),
        zone: job.zone.to_string(),
        next: job.next.map(time).unwrap_or_default(),
        state,
        since,
        says,
    }
}

fn run_row(id: &RunId, manifest: Result<Manifest, ArchiveError>) -> RunRow {
    let mut row = RunRow {
        id: id.to_string(),
        started: in_zone(id.started_at(), &TimeZone::UTC, "%F %H:%M"),
        accounts: 0,
        fail: 0,
        unknown: 0,
        pass: 0,
        is_complete: false,
        has_page: false,
        has_report: false,
        damaged: String::new(),
    };
    match manifest {
        Ok(manifest) => {
            let has = |name: &str| manifest.objects.iter().any(|object| object.name == name);
            (row.has_page, row.has_report) = (has(PAGE), has(REPORT));
            let facts = &manifest.facts;
            row.accounts = facts.accounts.len();
            (row.fail, row.unknown, row.pass) =
                (facts.findings.fail, facts.findings.unknown, facts.findings.pass);
            row.is_complete = facts.complete;
        }
        Err(error) => row.damaged = printable(&error.to_string()).into_owned(),
    }
    row
}
