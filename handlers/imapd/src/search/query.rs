//! What SEARCH looks for, made ready, and the decision about one message.
//!
//! A decision is made with what is at hand: what a session knows of a message without any file, then
//! its size and date, then its header, then all of it. What is decided early is not read.

use std::borrow::Cow;
use std::fmt;

use imap::command::SearchKey;
use imap::date::Date;
use imap::flag::Flag;
use imap::seq::{SequenceSet, contains};
use maildir::selection::{Flags, Selection};
use mime::fold::Needle;

use super::text;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A charset in which strings of this search would have to be understood, and cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadCharset(Vec<u8>);

impl fmt::Display for BadCharset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.0[..self.0.len().min(40)];
        write!(f, "The charset {} is not known here.", name.escape_ascii())
    }
}

/// A search, made ready.
#[derive(Clone, Debug)]
pub struct Query {
    root: Node,
}

#[derive(Clone, Debug)]
enum Node {
    All,
    And(Vec<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    System(Flags),
    Keyword(Vec<u8>),
    Recent,
    Numbers(SequenceSet),
    Uids(SequenceSet),
    Modseq(u64),
    /// Days since the epoch: from the first, before the second.
    Arrived(i64, i64),
    Larger(u64),
    Smaller(u64),
    Younger(u32),
    Older(u32),
    /// As [`Node::Arrived`], by the Date field.
    Sent(i64, i64),
    Header(Vec<u8>, Needle),
    Body(Needle),
    Text(Needle),
}

/// How much of a message has to be at hand for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// Nothing but what the session knows.
    View,
    /// Size and date.
    Facts,
    /// The header.
    Header,
    /// All of it.
    Message,
}

/// What is at hand of one message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AtHand<'a> {
    /// Size in octets and date in seconds; the inner None is a message that is gone.
    pub(crate) facts: Option<Option<(u64, i64)>>,
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
    sets: Vec<Vec<(u32, u32)>>,
    keywords: Vec<Option<u16>>,
    /// The clock, in seconds.
    now: i64,
}

impl Query {
    /// Makes a search ready. Strings in US-ASCII or UTF-8 are always understood.
    pub fn new(key: &SearchKey, charset: Option<&[u8]>) -> Result<Query, BadCharset> {
        let charset = charset.unwrap_or(b"UTF-8");
        if !text::is_known_charset(charset) {
            return Err(BadCharset(charset.to_vec()));
        }
        Ok(Query {
            root: node(key, charset),
        })
    }

    /// Whether modification sequences are asked for, which have to be told then (RFC 7162 section 3.1.5).
    pub fn uses_modseq(&self) -> bool {
        self.root.any(&|node| matches!(node, Node::Modseq(_)))
    }

    /// How much of a message it may take to decide.
    pub(crate) fn depth(&self) -> Depth {
        self.root.depth()
    }

    pub(crate) fn uses_facts(&self) -> bool {
        self.root.any(&|node| node.own_depth() == Depth::Facts)
    }

    pub(crate) fn resolve(&self, selection: &Selection, saved: &[u32], now: i64) -> Resolved {
        let count = selection.len();
        let last = u32::try_from(count).unwrap_or(u32::MAX);
        let last_uid = match count {
            0 => 0,
            _ => selection.uid(count - 1),
        };
        let (mut sets, mut keywords) = (Vec::new(), Vec::new());
        self.root.each(&mut |node| match node {
            Node::Numbers(SequenceSet::Saved) | Node::Uids(SequenceSet::Saved) => {
                sets.push(imap::seq::ranges_of(saved.iter().copied()));
            }
            Node::Numbers(set) => sets.push(set.resolve(last)),
            Node::Uids(set) => sets.push(set.resolve(last_uid)),
            Node::Keyword(name) => keywords.push(selection.keyword_id(name)),
            _ => {}
        });
        Resolved {
            sets,
            keywords,
            now,
        }
    }

    /// Decides about a message, if what is at hand is enough.
    pub(crate) fn decide(
        &self,
        view: &View<'_>,
        resolved: &Resolved,
        at_hand: &AtHand<'_>,
    ) -> Option<bool> {
        let mut judge = Judge {
            view,
            resolved,
            next_set: 0,
            next_keyword: 0,
            at_hand,
        };
        judge.decide(&self.root)
    }
}

struct Judge<'a> {
    view: &'a View<'a>,
    resolved: &'a Resolved,
    /// They are used in the order in which they were resolved.
    next_set: usize,
    next_keyword: usize,
    at_hand: &'a AtHand<'a>,
}

