//! What the event selectors of a trail record.
//!
//! The selectors are `{ classic: [...], advanced: [...] }` as the collector reads them. An event is recorded
//! when one selector takes it, so selectors add up: one for reads and one for writes take both. In an
//! [advanced selector](https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html)
//! all fields must fit; in a field one of the positive operators (`equals`, `starts_with`, `ends_with`) and none of
//! the negative ones.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Mistake, shape};

/// The field of an advanced selector that names the service.
const SOURCE: &str = "eventSource";

/// Whether the event selectors of a trail record all management events, reads and writes.
///
/// Leaving out an event source, such as those of KMS and of the data API of RDS, is not all. An advanced
/// selector that asks for anything but category, read-only and source takes only some events and does not count.
///
/// # Errors
///
/// The selectors do not have the promised shape.
pub(crate) fn records_management_events(selectors: &Value) -> Result<bool, Mistake> {
    let (classic, advanced) = read(selectors)?;
    let records = |access: Access| {
        let from_classic = classic.iter().filter_map(|selector| selector.management_sources(access));
        let from_advanced = advanced.iter().filter_map(|selector| selector.management_sources(access));
        are_all_sources(from_classic.chain(from_advanced))
    };
    Ok(records(Access::Read) && records(Access::Write))
}

/// Whether the event selectors of a trail record the reads (`read`) or the writes (`write`) of the objects in
/// all buckets, those to come included.
///
/// An advanced selector that asks for some event names, callers or ARNs takes only some events and does not count.
///
/// # Errors
///
/// The selectors do not have the promised shape, or the kind is neither `read` nor `write`.
pub(crate) fn records_s3_data_events(selectors: &Value, kind: &str) -> Result<bool, Mistake> {
    let access = match kind {
        "read" => Access::Read,
        "write" => Access::Write,
        _ => return Err(Mistake::new("the kind of data events must be 'read' or 'write'")),
    };
    let (classic, advanced) = read(selectors)?;
    Ok(classic.iter().any(|selector| selector.records_all_objects(access))
        || advanced.iter().any(|selector| selector.records_all_objects(access)))
}

fn read(selectors: &Value) -> Result<(Vec<Classic<'_>>, Vec<Advanced<'_>>), Mistake> {
    let selectors = shape::map(selectors, "the event selectors")?;
    let of = |generation| {
        shape::list(shape::member(selectors, generation, "the event selectors")?, "the event selectors")
    };
    let classic = of("classic")?.iter().map(Classic::parse).collect::<Result<_, _>>()?;
    let advanced = of("advanced")?.iter().map(Advanced::parse).collect::<Result<_, _>>()?;
    Ok((classic, advanced))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

impl Access {
    /// The value of the field `readOnly`.
    const fn read_only(self) -> &'static str {
        match self {
            Self::Read => "true",
            Self::Write => "false",
        }
    }
}

/// The event sources whose events a selector takes.
#[derive(Debug)]
enum Sources<'a> {
    Only(BTreeSet<&'a str>),
    AllBut(BTreeSet<&'a str>),
}

fn are_all_sources<'a>(selected: impl Iterator<Item = Sources<'a>>) -> bool {
    let mut named = BTreeSet::new();
    let mut missing: Option<BTreeSet<&str>> = None;
    for sources in selected {
        match sources {
            Sources::Only(sources) => named.extend(sources),
            Sources::AllBut(left_out) => {
                missing = Some(match missing {
                    Some(missing) => missing.intersection(&left_out).copied().collect(),
                    None => left_out,
                });
            }
        }
    }
    missing.is_some_and(|missing| missing.is_subset(&named))
}

#[derive(Debug)]
struct Classic<'a> {
    reads: bool,
    writes: bool,
    management: bool,
    excluded_sources: BTreeSet<&'a str>,
    /// Whether data events of the objects of all buckets are recorded.
    all_objects: bool,
}

impl<'a> Classic<'a> {
    fn parse(selector: &'a Value) -> Result<Self, Mistake> {
        let what = "a classic selector";
        let selector = shape::map(selector, what)?;
        let read_write = shape::text(shape::member(selector, "read_write_type", what)?, "`read_write_type`")?;
        let (reads, writes) = match read_write {
            "All" => (true, true),
            "ReadOnly" => (true, false),
            "WriteOnly" => (false, true),
            _ => return Err(Mistake::new("`read_write_type` is none of `All`, `ReadOnly` and `WriteOnly`")),
        };
        let management = shape::member(selector, "include_management_events", what)?;
        let excluded = shape::member(selector, "excluded_management_sources", what)?;
        let mut all_objects = false;
        for data in shape::list(shape::member(selector, "data_resources", what)?, "`data_resources`")? {
            all_objects |= is_all_objects(shape::map(data, "a data resource")?)?;
        }
        Ok(Self {
            reads,
            writes,
            management: shape::boolean(management, "`include_management_events`")?,
            excluded_sources: shape::texts(excluded, "`excluded_management_sources`")?.into_iter().collect(),
            all_objects,
        })
    }

    const fn takes(&self, access: Access) -> bool {
        match access {
            Access::Read => self.reads,
            Access::Write => self.writes,
        }
    }

    fn management_sources(&self, access: Access) -> Option<Sources<'a>> {
        (self.management && self.takes(access)).then(|| Sources::AllBut(self.excluded_sources.clone()))
    }

    fn records_all_objects(&self, access: Access) -> bool {
        self.all_objects && self.takes(access)
    }
}

