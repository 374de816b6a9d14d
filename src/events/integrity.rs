//! Whether delivered log files are the ones that CloudTrail delivered.
//!
//! A trail with [log file validation](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-intro.html)
//! writes a digest every hour: the hash of each log file delivered in that hour, the hash and signature of the digest
//! before it, and a signature of its own. The signature is metadata of the digest's object, and is repeated in the
//! next digest, so a copy of a bucket that lost its metadata can be verified up to its last digest.
//!
//! Nothing here fetches anything: [`verify`] takes digests that were fetched and keys from
//! `cloudtrail:ListPublicKeys`, and tells which log files there must be; [`LogFile::check`] then reads one of them.

use std::collections::BTreeMap;
use std::io::Read;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::source::layout;
use super::source::{Limits, Problem, for_content};
use crate::hex::hex;

/// Bytes of a digest after decompression. A digest has about 500 bytes for each log file.
const DIGEST_BYTES: usize = 64 << 20;

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
}

/// The public keys that digests may be signed with, by fingerprint.
#[derive(Debug, Clone, Default)]
pub struct PublicKeys(BTreeMap<String, Vec<u8>>);

impl PublicKeys {
    /// Adds a key as `ListPublicKeys` gives it: its fingerprint, and its value in base64, which is PKCS #1 DER.
    ///
    /// # Errors
    /// When the value is no base64.
    pub fn add(&mut self, fingerprint: &str, value: &str) -> Result<(), Flaw> {
        let der = BASE64
            .decode(value.trim())
            .map_err(|error| Flaw::Unreadable(format!("public key `{fingerprint}` is no base64: {error}")))?;
        self.0.insert(fingerprint.to_owned(), der);
        Ok(())
    }
}

/// A digest file, fetched.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Where it was fetched from. Of a copy on disk, `key` is the path, and `bucket` is only shown.
    pub location: Location,
    /// It is a copy on disk: the path must end in the key it was delivered to, and the bucket cannot be told.
    pub is_copy: bool,
    /// What was fetched; compressed or not.
    pub bytes: Vec<u8>,
    /// The object's metadata `signature`, hexadecimal; `None` where a copy has lost it.
    pub signature: Option<String>,
}

/// Why a digest proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Flaw {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// It says that it belongs elsewhere.
    #[error("has been moved: it was delivered to `s3://{}/{}`", .0.bucket, .0.key)]
    Moved(Location),
    /// It is signed or hashed in a way that is not known here.
    #[error("uses `{0}`, which is not supported")]
    Algorithm(String),
    /// It is signed with a key that was not given.
    #[error("is signed with the key `{0}`, which is not among the public keys of the time and region")]
    UnknownKey(String),
    /// Its signature is that of something else.
    #[error("its signature is not valid: it has been changed")]
    Signature,
    /// The digest after it was made of another one.
    #[error("is not what `{0}`, the digest after it, was made from: it has been changed")]
    Successor(String),
    /// No signature is at hand.
    #[error("has no signature in its metadata, and there is no digest after it that repeats it")]
    Unsigned,
    /// It is not there.
    #[error("is missing: `{0}`, the digest after it, was made from it")]
    Missing(String),
}

/// What was found of one digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestReport {
    /// Where it is, or should be.
    pub location: Location,
    /// Start and end of the hour it is about; `None` if it is missing or cannot be read.
    pub hour: Option<(Timestamp, Timestamp)>,
    /// Why it proves nothing; `None`: it is what CloudTrail delivered.
    pub flaw: Option<Flaw>,
}

/// A time without a digest: log files delivered in it cannot be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The digests of one account, region and trail: their key without day and time.
    pub series: String,
    /// From this time on, inclusive.
    pub from: Timestamp,
    /// To this time, exclusive.
    pub to: Timestamp,
}

/// A log file that a valid digest lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Where it was delivered.
    pub location: Location,
    /// SHA-256 of its content after decompression.
    pub hash: [u8; 32],
    /// The digest that lists it.
    pub digest: String,
}

/// What became of a log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogVerdict {
    /// It is as it was delivered.
    Unchanged,
    /// It is not.
    Changed,
    /// It is not there.
    Missing,
    /// It cannot be read to its end, so it is not as it was delivered.
    Unreadable(Problem),
}

