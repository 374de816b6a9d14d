//! What the key of a delivered object says, and which prefixes hold the answer to a question.
//!
//! A trail delivers to
//! `[prefix/]AWSLogs/[o-…/]ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/ACCOUNT_CloudTrail_REGION_YYYYMMDDTHHMMZ_….json.gz`
//! ([file names](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html));
//! digests and Insights events have folders of their own beside `CloudTrail`. Times are UTC.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::accounts::is_account_id;

/// CloudTrail delivers within minutes of a call, but now and then it takes hours; an object may hold events that are
/// this much older than its name.
const LATEST_DELIVERY: i64 = 24;
/// Hours by which the name of an object may precede the events in it: it is named by the start of its interval.
const INTERVAL: i64 = 1;

/// What sort of object a trail delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A log file of API events.
    Log,
    /// A digest file, to verify log files with.
    Digest,
    /// A log file of Insights events.
    Insight,
}

/// What the key of a delivered object says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key<'k> {
    /// What sort of object it is.
    pub kind: Kind,
    /// The organization, for trails of one.
    pub organization: Option<&'k str>,
    /// Twelve digits: the account that the events are of.
    pub account: &'k str,
    /// The region that the events are of.
    pub region: &'k str,
    /// The day of its folder.
    pub day: Date,
    /// The time in its name, if it has the usual name.
    pub time: Option<Timestamp>,
}

impl<'k> Key<'k> {
    /// Reads a key, or a path that ends in one; `None` if it is laid out in another way.
    #[must_use]
    pub fn parse(key: &'k str) -> Option<Self> {
        let mut parts = key.rsplit(['/', std::path::MAIN_SEPARATOR]);
        let name = parts.next()?;
        let (day, month, year) =
            (number(parts.next()?, 2)?, number(parts.next()?, 2)?, number(parts.next()?, 4)?);
        let region = parts.next().filter(|region| is_region(region))?;
        let kind = match parts.next()? {
            "CloudTrail" => Kind::Log,
            "CloudTrail-Digest" => Kind::Digest,
            "CloudTrail-Insight" => Kind::Insight,
            _ => return None,
        };
        let account = parts.next().filter(|account| is_account_id(account))?;
        let organization = match parts.next()? {
            "AWSLogs" => None,
            organization if organization.starts_with("o-") && parts.next()? == "AWSLogs" => {
                Some(organization)
            }
            _ => return None,
        };
        let day = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        Some(Self { kind, organization, account, region, day, time: time_in(name) })
    }
}

/// A folder of a delivered layout, from `AWSLogs` down to a region: what can be narrowed to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// What stands before the account or the organization: `AWSLogs/` or `prefix/AWSLogs/`.
    pub base: String,
    /// The organization, for trails of one.
    pub organization: Option<String>,
    /// Twelve digits; none: the folder is above accounts.
    pub account: Option<String>,
    /// The region; none: the folder is above regions.
    pub region: Option<String>,
}

impl Folder {
    /// Reads what keys begin with; `None` if it is no folder of the layout that has log files below it, or is so deep
    /// within that there is nothing to narrow.
    #[must_use]
    pub fn parse(prefix: &str) -> Option<Self> {
        let parts: Vec<&str> = prefix.trim_end_matches('/').split('/').collect();
        let top = parts.iter().position(|part| *part == "AWSLogs")?;
        let base = parts.get(..=top)?.join("/") + "/";
        let mut folder = Self { base, organization: None, account: None, region: None };
        let mut below = parts.get(top + 1..)?.iter().copied().peekable();
        while let Some(name) = below.next_if(|_| folder.account.is_none()) {
            folder = folder.below(name)?;
        }
        if below.next().is_some_and(|name| name != "CloudTrail") {
            return None;
        }
        if let Some(region) = below.next() {
            folder.region = Some(region.to_owned()).filter(|region| is_region(region));
            folder.region.as_ref()?;
        }
        below.next().is_none().then_some(folder)
    }

