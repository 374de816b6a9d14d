//! What can be asked of one text.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use ipnet::IpNet;
use memchr::memmem::Finder;
use regex::{Regex, RegexBuilder};

/// Bytes that a compiled expression may take, so that one rule takes neither memory nor time from the others.
const LARGEST_EXPRESSION: usize = 4 << 20;

/// A question about one text, answered by yes or no.
///
/// Literals of the questions that fold case are in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TextTest {
    /// Is there one? Any text will do, an empty one too.
    Any,
    /// Is it this, byte for byte?
    Equals(Box<str>),
    /// Is it this, in any case?
    EqualsFolded(Box<str>),
    /// Is it one of these? Sorted.
    In(Box<[Box<str>]>),
    /// Is it one of these, in any case? Sorted.
    InFolded(Box<[Box<str>]>),
    /// Is this in it?
    Contains(Box<str>),
    /// Is this in it, in any case?
    ContainsFolded(Box<str>),
    /// Is this in it, in any case of the ASCII letters only?
    ContainsAsciiFolded(Box<str>),
    /// Does it begin with this?
    StartsWith(Box<str>),
    /// Does it begin with this, in any case?
    StartsWithFolded(Box<str>),
    /// Does it end with this?
    EndsWith(Box<str>),
    /// Does it end with this, in any case?
    EndsWithFolded(Box<str>),
    /// Does the expression match?
    Matches(Expression),
    /// How does it compare with this, by the order of bytes?
    Order(Comparison, Box<str>),
    /// How does it compare with this number, once read as one? A text that is no number compares with none.
    Number(Comparison, Number),
    /// Is it an address in this network?
    Network(IpNet),
    /// Is it a path that begins with one of these, component by component?
    PathPrefix(Box<[Box<[Expression]>]>),
    /// Is this part of the time that the text names equal to the number?
    TimePart(TimePart, i64),
}

/// An order between two things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
}

impl Comparison {
    /// Whether two things that are so ordered satisfy it.
    #[must_use]
    pub const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
        }
    }
}

/// A number that a rule compares with.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    /// A whole number, compared without loss.
    Whole(i64),
    /// Any other number.
    Real(f64),
}

impl Number {
    /// Reads what JSON and rules write; `None` for what is no number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(whole) = text.parse() {
            return Some(Self::Whole(whole));
        }
        // `inf` and `nan` are numbers to Rust only.
        let starts_as_number =
            text.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
        text.parse().ok().filter(|_| starts_as_number).map(Self::Real)
    }

    /// The order of two numbers.
    #[must_use]
    pub fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(&b)),
            _ => self.real().partial_cmp(&other.real()),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "beside a fraction nothing finer can be compared")]
    const fn real(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.order(*other) == Some(Ordering::Equal)
    }
}

// `parse` makes no NaN.
impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.real().to_bits().hash(state);
    }
}

/// A part of a time, as Sigma's modifiers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TimePart {
    Minute,
    Hour,
    Day,
    /// The week of ISO 8601.
    Week,
    Month,
    Year,
}

impl TimePart {
    fn of(self, time: &str) -> Option<i64> {
        let time = time.parse::<jiff::Timestamp>().ok()?.to_zoned_datetime(jiff::tz::TimeZone::UTC);
        Some(match self {
            Self::Minute => time.minute().into(),
            Self::Hour => time.hour().into(),
            Self::Day => time.day().into(),
            Self::Week => time.date().iso_week_date().week().into(),
            Self::Month => time.month().into(),
            Self::Year => time.year().into(),
        })
    }
}

/// A compiled regular expression, told from others by how it was written.
#[derive(Debug, Clone)]
pub struct Expression {
    regex: Regex,
    /// A text that is in every text it matches, where one is easily told.
    literal: Option<Box<Finder<'static>>>,
}

