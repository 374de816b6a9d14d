//! IAM users.
//!
//! Calls: `ListUsers`, then for each user those of its facets; the credential report is read once for all.

use std::collections::BTreeMap;

use aws_sdk_iam::Client;
use aws_sdk_iam::types as sdk;
use futures::future::{FutureExt, join_all};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::credential_report::{
    GENERATE_CREDENTIAL_REPORT, GET_CREDENTIAL_REPORT, SharedReport, UserCredentials,
};
use super::{PAGE_SIZE, date, page, part, text};
use crate::aws::{Call, Place, Reply};
use crate::collect::touch::{Change, Target};
use crate::collect::{Ask, Collected, Gone, Kind, Observed, Per, Row, Scope};
use crate::inventory::{Facet, Resource, Unseen};

/// What AWS answers when the user, or the key, has been deleted.
const GONE: &[&str] = &["NoSuchEntity"];

static LIST_USERS: Call = Call::list("iam", "ListUsers", "<Users");
static LIST_ACCESS_KEYS: Call = Call::list("iam", "ListAccessKeys", "<AccessKeyMetadata").gone(GONE);
static GET_ACCESS_KEY_LAST_USED: Call =
    Call::one("iam", "GetAccessKeyLastUsed", "GetAccessKeyLastUsedResult").gone(GONE);
static LIST_ATTACHED_USER_POLICIES: Call =
    Call::list("iam", "ListAttachedUserPolicies", "<AttachedPolicies").gone(GONE);
static LIST_USER_POLICIES: Call = Call::list("iam", "ListUserPolicies", "<PolicyNames").gone(GONE);
static LIST_GROUPS_FOR_USER: Call = Call::list("iam", "ListGroupsForUser", "<Groups").gone(GONE);
static LIST_MFA_DEVICES: Call = Call::list("iam", "ListMFADevices", "<MFADevices").gone(GONE);
static LIST_USER_TAGS: Call = Call::list("iam", "ListUserTags", "<Tags").gone(GONE);

/// The resource type of users.
pub static USER: Kind = Kind {
    name: "aws.iam.user",
    collection: "users",
    single: false,
    scope: Scope::Global,
    list: &[&LIST_USERS],
    facets: &[
        Row {
            field: "credentials",
            calls: &[&GENERATE_CREDENTIAL_REPORT, &GET_CREDENTIAL_REPORT],
            per: Per::Place,
        },
        Row { field: "access_keys", calls: &[&LIST_ACCESS_KEYS], per: Per::Resource },
        Row {
            field: "access_key_last_used",
            calls: &[&LIST_ACCESS_KEYS, &GET_ACCESS_KEY_LAST_USED],
            per: Per::Resource,
        },
        Row { field: "attached_policies", calls: &[&LIST_ATTACHED_USER_POLICIES], per: Per::Resource },
        Row { field: "inline_policy_names", calls: &[&LIST_USER_POLICIES], per: Per::Resource },
        Row { field: "groups", calls: &[&LIST_GROUPS_FOR_USER], per: Per::Resource },
        Row { field: "mfa_devices", calls: &[&LIST_MFA_DEVICES], per: Per::Resource },
        Row { field: "tags", calls: &[&LIST_USER_TAGS], per: Per::Resource },
    ],
    events: &[
        Change {
            source: "iam.amazonaws.com",
            names: &[
                "AddUserToGroup",
                "AttachUserPolicy",
                "CreateLoginProfile",
                "CreateUser",
                "DeactivateMFADevice",
                "DeleteLoginProfile",
                "DeleteUser",
                "DeleteUserPolicy",
                "DetachUserPolicy",
                "EnableMFADevice",
                "PutUserPolicy",
                "RemoveUserFromGroup",
                "TagUser",
                "UntagUser",
                "UpdateLoginProfile",
                "UpdateUser",
            ],
            target: Target::At(&["requestParameters.userName", "requestParameters.newUserName"]),
        },
        Change {
            source: "iam.amazonaws.com",
            names: &["ChangePassword", "CreateAccessKey", "DeleteAccessKey", "UpdateAccessKey"],
            target: Target::At(&[
                "requestParameters.userName|responseElements.accessKey.userName|userIdentity.userName",
            ]),
        },
    ],
    schema: User::json_schema,
};

/// An IAM user. The root user is not one; see `account.iam`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct User {
    /// Path, such as `/` or `/build/`.
    path: String,
    /// When the user was made.
    created: String,
    /// The user's row of the credential report; null when the user is newer than the report, which AWS
    /// renews at most every four hours.
    credentials: Facet<Option<UserCredentials>>,
    /// Access keys, inactive ones too.
    access_keys: Facet<Vec<AccessKey>>,
    /// When the access keys were last used, to the hour; the credential report says it too, but is older.
    access_key_last_used: Facet<Vec<AccessKeyUse>>,
    /// Managed policies that are attached to the user directly.
    attached_policies: Facet<Vec<AttachedPolicy>>,
    /// Names of the policies that are written into the user.
    inline_policy_names: Facet<Vec<String>>,
    /// Names of the groups that the user is in.
    groups: Facet<Vec<String>>,
    /// MFA devices of the user, virtual and hardware.
    mfa_devices: Facet<Vec<MfaDevice>>,
    /// Tags.
    tags: Facet<BTreeMap<String, String>>,
}

