//! The command line: what was typed, what is printed, and the exit code.

pub mod progress;
