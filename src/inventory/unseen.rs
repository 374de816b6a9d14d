//! [`Unseen`]: why something was not observed, and who can change that.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GLOBAL;

/// Code of a call whose connection broke or was refused.
pub(crate) const NO_CONNECTION: &str = "ConnectionError";

/// Why a value is not there: which call, in which account and region, and what was answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Unseen {
    /// Account that was asked.
    pub account: String,
    /// Region that was asked, or `global`.
    pub region: String,
    /// `service:Operation`, such as `s3:GetBucketPolicy`; empty when no call is to blame.
    pub operation: String,
    /// What kind of obstacle it was.
    pub cause: Cause,
    /// AWS error code, or a word for what the network did; may be empty.
    pub code: String,
    /// What AWS said, in its words.
    pub message: String,
}

/// Kinds of obstacles, told apart because different people remove them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// AWS refused the call.
    Denied {
        /// Which policy refused it, when AWS says.
        by: Denial,
        /// The IAM action that was missing, when AWS names one.
        action: Option<String>,
        /// The ARN it was missing on, when AWS names one.
        resource: Option<String>,
    },
    /// The account's role could not be assumed.
    NotEntered,
    /// AWS kept asking to slow down until the retries were used up.
    Throttled,
    /// No answer within the time limit.
    TimedOut,
    /// The endpoint of the region cannot be reached.
    Unreachable,
    /// AWS answered with another error.
    Failed,
    /// The answer was cut off, empty or not of the promised shape.
    Malformed,
    /// AWS does not offer this in the region or account.
    Unsupported,
    /// Nothing in this run asked for it.
    NotCollected,
    /// It lies in an account or region outside the scan.
    OutOfScope,
    /// The run had to end before it was answered.
    OutOfTime,
    /// The control itself could not be evaluated on this resource.
    ControlError,
}

impl Cause {
    /// Whether it may be gone when it is tried again.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Throttled | Self::TimedOut | Self::Unreachable | Self::Failed | Self::Malformed)
    }
}

/// The policy that refused a call, as AWS's message tells it.
///
/// Source: [Troubleshoot access denied error messages](https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Denial {
    /// The scanner's role lacks the permission, or its own policy denies it.
    IdentityPolicy,
    /// The resource's own policy denies the scanner, as a bucket policy can.
    ResourcePolicy,
    /// A service control policy of the organization.
    ServiceControlPolicy,
    /// A resource control policy of the organization.
    ResourceControlPolicy,
    /// The permissions boundary of the scanner's role.
    PermissionsBoundary,
    /// The policy passed when the session was made.
    SessionPolicy,
    /// A VPC endpoint policy on the way.
    VpcEndpointPolicy,
    /// AWS did not say which.
    Unstated,
}

impl Unseen {
    /// A reason that no AWS answer stands behind.
    #[must_use]
    pub fn without_call(account: &str, region: &str, cause: Cause, message: String) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            operation: String::new(),
            cause,
            code: String::new(),
            message,
        }
    }

    /// A denial, with what its message says about the policy behind it.
    #[must_use]
    pub fn denied(account: &str, region: &str, operation: &str, code: &str, message: &str) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            operation: operation.to_owned(),
            cause: Cause::Denied {
                by: Denial::of_message(message),
                action: word_after(message, "perform: "),
                resource: word_after(message, "on resource: "),
            },
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    /// Who can change it and how, in one sentence; with the policy statement to add where one would help.
    #[must_use]
    pub fn remedy(&self) -> String {
        match &self.cause {
            Cause::Denied { by, action, resource } => {
                let action = action.as_deref().unwrap_or(&self.operation);
                let on = resource.as_deref().unwrap_or("*");
                by.remedy(&self.account, action, on)
            }
            Cause::NotEntered => format!(
                "the owner of account {} creates the member role, or lets the scanner assume it; \
                 `upright iam-policy --trust` prints both policies",
                self.account
            ),
            Cause::Throttled => "scan with a lower `--max-rate` or at a quieter time".to_owned(),
            Cause::TimedOut | Cause::Unreachable if self.region == GLOBAL => {
                format!("check that {} can be reached from here, and scan again", self.service())
            }
            Cause::TimedOut | Cause::Unreachable => format!(
                "check that region {} can be reached from here, or leave it out with `--regions`",
                self.region
            ),
            Cause::Failed if self.code == NO_CONNECTION => format!(
                "check the network and any proxy between here and {} in {}, and scan again",
                self.service(),
                self.region
            ),
            Cause::Failed | Cause::Malformed => {
                "scan again; if it stays, AWS or a proxy on the way has a fault".to_owned()
            }
            Cause::Unsupported => "nothing to do: AWS does not offer it there".to_owned(),
            Cause::NotCollected => "scan again with this control enabled".to_owned(),
            Cause::OutOfScope => "add the account and region it lies in to the scan".to_owned(),
            Cause::OutOfTime => {
                "give the scan more time, or fewer accounts and regions: in Lambda, scan account by account with the \
                 state machine"
                    .to_owned()
            }
            Cause::ControlError => {
                "the control cannot judge this; correct it if it is yours, otherwise report it".to_owned()
            }
        }
    }

    fn service(&self) -> &str {
        self.operation.split_once(':').map_or("AWS", |(service, _)| service)
    }

    /// What two failures have in common that one person removes in one step: the call, where it was made and
    /// what stood in its way, whichever resource it was about.
    #[must_use]
    pub fn obstacle(&self) -> String {
        let mut cause = self.cause.clone();
        // A resource's own policy is changed resource by resource.
        if let Cause::Denied { by, resource, .. } = &mut cause
            && *by != Denial::ResourcePolicy
        {
            *resource = None;
        }
        // Where no call is to blame, the message alone says what is.
        let message = if self.operation.is_empty() { self.message.as_str() } else { "" };
        let Self { account, region, operation, code, .. } = self;
        format!("{:?}", (operation, account, region, cause, code, message))
    }

    /// Makes it stand for another failure with the same [obstacle](Self::obstacle) as well. The message is that
    /// of one of them, the same whichever came first.
    pub fn widen(&mut self, other: &Self) {
        if self.message > other.message {
            self.message.clone_from(&other.message);
        }
        if let (Cause::Denied { resource, .. }, Cause::Denied { resource: others, .. }) =
            (&mut self.cause, &other.cause)
            && resource != others
        {
            *resource = None;
        }
    }

    /// The statement that would allow the call, where a missing permission of the role is the cause.
    #[must_use]
    pub fn statement(&self) -> Option<serde_json::Value> {
        let Cause::Denied { by: Denial::IdentityPolicy | Denial::Unstated, action, .. } = &self.cause else {
            return None;
        };
        Some(serde_json::json!({
            "Effect": "Allow",
            "Action": action.as_deref().unwrap_or(&self.operation),
            "Resource": "*",
        }))
    }
}

