//! Lists, with what may be missing from them.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Iterable, Iterator as ValIterator, Sizer};
use cel::common::types::{CelInt, LIST_TYPE, Type as CelType};
use cel::common::value::Val;
use serde_json::Value;

use super::node::Node;
use super::resource::{ResourceView, UnobservedView};
use super::{PARTIAL_LIST, Scene, count, indexed, node_of, wrong_index};
use crate::collect::Kind;
use crate::inventory::{Resource, Unseen};

/// A list: of JSON values, or of the account's resources of one type.
#[derive(Debug)]
pub(in crate::controls::cel) struct ListView {
    pub(super) of: ListOf,
    items: OnceLock<Vec<Box<dyn Val>>>,
}

#[derive(Debug, Clone)]
pub(super) enum ListOf {
    Json(Node),
    Resources { scene: Arc<Scene>, kind: &'static Kind, found: Vec<Arc<Resource>>, holes: Vec<Unseen> },
}

impl ListView {
    pub(super) fn new(of: ListOf) -> Self {
        Self { of, items: OnceLock::new() }
    }

    fn items(&self) -> &[Box<dyn Val>] {
        self.items.get_or_init(|| match &self.of {
            ListOf::Json(node) => {
                let length = node.json().as_array().map_or(0, Vec::len);
                if length == 0 {
                    node.note_whole();
                }
                (0..length)
                    .map(|index| {
                        node.index(index)
                            .unwrap_or_else(|error| Box::new(UnobservedView { error }) as Box<dyn Val>)
                    })
                    .collect()
            }
            ListOf::Resources { scene, kind, found, holes } => {
                if found.is_empty() && holes.is_empty() {
                    scene.note(&format!("account.{}", kind.collection), &Value::Array(Vec::new()));
                }
                let seen = found.iter().map(|resource| {
                    Box::new(ResourceView {
                        scene: Arc::clone(scene),
                        resource: Arc::clone(resource),
                        kind,
                        path: format!("account.{}[{:?}]", kind.collection, resource.name),
                    }) as Box<dyn Val>
                });
                let missing = holes.iter().map(|unseen| {
                    Box::new(UnobservedView { error: scene.refuse(unseen.clone()) }) as Box<dyn Val>
                });
                seen.chain(missing).collect()
            }
        })
    }

    /// The evaluation that a list of resources belongs to.
    pub(in crate::controls::cel) fn scene(&self) -> Option<&Arc<Scene>> {
        match &self.of {
            ListOf::Json(_) => None,
            ListOf::Resources { scene, .. } => Some(scene),
        }
    }

    /// Why the list may be longer than what was seen of it.
    pub(in crate::controls::cel) fn hole(&self) -> Option<ExecutionError> {
        match &self.of {
            ListOf::Json(_) => None,
            ListOf::Resources { scene, holes, .. } => holes.first().map(|u| scene.refuse(u.clone())),
        }
    }
}

impl Val for ListView {
    fn get_type(&self) -> &CelType {
        match &self.of {
            ListOf::Resources { holes, .. } if !holes.is_empty() => &PARTIAL_LIST,
            ListOf::Json(_) | ListOf::Resources { .. } => &LIST_TYPE,
        }
    }

    fn cel_type() -> &'static CelType {
        &LIST_TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        match (&self.of, node_of(other)) {
            (ListOf::Json(node), Some(other)) => {
                node.note_whole();
                node.json() == other.json()
            }
            (ListOf::Json(_), None) => other.as_iterable().is_some_and(|list| {
                let mut rest = list.iter();
                let same = self.items().iter().all(|item| rest.next().is_some_and(|o| item.equals(o)));
                same && rest.next().is_none()
            }),
            (ListOf::Resources { .. }, _) => false,
        }
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(Self::new(self.of.clone()))
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
indexed!(ListView);

impl ListView {
    fn at(&self, index: &dyn Val) -> Result<Box<dyn Val>, ExecutionError> {
        let at = index.downcast_ref::<CelInt>().ok_or_else(|| wrong_index("list"))?;
        let item = usize::try_from(*at.inner()).ok().and_then(|at| self.items().get(at));
        match item {
            Some(item) => Ok(item.clone_as_boxed()),
            None => Err(self.hole().unwrap_or_else(|| ExecutionError::no_such_key(&at.inner().to_string()))),
        }
    }
}

impl Iterable for ListView {
    fn iter<'b, 'v>(&'b self) -> Box<dyn ValIterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Items(self.items().iter()))
    }
}

struct Items<'b>(std::slice::Iter<'b, Box<dyn Val>>);

impl<'b, 'v> ValIterator<'b, 'v> for Items<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|item| &**item as &'b (dyn Val + 'v))
    }
}

impl Container for ListView {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        if let ListOf::Json(node) = &self.of {
            node.note_whole();
        }
        Ok(self.items().iter().any(|item| item.equals(value)))
    }
}

impl Sizer for ListView {
    fn size(&self) -> CelInt {
        match &self.of {
            ListOf::Json(node) => node.note_whole(),
            ListOf::Resources { scene, kind, found, .. } => {
                let names = found.iter().map(|r| Value::from(r.name.as_str())).collect();
                scene.note(&format!("account.{}", kind.collection), &Value::Array(names));
            }
        }
        count(self.items().len())
    }
}
