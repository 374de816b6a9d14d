//! Sources before an AWS whose answers the test writes, because the emulators lack the calls or the faults.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use serde_json::json;
use upright_testkit::{Answer, Call, Fault, Match, Server};

use super::lookup::{self, Period};
use super::*;
use crate::aws::Limits;
use crate::events::source::{Options, Report, pool};

pub(super) const ACCOUNT: &str = "111122223333";

/// A connection to a server of the test, without its own question of who calls.
pub(super) fn remote(server: &Server) -> Remote {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let limits = Limits { max_attempts: 1, ..Limits::standard() };
    let aws = Aws::at(&format!("http://localhost:{}", server.port()), &limits);
    Remote { session: aws.own_session(ACCOUNT), partition: "aws".to_owned(), runtime }
}

/// The ids of the events that were read, and what came of each input.
fn read(inputs: impl IntoIterator<Item = Input, IntoIter: Send>) -> (Vec<String>, Vec<Report>) {
    let (mut ids, mut reports) = (Vec::new(), Vec::new());
    let watch = || {
        |record: &crate::events::record::Record<'_>, _, found: &mut Vec<String>| {
            found.extend(record.event_id().map(std::borrow::Cow::into_owned));
        }
    };
    pool::read(inputs, &Options::default(), NonZeroUsize::MIN, watch, |delivered| match delivered {
        pool::Delivered::Found(id) => ids.push(id),
        pool::Delivered::Pointer { .. } => {}
        pool::Delivered::End(report) => reports.push(report),
    });
    (ids, reports)
}

fn event(id: &str) -> serde_json::Value {
    let record = json!({
        "eventID": id, "eventTime": "2026-11-24T03:00:00Z", "eventType": "AwsApiCall",
        "eventSource": "iam.amazonaws.com", "eventName": "CreateUser",
    });
    json!({ "EventId": id, "EventName": "CreateUser", "CloudTrailEvent": record.to_string() })
}

/// Three pages of the event history, of which the tokens are numbers; `broken` is answered with a denial.
fn history(broken: Option<&'static str>) -> impl Fn(&Call) -> Option<Answer> + Send + Sync {
    move |call| {
        assert_eq!(call.operation, "cloudtrail:LookupEvents");
        let token = call.param("NextToken");
        if broken.is_some() && token == broken {
            return Some(Answer::error(call, 400, "AccessDeniedException", "no"));
        }
        Some(Answer::json(&match token {
            None => json!({ "Events": [event("1"), event("2")], "NextToken": "two" }),
            // A page without events is not the last for that.
            Some("two") => json!({ "Events": [], "NextToken": "three" }),
            _ => json!({ "Events": [event("3"), { "EventId": "no record" }] }),
        }))
    }
}

#[test]
fn every_page_of_the_event_history_is_read_in_every_region() {
    let server = Server::canned(history(None)).start().unwrap();
    let remote = remote(&server);
    let since = Some("2026-11-23T00:00:00Z".parse().unwrap());
    let regions = ["eu-west-1".to_owned(), "us-east-1".to_owned()];
    let (ids, reports) = read(lookup::inputs(&remote, &regions, Period { since, until: None }));
    // The regions have the same events here, and those of the second are duplicates.
    assert_eq!(ids, ["1", "2", "3"]);
    let named: Vec<&str> = reports.iter().map(|report| report.name.as_str()).collect();
    assert_eq!(
        named,
        ["event history of 111122223333 in eu-west-1", "event history of 111122223333 in us-east-1"]
    );
    assert_eq!((reports[0].counts.events, reports[0].counts.unrelated), (3, 1));
    assert_eq!(reports[1].counts.duplicates, 3);
    let asked: Vec<Call> = server.requests().into_iter().map(|request| request.call).collect();
    assert_eq!(asked.len(), 6);
    assert!(asked.iter().all(|call| call.param("StartTime") == Some("1795392000")), "{asked:?}");
    // Two requests a second in each region: three take a second between the first and the last.
    let times: Vec<_> =
        server.requests().into_iter().filter(|request| request.call.region == "eu-west-1").collect();
    assert!(times[2].at - times[0].at >= std::time::Duration::from_millis(900), "{times:?}");
}

#[test]
fn what_was_read_before_a_page_is_denied_is_kept() {
    let server = Server::canned(history(Some("three"))).start().unwrap();
    let remote = remote(&server);
    let (ids, reports) = read(lookup::inputs(&remote, &["eu-west-1".to_owned()], Period::default()));
    assert_eq!(ids, ["1", "2"]);
    let problem = reports[0].problems[0].to_string();
    for part in ["reading failed", "cloudtrail:LookupEvents denied", "allow `cloudtrail:LookupEvents` on `*`"]
    {
        assert!(problem.contains(part), "{part}: {problem}");
    }
}

