//! Macie: whether it is on in a region, and what it looks at.
//!
//! Calls, in every region:
//! [`GetMacieSession`](https://docs.aws.amazon.com/macie/latest/APIReference/macie.html), and where Macie is on
//! [`GetAutomatedDiscoveryConfiguration`](https://docs.aws.amazon.com/macie/latest/APIReference/automated-discovery-configuration.html),
//! [`ListClassificationJobs`](https://docs.aws.amazon.com/macie/latest/APIReference/jobs-list.html) and
//! [`GetAdministratorAccount`](https://docs.aws.amazon.com/macie/latest/APIReference/administrator.html).
//!
//! Quirks: where Macie is not enabled each call answers `AccessDeniedException` with "Macie is not enabled", which
//! is an answer and no denial. A member's buckets are looked at by the jobs and the automated discovery of its
//! administrator, of which the member is not told.

use aws_sdk_macie2::Client;
use aws_sdk_macie2::types::JobSummary;
use schemars::JsonSchema;
use serde::Serialize;

use super::touch::{Change, Target};
use super::{Ask, Collected, Kind, Observed, Per, Row, Scope, missing, text};
use crate::aws::{Call, Place};
use crate::inventory::{Facet, Unseen};

const NOT_ENABLED: &[(&str, &str)] = &[("AccessDeniedException", "Macie is not enabled")];

static GET_MACIE_SESSION: Call =
    Call::one("macie2", "GetMacieSession", "\"status\"").absent_saying(NOT_ENABLED);
static GET_AUTOMATED_DISCOVERY: Call =
    Call::one("macie2", "GetAutomatedDiscoveryConfiguration", "\"status\"").absent_saying(NOT_ENABLED);
static LIST_CLASSIFICATION_JOBS: Call =
    Call::list("macie2", "ListClassificationJobs", "\"items\"").absent_saying(NOT_ENABLED);
/// AWS answers `{}` to an account that has no administrator.
static GET_ADMINISTRATOR_ACCOUNT: Call = Call::one("macie2", "GetAdministratorAccount", "{")
    .absent(&["ResourceNotFoundException"])
    .absent_saying(NOT_ENABLED);

/// The resource type of a region's Macie.
pub static REGION: Kind = Kind {
    name: "aws.macie.region",
    collection: "macie_regions",
    single: true,
    scope: Scope::Regional,
    list: &[],
    facets: &[
        Row { field: "session", calls: &[&GET_MACIE_SESSION], per: Per::Place },
        Row {
            field: "automated_discovery",
            calls: &[&GET_MACIE_SESSION, &GET_AUTOMATED_DISCOVERY],
            per: Per::Place,
        },
        Row { field: "jobs", calls: &[&GET_MACIE_SESSION, &LIST_CLASSIFICATION_JOBS], per: Per::Place },
        Row {
            field: "administrator",
            calls: &[&GET_MACIE_SESSION, &GET_ADMINISTRATOR_ACCOUNT],
            per: Per::Place,
        },
    ],
    events: &[Change {
        source: "macie2.amazonaws.com",
        names: &[
            "AcceptInvitation",
            "CreateClassificationJob",
            "DisableMacie",
            "DisassociateFromAdministratorAccount",
            "DisassociateFromMasterAccount",
            "EnableMacie",
            "UpdateAutomatedDiscoveryConfiguration",
            "UpdateClassificationJob",
            "UpdateMacieSession",
        ],
        target: Target::Place,
    }],
    schema: MacieRegion::json_schema,
};

/// Macie in one region.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MacieRegion {
    /// `ENABLED` or `PAUSED`; null when Macie is not enabled here.
    session: Facet<Option<String>>,
    /// `ENABLED` or `DISABLED`; null when Macie is not enabled here.
    automated_discovery: Facet<Option<String>>,
    /// The account's own jobs, finished ones included.
    jobs: Facet<Vec<Job>>,
    /// Account that administers Macie for this one; null when there is none.
    administrator: Facet<Option<String>>,
}

impl Observed for MacieRegion {
    const KIND: &'static Kind = &REGION;
}

/// A job that looks for sensitive data.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Job {
    /// Its id.
    id: String,
    /// State, such as `RUNNING`, `IDLE` (until its next run) or `CANCELLED`.
    status: String,
    /// The buckets it names; null when it finds them by criteria each time it runs.
    buckets: Option<Vec<String>>,
}

