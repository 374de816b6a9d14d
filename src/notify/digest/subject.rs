//! The outcome of a run in one line.

use super::{ChangeNumbers, Numbers};

/// Such as `3 new failures (1 critical), 2 resolved, 5 not observed`. `judged` is how many findings the run has.
pub(super) fn headline(numbers: Numbers, judged: u64) -> String {
    if judged == 0 {
        return "nothing was judged".to_owned();
    }
    let mut words = match numbers.changes {
        Some(changes) => of_changes(numbers, changes),
        None => of_state(numbers),
    };
    if numbers.detections > 0 {
        words.push(format!("{} {} in events", numbers.detections, detections(numbers.detections)));
    }
    if numbers.waived > 0 {
        words.push(format!("{} waived", numbers.waived));
    }
    if numbers.not_observed > 0 {
        words.push(format!("{} not observed", numbers.not_observed));
    }
    words.join(", ")
}

fn of_changes(numbers: Numbers, changes: ChangeNumbers) -> Vec<String> {
    let ChangeNumbers { new, new_critical, newly_judged, resolved, no_longer_observed } = changes;
    let mut words = Vec::new();
    if new > 0 {
        words.push(format!("{new} new {}{}", failures(new), critical(new_critical)));
    }
    if newly_judged > 0 {
        words.push(format!("{newly_judged} {} seen for the first time", failures(newly_judged)));
    }
    if resolved > 0 {
        words.push(format!("{resolved} resolved"));
    }
    if no_longer_observed > 0 {
        words.push(format!("{no_longer_observed} no longer observed"));
    }
    match (words.is_empty(), numbers.failing) {
        (false, _) => words,
        (true, 0) => of_state(numbers),
        (true, n) => vec![format!("no change, {n} still failing{}", critical(numbers.critical))],
    }
}

fn of_state(numbers: Numbers) -> Vec<String> {
    vec![match numbers.failing {
        0 if numbers.not_observed > 0 => "nothing that was seen fails".to_owned(),
        0 if numbers.waived > 0 => "nothing fails that is not waived".to_owned(),
        0 => "nothing fails".to_owned(),
        n => format!("{n} {}{}", failures(n), critical(numbers.critical)),
    }]
}

const fn failures(n: u64) -> &'static str {
    if n == 1 { "failure" } else { "failures" }
}

const fn detections(n: u64) -> &'static str {
    if n == 1 { "detection" } else { "detections" }
}

fn critical(n: u64) -> String {
    if n == 0 { String::new() } else { format!(" ({n} critical)") }
}

/// The line for where only printable ASCII is allowed, less than `max` characters long, as
/// [SNS wants it](https://docs.aws.amazon.com/sns/latest/api/API_Publish.html).
pub(in crate::notify) fn ascii(line: &str, max: usize) -> String {
    line.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).take(max).collect()
}
