use proptest::prelude::*;
use serde_json::json;

use super::*;

fn classic(read_write: &str, management: bool, values: &[&str], excluded: &[&str]) -> Value {
    json!({
        "read_write_type": read_write,
        "include_management_events": management,
        "data_resources": if values.is_empty() { json!([]) } else { json!([{ "type": "AWS::S3::Object", "values": values }]) },
        "excluded_management_sources": excluded,
    })
}

fn field(name: &str, operator: &str, values: &[&str]) -> Value {
    let mut field = json!({
        "field": name, "equals": [], "not_equals": [], "starts_with": [], "not_starts_with": [], "ends_with": [],
        "not_ends_with": [],
    });
    field[operator] = json!(values);
    field
}

fn advanced(fields: &[Value]) -> Value {
    json!({ "name": "a", "fields": fields })
}

fn category(name: &str) -> Value {
    field("eventCategory", "equals", &[name])
}

fn read_only(value: &str) -> Value {
    field("readOnly", "equals", &[value])
}

fn management(classic: &[Value], advanced: &[Value]) -> bool {
    records_management_events(&json!({ "classic": classic, "advanced": advanced })).unwrap()
}

/// Whether reads and whether writes are recorded.
fn data(classic: &[Value], advanced: &[Value]) -> (bool, bool) {
    let selectors = json!({ "classic": classic, "advanced": advanced });
    (
        records_s3_data_events(&selectors, "read").unwrap(),
        records_s3_data_events(&selectors, "write").unwrap(),
    )
}

#[test]
fn a_classic_selector_for_all_records_all() {
    assert!(management(&[classic("All", true, &[], &[])], &[]));
    assert!(!management(&[classic("All", false, &["arn:aws:s3"], &[])], &[]));
    assert!(!management(&[classic("WriteOnly", true, &[], &[])], &[]));
    assert!(!management(&[], &[]));
}

#[test]
fn selectors_add_up() {
    let (reads, writes) = (classic("ReadOnly", true, &[], &[]), classic("WriteOnly", true, &[], &[]));
    assert!(management(&[reads.clone(), writes], &[]));
    assert!(!management(&[reads.clone(), reads], &[]));
    let reads = advanced(&[category("Management"), read_only("true")]);
    let writes = advanced(&[category("Management"), read_only("false")]);
    assert!(management(&[], &[reads.clone(), writes.clone()]));
    assert!(!management(&[], &[reads]));
    assert!(management(&[classic("ReadOnly", true, &[], &[])], &[writes]));
    assert!(management(&[], &[advanced(&[category("Management")])]));
    assert!(!management(&[], &[advanced(&[category("Data")])]));
}

#[test]
fn management_events_without_those_of_a_service_are_not_all() {
    let without = |source| classic("All", true, &[], &[source]);
    assert!(!management(&[without("kms.amazonaws.com")], &[]));
    assert!(management(&[without("kms.amazonaws.com"), without("rdsdata.amazonaws.com")], &[]));
    let but_kms = advanced(&[category("Management"), field(SOURCE, "not_equals", &["kms.amazonaws.com"])]);
    let only_kms = advanced(&[category("Management"), field(SOURCE, "equals", &["kms.amazonaws.com"])]);
    assert!(!management(&[], std::slice::from_ref(&but_kms)));
    assert!(!management(&[], std::slice::from_ref(&only_kms)));
    assert!(management(&[], &[but_kms, only_kms]));
}

#[test]
fn a_condition_on_another_field_takes_only_some_events() {
    let some = field("eventName", "not_equals", &["Decrypt"]);
    assert!(!management(&[], &[advanced(&[category("Management"), some])]));
    let by_prefix = field(SOURCE, "not_starts_with", &["kms"]);
    assert!(!management(&[], &[advanced(&[category("Management"), by_prefix])]));
}

#[test]
fn all_buckets_have_two_spellings_in_every_partition() {
    for value in ["arn:aws:s3", "arn:aws:s3:::", "arn:aws-cn:s3", "arn:aws-us-gov:s3:::"] {
        assert_eq!(
            data(&[classic("All", true, &["arn:aws:s3:::a/", value], &[])], &[]),
            (true, true),
            "{value}"
        );
    }
    for value in
        ["arn:aws:s3:::a/", "arn:aws:s3:::a", "arn:aws:s3:::/", "arn:aws:lambda", "s3", "", "arn:aws:s3-x"]
    {
        assert_eq!(data(&[classic("All", true, &[value], &[])], &[]), (false, false), "{value}");
    }
    assert_eq!(data(&[classic("ReadOnly", false, &["arn:aws:s3"], &[])], &[]), (true, false));
    assert_eq!(data(&[classic("WriteOnly", false, &["arn:aws:s3"], &[])], &[]), (false, true));
    assert_eq!(data(&[classic("All", true, &[], &[])], &[]), (false, false));
    let mut lambda = classic("All", true, &["arn:aws:s3"], &[]);
    lambda["data_resources"][0]["type"] = json!("AWS::Lambda::Function");
    assert_eq!(data(&[lambda], &[]), (false, false));
}

