//! Digests signed with keys of our own.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use serde_json::{Value, json};

use super::*;

pub(crate) const BUCKET: &str = "trail-bucket";

/// A trail that delivers a digest with one log file for every hour from midnight.
pub(crate) struct Trail {
    key: KeyPair,
    pub(crate) keys: PublicKeys,
    pub(crate) digests: Vec<Fetched>,
    pub(crate) logs: Vec<Vec<u8>>,
}

pub(crate) fn digest_key(hour: usize) -> String {
    format!(
        "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/01/02/111122223333_CloudTrail-Digest_eu-west-1_trail_eu-west-1_20260102T{hour:02}0000Z.json.gz"
    )
}

pub(crate) fn log_key(hour: usize) -> String {
    format!("AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/02/{hour}.json.gz")
}

fn at(hour: usize) -> Timestamp {
    format!("2026-01-02T{hour:02}:00:00Z").parse().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

impl Trail {
    pub(crate) fn new(hours: usize) -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let mut keys = PublicKeys::default();
        keys.add("f1", &BASE64.encode(key.public_key().as_ref())).unwrap();
        let mut trail = Self { key, keys, digests: Vec::new(), logs: Vec::new() };
        for hour in 0..hours {
            trail.deliver(hour, hour > 0);
        }
        trail
    }

    /// Delivers the digest that ends at this hour; a first digest, unless `linked`.
    fn deliver(&mut self, end: usize, linked: bool) {
        let log = format!("{{\"Records\":[{end}]}}");
        let previous = self.digests.last().filter(|_| linked);
        let of_previous = |value: fn(&Fetched) -> Value| previous.map_or(Value::Null, value);
        let digest = json!({
            "awsAccountId": "111122223333",
            "digestStartTime": if end == 0 { "2026-01-01T23:00:00Z".to_owned() } else { at(end - 1).to_string() },
            "digestEndTime": at(end).to_string(),
            "digestS3Bucket": BUCKET, "digestS3Object": digest_key(end),
            "digestPublicKeyFingerprint": "f1", "digestSignatureAlgorithm": "SHA256withRSA",
            "previousDigestS3Bucket": of_previous(|fetched| json!(fetched.location.bucket)),
            "previousDigestS3Object": of_previous(|fetched| json!(fetched.location.key)),
            "previousDigestHashValue": of_previous(|fetched| json!(hex(&Sha256::digest(content(fetched))))),
            "previousDigestHashAlgorithm": "SHA-256",
            "previousDigestSignature": of_previous(|fetched| json!(fetched.signature)),
            "logFiles": [{"s3Bucket": BUCKET, "s3Object": log_key(end), "hashAlgorithm": "SHA-256",
                "hashValue": hex(&Sha256::digest(log.as_bytes()))}],
        });
        self.logs.push(gzip(log.as_bytes()));
        let fetched = self.sign(end, &digest);
        self.digests.push(fetched);
    }

    /// The key as `ListPublicKeys` gives it.
    pub(crate) fn public_key(&self) -> String {
        BASE64.encode(self.key.public_key().as_ref())
    }

    fn sign(&self, end: usize, digest: &Value) -> Fetched {
        let content = digest.to_string();
        let text = format!(
            "{}\n{BUCKET}/{}\n{}\n{}",
            at(end),
            digest_key(end),
            hex(&Sha256::digest(content.as_bytes())),
            digest["previousDigestSignature"].as_str().unwrap_or("null")
        );
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        Fetched {
            location: Location { bucket: BUCKET.to_owned(), key: digest_key(end) },
            is_copy: false,
            bytes: gzip(content.as_bytes()),
            signature: Some(hex(&signature)),
        }
    }

    fn verify(&self) -> Verified {
        verify(self.digests.clone(), &self.keys, None, None)
    }

    /// Changes the content of a digest.
    fn change(&mut self, hour: usize, from: &str, to: &str) {
        let changed = String::from_utf8(content(&self.digests[hour])).unwrap().replace(from, to);
        self.digests[hour].bytes = gzip(changed.as_bytes());
    }
}

pub(crate) fn content(fetched: &Fetched) -> Vec<u8> {
    let mut content = Vec::new();
    flate2::read::GzDecoder::new(fetched.bytes.as_slice()).read_to_end(&mut content).unwrap();
    content
}

