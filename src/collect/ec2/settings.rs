//! Settings of EC2 that a region has once.

use aws_sdk_ec2::Client;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::touch::{Change, Target};
use super::super::{Ask, Collected, Gone, Kind, Observed, Per, Row, Scope};
use crate::aws::{Call, Reply};
use crate::inventory::{Facet, Unseen};

static GET_EBS_ENCRYPTION_BY_DEFAULT: Call =
    Call::one("ec2", "GetEbsEncryptionByDefault", "ebsEncryptionByDefault");

/// The resource type of a region's settings.
pub static REGION_SETTINGS: Kind = Kind {
    name: "aws.ec2.region_settings",
    collection: "ec2_settings",
    single: true,
    scope: Scope::Regional,
    list: &[],
    facets: &[Row {
        field: "ebs_encryption_by_default",
        calls: &[&GET_EBS_ENCRYPTION_BY_DEFAULT],
        per: Per::Place,
    }],
    events: &[Change {
        source: "ec2.amazonaws.com",
        names: &["DisableEbsEncryptionByDefault", "EnableEbsEncryptionByDefault"],
        target: Target::Place,
    }],
    schema: RegionSettings::json_schema,
};

/// Settings of EC2 in one region. They have no ARN; the name is the region's.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RegionSettings {
    /// Whether new EBS volumes are encrypted unless asked otherwise.
    ebs_encryption_by_default: Facet<bool>,
}

impl Observed for RegionSettings {
    const KIND: &'static Kind = &REGION_SETTINGS;
}

/// The region's settings as a resource.
pub(super) async fn collect(ask: Ask<'_>, ec2: &Client) -> Collected {
    if !ask.wanted.kind(&REGION_SETTINGS) {
        return Collected::nothing();
    }
    let read = ask.facet(&REGION_SETTINGS, "ebs_encryption_by_default", ebs_encryption(ask, ec2)).await;
    let resources = match read {
        Ok(ebs_encryption_by_default) => {
            let observed = RegionSettings { ebs_encryption_by_default };
            vec![ask.resource(String::new(), ask.place.region().to_owned(), &observed)]
        }
        Err(Gone) => Vec::new(),
    };
    Collected::of(ask.place, &REGION_SETTINGS, resources, Ok(()))
}

async fn ebs_encryption(ask: Ask<'_>, ec2: &Client) -> Result<Reply<bool>, Unseen> {
    let call = &GET_EBS_ENCRYPTION_BY_DEFAULT;
    let reply = ask.place.call(call, || ec2.get_ebs_encryption_by_default().send()).await?;
    reply.and_then(|output| {
        output
            .ebs_encryption_by_default
            .ok_or_else(|| ask.place.malformed(call, "`ebsEncryptionByDefault` is missing"))
    })
}
