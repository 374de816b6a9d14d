//! `remediation`: what is started when an event makes a control fail. Off unless it is written, and then a dry run.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::value::checked;
use crate::accounts::is_account_id;

/// What a parameter may have in it: words in `${…}`.
pub const PLACEHOLDERS: [&str; 4] = ["name", "arn", "region", "account"];
/// Characters of a parameter.
const MAX_PARAMETER: usize = 4_096;

/// What is started when an event makes a control fail, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenRemedy")]
pub struct Remedy {
    /// The control, by id.
    pub control: String,
    /// What is started.
    #[serde(flatten)]
    pub starts: Starts,
    /// Whether it is only said what would be started.
    pub dry_run: bool,
    /// What it is given: texts with placeholders.
    pub parameters: BTreeMap<String, String>,
}

/// What is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Starts {
    /// A document of Systems Manager.
    SsmDocument(DocumentName),
    /// A Lambda function.
    Lambda(FunctionArn),
}

/// What is started when an event makes a control fail.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenRemedy {
    /// The control, by id.
    control: String,
    /// Automation document of Systems Manager, by name, which runs in the account of the credentials and in the region of
    /// the resource. Either this or `lambda`.
    #[serde(default)]
    ssm_document: Option<DocumentName>,
    /// Lambda function, by ARN, which is invoked asynchronously. Either this or `ssm_document`.
    #[serde(default)]
    lambda: Option<FunctionArn>,
    /// Whether it is only said what would be started. Default: `true`.
    #[serde(default = "yes")]
    dry_run: bool,
    /// What it is given, by name. `${name}`, `${arn}`, `${region}` and `${account}` are those of the resource. Default:
    /// nothing.
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

const fn yes() -> bool {
    true
}

/// Why a remedy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum BadRemedy {
    #[error("a remedy for `{0}` starts one thing: write `ssm_document` or `lambda`")]
    NotOne(String),
    #[error(
        "parameter `{0}`: there is no `${{{1}}}`; there are ${{name}}, ${{arn}}, ${{region}} and ${{account}}"
    )]
    Placeholder(String, String),
    #[error("parameter `{0}`: `${{` is not ended")]
    Open(String),
    #[error("parameter `{0}` is longer than {MAX_PARAMETER} characters")]
    Long(String),
}

impl TryFrom<WrittenRemedy> for Remedy {
    type Error = BadRemedy;

    fn try_from(written: WrittenRemedy) -> Result<Self, Self::Error> {
        let WrittenRemedy { control, ssm_document, lambda, dry_run, parameters } = written;
        let starts = match (ssm_document, lambda) {
            (Some(name), None) => Starts::SsmDocument(name),
            (None, Some(arn)) => Starts::Lambda(arn),
            (None, None) | (Some(_), Some(_)) => return Err(BadRemedy::NotOne(control)),
        };
        for (name, text) in &parameters {
            if text.len() > MAX_PARAMETER {
                return Err(BadRemedy::Long(name.clone()));
            }
            for part in text.split("${").skip(1) {
                let (word, _) = part.split_once('}').ok_or_else(|| BadRemedy::Open(name.clone()))?;
                if !PLACEHOLDERS.contains(&word) {
                    return Err(BadRemedy::Placeholder(name.clone(), word.to_owned()));
                }
            }
        }
        Ok(Self { control, starts, dry_run, parameters })
    }
}

impl JsonSchema for Remedy {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Remedy")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        WrittenRemedy::json_schema(generator)
    }
}

checked!(
    /// Name of a [document](https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_StartAutomationExecution.html).
    DocumentName, document_name, { "type": "string", "pattern": "^[A-Za-z0-9_.-]{3,128}$" }
);
checked!(
    /// ARN of a Lambda function, with a version or alias or without.
    FunctionArn, function_arn,
    {
        "type": "string",
        "pattern": "^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+(:[A-Za-z0-9_$-]+)?$"
    }
);

fn document_name(text: &str) -> Result<(), String> {
    let is_one = (3..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_one.then_some(()).ok_or_else(|| {
        format!(
            "`{text}` is no name of a document of Systems Manager, which has 3 to 128 letters, digits, `-`, `_` and `.`"
        )
    })
}

fn function_arn(text: &str) -> Result<(), String> {
    let is_word = |part: &str, more: &[u8]| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    let is_one = match text.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", partition, "lambda", region, account, "function", name, rest @ ..] => {
            is_word(partition, b"-")
                && is_word(region, b"-")
                && is_account_id(account)
                && is_word(name, b"-_")
                && rest.len() < 2
                && rest.iter().all(|version| is_word(version, b"-_$"))
        }
        _ => false,
    };
    is_one.then_some(()).ok_or_else(|| {
        format!(
            "`{text}` is no ARN of a Lambda function, such as arn:aws:lambda:eu-west-1:111122223333:function:repair"
        )
    })
}

impl FunctionArn {
    /// The region that it is in.
    #[must_use]
    pub fn region(&self) -> &str {
        // INVARIANT: it was checked when it was made.
        self.0.split(':').nth(3).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    fn read(remedy: &str) -> Result<Remedy, String> {
        let text = format!("remediation:\n  - {{ {remedy} }}\n");
        let config = parse(Path::new("upright.yaml"), &text).map_err(|error| error.to_string())?;
        Ok(config.remediation.first().unwrap().clone())
    }

    #[test]
    fn a_remedy_is_a_dry_run_unless_it_says_otherwise() {
        let remedy = read("control: c, ssm_document: AWS-DisableS3BucketPublicReadWrite").unwrap();
        assert!(remedy.dry_run && remedy.parameters.is_empty());
        let arn = "arn:aws:lambda:eu-west-1:111122223333:function:repair:live";
        let remedy = read(&format!(
            "control: c, lambda: '{arn}', dry_run: false, parameters: {{ Bucket: 'x/${{name}}' }}"
        ));
        let remedy = remedy.unwrap();
        let Starts::Lambda(function) = &remedy.starts else { panic!("{remedy:?}") };
        assert_eq!((function.region(), remedy.dry_run), ("eu-west-1", false));
        let written = serde_json::to_value(&remedy).unwrap();
        assert_eq!(serde_json::from_value::<Remedy>(written).unwrap(), remedy);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (remedy, expected) in [
            ("control: c", "write `ssm_document` or `lambda`"),
            (
                "control: c, ssm_document: abc, lambda: 'arn:aws:lambda:r-1:111122223333:function:f'",
                "one thing",
            ),
            ("control: c, ssm_document: abc, parameters: { A: '${nmae}' }", "there is no `${nmae}`"),
            ("control: c, ssm_document: abc, parameters: { A: '${name' }", "not ended"),
            ("control: c, ssm_document: 'a b'", "no name of a document"),
            ("control: c, lambda: repair", "no ARN of a Lambda function"),
            ("control: c, ssm_document: abc, dryrun: true", "no key `dryrun`"),
        ] {
            let error = read(remedy).expect_err(remedy);
            assert!(error.contains(expected), "{remedy}: {error}");
        }
    }
}
