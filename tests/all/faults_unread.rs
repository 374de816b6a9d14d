//! The operations of the call table that no built-in control needs, denied one at a time in a scan that reads
//! everything: as for the others, nothing is claimed that was not observed, and the report says what was denied.

use std::collections::BTreeSet;

use upright_testkit::{Fault, Match};

use crate::common::{
    self,
    disturbed::{Scan, text, whole},
    everything,
};

/// Operations that are denied in `faults_denied.rs`.
fn denied_elsewhere() -> BTreeSet<String> {
    let server = common::replay().start().unwrap();
    Scan::of(&server);
    server.counts().into_keys().collect()
}

#[test]
fn each_denied_call_that_no_builtin_control_needs_is_told_and_decides_nothing() {
    let recording = everything::recorded().recording;
    let arguments = everything::arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let server = whole(&recording).start().unwrap();
    let undisturbed = Scan::with(&server, "", &arguments);
    let elsewhere = denied_elsewhere();
    let table: BTreeSet<String> = everything::table().iter().map(|call| call.name()).collect();
    let rest: Vec<&String> = table.difference(&elsewhere).collect();
    assert!(rest.len() > 5, "{rest:?}");
    for operation in rest {
        let server = whole(&recording).fault(Match::operation(operation), Fault::Deny).start().unwrap();
        let scan = Scan::with(&server, "", &arguments);
        let difference = scan.against(&undisturbed);
        difference.assert_nothing_wrong();
        assert!(!difference.lost.is_empty(), "{operation}: nothing depends on it\n{}", scan.run);
        for lost in &difference.lost {
            assert_eq!(text(&lost["unseen"], "operation"), operation, "{lost}");
        }
        assert!(scan.gaps().iter().any(|gap| text(&gap["unseen"], "operation") == operation), "{operation}");
        assert!(scan.run.stdout.contains(operation.as_str()), "{operation}: {}", scan.run);
        assert!([Some(3), Some(4)].contains(&scan.run.code), "{operation}: {}", scan.run);
    }
}
