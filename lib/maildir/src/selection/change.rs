//! Changing flags and keywords, and expunging.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::error::StoreError;
use super::flags::Flags;
use super::op::Op;
use super::settle::{Changes, rename};
use super::state::{FIRST_WORD, Letters};
use super::sync::seconds;
use super::view::mark;
use super::{Access, Selection, Writing};
use crate::folder::{Place, join};
use crate::quota::{self, Account, Entry, Usage, usage_of};

/// How often the directories are read for messages that others rename all the time.
const LOOKS: usize = 4;

/// What is done with the flags that are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// They take the place of all that a message has.
    Replace,
    /// A message gets them.
    Add,
    /// A message loses them.
    Remove,
}

/// A change of flags and keywords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is done with them.
    pub how: How,
    /// System flags.
    pub flags: Flags,
    /// Keywords, by name.
    pub keywords: Vec<Vec<u8>>,
}

/// What came of it, by the numbers of the messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// They have other flags now, and a new modification sequence. Ascending, as are the others.
    pub changed: Vec<usize>,
    /// They had these flags already.
    pub unchanged: Vec<usize>,
    /// They were changed since the modification sequence that was given, and are as they were.
    pub modified: Vec<usize>,
    /// They are no more.
    pub gone: Vec<usize>,
}

impl Selection {
    pub(super) fn check_writable(&self) -> Result<(), StoreError> {
        match self.access == Access::ReadWrite && self.writing != Writing::Forbidden {
            true => Ok(()),
            false => Err(StoreError::read_only(&self.dir)),
        }
    }

    /// Changes flags and keywords of messages. With `unchanged_since`, only of those whose last
    /// change has no greater modification sequence (RFC 7162 section 3.1.3). What others change at
    /// the same time stays.
    pub fn store(
        &mut self,
        which: &[usize],
        change: &Change,
        unchanged_since: Option<u64>,
    ) -> Result<Stored, StoreError> {
        self.check_writable()?;
        let lock = self.lock()?;
        self.sync_locked(false, None)?;
        let adds = change.how != How::Remove;
        let ids = self.keyword_ids(&change.keywords, adds, self.wait)?;
        let mut stored = Stored::default();
        // A message that is marked as deleted does not count for a quota.
        let marks = change.flags.contains(Flags::DELETED) || change.how == How::Replace;
        let account = self.account.as_ref().filter(|_| marks);
        let entry = account.and_then(Account::begin);
        let mut counted = entry.as_ref().map(|_| quota::Change::default());
        let mut todo: Vec<usize> = which.to_vec();
        let mut looks = 0;
        loop {
            let since = unchanged_since;
            let once = self.store_once(&todo, change, &ids, since, &mut stored, &mut counted);
            todo = match once {
                Ok(renamed) => renamed,
                Err(error) => {
                    settle(entry, counted);
                    // The client is told what was done nonetheless.
                    self.view.tell_changed(&stored.changed);
                    return Err(error);
                }
            };
            if todo.is_empty() {
                break;
            }
            looks += 1;
            if looks > LOOKS {
                settle(entry, counted);
                let path = self.path(todo[0]);
                let busy = io::ErrorKind::ResourceBusy.into();
                return Err(StoreError::at("rename", &path)(busy));
            }
            self.sync_locked(true, None)?;
        }
        settle(entry, counted);
        self.checkpoint();
        drop(lock);
        for list in [
            &mut stored.changed,
            &mut stored.unchanged,
            &mut stored.modified,
            &mut stored.gone,
        ] {
            list.sort_unstable();
        }
        Ok(stored)
    }

