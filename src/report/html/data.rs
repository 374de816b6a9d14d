//! The data of the findings explorer: everything it shows, as compact as gzip makes it.
//!
//! The block is base64 of gzip of one JSON object. What many findings share (a control, a reason, a resource,
//! what was read) stands once in a table, and findings are columns of positions in these tables; a run of
//! 100,000 findings is a few megabytes so. The reader is `templates/report/script/data.mjs`.
//!
//! | Key | Content |
//! | --- | --- |
//! | `format` | version of this layout |
//! | `verdicts`, `severities`, `statuses`, `states` | the words that columns of numbers stand for |
//! | `accounts` | columns `id`, `name` |
//! | `regions`, `types`, `reasons`, `paths`, `remedies`, `calls` | texts |
//! | `tags`, `statements` | objects |
//! | `controls` | the controls as `report.json` has them, without totals |
//! | `frameworks` | `id`, `title`, `requirements`: `id`, `title`, `accounts`: for each account the digit of its status, or `-` |
//! | `resources` | columns `arn`, `name`, `type`, `tags` |
//! | `read` | columns of what a control read: `path`, `value`, and `cut`, the positions of shortened values |
//! | `evidence` | lists of positions in `read` |
//! | `unseen` | columns of what was not observed: `account`, `region`, `call`, `cause`, `code`, `message`, `remedy`, `statement` (+ 1, 0 is none) |
//! | `findings` | columns `id`, `control`, `account`, `region`, `verdict`, `severity`, `reason`, `resource`, `evidence`, `unseen` (+ 1, 0 is none) |
//! | `coverage` | columns `account`, `region`, `call`, `state`, `answered`, `unanswered`, `gone`; `errors`: row, position in `unseen`, times |
//! | `waivers` | the waivers that findings have or had: `reason`, `author`, `ticket`, `expires`, and `ending`, why one holds no longer |
//! | `risks` | the risks of failures: `score`, `parts` with `why` and `points`; `risk`, pairs of the position of a finding and of its risk |
//! | `waived` | pairs of the position of a finding and of its waiver |
//! | `changed` | the latest change of a finding's resource: its position, who made it in words, and the program that was used or null |
//! | `new` | positions of the findings that are new since the earlier run; null without one |
//!
//! `findings.id` is one text with the ids' shortest unique prefixes, at least 12 digits each, between spaces.
//! `findings.resource` and `findings.evidence` hold the difference to the row before: neighbours of a control
//! are neighbours in the tables, and gzip likes repeated ones.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::Value;

use crate::controls::{Evidence, RequirementStatus, Severity, VerdictKind};
use crate::findings::{Finding, Risk, WaiverEnd};
use crate::inventory::{Coverage, CoverageState, Unseen};
use crate::report::{ControlRow, FrameworkRow, Report, WriteError};

/// Version of the layout.
const FORMAT: u32 = 1;

/// Fewest digits of an id, so that a link lives on when other findings come.
const SHORTEST_ID: usize = 12;

const STATES: [CoverageState; 3] = [CoverageState::Ok, CoverageState::Partial, CoverageState::Failed];

/// base64(gzip(JSON)) of everything the explorer needs.
///
/// # Errors
/// When the JSON cannot be written, which memory never refuses.
pub(super) fn block(report: &Report) -> Result<String, WriteError> {
    packed(&Block::of(report))
}

/// base64(gzip(JSON)), which stands in the page.
///
/// # Errors
/// When the JSON cannot be written, which memory never refuses.
pub(super) fn packed(block: &impl Serialize) -> Result<String, WriteError> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    serde_json::to_writer(&mut gzip, block).map_err(std::io::Error::from)?;
    Ok(aws_smithy_types::base64::encode(gzip.finish()?))
}

#[derive(Serialize)]
struct Block<'a> {
    format: u32,
    verdicts: [VerdictKind; 4],
    severities: [Severity; 5],
    statuses: [RequirementStatus; 8],
    states: [CoverageState; 3],
    controls: Vec<ControlData<'a>>,
    frameworks: Vec<FrameworkData<'a>>,
    findings: Findings,
    coverage: Calls,
    waivers: Vec<WaiverData<'a>>,
    waived: Vec<(usize, usize)>,
    risks: Vec<&'a Risk>,
    risk: Vec<(usize, usize)>,
    changed: Vec<(usize, String, Option<&'a str>)>,
    new: Option<Vec<usize>>,
    #[serde(flatten)]
    tables: Tables<'a>,
}

