//! A record of CloudTrail that rules tell.

use serde_json::{Value, json};

/// A sign-in of a user to the console, with or without MFA as `mfa` says (`Yes`, `No`); a built-in rule tells one
/// without.
#[must_use]
pub fn sign_in(id: u64, mfa: &str) -> Value {
    json!({
        "eventVersion": "1.11", "eventID": format!("00000000-0000-4000-8000-{id:012}"),
        "eventTime": format!("2026-11-24T03:{:02}:00Z", id % 60), "eventType": "AwsConsoleSignIn",
        "eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin", "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.7", "userAgent": "Mozilla/5.0", "recipientAccountId": "111122223333",
        "userIdentity": { "type": "IAMUser", "userName": "ann", "accountId": "111122223333",
                          "arn": "arn:aws:iam::111122223333:user/ann" },
        "additionalEventData": { "MFAUsed": mfa }, "responseElements": { "ConsoleLogin": "Success" },
        "requestParameters": null,
    })
}
