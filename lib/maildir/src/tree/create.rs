//! Making and removing mailboxes.
//!
//! Both happen under a name without a dot at its beginning, which is no mailbox for anybody (with
//! two dots it would be one for Dovecot), and one renaming makes it one or none. A kill leaves a
//! directory of such a name, for [`Tree::sweep`].

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Name, Tree, TreeError};

/// A mailbox that is being made.
const NEW: &str = "superd-new.";

/// A mailbox that is being removed.
const DELETED: &str = "superd-deleted.";

/// Making one takes moments.
const STALE: Duration = Duration::from_secs(60 * 60);

impl Tree {
    /// Makes a mailbox. What is above it need not exist and is not made. It is whole and on the
    /// disk when this returns, and when this fails there is none of it.
    pub fn create(&self, name: &Name) -> Result<(), TreeError> {
        if self.exists(name) {
            return Err(TreeError::Exists(name.clone()));
        }
        let path = self.path(name);
        let new = self.hidden(NEW).map_err(TreeError::io(&self.root))?;
        let result = make(&new).and_then(|()| os::file::rename_noreplace(&new, &path));
        if let Err(error) = result {
            let _ = fs::remove_dir_all(&new);
            return Err(match error.kind() {
                ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty => {
                    TreeError::Exists(name.clone())
                }
                _ => TreeError::Io(path, error),
            });
        }
        os::file::sync_dir(&self.root).map_err(TreeError::io(&self.root))
    }

    /// Removes a mailbox with its messages. Those below it stay, and with them its name.
    ///
    /// It is gone for good when this returns; what cannot be removed of it is left to
    /// [`Tree::sweep`]. Of a link only the link goes.
    pub fn delete(&self, name: &Name) -> Result<(), TreeError> {
        if name.is_inbox() {
            return Err(TreeError::Refused("INBOX cannot be deleted.".to_owned()));
        }
        if !self.exists(name) {
            let children = self.on_disk().map_err(TreeError::io(&self.root))?;
            return Err(match children.iter().any(|other| other.is_below(name)) {
                true => TreeError::Refused(
                    "There is no such mailbox, only some below that name.".to_owned(),
                ),
                false => TreeError::Missing(name.clone()),
            });
        }
        let path = self.path(name);
        // What is made anew under this name must be newer.
        self.note_validities([path.clone()]);
        let deleted = self.hidden(DELETED).map_err(TreeError::io(&self.root))?;
        fs::rename(&path, &deleted).map_err(|error| match error.kind() {
            ErrorKind::NotFound => TreeError::Missing(name.clone()),
            _ => TreeError::Io(path, error),
        })?;
        os::file::sync_dir(&self.root).map_err(TreeError::io(&self.root))?;
        let _ = remove(&deleted);
        self.forget_special(name);
        Ok(())
    }

    /// Removes a mailbox in which there is no message; whether it is gone. It never removes one.
    ///
    /// It is looked into under a name at which nobody looks for it, and has its old one again if there is
    /// something in it.
    pub fn remove_empty(&self, name: &Name) -> Result<bool, TreeError> {
        if name.is_inbox() {
            return Ok(false);
        }
        let path = self.path(name);
        self.note_validities([path.clone()]);
        let hidden = self.hidden(NEW).map_err(TreeError::io(&self.root))?;
        fs::rename(&path, &hidden).map_err(TreeError::io(&path))?;
        let parts = ["new", "cur"].map(|part| hidden.join(part));
        // What is in it is seen by the system itself.
        let is_empty = parts.iter().all(|part| fs::remove_dir(part).is_ok());
        if is_empty {
            let _ = remove(&hidden);
            return Ok(true);
        }
        for part in &parts {
            let _ = DirBuilder::new().mode(0o700).create(part);
        }
        os::file::rename_noreplace(&hidden, &path).map_err(TreeError::io(&path))?;
        Ok(false)
    }

    /// Removes what makings and removals left that were killed. Returns how many. What cannot be
    /// removed is left: this is housekeeping.
    pub fn sweep(&self, now: SystemTime) -> usize {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return 0;
        };
        let is_left = |entry: &fs::DirEntry| {
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            let is_stale = || {
                let meta = entry.metadata().and_then(|meta| meta.modified());
                meta.is_ok_and(|then| now.duration_since(then).is_ok_and(|age| age > STALE))
            };
            name.starts_with(DELETED.as_bytes()) || (name.starts_with(NEW.as_bytes()) && is_stale())
        };
        entries
            .filter_map(Result::ok)
            .filter(is_left)
            .filter(|entry| remove(&entry.path()).is_ok())
            .count()
    }

    /// A new name that is no mailbox.
    fn hidden(&self, kind: &str) -> io::Result<PathBuf> {
        let mut random = [0; 8];
        os::process::random(&mut random)?;
        let unique = u64::from_be_bytes(random);
        Ok(self.root.join(format!("{kind}{unique:016x}")))
    }
}

/// Makes a whole mailbox at `path` and syncs it.
fn make(path: &Path) -> io::Result<()> {
    let make = |path: &Path| DirBuilder::new().mode(0o700).create(path);
    make(path)?;
    for part in ["tmp", "new", "cur"] {
        make(&path.join(part))?;
    }
    // For delivery agents: the quota is that of the directory above (Maildir++).
    os::file::create_exclusive(&path.join("maildirfolder"), 0o600)?;
    os::file::sync_dir(path)
}

/// Removes a directory and all in it; of a link only the link.
fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path)?.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
}

#[cfg(test)]
#[path = "create_tests.rs"]
mod tests;
