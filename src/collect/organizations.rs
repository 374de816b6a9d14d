//! The organization as an account sees it: where the account stands in it and, in the management account, the
//! policies, features and delegations that hold for all.
//!
//! Calls: `DescribeOrganization` in each account. In the management account, for what is wanted:
//! [`iam:ListOrganizationsFeatures`](https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListOrganizationsFeatures.html);
//! `ListRoots`, `ListOrganizationalUnitsForParent`, `ListAccountsForParent`, `ListPolicies`, `DescribePolicy` and
//! `ListTargetsForPolicy`;
//! [`DescribeResourcePolicy`](https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeResourcePolicy.html);
//! `ListAWSServiceAccessForOrganization`; `ListDelegatedAdministrators` and `ListDelegatedServicesForAccount`.
//!
//! Quirks: a member may ask for little more than the organization itself, so that nothing else is asked there and
//! those fields are null. `AWSOrganizationsNotInUseException` says that the account stands alone. IAM says
//! `ServiceAccessNotEnabledException` where central root access was never switched on, and has codes of their own for
//! an organization that cannot have it, as one for consolidated billing, and for one that has just been deleted.

mod guardrails;

use std::future::Future;

use aws_sdk_organizations::Client;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, try_join_all};
use schemars::JsonSchema;
use serde::Serialize;

use super::schema::PolicyDocument;
use super::touch::{Change, Target};
use super::{Ask, Collected, Kind, Observed, Per, Row, Scope, answer, missing, text};
use crate::accounts::{DESCRIBE_ORGANIZATION, LIST_ACCOUNTS_OF_UNIT, LIST_ROOTS, LIST_UNITS};
use crate::aws::{Call, Place, Reply};
use crate::inventory::{Facet, Unseen};

use guardrails::{DESCRIBE_POLICY, LIST_POLICIES, LIST_TARGETS_FOR_POLICY};
pub use guardrails::{Guardrail, Guardrails, Member};

static LIST_ORGANIZATIONS_FEATURES: Call =
    Call::one("iam", "ListOrganizationsFeatures", "ListOrganizationsFeaturesResult").absent(&[
        "ServiceAccessNotEnabledException",
        "OrganizationNotInAllFeaturesModeException",
        "OrganizationNotFoundException",
    ]);
static DESCRIBE_RESOURCE_POLICY: Call =
    Call::one("organizations", "DescribeResourcePolicy", "ResourcePolicy")
        .absent(&["ResourcePolicyNotFoundException"]);
static LIST_SERVICE_ACCESS: Call =
    Call::list("organizations", "ListAWSServiceAccessForOrganization", "EnabledServicePrincipals");
static LIST_DELEGATED_ADMINISTRATORS: Call =
    Call::list("organizations", "ListDelegatedAdministrators", "DelegatedAdministrators");
static LIST_DELEGATED_SERVICES: Call =
    Call::list("organizations", "ListDelegatedServicesForAccount", "DelegatedServices")
        .gone(&["AccountNotFoundException", "AccountNotRegisteredException"]);

/// The resource type of organizations.
pub static ORGANIZATION: Kind = Kind {
    name: "aws.organizations.organization",
    collection: "membership",
    single: true,
    scope: Scope::Global,
    list: &[],
    facets: &[
        Row { field: "standing", calls: &[&DESCRIBE_ORGANIZATION], per: Per::Place },
        Row {
            field: "root_features",
            calls: &[&DESCRIBE_ORGANIZATION, &LIST_ORGANIZATIONS_FEATURES],
            per: Per::Place,
        },
        Row {
            field: "guardrails",
            calls: &[
                &DESCRIBE_ORGANIZATION,
                &LIST_ROOTS,
                &LIST_UNITS,
                &LIST_ACCOUNTS_OF_UNIT,
                &LIST_POLICIES,
                &DESCRIBE_POLICY,
                &LIST_TARGETS_FOR_POLICY,
            ],
            per: Per::Place,
        },
        Row {
            field: "delegation_policy",
            calls: &[&DESCRIBE_ORGANIZATION, &DESCRIBE_RESOURCE_POLICY],
            per: Per::Place,
        },
        Row {
            field: "trusted_services",
            calls: &[&DESCRIBE_ORGANIZATION, &LIST_SERVICE_ACCESS],
            per: Per::Place,
        },
        Row {
            field: "delegated_administrators",
            calls: &[&DESCRIBE_ORGANIZATION, &LIST_DELEGATED_ADMINISTRATORS, &LIST_DELEGATED_SERVICES],
            per: Per::Place,
        },
    ],
    events: &[
        Change {
            source: "organizations.amazonaws.com",
            names: &[
                "AcceptHandshake",
                "AttachPolicy",
                "CloseAccount",
                "CreateAccount",
                "CreateOrganization",
                "CreateOrganizationalUnit",
                "CreatePolicy",
                "DeleteOrganization",
                "DeleteOrganizationalUnit",
                "DeletePolicy",
                "DeleteResourcePolicy",
                "DeregisterDelegatedAdministrator",
                "DetachPolicy",
                "DisableAWSServiceAccess",
                "DisablePolicyType",
                "EnableAWSServiceAccess",
                "EnableAllFeatures",
                "EnablePolicyType",
                "LeaveOrganization",
                "MoveAccount",
                "PutResourcePolicy",
                "RegisterDelegatedAdministrator",
                "RemoveAccountFromOrganization",
                "UpdatePolicy",
            ],
            target: Target::Place,
        },
        Change {
            source: "iam.amazonaws.com",
            names: &[
                "DisableOrganizationsRootCredentialsManagement",
                "DisableOrganizationsRootSessions",
                "EnableOrganizationsRootCredentialsManagement",
                "EnableOrganizationsRootSessions",
            ],
            target: Target::Place,
        },
    ],
    schema: Organization::json_schema,
};

