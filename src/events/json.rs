//! Walking JSON text that has been checked already.
//!
//! A CloudTrail record is checked once, by `serde_json`, when [`Record`](super::record::Record) is made of it. What
//! rules then ask for is a few of its hundred values, so nothing is built: [`Json`] is a piece of that checked text,
//! and its members are found by stepping over the text of the others. Strings are decoded by `serde_json`.
//!
//! Not for text that has not been checked: on such text nothing here panics or loops, but the answers mean nothing.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr2;
use serde::Deserializer as _;
use serde::de::Visitor;

/// One JSON value, as it stands in the text that it came from.
// INVARIANT: one value that `serde_json` accepted, without blanks around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<'a>(&'a str);

/// What sort of value a [`Json`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// Any number.
    Number,
    /// A text.
    String,
    /// `[…]`
    Array,
    /// `{…}`
    Object,
}

impl<'a> Json<'a> {
    /// Takes text that was checked to be one JSON value without blanks around it.
    pub(super) const fn checked(text: &'a str) -> Self {
        Self(text)
    }

    /// The value as it was written.
    #[must_use]
    pub const fn text(self) -> &'a str {
        self.0
    }

    /// What sort of value it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// The text that a JSON string stands for; `None` for any other value.
    ///
    /// Half of a surrogate pair (`\ud800`), which JSON allows and Unicode does not, becomes U+FFFD.
    #[must_use]
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if !has_backslash(inner.as_bytes()) {
            return Some(Cow::Borrowed(inner));
        }
        Some(Cow::Owned(unescape(self.0)))
    }

    /// The value of a key of an object; `None` when there is no such key, or this is no object.
    ///
    /// A key given twice counts where it stands first, as in Falco's reader.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Json<'a>> {
        self.members().find(|(name, _)| name.is(key)).map(|(_, value)| value)
    }

    /// The keys and values of an object, in the order they were written; none for other values.
    #[must_use]
    pub fn members(self) -> Members<'a> {
        Members(Walk::into(self.0, b'{'))
    }

    /// The elements of an array, in order; none for other values.
    #[must_use]
    pub fn elements(self) -> Elements<'a> {
        Elements(Walk::into(self.0, b'['))
    }

    /// The value without blanks between its parts; keys stay in the order they were written.
    #[must_use]
    pub fn compact(self) -> Cow<'a, str> {
        let bytes = self.0.as_bytes();
        let mut compact: Option<String> = None;
        let mut at = 0;
        // Everything in `kept..at` is wanted but not yet copied.
        let mut kept = 0;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'"' => at = string_end(bytes, at),
                b' ' | b'\t' | b'\n' | b'\r' => {
                    compact.get_or_insert_default().push_str(self.0.get(kept..at).unwrap_or_default());
                    at += 1;
                    kept = at;
                }
                _ => at += 1,
            }
        }
        match compact {
            None => Cow::Borrowed(self.0),
            Some(mut compact) => {
                compact.push_str(self.0.get(kept..).unwrap_or_default());
                Cow::Owned(compact)
            }
        }
    }

    /// A way through this value that can step into its parts.
    pub(super) const fn walk(self) -> Walk<'a> {
        Walk { text: self.0, at: 0 }
    }

    /// The part of this value that a [`Walk`] through it passed over.
    pub(super) fn part(self, start: usize, end: usize) -> Option<Self> {
        self.0.get(start..end).map(Self)
    }

    /// The value as one reads it: the text of a string, and the compact JSON of anything else.
    #[must_use]
    pub fn display(self) -> Cow<'a, str> {
        self.as_str().unwrap_or_else(|| self.compact())
    }
}

/// The name of a member, as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a>(Json<'a>);

impl<'a> Name<'a> {
    /// Whether this is the name that is looked for.
    #[must_use]
    pub fn is(self, sought: &str) -> bool {
        let written = self.0.0;
        if written.len() == sought.len() + 2 {
            // A name with an escape in it is longer than what it stands for, so it never gets here and matches.
            return written.get(1..written.len() - 1) == Some(sought) && !sought.contains('\\');
        }
        written.len() > sought.len() + 2 && written.contains('\\') && self.text() == sought
    }

