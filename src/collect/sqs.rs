//! SQS: queues with their policy.
//!
//! Calls: `ListQueues` in every region, then `GetQueueAttributes` once for each queue.
//!
//! Quirks: queues are listed by their
//! [address](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html),
//! which ends with account and name. `ListQueues`
//! [pages](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html) only when it is
//! told how many queues a page may have, and its answer has no list when there are none.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use futures::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::schema::PolicyDocument;
use super::touch::{Change, Target};
use super::{Ask, Collected, Gone, Kind, Observed, Per, Row, Scope};
use crate::aws::{Call, Reply};
use crate::inventory::{Facet, Resource, Unseen};

/// The most that a page of `ListQueues` holds.
const PAGE_SIZE: i32 = 1000;

// An account without queues is answered with `{}`.
static LIST_QUEUES: Call = Call::list("sqs", "ListQueues", "{");
static GET_QUEUE_ATTRIBUTES: Call = Call::one("sqs", "GetQueueAttributes", "QueueArn")
    .gone(&["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"]);

/// The resource type of queues.
pub static QUEUE: Kind = Kind {
    name: "aws.sqs.queue",
    collection: "queues",
    single: false,
    scope: Scope::Regional,
    list: &[&LIST_QUEUES],
    facets: &[Row { field: "policy", calls: &[&GET_QUEUE_ATTRIBUTES], per: Per::Resource }],
    events: &[
        Change {
            source: "sqs.amazonaws.com",
            names: &["AddPermission", "DeleteQueue", "RemovePermission", "SetQueueAttributes"],
            target: Target::At(&["requestParameters.queueUrl"]),
        },
        Change {
            source: "sqs.amazonaws.com",
            names: &["CreateQueue"],
            target: Target::At(&["requestParameters.queueName"]),
        },
    ],
    schema: Queue::json_schema,
};

/// A queue.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Queue {
    /// Its address.
    url: String,
    /// Who may use it; null when it has no policy.
    policy: Facet<Option<PolicyDocument>>,
}

impl Observed for Queue {
    const KIND: &'static Kind = &QUEUE;
}

/// Collects the queues of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&QUEUE) {
        return Collected::nothing();
    }
    let client = ask.place.sqs();
    let open = || client.list_queues().into_paginator().page_size(PAGE_SIZE).send();
    let listed = ask.place.pages(&LIST_QUEUES, open, |page| Some(page.queue_urls.unwrap_or_default())).await;
    let mut end = listed.end.map(|_| ());
    let is_asked = |url: &String| {
        let name = url.rsplit('/').next().unwrap_or_default();
        ask.takes(&QUEUE, &ask.arn("sqs", ask.place.region(), name), name)
    };
    let asked = listed.items.into_iter().filter(is_asked);
    let read = join_all(asked.map(|url| read_queue(ask, &client, url))).await;
    let mut resources = Vec::new();
    for queue in read {
        match queue {
            Ok(resource) => resources.extend(resource),
            Err(unseen) => end = end.and(Err(unseen)),
        }
    }
    Collected::of(ask.place, &QUEUE, resources, end)
}

/// `None` when the queue was deleted meanwhile.
async fn read_queue(ask: Ask<'_>, client: &Client, url: String) -> Result<Option<Resource>, Unseen> {
    let name = url.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned);
    let name = name.ok_or_else(|| ask.place.malformed(&LIST_QUEUES, "the address of a queue has no name"))?;
    let policy = match ask.optional(&QUEUE, "policy", read_policy(ask, client, &url)).await {
        Ok(policy) => policy.map(Option::flatten),
        Err(Gone) => return Ok(None),
    };
    let arn = ask.arn("sqs", ask.place.region(), &name);
    Ok(Some(ask.resource(arn, name, &Queue { url, policy })))
}

async fn read_policy(
    ask: Ask<'_>,
    client: &Client,
    url: &str,
) -> Result<Reply<Option<PolicyDocument>>, Unseen> {
    let call = &GET_QUEUE_ATTRIBUTES;
    // The ARN is asked for as well: without any attribute to tell, AWS leaves the list of them out.
    let send = || {
        client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(QueueAttributeName::QueueArn)
            .attribute_names(QueueAttributeName::Policy)
            .send()
    };
    ask.place.call(call, send).await?.and_then(|output| {
        let attributes =
            output.attributes.ok_or_else(|| ask.place.malformed(call, "`Attributes` is missing"))?;
        let Some(text) = attributes.get(&QueueAttributeName::Policy).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        PolicyDocument::parse(text)
            .map(Some)
            .map_err(|error| ask.place.malformed(call, &format!("`Policy` is no JSON: {error}")))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use upright_testkit::Answer;

    use super::QUEUE;
    use crate::collect::canned;

    fn queue(attributes: serde_json::Value) -> canned::Seen {
        canned::collect(&QUEUE, &["policy"], move |call| {
            Some(Answer::json(&match call.operation.as_str() {
                "sqs:ListQueues" => json!({ "QueueUrls": ["https://sqs.example/111122223333/orders"] }),
                "sqs:GetQueueAttributes" => json!({ "Attributes": attributes }),
                _ => return None,
            }))
        })
    }

    #[test]
    fn a_queue_without_a_policy_has_none_and_one_that_is_no_json_is_unknown() {
        let arn = "arn:aws:sqs:eu-west-1:111122223333:orders";
        assert_eq!(*queue(json!({ "QueueArn": arn })).known("policy"), json!(null));
        let set = queue(json!({ "QueueArn": arn, "Policy": "{\"Statement\":[]}" }));
        assert_eq!(*set.known("policy"), json!({ "Statement": [] }));
        let broken = queue(json!({ "QueueArn": arn, "Policy": "{" }));
        assert!(matches!(broken.field("policy"), crate::inventory::Facet::Unknown(_)));
    }
}
