//! Control files: reading one, and checking that it can work before it runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::cel::{Expression, Mistake};
use super::example::Example;
use super::source::{SourceError, offset_in_scalar, offset_of};
use super::{Severity, VerdictKind};
use crate::collect::schema::Type;
use crate::collect::{self, KINDS, Kind};
use crate::yaml;

/// A control file as it is written. The keys are explained in `controls/README.md`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlFile {
    id: At,
    title: String,
    severity: Severity,
    #[serde(default)]
    severity_if: BTreeMap<Severity, At>,
    resource: At,
    rationale: String,
    when: Option<At>,
    why: Option<String>,
    pass: At,
    #[serde(default)]
    evidence_only: bool,
    #[serde(default)]
    pass_only: bool,
    fail_message: String,
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
    remediation: Remediation,
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    examples: Vec<Example>,
}

/// A value, most often a text, with its place in the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct At<T = String>(pub(super) Spanned<T>);

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

/// A value that users may set differently.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The value when nobody sets another: a whole number, a bool, a text, or a list of those.
    pub value: Value,
    /// What it means, with its unit.
    pub description: String,
}

/// What to do about a failure. `${name}`, `${arn}`, `${region}` and `${account}` stand for the resource's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remediation {
    /// The steps in the console.
    pub text: String,
    /// Commands.
    #[serde(default)]
    pub cli: String,
    /// The setting in Terraform.
    #[serde(default)]
    pub terraform: String,
    /// The setting in CloudFormation.
    #[serde(default)]
    pub cloudformation: String,
}

/// A control that was checked and can run.
#[derive(Debug)]
pub struct Control {
    /// Id, the name of the file.
    pub id: String,
    /// The state that is wanted.
    pub title: String,
    /// How bad a failure is, unless it is worse: see [`Control::judge`].
    pub severity: Severity,
    /// Type of resource that it judges.
    pub kind: &'static Kind,
    /// Why it matters.
    pub rationale: String,
    /// Why it does not apply where `when` is false.
    pub why: String,
    /// Whether it can only prove a failure.
    pub evidence_only: bool,
    /// Whether it can only prove a pass.
    pub pass_only: bool,
    /// The reason of a failure.
    pub fail_message: String,
    /// Values that may be set differently, with their defaults.
    pub parameters: BTreeMap<String, Parameter>,
    /// What to do about a failure.
    pub remediation: Remediation,
    /// AWS's pages about it.
    pub references: Vec<String>,
    /// Topics.
    pub tags: Vec<String>,
    /// Its own examples.
    pub examples: Vec<Example>,
    pub(super) when: Option<Expression>,
    pub(super) pass: Expression,
    /// What makes a failure worse than `severity`, by how bad it then is.
    pub(super) severity_if: BTreeMap<Severity, Expression>,
    pub(super) values: Arc<Value>,
    /// The text of the expressions, for `controls show`.
    pub expressions: Expressions,
}

/// The expressions of a control as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expressions {
    /// When it applies; always, when there is none.
    pub when: Option<String>,
    /// What must hold.
    pub pass: String,
    /// What makes a failure worse than the control's severity, by how bad it then is.
    pub severity_if: BTreeMap<Severity, String>,
}