impl Observed for User {
    const KIND: &'static Kind = &USER;
}

/// An access key.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AccessKey {
    /// Key id, `AKIA…`.
    id: String,
    /// Whether it can be used.
    is_active: bool,
    /// When it was made.
    created: String,
}

/// Last use of an access key.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AccessKeyUse {
    /// Key id, `AKIA…`.
    id: String,
    /// When it was last used; null for never.
    last_used: Option<String>,
    /// The service it was last used with, such as `s3`.
    service: Option<String>,
    /// The region it was last used in.
    region: Option<String>,
}

/// A managed policy that is attached.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AttachedPolicy {
    /// Its name.
    name: String,
    /// Its ARN.
    arn: String,
}

/// An MFA device of a user.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MfaDevice {
    /// Serial number: the ARN of a virtual device or security key, or the number printed on a token.
    serial_number: String,
    /// When it was assigned.
    enabled: String,
}

/// Collects the users.
pub async fn collect(ask: Ask<'_>, client: &Client, report: SharedReport<'_>) -> Collected {
    if !ask.wanted.kind(&USER) {
        return Collected::nothing();
    }
    let listed = ask
        .place
        .pages(
            &LIST_USERS,
            || client.list_users().into_paginator().page_size(PAGE_SIZE).send(),
            |p| page(p.is_truncated, p.marker.as_ref(), Some(p.users)),
        )
        .await;
    let asked = listed.items.into_iter().filter(|user| ask.takes(&USER, &user.arn, &user.user_name));
    let users = asked.map(|user| read_user(ask, client, report.clone(), user));
    let read = join_all(users).await;
    part(ask, &USER, listed.end, read)
}

async fn read_user(
    ask: Ask<'_>,
    client: &Client,
    report: SharedReport<'_>,
    user: sdk::User,
) -> Result<Option<Resource>, Unseen> {
    let made = user.create_date.secs();
    let created = date(ask.place, &LIST_USERS, "CreateDate", user.create_date)?;
    let arn = text(ask.place, &LIST_USERS, "Arn", user.arn)?;
    let name = text(ask.place, &LIST_USERS, "UserName", user.user_name)?;
    let path = text(ask.place, &LIST_USERS, "Path", user.path)?;
    let reader = Reader { ask, client, name: &name };
    // Both facets of keys start from the same list, which is read once.
    let keys = reader.access_keys().boxed().shared();
    let facets = futures::try_join!(
        ask.optional(&USER, "credentials", read_credentials(ask.place, report, &arn, made)),
        ask.facet(&USER, "access_keys", keys.clone()),
        ask.facet(&USER, "access_key_last_used", reader.access_key_uses(keys.clone())),
        ask.facet(&USER, "attached_policies", reader.attached_policies()),
        ask.facet(&USER, "inline_policy_names", reader.inline_policy_names()),
        ask.facet(&USER, "groups", reader.groups()),
        ask.facet(&USER, "mfa_devices", reader.mfa_devices()),
        ask.facet(&USER, "tags", reader.tags()),
    );
    let (
        credentials,
        access_keys,
        access_key_last_used,
        attached_policies,
        inline_policy_names,
        groups,
        mfa_devices,
        tags,
    ) = match facets {
        Ok(facets) => facets,
        Err(Gone) => return Ok(None),
    };
    let observed = User {
        path,
        created,
        credentials,
        access_keys,
        access_key_last_used,
        attached_policies,
        inline_policy_names,
        groups,
        mfa_devices,
        tags,
    };
    Ok(Some(ask.resource(arn, name.clone(), &observed)))
}

async fn read_credentials(
    place: &Place,
    report: SharedReport<'_>,
    arn: &str,
    made: i64,
) -> Result<Reply<UserCredentials>, Unseen> {
    let report = report.await?;
    let created = Timestamp::new(made, 0)
        .map_err(|_| place.malformed(&LIST_USERS, "`CreateDate` lies outside the calendar"))?;
    report.user(place, arn, created)
}

/// The calls for one user.
#[derive(Clone, Copy)]
struct Reader<'a> {
    ask: Ask<'a>,
    client: &'a Client,
    name: &'a str,
}

