use super::client::{Ask, form};
use crate::{Answer, Call, Env, Recording, Server};

const MEMBER: &str = "222222222222";

/// The AWS that is recorded: an own key for a session, as the emulator gives, and lists in pages.
fn origin(call: &Call) -> Option<Answer> {
    Some(match call.operation.as_str() {
        "sts:AssumeRole" => {
            Answer::xml("<R><Credentials><AccessKeyId>ASIAORIGIN</AccessKeyId></Credentials></R>")
        }
        "ec2:DescribeVpcs" => match call.param("NextToken") {
            None => Answer::xml("<R><vpcSet><item>1</item></vpcSet><nextToken>t2</nextToken></R>"),
            Some(_) => Answer::xml("<R><vpcSet><item>2</item></vpcSet></R>"),
        },
        "s3:GetBucketPolicy" => Answer::error(call, 404, "NoSuchBucketPolicy", "none"),
        "kms:ListKeys" => Answer::json(&serde_json::json!({ "Keys": [{"KeyId": "k"}] })),
        _ => return None,
    })
}

fn scan(port: u16, key: &str) -> [String; 3] {
    let bucket = Ask { method: "GET", uri: "/?policy", host: "logs.localhost", ..form("s3", "") };
    let keys = Ask { target: Some("TrentService.ListKeys"), ..form("kms", "{}") };
    [form("ec2", "Action=DescribeVpcs").by(key), bucket.by(key), keys.by(key)]
        .map(|ask| ask.send(port))
        .map(|came| format!("{} {}", came.status, came.body))
}

fn assume() -> String {
    format!("Action=AssumeRole&RoleArn=arn:aws:iam::{MEMBER}:role/Audit&RoleSessionName=s")
}

fn port(env: &Env) -> u16 {
    let (_, url) = env.vars().iter().find(|(name, _)| *name == "AWS_ENDPOINT_URL").unwrap();
    url.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn what_cannot_be_read_fails_the_recording() {
    let behind = Server::canned(origin).start().unwrap();
    let error = Recording::record(behind.port(), "111111111111", |env| {
        form("iam", "no action").send(port(env));
        Ok(())
    });
    assert_eq!(error.unwrap_err().to_string(), "not recorded:\nPOST /: the form has no Action");
}

#[test]
fn recorded_saved_loaded_and_replayed() {
    let behind = Server::canned(origin).start().unwrap();
    let mut said = None;
    let recording = Recording::record(behind.port(), "111111111111", |env| {
        form("sts", &assume()).send(port(env));
        said = Some(scan(port(env), "ASIAORIGIN"));
        form("ec2", "Action=DescribeVpcs&NextToken=t2").by("ASIAORIGIN").send(port(env));
        Ok(())
    })
    .unwrap();
    let places: Vec<_> =
        recording.calls().map(|call| (call.operation.as_str(), call.account.as_str())).collect();
    assert_eq!(
        places,
        [
            ("sts:AssumeRole", "111111111111"),
            ("ec2:DescribeVpcs", MEMBER),
            ("kms:ListKeys", MEMBER),
            ("s3:GetBucketPolicy", MEMBER),
        ]
    );

    let file = tempfile::NamedTempFile::new().unwrap();
    recording.save(file.path()).unwrap();
    let loaded = Recording::load(file.path()).unwrap();
    assert_eq!(loaded, recording);

    let server = Server::replay(&loaded).start().unwrap();
    let session = form("sts", &assume()).send(server.port());
    assert!(session.body.contains("ASIA2222222222220000"));
    let [_, policy, keys] = scan(server.port(), "ASIA2222222222220000");
    let [vpcs, ..] = scan(server.port(), "ASIA2222222222220000");
    let [_, policy_said, keys_said] = said.unwrap();
    assert_eq!((policy, keys), (policy_said, keys_said));
    // The two pages that were recorded have become one.
    assert_eq!(vpcs, "200 <R><vpcSet><item>1</item><item>2</item></vpcSet></R>");
    assert!(server.unexpected().is_empty());

    let elsewhere =
        form("sts", "Action=AssumeRole&RoleArn=arn:aws:iam::333333333333:role/Audit&RoleSessionName=s");
    assert_eq!(elsewhere.send(server.port()).status, 500);
    assert_eq!(scan(server.port(), "testing").map(|said| said[..3].to_owned()), ["500", "500", "500"]);
    assert_eq!(server.unexpected().len(), 4);
}
