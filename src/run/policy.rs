//! The IAM policies of a scan, read from the call table: what it needs and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::accounts::{self, Made, Scope};
use crate::archive::Location;
use crate::collect::Wanted;
use crate::config::Notify;
use crate::events::remote::policy as events;
use crate::notify::{Receiver, telling_statements};

/// The version of the policy language; AWS has had one since 2012.
const VERSION: &str = "2012-10-17";

/// The permission policies of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Policies {
    /// For the credentials that the scan starts with.
    pub scanner: Value,
    /// For the role in every other account; null where no other is scanned.
    pub member: Option<Value>,
}

impl Policies {
    /// Adds what sending the findings of each account from within it needs.
    pub fn allow_sending(&mut self, to: Receiver, partition: &str) {
        for policy in [Some(&mut self.scanner), self.member.as_mut()].into_iter().flatten() {
            if let Some(statements) = policy.get_mut("Statement").and_then(Value::as_array_mut) {
                statements.extend(to.statements(partition));
            }
        }
    }

    /// Adds what asking each account's event history who changed what needs.
    pub fn allow_history(&mut self, partition: &str) {
        let history = events::Wanted { history: true, ..events::Wanted::default() };
        let history = events::policy(&history, partition);
        let history = history.get("Statement").and_then(Value::as_array).cloned().unwrap_or_default();
        for policy in [Some(&mut self.scanner), self.member.as_mut()].into_iter().flatten() {
            if let Some(statements) = policy.get_mut("Statement").and_then(Value::as_array_mut) {
                statements.extend(history.iter().cloned());
            }
        }
    }

    /// Adds what keeping runs needs, which is done with the credentials that the scan starts with.
    pub fn allow_archive(&mut self, archive: &Location, partition: &str) {
        if let Some(statements) = self.scanner.get_mut("Statement").and_then(Value::as_array_mut) {
            statements.extend(archive.statements(partition));
        }
    }

    /// Adds what telling the receivers of a configuration needs, which is done with the credentials that the scan
    /// starts with.
    pub fn allow_telling(&mut self, notify: &Notify, partition: &str) {
        if let Some(statements) = self.scanner.get_mut("Statement").and_then(Value::as_array_mut) {
            statements.extend(telling_statements(notify, partition));
        }
    }
}

/// The least that a scan of `scope` needs for what is `wanted`. `own` is the scanner's account where it is
/// known: what is read there is read with the scanner's own credentials.
#[must_use]
pub fn policies(wanted: &Wanted, scope: &Scope, partition: &str, own: Option<&str>) -> Policies {
    let reading = reading(wanted, scope, partition);
    let mut scanning = actions(wanted, scope, |made| made != Made::InAccount);
    let enters = scanning.remove("sts:AssumeRole");
    let mut statements = statements("Find", &scanning, partition);
    if enters {
        statements.push(json!({
            "Sid": "EnterAccounts",
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Resource": scope.role.arn(partition, "*"),
        }));
    }
    let is_own_scanned = scope.accounts.is_empty()
        || scope.organization
        || own.is_none_or(|own| scope.accounts.iter().any(|account| account == own));
    if is_own_scanned {
        statements.extend(reading.iter().cloned());
    }
    Policies { scanner: document(statements), member: enters.then(|| document(reading)) }
}

/// What is read in an account.
fn reading(wanted: &Wanted, scope: &Scope, partition: &str) -> Vec<Value> {
    let mut reading = actions(wanted, scope, |made| made == Made::InAccount);
    reading.extend(wanted.calls().iter().filter_map(|planned| planned.call.iam_action()));
    statements("Read", &reading, partition)
}

fn actions(wanted: &Wanted, scope: &Scope, which: impl Fn(Made) -> bool) -> BTreeSet<String> {
    accounts::CALLS
        .iter()
        .filter(|row| which(row.made) && (row.needed)(scope, wanted))
        .filter_map(|row| row.call.iam_action())
        .collect()
}

/// One statement for each service, its actions sorted.
fn statements(purpose: &str, actions: &BTreeSet<String>, partition: &str) -> Vec<Value> {
    let mut by_service: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for action in actions {
        let service = action.split_once(':').map_or(action.as_str(), |(service, _)| service);
        by_service.entry(service).or_default().push(action);
    }
    by_service
        .into_iter()
        .map(|(service, actions)| {
            json!({
                "Sid": format!("{purpose}{}", sid(service)),
                "Effect": "Allow",
                "Action": actions,
                "Resource": resource(service, partition),
            })
        })
        .collect()
}