fn is_all_objects(data: &Map<String, Value>) -> Result<bool, Mistake> {
    let kind = shape::text(shape::member(data, "type", "a data resource")?, "the type of a data resource")?;
    let values =
        shape::texts(shape::member(data, "values", "a data resource")?, "values of a data resource")?;
    Ok(kind == "AWS::S3::Object" && values.iter().any(|value| is_all_buckets(value)))
}

/// `arn:aws:s3` and `arn:aws:s3:::`, in any partition.
fn is_all_buckets(prefix: &str) -> bool {
    let mut parts = prefix.strip_suffix(":::").unwrap_or(prefix).split(':');
    let (arn, partition, service) = (parts.next(), parts.next(), parts.next());
    arn == Some("arn")
        && partition.is_some_and(|partition| partition.starts_with("aws"))
        && service == Some("s3")
        && parts.next().is_none()
}

#[derive(Debug)]
struct Advanced<'a> {
    fields: Vec<Field<'a>>,
}

impl<'a> Advanced<'a> {
    fn parse(selector: &'a Value) -> Result<Self, Mistake> {
        let what = "an advanced selector";
        let selector = shape::map(selector, what)?;
        let fields =
            shape::list(shape::member(selector, "fields", what)?, "the fields of an advanced selector")?;
        let fields = fields.iter().map(Field::parse).collect::<Result<Vec<_>, _>>()?;
        // Without it the selector would seem to take everything.
        if !fields.iter().any(|field| field.name == "eventCategory") {
            return Err(Mistake::new("an advanced selector does not tell its `eventCategory`"));
        }
        Ok(Self { fields })
    }

    /// The sources whose management events it takes; `None` when it takes none, or only some of a source.
    fn management_sources(&self, access: Access) -> Option<Sources<'a>> {
        let mut only: Option<BTreeSet<&str>> = None;
        let mut all_but = BTreeSet::new();
        for field in &self.fields {
            match field.name {
                "eventCategory" if field.takes("Management") => {}
                "readOnly" if field.takes(access.read_only()) => {}
                SOURCE if field.compares_whole_values() => {
                    if !field.equals.is_empty() {
                        let named = field.equals.iter().copied();
                        only = Some(
                            named.filter(|source| only.as_ref().is_none_or(|o| o.contains(source))).collect(),
                        );
                    }
                    all_but.extend(field.not_equals.iter().copied());
                }
                _ => return None,
            }
        }
        Some(match only {
            Some(only) => Sources::Only(only.difference(&all_but).copied().collect()),
            None => Sources::AllBut(all_but),
        })
    }

    fn records_all_objects(&self, access: Access) -> bool {
        let mut names_type = false;
        let fits = self.fields.iter().all(|field| match field.name {
            "eventCategory" => field.takes("Data"),
            "readOnly" => field.takes(access.read_only()),
            SOURCE => field.takes("s3.amazonaws.com"),
            "resources.type" => {
                names_type = true;
                field.takes("AWS::S3::Object")
            }
            "resources.ARN" => field.takes_all_buckets(),
            _ => false,
        });
        fits && names_type
    }
}

/// One condition of an advanced selector.
#[derive(Debug)]
struct Field<'a> {
    name: &'a str,
    equals: Vec<&'a str>,
    starts_with: Vec<&'a str>,
    ends_with: Vec<&'a str>,
    not_equals: Vec<&'a str>,
    not_starts_with: Vec<&'a str>,
    not_ends_with: Vec<&'a str>,
}

impl<'a> Field<'a> {
    fn parse(field: &'a Value) -> Result<Self, Mistake> {
        let what = "a field selector";
        let field = shape::map(field, what)?;
        let values =
            |operator| shape::texts(shape::member(field, operator, what)?, "values of a field selector");
        Ok(Self {
            name: shape::text(shape::member(field, "field", what)?, "the name of a field")?,
            equals: values("equals")?,
            starts_with: values("starts_with")?,
            ends_with: values("ends_with")?,
            not_equals: values("not_equals")?,
            not_starts_with: values("not_starts_with")?,
            not_ends_with: values("not_ends_with")?,
        })
    }

    fn takes(&self, value: &str) -> bool {
        let positive = self.equals.contains(&value)
            || self.starts_with.iter().any(|start| value.starts_with(start))
            || self.ends_with.iter().any(|end| value.ends_with(end));
        let negative = self.not_equals.contains(&value)
            || self.not_starts_with.iter().any(|start| value.starts_with(start))
            || self.not_ends_with.iter().any(|end| value.ends_with(end));
        (positive || !self.has_positive()) && !negative
    }

    fn has_positive(&self) -> bool {
        !(self.equals.is_empty() && self.starts_with.is_empty() && self.ends_with.is_empty())
    }

    fn compares_whole_values(&self) -> bool {
        [&self.starts_with, &self.ends_with, &self.not_starts_with, &self.not_ends_with]
            .iter()
            .all(|values| values.is_empty())
    }

    fn takes_all_buckets(&self) -> bool {
        let negative = [&self.not_equals, &self.not_starts_with, &self.not_ends_with];
        negative.iter().all(|values| values.is_empty())
            && (!self.has_positive() || self.starts_with.iter().any(|start| is_all_buckets(start)))
    }
}

#[cfg(test)]
mod tests;
