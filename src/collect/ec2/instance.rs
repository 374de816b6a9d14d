//! Instances.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types as sdk;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::iam::InstanceProfile;
use super::super::schema::Link;
use super::super::touch::{Change, Target};
use super::super::{Ask, Collected, Kind, Observed, Scope};
use super::lists::{DESCRIBE_INSTANCES, Lists, Reserved};
use super::{Missing, SecurityGroup, must};
use crate::inventory::Resource;

/// The resource type of instances.
pub static INSTANCE: Kind = Kind {
    name: "aws.ec2.instance",
    collection: "instances",
    single: false,
    scope: Scope::Regional,
    list: &[&DESCRIBE_INSTANCES],
    facets: &[],
    events: &[
        Change {
            source: "ec2.amazonaws.com",
            names: &["RunInstances", "StartInstances", "StopInstances", "TerminateInstances"],
            target: Target::At(&[
                "responseElements.instancesSet.items.*.instanceId|requestParameters.instancesSet.items.*.instanceId",
            ]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &[
                "AttachNetworkInterface",
                "ModifyInstanceAttribute",
                "ModifyInstanceMetadataOptions",
                "ResetInstanceAttribute",
            ],
            target: Target::At(&[
                "requestParameters.instanceId|requestParameters.ModifyInstanceMetadataOptionsRequest.InstanceId",
            ]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["AssociateIamInstanceProfile"],
            target: Target::At(&["requestParameters.AssociateIamInstanceProfileRequest.InstanceId"]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["DisassociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation"],
            target: Target::At(&[
                "responseElements.DisassociateIamInstanceProfileResponse.iamInstanceProfileAssociation.instanceId|responseElements.ReplaceIamInstanceProfileAssociationResponse.iamInstanceProfileAssociation.instanceId",
            ]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["AssociateAddress"],
            target: Target::At(&["requestParameters.instanceId"]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &[
                "AssignIpv6Addresses",
                "DetachNetworkInterface",
                "DisassociateAddress",
                "ModifyNetworkInterfaceAttribute",
                "UnassignIpv6Addresses",
            ],
            target: Target::Any("the event does not say whose network interface it is about"),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["CreateTags", "DeleteTags"],
            target: Target::Starting("i-", &["requestParameters.resourcesSet.items.*.resourceId"]),
        },
    ],
    schema: Instance::json_schema,
};

/// An instance. AWS lists a terminated one for about an hour more.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Instance {
    /// Such as `i-0123456789abcdef0`.
    id: String,
    /// `pending`, `running`, `stopping`, `stopped`, `shutting-down` or `terminated`.
    state: String,
    /// Such as `t3.micro`.
    instance_type: String,
    /// Id of the image that it was started from.
    image_id: Option<String>,
    /// When it was last started.
    launched_at: Option<String>,
    /// How it offers its metadata; null when AWS reports nothing about that.
    metadata: Option<Metadata>,
    /// ARN of its instance profile, which stays when the profile is deleted.
    profile_arn: Option<String>,
    /// Its instance profile.
    profile: Option<Link<InstanceProfile>>,
    /// Id of the VPC that it runs in; null once it is terminated.
    vpc_id: Option<String>,
    /// Id of the subnet of its first network interface; null once it is terminated.
    subnet_id: Option<String>,
    /// Public IPv4 addresses of all its network interfaces.
    public_addresses: Vec<String>,
    /// IPv6 addresses of all its network interfaces.
    ipv6_addresses: Vec<String>,
    /// The security groups of all its network interfaces.
    security_groups: Vec<Link<SecurityGroup>>,
    /// Its tags.
    tags: BTreeMap<String, String>,
}

impl Observed for Instance {
    const KIND: &'static Kind = &INSTANCE;
}

/// How an instance offers its metadata.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Metadata {
    /// `required` (IMDSv2 only) or `optional`.
    http_tokens: String,
    /// `enabled` or `disabled`.
    http_endpoint: String,
    /// How many network hops an answer may travel.
    hop_limit: i32,
    /// `applied`, or `pending` while a change is made.
    state: String,
}

pub(super) fn collect(ask: Ask<'_>, lists: &Lists) -> Collected {
    // A group that another account shares is known by that account's ARN.
    let owners: BTreeMap<&str, &str> = lists
        .security_groups
        .items
        .iter()
        .filter_map(|group| Some((group.group_id.as_deref()?, group.owner_id.as_deref()?)))
        .collect();
    super::resources(ask, &INSTANCE, &lists.instances, |reserved| resource(ask, reserved, &owners))
}

fn resource(ask: Ask<'_>, reserved: &Reserved, owners: &BTreeMap<&str, &str>) -> Result<Resource, Missing> {
    let instance = &reserved.instance;
    let id = must(instance.instance_id.clone(), AN_INSTANCE, "instanceId")?;
    let tags = super::tags(instance.tags.as_deref())?;
    let name = super::name(&tags, &id);
    let arn = super::arn(ask, reserved.owner.as_deref(), &format!("instance/{id}"));
    let state = instance.state.as_ref().and_then(|state| state.name.as_ref());
    let profile_arn = match &instance.iam_instance_profile {
        Some(profile) => Some(must(profile.arn.clone(), AN_INSTANCE, "iamInstanceProfile.arn")?),
        None => None,
    };
    let group = |id| Link::to(super::arn(ask, owners.get(id).copied(), &format!("security-group/{id}")));
    let observed = Instance {
        state: must(state, AN_INSTANCE, "instanceState")?.as_str().to_owned(),
        instance_type: must(instance.instance_type.as_ref(), AN_INSTANCE, "instanceType")?
            .as_str()
            .to_owned(),
        image_id: instance.image_id.clone(),
        launched_at: instance.launch_time.map(super::super::time),
        metadata: instance.metadata_options.as_ref().map(metadata).transpose()?,
        profile: profile_arn.clone().map(Link::to),
        profile_arn,
        vpc_id: instance.vpc_id.clone(),
        subnet_id: instance.subnet_id.clone(),
        public_addresses: public_addresses(instance),
        ipv6_addresses: ipv6_addresses(instance),
        security_groups: security_groups(instance).into_iter().map(group).collect(),
        tags,
        id,
    };
    Ok(ask.resource(arn, name, &observed))
}

const AN_INSTANCE: &str = "an instance";

fn metadata(of: &sdk::InstanceMetadataOptionsResponse) -> Result<Metadata, Missing> {
    const OPTIONS: &str = "the metadata options of an instance";
    Ok(Metadata {
        http_tokens: must(of.http_tokens.as_ref(), OPTIONS, "httpTokens")?.as_str().to_owned(),
        http_endpoint: must(of.http_endpoint.as_ref(), OPTIONS, "httpEndpoint")?.as_str().to_owned(),
        hop_limit: must(of.http_put_response_hop_limit, OPTIONS, "httpPutResponseHopLimit")?,
        state: must(of.state.as_ref(), OPTIONS, "state")?.as_str().to_owned(),
    })
}

/// The instance names one address; further interfaces and secondary addresses can have more.
fn public_addresses(instance: &sdk::Instance) -> Vec<String> {
    let interfaces = instance.network_interfaces();
    let associations = interfaces.iter().flat_map(|interface| {
        let secondary = interface.private_ip_addresses().iter().filter_map(|one| one.association.as_ref());
        interface.association.iter().chain(secondary)
    });
    let all: BTreeSet<&String> =
        associations.filter_map(|of| of.public_ip.as_ref()).chain(&instance.public_ip_address).collect();
    all.into_iter().cloned().collect()
}

fn ipv6_addresses(instance: &sdk::Instance) -> Vec<String> {
    let interfaces = instance.network_interfaces();
    let all: BTreeSet<&String> = interfaces
        .iter()
        .flat_map(sdk::InstanceNetworkInterface::ipv6_addresses)
        .filter_map(|address| address.ipv6_address.as_ref())
        .chain(&instance.ipv6_address)
        .collect();
    all.into_iter().cloned().collect()
}

/// The instance names the groups of its first interface only.
fn security_groups(instance: &sdk::Instance) -> BTreeSet<&str> {
    instance
        .network_interfaces()
        .iter()
        .flat_map(sdk::InstanceNetworkInterface::groups)
        .chain(instance.security_groups())
        .filter_map(sdk::GroupIdentifier::group_id)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn association(address: &str) -> sdk::InstanceNetworkInterfaceAssociation {
        sdk::InstanceNetworkInterfaceAssociation::builder().public_ip(address).build()
    }

    fn group(id: &str) -> sdk::GroupIdentifier {
        sdk::GroupIdentifier::builder().group_id(id).build()
    }

    fn two_interfaces() -> sdk::Instance {
        let secondary =
            sdk::InstancePrivateIpAddress::builder().association(association("198.51.100.9")).build();
        let ipv6 = sdk::InstanceIpv6Address::builder().ipv6_address("2001:db8::1").build();
        let first = sdk::InstanceNetworkInterface::builder()
            .association(association("203.0.113.5"))
            .groups(group("sg-1"))
            .ipv6_addresses(ipv6)
            .build();
        let second = sdk::InstanceNetworkInterface::builder()
            .association(sdk::InstanceNetworkInterfaceAssociation::builder().build())
            .private_ip_addresses(secondary)
            .groups(group("sg-2"))
            .build();
        sdk::Instance::builder()
            .public_ip_address("203.0.113.5")
            .security_groups(group("sg-1"))
            .network_interfaces(first)
            .network_interfaces(second)
            .build()
    }

    #[test]
    fn every_interface_counts() {
        let instance = two_interfaces();
        assert_eq!(public_addresses(&instance), ["198.51.100.9", "203.0.113.5"]);
        assert_eq!(ipv6_addresses(&instance), ["2001:db8::1"]);
        assert_eq!(security_groups(&instance), BTreeSet::from(["sg-1", "sg-2"]));
    }

    #[test]
    fn half_of_the_metadata_options_is_not_understood() {
        let whole = sdk::InstanceMetadataOptionsResponse::builder()
            .http_tokens(sdk::HttpTokensState::Optional)
            .http_endpoint(sdk::InstanceMetadataEndpointState::Disabled)
            .http_put_response_hop_limit(2)
            .state(sdk::InstanceMetadataOptionsState::Pending);
        let read = metadata(&whole.clone().build()).unwrap();
        assert_eq!((read.http_tokens.as_str(), read.http_endpoint.as_str()), ("optional", "disabled"));
        assert_eq!((read.hop_limit, read.state.as_str()), (2, "pending"));
        assert!(metadata(&whole.set_http_tokens(None).build()).is_err());
    }
}
