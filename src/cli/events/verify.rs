//! `--verify`: whether delivered log files are the ones that CloudTrail delivered.

use std::path::Path;

use super::scan::Run;
use crate::cli::Stopped;
use crate::events::remote::verify::{Chain, Lines};
use crate::scan::announced::Listener;
use crate::scan::sources::Sources;

/// Checks what the sources have of digests, and notes what comes of it.
pub(super) fn verify(
    sources: &mut Sources<'_>,
    public_keys: Option<&Path>,
    run: &mut Run<'_>,
) -> Result<(), Stopped> {
    let mut chains = 0_u64;
    sources.verify(public_keys, |chain| {
        chains += 1;
        tell(&chain, run);
    })?;
    if chains == 0 {
        run.lacking("not verified: there are no digests; give the folder AWSLogs of the trail".to_owned());
    }
    Ok(())
}

fn tell(chain: &Chain, run: &mut Run<'_>) {
    let young = if chain.young > 0 {
        format!(", {} log files too young to be in a digest", chain.young)
    } else {
        String::new()
    };
    run.note(format!(
        "verified {}: {} digests valid, {} log files unchanged{young}, {} failures, {} not checked",
        chain.name, chain.valid, chain.unchanged, chain.broken.count, chain.unchecked.count
    ));
    for line in lines(&chain.broken) {
        run.failing(format!("not as delivered: {line}"));
    }
    for line in lines(&chain.unchecked) {
        run.lacking(format!("not checked: {line}"));
    }
}

fn lines(lines: &Lines) -> impl Iterator<Item = String> {
    let kept = u64::try_from(lines.kept.len()).unwrap_or(u64::MAX);
    let more = lines.count.saturating_sub(kept);
    let more = (more > 0).then(|| format!("and {more} more"));
    lines.kept.iter().cloned().chain(more)
}
