//! IAM policy documents: identity policies and resource policies, such as those of buckets.
//!
//! A document is read as the [grammar](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html)
//! says: a single value stands for a list of one, actions, condition operators and condition keys are compared
//! without regard to case, resources with. Whatever else stands in it, such as an element that the grammar
//! does not know, is a [`Mistake`], because nobody knows what it would do.
//!
//! Policy variables such as `${aws:username}` stay text: they match nothing but themselves, and never bind a
//! statement to anybody.

mod access;
mod admin;
mod delegation;
mod pattern;
mod public;
mod tls;

use serde_json::{Map, Value};

use super::{Mistake, shape};

pub(crate) use access::public_access;
pub(crate) use admin::grants_admin;
pub(crate) use delegation::delegated_accounts;
pub(crate) use pattern::Pattern;
pub(crate) use public::{public_statements, services_without_source};
pub(crate) use tls::requires_tls;

/// More statements than a policy can have.
const MOST_STATEMENTS: usize = 1_000;
/// As many characters as the largest kind of resource policy can have (a KMS key policy, 32 KiB).
const MOST_OF_RESOURCE_POLICY: usize = 32_768;
/// More characters than an identity policy has. AWS's quota of 6,144 does not hold for the managed policies
/// that it writes itself: `ReadOnlyAccess` has 95,000, the largest of all 152,000.
const MOST_OF_IDENTITY_POLICY: usize = 524_288;
/// Longest ARN.
const LONGEST_PATTERN: usize = 2_048;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

/// A statement of a policy.
#[derive(Debug)]
struct Statement<'a> {
    source: &'a Value,
    effect: Effect,
    /// None in identity policies.
    principals: Option<Principals>,
    actions: Choice,
    /// None in the policies of some services, where the resource goes without saying.
    resources: Option<Choice>,
    conditions: Vec<Condition<'a>>,
}

/// Whom a statement is about.
#[derive(Debug, Clone, Copy)]
struct Principals {
    /// Whether it is `NotPrincipal`.
    all_but: bool,
    /// Whether `*` is among them, on its own or as an AWS principal.
    star: bool,
    /// Whether `*` is among the principals of another type.
    other_star: bool,
    /// Whether a service of AWS is among them.
    service: bool,
}

impl Principals {
    /// Whether the statement reaches people whom it does not name.
    const fn are_open(self) -> bool {
        if self.all_but { !self.star } else { self.star || self.other_star }
    }

    /// Whether nobody escapes the statement.
    const fn are_all(self) -> bool {
        !self.all_but && self.star
    }
}

/// `Action` or `Resource`, or all but those.
#[derive(Debug)]
struct Choice {
    /// Whether it is `NotAction` or `NotResource`.
    all_but: bool,
    patterns: Vec<Pattern>,
}

impl Choice {
    /// Whether one of the patterns covers another.
    fn names(&self, pattern: &Pattern) -> bool {
        self.patterns.iter().any(|mine| mine.covers(pattern))
    }
}

/// One key of one operator; the values are alternatives.
#[derive(Debug)]
struct Condition<'a> {
    /// In lower case.
    operator: String,
    /// In lower case.
    key: String,
    values: Vec<Text<'a>>,
}

/// A value of a condition: numbers and bools may be written without quotation marks.
type Text<'a> = std::borrow::Cow<'a, str>;

/// The statements of a policy that has at most so many characters; a null policy has none.
fn statements(policy: &Value, most_characters: usize) -> Result<Vec<Statement<'_>>, Mistake> {
    if policy.is_null() {
        return Ok(Vec::new());
    }
    let document = shape::map(policy, "the policy")?;
    let listed = one_or_more(shape::member(document, "Statement", "the policy")?);
    if listed.len() > MOST_STATEMENTS {
        return Err(too_large());
    }
    let mut reader = Reader { left: most_characters };
    listed.iter().map(|statement| reader.statement(statement)).collect()
}

fn one_or_more(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        one => std::slice::from_ref(one),
    }
}

fn too_large() -> Mistake {
    Mistake::new("the policy is larger than AWS allows")
}

/// Reads statements and counts their characters, so that no document takes long.
struct Reader {
    /// Characters that may still come.
    left: usize,
}

