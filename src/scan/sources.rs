//! Where events are read from: files, buckets, the event history, a queue, and what is announced in any of them.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Stopped, settings};
use crate::config::Config;
use crate::events::batch::Inputs;
use crate::events::remote::lookup::{self, Period};
use crate::events::remote::queue::Queue;
use crate::events::remote::s3::{self, Address, Found};
use crate::events::remote::verify::{self, Chain, KeySource};
use crate::events::remote::{Remote, RemoteError};
use crate::events::source::files::{self, Files, FilesError};
use crate::events::source::layout::Question;
use crate::events::source::{Input, Pointer};

/// What is asked for.
pub struct Asked<'a> {
    /// Files, directories and patterns; `-` is standard input, `s3://bucket/prefix` what is below that in S3.
    pub paths: Vec<PathBuf>,
    /// Whether CloudTrail is asked for the event history, in the regions of the question or else the configured one.
    pub is_lookup: bool,
    /// URL of a queue.
    pub queue: Option<&'a str>,
    /// Whether objects are fetched that messages announce.
    pub is_fetching: bool,
    /// What of it.
    pub question: Question,
    /// How AWS is reached, asked for where it is needed.
    pub config: Box<dyn Fn() -> Result<Config, Stopped> + 'a>,
}

impl<'a> Asked<'a> {
    /// Whether the paths are some. Nothing is asked of AWS.
    ///
    /// # Errors
    /// When a path is not there, or an address is none.
    pub fn check(&self) -> Result<(), Stopped> {
        let named = Named::of(&self.paths)?;
        local(&named.paths, &self.question).map(drop)
    }