/// The digests with a flaw, by hour.
fn flaws(verified: &Verified) -> Vec<(usize, Flaw)> {
    let hour = |report: &DigestReport| (0..24).find(|hour| report.location.key == digest_key(*hour));
    verified
        .digests
        .iter()
        .filter_map(|report| Some((hour(report).unwrap_or(99), report.flaw.clone()?)))
        .collect()
}

#[test]
fn digests_and_logs_as_they_were_delivered_are_proven() {
    let trail = Trail::new(4);
    let verified = trail.verify();
    assert_eq!(flaws(&verified), []);
    assert_eq!((verified.digests.len(), verified.logs.len()), (4, 4));
    assert_eq!((verified.gaps, verified.unproven), (vec![], vec![]));
    for (log, bytes) in verified.logs.values().zip(&trail.logs) {
        assert_eq!(log.check(Some(Box::new(bytes.as_slice())), &Limits::default()), LogVerdict::Unchanged);
    }
}

#[test]
fn a_changed_log_is_told() {
    let trail = Trail::new(1);
    let verified = trail.verify();
    let log = verified.logs.values().next().unwrap();
    let check = |bytes: &[u8]| log.check(Some(Box::new(bytes)), &Limits::default());
    assert_eq!(log.check(None, &Limits::default()), LogVerdict::Missing);
    assert_eq!(check(&gzip(b"{\"Records\":[]}")), LogVerdict::Changed);
    assert_eq!(check(b""), LogVerdict::Changed);
    assert_eq!(check(b"{\"Records\":[0]}"), LogVerdict::Unchanged, "unpacked by a tool");
    assert_eq!(log.digest, digest_key(0));
    let cut = &trail.logs[0][..20];
    assert!(matches!(check(cut), LogVerdict::Unreadable(Problem::Damaged { .. })));
}

#[test]
fn a_changed_digest_proves_nothing() {
    let mut trail = Trail::new(3);
    trail.change(1, "2026/01/02/1.json.gz", "2026/01/02/9.json.gz");
    let verified = trail.verify();
    assert_eq!(flaws(&verified), [(1, Flaw::Signature)]);
    assert_eq!(verified.unproven.len(), 1);
    assert_eq!(verified.logs.len(), 2);
    assert_eq!(verified.gaps.len(), 1);
    assert_eq!((verified.gaps[0].from, verified.gaps[0].to), (at(0), at(1)));
}

#[test]
fn a_digest_signed_anew_is_told_by_the_one_after_it() {
    let mut trail = Trail::new(3);
    let mut digest: Value = serde_json::from_slice(&content(&trail.digests[1])).unwrap();
    digest["logFiles"] = json!([]);
    trail.digests[1] = trail.sign(1, &digest);
    assert_eq!(flaws(&trail.verify()), [(1, Flaw::Successor(digest_key(2)))]);
}

#[test]
fn a_key_that_was_not_given_proves_nothing() {
    let mut trail = Trail::new(1);
    trail.keys = PublicKeys::default();
    assert_eq!(flaws(&trail.verify()), [(0, Flaw::UnknownKey("f1".to_owned()))]);
    trail.keys = Trail::new(0).keys;
    assert_eq!(flaws(&trail.verify()), [(0, Flaw::Signature)]);
    assert!(PublicKeys::default().add("f", "no base64").is_err());
}

#[test]
fn a_missing_digest_is_told() {
    let mut trail = Trail::new(4);
    trail.digests.remove(1);
    let verified = trail.verify();
    assert_eq!(flaws(&verified), [(1, Flaw::Missing(digest_key(2)))]);
    assert_eq!(verified.gaps.len(), 1);
    assert_eq!((verified.gaps[0].from, verified.gaps[0].to), (at(0), at(1)));
}

#[test]
fn the_oldest_digest_is_missed_if_its_time_was_asked_for() {
    let mut trail = Trail::new(3);
    trail.digests.remove(0);
    assert_eq!(flaws(&trail.verify()), []);
    let since = |time: &str| verify(trail.digests.clone(), &trail.keys, Some(time.parse().unwrap()), None);
    let verified = since("2026-01-01T23:30:00Z");
    assert_eq!(flaws(&verified), [(0, Flaw::Missing(digest_key(1)))]);
    assert_eq!(verified.gaps.len(), 1);
    assert_eq!(flaws(&since("2026-01-02T00:30:00Z")), []);
}

