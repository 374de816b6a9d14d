//! Reading Sigma files: which documents are rules for CloudTrail, and what is wrong with the others.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::Arc;

use rsigma_parser::{ConditionExpr, Detections, Level, LogSource, SigmaRule as Parsed, parse_sigma_yaml};

use super::condition::condition;
use super::correlation::Definition;
use super::{Placeholders, SigmaCorrelation, SigmaRule, compile};
use crate::controls::Severity;
use crate::events::attack::Attack;
use crate::events::engine::predicate::Predicate;
use crate::events::ruleset::{Gravity, Issue, Language, RuleInfo};
use crate::events::yaml::Node;

/// Brackets in brackets of a condition; the parser behind this follows them on the stack.
const DEEPEST: usize = 64;
/// Words of a condition, each of which may be a `not`.
const MOST_WORDS: usize = 4_096;
/// `not`s of a condition: those that follow each other are parts in parts.
const MOST_NOTS: usize = 128;

/// Everything that files have defined so far.
#[derive(Debug, Default)]
pub struct Library {
    pub(in crate::events) rules: Vec<SigmaRule>,
    pub(in crate::events) correlations: Vec<SigmaCorrelation>,
    pub(in crate::events) issues: Vec<Issue>,
    placeholders: Arc<Placeholders>,
}

/// What is told of a rule. The parser has a type for rules and one for correlations, with these fields in common.
macro_rules! info {
    ($rule:expr, $language:expr, $file:expr, $line:expr) => {
        RuleInfo {
            id: $rule.id.clone().unwrap_or_else(|| $rule.title.clone()),
            name: $rule.title.clone(),
            language: $language,
            file: $file.to_owned(),
            line: $line,
            description: $rule.description.as_deref().unwrap_or_default().trim().to_owned(),
            severity: severity($rule.level),
            level: $rule.level.map(|level| level.as_str().to_owned()),
            author: $rule.author.clone(),
            license: $rule.license.clone(),
            attack: Attack::from_tags($rule.tags.iter().map(String::as_str)),
            tags: $rule.tags.clone(),
            references: $rule.references.clone(),
        }
    };
}

/// A document and where it begins.
struct Document<'t> {
    text: &'t str,
    line: usize,
}

impl Library {
    /// A library whose rules with `expand` find their values here.
    #[must_use]
    pub fn new(placeholders: Arc<Placeholders>) -> Self {
        Self { placeholders, ..Self::default() }
    }

    /// Adds what another library has read after this one.
    pub fn append(&mut self, mut other: Self) {
        self.rules.append(&mut other.rules);
        self.correlations.append(&mut other.correlations);
        self.issues.append(&mut other.issues);
    }

    /// Reads the text of a file, whose documents are `nodes`. What is wrong with a document is noted, and the other
    /// documents count.
    pub fn load(&mut self, file: &FilePath, text: &str, nodes: &[Node]) {
        // Documents that build on each other can only be read together.
        let together = nodes.iter().any(|node| node.get("action").is_some());
        let texts = if together { vec![Document { text, line: 1 }] } else { documents(text) };
        for document in texts {
            let end = document.line + document.text.lines().count();
            let nodes: Vec<&Node> = nodes
                .iter()
                .filter(|node| together || (node.line >= document.line && node.line < end))
                .collect();
            self.document(file, &document, &nodes);
        }
    }

    fn note(&mut self, gravity: Gravity, file: &FilePath, line: usize, rule: Option<&str>, message: String) {
        self.issues.push(Issue {
            gravity,
            file: file.to_owned(),
            line,
            rule: rule.map(str::to_owned),
            message,
        });
    }

    fn document(&mut self, file: &FilePath, document: &Document<'_>, nodes: &[&Node]) {
        let Some(node) = nodes.first() else { return };
        if node.is_null() {
            return;
        }
        let title = node.get("title").and_then(Node::text);
        let line = node.line;
        if let Some(refusal) = nodes.iter().find_map(|node| refusal(node)) {
            return self.note(Gravity::Error, file, line, title, refusal);
        }
        let parsed = match parse_sigma_yaml(document.text) {
            Ok(parsed) => parsed,
            Err(error) => return self.note(Gravity::Error, file, line, title, error.to_string()),
        };
        let is_read = !(parsed.rules.is_empty() && parsed.correlations.is_empty());
        let gravity = if is_read { Gravity::Warning } else { Gravity::Error };
        for error in parsed.errors {
            self.note(gravity, file, line, title, uncapitalized(&error));
        }
        for filter in &parsed.filters {
            self.note(
                Gravity::Error,
                file,
                line,
                Some(&filter.title),
                "Sigma's filters are not supported".to_owned(),
            );
        }
        for rule in parsed.rules {
            if !is_for_cloudtrail(&rule.logsource) {
                let message = "the rule is for another log source, and is left out".to_owned();
                self.note(Gravity::Note, file, line, Some(&rule.title), message);
                continue;
            }
            match self.rule(file, line, &rule) {
                Ok(rule) => self.rules.push(rule),
                Err(message) => self.note(Gravity::Error, file, line, Some(&rule.title), message),
            }
        }
        for rule in parsed.correlations {
            match Definition::of(&rule) {
                Ok(definition) => {
                    let info = info!(rule, Language::SigmaCorrelation, file, line);
                    self.correlations.push(SigmaCorrelation { info, definition });
                }
                Err(message) => self.note(Gravity::Error, file, line, Some(&rule.title), message),
            }
        }
    }

