//! relay-ctrl-chdir: opens the store for programs that run without privileges. relay-ctrl-chdir(8).
//!
//! Above the store is a directory that only the superuser may search, so nobody can get into the store but by the
//! descriptor that is handed down here, from one program to the next. The store itself may then be writable to
//! all, and no program needs to be setuid.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use chain::Call;
use os::Exit;

use crate::Trouble;
use crate::allow;
use crate::config::{Config, DIR_FD, Place};

/// The program's name in chains.
pub const PROGRAM: &str = "relay-ctrl-chdir";

/// The highest number that a descriptor gets, for programs that close or use the low ones. Not higher: the kernel's
/// table of descriptors grows with it, in each process.
const HIGHEST: RawFd = 1023;

/// The program.
pub fn main(mut call: Call) -> Exit {
    if call.args.is_empty() {
        os::log::fatal(PROGRAM, "no program is named to go on with");
        return Exit::NO;
    }
    // What a chdir before this one has opened is of no use to it.
    call.env.remove(DIR_FD);
    let opened = Config::read_without_database(&call.env).and_then(|config| match config.place {
        Place::Directory(path) => open(&path),
        Place::Descriptor(number) => Ok(number),
    });
    match opened {
        Ok(number) => {
            warn_of_open_program(&call.args);
            call.env.set(DIR_FD, number.to_string().as_bytes());
            call.finish()
        }
        Err(trouble) => {
            os::log::fatal(PROGRAM, &trouble.to_string());
            Exit::TEMPORARY
        }
    }
}

/// A process whose program a user may read is his to look into until the program's first line, and his own
/// relay-ctrl-allow has the descriptor: `/proc/PID/fd` leads him into the store. The kernel closes that for a program
/// that he may only execute.
fn warn_of_open_program(words: &[OsString]) {
    if os::identity::effective_uid() != 0 {
        return;
    }
    let allow = |word: &&OsString| Path::new(word).file_name() == Some(OsStr::new(allow::PROGRAM));
    let Some(word) = words.iter().find(allow) else {
        return;
    };
    // A bare name is one of the programs of this file.
    let file = if word.as_bytes().contains(&b'/') {
        Path::new(word).canonicalize()
    } else {
        std::env::current_exe()
    };
    let Ok(file) = file else { return };
    if std::fs::metadata(&file).is_ok_and(|meta| meta.mode() & 0o004 != 0) {
        let file = file.display();
        os::log::warning(
            PROGRAM,
            &format!(
                "{file} is readable to all, so a user can get at the store by way of his own login: \
                 chmod 711 {file} (see relay-ctrl-chdir(8))"
            ),
        );
    }
}

fn open(path: &Path) -> Result<RawFd, Trouble> {
    let failed = |error| Trouble::file("open the directory", path, error);
    let dir = File::open(path).map_err(failed)?;
    if !dir.metadata().map_err(failed)?.is_dir() {
        return Err(failed(std::io::ErrorKind::NotADirectory.into()));
    }
    let number = free_number().map_err(failed)?;
    os::fd::place(dir.as_fd(), number).map_err(failed)?;
    Ok(number)
}

/// The highest number that nothing has.
fn free_number() -> std::io::Result<RawFd> {
    let (limit, _) = os::fd::descriptor_limits()?;
    let highest = RawFd::try_from(limit.saturating_sub(1)).unwrap_or(HIGHEST);
    let mut numbers = (3..=highest.min(HIGHEST)).rev();
    let is_free = |number: &RawFd| {
        let name = format!("/proc/self/fd/{number}");
        std::fs::symlink_metadata(name).is_err()
    };
    numbers
        .find(is_free)
        .ok_or_else(|| std::io::Error::other("no descriptor is free"))
}
