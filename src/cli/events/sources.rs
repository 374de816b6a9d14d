//! Where events are read from: paths, buckets, the event history, a queue; and with which credentials.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;

use crate::cli::Stopped;
use crate::cli::settings::{self, AccessArguments};
use crate::config::Config;
use crate::events::remote::lookup::{self, Period};
use crate::events::remote::queue::Queue;
use crate::events::remote::s3::{self, Address, Found};
use crate::events::remote::verify::{self, Chain, KeySource};
use crate::events::remote::{Remote, RemoteError};
use crate::events::source::files::{self, Files, FilesError};
use crate::events::source::layout::Question;
use crate::events::source::{Input, Pointer};

/// Flags that say where events are read from, and which of them.
#[derive(Debug, Args)]
pub(in crate::cli) struct SourceArguments {
    /// Files, directories or patterns of CloudTrail records in any form that AWS delivers; `-` is standard input,
    /// `s3://bucket/prefix` what is below that in S3.
    #[arg(value_name = "PATH", required_unless_present_any = ["lookup", "sqs"])]
    paths: Vec<PathBuf>,
    /// Ask CloudTrail for the events of your account, in each --region or else the configured one.
    ///
    /// CloudTrail keeps them for 90 days, has management events only, and gives 100 a second in each region: read the
    /// trail's bucket for more.
    #[arg(long)]
    lookup: bool,
    /// Read the messages of this SQS queue until it is empty, and the objects that they announce; with --json.
    ///
    /// A message is deleted when all that it announces has been read and what was found has been written. Otherwise it
    /// stays in the queue. What correlations find is written at the end.
    #[arg(long, value_name = "URL")]
    sqs: Option<String>,
    /// With --sqs: wait for further messages, until interrupted.
    #[arg(long, requires = "sqs")]
    follow: bool,
    /// Do not fetch the objects that messages in files announce.
    #[arg(long, conflicts_with = "sqs")]
    no_fetch: bool,
    /// Check digests and log files as CloudTrail signed them, before they are read: those in the folder AWSLogs of a bucket
    /// or of a copy.
    #[arg(long, requires = "paths")]
    verify: bool,
    /// With --verify: keys from a file that `aws cloudtrail list-public-keys` printed, instead of from AWS.
    #[arg(long, value_name = "FILE", requires = "verify")]
    public_keys: Option<PathBuf>,
    /// Only events from this time on, in RFC 3339.
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only events before this time, in RFC 3339.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Of delivered files only those of this account; may be given several times.
    #[arg(long, value_name = "ID")]
    account: Vec<String>,
    /// Of delivered files only those of this region; may be given several times.
    #[arg(long, value_name = "REGION")]
    region: Vec<String>,
    #[command(flatten)]
    access: AccessArguments,
    /// The configuration, where it has been read already.
    #[arg(skip)]
    read: Option<Config>,
}

/// The word for the event history among [`Config::events`].
const LOOKUP: &str = "lookup";

impl SourceArguments {
    /// The sources that a configuration names, from `since` on; the event history is that of its regions.
    ///
    /// # Errors
    /// When a path or an address is none.
    pub(super) fn of(config: &Config, since: Timestamp) -> Result<Self, Stopped> {
        let is_lookup = |source: &&String| *source == LOOKUP;
        let arguments = Self {
            paths: config.events.iter().filter(|source| !is_lookup(source)).map(PathBuf::from).collect(),
            lookup: config.events.iter().any(|source| is_lookup(&source)),
            sqs: None,
            follow: false,
            no_fetch: false,
            verify: false,
            public_keys: None,
            since: Some(since),
            until: None,
            account: Vec::new(),
            region: config.regions.iter().map(ToString::to_string).collect(),
            access: AccessArguments::none(),
            read: Some(config.clone()),
        };
        let named = arguments.named()?;
        local(&named.paths, &arguments.question())?;
        Ok(arguments)
    }

