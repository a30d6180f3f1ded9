//! The messages of a mailbox as a session knows them, without any file: what the journal says, and
//! what the client has been told of it.

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::flags::Flags;
use super::op::{NO_DATE, NO_SIZE, NewOp, Op, is_unique, ranges_of};
use super::snapshot::{
    Gone, HEADER_BYTES, Header, Record, Snapshot, Summary, WORDS, Writer, are_words, read_history,
};
use super::stamps::Trust;
use super::state::{FIRST_WORD, State, States};
use super::{Expunged, News};
use crate::folder::{Place, join};

/// For how long it is known which messages were expunged, in seconds, and how many of them at the
/// most.
const HISTORY_TIME: u32 = 30 * 24 * 60 * 60;
const HISTORY_MOST: usize = 256 * 1024;

/// Bits of [`Message::marks`].
pub(super) mod mark {
    /// It was expunged, and the client has not been told.
    pub(crate) const GONE: u8 = 1;
    /// Somebody else changed it, and the client has not been told.
    pub(crate) const CHANGED: u8 = 1 << 1;
    /// This session was the first to see it.
    pub(crate) const RECENT: u8 = 1 << 2;
    /// Its name is not in the snapshot.
    pub(crate) const OWN: u8 = 1 << 3;
    /// Its numbers are not in the journal, and worth it.
    pub(crate) const LEARNT: u8 = 1 << 4;
    /// Its numbers are not for the journal: the file may still be growing.
    pub(crate) const GROWING: u8 = 1 << 5;
}

/// One message: 40 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) modseq: u64,
    /// Octets on the wire, or [`NO_SIZE`].
    pub(super) size: u64,
    /// Seconds since the epoch, or [`NO_DATE`].
    pub(super) date: i64,
    pub(super) uid: u32,
    pub(super) state: u32,
    name_at: u32,
    name_len: u8,
    pub(super) marks: u8,
}

