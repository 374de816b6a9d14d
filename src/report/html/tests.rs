use std::collections::{BTreeMap, HashSet};

use regex::Regex;

use super::*;
use crate::aws::OperationCount;
use crate::controls::{Control, ControlSet, Severity, VerdictKind};
use crate::findings::Identity;
use crate::inventory::{Account, AccountState, Coverage, CoverageError, CoverageState, Inventory, Unseen};
use crate::report::{Changes, Past, Ran, sample};

fn page(report: &Report) -> String {
    let mut out = Vec::new();
    write(report, &mut out).expect("written");
    String::from_utf8(out).expect("UTF-8")
}

/// A tag with double-quoted attributes, the only form that the templates use.
fn tags() -> Regex {
    Regex::new(r#"<(/?[a-zA-Z0-9]+|!doctype)((?: [a-zA-Z-]+(?:="[^"<>]*")?)*) ?/?>"#).expect("pattern")
}

/// The page without the style, the script and the data, each of which may stand there once.
fn only_markup(page: &str) -> String {
    let mut rest = page.to_owned();
    for (open, close) in [
        ("<style>", "</style>"),
        ("<script type=\"application/octet-stream\" id=\"data\">", "</script>"),
        ("<script type=\"module\">", "</script>"),
    ] {
        let (before, after) = rest.split_once(open).expect(open);
        let (_, after) = after.split_once(close).expect(close);
        rest = format!("{before}{after}");
    }
    rest
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
    let page = only_markup(&page(&changed()));
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
    for name in ["script", "img", "style", "iframe", "object", "embed", "base", "b"] {
        assert!(!names.contains(name), "<{name}>");
    }
    assert!(
        attributes.iter().all(|name| !name.starts_with("on") && name != "style" && name != "src"),
        "{attributes:?}"
    );
    assert!(!page.contains("href=\"javascript:"));
    assert!(page.contains("<li>javascript:alert(1)</li>"), "shown, but no link");
}

/// The sample with names that an attacker chose wherever the page shows one, and changes since an earlier run.
fn changed() -> Report {
    let mut report = sample::report();
    for (index, finding) in report.findings.iter_mut().filter(|f| f.verdict == VerdictKind::Fail).enumerate()
    {
        finding.resource_name = sample::HOSTILE[index % sample::HOSTILE.len()].to_owned();
    }
    let failing: Vec<Finding> =
        report.findings.iter().filter(|f| f.verdict == VerdictKind::Fail).cloned().collect();
    let past = sample::HOSTILE.iter().enumerate().map(|(index, hostile)| Past {
        id: format!("{index:032x}"),
        control: (*hostile).to_owned(),
        severity: Severity::High,
        account: sample::PROD.to_owned(),
        region: (*hostile).to_owned(),
        resource_arn: String::new(),
        resource_name: (*hostile).to_owned(),
    });
    report.changes = Some(Changes {
        since_run: sample::HOSTILE[0].to_owned(),
        failing_since: Default::default(),
        changed_evidence: Vec::new(),
        authors: None,
        scope: Default::default(),
        since: sample::HOSTILE[1].to_owned(),
        new: failing.iter().map(|f| f.id.clone()).collect(),
        resolved: past.collect(),
        no_longer_observed: Vec::new(),
        newly_judged: Vec::new(),
        no_longer_judged: Vec::new(),
        still_failing: 0,
    });
    report
}

#[test]
fn every_hostile_text_is_shown_as_text() {
    let page = page(&changed());
    for shown in [
        "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;",
        "&quot;&gt;&lt;svg onload=alert(1)&gt;",
        "&#39; onmouseover=&#39;alert(1)",
        "{{ 7*7 }}{% include &quot;page.css&quot; %}",
        "invoice\\u{202e}fdp.exe",
        "\\u{1b}[2J\\u{1b}]0;owned\\u{7}",
        "two\\r\\nlines\\u{85}",
        "&amp;lt;b&amp;gt;\\u{200b}\\u{feff}&lt;!-- --&gt;",
    ] {
        // As the name of a control, a region and a resource that are gone, and of one that fails.
        assert!(count(&page, shown) >= 4, "{shown}");
    }
    let shown = only_markup(&page);
    assert!(!shown.contains(|c| text::is_hidden(c) && c != '\n'), "a hidden character got through");
}

#[test]
fn the_policy_allows_the_style_and_the_script_of_the_page_and_nothing_else() {
    let page = page(&sample::report());
    let style = between(&page, "<style>", "</style>");
    let script = between(&page, "<script type=\"module\">", "</script>");
    assert_eq!(script, script::bundle());
    let hash = |text: &str| aws_smithy_types::base64::encode(Sha256::digest(text));
    let (style_hash, script_hash) = (hash(style), hash(script));
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\"").replace("&#39;", "'");
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; \
             base-uri 'none'; form-action 'none'"
        )
    );
    assert!(!style.contains("url(") && !style.contains("@import"), "the style loads something");
    assert!(!style.contains("</") && !script.contains("</script"), "one ends before its end");
}

