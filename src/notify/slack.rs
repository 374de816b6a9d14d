//! A message of [Block Kit](https://docs.slack.dev/reference/block-kit/blocks), within Slack's limits.

use serde_json::{Value, json};

use super::digest::{Digest, Section, shown};

/// Characters of a header block.
const MAX_HEADER: usize = 150;
/// Characters of a section block. Slack takes 3,000; what it counts of an escaped character is not said, so that they
/// are counted as they are sent.
const MAX_SECTION: usize = 2_900;
/// Rows of a section.
const MAX_ROWS: usize = 8;

/// The message.
pub(super) fn message(digest: &Digest, sample: &str) -> Value {
    let headline = shown(&digest.subject, MAX_HEADER - 1);
    let mut blocks = vec![json!({
        "type": "header",
        "text": { "type": "plain_text", "text": headline, "emoji": false },
    })];
    for notice in [sample, &digest.notice].into_iter().filter(|notice| !notice.is_empty()) {
        blocks.push(section(&[escaped(notice)]));
    }
    let facts: Vec<String> = digest
        .facts
        .iter()
        .map(|fact| format!("*{}*: {}", escaped(fact.name), escaped(&fact.value)))
        .collect();
    blocks.push(section(&facts));
    // The address is of the configuration, and has nothing in it that would end the link.
    if !digest.link.is_empty() {
        blocks.push(section(&[format!("<{}|The full report>", digest.link.replace(['<', '>', '|'], ""))]));
    }
    blocks.extend(digest.sections.iter().map(|part| section(&lines(part))));
    json!({
        // What a notification shows.
        "text": escaped(&headline),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

fn lines(part: &Section) -> Vec<String> {
    let mut lines = vec![format!("*{}*", escaped(part.title))];
    if !part.note.is_empty() {
        lines.push(escaped(&part.note));
    }
    for row in part.rows.iter().take(MAX_ROWS) {
        let mut words = Vec::new();
        if !row.severity.is_empty() {
            words.push(format!("*{}*", row.severity));
        }
        words.extend(row.cells.iter().map(|cell| match cell.note.as_str() {
            "" => escaped(&cell.text),
            note => format!("{} ({})", escaped(&cell.text), escaped(note)),
        }));
        lines.push(format!("• {}", words.join(" · ")));
    }
    let more = part.more + part.rows.len().saturating_sub(MAX_ROWS) as u64;
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// As many of the lines as fit; a line is not cut, since that could cut an escape.
fn section(lines: &[String]) -> Value {
    let mut text = String::new();
    let mut length = 0;
    for line in lines {
        let more = line.chars().count() + 1;
        if length + more > MAX_SECTION {
            text.push('…');
            break;
        }
        length += more;
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line);
    }
    // Verbatim: names that look like addresses or channels do not become links.
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

/// Text as [Slack wants it](https://docs.slack.dev/messaging/formatting-message-text#escaping): no mention and no link can be made
/// with it. The marks of its formatting get a companion that does not show and takes their meaning.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '*' | '_' | '~' | '`' => {
                safe.push('\u{200b}');
                safe.push(c);
                safe.push('\u{200b}');
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_make_no_mention_no_link_and_no_format() {
        assert_eq!(
            escaped("<!channel> & <https://evil.example|x>"),
            "&lt;!channel&gt; &amp; &lt;https://evil.example|x&gt;"
        );
        assert!(!escaped("*bold*").contains("*bold*"));
        let long = section(&["<".repeat(2_000), "x".repeat(2_000)].map(|text| escaped(&text)));
        assert_eq!(long["text"]["text"], "…");
    }
}
