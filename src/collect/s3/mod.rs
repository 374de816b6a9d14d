//! S3: buckets with who may reach them, and the account's own block on public access.
//!
//! Calls: `ListBuckets` once for the account, `GetBucketLocation` for buckets whose region the list
//! does not tell, then for each bucket, in its own region, one call for each facet. The account's block
//! is `GetPublicAccessBlock` of S3 Control.
//!
//! Quirks:
//! - `ListBuckets` tells [regions](https://docs.aws.amazon.com/AmazonS3/latest/API/API_Bucket.html) only
//!   when it is sent a parameter, and refuses accounts with a raised quota without one, so a page size
//!   is sent. Directory buckets are not in the list.
//! - A missing configuration is an error with a code of its own (`NoSuchBucketPolicy`), and an answer.
//! - Some [IAM actions](https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html)
//!   have another name than the operation.
//! - A bucket outside the scanned regions is left out and not counted: the user chose not to look there.
//! - A bucket whose region AWS does not tell is kept, in region `global`, with everything unknown.

mod answer;

use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::{Client, types as sdk};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures::StreamExt;
use futures::stream;
use schemars::JsonSchema;
use serde::Serialize;

use self::answer::Wrong;
use super::schema::PolicyDocument;
use super::touch::{Change, Target};
use super::{Ask, Collected, Gone, Kind, Observed, Per, RegionsLater, Row, Scope};
use crate::aws::{Call, Listed, Place, Reply};
use crate::inventory::{Facet, Resource, Unseen};

/// Buckets that are asked about at once. The calls of the run have their own limit; this one keeps the
/// requests of an account with thousands of buckets from all being in memory.
const BUCKETS_AT_ONCE: usize = 64;

/// The largest page that `ListBuckets` gives.
const BUCKETS_PER_PAGE: i32 = 10_000;

const NO_BUCKET: &[&str] = &["NoSuchBucket"];

static LIST_BUCKETS: Call =
    Call::list("s3", "ListBuckets", "ListAllMyBucketsResult").action("s3:ListAllMyBuckets");
static GET_BUCKET_LOCATION: Call = Call::one("s3", "GetBucketLocation", "LocationConstraint").gone(NO_BUCKET);
static GET_BUCKET_ACL: Call = Call::one("s3", "GetBucketAcl", "AccessControlPolicy").gone(NO_BUCKET);
static GET_BUCKET_OWNERSHIP_CONTROLS: Call =
    Call::one("s3", "GetBucketOwnershipControls", "OwnershipControls")
        .absent(&["OwnershipControlsNotFoundError"])
        .gone(NO_BUCKET);
static GET_BUCKET_PUBLIC_ACCESS_BLOCK: Call =
    Call::one("s3", "GetPublicAccessBlock", "PublicAccessBlockConfiguration")
        .action("s3:GetBucketPublicAccessBlock")
        .absent(&["NoSuchPublicAccessBlockConfiguration"])
        .gone(NO_BUCKET);
/// Its answer is the policy itself, and a policy has statements.
static GET_BUCKET_POLICY: Call =
    Call::one("s3", "GetBucketPolicy", "Statement").absent(&["NoSuchBucketPolicy"]).gone(NO_BUCKET);
static GET_BUCKET_POLICY_STATUS: Call =
    Call::one("s3", "GetBucketPolicyStatus", "PolicyStatus").absent(&["NoSuchBucketPolicy"]).gone(NO_BUCKET);
static GET_BUCKET_ENCRYPTION: Call =
    Call::one("s3", "GetBucketEncryption", "ServerSideEncryptionConfiguration")
        .action("s3:GetEncryptionConfiguration")
        .absent(&["ServerSideEncryptionConfigurationNotFoundError"])
        .gone(NO_BUCKET);
static GET_BUCKET_VERSIONING: Call =
    Call::one("s3", "GetBucketVersioning", "VersioningConfiguration").gone(NO_BUCKET);
static GET_BUCKET_LOGGING: Call = Call::one("s3", "GetBucketLogging", "BucketLoggingStatus").gone(NO_BUCKET);
static GET_BUCKET_TAGGING: Call =
    Call::one("s3", "GetBucketTagging", "TagSet").absent(&["NoSuchTagSet"]).gone(NO_BUCKET);