impl Reader<'_> {
    async fn access_keys(self) -> Result<Reply<Vec<AccessKey>>, Unseen> {
        let place = self.ask.place;
        let listed = place
            .pages(
                &LIST_ACCESS_KEYS,
                || self.client.list_access_keys().user_name(self.name).into_paginator().send(),
                |p| page(p.is_truncated, p.marker.as_ref(), Some(p.access_key_metadata)),
            )
            .await;
        let key = |key: sdk::AccessKeyMetadata| {
            Ok(AccessKey {
                id: text(place, &LIST_ACCESS_KEYS, "AccessKeyId", key.access_key_id)?,
                is_active: match key.status {
                    Some(sdk::StatusType::Active) => true,
                    Some(sdk::StatusType::Inactive | sdk::StatusType::Expired) => false,
                    _ => return Err(place.malformed(&LIST_ACCESS_KEYS, "the status of a key is not known")),
                },
                created: date(place, &LIST_ACCESS_KEYS, "CreateDate", key.create_date)?,
            })
        };
        listed.complete()?.and_then(|keys| keys.into_iter().map(key).collect())
    }

    async fn access_key_uses(
        self,
        keys: impl Future<Output = Result<Reply<Vec<AccessKey>>, Unseen>>,
    ) -> Result<Reply<Vec<AccessKeyUse>>, Unseen> {
        let keys = match keys.await? {
            Reply::Answer(keys) => keys,
            Reply::Absent => return Ok(Reply::Absent),
            Reply::Gone => return Ok(Reply::Gone),
        };
        let uses = join_all(keys.into_iter().map(|key| self.access_key_use(key.id))).await;
        let uses: Vec<_> = uses.into_iter().collect::<Result<_, _>>()?;
        // It is the key that is gone then, not the user.
        Ok(Reply::Answer(uses.into_iter().flatten().collect()))
    }

    async fn access_key_use(self, id: String) -> Result<Option<AccessKeyUse>, Unseen> {
        let place = self.ask.place;
        let reply = place
            .call(&GET_ACCESS_KEY_LAST_USED, || {
                self.client.get_access_key_last_used().access_key_id(&id).send()
            })
            .await?;
        let Reply::Answer(output) = reply else {
            return Ok(None);
        };
        let last = output
            .access_key_last_used
            .ok_or_else(|| super::missing(place, &GET_ACCESS_KEY_LAST_USED, "AccessKeyLastUsed"))?;
        let known = |word: String| (!word.is_empty() && word != "N/A").then_some(word);
        Ok(Some(AccessKeyUse {
            id,
            last_used: last.last_used_date.map(crate::collect::time),
            service: known(last.service_name),
            region: known(last.region),
        }))
    }

    async fn attached_policies(self) -> Result<Reply<Vec<AttachedPolicy>>, Unseen> {
        let place = self.ask.place;
        let listed = place
            .pages(
                &LIST_ATTACHED_USER_POLICIES,
                || self.client.list_attached_user_policies().user_name(self.name).into_paginator().send(),
                |p| page(p.is_truncated, p.marker.as_ref(), p.attached_policies),
            )
            .await;
        let policy = |policy: sdk::AttachedPolicy| {
            Ok(AttachedPolicy {
                name: text(place, &LIST_ATTACHED_USER_POLICIES, "PolicyName", policy.policy_name)?,
                arn: text(place, &LIST_ATTACHED_USER_POLICIES, "PolicyArn", policy.policy_arn)?,
            })
        };
        listed.complete()?.and_then(|policies| policies.into_iter().map(policy).collect())
    }

    async fn inline_policy_names(self) -> Result<Reply<Vec<String>>, Unseen> {
        self.ask
            .place
            .pages(
                &LIST_USER_POLICIES,
                || self.client.list_user_policies().user_name(self.name).into_paginator().send(),
                |p| page(p.is_truncated, p.marker.as_ref(), Some(p.policy_names)),
            )
            .await
            .complete()
    }

    async fn groups(self) -> Result<Reply<Vec<String>>, Unseen> {
        let place = self.ask.place;
        let listed = place
            .pages(
                &LIST_GROUPS_FOR_USER,
                || self.client.list_groups_for_user().user_name(self.name).into_paginator().send(),
                |p| page(p.is_truncated, p.marker.as_ref(), Some(p.groups)),
            )
            .await;
        let name = |group: sdk::Group| text(place, &LIST_GROUPS_FOR_USER, "GroupName", group.group_name);
        listed.complete()?.and_then(|groups| groups.into_iter().map(name).collect())
    }

    async fn mfa_devices(self) -> Result<Reply<Vec<MfaDevice>>, Unseen> {
        let place = self.ask.place;
        let listed = place
            .pages(
                &LIST_MFA_DEVICES,
                || self.client.list_mfa_devices().user_name(self.name).into_paginator().send(),
                |p| page(p.is_truncated, p.marker.as_ref(), Some(p.mfa_devices)),
            )
            .await;
        let device = |device: sdk::MfaDevice| {
            Ok(MfaDevice {
                serial_number: text(place, &LIST_MFA_DEVICES, "SerialNumber", device.serial_number)?,
                enabled: date(place, &LIST_MFA_DEVICES, "EnableDate", device.enable_date)?,
            })
        };
        listed.complete()?.and_then(|devices| devices.into_iter().map(device).collect())
    }

    async fn tags(self) -> Result<Reply<BTreeMap<String, String>>, Unseen> {
        let listed = self
            .ask
            .place
            .pages(
                &LIST_USER_TAGS,
                || self.client.list_user_tags().user_name(self.name).into_paginator().send(),
                |p| page(p.is_truncated, p.marker.as_ref(), Some(p.tags)),
            )
            .await;
        listed.complete()?.and_then(|tags| Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect()))
    }
}
