//! Counting: every attempt of every call, what was retried and throttled, and what the run covers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
    FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Aws;
use super::call::{Call, InFlight};
use super::endpoints::Endpoint;
use super::errors;
use super::window::Window;
use crate::inventory::{Cause, Coverage, CoverageError, CoverageState, Unseen};

/// What one operation cost in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperationCount {
    /// `service:Operation`.
    pub operation: String,
    /// Requests sent, pages and retries included.
    pub requests: u64,
    /// Requests that were repeats of a failed one.
    pub retries: u64,
    /// Answers that asked to slow down.
    pub throttles: u64,
    /// Time spent waiting for answers, added up over requests, in milliseconds.
    pub busy_ms: u64,
}

/// Running totals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests sent.
    pub requests: u64,
    /// Requests that were repeats.
    pub retries: u64,
    /// Answers that asked to slow down.
    pub throttles: u64,
}

/// What was called, and how it went.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Metered {
    /// Calls by operation.
    pub calls: Vec<OperationCount>,
    /// How they went, by place and operation.
    pub coverage: Vec<Coverage>,
}

impl OperationCount {
    /// One for each operation, by name.
    #[must_use]
    pub fn summed(calls: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut sums: BTreeMap<String, Self> = BTreeMap::new();
        for call in calls {
            match sums.get_mut(&call.operation) {
                Some(sum) => sum.add(&call),
                None => {
                    sums.insert(call.operation.clone(), call);
                }
            }
        }
        sums.into_values().collect()
    }

    /// Adds what was called besides.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.retries += other.retries;
        self.throttles += other.throttles;
        self.busy_ms += other.busy_ms;
    }
}

impl Tally {
    /// That of what was called.
    #[must_use]
    pub fn of(calls: &[OperationCount]) -> Self {
        calls.iter().fold(Self::default(), |sum, call| Self {
            requests: sum.requests + call.requests,
            retries: sum.retries + call.retries,
            throttles: sum.throttles + call.throttles,
        })
    }
}

/// The counters of one run.
#[derive(Debug)]
pub struct Meters {
    requests: AtomicU64,
    retries: AtomicU64,
    throttles: AtomicU64,
    operations: Mutex<BTreeMap<OperationKey, Counters>>,
    coverage: Mutex<BTreeMap<PlaceKey, CoverageCounters>>,
}

