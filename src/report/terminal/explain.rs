//! One finding on a terminal.

use super::{TerminalOptions, printable};
use crate::controls::{Evidence, Severity, VerdictKind};
use crate::findings::Finding;
use crate::report::Explanation;
use crate::report::explain::Rule;
use crate::report::screen::{Paint, Screen, columns};

/// What a finding is, why, and what would make it pass.
#[must_use]
pub fn explanation(explained: &Explanation<'_>, options: TerminalOptions) -> String {
    let mut screen = Screen::new(options.width, options.color);
    let page = &mut screen;
    head(page, explained);
    waiver(page, explained.finding);
    if let Some(risk) = &explained.finding.risk {
        page.heading("Risk");
        text(page, &risk.words());
    }
    page.heading("Why");
    text(page, &explained.finding.reason);
    text(page, explained.rationale);
    last_change(page, explained);
    not_observed(page, explained);
    rule(page, explained);
    if explained.is_open() {
        way_out(page, explained);
    }
    links(page, explained);
    screen.into_text()
}

/// The findings that an id may mean, one line each.
#[must_use]
pub fn candidates(findings: &[&Finding], options: TerminalOptions) -> String {
    let mut screen = Screen::new(options.width, options.color);
    for finding in findings {
        let place = format!("  {} {}", finding.account, finding.region);
        screen.line([
            (Paint::Bold, finding.id.as_str()),
            (paint(finding), &format!("  {:<14}", words(finding.verdict))),
            (Paint::Plain, &format!("  {}  ", finding.control)),
            (Paint::Plain, &finding.resource_name),
            (Paint::Dim, &place),
        ]);
    }
    screen.into_text()
}

fn head(page: &mut Screen, explained: &Explanation<'_>) {
    let finding = explained.finding;
    let severity: Severity = finding.severity;
    page.line([
        (paint(finding), words(finding.verdict)),
        (Paint::Plain, "  "),
        (Paint::of(severity), severity.as_str()),
        (Paint::Plain, "  "),
        (Paint::Bold, &finding.control),
    ]);
    page.wrapped((Paint::Plain, ""), 0, explained.title);
    page.blank();
    let account = match explained.account_name {
        "" => finding.account.clone(),
        name => format!("{} ({name})", finding.account),
    };
    for (what, value) in [
        ("resource", finding.resource_name.as_str()),
        ("type", &finding.resource_type),
        ("ARN", &finding.resource_arn),
        ("account", &account),
        ("region", &finding.region),
        ("finding", &finding.id),
    ] {
        // These are copied, so they are not cut.
        if ["ARN", "finding"].contains(&what) && !value.is_empty() {
            page.verbatim(0, &format!("{what:<10}{value}"));
        } else if !value.is_empty() {
            page.wrapped((Paint::Dim, &format!("{what:<10}")), 10, value);
        }
    }
}

fn waiver(page: &mut Screen, finding: &Finding) {
    if let Some(waived) = &finding.waived {
        page.heading("Waived, which changes no verdict");
        text(page, &waived.words());
    }
    if let Some(end) = &finding.waiver_ended {
        page.heading("Waived no longer");
        text(page, &format!("{}; it was {}", end.words(), end.waiver.words()));
    }
}

fn last_change(page: &mut Screen, explained: &Explanation<'_>) {
    if let Some(change) = explained.last_change {
        page.heading("Last changed");
        text(page, &change.words());
    }
}

