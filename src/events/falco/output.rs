//! The text that a rule prints, with fields in it.

use super::condition::quote;
use super::field::{Field, FieldError};
use crate::events::record::Record;

/// What an absent field prints.
const ABSENT: &str = "<NA>";
/// Characters that a width may ask for.
const WIDEST: usize = 10_000;

/// Bytes that most texts need once values are in them.
const USUAL: usize = 256;

/// An output, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field {
        /// As it was written, without the `%` and the width.
        written: String,
        field: Field,
        /// Characters that the value is padded or cut to.
        width: Option<usize>,
    },
}

/// Why a text is no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// A `%` that nothing follows.
    #[error("the output ends with `%`")]
    Ends,
    /// What follows a `%` is no field.
    #[error("no field follows `%` before `{0}` in the output")]
    NoField(String),
    /// What follows a `%` is no known field.
    #[error("{0} in the output")]
    Field(#[from] FieldError),
    /// The width is absurd.
    #[error("a width of more than {WIDEST} in the output")]
    TooWide,
}

impl Output {
    /// Reads an output.
    ///
    /// # Errors
    /// When a `%` is not followed by a field.
    pub fn parse(text: &str) -> Result<Self, OutputError> {
        let mut parts = Vec::new();
        let mut rest = text.trim();
        while let Some((before, after)) = rest.split_once('%') {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let (part, after) = token(after)?;
            parts.push(part);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// An output that prints a text as it is.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }

    /// What it prints for a record, which is the `number`th that was read.
    #[must_use]
    pub fn print(&self, record: &Record<'_>, number: u64) -> String {
        let mut printed = String::with_capacity(USUAL);
        for part in &self.0 {
            match part {
                Part::Text(text) => printed.push_str(text),
                Part::Field { field, width, .. } => {
                    let value = field.printed(record, number).unwrap_or(ABSENT.into());
                    match width {
                        Some(width) => printed.push_str(&format!("{value:<width$.width$}")),
                        None => printed.push_str(&value),
                    }
                }
            }
        }
        printed
    }

    /// The fields in it as they are written, each once, with their values; `None` for an absent one.
    #[must_use]
    pub fn fields(&self, record: &Record<'_>, number: u64) -> Vec<(String, Option<String>)> {
        let mut fields: Vec<(String, Option<String>)> = Vec::new();
        for part in &self.0 {
            if let Part::Field { written, field, .. } = part
                && !fields.iter().any(|(known, _)| known == written)
            {
                fields.push((written.clone(), field.printed(record, number).map(String::from)));
            }
        }
        fields
    }
}

/// The field that follows a `%`, and what follows it.
fn token(text: &str) -> Result<(Part, &str), OutputError> {
    if text.is_empty() {
        return Err(OutputError::Ends);
    }
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (width, name) = text.split_at_checked(digits).unwrap_or(("", text));
    let width = match width {
        "" => None,
        digits => Some(digits.parse().ok().filter(|width| *width <= WIDEST).ok_or(OutputError::TooWide)?),
    };
    let length =
        name.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_').unwrap_or(name.len());
    // The longest name that is one: in `%ct.name.` the dot is text.
    let mut end = length;
    let mut first_error = None;
    while end > 0 {
        let (candidate, after) = name.split_at_checked(end).unwrap_or((name, ""));
        let (argument, after_argument) = argument(after);
        match Field::named(candidate, argument.as_deref()) {
            Ok(field) => {
                let written = match &argument {
                    Some(argument) if argument.contains(|c: char| c.is_whitespace() || c == ']') => {
                        format!("{candidate}[{}]", quote(argument))
                    }
                    Some(argument) => format!("{candidate}[{argument}]"),
                    None => candidate.to_owned(),
                };
                return Ok((Part::Field { written, field, width }, after_argument));
            }
            // `%ct.name[` is the field and a bracket.
            Err(FieldError::ArgumentUnwanted(_)) => {
                let field = Field::named(candidate, None)?;
                return Ok((Part::Field { written: candidate.to_owned(), field, width }, after));
            }
            Err(error) => first_error = first_error.or(Some(error)),
        }
        end -= 1;
    }
    match first_error {
        Some(error) => Err(error.into()),
        None => Err(OutputError::NoField(name.chars().take(20).collect())),
    }
}

/// What stands in brackets, if there are brackets, and what follows.
fn argument(text: &str) -> (Option<String>, &str) {
    let Some(inner) = text.strip_prefix('[') else { return (None, text) };
    let mark = inner.chars().next().filter(|c| matches!(c, '"' | '\''));
    let split = match mark {
        Some(mark) => inner.get(1..).and_then(|inner| inner.split_once(&format!("{mark}]"))),
        None => inner.split_once(']'),
    };
    match split {
        Some((argument, after)) => (Some(argument.to_owned()), after),
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &[u8] =
        br#"{"eventName":"N","awsRegion":"","requestParameters":{"userName":"u","a b":[1,"x"]},
        "responseElements":{"instancesSet":{"items":[{"imageId":"i1"},{"imageId":"i2"}]}}}"#;

    fn print(text: &str) -> String {
        let output = Output::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        output.print(&Record::parse(RECORD).unwrap(), 3)
    }

    #[test]
    fn fields_are_as_long_as_they_can_be() {
        assert_eq!(print("  (x=%ct.name) %ct.request.username. %ct.name%evt.num "), "(x=N) u. N3");
        assert_eq!(print("%ct.request.username"), "u");
    }

    #[test]
    fn absent_empty_and_list_values_print_as_falco_prints_them() {
        assert_eq!(
            print("[%ct.error] [%ct.region] %ec2.imageids %ec2.imageids[1] %ct.name[0]"),
            "[<NA>] [] (i1,i2) (i2) N[0]"
        );
    }

    #[test]
    fn arguments_may_be_quoted() {
        assert_eq!(
            print(r#"%json.value["/requestParameters/a b"] %jevt.value[/requestParameters/a b/1]"#),
            r#"[1,"x"] x"#
        );
    }

    #[test]
    fn a_width_pads_and_cuts() {
        assert_eq!(print("%5ct.name| %1evt.source|"), "N    | a|");
    }

    #[test]
    fn fields_keep_their_spelling() {
        let output =
            Output::parse("%ct.name %json.value[/requestParameters/userName] %ct.name %ct.error").unwrap();
        let expected = [
            ("ct.name", Some("N")),
            ("json.value[/requestParameters/userName]", Some("u")),
            ("ct.error", None),
        ];
        let expected: Vec<_> =
            expected.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).into();
        assert_eq!(output.fields(&Record::parse(RECORD).unwrap(), 1), expected);
    }

    #[test]
    fn what_is_no_field_is_told() {
        let error = |text: &str| Output::parse(text).expect_err(text).to_string();
        assert_eq!(error("100%"), "the output ends with `%`");
        assert_eq!(error("%proc.name x"), "there is no field `proc.name` in the output");
        assert_eq!(error("% x"), "no field follows `%` before ` x` in the output");
        assert_eq!(
            error("%json.value"),
            "field `json.value` needs an argument, as in `json.value[/a/b]` in the output"
        );
        assert!(error("%99999999999999999999ct.name").contains("width"));
    }
}
