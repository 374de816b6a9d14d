//! What is told of detections in events, as soon as they are delivered.

use std::cmp::Reverse;

use super::{Cell, Digest, Fact, MAX_CHARS, MAX_ROWS, Numbers, Row, Section, Wording, shown};
use crate::config::Rule;
use crate::events::detection::Detection;

/// Characters of a rule's name in a subject, which has to leave room for who and where.
const MAX_NAME: usize = 90;
/// Characters of who did it in a subject.
const MAX_ACTOR: usize = 60;
/// Resources that are named of one detection.
const MAX_RESOURCES: usize = 3;

const COLUMNS: &[&str] = &["Severity", "Rule", "Who", "What", "When and where"];

impl Digest {
    /// What a rule asks to be told of detections; `None` where that is nothing. Each is news: `when` does not matter.
    pub(in crate::notify) fn of_detections(
        detections: &[Detection],
        rule: Rule<'_>,
        wording: Wording<'_>,
    ) -> Option<Self> {
        let mut told: Vec<&Detection> =
            detections.iter().filter(|detection| is_asked_for(detection, rule)).collect();
        told.sort_by(|a, b| order(a).cmp(&order(b)));
        let (worst, others) = told.split_first()?;
        let headline = headline(worst, others.len());
        let mut facts = Vec::new();
        if let Some(name) = wording.name {
            facts.push(Fact { name: "Scope", value: shown(name, 60) });
        }
        facts.push(Fact { name: "Detections", value: told.len().to_string() });
        facts.push(Fact { name: "Upright", value: env!("CARGO_PKG_VERSION").to_owned() });
        let section = Section {
            id: "detections",
            title: "Detected in events",
            note: String::new(),
            columns: COLUMNS,
            rows: told.iter().take(MAX_ROWS).map(|detection| row(detection)).collect(),
            more: told.len().saturating_sub(MAX_ROWS) as u64,
        };
        Some(Self {
            subject: shown(&format!("Upright: {headline}"), 200),
            headline,
            notice: String::new(),
            link: String::new(),
            facts,
            sections: vec![section],
            numbers: Numbers {
                failing: 0,
                critical: 0,
                waived: 0,
                not_observed: 0,
                detections: told.len() as u64,
                changes: None,
            },
        })
    }
}

/// As [`About`](super::super::about::About) has it for reports: frameworks are about controls, and an account or tag that
/// is not known is rather told about than kept silent.
fn is_asked_for(detection: &Detection, rule: Rule<'_>) -> bool {
    let is_severe = rule.min_severity.is_none_or(|least| detection.rule.severity >= least);
    let is_everywhere = rule.accounts.is_empty() || !rule.tags.is_empty();
    let is_there = detection
        .facts
        .account()
        .is_none_or(|account| is_everywhere || rule.accounts.iter().any(|id| id.as_str() == account));
    is_severe && rule.frameworks.is_empty() && is_there
}

/// The gravest first, then the newest.
fn order(detection: &Detection) -> impl Ord {
    (Reverse(detection.rule.severity), Reverse(detection.facts.time), detection.id.clone())
}

/// Such as `S3 bucket made public by alice in 111122223333, and 2 more detections`.
fn headline(worst: &Detection, others: usize) -> String {
    let mut words = shown(&worst.rule.name, MAX_NAME);
    if let Some(who) = worst.facts.actor_name() {
        words.push_str(&format!(" by {}", shown(who, MAX_ACTOR)));
    }
    if let Some(account) = worst.facts.account() {
        words.push_str(&format!(" in {}", shown(account, 20)));
    }
    match others {
        0 => {}
        1 => words.push_str(", and 1 more detection"),
        n => words.push_str(&format!(", and {n} more detections")),
    }
    words
}

fn row(detection: &Detection) -> Row {
    let facts = &detection.facts;
    let actor = facts.actor();
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let who = [text(actor.session_name.as_deref()), text(facts.source_address())];
    let call = match (facts.event_source(), facts.event_name()) {
        (Some(source), Some(name)) => format!("{}:{name}", source.trim_end_matches(".amazonaws.com")),
        (source, name) => format!("{}{}", text(source), text(name)),
    };
    let refused = facts.error_code().map(|code| format!("{call} ({code})"));
    let on: Vec<&str> =
        facts.resources.iter().take(MAX_RESOURCES).map(|resource| resource.arn.as_str()).collect();
    let time = facts.time.map(|time| crate::report::time(&time.to_string())).unwrap_or_default();
    let place = [text(facts.account()), text(facts.region())];
    Row {
        severity: detection.rule.severity.as_str(),
        cells: vec![
            cell(&detection.rule.name, &detection.output),
            cell(actor.name.as_deref().unwrap_or("an unknown actor"), &joined(&who)),
            cell(refused.as_deref().unwrap_or(&call), &on.join(", ")),
            // By its id, a detection that is told twice is known as one.
            cell(&joined(&[time, joined(&place)]), &format!("detection {}", detection.id)),
        ],
    }
}

