//! Jobs that run by themselves: when they are due, and the loop that starts them.
//!
//! The module knows neither a scan nor an archive: what a job does, and whether another daemon does it already, is
//! for the one who gives the [`daemon::Runs`].

pub mod cron;
pub mod daemon;
pub mod job;

pub use cron::{Cron, CronError};
pub use daemon::{Clock, Ran, Runs, SystemClock, serve};
pub use job::{Job, Next};
