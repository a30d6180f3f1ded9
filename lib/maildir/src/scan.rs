//! Reading `new` and `cur` while others deliver, rename and remove.
//!
//! readdir promises nothing about names that come or go while it runs: a message whose flags
//! change may be told twice or not at all. So a reading counts only if the directories were at
//! rest; otherwise they are read again, all that was seen is taken together, and what was seen in
//! two places or no more is looked at with lstat.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::folder::{Folder, Message, Names, PLACES, Place, hash, mark, unique_of};

/// How often the directories are read where they are seen to change.
pub(crate) const READINGS_CHANGING: usize = 8;

/// How often they are read where they changed so short a time ago that the clock of the file
/// system could hide another change.
const READINGS_YOUNG: usize = 3;

/// A change is visible in a directory's time of modification if the last one is older than this,
/// in nanoseconds: two ticks of the slowest kernel clock, or of FAT's where there are no fractions.
const TICK: i64 = 20_000_000;
const TICK_WITHOUT_FRACTIONS: i64 = 2_000_000_000;

const SECOND: i64 = 1_000_000_000;

/// Nanoseconds since the epoch of a file's last modification.
pub(crate) fn modified_at(meta: &Metadata) -> i64 {
    meta.mtime()
        .saturating_mul(SECOND)
        .saturating_add(meta.mtime_nsec())
}

/// The clock, in nanoseconds since the epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

/// Calls `each` for every regular file in `new` or `cur`, with its name and inode. Dot files are
/// nobody's messages; nor are directories, symbolic links, fifos and the like.
pub(crate) fn walk(
    dir: &Path,
    place: Place,
    mut each: impl FnMut(&[u8], u64),
) -> Result<(), Unreadable> {
    let path = dir.join(place.name());
    let unreadable = |error| Unreadable {
        path: path.clone(),
        error,
    };
    for entry in fs::read_dir(&path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        // The type costs a system call only where readdir does not tell it; what vanishes
        // before that is looked for like anything else that vanishes.
        if !name.as_bytes().starts_with(b".") && entry.file_type().is_ok_and(|kind| kind.is_file())
        {
            each(name.as_bytes(), entry.ino());
        }
    }
    Ok(())
}

/// A directory that could not be read, and why.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) path: PathBuf,
    pub(crate) error: io::Error,
}

/// The state of both directories at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamps([i64; 2]);

impl Stamps {
    pub(crate) fn of(dir: &Path) -> Result<Stamps, Unreadable> {
        let mut stamps = [0; 2];
        for (stamp, place) in stamps.iter_mut().zip(PLACES) {
            let path = dir.join(place.name());
            *stamp = match fs::metadata(&path) {
                Ok(meta) => modified_at(&meta),
                Err(error) => return Err(Unreadable { path, error }),
            };
        }
        Ok(Stamps(stamps))
    }

    /// Whether a change at `start` or later would show as a difference from these.
    fn would_show_changes_since(self, start: i64) -> bool {
        self.0
            .iter()
            .all(|&stamp| shows_changes_since(stamp, start))
    }

    /// That of one directory.
    pub(crate) fn at(self, place: Place) -> i64 {
        self.0[place as usize]
    }
}

/// Whether a change of a directory at `start` or later would show as a difference from this time of
/// modification. A time far in the future is not of this clock: the next change will bring another.
fn shows_changes_since(stamp: i64, start: i64) -> bool {
    let tick = tick_of(stamp);
    stamp < start.saturating_sub(tick) || stamp > start.saturating_add(2 * tick)
}

/// How long after this time of modification another change may hide behind it, in nanoseconds.
pub(crate) fn tick_of(stamp: i64) -> i64 {
    match stamp % SECOND {
        0 => TICK_WITHOUT_FRACTIONS,
        _ => TICK,
    }
}

/// Reads both directories, at most as often as they require it, with `read`. Returns the stamps of
/// the last reading if they were at rest.
pub(crate) fn until_at_rest(
    dir: &Path,
    mut read: impl FnMut(usize) -> Result<Go, Unreadable>,
) -> Result<Option<Stamps>, Unreadable> {
    for reading in 0..READINGS_CHANGING {
        let start = now();
        let before = Stamps::of(dir)?;
        if read(reading)? == Go::Enough {
            return Ok(None);
        }
        if Stamps::of(dir)? == before {
            if before.would_show_changes_since(start) {
                return Ok(Some(before));
            }
            if reading + 1 >= READINGS_YOUNG {
                return Ok(None);
            }
        }
    }
    Ok(None)
}

