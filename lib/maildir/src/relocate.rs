//! Finding messages again whose files were renamed, by their unique names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::folder::{Folder, PLACES, Place, hash, join, mark, unique_of};
use crate::scan::{Go, Stamps, Unreadable, inode_at, until_at_rest, walk};

/// Where messages are in a folder, by the hashes of their unique names: 16 bytes a message, for
/// the time of one search.
#[derive(Debug)]
pub(crate) struct Finder(Vec<(u64, u32)>);

impl Finder {
    /// For the messages with these numbers.
    pub(crate) fn new(folder: &Folder, which: impl Iterator<Item = usize>) -> Finder {
        let mut by_hash: Vec<(u64, u32)> = which
            .filter_map(|at| Some((folder.messages[at].hash, u32::try_from(at).ok()?)))
            .collect();
        by_hash.sort_unstable();
        Finder(by_hash)
    }

    /// The numbers of the messages with this unique name.
    pub(crate) fn find(&self, folder: &Folder, unique: &[u8]) -> impl Iterator<Item = usize> {
        let hash = hash(unique);
        let start = self.0.partition_point(|&(other, _)| other < hash);
        self.0[start..]
            .iter()
            .take_while(move |&&(other, _)| other == hash)
            .map(|&(_, at)| at as usize)
            .filter(move |&at| folder.names.unique(&folder.messages[at]) == unique)
    }
}

/// Reads the directories again and gives every message that `finder` knows the name that it has
/// now. `act` is called with the number and path of each one in `sought`, the moment it is found,
/// and says whether it is done with; what stays in `sought` was not found or not done with, and
/// has [`mark::FOUND`] in the second case. Returns the directories' stamps if they were at rest.
///
/// A message is known by name and inode; one whose inode changed (a copy put in its place), by its
/// name alone, unless it is a twin: what has its name may be the other one.
pub(crate) fn relocate(
    folder: &mut Folder,
    finder: &Finder,
    sought: &mut BTreeSet<usize>,
    mut act: impl FnMut(&mut Folder, usize, &Path) -> bool,
) -> Result<Option<Stamps>, Unreadable> {
    let dir = folder.names.dir().to_owned();
    let (mut path, mut twin) = (PathBuf::new(), PathBuf::new());
    until_at_rest(&dir, |_| {
        for &(_, at) in &finder.0 {
            folder.messages[at as usize].clear(mark::FOUND);
        }
        let mut found = |folder: &mut Folder, at: usize, place: Place, name: &[u8]| {
            let message = &folder.messages[at];
            if message.is(mark::MOVED)
                || message.place() != place
                || folder.names.name(message) != name
            {
                folder.rename(at, place, name);
            }
            folder.messages[at].set(mark::FOUND);
            if sought.contains(&at) {
                join(&mut path, &dir, place, &[name]);
                if act(folder, at, &path) {
                    sought.remove(&at);
                }
            }
        };
        let mut by_name_alone: Vec<(usize, Place, Vec<u8>, u64)> = Vec::new();
        for place in PLACES {
            walk(&dir, place, |name, inode| {
                let mut first = None;
                let exact = finder
                    .find(folder, unique_of(name))
                    .inspect(|at| _ = first.get_or_insert(*at))
                    .find(|&at| folder.messages[at].inode == inode);
                match (exact, first) {
                    (Some(at), _) => found(folder, at, place, name),
                    (None, Some(at)) => by_name_alone.push((at, place, name.to_vec(), inode)),
                    (None, None) => {}
                }
            })?;
        }
        for (at, place, name, inode) in by_name_alone {
            if folder.messages[at].is(mark::TWIN) {
                // lstat may tell another inode than readdir, and by that one twins are known.
                join(&mut twin, &dir, place, &[&name]);
                let inode = inode_at(&twin).ok();
                let exact = finder
                    .find(folder, unique_of(&name))
                    .find(|&at| Some(folder.messages[at].inode) == inode);
                if let Some(at) = exact.filter(|&at| !folder.messages[at].is(mark::FOUND)) {
                    found(folder, at, place, &name);
                }
            } else if !folder.messages[at].is(mark::FOUND) {
                folder.messages[at].inode = inode;
                folder.messages[at].clear(mark::KNOWN);
                found(folder, at, place, &name);
            }
        }
        Ok(if sought.is_empty() {
            Go::Enough
        } else {
            Go::On
        })
    })
}
