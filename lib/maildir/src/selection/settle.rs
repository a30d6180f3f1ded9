//! Making of what a look found what has to be written down, and putting files in order: messages go
//! from `new` to `cur`, a file with another's unique name gets one of its own, and a name too many
//! is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::StoreError;
use super::look::Found;
use super::op::{Op, portions, ranges_of};
use super::stamps::Trust;
use super::view::View;
use super::{Selection, Writing};
use crate::folder::{NO_FLAGS, PLACES, Place, join, unique_of};
use crate::name::{Host, Names};
use crate::scan::{Stamps, now};
use crate::uidfile::can_have_uid;

/// What becomes of messages that are known.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Their new states, by their numbers.
    pub(super) states: BTreeMap<usize, u32>,
    pub(super) gone: BTreeSet<usize>,
}

impl Changes {
    /// What has to be written down. Flags that differ get `modseq`.
    pub(super) fn ops(&self, view: &View, modseq: u64, time: u32) -> Vec<Op> {
        let mut by_state: BTreeMap<(u32, u64), Vec<u32>> = BTreeMap::new();
        for (&n, &state) in &self.states {
            let message = &view.messages[n];
            let (old, new) = (view.state(message), view.states.get(state));
            let is_same = (old.flags, &old.keywords) == (new.flags, &new.keywords);
            let modseq = if is_same { message.modseq } else { modseq };
            by_state
                .entry((state, modseq))
                .or_default()
                .push(message.uid);
        }
        let mut ops = Vec::new();
        for ((state, modseq), uids) in by_state {
            let state = view.states.get(state);
            ops.extend(portions(&ranges_of(uids)).map(|uids| Op::State {
                modseq,
                place: state.place,
                suffix: state.suffix.to_vec(),
                words: state.words.to_vec(),
                uids,
            }));
        }
        let mut uids: Vec<u32> = self.gone.iter().map(|&n| view.messages[n].uid).collect();
        uids.sort_unstable();
        ops.extend(portions(&ranges_of(uids)).map(|uids| Op::Gone { modseq, time, uids }));
        ops
    }
}

/// What came of a look.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) changes: Changes,
    /// The files that need UIDs, and whether this session is the first to see each.
    pub(super) fresh: Vec<(usize, bool)>,
    /// Known messages that were in `new` until now.
    pub(super) claimed: Vec<usize>,
}

/// Unique names that nobody has.
pub(super) fn new_names() -> Names {
    let host = Host::new(&os::process::host_name());
    Names::new(host, std::process::id(), os::process::random)
}

impl Selection {
    /// Of the directories, in the order of [`PLACES`], which are just as they were seen, so that a
    /// change that is made now is the only one.
    pub(super) fn begin_change(&self) -> [bool; 2] {
        let stamps = Stamps::of(&self.dir);
        PLACES.map(|place| {
            let stamp = self.view.summary.stamps.at(place);
            let is_same = |stamps: &Stamps| stamps.at(place) == stamp.stamp;
            stamp.trust != Trust::None && stamps.as_ref().is_ok_and(is_same)
        })
    }

    /// Takes note of the directories after a change, which [`Selection::begin_change`] preceded.
    pub(super) fn end_change(&mut self, was_same: [bool; 2]) {
        let stamps = Stamps::of(&self.dir);
        for place in PLACES {
            let stamp = self.view.summary.stamps.at_mut(place);
            match &stamps {
                Ok(stamps) if was_same[place as usize] => {
                    stamp.stamp = stamps.at(place);
                    if stamp.trust == Trust::Complete {
                        stamp.trust = Trust::Since(now());
                    }
                }
                _ => stamp.trust = Trust::None,
            }
        }
    }

    /// Takes over what was found of known messages, and puts files in order if this session may.
    pub(super) fn settle(&mut self, found: &mut Found) -> Result<Settled, StoreError> {
        let mut changes = Changes {
            gone: std::mem::take(&mut found.missing).into_iter().collect(),
            ..Changes::default()
        };
        for &(n, file) in &found.renamed {
            let message = &found.folder.messages[file];
            let name = found.folder.names.name(message);
            let suffix = &name[unique_of(name).len()..];
            let words = self.view.state(&self.view.messages[n]).words.clone();
            let number = self.view.states.number(message.place(), suffix, &words);
            changes
                .states
                .insert(n, number.ok_or_else(|| StoreError::full(&self.dir))?);
        }
        let stamps = &mut self.view.summary.stamps;
        [stamps.new, stamps.cur] = found.stamps;
        let mut fresh: Vec<(usize, bool)> = found.fresh.iter().map(|&file| (file, false)).collect();
        let mut claimed = Vec::new();
        if self.claims && self.writing == Writing::Works {
            let is_new = |view: &View, n: usize| {
                let state = changes.states.get(&n).copied();
                let state = state.unwrap_or(view.messages[n].state);
                view.states.get(state).place == Place::New
            };
            let known: Vec<usize> = match self.view.may_be_new {
                true => self
                    .view
                    .living()
                    .map(|(n, _)| n)
                    .filter(|&n| is_new(&self.view, n) && !changes.gone.contains(&n))
                    .collect(),
                false => Vec::new(),
            };
            let is_quiet = known.is_empty()
                && found.twins.is_empty()
                && found.spare.is_empty()
                && fresh.iter().all(|&(file, _)| is_in_order(found, file));
            if !is_quiet {
                let was_same = self.begin_change();
                let was_complete = self.claim(found, &mut fresh);
                let was_complete =
                    self.claim_known(&known, &mut changes, &mut claimed) && was_complete;
                for &file in &found.spare {
                    remove_spare(found, file);
                }
                self.end_change(was_same);
                if !was_complete {
                    // Somebody else was at work there.
                    let stamps = &mut self.view.summary.stamps;
                    (stamps.new.trust, stamps.cur.trust) = (Trust::None, Trust::None);
                }
            }
            self.view.may_be_new = false;
        }
        let names = &found.folder;
        fresh.retain(|&(file, _)| can_have_uid(names.names.unique(&names.messages[file])));
        Ok(Settled {
            changes,
            fresh,
            claimed,
        })
    }

