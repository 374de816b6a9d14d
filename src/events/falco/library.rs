//! Lists, macros and rules as files define, append to and override them.

use std::path::{Path, PathBuf};

use super::compile::{CompileError, Compiled, compile};
use super::condition::Condition;
use super::exception::{self, Exception};
use super::field::FieldError;
use super::lists::with_lists;
use super::output::Output;
use super::{FalcoRule, SOURCE};
use crate::controls::Severity;
use crate::events::attack::Attack;
use crate::events::ruleset::{Gravity, Issue, Language, RuleInfo};
use crate::events::yaml::{Node, Value, YamlError};

/// Items that a list may have once the lists in it are written out.
const MOST_ITEMS: usize = 100_000;
/// The priority of a rule that has none.
const DEFAULT_PRIORITY: &str = "Notice";

/// Everything that files have defined so far. Files are read in the order in which they are given.
#[derive(Debug, Default)]
pub struct Library {
    lists: Vec<List>,
    macros: Vec<Macro>,
    rules: Vec<Rule>,
    issues: Vec<Issue>,
}

#[derive(Debug)]
struct List {
    name: String,
    items: Vec<String>,
}

#[derive(Debug)]
struct Macro {
    name: String,
    condition: String,
}

#[derive(Debug)]
struct Rule {
    name: String,
    file: PathBuf,
    line: usize,
    condition: String,
    output: Option<String>,
    description: String,
    priority: Option<String>,
    source: Option<String>,
    author: Option<String>,
    enabled: bool,
    tags: Vec<String>,
    exceptions: Vec<Exception>,
    skip_if_unknown: bool,
}

/// How an `override` changes a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Append,
    Replace,
}

/// The plugins whose fields are known here.
const PLUGINS: [&str; 2] = ["cloudtrail", "json"];

/// Where an item stands.
#[derive(Clone, Copy)]
struct Place<'f> {
    file: &'f Path,
    line: usize,
}

impl Library {
    /// Reads a rule file. What is wrong with an item is noted, and the other items count.
    pub fn load(&mut self, file: &Path, documents: Result<Vec<Node>, YamlError>) {
        match documents {
            Ok(documents) => documents.iter().for_each(|document| self.document(file, document)),
            Err(error) => {
                let place = Place { file, line: error.line };
                self.note(Gravity::Error, place, None, error.reason);
            }
        }
    }

    /// Reads one document of a rule file.
    pub fn document(&mut self, file: &Path, document: &Node) {
        let place = Place { file, line: document.line };
        match &document.value {
            Value::Sequence(items) => items.iter().for_each(|item| self.item(file, item)),
            // A rule pasted from an article.
            Value::Mapping(_) => self.item(file, document),
            Value::Scalar(..) if document.is_null() => {}
            Value::Scalar(..) => {
                self.note(
                    Gravity::Error,
                    place,
                    None,
                    "a rule file is a list of rules, lists and macros".to_owned(),
                );
            }
        }
    }

    fn note(&mut self, gravity: Gravity, place: Place<'_>, rule: Option<&str>, message: String) {
        self.issues.push(Issue {
            gravity,
            file: place.file.to_owned(),
            line: place.line,
            rule: rule.map(str::to_owned),
            message,
        });
    }

    fn item(&mut self, file: &Path, item: &Node) {
        let place = Place { file, line: item.line };
        if item.get("required_engine_version").is_some() {
            return;
        }
        if let Some(plugins) = item.get("required_plugin_versions") {
            return self.plugins(place, plugins);
        }
        let (name, result) = if let Some(name) = item.get("list") {
            (name.text(), name.text().map(|name| self.list(name, item)))
        } else if let Some(name) = item.get("macro") {
            (name.text(), name.text().map(|name| self.condition_macro(name, item)))
        } else if let Some(name) = item.get("rule") {
            (name.text(), name.text().map(|name| self.rule(place, name, item)))
        } else {
            let message = "this is no rule, macro or list, and is left out".to_owned();
            return self.note(Gravity::Warning, place, None, message);
        };
        match result {
            Some(Ok(())) => {}
            Some(Err(message)) => self.note(Gravity::Error, place, name, message),
            None => self.note(Gravity::Error, place, None, "the name is no text".to_owned()),
        }
    }

