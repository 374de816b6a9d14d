//! Checking an expression against the schema before it runs: unknown fields, functions and types that do
//! not fit are told when the control is loaded, and never turn into a control that passes.
//!
//! The walk also collects what the expression reads, from which the calls of a scan are planned.

use std::collections::{BTreeMap, BTreeSet};

use cel::Program;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr, SourceInfo, operators,
};

use super::Mistake;
use super::library::FUNCTIONS;
use crate::collect::schema::{self, Field, Type};
use crate::collect::{self, KINDS, Kind};
use crate::yaml::closest;

/// What an expression may read: resource types, and fields of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reads(BTreeSet<(&'static str, Option<String>)>);

impl Reads {
    /// Resource types by name, with a field or `None` for the type as such.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        self.0.iter().map(|(kind, field)| (*kind, field.as_deref()))
    }
}

/// Checks that the expression is a bool and reads only what exists.
pub(super) fn check(
    program: &Program,
    kind: &'static Kind,
    parameters: &BTreeMap<String, Type>,
) -> Result<Reads, Mistake> {
    let mut checker = Checker {
        source: program.source_info(),
        parameters,
        scope: vec![("resource".to_owned(), Type::Resource(kind.name)), ("now".to_owned(), Type::String)],
        reads: Reads(BTreeSet::from([(kind.name, None)])),
    };
    let ty = checker.type_of(program.expression())?;
    if !fits(&ty, &Type::Bool) {
        return Err(checker.mistake(program.expression(), format!("the expression gives {ty}, not a bool")));
    }
    Ok(checker.reads)
}

struct Checker<'a> {
    source: &'a SourceInfo,
    parameters: &'a BTreeMap<String, Type>,
    scope: Vec<(String, Type)>,
    reads: Reads,
}

type Checked = Result<Type, Mistake>;