/// Account whose endpoint was asked, service, operation.
type OperationKey = (String, &'static str, String);

/// Account, region, service, operation.
type PlaceKey = (String, String, &'static str, &'static str);

#[derive(Debug, Clone, Copy)]
struct Counters {
    requests: u64,
    retries: u64,
    throttles: u64,
    busy: Duration,
}

#[derive(Debug)]
struct CoverageCounters {
    answered: u64,
    gone: u64,
    errors: Vec<CoverageError>,
}

impl Meters {
    pub(super) fn new() -> Self {
        Self {
            requests: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            throttles: AtomicU64::new(0),
            operations: Mutex::new(BTreeMap::new()),
            coverage: Mutex::new(BTreeMap::new()),
        }
    }

    /// The totals so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally {
            requests: self.requests.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            throttles: self.throttles.load(Ordering::Relaxed),
        }
    }

    /// Takes out what was called and how it went: all of it, or what was asked of one account. The totals stay.
    #[must_use]
    pub fn take(&self, account: Option<&str>) -> Metered {
        let is_meant = |of: &str| account.is_none_or(|account| account == of);
        let mut operations: BTreeMap<(&str, String), Counters> = BTreeMap::new();
        for ((_, service, operation), count) in taken(&self.operations, |(of, ..)| is_meant(of)) {
            operations.entry((service, operation)).or_insert(Counters::zero()).add(count);
        }
        let calls = operations.into_iter().map(|((service, operation), count)| OperationCount {
            operation: format!("{service}:{operation}"),
            requests: count.requests,
            retries: count.retries,
            throttles: count.throttles,
            busy_ms: u64::try_from(count.busy.as_millis()).unwrap_or(u64::MAX),
        });
        let rows = taken(&self.coverage, |(of, ..)| is_meant(of)).into_iter();
        Metered { calls: calls.collect(), coverage: rows.map(|(place, row)| row.told(place)).collect() }
    }

    /// Names the account of the calls that were made before it was known.
    pub(super) fn attribute_to(&self, account: &str) {
        let named = || account.to_owned();
        let rows = taken(&self.coverage, |(of, ..)| of.is_empty()).into_iter();
        let rows =
            rows.map(|((_, region, service, operation), row)| ((named(), region, service, operation), row));
        self.coverage.lock().unwrap_or_else(PoisonError::into_inner).extend(rows);
        let counts = taken(&self.operations, |(of, ..)| of.is_empty()).into_iter();
        let counts = counts.map(|((_, service, operation), count)| ((named(), service, operation), count));
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).extend(counts);
    }

    pub(super) fn record_answer(&self, account: &str, region: &str, call: &Call) {
        self.with_row(account, region, call, |row| row.answered += 1);
    }

    pub(super) fn record_gone(&self, account: &str, region: &str, call: &Call) {
        self.with_row(account, region, call, |row| row.gone += 1);
    }

    pub(super) fn record_unseen(&self, account: &str, region: &str, call: &Call, unseen: &Unseen) {
        self.with_row(account, region, call, |row| {
            match row.errors.iter_mut().find(|e| e.unseen == *unseen) {
                Some(known) => known.count += 1,
                None => row.errors.push(CoverageError { unseen: unseen.clone(), count: 1 }),
            }
        });
    }

    fn with_row(&self, account: &str, region: &str, call: &Call, change: impl FnOnce(&mut CoverageCounters)) {
        let mut coverage = self.coverage.lock().unwrap_or_else(PoisonError::into_inner);
        change(
            coverage
                .entry((account.to_owned(), region.to_owned(), call.service, call.operation))
                .or_insert_with(|| CoverageCounters { answered: 0, gone: 0, errors: Vec::new() }),
        );
    }

    fn count(
        &self,
        account: &str,
        service: &'static str,
        operation: &str,
        change: impl FnOnce(&mut Counters),
    ) {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (account.to_owned(), service, operation.to_owned());
        change(operations.entry(key).or_insert(Counters::zero()));
    }
}

/// Takes out the rows whose key is meant.
fn taken<K: Ord, V>(rows: &Mutex<BTreeMap<K, V>>, is_meant: impl Fn(&K) -> bool) -> BTreeMap<K, V> {
    let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
    let (meant, others) = std::mem::take(&mut *rows).into_iter().partition(|(key, _)| is_meant(key));
    *rows = others;
    meant
}

impl Counters {
    const fn zero() -> Self {
        Self { requests: 0, retries: 0, throttles: 0, busy: Duration::ZERO }
    }

    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.retries += other.retries;
        self.throttles += other.throttles;
        self.busy += other.busy;
    }
}

impl CoverageCounters {
    fn told(mut self, (account, region, service, operation): PlaceKey) -> Coverage {
        let unanswered: u64 = self.errors.iter().map(|e| e.count).sum();
        self.errors
            .sort_by(|a, b| (&a.unseen.code, &a.unseen.message).cmp(&(&b.unseen.code, &b.unseen.message)));
        Coverage {
            account,
            region,
            service: service.to_owned(),
            operation: operation.to_owned(),
            state: match (self.answered + self.gone, unanswered) {
                (_, 0) => CoverageState::Ok,
                (0, _) => CoverageState::Failed,
                _ => CoverageState::Partial,
            },
            answered: self.answered,
            unanswered,
            gone: self.gone,
            errors: self.errors,
        }
    }
}

/// Sits in every client: counts attempts, learns which endpoints answer, and refuses broken bodies.
#[derive(Debug)]
pub(super) struct Meter {
    aws: Arc<Aws>,
    endpoint: Arc<Endpoint>,
    window: Arc<Window>,
    account: String,
    region: String,
    service: &'static str,
}

