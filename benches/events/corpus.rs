//! Makes delivered log files: CloudTrail records of a busy account, every one with its own identifiers.
//!
//! What varies in a record is what varies in real ones (ids, keys, times, addresses, names), so that the files are
//! about as hard to inflate as delivered ones, and no reader can answer twice from one cache line. The same seed
//! makes the same files.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// What a corpus is.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// The files, in order.
    pub files: Vec<PathBuf>,
    /// Records in all files.
    pub events: u64,
    /// Bytes of the files.
    pub packed: u64,
    /// Bytes of the files when inflated.
    pub inflated: u64,
}

/// Writes `events` records into files of about `file_bytes` bytes below `folder`.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Path, events: u64, file_bytes: u64) -> io::Result<Corpus> {
    let mut corpus = Corpus { files: Vec::new(), events, packed: 0, inflated: 0 };
    let mut random = Random(0x5eed);
    let mut record = String::new();
    let mut left = events;
    while left > 0 {
        let path = folder.join(format!(
            "111122223333_CloudTrail_eu-west-1_20260101T{:04}Z_{:016x}.json.gz",
            corpus.files.len(),
            random.next()
        ));
        let counted = Counted { file: BufWriter::new(File::create(&path)?), bytes: 0 };
        let mut packed = GzEncoder::new(counted, Compression::new(6));
        packed.write_all(b"{\"Records\":[")?;
        corpus.inflated += 14;
        let mut separator = "";
        while left > 0 && packed.get_ref().bytes < file_bytes {
            record.clear();
            record.push_str(separator);
            push_record(&mut record, &mut random);
            packed.write_all(record.as_bytes())?;
            corpus.inflated += record.len() as u64;
            separator = ",";
            left -= 1;
        }
        packed.write_all(b"]}")?;
        let mut counted = packed.finish()?;
        counted.file.flush()?;
        corpus.packed += counted.bytes;
        corpus.files.push(path);
    }
    Ok(corpus)
}

/// A file that tells how long it is.
struct Counted {
    file: BufWriter<File>,
    bytes: u64,
}

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// [SplitMix64](https://prng.di.unimi.it/splitmix64.c), which needs no crate.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            b >> 48 & 0xfff,
            b & 0xffff_ffff_ffff
        )
    }
}

/// A call that the made-up account makes: how often of 100, the service, the call, whether it reads, and its
/// parameters and answer with `#` for a number.
struct Call {
    weight: u64,
    source: &'static str,
    name: &'static str,
    reads: bool,
    request: &'static str,
    response: &'static str,
}

const CALLS: [Call; 10] = [
    Call {
        weight: 22,
        source: "s3.amazonaws.com",
        name: "GetObject",
        reads: true,
        request: r##"{"bucketName":"logs-of-team-#","Host":"logs-of-team-#.s3.eu-west-1.amazonaws.com","key":"orders/2026/#/part-#.parquet"}"##,
        response: "null",
    },
    Call {
        weight: 18,
        source: "kms.amazonaws.com",
        name: "Decrypt",
        reads: true,
        request: r##"{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::logs-of-team-#"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}"##,
        response: "null",
    },
    Call {
        weight: 20,
        source: "sts.amazonaws.com",
        name: "AssumeRole",
        reads: true,
        request: r##"{"roleArn":"arn:aws:iam::111122223333:role/service-#","roleSessionName":"session-#","durationSeconds":3600}"##,
        response: r##"{"credentials":{"accessKeyId":"ASIAEXAMPLE#","sessionToken":"IQoJb3JpZ2luX2VjE#","expiration":"Jan 1, 2026, 1:00:00 AM"},"assumedRoleUser":{"assumedRoleId":"AROAEXAMPLE:session-#","arn":"arn:aws:sts::111122223333:assumed-role/service/session-#"}}"##,
    },
    Call {
        weight: 12,
        source: "ec2.amazonaws.com",
        name: "DescribeInstances",
        reads: true,
        request: r##"{"maxResults":1000,"instancesSet":{},"filterSet":{"items":[{"name":"instance-id","valueSet":{"items":[{"value":"i-#"}]}}]}}"##,
        response: "null",
    },
    Call {
        weight: 8,
        source: "logs.amazonaws.com",
        name: "CreateLogStream",
        reads: false,
        request: r##"{"logGroupName":"/aws/lambda/orders-#","logStreamName":"2026/01/01/[$LATEST]#"}"##,
        response: "null",
    },
    Call {
        weight: 8,
        source: "s3.amazonaws.com",
        name: "PutObject",
        reads: false,
        request: r##"{"bucketName":"results-#","key":"out/#.json","x-amz-server-side-encryption":"aws:kms"}"##,
        response: r##"{"x-amz-server-side-encryption":"aws:kms","x-amz-version-id":"#"}"##,
    },
    Call {
        weight: 6,
        source: "ecs.amazonaws.com",
        name: "RunTask",
        reads: false,
        request: r##"{"cluster":"batch-#","taskDefinition":"nightly:#","count":1,"launchType":"FARGATE"}"##,
        response: r##"{"failures":[],"tasks":[{"taskArn":"arn:aws:ecs:eu-west-1:111122223333:task/batch/#","lastStatus":"PROVISIONING"}]}"##,
    },
    Call {
        weight: 3,
        source: "iam.amazonaws.com",
        name: "ListAttachedRolePolicies",
        reads: true,
        request: r##"{"roleName":"service-#","maxItems":100}"##,
        response: "null",
    },
    Call {
        weight: 2,
        source: "ec2.amazonaws.com",
        name: "AuthorizeSecurityGroupIngress",
        reads: false,
        request: r##"{"groupId":"sg-#","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":443,"toPort":443,"ipRanges":{"items":[{"cidrIp":"10.0.0.0/8"}]}}]}}"##,
        response: r##"{"_return":true,"requestId":"#"}"##,
    },
    Call {
        weight: 1,
        source: "signin.amazonaws.com",
        name: "ConsoleLogin",
        reads: false,
        request: "null",
        response: r#"{"ConsoleLogin":"Success"}"#,
    },
];

