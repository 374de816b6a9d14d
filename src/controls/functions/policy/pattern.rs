//! Patterns with `*` and `?`, as in the actions and resources of a policy.

/// A pattern in normal form: in each run of wildcards the `?` come first, then at most one `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// One character.
    Only(char),
    /// Any one character: `?`.
    One,
    /// Any number of characters: `*`.
    Many,
}

impl Token {
    /// Whether every character that `other` stands for is one that this stands for.
    fn takes(self, other: Self) -> bool {
        match (self, other) {
            (Self::Only(one), Self::Only(another)) => one == another,
            (Self::One, Self::Only(_) | Self::One) => true,
            _ => false,
        }
    }
}

impl Pattern {
    /// A pattern in which case matters, such as a resource.
    pub(crate) fn new(pattern: &str) -> Self {
        Self(normal(pattern.chars().map(|c| match c {
            '*' => Token::Many,
            '?' => Token::One,
            only => Token::Only(only),
        })))
    }

    /// A pattern of actions, in which case does not matter.
    pub(super) fn of_actions(pattern: &str) -> Self {
        Self::new(&pattern.to_ascii_lowercase())
    }

    /// Exactly this text, whatever is in it.
    pub(crate) fn exactly(text: &str) -> Self {
        Self(text.chars().map(Token::Only).collect())
    }

    /// Everything that begins with this text and goes on.
    pub(super) fn beginning(text: &str) -> Self {
        let mut pattern = Self::exactly(text);
        pattern.0.extend([Token::One, Token::Many]);
        pattern
    }

    /// Whether this matches everything that `other` matches; with `other` an exact text, whether it matches that.
    ///
    /// `other` is matched as if it were a text whose wildcards are characters that nothing but a wildcard of
    /// at least their kind takes. Takes at most as many steps as the product of the lengths.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let (mut at, mut other_at) = (0, 0);
        // Where to go on if what follows the last `*` does not fit: the `*` takes one more.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            match (self.0.get(at), other.0.get(other_at)) {
                (None, None) => return true,
                (Some(Token::Many), _) => {
                    at += 1;
                    retry = Some((at, other_at));
                    continue;
                }
                (Some(mine), Some(theirs)) if mine.takes(*theirs) => {
                    at += 1;
                    other_at += 1;
                    continue;
                }
                _ => {}
            }
            match retry {
                Some((after_star, taken)) if taken < other.0.len() => {
                    at = after_star;
                    other_at = taken + 1;
                    retry = Some((after_star, other_at));
                }
                _ => return false,
            }
        }
    }

    /// Whether a policy variable such as `${aws:username}` is in it, whose value only a request has.
    pub(super) fn has_variable(&self) -> bool {
        self.0.windows(2).any(|pair| pair == [Token::Only('$'), Token::Only('{')])
    }

    /// Whether it might match a text that begins so; when not, it surely matches none.
    pub(super) fn may_begin(&self, beginning: &str) -> bool {
        let mut tokens = self.0.iter();
        for c in beginning.chars() {
            match tokens.next() {
                Some(Token::Many) => return true,
                Some(token) if token.takes(Token::Only(c)) => {}
                _ => return false,
            }
        }
        true
    }
}

fn normal(tokens: impl Iterator<Item = Token>) -> Vec<Token> {
    let mut found = Vec::new();
    let mut has_star = false;
    for token in tokens {
        match token {
            Token::Many => has_star = true,
            Token::One => found.push(token),
            Token::Only(_) => {
                if has_star {
                    found.push(Token::Many);
                    has_star = false;
                }
                found.push(token);
            }
        }
    }
    if has_star {
        found.push(Token::Many);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).covers(&Pattern::exactly(text))
    }

    #[test]
    fn wildcards_match_as_in_policies() {
        assert!(matches("*", ""));
        assert!(matches("s3:Get*", "s3:GetObject"));
        assert!(matches("s3:Get*", "s3:Get"));
        assert!(matches("s3:*Object", "s3:GetObjectObject"));
        assert!(matches("arn:aws:s3:::log?/*", "arn:aws:s3:::logs/a/b"));
        assert!(!matches("s3:Get?", "s3:Get"));
        assert!(!matches("s3:Get*", "s3:PutObject"));
        assert!(!matches("s3:get*", "s3:GetObject"));
        assert!(!matches("", "a"));
        assert!(Pattern::of_actions("S3:gET*").covers(&Pattern::of_actions("s3:GetObject")));
    }

    #[test]
    fn covering_is_matching_all_that_the_other_matches() {
        let covers = |outer, inner| Pattern::new(outer).covers(&Pattern::new(inner));
        assert!(covers("*", "s3:*"));
        assert!(covers("s3:*", "s3:Get*"));
        assert!(covers("s3:?*", "s3:*?"));
        assert!(covers("*?", "?*"));
        assert!(covers("a*b*c", "a?b*xc"));
        assert!(!covers("s3:Get*", "s3:*"));
        assert!(!covers("s3:??*", "s3:?*"));
        assert!(!covers("?", "*"));
    }

    #[test]
    fn the_begin_of_a_pattern_tells_what_it_cannot_match() {
        let may_begin = |pattern, beginning| Pattern::new(pattern).may_begin(beginning);
        assert!(may_begin("s3:Get*", "s3:"));
        assert!(may_begin("s*", "s3:"));
        assert!(may_begin("?3:x", "s3:"));
        assert!(!may_begin("iam:*", "s3:"));
        assert!(!may_begin("s3", "s3:"));
        assert!(!may_begin("", "s3:"));
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = Pattern::new(&("*a".repeat(1_000) + "b"));
        assert!(!pattern.covers(&Pattern::exactly(&"a".repeat(2_000))));
    }

    fn small_pattern() -> impl Strategy<Value = String> {
        proptest::collection::vec(prop::sample::select(vec!['a', 'b', '*', '?']), 0..7)
            .prop_map(|chars| chars.into_iter().collect())
    }

    fn regex(pattern: &str) -> regex::Regex {
        regex::Regex::new(&format!("^{}$", pattern.replace('?', ".").replace('*', ".*"))).unwrap()
    }

    proptest! {
        #[test]
        fn matching_agrees_with_regex(pattern in small_pattern(), text in "[abc]{0,8}") {
            prop_assert_eq!(matches(&pattern, &text), regex(&pattern).is_match(&text));
        }

        #[test]
        fn what_is_covered_is_matched(outer in small_pattern(), inner in small_pattern(), text in "[abc]{0,8}") {
            let covers = Pattern::new(&outer).covers(&Pattern::new(&inner));
            if covers && matches(&inner, &text) {
                prop_assert!(matches(&outer, &text));
            }
            // The other direction, for the shapes that the functions ask about.
            for (beginning, universe) in [("", "?*"), ("a", "a?*"), ("ab", "ab?*")] {
                let covers = Pattern::new(&outer).covers(&Pattern::beginning(beginning));
                prop_assert_eq!(covers, Pattern::new(&outer).covers(&Pattern::new(universe)));
                // `z` is in no pattern, so only wildcards take it.
                let all = (1..=9).all(|n| matches(&outer, &format!("{beginning}{}", "z".repeat(n))));
                prop_assert_eq!(covers, all);
            }
        }

        #[test]
        fn what_may_not_begin_so_never_does(pattern in small_pattern(), beginning in "[ab]{0,3}", rest in "[ab]{0,4}") {
            if matches(&pattern, &format!("{beginning}{rest}")) {
                prop_assert!(Pattern::new(&pattern).may_begin(&beginning));
            }
        }
    }
}
