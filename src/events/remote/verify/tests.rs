//! Digests that are signed with a key of our own, in the S3 of the test and on disk. The emulators sign none.

use std::collections::BTreeMap;
use std::io::Read as _;

use serde_json::json;
use upright_testkit::{Answer, Call, Server};

use super::super::tests::{address, remote, with_header};
use super::*;
use crate::events::integrity::tests::{BUCKET, Trail, content, digest_key, log_key};

/// What a bucket holds: by key, content and signature.
type Bucket = BTreeMap<String, (String, Option<String>)>;

fn text(gzip: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(gzip).read_to_string(&mut text).unwrap();
    text
}

fn bucket(trail: &Trail) -> Bucket {
    let digests = trail.digests.iter().map(|digest| {
        let signature = digest.signature.clone();
        (digest.location.key.clone(), (String::from_utf8(content(digest)).unwrap(), signature))
    });
    let logs = trail.logs.iter().enumerate().map(|(hour, log)| (log_key(hour), (text(log), None)));
    digests.chain(logs).collect()
}

/// Serves a bucket, and the keys of the trail; `denied` operations and keys are refused.
fn serve(bucket: Bucket, key: String, denied: &'static [&'static str]) -> Server {
    let answer = move |call: &Call| {
        let asked = call.param("Key").unwrap_or(&call.operation);
        if denied.iter().any(|denied| asked.ends_with(denied)) {
            return Some(Answer::error(call, 403, "AccessDenied", "no"));
        }
        Some(match call.operation.as_str() {
            "s3:HeadBucket" => with_header(Answer::xml(""), "x-amz-bucket-region", "eu-west-1"),
            "s3:ListObjectsV2" => list(&bucket, call),
            "s3:GetObject" => match bucket.get(call.param("Key").unwrap()) {
                None => Answer::error(call, 404, "NoSuchKey", "gone"),
                Some((content, None)) => Answer::xml(content),
                Some((content, Some(signature))) => {
                    with_header(Answer::xml(content), "x-amz-meta-signature", signature)
                }
            },
            "cloudtrail:ListPublicKeys" => {
                assert_eq!(call.region, "eu-west-1");
                Answer::json(&json!({ "PublicKeyList": [{ "Fingerprint": "f1", "Value": key }] }))
            }
            _ => return None,
        })
    };
    Server::canned(answer).start().unwrap()
}

fn list(bucket: &Bucket, call: &Call) -> Answer {
    let param = |name: &str| call.param(name).unwrap_or_default();
    let keys =
        bucket.keys().filter(|key| key.starts_with(param("prefix")) && key.as_str() > param("start-after"));
    let mut lines: BTreeSet<String> = BTreeSet::new();
    for key in keys {
        match key[param("prefix").len()..].split_once('/').filter(|_| param("delimiter") == "/") {
            Some((folder, _)) => lines.insert(format!(
                "<CommonPrefixes><Prefix>{}{folder}/</Prefix></CommonPrefixes>",
                param("prefix")
            )),
            None => lines.insert(format!("<Contents><Key>{key}</Key></Contents>")),
        };
    }
    let lines: String = lines.into_iter().collect();
    Answer::xml(&format!("<ListBucketResult><IsTruncated>false</IsTruncated>{lines}</ListBucketResult>"))
}

fn check(bucket: Bucket, trail: &Trail, denied: &'static [&'static str]) -> Vec<Chain> {
    let server = serve(bucket, trail.public_key(), denied);
    let remote = remote(&server);
    let mut chains = Vec::new();
    let keys = KeySource::Aws(&remote);
    let address = address(&format!("s3://{BUCKET}/AWSLogs/"));
    in_buckets(&remote, &address, &Question::default(), &keys, |chain| chains.push(chain));
    chains
}

#[test]
fn a_trail_as_it_was_delivered_is_valid() {
    let trail = Trail::new(4);
    let chains = check(bucket(&trail), &trail, &[]);
    assert_eq!(
        chains,
        [Chain {
            name: format!("s3://{BUCKET}/AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/"),
            valid: 4,
            unchanged: 4,
            ..Chain::default()
        }]
    );
}

