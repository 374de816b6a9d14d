//! [`Finding`]: what one control says about one resource, with an identity that lasts from run to run.

mod judge;
pub mod risk;
pub mod waiver;

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use judge::judge;
pub use risk::{Risk, RiskPart};
pub use waiver::{Waived, Waiver, WaiverEnd, WaiverRow};

use crate::controls::{Evidence, Severity, VerdictKind};
use crate::hex::hex_of_first;
use crate::inventory::{GLOBAL, Unseen};

/// A control's verdict on a resource, or on a place whose resources could not be listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable over runs and unique within one: see [`Identity`].
    pub id: String,
    /// Id of the control.
    pub control: String,
    /// How bad it is: the severity of the control, or a worse one that the failure was seen to have.
    pub severity: Severity,
    /// The verdict.
    pub verdict: VerdictKind,
    /// Why, in one sentence.
    pub reason: String,
    /// Account, twelve digits.
    pub account: String,
    /// Region, or `global`.
    pub region: String,
    /// Type of the resource, such as `aws.s3.bucket`.
    pub resource_type: String,
    /// ARN of the resource; that of the account for a verdict on a place, or on what has no ARN of its own.
    pub resource_arn: String,
    /// What people call the resource.
    pub resource_name: String,
    /// Tags of the resource, where they were collected.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What the control read.
    pub evidence: Vec<Evidence>,
    /// What was not observed, when the verdict is `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Unseen>,
    /// That somebody accepts the failure, and until when. It changes no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<Waived>,
    /// That somebody accepted the failure, and that this holds no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver_ended: Option<WaiverEnd>,
    /// How much the failure matters where it is; only failures have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
}

impl Finding {
    /// Whether it fails and nobody accepts that.
    #[must_use]
    pub fn is_open_failure(&self) -> bool {
        self.verdict == VerdictKind::Fail && self.waived.is_none()
    }

    /// The score of its risk; 0 where it has none.
    #[must_use]
    pub fn risk_score(&self) -> u8 {
        self.risk.as_ref().map_or(0, |risk| risk.score)
    }

    /// Whether it is about a whole account or region. It is shown with the ARN of the account, as findings on the
    /// account's own settings are; its id tells them apart.
    #[must_use]
    pub fn is_about_a_place(&self) -> bool {
        let place = Identity {
            control: &self.control,
            account: &self.account,
            region: &self.region,
            resource_type: &self.resource_type,
            resource_arn: "",
        };
        place.id() == self.id
    }

    /// What people call the resource, or the place where the verdict is about a whole one: `Whole account`,
    /// `Region eu-west-1`.
    #[must_use]
    pub fn subject(&self) -> Cow<'_, str> {
        match (self.own_arn(), self.resource_name.as_str()) {
            (Some(arn), "") => Cow::Borrowed(arn),
            (None, name) if self.is_name_of_place(name) && self.region == GLOBAL => {
                Cow::Borrowed("Whole account")
            }
            (None, name) if self.is_name_of_place(name) => Cow::Owned(format!("Region {}", self.region)),
            (_, name) => Cow::Borrowed(name),
        }
    }

    /// ARN of the resource itself; `None` for a place, and for what is shown as part of its account.
    #[must_use]
    pub fn own_arn(&self) -> Option<&str> {
        let of_account = self.resource_arn.ends_with(&format!(":iam::{}:root", self.account));
        (!self.resource_arn.is_empty() && !of_account).then_some(self.resource_arn.as_str())
    }

    /// Asked only where there is no ARN: a user can be called like an account.
    fn is_name_of_place(&self, name: &str) -> bool {
        let in_account = name.strip_prefix(self.account.as_str()).and_then(|rest| rest.strip_prefix('/'));
        name.is_empty()
            || name == self.account
            || name == self.region
            || in_account == Some(self.region.as_str())
    }
}

/// What a finding is about. Its hash is the finding's id: the control, the account that looked, and the
/// full ARN, or for what has none the place. Never a name that can be reused, a message or an index.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Id of the control.
    pub control: &'a str,
    /// Account that was looked at: an organization's trail is seen from many.
    pub account: &'a str,
    /// Region, or `global`. It counts only where there is no ARN.
    pub region: &'a str,
    /// Type of the resource.
    pub resource_type: &'a str,
    /// ARN, or empty for the place as a whole.
    pub resource_arn: &'a str,
}

impl Identity<'_> {
    /// The id: 32 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        // An ARN says it all, and stays when the region of a bucket could not be asked.
        let region = if self.resource_arn.is_empty() { self.region } else { "" };
        for part in [self.control, self.account, region, self.resource_type, self.resource_arn] {
            // The length keeps ("ab", "c") and ("a", "bc") apart.
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
        hex_of_first(16, &hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use crate::report::sample;

    fn subject(name: &str, region: &str, arn: &str) -> String {
        let mut finding = sample::report().findings.swap_remove(0);
        finding.account = sample::PROD.to_owned();
        finding.resource_name = name.to_owned();
        finding.region = region.to_owned();
        finding.resource_arn = arn.to_owned();
        finding.subject().into_owned()
    }

    #[test]
    fn a_place_is_named_as_one_and_a_resource_by_its_name() {
        let root = "arn:aws:iam::222233334444:root";
        for (name, region, arn, expected) in [
            ("acme-logs", "eu-west-1", "arn:aws:s3:::acme-logs", "acme-logs"),
            ("", "eu-west-1", "arn:aws:s3:::acme-logs", "arn:aws:s3:::acme-logs"),
            ("", "global", "", "Whole account"),
            (sample::PROD, "global", root, "Whole account"),
            ("acme-prod", "global", root, "acme-prod"),
            ("222233334444/eu-west-1", "eu-west-1", root, "Region eu-west-1"),
            ("eu-west-1", "eu-west-1", root, "Region eu-west-1"),
        ] {
            assert_eq!(subject(name, region, arn), expected, "{name} {region} {arn}");
        }
    }

    #[test]
    fn a_user_who_is_called_like_the_account_is_not_the_account() {
        let arn = "arn:aws:iam::222233334444:user/222233334444";
        assert_eq!(subject(sample::PROD, "global", arn), sample::PROD);
    }
}
