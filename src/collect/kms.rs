//! KMS: keys with what they are, their rotation and their policies.
//!
//! Calls: `ListKeys` in every region, `DescribeKey` for each key, then `GetKeyRotationStatus` for each key that can
//! rotate automatically and `GetKeyPolicy` for each key of the customer.
//!
//! Quirks:
//! - A key policy can keep the account's own scanner out, so each key's answers may be denied on their own.
//! - Rotation is not asked about where AWS
//!   [does not support it](https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html) and would
//!   answer with an error: asymmetric and HMAC keys, imported material, key stores, keys that are not enabled.
//!   AWS rotates its own keys itself.
//! - A replica of a multi-Region key answers with the
//!   [rotation of its primary](https://docs.aws.amazon.com/kms/latest/developerguide/rotating-keys-enable.html).

use aws_sdk_kms::{Client, types as sdk};
use schemars::JsonSchema;
use serde::Serialize;

use super::schema::PolicyDocument;
use super::touch::{Change, Target};
use super::{Ask, Collected, Gone, Kind, Observed, Per, Row, Scope};
use crate::aws::{Call, Place, Reply};
use crate::inventory::{Facet, Resource, Unseen};

const NO_KEY: &[&str] = &["NotFoundException"];

static LIST_KEYS: Call = Call::list("kms", "ListKeys", "Keys");
/// Trails ask with it about keys that may never have existed; a key that was listed and is absent is gone.
pub(super) static DESCRIBE_KEY: Call = Call::one("kms", "DescribeKey", "KeyMetadata").absent(NO_KEY);
static GET_KEY_ROTATION_STATUS: Call =
    Call::one("kms", "GetKeyRotationStatus", "KeyRotationEnabled").gone(NO_KEY);
static GET_KEY_POLICY: Call = Call::one("kms", "GetKeyPolicy", "Policy").gone(NO_KEY);

/// Items in a page, the most that KMS gives.
const PAGE_SIZE: i32 = 1000;
/// The only name that a key policy can have.
const POLICY_NAME: &str = "default";

/// The resource type of keys.
pub static KEY: Kind = Kind {
    name: "aws.kms.key",
    collection: "keys",
    single: false,
    scope: Scope::Regional,
    list: &[&LIST_KEYS],
    facets: &[
        Row { field: "metadata", calls: &[&DESCRIBE_KEY], per: Per::Resource },
        Row { field: "rotation", calls: &[&DESCRIBE_KEY, &GET_KEY_ROTATION_STATUS], per: Per::Resource },
        Row { field: "policy", calls: &[&DESCRIBE_KEY, &GET_KEY_POLICY], per: Per::Resource },
    ],
    events: &[
        Change {
            source: "kms.amazonaws.com",
            names: &[
                "CancelKeyDeletion",
                "DeleteImportedKeyMaterial",
                "DisableKey",
                "DisableKeyRotation",
                "EnableKey",
                "EnableKeyRotation",
                "ImportKeyMaterial",
                "PutKeyPolicy",
                "ScheduleKeyDeletion",
                "UpdatePrimaryRegion",
            ],
            target: Target::At(&["requestParameters.keyId", "resources.*.ARN"]),
        },
        Change {
            source: "kms.amazonaws.com",
            names: &["CreateKey"],
            target: Target::At(&["responseElements.keyMetadata.arn|responseElements.keyMetadata.keyId"]),
        },
        Change {
            source: "kms.amazonaws.com",
            names: &["ReplicateKey"],
            target: Target::At(&["responseElements.replicaKeyMetadata.arn", "requestParameters.keyId"]),
        },
    ],
    schema: Key::json_schema,
};

/// A key, of the customer or of AWS for the customer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Key {
    /// Its id, such as `1234abcd-12ab-34cd-56ef-1234567890ab` or `mrk-...`.
    id: String,
    /// What it is.
    metadata: Facet<Metadata>,
    /// Automatic rotation. Read for keys of the customer that are enabled and can rotate automatically.
    rotation: Facet<Rotation>,
    /// Key policy. Read for keys of the customer.
    policy: Facet<PolicyDocument>,
}

impl Observed for Key {
    const KIND: &'static Kind = &KEY;
}

