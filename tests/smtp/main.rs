//! smtpd, lmtpd, maildir-queue and rblsmtpd, in the order of their man pages: the conversation, who may send what,
//! the ways of mail, what breaks, and real clients.

// Helpers of tests may fail by panicking as the tests themselves do, and tests print what they
// leave out; clippy allows both only inside functions marked #[test].
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod both_ways;
mod broken;
mod clients;
mod faults;
mod lmtpd;
mod lmtpd_owners;
mod maildir_queue;
mod quota;
mod rblsmtpd;
mod smtpd_accounts;
mod smtpd_delivery;
mod smtpd_lists;
mod smtpd_plugins;
mod smtpd_programs;
mod smtpd_questions;
mod smtpd_session;
mod smtpd_xclient;
mod story;
mod tls;
mod transcripts;
mod ways;
mod ways_promise;
