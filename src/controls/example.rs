//! The examples in a control's file, and running them: each is a small inventory of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::file::{At, Control};
use super::{Severity, VerdictKind};
use crate::collect::{self, Kind, Scope, schema};
use crate::inventory::{Account, AccountState, Facet, GLOBAL, Inventory, Listing, Resource};
use crate::yaml;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "us-east-1";
const NOW: &str = "2026-01-01T00:00:00Z";

/// What a control must say of something. Fields and lists that are left out were not observed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What it shows, in words.
    pub name: String,
    /// Fields of the resource.
    #[serde(default)]
    pub resource: Map<String, Value>,
    /// Fields of the account, and lists of what is in it.
    #[serde(default)]
    pub account: Map<String, Value>,
    /// Other resources that this one leads to.
    #[serde(default)]
    pub linked: Vec<Linked>,
    /// The time, RFC 3339.
    pub now: Option<String>,
    /// The verdict.
    pub verdict: VerdictKind,
    /// How bad the failure is; not compared when it is left out.
    pub(super) severity: Option<At<Severity>>,
}

/// A resource that another one names.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Linked {
    /// Resource type.
    #[serde(rename = "type")]
    kind: String,
    /// ARN.
    arn: String,
    /// Fields.
    #[serde(default)]
    fields: Map<String, Value>,
}

/// What an example came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Name of the example.
    pub example: String,
    /// What it asks for.
    pub expected: Answer,
    /// What it got, or why it could not be run.
    pub got: Result<Answer, String>,
}

/// What a control says of an example, as far as the example asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The verdict.
    pub verdict: VerdictKind,
    /// Severity of the failure, where the example names one.
    pub severity: Option<Severity>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.severity {
            Some(severity) => write!(f, "{} ({severity})", self.verdict),
            None => write!(f, "{}", self.verdict),
        }
    }
}

impl Outcome {
    /// Whether the control said what the example asks for.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.got.as_ref() == Ok(&self.expected)
    }
}

impl Control {
    /// Runs the examples.
    #[must_use]
    pub fn run_examples(&self) -> Vec<Outcome> {
        self.examples
            .iter()
            .map(|example| Outcome {
                example: example.name.clone(),
                expected: Answer {
                    verdict: example.verdict,
                    severity: example.severity.as_ref().map(|severity| severity.0.value),
                },
                got: self.run_example(example),
            })
            .collect()
    }

    /// What the examples lack: a control proves itself by at least one that passes and one that fails, or by
    /// the one that it can prove.
    #[must_use]
    pub fn missing_examples(&self) -> Vec<VerdictKind> {
        let needed: &[VerdictKind] = match (self.evidence_only, self.pass_only) {
            (true, _) => &[VerdictKind::Fail],
            (_, true) => &[VerdictKind::Pass],
            _ => &[VerdictKind::Pass, VerdictKind::Fail],
        };
        needed
            .iter()
            .copied()
            .filter(|verdict| !self.examples.iter().any(|e| e.verdict == *verdict))
            .collect()
    }

    fn run_example(&self, example: &Example) -> Result<Answer, String> {
        let mut world = World::of(example)?;
        let subject = world.resource(self.kind, "resource", example.resource.clone(), "resource", None)?;
        let key = (subject.kind.clone(), subject.arn.clone());
        world.resources.push(subject);
        for linked in &example.linked {
            let kind = collect::kind(&linked.kind)
                .ok_or_else(|| format!("unknown resource type `{}` in `linked`", linked.kind))?;
            let arn = Some(linked.arn.as_str());
            let resource = world.resource(kind, "linked", linked.fields.clone(), &linked.arn, arn)?;
            world.resources.push(resource);
        }
        let now = example.now.as_deref().unwrap_or(NOW);
        let now: Timestamp = now.parse().map_err(|error| format!("`now` is no time: {error}"))?;
        let account = world.account.clone();
        let inventory = Arc::new(world.inventory(now));
        let resource = inventory
            .find(&key.0, &key.1, &account)
            .ok_or("the resource has the ARN of another one in the example")?;
        let judgement = self.judge(&inventory, resource);
        let verdict = judgement.verdict.kind();
        let is_asked = example.severity.is_some() && verdict == VerdictKind::Fail;
        Ok(Answer { verdict, severity: is_asked.then_some(judgement.severity) })
    }
}

