//! What IAM says about the account as a whole: password policy, summary, root user, who holds two of
//! AWS's policies, and where people may come from.
//!
//! Calls: one for each facet. The root user's hardware MFA shows in two of them: the summary says that root
//! has MFA, and the list of virtual devices that none of them is root's; no call lists root's hardware.

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{self as sdk, SummaryKeyType};
use schemars::JsonSchema;
use serde::Serialize;

use super::credential_report::{
    GENERATE_CREDENTIAL_REPORT, GET_CREDENTIAL_REPORT, RootCredentials, SharedReport,
};
use super::{PAGE_SIZE, missing, page, text};
use crate::aws::{Call, Place, Reply};
use crate::collect::touch::{Change, Target};
use crate::collect::{Ask, Collected, Kind, Observed, Per, Row, Scope};
use crate::inventory::{Facet, Unseen};

static GET_ACCOUNT_PASSWORD_POLICY: Call =
    Call::one("iam", "GetAccountPasswordPolicy", "GetAccountPasswordPolicyResult").absent(&["NoSuchEntity"]);
static GET_ACCOUNT_SUMMARY: Call = Call::one("iam", "GetAccountSummary", "GetAccountSummaryResult");
static LIST_VIRTUAL_MFA_DEVICES: Call = Call::list("iam", "ListVirtualMFADevices", "<VirtualMFADevices");
/// Asked about AWS's own policies only. One that does not exist in a partition is attached to nobody there.
static LIST_ENTITIES_FOR_POLICY: Call =
    Call::list("iam", "ListEntitiesForPolicy", "ListEntitiesForPolicyResult").absent(&["NoSuchEntity"]);
static LIST_SAML_PROVIDERS: Call = Call::one("iam", "ListSAMLProviders", "ListSAMLProvidersResult");
static LIST_OPEN_ID_CONNECT_PROVIDERS: Call =
    Call::one("iam", "ListOpenIDConnectProviders", "ListOpenIDConnectProvidersResult");

/// The resource type of an account's IAM settings.
pub static ACCOUNT: Kind = Kind {
    name: "aws.iam.account",
    collection: "iam",
    single: true,
    scope: Scope::Global,
    list: &[],
    facets: &[
        Row { field: "password_policy", calls: &[&GET_ACCOUNT_PASSWORD_POLICY], per: Per::Place },
        Row { field: "summary", calls: &[&GET_ACCOUNT_SUMMARY], per: Per::Place },
        Row { field: "root", calls: &[&GENERATE_CREDENTIAL_REPORT, &GET_CREDENTIAL_REPORT], per: Per::Place },
        Row { field: "virtual_mfa_devices", calls: &[&LIST_VIRTUAL_MFA_DEVICES], per: Per::Place },
        Row { field: "support_access", calls: &[&LIST_ENTITIES_FOR_POLICY], per: Per::Place },
        Row { field: "cloudshell_access", calls: &[&LIST_ENTITIES_FOR_POLICY], per: Per::Place },
        Row { field: "saml_providers", calls: &[&LIST_SAML_PROVIDERS], per: Per::Place },
        Row { field: "oidc_providers", calls: &[&LIST_OPEN_ID_CONNECT_PROVIDERS], per: Per::Place },
    ],
    events: &[
        Change {
            source: "iam.amazonaws.com",
            names: &["DeleteAccountPasswordPolicy", "UpdateAccountPasswordPolicy"],
            target: Target::Place,
        },
        Change {
            source: "iam.amazonaws.com",
            names: &[
                "CreateVirtualMFADevice",
                "DeactivateMFADevice",
                "DeleteVirtualMFADevice",
                "EnableMFADevice",
            ],
            target: Target::Place,
        },
        Change {
            source: "iam.amazonaws.com",
            names: &["CreateAccessKey", "CreateUser", "DeleteAccessKey", "DeleteUser", "UpdateAccessKey"],
            target: Target::Place,
        },
        Change {
            source: "iam.amazonaws.com",
            names: &[
                "AttachGroupPolicy",
                "AttachRolePolicy",
                "AttachUserPolicy",
                "DetachGroupPolicy",
                "DetachRolePolicy",
                "DetachUserPolicy",
            ],
            target: Target::Place,
        },
        Change {
            source: "iam.amazonaws.com",
            names: &[
                "CreateOpenIDConnectProvider",
                "CreateSAMLProvider",
                "DeleteOpenIDConnectProvider",
                "DeleteSAMLProvider",
            ],
            target: Target::Place,
        },
    ],
    schema: IamAccount::json_schema,
};