impl Judge<'_> {
    // As deep as the grammar lets keys stand in each other.
    fn decide(&mut self, node: &Node) -> Option<bool> {
        match node {
            Node::All => Some(true),
            Node::And(all) => {
                let mut result = Some(true);
                for one in all {
                    match (result, self.decide(one)) {
                        // The rest is passed over without being asked, but its sets are counted.
                        (Some(false), _) | (_, Some(false)) => result = Some(false),
                        (None, _) | (_, None) => result = None,
                        _ => {}
                    }
                }
                result
            }
            Node::Or(a, b) => {
                let (a, b) = (self.decide(a), self.decide(b));
                match (a, b) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                }
            }
            Node::Not(inner) => self.decide(inner).map(|yes| !yes),
            Node::System(flag) => Some(self.view.flags.contains(*flag)),
            Node::Keyword(_) => {
                let id = self.resolved.keywords.get(self.next_keyword).copied().flatten();
                self.next_keyword += 1;
                Some(id.is_some_and(|id| self.view.keywords.contains(&id)))
            }
            Node::Recent => Some(self.view.is_recent),
            Node::Numbers(SequenceSet::Saved) | Node::Uids(_) => Some(self.is_in_next_set(self.view.uid)),
            Node::Numbers(_) => Some(self.is_in_next_set(self.view.number)),
            Node::Modseq(least) => Some(self.view.modseq >= *least),
            Node::Arrived(..) | Node::Larger(_) | Node::Smaller(_) | Node::Younger(_) | Node::Older(_) => {
                let facts = self.at_hand.facts?;
                Some(facts.is_some_and(|facts| self.fits(node, facts)))
            }
            Node::Sent(from, before) => {
                let header = self.at_hand.header?;
                let day = text::sent_day(header);
                Some(day.is_some_and(|day| *from <= day && day < *before))
            }
            Node::Header(name, needle) => {
                Some(text::header_contains(self.at_hand.header?, name, needle))
            }
            Node::Body(needle) => Some(text::body_contains(self.at_hand.message?, needle)),
            Node::Text(needle) => Some(text::text_contains(self.at_hand.message?, needle)),
        }
    }

    fn is_in_next_set(&mut self, number: u32) -> bool {
        let set = self.resolved.sets.get(self.next_set);
        self.next_set += 1;
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

impl Node {
    fn children(&self) -> Vec<&Node> {
        match self {
            Node::And(all) => all.iter().collect(),
            Node::Or(a, b) => vec![a, b],
            Node::Not(inner) => vec![inner],
            _ => Vec::new(),
        }
    }

    /// Calls `f` for this and all below it, in the order of the command.
    fn each<'n>(&'n self, f: &mut dyn FnMut(&'n Node)) {
        f(self);
        for child in self.children() {
            child.each(f);
        }
    }

    fn any(&self, f: &dyn Fn(&Node) -> bool) -> bool {
        let mut any = false;
        self.each(&mut |node| any |= f(node));
        any
    }

    fn own_depth(&self) -> Depth {
        match self {
            Node::Arrived(..) | Node::Larger(_) | Node::Smaller(_) | Node::Younger(_) | Node::Older(_) => {
                Depth::Facts
            }
            Node::Sent(..) | Node::Header(..) => Depth::Header,
            Node::Body(_) | Node::Text(_) => Depth::Message,
            _ => Depth::View,
        }
    }

    fn depth(&self) -> Depth {
        let mut depth = Depth::View;
        self.each(&mut |node| depth = depth.max(node.own_depth()));
        depth
    }
}

/// Days since the epoch.
fn day_of(date: Date) -> i64 {
    date.days()
}

fn node(key: &SearchKey, charset: &[u8]) -> Node {
    let needle = |text: &[u8]| Needle::new(&text::decoded(text, charset));
    let (first, last) = (i64::MIN, i64::MAX);
    match key {
        SearchKey::All => Node::All,
        SearchKey::And(keys) => Node::And(keys.iter().map(|key| node(key, charset)).collect()),
        SearchKey::Or(a, b) => Node::Or(Box::new(node(a, charset)), Box::new(node(b, charset))),
        SearchKey::Not(inner) => Node::Not(Box::new(node(inner, charset))),
        SearchKey::Has(flag) => match flag {
            Flag::Answered => Node::System(Flags::ANSWERED),
            Flag::Flagged => Node::System(Flags::FLAGGED),
            Flag::Deleted => Node::System(Flags::DELETED),
            Flag::Seen => Node::System(Flags::SEEN),
            Flag::Draft => Node::System(Flags::DRAFT),
            Flag::Keyword(name) => Node::Keyword(name.clone()),
        },
        SearchKey::Recent => Node::Recent,
        SearchKey::Header(name, value) => Node::Header(name.clone(), needle(value)),
        SearchKey::Body(value) => Node::Body(needle(value)),
        SearchKey::Text(value) => Node::Text(needle(value)),
        SearchKey::Before(date) => Node::Arrived(first, day_of(*date)),
        SearchKey::On(date) => Node::Arrived(day_of(*date), day_of(*date) + 1),
        SearchKey::Since(date) => Node::Arrived(day_of(*date), last),
        SearchKey::SentBefore(date) => Node::Sent(first, day_of(*date)),
        SearchKey::SentOn(date) => Node::Sent(day_of(*date), day_of(*date) + 1),
        SearchKey::SentSince(date) => Node::Sent(day_of(*date), last),
        SearchKey::Larger(size) => Node::Larger(*size),
        SearchKey::Smaller(size) => Node::Smaller(*size),
        SearchKey::Younger(seconds) => Node::Younger(*seconds),
        SearchKey::Older(seconds) => Node::Older(*seconds),
        SearchKey::Numbers(set) => Node::Numbers(set.clone()),
        SearchKey::Uids(set) => Node::Uids(set.clone()),
        SearchKey::Modseq(least) => Node::Modseq(*least),
    }
}
