use std::io::ErrorKind;
use std::time::Duration;

use super::client::form;
use crate::{Answer, Call, Fault, Match, Server, Setup};

const LIST: &str =
    "<R><ListUsersResult><Users><member>1</member><member>2</member></Users></ListUsersResult></R>";

fn users() -> Setup {
    Server::canned(|call: &Call| (call.operation == "iam:ListUsers").then(|| Answer::xml(LIST)))
}

fn assume(account: &str) -> String {
    format!(
        "Action=AssumeRole&RoleArn=arn:aws:iam::{account}:role/Audit&RoleSessionName=upright&DurationSeconds=3600"
    )
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).unwrap().1.split_once(to).unwrap().0
}

#[test]
fn requests_are_answered_and_counted() {
    let server = users().start().unwrap();
    let came = form("iam", "Action=ListUsers&Version=2010-05-08").send(server.port());
    assert_eq!((came.status, came.body.as_str()), (200, LIST));
    form("iam", "Action=ListUsers&PathPrefix=/a/").send(server.port());
    assert_eq!(server.count("iam:ListUsers"), 2);
    assert_eq!(server.counts().len(), 1);
    assert_eq!(server.requests()[1].call.param("PathPrefix"), Some("/a/"));
    assert!(server.repeated().is_empty() && server.unexpected().is_empty());
    assert_eq!(server.most_in_flight(), 1);

    form("iam", "Action=ListUsers").send(server.port());
    assert_eq!(server.repeated().len(), 1);
}

#[test]
fn what_has_no_answer_is_told() {
    let server = users().start().unwrap();
    let came = form("iam", "Action=DeleteUser&UserName=a").send(server.port());
    assert_eq!(came.status, 500);
    assert!(came.body.contains("iam:DeleteUser 123456789012/us-east-1 UserName=a: no answer is recorded"));
    assert_eq!(form("iam", "").send(server.port()).status, 400);
    let unexpected = server.unexpected();
    assert_eq!(unexpected.len(), 2);
    assert_eq!(unexpected[1], "POST /: the form has no Action");
}

#[test]
fn a_session_is_of_the_account_of_its_role() {
    let server = Server::canned(|_| None).start().unwrap();
    let came = form("sts", &assume("222222222222")).send(server.port());
    let key = between(&came.body, "<AccessKeyId>", "<");
    let expiration = between(&came.body, "<Expiration>", "<");
    assert!(expiration.ends_with('Z') && expiration.len() == 20, "{expiration}");
    let came = form("sts", "Action=GetCallerIdentity").by(key).send(server.port());
    assert!(came.body.contains("arn:aws:sts::222222222222:assumed-role/Audit/upright"), "{came:?}");
    let accounts: Vec<_> = server.requests().into_iter().map(|request| request.call.account).collect();
    assert_eq!(accounts, ["123456789012", "222222222222"]);
}

#[test]
fn an_expired_session_is_refused_until_it_is_renewed() {
    let server = users().expire_after(1).start().unwrap();
    let key = |()| {
        let came = form("sts", &assume("222222222222")).send(server.port());
        between(&came.body, "<AccessKeyId>", "<").to_owned()
    };
    let statuses =
        |key: &str| [0; 3].map(|_| form("iam", "Action=ListUsers").by(key).send(server.port()).status);
    assert_eq!(statuses(&key(())), [200, 403, 403]);
    assert_eq!(statuses(&key(())), [200, 200, 200]);
    assert_eq!(server.requests().iter().filter(|request| request.is_faulted).count(), 2);
}

#[test]
fn pages_are_served_and_noted() {
    let server = users().paged(3).start().unwrap();
    let came = form("iam", "Action=ListUsers").send(server.port());
    let marker = between(&came.body, "<Marker>", "<");
    assert!(!server.pages_served()[0].was_read_to_its_end());
    let came = form("iam", &format!("Action=ListUsers&Marker={marker}")).send(server.port());
    assert!(came.body.contains("<member>1</member>") && !came.body.contains("<member>2</member>"));
    let last = between(&came.body, "<Marker>", "<");
    let came = form("iam", &format!("Action=ListUsers&Marker={last}")).send(server.port());
    assert!(came.body.contains("<IsTruncated>false</IsTruncated>"));
    assert!(server.pages_served()[0].was_read_to_its_end());
    assert_eq!(server.requests().iter().map(|request| request.page).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(server.unexpected().is_empty());

    assert_eq!(form("iam", "Action=ListUsers&Marker=else").send(server.port()).status, 400);
    assert_eq!(server.unexpected().len(), 1);
}

#[test]
fn faults_hit_where_they_match() {
    let server = users()
        .paged(3)
        .fault(Match::operation("iam:ListUsers").page(2).attempts(1), Fault::Throttle)
        .fault(Match::service("ec2"), Fault::Deny)
        .start()
        .unwrap();
    let first = form("iam", "Action=ListUsers").send(server.port());
    let second = format!("Action=ListUsers&Marker={}", between(&first.body, "<Marker>", "<"));
    let statuses = [0; 2].map(|_| form("iam", &second).send(server.port()).status);
    assert_eq!((first.status, statuses), (200, [400, 200]));
    let denied = form("ec2", "Action=DescribeVpcs").send(server.port());
    assert!(denied.body.contains("<Code>UnauthorizedOperation</Code>"));
    assert!(denied.body.contains("User: arn:aws:iam::123456789012:user/upright is not authorized"));
    assert!(server.repeated().is_empty() && server.unexpected().is_empty());
}

#[test]
fn connections_break_in_each_way() {
    let broken = |fault: Fault| {
        let server = users().fault(Match::any(), fault).start().unwrap();
        form("iam", "Action=ListUsers").send(server.port())
    };
    let came = broken(Fault::Reset);
    assert_eq!((came.status, came.error), (0, Some(ErrorKind::ConnectionReset)));
    let came = broken(Fault::Hang);
    assert_eq!((came.status, came.error), (0, Some(ErrorKind::WouldBlock)));
    let came = broken(Fault::CutOff);
    assert_eq!((came.status, came.length, came.error), (200, LIST.len(), None));
    assert_eq!(came.body, LIST[..LIST.len() / 2]);
    let came = broken(Fault::Shortened);
    assert_eq!((came.length, came.body.as_str()), (LIST.len() / 2, &LIST[..LIST.len() / 2]));
    let came = broken(Fault::Empty);
    assert_eq!((came.status, came.length), (200, 0));
    assert!(!broken(Fault::Garbled).body.contains("ListUsers"));
}

#[test]
fn delays_add_up_and_leave_the_answer() {
    let server = users()
        .latency(Duration::from_millis(40))
        .fault(Match::any(), Fault::Delay(Duration::from_millis(50)))
        .start()
        .unwrap();
    let started = std::time::Instant::now();
    assert_eq!(form("iam", "Action=ListUsers").send(server.port()).body, LIST);
    assert!(started.elapsed() >= Duration::from_millis(90));
    assert!(!server.requests()[0].is_faulted);
}

#[test]
fn an_answer_can_be_put_in_place_of_another() {
    let server = users().answer(Match::operation("iam:ListUsers"), Answer::xml("<Other/>")).start().unwrap();
    assert_eq!(form("iam", "Action=ListUsers").send(server.port()).body, "<Other/>");
}

#[tokio::test]
async fn a_server_can_be_dropped_within_a_runtime() {
    let server = users().start().unwrap();
    drop(server);
}
