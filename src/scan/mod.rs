//! A scan from its settings to the run that is kept and the people who are told: what the command, the daemon and the
//! Lambda function have in common.
//!
//! It prints nothing: what there is to say goes to the scan's [`Audience`]. Its calls block, since it waits for AWS on
//! threads of its own; where there are such threads already, it belongs onto one that may block.

pub mod announced;
pub mod detect;
pub mod detected;
pub mod fanout;
pub mod keeping;
pub mod settings;
pub mod sources;
mod stopped;
pub mod telling;
pub mod threads;
mod who;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::watch;

pub use fanout::Fanout;
pub use stopped::{Fault, Stopped};

use crate::accounts::{Scope, discover};
use crate::archive::{Archive, RunId};
use crate::aws::Aws;
use crate::collect::Wanted;
use crate::config::{Attestation, Config};
use crate::controls::ControlSet;
use crate::findings::{Finding, judge};
use crate::inventory::{self, Inventory};
use crate::report::{Changes, Destination, Known, Ran, Report, printable, write_files};
use crate::run::{Display, Observed, Progress, collect, follow};
use detect::Detector;
use keeping::{Keeping, Stored};
use settings::Waivers;
use threads::{block_on, interrupted};

/// Who follows a scan.
pub trait Audience: Sync {
    /// Says what became of something, in a line.
    fn say(&self, line: &str);

    /// Shows how far the collecting is.
    fn display(&self) -> Option<Box<dyn Display>> {
        None
    }

    /// Shows the report, whose files are these. The run is not kept yet.
    ///
    /// # Errors
    /// When it cannot be shown, which ends the scan.
    fn show(&self, report: &Report, files: &[&Path]) -> Result<(), Stopped> {
        let _ = (report, files);
        Ok(())
    }
}

/// A scan whose settings have been looked at: what may go wrong now is AWS, the disk and the archive.
pub struct Scan<'a> {
    /// What is to be done.
    pub config: &'a Config,
    /// The controls that the configuration asks for.
    pub controls: &'a ControlSet,
    /// What people say of requirements, none of it of a day to come.
    pub attestations: &'a [Attestation],
    /// Where the run is kept; it has answered.
    pub archive: Option<&'a Archive>,
    /// When it was started.
    pub started_at: Timestamp,
    /// A file that is judged instead of calling AWS.
    pub inventory: Option<&'a Path>,
    /// A file to keep what was observed in.
    pub save_inventory: Option<&'a Path>,
    /// An earlier report to compare with, instead of that of the archive, and where it is from.
    pub since: Option<(Report, &'a Path)>,
    /// When collecting ends: what was not observed by then is unknown for want of time, and the rest is judged, kept and
    /// told as ever. `None` for no limit.
    pub deadline: Option<Instant>,
    /// Runs event rules, where the configuration names sources of events.
    pub detector: Option<&'a Detector<'a>>,
    /// A run that was begun account by account and broken off, which goes on.
    pub resume: Option<&'a RunId>,
    /// Who follows it.
    pub audience: &'a dyn Audience,
}

