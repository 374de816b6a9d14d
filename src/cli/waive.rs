//! `upright waive`.

use std::path::PathBuf;

use clap::Args;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::output::print;
use super::report::read;
use super::scan::day;
use super::{Done, Stopped, explain, settings};
use crate::config::{self, NewWaiver, WAIVERS_FILE_NAME};
use crate::controls::VerdictKind;
use crate::findings::Finding;
use crate::findings::waiver::{DIGEST_DIGITS, Glob, evidence_digest};
use crate::report::{Format, printable};

/// Days that a waiver holds where nobody says how long.
const USUAL_DAYS: u32 = 90;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright waive 3f9a12c0 --reason Public-on-purpose --ticket SEC-17\n  \
    upright waive 3f9a12c0 --reason Migration --author Ann --expires 2027-03-31\n  \
    upright waive 3f9a12c0 --reason Next-sprint --snooze-until 2027-01-15\n  \
    upright waive 3f9a12c0 --reason Accepted --days 30 --until-evidence-changes")]
pub(super) struct WaiveArguments {
    /// Id of the finding, or as much of its beginning as no other id has, at least 4 digits
    id: String,
    /// Why the failure is accepted
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Where more is written about it
    #[arg(long, value_name = "TEXT")]
    ticket: Option<String>,
    /// Who accepts it [default: the user's name on this machine]
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// Last day on which it is accepted; from the next day on it is back
    #[arg(long, visible_alias = "snooze-until", value_name = "DATE", conflicts_with = "days")]
    expires: Option<Date>,
    /// Days for which it is accepted [default: 90]
    #[arg(long, value_name = "N")]
    days: Option<u32>,
    /// Accept it only as long as what the control reads stays the same
    #[arg(long)]
    until_evidence_changes: bool,
    /// The report that it is in, a `report.json`; `-` reads it from stdin [default: report.json where scans write it]
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// File that the waiver is added to [default: waivers.yaml]
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
    /// Configuration file [default: upright.yaml, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: &WaiveArguments) -> Done {
    let config = settings::configuration(arguments.config.as_deref())?;
    let from = arguments.from.clone().unwrap_or_else(|| config.out.join(Format::Json.file_name()));
    let file = arguments.waivers.as_ref().or(config.waivers.as_ref());
    let file = file.cloned().unwrap_or_else(|| PathBuf::from(WAIVERS_FILE_NAME));
    let report = read(&from)?;
    let finding = report.find(&arguments.id).map_err(|why| explain::not_found(&why, &from))?;
    must_fail(finding)?;
    let waiver = waiver(arguments, finding, config.waiver_max_days)?;
    let added = config::append_waiver(&file, &waiver, config.waiver_max_days).map_err(Stopped::usage)?;
    let file = file.to_string_lossy().into_owned();
    if let Some(waived) = &finding.waived {
        eprintln!(
            "{}",
            printable(&format!("It was {}, and is now waived until the later day.", waived.words()))
        );
    }
    let entry: String = added.entry.lines().map(|line| format!("{}\n", printable(line))).collect();
    print(&format!("{}:{}: waived until {}\n{entry}", printable(&file), added.line, waiver.expires))
}

/// Only what was seen to fail can be accepted.
fn must_fail(finding: &Finding) -> Result<(), Stopped> {
    let (why, help) = match finding.verdict {
        VerdictKind::Fail => return Ok(()),
        VerdictKind::Unknown => (
            "was not observed, and nobody knows what would be accepted",
            "`upright explain` tells what hides it, and who can change that",
        ),
        VerdictKind::Pass => ("passes, and there is nothing to accept", "waive it once it fails"),
        VerdictKind::NotApplicable => {
            ("does not apply, and there is nothing to accept", "waive it once it fails")
        }
    };
    let subject = finding.subject();
    let words = format!("`{}` {why}: {} on `{subject}`", finding.id, finding.control);
    Err(Stopped::usage(miette::miette!(help = help, "{}", printable(&words))))
}

fn waiver(arguments: &WaiveArguments, finding: &Finding, max_days: u32) -> Result<NewWaiver, Stopped> {
    let date = day(Timestamp::now());
    let expires = match arguments.expires {
        Some(expires) => expires,
        None => {
            let days = arguments.days.unwrap_or(USUAL_DAYS.min(max_days));
            date.checked_add(i64::from(days).days())
                .map_err(|_| Stopped::usage(miette::miette!("`--days {days}` is beyond every calendar")))?
        }
    };
    let text = |flag: &str, text: &str| match text.trim() {
        "" => Err(Stopped::usage(miette::miette!("`{flag}` is empty"))),
        text => Ok(text.to_owned()),
    };
    let glob = Glob::new(&finding.resource_arn).ok();
    // An ARN with a `*` or a `?` in it stands for others as well, and without an ARN the rest may.
    let is_exact = glob.is_some() && !finding.resource_arn.contains(['*', '?']);
    let snoozed = arguments.until_evidence_changes;
    let digest = || evidence_digest(&finding.evidence).chars().take(DIGEST_DIGITS).collect();
    Ok(NewWaiver {
        control: finding.control.clone(),
        account: finding.account.clone(),
        region: finding.region.clone(),
        resource: glob.map(|glob| glob.as_str().to_owned()),
        finding: (snoozed || !is_exact).then(|| finding.id.clone()),
        reason: text("--reason", &arguments.reason)?,
        author: text("--author", &author(arguments.author.as_deref())?)?,
        ticket: arguments.ticket.as_deref().map(|ticket| text("--ticket", ticket)).transpose()?,
        date,
        expires,
        until: snoozed.then_some("evidence-changes"),
        evidence: snoozed.then(digest),
    })
}

/// Who accepts it: as given, or the name that the system has for the user.
fn author(given: Option<&str>) -> Result<String, Stopped> {
    let known = || {
        ["USER", "LOGNAME", "USERNAME"]
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|name| !name.trim().is_empty())
    };
    given.map(str::to_owned).or_else(known).ok_or_else(|| {
        Stopped::usage(miette::miette!(help = "add --author NAME", "it is not known who accepts the failure"))
    })
}
