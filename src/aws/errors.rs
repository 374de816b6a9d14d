//! Reading what went wrong: from the SDK's errors and raw answers to [`Unseen`].
//!
//! Error codes differ by protocol and service; the lists here are from
//! [Common errors](https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html),
//! [EC2 error codes](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html) and
//! [S3 error responses](https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).

use std::error::Error;

use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::Place;
use super::call::InFlight;
use crate::inventory::{Cause, NO_CONNECTION, Unseen};

const THROTTLES: &[&str] = &[
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

const DENIALS: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "AuthorizationError",
    "InvalidClientTokenId",
    "NotAuthorized",
    "SignatureDoesNotMatch",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
];

const EXPIRED: &[&str] = &["ExpiredToken", "ExpiredTokenException", "RequestExpired"];

const UNSUPPORTED: &[&str] = &[
    "OptInRequired",
    "SubscriptionRequiredException",
    "UnknownOperationException",
    "UnsupportedOperation",
    "UnsupportedOperationException",
];

/// A success answer whose body is not the one that was promised.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BrokenBody(String);

/// Refuses a success answer whose body is empty, cut off, or lacks the member that every answer of the
/// operation has. The SDK alone reads an empty JSON body as `{}` and XML up to where it stops.
pub(super) fn check_body(body: &[u8], marker: Option<&str>) -> Result<(), BrokenBody> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() {
        return Err(BrokenBody("the answer is empty".to_owned()));
    }
    if text.starts_with('<') && !is_closed_xml(text) {
        return Err(BrokenBody("the answer is cut off".to_owned()));
    }
    match marker {
        Some(member) if !text.contains(member) => {
            Err(BrokenBody(format!("the answer has no `{member}`, which every answer of this operation has")))
        }
        _ => Ok(()),
    }
}

/// Whether a page of a list says that there is a further one: the token for it is there and not empty. What
/// people wrote cannot pose as one: angle brackets in it are escaped, and of JSON and CBOR only the top is looked at.
///
/// `Marker` in JSON is the next page at Glacier, and at EFS the one that was asked for.
pub(super) fn announces_more(service: &str, body: &[u8]) -> bool {
    if is_cbor(body) {
        return cbor_token(body).is_ok_and(|has_token| has_token);
    }
    let text = String::from_utf8_lossy(body);
    if text.trim_start().starts_with('<') {
        // CloudFront repeats the token that it was asked with.
        if text.contains("<IsTruncated>false</IsTruncated>") {
            return false;
        }
        return ["<Marker>", "<NextMarker>", "<nextToken>", "<NextToken>", "<ContinuationToken>"]
            .iter()
            .filter_map(|tag| text.split_once(tag))
            .any(|(_, token)| !token.starts_with('<'));
    }
    let glacier = (service == "glacier").then_some("Marker");
    let tokens = ["NextMarker", "NextToken", "nextToken", "position"].into_iter().chain(glacier);
    if !tokens.clone().any(|token| text.contains(token)) {
        return false;
    }
    // At the top only: further down they may be the keys of tags.
    let Ok(answer) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text) else {
        return false;
    };
    tokens.filter_map(|token| answer.get(token)?.as_str()).any(|token| !token.is_empty())
}

/// Whether the answer is an object in [CBOR](https://www.rfc-editor.org/rfc/rfc8949#section-3.1), as CloudWatch
/// gives them: neither XML nor JSON begins with such a byte.
fn is_cbor(body: &[u8]) -> bool {
    body.first().is_some_and(|first| (0xa0..=0xbf).contains(first))
}

/// Whether an object in CBOR has a token that is not empty. Texts in CBOR are not escaped, so that the members are
/// gone through one by one.
fn cbor_token(body: &[u8]) -> Result<bool, minicbor::decode::Error> {
    let mut decoder = minicbor::Decoder::new(body);
    let members = decoder.map()?;
    let mut read = 0;
    while members.is_none_or(|members| read < members) {
        if members.is_none() && decoder.datatype()? == minicbor::data::Type::Break {
            break;
        }
        if decoder.str()? == "NextToken" && decoder.datatype()? == minicbor::data::Type::String {
            return decoder.str().map(|token| !token.is_empty());
        }
        decoder.skip()?;
        read += 1;
    }
    Ok(false)
}

/// Whether the last thing in the document closes its root element.
fn is_closed_xml(text: &str) -> bool {
    let mut rest = text;
    while let Some(after) = rest.strip_prefix("<?").or_else(|| rest.strip_prefix("<!")) {
        let Some((_, next)) = after.split_once('>') else {
            return false;
        };
        rest = next.trim_start();
    }
    let Some(start) = rest.strip_prefix('<') else {
        return false;
    };
    let root: String = start.chars().take_while(|c| !c.is_whitespace() && *c != '>' && *c != '/').collect();
    let closing = rest
        .strip_suffix('>')
        .map(str::trim_end)
        .and_then(|t| t.strip_suffix(root.as_str()))
        .is_some_and(|t| t.ends_with("</"));
    let single = rest.ends_with("/>") && rest.matches('<').count() == 1;
    !root.is_empty() && (closing || single)
}

