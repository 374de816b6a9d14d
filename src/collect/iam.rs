//! stub
use super::{Ask, Collected, Kind, Observed, Scope};
use schemars::JsonSchema;
use serde::Serialize;
pub async fn collect(_ask: Ask<'_>) -> Collected {
    Collected::nothing()
}

pub static ACCOUNT: Kind = Kind {
    name: "aws.iam.account",
    collection: "iam",
    single: true,
    scope: Scope::Global,
    list: &[],
    facets: &[],
    schema: IamAccount::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct IamAccount {}
impl Observed for IamAccount {
    const KIND: &'static Kind = &ACCOUNT;
}

pub static INSTANCE_PROFILE: Kind = Kind {
    name: "aws.iam.instance_profile",
    collection: "instance_profiles",
    single: false,
    scope: Scope::Global,
    list: &[],
    facets: &[],
    schema: InstanceProfile::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct InstanceProfile {}
impl Observed for InstanceProfile {
    const KIND: &'static Kind = &INSTANCE_PROFILE;
}

pub static POLICY: Kind = Kind {
    name: "aws.iam.policy",
    collection: "policies",
    single: false,
    scope: Scope::Global,
    list: &[],
    facets: &[],
    schema: Policy::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct Policy {}
impl Observed for Policy {
    const KIND: &'static Kind = &POLICY;
}

pub static ROLE: Kind = Kind {
    name: "aws.iam.role",
    collection: "roles",
    single: false,
    scope: Scope::Global,
    list: &[],
    facets: &[],
    schema: Role::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct Role {}
impl Observed for Role {
    const KIND: &'static Kind = &ROLE;
}

pub static SERVER_CERTIFICATE: Kind = Kind {
    name: "aws.iam.server_certificate",
    collection: "server_certificates",
    single: false,
    scope: Scope::Global,
    list: &[],
    facets: &[],
    schema: ServerCertificate::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct ServerCertificate {}
impl Observed for ServerCertificate {
    const KIND: &'static Kind = &SERVER_CERTIFICATE;
}

pub static USER: Kind = Kind {
    name: "aws.iam.user",
    collection: "users",
    single: false,
    scope: Scope::Global,
    list: &[],
    facets: &[],
    schema: User::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct User {}
impl Observed for User {
    const KIND: &'static Kind = &USER;
}
