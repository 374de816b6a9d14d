//! Service and resource control policies, and the accounts that they reach.
//!
//! Quirks: a policy holds for what it is attached to and for
//! [everything below](https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html),
//! never for the management account. A type of policy has no effect until it is enabled on the root, so that only
//! enabled types are listed; an organization for consolidated billing has none.

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types as sdk;
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::super::{answer, missing, text};
use crate::accounts::{LIST_ACCOUNTS_OF_UNIT, LIST_ROOTS, LIST_UNITS, is_active};
use crate::aws::{Call, Place, Reply};
use crate::inventory::Unseen;

pub(super) static LIST_POLICIES: Call = Call::list("organizations", "ListPolicies", "Policies");
pub(super) static DESCRIBE_POLICY: Call =
    Call::one("organizations", "DescribePolicy", "Policy").gone(&["PolicyNotFoundException"]);
pub(super) static LIST_TARGETS_FOR_POLICY: Call =
    Call::list("organizations", "ListTargetsForPolicy", "Targets").gone(&["PolicyNotFoundException"]);

/// Calls to Organizations in flight at once: it allows few a second.
const CONCURRENCY: usize = 8;

/// The types that limit what accounts may do.
const LIMITING: [sdk::PolicyType; 2] =
    [sdk::PolicyType::ServiceControlPolicy, sdk::PolicyType::ResourceControlPolicy];

/// The policies that limit member accounts, and these accounts.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Guardrails {
    /// The limiting types that are enabled on the root: `SERVICE_CONTROL_POLICY`, `RESOURCE_CONTROL_POLICY`.
    enabled_types: Vec<String>,
    /// The policies of these types, those of AWS included.
    policies: Vec<Guardrail>,
    /// The active accounts besides the management account.
    members: Vec<Member>,
}

/// A policy.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Guardrail {
    /// Its id, such as `p-FullAWSAccess`.
    id: String,
    /// Its name.
    name: String,
    /// `SERVICE_CONTROL_POLICY` or `RESOURCE_CONTROL_POLICY`.
    #[serde(rename = "type")]
    kind: String,
    /// Whether it is AWS's own, which allows everything.
    is_aws_managed: bool,
    /// Whether a statement of it denies.
    has_deny: bool,
    /// Ids of the roots, units and accounts that it is attached to.
    targets: Vec<String>,
}

/// A member account.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Member {
    /// Its id.
    account: String,
    /// Ids of the root, the units below it and the account itself, from the root down.
    path: Vec<String>,
}

/// Reads the policies and the tree that they are attached to.
pub(super) async fn read(place: &Place, client: &Client) -> Result<Guardrails, Unseen> {
    let call = &LIST_ROOTS;
    let listed = place.pages(call, || client.list_roots().into_paginator().send(), |page| page.roots).await;
    let roots = answer(place, call, listed.complete()?)?;
    let enabled: Vec<sdk::PolicyType> =
        LIMITING.into_iter().filter(|of| roots.iter().any(|root| is_enabled(root, of))).collect();
    let ids =
        roots.into_iter().map(|root| text(place, call, "Id", root.id)).collect::<Result<Vec<_>, _>>()?;
    let policies = try_join_all(enabled.iter().map(|of| read_policies(place, client, of)));
    let (policies, members) = futures::try_join!(policies, read_members(place, client, ids))?;
    Ok(Guardrails {
        enabled_types: enabled.iter().map(|of| of.as_str().to_owned()).collect(),
        policies: policies.into_iter().flatten().collect(),
        members,
    })
}

