//! The checkers, authd, superd-passwd and superd-nss; and what every login has.

// Helpers of tests may fail by panicking as the tests themselves do, and tests print what they
// leave out; clippy allows both only inside functions marked #[test].
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod authd;
mod checkers;
mod checkers_files;
mod checkers_system;
mod login_memory;
mod readers_apart;
mod session_ids;
mod transcripts;
