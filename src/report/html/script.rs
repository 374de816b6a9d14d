//! The page's one script, joined from its modules.

/// The script.
pub(super) fn bundle() -> &'static str {
    include_str!("../../../templates/report/script/main.mjs")
}
