//! From an inventory and controls to findings: one for each control and resource, and one for each place
//! whose resources could not be listed, so that nothing vanishes.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use serde_json::Value;

use super::{Finding, Identity};
use crate::collect::Scope;
use crate::controls::{Control, Judgement, Verdict};
use crate::inventory::{Account, Facet, GLOBAL, Inventory, Resource, Unseen};
use crate::parallel;

/// Judges every account of the inventory that was to be scanned by every control.
///
/// The order is that of accounts, controls, regions and ARNs, whatever the order of collection.
#[must_use]
pub fn judge(inventory: &Arc<Inventory>, controls: &[&Control]) -> Vec<Finding> {
    judge_accounts(inventory, controls, |account| account.is_judged())
}

/// Judges one account of the inventory. Controls may look into the others.
#[must_use]
pub fn judge_account(inventory: &Arc<Inventory>, id: &str, controls: &[&Control]) -> Vec<Finding> {
    judge_accounts(inventory, controls, |account| account.id == id && account.is_judged())
}

fn judge_accounts(
    inventory: &Arc<Inventory>,
    controls: &[&Control],
    is_meant: impl Fn(&Account) -> bool,
) -> Vec<Finding> {
    let accounts = inventory.accounts.iter().filter(|account| is_meant(account));
    let tasks: Vec<(&Account, &Control)> =
        accounts.flat_map(|account| controls.iter().map(move |control| (account, *control))).collect();
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let judged = parallel::map(&tasks, workers, |(account, control)| of_account(inventory, account, control));
    judged.into_iter().flatten().collect()
}

fn of_account(inventory: &Arc<Inventory>, account: &Account, control: &Control) -> Vec<Finding> {
    let mut findings: Vec<Finding> = inventory
        .of_kind(&account.id, control.kind.name)
        .map(|resource| of_resource(inventory, account, control, resource))
        .collect();
    let mut places: BTreeMap<String, Unseen> = BTreeMap::new();
    for unseen in inventory.holes(&account.id, control.kind.name, control.kind.scope == Scope::Global) {
        places.entry(unseen.region.clone()).or_insert(unseen);
    }
    for (region, unseen) in places {
        findings.push(of_place(account, control, &region, Verdict::Unknown(unseen)));
    }
    if findings.is_empty() {
        let place = match control.kind.scope {
            Scope::Global => "the account".to_owned(),
            Scope::Regional => format!("the {} scanned regions", account.regions.len()),
        };
        let why = format!("There is no `{}` in {place}.", control.kind.name);
        findings.push(of_place(account, control, GLOBAL, Verdict::NotApplicable(why)));
    }
    findings.sort_by(|a, b| (&a.region, &a.resource_arn).cmp(&(&b.region, &b.resource_arn)));
    findings
}

fn of_resource(
    inventory: &Arc<Inventory>,
    account: &Account,
    control: &Control,
    resource: &Arc<Resource>,
) -> Finding {
    let about = About {
        account,
        region: &resource.region,
        arn: &resource.arn,
        name: &resource.name,
        tags: tags(resource),
    };
    finding(control, about, control.judge(inventory, resource))
}

fn of_place(account: &Account, control: &Control, region: &str, verdict: Verdict) -> Finding {
    let name = if region == GLOBAL { account.id.clone() } else { format!("{}/{region}", account.id) };
    let about = About { account, region, arn: "", name: &name, tags: BTreeMap::new() };
    finding(control, about, Judgement { verdict, severity: control.severity, evidence: Vec::new() })
}

struct About<'a> {
    account: &'a Account,
    region: &'a str,
    arn: &'a str,
    name: &'a str,
    tags: BTreeMap<String, String>,
}

