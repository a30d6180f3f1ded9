//! Delivery of one message into local Maildirs, for maildir-queue and lmtpd.
//!
//! [`envelope`] and [`trace`] are pure; [`spool`] keeps the message until it is known where it goes; [`deliver`] is
//! the order of things: prepared for every recipient first, published then; [`filter`] asks programs of users;
//! [`hold`] waits before the last step until the caller says go; [`failure`] is the exit codes of qmail-queue(8), and
//! the texts for clients.

pub mod deliver;
pub mod envelope;
pub mod failure;
pub mod filter;
pub mod hold;
pub mod spool;
pub mod trace;
