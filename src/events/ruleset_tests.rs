use super::*;

const FALCO: &str = "
- {rule: one, desc: d, condition: ct.name exists, output: 'one %ct.name', priority: DEBUG, source: aws_cloudtrail}
- {rule: two, desc: d, condition: ct.name = A, output: 'two', priority: CRITICAL, source: aws_cloudtrail, tags: [mitre_persistence, T1098]}
- {rule: off, desc: d, condition: ct.name = A, output: 'off', priority: INFO, source: aws_cloudtrail, enabled: false}
";
const SIGMA: &str = "title: S\nid: i\nauthor: someone\nlevel: high\nlogsource: {product: aws}\ndetection: {s: {eventName: a}, condition: s}\n";

fn set(options: Options, texts: &[&str]) -> RuleSet {
    let mut loader = Loader::new(options);
    for (number, text) in texts.iter().enumerate() {
        loader.text(Path::new(&format!("{number}.yml")), text);
    }
    let (rules, issues) = loader.finish();
    assert!(issues.is_empty(), "{issues:?}");
    rules
}

fn outputs(rules: &RuleSet, record: &str) -> Vec<String> {
    let record = Record::parse(record.as_bytes()).unwrap();
    let mut outputs = Vec::new();
    rules.evaluate(&record, &mut Scratch::default(), |found| outputs.push(found.output()));
    outputs
}

const EVENT: &str = r#"{"eventID":"e","eventName":"A","eventTime":"2024-05-06T07:00:00Z","eventType":"AwsApiCall","eventSource":"s","awsRegion":"r",
    "userIdentity":{"userName":"u"}}"#;

#[test]
fn matches_come_in_the_order_of_the_rules() {
    let rules = set(Options::default(), &[SIGMA, FALCO]);
    assert_eq!(outputs(&rules, EVENT), ["one A", "two", "S (user=u, IP=unknown, region=r, event=A of s)"]);
    assert_eq!(outputs(&rules, &EVENT.replace("\"A\"", "\"B\"")), ["one B"]);
}

#[test]
fn the_first_falco_rule_alone_can_be_told() {
    let rules = set(Options { first_falco_match: true, ..Options::default() }, &[SIGMA, FALCO]);
    assert_eq!(outputs(&rules, EVENT).len(), 2);
}

#[test]
fn rules_that_are_off_or_not_severe_enough_are_left_out() {
    let names = |options| {
        set(options, &[SIGMA, FALCO]).rules().iter().map(|rule| rule.info.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(Options { with_disabled: true, ..Options::default() }), ["one", "two", "off", "S"]);
    assert_eq!(names(Options { least_severity: Some(Severity::High), ..Options::default() }), ["two", "S"]);
}

#[test]
fn what_is_no_event_matches_nothing() {
    let rules = set(Options::default(), &[SIGMA, FALCO]);
    assert_eq!(outputs(&rules, &EVENT.replace("AwsApiCall", "AwsCloudTrailInsight")).len(), 0);
    assert_eq!(outputs(&rules, &EVENT.replace("2024-05", "2024-15")).len(), 1, "no time: only Sigma's");
    assert_eq!(outputs(&rules, &EVENT.replace("eventType", "x")).len(), 1, "no type: only Sigma's");
}

#[test]
fn an_event_name_that_is_a_list_is_searched() {
    let rules = set(Options::default(), &[SIGMA]);
    assert_eq!(outputs(&rules, r#"{"eventName":["x","A"]}"#).len(), 1);
}

#[test]
fn a_detection_says_who_wrote_the_rule_and_what_it_is_about() {
    let rules = set(Options::default(), &[SIGMA, FALCO]);
    let record = Record::parse(EVENT.as_bytes()).unwrap();
    let mut detections = Vec::new();
    rules.evaluate(&record, &mut Scratch::default(), |found| detections.push(found.detection()));
    let two = &detections[1];
    assert_eq!(
        (two.rule.attack.tactics.as_slice(), two.rule.attack.techniques.as_slice()),
        (&["Persistence".to_owned()][..], &["T1098".to_owned()][..])
    );
    assert_eq!(detections[2].rule.author.as_deref(), Some("someone"));
    assert_eq!(detections[2].facts.actor_name(), Some("u"));
    assert!(!detections[2].event.get().contains('\n'));
    let again = detections.clone();
    assert!(detections.iter().zip(&again).all(|(a, b)| a.id == b.id));
    assert_ne!(detections[0].id, detections[1].id);
}

#[test]
fn rules_of_one_id_have_detections_of_two() {
    let rules = set(Options::default(), &[SIGMA, &SIGMA.replace("title: S", "title: T")]);
    let ids: Vec<&str> = rules.rules().iter().map(|rule| rule.info.id.as_str()).collect();
    assert_eq!(ids, ["i", "i/T"]);
}

#[test]
fn directories_are_read_in_order_and_to_their_ends() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("b")).unwrap();
    std::fs::write(folder.path().join("b/2.yaml"), "- {rule: r, enabled: false}").unwrap();
    std::fs::write(
        folder.path().join("1.yml"),
        "- {rule: r, desc: d, condition: ct.name=A, output: o, priority: INFO, source: aws_cloudtrail}",
    )
    .unwrap();
    std::fs::write(folder.path().join("notes.txt"), "{[").unwrap();
    std::fs::write(folder.path().join("b/bad.yml"), [0xff, 0xfe]).unwrap();
    let mut loader = Loader::new(Options::default());
    loader.path(folder.path());
    loader.path(&folder.path().join("missing"));
    let (rules, issues) = loader.finish();
    assert_eq!(rules.rules().len(), 0, "the second file switches the rule of the first off");
    assert_eq!(issues.len(), 2);
    assert!(issues.iter().all(|issue| issue.message.starts_with("the file can't be read: ")), "{issues:?}");
}