impl Reader {
    fn statement<'a>(&mut self, source: &'a Value) -> Result<Statement<'a>, Mistake> {
        const KNOWN: [&str; 9] = [
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ];
        let statement = shape::map(source, "a statement")?;
        if statement.keys().any(|key| !KNOWN.contains(&key.as_str())) {
            return Err(Mistake::new("a statement has an element that policies do not know"));
        }
        let effect = match shape::text(shape::member(statement, "Effect", "a statement")?, "`Effect`")? {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            _ => return Err(Mistake::new("the effect of a statement is neither `Allow` nor `Deny`")),
        };
        let actions = self
            .choice(statement, "Action", "NotAction", Pattern::of_actions)?
            .ok_or_else(|| Mistake::new("a statement has no `Action`"))?;
        Ok(Statement {
            source,
            effect,
            principals: self.principals(statement)?,
            actions,
            resources: self.choice(statement, "Resource", "NotResource", Pattern::new)?,
            conditions: self.conditions(statement)?,
        })
    }

    fn choice(
        &mut self,
        statement: &Map<String, Value>,
        these: &str,
        all_but_these: &str,
        pattern: impl Fn(&str) -> Pattern,
    ) -> Result<Option<Choice>, Mistake> {
        let Some((all_but, value)) = either(statement, these, all_but_these)? else {
            return Ok(None);
        };
        let mut patterns = Vec::new();
        for one in one_or_more(value) {
            let text = self.count(shape::text(one, &format!("`{these}`"))?)?;
            if text.len() > LONGEST_PATTERN {
                return Err(too_large());
            }
            patterns.push(pattern(text));
        }
        Ok(Some(Choice { all_but, patterns }))
    }

    fn principals(&mut self, statement: &Map<String, Value>) -> Result<Option<Principals>, Mistake> {
        let Some((all_but, value)) = either(statement, "Principal", "NotPrincipal")? else {
            return Ok(None);
        };
        let mut principals = Principals { all_but, star: false, other_star: false, service: false };
        if let Value::String(one) = value {
            if one != "*" {
                return Err(Mistake::new("a principal that is a text is not `*`"));
            }
            principals.star = true;
            return Ok(Some(principals));
        }
        for (kind, named) in shape::map(value, "`Principal`")? {
            for one in one_or_more(named) {
                let is_star = self.count(shape::text(one, "a principal")?)? == "*";
                if kind == "AWS" {
                    principals.star |= is_star;
                } else {
                    principals.other_star |= is_star;
                    principals.service |= kind == "Service";
                }
            }
        }
        Ok(Some(principals))
    }

    fn conditions<'a>(&mut self, statement: &'a Map<String, Value>) -> Result<Vec<Condition<'a>>, Mistake> {
        let Some(operators) = statement.get("Condition") else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for (operator, keys) in shape::map(operators, "`Condition`")? {
            for (key, values) in shape::map(keys, "a condition")? {
                found.push(Condition {
                    operator: self.count(operator)?.to_ascii_lowercase(),
                    key: self.count(key)?.to_ascii_lowercase(),
                    values: one_or_more(values)
                        .iter()
                        .map(|value| self.value(value))
                        .collect::<Result<_, _>>()?,
                });
            }
        }
        Ok(found)
    }

    fn value<'a>(&mut self, value: &'a Value) -> Result<Text<'a>, Mistake> {
        let text = match value {
            Value::String(text) => Text::Borrowed(text.as_str()),
            Value::Bool(_) | Value::Number(_) => Text::Owned(value.to_string()),
            _ => {
                return Err(Mistake::new("a value of a condition is neither a text nor a number nor a bool"));
            }
        };
        self.count(&text)?;
        Ok(text)
    }

    fn count<'a>(&mut self, text: &'a str) -> Result<&'a str, Mistake> {
        // An empty text takes room in a document as well.
        self.left = self.left.checked_sub(text.len().max(1)).ok_or_else(too_large)?;
        Ok(text)
    }
}

/// The value of the one element or of the other, and whether it is the other; both at once is no policy.
fn either<'a>(
    statement: &'a Map<String, Value>,
    these: &str,
    all_but_these: &str,
) -> Result<Option<(bool, &'a Value)>, Mistake> {
    match (statement.get(these), statement.get(all_but_these)) {
        (Some(_), Some(_)) => {
            Err(Mistake::new(format!("a statement has both `{these}` and `{all_but_these}`")))
        }
        (Some(value), None) => Ok(Some((false, value))),
        (None, Some(value)) => Ok(Some((true, value))),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests;
