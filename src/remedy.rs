//! Remediation: starting what the configuration names when an event made a control fail.
//!
//! **The only calls of Upright that change what it judges**, and only indirectly: `ssm:StartAutomationExecution` starts a
//! document, `lambda:Invoke` a function. Both are of this file alone. Without the key `remediation` nothing is started, and
//! with it only what says `dry_run: false`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use serde_json::{Value, json};

use crate::aws::{Call, Session};
use crate::config::{FunctionArn, Remedy, Starts};
use crate::controls::VerdictKind;
use crate::inventory::GLOBAL;
use crate::notify::VerdictChange;
use crate::report::printable;

/// `ssm:StartAutomationExecution`: starts a document.
pub static START_AUTOMATION: Call = Call::one("ssm", "StartAutomationExecution", "AutomationExecutionId");
/// `lambda:Invoke`, asynchronously. The answer has no body.
pub static INVOKE: Call = Call::opaque("lambda", "Invoke").action("lambda:InvokeFunction");

/// Characters of a value of a resource that is handed on.
const MAX_VALUE: usize = 2_048;

/// What became of a remedy for one failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedied {
    /// The control.
    pub control: String,
    /// The resource, by ARN.
    pub resource: String,
    /// What is started.
    pub starts: String,
    /// Id of the execution or empty where it has none; `None` in a dry run; or why it was not started.
    pub outcome: Result<Option<String>, String>,
}

impl fmt::Display for Remedied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { control, resource, starts, outcome } = self;
        let (resource, starts) = (printable(resource), printable(starts));
        match outcome {
            Ok(None) => {
                write!(f, "{starts} would be started for {resource}, which fails {control} (dry run)")
            }
            Ok(Some(id)) if id.is_empty() => {
                write!(f, "{starts} started for {resource}, which fails {control}")
            }
            Ok(Some(id)) => {
                write!(f, "{starts} started for {resource}, which fails {control}: {}", printable(id))
            }
            Err(why) => {
                write!(f, "{starts} not started for {resource}, which fails {control}: {}", printable(why))
            }
        }
    }
}

/// Starts what is to be started for changes that are failures, and that nobody accepts. It is started in the account of
/// the session; a document in the region of the resource.
pub async fn remedy(remedies: &[Remedy], changes: &[VerdictChange], own: &Arc<Session>) -> Vec<Remedied> {
    let mut done = Vec::new();
    for change in changes.iter().filter(|change| is_failure(change)) {
        for remedy in remedies.iter().filter(|remedy| remedy.control == change.finding.control) {
            done.push(Remedied {
                control: remedy.control.clone(),
                resource: change.finding.resource_arn.clone(),
                starts: match &remedy.starts {
                    Starts::SsmDocument(name) => format!("document {name}"),
                    Starts::Lambda(arn) => format!("function {arn}"),
                },
                outcome: start(remedy, change, own).await,
            });
        }
    }
    done
}

fn is_failure(change: &VerdictChange) -> bool {
    change.after == Some(VerdictKind::Fail) && change.finding.is_open_failure()
}

async fn start(
    remedy: &Remedy,
    change: &VerdictChange,
    own: &Arc<Session>,
) -> Result<Option<String>, String> {
    let parameters = filled(&remedy.parameters, change)?;
    if remedy.dry_run {
        return Ok(None);
    }
    match &remedy.starts {
        Starts::SsmDocument(name) => start_document(name.as_str(), parameters, change, own).await.map(Some),
        Starts::Lambda(arn) => invoke(arn, &parameters, change, own).await.map(|()| Some(String::new())),
    }
}

async fn start_document(
    name: &str,
    parameters: BTreeMap<String, String>,
    change: &VerdictChange,
    own: &Arc<Session>,
) -> Result<String, String> {
    let place = match change.finding.region.as_str() {
        GLOBAL => own.region(own.run().home_region()),
        region => own.region(region),
    };
    let client = place.ssm();
    let token = token(&change.id);
    let answer = place.call(&START_AUTOMATION, || {
        let mut ask = client.start_automation_execution().document_name(name).set_client_token(token.clone());
        for (name, value) in &parameters {
            ask = ask.parameters(name, vec![value.clone()]);
        }
        ask.send()
    });
    let answer = answer.await.map_err(|unseen| unseen.to_string())?;
    Ok(answer.found().and_then(|answer| answer.automation_execution_id).unwrap_or_default())
}

async fn invoke(
    arn: &FunctionArn,
    parameters: &BTreeMap<String, String>,
    change: &VerdictChange,
    own: &Arc<Session>,
) -> Result<(), String> {
    let place = own.region(arn.region());
    let client = place.lambda();
    let payload = payload(parameters, change).to_string();
    let answer = place.call(&INVOKE, || {
        client
            .invoke()
            .function_name(arn.as_str())
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(payload.as_bytes()))
            .send()
    });
    answer.await.map(drop).map_err(|unseen| unseen.to_string())
}