impl Expression {
    /// Compiles an expression; `.` does not match a line's end unless the expression says so.
    ///
    /// # Errors
    /// When it is none of the [syntax](https://docs.rs/regex/latest/regex/#syntax), or too large.
    pub fn new(pattern: &str) -> Result<Self, regex::Error> {
        let regex = RegexBuilder::new(pattern).size_limit(LARGEST_EXPRESSION).build()?;
        let literal = literal_in(pattern).map(|literal| Box::new(Finder::new(literal).into_owned()));
        Ok(Self { regex, literal })
    }

    /// Compiles an expression that must match a whole text, as Falco's `regex` must.
    ///
    /// # Errors
    /// As for [`Expression::new`].
    pub fn whole(pattern: &str) -> Result<Self, regex::Error> {
        // Compiled alone first, lest `a)(b` become an expression by the brackets around it.
        Self::new(pattern)?;
        Self::new(&format!(r"\A(?:{pattern})\z"))
    }

    /// Whether it matches somewhere.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.literal.as_ref().is_none_or(|literal| literal.find(text.as_bytes()).is_some())
            && self.regex.is_match(text)
    }

    /// The expression for a shell pattern: `*`, `?` and `[…]`, over the whole text.
    ///
    /// # Errors
    /// As for [`Expression::new`].
    pub fn glob(pattern: &str, folded: bool) -> Result<Self, regex::Error> {
        Self::new(&format!(r"{}\A{}\z", if folded { "(?is)" } else { "(?s)" }, glob_body(pattern)))
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}

impl Eq for Expression {}

impl Hash for Expression {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.regex.as_str().hash(state);
    }
}

/// The longest text in an expression of nothing but letters and `.`, `.*` or `.+`, such as `.+:assumed-role/aws:.+`.
///
/// The expression's own search begins at every byte of a text without it; such rules are asked of every event.
fn literal_in(pattern: &str) -> Option<&str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ":/-_@#%&=<>!~,;'\"".contains(c);
    let mut longest = "";
    for (number, part) in pattern.split('.').enumerate() {
        let literal = if number == 0 { part } else { part.strip_prefix(['*', '+']).unwrap_or(part) };
        if !literal.chars().all(is_plain) {
            return None;
        }
        if literal.len() > longest.len() {
            longest = literal;
        }
    }
    (pattern.contains('.') && !longest.is_empty()).then_some(longest)
}

/// A shell pattern as the body of an expression, as `fnmatch` without flags reads it.
fn glob_body(pattern: &str) -> String {
    let mut body = String::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' => body.push_str(".*"),
            '?' => body.push('.'),
            '[' => match bracket(rest.as_str()) {
                Some((class, length)) => {
                    body.push_str(&class);
                    rest = rest.as_str().get(length..).unwrap_or_default().chars();
                }
                None => body.push_str(r"\["),
            },
            '\\' => body.push_str(&regex::escape(rest.next().unwrap_or('\\').encode_utf8(&mut [0; 4]))),
            other => body.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    body
}

/// The class that begins after a `[`, and how many bytes of the pattern it takes; `None` when none ends.
fn bracket(rest: &str) -> Option<(String, usize)> {
    let negated = rest.starts_with(['!', '^']);
    let start = usize::from(negated);
    // A `]` that stands first is a member and no end.
    let end = rest.get(start..)?.char_indices().skip(1).find(|(_, c)| *c == ']')?.0 + start;
    let mut class = String::from(if negated { "[^" } else { "[" });
    for c in rest.get(start..end)?.chars() {
        if c != '-' && !c.is_alphanumeric() {
            class.push('\\');
        }
        class.push(c);
    }
    // A `-` at either end stands for itself.
    let class = class.strip_suffix('-').map(|kept| format!(r"{kept}\-")).unwrap_or(class);
    Some((format!("{class}]"), end + 1))
}

/// The text in lower case; nothing is copied when it is so already.
#[must_use]
pub fn folded(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.to_lowercase())
}

