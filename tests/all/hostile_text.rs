//! Text that an attacker wrote stays text in every format: each is read back by a parser of its own, and says of each
//! name what the report says, or what [`shown`] makes of it.
//!
//! The page is read back by Chromium, in `tests/browser/hostile.test.mjs`.

use std::collections::BTreeMap;

use serde_json::Value;
use upright::controls::VerdictKind;
use upright::findings::Finding;
use upright::report::{Format, Report, write};
use upright_testkit::{hostile_report, hostile_strings, shown};

fn report() -> Report {
    hostile_report().unwrap()
}

fn written(report: &Report, format: Format) -> String {
    let mut out = Vec::new();
    write(report, format, &mut out).unwrap_or_else(|error| panic!("{format}: {error}"));
    String::from_utf8(out).unwrap_or_else(|error| panic!("{format}: {error}"))
}

/// The first character that a person would not see, or would see elsewhere.
fn hidden(text: &str) -> Option<char> {
    text.chars().find(|c| shown(&c.to_string()) != c.to_string())
}

fn json(report: &Report, format: Format) -> Value {
    let text = written(report, format);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{format}: {error}"))
}

/// Every string of a document, names of members included. Property bags are left out: they are for programs, which
/// get what AWS said.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| *name != "properties")
            .flat_map(|(name, member)| [vec![name.as_str()], strings(member)].concat())
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[test]
fn the_hostile_report_adds_up() {
    let report = report();
    report.check().unwrap();
    assert_eq!(report.accounts.len(), hostile_strings().len());
}

#[test]
fn for_programs_every_name_is_exactly_what_it_was() {
    let report = report();
    let read: Report = serde_json::from_str(&written(&report, Format::Json)).unwrap();
    assert!(read == report, "report.json does not hold what was written");

    let text = written(&report, Format::Jsonl);
    let findings: Vec<Finding> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .filter(|record| record["record"] == "finding")
        .map(|record| serde_json::from_value(record).unwrap())
        .collect();
    assert_eq!(findings.len(), report.findings.len());
    for (read, finding) in findings.iter().zip(&report.findings) {
        assert!(read == finding, "finding {} of account {} is another one", finding.id, finding.account);
    }
}

#[test]
fn for_people_no_character_hides_or_breaks_a_line() {
    let report = report();
    for format in [Format::Csv, Format::Markdown, Format::Junit, Format::Html] {
        let text = written(&report, format);
        let lines = text.strip_prefix('\u{feff}').filter(|_| format == Format::Csv).unwrap_or(&text).lines();
        let wrong: Vec<String> = lines
            // Our own style and script, which people do not read.
            .filter_map(|line| hidden(&line.replace('\t', " ")).map(|c| format!("{c:?} in {line:.200}")))
            .collect();
        assert!(wrong.is_empty(), "{format} has {} such lines, the first: {}", wrong.len(), wrong[0]);
    }
    for format in [Format::Sarif, Format::Ocsf, Format::Asff] {
        let document = json(&report, format);
        let wrong = strings(&document).into_iter().find(|text| hidden(&text.replace('\n', "")).is_some());
        assert_eq!(wrong, None, "{format}");
    }
}

#[test]
fn a_name_is_one_cell_of_one_row_and_no_formula() {
    let report = report();
    let text = written(&report, Format::Csv);
    let mut table = csv::ReaderBuilder::new().from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let rows: Vec<BTreeMap<String, String>> = table.deserialize().collect::<Result<_, _>>().unwrap();
    let mut names: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for row in &rows {
        for (column, cell) in row {
            assert!(
                !cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']),
                "{column}: {cell:.80}"
            );
        }
        names.insert((&row["account"], &row["control"]), &row["resource_name"]);
    }
    for finding in &report.findings {
        let name = names[&(finding.account.as_str(), finding.control.as_str())];
        let expected = shown(&finding.resource_name);
        // What keeps a formula from being one may be added, nothing else.
        assert_eq!(name.replace('\'', ""), expected.replace('\'', ""), "{}", finding.account);
    }
}

#[test]
fn a_name_adds_no_element_to_the_junit_document() {
    let report = report();
    let read = quick_junit::Report::deserialize_from_str(&written(&report, Format::Junit)).unwrap();
    assert_eq!(read.failures as u64, report.totals.fail);
    assert_eq!(read.errors as u64, report.totals.unknown);
    assert_eq!(read.tests as u64, report.totals.total());
    let cases: Vec<&str> =
        read.test_suites.iter().flat_map(|suite| &suite.test_cases).map(|case| case.name.as_str()).collect();
    for text in hostile_strings() {
        // XML cannot hold this character, and attributes lose spaces at their ends.
        let expected = shown(&text).replace('\u{ffff}', "\\u{ffff}");
        let expected = expected.trim();
        assert!(cases.iter().any(|case| case.contains(expected)), "no case is called {expected:.80}");
    }
}

#[test]
fn the_formats_of_other_products_have_a_finding_for_each_of_ours() {
    let report = report();
    let count = |format: Format, pointer: &str| {
        let document = json(&report, format);
        document.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len) as u64
    };
    let not_passed = report.findings.iter().filter(|f| f.verdict != VerdictKind::Pass).count() as u64;
    assert_eq!(count(Format::Asff, ""), report.totals.total());
    assert_eq!(count(Format::Ocsf, ""), report.totals.total());
    assert_eq!(count(Format::Sarif, "/runs/0/results"), not_passed);
}

#[test]
fn a_name_does_not_become_a_heading_a_table_or_a_link_of_the_summary() {
    let report = report();
    let calm: Report = {
        let mut value = serde_json::to_value(&report).unwrap();
        replace(&mut value);
        serde_json::from_value(value).unwrap()
    };
    let structure = |report: &Report| -> Vec<String> {
        let text = written(report, Format::Markdown);
        text.lines()
            .filter(|line| line.starts_with('#') || line.starts_with("```"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(structure(&report), structure(&calm));
    let text = written(&report, Format::Markdown);
    for markup in ["](javascript", "![x]", "\n# All controls pass"] {
        assert!(!text.contains(markup), "{markup:?} is in the summary");
    }
}

/// Puts a harmless name in place of every hostile one.
fn replace(value: &mut Value) {
    let hostile: BTreeMap<String, String> =
        hostile_strings().into_iter().enumerate().map(|(n, text)| (text, format!("name{n}"))).collect();
    fn walk(value: &mut Value, hostile: &BTreeMap<String, String>) {
        match value {
            Value::String(text) => {
                if let Some(calm) = hostile.get(text) {
                    text.clone_from(calm);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, hostile)),
            Value::Object(members) => members.values_mut().for_each(|member| walk(member, hostile)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    walk(value, &hostile);
}