/// An account's IAM settings, and its root user.
#[derive(Debug, Serialize, JsonSchema)]
pub struct IamAccount {
    /// Password policy for IAM users; null when none is set and AWS's default applies.
    password_policy: Facet<Option<PasswordPolicy>>,
    /// Counts and facts that are up to date at once, unlike the credential report.
    summary: Facet<Summary>,
    /// The root user's row of the credential report, which can be four hours old.
    root: Facet<RootCredentials>,
    /// Virtual MFA devices, unassigned ones too.
    virtual_mfa_devices: Facet<Vec<VirtualMfaDevice>>,
    /// Who has the policy `AWSSupportAccess`.
    support_access: Facet<Entities>,
    /// Who has the policy `AWSCloudShellFullAccess`.
    cloudshell_access: Facet<Entities>,
    /// ARNs of the SAML providers.
    saml_providers: Facet<Vec<String>>,
    /// ARNs of the OpenID Connect providers.
    oidc_providers: Facet<Vec<String>>,
}

impl Observed for IamAccount {
    const KIND: &'static Kind = &ACCOUNT;
}

/// The rules for passwords of IAM users.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PasswordPolicy {
    /// Fewest characters.
    minimum_length: i64,
    /// How many previous passwords may not be used again; null when reuse is allowed.
    reuse_prevention: Option<i64>,
    /// Days after which a password expires; null when it never does.
    max_age_days: Option<i64>,
    /// Whether a symbol is demanded.
    require_symbols: bool,
    /// Whether a digit is demanded.
    require_numbers: bool,
    /// Whether an upper-case letter is demanded.
    require_uppercase: bool,
    /// Whether a lower-case letter is demanded.
    require_lowercase: bool,
    /// Whether users may change their own password.
    allow_users_to_change: bool,
    /// Whether a user whose password expired needs an administrator; null when AWS does not tell.
    hard_expiry: Option<bool>,
}

/// Facts from the account summary.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// Whether the root user has an MFA device.
    root_mfa_enabled: bool,
    /// Whether the root user has an access key, active or not.
    root_access_keys_present: bool,
    /// Whether the root user has a password; null when AWS does not tell.
    root_password_present: Option<bool>,
    /// How many IAM users there are.
    users: i64,
    /// How many MFA devices are assigned, to root and users.
    mfa_devices_in_use: i64,
}

/// A virtual MFA device.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct VirtualMfaDevice {
    /// Its ARN.
    serial_number: String,
    /// ARN of the user, or of the root user, that it is assigned to; null when it is not assigned.
    user_arn: Option<String>,
}

/// The users, groups and roles that a policy is attached to.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Entities {
    /// Names of users.
    users: Vec<String>,
    /// Names of groups.
    groups: Vec<String>,
    /// Names of roles.
    roles: Vec<String>,
}

/// Collects the account's IAM settings.
pub async fn collect(ask: Ask<'_>, client: &Client, report: SharedReport<'_>) -> Collected {
    if !ask.wanted.kind(&ACCOUNT) {
        return Collected::nothing();
    }
    let place = ask.place;
    let (
        password_policy,
        summary,
        root,
        virtual_mfa_devices,
        support_access,
        cloudshell_access,
        saml_providers,
        oidc_providers,
    ) = futures::join!(
        fill(ask, "password_policy", read_password_policy(place, client)),
        fill(ask, "summary", read_summary(place, client)),
        fill(ask, "root", async { report.await?.root(place) }),
        fill(ask, "virtual_mfa_devices", read_virtual_mfa_devices(place, client)),
        fill(ask, "support_access", read_entities(ask, client, "AWSSupportAccess")),
        fill(ask, "cloudshell_access", read_entities(ask, client, "AWSCloudShellFullAccess")),
        fill(ask, "saml_providers", read_saml_providers(place, client)),
        fill(ask, "oidc_providers", read_oidc_providers(place, client)),
    );
    let observed = IamAccount {
        password_policy,
        summary,
        root,
        virtual_mfa_devices,
        support_access,
        cloudshell_access,
        saml_providers,
        oidc_providers,
    };
    let resource = ask.resource(ask.arn("iam", "", "root"), place.account().to_owned(), &observed);
    Collected::of(place, &ACCOUNT, vec![resource], Ok(()))
}

/// Fills a facet of the account, which cannot be gone.
async fn fill<T>(ask: Ask<'_>, field: &str, read: impl Future<Output = Result<T, Unseen>>) -> Facet<T> {
    if ask.wanted.field(&ACCOUNT, field) {
        Facet::from(read.await)
    } else {
        Facet::Unknown(ask.not_collected())
    }
}

