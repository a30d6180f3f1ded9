//! Where the UIDVALIDITYs of a user's mailboxes come from.
//!
//! One that was given is never given again, so that a mailbox that is deleted and made anew is
//! another one for every client. Dovecot keeps the last one in the name of an empty file,
//! `dovecot-uidvalidity.<8 hex digits>`, and, as a hint, in the file `dovecot-uidvalidity`. It takes
//! the next one by renaming the empty file: who finds it gone looks again. We do the same, and
//! never give one that is below the clock, as Courier's and older servers' are.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{LOCK_WAIT, Tree, rewrite};
use crate::dotlock::Dotlock;
use crate::lines::next_line;
use crate::uidlist;

const FILE: &str = "dovecot-uidvalidity";

/// The lock of ours is beside a name of ours: Dovecot takes what begins with [`FILE`] and a dot for
/// its own.
const LOCK: &str = "superd-uidvalidity";

/// How often it is tried again after another program took what we were about to take.
const TRIES: usize = 100;

impl Tree {
    /// A UIDVALIDITY that no mailbox of this user has had: the clock, or one more than the last one
    /// given. It is on the disk that it was given when this returns.
    pub fn next_validity(&self) -> io::Result<u32> {
        self.validity_above(clock())
    }

    /// The same, or `least` if that is more.
    fn validity_above(&self, least: u32) -> io::Result<u32> {
        let _lock = Dotlock::take(&self.root.join(LOCK), LOCK_WAIT)?;
        for _ in 0..TRIES {
            let given = self.given()?;
            let last = given.names.iter().copied().max();
            let next = given
                .last()
                .map_or(Some(1), |last| last.checked_add(1))
                .ok_or_else(|| io::Error::other("there are no UIDVALIDITYs left"))?
                .max(least);
            if self.take(last, next)? {
                // What somebody left who took one while we were looking.
                for old in given.names.into_iter().filter(|&old| Some(old) != last) {
                    let _ = fs::remove_file(self.root.join(file_name(old)));
                }
                os::file::sync_dir(&self.root)?;
                let file = self.root.join(FILE);
                let temporary = self.root.join("superd-uidvalidity.tmp");
                // A hint only: the name says it.
                let _ = rewrite::replace(&file, &temporary, format!("{next:08x}").as_bytes());
                return Ok(next);
            }
        }
        Err(ErrorKind::WouldBlock.into())
    }

    /// Makes `next` the last one given, if `last` still is that.
    fn take(&self, last: Option<u32>, next: u32) -> io::Result<bool> {
        let new = self.root.join(file_name(next));
        let result = match last {
            Some(last) => os::file::rename_noreplace(&self.root.join(file_name(last)), &new),
            None => os::file::create_exclusive(&new, 0o600).map(drop),
        };
        match result {
            Ok(()) => Ok(true),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn given(&self) -> io::Result<Given> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let name = entry?.file_name();
            let name = name.as_encoded_bytes().strip_prefix(FILE.as_bytes());
            names.extend(name.and_then(|name| hex(name.strip_prefix(b".")?)));
        }
        // One that cannot be read is as good as none.
        let hint = rewrite::read(&self.root.join(FILE)).ok().flatten();
        Ok(Given {
            names,
            hint: hint.and_then(|text| hex(text.trim_ascii_end())),
        })
    }

    /// Sees to it that what is given from now on is above the UIDVALIDITYs of the mailboxes at `dirs`,
    /// which are about to lose their names: they may have theirs from elsewhere, ahead of the clock.
    pub(super) fn note_validities(&self, dirs: impl IntoIterator<Item = PathBuf>) {
        let lists = dirs
            .into_iter()
            .flat_map(|dir| [uidlist::FILE, "courierimapuiddb"].map(|list| dir.join(list)));
        let Some(greatest) = lists.filter_map(|list| validity_of(&list)).max() else {
            return;
        };
        let is_known = |given: Given| given.last().is_some_and(|last| last >= greatest);
        if !self.given().is_ok_and(is_known) {
            // Nothing is lost without it but that certainty.
            let _ = self.validity_above(greatest);
        }
    }
}

/// What the root says.
struct Given {
    /// By the names of the empty files: one, unless somebody was killed.
    names: Vec<u32>,
    /// By the file.
    hint: Option<u32>,
}

impl Given {
    fn last(&self) -> Option<u32> {
        self.names.iter().copied().chain(self.hint).max()
    }
}

fn file_name(validity: u32) -> String {
    format!("{FILE}.{validity:08x}")
}

/// Eight hexadecimal digits that are not 0.
fn hex(text: &[u8]) -> Option<u32> {
    let is_plain = text.len() == 8 && text.iter().all(u8::is_ascii_hexdigit);
    let text = str::from_utf8(text).ok().filter(|_| is_plain)?;
    u32::from_str_radix(text, 16)
        .ok()
        .filter(|&value| value != 0)
}

/// Seconds since the epoch.
fn clock() -> u32 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(1, |since| {
        u32::try_from(since.as_secs()).unwrap_or(1).max(1)
    })
}

/// What the first line of a list says.
fn validity_of(path: &Path) -> Option<u32> {
    let file = os::file::open_unfollowed(path).ok()?;
    let mut line = Vec::new();
    next_line(&mut io::BufReader::with_capacity(512, file), &mut line).ok()?;
    line.push(b'\n');
    Some(uidlist::read(&line[..], |_| {}).ok()?.validity)
}

#[cfg(test)]
#[path = "validity_tests.rs"]
mod tests;