/// How one attempt ended, for counting and for knowing which endpoints live.
pub(super) enum Attempt {
    /// An answer came.
    Answered,
    /// An answer came: slow down, by this code.
    Throttled(&'static str),
    /// An answer came: a server error of this status.
    ServerError(u16),
    /// Nothing came in time.
    Silent { connected: bool, message: String },
    /// The connection broke.
    Broken,
}

impl Attempt {
    pub(super) fn of(context: &FinalizerInterceptorContextRef<'_>) -> Self {
        if let Some(response) = context.response() {
            let status = response.status().as_u16();
            if status < 400 {
                return Self::Answered;
            }
            let body = response.body().bytes().map(String::from_utf8_lossy);
            let throttle = body.and_then(|text| THROTTLES.iter().find(|code| text.contains(**code)));
            return match throttle {
                Some(code) => Self::Throttled(code),
                None if status == 429 => Self::Throttled("HTTP429"),
                None if status >= 500 => Self::ServerError(status),
                None => Self::Answered,
            };
        }
        match context.output_or_error() {
            Some(Err(error)) => {
                let connector = error.as_connector_error();
                if error.is_timeout_error() || connector.is_some_and(|e| e.is_timeout()) {
                    Self::Silent {
                        connected: connector.is_none(),
                        message: "no answer within the time limit".to_owned(),
                    }
                } else {
                    Self::Broken
                }
            }
            _ => Self::Broken,
        }
    }
}

/// What a failed call comes to.
pub(super) enum Failure {
    /// The code is one of the operation's ways to say "there is none".
    Absent,
    /// The thing asked about no longer exists.
    Gone,
    /// The session's token has run out.
    Expired(Unseen),
    /// Everything else.
    Unseen(Unseen),
}

impl Failure {
    pub(super) fn of<E>(place: &Place, flight: &InFlight, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let call = flight.call;
        let code = error.as_service_error().and_then(|e| e.code());
        if let Some(code) = code {
            let message = error.as_service_error().and_then(|e| e.message()).unwrap_or_default();
            if call.says_none(code, message) {
                return Self::Absent;
            }
            if call.gone.contains(&code) {
                return Self::Gone;
            }
        }
        let mut unseen = unseen(place, flight, error);
        if place.entering.is_some() && matches!(unseen.cause, Cause::Denied { .. } | Cause::Failed) {
            unseen.cause = Cause::NotEntered;
        }
        if code.is_some_and(|code| EXPIRED.contains(&code)) {
            Self::Expired(unseen)
        } else {
            Self::Unseen(unseen)
        }
    }
}

fn unseen<E>(place: &Place, flight: &InFlight, error: &SdkError<E, HttpResponse>) -> Unseen
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let operation = flight.call.name();
    let failed = |cause, code: &str, message: String| Unseen {
        account: place.subject().to_owned(),
        region: place.region().to_owned(),
        operation: operation.clone(),
        cause,
        code: code.to_owned(),
        message,
    };
    if let Some(broken) = find::<BrokenBody>(error) {
        return failed(Cause::Malformed, "MalformedResponse", broken.to_string());
    }
    if let Some(refused) = find::<super::credentials::NotEntered>(error) {
        return refused.0.clone();
    }
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = service.err().code().unwrap_or_default();
            let message = service.err().message().unwrap_or_default().to_owned();
            if THROTTLES.contains(&code) || status == 429 {
                failed(Cause::Throttled, code, message)
            } else if UNSUPPORTED.contains(&code) {
                failed(Cause::Unsupported, code, message)
            } else if DENIALS.contains(&code) || status == 403 {
                Unseen::denied(
                    place.subject(),
                    place.region(),
                    &operation,
                    if code.is_empty() { "AccessDenied" } else { code },
                    &message,
                )
            } else if code.is_empty() && service.raw().status().is_success() {
                failed(Cause::Malformed, "MalformedResponse", source_text(error))
            } else if code.is_empty() {
                failed(Cause::Failed, &format!("HTTP{status}"), message)
            } else {
                failed(Cause::Failed, code, message)
            }
        }
        SdkError::TimeoutError(_) if let Some((cause, code)) = flight.trouble() => {
            failed(cause, &code, "AWS kept saying this until the time limit of the call".to_owned())
        }
        SdkError::TimeoutError(_) => {
            failed(Cause::TimedOut, "Timeout", "no answer within the time limit".to_owned())
        }
        SdkError::DispatchFailure(dispatch) if dispatch.is_timeout() => {
            failed(Cause::TimedOut, "Timeout", "no connection within the time limit".to_owned())
        }
        SdkError::ResponseError(_) => failed(Cause::Malformed, "MalformedResponse", source_text(error)),
        _ => failed(Cause::Failed, NO_CONNECTION, source_text(error)),
    }
}