/// The answer of a call that has no way to say "there is none".
fn answer<T>(place: &Place, call: &Call, reply: Reply<T>) -> Result<T, Unseen> {
    match reply {
        Reply::Answer(answer) => Ok(answer),
        Reply::Absent | Reply::Gone => Err(place.malformed(call, "the account has no such thing")),
    }
}

async fn read_password_policy(place: &Place, client: &Client) -> Result<Option<PasswordPolicy>, Unseen> {
    let reply =
        place.call(&GET_ACCOUNT_PASSWORD_POLICY, || client.get_account_password_policy().send()).await?;
    let Reply::Answer(output) = reply else {
        return Ok(None);
    };
    output
        .password_policy
        .and_then(password_policy)
        .map(Some)
        .ok_or_else(|| missing(place, &GET_ACCOUNT_PASSWORD_POLICY, "MinimumPasswordLength"))
}

fn password_policy(policy: sdk::PasswordPolicy) -> Option<PasswordPolicy> {
    // Both ranges start at 1; a setting that is switched off is absent.
    let set = |number: Option<i32>| number.filter(|n| *n > 0).map(i64::from);
    Some(PasswordPolicy {
        minimum_length: policy.minimum_password_length.map(i64::from)?,
        reuse_prevention: set(policy.password_reuse_prevention),
        max_age_days: set(policy.max_password_age).filter(|_| policy.expire_passwords),
        require_symbols: policy.require_symbols,
        require_numbers: policy.require_numbers,
        require_uppercase: policy.require_uppercase_characters,
        require_lowercase: policy.require_lowercase_characters,
        allow_users_to_change: policy.allow_users_to_change_password,
        hard_expiry: policy.hard_expiry,
    })
}

async fn read_summary(place: &Place, client: &Client) -> Result<Summary, Unseen> {
    let reply = place.call(&GET_ACCOUNT_SUMMARY, || client.get_account_summary().send()).await?;
    let output = answer(place, &GET_ACCOUNT_SUMMARY, reply)?;
    let map = output.summary_map.ok_or_else(|| missing(place, &GET_ACCOUNT_SUMMARY, "SummaryMap"))?;
    let number = |key: SummaryKeyType| {
        map.get(&key)
            .copied()
            .map(i64::from)
            .ok_or_else(|| missing(place, &GET_ACCOUNT_SUMMARY, key.as_str()))
    };
    Ok(Summary {
        root_mfa_enabled: number(SummaryKeyType::AccountMfaEnabled)? > 0,
        root_access_keys_present: number(SummaryKeyType::AccountAccessKeysPresent)? > 0,
        // AWS tells this since it lets organizations remove the root credentials of members.
        root_password_present: map.get(&SummaryKeyType::AccountPasswordPresent).map(|present| *present > 0),
        users: number(SummaryKeyType::Users)?,
        mfa_devices_in_use: number(SummaryKeyType::MfaDevicesInUse)?,
    })
}

async fn read_virtual_mfa_devices(place: &Place, client: &Client) -> Result<Vec<VirtualMfaDevice>, Unseen> {
    let listed = place
        .pages(
            &LIST_VIRTUAL_MFA_DEVICES,
            || client.list_virtual_mfa_devices().into_paginator().page_size(PAGE_SIZE).send(),
            |p| page(p.is_truncated, p.marker.as_ref(), Some(p.virtual_mfa_devices)),
        )
        .await;
    let device = |device: sdk::VirtualMfaDevice| {
        Ok(VirtualMfaDevice {
            serial_number: text(place, &LIST_VIRTUAL_MFA_DEVICES, "SerialNumber", device.serial_number)?,
            // Whose it is decides whether root is safe: a user without an ARN is no answer.
            user_arn: device
                .user
                .map(|user| text(place, &LIST_VIRTUAL_MFA_DEVICES, "Arn", user.arn))
                .transpose()?,
        })
    };
    answer(place, &LIST_VIRTUAL_MFA_DEVICES, listed.complete()?)?.into_iter().map(device).collect()
}

