//! Event patterns of Amazon EventBridge, for exactly the events that somebody here knows what to do with.
//!
//! [A pattern](https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html) has at most 4,096
//! characters, so there are several. Events of calls that only read are not among what EventBridge delivers, unless a
//! rule of it
//! [asks for them](https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::ruleset::RuleSet;

/// Characters of a pattern: EventBridge takes 4,096.
pub const MAX_PATTERN: usize = 4_096;

/// `eventSource` of sign-ins to the console, which come as events of their own.
const SIGN_IN: &str = "signin.amazonaws.com";
const API_CALL: &str = "AWS API Call via CloudTrail";
const CONSOLE_SIGN_IN: &str = "AWS Console Sign In via CloudTrail";

/// The patterns, and which rules they leave without events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Patterns {
    /// In a fixed order.
    pub patterns: Vec<Value>,
    /// Rules that may match events of any name, which no pattern lets through for them.
    pub unbounded: Vec<Unbounded>,
}

/// A rule that demands no event name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unbounded {
    /// Its id.
    pub rule: String,
    /// Its name.
    pub name: String,
    /// The event sources of which it demands one, in lower case; empty where it takes any.
    pub sources: Vec<String>,
}

/// Names by the source that they are demanded of; `None` where any source will do. Names whose case is not known are in
/// the second set, in lower case.
type Wanted = BTreeMap<Option<String>, (BTreeSet<String>, BTreeSet<String>)>;

/// The patterns for rules, and for other calls: event source → event names.
#[must_use]
pub fn patterns(rules: Option<&RuleSet>, calls: &BTreeMap<&'static str, BTreeSet<&'static str>>) -> Patterns {
    // Rules of Sigma do not look at case, and have their texts in lower case.
    let spelt: BTreeMap<String, &str> =
        calls.values().flatten().map(|name| (name.to_ascii_lowercase(), *name)).collect();
    let mut wanted = Wanted::new();
    for (source, names) in calls {
        let (exact, _) = wanted.entry(Some((*source).to_owned())).or_default();
        exact.extend(names.iter().map(|name| (*name).to_owned()));
    }
    let mut unbounded = Vec::new();
    for (rule, demand) in rules.into_iter().flat_map(RuleSet::demands) {
        let sources = demand.sources.unwrap_or_default();
        let Some(names) = demand.names else {
            let (id, name) = (rule.info.id.clone(), rule.info.name.clone());
            unbounded.push(Unbounded { rule: id, name, sources: sources.into_iter().collect() });
            continue;
        };
        let of: Vec<Option<String>> =
            if sources.is_empty() { vec![None] } else { sources.into_iter().map(Some).collect() };
        for source in of {
            let (exact, folded) = wanted.entry(source).or_default();
            for name in &names {
                match spelt.get(name) {
                    Some(spelt) => drop(exact.insert((*spelt).to_owned())),
                    None => drop(folded.insert(name.clone())),
                }
            }
        }
    }
    unbounded.sort_by(|a, b| (&a.name, &a.rule).cmp(&(&b.name, &b.rule)));
    // What is of any source may be a sign-in too.
    let signed_in: Wanted = [None, Some(SIGN_IN.to_owned())]
        .into_iter()
        .filter_map(|source| Some((source.clone(), wanted.get(&source)?.clone())))
        .collect();
    wanted.remove(&Some(SIGN_IN.to_owned()));
    let mut patterns = packed(API_CALL, wanted);
    patterns.extend(packed(CONSOLE_SIGN_IN, signed_in));
    Patterns { patterns, unbounded }
}

/// As many sources in one pattern as there is room for.
fn packed(
    kind: &str,
    wanted: impl IntoIterator<Item = (Option<String>, (BTreeSet<String>, BTreeSet<String>))>,
) -> Vec<Value> {
    let mut patterns = Vec::new();
    let mut open: Vec<Value> = Vec::new();
    for (source, (exact, folded)) in wanted {
        let folded = folded.into_iter().map(|name| json!({ "equals-ignore-case": name }));
        for name in exact.into_iter().map(Value::from).chain(folded) {
            let begun = open.len();
            let is_of_last = open
                .last()
                .is_some_and(|last| last.get("eventSource") == sources(source.as_deref()).as_ref());
            let before = open.last().cloned();
            if is_of_last {
                extend(&mut open, name.clone());
            } else {
                open.push(branch(source.as_deref(), name.clone()));
            }
            if length(&pattern(kind, &open)) > MAX_PATTERN {
                open.truncate(begun);
                if let (true, Some(last), Some(before)) = (is_of_last, open.last_mut(), before) {
                    *last = before;
                }
                patterns.extend((!open.is_empty()).then(|| pattern(kind, &open)));
                open = vec![branch(source.as_deref(), name)];
            }
        }
    }
    patterns.extend((!open.is_empty()).then(|| pattern(kind, &open)));
    patterns
}

