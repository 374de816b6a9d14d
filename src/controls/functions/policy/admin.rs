//! Statements of identity policies that allow everything.

use std::sync::LazyLock;

use serde_json::Value;

use super::pattern::Pattern;
use super::{Choice, Effect, MOST_OF_IDENTITY_POLICY, Mistake, statements};

/// AWS partitions, as in the second part of an ARN.
const PARTITIONS: [&str; 8] =
    ["aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"];

static EVERY_ACTION: LazyLock<Pattern> = LazyLock::new(|| Pattern::new("?*:?*"));
static ALL_OF_IAM: LazyLock<Pattern> = LazyLock::new(|| Pattern::beginning("iam:"));
static EVERY_RESOURCE: LazyLock<Vec<Pattern>> = LazyLock::new(|| every_arn(""));
static RESOURCES_OF_IAM: LazyLock<Vec<Pattern>> = LazyLock::new(|| every_arn("iam::"));

fn every_arn(of: &str) -> Vec<Pattern> {
    PARTITIONS.iter().map(|partition| Pattern::beginning(&format!("arn:{partition}:{of}"))).collect()
}

/// The Allow statements that allow every action on every resource, as they are written.
///
/// - A condition does not make them less: with MFA, or from one address, it is still everything.
/// - `NotAction` and `NotResource` are everything unless they take IAM as a whole away: who keeps any part of
///   it can give the rest to themselves, and `PowerUserAccess` is not an administrator.
/// - A Deny elsewhere is not counted against them.
///
/// # Errors
///
/// The policy is not null and not an identity policy.
pub(crate) fn grants_admin(policy: &Value) -> Result<Vec<Value>, Mistake> {
    let mut found = Vec::new();
    for statement in statements(policy, MOST_OF_IDENTITY_POLICY)? {
        let resources =
            statement.resources.as_ref().ok_or_else(|| Mistake::new("a statement has no `Resource`"))?;
        if statement.effect == Effect::Allow
            && is_every_action(&statement.actions)
            && is_every_resource(resources)
        {
            found.push(statement.source.clone());
        }
    }
    Ok(found)
}

fn is_every_action(actions: &Choice) -> bool {
    if actions.all_but { !actions.names(&ALL_OF_IAM) } else { actions.names(&EVERY_ACTION) }
}

/// `arn:aws:*` is every resource as well, though not `*`.
fn is_every_resource(resources: &Choice) -> bool {
    let names_any = |patterns: &[Pattern]| patterns.iter().any(|pattern| resources.names(pattern));
    if resources.all_but { !names_any(&RESOURCES_OF_IAM) } else { names_any(&EVERY_RESOURCE) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_admin(statement: Value) -> bool {
        !grants_admin(&json!({ "Version": "2012-10-17", "Statement": statement })).unwrap().is_empty()
    }

    fn allow(action: Value, resource: Value) -> Value {
        json!({ "Effect": "Allow", "Action": action, "Resource": resource })
    }

    #[test]
    fn every_spelling_of_everything_is_everything() {
        for action in ["*", "*:*", "**", "?*", "*:?*", "?*:*"] {
            assert!(is_admin(allow(json!(action), json!("*"))), "{action}");
            assert!(is_admin(allow(json!(["s3:Get*", action]), json!(["arn:aws:s3:::a", "*"]))), "{action}");
        }
        for resource in ["*", "**", "arn:*", "arn:aws:*", "*:*", "arn:aws-us-gov:*"] {
            assert!(is_admin(allow(json!("*"), json!(resource))), "{resource}");
        }
    }

    #[test]
    fn all_of_a_service_or_of_a_bucket_is_not_everything() {
        for action in ["s3:*", "iam:*", "s*", "*:Get*", "??:*", "", "a*:*"] {
            assert!(!is_admin(allow(json!(action), json!("*"))), "{action}");
        }
        for resource in ["arn:aws:s3:::*", "arn:aws:iam::*", "arn:aws:s3:::a/*", "?", "", "${*}"] {
            assert!(!is_admin(allow(json!("*"), json!(resource))), "{resource}");
        }
        assert!(!is_admin(allow(json!([]), json!([]))));
    }

    #[test]
    fn everything_but_little_is_everything() {
        let but = |action: &[&str]| json!({ "Effect": "Allow", "NotAction": action, "Resource": "*" });
        assert!(is_admin(but(&["aws-portal:ModifyBilling"])));
        assert!(is_admin(but(&["iam:CreateUser", "s3:*"])));
        assert!(is_admin(but(&[])));
        assert!(!is_admin(but(&["iam:*", "organizations:*", "account:*"])));
        assert!(!is_admin(but(&["IAM:*"])));
        assert!(!is_admin(but(&["*"])));

        let but = |resource: Value| json!({ "Effect": "Allow", "Action": "*", "NotResource": resource });
        assert!(is_admin(but(json!(["arn:aws:s3:::audit-log/*"]))));
        assert!(!is_admin(but(json!("arn:aws:iam::*"))));
        assert!(!is_admin(but(json!("*"))));
    }

    #[test]
    fn conditions_do_not_make_it_less_and_denials_grant_nothing() {
        let mut guarded = allow(json!("*"), json!("*"));
        guarded["Condition"] = json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" } });
        assert!(is_admin(guarded));
        assert!(!is_admin(json!({ "Effect": "Deny", "Action": "*", "Resource": "*" })));
        assert!(is_admin(json!([
            { "Effect": "Deny", "Action": "*", "Resource": "*" },
            { "Effect": "Allow", "Action": "*", "Resource": "*" },
        ])));
    }

    #[test]
    fn the_statements_are_given_as_they_are_written() {
        let admin = json!({ "Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*" });
        let policy = json!({ "Statement": [allow(json!("s3:*"), json!("*")), admin] });
        assert_eq!(grants_admin(&policy), Ok(vec![admin]));
        assert_eq!(grants_admin(&Value::Null), Ok(vec![]));
        assert!(grants_admin(&json!({ "Statement": { "Effect": "Allow", "Action": "*" } })).is_err());
    }
}