    /// Finds what is to be read. AWS is asked who calls if something is to be fetched from it.
    ///
    /// # Errors
    /// When a path is not there, an address is none, or AWS does not know the caller.
    pub fn open(self) -> Result<Sources<'a>, Stopped> {
        let Named { has_stdin, addresses, paths } = Named::of(&self.paths)?;
        let mut sources = Sources {
            has_stdin,
            files: local(&paths, &self.question)?,
            paths,
            addresses,
            found: Arc::default(),
            remote: None,
            queue: None,
            asked: self,
        };
        let asked = &sources.asked;
        if !sources.addresses.is_empty() || asked.is_lookup || asked.queue.is_some() {
            let remote = asked.connect()?;
            if let Some(url) = asked.queue {
                let queue = Queue::new(&remote, url);
                sources.queue = Some(queue.map_err(|error| Stopped::usage(miette::miette!("{error}")))?);
            }
            sources.remote = Some(remote);
        }
        Ok(sources)
    }

    /// Asks AWS who is calling.
    fn connect(&self) -> Result<Remote, Stopped> {
        let config = (self.config)()?;
        let connected = Remote::connect(&settings::source(&config), &settings::limits(&config));
        connected.map_err(|error: RemoteError| Stopped::could_not_run(miette::miette!("{error}")))
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

impl Named {
    fn of(paths: &[PathBuf]) -> Result<Self, Stopped> {
        let mut named = Self { has_stdin: false, addresses: Vec::new(), paths: Vec::new() };
        for path in paths {
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
}

/// What is to be read.
pub struct Sources<'a> {
    asked: Asked<'a>,
    has_stdin: bool,
    paths: Vec<PathBuf>,
    files: Files,
    addresses: Vec<Address>,
    found: Arc<Found>,
    remote: Option<Remote>,
    queue: Option<Queue>,
}

impl Sources<'_> {
    /// Everything but the queue: standard input, files, buckets, the event history.
    #[must_use]
    pub fn inputs(&self) -> Inputs {
        let stdin = self.has_stdin.then(|| {
            let stream: Box<dyn Read + Send> = Box::new(std::io::stdin());
            Input::stream("standard input", stream)
        });
        let files: Vec<PathBuf> = self.files.paths.clone();
        let local = stdin.into_iter().chain(files.into_iter().map(Input::file));
        let Some(remote) = &self.remote else { return Box::new(local) };
        let mut inputs: Inputs = Box::new(local);
        if !self.addresses.is_empty() {
            let below = s3::below(remote, &self.addresses, &self.asked.question, Arc::clone(&self.found));
            inputs = Box::new(inputs.chain(below));
        }
        if self.asked.is_lookup {
            let question = &self.asked.question;
            let period = Period { since: question.since, until: question.until };
            inputs = Box::new(inputs.chain(lookup::inputs(remote, &self.regions(remote), period)));
        }
        inputs
    }

    /// The regions whose event history is read.
    fn regions(&self, remote: &Remote) -> Vec<String> {
        match self.asked.question.regions.as_slice() {
            [] => vec![remote.home_region().to_owned()],
            regions => regions.to_vec(),
        }
    }

    /// The objects that messages announce. AWS is asked who calls if it has not been yet.
    ///
    /// # Errors
    /// When none are to be fetched, or AWS does not know the caller.
    pub fn announced(&mut self, pointers: Vec<Pointer>) -> Result<Inputs, Stopped> {
        if !self.asked.is_fetching {
            return Err(Stopped::usage(miette::miette!("--no-fetch")));
        }
        let remote = match self.remote.take() {
            Some(remote) => remote,
            None => self.asked.connect()?,
        };
        let inputs = s3::announced(&remote, pointers, Arc::clone(&self.found));
        self.remote = Some(remote);
        Ok(Box::new(inputs))
    }

    /// Checks digests, by keys of that file or else of AWS; `told` has those of each account and region.
    ///
    /// # Errors
    /// When the file holds no keys, or AWS does not know the caller.
    pub fn verify(&mut self, public_keys: Option<&Path>, mut told: impl FnMut(Chain)) -> Result<(), Stopped> {
        let question = &self.asked.question;
        let wants = |key: &str| question.wants_digest(key);
        let digests = files::find_wanted(&self.paths, &wants).map_err(|error| no_files(&error))?;
        let digests: Vec<PathBuf> =
            digests.paths.into_iter().filter(|path| path.to_str().is_some_and(wants)).collect();
        let given = public_keys.map(verify::keys_in).transpose();
        let given = given.map_err(|error| Stopped::usage(miette::miette!("{error}")))?;
        if self.remote.is_none() && given.is_none() && !digests.is_empty() {
            self.remote = Some(self.asked.connect()?);
        }
        let keys = match (given, &self.remote) {
            (Some(keys), _) => KeySource::File(keys),
            (None, Some(remote)) => KeySource::Aws(remote),
            (None, None) => return Ok(()),
        };
        verify::in_files(&digests, question, &keys, &mut told);
        if let Some(remote) = &self.remote {
            verify::in_buckets(remote, &self.addresses, question, &keys, told);
        }
        Ok(())
    }

    /// The queue, and how it is reached.
    #[must_use]
    pub fn queue(&self) -> Option<(Queue, &Remote)> {
        self.queue.clone().zip(self.remote.as_ref())
    }

    /// Whether an object may hold what is asked for.
    #[must_use]
    pub fn wants(&self, pointer: &Pointer) -> bool {
        self.asked.question.wants(&pointer.key)
    }

    /// Inputs that are known so far, beside messages.
    #[must_use]
    pub fn known(&self) -> Known {
        let histories = if self.asked.is_lookup { self.asked.question.regions.len().max(1) } else { 0 };
        let at_hand = self.files.paths.len() + usize::from(self.has_stdin) + histories;
        Known { at_hand: u64::try_from(at_hand).unwrap_or(u64::MAX), found: Arc::clone(&self.found) }
    }

    /// Files and objects that were left alone because their names say that they are none of events.
    #[must_use]
    pub fn other(&self) -> u64 {
        self.files.other + self.found.other()
    }

    /// Delivered files and objects that were left alone because their key says that they hold nothing asked for.
    #[must_use]
    pub fn not_asked_for(&self) -> u64 {
        self.files.not_asked_for + self.found.not_asked_for()
    }

    /// Lets go of what is still under way.
    pub fn close(self) {
        if let Some(remote) = self.remote {
            remote.close();
        }
    }
}

/// How many inputs there are, as far as is known.
#[derive(Debug)]
pub struct Known {
    at_hand: u64,
    found: Arc<Found>,
}

impl Known {
    /// So many.
    #[must_use]
    pub fn inputs(&self) -> u64 {
        self.at_hand + self.found.inputs()
    }
}
