//! The end of the page: every operation with what it cost and how it was answered.

use std::collections::BTreeMap;

use serde::Serialize;

use super::pages::Role;
use crate::report::{Report, RunInfo, text};

#[derive(Serialize)]
pub(super) struct End<'a> {
    run: &'a RunInfo,
    /// Whether the page is about one account, while the requests are those of the run.
    is_part: bool,
    operations: Vec<Operation>,
    ended: String,
}

/// An operation over the whole run. Calls are counted by what was asked, requests by what was sent.
#[derive(Serialize)]
struct Operation {
    operation: String,
    requests: u64,
    retries: u64,
    throttles: u64,
    waited: String,
    places: u64,
    answered: u64,
    unanswered: u64,
    gone: u64,
}

impl Operation {
    const fn named(operation: String) -> Self {
        Self {
            operation,
            requests: 0,
            retries: 0,
            throttles: 0,
            waited: String::new(),
            places: 0,
            answered: 0,
            unanswered: 0,
            gone: 0,
        }
    }
}

impl<'a> End<'a> {
    pub(super) fn of(report: &'a Report, role: Role<'_>) -> Self {
        let mut operations: BTreeMap<String, Operation> = BTreeMap::new();
        for cost in &report.run.calls {
            let name = cost.operation.clone();
            let row = operations.entry(name.clone()).or_insert_with(|| Operation::named(name));
            row.requests += cost.requests;
            row.retries += cost.retries;
            row.throttles += cost.throttles;
            row.waited = text::duration(cost.busy_ms);
        }
        for place in &report.coverage {
            let name = format!("{}:{}", place.service, place.operation);
            let row = operations.entry(name.clone()).or_insert_with(|| Operation::named(name));
            row.places += 1;
            row.answered += place.answered;
            row.unanswered += place.unanswered;
            row.gone += place.gone;
        }
        Self {
            run: &report.run,
            is_part: matches!(role, Role::Account),
            operations: operations.into_values().collect(),
            ended: text::time(&report.run.finished_at),
        }
    }
}
