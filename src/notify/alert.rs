//! [`VerdictChange`]: a verdict that changed between two runs, because of an event, and what people are told of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::about;
use super::digest::{Cell, ChangeNumbers, Digest, Fact, Numbers, Row, Section, Wording, shown};
use crate::collect;
use crate::config::{Rule, When};
use crate::controls::{Severity, VerdictKind};
use crate::events::detection::Actor;
use crate::findings::Finding;

/// Values of the evidence, and lines of what to do, that a message shows.
const MAX_ROWS: usize = 20;
/// Characters of a value or a line.
const MAX_CHARS: usize = 300;
/// Characters of a name in the subject.
const MAX_NAME: usize = 60;

/// Who did what: the event behind a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// Who made the call.
    pub actor: Actor,
    /// When, RFC 3339, UTC; null when the event says no readable time.
    #[schemars(with = "Option<String>")]
    pub time: Option<Timestamp>,
    /// Address that the call came from, or the name of an AWS service.
    pub address: Option<String>,
    /// `eventSource`, such as `s3.amazonaws.com`.
    pub event_source: String,
    /// `eventName`: the API call.
    pub event_name: String,
    /// `eventID`
    pub event_id: String,
    /// `awsRegion`
    pub region: String,
}

/// A verdict that changed because of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerdictChange {
    /// Made of the finding, its verdict, and the observation that showed it: a message that is sent twice has one id.
    /// 32 hexadecimal digits.
    pub id: String,
    /// The finding as it is now; as it was, where the resource is gone.
    pub finding: Finding,
    /// The verdict before; null where there was none, as for a new resource.
    pub before: Option<VerdictKind>,
    /// The verdict now; null where the resource is gone.
    pub after: Option<VerdictKind>,
    /// Title of the control.
    pub title: String,
    /// What to do about a failure, in words.
    pub remediation: Vec<String>,
    /// The command that repairs it, with the resource's own name in it.
    pub remediation_cli: Vec<String>,
    /// Frameworks with a requirement that the control serves.
    pub frameworks: Vec<String>,
    /// Name of the account; empty where it is not known.
    pub account_name: String,
    /// Tags of the account in Organizations; null where they were not read.
    pub account_tags: Option<BTreeMap<String, String>>,
    /// The latest event that touched the resource.
    pub cause: Cause,
    /// Whether the event says that it changed this resource. Where it does not, the resource was looked at because of it,
    /// and the change may be another's.
    pub is_certain: bool,
    /// Events that touched the resource and were looked at together.
    pub events: u64,
    /// When the resource was looked at, RFC 3339, UTC.
    #[schemars(with = "String")]
    pub observed_at: Timestamp,
}

impl Cause {
    /// Who it was, in few words: a role's session as `role/session`, since the caller chooses the session's name.
    #[must_use]
    pub fn who(&self) -> String {
        let Actor { name, session_name, arn, account_id, invoked_by, .. } = &self.actor;
        let one = [name, arn, invoked_by, account_id].into_iter().flatten().next();
        match (one, session_name) {
            (Some(role), Some(session)) => format!("{role}/{session}"),
            (Some(one), None) => one.clone(),
            (None, Some(session)) => session.clone(),
            (None, None) => "somebody whom the event does not name".to_owned(),
        }
    }

    /// The call as `service:Operation`.
    #[must_use]
    pub fn call(&self) -> String {
        let service = self.event_source.strip_suffix(".amazonaws.com").unwrap_or(&self.event_source);
        format!("{service}:{}", self.event_name)
    }
}

