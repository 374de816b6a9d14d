//! What was not observed, said once where it is the same in several accounts or regions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Gap, text};

/// Gaps with the same obstacle and the same remedy.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    gaps: Vec<&'a Gap>,
    for_all: String,
}

impl<'a> Group<'a> {
    /// The groups, each where its first gap was.
    pub(crate) fn of(gaps: &'a [Gap]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        let mut known: HashMap<[String; 3], usize> = HashMap::new();
        for gap in gaps {
            let for_all = remedy_for_all(gap);
            let next = groups.len();
            let index = *known.entry([asked(gap), error(gap), for_all.clone()]).or_insert(next);
            match groups.get_mut(index) {
                Some(group) => group.gaps.push(gap),
                None => groups.push(Self { gaps: vec![gap], for_all }),
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.findings()));
        groups
    }

    /// The call, or the controls where no call is to blame.
    pub(crate) fn asked(&self) -> String {
        self.gaps.first().map_or(String::new(), |gap| asked(gap))
    }

    /// What came of it.
    pub(crate) fn error(&self) -> String {
        self.gaps.first().map_or(String::new(), |gap| error(gap))
    }

    /// Findings that are unknown because of it.
    pub(crate) fn findings(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.findings).sum()
    }

    /// The gap that speaks for all of them.
    pub(super) fn first(&self) -> Option<&'a Gap> {
        self.gaps.first().copied()
    }

    /// Controls of those findings.
    pub(super) fn controls(&self) -> BTreeSet<&'a str> {
        self.gaps.iter().flat_map(|gap| &gap.controls).map(String::as_str).collect()
    }

    /// The accounts in which the same regions are concerned, with those regions; the most accounts first.
    pub(super) fn accounts_by_regions(&self) -> Vec<(BTreeSet<&'a str>, BTreeSet<&'a str>)> {
        let mut regions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for gap in &self.gaps {
            regions.entry(&gap.unseen.account).or_default().insert(&gap.unseen.region);
        }
        let mut accounts: BTreeMap<BTreeSet<&str>, BTreeSet<&str>> = BTreeMap::new();
        for (account, regions) in regions {
            accounts.entry(regions).or_default().insert(account);
        }
        let mut grouped: Vec<_> = accounts.into_iter().collect();
        grouped.sort_by_key(|(_, accounts)| std::cmp::Reverse(accounts.len()));
        grouped
    }

    /// `account region` of each, in order.
    pub(crate) fn places(&self) -> Vec<String> {
        let mut places: Vec<String> =
            self.gaps.iter().map(|gap| format!("{} {}", gap.unseen.account, gap.unseen.region)).collect();
        places.sort();
        places.dedup();
        places
    }

    /// Who can change it and how.
    pub(crate) fn remedy(&self) -> &str {
        match self.gaps.as_slice() {
            [first, others @ ..]
                if others.iter().all(|other| other.unseen.account == first.unseen.account) =>
            {
                &first.remedy
            }
            _ => &self.for_all,
        }
    }
}

fn asked(gap: &Gap) -> String {
    match (gap.unseen.operation.as_str(), gap.controls.as_slice()) {
        ("", []) => "no call".to_owned(),
        ("", [first]) => first.clone(),
        ("", [first, others @ ..]) => {
            format!("{first} and {}", text::count(others.len() as u64, "other control", "other controls"))
        }
        (operation, _) => operation.to_owned(),
    }
}

fn error(gap: &Gap) -> String {
    let unseen = &gap.unseen;
    match (unseen.code.as_str(), unseen.message.as_str()) {
        ("", "") => unseen.cause.to_string(),
        ("", message) => format!("{}: {message}", unseen.cause),
        (code, _) => format!("{} ({code})", unseen.cause),
    }
}

/// The remedy in words that fit every account.
fn remedy_for_all(gap: &Gap) -> String {
    let account = gap.unseen.account.as_str();
    if account.is_empty() {
        return gap.remedy.clone();
    }
    gap.remedy.replace(&format!("account {account}"), "each account").replace(account, "ACCOUNT")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Cause, Unseen};
    use crate::report::sample;

    fn gap(unseen: Unseen, findings: u64, control: &str) -> Gap {
        let (remedy, statement) = (unseen.remedy(), unseen.statement());
        Gap { unseen, findings, controls: vec![control.to_owned()], remedy, statement }
    }

    fn denied(account: &str, region: &str, operation: &str) -> Gap {
        let message = format!(
            "User: u is not authorized to perform: {operation} on resource: arn:aws:iam::{account}:user/ \
             because no identity-based policy allows it"
        );
        gap(Unseen::denied(account, region, operation, "AccessDenied", &message), 2, "c")
    }

    #[test]
    fn what_is_missing_in_every_account_is_said_once_with_every_place() {
        let gaps = [
            denied(sample::PROD, "global", "iam:ListUsers"),
            denied(sample::DEV, "global", "iam:ListUsers"),
            denied(sample::DEV, "global", "iam:ListRoles"),
        ];
        let groups = Group::of(&gaps);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].asked(), "iam:ListUsers");
        assert_eq!(groups[0].error(), "denied by identity-based policy (AccessDenied)");
        assert_eq!(groups[0].findings(), 4);
        assert_eq!(groups[0].places(), ["222233334444 global", "333344445555 global"]);
        assert_eq!(
            groups[0].remedy(),
            "the owner of each account allows `iam:ListUsers` on `arn:aws:iam::ACCOUNT:user/` in the scanner's role"
        );
        assert!(groups[1].remedy().contains("account 333344445555 allows `iam:ListRoles`"));
    }

    #[test]
    fn accounts_with_the_same_regions_are_told_together() {
        let gaps: Vec<Gap> = [
            (sample::DEV, "us-east-1"),
            (sample::PROD, "eu-west-1"),
            (sample::MANAGEMENT, "us-east-1"),
            (sample::DEV, "eu-west-1"),
            (sample::PROD, "us-east-1"),
        ]
        .map(|(account, region)| denied(account, region, "ec2:DescribeVpcs"))
        .into();
        let groups = Group::of(&gaps);
        assert_eq!(groups.len(), 1);
        let grouped = groups[0].accounts_by_regions();
        assert_eq!(grouped.len(), 2);
        assert_eq!(grouped[0].0, BTreeSet::from(["eu-west-1", "us-east-1"]));
        assert_eq!(grouped[0].1, BTreeSet::from([sample::PROD, sample::DEV]));
        assert_eq!(grouped[1].1, BTreeSet::from([sample::MANAGEMENT]));
    }

    #[test]
    fn regions_of_one_account_keep_its_remedy() {
        let gaps = ["eu-west-1", "us-east-1"].map(|region| denied(sample::PROD, region, "ec2:DescribeVpcs"));
        let groups = Group::of(&gaps);
        assert_eq!(groups.len(), 1);
        assert!(groups[0].remedy().contains("account 222233334444"), "{}", groups[0].remedy());
    }

    #[test]
    fn where_no_call_is_to_blame_the_control_is_named_with_the_reason() {
        let message = "`days_between`: `x` is no time".to_owned();
        let unseen = Unseen::without_call(sample::PROD, "global", Cause::ControlError, message);
        let gaps = [gap(unseen, 1, "acme-age")];
        let group = &Group::of(&gaps)[0];
        assert_eq!(group.asked(), "acme-age");
        assert_eq!(group.error(), "control error: `days_between`: `x` is no time");
    }
}
