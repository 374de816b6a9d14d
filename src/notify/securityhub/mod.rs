//! `--send securityhub`: the findings of each account, imported into the Security Hub of that account.
//!
//! [AWS takes](https://docs.aws.amazon.com/securityhub/latest/userguide/finding-update-batchimportfindings.html)
//! findings under an account's own product from that account alone, so that each is entered like for the scan and
//! sends its own. All of them go to the home region; an aggregation region or a delegated administrator then sees
//! them as it sees any others. Calls made: `GetFindings`, for what is there of earlier runs, and
//! `BatchImportFindings`, at most 100 findings and 6 MB at a time.
//!
//! A finding that is there already is updated and not doubled: its id is the same in every run. What an earlier run
//! sent and this one does not report any more is archived where this one looked for it, see [`gone`]. The time of
//! an update is that of the observation, and Security Hub ignores what is older than what it has, so that judging an
//! old inventory overwrites nothing newer.

mod convert;
mod gone;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_sdk_securityhub::types::{
    AwsSecurityFinding, AwsSecurityFindingFilters, StringFilter, StringFilterComparison,
};
use futures::{StreamExt, stream};

use crate::accounts::RoleSettings;
use crate::aws::{Aws, Call, Caller, ConnectError, Place, Reply, Session};
use crate::controls::VerdictKind;
use crate::inventory::{Account, AccountState, Unseen};
use crate::report::asff::{self, Findings, PREFIX};
use crate::report::{Report, WriteError, printable};
use gone::Looked;

/// `securityhub:GetFindings`: what earlier runs sent.
pub static GET_FINDINGS: Call = Call::list("securityhub", "GetFindings", "Findings");
/// `securityhub:BatchImportFindings`: the only call of Upright that writes.
pub static BATCH_IMPORT_FINDINGS: Call = Call::one("securityhub", "BatchImportFindings", "SuccessCount");

/// Findings that one import takes.
const MAX_BATCH: usize = 100;
/// Bytes that one import takes; 6 MB, less what the request needs around the findings.
const MAX_BATCH_BYTES: usize = 5_900_000;
/// Bytes that one finding has at most.
const MAX_FINDING_BYTES: usize = 240_000;
/// Accounts that are sent for at once.
const MAX_ACCOUNTS_IN_FLIGHT: usize = 8;
/// Refusals that an error names one by one.
const MAX_NAMED: usize = 20;

/// What was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// The region whose Security Hub took it.
    pub region: String,
    /// Accounts that sent.
    pub accounts: usize,
    /// Findings that Security Hub took.
    pub imported: usize,
    /// Findings of earlier runs that it archived, because what they are about is gone.
    pub archived: usize,
}

/// Why findings were not all sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Who is calling could not be asked.
    #[error("nothing was sent to Security Hub: {0}")]
    Connect(#[from] ConnectError),
    /// The report cannot be told as findings.
    #[error("nothing was sent to Security Hub: {0}")]
    Report(#[from] WriteError),
    /// Some accounts or findings were not taken; the others were.
    #[error("{}", refused(sent, refusals))]
    Refused {
        /// What was taken all the same.
        sent: Sent,
        /// What was not, by account.
        refusals: Vec<Refusal>,
    },
}

/// What Security Hub did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Findings of an account, because a call failed or the account was not entered.
    Account {
        /// Twelve digits.
        account: String,
        /// Findings that were not sent.
        left: usize,
        /// What AWS said.
        unseen: Unseen,
    },
    /// A single finding.
    Finding {
        /// Account that sent it.
        account: String,
        /// Its id in Security Hub.
        id: String,
        /// Error code.
        code: String,
        /// What AWS said.
        message: String,
    },
}

/// Sends the findings of every account that the report judges. Accounts other than the caller's are entered by
/// `role`.
///
/// # Errors
/// When it is not known who calls, or when an account or a finding was not taken; everything else is sent all the
/// same.
pub async fn send(aws: &Arc<Aws>, role: &RoleSettings, report: &Report) -> Result<Sent, SendError> {
    let findings = Findings::of(report)?;
    let (caller, own) = aws.caller().await?;
    let sending = Sending { report, findings, region: aws.home_region() };
    let judged: Vec<&Account> = report.accounts.iter().filter(|account| account.is_judged()).collect();
    let outcomes: Vec<Outcome> = stream::iter(judged)
        .map(|account| sending.account(account, session(account, &caller, &own, role)))
        .buffered(MAX_ACCOUNTS_IN_FLIGHT)
        .collect()
        .await;
    let mut sent = Sent { region: aws.home_region().to_owned(), ..Sent::default() };
    let mut refusals = Vec::new();
    for outcome in outcomes {
        sent.accounts += usize::from(outcome.imported + outcome.archived > 0);
        sent.imported += outcome.imported;
        sent.archived += outcome.archived;
        refusals.extend(outcome.refusals);
    }
    if refusals.is_empty() { Ok(sent) } else { Err(SendError::Refused { sent, refusals }) }
}

