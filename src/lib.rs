//! A read-only posture scanner for AWS that tells what it could not see.

pub mod accounts;
pub mod archive;
pub mod aws;
pub mod cli;
pub mod collect;
pub mod config;
pub mod controls;
pub mod events;
pub mod findings;
mod hex;
pub mod incremental;
pub mod inventory;
pub mod notify;
mod parallel;
pub mod remedy;
pub mod report;
pub mod run;
pub mod scan;
pub mod schedule;
mod yaml;
