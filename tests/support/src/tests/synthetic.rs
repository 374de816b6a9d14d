use std::collections::BTreeSet;

use serde_json::Value;

use crate::synthetic_report;

#[test]
fn a_synthetic_report_has_as_many_findings_and_accounts_as_asked_for() {
    let report: Value = synthetic_report(1_003, 7).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let distinct = |key: &str| findings.iter().map(|f| f[key].to_string()).collect::<BTreeSet<_>>().len();
    assert_eq!((findings.len(), distinct("id"), distinct("account")), (1_003, 1_003, 7));
    assert_eq!(report["accounts"].as_array().unwrap().len(), 7);
    assert_eq!(report, synthetic_report::<Value>(1_003, 7).unwrap());
    assert!(synthetic_report::<Value>(20, 7).is_err(), "some controls would be silent");
}
