use std::collections::{BTreeMap, HashSet};

use regex::Regex;

use super::*;
use crate::report::sample;

fn page(report: &Report) -> String {
    let mut out = Vec::new();
    write(report, &mut out).expect("written");
    String::from_utf8(out).expect("UTF-8")
}

/// A tag with double-quoted attributes, the only form that the templates use.
fn tags() -> Regex {
    Regex::new(r#"<(/?[a-zA-Z0-9]+|!doctype)((?: [a-zA-Z-]+(?:="[^"<>]*")?)*) ?/?>"#).expect("pattern")
}

fn without_style(page: &str) -> String {
    let (before, rest) = page.split_once("<style>").expect("a style");
    let (_, after) = rest.split_once("</style>").expect("its end");
    format!("{before}{after}")
}

fn count(text: &str, what: &str) -> u64 {
    text.matches(what).count() as u64
}

/// The part of the page from one text to the next.
fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = page.split_once(from).expect(from);
    rest.split_once(to).map_or(rest, |(part, _)| part)
}

#[test]
fn data_never_becomes_markup() {
    let page = without_style(&page(&sample::report()));
    let mut names = HashSet::new();
    let mut attributes = HashSet::new();
    let attribute = Regex::new(r" ([a-zA-Z-]+)").expect("pattern");
    let quoted = Regex::new(r#""[^"]*""#).expect("pattern");
    for tag in tags().captures_iter(&page) {
        names.insert(tag[1].trim_start_matches('/').to_owned());
        for name in attribute.captures_iter(&quoted.replace_all(&tag[2], "")) {
            attributes.insert(name[1].to_owned());
        }
    }
    let rest = tags().replace_all(&page, "");
    assert!(!rest.contains(['<', '>']), "markup that no template wrote: {rest}");
    for name in ["script", "img", "style", "iframe", "object", "embed", "form", "base", "b"] {
        assert!(!names.contains(name), "<{name}>");
    }
    assert!(
        attributes.iter().all(|name| !name.starts_with("on") && name != "style" && name != "src"),
        "{attributes:?}"
    );
    assert!(!page.contains("href=\"javascript:"));
    assert!(page.contains("<li>javascript:alert(1)</li>"), "shown, but no link");
}

#[test]
fn every_hostile_text_is_shown_as_text() {
    let page = page(&sample::report());
    for shown in [
        "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;",
        "&quot;&gt;&lt;svg onload=alert(1)&gt;",
        "&#39; onmouseover=&#39;alert(1)",
        "{{ 7*7 }}{% include &quot;page.css&quot; %}",
        "invoice\\u{202e}fdp.exe",
        "\\u{1b}[2J\\u{1b}]0;owned\\u{7}",
        "two\\r\nlines\\u{85}",
        "&amp;lt;b&amp;gt;\\u{200b}\\u{feff}&lt;!-- --&gt;",
    ] {
        // As a name, in an ARN and in two tags.
        assert!(count(&page, shown) >= 4, "{shown}");
    }
    assert!(!page.contains(|c| text::is_hidden(c) && c != '\n'), "a hidden character got through");
}

#[test]
fn the_policy_allows_the_style_of_the_page_and_nothing_else() {
    let page = page(&sample::report());
    let style = between(&page, "<style>", "</style>");
    let hash = aws_smithy_types::base64::encode(Sha256::digest(style));
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\"").replace("&#39;", "'");
    assert_eq!(
        policy,
        format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
    );
    assert!(!style.contains("url(") && !style.contains("@import"), "the style loads something");
}

#[test]
fn every_finding_is_there_once_and_the_parts_add_up() {
    let report = sample::report();
    let page = page(&report);
    for finding in &report.findings {
        assert_eq!(count(&page, &format!("id=\"finding-{}\"", finding.id)), 1, "{finding:?}");
    }
    for control in &report.controls {
        let article = between(
            &page,
            &format!("<article class=\"control\" id=\"control-{}\"", control.id),
            "</article>",
        );
        assert_eq!(count(article, "id=\"finding-"), control.totals.total(), "{}", control.id);
        assert_eq!(count(article, "<li class=\"finding\""), control.totals.fail + control.totals.unknown);
    }
    let part = |id: &str| between(&page, &format!("<section id=\"{id}\""), "</section>");
    assert_eq!(count(part("not-observed"), "Leaves <strong>"), report.gaps.len() as u64);
    let requirements: usize = report.frameworks.iter().map(|f| f.requirements.len()).sum();
    assert_eq!(count(part("frameworks"), "<td class=\"no\">"), requirements as u64);
    assert_eq!(count(part("controls"), "<article"), report.controls.len() as u64);
    // The accounts, and one that was only asked on the way.
    assert_eq!(count(part("accounts"), "<article"), report.accounts.len() as u64 + 1);
    let coverage: u64 =
        Regex::new("<th scope=\"row\"><code>").expect("pattern").find_iter(part("accounts")).count() as u64;
    assert_eq!(coverage, report.coverage.len() as u64);
    let operations: HashSet<String> = report
        .run
        .calls
        .iter()
        .map(|call| call.operation.clone())
        .chain(report.coverage.iter().map(|c| format!("{}:{}", c.service, c.operation)))
        .collect();
    assert_eq!(count(part("calls"), "<th scope=\"row\"><code>"), operations.len() as u64);
}

