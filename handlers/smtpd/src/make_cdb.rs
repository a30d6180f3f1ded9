//! `smtpd --make-cdb NAME`: the list control/NAME becomes the database control/NAME.cdb.
//!
//! That is qmail-newmrh, for morercpthosts, and its like for lists of recipients. The old database
//! is in force until the new one is whole and safe on the disk; sessions that have it open go on
//! with it. `users` and `aliases`, which are no control files, get theirs from [`accounts::database`].

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use accounts::Home;
use chain::Call;
use os::Exit;
use rules::compile::Failure;
use rules::keys::{KeyFault, KeysFailure, compile_keys};

/// The lists that smtpd reads as databases.
pub const NAMES: &[&str] = &["morercpthosts", "validrcptto", "morevalidrcptto"];

/// The files beside control/ that can have one.
const OTHERS: [&str; 2] = ["users", "aliases"];

fn all_names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().copied().chain(OTHERS)
}

/// Why there is no new database: a sentence.
#[derive(Debug)]
pub enum MakeError {
    /// What users and aliases have of their own.
    Accounts(accounts::database::MakeError),
    /// There is no list of that name.
    Name(String),
    /// The list cannot be read.
    Read(PathBuf, io::Error),
    /// A line of the list, counted from 1, can be no entry.
    Line(PathBuf, u64, KeyFault),
    /// The temporary file cannot be written, or does not read back as it was written.
    Write(PathBuf, io::Error),
    /// It cannot take the old one's place.
    Move(PathBuf, io::Error),
    /// It has, but a crash may undo that.
    Sync(PathBuf, io::Error),
}

impl MakeError {
    /// Whether the same call can work another time, nothing being edited.
    pub fn is_temporary(&self) -> bool {
        match self {
            MakeError::Name(_) | MakeError::Line(..) => false,
            MakeError::Accounts(error) => error.is_temporary(),
            MakeError::Read(..) | MakeError::Write(..) => true,
            MakeError::Move(..) | MakeError::Sync(..) => true,
        }
    }
}

impl fmt::Display for MakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = |f: &mut fmt::Formatter<'_>, what, path: &Path, error| {
            let (path, reason) = (path.display(), os::reason(error));
            write!(f, "unable to {what} {path}: {reason}")
        };
        match self {
            MakeError::Name(name) => write!(
                f,
                "unable to make a database of {}: it is none of {}",
                name.escape_default(),
                all_names().collect::<Vec<_>>().join(", ")
            ),
            MakeError::Accounts(error) => error.fmt(f),
            MakeError::Read(path, error) => about(f, "read", path, error),
            MakeError::Line(path, number, fault) => {
                write!(
                    f,
                    "unable to use line {number} of {}: {fault}",
                    path.display()
                )
            }
            MakeError::Write(path, error) => about(f, "write", path, error),
            MakeError::Move(path, error) => about(f, "replace", path, error),
            MakeError::Sync(path, error) => about(f, "sync the directory of the new", path, error),
        }
    }
}

impl std::error::Error for MakeError {}

/// The program's part: `words` are those after `--make-cdb`. What there is to be said goes to
/// descriptor 2. The exit code is 0 where the new database is in force, 100 where the list or the
/// words have to be changed first, and 111 where the system is in the way.
pub fn main(call: &Call, words: &[OsString]) -> Exit {
    let [name] = words else {
        let (program, names) = (&call.name, all_names().collect::<Vec<_>>().join(" | "));
        let usage = format!("{program}: usage: {program} --make-cdb {names}\n");
        os::log::say(usage.as_bytes());
        return Exit::PERMANENT;
    };
    let home = Home::find(|name| call.env.get(name).map(ToOwned::to_owned));
    match make_cdb(&home, &name.to_string_lossy()) {
        Ok(_) => Exit::OK,
        Err(error) => {
            os::log::fatal(&call.name, &error.to_string());
            if error.is_temporary() {
                Exit::TEMPORARY
            } else {
                Exit::PERMANENT
            }
        }
    }
}

