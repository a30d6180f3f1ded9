//! popup's processes as the outside sees them: sockets, pipes, identities, checkers, log lines.
//!
//! The program is examples/house.rs. Tests that are about root run only where the tests do.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod house;

/// The example that is the program.
const HOUSE: &str = "house";

mod chains;
mod fail2ban;
mod identity;
mod limits;
mod stls;