    /// What the paths mean.
    fn named(&self) -> Result<Named, Stopped> {
        let mut named = Named { has_stdin: false, addresses: Vec::new(), paths: Vec::new() };
        for path in &self.paths {
            match path.to_str() {
                Some("-") => named.has_stdin = true,
                Some(text) if Address::is_meant(text) => {
                    let address = text.parse::<Address>();
                    named
                        .addresses
                        .push(address.map_err(|error| Stopped::usage(miette::miette!("{error}")))?);
                }
                _ => named.paths.push(path.clone()),
            }
        }
        Ok(named)
    }

    /// The first moment that is asked for.
    pub(in crate::cli) const fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// The first moment that is asked for no more.
    pub(in crate::cli) const fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Whether a queue is read, so that what was found must be written before its messages are deleted.
    pub(in crate::cli) const fn has_queue(&self) -> bool {
        self.sqs.is_some()
    }

    /// Whether digests are checked.
    pub(in crate::cli) const fn is_verified(&self) -> bool {
        self.verify
    }

    /// Whether to wait for further messages of the queue.
    pub(in crate::cli) const fn follow(&self) -> bool {
        self.follow
    }

    /// Asks AWS who is calling.
    fn connect(&self) -> Result<Remote, Stopped> {
        let config = self.read.clone().map_or_else(|| self.access.config(), Ok)?;
        let connected = Remote::connect(&settings::source(&config), &settings::limits(&config));
        connected.map_err(|error: RemoteError| Stopped::could_not_run(miette::miette!("{error}")))
    }

    fn question(&self) -> Question {
        Question {
            accounts: self.account.clone(),
            regions: self.region.clone(),
            since: self.since,
            until: self.until,
        }
    }

    /// Finds what is to be read. AWS is asked who calls if something is to be fetched from it.
    pub(in crate::cli) fn open(&self) -> Result<Sources<'_>, Stopped> {
        let question = self.question();
        let Named { has_stdin, addresses, paths } = self.named()?;
        let mut sources = Sources {
            arguments: self,
            has_stdin,
            files: local(&paths, &question)?,
            paths,
            addresses,
            question,
            found: Arc::default(),
            remote: None,
            queue: None,
        };
        if !sources.addresses.is_empty() || self.lookup || self.sqs.is_some() {
            let remote = self.connect()?;
            if let Some(url) = &self.sqs {
                let queue = Queue::new(&remote, url);
                sources.queue = Some(queue.map_err(|error| Stopped::usage(miette::miette!("{error}")))?);
            }
            sources.remote = Some(remote);
        }
        Ok(sources)
    }
}

fn local(paths: &[PathBuf], question: &Question) -> Result<Files, Stopped> {
    files::find(paths, question).map_err(|error| no_files(&error))
}

fn no_files(error: &FilesError) -> Stopped {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    Stopped::usage(miette::miette!("{error}{source}"))
}

/// What the paths of a command line mean.
struct Named {
    has_stdin: bool,
    addresses: Vec<Address>,
    paths: Vec<PathBuf>,
}

/// What is to be read.
#[derive(Debug)]
pub(in crate::cli) struct Sources<'a> {
    arguments: &'a SourceArguments,
    has_stdin: bool,
    paths: Vec<PathBuf>,
    files: Files,
    addresses: Vec<Address>,
    question: Question,
    found: Arc<Found>,
    remote: Option<Remote>,
    queue: Option<Queue>,
}

/// Inputs from anywhere.
pub(in crate::cli) type Inputs = Box<dyn Iterator<Item = Input> + Send>;