/// Who has a policy of AWS as permissions; as a boundary it grants nothing.
async fn read_entities(ask: Ask<'_>, client: &Client, policy: &str) -> Result<Entities, Unseen> {
    let arn = format!("arn:{}:iam::aws:policy/{policy}", ask.partition);
    let listed = ask
        .place
        .pages(
            &LIST_ENTITIES_FOR_POLICY,
            || {
                client
                    .list_entities_for_policy()
                    .policy_arn(&arn)
                    .policy_usage_filter(sdk::PolicyUsageType::PermissionsPolicy)
                    .into_paginator()
                    .page_size(PAGE_SIZE)
                    .send()
            },
            |p| page(p.is_truncated, p.marker.clone().as_ref(), entities_of_page(p)),
        )
        .await;
    let mut entities = Entities { users: Vec::new(), groups: Vec::new(), roles: Vec::new() };
    if let Reply::Answer(found) = listed.complete()? {
        for entity in found {
            let named = |member, name| text(ask.place, &LIST_ENTITIES_FOR_POLICY, member, name);
            match entity {
                Entity::User(user) => entities.users.push(named("UserName", user.user_name)?),
                Entity::Group(group) => entities.groups.push(named("GroupName", group.group_name)?),
                Entity::Role(role) => entities.roles.push(named("RoleName", role.role_name)?),
            }
        }
    }
    Ok(entities)
}

enum Entity {
    User(sdk::PolicyUser),
    Group(sdk::PolicyGroup),
    Role(sdk::PolicyRole),
}

/// The three lists of a page as one. AWS writes empty lists too, so that a page without any is no answer.
fn entities_of_page(
    page: aws_sdk_iam::operation::list_entities_for_policy::ListEntitiesForPolicyOutput,
) -> Option<Vec<Entity>> {
    if page.policy_users.is_none() && page.policy_groups.is_none() && page.policy_roles.is_none() {
        return None;
    }
    let users = page.policy_users.into_iter().flatten().map(Entity::User);
    let groups = page.policy_groups.into_iter().flatten().map(Entity::Group);
    let roles = page.policy_roles.into_iter().flatten().map(Entity::Role);
    Some(users.chain(groups).chain(roles).collect())
}

async fn read_saml_providers(place: &Place, client: &Client) -> Result<Vec<String>, Unseen> {
    let reply = place.call(&LIST_SAML_PROVIDERS, || client.list_saml_providers().send()).await?;
    answer(place, &LIST_SAML_PROVIDERS, reply)?
        .saml_provider_list
        .ok_or_else(|| missing(place, &LIST_SAML_PROVIDERS, "SAMLProviderList"))?
        .into_iter()
        .map(|provider| text(place, &LIST_SAML_PROVIDERS, "Arn", provider.arn))
        .collect()
}

