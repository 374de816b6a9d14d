//! Sessions in member accounts: keys that tell their account, and that run out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::answer::Answer;
use crate::wire::{Call, Protocol};

/// The sessions that a server has given out.
#[derive(Debug)]
pub(crate) struct Sessions {
    management: String,
    length: Duration,
    expire_after: Option<usize>,
    accounts: Mutex<HashMap<String, Entered>>,
    uses: Mutex<HashMap<String, usize>>,
}

#[derive(Debug)]
struct Entered {
    role: String,
    session: String,
    times: u32,
}

impl Sessions {
    /// `length` is how long a session says it lasts; the first one of each account is refused after
    /// `expire_after` requests all the same.
    pub(crate) fn new(management: &str, length: Duration, expire_after: Option<usize>) -> Self {
        Self {
            management: management.to_owned(),
            length,
            expire_after,
            accounts: Mutex::new(HashMap::new()),
            uses: Mutex::new(HashMap::new()),
        }
    }

    /// The account of a key; keys that were not given out here are the management account's.
    pub(crate) fn account_of(&self, key: &str) -> String {
        account_in(key).map_or_else(|| self.management.clone(), str::to_owned)
    }

    /// Opens a session in the account of the role.
    pub(crate) fn assume(&self, call: &Call) -> Option<Answer> {
        let arn = call.param("RoleArn")?;
        let account = arn.split(':').nth(4).filter(|id| is_account(id))?;
        let role = arn.rsplit('/').next()?.to_owned();
        let session = call.param("RoleSessionName")?.to_owned();
        let number = {
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            let times = accounts.get(account).map_or(0, |entered| entered.times);
            let entered = Entered { role: role.clone(), session: session.clone(), times: times + 1 };
            accounts.insert(account.to_owned(), entered);
            times
        };
        let expiration = timestamp(SystemTime::now() + self.length);
        Some(Answer::xml(&format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
             <AssumedRoleUser><AssumedRoleId>AROATESTKIT:{session}</AssumedRoleId>\
             <Arn>arn:aws:sts::{account}:assumed-role/{role}/{session}</Arn></AssumedRoleUser>\
             <Credentials><AccessKeyId>ASIA{account}{number:04}</AccessKeyId>\
             <SecretAccessKey>testing</SecretAccessKey><SessionToken>testing</SessionToken>\
             <Expiration>{expiration}</Expiration></Credentials></AssumeRoleResult>\
             <ResponseMetadata><RequestId>testkit</RequestId></ResponseMetadata></AssumeRoleResponse>"
        )))
    }

    /// Who an account's credentials belong to.
    pub(crate) fn arn(&self, account: &str) -> String {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        match accounts.get(account) {
            Some(Entered { role, session, .. }) => {
                format!("arn:aws:sts::{account}:assumed-role/{role}/{session}")
            }
            None => format!("arn:aws:iam::{account}:user/upright"),
        }
    }

    /// The answer to `sts:GetCallerIdentity`.
    pub(crate) fn identity(&self, account: &str) -> Answer {
        let arn = self.arn(account);
        Answer::xml(&format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <GetCallerIdentityResult><Arn>{arn}</Arn><UserId>AIDATESTKIT</UserId>\
             <Account>{account}</Account></GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>testkit</RequestId></ResponseMetadata>\
             </GetCallerIdentityResponse>"
        ))
    }

    /// Counts a use of the key, and refuses it when it has run out.
    pub(crate) fn refusal(&self, key: &str, call: &Call) -> Option<Answer> {
        let limit = self.expire_after?;
        if !key.ends_with("0000") || account_in(key).is_none() {
            return None;
        }
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = uses.entry(key.to_owned()).or_insert(0);
        *count += 1;
        let (status, code) = match call.protocol() {
            Protocol::Query => (403, "ExpiredToken"),
            Protocol::Ec2 => (400, "RequestExpired"),
            Protocol::S3 | Protocol::S3Control => (400, "ExpiredToken"),
            Protocol::Json => (400, "ExpiredTokenException"),
        };
        let message = "The security token included in the request is expired";
        (*count > limit).then(|| Answer::error(call, status, code, message))
    }
}

/// The account in a key that [`Sessions::assume`] made.
fn account_in(key: &str) -> Option<&str> {
    key.strip_prefix("ASIA").filter(|rest| rest.len() == 16)?.get(..12).filter(|id| is_account(id))
}

fn is_account(id: &str) -> bool {
    id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// RFC 3339 in UTC.
fn timestamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(day);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The date `days` after 1970-01-01, by
/// [civil_from_days](https://howardhinnant.github.io/date_algorithms.html#civil_from_days).
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn call(operation: &str) -> Call {
        let params = BTreeMap::from([
            ("RoleArn".to_owned(), "arn:aws:iam::222222222222:role/path/Audit".to_owned()),
            ("RoleSessionName".to_owned(), "upright".to_owned()),
        ]);
        Call {
            account: "111111111111".to_owned(),
            region: "us-east-1".to_owned(),
            operation: operation.to_owned(),
            params,
        }
    }

    #[test]
    fn keys_tell_their_account() {
        let sessions = Sessions::new("111111111111", Duration::ZERO, None);
        for (key, account) in [
            ("ASIA2222222222220000", "222222222222"),
            ("testing", "111111111111"),
            ("ASIAIOSFODNN7EXAMPLE", "111111111111"),
            ("ASIA222222222222", "111111111111"),
        ] {
            assert_eq!(sessions.account_of(key), account, "{key}");
        }
    }

    #[test]
    fn the_first_session_runs_out_and_the_next_does_not() {
        let sessions = Sessions::new("111111111111", Duration::from_secs(3600), Some(2));
        let first = sessions.assume(&call("sts:AssumeRole")).unwrap().body;
        let second = sessions.assume(&call("sts:AssumeRole")).unwrap().body;
        assert!(first.contains("ASIA2222222222220000") && second.contains("ASIA2222222222220001"));
        assert_eq!(sessions.arn("222222222222"), "arn:aws:sts::222222222222:assumed-role/Audit/upright");
        let refused = |key: &str| sessions.refusal(key, &call("ec2:DescribeVpcs")).map(|answer| answer.body);
        let uses: Vec<bool> = (0..4).map(|_| refused("ASIA2222222222220000").is_some()).collect();
        assert_eq!(uses, [false, false, true, true]);
        assert!(refused("ASIA2222222222220000").unwrap().contains("<Code>RequestExpired</Code>"));
        assert!((0..4).all(|_| refused("ASIA2222222222220001").is_none()));
        assert!((0..4).all(|_| refused("testing").is_none()));
    }

    #[test]
    fn timestamps() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_528_811, "2026-11-24T14:00:11Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
