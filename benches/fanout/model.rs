//! What AWS's limits make of the steps before the last, and what all of them cost: a model, whose assumptions are here.

use crate::organization::Organization;

/// Answers of AWS take about so long.
const LATENCY_SECONDS: f64 = 0.06;
/// Calls in flight of one function.
const CONCURRENCY: f64 = 64.0;
/// Waves of calls in which each needs the answers of the one before (see the bench `scan`).
const WAVES: f64 = 6.0;
/// CPU time of one call, signing and parsing, on the share of a core that 1,024 MB get.
const CPU_SECONDS: f64 = 0.0015;
/// Start of a function that is not warm, credentials and role included.
const START_SECONDS: f64 = 1.0;
/// Memory of the functions, GB.
const SCAN_GB: f64 = 1.0;
const FINISH_GB: f64 = 3.0;
/// Dollars: Lambda on arm64 for a GB-second and a request, a state transition, S3 requests; us-east-1, 2026.
const GB_SECOND: f64 = 0.000_013_333_4;
const REQUEST: f64 = 0.000_000_2;
const TRANSITION: f64 = 0.000_025;
const PUT: f64 = 0.000_005;
const GET: f64 = 0.000_000_4;

/// Wall time and cost of a run of so many accounts, `finish` having taken so long for each.
pub fn table(organization: &Organization, finish_seconds: f64) -> String {
    let calls = organization.calls() as f64;
    let account = START_SECONDS
        + (calls * LATENCY_SECONDS / CONCURRENCY).max(WAVES * LATENCY_SECONDS).max(calls * CPU_SECONDS);
    let mut text = format!(
        "One account: {calls} calls, {account:.1} s by the model.\n\n\
         | accounts | at once | scan-account | finish | wall | dollars a run |\n|---|---|---|---|---|---|\n"
    );
    for (accounts, at_once) in [(100.0_f64, 20.0), (100.0, 100.0), (1_000.0, 100.0), (1_000.0, 500.0)] {
        let scanning = (accounts / at_once).ceil() * account;
        let finish = finish_seconds * accounts;
        let dollars = accounts * account * SCAN_GB * GB_SECOND
            + finish * FINISH_GB * GB_SECOND
            + (accounts + 2.0) * (REQUEST + 2.0 * TRANSITION)
            + accounts * (4.0 * PUT + 3.0 * GET);
        text.push_str(&format!(
            "| {accounts} | {at_once} | {scanning:.0} s | {finish:.0} s | {:.0} s | {dollars:.3} |\n",
            START_SECONDS + scanning + finish
        ));
    }
    text
}
