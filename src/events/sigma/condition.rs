//! Conditions over the selections of a rule.

use std::collections::BTreeMap;

use rsigma_parser::{ConditionExpr, Quantifier, SelectorPattern};

use crate::events::engine::predicate::Predicate;

/// Compiles a condition over selections by name.
///
/// # Errors
/// Naming the selection that is not there.
pub(super) fn condition(
    expression: &ConditionExpr,
    selections: &BTreeMap<&str, Predicate>,
) -> Result<Predicate, String> {
    let all = |parts: &[ConditionExpr]| {
        parts.iter().map(|part| condition(part, selections)).collect::<Result<Vec<_>, _>>()
    };
    match expression {
        ConditionExpr::And(parts) => all(parts).map(Predicate::all),
        ConditionExpr::Or(parts) => all(parts).map(Predicate::any),
        ConditionExpr::Not(part) => condition(part, selections).map(Predicate::negated),
        ConditionExpr::Identifier(name) => {
            selections.get(name.as_str()).cloned().ok_or_else(|| format!("there is no selection `{name}`"))
        }
        ConditionExpr::Selector { quantifier, pattern } => {
            let picked: Vec<Predicate> = selections
                .iter()
                .filter(|(name, _)| match pattern {
                    SelectorPattern::Them => !name.starts_with('_'),
                    SelectorPattern::Pattern(pattern) => fits(pattern, name),
                })
                .map(|(_, predicate)| predicate.clone())
                .collect();
            if picked.is_empty() {
                return Err(format!("`{quantifier} of {pattern}` names no selection"));
            }
            Ok(match quantifier {
                Quantifier::Any | Quantifier::Count(1) => Predicate::any(picked),
                Quantifier::All => Predicate::all(picked),
                Quantifier::Count(wanted) => {
                    Predicate::AtLeast(usize::try_from(*wanted).unwrap_or(usize::MAX), picked)
                }
            })
        }
    }
}

/// Whether a name fits a pattern, whose `*` stands for any run of characters.
fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_names() {
        for (pattern, name, expected) in [
            ("sel*", "selection", true),
            ("sel", "selection", false),
            ("*_main_*", "filter_main_x", true),
            ("*tion", "selection", true),
            ("a*b*c", "abc", true),
            ("a*a", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