/// The organization as the account sees it. What only the management account is told is null elsewhere.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Organization {
    /// `management` for the management account, `member` for another account of an organization, `standalone` for
    /// one without.
    standing: Facet<Standing>,
    /// Features of central root access that are on: `RootCredentialsManagement`, `RootSessions`.
    root_features: Facet<Option<Vec<String>>>,
    /// The policies that limit member accounts, and the accounts that they can be attached to.
    guardrails: Facet<Option<Guardrails>>,
    /// The policy that delegates the management of policies; null when there is none.
    delegation_policy: Facet<Option<PolicyDocument>>,
    /// Principals of the services with trusted access, such as `config.amazonaws.com`.
    trusted_services: Facet<Option<Vec<String>>>,
    /// The accounts that administer services for the organization.
    delegated_administrators: Facet<Option<Vec<DelegatedAdministrator>>>,
}

impl Observed for Organization {
    const KIND: &'static Kind = &ORGANIZATION;
}

/// Where an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(with = "String")]
enum Standing {
    Management,
    Member,
    Standalone,
}

/// An account that administers services for the organization.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DelegatedAdministrator {
    /// Its id.
    account: String,
    /// Principals of the services that it administers.
    services: Vec<String>,
}

/// Where the account stands; asked when somebody awaits it first, and once.
type StandingLater<'a> = Shared<BoxFuture<'a, Result<Standing, Unseen>>>;

/// Collects what the account sees of its organization.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&ORGANIZATION) {
        return Collected::nothing();
    }
    let (place, client) = (ask.place, ask.place.organizations());
    let standing: StandingLater<'_> = read_standing(place, &client).boxed().shared();
    let (root_features, guardrails, delegation_policy, trusted_services, delegated_administrators) = futures::join!(
        ask.fill(&ORGANIZATION, "root_features", told(&standing, read_root_features(place))),
        ask.fill(&ORGANIZATION, "guardrails", told(&standing, guardrails::read(place, &client))),
        ask.fill(&ORGANIZATION, "delegation_policy", async {
            Ok(told(&standing, read_delegation_policy(place, &client)).await?.flatten())
        }),
        ask.fill(&ORGANIZATION, "trusted_services", told(&standing, read_trusted_services(place, &client))),
        ask.fill(
            &ORGANIZATION,
            "delegated_administrators",
            told(&standing, read_delegated_administrators(place, &client))
        ),
    );
    let standing = ask.fill(&ORGANIZATION, "standing", standing).await;
    let observed = Organization {
        standing,
        root_features,
        guardrails,
        delegation_policy,
        trusted_services,
        delegated_administrators,
    };
    let resource = ask.resource(ask.arn("iam", "", "root"), place.account().to_owned(), &observed);
    Collected::of(place, &ORGANIZATION, vec![resource], Ok(()))
}

/// Reads what only the management account is told; `None` elsewhere.
async fn told<T>(
    standing: &StandingLater<'_>,
    read: impl Future<Output = Result<T, Unseen>>,
) -> Result<Option<T>, Unseen> {
    match standing.clone().await? {
        Standing::Management => read.await.map(Some),
        Standing::Member | Standing::Standalone => Ok(None),
    }
}

async fn read_standing(place: &Place, client: &Client) -> Result<Standing, Unseen> {
    let call = &DESCRIBE_ORGANIZATION;
    let Some(output) = place.call(call, || client.describe_organization().send()).await?.found() else {
        return Ok(Standing::Standalone);
    };
    let organization = output.organization.ok_or_else(|| missing(place, call, "Organization"))?;
    let management = text(place, call, "MasterAccountId", organization.master_account_id)?;
    Ok(if management == place.account() { Standing::Management } else { Standing::Member })
}

async fn read_root_features(place: &Place) -> Result<Vec<String>, Unseen> {
    let client = place.iam();
    let call = &LIST_ORGANIZATIONS_FEATURES;
    let Some(output) = place.call(call, || client.list_organizations_features().send()).await?.found() else {
        return Ok(Vec::new());
    };
    let enabled = output.enabled_features.ok_or_else(|| missing(place, call, "EnabledFeatures"))?;
    Ok(enabled.iter().map(|feature| feature.as_str().to_owned()).collect())
}

