//! What Upright's end-to-end tests stand on: an emulated AWS, a recording of it, a server that replays
//! the recording and breaks it on purpose, and a world to run the built program in.
//!
//! The emulator is slow and neither pages nor fails, so it is asked once: [`Shared::scan`] starts it,
//! seeds it, lets the program scan it through a recording proxy, and keeps what was asked and answered.
//! Every other test replays that.
//!
//! ```no_run
//! use upright_testkit::{Fault, Match, Server, Shared, World};
//!
//! # fn main() -> anyhow::Result<()> {
//! let upright = "target/debug/upright"; // in a test: env!("CARGO_BIN_EXE_upright")
//! let shared = Shared::scan(upright, &["scan", "--organization"], &[0, 1])?;
//! let prod = shared.seeded.account("prod")?;
//!
//! let server = Server::replay(&shared.recording)
//!     .paged(3)
//!     .fault(Match::operation("s3:GetBucketPolicy").account(&prod.id), Fault::Deny)
//!     .fault(Match::service("ec2").region("eu-west-1"), Fault::Hang)
//!     .fault(Match::any().except("sts").attempts(1).share(30), Fault::Throttle)
//!     .start()?;
//! let world = World::new(upright)?;
//! let run = world.run(&server.env(), &["scan", "--organization"])?;
//!
//! assert_eq!(run.code, Some(2), "{run}");
//! assert_eq!(server.unexpected(), Vec::<String>::new());
//! assert!(server.pages_served().iter().all(|list| list.was_read_to_its_end()));
//! # Ok(())
//! # }
//! ```
//!
//! Operations are called `service:Operation`, with the service's IAM prefix as in the product's call
//! table; S3 Control is `s3control`.

mod answer;
mod bare;
mod cbor;
mod emulator;
mod env;
mod faults;
mod hostile;
mod http;
pub mod paging;
mod recording;
mod scale;
mod seeded;
mod server;
mod sessions;
mod shared;
mod sign_in;
mod synthetic;
#[cfg(test)]
mod tests;
mod wire;
mod world;

pub use answer::Answer;
pub use emulator::{Emulator, Moto, workspace};
pub use env::Env;
pub use faults::{Fault, Match};
pub use hostile::{hostile_account, hostile_report, hostile_strings, shown};
pub use paging::PagesServed;
pub use recording::{Recording, in_json};
pub use seeded::{Account, Named, Organization, Roles, Seeded};
pub use server::{Request, Server, Setup};
pub use shared::Shared;
pub use sign_in::sign_in;
pub use synthetic::synthetic_report;
pub use wire::{Call, Protocol};
pub use world::{Run, World};
