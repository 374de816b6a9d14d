//! Text within the limits of the format.

use crate::report::text::printable;

/// The text without hidden characters and with at most `max` characters, the last of them `…` where it was cut.
pub(super) fn limited(text: &str, max: usize) -> String {
    let text = printable(text);
    match text.char_indices().nth(max) {
        None => text.into_owned(),
        Some(_) => {
            let kept: String = text.chars().take(max.saturating_sub(1)).collect();
            format!("{kept}…")
        }
    }
}

/// Whether [AWS takes it](https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html) as
/// the key or value of a tag: letters, digits, spaces and `_.:/=+-@`.
pub(super) fn is_tag_text(text: &str, max: usize) -> bool {
    let is_taken = |c: char| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c);
    text.chars().count() <= max && text.chars().all(is_taken)
}
