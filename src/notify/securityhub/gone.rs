//! What an earlier run sent and is gone: not merely unreported, but looked for and not there.

use std::collections::{HashMap, HashSet};

use aws_sdk_securityhub::types::{AwsSecurityFinding, RecordState};
use jiff::Timestamp;

use crate::controls::VerdictKind;
use crate::inventory::{Account, AccountState, GLOBAL};
use crate::report::Report;
use crate::report::asff::{self, PREFIX, REGION_FIELD};

/// What a run looked at in one account.
#[derive(Debug)]
pub(super) struct Looked<'a> {
    account: &'a Account,
    observed_at: Option<Timestamp>,
    /// Controls that ran.
    controls: HashSet<&'a str>,
    /// Ids in Security Hub of what it reports.
    reported: HashSet<String>,
    /// Control → regions in which what it judges could not be listed.
    holes: HashMap<&'a str, HashSet<&'a str>>,
}

impl<'a> Looked<'a> {
    /// What the run of the report looked at in the account.
    pub(super) fn at(report: &'a Report, account: &'a Account) -> Self {
        let mut reported = HashSet::new();
        let mut holes: HashMap<&str, HashSet<&str>> = HashMap::new();
        for finding in report.findings.iter().filter(|finding| finding.account == account.id) {
            reported.insert(asff::finding_id(finding));
            if finding.verdict == VerdictKind::Unknown && asff::is_about_account(finding, &account.partition)
            {
                holes.entry(&finding.control).or_default().insert(&finding.region);
            }
        }
        Self {
            account,
            observed_at: report.run.observed_at.parse().ok(),
            controls: report.controls.iter().map(|control| control.id.as_str()).collect(),
            reported,
            holes,
        }
    }

    /// Whether what the finding is about is gone: its control ran, its region was looked at, the list of what the
    /// control judges was read to its end there, and nothing newer is known. Whatever is in doubt stays.
    pub(super) fn is_gone(&self, known: &AwsSecurityFinding) -> bool {
        let is_active = known.record_state == Some(RecordState::Active);
        let is_entered = matches!(self.account.state, AccountState::Scanned);
        let Some(control) = known.generator_id.as_deref().and_then(|id| id.strip_prefix(PREFIX)) else {
            return false;
        };
        let Some(region) = known.product_fields.as_ref().and_then(|fields| fields.get(REGION_FIELD)) else {
            return false;
        };
        let is_reported = known.id.as_ref().is_none_or(|id| self.reported.contains(id));
        is_active
            && is_entered
            && !is_reported
            && self.controls.contains(control)
            && self.was_listed(control, region)
            && self.is_older(known)
    }

    fn was_listed(&self, control: &str, region: &str) -> bool {
        let was_looked_at = region == GLOBAL || self.account.regions.iter().any(|scanned| scanned == region);
        let is_hidden = self
            .holes
            .get(control)
            .is_some_and(|holes| region == GLOBAL || holes.contains(region) || holes.contains(GLOBAL));
        was_looked_at && !is_hidden
    }

    /// Whether the finding is from before this run's observation; a saved inventory may be older than it.
    fn is_older(&self, known: &AwsSecurityFinding) -> bool {
        let updated_at = known.updated_at.as_deref().and_then(|at| at.parse::<Timestamp>().ok());
        matches!((updated_at, self.observed_at), (Some(updated), Some(observed)) if updated < observed)
    }
}
