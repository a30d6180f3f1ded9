//! The client against servers that say exactly what a test wants them to say.

// A script that goes wrong fails its test; clippy allows that only inside functions marked #[test].
#![allow(clippy::unwrap_used, clippy::panic)]

mod hop;
mod lmtp;
mod message;
mod opening;
mod refusals;
mod tls;
mod trouble;
