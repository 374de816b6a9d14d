//! Checking the JSON of a record, and finding its members, in one pass.
//!
//! `serde_json` decides what JSON is. Most of reading events was asking it, so what is plain to see is seen here at
//! twice the speed; whatever is not (a broken record, a key with an escape in it, very deep lists) is left to it.
//! Nothing passes here that it would refuse: the tests hold both against each other.

use super::identity::{Identity, Member};
use super::special::Special;

/// The member whose own members are located on the way, since most rules ask for some of them.
const IDENTITY: &str = "userIdentity";
/// Arrays and objects inside one another that are followed here; one bit for each.
const DEEPEST: u32 = 64;

/// What a text begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A JSON object.
    Whole(Shape),
    /// What may become a JSON object with more text.
    Cut,
    /// `serde_json` has to say.
    Unsure,
}

/// What was seen of an object on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Its length in bytes.
    pub(super) length: usize,
    /// Arrays and objects inside one another, itself included.
    pub(super) levels: u32,
    /// Whether no blanks stand between its parts.
    pub(super) is_compact: bool,
}

/// Checks the object that a text begins with, and hands its members to `member` as they are written: the name
/// without its quotation marks, and the value. A `userIdentity` is left in `identity`.
///
/// What was handed over or left counts only if the outcome is [`Outcome::Whole`].
pub(super) fn object<'t>(
    text: &'t str,
    identity: &mut Option<Identity>,
    mut member: impl FnMut(&'t str, &'t str),
) -> Outcome {
    let mut pass = Pass { text, at: 0, special: Special::new(text.as_bytes()), levels: 0, is_compact: true };
    match pass.members(&mut member, identity) {
        Ok(()) => {
            Outcome::Whole(Shape { length: pass.at, levels: pass.levels + 1, is_compact: pass.is_compact })
        }
        Err(Stop::Cut) => Outcome::Cut,
        Err(Stop::Unsure) => Outcome::Unsure,
    }
}

/// Why a way through a text ends early; see [`Outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Cut,
    Unsure,
}

/// The way through a text.
struct Pass<'t> {
    text: &'t str,
    at: usize,
    special: Special,
    /// The most levels that a member has.
    levels: u32,
    is_compact: bool,
}

