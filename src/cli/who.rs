//! What happened since the run before: event rules over what was read, and who made the changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::events::detect::Detector;
use super::scan::Until;
use super::threads::block_on;
use super::{Stopped, settings};
use crate::aws::{Aws, ConnectError, Session};
use crate::config::Config;
use crate::events::authors::{Index, Latest};
use crate::events::remote::history::{self, Answered};
use crate::report::{Authors, Report};

/// Puts into the report what event rules found, and who made the changes since the run before: as the events that are
/// read anyway say, and then, where the configuration wants that, the event history of each account.
pub(super) fn happened(
    report: &mut Report,
    detector: Option<&Detector>,
    config: &Config,
    may_ask: bool,
    until: &mut Until,
) -> Result<(), Stopped> {
    let may_ask = may_ask && config.who_changed;
    let (sought, within) = (report.sought(), report.changed_within());
    let index = within
        .filter(|_| !sought.is_empty() && (may_ask || detector.is_some()))
        .map(|(since, until)| Index::of(&sought, since, until));
    let mut latest = Latest::default();
    if let Some(detector) = detector {
        report.set_detections(detector.detect(index.as_ref(), &mut latest));
    }
    let Some(index) = index else { return Ok(()) };
    let answered = if may_ask {
        block_on(async { Ok(ask(&index, config, &mut latest).await) }, until.comes())?
    } else {
        Answered::default()
    };
    let calls: BTreeMap<_, _> = latest.into_calls(&index);
    if let Some(changes) = &mut report.changes {
        changes.authors = Some(Authors::of(detector.is_some(), answered, calls));
    }
    Ok(())
}

/// Asks the event history, with connections of its own: a report says what the scan cost.
async fn ask(index: &Index, config: &Config, latest: &mut Latest) -> Answered {
    match ask_aws(index, config, latest).await {
        Ok(answered) => answered,
        Err(error) => history::unasked(index, latest, &error.to_string()),
    }
}

async fn ask_aws(index: &Index, config: &Config, latest: &mut Latest) -> Result<Answered, ConnectError> {
    let aws = Aws::connect(&settings::source(config), &settings::limits(config)).await?;
    let (caller, own) = aws.caller().await?;
    let role = settings::role(config);
    let enter = |account: &str| {
        if account == caller.account {
            Arc::clone(&own)
        } else {
            Session::in_role(&own, account, role.request(account, &caller))
        }
    };
    Ok(history::ask(index, enter, latest).await)
}