/// Whether another reading could bring anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Go {
    On,
    Enough,
}

/// All messages of a Maildir, sorted by key, with nothing known but their names and inodes. Those
/// that were seen and then not found are marked as missing.
pub(crate) fn scan(dir: &Path) -> Result<Folder, Unreadable> {
    let mut folder = Folder::new(dir);
    let mut unknown = |_: Place, _: &[u8]| false;
    until_at_rest(dir, |reading| {
        match reading {
            0 => read_first(&mut folder, &PLACES, &mut unknown)?,
            _ => read_again(&mut folder, &PLACES, &mut unknown)?,
        }
        folder.sort_by_key();
        Ok(Go::On)
    })?;
    resolve(&mut folder);
    Ok(folder)
}

/// What a reading found beside what was known.
#[derive(Debug)]
pub(crate) struct Strange {
    /// As [`scan`] tells messages.
    pub(crate) folder: Folder,
    /// The stamps of the last reading.
    pub(crate) stamps: Stamps,
    /// Whether each directory was at rest from before the first one was read until after the last
    /// was: then all that is in it was seen.
    pub(crate) at_rest: [bool; 2],
}

/// [`scan`] of `places`, less the names of which `is_known` says that they are expected. `begin` is
/// called before each reading. Reads again where the directories change meanwhile, but not because
/// they have changed shortly before.
pub(crate) fn scan_strange(
    dir: &Path,
    places: &[Place],
    mut begin: impl FnMut(),
    mut is_known: impl FnMut(Place, &[u8]) -> bool,
) -> Result<Strange, Unreadable> {
    let mut folder = Folder::new(dir);
    let mut reading = 0;
    loop {
        let start = now();
        let before = Stamps::of(dir)?;
        begin();
        match reading {
            0 => read_first(&mut folder, places, &mut is_known)?,
            _ => read_again(&mut folder, places, &mut is_known)?,
        }
        folder.sort_by_key();
        let after = Stamps::of(dir)?;
        reading += 1;
        let rests = |place: Place| before.at(place) == after.at(place);
        if places.iter().all(|&place| rests(place)) || reading == READINGS_CHANGING {
            resolve(&mut folder);
            let shows = |place: Place| rests(place) && shows_changes_since(before.at(place), start);
            return Ok(Strange {
                folder,
                stamps: before,
                at_rest: PLACES.map(shows),
            });
        }
    }
}

fn read_first(
    folder: &mut Folder,
    places: &[Place],
    is_known: &mut dyn FnMut(Place, &[u8]) -> bool,
) -> Result<(), Unreadable> {
    let dir = folder.names.dir().to_owned();
    for &place in places {
        let mut held = true;
        walk(&dir, place, |name, inode| {
            if !is_known(place, name) {
                held &= folder.push(place, name, inode);
            }
        })?;
        check_held(&dir, place, held)?;
    }
    Ok(())
}

fn check_held(dir: &Path, place: Place, held: bool) -> Result<(), Unreadable> {
    match held {
        true => Ok(()),
        false => Err(Unreadable {
            path: dir.join(place.name()),
            error: io::ErrorKind::OutOfMemory.into(),
        }),
    }
}

/// Another reading: adds the names that are not there yet. The messages must be sorted by key.
fn read_again(
    folder: &mut Folder,
    places: &[Place],
    is_known: &mut dyn FnMut(Place, &[u8]) -> bool,
) -> Result<(), Unreadable> {
    let dir = folder.names.dir().to_owned();
    for message in &mut folder.messages {
        message.clear(mark::FOUND);
    }
    let sorted = folder.messages.len();
    for &place in places {
        let mut held = true;
        walk(&dir, place, |name, inode| {
            if is_known(place, name) {
                return;
            }
            let known = with_hash(&folder.messages[..sorted], hash(unique_of(name)))
                .find(|&at| is_same(folder, at, place, name));
            match known {
                Some(at) => {
                    folder.messages[at].set(mark::FOUND);
                    folder.messages[at].inode = inode;
                }
                None => held &= folder.push(place, name, inode),
            }
        })?;
        check_held(&dir, place, held)?;
    }
    Ok(())
}

