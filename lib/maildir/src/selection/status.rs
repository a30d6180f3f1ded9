//! STATUS: a mailbox in a few numbers, without selecting it.

use super::error::StoreError;
use super::flags::Flags;
use super::{Access, Open, Selection};
use crate::folder::Place;

/// The numbers (RFC 3501 section 6.3.10 and its successors).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// How many messages there are.
    pub messages: u64,
    /// How many no session has been told of.
    pub recent: u64,
    /// How many are not \Seen.
    pub unseen: u64,
    /// How many are \Deleted.
    pub deleted: u64,
    /// The next UID.
    pub uid_next: u32,
    /// The UIDVALIDITY.
    pub validity: u32,
    /// The highest modification sequence.
    pub highest_modseq: u64,
    /// The sum of the messages' octets, if it was asked for.
    pub size: u64,
}

/// The numbers of a mailbox. Changes nothing but that messages get UIDs: what is in `new` stays there.
pub fn status(open: &Open<'_>, with_size: bool) -> Result<Status, StoreError> {
    let open = Open {
        access: Access::ReadOnly,
        ..*open
    };
    let mut selection = Selection::open(&open)?;
    let mut status = Status {
        messages: selection.len() as u64,
        uid_next: selection.uid_next(),
        validity: selection.validity(),
        highest_modseq: selection.highest_modseq(),
        ..Status::default()
    };
    for message in selection.view.told() {
        let state = selection.view.state(message);
        let count = |is: bool| u64::from(is);
        status.recent += count(state.place == Place::New);
        status.unseen += count(!state.flags.contains(Flags::SEEN));
        status.deleted += count(state.flags.contains(Flags::DELETED));
    }
    if with_size {
        let all: Vec<usize> = (0..selection.len()).collect();
        selection.facts(&all);
        let sizes = all.into_iter().filter_map(|n| selection.size(n));
        status.size = sizes.fold(0, u64::saturating_add);
    }
    Ok(status)
}