static GET_ACCOUNT_PUBLIC_ACCESS_BLOCK: Call =
    Call::one("s3control", "GetPublicAccessBlock", "PublicAccessBlockConfiguration")
        .action("s3:GetAccountPublicAccessBlock")
        .absent(&["NoSuchPublicAccessBlockConfiguration"]);

/// The resource type of the account's settings for S3.
pub static ACCOUNT: Kind = Kind {
    name: "aws.s3.account",
    collection: "s3",
    single: true,
    scope: Scope::Global,
    list: &[],
    facets: &[Row {
        field: "public_access_block",
        calls: &[&GET_ACCOUNT_PUBLIC_ACCESS_BLOCK],
        per: Per::Place,
    }],
    events: &[Change {
        source: "s3.amazonaws.com",
        names: &["DeleteAccountPublicAccessBlock", "PutAccountPublicAccessBlock"],
        target: Target::Place,
    }],
    schema: S3Account::json_schema,
};

/// The resource type of buckets. `GetBucketLocation` is one of the calls of the list, although it is
/// made for single buckets: without the region a bucket is not fully listed.
pub static BUCKET: Kind = Kind {
    name: "aws.s3.bucket",
    collection: "buckets",
    single: false,
    scope: Scope::Global,
    list: &[&LIST_BUCKETS, &GET_BUCKET_LOCATION],
    facets: &[
        Row { field: "location", calls: &[&GET_BUCKET_LOCATION], per: Per::Resource },
        Row { field: "acl", calls: &[&GET_BUCKET_ACL], per: Per::Resource },
        Row { field: "ownership", calls: &[&GET_BUCKET_OWNERSHIP_CONTROLS], per: Per::Resource },
        Row { field: "public_access_block", calls: &[&GET_BUCKET_PUBLIC_ACCESS_BLOCK], per: Per::Resource },
        Row { field: "policy", calls: &[&GET_BUCKET_POLICY], per: Per::Resource },
        Row { field: "policy_status", calls: &[&GET_BUCKET_POLICY_STATUS], per: Per::Resource },
        Row { field: "encryption", calls: &[&GET_BUCKET_ENCRYPTION], per: Per::Resource },
        Row { field: "versioning", calls: &[&GET_BUCKET_VERSIONING], per: Per::Resource },
        Row { field: "logging", calls: &[&GET_BUCKET_LOGGING], per: Per::Resource },
        Row { field: "tags", calls: &[&GET_BUCKET_TAGGING], per: Per::Resource },
    ],
    events: &[Change {
        source: "s3.amazonaws.com",
        names: &[
            "CreateBucket",
            "DeleteBucket",
            "DeleteBucketEncryption",
            "DeleteBucketOwnershipControls",
            "DeleteBucketPolicy",
            "DeleteBucketPublicAccessBlock",
            "DeleteBucketTagging",
            "PutBucketAcl",
            "PutBucketEncryption",
            "PutBucketLogging",
            "PutBucketOwnershipControls",
            "PutBucketPolicy",
            "PutBucketPublicAccessBlock",
            "PutBucketTagging",
            "PutBucketVersioning",
        ],
        target: Target::At(&["requestParameters.bucketName"]),
    }],
    schema: Bucket::json_schema,
};

/// What an account sets for all its buckets.
#[derive(Debug, Serialize, JsonSchema)]
pub struct S3Account {
    /// The account's block on public access; null when it was never set, which blocks nothing.
    public_access_block: Facet<Option<PublicAccessBlock>>,
}

impl Observed for S3Account {
    const KIND: &'static Kind = &ACCOUNT;
}