impl VerdictChange {
    /// Whether it fails now.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.after == Some(VerdictKind::Fail)
    }

    /// What happened, in one line, such as `bucket acme-logs became public`.
    #[must_use]
    pub fn headline(&self) -> String {
        let is_about_public =
            ["not-public", "no-public-policy"].iter().any(|end| self.finding.control.ends_with(end));
        let became = match (self.after, self.before) {
            (Some(VerdictKind::Fail), None | Some(VerdictKind::Unknown)) if is_about_public => {
                "is public".to_owned()
            }
            (Some(VerdictKind::Fail), _) if is_about_public => "became public".to_owned(),
            (Some(VerdictKind::Fail), _) => format!("now fails: {}", self.title.trim_end_matches('.')),
            (None, _) => format!("is gone, which failed: {}", self.title.trim_end_matches('.')),
            (Some(_), _) if is_about_public => "is no longer public".to_owned(),
            (Some(_), _) => format!("no longer fails: {}", self.title.trim_end_matches('.')),
        };
        format!("{} {became}", self.subject())
    }

    /// The resource with what it is, such as `bucket acme-logs`.
    fn subject(&self) -> String {
        let name = shown(&self.finding.subject(), MAX_NAME);
        let kind = collect::kind(&self.finding.resource_type);
        // What a place has one of is called by the place.
        if kind.is_none_or(|kind| kind.single) || self.finding.is_about_a_place() {
            return name;
        }
        let noun = self.finding.resource_type.rsplit('.').next().unwrap_or_default().replace('_', " ");
        format!("{noun} {name}")
    }

    /// What a receiver with that rule is told; `None` where that is nothing.
    pub(super) fn digest(&self, rule: Rule<'_>, wording: Wording<'_>) -> Option<Digest> {
        if !self.is_for(rule) {
            return None;
        }
        let ago =
            self.cause.time.map(|time| format!(", {}", ago(time, Timestamp::now()))).unwrap_or_default();
        let who = shown(&self.cause.who(), MAX_NAME);
        let by = if self.is_certain { "by" } else { "found after a call by" };
        let headline = format!("{}, {by} {who}{ago}", self.headline());
        let is_critical = self.is_failure() && self.finding.severity == Severity::Critical;
        let (failing, critical) = (u64::from(self.is_failure()), u64::from(is_critical));
        Some(Digest {
            subject: shown(&format!("Upright: {headline}"), 200),
            headline: shown(&headline, 200),
            notice: String::new(),
            link: wording.report_url.unwrap_or_default().to_owned(),
            facts: self.facts(wording),
            sections: self.sections(),
            numbers: Numbers {
                failing,
                critical,
                waived: 0,
                not_observed: 0,
                detections: 0,
                changes: Some(ChangeNumbers {
                    new: failing,
                    new_critical: critical,
                    newly_judged: 0,
                    resolved: 1 - failing,
                    no_longer_observed: 0,
                }),
            },
        })
    }

    fn is_for(&self, rule: Rule<'_>) -> bool {
        let takes_account = (rule.accounts.is_empty() && rule.tags.is_empty())
            || about::names(&self.finding.account, self.account_tags.as_ref(), rule);
        let takes_control =
            rule.frameworks.is_empty() || self.frameworks.iter().any(|id| rule.frameworks.contains(id));
        let is_due = match rule.when {
            When::Always | When::Changed => true,
            When::Failures => self.is_failure(),
        };
        let is_grave = rule.min_severity.is_none_or(|least| self.finding.severity >= least);
        is_due && is_grave && takes_account && takes_control
    }

    fn facts(&self, wording: Wording<'_>) -> Vec<Fact> {
        let Self { finding, cause, .. } = self;
        let account = match self.account_name.as_str() {
            "" => finding.account.clone(),
            name => format!("{name} ({})", finding.account),
        };
        let verdict = |verdict: Option<VerdictKind>, none: &str| {
            verdict.map_or_else(|| none.to_owned(), |verdict| verdict.as_str().replace('_', " "))
        };
        let time = cause.time.map(|time| crate::report::time(&time.to_string())).unwrap_or_default();
        let others = match self.events {
            0 | 1 => String::new(),
            n => format!(" (the last of {n} events)"),
        };
        let facts = [
            ("Scope", wording.name.unwrap_or_default().to_owned()),
            ("Account", account),
            ("Region", finding.region.clone()),
            ("Resource", finding.resource_arn.clone()),
            ("Control", format!("{} ({})", self.title, finding.control)),
            ("Severity", finding.severity.to_string()),
            ("Verdict", format!("{}, before: {}", verdict(self.after, "gone"), verdict(self.before, "none"))),
            ("Why", finding.reason.clone()),
            (if self.is_certain { "By" } else { "Found after a call by" }, cause.who()),
            ("From", cause.address.clone().unwrap_or_default()),
            ("Call", format!("{}{others}", cause.call())),
            ("Happened", time),
            ("Event", cause.event_id.clone()),
            ("Observed", crate::report::time(&self.observed_at.to_string())),
            ("Id", self.id.clone()),
        ];
        let told = facts.into_iter().filter(|(_, value)| !value.is_empty());
        told.map(|(name, value)| Fact { name, value: shown(&value, MAX_CHARS) }).collect()
    }

    fn sections(&self) -> Vec<Section> {
        let cell = |text: &str| Cell { text: shown(text, MAX_CHARS), note: String::new() };
        let line = |text: &String| Row { severity: "", cells: vec![cell(text)] };
        let evidence = self
            .finding
            .evidence
            .iter()
            .map(|read| Row { severity: "", cells: vec![cell(&read.path), cell(&read.value.to_string())] });
        let section = |id, title, columns, rows: Vec<Row>| {
            let more = rows.len().saturating_sub(MAX_ROWS) as u64;
            let rows = rows.into_iter().take(MAX_ROWS).collect();
            Section { id, title, note: String::new(), columns, rows, more }
        };
        let mut sections =
            vec![section("evidence", "Evidence", &["Read", "Value"] as &[_], evidence.collect())];
        if self.is_failure() {
            let steps = self.remediation.iter().map(line).collect();
            let commands = self.remediation_cli.iter().map(line).collect();
            sections.push(section("remediation", "What to do", &["Step"], steps));
            sections.push(section("command", "By command", &["Line"], commands));
        }
        sections.retain(|section| !section.rows.is_empty());
        sections
    }
}