fn session(account: &Account, caller: &Caller, own: &Arc<Session>, role: &RoleSettings) -> Arc<Session> {
    if account.id == caller.account {
        Arc::clone(own)
    } else {
        Session::in_role(own, &account.id, role.request(&account.id, caller))
    }
}

/// What sending for all accounts has in common.
struct Sending<'a> {
    report: &'a Report,
    findings: Findings<'a>,
    region: &'a str,
}

/// What came of one account.
#[derive(Debug, Default)]
struct Outcome {
    imported: usize,
    archived: usize,
    refusals: Vec<Refusal>,
}

/// A finding on its way, with its size.
struct Parcel {
    finding: AwsSecurityFinding,
    bytes: usize,
    is_archived: bool,
}

impl Sending<'_> {
    async fn account(&self, account: &Account, session: Arc<Session>) -> Outcome {
        let entered = match &account.state {
            AccountState::Failed { unseen } => Err(unseen.clone()),
            AccountState::Scanned | AccountState::Skipped { .. } => session.enter().await,
        };
        let place = session.region(self.region);
        let known = match entered {
            Ok(()) => self.known(&place, account).await,
            Err(unseen) => Err(unseen),
        };
        match known {
            Ok(known) => import(&place, self.parcels(account, &known)).await,
            Err(unseen) => {
                let left = self.report.findings.iter().filter(|f| f.account == account.id).count();
                Outcome { refusals: vec![refusal(account, left, unseen)], ..Outcome::default() }
            }
        }
    }

    /// What earlier runs sent from the account, by id.
    async fn known(
        &self,
        place: &Place,
        account: &Account,
    ) -> Result<HashMap<String, AwsSecurityFinding>, Unseen> {
        let product = asff::product_arn(&account.partition, self.region, &account.id);
        let filters = AwsSecurityFindingFilters::builder()
            .product_arn(filter(&product, StringFilterComparison::Equals))
            .aws_account_id(filter(&account.id, StringFilterComparison::Equals))
            .generator_id(filter(PREFIX, StringFilterComparison::Prefix))
            .build();
        let client = place.securityhub();
        let listed = place
            .pages(
                &GET_FINDINGS,
                || client.get_findings().filters(filters.clone()).max_results(100).into_paginator().send(),
                |page| page.findings,
            )
            .await;
        let Reply::Answer(found) = listed.complete()? else {
            return Err(place.malformed(&GET_FINDINGS, "it answered without findings"));
        };
        // The product is shared with whatever else the account imports by itself, and that is not touched.
        let ours = found.into_iter().filter(|finding| {
            finding.product_arn.as_deref() == Some(&product)
                && finding.aws_account_id.as_deref() == Some(&account.id)
                && finding.generator_id.as_deref().is_some_and(|generator| generator.starts_with(PREFIX))
        });
        Ok(ours.filter_map(|finding| Some((finding.id.clone()?, finding))).collect())
    }

    /// What is to be imported: what this run says, and what is gone.
    fn parcels(&self, account: &Account, known: &HashMap<String, AwsSecurityFinding>) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        for finding in self.report.findings.iter().filter(|finding| finding.account == account.id) {
            let before = known.get(&asff::finding_id(finding));
            // That a control does not apply is news only where it did.
            if finding.verdict == VerdictKind::NotApplicable && before.is_none() {
                continue;
            }
            let mut told = self.findings.asff(finding, self.region);
            if let Some(before) = before {
                told.created_at = before.created_at.clone().unwrap_or(told.created_at);
                told.first_observed_at = before.first_observed_at.clone().unwrap_or(told.first_observed_at);
            }
            let bytes = serde_json::to_vec(&told).map_or(MAX_FINDING_BYTES, |json| json.len());
            parcels.push(Parcel { finding: convert::finding(told), bytes, is_archived: false });
        }
        let looked = Looked::at(self.report, account);
        let mut gone: Vec<&AwsSecurityFinding> =
            known.values().filter(|known| looked.is_gone(known)).collect();
        gone.sort_by(|a, b| a.id.cmp(&b.id));
        parcels.extend(gone.into_iter().map(|known| Parcel {
            finding: convert::archived(known, self.findings.observed_at()),
            bytes: MAX_FINDING_BYTES,
            is_archived: true,
        }));
        parcels
    }
}