impl<'t> Pass<'t> {
    /// The members of the object that the text is, and the brackets around them.
    fn members(
        &mut self,
        member: &mut impl FnMut(&'t str, &'t str),
        identity: &mut Option<Identity>,
    ) -> Result<(), Stop> {
        self.expect(b'{')?;
        if self.blanks()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            let name = self.key()?;
            let start = self.at;
            if name == IDENTITY && identity.is_none() {
                let mut located = Identity::empty();
                self.identity(None, start, 1, &mut located)?;
                *identity = Some(located);
            } else {
                self.value(0)?;
            }
            let value = self.text.get(start..self.at).unwrap_or_default();
            member(name, value);
            if !self.has_more()? {
                return Ok(());
            }
        }
    }

    /// Steps over a `userIdentity` that begins at `start`, or over a member of it, and notes where members stand. Of a
    /// key that is given twice the first counts. `level` is that of this value; the calls go three levels deep.
    fn identity(
        &mut self,
        parent: Option<Member>,
        start: usize,
        level: u32,
        located: &mut Identity,
    ) -> Result<(), Stop> {
        let first = self.byte()?;
        if first != b'{' {
            located.has_lists |= first == b'[';
            return self.value(level - 1);
        }
        self.levels = self.levels.max(level);
        self.at += 1;
        if self.blanks()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            // A key with an escape in it may be any: that is left to others, as above.
            let member = Member::named(parent, self.key()?.as_bytes());
            let from = self.at;
            match member.filter(|member| !located.has(*member)) {
                Some(member) => {
                    if member.is_parent() {
                        self.identity(Some(member), start, level + 1, located)?;
                    } else {
                        self.value(level)?;
                    }
                    located.note(member, from - start, self.at - start);
                }
                None => self.value(level)?,
            }
            if !self.has_more()? {
                return Ok(());
            }
        }
    }

    /// Steps over what stands behind a member: to the next one, or over the end of the object.
    fn has_more(&mut self) -> Result<bool, Stop> {
        match self.blanks()? {
            b',' => {
                self.at += 1;
                self.blanks().map(|_| true)
            }
            b'}' => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(Stop::Unsure),
        }
    }

    /// The byte at this place.
    fn byte(&self) -> Result<u8, Stop> {
        self.text.as_bytes().get(self.at).copied().ok_or(Stop::Cut)
    }

    /// Steps over this byte.
    fn expect(&mut self, expected: u8) -> Result<(), Stop> {
        if self.byte()? != expected {
            return Err(Stop::Unsure);
        }
        self.at += 1;
        Ok(())
    }

    /// Steps over blanks; the byte behind them.
    fn blanks(&mut self) -> Result<u8, Stop> {
        loop {
            match self.byte()? {
                b' ' | b'\t' | b'\n' | b'\r' => {
                    self.is_compact = false;
                    self.at += 1;
                }
                byte => return Ok(byte),
            }
        }
    }

    /// Steps over the name that begins here, and over what stands between it and its value; the name.
    fn key(&mut self) -> Result<&'t str, Stop> {
        self.expect(b'"')?;
        let start = self.at;
        if self.plain_end()? != b'"' {
            return Err(Stop::Unsure);
        }
        let name = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        self.colon()?;
        Ok(name)
    }

    fn colon(&mut self) -> Result<(), Stop> {
        if self.blanks()? != b':' {
            return Err(Stop::Unsure);
        }
        self.at += 1;
        self.blanks().map(|_| ())
    }

    /// Steps over the value that begins here, inside `outer` levels of the member that it is in. Without calling
    /// itself: text may nest deeper than a stack.
    fn value(&mut self, outer: u32) -> Result<(), Stop> {
        // A one for each object that is open here, a zero for each array; the innermost is the lowest bit.
        let (mut objects, mut depth) = (0_u64, 0);
        loop {
            match self.byte()? {
                b'"' => self.string()?,
                open @ (b'{' | b'[') => {
                    self.at += 1;
                    if depth == DEEPEST {
                        return Err(Stop::Unsure);
                    }
                    depth += 1;
                    self.levels = self.levels.max(outer + depth);
                    objects = objects << 1 | u64::from(open == b'{');
                    match (self.blanks()?, open) {
                        (b'}', b'{') | (b']', b'[') => {
                            self.at += 1;
                            objects >>= 1;
                            depth -= 1;
                        }
                        (_, b'{') => {
                            self.inner_key()?;
                            continue;
                        }
                        _ => continue,
                    }
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => self.number()?,
            }
            loop {
                if depth == 0 {
                    return Ok(());
                }
                match (self.blanks()?, objects & 1) {
                    (b',', is_object) => {
                        self.at += 1;
                        self.blanks()?;
                        if is_object == 1 {
                            self.inner_key()?;
                        }
                        break;
                    }
                    (b'}', 1) | (b']', 0) => {
                        self.at += 1;
                        objects >>= 1;
                        depth -= 1;
                    }
                    _ => return Err(Stop::Unsure),
                }
            }
        }
    }

    /// Steps over a name inside a member, which nobody asks for here.
    fn inner_key(&mut self) -> Result<(), Stop> {
        if self.byte()? != b'"' {
            return Err(Stop::Unsure);
        }
        self.string()?;
        self.colon()
    }

    /// Steps over the string that begins here.
    fn string(&mut self) -> Result<(), Stop> {
        self.at += 1;
        while self.plain_end()? == b'\\' {
            self.at += 1;
            match self.byte()? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                b'u' => {
                    self.at += 1;
                    for _ in 0..4 {
                        if !self.byte()?.is_ascii_hexdigit() {
                            return Err(Stop::Unsure);
                        }
                        self.at += 1;
                    }
                }
                _ => return Err(Stop::Unsure),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Steps up to the next `"` or `\`, which it returns.
    fn plain_end(&mut self) -> Result<u8, Stop> {
        self.at = self.special.next(self.text.as_bytes(), self.at).ok_or(Stop::Cut)?;
        match self.byte()? {
            byte @ (b'"' | b'\\') => Ok(byte),
            _ => Err(Stop::Unsure),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Stop> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(if word.as_bytes().starts_with(rest) { Stop::Cut } else { Stop::Unsure });
        }
        self.at += word.len();
        Ok(())
    }

    /// Steps over the number that begins here.
    fn number(&mut self) -> Result<(), Stop> {
        if self.byte()? == b'-' {
            self.at += 1;
        }
        if self.byte()? == b'0' {
            self.at += 1;
            if self.byte()?.is_ascii_digit() {
                return Err(Stop::Unsure);
            }
        } else {
            self.digits()?;
        }
        if self.byte()? == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte()?, b'e' | b'E') {
            self.at += 1;
            if matches!(self.byte()?, b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Steps over at least one digit.
    fn digits(&mut self) -> Result<(), Stop> {
        if !self.byte()?.is_ascii_digit() {
            return Err(Stop::Unsure);
        }
        while self.byte()?.is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;
    use crate::events::json::{Json, Kind};

    /// What `serde_json` says of the object that a text begins with: its length and members, or whether it is cut.
    fn truth(text: &str) -> Result<(usize, BTreeMap<String, &str>), bool> {
        if !text.starts_with('{') {
            return Err(text.is_empty());
        }
        let mut objects = serde_json::Deserializer::from_str(text).into_iter::<BTreeMap<String, &RawValue>>();
        match objects.next() {
            Some(Ok(members)) => {
                let members = members.into_iter().map(|(name, value)| (name, value.get())).collect();
                Ok((objects.byte_offset(), members))
            }
            Some(Err(error)) => Err(error.is_eof()),
            None => Err(true),
        }
    }

    fn levels(value: Json<'_>) -> u32 {
        let members = value.members().map(|(_, member)| levels(member)).max();
        let elements = value.elements().map(levels).max();
        u32::from(matches!(value.kind(), Kind::Object | Kind::Array)) + members.max(elements).unwrap_or(0)
    }

    /// Nothing passes that `serde_json` refuses, and nothing waits for more text that would not help.
    fn agrees(text: &str) -> Outcome {
        let mut members = BTreeMap::new();
        let mut identity = None;
        let outcome = object(text, &mut identity, |name, value| {
            members.insert(name.to_owned(), value);
        });
        match outcome {
            Outcome::Whole(shape) => {
                assert_eq!(truth(text), Ok((shape.length, members)), "{text}");
                let whole = &text[..shape.length];
                // Walking it when it is asked for is the simpler truth.
                let walked = Json::checked(whole).get(IDENTITY).and_then(Identity::of);
                assert_eq!(identity, walked, "{text}");
                let compact = Json::checked(whole).compact() == whole;
                assert_eq!(shape.is_compact, compact, "{text}");
                assert_eq!(shape.levels, levels(Json::checked(whole)), "{text}");
            }
            // Of a number that is cut `serde_json` says that it is none, when a digit would make it one.
            Outcome::Cut => {
                assert!([text, &format!("{text}0")].iter().any(|text| truth(text) == Err(true)), "{text}");
            }
            Outcome::Unsure => {}
        }
        outcome
    }

    #[test]
    fn what_is_plain_to_see_is_seen() {
        for text in [
            "{}",
            " { } ".trim(),
            r#"{"a":1,"b":-0.5e+7,"c":[true,false,null,[],{}],"d":{"e":{"f":"\u00e9\"\\\/\b\f\n\r\t"}}} and more"#,
            "{ \"a\" : [ 1 , \"é\" ] ,\r\n\t\"b\" : { \"c\" : 0 } }",
            r#"{"a":1,"a":2}"#,
        ] {
            assert!(matches!(agrees(text), Outcome::Whole(_)), "{text}");
            for cut in (0..text.trim_end_matches(" and more").len()).filter(|cut| text.is_char_boundary(*cut))
            {
                assert_eq!(agrees(&text[..cut]), Outcome::Cut, "{}", &text[..cut]);
            }
        }
    }

    #[test]
    fn what_is_not_is_left_to_others() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(65), "]".repeat(65));
        let control = "{\"a\":\"\u{1f}\"}";
        let delete = "{\"a\":\"\u{7f}\"}";
        assert!(matches!(agrees(delete), Outcome::Whole(_)));
        for text in [
            "[]",
            "x",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":[,1]}"#,
            r#"{"a":{"b":1,}}"#,
            r#"{"a":{"b"}}"#,
            r#"{"a":[1}}"#,
            r#"{"a":{"b":1]}"#,
            r#"{"a":01}"#,
            r#"{"a":-}"#,
            r#"{"a":1.}"#,
            r#"{"a":.1}"#,
            r#"{"a":1e}"#,
            r#"{"a":+1}"#,
            r#"{"a":truE}"#,
            r#"{"a":nul}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\u12g4"}"#,
            r#"{"\u0061":1}"#,
            "{\"a\nb\":1}",
            "{\u{b}}",
            control,
            &deep,
        ] {
            assert_eq!(agrees(text), Outcome::Unsure, "{text}");
        }
    }

    #[test]
    fn an_identity_is_located_as_it_is_walked() {
        for identity in [
            "null",
            "[]",
            r#"{"type":"Root"}"#,
            r#"{ "type" : "A" , "type":"B", "sessionContext": {"attributes":{"mfaAuthenticated":"true"},
                "sessionIssuer": {"arn": "y", "type": {"type":[1]}, "type": 2}}, "sessionContext":{"sessionIssuer":3}}"#,
            r#"{"sessionContext":"x","sessionIssuer":{"type":"no"},"attributes":{}}"#,
            r#"{"sessionContext":[{"sessionIssuer":{"type":"R"}}],"arn":[]}"#,
            r#"[{"type":"A"}]"#,
        ] {
            let text = format!(r#"{{"a":1,"userIdentity": {identity} ,"userIdentity":{{"type":"second"}}}}"#);
            assert!(matches!(agrees(&text), Outcome::Whole(_)), "{text}");
            for cut in 0..text.len() {
                assert_eq!(agrees(&text[..cut]), Outcome::Cut);
            }
        }
        assert_eq!(agrees(r#"{"userIdentity":{"\u0061rn":1}}"#), Outcome::Unsure);
        assert_eq!(agrees(r#"{"userIdentity":{"arn":1,}}"#), Outcome::Unsure);
        assert_eq!(agrees(r#"{"userIdentity":{"arn":1]}"#), Outcome::Unsure);
    }

    proptest! {
        #[test]
        fn serde_json_agrees_on_what_it_wrote(value in any_object(), pretty in any::<bool>(), cut in any::<prop::sample::Index>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let is_whole = matches!(agrees(&text), Outcome::Whole(_));
            let escaped = value.as_object().is_some_and(|members| members.keys().any(|key| key.contains(['"', '\\', '\n'])));
            prop_assert!(is_whole || escaped, "{}", text);
            let cut = cut.index(text.len());
            if text.is_char_boundary(cut) {
                agrees(&text[..cut]);
            }
        }

        #[test]
        fn serde_json_agrees_on_what_is_nearly_json(value in any_object(), at in any::<prop::sample::Index>(), with in r#"[\[\]{}",:\\ 01eEtnu.+-]{0,2}"#) {
            let mut text = value.to_string();
            let at = at.index(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
                text.replace_range(at..=at, &with);
                agrees(&text);
            }
        }

        #[test]
        fn serde_json_agrees_on_anything(text in r#"\{"(a|userIdentity)":[\[\]{}",:\\ a0-2eE.+\-tfnul\u{0}\u{1f}\u{7f}é/]{0,30}"#) {
            agrees(&text);
        }
    }

    fn any_object() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            r#"[a-c"\\{}\[\]é\n\u{1}\u{7f} ]{0,20}"#.prop_map(Value::from),
        ];
        let inner = leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(r#"[a-c"\\]{0,3}"#, inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        prop::collection::btree_map(r#"[a-c"\\\n]{0,9}"#, inner, 0..5)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    }
}
