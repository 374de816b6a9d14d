//! The servers as a client sees them, without the emulator.

mod client;
mod hostile;
mod recording;
mod server;
mod synthetic;
