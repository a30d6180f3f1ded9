//! Mailboxes with files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use maildir::selection::{Access, Open, Selection};

/// A mailbox with these messages, which have been seen, and have UIDs from 1 on in their order.
pub(crate) fn mailbox(dir: &Path, messages: impl IntoIterator<Item = Vec<u8>>) -> Selection {
    for folder in ["cur", "new", "tmp"] {
        fs::create_dir(dir.join(folder)).expect("created");
    }
    for (n, message) in messages.into_iter().enumerate() {
        fs::write(dir.join(name(n, "S")), message).expect("written");
    }
    open(dir)
}

/// The name of the file of message `n`.
pub(crate) fn name(n: usize, flags: &str) -> String {
    format!("cur/{}.M{n:06}P1.host:2,{flags}", 1_700_000_000 + n)
}

pub(crate) fn open(dir: &Path) -> Selection {
    Selection::open(&Open {
        dir,
        access: Access::ReadWrite,
        wait: Duration::from_secs(5),
        account: None,
        new_validity: &|| Ok(7),
    })
    .expect("a mailbox")
}
