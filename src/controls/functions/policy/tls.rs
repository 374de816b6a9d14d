//! Bucket policies that refuse requests without TLS.

use serde_json::Value;

use super::pattern::Pattern;
use super::{Choice, Condition, Effect, MOST_OF_RESOURCE_POLICY, Mistake, Statement, statements};

/// Lowest version that a Deny of older ones must ask for.
const LOWEST_VERSION: f64 = 1.2;

/// Whether a bucket policy refuses every request without TLS about the objects of the bucket, and, with
/// `include_bucket`, about the bucket itself.
///
/// That takes Deny statements for everyone, of every action of S3, on every object, that hold whenever
/// [`aws:SecureTransport`](https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html)
/// is false, or `s3:TlsVersion` is lower than 1.2. Statements add up: one for the bucket and one for the
/// objects, or one for some actions and one for all others. A statement that has another condition besides,
/// that spares anybody, or that is about some objects only does not count.
///
/// # Errors
///
/// The policy is not null and not a resource policy.
pub(crate) fn requires_tls(policy: &Value, bucket_arn: &str, include_bucket: bool) -> Result<bool, Mistake> {
    let mut refusals = Vec::new();
    for statement in statements(policy, MOST_OF_RESOURCE_POLICY)? {
        if refuses_everyone_without_tls(&statement)? {
            refusals.push(statement);
        }
    }
    let objects = format!("{bucket_arn}/");
    let about_objects = refusals.iter().filter(|refusal| includes_objects(refusal, &objects));
    let about_bucket = refusals.iter().filter(|refusal| includes_bucket(refusal, bucket_arn));
    Ok(are_all_actions(about_objects) && (!include_bucket || are_all_actions(about_bucket)))
}

fn refuses_everyone_without_tls(statement: &Statement<'_>) -> Result<bool, Mistake> {
    let principals = statement.principals.ok_or_else(|| Mistake::new("a statement has no `Principal`"))?;
    Ok(statement.effect == Effect::Deny
        && principals.are_all()
        && statement.conditions.iter().all(holds_without_tls))
}

/// Whether a condition holds for every request without TLS.
fn holds_without_tls(condition: &Condition<'_>) -> bool {
    let operator = condition.operator.strip_suffix("ifexists").unwrap_or(&condition.operator);
    match (operator, condition.key.as_str()) {
        ("bool", "aws:securetransport") => {
            condition.values.iter().any(|value| value.eq_ignore_ascii_case("false"))
        }
        ("numericlessthan", "s3:tlsversion") => condition.values.iter().any(|value| {
            value.parse::<f64>().is_ok_and(|version| version.is_finite() && version >= LOWEST_VERSION)
        }),
        _ => false,
    }
}

fn includes_objects(statement: &Statement<'_>, objects: &str) -> bool {
    statement.resources.as_ref().is_some_and(|resources| {
        if resources.all_but {
            !resources.patterns.iter().any(|pattern| pattern.has_variable() || pattern.may_begin(objects))
        } else {
            resources.names(&Pattern::beginning(objects))
        }
    })
}

fn includes_bucket(statement: &Statement<'_>, bucket_arn: &str) -> bool {
    let bucket = Pattern::exactly(bucket_arn);
    statement.resources.as_ref().is_some_and(|resources| {
        if resources.all_but {
            !resources.patterns.iter().any(|pattern| pattern.has_variable() || pattern.covers(&bucket))
        } else {
            resources.names(&bucket)
        }
    })
}

/// Whether the statements together are about every action of S3, those that do not exist yet included.
fn are_all_actions<'a>(statements: impl Iterator<Item = &'a Statement<'a>>) -> bool {
    let every_action = Pattern::beginning("s3:");
    let (but_some, these): (Vec<&Choice>, Vec<&Choice>) =
        statements.map(|statement| &statement.actions).partition(|actions| actions.all_but);
    let is_named = |pattern: &Pattern| these.iter().any(|actions| actions.names(pattern));
    let none_is_left = |actions: &&Choice| {
        actions.patterns.iter().all(|pattern| !pattern.may_begin("s3:") || is_named(pattern))
    };
    is_named(&every_action) || but_some.iter().any(none_is_left)
}

#[cfg(test)]
mod tests;