impl Message {
    pub(super) fn is(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    /// Takes over what a session alone knows of the same message.
    fn remember(&mut self, ours: &Message) {
        self.marks |= ours.marks & (mark::GONE | mark::CHANGED | mark::RECENT);
        if self.size == NO_SIZE && ours.size != NO_SIZE {
            (self.size, self.date) = (ours.size, ours.date);
            self.marks |= match ours.is(mark::GROWING) {
                true => mark::GROWING,
                false => mark::LEARNT,
            };
        }
    }
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct View {
    pub(super) summary: Summary,
    pub(super) messages: Vec<Message>,
    /// How many of them the client knows of.
    pub(super) told: usize,
    pub(super) states: States,
    /// The keywords without letters, from [`FIRST_WORD`] on.
    pub(super) words: Vec<Vec<u8>>,
    /// The second half of the snapshot, which the other two are places in.
    base: Vec<u8>,
    names: Range<usize>,
    history: Range<usize>,
    /// Names that are not in the snapshot.
    own: Vec<u8>,
    /// The expunged that are not in the snapshot.
    expunged: Vec<Gone>,
    /// Whether messages in `new` may be among them.
    pub(super) may_be_new: bool,
    /// How much was found out that is not in the journal.
    pub(super) learnt: usize,
    has_changed: bool,
    has_gone: bool,
    recent_told: usize,
    keywords_changed: bool,
}

impl View {
    /// Of an empty mailbox.
    pub(super) fn new(summary: Summary) -> View {
        View {
            summary,
            messages: Vec::new(),
            told: 0,
            states: States::default(),
            words: Vec::new(),
            base: Vec::new(),
            names: 0..0,
            history: 0..0,
            own: Vec::new(),
            expunged: Vec::new(),
            may_be_new: false,
            learnt: 0,
            has_changed: false,
            has_gone: false,
            recent_told: 0,
            keywords_changed: false,
        }
    }

    /// What a snapshot of this header says: its records, and all that is behind them. None if it cannot be
    /// believed.
    pub(super) fn load(header: Header, records: &[u8], rest: Vec<u8>) -> Option<View> {
        let snapshot = Snapshot::read(header, records, &rest)?;
        let mut messages = Vec::with_capacity(snapshot.count());
        for record in snapshot.records(&rest) {
            let record = record?;
            messages.push(Message {
                modseq: record.modseq,
                size: record.size,
                date: record.date,
                uid: record.uid,
                state: record.state,
                name_at: record.name_at,
                name_len: record.name_len,
                marks: 0,
            });
        }
        let mut view = View::new(snapshot.summary);
        view.may_be_new = snapshot.states.any(Place::New);
        (view.names, view.history) = (snapshot.names.clone(), snapshot.history.clone());
        (view.states, view.words) = (snapshot.states, snapshot.words);
        view.messages = messages;
        view.base = rest;
        Some(view)
    }

    /// The same of bytes that begin with a snapshot; and its length.
    pub(super) fn of_bytes(bytes: &[u8]) -> Option<(View, usize)> {
        let header = Header::read(bytes)?;
        let length = header.length();
        let body = bytes.get(HEADER_BYTES..length)?;
        let (records, rest) = body.split_at_checked(header.first_half())?;
        Some((View::load(header, records, rest.to_vec())?, length))
    }

    /// The bytes of a snapshot of all that is known, at this time in seconds. None if it does not
    /// fit into one.
    pub(super) fn snapshot(&self, generation: u64, now: u32) -> Option<[Vec<u8>; 6]> {
        let mut writer = Writer::default();
        let mut states = States::default();
        for message in self
            .messages
            .iter()
            .filter(|message| !message.is(mark::GONE))
        {
            let state = self.states.get(message.state);
            let is_growing = message.is(mark::GROWING);
            let record = Record {
                uid: message.uid,
                state: states.number(state.place, &state.suffix, &state.words)?,
                modseq: message.modseq,
                size: if is_growing { NO_SIZE } else { message.size },
                date: if is_growing { NO_DATE } else { message.date },
                name_at: 0,
                name_len: 0,
            };
            if !writer.message(&record, self.unique(message)) {
                return None;
            }
        }
        let mut summary = self.summary;
        summary.generation = generation;
        let count = self.history().count();
        let too_many = count.saturating_sub(HISTORY_MOST);
        for (n, gone) in self.history().enumerate() {
            let is_old = now > gone.time.saturating_add(HISTORY_TIME);
            match is_old || n < too_many {
                true => summary.floor = summary.floor.max(gone.modseq),
                false => writer.gone(gone),
            }
        }
        writer.states(&states);
        for word in &self.words {
            writer.word(word);
        }
        Some(writer.finish(&summary))
    }

    /// Takes over what a newer snapshot says; `is_own` if there is nothing new in it. What the
    /// client has been told keeps its place. False if the other one knows less: it was written by
    /// one who did not know all, or came from a backup. Then nothing is taken back, and the
    /// directories have to be read and the journal written anew.
    pub(super) fn adopt(&mut self, mut newer: View, is_own: bool) -> bool {
        let told = self.told;
        let mut knows_all = newer.summary.highest >= self.summary.highest;
        let mut expunged: Option<HashSet<u32>> = None;
        let mut merged = Vec::with_capacity(newer.messages.len().max(told));
        let mut theirs = std::mem::take(&mut newer.messages).into_iter().peekable();
        let mut last = 0;
        for ours in &self.messages[..told] {
            last = ours.uid;
            // What would stand between messages that are known cannot be told any more.
            while theirs.next_if(|message| message.uid < last).is_some() {}
            if let Some(mut message) = theirs.next_if(|message| message.uid == last) {
                let (new, old) = (newer.states.get(message.state), self.state(ours));
                let is_same = message.modseq == ours.modseq
                    && (new.flags, &new.keywords) == (old.flags, &old.keywords);
                if !is_same && !is_own {
                    message.marks |= mark::CHANGED;
                    self.has_changed = true;
                }
                message.remember(ours);
                merged.push(message);
                continue;
            }
            let old = self.state(ours);
            let number = newer.states.number(old.place, &old.suffix, &old.words);
            let mut message = *ours;
            message.state = number.unwrap_or(0);
            // Only what is known to be expunged is.
            let expunged =
                expunged.get_or_insert_with(|| newer.history().map(|gone| gone.uid).collect());
            if ours.is(mark::GONE) || expunged.contains(&last) {
                message.marks = message.marks & (mark::CHANGED | mark::RECENT) | mark::GONE;
                (message.name_at, message.name_len) = (0, 0);
                self.has_gone = true;
            } else {
                knows_all = false;
                message.name_at = u32::try_from(newer.own.len()).unwrap_or(0);
                message.marks |= mark::OWN;
                newer.own.extend_from_slice(self.unique(ours));
            }
            merged.push(message);
        }
        for mut message in theirs.skip_while(|message| message.uid <= last) {
            if let Some(n) = self.find(message.uid) {
                message.remember(&self.messages[n]);
            }
            merged.push(message);
        }
        newer.messages = merged;
        newer.told = told;
        newer.learnt = self.learnt;
        newer.has_changed = self.has_changed;
        newer.has_gone = self.has_gone;
        newer.recent_told = self.recent_told;
        newer.keywords_changed = self.keywords_changed || newer.words.len() > self.words.len();
        newer.may_be_new |= self.may_be_new && !is_own;
        let (new, old) = (&mut newer.summary, &self.summary);
        new.next = new.next.max(old.next);
        new.highest = new.highest.max(old.highest);
        if !knows_all {
            new.floor = new.highest;
            (new.stamps.new.trust, new.stamps.cur.trust) = (Trust::None, Trust::None);
        }
        *self = newer;
        knows_all
    }

    /// Takes note of what happened; `is_own` if this session did it. False if it cannot have
    /// happened.
    pub(super) fn apply(&mut self, ops: Vec<Op>, is_own: bool) -> bool {
        let mut is_good = true;
        for op in ops {
            is_good = is_good && self.apply_one(op, is_own);
        }
        if self.has_gone {
            // Those that nobody was told of need no telling.
            let mut n = 0;
            let told = self.told;
            self.messages.retain(|message| {
                n += 1;
                n <= told || !message.is(mark::GONE)
            });
        }
        is_good
    }

    fn apply_one(&mut self, op: Op, is_own: bool) -> bool {
        match op {
            Op::New(new) => {
                let is_good = new.uid >= self.summary.next
                    && new.uid < u32::MAX
                    && self.are_known(&new.words)
                    && is_unique(&new.unique);
                is_good && self.push(&new)
            }
            Op::State {
                modseq,
                place,
                suffix,
                words,
                uids,
            } => {
                if !self.are_known(&words) {
                    return false;
                }
                let Some(number) = self.states.number(place, &suffix, &words) else {
                    return false;
                };
                self.may_be_new |= place == Place::New;
                self.summary.highest = self.summary.highest.max(modseq);
                for n in self.within(&uids) {
                    let message = &mut self.messages[n];
                    if message.is(mark::GONE) {
                        continue;
                    }
                    // The same letters in another place are no news.
                    if !is_own && message.modseq != modseq && n < self.told {
                        message.marks |= mark::CHANGED;
                        self.has_changed = true;
                    }
                    (message.state, message.modseq) = (number, modseq);
                }
                true
            }
            Op::Gone { modseq, time, uids } => {
                self.summary.highest = self.summary.highest.max(modseq);
                for n in self.within(&uids) {
                    let message = &mut self.messages[n];
                    if !message.is(mark::GONE) {
                        message.marks |= mark::GONE;
                        self.has_gone = true;
                        let uid = message.uid;
                        self.expunged.push(Gone { uid, time, modseq });
                    }
                }
                true
            }
            Op::Keyword { id, name } => {
                let Some(at) = id.checked_sub(FIRST_WORD).map(usize::from) else {
                    return false;
                };
                if at == self.words.len() && at < WORDS {
                    self.words.push(name);
                    self.keywords_changed = true;
                    return true;
                }
                self.words.get(at) == Some(&name)
            }
            Op::Stamps {
                stamps,
                next,
                highest,
            } => {
                self.summary.stamps = stamps;
                self.summary.next = self.summary.next.max(next);
                self.summary.highest = self.summary.highest.max(highest);
                true
            }
            Op::Facts(facts) => {
                for (uid, size, date) in facts {
                    if let Some(n) = self.find(uid) {
                        let message = &mut self.messages[n];
                        (message.size, message.date) = (size, date);
                        message.marks &= !(mark::LEARNT | mark::GROWING);
                    }
                }
                true
            }
        }
    }

    fn are_known(&self, words: &[u16]) -> bool {
        let end = usize::from(FIRST_WORD) + self.words.len();
        are_words(words) && words.last().is_none_or(|&last| usize::from(last) < end)
    }

    /// Adds a message behind all others. False where it cannot be held.
    pub(super) fn push(&mut self, new: &NewOp) -> bool {
        let (Ok(name_at), Ok(name_len)) = (
            u32::try_from(self.own.len()),
            u8::try_from(new.unique.len()),
        ) else {
            return false;
        };
        let Some(state) = self.states.number(new.place, &new.suffix, &new.words) else {
            return false;
        };
        self.own.extend_from_slice(&new.unique);
        self.may_be_new |= new.place == Place::New;
        self.summary.next = new.uid + 1;
        self.summary.highest = self.summary.highest.max(new.modseq);
        self.messages.push(Message {
            modseq: new.modseq,
            size: new.size,
            date: new.date,
            uid: new.uid,
            state,
            name_at,
            name_len,
            marks: mark::OWN,
        });
        true
    }

    /// The numbers of the messages with these UIDs.
    fn within(&self, uids: &[(u32, u32)]) -> Vec<usize> {
        let mut all = Vec::new();
        for &(first, last) in uids {
            let start = self.messages.partition_point(|message| message.uid < first);
            let found = self.messages[start..]
                .iter()
                .take_while(|message| message.uid <= last);
            all.extend((start..).take(found.count()));
        }
        all
    }

    /// The number of the message with this UID, told or not.
    pub(super) fn find(&self, uid: u32) -> Option<usize> {
        self.messages
            .binary_search_by_key(&uid, |message| message.uid)
            .ok()
    }

    pub(super) fn state(&self, message: &Message) -> &State {
        self.states.get(message.state)
    }

    pub(super) fn unique(&self, message: &Message) -> &[u8] {
        let names = match message.is(mark::OWN) {
            true => &self.own,
            false => &self.base[self.names.clone()],
        };
        let start = message.name_at as usize;
        &names[start..start + usize::from(message.name_len)]
    }

    /// Writes the path of a message's file in the mailbox at `dir` into `path`.
    pub(super) fn path(&self, message: &Message, dir: &Path, path: &mut PathBuf) {
        let state = self.state(message);
        join(
            path,
            dir,
            state.place,
            &[self.unique(message), &state.suffix],
        );
    }

    /// Those that are there.
    pub(super) fn living(&self) -> impl Iterator<Item = (usize, &Message)> {
        let all = self.messages.iter().enumerate();
        all.filter(|(_, message)| !message.is(mark::GONE))
    }

    fn history(&self) -> impl Iterator<Item = Gone> {
        let kept = read_history(&self.base[self.history.clone()]);
        kept.chain(self.expunged.iter().copied())
    }

    /// The modification sequence of the oldest expunge that the client has not been told of.
    pub(super) fn oldest_untold(&self) -> Option<u64> {
        if !self.has_gone {
            return None;
        }
        let told = self.told().iter();
        let gone: HashSet<u32> = told
            .filter(|message| message.is(mark::GONE))
            .map(|message| message.uid)
            .collect();
        let of_those = self
            .history()
            .filter(|expunged| gone.contains(&expunged.uid));
        of_those.map(|expunged| expunged.modseq).min()
    }

    /// The UIDs that were expunged with a greater modification sequence. None if that is not known.
    pub(super) fn vanished_since(&self, modseq: u64) -> Option<Vec<(u32, u32)>> {
        if modseq < self.summary.floor {
            return None;
        }
        let later = self.history().filter(|gone| gone.modseq > modseq);
        let mut uids: Vec<u32> = later.map(|gone| gone.uid).collect();
        uids.sort_unstable();
        uids.dedup();
        Some(ranges_of(uids))
    }

    /// The messages that the client knows of.
    pub(super) fn told(&self) -> &[Message] {
        &self.messages[..self.told]
    }

    pub(super) fn set_marks(&mut self, n: usize, marks: u8) {
        self.messages[n].marks |= marks;
    }

    /// Takes note of what was found out about a message.
    pub(super) fn learn(&mut self, n: usize, size: u64, date: i64, is_growing: bool) {
        let message = &mut self.messages[n];
        (message.size, message.date) = (size, date);
        message.marks &= !(mark::LEARNT | mark::GROWING);
        message.marks |= match is_growing {
            true => mark::GROWING,
            false => mark::LEARNT,
        };
        self.learnt += usize::from(!is_growing);
    }

    /// Whether there are keywords that no file but the journal knows.
    pub(super) fn has_words(&self) -> bool {
        !self.words.is_empty()
    }

    /// These have changed, and the client has to be told although this session did it.
    pub(super) fn tell_changed(&mut self, which: &[usize]) {
        for &n in which {
            self.messages[n].marks |= mark::CHANGED;
            self.has_changed = true;
        }
    }

    /// There are other keywords than before.
    pub(super) fn keywords_changed(&mut self) {
        self.keywords_changed = true;
    }

    pub(super) fn flags(&self, message: &Message) -> Flags {
        self.state(message).flags
    }

    pub(super) fn count_recent(&self) -> usize {
        let told = self.told().iter();
        told.filter(|message| self.is_recent(message)).count()
    }

    /// This session saw it first; or it is one of those in `new`, which none has seen.
    pub(super) fn is_recent(&self, message: &Message) -> bool {
        message.is(mark::RECENT) || self.state(message).place == Place::New
    }

    /// Takes all of it as told.
    pub(super) fn tell_all(&mut self) {
        let _ = self.take_news(true);
    }

    /// Everything that the client has to be told.
    pub(super) fn take_news(&mut self, expunges: bool) -> News {
        let mut news = News::default();
        if expunges && self.has_gone {
            let told = self.told().iter().enumerate().rev();
            news.expunged = told
                .filter(|(_, message)| message.is(mark::GONE))
                .map(|(n, message)| Expunged {
                    n,
                    uid: message.uid,
                })
                .collect();
            self.messages.retain(|message| !message.is(mark::GONE));
            self.told -= news.expunged.len();
            self.has_gone = false;
        }
        if self.has_changed {
            for (n, message) in self.messages[..self.told].iter_mut().enumerate() {
                if message.is(mark::CHANGED) {
                    message.marks &= !mark::CHANGED;
                    if !message.is(mark::GONE) {
                        news.changed.push(n);
                    }
                }
            }
            self.has_changed = false;
        }
        if self.told < self.messages.len() {
            self.told = self.messages.len();
            news.exists = Some(self.told);
        }
        let recent = self.count_recent();
        if recent != self.recent_told {
            self.recent_told = recent;
            news.recent = Some(recent);
        }
        news.keywords_changed = std::mem::take(&mut self.keywords_changed);
        news
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
