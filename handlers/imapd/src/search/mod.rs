//! SEARCH, SORT and THREAD: which messages of a mailbox are meant, and in which order.
//!
//! [`query`] is what is looked for, and [`judge`] decides about one message, by way of [`text`];
//! [`mod@sort`] and [`mod@thread`] order messages, the latter by what [`items`] keeps of their headers; [`reply`]
//! writes what is answered. What is here goes over the mailbox and reads what has to be read.

mod items;
mod judge;
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

use items::{Items, Named, Names, Words};
use judge::{AtHand, Resolved, View};
use query::Depth;
use sort::Key;

use crate::fetch::Need;
use crate::reading::{self, Reading};

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Places in the mailbox, in ascending order.
    pub which: Vec<usize>,
    /// The highest modification sequence among them, where the search was for these.
    pub highest_modseq: Option<u64>,
}

/// After so many messages it is looked whether the client is still there.
const SIGN: usize = 64;

/// And where none of them is read.
const QUICK_SIGN: usize = 4096;

/// The size and the date of a message, as far as they are known; None if it is gone.
fn facts_of(selection: &mut Selection, n: usize) -> Option<(u64, i64)> {
    Some((selection.size(n)?, selection.date(n)?))
}

impl Query {
    /// Finds the messages. `saved` is what `$` stands for, `now` the clock in seconds; `alive` is called
    /// from time to time, and ends the search by an error.
    ///
    /// A message that is gone, or cannot be read, is found where that can be decided without it.
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
            if n % QUICK_SIGN == QUICK_SIGN - 1 {
                alive()?;
            }
        }
        if self.uses_facts() && !open.is_empty() {
            selection.facts(&open);
            open.retain(|&n| {
                let at_hand = AtHand {
                    facts: facts_of(selection, n),
                    ..AtHand::default()
                };
                let decision = self.decide(&View::of(selection, n), &resolved, &at_hand);
                if decision == Some(true) {
                    which.push(n);
                }
                decision.is_none()
            });
        }
        if !open.is_empty() && self.depth() >= Depth::Header {
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

    /// Decides about what has to be read for it.
    fn read<E>(
        &self,
        selection: &mut Selection,
        open: &[usize],
        resolved: &Resolved,
        which: &mut Vec<usize>,
        alive: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        let is_whole = self.depth() == Depth::Message;
        let reading = Reading {
            need: if is_whole { Need::Whole } else { Need::Header },
            work: &|(view, facts): &(View<'static>, _), bytes| {
                let at_hand = AtHand {
                    facts: *facts,
                    header: bytes,
                    message: bytes.filter(|_| is_whole),
                };
                self.decide(view, resolved, &at_hand)
            },
        };
        let uses_facts = self.uses_facts();
        let know = |selection: &mut Selection, n| {
            let facts = match uses_facts {
                true => facts_of(selection, n),
                false => None,
            };
            (View::of(selection, n).into_owned(), facts)
        };
        let mut count = 0;
        reading::each(selection, open, &know, &reading, &mut |n, decision| {
            if decision == Some(true) {
                which.push(n);
            }
            count += 1;
            if count % SIGN == 0 { alive() } else { Ok(()) }
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
    // Those of a message follow those of the one before it.
    let mut keys = Vec::with_capacity(which.len() * criteria.len());
    if sort::needs_header(criteria) {
        let reading = Reading {
            need: Need::Header,
            work: &|(): &(), bytes| {
                let keys: Box<[Key]> = sort::keys(criteria, bytes.unwrap_or_default()).collect();
                keys
            },
        };
        let mut count = 0;
        reading::each(selection, which, &|_, _| (), &reading, &mut |_, of_one| {
            keys.extend(of_one);
            count += 1;
            if count % SIGN == 0 { alive() } else { Ok(()) }
        })?;
    } else {
        keys.resize(which.len() * criteria.len(), Key::Open);
    }
    // Nearly all messages have a date in their header.
    let width = criteria.len().max(1);
    let all = which.iter().zip(keys.chunks(width));
    let open = all.filter(|(_, keys)| keys.contains(&Key::Open));
    let open: Vec<usize> = open.map(|(&n, _)| n).collect();
    selection.facts(&open);
    for (&n, keys) in which.iter().zip(keys.chunks_mut(width)) {
        if keys.contains(&Key::Open)
            && let Some(facts) = facts_of(selection, n)
        {
            sort::fill(criteria, keys, facts);
        }
    }
    let order = sort::order(criteria, &keys).into_iter();
    Ok(order.map(|at| which[at as usize]).collect())
}

/// Makes threads of messages.
pub fn thread<E>(
    selection: &mut Selection,
    which: &[usize],
    algorithm: ThreadAlgorithm,
    alive: &mut dyn FnMut() -> Result<(), E>,
) -> Result<Threads, E> {
    let names = Names::default();
    let with_references = algorithm == ThreadAlgorithm::References;
    let reading = Reading {
        need: Need::Header,
        work: &|(): &(), bytes| {
            let words = Words::of(bytes.unwrap_or_default(), with_references);
            Named::of(&words, &names)
        },
    };
    let mut items = Items::with_room(which.len());
    let mut undated = Vec::new();
    let mut count = 0;
    reading::each(selection, which, &|_, _| (), &reading, &mut |n, named| {
        if named.date.is_none() {
            undated.push(n);
        }
        items.add(n, named);
        count += 1;
        if count % SIGN == 0 { alive() } else { Ok(()) }
    })?;
    selection.facts(&undated);
    for n in undated {
        items.arrived(n, selection.date(n).unwrap_or_default());
    }
    Ok(match algorithm {
        ThreadAlgorithm::OrderedSubject => thread::ordered_subject(items),
        ThreadAlgorithm::References => thread::references(items),
    })
}

#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;