impl Control {
    /// Reads a control file.
    ///
    /// # Errors
    /// The first mistake in it, with its place.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SourceError> {
        let file: ControlFile = yaml::read(text).map_err(|error| SourceError::of_yaml(path, text, &error))?;
        let here = Here { path, text };
        here.name(&file)?;
        let kind = here.kind(&file.resource)?;
        if file.when.is_some() != file.why.is_some() {
            return Err(here.whole("`when` and `why` belong together: one of them is missing"));
        }
        if file.evidence_only && file.pass_only {
            return Err(here
                .whole("with both `evidence_only` and `pass_only` nothing is ever decided: leave one out"));
        }
        let types = here.parameter_types(&file.parameters)?;
        let when = file.when.as_ref().map(|source| here.expression(source, kind, &types)).transpose()?;
        let pass = here.expression(&file.pass, kind, &types)?;
        let severity_if = here.severity_if(&file, kind, &types)?;
        here.examples(&file.examples)?;
        let values = file.parameters.iter().map(|(name, p)| (name.clone(), p.value.clone())).collect();
        Ok(Self {
            kind,
            when,
            pass,
            severity_if,
            values: Arc::new(Value::Object(values)),
            expressions: Expressions {
                when: file.when.map(|source| source.0.value.trim().to_owned()),
                pass: file.pass.0.value.trim().to_owned(),
                severity_if: file
                    .severity_if
                    .into_iter()
                    .map(|(severity, source)| (severity, source.0.value.trim().to_owned()))
                    .collect(),
            },
            id: file.id.0.value,
            title: file.title,
            severity: file.severity,
            rationale: file.rationale.trim().to_owned(),
            why: file.why.map(|why| why.trim().to_owned()).unwrap_or_default(),
            evidence_only: file.evidence_only,
            pass_only: file.pass_only,
            fail_message: file.fail_message,
            parameters: file.parameters,
            remediation: file.remediation,
            references: file.references,
            tags: file.tags,
            examples: file.examples,
        })
    }

    /// Service that the control is about, such as `s3`: the second word of the resource type, or what the
    /// id begins with for controls about the account as a whole.
    #[must_use]
    pub fn service(&self) -> &str {
        match self.kind.name.split('.').nth(1) {
            Some("account") | None => self.id.split('-').next().unwrap_or_default(),
            Some(service) => service,
        }
    }

    /// What its expressions may read.
    pub fn reads(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        let expressions = self.when.iter().chain([&self.pass]).chain(self.severity_if.values());
        expressions.flat_map(|expression| expression.reads().iter())
    }

    /// Sets a parameter.
    ///
    /// # Errors
    /// When there is no such parameter, or the value is of another type than the default.
    pub fn set_parameter(&mut self, name: &str, value: Value) -> Result<(), String> {
        self.check_parameter(name, &value)?;
        if let Some(parameter) = self.parameters.get_mut(name) {
            parameter.value = value;
        }
        let values = self.parameters.iter().map(|(name, p)| (name.clone(), p.value.clone())).collect();
        self.values = Arc::new(Value::Object(values));
        Ok(())
    }

    /// Whether it judges with these values of its parameters.
    #[must_use]
    pub fn judges_with(&self, values: &BTreeMap<String, Value>) -> bool {
        values.iter().all(|(name, value)| self.parameters.get(name).is_some_and(|p| p.value == *value))
    }

    /// Whether a parameter can have that value.
    ///
    /// # Errors
    /// When there is no such parameter, or the value is of another type than the default.
    pub fn check_parameter(&self, name: &str, value: &Value) -> Result<(), String> {
        let known = self.parameters.keys().map(String::as_str);
        let Some(parameter) = self.parameters.get(name) else {
            let hint = yaml::closest(name, known).map(|best| format!("; did you mean `{best}`?"));
            return Err(format!(
                "control `{}` has no parameter `{name}`{}",
                self.id,
                hint.unwrap_or_default()
            ));
        };
        let (given, expected) = (type_of(value), type_of(&parameter.value));
        let fits = match (&given, &expected) {
            (Some(Type::List(given)), Some(Type::List(expected))) => {
                given == expected || **given == Type::Any || **expected == Type::Any
            }
            (given, expected) => given == expected,
        };
        if fits {
            return Ok(());
        }
        Err(format!(
            "parameter `{name}` of control `{}` takes a value such as {}, not {value}",
            self.id, parameter.value
        ))
    }
}

