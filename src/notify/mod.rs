//! Sending what a run found to other services: the only thing that Upright ever writes, and only when it is told to.
//!
//! Nothing here takes part in a scan. The calls are no rows of the collectors' table, so that a scan can make none
//! of them; they go through the same sessions, limits and retries.

pub mod securityhub;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A service that findings are sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Receiver {
    /// AWS Security Hub, in the home region of each account.
    SecurityHub,
}

/// Nothing of that name takes findings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("findings cannot be sent to `{0}`; there is securityhub")]
pub struct UnknownReceiver(String);

impl Receiver {
    /// Its name, as in `--send`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SecurityHub => "securityhub",
        }
    }

    /// The policy statements that sending needs in every account whose findings are sent.
    #[must_use]
    pub fn statements(self, partition: &str) -> Vec<Value> {
        let Self::SecurityHub = self;
        let statement = |sid: &str, call: &crate::aws::Call, resource: String| json!({ "Sid": sid, "Effect": "Allow", "Action": call.iam_action(), "Resource": resource });
        // AWS knows the product of an account as `product/ACCOUNT/default`.
        let product = format!("arn:{partition}:securityhub:*:*:product/*/default");
        vec![
            statement("SendImportToSecurityHub", &securityhub::BATCH_IMPORT_FINDINGS, product),
            statement("SendReadFromSecurityHub", &securityhub::GET_FINDINGS, "*".to_owned()),
        ]
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Receiver {
    type Err = UnknownReceiver;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        (text == Self::SecurityHub.as_str())
            .then_some(Self::SecurityHub)
            .ok_or_else(|| UnknownReceiver(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_has_one_name_on_the_command_line_and_in_the_file() {
        assert_eq!("securityhub".parse(), Ok(Receiver::SecurityHub));
        assert_eq!(json!(Receiver::SecurityHub), "securityhub");
        let error = "slack".parse::<Receiver>().expect_err("unknown").to_string();
        assert_eq!(error, "findings cannot be sent to `slack`; there is securityhub");
    }

    #[test]
    fn importing_is_allowed_for_the_own_product_only() {
        let statements = Receiver::SecurityHub.statements("aws-us-gov");
        assert_eq!(statements[0]["Action"], "securityhub:BatchImportFindings");
        assert_eq!(statements[0]["Resource"], "arn:aws-us-gov:securityhub:*:*:product/*/default");
        assert_eq!(statements[1]["Action"], "securityhub:GetFindings");
    }
}
