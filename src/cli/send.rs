//! Sending the findings of a scan, after its reports are written.

use super::settings;
use super::threads::{block_on, interrupted};
use super::{Done, Exit, Stopped};
use crate::aws::Aws;
use crate::config::Config;
use crate::notify::{Receiver, securityhub};
use crate::report::Report;

/// Sends the report to every service that the configuration names, each once.
///
/// It has connections of its own: a report says what the scan cost, and a saved inventory is sent as well.
pub(super) fn run(report: &Report, config: &Config) -> Done {
    if config.send.contains(&Receiver::SecurityHub) {
        let stop = interrupted("interrupted while findings were sent; the reports are written");
        let sent = block_on(to_security_hub(report, config), stop)?;
        eprintln!("{sent}");
    }
    Ok(Exit::Clean)
}

async fn to_security_hub(report: &Report, config: &Config) -> Result<securityhub::Sent, Stopped> {
    let failed = |error: &dyn std::fmt::Display| Stopped::could_not_run(miette::miette!("{error}"));
    let aws = Aws::connect(&settings::source(config), &settings::limits(config))
        .await
        .map_err(|error| failed(&error))?;
    let role = settings::role(config);
    securityhub::send(&aws, &role, report).await.map_err(|error| failed(&error))
}
