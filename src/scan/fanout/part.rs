//! [`Fanout::scan_account`]: one account of a run.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::super::keeping::{self, failed};
use super::super::threads::block_on;
use super::super::{Asked, Stopped, Until, connect, could_not, day, settings};
use super::plan::json;
use super::{Fanout, Scanned, State};
use crate::accounts::{Scope, target};
use crate::archive::{RunId, StoredObject, inventory_of};
use crate::aws::{OperationCount, Tally};
use crate::collect::Wanted;
use crate::inventory::{self, Account, AccountState};
use crate::run::{Facts, Observed, collect_one};
use settings::Waivers;

/// What is known of an account when it is scanned, without reading its inventory.
#[derive(Debug, Serialize, Deserialize)]
pub struct Part {
    pub(super) account: Account,
    /// What was observed.
    pub(super) inventory: StoredObject,
    /// What the other accounts must know.
    pub(super) facts: Facts,
    /// ARNs of its resources that do not name it: of its buckets.
    pub(super) unnamed: Vec<String>,
    pub(super) calls: Vec<OperationCount>,
}

impl Part {
    fn scanned(&self, seconds: f64) -> Scanned {
        let why = match &self.account.state {
            AccountState::Failed { unseen } => Some(unseen.to_string()),
            AccountState::Scanned | AccountState::Skipped { .. } => None,
        };
        Scanned {
            account: self.account.id.clone(),
            state: if why.is_some() { State::Failed } else { State::Scanned },
            why,
            requests: Tally::of(&self.calls).requests,
            seconds,
        }
    }
}

/// What the part of an account is called in the run.
pub(super) fn part_name(account: &str) -> String {
    format!("{account}.part.json")
}

/// What the report of an account is called in the run.
pub(super) fn report_name(account: &str) -> String {
    keeping::report_name(account)
}

impl Fanout<'_> {
    /// Scans one account of a run, and puts into the run what it observed. An account that was scanned is not scanned
    /// again; one that could not be entered is not tried again where trying is of no use.
    ///
    /// # Errors
    /// When the account is none of the run's, there are no credentials, the archive cannot be written, or the account
    /// could not be entered for a reason that may pass. `until` may end it before it is done; nothing is written then.
    pub fn scan_account(&self, run: &RunId, account: &str, mut until: Until) -> Result<Scanned, Stopped> {
        let started = Instant::now();
        let plan = self.planned(run)?;
        let Some(account) = plan.accounts.to_scan.into_iter().find(|planned| planned.id == account) else {
            return Err(Stopped::usage(miette::miette!(
                "account `{account}` is none of the plan of run {run}"
            )));
        };
        if let Some(part) = self.part(run, &account.id)? {
            return Ok(part.scanned(0.0));
        }
        if self.archive.is_committed(run).map_err(|error| failed(&error))? {
            return Err(Stopped::usage(miette::miette!(
                "run {run} is finished; what it has not seen, the next one sees"
            )));
        }
        let waivers = Waivers::read(self.config, day(plan.started_at))?;
        let Asked { wanted, scope } = Asked::of(self.controls, self.config, waivers.as_ref());
        let observed = block_on(self.observe(account, &wanted, &scope), until.comes())?;
        until.check()?;
        Ok(self.put(run, observed)?.scanned(started.elapsed().as_secs_f64()))
    }

    async fn observe(&self, account: Account, wanted: &Wanted, scope: &Scope) -> Result<Observed, Stopped> {
        let aws = connect(self.config, self.deadline).await?;
        let (caller, own) = aws.caller().await.map_err(|error| could_not(&error))?;
        let target = target(&caller, &own, &scope.role, account);
        let observed = collect_one(&aws, target, wanted, scope).await;
        let entered = observed.inventory.accounts.first().map(|account| &account.state);
        if let Some(AccountState::Failed { unseen }) = entered
            && unseen.cause.may_pass()
        {
            return Err(could_not(unseen));
        }
        Ok(observed)
    }

    /// Puts into a run what was observed of an account: the account is scanned then.
    ///
    /// # Errors
    /// When the archive cannot be written, or nothing was observed.
    pub fn put(&self, run: &RunId, observed: Observed) -> Result<Part, Stopped> {
        let Observed { inventory, calls } = observed;
        let Some(account) = inventory.accounts.first().cloned() else {
            return Err(Stopped::could_not_run(miette::miette!("nothing was observed of the account")));
        };
        let (name, part_name) = (inventory_of(&account.id), part_name(&account.id));
        let mut text = Vec::new();
        inventory::write(&inventory, &mut text).map_err(|error| failed(&format!("{name}: {error}")))?;
        let stored = self.archive.put_part(run, &name, &text).map_err(|error| failed(&error))?;
        let names_none = |arn: &&str| arn.split(':').nth(4).is_some_and(str::is_empty);
        let arns = inventory.resources().iter().map(|resource| resource.arn.as_str());
        let part = Part {
            account,
            inventory: stored,
            facts: Facts::of(&inventory),
            unnamed: arns.filter(names_none).map(str::to_owned).collect(),
            calls,
        };
        self.archive.put_part(run, &part_name, &json(&part)?).map_err(|error| failed(&error))?;
        Ok(part)
    }

    /// What an account of a run came to; `None` where it is not scanned.
    pub(super) fn part(&self, run: &RunId, account: &str) -> Result<Option<Part>, Stopped> {
        let name = part_name(account);
        let text = self.archive.part(run, &name).map_err(|error| failed(&error))?;
        let part = text.map(|text| serde_json::from_slice(&text)).transpose();
        part.map_err(|error| failed(&format!("{name} of run {run}: {error}")))
    }
}