/// When the attempt in flight was sent.
#[derive(Debug)]
struct Sent(tokio::time::Instant);

impl aws_smithy_types::config_bag::Storable for Sent {
    type Storer = aws_smithy_types::config_bag::StoreReplace<Self>;
}

/// Which attempt of the call is in flight, from 1.
#[derive(Debug, Clone, Copy)]
struct AttemptNumber(u32);

impl aws_smithy_types::config_bag::Storable for AttemptNumber {
    type Storer = aws_smithy_types::config_bag::StoreReplace<Self>;
}

impl Meter {
    pub(super) fn new(
        aws: Arc<Aws>,
        account: String,
        region: String,
        endpoint_region: String,
        service: &'static str,
    ) -> Self {
        let endpoint = aws.endpoints.get(service, &endpoint_region);
        let window = aws.windows.get(&account, &endpoint_region, service);
        Self { aws, endpoint, window, account, region, service }
    }
}

fn operation(cfg: &ConfigBag) -> &str {
    cfg.load::<Metadata>().map_or("", Metadata::name)
}

#[dyn_dispatch_hint]
impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn read_before_attempt(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let attempt = cfg.load::<AttemptNumber>().map_or(1, |n| n.0 + 1);
        let is_retry = attempt > 1;
        let meters = &self.aws.meters;
        meters.requests.fetch_add(1, Ordering::Relaxed);
        meters.retries.fetch_add(u64::from(is_retry), Ordering::Relaxed);
        meters.count(&self.account, self.service, operation(cfg), |count| {
            count.requests += 1;
            count.retries += u64::from(is_retry);
        });
        cfg.interceptor_state().store_put(AttemptNumber(attempt));
        cfg.interceptor_state().store_put(Sent(tokio::time::Instant::now()));
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        if !response.status().is_success() {
            return Ok(());
        }
        let flight = InFlight::current();
        if flight.as_ref().is_some_and(|flight| flight.call.opaque) {
            return Ok(());
        }
        let body = response.body().bytes().unwrap_or_default();
        errors::check_body(body, flight.as_ref().map(|flight| flight.call.marker))?;
        if let Some(flight) = flight.filter(|flight| flight.call.paged) {
            flight.note_page(errors::announces_more(flight.call.service, body));
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let busy = cfg.load::<Sent>().map_or(Duration::ZERO, |sent| sent.0.elapsed());
        let attempt = errors::Attempt::of(context);
        let throttled = matches!(attempt, errors::Attempt::Throttled(_));
        if let Some(flight) = InFlight::current() {
            flight.note_trouble(match attempt {
                errors::Attempt::Throttled(code) => Some((Cause::Throttled, code.to_owned())),
                errors::Attempt::ServerError(status) => Some((Cause::Failed, format!("HTTP{status}"))),
                _ => None,
            });
        }
        self.aws.meters.throttles.fetch_add(u64::from(throttled), Ordering::Relaxed);
        self.aws.meters.count(&self.account, self.service, operation(cfg), |count| {
            count.throttles += u64::from(throttled);
            count.busy += busy;
        });
        match attempt {
            errors::Attempt::Silent { connected, message } => {
                self.endpoint.silent(connected, &message);
            }
            errors::Attempt::Throttled(_) => {
                self.endpoint.answered();
                self.window.throttled(tokio::time::Instant::now());
            }
            errors::Attempt::Answered | errors::Attempt::ServerError(_) => {
                self.endpoint.answered();
                self.window.answered();
            }
            errors::Attempt::Broken => {}
        }
        tracing::debug!(
            account = %self.account,
            region = %self.region,
            service = self.service,
            operation = operation(cfg),
            ms = u64::try_from(busy.as_millis()).unwrap_or(u64::MAX),
            throttled,
            "attempt ended"
        );
        Ok(())
    }
}
