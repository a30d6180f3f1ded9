//! `~/Maildir/.password`: a password for mail, kept by its user.
//!
//! The file belongs to the user, may be read by nobody else, and its first line is the password.
//! The user can change everything about it at any time, and a process of root reads it: so what was
//! opened is examined by its descriptor, a symbolic link is not followed, and nothing is waited for.
//! A link in the way to it is of no use to him, for the file must be his.

use std::ffi::OsStr;
use std::fmt;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use chain::Env;
use zeroize::Zeroizing;

use crate::account::Account;
use crate::stored::PASSWORD_LIMIT;
use crate::verdict::Refusal;

/// The name of the file in a Maildir.
pub const NAME: &str = ".password";

/// Permissions that nobody but the owner may have: the original's bits.
const OTHERS: u32 = 0o077;

/// Why there is no password to compare with.
#[derive(Debug)]
pub enum Fault {
    /// The extension of the login cannot be a part of a file's name.
    Extension,
    /// `MAILDIR`, or what `DASH` makes of it, is no path below the home.
    Outside(PathBuf),
    /// There is no home.
    NoHome(PathBuf, io::Error),
    /// There is no such file.
    Missing(PathBuf),
    /// It is a symbolic link.
    Link(PathBuf),
    /// It is something else than a file.
    NoFile(PathBuf),
    /// It belongs to somebody else.
    Owner(PathBuf, u32, u32),
    /// Others may read or write it.
    Mode(PathBuf, u32),
    /// Its first line is longer than a password can be.
    TooLong(PathBuf),
    /// It cannot be read.
    Io(PathBuf, io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Extension => f.write_str("the extension of the name has a slash or .. in it"),
            Fault::Outside(path) => {
                let path = shown(path);
                write!(
                    f,
                    "MAILDIR and DASH lead to {path}, which is not below the home"
                )
            }
            Fault::NoHome(path, error) => {
                write!(
                    f,
                    "unable to enter the home {}: {}",
                    shown(path),
                    os::reason(error)
                )
            }
            Fault::Missing(path) => write!(f, "{} does not exist", shown(path)),
            Fault::Link(path) => write!(f, "{} is a symbolic link", shown(path)),
            Fault::NoFile(path) => write!(f, "{} is no regular file", shown(path)),
            Fault::Owner(path, owner, user) => {
                let path = shown(path);
                write!(
                    f,
                    "{path} belongs to uid {owner} and must belong to uid {user}"
                )
            }
            Fault::Mode(path, mode) => {
                let path = shown(path);
                write!(f, "{path} has mode {mode:04o} and must be 0600")
            }
            Fault::TooLong(path) => {
                let path = shown(path);
                write!(
                    f,
                    "the password in {path} is longer than {PASSWORD_LIMIT} bytes"
                )
            }
            Fault::Io(path, error) => {
                write!(f, "unable to read {}: {}", shown(path), os::reason(error))
            }
        }
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Refusal {
    /// The exit codes of the original, as observed: 111 for the mode and for a missing home, else 1.
    fn from(fault: Fault) -> Refusal {
        let why = fault.to_string();
        match fault {
            Fault::NoHome(..) | Fault::Mode(..) | Fault::Io(..) => Refusal::Temporary(why),
            Fault::Outside(_) => Refusal::Permanent(why),
            _ => Refusal::No(why),
        }
    }
}

fn shown(path: &Path) -> impl fmt::Display + '_ {
    path.as_os_str().as_bytes().escape_ascii()
}

/// Where the password of `account` is, below its home: in `$MAILDIR` or else in the account's own Maildir; if
/// the login has an extension and `DASH` is set, in that Maildir's name with both behind it.
pub fn place(account: &Account, env: &Env) -> Result<PathBuf, Fault> {
    let extension = &account.extension;
    if extension.contains(&b'/') || extension.windows(2).any(|pair| pair == b"..") {
        return Err(Fault::Extension);
    }
    let mut name = match env.bytes("MAILDIR") {
        Some(path) => path.to_vec(),
        None => account.mailbox.as_os_str().as_bytes().to_vec(),
    };
    if let Some(dash) = env.bytes("DASH")
        && !extension.is_empty()
    {
        name.extend_from_slice(dash);
        name.extend_from_slice(extension);
    }
    let path = PathBuf::from(OsStr::from_bytes(&name));
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if name.is_empty() || !path.components().all(inside) {
        return Err(Fault::Outside(path));
    }
    Ok(path.join(NAME))
}

/// The first line of `account`'s password file.
pub fn read(account: &Account, env: &Env) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let path = account.home.join(place(account, env)?);
    let file = match os::file::open_unfollowed(&path) {
        Ok(file) => file,
        Err(error) => return Err(why_not_opened(account, path, error)),
    };
    match file.metadata() {
        Ok(meta) => check(&meta, account.uid, &path)?,
        Err(error) => return Err(Fault::Io(path, error)),
    }
    match first_line(file) {
        Ok(Some(line)) => Ok(line),
        Ok(None) => Err(Fault::TooLong(path)),
        Err(error) => Err(Fault::Io(path, error)),
    }
}

fn why_not_opened(account: &Account, path: PathBuf, error: io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            // A home that is not there may be one that is not mounted yet.
            match std::fs::metadata(&account.home) {
                Err(error) => Fault::NoHome(account.home.clone(), error),
                Ok(_) => Fault::Missing(path),
            }
        }
        _ => match std::fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_symlink() => Fault::Link(path),
            _ => Fault::Io(path, error),
        },
    }
}

/// The rules for a file that is open, owner first, as in the original.
fn check(meta: &Metadata, uid: u32, path: &Path) -> Result<(), Fault> {
    if !meta.is_file() {
        return Err(Fault::NoFile(path.to_owned()));
    }
    if meta.uid() != uid {
        return Err(Fault::Owner(path.to_owned(), meta.uid(), uid));
    }
    let mode = meta.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(Fault::Mode(path.to_owned(), mode));
    }
    Ok(())
}

/// What is before the first LF or NUL, not a byte of it trimmed; `None` where that is more than
/// [`PASSWORD_LIMIT`] bytes. What is behind it is not read, or overwritten.
pub fn first_line(mut file: impl Read) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut buffer = Zeroizing::new([0u8; PASSWORD_LIMIT + 1]);
    let mut filled = 0;
    let ends = |&byte: &u8| matches!(byte, b'\n' | 0);
    loop {
        let count = match file.read(&mut buffer[filled..]) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = buffer[filled..filled + count].iter().position(ends);
        if let Some(end) = end {
            return Ok(Some(Zeroizing::new(buffer[..filled + end].to_vec())));
        }
        filled += count;
        if filled == buffer.len() {
            return Ok(None);
        }
        if count == 0 {
            return Ok(Some(Zeroizing::new(buffer[..filled].to_vec())));
        }
    }
}

#[cfg(test)]
#[path = "password_file_tests.rs"]
mod tests;
