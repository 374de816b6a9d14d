//! Expressions of controls: parsed once, checked against the schema of what they read, evaluated on views.
//!
//! The `cel` crate changes its API with every minor version; nothing outside this module sees it.

mod check;
mod library;
mod view;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use cel::common::types::{CelBool, CelString};
use cel::{Context, Env, ExecutionError, Program};
use serde_json::Value;

pub use check::Reads;
pub use library::{FUNCTIONS, Function};

use super::Evidence;
use crate::collect::Kind;
use crate::collect::schema::Type;
use crate::inventory::{Cause, Inventory, Resource, Unseen};
use view::{AccountView, ResourceView, Scene};

/// Longest expression, in bytes.
const MAX_LENGTH: usize = 8 << 10;
/// Deepest nesting of an expression: what a debug build parses on a 2 MiB stack.
const MAX_DEPTH: u16 = 60;

/// What is wrong with an expression, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong, in lower case.
    pub message: String,
    /// What to do, where that is known.
    pub help: Option<String>,
    /// Byte offset in the expression.
    pub offset: usize,
}

/// A checked expression that gives a bool.
#[derive(Debug)]
pub struct Expression {
    program: Program,
    reads: Reads,
}

/// What an expression is evaluated on.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Everything observed.
    pub inventory: &'a Arc<Inventory>,
    /// The resource that is judged.
    pub resource: &'a Arc<Resource>,
    /// Its type.
    pub kind: &'static Kind,
    /// The control's parameters by name.
    pub parameters: &'a Arc<Value>,
}

/// The result of an evaluation, and what it read.
#[derive(Debug)]
pub struct Evaluated {
    /// The value, or what it depends on that was not observed.
    pub value: Result<bool, Unseen>,
    /// What was read, in order.
    pub evidence: Vec<Evidence>,
}

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(library::environment()));

impl Expression {
    /// Parses and checks an expression about resources of `kind`, with parameters of these types.
    ///
    /// # Errors
    /// The first mistake: of syntax, an unknown field or function, or types that do not fit.
    pub fn new(
        source: &str,
        kind: &'static Kind,
        parameters: &BTreeMap<String, Type>,
    ) -> Result<Self, Mistake> {
        if source.len() > MAX_LENGTH {
            return Err(Mistake {
                message: format!("the expression is longer than {MAX_LENGTH} bytes"),
                help: Some("split the control".to_owned()),
                offset: 0,
            });
        }
        nesting(source)?;
        let program = ENVIRONMENT.compile(source).map_err(|errors| syntax_mistake(source, &errors))?;
        let reads = check::check(&program, kind, parameters)?;
        Ok(Self { program, reads })
    }

    /// The fields that the expression may read.
    #[must_use]
    pub const fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Evaluates the expression. An error that nothing absorbed makes the value unknown.
    #[must_use]
    pub fn evaluate(&self, on: Subject<'_>) -> Evaluated {
        let scene = Scene::new(on.inventory, &on.resource.account);
        let value = self.run(on, &scene);
        Evaluated { value, evidence: scene.evidence() }
    }

    fn run(&self, on: Subject<'_>, scene: &Arc<Scene>) -> Result<bool, Unseen> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        let resource = ResourceView::new(scene, on.resource, on.kind);
        context.add_variable_as_val("resource", Box::new(resource));
        context.add_variable_as_val("account", Box::new(AccountView(Arc::clone(scene))));
        context.add_variable_as_val("params", view::parameters(scene, on.parameters));
        context.add_variable_as_val("now", Box::new(CelString::from(on.inventory.observed_at.to_string())));
        let answer = cel::Value::resolve_val(self.program.expression(), &context);
        let about = |cause, message: String| {
            Unseen::without_call(&on.resource.account, &on.resource.region, cause, message)
        };
        match answer {
            Ok(value) => value
                .downcast_ref::<CelBool>()
                .map(|b| *b.inner())
                .ok_or_else(|| about(Cause::ControlError, "the expression did not give a bool".to_owned())),
            Err(error) => {
                Err(scene.unseen(&error).unwrap_or_else(|| about(Cause::ControlError, describe(&error))))
            }
        }
    }
}

/// An error of evaluation in words a user can act on.
fn describe(error: &ExecutionError) -> String {
    match error {
        ExecutionError::FunctionError { function, message } => format!("`{function}`: {message}"),
        other => other.to_string(),
    }
}

/// Refuses brackets nested so deep that the parser could run out of stack.
fn nesting(source: &str) -> Result<(), Mistake> {
    let mut depth = 0_u16;
    for (offset, c) in source.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(Mistake {
                message: format!("brackets are nested more than {MAX_DEPTH} deep"),
                help: None,
                offset,
            });
        }
    }
    Ok(())
}

fn syntax_mistake(source: &str, errors: &cel::ParseErrors) -> Mistake {
    let Some(first) = errors.errors.first() else {
        return Mistake { message: "the expression is not valid CEL".to_owned(), help: None, offset: 0 };
    };
    let line = usize::try_from(first.pos.0).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(first.pos.1).unwrap_or(1).saturating_sub(1);
    let before: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    Mistake {
        message: format!("not valid CEL: {}", first.msg.lines().next().unwrap_or_default()),
        help: None,
        offset: (before + column).min(source.len()),
    }
}