    /// Other plugins' fields are not known; a rule that uses them is told of later, by the field.
    fn plugins(&mut self, place: Place<'_>, plugins: &Node) {
        for plugin in plugins.elements() {
            let known = |plugin: &Node| {
                plugin.get("name").and_then(Node::text).is_some_and(|name| PLUGINS.contains(&name))
            };
            let alternatives = plugin.get("alternatives").map_or(&[][..], Node::elements);
            if !known(plugin) && !alternatives.iter().any(known) {
                let name = plugin.get("name").and_then(Node::text).unwrap_or_default();
                let message = format!("the file wants plugin `{name}`, whose fields are not known here");
                self.note(Gravity::Warning, place, None, message);
            }
        }
    }

    fn list(&mut self, name: &str, item: &Node) -> Result<(), String> {
        let items = item
            .get("items")
            .filter(|items| matches!(items.value, Value::Sequence(_)))
            .ok_or("the list has no `items`")?;
        let items: Option<Vec<String>> =
            items.elements().iter().map(|item| item.text().map(str::to_owned)).collect();
        let items = items.ok_or("an item of the list is no text")?;
        let change = change_of(item, "items", &["list", "items"])?;
        match (self.lists.iter_mut().find(|list| list.name == name), change) {
            (Some(list), Some(Change::Append)) => list.items.extend(items),
            (Some(list), _) => list.items = items,
            (None, Some(_)) => return Err("there is no such list before this".to_owned()),
            (None, None) => self.lists.push(List { name: name.to_owned(), items }),
        }
        Ok(())
    }

    fn condition_macro(&mut self, name: &str, item: &Node) -> Result<(), String> {
        let condition = item.get("condition").and_then(Node::text).ok_or("the macro has no `condition`")?;
        let change = change_of(item, "condition", &["macro", "condition"])?;
        match (self.macros.iter_mut().find(|known| known.name == name), change) {
            (Some(known), Some(Change::Append)) => append_text(&mut known.condition, condition),
            (Some(known), _) => condition.clone_into(&mut known.condition),
            (None, Some(_)) => return Err("there is no such macro before this".to_owned()),
            (None, None) => {
                self.macros.push(Macro { name: name.to_owned(), condition: condition.to_owned() })
            }
        }
        Ok(())
    }

    fn rule(&mut self, place: Place<'_>, name: &str, item: &Node) -> Result<(), String> {
        let appends = item.get("append").and_then(Node::boolean) == Some(true);
        let overrides = item.get("override");
        if appends && overrides.is_some() {
            return Err("`append` and `override` can't be used together".to_owned());
        }
        if appends {
            return self.append_rule(name, item);
        }
        if let Some(overrides) = overrides {
            return self.override_rule(name, item, overrides);
        }
        let defines = ["condition", "output", "desc", "description", "priority"];
        if let Some(enabled) = item.get("enabled")
            && !defines.iter().any(|key| item.get(key).is_some())
        {
            let enabled = enabled.boolean().ok_or("`enabled` is not `true` or `false`")?;
            self.earlier(name)?.enabled = enabled;
            return Ok(());
        }
        self.define_rule(place, name, item)
    }

    fn earlier(&mut self, name: &str) -> Result<&mut Rule, String> {
        self.rules
            .iter_mut()
            .find(|rule| rule.name == name)
            .ok_or_else(|| "there is no such rule before this".to_owned())
    }

    fn define_rule(&mut self, place: Place<'_>, name: &str, item: &Node) -> Result<(), String> {
        let text = |key: &str| item.get(key).and_then(Node::text).map(str::to_owned);
        let flag = |key: &str, default: bool| match item.get(key) {
            Some(value) => value.boolean().ok_or_else(|| format!("`{key}` is not `true` or `false`")),
            None => Ok(default),
        };
        let description = text("desc").or_else(|| text("description")).unwrap_or_default();
        let rule = Rule {
            name: name.to_owned(),
            file: place.file.to_owned(),
            line: place.line,
            condition: text("condition").ok_or("the rule has no `condition`")?,
            output: text("output"),
            description,
            priority: text("priority"),
            source: text("source"),
            author: text("author"),
            enabled: flag("enabled", true)?,
            tags: item.get("tags").map(tags).transpose()?.unwrap_or_default(),
            exceptions: exceptions(item)?.into_iter().map(defined).collect::<Result<_, _>>()?,
            skip_if_unknown: flag("skip-if-unknown-filter", false)?,
        };
        severity(rule.priority.as_deref())?;
        if item.get("output").is_none() {
            self.note(
                Gravity::Warning,
                place,
                Some(name),
                "the rule has no `output`; its name is printed".to_owned(),
            );
        }
        if rule.priority.is_none() {
            let message = format!("the rule has no `priority`; it is taken for {DEFAULT_PRIORITY}");
            self.note(Gravity::Warning, place, Some(name), message);
        }
        match self.rules.iter_mut().find(|known| known.name == name) {
            Some(known) => {
                if let (Some(old), Some(new)) = (&known.source, &rule.source)
                    && old != new
                {
                    return Err(format!(
                        "an earlier rule of this name has source `{old}`, and this has `{new}`"
                    ));
                }
                *known = rule;
            }
            None => self.rules.push(rule),
        }
        Ok(())
    }

