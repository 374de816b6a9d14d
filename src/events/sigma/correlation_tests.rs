use super::*;
use crate::events::engine::Scratch;
use crate::events::ruleset::{Loader, Options, RuleSet};

const RULES: &str = "
title: A
name: a
logsource: {product: aws}
detection: {s: {eventName: A}, condition: s}
---
title: B
id: id-b
logsource: {product: aws}
detection: {s: {eventName: B}, condition: s}
";

fn rules(correlation: &str) -> RuleSet {
    let mut loader = Loader::new(Options::default());
    loader.text(
        std::path::Path::new("c.yml"),
        &format!(
            "title: C\ncorrelation:\n  group-by: [sourceIPAddress]\n  timespan: 1m\n{correlation}\n---{RULES}"
        ),
    );
    let (rules, issues) = loader.finish();
    assert!(issues.is_empty(), "{issues:?}");
    rules
}

/// An event of a name, at a second, from an address, with a user.
type Event<'e> = (&'e str, u32, &'e str, &'e str);

fn record((name, second, address, user): Event<'_>) -> String {
    format!(
        r#"{{"eventID":"{name}{second}{address}{user}","eventName":"{name}","sourceIPAddress":"{address}","recipientAccountId":"{address}",
        "eventTime":"2024-05-06T07:{:02}:{:02}Z","userIdentity":{{"userName":"{user}"}}}}"#,
        second / 60,
        second % 60
    )
}

