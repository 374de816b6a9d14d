//! [`Fanout::finish`]: from the parts to the run that is committed.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use jiff::Timestamp;
use jiff::civil::Date;

use super::super::detect::{Detector, detector};
use super::super::keeping::{self, Stored, failed, packed_page, packed_report};
use super::super::who::happened;
use super::super::{Failed, Stopped, Until, day, rate, sum_up, telling, write_reports};
use super::Fanout;
use super::before::Before;
use super::part::{Part, report_name};
use super::plan::Plan;
use crate::archive::{PAGE, REPORT, RunId, Writing};
use crate::aws::Metered;
use crate::findings::{Finding, judge_account};
use crate::inventory::{self, Account, AccountState, Cause, GLOBAL, Inventory, Unseen};
use crate::parallel;
use crate::report::{Changes, Format, Merger, Ran, Report, Whole, printable};
use crate::run::{Facts, join};
use crate::scan::settings::Waivers;

/// Findings that the report of all accounts lists at most.
const MAX_LISTED: usize = 20_000;
/// Findings of one object with columns, and those of the last account that comes into it besides: they are in memory
/// until it is written.
const FINDINGS_IN_FILE: usize = 20_000;
/// Accounts beside which one is judged at most. A control that looks into more has not seen them.
const MAX_BESIDE: usize = 16;
/// Objects that are read at once.
const READERS: usize = 16;

impl Fanout<'_> {
    /// Judges the accounts one after the other, adds up, compares with the run before, writes the reports, tells people
    /// and commits the run. An account that was not scanned is unknown. A run that is committed is not finished again.
    /// The report counts the calls of `besides` with those of the accounts. `until` may end it before people are told;
    /// nothing is committed then.
    ///
    /// Its memory is that of the accounts that are judged at once, and what is known of all: their counts, and the
    /// findings that matter most.
    ///
    /// # Errors
    /// When the archive cannot be read or written, or a file of the configuration is wrong; and whether people were told
    /// of what was found. Also when findings were not sent: the run is committed then.
    pub fn finish(&self, run: &RunId, besides: Metered, until: &mut Until) -> Result<Report, Failed> {
        if self.archive.is_committed(run).map_err(|error| failed(&error))? {
            return Ok(keeping::report_of(self.archive, run)?);
        }
        let plan = self.planned(run)?;
        let say = |line: &str| self.audience.say(line);
        let mut writing = self.archive.resume(run);
        let added_up = self.add_up(run, &plan, &mut writing, besides)?;
        let AddedUp { mut report, asked, unsent, detector } = added_up;
        let today = day(plan.started_at);
        happened(&mut report, detector.as_ref(), self.config, true, until)?;
        if report.detections.is_some() && report.left_out.is_none() {
            // What was detected raises the risk. Where findings are left out, so may be others that do.
            rate(&mut report, self.config, today);
        }
        report.attest(self.attestations, today);
        let files = write_reports(&report, self.config)?;
        self.audience.show(&report, &files.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
        self.put_whole(&report, &mut writing)?;
        until.check()?;
        let mut notes: Vec<String> = unsent.iter().map(Stopped::in_a_line).collect();
        notes.extend(telling::tell_of(self.config, &report, &say));
        let after = |stopped| Failed { stopped, is_told: true };
        Stored::together(self.archive, writing, asked)
            .commit(&report, notes, self.config, &say)
            .map_err(after)?;
        unsent.into_iter().next().map_or(Ok(report), |stopped| Err(after(stopped)))
    }

    fn add_up(
        &self,
        run: &RunId,
        plan: &Plan,
        writing: &mut Writing<'_>,
        besides: Metered,
    ) -> Result<AddedUp<'_>, Stopped> {
        // Before the work: it is over soon where a file of rules is wrong.
        let detector = detector(self.config, plan.started_at)?;
        let members = self.members(run, plan)?;
        let ids: Vec<&str> = members.judged().map(|account| account.id.as_str()).collect();
        let asked = keeping::asked(self.config, ids.iter().copied(), false);
        let before = Before::find(self.archive, &asked, plan.started_at, &ids).unwrap_or_else(|why| {
            self.audience.say(&format!("What changed since the run before is not told: {}", printable(&why)));
            None
        });
        let judging = Judging {
            fanout: self,
            run,
            started_at: plan.started_at,
            today: day(plan.started_at),
            waivers: Waivers::read(self.config, day(plan.started_at))?,
            before: before.as_ref(),
            members: &members,
        };
        let mut merger = Merger::new(self.controls, MAX_LISTED);
        let mut columns = Columns { reports: Vec::new(), findings: 0, files: 0 };
        let mut unsent = Vec::new();
        let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        for some in members.accounts.chunks(workers) {
            let judged = parallel::map(some, workers, |member| judging.account(member));
            for (member, judged) in some.iter().zip(judged) {
                let (report, packed) = judged?;
                if member.account.is_judged() {
                    let put = writing.put(&report_name(&member.account.id), packed);
                    put.map_err(|error| failed(&error))?;
                    if let Err(stopped) = telling::send(&report, self.config, &|line| self.audience.say(line))
                    {
                        self.audience.say(&stopped.in_a_line());
                        unsent.push(stopped);
                    }
                    columns.add(&report, writing)?;
                }
                if let Some(part) = &member.part {
                    writing.adopt(part.inventory.clone());
                }
                merger.add(report);
            }
        }
        for gone in judging.gone()? {
            merger.add(gone);
        }
        columns.write(writing)?;
        merger.add_metered(plan.accounts.metered.clone());
        merger.add_metered(besides);
        let mut report = merger.finish(Whole {
            run: run.as_str(),
            started_at: plan.started_at,
            finished_at: Timestamp::now(),
            earlier: before.as_ref().map(|before| &before.whole),
        });
        report.undelivered = before.as_ref().and_then(Before::undelivered);
        report.carry_on(before.as_ref().map(|before| &before.whole));
        Ok(AddedUp { report, asked, unsent, detector })
    }

    /// The accounts of the run with what is known of them, by id, and what they must know of each other.
    fn members(&self, run: &RunId, plan: &Plan) -> Result<Members, Stopped> {
        let read = parallel::map(&plan.accounts.to_scan, READERS, |account| self.member(run, account));
        let mut accounts = read.into_iter().collect::<Result<Vec<Member>, Stopped>>()?;
        accounts.extend(
            plan.accounts.left_out.iter().map(|account| Member { account: account.clone(), part: None }),
        );
        accounts.sort_by(|a, b| a.account.id.cmp(&b.account.id));
        let mut facts = Facts::default();
        let mut unnamed = HashMap::new();
        for member in &mut accounts {
            let Some(part) = &mut member.part else { continue };
            facts.add(std::mem::take(&mut part.facts));
            for arn in std::mem::take(&mut part.unnamed) {
                unnamed.insert(arn, member.account.id.clone());
            }
        }
        let all: Vec<Account> = accounts.iter().map(|member| member.account.clone()).collect();
        facts.complete(&all, plan.accounts.unseen.as_ref());
        Ok(Members { accounts, facts, unnamed })
    }

    fn member(&self, run: &RunId, account: &Account) -> Result<Member, Stopped> {
        if let Some(part) = self.part(run, &account.id)? {
            return Ok(Member { account: part.account.clone(), part: Some(part) });
        }
        let why = "the scan of the account did not come to its end".to_owned();
        let unseen = Unseen::without_call(&account.id, GLOBAL, Cause::Failed, why);
        let account = Account { state: AccountState::Failed { unseen }, ..account.clone() };
        Ok(Member { account, part: None })
    }

    fn put_whole(&self, report: &Report, writing: &mut Writing<'_>) -> Result<(), Stopped> {
        let mut put = |name: &str, packed: Result<Vec<u8>, crate::report::WriteError>| {
            let packed = packed.map_err(|error| failed(&format!("{name}: {error}")))?;
            writing.put(name, packed).map_err(|error| failed(&error))
        };
        put(REPORT, packed_report(report))?;
        if self.config.formats.contains(&Format::Html) {
            put(PAGE, packed_page(report))?;
        }
        Ok(())
    }
}

