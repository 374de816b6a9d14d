//! Collectors before an AWS whose answers the test writes: for what an error code means, and what is asked.

use std::sync::Arc;

use futures::FutureExt;
use serde_json::Value;
use upright_testkit::{Answer, Call, Server};

use super::{Ask, Collected, Kind, RegionsLater, Scope, Wanted};
use crate::aws::{Aws, Limits};
use crate::inventory::{Cause, Facet};

/// The account that is asked.
pub(super) const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";

/// What a collector made of the answers, and what it asked for them.
#[derive(Debug)]
pub(super) struct Seen {
    /// What it made.
    pub(super) collected: Collected,
    /// What it asked, in the order of arrival.
    pub(super) calls: Vec<Call>,
}

impl Seen {
    /// A field of the one resource that was found.
    pub(super) fn field(&self, name: &str) -> &Facet<Value> {
        let [resource] = self.collected.resources.as_slice() else {
            panic!("not one resource: {:?}", self.collected.resources);
        };
        resource.fields.get(name).unwrap_or_else(|| panic!("no field `{name}`: {resource:?}"))
    }

    /// The known value of a field.
    pub(super) fn known(&self, name: &str) -> &Value {
        match self.field(name) {
            Facet::Known(value) => value,
            Facet::Unknown(unseen) => panic!("`{name}` is unknown: {unseen:?}"),
        }
    }

    /// Whether a field is unknown because a call was denied.
    pub(super) fn is_denied(&self, name: &str) -> bool {
        matches!(self.field(name), Facet::Unknown(unseen) if matches!(unseen.cause, Cause::Denied { .. }))
    }

    /// What the calls of an operation gave for a parameter, sorted.
    pub(super) fn asked(&self, operation: &str, parameter: &str) -> Vec<Option<&str>> {
        let calls = self.calls.iter().filter(|call| call.operation == operation);
        let mut given: Vec<Option<&str>> = calls.map(|call| call.param(parameter)).collect();
        given.sort_unstable();
        given
    }
}

/// Collects these fields of a type. A question that `answer` has nothing for fails the test.
pub(super) fn collect(
    kind: &'static Kind,
    fields: &[&str],
    answer: impl Fn(&Call) -> Option<Answer> + Send + Sync + 'static,
) -> Seen {
    collect_in("aws", kind, fields, answer)
}

/// The same in another partition.
pub(super) fn collect_in(
    partition: &str,
    kind: &'static Kind,
    fields: &[&str],
    answer: impl Fn(&Call) -> Option<Answer> + Send + Sync + 'static,
) -> Seen {
    let server = Server::canned(answer).start().unwrap();
    let mut wanted = Wanted::nothing();
    wanted.add(kind, None);
    for field in fields {
        wanted.add(kind, Some(field));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let collected = runtime.block_on(async {
        let limits = Limits { max_attempts: 1, ..Limits::standard() };
        let aws = Aws::at(&format!("http://localhost:{}", server.port()), &limits);
        let session = aws.own_session(ACCOUNT);
        let place = if kind.scope == Scope::Global { session.home() } else { session.region(REGION) };
        let ask = Ask { place: &place, wanted: &wanted, regions: &[], partition, only: None };
        let scanned: Arc<[String]> = Arc::from([REGION.to_owned()]);
        let regions: RegionsLater = futures::future::ready(Ok(scanned)).boxed().shared();
        match kind.scope {
            Scope::Global => super::global(ask, "example", &regions).await,
            Scope::Regional => super::regional(ask).await,
        }
    });
    assert_eq!(server.unexpected(), Vec::<String>::new());
    let calls = server.requests().into_iter().map(|request| request.call).collect();
    Seen { collected, calls }
}

/// Everything is answered with this error.
pub(super) fn refusing(
    status: u16,
    code: &'static str,
    message: &'static str,
) -> impl Fn(&Call) -> Option<Answer> + Send + Sync + 'static {
    move |call| Some(Answer::error(call, status, code, message))
}
