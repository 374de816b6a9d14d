//! Rules over what happened: Falco and Sigma files, unmodified, over CloudTrail records from anywhere.
//!
//! A source turns bytes into [`record::Record`]s, a [`ruleset::RuleSet`] says which rules match each of them, and
//! a match becomes a [`detection::Detection`].

pub mod attack;
pub mod authors;
pub mod batch;
mod check;
pub mod detection;
pub mod engine;
pub mod examples;
mod facts;
pub mod falco;
mod identity;
pub mod integrity;
pub mod json;
pub mod own;
pub mod pattern;
pub mod record;
pub mod remote;
pub mod ruleset;
pub mod scan;
pub mod sigma;
pub mod source;
mod special;
pub mod techniques;
pub mod yaml;
