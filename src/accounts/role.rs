//! [`RoleSettings`]: how accounts are entered.

use std::time::Duration;

use super::DiscoverError;
use crate::aws::{Caller, RoleRequest};

/// AWS gives no shorter session.
const MIN_DURATION: Duration = Duration::from_secs(15 * 60);
/// AWS gives no longer session, however the role is set up.
const MAX_DURATION: Duration = Duration::from_secs(12 * 60 * 60);
/// AWS gives no longer session to a caller that is itself in an assumed role
/// ([role chaining](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining)).
const MAX_CHAINED_DURATION: Duration = Duration::from_secs(60 * 60);

/// The role by which accounts are entered; the same in all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSettings {
    /// Its name, with its path if it has one: `UprightScanner`, `security/UprightScanner`.
    pub name: String,
    /// The external id that its trust policy asks for.
    pub external_id: Option<String>,
    /// Name of the session, as the member's CloudTrail shows it.
    pub session_name: String,
    /// How long a session lasts, 15 minutes to 12 hours. The role must allow it; one hour always works.
    /// Sessions are renewed, so that longer ones only save calls.
    pub duration: Duration,
}

impl RoleSettings {
    /// `UprightScanner`, without an external id, for one hour.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            name: "UprightScanner".to_owned(),
            external_id: None,
            session_name: "upright".to_owned(),
            duration: MAX_CHAINED_DURATION,
        }
    }

    /// ARN of the role in an account; `*` for every account, as policies say it.
    #[must_use]
    pub fn arn(&self, partition: &str, account: &str) -> String {
        format!("arn:{partition}:iam::{account}:role/{}", self.name.trim_start_matches('/'))
    }

    /// How an account is entered by the `caller`.
    pub(crate) fn request(&self, account: &str, caller: &Caller) -> RoleRequest {
        let longest = if caller.is_assumed_role() { MAX_CHAINED_DURATION } else { MAX_DURATION };
        RoleRequest {
            arn: self.arn(&caller.partition, account),
            external_id: self.external_id.clone(),
            session_name: self.session_name.clone(),
            duration: self.duration.min(longest),
        }
    }

    pub(super) fn check(&self) -> Result<(), DiscoverError> {
        let is_word = |text: &str, more: &str| {
            text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) || more.contains(c))
        };
        let base = self.name.rsplit('/').next().filter(|name| !name.is_empty());
        if base.is_none() || !is_word(&self.name, "/") {
            return Err(DiscoverError::setting(
                "role.name",
                &self.name,
                "it is the role's name with its path, not its ARN: letters, digits and `_+=,.@-`, parts of the \
                 path separated by `/`",
            ));
        }
        if !(2..=64).contains(&self.session_name.len()) || !is_word(&self.session_name, "") {
            return Err(DiscoverError::setting(
                "role.session_name",
                &self.session_name,
                "it has 2 to 64 letters, digits and `_+=,.@-`",
            ));
        }
        if !(MIN_DURATION..=MAX_DURATION).contains(&self.duration) {
            return Err(DiscoverError::setting(
                "role.duration",
                &format!("{} s", self.duration.as_secs()),
                "AWS gives sessions of 15 minutes to 12 hours",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(arn: &str, partition: &str) -> Caller {
        Caller { account: "111122223333".to_owned(), arn: arn.to_owned(), partition: partition.to_owned() }
    }

    #[test]
    fn the_arn_is_of_the_callers_partition_and_keeps_the_path() {
        let user = caller("arn:aws-us-gov:iam::111122223333:user/scanner", "aws-us-gov");
        let mut role = RoleSettings { name: "security/audit/Scanner".to_owned(), ..RoleSettings::standard() };
        assert_eq!(
            role.request("222233334444", &user).arn,
            "arn:aws-us-gov:iam::222233334444:role/security/audit/Scanner"
        );
        role.name = "/Scanner".to_owned();
        assert_eq!(role.arn("aws-cn", "*"), "arn:aws-cn:iam::*:role/Scanner");
    }

    #[test]
    fn a_chained_session_lasts_an_hour_at_most() {
        let role = RoleSettings { duration: MAX_DURATION, ..RoleSettings::standard() };
        let user = caller("arn:aws:iam::111122223333:user/scanner", "aws");
        assert_eq!(role.request("222233334444", &user).duration, MAX_DURATION);
        let chained = caller("arn:aws:sts::111122223333:assumed-role/Scanner/i-0abc", "aws");
        assert_eq!(role.request("222233334444", &chained).duration, MAX_CHAINED_DURATION);
    }

    #[test]
    fn settings_that_aws_would_refuse_are_refused_here() {
        let standard = RoleSettings::standard;
        assert!(standard().check().is_ok());
        for role in [
            RoleSettings { name: String::new(), ..standard() },
            RoleSettings { name: "security/".to_owned(), ..standard() },
            RoleSettings { name: "arn:aws:iam::111122223333:role/x".to_owned(), ..standard() },
            RoleSettings { session_name: "x".to_owned(), ..standard() },
            RoleSettings { session_name: "two words".to_owned(), ..standard() },
            RoleSettings { duration: Duration::from_secs(60), ..standard() },
            RoleSettings { duration: Duration::from_secs(13 * 60 * 60), ..standard() },
        ] {
            assert!(role.check().is_err(), "{role:?}");
        }
    }
}
