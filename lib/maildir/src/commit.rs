//! The end of a POP3 session: removing what was deleted, and moving the rest of `new` to `cur`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::folder::{Folder, Message, NO_FLAGS, PLACES, Place, join, mark, unique_of};
use crate::mailbox::Mailbox;
use crate::quota::{Account, Change, Usage, usage_of};
use crate::relocate::{Finder, relocate};
use crate::scan::{Go, Unreadable, inode_at, until_at_rest, walk};

/// What a [`Mailbox::commit`] did.
#[derive(Debug, Default)]
pub struct Commit {
    /// How many messages were removed, or gone already.
    pub removed: usize,
    /// Which could not be removed, and why.
    pub failed: Vec<(usize, io::Error)>,
    /// How many messages went from `new` to `cur`.
    pub moved: usize,
    /// How many should have gone there and did not: they stay in `new`.
    pub unmoved: usize,
    /// What the removed ones had counted for, where there is a quota.
    pub(crate) freed: Option<Usage>,
    /// Why the changes could not be made to last, where that was asked for.
    pub unsynced: Option<io::Error>,
}

impl Mailbox {
    /// Removes the messages that `deleted` says, under the names that they have now; one that is
    /// gone already counts as removed. Moves every other message of this session from `new` to
    /// `cur`, with `:2,` behind a name that has no flags, and never over a file that is there.
    /// With `sync` both directories are synced. Writes the index.
    ///
    /// Numbers keep their meaning, but removed messages cannot be opened.
    pub fn commit(&mut self, deleted: &dyn Fn(usize) -> bool, sync: bool) -> Commit {
        let mut commit = Commit::default();
        let dir = self.folder.names.dir();
        let removes = (0..self.len()).any(deleted);
        let account = removes.then(|| Account::of_folder(dir)).flatten();
        let entry = account.and_then(|account| account.begin());
        commit.freed = entry.as_ref().map(|_| Usage::default());
        let missing = self.remove(deleted, &mut commit);
        if !missing.is_empty() {
            self.remove_renamed(missing, &mut commit);
        }
        self.settle_links(deleted, &mut commit);
        if let (Some(entry), Some(freed)) = (entry, commit.freed) {
            entry.settle(Change::less(freed));
        }
        self.move_to_cur(deleted, &mut commit);
        if sync && commit.removed + commit.moved > 0 {
            for place in PLACES {
                let dir = self.folder.names.dir().join(place.name());
                if let Err(error) = os::file::sync_dir(&dir) {
                    commit.unsynced = Some(error);
                }
            }
        }
        self.save();
        commit
    }

    /// Removes messages under the names that are known; returns those that have others now.
    fn remove(&mut self, deleted: &dyn Fn(usize) -> bool, commit: &mut Commit) -> BTreeSet<usize> {
        let mut missing = BTreeSet::new();
        let mut path = PathBuf::new();
        for (n, message) in self.folder.messages.iter_mut().enumerate() {
            if !deleted(n) || message.is(mark::GONE | mark::LINKED) {
                continue;
            }
            self.folder.names.path(message, &mut path);
            match remove_file(message, &path, &mut commit.freed) {
                Ok(()) => {
                    message.set(mark::GONE);
                    commit.removed += 1;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    missing.insert(n);
                }
                Err(error) => commit.failed.push((n, error)),
            }
        }
        missing
    }

    fn remove_renamed(&mut self, mut missing: BTreeSet<usize>, commit: &mut Commit) {
        let finder = self.finder();
        let result = relocate(
            &mut self.folder,
            &finder,
            &mut missing,
            |folder, n, path| {
                match remove_file(&folder.messages[n], path, &mut commit.freed) {
                    Ok(()) => {
                        folder.messages[n].set(mark::GONE);
                        commit.removed += 1;
                    }
                    // Renamed once more since readdir.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
                    Err(error) => commit.failed.push((n, error)),
                }
                true
            },
        );
        for n in missing {
            let message = &mut self.folder.messages[n];
            match &result {
                Ok(_) if !message.is(mark::FOUND) => {
                    message.set(mark::GONE);
                    commit.removed += 1;
                }
                Ok(_) => commit.failed.push((n, io::ErrorKind::NotFound.into())),
                Err(unreadable) => commit.failed.push((n, again(&unreadable.error))),
            }
        }
    }

