//! Maildirs: the storage that delivery, POP3 and IMAP share.
//!
//! A Maildir is a directory with `tmp`, `new` and `cur` (maildir(5)). A message is one file; it is
//! written below a unique name in `tmp`, made to last, and then linked into `new`, where readers
//! see it from that instant on, whole.
//!
//! - [`name`]: unique names, as values;
//! - [`deliver`]: writing messages so that a kill or a full disk leaves either nothing or all.
//!
//! What this crate promises: a message is in `new` only after its bytes are on the disk; a
//! delivery is reported only after the directory is, too; nothing that exists is ever replaced.

pub mod deliver;
pub mod name;

pub use deliver::{Delivered, Error, Maildir, Staged, Step, publish_all};
pub use name::{Host, Names};
