//! relay-ctrl-chdir: opens the store for programs that run without privileges. relay-ctrl-chdir(8).
//!
//! Above the store is a directory that only the superuser may search, so nobody can get into the store but by the
//! descriptor that is handed down here, from one program to the next. The store itself may then be writable to
//! all, and no program needs to be setuid.

use std::fs::File;
use std::os::fd::{AsFd, RawFd};
use std::path::Path;

use chain::Call;
use os::Exit;

use crate::Trouble;
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
            call.env.set(DIR_FD, number.to_string().as_bytes());
            call.finish()
        }
        Err(trouble) => {
            os::log::fatal(PROGRAM, &trouble.to_string());
            Exit::TEMPORARY
        }
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
    let (limit, _) = os::process::descriptor_limits()?;
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