/// The file that is being read, for pointing into it.
struct Here<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Here<'_> {
    fn whole(&self, message: &str) -> SourceError {
        SourceError::at(self.path, self.text, 0, message.to_owned())
    }

    fn start_of<T>(&self, at: &At<T>) -> usize {
        offset_of(self.text, at.0.referenced.line(), at.0.referenced.column())
    }

    fn name(&self, file: &ControlFile) -> Result<(), SourceError> {
        let id = &file.id.0.value;
        let is_slug = id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        let at = self.start_of(&file.id);
        if !is_slug || id.is_empty() {
            let message = format!("the id `{id}` is not of lower-case letters, digits and `-` only");
            return Err(SourceError::at(self.path, self.text, at, message));
        }
        if self.path.file_stem().is_none_or(|stem| stem != id.as_str()) {
            let message = format!("the id `{id}` is not the name of the file");
            let help = Some(format!("rename the file to `{id}.yaml`, or change the id"));
            return Err(SourceError::at(self.path, self.text, at, message).with_help(help));
        }
        Ok(())
    }

    fn kind(&self, resource: &At) -> Result<&'static Kind, SourceError> {
        let name = &resource.0.value;
        collect::kind(name).ok_or_else(|| {
            let help = yaml::closest(name, KINDS.iter().map(|kind| kind.name));
            SourceError::at(
                self.path,
                self.text,
                self.start_of(resource),
                format!("unknown resource type `{name}`"),
            )
            .with_help(Some(help.map_or_else(
                || "`upright controls schema` lists them".to_owned(),
                |best| format!("did you mean `{best}`?"),
            )))
        })
    }

    fn parameter_types(
        &self,
        parameters: &BTreeMap<String, Parameter>,
    ) -> Result<BTreeMap<String, Type>, SourceError> {
        let mut types = BTreeMap::new();
        for (name, parameter) in parameters {
            let ty = type_of(&parameter.value).ok_or_else(|| {
                self.whole(&format!(
                    "parameter `{name}` is not a whole number, a bool, a text or a list of those"
                ))
            })?;
            types.insert(name.clone(), ty);
        }
        Ok(types)
    }

    /// What makes a failure worse. What could never do that is a mistake of the file.
    fn severity_if(
        &self,
        file: &ControlFile,
        kind: &'static Kind,
        parameters: &BTreeMap<String, Type>,
    ) -> Result<BTreeMap<Severity, Expression>, SourceError> {
        let mut expressions = BTreeMap::new();
        for (severity, source) in &file.severity_if {
            let mistake = |message: String, help: &str| {
                SourceError::at(self.path, self.text, self.start_of(source), message)
                    .with_help(Some(help.to_owned()))
            };
            if file.pass_only {
                let message = "`severity_if` is about failures, and with `pass_only` nothing fails";
                return Err(mistake(message.to_owned(), "leave one of them out"));
            }
            if *severity <= file.severity {
                let message = format!(
                    "`{severity}` in `severity_if` is not worse than the severity of the control, `{}`",
                    file.severity
                );
                return Err(mistake(message, "give `severity` the least that a failure is"));
            }
            expressions.insert(*severity, self.expression(source, kind, parameters)?);
        }
        Ok(expressions)
    }

    /// An example names a severity only where there is one to judge.
    fn examples(&self, examples: &[Example]) -> Result<(), SourceError> {
        for Example { name, verdict, severity, .. } in examples {
            if let Some(severity) = severity
                && *verdict != VerdictKind::Fail
            {
                let message = format!(
                    "example `{name}` has a severity and the verdict `{verdict}`: only failures have one"
                );
                return Err(SourceError::at(self.path, self.text, self.start_of(severity), message)
                    .with_help(Some("leave `severity` out, or ask for `verdict: fail`".to_owned())));
            }
        }
        Ok(())
    }

    fn expression(
        &self,
        source: &At,
        kind: &'static Kind,
        parameters: &BTreeMap<String, Type>,
    ) -> Result<Expression, SourceError> {
        let text = &source.0.value;
        Expression::new(text, kind, parameters).map_err(|Mistake { message, help, offset }| {
            let at = offset_in_scalar(self.text, self.start_of(source), text, offset);
            SourceError::at(self.path, self.text, at, message).with_help(help)
        })
    }
}

fn type_of(value: &Value) -> Option<Type> {
    Some(match value {
        Value::Bool(_) => Type::Bool,
        Value::Number(n) if n.is_i64() => Type::Int,
        Value::String(_) => Type::String,
        Value::Array(items) => {
            let of = items.first().map_or(Some(Type::Any), type_of)?;
            if matches!(of, Type::List(_)) || items.iter().any(|item| type_of(item).as_ref() != Some(&of)) {
                return None;
            }
            Type::List(Box::new(of))
        }
        _ => return None,
    })
}