/// What ends a scan before it is done.
#[derive(Clone)]
pub enum Until {
    /// Ctrl-C.
    Interrupted,
    /// Whoever runs it says why.
    Told(watch::Receiver<Option<&'static str>>),
}

impl Until {
    /// Waits for it.
    async fn comes(&mut self) -> Stopped {
        match self {
            Self::Interrupted => interrupted("interrupted; no report was written").await,
            Self::Told(told) => match told.wait_for(Option::is_some).await.map(|why| *why) {
                Ok(why) => abandoned(why),
                // Nobody is left who could say so.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Whether it has come.
    ///
    /// # Errors
    /// When it has.
    pub fn check(&self) -> Result<(), Stopped> {
        match self {
            Self::Interrupted => Ok(()),
            Self::Told(told) => {
                let why = *told.borrow();
                why.map_or(Ok(()), |why| Err(abandoned(Some(why))))
            }
        }
    }
}

fn abandoned(why: Option<&str>) -> Stopped {
    Stopped::could_not_run(miette::miette!("abandoned, and not kept: {}", why.unwrap_or_default()))
}

/// A scan that did not come to its end.
#[derive(Debug)]
pub struct Failed {
    stopped: Stopped,
    /// Whether people have been told of what it found.
    is_told: bool,
}

impl From<Stopped> for Failed {
    fn from(stopped: Stopped) -> Self {
        Self { stopped, is_told: false }
    }
}

impl Failed {
    /// Why, where people need not be told.
    #[must_use]
    pub fn untold(self) -> Stopped {
        self.stopped
    }

    /// Tells people, unless they know what was found: silence is not success.
    #[must_use]
    pub fn told(self, config: &Config, started_at: Timestamp, audience: &dyn Audience) -> Stopped {
        if !self.is_told {
            telling::tell_of_failure(config, &self.stopped, started_at, &|line| audience.say(line));
        }
        self.stopped
    }
}

/// Observes, judges, writes the reports, and then keeps and sends the run and tells people. All accounts are judged
/// together, unless the configuration says [`Config::by_account`].
///
/// # Errors
/// When it could not be done or not all of it, and whether people were told of what it found.
pub fn perform(scan: &Scan<'_>, mut until: Until) -> Result<Report, Failed> {
    let config = scan.config;
    if (config.by_account || scan.resume.is_some()) && scan.inventory.is_none() {
        return fanout::perform(scan, &mut until);
    }
    let say = |line: &str| scan.audience.say(line);
    let (report, kept) = look(scan, &mut until)?;
    // The findings are sent also where the run could not be kept, and kept where they could not be sent.
    let sent = telling::send(&report, config, &say);
    let mut notes: Vec<String> = sent.as_ref().err().map(Stopped::in_a_line).into_iter().collect();
    notes.extend(telling::tell_of(config, &report, &say));
    let kept = kept.map(|kept| kept.and_then(|stored| stored.commit(&report, notes, config, &say)));
    let after = |stopped| Failed { stopped, is_told: true };
    kept.transpose().map_err(after)?;
    sent.map_err(after)?;
    Ok(report)
}

/// What a scan found, and where it is kept: in the archive and not committed yet, or why it is not there.
type Looked<'a> = (Report, Option<Result<Stored<'a>, Stopped>>);

/// Observes, judges, writes the reports, and puts the run into the archive where there is one.
fn look<'a>(scan: &Scan<'a>, until: &mut Until) -> Result<Looked<'a>, Stopped> {
    let Scan { config, controls, archive, started_at, .. } = *scan;
    let today = day(started_at);
    // Before the scan: it is over soon where a file of them is wrong.
    let waivers = Waivers::read(config, today)?;
    let observed = observe(scan, &Asked::of(controls, config, waivers.as_ref()), until)?;
    if let Some(path) = scan.save_inventory {
        inventory::save(&observed.inventory, path).map_err(|error| file_failure(path, &error))?;
    }
    let inventory = Arc::new(observed.inventory);
    let findings = judge(&inventory, &controls.controls().collect::<Vec<_>>());
    let ran = Ran {
        started_at,
        finished_at: Timestamp::now(),
        inventory: &inventory,
        controls,
        calls: &observed.calls,
    };
    let mut report = sum_up(ran, findings, waivers.as_ref(), &inventory, config)?;
    until.check()?;
    let asked = keeping::asked(config, keeping::judged(&report), scan.inventory.is_some());
    let kept = archive.map(|archive| Keeping::begin(archive, &mut report, asked));
    match (&scan.since, &kept) {
        (Some((earlier, path)), _) => compare(&mut report, earlier, path)?,
        (None, Some(Ok(keeping))) => keeping.compare(&mut report, &|line| scan.audience.say(line)),
        (None, _) => {}
    }
    report.attest(scan.attestations, today);
    who::happened(&mut report, scan.detector, config, scan.inventory.is_none(), until)?;
    rate(&mut report, config, today);
    let files = write_reports(&report, config)?;
    scan.audience.show(&report, &files.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    let kept = kept.map(|keeping| keeping.and_then(|keeping| keeping.store(&report, &inventory, config)));
    // Nobody is told of a run that another daemon does as well, and it is not kept.
    until.check()?;
    Ok((report, kept))
}

/// The report of findings with waivers beside them. They were judged in the inventory `within`, which may hold more
/// accounts than the one that the report is about.
fn sum_up(
    ran: Ran<'_>,
    mut findings: Vec<Finding>,
    waivers: Option<&Waivers>,
    within: &Inventory,
    config: &Config,
) -> Result<Report, Stopped> {
    let today = day(ran.started_at);
    let waivers = waivers.map(|waivers| waivers.apply(&mut findings, within, ran.controls, config, today));
    let waivers = waivers.transpose()?;
    let mut report = Report::of(ran, findings);
    report.waivers = waivers;
    Ok(report)
}

/// Puts into the report what changed since the earlier one, which is from `path`.
///
/// # Errors
/// When that is not the earlier one.
pub fn compare(report: &mut Report, earlier: &Report, path: &Path) -> Result<(), Stopped> {
    report.changes = Changes::between(earlier, report);
    if report.changes.is_some() {
        return Ok(());
    }
    let (then, now) = (&earlier.run, &report.run);
    let why = format!(
        "`{}` is not earlier: its run {} saw the accounts at {}, and run {} saw them at {}",
        path.display(),
        then.id,
        then.observed_at,
        now.id,
        now.observed_at
    );
    Err(Stopped::usage(miette::miette!("{}", printable(&why))))
}

/// Rates the risk of every failure, by what the run knows of what surrounds it.
fn rate(report: &mut Report, config: &Config, day: Date) {
    let rows = report.detections.iter().flat_map(|detections| &detections.detections);
    let detected: HashSet<String> =
        rows.flat_map(|row| &row.resources).map(|resource| resource.arn.clone()).collect();
    let since = report.changes.iter().flat_map(|changes| &changes.failing_since);
    let failing_since: HashMap<String, Date> = since
        .filter_map(|(id, time)| {
            let time: Timestamp = time.parse().ok()?;
            Some((id.clone(), self::day(time)))
        })
        .collect();
    report.rate(Known {
        production_tags: &config.production_tags,
        detected: &detected,
        failing_since: &failing_since,
        day,
    });
}

/// The day of a time, UTC.
#[must_use]
pub fn day(time: Timestamp) -> Date {
    time.to_zoned_datetime(TimeZone::UTC).date()
}

/// What is to be observed, and where.
pub struct Asked {
    /// What.
    pub wanted: Wanted,
    /// Where.
    pub scope: Scope,
}

impl Asked {
    /// What the controls and the waivers need of the accounts that the configuration names.
    #[must_use]
    pub fn of(controls: &ControlSet, config: &Config, waivers: Option<&Waivers>) -> Self {
        Self { wanted: settings::wanted(controls, waivers), scope: settings::scope(config, waivers) }
    }
}

fn observe(scan: &Scan<'_>, asked: &Asked, until: &mut Until) -> Result<Observed, Stopped> {
    if let Some(path) = scan.inventory {
        let inventory = inventory::load(path).map_err(|error| file_failure(path, &error))?;
        return Ok(Observed { inventory, calls: Vec::new() });
    }
    block_on(ask_aws(scan, asked), until.comes())
}

async fn ask_aws(scan: &Scan<'_>, asked: &Asked) -> Result<Observed, Stopped> {
    let Asked { wanted, scope } = asked;
    let aws = connect(scan.config, scan.deadline).await?;
    let progress = Progress::start();
    let run = async {
        let (caller, own) = aws.caller().await.map_err(|error| could_not(&error))?;
        let discovery = discover(&caller, &own, scope).await.map_err(|error| could_not(&error))?;
        Ok(collect(&aws, discovery, wanted, scope, &progress).await)
    };
    let (inventory, calls) = watched(run, scan.audience, &progress, &aws).await?;
    Ok(Observed { inventory, calls })
}

async fn connect(config: &Config, deadline: Option<Instant>) -> Result<Arc<Aws>, Stopped> {
    let aws = settings::connect(config).await?;
    if let Some(deadline) = deadline {
        aws.end_at(deadline);
    }
    Ok(aws)
}

fn could_not(error: &dyn std::fmt::Display) -> Stopped {
    Stopped::could_not_run(miette::miette!("{error}"))
}

/// Does the work, and shows how far it is to whoever wants to see that.
async fn watched<T>(
    work: impl Future<Output = T>,
    audience: &dyn Audience,
    progress: &Progress,
    aws: &Aws,
) -> T {
    match audience.display() {
        None => work.await,
        Some(mut display) => tokio::select! {
            done = work => done,
            never = follow(progress, aws, display.as_mut()) => match never {},
        },
    }
}

fn file_failure(path: &Path, error: &dyn std::fmt::Display) -> Stopped {
    let text = error.to_string();
    let text =
        if text.contains(&*path.to_string_lossy()) { text } else { format!("`{}`: {text}", path.display()) };
    Stopped::usage(miette::miette!("{}", printable(&text)))
}

fn write_reports(report: &Report, config: &Config) -> Result<Vec<PathBuf>, Stopped> {
    let to = Destination {
        folder: &config.out,
        formats: &config.formats,
        html_max_findings: config.html_max_findings,
    };
    write_files(report, to).map_err(|error| Stopped::usage(miette::miette!("{error}")))
}
