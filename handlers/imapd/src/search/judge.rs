//! The decision about one message.
//!
//! There are three answers: yes, no, and none yet, where what is at hand is not enough. NOT of none is
//! none; one no decides an AND and one yes an OR, whatever the others would be.

use std::borrow::Cow;
use std::cell::OnceCell;

use imap::seq::contains;
use maildir::selection::{Flags, Selection};
use mime::fold::Needle;
use mime::walk::{Limits, Structure, structure};

use super::query::{Node, Query};
use super::text;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// What is at hand of one message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AtHand<'a> {
    /// Size in octets and date in seconds.
    pub(crate) facts: Option<(u64, i64)>,
    /// The header, or more.
    pub(crate) header: Option<&'a [u8]>,
    /// The whole message.
    pub(crate) message: Option<&'a [u8]>,
}

/// What a session knows of a message without any file.
#[derive(Clone, Debug)]
pub(crate) struct View<'s> {
    number: u32,
    uid: u32,
    flags: Flags,
    is_recent: bool,
    modseq: u64,
    keywords: Cow<'s, [u16]>,
}

impl<'s> View<'s> {
    /// Of message `n`.
    pub(crate) fn of(selection: &'s Selection, n: usize) -> View<'s> {
        View {
            number: u32::try_from(n + 1).unwrap_or(u32::MAX),
            uid: selection.uid(n),
            flags: selection.flags(n),
            is_recent: selection.is_recent(n),
            modseq: selection.modseq(n),
            keywords: Cow::Borrowed(selection.keywords(n)),
        }
    }

    /// For longer than the mailbox can be held.
    pub(crate) fn into_owned(self) -> View<'static> {
        View {
            keywords: Cow::Owned(self.keywords.into_owned()),
            ..self
        }
    }
}

/// What the sets and keywords of a query are in one mailbox, in the order of the query, and the time.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(super) sets: Vec<Vec<(u32, u32)>>,
    pub(super) keywords: Vec<Option<u16>>,
    /// The clock, in seconds.
    pub(super) now: i64,
}

impl Query {
    /// Decides about a message, if what is at hand is enough.
    pub(crate) fn decide(
        &self,
        view: &View<'_>,
        resolved: &Resolved,
        at_hand: &AtHand<'_>,
    ) -> Option<bool> {
        let judge = Judge {
            view,
            resolved,
            at_hand,
            structure: OnceCell::new(),
        };
        judge.decide(self.root())
    }
}

struct Judge<'a> {
    view: &'a View<'a>,
    resolved: &'a Resolved,
    at_hand: &'a AtHand<'a>,
    /// Of the message, made when it is needed.
    structure: OnceCell<Structure<'a>>,
}

impl Judge<'_> {
    // As deep as the grammar lets keys stand in each other.
    fn decide(&self, node: &Node) -> Option<bool> {
        match node {
            Node::All => Some(true),
            Node::And(all) => first_of(false, all.iter().map(|one| self.decide(one))),
            Node::Or(a, b) => first_of(true, [a, b].into_iter().map(|one| self.decide(one))),
            Node::Not(inner) => self.decide(inner).map(|yes| !yes),
            Node::System(flag) => Some(self.view.flags.contains(*flag)),
            Node::Keyword(keyword) => {
                let id = self.resolved.keywords.get(*keyword).copied().flatten();
                Some(id.is_some_and(|id| self.view.keywords.contains(&id)))
            }
            Node::Recent => Some(self.view.is_recent),
            Node::Number(set) => Some(self.is_in(*set, self.view.number)),
            Node::Uid(set) => Some(self.is_in(*set, self.view.uid)),
            Node::Modseq(least) => Some(self.view.modseq >= *least),
            Node::Arrived(..)
            | Node::Larger(_)
            | Node::Smaller(_)
            | Node::Younger(_)
            | Node::Older(_) => Some(self.fits(node, self.at_hand.facts?)),
            Node::Sent(from, before) => {
                let day = text::sent_day(self.at_hand.header?);
                Some(day.is_some_and(|day| *from <= day && day < *before))
            }
            Node::Header(name, needle) => {
                Some(text::header_contains(self.at_hand.header?, name, needle))
            }
            Node::Body(needle) => self.body_contains(needle),
            Node::Text(needle) => match text::any_field_contains(self.at_hand.header?, needle) {
                true => Some(true),
                false => self.body_contains(needle),
            },
        }
    }

    fn body_contains(&self, needle: &Needle) -> Option<bool> {
        let message = self.at_hand.message?;
        let structure = self
            .structure
            .get_or_init(|| structure(message, Limits::default()));
        Some(text::body_contains(message, structure, needle))
    }

    fn is_in(&self, set: usize, number: u32) -> bool {
        let set = self.resolved.sets.get(set);
        set.is_some_and(|set| contains(set, number))
    }

    fn fits(&self, node: &Node, (size, date): (u64, i64)) -> bool {
        let day = date.div_euclid(DAY);
        let age = self.resolved.now.saturating_sub(date);
        match node {
            Node::Arrived(from, before) => *from <= day && day < *before,
            Node::Larger(limit) => size > *limit,
            Node::Smaller(limit) => size < *limit,
            // RFC 5032 section 2: both within the interval, both ends included.
            Node::Younger(seconds) => age <= i64::from(*seconds),
            Node::Older(seconds) => age >= i64::from(*seconds),
            _ => false,
        }
    }
}

/// `decisive` if one is that; else its contrary if all are decided.
fn first_of(decisive: bool, all: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(!decisive);
    for one in all {
        match one {
            Some(yes) if yes == decisive => return one,
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
