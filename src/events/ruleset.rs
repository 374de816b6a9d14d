//! The rules that a run has, whatever they were written in.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attack::{Attack, AttackFilter};
use super::detection::{About, Detection};
use super::engine::predicate::Predicate;
use super::engine::{Demand, Engine, Scratch};
use super::falco::{self, FalcoRule, Output};
use super::record::{Key, Record};
use super::sigma::correlation::{Bound, Correlator, Limits, Member, Observation, kept};
use super::sigma::{self, Placeholders, SigmaCorrelation, SigmaRule};
use super::yaml::{self, Node, Value, YamlError};
use crate::controls::Severity;
use crate::parallel;

/// What a rule was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// A Falco rule file.
    Falco,
    /// A Sigma rule about single events.
    Sigma,
    /// A Sigma rule about several events together.
    SigmaCorrelation,
}

/// What is told of a rule beside its matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleInfo {
    /// What tells it from every other rule: a Sigma rule's id, else its name.
    pub id: String,
    /// What a person calls it: a Falco rule's name, a Sigma rule's title.
    pub name: String,
    /// What it was written in.
    pub language: Language,
    /// The file it came from.
    pub file: PathBuf,
    /// The line in that file where it begins, counted from 1.
    pub line: usize,
    /// What it looks for, in its author's words.
    pub description: String,
    /// How bad a match is.
    pub severity: Severity,
    /// The priority or level as the file has it; `None` when the file has none.
    pub level: Option<String>,
    /// Who wrote it. The Detection Rule License asks that alerts name the author.
    pub author: Option<String>,
    /// The licence that the rule names.
    pub license: Option<String>,
    /// Its tags, as written.
    pub tags: Vec<String>,
    /// What the tags say of MITRE ATT&CK.
    pub attack: Attack,
    /// Where to read more.
    pub references: Vec<String>,
}

/// How much an issue matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gravity {
    /// Worth knowing: a rule for another log source, for example.
    Note,
    /// Something is not as it should be, and everything runs.
    Warning,
    /// A rule, or a whole file, does not run.
    Error,
}

/// Something about a rule file that its reader wants to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// How much it matters.
    pub gravity: Gravity,
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// The rule, macro or list, when it has a name.
    pub rule: Option<String>,
    /// What is so, and what construct it is about.
    pub message: String,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file.display(), self.line)?;
        if let Some(rule) = &self.rule {
            write!(f, "`{rule}`: ")?;
        }
        f.write_str(&self.message)
    }
}

/// How rules are chosen and run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Values for the `%name%` placeholders of Sigma rules with `expand`.
    pub placeholders: Placeholders,
    /// Rules that are less severe are left out.
    pub least_severity: Option<Severity>,
    /// Rules that none of these picks are left out; no filter picks all.
    pub attack: Vec<AttackFilter>,
    /// Runs rules too that their file switches off.
    pub with_disabled: bool,
    /// Only the first Falco rule that matches an event is told, as Falco itself does by default.
    ///
    /// Otherwise all are, so that a broad rule does not hide a grave one behind it.
    pub first_falco_match: bool,
}

impl Options {
    /// Whether matches of a rule are asked for.
    fn choose(&self, info: &RuleInfo) -> bool {
        self.least_severity.is_none_or(|least| info.severity >= least)
            && (self.attack.is_empty() || self.attack.iter().any(|filter| info.attack.matches(filter)))
    }
}

/// Reads rule files, in the order in which they are to count.
#[derive(Debug)]
pub struct Loader {
    options: Options,
    placeholders: Arc<Placeholders>,
    falco: falco::Library,
    sigma: sigma::Library,
    issues: Vec<Issue>,
}