impl Checker<'_> {
    fn mistake(&self, at: &IdedExpr, message: String) -> Mistake {
        let offset = self.source.offset_for(at.id).map_or(0, |(start, _)| start);
        Mistake { message, help: None, offset: usize::try_from(offset).unwrap_or(0) }
    }

    fn unknown<'n>(
        &self,
        at: &IdedExpr,
        message: String,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) -> Mistake {
        let mut mistake = self.mistake(at, message);
        mistake.help = closest(name, known).map(|best| format!("did you mean `{best}`?"));
        mistake
    }

    fn type_of(&mut self, expr: &IdedExpr) -> Checked {
        match &expr.expr {
            Expr::Literal(literal) => Ok(literal_type(literal)),
            Expr::Ident(name) => self.identifier(expr, name),
            Expr::Select(select) => self.select(expr, select),
            Expr::List(list) => {
                let mut of = Type::Any;
                for element in &list.elements {
                    let ty = self.type_of(element)?;
                    of = join(&of, &ty)
                        .ok_or_else(|| self.mistake(element, format!("a list of {of} cannot hold {ty}")))?;
                }
                Ok(Type::List(Box::new(of)))
            }
            Expr::Call(call) => self.call(expr, call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                Err(self.mistake(expr, "objects cannot be made in an expression".to_owned()))
            }
        }
    }

    fn identifier(&self, at: &IdedExpr, name: &str) -> Checked {
        if let Some((_, ty)) = self.scope.iter().rev().find(|(known, _)| known == name) {
            return Ok(ty.clone());
        }
        match name {
            "account" | "params" => {
                Err(self.mistake(at, format!("`{name}` is used through its fields: `{name}.…`")))
            }
            _ => {
                let known = self.scope.iter().map(|(n, _)| n.as_str()).chain(["account", "params"]);
                Err(self.unknown(at, format!("unknown name `{name}`"), name, known))
            }
        }
    }

    fn select(&mut self, at: &IdedExpr, select: &SelectExpr) -> Checked {
        let field = select.field.as_str();
        let ty = match &select.operand.expr {
            Expr::Ident(name) if name == "account" && !self.is_local(name) => {
                self.account_field(at, field)?
            }
            Expr::Ident(name) if name == "params" && !self.is_local(name) => {
                let known = self.parameters;
                known.get(field).cloned().ok_or_else(|| {
                    let message = format!("unknown parameter `{field}`");
                    self.unknown(at, message, field, known.keys().map(String::as_str))
                })?
            }
            _ => {
                let of = self.type_of(&select.operand)?;
                self.field(at, &of, field)?
            }
        };
        Ok(if select.test { Type::Bool } else { ty })
    }

    fn is_local(&self, name: &str) -> bool {
        self.scope.iter().any(|(known, _)| known == name)
    }

    fn account_field(&mut self, at: &IdedExpr, field: &str) -> Checked {
        if let Some(kind) = collect::collection(field) {
            self.reads.0.insert((kind.name, None));
            let one = Type::Resource(kind.name);
            return Ok(if kind.is_one() { one } else { Type::List(Box::new(one)) });
        }
        if let Some((_, ty, _)) = ACCOUNT_FIELDS.iter().find(|(name, ..)| *name == field) {
            return Ok(ty());
        }
        let collections = KINDS.iter().map(|kind| kind.collection).filter(|c| !c.is_empty());
        let known = ACCOUNT_FIELDS.iter().map(|(name, ..)| *name).chain(collections);
        Err(self.unknown(at, format!("unknown field `{field}` on `account`"), field, known))
    }

    fn field(&mut self, at: &IdedExpr, of: &Type, field: &str) -> Checked {
        match of {
            Type::Nullable(inner) => self.field(at, inner, field),
            Type::Any => Ok(Type::Any),
            Type::Map(value) => Ok((**value).clone()),
            Type::Struct(fields) => self.known_field(at, fields, field, "this object"),
            Type::Resource(kind) => {
                let fields = schema::fields(kind)
                    .ok_or_else(|| self.mistake(at, format!("no resource type `{kind}`")))?;
                let ty = self.known_field(at, fields, field, &format!("`{kind}`"))?;
                self.reads.0.insert((kind, Some(field.to_owned())));
                if let Type::Resource(target) = ty.not_null() {
                    self.reads.0.insert((target, None));
                }
                Ok(ty)
            }
            Type::Policy => Err(self.mistake(
                at,
                "a policy document is read with functions such as `public_statements`".to_owned(),
            )),
            other => Err(self.mistake(at, format!("{other} has no field `{field}`"))),
        }
    }

    fn known_field(&self, at: &IdedExpr, fields: &BTreeMap<String, Field>, field: &str, on: &str) -> Checked {
        fields.get(field).map(|known| known.ty.clone()).ok_or_else(|| {
            let message = format!("unknown field `{field}` on {on}");
            self.unknown(at, message, field, fields.keys().map(String::as_str))
        })
    }

    fn call(&mut self, at: &IdedExpr, call: &CallExpr) -> Checked {
        let mut arguments = Vec::new();
        for argument in call.target.as_deref().into_iter().chain(&call.args) {
            arguments.push(self.type_of(argument)?);
        }
        let name = call.func_name.as_str();
        if let Some(function) = FUNCTIONS.iter().find(|f| f.name == name && call.target.is_none()) {
            let expected = (function.arguments)();
            self.arguments(at, name, &arguments, &expected)?;
            let reads = function.reads.iter().map(|(kind, field)| (kind.name, field.map(str::to_owned)));
            self.reads.0.extend(reads);
            return Ok((function.result)());
        }
        match (name, arguments.as_slice()) {
            (operators::CONDITIONAL, [condition, yes, no]) => {
                self.must_fit(at, condition, &Type::Bool, "the condition of `? :`")?;
                join(yes, no).ok_or_else(|| self.mistake(at, format!("`? :` gives either {yes} or {no}")))
            }
            (operators::LOGICAL_AND | operators::LOGICAL_OR, [left, right]) => {
                self.must_fit(at, left, &Type::Bool, "the left side")?;
                self.must_fit(at, right, &Type::Bool, "the right side")?;
                Ok(Type::Bool)
            }
            (operators::LOGICAL_NOT, [of]) => {
                self.must_fit(at, of, &Type::Bool, "what `!` negates")?;
                Ok(Type::Bool)
            }
            (operators::NOT_STRICTLY_FALSE, [_]) => Ok(Type::Bool),
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => self.comparable(at, left, right),
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                [l, r],
            ) => self.ordered(at, l, r),
            (operators::IN, [value, container]) => self.contained(at, value, container),
            (operators::INDEX, [of, _]) => match of.not_null() {
                Type::List(inner) | Type::Map(inner) => Ok((**inner).clone()),
                Type::Any => Ok(Type::Any),
                other => Err(self.mistake(at, format!("{other} has no elements"))),
            },
            (operators::ADD, [left, right]) => match (left.not_null(), right.not_null()) {
                (Type::List(_), Type::List(_)) | (Type::String, Type::String) => join(left, right)
                    .ok_or_else(|| self.mistake(at, format!("{left} and {right} do not add"))),
                _ => self.numbers(at, left, right),
            },
            (
                operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO,
                [left, right],
            ) => self.numbers(at, left, right),
            (operators::NEGATE, [of]) => self.numbers(at, of, of),
            ("size", [of]) => match of.not_null() {
                Type::List(_) | Type::Map(_) | Type::String | Type::Any => Ok(Type::Int),
                other => Err(self.mistake(at, format!("{other} has no size"))),
            },
            ("startsWith" | "endsWith" | "contains", [of, with]) => {
                self.must_fit(at, of, &Type::String, name)?;
                self.must_fit(at, with, &Type::String, name)?;
                Ok(Type::Bool)
            }
            ("matches", [of, pattern]) => {
                self.must_fit(at, of, &Type::String, name)?;
                self.must_fit(at, pattern, &Type::String, name)?;
                self.pattern(call)?;
                Ok(Type::Bool)
            }
            ("string", [_]) => Ok(Type::String),
            ("int", [_]) => Ok(Type::Int),
            ("double", [_]) => Ok(Type::Double),
            _ => {
                let known = FUNCTIONS.iter().map(|f| f.name).chain(STANDARD.iter().copied());
                Err(self.unknown(
                    at,
                    format!("unknown function `{name}`, or one with other arguments"),
                    name,
                    known,
                ))
            }
        }
    }

    fn arguments(&self, at: &IdedExpr, name: &str, given: &[Type], expected: &[Type]) -> Result<(), Mistake> {
        if given.len() != expected.len() {
            let message = format!("`{name}` takes {} arguments, not {}", expected.len(), given.len());
            return Err(self.mistake(at, message));
        }
        for (number, (given, expected)) in given.iter().zip(expected).enumerate() {
            let what = format!("argument {} of `{name}`", number + 1);
            self.must_fit(at, given, expected, &what)?;
        }
        Ok(())
    }

    fn must_fit(&self, at: &IdedExpr, given: &Type, expected: &Type, what: &str) -> Result<(), Mistake> {
        if fits(given, expected) {
            return Ok(());
        }
        Err(self.mistake(at, format!("{what} must be {expected}, and is {given}")))
    }

    /// `==` between types that can never be equal is a typing error that CEL would answer with false.
    fn comparable(&self, at: &IdedExpr, left: &Type, right: &Type) -> Checked {
        let is_null = |ty: &Type| *ty == Type::Null;
        let may_be_null =
            |ty: &Type| matches!(ty, Type::Nullable(_) | Type::Null | Type::Any | Type::Resource(_));
        let fine = if is_null(left) || is_null(right) {
            may_be_null(left) && may_be_null(right)
        } else {
            join(left.not_null(), right.not_null()).is_some()
        };
        if fine {
            return Ok(Type::Bool);
        }
        Err(self.mistake(at, format!("{left} and {right} are never equal")))
    }

    fn ordered(&self, at: &IdedExpr, left: &Type, right: &Type) -> Checked {
        let (l, r) = (left.not_null(), right.not_null());
        let strings = fits(l, &Type::String) && fits(r, &Type::String);
        if strings || (is_number(l) && is_number(r)) {
            return Ok(Type::Bool);
        }
        Err(self.mistake(at, format!("{left} and {right} have no order")))
    }

    fn numbers(&self, at: &IdedExpr, left: &Type, right: &Type) -> Checked {
        let (l, r) = (left.not_null(), right.not_null());
        if is_number(l) && is_number(r) && join(l, r).is_some() {
            return Ok(l.clone());
        }
        Err(self.mistake(at, format!("{left} and {right} cannot be calculated with")))
    }

    fn contained(&self, at: &IdedExpr, value: &Type, container: &Type) -> Checked {
        let holds = match container.not_null() {
            Type::List(of) => (**of).clone(),
            Type::Map(_) => Type::String,
            Type::Any => Type::Any,
            other => return Err(self.mistake(at, format!("nothing can be in {other}"))),
        };
        if join(value.not_null(), holds.not_null()).is_some() {
            return Ok(Type::Bool);
        }
        Err(self.mistake(at, format!("{value} is never in a list of {holds}")))
    }

    /// A pattern that does not parse would fail at every evaluation.
    fn pattern(&self, call: &CallExpr) -> Result<(), Mistake> {
        let Some(argument) = call.args.last() else { return Ok(()) };
        let Expr::Literal(LiteralValue::String(pattern)) = &argument.expr else {
            return Err(self.mistake(argument, "the pattern of `matches` must be written out".to_owned()));
        };
        match regex::Regex::new(pattern.inner()) {
            Ok(_) => Ok(()),
            Err(error) => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                Err(self.mistake(argument, format!("the pattern does not parse: {last}")))
            }
        }
    }

    fn comprehension(&mut self, of: &ComprehensionExpr) -> Checked {
        let range = self.type_of(&of.iter_range)?;
        let element = match range.not_null() {
            Type::List(element) => (**element).clone(),
            Type::Map(_) => Type::String,
            Type::Any => Type::Any,
            other => {
                return Err(self.mistake(&of.iter_range, format!("{other} has no elements to go through")));
            }
        };
        let start = self.type_of(&of.accu_init)?;
        let depth = self.scope.len();
        self.scope.push((of.iter_var.clone(), element));
        self.scope.push((of.accu_var.clone(), start));
        let step = self.type_of(&of.loop_step);
        let result = step.and_then(|ty| {
            self.scope.push((of.accu_var.clone(), ty));
            self.type_of(&of.result)
        });
        self.scope.truncate(depth);
        result
    }
}

