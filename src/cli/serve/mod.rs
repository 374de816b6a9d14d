//! `upright serve`.

mod answers;
mod jobs;
mod metrics;
mod nights;
mod page;
mod state;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use super::{Done, Exit, Stopped, settings};
use crate::archive::{Archive, JobName};
use crate::config::{Config, Listen};
use crate::report::Report;
use crate::scan::detect::detector;
use crate::scan::{self, Audience, Failed, Scan, Until, day, keeping, threads};
use crate::schedule::{self, SystemClock};
use jobs::Ready;
use nights::{Nights, Work};
use state::State;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright serve\n  \
    upright serve --plan\n  \
    upright serve --config /etc/upright/upright.yaml --listen 127.0.0.1:9464")]
pub(super) struct ServeArguments {
    /// Configuration file [default: upright.yaml, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the page, the health and the numbers are [default: 127.0.0.1:9464]
    #[arg(long, value_name = "HOST:PORT", value_parser = Listen::from_str)]
    listen: Option<Listen>,
    /// Print when each job starts next, and run nothing
    #[arg(long)]
    plan: bool,
    /// With --plan: print it as JSON
    #[arg(long, requires = "plan")]
    json: bool,
}

pub(super) fn run(arguments: &ServeArguments) -> Done {
    let mut config = settings::configuration(arguments.config.as_deref())?;
    if let Some(listen) = &arguments.listen {
        config.listen.clone_from(listen);
    }
    let now = Timestamp::now();
    let jobs = jobs::ready(&config, now)?;
    if arguments.plan {
        return jobs::plan(&jobs, now, arguments.json);
    }
    let Some(place) = &config.archive else {
        return Err(Stopped::usage(miette::miette!(
            help = "write `archive: upright-data`, or `archive: s3://bucket/prefix`, into the configuration",
            "a daemon needs an archive to keep its runs in, and the configuration names none"
        )));
    };
    log_to_stderr();
    let archive = Arc::new(keeping::reach(&config, place)?);
    let runtime = threads::start()?;
    let done = runtime.block_on(serve(&config, jobs, Arc::clone(&archive)));
    // A run that was abandoned must not hold the program back.
    runtime.shutdown_background();
    // An archive in S3 has threads of its own, which must not be ended from within a task; the program ends here.
    std::mem::forget(archive);
    done
}

async fn serve(config: &Config, jobs: Vec<Ready>, archive: Arc<Archive>) -> Done {
    let signals = Signals::new()?;
    let listener = listen(&config.listen).await?;
    let state = Arc::new(State::new(&jobs));
    let pages = answers::Pages::new(Arc::clone(&state), Arc::clone(&archive), config.listen.host());
    let answering = tokio::spawn(answers::answer(listener, Arc::new(pages)));
    let (stop, stopped) = watch::channel(false);
    let (abandon, abandoned) = watch::channel(false);
    let grace = Duration::from_secs(config.stop_grace_seconds);
    let listening = tokio::spawn(signals.obey(stop, abandon, grace));
    let due: Vec<schedule::Job> = jobs.iter().map(|ready| ready.job.clone()).collect();
    let nights = Nights {
        archive: Arc::clone(&archive),
        state,
        clock: &SystemClock,
        work: work(jobs, archive),
        abandon: abandoned,
    };
    schedule::serve(&due, &SystemClock, &nights, stopped).await;
    info!("Stopped.");
    answering.abort();
    listening.abort();
    Ok(Exit::Clean)
}

/// What a run does: the same as `upright scan`.
fn work(jobs: Vec<Ready>, archive: Arc<Archive>) -> Work {
    Arc::new(move |name: &JobName, started_at: Timestamp, until: Until| -> Result<Report, Stopped> {
        let ready = jobs.iter().find(|ready| ready.job.name == *name);
        let Ready { config, controls, .. } =
            ready.ok_or_else(|| Stopped::could_not_run(miette::miette!("there is no job `{name}`")))?;
        let failed = |failed: Failed| match until.check() {
            Ok(()) => failed.told(config, started_at, &Log),
            // An abandoned run is done again, and told of then.
            Err(_) => failed.untold(),
        };
        let attestations =
            settings::attestations(config, day(started_at)).map_err(|stopped| failed(stopped.into()))?;
        let detector = detector(config, started_at).map_err(|stopped| failed(stopped.into()))?;
        let scan = Scan {
            config,
            controls,
            attestations,
            archive: Some(&archive),
            started_at,
            inventory: None,
            save_inventory: None,
            since: None,
            deadline: None,
            detector: detector.as_ref(),
            resume: None,
            audience: &Log,
        };
        scan::perform(&scan, until.clone()).map_err(failed)
    })
}

/// The log of the daemon.
struct Log;

impl Audience for Log {
    fn say(&self, line: &str) {
        info!("{line}");
    }
}

/// Opens the port, and says where.
async fn listen(listen: &Listen) -> Result<TcpListener, Stopped> {
    let failed = |error: io::Error| {
        Stopped::could_not_run(miette::miette!(
            help = "choose another address with `--listen` or `listen` in the configuration",
            "nothing can be answered at {listen}: {error}"
        ))
    };
    let listener = TcpListener::bind((listen.host(), listen.port())).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    eprintln!("Listening at http://{address}/");
    Ok(listener)
}

/// What a service manager or a terminal asks for.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Stopped> {
        let of = |kind| {
            signal(kind).map_err(|error| {
                Stopped::could_not_run(miette::miette!("signals cannot be listened for: {error}"))
            })
        };
        Ok(Self { terminate: of(SignalKind::terminate())?, interrupt: of(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// The first lets the run that is under way go on for so long, the second does not.
    async fn obey(mut self, stop: watch::Sender<bool>, abandon: watch::Sender<bool>, grace: Duration) {
        self.next().await;
        info!(grace_seconds = grace.as_secs(), "Asked to stop; a run that is under way may end until then.");
        stop.send_replace(true);
        tokio::select! {
            () = tokio::time::sleep(grace) => warn!("The run did not end in time."),
            () = self.next() => info!("Asked to stop at once."),
        }
        abandon.send_replace(true);
        // Whoever waits for it still has to be told: the senders stay.
        std::future::pending::<()>().await;
    }
}

/// What the daemon does is told, and single calls to AWS are in the reports.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("UPRIGHT_LOG").unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new(
            "off,upright::cli::serve=info,upright::schedule=info,upright::archive=warn",
        )
    });
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .finish();
    // A second run in the same process, as in tests, keeps the first subscriber.
    drop(tracing::subscriber::set_global_default(subscriber));
}
