//! [`Plan`]: what a scan will ask of AWS, before it does.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::accounts::{self, Made, Scope};
use crate::aws::Call;
use crate::collect::{self, Per, PlannedCall, Wanted};

/// The calls of a scan, by operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Plan {
    /// Accounts that are scanned; null where only the organization knows.
    pub accounts: Option<u64>,
    /// Regions of each account that are scanned; null where that depends on which the account has enabled.
    pub regions: Option<u64>,
    /// One for each operation and way of making it.
    pub calls: Vec<PlanRow>,
}

/// One operation of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlanRow {
    /// `service:Operation`.
    pub operation: String,
    /// The IAM action that it needs; null where none is.
    pub action: Option<String>,
    /// Whose credentials make it, and where.
    #[serde(rename = "where")]
    pub place: Where,
    /// How often it is made, as a product: `accounts`, `regions`, `units` and `resources` stand for numbers
    /// that are not known yet.
    pub times: String,
    /// How often at least; null where that is not known. Further pages of a list come on top.
    pub at_least: Option<u64>,
    /// Resource types and fields that it fills, such as `aws.s3.bucket.policy`; the bare type is its list.
    /// Empty where it finds or enters accounts.
    pub fills: Vec<String>,
}

/// Where a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Where {
    /// In the scanner's own account.
    Scanner,
    /// Once in each account.
    Account,
    /// In each region of each account.
    Region,
}

/// What a scan of `scope` will call for what is `wanted`. `accounts` is their number where it is known, as
/// after discovery.
#[must_use]
pub fn plan(wanted: &Wanted, scope: &Scope, accounts: Option<u64>) -> Plan {
    let accounts = accounts.or_else(|| match (scope.organization, scope.accounts.len()) {
        (true, _) => None,
        (false, 0) => Some(1),
        (false, listed) => u64::try_from(listed).ok(),
    });
    let regions = u64::try_from(scope.regions.len()).ok().filter(|named| *named > 0);
    let numbers = Numbers { accounts, regions };
    let needed = accounts::CALLS.iter().filter(|row| (row.needed)(scope, wanted));
    let mut calls: Vec<PlanRow> = needed.map(|row| numbers.scope_row(row.call, row.made)).collect();
    calls.extend(wanted.calls().iter().map(|planned| numbers.collect_row(planned)));
    calls.sort_by(|a, b| (a.place, &a.operation, &a.times).cmp(&(b.place, &b.operation, &b.times)));
    Plan { accounts, regions, calls }
}

impl Plan {
    /// Adds the questions about who changed what, of which there are as many as resources newly fail.
    pub fn add_history(&mut self) {
        let call = &crate::events::remote::lookup::LOOKUP_EVENTS;
        let most = crate::events::remote::history::MAX_RESOURCES;
        self.calls.push(PlanRow {
            operation: call.name(),
            action: call.iam_action(),
            place: Where::Region,
            times: format!("new failures, {most} at most"),
            at_least: Some(0),
            fills: vec!["who changed what".to_owned()],
        });
    }
}

struct Numbers {
    accounts: Option<u64>,
    regions: Option<u64>,
}