/// A general purpose bucket.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Bucket {
    /// The region that it lies in. The resource's own `region` is `global` while S3 does not tell.
    location: Facet<String>,
    /// Access control list. It has no effect where `ownership` is `BucketOwnerEnforced`.
    acl: Facet<Acl>,
    /// Object ownership: `BucketOwnerEnforced`, `BucketOwnerPreferred` or `ObjectWriter`; null when it
    /// was never set, which is like `ObjectWriter`.
    ownership: Facet<Option<String>>,
    /// The bucket's own block on public access; null when it has none. The account's counts as well.
    public_access_block: Facet<Option<PublicAccessBlock>>,
    /// Bucket policy; null when there is none.
    policy: Facet<Option<PolicyDocument>>,
    /// What AWS thinks of the policy; null when there is none.
    policy_status: Facet<Option<PolicyStatus>>,
    /// Default encryption of new objects; null when none is configured.
    encryption: Facet<Option<Encryption>>,
    /// Whether old versions of objects are kept.
    versioning: Facet<Versioning>,
    /// Where server access logs are delivered; null when they are off.
    logging: Facet<Option<Logging>>,
    /// Tags.
    tags: Facet<BTreeMap<String, String>>,
}

impl Observed for Bucket {
    const KIND: &'static Kind = &BUCKET;
}

/// An access control list.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Acl {
    /// Canonical user id of the owner.
    owner: String,
    /// Who is granted what.
    grants: Vec<Grant>,
}

/// One grant of an access control list.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Grant {
    /// `CanonicalUser`, `Group` or `AmazonCustomerByEmail`.
    grantee_type: String,
    /// Canonical user id, URI of the group, or e-mail address.
    grantee: String,
    /// `FULL_CONTROL`, `READ`, `WRITE`, `READ_ACP` or `WRITE_ACP`.
    permission: String,
}

/// The four blocks on public access, of a bucket or of an account.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct PublicAccessBlock {
    /// Refuses new public ACLs.
    block_public_acls: bool,
    /// Makes public ACLs void.
    ignore_public_acls: bool,
    /// Refuses new public policies.
    block_public_policy: bool,
    /// Makes public policies void for everyone but the account and AWS services.
    restrict_public_buckets: bool,
}

/// What AWS thinks of a bucket policy.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct PolicyStatus {
    /// Whether AWS calls the policy public.
    is_public: bool,
}

/// Default encryption of new objects.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Encryption {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`.
    algorithm: String,
    /// Id, ARN or alias of the KMS key; null for the key that AWS manages.
    kms_key: Option<String>,
    /// Whether a bucket key saves calls to KMS.
    bucket_key: bool,
}

/// Whether old versions of objects are kept.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Versioning {
    /// `Enabled` or `Suspended`; null when it was never switched on.
    status: Option<String>,
    /// `Enabled` or `Disabled`; null when it was never set.
    mfa_delete: Option<String>,
}

/// Where server access logs are delivered.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Logging {
    /// Name of the bucket.
    target_bucket: String,
    /// Start of the keys of the log objects; may be empty.
    target_prefix: String,
}

/// Collects the buckets in the scanned regions, and the account's settings.
pub async fn collect(ask: Ask<'_>, regions: &RegionsLater) -> Collected {
    let (mut collected, buckets) = futures::join!(collect_account(ask), collect_buckets(ask, regions));
    collected.extend(buckets);
    collected
}

async fn collect_account(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&ACCOUNT) {
        return Collected::nothing();
    }
    let read = read_account_block(ask.place);
    // The account cannot be deleted under us; no code of the call means that it was.
    let resources = ask.optional(&ACCOUNT, "public_access_block", read).await.map(|public_access_block| {
        let account = S3Account { public_access_block };
        ask.resource(ask.arn("iam", "", "root"), ask.place.account().to_owned(), &account)
    });
    Collected::of(ask.place, &ACCOUNT, resources.into_iter().collect(), Ok(()))
}

async fn read_account_block(place: &Place) -> Result<Reply<PublicAccessBlock>, Unseen> {
    let call = &GET_ACCOUNT_PUBLIC_ACCESS_BLOCK;
    let client = place.s3control();
    let reply =
        place.call(call, || client.get_public_access_block().account_id(place.account()).send()).await?;
    reply.and_then(|output| {
        let block = output.public_access_block_configuration;
        block
            .ok_or(Wrong::Missing("PublicAccessBlockConfiguration"))
            .and_then(|block| {
                PublicAccessBlock::of(
                    block.block_public_acls,
                    block.ignore_public_acls,
                    block.block_public_policy,
                    block.restrict_public_buckets,
                )
            })
            .map_err(|wrong| wrong.unseen(place, call))
    })
}

