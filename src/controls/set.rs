//! [`ControlSet`]: the controls and frameworks of a run, from the binary and from directories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::file::Control;
use super::framework::{Framework, Relation, Requirement};
use super::source::{LoadErrors, SourceError};
use crate::collect::{self, Wanted};
use crate::yaml;

/// The files of `controls/`, by path in the repository.
static BUILTIN: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/builtin_controls.rs"));

/// Largest control or framework file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Values of parameters: control → parameter → value.
pub type SetParameters = BTreeMap<String, BTreeMap<String, Value>>;

/// By what a requirement is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecidedBy {
    /// Controls: all of them pass, or it is not met.
    Controls,
    /// A person, with evidence from controls that can only show that it is not met.
    Evidence,
    /// A person alone.
    Person,
    /// Controls that do not all exist yet.
    Planned,
}

impl DecidedBy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Controls, Self::Evidence, Self::Person, Self::Planned];

    /// The words for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Controls => "decided by controls",
            Self::Evidence => "evidence only",
            Self::Person => "manual",
            Self::Planned => "planned",
        }
    }
}

/// The controls and frameworks that were loaded.
#[derive(Debug)]
pub struct ControlSet {
    controls: BTreeMap<String, Control>,
    frameworks: BTreeMap<String, Framework>,
    /// Files of the frameworks, for pointing into them.
    sources: BTreeMap<String, (PathBuf, String)>,
}

impl ControlSet {
    /// The controls and frameworks that come with the program.
    ///
    /// # Errors
    /// Mistakes in them.
    pub fn builtin() -> Result<Self, LoadErrors> {
        Self::load(&[])
    }

    /// The built-in ones, extended and overridden by the files of `directories`, later ones first. A file
    /// below a folder named `frameworks` of a directory is a framework, and so is one of a directory of that
    /// name. A `.yml` file in a folder named `events` is an event rule, and passed over. Every other is a control.
    ///
    /// # Errors
    /// Every mistake in any of the files.
    pub fn load(directories: &[PathBuf]) -> Result<Self, LoadErrors> {
        let mut set = Self::empty();
        let mut errors = Vec::new();
        for (path, text) in BUILTIN {
            set.add(Path::new(path), Path::new(path), text, &mut errors);
        }
        for directory in directories {
            set.add_directory(directory, &mut errors);
        }
        set.bring_planned_to_life();
        set.check_references(&mut errors);
        if errors.is_empty() { Ok(set) } else { Err(LoadErrors(errors)) }
    }

    /// Only the files of `directories`, for testing them apart from the built-in ones.
    ///
    /// # Errors
    /// Every mistake in any of the files.
    pub fn only(directories: &[PathBuf]) -> Result<Self, LoadErrors> {
        let mut set = Self::empty();
        let mut errors = Vec::new();
        for directory in directories {
            set.add_directory(directory, &mut errors);
        }
        if errors.is_empty() { Ok(set) } else { Err(LoadErrors(errors)) }
    }

    const fn empty() -> Self {
        Self { controls: BTreeMap::new(), frameworks: BTreeMap::new(), sources: BTreeMap::new() }
    }

    fn add_directory(&mut self, directory: &Path, errors: &mut Vec<SourceError>) {
        let mut files = Vec::new();
        if let Err(error) = find(directory, &mut files) {
            errors.push(SourceError::at(directory, "", 0, format!("cannot be read: {error}")));
        }
        files.sort();
        let mut ids: BTreeSet<PathBuf> = BTreeSet::new();
        for file in files {
            if let Some(name) = file.file_name().map(PathBuf::from)
                && !ids.insert(name)
            {
                let message = "a file of the same name is in another folder of this directory".to_owned();
                errors.push(SourceError::at(&file, "", 0, message));
                continue;
            }
            match read(&file) {
                Ok(text) => {
                    // Folders above the directory are none of its own.
                    let within = directory.parent().and_then(|above| file.strip_prefix(above).ok());
                    self.add(&file, within.unwrap_or(&file), &text, errors);
                }
                Err(message) => errors.push(SourceError::at(&file, "", 0, message)),
            }
        }
    }

    fn add(&mut self, path: &Path, within: &Path, text: &str, errors: &mut Vec<SourceError>) {
        let is_framework = within.components().any(|part| part.as_os_str() == "frameworks");
        if is_framework {
            match Framework::parse(path, text) {
                Ok(framework) => {
                    self.sources.insert(framework.id.clone(), (path.to_owned(), text.to_owned()));
                    self.frameworks.insert(framework.id.clone(), framework);
                }
                Err(error) => errors.push(error),
            }
        } else {
            match Control::parse(path, text) {
                Ok(control) => drop(self.controls.insert(control.id.clone(), control)),
                Err(error) => errors.push(error),
            }
        }
    }

