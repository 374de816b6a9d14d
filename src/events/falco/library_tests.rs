use super::*;
use crate::events::engine::{Engine, Scratch};
use crate::events::record::Record;
use crate::events::yaml;

/// The rules that files make, and what was wrong.
fn load(files: &[&str]) -> (Vec<FalcoRule>, Vec<Issue>) {
    let mut library = Library::default();
    for (number, text) in files.iter().enumerate() {
        library.load(Path::new(&format!("{number}.yaml")), yaml::documents(text));
    }
    library.finish()
}

fn rule(name: &str, condition: &str) -> String {
    format!(
        "- {{rule: {name}, desc: d, condition: '{condition}', output: o, priority: INFO, source: aws_cloudtrail}}\n"
    )
}

/// Names of the events, out of these, that the first rule matches.
fn matches(files: &[&str], names: &[&str]) -> Vec<String> {
    let (rules, issues) = load(files);
    let errors: Vec<_> =
        issues.iter().filter(|issue| issue.gravity == Gravity::Error).map(ToString::to_string).collect();
    assert_eq!(errors, [""; 0]);
    let engine = Engine::new(&[rules[0].predicate.clone()]);
    let holds = |name: &&&str| {
        let record =
            format!(r#"{{"eventName":"{name}","userIdentity":{{"type":"IAMUser","userName":"u"}}}}"#);
        !engine.matches(&Record::parse(record.as_bytes()).unwrap(), &mut Scratch::default()).is_empty()
    };
    names.iter().filter(holds).map(|name| (*name).to_owned()).collect()
}

fn error(files: &[&str]) -> String {
    let (_, issues) = load(files);
    let errors: Vec<_> =
        issues.iter().filter(|issue| issue.gravity == Gravity::Error).map(ToString::to_string).collect();
    assert_eq!(errors.len(), 1, "{issues:?}");
    errors[0].clone()
}

#[test]
fn a_list_a_macro_and_a_rule_may_stand_in_three_files() {
    let list = "- {list: names, items: [A, B C]}";
    let condition = "- {macro: named, condition: ct.name in (names)}";
    assert_eq!(matches(&[list, condition, &rule("r", "named")], &["A", "B C", "B"]), ["A", "B C"]);
}

#[test]
fn the_later_definition_replaces_the_earlier_in_its_place() {
    let files = [rule("a", "ct.name=A") + &rule("b", "ct.name=B"), rule("a", "ct.name=C")];
    let (rules, _) = load(&[&files[0], &files[1]]);
    let names: Vec<_> = rules.iter().map(|rule| rule.info.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(matches(&[&files[0], &files[1]], &["A", "C"]), ["C"]);
    let other = "- {rule: a, condition: x.y=1, output: o, desc: d, priority: INFO, source: k8s_audit}";
    assert_eq!(
        error(&[&files[0], other]),
        "1.yaml:1: `a`: an earlier rule of this name has source `aws_cloudtrail`, and this has `k8s_audit`"
    );
}

#[test]
fn append_joins_with_one_blank() {
    let appended = "- {rule: r, append: true, condition: 'or ct.name=B'}";
    assert_eq!(matches(&[&rule("r", "ct.name=A"), appended], &["A", "B", "C"]), ["A", "B"]);
    let false_is_absent = rule("r", "ct.name=A") + "- {list: l, append: false, items: [x]}";
    assert_eq!(matches(&[&false_is_absent], &["A"]), ["A"]);
    assert_eq!(
        error(&["- {rule: r, append: true, condition: or x}"]),
        "0.yaml:1: `r`: there is no such rule before this"
    );
    assert_eq!(
        error(&["- {list: l, append: true, items: [x]}"]),
        "0.yaml:1: `l`: there is no such list before this"
    );
    assert_eq!(
        error(&["- {macro: m, append: true, condition: x}"]),
        "0.yaml:1: `m`: there is no such macro before this"
    );
}

#[test]
fn override_appends_and_replaces_what_it_names() {
    let first = "- {rule: r, desc: d, condition: ct.name=A, output: o, priority: INFO, source: aws_cloudtrail, tags: [x]}";
    let second =
        "- {rule: r, condition: or ct.name=B, output: '%ct.name', tags: [x, y], priority: CRITICAL, desc: e,
  override: {condition: append, output: append, tags: append, priority: replace, desc: replace}}";
    assert_eq!(matches(&[first, second], &["A", "B"]), ["A", "B"]);
    let (rules, _) = load(&[first, second]);
    let info = &rules[0].info;
    assert_eq!(
        (info.tags.as_slice(), info.severity, info.description.as_str()),
        (&["x".to_owned(), "y".to_owned()][..], Severity::Critical, "e")
    );
    let record = Record::parse(br#"{"eventName":"A"}"#).unwrap();
    assert_eq!(rules[0].output.print(&record, 1), "o A");
    let list = "- {list: l, items: [A]}\n- {list: l, items: [B], override: {items: replace}}\n";
    assert_eq!(matches(&[list, &rule("r", "ct.name in (l)")], &["A", "B"]), ["B"]);
    let condition = "- {macro: m, condition: ct.name=A}\n- {macro: m, condition: or ct.name=B, override: {condition: append}}\n";
    assert_eq!(matches(&[condition, &rule("r", "m")], &["A", "B"]), ["A", "B"]);
}

#[test]
fn override_that_does_not_fit_is_told() {
    let first = rule("r", "ct.name=A");
    for (second, expected) in [
        (
            "- {rule: r, output: x, condition: x, override: {condition: append}}",
            "`output` is given, but not named under `override`",
        ),
        (
            "- {rule: r, override: {condition: append}}",
            "`condition` is named under `override`, but not given",
        ),
        (
            "- {rule: r, priority: INFO, override: {priority: append}}",
            "`priority` can't be appended to; what can is condition, output, desc, tags, exceptions",
        ),
        (
            "- {rule: r, condition: x, override: {condition: remove}}",
            "`override` of `condition` is not `append` or `replace`",
        ),
        (
            "- {rule: r, append: true, condition: x, override: {condition: append}}",
            "`append` and `override` can't be used together",
        ),
        ("- {rule: q, condition: x, override: {condition: append}}", "there is no such rule before this"),
    ] {
        assert!(error(&[&first, second]).ends_with(expected), "{second}");
    }
}

#[test]
fn enabled_alone_switches_an_earlier_rule() {
    let (rules, _) = load(&[&rule("r", "ct.name=A"), "- {rule: r, enabled: no}"]);
    assert!(!rules[0].enabled);
    let (rules, _) =
        load(&[&rule("r", "ct.name=A"), "- {rule: r, enabled: no}", "- {rule: r, enabled: yes}"]);
    assert!(rules[0].enabled);
    assert_eq!(error(&["- {rule: r, enabled: false}"]), "0.yaml:1: `r`: there is no such rule before this");
    assert!(error(&[&rule("r", "ct.name=A"), "- {rule: r, enabled: maybe}"]).contains("`enabled`"));
}

#[test]
fn an_exception_of_several_fields_leaves_out_its_rows() {
    let excepted = |exception: &str| {
        format!(
            "{}  exceptions: [{exception}]\n",
            "- rule: r\n  desc: d\n  condition: ct.name exists\n  output: o\n  priority: INFO\n  source: aws_cloudtrail\n"
        )
    };
    let names = ["A", "B", "C D"];
    let two =
        excepted("{name: e, fields: [ct.user, ct.name], comps: [=, in], values: [[u, [A, C D]], [x, B]]}");
    assert_eq!(matches(&[&two], &names), ["B"]);
    let scalar = excepted("{name: e, fields: [ct.name], comps: [in], values: [[A]]}");
    assert_eq!(matches(&[&scalar], &names), ["B", "C D"]);
    let one = excepted("{name: e, fields: ct.name, values: [A, C D]}");
    assert_eq!(matches(&[&one], &names), ["B"]);
    let none = excepted("{name: e, fields: [ct.name]}");
    assert_eq!(matches(&[&none], &names), names);
    let appended = "- {rule: r, append: true, exceptions: [{name: e, values: [[B]]}, {name: f, fields: ct.name, values: [C D]}]}";
    assert_eq!(matches(&[&none, appended], &names), ["A"]);
    for (wrong, expected) in [
        (
            "{name: e, fields: [ct.name], values: [[A, B]]}",
            "a row of exception `e` has 2 values for 1 fields",
        ),
        ("{name: e, fields: [ct.name], values: [A]}", "a row of exception `e` is no list"),
        ("{name: e, fields: [ct.name], comps: [=, in]}", "exception `e` has 1 fields and 2 `comps`"),
        (
            "{name: e, fields: ct.name, comps: '='}",
            "exception `e` compares one field with a list, which `=` can't",
        ),
        ("{fields: ct.name}", "an exception has no `name`"),
        ("{name: e, values: [A]}", "exception `e` has no `fields`"),
    ] {
        assert!(error(&[&excepted(wrong)]).ends_with(expected), "{wrong}: {}", error(&[&excepted(wrong)]));
    }
    let again = "- {rule: r, append: true, exceptions: [{name: e, fields: ct.name, values: [B]}]}";
    assert!(
        error(&[&none, again]).ends_with("exception `e` is there already; only `values` can be appended")
    );
}

#[test]
fn a_rule_as_articles_print_it_runs_with_warnings() {
    let (rules, issues) = load(&[
        "rule: r\ncondition: aws.eventName=A\noutput: o\nsource: aws_cloudtrail\ndescription: text\ntags: a, b\n",
    ]);
    assert_eq!((rules[0].info.description.as_str(), rules[0].info.severity), ("text", Severity::Low));
    assert_eq!(rules[0].info.tags, ["a", "b"]);
    assert!(
        matches!(&*issues, [issue] if issue.gravity == Gravity::Warning && issue.message.contains("`priority`"))
    );
}

#[test]
fn priorities_are_read_in_any_case() {
    for (priority, severity) in [
        ("EMERGENCY", Severity::Critical),
        ("Alert", Severity::Critical),
        ("critical", Severity::Critical),
        ("ERROR", Severity::High),
        ("Warning", Severity::Medium),
        ("NOTICE", Severity::Low),
        ("info", Severity::Informational),
        ("Informational", Severity::Informational),
        ("debug", Severity::Informational),
    ] {
        let (rules, _) = load(&[&rule("r", "ct.name=A").replace("INFO", priority)]);
        assert_eq!(rules[0].info.severity, severity, "{priority}");
    }
    assert!(error(&[&rule("r", "ct.name=A").replace("INFO", "urgent")]).contains("`urgent` is no priority"));
}

#[test]
fn what_cannot_run_is_told_and_the_rest_runs() {
    let file = rule("good", "ct.name=A")
        + &rule("field", "ct.nam=A")
        + &rule("syntax", "ct.name=")
        + &rule("macro", "nothing and ct.name=A")
        + &rule("output", "ct.name=A").replace("output: o", "output: '%ct.nam'")
        + "- {rule: bare, desc: d, output: o, priority: INFO}\n- {unknown: x}\n- {list: l}\n- {macro: m}\n- {rule: [x]}\n";
    let (rules, issues) = load(&[&file]);
    assert_eq!(rules.len(), 1);
    let told: Vec<String> = issues.iter().map(ToString::to_string).collect();
    for expected in [
        "0.yaml:2: `field`: there is no field `ct.nam`",
        "0.yaml:3: `syntax`: expected a value where the condition ends",
        "0.yaml:4: `macro`: there is no macro `nothing` before this",
        "0.yaml:5: `output`: there is no field `ct.nam` in the output",
        "0.yaml:6: `bare`: the rule has no `condition`",
        "0.yaml:7: this is no rule, macro or list, and is left out",
        "0.yaml:8: `l`: the list has no `items`",
        "0.yaml:9: `m`: the macro has no `condition`",
        "0.yaml:10: the name is no text",
    ] {
        assert!(told.iter().any(|told| told == expected), "{expected} not in {told:#?}");
    }
    assert_eq!(told.len(), 9);
}

#[test]
fn a_macro_that_is_broken_says_why_where_it_is_used() {
    let file = "- {macro: m, condition: ct.nam=1}\n".to_owned() + &rule("r", "m");
    assert_eq!(error(&[&file]), "0.yaml:2: `r`: macro `m`: there is no field `ct.nam`");
    let early =
        "- {macro: a, condition: b}\n- {macro: b, condition: ct.name=A}\n".to_owned() + &rule("r", "a");
    assert!(error(&[&early]).contains("there is no macro `b` before this"));
}

#[test]
fn rules_of_other_sources_are_left_out_with_a_note() {
    let other = rule("r", "x.y=1").replace("source: aws_cloudtrail", "source: k8s_audit");
    let sourceless = rule("s", "proc.name=x").replace(", source: aws_cloudtrail", "");
    let ours = rule("t", "ct.name=A").replace(", source: aws_cloudtrail", "");
    let skipped = rule("u", "ct.newer=A").replace("output: o", "output: o, skip-if-unknown-filter: true");
    let (rules, issues) = load(&[&(other + &sourceless + &ours + &skipped)]);
    assert_eq!(rules.iter().map(|rule| rule.info.name.as_str()).collect::<Vec<_>>(), ["t"]);
    assert_eq!(issues.len(), 4);
    assert!(issues.iter().all(|issue| issue.gravity == Gravity::Note), "{issues:?}");
}

#[test]
fn required_versions_never_refuse_a_file() {
    let head = "- required_engine_version: 99.0.0\n- required_plugin_versions: [{name: k8saudit, version: 1.0.0}, {name: x, alternatives: [{name: json, version: 1.0.0}]}]\n";
    let (rules, issues) = load(&[&(head.to_owned() + &rule("r", "ct.name=A"))]);
    assert_eq!(rules.len(), 1);
    assert!(
        matches!(&*issues, [issue] if issue.gravity == Gravity::Warning && issue.message.contains("`k8saudit`"))
    );
}

#[test]
fn several_documents_make_one_file() {
    let (rules, issues) =
        load(&[&format!("---\n{}---\n{}---\n", rule("a", "ct.name=A"), rule("b", "ct.name=B"))]);
    assert_eq!((rules.len(), issues.len()), (2, 0));
    assert_eq!(rules[1].info.line, 4);
    assert!(error(&["just text"]).contains("a rule file is a list"));
    assert!(error(&["- rule: [x"]).starts_with("0.yaml:1: "));
}

#[test]
fn lists_that_multiply_are_cut() {
    let mut file = "- {list: l0, items: [x, x, x, x, x, x, x, x, x, x]}\n".to_owned();
    for level in 1..12 {
        let before = format!("l{}", level - 1);
        file.push_str(&format!("- {{list: l{level}, items: [{}]}}\n", vec![before; 10].join(", ")));
    }
    let (rules, _) = load(&[&(file + &rule("r", "ct.name in (l11)"))]);
    assert_eq!(rules.len(), 1);
}