impl<'a> Block<'a> {
    fn of(report: &'a Report) -> Self {
        let mut tables = Tables::of(report);
        let controls: HashMap<&str, usize> =
            report.controls.iter().enumerate().map(|(at, control)| (control.id.as_str(), at)).collect();
        let findings = Findings::of(&report.findings, &controls, &mut tables);
        let coverage = Calls::of(&report.coverage, &mut tables);
        let (waivers, waived) = waivers(&report.findings);
        let (risks, risk) = risks(&report.findings);
        Self {
            format: FORMAT,
            verdicts: VerdictKind::ALL,
            severities: Severity::WORST_FIRST,
            statuses: RequirementStatus::ALL,
            states: STATES,
            controls: report.controls.iter().map(ControlData::of).collect(),
            frameworks: report
                .frameworks
                .iter()
                .map(|framework| FrameworkData::of(framework, &tables.accounts.id))
                .collect(),
            findings,
            coverage,
            waivers,
            waived,
            risks,
            risk,
            changed: changed(report),
            new: report.changes.as_ref().map(|changes| {
                let new: std::collections::HashSet<&str> = changes.new.iter().map(String::as_str).collect();
                positions(&report.findings, |finding| new.contains(finding.id.as_str()))
            }),
            tables,
        }
    }
}

/// A waiver that findings have or had.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
struct WaiverData<'a> {
    reason: &'a str,
    author: &'a str,
    /// Null where there is none.
    ticket: Option<&'a str>,
    expires: &'a str,
    /// Why it holds no longer, in words; null while it does.
    ending: Option<String>,
}

/// The waivers, each once, and which finding has which.
fn waivers(findings: &[Finding]) -> (Vec<WaiverData<'_>>, Vec<(usize, usize)>) {
    let mut table = Table::new();
    let mut waived = Vec::new();
    for (at, finding) in findings.iter().enumerate() {
        let ended = finding.waiver_ended.as_ref();
        let Some(waiver) = finding.waived.as_ref().or(ended.map(|end| &end.waiver)) else { continue };
        let data = WaiverData {
            reason: &waiver.reason,
            author: &waiver.author,
            ticket: waiver.ticket.as_deref(),
            expires: &waiver.expires,
            ending: ended.map(WaiverEnd::words),
        };
        waived.push((at, table.at(data)));
    }
    (table.values, waived)
}

/// The risks, each once, and which finding has which.
fn risks(findings: &[Finding]) -> (Vec<&Risk>, Vec<(usize, usize)>) {
    let mut table = Table::new();
    let rated = findings.iter().enumerate().filter_map(|(at, finding)| Some((at, finding.risk.as_ref()?)));
    let risk = rated.map(|(at, risk)| (at, table.at(risk))).collect();
    (table.values, risk)
}

/// Who made the latest change of what findings are about.
fn changed(report: &Report) -> Vec<(usize, String, Option<&str>)> {
    let Some(changes) = &report.changes else { return Vec::new() };
    let findings = report.findings.iter().enumerate();
    let changed = findings.filter_map(|(at, finding)| Some((at, changes.last_change(&finding.id)?)));
    changed.map(|(at, change)| (at, change.words(), change.user_agent.as_deref())).collect()
}

/// A control as `report.json` has it, without the totals, which the page shows elsewhere.
#[derive(Serialize)]
struct ControlData<'a> {
    id: &'a str,
    title: &'a str,
    severity: Severity,
    service: &'a str,
    resource_type: &'a str,
    rationale: &'a str,
    evidence_only: bool,
    remediation: &'a str,
    remediation_cli: &'a str,
    remediation_terraform: &'a str,
    references: &'a [String],
    tags: &'a [String],
    requirements: &'a BTreeMap<String, Vec<String>>,
}

