//! The functions of the expression language: those of CEL that we allow, and the domain's own.

use std::borrow::Cow;

use cel::common::types::{CelBool, CelDouble, CelInt, CelNull, CelString, DYN_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError};
use serde_json::Value;

use super::view::{self, ListView, PARTIAL_LIST};
use crate::collect::schema::Type;
use crate::collect::{Kind, cloudtrail, cloudwatch, logs, sns};
use crate::controls::functions as domain;

/// A function that expressions may call, with its types and one sentence about it.
#[derive(Debug)]
pub struct Function {
    /// Name.
    pub name: &'static str,
    /// Types of the arguments.
    pub arguments: fn() -> Vec<Type>,
    /// Type of the result.
    pub result: fn() -> Type,
    /// What it gives.
    pub doc: &'static str,
    /// What it reads beyond its arguments: resource types, and fields of them.
    pub(super) reads: &'static [(&'static Kind, Option<&'static str>)],
    call: for<'b, 'v> fn(Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError>,
}

fn list_of(ty: Type) -> Type {
    Type::List(Box::new(ty))
}

fn or_null(ty: Type) -> Type {
    Type::Nullable(Box::new(ty))
}

/// The domain's functions.
pub static FUNCTIONS: &[Function] = &[
    Function {
        name: "days_between",
        arguments: || vec![Type::String, Type::String],
        result: || Type::Double,
        doc: "Days from one time to another, with fraction; negative when the second is earlier.",
        reads: &[],
        call: |args| {
            answer("days_between", &args, |a| {
                Ok(domain::days_between(string(a, 0)?, string(a, 1)?).map_err(wrong)?.into())
            })
        },
    },
    Function {
        name: "newest",
        arguments: || vec![list_of(or_null(Type::String))],
        result: || or_null(Type::String),
        doc: "The latest of a list of times, of which some may be null; null when there is none.",
        reads: &[],
        call: |args| {
            answer("newest", &args, |a| {
                let times: Vec<Option<&str>> = list(a, 0)?.iter().map(Value::as_str).collect();
                Ok(domain::newest(&times).map_err(wrong)?.map_or(Value::Null, Value::from))
            })
        },
    },
    Function {
        name: "grants_admin",
        arguments: || vec![or_null(Type::Policy)],
        result: || list_of(Type::Any),
        doc: "The statements of a policy that allow everything.",
        reads: &[],
        call: |args| {
            answer("grants_admin", &args, |a| {
                Ok(Value::Array(domain::grants_admin(value(a, 0)?).map_err(wrong)?))
            })
        },
    },
    Function {
        name: "delegated_accounts",
        arguments: || vec![or_null(Type::Policy)],
        result: || list_of(Type::String),
        doc: "The accounts that an organization's delegation policy lets manage policies.",
        reads: &[],
        call: |args| {
            answer("delegated_accounts", &args, |a| {
                Ok(domain::delegated_accounts(value(a, 0)?).map_err(wrong)?.into())
            })
        },
    },
    Function {
        name: "public_statements",
        arguments: || vec![or_null(Type::Policy)],
        result: || list_of(Type::Any),
        doc: "The statements that are open to everyone.",
        reads: &[],
        call: |args| {
            answer("public_statements", &args, |a| {
                Ok(Value::Array(domain::public_statements(value(a, 0)?).map_err(wrong)?))
            })
        },
    },
    Function {
        name: "services_without_source",
        arguments: || vec![or_null(Type::Policy)],
        result: || list_of(Type::Any),
        doc: "The statements that let a service of AWS act for anybody, because no condition says for whom.",
        reads: &[],
        call: |args| {
            answer("services_without_source", &args, |a| {
                Ok(Value::Array(domain::services_without_source(value(a, 0)?).map_err(wrong)?))
            })
        },
    },
    Function {
        name: "public_access",
        arguments: || vec![or_null(Type::Policy)],
        result: || list_of(Type::String),
        doc: "What the public statements open: any of `list`, `read`, `write`, `permissions`.",
        reads: &[],
        call: |args| {
            answer("public_access", &args, |a| Ok(domain::public_access(value(a, 0)?).map_err(wrong)?.into()))
        },
    },
    Function {
        name: "requires_tls",
        arguments: || vec![or_null(Type::Policy), Type::String, Type::Bool],
        result: || Type::Bool,
        doc: "Whether a bucket policy refuses requests without TLS, for objects and (third argument) the bucket.",
        reads: &[],
        call: |args| {
            answer("requires_tls", &args, |a| {
                let include_bucket =
                    value(a, 2)?.as_bool().ok_or_else(|| wrong("the third argument is no bool"))?;
                Ok(domain::requires_tls(value(a, 0)?, string(a, 1)?, include_bucket).map_err(wrong)?.into())
            })
        },
    },
    Function {
        name: "open_ports",
        arguments: || {
            vec![
                list_of(Type::Any),
                or_null(Type::Map(Box::new(Type::Any))),
                Type::String,
                list_of(Type::Int),
            ]
        },
        result: || list_of(Type::Int),
        doc: "Those of the ports that the rules of a security group open to the whole internet.",
        reads: &[],
        call: |args| {
            answer("open_ports", &args, |a| {
                let ports = integers(a, 3)?;
                Ok(domain::open_ports(value(a, 0)?, value(a, 1)?, string(a, 2)?, &ports)
                    .map_err(wrong)?
                    .into())
            })
        },
    },
    Function {
        name: "nacl_open_ports",
        arguments: || vec![list_of(Type::Any), Type::String, list_of(Type::Int)],
        result: || list_of(Type::Int),
        doc: "The same for a network ACL, in the order of its entries.",
        reads: &[],
        call: |args| {
            answer("nacl_open_ports", &args, |a| {
                let ports = integers(a, 2)?;
                Ok(domain::nacl_open_ports(value(a, 0)?, string(a, 1)?, &ports).map_err(wrong)?.into())
            })
        },
    },
    Function {
        name: "cidr_covers",
        arguments: || vec![Type::String, Type::String],
        result: || Type::Bool,
        doc: "Whether the first address range contains the second.",
        reads: &[],
        call: |args| {
            answer("cidr_covers", &args, |a| {
                Ok(domain::cidr_covers(string(a, 0)?, string(a, 1)?).map_err(wrong)?.into())
            })
        },
    },
    Function {
        name: "records_management_events",
        arguments: || vec![Type::Any],
        result: || Type::Bool,
        doc: "Whether the event selectors of a trail record all management events.",
        reads: &[],
        call: |args| {
            answer("records_management_events", &args, |a| {
                Ok(domain::records_management_events(value(a, 0)?).map_err(wrong)?.into())
            })
        },
    },
    Function {
        name: "records_s3_data_events",
        arguments: || vec![Type::Any, Type::String],
        result: || Type::Bool,
        doc: "Whether they record `'read'`s or `'write'`s of the objects of all buckets.",
        reads: &[],
        call: |args| {
            answer("records_s3_data_events", &args, |a| {
                Ok(domain::records_s3_data_events(value(a, 0)?, string(a, 1)?).map_err(wrong)?.into())
            })
        },
    },
    Function {
        name: "missed_events",
        arguments: || vec![list_of(Type::String), Type::String, Type::String],
        result: || list_of(Type::String),
        doc: "The events of a CIS monitoring requirement that no filter pattern of the list matches.",
        reads: &[],
        call: |args| {
            answer("missed_events", &args, |a| {
                Ok(domain::missed_events(value(a, 0)?, string(a, 1)?, string(a, 2)?).map_err(wrong)?.into())
            })
        },
    },
    Function {
        name: "matches_every_event",
        arguments: || vec![Type::String],
        result: || Type::Bool,
        doc: "Whether a filter pattern matches every event of CloudTrail.",
        reads: &[],
        call: |args| {
            answer("matches_every_event", &args, |a| {
                Ok(domain::matches_every_event(string(a, 0)?).map_err(wrong)?.into())
            })
        },
    },
    Function {
        name: "alarm_breaks",
        arguments: || {
            let trails = list_of(Type::Resource(cloudtrail::TRAIL.name));
            vec![trails, Type::String, Type::String, list_of(Type::String)]
        },
        result: || list_of(Type::String),
        doc: "Where the way from `account.trails` to a person who is told of events breaks; empty when they arrive.",
        reads: &[
            (&cloudtrail::TRAIL, Some("event_selectors")),
            (&cloudtrail::TRAIL, Some("status")),
            (&cloudwatch::ALARM, None),
            (&logs::METRIC_FILTER, None),
            (&sns::TOPIC, Some("subscriptions")),
        ],
        call: alarm_breaks,
    },
];

/// The one function that looks at more than its arguments: the way leads through resources of several types, and of
/// other accounts.
fn alarm_breaks<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    const NAME: &str = "alarm_breaks";
    let told = args.iter().skip(1).map(|arg| json_of(arg.as_ref())).collect::<Result<Vec<_>, _>>()?;
    let scene = args
        .first()
        .and_then(|trails| trails.downcast_ref::<ListView>()?.scene())
        .ok_or_else(|| ExecutionError::function_error(NAME, "the first argument must be `account.trails`"))?;
    let ignored: Vec<&str> = list(&told, 2)?.iter().filter_map(Value::as_str).collect();
    let wanted = domain::WantedEvents {
        requirement: string(&told, 0)?,
        version: string(&told, 1)?,
        ignored: &ignored,
    };
    let chain = domain::follow_events(scene.inventory(), scene.account_id(), &wanted)
        .map_err(|unseen| scene.refuse(unseen))?;
    if !chain.holds.is_empty() {
        scene.note(&format!("whole way of {}", wanted.requirement), &chain.holds.into());
    }
    let breaks = Value::from(chain.breaks);
    scene.note(&format!("{NAME}({})", described(&args)), &breaks);
    native(&breaks).map(CowVal::Owned)
}