fn run(rules: &RuleSet, limits: Limits, events: &[Event<'_>]) -> (Vec<Detection>, Tally) {
    let mut correlator = rules.correlator(limits);
    let mut scratch = Scratch::default();
    for event in events {
        let text = record(*event);
        let record = Record::parse(text.as_bytes()).unwrap();
        rules.evaluate(&record, &mut scratch, |found| {
            found.observations().into_iter().for_each(|observation| correlator.observe(observation));
        });
    }
    correlator.finish()
}

/// The last second of every window that alerted.
fn alerts(correlation: &str, events: &[Event<'_>]) -> Vec<String> {
    let (detections, _) = run(&rules(correlation), Limits::default(), events);
    detections.into_iter().map(|detection| detection.output).collect()
}

const COUNT: &str = "  type: event_count\n  rules: [a]\n  condition: {gte: 3}";

#[test]
fn event_count_counts_within_the_timespan_and_group() {
    let alert = "C: 3 events within 60 s (sourceIPAddress=x)";
    assert_eq!(alerts(COUNT, &[("A", 0, "x", ""), ("A", 30, "x", ""), ("A", 60, "x", "")]), [alert]);
    assert_eq!(alerts(COUNT, &[("A", 0, "x", ""), ("A", 30, "x", ""), ("A", 61, "x", "")]), [""; 0]);
    assert_eq!(alerts(COUNT, &[("A", 0, "x", ""), ("A", 30, "y", ""), ("A", 60, "x", "")]), [""; 0]);
    assert_eq!(alerts(COUNT, &[("B", 0, "x", ""), ("A", 30, "x", ""), ("A", 60, "x", "")]), [""; 0]);
}

#[test]
fn event_time_counts_and_not_the_order_of_arrival() {
    assert_eq!(
        alerts(COUNT, &[("A", 60, "x", ""), ("A", 200, "x", ""), ("A", 0, "x", ""), ("A", 30, "x", "")])
            .len(),
        1
    );
}

#[test]
fn a_window_alerts_once() {
    let events: Vec<Event<'_>> = (0..60).map(|second| ("A", second, "x", "")).collect();
    assert_eq!(alerts(COUNT, &events).len(), 1);
    let events: Vec<Event<'_>> = (0..180).map(|second| ("A", second, "x", "")).collect();
    assert_eq!(alerts(COUNT, &events).len(), 3);
}

#[test]
fn an_event_delivered_twice_counts_once() {
    let (detections, tally) =
        run(&rules(COUNT), Limits::default(), &[("A", 0, "x", ""), ("A", 0, "x", ""), ("A", 1, "x", "")]);
    assert_eq!((detections.len(), tally.counted, tally.repeated), (0, 2, 1));
}

#[test]
fn an_event_without_the_field_of_its_group_is_not_counted() {
    let grouped = COUNT.replace("  type", "  group-by: [userIdentity.accessKeyId]\n  type");
    let mut loader = Loader::new(Options::default());
    loader.text(
        std::path::Path::new("c.yml"),
        &format!("title: C\ncorrelation:\n  timespan: 1m\n{grouped}\n---{RULES}"),
    );
    let (rules, _) = loader.finish();
    let (detections, tally) =
        run(&rules, Limits::default(), &[("A", 0, "x", ""), ("A", 1, "x", ""), ("A", 2, "x", "")]);
    assert_eq!((detections.len(), tally.counted), (0, 0));
}

#[test]
fn an_upper_bound_is_judged_when_the_window_closes() {
    let few = "  type: event_count\n  rules: [a]\n  condition: {gte: 2, lte: 3}";
    assert_eq!(alerts(few, &[("A", 0, "x", ""), ("A", 1, "x", "")]).len(), 1);
    let many: Vec<Event<'_>> = (0..5).map(|second| ("A", second, "x", "")).collect();
    assert_eq!(alerts(few, &many), [""; 0]);
    let exactly = "  type: event_count\n  rules: [a]\n  condition: {eq: 1}";
    assert_eq!(alerts(exactly, &[("A", 0, "x", ""), ("A", 100, "x", ""), ("A", 101, "x", "")]).len(), 1);
}

#[test]
fn value_count_counts_values() {
    let values = "  type: value_count\n  rules: [a]\n  condition: {gte: 3, field: userIdentity.userName}";
    assert_eq!(
        alerts(values, &[("A", 0, "x", "u"), ("A", 1, "x", "u"), ("A", 2, "x", "u"), ("A", 3, "x", "v")]),
        [""; 0]
    );
    assert_eq!(
        alerts(values, &[("A", 0, "x", "u"), ("A", 1, "x", "v"), ("A", 2, "x", "u"), ("A", 3, "x", "w")]),
        ["C: 3 values of userIdentity.userName within 60 s (sourceIPAddress=x)"]
    );
}

#[test]
fn temporal_wants_every_rule_in_any_order() {
    let both = "  type: temporal\n  rules: [a, id-b]";
    assert_eq!(alerts(both, &[("B", 0, "x", ""), ("A", 60, "x", "")]).len(), 1);
    assert_eq!(alerts(both, &[("B", 0, "x", ""), ("A", 61, "x", "")]), [""; 0]);
    assert_eq!(alerts(both, &[("B", 0, "x", ""), ("B", 1, "x", ""), ("A", 1, "y", "")]), [""; 0]);
}

#[test]
fn temporal_ordered_wants_the_order() {
    let ordered = "  type: temporal_ordered\n  rules: [A, B]";
    let (detections, _) =
        run(&rules(ordered), Limits::default(), &[("B", 3, "x", ""), ("A", 0, "x", ""), ("A", 1, "x", "")]);
    assert_eq!(detections.len(), 1);
    assert_eq!(detections[0].related_events, ["A0x", "B3x"]);
    assert_eq!(detections[0].rule.name, "C");
    assert_eq!(alerts(ordered, &[("A", 3, "x", ""), ("B", 0, "x", "")]), [""; 0]);
}

#[test]
fn an_alias_is_another_field_for_each_rule() {
    let aliased = "  type: temporal\n  rules: [a, id-b]\n  group-by: [who]\n  aliases:\n    who: {a: sourceIPAddress, id-b: userIdentity.userName}";
    let text = format!("title: C\ncorrelation:\n  timespan: 1m\n{aliased}\n---{RULES}");
    let mut loader = Loader::new(Options::default());
    loader.text(std::path::Path::new("c.yml"), &text);
    let (rules, issues) = loader.finish();
    assert!(issues.is_empty(), "{issues:?}");
    assert_eq!(run(&rules, Limits::default(), &[("A", 0, "x", "n"), ("B", 1, "n", "x")]).0.len(), 1);
    assert_eq!(run(&rules, Limits::default(), &[("A", 0, "x", "n"), ("B", 1, "x", "n")]).0.len(), 0);
}

#[test]
fn only_generate_tells_the_rules_beside_the_correlation() {
    let silent = rules(COUNT);
    let reported = |rules: &RuleSet| rules.rules().iter().map(|rule| rule.is_reported).collect::<Vec<_>>();
    assert_eq!(reported(&silent), [false, true]);
    assert_eq!(reported(&rules(&format!("  generate: true\n{COUNT}"))), [true, true]);
}

#[test]
fn a_correlation_about_an_unknown_rule_is_refused() {
    let mut loader = Loader::new(Options::default());
    loader.text(
        std::path::Path::new("c.yml"),
        &format!("title: C\ncorrelation:\n  timespan: 1m\n{}", COUNT.replace("[a]", "[nowhere]")),
    );
    let (rules, issues) = loader.finish();
    assert_eq!(rules.correlations().count(), 0);
    assert_eq!(
        issues[0].to_string(),
        "c.yml:1: `C`: the correlation is about rule `nowhere`, which is not among the rules"
    );
}

#[test]
fn memory_is_bounded_and_what_is_lost_is_told() {
    let addresses: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    let events: Vec<Event<'_>> = addresses.iter().map(|address| ("A", 0, address.as_str(), "")).collect();
    let limits = Limits { max_groups: 100, ..Limits::default() };
    let (_, tally) = run(&rules(COUNT), limits, &events);
    assert!(tally.forgotten_groups >= 400, "{tally:?}");
    let spread: Vec<Event<'_>> =
        (0..500).map(|second| ("A", second * 2, addresses[second as usize].as_str(), "")).collect();
    let (_, tally) = run(&rules(COUNT), limits, &spread);
    assert_eq!((tally.forgotten_groups, tally.counted), (0, 500), "groups whose window is over make room");
    let small = Limits { max_waiting_bytes: 10_000, ..Limits::default() };
    let mut unordered: Vec<Event<'_>> = (0..100).map(|second| ("A", second, "x", "")).collect();
    unordered.reverse();
    let (_, tally) = run(&rules(COUNT), small, &unordered);
    assert_eq!(tally.counted + tally.late, 100);
    assert!(tally.late > 0);
}

#[test]
fn a_large_event_is_not_kept_whole() {
    let text = format!(
        r#"{{"eventID":"e","eventName":"A","eventTime":"2024-05-06T07:00:00Z","sourceIPAddress":"x","zzz":"{}"}}"#,
        "y".repeat(10_000)
    );
    let record = Record::parse(text.as_bytes()).unwrap();
    let rules = rules(COUNT);
    let mut observed = Vec::new();
    rules.evaluate(&record, &mut Scratch::default(), |found| observed.extend(found.observations()));
    assert!(
        observed[0].detection.event.get().len() < 200 && observed[0].detection.event.get().contains("\"e\"")
    );
}
