//! Digest files: fetched with the log files that they are about, from S3 or from a copy on disk, and judged.
//!
//! [`integrity`](crate::events::integrity) judges; here is what it needs. Digests of one account and region are judged at a time,
//! and log files are hashed as they are read, so that memory does not grow with the trail. The keys that digests are
//! signed with are the region's own ([ListPublicKeys](https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_ListPublicKeys.html)).

use crate::aws::Call;

/// `cloudtrail:ListPublicKeys`: the keys that digests of a region were signed with in some time.
pub static LIST_PUBLIC_KEYS: Call = Call::list("cloudtrail", "ListPublicKeys", "PublicKeyList");