async fn collect_buckets(ask: Ask<'_>, regions: &RegionsLater) -> Collected {
    if !ask.wanted.kind(&BUCKET) {
        return Collected::nothing();
    }
    let home = ask.place.s3();
    let listing = ask.place.pages(
        &LIST_BUCKETS,
        || home.list_buckets().into_paginator().page_size(BUCKETS_PER_PAGE).send(),
        |page| page.buckets,
    );
    let (Listed { items, end }, _) = futures::join!(listing, regions.clone());
    // Without the regions it is not known which buckets are looked at, even when there are none.
    let mut end = end.map(|_| ()).and(regions.clone().await.map(|_| ()));
    let mut resources = Vec::new();
    let is_asked = |bucket: &sdk::Bucket| {
        let name = bucket.name.as_deref().unwrap_or_default();
        ask.takes(&BUCKET, &arn(ask.partition, name), name)
    };
    let mut reading = stream::iter(items.into_iter().filter(is_asked))
        .map(|bucket| collect_bucket(ask, &home, bucket, regions))
        .buffered(BUCKETS_AT_ONCE);
    while let Some(read) = reading.next().await {
        match read {
            Ok(resource) => resources.extend(resource),
            Err(unseen) => end = Err(unseen),
        }
    }
    Collected::of(ask.place, &BUCKET, resources, end)
}

/// One bucket of the list; `None` when it is not in a scanned region, or no longer exists.
async fn collect_bucket(
    ask: Ask<'_>,
    home: &Client,
    bucket: sdk::Bucket,
    regions: &RegionsLater,
) -> Result<Option<Resource>, Unseen> {
    let regions = regions.clone().await?;
    match locate(ask, home, bucket).await? {
        Some(bucket) if bucket.is_in(&regions) => Ok(read_bucket(ask, bucket).await.ok()),
        _ => Ok(None),
    }
}

/// A bucket of the list, and where it lives.
struct Located {
    name: String,
    region: Result<String, Unseen>,
}

impl Located {
    fn is_in(&self, regions: &[String]) -> bool {
        self.region.as_ref().map_or(true, |region| regions.contains(region))
    }
}

/// Finds the region of a bucket; `None` when the bucket no longer exists.
async fn locate(ask: Ask<'_>, home: &Client, bucket: sdk::Bucket) -> Result<Option<Located>, Unseen> {
    let name = bucket.name.ok_or_else(|| Wrong::Missing("Name").unseen(ask.place, &LIST_BUCKETS))?;
    if let Some(region) = bucket.bucket_region.filter(|region| !region.is_empty()) {
        return Ok(Some(Located { name, region: Ok(region) }));
    }
    let call = &GET_BUCKET_LOCATION;
    let reply = ask
        .place
        .call(call, || {
            // Asked from another region with the bucket in the host name S3 refuses the signature
            // (https://github.com/aws/aws-sdk-net/issues/1835); AWS's own command line does the same.
            let path_style = aws_sdk_s3::Config::builder().force_path_style(true);
            home.get_bucket_location().bucket(&name).customize().config_override(path_style).send()
        })
        .await;
    let region = match reply {
        Ok(Reply::Answer(output)) => {
            answer::region_of(&output, ask.partition).map_err(|wrong| wrong.unseen(ask.place, call))
        }
        Ok(Reply::Absent | Reply::Gone) => return Ok(None),
        Err(unseen) => Err(unseen),
    };
    Ok(Some(Located { name, region }))
}

/// # Errors
/// [`Gone`] when the bucket was deleted meanwhile.
async fn read_bucket(ask: Ask<'_>, bucket: Located) -> Result<Resource, Gone> {
    let name = bucket.name.as_str();
    let place = bucket
        .region
        .as_ref()
        .map_or_else(|_| ask.place.clone(), |region| ask.place.session().region(region));
    let ask = Ask { place: &place, ..ask };
    let client = place.s3();
    let reader = Reader { place: &place, bucket: name, client: bucket.region.as_ref().map(|_| &client) };
    let location = ask.fill(&BUCKET, "location", async { bucket.region.clone() }).await;
    let observed = read_facets(ask, &reader, location).await?;
    Ok(ask.resource(arn(ask.partition, name), name.to_owned(), &observed))
}

