//! Digest files: fetched with the log files that they are about, from S3 or from a copy on disk, and judged.
//!
//! [`integrity`] judges; here is what it needs. The digests of one account and region are judged at a time, and log
//! files are hashed as they are read, so that memory does not grow with the trail. The keys that digests are signed
//! with are the region's own
//! ([ListPublicKeys](https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_ListPublicKeys.html)).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_sdk_cloudtrail::primitives::DateTime;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::s3::digests::{self, Series};
use super::s3::{self, Address};
use super::{Remote, tell};
use crate::aws::Call;
use crate::events::integrity::{self, Fetched, Flaw, Location, LogFile, LogVerdict, PublicKeys, Verified};
use crate::events::source::layout::{Key, Question};
use crate::events::source::{Limits, Pointer, Problem};

/// `cloudtrail:ListPublicKeys`: the keys that digests of a region were signed with in some time.
pub static LIST_PUBLIC_KEYS: Call = Call::list("cloudtrail", "ListPublicKeys", "PublicKeyList");

/// Lines that are kept of each sort; the others are counted.
const KEPT: usize = 100;
/// The digest of an hour comes after it, and has the log files that came in it: so much later, a log file is in one.
const UNTIL_LISTED: SignedDuration = SignedDuration::from_hours(1);

/// What was found of one kind: the first, and how many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// The first of them, in words.
    pub kept: Vec<String>,
    /// How many there are.
    pub count: u64,
}

impl Lines {
    fn add(&mut self, line: String) {
        self.count += 1;
        if self.kept.len() < KEPT {
            self.kept.push(line);
        }
    }
}

/// What the digests of one account and region come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Where they are.
    pub name: String,
    /// Digests that are what CloudTrail delivered.
    pub valid: u64,
    /// Log files that are what CloudTrail delivered.
    pub unchanged: u64,
    /// Log files that are too young to be in a digest.
    pub young: u64,
    /// What is not as CloudTrail delivered it: changed, moved or missing digests and log files, and gaps.
    pub broken: Lines,
    /// What could not be checked, and why.
    pub unchecked: Lines,
}

/// What there is to judge of one account and region.
struct Evidence {
    chain: Chain,
    fetched: Vec<Fetched>,
    /// Digests that are there and could not be fetched.
    unfetched: BTreeSet<Location>,
    keys: PublicKeys,
    /// The keys are those of the time and region, so that another key is nobody's.
    has_keys: bool,
    /// The log files that are there, as far as they could be listed.
    present: Vec<Location>,
}

/// Where the keys are from.
#[derive(Debug)]
pub enum KeySource<'r> {
    /// `cloudtrail:ListPublicKeys`
    Aws(&'r Remote),
    /// A file that has its answer.
    File(PublicKeys),
}

/// Why a file has no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It cannot be read.
    #[error("public keys `{0}` cannot be read: {1}")]
    Read(PathBuf, io::Error),
    /// It is something else.
    #[error("`{0}` is not what `aws cloudtrail list-public-keys` prints: {1}")]
    Form(PathBuf, String),
}

/// Reads keys from a file that holds what `aws cloudtrail list-public-keys` prints.
///
/// # Errors
/// When it cannot be read, or is something else.
pub fn keys_in(path: &Path) -> Result<PublicKeys, KeysError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        public_key_list: Vec<Listed>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Listed {
        value: String,
        fingerprint: String,
    }
    let text = std::fs::read(path).map_err(|error| KeysError::Read(path.to_owned(), error))?;
    let form = |why: String| KeysError::Form(path.to_owned(), why);
    let answer: Answer = serde_json::from_slice(&text).map_err(|error| form(error.to_string()))?;
    let mut keys = PublicKeys::default();
    for key in answer.public_key_list {
        keys.add(&key.fingerprint, &key.value).map_err(|flaw| form(flaw.to_string()))?;
    }
    Ok(keys)
}

/// Checks the digests and log files below addresses in S3; `told` has each account and region when it is done.
pub fn in_buckets(
    remote: &Remote,
    addresses: &[Address],
    question: &Question,
    keys: &KeySource<'_>,
    mut told: impl FnMut(Chain),
) {
    for address in s3::distinct(addresses) {
        let bucket = remote.wait_for(s3::bucket(remote, &address));
        let all = match remote.wait_for(digests::series(&bucket, &address, question)) {
            Ok(all) => all,
            Err(why) => {
                let mut chain = Chain { name: address.to_string(), ..Chain::default() };
                chain.unchecked.add(why);
                told(chain);
                continue;
            }
        };
        for series in all {
            let evidence = remote.wait_for(gather(&bucket, series, question, keys));
            told(evidence.judge(question, |logs| {
                let pointer = |log: &LogFile| {
                    let Location { bucket, key } = log.location.clone();
                    Pointer { bucket, key, region: None }
                };
                let inputs = s3::announced(remote, logs.iter().map(pointer).collect(), Arc::default());
                Box::new(inputs.map(|input| input.content.open()))
            }));
        }
    }
}

