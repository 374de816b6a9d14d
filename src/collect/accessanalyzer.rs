//! IAM Access Analyzer: the analyzers of a region.
//!
//! Call: [`ListAnalyzers`](https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_ListAnalyzers.html) in
//! every region.
//!
//! Quirks: an analyzer for the whole organization is listed only where it was made, in the management account
//! or the [delegated administrator](https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-delegated-administrator.html),
//! and no call tells a member of it. Whether a member is covered shows when its organization was scanned as a
//! whole, in [`super::across`].

use aws_sdk_accessanalyzer::types::AnalyzerSummary;
use schemars::JsonSchema;
use serde::Serialize;

use super::touch::{Change, Target};
use super::{Ask, Collected, Kind, Observed, Per, Row, Scope, answer, text};
use crate::aws::{Call, Place};
use crate::inventory::{Facet, Unseen};

static LIST_ANALYZERS: Call = Call::list("access-analyzer", "ListAnalyzers", "\"analyzers\"");

/// The resource type of a region's analyzers.
pub static REGION: Kind = Kind {
    name: "aws.accessanalyzer.region",
    collection: "access_analyzer_regions",
    single: true,
    scope: Scope::Regional,
    list: &[],
    facets: &[
        Row { field: "analyzers", calls: &[&LIST_ANALYZERS], per: Per::Place },
        Row { field: "organization_analyzer", calls: &[&LIST_ANALYZERS], per: Per::Place },
    ],
    events: &[Change {
        source: "access-analyzer.amazonaws.com",
        names: &["CreateAnalyzer", "DeleteAnalyzer", "UpdateAnalyzer"],
        target: Target::Place,
    }],
    schema: AnalyzerRegion::json_schema,
};

/// The analyzers of one region.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AnalyzerRegion {
    /// The account's own analyzers.
    analyzers: Facet<Vec<Analyzer>>,
    /// ARN of an active analyzer of external access in another account that covers the whole organization; null
    /// when no account of the organization has one. Known only where the organization was scanned.
    organization_analyzer: Facet<Option<String>>,
}

impl Observed for AnalyzerRegion {
    const KIND: &'static Kind = &REGION;
}

/// An analyzer.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Analyzer {
    /// Its ARN.
    arn: String,
    /// `ACCOUNT` or `ORGANIZATION` for external access; others, such as `ACCOUNT_UNUSED_ACCESS`, look for
    /// something else.
    #[serde(rename = "type")]
    kind: String,
    /// State, such as `ACTIVE`.
    status: String,
}

/// Collects the analyzers of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&REGION) {
        return Collected::nothing();
    }
    let is_wanted =
        ["analyzers", "organization_analyzer"].iter().any(|field| ask.wanted.field(&REGION, field));
    let analyzers = if is_wanted {
        Facet::from(read_analyzers(ask.place).await)
    } else {
        Facet::Unknown(ask.not_collected())
    };
    let organization_analyzer = ask.fill(&REGION, "organization_analyzer", async { Err(ask.later()) }).await;
    ask.settings(&AnalyzerRegion { analyzers, organization_analyzer })
}

async fn read_analyzers(place: &Place) -> Result<Vec<Analyzer>, Unseen> {
    let client = place.access_analyzer();
    let call = &LIST_ANALYZERS;
    let open = || client.list_analyzers().into_paginator().send();
    let listed = place.pages(call, open, |page| Some(page.analyzers)).await;
    answer(place, call, listed.complete()?)?.into_iter().map(|found| analyzer(place, found)).collect()
}

fn analyzer(place: &Place, found: AnalyzerSummary) -> Result<Analyzer, Unseen> {
    let member = |name, value| text(place, &LIST_ANALYZERS, name, Some(value));
    Ok(Analyzer {
        arn: member("arn", found.arn)?,
        kind: member("type", found.r#type.as_str().to_owned())?,
        status: member("status", found.status.as_str().to_owned())?,
    })
}