/// CEL's standard library with the domain's functions. Optional values are left out: they would make a
/// missing answer look like an absent one.
pub(super) fn environment() -> Env {
    let mut env = Env::stdlib().with_optional_support(false);
    for function in FUNCTIONS {
        let types = (function.arguments)().iter().map(|_| DYN_TYPE).collect();
        declare(env.add_overload(function.name, function.name, types, function.call));
    }
    declare(env.add_overload("size", "size_partial_list", vec![PARTIAL_LIST.to_owned()], size_of_partial));
    declare(env.add_member_overload(
        "size",
        "partial_list_size",
        PARTIAL_LIST.to_owned(),
        vec![],
        size_of_partial,
    ));
    env
}

/// INVARIANT: the names above are distinct and none is CEL's own, so that no declaration is refused; the
/// tests of this module call every function.
fn declare(result: Result<(), cel::DeclarationError>) {
    if let Err(error) = result {
        tracing::error!(%error, "a function of the expression language could not be declared");
    }
}

fn size_of_partial<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let hole = args.first().and_then(|list| list.downcast_ref::<ListView>()).and_then(ListView::hole);
    Err(hole.unwrap_or_else(|| wrong("the list was not read to its end")))
}

/// Calls a domain function on the JSON behind its arguments, and notes its result as evidence.
fn answer<'b, 'v>(
    name: &'static str,
    args: &[CowVal<'b, 'v>],
    compute: impl FnOnce(&[Cow<'_, Value>]) -> Result<Value, ExecutionError>,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let json = args.iter().map(|arg| json_of(arg.as_ref())).collect::<Result<Vec<_>, _>>()?;
    let result = compute(&json).map_err(|error| match error {
        ExecutionError::FunctionError { message, .. } => ExecutionError::function_error(name, message),
        other => other,
    })?;
    if let Some(node) = args.iter().find_map(|arg| view::node_of(arg.as_ref())) {
        node.note_whole();
        node.scene().note(&format!("{name}({})", described(args)), &result);
    }
    native(&result).map(CowVal::Owned)
}

/// Arguments as evidence names them: where they were read, or what they are.
fn described(args: &[CowVal<'_, '_>]) -> String {
    let words: Vec<String> = args
        .iter()
        .map(|arg| match view::node_of(arg.as_ref()) {
            Some(node) => node.path().to_owned(),
            None if arg.downcast_ref::<ListView>().is_some_and(|list| list.scene().is_some()) => {
                "account.trails".to_owned()
            }
            None => json_of(arg.as_ref()).map_or_else(|_| "…".to_owned(), |value| value.to_string()),
        })
        .collect();
    words.join(", ")
}

fn wrong(message: impl ToString) -> ExecutionError {
    ExecutionError::function_error("", message.to_string())
}

fn value<'a>(args: &'a [Cow<'_, Value>], index: usize) -> Result<&'a Value, ExecutionError> {
    args.get(index).map(AsRef::as_ref).ok_or_else(|| wrong("an argument is missing"))
}

fn string<'a>(args: &'a [Cow<'_, Value>], index: usize) -> Result<&'a str, ExecutionError> {
    value(args, index)?.as_str().ok_or_else(|| wrong(format!("argument {} is no text", index + 1)))
}

fn list<'a>(args: &'a [Cow<'_, Value>], index: usize) -> Result<&'a Vec<Value>, ExecutionError> {
    value(args, index)?.as_array().ok_or_else(|| wrong(format!("argument {} is no list", index + 1)))
}

fn integers(args: &[Cow<'_, Value>], index: usize) -> Result<Vec<i64>, ExecutionError> {
    list(args, index)?
        .iter()
        .map(|v| {
            v.as_i64().ok_or_else(|| wrong(format!("argument {} has an element that is no int", index + 1)))
        })
        .collect()
}

/// The JSON behind a value; borrowed from the inventory where it comes from there.
fn json_of<'a>(val: &'a dyn Val) -> Result<Cow<'a, Value>, ExecutionError> {
    if let Some(node) = view::node_of(val) {
        return Ok(Cow::Borrowed(node.json()));
    }
    if let Some(hole) = val.downcast_ref::<ListView>().and_then(ListView::hole) {
        return Err(hole);
    }
    let scalar = if val.downcast_ref::<CelNull>().is_some() {
        Some(Value::Null)
    } else if let Some(b) = val.downcast_ref::<CelBool>() {
        Some(Value::from(*b.inner()))
    } else if let Some(n) = val.downcast_ref::<CelInt>() {
        Some(Value::from(*n.inner()))
    } else if let Some(n) = val.downcast_ref::<CelDouble>() {
        Some(Value::from(*n.inner()))
    } else {
        val.downcast_ref::<CelString>().map(|s| Value::from(s.inner()))
    };
    if let Some(scalar) = scalar {
        return Ok(Cow::Owned(scalar));
    }
    let Some(items) = val.as_iterable() else {
        return Err(wrong(format!("a value of type {} cannot be used here", val.get_type().name())));
    };
    let mut items = items.iter();
    let mut list = Vec::new();
    while let Some(item) = items.next() {
        list.push(json_of(item)?.into_owned());
    }
    Ok(Cow::Owned(Value::Array(list)))
}

fn native<'v>(value: &Value) -> Result<Box<dyn Val + 'v>, ExecutionError> {
    let value = cel::to_value(value).map_err(wrong)?;
    value.try_into().map_err(|_| wrong("the result has no place in an expression"))
}
