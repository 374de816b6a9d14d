//! The functions against the examples of the control files, without the expressions around them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn examples(file: &str) -> Vec<Value> {
    let path = format!("{}/controls/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
    let control: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let examples = control["examples"].as_array().unwrap().clone();
    assert!(examples.len() > 5, "{file}");
    examples
}

/// Compares the examples that pass or fail because of one function; `decide` leaves out the others.
fn agree(file: &str, decide: impl Fn(&Value) -> Option<bool>) {
    let mut compared = 0;
    for example in examples(file) {
        if let Some(passes) = decide(&example) {
            let expected = if passes { "pass" } else { "fail" };
            assert_eq!(example["verdict"], expected, "{file}: {}", example["name"]);
            compared += 1;
        }
    }
    assert!(compared >= 6, "{file}: {compared}");
}

#[test]
fn bucket_policies() {
    agree("s3/s3-bucket-secure-transport", |example| {
        let resource = &example["resource"];
        Some(requires_tls(resource.get("policy")?, resource["arn"].as_str()?, false).unwrap())
    });
    agree("s3/s3-bucket-no-public-policy", |example| {
        Some(public_statements(example["resource"].get("policy")?).unwrap().is_empty())
    });
}

#[test]
fn identity_policies() {
    agree("iam/iam-policy-no-admin-star", |example| {
        let document = example["resource"].get("document")?;
        (example["verdict"] != "not_applicable").then(|| grants_admin(document).unwrap().is_empty())
    });
}

#[test]
fn event_selectors() {
    let recording = |example: &Value, records: &dyn Fn(&Value) -> bool| {
        let trails = example["account"].get("trails")?.as_array()?;
        let is_decided = example["verdict"] != "unknown";
        is_decided.then(|| {
            trails.iter().any(|trail| {
                trail["is_multi_region"] == true
                    && trail["status"]["is_logging"] == true
                    && trail.get("event_selectors").is_some_and(records)
            })
        })
    };
    agree("cloudtrail/cloudtrail-multi-region", |example| {
        recording(example, &|selectors| records_management_events(selectors).unwrap())
    });
    for kind in ["read", "write"] {
        agree(&format!("cloudtrail/cloudtrail-s3-{kind}-events"), |example| {
            recording(example, &|selectors| records_s3_data_events(selectors, kind).unwrap())
        });
    }
}

/// JSON in which the words of rules, entries and selectors occur in the wrong places.
fn anything() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "protocol",
        "tcp",
        "-1",
        "from_port",
        "to_port",
        "ipv4",
        "ipv6",
        "prefix_lists",
        "pl-1",
        "0.0.0.0/0",
        "::/0",
        "number",
        "egress",
        "action",
        "allow",
        "deny",
        "classic",
        "advanced",
        "read_write_type",
        "All",
        "fields",
        "field",
        "equals",
        "eventCategory",
        "Management",
        "values",
        "type",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(word.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whether it is a mistake or not: they say something.
    #[test]
    fn no_input_makes_them_panic(one in anything(), other in anything(), text in any::<String>(), port in any::<i64>()) {
        let rule = json!([{ "protocol": one, "from_port": 1, "to_port": other, "ipv4": other, "prefix_lists": one }]);
        let entry = json!([{ "number": port, "egress": false, "action": "allow", "protocol": "-1", "ipv4": one }]);
        for family in ["ipv4", "ipv6", &text] {
            for value in [&one, &rule, &entry] {
                let _ = open_ports(value, &other, family, &[22, port]);
                let _ = nacl_open_ports(value, family, &[22, port]);
            }
        }
        let selectors = json!({ "classic": one, "advanced": other });
        for value in [&one, &selectors, &json!({ "classic": [], "advanced": [{ "fields": one }] })] {
            let _ = records_management_events(value);
            let _ = records_s3_data_events(value, "read");
        }
        let _ = cidr_covers(&text, "10.0.0.0/8");
        let _ = days_between(&text, "2026-01-01T00:00:00Z");
        let _ = newest(&[None, Some(&text)]);
    }
}