    fn rule(&self, file: &FilePath, line: usize, rule: &Parsed) -> Result<SigmaRule, String> {
        let info = info!(rule, Language::Sigma, file, line);
        let predicate = self.predicate(&rule.detection)?;
        Ok(SigmaRule { info, name: rule.name.clone(), predicate })
    }

    fn predicate(&self, detection: &Detections) -> Result<Predicate, String> {
        let mut selections = BTreeMap::new();
        // In order of the names: of several mistakes the same one is told each time.
        for (name, selection) in detection.named.iter().collect::<BTreeMap<_, _>>() {
            let compiled = compile::selection(selection, &self.placeholders);
            selections.insert(name.as_str(), compiled.map_err(|error| format!("in `{name}`: {error}"))?);
        }
        let conditions: Result<Vec<_>, _> = detection
            .conditions
            .iter()
            .map(|expression: &ConditionExpr| condition(expression, &selections))
            .collect();
        conditions.map(Predicate::any)
    }
}

/// What of a document can't be run, told before the parser says it in other words.
fn refusal(node: &Node) -> Option<String> {
    let detection = node.get("detection")?;
    let condition = detection.get("condition");
    for text in condition
        .into_iter()
        .flat_map(|node| node.text().into_iter().chain(node.elements().iter().filter_map(Node::text)))
    {
        if let Some((_, aggregation)) = text.split_once('|') {
            return Some(format!(
                "the aggregation `| {}` in the condition is not supported; a correlation rule can say it",
                aggregation.trim()
            ));
        }
        let depth = text.chars().scan(0_usize, |depth, c| {
            match c {
                '(' => *depth += 1,
                ')' => *depth = depth.saturating_sub(1),
                _ => {}
            }
            Some(*depth)
        });
        let words = text.split_whitespace();
        let nots =
            words.clone().filter(|word| word.trim_start_matches('(').eq_ignore_ascii_case("not")).count();
        if depth.max().unwrap_or(0) > DEEPEST || words.count() > MOST_WORDS || nots > MOST_NOTS {
            return Some("the condition is too long or nests too deep".to_owned());
        }
    }
    detection.get("timeframe").map(|_| {
        "`timeframe` relates several events, which is not supported in a rule; a correlation rule can say it".to_owned()
    })
}

/// The documents of a file, cut at the lines that separate them.
fn documents(text: &str) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let (mut start, mut at, mut line, mut number) = (0, 0, 1, 0);
    for whole in text.split_inclusive('\n') {
        number += 1;
        if whole
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        {
            documents.push(Document { text: text.get(start..at).unwrap_or_default(), line });
            (start, line) = (at, number);
        }
        at += whole.len();
    }
    documents.push(Document { text: text.get(start..).unwrap_or_default(), line });
    documents
}

/// Whether a rule is for CloudTrail: `product: aws`, and `service: cloudtrail` or no service.
fn is_for_cloudtrail(source: &LogSource) -> bool {
    source.product.as_deref() == Some("aws")
        && source.category.is_none()
        && source.service.as_deref().is_none_or(|service| service == "cloudtrail")
}

/// A rule without a level is taken for the middle one.
fn severity(level: Option<Level>) -> Severity {
    match level {
        Some(Level::Informational) => Severity::Informational,
        Some(Level::Low) => Severity::Low,
        Some(Level::Medium) | None => Severity::Medium,
        Some(Level::High) => Severity::High,
        Some(Level::Critical) => Severity::Critical,
    }
}

/// The parser's words begin with a capital letter.
fn uncapitalized(message: &str) -> String {
    let mut characters = message.chars();
    match (characters.next(), characters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(characters).collect::<String>().replace('\'', "`")
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
#[path = "library_tests.rs"]
mod tests;