fn not_observed(page: &mut Screen, explained: &Explanation<'_>) {
    let Some(unseen) = &explained.finding.unseen else { return };
    page.heading("NOT OBSERVED");
    let asked = if unseen.operation.is_empty() { "no call" } else { &unseen.operation };
    let answer = match unseen.code.as_str() {
        "" => unseen.cause.to_string(),
        code => format!("{} ({code})", unseen.cause),
    };
    let place = format!("in {} {}: {answer}", unseen.account, unseen.region);
    page.wrapped((Paint::Yellow, &format!("  {asked} ")), 4, &place);
    if !unseen.message.is_empty() {
        page.wrapped((Paint::Plain, "    "), 4, &unseen.message);
    }
    if let Some(remedy) = &explained.remedy {
        page.paragraph("  → ", remedy);
    }
    if let Some(statement) = &explained.statement {
        page.verbatim(4, &serde_json::to_string_pretty(statement).unwrap_or_else(|_| statement.to_string()));
    }
}

fn rule(page: &mut Screen, explained: &Explanation<'_>) {
    let evidence = &explained.finding.evidence;
    if let Some(Rule { when, pass, severity_if, parameters }) = &explained.rule {
        if let Some(when) = when {
            page.heading("Applies when");
            page.verbatim(2, when);
        }
        page.heading("Passes when");
        page.verbatim(2, pass);
        for (severity, when) in severity_if.iter().rev() {
            page.heading(&format!("A failure is {severity} when"));
            page.verbatim(2, when);
        }
        for (name, value) in parameters {
            page.line([
                (Paint::Dim, "  params."),
                (Paint::Dim, name),
                (Paint::Plain, &format!(" = {value}")),
            ]);
        }
    } else {
        page.heading("Rule");
        text(page, "This program does not know the control; --controls DIR names a directory that has it.");
    }
    page.heading("What was read");
    if evidence.is_empty() {
        text(page, "Nothing.");
    }
    let longest = evidence.iter().map(|read| columns(&printable(&read.path))).max().unwrap_or(0);
    // Paths stand above one another where that leaves room for the values.
    let wide = if longest + 24 > page.width() { 0 } else { longest };
    for Evidence { path, value, cut } in evidence {
        let more = if *cut { " … (cut)" } else { "" };
        let gap = " ".repeat(wide.saturating_sub(columns(&printable(path))));
        page.wrapped((Paint::Bold, &format!("  {path}{gap} = ")), 4, &format!("{value}{more}"));
    }
}

fn way_out(page: &mut Screen, explained: &Explanation<'_>) {
    page.heading("What would make it pass");
    let advice = &explained.remediation;
    for line in advice.text.lines() {
        text(page, line);
    }
    for (what, block) in [("On the command line", &advice.command), ("In Terraform", &advice.terraform)] {
        if !block.trim().is_empty() {
            page.heading(what);
            page.verbatim(2, block);
        }
    }
    if !advice.by_hand.is_empty() {
        let names: Vec<String> = advice.by_hand.iter().map(|name| format!("${{{name}}}")).collect();
        text(page, &format!("Fill in by hand, quoted with care: {}.", names.join(", ")));
    }
}

fn links(page: &mut Screen, explained: &Explanation<'_>) {
    if !explained.requirements.is_empty() {
        page.heading("Serves");
        for (framework, requirements) in explained.requirements {
            page.wrapped((Paint::Plain, &format!("  {framework}: ")), 4, &requirements.join(", "));
        }
    }
    if !explained.references.is_empty() {
        page.heading("References");
        for reference in explained.references {
            page.verbatim(2, reference);
        }
    }
}

fn text(page: &mut Screen, words: &str) {
    page.paragraph("  ", words.trim());
}

const fn words(verdict: VerdictKind) -> &'static str {
    match verdict {
        VerdictKind::Fail => "FAIL",
        VerdictKind::Unknown => "NOT OBSERVED",
        VerdictKind::Pass => "PASS",
        VerdictKind::NotApplicable => "NOT APPLICABLE",
    }
}

const fn paint(finding: &Finding) -> Paint {
    match finding.verdict {
        VerdictKind::Fail => Paint::BoldRed,
        VerdictKind::Unknown => Paint::Yellow,
        VerdictKind::Pass => Paint::Green,
        VerdictKind::NotApplicable => Paint::Dim,
    }
}