/// The inventory of one example while it is made.
struct World {
    account: String,
    details: Account,
    resources: Vec<Resource>,
    listings: Vec<Listing>,
}

impl World {
    fn of(example: &Example) -> Result<Self, String> {
        let given = &example.account;
        let text = |key: &str| given.get(key).and_then(Value::as_str);
        let id = text("id").unwrap_or(ACCOUNT).to_owned();
        let details = Account {
            id: id.clone(),
            name: text("name").unwrap_or("example").to_owned(),
            partition: text("partition").unwrap_or("aws").to_owned(),
            is_management: given.get("is_management").and_then(Value::as_bool),
            organization: text("organization").map(str::to_owned),
            units: from(given, "units")?,
            unit_ids: None,
            tags: from(given, "tags")?,
            regions: vec![REGION.to_owned()],
            state: AccountState::Scanned,
        };
        let mut world = Self { account: id, details, resources: Vec::new(), listings: Vec::new() };
        for (name, value) in given {
            match collect::collection(name) {
                Some(kind) => world.collection(kind, value)?,
                None if ACCOUNT_KEYS.contains(&name.as_str()) => {}
                None => return Err(format!("unknown field `{name}` in `account`")),
            }
        }
        Ok(world)
    }

    /// The resources of one type under `account`: a list that is given is complete.
    fn collection(&mut self, kind: &'static Kind, value: &Value) -> Result<(), String> {
        let items: Vec<&Value> = match value {
            Value::Array(items) if !kind.is_one() => items.iter().collect(),
            Value::Object(_) if kind.is_one() => vec![value],
            _ => return Err(format!("`account.{}` must be {}", kind.collection, shape(kind))),
        };
        for (number, item) in items.iter().enumerate() {
            let fields = item
                .as_object()
                .cloned()
                .ok_or_else(|| format!("`account.{}` has an element that is no object", kind.collection))?;
            let name = format!("{}-{number}", kind.collection);
            let resource = self.resource(kind, kind.collection, fields, &name, None)?;
            self.resources.push(resource);
        }
        self.listings.push(Listing {
            account: self.account.clone(),
            region: if kind.scope == Scope::Global { GLOBAL } else { REGION }.to_owned(),
            kind: kind.name.to_owned(),
            count: Facet::Known(items.len()),
        });
        Ok(())
    }

    fn resource(
        &self,
        kind: &'static Kind,
        place: &str,
        mut fields: Map<String, Value>,
        name: &str,
        arn: Option<&str>,
    ) -> Result<Resource, String> {
        let mut take = |key: &str, otherwise: &str| match fields.remove(key) {
            Some(Value::String(text)) => text,
            _ => otherwise.to_owned(),
        };
        let region = if kind.scope == Scope::Global { GLOBAL } else { REGION };
        let resource = Resource {
            kind: kind.name.to_owned(),
            account: take("account_id", &self.account),
            region: take("region", region),
            arn: take("arn", arn.unwrap_or(&format!("arn:aws:example:::{name}"))),
            name: take("name", name),
            fields: BTreeMap::new(),
        };
        let known = schema::fields(kind.name).ok_or_else(|| format!("no resource type `{}`", kind.name))?;
        if let Some(wrong) = fields.keys().find(|field| !known.contains_key(*field)) {
            let hint = yaml::closest(wrong, known.keys().map(String::as_str));
            let hint = hint.map(|best| format!("; did you mean `{best}`?")).unwrap_or_default();
            return Err(format!("unknown field `{wrong}` of `{}` in `{place}`{hint}", kind.name));
        }
        let fields = fields.into_iter().map(|(field, value)| (field, Facet::Known(value))).collect();
        Ok(Resource { fields, ..resource })
    }

    fn inventory(self, now: Timestamp) -> Inventory {
        Inventory::new(now, vec![self.details], self.resources, self.listings, Vec::new())
    }
}

const ACCOUNT_KEYS: &[&str] = &["id", "name", "partition", "organization", "is_management", "units", "tags"];

fn shape(kind: &Kind) -> &'static str {
    if kind.is_one() { "an object" } else { "a list" }
}

fn from<T: serde::de::DeserializeOwned>(given: &Map<String, Value>, key: &str) -> Result<Option<T>, String> {
    given
        .get(key)
        .map(|value| {
            serde_json::from_value(value.clone()).map_err(|error| format!("`account.{key}`: {error}"))
        })
        .transpose()
}