/// How long ago it was, in one unit.
fn ago(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(time).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / 60),
        7_200..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AccountId;
    use crate::report::sample;

    const WORDING: Wording<'_> = Wording { name: None, report_url: None };

    fn change() -> VerdictChange {
        let mut finding = sample::report().findings.swap_remove(0);
        finding.control = "s3-bucket-not-public".to_owned();
        finding.severity = Severity::Critical;
        finding.verdict = VerdictKind::Fail;
        finding.account = "222233334444".to_owned();
        finding.resource_type = "aws.s3.bucket".to_owned();
        finding.resource_arn = "arn:aws:s3:::acme-logs".to_owned();
        finding.resource_name = "acme-logs".to_owned();
        VerdictChange {
            id: "0".repeat(32),
            finding,
            before: Some(VerdictKind::Pass),
            after: Some(VerdictKind::Fail),
            title: "S3 buckets are not open to the public".to_owned(),
            remediation: vec!["Open the bucket.".to_owned()],
            remediation_cli: vec!["aws s3api put-public-access-block --bucket acme-logs".to_owned()],
            frameworks: vec!["cis-aws-5.0".to_owned()],
            account_name: "acme-prod".to_owned(),
            account_tags: None,
            cause: Cause {
                actor: Actor { name: Some("alice".to_owned()), ..Actor::default() },
                time: Some(Timestamp::now()),
                address: Some("203.0.113.7".to_owned()),
                event_source: "s3.amazonaws.com".to_owned(),
                event_name: "PutBucketPolicy".to_owned(),
                event_id: "e-1".to_owned(),
                region: "eu-west-1".to_owned(),
            },
            is_certain: true,
            events: 1,
            observed_at: Timestamp::now(),
        }
    }

    const fn any() -> Rule<'static> {
        static NO_TAGS: BTreeMap<String, Vec<String>> = BTreeMap::new();
        Rule { when: When::Always, min_severity: None, accounts: &[], tags: &NO_TAGS, frameworks: &[] }
    }

    #[test]
    fn the_subject_says_what_became_of_what_and_who_did_it() {
        let subject = |change: &VerdictChange| change.digest(any(), WORDING).unwrap().subject;
        let mut change = change();
        let opened = subject(&change);
        assert!(opened.starts_with("Upright: bucket acme-logs became public, by alice, "), "{opened}");
        assert!(opened.ends_with(" s ago"), "{opened}");
        change.cause.actor.session_name = Some("ann".to_owned());
        change.before = None;
        assert!(subject(&change).starts_with("Upright: bucket acme-logs is public, by alice/ann, "));
        (change.before, change.after) = (Some(VerdictKind::Fail), Some(VerdictKind::Pass));
        assert!(subject(&change).contains("bucket acme-logs is no longer public, by"));
        change.is_certain = false;
        assert!(subject(&change).contains("is no longer public, found after a call by alice/ann, "));
        change.after = None;
        assert!(subject(&change).contains("bucket acme-logs is gone, which failed: S3 buckets are not open"));
    }

    #[test]
    fn hostile_names_stay_text_on_one_line() {
        let mut change = change();
        change.finding.resource_name = "x\r\nBcc: eve@example.com\u{202e}".to_owned();
        change.cause.actor.name = Some("\u{1b}[31mroot\n".to_owned());
        let digest = change.digest(any(), WORDING).unwrap();
        for text in [&digest.subject, &digest.headline] {
            assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
        }
        assert!(digest.facts.iter().all(|fact| !fact.value.chars().any(char::is_control)));
    }

    #[test]
    fn a_receiver_is_told_what_its_rule_takes() {
        let change = change();
        let told = |rule: Rule<'_>| change.digest(rule, WORDING).is_some();
        let other: AccountId = "999999999999".parse().unwrap();
        let own: AccountId = "222233334444".parse().unwrap();
        assert!(told(any()));
        assert!(told(Rule { min_severity: Some(Severity::Critical), ..any() }));
        assert!(told(Rule { accounts: &[own], ..any() }));
        assert!(!told(Rule { accounts: &[other], ..any() }));
        assert!(told(Rule { frameworks: &["cis-aws-5.0".to_owned()], ..any() }));
        assert!(!told(Rule { frameworks: &["soc2".to_owned()], ..any() }));
        let resolved = VerdictChange { after: Some(VerdictKind::Pass), ..change.clone() };
        assert!(resolved.digest(Rule { when: When::Changed, ..any() }, WORDING).is_some());
        assert!(resolved.digest(Rule { when: When::Failures, ..any() }, WORDING).is_none());
    }

    #[test]
    fn a_failure_comes_with_evidence_and_what_to_do() {
        let digest = change().digest(any(), WORDING).unwrap();
        let ids: Vec<&str> = digest.sections.iter().map(|section| section.id).collect();
        assert!(ids.ends_with(&["remediation", "command"]), "{ids:?}");
        let fact = |name: &str| digest.facts.iter().find(|fact| fact.name == name).unwrap().value.clone();
        assert_eq!(fact("Call"), "s3:PutBucketPolicy");
        assert_eq!(fact("By"), "alice");
        assert_eq!(fact("From"), "203.0.113.7");
    }

    #[test]
    fn time_is_told_in_one_unit() {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        for (time, expected) in [
            ("2026-11-29T11:59:48Z", "12 s ago"),
            ("2026-11-29T12:00:05Z", "0 s ago"),
            ("2026-11-29T11:50:00Z", "10 min ago"),
            ("2026-11-29T02:00:00Z", "10 h ago"),
            ("2026-11-20T12:00:00Z", "9 days ago"),
        ] {
            assert_eq!(ago(time.parse().unwrap(), now), expected);
        }
    }
}