    /// The name itself.
    #[must_use]
    pub fn text(self) -> Cow<'a, str> {
        self.0.as_str().unwrap_or_default()
    }
}

/// The members of an object; see [`Json::members`].
#[derive(Debug, Clone)]
pub struct Members<'a>(Walk<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (Name<'a>, Json<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.0.value()?;
        Some((Name(name), self.0.value()?))
    }
}

/// The elements of an array; see [`Json::elements`].
#[derive(Debug, Clone)]
pub struct Elements<'a>(Walk<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.value()
    }
}

/// A place inside an object or an array.
#[derive(Debug, Clone)]
pub(super) struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    fn into(text: &'a str, bracket: u8) -> Self {
        let at = if text.as_bytes().first() == Some(&bracket) { 1 } else { text.len() };
        Self { text, at }
    }

    /// Where the next value at this level begins, which is where this place then is; `None` after the last.
    pub(super) fn start(&mut self) -> Option<usize> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => self.at += 1,
                b'}' | b']' => return None,
                _ => return Some(self.at),
            }
        }
    }

    /// The next value at this level; in an object the names are values like any other.
    pub(super) fn value(&mut self) -> Option<Json<'a>> {
        let start = self.start()?;
        self.at = value_end(self.text.as_bytes(), start);
        self.text.get(start..self.at).map(Json)
    }

    /// What sort of value the next one is.
    pub(super) fn kind(&self) -> Kind {
        Json(self.text.get(self.at..).unwrap_or_default()).kind()
    }

    /// Steps over the bracket that the next value begins with, or, after its last part, over the one it ends with.
    pub(super) fn over_bracket(&mut self) {
        self.at = self.text.len().min(self.at + 1);
    }

    /// Where this place is: bytes from the start of the text.
    pub(super) const fn at(&self) -> usize {
        self.at
    }
}

/// Where the value that begins at `start` ends.
fn value_end(bytes: &[u8], start: usize) -> usize {
    match bytes.get(start) {
        Some(b'"') => string_end(bytes, start),
        Some(b'{' | b'[') => container_end(bytes, start),
        _ => bytes
            .iter()
            .skip(start)
            .position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r' | b':'))
            .map_or(bytes.len(), |length| start + length.max(1)),
    }
}

/// Where the string that begins at `start` ends.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = quote_or_backslash(bytes, at) {
        if bytes.get(found) == Some(&b'"') {
            return found + 1;
        }
        at = found + 2;
    }
    bytes.len()
}

/// Where the next `"` or `\` is.
// Most strings of a record are shorter than what a search with vectors pays for: eight bytes at a time, in line, find
// the ends of those in half the time.
fn quote_or_backslash(bytes: &[u8], start: usize) -> Option<usize> {
    /// Five words are as long as an ARN.
    const WORDS: usize = 5;
    let mut at = start;
    for _ in 0..WORDS {
        let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else { break };
        let word = u64::from_le_bytes(*word);
        let found = zero_bytes(word ^ (EACH * 0x22)) | zero_bytes(word ^ (EACH * 0x5c));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr2(b'"', b'\\', bytes.get(at..)?).map(|found| at + found)
}

/// Whether there is a `\`.
// To the end, whatever is found: where there is one, the text is copied anyway, and most have none.
fn has_backslash(bytes: &[u8]) -> bool {
    let found = |word: [u8; 8]| zero_bytes(u64::from_le_bytes(word) ^ (EACH * 0x5c));
    let (words, rest) = bytes.as_chunks();
    let in_words = words.iter().fold(0, |seen, word| seen | found(*word));
    // The last eight bytes are the rest and what has been looked at.
    match bytes.last_chunk() {
        Some(last) => in_words | found(*last) != 0,
        None => rest.contains(&b'\\'),
    }
}

/// A one in each byte.
const EACH: u64 = 0x0101_0101_0101_0101;

/// The highest bit of each byte that is zero; those of bytes above the lowest zero may be wrong
/// ([Bit Twiddling Hacks](https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord)).
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(EACH) & !word & (EACH << 7)
}