impl Denial {
    fn of_message(message: &str) -> Self {
        // The order matters: the resource's ARN in the message may contain any of these words, but AWS
        // puts the reason last ("… because no identity-based policy allows …", "… with an explicit
        // deny in a service control policy").
        let reason = message
            .rfind(" because ")
            .or_else(|| message.rfind(" with an explicit deny"))
            .and_then(|at| message.get(at..))
            .unwrap_or_default();
        [
            ("service control policy", Self::ServiceControlPolicy),
            ("resource control policy", Self::ResourceControlPolicy),
            ("permissions boundary", Self::PermissionsBoundary),
            ("session policy", Self::SessionPolicy),
            ("VPC endpoint policy", Self::VpcEndpointPolicy),
            ("resource-based policy", Self::ResourcePolicy),
            ("identity-based policy", Self::IdentityPolicy),
        ]
        .into_iter()
        .find(|(words, _)| reason.contains(words))
        .map_or(Self::Unstated, |(_, by)| by)
    }

    fn remedy(self, account: &str, action: &str, on: &str) -> String {
        match self {
            Self::IdentityPolicy => {
                format!("the owner of account {account} allows `{action}` on `{on}` in the scanner's role")
            }
            Self::ResourcePolicy => format!(
                "the owner of `{on}` in account {account} removes the deny of `{action}` for the \
                 scanner's role from the resource's policy"
            ),
            Self::ServiceControlPolicy | Self::ResourceControlPolicy => format!(
                "the organization's administrator exempts the scanner's role from the {self} that denies `{action}`"
            ),
            Self::PermissionsBoundary => format!(
                "the owner of account {account} adds `{action}` to the permissions boundary of the scanner's role"
            ),
            Self::SessionPolicy => {
                format!("whoever starts the scanner's session adds `{action}` to its session policy")
            }
            Self::VpcEndpointPolicy => {
                format!("the owner of the network adds `{action}` to the VPC endpoint's policy")
            }
            Self::Unstated => format!(
                "the owner of account {account} allows `{action}` in the scanner's role; if it is \
                 allowed there, look for a deny in the resource's policy or a service control policy"
            ),
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdentityPolicy => "identity-based policy",
            Self::ResourcePolicy => "resource-based policy",
            Self::ServiceControlPolicy => "service control policy",
            Self::ResourceControlPolicy => "resource control policy",
            Self::PermissionsBoundary => "permissions boundary",
            Self::SessionPolicy => "session policy",
            Self::VpcEndpointPolicy => "VPC endpoint policy",
            Self::Unstated => "policy that AWS does not name",
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied { by, .. } => return write!(f, "denied by {by}"),
            Self::NotEntered => "account not entered",
            Self::Throttled => "throttled",
            Self::TimedOut => "timed out",
            Self::Unreachable => "unreachable",
            Self::Failed => "failed",
            Self::Malformed => "answer not understood",
            Self::Unsupported => "not offered",
            Self::NotCollected => "not collected",
            Self::OutOfScope => "outside the scan",
            Self::OutOfTime => "out of time",
            Self::ControlError => "control error",
        })
    }
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = &self.cause;
        if self.operation.is_empty() {
            write!(f, "{what}")?;
        } else {
            // Before it is known who calls there is no account.
            let account = if self.account.is_empty() { String::new() } else { format!("{} ", self.account) };
            write!(f, "{} {what} in {account}{}", self.operation, self.region)?;
        }
        if !self.code.is_empty() {
            write!(f, " ({})", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// The word that follows `marker` in an access-denied message, without quotes.
fn word_after(message: &str, marker: &str) -> Option<String> {
    let (_, rest) = message.split_once(marker)?;
    let word = rest.split_whitespace().next()?.trim_matches(['"', ',', '.', '\'']);
    (!word.is_empty()).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(message: &str) -> Denial {
        match Unseen::denied("111122223333", "eu-west-1", "s3:GetBucketPolicy", "AccessDenied", message).cause
        {
            Cause::Denied { by, .. } => by,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_message_says_which_policy_denied() {
        let user = "User: arn:aws:sts::111122223333:assumed-role/UprightScanner/upright is not authorized to perform: s3:GetBucketPolicy on resource: \"arn:aws:s3:::b\"";
        let cases = [
            ("because no identity-based policy allows the s3:GetBucketPolicy action", Denial::IdentityPolicy),
            ("with an explicit deny in an identity-based policy", Denial::IdentityPolicy),
            ("with an explicit deny in a resource-based policy", Denial::ResourcePolicy),
            ("because no resource-based policy allows the s3:GetBucketPolicy action", Denial::ResourcePolicy),
            ("with an explicit deny in a service control policy", Denial::ServiceControlPolicy),
            (
                "because no service control policy allows the s3:GetBucketPolicy action",
                Denial::ServiceControlPolicy,
            ),
            ("with an explicit deny in a resource control policy", Denial::ResourceControlPolicy),
            (
                "because no permissions boundary allows the s3:GetBucketPolicy action",
                Denial::PermissionsBoundary,
            ),
            ("with an explicit deny in a session policy", Denial::SessionPolicy),
            (
                "because no VPC endpoint policy allows the s3:GetBucketPolicy action",
                Denial::VpcEndpointPolicy,
            ),
        ];
        for (reason, expected) in cases {
            assert_eq!(by(&format!("{user} {reason}")), expected, "{reason}");
        }
        assert_eq!(by("Access Denied"), Denial::Unstated);
    }

    #[test]
    fn a_resource_name_cannot_pose_as_the_reason() {
        let message = "User: x is not authorized to perform: s3:GetBucketPolicy on resource: \"arn:aws:s3:::service control policy\" because no identity-based policy allows it";
        assert_eq!(by(message), Denial::IdentityPolicy);
    }

    #[test]
    fn the_remedy_names_action_and_arn() {
        let unseen = Unseen::denied(
            "111122223333",
            "eu-west-1",
            "s3:GetBucketEncryption",
            "AccessDenied",
            "User: u is not authorized to perform: s3:GetEncryptionConfiguration on resource: \"arn:aws:s3:::b\" because no identity-based policy allows the action",
        );
        assert_eq!(
            unseen.remedy(),
            "the owner of account 111122223333 allows `s3:GetEncryptionConfiguration` on `arn:aws:s3:::b` in the scanner's role"
        );
        assert_eq!(
            unseen.statement().and_then(|s| s["Action"].as_str().map(str::to_owned)),
            Some("s3:GetEncryptionConfiguration".to_owned())
        );
    }

    #[test]
    fn a_call_refused_for_many_resources_is_one_obstacle_and_a_policy_of_theirs_is_many() {
        let denied = |bucket: &str, why: &str| {
            let message = format!(
                "User: u is not authorized to perform: s3:GetBucketPolicy on resource: \"arn:aws:s3:::{bucket}\" {why}"
            );
            Unseen::denied("111122223333", "eu-west-1", "s3:GetBucketPolicy", "AccessDenied", &message)
        };
        let identity = "because no identity-based policy allows the action";
        let (mut a, b) = (denied("a", identity), denied("b", identity));
        assert_eq!(a.obstacle(), b.obstacle());
        a.widen(&b);
        assert_eq!(
            a.remedy(),
            "the owner of account 111122223333 allows `s3:GetBucketPolicy` on `*` in the scanner's role"
        );
        let theirs = "with an explicit deny in a resource-based policy";
        assert_ne!(denied("a", theirs).obstacle(), denied("b", theirs).obstacle());
    }

    #[test]
    fn who_cannot_be_reached_is_named() {
        let unseen = |region: &str, cause, code: &str| Unseen {
            operation: "iam:ListUsers".to_owned(),
            code: code.to_owned(),
            ..Unseen::without_call("111122223333", region, cause, String::new())
        };
        assert_eq!(
            unseen(GLOBAL, Cause::TimedOut, "Timeout").remedy(),
            "check that iam can be reached from here, and scan again"
        );
        assert_eq!(
            unseen("eu-west-1", Cause::Failed, NO_CONNECTION).remedy(),
            "check the network and any proxy between here and iam in eu-west-1, and scan again"
        );
    }
}
