//! Whole mailboxes, several sessions, and what others do meanwhile.

mod crash;
mod first;
mod race;
mod session;
mod support;
mod transfer;
