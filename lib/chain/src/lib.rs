//! Chains of programs: what one hands to the next.
//!
//! Mail programs of this family are rows of words, `popup host checkpw relay-ctrl-allow pop3d
//! Maildir`: each does its part and becomes the next one. Where the next one is ours and named
//! without a slash, becoming it is a function call in the same process, a **joined** chain; any
//! other program is executed, as ever.
//!
//! A [`Call`] is what a program of a chain is started with, joined or not: its words, its
//! environment as a value (changing that of a process is not safe in Rust, and not needed), and
//! the bytes of the conversation on descriptor 0 that were read ahead. The descriptors themselves
//! are 0, 1 and 2 in both cases. A [`child`] is a program beside this one, which is asked something
//! or given something and waited for; [`tls`] is the door to encryption that a chain inherits with them.

mod call;
pub mod child;
mod env;
pub mod tls;

pub use call::{Applet, BeforeEntry, Call, CannotRun, Kind, Login};
pub use env::Env;