    /// A control that a framework file calls planned, and that is there now, counts from then on.
    fn bring_planned_to_life(&mut self) {
        for requirement in self.frameworks.values_mut().flat_map(|framework| &mut framework.requirements) {
            let planned = std::mem::take(&mut requirement.planned);
            let (there, planned) = planned.into_iter().partition(|id| self.controls.contains_key(id));
            requirement.planned = planned;
            requirement.controls.extend::<Vec<String>>(there);
        }
    }

    /// A requirement must not name a control or a parameter that does not exist: it would never be decided.
    fn check_references(&self, errors: &mut Vec<SourceError>) {
        for framework in self.frameworks.values() {
            let Some((file, text)) = self.sources.get(&framework.id) else { continue };
            for requirement in &framework.requirements {
                let from = requirement.offset;
                let place =
                    |word: &str| from + text.get(from..).and_then(|rest| rest.find(word)).unwrap_or_default();
                for id in requirement.controls.iter().filter(|id| !self.controls.contains_key(*id)) {
                    let message = format!("requirement `{}` names unknown control `{id}`", requirement.id);
                    let help = yaml::closest(id, self.controls.keys().map(String::as_str));
                    let help = help.map(|best| format!("did you mean `{best}`?"));
                    errors.push(SourceError::at(file, text, place(id), message).with_help(help));
                }
                for (id, values) in &requirement.parameters {
                    let Some(control) = self.controls.get(id) else { continue };
                    let wrong = values.iter().filter_map(|(name, value)| {
                        Some((name, control.check_parameter(name, value).err()?))
                    });
                    errors.extend(wrong.map(|(name, why)| SourceError::at(file, text, place(name), why)));
                }
            }
        }
    }

    /// Every control, by id.
    pub fn controls(&self) -> impl Iterator<Item = &Control> {
        self.controls.values()
    }

    /// A control by id.
    #[must_use]
    pub fn control(&self, id: &str) -> Option<&Control> {
        self.controls.get(id)
    }

    /// Every framework, by id.
    pub fn frameworks(&self) -> impl Iterator<Item = &Framework> {
        self.frameworks.values()
    }

    /// A framework by id.
    ///
    /// # Errors
    /// When there is none, with the closest that there is.
    pub fn framework(&self, id: &str) -> Result<&Framework, String> {
        known(id, "framework", self.frameworks.keys())?;
        self.frameworks.get(id).ok_or_else(|| format!("unknown framework `{id}`"))
    }

    /// By what a requirement of a framework is decided.
    #[must_use]
    pub fn decided_by(&self, relation: Relation, requirement: &Requirement) -> DecidedBy {
        let proves_one_side_only = |id: &String| {
            self.controls.get(id).is_some_and(|control| control.evidence_only || control.pass_only)
        };
        match (relation, requirement.controls.as_slice(), requirement.planned.as_slice()) {
            (_, [], []) => DecidedBy::Person,
            (Relation::Contributes, [_, ..], _) => DecidedBy::Evidence,
            (_, _, [_, ..]) => DecidedBy::Planned,
            (Relation::Decides, controls, []) if controls.iter().any(proves_one_side_only) => {
                DecidedBy::Evidence
            }
            (Relation::Decides, _, []) => DecidedBy::Controls,
        }
    }

    /// Limits frameworks to a profile, before [`ControlSet::select`] chooses their controls.
    ///
    /// # Errors
    /// When no framework is named, one is not known, or one has no such level.
    pub fn limit_to_level(&mut self, frameworks: &[String], level: u8) -> Result<(), String> {
        if frameworks.is_empty() {
            return Err(format!("level {level} is of no framework: name the framework too"));
        }
        for name in frameworks {
            known(name, "framework", self.frameworks.keys())?;
            if let Some(framework) = self.frameworks.get_mut(name) {
                framework.limit_to_level(level)?;
            }
        }
        Ok(())
    }

    /// Gives controls the values of parameters that the frameworks ask for, except for those that are set
    /// already. Where two frameworks ask for different values the control keeps its own, and does not decide
    /// the requirements that ask for another: one finding cannot answer two questions.
    ///
    /// # Errors
    /// When a framework is not known.
    pub fn ask_as(&mut self, frameworks: &[String], set: &SetParameters) -> Result<(), String> {
        let mut asked: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        let mut values: BTreeMap<(String, String), Value> = BTreeMap::new();
        for name in frameworks {
            for requirement in &self.framework(name)?.requirements {
                for (control, parameters) in &requirement.parameters {
                    for (parameter, value) in parameters {
                        let key = (control.clone(), parameter.clone());
                        asked.entry(key.clone()).or_default().insert(value.to_string());
                        values.insert(key, value.clone());
                    }
                }
            }
        }
        for ((control, parameter), value) in values {
            let key = (control.clone(), parameter.clone());
            let is_one = asked.get(&key).is_some_and(|values| values.len() == 1);
            let is_set = set.get(&control).is_some_and(|values| values.contains_key(&parameter));
            if let Some(control) = self.controls.get_mut(&control)
                && is_one
                && !is_set
            {
                control.set_parameter(&parameter, value)?;
            }
        }
        Ok(())
    }

