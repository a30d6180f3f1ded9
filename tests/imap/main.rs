//! imapup and imapd: the login, the protocol beside Dovecot, what breaks, and real clients.

// Helpers of tests may fail by panicking as the tests themselves do, and tests print what they
// leave out; clippy allows both only inside functions marked #[test].
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod beside_dovecot;
mod broken;
mod chaos;
mod clients;
mod corpus;
mod house;
mod imaptest;
mod imapup_limits;
mod imapup_privilege;
mod imapup_session;
mod imapup_tls;
mod relay;
mod rfc;
mod rfc_lists;
mod rfc_search;
mod rfc_sync;
mod switch;
mod transcripts;
mod traps;
mod ways;
