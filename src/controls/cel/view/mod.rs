//! What an expression sees: thin values over the inventory that resolve fields when they are read.
//!
//! Nothing is copied ahead of time. A field that was not observed answers with an error, which `&&`, `||`
//! and comprehensions absorb when another operand decides; everything that was read is noted as evidence.

mod list;
mod node;
mod resource;
mod scene;

use std::sync::Arc;

use cel::ExecutionError;
use cel::common::types::{CelInt, CelString, Type as CelType};
use cel::common::value::Val;
use serde_json::Value;

use list::ListOf;
pub(super) use list::ListView;
pub(super) use node::Node;
use node::{ObjectView, Root};
pub(super) use resource::{AccountView, ResourceView};
pub(super) use scene::Scene;

/// Makes a view indexable by its method `at`, and recoverable from a `dyn Val`.
macro_rules! indexed {
    ($view:ty) => {
        impl cel::common::value::StaticVal for $view {}

        impl cel::common::traits::Indexer for $view {
            fn get<'b, 'v>(
                &'b self,
                index: &dyn Val,
            ) -> Result<cel::common::value::CowVal<'b, 'v>, ExecutionError>
            where
                Self: 'v,
            {
                self.at(index).map(cel::common::value::CowVal::Owned)
            }

            fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
            where
                Self: 'v,
            {
                self.at(index).map(|value| value as Box<dyn Val + 'v>)
            }
        }
    };
}
use indexed;

/// Type of a list that could not be read everywhere: `size` has no answer for it.
pub(super) static PARTIAL_LIST: CelType = CelType::new_unspecified_type("partial_list");

/// The parameters of a control.
pub(super) fn parameters(scene: &Arc<Scene>, values: &Arc<Value>) -> Box<dyn Val> {
    Box::new(ObjectView(Node {
        scene: Arc::clone(scene),
        root: Root::Owned(Arc::clone(values)),
        steps: Vec::new(),
        path: "params".to_owned(),
        ty: None,
    }))
}

/// The node behind a value, where there is one.
pub(super) fn node_of(val: &dyn Val) -> Option<&Node> {
    if let Some(ObjectView(node)) = val.downcast_ref::<ObjectView>() {
        return Some(node);
    }
    match &val.downcast_ref::<ListView>()?.of {
        ListOf::Json(node) => Some(node),
        ListOf::Resources { .. } => None,
    }
}

/// The text of an index, where it is one.
fn text(val: &dyn Val) -> Option<&str> {
    val.downcast_ref::<CelString>().map(CelString::inner)
}

fn count(length: usize) -> CelInt {
    CelInt::from(i64::try_from(length).unwrap_or(i64::MAX))
}

fn wrong_index(of: &str) -> ExecutionError {
    ExecutionError::UnexpectedType {
        got: "index of another type".to_owned(),
        want: format!("index of a {of}"),
    }
}