impl<'a> ControlData<'a> {
    fn of(control: &'a ControlRow) -> Self {
        Self {
            id: &control.id,
            title: &control.title,
            severity: control.severity,
            service: &control.service,
            resource_type: &control.resource_type,
            rationale: &control.rationale,
            evidence_only: control.evidence_only,
            remediation: &control.remediation,
            remediation_cli: &control.remediation_cli,
            remediation_terraform: &control.remediation_terraform,
            references: &control.references,
            tags: &control.tags,
            requirements: &control.requirements,
        }
    }
}

#[derive(Serialize)]
struct FrameworkData<'a> {
    id: &'a str,
    title: &'a str,
    requirements: Vec<RequirementData<'a>>,
}

#[derive(Serialize)]
struct RequirementData<'a> {
    id: &'a str,
    title: &'a str,
    accounts: String,
}

impl<'a> FrameworkData<'a> {
    fn of(framework: &'a FrameworkRow, accounts: &[Cow<'a, str>]) -> Self {
        let requirements = framework.requirements.iter().map(|requirement| RequirementData {
            id: &requirement.id,
            title: &requirement.title,
            accounts: accounts
                .iter()
                .map(|account| {
                    let status = requirement.accounts.get(account.as_ref())?;
                    let at = position(&RequirementStatus::ALL, status);
                    char::from_digit(u32::try_from(at).ok()?, 10)
                })
                .map(|digit| digit.unwrap_or('-'))
                .collect(),
        });
        Self { id: &framework.id, title: &framework.title, requirements: requirements.collect() }
    }
}

/// What findings and calls share, each once, in the order of first use.
#[derive(Serialize)]
struct Tables<'a> {
    accounts: Accounts<'a>,
    regions: Table<&'a str>,
    types: Table<&'a str>,
    reasons: Table<&'a str>,
    tags: Table<&'a BTreeMap<String, String>>,
    resources: Resources<'a>,
    paths: Table<&'a str>,
    read: Read<'a>,
    evidence: Table<Vec<usize>>,
    calls: Table<Cow<'a, str>>,
    remedies: Table<String>,
    statements: Table<String, Value>,
    unseen: UnseenColumns<'a>,
}

impl<'a> Tables<'a> {
    fn of(report: &'a Report) -> Self {
        let mut accounts = Accounts::default();
        for account in &report.accounts {
            accounts.add(&account.id, &account.name);
        }
        Self {
            accounts,
            regions: Table::new(),
            types: Table::new(),
            reasons: Table::new(),
            tags: Table::new(),
            resources: Resources::default(),
            paths: Table::new(),
            read: Read::default(),
            evidence: Table::new(),
            calls: Table::new(),
            remedies: Table::new(),
            statements: Table::new(),
            unseen: UnseenColumns::default(),
        }
    }

    fn resource(&mut self, finding: &'a Finding) -> usize {
        let kind = self.types.at(&finding.resource_type);
        let tags = self.tags.at(&finding.tags);
        let next = self.resources.seen.len();
        let key = (finding.resource_arn.as_str(), finding.resource_name.as_str(), kind, tags);
        let at = *self.resources.seen.entry(key).or_insert(next);
        if at == next {
            self.resources.arn.push(&finding.resource_arn);
            self.resources.name.push(&finding.resource_name);
            self.resources.r#type.push(kind);
            self.resources.tags.push(tags);
        }
        at
    }

    fn evidence(&mut self, evidence: &'a [Evidence]) -> usize {
        let read = evidence.iter().map(|one| self.read(one)).collect();
        self.evidence.at(read)
    }

    fn read(&mut self, evidence: &'a Evidence) -> usize {
        let path = self.paths.at(&evidence.path);
        let next = self.read.seen.len();
        let at = *self.read.seen.entry((path, evidence.value.to_string(), evidence.cut)).or_insert(next);
        if at == next {
            self.read.path.push(path);
            self.read.value.push(&evidence.value);
            if evidence.cut {
                self.read.cut.push(at);
            }
        }
        at
    }