    /// The folder of that name in this one, which is above accounts; `None` if it is none of the layout.
    #[must_use]
    pub fn below(&self, name: &str) -> Option<Self> {
        if is_account_id(name) {
            return Some(Self { account: Some(name.to_owned()), ..self.clone() });
        }
        // Ten characters at least: less may be what the names of several begin with.
        let is_organization = self.organization.is_none() && name.len() >= 12 && name.starts_with("o-");
        is_organization.then(|| Self { organization: Some(name.to_owned()), ..self.clone() })
    }

    /// What the keys of everything in it begin with.
    #[must_use]
    pub fn path(&self) -> String {
        let account = self.account.iter().map(|account| format!("{account}/"));
        self.above_account() + &account.collect::<String>()
    }

    /// What stands before the account.
    #[must_use]
    pub fn above_account(&self) -> String {
        let organization = self.organization.iter().map(|organization| format!("{organization}/"));
        self.base.clone() + &organization.collect::<String>()
    }

    /// The folder in it that has a folder for each region.
    #[must_use]
    pub fn trails(&self) -> String {
        self.path() + "CloudTrail/"
    }

    /// The folder in it that has the digests of each region.
    #[must_use]
    pub fn digests(&self) -> String {
        self.path() + "CloudTrail-Digest/"
    }
}

/// The time in the name of a log file, `…_20260102T0304Z_…`, or of a digest, `…_20260102T030405Z.json.gz`.
fn time_in(name: &str) -> Option<Timestamp> {
    let stem = name.split('.').next()?;
    let written = stem
        .split('_')
        .rev()
        .find_map(|part| part.strip_suffix('Z').filter(|time| time.get(8..9) == Some("T")))?;
    let two = |at: usize| number(written.get(at..at + 2)?, 2).and_then(|number| i8::try_from(number).ok());
    let day = Date::new(number(written.get(..4)?, 4)?, two(4)?, two(6)?).ok()?;
    let second = if written.len() > 13 { two(13)? } else { 0 };
    let time = jiff::civil::Time::new(two(9)?, two(11)?, second, 0).ok()?;
    utc(DateTime::from_parts(day, time))
}

fn utc(time: DateTime) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(time).ok()
}

fn number(text: &str, digits: usize) -> Option<i16> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn is_region(text: &str) -> bool {
    text.contains('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Which delivered objects are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// Accounts, twelve digits each; none: all.
    pub accounts: Vec<String>,
    /// Regions; none: all.
    pub regions: Vec<String>,
    /// Events before this time are not asked for.
    pub since: Option<Timestamp>,
    /// Events at or after this time are not asked for.
    pub until: Option<Timestamp>,
}

/// One listing of a bucket: every key with the prefix, from after `start_after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The prefix of the keys.
    pub prefix: String,
    /// Keys up to this one are not asked for; S3 takes it as `start-after`.
    pub start_after: Option<String>,
    /// The listing is done at the first key beyond this one, since S3 lists in order.
    pub end_before: Option<String>,
}

impl Question {
    /// Whether an object may hold events that are asked for. Objects that are laid out in another way may.
    #[must_use]
    pub fn wants(&self, key: &str) -> bool {
        let Some(key) = Key::parse(key) else { return true };
        key.kind == Kind::Log
            && self.wants_account(key.account)
            && self.wants_region(key.region)
            && self.wants_time(&key)
    }

    /// Whether a digest may list log files that are asked for, which were delivered in the hour before its time.
    #[must_use]
    pub fn wants_digest(&self, key: &str) -> bool {
        let Some(key) = Key::parse(key).filter(|key| key.kind == Kind::Digest) else { return false };
        let is_of_time = key.time.is_none_or(|end| {
            self.since.is_none_or(|since| end > since)
                && self.until.is_none_or(|until| later(until, INTERVAL).is_none_or(|until| end <= until))
        });
        self.wants_account(key.account) && self.wants_region(key.region) && is_of_time
    }

    /// Whether events of an account are asked for.
    #[must_use]
    pub fn wants_account(&self, account: &str) -> bool {
        self.accounts.is_empty() || self.accounts.iter().any(|wanted| wanted == account)
    }

    /// Whether events of a region are asked for.
    #[must_use]
    pub fn wants_region(&self, region: &str) -> bool {
        self.regions.is_empty() || self.regions.iter().any(|wanted| wanted == region)
    }