/// Hands the text in lower case to `take`; nothing is allocated for a short text of ASCII letters.
pub(super) fn with_folded<T>(text: &str, take: impl FnOnce(&str) -> T) -> T {
    /// As long as most names and user agents.
    const SHORT: usize = 128;
    let mut short = [0; SHORT];
    if let Some(place) = short.get_mut(..text.len())
        && text.is_ascii()
    {
        place.copy_from_slice(text.as_bytes());
        place.make_ascii_lowercase();
        if let Ok(text) = std::str::from_utf8(place) {
            return take(text);
        }
    }
    take(&folded(text))
}

impl TextTest {
    /// The test for one of several texts, in any case or not.
    #[must_use]
    pub fn one_of(texts: impl IntoIterator<Item = String>, fold: bool) -> Self {
        let mut texts: Vec<Box<str>> = texts
            .into_iter()
            .map(|text| if fold { text.to_lowercase().into() } else { text.into() })
            .collect();
        texts.sort();
        texts.dedup();
        match (texts.pop(), texts.is_empty()) {
            (Some(only), true) if fold => Self::EqualsFolded(only),
            (Some(only), true) => Self::Equals(only),
            (last, _) => {
                texts.extend(last);
                if fold { Self::InFolded(texts.into()) } else { Self::In(texts.into()) }
            }
        }
    }

    /// The literals it asks for by equality, and whether in any case.
    #[must_use]
    pub fn literals(&self) -> Option<(&[Box<str>], bool)> {
        match self {
            Self::Equals(text) => Some((std::slice::from_ref(text), false)),
            Self::EqualsFolded(text) => Some((std::slice::from_ref(text), true)),
            Self::In(texts) => Some((texts, false)),
            Self::InFolded(texts) => Some((texts, true)),
            _ => None,
        }
    }

    /// Asks the question of a text.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Equals(sought) => text == &**sought,
            Self::EqualsFolded(sought) => equal_folded(text, sought),
            Self::In(sought) => sought.binary_search_by(|one| (**one).cmp(text)).is_ok(),
            Self::InFolded(sought) => {
                with_folded(text, |text| sought.binary_search_by(|one| (**one).cmp(text)).is_ok())
            }
            Self::Contains(sought) => text.contains(&**sought),
            Self::ContainsFolded(sought) => with_folded(text, |text| text.contains(&**sought)),
            Self::ContainsAsciiFolded(sought) => text.to_ascii_lowercase().contains(&**sought),
            Self::StartsWith(sought) => text.starts_with(&**sought),
            Self::StartsWithFolded(sought) => with_folded(text, |text| text.starts_with(&**sought)),
            Self::EndsWith(sought) => text.ends_with(&**sought),
            Self::EndsWithFolded(sought) => with_folded(text, |text| text.ends_with(&**sought)),
            Self::Matches(expression) => expression.is_match(text),
            Self::Order(comparison, sought) => comparison.holds(text.cmp(sought)),
            Self::Number(comparison, sought) => Number::parse(text)
                .and_then(|number| number.order(*sought))
                .is_some_and(|order| comparison.holds(order)),
            Self::Network(network) => text.parse::<IpAddr>().is_ok_and(|address| network.contains(&address)),
            Self::PathPrefix(patterns) => patterns.iter().any(|pattern| is_path_prefix(pattern, text)),
            Self::TimePart(part, sought) => part.of(text) == Some(*sought),
        }
    }
}

/// Whether a text is this literal in lower case, in any case.
fn equal_folded(text: &str, lower: &str) -> bool {
    if text.is_ascii() { text.eq_ignore_ascii_case(lower) } else { text.to_lowercase() == lower }
}

fn is_path_prefix(pattern: &[Expression], path: &str) -> bool {
    let mut components = components(path);
    pattern.iter().all(|expected| components.next().is_some_and(|component| expected.is_match(component)))
}

