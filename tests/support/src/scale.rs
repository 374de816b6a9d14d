//! [`Recording::scaled`]: the same organization with more of everything in its accounts.
//!
//! A copy is made at the level of text: whatever names a resource in an answer is renamed, and lists hold
//! the copies behind the originals. So nothing here knows what a bucket or a user looks like, only where
//! their names are.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::answer::Answer;
use crate::paging;
use crate::recording::Recording;
use crate::wire::{Call, Protocol};

/// The lists of what is multiplied, and the elements or members of an item that name it.
static NAMES: &[(&str, &[&str])] = &[
    ("cloudtrail:DescribeTrails", &["Name"]),
    ("ec2:DescribeFlowLogs", &["flowLogId"]),
    ("ec2:DescribeInstances", &["reservationId", "instanceId"]),
    ("ec2:DescribeNetworkAcls", &["networkAclId"]),
    ("ec2:DescribeNetworkInterfaces", &["networkInterfaceId"]),
    ("ec2:DescribeRouteTables", &["routeTableId"]),
    ("ec2:DescribeSecurityGroups", &["groupId"]),
    ("ec2:DescribeVpcEndpoints", &["vpcEndpointId"]),
    ("ec2:DescribeVpcPeeringConnections", &["vpcPeeringConnectionId"]),
    ("ec2:DescribeVpcs", &["vpcId"]),
    ("elasticfilesystem:DescribeFileSystems", &["FileSystemId"]),
    ("glacier:ListVaults", &["VaultName"]),
    ("iam:ListInstanceProfiles", &["InstanceProfileName", "InstanceProfileId", "RoleName", "RoleId"]),
    ("iam:ListPolicies", &["PolicyName", "PolicyId"]),
    ("iam:ListServerCertificates", &["ServerCertificateName", "ServerCertificateId"]),
    ("iam:ListUsers", &["UserName", "UserId"]),
    ("kms:ListKeys", &["KeyId"]),
    ("lambda:ListFunctions", &["FunctionName"]),
    ("rds:DescribeDBInstances", &["DBInstanceIdentifier"]),
    ("s3:ListBuckets", &["Name"]),
    // The ARN of a secret ends in its name and six characters more.
    ("secretsmanager:ListSecrets", &["Name", "ARN"]),
];

impl Recording {
    /// The recording of an organization whose accounts have `times` as many users, buckets, networks and so
    /// on: each copy as the original is, and tied to the copies of what the original is tied to. Accounts,
    /// regions, settings that exist once and what AWS manages are not multiplied.
    ///
    /// # Errors
    /// When an answer cannot be read.
    pub fn scaled(&self, times: usize) -> Result<Self> {
        let names = self.names()?;
        let mut answers = BTreeMap::new();
        for call in self.calls() {
            let answer = self.answer(call).context("a call without its answer")?;
            let is_multiplied = call.service() != "sts" && call.service() != "organizations";
            let copies = if is_multiplied { times } else { 1 };
            for (call, answer) in scale(call, answer, &names, copies)? {
                answers.insert(call, answer);
            }
        }
        Ok(Self::of(self.management(), answers))
    }

    /// The names of all that is multiplied.
    fn names(&self) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for call in self.calls() {
            // AWS's own policies are there once, however many users they are attached to.
            let is_of_aws = call.param("Scope") == Some("AWS");
            let row = NAMES.iter().find(|(operation, _)| *operation == call.operation && !is_of_aws);
            let Some((_, elements)) = row else {
                continue;
            };
            let body = self.answer(call).map(|answer| answer.body.as_str()).unwrap_or_default();
            for element in *elements {
                let found = match call.protocol() {
                    Protocol::Json => members(&serde_json::from_str(body)?, element),
                    _ => texts(body, element).map(str::to_owned).collect(),
                };
                names.extend(found.iter().filter_map(|name| name.rsplit(':').next()).map(str::to_owned));
            }
        }
        for name in &names {
            ensure!(name.chars().all(is_of_name), "`{name}` cannot be told from what is around it");
        }
        Ok(names)
    }
}

/// The call with its answer, and its copies. What asks about one resource is asked about the copies too,
/// and lists have more items.
fn scale(
    call: &Call,
    answer: &Answer,
    names: &BTreeSet<String>,
    times: usize,
) -> Result<Vec<(Call, Answer)>> {
    let copies: Vec<(Call, Answer)> = (2..=times)
        .map(|copy| {
            let params = call.params.iter().map(|(name, value)| (name.clone(), renamed(value, names, copy)));
            let body = renamed(&answer.body, names, copy);
            (Call { params: params.collect(), ..call.clone() }, Answer { body, ..answer.clone() })
        })
        .collect();
    if copies.iter().any(|(copy, _)| copy != call) {
        return Ok(std::iter::once((call.clone(), answer.clone())).chain(copies).collect());
    }
    let with_copies = |items: Vec<String>| -> Vec<String> {
        let copies = (2..=times).flat_map(|copy| {
            items
                .iter()
                .map(move |item| (item, renamed(item, names, copy)))
                .filter(|(item, copy)| *item != copy)
                .map(|(_, copy)| copy)
        });
        items.iter().cloned().chain(copies).collect()
    };
    let body = match call.operation.as_str() {
        _ if times == 1 || !answer.is_success() => answer.body.clone(),
        "iam:GetCredentialReport" => credential_report(&answer.body, with_copies)?,
        operation => paging::with_items(operation, &answer.body, with_copies)?,
    };
    Ok(vec![(call.clone(), Answer { body, ..answer.clone() })])
}

