//! popup and pop3d: the login, the mailbox, and real clients.

// Helpers of tests may fail by panicking as the tests themselves do, and tests print what they
// leave out; clippy allows both only inside functions marked #[test].
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod chaos;
mod mailbox;
mod maildir_index;
mod mixed;
mod pop3d_messages;
mod pop3d_quit;
mod pop3d_served;
mod pop3d_session;
mod pop3d_uidl;
mod popup_limits;
mod popup_log;
mod popup_session;
mod privilege;
mod tls;
mod transcripts;
mod ways;