async fn read_delegation_policy(place: &Place, client: &Client) -> Result<Option<PolicyDocument>, Unseen> {
    let call = &DESCRIBE_RESOURCE_POLICY;
    let Some(output) = place.call(call, || client.describe_resource_policy().send()).await?.found() else {
        return Ok(None);
    };
    let policy = output.resource_policy.ok_or_else(|| missing(place, call, "ResourcePolicy"))?;
    let content = text(place, call, "Content", policy.content)?;
    let document = PolicyDocument::parse(&content);
    document.map(Some).map_err(|_| place.malformed(call, "`Content` is not a policy document"))
}

async fn read_trusted_services(place: &Place, client: &Client) -> Result<Vec<String>, Unseen> {
    let call = &LIST_SERVICE_ACCESS;
    let open = || client.list_aws_service_access_for_organization().into_paginator().send();
    let listed = place.pages(call, open, |page| page.enabled_service_principals).await;
    let services = answer(place, call, listed.complete()?)?.into_iter();
    services.map(|service| text(place, call, "ServicePrincipal", service.service_principal)).collect()
}

async fn read_delegated_administrators(
    place: &Place,
    client: &Client,
) -> Result<Vec<DelegatedAdministrator>, Unseen> {
    let call = &LIST_DELEGATED_ADMINISTRATORS;
    let open = || client.list_delegated_administrators().into_paginator().send();
    let listed = place.pages(call, open, |page| page.delegated_administrators).await;
    let accounts = answer(place, call, listed.complete()?)?.into_iter();
    let services = accounts.map(|account| async move {
        let account = text(place, call, "Id", account.id)?;
        let services = read_delegated_services(place, client, &account).await?;
        Ok(DelegatedAdministrator { account, services })
    });
    try_join_all(services).await
}

/// The services that an account administers; none once it is no longer registered.
async fn read_delegated_services(
    place: &Place,
    client: &Client,
    account: &str,
) -> Result<Vec<String>, Unseen> {
    let call = &LIST_DELEGATED_SERVICES;
    let open = || client.list_delegated_services_for_account().account_id(account).into_paginator().send();
    let listed = place.pages(call, open, |page| page.delegated_services).await;
    let Reply::Answer(services) = listed.complete()? else {
        return Ok(Vec::new());
    };
    services
        .into_iter()
        .map(|service| text(place, call, "ServicePrincipal", service.service_principal))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use upright_testkit::Answer;

    use super::*;
    use crate::collect::canned::{self, ACCOUNT};

    /// What the management account sees when everything but the organization itself is answered so.
    fn refused(field: &str, status: u16, code: &'static str) -> canned::Seen {
        canned::collect(&ORGANIZATION, &[field], move |call| {
            Some(if call.operation == "organizations:DescribeOrganization" {
                Answer::json(&json!({ "Organization": { "Id": "o-1", "MasterAccountId": ACCOUNT } }))
            } else {
                Answer::error(call, status, code, "no")
            })
        })
    }

    #[test]
    fn each_way_in_which_iam_says_that_central_root_access_is_off_is_an_answer() {
        for code in [
            "ServiceAccessNotEnabledException",
            "OrganizationNotInAllFeaturesModeException",
            "OrganizationNotFoundException",
        ] {
            assert_eq!(*refused("root_features", 409, code).known("root_features"), json!([]), "{code}");
        }
        assert!(refused("root_features", 403, "AccessDenied").is_denied("root_features"));
    }

    #[test]
    fn an_account_without_an_organization_stands_alone_and_is_asked_nothing_else() {
        let alone = canned::refusing(400, "AWSOrganizationsNotInUseException", "no organization");
        let seen = canned::collect(&ORGANIZATION, &["standing", "root_features", "delegation_policy"], alone);
        assert_eq!(*seen.known("standing"), json!("standalone"));
        assert_eq!(*seen.known("root_features"), json!(null));
        assert_eq!(*seen.known("delegation_policy"), json!(null));
        assert_eq!(seen.calls.len(), 1, "{:?}", seen.calls);
    }

    #[test]
    fn a_member_is_asked_for_nothing_that_only_the_management_account_is_told() {
        let fields = ["standing", "root_features", "guardrails", "delegated_administrators"];
        let seen = canned::collect(&ORGANIZATION, &fields, |call| {
            let organization = json!({ "Organization": { "Id": "o-1", "MasterAccountId": "444455556666" } });
            (call.operation == "organizations:DescribeOrganization").then(|| Answer::json(&organization))
        });
        assert_eq!(*seen.known("standing"), json!("member"));
        assert_eq!(*seen.known("guardrails"), json!(null));
    }

    #[test]
    fn an_organization_without_a_delegation_policy_is_known_to_have_none() {
        let none = refused("delegation_policy", 400, "ResourcePolicyNotFoundException");
        assert_eq!(*none.known("delegation_policy"), json!(null));
        let denied = refused("delegation_policy", 400, "AccessDeniedException");
        assert!(denied.is_denied("delegation_policy"));
    }
}
