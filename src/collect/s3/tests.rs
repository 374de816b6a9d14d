//! What the error codes of S3 mean.

use serde_json::json;
use upright_testkit::Answer;

use super::{ACCOUNT, BUCKET};
use crate::collect::canned;

/// One bucket, all of whose settings are answered with an error.
fn bucket(field: &str, status: u16, code: &'static str) -> canned::Seen {
    canned::collect(&BUCKET, &[field], move |call| {
        Some(if call.operation == "s3:ListBuckets" {
            Answer::xml(
                "<ListAllMyBucketsResult><Buckets><Bucket><Name>logs</Name><BucketRegion>eu-west-1</BucketRegion>\
                 </Bucket></Buckets></ListAllMyBucketsResult>",
            )
        } else {
            Answer::error(call, status, code, "no")
        })
    })
}

#[test]
fn a_setting_that_does_not_exist_is_an_answer_and_a_denial_is_none() {
    for (field, code) in [
        ("public_access_block", "NoSuchPublicAccessBlockConfiguration"),
        ("policy", "NoSuchBucketPolicy"),
        ("policy_status", "NoSuchBucketPolicy"),
        ("encryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("ownership", "OwnershipControlsNotFoundError"),
    ] {
        assert_eq!(*bucket(field, 404, code).known(field), json!(null), "{code}");
        assert!(bucket(field, 403, "AccessDenied").is_denied(field), "{field}");
    }
}

#[test]
fn an_account_that_never_set_its_block_has_none_and_is_asked_by_its_id() {
    let field = "public_access_block";
    let never = canned::refusing(404, "NoSuchPublicAccessBlockConfiguration", "no");
    let never = canned::collect(&ACCOUNT, &[field], never);
    assert_eq!(*never.known(field), json!(null));
    assert_eq!(never.asked("s3control:GetPublicAccessBlock", "AccountId"), [Some(canned::ACCOUNT)]);
    let denied = canned::collect(&ACCOUNT, &[field], canned::refusing(403, "AccessDenied", "no"));
    assert!(denied.is_denied(field));
}

#[test]
fn a_bucket_is_asked_in_its_own_region() {
    let seen = bucket("versioning", 403, "AccessDenied");
    let asked = seen.calls.iter().find(|call| call.operation == "s3:GetBucketVersioning").unwrap();
    assert_eq!(asked.region, "eu-west-1");
    assert!(seen.is_denied("versioning"));
}
