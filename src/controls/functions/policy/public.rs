//! Statements of resource policies that are open to everyone.
//!
//! What counts as open is AWS's own
//! [meaning of public](https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status),
//! which its block of public access goes by: an Allow for everyone, unless a condition binds it to fixed callers
//! or networks. For ARNs a fixed account is enough here, because everybody in it is known to somebody.

use serde_json::Value;

use super::pattern::Pattern;
use super::{Choice, Condition, Effect, MOST_OF_RESOURCE_POLICY, Mistake, Principals, Statement, statements};
use crate::accounts::is_account_id;
use crate::controls::functions::network;

/// The Allow statements that are open to everyone, as they are written.
///
/// Everyone is principal `*`, alone or in a list, and an Allow with `NotPrincipal`. A condition narrows such
/// a statement when it must hold (no `IfExists`, no `Null`, no `ForAllValues`, nothing negated) and each of its
/// values names known callers: an account, an organization, a VPC or endpoint, an ARN with a fixed account,
/// a network. A Deny that names everyone voids an Allow that it covers, if it is unconditional or holds for
/// all but known callers.
///
/// # Errors
///
/// The policy is not null and not a resource policy.
pub(crate) fn public_statements(policy: &Value) -> Result<Vec<Value>, Mistake> {
    let statements = statements(policy, MOST_OF_RESOURCE_POLICY)?;
    Ok(public(&statements)?.into_iter().map(|statement| statement.source.clone()).collect())
}

/// The Allow statements that let a service of AWS act for anybody, as they are written.
///
/// A service comes at the wish of whoever configured it, in any account, unless a condition binds it to the
/// resource, account or organization that it must come for: the
/// [confused deputy](https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html). The event source token
/// that Alexa sends binds it as well. Denials count as in [`public_statements`].
///
/// # Errors
///
/// The policy is not null and not a resource policy.
pub(crate) fn services_without_source(policy: &Value) -> Result<Vec<Value>, Mistake> {
    let statements = statements(policy, MOST_OF_RESOURCE_POLICY)?;
    let open = undenied(&statements, |principals, conditions| {
        if principals.all_but || !principals.service {
            return Ok(false);
        }
        let named = conditions.iter().filter(|condition| names_source(&condition.key));
        Ok(!is_bound(named)? && !conditions.iter().any(has_fixed_token))
    })?;
    Ok(open.into_iter().map(|statement| statement.source.clone()).collect())
}

/// Whether the key says for whom a service comes.
fn names_source(key: &str) -> bool {
    matches!(
        key,
        "aws:sourceaccount" | "aws:sourcearn" | "aws:sourceorgid" | "aws:sourceorgpaths" | "aws:sourceowner"
    )
}

/// Alexa sends the id of the skill, and none of the keys that others send
/// ([permissions](https://docs.aws.amazon.com/lambda/latest/dg/services-alexa.html)).
fn has_fixed_token(condition: &Condition<'_>) -> bool {
    let is_text = Operator::parse(&condition.operator)
        .is_some_and(|operator| operator.comparison == Comparison::Text && !operator.negated);
    condition.key == "lambda:eventsourcetoken"
        && is_text
        && condition.values.iter().all(|value| is_fixed(value))
}

/// The statements that are open to everyone.
pub(super) fn public<'a>(statements: &'a [Statement<'a>]) -> Result<Vec<&'a Statement<'a>>, Mistake> {
    undenied(statements, is_open)
}

