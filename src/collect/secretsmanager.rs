//! Secrets Manager: secrets with their resource policies. Their values are never asked for.
//!
//! Calls: `ListSecrets` in every region, then `GetResourcePolicy` for each secret.
//!
//! Quirks: a secret that is scheduled for deletion is
//! [not listed](https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html). A secret
//! without a policy is answered
//! [without that member](https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetResourcePolicy.html);
//! a replica has a policy of its own.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::{Client, types as sdk};
use schemars::JsonSchema;
use serde::Serialize;

use super::schema::PolicyDocument;
use super::touch::{Change, Target};
use super::{Ask, Collected, Gone, Kind, Observed, Per, Row, Scope};
use crate::aws::{Call, Place, Reply};
use crate::inventory::{Facet, Resource, Unseen};

static LIST_SECRETS: Call = Call::list("secretsmanager", "ListSecrets", "SecretList");
/// The policy may be missing from its answer; the ARN of the secret never is.
static GET_RESOURCE_POLICY: Call =
    Call::one("secretsmanager", "GetResourcePolicy", "ARN").gone(&["ResourceNotFoundException"]);

/// Items in a page, the most that Secrets Manager gives.
const PAGE_SIZE: i32 = 100;

/// The resource type of secrets.
pub static SECRET: Kind = Kind {
    name: "aws.secretsmanager.secret",
    collection: "secrets",
    single: false,
    scope: Scope::Regional,
    list: &[&LIST_SECRETS],
    facets: &[Row { field: "policy", calls: &[&GET_RESOURCE_POLICY], per: Per::Resource }],
    events: &[
        Change {
            source: "secretsmanager.amazonaws.com",
            names: &[
                "DeleteResourcePolicy",
                "DeleteSecret",
                "PutResourcePolicy",
                "RestoreSecret",
                "TagResource",
                "UntagResource",
                "UpdateSecret",
            ],
            target: Target::At(&["requestParameters.secretId"]),
        },
        Change {
            source: "secretsmanager.amazonaws.com",
            names: &["CreateSecret"],
            target: Target::At(&["requestParameters.name"]),
        },
    ],
    schema: Secret::json_schema,
};

/// A secret, without its value.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Secret {
    /// ARN or alias of the KMS key; null for the key that AWS manages.
    kms_key: Option<String>,
    /// The AWS service that made it and manages it, such as `rds`; null when people do.
    owning_service: Option<String>,
    /// Region of the secret that it is a replica of, or its own; null when it was never replicated.
    primary_region: Option<String>,
    /// Tags.
    tags: BTreeMap<String, String>,
    /// Resource policy; null when there is none.
    policy: Facet<Option<PolicyDocument>>,
}

impl Observed for Secret {
    const KIND: &'static Kind = &SECRET;
}

/// Collects the secrets of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&SECRET) {
        return Collected::nothing();
    }
    let client = ask.place.secretsmanager();
    let open = || client.list_secrets().into_paginator().page_size(PAGE_SIZE).send();
    let listed = ask.place.pages(&LIST_SECRETS, open, |page| page.secret_list).await;
    let is_asked = |secret: &sdk::SecretListEntry| {
        let (arn, name) = (secret.arn.as_deref(), secret.name.as_deref());
        ask.takes_listed(&SECRET, arn, name)
    };
    let asked = listed.items.into_iter().filter(is_asked).collect();
    let read = super::read_each(asked, |secret| read_secret(ask, &client, secret)).await;
    Collected::of_items(ask.place, &SECRET, listed.end.map(|_| ()), read)
}

async fn read_secret(
    ask: Ask<'_>,
    client: &Client,
    secret: sdk::SecretListEntry,
) -> Result<Option<Resource>, Unseen> {
    let missing = |member: &str| ask.place.malformed(&LIST_SECRETS, &format!("a secret has no `{member}`"));
    let arn = secret.arn.ok_or_else(|| missing("ARN"))?;
    let name = secret.name.ok_or_else(|| missing("Name"))?;
    let policy = match ask.optional(&SECRET, "policy", read_policy(ask.place, client, &arn)).await {
        Ok(policy) => policy,
        Err(Gone) => return Ok(None),
    };
    let observed = Secret {
        kms_key: secret.kms_key_id,
        owning_service: secret.owning_service,
        primary_region: secret.primary_region,
        tags: tags(secret.tags),
        policy,
    };
    Ok(Some(ask.resource(arn, name, &observed)))
}

/// A tag always has a key, and may have no value.
fn tags(of: Option<Vec<sdk::Tag>>) -> BTreeMap<String, String> {
    let pair = |tag: sdk::Tag| Some((tag.key?, tag.value.unwrap_or_default()));
    of.into_iter().flatten().filter_map(pair).collect()
}

async fn read_policy(place: &Place, client: &Client, arn: &str) -> Result<Reply<PolicyDocument>, Unseen> {
    let call = &GET_RESOURCE_POLICY;
    match place.call(call, || client.get_resource_policy().secret_id(arn).send()).await? {
        Reply::Answer(output) if output.resource_policy.is_none() => Ok(Reply::Absent),
        reply => reply
            .and_then(|output| super::iam::document(place, call, "ResourcePolicy", output.resource_policy)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use upright_testkit::Answer;

    use super::SECRET;
    use crate::collect::canned;

    #[test]
    fn a_secret_without_a_policy_has_none_and_its_value_is_not_asked_for() {
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf";
        let seen = canned::collect(&SECRET, &["policy"], move |call| {
            Some(Answer::json(&match call.operation.as_str() {
                "secretsmanager:ListSecrets" => json!({ "SecretList": [{ "ARN": arn, "Name": "db" }] }),
                "secretsmanager:GetResourcePolicy" => json!({ "ARN": arn, "Name": "db" }),
                _ => return None,
            }))
        });
        assert_eq!(*seen.known("policy"), json!(null));
        assert_eq!(seen.asked("secretsmanager:GetResourcePolicy", "SecretId"), [Some(arn)]);
    }
}
