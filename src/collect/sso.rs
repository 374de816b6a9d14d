//! stub
use super::{Ask, Collected, Kind, Observed, Scope};
use schemars::JsonSchema;
use serde::Serialize;
pub async fn collect(_ask: Ask<'_>) -> Collected {
    Collected::nothing()
}

pub static INSTANCE: Kind = Kind {
    name: "aws.sso.instance",
    collection: "identity_center_instances",
    single: false,
    scope: Scope::Regional,
    list: &[],
    facets: &[],
    schema: Instance::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct Instance {}
impl Observed for Instance {
    const KIND: &'static Kind = &INSTANCE;
}