impl Loader {
    /// A loader without rules.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let placeholders = Arc::new(options.placeholders.clone());
        let sigma = sigma::Library::new(Arc::clone(&placeholders));
        Self { options, placeholders, falco: falco::Library::default(), sigma, issues: Vec::new() }
    }

    /// Reads a file, or every `.yml` and `.yaml` file in a directory and those below it, in order of their names.
    ///
    /// Many files are parsed on all cores; what they say counts in order of their names all the same.
    pub fn path(&mut self, path: &Path) {
        let files = match rule_files(path) {
            Ok(files) => files,
            Err(error) => return self.unreadable(path, &error),
        };
        let parse_file = |file: &PathBuf| match std::fs::read_to_string(file) {
            Ok(text) => Ok(self.parse(file, &text)),
            Err(error) => Err(error),
        };
        for (file, parsed) in files.iter().zip(on_all_cores(&files, parse_file)) {
            match parsed {
                Ok(parsed) => self.take(file, parsed),
                Err(error) => self.unreadable(file, &error),
            }
        }
    }

    fn unreadable(&mut self, file: &Path, error: &std::io::Error) {
        self.issues.push(Issue {
            gravity: Gravity::Error,
            file: file.to_owned(),
            line: 1,
            rule: None,
            message: format!("the file can't be read: {error}"),
        });
    }

    /// Reads the text of a file, which is Sigma's when a document has a `detection` or a `correlation`.
    pub fn text(&mut self, file: &Path, text: &str) {
        let parsed = self.parse(file, text);
        self.take(file, parsed);
    }

    /// What a file says by itself.
    fn parse(&self, file: &Path, text: &str) -> Parsed {
        match yaml::documents(text) {
            Ok(documents) if documents.iter().any(is_sigma) => {
                let mut library = sigma::Library::new(Arc::clone(&self.placeholders));
                library.load(file, text, &documents);
                Parsed::Sigma(library)
            }
            // What is no YAML is told in Falco's words, which are those of YAML.
            documents => Parsed::Falco(documents),
        }
    }

    /// Adds what a file says to what the files before it said.
    fn take(&mut self, file: &Path, parsed: Parsed) {
        match parsed {
            Parsed::Sigma(library) => self.sigma.append(library),
            Parsed::Falco(documents) => self.falco.load(file, documents),
        }
    }

    /// Compiles what was read. What is wrong with a rule is told, and the other rules run.
    #[must_use]
    pub fn finish(self) -> (RuleSet, Vec<Issue>) {
        let Self { options, falco, mut sigma, mut issues, .. } = self;
        let (falco, falco_issues) = falco.finish();
        issues.extend(falco_issues);
        issues.append(&mut sigma.issues);
        let set = RuleSet::new(falco, sigma.rules, sigma.correlations, &options, &mut issues);
        issues.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        (set, issues)
    }
}

/// What a file says, whatever the others say.
enum Parsed {
    /// Rules, compiled; files of Sigma say nothing of each other.
    Sigma(sigma::Library),
    /// Documents, or why it is no YAML; a file of Falco's changes what earlier ones said.
    Falco(Result<Vec<Node>, YamlError>),
}

/// What `make` makes of each item, in their order; with so few items to a core that it pays, on several.
fn on_all_cores<I: Sync, T: Send>(items: &[I], make: impl Fn(&I) -> T + Sync) -> Vec<T> {
    /// A file takes as long to parse as a thread to start and end.
    const LEAST: usize = 16;
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    parallel::map(items, cores.min(items.len().div_ceil(LEAST)), make)
}

fn is_sigma(document: &Node) -> bool {
    matches!(document.value, Value::Mapping(_))
        && ["detection", "correlation", "logsource", "filter"].iter().any(|key| document.get(key).is_some())
}

/// The rule files at or below a path, sorted.
pub fn rule_files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let (mut files, mut open) = (Vec::new(), vec![path.to_owned()]);
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            let path = entry.path();
            // Links are not followed: one may lead back here.
            if entry.file_type()?.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A rule about single events.
#[derive(Debug)]
pub struct Rule {
    /// What is told of it.
    pub info: Arc<RuleInfo>,
    /// What it prints; Sigma rules have no text of their own.
    output: Option<Output>,
    /// Whether its matches are told, and not only counted by correlations.
    pub is_reported: bool,
    correlations: Vec<Membership>,
}

/// A rule's part in a correlation.
#[derive(Debug)]
struct Membership {
    correlation: usize,
    place: usize,
    member: Member,
}

/// Rules compiled together; threads share it, each with its own [`Scratch`].
#[derive(Debug)]
pub struct RuleSet {
    engine: Engine,
    rules: Vec<Rule>,
    correlations: Vec<Bound>,
    first_falco_match: bool,
}

/// A rule that matched an event.
#[derive(Debug, Clone, Copy)]
pub struct Match<'r, 'e> {
    /// The rule.
    pub rule: &'r Rule,
    /// The event.
    pub record: &'e Record<'e>,
    /// The running number of the event.
    number: u64,
    /// What all detections of the event have in common, made for the first of them.
    about: &'e OnceCell<About>,
}

