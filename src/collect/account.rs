//! The account itself: what controls on absence ("no trail records everything") are about. No call is
//! made for it.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Ask, Collected, Kind, Observed, Scope};

/// The resource type of accounts.
pub static ACCOUNT: Kind = Kind {
    name: "aws.account",
    collection: "",
    single: true,
    scope: Scope::Global,
    list: &[],
    facets: &[],
    schema: Account::json_schema,
};

/// An account. Expressions reach everything in it through `account`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Account {}

impl Observed for Account {
    const KIND: &'static Kind = &ACCOUNT;
}

/// The account as a resource.
#[must_use]
pub fn collect(ask: Ask<'_>, name: &str) -> Collected {
    if !ask.wanted.kind(&ACCOUNT) {
        return Collected::nothing();
    }
    let arn = ask.arn("iam", "", "root");
    let resource = ask.resource(arn, name.to_owned(), &Account {});
    Collected::of(ask.place, &ACCOUNT, vec![resource], Ok(()))
}
