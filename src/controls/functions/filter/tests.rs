mod language;
mod properties;
mod requirements;

use super::*;

fn read(pattern: &str) -> Pattern {
    pattern.parse().unwrap_or_else(|why| panic!("{pattern}: {why}"))
}

#[track_caller]
fn decides(event: &Value, expected: Match, patterns: &[&str]) {
    for pattern in patterns {
        assert_eq!(read(pattern).matches(event), expected, "{pattern}");
    }
}

#[track_caller]
fn is_undecided(event: &Value, patterns: &[&str]) {
    for pattern in patterns {
        let outcome = read(pattern).matches(event);
        assert!(matches!(outcome, Match::Undecided(_)), "{pattern}: {outcome:?}");
    }
}