/// What the actions of a service are allowed on: everything, because none can be narrowed to what the scan finds
/// before it has found it. `apigateway:GET` alone reads whatever has a path, the values of API keys among it, so that
/// it is allowed on the
/// [paths](https://docs.aws.amazon.com/apigateway/latest/developerguide/arn-format-reference.html) that are read.
fn resource(service: &str, partition: &str) -> Value {
    const PATHS: [&str; 4] = ["/apis", "/apis/*/stages", "/restapis", "/restapis/*/stages"];
    if service == "apigateway" {
        return json!(PATHS.map(|path| format!("arn:{partition}:apigateway:*::{path}")));
    }
    json!("*")
}

/// A service as part of a Sid, which has letters and digits only: `access-analyzer` is `AccessAnalyzer`.
fn sid(service: &str) -> String {
    service
        .split(|c: char| !c.is_ascii_alphanumeric())
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters)
        })
        .collect()
}

fn document(statements: Vec<Value>) -> Value {
    json!({ "Version": VERSION, "Statement": statements })
}

/// The trust policy of the role in a member account. `scanner` is the ARN of a role or user, an ARN as
/// `sts:GetCallerIdentity` gives it, or an account id, which trusts whomever that account allows.
#[must_use]
pub fn trust_policy(scanner: &str, external_id: Option<&str>, partition: &str) -> Value {
    let mut conditions = serde_json::Map::new();
    let principal = match assumed_role(scanner) {
        // A session's ARN lacks the path of its role, and a principal must be named in full.
        Some((partition, account, role)) => {
            let role_arn = |path: &str| format!("arn:{partition}:iam::{account}:role/{path}{role}");
            conditions
                .insert("ArnLike".to_owned(), json!({ "aws:PrincipalArn": [role_arn(""), role_arn("*/")] }));
            format!("arn:{partition}:iam::{account}:root")
        }
        None if scanner.starts_with("arn:") => scanner.to_owned(),
        None => format!("arn:{partition}:iam::{scanner}:root"),
    };
    if let Some(external_id) = external_id {
        conditions.insert("StringEquals".to_owned(), json!({ "sts:ExternalId": external_id }));
    }
    let mut statement = json!({
        "Sid": "LetUprightIn",
        "Effect": "Allow",
        "Principal": { "AWS": principal },
        "Action": "sts:AssumeRole",
    });
    if let Some(statement) = statement.as_object_mut().filter(|_| !conditions.is_empty()) {
        statement.insert("Condition".to_owned(), Value::Object(conditions));
    }
    document(vec![statement])
}

