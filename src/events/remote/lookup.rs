//! The event history of an account and region, by `LookupEvents`.
//!
//! It has [management events of the last 90 days](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/view-cloudtrail-events.html)
//! and no data events, the latest first. AWS takes
//! [two requests a second](https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html) for each
//! account and region, of 50 events at most, so that this is for hours and days and not for months.

use std::time::Duration;

use aws_sdk_cloudtrail::operation::lookup_events::LookupEventsOutput;
use aws_sdk_cloudtrail::primitives::DateTime;
use governor::{Quota, RateLimiter};
use jiff::Timestamp;

use super::pieces::{Failure, Filling, pipe};
use super::{Remote, tell, unreadable};
use crate::aws::{Call, Place};
use crate::events::source::Input;

/// `cloudtrail:LookupEvents`
pub static LOOKUP_EVENTS: Call = Call::list("cloudtrail", "LookupEvents", "Events");

/// Between two requests in one account and region.
pub(super) const BETWEEN: Duration = Duration::from_millis(500);
/// Events of a page, the most there can be.
pub(super) const PAGE: i32 = 50;

/// From when to when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// Events from this time on; without it, all that AWS keeps.
    pub since: Option<Timestamp>,
    /// Events before this time.
    pub until: Option<Timestamp>,
}

/// The event history of the caller's account in each of these regions. Regions are asked at the same time.
#[must_use]
pub fn inputs(remote: &Remote, regions: &[String], period: Period) -> Vec<Input> {
    regions
        .iter()
        .map(|region| {
            let place = remote.session.region(region);
            let name = format!("event history of {} in {region}", place.account());
            let Some(quota) = Quota::with_period(BETWEEN) else {
                return unreadable(name, "no time between requests".to_owned());
            };
            let (filling, reading) = pipe(());
            remote.runtime.spawn(fetch(place, period, RateLimiter::direct(quota), filling));
            Input::later(name, || Ok(Box::new(reading.opened()?)))
        })
        .collect()
}

/// Fetches page by page; each event becomes a line.
async fn fetch(place: Place, period: Period, limit: governor::DefaultDirectRateLimiter, mut into: Filling) {
    let client = place.cloudtrail();
    let mut token: Option<String> = None;
    let how = loop {
        limit.until_ready().await;
        let page = place.call(&LOOKUP_EVENTS, || {
            client
                .lookup_events()
                .max_results(PAGE)
                .set_start_time(period.since.map(seconds))
                // Fractions are cut off, and an event of that second may be asked for still.
                .set_end_time(period.until.map(|until| DateTime::from_secs(until.as_second() + 1)))
                .set_next_token(token.clone())
                .send()
        });
        let page = match page.await {
            Ok(reply) => reply.found(),
            Err(unseen) => break Err(tell(&unseen, &LOOKUP_EVENTS, "*")),
        };
        let Some(page) = page else { break Ok(()) };
        if into.add(lines(&page).as_bytes()).await.is_err() {
            return;
        }
        let next = page.next_token.filter(|next| !next.is_empty());
        match next {
            None => break Ok(()),
            next if next == token => {
                break Err(place
                    .malformed(&LOOKUP_EVENTS, "a page announces itself as the next")
                    .to_string());
            }
            next => token = next,
        }
    };
    into.end(how.map_err(Failure::Other)).await;
}

/// A time as it is asked for.
pub(super) fn seconds(time: Timestamp) -> DateTime {
    DateTime::from_secs(time.as_second())
}

/// The records of a page, a line each. An event without its record becomes a line that is counted as no event.
fn lines(page: &LookupEventsOutput) -> String {
    let mut lines = String::new();
    for event in page.events() {
        match event.cloud_trail_event() {
            // A record is one object; line breaks in it are between its members, where blanks do as well.
            Some(record) => lines.push_str(record),
            None => lines.push_str("{}"),
        }
        lines.push('\n');
    }
    lines
}