    /// The requirements that a control serves, by framework id.
    #[must_use]
    pub fn requirements_of(&self, control: &str) -> BTreeMap<String, Vec<String>> {
        let mut serves: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for framework in self.frameworks.values() {
            for requirement in &framework.requirements {
                if requirement.controls.iter().any(|id| id == control) {
                    serves.entry(framework.id.clone()).or_default().push(requirement.id.clone());
                }
            }
        }
        serves
    }

    /// Keeps one control, with every framework that it may serve.
    ///
    /// # Errors
    /// It is not known; the closest one that is.
    pub fn limit_to_control(&mut self, id: &str) -> Result<(), String> {
        known(id, "control", self.controls.keys())?;
        self.controls.retain(|known, _| known == id);
        Ok(())
    }

    /// Keeps what a run asks for: the frameworks named with the controls they need; or where none is named those
    /// that are measured against by default, with every control or those named one by one. In all cases without
    /// the controls that are disabled.
    ///
    /// # Errors
    /// A name that is not known, with the closest one that is.
    pub fn select(
        mut self,
        frameworks: &[String],
        only: &[String],
        disabled: &[String],
    ) -> Result<Self, String> {
        for name in frameworks {
            known(name, "framework", self.frameworks.keys())?;
        }
        for name in only.iter().chain(disabled) {
            known(name, "control", self.controls.keys())?;
        }
        if !frameworks.is_empty() {
            self.frameworks.retain(|id, _| frameworks.contains(id));
            let needed: BTreeSet<String> = self
                .frameworks
                .values()
                .flat_map(|framework| &framework.requirements)
                .flat_map(|requirement| requirement.controls.clone())
                .collect();
            self.controls.retain(|id, _| needed.contains(id) || only.contains(id));
        } else {
            // Every control runs, but a report against every version of every framework would bury its reader.
            self.frameworks.retain(|_, framework| framework.is_default);
            self.controls.retain(|id, _| only.is_empty() || only.contains(id));
        }
        self.controls.retain(|id, _| !disabled.contains(id));
        Ok(self)
    }

    /// Sets parameters of controls: control id → parameter → value.
    ///
    /// # Errors
    /// A control or parameter that is not known, or a value of another type.
    pub fn set_parameters(&mut self, parameters: &SetParameters) -> Result<(), String> {
        for (id, values) in parameters {
            known(id, "control", self.controls.keys())?;
            let Some(control) = self.controls.get_mut(id) else { continue };
            for (name, value) in values {
                control.set_parameter(name, value.clone())?;
            }
        }
        Ok(())
    }

    /// What the controls read, from which the calls of a scan follow.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let mut wanted = Wanted::nothing();
        for control in self.controls.values() {
            for (kind, field) in control.reads() {
                if let Some(kind) = collect::kind(kind) {
                    wanted.add(kind, field);
                }
            }
        }
        wanted
    }
}

fn known<'n>(name: &str, what: &str, all: impl Iterator<Item = &'n String> + Clone) -> Result<(), String> {
    if all.clone().any(|id| id == name) {
        return Ok(());
    }
    // What was typed is more likely cut short than mistyped: `cis-aws-5` is not 1.5.
    let longer: Vec<&str> = all.clone().map(String::as_str).filter(|id| id.starts_with(name)).collect();
    let hint = match longer.as_slice() {
        [one] => Some(*one),
        [] => yaml::closest(name, all.clone().map(String::as_str)),
        [..] if what == "framework" => {
            return Err(format!("unknown {what} `{name}`; there are {}", longer.join(", ")));
        }
        [..] => yaml::closest(name, all.clone().map(String::as_str)),
    };
    let hint = match (hint, what) {
        (Some(best), _) => format!("; did you mean `{best}`?"),
        (None, "framework") => {
            let all: Vec<&str> = all.map(String::as_str).collect();
            format!("; there are {}", all.join(", "))
        }
        (None, _) => "; `upright controls list` shows what there is".to_owned(),
    };
    Err(format!("unknown {what} `{name}`{hint}"))
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") && !is_event_rule(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether it is named as the event rules in the repository are: a `.yml` file, as Sigma's are, in a folder `events`.
fn is_event_rule(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    folder.is_some_and(|folder| folder == "events") && path.extension().is_some_and(|e| e == "yml")
}

fn read(file: &Path) -> Result<String, String> {
    let size = fs::metadata(file).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > MAX_FILE_BYTES {
        return Err(format!("is larger than {MAX_FILE_BYTES} bytes: not a control file"));
    }
    fs::read_to_string(file).map_err(|error| format!("cannot be read: {error}"))
}
