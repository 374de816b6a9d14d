//! The digest of what a control read, by which a waiver tells whether that has changed.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::controls::Evidence;
use crate::hex::hex;

/// Digits of a digest that are written into a waiver, and the fewest that one may have.
pub const DIGEST_DIGITS: usize = 16;

/// SHA-256 of the evidence as 64 hexadecimal digits: the same for the same paths and values, in whatever order the
/// keys of objects are. Of a value that was cut it tells the kept part only.
#[must_use]
pub fn evidence_digest(evidence: &[Evidence]) -> String {
    let mut hash = Sha256::new();
    for Evidence { path, value, cut } in evidence {
        text(&mut hash, path);
        feed(&mut hash, value);
        hash.update([u8::from(*cut)]);
    }
    hex(&hash.finalize())
}

/// A letter for the kind, and a length before whatever has one, so that no two values give the same bytes.
fn feed(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Null => hash.update(b"n"),
        Value::Bool(is) => hash.update(if *is { b"t" } else { b"f" }),
        Value::Number(number) => {
            hash.update(b"d");
            text(hash, &number.to_string());
        }
        Value::String(string) => {
            hash.update(b"s");
            text(hash, string);
        }
        Value::Array(items) => {
            hash.update(b"a");
            hash.update(items.len().to_be_bytes());
            items.iter().for_each(|item| feed(hash, item));
        }
        Value::Object(members) => {
            hash.update(b"o");
            hash.update(members.len().to_be_bytes());
            for (key, value) in members.iter().collect::<BTreeMap<_, _>>() {
                text(hash, key);
                feed(hash, value);
            }
        }
    }
}

fn text(hash: &mut Sha256, text: &str) {
    hash.update(text.len().to_be_bytes());
    hash.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn digest(value: Value) -> String {
        evidence_digest(&[Evidence { path: "resource.policy".to_owned(), value, cut: false }])
    }

    #[test]
    fn the_order_of_keys_changes_nothing_and_every_value_does() {
        let one: Value = serde_json::from_str(r#"{"a":1,"b":[true,null]}"#).unwrap();
        let same: Value = serde_json::from_str(r#"{"b":[true,null],"a":1}"#).unwrap();
        assert_eq!(digest(one.clone()), digest(same));
        let all = [
            one,
            json!({ "a": 1, "b": [null, true] }),
            json!({ "a": 1, "b": [true] }),
            json!({ "a": "1", "b": [true, null] }),
            json!({ "a": 1, "b": "[true,null]" }),
            json!(["a", 1, "b", true, null]),
            json!("ab"),
            json!(["ab"]),
            json!(["a", "b"]),
            json!(null),
            json!({}),
            json!([]),
        ];
        let digests: std::collections::BTreeSet<String> = all.iter().cloned().map(digest).collect();
        assert_eq!(digests.len(), all.len());
        assert!(digests.iter().all(|digest| digest.len() == 64));
    }
}
