//! superd: its command line, what it gives to programs, names, rules, its log, and its life; and the programs that
//! talk little: recordio, splogger. In the order of superd(8).

// Helpers of tests may fail by panicking as the tests themselves do, and tests print what they
// leave out; clippy allows both only inside functions marked #[test].
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod environment;
mod forker;
mod life;
mod log_lines;
mod lookup_process;
mod lookups;
mod options;
mod programs;
mod recordio;
mod regressions;
mod rules;
mod rules_files;
mod rules_order;
mod rulescheck;
mod soak;
mod splogger;
mod start;
mod stopped;
mod transcripts;
mod unix;
mod untraceable;