/// Partition, account and role name of `arn:…:sts::…:assumed-role/NAME/SESSION`.
fn assumed_role(arn: &str) -> Option<(&str, &str, &str)> {
    let mut parts = arn.splitn(6, ':').skip(1);
    let (partition, _, _, account) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (role, _) = parts.next()?.strip_prefix("assumed-role/")?.split_once('/')?;
    Some((partition, account, role))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::cloudtrail::TRAIL;

    /// Actions that read what customers store, whatever their names look like.
    const DATA: &[&str] = &[
        "athena:GetQueryResults",
        "cloudtrail:GetQueryResults",
        "cloudtrail:LookupEvents",
        "codecommit:GetFile",
        "dynamodb:GetItem",
        "ec2:GetConsoleOutput",
        "ec2:GetConsoleScreenshot",
        "ec2:GetPasswordData",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
        "kinesis:GetRecords",
        "kms:GenerateDataKey",
        "lambda:GetFunction",
        "logs:GetLogEvents",
        "logs:GetQueryResults",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListBucket",
        "s3:ListBucketVersions",
        "secretsmanager:GetSecretValue",
        "sqs:ReceiveMessage",
        "ssm:GetParameter",
        "ssm:GetParameters",
        "sts:GetFederationToken",
        "sts:GetSessionToken",
    ];

    fn widest() -> Scope {
        let mut scope = Scope { organization: true, ..Scope::own() };
        scope.include.units = vec!["Prod".to_owned()];
        scope.exclude.tags.insert("scan".to_owned(), vec!["no".to_owned()]);
        scope
    }

    fn actions_of(policy: &Value) -> Vec<&str> {
        let statements = policy["Statement"].as_array().unwrap().iter();
        let actions = statements.flat_map(|statement| match &statement["Action"] {
            Value::Array(actions) => actions.iter().filter_map(Value::as_str).collect(),
            action => vec![action.as_str().unwrap()],
        });
        actions.collect()
    }

    #[test]
    fn only_metadata_is_ever_granted() {
        let policies = policies(&Wanted::everything(), &widest(), "aws", None);
        let member = policies.member.unwrap();
        for action in actions_of(&policies.scanner).into_iter().chain(actions_of(&member)) {
            let (service, name) = action.split_once(':').unwrap();
            let reads = ["Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb));
            // It makes AWS compile a report about users; nothing of the customer's changes.
            let is_report = action == "iam:GenerateCredentialReport";
            // What it reads depends on the resource, which has a test of its own.
            let is_path = action == "apigateway:GET";
            assert!(reads || is_report || is_path || action == "sts:AssumeRole", "{action}");
            assert!(!DATA.contains(&action) && !action.contains('*'), "{action}");
            assert!(!service.is_empty() && !name.is_empty(), "{action}");
        }
        assert!(!actions_of(&member).contains(&"sts:AssumeRole"));
    }

    #[test]
    fn apis_and_stages_are_read_and_no_keys() {
        let policies = policies(&Wanted::everything(), &Scope::own(), "aws-cn", None);
        let statements = policies.scanner["Statement"].as_array().unwrap();
        let found = statements.iter().find(|statement| statement["Sid"] == "ReadApigateway").unwrap();
        let paths = ["/apis", "/apis/*/stages", "/restapis", "/restapis/*/stages"];
        assert_eq!(found["Resource"], json!(paths.map(|path| format!("arn:aws-cn:apigateway:*::{path}"))));
    }

    #[test]
    fn a_facet_that_is_not_wanted_takes_its_action_along() {
        let granted = |field: Option<&str>| {
            let mut wanted = Wanted::nothing();
            wanted.add(&TRAIL, Some("status"));
            wanted.add(&TRAIL, field);
            let scanner = policies(&wanted, &Scope::own(), "aws", None).scanner;
            actions_of(&scanner).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let least = ["cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus", "ec2:DescribeRegions"];
        assert_eq!(granted(None), least);
        assert!(granted(Some("key_state")).contains(&"kms:DescribeKey".to_owned()));
    }

    #[test]
    fn every_call_of_the_plan_is_allowed_and_no_other_action() {
        for scope in [Scope::own(), widest()] {
            let wanted = Wanted::everything();
            let policies = policies(&wanted, &scope, "aws", None);
            let mut granted: BTreeSet<String> =
                actions_of(&policies.scanner).into_iter().map(str::to_owned).collect();
            granted.extend(policies.member.iter().flat_map(|p| actions_of(p)).map(str::to_owned));
            let planned = super::super::plan(&wanted, &scope, None);
            assert_eq!(granted, planned.calls.into_iter().filter_map(|row| row.action).collect());
        }
    }

    #[test]
    fn the_scanner_enters_only_that_role_and_reads_only_where_it_scans() {
        let mut wanted = Wanted::nothing();
        wanted.add(&TRAIL, None);
        let mut scope = Scope { accounts: vec!["222233334444".to_owned()], ..Scope::own() };
        scope.role.name = "audit/Scanner".to_owned();
        insta::assert_json_snapshot!(policies(&wanted, &scope, "aws-cn", Some("111122223333")));
        assert_eq!(policies(&wanted, &Scope::own(), "aws", None).member, None);
        let own = policies(&wanted, &scope, "aws-cn", Some("222233334444")).scanner;
        assert!(actions_of(&own).contains(&"cloudtrail:DescribeTrails"));
    }

    #[test]
    fn sids_are_letters_and_digits() {
        assert_eq!(sid("access-analyzer"), "AccessAnalyzer");
        assert_eq!(sid("s3"), "S3");
    }

    #[test]
    fn the_member_trusts_whom_it_is_told_to() {
        let principal = |policy: &Value| policy["Statement"][0]["Principal"]["AWS"].clone();
        let account = trust_policy("111122223333", None, "aws-us-gov");
        assert_eq!(principal(&account), "arn:aws-us-gov:iam::111122223333:root");
        assert_eq!(account["Statement"][0].get("Condition"), None);
        let role = trust_policy("arn:aws:iam::111122223333:role/x/Scanner", Some("id-1"), "aws");
        assert_eq!(principal(&role), "arn:aws:iam::111122223333:role/x/Scanner");
        assert_eq!(role["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"], "id-1");
        let session = "arn:aws:sts::111122223333:assumed-role/Scanner/i-0abc";
        insta::assert_json_snapshot!(trust_policy(session, Some("id-1"), "aws"));
    }
}
