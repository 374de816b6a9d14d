//! The accounts: how each was scanned, what was found in it, and what is known about it.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::pages::Role;
use super::{Link, Piece, anchor, pieces};
use crate::inventory::{Account, AccountState};
use crate::report::figures::Figures;
use crate::report::{Counts, Report};

/// All accounts, as a table.
#[derive(Serialize)]
pub(super) struct Accounts<'a> {
    /// What is the same in most accounts, said once.
    common: Vec<Fact>,
    lines: Vec<Line<'a>>,
}

/// An account in the table.
#[derive(Serialize)]
struct Line<'a> {
    anchor: String,
    id: &'a str,
    /// To its findings; words only where it has none.
    link: Link,
    name: &'a str,
    state: &'static str,
    class: &'static str,
    /// Why it was skipped or could not be entered.
    why: String,
    remedy: Vec<Piece>,
    is_scanned: bool,
    counts: Counts,
    facts: Vec<Fact>,
    /// Whether the script can list the calls that were made in it.
    has_coverage: bool,
}

/// Something that is known about an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
struct Fact {
    what: &'static str,
    value: String,
}

impl<'a> Accounts<'a> {
    pub(super) fn of(report: &'a Report, figures: &Figures<'_>, role: Role<'_>) -> Self {
        let asked: HashSet<&str> = report.coverage.iter().map(|row| row.account.as_str()).collect();
        let mut common = common(&report.accounts);
        let lines = report.accounts.iter().map(|account| Line {
            facts: facts(account, &report.run.absent_regions)
                .into_iter()
                .filter(|fact| !common.contains(fact))
                .collect(),
            has_coverage: role.has_findings() && asked.contains(account.id.as_str()),
            ..Line::of(account, figures.account(&account.id).counts, role)
        });
        let mut lines: Vec<Line<'_>> = lines.collect();
        let known: HashSet<&str> = report.accounts.iter().map(|account| account.id.as_str()).collect();
        let mut on_the_way: Vec<&str> = asked.difference(&known).copied().collect();
        on_the_way.sort_unstable();
        lines.extend(on_the_way.into_iter().map(|id| Line::on_the_way(id, role)));
        common.retain(|fact| !fact.value.is_empty());
        Self { common, lines }
    }
}

impl<'a> Line<'a> {
    fn of(account: &'a Account, counts: Counts, role: Role<'_>) -> Self {
        let (state, class, why, remedy) = match &account.state {
            AccountState::Scanned => ("scanned", "plain", String::new(), String::new()),
            AccountState::Skipped { reason } => ("skipped", "manual", reason.clone(), String::new()),
            AccountState::Failed { unseen } => {
                ("not entered", "unknown", unseen.to_string(), unseen.remedy())
            }
        };
        let href = match counts.total() {
            0 => String::new(),
            _ => role.filtered(&[("account", &account.id)]),
        };
        Self {
            anchor: anchor("account", &account.id),
            id: &account.id,
            link: Link { href, words: account.id.clone() },
            name: &account.name,
            state,
            class,
            why,
            remedy: pieces(&remedy),
            is_scanned: account.state == AccountState::Scanned,
            counts,
            facts: Vec::new(),
            has_coverage: false,
        }
    }

    /// An account that is not part of the scan and was asked for something, such as the caller's own.
    fn on_the_way(id: &'a str, role: Role<'_>) -> Self {
        Self {
            anchor: anchor("account", id),
            id,
            link: Link::nowhere(id),
            name: "",
            state: "not scanned",
            class: "manual",
            why: "Only asked for what the scan of the other accounts needs.".to_owned(),
            remedy: Vec::new(),
            is_scanned: false,
            counts: Counts::zero(),
            facts: Vec::new(),
            has_coverage: role.has_findings(),
        }
    }
}

/// The facts that most of the accounts share, where there are several of these; a thousand accounts with
/// seventeen regions each are read, and written, once.
fn common(accounts: &[Account]) -> Vec<Fact> {
    let mut counted: HashMap<Fact, usize> = HashMap::new();
    for account in accounts {
        for fact in own_facts(account) {
            *counted.entry(fact).or_insert(0) += 1;
        }
    }
    let mut common: Vec<Fact> = counted
        .into_iter()
        .filter(|(_, count)| *count > 1 && count * 2 > accounts.len())
        .map(|(fact, _)| fact)
        .collect();
    common.sort();
    common
}

fn facts(account: &Account, absent: &BTreeMap<String, Vec<String>>) -> Vec<Fact> {
    let mut facts = own_facts(account);
    if let Some(regions) = absent.get(&account.id) {
        facts.push(Fact { what: "Asked for, not enabled", value: regions.join(", ") });
    }
    facts
}

/// What is known about an account beside its name; what was not asked or not seen is said.
fn own_facts(account: &Account) -> Vec<Fact> {
    let tags: Vec<String> =
        account.tags.iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    let known = |value: Option<&str>| value.unwrap_or("not known").to_owned();
    let units = account.units.as_ref().map(|units| units.join(" / "));
    let management = account.is_management.map(|yes| if yes { "yes" } else { "no" });
    [
        ("Partition", account.partition.clone()),
        ("Regions", if account.regions.is_empty() { "none".to_owned() } else { account.regions.join(", ") }),
        ("Organization", known(account.organization.as_deref())),
        ("Organizational units", known(units.as_deref())),
        ("Management account", known(management)),
        ("Tags", if account.tags.is_some() { tags.join(", ") } else { known(None) }),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(what, value)| Fact { what, value })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn what_most_accounts_share_is_said_once_and_what_differs_stays() {
        let report = sample::report();
        let figures = Figures::of(&report);
        let accounts = Accounts::of(&report, &figures, Role::Whole);
        let fact = |what, value: &str| Fact { what, value: value.to_owned() };
        let regions = fact("Regions", "eu-central-1, eu-west-1");
        assert!(accounts.common.contains(&regions), "{:?}", accounts.common);
        let of = |id: &str| accounts.lines.iter().find(|line| line.id == id).expect("a line");
        assert!(!of(sample::PROD).facts.contains(&regions));
        assert!(of(sample::CLOSED).facts.contains(&fact("Regions", "none")));
        assert!(of(sample::CLOSED).facts.contains(&fact("Management account", "not known")));
        assert!(of(sample::MANAGEMENT).facts.contains(&fact("Management account", "yes")));
        assert!(of(sample::DEV).facts.contains(&fact("Asked for, not enabled", "me-south-1")));
    }

    #[test]
    fn of_one_account_every_fact_is_its_own() {
        let report = sample::report().of_account(sample::PROD);
        let accounts = Accounts::of(&report, &Figures::of(&report), Role::Account);
        assert!(accounts.common.is_empty());
        assert!(accounts.lines[0].facts.len() >= 5);
    }
}
