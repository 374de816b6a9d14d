//! Managed policies: those of the account, and those of AWS that are attached in it.
//!
//! Calls: `ListPolicies` twice (the account's own, all of them; AWS's, attached ones only: AWS has more than
//! a thousand), then `GetPolicyVersion` for the default version of each attached policy.

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{self as sdk, PolicyScopeType};
use futures::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::{PAGE_SIZE, date, document, missing, page, part, text};
use crate::aws::{Call, Listed, Place, Reply};
use crate::collect::schema::PolicyDocument;
use crate::collect::touch::{Change, Target};
use crate::collect::{Ask, Collected, Gone, Kind, Observed, Per, Row, Scope};
use crate::inventory::{Facet, Resource, Unseen};

static LIST_POLICIES: Call = Call::list("iam", "ListPolicies", "<Policies");
static GET_POLICY_VERSION: Call =
    Call::one("iam", "GetPolicyVersion", "GetPolicyVersionResult").gone(&["NoSuchEntity"]);

/// The resource type of managed policies.
pub static POLICY: Kind = Kind {
    name: "aws.iam.policy",
    collection: "policies",
    single: false,
    scope: Scope::Global,
    list: &[&LIST_POLICIES],
    facets: &[Row { field: "document", calls: &[&GET_POLICY_VERSION], per: Per::Resource }],
    events: &[
        Change {
            source: "iam.amazonaws.com",
            names: &[
                "AttachGroupPolicy",
                "AttachRolePolicy",
                "AttachUserPolicy",
                "CreatePolicyVersion",
                "DeletePolicy",
                "DeletePolicyVersion",
                "DetachGroupPolicy",
                "DetachRolePolicy",
                "DetachUserPolicy",
                "SetDefaultPolicyVersion",
            ],
            target: Target::At(&["requestParameters.policyArn"]),
        },
        Change {
            source: "iam.amazonaws.com",
            names: &["CreatePolicy"],
            target: Target::At(&["responseElements.policy.arn|requestParameters.policyName"]),
        },
        Change {
            source: "iam.amazonaws.com",
            names: &["PutRolePermissionsBoundary", "PutUserPermissionsBoundary"],
            target: Target::At(&["requestParameters.permissionsBoundary"]),
        },
        Change {
            source: "iam.amazonaws.com",
            names: &["DeleteRolePermissionsBoundary", "DeleteUserPermissionsBoundary"],
            target: Target::Any("the event does not say which policy was the boundary"),
        },
    ],
    schema: Policy::json_schema,
};

/// A managed policy: one of the account, or one of AWS that is attached in the account.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Policy {
    /// Path, such as `/` or `/service-role/`.
    path: String,
    /// Whether AWS wrote the policy.
    is_aws_managed: bool,
    /// How many users, groups and roles it is attached to.
    attachment_count: i64,
    /// How many users and roles it bounds the permissions of; a boundary grants nothing.
    boundary_count: Option<i64>,
    /// Id of its default version, such as `v3`.
    default_version: String,
    /// When it was made.
    created: String,
    /// Its default version. Not read for a policy that is attached to nobody.
    document: Facet<PolicyDocument>,
}

impl Observed for Policy {
    const KIND: &'static Kind = &POLICY;
}

/// Collects the policies.
pub async fn collect(ask: Ask<'_>, client: &Client) -> Collected {
    if !ask.wanted.kind(&POLICY) {
        return Collected::nothing();
    }
    let (own, of_aws) = futures::join!(
        list(ask.place, client, PolicyScopeType::Local, false),
        list(ask.place, client, PolicyScopeType::Aws, true),
    );
    let is_asked = |policy: &sdk::Policy| {
        let (arn, name) = (policy.arn.as_deref(), policy.policy_name.as_deref());
        ask.takes_listed(&POLICY, arn, name)
    };
    let policies = own.items.into_iter().chain(of_aws.items).filter(is_asked);
    let read = join_all(policies.map(|policy| read_policy(ask, client, policy))).await;
    part(ask, &POLICY, own.end.and(of_aws.end), read)
}

async fn list(
    place: &Place,
    client: &Client,
    scope: PolicyScopeType,
    only_attached: bool,
) -> Listed<sdk::Policy> {
    let open = || {
        client
            .list_policies()
            .scope(scope.clone())
            .only_attached(only_attached)
            .into_paginator()
            .page_size(PAGE_SIZE)
            .send()
    };
    place.pages(&LIST_POLICIES, open, |p| page(p.is_truncated, p.marker.as_ref(), p.policies)).await
}