/// The Allow statements that are open, without those that a Deny voids.
fn undenied<'a>(
    statements: &'a [Statement<'a>],
    is_open: impl Fn(Principals, &[Condition<'_>]) -> Result<bool, Mistake>,
) -> Result<Vec<&'a Statement<'a>>, Mistake> {
    let mut open = Vec::new();
    let mut denials = Vec::new();
    for statement in statements {
        let principals =
            statement.principals.ok_or_else(|| Mistake::new("a statement has no `Principal`"))?;
        match statement.effect {
            Effect::Allow if is_open(principals, &statement.conditions)? => open.push(statement),
            Effect::Deny if refuses_strangers(principals, &statement.conditions)? => denials.push(statement),
            Effect::Allow | Effect::Deny => {}
        }
    }
    open.retain(|allow| !denials.iter().any(|deny| covers(deny, allow)));
    Ok(open)
}

fn is_open(principals: Principals, conditions: &[Condition<'_>]) -> Result<bool, Mistake> {
    Ok(principals.are_open() && !is_bound(conditions)?)
}

/// Whether one of the conditions must hold and names known callers only.
fn is_bound<'c, 'a: 'c>(conditions: impl IntoIterator<Item = &'c Condition<'a>>) -> Result<bool, Mistake> {
    for condition in conditions {
        let must_hold = Operator::parse(&condition.operator).filter(|operator| !operator.negated);
        if let Some(operator) = must_hold
            && names_known_callers(condition, operator)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a Deny reaches everyone but known callers, or everyone. A request without the key is reached
/// as well: a negated operator holds for it.
fn refuses_strangers(principals: Principals, conditions: &[Condition<'_>]) -> Result<bool, Mistake> {
    if !principals.are_all() {
        return Ok(false);
    }
    match conditions {
        [] => Ok(true),
        [only] => {
            let operator = only.operator.strip_suffix("ifexists").unwrap_or(&only.operator);
            match Operator::parse(operator).filter(|operator| operator.negated) {
                Some(operator) => names_known_callers(only, operator),
                None => Ok(false),
            }
        }
        _ => Ok(false),
    }
}

/// Whether one statement is about every action and resource that another is about.
fn covers(deny: &Statement<'_>, allow: &Statement<'_>) -> bool {
    let choice = |deny: &Choice, allow: &Choice| {
        let is_denied = |pattern| !Pattern::has_variable(pattern) && deny.names(pattern);
        !deny.all_but && !allow.all_but && allow.patterns.iter().all(is_denied)
    };
    let resources = match (&deny.resources, &allow.resources) {
        (Some(deny), Some(allow)) => choice(deny, allow),
        (None, None) => true,
        _ => false,
    };
    choice(&deny.actions, &allow.actions) && resources
}

/// A condition operator that can bind a statement to somebody.
#[derive(Debug, Clone, Copy)]
struct Operator {
    comparison: Comparison,
    negated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// The value as a text, with or without wildcards.
    Text,
    /// The value as an ARN, whose parts are compared one by one.
    Arn,
    Address,
}

impl Operator {
    /// `ForAllValues` binds nothing, because it holds for a request without the key.
    fn parse(operator: &str) -> Option<Self> {
        let of_one = operator.strip_prefix("foranyvalue:");
        let (comparison, negated) = match of_one.unwrap_or(operator) {
            "stringequals" | "stringequalsignorecase" | "stringlike" => (Comparison::Text, false),
            "stringnotequals" | "stringnotequalsignorecase" | "stringnotlike" => (Comparison::Text, true),
            "arnequals" | "arnlike" => (Comparison::Arn, false),
            "arnnotequals" | "arnnotlike" => (Comparison::Arn, true),
            "ipaddress" => (Comparison::Address, false),
            "notipaddress" => (Comparison::Address, true),
            _ => return None,
        };
        // `ForAnyValue` with a negated operator does not hold for a request without the key.
        (of_one.is_none() || !negated).then_some(Self { comparison, negated })
    }
}

/// Whether every value of a condition names callers or networks that somebody knows.
fn names_known_callers(condition: &Condition<'_>, operator: Operator) -> Result<bool, Mistake> {
    let Some(kind) = Kind::of(&condition.key) else {
        return Ok(false);
    };
    if kind == Kind::Network || operator.comparison == Comparison::Address {
        if kind != Kind::Network || operator.comparison != Comparison::Address {
            return Ok(false);
        }
        let ranges: Vec<&str> = condition.values.iter().map(AsRef::as_ref).collect();
        return network::are_known_networks(&ranges);
    }
    Ok(condition.values.iter().all(|value| kind.is_known(value, operator.comparison)))
}

/// What the value of a condition key says about the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An id, which is fixed or says nothing.
    Id,
    /// An ARN, in which the account must be fixed.
    Arn,
    /// A path in an organization, whose first part is the id of the organization.
    OrganizationPath,
    /// A range of addresses.
    Network,
}

impl Kind {
    fn of(key: &str) -> Option<Self> {
        match key {
            "aws:principalaccount"
            | "aws:principalorgid"
            | "aws:principalservicename"
            | "aws:sourceaccount"
            | "aws:sourceorgid"
            | "aws:sourceowner"
            | "aws:sourcevpc"
            | "aws:sourcevpce"
            | "aws:userid"
            | "aws:vpceaccount"
            | "aws:vpceorgid"
            | "kms:calleraccount"
            | "s3:dataaccesspointaccount" => Some(Self::Id),
            "aws:principalarn" | "aws:sourcearn" | "s3:dataaccesspointarn" => Some(Self::Arn),
            "aws:principalorgpaths" | "aws:sourceorgpaths" | "aws:vpceorgpaths" => {
                Some(Self::OrganizationPath)
            }
            "aws:sourceip" => Some(Self::Network),
            _ => None,
        }
    }

    fn is_known(self, value: &str, comparison: Comparison) -> bool {
        match self {
            Self::Id => is_fixed(value),
            Self::Arn => is_fixed(value) || has_fixed_account(value, comparison),
            Self::OrganizationPath => {
                value.split_once('/').is_some_and(|(id, _)| is_fixed(id)) && !has_variable(value)
            }
            Self::Network => false,
        }
    }
}

fn has_variable(value: &str) -> bool {
    value.contains("${")
}

/// AWS takes a value with a wildcard for none, whatever the operator.
fn is_fixed(value: &str) -> bool {
    !value.is_empty() && !value.contains(['*', '?']) && !has_variable(value)
}

/// Whether an ARN with wildcards fits one account only.
fn has_fixed_account(value: &str, comparison: Comparison) -> bool {
    let mut parts = value.splitn(6, ':');
    let (Some("arn"), Some(partition), Some(service), Some(region), Some(account), Some(_)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    // In a comparison as text a wildcard runs across colons. Behind `arn:aws:iam:*` an account could hide
    // in the path of a stranger's user; what other services put into ARNs cannot hold a colon and digits.
    let wildcard_stays = comparison == Comparison::Arn
        || is_fixed(partition)
            && is_fixed(service)
            && (!region.contains(['*', '?']) || !matches!(service, "iam" | "sts"));
    is_account_id(account) && wildcard_stays && !has_variable(value)
}

#[cfg(test)]
mod tests;
