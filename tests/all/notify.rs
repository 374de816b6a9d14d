//! `notify`: what arrives at a real mail server and a web server, what does not, and that no secret shows.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use upright_testkit::{Emulator, Run, Server, World, workspace};

use crate::common::{
    self, UPRIGHT, offline, plain,
    receivers::{KEY, Receivers},
};

const PASSWORD: &str = "pa55word-of-the-test";
const TOKEN: &str = "t0ken-in-the-address";

const ANN: &str = "      - addresses: [ann@example.com]\n";

fn world(config: &str) -> World {
    let world = World::new(UPRIGHT).unwrap();
    world.write("upright.yaml", config).unwrap();
    world
}

fn sample(config: &str) -> Run {
    offline(&world(config), &["notify", "test"])
}

fn header(mail: &Value, name: &str) -> Vec<String> {
    let headers = mail["headers"].as_array().unwrap().iter();
    headers.filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_sample_arrives_encrypted_and_says_what_it_is() {
    for (options, security) in
        [(&["--auth", "upright:pa55word-of-the-test"][..], "starttls"), (&["--tls"], "tls")]
    {
        let receivers = Receivers::start(options);
        let mut more = receivers.trusted();
        if security == "starttls" {
            more.push_str(", username: upright, password: { file: password }");
        }
        let world = world(&receivers.mailing(security, &more, ANN));
        world.write("password", &format!("{PASSWORD}\n")).unwrap();
        let run = offline(&world, &["notify", "test"]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(0), "mail to ann@example.com sent\n"), "{run}");
        let mails = receivers.taken("mail");
        assert_eq!(mails.len(), 1);
        let mail = &mails[0];
        assert_eq!(mail["is_encrypted"], true);
        assert_eq!(mail["user"].as_str(), (security == "starttls").then_some("upright"));
        assert_eq!(mail["to"], serde_json::json!(["ann@example.com"]));
        assert_eq!(
            header(mail, "Subject"),
            ["[Upright] [sample] 1 new failure (1 critical), 1 not observed: ACME org"]
        );
        assert_eq!(
            mail["tree"],
            serde_json::json!(["multipart/mixed", "multipart/alternative", "text/plain", "text/html"])
        );
        assert_eq!(mail["defects"], serde_json::json!([]));
        for part in mail["parts"].as_array().unwrap() {
            assert!(part["text"].as_str().unwrap().contains("Everything in it is made up"), "{part}");
        }
    }
}

#[test]
fn what_is_not_encrypted_or_not_trusted_is_not_sent() {
    let not_offered = Receivers::start(&["--no-starttls"]);
    let run = sample(&not_offered.mailing("starttls", &not_offered.trusted(), ANN));
    assert_eq!((run.code, not_offered.taken("mail").len()), (Some(5), 0), "{run}");
    assert!(run.stdout.contains("STARTTLS"), "{run}");

    for (options, security) in [(&[][..], "starttls"), (&["--tls"], "tls")] {
        let untrusted = Receivers::start(options);
        let run = sample(&untrusted.mailing(security, "", ANN));
        assert_eq!((run.code, untrusted.taken("mail").len()), (Some(5), 0), "{run}");
        assert!(run.stdout.contains("`ca_file` names the certificates to trust"), "{run}");
        assert!(!run.stdout.contains("attempts"), "it is not tried again: {run}");
    }
}

