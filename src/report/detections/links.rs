//! Which findings are about what a detection was done to.

use std::collections::{BTreeSet, HashMap};

use super::{DetectionRow, Detections};
use crate::findings::Finding;
use crate::report::Report;

impl Report {
    /// Puts detections into the report, each with the findings of the resources that it was done to.
    pub fn set_detections(&mut self, mut detections: Detections) {
        let mut by_arn: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, finding) in self.findings.iter().enumerate() {
            if !finding.resource_arn.is_empty() {
                by_arn.entry(&finding.resource_arn).or_default().push(at);
            }
        }
        for row in &mut detections.detections {
            let places: BTreeSet<usize> =
                arns(row).filter_map(|arn| by_arn.get(arn)).flatten().copied().collect();
            row.findings =
                places.into_iter().filter_map(|at| self.findings.get(at)).map(|f| f.id.clone()).collect();
        }
        self.detections = Some(detections);
    }
}

/// Whether the finding is about something that the detection was done to.
pub(super) fn is_about(row: &DetectionRow, finding: &Finding) -> bool {
    !finding.resource_arn.is_empty() && arns(row).any(|arn| arn == finding.resource_arn)
}

/// The ARNs that the detection was done to; with an object its bucket.
fn arns(row: &DetectionRow) -> impl Iterator<Item = &str> {
    row.resources
        .iter()
        .flat_map(|resource| [Some(resource.arn.as_str()), bucket_of(&resource.arn)])
        .flatten()
}

/// The ARN of the bucket that an object is in: `arn:aws:s3:::bucket` of `arn:aws:s3:::bucket/key`.
fn bucket_of(arn: &str) -> Option<&str> {
    let (bucket, _) = arn.split_once('/')?;
    let mut parts = bucket.split(':');
    // Those of access points, jobs and Outposts have a region or an account.
    let is_bucket = parts.next() == Some("arn")
        && parts.next().is_some()
        && parts.next() == Some("s3")
        && parts.next() == Some("")
        && parts.next() == Some("")
        && parts.next().is_some_and(|name| !name.is_empty())
        && parts.next().is_none();
    is_bucket.then_some(bucket)
}

#[cfg(test)]
mod tests {
    use super::bucket_of;

    #[test]
    fn an_object_is_in_a_bucket_and_nothing_else_is() {
        for (arn, bucket) in [
            ("arn:aws:s3:::b/k", Some("arn:aws:s3:::b")),
            ("arn:aws-cn:s3:::b/a/b:c", Some("arn:aws-cn:s3:::b")),
            ("arn:aws:s3:::b", None),
            ("arn:aws:s3:::/k", None),
            ("arn:aws:s3:eu-west-1:123456789012:accesspoint/p/object/k", None),
            ("arn:aws:iam::123456789012:role/b/k", None),
            ("b/k", None),
        ] {
            assert_eq!(bucket_of(arn), bucket, "{arn}");
        }
    }
}