/// Makes the database of the list `name` of `home`; how many entries it has. On any error but
/// [`MakeError::Sync`] the old database is as it was.
pub fn make_cdb(home: &Home, name: &str) -> Result<u64, MakeError> {
    if let Some(list) = accounts::database::List::named(name) {
        return accounts::database::make(home, list).map_err(MakeError::Accounts);
    }
    if !NAMES.contains(&name) {
        return Err(MakeError::Name(name.to_owned()));
    }
    let source = home.control(name);
    let target = home.control(&format!("{name}.cdb"));
    let temporary = home.control(&format!("{name}.tmp"));
    let input = match open(&source) {
        Ok(input) => input,
        Err(error) => return Err(MakeError::Read(source, error)),
    };
    compile_keys(input, &target, &temporary).map_err(|failure| match failure {
        KeysFailure::Line(number, fault) => MakeError::Line(source, number, fault),
        KeysFailure::File(Failure::Read(error)) => MakeError::Read(source, error),
        KeysFailure::File(Failure::Create(error) | Failure::Write(error)) => {
            MakeError::Write(temporary, error)
        }
        KeysFailure::File(Failure::Move(error)) => MakeError::Move(target, error),
        KeysFailure::File(Failure::Sync(error)) => MakeError::Sync(target, error),
        KeysFailure::File(Failure::Faults) => {
            MakeError::Read(source, io::ErrorKind::InvalidData.into())
        }
    })
}

fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    // Reading says so, too, but only after the temporary file has been made.
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyfile::KeyFile;

    fn home_with(name: &str, text: &[u8]) -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path().to_owned());
        std::fs::create_dir(folder.path().join("control")).expect("made");
        std::fs::write(home.control(name), text).expect("written");
        (folder, home)
    }

    #[test]
    fn a_list_becomes_the_database_that_smtpd_reads() {
        for name in NAMES {
            let (_folder, home) = home_with(name, b"# ours\nExample.test\n.sub.test\r\n");
            assert_eq!(make_cdb(&home, name).expect("made"), 2);
            let database = home.control(&format!("{name}.cdb"));
            let list = KeyFile::open(database);
            assert_eq!(list.has(b"example.test"), Ok(true));
            assert_eq!(list.has(b".sub.test"), Ok(true));
            assert_eq!(list.has(b"sub.test"), Ok(false));
            assert!(!home.control(&format!("{name}.tmp")).exists());
        }
    }

    #[test]
    fn users_and_aliases_get_theirs_beside_them() {
        let (_folder, home) = home_with("me", b"x\n");
        std::fs::write(home.users(), "joe:x:7:7::/v/joe::\n").expect("written");
        assert_eq!(make_cdb(&home, "users").expect("made"), 1);
        assert_eq!(accounts::database::is_in_force(&home.users()), Some(true));
        let error = make_cdb(&home, "aliases").expect_err("missing");
        assert!(error.is_temporary());
        let expected = format!(
            "unable to read {}: file does not exist",
            home.aliases().display()
        );
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_fails_leaves_the_old_database_and_is_told_in_a_sentence() {
        let (_folder, home) = home_with("validrcptto", b"joe@x\n");
        make_cdb(&home, "validrcptto").expect("made");
        let list = home.control("validrcptto");
        std::fs::write(&list, b"ann@x\na\0b\n").expect("written");
        let error = make_cdb(&home, "validrcptto").expect_err("a NUL");
        let expected = format!(
            "unable to use line 2 of {}: it has a NUL byte",
            list.display()
        );
        assert_eq!(error.to_string(), expected);
        assert!(!error.is_temporary());
        std::fs::remove_file(&list).expect("removed");
        let error = make_cdb(&home, "validrcptto").expect_err("gone");
        let expected = format!("unable to read {}: file does not exist", list.display());
        assert_eq!(error.to_string(), expected);
        assert!(error.is_temporary());
        std::fs::create_dir(&list).expect("made");
        let error = make_cdb(&home, "validrcptto").expect_err("a directory");
        assert!(error.to_string().ends_with("is a directory"), "{error}");
        let old = KeyFile::open(home.control("validrcptto.cdb"));
        assert_eq!(old.has(b"joe@x"), Ok(true));
        assert_eq!(old.has(b"ann@x"), Ok(false));
    }

    #[test]
    fn only_lists_that_are_read_as_databases_become_ones() {
        let (_folder, home) = home_with("me", b"x\n");
        for name in ["me", "../me", "", "morercpthosts.cdb"] {
            assert!(
                matches!(make_cdb(&home, name), Err(MakeError::Name(_))),
                "{name}"
            );
        }
        assert!(!home.control("me.cdb").exists());
    }
}