#[test]
fn what_passes_is_tried_again_and_what_is_refused_is_told_and_holds_up_nobody() {
    let busy = Receivers::start(&["--clear", "--busy", "1", "--refuse", "gone@example.com"]);
    let to = "      - addresses: [gone@example.com, ann@example.com]\n";
    let run = sample(&busy.mailing("none", "", to));
    assert_eq!(run.code, Some(5), "{run}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("mail to gone@example.com not sent: ") && lines[0].contains("550"), "{run}");
    assert_eq!(lines[1], "mail to ann@example.com sent");
    assert_eq!(busy.taken("mail").len(), 1);
}

#[test]
fn a_wrong_password_is_told_without_it() {
    let receivers = Receivers::start(&["--auth", "upright:another"]);
    let more = format!("{}, username: upright, password: {{ file: password }}", receivers.trusted());
    let world = world(&receivers.mailing("starttls", &more, ANN));
    world.write("password", PASSWORD).unwrap();
    let run = offline(&world, &["notify", "test"]);
    assert_eq!((run.code, receivers.taken("mail").len()), (Some(5), 0), "{run}");
    assert!(run.stdout.contains("535") && !run.to_string().contains(PASSWORD), "{run}");
}

#[test]
fn a_webhook_gets_signed_json_or_what_slack_takes() {
    let receivers = Receivers::start(&["--busy", "1"]);
    let world = world(
        "notify:\n  webhooks:\n    - { url: { file: url }, signing_key: { file: key } }\n    - { url: { file: url }, \
         format: slack }\n    - { url: { file: moved } }\n    - { url: { file: nowhere } }\n",
    );
    world.write("key", KEY).unwrap();
    let address = |path: &str| format!("http://127.0.0.1:{}/{path}/{TOKEN}\n", receivers.http);
    world.write("url", &address("hook")).unwrap();
    world.write("moved", &address("moved")).unwrap();
    let run = offline(&world, &["notify", "test"]);
    assert_eq!(run.code, Some(5), "{run}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], "request to webhook 1 (127.0.0.1) sent");
    assert_eq!(lines[1], "Slack message to webhook 2 (127.0.0.1) sent");
    assert!(lines[2].contains("302") && lines[2].contains("redirects are not followed"), "{run}");
    assert!(lines[3].contains("file `nowhere` cannot be read"), "{run}");
    assert!(!run.to_string().contains(TOKEN), "{run}");
    let taken = receivers.taken("hook");
    assert_eq!(taken.len(), 2);
    assert_eq!((&taken[0]["is_signed"], &taken[0]["body"]["kind"]), (&true.into(), &"sample".into()));
    assert_eq!(taken[0]["body"]["version"], 1);
    assert_eq!(taken[1]["is_signed"], false);
    assert_eq!(taken[1]["body"]["blocks"][0]["type"], "header");
}

/// Everything below a directory, the files of the configuration that hold the secrets left out.
fn written(dir: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            bytes.extend(written(&path));
        } else if !["password", "key", "url"].contains(&name.as_str()) {
            bytes.extend(std::fs::read(&path).unwrap());
        }
    }
    bytes
}