/// Fetches what is needed to judge a series.
async fn gather(bucket: &s3::Bucket, series: Series, question: &Question, keys: &KeySource<'_>) -> Evidence {
    let name = format!("s3://{}/{}", bucket.name, series.digests.prefix);
    let mut evidence = Evidence::of(name);
    let at = |key: String| Location { bucket: bucket.name.clone(), key };
    let listed = bucket.all(series.digests).await.unwrap_or_else(|why| {
        evidence.chain.unchecked.add(format!("the digests cannot be listed: {why}"));
        Vec::new()
    });
    let wanted = listed.into_iter().filter(|key| question.wants_digest(key)).collect();
    for digest in digests::fetch(bucket, wanted).await {
        match digest {
            Ok(fetched) => evidence.fetched.push(fetched),
            Err((location, why)) => {
                evidence
                    .chain
                    .unchecked
                    .add(format!("digest s3://{}/{}: {why}", location.bucket, location.key));
                evidence.unfetched.insert(location);
            }
        }
    }
    match bucket.all(series.logs).await {
        Ok(logs) => evidence.present = logs.into_iter().filter(|key| question.wants(key)).map(at).collect(),
        Err(why) => evidence.chain.unchecked.add(format!("the log files cannot be listed: {why}")),
    }
    evidence.take_keys(keys, &series.region).await;
    evidence
}

/// Checks the digests and log files of copies on disk.
pub fn in_files(digests: &[PathBuf], question: &Question, keys: &KeySource<'_>, mut told: impl FnMut(Chain)) {
    let mut series: BTreeMap<(String, String), Vec<&PathBuf>> = BTreeMap::new();
    for path in digests {
        let place = path.to_str().and_then(Key::parse);
        let place = place.map(|key| (key.account.to_owned(), key.region.to_owned()));
        series.entry(place.unwrap_or_default()).or_default().push(path);
    }
    for ((account, region), paths) in series {
        let mut evidence = Evidence::of(format!("digests of {account} in {region}"));
        for path in paths {
            let location = Location { bucket: "copy".to_owned(), key: path.to_string_lossy().into_owned() };
            match std::fs::read(path) {
                Ok(bytes) => {
                    evidence.fetched.push(Fetched { location, is_copy: true, bytes, signature: None })
                }
                Err(error) => {
                    evidence.chain.unchecked.add(format!("digest {}: {error}", path.display()));
                    evidence.unfetched.insert(location);
                }
            }
        }
        match keys {
            KeySource::Aws(remote) => remote.wait_for(evidence.take_keys(keys, &region)),
            KeySource::File(keys) => evidence.keys = keys.clone(),
        }
        let homes: Vec<PathBuf> =
            evidence.fetched.iter().map(|fetched| PathBuf::from(&fetched.location.key)).collect();
        told(evidence.judge(question, |logs| {
            let logs = logs.to_vec();
            Box::new(logs.into_iter().map(move |log| open_copy(&homes, &log)))
        }));
    }
}

/// Opens the copy of a log file, which lies where its digest's copy lies.
fn open_copy(digests: &[PathBuf], log: &LogFile) -> io::Result<Box<dyn Read>> {
    let digest = Path::new(&log.digest);
    let roots: BTreeSet<&Path> = digests
        .iter()
        .filter(|path| path.ends_with(digest))
        .filter_map(|path| path.ancestors().nth(digest.components().count()))
        .collect();
    let mut gone = io::Error::from(io::ErrorKind::NotFound);
    for root in roots {
        // A digest that is valid names no path out of the copy, and one that is not lists nothing.
        match File::open(root.join(&log.location.key)) {
            Ok(file) => return Ok(Box::new(file)),
            Err(error) => gone = error,
        }
    }
    Err(gone)
}

impl Evidence {
    fn of(name: String) -> Self {
        Self {
            chain: Chain { name, ..Chain::default() },
            fetched: Vec::new(),
            unfetched: BTreeSet::new(),
            keys: PublicKeys::default(),
            has_keys: false,
            present: Vec::new(),
        }
    }

    /// Gets the keys of a region for the time of the digests.
    async fn take_keys(&mut self, from: &KeySource<'_>, region: &str) {
        match from {
            KeySource::File(keys) => self.keys = keys.clone(),
            KeySource::Aws(_) if self.fetched.is_empty() => {}
            KeySource::Aws(remote) => match list_keys(remote, region, self.period()).await {
                Ok(keys) => {
                    self.keys = keys;
                    self.has_keys = true;
                }
                Err(why) => self.chain.unchecked.add(format!("the public keys of {region}: {why}")),
            },
        }
    }

    /// From the first digest to the last, by their names.
    fn period(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let times = || self.fetched.iter().filter_map(|fetched| Key::parse(&fetched.location.key)?.time);
        let a_day = SignedDuration::from_hours(24);
        let first = times().min().and_then(|time| time.checked_sub(a_day).ok());
        (first, times().max().and_then(|time| time.checked_add(a_day).ok()))
    }

