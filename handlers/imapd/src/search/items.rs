//! What THREAD is made of: what headers say, in little memory.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use mime::fold::fold;
use mime::header::first;
use mime::msgid;

use super::sort;

/// What the header of one message says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// When it was sent, in seconds since the epoch.
    pub(crate) date: Option<i64>,
    /// The base subject, folded.
    pub(crate) subject: String,
    /// The subject was that of a reply or a forward.
    pub(crate) is_reply: bool,
    /// Its own id.
    pub(crate) id: Option<Vec<u8>>,
    /// The ids that it refers to, the nearest last.
    pub(crate) references: Vec<Vec<u8>>,
}

impl Words {
    /// Of a message's header; without ids unless `with_references`.
    pub(crate) fn of(header: &[u8], with_references: bool) -> Words {
        let subject = sort::subject(header);
        let mut words = Words {
            date: sort::sent(header),
            subject: fold(&subject.text),
            is_reply: subject.reply_or_forward,
            ..Words::default()
        };
        if with_references {
            let value = |name: &[u8]| first(header, name).map_or(&b""[..], |field| field.value);
            words.id = msgid::first(value(b"Message-ID"));
            words.references = msgid::all(value(b"References"));
            if words.references.is_empty() {
                // RFC 5256 section 3: the first one of In-Reply-To in its place.
                words.references.extend(msgid::first(value(b"In-Reply-To")));
            }
        }
        words
    }
}

/// Stands for ids and subjects: a number of 128 bits for each, the same for the same ones. Of others it
/// is another one, but by a chance that no mailbox is large enough for and, as the keys are made anew
/// each time, nobody can help along.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names([RandomState; 2]);

impl Names {
    fn of(&self, bytes: &[u8]) -> u128 {
        let [high, low] = self.0.each_ref().map(|key| u128::from(key.hash_one(bytes)));
        high << 64 | low
    }
}

/// [`Words`] with names for ids and subject.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) date: Option<i64>,
    /// None if it is empty.
    subject: Option<u128>,
    is_reply: bool,
    id: Option<u128>,
    references: Box<[u128]>,
}

impl Named {
    pub(crate) fn of(words: &Words, names: &Names) -> Named {
        let subject = words.subject.as_bytes();
        Named {
            date: words.date,
            subject: (!subject.is_empty()).then(|| names.of(subject)),
            is_reply: words.is_reply,
            id: words.id.as_ref().map(|id| names.of(id)),
            references: words.references.iter().map(|id| names.of(id)).collect(),
        }
    }
}

/// A message. Its id, those that it refers to, and its subject are numbers, equal for equal ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    /// Its place in the mailbox.
    pub(crate) n: usize,
    /// Seconds since the epoch.
    pub(crate) date: i64,
    /// [`NO_SUBJECT`] if that is empty.
    pub(crate) subject: u32,
    pub(crate) is_reply: bool,
    pub(crate) id: Option<u32>,
    /// Where its references are.
    pub(crate) references: (usize, usize),
}

/// The number of the empty subject.
pub(crate) const NO_SUBJECT: u32 = 0;

/// What threads are made of: messages in the order of their places. Each id and each subject is a
/// few octets, however long it is and however often it is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Items {
    items: Vec<Item>,
    references: Vec<u32>,
    ids: HashMap<u128, u32>,
    /// Their numbers are one more.
    subjects: HashMap<u128, u32>,
}

impl Items {
    /// Room for so many messages, each with an id and a subject of its own.
    pub(crate) fn with_room(count: usize) -> Items {
        Items {
            items: Vec::with_capacity(count),
            references: Vec::new(),
            ids: HashMap::with_capacity(count),
            subjects: HashMap::with_capacity(count),
        }
    }

    /// Adds message `n`.
    pub(crate) fn add(&mut self, n: usize, named: Named) {
        let ids = &mut self.ids;
        let mut number = |id: u128| {
            let next = places(ids.len());
            *ids.entry(id).or_insert(next)
        };
        let start = self.references.len();
        self.references
            .extend(named.references.into_iter().map(&mut number));
        let id = named.id.map(&mut number);
        let next = places(self.subjects.len() + 1);
        let subject = match named.subject {
            None => NO_SUBJECT,
            Some(subject) => *self.subjects.entry(subject).or_insert(next),
        };
        self.items.push(Item {
            n,
            date: named.date.unwrap_or_default(),
            subject,
            is_reply: named.is_reply,
            id,
            references: (start, self.references.len()),
        });
    }

    /// Message `n`, which says nowhere when it was sent, arrived at that second.
    pub(crate) fn arrived(&mut self, n: usize, date: i64) {
        if let Ok(at) = self.items.binary_search_by_key(&n, |item| item.n) {
            self.items[at].date = date;
        }
    }

    /// The items, their references, and how many ids there are: what ids and subjects were is not
    /// needed any more.
    pub(crate) fn into_numbers(self) -> Numbers {
        Numbers {
            id_count: self.ids.len(),
            items: self.items,
            references: self.references,
        }
    }
}

/// See [`Items`].
#[derive(Debug)]
pub(crate) struct Numbers {
    pub(crate) items: Vec<Item>,
    pub(crate) references: Vec<u32>,
    pub(crate) id_count: usize,
}

impl Numbers {
    /// The messages' places in the mailbox.
    pub(crate) fn places(&self) -> Vec<usize> {
        self.items.iter().map(|item| item.n).collect()
    }
}

/// A number of messages or nodes; mailboxes have fewer than 2^32 messages, and threads less than twice
/// as many nodes as there are ids, which memory limits.
pub(crate) fn places(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
