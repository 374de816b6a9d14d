//! Whom an organization's delegation policy lets manage its policies.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use super::super::shape;
use super::pattern::Pattern;
use super::{Effect, MOST_OF_RESOURCE_POLICY, Mistake, one_or_more, statements};
use crate::accounts::is_account_id;

/// Actions that change policies or what they hold for. Those that only read them manage nothing.
const MANAGING: [&str; 7] = [
    "organizations:AttachPolicy",
    "organizations:CreatePolicy",
    "organizations:DeletePolicy",
    "organizations:DetachPolicy",
    "organizations:DisablePolicyType",
    "organizations:EnablePolicyType",
    "organizations:UpdatePolicy",
];

static MANAGEMENT: LazyLock<Vec<Pattern>> =
    LazyLock::new(|| MANAGING.iter().map(|action| Pattern::of_actions(action)).collect());

/// The ids of the accounts that an Allow statement of
/// [the policy](https://docs.aws.amazon.com/organizations/latest/userguide/orgs-policy-delegate.html) gives an action
/// that manages policies, to the account or to somebody in it. A null policy delegates to nobody.
///
/// # Errors
///
/// The policy is not one, or delegates to somebody whose account it does not name.
pub(crate) fn delegated_accounts(policy: &Value) -> Result<Vec<String>, Mistake> {
    let mut accounts = BTreeSet::new();
    for statement in statements(policy, MOST_OF_RESOURCE_POLICY)? {
        let manages = if statement.actions.all_but {
            MANAGEMENT.iter().any(|action| !statement.actions.names(action))
        } else {
            MANAGEMENT.iter().any(|action| statement.actions.names(action))
        };
        if statement.effect != Effect::Allow || !manages {
            continue;
        }
        let named = statement.source.get("Principal").and_then(|principal| principal.get("AWS"));
        let named = named.ok_or_else(|| Mistake::new("a statement that delegates names no AWS principal"))?;
        for principal in one_or_more(named) {
            accounts.insert(account(shape::text(principal, "a principal")?)?.to_owned());
        }
    }
    Ok(accounts.into_iter().collect())
}

/// The account of a principal: an id, or the ARN of the account or of somebody in it.
fn account(principal: &str) -> Result<&str, Mistake> {
    let id = if principal.starts_with("arn:") {
        principal.split(':').nth(4).unwrap_or_default()
    } else {
        principal
    };
    if is_account_id(id) {
        Ok(id)
    } else {
        Err(Mistake::new("a principal of a statement that delegates names no account"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn delegated(principal: Value, action: Value) -> Result<Vec<String>, Mistake> {
        delegated_accounts(&json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*" },
        ] }))
    }

    #[test]
    fn accounts_are_named_by_id_and_by_arn() {
        for principal in
            ["444455556666", "arn:aws:iam::444455556666:root", "arn:aws-cn:iam::444455556666:role/a/b"]
        {
            let found = delegated(json!({ "AWS": principal }), json!("organizations:AttachPolicy"));
            assert_eq!(found, Ok(vec!["444455556666".to_owned()]), "{principal}");
        }
        let both = json!({ "AWS": ["444455556666", "arn:aws:iam::111122223333:root", "111122223333"] });
        let found = delegated(both, json!(["organizations:List*", "ORGANIZATIONS:*"]));
        assert_eq!(found, Ok(vec!["111122223333".to_owned(), "444455556666".to_owned()]));
    }

    #[test]
    fn reading_policies_is_not_managing_them() {
        for action in ["organizations:Describe*", "organizations:List*", "organizations:MoveAccount", "iam:*"]
        {
            assert_eq!(delegated(json!({ "AWS": "444455556666" }), json!(action)), Ok(vec![]), "{action}");
        }
        for action in ["*", "organizations:*Policy", "organizations:EnablePolicyType"] {
            assert_eq!(
                delegated(json!({ "AWS": "444455556666" }), json!(action)).unwrap().len(),
                1,
                "{action}"
            );
        }
    }

    #[test]
    fn a_denial_delegates_nothing_and_a_missing_policy_neither() {
        let denied = json!({ "Statement": {
            "Effect": "Deny", "Principal": { "AWS": "444455556666" }, "Action": "organizations:*", "Resource": "*",
        } });
        assert_eq!(delegated_accounts(&denied), Ok(vec![]));
        assert_eq!(delegated_accounts(&Value::Null), Ok(vec![]));
    }

    #[test]
    fn whom_nobody_can_name_is_not_an_account() {
        for principal in [
            json!("*"),
            json!({ "AWS": "*" }),
            json!({ "Service": "a.amazonaws.com" }),
            json!({ "AWS": "AIDA1" }),
        ] {
            assert!(delegated(principal.clone(), json!("organizations:*")).is_err(), "{principal}");
        }
    }
}
