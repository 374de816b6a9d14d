//! What an expression sees: thin values over the inventory that resolve fields when they are read.
//!
//! Nothing is copied ahead of time. A field that was not observed answers with an error, which `&&`, `||`
//! and comprehensions absorb when another operand decides; everything that was read is noted as evidence.

use std::any::Any;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Iterable, Iterator as ValIterator, Sizer};
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelNull, CelString, LIST_TYPE, MAP_TYPE, Type as CelType,
};
use cel::common::value::{CowVal, StaticVal, Val};
use serde_json::Value;

use crate::collect::schema::{self, Type};
use crate::collect::{self, Kind, Scope};
use crate::controls::Evidence;
use crate::inventory::{Account, Cause, Facet, GLOBAL, Inventory, Resource, Unseen};

/// Evidence kept for one verdict; a comprehension over thousands of things must not fill the report.
const MAX_EVIDENCE: usize = 40;
/// Longest evidence value kept whole, as JSON text.
const MAX_EVIDENCE_BYTES: usize = 2048;
/// Stands in an [`ExecutionError`] for "not observed"; the message is the index of the reason.
const UNSEEN: &str = "unseen";

/// Type of a list that could not be read everywhere: `size` has no answer for it.
pub(super) static PARTIAL_LIST: CelType = CelType::new_unspecified_type("partial_list");
static RESOURCE: CelType = CelType::new_unspecified_type("resource");
static UNOBSERVED: CelType = CelType::new_unspecified_type("unobserved");

/// One evaluation: what it looks at, and what it noted.
#[derive(Debug)]
pub(super) struct Scene {
    inventory: Arc<Inventory>,
    account: String,
    notes: Mutex<Notes>,
}

#[derive(Debug)]
struct Notes {
    evidence: Vec<Evidence>,
    paths: HashSet<String>,
    unseen: Vec<Unseen>,
}

impl Scene {
    pub(super) fn new(inventory: &Arc<Inventory>, account: &str) -> Arc<Self> {
        Arc::new(Self {
            inventory: Arc::clone(inventory),
            account: account.to_owned(),
            notes: Mutex::new(Notes { evidence: Vec::new(), paths: HashSet::new(), unseen: Vec::new() }),
        })
    }

    /// What was read so far.
    pub(super) fn evidence(&self) -> Vec<Evidence> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).evidence.clone()
    }

    /// The error that carries `unseen` through the evaluation.
    fn refuse(&self, unseen: Unseen) -> ExecutionError {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.unseen.push(unseen);
        ExecutionError::function_error(UNSEEN, (notes.unseen.len() - 1).to_string())
    }

    /// The reason behind an error of [`Scene::refuse`]; `None` for any other error.
    pub(super) fn unseen(&self, error: &ExecutionError) -> Option<Unseen> {
        let ExecutionError::FunctionError { function, message } = error else {
            return None;
        };
        let index: usize = if function == UNSEEN { message.parse().ok()? } else { return None };
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).unseen.get(index).cloned()
    }

    /// Notes that `value` was read at `path`.
    pub(super) fn note(&self, path: &str, value: &Value) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.evidence.len() >= MAX_EVIDENCE || !notes.paths.insert(path.to_owned()) {
            return;
        }
        let text = value.to_string();
        let is_long = text.len() > MAX_EVIDENCE_BYTES;
        let value = if is_long { Value::String(first_bytes(&text).to_owned()) } else { value.clone() };
        notes.evidence.push(Evidence { path: path.to_owned(), value, cut: is_long });
    }

    fn account(&self) -> Option<&Account> {
        self.inventory.account(&self.account)
    }

    fn without_call(&self, region: &str, cause: Cause, message: String) -> Unseen {
        Unseen::without_call(&self.account, region, cause, message)
    }

    /// The resources of one type in the account, and why some of them may be missing.
    fn listed(&self, kind: &'static Kind) -> (Vec<Arc<Resource>>, Vec<Unseen>) {
        let found = self.inventory.of_kind(&self.account, kind.name).cloned().collect();
        (found, self.inventory.holes(&self.account, kind.name, kind.scope == Scope::Global))
    }
}