    fn unseen(&mut self, unseen: &'a Unseen) -> usize {
        let next = self.unseen.seen.len();
        let at = *self.unseen.seen.entry(unseen).or_insert(next);
        if at == next {
            let statement = unseen.statement().map(|statement| {
                let key = statement.to_string();
                self.statements.at_with(key, || statement) + 1
            });
            let account = self.accounts.at(&unseen.account);
            let region = self.regions.at(&unseen.region);
            let call = self.calls.at(Cow::Borrowed(&unseen.operation));
            let remedy = self.remedies.at(unseen.remedy());
            let columns = &mut self.unseen;
            columns.account.push(account);
            columns.region.push(region);
            columns.call.push(call);
            columns.cause.push(unseen.cause.to_string());
            columns.code.push(&unseen.code);
            columns.message.push(&unseen.message);
            columns.remedy.push(remedy);
            columns.statement.push(statement.unwrap_or(0));
        }
        at
    }
}

/// Accounts of the report, and those that only calls were made in.
#[derive(Default, Serialize)]
struct Accounts<'a> {
    id: Vec<Cow<'a, str>>,
    name: Vec<&'a str>,
    #[serde(skip)]
    seen: HashMap<&'a str, usize>,
}

impl<'a> Accounts<'a> {
    fn add(&mut self, id: &'a str, name: &'a str) -> usize {
        let next = self.seen.len();
        let at = *self.seen.entry(id).or_insert(next);
        if at == next {
            self.id.push(Cow::Borrowed(id));
            self.name.push(name);
        }
        at
    }

    fn at(&mut self, id: &'a str) -> usize {
        self.add(id, "")
    }
}

#[derive(Default, Serialize)]
struct Resources<'a> {
    arn: Vec<&'a str>,
    name: Vec<&'a str>,
    r#type: Vec<usize>,
    tags: Vec<usize>,
    #[serde(skip)]
    seen: HashMap<(&'a str, &'a str, usize, usize), usize>,
}

#[derive(Default, Serialize)]
struct Read<'a> {
    path: Vec<usize>,
    value: Vec<&'a Value>,
    cut: Vec<usize>,
    #[serde(skip)]
    seen: HashMap<(usize, String, bool), usize>,
}

#[derive(Default, Serialize)]
struct UnseenColumns<'a> {
    account: Vec<usize>,
    region: Vec<usize>,
    call: Vec<usize>,
    cause: Vec<String>,
    code: Vec<&'a str>,
    message: Vec<&'a str>,
    remedy: Vec<usize>,
    statement: Vec<usize>,
    #[serde(skip)]
    seen: HashMap<&'a Unseen, usize>,
}

#[derive(Serialize)]
struct Findings {
    id: String,
    control: Vec<usize>,
    account: Vec<usize>,
    region: Vec<usize>,
    verdict: Vec<usize>,
    severity: Vec<usize>,
    reason: Vec<usize>,
    resource: Vec<i64>,
    evidence: Vec<i64>,
    unseen: Vec<usize>,
}

impl Findings {
    fn of<'a>(findings: &'a [Finding], controls: &HashMap<&str, usize>, tables: &mut Tables<'a>) -> Self {
        let column = || Vec::with_capacity(findings.len());
        let mut columns = Self {
            id: short_ids(findings).join(" "),
            control: column(),
            account: column(),
            region: column(),
            verdict: column(),
            severity: column(),
            reason: column(),
            resource: Vec::with_capacity(findings.len()),
            evidence: Vec::with_capacity(findings.len()),
            unseen: column(),
        };
        let (mut resource, mut evidence) = (Differences::default(), Differences::default());
        for finding in findings {
            // INVARIANT: `Report::check` found every control in the report.
            columns.control.push(controls.get(finding.control.as_str()).copied().unwrap_or_default());
            columns.account.push(tables.accounts.at(&finding.account));
            columns.region.push(tables.regions.at(&finding.region));
            columns.verdict.push(position(&VerdictKind::ALL, &finding.verdict));
            columns.severity.push(position(&Severity::WORST_FIRST, &finding.severity));
            columns.reason.push(tables.reasons.at(&finding.reason));
            columns.resource.push(resource.to(tables.resource(finding)));
            columns.evidence.push(evidence.to(tables.evidence(&finding.evidence)));
            columns.unseen.push(finding.unseen.as_ref().map_or(0, |unseen| tables.unseen(unseen) + 1));
        }
        columns
    }
}