/// Where the object or array that begins at `start` ends.
fn container_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// What a JSON string with escapes in it stands for.
fn unescape(quoted: &str) -> String {
    /// Takes the bytes, since half a surrogate pair is no text.
    struct Lossy;

    impl Visitor<'_> for Lossy {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
    }

    serde_json::Deserializer::from_str(quoted)
        .deserialize_bytes(Lossy)
        // Not reached with checked text; what is written is then nearest to what was meant.
        .unwrap_or_else(|_| quoted.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn members_and_elements_are_found_between_blanks_braces_and_quotes() {
        let json = Json::checked(r#"{ "a" : "}\"{" , "b":[1, {"c":[]} ,null], "d" : { } }"#);
        assert_eq!(json.get("a").and_then(Json::as_str).as_deref(), Some("}\"{"));
        let elements: Vec<_> = json.get("b").unwrap().elements().map(Json::text).collect();
        assert_eq!(elements, ["1", r#"{"c":[]}"#, "null"]);
        assert_eq!(json.get("d").map(Json::kind), Some(Kind::Object));
        assert_eq!(json.get("c"), None);
        assert_eq!(Json::checked("[1]").get("a"), None);
    }

    #[test]
    fn a_key_given_twice_counts_where_it_stands_first() {
        assert_eq!(Json::checked(r#"{"a":1,"a":2}"#).get("a").map(Json::text), Some("1"));
    }

    #[test]
    fn a_key_written_with_escapes_is_found() {
        let json = Json::checked(r#"{"\u0061b":1,"c\\":2}"#);
        assert_eq!(json.get("ab").map(Json::text), Some("1"));
        assert_eq!(json.get(r"c\").map(Json::text), Some("2"));
        assert_eq!(json.get(r"c\\"), None);
    }

    #[test]
    fn half_a_surrogate_pair_is_replaced() {
        let text = Json::checked(r#""a\ud800b""#).as_str().unwrap();
        assert!(text.starts_with('a') && text.ends_with('b') && text.contains('\u{fffd}'), "{text}");
        assert_eq!(Json::checked(r#""\ud83d\ude00""#).as_str().as_deref(), Some("😀"));
    }

    #[test]
    fn compact_keeps_blanks_inside_strings_and_the_order_of_keys() {
        assert_eq!(
            Json::checked("{ \"b\" : \"x y\\\" z\",\n \"a\": [ 1 ] }").compact(),
            "{\"b\":\"x y\\\" z\",\"a\":[1]}"
        );
    }

    proptest! {
        #[test]
        fn a_backslash_is_seen_wherever_it_stands(before in "[a-zé]{0,20}", after in "[a-z{}]{0,20}") {
            let with = format!("{before}\\{after}");
            prop_assert!(has_backslash(with.as_bytes()));
            prop_assert!(!has_backslash(with.replace('\\', "").as_bytes()));
        }

        /// What `serde_json` builds is the simpler truth.
        #[test]
        fn every_member_is_what_serde_json_says(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            agree(Json::checked(&text), &value);
            let compact = Json::checked(&text).compact();
            prop_assert_eq!(&*compact, serde_json::to_string(&value).unwrap());
        }

        #[test]
        fn text_that_is_no_json_ends_too(text in r#"[\[\]{}",:\\ a1é]{0,40}"#) {
            let json = Json::checked(&text);
            let _ = (json.members().count(), json.elements().count(), json.compact(), json.display(), json.kind());
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            r#"[a-c"\\{}\[\]é\n ]{0,6}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(r#"[a-c"\\]{0,3}"#, inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn agree(json: Json<'_>, value: &Value) {
        match value {
            Value::Object(members) => {
                assert_eq!(json.members().count(), members.len());
                for (name, member) in members {
                    agree(json.get(name).unwrap(), member);
                }
            }
            Value::Array(elements) => {
                assert_eq!(json.elements().count(), elements.len());
                json.elements().zip(elements).for_each(|(json, value)| agree(json, value));
            }
            Value::String(text) => assert_eq!(json.as_str().as_deref(), Some(text.as_str())),
            other => assert_eq!(json.text(), other.to_string()),
        }
    }
}
