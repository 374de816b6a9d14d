//! What the credentials need for telling receivers, beside what a scan needs.

use serde_json::{Value, json};

use super::{mail, secret, sns};
use crate::config::{Notify, SecretSource, Via};

/// The policy statements that a configuration's `notify` needs; none where it asks nothing of AWS.
#[must_use]
pub fn statements(notify: &Notify, partition: &str) -> Vec<Value> {
    let statement = |sid: &str, actions: Vec<Option<String>>, resource: Value| json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource });
    let mut statements = Vec::new();
    if notify.mail.as_ref().is_some_and(|mail| matches!(mail.via, Via::Ses(_))) {
        // The identity may be the address or its domain, and a configuration set may be the default of either.
        let resources =
            ["identity", "configuration-set"].map(|kind| format!("arn:{partition}:ses:*:*:{kind}/*"));
        let actions = vec![mail::SEND_EMAIL.iam_action(), Some("ses:SendRawEmail".to_owned())];
        statements.push(statement("NotifySendMail", actions, json!(resources)));
    }
    let topics: Vec<&str> = notify.topics.iter().map(|topic| topic.arn.as_str()).collect();
    if !topics.is_empty() {
        statements.push(statement("NotifyPublish", vec![sns::PUBLISH.iam_action()], json!(topics)));
    }
    let mut secrets: Vec<&str> = notify
        .secrets()
        .into_iter()
        .filter_map(|source| match source {
            SecretSource::Secret(arn) => Some(arn.as_str()),
            SecretSource::File(_) | SecretSource::Env(_) => None,
        })
        .collect();
    secrets.sort_unstable();
    secrets.dedup();
    if !secrets.is_empty() {
        let actions = vec![secret::GET_SECRET_VALUE.iam_action()];
        statements.push(statement("NotifyReadSecrets", actions, json!(secrets)));
    }
    statements
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    fn of(text: &str) -> Vec<Value> {
        let config = config::parse(Path::new("upright.yaml"), text);
        let notify = config.unwrap_or_else(|error| panic!("{error}")).notify.expect("notify");
        statements(&notify, "aws-cn")
    }

    #[test]
    fn only_what_is_configured_is_allowed() {
        assert_eq!(of("notify: { webhooks: [{ url: { env: URL } }] }\n"), Vec::<Value>::new());
        let topic = "arn:aws-cn:sns:cn-north-1:111122223333:upright";
        let secret = "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:hook-AbCdEf";
        let statements = of(&format!(
            "notify:\n  mail: {{ from: a@b.example, via: {{ ses: {{}} }}, to: [] }}\n  topics: [{{ arn: '{topic}' }}]\n  \
             webhooks: [{{ url: {{ secret: '{secret}' }}, signing_key: {{ secret: '{secret}' }} }}]\n"
        ));
        let told: Vec<(&Value, &Value)> =
            statements.iter().map(|statement| (&statement["Action"], &statement["Resource"])).collect();
        let identities = json!(["arn:aws-cn:ses:*:*:identity/*", "arn:aws-cn:ses:*:*:configuration-set/*"]);
        assert_eq!(
            told,
            [
                (&json!(["ses:SendEmail", "ses:SendRawEmail"]), &identities),
                (&json!(["sns:Publish"]), &json!([topic])),
                (&json!(["secretsmanager:GetSecretValue"]), &json!([secret])),
            ]
        );
    }
}
