//! SEARCH, SORT and THREAD: which messages of a mailbox are meant, and in which order.
//!
//! [`query`] decides about one message, by way of [`text`]; [`sort`] and [`thread`] order messages,
//! [`reply`] writes what is answered. What is here goes over the mailbox and reads what has to be read.

mod query;
mod reply;
mod sort;
mod text;
mod thread;

use imap::command::{SortCriterion, ThreadAlgorithm};
use maildir::selection::Selection;

pub use query::{BadCharset, Query};
pub use reply::{saved, wants_reply, write_esearch, write_search, write_sort, write_thread};
pub use thread::Threads;

use query::{AtHand, Depth, Resolved, View};
use thread::Item;

use crate::fetch::Need;
use crate::reading;

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Places in the mailbox, in ascending order.
    pub which: Vec<usize>,
    /// The highest modification sequence among them, where the search was for these.
    pub highest_modseq: Option<u64>,
}

/// The size and the date of a message, as far as they are known; None if it is gone.
fn facts_of(selection: &mut Selection, n: usize) -> Option<(u64, i64)> {
    Some((selection.size(n)?, selection.date(n)?))
}

impl Query {
    /// Finds the messages. `saved` is what `$` stands for, `now` the clock in seconds; `alive` is called
    /// from time to time, and ends the search by an error.
    pub fn run<E>(
        &self,
        selection: &mut Selection,
        saved: &[u32],
        now: i64,
        alive: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Found, E> {
        let resolved = self.resolve(selection, saved, now);
        let mut which = Vec::new();
        let mut open = Vec::new();
        for n in 0..selection.len() {
            match self.decide(&View::of(selection, n), &resolved, &AtHand::default()) {
                Some(true) => which.push(n),
                Some(false) => {}
                None => open.push(n),
            }
        }
        if self.uses_facts() && !open.is_empty() {
            selection.facts(&open);
            let mut still_open = Vec::new();
            for n in open {
                let at_hand = AtHand {
                    facts: Some(facts_of(selection, n)),
                    ..AtHand::default()
                };
                match self.decide(&View::of(selection, n), &resolved, &at_hand) {
                    Some(true) => which.push(n),
                    Some(false) => {}
                    None => still_open.push(n),
                }
            }
            open = still_open;
        }
        if !open.is_empty() {
            self.read(selection, &open, &resolved, &mut which, alive)?;
        }
        which.sort_unstable();
        let highest_modseq = match self.uses_modseq() {
            true => which.iter().map(|&n| selection.modseq(n)).max(),
            false => None,
        };
        Ok(Found {
            which,
            highest_modseq,
        })
    }

    /// Decides about what has to be read for it. A message that cannot be read is not found.
    fn read<E>(
        &self,
        selection: &mut Selection,
        open: &[usize],
        resolved: &Resolved,
        which: &mut Vec<usize>,
        alive: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        let facts: Vec<Option<(u64, i64)>> = match self.uses_facts() {
            true => open.iter().map(|&n| facts_of(selection, n)).collect(),
            false => Vec::new(),
        };
        let views: Vec<View<'static>> = open
            .iter()
            .map(|&n| View::of(selection, n).into_owned())
            .collect();
        let decide = |n: usize, bytes: Option<&[u8]>| {
            // They are in ascending order.
            let at = open.binary_search(&n).ok()?;
            let bytes = bytes?;
            let at_hand = AtHand {
                facts: facts.get(at).copied(),
                header: Some(bytes),
                message: (self.depth() == Depth::Message).then_some(bytes),
            };
            self.decide(&views[at], resolved, &at_hand)
        };
        let need = match self.depth() {
            Depth::Message => Need::Whole,
            _ => Need::Header,
        };
        let mut count = 0_u32;
        reading::each(selection, open, need, &decide, &mut |n, yes| {
            if yes == Some(true) {
                which.push(n);
            }
            count += 1;
            match count.is_multiple_of(64) {
                true => alive(),
                false => Ok(()),
            }
        })
    }
}

/// Puts messages into the order that the criteria ask for.
pub fn sort<E>(
    selection: &mut Selection,
    which: &[usize],
    criteria: &[SortCriterion],
    alive: &mut dyn FnMut() -> Result<(), E>,
) -> Result<Vec<usize>, E> {
    let mut keyed = Vec::with_capacity(which.len());
    selection.facts(which);
    let facts: Vec<(u64, i64)> = which
        .iter()
        .map(|&n| facts_of(selection, n).unwrap_or_default())
        .collect();
    if !sort::needs_header(criteria) {
        for (&n, facts) in which.iter().zip(facts) {
            keyed.push((n, sort::keys(criteria, b"", facts)));
        }
        return Ok(sort::order(criteria, keyed));
    }
    let work = |n: usize, bytes: Option<&[u8]>| {
        let at = which.binary_search(&n).unwrap_or(0);
        let facts = facts.get(at).copied().unwrap_or_default();
        sort::keys(criteria, bytes.unwrap_or_default(), facts)
    };
    reading::each(selection, which, Need::Header, &work, &mut |n, keys| {
        keyed.push((n, keys));
        if keyed.len().is_multiple_of(64) { alive() } else { Ok(()) }
    })?;
    Ok(sort::order(criteria, keyed))
}

/// Makes threads of messages.
pub fn thread<E>(
    selection: &mut Selection,
    which: &[usize],
    algorithm: ThreadAlgorithm,
    alive: &mut dyn FnMut() -> Result<(), E>,
) -> Result<Threads, E> {
    selection.facts(which);
    let dates: Vec<i64> = which
        .iter()
        .map(|&n| selection.date(n).unwrap_or_default())
        .collect();
    let with_references = algorithm == ThreadAlgorithm::References;
    let work = |n: usize, bytes: Option<&[u8]>| {
        let at = which.binary_search(&n).unwrap_or(0);
        let arrived = dates.get(at).copied().unwrap_or_default();
        Item::of(n, bytes.unwrap_or_default(), arrived, with_references)
    };
    let mut items = Vec::with_capacity(which.len());
    reading::each(selection, which, Need::Header, &work, &mut |_, item| {
        items.push(item);
        if items.len().is_multiple_of(64) { alive() } else { Ok(()) }
    })?;
    Ok(match algorithm {
        ThreadAlgorithm::OrderedSubject => thread::ordered_subject(items),
        ThreadAlgorithm::References => thread::references(items),
    })
}
