//! Maildirs: the storage that delivery, POP3 and IMAP share.
//!
//! A Maildir is a directory with `tmp`, `new` and `cur` (maildir(5)). A message is one file; it is
//! written below a unique name in `tmp`, made to last, and then linked into `new`, where readers
//! see it from that instant on, whole.
//!
//! - [`name`]: unique names, as values;
//! - [`deliver`]: writing messages so that a kill or a full disk leaves either nothing or all;
//! - [`quota`]: how much may be in a Maildir, and how much is;
//! - [`provide()`]: the first Maildir of who logs in before any mail has come;
//! - [`mailbox`]: reading: a numbered list of messages with exact sizes; [`commit`]: its end;
//! - [`index`]: the format of the file in which what was found out about messages is kept;
//! - [`uidlist`] and [`courier`]: what Dovecot and Courier call the messages;
//! - [`selection`]: one mailbox as an IMAP session sees it; [`tree`]: all of a user's, as a Maildir++;
//! - [`wire_size`]: how long a message is on the wire.
//!
//! What this crate promises: a message is in `new` only after its bytes are on the disk; a
//! delivery is reported only after the directory is, too; nothing that exists is ever replaced; a
//! reader sees every message once, whatever others deliver, rename or remove meanwhile.

mod cache;
pub mod commit;
pub mod courier;
pub mod deliver;
mod dotlock;
mod folder;
pub mod index;
mod lines;
pub mod mailbox;
pub mod name;
mod provide;
pub mod quota;
#[cfg(test)]
mod race_tests;
mod relocate;
mod scan;
pub mod selection;
mod sizes;
#[cfg(test)]
mod test_support;
pub mod tree;
mod uidfile;
pub mod uidlist;
mod uids;
pub mod wire_size;

pub use commit::Commit;
pub use deliver::{Delivered, Error, Maildir, Staged, Step, publish_all};
pub use mailbox::{Mailbox, MailboxError, Options};
pub use name::{Host, Names};
pub use provide::provide;
pub use wire_size::WireSize;
