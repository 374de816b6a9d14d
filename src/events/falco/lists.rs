//! Lists in the text of conditions.

use super::exception::literal;

/// The condition with the names of lists replaced by their items.
///
/// As in Falco this is done to the text: a name stands between blanks, `(`, `)`, `,`, `=` or the ends. What stands
/// in quotation marks is the rule's own text, and is left alone.
pub(super) fn with_lists(condition: &str, lists: &[(String, Vec<String>)]) -> String {
    let mut text = String::with_capacity(condition.len());
    let mut rest = condition;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => quoted_length(rest, first),
            c if is_delimiter(c) => c.len_utf8(),
            _ => rest.find(|c: char| is_delimiter(c) || c == '"' || c == '\'').unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        rest = after;
        match lists.iter().find(|(name, _)| name == word) {
            Some((_, items)) => rest = push_items(&mut text, items, rest),
            None => text.push_str(word),
        }
    }
    text
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | ',' | '=')
}

/// The length of a text in quotation marks, which it begins with.
fn quoted_length(text: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == mark => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Writes a list's items, and returns what follows them: without items their comma goes too.
fn push_items<'t>(text: &mut String, items: &[String], rest: &'t str) -> &'t str {
    let bare_operator = ["in", "intersects", "pmatch"].iter().any(|operator| {
        text.ends_with(char::is_whitespace) && text.trim_end().rsplit(is_delimiter).next() == Some(operator)
    });
    let written = items.iter().map(|item| literal(item)).collect::<Vec<_>>().join(", ");
    if bare_operator {
        text.extend(["(", &written, ")"]);
    } else {
        text.push_str(&written);
    }
    if !items.is_empty() || bare_operator {
        return rest;
    }
    if let Some(after) = rest.trim_start().strip_prefix(',') {
        return after;
    }
    let kept = text.trim_end();
    if let Some(kept) = kept.strip_suffix(',') {
        text.truncate(kept.len());
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_where_they_stand_alone() {
        let lists = [
            ("users".to_owned(), vec!["alice".to_owned(), "carol smith".to_owned(), "a\"b".to_owned()]),
            ("one".to_owned(), vec!["x".to_owned()]),
            ("none".to_owned(), Vec::new()),
        ];
        for (condition, expected) in [
            ("a.b in (users, z)", r#"a.b in (alice, "carol smith", "a\"b", z)"#),
            ("a.b=one and a.c = one", "a.b=x and a.c = x"),
            (
                "a.b in (none, z) or a.b in (z, none) or a.b in (none)",
                "a.b in ( z) or a.b in (z) or a.b in ()",
            ),
            ("a.b in one or a.b in none", "a.b in (x) or a.b in ()"),
            ("users.x in (ones, one.y)", "users.x in (ones, one.y)"),
            (r#"a.b = "the one \" one" and a.c = 'one'"#, r#"a.b = "the one \" one" and a.c = 'one'"#),
            ("a.b = 'one", "a.b = 'one"),
        ] {
            assert_eq!(with_lists(condition, &lists), expected);
        }
    }
}