/// What a function is given. By the id it knows what it was given before.
fn payload(parameters: &BTreeMap<String, String>, change: &VerdictChange) -> Value {
    let finding = &change.finding;
    json!({
        "id": change.id,
        "control": finding.control,
        "finding": finding.id,
        "severity": finding.severity,
        "account": finding.account,
        "region": finding.region,
        "resource_type": finding.resource_type,
        "resource_arn": finding.resource_arn,
        "resource_name": finding.resource_name,
        "parameters": parameters,
    })
}

/// The parameters with the values of the resource. Each placeholder is filled once: what a resource is called is no
/// placeholder.
fn filled(
    parameters: &BTreeMap<String, String>,
    change: &VerdictChange,
) -> Result<BTreeMap<String, String>, String> {
    let finding = &change.finding;
    let value = |word: &str| {
        let value = match word {
            "name" => &finding.resource_name,
            "arn" => &finding.resource_arn,
            "region" => &finding.region,
            "account" => &finding.account,
            _ => return Err(format!("there is no `${{{word}}}`")),
        };
        if value.is_empty() || value.len() > MAX_VALUE || value.chars().any(char::is_control) {
            return Err(format!("`${{{word}}}` of the resource is nothing to hand on"));
        }
        Ok(value)
    };
    let fill = |text: &String| -> Result<String, String> {
        let mut parts = text.split("${");
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (word, rest) = part.split_once('}').unwrap_or((part, ""));
            filled.push_str(value(word)?);
            filled.push_str(rest);
        }
        Ok(filled)
    };
    parameters.iter().map(|(name, text)| Ok((name.clone(), fill(text)?))).collect()
}

/// A UUID made of the id of a change, by which Systems Manager starts a document once however often it is asked.
fn token(id: &str) -> Option<String> {
    let parts = [id.get(..8)?, id.get(8..12)?, id.get(12..16)?, id.get(16..20)?, id.get(20..32)?];
    Some(parts.join("-"))
}

/// The policy statements that the remedies of a configuration need, dry runs included; none where there are none. A
/// document that assumes a role needs `iam:PassRole` for that besides.
#[must_use]
pub fn statements(remedies: &[Remedy], partition: &str) -> Vec<Value> {
    let mut documents = Vec::new();
    let mut functions = Vec::new();
    for remedy in remedies {
        match &remedy.starts {
            // https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
            Starts::SsmDocument(name) => {
                documents.push(format!("arn:{partition}:ssm:*:*:automation-definition/{name}:*"));
                documents.push(format!("arn:{partition}:ssm:*:*:document/{name}"));
            }
            Starts::Lambda(arn) => functions.push(arn.to_string()),
        }
    }
    let statement = |sid: &str, call: &Call, mut resources: Vec<String>| {
        resources.sort_unstable();
        resources.dedup();
        (!resources.is_empty()).then(
            || json!({ "Sid": sid, "Effect": "Allow", "Action": call.iam_action(), "Resource": resources }),
        )
    };
    let of_documents = statement("RemediateByDocument", &START_AUTOMATION, documents);
    of_documents.into_iter().chain(statement("RemediateByFunction", &INVOKE, functions)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    /// Whatever else is added: nothing starts anything but this file.
    #[test]
    fn only_this_file_starts_anything() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut all = Vec::new();
        ["src", "lambda/src"].iter().for_each(|folder| files(&root.join(folder), &mut all));
        let starts = [".start_automation", ".invoke()", ".invoke_async", ".send_command", ".start_execution"];
        let starting = all.iter().filter(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            starts.iter().any(|call| text.lines().any(|line| line.contains(call) && !line.contains('"')))
        });
        let starting: Vec<_> = starting.map(|path| path.strip_prefix(root).unwrap()).collect();
        assert_eq!(starting, [Path::new("src/remedy.rs")]);
    }

    #[test]
    fn a_token_is_a_uuid_of_the_change() {
        let token = token("0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!(token, "01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(super::token("short"), None);
    }

    #[test]
    fn only_what_is_named_is_allowed() {
        let text = "remediation:\n  - { control: a, ssm_document: Close }\n  - { control: b, ssm_document: Close }\n  \
                    - { control: c, lambda: 'arn:aws:lambda:r-1:111122223333:function:f' }\n";
        let config = crate::config::parse(Path::new("upright.yaml"), text).unwrap();
        let statements = statements(&config.remediation, "aws");
        assert_eq!(statements.len(), 2);
        assert_eq!(statements[0]["Action"], "ssm:StartAutomationExecution");
        assert_eq!(
            statements[0]["Resource"],
            json!(["arn:aws:ssm:*:*:automation-definition/Close:*", "arn:aws:ssm:*:*:document/Close"])
        );
        assert_eq!(statements[1]["Action"], "lambda:InvokeFunction");
        assert!(super::statements(&[], "aws").is_empty());
    }
}