/// The parts of a path; blank ones, as in `a//b`, do not count.
fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|component| !component.is_empty())
}

/// The test for a path that begins with one of these, whose components may hold `*`, `?` and `[…]`.
///
/// # Errors
/// As for [`Expression::new`].
pub fn path_prefix<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Result<TextTest, regex::Error> {
    let compile = |pattern: &str| {
        components(pattern)
            .map(|component| Expression::glob(component, false))
            .collect::<Result<Box<[_]>, _>>()
    };
    patterns.into_iter().map(compile).collect::<Result<Box<[_]>, _>>().map(TextTest::PathPrefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_fnmatch() {
        let cases = [
            ("a*c", "abbc", true),
            ("a*c", "a/c", true),
            ("a?c", "ac", false),
            ("a[b-d]c", "acc", true),
            ("a[!b-d]c", "acc", false),
            ("a[]x]c", "a]c", true),
            ("a[x-]c", "a-c", true),
            ("a[bc", "a[bc", true),
            (r"a\*c", "abc", false),
            (r"a\*c", "a*c", true),
            ("a.c", "abc", false),
            ("é?", "éé", true),
            ("a*", "a\nb", true),
            ("a", "xa", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(
                Expression::glob(pattern, false).unwrap().is_match(text),
                expected,
                "{pattern} {text}"
            );
        }
        assert!(Expression::glob("AB*", true).unwrap().is_match("abc"));
    }

    #[test]
    fn path_prefixes_go_by_component() {
        let test = path_prefix(["/a/b", "/x/*/z"]).unwrap();
        for (path, expected) in [
            ("/a/b/c", true),
            ("/a/b", true),
            ("/a/bc", false),
            ("/a", false),
            ("/x/y/z/1", true),
            ("/x/y", false),
        ] {
            assert_eq!(test.holds(path), expected, "{path}");
        }
    }

    #[test]
    fn whole_expressions_are_whole() {
        assert!(Expression::whole("a|bc").unwrap().is_match("bc"));
        assert!(!Expression::whole("a|bc").unwrap().is_match("abc"));
        assert!(Expression::whole("a)(b").is_err());
        assert!(Expression::new("(?:a{1000}){1000}{1000}").is_err());
    }

    #[test]
    fn a_literal_is_told_only_where_it_must_be() {
        for (pattern, literal) in [
            (".+:assumed-role/aws:.+", Some(":assumed-role/aws:")),
            ("ab.*cde", Some("cde")),
            ("a.b", Some("a")),
            ("abc", None),
            ("..", None),
            ("a|b.c", None),
            ("ab?.c", None),
            (".a*", None),
            ("(?i)a.b", None),
            (r"\.a.b", None),
            ("é.a", None),
        ] {
            assert_eq!(literal_in(pattern), literal, "{pattern}");
        }
        let expression = Expression::new(".+:x.+").unwrap();
        assert!(expression.is_match("a:xb") && !expression.is_match(":xb") && !expression.is_match("a:yb"));
        assert!(!Expression::new("a.b").unwrap().is_match("a\nb"));
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let test = |comparison, number| TextTest::Number(comparison, Number::parse(number).unwrap());
        assert!(test(Comparison::GreaterOrEqual, "1000").holds("1000.0"));
        assert!(test(Comparison::Greater, "9223372036854775806").holds("9223372036854775807"));
        assert!(!test(Comparison::Less, "5").holds("x"));
        assert!(
            Number::parse("inf").is_none()
                && Number::parse("nan").is_none()
                && Number::parse("-1e3").is_some()
        );
    }

    #[test]
    fn folding_is_unicode() {
        assert!(TextTest::one_of(["STRASSE É".to_owned()], true).holds("strasse é"));
        assert!(TextTest::ContainsFolded("é".into()).holds("xÉx"));
        assert!(!TextTest::ContainsAsciiFolded("é".into()).holds("xÉx"));
    }
}
