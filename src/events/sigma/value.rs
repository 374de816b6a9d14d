//! The values of a rule, with their wildcards and what modifiers make of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsigma_parser::{SigmaString, SpecialChar, StringPart};

use crate::events::engine::text::{Expression, TextTest};

/// Dashes in one value that `windash` varies: each multiplies the variants by five.
const MOST_DASHES: usize = 5;

/// A text with wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `*`: any run of characters, an empty one too.
    Any,
    /// `?`: one character.
    One,
}

impl Pattern {
    /// The pattern that a rule's text is.
    pub(super) fn of(text: &SigmaString) -> Self {
        let piece = |part: &StringPart| match part {
            StringPart::Plain(text) => Piece::Text(text.clone()),
            StringPart::Special(SpecialChar::WildcardMulti) => Piece::Any,
            StringPart::Special(SpecialChar::WildcardSingle) => Piece::One,
        };
        Self(text.parts.iter().map(piece).collect())
    }

    /// A text without wildcards.
    pub(super) fn literal(text: String) -> Self {
        Self(vec![Piece::Text(text)])
    }

    /// The text, when there is no wildcard in it.
    pub(super) fn plain(&self) -> Option<String> {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => Some(text.as_str()),
                Piece::Any | Piece::One => None,
            })
            .collect()
    }

    /// With any text before or after it.
    pub(super) fn within(mut self, before: bool, after: bool) -> Self {
        if before {
            self.0.insert(0, Piece::Any);
        }
        if after {
            self.0.push(Piece::Any);
        }
        self
    }

    /// The variants in which dashes that begin a word are written in every way that Windows takes.
    ///
    /// `None` when there are too many.
    pub(super) fn dashes(&self) -> Option<Vec<Self>> {
        let mut variants = vec![Self(Vec::new())];
        let mut dashes = 0;
        for piece in &self.0 {
            let Piece::Text(text) = piece else {
                variants.iter_mut().for_each(|variant| variant.0.push(piece.clone()));
                continue;
            };
            let mut before = None;
            let mut characters = text.chars().peekable();
            while let Some(c) = characters.next() {
                let begins_word = !before.is_some_and(char::is_alphanumeric)
                    && characters.peek().is_some_and(|next| next.is_alphanumeric());
                if matches!(c, '-' | '/') && begins_word {
                    dashes += 1;
                    if dashes > MOST_DASHES {
                        return None;
                    }
                    variants = variants
                        .into_iter()
                        .flat_map(|variant| {
                            ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}']
                                .map(|dash| variant.clone().with(dash))
                        })
                        .collect();
                } else {
                    variants = variants.into_iter().map(|variant| variant.with(c)).collect();
                }
                before = Some(c);
            }
        }
        Some(variants)
    }

    fn with(mut self, c: char) -> Self {
        match self.0.last_mut() {
            Some(Piece::Text(text)) => text.push(c),
            _ => self.0.push(Piece::Text(c.to_string())),
        }
        self
    }

    /// What it asks of a text.
    ///
    /// # Errors
    /// When it is too large for an expression.
    pub(super) fn test(&self, cased: bool) -> Result<TextTest, regex::Error> {
        let mut pieces = self.0.as_slice();
        let (mut before, mut after) = (false, false);
        while let [Piece::Any, rest @ ..] = pieces {
            (before, pieces) = (true, rest);
        }
        while let [rest @ .., Piece::Any] = pieces {
            (after, pieces) = (true, rest);
        }
        if pieces.is_empty() && (before || after) {
            return Ok(TextTest::Any);
        }
        let plain = Self(pieces.to_vec()).plain();
        let Some(plain) = plain.filter(|text| !text.is_empty() || !(before || after)) else {
            return Expression::new(&self.expression(cased)).map(TextTest::Matches);
        };
        let text: Box<str> = if cased { plain.into() } else { plain.to_lowercase().into() };
        Ok(match (before, after, cased) {
            (false, false, true) => TextTest::Equals(text),
            (false, false, false) => TextTest::EqualsFolded(text),
            (true, true, true) => TextTest::Contains(text),
            (true, true, false) => TextTest::ContainsFolded(text),
            (false, true, true) => TextTest::StartsWith(text),
            (false, true, false) => TextTest::StartsWithFolded(text),
            (true, false, true) => TextTest::EndsWith(text),
            (true, false, false) => TextTest::EndsWithFolded(text),
        })
    }

    fn expression(&self, cased: bool) -> String {
        let mut expression = String::from(if cased { r"(?s)\A" } else { r"(?is)\A" });
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => expression.push_str(&regex::escape(text)),
                Piece::Any => expression.push_str(".*"),
                Piece::One => expression.push('.'),
            }
        }
        expression.push_str(r"\z");
        expression
    }
}

/// The base64 of bytes.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// What stays the same in the base64 of a longer text, for each of the three places where these bytes may begin.
pub(super) fn base64_offsets(bytes: &[u8]) -> [String; 3] {
    [0, 1, 2].map(|offset| {
        let mut shifted = vec![0; offset];
        shifted.extend_from_slice(bytes);
        let encoded = STANDARD.encode(&shifted);
        // Digits that hold bits of what stands before or after are left out.
        let start = [0, 2, 3].get(offset).copied().unwrap_or_default();
        let cut = [0, 3, 2].get(shifted.len() % 3).copied().unwrap_or_default();
        encoded.get(start..encoded.len().saturating_sub(cut)).unwrap_or_default().to_owned()
    })
}

/// An encoding in two bytes, as the modifiers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wide {
    LittleEndian,
    BigEndian,
    /// Little-endian after a byte order mark.
    Marked,
}

impl Wide {
    /// The bytes of a text.
    pub(super) fn encode(self, text: &str) -> Vec<u8> {
        let mark = (self == Self::Marked).then_some(0xfeff);
        mark.into_iter()
            .chain(text.encode_utf16())
            .flat_map(|unit| if self == Self::BigEndian { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_offsets_are_in_every_longer_text() {
        let sought = base64_offsets(b"curl http");
        for before in 0..6 {
            for after in 0..4 {
                let text = format!("{}curl http{}", "x".repeat(before), "y".repeat(after));
                let encoded = base64(text.as_bytes());
                assert!(sought.iter().any(|offset| encoded.contains(offset)), "{before} {after}");
            }
        }
        assert_eq!(
            sought.iter().filter(|offset| base64(b"nothing of the sort").contains(*offset)).count(),
            0
        );
    }

    #[test]
    fn dashes_multiply_up_to_a_bound() {
        let pattern = |text: &str| Pattern::literal(text.to_owned());
        let variants = pattern(" -a b-c").dashes().unwrap();
        assert_eq!(variants.len(), 5);
        assert!(variants.contains(&pattern(" /a b-c")) && variants.contains(&pattern(" \u{2014}a b-c")));
        assert_eq!(pattern("-a -b -c -d -e -f").dashes(), None);
    }

    #[test]
    fn wide_texts_are_two_bytes_a_character() {
        assert_eq!(Wide::LittleEndian.encode("aé"), [0x61, 0, 0xe9, 0]);
        assert_eq!(Wide::BigEndian.encode("a"), [0, 0x61]);
        assert_eq!(Wide::Marked.encode("a"), [0xff, 0xfe, 0x61, 0]);
    }
}
