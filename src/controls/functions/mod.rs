//! What the functions of control expressions know about AWS: policies, address ranges, event selectors, filter
//! patterns, times.
//!
//! Plain functions over JSON values, and one over the inventory, because the way of an event leads through it: they
//! call nothing and know nothing of expressions. Which arguments an
//! expression may give them, and what becomes of a [`Mistake`], is the business of the expression's environment.
//!
//! INVARIANT: a value that does not have the promised shape gives a `Mistake`, never an answer, so that
//! nothing passes or fails because of something that was not understood.

mod alarm;
mod filter;
mod network;
mod policy;
mod shape;
mod time;
mod trail;

pub(crate) use alarm::{Wanted as WantedEvents, follow_events};
pub(crate) use filter::{matches_every_event, missed_events};
pub(crate) use network::{cidr_covers, nacl_open_ports, open_ports};
pub(crate) use policy::{
    Pattern, delegated_accounts, grants_admin, public_access, public_statements, requires_tls,
    services_without_source,
};
pub(crate) use time::{days_between, newest};
pub(crate) use trail::{records_management_events, records_s3_data_events};

/// The input of a function is not what the function was promised, or something in it could not be looked
/// up; the text says what. The verdict is then unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Mistake(String);

impl Mistake {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

#[cfg(test)]
mod tests;
