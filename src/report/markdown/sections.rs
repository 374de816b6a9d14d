//! The parts of the page, each a heading with a table.

use std::collections::{BTreeMap, HashSet};

use super::Page;
use super::escape::{code, escape, prose};
use crate::controls::{RequirementStatus, Severity, VerdictKind};
use crate::findings::Finding;
use crate::inventory::AccountState;
use crate::report::figures::{Figures, statuses, worst_first};
use crate::report::gaps::Group;
use crate::report::index::Index;
use crate::report::{Authors, Changes, ControlRow, Past, Report, advice, text};

/// Rows of a table of the summary.
const MAX_ROWS: usize = 20;

/// Failing resources of a control.
const MAX_RESOURCES: usize = 25;

/// Characters of a name, a message or a value.
const MAX_CHARS: usize = 120;

/// Characters of what to do about a gap, which is of no use when it is cut.
const MAX_REMEDY_CHARS: usize = 400;

/// Characters of a control's steps.
const MAX_STEPS_CHARS: usize = 1_000;

/// Places and regions.
const MAX_LISTED: usize = 12;

/// Room for the first rows of a control's resources.
const ROOM_FOR_ONE: usize = 2_000;

/// Regions that were asked for and that an account does not have.
pub(super) fn absent_regions(page: &mut Page, report: &Report) {
    let mut absent: BTreeMap<&str, u64> = BTreeMap::new();
    for region in report.run.absent_regions.values().flatten() {
        *absent.entry(region).or_insert(0) += 1;
    }
    if absent.is_empty() {
        return;
    }
    let accounts = |n: u64| text::count(n, "account", "accounts");
    let mut regions: Vec<String> = absent
        .iter()
        .take(MAX_LISTED)
        .map(|(region, n)| format!("{} in {}", code(&short(region)), accounts(*n)))
        .collect();
    if absent.len() > MAX_LISTED {
        regions.push(format!("{} more regions", absent.len() - MAX_LISTED));
    }
    page.line(&format!("Regions that are not enabled: {}.", regions.join(", ")));
}

/// What is different from the run before.
pub(super) fn changes(page: &mut Page, report: &Report, index: &Index<'_>) {
    let Some(changes) = &report.changes else { return };
    let Changes {
        since_run, since, new, resolved, no_longer_observed, newly_judged, no_longer_judged, ..
    } = changes;
    page.line(&format!("## Changes since {}", code(&short(&text::time(since)))));
    let n = |of: usize| text::thousands(of as u64);
    page.line(&format!(
        "Compared with run {}: {} new, {} resolved, {} failed then and not observed now, {} judged for the first \
         time, {} not judged any more, {} still failing.",
        code(&short(since_run)),
        n(new.len()),
        n(resolved.len()),
        n(no_longer_observed.len()),
        n(newly_judged.len()),
        n(no_longer_judged.len()),
        text::thousands(changes.still_failing),
    ));
    let new: HashSet<&str> = new.iter().map(String::as_str).collect();
    let mut found: Vec<&Finding> =
        report.findings.iter().filter(|finding| new.contains(finding.id.as_str())).collect();
    found.sort_by_key(|finding| std::cmp::Reverse((finding.risk_score(), finding.severity)));
    let appeared = found.into_iter().map(|finding| {
        let mut row =
            changed("new", finding.severity, &finding.control, &finding.account, &finding.subject(), index);
        if let Some((change, resource)) = changes.last_change(&finding.id).zip(row.last_mut()) {
            resource.push_str(&format!(" {}", escape(&short(&change.words()))));
        }
        row
    });
    let gone = |what: &'static str, past: &Past| {
        let name = if past.resource_name.is_empty() { &past.resource_arn } else { &past.resource_name };
        changed(what, past.severity, &past.control, &past.account, name, index)
    };
    let resolved = resolved.iter().map(|past| gone("resolved", past));
    let unseen = no_longer_observed.iter().map(|past| gone("not observed", past));
    let mut rows = appeared.chain(unseen).chain(resolved).peekable();
    if rows.peek().is_some() {
        let columns = ["Change", "Severity", "Control", "Account", "Resource"];
        let left_out = page.table(columns, rows, MAX_ROWS);
        page.left_out(left_out, "change", "changes");
    }
    for gap in changes.authors.iter().flat_map(Authors::gaps).take(MAX_LISTED) {
        page.line(&format!("Not looked up: {}.", escape(&cut(&gap, MAX_REMEDY_CHARS))));
    }
}

