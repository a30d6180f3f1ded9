//! Who exists and where his mail is: one answer for all programs.
//!
//! - [`home`]: the directory of the configuration, and what this host calls itself;
//! - [`control`]: control files, read as qmail's programs read them;
//! - [`users`]: the `users` file, accounts of our own;
//! - [`aliases`]: the `aliases` file;
//! - [`resolve`]: from a local part to mailboxes.
//!
//! Nothing is kept in memory between two questions and nothing is cached: an edit acts at once,
//! and a file of a hundred thousand users costs a session no memory. A fault in a file is an error
//! value that names file and line, never "no such user": a typing error must not bounce mail.

pub mod address;
pub mod aliases;
pub mod control;
pub mod home;
mod lines;
pub mod resolve;
pub mod users;

pub use control::ControlError;
pub use home::Home;
pub use resolve::{AccountError, Accounts, Filter, Found, Mailbox, Source, login_in_users};
pub use users::{Account, Quota};