    /// Does it with the names that are known, and returns those that have others by now.
    fn store_once(
        &mut self,
        which: &[usize],
        change: &Change,
        ids: &[u16],
        unchanged_since: Option<u64>,
        stored: &mut Stored,
        counted: &mut Option<quota::Change>,
    ) -> Result<Vec<usize>, StoreError> {
        let was_same = self.begin_change();
        let old = self.view.summary.stamps;
        let mut changes = Changes::default();
        let mut renamed = Vec::new();
        let mut result = Ok(());
        // Of one state all become one other: it is made once.
        let mut targets: BTreeMap<u32, u32> = BTreeMap::new();
        let (mut from, mut to) = (PathBuf::new(), PathBuf::new());
        for &n in which {
            let Some(&message) = self.message(n) else {
                continue;
            };
            if message.is(mark::GONE) {
                stored.gone.push(n);
                continue;
            }
            if unchanged_since.is_some_and(|since| message.modseq > since) {
                stored.modified.push(n);
                continue;
            }
            let target = match targets.get(&message.state) {
                Some(&target) => target,
                None => {
                    let target = self.target(message.state, change, ids)?;
                    targets.insert(message.state, target);
                    target
                }
            };
            if target == message.state {
                stored.unchanged.push(n);
                continue;
            }
            let state = self.view.states.get(target);
            self.view.path(&message, &self.dir, &mut from);
            let name = [self.view.unique(&message), &state.suffix];
            join(&mut to, &self.dir, state.place, &name);
            // A keyword without a letter is in no name.
            let done = match from == to {
                true => Ok(()),
                false => rename(&from, &to),
            };
            match done {
                Ok(()) => {
                    if let Some(counted) = counted {
                        let marked = [message.state, target].map(|state| {
                            let flags = self.view.states.get(state).flags;
                            flags.contains(Flags::DELETED)
                        });
                        let len = || Ok(fs::symlink_metadata(&to)?.len());
                        let usage = usage_of(self.view.unique(&message), len).unwrap_or_default();
                        *counted = counted.plus(match marked {
                            [false, true] => quota::Change::less(usage),
                            [true, false] => quota::Change::more(usage),
                            _ => quota::Change::default(),
                        });
                    }
                    changes.states.insert(n, target);
                    stored.changed.push(n);
                }
                Err(error) if is_other_name(&error) => renamed.push(n),
                Err(error) => {
                    result = Err(StoreError::at("rename", &from)(error));
                    break;
                }
            }
        }
        if !changes.states.is_empty() {
            self.end_change(was_same);
            let mut ops = changes.ops(&self.view, self.next_modseq(), seconds());
            if self.view.summary.stamps != old {
                ops.push(self.stamps_op(0));
            }
            self.commit(ops);
        }
        result.map(|()| renamed)
    }

    /// The state that follows from a change of this one.
    fn target(&mut self, state: u32, change: &Change, ids: &[u16]) -> Result<u32, StoreError> {
        let old = self.view.states.get(state);
        let now = Letters::of(&old.suffix);
        let letters = ids.iter().filter(|&&id| id < FIRST_WORD);
        let letters = letters.fold(0, |all, id| all | 1 << id);
        let words = ids.iter().filter(|&&id| id >= FIRST_WORD);
        let has = |id: &&u16| old.words.contains(id);
        let (new, mut new_words): (Letters, Vec<u16>) = match change.how {
            How::Replace => (
                Letters {
                    flags: change.flags,
                    keywords: letters,
                },
                words.copied().collect(),
            ),
            How::Add => (
                Letters {
                    flags: now.flags.union(change.flags),
                    keywords: now.keywords | letters,
                },
                old.words
                    .iter()
                    .chain(words.filter(|id| !has(id)))
                    .copied()
                    .collect(),
            ),
            How::Remove => (
                Letters {
                    flags: now.flags.without(change.flags),
                    keywords: now.keywords & !letters,
                },
                old.words
                    .iter()
                    .filter(|id| !ids.contains(id))
                    .copied()
                    .collect(),
            ),
        };
        new_words.sort_unstable();
        let number = match new == now {
            true => {
                let (place, suffix) = (old.place, old.suffix.clone());
                self.view.states.number(place, &suffix, &new_words)
            }
            false => {
                let suffix = new.suffix(&old.suffix);
                self.view.states.number(Place::Cur, &suffix, &new_words)
            }
        };
        number.ok_or_else(|| StoreError::full(&self.dir))
    }

    /// Removes the messages with \Deleted, of these UID ranges (ascending, without overlaps) if there
    /// are some. Returns the UIDs of those that are gone now; the client is told by [`Selection::take_news`].
    pub fn expunge(&mut self, only: Option<&[(u32, u32)]>) -> Result<Vec<u32>, StoreError> {
        let is_asked = |uid: u32| {
            only.is_none_or(|ranges| {
                let at = ranges.partition_point(|range| range.1 < uid);
                ranges.get(at).is_some_and(|range| range.0 <= uid)
            })
        };
        self.check_writable()?;
        let lock = self.lock()?;
        self.sync_locked(false, None)?;
        let told = self.view.told().iter().enumerate();
        let which = told
            .filter(|(_, message)| is_asked(message.uid))
            .map(|(n, _)| n);
        let which = which.collect();
        let uids = self.remove_locked(which, true, true)?;
        self.checkpoint();
        drop(lock);
        Ok(uids)
    }