    fn wants_time(&self, key: &Key<'_>) -> bool {
        let (first, last) = match key.time {
            Some(time) => (time, time),
            None => match day_bounds(key.day) {
                Some(bounds) => bounds,
                None => return true,
            },
        };
        let late = self.since.is_none_or(|since| later(last, INTERVAL).is_none_or(|last| last >= since));
        let early =
            self.until.is_none_or(|until| later(first, -LATEST_DELIVERY).is_none_or(|first| first < until));
        late && early
    }

    /// The listings that find every log file of some accounts and regions in `bucket/folder`, and no others.
    ///
    /// `folder` is what stands before the account: `AWSLogs/`, or `prefix/AWSLogs/o-…/`. One listing per account and
    /// region: digests and Insights events are never among the keys.
    #[must_use]
    pub fn listings(&self, folder: &str) -> Vec<Listing> {
        let folder = folder.trim_end_matches('/');
        let day_of = |time: Timestamp| TimeZone::UTC.to_datetime(time).date();
        let first = self.since.and_then(|since| later(since, -INTERVAL)).map(day_of);
        let last = self.until.and_then(|until| later(until, LATEST_DELIVERY)).map(day_of);
        let regions =
            self.accounts.iter().flat_map(|account| self.regions.iter().map(move |region| (account, region)));
        regions
            .map(|(account, region)| {
                let prefix = format!("{folder}/{account}/CloudTrail/{region}/");
                let key =
                    |day: Date| format!("{prefix}{:04}/{:02}/{:02}/", day.year(), day.month(), day.day());
                Listing {
                    start_after: first.map(key),
                    end_before: last.and_then(|day| day.tomorrow().ok()).map(key),
                    prefix,
                }
            })
            .collect()
    }
}

/// The first and last second of a day.
fn day_bounds(day: Date) -> Option<(Timestamp, Timestamp)> {
    Some((utc(day.at(0, 0, 0, 0))?, utc(day.at(23, 59, 59, 0))?))
}

