//! Counting what is in a Maildir and its folders.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{TRASH, Usage};

/// How often everything is counted while somebody else delivers or removes.
const COUNTS: usize = 2;

/// The directories that hold messages which count, `new` before `cur`: a message that goes from one to
/// the other meanwhile is counted twice and not never. Some may not be there.
pub(super) fn directories(inbox: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = vec![inbox.to_owned()];
    for entry in fs::read_dir(inbox)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_bytes();
        if name.first() == Some(&b'.') && name != TRASH.as_bytes() && entry.path().is_dir() {
            folders.push(entry.path());
        }
    }
    let parts = |folder: PathBuf| ["new", "cur"].map(|part| folder.join(part));
    Ok(folders.into_iter().flat_map(parts).collect())
}

/// Everything that counts. While others are at work there it is counted again, and may then be wrong by
/// what they do.
pub(super) fn count_all(inbox: &Path) -> io::Result<Usage> {
    let mut usage = Usage::default();
    for _ in 0..COUNTS {
        let directories = directories(inbox)?;
        let before = stamps(&directories);
        usage = Usage::default();
        for directory in &directories {
            usage = usage.plus(count(directory)?);
        }
        if stamps(&directories) == before {
            break;
        }
    }
    Ok(usage)
}

/// What counts in one mailbox, if that itself does.
pub fn folder_usage(dir: &Path) -> io::Result<Usage> {
    Ok(count(&dir.join("new"))?.plus(count(&dir.join("cur"))?))
}

/// What the message of this file name, of which `len` tells the bytes where the name does not, counts
/// for.
pub(crate) fn usage_of(name: &[u8], len: impl FnOnce() -> io::Result<u64>) -> io::Result<Usage> {
    if name.first() == Some(&b'.') || is_trashed(name) {
        return Ok(Usage::default());
    }
    let bytes = match size_in_name(name) {
        Some(size) => size,
        None => len()?,
    };
    Ok(Usage { bytes, messages: 1 })
}

fn stamps(directories: &[PathBuf]) -> Vec<Option<(i64, i64)>> {
    let stamp = |path: &PathBuf| {
        let meta = fs::metadata(path).ok()?;
        Some((meta.mtime(), meta.mtime_nsec()))
    };
    directories.iter().map(stamp).collect()
}

/// The messages of one directory that count; none where it is not there.
fn count(directory: &Path) -> io::Result<Usage> {
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let mut usage = Usage::default();
    let entries = match fs::read_dir(directory) {
        Err(error) if missing(&error) => return Ok(usage),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_bytes();
        if name.first() == Some(&b'.') || is_trashed(name) {
            continue;
        }
        let bytes = match size_in_name(name) {
            Some(size) => size,
            None => match entry.metadata() {
                Ok(meta) if meta.is_file() => meta.len(),
                Ok(_) => continue,
                Err(error) if missing(&error) => continue,
                Err(error) => return Err(error),
            },
        };
        usage = usage.plus(Usage { bytes, messages: 1 });
    }
    Ok(usage)
}

/// Whether a name has the flag T behind `:2,`.
fn is_trashed(name: &[u8]) -> bool {
    memchr::memmem::rfind(name, b":2,").is_some_and(|at| name[at..].contains(&b'T'))
}

/// What a name says behind `,S=`.
fn size_in_name(name: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(name, b",S=")?;
    let rest = &name[at + 3..];
    let end = rest.iter().position(|byte| matches!(byte, b',' | b':'));
    crate::sizes::number(&rest[..end.unwrap_or(rest.len())])
}
