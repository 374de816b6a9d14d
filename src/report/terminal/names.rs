//! What failing resources are called: briefly, with their place, and never two of them the same.

use std::collections::HashMap;

use crate::collect::{self, Kind};
use crate::findings::Finding;
use crate::inventory::{Account, GLOBAL};
use crate::report::printable;

/// The names of the accounts of a run.
#[derive(Debug)]
pub(super) struct Names<'a> {
    accounts: HashMap<&'a str, &'a str>,
}

impl<'a> Names<'a> {
    pub(super) fn of(accounts: &'a [Account]) -> Self {
        let mut uses: HashMap<&str, usize> = HashMap::new();
        for account in accounts {
            *uses.entry(&account.name).or_default() += 1;
        }
        // A name that several accounts have names none of them.
        let names = accounts
            .iter()
            .filter(|account| !account.name.is_empty() && uses.get(account.name.as_str()) == Some(&1));
        Self { accounts: names.map(|account| (account.id.as_str(), account.name.as_str())).collect() }
    }

    fn account<'f>(&self, finding: &'f Finding) -> &'f str
    where
        'a: 'f,
    {
        self.accounts.get(finding.account.as_str()).copied().unwrap_or(&finding.account)
    }

    /// What people call the resource; for a verdict on a whole account, the account.
    pub(super) fn resource<'f>(&self, finding: &'f Finding) -> &'f str
    where
        'a: 'f,
    {
        let is_whole_account = collect::kind(&finding.resource_type).is_some_and(Kind::is_one);
        let named = [finding.resource_name.as_str(), finding.resource_arn.as_str()];
        let named = named.into_iter().find(|name| !name.is_empty());
        named.filter(|_| !is_whole_account).unwrap_or_else(|| self.account(finding))
    }

    /// The resources with their places; names that are still the same have the end of the ARN as well.
    pub(super) fn with_places(&self, findings: &[&Finding]) -> Vec<Named> {
        let brief: Vec<Named> = findings.iter().map(|finding| self.with_place(finding, "")).collect();
        let mut uses: HashMap<&Named, usize> = HashMap::new();
        for named in &brief {
            *uses.entry(named).or_default() += 1;
        }
        findings
            .iter()
            .zip(&brief)
            .map(|(finding, named)| match uses.get(named) {
                Some(2..) => self.with_place(finding, end_of(&finding.resource_arn)),
                _ => named.clone(),
            })
            .collect()
    }

    fn with_place(&self, finding: &Finding, id: &str) -> Named {
        let name = self.resource(finding);
        let account = self.account(finding);
        let place = match finding.region.as_str() {
            GLOBAL => account.to_owned(),
            region => format!("{account} {region}"),
        };
        let (name, place) = if name == account || name == finding.region {
            (place, String::new())
        } else if id.is_empty() || id == name {
            (name.to_owned(), place)
        } else {
            (format!("{name} {id}"), place)
        };
        Named { name: printable(&name).into_owned(), place: printable(&place).into_owned() }
    }
}

/// A resource with its place, which is empty for a verdict on the place itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Named {
    name: String,
    place: String,
}

/// The first resources in one line, each place said once: `web, db (prod eu-west-1), web (dev us-east-1)`.
pub(super) fn listed(resources: &[Named]) -> String {
    let mut line = String::new();
    for (index, named) in resources.iter().enumerate() {
        if index > 0 {
            line.push_str(", ");
        }
        line.push_str(&named.name);
        let is_last_there = resources.get(index + 1).is_none_or(|next| next.place != named.place);
        if is_last_there && !named.place.is_empty() {
            line.extend([" (", &named.place, ")"]);
        }
    }
    line
}

/// The id that an ARN ends with.
fn end_of(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controls::VerdictKind;
    use crate::report::sample;

    fn group(name: &str, id: &str, account: &str, region: &str) -> Finding {
        let report = sample::report();
        let mut finding = report.findings.into_iter().find(|f| f.verdict == VerdictKind::Fail).unwrap();
        finding.resource_type = "aws.ec2.security_group".to_owned();
        finding.resource_name = name.to_owned();
        finding.resource_arn = format!("arn:aws:ec2:{region}:{account}:security-group/{id}");
        finding.account = account.to_owned();
        finding.region = region.to_owned();
        finding
    }

    #[test]
    fn a_name_comes_with_its_place_and_with_its_id_where_it_is_not_the_only_one() {
        let accounts = sample::report().accounts;
        let names = Names::of(&accounts);
        let findings = [
            group("default", "sg-1", sample::PROD, "eu-west-1"),
            group("default", "sg-2", sample::PROD, "eu-west-1"),
            group("default", "sg-3", sample::PROD, "us-east-1"),
            group("sg-4", "sg-4", sample::MANAGEMENT, "us-east-1"),
            group("sg-5", "sg-5", "999999999999", "us-east-1"),
        ];
        assert_eq!(
            listed(&names.with_places(&findings.iter().collect::<Vec<_>>())),
            "default sg-1, default sg-2 (acme-prod eu-west-1), default (acme-prod us-east-1), \
             sg-4 (acme-management us-east-1), sg-5 (999999999999 us-east-1)"
        );
    }

    #[test]
    fn a_verdict_on_a_whole_account_or_region_is_called_by_it() {
        let accounts = sample::report().accounts;
        let names = Names::of(&accounts);
        let mut whole = group(sample::PROD, "root", sample::PROD, GLOBAL);
        whole.resource_type = "aws.iam.account".to_owned();
        let region = group("eu-west-1", "", sample::PROD, "eu-west-1");
        assert_eq!(listed(&names.with_places(&[&whole, &region])), "acme-prod, acme-prod eu-west-1");
        assert_eq!(names.resource(&whole), "acme-prod");
    }

    #[test]
    fn accounts_of_the_same_name_are_told_apart_by_id() {
        let mut accounts = sample::report().accounts;
        for account in &mut accounts {
            account.name = "same".to_owned();
        }
        let finding = group("web", "sg-1", sample::PROD, "eu-west-1");
        assert_eq!(listed(&Names::of(&accounts).with_places(&[&finding])), "web (222233334444 eu-west-1)");
    }
}
