//! Reading the directories and comparing them with what is known.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::error::StoreError;
use super::stamps::{DirStamp, Trust};
use super::view::View;
use crate::folder::{Folder, PLACES, Place, hash, mark, unique_of};
use crate::scan::{Stamps, now, scan_strange, tick_of};

/// How often it is looked again where a message seems to be gone and the directories are not at
/// rest.
const LOOKS: usize = 3;

/// What a process that links and unlinks to move a file needs at the most between the two, in
/// seconds.
const MOVING: i64 = 120;

const SECOND: i64 = 1_000_000_000;

/// What is not as it was known to be. Numbers of files are those of `folder`.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) folder: Folder,
    /// Files of messages that are not known.
    pub(super) fresh: Vec<usize>,
    /// Messages, and the files that they are now.
    pub(super) renamed: Vec<(usize, usize)>,
    /// Messages that are gone.
    pub(super) missing: Vec<usize>,
    /// Files with the unique name of another one.
    pub(super) twins: Vec<usize>,
    /// Files that are another name of a file that is known, and of no use.
    pub(super) spare: Vec<usize>,
    /// How the directories are, in the order of [`PLACES`].
    pub(super) stamps: [DirStamp; 2],
}

/// Where messages are in a list, by their unique names.
pub(super) struct NameIndex {
    /// Their numbers and 1; 0 is none.
    slots: Vec<u32>,
}

impl NameIndex {
    /// Of so many, whose hashes come with their numbers.
    pub(super) fn new(count: usize, all: impl Iterator<Item = (usize, u64)>) -> NameIndex {
        let mut slots = vec![0_u32; (count * 2).next_power_of_two().max(16)];
        let mask = slots.len() - 1;
        for (n, hash) in all {
            let mut at = hash as usize & mask;
            while slots[at] != 0 {
                at = (at + 1) & mask;
            }
            slots[at] = u32::try_from(n + 1).unwrap_or(0);
        }
        NameIndex { slots }
    }

    /// Those that are there of a view.
    pub(super) fn of(view: &View) -> NameIndex {
        let living = view.living();
        let hashed = living.map(|(n, message)| (n, hash(view.unique(message))));
        NameIndex::new(view.messages.len(), hashed)
    }

    /// The number of the one that `is_it`, of those with this hash and others.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != 0 {
            let n = self.slots[at] as usize - 1;
            if is_it(n) {
                return Some(n);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// The number of the message with this unique name.
    pub(super) fn find_in(&self, view: &View, unique: &[u8]) -> Option<usize> {
        self.find(hash(unique), |n| view.unique(&view.messages[n]) == unique)
    }
}

/// Reads the directories that are due and compares. Only a message that is not in directories at
/// rest is gone.
pub(super) fn look(dir: &Path, view: &View, due: [bool; 2]) -> Result<Found, StoreError> {
    let index = NameIndex::of(view);
    let mut reads_cur = due[Place::Cur as usize];
    let mut looks = 0;
    loop {
        let places: &[Place] = if reads_cur { &PLACES } else { &[Place::New] };
        let mut found = glance(dir, view, &index, places)?;
        looks += 1;
        if !reads_cur {
            let is_same = Stamps::of(dir)?.at(Place::Cur) == view.summary.stamps.cur.stamp;
            if is_same && found.missing.is_empty() {
                found.stamps[Place::Cur as usize] = view.summary.stamps.cur;
                return Ok(found);
            }
            // What is not in new any more may be in cur.
            reads_cur = true;
            continue;
        }
        let cur = found.stamps[Place::Cur as usize];
        if found.missing.is_empty()
            || (cur.trust == Trust::Complete && Stamps::of(dir)?.at(Place::Cur) == cur.stamp)
        {
            return Ok(found);
        }
        if looks >= LOOKS {
            // They may be there. Another time will tell.
            found.missing.clear();
            found.stamps[Place::Cur as usize].trust = Trust::None;
            return Ok(found);
        }
        let age = now() - cur.stamp;
        let wait = tick_of(cur.stamp) - age;
        if (0..SECOND).contains(&wait) {
            thread::sleep(Duration::from_nanos(wait.unsigned_abs() + 1_000_000));
        }
    }
}

/// One look, after which what seems to be missing may still be there.
fn glance(
    dir: &Path,
    view: &View,
    index: &NameIndex,
    places: &[Place],
) -> Result<Found, StoreError> {
    let seen = RefCell::new(vec![false; view.messages.len()]);
    let is_expected = |place: Place, name: &[u8]| {
        let unique = unique_of(name);
        let Some(n) = index.find_in(view, unique) else {
            return false;
        };
        let state = view.state(&view.messages[n]);
        let is_same = state.place == place && *state.suffix == name[unique.len()..];
        if is_same {
            seen.borrow_mut()[n] = true;
        }
        is_same
    };
    let strange = scan_strange(dir, places, || seen.borrow_mut().fill(false), is_expected)?;
    let seen = seen.into_inner();
    let dir_stamp = |place: Place| DirStamp {
        stamp: strange.stamps.at(place),
        trust: match strange.at_rest[place as usize] {
            true => Trust::Complete,
            false => Trust::None,
        },
    };
    let mut found = Found::nothing(dir, PLACES.map(dir_stamp));
    found.folder = strange.folder;
    let mut others = found.sort_out(view, index);
    for (n, message) in view.living() {
        if !places.contains(&view.state(message).place) {
            // Not looked for; but what was found of it counts.
            if let Some(files) = others.remove(&n) {
                found.compare(dir, view, n, &files);
            }
            continue;
        }
        match others.remove(&n) {
            Some(files) => found.compare(dir, view, n, &files),
            None if seen[n] => {}
            None => {
                let mut path = PathBuf::new();
                view.path(message, dir, &mut path);
                if matches!(identity_of(&path), Ok(None)) {
                    found.missing.push(n);
                }
            }
        }
    }
    Ok(found)
}

impl Found {
    /// Of directories that were not read, as they were seen.
    pub(super) fn nothing(dir: &Path, stamps: [DirStamp; 2]) -> Found {
        Found {
            folder: Folder::new(dir),
            fresh: Vec::new(),
            renamed: Vec::new(),
            missing: Vec::new(),
            twins: Vec::new(),
            spare: Vec::new(),
            stamps,
        }
    }