/// Collects the state of Macie in one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&REGION) {
        return Collected::nothing();
    }
    let (place, client) = (ask.place, ask.place.macie2());
    let session = read_session(place, &client).await;
    // Where Macie is off the other calls could only say so once more, and where that is not known their answers
    // would decide nothing.
    let is_on = session.as_ref().map(Option::is_some).map_err(Clone::clone);
    let (automated_discovery, jobs, administrator) = futures::join!(
        ask.fill(&REGION, "automated_discovery", async {
            if is_on.clone()? { read_automated_discovery(place, &client).await } else { Ok(None) }
        }),
        ask.fill(&REGION, "jobs", async {
            if is_on.clone()? { read_jobs(place, &client).await } else { Ok(Vec::new()) }
        }),
        ask.fill(&REGION, "administrator", async {
            if is_on.clone()? { read_administrator(place, &client).await } else { Ok(None) }
        }),
    );
    let session = ask.fill(&REGION, "session", async { session }).await;
    ask.settings(&MacieRegion { session, automated_discovery, jobs, administrator })
}

async fn read_session(place: &Place, client: &Client) -> Result<Option<String>, Unseen> {
    let call = &GET_MACIE_SESSION;
    let Some(output) = place.call(call, || client.get_macie_session().send()).await?.found() else {
        return Ok(None);
    };
    let status = output.status.ok_or_else(|| missing(place, call, "status"))?;
    Ok(Some(status.as_str().to_owned()))
}

async fn read_automated_discovery(place: &Place, client: &Client) -> Result<Option<String>, Unseen> {
    let call = &GET_AUTOMATED_DISCOVERY;
    let reply = place.call(call, || client.get_automated_discovery_configuration().send()).await?;
    let Some(output) = reply.found() else {
        return Ok(None);
    };
    let status = output.status.ok_or_else(|| missing(place, call, "status"))?;
    Ok(Some(status.as_str().to_owned()))
}

async fn read_jobs(place: &Place, client: &Client) -> Result<Vec<Job>, Unseen> {
    let open = || client.list_classification_jobs().into_paginator().send();
    let listed = place.pages(&LIST_CLASSIFICATION_JOBS, open, |page| page.items).await;
    let jobs = listed.complete()?.found().unwrap_or_else(Vec::new);
    jobs.into_iter().map(|found| job(place, found)).collect()
}

fn job(place: &Place, found: JobSummary) -> Result<Job, Unseen> {
    let call = &LIST_CLASSIFICATION_JOBS;
    let status = found.job_status.ok_or_else(|| missing(place, call, "jobStatus"))?;
    let buckets = match (found.bucket_definitions, found.bucket_criteria) {
        (Some(named), _) => {
            let names = named.into_iter().flat_map(|definition| definition.buckets.into_iter().flatten());
            Some(names.collect())
        }
        (None, Some(_)) => None,
        (None, None) => return Err(missing(place, call, "bucketDefinitions")),
    };
    Ok(Job { id: text(place, call, "jobId", found.job_id)?, status: status.as_str().to_owned(), buckets })
}

async fn read_administrator(place: &Place, client: &Client) -> Result<Option<String>, Unseen> {
    let call = &GET_ADMINISTRATOR_ACCOUNT;
    let reply = place.call(call, || client.get_administrator_account().send()).await?;
    let Some(administrator) = reply.found().and_then(|output| output.administrator) else {
        return Ok(None);
    };
    text(place, call, "accountId", administrator.account_id).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::REGION;
    use crate::collect::canned;

    const FIELDS: [&str; 4] = ["session", "automated_discovery", "jobs", "administrator"];

    #[test]
    fn macie_that_is_not_enabled_is_an_answer_although_it_looks_like_a_denial() {
        let off = canned::refusing(403, "AccessDeniedException", "Macie is not enabled");
        let off = canned::collect(&REGION, &FIELDS, off);
        assert_eq!(*off.known("session"), json!(null));
        assert_eq!(*off.known("jobs"), json!([]));
        let message = "User: ann is not authorized to perform: macie2:GetMacieSession";
        let denied = canned::refusing(403, "AccessDeniedException", message);
        let denied = canned::collect(&REGION, &FIELDS, denied);
        for field in FIELDS {
            assert!(denied.is_denied(field), "{field}");
        }
    }
}