    fn append_rule(&mut self, name: &str, item: &Node) -> Result<(), String> {
        let written = exceptions(item)?;
        let rule = self.earlier(name)?;
        if let Some(condition) = item.get("condition").and_then(Node::text) {
            append_text(&mut rule.condition, condition);
        }
        written.into_iter().try_for_each(|exception| merge(rule, exception))
    }

    fn override_rule(&mut self, name: &str, item: &Node, overrides: &Node) -> Result<(), String> {
        let appendable = ["condition", "output", "desc", "tags", "exceptions"];
        let replaceable = [
            "condition",
            "output",
            "desc",
            "priority",
            "tags",
            "exceptions",
            "enabled",
            "capture",
            "warn_evttypes",
            "skip-if-unknown-filter",
        ];
        let changes = changes(overrides)?;
        for (key, _) in item.members() {
            let key = key.text().unwrap_or_default();
            if !matches!(key, "rule" | "override") && !changes.iter().any(|(changed, _)| *changed == key) {
                return Err(format!("`{key}` is given, but not named under `override`"));
            }
        }
        for (key, change) in changes {
            let allowed: &[&str] = if change == Change::Append { &appendable } else { &replaceable };
            if !allowed.contains(&key) {
                let how = if change == Change::Append { "appended to" } else { "replaced" };
                return Err(format!("`{key}` can't be {how}; what can is {}", allowed.join(", ")));
            }
            let value =
                item.get(key).ok_or_else(|| format!("`{key}` is named under `override`, but not given"))?;
            let written = if key == "exceptions" { exceptions(item)? } else { Vec::new() };
            override_key(self.earlier(name)?, key, change, value, written)?;
        }
        Ok(())
    }

    /// The rules that can run, and what was wrong with the others.
    #[must_use]
    pub fn finish(mut self) -> (Vec<FalcoRule>, Vec<Issue>) {
        let lists = self.written_lists();
        let macros = self.compiled_macros(&lists);
        let known = |name: &str| {
            macros.iter().find(|(known, _)| known == name).and_then(|(_, compiled)| compiled.clone().ok())
        };
        let mut compiled = Vec::new();
        for rule in std::mem::take(&mut self.rules) {
            let (file, name) = (rule.file.clone(), rule.name.clone());
            let place = Place { file: &file, line: rule.line };
            if let Some(source) = rule.source.as_deref().filter(|source| *source != SOURCE) {
                let message = format!("the rule is for source `{source}`, and is left out");
                self.note(Gravity::Note, place, Some(&name), message);
                continue;
            }
            let (sourceless, optional) = (rule.source.is_none(), rule.skip_if_unknown);
            match ready(rule, &lists, &known) {
                Ok(rule) => {
                    if sourceless {
                        let message = format!(
                            "the rule names no source, but its fields are those of `{SOURCE}`; it runs"
                        );
                        self.note(Gravity::Note, place, Some(&name), message);
                    }
                    compiled.push(rule);
                }
                Err(error) if (sourceless || optional) && error.is_field => {
                    let message =
                        format!("{}; the rule is for another source, and is left out", error.message);
                    self.note(Gravity::Note, place, Some(&name), message);
                }
                Err(error) => {
                    let message = self.explained(error.message, &macros);
                    self.note(Gravity::Error, place, Some(&name), message);
                }
            }
        }
        (compiled, self.issues)
    }