/// A field of `account`: its name, type and one sentence about it.
type AccountField = (&'static str, fn() -> Type, &'static str);

/// The fields of `account` beside the account's resources.
pub(super) const ACCOUNT_FIELDS: &[AccountField] = &[
    ("id", || Type::String, "Twelve digits."),
    ("name", || Type::String, "Name in the organization."),
    ("partition", || Type::String, "`aws`, `aws-us-gov`, `aws-cn`."),
    ("organization", || Type::Nullable(Box::new(Type::String)), "Id of the organization, `o-…`."),
    ("is_management", || Type::Bool, "Whether it is the organization's management account."),
    ("units", || Type::List(Box::new(Type::String)), "Names of the organizational units above it."),
    ("tags", || Type::Map(Box::new(Type::String)), "Tags of the account."),
];

const STANDARD: &[&str] = &[
    "size",
    "startsWith",
    "endsWith",
    "contains",
    "matches",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
    "string",
    "int",
    "double",
    "has",
];

fn literal_type(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Int(_) | LiteralValue::UInt(_) => Type::Int,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::String(_) => Type::String,
        LiteralValue::Null => Type::Null,
        LiteralValue::Bytes(_) => Type::Any,
    }
}

fn is_number(ty: &Type) -> bool {
    matches!(ty, Type::Int | Type::Double | Type::Any)
}

