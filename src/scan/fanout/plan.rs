//! [`Fanout::plan`]: who is scanned.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::keeping::failed;
use super::super::threads::{block_on, interrupted};
use super::super::{Asked, Stopped, could_not, day, settings};
use super::{Fanout, Items, Planned};
use crate::accounts::{Discovery, discover};
use crate::archive::{Location, RunId};
use crate::aws::Metered;
use crate::inventory::{Account, Unseen};
use settings::Waivers;

const PLAN: &str = "plan.json";
const ACCOUNTS: &str = "accounts.json";

/// What is known before an account is looked at.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) started_at: Timestamp,
    #[serde(flatten)]
    pub(super) accounts: Accounts,
}

/// The accounts of a run before any is looked at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Accounts {
    /// Those to scan, by id.
    #[serde(rename = "accounts")]
    pub to_scan: Vec<Account>,
    /// Those that are not scanned.
    pub left_out: Vec<Account>,
    /// Why it is not known what the organization is.
    pub unseen: Option<Unseen>,
    /// The calls that finding them took.
    #[serde(default)]
    pub metered: Metered,
}

impl Fanout<'_> {
    /// Begins a run, finds the accounts, and writes down who is to be scanned. `execution` names what is done for the
    /// first time or again: the same name gives the same run.
    ///
    /// # Errors
    /// When the accounts cannot be found, or the archive cannot be written.
    pub fn plan(&self, execution: Option<&str>, started_at: Timestamp) -> Result<Planned, Stopped> {
        self.plan_of(execution, started_at, || self.find(started_at))
    }

    /// The same, of accounts that `find` says.
    ///
    /// # Errors
    /// Those of `find`, or when the archive cannot be written.
    pub fn plan_of(
        &self,
        execution: Option<&str>,
        started_at: Timestamp,
        find: impl FnOnce() -> Result<Accounts, Stopped>,
    ) -> Result<Planned, Stopped> {
        let run = self.begin(execution, started_at)?;
        let plan = match self.read_plan(&run)? {
            Some(plan) => plan,
            None => self.write_down(&run, Plan { started_at, accounts: find()? })?,
        };
        Ok(Planned { accounts: plan.accounts.to_scan.len(), items: self.items(&run), run })
    }

    fn begin(&self, execution: Option<&str>, started_at: Timestamp) -> Result<RunId, Stopped> {
        let writing = self.archive.begin(started_at).map_err(|error| failed(&error))?;
        let Some(name) = execution else { return Ok(writing.id().clone()) };
        let run = self.archive.run_of_execution(name, writing.id()).map_err(|error| failed(&error))?;
        if run != *writing.id() {
            writing.abandon();
        }
        Ok(run)
    }

    fn find(&self, started_at: Timestamp) -> Result<Accounts, Stopped> {
        let waivers = Waivers::read(self.config, day(started_at))?;
        let asked = Asked::of(self.controls, self.config, waivers.as_ref());
        let find = async {
            let aws = settings::connect(self.config).await?;
            let (caller, own) = aws.caller().await.map_err(|error| could_not(&error))?;
            let found = discover(&caller, &own, &asked.scope).await.map_err(|error| could_not(&error))?;
            Ok((found, aws.meters.take(None)))
        };
        let (Discovery { targets, left_out, unseen }, metered) = block_on(find, interrupted("interrupted"))?;
        let to_scan = targets.into_iter().map(|target| target.account).collect();
        Ok(Accounts { to_scan, left_out, unseen, metered })
    }

    fn write_down(&self, run: &RunId, plan: Plan) -> Result<Plan, Stopped> {
        // The plan is last: where it is, so is the list.
        for (name, text) in [(ACCOUNTS, json(&plan.accounts.to_scan)?), (PLAN, json(&plan)?)] {
            self.archive.put_part(run, name, &text).map_err(|error| failed(&error))?;
        }
        Ok(plan)
    }

    /// The plan of a run; `None` where it has none yet.
    pub(super) fn read_plan(&self, run: &RunId) -> Result<Option<Plan>, Stopped> {
        let text = self.archive.part(run, PLAN).map_err(|error| failed(&error))?;
        let plan = text.map(|text| serde_json::from_slice(&text)).transpose();
        plan.map_err(|error| failed(&format!("{PLAN} of run {run}: {error}")))
    }

    /// The plan of a run that is said to have one.
    pub(super) fn planned(&self, run: &RunId) -> Result<Plan, Stopped> {
        self.read_plan(run)?.ok_or_else(|| {
            Stopped::usage(miette::miette!("run {run} has no plan in the archive; `plan` is the first step"))
        })
    }

    fn items(&self, run: &RunId) -> Option<Items> {
        let Some(Location::Bucket { bucket, prefix }) = &self.config.archive else { return None };
        let folder = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Some(Items { bucket: bucket.clone(), key: format!("{folder}runs/{run}/{ACCOUNTS}") })
    }
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, Stopped> {
    serde_json::to_vec(value).map_err(|error| failed(&format!("a fault of this program: {error}")))
}
