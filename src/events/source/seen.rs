//! Which events were delivered before.
//!
//! The same event reaches a user twice when trails overlap, and S3, SNS, SQS and EventBridge deliver at least once.
//! `eventID` tells: a record that several accounts share has the same `sharedEventID` and another `eventID` in each,
//! and is not the same event.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};

use sha2::{Digest, Sha256};

/// What an event is known by: its `eventID`, which is a UUID and fits as it is, or a hash of any other text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(u128);

impl EventId {
    /// The identity that this text stands for.
    #[must_use]
    pub fn of(text: &str) -> Self {
        uuid(text).map_or_else(|| Self(first_half(&Sha256::digest(text))), Self)
    }
}

/// The number that a UUID in its usual form is. Letters in upper case would be another text, so they are no match.
fn uuid(text: &str) -> Option<u128> {
    let bytes: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let mut number = 0_u128;
    let mut place = 0;
    for (group, digits) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if group > 0 {
            if bytes.get(place) != Some(&b'-') {
                return None;
            }
            place += 1;
        }
        let part = bytes.get(place..place + digits)?;
        number = number << (4 * digits) | u128::from(hexadecimal(part)?);
        place += digits;
    }
    Some(number)
}

/// The number that at most sixteen hexadecimal digits are, with letters in lower case.
fn hexadecimal(digits: &[u8]) -> Option<u64> {
    /// What each byte stands for; more than 15 for what is no digit.
    const DIGITS: [u8; 256] = {
        let mut table = [0xff; 256];
        let mut digit = 0;
        while digit < 16 {
            #[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
            {
                table[b"0123456789abcdef"[digit as usize] as usize] = digit;
            }
            digit += 1;
        }
        table
    };
    let (mut number, mut all) = (0, 0);
    for byte in digits {
        let digit = DIGITS.get(usize::from(*byte)).copied()?;
        all |= digit;
        number = number << 4 | u64::from(digit & 15);
    }
    (all < 16).then_some(number)
}

fn first_half(hash: &[u8]) -> u128 {
    hash.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// Remembers the latest events, at most [`Seen::AT_MOST`] and at least half as many.
///
/// That is 36 MB when full. Copies of an event are delivered minutes apart; an event that comes again after a million
/// others is taken for new, which costs a second detection with the same id.
#[derive(Debug, Default)]
pub struct Seen {
    latest: HashSet<EventId, Keys>,
    before: HashSet<EventId, Keys>,
}

/// Two secret numbers that an identity is mixed with, so that nobody can choose identities that are slow to find.
///
/// The standard library's way is safe with any bytes; these are sixteen, and of every event.
#[derive(Debug, Clone)]
struct Keys(u64, u64);

impl Default for Keys {
    fn default() -> Self {
        let random = RandomState::new();
        Self(random.hash_one(0), random.hash_one(1))
    }
}

impl BuildHasher for Keys {
    type Hasher = Mixed;

    fn build_hasher(&self) -> Mixed {
        Mixed { keys: self.clone(), hash: 0 }
    }
}

/// What an identity and the keys make.
struct Mixed {
    keys: Keys,
    hash: u64,
}

impl Mixed {
    /// Both halves of the product depend on all bits of both factors, neither of which is known to who chose them.
    #[expect(clippy::cast_possible_truncation, reason = "the halves are wanted")]
    fn mix(&mut self, high: u64, low: u64) {
        let product = u128::from(high ^ self.keys.0) * u128::from(low ^ self.keys.1 ^ self.hash);
        self.hash = product as u64 ^ (product >> 64) as u64;
    }
}

impl Hasher for Mixed {
    #[expect(clippy::cast_possible_truncation, reason = "the halves are wanted")]
    fn write_u128(&mut self, number: u128) {
        self.mix((number >> 64) as u64, number as u64);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.mix(u64::from(*byte), 1);
        }
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

impl Seen {
    /// Events that are remembered at most.
    pub const AT_MOST: usize = 2 * Self::HALF;
    /// What a table of 2^20 places holds before it grows.
    const HALF: usize = (1 << 20) / 8 * 7;
    /// Events up to which a table grows as it is needed; a scan of more gets all of it at once.
    const FEW: usize = 1 << 14;

    /// Whether an event was noted and has not been forgotten.
    #[must_use]
    pub fn contains(&self, event: EventId) -> bool {
        self.latest.contains(&event) || self.before.contains(&event)
    }

    /// Notes an event; `true` if it is new.
    pub fn insert(&mut self, event: EventId) -> bool {
        if self.before.contains(&event) {
            return false;
        }
        if self.latest.len() == Self::FEW {
            // Growing by doubling would move every event as often as it is asked for.
            self.latest.reserve(Self::HALF - Self::FEW);
        }
        let is_new = self.latest.insert(event);
        if self.latest.len() >= Self::HALF {
            std::mem::swap(&mut self.before, &mut self.latest);
            self.latest.clear();
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_new_once() {
        let mut seen = Seen::default();
        let event = EventId::of("450230d4-b39e-4a18-a6a0-d07a6e2105cb");
        assert!(seen.insert(event));
        assert!(!seen.insert(event));
        assert!(seen.insert(EventId::of("450230d4-b39e-4a18-a6a0-d07a6e2105cc")));
    }

    #[test]
    fn texts_that_are_no_uuid_are_told_apart_too() {
        let texts = [
            "",
            "e1",
            "e2",
            "450230D4-b39e-4a18-a6a0-d07a6e2105cb",
            "450230d4-b39e-4a18-a6a0-d07a6e2105cb",
            "450230d4b-39e-4a18-a6a0-d07a6e2105cb",
            "450230d40b39e-4a18-a6a0-d07a6e2105cb",
        ];
        let mut seen = Seen::default();
        assert!(texts.iter().all(|text| seen.insert(EventId::of(text))));
        assert!(texts.iter().all(|text| !seen.insert(EventId::of(text))));
    }

    #[test]
    fn the_latest_events_are_remembered_and_no_more() {
        let mut seen = Seen::default();
        let count = 3 * Seen::HALF as u128;
        assert!((0..count).all(|number| seen.insert(EventId(number))));
        assert!(seen.latest.len() + seen.before.len() <= Seen::AT_MOST);
        assert!((count - Seen::HALF as u128..count).all(|number| !seen.insert(EventId(number))));
        assert!(seen.insert(EventId(0)));
    }
}
