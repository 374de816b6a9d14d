//! Who changed a resource, asked of the event history by its name.
//!
//! `LookupEvents` takes [one attribute and two requests a second](https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html)
//! for each account and region, so that this is for a few resources and not for all of them: [`MAX_RESOURCES`] in a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use futures::{StreamExt, stream};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::SignedDuration;

use super::lookup::{BETWEEN, LOOKUP_EVENTS, PAGE, seconds};
use super::tell;
use crate::aws::{Place, Session};
use crate::events::authors::{Index, Latest, Question, Sighting};
use crate::events::record::Record;

/// Resources that are asked for in one run at most.
pub const MAX_RESOURCES: usize = 50;

/// Pages of one answer that are read. The latest events come first.
const MAX_PAGES: usize = 2;
/// How long AWS keeps events, a day less than it says.
const KEPT: SignedDuration = SignedDuration::from_hours(89 * 24);
/// Places that are asked at once.
const MAX_PLACES_IN_FLIGHT: usize = 8;

/// Resources of a place that the event history could not be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// Account, twelve digits.
    pub account: String,
    /// Region.
    pub region: String,
    /// How many.
    pub resources: u64,
    /// What AWS said, and what to do about it.
    pub why: String,
}

/// What the event history said.
#[derive(Debug, Default)]
pub struct Answered {
    /// Resources that it was asked for.
    pub asked: u64,
    /// Those that it was not asked for, because there is a bound.
    pub left_out: u64,
    /// Places that gave no answer, by account and region.
    pub unanswered: Vec<Unanswered>,
}

/// Asks for what was not seen yet, the first of what is sought before the others, and puts the answers into `latest`.
/// `enter` opens the session of an account.
pub async fn ask(index: &Index, enter: impl Fn(&str) -> Arc<Session>, latest: &mut Latest) -> Answered {
    let mut questions = index.questions(|sought| !latest.has(sought));
    let left_out = questions.split_off(questions.len().min(MAX_RESOURCES)).len() as u64;
    let mut answered = Answered { asked: questions.len() as u64, left_out, unanswered: Vec::new() };
    let mut by_place: BTreeMap<(String, String), Vec<Question>> = BTreeMap::new();
    for question in questions {
        by_place.entry((question.account.clone(), question.region.clone())).or_default().push(question);
    }
    let places = by_place.into_iter().map(|((account, region), questions)| {
        let place = enter(&account).region(&region);
        async move { ask_in(index, &place, &questions).await }
    });
    let mut places = stream::iter(places).buffered(MAX_PLACES_IN_FLIGHT);
    while let Some((sightings, unanswered)) = places.next().await {
        sightings.into_iter().for_each(|sighting| latest.take(sighting));
        answered.unanswered.extend(unanswered);
    }
    answered.asked -=
        answered.unanswered.iter().map(|place| place.resources).sum::<u64>().min(answered.asked);
    answered
}

/// What there is to say where nothing can be asked.
#[must_use]
pub fn unasked(index: &Index, latest: &Latest, why: &str) -> Answered {
    let mut by_place: BTreeMap<(String, String), u64> = BTreeMap::new();
    for question in index.questions(|sought| !latest.has(sought)) {
        *by_place.entry((question.account, question.region)).or_default() += 1;
    }
    let unanswered = by_place.into_iter().map(|((account, region), resources)| Unanswered {
        account,
        region,
        resources,
        why: why.to_owned(),
    });
    Answered { asked: 0, left_out: 0, unanswered: unanswered.collect() }
}

/// Asks one place. After a call that fails it is left alone: the next one would not fare better.
async fn ask_in(index: &Index, place: &Place, questions: &[Question]) -> (Vec<Sighting>, Option<Unanswered>) {
    let mut sightings = Vec::new();
    let unanswered = |resources: usize, why: String| Unanswered {
        account: place.account().to_owned(),
        region: place.region().to_owned(),
        resources: resources as u64,
        why,
    };
    let Some(quota) = Quota::with_period(BETWEEN) else {
        return (sightings, Some(unanswered(questions.len(), "no time between requests".to_owned())));
    };
    let limit = RateLimiter::direct(quota);
    for (done, question) in questions.iter().enumerate() {
        for by in &question.by {
            let before = sightings.len();
            if let Err(why) = ask_for(index, place, &limit, question, by, &mut sightings).await {
                return (sightings, Some(unanswered(questions.len() - done, why)));
            }
            // A resource has one name that the history knows; a setting has several calls.
            if sightings.len() > before && !question.is_by_call {
                break;
            }
        }
    }
    (sightings, None)
}