/// What the accounts came to.
struct AddedUp<'a> {
    /// The report of all.
    report: Report,
    /// Hash of what was asked.
    asked: String,
    /// Why findings of an account were not sent. They are kept and told all the same.
    unsent: Vec<Stopped>,
    /// Event rules, where the configuration names sources of events.
    detector: Option<Detector<'a>>,
}

/// An account of the run.
struct Member {
    account: Account,
    /// What was observed; nothing where it was left out or its scan did not end.
    part: Option<Part>,
}

/// The accounts of a run.
struct Members {
    /// By id.
    accounts: Vec<Member>,
    facts: Facts,
    /// ARNs that name no account → account.
    unnamed: HashMap<String, String>,
}

impl Members {
    fn judged(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter().map(|member| &member.account).filter(|account| account.is_judged())
    }

    fn find(&self, id: &str) -> Option<&Member> {
        let at = self.accounts.binary_search_by(|member| member.account.id.as_str().cmp(id)).ok()?;
        self.accounts.get(at)
    }
}

/// What judging an account takes.
struct Judging<'a> {
    fanout: &'a Fanout<'a>,
    run: &'a RunId,
    started_at: Timestamp,
    today: Date,
    waivers: Option<Waivers>,
    before: Option<&'a Before<'a>>,
    members: &'a Members,
}