    /// Of messages whose file has several names here: removes all names of the deleted ones, and of the
    /// others those in `new`, if there is one in `cur`.
    fn settle_links(&mut self, deleted: &dyn Fn(usize) -> bool, commit: &mut Commit) {
        let is_linked = |&n: &usize| {
            self.folder.messages[n].marks & (mark::LINKED | mark::GONE) == mark::LINKED
        };
        let which: Vec<usize> = (0..self.len()).filter(is_linked).collect();
        if which.is_empty() {
            return;
        }
        let folder = &mut self.folder;
        let finder = Finder::new(folder, which.iter().copied());
        let dir = folder.names.dir().to_owned();
        let mut failed: BTreeMap<usize, io::Error> = BTreeMap::new();
        let result = until_at_rest(&dir, |_| {
            failed.clear();
            let mut names = names_of(folder, &finder)?;
            // Those in cur come first.
            names.reverse();
            let mut in_cur = BTreeSet::new();
            for (n, place, name) in names {
                let mut path = PathBuf::new();
                join(&mut path, &dir, place, &[&name]);
                let is_spare = place == Place::New && in_cur.contains(&n);
                if place == Place::Cur {
                    in_cur.insert(n);
                }
                if !deleted(n) && !is_spare {
                    folder.rename(n, place, &name);
                    continue;
                }
                match remove_counted(&path, &mut commit.freed) {
                    Err(error) if deleted(n) && error.kind() != io::ErrorKind::NotFound => {
                        failed.insert(n, error);
                    }
                    _ => {}
                }
            }
            Ok(Go::On)
        });
        for n in which.into_iter().filter(|&n| deleted(n)) {
            match (failed.remove(&n), &result) {
                (Some(error), _) => commit.failed.push((n, error)),
                (None, Err(unreadable)) => commit.failed.push((n, again(&unreadable.error))),
                (None, Ok(_)) => {
                    folder.messages[n].set(mark::GONE);
                    commit.removed += 1;
                }
            }
        }
    }

    fn move_to_cur(&mut self, deleted: &dyn Fn(usize) -> bool, commit: &mut Commit) {
        let (mut from, mut to) = (PathBuf::new(), PathBuf::new());
        let names = &self.folder.names;
        for (n, message) in self.folder.messages.iter_mut().enumerate() {
            if message.place() != Place::New || message.is(mark::GONE) || deleted(n) {
                continue;
            }
            let name = names.name(message);
            let has_flags = name.windows(NO_FLAGS.len()).any(|part| part == NO_FLAGS);
            let flags: &[u8] = if has_flags { b"" } else { NO_FLAGS };
            names.path(message, &mut from);
            join(&mut to, names.dir(), Place::Cur, &[name, flags]);
            let moved = match os::file::rename_noreplace(&from, &to) {
                // Somebody died between a link and an unlink: this is the unlink.
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists && are_one(&from, &to) =>
                {
                    fs::remove_file(&from)
                }
                other => other,
            };
            match moved {
                Ok(()) => {
                    commit.moved += 1;
                    match has_flags {
                        true => message.clear(mark::NEW),
                        false => message.set(mark::MOVED),
                    }
                }
                // Somebody else has moved or removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => commit.unmoved += 1,
            }
        }
    }
}

/// Removes the file of `message`, which is thought to be at `path`.
fn remove_file(message: &Message, path: &Path, freed: &mut Option<Usage>) -> io::Result<()> {
    if message.is(mark::TWIN) && !message.can_be(inode_at(path)?) {
        return Err(io::ErrorKind::NotFound.into());
    }
    remove_counted(path, freed)
}

/// Removes a message, and adds what it counted for.
fn remove_counted(path: &Path, freed: &mut Option<Usage>) -> io::Result<()> {
    let Some(freed) = freed else {
        return fs::remove_file(path);
    };
    let name = path.file_name().unwrap_or_default().as_bytes();
    let usage = usage_of(name, || Ok(fs::symlink_metadata(path)?.len()))?;
    fs::remove_file(path)?;
    *freed = freed.plus(usage);
    Ok(())
}

/// Every name of the files of the messages that `finder` knows, those in `new` first.
fn names_of(folder: &Folder, finder: &Finder) -> Result<Vec<(usize, Place, Vec<u8>)>, Unreadable> {
    let mut names = Vec::new();
    let mut path = PathBuf::new();
    for place in PLACES {
        walk(folder.names.dir(), place, |name, _| {
            for n in finder.find(folder, unique_of(name)) {
                join(&mut path, folder.names.dir(), place, &[name]);
                if inode_at(&path).is_ok_and(|inode| inode == folder.messages[n].inode) {
                    names.push((n, place, name.to_vec()));
                }
            }
        })?;
    }
    Ok(names)
}

/// Whether both are names of one file.
fn are_one(a: &Path, b: &Path) -> bool {
    let file = |path: &Path| fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()));
    matches!((file(a), file(b)), (Ok(a), Ok(b)) if a == b)
}

/// An error once more: errors of the system cannot be cloned.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => error.kind().into(),
    }
}

#[cfg(test)]
#[path = "commit_tests.rs"]
mod tests;
