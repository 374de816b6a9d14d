use std::io::Read;

use mail_parser::{MessageParser, MimeHeaders};

use super::body::Body;
use super::*;
use crate::aws::{Limits, Source};
use crate::config::{self, Notify};
use crate::report::{Report, sample};

fn configured(keys: &str) -> Notify {
    let text = format!(
        "notify:\n  mail:\n    from: Upright <upright@example.com>\n    via: {{ ses: {{}} }}\n{keys}"
    );
    let config = config::parse(std::path::Path::new("upright.yaml"), &text);
    config.unwrap_or_else(|error| panic!("{error}")).notify.expect("notify")
}

/// The mails that are due: content and addresses.
fn due(notify: &Notify, news: &News<'_>) -> Vec<(Content, Vec<String>)> {
    let (source, limits) = (Source::default(), Limits::standard());
    let telling = Telling { notify, source: &source, limits: &limits, html_max_findings: 100_000 };
    let posts = posts(&telling, notify.mail.as_ref().expect("mail"), news).expect("posts");
    let of = |post: Post<'_>| (post.content, post.to.iter().map(|to| to.as_str().to_owned()).collect());
    posts.into_iter().map(of).collect()
}

fn only(notify: &Notify, report: &Report) -> Content {
    let mut due = due(notify, &News::Report(report));
    assert_eq!(due.len(), 1);
    due.remove(0).0
}

/// A report with very many failures, all with the longest and most hostile names.
fn enormous() -> Report {
    let mut report = sample::report();
    let fail = report.findings.iter().find(|f| f.verdict == crate::controls::VerdictKind::Fail).cloned();
    let fail = fail.expect("a failure");
    let name = format!("{}{}", sample::HOSTILE.concat(), "\"<&'\u{e0041}".repeat(500));
    report.findings = (0..100_000)
        .map(|n| {
            let mut finding = fail.clone();
            finding.id = format!("{n:032x}");
            finding.resource_name.clone_from(&name);
            finding
        })
        .collect();
    report.controls.iter_mut().for_each(|control| control.title.clone_from(&name));
    report.accounts.iter_mut().for_each(|account| account.name.clone_from(&name));
    report.frameworks = (0..50)
        .map(|_| {
            let mut framework = report.frameworks[0].clone();
            framework.title.clone_from(&name);
            framework
        })
        .collect();
    for gap in &mut report.gaps {
        gap.remedy.clone_from(&name);
        gap.unseen.code.clone_from(&name);
    }
    report.changes = Some(crate::report::Changes {
        since_run: name.clone(),
        since: name.clone(),
        new: report.findings.iter().map(|finding| finding.id.clone()).collect(),
        resolved: Vec::new(),
        no_longer_observed: Vec::new(),
        newly_judged: Vec::new(),
        no_longer_judged: Vec::new(),
        still_failing: 0,
        failing_since: std::collections::BTreeMap::new(),
        changed_evidence: Vec::new(),
        authors: None,
        scope: crate::report::ScopeChanges {
            accounts_added: Vec::new(),
            accounts_removed: Vec::new(),
            controls_added: Vec::new(),
            controls_removed: Vec::new(),
            controls_changed: Vec::new(),
        },
    });
    report
}

#[test]
fn a_mail_has_a_text_a_page_and_the_report() {
    let notify = configured("    to: [{ addresses: [Ann <ann@example.com>] }]\n");
    let mail = notify.mail.as_ref().expect("mail");
    let content = only(&notify, &sample::report());
    let letter = content.letter(&mail.from, &mail.to[0].addresses[0]).expect("letter");
    let message = MessageParser::default().parse(&letter.bytes).expect("a message");
    assert_eq!(message.subject(), Some(content.subject.as_str()));
    assert_eq!(message.from().and_then(|from| from.first()?.address()), Some("upright@example.com"));
    assert_eq!(message.to().and_then(|to| to.first()?.address()), Some("ann@example.com"));
    assert_eq!(message.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
    assert_eq!((message.text_body_count(), message.html_body_count(), message.attachment_count()), (1, 1, 1));
    assert_eq!(
        message.body_html(0).as_deref().map(|html| html.replace("\r\n", "\n")),
        Some(content.body.html.clone())
    );
    let attached = message.attachment(0).expect("attachment");
    assert_eq!(attached.attachment_name(), Some("report.html"));
    let mut page = Vec::new();
    crate::report::html::write(&sample::report(), &mut page).expect("page");
    assert!(attached.contents() == page.as_slice(), "the attached page is another");
    assert_eq!(letter.envelope.to().len(), 1);
}

#[test]
fn the_text_says_what_the_page_says() {
    let content = only(&configured("    to: [{ addresses: [a@b.example] }]\n"), &sample::report());
    let Body { html, text } = &content.body;
    for said in
        ["S3 buckets are not open to everyone", "s3-bucket-not-public", "iam:ListUsers", "0 of 5 decided"]
    {
        assert!(html.contains(said) && text.contains(said), "{said}\n{text}");
    }
    assert!(text.contains("FAILING, WORST FIRST") && html.contains("Failing, worst first"));
    insta::assert_snapshot!(text);
}

#[test]
fn a_mail_is_small_whatever_the_report_holds() {
    let report = enormous();
    let (source, limits) = (Source::default(), Limits::standard());
    let notify = configured("    to: [{ addresses: [a@b.example] }]\n    attach_report: false\n");
    let telling = Telling { notify: &notify, source: &source, limits: &limits, html_max_findings: 10 };
    let posts = posts(&telling, notify.mail.as_ref().expect("mail"), &News::Report(&report)).expect("posts");
    let Content { subject, body: Body { html, text }, .. } = &posts[0].content;
    assert!(html.len() < 100_000 && text.len() < 100_000, "{} {}", html.len(), text.len());
    assert!(subject.starts_with("[Upright] 100000 new failures"), "{subject}");
    assert!(html.contains("and 99,9") && text.contains("and 999"), "it says how many more there are");
    for markup in ["<script", "<img", "<svg", "onerror=alert(1)>", "\u{1b}", "\u{202e}", "\u{e0041}"] {
        assert!(!html.contains(markup), "{markup}");
    }
    assert!(html.contains("{{ 7*7 }}"), "text is no template");
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}', '\r']));
}

