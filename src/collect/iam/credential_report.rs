//! The [credential report](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html):
//! a CSV file with one row for the root user and one for each user.
//!
//! Calls: `GenerateCredentialReport`, repeated until the report is complete, then `GetCredentialReport`,
//! once per account. AWS keeps a report for four hours, so a user can be newer than it.
//!
//! Quirks: a time that does not exist is `N/A`, `no_information` or `not_supported`; whether the root user
//! has a password is told in newer reports and `not_supported` in older ones.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::ReportStateType;
use futures::future::{BoxFuture, FutureExt, Shared};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::time::Instant;

use super::missing;
use crate::aws::{Call, Place, Reply};
use crate::inventory::{Cause, Unseen};

/// Starts a report unless there is one that is still good, and says how far it is.
pub static GENERATE_CREDENTIAL_REPORT: Call =
    Call::one("iam", "GenerateCredentialReport", "GenerateCredentialReportResult");
/// Fetches the report. The codes of its [errors](https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetCredentialReport.html)
/// say that there is no report now; the next `GenerateCredentialReport` makes one.
pub static GET_CREDENTIAL_REPORT: Call = Call::one("iam", "GetCredentialReport", "GetCredentialReportResult")
    .absent(&["ReportExpired", "ReportInProgress", "ReportNotPresent"]);

/// After the first question whether the report is complete; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between two questions.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// A report takes seconds, also in accounts with thousands of users.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// The report and `ListUsers` may round the same creation time differently.
const SAME_CREATION: SignedDuration = SignedDuration::from_secs(1);
/// Name of the root user's row; no user can be called that.
const ROOT: &str = "<root_account>";

/// The report of one account, fetched when it is first awaited, and then only once.
pub type SharedReport<'a> = Shared<BoxFuture<'a, Result<Arc<Report>, Unseen>>>;

/// The report as a future that may be awaited in several places.
pub fn shared<'a>(place: &'a Place, client: &'a Client) -> SharedReport<'a> {
    read(place, client).map(|report| report.map(Arc::new)).boxed().shared()
}