fn changed(
    what: &str,
    severity: Severity,
    control: &str,
    account: &str,
    resource: &str,
    index: &Index<'_>,
) -> [String; 5] {
    [
        what.to_owned(),
        severity.to_string(),
        code(&short(control)),
        named(account, index.account_name(account)),
        code(&short(resource)),
    ]
}

/// The controls that fail, worst first.
pub(super) fn controls(page: &mut Page, report: &Report, figures: &Figures<'_>) {
    let failing = worst_first(report, figures).into_iter().filter(|control| control.totals.fail > 0);
    let mut rows = failing
        .map(|control| {
            let accounts: HashSet<&str> = figures
                .findings(&control.id, VerdictKind::Fail)
                .map(|finding| finding.account.as_str())
                .collect();
            [
                figures.severities(control).unwrap_or_else(|| figures.severity(control).to_string()),
                format!("{} {}", code(&control.id), escape(&short(&control.title))),
                text::thousands(control.totals.fail),
                text::thousands(accounts.len() as u64),
            ]
        })
        .peekable();
    if rows.peek().is_some() {
        page.line("## Failed, worst first");
        let left_out = page.table(["Severity", "Control", "Failed", "Accounts"], rows, MAX_ROWS);
        page.left_out(left_out, "failing control", "failing controls");
    }
}

/// What was not observed, by call.
pub(super) fn gaps(page: &mut Page, report: &Report) {
    if report.gaps.is_empty() {
        return;
    }
    page.line("## Not observed");
    let groups = Group::of(&report.gaps);
    let rows = groups.iter().map(|group| {
        [
            code(&short(&group.asked())),
            code(&short(&group.error())),
            places(&group.places()),
            text::thousands(group.findings()),
            prose(&cut(group.remedy(), MAX_REMEDY_CHARS)),
        ]
    });
    let columns = ["Call", "What came of it", "Where", "Findings", "What to do"];
    let left_out = page.table(columns, rows, MAX_ROWS);
    page.left_out(left_out, "kind of gap", "kinds of gaps");
}

/// The waivers that end soon, have ended or do nothing.
pub(super) fn waivers(page: &mut Page, report: &Report) {
    let Some(waivers) = &report.waivers else { return };
    let rows = waivers.to_look_at();
    if rows.is_empty() {
        return;
    }
    page.line("## Waivers to look at");
    let rows = rows.into_iter().map(|row| {
        [
            escape(&short(&row.news())),
            code(&short(&row.selector.words())),
            text::thousands(row.failing),
            code(&short(&row.waiver.reason)),
            code(&short(&row.waiver.author)),
            row.waiver.expires.clone(),
            format!("{} line {}", code(&short(&waivers.file)), row.waiver.line),
        ]
    });
    let columns = ["What", "Waiver", "Failures", "Reason", "Author", "Until", "Where"];
    let left_out = page.table(columns, rows, MAX_ROWS);
    page.left_out(left_out, "waiver", "waivers");
}

fn places(places: &[String]) -> String {
    let mut shown: Vec<String> = places.iter().take(MAX_LISTED).map(|place| code(&short(place))).collect();
    if places.len() > MAX_LISTED {
        shown.push(format!("{} more", text::thousands((places.len() - MAX_LISTED) as u64)));
    }
    shown.join(", ")
}

/// How the requirements of each framework came out.
pub(super) fn frameworks(page: &mut Page, report: &Report) {
    if report.frameworks.is_empty() {
        return;
    }
    page.line("## Frameworks");
    let rows = report.frameworks.iter().map(|framework| {
        let counted = statuses(framework);
        let n = |of: RequirementStatus| {
            text::thousands(counted.iter().filter(|(status, _)| *status == of).map(|(_, n)| n).sum())
        };
        [
            escape(&short(&framework.title)),
            n(RequirementStatus::Fail),
            n(RequirementStatus::Unknown),
            n(RequirementStatus::NotCovered),
            n(RequirementStatus::Manual),
            n(RequirementStatus::Pass),
            n(RequirementStatus::NotApplicable),
        ]
    });
    let columns = ["Framework", "Fail", "Not observed", "Not covered", "Manual", "Pass", "Not applicable"];
    let left_out = page.table(columns, rows, MAX_ROWS);
    page.left_out(left_out, "framework", "frameworks");
}