impl RuleSet {
    fn new(
        falco: Vec<FalcoRule>,
        sigma: Vec<SigmaRule>,
        correlations: Vec<SigmaCorrelation>,
        options: &Options,
        issues: &mut Vec<Issue>,
    ) -> Self {
        let chosen = |info: &RuleInfo| options.choose(info);
        let correlations: Vec<_> = correlations.into_iter().filter(|one| chosen(&one.info)).collect();
        let falco =
            falco.into_iter().filter(|rule| (rule.enabled || options.with_disabled) && chosen(&rule.info));
        let mut predicates: Vec<Predicate> = Vec::new();
        let mut rules: Vec<Rule> = Vec::new();
        let mut names: HashMap<String, Vec<usize>> = HashMap::new();
        let mut ids = HashSet::new();
        let mut add = |mut info: RuleInfo, output, predicate| {
            // Rules with equal ids exist; their detections have to be told apart.
            if !ids.insert(info.id.clone()) {
                info.id = format!("{}/{}", info.id, info.name);
                ids.insert(info.id.clone());
            }
            predicates.push(predicate);
            let is_reported = chosen(&info);
            rules.push(Rule { info: Arc::new(info), output, is_reported, correlations: Vec::new() });
        };
        let mut count = 0;
        for rule in falco {
            add(rule.info, Some(rule.output), rule.predicate);
            count += 1;
        }
        for rule in sigma {
            for name in
                [Some(rule.info.id.clone()), Some(rule.info.name.clone()), rule.name].into_iter().flatten()
            {
                let known = names.entry(name).or_default();
                if known.last() != Some(&count) {
                    known.push(count);
                }
            }
            add(rule.info, None, rule.predicate);
            count += 1;
        }
        let correlations = bind(correlations, &mut rules, &names, issues);
        let needed = |rule: &Rule| rule.is_reported || !rule.correlations.is_empty();
        let kept: Vec<(Rule, Predicate)> =
            rules.into_iter().zip(predicates).filter(|(rule, _)| needed(rule)).collect();
        let (rules, predicates): (Vec<Rule>, Vec<Predicate>) = kept.into_iter().unzip();
        Self {
            engine: Engine::new(&predicates),
            rules,
            correlations,
            first_falco_match: options.first_falco_match,
        }
    }

    /// The rules about single events: Falco's in the order of their files, then Sigma's.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rules about single events, each with what it demands of an event's name and source.
    pub fn demands(&self) -> impl Iterator<Item = (&Rule, Demand)> {
        self.rules.iter().zip(self.engine.demands())
    }

    /// The rules about several events together.
    pub fn correlations(&self) -> impl Iterator<Item = &Arc<RuleInfo>> {
        self.correlations.iter().map(|bound| &bound.info)
    }

    /// Hands every rule that matches a record to `found`, in the order of [`RuleSet::rules`].
    ///
    /// Records that tell of unusual numbers of calls (CloudTrail Insights) are no events to any rule; records
    /// without a readable `eventTime` or without an `eventType` are none to Falco's rules.
    pub fn evaluate<'r>(
        &'r self,
        record: &Record<'_>,
        scratch: &mut Scratch,
        mut found: impl FnMut(Match<'r, '_>),
    ) {
        let number = scratch.next_number();
        let matched = self.engine.matches(record, scratch);
        if matched.is_empty() || record.is_insight() {
            return;
        }
        let mut is_falco_event = None;
        let about = OnceCell::new();
        for rule in matched {
            let Some(rule) = self.rules.get(*rule) else { continue };
            if rule.info.language == Language::Falco {
                let known = is_falco_event.get_or_insert_with(|| {
                    record.timestamp().is_some() && record.value(Key::EventType).is_some()
                });
                if !*known {
                    continue;
                }
                if self.first_falco_match {
                    *known = false;
                }
            }
            found(Match { rule, record, number, about: &about });
        }
    }

    /// Something that counts the observations of [`Match::observations`].
    #[must_use]
    pub fn correlator(&self, limits: Limits) -> Correlator<'_> {
        Correlator::new(&self.correlations, limits)
    }
}