    /// Moves files from `new` to `cur`, and gives unique names to those that have none. What is
    /// gone by now is no longer fresh; then the result is false.
    fn claim(&mut self, found: &mut Found, fresh: &mut Vec<(usize, bool)>) -> bool {
        let mut was_complete = true;
        let mut names = new_names();
        let mut kept = Vec::new();
        let twins = std::mem::take(&mut found.twins);
        let twins = twins.into_iter().map(|file| (file, true));
        let all: Vec<(usize, bool)> = fresh.drain(..).map(|(file, _)| (file, false)).collect();
        for (file, is_twin) in all.into_iter().chain(twins) {
            let message = &found.folder.messages[file];
            let name = found.folder.names.name(message).to_vec();
            let unique = unique_of(&name);
            let was_new = message.place() == Place::New;
            let needs_name = is_twin || !can_have_uid(unique);
            if !was_new && !needs_name {
                kept.push((file, false));
                continue;
            }
            let suffix = match &name[unique.len()..] {
                suffix if suffix.starts_with(NO_FLAGS) => suffix,
                _ => NO_FLAGS,
            };
            let target = match needs_name {
                true => match names.next(SystemTime::now()) {
                    Ok(unique) => [unique.as_bytes(), suffix].concat(),
                    Err(_) => continue,
                },
                false => [unique, suffix].concat(),
            };
            let inode = message.inode;
            match rename_into_cur(&self.dir, message.place(), &name, &target) {
                Ok(()) => {
                    // A number of its own: the unique part may be another one.
                    if found.folder.push(Place::Cur, &target, inode) {
                        kept.push((found.folder.messages.len() - 1, was_new));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => was_complete = false,
                Err(_) if needs_name => {}
                Err(_) => kept.push((file, false)),
            }
        }
        *fresh = kept;
        was_complete
    }

    /// The same with messages that are known.
    fn claim_known(
        &mut self,
        known: &[usize],
        changes: &mut Changes,
        claimed: &mut Vec<usize>,
    ) -> bool {
        let mut was_complete = true;
        for &n in known {
            let message = self.view.messages[n];
            let state = changes.states.get(&n).copied().unwrap_or(message.state);
            let state = self.view.states.get(state);
            let (old, words) = (state.suffix.clone(), state.words.clone());
            let suffix = match old.starts_with(NO_FLAGS) {
                true => &*old,
                false => NO_FLAGS,
            };
            let unique = self.view.unique(&message);
            let (from, to) = ([unique, &old].concat(), [unique, suffix].concat());
            match rename_into_cur(&self.dir, Place::New, &from, &to) {
                Ok(()) => {
                    if let Some(number) = self.view.states.number(Place::Cur, suffix, &words) {
                        changes.states.insert(n, number);
                    }
                    claimed.push(n);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => was_complete = false,
                Err(_) => {}
            }
        }
        was_complete
    }
}

/// Whether a fresh file needs nothing but a UID.
fn is_in_order(found: &Found, file: usize) -> bool {
    let message = &found.folder.messages[file];
    message.place() == Place::Cur && can_have_uid(found.folder.names.unique(message))
}

/// Moves a file to `cur`, and never over another one.
fn rename_into_cur(dir: &Path, place: Place, name: &[u8], target: &[u8]) -> io::Result<()> {
    let (mut from, mut to) = (PathBuf::new(), PathBuf::new());
    join(&mut from, dir, place, &[name]);
    join(&mut to, dir, Place::Cur, &[target]);
    rename(&from, &to)
}

/// Renames a file to what nothing else is called.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match os::file::rename_noreplace(from, to) {
        // Somebody died between a link and an unlink: this is the unlink.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && are_one(from, to) => {
            fs::remove_file(from)
        }
        result => result,
    }
}

/// Whether both are names of one file.
fn are_one(a: &Path, b: &Path) -> bool {
    let file = |path: &Path| fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()));
    matches!((file(a), file(b)), (Ok(a), Ok(b)) if a == b)
}

fn remove_spare(found: &Found, file: usize) {
    let mut path = PathBuf::new();
    found
        .folder
        .names
        .path(&found.folder.messages[file], &mut path);
    // Only while there is another name.
    if fs::symlink_metadata(&path).is_ok_and(|meta| meta.nlink() > 1) {
        let _ = fs::remove_file(&path);
    }
}