fn sources(source: Option<&str>) -> Option<Value> {
    source.map(|source| json!([source]))
}

fn branch(source: Option<&str>, name: Value) -> Value {
    match source {
        Some(source) => json!({ "eventSource": [source], "eventName": [name] }),
        None => json!({ "eventName": [name] }),
    }
}

fn extend(open: &mut [Value], name: Value) {
    let names = open.last_mut().and_then(|last| last.get_mut("eventName"));
    if let Some(names) = names.and_then(Value::as_array_mut) {
        names.push(name);
    }
}

/// Nobody but AWS sends events whose source begins with `aws.`.
fn pattern(kind: &str, branches: &[Value]) -> Value {
    let detail = match branches {
        [only] => only.clone(),
        several => json!({ "$or": several }),
    };
    json!({ "source": [{ "prefix": "aws." }], "detail-type": [kind], "detail": detail })
}

fn length(pattern: &Value) -> usize {
    pattern.to_string().chars().count()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::events::own;
    use crate::events::ruleset::{Loader, Options};

    fn names(count: usize) -> BTreeSet<&'static str> {
        (0..count).map(|n| &*format!("SomewhatLongNameOfACall{n:05}").leak()).collect()
    }

    /// Every name that the patterns let through, by source.
    fn let_through(patterns: &[Value]) -> BTreeMap<String, BTreeSet<String>> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for pattern in patterns {
            let detail = &pattern["detail"];
            let branches = detail["$or"].as_array().cloned().unwrap_or_else(|| vec![detail.clone()]);
            for branch in branches {
                let source = branch["eventSource"][0].as_str().unwrap_or("any").to_owned();
                for name in branch["eventName"].as_array().unwrap() {
                    let text = name.as_str().or_else(|| name["equals-ignore-case"].as_str()).unwrap();
                    assert!(found.entry(source.clone()).or_default().insert(text.to_owned()), "{text} twice");
                }
            }
        }
        found
    }

    #[test]
    fn long_lists_are_parted_and_nothing_is_lost() {
        let calls = BTreeMap::from([("a.amazonaws.com", names(300)), ("b.amazonaws.com", names(5))]);
        let Patterns { patterns, unbounded } = patterns(None, &calls);
        assert!(unbounded.is_empty() && patterns.len() > 2, "{}", patterns.len());
        assert!(patterns.iter().all(|pattern| pattern.to_string().chars().count() <= MAX_PATTERN));
        let found = let_through(&patterns);
        for (source, names) in calls {
            assert_eq!(found[source].iter().map(String::as_str).collect::<BTreeSet<_>>(), names);
        }
    }

    #[test]
    fn the_own_rules_are_let_through_with_the_sign_ins_apart() {
        let mut loader = Loader::new(Options::default());
        own::load(&mut loader);
        let (rules, _) = loader.finish();
        let calls = BTreeMap::from([("s3.amazonaws.com", BTreeSet::from(["PutBucketPolicy"]))]);
        let Patterns { patterns, unbounded } = patterns(Some(&rules), &calls);
        let found = let_through(&patterns);
        assert!(found["s3.amazonaws.com"].contains("PutBucketPolicy"), "as the table spells it: {found:?}");
        assert!(!found["s3.amazonaws.com"].contains("putbucketpolicy"));
        assert!(found["cloudtrail.amazonaws.com"].contains("stoplogging"), "{found:?}");
        let sign_in = patterns.iter().find(|pattern| pattern["detail-type"][0] == CONSOLE_SIGN_IN).unwrap();
        assert_eq!(sign_in["detail"]["eventName"][0]["equals-ignore-case"], "consolelogin");
        for rule in &unbounded {
            assert!(rules.rules().iter().any(|known| known.info.id == rule.rule));
        }
    }

    #[test]
    fn a_rule_about_any_event_says_so() {
        let mut loader = Loader::new(Options::default());
        let rule = "title: Root\nid: r-1\nlogsource: { product: aws, service: cloudtrail }\ndetection:\n  selection:\n    \
                    userIdentity.type: Root\n  condition: selection\nlevel: high\n";
        loader.text(Path::new("root.yml"), rule);
        let (rules, issues) = loader.finish();
        assert_eq!(rules.rules().len(), 1, "{issues:?}");
        let patterns = patterns(Some(&rules), &BTreeMap::new());
        assert_eq!(patterns.patterns, [Value::Null; 0]);
        let expected = Unbounded { rule: "r-1".to_owned(), name: "Root".to_owned(), sources: Vec::new() };
        assert_eq!(patterns.unbounded, [expected]);
    }
}