/// What a key is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Metadata {
    /// `CUSTOMER`, or `AWS` for a key that AWS made for one of its services.
    manager: String,
    /// Such as `SYMMETRIC_DEFAULT`, `RSA_2048` or `HMAC_256`.
    spec: String,
    /// `AWS_KMS`, `EXTERNAL` for imported material, `AWS_CLOUDHSM` or `EXTERNAL_KEY_STORE`.
    origin: String,
    /// Such as `Enabled`, `Disabled`, `PendingDeletion` or `PendingImport`.
    state: String,
    /// `PRIMARY` or `REPLICA`; null when it is not a multi-Region key.
    multi_region: Option<String>,
}

/// Automatic rotation of a key.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Rotation {
    /// Whether it is on.
    is_enabled: bool,
    /// Days between two rotations; null when AWS does not tell.
    period_days: Option<i64>,
}

/// Collects the keys of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&KEY) {
        return Collected::nothing();
    }
    let client = ask.place.kms();
    let open = || client.list_keys().into_paginator().page_size(PAGE_SIZE).send();
    // A page that says that more follow but not where would be taken for the last.
    let take = |page: aws_sdk_kms::operation::list_keys::ListKeysOutput| {
        if page.truncated && page.next_marker.is_none_or(|marker| marker.is_empty()) {
            None
        } else {
            page.keys
        }
    };
    let listed = ask.place.pages(&LIST_KEYS, open, take).await;
    let is_asked = |key: &sdk::KeyListEntry| {
        let (arn, id) = (key.key_arn.as_deref(), key.key_id.as_deref());
        ask.takes_listed(&KEY, arn, id)
    };
    let asked = listed.items.into_iter().filter(is_asked).collect();
    let read = super::read_each(asked, |key| read_key(ask, &client, key)).await;
    Collected::of_items(ask.place, &KEY, listed.end.map(|_| ()), read)
}

async fn read_key(ask: Ask<'_>, client: &Client, key: sdk::KeyListEntry) -> Result<Option<Resource>, Unseen> {
    let missing = |member: &str| ask.place.malformed(&LIST_KEYS, &format!("a key has no `{member}`"));
    let id = key.key_id.ok_or_else(|| missing("KeyId"))?;
    let arn = key.key_arn.ok_or_else(|| missing("KeyArn"))?;
    let reader = Reader { ask, client, id: &id };
    Ok(match reader.key().await {
        Ok(observed) => Some(ask.resource(arn, id.clone(), &observed)),
        Err(Gone) => None,
    })
}

/// Asks about one key.
struct Reader<'a> {
    ask: Ask<'a>,
    client: &'a Client,
    id: &'a str,
}

impl Reader<'_> {
    async fn key(&self) -> Result<Key, Gone> {
        let metadata = self.metadata().await?;
        let (rotation, policy) = futures::try_join!(
            self.where_it_applies(&metadata, Metadata::can_rotate, "rotation", self.rotation()),
            self.where_it_applies(&metadata, Metadata::is_of_customer, "policy", self.policy()),
        )?;
        Ok(Key { id: self.id.to_owned(), metadata, rotation, policy })
    }

    /// What the key is, read once for all facets that depend on it.
    async fn metadata(&self) -> Result<Facet<Metadata>, Gone> {
        if !KEY.facets.iter().any(|row| self.ask.wanted.field(&KEY, row.field)) {
            return Ok(Facet::Unknown(self.ask.not_collected()));
        }
        let place = self.ask.place;
        let reply = place.call(&DESCRIBE_KEY, || self.client.describe_key().key_id(self.id).send()).await;
        match reply {
            Ok(Reply::Answer(output)) => Ok(Facet::from(
                output
                    .key_metadata
                    .ok_or("KeyMetadata")
                    .and_then(Metadata::of)
                    .map_err(|member| place.malformed(&DESCRIBE_KEY, &format!("`{member}` is missing"))),
            )),
            Ok(Reply::Absent | Reply::Gone) => Err(Gone),
            Err(unseen) => Ok(Facet::Unknown(unseen)),
        }
    }

    /// Fills a facet of the keys that it makes sense for; whether it does is unknown with the metadata.
    async fn where_it_applies<T>(
        &self,
        metadata: &Facet<Metadata>,
        applies: impl Fn(&Metadata) -> bool,
        field: &str,
        read: impl Future<Output = Result<Reply<T>, Unseen>>,
    ) -> Result<Facet<T>, Gone> {
        match metadata {
            Facet::Known(metadata) if applies(metadata) => self.ask.facet(&KEY, field, read).await,
            Facet::Known(_) => Ok(Facet::Unknown(self.ask.not_collected())),
            Facet::Unknown(unseen) => Ok(Facet::Unknown(unseen.clone())),
        }
    }

    async fn rotation(&self) -> Result<Reply<Rotation>, Unseen> {
        let read = || self.client.get_key_rotation_status().key_id(self.id).send();
        self.ask.place.call(&GET_KEY_ROTATION_STATUS, read).await?.and_then(|output| {
            Ok(Rotation {
                is_enabled: output.key_rotation_enabled,
                period_days: output.rotation_period_in_days.map(i64::from),
            })
        })
    }

    async fn policy(&self) -> Result<Reply<PolicyDocument>, Unseen> {
        let place: &Place = self.ask.place;
        let read = || self.client.get_key_policy().key_id(self.id).policy_name(POLICY_NAME).send();
        let reply = place.call(&GET_KEY_POLICY, read).await?;
        reply.and_then(|output| super::iam::document(place, &GET_KEY_POLICY, "Policy", output.policy))
    }
}