#[test]
fn every_part_adds_up() {
    let report = sample::report();
    let page = page(&report);
    for control in &report.controls {
        let article = between(
            &page,
            &format!("<article class=\"control\" id=\"control-{}\"", control.id),
            "</article>",
        );
        let address = |verdict| format!("#findings?control={}&amp;verdict={verdict}", control.id);
        for (verdict, words, n) in [
            ("fail", "fail", control.totals.fail),
            ("unknown", "unknown", control.totals.unknown),
            ("pass", "pass", control.totals.pass),
            ("not_applicable", "not applicable", control.totals.not_applicable),
        ] {
            let badge = format!("href=\"{}\">{n} {words}</a>", address(verdict));
            assert_eq!(count(article, &badge), u64::from(n > 0), "{}: {badge}", control.id);
        }
        assert_eq!(count(article, "href=\"#finding-"), control.totals.fail.min(3), "{}", control.id);
    }
    let part = |id: &str| between(&page, &format!("<section id=\"{id}\""), "</section>");
    assert_eq!(count(part("not-observed"), "<p class=\"leaves\">"), report.gaps.len() as u64);
    let requirements: usize = report.frameworks.iter().map(|f| f.requirements.len()).sum();
    assert_eq!(count(part("frameworks"), "<td class=\"no\">"), requirements as u64);
    assert_eq!(count(part("controls"), "<article"), report.controls.len() as u64);
    // The accounts, and one that was only asked on the way.
    assert_eq!(count(part("accounts"), "<tr id=\"account-"), report.accounts.len() as u64 + 1);
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
    let report = changed();
    let page = only_markup(&page(&report));
    let mut ids = BTreeMap::new();
    for id in Regex::new(" id=\"([^\"]+)\"").expect("pattern").captures_iter(&page) {
        *ids.entry(id[1].to_owned()).or_insert(0) += 1;
    }
    assert!(ids.values().all(|n| *n == 1), "{ids:?}");
    let findings: HashSet<String> = report.findings.iter().map(|f| format!("finding-{}", f.id)).collect();
    for link in
        Regex::new(" (?:href=\"#|aria-labelledby=\")([^\"]+)\"").expect("pattern").captures_iter(&page)
    {
        let place = link[1].split('?').next().unwrap_or_default();
        assert!(ids.contains_key(place) || findings.contains(place), "#{} leads nowhere", &link[1]);
    }
    for id in ["control-iam-root-mfa", "account-444455556666", "req-cis-aws-3.0-1.5", "framework-cis-aws-3.0"]
    {
        assert!(ids.contains_key(id), "{id}");
    }
}

#[test]
fn headings_descend_one_by_one() {
    let page = only_markup(&page(&changed()));
    let levels: Vec<u32> = Regex::new("<h([1-6])[ >]")
        .expect("pattern")
        .captures_iter(&page)
        .map(|heading| heading[1].parse().expect("a digit"))
        .collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
}

#[test]
fn the_answer_comes_first_and_what_changed_before_it() {
    let order = |page: &str| -> Vec<String> {
        let section = Regex::new("<section id=\"([a-z-]+)\"").expect("pattern");
        section.captures_iter(page).map(|found| found[1].to_owned()).collect()
    };
    let rest =
        ["answer", "not-observed", "frameworks", "controls", "accounts", "findings", "detections", "calls"];
    assert_eq!(order(&page(&sample::report())), rest);
    assert_eq!(order(&page(&changed())), [&["changes"][..], &rest].concat());
    let mut both = changed();
    both.set_detections(crate::report::detections::sample::detections());
    assert_eq!(order(&page(&both)), [&["happened", "changes"][..], &rest].concat());
}

