//! JSON values inside the fields of resources.

use std::any::Any;
use std::sync::Arc;

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Sizer};
use cel::common::types::{CelBool, CelDouble, CelInt, CelNull, CelString, MAP_TYPE, Type as CelType};
use cel::common::value::Val;
use serde_json::Value;

use super::list::{ListOf, ListView};
use super::{ResourceView, Scene, count, indexed, node_of, text, wrong_index};
use crate::collect::schema::Type;
use crate::collect::{self, Scope};
use crate::inventory::{Cause, Facet, GLOBAL, Resource};

/// A JSON value inside a resource's field, or one of its own.
#[derive(Debug, Clone)]
pub(super) enum Root {
    Field(Arc<Resource>, Arc<str>),
    Owned(Arc<Value>),
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Key(Arc<str>),
    Index(usize),
}

/// A list or object: where it is, and what the schema says of it.
#[derive(Debug, Clone)]
pub(in crate::controls::cel) struct Node {
    pub(super) scene: Arc<Scene>,
    pub(super) root: Root,
    pub(super) steps: Vec<Step>,
    pub(super) path: String,
    pub(super) ty: Option<&'static Type>,
}

impl Node {
    /// The value, as it was collected.
    pub(in crate::controls::cel) fn json(&self) -> &Value {
        static NULL: Value = Value::Null;
        let root = match &self.root {
            Root::Owned(value) => value.as_ref(),
            Root::Field(resource, field) => match resource.fields.get(&**field) {
                Some(Facet::Known(value)) => value,
                // INVARIANT: a node is made only for a known field, and an inventory does not change.
                _ => return &NULL,
            },
        };
        self.steps.iter().fold(root, |value, step| {
            let inner = match step {
                Step::Key(key) => value.get(&**key),
                Step::Index(index) => value.get(*index),
            };
            inner.unwrap_or(&NULL)
        })
    }

    /// Where it stands, as the expression names it.
    pub(in crate::controls::cel) fn path(&self) -> &str {
        &self.path
    }

    pub(in crate::controls::cel) fn scene(&self) -> &Arc<Scene> {
        &self.scene
    }

    /// Notes the whole value as read.
    pub(in crate::controls::cel) fn note_whole(&self) {
        self.scene.note(&self.path, self.json());
    }

    pub(super) fn key(&self, key: &str) -> Result<Box<dyn Val>, ExecutionError> {
        let ty = match self.ty.map(Type::not_null) {
            Some(Type::Struct(fields)) => fields.get(key).map(|field| &field.ty),
            Some(Type::Map(of)) => Some(&**of),
            _ => None,
        };
        if self.json().get(key).is_none() {
            return Err(ExecutionError::no_such_key(key));
        }
        let mut inner = self.clone();
        inner.steps.push(Step::Key(key.into()));
        inner.path = format!("{}.{key}", self.path);
        inner.ty = ty;
        inner.value()
    }

    pub(super) fn index(&self, index: usize) -> Result<Box<dyn Val>, ExecutionError> {
        let mut inner = self.clone();
        inner.steps.push(Step::Index(index));
        inner.path = format!("{}[{index}]", self.path);
        inner.ty = match self.ty.map(Type::not_null) {
            Some(Type::List(of)) => Some(&**of),
            _ => None,
        };
        inner.value()
    }

    /// The value at this place: a scalar, which counts as read, or a view of what is inside.
    pub(super) fn value(self) -> Result<Box<dyn Val>, ExecutionError> {
        if let (Some(Type::Resource(kind)), Value::String(arn)) = (self.ty.map(Type::not_null), self.json()) {
            return self.follow(kind, &arn.clone());
        }
        let value: Box<dyn Val> = match self.json() {
            Value::Null => Box::new(CelNull),
            Value::Bool(b) => Box::new(CelBool::from(*b)),
            Value::Number(n) => match n.as_i64() {
                Some(int) => Box::new(CelInt::from(int)),
                None => Box::new(CelDouble::from(n.as_f64().unwrap_or(f64::NAN))),
            },
            Value::String(s) => Box::new(CelString::from(s.clone())),
            Value::Array(_) => return Ok(Box::new(ListView::new(ListOf::Json(self)))),
            Value::Object(_) => return Ok(Box::new(ObjectView(self))),
        };
        self.note_whole();
        Ok(value)
    }

    /// Walks a link to another resource. It is null only where the list that would show it was read.
    fn follow(&self, kind: &str, arn: &str) -> Result<Box<dyn Val>, ExecutionError> {
        let scene = &self.scene;
        let Some(kind) = collect::kind(kind) else {
            return Err(ExecutionError::function_error("link", format!("no resource type `{kind}`")));
        };
        if let Some(target) = scene.inventory.find(kind.name, arn, &scene.account) {
            return Ok(Box::new(ResourceView {
                scene: Arc::clone(scene),
                resource: Arc::clone(target),
                kind,
                path: self.path.clone(),
            }));
        }
        let mut parts = arn.splitn(6, ':').skip(3);
        let region = parts.next().filter(|r| !r.is_empty()).unwrap_or(GLOBAL);
        let owner = parts.next().unwrap_or_default();
        let listing = scene
            .inventory
            .listings_of(owner, kind.name)
            .find(|l| l.region == region || kind.scope == Scope::Global);
        match listing.map(|l| &l.count) {
            Some(Facet::Known(_)) => {
                scene.note(&self.path, &Value::Null);
                Ok(Box::new(CelNull))
            }
            Some(Facet::Unknown(unseen)) => Err(scene.refuse(unseen.clone())),
            None => {
                // Bucket ARNs name no account: where one is not seen, its own list may be what failed.
                let own = scene.inventory.holes(&scene.account, kind.name, kind.scope == Scope::Global);
                let unseen = own.into_iter().next().filter(|_| owner.is_empty()).unwrap_or_else(|| {
                    scene.without_call(
                        region,
                        Cause::OutOfScope,
                        format!("`{arn}` is not among what was scanned"),
                    )
                });
                Err(scene.refuse(unseen))
            }
        }
    }
}

/// A JSON object.
#[derive(Debug, Clone)]
pub(in crate::controls::cel) struct ObjectView(pub(super) Node);

impl Val for ObjectView {
    fn get_type(&self) -> &CelType {
        &MAP_TYPE
    }

    fn cel_type() -> &'static CelType {
        &MAP_TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
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
        node_of(other).is_some_and(|node| node.json() == self.0.json())
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
indexed!(ObjectView);

impl ObjectView {
    fn at(&self, index: &dyn Val) -> Result<Box<dyn Val>, ExecutionError> {
        self.0.key(text(index).ok_or_else(|| wrong_index("map"))?)
    }
}

impl Container for ObjectView {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        let key = text(key).ok_or_else(|| wrong_index("map"))?;
        let found = self.0.json().get(key);
        self.0.scene.note(&format!("{}[{key:?}]", self.0.path), found.unwrap_or(&Value::Null));
        Ok(found.is_some())
    }
}

impl Sizer for ObjectView {
    fn size(&self) -> CelInt {
        self.0.note_whole();
        count(self.0.json().as_object().map_or(0, serde_json::Map::len))
    }
}