async fn read_oidc_providers(place: &Place, client: &Client) -> Result<Vec<String>, Unseen> {
    let reply = place
        .call(&LIST_OPEN_ID_CONNECT_PROVIDERS, || client.list_open_id_connect_providers().send())
        .await?;
    answer(place, &LIST_OPEN_ID_CONNECT_PROVIDERS, reply)?
        .open_id_connect_provider_list
        .ok_or_else(|| missing(place, &LIST_OPEN_ID_CONNECT_PROVIDERS, "OpenIDConnectProviderList"))?
        .into_iter()
        .map(|provider| text(place, &LIST_OPEN_ID_CONNECT_PROVIDERS, "Arn", provider.arn))
        .collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::operation::list_entities_for_policy::ListEntitiesForPolicyOutput;
    use serde_json::json;
    use upright_testkit::Answer;

    use super::*;
    use crate::collect::canned;

    #[test]
    fn no_password_policy_is_an_answer_and_a_denial_is_none() {
        let read = |status, code| {
            canned::collect(&ACCOUNT, &["password_policy"], canned::refusing(status, code, "no"))
        };
        assert_eq!(*read(404, "NoSuchEntity").known("password_policy"), json!(null));
        assert!(read(403, "AccessDenied").is_denied("password_policy"));
    }

    /// What is made of a summary with these numbers of root.
    fn summary(of_root: &str) -> canned::Seen {
        let entry = |(key, number)| format!("<entry><key>{key}</key><value>{number}</value></entry>");
        let rest = [("Users", 3), ("MFADevicesInUse", 1), ("AccountMFAEnabled", 1)].map(entry).concat();
        let body = format!(
            "<GetAccountSummaryResponse><GetAccountSummaryResult><SummaryMap>{rest}{of_root}</SummaryMap>\
             </GetAccountSummaryResult></GetAccountSummaryResponse>"
        );
        canned::collect(&ACCOUNT, &["summary"], move |_| Some(Answer::xml(&body)))
    }

    #[test]
    fn the_summary_says_whether_root_has_keys_and_an_older_one_nothing_of_its_password() {
        let keys = |n| format!("<entry><key>AccountAccessKeysPresent</key><value>{n}</value></entry>");
        let password = |n| format!("<entry><key>AccountPasswordPresent</key><value>{n}</value></entry>");
        let removed = summary(&(keys(0) + &password(0)));
        assert_eq!(removed.known("summary")["root_access_keys_present"], json!(false));
        assert_eq!(removed.known("summary")["root_password_present"], json!(false));
        // It is a flag: an account with two keys says no more than 1, and nothing hangs on that.
        for number in [1, 2] {
            let older = summary(&keys(number));
            assert_eq!(older.known("summary")["root_access_keys_present"], json!(true));
            assert_eq!(older.known("summary")["root_password_present"], json!(null));
        }
        assert!(matches!(summary(&password(1)).field("summary"), Facet::Unknown(_)), "without its keys");
    }

    #[test]
    fn holders_of_a_policy_of_aws_are_asked_for_in_its_partition_and_not_as_a_boundary() {
        const NOBODY: &str = "<ListEntitiesForPolicyResponse><ListEntitiesForPolicyResult><PolicyGroups/>\
            <PolicyUsers/><PolicyRoles/><IsTruncated>false</IsTruncated></ListEntitiesForPolicyResult>\
            </ListEntitiesForPolicyResponse>";
        for partition in ["aws", "aws-cn", "aws-us-gov"] {
            let fields = ["support_access", "cloudshell_access"];
            let seen = canned::collect_in(partition, &ACCOUNT, &fields, |_| Some(Answer::xml(NOBODY)));
            let arn = |policy| format!("arn:{partition}:iam::aws:policy/{policy}");
            assert_eq!(
                seen.asked("iam:ListEntitiesForPolicy", "PolicyArn"),
                [Some(arn("AWSCloudShellFullAccess").as_str()), Some(arn("AWSSupportAccess").as_str())]
            );
            assert_eq!(
                seen.asked("iam:ListEntitiesForPolicy", "PolicyUsageFilter"),
                [Some("PermissionsPolicy"), Some("PermissionsPolicy")]
            );
            assert_eq!(*seen.known("support_access"), json!({ "users": [], "groups": [], "roles": [] }));
        }
    }

    /// AWS tells root's ARN and no name of it, and nothing at all of who has a device that is left over.
    #[test]
    fn virtual_devices_are_those_of_root_of_users_and_of_nobody() {
        let device = |name: &str, user: &str| {
            format!(
                "<member><SerialNumber>arn:aws:iam::111122223333:mfa/{name}</SerialNumber>{user}\
                 <EnableDate>2025-01-01T00:00:00Z</EnableDate></member>"
            )
        };
        let of = |arn: &str| format!("<User><Arn>arn:aws:iam::111122223333:{arn}</Arn></User>");
        let devices = device("pixel", &of("root")) + &device("ann", &of("user/ann")) + &device("spare", "");
        let body = format!(
            "<ListVirtualMFADevicesResponse><ListVirtualMFADevicesResult><IsTruncated>false</IsTruncated>\
             <VirtualMFADevices>{devices}</VirtualMFADevices></ListVirtualMFADevicesResult>\
             </ListVirtualMFADevicesResponse>"
        );
        let seen = canned::collect(&ACCOUNT, &["virtual_mfa_devices"], move |_| Some(Answer::xml(&body)));
        let devices = seen.known("virtual_mfa_devices").as_array().unwrap();
        let users: Vec<Option<&str>> = devices.iter().map(|device| device["user_arn"].as_str()).collect();
        assert_eq!(
            users,
            [Some("arn:aws:iam::111122223333:root"), Some("arn:aws:iam::111122223333:user/ann"), None]
        );
    }

    #[test]
    fn settings_that_are_switched_off_are_null() {
        let off = sdk::PasswordPolicy::builder().minimum_password_length(8).max_password_age(0).build();
        let off = password_policy(off).unwrap();
        assert_eq!((off.reuse_prevention, off.max_age_days, off.hard_expiry), (None, None, None));
        let on = sdk::PasswordPolicy::builder()
            .minimum_password_length(14)
            .expire_passwords(true)
            .max_password_age(90)
            .password_reuse_prevention(24)
            .build();
        let on = password_policy(on).unwrap();
        assert_eq!((on.minimum_length, on.reuse_prevention, on.max_age_days), (14, Some(24), Some(90)));
    }

    #[test]
    fn a_password_policy_without_a_length_is_no_answer() {
        assert_eq!(password_policy(sdk::PasswordPolicy::builder().build()), None);
    }

    #[test]
    fn a_page_without_any_list_is_no_answer() {
        let nobody = ListEntitiesForPolicyOutput::builder().set_policy_roles(Some(Vec::new())).build();
        assert!(entities_of_page(nobody).is_some_and(|found| found.is_empty()));
        assert!(entities_of_page(ListEntitiesForPolicyOutput::builder().build()).is_none());
    }
}
