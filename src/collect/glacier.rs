//! S3 Glacier: vaults with their access policies.
//!
//! Calls: `ListVaults` in every region, then `GetVaultAccessPolicy` for each vault.
//!
//! Quirks: this is the old service with vaults of its own, not the storage classes of S3. It is
//! [not offered](https://docs.aws.amazon.com/general/latest/gr/glacier-service.html) in newer regions, whose list
//! is then unknown, and [closed to new customers](https://docs.aws.amazon.com/amazonglacier/latest/dev/introduction.html):
//! to them it says `NoLongerSupportedException`, which means that there are no vaults. A vault without a policy
//! answers [`ResourceNotFoundException`](https://docs.aws.amazon.com/amazonglacier/latest/dev/api-GetVaultAccessPolicy.html),
//! as one does that no longer exists.

use aws_sdk_glacier::{Client, types as sdk};
use schemars::JsonSchema;
use serde::Serialize;

use super::schema::PolicyDocument;
use super::touch::{Change, Target};
use super::{Ask, Collected, Gone, Kind, Observed, Per, Row, Scope};
use crate::aws::{Call, Place, Reply};
use crate::inventory::{Facet, Resource, Unseen};

static LIST_VAULTS: Call =
    Call::list("glacier", "ListVaults", "VaultList").absent(&["NoLongerSupportedException"]);
static GET_VAULT_ACCESS_POLICY: Call =
    Call::one("glacier", "GetVaultAccessPolicy", "Policy").absent(&["ResourceNotFoundException"]);

/// In place of the account id: the account of the credentials.
const OWN_ACCOUNT: &str = "-";

/// The resource type of vaults.
pub static VAULT: Kind = Kind {
    name: "aws.glacier.vault",
    collection: "vaults",
    single: false,
    scope: Scope::Regional,
    list: &[&LIST_VAULTS],
    facets: &[Row { field: "policy", calls: &[&GET_VAULT_ACCESS_POLICY], per: Per::Resource }],
    events: &[Change {
        source: "glacier.amazonaws.com",
        names: &["CreateVault", "DeleteVault", "DeleteVaultAccessPolicy", "SetVaultAccessPolicy"],
        target: Target::At(&["requestParameters.vaultName"]),
    }],
    schema: Vault::json_schema,
};

/// A vault.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Vault {
    /// Archives in it when AWS last counted.
    archives: i64,
    /// Access policy; null when there is none.
    policy: Facet<Option<PolicyDocument>>,
}

impl Observed for Vault {
    const KIND: &'static Kind = &VAULT;
}

/// Collects the vaults of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&VAULT) {
        return Collected::nothing();
    }
    let client = ask.place.glacier();
    let open = || client.list_vaults().account_id(OWN_ACCOUNT).into_paginator().send();
    let listed = ask.place.pages(&LIST_VAULTS, open, |page| page.vault_list).await;
    let is_asked = |vault: &sdk::DescribeVaultOutput| {
        let (arn, name) = (vault.vault_arn.as_deref(), vault.vault_name.as_deref());
        ask.takes_listed(&VAULT, arn, name)
    };
    let asked = listed.items.into_iter().filter(is_asked).collect();
    let read = super::read_each(asked, |vault| read_vault(ask, &client, vault)).await;
    Collected::of_items(ask.place, &VAULT, listed.end.map(|_| ()), read)
}

async fn read_vault(
    ask: Ask<'_>,
    client: &Client,
    vault: sdk::DescribeVaultOutput,
) -> Result<Option<Resource>, Unseen> {
    let missing = |member: &str| ask.place.malformed(&LIST_VAULTS, &format!("a vault has no `{member}`"));
    let arn = vault.vault_arn.ok_or_else(|| missing("VaultARN"))?;
    let name = vault.vault_name.ok_or_else(|| missing("VaultName"))?;
    let policy = match ask.optional(&VAULT, "policy", read_policy(ask.place, client, &name)).await {
        Ok(policy) => policy,
        Err(Gone) => return Ok(None),
    };
    let observed = Vault { archives: vault.number_of_archives, policy };
    Ok(Some(ask.resource(arn, name, &observed)))
}

async fn read_policy(place: &Place, client: &Client, vault: &str) -> Result<Reply<PolicyDocument>, Unseen> {
    let call = &GET_VAULT_ACCESS_POLICY;
    let reply = place
        .call(call, || client.get_vault_access_policy().account_id(OWN_ACCOUNT).vault_name(vault).send())
        .await?;
    reply.and_then(|output| {
        let policy = output.policy.and_then(|policy| policy.policy);
        super::iam::document(place, call, "Policy", policy)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use upright_testkit::Answer;

    use super::VAULT;
    use crate::collect::canned;
    use crate::inventory::Facet;

    #[test]
    fn a_vault_without_a_policy_has_none_and_a_denied_one_is_unknown() {
        let vault = |status, code: &'static str| {
            canned::collect(&VAULT, &["policy"], move |call| {
                let vault = json!({
                    "VaultARN": "arn:aws:glacier:eu-west-1:111122223333:vaults/old",
                    "VaultName": "old",
                    "NumberOfArchives": 1,
                });
                Some(if call.operation == "glacier:ListVaults" {
                    Answer::json(&json!({ "VaultList": [vault] }))
                } else {
                    Answer::error(call, status, code, "no")
                })
            })
        };
        assert_eq!(*vault(404, "ResourceNotFoundException").known("policy"), json!(null));
        assert!(vault(403, "AccessDeniedException").is_denied("policy"));
    }

    #[test]
    fn an_account_that_glacier_no_longer_takes_has_no_vaults() {
        let closed = canned::refusing(400, "NoLongerSupportedException", "no");
        let seen = canned::collect(&VAULT, &["policy"], closed);
        assert!(matches!(seen.collected.listings.as_slice(), [of] if of.count == Facet::Known(0)));
    }
}
