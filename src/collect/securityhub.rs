//! Security Hub: whether it is on in a region.
//!
//! Calls: [`DescribeHub`](https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_DescribeHub.html) in every
//! region, and [`DescribeSecurityHubV2`](https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_DescribeSecurityHubV2.html).
//!
//! Quirks: there are two services of the name. Security Hub CSPM is the one that checks against standards; the
//! newer Security Hub brings findings together. An account that uses neither gets `InvalidAccessException` from
//! the first ("is not subscribed to AWS Security Hub"), which reads like a denial and is an answer, and
//! `ResourceNotFoundException` from the second.

use aws_sdk_securityhub::Client;
use schemars::JsonSchema;
use serde::Serialize;

use super::touch::{Change, Target};
use super::{Ask, Collected, Kind, Observed, Per, Row, Scope, text};
use crate::aws::{Call, Place};
use crate::inventory::{Facet, Unseen};

static DESCRIBE_HUB: Call = Call::one("securityhub", "DescribeHub", "HubArn")
    .absent(&["InvalidAccessException", "ResourceNotFoundException"]);
static DESCRIBE_SECURITY_HUB_V2: Call =
    Call::one("securityhub", "DescribeSecurityHubV2", "HubV2Arn").absent(&["ResourceNotFoundException"]);

/// The resource type of a region's Security Hub.
pub static REGION: Kind = Kind {
    name: "aws.securityhub.region",
    collection: "security_hub_regions",
    single: true,
    scope: Scope::Regional,
    list: &[],
    facets: &[
        Row { field: "hub", calls: &[&DESCRIBE_HUB], per: Per::Place },
        Row { field: "hub_v2", calls: &[&DESCRIBE_SECURITY_HUB_V2], per: Per::Place },
    ],
    events: &[Change {
        source: "securityhub.amazonaws.com",
        names: &["DisableSecurityHub", "DisableSecurityHubV2", "EnableSecurityHub", "EnableSecurityHubV2"],
        target: Target::Place,
    }],
    schema: HubRegion::json_schema,
};

/// Security Hub in one region.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HubRegion {
    /// Security Hub CSPM; null when the account does not use it here.
    hub: Facet<Option<Hub>>,
    /// The newer Security Hub; null when the account does not use it here.
    hub_v2: Facet<Option<Hub>>,
}

impl Observed for HubRegion {
    const KIND: &'static Kind = &REGION;
}

/// A hub.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Hub {
    /// Its ARN.
    arn: String,
    /// When the account began to use it, as AWS writes it.
    subscribed_at: String,
}

/// Collects the state of Security Hub in one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&REGION) {
        return Collected::nothing();
    }
    let client = ask.place.securityhub();
    let (hub, hub_v2) = futures::join!(
        ask.fill(&REGION, "hub", read_hub(ask.place, &client)),
        ask.fill(&REGION, "hub_v2", read_hub_v2(ask.place, &client)),
    );
    ask.settings(&HubRegion { hub, hub_v2 })
}

async fn read_hub(place: &Place, client: &Client) -> Result<Option<Hub>, Unseen> {
    let call = &DESCRIBE_HUB;
    let Some(output) = place.call(call, || client.describe_hub().send()).await?.found() else {
        return Ok(None);
    };
    let arn = text(place, call, "HubArn", output.hub_arn)?;
    Ok(Some(Hub { arn, subscribed_at: text(place, call, "SubscribedAt", output.subscribed_at)? }))
}

async fn read_hub_v2(place: &Place, client: &Client) -> Result<Option<Hub>, Unseen> {
    let call = &DESCRIBE_SECURITY_HUB_V2;
    let Some(output) = place.call(call, || client.describe_security_hub_v2().send()).await?.found() else {
        return Ok(None);
    };
    let arn = text(place, call, "HubV2Arn", output.hub_v2_arn)?;
    Ok(Some(Hub { arn, subscribed_at: text(place, call, "SubscribedAt", output.subscribed_at)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_subscribed_is_an_answer_although_it_reads_like_a_denial() {
        let not_subscribed = "Account 111122223333 is not subscribed to AWS Security Hub";
        assert!(DESCRIBE_HUB.says_none("InvalidAccessException", not_subscribed));
        assert!(DESCRIBE_HUB.says_none("ResourceNotFoundException", "Hub not found"));
        assert!(DESCRIBE_SECURITY_HUB_V2.says_none("ResourceNotFoundException", "Hub not found"));
    }

    #[test]
    fn a_missing_permission_does_not_say_that_it_is_off() {
        let denied =
            "User: arn:aws:iam::111122223333:user/ann is not authorized to perform: securityhub:DescribeHub";
        for call in [&DESCRIBE_HUB, &DESCRIBE_SECURITY_HUB_V2] {
            for code in
                ["AccessDeniedException", "AccessDenied", "InternalException", "LimitExceededException"]
            {
                assert!(!call.says_none(code, denied), "{code}");
            }
        }
    }
}
