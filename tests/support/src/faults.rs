//! What goes wrong on purpose, and where.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::answer::Answer;
use crate::http::Outcome;
use crate::server::Request;
use crate::wire::{Call, Protocol};

/// Which requests something is done to. Everything that is named must be so.
#[derive(Debug, Clone)]
pub struct Match {
    operation: Option<String>,
    service: Option<String>,
    except: Vec<String>,
    account: Option<String>,
    region: Option<String>,
    params: Vec<(String, String)>,
    page: Option<usize>,
    attempts: Option<usize>,
    share: u64,
}

impl Match {
    /// Every request.
    #[must_use]
    pub const fn any() -> Self {
        Self {
            operation: None,
            service: None,
            except: Vec::new(),
            account: None,
            region: None,
            params: Vec::new(),
            page: None,
            attempts: None,
            share: 100,
        }
    }

    /// The requests of one operation, such as `s3:GetBucketPolicy`.
    #[must_use]
    pub fn operation(name: &str) -> Self {
        Self { operation: Some(name.to_owned()), ..Self::any() }
    }

    /// The requests to one service, such as `ec2`.
    #[must_use]
    pub fn service(name: &str) -> Self {
        Self { service: Some(name.to_owned()), ..Self::any() }
    }

    /// Leaves out a service; without `sts` accounts can be entered still.
    #[must_use]
    pub fn except(mut self, service: &str) -> Self {
        self.except.push(service.to_owned());
        self
    }

    /// Only in this account. Of `sts:AssumeRole` it is the account that is entered, not the one asked in.
    #[must_use]
    pub fn account(mut self, id: &str) -> Self {
        self.account = Some(id.to_owned());
        self
    }

    /// Only in this region; global services are asked in the region of the configuration.
    #[must_use]
    pub fn region(mut self, name: &str) -> Self {
        self.region = Some(name.to_owned());
        self
    }

    /// Only with this parameter, such as `Bucket` or `UserName`.
    #[must_use]
    pub fn param(mut self, name: &str, value: &str) -> Self {
        self.params.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Only this page of a list, from 1.
    #[must_use]
    pub const fn page(mut self, page: usize) -> Self {
        self.page = Some(page);
        self
    }

    /// Only the first `n` times that each request is made: the next attempt goes well.
    #[must_use]
    pub const fn attempts(mut self, n: usize) -> Self {
        self.attempts = Some(n);
        self
    }

    /// Only this percentage. Which requests it hits depends on what they ask and on the attempt, not on
    /// their order, so it is the same in every run.
    #[must_use]
    pub const fn share(mut self, percent: u64) -> Self {
        self.share = percent;
        self
    }

    pub(crate) fn applies(&self, request: &Request) -> bool {
        let call = &request.call;
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        is(&self.operation, &call.operation)
            && is(&self.service, call.service())
            && is(&self.account, subject(call))
            && is(&self.region, &call.region)
            && !self.except.iter().any(|service| service == call.service())
            && self.params.iter().all(|(name, value)| call.param(name) == Some(value))
            && self.page.is_none_or(|page| page == request.page)
            && self.attempts.is_none_or(|attempts| request.attempt <= attempts)
            && (self.share >= 100 || chance(request) < self.share)
    }
}

/// The account that a request is about.
fn subject(call: &Call) -> &str {
    let role = (call.operation == "sts:AssumeRole").then(|| call.param("RoleArn")).flatten();
    role.and_then(|arn| arn.split(':').nth(4)).unwrap_or(&call.account)
}

/// 0 to 99, evenly spread over requests.
fn chance(request: &Request) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&request.call, request.page, request.attempt).hash(&mut hasher);
    hasher.finish() % 100
}

/// What is done to a request, in the form of the service that is asked.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Denied, for want of a permission in the caller's own policies.
    Deny,
    /// Denied, with this message.
    DenyWith(String),
    /// Throttled: `Throttling`, `RequestLimitExceeded`, `SlowDown` or `ThrottlingException`.
    Throttle,
    /// A server error, status 500.
    ServerError,
    /// An error of this status and code, such as 404 and `NoSuchBucket`.
    Error(u16, String),
    /// This in place of the answer, whatever it is.
    Answer(Answer),
    /// The connection is reset without an answer.
    Reset,
    /// Nothing ever comes. With [`Match::region`] alone, a dead region.
    Hang,
    /// The connection breaks in the middle of the answer, whose length is that of the whole.
    CutOff,
    /// The first half of the answer, with a length that agrees.
    Shortened,
    /// Status 200 and bytes without sense.
    Garbled,
    /// Status 200 and nothing.
    Empty,
    /// The answer comes later by this. The only fault that leaves others to apply.
    Delay(Duration),
}

