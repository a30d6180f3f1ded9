//! imapup's processes as the outside sees them. What all fronts do alike, popup's tests show; here is what IMAP adds:
//! literals, tags, and what the next program is told.
//!
//! The program is examples/imap_house.rs. Tests that are about root run only where the tests do.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[allow(dead_code)]
#[path = "../../popup/tests/house/mod.rs"]
mod house;

/// The example that is the program.
const HOUSE: &str = "imap_house";

mod chains;
mod limits;
mod secrets;
