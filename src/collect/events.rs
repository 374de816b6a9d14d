//! EventBridge: event buses with their policy.
//!
//! Calls: [`ListEventBuses`](https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListEventBuses.html) in
//! every region. It answers with the policies.
//!
//! Quirks: the SDK has no paginator for it.

use aws_sdk_eventbridge::types as sdk;
use schemars::JsonSchema;
use serde::Serialize;

use super::schema::PolicyDocument;
use super::touch::{Change, Target};
use super::{Ask, Collected, Kind, Observed, Scope};
use crate::aws::{Call, by_token};
use crate::inventory::{Resource, Unseen};

static LIST_EVENT_BUSES: Call = Call::list("events", "ListEventBuses", "EventBuses");

/// The resource type of event buses.
pub static BUS: Kind = Kind {
    name: "aws.events.bus",
    collection: "event_buses",
    single: false,
    scope: Scope::Regional,
    list: &[&LIST_EVENT_BUSES],
    facets: &[],
    events: &[
        Change {
            source: "events.amazonaws.com",
            names: &["CreateEventBus", "DeleteEventBus", "UpdateEventBus"],
            target: Target::At(&["requestParameters.name"]),
        },
        Change {
            source: "events.amazonaws.com",
            names: &["PutPermission", "RemovePermission"],
            target: Target::At(&["requestParameters.eventBusName"]),
        },
    ],
    schema: Bus::json_schema,
};

/// An event bus.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Bus {
    /// Who may send events to it; null when only the account may.
    policy: Option<PolicyDocument>,
}

impl Observed for Bus {
    const KIND: &'static Kind = &BUS;
}

/// Collects the event buses of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&BUS) {
        return Collected::nothing();
    }
    let client = ask.place.events();
    let open = || {
        let client = client.clone();
        by_token(
            move |token| client.list_event_buses().set_next_token(token).send(),
            |page| page.next_token.clone(),
        )
    };
    let listed = ask.place.pages(&LIST_EVENT_BUSES, open, |page| page.event_buses).await;
    let mut end = listed.end.map(|_| ());
    let mut resources = Vec::new();
    for bus in listed.items {
        match read_bus(ask, bus) {
            Ok(resource) => resources.push(resource),
            Err(unseen) => end = end.and(Err(unseen)),
        }
    }
    Collected::of(ask.place, &BUS, resources, end)
}

fn read_bus(ask: Ask<'_>, bus: sdk::EventBus) -> Result<Resource, Unseen> {
    let wrong = |what: &str| ask.place.malformed(&LIST_EVENT_BUSES, &format!("an event bus {what}"));
    let arn = bus.arn.ok_or_else(|| wrong("has no `Arn`"))?;
    let name = bus.name.ok_or_else(|| wrong("has no `Name`"))?;
    let policy = bus.policy.filter(|text| !text.is_empty()).map(|text| PolicyDocument::parse(&text));
    let policy =
        policy.transpose().map_err(|error| wrong(&format!("has a `Policy` that is no JSON: {error}")))?;
    Ok(ask.resource(arn, name, &Bus { policy }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use upright_testkit::Answer;

    use super::BUS;
    use crate::collect::canned;

    #[test]
    fn the_policy_of_a_bus_comes_with_the_list_and_may_be_missing() {
        let arn = "arn:aws:events:eu-west-1:111122223333:event-bus/default";
        let bus = |more: &'static str| {
            canned::collect(&BUS, &[], move |call| {
                let mut bus = json!({ "Name": "default", "Arn": arn });
                if !more.is_empty() {
                    bus["Policy"] = json!(more);
                }
                let answer = Answer::json(&json!({ "EventBuses": [bus] }));
                (call.operation == "events:ListEventBuses").then_some(answer)
            })
        };
        assert_eq!(*bus("").known("policy"), json!(null));
        assert_eq!(*bus("{\"Statement\":[]}").known("policy"), json!({ "Statement": [] }));
    }
}
