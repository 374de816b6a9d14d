//! stub
use super::{Ask, Collected, Kind, Observed, Scope};
use schemars::JsonSchema;
use serde::Serialize;
pub async fn collect(_ask: Ask<'_>) -> Collected {
    Collected::nothing()
}

pub static ACCOUNT: Kind = Kind {
    name: "aws.s3.account",
    collection: "s3",
    single: true,
    scope: Scope::Global,
    list: &[],
    facets: &[],
    schema: S3Account::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct S3Account {}
impl Observed for S3Account {
    const KIND: &'static Kind = &ACCOUNT;
}

pub static BUCKET: Kind = Kind {
    name: "aws.s3.bucket",
    collection: "buckets",
    single: false,
    scope: Scope::Global,
    list: &[],
    facets: &[],
    schema: Bucket::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct Bucket {}
impl Observed for Bucket {
    const KIND: &'static Kind = &BUCKET;
}