#[test]
fn the_page_loads_nothing_and_fits_light_and_dark() {
    let html = only(&configured("    to: [{ addresses: [a@b.example] }]\n"), &sample::report()).body.html;
    for absent in ["http:", "https:", "<img", "url(", "<script", "<link", "javascript:"] {
        assert!(!html.contains(absent), "{absent}");
    }
    assert!(html.contains("<meta name=\"color-scheme\" content=\"light dark\">"));
}

#[test]
fn a_large_report_is_zipped_and_a_larger_one_left_out() {
    let report = sample::report();
    let mut page = Vec::new();
    crate::report::html::write(&report, &mut page).expect("page");
    let to = "    to: [{ addresses: [a@b.example] }]\n";
    let zipped = only(&configured(&format!("{to}    zip_above_kb: 1\n")), &report);
    let (name, bytes) = zipped.attachment.file.expect("a file");
    assert_eq!(name, "report.html.zip");
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes.to_vec())).expect("zip");
    let mut unpacked = Vec::new();
    archive.by_name("report.html").expect("page").read_to_end(&mut unpacked).expect("read");
    assert!(unpacked == page);
    assert!(zipped.body.text.contains("attached as report.html.zip"));

    let left_out =
        only(&configured(&format!("{to}    zip_above_kb: 1\n    leave_out_above_kb: 2\n")), &report);
    assert_eq!(left_out.attachment.file, None);
    assert!(left_out.body.text.contains("not attached: it has more than 2 KiB"), "{}", left_out.body.text);

    let linked = only(&configured(&format!("{to}  report_url: https://reports.example/x\n")), &report);
    assert_eq!(linked.attachment.file, None);
    assert!(linked.body.html.contains("<a href=\"https://reports.example/x\">The full report</a>"));
    assert!(linked.body.text.contains("https://reports.example/x"));
}

#[test]
fn an_address_gets_each_content_once_and_no_more_than_is_for_it() {
    let notify = configured(
        "    to:\n\
         \x20     - addresses: [a@x.example, b@x.example, a@x.example]\n\
         \x20     - addresses: [b@x.example, c@x.example]\n\
         \x20     - { addresses: [b@x.example], accounts: [222233334444] }\n\
         \x20     - { addresses: [d@x.example], min_severity: low, accounts: ['999999999999'], when: failures }\n",
    );
    let due = due(&notify, &News::Report(&sample::report()));
    let to: Vec<Vec<&str>> = due.iter().map(|(_, to)| to.iter().map(String::as_str).collect()).collect();
    assert_eq!(to, [vec!["a@x.example", "b@x.example", "c@x.example"], vec!["b@x.example"]]);
    let (limited, _) = &due[1];
    assert_eq!(limited.attachment.file, None, "the report is about all accounts");
    assert!(!limited.body.html.contains("333344445555") && !limited.body.text.contains("333344445555"));
}

#[test]
fn a_scan_that_could_not_run_is_told_to_everyone() {
    let notify =
        configured("    to: [{ addresses: [a@x.example], when: failures, accounts: [222233334444] }]\n");
    let news = News::Failure { why: "no region is configured\r\nBcc: <b>x</b>", at: "2026-11-24T03:00:00Z" };
    let due = due(&notify, &news);
    assert_eq!(due[0].0.subject, "[Upright] the scan could not run: AWS, 2026-11-24");
    assert!(due[0].0.body.text.contains("no region is configured\\r\\nBcc: <b>x</b>"));
    assert!(due[0].0.body.html.contains("\\r\\nBcc: &lt;b&gt;x&lt;/b&gt;"));
}
