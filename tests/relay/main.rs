//! relay-ctrl's programs and superd --relay.

// Helpers of tests may fail by panicking as the tests themselves do, and tests print what they
// leave out; clippy allows both only inside functions marked #[test].
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod allow;
mod article;
mod direct;
mod others;
mod shell;
mod store;
mod transcripts;
