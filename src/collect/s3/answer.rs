//! What is made of S3's answers. Nothing here calls AWS.

use std::collections::BTreeMap;

use aws_sdk_s3::{operation as op, types as sdk};

use super::{Acl, Encryption, Grant, Logging, PolicyStatus, PublicAccessBlock, Versioning};
use crate::aws::{Call, Place};
use crate::collect::schema::PolicyDocument;
use crate::inventory::Unseen;

/// The region of buckets without a location constraint.
const CLASSIC_REGION: &str = "us-east-1";

/// What is wrong with an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Wrong {
    /// A member that is always there is not.
    Missing(&'static str),
    /// A policy is not JSON.
    Policy(String),
}

impl Wrong {
    pub(super) fn unseen(self, place: &Place, call: &Call) -> Unseen {
        match self {
            Self::Missing(member) => place.malformed(call, &format!("`{member}` is missing")),
            Self::Policy(error) => place.malformed(call, &format!("the policy is not JSON: {error}")),
        }
    }
}

/// Reads a location constraint, which is older than the names of regions.
///
/// Source: [GetBucketLocation](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html).
pub(super) fn region_of(
    output: &op::get_bucket_location::GetBucketLocationOutput,
    partition: &str,
) -> Result<String, Wrong> {
    match output.location_constraint.as_ref().map_or("", |constraint| constraint.as_str().trim()) {
        // Only the first region has no constraint, and other partitions do not have that region.
        "" if partition == "aws" => Ok(CLASSIC_REGION.to_owned()),
        "" => Err(Wrong::Missing("LocationConstraint")),
        "EU" => Ok("eu-west-1".to_owned()),
        region => Ok(region.to_owned()),
    }
}

pub(super) fn acl(output: op::get_bucket_acl::GetBucketAclOutput) -> Result<Acl, Wrong> {
    let owner = output.owner.and_then(|owner| owner.id).ok_or(Wrong::Missing("Owner"))?;
    let grants = output.grants.ok_or(Wrong::Missing("AccessControlList"))?;
    Ok(Acl { owner, grants: grants.into_iter().map(grant).collect::<Result<_, _>>()? })
}