impl Metadata {
    /// What AWS says, or the member that is missing.
    fn of(metadata: sdk::KeyMetadata) -> Result<Self, &'static str> {
        let role = metadata
            .multi_region_configuration
            .and_then(|configuration| configuration.multi_region_key_type)
            .map(|role| role.as_str().to_owned());
        let multi_region = match metadata.multi_region {
            Some(true) => Some(role.ok_or("MultiRegionKeyType")?),
            Some(false) | None => None,
        };
        Ok(Self {
            manager: metadata.key_manager.ok_or("KeyManager")?.as_str().to_owned(),
            spec: metadata.key_spec.ok_or("KeySpec")?.as_str().to_owned(),
            origin: metadata.origin.ok_or("Origin")?.as_str().to_owned(),
            state: metadata.key_state.ok_or("KeyState")?.as_str().to_owned(),
            multi_region,
        })
    }

    fn is_of_customer(&self) -> bool {
        self.manager == "CUSTOMER"
    }

    /// Whether AWS tells about its automatic rotation.
    fn can_rotate(&self) -> bool {
        self.is_of_customer()
            && self.spec == "SYMMETRIC_DEFAULT"
            && self.origin == "AWS_KMS"
            && self.state == "Enabled"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described() -> sdk::builders::KeyMetadataBuilder {
        sdk::KeyMetadata::builder()
            .key_id("k")
            .key_manager(sdk::KeyManagerType::Customer)
            .key_spec(sdk::KeySpec::SymmetricDefault)
            .origin(sdk::OriginType::AwsKms)
            .key_state(sdk::KeyState::Enabled)
            .multi_region(false)
    }

    fn read(of: sdk::builders::KeyMetadataBuilder) -> Result<Metadata, &'static str> {
        Metadata::of(of.build().unwrap())
    }

    #[test]
    fn only_an_enabled_symmetric_key_of_the_customer_made_by_aws_can_rotate() {
        assert!(read(described()).unwrap().can_rotate());
        for other in [
            described().key_manager(sdk::KeyManagerType::Aws),
            described().key_spec(sdk::KeySpec::Hmac256),
            described().key_spec(sdk::KeySpec::Rsa2048),
            described().origin(sdk::OriginType::External),
            described().origin(sdk::OriginType::AwsCloudhsm),
            described().origin(sdk::OriginType::ExternalKeyStore),
            described().key_state(sdk::KeyState::Disabled),
            described().key_state(sdk::KeyState::PendingDeletion),
        ] {
            let metadata = read(other).unwrap();
            assert!(!metadata.can_rotate(), "{metadata:?}");
        }
    }

    #[test]
    fn a_multi_region_key_says_which_it_is() {
        let replica = sdk::MultiRegionConfiguration::builder()
            .multi_region_key_type(sdk::MultiRegionKeyType::Replica)
            .build();
        let read_replica = read(described().multi_region(true).multi_region_configuration(replica)).unwrap();
        assert_eq!(read_replica.multi_region.as_deref(), Some("REPLICA"));
        assert!(read_replica.can_rotate());
        assert_eq!(read(described()).unwrap().multi_region, None);
        assert_eq!(read(described().multi_region(true)).unwrap_err(), "MultiRegionKeyType");
    }

    #[test]
    fn what_is_missing_is_not_made_up() {
        assert_eq!(read(described().set_key_state(None)).unwrap_err(), "KeyState");
        assert_eq!(read(described().set_key_manager(None)).unwrap_err(), "KeyManager");
        assert_eq!(read(described().set_key_spec(None)).unwrap_err(), "KeySpec");
        assert_eq!(read(described().set_origin(None)).unwrap_err(), "Origin");
    }
}
