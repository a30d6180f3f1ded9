//! The first Maildir of a user, made when he logs in before any mail has come.
//!
//! A home that is not his may be one that is not mounted, and what is made in its place would be the wrong
//! one. So it is made only where everything above it is a directory of who this process is, and no link.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};

use crate::deliver::{Error, Maildir, Step};

/// Behind the name of a Maildir that is being made. A kill leaves that one, and the next login makes it ready.
const NEW: &str = ".superd-new";

/// Makes the Maildir at `dir`, a path below the working directory, which is the home of who this process is;
/// whole and on the disk, or not at all. Whether it did: not where something is there already, where what is
/// above it is missing, a link or somebody else's, or where the path leads out of the home.
pub fn provide(dir: &Path) -> Result<bool, Error> {
    provide_in(Path::new("."), dir)
}

fn provide_in(home: &Path, dir: &Path) -> Result<bool, Error> {
    let is_inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    let Some(name) = dir.file_name().filter(|_| dir.components().all(is_inside)) else {
        return Ok(false);
    };
    let between = dir.parent().unwrap_or(Path::new(""));
    // The last of them is empty: the home itself.
    let mut ancestors = between.ancestors().map(|part| home.join(part));
    if !ancestors.all(|path| is_own_directory(&path)) {
        return Ok(false);
    }
    let above = home.join(between);
    let dir = above.join(name);
    match fs::symlink_metadata(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        _ => return Ok(false),
    }
    let mut new = OsString::from(name);
    new.push(NEW);
    let new = above.join(new);
    if fs::symlink_metadata(&new).is_ok() && !is_own_directory(&new) {
        return Ok(false);
    }
    let renamed = || {
        os::file::rename_noreplace(&new, &dir)
            .map_err(|error| Error::new(Step::MakeDirectory, &dir, error))
    };
    if let Err(error) = Maildir::at(new.clone()).create().and_then(|()| renamed()) {
        // A delivery or another login was first, perhaps.
        if !is_own_directory(&dir) {
            return Err(error);
        }
        for part in ["tmp", "new", "cur", ""] {
            let _ = fs::remove_dir(new.join(part));
        }
    }
    os::file::sync_dir(&above).map_err(|error| Error::new(Step::SyncDirectory, &above, error))?;
    Ok(true)
}

fn is_own_directory(path: &Path) -> bool {
    let own = os::identity::effective_uid();
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir() && meta.uid() == own)
}

#[cfg(test)]
#[path = "provide_tests.rs"]
mod tests;