fn is_enabled(root: &sdk::Root, of: &sdk::PolicyType) -> bool {
    root.policy_types
        .iter()
        .flatten()
        .any(|row| row.r#type.as_ref() == Some(of) && row.status == Some(sdk::PolicyTypeStatus::Enabled))
}

async fn read_policies(
    place: &Place,
    client: &Client,
    of: &sdk::PolicyType,
) -> Result<Vec<Guardrail>, Unseen> {
    let call = &LIST_POLICIES;
    let open = || client.list_policies().filter(of.clone()).into_paginator().send();
    let listed = place.pages(call, open, |page| page.policies).await;
    let summaries = answer(place, call, listed.complete()?)?;
    let read = stream::iter(summaries).map(|summary| read_policy(place, client, of, summary));
    // In the order of the list, so that two scans of the same organization say the same.
    let policies: Vec<Option<Guardrail>> = read.buffered(CONCURRENCY).try_collect().await?;
    Ok(policies.into_iter().flatten().collect())
}

/// A policy with what it is attached to; `None` when it was deleted meanwhile.
async fn read_policy(
    place: &Place,
    client: &Client,
    of: &sdk::PolicyType,
    summary: sdk::PolicySummary,
) -> Result<Option<Guardrail>, Unseen> {
    let id = text(place, &LIST_POLICIES, "Id", summary.id)?;
    let name = text(place, &LIST_POLICIES, "Name", summary.name)?;
    let denies = async {
        // AWS's own allow everything, and there is nothing in them to read.
        if summary.aws_managed { Ok(Some(false)) } else { read_denies(place, client, &id).await }
    };
    let (has_deny, targets) = futures::try_join!(denies, read_targets(place, client, &id))?;
    let (Some(has_deny), Some(targets)) = (has_deny, targets) else {
        return Ok(None);
    };
    let (kind, is_aws_managed) = (of.as_str().to_owned(), summary.aws_managed);
    Ok(Some(Guardrail { id, name, kind, is_aws_managed, has_deny, targets }))
}

async fn read_denies(place: &Place, client: &Client, id: &str) -> Result<Option<bool>, Unseen> {
    let call = &DESCRIBE_POLICY;
    let Reply::Answer(output) = place.call(call, || client.describe_policy().policy_id(id).send()).await?
    else {
        return Ok(None);
    };
    let policy = output.policy.ok_or_else(|| missing(place, call, "Policy"))?;
    let content = text(place, call, "Content", policy.content)?;
    let denies =
        denies(&content).ok_or_else(|| place.malformed(call, "`Content` is not a policy document"))?;
    Ok(Some(denies))
}

/// Whether a statement of a policy denies; `None` when it is no policy.
fn denies(content: &str) -> Option<bool> {
    let document: Value = serde_json::from_str(content).ok()?;
    let statements = match document.get("Statement")? {
        Value::Array(statements) => statements.as_slice(),
        one => std::slice::from_ref(one),
    };
    let effects = statements.iter().map(|statement| statement.get("Effect").and_then(Value::as_str));
    let effects = effects.collect::<Option<Vec<_>>>()?;
    Some(effects.contains(&"Deny"))
}

async fn read_targets(place: &Place, client: &Client, id: &str) -> Result<Option<Vec<String>>, Unseen> {
    let call = &LIST_TARGETS_FOR_POLICY;
    let open = || client.list_targets_for_policy().policy_id(id).into_paginator().send();
    let listed = place.pages(call, open, |page| page.targets).await;
    let Some(targets) = listed.complete()?.found() else {
        return Ok(None);
    };
    let ids = targets.into_iter().map(|target| text(place, call, "TargetId", target.target_id));
    ids.collect::<Result<_, _>>().map(Some)
}

/// The active members, with the way to each from its root.
async fn read_members(place: &Place, client: &Client, roots: Vec<String>) -> Result<Vec<Member>, Unseen> {
    let mut members = Vec::new();
    let mut level: Vec<Vec<String>> = roots.into_iter().map(|root| vec![root]).collect();
    while !level.is_empty() {
        let read = stream::iter(level).map(|path| async move {
            let children = match path.last() {
                Some(parent) => read_children(place, client, parent).await?,
                None => Children { accounts: Vec::new(), units: Vec::new() },
            };
            Ok((path, children))
        });
        let read: Vec<(Vec<String>, Children)> = read.buffered(CONCURRENCY).try_collect().await?;
        level = Vec::new();
        for (path, children) in read {
            let below = |id: String| path.iter().cloned().chain([id]).collect::<Vec<_>>();
            level.extend(children.units.into_iter().map(below));
            // Service control policies never hold for the management account.
            let others = children.accounts.into_iter().filter(|account| account != place.account());
            members.extend(others.map(|account| Member { path: below(account.clone()), account }));
        }
    }
    members.sort_by(|a, b| a.account.cmp(&b.account));
    Ok(members)
}

/// What is directly in a root or unit.
struct Children {
    /// Ids of the active accounts.
    accounts: Vec<String>,
    units: Vec<String>,
}

async fn read_children(place: &Place, client: &Client, parent: &str) -> Result<Children, Unseen> {
    let units = async {
        let open = || client.list_organizational_units_for_parent().parent_id(parent).into_paginator().send();
        let listed = place.pages(&LIST_UNITS, open, |page| page.organizational_units).await;
        let units = listed.complete()?.found().unwrap_or_else(Vec::new).into_iter();
        units.map(|unit| text(place, &LIST_UNITS, "Id", unit.id)).collect::<Result<Vec<_>, _>>()
    };
    let accounts = async {
        let call = &LIST_ACCOUNTS_OF_UNIT;
        let open = || client.list_accounts_for_parent().parent_id(parent).into_paginator().send();
        let listed = place.pages(call, open, |page| page.accounts).await;
        let accounts = listed.complete()?.found().unwrap_or_else(Vec::new).into_iter();
        let active = accounts.filter(is_active);
        active.map(|account| text(place, call, "Id", account.id)).collect::<Result<Vec<_>, _>>()
    };
    let (units, accounts) = futures::try_join!(units, accounts)?;
    Ok(Children { accounts, units })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use upright_testkit::{Answer, Call as Asked};

    use super::*;
    use crate::collect::canned::{self, ACCOUNT};
    use crate::collect::organizations::ORGANIZATION;

    /// Root, unit in a unit; the management account in the root, below an account that is in use and one that is not.
    fn tree(call: &Asked, root: &Value) -> Option<Answer> {
        let parent = call.param("ParentId");
        let body = match call.operation.as_str() {
            "organizations:DescribeOrganization" => {
                json!({ "Organization": { "Id": "o-1", "MasterAccountId": ACCOUNT } })
            }
            "organizations:ListRoots" => json!({ "Roots": [root] }),
            "organizations:ListOrganizationalUnitsForParent" => match parent {
                Some("r-1") => json!({ "OrganizationalUnits": [{ "Id": "ou-1" }] }),
                Some("ou-1") => json!({ "OrganizationalUnits": [{ "Id": "ou-2" }] }),
                _ => json!({ "OrganizationalUnits": [] }),
            },
            "organizations:ListAccountsForParent" => match parent {
                Some("r-1") => json!({ "Accounts": [{ "Id": ACCOUNT, "Status": "ACTIVE" }] }),
                Some("ou-2") => json!({ "Accounts": [
                    { "Id": "444455556666", "Status": "ACTIVE" },
                    { "Id": "777788889999", "Status": "SUSPENDED" },
                ] }),
                _ => json!({ "Accounts": [] }),
            },
            "organizations:ListPolicies" => json!({ "Policies": [
                { "Id": "p-FullAWSAccess", "Name": "FullAWSAccess", "AwsManaged": true },
            ] }),
            "organizations:ListTargetsForPolicy" => json!({ "Targets": [{ "TargetId": "r-1" }] }),
            _ => return None,
        };
        Some(Answer::json(&body))
    }

    #[test]
    fn nested_units_are_walked_and_neither_closed_accounts_nor_the_management_account_are_members() {
        let root = json!({ "Id": "r-1", "PolicyTypes": [
            { "Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED" },
            { "Type": "RESOURCE_CONTROL_POLICY", "Status": "PENDING_ENABLE" },
        ] });
        let seen = canned::collect(&ORGANIZATION, &["guardrails"], move |call| tree(call, &root));
        assert_eq!(
            *seen.known("guardrails"),
            json!({
                "enabled_types": ["SERVICE_CONTROL_POLICY"],
                "policies": [{
                    "id": "p-FullAWSAccess", "name": "FullAWSAccess", "type": "SERVICE_CONTROL_POLICY",
                    "is_aws_managed": true, "has_deny": false, "targets": ["r-1"],
                }],
                "members": [{ "account": "444455556666", "path": ["r-1", "ou-1", "ou-2", "444455556666"] }],
            })
        );
    }

    #[test]
    fn an_organization_for_consolidated_billing_has_no_policies_and_is_asked_for_none() {
        let root = json!({ "Id": "r-1", "PolicyTypes": [] });
        let seen = canned::collect(&ORGANIZATION, &["guardrails"], move |call| tree(call, &root));
        assert_eq!(seen.known("guardrails")["enabled_types"], json!([]));
        assert!(!seen.calls.iter().any(|call| call.operation == "organizations:ListPolicies"));
    }

    #[test]
    fn one_statement_that_denies_is_enough() {
        assert_eq!(denies(r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#), Some(true));
        assert_eq!(denies(r#"{"Statement":[{"Effect":"Allow"},{"Effect":"Deny"}]}"#), Some(true));
        assert_eq!(denies(r#"{"Statement":[{"Effect":"Allow","Action":"Deny"}]}"#), Some(false));
    }

    #[test]
    fn what_is_no_policy_says_nothing() {
        for content in
            ["", "[]", "{}", r#"{"Statement":[{"Action":"*"}]}"#, r#"{"Statement":[{"Effect":1}]}"#]
        {
            assert_eq!(denies(content), None, "{content}");
        }
    }

    #[test]
    fn a_type_that_is_being_switched_on_is_not_on() {
        let of = sdk::PolicyType::ServiceControlPolicy;
        let with = |status| {
            let row = sdk::PolicyTypeSummary::builder().r#type(of.clone()).status(status).build();
            sdk::Root::builder().policy_types(row).build()
        };
        assert!(is_enabled(&with(sdk::PolicyTypeStatus::Enabled), &of));
        assert!(!is_enabled(&with(sdk::PolicyTypeStatus::PendingEnable), &of));
        assert!(!is_enabled(&sdk::Root::builder().build(), &of));
    }
}
