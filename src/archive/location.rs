//! [`Location`]: where an archive lies, as a flag or the configuration says it.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

/// The directory that an archive lies in where nothing else is said, relative to the current one.
const DEFAULT: &str = "upright-data";

/// Where an archive lies: a directory, or `s3://bucket/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory of this machine, relative to the current one.
    Directory(PathBuf),
    /// A place in a bucket.
    Bucket {
        /// Name of the bucket.
        bucket: String,
        /// What the keys begin with, without `/` at its ends; may be empty.
        prefix: String,
    },
}

/// It says no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no place for an archive: {why}; write a directory, or s3://bucket/prefix")]
pub struct BadLocation {
    text: String,
    why: &'static str,
}

impl Location {
    /// The policy statements that an archive there needs: none for a directory.
    #[must_use]
    pub fn statements(&self, partition: &str) -> Vec<Value> {
        let Self::Bucket { bucket, prefix } = self else { return Vec::new() };
        let bucket = format!("arn:{partition}:s3:::{bucket}");
        let below = if prefix.is_empty() { "*".to_owned() } else { format!("{prefix}/*") };
        let mut list =
            json!({ "Sid": "ListArchive", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket });
        if !prefix.is_empty()
            && let Some(list) = list.as_object_mut()
        {
            list.insert("Condition".to_owned(), json!({ "StringLike": { "s3:prefix": [below] } }));
        }
        let keep = json!({
            "Sid": "KeepInArchive",
            "Effect": "Allow",
            "Action": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            "Resource": format!("{bucket}/{below}"),
        });
        vec![keep, list]
    }
}

impl Default for Location {
    fn default() -> Self {
        Self::Directory(PathBuf::from(DEFAULT))
    }
}

impl FromStr for Location {
    type Err = BadLocation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |why| Err(BadLocation { text: text.to_owned(), why });
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() {
                wrong("it is empty")
            } else {
                Ok(Self::Directory(PathBuf::from(text)))
            };
        };
        if scheme != "s3" {
            return wrong("of addresses only s3:// is known");
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        let fits_bucket =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(fits_bucket) {
            return wrong("that is no name of a bucket");
        }
        if !prefix.is_empty() && prefix.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return wrong("the prefix has an empty part, `.` or `..`");
        }
        if prefix.len() > 512 || prefix.chars().any(char::is_control) {
            return wrong("the prefix is too long or has control characters");
        }
        Ok(Self::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Location {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Location")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_and_buckets_are_told_apart() {
        let bucket = |bucket: &str, prefix: &str| Location::Bucket {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        };
        for (text, expected) in [
            ("upright-data", Location::default()),
            ("/var/lib/upright", Location::Directory(PathBuf::from("/var/lib/upright"))),
            ("s3://acme-audit", bucket("acme-audit", "")),
            ("s3://acme-audit/", bucket("acme-audit", "")),
            ("s3://acme-audit/upright/prod/", bucket("acme-audit", "upright/prod")),
        ] {
            assert_eq!(text.parse::<Location>().unwrap(), expected, "{text}");
        }
        assert_eq!("s3://acme-audit/a/".parse::<Location>().unwrap().to_string(), "s3://acme-audit/a");
    }

    #[test]
    fn an_archive_in_s3_needs_its_prefix_and_no_more() {
        let statements = |text: &str| text.parse::<Location>().unwrap().statements("aws-cn");
        assert_eq!(statements("upright-data"), Vec::<Value>::new());
        let of_prefix = statements("s3://acme-audit/upright");
        assert_eq!(of_prefix[0]["Resource"], "arn:aws-cn:s3:::acme-audit/upright/*");
        assert_eq!(of_prefix[1]["Resource"], "arn:aws-cn:s3:::acme-audit");
        assert_eq!(of_prefix[1]["Condition"]["StringLike"]["s3:prefix"], json!(["upright/*"]));
        let whole = statements("s3://acme-audit");
        assert_eq!(whole[0]["Resource"], "arn:aws-cn:s3:::acme-audit/*");
        assert_eq!(whole[1].get("Condition"), None);
    }

    #[test]
    fn what_is_no_place_says_why() {
        for (text, why) in [
            ("", "empty"),
            ("gs://acme", "only s3://"),
            ("https://acme.s3.amazonaws.com/x", "only s3://"),
            ("s3://", "no name of a bucket"),
            ("s3://Acme_Audit/x", "no name of a bucket"),
            ("s3://acme//x", "empty part"),
            ("s3://acme/../x", "`..`"),
            ("s3://acme/a\nb", "control"),
        ] {
            let error = text.parse::<Location>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