impl Judging<'_> {
    /// The report of one account, and as it is kept.
    fn account(&self, member: &Member) -> Result<(Report, Vec<u8>), Stopped> {
        let id = &member.account.id;
        let (inventory, findings) = self.judge(member)?;
        // Those beside which it was judged are not part of it.
        let coverage = inventory.coverage.iter().filter(|row| row.account == *id).cloned().collect();
        let accounts = vec![member.account.clone()];
        let mut alone = Inventory::new(inventory.observed_at, accounts, Vec::new(), Vec::new(), coverage);
        let absent = inventory.absent_regions.get_key_value(id);
        alone.absent_regions =
            absent.map(|(id, regions)| (id.clone(), regions.clone())).into_iter().collect();
        let (ran, config) = (self.ran(&alone, member.part.as_ref()), self.fanout.config);
        let mut report = sum_up(ran, findings, self.waivers.as_ref(), &inventory, config)?;
        drop(inventory);
        report.run.id = self.run.to_string();
        self.compare(&mut report, id)?;
        report.attest(self.fanout.attestations, self.today);
        rate(&mut report, config, self.today);
        let packed = packed_report(&report).map_err(|error| failed(&format!("account {id}: {error}")))?;
        Ok((report, packed))
    }

    fn ran<'r>(&'r self, alone: &'r Inventory, part: Option<&'r Part>) -> Ran<'r> {
        Ran {
            started_at: self.started_at,
            finished_at: Timestamp::now(),
            inventory: alone,
            controls: self.fanout.controls,
            calls: part.map_or(&[][..], |part| &part.calls),
        }
    }

    fn compare(&self, report: &mut Report, id: &str) -> Result<(), Stopped> {
        let Some(before) = self.before else { return Ok(()) };
        let earlier = before.account(id).map_err(|why| failed(&why))?;
        report.changes = Changes::between(&earlier, report);
        Ok(())
    }

    /// The findings of an account, and the inventory that they are from: its own, and those of the accounts that its
    /// controls look into.
    fn judge(&self, member: &Member) -> Result<(Arc<Inventory>, Vec<Finding>), Stopped> {
        let controls: Vec<_> = self.fanout.controls.controls().collect();
        let id = &member.account.id;
        let mut beside: BTreeSet<&str> = BTreeSet::new();
        loop {
            let mut inventories = vec![self.read(member)?];
            for other in beside.iter().filter_map(|id| self.members.find(id)) {
                inventories.push(self.read(other)?);
            }
            let inventory =
                Arc::new(join(inventories, &self.members.facts, self.fanout.config.regions.is_empty()));
            let findings = judge_account(&inventory, id, &controls);
            let missed = inventory.missed();
            let owners = missed.arns.iter().filter_map(|arn| self.members.unnamed.get(arn));
            let more = missed.accounts.iter().chain(owners).filter_map(|id| self.members.find(id));
            let before = beside.len();
            let more = more.map(|other| other.account.id.as_str()).filter(|other| other != id);
            beside.extend(more.take(MAX_BESIDE.saturating_sub(before)));
            if beside.len() == before {
                return Ok((inventory, findings));
            }
        }
    }

    /// What was observed of an account; nothing where it was not scanned.
    fn read(&self, member: &Member) -> Result<Inventory, Stopped> {
        let Some(part) = &member.part else {
            let accounts = vec![member.account.clone()];
            return Ok(Inventory::new(self.started_at, accounts, Vec::new(), Vec::new(), Vec::new()));
        };
        let name = &part.inventory.name;
        let text = self.fanout.archive.part_as_written(self.run, &part.inventory);
        let text = text.map_err(|error| failed(&error))?;
        inventory::read(Path::new(name), text.as_slice()).map_err(|error| failed(&error))
    }

    /// For each account that was judged then and is none of this run's any more, what became of its failures.
    fn gone(&self) -> Result<Vec<Report>, Stopped> {
        let Some(before) = self.before else { return Ok(Vec::new()) };
        let gone = before.accounts().filter(|id| self.members.find(id).is_none());
        gone.map(|id| {
            let nothing = Inventory::new(self.started_at, Vec::new(), Vec::new(), Vec::new(), Vec::new());
            let mut report = Report::of(self.ran(&nothing, None), Vec::new());
            report.run.id = self.run.to_string();
            self.compare(&mut report, id)?;
            Ok(report)
        })
        .collect()
    }
}

/// The findings on their way into columns, some accounts at a time.
struct Columns {
    reports: Vec<Report>,
    findings: usize,
    files: usize,
}

impl Columns {
    fn add(&mut self, report: &Report, writing: &mut Writing<'_>) -> Result<(), Stopped> {
        self.findings += report.findings.len();
        self.reports.push(report.clone());
        if self.findings >= FINDINGS_IN_FILE { self.write(writing) } else { Ok(()) }
    }

    fn write(&mut self, writing: &mut Writing<'_>) -> Result<(), Stopped> {
        if self.reports.is_empty() {
            return Ok(());
        }
        self.files += 1;
        let name = format!("findings-{:04}.parquet", self.files);
        let columns = keeping::findings(&self.reports).map_err(|error| failed(&error))?;
        writing.put(&name, columns).map_err(|error| failed(&error))?;
        self.reports.clear();
        self.findings = 0;
        Ok(())
    }
}