fn arn(partition: &str, bucket: &str) -> String {
    format!("arn:{partition}:s3:::{bucket}")
}

async fn read_facets(ask: Ask<'_>, from: &Reader<'_>, location: Facet<String>) -> Result<Bucket, Gone> {
    let (acl, ownership, public_access_block, policy, policy_status, encryption, versioning, logging, tags) =
        futures::try_join!(
            ask.facet(
                &BUCKET,
                "acl",
                from.read(&GET_BUCKET_ACL, |s3, b| s3.get_bucket_acl().bucket(b).send(), answer::acl)
            ),
            ask.optional(
                &BUCKET,
                "ownership",
                from.read(
                    &GET_BUCKET_OWNERSHIP_CONTROLS,
                    |s3, b| s3.get_bucket_ownership_controls().bucket(b).send(),
                    answer::ownership,
                ),
            ),
            ask.optional(
                &BUCKET,
                "public_access_block",
                from.read(
                    &GET_BUCKET_PUBLIC_ACCESS_BLOCK,
                    |s3, b| s3.get_public_access_block().bucket(b).send(),
                    answer::public_access_block,
                ),
            ),
            ask.optional(
                &BUCKET,
                "policy",
                from.read(
                    &GET_BUCKET_POLICY,
                    |s3, b| s3.get_bucket_policy().bucket(b).send(),
                    answer::policy
                ),
            ),
            ask.optional(
                &BUCKET,
                "policy_status",
                from.read(
                    &GET_BUCKET_POLICY_STATUS,
                    |s3, b| s3.get_bucket_policy_status().bucket(b).send(),
                    answer::policy_status,
                ),
            ),
            ask.optional(
                &BUCKET,
                "encryption",
                from.read(
                    &GET_BUCKET_ENCRYPTION,
                    |s3, b| s3.get_bucket_encryption().bucket(b).send(),
                    answer::encryption
                ),
            ),
            ask.facet(
                &BUCKET,
                "versioning",
                from.read(
                    &GET_BUCKET_VERSIONING,
                    |s3, b| s3.get_bucket_versioning().bucket(b).send(),
                    answer::versioning
                ),
            ),
            ask.facet(
                &BUCKET,
                "logging",
                from.read(
                    &GET_BUCKET_LOGGING,
                    |s3, b| s3.get_bucket_logging().bucket(b).send(),
                    answer::logging
                ),
            ),
            ask.optional(
                &BUCKET,
                "tags",
                from.read(
                    &GET_BUCKET_TAGGING,
                    |s3, b| s3.get_bucket_tagging().bucket(b).send(),
                    answer::tags
                ),
            ),
        )?;
    Ok(Bucket {
        location,
        acl,
        ownership,
        public_access_block,
        policy,
        policy_status,
        encryption,
        versioning,
        logging,
        // A bucket without tags answers with an error, NoSuchTagSet.
        tags: tags.map(|tags| tags.unwrap_or_else(BTreeMap::new)),
    })
}

/// Asks about one bucket.
struct Reader<'a> {
    place: &'a Place,
    bucket: &'a str,
    /// A client in the bucket's region, or why that is not known.
    client: Result<&'a Client, &'a Unseen>,
}

impl Reader<'_> {
    async fn read<O, E, F, T>(
        &self,
        call: &'static Call,
        send: impl Fn(&Client, &str) -> F,
        make: impl FnOnce(O) -> Result<T, Wrong>,
    ) -> Result<Reply<T>, Unseen>
    where
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let client = self.client.map_err(Clone::clone)?;
        let reply = self.place.call(call, || send(client, self.bucket)).await?;
        reply.and_then(|output| make(output).map_err(|wrong| wrong.unseen(self.place, call)))
    }
}

#[cfg(test)]
mod tests;
