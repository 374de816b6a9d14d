//! Where events are read from: paths, buckets, the event history, a queue; and with which credentials.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use crate::cli::Stopped;
use crate::cli::settings::AccessArguments;
use crate::events::source::layout::Question;
use crate::scan::sources::{Asked, Sources};

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
}

impl SourceArguments {
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

    /// The file with the keys of digests.
    pub(in crate::cli) fn public_keys(&self) -> Option<&Path> {
        self.public_keys.as_deref()
    }

    /// Finds what is to be read. AWS is asked who calls if something is to be fetched from it.
    pub(in crate::cli) fn open(&self) -> Result<Sources<'_>, Stopped> {
        let asked = Asked {
            paths: self.paths.clone(),
            is_lookup: self.lookup,
            queue: self.sqs.as_deref(),
            is_fetching: !self.no_fetch,
            question: Question {
                accounts: self.account.clone(),
                regions: self.region.clone(),
                since: self.since,
                until: self.until,
            },
            config: Box::new(|| self.access.config()),
        };
        asked.open()
    }
}