fn first_bytes(text: &str) -> &str {
    let end = (0..=MAX_EVIDENCE_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// A JSON value inside a resource's field, or one of its own.
#[derive(Debug, Clone)]
enum Root {
    Field(Arc<Resource>, Arc<str>),
    Owned(Arc<Value>),
}

#[derive(Debug, Clone)]
enum Step {
    Key(Arc<str>),
    Index(usize),
}

/// A list or object: where it is, and what the schema says of it.
#[derive(Debug, Clone)]
pub(super) struct Node {
    scene: Arc<Scene>,
    root: Root,
    steps: Vec<Step>,
    path: String,
    ty: Option<&'static Type>,
}

impl Node {
    /// The value, as it was collected.
    pub(super) fn json(&self) -> &Value {
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
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn scene(&self) -> &Arc<Scene> {
        &self.scene
    }

    /// Notes the whole value as read.
    pub(super) fn note_whole(&self) {
        self.scene.note(&self.path, self.json());
    }

    fn key(&self, key: &str) -> Result<Box<dyn Val>, ExecutionError> {
        let ty = match self.ty.map(not_null) {
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

    fn index(&self, index: usize) -> Result<Box<dyn Val>, ExecutionError> {
        let mut inner = self.clone();
        inner.steps.push(Step::Index(index));
        inner.path = format!("{}[{index}]", self.path);
        inner.ty = match self.ty.map(not_null) {
            Some(Type::List(of)) => Some(&**of),
            _ => None,
        };
        inner.value()
    }

    /// The value at this place: a scalar, which counts as read, or a view of what is inside.
    fn value(self) -> Result<Box<dyn Val>, ExecutionError> {
        if let (Some(Type::Resource(kind)), Value::String(arn)) = (self.ty.map(not_null), self.json()) {
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
            Value::Array(_) => return Ok(Box::new(ListView::of_node(self))),
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

fn not_null(ty: &'static Type) -> &'static Type {
    match ty {
        Type::Nullable(of) => of,
        other => other,
    }
}

/// The text of an index, where it is one.
fn text(val: &dyn Val) -> Option<&str> {
    val.downcast_ref::<CelString>().map(CelString::inner)
}

/// A JSON object.
#[derive(Debug, Clone)]
pub(super) struct ObjectView(Node);

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
impl StaticVal for ObjectView {}

impl Indexer for ObjectView {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let key = text(index).ok_or_else(|| wrong_index("map"))?;
        self.0.key(key).map(CowVal::Owned)
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(index).map(CowVal::into_owned)
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

fn count(length: usize) -> CelInt {
    CelInt::from(i64::try_from(length).unwrap_or(i64::MAX))
}

fn wrong_index(of: &str) -> ExecutionError {
    ExecutionError::UnexpectedType {
        got: "index of another type".to_owned(),
        want: format!("index of a {of}"),
    }
}

/// A list: of JSON values, or of the account's resources of one type.
#[derive(Debug)]
pub(super) struct ListView {
    of: ListOf,
    items: OnceLock<Vec<Box<dyn Val>>>,
}

#[derive(Debug, Clone)]
enum ListOf {
    Json(Node),
    Resources { scene: Arc<Scene>, kind: &'static Kind, found: Vec<Arc<Resource>>, holes: Vec<Unseen> },
}

impl ListView {
    fn of_node(node: Node) -> Self {
        Self { of: ListOf::Json(node), items: OnceLock::new() }
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

    /// Why the list may be longer than what was seen of it.
    pub(super) fn hole(&self) -> Option<ExecutionError> {
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
        Box::new(Self { of: self.of.clone(), items: OnceLock::new() })
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
impl StaticVal for ListView {}

impl Indexer for ListView {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let at = index.downcast_ref::<CelInt>().ok_or_else(|| wrong_index("list"))?;
        let item = usize::try_from(*at.inner()).ok().and_then(|at| self.items().get(at));
        match item {
            Some(item) => Ok(CowVal::Owned(item.clone_as_boxed())),
            None => Err(self.hole().unwrap_or_else(|| ExecutionError::no_such_key(&at.inner().to_string()))),
        }
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(index).map(CowVal::into_owned)
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

/// A resource.
#[derive(Debug, Clone)]
pub(super) struct ResourceView {
    scene: Arc<Scene>,
    resource: Arc<Resource>,
    kind: &'static Kind,
    path: String,
}

impl ResourceView {
    pub(super) fn new(scene: &Arc<Scene>, resource: &Arc<Resource>, kind: &'static Kind) -> Self {
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
impl StaticVal for ResourceView {}

impl Indexer for ResourceView {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let field = text(index).ok_or_else(|| wrong_index("map"))?;
        self.field(field).map(CowVal::Owned)
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(index).map(CowVal::into_owned)
    }
}

/// The account, with every resource in it.
#[derive(Debug, Clone)]
pub(super) struct AccountView(pub(super) Arc<Scene>);

impl AccountView {
    fn field(&self, field: &str) -> Result<Box<dyn Val>, ExecutionError> {
        let scene = &self.0;
        if let Some(kind) = collect::collection(field) {
            let (found, holes) = scene.listed(kind);
            if !kind.is_one() {
                let of = ListOf::Resources { scene: Arc::clone(scene), kind, found, holes };
                return Ok(Box::new(ListView { of, items: OnceLock::new() }));
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
        "units" => Value::from(account.units.clone()),
        "tags" => account.tags.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect(),
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
impl StaticVal for AccountView {}

impl Indexer for AccountView {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let field = text(index).ok_or_else(|| wrong_index("map"))?;
        self.field(field).map(CowVal::Owned)
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(index).map(CowVal::into_owned)
    }
}

/// An element that exists, or may exist, and was not observed: whatever is asked of it is an error.
#[derive(Debug, Clone)]
struct UnobservedView {
    error: ExecutionError,
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
impl StaticVal for UnobservedView {}

impl Indexer for UnobservedView {
    fn get<'b, 'v>(&'b self, _index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Err(self.error.clone())
    }

    fn steal<'v>(self: Box<Self>, _index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Err(self.error)
    }
}

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