/// The lines of the report, which is in Base64.
fn credential_report(body: &str, change: impl Fn(Vec<String>) -> Vec<String>) -> Result<String> {
    let content = texts(body, "Content").next().context("no credential report")?;
    let report = String::from_utf8(STANDARD.decode(content)?)?;
    let lines = change(report.lines().map(str::to_owned).collect());
    Ok(body.replace(content, &STANDARD.encode(lines.join("\n"))))
}

/// The texts of all elements of that name.
fn texts<'a>(body: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let open = format!("<{name}>");
    let parts: Vec<&str> = body.split(open.as_str()).skip(1).collect();
    parts.into_iter().filter_map(|rest| rest.split('<').next())
}

/// The texts of all members of that name.
fn members(value: &Value, name: &str) -> Vec<String> {
    match value {
        Value::Object(object) => object
            .iter()
            .flat_map(|(member, value)| match value {
                Value::String(text) if member == name => vec![text.clone()],
                other => members(other, name),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(|item| members(item, name)).collect(),
        _ => Vec::new(),
    }
}

/// Gives every name in a text, also in ARNs and in percent-encoded policies, the suffix of a copy.
fn renamed(text: &str, names: &BTreeSet<String>, copy: usize) -> String {
    let mut renamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if is_of_name(first) {
            rest.find(|c| !is_of_name(c)).unwrap_or(rest.len())
        } else if first == '%'
            && rest.as_bytes().get(1..3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
        {
            3
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(length);
        let is_tag = renamed.ends_with('<') || renamed.ends_with("</");
        renamed.push_str(word);
        if !is_tag && names.contains(word) {
            renamed.push_str(&format!("-x{copy}"));
        }
        rest = after;
    }
    renamed
}

/// What names are made of, so that one can be told from what stands around it.
fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &str, params: &[(&str, &str)]) -> Call {
        Call {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            operation: operation.to_owned(),
            params: params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    fn recording() -> Recording {
        let user =
            |name: &str| format!("<member><UserName>{name}</UserName><UserId>I{name}</UserId></member>");
        let users = format!(
            "<R><ListUsersResult><Users>{}{}</Users><IsTruncated>false</IsTruncated></ListUsersResult></R>",
            user("ann"),
            user("bob")
        );
        let report =
            STANDARD.encode("user,arn\n<root_account>,arn:aws:iam::1:root\nann,arn:aws:iam::1:user/ann");
        Recording::of(
            "123456789012",
            BTreeMap::from([
                (call("iam:ListUsers", &[]), Answer::xml(&users)),
                (
                    call("iam:ListAccessKeys", &[("UserName", "ann")]),
                    Answer::xml("<R><User>ann</User><Doc>arn%3Aann%2Fanna</Doc><ann/></R>"),
                ),
                (call("iam:GetAccountSummary", &[]), Answer::xml("<R>ann</R>")),
                (
                    call("iam:GetCredentialReport", &[]),
                    Answer::xml(&format!("<R><Content>{report}</Content></R>")),
                ),
                (
                    call("cloudtrail:DescribeTrails", &[]),
                    Answer::json(
                        &serde_json::json!({ "trailList": [{ "Name": "all", "S3BucketName": "logs" }] }),
                    ),
                ),
            ]),
        )
    }

    #[test]
    fn once_is_the_same() {
        assert_eq!(recording().scaled(1).unwrap(), recording());
    }

    #[test]
    fn copies_are_listed_asked_about_and_named_consistently() {
        let three = recording().scaled(3).unwrap();
        let body = |call: Call| three.answer(&call).unwrap().body.clone();
        let users = body(call("iam:ListUsers", &[]));
        let names: Vec<_> = texts(&users, "UserName").collect();
        assert_eq!(names, ["ann", "bob", "ann-x2", "bob-x2", "ann-x3", "bob-x3"]);
        assert!(users.contains("<UserId>Iann-x2</UserId>"), "{users}");
        assert_eq!(
            body(call("iam:ListAccessKeys", &[("UserName", "ann-x2")])),
            "<R><User>ann-x2</User><Doc>arn%3Aann-x2%2Fanna</Doc><ann/></R>"
        );
        assert_eq!(body(call("iam:GetAccountSummary", &[])), "<R>ann</R>");
        let report = body(call("iam:GetCredentialReport", &[]));
        let report = STANDARD.decode(texts(&report, "Content").next().unwrap()).unwrap();
        let lines: Vec<_> = std::str::from_utf8(&report).unwrap().lines().collect();
        assert_eq!(
            lines[2..],
            [
                "ann,arn:aws:iam::1:user/ann",
                "ann-x2,arn:aws:iam::1:user/ann-x2",
                "ann-x3,arn:aws:iam::1:user/ann-x3"
            ]
        );
        let trails = body(call("cloudtrail:DescribeTrails", &[]));
        assert_eq!(members(&serde_json::from_str(&trails).unwrap(), "Name"), ["all", "all-x2", "all-x3"]);
        assert_eq!(three.calls().count(), 7);
    }
}
