//! The IAM policy that reading from a source needs, and nothing more.

use serde_json::{Value, json};

use super::s3::{Address, GET_OBJECT, LIST_OBJECTS};
use super::{lookup, queue, verify};

/// What is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Below these addresses in S3.
    pub addresses: Vec<Address>,
    /// These queues, by ARN. The objects that their messages announce have addresses of their own.
    pub queues: Vec<String>,
    /// The event history.
    pub history: bool,
    /// The digests of the trails.
    pub digests: bool,
    /// The KMS keys, by ARN, that objects or messages are encrypted with; none: any key, through S3 and SQS alone.
    pub keys: Vec<String>,
}

/// The policy for reading what is wanted, in a partition. `kms:Decrypt` is needed only where objects or messages are
/// encrypted with a key of the customer, whose own policy must allow it as well.
#[must_use]
pub fn policy(wanted: &Wanted, partition: &str) -> Value {
    let mut statements = Vec::new();
    let mut allow = |sid: String, actions: Value, resource: Value, condition: Option<Value>| {
        let mut statement = json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource });
        if let Some((statement, condition)) = statement.as_object_mut().zip(condition) {
            statement.insert("Condition".to_owned(), condition);
        }
        statements.push(statement);
    };
    for (index, address) in wanted.addresses.iter().enumerate() {
        let number = if wanted.addresses.len() > 1 { (index + 1).to_string() } else { String::new() };
        let bucket = format!("arn:{partition}:s3:::{}", address.bucket);
        let prefix = format!("{}*", literal(&address.prefix));
        let condition =
            (!address.prefix.is_empty()).then(|| json!({ "StringLike": { "s3:prefix": [prefix] } }));
        allow(format!("ListEvents{number}"), json!(LIST_OBJECTS.iam_action()), json!(bucket), condition);
        let objects = json!(format!("{bucket}/{prefix}"));
        allow(format!("ReadEvents{number}"), json!(GET_OBJECT.iam_action()), objects, None);
    }
    if !wanted.queues.is_empty() {
        let actions = [&queue::RECEIVE, &queue::EXTEND, &queue::DELETE].map(|call| call.iam_action());
        allow("ReadQueue".to_owned(), json!(actions), json!(wanted.queues), None);
    }
    if wanted.history {
        let action = json!(lookup::LOOKUP_EVENTS.iam_action());
        allow("ReadHistory".to_owned(), action, json!("*"), None);
    }
    if wanted.digests {
        let action = json!(verify::LIST_PUBLIC_KEYS.iam_action());
        allow("VerifyDigests".to_owned(), action, json!("*"), None);
    }
    let through = [(!wanted.addresses.is_empty(), "s3"), (!wanted.queues.is_empty(), "sqs")];
    let suffix = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let through: Vec<String> =
        through.iter().filter(|(is, _)| *is).map(|(_, service)| format!("{service}.*.{suffix}")).collect();
    if !through.is_empty() {
        let keys = if wanted.keys.is_empty() { json!("*") } else { json!(wanted.keys) };
        let condition = json!({ "StringLike": { "kms:ViaService": through } });
        allow("DecryptEvents".to_owned(), json!("kms:Decrypt"), keys, Some(condition));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Text that means itself in a policy, where some characters are
/// [wildcards and variables](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-specialchars).
fn literal(text: &str) -> String {
    text.chars().fold(String::new(), |mut literal, c| {
        match c {
            '*' | '?' | '$' => literal.extend(['$', '{', c, '}']),
            c => literal.push(c),
        }
        literal
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_its_actions_on_what_it_reads_and_no_others() {
        let wanted = Wanted {
            addresses: vec!["s3://b/p*/AWSLogs/".parse().unwrap()],
            queues: vec!["arn:aws:sqs:eu-west-1:111122223333:q".to_owned()],
            history: true,
            digests: true,
            keys: Vec::new(),
        };
        let policy = policy(&wanted, "aws");
        let rows: Vec<(Value, Value, Value)> = policy["Statement"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| (s["Action"].clone(), s["Resource"].clone(), s["Condition"].clone()))
            .collect();
        let prefix = "p${*}/AWSLogs/*";
        assert_eq!(
            rows,
            [
                (
                    json!("s3:ListBucket"),
                    json!("arn:aws:s3:::b"),
                    json!({"StringLike": {"s3:prefix": [prefix]}})
                ),
                (json!("s3:GetObject"), json!(format!("arn:aws:s3:::b/{prefix}")), Value::Null),
                (
                    json!(["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"]),
                    json!(["arn:aws:sqs:eu-west-1:111122223333:q"]),
                    Value::Null
                ),
                (json!("cloudtrail:LookupEvents"), json!("*"), Value::Null),
                (json!("cloudtrail:ListPublicKeys"), json!("*"), Value::Null),
                (
                    json!("kms:Decrypt"),
                    json!("*"),
                    json!({"StringLike": {"kms:ViaService": ["s3.*.amazonaws.com", "sqs.*.amazonaws.com"]}})
                ),
            ]
        );
        // Every call of every source is allowed by one of these, or needs no permission.
        let text = policy.to_string();
        let needed = super::super::CALLS.iter().filter_map(|call| call.iam_action());
        assert!(needed.into_iter().all(|action| text.contains(&action)), "{text}");
    }

    #[test]
    fn a_whole_bucket_has_no_condition_and_one_source_no_action_of_another() {
        let wanted = Wanted { addresses: vec!["s3://b".parse().unwrap()], ..Wanted::default() };
        let policy = policy(&wanted, "aws-cn");
        assert_eq!(policy["Statement"][0].get("Condition"), None);
        assert_eq!(policy["Statement"][1]["Resource"], "arn:aws-cn:s3:::b/*");
        assert_eq!(policy["Statement"].as_array().unwrap().len(), 3);
        assert!(policy["Statement"][2].to_string().contains("s3.*.amazonaws.com.cn"));
    }
}