/// A factor of how often a call is made: its name, its number where known, and the least it can be.
type Factor = (&'static str, Option<u64>, Option<u64>);

impl Numbers {
    fn scope_row(&self, call: &Call, made: Made) -> PlanRow {
        let accounts: Factor = ("accounts", self.accounts, self.accounts);
        let (place, factors) = match made {
            Made::Once => (Where::Scanner, vec![]),
            Made::PerUnit => (Where::Scanner, vec![("units", None, Some(1))]),
            // The scanner's own account is entered without a role.
            Made::PerAccount => (
                Where::Scanner,
                vec![("accounts", self.accounts, self.accounts.map(|n| n.saturating_sub(1)))],
            ),
            Made::InAccount => (Where::Account, vec![accounts]),
        };
        row(call, place, &factors, Vec::new())
    }

    fn collect_row(&self, planned: &PlannedCall) -> PlanRow {
        let mut factors: Vec<Factor> = vec![("accounts", self.accounts, self.accounts)];
        let place = match planned.scope {
            collect::Scope::Global => Where::Account,
            collect::Scope::Regional => {
                factors.push(("regions", self.regions, self.regions));
                Where::Region
            }
        };
        if planned.per == Per::Resource {
            factors.push(("resources", None, Some(0)));
        }
        let fills = planned.fills.iter().map(|(kind, field)| match field {
            Some(field) => format!("{kind}.{field}"),
            None => (*kind).to_owned(),
        });
        row(planned.call, place, &factors, fills.collect())
    }
}

fn row(call: &Call, place: Where, factors: &[Factor], fills: Vec<String>) -> PlanRow {
    let known: u64 = factors.iter().filter_map(|(_, number, _)| *number).product();
    let open = factors.iter().filter(|(_, number, _)| number.is_none()).map(|(name, ..)| *name);
    let mut times: Vec<String> = open.map(str::to_owned).collect();
    if known != 1 || times.is_empty() {
        times.insert(0, known.to_string());
    }
    // One factor of zero decides, whatever the others are.
    let least: Vec<Option<u64>> = factors.iter().map(|(.., least)| *least).collect();
    let at_least = if least.contains(&Some(0)) { Some(0) } else { least.into_iter().product() };
    PlanRow {
        operation: call.name(),
        action: call.iam_action(),
        place,
        times: times.join(" × "),
        at_least,
        fills,
    }
}

impl PlanRow {
    fn action_or_dash(&self) -> &str {
        self.action.as_deref().unwrap_or("-")
    }
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Scanner => "scanner",
            Self::Account => "account",
            Self::Region => "region",
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = |of: fn(&PlanRow) -> &str, title: &str| {
            self.calls.iter().map(|row| of(row).chars().count()).chain([title.len()]).max().unwrap_or(0)
        };
        let operations = widest(|row| &row.operation, "CALL");
        let actions = widest(PlanRow::action_or_dash, "IAM ACTION");
        let times = widest(|row| &row.times, "TIMES");
        writeln!(
            f,
            "{:7}  {:operations$}  {:actions$}  {:times$}  FOR",
            "WHERE", "CALL", "IAM ACTION", "TIMES"
        )?;
        for row in &self.calls {
            let fills =
                if row.fills.is_empty() { "finding accounts".to_owned() } else { row.fills.join(", ") };
            writeln!(
                f,
                "{:7}  {:operations$}  {:actions$}  {:times$}  {fills}",
                row.place,
                row.operation,
                row.action_or_dash(),
                row.times,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::cloudtrail::TRAIL;

    fn wanted() -> Wanted {
        let mut wanted = Wanted::nothing();
        wanted.add(&TRAIL, Some("status"));
        wanted
    }

    fn find<'a>(plan: &'a Plan, operation: &str) -> &'a PlanRow {
        plan.calls.iter().find(|row| row.operation == operation).unwrap()
    }

    #[test]
    fn an_organization_of_unknown_size_is_planned_in_words() {
        let scope = Scope { organization: true, ..Scope::own() };
        insta::assert_snapshot!(plan(&wanted(), &scope, None));
    }

    #[test]
    fn what_is_known_is_multiplied() {
        let mut scope = Scope { organization: true, ..Scope::own() };
        scope.regions = vec!["eu-west-1".to_owned(), "us-east-1".to_owned()];
        let plan = plan(&wanted(), &scope, Some(5));
        let list = find(&plan, "cloudtrail:DescribeTrails");
        assert_eq!((list.times.as_str(), list.at_least, list.place), ("10", Some(10), Where::Region));
        let each = find(&plan, "cloudtrail:GetTrailStatus");
        assert_eq!((each.times.as_str(), each.at_least), ("10 × resources", Some(0)));
        assert_eq!(each.fills, ["aws.cloudtrail.trail.status"]);
        assert_eq!(find(&plan, "sts:AssumeRole").times, "5");
        assert_eq!(find(&plan, "organizations:ListAccounts").times, "1");
    }

    #[test]
    fn the_own_account_needs_neither_organization_nor_role() {
        let plan = plan(&wanted(), &Scope::own(), None);
        let finding: Vec<&str> =
            plan.calls.iter().filter(|row| row.fills.is_empty()).map(|row| row.operation.as_str()).collect();
        assert_eq!(finding, ["sts:GetCallerIdentity", "ec2:DescribeRegions"]);
        assert_eq!(find(&plan, "cloudtrail:DescribeTrails").times, "regions");
    }

    #[test]
    fn selectors_bring_their_calls() {
        let mut scope = Scope { organization: true, ..Scope::own() };
        scope.exclude.units = vec!["Sandbox".to_owned()];
        scope.include.tags.insert("env".to_owned(), Vec::new());
        let plan = plan(&Wanted::nothing(), &scope, Some(3));
        for (operation, times) in [
            ("organizations:ListRoots", "1"),
            ("organizations:ListOrganizationalUnitsForParent", "units"),
            ("organizations:ListAccountsForParent", "units"),
            ("organizations:ListTagsForResource", "3"),
        ] {
            assert_eq!(find(&plan, operation).times, times, "{operation}");
        }
        assert!(!plan.calls.iter().any(|row| row.operation == "ec2:DescribeRegions"));
    }
}
