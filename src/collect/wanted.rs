//! What a scan wants: from the fields that controls read to the calls that fill them.

use std::collections::{BTreeMap, BTreeSet};

use super::{KINDS, Kind, Per, Scope, kind};
use crate::aws::Call;

/// What the enabled controls read: resource types, and for each the fields beyond its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted(BTreeMap<&'static str, BTreeSet<&'static str>>);

impl Wanted {
    /// Nothing yet.
    #[must_use]
    pub const fn nothing() -> Self {
        Self(BTreeMap::new())
    }

    /// Every field of every type.
    #[must_use]
    pub fn everything() -> Self {
        let mut wanted = Self::nothing();
        for kind in KINDS {
            wanted.add(kind, None);
            for row in kind.facets {
                wanted.add(kind, Some(row.field));
            }
        }
        wanted
    }

    /// What of this is about one type.
    #[must_use]
    pub fn of(&self, kind: &Kind) -> Self {
        Self(self.0.iter().filter(|(name, _)| **name == kind.name).map(|(n, f)| (*n, f.clone())).collect())
    }

    /// Adds a type, and a field of it. A field that the list fills adds no call.
    pub fn add(&mut self, kind: &'static Kind, field: Option<&str>) {
        let fields = self.0.entry(kind.name).or_default();
        if let Some(row) = field.and_then(|field| kind.row(field)) {
            fields.insert(row.field);
        }
    }

    /// Whether resources of the type are to be listed.
    #[must_use]
    pub fn kind(&self, kind: &Kind) -> bool {
        self.0.contains_key(kind.name)
    }

    /// Whether a facet is to be filled.
    #[must_use]
    pub fn field(&self, kind: &Kind, field: &str) -> bool {
        self.0.get(kind.name).is_some_and(|fields| fields.contains(field))
    }

    /// The types, with the facets to fill.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Kind, &BTreeSet<&'static str>)> {
        self.0.iter().filter_map(|(name, fields)| Some((kind(name)?, fields)))
    }

    /// Whether it must be known which regions are scanned.
    #[must_use]
    pub fn needs_regions(&self) -> bool {
        self.iter().any(|(kind, _)| kind.needs_regions())
    }

    /// Every call that this needs, each with the facets it is for (`None`: the list).
    #[must_use]
    pub fn calls(&self) -> Vec<PlannedCall> {
        let mut planned: Vec<PlannedCall> = Vec::new();
        for (kind, fields) in self.iter() {
            let per = |call: &Call| if call.per_item { Per::Resource } else { Per::Place };
            let lists = kind.list.iter().map(|call| (*call, None, per(call)));
            let facets = kind
                .facets
                .iter()
                .filter(|row| fields.contains(row.field))
                .flat_map(|row| row.calls.iter().map(|c| (*c, Some(row.field), row.per)));
            for (call, field, per) in lists.chain(facets) {
                let known =
                    planned.iter_mut().find(|p| p.call == call && p.scope == kind.scope && p.per == per);
                match known {
                    Some(known) => known.fills.push((kind.name, field)),
                    None => planned.push(PlannedCall {
                        call,
                        scope: kind.scope,
                        per,
                        fills: vec![(kind.name, field)],
                    }),
                }
            }
        }
        planned.sort_by_key(|p| (p.call.service, p.call.operation));
        planned
    }
}

/// One call of the plan, and what it is made for.
#[derive(Debug)]
pub struct PlannedCall {
    /// The call.
    pub call: &'static Call,
    /// Whether it is made per account or per region.
    pub scope: Scope,
    /// Whether it is made once there or for each resource.
    pub per: Per,
    /// Resource types and fields it fills; `None` is the list of the type.
    pub fills: Vec<(&'static str, Option<&'static str>)>,
}
