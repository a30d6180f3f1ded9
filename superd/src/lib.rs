//! The super-server: listens, asks the rules about each client, and starts a program for it.
//!
//! The way of a start is [`main`], read from top to bottom: the command line, the place to listen,
//! the drop of privileges, then the loop in [`server`]. The decisions are pure and stand apart
//! from what touches descriptors: [`cli`] (words to options), [`numbers`], [`environment`]
//! (variables of a program), [`lines`] (the log to the byte), [`children`] (who runs and who has
//! ended). The exact behaviour of tcpserver 0.88 is the rule wherever the man page is silent.

#![forbid(unsafe_code)]

pub mod children;
pub mod cli;
pub mod connection;
pub mod environment;
pub mod forker;
pub mod gate;
pub mod lines;
pub mod listen;
pub mod log;
pub mod lookup_client;
pub mod numbers;
pub mod privilege;
pub mod relays;
pub mod server;
pub mod spawners;
pub mod start;
pub mod stopped;

pub use start::main;

/// The stack of a thread of superd, in bytes: more than any of them needs. std's two megabytes each do
/// not fit under a memory limit that people give to small services.
pub(crate) const THREAD_STACK: usize = 128 * 1024;