async fn ask_for(
    index: &Index,
    place: &Place,
    limit: &DefaultDirectRateLimiter,
    question: &Question,
    by: &str,
    sightings: &mut Vec<Sighting>,
) -> Result<(), String> {
    let key =
        if question.is_by_call { LookupAttributeKey::EventName } else { LookupAttributeKey::ResourceName };
    let attribute = LookupAttribute::builder().attribute_key(key).attribute_value(by).build();
    let attribute = attribute.map_err(|error| error.to_string())?;
    let client = place.cloudtrail();
    let kept = index.until() - KEPT;
    let mut token: Option<String> = None;
    for _ in 0..MAX_PAGES {
        limit.until_ready().await;
        let page = place.call(&LOOKUP_EVENTS, || {
            client
                .lookup_events()
                .lookup_attributes(attribute.clone())
                .max_results(PAGE)
                .start_time(seconds(index.since().max(kept)))
                // Fractions are cut off.
                .end_time(seconds(index.until() + std::time::Duration::from_secs(1)))
                .set_next_token(token.clone())
                .send()
        });
        let page = page.await.map_err(|unseen| tell(&unseen, &LOOKUP_EVENTS, "*"))?.found();
        let Some(page) = page else { return Ok(()) };
        for event in page.events() {
            // One that cannot be read is no answer, and says nothing of the others.
            let Some(Ok(record)) = event.cloud_trail_event().map(|text| Record::parse(text.as_bytes()))
            else {
                continue;
            };
            index.look(&record, |sighting| sightings.push(sighting));
        }
        token = page.next_token.filter(|next| !next.is_empty());
        if token.is_none() {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};
    use upright_testkit::{Answer, Call, Server};

    use super::super::tests::{ACCOUNT, remote};
    use super::*;
    use crate::events::authors::Sought;

    fn bucket(number: usize, region: &str) -> Sought {
        Sought {
            key: format!("finding-{number}"),
            resource_type: "aws.s3.bucket".to_owned(),
            arn: Some(format!("arn:aws:s3:::bucket-{number}")),
            account: ACCOUNT.to_owned(),
            region: region.to_owned(),
            fields: BTreeSet::from(["policy".to_owned()]),
        }
    }

    fn index(sought: &[Sought]) -> Index {
        Index::of(sought, "2026-11-29T22:00:00Z".parse().unwrap(), "2026-11-29T23:00:00Z".parse().unwrap())
    }

    fn event(name: &str, bucket: &str, code: Option<&str>) -> Value {
        let record = json!({
            "eventID": name, "eventTime": "2026-11-29T22:10:00Z", "eventSource": "s3.amazonaws.com", "eventName": name,
            "awsRegion": "eu-west-1", "recipientAccountId": ACCOUNT, "errorCode": code, "readOnly": false,
            "requestParameters": { "bucketName": bucket }, "sourceIPAddress": "203.0.113.7",
            "userIdentity": { "type": "IAMUser", "userName": "alice" },
        });
        json!({ "EventId": name, "CloudTrailEvent": record.to_string() })
    }

    /// What is asked of a made-up event history, and what comes of it. The emulators have no event history.
    fn asked(
        sought: &[Sought],
        answer: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> (Answered, std::collections::BTreeMap<String, String>, Vec<Call>) {
        let server = Server::canned(move |call| {
            assert_eq!(call.operation, "cloudtrail:LookupEvents");
            Some(answer(call))
        });
        let server = server.start().unwrap();
        let remote = remote(&server);
        let (index, mut latest) = (index(sought), Latest::default());
        let answered = remote.wait_for(ask(&index, |_| Arc::clone(&remote.session), &mut latest));
        let calls = latest.into_calls(&index).into_iter().map(|(key, call)| (key, call.words())).collect();
        (answered, calls, server.requests().into_iter().map(|request| request.call).collect())
    }

    fn value(call: &Call) -> String {
        let body = format!("{call:?}");
        let at = body.find("bucket-").unwrap();
        body[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '-').collect()
    }

    #[test]
    fn a_resource_is_asked_for_by_name_and_page_two_is_read() {
        let (answered, calls, asked) = asked(&[bucket(1, "eu-west-1")], |call| {
            Answer::json(&match call.param("NextToken") {
                None => {
                    json!({ "Events": [event("PutBucketTagging", "bucket-2", None)], "NextToken": "two" })
                }
                Some(_) => json!({ "Events": [
                    event("DeleteBucketPolicy", "bucket-1", Some("AccessDenied")), { "CloudTrailEvent": "no record" },
                    event("PutBucketPolicy", "bucket-1", None),
                ] }),
            })
        });
        assert_eq!((answered.asked, answered.left_out, answered.unanswered.len()), (1, 0, 0));
        assert_eq!(calls["finding-1"], "by alice from 203.0.113.7, PutBucketPolicy, 2026-11-29 22:10 UTC");
        assert_eq!(asked.len(), 2, "the ARN is not asked for any more: {asked:?}");
        assert_eq!((asked[0].region.as_str(), value(&asked[0]).as_str()), ("eu-west-1", "bucket-1"));
        assert!(format!("{:?}", asked[0]).contains("ResourceName"), "{asked:?}");
    }

    #[test]
    fn a_region_that_denies_is_told_and_the_others_answer() {
        let sought = [bucket(1, "eu-west-1"), bucket(2, "us-east-1"), bucket(3, "us-east-1")];
        let (answered, calls, asked) = asked(&sought, |call| {
            if call.region == "us-east-1" {
                return Answer::error(call, 400, "AccessDeniedException", "no");
            }
            Answer::json(&json!({ "Events": [event("PutBucketPolicy", &value(call), None)] }))
        });
        assert_eq!(calls.len(), 1);
        assert_eq!(asked.len(), 2, "a place that denies is not asked again: {asked:?}");
        assert_eq!(answered.asked, 1);
        let [place] = answered.unanswered.as_slice() else { panic!("{answered:?}") };
        assert_eq!((place.region.as_str(), place.resources), ("us-east-1", 2));
        assert!(place.why.contains("allow `cloudtrail:LookupEvents` on `*`"), "{place:?}");
    }

    #[test]
    fn a_run_asks_for_so_many_and_says_how_many_it_left_out() {
        // In as many regions as there are buckets, so that nothing waits for the rate of one.
        let sought: Vec<Sought> =
            (0..MAX_RESOURCES + 7).map(|n| bucket(n, &format!("eu-west-{n}"))).collect();
        let (answered, calls, _) = asked(&sought, |call| {
            Answer::json(&json!({ "Events": [event("PutBucketPolicy", &value(call), None)] }))
        });
        assert_eq!((answered.asked, answered.left_out), (MAX_RESOURCES as u64, 7));
        assert!(calls.contains_key("finding-0") && !calls.contains_key(&format!("finding-{MAX_RESOURCES}")));
    }
}
