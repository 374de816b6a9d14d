//! Which findings a waiver is about.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};

use crate::controls::Pattern;
use crate::findings::Finding;
use crate::inventory::{Account, GLOBAL};

/// Fewest digits of a finding's id that a waiver may name: with fewer it would soon mean others as well.
pub const MIN_FINDING_DIGITS: usize = 12;

/// Longest glob, in characters: an ARN has no more.
const MAX_GLOB: usize = 2_048;

/// What a finding must be for a waiver to apply: everything that is given must match.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Selector {
    /// Id of the control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// Account, twelve digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Organizational unit by id or name, or a root by id; accounts in units below it match as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Region, or `global`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Glob on the whole ARN of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Glob>,
    /// Tags that the resource must all have: key, then the values of which it must have one; any where there are
    /// none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Vec<String>>,
    /// Id of the finding, or its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
}

/// A pattern that a whole ARN must match: `*` is any number of characters, `?` is one, and everything else is
/// itself, in that case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    pattern: Pattern,
}

/// Why a selector is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooBroad {
    /// It names no control, resource or finding.
    #[error(
        "this would waive every control, those of later versions included: a waiver names a `control`, a `resource` or \
         a `finding`"
    )]
    EveryControl,
    /// Without a control, its glob names nothing in particular.
    #[error("without a `control`, `{0}` would waive every control on everything of its kind")]
    EveryResource(String),
    /// No ARN begins like that.
    #[error("`{0}` matches no ARN: a glob is compared with the whole ARN, which begins with `arn:`")]
    NoArn(String),
    /// The glob is longer than any ARN.
    #[error("a glob has at most {MAX_GLOB} characters")]
    TooLong,
}

/// Whether a waiver is about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fit {
    Yes,
    No,
    /// It depends on something that was not observed.
    Unknown(String),
}

/// What was observed of the tags of a finding's resource.
pub(super) type SeenTags<'a> = Result<BTreeMap<&'a str, &'a str>, String>;

impl Glob {
    /// A glob.
    ///
    /// # Errors
    /// When it matches no ARN, whatever follows.
    pub fn new(text: &str) -> Result<Self, TooBroad> {
        if text.chars().nth(MAX_GLOB).is_some() {
            return Err(TooBroad::TooLong);
        }
        // What stands before the first wildcard must be how an ARN begins.
        let fixed = text.split(['*', '?']).next().unwrap_or_default();
        let is_whole = fixed.len() == text.len();
        if !(fixed.starts_with("arn:") || (!is_whole && "arn:".starts_with(fixed))) {
            return Err(TooBroad::NoArn(text.to_owned()));
        }
        Ok(Self { text: text.to_owned(), pattern: Pattern::new(text) })
    }

    /// The glob as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole ARN matches. Takes at most as many steps as the product of the lengths, whatever the glob.
    #[must_use]
    pub fn matches(&self, arn: &str) -> bool {
        self.pattern.covers(&Pattern::exactly(arn))
    }

    /// Whether it says something of the resource itself, and not only of service, region and account.
    fn names_something(&self) -> bool {
        let name = match self.text.splitn(6, ':').nth(5) {
            Some(name) => name,
            // The first `*` stands for what is before the name; after it comes what it is to contain.
            None => self.text.split_once('*').map_or("", |(_, rest)| rest),
        };
        let last = name.rsplit(':').next().unwrap_or(name);
        last.chars().any(char::is_alphanumeric)
    }
}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Glob {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Glob")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": MAX_GLOB })
    }
}

impl Selector {
    /// Refuses what a person cannot have weighed: a waiver of everything, or of every control on whole kinds of
    /// resources. Accounts that are none of the scan's business are left out with `exclude`, controls with `disable`.
    ///
    /// # Errors
    /// Why it is too broad.
    pub fn check(&self) -> Result<(), TooBroad> {
        match (&self.control, &self.finding, &self.resource) {
            (None, None, None) => Err(TooBroad::EveryControl),
            (None, None, Some(glob)) if !glob.names_something() => {
                Err(TooBroad::EveryResource(glob.as_str().to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is about this finding, whose ARN is `arn`. What is not so decides, whatever is not known.
    pub(super) fn fits<'a>(
        &self,
        finding: &Finding,
        arn: &Pattern,
        account: Option<&Account>,
        tags: impl FnOnce() -> SeenTags<'a>,
    ) -> Fit {
        let is_other = |wanted: &Option<String>, is: &str| wanted.as_ref().is_some_and(|wanted| wanted != is);
        if is_other(&self.control, &finding.control)
            || is_other(&self.account, &finding.account)
            || is_other(&self.region, &finding.region)
            || self.finding.as_ref().is_some_and(|id| !finding.id.starts_with(id.as_str()))
            || self.resource.as_ref().is_some_and(|glob| !glob.pattern.covers(arn))
        {
            return Fit::No;
        }
        match (self.fits_unit(&finding.account, account), self.fits_tags(tags)) {
            (Fit::No, _) | (_, Fit::No) => Fit::No,
            (Fit::Unknown(why), _) | (_, Fit::Unknown(why)) => Fit::Unknown(why),
            (Fit::Yes, Fit::Yes) => Fit::Yes,
        }
    }

    /// Whether something that is hidden behind a finding on a whole place may be what it is about.
    pub(super) fn may_be_in(&self, place: &Finding, account: Option<&Account>) -> bool {
        let is_other = |wanted: &Option<String>, is: &str| wanted.as_ref().is_some_and(|wanted| wanted != is);
        let is_elsewhere = place.region != GLOBAL && is_other(&self.region, &place.region);
        !is_other(&self.control, &place.control)
            && !is_other(&self.account, &place.account)
            && !is_elsewhere
            && self.fits_unit(&place.account, account) != Fit::No
    }

    pub(super) fn fits_unit(&self, id: &str, account: Option<&Account>) -> Fit {
        let Some(wanted) = &self.unit else { return Fit::Yes };
        let known = account.and_then(|account| account.units.as_ref());
        let Some(names) = known else {
            return Fit::Unknown(format!("the organizational units of account {id} were not read"));
        };
        let ids = account.and_then(|account| account.unit_ids.as_deref()).unwrap_or_default();
        if names.iter().chain(ids).any(|unit| unit == wanted) { Fit::Yes } else { Fit::No }
    }

    fn fits_tags<'a>(&self, tags: impl FnOnce() -> SeenTags<'a>) -> Fit {
        if self.tags.is_empty() {
            return Fit::Yes;
        }
        let tags = match tags() {
            Ok(tags) => tags,
            Err(why) => return Fit::Unknown(why),
        };
        let has = |(key, values): (&String, &Vec<String>)| {
            tags.get(key.as_str())
                .is_some_and(|value| values.is_empty() || values.iter().any(|wanted| wanted == value))
        };
        if self.tags.iter().all(has) { Fit::Yes } else { Fit::No }
    }

    /// What it asks for, for people: `control s3-bucket-not-public, account 111122223333`.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words: Vec<String> = [
            ("control", self.control.as_deref()),
            ("account", self.account.as_deref()),
            ("unit", self.unit.as_deref()),
            ("region", self.region.as_deref()),
            ("resource", self.resource.as_ref().map(Glob::as_str)),
            ("finding", self.finding.as_deref()),
        ]
        .into_iter()
        .filter_map(|(what, value)| Some(format!("{what} {}", value?)))
        .collect();
        words.extend(self.tags.iter().map(|(key, values)| match values.as_slice() {
            [] => format!("tag {key}"),
            values => format!("tag {key}={}", values.join("|")),
        }));
        words.join(", ")
    }
}