/// The accounts, those with the most failures first.
pub(super) fn accounts(page: &mut Page, report: &Report, figures: &Figures<'_>) {
    if report.accounts.is_empty() {
        return;
    }
    page.line("## Accounts");
    let mut accounts: Vec<_> =
        report.accounts.iter().map(|account| (figures.account(&account.id).counts, account)).collect();
    accounts.sort_by_key(|(counts, account)| {
        (std::cmp::Reverse((counts.fail, counts.unknown, counts.pass)), account.id.as_str())
    });
    let rows = accounts.into_iter().map(|(counts, account)| {
        let state = match &account.state {
            AccountState::Scanned => "scanned".to_owned(),
            AccountState::Failed { unseen } => format!("not entered: {}", code(&short(&unseen.code))),
            AccountState::Skipped { reason } => format!("skipped: {}", code(&short(reason))),
        };
        [
            named(&account.id, &account.name),
            text::thousands(counts.fail),
            text::thousands(counts.unknown),
            text::thousands(counts.pass),
            state,
        ]
    });
    let left_out = page.table(["Account", "Failed", "Not observed", "Passed", "State"], rows, MAX_ROWS);
    page.left_out(left_out, "account", "accounts");
}

/// What fails each control, folded away.
pub(super) fn resources(page: &mut Page, report: &Report, figures: &Figures<'_>, index: &Index<'_>) {
    let failing = worst_first(report, figures).into_iter();
    let mut failing = failing.filter(|control| control.totals.fail > 0).peekable();
    if failing.peek().is_some() {
        page.line("## Failing resources");
    }
    let (mut controls, mut findings) = (0, 0);
    for control in failing {
        let start = start_of(control, figures);
        if page.has_room(start.len() + ROOM_FOR_ONE) {
            page.line(&start);
            resources_of(page, control, figures, index);
        } else {
            controls += 1;
            findings += control.totals.fail;
        }
    }
    if controls > 0 {
        page.line(&format!(
            "{} with {} are left out here.",
            text::count(controls, "more control", "more controls"),
            text::count(findings, "failing resource", "failing resources")
        ));
    }
}

/// What is seen of a control when its resources are folded away, why it fails and what to do.
fn start_of(control: &ControlRow, figures: &Figures<'_>) -> String {
    let summary = format!(
        "<details><summary>{} {}: {} ({}{})</summary>",
        figures.severity(control),
        escape(&short(&control.id)),
        escape(&short(&control.title)),
        text::thousands(control.totals.fail),
        figures.severities(control).map(|severities| format!(": {severities}")).unwrap_or_default()
    );
    let why = figures.findings(&control.id, VerdictKind::Fail).next().map_or(String::new(), |first| {
        let steps = advice::paragraph(&advice::steps(first, Some(control)));
        prose(&format!("{} {}", short(&first.reason), cut(&steps, MAX_STEPS_CHARS)))
    });
    format!("{summary}\n\n{why}")
}

fn resources_of(page: &mut Page, control: &ControlRow, figures: &Figures<'_>, index: &Index<'_>) {
    let findings = figures.findings(&control.id, VerdictKind::Fail);
    let rows = findings.map(|finding| {
        [
            format!("{}{}", code(&short(&finding.subject())), waived(finding)),
            named(&finding.account, index.account_name(&finding.account)),
            code(&short(&finding.region)),
            evidence(finding),
        ]
    });
    let left_out = page.table(["Resource", "Account", "Region", "What was read"], rows, MAX_RESOURCES);
    page.left_out(left_out, "failing resource", "failing resources");
    page.line("</details>");
}

/// A mark on what somebody accepts.
fn waived(finding: &Finding) -> String {
    finding
        .waived
        .as_ref()
        .map_or(String::new(), |waived| format!(" waived until {}", escape(&waived.expires)))
}

fn evidence(finding: &Finding) -> String {
    let mut read: Vec<String> = finding
        .evidence
        .iter()
        .take(2)
        .map(|read| code(&short(&format!("{} = {}", read.path, read.value))))
        .collect();
    if finding.evidence.len() > 2 {
        read.push(format!("{} more", finding.evidence.len() - 2));
    }
    read.join(", ")
}

/// An account by its name, where it has one.
pub(super) fn named(account: &str, name: &str) -> String {
    match name {
        "" => code(account),
        name => format!("{} {}", code(&short(name)), code(account)),
    }
}

/// The beginning of a long text, with a mark where it was cut.
pub(super) fn short(text: &str) -> String {
    cut(text, MAX_CHARS)
}

fn cut(text: &str, max_chars: usize) -> String {
    let mut letters = text.chars();
    let mut shown: String = letters.by_ref().take(max_chars).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}
