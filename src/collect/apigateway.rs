//! API Gateway: the stages of REST APIs, and those of HTTP and WebSocket APIs.
//!
//! Calls: `GetRestApis` in every region, then `GetStages` for each REST API; and of the second API, named
//! `apigatewayv2` here, `GetApis`, then `GetStages` for each.
//!
//! Quirks: the IAM action of all of them is `apigateway:GET`
//! ([actions](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagement.html)).
//! ARNs name [no account](https://docs.aws.amazon.com/apigateway/latest/developerguide/arn-format-reference.html). The SDK
//! has no paginator for the second API. An API that is deleted between the list and its stages has none. Access
//! logs and execution logs are
//! [different things](https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html).

use aws_sdk_apigateway::types as rest;
use aws_sdk_apigatewayv2::types as http;
use futures::FutureExt;
use futures::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::touch::{Change, Target};
use super::{Ask, Collected, Kind, Observed, Scope};
use crate::aws::{Call, Listed, Reply, by_token};
use crate::inventory::{Resource, Unseen};

const GET: &str = "apigateway:GET";

static GET_REST_APIS: Call = Call::list("apigateway", "GetRestApis", "item").action(GET);
static GET_REST_STAGES: Call =
    Call::one("apigateway", "GetStages", "item").action(GET).gone(&["NotFoundException"]).per_item();
static GET_APIS: Call = Call::list("apigatewayv2", "GetApis", "items").action(GET);
static GET_STAGES: Call =
    Call::list("apigatewayv2", "GetStages", "items").action(GET).gone(&["NotFoundException"]).per_item();

/// As many as AWS puts into one page.
const PAGE_SIZE: i32 = 500;

/// The resource type of stages of REST APIs.
pub static REST_STAGE: Kind = Kind {
    name: "aws.apigateway.stage",
    collection: "rest_api_stages",
    single: false,
    scope: Scope::Regional,
    list: &[&GET_REST_APIS, &GET_REST_STAGES],
    facets: &[],
    events: &[Change {
        source: "apigateway.amazonaws.com",
        names: &[
            "CreateDeployment",
            "CreateStage",
            "DeleteRestApi",
            "DeleteStage",
            "PutRestApi",
            "UpdateRestApi",
            "UpdateStage",
        ],
        target: Target::In("/restapis/{}/", &["requestParameters.restApiId"]),
    }],
    schema: RestStage::json_schema,
};

/// The resource type of stages of HTTP and WebSocket APIs.
pub static STAGE: Kind = Kind {
    name: "aws.apigatewayv2.stage",
    collection: "api_stages",
    single: false,
    scope: Scope::Regional,
    list: &[&GET_APIS, &GET_STAGES],
    facets: &[],
    events: &[Change {
        source: "apigateway.amazonaws.com",
        names: &[
            "CreateStage",
            "DeleteAccessLogSettings",
            "DeleteApi",
            "DeleteStage",
            "ReimportApi",
            "UpdateApi",
            "UpdateStage",
        ],
        target: Target::In("/apis/{}/", &["requestParameters.apiId"]),
    }],
    schema: Stage::json_schema,
};

/// A stage of a REST API.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RestStage {
    /// Id of its API.
    api_id: String,
    /// Name of the stage in its API.
    stage_name: String,
    /// Kinds of endpoints of the API: `EDGE`, `REGIONAL` or `PRIVATE`.
    endpoint_types: Vec<String>,
    /// ARN of where its access logs go; null when it writes none.
    access_log_destination: Option<String>,
    /// Level of the execution logs of all its methods: `OFF`, `ERROR` or `INFO`; null when it is not set.
    execution_log_level: Option<String>,
}

impl Observed for RestStage {
    const KIND: &'static Kind = &REST_STAGE;
}

/// A stage of an HTTP or WebSocket API.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Stage {
    /// Id of its API.
    api_id: String,
    /// Name of the stage in its API.
    stage_name: String,
    /// Protocol of the API: `HTTP` or `WEBSOCKET`.
    protocol: String,
    /// ARN of where its access logs go; null when it writes none.
    access_log_destination: Option<String>,
}

impl Observed for Stage {
    const KIND: &'static Kind = &STAGE;
}

/// Collects the stages of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    Collected::together([collect_rest(ask).boxed(), collect_http(ask).boxed()]).await
}

async fn collect_rest(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&REST_STAGE) {
        return Collected::nothing();
    }
    let client = ask.place.apigateway();
    let apis = ask
        .place
        .pages(
            &GET_REST_APIS,
            || client.get_rest_apis().into_paginator().page_size(PAGE_SIZE).send(),
            |page| page.items,
        )
        .await;
    let apis = asked(ask, &REST_STAGE, "restapis", apis, |api| api.id.as_deref());
    stages(ask, &REST_STAGE, apis, |api| rest_stages(ask, &client, api)).await
}

async fn collect_http(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&STAGE) {
        return Collected::nothing();
    }
    let client = ask.place.apigatewayv2();
    let open = || {
        let client = client.clone();
        by_token(move |token| client.get_apis().set_next_token(token).send(), |page| page.next_token.clone())
    };
    let apis = ask.place.pages(&GET_APIS, open, |page| page.items).await;
    let apis = asked(ask, &STAGE, "apis", apis, |api| api.api_id.as_deref());
    stages(ask, &STAGE, apis, |api| http_stages(ask, &client, api)).await
}

