//! Files of messages under the names that they have now.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::Selection;
use super::error::{Kind, StoreError};
use super::view::mark;

impl Selection {
    /// Where the file of message `n` is as far as is known. Empty for one that is gone.
    pub fn path(&self, n: usize) -> PathBuf {
        let mut path = PathBuf::new();
        if let Some(message) = self.message(n).filter(|message| !message.is(mark::GONE)) {
            self.view.path(message, &self.dir, &mut path);
        }
        path
    }

    /// Opens the file of message `n` under the name that it has now: if somebody has renamed it, it
    /// is looked for. `ErrorKind::NotFound` if it is gone. Opens regular files only, follows no
    /// symbolic link and waits for no fifo.
    pub fn open_message(&mut self, n: usize) -> io::Result<File> {
        for look in 0..3 {
            let path = self.path(n);
            if path.as_os_str().is_empty() {
                break;
            }
            match open_regular(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => return result,
            }
            // What another session has done is in the journal; what others have, in no place.
            let result = match look {
                0 => self.sync(),
                1 => self.sync_with_lock(true),
                _ => Ok(()),
            };
            result.map_err(|error| as_io(&error))?;
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

fn open_regular(path: &Path) -> io::Result<File> {
    let file = os::file::open_unfollowed(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn as_io(error: &StoreError) -> io::Error {
    match error.kind() {
        Kind::NotFound => io::ErrorKind::NotFound.into(),
        _ => io::Error::other(error.to_string()),
    }
}