fn finding(control: &Control, about: About<'_>, judgement: Judgement) -> Finding {
    let Judgement { verdict, severity, evidence } = judgement;
    let identity = Identity {
        control: &control.id,
        account: &about.account.id,
        region: about.region,
        resource_type: control.kind.name,
        resource_arn: about.arn,
    };
    // What has no ARN of its own (a place, the settings of a region) is shown as part of its account.
    let resource_arn = match about.arn {
        "" => format!("arn:{}:iam::{}:root", about.account.partition, about.account.id),
        arn => arn.to_owned(),
    };
    let (reason, unseen) = match &verdict {
        Verdict::Pass => (format!("{}.", control.title.trim_end_matches('.')), None),
        Verdict::Fail => (control.fail_message.clone(), None),
        Verdict::NotApplicable(why) => (why.clone(), None),
        Verdict::Unknown(unseen) => (format!("Not observed: {unseen}"), Some(unseen.clone())),
    };
    Finding {
        id: identity.id(),
        control: control.id.clone(),
        severity,
        verdict: verdict.kind(),
        reason,
        account: about.account.id.clone(),
        region: about.region.to_owned(),
        resource_type: control.kind.name.to_owned(),
        resource_arn,
        resource_name: about.name.to_owned(),
        tags: about.tags,
        evidence,
        unseen,
        waived: None,
        waiver_ended: None,
        risk: None,
    }
}

/// The resource's tags, where a control needed them collected.
fn tags(resource: &Resource) -> BTreeMap<String, String> {
    let Some(Facet::Known(Value::Object(tags))) = resource.fields.get("tags") else {
        return BTreeMap::new();
    };
    tags.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::controls::{ControlSet, VerdictKind};
    use crate::inventory::{AccountState, Listing};

    const ID: &str = "111122223333";

    fn account(state: AccountState) -> Account {
        Account {
            id: ID.to_owned(),
            name: "a".to_owned(),
            partition: "aws-cn".to_owned(),
            is_management: None,
            organization: None,
            units: None,
            unit_ids: None,
            tags: None,
            regions: vec!["cn-north-1".to_owned(), "cn-northwest-1".to_owned()],
            state,
        }
    }

    fn listing(region: &str, count: Facet<usize>) -> Listing {
        Listing {
            account: ID.to_owned(),
            region: region.to_owned(),
            kind: "aws.ec2.instance".to_owned(),
            count,
        }
    }

    fn denied(region: &str) -> Unseen {
        Unseen::denied(ID, region, "ec2:DescribeInstances", "UnauthorizedOperation", "no")
    }

    /// What the control on instances says, as (region, verdict).
    fn verdicts(state: AccountState, listings: Vec<Listing>) -> Vec<(String, VerdictKind)> {
        let set = ControlSet::builtin().unwrap();
        let control = set.control("ec2-instance-imdsv2").unwrap();
        let inventory =
            Inventory::new(Timestamp::UNIX_EPOCH, vec![account(state)], Vec::new(), listings, Vec::new());
        let findings = judge(&Arc::new(inventory), &[control]);
        for finding in &findings {
            assert_eq!(finding.resource_arn, "arn:aws-cn:iam::111122223333:root");
            assert_eq!(finding.unseen.is_some(), finding.verdict == VerdictKind::Unknown);
        }
        findings.into_iter().map(|f| (f.region, f.verdict)).collect()
    }

    #[test]
    fn nothing_there_is_not_applicable_only_where_every_place_was_seen() {
        let both = vec![listing("cn-north-1", Facet::Known(0)), listing("cn-northwest-1", Facet::Known(0))];
        assert_eq!(
            verdicts(AccountState::Scanned, both),
            [("global".to_owned(), VerdictKind::NotApplicable)]
        );
    }

    #[test]
    fn a_place_that_could_not_be_listed_or_was_not_is_unknown() {
        let one = vec![
            listing("cn-north-1", Facet::Unknown(denied("cn-north-1"))),
            listing("cn-northwest-1", Facet::Known(0)),
        ];
        assert_eq!(verdicts(AccountState::Scanned, one), [("cn-north-1".to_owned(), VerdictKind::Unknown)]);
        let forgotten = vec![listing("cn-north-1", Facet::Known(0))];
        assert_eq!(
            verdicts(AccountState::Scanned, forgotten),
            [("cn-northwest-1".to_owned(), VerdictKind::Unknown)]
        );
    }

    #[test]
    fn an_account_that_was_not_entered_is_unknown_and_a_skipped_one_is_left_out() {
        let unseen = denied("global");
        assert_eq!(
            verdicts(AccountState::Failed { unseen }, Vec::new()),
            [("global".to_owned(), VerdictKind::Unknown)]
        );
        assert_eq!(verdicts(AccountState::Skipped { reason: "suspended".to_owned() }, Vec::new()), []);
    }
}
