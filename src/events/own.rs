//! The event rules that come with the program: Sigma files in `controls/events/`, each with its own examples.

use std::path::Path;

use super::ruleset::Loader;

/// The files, by path in the repository, with their texts.
pub static FILES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/builtin_event_rules.rs"));

/// Reads all of them.
pub fn load(loader: &mut Loader) {
    for (path, text) in FILES {
        loader.text(Path::new(path), text);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::events::examples::{self, Outcome};
    use crate::events::ruleset::{Language, Options};

    fn outcomes() -> Vec<Outcome> {
        examples::run(Options::default(), FILES.iter().map(|(path, text)| (Path::new(path), *text)))
    }

    #[test]
    fn every_rule_loads_and_says_what_it_is_about() {
        let mut loader = Loader::new(Options::default());
        load(&mut loader);
        let (set, issues) = loader.finish();
        assert!(issues.is_empty(), "{issues:#?}");
        assert_eq!(set.rules().len(), FILES.len());
        let ids: BTreeSet<_> = set.rules().iter().map(|rule| &rule.info.id).collect();
        assert_eq!(ids.len(), FILES.len());
        for rule in set.rules() {
            let info = &rule.info;
            assert_eq!(info.language, Language::Sigma);
            let about = (&info.name, &info.attack, &info.references);
            assert!(!info.attack.tactics.is_empty() && !info.attack.techniques.is_empty(), "{about:?}");
            // None is lost to a spelling that is not known.
            assert_eq!(
                info.attack.tactics.len() + info.attack.techniques.len(),
                info.tags.len(),
                "{about:?}"
            );
            assert!(
                info.references.iter().all(|page| page.starts_with("https://docs.aws.amazon.com/")),
                "{about:?}"
            );
            assert!(
                !info.references.is_empty() && !info.description.is_empty() && info.level.is_some(),
                "{about:?}"
            );
        }
    }

    #[test]
    fn every_example_holds() {
        let failed: Vec<_> = outcomes().into_iter().filter(|outcome| !outcome.holds()).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn every_rule_has_an_example_that_matches_and_two_near_misses() {
        let mut counts: BTreeMap<_, _> = FILES.iter().map(|(path, _)| (*path, [0, 0])).collect();
        for outcome in outcomes() {
            let Ok(answer) = outcome.result else { continue };
            let count = counts.get_mut(outcome.file.to_str().unwrap()).unwrap();
            count[usize::from(answer.expected)] += 1;
        }
        for (path, [misses, hits]) in counts {
            assert!(hits >= 1 && misses >= 2, "{path}: {hits} that match, {misses} that do not");
        }
    }
}
