//! What is around the programs: the Makefile, the init script, the guides, and the tests themselves.

// Helpers of tests may fail by panicking as the tests themselves do, and tests print what they
// leave out; clippy allows both only inside functions marked #[test].
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod init_script;
mod mail_host;
mod makefile;
mod targets;
