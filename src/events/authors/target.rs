//! [`Target`]: what a resource is called in events, and whether an event is about it.

use std::borrow::Cow;

use super::Sought;
use crate::events::json::{Json, Kind};
use crate::events::record::{Key, Record};
use crate::inventory::GLOBAL;

/// Values of one event that are looked at; a usual one has a few dozen.
const MAX_VALUES: usize = 5_000;
/// Objects and lists inside one another that are looked into.
const MAX_DEPTH: usize = 8;

/// Keys that stand for whatever the call is about.
const GENERIC_KEYS: [&str; 8] =
    ["name", "id", "arn", "identifier", "resource", "resourcename", "resourceid", "resourcearn"];

/// Settings of an account or a region, which no event names: the field, the service, and the calls that change it.
type Setting = (&'static str, &'static str, &'static str, &'static [&'static str]);

const SETTINGS: [Setting; 12] = [
    (
        "aws.iam.account",
        "password_policy",
        "iam",
        &["UpdateAccountPasswordPolicy", "DeleteAccountPasswordPolicy"],
    ),
    (
        "aws.iam.account",
        "saml_providers",
        "iam",
        &["CreateSAMLProvider", "UpdateSAMLProvider", "DeleteSAMLProvider"],
    ),
    (
        "aws.s3.account",
        "public_access_block",
        "s3",
        &["PutAccountPublicAccessBlock", "DeleteAccountPublicAccessBlock"],
    ),
    (
        "aws.ec2.region_settings",
        "ebs_encryption_by_default",
        "ec2",
        &["EnableEbsEncryptionByDefault", "DisableEbsEncryptionByDefault"],
    ),
    ("aws.account", "security_contact", "account", &["PutAlternateContact", "DeleteAlternateContact"]),
    ("aws.account", "contact_information", "account", &["PutContactInformation"]),
    ("aws.securityhub.region", "hub", "securityhub", &["EnableSecurityHub", "DisableSecurityHub"]),
    ("aws.accessanalyzer.region", "analyzers", "access-analyzer", &["CreateAnalyzer", "DeleteAnalyzer"]),
    (
        "aws.config.region",
        "recorder",
        "config",
        &["PutConfigurationRecorder", "DeleteConfigurationRecorder", "StopConfigurationRecorder"],
    ),
    (
        "aws.config.region",
        "status",
        "config",
        &["StartConfigurationRecorder", "StopConfigurationRecorder", "DeleteConfigurationRecorder"],
    ),
    ("aws.config.region", "delivery_channels", "config", &["PutDeliveryChannel", "DeleteDeliveryChannel"]),
    ("aws.macie.region", "session", "macie2", &["EnableMacie", "DisableMacie", "UpdateMacieSession"]),
];

/// Calls that name a resource of their own service and use it, and are called writing all the same.
const USES: [&str; 12] = [
    "CreateGrant",
    "RetireGrant",
    "RevokeGrant",
    "CreateLogStream",
    "StartQuery",
    "RunTask",
    "StartTask",
    "SubmitTaskStateChange",
    "SubmitContainerStateChange",
    "RegisterContainerInstance",
    "StartSession",
    "GenerateServiceLastAccessedDetails",
];

/// What a resource is called in events.
#[derive(Debug)]
pub(super) struct Target {
    /// The accounts whose events are about it.
    accounts: Vec<String>,
    /// The region whose events are about it; `None` where any may be.
    region: Option<String>,
    /// The region whose event history has them; `None` for that of services without regions.
    asked_in: Option<String>,
    /// The service, as event sources begin with it.
    service: String,
    partition: String,
    arn: Option<String>,
    /// What else it is called; the first is what the event history knows it by.
    names: Vec<String>,
    /// What keys contain that name resources of this type.
    noun: String,
    /// The type as names of calls contain it, such as `securitygroup`.
    kind: String,
    /// What of it was read, as names of calls contain it.
    fields: Vec<String>,
    is_about_tags: bool,
    /// For settings: the calls that change what was read.
    settings: Vec<&'static str>,
}

/// How much an event speaks of a target, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Speaks {
    /// It names it.
    Name,
    /// Its name speaks of the type.
    Type,
    /// Its name speaks of what the control read.
    Field,
}

impl Target {
    /// `None` for what has no name that events could tell.
    pub(super) fn of(sought: &Sought) -> Option<Self> {
        let Sought { resource_type, arn, account, region, fields, .. } = sought;
        let kind_part = resource_type.rsplit('.').next().unwrap_or_default();
        let words = |field: &String| {
            let word = if field == "status" { "logging".to_owned() } else { field.replace('_', "") };
            let singular = word.strip_suffix('s').map(str::to_owned);
            singular.unwrap_or(word)
        };
        let mut target = Self {
            accounts: vec![account.clone()],
            region: (region != GLOBAL).then(|| region.clone()),
            asked_in: (region != GLOBAL).then(|| region.clone()),
            service: String::new(),
            partition: "aws".to_owned(),
            arn: None,
            names: Vec::new(),
            noun: kind_part.rsplit('_').next().unwrap_or_default().to_owned(),
            kind: kind_part.replace('_', ""),
            fields: fields.iter().map(words).filter(|word| word.len() > 2).collect(),
            is_about_tags: fields.contains("tags"),
            settings: Vec::new(),
        };
        match arn {
            Some(arn) => target.called(arn, resource_type).then_some(target),
            None => target.is_setting(resource_type, sought).then_some(target),
        }
    }

    /// Takes the names out of an ARN; `false` where it is none.
    fn called(&mut self, arn: &str, resource_type: &str) -> bool {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, partition, service, region, account, resource] = parts.as_slice() else { return false };
        if !account.is_empty() && !self.accounts.iter().any(|known| known == account) {
            self.accounts.push((*account).to_owned());
        }
        self.region = (!region.is_empty()).then(|| (*region).to_owned());
        // A bucket's events are in its region, which its ARN does not say.
        if *service != "s3" {
            self.asked_in.clone_from(&self.region);
        }
        // Alarms have ARNs of `cloudwatch` and events of `monitoring`.
        self.service = if *service == "cloudwatch" { "monitoring".to_owned() } else { (*service).to_owned() };
        self.partition = (*partition).to_owned();
        let tail = resource.rsplit('/').next().unwrap_or_default();
        let tail =
            if resource.contains('/') { tail } else { resource.rsplit(':').next().unwrap_or_default() };
        let mut names = match (*service, resource_type) {
            ("apigateway", _) => {
                "api".clone_into(&mut self.noun);
                vec![resource.split('/').nth(2).unwrap_or_default().to_owned()]
            }
            // An inline policy of that name is another one, and a log group's name has slashes.
            (_, "aws.iam.policy") => Vec::new(),
            ("logs", _) => vec![resource.trim_start_matches("log-group:").trim_end_matches(":*").to_owned()],
            ("secretsmanager", _) => {
                let name = resource.trim_start_matches("secret:");
                let plain = name.len().checked_sub(7).and_then(|end| name.get(..end)).unwrap_or(name);
                vec![plain.to_owned(), name.to_owned()]
            }
            _ => vec![tail.to_owned()],
        };
        names.retain(|name| !name.is_empty());
        self.names = names;
        self.arn = Some(arn.to_owned());
        true
    }

    /// Takes the calls that change what was read of a setting; `false` where none is known to.
    fn is_setting(&mut self, resource_type: &str, sought: &Sought) -> bool {
        let rows = SETTINGS
            .iter()
            .filter(|(kind, field, ..)| *kind == resource_type && sought.fields.contains(*field));
        for (_, _, service, calls) in rows {
            (*service).clone_into(&mut self.service);
            self.settings.extend_from_slice(calls);
        }
        !self.settings.is_empty()
    }

    /// Texts of which an event about it has one.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &str> {
        self.arn.iter().chain(&self.names).map(String::as_str)
    }

    /// The calls that are about it without naming it.
    pub(super) fn settings(&self) -> &[&'static str] {
        &self.settings
    }

    /// What the event history is asked for, one after the other: names of resources, or of calls for a setting.
    pub(super) fn looked_up_by(&self) -> Vec<String> {
        if !self.settings.is_empty() {
            return self.settings.iter().map(|&name| name.to_owned()).collect();
        }
        let mut names: Vec<String> = self.names.iter().take(1).cloned().collect();
        names.extend(self.arn.clone());
        names
    }

    /// The account and region whose event history has its events.
    pub(super) fn place(&self) -> (&str, &str) {
        let home = match self.partition.as_str() {
            "aws-cn" => "cn-north-1",
            "aws-us-gov" => "us-gov-west-1",
            _ => "us-east-1",
        };
        let account = self.accounts.last().map_or("", String::as_str);
        (account, self.asked_in.as_deref().unwrap_or(home))
    }

    /// How much an event that changed something speaks of it; `None` where it is about something else.
    pub(super) fn spoken_of(&self, record: &Record<'_>, name: &str, service: &str) -> Option<Speaks> {
        if !self.is_of_place(record) || USES.contains(&name) {
            return None;
        }
        if !self.settings.is_empty() {
            return (service == self.service && self.settings.contains(&name)).then_some(Speaks::Field);
        }
        let named = self.named_in(record, service == self.service)?;
        let lower = name.to_ascii_lowercase();
        let is_tagging = lower.contains("tag") && !self.is_about_tags;
        let speaks = if is_tagging {
            Speaks::Name
        } else if self.fields.iter().any(|field| lower.contains(field.as_str())) {
            Speaks::Field
        } else if lower.contains(&self.kind) {
            Speaks::Type
        } else {
            Speaks::Name
        };
        // A call to another service, or one that names it in passing, uses it: starting an instance in a security group
        // does not change the group.
        let is_change = if service == self.service {
            named == Named::First || speaks > Speaks::Name
        } else {
            speaks == Speaks::Field
        };
        is_change.then_some(speaks)
    }

    fn is_of_place(&self, record: &Record<'_>) -> bool {
        let account = record
            .text(Key::RecipientAccountId)
            .or_else(|| record.at(Key::UserIdentity, &["accountId"]).and_then(Json::as_str));
        let is_account = account.is_some_and(|account| self.accounts.iter().any(|known| *known == account));
        let region = record.text(Key::AwsRegion);
        is_account && (self.region.is_none() || region.as_deref() == self.region.as_deref())
    }

    fn named_in(&self, record: &Record<'_>, is_own: bool) -> Option<Named> {
        let listed = record.value(Key::Resources).into_iter().flat_map(Json::elements);
        let arns = listed.filter_map(|one| one.get("ARN").or_else(|| one.get("arn")).and_then(Json::as_str));
        let mut search = Search { target: self, is_own, left: MAX_VALUES, found: None };
        if arns.take(MAX_VALUES).any(|arn| Some(&*arn) == self.arn.as_deref()) {
            return Some(Named::First);
        }
        for key in [Key::RequestParameters, Key::ResponseElements] {
            if let Some(value) = record.value(key) {
                search.members(value, 0);
            }
        }
        search.found
    }

    /// Whether a value that stands under a key names it.
    fn is_named(&self, key: &str, value: &str, depth: usize, is_own: bool) -> bool {
        if self.arn.as_deref() == Some(value) {
            return true;
        }
        // The URL of a queue ends with its account and name.
        let value = match value.strip_prefix("https://") {
            Some(url) if self.service == "sqs" => url.rsplit('/').next().unwrap_or_default(),
            _ => value,
        };
        let is_name = self.names.iter().any(|name| name == value);
        if !is_name {
            return false;
        }
        let key = key.to_ascii_lowercase();
        let fits = key.contains(&self.noun) || (depth == 0 && GENERIC_KEYS.contains(&key.as_str()));
        is_unique(value) || (is_own && fits)
    }
}