pub(super) fn address(text: &str) -> Vec<s3::Address> {
    vec![text.parse().unwrap()]
}

fn below(remote: &Remote, text: &str) -> (Vec<String>, Vec<Report>) {
    read(s3::below(remote, &address(text), &Default::default(), Arc::default()))
}

fn keys(keys: &[&str], next: Option<&str>) -> Answer {
    let contents: String = keys.iter().map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
    let next = next.map(|next| format!("<NextContinuationToken>{next}</NextContinuationToken>"));
    let is_truncated = next.is_some();
    Answer::xml(&format!(
        "<ListBucketResult><IsTruncated>{is_truncated}</IsTruncated>{}{contents}</ListBucketResult>",
        next.unwrap_or_default()
    ))
}

pub(super) fn with_header(mut answer: Answer, name: &str, value: &str) -> Answer {
    answer.headers.push((name.to_owned(), value.to_owned()));
    answer
}

#[test]
fn an_object_that_breaks_off_is_taken_up_where_it_did() {
    let record = |id: u32| {
        format!(
            "{{\"eventID\":\"{id}\",\"eventTime\":\"2026-11-24T03:00:00Z\",\"eventType\":\"AwsApiCall\"}}\n"
        )
    };
    let whole: String = (1..=4).map(record).collect();
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let server = Server::canned(move |call| {
        Some(match call.operation.as_str() {
            "s3:ListObjectsV2" => keys(&["a.json"], None),
            "s3:HeadBucket" => with_header(Answer::xml(""), "x-amz-bucket-region", "eu-central-1"),
            "s3:GetObject" => {
                let mut count = count.lock().unwrap();
                *count += 1;
                // The fault below sends the first half and then breaks.
                let from = if *count == 1 { 0 } else { whole.len() / 2 };
                with_header(Answer::xml(&whole[from..]), "etag", "\"x\"")
            }
            other => panic!("{other}"),
        })
    });
    let server = server.fault(Match::operation("s3:GetObject").attempts(1), Fault::CutOff).start().unwrap();
    let (ids, reports) = below(&remote(&server), "s3://b");
    assert_eq!(reports[0].problems, []);
    assert_eq!(ids, ["1", "2", "3", "4"]);
    assert_eq!(*asked.lock().unwrap(), 2);
    let fetched = server.requests().into_iter().filter(|request| request.call.operation == "s3:GetObject");
    assert!(fetched.into_iter().all(|request| request.call.region == "eu-central-1"));
}

#[test]
fn an_object_that_breaks_off_without_end_is_a_problem_and_what_came_is_kept() {
    let server = Server::canned(move |call| {
        Some(match call.operation.as_str() {
            "s3:ListObjectsV2" => keys(&["a.json"], None),
            "s3:HeadBucket" => with_header(Answer::xml(""), "x-amz-bucket-region", "eu-west-1"),
            _ => Answer::xml(
                "{\"eventID\":\"1\",\"eventTime\":\"2026-11-24T03:00:00Z\",\"eventType\":\"AwsApiCall\"}\n",
            ),
        })
    });
    // Without an ETag nothing shows that it is the same object still.
    let server = server.fault(Match::operation("s3:GetObject"), Fault::CutOff).start().unwrap();
    let (_, reports) = below(&remote(&server), "s3://b");
    assert!(reports[0].problems[0].to_string().contains("broke off"), "{reports:?}");
    assert_eq!(server.count("s3:GetObject"), 1);
}

#[test]
fn a_listing_that_does_not_name_its_next_page_is_no_whole_one() {
    let server = Server::canned(|call| {
        Some(match call.operation.as_str() {
            "s3:HeadBucket" => Answer::error(call, 403, "", ""),
            "s3:GetObject" => Answer::xml("{}"),
            _ => match call.param("continuation-token") {
                None => keys(&["a.json"], Some("same")),
                Some(_) => keys(&["b.json"], Some("same")),
            },
        })
    });
    let server = server.start().unwrap();
    let (_, reports) = below(&remote(&server), "s3://b/x");
    let named: Vec<&str> = reports.iter().map(|report| report.name.as_str()).collect();
    assert_eq!(named, ["s3://b/a.json", "s3://b/b.json", "s3://b/x"]);
    assert!(reports[2].problems[0].to_string().contains("announces itself"), "{reports:?}");
}
