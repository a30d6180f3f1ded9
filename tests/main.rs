//! Whole programs, as people run them: the built executable behind links, real clients, and beside
//! it the originals where they can be had (tests/peers.sh fetches them).
//!
//! One file a behaviour, in the order of the man pages. Tests that compare run the same steps
//! against both programs ([`support::both`]); what ours does otherwise on purpose has tests of its
//! own and stands in the man page under COMPATIBILITY. A comparison that cannot be made is noted,
//! and fails where comparisons are required (`support::left_out`).

// Helpers of tests may fail by panicking as the tests themselves do, and tests print what they
// leave out; clippy allows both only inside functions marked #[test].
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

// A toolbox: not every tool is used by every set of suites.
#[allow(dead_code, unused_imports)]
mod support;

// What the suites of the mail programs share.
mod mail;
// What the suites of IMAP share.
#[allow(dead_code)]
mod imap_corpus;
#[allow(dead_code)]
mod imap_house;
// What the suites of POP3 share.
#[allow(dead_code)]
mod clients;
#[allow(dead_code)]
mod mailbox;
mod post;

mod authd;
mod checkers;
mod checkers_files;
mod checkers_system;
mod forker;
mod imap_beside_dovecot;
mod imap_broken;
mod imap_chaos;
mod imap_clients;
mod imap_imaptest;
mod imap_relay;
mod imap_rfc;
mod imap_rfc_lists;
mod imap_rfc_search;
mod imap_rfc_sync;
mod imap_switch;
mod imap_traps;
mod imap_ways;
mod imapup_limits;
mod imapup_privilege;
mod imapup_session;
mod imapup_tls;
mod init_script;
mod lmtpd;
mod lmtpd_owners;
mod login_memory;
mod mail_host;
mod maildir_index;
mod maildir_queue;
mod makefile;
mod pop3_chaos;
mod pop3_mixed;
mod pop3_privilege;
mod pop3_tls;
mod pop3_ways;
mod pop3d_messages;
mod pop3d_quit;
mod pop3d_served;
mod pop3d_session;
mod pop3d_uidl;
mod popup_limits;
mod popup_log;
mod popup_session;
mod quota;
mod rblsmtpd;
mod readers_apart;
mod recordio;
mod relay;
mod relay_allow;
mod relay_article;
mod relay_direct;
mod relay_others;
mod relay_shell;
mod session_ids;
mod smtp_both_ways;
mod smtp_broken;
mod smtp_clients;
mod smtp_faults;
mod smtp_story;
mod smtp_tls;
mod smtp_ways;
mod smtp_ways_promise;
mod smtpd_accounts;
mod smtpd_delivery;
mod smtpd_lists;
mod smtpd_plugins;
mod smtpd_programs;
mod smtpd_questions;
mod smtpd_session;
mod smtpd_xclient;
mod splogger;
mod stopped;
mod superd_environment;
mod superd_life;
mod superd_log_lines;
mod superd_lookup_process;
mod superd_lookups;
mod superd_options;
mod superd_programs;
mod superd_regressions;
mod superd_rules;
mod superd_rules_files;
mod superd_rules_order;
mod superd_rulescheck;
mod superd_soak;
mod superd_start;
mod superd_unix;
mod superd_untraceable;
mod transcripts;
