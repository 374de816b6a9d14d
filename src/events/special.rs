//! Where strings end.

use wide::u8x16;

/// Bytes that are looked at together; one bit for each.
const BLOCK: usize = 64;

/// Finds the bytes of a text that a plain string does not hold: `"`, `\`, and control characters.
///
/// Each byte is compared once, 64 together, whatever the strings in them are: most strings of a record are so short that
/// where they end is a guess that a processor gets wrong, and finding each by itself pays for that.
#[derive(Debug)]
pub(super) struct Special {
    /// Where the block begins.
    start: usize,
    /// A bit for each byte of the block.
    marks: u64,
}

impl Special {
    /// For a text that is looked at from its start.
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self { start: 0, marks: marks_from(bytes, 0) }
    }

    /// Where the next such byte is, from `at` on, which is not before what an earlier call found. `bytes` are the same always.
    #[inline]
    pub(super) fn next(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let offset = at - self.start;
        let marks = if offset < BLOCK { self.marks >> offset } else { 0 };
        let found = if marks == 0 { self.search(bytes, at) } else { at + marks.trailing_zeros() as usize };
        (found < bytes.len()).then_some(found)
    }

    /// Looks into the blocks behind the one at hand; the end of the bytes where there is none, or more.
    fn search(&mut self, bytes: &[u8], at: usize) -> usize {
        self.start = at.max(self.start + BLOCK);
        loop {
            self.marks = marks_from(bytes, self.start);
            if self.marks != 0 || self.start >= bytes.len() {
                return self.start + self.marks.trailing_zeros() as usize;
            }
            self.start += BLOCK;
        }
    }
}

/// The bits of the block that begins at `start`. The end of the bytes has one: there, too, a string is over.
#[inline]
fn marks_from(bytes: &[u8], start: usize) -> u64 {
    let rest = bytes.get(start..).unwrap_or_default();
    if let Some(block) = rest.first_chunk() {
        return marks(block);
    }
    let mut block = [0; BLOCK];
    if let Some(begin) = block.get_mut(..rest.len()) {
        begin.copy_from_slice(rest);
    }
    marks(&block)
}

/// The bits of a block.
#[inline]
fn marks(block: &[u8; BLOCK]) -> u64 {
    let (chunks, _) = block.as_chunks::<16>();
    chunks.iter().rev().fold(0, |marks, chunk| {
        let bytes = u8x16::new(*chunk);
        let ends = bytes.simd_eq(QUOTE) | bytes.simd_eq(BACKSLASH) | bytes.min(LAST_CONTROL).simd_eq(bytes);
        marks << 16 | u64::from(ends.to_bitmask())
    })
}

const QUOTE: u8x16 = u8x16::new([b'"'; 16]);
const BACKSLASH: u8x16 = u8x16::new([b'\\'; 16]);
const LAST_CONTROL: u8x16 = u8x16::new([0x1f; 16]);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn is_special(byte: u8) -> bool {
        matches!(byte, b'"' | b'\\' | 0..0x20)
    }

    #[test]
    fn every_byte_is_told_apart_in_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..BLOCK {
                for others in [b'a', 0xff] {
                    let mut block = [others; BLOCK];
                    block[place] = byte;
                    let expected = u64::from(is_special(byte)) << place;
                    assert_eq!(marks(&block), expected, "{byte:#x} at {place}");
                }
            }
        }
    }

    proptest! {
        /// Byte by byte is the simpler truth.
        #[test]
        fn they_are_found_wherever_they_stand(
            text in r#"([a-z]{0,90}[a-c\u{1f}-\u{23}\u{5b}-\u{5d}\u{7f}é\u{0}]{0,9}){0,4}"#,
            start in 0_usize..200,
            steps in prop::collection::vec(0_usize..80, 0..9),
        ) {
            let bytes = text.as_bytes();
            let mut special = Special::new(bytes);
            let mut at = start;
            for step in steps {
                let sought = bytes.iter().enumerate().skip(at).find(|(_, byte)| is_special(**byte));
                let found = special.next(bytes, at);
                prop_assert_eq!(found, sought.map(|(at, _)| at));
                let Some(found) = found else { break };
                at = found + step;
            }
        }
    }
}
