//! EFS: file systems.
//!
//! Calls: `DescribeFileSystems` in every region. The SDK calls the service `efs`, IAM and the signature call it
//! `elasticfilesystem`.
//!
//! Quirks: encryption is [set at creation](https://docs.aws.amazon.com/efs/latest/ug/encryption-at-rest.html) and
//! never changes. The destination of a replication is a file system of its own and listed as such. The SDK fills
//! required texts that are missing from an
//! [answer](https://docs.aws.amazon.com/efs/latest/ug/API_FileSystemDescription.html) with empty ones.

use std::collections::BTreeMap;

use aws_sdk_efs::types as sdk;
use schemars::JsonSchema;
use serde::Serialize;

use super::touch::{Change, Target};
use super::{Ask, Collected, Kind, Observed, Scope};
use crate::aws::Call;
use crate::inventory::{Resource, Unseen};

static DESCRIBE_FILE_SYSTEMS: Call = Call::list("elasticfilesystem", "DescribeFileSystems", "FileSystems");

/// Items in a page, the most that EFS gives; its own choice is 100.
const PAGE_SIZE: i32 = 1000;

/// The resource type of file systems.
pub static FILE_SYSTEM: Kind = Kind {
    name: "aws.efs.file_system",
    collection: "file_systems",
    single: false,
    scope: Scope::Regional,
    list: &[&DESCRIBE_FILE_SYSTEMS],
    facets: &[],
    events: &[Change {
        source: "elasticfilesystem.amazonaws.com",
        names: &["CreateFileSystem", "DeleteFileSystem"],
        target: Target::At(&["responseElements.fileSystemId|requestParameters.fileSystemId"]),
    }],
    schema: FileSystem::json_schema,
};

/// A file system.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FileSystem {
    /// Such as `fs-0123456789abcdef0`.
    id: String,
    /// Such as `available`, `creating` or `deleting`.
    state: String,
    /// Whether it is encrypted at rest.
    is_encrypted: bool,
    /// ARN of the KMS key that encrypts it; null when it is not encrypted.
    kms_key: Option<String>,
    /// Tags.
    tags: BTreeMap<String, String>,
}

impl Observed for FileSystem {
    const KIND: &'static Kind = &FILE_SYSTEM;
}

/// Collects the file systems of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&FILE_SYSTEM) {
        return Collected::nothing();
    }
    let client = ask.place.elasticfilesystem();
    let open = || client.describe_file_systems().into_paginator().page_size(PAGE_SIZE).send();
    let listed = ask.place.pages(&DESCRIBE_FILE_SYSTEMS, open, |page| page.file_systems).await;
    let read = listed.items.into_iter().map(|of| {
        file_system(ask, of)
            .map(Some)
            .map_err(|member| malformed(ask, &format!("a file system has no `{member}`")))
    });
    Collected::of_items(ask.place, &FILE_SYSTEM, listed.end.map(|_| ()), read)
}

fn malformed(ask: Ask<'_>, message: &str) -> Unseen {
    ask.place.malformed(&DESCRIBE_FILE_SYSTEMS, message)
}

/// The resource, or the member that is missing.
fn file_system(ask: Ask<'_>, of: sdk::FileSystemDescription) -> Result<Resource, &'static str> {
    let name = of.name.clone().filter(|name| !name.is_empty());
    let arn = of.file_system_arn.clone().filter(|arn| !arn.is_empty());
    let observed = FileSystem::of(of)?;
    let id = observed.id.clone();
    let arn =
        arn.unwrap_or_else(|| ask.arn("elasticfilesystem", ask.place.region(), &format!("file-system/{id}")));
    Ok(ask.resource(arn, name.unwrap_or(id), &observed))
}

impl FileSystem {
    fn of(of: sdk::FileSystemDescription) -> Result<Self, &'static str> {
        let text = |text: String, member| if text.is_empty() { Err(member) } else { Ok(text) };
        Ok(Self {
            id: text(of.file_system_id, "FileSystemId")?,
            state: text(of.life_cycle_state.as_str().to_owned(), "LifeCycleState")?,
            is_encrypted: of.encrypted.ok_or("Encrypted")?,
            kms_key: of.kms_key_id,
            tags: of.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described() -> sdk::builders::FileSystemDescriptionBuilder {
        sdk::FileSystemDescription::builder()
            .owner_id("111122223333")
            .creation_token("t")
            .file_system_id("fs-1")
            .creation_time(aws_smithy_types::DateTime::from_secs(1))
            .life_cycle_state(sdk::LifeCycleState::Available)
            .number_of_mount_targets(0)
            .performance_mode(sdk::PerformanceMode::GeneralPurpose)
            .set_tags(Some(Vec::new()))
    }

    #[test]
    fn encryption_is_what_aws_says() {
        for encrypted in [true, false] {
            let read = FileSystem::of(described().encrypted(encrypted).build().unwrap()).unwrap();
            assert_eq!((read.is_encrypted, read.state.as_str()), (encrypted, "available"));
        }
    }

    #[test]
    fn a_file_system_that_does_not_say_whether_it_is_encrypted_is_not_understood() {
        assert_eq!(FileSystem::of(described().build().unwrap()).unwrap_err(), "Encrypted");
        let nameless = described().file_system_id("").encrypted(true).build().unwrap();
        assert_eq!(FileSystem::of(nameless).unwrap_err(), "FileSystemId");
    }
}
