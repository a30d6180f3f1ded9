//! `users.secret`: the passwords of the accounts in `users`.
//!
//! ```text
//! name:{SCHEME}secret
//! ```
//!
//! Names are compared byte by byte, and the first line of a name counts. Empty lines and lines that
//! begin with `#` say nothing. The file holds everybody's secret: it is refused where others than
//! its owner may write it or the world may read it, and what is read of it is overwritten.

use std::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use os::names::samples::Samples;
use os::names::shadow::{Hash, find_secret_line};

use crate::hash;
use crate::stored::Stored;

/// Permissions that the file must not have: 0600 and 0640 are as they should be.
const REFUSED: u32 = 0o026;

/// What a look-up found.
#[derive(Debug, Default)]
pub struct Looked {
    /// The value behind the account's name.
    pub value: Option<Hash>,
    /// Where there is none, or one without a hash: a hash of the usual kind in the file, as a sample of the
    /// work that a comparison takes. It must never let anybody in.
    pub sample: Option<Hash>,
}

/// Why the file is not used.
#[derive(Debug)]
pub enum Fault {
    /// It cannot be read.
    Io(PathBuf, io::Error),
    /// It belongs to somebody who has no say about these accounts.
    Owner(PathBuf, u32),
    /// Too many may read or write it.
    Mode(PathBuf, u32),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Io(path, error) => {
                write!(
                    f,
                    "unable to read {}: {}",
                    path.display(),
                    os::reason(error)
                )
            }
            Fault::Owner(path, owner) => write!(
                f,
                "{} belongs to uid {owner} and must belong to root or the mail user",
                path.display()
            ),
            Fault::Mode(path, mode) => write!(
                f,
                "{} has mode {mode:04o} and must be 0600 or 0640",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Fault {}

/// The value of `name` in the file at `path`. The file must belong to root, to who this process is, or to
/// `user`, whose mailboxes are all that it opens.
pub fn look_up(path: &Path, name: &[u8], user: Option<u32>) -> Result<Looked, Fault> {
    let failed = |error| Fault::Io(path.to_owned(), error);
    let (file, meta) = open(path).map_err(failed)?;
    let owner = meta.uid();
    if owner != 0 && owner != os::identity::effective_uid() && Some(owner) != user {
        return Err(Fault::Owner(path.to_owned(), owner));
    }
    let mode = meta.mode() & 0o7777;
    if mode & REFUSED != 0 {
        return Err(Fault::Mode(path.to_owned(), mode));
    }
    search(file, name).map_err(failed)
}

/// [`Looked::sample`] of the file at `path` for a name that it does not have. Whose file it is does not
/// matter, as it lets nobody in.
pub fn sample(path: &Path) -> io::Result<Option<Hash>> {
    let (file, _) = open(path)?;
    Ok(search(file, b"")?.sample)
}

fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let file = os::file::open_without_waiting(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok((file, meta))
}

/// [`look_up`] in a text.
pub fn search(text: impl io::Read, name: &[u8]) -> io::Result<Looked> {
    let mut value = None;
    let mut samples = Samples::default();
    let mut needs_sample = true;
    find_secret_line(text, |line| {
        let (known, text) = parse(line)?;
        let stored = Stored::of_secret(text);
        if known == name && value.is_none() {
            value = Some(Hash::new(text));
            // Only what is locked without a hash makes no work of its own.
            needs_sample = matches!(stored, Stored::Locked(hash) if !hash::is_hash(hash));
        } else if let Stored::Hash(hash) = stored {
            samples.add(hash);
        }
        (value.is_some() && !needs_sample).then_some(())
    })?;
    let sample = if needs_sample { samples.usual() } else { None };
    Ok(Looked { value, sample })
}

/// Whether there can be a line for `name`, and it would be found again.
pub fn can_hold(name: &[u8]) -> bool {
    let line = [name, b":"].concat();
    !name.contains(&b'\n') && parse(&line).is_some_and(|(known, _)| known == name)
}

/// Name and value of a line; `None` where it says nothing.
pub fn parse(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let at = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = (&line[..at], &line[at + 1..]);
    (!name.is_empty() && name[0] != b'#' && !line.contains(&0)).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const TEXT: &str = "# joe:{PLAIN}no\n\nann:{PLAIN}a:b\r\njoe:$1$x\njoe:{PLAIN}second\n";

    fn value(name: &str) -> Option<Vec<u8>> {
        let looked = search(TEXT.as_bytes(), name.as_bytes()).expect("readable");
        looked.value.map(|value| value.expose().to_vec())
    }

    #[test]
    fn the_first_line_of_a_name_counts_and_remarks_do_not() {
        assert_eq!(value("joe").as_deref(), Some(&b"$1$x"[..]));
        assert_eq!(value("ann").as_deref(), Some(&b"{PLAIN}a:b"[..]));
        for nobody in ["", "# joe", "Joe", "bob", "joe:$1$x"] {
            assert_eq!(value(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn who_has_no_hash_leaves_a_sample_wherever_in_the_file() {
        let text = "ann:{PLAIN}x\nstar:*\nlock:!$1$saltsalt$wq.RNtiw4px5Yphyu9TAY0\n\
            joe:{CRYPT}$6$x\nann:$5$y\nstar:{PLAIN}second\n";
        let sample = |name: &str| {
            let looked = search(text.as_bytes(), name.as_bytes()).expect("readable");
            looked.sample.map(|sample| sample.expose().to_vec())
        };
        for name in ["star", "bob"] {
            assert_eq!(sample(name).as_deref(), Some(&b"$6$x"[..]), "{name}");
        }
        // These make work of their own, or none that a sample should add to.
        for name in ["ann", "lock"] {
            assert_eq!(sample(name), None, "{name}");
        }
        let looked = search(text.as_bytes(), b"star").expect("readable");
        assert_eq!(looked.value.expect("his first").expose(), b"*");
    }

    #[test]
    fn a_name_that_would_not_be_found_again_cannot_be_held() {
        for name in ["joe", "joe@x", " joe", "jo#e", "jos\u{e9}"] {
            assert!(can_hold(name.as_bytes()), "{name}");
        }
        for name in ["", "#joe", "#", "jo:e", "jo\0e", "joe\nroot", ":"] {
            assert!(!can_hold(name.as_bytes()), "{name:?}");
        }
    }

    fn looked(mode: u32, owner: u32, user: Option<u32>) -> Result<Looked, Fault> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), TEXT).expect("written");
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).expect("set");
        if owner != os::identity::effective_uid() {
            std::os::unix::fs::chown(file.path(), Some(owner), None).expect("given away");
        }
        look_up(file.path(), b"joe", user)
    }

    #[test]
    fn a_file_that_others_may_write_or_all_may_read_is_refused() {
        let me = os::identity::effective_uid();
        for mode in [0o400, 0o600, 0o640, 0o440, 0o700] {
            assert!(looked(mode, me, None).is_ok(), "{mode:o}");
        }
        for mode in [0o604, 0o644, 0o620, 0o602, 0o660, 0o666] {
            let fault = looked(mode, me, None).expect_err("open to others");
            assert!(
                fault.to_string().contains(&format!("has mode {mode:04o}")),
                "{fault}"
            );
        }
    }

    #[test]
    fn a_file_of_somebody_elses_is_refused() {
        if os::identity::effective_uid() != 0 {
            return;
        }
        assert!(looked(0o600, 7001, None).is_err());
        assert!(looked(0o600, 7001, Some(7002)).is_err());
        assert!(looked(0o600, 7001, Some(7001)).is_ok());
    }

    #[test]
    fn a_missing_file_is_a_fault() {
        let fault = look_up(Path::new("/nonexistent/users.secret"), b"joe", None);
        assert_eq!(
            fault.expect_err("missing").to_string(),
            "unable to read /nonexistent/users.secret: file does not exist"
        );
    }
}