#[test]
fn every_link_leads_somewhere_and_ids_are_unique() {
    let page = without_style(&page(&sample::report()));
    let mut ids = BTreeMap::new();
    for id in Regex::new(" id=\"([^\"]+)\"").expect("pattern").captures_iter(&page) {
        *ids.entry(id[1].to_owned()).or_insert(0) += 1;
    }
    assert!(ids.values().all(|n| *n == 1), "{ids:?}");
    for link in
        Regex::new(" (?:href=\"#|aria-labelledby=\")([^\"]+)\"").expect("pattern").captures_iter(&page)
    {
        assert!(ids.contains_key(&link[1]), "#{} leads nowhere", &link[1]);
    }
    for id in ["control-iam-root-mfa", "account-444455556666", "req-cis-aws-3.0-1.5"] {
        assert!(ids.contains_key(id), "{id}");
    }
}

#[test]
fn what_was_not_observed_comes_before_what_passes() {
    let page = page(&sample::report());
    let gap = page.find("sts:AssumeRole</code>").expect("the gap");
    let pass = page.find("<caption>Passing").expect("what passes");
    assert!(gap < pass);
    assert!(page.contains("did not see everything"));
    assert!(page.contains("the owner of account 444455556666 creates the member role"));
    assert!(page.contains("Statement to add: <code>iam:ListUsers</code>"));
}

#[test]
fn a_clean_run_says_so() {
    let page = page(&sample::clean());
    assert!(page.contains("Everything that the controls asked for was observed."));
    assert!(page.contains("Nothing: every call was answered."));
    assert!(!page.contains("Worst controls"));
}

#[test]
fn anchors_differ_when_ids_do() {
    let ids = ["a b", "a_20_b", "a_b", "a/b", "ä", "A", "a", "a\"b", "1.1", "1.10"];
    let anchors: HashSet<String> = ids.iter().map(|id| anchor("x", id)).collect();
    assert_eq!(anchors.len(), ids.len());
    assert!(anchors.iter().all(|a| a.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))));
}

/// Tera takes a name that does not exist for false: see [`templates`].
#[test]
fn templates_ask_only_in_ways_that_fail_for_misspelt_names() {
    let asks = Regex::new(r"\{%-? (?:el)?if (.*?) -?%\}").expect("pattern");
    for (name, text) in TEMPLATES {
        for ask in asks.captures_iter(text) {
            let strict = ["is yes", "is given", " > 0", " > 1"].iter().any(|end| ask[1].ends_with(end));
            assert!(strict && !ask[1].contains(" and ") && !ask[1].contains(" or "), "{name}: {}", &ask[0]);
        }
        assert!(!text.contains("| safe"), "{name}");
    }
    for ask in [
        "{% if a.b is yes %}{% endif %}",
        "{% if a.b is given %}{% endif %}",
        "{% if a.b > 0 %}{% endif %}",
        "{% if a.b | length > 0 %}{% endif %}",
        "{{ a.b }}",
        "{% for x in a.b %}{% endfor %}",
        "{{ a.b | grouped }}",
    ] {
        let mut templates = templates().expect("templates");
        templates.add_raw_template("ask.html", ask).expect("a template");
        let context = Context::from_serialize(&serde_json::json!({ "a": {} })).expect("context");
        assert!(templates.render("ask.html", &context).is_err(), "{ask}");
    }
}

#[test]
fn a_broken_report_is_not_written() {
    let mut report = sample::report();
    report.totals.unknown -= 1;
    let mut out = Vec::new();
    assert!(matches!(write(&report, &mut out), Err(WriteError::Inconsistent(_))));
    assert!(out.is_empty());
}

#[test]
fn a_full_disk_is_an_error_and_named_as_one() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    match write(&sample::report(), &mut Full) {
        Err(WriteError::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_gap_says_what_why_and_what_to_do() {
    let page = page(&sample::report());
    insta::assert_snapshot!(between(&page, "<ol class=\"gaps\">", "</ol>"));
}

#[test]
fn a_sentence_comes_apart_at_its_backticks() {
    let piece = |text: &str, is_code| Piece { text: text.to_owned(), is_code };
    assert_eq!(
        pieces("allow `s3:Get` on `*`"),
        [piece("allow ", false), piece("s3:Get", true), piece(" on ", false), piece("*", true)]
    );
    assert_eq!(pieces("plain"), [piece("plain", false)]);
    assert!(pieces("").is_empty());
}