#[test]
fn advanced_selectors_of_objects() {
    let objects = field("resources.type", "equals", &["AWS::S3::Object"]);
    let select = |more: &[Value]| {
        let mut fields = vec![category("Data"), objects.clone()];
        fields.extend_from_slice(more);
        data(&[], &[advanced(&fields)])
    };
    assert_eq!(select(&[]), (true, true));
    assert_eq!(select(&[read_only("true")]), (true, false));
    assert_eq!(select(&[read_only("false")]), (false, true));
    assert_eq!(select(&[field("resources.ARN", "starts_with", &["arn:aws:s3:::"])]), (true, true));
    assert_eq!(select(&[field("resources.ARN", "starts_with", &["arn:aws:s3:::a/"])]), (false, false));
    assert_eq!(select(&[field("resources.ARN", "not_starts_with", &["arn:aws:s3:::logs/"])]), (false, false));
    assert_eq!(select(&[field("resources.ARN", "equals", &["arn:aws:s3:::a/b"])]), (false, false));
    assert_eq!(select(&[field("eventName", "equals", &["GetObject"])]), (false, false));
    assert_eq!(select(&[field("userIdentity.arn", "not_equals", &["x"])]), (false, false));
    assert_eq!(data(&[], &[advanced(&[category("Data")])]), (false, false));
    assert_eq!(data(&[], &[advanced(&[category("Management"), objects])]), (false, false));
    let lambda = field("resources.type", "equals", &["AWS::Lambda::Function"]);
    assert_eq!(data(&[], &[advanced(&[category("Data"), lambda])]), (false, false));
}

#[test]
fn what_is_no_selector_is_a_mistake() {
    let both = |selectors: &Value| {
        (records_management_events(selectors).is_err(), records_s3_data_events(selectors, "read").is_err())
    };
    let with_classic = |key: &str, value: Value| {
        let mut selector = classic("All", true, &["arn:aws:s3"], &[]);
        selector[key] = value;
        json!({ "classic": [selector], "advanced": [] })
    };
    for wrong in [
        Value::Null,
        json!([]),
        json!({}),
        json!({ "classic": [] }),
        json!({ "classic": [], "advanced": {} }),
        json!({ "classic": [null], "advanced": [] }),
        with_classic("read_write_type", json!("Some")),
        with_classic("include_management_events", Value::Null),
        with_classic("data_resources", json!([{ "type": "AWS::S3::Object" }])),
        with_classic("excluded_management_sources", json!([1])),
        json!({ "classic": [], "advanced": [{ "fields": [] }] }),
        json!({ "classic": [], "advanced": [{ "fields": [{ "field": "eventCategory", "equals": ["Data"] }] }] }),
        json!({ "classic": [], "advanced": [advanced(&[read_only("true")])] }),
    ] {
        assert_eq!(both(&wrong), (true, true), "{wrong}");
    }
    let good = json!({ "classic": [], "advanced": [] });
    assert!(records_s3_data_events(&good, "Read").is_err());
}

fn some_sources() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(vec!["kms", "rdsdata", "s3"], 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Every event of three named services and of an unnamed one is tried on every selector.
    #[test]
    fn management_events_agree_with_trying_every_event(
        classics in prop::collection::vec(
            (prop::sample::select(vec!["All", "ReadOnly", "WriteOnly"]), any::<bool>(), some_sources()), 0..3),
        advanceds in prop::collection::vec(
            (prop::sample::select(vec!["Management", "Data"]), prop::option::of(any::<bool>()), some_sources(), some_sources()), 0..4),
    ) {
        let documents = json!({
            "classic": classics.iter().map(|(kind, on, out)| classic(kind, *on, &[], out)).collect::<Vec<_>>(),
            "advanced": advanceds.iter().map(|(kind, read, only, out)| {
                let mut fields = vec![category(kind)];
                fields.extend(read.map(|read| read_only(if read { "true" } else { "false" })));
                let mut source = field(SOURCE, "equals", only);
                source["not_equals"] = json!(out);
                fields.push(source);
                advanced(&fields)
            }).collect::<Vec<_>>(),
        });
        let is_recorded = |is_read: bool, source: &str| {
            classics.iter().any(|(kind, on, out)| {
                *on && !out.contains(&source) && *kind != if is_read { "WriteOnly" } else { "ReadOnly" }
            }) || advanceds.iter().any(|(kind, read, only, out)| {
                *kind == "Management"
                    && read.is_none_or(|read| read == is_read)
                    && (only.is_empty() || only.contains(&source))
                    && !out.contains(&source)
            })
        };
        let expected = [true, false]
            .into_iter()
            .all(|is_read| ["kms", "rdsdata", "s3", "another"].iter().all(|source| is_recorded(is_read, source)));
        prop_assert_eq!(records_management_events(&documents), Ok(expected));
    }
}