async fn read(place: &Place, client: &Client) -> Result<Report, Unseen> {
    let deadline = Instant::now() + GIVE_UP_AFTER;
    let mut pause = FIRST_PAUSE;
    loop {
        if is_complete(place, client).await?
            && let Reply::Answer(report) = download(place, client).await?
        {
            return Ok(report);
        }
        if Instant::now() + pause > deadline {
            return Err(not_ready(place));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn is_complete(place: &Place, client: &Client) -> Result<bool, Unseen> {
    let reply =
        place.call(&GENERATE_CREDENTIAL_REPORT, || client.generate_credential_report().send()).await?;
    match reply {
        Reply::Answer(output) => {
            let state = output.state.ok_or_else(|| missing(place, &GENERATE_CREDENTIAL_REPORT, "State"))?;
            Ok(state == ReportStateType::Complete)
        }
        Reply::Absent | Reply::Gone => Ok(false),
    }
}

async fn download(place: &Place, client: &Client) -> Result<Reply<Report>, Unseen> {
    let reply = place.call(&GET_CREDENTIAL_REPORT, || client.get_credential_report().send()).await?;
    reply.and_then(|output| {
        let gone_wrong = |why: &str| place.malformed(&GET_CREDENTIAL_REPORT, why);
        let content = output.content.ok_or_else(|| missing(place, &GET_CREDENTIAL_REPORT, "Content"))?;
        let generated =
            output.generated_time.ok_or_else(|| missing(place, &GET_CREDENTIAL_REPORT, "GeneratedTime"))?;
        let generated = Timestamp::new(generated.secs(), 0)
            .map_err(|_| gone_wrong("`GeneratedTime` lies outside the calendar"))?;
        Report::parse(content.as_ref(), generated).map_err(|why| gone_wrong(&why))
    })
}

fn not_ready(place: &Place) -> Unseen {
    Unseen {
        account: place.account().to_owned(),
        region: place.region().to_owned(),
        operation: GENERATE_CREDENTIAL_REPORT.name(),
        cause: Cause::TimedOut,
        code: "ReportInProgress".to_owned(),
        message: format!("the credential report was not ready after {} s", GIVE_UP_AFTER.as_secs()),
    }
}

/// A parsed report.
#[derive(Debug)]
pub struct Report {
    generated: Timestamp,
    /// By ARN.
    rows: HashMap<String, Row>,
    /// What is wrong with the first row that could not be read. It may be anybody's.
    broken: Option<String>,
}

/// A row of the report; a missing column or an unexpected word makes the row unreadable.
#[derive(Debug, Deserialize)]
struct Row {
    user: String,
    arn: String,
    #[serde(deserialize_with = "instant")]
    user_creation_time: Option<Timestamp>,
    #[serde(deserialize_with = "flag_or_word")]
    password_enabled: Option<bool>,
    #[serde(deserialize_with = "instant")]
    password_last_used: Option<Timestamp>,
    #[serde(deserialize_with = "instant")]
    password_last_changed: Option<Timestamp>,
    #[serde(deserialize_with = "flag")]
    mfa_active: bool,
    #[serde(deserialize_with = "flag")]
    access_key_1_active: bool,
    #[serde(deserialize_with = "instant")]
    access_key_1_last_rotated: Option<Timestamp>,
    #[serde(deserialize_with = "instant")]
    access_key_1_last_used_date: Option<Timestamp>,
    #[serde(deserialize_with = "flag")]
    access_key_2_active: bool,
    #[serde(deserialize_with = "instant")]
    access_key_2_last_rotated: Option<Timestamp>,
    #[serde(deserialize_with = "instant")]
    access_key_2_last_used_date: Option<Timestamp>,
}

/// The root user's row of the credential report.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RootCredentials {
    /// Whether root has a password; null when the report does not say.
    password_enabled: Option<bool>,
    /// When root last signed in with the password; null for never.
    password_last_used: Option<String>,
    /// Whether root has an MFA device.
    mfa_active: bool,
    /// Whether the first access key is active.
    access_key_1_active: bool,
    /// When the first access key was last used; null for never.
    access_key_1_last_used: Option<String>,
    /// Whether the second access key is active.
    access_key_2_active: bool,
    /// When the second access key was last used; null for never.
    access_key_2_last_used: Option<String>,
}

/// A user's row of the credential report.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UserCredentials {
    /// Whether the user has a console password.
    password_enabled: bool,
    /// When the password was last used; null for never.
    password_last_used: Option<String>,
    /// When the password was set; null without a password.
    password_last_changed: Option<String>,
    /// Whether the user has an MFA device.
    mfa_active: bool,
    /// Whether the first access key is active.
    access_key_1_active: bool,
    /// When the first access key was made, or switched on or off.
    access_key_1_last_rotated: Option<String>,
    /// When the first access key was last used; null for never.
    access_key_1_last_used: Option<String>,
    /// Whether the second access key is active.
    access_key_2_active: bool,
    /// When the second access key was made, or switched on or off.
    access_key_2_last_rotated: Option<String>,
    /// When the second access key was last used; null for never.
    access_key_2_last_used: Option<String>,
}

impl Report {
    /// One unreadable row hides its own user only.
    fn parse(content: &[u8], generated: Timestamp) -> Result<Self, String> {
        let mut rows = HashMap::new();
        let mut broken = None;
        for row in csv::Reader::from_reader(content).deserialize::<Row>() {
            match row {
                Ok(row) => {
                    rows.insert(row.arn.clone(), row);
                }
                Err(error) => {
                    broken.get_or_insert(format!("the credential report cannot be read: {error}"));
                }
            }
        }
        if rows.is_empty() {
            return Err(broken.unwrap_or_else(|| "the credential report is empty".to_owned()));
        }
        Ok(Self { generated, rows, broken })
    }

    /// The root user's row. Every report has one.
    pub fn root(&self, place: &Place) -> Result<RootCredentials, Unseen> {
        self.find_root().map_err(|why| place.malformed(&GET_CREDENTIAL_REPORT, &why))
    }

    /// The row of a user, or [`Reply::Absent`] when the user was made after the report.
    pub fn user(
        &self,
        place: &Place,
        arn: &str,
        created: Timestamp,
    ) -> Result<Reply<UserCredentials>, Unseen> {
        match self.find_user(arn, created) {
            Ok(Some(row)) => Ok(Reply::Answer(row)),
            Ok(None) => Ok(Reply::Absent),
            Err(why) => Err(place.malformed(&GET_CREDENTIAL_REPORT, &why)),
        }
    }

    fn find_root(&self) -> Result<RootCredentials, String> {
        let row = self.rows.values().find(|row| row.user == ROOT);
        row.map(Row::of_root).ok_or_else(|| self.no_row("the root user"))
    }

    fn find_user(&self, arn: &str, created: Timestamp) -> Result<Option<UserCredentials>, String> {
        match self.rows.get(arn) {
            Some(row) if row.is_of_user_made(created) => row.of_user().map(Some),
            // Without a row, or with that of a deleted user of the same name.
            _ if created > self.generated => Ok(None),
            _ => Err(self.no_row("the user, who is older")),
        }
    }

    fn no_row(&self, of: &str) -> String {
        self.broken
            .clone()
            .unwrap_or_else(|| format!("the credential report of {} has no row for {of}", self.generated))
    }
}

impl Row {
    fn is_of_user_made(&self, created: Timestamp) -> bool {
        self.user_creation_time.is_some_and(|at| at.duration_since(created).abs() <= SAME_CREATION)
    }

    fn of_root(&self) -> RootCredentials {
        RootCredentials {
            password_enabled: self.password_enabled,
            password_last_used: self.password_last_used.map(rfc3339),
            mfa_active: self.mfa_active,
            access_key_1_active: self.access_key_1_active,
            access_key_1_last_used: self.access_key_1_last_used_date.map(rfc3339),
            access_key_2_active: self.access_key_2_active,
            access_key_2_last_used: self.access_key_2_last_used_date.map(rfc3339),
        }
    }

    fn of_user(&self) -> Result<UserCredentials, String> {
        Ok(UserCredentials {
            password_enabled: self
                .password_enabled
                .ok_or("the credential report does not say whether the user has a password")?,
            password_last_used: self.password_last_used.map(rfc3339),
            password_last_changed: self.password_last_changed.map(rfc3339),
            mfa_active: self.mfa_active,
            access_key_1_active: self.access_key_1_active,
            access_key_1_last_rotated: self.access_key_1_last_rotated.map(rfc3339),
            access_key_1_last_used: self.access_key_1_last_used_date.map(rfc3339),
            access_key_2_active: self.access_key_2_active,
            access_key_2_last_rotated: self.access_key_2_last_rotated.map(rfc3339),
            access_key_2_last_used: self.access_key_2_last_used_date.map(rfc3339),
        })
    }
}

fn rfc3339(at: Timestamp) -> String {
    at.to_string()
}

/// Whether a word of the report stands for "there is none" or "AWS does not tell".
fn is_nothing(word: &str) -> bool {
    matches!(word, "N/A" | "no_information" | "not_supported")
}

fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    flag_or_word(from)?.ok_or_else(|| D::Error::custom("not true or false"))
}