#[test]
fn the_answer_says_how_bad_it_is_and_what_matters_most() {
    let page = page(&sample::report());
    insta::assert_snapshot!(between(&page, "id=\"answer-title\">The answer</h2>", "<div class=\"charts\">"));
}

#[test]
fn what_was_not_observed_is_told_with_who_can_change_it() {
    let page = page(&sample::report());
    assert!(page.contains("sts:AssumeRole</code>"));
    assert!(page.contains("did not see everything"));
    assert!(page.contains("the owner of account 444455556666 creates the member role"));
    assert!(page.contains("Statement to add: <code>iam:ListUsers</code>"));
}

#[test]
fn a_gap_of_many_accounts_is_told_once_and_names_each() {
    let page = page(&large(of_a_default_run(), 200, 1));
    let gaps = between(&page, "<ol class=\"gaps\">", "</ol>");
    // One call that is denied everywhere, and one that is in every region.
    assert_eq!(count(gaps, "<li>\n<h3>"), 2, "{gaps}");
    assert_eq!(count(gaps, "and 180 more accounts"), 2);
    for n in 0..200 {
        let id = account_id(n);
        // A link holds the id twice.
        assert_eq!(count(gaps, &id), if n < 20 { 4 } else { 2 }, "{id}");
    }
    assert_eq!(count(gaps, "region-number-16"), 1, "regions that are the same in all accounts are told once");
}

fn account_id(n: u64) -> String {
    format!("1000000{n:05}")
}

/// The controls and frameworks of a run that names none.
fn of_a_default_run() -> ControlSet {
    ControlSet::builtin().expect("controls").select(&[], &[], &[]).expect("a selection")
}

/// A run over many accounts, as large as a report gets: `each` findings of every control in every account.
fn large(set: ControlSet, accounts: u64, each: u64) -> Report {
    let regions: Vec<String> = (0..17).map(|n| format!("region-number-{n}")).collect();
    let all: Vec<Account> = (0..accounts)
        .map(|n| Account {
            id: account_id(n),
            name: format!("acme-workload-production-{n}"),
            partition: "aws".to_owned(),
            is_management: Some(n == 0),
            organization: Some("o-a1b2c3d4e5".to_owned()),
            units: Some(vec!["Root".to_owned(), format!("Team {}", n % 40)]),
            unit_ids: None,
            tags: Some(BTreeMap::from([("owner".to_owned(), format!("team-{}@example.com", n % 40))])),
            regions: regions.clone(),
            state: AccountState::Scanned,
        })
        .collect();
    let coverage: Vec<Coverage> =
        all.iter().flat_map(|account| regions.iter().map(|region| denied(&account.id, region))).collect();
    let at = jiff::Timestamp::UNIX_EPOCH;
    let inventory = Inventory::new(at, all, Vec::new(), Vec::new(), coverage);
    let mut findings = Vec::new();
    for account in &inventory.accounts {
        for control in set.controls() {
            for n in 0..each {
                let verdict = if n == 0 { VerdictKind::Unknown } else { VerdictKind::Fail };
                findings.push(finding(control, &account.id, n, verdict));
            }
        }
    }
    let calls = [OperationCount {
        operation: "s3:GetBucketPolicy".to_owned(),
        requests: 1_000_000,
        retries: 0,
        throttles: 0,
        busy_ms: 0,
    }];
    let ran = Ran { started_at: at, finished_at: at, inventory: &inventory, controls: &set, calls: &calls };
    Report::of(ran, findings)
}

fn denied(account: &str, region: &str) -> Coverage {
    let message = "because no identity-based policy allows it";
    let unseen = Unseen::denied(account, region, "ec2:DescribeVpcs", "UnauthorizedOperation", message);
    Coverage {
        account: account.to_owned(),
        region: region.to_owned(),
        service: "ec2".to_owned(),
        operation: "DescribeVpcs".to_owned(),
        state: CoverageState::Failed,
        answered: 0,
        unanswered: 1,
        gone: 0,
        errors: vec![CoverageError { unseen, count: 1 }],
    }
}

