//! What SEARCH looks for, made ready.
//!
//! A decision is made with what is at hand: what a session knows of a message without any file, then
//! its size and date, then its header, then all of it. What is decided early is not read.

use std::fmt;

use imap::command::SearchKey;
use imap::flag::Flag;
use imap::seq::SequenceSet;
use maildir::selection::{Flags, Selection};
use mime::fold::Needle;

use super::judge::Resolved;
use super::text;

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
    sets: Vec<Set>,
    keywords: Vec<Vec<u8>>,
}

/// A set, before it is known what `*` and `$` are.
#[derive(Clone, Debug)]
enum Set {
    Numbers(SequenceSet),
    Uids(SequenceSet),
}

/// One key, with what stands in it.
#[derive(Clone, Debug)]
pub(super) enum Node {
    All,
    /// Those that take the least to decide come first.
    And(Vec<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    System(Flags),
    /// As the query counts them.
    Keyword(usize),
    Recent,
    /// The number of the message is in this set of the query.
    Number(usize),
    /// Its UID is.
    Uid(usize),
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

impl Query {
    /// Makes a search ready. Strings in US-ASCII or UTF-8 are always understood.
    pub fn new(key: &SearchKey, charset: Option<&[u8]>) -> Result<Query, BadCharset> {
        let charset = charset.unwrap_or(b"UTF-8");
        if !text::is_known_charset(charset) {
            return Err(BadCharset(charset.to_vec()));
        }
        let mut making = Making {
            charset,
            sets: Vec::new(),
            saved: None,
            keywords: Vec::new(),
        };
        let root = making.node(key);
        Ok(Query {
            root,
            sets: making.sets,
            keywords: making.keywords,
        })
    }

    pub(super) fn root(&self) -> &Node {
        &self.root
    }

    /// How many texts are looked for: what each message costs.
    pub fn texts(&self) -> usize {
        let is_text =
            |node: &Node| matches!(node, Node::Header(..) | Node::Body(_) | Node::Text(_));
        self.root.count(&is_text)
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

    /// What its sets and keywords are in this mailbox.
    pub(crate) fn resolve(&self, selection: &Selection, saved: &[u32], now: i64) -> Resolved {
        let count = selection.len();
        let last = u32::try_from(count).unwrap_or(u32::MAX);
        let last_uid = match count {
            0 => 0,
            _ => selection.uid(count - 1),
        };
        self.resolve_with(last, last_uid, saved, now, &|name| {
            selection.keyword_id(name)
        })
    }

    /// The same for what `*` is, as a number and as a UID.
    pub(super) fn resolve_with(
        &self,
        last: u32,
        last_uid: u32,
        saved: &[u32],
        now: i64,
        keyword_id: &dyn Fn(&[u8]) -> Option<u16>,
    ) -> Resolved {
        let sets = self.sets.iter().map(|set| match set {
            Set::Numbers(SequenceSet::Saved) | Set::Uids(SequenceSet::Saved) => {
                imap::seq::ranges_of(saved.iter().copied())
            }
            Set::Numbers(set) => set.resolve(last),
            Set::Uids(set) => set.resolve(last_uid),
        });
        Resolved {
            sets: sets.collect(),
            keywords: self.keywords.iter().map(|name| keyword_id(name)).collect(),
            now,
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

    fn count(&self, f: &dyn Fn(&Node) -> bool) -> usize {
        let mut count = 0;
        self.each(&mut |node| count += usize::from(f(node)));
        count
    }

    fn any(&self, f: &dyn Fn(&Node) -> bool) -> bool {
        let mut any = false;
        self.each(&mut |node| any |= f(node));
        any
    }

    fn own_depth(&self) -> Depth {
        match self {
            Node::Arrived(..)
            | Node::Larger(_)
            | Node::Smaller(_)
            | Node::Younger(_)
            | Node::Older(_) => Depth::Facts,
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

/// Makes a query of keys.
struct Making<'c> {
    charset: &'c [u8],
    sets: Vec<Set>,
    /// The place of `$` among the sets: it may be large, and is asked for by one octet.
    saved: Option<usize>,
    keywords: Vec<Vec<u8>>,
}

impl Making<'_> {
    fn node(&mut self, key: &SearchKey) -> Node {
        let (first, last) = (i64::MIN, i64::MAX);
        match key {
            SearchKey::All => Node::All,
            SearchKey::And(keys) => {
                let mut nodes: Vec<Node> = keys.iter().map(|key| self.node(key)).collect();
                nodes.sort_by_cached_key(Node::depth);
                Node::And(nodes)
            }
            SearchKey::Or(a, b) => {
                let (a, b) = (self.node(a), self.node(b));
                match a.depth() <= b.depth() {
                    true => Node::Or(Box::new(a), Box::new(b)),
                    false => Node::Or(Box::new(b), Box::new(a)),
                }
            }
            SearchKey::Not(inner) => Node::Not(Box::new(self.node(inner))),
            SearchKey::Has(flag) => match flag {
                Flag::Answered => Node::System(Flags::ANSWERED),
                Flag::Flagged => Node::System(Flags::FLAGGED),
                Flag::Deleted => Node::System(Flags::DELETED),
                Flag::Seen => Node::System(Flags::SEEN),
                Flag::Draft => Node::System(Flags::DRAFT),
                Flag::Keyword(name) => {
                    self.keywords.push(name.clone());
                    Node::Keyword(self.keywords.len() - 1)
                }
            },
            SearchKey::Recent => Node::Recent,
            SearchKey::Header(name, value) => Node::Header(name.clone(), self.needle(value)),
            SearchKey::Body(value) => Node::Body(self.needle(value)),
            SearchKey::Text(value) => Node::Text(self.needle(value)),
            SearchKey::Before(date) => Node::Arrived(first, date.days()),
            SearchKey::On(date) => Node::Arrived(date.days(), date.days() + 1),
            SearchKey::Since(date) => Node::Arrived(date.days(), last),
            SearchKey::SentBefore(date) => Node::Sent(first, date.days()),
            SearchKey::SentOn(date) => Node::Sent(date.days(), date.days() + 1),
            SearchKey::SentSince(date) => Node::Sent(date.days(), last),
            SearchKey::Larger(size) => Node::Larger(*size),
            SearchKey::Smaller(size) => Node::Smaller(*size),
            SearchKey::Younger(seconds) => Node::Younger(*seconds),
            SearchKey::Older(seconds) => Node::Older(*seconds),
            SearchKey::Numbers(SequenceSet::Saved) | SearchKey::Uids(SequenceSet::Saved) => {
                let saved = self.saved;
                Node::Uid(saved.unwrap_or_else(|| {
                    let set = self.set(Set::Uids(SequenceSet::Saved));
                    self.saved = Some(set);
                    set
                }))
            }
            SearchKey::Numbers(set) => Node::Number(self.set(Set::Numbers(set.clone()))),
            SearchKey::Uids(set) => Node::Uid(self.set(Set::Uids(set.clone()))),
            SearchKey::Modseq(least) => Node::Modseq(*least),
        }
    }

    fn needle(&self, text: &[u8]) -> Needle {
        Needle::new(&text::decoded(text, self.charset))
    }

    fn set(&mut self, set: Set) -> usize {
        self.sets.push(set);
        self.sets.len() - 1
    }
}