fn joined(parts: &[String]) -> String {
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}

fn cell(text: &str, note: &str) -> Cell {
    Cell { text: shown(text, MAX_CHARS), note: shown(note, MAX_CHARS) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::config::When;
    use crate::controls::Severity;
    use crate::events::detection::detection_id;
    use crate::events::ruleset::RuleInfo;
    use crate::report::detected;

    static NO_TAGS: BTreeMap<String, Vec<String>> = BTreeMap::new();
    const NOBODY: Wording<'_> = Wording { name: None, report_url: None };

    fn everything() -> Rule<'static> {
        Rule { when: When::Changed, min_severity: None, accounts: &[], tags: &NO_TAGS, frameworks: &[] }
    }

    fn detection(n: usize, severity: Severity) -> Detection {
        let one = detected::one();
        let rule =
            RuleInfo { severity, name: "S3 bucket made public".to_owned(), ..one.rule.as_ref().clone() };
        let detection = Detection { id: detection_id("r", &n.to_string()), rule: Arc::new(rule), ..one };
        with(&detection, "alice", "eu-west-1")
    }

    /// The same of another event.
    fn with(detection: &Detection, actor: &str, region: &str) -> Detection {
        let mut json = serde_json::to_value(detection).unwrap();
        json["account"] = "111122223333".into();
        json["actor"]["name"] = actor.into();
        json["region"] = region.into();
        serde_json::from_str(&json.to_string()).unwrap()
    }

    #[test]
    fn the_subject_says_what_who_and_where() {
        let one = [detection(1, Severity::High)];
        let digest = Digest::of_detections(&one, everything(), NOBODY).unwrap();
        assert_eq!(digest.subject, "Upright: S3 bucket made public by alice in 111122223333");
        let several = [detection(1, Severity::Low), detection(2, Severity::Critical)];
        let digest = Digest::of_detections(&several, everything(), NOBODY).unwrap();
        assert_eq!(
            digest.subject,
            "Upright: S3 bucket made public by alice in 111122223333, and 1 more detection"
        );
        assert_eq!(digest.sections[0].rows[0].severity, "critical");
        assert_eq!(digest.sections[0].rows[0].cells[3].note, format!("detection {}", several[1].id));
        assert_eq!(digest.numbers.detections, 2);
    }

    #[test]
    fn a_rule_leaves_out_what_it_does_not_ask_for() {
        let detections = [detection(1, Severity::Low)];
        let with = |rule: Rule<'_>| Digest::of_detections(&detections, rule, NOBODY).is_some();
        assert!(with(everything()));
        assert!(!with(Rule { min_severity: Some(Severity::Medium), ..everything() }));
        assert!(!with(Rule { frameworks: &["cis-aws-3.0".to_owned()], ..everything() }));
        let other = ["444455556666".parse().unwrap()];
        assert!(!with(Rule { accounts: &other, ..everything() }));
        let own = ["111122223333".parse().unwrap()];
        assert!(with(Rule { accounts: &own, ..everything() }));
        assert!(Digest::of_detections(&[], everything(), NOBODY).is_none());
    }

    #[test]
    fn a_flood_is_bounded_and_hostile_names_stay_text() {
        let hostile = format!("x\r\nBcc: y\u{1b}[2J\u{202e}{}", "z".repeat(100_000));
        let mut flood: Vec<Detection> = (0..5_000).map(|n| detection(n, Severity::High)).collect();
        for detection in &mut flood {
            *detection = with(detection, &hostile, &hostile);
            detection.output.clone_from(&hostile);
        }
        let digest = Digest::of_detections(&flood, everything(), NOBODY).unwrap();
        let text = serde_json::to_string(&digest).unwrap();
        assert!(text.len() < 40_000, "{}", text.len());
        assert!(
            !text.contains('\u{202e}') && !text.contains("\\u001b") && !text.contains("\\r\\nBcc"),
            "{text}"
        );
        assert_eq!((digest.sections[0].rows.len(), digest.sections[0].more), (20, 4_980));
        assert!(digest.subject.chars().count() <= 201);
    }
}
