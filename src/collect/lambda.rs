//! Lambda: functions, with the resource policies that say who may call them.
//!
//! Calls: `ListFunctions` in every region, for all versions at once; for each function `GetPolicy`,
//! `ListAliases`, and `GetPolicy` again for each published version and alias.
//!
//! Quirks: a function, each of its versions and each of its aliases has a policy of its own, chosen by the
//! qualifier ([access to versions and aliases](https://docs.aws.amazon.com/lambda/latest/dg/versioning-aliases-permissions.html));
//! `$LATEST` has none beside the function's. A missing policy is `ResourceNotFoundException`
//! ([`GetPolicy`](https://docs.aws.amazon.com/lambda/latest/api/API_GetPolicy.html)), as is a missing function:
//! `ListAliases`, which says so of the function only, tells them apart. `GetFunction` is not called: it hands out
//! the code.

use std::collections::BTreeMap;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{FunctionConfiguration, FunctionVersion};
use futures::future::{join_all, try_join_all};
use schemars::JsonSchema;
use serde::Serialize;

use super::schema::PolicyDocument;
use super::touch::{Change, Target};
use super::{Ask, Collected, Gone, Kind, Observed, Per, Row, Scope};
use crate::aws::{Call, Place, Reply};
use crate::inventory::{Facet, Resource, Unseen};

static LIST_FUNCTIONS: Call = Call::list("lambda", "ListFunctions", "Functions");
static LIST_ALIASES: Call =
    Call::list("lambda", "ListAliases", "Aliases").gone(&["ResourceNotFoundException"]);
static GET_POLICY: Call = Call::one("lambda", "GetPolicy", "Policy").absent(&["ResourceNotFoundException"]);

/// The version that is not published, under which every function is listed.
const LATEST: &str = "$LATEST";

/// The resource type of functions.
pub static FUNCTION: Kind = Kind {
    name: "aws.lambda.function",
    collection: "functions",
    single: false,
    scope: Scope::Regional,
    list: &[&LIST_FUNCTIONS],
    facets: &[
        Row { field: "policy", calls: &[&GET_POLICY], per: Per::Resource },
        Row { field: "qualified_policies", calls: &[&LIST_ALIASES, &GET_POLICY], per: Per::Resource },
    ],
    events: &[Change {
        source: "lambda.amazonaws.com",
        names: &[
            "AddPermission20150331",
            "AddPermission20150331v2",
            "CreateAlias20150331",
            "CreateFunction20150331",
            "DeleteAlias20150331",
            "DeleteFunction20150331",
            "PublishVersion20150331",
            "RemovePermission20150331",
            "RemovePermission20150331v2",
            "UpdateAlias20150331",
            "UpdateFunctionCode20150331v2",
            "UpdateFunctionConfiguration20150331v2",
        ],
        target: Target::At(&["requestParameters.functionName"]),
    }],
    schema: Function::json_schema,
};

/// A function.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Function {
    /// Numbers of its published versions.
    versions: Vec<String>,
    /// Policy of the function itself; null when it has none.
    policy: Facet<Option<PolicyDocument>>,
    /// Policies of its published versions and aliases; those that have none are left out.
    qualified_policies: Facet<Vec<QualifiedPolicy>>,
}

impl Observed for Function {
    const KIND: &'static Kind = &FUNCTION;
}

/// The policy of a version or alias.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct QualifiedPolicy {
    /// Number of the version, or name of the alias.
    qualifier: String,
    /// The policy.
    document: PolicyDocument,
}

/// Collects the functions of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&FUNCTION) {
        return Collected::nothing();
    }
    let client = ask.place.lambda();
    let listed = ask
        .place
        .pages(
            &LIST_FUNCTIONS,
            || client.list_functions().function_version(FunctionVersion::All).into_paginator().send(),
            |page| page.functions,
        )
        .await;
    let mut end = listed.end.map(|_| ());
    let mut functions: BTreeMap<String, Versions> = BTreeMap::new();
    for entry in listed.items {
        match version_of(entry) {
            Ok((arn, name, version)) => {
                let found = functions.entry(arn).or_insert_with(|| Versions::of(name));
                if version != LATEST {
                    found.published.push(version);
                }
            }
            Err(member) => {
                let message = format!("a function has no `{member}`");
                end = end.and(Err(ask.place.malformed(&LIST_FUNCTIONS, &message)));
            }
        }
    }
    let asked = functions.into_iter().filter(|(arn, of)| ask.takes(&FUNCTION, arn, &of.name));
    let read = asked.map(|(arn, versions)| read_function(ask, &client, arn, versions));
    let resources = join_all(read).await.into_iter().flatten().collect();
    Collected::of(ask.place, &FUNCTION, resources, end)
}

/// What the list says of one function.
struct Versions {
    name: String,
    published: Vec<String>,
}

impl Versions {
    const fn of(name: String) -> Self {
        Self { name, published: Vec::new() }
    }
}

/// The ARN of the function without a version, its name, and the version; or the member that is missing.
fn version_of(entry: FunctionConfiguration) -> Result<(String, String, String), &'static str> {
    let arn = entry.function_arn.ok_or("FunctionArn")?;
    let name = entry.function_name.ok_or("FunctionName")?;
    let version = entry.version.ok_or("Version")?;
    let whole = arn.strip_suffix(&format!(":{version}")).unwrap_or(&arn).to_owned();
    Ok((whole, name, version))
}

