//! What was not observed: said once where it is the same in many places, with who can change it.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::detections::Unread;
use super::pages::Role;
use super::{Link, Piece, pieces};
use crate::inventory::Cause;
use crate::report::gaps::Group;
use crate::report::{Report, text};

/// More gaps than this are told in a line each.
const FULL: usize = 30;

/// More gaps than this are only counted here.
const LINES: usize = 300;

/// More accounts of a gap than this are folded away.
const ACCOUNTS: usize = 20;

#[derive(Serialize)]
pub(super) struct NotObserved<'a> {
    gaps: Vec<GapView<'a>>,
    lines: Vec<Line>,
    /// Gaps that are told neither way, and the findings that they leave undecided.
    more: u64,
    more_findings: u64,
    absent: Vec<Absent>,
    /// What was not read of events; none where everything was, or no events were to be read.
    events: Vec<Unread<'a>>,
}

/// A gap in full.
#[derive(Serialize)]
struct GapView<'a> {
    asked: String,
    is_call: bool,
    error: String,
    /// What AWS said in one of the places.
    message: &'a str,
    places: Vec<Place<'a>>,
    place_count: u64,
    findings: u64,
    controls: Vec<Link>,
    href: String,
    remedy: Vec<Piece>,
    statement: String,
    action: &'a str,
}

/// Accounts in which a gap concerns the same regions.
#[derive(Serialize)]
struct Place<'a> {
    regions: String,
    shown: Vec<Named<'a>>,
    more: String,
    more_count: u64,
}

#[derive(Serialize)]
struct Named<'a> {
    link: Link,
    name: &'a str,
}

/// A gap in one line.
#[derive(Serialize)]
struct Line {
    asked: String,
    error: String,
    places: String,
    findings: u64,
    remedy: Vec<Piece>,
}

/// Regions that were asked for and that an account does not have.
#[derive(Serialize)]
struct Absent {
    regions: String,
    accounts: String,
}

impl<'a> NotObserved<'a> {
    pub(super) fn of(report: &'a Report, role: Role<'_>) -> Self {
        let names: HashMap<&str, &str> =
            report.accounts.iter().map(|account| (account.id.as_str(), account.name.as_str())).collect();
        let groups = Group::of(&report.gaps);
        let rest = groups.get(LINES..).unwrap_or_default();
        Self {
            gaps: groups.iter().take(FULL).map(|group| GapView::of(group, &names, role)).collect(),
            lines: groups.iter().take(LINES).skip(FULL).map(Line::of).collect(),
            more: rest.len() as u64,
            more_findings: rest.iter().map(Group::findings).sum(),
            absent: absent(report),
            events: report.detections.iter().map(Unread::of).filter(Unread::says_something).collect(),
        }
    }
}

impl<'a> GapView<'a> {
    fn of(group: &Group<'a>, names: &HashMap<&str, &'a str>, role: Role<'_>) -> Self {
        let first = group.first();
        let unseen = first.map(|gap| &gap.unseen);
        let controls = group.controls();
        let filter = controls.iter().copied().collect::<Vec<_>>().join(",");
        let error = group.error();
        Self {
            asked: group.asked(),
            is_call: unseen.is_some_and(|unseen| !unseen.operation.is_empty()),
            // Where no code came with it, the words of the error end in the message.
            message: match unseen {
                Some(unseen) if !error.contains(&unseen.message) => &unseen.message,
                _ => "",
            },
            error,
            places: group
                .accounts_by_regions()
                .into_iter()
                .map(|(regions, accounts)| Place::of(&regions, &accounts, names))
                .collect(),
            place_count: group.places().len() as u64,
            findings: group.findings(),
            controls: controls.iter().map(|id| Link::to_control(id)).collect(),
            href: role.filtered(&[("verdict", "unknown"), ("control", &filter)]),
            remedy: pieces(group.remedy()),
            statement: first
                .and_then(|gap| gap.statement.as_ref())
                .map_or(String::new(), |statement| format!("{statement:#}")),
            action: match unseen.map(|unseen| &unseen.cause) {
                Some(Cause::Denied { action: Some(action), .. }) => action,
                _ => "",
            },
        }
    }
}

impl<'a> Place<'a> {
    fn of(regions: &BTreeSet<&str>, accounts: &BTreeSet<&str>, names: &HashMap<&str, &'a str>) -> Self {
        // One more takes no more room than saying that there is one.
        let most = if accounts.len() > ACCOUNTS + 1 { ACCOUNTS } else { accounts.len() };
        let more: Vec<&str> = accounts.iter().skip(most).copied().collect();
        Self {
            regions: join(regions),
            shown: accounts
                .iter()
                .take(most)
                .map(|id| match names.get(id) {
                    Some(name) => Named { link: Link::to_account(id), name },
                    None => Named { link: Link::nowhere(id), name: "" },
                })
                .collect(),
            more_count: more.len() as u64,
            more: more.join(", "),
        }
    }
}

impl Line {
    fn of(group: &Group<'_>) -> Self {
        let places = group.places();
        let more = places.len().saturating_sub(1);
        let mut words = places.into_iter().next().unwrap_or_default();
        if more > 0 {
            words.push_str(&format!(" and {}", text::count(more as u64, "other place", "other places")));
        }
        Self {
            asked: group.asked(),
            error: group.error(),
            places: words,
            findings: group.findings(),
            remedy: pieces(group.remedy()),
        }
    }
}

/// Accounts that lack the same regions are told together.
fn absent(report: &Report) -> Vec<Absent> {
    let mut accounts: std::collections::BTreeMap<BTreeSet<&str>, BTreeSet<&str>> = Default::default();
    for (account, regions) in &report.run.absent_regions {
        let regions = regions.iter().map(String::as_str).collect();
        accounts.entry(regions).or_default().insert(account);
    }
    accounts
        .iter()
        .map(|(regions, accounts)| Absent { regions: join(regions), accounts: join(accounts) })
        .collect()
}

fn join(words: &BTreeSet<&str>) -> String {
    words.iter().copied().collect::<Vec<_>>().join(", ")
}
