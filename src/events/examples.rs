//! The examples in a rule file: events that a rule must match, and events that it must not.
//!
//! A rule of Falco or Sigma may carry them under a key of ours, which other readers pass over:
//!
//! ```yaml
//! examples:
//!   - name: a shell in a container
//!     matches: true
//!     event: { eventSource: ecs.amazonaws.com, eventName: ExecuteCommand }
//! ```
//!
//! A correlation of Sigma is about several events: its examples have `events`, a list of records in any order.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Number;

use super::engine::Scratch;
use super::record::Record;
use super::ruleset::{Issue, Language, Loader, Options, RuleInfo, RuleSet};
use super::sigma::correlation::Limits;
use super::yaml::{self, Node, Value};

/// What an example came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The file of the rule.
    pub file: PathBuf,
    /// The line of the example, counted from 1.
    pub line: usize,
    /// The rule: a Falco rule's name, a Sigma rule's title.
    pub rule: String,
    /// The name of the example; its number, counted from 1, when it has none.
    pub example: String,
    /// What it asked for and what the rule said, or why that can't be told.
    pub result: Result<Answer, String>,
}

/// What an example asked for and what the rule said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Whether the rule is to match.
    pub expected: bool,
    /// Whether it did.
    pub matched: bool,
}

impl Outcome {
    /// Whether the rule said what the example asks for.
    #[must_use]
    pub const fn holds(&self) -> bool {
        matches!(self.result, Ok(Answer { expected, matched }) if expected == matched)
    }
}

/// An example as it is written.
struct Example {
    file: PathBuf,
    line: usize,
    rule: String,
    name: String,
    /// Whether it is to match, and the events as JSON; or what is wrong with it.
    asked: Result<(bool, Vec<String>), String>,
}

/// Runs the examples of rule files, in the order of the files.
///
/// The files are loaded together, because lists, macros and overrides of one may be meant for another. Rules that
/// their file switches off are run too, and so are those that `options` would leave out for their severity.
#[must_use]
pub fn run<'f>(options: Options, files: impl IntoIterator<Item = (&'f Path, &'f str)>) -> Vec<Outcome> {
    let options = Options {
        with_disabled: true,
        least_severity: None,
        attack: Vec::new(),
        first_falco_match: false,
        ..options
    };
    let mut loader = Loader::new(options);
    let mut examples = Vec::new();
    for (file, text) in files {
        loader.text(file, text);
        // A file that is no YAML is an issue of the loader, and has no examples.
        for document in yaml::documents(text).unwrap_or_default() {
            examples.extend(in_document(file, &document));
        }
    }
    let (set, issues) = loader.finish();
    let mut scratch = Scratch::default();
    examples.into_iter().map(|example| example.run(&set, &issues, &mut scratch)).collect()
}

/// The examples of a document: one rule, or a list of them.
fn in_document(file: &Path, document: &Node) -> Vec<Example> {
    let rules = match &document.value {
        Value::Sequence(items) => items.as_slice(),
        Value::Mapping(_) => std::slice::from_ref(document),
        Value::Scalar(..) => &[],
    };
    rules.iter().flat_map(|rule| in_rule(file, rule)).collect()
}

fn in_rule(file: &Path, rule: &Node) -> Vec<Example> {
    let Some(examples) = rule.get("examples") else { return Vec::new() };
    let title = rule.get("rule").or_else(|| rule.get("title")).and_then(Node::text).unwrap_or_default();
    let is_correlation = rule.get("correlation").is_some();
    let example = |name: String, line: usize, asked| Example {
        file: file.to_owned(),
        line,
        rule: title.to_owned(),
        name,
        asked,
    };
    if !matches!(examples.value, Value::Sequence(_)) {
        let message = "`examples` must be a list".to_owned();
        return vec![example("examples".to_owned(), examples.line, Err(message))];
    }
    let all = examples.elements().iter().enumerate();
    all.map(|(index, node)| {
        let name =
            node.get("name").and_then(Node::text).map_or_else(|| (index + 1).to_string(), str::to_owned);
        example(name, node.line, asked(node, is_correlation))
    })
    .collect()
}

/// What an example asks for: whether the rule is to match, and the events as JSON.
fn asked(example: &Node, is_correlation: bool) -> Result<(bool, Vec<String>), String> {
    let key_of_events = if is_correlation { "events" } else { "event" };
    for (key, _) in example.members() {
        let known = key.text().is_some_and(|key| matches!(key, "name" | "matches") || key == key_of_events);
        if !known {
            let key = key.text().unwrap_or_default();
            return Err(format!(
                "there is no key `{key}` in an example; the keys are `name`, `matches`, `{key_of_events}`"
            ));
        }
    }
    let expected = match example.get("matches").and_then(Node::text) {
        Some("true") => true,
        Some("false") => false,
        _ => return Err("`matches` must be `true` or `false`".to_owned()),
    };
    let events = match example.get(key_of_events) {
        Some(event) if !is_correlation => std::slice::from_ref(event),
        Some(events) if matches!(events.value, Value::Sequence(_)) => events.elements(),
        _ if is_correlation => return Err("`events` must be a list of CloudTrail records".to_owned()),
        _ => &[],
    };
    if events.is_empty() || events.iter().any(|event| !matches!(event.value, Value::Mapping(_))) {
        return Err(format!("`{key_of_events}` must be CloudTrail's: keys with values"));
    }
    let records = events.iter().map(|event| {
        let mut text = String::new();
        write_json(event, &mut text).map(|()| text)
    });
    Ok((expected, records.collect::<Result<_, _>>()?))
}