#[test]
fn changed_missing_and_unlisted_files_are_told_apart() {
    let trail = Trail::new(4);
    let mut bucket = bucket(&trail);
    bucket.get_mut(&log_key(0)).unwrap().0.push(' ');
    bucket.remove(&log_key(1));
    let planted = log_key(1).replace("1.json", "111122223333_CloudTrail_eu-west-1_20260102T0100Z_x.json");
    let young = log_key(1).replace("1.json", "111122223333_CloudTrail_eu-west-1_20260102T0255Z_x.json");
    bucket.insert(planted.clone(), ("{}".to_owned(), None));
    bucket.insert(young, ("{}".to_owned(), None));
    let chain = check(bucket, &trail, &[]).remove(0);
    assert_eq!((chain.valid, chain.unchanged, chain.young), (4, 2, 1));
    assert_eq!(
        chain.broken.kept,
        [
            format!("log file s3://{BUCKET}/{}: has been changed", log_key(0)),
            format!("log file s3://{BUCKET}/{}: is missing", log_key(1)),
        ]
    );
    assert_eq!(chain.unchecked.kept, [format!("log file s3://{BUCKET}/{planted}: no digest lists it")]);
}

#[test]
fn a_missing_digest_is_a_failure_and_one_that_is_denied_is_not() {
    let trail = Trail::new(4);
    let mut without = bucket(&trail);
    without.remove(&digest_key(2));
    let chain = check(without, &trail, &[]).remove(0);
    assert_eq!(chain.broken.count, 2, "{chain:?}");
    assert!(
        chain.broken.kept[0].contains("is missing") && chain.broken.kept[1].contains("no valid digest from")
    );
    let denied = check(bucket(&trail), &trail, &["T020000Z.json.gz"]).remove(0);
    assert_eq!(denied.broken, Lines::default(), "{denied:?}");
    assert!(denied.unchecked.kept[0].contains("allow `s3:GetObject`"), "{denied:?}");
    assert_eq!((denied.valid, denied.unchanged), (3, 3));
}

#[test]
fn without_the_keys_or_the_list_nothing_is_proven_and_nothing_fails() {
    let trail = Trail::new(3);
    for denied in
        [&["cloudtrail:ListPublicKeys"] as &'static [&'static str], &["s3:ListObjectsV2"], &["0000Z.json.gz"]]
    {
        let chain = check(bucket(&trail), &trail, denied).remove(0);
        assert_eq!((chain.valid, chain.broken), (0, Lines::default()), "{denied:?}");
        assert!(chain.unchecked.kept[0].contains("allow `"), "{:?}", chain.unchecked);
    }
    let off: Bucket = bucket(&trail).into_iter().filter(|(key, _)| !key.contains("Digest")).collect();
    let chain = check(off, &trail, &[]).remove(0);
    assert!(chain.unchecked.kept[0].contains("no log file validation"), "{chain:?}");
}

#[test]
fn a_copy_on_disk_is_checked_with_keys_from_a_file() {
    let trail = Trail::new(3);
    let folder = tempfile::tempdir().unwrap();
    let mut digests = Vec::new();
    for (key, (content, _)) in bucket(&trail) {
        let path = folder.path().join(&key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        digests.extend(key.contains("Digest").then_some(path));
    }
    std::fs::remove_file(folder.path().join(log_key(0))).unwrap();
    let file = folder.path().join("keys.json");
    let keys = json!({ "PublicKeyList": [{ "Fingerprint": "f1", "Value": trail.public_key() }] });
    std::fs::write(&file, keys.to_string()).unwrap();
    let keys = KeySource::File(keys_in(&file).unwrap());
    let mut chains = Vec::new();
    in_files(&digests, &Question::default(), &keys, |chain| chains.push(chain));
    let chain = chains.remove(0);
    // A copy has no metadata, and nothing repeats the signature of the last digest.
    assert_eq!((chain.valid, chain.unchanged), (2, 1), "{chain:?}");
    assert_eq!(chain.broken.kept, [format!("log file s3://{BUCKET}/{}: is missing", log_key(0))]);
    assert_eq!(chain.unchecked.count, 2, "the last digest and its log file: {chain:?}");
    std::fs::write(&file, "{}").unwrap();
    assert!(keys_in(&file).unwrap_err().to_string().contains("list-public-keys"));
}