async fn read_policy(ask: Ask<'_>, client: &Client, policy: sdk::Policy) -> Result<Option<Resource>, Unseen> {
    let arn = text(ask.place, &LIST_POLICIES, "Arn", policy.arn)?;
    let name = text(ask.place, &LIST_POLICIES, "PolicyName", policy.policy_name)?;
    let path = text(ask.place, &LIST_POLICIES, "Path", policy.path)?;
    let created = date(ask.place, &LIST_POLICIES, "CreateDate", policy.create_date)?;
    let default_version = text(ask.place, &LIST_POLICIES, "DefaultVersionId", policy.default_version_id)?;
    let attachment_count =
        policy.attachment_count.ok_or_else(|| missing(ask.place, &LIST_POLICIES, "AttachmentCount"))?;
    let document = if attachment_count > 0 {
        let read = read_document(ask.place, client, &arn, &default_version);
        match ask.facet(&POLICY, "document", read).await {
            Ok(document) => document,
            Err(Gone) => return Ok(None),
        }
    } else {
        Facet::Unknown(ask.not_collected())
    };
    let observed = Policy {
        path,
        is_aws_managed: arn.split(':').nth(4) == Some("aws"),
        attachment_count: i64::from(attachment_count),
        boundary_count: policy.permissions_boundary_usage_count.map(i64::from),
        default_version,
        created,
        document,
    };
    Ok(Some(ask.resource(arn, name, &observed)))
}

async fn read_document(
    place: &Place,
    client: &Client,
    arn: &str,
    version: &str,
) -> Result<Reply<PolicyDocument>, Unseen> {
    let reply = place
        .call(&GET_POLICY_VERSION, || client.get_policy_version().policy_arn(arn).version_id(version).send())
        .await?;
    reply.and_then(|output| {
        let version =
            output.policy_version.ok_or_else(|| missing(place, &GET_POLICY_VERSION, "PolicyVersion"))?;
        document(place, &GET_POLICY_VERSION, "Document", version.document)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use upright_testkit::Answer;

    use super::POLICY;
    use crate::collect::canned;

    const LISTED: &str = "<member><PolicyName>deploy</PolicyName><Arn>arn:aws:iam::111122223333:policy/deploy</Arn>\
        <Path>/</Path><DefaultVersionId>v3</DefaultVersionId><CreateDate>2024-01-01T00:00:00Z</CreateDate>\
        <PermissionsBoundaryUsageCount>4</PermissionsBoundaryUsageCount>";

    /// One policy of the account, attached to so many.
    fn attached_to(number: u32) -> canned::Seen {
        canned::collect(&POLICY, &["document"], move |call| {
            let policy = format!("{LISTED}<AttachmentCount>{number}</AttachmentCount></member>");
            let policies = if call.param("Scope") == Some("Local") { policy } else { String::new() };
            Some(Answer::xml(&match call.operation.as_str() {
                "iam:ListPolicies" => format!(
                    "<ListPoliciesResponse><ListPoliciesResult><IsTruncated>false</IsTruncated><Policies>{policies}\
                     </Policies></ListPoliciesResult></ListPoliciesResponse>"
                ),
                "iam:GetPolicyVersion" => "<GetPolicyVersionResponse><GetPolicyVersionResult><PolicyVersion>\
                     <Document>%7B%22Statement%22%3A%5B%5D%7D</Document><VersionId>v3</VersionId></PolicyVersion>\
                     </GetPolicyVersionResult></GetPolicyVersionResponse>"
                    .to_owned(),
                _ => return None,
            }))
        })
    }

    #[test]
    fn only_the_default_version_is_read_and_decoded() {
        let seen = attached_to(1);
        assert_eq!(seen.asked("iam:GetPolicyVersion", "VersionId"), [Some("v3")]);
        assert_eq!(*seen.known("document"), json!({ "Statement": [] }));
    }

    #[test]
    fn a_policy_that_only_bounds_permissions_is_attached_to_nobody() {
        let seen = attached_to(0);
        assert_eq!(*seen.known("attachment_count"), json!(0));
        assert_eq!(*seen.known("boundary_count"), json!(4));
        assert_eq!(seen.asked("iam:GetPolicyVersion", "VersionId"), Vec::<Option<&str>>::new());
    }
}