    /// Says why a macro that a rule wants is none.
    fn explained(&self, message: String, macros: &[(String, Result<Compiled, String>)]) -> String {
        let reason = macros.iter().find_map(|(name, compiled)| {
            let reason = compiled.as_ref().err()?;
            message.contains(&format!("macro `{name}`")).then(|| format!("macro `{name}`: {reason}"))
        });
        reason.unwrap_or(message)
    }

    /// The items of every list, with those of earlier lists written out.
    fn written_lists(&self) -> Vec<(String, Vec<String>)> {
        let mut written: Vec<(String, Vec<String>)> = Vec::new();
        for list in &self.lists {
            let mut items = Vec::new();
            for item in &list.items {
                match written.iter().find(|(name, _)| name == item) {
                    Some((_, inner)) => items.extend(inner.iter().take(MOST_ITEMS - items.len()).cloned()),
                    None if items.len() < MOST_ITEMS => items.push(item.clone()),
                    None => break,
                }
            }
            written.push((list.name.clone(), items));
        }
        written
    }

    /// Every macro, compiled with those before it.
    fn compiled_macros(&self, lists: &[(String, Vec<String>)]) -> Vec<(String, Result<Compiled, String>)> {
        let mut macros: Vec<(String, Result<Compiled, String>)> = Vec::new();
        for definition in &self.macros {
            let known = |name: &str| {
                macros.iter().find(|(known, _)| known == name).and_then(|(_, compiled)| compiled.clone().ok())
            };
            let result = Condition::parse(&with_lists(&definition.condition, lists))
                .map_err(|error| error.to_string())
                .and_then(|condition| compile(&condition, &known).map_err(|error| error.to_string()));
            macros.push((definition.name.clone(), result));
        }
        macros
    }
}

/// Why a rule can't run.
struct NotReady {
    message: String,
    /// A field is not known, as in a rule of another source.
    is_field: bool,
}

impl From<String> for NotReady {
    fn from(message: String) -> Self {
        Self { message, is_field: false }
    }
}

fn ready(
    rule: Rule,
    lists: &[(String, Vec<String>)],
    macros: &dyn Fn(&str) -> Option<Compiled>,
) -> Result<FalcoRule, NotReady> {
    let mut condition = rule.condition;
    for exception in &rule.exceptions {
        condition = exception.apply(&condition)?;
    }
    let condition = Condition::parse(&with_lists(&condition, lists)).map_err(|error| error.to_string())?;
    let compiled = compile(&condition, macros).map_err(|error| NotReady {
        is_field: matches!(error, CompileError::Field(FieldError::Unknown(_))),
        message: error.to_string(),
    })?;
    let output = match &rule.output {
        Some(output) => Output::parse(output).map_err(|error| error.to_string())?,
        None => Output::literal(&rule.name),
    };
    let attack = Attack::from_tags(rule.tags.iter().map(String::as_str));
    let info = RuleInfo {
        id: rule.name.clone(),
        name: rule.name,
        language: Language::Falco,
        file: rule.file,
        line: rule.line,
        description: rule.description.trim().to_owned(),
        severity: severity(rule.priority.as_deref())?,
        level: rule.priority,
        author: rule.author,
        license: None,
        attack,
        tags: rule.tags,
        references: Vec::new(),
    };
    Ok(FalcoRule { info, predicate: compiled.predicate, output, enabled: rule.enabled })
}

/// How bad a match is, by Falco's priority.
fn severity(priority: Option<&str>) -> Result<Severity, String> {
    let priority = priority.unwrap_or(DEFAULT_PRIORITY);
    Ok(match priority.to_ascii_lowercase().as_str() {
        "emergency" | "alert" | "critical" => Severity::Critical,
        "error" => Severity::High,
        "warning" => Severity::Medium,
        "notice" => Severity::Low,
        "informational" | "info" | "debug" => Severity::Informational,
        _ => {
            return Err(format!(
                "`{priority}` is no priority; it can be emergency, alert, critical, error, warning, notice, informational or debug"
            ));
        }
    })
}

