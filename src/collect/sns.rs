//! SNS: topics with their policy and subscriptions.
//!
//! Calls: `ListTopics` in every region, then `GetTopicAttributes` and `ListSubscriptionsByTopic` once for each topic.
//!
//! Quirks: a subscription that nobody confirmed has the text `PendingConfirmation` where its ARN would be, one that
//! is being removed `Deleted`
//! ([ListSubscriptionsByTopic](https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html)). The
//! policy is JSON text among the attributes
//! ([GetTopicAttributes](https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html)). Addresses of
//! subscribers are not kept.

use aws_sdk_sns::Client;
use aws_sdk_sns::types as sdk;
use futures::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::schema::PolicyDocument;
use super::touch::{Change, Target};
use super::{Ask, Collected, Gone, Kind, Observed, Per, Row, Scope};
use crate::aws::{Call, Reply};
use crate::inventory::{Facet, Resource, Unseen};

static LIST_TOPICS: Call = Call::list("sns", "ListTopics", "Topics");
static GET_TOPIC_ATTRIBUTES: Call = Call::one("sns", "GetTopicAttributes", "Attributes").gone(&["NotFound"]);
static LIST_SUBSCRIPTIONS_BY_TOPIC: Call =
    Call::list("sns", "ListSubscriptionsByTopic", "Subscriptions").gone(&["NotFound"]);

/// The resource type of topics.
pub static TOPIC: Kind = Kind {
    name: "aws.sns.topic",
    collection: "topics",
    single: false,
    scope: Scope::Regional,
    list: &[&LIST_TOPICS],
    facets: &[
        Row { field: "policy", calls: &[&GET_TOPIC_ATTRIBUTES], per: Per::Resource },
        Row { field: "subscriptions", calls: &[&LIST_SUBSCRIPTIONS_BY_TOPIC], per: Per::Resource },
    ],
    events: &[
        Change {
            source: "sns.amazonaws.com",
            names: &[
                "AddPermission",
                "ConfirmSubscription",
                "CreateTopic",
                "DeleteTopic",
                "RemovePermission",
                "SetTopicAttributes",
                "Subscribe",
            ],
            target: Target::At(&[
                "requestParameters.topicArn|responseElements.topicArn|requestParameters.name",
            ]),
        },
        Change {
            source: "sns.amazonaws.com",
            names: &["Unsubscribe"],
            target: Target::At(&["requestParameters.subscriptionArn"]),
        },
    ],
    schema: Topic::json_schema,
};

/// A topic.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Topic {
    /// Who may use it; null when it has no policy.
    policy: Facet<Option<PolicyDocument>>,
    /// Who is told of what is published.
    subscriptions: Facet<Vec<Subscription>>,
}

impl Observed for Topic {
    const KIND: &'static Kind = &TOPIC;
}

/// A subscription of a topic.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Subscription {
    /// Such as `email`, `sqs` or `lambda`.
    protocol: String,
    /// Whether it gets anything: it is neither waiting to be confirmed nor being removed.
    is_confirmed: bool,
}

/// Collects the topics of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&TOPIC) {
        return Collected::nothing();
    }
    let client = ask.place.sns();
    let open = || client.list_topics().into_paginator().send();
    let listed = ask.place.pages(&LIST_TOPICS, open, |page| page.topics).await;
    let mut end = listed.end.map(|_| ());
    let is_asked = |topic: &sdk::Topic| {
        let arn = topic.topic_arn.as_deref().unwrap_or_default();
        ask.takes(&TOPIC, arn, arn.rsplit(':').next().unwrap_or_default())
    };
    let asked = listed.items.into_iter().filter(is_asked);
    let read = join_all(asked.map(|topic| read_topic(ask, &client, topic))).await;
    let mut resources = Vec::new();
    for topic in read {
        match topic {
            Ok(resource) => resources.extend(resource),
            Err(unseen) => end = end.and(Err(unseen)),
        }
    }
    Collected::of(ask.place, &TOPIC, resources, end)
}

/// `None` when the topic was deleted meanwhile.
async fn read_topic(ask: Ask<'_>, client: &Client, topic: sdk::Topic) -> Result<Option<Resource>, Unseen> {
    let arn = topic.topic_arn.filter(|arn| !arn.is_empty());
    let arn = arn.ok_or_else(|| ask.place.malformed(&LIST_TOPICS, "a topic has no `TopicArn`"))?;
    let name = arn.rsplit(':').next().unwrap_or(&arn).to_owned();
    let facets = futures::try_join!(
        ask.optional(&TOPIC, "policy", read_policy(ask, client, &arn)),
        ask.facet(&TOPIC, "subscriptions", read_subscriptions(ask, client, &arn)),
    );
    Ok(match facets {
        Ok((policy, subscriptions)) => {
            // The attributes always answer; the policy among them may be missing.
            let policy = policy.map(Option::flatten);
            Some(ask.resource(arn, name, &Topic { policy, subscriptions }))
        }
        Err(Gone) => None,
    })
}

async fn read_policy(
    ask: Ask<'_>,
    client: &Client,
    arn: &str,
) -> Result<Reply<Option<PolicyDocument>>, Unseen> {
    let call = &GET_TOPIC_ATTRIBUTES;
    let reply = ask.place.call(call, || client.get_topic_attributes().topic_arn(arn).send()).await?;
    reply.and_then(|output| {
        let attributes =
            output.attributes.ok_or_else(|| ask.place.malformed(call, "`Attributes` is missing"))?;
        let Some(text) = attributes.get("Policy").filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        PolicyDocument::parse(text)
            .map(Some)
            .map_err(|error| ask.place.malformed(call, &format!("`Policy` is no JSON: {error}")))
    })
}

async fn read_subscriptions(
    ask: Ask<'_>,
    client: &Client,
    arn: &str,
) -> Result<Reply<Vec<Subscription>>, Unseen> {
    let call = &LIST_SUBSCRIPTIONS_BY_TOPIC;
    let open = || client.list_subscriptions_by_topic().topic_arn(arn).into_paginator().send();
    let listed = ask.place.pages(call, open, |page| page.subscriptions).await;
    listed.complete()?.and_then(|subscriptions| {
        let read = subscriptions.into_iter().map(|subscription| {
            read_subscription(subscription).ok_or_else(|| {
                ask.place.malformed(call, "a subscription has no `SubscriptionArn` or `Protocol`")
            })
        });
        read.collect()
    })
}

fn read_subscription(subscription: sdk::Subscription) -> Option<Subscription> {
    let arn = subscription.subscription_arn.filter(|arn| !arn.is_empty())?;
    Some(Subscription { protocol: subscription.protocol?, is_confirmed: arn.starts_with("arn:") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arn: Option<&str>) -> Option<bool> {
        let subscription = sdk::Subscription::builder()
            .protocol("email")
            .set_subscription_arn(arn.map(str::to_owned))
            .build();
        read_subscription(subscription).map(|read| read.is_confirmed)
    }

    #[test]
    fn a_subscription_counts_when_it_has_an_arn_and_is_not_guessed_without() {
        assert_eq!(read(Some("arn:aws:sns:us-east-1:111122223333:alarms:0a")), Some(true));
        assert_eq!(read(Some("PendingConfirmation")), Some(false));
        assert_eq!(read(Some("Deleted")), Some(false));
        assert_eq!((read(Some("")), read(None)), (None, None));
    }
}