fn push_record(text: &mut String, random: &mut Random) {
    let mut pick = random.below(CALLS.iter().map(|call| call.weight).sum());
    let call = CALLS
        .iter()
        .find(|call| {
            let found = pick < call.weight;
            pick = pick.saturating_sub(call.weight);
            found
        })
        .unwrap_or(&CALLS[0]);
    let second = random.below(3600);
    text.push_str(r#"{"eventVersion":"1.11","userIdentity":"#);
    let address = push_identity(text, second, random);
    let _ = write!(
        text,
        r#","eventTime":"2026-01-01T01:{:02}:{:02}Z","eventSource":"{}","eventName":"{}","awsRegion":"eu-west-1",{address},"#,
        second / 60,
        second % 60,
        call.source,
        call.name,
    );
    if random.below(100) < 4 {
        text.push_str(r#""errorCode":"AccessDenied","errorMessage":"User is not authorized to perform this call because no identity-based policy allows it","#);
    }
    push_filled(text, r#""requestParameters":"#, call.request, random);
    push_filled(text, r#","responseElements":"#, call.response, random);
    let _ = write!(
        text,
        r#","requestID":"{}","eventID":"{}","readOnly":{},"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"{}"}}}}"#,
        random.uuid(),
        random.uuid(),
        call.reads,
        call.source,
    );
}

/// Appends who made the call; what the record says of where it came from.
///
/// Of a hundred calls in an account whose work is done by roles, about so many are made by role sessions (62), by
/// services for themselves (22), by users with keys (15), and from other accounts (1).
fn push_identity(text: &mut String, second: u64, random: &mut Random) -> String {
    let (role, key) = (random.below(40), random.next() % 0xffff_ffff);
    let from_outside = |random: &mut Random| {
        format!(
            r#""sourceIPAddress":"10.{}.{}.{}","userAgent":"aws-sdk-java/2.{}.{} Linux/5.10.{} Java_HotSpot(TM)_64-Bit_Server_VM/17.0.9""#,
            random.below(4),
            random.below(256),
            random.below(256),
            random.below(30),
            random.below(300),
            random.below(250),
        )
    };
    match random.below(100) {
        0..62 => {
            let _ = write!(
                text,
                r#"{{"type":"AssumedRole","principalId":"AROAEXAMPLE{role:09}:i-{key:017x}","arn":"arn:aws:sts::111122223333:assumed-role/service-{role}/i-{key:017x}","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE{key:08X}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROAEXAMPLE{role:09}","arn":"arn:aws:iam::111122223333:role/service-{role}","accountId":"111122223333","userName":"service-{role}"}},"attributes":{{"creationDate":"2026-01-01T00:{:02}:{:02}Z","mfaAuthenticated":"false"}},"ec2RoleDelivery":"2.0"}}}}"#,
                second / 60,
                second % 60,
            );
            from_outside(random)
        }
        62..84 => {
            let services = ["ec2", "lambda", "ecs-tasks", "config", "cloudtrail"];
            let service = services[usize::try_from(random.below(5)).unwrap_or_default()];
            let _ = write!(text, r#"{{"type":"AWSService","invokedBy":"{service}.amazonaws.com"}}"#);
            format!(r#""sourceIPAddress":"{service}.amazonaws.com","userAgent":"{service}.amazonaws.com""#)
        }
        84..99 => {
            let _ = write!(
                text,
                r#"{{"type":"IAMUser","principalId":"AIDAEXAMPLE{role:09}","arn":"arn:aws:iam::111122223333:user/ci/runner-{role}","accountId":"111122223333","accessKeyId":"AKIAEXAMPLE{role:09}","userName":"runner-{role}"}}"#,
            );
            from_outside(random)
        }
        _ => {
            let _ = write!(
                text,
                r#"{{"type":"AWSAccount","principalId":"AROAEXAMPLE{role:09}:i-{key:017x}","accountId":"444455556666"}}"#,
            );
            from_outside(random)
        }
    }
}

/// Appends a template with a number in the place of every `#`.
fn push_filled(text: &mut String, name: &str, template: &str, random: &mut Random) {
    text.push_str(name);
    for (number, piece) in template.split('#').enumerate() {
        if number > 0 {
            let _ = write!(text, "{:x}", random.below(1 << 36));
        }
        text.push_str(piece);
    }
}
