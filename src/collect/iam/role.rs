//! Roles with their trust policies, and the instance profiles that hand them to instances.
//!
//! Calls: `ListRoles` and `ListInstanceProfiles`.

use aws_sdk_iam::Client;
use aws_sdk_iam::types as sdk;
use schemars::JsonSchema;
use serde::Serialize;

use super::{PAGE_SIZE, date, document, page, part, text};
use crate::aws::Call;
use crate::collect::schema::PolicyDocument;
use crate::collect::touch::{Change, Target};
use crate::collect::{Ask, Collected, Kind, Observed, Scope};
use crate::inventory::{Resource, Unseen};

static LIST_ROLES: Call = Call::list("iam", "ListRoles", "<Roles");
static LIST_INSTANCE_PROFILES: Call = Call::list("iam", "ListInstanceProfiles", "<InstanceProfiles");

/// Path of the roles that services of AWS make for themselves.
const SERVICE_LINKED: &str = "/aws-service-role/";

/// The resource type of roles.
pub static ROLE: Kind = Kind {
    name: "aws.iam.role",
    collection: "roles",
    single: false,
    scope: Scope::Global,
    list: &[&LIST_ROLES],
    facets: &[],
    events: &[
        Change {
            source: "iam.amazonaws.com",
            names: &["CreateRole", "DeleteRole", "UpdateAssumeRolePolicy"],
            target: Target::At(&["requestParameters.roleName"]),
        },
        Change {
            source: "iam.amazonaws.com",
            names: &["CreateServiceLinkedRole"],
            target: Target::At(&["responseElements.role.roleName"]),
        },
        Change {
            source: "iam.amazonaws.com",
            names: &["DeleteServiceLinkedRole"],
            target: Target::At(&["requestParameters.roleName"]),
        },
    ],
    schema: Role::json_schema,
};

/// A role.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Role {
    /// Path, such as `/` or `/aws-service-role/…/`.
    path: String,
    /// When it was made.
    created: String,
    /// Whether it is a [service-linked role](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create-service-linked-role.html),
    /// whose policies AWS decides.
    is_service_linked: bool,
    /// Who may assume it.
    trust_policy: PolicyDocument,
}

impl Observed for Role {
    const KIND: &'static Kind = &ROLE;
}

/// The resource type of instance profiles.
pub static INSTANCE_PROFILE: Kind = Kind {
    name: "aws.iam.instance_profile",
    collection: "instance_profiles",
    single: false,
    scope: Scope::Global,
    list: &[&LIST_INSTANCE_PROFILES],
    facets: &[],
    events: &[Change {
        source: "iam.amazonaws.com",
        names: &[
            "AddRoleToInstanceProfile",
            "CreateInstanceProfile",
            "DeleteInstanceProfile",
            "RemoveRoleFromInstanceProfile",
        ],
        target: Target::At(&["requestParameters.instanceProfileName"]),
    }],
    schema: InstanceProfile::json_schema,
};

/// An instance profile.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InstanceProfile {
    /// Path, such as `/`.
    path: String,
    /// When it was made.
    created: String,
    /// ARNs of its roles: one, or none.
    roles: Vec<String>,
}

impl Observed for InstanceProfile {
    const KIND: &'static Kind = &INSTANCE_PROFILE;
}

/// Collects the roles.
pub async fn collect(ask: Ask<'_>, client: &Client) -> Collected {
    if !ask.wanted.kind(&ROLE) {
        return Collected::nothing();
    }
    let listed = ask
        .place
        .pages(
            &LIST_ROLES,
            || client.list_roles().into_paginator().page_size(PAGE_SIZE).send(),
            |p| page(p.is_truncated, p.marker.as_ref(), Some(p.roles)),
        )
        .await;
    part(ask, &ROLE, listed.end, listed.items.into_iter().map(|role| read_role(ask, role)))
}

fn read_role(ask: Ask<'_>, role: sdk::Role) -> Result<Option<Resource>, Unseen> {
    let arn = text(ask.place, &LIST_ROLES, "Arn", role.arn)?;
    let name = text(ask.place, &LIST_ROLES, "RoleName", role.role_name)?;
    let path = text(ask.place, &LIST_ROLES, "Path", role.path)?;
    let observed = Role {
        is_service_linked: path.starts_with(SERVICE_LINKED),
        path,
        created: date(ask.place, &LIST_ROLES, "CreateDate", role.create_date)?,
        trust_policy: document(
            ask.place,
            &LIST_ROLES,
            "AssumeRolePolicyDocument",
            role.assume_role_policy_document,
        )?,
    };
    Ok(Some(ask.resource(arn, name, &observed)))
}

/// Collects the instance profiles.
pub async fn collect_profiles(ask: Ask<'_>, client: &Client) -> Collected {
    if !ask.wanted.kind(&INSTANCE_PROFILE) {
        return Collected::nothing();
    }
    let listed = ask
        .place
        .pages(
            &LIST_INSTANCE_PROFILES,
            || client.list_instance_profiles().into_paginator().page_size(PAGE_SIZE).send(),
            |p| page(p.is_truncated, p.marker.as_ref(), Some(p.instance_profiles)),
        )
        .await;
    let read = listed.items.into_iter().map(|profile| read_profile(ask, profile));
    part(ask, &INSTANCE_PROFILE, listed.end, read)
}

fn read_profile(ask: Ask<'_>, profile: sdk::InstanceProfile) -> Result<Option<Resource>, Unseen> {
    let arn = text(ask.place, &LIST_INSTANCE_PROFILES, "Arn", profile.arn)?;
    let name =
        text(ask.place, &LIST_INSTANCE_PROFILES, "InstanceProfileName", profile.instance_profile_name)?;
    let observed = InstanceProfile {
        path: text(ask.place, &LIST_INSTANCE_PROFILES, "Path", profile.path)?,
        created: date(ask.place, &LIST_INSTANCE_PROFILES, "CreateDate", profile.create_date)?,
        roles: profile
            .roles
            .into_iter()
            .map(|role| text(ask.place, &LIST_INSTANCE_PROFILES, "Arn", role.arn))
            .collect::<Result<_, _>>()?,
    };
    Ok(Some(ask.resource(arn, name, &observed)))
}
