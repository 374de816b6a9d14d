//! The functions against the examples of the control files, without the expressions around them.

use serde_json::Value;

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
