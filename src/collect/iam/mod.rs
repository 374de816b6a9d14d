//! IAM: the account's own settings, users, managed policies, roles, instance profiles and server
//! certificates. A global service: asked once per account.
//!
//! Calls: one list for each resource type, then those of its facets, each in the file of its type. The
//! credential report serves the root user and every user, and is fetched once.
//!
//! Quirks: IAM's lists leave out part of what the same thing's `Get` call tells (tags, permissions
//! boundaries, last use; each API page says so), so those are facets of their own or not read. The SDK
//! fills a required member that is missing from an answer with an empty list, empty text or the epoch: the
//! marker of a list is therefore its element, which AWS writes for an empty list too, and `text` and
//! `date` refuse the others.

mod account;
mod certificate;
mod credential_report;
mod policy;
mod role;
mod user;

use aws_smithy_types::DateTime;
use futures::FutureExt;

pub use account::{ACCOUNT, IamAccount};
pub use certificate::{SERVER_CERTIFICATE, ServerCertificate};
pub use policy::{POLICY, Policy};
pub use role::{INSTANCE_PROFILE, InstanceProfile, ROLE, Role};
pub use user::{USER, User};

use super::schema::PolicyDocument;
use super::{Ask, Collected, Kind};
use crate::aws::{Call, Place, Reply};
use crate::inventory::{Resource, Unseen};

/// Items in a page, the most that IAM gives; it may give fewer. Its own choice of 100 would make ten times
/// the calls, one after another.
const PAGE_SIZE: i32 = 1000;

/// Collects what is wanted of IAM.
pub async fn collect(ask: Ask<'_>) -> Collected {
    let kinds = [&ACCOUNT, &INSTANCE_PROFILE, &POLICY, &ROLE, &SERVER_CERTIFICATE, &USER];
    if !kinds.into_iter().any(|kind| ask.wanted.kind(kind)) {
        return Collected::nothing();
    }
    let client = ask.place.iam();
    let report = credential_report::shared(ask.place, &client);
    let parts = [
        account::collect(ask, &client, report.clone()).boxed(),
        certificate::collect(ask, &client).boxed(),
        policy::collect(ask, &client).boxed(),
        role::collect_profiles(ask, &client).boxed(),
        role::collect(ask, &client).boxed(),
        user::collect(ask, &client, report).boxed(),
    ];
    Collected::together(parts).await
}

/// The part of one type: an item that could not be understood makes the list incomplete, and one that was
/// deleted meanwhile (`None`) does not.
fn part(
    ask: Ask<'_>,
    kind: &Kind,
    end: Result<Reply<()>, Unseen>,
    read: impl IntoIterator<Item = Result<Option<Resource>, Unseen>>,
) -> Collected {
    Collected::of_items(ask.place, kind, end.map(|_| ()), read)
}

/// The items of a page. A page that says that more follow but not where has no use: the SDK would take it
/// for the last.
fn page<I>(is_truncated: bool, marker: Option<&String>, items: Option<Vec<I>>) -> Option<Vec<I>> {
    if is_truncated && marker.is_none_or(String::is_empty) { None } else { items }
}

/// Text that is in every answer.
fn text(
    place: &Place,
    call: &Call,
    member: &str,
    value: impl Into<Option<String>>,
) -> Result<String, Unseen> {
    value.into().filter(|text| !text.is_empty()).ok_or_else(|| missing(place, call, member))
}

/// A time that is in every answer.
fn date(
    place: &Place,
    call: &Call,
    member: &str,
    value: impl Into<Option<DateTime>>,
) -> Result<String, Unseen> {
    value.into().filter(|at| at.secs() != 0).map(super::time).ok_or_else(|| missing(place, call, member))
}

/// A member that every answer has is not in this one.
fn missing(place: &Place, call: &Call, member: &str) -> Unseen {
    place.malformed(call, &format!("`{member}` is missing"))
}

/// A policy document that is in every answer.
pub(super) fn document(
    place: &Place,
    call: &Call,
    member: &str,
    value: Option<String>,
) -> Result<PolicyDocument, Unseen> {
    let encoded = text(place, call, member, value)?;
    parse_document(&encoded).map_err(|why| place.malformed(call, &format!("`{member}` {why}")))
}

/// A policy grants nothing by being unreadable, so only a JSON object is taken for one.
fn parse_document(encoded: &str) -> Result<PolicyDocument, String> {
    match PolicyDocument::parse(encoded) {
        Ok(document) if document.0.is_object() => Ok(document),
        Ok(_) => Err("is not a JSON object".to_owned()),
        Err(error) => Err(format!("is not JSON: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{page, parse_document};

    #[test]
    fn documents_are_read_encoded_and_plain() {
        let expected =
            json!({ "Version": "2012-10-17", "Statement": [{ "Action": "s3:Get*", "Sid": "a+b é" }] });
        for text in [
            expected.to_string(),
            percent_encoding::utf8_percent_encode(&expected.to_string(), percent_encoding::NON_ALPHANUMERIC)
                .to_string(),
            format!("\n {expected}"),
        ] {
            assert_eq!(parse_document(&text).unwrap().0, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in ["[]", "%5B%5D", "null", "\"x\"", "1", "%7B%22Version", "{", "%", "AdministratorAccess"] {
            assert!(parse_document(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_page_that_is_cut_off_without_a_marker_is_not_the_last() {
        let next = "m".to_owned();
        assert_eq!(page(false, None, Some(vec![1])), Some(vec![1]));
        assert_eq!(page(true, Some(&next), Some(vec![1])), Some(vec![1]));
        assert_eq!(page(true, None, Some(vec![1])), None);
        assert_eq!(page(true, Some(&String::new()), Some(vec![1])), None);
        assert_eq!(page::<u8>(false, None, None), None);
    }
}