async fn read_function(ask: Ask<'_>, client: &Client, arn: String, versions: Versions) -> Option<Resource> {
    let (place, name) = (ask.place, versions.name.as_str());
    let facets = futures::try_join!(
        ask.optional(&FUNCTION, "policy", read_policy(place, client, name, None)),
        ask.facet(&FUNCTION, "qualified_policies", read_qualified(place, client, name, &versions.published)),
    );
    // Nothing to say of a function that is gone.
    let Ok((policy, qualified_policies)) = facets.map_err(|Gone| ()) else {
        return None;
    };
    let observed = Function { versions: versions.published, policy, qualified_policies };
    Some(ask.resource(arn, versions.name, &observed))
}

async fn read_policy(
    place: &Place,
    client: &Client,
    name: &str,
    qualifier: Option<&str>,
) -> Result<Reply<PolicyDocument>, Unseen> {
    let get = || client.get_policy().function_name(name).set_qualifier(qualifier.map(str::to_owned)).send();
    let reply = place.call(&GET_POLICY, get).await?;
    reply.and_then(|output| {
        let text = output.policy.ok_or_else(|| place.malformed(&GET_POLICY, "`Policy` is missing"))?;
        PolicyDocument::parse(&text)
            .map_err(|error| place.malformed(&GET_POLICY, &format!("the policy is not JSON: {error}")))
    })
}

async fn read_qualified(
    place: &Place,
    client: &Client,
    name: &str,
    versions: &[String],
) -> Result<Reply<Vec<QualifiedPolicy>>, Unseen> {
    let aliases = place
        .pages(
            &LIST_ALIASES,
            || client.list_aliases().function_name(name).into_paginator().send(),
            |page| page.aliases,
        )
        .await;
    let aliases = match aliases.complete()? {
        Reply::Answer(aliases) => aliases,
        Reply::Absent | Reply::Gone => return Ok(Reply::Gone),
    };
    let no_name = || place.malformed(&LIST_ALIASES, "an alias has no `Name`");
    let aliases = aliases.into_iter().map(|alias| alias.name.ok_or_else(no_name));
    let qualifiers: Vec<String> =
        versions.iter().cloned().map(Ok).chain(aliases).collect::<Result<_, _>>()?;
    let read = qualifiers.into_iter().map(|qualifier| async move {
        let reply = read_policy(place, client, name, Some(&qualifier)).await?;
        Ok(match reply {
            Reply::Answer(document) => Some(QualifiedPolicy { qualifier, document }),
            Reply::Absent | Reply::Gone => None,
        })
    });
    Ok(Reply::Answer(try_join_all(read).await?.into_iter().flatten().collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use upright_testkit::Answer;

    use super::*;
    use crate::collect::canned;

    #[test]
    fn each_version_and_alias_is_asked_for_its_policy_and_may_have_none() {
        let arn = "arn:aws:lambda:eu-west-1:111122223333:function:pay";
        let seen = canned::collect(&FUNCTION, &["policy", "qualified_policies"], move |call| {
            Some(match (call.operation.as_str(), call.param("Qualifier")) {
                ("lambda:ListFunctions", _) => Answer::json(&json!({ "Functions": [
                    { "FunctionArn": format!("{arn}:$LATEST"), "FunctionName": "pay", "Version": "$LATEST" },
                    { "FunctionArn": format!("{arn}:3"), "FunctionName": "pay", "Version": "3" },
                ] })),
                ("lambda:ListAliases", _) => Answer::json(&json!({ "Aliases": [{ "Name": "live" }] })),
                ("lambda:GetPolicy", Some("live")) => {
                    Answer::json(&json!({ "Policy": "{\"Statement\":[]}" }))
                }
                ("lambda:GetPolicy", _) => Answer::error(call, 404, "ResourceNotFoundException", "none"),
                _ => return None,
            })
        });
        assert_eq!(seen.asked("lambda:GetPolicy", "Qualifier"), [None, Some("3"), Some("live")]);
        assert_eq!(*seen.known("policy"), json!(null));
        assert_eq!(
            *seen.known("qualified_policies"),
            json!([{ "qualifier": "live", "document": { "Statement": [] } }])
        );
    }

    fn entry(arn: &str, version: &str) -> FunctionConfiguration {
        FunctionConfiguration::builder().function_arn(arn).function_name("pay").version(version).build()
    }

    #[test]
    fn versions_belong_to_one_function() {
        let arn = "arn:aws:lambda:eu-west-1:111122223333:function:pay";
        for (listed, version) in
            [(format!("{arn}:$LATEST"), LATEST), (format!("{arn}:12"), "12"), (arn.to_owned(), LATEST)]
        {
            let (whole, name, found) = version_of(entry(&listed, version)).unwrap();
            assert_eq!((whole.as_str(), name.as_str(), found.as_str()), (arn, "pay", version));
        }
    }

    #[test]
    fn an_entry_that_does_not_say_which_function_it_is_is_told() {
        let nameless = FunctionConfiguration::builder().function_arn("arn:x").version("1").build();
        assert_eq!(version_of(nameless), Err("FunctionName"));
        assert_eq!(version_of(FunctionConfiguration::builder().build()), Err("FunctionArn"));
    }
}