    /// Judges it; `open` has the contents of log files, in their order.
    fn judge(
        mut self,
        question: &Question,
        open: impl FnOnce(&[LogFile]) -> Box<dyn Iterator<Item = io::Result<Box<dyn Read>>>>,
    ) -> Chain {
        if self.fetched.is_empty() && self.unfetched.is_empty() {
            let why = "there are no digests: the trail has no log file validation, or had none then";
            self.chain.unchecked.add(why.to_owned());
        }
        let fetched = std::mem::take(&mut self.fetched);
        let verified = integrity::verify(fetched, &self.keys, question.since, question.until);
        self.digests(&verified);
        let logs: Vec<LogFile> = verified.logs.values().cloned().collect();
        for (log, content) in logs.iter().zip(open(&logs)) {
            self.log(log, content);
        }
        for location in &verified.unproven {
            let line = format!(
                "log file s3://{}/{}: only a digest that proves nothing lists it",
                location.bucket, location.key
            );
            self.chain.unchecked.add(line);
        }
        self.unlisted(&verified);
        self.chain
    }

    fn digests(&mut self, verified: &Verified) {
        for report in &verified.digests {
            let Some(flaw) = &report.flaw else {
                self.chain.valid += 1;
                continue;
            };
            let line = format!("digest s3://{}/{}: {flaw}", report.location.bucket, report.location.key);
            match flaw {
                // It is there, and it has been told why it could not be fetched.
                Flaw::Missing(_) if self.is_there(&report.location) => {}
                Flaw::UnknownKey(_) if !self.has_keys => self.chain.unchecked.add(line),
                Flaw::Unsigned | Flaw::Algorithm(_) => self.chain.unchecked.add(line),
                _ => self.chain.broken.add(line),
            }
        }
        let is_whole = self.unfetched.is_empty() && self.chain.unchecked.count == 0;
        for gap in &verified.gaps {
            let line = format!("no valid digest from {} to {}: {}", gap.from, gap.to, gap.series);
            // A gap where a digest could not be judged is no proof that there is none.
            if is_whole { self.chain.broken.add(line) } else { self.chain.unchecked.add(line) }
        }
    }

    /// Whether a digest is there that could not be fetched; a copy is known by the end of its path.
    fn is_there(&self, digest: &Location) -> bool {
        self.unfetched.iter().any(|at| at == digest || Path::new(&at.key).ends_with(&digest.key))
    }

    fn log(&mut self, log: &LogFile, content: io::Result<Box<dyn Read>>) {
        let name = format!("log file s3://{}/{}", log.location.bucket, log.location.key);
        let content = match content {
            Ok(content) => Some(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return self.chain.unchecked.add(format!("{name}: {error}")),
        };
        match log.check(content, &Limits::default()) {
            LogVerdict::Unchanged => self.chain.unchanged += 1,
            LogVerdict::Changed => self.chain.broken.add(format!("{name}: has been changed")),
            LogVerdict::Missing => self.chain.broken.add(format!("{name}: is missing")),
            LogVerdict::Unreadable(problem @ (Problem::Read { .. } | Problem::TooLarge { .. })) => {
                self.chain.unchecked.add(format!("{name}: {problem}"));
            }
            LogVerdict::Unreadable(problem) => {
                self.chain.broken.add(format!("{name}: has been changed: {problem}"));
            }
        }
    }

    /// Log files that are there and that no digest lists.
    fn unlisted(&mut self, verified: &Verified) {
        let unproven: BTreeSet<&Location> = verified.unproven.iter().collect();
        let last = verified.digests.iter().filter_map(|report| Some(report.hour?.1)).max();
        let listed_until = last.and_then(|last| last.checked_sub(UNTIL_LISTED).ok());
        for location in std::mem::take(&mut self.present) {
            if verified.logs.contains_key(&location) || unproven.contains(&location) {
                continue;
            }
            let time = Key::parse(&location.key).and_then(|key| key.time);
            if time.zip(listed_until).is_some_and(|(time, until)| time >= until) {
                self.chain.young += 1;
            } else {
                let line = format!("log file s3://{}/{}: no digest lists it", location.bucket, location.key);
                self.chain.unchecked.add(line);
            }
        }
    }
}

async fn list_keys(
    remote: &Remote,
    region: &str,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
) -> Result<PublicKeys, String> {
    let place = remote.session.region(region);
    let client = place.cloudtrail();
    let seconds = |time: Timestamp| DateTime::from_secs(time.as_second());
    let open = || {
        let ask = client.list_public_keys().set_start_time(from.map(seconds)).set_end_time(to.map(seconds));
        ask.into_paginator().send()
    };
    let listed = place.pages(&LIST_PUBLIC_KEYS, open, |page| page.public_key_list).await.complete();
    let listed = listed.map_err(|unseen| tell(&unseen, &LIST_PUBLIC_KEYS, "*"))?.found().unwrap_or_default();
    let mut keys = PublicKeys::default();
    for key in listed {
        if let (Some(fingerprint), Some(value)) = (key.fingerprint, key.value) {
            keys.add(&fingerprint, &BASE64.encode(value.as_ref())).map_err(|flaw| flaw.to_string())?;
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests;