#[test]
fn a_scan_is_told_as_it_ended_and_no_secret_shows_in_the_most_talkative_log() {
    let receivers =
        Receivers::start(&["--auth", "upright:pa55word-of-the-test", "--refuse", "gone@example.com"]);
    let more = format!("{}, username: upright, password: {{ file: password }}", receivers.trusted());
    let to = "      - addresses: [ann@example.com, gone@example.com]\n";
    let hooks = "  webhooks:\n    - { url: { env: HOOK }, signing_key: { file: key }, when: failures }\n";
    let config = format!("{}{hooks}", receivers.mailing("starttls", &more, to));
    let server = common::replay().start().unwrap();
    let world = world(&config);
    for (file, secret) in [("password", PASSWORD), ("key", KEY)] {
        world.write(file, secret).unwrap();
    }
    let hook = format!("http://127.0.0.1:{}/hook/{TOKEN}", receivers.http);
    let env = plain(server.env()).with("HOOK", &hook).with("UPRIGHT_LOG", "trace");
    let scan = [common::SCAN, &["--enable", "iam-root-mfa"]].concat();
    let run = world.run(&env, &scan).unwrap();
    assert_eq!(run.code, Some(common::FAILED), "{}", run.stdout);
    assert!(run.stderr.contains("mail to gone@example.com not sent: "), "the failure is told");
    let report = world.report().unwrap();
    let (fail, unknown) = (&report["totals"]["fail"], report["totals"]["unknown"].as_u64().unwrap());
    let day = report["run"]["started_at"].as_str().unwrap().split('T').next().unwrap();
    let missing = if unknown > 0 { format!(", {unknown} not observed") } else { String::new() };
    let mails = receivers.taken("mail");
    assert_eq!(mails.len(), 1);
    assert_eq!(
        header(&mails[0], "Subject"),
        [format!("[Upright] {fail} failures ({fail} critical){missing}: ACME org, {day}")]
    );
    let parts = mails[0]["parts"].as_array().unwrap();
    let kinds: Vec<&str> = parts.iter().map(|part| part["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["text/plain", "text/html", "text/html"]);
    assert_eq!(parts[2]["name"], "report.html");
    assert!(parts[1]["size"].as_u64().unwrap() < 100_000);
    let hooks = receivers.taken("hook");
    assert_eq!((hooks.len(), &hooks[0]["is_signed"]), (1, &true.into()));
    assert_eq!(&hooks[0]["body"]["numbers"]["failing"], fail);
    let all = [run.stdout.as_bytes(), run.stderr.as_bytes(), &written(&world.dir())].concat();
    let all = String::from_utf8_lossy(&all);
    assert!(all.contains("TRACE") || all.contains("DEBUG"), "the log is on");
    for secret in [PASSWORD, KEY, TOKEN] {
        assert!(!all.contains(secret), "{secret} shows");
    }

    let silent = world.run(&env, &[&scan[..], &["--no-notify"]].concat()).unwrap();
    assert_eq!(silent.code, run.code);
    assert_eq!(receivers.taken("mail").len(), 1);
}

#[test]
fn what_could_not_be_delivered_is_told_by_the_next_run() {
    let receivers = Receivers::start(&["--clear", "--refuse", "gone@example.com"]);
    let to = "      - addresses: [ann@example.com, gone@example.com]\n      - { addresses: [eve@example.com], \
              min_severity: low }\n";
    let world = world(&receivers.mailing("none", "", to));
    let server = common::replay().start().unwrap();
    let env = plain(server.env());
    let scan =
        [common::SCAN, &["--enable", "iam-root-mfa", "--archive", "kept", "--format", "json,html"]].concat();
    let first = world.run(&env, &scan).unwrap();
    assert!(!first.stdout.contains("Not delivered"), "{first}");
    let run = world.report().unwrap()["run"]["id"].as_str().unwrap().to_owned();
    let second = world.run(&env, &scan).unwrap();
    let told = format!("Not delivered by run {run} of ");
    let report = world.report().unwrap();
    assert_eq!(report["undelivered"]["run"], run.as_str());
    let messages = report["undelivered"]["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].as_str().unwrap().starts_with("mail to gone@example.com not sent: "), "{messages:?}");
    assert!(second.stdout.contains(&told), "{second}");
    assert!(world.read("out/report.html").unwrap().contains(&told));
    for mail in &receivers.taken("mail")[2..] {
        // Who is told of a part only is not told who else is told.
        let is_told = mail["to"] == serde_json::json!(["ann@example.com"]);
        for part in &mail["parts"].as_array().unwrap()[..2] {
            assert_eq!(part["text"].as_str().unwrap().contains("Not delivered by run"), is_told, "{part}");
        }
    }
}

#[test]
fn a_scan_that_could_not_run_is_told_too() {
    let receivers = Receivers::start(&["--clear"]);
    let to = "      - { addresses: [ann@example.com], when: changed, min_severity: critical }\n";
    let world = world(&receivers.mailing("none", "", to));
    let server = Server::canned(|_| None).start().unwrap();
    let env = plain(server.env()).with("AWS_REGION", "").with("AWS_DEFAULT_REGION", "");
    let run = world.run(&env, &["scan"]).unwrap();
    assert_eq!(run.code, Some(5), "{run}");
    let mails = receivers.taken("mail");
    assert!(header(&mails[0], "Subject")[0].starts_with("[Upright] the scan could not run: ACME org, 20"));
    assert!(
        mails[0]["parts"][0]["text"].as_str().unwrap().contains("no region is configured"),
        "{}",
        mails[0]
    );
}

/// Runs `tests/support/told.py` in the emulated AWS.
fn told(emulator: &Emulator, arguments: &[&str]) -> Value {
    let root = workspace().unwrap();
    let mut command = Command::new(root.join(".venv/bin/python"));
    command.arg(root.join("tests/support/told.py")).args(arguments);
    emulator.env().apply(&mut command);
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).unwrap()
}

#[test]
fn ses_gets_the_same_mail_sns_a_text_and_secrets_manager_keeps_the_address() {
    let (emulator, receivers) = (Emulator::start().unwrap(), Receivers::start(&[]));
    let hook = format!("http://127.0.0.1:{}/hook/{TOKEN}", receivers.http);
    let made = told(&emulator, &["make", "upright@example.com", &hook]);
    let (topic, secret) = (made["topic"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let world = world(&format!(
        "notify:\n  name: ACME größe\n  mail:\n    from: Upright <upright@example.com>\n    via: {{ ses: {{}} }}\n    \
         to: [{{ addresses: [ann@example.com] }}]\n  topics: [{{ arn: '{topic}' }}]\n  webhooks: [{{ url: {{ secret: \
         '{secret}' }} }}]\n"
    ));
    let env = plain(emulator.env()).with("UPRIGHT_LOG", "trace");
    let run = world.run(&env, &["notify", "test"]).unwrap();
    assert_eq!(run.code, Some(0), "{run}");
    assert!(!run.to_string().contains(TOKEN), "{run}");
    assert_eq!(receivers.taken("hook").len(), 1);
    let seen = told(&emulator, &["seen", made["queue"].as_str().unwrap()]);
    let mails = seen["mails"].as_array().unwrap();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0]["destinations"], serde_json::json!(["ann@example.com"]));
    let subject = "[Upright] [sample] 1 new failure (1 critical), 1 not observed: ACME größe";
    assert_eq!(mails[0]["subject"], subject);
    assert_eq!(mails[0]["kinds"], serde_json::json!(["text/plain", "text/html"]));
    assert_eq!(seen["messages"][0]["Subject"], subject.replace(['ö', 'ß'], "?"));
    assert!(seen["messages"][0]["Message"].as_str().unwrap().contains("Everything in it is made up"));
}

#[test]
fn without_receivers_there_is_nothing_to_try_out() {
    let run = sample("regions: []\n");
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run}");
    assert!(run.stderr.contains("names nobody who is told"), "{run}");
}