/// Writes a value as JSON with its keys in the order in which they stand, as a record's would be.
///
/// Recurses no deeper than [`yaml::documents`] lets values nest.
fn write_json(node: &Node, out: &mut String) -> Result<(), String> {
    match &node.value {
        Value::Scalar(text, is_plain) => out.push_str(&json_of_scalar(node, text, *is_plain)),
        Value::Sequence(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json(element, out)?;
            }
            out.push(']');
        }
        Value::Mapping(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                let name = key.text().ok_or_else(|| format!("a key on line {} is no text", key.line))?;
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&quoted(name));
                out.push(':');
                write_json(value, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// Without quotation marks `true`, `12` and `null` are what JSON takes them for; everything else is a text.
fn json_of_scalar(node: &Node, text: &str, is_plain: bool) -> String {
    if node.is_null() {
        return "null".to_owned();
    }
    let is_literal = matches!(text, "true" | "false") || serde_json::from_str::<Number>(text).is_ok();
    if is_plain && is_literal { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Example {
    fn run(self, set: &RuleSet, issues: &[Issue], scratch: &mut Scratch) -> Outcome {
        let result = self.answer(set, issues, scratch);
        Outcome { file: self.file, line: self.line, rule: self.rule, example: self.name, result }
    }

    fn answer(&self, set: &RuleSet, issues: &[Issue], scratch: &mut Scratch) -> Result<Answer, String> {
        let (expected, events) = self.asked.as_ref().map_err(Clone::clone)?;
        let mut rules = set.rules().iter().map(|rule| &rule.info).chain(set.correlations());
        if !rules.any(|info| self.is_about(info)) {
            let of_rule = |issue: &&Issue| {
                issue.file == self.file && issue.rule.as_ref().is_none_or(|rule| *rule == self.rule)
            };
            let reason = issues.iter().find(of_rule).map_or("there is no such rule", |issue| &issue.message);
            return Err(format!("the rule can't be run: {reason}"));
        }
        let mut matched = false;
        let mut correlator = set.correlator(Limits::default());
        for event in events {
            let record = Record::parse(event.as_bytes()).map_err(|error| error.to_string())?;
            set.evaluate(&record, scratch, |found| {
                matched |= self.is_about(&found.rule.info);
                found.observations().into_iter().for_each(|observation| correlator.observe(observation));
            });
        }
        let (correlated, _) = correlator.finish();
        matched |= correlated.iter().any(|detection| self.is_about(&detection.rule));
        Ok(Answer { expected: *expected, matched })
    }

    /// Whether it is an example of that rule. A Falco rule may be replaced by another file; its name is what counts.
    fn is_about(&self, info: &RuleInfo) -> bool {
        info.name == self.rule && (info.language == Language::Falco || info.file == self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(text: &str) -> Vec<Outcome> {
        run(Options::default(), [(Path::new("rules.yml"), text)])
    }

    fn sigma(examples: &str) -> Vec<Outcome> {
        outcomes(&format!(
            "title: Trail\nlogsource: {{product: aws, service: cloudtrail}}\n\
             detection:\n  selection: {{eventName: A, requestParameters.on: false, requestParameters.n: 7}}\n  \
             condition: selection\nexamples:\n{examples}"
        ))
    }

    const EVENT: &str = "{eventName: A, requestParameters: {on: false, n: 7, a: [~, 'null']}}";

    #[test]
    fn an_example_holds_when_the_rule_says_what_it_asks_for() {
        let outcomes = sigma(&format!(
            "  - {{name: hit, matches: true, event: {EVENT}}}\n  - {{matches: true, event: {{eventName: B}}}}\n\
             \x20 - {{name: miss, matches: false, event: {{eventName: B}}}}\n"
        ));
        let held: Vec<_> = outcomes.iter().map(|one| (one.example.as_str(), one.line, one.holds())).collect();
        assert_eq!(held, [("hit", 7, true), ("2", 8, false), ("miss", 9, true)]);
        assert_eq!(outcomes[1].result, Ok(Answer { expected: true, matched: false }));
        assert_eq!(outcomes[0].rule, "Trail");
    }

    #[test]
    fn scalars_are_what_json_takes_them_for_and_keys_keep_their_order() {
        let node =
            &yaml::documents("{z: 1.5, b: '7', a: [true, ~, 012, yes, \"x\\ny\", null, 1e3]}").unwrap()[0];
        let mut text = String::new();
        write_json(node, &mut text).unwrap();
        assert_eq!(text, r#"{"z":1.5,"b":"7","a":[true,null,"012","yes","x\ny",null,1e3]}"#);
    }

    #[test]
    fn a_wrong_example_is_told_and_does_not_hold() {
        let wrong = |examples: &str| {
            let outcome = sigma(examples).remove(0);
            assert!(!outcome.holds(), "{examples}");
            outcome.result.unwrap_err()
        };
        assert_eq!(wrong("  - {matches: yes, event: {}}"), "`matches` must be `true` or `false`");
        assert_eq!(wrong("  - {event: {}}"), "`matches` must be `true` or `false`");
        assert!(wrong("  - {matches: true, event: [1]}").starts_with("`event` must be"));
        assert!(wrong("  - {matches: true}").starts_with("`event` must be"));
        assert!(wrong("  - {matches: true, events: []}").contains("no key `events`"));
        assert!(wrong("  - {matches: true, event: {}, evnt: {}}").contains("no key `evnt`"));
        assert_eq!(wrong("  name: no list"), "`examples` must be a list");
        assert!(wrong("  - {matches: true, event: {[a]: 1}}").contains("is no text"));
    }

    #[test]
    fn a_correlation_is_asked_about_all_events_of_an_example_together() {
        let event = |id: u8| {
            format!("{{eventName: A, eventID: e{id}, eventTime: '2026-11-24T09:0{id}:00Z', user: u}}")
        };
        let outcomes = outcomes(&format!(
            "title: One\nname: one\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n  \
             s: {{eventName: A}}\n  condition: s\n---\ntitle: Many\ncorrelation:\n  type: event_count\n  \
             rules: [one]\n  group-by: [user]\n  timespan: 5m\n  condition: {{gte: 2}}\nexamples:\n  \
             - {{name: both, matches: true, events: [{b}, {a}]}}\n  - {{name: one, matches: false, events: [{a}]}}\n  \
             - {{name: apart, matches: false, events: [{a}, {c}]}}\n  - {{matches: true, event: {a}}}\n  \
             - {{matches: true, events: {a}}}\n  - {{matches: true, events: [7]}}\n",
            a = event(1),
            b = event(2),
            c = event(9),
        ));
        let held: Vec<bool> = outcomes.iter().map(Outcome::holds).collect();
        assert_eq!(held, [true, true, true, false, false, false], "{outcomes:?}");
        let told = |at: usize| outcomes[at].result.clone().unwrap_err();
        assert!(told(3).contains("no key `event`"), "{}", told(3));
        assert!(told(4).starts_with("`events` must be a list"), "{}", told(4));
        assert!(told(5).starts_with("`events` must be CloudTrail's"), "{}", told(5));
    }

    #[test]
    fn examples_of_falco_rules_run_even_when_the_rule_is_switched_off() {
        let outcomes = outcomes(
            "- list: names\n  items: [A]\n- rule: One\n  desc: d\n  condition: ct.name in (names)\n  output: o\n  \
             priority: NOTICE\n  source: aws_cloudtrail\n  enabled: false\n  examples:\n    - name: hit\n      \
             matches: true\n      event: {eventName: A, eventTime: 2026-11-24T09:00:00Z, eventType: AwsApiCall}\n    \
             - name: miss\n      matches: false\n      event: {eventName: B, eventTime: 2026-11-24T09:00:00Z, \
             eventType: AwsApiCall}\n",
        );
        assert_eq!(outcomes.len(), 2);
        assert!(outcomes.iter().all(Outcome::holds), "{outcomes:?}");
    }

    #[test]
    fn a_rule_that_does_not_load_holds_no_example() {
        let outcomes = outcomes(
            "title: Bad\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  selection: {eventName: A}\n  \
             condition: selection | count() > 3\nexamples:\n  - {matches: false, event: {eventName: B}}\n",
        );
        let message = outcomes[0].result.as_ref().unwrap_err();
        assert!(message.starts_with("the rule can't be run: the aggregation"), "{message}");
    }

    #[test]
    fn a_rule_of_the_same_title_in_another_file_does_not_answer() {
        let rule = |name: &str| {
            format!(
                "title: Same\nid: {name}\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n  \
                 s: {{eventName: {name}}}\n  condition: s\nexamples:\n  - {{matches: false, event: {{eventName: A}}}}\n"
            )
        };
        let (a, b) = (rule("A"), rule("B"));
        let outcomes = run(Options::default(), [(Path::new("a.yml"), &*a), (Path::new("b.yml"), &*b)]);
        assert_eq!(outcomes.iter().map(Outcome::holds).collect::<Vec<_>>(), [false, true]);
    }
}
