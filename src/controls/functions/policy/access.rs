//! What the open statements of a bucket policy let everyone do.

use std::collections::BTreeSet;

use serde_json::Value;

use super::pattern::Pattern;
use super::{Choice, MOST_OF_RESOURCE_POLICY, Mistake, public, statements};

/// Actions on buckets and objects that a bucket policy can grant, by what they let somebody do. AWS calls it
/// the access level, see the [service authorization reference](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html);
/// its *tagging* is `write` here.
const ACTIONS: [(&str, &[&str]); 4] = [
    ("list", &["ListBucket", "ListBucketMultipartUploads", "ListBucketVersions", "ListMultipartUploadParts"]),
    (
        "permissions",
        &[
            "BypassGovernanceRetention",
            "DeleteBucketPolicy",
            "ObjectOwnerOverrideToBucketOwner",
            "PutBucketAcl",
            "PutBucketOwnershipControls",
            "PutBucketPolicy",
            "PutBucketPublicAccessBlock",
            "PutObjectAcl",
            "PutObjectVersionAcl",
        ],
    ),
    (
        "read",
        &[
            "GetAccelerateConfiguration",
            "GetAnalyticsConfiguration",
            "GetBucketAcl",
            "GetBucketCORS",
            "GetBucketLocation",
            "GetBucketLogging",
            "GetBucketNotification",
            "GetBucketObjectLockConfiguration",
            "GetBucketOwnershipControls",
            "GetBucketPolicy",
            "GetBucketPolicyStatus",
            "GetBucketPublicAccessBlock",
            "GetBucketRequestPayment",
            "GetBucketTagging",
            "GetBucketVersioning",
            "GetBucketWebsite",
            "GetEncryptionConfiguration",
            "GetIntelligentTieringConfiguration",
            "GetInventoryConfiguration",
            "GetLifecycleConfiguration",
            "GetMetricsConfiguration",
            "GetObject",
            "GetObjectAcl",
            "GetObjectAttributes",
            "GetObjectLegalHold",
            "GetObjectRetention",
            "GetObjectTagging",
            "GetObjectTorrent",
            "GetObjectVersion",
            "GetObjectVersionAcl",
            "GetObjectVersionAttributes",
            "GetObjectVersionForReplication",
            "GetObjectVersionTagging",
            "GetObjectVersionTorrent",
            "GetReplicationConfiguration",
        ],
    ),
    (
        "write",
        &[
            "AbortMultipartUpload",
            "CreateBucket",
            "DeleteBucket",
            "DeleteBucketWebsite",
            "DeleteObject",
            "DeleteObjectTagging",
            "DeleteObjectVersion",
            "DeleteObjectVersionTagging",
            "InitiateReplication",
            "PutAccelerateConfiguration",
            "PutAnalyticsConfiguration",
            "PutBucketCORS",
            "PutBucketLogging",
            "PutBucketNotification",
            "PutBucketObjectLockConfiguration",
            "PutBucketRequestPayment",
            "PutBucketTagging",
            "PutBucketVersioning",
            "PutBucketWebsite",
            "PutEncryptionConfiguration",
            "PutIntelligentTieringConfiguration",
            "PutInventoryConfiguration",
            "PutLifecycleConfiguration",
            "PutMetricsConfiguration",
            "PutObject",
            "PutObjectLegalHold",
            "PutObjectRetention",
            "PutObjectTagging",
            "PutObjectVersionTagging",
            "PutReplicationConfiguration",
            "ReplicateDelete",
            "ReplicateObject",
            "ReplicateTags",
            "RestoreObject",
        ],
    ),
];

/// What a bucket policy lets everyone do: any of `list`, `permissions`, `read` and `write`, sorted.
///
/// Reading an ACL or a policy is `read`; `permissions` is to change who may do what.
///
/// # Errors
///
/// The policy is not null and not a resource policy.
pub(crate) fn public_access(policy: &Value) -> Result<Vec<String>, Mistake> {
    let statements = statements(policy, MOST_OF_RESOURCE_POLICY)?;
    let mut opened = BTreeSet::new();
    for statement in public::public(&statements)? {
        for (access, actions) in ACTIONS {
            if !opened.contains(access) && actions.iter().any(|action| includes(&statement.actions, action)) {
                opened.insert(access);
            }
        }
    }
    Ok(opened.into_iter().map(str::to_owned).collect())
}

fn includes(actions: &Choice, action: &str) -> bool {
    let action = Pattern::exactly(&format!("s3:{}", action.to_ascii_lowercase()));
    actions.names(&action) != actions.all_but
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn opened(action: Value) -> Vec<String> {
        let statement = json!({ "Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*" });
        public_access(&json!({ "Statement": [statement] })).unwrap()
    }

    #[test]
    fn actions_open_what_they_are_for() {
        assert_eq!(opened(json!("s3:*")), ["list", "permissions", "read", "write"]);
        assert_eq!(opened(json!("*")), ["list", "permissions", "read", "write"]);
        assert_eq!(opened(json!("s3:Get*")), ["read"]);
        assert_eq!(opened(json!("S3:getobject")), ["read"]);
        assert_eq!(opened(json!(["s3:GetObject", "s3:List*"])), ["list", "read"]);
        assert_eq!(opened(json!("s3:PutObject")), ["write"]);
        assert_eq!(opened(json!("s3:PutObject*")), ["permissions", "write"]);
        assert_eq!(opened(json!("s3:PutBucketPolicy")), ["permissions"]);
        assert_eq!(opened(json!("s3:Delete?bject")), ["write"]);
        assert_eq!(opened(json!("sqs:*")), [""; 0]);
        assert_eq!(opened(json!([])), [""; 0]);
    }

    #[test]
    fn all_but_some_actions_opens_the_others() {
        let policy = |action: Value| json!({ "Statement": { "Effect": "Allow", "Principal": "*", "NotAction": action, "Resource": "*" } });
        assert_eq!(public_access(&policy(json!("s3:Get*"))).unwrap(), ["list", "permissions", "write"]);
        assert_eq!(public_access(&policy(json!("s3:*"))).unwrap(), [""; 0]);
    }

    #[test]
    fn statements_that_are_not_public_open_nothing() {
        let policy = json!({ "Statement": [
            { "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*" },
            { "Effect": "Allow", "Principal": { "AWS": "111122223333" }, "Action": "s3:PutObject", "Resource": "*" },
            { "Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": "*",
              "Condition": { "StringEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } } },
            { "Effect": "Deny", "Principal": "*", "Action": "s3:Put*", "Resource": "*" },
        ] });
        assert_eq!(public_access(&policy).unwrap(), ["read"]);
        assert_eq!(public_access(&Value::Null).unwrap(), [""; 0]);
    }
}
