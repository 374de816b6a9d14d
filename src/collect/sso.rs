//! IAM Identity Center: its instances.
//!
//! Calls: `ListInstances` in every region. The IAM prefix is `sso`, the endpoint `sso`, the SDK's name
//! `sso-admin`.
//!
//! Quirks: an instance lives in one region
//! ([regions](https://docs.aws.amazon.com/singlesignon/latest/userguide/regions.html)) and often in another
//! account, so that an account without one proves little. Where Identity Center is not offered there is no
//! endpoint, and the region's list is unknown.

use aws_sdk_ssoadmin::types::InstanceMetadata;
use schemars::JsonSchema;
use serde::Serialize;

use super::touch::{Change, Target};
use super::{Ask, Collected, Kind, Observed, Scope};
use crate::aws::Call;
use crate::inventory::{Resource, Unseen};

static LIST_INSTANCES: Call = Call::list("sso", "ListInstances", "Instances");

/// The resource type of Identity Center instances.
pub static INSTANCE: Kind = Kind {
    name: "aws.sso.instance",
    collection: "identity_center_instances",
    single: false,
    scope: Scope::Regional,
    list: &[&LIST_INSTANCES],
    facets: &[],
    events: &[Change {
        source: "sso.amazonaws.com",
        names: &["CreateInstance", "DeleteInstance", "UpdateInstance"],
        target: Target::At(&["responseElements.instanceArn|requestParameters.instanceArn"]),
    }],
    schema: Instance::json_schema,
};

/// An instance of IAM Identity Center that the account owns or sees.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Instance {
    /// Its ARN.
    instance_arn: String,
    /// Id of the identity store behind it, such as `d-1234567890`; null while it is being made.
    identity_store: Option<String>,
    /// Account that owns it; null when AWS does not tell.
    owner_account: Option<String>,
    /// State, such as `ACTIVE`; null when AWS does not tell.
    status: Option<String>,
}

impl Observed for Instance {
    const KIND: &'static Kind = &INSTANCE;
}

/// Collects the instances of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&INSTANCE) {
        return Collected::nothing();
    }
    let client = ask.place.sso();
    let listed = ask
        .place
        .pages(&LIST_INSTANCES, || client.list_instances().into_paginator().send(), |page| page.instances)
        .await;
    let mut end = listed.end.map(|_| ());
    let mut resources = Vec::new();
    for instance in listed.items {
        match read_instance(ask, instance) {
            Ok(resource) => resources.push(resource),
            Err(unseen) => end = end.and(Err(unseen)),
        }
    }
    Collected::of(ask.place, &INSTANCE, resources, end)
}

fn read_instance(ask: Ask<'_>, instance: InstanceMetadata) -> Result<Resource, Unseen> {
    let arn = instance
        .instance_arn
        .ok_or_else(|| ask.place.malformed(&LIST_INSTANCES, "an instance has no `InstanceArn`"))?;
    // People rarely name it; the last part of the ARN tells instances apart.
    let id = arn.rsplit('/').next().unwrap_or(&arn).to_owned();
    let name = instance.name.filter(|name| !name.is_empty()).unwrap_or(id);
    let observed = Instance {
        instance_arn: arn.clone(),
        identity_store: instance.identity_store_id,
        owner_account: instance.owner_account_id,
        status: instance.status.map(|status| status.as_str().to_owned()),
    };
    Ok(ask.resource(arn, name, &observed))
}