    /// Removes messages, whatever their flags are. Returns the UIDs of those that are gone now.
    pub fn remove(&mut self, which: &[usize]) -> Result<Vec<u32>, StoreError> {
        self.remove_from(which, true)
    }

    /// The same; if it `counts`, it is noted for the account's quota.
    pub(super) fn remove_from(
        &mut self,
        which: &[usize],
        counts: bool,
    ) -> Result<Vec<u32>, StoreError> {
        self.check_writable()?;
        let lock = self.lock()?;
        self.sync_locked(false, None)?;
        let uids = self.remove_locked(which.to_vec(), false, counts)?;
        self.checkpoint();
        drop(lock);
        Ok(uids)
    }

    fn remove_locked(
        &mut self,
        todo: Vec<usize>,
        deleted_only: bool,
        counts: bool,
    ) -> Result<Vec<u32>, StoreError> {
        let account = self.account.as_ref();
        let account = account.filter(|_| counts && !todo.is_empty());
        let entry = account.and_then(Account::begin);
        let mut counted = entry.as_ref().map(|_| quota::Change::default());
        let result = self.remove_all(todo, deleted_only, &mut counted);
        settle(entry, counted);
        result
    }

    fn remove_all(
        &mut self,
        mut todo: Vec<usize>,
        deleted_only: bool,
        counted: &mut Option<quota::Change>,
    ) -> Result<Vec<u32>, StoreError> {
        let mut uids = Vec::new();
        let mut looks = 0;
        loop {
            todo = self.remove_once(&todo, deleted_only, &mut uids, counted)?;
            if todo.is_empty() {
                break;
            }
            looks += 1;
            if looks > LOOKS {
                let path = self.path(todo[0]);
                let busy = io::ErrorKind::ResourceBusy.into();
                return Err(StoreError::at("remove", &path)(busy));
            }
            self.sync_locked(true, None)?;
        }
        uids.sort_unstable();
        Ok(uids)
    }

    /// Removes what is under the names that are known, and returns what has others by now.
    fn remove_once(
        &mut self,
        which: &[usize],
        deleted_only: bool,
        uids: &mut Vec<u32>,
        counted: &mut Option<quota::Change>,
    ) -> Result<Vec<usize>, StoreError> {
        let was_same = self.begin_change();
        let mut changes = Changes::default();
        let mut renamed = Vec::new();
        let mut result = Ok(());
        let mut path = PathBuf::new();
        for &n in which {
            let Some(message) = self.message(n) else {
                continue;
            };
            let is_meant = !deleted_only || self.view.flags(message).contains(Flags::DELETED);
            if message.is(mark::GONE) || !is_meant {
                continue;
            }
            self.view.path(message, &self.dir, &mut path);
            let usage = match counted {
                Some(_) => self.usage_of(message).unwrap_or_default(),
                None => Usage::default(),
            };
            match fs::remove_file(&path) {
                Ok(()) => {
                    if let Some(counted) = counted {
                        *counted = counted.plus(quota::Change::less(usage));
                    }
                    uids.push(message.uid);
                    changes.gone.insert(n);
                }
                Err(error) if is_other_name(&error) => renamed.push(n),
                Err(error) => {
                    result = Err(StoreError::at("remove", &path)(error));
                    break;
                }
            }
        }
        if !changes.gone.is_empty() {
            self.end_change(was_same);
            let mut ops: Vec<Op> = changes.ops(&self.view, self.next_modseq(), seconds());
            ops.push(self.stamps_op(0));
            self.commit(ops);
        }
        result.map(|()| renamed)
    }
}

/// The change is done.
fn settle(entry: Option<Entry>, counted: Option<quota::Change>) {
    if let (Some(entry), Some(counted)) = (entry, counted) {
        entry.settle(counted);
    }
}

/// Whether the file may be there under another name.
fn is_other_name(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
    )
}
