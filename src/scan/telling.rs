//! Sending what a scan found: to other services, and to people.

use jiff::Timestamp;

use super::threads::{block_on, interrupted};
use super::{Stopped, settings};
use crate::config::Config;
use crate::notify::{Delivery, News, Receiver, Telling, securityhub, tell};
use crate::report::{Report, printable};

/// Sends the report to every service that the configuration names, each once.
///
/// It has connections of its own: a report says what the scan cost, and a saved inventory is sent as well.
///
/// # Errors
/// When not all of it was sent.
pub fn send(report: &Report, config: &Config, say: &dyn Fn(&str)) -> Result<(), Stopped> {
    if config.send.contains(&Receiver::SecurityHub) {
        let stop = interrupted("interrupted while findings were sent; the reports are written");
        let sent = block_on(to_security_hub(report, config), stop)?;
        say(&sent.to_string());
    }
    Ok(())
}

async fn to_security_hub(report: &Report, config: &Config) -> Result<securityhub::Sent, Stopped> {
    let failed = |error: &dyn std::fmt::Display| Stopped::could_not_run(miette::miette!("{error}"));
    let aws = settings::connect(config).await?;
    let role = settings::role(config);
    securityhub::send(&aws, &role, report).await.map_err(|error| failed(&error))
}

/// Tells of a scan that ran, and gives back a line for each that was not reached. It ends as it would have without:
/// whoever is not reached does not change what was found.
pub fn tell_of(config: &Config, report: &Report, say: &dyn Fn(&str)) -> Vec<String> {
    told(deliver(config, &News::Report(report)), say)
}

/// Tells of a scan that could not run.
pub fn tell_of_failure(config: &Config, stopped: &Stopped, started_at: Timestamp, say: &dyn Fn(&str)) {
    let mut why = stopped.why().to_string();
    if let Some(help) = stopped.why().help() {
        why.push_str(&format!(" ({help})"));
    }
    told(deliver(config, &News::Failure { why: &why, at: &started_at.to_string() }), say);
}

/// Says who was reached and who was not; the latter are given back.
fn told(deliveries: Result<Vec<Delivery>, Stopped>, say: &dyn Fn(&str)) -> Vec<String> {
    match deliveries {
        Ok(deliveries) => {
            deliveries.iter().for_each(|delivery| say(&line(delivery)));
            deliveries.iter().filter(|delivery| !delivery.is_delivered()).map(line).collect()
        }
        Err(stopped) => {
            let why = stopped.in_a_line();
            say(&why);
            vec![why]
        }
    }
}

/// What became of a message, for people.
#[must_use]
pub fn line(delivery: &Delivery) -> String {
    printable(&delivery.to_string()).into_owned()
}

/// Tells everyone whom the configuration names.
///
/// # Errors
/// When it was interrupted.
pub fn deliver(config: &Config, news: &News<'_>) -> Result<Vec<Delivery>, Stopped> {
    let Some(notify) = &config.notify else { return Ok(Vec::new()) };
    let (source, limits) = (settings::source(config), settings::limits(config));
    let telling =
        Telling { notify, source: &source, limits: &limits, html_max_findings: config.html_max_findings };
    let stop = interrupted("interrupted while people were told; some messages may be sent");
    block_on(async { Ok(tell(&telling, news).await) }, stop)
}
