//! imapd: IMAP4rev1 after the login (RFC 3501 and the extensions that [`capability`] lists), for
//! the user who it runs as, on descriptors 0 and 1.
//!
//! It promises:
//! - **nothing is lost**: a message is on the disk before it is said to be in a mailbox, and leaves one
//!   mailbox only once it is in the other;
//! - **what is told is so**: numbers, UIDs and modification sequences are those of the storage
//!   ([`maildir::selection`]), and a message is told to be gone only when it is;
//! - **nothing is two things**: what belongs to a command that was refused is never taken for another
//!   one;
//! - **nothing grows**: lines, literals and time have limits, and memory does not depend on the size of
//!   a message;
//! - **what is advertised works**: [`capability`] is a list of what is there in full.
//!
//! The rooms: [`program`] starts, [`settings`] reads what decides; [`input`] reads commands and takes
//! messages to the disk; [`session`] runs them, by way of the rooms named after what is done;
//! [`fetch`] and [`search`] are what messages are asked for.

pub mod answer;
mod appending;
pub mod capability;
pub mod deflate;
pub mod fetch;
mod finding;
mod idle;
pub mod input;
mod listing;
mod mailboxes;
mod messages;
pub mod program;
mod reading;
pub mod search;
mod selecting;
pub mod session;
pub mod settings;

pub use program::main;