impl Sources<'_> {
    /// Everything but the queue: standard input, files, buckets, the event history.
    pub(in crate::cli) fn inputs(&self) -> Inputs {
        let stdin = self.has_stdin.then(|| {
            let stream: Box<dyn Read + Send> = Box::new(std::io::stdin());
            Input::stream("standard input", stream)
        });
        let files: Vec<PathBuf> = self.files.paths.clone();
        let local = stdin.into_iter().chain(files.into_iter().map(Input::file));
        let Some(remote) = &self.remote else { return Box::new(local) };
        let mut inputs: Inputs = Box::new(local);
        if !self.addresses.is_empty() {
            let below = s3::below(remote, &self.addresses, &self.question, Arc::clone(&self.found));
            inputs = Box::new(inputs.chain(below));
        }
        if self.arguments.lookup {
            let period = Period { since: self.question.since, until: self.question.until };
            inputs = Box::new(inputs.chain(lookup::inputs(remote, &self.regions(remote), period)));
        }
        inputs
    }

    /// The regions whose event history is read.
    fn regions(&self, remote: &Remote) -> Vec<String> {
        match self.arguments.region.as_slice() {
            [] => vec![remote.home_region().to_owned()],
            regions => regions.to_vec(),
        }
    }

    /// The objects that messages announce. AWS is asked who calls if it has not been yet.
    pub(in crate::cli) fn announced(&mut self, pointers: Vec<Pointer>) -> Result<Inputs, Stopped> {
        if self.arguments.no_fetch {
            return Err(Stopped::usage(miette::miette!("--no-fetch")));
        }
        let remote = match self.remote.take() {
            Some(remote) => remote,
            None => self.arguments.connect()?,
        };
        let inputs = s3::announced(&remote, pointers, Arc::clone(&self.found));
        self.remote = Some(remote);
        Ok(Box::new(inputs))
    }

    /// Checks digests; `told` has those of each account and region.
    pub(in crate::cli) fn verify(&mut self, mut told: impl FnMut(Chain)) -> Result<(), Stopped> {
        let wants = |key: &str| self.question.wants_digest(key);
        let digests = files::find_wanted(&self.paths, &wants).map_err(|error| no_files(&error))?;
        let digests: Vec<PathBuf> =
            digests.paths.into_iter().filter(|path| path.to_str().is_some_and(wants)).collect();
        let given = self.arguments.public_keys.as_deref().map(verify::keys_in).transpose();
        let given = given.map_err(|error| Stopped::usage(miette::miette!("{error}")))?;
        if self.remote.is_none() && given.is_none() && !digests.is_empty() {
            self.remote = Some(self.arguments.connect()?);
        }
        let keys = match (given, &self.remote) {
            (Some(keys), _) => KeySource::File(keys),
            (None, Some(remote)) => KeySource::Aws(remote),
            (None, None) => return Ok(()),
        };
        verify::in_files(&digests, &self.question, &keys, &mut told);
        if let Some(remote) = &self.remote {
            verify::in_buckets(remote, &self.addresses, &self.question, &keys, told);
        }
        Ok(())
    }

    /// The queue, and how it is reached.
    pub(in crate::cli) fn queue(&self) -> Option<(Queue, &Remote)> {
        self.queue.clone().zip(self.remote.as_ref())
    }

    /// Whether an object may hold what is asked for.
    pub(in crate::cli) fn wants(&self, pointer: &Pointer) -> bool {
        self.question.wants(&pointer.key)
    }

    /// Inputs that are known so far, beside messages.
    pub(in crate::cli) fn known(&self) -> Known {
        let histories = if self.arguments.lookup { self.arguments.region.len().max(1) } else { 0 };
        let at_hand = self.files.paths.len() + usize::from(self.has_stdin) + histories;
        Known { at_hand: u64::try_from(at_hand).unwrap_or(u64::MAX), found: Arc::clone(&self.found) }
    }

    /// Files and objects that were left alone because their names say that they are none of events.
    pub(in crate::cli) fn other(&self) -> u64 {
        self.files.other + self.found.other()
    }

    /// Delivered files and objects that were left alone because their key says that they hold nothing asked for.
    pub(in crate::cli) fn not_asked_for(&self) -> u64 {
        self.files.not_asked_for + self.found.not_asked_for()
    }

    /// Lets go of what is still under way.
    pub(in crate::cli) fn close(self) {
        if let Some(remote) = self.remote {
            remote.close();
        }
    }
}

/// How many inputs there are, as far as is known.
#[derive(Debug)]
pub(in crate::cli) struct Known {
    at_hand: u64,
    found: Arc<Found>,
}

impl Known {
    /// So many.
    pub(in crate::cli) fn inputs(&self) -> u64 {
        self.at_hand + self.found.inputs()
    }
}
