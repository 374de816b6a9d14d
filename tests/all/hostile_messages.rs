//! Whoever may name an account or a security group writes into the mails, messages and files of those who watch: what is
//! sent to a real mail server and a real web server has their names as text, and as nothing else.

use std::process::Command;

use serde_json::{Value, json};
use upright_testkit::{Emulator, World, shown, workspace};

use crate::common::{UPRIGHT, plain, receivers::Receivers};

/// An account's name: a header of a mail, a mention and a link in Slack, a template, markup, a terminal's escape.
const ACCOUNT: &str =
    "x\r\nBcc: eve@example.com\r\n\r\n<!channel> <https://203.0.113.7/|ok> {{ 7*7 }} <b>\u{1b}[31m";

/// Names of security groups. Those of EC2 come in XML, which holds no control characters.
const GROUPS: [&str; 6] = [
    "=HYPERLINK(\"https://203.0.113.7/\",\"ok\")",
    "<script>owned()</script><img src=//203.0.113.7/x>",
    "<!here> <@U012345> <https://203.0.113.7/|the report>",
    "{{ 7*7 }}{% raw %}${7*7}<%= 7*7 %>",
    "*bold* _x_ `code` ~gone~ @channel",
    "invoice\u{202e}fdp.exe\u{2028}Bcc: eve@example.com",
];

fn python(emulator: &Emulator, arguments: &[&str]) -> Value {
    let root = workspace().unwrap();
    let mut command = Command::new(root.join(".venv/bin/python"));
    command.arg(root.join("tests/support/hostile_world.py")).args(arguments);
    emulator.env().apply(&mut command);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

/// Two scans of the hostile account, between which it made its groups.
fn scanned(receivers: &Receivers) -> (World, Vec<upright_testkit::Run>) {
    let (emulator, world) = (Emulator::start().unwrap(), World::new(UPRIGHT).unwrap());
    let made = python(&emulator, &["account", ACCOUNT]);
    let account = made["account"].as_str().unwrap();
    let mailing = receivers.mailing("none", "", "      - addresses: [ann@example.com]\n");
    let config = format!(
        "organization: true\ninclude: {{ accounts: ['{account}'] }}\nregions: [us-east-1]\narchive: kept\n\
         enable: [ec2-sg-no-public-admin-ports-ipv4]\nout: out\nformats: [json, html, csv, markdown]\n{}  webhooks:\n    \
         - {{ url: {{ file: slack }}, format: slack }}\n    - {{ url: {{ file: hook }} }}\n",
        mailing
    );
    world.write("upright.yaml", &config).unwrap();
    for kind in ["slack", "hook"] {
        world.write(kind, &format!("http://127.0.0.1:{}/{kind}\n", receivers.http)).unwrap();
    }
    let env = plain(emulator.env()).with("UPRIGHT_LOG", "upright=debug");
    let first = world.run(&env, &["scan", "--verbose"]).unwrap();
    python(&emulator, &[&["groups", account][..], &GROUPS].concat());
    let second = world.run(&env, &["scan", "--verbose"]).unwrap();
    (world, vec![first, second])
}

/// All texts of a JSON document.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Something that a person would not see, or that steers what shows it.
fn is_hidden(c: char) -> bool {
    !matches!(c, '\n' | '\r' | '\t') && shown(&c.to_string()) != c.to_string()
}

fn check_mail(mail: &Value) {
    assert_eq!((&mail["to"], &mail["defects"]), (&json!(["ann@example.com"]), &json!([])));
    let headers = mail["headers"].as_array().unwrap();
    let names: Vec<&str> = headers.iter().map(|header| header[0].as_str().unwrap()).collect();
    assert!(!names.iter().any(|name| name.eq_ignore_ascii_case("bcc")), "{names:?}");
    let raw = mail["raw"].as_str().unwrap();
    assert!(!raw.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc:")), "a header of its own");
    let parts = mail["parts"].as_array().unwrap();
    for part in parts {
        let text = part["text"].as_str().unwrap();
        assert_eq!(text.chars().find(|c| is_hidden(*c)), None, "{text:.300}");
    }
    for markup in ["<b>", "<script>owned", "<img src=//", "href=\"https://203.0.113.7", "<!channel>"] {
        assert!(!parts[1]["text"].as_str().unwrap().contains(markup), "{markup}");
        assert!(!parts[2]["text"].as_str().unwrap().contains(markup), "{markup} in the report");
    }
}

#[test]
fn hostile_names_are_text_in_mails_messages_files_and_logs() {
    let receivers = Receivers::start(&["--clear"]);
    let (world, runs) = scanned(&receivers);
    for run in &runs {
        let all = format!("{}{}", run.stdout, run.stderr);
        assert_eq!(all.chars().find(|c| is_hidden(*c)), None, "{run}");
        assert!(!all.lines().any(|line| line.starts_with("Bcc:")), "{run}");
    }
    let mails = receivers.taken("mail");
    assert_eq!(mails.len(), 2, "{}", runs[1]);
    mails.iter().for_each(check_mail);
    let text = mails[1]["parts"][0]["text"].as_str().unwrap();
    // The account's name is cut; how it begins stands beside each of its resources.
    assert!(text.contains("x\\r\\nBcc: eve@example.com\\r\\n"), "{text}");
    for name in GROUPS {
        assert!(text.contains(&shown(name)), "{name:?} is told as it is: {text}");
    }

    let hooks = receivers.taken("hook");
    let (slack, json): (Vec<_>, Vec<_>) = hooks.iter().partition(|hook| hook["path"] == "/slack");
    assert_eq!((slack.len(), json.len()), (2, 2));
    for message in slack {
        for text in texts(&message["body"]) {
            // Plain text is not read for marks; Slack shows it as it is.
            let is_plain = message["body"]["blocks"][0]["text"]["text"] == text;
            assert!(is_plain || !text.contains(['<', '>']), "{text}");
            assert!(!text.contains("*bold*") && !text.contains("`code`"), "{text}");
            assert_eq!(text.replace('\u{200b}', "").chars().find(|c| is_hidden(*c)), None, "{text}");
        }
    }
    for message in json {
        let body = &message["body"];
        assert!(texts(body).iter().all(|text| text.chars().find(|c| is_hidden(*c)).is_none()), "{body}");
    }

    let csv = world.read("out/report.csv").unwrap();
    let mut table = csv::Reader::from_reader(csv.trim_start_matches('\u{feff}').as_bytes());
    let rows: Vec<csv::StringRecord> = table.records().collect::<Result<_, _>>().unwrap();
    assert!(rows.len() >= GROUPS.len());
    for cell in rows.iter().flatten() {
        assert!(
            !cell.trim_start().starts_with(['=', '+', '-', '@']) && !cell.chars().any(is_hidden),
            "{cell}"
        );
    }
    let report = world.report().unwrap();
    let accounts = report["accounts"].as_array().unwrap();
    assert!(accounts.iter().any(|account| account["name"] == ACCOUNT), "for programs it is what it was");
}