/// The time some hours later; `None` beyond the end of time.
fn later(time: Timestamp, hours: i64) -> Option<Timestamp> {
    time.checked_add(Span::new().try_hours(hours).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/02/111122223333_CloudTrail_eu-west-1_20260102T0305Z_AbCdEf0123456789.json.gz";

    fn time(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn the_key_of_a_log_file_says_whose_it_is_and_of_when() {
        let key = Key::parse(LOG).unwrap();
        assert_eq!((key.kind, key.account, key.region), (Kind::Log, "111122223333", "eu-west-1"));
        assert_eq!(key.organization, None);
        assert_eq!(key.time, time("2026-01-02T03:05:00Z"));
        let prefixed = format!("s3/of/us/{LOG}");
        assert_eq!(Key::parse(&prefixed), Some(key));
    }

    #[test]
    fn the_trail_of_an_organization_has_one_more_folder() {
        let key = LOG.replace("AWSLogs/", "AWSLogs/o-abcdef1234/");
        assert_eq!(Key::parse(&key).unwrap().organization, Some("o-abcdef1234"));
        assert_eq!(Key::parse(&LOG.replace("AWSLogs/", "AWSLogs/team/")), None);
    }

    #[test]
    fn digests_and_insights_are_told_by_their_folder() {
        let digest = "AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/01/02/111122223333_CloudTrail-Digest_us-east-1_trail_eu-west-1_20260102T030405Z.json.gz";
        let key = Key::parse(digest).unwrap();
        assert_eq!((key.kind, key.time), (Kind::Digest, time("2026-01-02T03:04:05Z")));
        let insight = LOG.replace("/CloudTrail/", "/CloudTrail-Insight/");
        assert_eq!(Key::parse(&insight).map(|key| key.kind), Some(Kind::Insight));
        let question = Question::default();
        assert!(question.wants(LOG) && !question.wants(digest) && !question.wants(&insight));
    }

    #[test]
    fn other_layouts_are_no_keys_and_are_read() {
        for other in [
            "",
            "/",
            "a.json",
            "logs/2026/01/02/a.json.gz",
            "AWSLogs/1/CloudTrail/eu-west-1/2026/01/02/a.gz",
            "AWSLogs/111122223333/Config/eu-west-1/2026/01/02/a.gz",
            "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/13/02/a.gz",
        ] {
            assert_eq!(Key::parse(other), None, "{other}");
            assert!(
                Question { accounts: vec!["444455556666".to_owned()], ..Question::default() }.wants(other)
            );
        }
    }

    #[test]
    fn a_question_leaves_out_what_the_key_says_is_elsewhere() {
        let wants = |question: Question| question.wants(LOG);
        assert!(wants(Question { accounts: vec!["111122223333".to_owned()], ..Question::default() }));
        assert!(!wants(Question { accounts: vec!["444455556666".to_owned()], ..Question::default() }));
        assert!(!wants(Question { regions: vec!["us-east-1".to_owned()], ..Question::default() }));
        assert!(wants(Question { since: time("2026-01-02T04:00:00Z"), ..Question::default() }));
        assert!(!wants(Question { since: time("2026-01-02T05:00:00Z"), ..Question::default() }));
        assert!(
            wants(Question { until: time("2026-01-01T04:00:00Z"), ..Question::default() }),
            "delivered late"
        );
        assert!(!wants(Question { until: time("2026-01-01T03:05:00Z"), ..Question::default() }));
    }

    #[test]
    fn a_folder_of_the_layout_can_be_narrowed_and_no_other() {
        let folder = Folder::parse("p/AWSLogs").unwrap();
        assert_eq!((folder.path().as_str(), folder.account.as_ref()), ("p/AWSLogs/", None));
        let organization = folder.below("o-abc1234567").unwrap();
        assert_eq!(organization.path(), "p/AWSLogs/o-abc1234567/");
        assert_eq!(organization.below("o-abc1234567"), None);
        let account = organization.below("111122223333").unwrap();
        assert_eq!(account.trails(), "p/AWSLogs/o-abc1234567/111122223333/CloudTrail/");
        assert_eq!(Folder::parse("p/AWSLogs/o-abc1234567/111122223333/CloudTrail/"), Some(account.clone()));
        let region = Folder::parse("p/AWSLogs/o-abc1234567/111122223333/CloudTrail/eu-west-1/").unwrap();
        assert_eq!(region.region.as_deref(), Some("eu-west-1"));
        assert_eq!((region.above_account(), region.account), (account.above_account(), account.account));
        for other in [
            "",
            "logs/",
            "AWSLogs/1111",
            "AWSLogs/elasticloadbalancing/",
            "AWSLogs/111122223333/CloudTrail-Digest/",
            "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/",
            "AWSLogs/111122223333/CloudTrail/a b/",
        ] {
            assert_eq!(Folder::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_key_without_a_time_counts_for_its_whole_day() {
        let key = LOG.replace("_20260102T0305Z", "");
        assert_eq!(Key::parse(&key).unwrap().time, None);
        assert!(Question { since: time("2026-01-02T23:00:00Z"), ..Question::default() }.wants(&key));
        assert!(!Question { since: time("2026-01-03T02:00:00Z"), ..Question::default() }.wants(&key));
    }

    #[test]
    fn listings_hold_every_wanted_key_and_no_digest() {
        let question = Question {
            accounts: vec!["111122223333".to_owned(), "444455556666".to_owned()],
            regions: vec!["eu-west-1".to_owned()],
            since: time("2026-01-02T00:30:00Z"),
            until: time("2026-01-31T12:00:00Z"),
        };
        let listings = question.listings("p/AWSLogs/");
        assert_eq!(listings.len(), 2);
        let listing = &listings[0];
        assert_eq!(listing.prefix, "p/AWSLogs/111122223333/CloudTrail/eu-west-1/");
        assert_eq!(
            listing.start_after.as_deref(),
            Some("p/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/01/")
        );
        assert_eq!(
            listing.end_before.as_deref(),
            Some("p/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/02/02/")
        );
        let key = format!("p/{LOG}");
        assert!(question.wants(&key) && key.starts_with(&listing.prefix));
        assert!(Some(&key) > listing.start_after.as_ref() && Some(&key) < listing.end_before.as_ref());
    }
}
