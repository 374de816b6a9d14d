//! Resources, the account, and what stands for something that was not observed.

use std::any::Any;
use std::sync::Arc;

use cel::ExecutionError;
use cel::common::traits::Indexer;
use cel::common::types::{CelString, Type as CelType};
use cel::common::value::Val;
use serde_json::Value;

use super::list::{ListOf, ListView};
use super::node::{Node, Root};
use super::{Scene, indexed, text, wrong_index};
use crate::collect::schema;
use crate::collect::{self, Kind};
use crate::inventory::{Cause, Facet, GLOBAL, Resource, Unseen};

static RESOURCE: CelType = CelType::new_unspecified_type("resource");
static UNOBSERVED: CelType = CelType::new_unspecified_type("unobserved");

/// A resource.
#[derive(Debug, Clone)]
pub(in crate::controls::cel) struct ResourceView {
    pub(super) scene: Arc<Scene>,
    pub(super) resource: Arc<Resource>,
    pub(super) kind: &'static Kind,
    pub(super) path: String,
}

impl ResourceView {
    pub(in crate::controls::cel) fn new(
        scene: &Arc<Scene>,
        resource: &Arc<Resource>,
        kind: &'static Kind,
    ) -> Self {
        Self { scene: Arc::clone(scene), resource: Arc::clone(resource), kind, path: "resource".to_owned() }
    }

    fn identity(&self, field: &str) -> Option<&str> {
        match field {
            "arn" => Some(&self.resource.arn),
            "name" => Some(&self.resource.name),
            "account_id" => Some(&self.resource.account),
            "region" => Some(&self.resource.region),
            _ => None,
        }
    }

    fn field(&self, field: &str) -> Result<Box<dyn Val>, ExecutionError> {
        let path = format!("{}.{field}", self.path);
        if let Some(text) = self.identity(field) {
            self.scene.note(&path, &Value::from(text));
            return Ok(Box::new(CelString::from(text.to_owned())));
        }
        match self.resource.fields.get(field) {
            Some(Facet::Known(_)) => Node {
                scene: Arc::clone(&self.scene),
                root: Root::Field(Arc::clone(&self.resource), field.into()),
                steps: Vec::new(),
                path,
                ty: schema::fields(self.kind.name).and_then(|f| f.get(field)).map(|f| &f.ty),
            }
            .value(),
            Some(Facet::Unknown(unseen)) => Err(self.scene.refuse(unseen.clone())),
            None => Err(self.scene.refuse(Unseen::without_call(
                &self.resource.account,
                &self.resource.region,
                Cause::NotCollected,
                format!("`{field}` of {} was not asked for", self.resource.name),
            ))),
        }
    }
}

impl Val for ResourceView {
    fn get_type(&self) -> &CelType {
        &RESOURCE
    }

    fn cel_type() -> &'static CelType {
        &RESOURCE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| {
            (&self.resource.kind, &self.resource.arn) == (&other.resource.kind, &other.resource.arn)
        })
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
indexed!(ResourceView);

impl ResourceView {
    fn at(&self, index: &dyn Val) -> Result<Box<dyn Val>, ExecutionError> {
        self.field(text(index).ok_or_else(|| wrong_index("map"))?)
    }
}

/// The account, with every resource in it.
#[derive(Debug, Clone)]
pub(in crate::controls::cel) struct AccountView(pub(in crate::controls::cel) Arc<Scene>);

impl AccountView {
    fn field(&self, field: &str) -> Result<Box<dyn Val>, ExecutionError> {
        let scene = &self.0;
        if let Some(kind) = collect::collection(field) {
            let (found, holes) = scene.listed(kind);
            if !kind.is_one() {
                let of = ListOf::Resources { scene: Arc::clone(scene), kind, found, holes };
                return Ok(Box::new(ListView::new(of)));
            }
            let path = format!("account.{field}");
            return match (found.first(), holes.into_iter().next()) {
                (Some(resource), _) => Ok(Box::new(ResourceView {
                    scene: Arc::clone(scene),
                    resource: Arc::clone(resource),
                    kind,
                    path,
                })),
                (None, Some(unseen)) => Err(scene.refuse(unseen)),
                (None, None) => {
                    let message = format!("`{path}` was not found");
                    Err(scene.refuse(scene.without_call(GLOBAL, Cause::Failed, message)))
                }
            };
        }
        let value = account_field(scene, field)?;
        Node {
            scene: Arc::clone(scene),
            root: Root::Owned(Arc::new(value)),
            steps: Vec::new(),
            path: format!("account.{field}"),
            ty: None,
        }
        .value()
    }
}

/// What Organizations says of the account. An account that was not looked up there has none of it.
fn account_field(scene: &Scene, field: &str) -> Result<Value, ExecutionError> {
    if field == "id" {
        return Ok(Value::from(scene.account.as_str()));
    }
    let not_seen = || {
        let message = format!("`account.{field}` was not asked for");
        scene.refuse(scene.without_call(GLOBAL, Cause::NotCollected, message))
    };
    let account = scene.account().ok_or_else(not_seen)?;
    Ok(match field {
        "name" => Value::from(account.name.as_str()),
        "partition" => Value::from(account.partition.as_str()),
        "organization" => account.organization.as_deref().map_or(Value::Null, Value::from),
        "is_management" => Value::from(account.is_management.ok_or_else(not_seen)?),
        "units" => Value::from(account.units.clone().ok_or_else(not_seen)?),
        "tags" => {
            let tags = account.tags.as_ref().ok_or_else(not_seen)?;
            tags.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect()
        }
        _ => return Err(ExecutionError::no_such_key(field)),
    })
}

impl Val for AccountView {
    fn get_type(&self) -> &CelType {
        &RESOURCE
    }

    fn cel_type() -> &'static CelType {
        &RESOURCE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
indexed!(AccountView);

impl AccountView {
    fn at(&self, index: &dyn Val) -> Result<Box<dyn Val>, ExecutionError> {
        self.field(text(index).ok_or_else(|| wrong_index("map"))?)
    }
}

/// An element that exists, or may exist, and was not observed: whatever is asked of it is an error.
#[derive(Debug, Clone)]
pub(super) struct UnobservedView {
    pub(super) error: ExecutionError,
}

impl Val for UnobservedView {
    fn get_type(&self) -> &CelType {
        &UNOBSERVED
    }

    fn cel_type() -> &'static CelType {
        &UNOBSERVED
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
indexed!(UnobservedView);

impl UnobservedView {
    fn at(&self, _index: &dyn Val) -> Result<Box<dyn Val>, ExecutionError> {
        Err(self.error.clone())
    }
}