/// The innermost reason; the outer ones only repeat that something failed.
fn source_text(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    if text.is_empty() { DisplayErrorContext(error).to_string() } else { text }
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_answers_pass() {
        for body in [
            "{\"trailList\":[]}",
            "<?xml version=\"1.0\"?>\n<A xmlns=\"x\"><trailList/></A>\n",
            "<trailList/>",
        ] {
            assert!(check_body(body.as_bytes(), Some("trailList")).is_ok(), "{body}");
        }
    }

    #[test]
    fn broken_answers_do_not() {
        for body in [
            "",
            "  \n",
            "{}",
            "<A><trailList>",
            "<A><trailList/></",
            "<?xml version=\"1.0\"?><A><trailList/></B>",
            "<?xml version=",
        ] {
            assert!(check_body(body.as_bytes(), Some("trailList")).is_err(), "{body}");
        }
    }

    #[test]
    fn a_page_tells_whether_there_is_another() {
        for more in [
            "<ListUsersResponse><IsTruncated>true</IsTruncated><Marker>x</Marker></ListUsersResponse>",
            "<DescribeVpcsResponse><nextToken>x</nextToken></DescribeVpcsResponse>",
            "<ListAllMyBucketsResult><ContinuationToken>x</ContinuationToken></ListAllMyBucketsResult>",
            "{\"Accounts\":[],\"NextToken\": \"x\"}",
            "{\"Keys\":[],\"Truncated\":true,\"NextMarker\":\"x\"}",
            "{\"Functions\":[],\"NextMarker\":\"x\"}",
            "{\"position\":\"x\",\"item\":[]}",
            "<DistributionList><Marker/><NextMarker>x</NextMarker><IsTruncated>true</IsTruncated></DistributionList>",
        ] {
            assert!(announces_more("iam", more.as_bytes()), "{more}");
        }
        for last in [
            "<ListUsersResponse><IsTruncated>false</IsTruncated></ListUsersResponse>",
            "<ListUsersResponse><Marker></Marker></ListUsersResponse>",
            "<DescribeVpcsResponse><nextToken/></DescribeVpcsResponse>",
            "{\"Accounts\":[{\"Name\":\"\\\"NextToken\\\":\\\"x\\\"\"}],\"NextToken\":null}",
            "{\"NextToken\":\"\"}",
            "{\"item\":[{\"tags\":{\"position\":\"x\",\"NextToken\":\"x\"}}]}",
            "<DistributionList><Marker>x</Marker><IsTruncated>false</IsTruncated></DistributionList>",
        ] {
            assert!(!announces_more("iam", last.as_bytes()), "{last}");
        }
    }

    #[test]
    fn a_marker_in_json_is_the_next_page_at_glacier_and_this_one_at_efs() {
        let page = b"{\"FileSystems\":[],\"VaultList\":[],\"Marker\":\"x\"}";
        assert!(announces_more("glacier", page));
        assert!(!announces_more("elasticfilesystem", page));
        assert!(!announces_more("glacier", b"{\"VaultList\":[],\"Marker\":null}"));
    }

    #[test]
    fn a_page_in_cbor_tells_it_too_and_a_description_cannot_pose_as_a_token() {
        // {"MetricAlarms": [{"D": "NextToken"}], "NextToken": token}, with the length known and open.
        let list = b"\x6cMetricAlarms\x81\xa1\x61D\x6ciNextTokenax";
        let page = |start: &[u8], token: &[u8], end: &[u8]| {
            [start, list, b"\x69NextToken".as_slice(), token, end].concat()
        };
        assert!(announces_more("cloudwatch", &page(b"\xa2", b"\x61x", b"")));
        assert!(announces_more("cloudwatch", &page(b"\xbf", b"\x61x", b"\xff")));
        assert!(!announces_more("cloudwatch", &page(b"\xa2", b"\x60", b"")), "an empty token");
        assert!(!announces_more("cloudwatch", &page(b"\xa2", b"\xf6", b"")), "null");
        assert!(!announces_more("cloudwatch", &[b"\xa1", list.as_slice()].concat()));
        assert!(!announces_more("cloudwatch", &[b"\xbf", list.as_slice(), b"\xff"].concat()));
        assert!(!announces_more("cloudwatch", b"\xa2\x6c"), "cut off");
    }
}
