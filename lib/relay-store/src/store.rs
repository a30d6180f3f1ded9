//! One address of the store: looked up, recorded, removed.

use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use os::file::{create_exclusive, create_exclusive_readable, open_unfollowed};

use crate::entry::CONTENT_LIMIT;
use crate::expiry::seconds;
use crate::{Address, Entry, Expiry};

/// Readable to all: a server without privileges must find an address here.
const MODE: u32 = 0o644;
const LOCK_NAME: &str = ".lock";
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// A directory of addresses.
#[derive(Debug)]
pub struct Store {
    /// What all paths begin with.
    pub(crate) root: PathBuf,
    /// Where the directory came as a descriptor, `root` is a way through it.
    _held: Option<OwnedFd>,
    pub(crate) expiry: Expiry,
}

/// What the store knows of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A login that is still good.
    Open(Entry),
    /// One that was.
    Expired(Entry),
    /// Nothing.
    Absent,
}

/// How an address got into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It was not there, no longer good, or another user's.
    New,
    /// The same user had it; it lasts longer now.
    Again,
}

/// The store's lock, for as long as it lives.
#[derive(Debug)]
#[must_use = "it unlocks when it is dropped"]
pub struct Lock {
    _file: File,
}

impl Store {
    /// The store in directory `dir`, which must be there now. It is looked for anew at every use: a directory
    /// that is moved into its place takes over.
    pub fn open(dir: &Path, expiry: Expiry) -> io::Result<Store> {
        if !fs::metadata(dir)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Store {
            root: dir.to_owned(),
            _held: None,
            expiry,
        })
    }

    /// The store in a directory that somebody else has opened (RELAY_CTRL_DIR_FD): whoever may not search
    /// what is above it can still use it. Needs /proc.
    pub fn of_descriptor(dir: OwnedFd, expiry: Expiry) -> io::Result<Store> {
        let root = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd()));
        let mut store = Store::open(&root, expiry)?;
        store._held = Some(dir);
        Ok(store)
    }

    /// How long a login is good.
    pub fn expiry(&self) -> Expiry {
        self.expiry
    }

    /// The last second, since the epoch, at which `entry` is good.
    pub fn until(&self, entry: &Entry) -> i64 {
        entry.time.saturating_add(self.expiry.seconds())
    }

    /// The login from `address` that is good at `now`. One open(2) where there is none.
    pub fn lookup(&self, address: &Address, now: SystemTime) -> io::Result<Option<Entry>> {
        Ok(match self.find(address, now)? {
            Found::Open(entry) => Some(entry),
            Found::Expired(_) | Found::Absent => None,
        })
    }

    /// What there is of `address` at `now`. What is no regular file is nothing.
    pub fn find(&self, address: &Address, now: SystemTime) -> io::Result<Found> {
        let file = match open_unfollowed(&self.path(address)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Absent),
            other => other?,
        };
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Ok(Found::Absent);
        }
        let entry = Entry::parse(&content(&file)?, meta.mtime());
        Ok(if self.expiry.covers(&meta, seconds(now)) {
            Found::Open(entry)
        } else {
            Found::Expired(entry)
        })
    }

    /// Opens `address` from `now` on for `who` (whose time is not looked at).
    ///
    /// The same user's good file is touched; everything else is replaced by a new file, which has its name
    /// only when it is whole.
    pub fn record(&self, address: &Address, who: &Entry, now: SystemTime) -> io::Result<Recorded> {
        let (path, content) = (self.path(address), who.to_content());
        if self.touch(&path, &content, now) {
            return Ok(Recorded::Again);
        }
        self.write(&path, &content, now)?;
        Ok(Recorded::New)
    }

    /// Whether `path` was a good file with this content, and is now one of `now`. No error is one: a
    /// new file puts everything right.
    fn touch(&self, path: &Path, wanted: &[u8], now: SystemTime) -> bool {
        let Ok(file) = open_unfollowed(path) else {
            return false;
        };
        let good = |meta: &Metadata| {
            meta.is_file() && meta.nlink() == 1 && self.expiry.covers(meta, seconds(now))
        };
        file.metadata().is_ok_and(|meta| good(&meta))
            && content(&file).is_ok_and(|content| content == wanted)
            && file.set_modified(now).is_ok()
            // Somebody may have removed or replaced it between the look and the touch.
            && is_behind(&file, path)
    }

    fn write(&self, path: &Path, content: &[u8], now: SystemTime) -> io::Result<()> {
        let temporary = self.temporary("new")?;
        let mut file = create_exclusive(&temporary, MODE)?;
        let done = (|| {
            file.write_all(content)?;
            // Whatever the umask is, or the server could not read it.
            file.set_permissions(Permissions::from_mode(MODE))?;
            file.set_modified(now)?;
            fs::rename(&temporary, path)
        })();
        if done.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        done
    }

    /// Removes `address`; `false` where it was not there.
    pub fn remove(&self, address: &Address) -> io::Result<bool> {
        match fs::remove_file(self.path(address)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes the store's one lock, waiting until `deadline`; `None` where another process still has it then.
    /// Addresses need none of it: it is for whoever makes something of them all.
    pub fn lock(&self, deadline: Instant) -> io::Result<Option<Lock>> {
        let file = self.lock_file()?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Lock { _file: file })),
                Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(error);
                }
                Err(_) if Instant::now() >= deadline => return Ok(None),
                Err(_) => std::thread::sleep(LOCK_PAUSE),
            }
        }
    }

    /// The file of the lock, which is the directory's owner's and nobody else's to open: whoever could open it
    /// could hold up everybody.
    fn lock_file(&self) -> io::Result<File> {
        let path = self.root.join(LOCK_NAME);
        match create_exclusive_readable(&path, 0o600) {
            Ok(file) => {
                let owner = fs::metadata(&self.root)?;
                if file.metadata()?.uid() != owner.uid() {
                    let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
                }
                Ok(file)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open_unfollowed(&path),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn path(&self, address: &Address) -> PathBuf {
        self.root.join(address.to_string())
    }

    /// A name that no address has and that nobody else can foretell.
    pub(crate) fn temporary(&self, kind: &str) -> io::Result<PathBuf> {
        let mut random = [0; 8];
        os::process::random(&mut random)?;
        let number = u64::from_ne_bytes(random);
        Ok(self.root.join(format!(".{kind}.{number:016x}")))
    }
}

/// All of a small file, and one byte more of a larger one.
fn content(file: &File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(CONTENT_LIMIT as u64 + 1)
        .read_to_end(&mut content)?;
    Ok(content)
}

/// Whether `path` is a name of the open `file`.
fn is_behind(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