/// How a list or macro changes an earlier one; `None` when it defines it.
fn change_of(item: &Node, key: &str, keys: &[&str]) -> Result<Option<Change>, String> {
    let appends = item.get("append").and_then(Node::boolean) == Some(true);
    let Some(overrides) = item.get("override") else { return Ok(appends.then_some(Change::Append)) };
    if appends {
        return Err("`append` and `override` can't be used together".to_owned());
    }
    for (other, _) in item.members() {
        let other = other.text().unwrap_or_default();
        if other != "override" && !keys.contains(&other) {
            return Err(format!("`{other}` is given, but not named under `override`"));
        }
    }
    match changes(overrides)?.as_slice() {
        [(only, change)] if *only == key => Ok(Some(*change)),
        _ => Err(format!("`override` can name only `{key}` here")),
    }
}

fn changes(overrides: &Node) -> Result<Vec<(&str, Change)>, String> {
    let change = |(key, how): &'_ (Node, Node)| match how.text() {
        Some("append") => Ok(Change::Append),
        Some("replace") => Ok(Change::Replace),
        _ => Err(format!("`override` of `{}` is not `append` or `replace`", key.text().unwrap_or_default())),
    };
    overrides
        .members()
        .iter()
        .map(|member| Ok((member.0.text().unwrap_or_default(), change(member)?)))
        .collect()
}

fn override_key(
    rule: &mut Rule,
    key: &str,
    change: Change,
    value: &Node,
    written: Vec<exception::Written>,
) -> Result<(), String> {
    let text = || value.text().ok_or_else(|| format!("`{key}` is no text"));
    let set = |old: &mut String, new: &str| match change {
        Change::Append => append_text(old, new),
        Change::Replace => new.clone_into(old),
    };
    match key {
        "condition" => set(&mut rule.condition, text()?),
        "output" => set(rule.output.get_or_insert_default(), text()?),
        "desc" => set(&mut rule.description, text()?),
        "priority" => {
            severity(Some(text()?))?;
            rule.priority = Some(text()?.to_owned());
        }
        "enabled" => rule.enabled = value.boolean().ok_or("`enabled` is not `true` or `false`")?,
        "tags" => {
            let mut new = tags(value)?;
            if change == Change::Append {
                new.retain(|tag| !rule.tags.contains(tag));
                rule.tags.extend(new);
            } else {
                rule.tags = new;
            }
        }
        "exceptions" if change == Change::Append => {
            return written.into_iter().try_for_each(|exception| merge(rule, exception));
        }
        "exceptions" => rule.exceptions = written.into_iter().map(defined).collect::<Result<_, _>>()?,
        "skip-if-unknown-filter" => {
            rule.skip_if_unknown =
                value.boolean().ok_or("`skip-if-unknown-filter` is not `true` or `false`")?;
        }
        // `capture` and `warn_evttypes` are about system calls.
        _ => {}
    }
    Ok(())
}

fn append_text(old: &mut String, new: &str) {
    old.push(' ');
    old.push_str(new);
}

/// Tags are a list; rules printed by Sysdig have one text with commas.
fn tags(node: &Node) -> Result<Vec<String>, String> {
    match &node.value {
        Value::Scalar(text, _) => {
            Ok(text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect())
        }
        Value::Sequence(tags) => tags
            .iter()
            .map(|tag| tag.text().map(str::to_owned).ok_or_else(|| "a tag is no text".to_owned()))
            .collect(),
        Value::Mapping(_) => Err("`tags` is no list".to_owned()),
    }
}

fn exceptions(item: &Node) -> Result<Vec<exception::Written>, String> {
    item.get("exceptions").map_or(&[][..], Node::elements).iter().map(exception::read).collect()
}

fn defined(written: exception::Written) -> Result<Exception, String> {
    let fields = written.fields.ok_or_else(|| format!("exception `{}` has no `fields`", written.name))?;
    Ok(Exception { name: written.name, fields, values: written.values })
}

/// Adds an exception, or the values of one that the rule has.
fn merge(rule: &mut Rule, written: exception::Written) -> Result<(), String> {
    match rule.exceptions.iter_mut().find(|known| known.name == written.name) {
        Some(known) if written.fields.is_none() => known.values.extend(written.values),
        Some(_) => {
            return Err(format!(
                "exception `{}` is there already; only `values` can be appended",
                written.name
            ));
        }
        None => rule.exceptions.push(defined(written)?),
    }
    Ok(())
}

#[cfg(test)]
#[path = "library_tests.rs"]
mod tests;
