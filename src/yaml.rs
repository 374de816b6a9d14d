//! Reading YAML that a person wrote: nothing is guessed, and what is wrong is told in the person's words.

use serde::de::DeserializeOwned;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

/// Two words that differ in more than this part of their letters are no slip of the finger.
const MAX_DISTANCE: f64 = 0.4;

/// Reads one document, with bounds on what aliases may make of it.
///
/// # Errors
/// When it is no YAML, holds what the type does not, or outgrows the bounds.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_nodes: 100_000,
            max_anchors: 1_000,
            max_aliases: 1_000,
        },
        // An alias may stand for a list of accounts here and there, never for a tree of aliases.
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 100_000 },
        // `yes` and `012` are taken for what they look like, or refused, never for `true` and 10.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
}

/// The error behind those that only say by which alias it was reached.
fn innermost(mut error: &Error) -> &Error {
    while let Error::AliasError { error: inner, .. } | Error::WithSnippet { error: inner, .. } = error {
        error = inner;
    }
    error
}

/// What is wrong, in words that name no type of ours, and what to do.
pub(crate) fn describe(error: &Error) -> (String, Option<String>) {
    match innermost(error) {
        Error::SerdeUnknownField { field, expected, .. } => {
            (format!("there is no key `{field}` here"), suggestion(field, expected, "the keys are"))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("`{variant}` is not known here"), suggestion(variant, expected, "it can be"))
        }
        Error::DuplicateMappingKey { key, .. } => (
            key.as_ref().map_or_else(
                || "this key is given twice".to_owned(),
                |key| format!("key `{key}` is given twice"),
            ),
            Some("keep one of them; the other would be lost".to_owned()),
        ),
        Error::InvalidBooleanStrict { .. } => ("expected `true` or `false`".to_owned(), None),
        Error::InvalidScalar { ty, .. } if ty.starts_with(['u', 'i']) => {
            ("expected a whole number".to_owned(), None)
        }
        Error::Unexpected { expected, .. } => (format!("expected {}", shape(expected)), hint(expected)),
        Error::MultipleDocuments { .. } | Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            ("expected one document, but another begins here".to_owned(), Some("remove the `---`".to_owned()))
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. } => (
            "the file is too large or too deep, or its aliases make it so".to_owned(),
            Some("write the values out instead of using aliases".to_owned()),
        ),
        other => (UserMessageFormatter.format_message(other).into_owned(), None),
    }
}

/// The parser's names of shapes, in the user's words.
fn shape(expected: &str) -> &str {
    match expected {
        "mapping start" => "keys with values",
        "sequence start" => "a list",
        "string scalar" => "a text",
        other => other,
    }
}

fn hint(expected: &str) -> Option<String> {
    (expected == "sequence start")
        .then(|| "write `[one, two]`, or one `- entry` on each line; for none, leave the key out".to_owned())
}

fn suggestion(word: &str, known: &[&'static str], introduction: &str) -> Option<String> {
    closest(&word.to_lowercase().replace('-', "_"), known.iter().copied())
        .map(|known| format!("did you mean `{known}`?"))
        .or_else(|| (!known.is_empty()).then(|| format!("{introduction} {}", known.join(", "))))
}

/// The known name that a mistyped one is likely to stand for.
pub(crate) fn closest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    known
        .into_iter()
        .map(|known| (1.0 - strsim::normalized_damerau_levenshtein(word, known), known))
        .filter(|(distance, _)| *distance <= MAX_DISTANCE)
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}