/// Positions told by their difference to the one before.
#[derive(Default)]
struct Differences {
    before: i64,
}

impl Differences {
    fn to(&mut self, position: usize) -> i64 {
        // No table has as many rows as would not fit.
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        let difference = position - self.before;
        self.before = position;
        difference
    }
}

#[derive(Default, Serialize)]
struct Calls {
    account: Vec<usize>,
    region: Vec<usize>,
    call: Vec<usize>,
    state: Vec<usize>,
    answered: Vec<u64>,
    unanswered: Vec<u64>,
    gone: Vec<u64>,
    errors: Vec<(usize, usize, u64)>,
}

impl Calls {
    fn of<'a>(coverage: &'a [Coverage], tables: &mut Tables<'a>) -> Self {
        let mut columns = Self::default();
        for (at, row) in coverage.iter().enumerate() {
            columns.account.push(tables.accounts.at(&row.account));
            columns.region.push(tables.regions.at(&row.region));
            columns.call.push(tables.calls.at(Cow::Owned(format!("{}:{}", row.service, row.operation))));
            columns.state.push(position(&STATES, &row.state));
            columns.answered.push(row.answered);
            columns.unanswered.push(row.unanswered);
            columns.gone.push(row.gone);
            columns
                .errors
                .extend(row.errors.iter().map(|error| (at, tables.unseen(&error.unseen), error.count)));
        }
        columns
    }
}

/// Values, each once, found by a key.
#[derive(Serialize)]
#[serde(transparent)]
struct Table<K, V = K> {
    values: Vec<V>,
    #[serde(skip)]
    seen: HashMap<K, usize>,
}

impl<K: Eq + Hash, V> Table<K, V> {
    fn new() -> Self {
        Self { values: Vec::new(), seen: HashMap::new() }
    }

    /// The position of the value with that key, which is added where it is new.
    fn at_with(&mut self, key: K, value: impl FnOnce() -> V) -> usize {
        let next = self.values.len();
        let at = *self.seen.entry(key).or_insert(next);
        if at == next {
            self.values.push(value());
        }
        at
    }
}

impl<K: Clone + Eq + Hash> Table<K> {
    /// The position of that value, which is added where it is new.
    fn at(&mut self, value: K) -> usize {
        let key = value.clone();
        self.at_with(key, || value)
    }
}

fn position<T: PartialEq>(all: &[T], one: &T) -> usize {
    all.iter().position(|other| other == one).unwrap_or_default()
}

fn positions<T>(all: &[T], is_wanted: impl Fn(&T) -> bool) -> Vec<usize> {
    all.iter().enumerate().filter(|(_, one)| is_wanted(one)).map(|(at, _)| at).collect()
}

/// The shortest prefixes of the ids that no other id has, in the findings' order.
fn short_ids(findings: &[Finding]) -> Vec<&str> {
    let mut sorted: Vec<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
    sorted.sort_unstable();
    let shared: Vec<usize> = sorted.windows(2).map(|pair| common(pair.first(), pair.last())).collect();
    let lengths: HashMap<&str, usize> = sorted
        .iter()
        .enumerate()
        .map(|(at, id)| {
            let before = at.checked_sub(1).and_then(|at| shared.get(at)).copied().unwrap_or_default();
            let after = shared.get(at).copied().unwrap_or_default();
            (*id, SHORTEST_ID.max(before.max(after) + 1))
        })
        .collect();
    findings
        .iter()
        .map(|finding| {
            let length = lengths.get(finding.id.as_str()).copied().unwrap_or(usize::MAX);
            finding.id.get(..length).unwrap_or(&finding.id)
        })
        .collect()
}

/// How many bytes two texts have in common at their start.
fn common(a: Option<&&str>, b: Option<&&str>) -> usize {
    let bytes = |text: Option<&&str>| text.map_or_else(Vec::new, |text| text.bytes().collect());
    bytes(a).iter().zip(&bytes(b)).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests;