#[test]
fn a_time_without_validation_is_a_gap() {
    let mut trail = Trail::new(2);
    trail.deliver(6, false);
    trail.deliver(7, true);
    let verified = trail.verify();
    assert_eq!(flaws(&verified), []);
    assert_eq!(verified.gaps.len(), 1);
    assert_eq!((verified.gaps[0].from, verified.gaps[0].to), (at(1), at(5)));
    let until = verify(trail.digests.clone(), &trail.keys, None, Some(at(10)));
    assert_eq!(until.gaps.last().map(|gap| (gap.from, gap.to)), Some((at(7), at(9))));
    let hour_old = verify(trail.digests, &trail.keys, None, Some(at(8)));
    assert_eq!(hour_old.gaps.len(), 1, "the next digest need not be there yet");
}

#[test]
fn a_copy_without_metadata_is_proven_up_to_its_last_digest() {
    let mut trail = Trail::new(3);
    trail.digests.iter_mut().for_each(|digest| digest.signature = None);
    assert_eq!(flaws(&trail.verify()), [(2, Flaw::Unsigned)]);
    trail.change(0, "2026/01/02/0.json.gz", "2026/01/02/9.json.gz");
    assert_eq!(flaws(&trail.verify()), [(0, Flaw::Signature), (2, Flaw::Unsigned)]);
}

#[test]
fn a_copy_on_disk_is_proven_where_its_path_fits() {
    let mut trail = Trail::new(2);
    for digest in &mut trail.digests {
        digest.is_copy = true;
        digest.location = Location { bucket: String::new(), key: format!("/copy/{}", digest.location.key) };
    }
    let verified = trail.verify();
    assert_eq!((flaws(&verified), verified.logs.len()), (vec![], 2));
    trail.digests[1].location.key.push('x');
    let home = Location { bucket: BUCKET.to_owned(), key: digest_key(1) };
    assert!(trail.verify().digests.iter().any(|digest| digest.flaw == Some(Flaw::Moved(home.clone()))));
}

#[test]
fn a_moved_digest_is_told() {
    let mut trail = Trail::new(1);
    trail.digests[0].location.bucket = "other".to_owned();
    let home = Location { bucket: BUCKET.to_owned(), key: digest_key(0) };
    assert_eq!(flaws(&trail.verify()), [(0, Flaw::Moved(home))]);
}

#[test]
fn other_algorithms_are_refused() {
    let trail = Trail::new(1);
    let original: Value = serde_json::from_slice(&content(&trail.digests[0])).unwrap();
    let flaw = |path: &str, value: &str| {
        let mut digest = original.clone();
        *digest.pointer_mut(path).unwrap() = json!(value);
        flaws(&verify(vec![trail.sign(0, &digest)], &trail.keys, None, None)).remove(0).1
    };
    assert_eq!(flaw("/digestSignatureAlgorithm", "MD5withRSA"), Flaw::Algorithm("MD5withRSA".to_owned()));
    assert_eq!(flaw("/logFiles/0/hashAlgorithm", "MD5"), Flaw::Algorithm("MD5".to_owned()));
    assert!(matches!(flaw("/logFiles/0/hashValue", "zz"), Flaw::Unreadable(_)));
    assert!(matches!(flaw("/digestEndTime", "noon"), Flaw::Unreadable(_)));
}

#[test]
fn noise_is_no_digest() {
    let location = Location { bucket: BUCKET.to_owned(), key: digest_key(0) };
    for bytes in [&b""[..], b"{}", b"\x1f\x8b", b"[[", b"\xff"] {
        let fetched =
            Fetched { location: location.clone(), is_copy: false, bytes: bytes.to_vec(), signature: None };
        assert!(matches!(
            flaws(&verify(vec![fetched], &PublicKeys::default(), None, None))[..],
            [(0, Flaw::Unreadable(_))]
        ));
    }
    let mut trail = Trail::new(1);
    trail.digests[0].signature = Some("abc".to_owned());
    assert_eq!(flaws(&trail.verify()), [(0, Flaw::Signature)]);
}
