//! [`Finding`]: what one control says about one resource, with an identity that lasts from run to run.

mod judge;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use judge::judge;

use crate::controls::{Evidence, Severity, VerdictKind};
use crate::inventory::Unseen;

/// A control's verdict on a resource, or on a place whose resources could not be listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable over runs and unique within one: see [`Identity`].
    pub id: String,
    /// Id of the control.
    pub control: String,
    /// Severity of the control.
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
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}