/// Where an event names a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    /// Somewhere in what the call was about.
    Within,
    /// As what the call was about.
    First,
}

/// A walk through the values of an event.
struct Search<'t> {
    target: &'t Target,
    is_own: bool,
    left: usize,
    found: Option<Named>,
}

impl Search<'_> {
    fn members(&mut self, value: Json<'_>, depth: usize) {
        for (name, value) in value.members() {
            self.value(&name.text(), value, depth);
        }
    }

    fn value(&mut self, key: &str, value: Json<'_>, depth: usize) {
        if self.left == 0 || depth > MAX_DEPTH || self.found == Some(Named::First) {
            return;
        }
        self.left -= 1;
        match value.kind() {
            Kind::Object => self.members(value, depth + 1),
            Kind::Array => value.elements().for_each(|element| self.value(key, element, depth + 1)),
            Kind::String => {
                let text = value.as_str().unwrap_or(Cow::Borrowed(""));
                if self.target.is_named(key, &text, depth, self.is_own) {
                    let named = if depth == 0 { Named::First } else { Named::Within };
                    self.found = self.found.max(Some(named));
                }
            }
            Kind::Null | Kind::Boolean | Kind::Number => {}
        }
    }
}

/// Whether AWS gave the name, so that nothing else has it: `sg-0123456789abcdef0`, a UUID.
fn is_unique(name: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
    let parts: Vec<&str> = name.split('-').collect();
    match parts.as_slice() {
        [first, second, third, fourth, fifth] => {
            let lengths = [first, second, third, fourth, fifth].map(|part| part.len());
            lengths == [8, 4, 4, 4, 12] && parts.iter().all(|part| is_hex(part))
        }
        [prefix, id] => {
            (2..=6).contains(&prefix.len())
                && prefix.bytes().all(|byte| byte.is_ascii_lowercase())
                && matches!(id.len(), 8 | 17)
                && is_hex(id)
        }
        _ => false,
    }
}
