//! The daemon's numbers, for Prometheus.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use jiff::{SignedDuration, Timestamp};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use super::state::{Ended, Outcome};
use crate::controls::{Severity, VerdictKind};
use crate::report::Report;

/// What [`Metrics::text`] is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;
type Numbers = Family<Labels, Gauge<i64>>;
type Fractions = Family<Labels, Gauge<f64, AtomicU64>>;
type Counters = Family<Labels, Counter>;

/// The daemon's numbers. Labels are names of jobs and words of ours, so that there is a bounded number of them.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    runs: Counters,
    running: Numbers,
    next_run: Numbers,
    last_success: Numbers,
    duration: Fractions,
    findings: Numbers,
    new_failures: Numbers,
    coverage: Fractions,
    requests: Counters,
    retries: Counters,
    throttles: Counters,
}

impl Metrics {
    /// With the counters of these jobs at 0: a counter that appears with its first failure has not gone up.
    pub(super) fn new<'a>(jobs: impl Iterator<Item = &'a str>) -> Self {
        let mut registry = Registry::with_prefix("upright");
        let metrics = Self {
            runs: add(&mut registry, "runs", "Runs that ended, by job and outcome"),
            running: add(&mut registry, "running", "1 while a run of the job is under way"),
            next_run: add(&mut registry, "next_run_timestamp_seconds", "When the job starts next"),
            last_success: add(
                &mut registry,
                "last_success_timestamp_seconds",
                "When the last run of the job that was done ended; only those of this process",
            ),
            duration: add(&mut registry, "run_duration_seconds", "How long the last run of the job took"),
            findings: add(&mut registry, "findings", "Findings of the last run that was done"),
            new_failures: add(
                &mut registry,
                "new_failures",
                "Findings that fail in the last run that was done, and did not in the one before",
            ),
            coverage: add(
                &mut registry,
                "coverage_ratio",
                "Calls that AWS answered in the last run that was done, of all that were made",
            ),
            requests: add(&mut registry, "api_requests", "Requests to AWS, retries included"),
            retries: add(&mut registry, "api_retries", "Requests to AWS that repeated a failed one"),
            throttles: add(&mut registry, "api_throttles", "Answers of AWS that asked to slow down"),
            registry,
        };
        for job in jobs {
            for outcome in Outcome::ALL {
                metrics.runs.get_or_create(&labels(job, &[("outcome", outcome.as_str())])).inc_by(0);
            }
            metrics.running.get_or_create(&labels(job, &[])).set(0);
            for counter in [&metrics.requests, &metrics.retries, &metrics.throttles] {
                counter.get_or_create(&labels(job, &[])).inc_by(0);
            }
        }
        metrics
    }

    /// In the text format.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        in_order(&text)
    }

    pub(super) fn waits(&self, job: &str, next: Option<Timestamp>) {
        let labels = labels(job, &[]);
        match next {
            Some(next) => drop(self.next_run.get_or_create(&labels).set(next.as_second())),
            None => drop(self.next_run.remove(&labels)),
        }
    }

    pub(super) fn begins(&self, job: &str) {
        self.running.get_or_create(&labels(job, &[])).set(1);
    }

    pub(super) fn ends(&self, job: &str, ended: &Ended, took: SignedDuration, report: Option<&Report>) {
        let own = labels(job, &[]);
        self.running.get_or_create(&own).set(0);
        self.runs.get_or_create(&labels(job, &[("outcome", ended.outcome.as_str())])).inc();
        self.duration.get_or_create(&own).set(took.as_secs_f64());
        let Some(report) = report else { return };
        self.last_success.get_or_create(&own).set(ended.at.as_second());
        self.requests.get_or_create(&own).inc_by(report.run.requests);
        self.retries.get_or_create(&own).inc_by(report.run.retries);
        self.throttles.get_or_create(&own).inc_by(report.run.throttles);
        self.coverage.get_or_create(&own).set(coverage(report));
        self.count_findings(job, report);
    }

    fn count_findings(&self, job: &str, report: &Report) {
        let mut findings: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        let mut new: BTreeMap<&str, i64> = BTreeMap::new();
        for severity in Severity::WORST_FIRST {
            new.insert(severity.as_str(), 0);
            for verdict in VerdictKind::ALL {
                findings.insert((severity.as_str(), verdict.as_str()), 0);
            }
        }
        let known: std::collections::HashSet<&str> =
            report.changes.iter().flat_map(|changes| &changes.new).map(String::as_str).collect();
        for finding in &report.findings {
            *findings.entry((finding.severity.as_str(), finding.verdict.as_str())).or_insert(0) += 1;
            if known.contains(finding.id.as_str()) {
                *new.entry(finding.severity.as_str()).or_insert(0) += 1;
            }
        }
        for ((severity, verdict), count) in findings {
            let labels = labels(job, &[("severity", severity), ("verdict", verdict)]);
            self.findings.get_or_create(&labels).set(count);
        }
        for (severity, count) in new {
            self.new_failures.get_or_create(&labels(job, &[("severity", severity)])).set(count);
        }
    }
}

/// The samples of each metric by their labels: the crate has them in the order of a hash table.
fn in_order(text: &str) -> String {
    let is_comment = |line: &str| line.starts_with('#');
    let mut lines: Vec<&str> = text.lines().collect();
    for samples in lines.chunk_by_mut(|a, b| is_comment(a) == is_comment(b)) {
        if samples.first().is_some_and(|line| !is_comment(line)) {
            samples.sort_unstable();
        }
    }
    lines.iter().flat_map(|line| [*line, "\n"]).collect()
}

fn add<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn labels(job: &str, more: &[(&'static str, &str)]) -> Labels {
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    std::iter::once(("job", job.to_owned())).chain(more).collect()
}

/// Calls that were answered, of all; 1 where none was made.
#[expect(clippy::cast_precision_loss, reason = "a ratio for a graph")]
fn coverage(report: &Report) -> f64 {
    let sum = |of: fn(&crate::inventory::Coverage) -> u64| report.coverage.iter().map(of).sum::<u64>();
    let (answered, unanswered) = (sum(|row| row.answered), sum(|row| row.unanswered));
    if unanswered == 0 { 1.0 } else { answered as f64 / (answered + unanswered) as f64 }
}