/// What the digests prove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Every digest, given or missing, in the order of their locations.
    pub digests: Vec<DigestReport>,
    /// Times without a digest, by series and time.
    pub gaps: Vec<Gap>,
    /// Log files that valid digests list, by location.
    pub logs: BTreeMap<Location, LogFile>,
    /// Log files that only digests with a flaw list: nothing can be said of them.
    pub unproven: Vec<Location>,
}

/// The text of a digest file; see
/// [its structure](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Digest {
    digest_start_time: String,
    digest_end_time: String,
    digest_s3_bucket: String,
    digest_s3_object: String,
    digest_public_key_fingerprint: String,
    digest_signature_algorithm: String,
    previous_digest_s3_bucket: Option<String>,
    previous_digest_s3_object: Option<String>,
    previous_digest_hash_value: Option<String>,
    previous_digest_hash_algorithm: Option<String>,
    previous_digest_signature: Option<String>,
    log_files: Vec<Listed>,
}

/// A log file as a digest lists it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    s3_bucket: String,
    s3_object: String,
    hash_value: String,
    hash_algorithm: String,
}

/// A digest with what is needed to judge it.
struct Link {
    location: Location,
    digest: Digest,
    hour: (Timestamp, Timestamp),
    /// SHA-256 of its content, as it is signed.
    hash: String,
    signature: Option<String>,
    flaw: Option<Flaw>,
}

