//! The tests of the program as a whole: one program for all of them, as each would be linked with every AWS crate.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is missing"
)]

mod archive;
mod calls;
mod cli;
mod common;
mod demo;
mod events;
mod events_corpora;
mod events_sources;
mod fanout;
mod faults_broken;
mod faults_denied;
mod faults_unread;
mod frameworks;
mod hostile_messages;
mod hostile_text;
mod iam_policy;
mod infra;
mod inventory;
mod nights;
mod notify;
mod ocsf;
mod organization;
mod report;
mod report_page;
mod scale;
mod securityhub;
mod serve;
mod settings;
mod waivers;
mod who;