fn flag_or_word<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    match String::deserialize(from)?.as_str() {
        // AWS's page writes them in capitals, its reports do not.
        word if word.eq_ignore_ascii_case("true") => Ok(Some(true)),
        word if word.eq_ignore_ascii_case("false") => Ok(Some(false)),
        word if is_nothing(word) => Ok(None),
        _ => Err(D::Error::custom("not true or false")),
    }
}

fn instant<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    match String::deserialize(from)?.as_str() {
        word if is_nothing(word) => Ok(None),
        time => time.parse().map(Some).map_err(|_| D::Error::custom("not a time")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use upright_testkit::Answer;

    use super::*;
    use crate::collect::canned;
    use crate::collect::iam::ACCOUNT;

    const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
        password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
        access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
        access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,\
        cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
    const ROOT_ROW: &str = "<root_account>,arn:aws:iam::111122223333:root,2019-03-01T09:00:00+00:00,not_supported,\
        2025-11-03T09:12:00+00:00,not_supported,not_supported,true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,\
        N/A,false,N/A";
    const ANN_ROW: &str = "ann,arn:aws:iam::111122223333:user/ann,2023-01-01T00:00:00+00:00,true,no_information,\
        2024-01-01T00:00:00+00:00,N/A,false,true,2025-10-15T00:00:00+00:00,2025-12-29T12:30:00+00:00,eu-west-1,s3,\
        false,N/A,N/A,N/A,N/A,false,N/A,false,N/A";
    const ANN: &str = "arn:aws:iam::111122223333:user/ann";

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn parse(rows: &[&str]) -> Result<Report, String> {
        Report::parse(rows.join("\n").as_bytes(), at("2026-01-01T00:00:00Z"))
    }

    fn long_ago() -> Timestamp {
        at("2023-01-01T00:00:00Z")
    }

    fn replaced(row: &str, from: &str, to: &str) -> String {
        assert!(row.contains(from), "{from}");
        row.replacen(from, to, 1)
    }

    #[test]
    fn the_rows_of_root_and_user_are_read() {
        let report = parse(&[HEADER, ROOT_ROW, ANN_ROW]).unwrap();
        assert_eq!(
            report.find_root().unwrap(),
            RootCredentials {
                password_enabled: None,
                password_last_used: Some("2025-11-03T09:12:00Z".to_owned()),
                mfa_active: true,
                access_key_1_active: false,
                access_key_1_last_used: None,
                access_key_2_active: false,
                access_key_2_last_used: None,
            }
        );
        assert_eq!(
            report.find_user(ANN, long_ago()).unwrap().unwrap(),
            UserCredentials {
                password_enabled: true,
                password_last_used: None,
                password_last_changed: Some("2024-01-01T00:00:00Z".to_owned()),
                mfa_active: false,
                access_key_1_active: true,
                access_key_1_last_rotated: Some("2025-10-15T00:00:00Z".to_owned()),
                access_key_1_last_used: Some("2025-12-29T12:30:00Z".to_owned()),
                access_key_2_active: false,
                access_key_2_last_rotated: None,
                access_key_2_last_used: None,
            }
        );
    }

    #[test]
    fn newer_reports_say_whether_root_has_a_password() {
        for (word, expected) in
            [("TRUE", Some(true)), ("true", Some(true)), ("false", Some(false)), ("not_supported", None)]
        {
            let row = replaced(ROOT_ROW, "not_supported", word);
            let root = parse(&[HEADER, &row]).unwrap().find_root().unwrap();
            assert_eq!(root.password_enabled, expected, "{word}");
        }
    }

    #[test]
    fn each_word_for_nothing_means_that_root_was_never_used() {
        let times = "2025-11-03T09:12:00+00:00,not_supported,not_supported,true,true,N/A,2025-11-03T09:12:00+00:00,\
            eu-west-1,s3,true,N/A,2025-11-03T09:12:00+00:00,eu-west-1,s3,";
        let before = "<root_account>,arn:aws:iam::111122223333:root,2019-03-01T09:00:00+00:00,not_supported,";
        let used = format!("{before}{times}false,N/A,false,N/A");
        let root = |row: &str| parse(&[HEADER, row]).unwrap().find_root().unwrap();
        let last_uses = |root: RootCredentials| {
            [root.password_last_used, root.access_key_1_last_used, root.access_key_2_last_used]
        };
        assert!(last_uses(root(&used)).iter().all(Option::is_some));
        for word in ["N/A", "no_information", "not_supported"] {
            let never = used.replace("2025-11-03T09:12:00+00:00", word);
            assert_eq!(last_uses(root(&never)), [None, None, None], "{word}");
        }
    }

    /// The report is made while it is waited for: first this state, then, once, this error.
    fn made_meanwhile(state: &'static str, code: &'static str) -> canned::Seen {
        let report = aws_smithy_types::base64::encode([HEADER, ROOT_ROW].join("\n"));
        let (generated, fetched) = (AtomicUsize::new(0), AtomicUsize::new(0));
        canned::collect(&ACCOUNT, &["root"], move |call| match call.operation.as_str() {
            "iam:GenerateCredentialReport" => {
                let is_first = generated.fetch_add(1, Ordering::SeqCst) == 0;
                let state = if is_first { state } else { "COMPLETE" };
                Some(Answer::xml(&format!(
                    "<GenerateCredentialReportResponse><GenerateCredentialReportResult><State>{state}</State>\
                     </GenerateCredentialReportResult></GenerateCredentialReportResponse>"
                )))
            }
            "iam:GetCredentialReport" if fetched.fetch_add(1, Ordering::SeqCst) == 0 => {
                Some(Answer::error(call, 404, code, "not now"))
            }
            "iam:GetCredentialReport" => Some(Answer::xml(&format!(
                "<GetCredentialReportResponse><GetCredentialReportResult><Content>{report}</Content>\
                 <ReportFormat>text/csv</ReportFormat><GeneratedTime>2026-01-01T00:00:00Z</GeneratedTime>\
                 </GetCredentialReportResult></GetCredentialReportResponse>"
            ))),
            _ => None,
        })
    }

    #[test]
    fn a_report_that_is_not_there_yet_is_waited_for() {
        for (state, code) in [
            ("STARTED", "ReportInProgress"),
            ("INPROGRESS", "ReportNotPresent"),
            ("COMPLETE", "ReportExpired"),
        ] {
            let seen = made_meanwhile(state, code);
            assert_eq!(seen.known("root")["mfa_active"], serde_json::json!(true), "{state} {code}");
        }
        assert!(made_meanwhile("COMPLETE", "AccessDenied").is_denied("root"), "a denial is not waited for");
    }

    #[test]
    fn columns_in_another_order_and_new_ones_do_no_harm() {
        let reversed = |line: &str| line.split(',').rev().collect::<Vec<_>>().join(",");
        let header = format!("passkeys,{}", reversed(HEADER));
        let row = format!("2,{}", reversed(ANN_ROW));
        let report = parse(&[&header, &row]).unwrap();
        assert!(report.find_user(ANN, long_ago()).unwrap().unwrap().access_key_1_active);
    }

    #[test]
    fn a_name_with_a_comma_is_quoted() {
        let row = replaced(ANN_ROW, "ann,arn:aws:iam::111122223333:user/ann", "\"a,b\",\"arn:x/a,b\"");
        let report = parse(&[HEADER, &row]).unwrap();
        assert!(report.find_user("arn:x/a,b", long_ago()).unwrap().is_some());
    }

    #[test]
    fn without_the_root_row_root_is_unknown_and_users_are_not() {
        let report = parse(&[HEADER, ANN_ROW]).unwrap();
        assert!(report.find_root().is_err());
        assert!(report.find_user(ANN, long_ago()).unwrap().is_some());
    }

    #[test]
    fn an_empty_report_is_refused() {
        assert!(parse(&[]).is_err());
        assert!(parse(&[HEADER]).is_err());
    }

    #[test]
    fn each_column_that_is_read_must_be_there() {
        for column in ["user", "arn", "password_enabled", "mfa_active", "access_key_2_last_used_date"] {
            let header = replaced(HEADER, column, "renamed");
            assert!(parse(&[&header, ROOT_ROW, ANN_ROW]).is_err(), "{column}");
        }
    }

    #[test]
    fn a_broken_row_hides_its_own_user_only() {
        for (from, to) in [
            ("true,no_information", "perhaps,no_information"),
            ("no_information", "yesterday"),
            ("no_information", ""),
            ("false,true,2025", "no_information,true,2025"),
            ("eu-west-1,s3", "s3"),
        ] {
            let row = replaced(ANN_ROW, from, to);
            let report = parse(&[HEADER, &row, ROOT_ROW]).unwrap();
            assert!(report.find_user(ANN, long_ago()).is_err(), "{row}");
            assert!(report.find_root().is_ok(), "{row}");
        }
    }

    #[test]
    fn a_user_whose_password_the_report_does_not_tell_is_unknown() {
        let row = replaced(ANN_ROW, "true,no_information", "not_supported,no_information");
        assert!(parse(&[HEADER, &row]).unwrap().find_user(ANN, long_ago()).is_err());
    }

    #[test]
    fn a_user_made_after_the_report_has_no_credentials_yet() {
        let report = parse(&[HEADER, ROOT_ROW]).unwrap();
        assert_eq!(report.find_user(ANN, at("2026-01-01T00:00:01Z")), Ok(None));
        assert!(report.find_user(ANN, at("2026-01-01T00:00:00Z")).is_err());
    }

    #[test]
    fn the_row_of_a_deleted_user_is_not_that_of_a_new_one_with_the_same_name() {
        let report = parse(&[HEADER, ROOT_ROW, ANN_ROW]).unwrap();
        assert_eq!(report.find_user(ANN, at("2026-01-02T00:00:00Z")), Ok(None));
        assert!(report.find_user(ANN, at("2025-01-02T00:00:00Z")).is_err());
        assert!(report.find_user(ANN, at("2023-01-01T00:00:01Z")).unwrap().is_some());
    }

    #[test]
    fn bytes_that_are_no_text_are_no_report() {
        assert!(Report::parse(b"\xff\xfe\x00", at("2026-01-01T00:00:00Z")).is_err());
        let mut report = format!("{HEADER}\n{ROOT_ROW}\n").into_bytes();
        report.extend(b"\xff,x");
        assert!(Report::parse(&report, at("2026-01-01T00:00:00Z")).is_ok());
    }
}