fn is_same(folder: &Folder, at: usize, place: Place, name: &[u8]) -> bool {
    let message = &folder.messages[at];
    message.place() == place && folder.names.name(message) == name
}

/// Where the messages with this hash are in a list that is sorted by it.
pub(crate) fn with_hash(sorted: &[Message], hash: u64) -> impl Iterator<Item = usize> {
    let start = sorted.partition_point(|message| message.hash < hash);
    (start..sorted.len()).take_while(move |&at| sorted[at].hash == hash)
}

/// Looks at what was seen in several places, or earlier and no more.
fn resolve(folder: &mut Folder) {
    let mut at = 0;
    let mut odd = Vec::new();
    while at < folder.messages.len() {
        let hash = folder.messages[at].hash;
        let mut end = at + 1;
        while end < folder.messages.len() && folder.messages[end].hash == hash {
            end += 1;
        }
        if end - at > 1 || !folder.messages[at].is(mark::FOUND) {
            odd.push((at, end));
        }
        at = end;
    }
    let any = !odd.is_empty();
    for (start, end) in odd {
        let names = &folder.names;
        let run = &mut folder.messages[start..end];
        // Names of one hash are nearly always one name.
        run.sort_by(|a, b| names.unique(a).cmp(names.unique(b)));
        let mut same = start;
        for at in start + 1..=end {
            let ended = at == end
                || folder.names.unique(&folder.messages[at])
                    != folder.names.unique(&folder.messages[same]);
            if ended {
                resolve_one(folder, same, at);
                same = at;
            }
        }
    }
    if any {
        folder.drop_gone();
        folder.sort_by_key();
    }
}

/// Decides which of the places of one unique name are messages: those where a file still is. Where
/// none has one, the last is kept and marked as missing. Several files are twins; several names of one
/// file are one message.
fn resolve_one(folder: &mut Folder, start: usize, end: usize) {
    let Folder { names, messages } = folder;
    let mut kept: Vec<(usize, u64)> = Vec::new();
    let mut told = HashSet::new();
    let mut by_inode: HashMap<u64, usize> = HashMap::new();
    for at in start..end {
        messages[at].set(mark::GONE);
        let message = messages[at];
        let Some((inode, links)) = look(names, &message) else {
            continue;
        };
        if !told.insert((message.is(mark::NEW), names.name(&message))) {
            continue;
        }
        match by_inode.entry(inode) {
            Entry::Vacant(entry) => {
                entry.insert(kept.len());
                kept.push((at, inode));
            }
            Entry::Occupied(entry) => {
                let other = &mut kept[*entry.get()].0;
                let linked = match links {
                    // It was renamed between the two looks.
                    1 => 0,
                    _ => mark::LINKED,
                };
                messages[*other].set(linked);
                messages[at].set(linked);
                if links == 1 || message.place() == Place::Cur {
                    *other = at;
                }
            }
        }
    }
    if kept.len() > 1 {
        kept.retain(|&(at, _)| look(names, &messages[at]).is_some());
    }
    if kept.is_empty() {
        messages[end - 1].clear(mark::GONE);
        messages[end - 1].set(mark::MISSING);
    }
    let twins = kept.len() > 1;
    for (at, inode) in kept {
        let message = &mut messages[at];
        message.clear(mark::GONE);
        message.inode = inode;
        if twins {
            message.set(mark::TWIN);
        }
    }
}

/// The inode of what is at a message's place now, and the number of its names.
fn look(names: &Names, message: &Message) -> Option<(u64, u64)> {
    let mut path = PathBuf::new();
    names.path(message, &mut path);
    let meta = fs::symlink_metadata(path).ok()?;
    meta.is_file().then(|| (meta.ino(), meta.nlink()))
}

/// The inode of the file at `path`, which is not followed.
pub(crate) fn inode_at(path: &Path) -> io::Result<u64> {
    Ok(fs::symlink_metadata(path)?.ino())
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