/// Judges digests, which may be of several trails, accounts and regions.
///
/// `since` and `until` are the times that should be covered: a series of digests that begins later or ends more than
/// an hour earlier has a gap there. Without `since`, a digest that the oldest one was made from is not missed.
#[must_use]
pub fn verify(
    fetched: Vec<Fetched>,
    keys: &PublicKeys,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Verified {
    let mut verified = Verified::default();
    let mut links = BTreeMap::new();
    for fetched in fetched {
        let location = fetched.location.clone();
        match Link::read(fetched) {
            Ok(link) => {
                links.insert(link.location.clone(), link);
            }
            Err(flaw) => verified.digests.push(DigestReport { location, hour: None, flaw: Some(flaw) }),
        }
    }
    lend_signatures(&mut links);
    for link in links.values_mut() {
        link.flaw = link.judge(keys).err();
    }
    verified.digests.extend(follow(&mut links, &verified.digests, since));
    verified.gaps = gaps(&links, since, until);
    for (location, mut link) in links {
        let listed = std::mem::take(&mut link.digest.log_files);
        if link.flaw.is_none() {
            link.flaw = verified.list(&location, &listed).err();
        }
        if link.flaw.is_some() {
            let listed = listed.into_iter().map(|log| Location { bucket: log.s3_bucket, key: log.s3_object });
            verified.unproven.extend(listed);
        }
        verified.digests.push(DigestReport { location, hour: Some(link.hour), flaw: link.flaw });
    }
    verified.digests.sort_by(|one, other| one.location.cmp(&other.location));
    verified.unproven.retain(|location| !verified.logs.contains_key(location));
    verified.unproven.sort();
    verified.unproven.dedup();
    verified
}

impl Verified {
    /// Adds the log files of a valid digest.
    fn list(&mut self, digest: &Location, listed: &[Listed]) -> Result<(), Flaw> {
        let mut logs = Vec::with_capacity(listed.len());
        for log in listed {
            if log.hash_algorithm != "SHA-256" {
                return Err(Flaw::Algorithm(log.hash_algorithm.clone()));
            }
            let hash = unhex(&log.hash_value)
                .and_then(|hash| <[u8; 32]>::try_from(hash).ok())
                .ok_or_else(|| Flaw::Unreadable(format!("`{}` is no SHA-256", log.hash_value)))?;
            let location = Location { bucket: log.s3_bucket.clone(), key: log.s3_object.clone() };
            logs.push((location.clone(), LogFile { location, hash, digest: digest.key.clone() }));
        }
        self.logs.extend(logs);
        Ok(())
    }
}

impl LogFile {
    /// Compares the log file, compressed or not, with what its digest says; `None` if there is no such object.
    #[must_use]
    pub fn check(&self, content: Option<Box<dyn Read + '_>>, limits: &Limits) -> LogVerdict {
        let Some(content) = content else { return LogVerdict::Missing };
        let mut hash = Sha256::new();
        match for_content(content, limits, |bytes| hash.update(bytes)) {
            Err(problem) => LogVerdict::Unreadable(problem),
            Ok(()) if hash.finalize().as_slice() == self.hash => LogVerdict::Unchanged,
            Ok(()) => LogVerdict::Changed,
        }
    }
}

impl Link {
    fn read(fetched: Fetched) -> Result<Self, Flaw> {
        let unreadable = |reason: String| Flaw::Unreadable(reason);
        let mut content = Vec::new();
        let limits = Limits { inflated_bytes: DIGEST_BYTES as u64, ..Limits::default() };
        for_content(Box::new(fetched.bytes.as_slice()), &limits, |bytes| content.extend_from_slice(bytes))
            .map_err(|problem| unreadable(problem.to_string()))?;
        let digest: Digest = serde_json::from_slice(&content)
            .map_err(|error| unreadable(format!("it is no digest: {error}")))?;
        let time = |text: &str| {
            text.parse::<Timestamp>().map_err(|_| Flaw::Unreadable(format!("`{text}` is no time")))
        };
        let hour = (time(&digest.digest_start_time)?, time(&digest.digest_end_time)?);
        let mut location = fetched.location;
        if fetched.is_copy {
            let home =
                Location { bucket: digest.digest_s3_bucket.clone(), key: digest.digest_s3_object.clone() };
            if !is_below(&location.key, &home.key) {
                return Err(Flaw::Moved(home));
            }
            location = home;
        }
        Ok(Self {
            location,
            hour,
            hash: hex(&Sha256::digest(&content)),
            signature: fetched.signature,
            digest,
            flaw: None,
        })
    }

    /// Whether it is signed by CloudTrail, as
    /// [documented](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-custom-validation.html).
    fn judge(&self, keys: &PublicKeys) -> Result<(), Flaw> {
        let digest = &self.digest;
        if digest.digest_s3_bucket != self.location.bucket || digest.digest_s3_object != self.location.key {
            return Err(Flaw::Moved(Location {
                bucket: digest.digest_s3_bucket.clone(),
                key: digest.digest_s3_object.clone(),
            }));
        }
        if digest.digest_signature_algorithm != "SHA256withRSA" {
            return Err(Flaw::Algorithm(digest.digest_signature_algorithm.clone()));
        }
        let signature = self.signature.as_deref().ok_or(Flaw::Unsigned)?;
        let signature = unhex(signature).ok_or(Flaw::Signature)?;
        let fingerprint = &digest.digest_public_key_fingerprint;
        let key = keys.0.get(fingerprint).ok_or_else(|| Flaw::UnknownKey(fingerprint.clone()))?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
            .verify(self.to_sign().as_bytes(), &signature)
            .map_err(|_| Flaw::Signature)
    }

    /// The text that is signed.
    fn to_sign(&self) -> String {
        let digest = &self.digest;
        format!(
            "{}\n{}/{}\n{}\n{}",
            digest.digest_end_time,
            digest.digest_s3_bucket,
            digest.digest_s3_object,
            self.hash,
            digest.previous_digest_signature.as_deref().unwrap_or("null")
        )
    }

    /// The digest that this one was made from.
    fn previous(&self) -> Option<Location> {
        Some(Location {
            bucket: self.digest.previous_digest_s3_bucket.clone()?,
            key: self.digest.previous_digest_s3_object.clone()?,
        })
    }

    /// Whether this digest was made from `previous`.
    fn was_made_from(&self, previous: &Self) -> bool {
        let same = |said: Option<&String>, is: &str| said.is_none_or(|said| said.eq_ignore_ascii_case(is));
        same(self.digest.previous_digest_hash_value.as_ref(), &previous.hash)
            && self
                .digest
                .previous_digest_hash_algorithm
                .as_deref()
                .is_none_or(|algorithm| algorithm == "SHA-256")
            && previous
                .signature
                .as_ref()
                .is_none_or(|signature| same(self.digest.previous_digest_signature.as_ref(), signature))
    }
}

/// Gives digests without a signature the one that the digest after them repeats. It proves as much: what is signed is
/// compared with the digest itself, whoever repeats the signature.
fn lend_signatures(links: &mut BTreeMap<Location, Link>) {
    let repeated: Vec<_> = links
        .values()
        .filter_map(|link| Some((link.previous()?, link.digest.previous_digest_signature.clone()?)))
        .collect();
    for (location, signature) in repeated {
        if let Some(link) = links.get_mut(&location) {
            link.signature.get_or_insert(signature);
        }
    }
}

/// Follows valid digests to those they were made from; what is missing. `unreadable` are there, at least.
fn follow(
    links: &mut BTreeMap<Location, Link>,
    unreadable: &[DigestReport],
    since: Option<Timestamp>,
) -> Vec<DigestReport> {
    let mut missing = Vec::new();
    let mut changed = Vec::new();
    for link in links.values().filter(|link| link.flaw.is_none()) {
        let Some(location) = link.previous() else { continue };
        match links.get(&location) {
            Some(previous) if link.was_made_from(previous) => {}
            Some(_) => changed.push((location, link.location.key.clone())),
            None if unreadable.iter().any(|report| report.location == location) => {}
            None if is_asked_for(&location, link, links, since) => {
                let flaw = Some(Flaw::Missing(link.location.key.clone()));
                missing.push(DigestReport { location, hour: None, flaw });
            }
            None => {}
        }
    }
    for (location, successor) in changed {
        if let Some(link) = links.get_mut(&location) {
            link.flaw.get_or_insert(Flaw::Successor(successor));
        }
    }
    missing
}

/// Whether a digest that is not there should be: it ended after `since`, or others of its series are older.
fn is_asked_for(
    location: &Location,
    successor: &Link,
    links: &BTreeMap<Location, Link>,
    since: Option<Timestamp>,
) -> bool {
    let ended = layout::Key::parse(&location.key).and_then(|key| key.time).unwrap_or(successor.hour.0);
    match since {
        Some(since) => ended > since,
        None => {
            let series = series(&location.key);
            links.values().any(|link| link.hour.1 < ended && self::series(&link.location.key) == series)
        }
    }
}

/// Whether a path ends in this key.
fn is_below(path: &str, key: &str) -> bool {
    let path = path.replace(std::path::MAIN_SEPARATOR, "/");
    path.strip_suffix(key).is_some_and(|folder| folder.is_empty() || folder.ends_with('/'))
}

/// What the keys of all digests of one trail, account and region have in common.
fn series(key: &str) -> String {
    let (folders, name) = key.rsplit_once('/').unwrap_or(("", key));
    // Three folders for the day; the time is the part of the name that begins with a year.
    let folder = folders.rsplitn(4, '/').nth(3).unwrap_or(folders);
    let is_time = |part: &&str| part.as_bytes().first().is_some_and(u8::is_ascii_digit) && part.contains('T');
    let name: Vec<_> = name.split('_').filter(|part| !is_time(part)).collect();
    format!("{folder}/{}", name.join("_"))
}

/// Times within a series that no valid digest is about.
fn gaps(links: &BTreeMap<Location, Link>, since: Option<Timestamp>, until: Option<Timestamp>) -> Vec<Gap> {
    let mut series_hours: BTreeMap<String, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
    for link in links.values() {
        let hours = series_hours.entry(series(&link.location.key)).or_default();
        if link.flaw.is_none() {
            hours.push(link.hour);
        }
    }
    let mut gaps = Vec::new();
    for (series, mut hours) in series_hours {
        hours.sort();
        let mut covered = since;
        // The digest of the last hour may not be written yet.
        let end = until.and_then(|until| until.checked_sub(jiff::SignedDuration::from_hours(1)).ok());
        for (from, to) in hours.into_iter().chain(end.map(|end| (end, end))) {
            if let Some(before) = covered.filter(|before| *before < from) {
                gaps.push(Gap { series: series.clone(), from: before, to: from });
            }
            covered = Some(covered.map_or(to, |covered| covered.max(to)));
        }
    }
    gaps
}

/// The bytes that an even number of hexadecimal digits stands for.
fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
pub(crate) mod tests;