fn finding(control: &Control, account: &str, n: u64, verdict: VerdictKind) -> Finding {
    let arn = format!("arn:aws:s3:::a-bucket-with-a-name-of-the-usual-length-{n}");
    let identity = Identity {
        control: &control.id,
        account,
        region: "eu-central-1",
        resource_type: "aws.s3.bucket",
        resource_arn: &arn,
    };
    let unseen = Unseen::denied(
        account,
        "global",
        "iam:ListUsers",
        "AccessDenied",
        "because no identity-based policy",
    );
    Finding {
        id: identity.id(),
        control: control.id.clone(),
        severity: control.severity,
        verdict,
        reason: String::new(),
        account: account.to_owned(),
        region: "eu-central-1".to_owned(),
        resource_type: "aws.s3.bucket".to_owned(),
        resource_name: format!("a-bucket-with-a-name-of-the-usual-length-{n}"),
        resource_arn: arn,
        tags: BTreeMap::new(),
        evidence: Vec::new(),
        unseen: (verdict == VerdictKind::Unknown).then_some(unseen),
        waived: None,
        waiver_ended: None,
        risk: None,
    }
}

#[test]
fn waivers_are_told_and_nothing_in_them_is_markup() {
    let page = page(&sample::waived());
    let part = page.split("<section id=\"waivers\"").nth(1).expect("the part");
    let part = part.split("</section>").next().expect("its end");
    assert!(part.contains("2 waivers accept 1 failure; 1 failure is back whose waiver has ended."), "{part}");
    assert!(part.contains("expired 1 day ago; its findings are back"), "{part}");
    assert!(part.contains("expires in 1 day"), "{part}");
    assert!(part.contains("&lt;/script&gt;&lt;img"), "{part}");
    assert!(!part.contains("<img") && !part.contains('\u{1b}'), "{part}");
    assert!(page.contains("; 1 of them is waived."));
}

#[test]
fn the_static_part_stays_small_for_many_accounts() {
    let all = || ControlSet::builtin().expect("controls");
    let asked: [(ControlSet, u64, usize); 3] =
        [(of_a_default_run(), 200, 700_000), (of_a_default_run(), 1_000, 1_500_000), (all(), 200, 1_500_000)];
    for (set, accounts, most) in asked {
        let frameworks = set.frameworks().count();
        let page = only_markup(&page(&large(set, accounts, 2)));
        let size = page.len() + STYLE.len();
        assert!(size < most, "{size} bytes for {accounts} accounts and {frameworks} frameworks");
    }
}

#[test]
fn a_large_report_becomes_an_index_and_a_page_for_each_account() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = sample::report();
    let written = write_pages(&report, folder.path(), 10).expect("written");
    let with_findings: Vec<&str> = report
        .accounts
        .iter()
        .map(|account| account.id.as_str())
        .filter(|id| report.findings.iter().any(|f| f.account == **id))
        .collect();
    assert_eq!(written.len(), 1 + with_findings.len());
    assert_eq!(written[0], folder.path().join("report.html"));
    let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("a page");
    let index = read(&written[0]);
    assert!(!index.contains("<script"), "there is nothing to run in an index");
    assert!(!index.contains("class=\"by-account\"") && !index.contains("class=\"coverage\""));
    let address = Regex::new("href=\"([^#:\"]+\\.html)").expect("pattern");
    for link in address.captures_iter(&index) {
        assert!(folder.path().join(&link[1]).exists(), "{} is not there", &link[1]);
    }
    for id in with_findings {
        let page = read(&folder.path().join("report-accounts").join(format!("{id}.html")));
        assert!(index.contains(&format!("<a href=\"report-accounts/{id}.html\">{id}</a>")), "{id}");
        let totals = report.of_account(id).totals;
        assert!(page.contains(&format!("{} fail, {} not observed</title>", totals.fail, totals.unknown)));
        assert!(page.contains("<a href=\"../report.html\">"));
    }
}

#[test]
fn pages_of_an_earlier_run_do_not_stay_and_files_of_others_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let accounts = folder.path().join("report-accounts");
    std::fs::create_dir(&accounts).expect("made");
    for name in ["999900001111.html", "notes.html", "99990000111.html", "999900001111.html.bak"] {
        std::fs::write(accounts.join(name), "earlier").expect("written");
    }
    write_pages(&sample::report(), folder.path(), 10).expect("written");
    assert!(!accounts.join("999900001111.html").exists());
    assert!(accounts.join(format!("{}.html", sample::PROD)).exists());
    write_pages(&sample::report(), folder.path(), 1_000).expect("written");
    assert!(!accounts.join(format!("{}.html", sample::PROD)).exists(), "one page holds it all now");
    for name in ["notes.html", "99990000111.html", "999900001111.html.bak"] {
        assert!(accounts.join(name).exists(), "{name} is not ours");
    }
}