impl Fault {
    /// An error of this status and code.
    #[must_use]
    pub fn error(status: u16, code: &str) -> Self {
        Self::Error(status, code.to_owned())
    }

    /// What becomes of the request: `arn` asks, `answer` is what it would get.
    pub(crate) fn outcome(&self, call: &Call, arn: &str, answer: impl FnOnce() -> Answer) -> Outcome {
        let error = |status, code: &str, message: &str| Answer::error(call, status, code, message);
        Outcome::Answer(match self {
            Self::Deny => denied(call, &denial(call, arn)),
            Self::DenyWith(message) => denied(call, message),
            Self::Throttle => match call.protocol() {
                Protocol::Query => error(400, "Throttling", "Rate exceeded"),
                Protocol::Ec2 => error(503, "RequestLimitExceeded", "Request limit exceeded."),
                Protocol::S3 | Protocol::S3Control => {
                    error(503, "SlowDown", "Please reduce your request rate.")
                }
                Protocol::Json => error(400, "ThrottlingException", "Rate exceeded"),
            },
            Self::ServerError => match call.protocol() {
                Protocol::Query => error(500, "ServiceFailure", "The request processing has failed."),
                Protocol::Json => error(500, "InternalFailure", "The request processing has failed."),
                Protocol::Ec2 | Protocol::S3 | Protocol::S3Control => {
                    error(500, "InternalError", "We encountered an internal error. Please try again.")
                }
            },
            Self::Error(status, code) => error(*status, code, "A fault of the test."),
            Self::Answer(answer) => answer.clone(),
            Self::Reset => return Outcome::Reset,
            Self::Hang => return Outcome::Hang,
            Self::CutOff => return Outcome::CutOff(answer()),
            Self::Shortened => {
                let mut answer = answer();
                answer.body.truncate(answer.body.floor_char_boundary(answer.body.len() / 2));
                answer
            }
            Self::Garbled => Answer { status: 200, body: "\u{0}\u{1b}{<&;>}\u{fffd}".to_owned(), ..answer() },
            Self::Empty => Answer { status: 200, body: String::new(), ..answer() },
            Self::Delay(_) => answer(),
        })
    }
}

/// The codes of [each](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html)
/// [service](https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html).
fn denied(call: &Call, message: &str) -> Answer {
    let (status, code) = match call.protocol() {
        Protocol::Query | Protocol::S3 | Protocol::S3Control => (403, "AccessDenied"),
        Protocol::Ec2 => (403, "UnauthorizedOperation"),
        Protocol::Json => (400, "AccessDeniedException"),
    };
    Answer::error(call, status, code, message)
}

/// As in [Troubleshoot access denied error messages](https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).
fn denial(call: &Call, arn: &str) -> String {
    let action = action(call);
    let because = format!("because no identity-based policy allows the {action} action");
    let user = format!("User: {arn} is not authorized to perform: {action}");
    match (call.protocol(), call.param("Bucket"), call.param("RoleArn")) {
        (Protocol::Ec2, ..) => {
            format!("You are not authorized to perform this operation. {user} {because}")
        }
        (Protocol::S3, Some(bucket), _) => {
            format!("{user} on resource: \"arn:aws:s3:::{bucket}\" {because}")
        }
        (Protocol::Query, _, Some(role)) => format!("{user} on resource: {role}"),
        _ => format!("{user} on resource: * {because}"),
    }
}

