//! Who exists and where his mail is: one answer for all programs.
//!
//! - [`home`]: the directory of the configuration, and what this host calls itself;
//! - [`control`]: control files, read as qmail's programs read them;
//! - [`users`]: the `users` file, accounts of our own;
//! - [`aliases`]: the `aliases` file;
//! - [`database`]: databases of these two, for hosts with many users;
//! - [`system`]: which users of the system count;
//! - [`resolve`]: from a local part to mailboxes.
//!
//! What was found is kept for a while, in bounded memory, and counts only as long as the file is the
//! one that was read: an edit acts at once, and a file of a hundred thousand users costs a session no
//! memory. A fault in a file is an error value that names file and line, never "no such user": a
//! typing error must not bounce mail.

pub mod address;
pub mod aliases;
pub mod control;
pub mod database;
mod error;
pub mod home;
mod identity;
mod known;
mod lines;
mod names;
pub mod resolve;
mod sources;
mod stems;
pub mod system;
mod userlist;
pub mod users;

pub use control::ControlError;
pub use error::AccountError;
pub use home::Home;
pub use resolve::{Accounts, Filter, Found, Mailbox, login_in_users};
pub use sources::{Source, default_quota};
pub use system::People;
pub use users::{Account, Quota};