#[test]
fn an_account_cannot_lead_a_page_out_of_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    std::fs::create_dir(&out).expect("made");
    let mut report = sample::report().of_account(sample::MANAGEMENT);
    let id = "../../owned";
    report.accounts[0].id = id.to_owned();
    report.findings.iter_mut().for_each(|finding| finding.account = id.to_owned());
    for requirement in report.frameworks.iter_mut().flat_map(|f| &mut f.requirements) {
        requirement.accounts = BTreeMap::from([(id.to_owned(), requirement.status)]);
    }
    for path in write_pages(&report, &out, 0).expect("written") {
        let leads_out = path.components().any(|part| part == std::path::Component::ParentDir);
        assert!(path.exists() && !leads_out, "{}", path.display());
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

#[test]
fn a_clean_run_says_so() {
    let page = page(&sample::clean());
    assert!(page.contains("Everything that the controls asked for was observed."));
    assert!(page.contains("Nothing: every call was answered."));
    assert!(page.contains("Nothing fails.") && !page.contains("What matters most"));
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

#[test]
fn a_control_with_a_worse_failure_shows_it_first_and_says_how_many_are() {
    let page = page(&sample::with_a_worse_failure());
    let section = between(&page, "id=\"control-s3-bucket-secure-transport\"", "</article>");
    let badges: Vec<&str> = section.match_indices("class=\"badge ").map(|(at, _)| &section[at..]).collect();
    assert!(badges[0].starts_with("class=\"badge critical\""), "{section}");
    assert!(section.contains("7 resources in 2 accounts: 1 critical, 6 medium"), "{section}");
    let failing = between(section, "<ul class=\"failing\">", "</ul>");
    let first = failing.find("badge critical").expect("the worst");
    assert!(first < failing.find("badge medium").expect("the others"), "{failing}");
    let worst = between(&page, "<ol", "</ol>");
    assert!(worst.contains(": 1 critical, 6 medium"), "{worst}");
    // Where all are equally bad there is nothing to tell apart.
    let page = self::page(&sample::report());
    assert!(!page.contains("1 critical, 6 medium"));
    let section = between(&page, "id=\"control-s3-bucket-secure-transport\"", "</article>");
    assert!(!between(section, "<ul class=\"failing\">", "</ul>").contains("badge"));
}

#[test]
fn without_events_the_page_claims_nothing_about_them() {
    let page = only_markup(&page(&sample::report()));
    assert!(page.contains("No events were read for this report"));
    assert!(page.contains("<dt>Events</dt><dd><a href=\"#detections\">none were read</a></dd>"));
    assert!(!page.contains("detection-explorer\"") && !page.contains("id=\"happened\""));
}

#[test]
fn detections_are_summed_up_and_what_was_missed_is_told() {
    let page = page(&crate::report::detections::sample::report());
    insta::assert_snapshot!(between(&page, "<section id=\"happened\"", "</section>"));
    insta::assert_snapshot!(between(&page, "<h2 id=\"detections-title\">", "<noscript>"));
    let missed = between(&page, "<h3 id=\"events-not-read\">", "</section>");
    assert!(missed.contains("rules/sample.yml:") && missed.contains("cut short"), "{missed}");
    assert!(missed.contains("AWSLogs/\\u{1b}[2J"), "{missed}");
}

#[test]
fn hostile_events_are_no_markup_outside_the_packed_data() {
    let page = only_markup(&page(&crate::report::detections::sample::report()));
    for hostile in ["<img", "<svg onload", "onerror=alert(1)>", "href=\"javascript:"] {
        assert!(!page.contains(hostile), "{hostile}");
    }
    assert!(page.contains("Bucket policy &lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;"));
}

#[test]
fn the_index_of_a_split_report_lists_detections_with_links_into_the_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    let written =
        write_pages(&crate::report::detections::sample::report(), folder.path(), 10).expect("written");
    let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("a page");
    let index = read(&written[0]);
    assert!(index.contains("id=\"detections-data\"") && index.contains("<script type=\"module\">"));
    assert!(index.contains("script-src &#39;sha256-"));
    for account in [sample::PROD, sample::DEV] {
        let page = read(&folder.path().join("report-accounts").join(format!("{account}.html")));
        assert!(page.contains("the detections are those of this account"), "{account}");
    }
}