/// The permission, where it has another name than the operation.
fn action(call: &Call) -> &str {
    match call.operation.as_str() {
        "s3:GetBucketEncryption" => "s3:GetEncryptionConfiguration",
        "s3:GetPublicAccessBlock" => "s3:GetBucketPublicAccessBlock",
        "s3:HeadBucket" => "s3:ListBucket",
        "s3:ListBuckets" => "s3:ListAllMyBuckets",
        "s3control:GetPublicAccessBlock" => "s3:GetAccountPublicAccessBlock",
        same => same,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn request(operation: &str, params: &[(&str, &str)]) -> Request {
        let params: BTreeMap<_, _> =
            params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Request {
            call: Call {
                account: "111111111111".to_owned(),
                region: "eu-west-1".to_owned(),
                operation: operation.to_owned(),
                params,
            },
            page: 2,
            attempt: 2,
            at: Duration::ZERO,
            key: "K".to_owned(),
            is_faulted: false,
        }
    }

    #[test]
    fn a_match_is_all_that_it_names() {
        let bucket = request("s3:GetBucketAcl", &[("Bucket", "b")]);
        for hit in [
            Match::any(),
            Match::operation("s3:GetBucketAcl").account("111111111111").region("eu-west-1"),
            Match::service("s3").param("Bucket", "b").page(2).attempts(2).except("sts"),
        ] {
            assert!(hit.applies(&bucket), "{hit:?}");
        }
        for miss in [
            Match::operation("s3:GetBucketPolicy"),
            Match::service("s3control"),
            Match::any().account("222222222222"),
            Match::any().region("us-east-1"),
            Match::any().param("Bucket", "c"),
            Match::any().param("Key", "b"),
            Match::any().page(1),
            Match::any().attempts(1),
            Match::any().except("s3"),
            Match::any().share(0),
        ] {
            assert!(!miss.applies(&bucket), "{miss:?}");
        }
        let role = [("RoleArn", "arn:aws:iam::222222222222:role/Audit")];
        let entering = request("sts:AssumeRole", &role);
        assert!(Match::operation("sts:AssumeRole").account("222222222222").applies(&entering));
    }

    #[test]
    fn a_share_is_about_right_and_repeats() {
        let hit = |share: u64| {
            (0..1000)
                .filter(|n| {
                    let name = format!("user-{n}");
                    Match::any().share(share).applies(&request("iam:GetUser", &[("UserName", &name)]))
                })
                .collect::<Vec<i32>>()
        };
        assert!((250..350).contains(&hit(30).len()), "{}", hit(30).len());
        assert_eq!(hit(30), hit(30));
    }

    fn answer(fault: &Fault, operation: &str, params: &[(&str, &str)]) -> (u16, String) {
        let whole = || Answer::xml("<ok>ä</ok>");
        match fault.outcome(&request(operation, params).call, "arn:me", whole) {
            Outcome::Answer(answer) => (answer.status, answer.body),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn denials_in_each_form() {
        for (operation, status, code, says) in [
            ("iam:ListUsers", 403, "<Code>AccessDenied<", "perform: iam:ListUsers on resource: * because no"),
            ("ec2:DescribeVpcs", 403, "<Code>UnauthorizedOperation<", "operation. User: arn:me is not"),
            (
                "s3:GetBucketEncryption",
                403,
                "<Code>AccessDenied<",
                "perform: s3:GetEncryptionConfiguration on resource: &quot;arn:aws:s3:::b&quot; because",
            ),
            ("s3control:GetPublicAccessBlock", 403, "<Code>AccessDenied<", "s3:GetAccountPublicAccessBlock"),
            ("kms:DescribeKey", 400, "AccessDeniedException", "kms:DescribeKey action"),
        ] {
            let (found, body) = answer(&Fault::Deny, operation, &[("Bucket", "b")]);
            assert_eq!(found, status, "{operation}");
            assert!(body.contains(code) && body.contains(says), "{body}");
        }
        let (_, body) = answer(&Fault::DenyWith("an SCP".to_owned()), "iam:ListUsers", &[]);
        assert!(body.contains("<Message>an SCP</Message>"));
    }

    #[test]
    fn throttles_and_server_errors_in_each_form() {
        for (operation, throttle, failure) in [
            ("iam:ListUsers", (400, "Throttling"), "ServiceFailure"),
            ("ec2:DescribeVpcs", (503, "RequestLimitExceeded"), "InternalError"),
            ("s3:GetBucketAcl", (503, "SlowDown"), "InternalError"),
            ("cloudtrail:DescribeTrails", (400, "ThrottlingException"), "InternalFailure"),
        ] {
            let (status, body) = answer(&Fault::Throttle, operation, &[]);
            assert!(status == throttle.0 && body.contains(throttle.1), "{body}");
            let (status, body) = answer(&Fault::ServerError, operation, &[]);
            assert!(status == 500 && body.contains(failure), "{body}");
        }
        let (status, body) = answer(&Fault::error(404, "NoSuchBucket"), "s3:GetBucketAcl", &[]);
        assert!(status == 404 && body.contains("<Code>NoSuchBucket</Code>"), "{body}");
    }

    #[test]
    fn broken_bodies() {
        assert_eq!(answer(&Fault::Shortened, "iam:GetUser", &[]), (200, "<ok>".to_owned()));
        assert_eq!(answer(&Fault::Empty, "iam:GetUser", &[]), (200, String::new()));
        assert!(answer(&Fault::Garbled, "iam:GetUser", &[]).1.starts_with('\0'));
    }
}