    /// Finds the fresh files and the twins among them. Returns the others: of each message that is
    /// known the files that are not where its file was.
    fn sort_out(&mut self, view: &View, index: &NameIndex) -> BTreeMap<usize, Vec<usize>> {
        let mut others: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut same: BTreeSet<Vec<u8>> = BTreeSet::new();
        for (file, message) in self.folder.messages.iter().enumerate() {
            let unique = self.folder.names.unique(message);
            if let Some(n) = index.find_in(view, unique) {
                others.entry(n).or_default().push(file);
                continue;
            }
            if message.is(mark::MISSING) {
                // It came and went.
                continue;
            }
            match message.is(mark::TWIN) && !same.insert(unique.to_vec()) {
                true => self.twins.push(file),
                false => self.fresh.push(file),
            }
        }
        others
    }

    /// Decides what a message is now whose file has several places, or another one.
    fn compare(&mut self, dir: &Path, view: &View, n: usize, files: &[usize]) {
        let mut path = PathBuf::new();
        view.path(&view.messages[n], dir, &mut path);
        let Ok(known) = identity_of(&path) else {
            return;
        };
        let known_place = view.state(&view.messages[n]).place;
        let mut there: Vec<(usize, Identity)> = Vec::new();
        for &file in files {
            self.folder
                .names
                .path(&self.folder.messages[file], &mut path);
            if let Ok(Some(identity)) = identity_of(&path) {
                there.push((file, identity));
            }
        }
        // A file in cur is what others will take it for.
        there.sort_by_key(|&(file, _)| self.folder.messages[file].place() == Place::New);
        let mut first = known;
        let mut first_place = known_place;
        if known.is_none() {
            match there.first() {
                Some(&(file, identity)) => {
                    self.renamed.push((n, file));
                    first = Some(identity);
                    first_place = self.folder.messages[file].place();
                    there.remove(0);
                }
                None => self.missing.push(n),
            }
        }
        for (file, identity) in there {
            let Some(first) = first else {
                return;
            };
            if identity.inode != first.inode {
                self.twins.push(file);
                continue;
            }
            // Two names of one file: somebody moves it by link and unlink, or died at that.
            let is_old = now() / SECOND - identity.changed > MOVING;
            let place = self.folder.messages[file].place();
            if place == Place::New && first_place == Place::Cur || is_old {
                self.spare.push(file);
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Identity {
    inode: u64,
    /// When it was last linked, renamed or the like, in seconds.
    changed: i64,
}

/// What is at `path`; None if there is no regular file.
fn identity_of(path: &Path) -> io::Result<Option<Identity>> {
    let identity = |meta: Metadata| Identity {
        inode: meta.ino(),
        changed: meta.ctime(),
    };
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta).filter(Metadata::is_file).map(identity)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
