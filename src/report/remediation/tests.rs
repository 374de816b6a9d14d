use std::process::Command;

use serde::Deserialize;

use super::*;
use crate::report::sample;

/// One case of `tests/fixtures/remediation.json`, which the page's module is held to as well.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    language: String,
    template: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arn: Option<String>,
    #[serde(default)]
    region: Option<String>,
    text: String,
    #[serde(default)]
    by_hand: Vec<String>,
}

fn finding(name: &str) -> Finding {
    let mut finding = sample::report().findings.remove(0);
    finding.account = "111122223333".to_owned();
    finding.region = "eu-west-1".to_owned();
    finding.resource_arn = "arn:aws:s3:::acme-logs".to_owned();
    name.clone_into(&mut finding.resource_name);
    finding
}

#[test]
fn templates_are_filled_as_the_shared_cases_say() {
    let cases = include_str!("../../../tests/fixtures/remediation.json");
    let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let mut finding = finding(case.name.as_deref().unwrap_or("acme-logs"));
        finding.resource_arn = case.arn.unwrap_or(finding.resource_arn);
        finding.region = case.region.unwrap_or(finding.region);
        let filled = match case.language.as_str() {
            "shell" => command(&case.template, &finding),
            "terraform" => terraform(&case.template, &finding),
            other => panic!("no such language: {other}"),
        };
        assert_eq!(filled.text, case.text, "{}", case.about);
        assert_eq!(filled.by_hand, case.by_hand, "{}", case.about);
    }
}

#[test]
fn a_shell_reads_back_the_name_and_runs_nothing_in_it() {
    for name in
        sample::HOSTILE.into_iter().chain(["$(id)", "`id`", "a'b\"c\\", "x; id", "~root", "*", "!!", "a\nb"])
    {
        let filled = command("printf %s ${name}", &finding(name));
        assert_eq!(filled.by_hand, [""; 0]);
        let shell =
            Command::new("bash").env("LC_ALL", "C.UTF-8").args(["-c", &filled.text]).output().unwrap();
        assert_eq!(String::from_utf8(shell.stdout).unwrap(), name, "{}", filled.text);
    }
}