fn filter(value: &str, comparison: StringFilterComparison) -> StringFilter {
    StringFilter::builder().value(value).comparison(comparison).build()
}

/// Imports batch by batch. A call that fails ends it: the next ones would fail alike.
async fn import(place: &Place, parcels: Vec<Parcel>) -> Outcome {
    let client = place.securityhub();
    let mut outcome = Outcome::default();
    let mut left = parcels.len();
    for batch in batches(parcels) {
        let archived = batch.iter().filter(|parcel| parcel.is_archived).count();
        let total = batch.len();
        let is_archived: HashMap<String, bool> = batch
            .iter()
            .filter_map(|parcel| Some((parcel.finding.id.clone()?, parcel.is_archived)))
            .collect();
        let findings: Vec<AwsSecurityFinding> = batch.into_iter().map(|parcel| parcel.finding).collect();
        let reply = place
            .call(&BATCH_IMPORT_FINDINGS, || {
                client.batch_import_findings().set_findings(Some(findings.clone())).send()
            })
            .await;
        let failed = match reply {
            Ok(Reply::Answer(answer)) => answer.failed_findings.unwrap_or_default(),
            Ok(Reply::Absent | Reply::Gone) => Vec::new(),
            Err(unseen) => {
                let account = place.account().to_owned();
                outcome.refusals.push(Refusal::Account { account, left, unseen });
                return outcome;
            }
        };
        left -= total;
        outcome.archived += archived;
        outcome.imported += total - archived;
        for failure in failed {
            let id = failure.id.unwrap_or_default();
            match is_archived.get(&id) {
                Some(true) => outcome.archived = outcome.archived.saturating_sub(1),
                _ => outcome.imported = outcome.imported.saturating_sub(1),
            }
            outcome.refusals.push(Refusal::Finding {
                account: place.account().to_owned(),
                id,
                code: failure.error_code.unwrap_or_default(),
                message: failure.error_message.unwrap_or_default(),
            });
        }
    }
    outcome
}

/// Cuts into what one import takes, in order.
fn batches(parcels: Vec<Parcel>) -> Vec<Vec<Parcel>> {
    let mut batches: Vec<Vec<Parcel>> = Vec::new();
    let mut bytes = 0;
    for parcel in parcels {
        bytes += parcel.bytes;
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_BATCH && bytes <= MAX_BATCH_BYTES => batch.push(parcel),
            _ => {
                bytes = parcel.bytes;
                batches.push(vec![parcel]);
            }
        }
    }
    batches
}

fn refusal(account: &Account, left: usize, unseen: Unseen) -> Refusal {
    Refusal::Account { account: account.id.clone(), left, unseen }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, accounts, imported, archived } = self;
        write!(
            f,
            "Security Hub in {region}: {imported} findings of {accounts} accounts sent, {archived} archived because \
             what they are about is gone"
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account { account, left, unseen } => {
                let said = unseen.to_string();
                write!(f, "account {account}: {left} findings were not sent: {}; ", printable(&said))?;
                f.write_str(&printable(&what_to_do(unseen)))
            }
            Self::Finding { account, id, code, message } => {
                write!(f, "account {account}: finding `{}` was refused", printable(id))?;
                write!(f, " ({}): {}", printable(code), printable(message))?;
                if is_not_enabled(code) { write!(f, "; {}", enable(account, "its region")) } else { Ok(()) }
            }
        }
    }
}

/// What AWS says when an account does not use Security Hub, as a call's error and as a finding's.
fn is_not_enabled(code: &str) -> bool {
    matches!(code, "InvalidAccessException" | "InvalidAccess")
}

fn enable(account: &str, region: &str) -> String {
    format!(
        "enable Security Hub in account {account} in {region}, or send to another region with `--home-region`"
    )
}

fn what_to_do(unseen: &Unseen) -> String {
    if is_not_enabled(&unseen.code) {
        return enable(&unseen.account, &unseen.region);
    }
    let remedy = unseen.remedy();
    if unseen.operation.starts_with("securityhub:") && unseen.statement().is_some() {
        return format!("{remedy}; `upright iam-policy --send securityhub` prints all that it needs");
    }
    remedy
}

fn refused(sent: &Sent, refusals: &[Refusal]) -> String {
    let mut text = format!("not everything was sent to Security Hub. {sent}. Not sent:");
    for refusal in refusals.iter().take(MAX_NAMED) {
        text.push_str(&format!("\n{refusal}"));
    }
    if let Some(more) = refusals.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
        text.push_str(&format!("\nand {more} more"));
    }
    text
}

#[cfg(test)]
mod tests;