/// The APIs whose stages are asked about.
fn asked<A>(
    ask: Ask<'_>,
    kind: &Kind,
    folder: &str,
    apis: Listed<A>,
    id: impl Fn(&A) -> Option<&str>,
) -> Listed<A> {
    let is_asked =
        |api: &A| id(api).is_none_or(|id| ask.takes(kind, &arn(ask, &format!("/{folder}/{id}/stages/")), ""));
    let items = apis.items.into_iter().filter(is_asked).collect();
    Listed { items, end: apis.end }
}

/// The stages of all APIs. The list is only complete with those of every API.
async fn stages<A, F>(ask: Ask<'_>, kind: &Kind, apis: Listed<A>, read: impl Fn(A) -> F) -> Collected
where
    F: Future<Output = Result<Vec<Resource>, Unseen>>,
{
    let mut end = apis.end.map(|_| ());
    let mut resources = Vec::new();
    for stages in join_all(apis.items.into_iter().map(read)).await {
        match stages {
            Ok(stages) => resources.extend(stages),
            Err(unseen) => end = end.and(Err(unseen)),
        }
    }
    Collected::of(ask.place, kind, resources, end)
}

async fn rest_stages(
    ask: Ask<'_>,
    client: &aws_sdk_apigateway::Client,
    api: rest::RestApi,
) -> Result<Vec<Resource>, Unseen> {
    let id = api.id.ok_or_else(|| ask.place.malformed(&GET_REST_APIS, "an API has no `id`"))?;
    let call = &GET_REST_STAGES;
    let reply = ask.place.call(call, || client.get_stages().rest_api_id(&id).send()).await?;
    let Reply::Answer(output) = reply else {
        return Ok(Vec::new());
    };
    let types: Vec<String> = api
        .endpoint_configuration
        .and_then(|configuration| configuration.types)
        .into_iter()
        .flatten()
        .map(|kind| kind.as_str().to_owned())
        .collect();
    let stages = output.item.ok_or_else(|| ask.place.malformed(call, "`item` is missing"))?;
    let api_name = name_of(api.name, &id);
    stages
        .into_iter()
        .map(|stage| {
            let no_name = || ask.place.malformed(call, "a stage has no `stageName`");
            let stage_name = stage.stage_name.clone().ok_or_else(no_name)?;
            let observed = RestStage {
                api_id: id.clone(),
                stage_name: stage_name.clone(),
                endpoint_types: types.clone(),
                execution_log_level: execution_log_level(&stage),
                access_log_destination: stage
                    .access_log_settings
                    .and_then(|to| destination(to.destination_arn)),
            };
            let arn = arn(ask, &format!("/restapis/{id}/stages/{stage_name}"));
            Ok(ask.resource(arn, format!("{api_name}/{stage_name}"), &observed))
        })
        .collect()
}

/// Settings of single methods are left out: they may log what the others do not.
fn execution_log_level(stage: &rest::Stage) -> Option<String> {
    stage.method_settings.as_ref()?.get("*/*")?.logging_level.clone()
}

async fn http_stages(
    ask: Ask<'_>,
    client: &aws_sdk_apigatewayv2::Client,
    api: http::Api,
) -> Result<Vec<Resource>, Unseen> {
    let missing = |member: &str| ask.place.malformed(&GET_APIS, &format!("an API has no `{member}`"));
    let id = api.api_id.ok_or_else(|| missing("apiId"))?;
    let protocol = api.protocol_type.ok_or_else(|| missing("protocolType"))?;
    let call = &GET_STAGES;
    let open = || {
        let (client, id) = (client.clone(), id.clone());
        by_token(
            move |token| client.get_stages().api_id(&id).set_next_token(token).send(),
            |page| page.next_token.clone(),
        )
    };
    let Reply::Answer(stages) = ask.place.pages(call, open, |page| page.items).await.complete()? else {
        return Ok(Vec::new());
    };
    let api_name = name_of(api.name, &id);
    stages
        .into_iter()
        .map(|stage| {
            let no_name = || ask.place.malformed(call, "a stage has no `stageName`");
            let stage_name = stage.stage_name.ok_or_else(no_name)?;
            let observed = Stage {
                api_id: id.clone(),
                stage_name: stage_name.clone(),
                protocol: protocol.as_str().to_owned(),
                access_log_destination: stage
                    .access_log_settings
                    .and_then(|to| destination(to.destination_arn)),
            };
            let arn = arn(ask, &format!("/apis/{id}/stages/{stage_name}"));
            Ok(ask.resource(arn, format!("{api_name}/{stage_name}"), &observed))
        })
        .collect()
}

fn arn(ask: Ask<'_>, path: &str) -> String {
    format!("arn:{}:apigateway:{}::{path}", ask.partition, ask.place.region())
}

fn name_of(name: Option<String>, id: &str) -> String {
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| id.to_owned())
}

fn destination(arn: Option<String>) -> Option<String> {
    arn.filter(|arn| !arn.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_that_of_all_methods() {
        let setting = |level: &str| rest::MethodSetting::builder().logging_level(level).build();
        let stage = rest::Stage::builder()
            .method_settings("pets/GET", setting("INFO"))
            .method_settings("*/*", setting("ERROR"))
            .build();
        assert_eq!(execution_log_level(&stage).as_deref(), Some("ERROR"));
        assert_eq!(execution_log_level(&rest::Stage::builder().build()), None);
    }

    #[test]
    fn an_empty_destination_is_none() {
        assert_eq!(destination(Some(String::new())), None);
        assert_eq!(destination(Some("arn:x".to_owned())).as_deref(), Some("arn:x"));
    }
}