fn grant(grant: sdk::Grant) -> Result<Grant, Wrong> {
    let grantee = grant.grantee.ok_or(Wrong::Missing("Grantee"))?;
    Ok(Grant {
        grantee_type: said(grantee.r#type.as_str(), "Type")?,
        grantee: grantee.id.or(grantee.uri).or(grantee.email_address).ok_or(Wrong::Missing("Grantee"))?,
        permission: grant.permission.ok_or(Wrong::Missing("Permission"))?.as_str().to_owned(),
    })
}

pub(super) fn ownership(
    output: op::get_bucket_ownership_controls::GetBucketOwnershipControlsOutput,
) -> Result<String, Wrong> {
    let rules = output.ownership_controls.ok_or(Wrong::Missing("OwnershipControls"))?.rules;
    let rule = rules.first().ok_or(Wrong::Missing("Rule"))?;
    said(rule.object_ownership.as_str(), "ObjectOwnership")
}

pub(super) fn public_access_block(
    output: op::get_public_access_block::GetPublicAccessBlockOutput,
) -> Result<PublicAccessBlock, Wrong> {
    let block =
        output.public_access_block_configuration.ok_or(Wrong::Missing("PublicAccessBlockConfiguration"))?;
    PublicAccessBlock::of(
        block.block_public_acls,
        block.ignore_public_acls,
        block.block_public_policy,
        block.restrict_public_buckets,
    )
}

impl PublicAccessBlock {
    /// The members of the two SDKs' types of the same name.
    pub(super) fn of(
        block_public_acls: Option<bool>,
        ignore_public_acls: Option<bool>,
        block_public_policy: Option<bool>,
        restrict_public_buckets: Option<bool>,
    ) -> Result<Self, Wrong> {
        Ok(Self {
            block_public_acls: block_public_acls.ok_or(Wrong::Missing("BlockPublicAcls"))?,
            ignore_public_acls: ignore_public_acls.ok_or(Wrong::Missing("IgnorePublicAcls"))?,
            block_public_policy: block_public_policy.ok_or(Wrong::Missing("BlockPublicPolicy"))?,
            restrict_public_buckets: restrict_public_buckets
                .ok_or(Wrong::Missing("RestrictPublicBuckets"))?,
        })
    }
}

pub(super) fn policy(output: op::get_bucket_policy::GetBucketPolicyOutput) -> Result<PolicyDocument, Wrong> {
    let text = output.policy.ok_or(Wrong::Missing("Policy"))?;
    PolicyDocument::parse(&text).map_err(|error| Wrong::Policy(error.to_string()))
}

pub(super) fn policy_status(
    output: op::get_bucket_policy_status::GetBucketPolicyStatusOutput,
) -> Result<PolicyStatus, Wrong> {
    let is_public = output.policy_status.and_then(|status| status.is_public);
    Ok(PolicyStatus { is_public: is_public.ok_or(Wrong::Missing("IsPublic"))? })
}

pub(super) fn encryption(
    output: op::get_bucket_encryption::GetBucketEncryptionOutput,
) -> Result<Encryption, Wrong> {
    let configuration = output.server_side_encryption_configuration;
    let rules = configuration.ok_or(Wrong::Missing("ServerSideEncryptionConfiguration"))?.rules;
    // A rule without a default says which kinds of encryption clients may not ask for.
    let (default, bucket_key) = rules
        .into_iter()
        .find_map(|rule| Some((rule.apply_server_side_encryption_by_default?, rule.bucket_key_enabled)))
        .ok_or(Wrong::Missing("ApplyServerSideEncryptionByDefault"))?;
    Ok(Encryption {
        algorithm: said(default.sse_algorithm.as_str(), "SSEAlgorithm")?,
        kms_key: default.kms_master_key_id,
        // Left out where it was never switched on
        // (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ServerSideEncryptionRule.html).
        bucket_key: bucket_key == Some(true),
    })
}

/// Neither member is there until it was set once, so that an empty answer is whole.
pub(super) fn versioning(
    output: op::get_bucket_versioning::GetBucketVersioningOutput,
) -> Result<Versioning, Wrong> {
    Ok(Versioning {
        status: output.status.map(|status| status.as_str().to_owned()),
        mfa_delete: output.mfa_delete.map(|status| status.as_str().to_owned()),
    })
}

/// Without `LoggingEnabled` the logs are off.
pub(super) fn logging(
    output: op::get_bucket_logging::GetBucketLoggingOutput,
) -> Result<Option<Logging>, Wrong> {
    let Some(enabled) = output.logging_enabled else {
        return Ok(None);
    };
    Ok(Some(Logging {
        target_bucket: said(&enabled.target_bucket, "TargetBucket")?,
        target_prefix: enabled.target_prefix,
    }))
}

pub(super) fn tags(
    output: op::get_bucket_tagging::GetBucketTaggingOutput,
) -> Result<BTreeMap<String, String>, Wrong> {
    output.tag_set.into_iter().map(|tag| Ok((said(&tag.key, "Key")?, tag.value))).collect()
}

/// The value of a required member. Where one is missing from an answer the SDK makes it up: an empty
/// text, or in an enumeration these words.
fn said(value: &str, member: &'static str) -> Result<String, Wrong> {
    match value {
        "" | "no value was set" => Err(Wrong::Missing(member)),
        value => Ok(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types as sdk;

    fn location(constraint: Option<&str>) -> op::get_bucket_location::GetBucketLocationOutput {
        op::get_bucket_location::GetBucketLocationOutput::builder()
            .set_location_constraint(constraint.map(sdk::BucketLocationConstraint::from))
            .build()
    }

    #[test]
    fn location_constraints_become_regions() {
        let cases = [
            (None, "aws", "us-east-1"),
            (Some(""), "aws", "us-east-1"),
            (Some("EU"), "aws", "eu-west-1"),
            (Some("ap-southeast-2"), "aws", "ap-southeast-2"),
            (Some("mars-north-1"), "aws", "mars-north-1"),
            (Some("cn-north-1"), "aws-cn", "cn-north-1"),
            (Some("us-gov-west-1"), "aws-us-gov", "us-gov-west-1"),
        ];
        for (constraint, partition, region) in cases {
            assert_eq!(region_of(&location(constraint), partition), Ok(region.to_owned()), "{constraint:?}");
        }
        assert!(region_of(&location(None), "aws-cn").is_err());
    }

    #[test]
    fn grantees_are_users_groups_and_addresses() {
        let grantee = |kind: sdk::Type| sdk::Grantee::builder().r#type(kind);
        let grants = [
            grantee(sdk::Type::CanonicalUser).id("79a5").display_name("ann"),
            grantee(sdk::Type::Group).uri("http://acs.amazonaws.com/groups/global/AllUsers"),
            grantee(sdk::Type::AmazonCustomerByEmail).email_address("ann@example.com"),
        ];
        let mut output = op::get_bucket_acl::GetBucketAclOutput::builder()
            .owner(sdk::Owner::builder().id("79a5").build())
            .set_grants(Some(Vec::new()));
        for grantee in grants {
            let grant = sdk::Grant::builder().grantee(grantee.build().unwrap());
            output = output.grants(grant.permission(sdk::Permission::Read).build());
        }
        let acl = acl(output.build()).unwrap();
        let seen: Vec<(&str, &str)> =
            acl.grants.iter().map(|g| (g.grantee_type.as_str(), g.grantee.as_str())).collect();
        assert_eq!(acl.owner, "79a5");
        assert_eq!(
            seen,
            [
                ("CanonicalUser", "79a5"),
                ("Group", "http://acs.amazonaws.com/groups/global/AllUsers"),
                ("AmazonCustomerByEmail", "ann@example.com"),
            ]
        );
    }

    #[test]
    fn a_member_that_the_sdk_made_up_is_missing() {
        let unset = sdk::ObjectOwnership::from("no value was set");
        let rule = sdk::OwnershipControlsRule::builder().object_ownership(unset).build().unwrap();
        let controls = sdk::OwnershipControls::builder().rules(rule).build().unwrap();
        let output = op::get_bucket_ownership_controls::GetBucketOwnershipControlsOutput::builder();
        assert_eq!(
            ownership(output.ownership_controls(controls).build()),
            Err(Wrong::Missing("ObjectOwnership"))
        );
        let enabled = sdk::LoggingEnabled::builder().target_bucket("").target_prefix("").build().unwrap();
        let output = op::get_bucket_logging::GetBucketLoggingOutput::builder().logging_enabled(enabled);
        assert_eq!(logging(output.build()), Err(Wrong::Missing("TargetBucket")));
    }

    #[test]
    fn a_block_without_one_of_its_flags_is_no_block_that_is_off() {
        let whole = sdk::PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(false);
        let answer = |block: sdk::PublicAccessBlockConfiguration| {
            op::get_public_access_block::GetPublicAccessBlockOutput::builder()
                .public_access_block_configuration(block)
                .build()
        };
        assert_eq!(
            public_access_block(answer(whole.clone().build())),
            Err(Wrong::Missing("RestrictPublicBuckets"))
        );
        let read = public_access_block(answer(whole.restrict_public_buckets(true).build())).unwrap();
        assert!(read.restrict_public_buckets && !read.block_public_policy);
    }

    #[test]
    fn the_rule_with_the_default_is_the_encryption() {
        let default = sdk::ServerSideEncryptionByDefault::builder()
            .sse_algorithm(sdk::ServerSideEncryption::AwsKms)
            .kms_master_key_id("alias/data");
        let configuration = sdk::ServerSideEncryptionConfiguration::builder()
            .rules(sdk::ServerSideEncryptionRule::builder().build())
            .rules(
                sdk::ServerSideEncryptionRule::builder()
                    .apply_server_side_encryption_by_default(default.build().unwrap())
                    .build(),
            );
        let output = op::get_bucket_encryption::GetBucketEncryptionOutput::builder()
            .server_side_encryption_configuration(configuration.build().unwrap());
        let expected = Encryption {
            algorithm: "aws:kms".to_owned(),
            kms_key: Some("alias/data".to_owned()),
            bucket_key: false,
        };
        assert_eq!(encryption(output.build()), Ok(expected));
    }

    #[test]
    fn a_policy_that_is_no_json_is_not_read() {
        let answer =
            |text: &str| op::get_bucket_policy::GetBucketPolicyOutput::builder().policy(text).build();
        assert!(policy(answer("{\"Statement\":[]}")).is_ok());
        for text in ["{\"Statement\":[", "Statement", ""] {
            assert!(matches!(policy(answer(text)), Err(Wrong::Policy(_))), "{text}");
        }
    }
}
