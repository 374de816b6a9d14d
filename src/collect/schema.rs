//! The types of resource fields, read from the structs: what expressions are checked against, and what
//! `upright controls schema` prints.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{KINDS, Kind, Observed};

/// Schema keyword of a field that names a resource of another type.
const LINK: &str = "x-upright-link";
/// Schema keyword of a policy document.
const POLICY: &str = "x-upright-policy";

/// Type of a value in an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A number with a fraction.
    Double,
    /// Text. Times are text too, in RFC 3339.
    String,
    /// An IAM policy document, for the policy functions.
    Policy,
    /// A list.
    List(Box<Type>),
    /// An object with any keys.
    Map(Box<Type>),
    /// An object with these fields.
    Struct(BTreeMap<String, Field>),
    /// A resource of that type.
    Resource(&'static str),
    /// Either this or null.
    Nullable(Box<Type>),
    /// The literal `null`.
    Null,
    /// Anything: the element type of an empty list, say.
    Any,
}

/// A field with its documentation.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its type.
    pub ty: Type,
    /// Its doc comment.
    pub doc: String,
}

impl Type {
    /// The type of the value when it is not null.
    #[must_use]
    pub fn not_null(&self) -> &Self {
        match self {
            Self::Nullable(of) => of,
            other => other,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Policy => f.write_str("policy"),
            Self::List(of) => write!(f, "list({of})"),
            Self::Map(of) => write!(f, "map({of})"),
            Self::Struct(_) => f.write_str("object"),
            Self::Resource(kind) => f.write_str(kind),
            Self::Nullable(of) => write!(f, "{of}?"),
            Self::Null => f.write_str("null"),
            Self::Any => f.write_str("any"),
        }
    }
}

/// The fields of a resource type, with those that every resource has.
#[must_use]
pub fn fields(kind: &str) -> Option<&'static BTreeMap<String, Field>> {
    static FIELDS: LazyLock<BTreeMap<&'static str, BTreeMap<String, Field>>> =
        LazyLock::new(|| KINDS.iter().map(|kind| (kind.name, read(kind))).collect());
    FIELDS.get(kind)
}

/// What every resource has besides its own fields.
pub const IDENTITY: &[(&str, &str)] = &[
    ("arn", "Amazon Resource Name."),
    ("name", "What people call it."),
    ("account_id", "Account it was seen in, twelve digits."),
    ("region", "Region, or `global`."),
];

fn read(kind: &Kind) -> BTreeMap<String, Field> {
    let mut generator = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true).into_generator();
    let schema = (kind.schema)(&mut generator);
    let mut fields: BTreeMap<String, Field> = IDENTITY
        .iter()
        .map(|(name, doc)| {
            let doc = (*doc).to_owned();
            ((*name).to_owned(), Field { ty: Type::String, doc })
        })
        .collect();
    fields.extend(struct_fields(schema.as_value()));
    fields
}

fn struct_fields(schema: &Value) -> BTreeMap<String, Field> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, property)| {
            let doc = property.get("description").and_then(Value::as_str).unwrap_or_default();
            let field =
                Field { ty: type_of(property), doc: doc.split_whitespace().collect::<Vec<_>>().join(" ") };
            (name.clone(), field)
        })
        .collect()
}

fn type_of(schema: &Value) -> Type {
    if let Some(target) = schema.get(LINK).and_then(Value::as_str) {
        let link = super::kind(target).map_or(Type::Any, |kind| Type::Resource(kind.name));
        return nullable_if(is_null_too(schema), link);
    }
    if schema.get(POLICY).is_some() {
        return nullable_if(is_null_too(schema), Type::Policy);
    }
    if let Some(options) = schema.get("anyOf").and_then(Value::as_array) {
        let null = options.iter().any(|o| o.get("type") == Some(&Value::from("null")));
        let rest = options.iter().find(|o| o.get("type") != Some(&Value::from("null")));
        return nullable_if(null, rest.map_or(Type::Any, type_of));
    }
    match schema.get("type") {
        Some(Value::String(name)) => named(name, schema),
        Some(Value::Array(names)) => {
            let name = names.iter().filter_map(Value::as_str).find(|n| *n != "null");
            nullable_if(is_null_too(schema), name.map_or(Type::Any, |n| named(n, schema)))
        }
        _ if schema.get("enum").is_some() || schema.get("const").is_some() => Type::String,
        _ if schema.get("oneOf").is_some() => Type::String,
        _ => Type::Any,
    }
}

fn is_null_too(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_array).is_some_and(|names| names.iter().any(|n| n == "null"))
}

fn nullable_if(null: bool, ty: Type) -> Type {
    match ty {
        Type::Nullable(_) | Type::Any => ty,
        ty if null => Type::Nullable(Box::new(ty)),
        ty => ty,
    }
}

fn named(name: &str, schema: &Value) -> Type {
    match name {
        "boolean" => Type::Bool,
        "integer" => Type::Int,
        "number" => Type::Double,
        "string" => Type::String,
        "null" => Type::Null,
        "array" => Type::List(Box::new(schema.get("items").map_or(Type::Any, type_of))),
        "object" if schema.get("properties").is_some() => Type::Struct(struct_fields(schema)),
        "object" => Type::Map(Box::new(
            schema.get("additionalProperties").filter(|v| v.is_object()).map_or(Type::Any, type_of),
        )),
        _ => Type::Any,
    }
}

/// The ARN of a resource of another type, which an expression can walk through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link<T> {
    arn: String,
    target: PhantomData<fn() -> T>,
}

impl<T> Link<T> {
    /// A link to the resource with that ARN.
    pub fn to(arn: impl Into<String>) -> Self {
        Self { arn: arn.into(), target: PhantomData }
    }
}

impl<T> Serialize for Link<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.arn)
    }
}

impl<T: Observed> JsonSchema for Link<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Owned(format!("Link_{}", T::KIND.name))
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", LINK: T::KIND.name })
    }
}

/// An IAM policy document, parsed from JSON but otherwise as AWS gave it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct PolicyDocument(pub Value);

impl PolicyDocument {
    /// Parses a document as AWS's calls return it: JSON text, URL-encoded by IAM, plain from S3.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let text = text.trim_start();
        if text.starts_with(['{', '[']) {
            return serde_json::from_str(text).map(Self);
        }
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
        serde_json::from_str(&decoded).map(Self)
    }
}

impl JsonSchema for PolicyDocument {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("PolicyDocument")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "object", POLICY: true })
    }
}