/// Finds the rules that correlations are about.
fn bind(
    correlations: Vec<SigmaCorrelation>,
    rules: &mut [Rule],
    names: &HashMap<String, Vec<usize>>,
    issues: &mut Vec<Issue>,
) -> Vec<Bound> {
    let mut bound = Vec::new();
    let mut silent: HashMap<usize, bool> = HashMap::new();
    for SigmaCorrelation { info, definition } in correlations {
        if let Some(missing) = definition.rules.iter().find(|name| !names.contains_key(*name)) {
            issues.push(Issue {
                gravity: Gravity::Error,
                file: info.file,
                line: info.line,
                rule: Some(info.name),
                message: format!("the correlation is about rule `{missing}`, which is not among the rules"),
            });
            continue;
        }
        for (place, name) in definition.rules.iter().enumerate() {
            for index in named(name, &info, rules, names) {
                let Some(rule) = rules.get_mut(index) else { continue };
                let member = definition.member(&[name.as_str(), &rule.info.id, &rule.info.name]);
                rule.correlations.push(Membership { correlation: bound.len(), place, member });
                *silent.entry(index).or_insert(true) &= !definition.generate;
            }
        }
        bound.push(Bound { info: Arc::new(info), definition });
    }
    for (index, silent) in silent {
        if silent && let Some(rule) = rules.get_mut(index) {
            rule.is_reported = false;
        }
    }
    bound
}

/// The rules that a correlation means by a name: titles are used more than once, so those of its own file go first.
fn named(name: &str, info: &RuleInfo, rules: &[Rule], names: &HashMap<String, Vec<usize>>) -> Vec<usize> {
    let all = names.get(name).cloned().unwrap_or_default();
    let beside: Vec<usize> = all
        .iter()
        .copied()
        .filter(|index| rules.get(*index).is_some_and(|rule| rule.info.file == info.file))
        .collect();
    if beside.is_empty() { all } else { beside }
}

impl Match<'_, '_> {
    /// What is told of it.
    #[must_use]
    pub fn detection(&self) -> Detection {
        let about = self.about.get_or_init(|| About::of(self.record));
        Detection::new(Arc::clone(&self.rule.info), self.record, about, self.output())
    }

    /// The rule's text with the event's values; for a rule without a text its title and what happened.
    #[must_use]
    pub fn output(&self) -> String {
        if let Some(output) = &self.rule.output {
            return output.print(self.record, self.number);
        }
        let facts = &self.about.get_or_init(|| About::of(self.record)).facts;
        let or_unknown = |text: Option<_>| text.unwrap_or("unknown");
        [
            self.rule.info.name.as_str(),
            " (user=",
            or_unknown(facts.actor_name()),
            ", IP=",
            or_unknown(facts.source_address()),
            ", region=",
            or_unknown(facts.region()),
            ", event=",
            or_unknown(facts.event_name()),
            " of ",
            or_unknown(facts.event_source()),
            ")",
        ]
        .concat()
    }

    /// The fields in a Falco rule's text as they are written there, with their values; `None` for an absent one.
    #[must_use]
    pub fn output_fields(&self) -> Vec<(String, Option<String>)> {
        self.rule.output.as_ref().map(|output| output.fields(self.record, self.number)).unwrap_or_default()
    }

    /// What correlations want to know of it.
    ///
    /// An event without a readable time, or without a field that groups are made by, is not counted.
    #[must_use]
    pub fn observations(&self) -> Vec<Observation> {
        self.observations_of(None)
    }

    /// The same where the detection may have been made already.
    pub(super) fn observations_of(&self, made: Option<&Detection>) -> Vec<Observation> {
        if self.rule.correlations.is_empty() {
            return Vec::new();
        }
        let Some(time) = self.record.timestamp() else { return Vec::new() };
        let mut detection = None;
        self.rule
            .correlations
            .iter()
            .filter_map(|membership| {
                let (group, value) = membership.member.read(self.record)?;
                let detection =
                    detection.get_or_insert_with(|| kept(made.cloned().unwrap_or_else(|| self.detection())));
                Some(Observation {
                    correlation: membership.correlation,
                    member: membership.place,
                    time,
                    group,
                    value,
                    detection: Arc::clone(detection),
                })
            })
            .collect()
    }
}

#[cfg(test)]
#[path = "ruleset_tests.rs"]
mod tests;