/// The type that covers both, if there is one.
fn join(a: &Type, b: &Type) -> Option<Type> {
    Some(match (a, b) {
        (Type::Any, other) | (other, Type::Any) => other.clone(),
        (Type::Null, Type::Nullable(of)) | (Type::Nullable(of), Type::Null) => Type::Nullable(of.clone()),
        (Type::Null, Type::Null) => Type::Null,
        (Type::Null, other) | (other, Type::Null) => Type::Nullable(Box::new(other.clone())),
        (Type::Nullable(x), Type::Nullable(y)) => Type::Nullable(Box::new(join(x, y)?)),
        (Type::Nullable(x), y) | (y, Type::Nullable(x)) => Type::Nullable(Box::new(join(x, y)?)),
        (Type::Int, Type::Double) | (Type::Double, Type::Int) => Type::Double,
        (Type::List(x), Type::List(y)) => Type::List(Box::new(join(x, y)?)),
        (Type::Map(x), Type::Map(y)) => Type::Map(Box::new(join(x, y)?)),
        (x, y) if x == y => x.clone(),
        _ => return None,
    })
}

/// Whether a value of the type `given` can stand where `expected` is asked for. A value that may be null
/// fits where one that may not is asked for: whether it is null is known only when it is read.
fn fits(given: &Type, expected: &Type) -> bool {
    match (given, expected) {
        (Type::Any, _) | (_, Type::Any) => true,
        (Type::Nullable(of), expected) => fits(of, expected.not_null()),
        (Type::Null, Type::Nullable(_)) => true,
        (given, Type::Nullable(of)) => fits(given, of),
        (Type::List(x), Type::List(y)) | (Type::Map(x), Type::Map(y)) => fits(x, y),
        (Type::Int, Type::Double) => true,
        (given, expected) => given == expected,
    }
}
