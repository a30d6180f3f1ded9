//! Keeping `maildirsize` in step with what is there, whoever changes it.
//!
//! Every program of ours that adds, removes or marks a message of an account with a quota holds the file
//! locked with others (flock(2), shared) from before the change until its line is written, and who counts
//! holds it alone. So a count never meets a change half-way, and no line is lost with a file that a count
//! replaces. What is added is noted first, and the lines before one's own line decide whether there is
//! room: of two that come at once for the last place one gets it.
//!
//! The lock is a courtesy. Whoever waits for it longer than [`LOCK_WAIT`] goes on without, and other
//! servers do not know of it: then the sum may be wrong until the next count, as everywhere in Maildir++.

use std::fs::{self, File, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::count::count_all;
use super::{Change, FILE, Known, Limits, SIZE_LIMIT, TRASH, Usage, text_of, to_text};
use crate::name::{Host, Names};

/// How long the lock is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// Between two looks whether it is free, at most.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// How often a file that was replaced meanwhile is opened again.
const TRIES: usize = 5;

/// The Maildir of one account with its folders, and who says what may be in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    inbox: PathBuf,
    given: Option<Limits>,
}

/// Whether something can be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// There is no quota.
    NoQuota,
    /// There is room.
    Fits,
    /// There is none.
    Full,
}

impl Account {
    /// That of the Maildir at `inbox`. The quota is `given`, and [`Limits::default`] is none at all; where
    /// it is not, it is what the first line of the file says.
    pub fn new(inbox: PathBuf, given: Option<Limits>) -> Account {
        Account { inbox, given }
    }

    /// That to which the Maildir, or the folder of a Maildir++, at `dir` belongs; None for a folder that
    /// does not count.
    pub fn of_folder(dir: &Path) -> Option<Account> {
        let name = dir.file_name().map(OsStrExt::as_bytes);
        // A Maildir may have a dot before its name, too.
        let is_folder = name.is_some_and(|name| name.starts_with(b"."))
            && fs::symlink_metadata(dir.join("maildirfolder")).is_ok();
        match (is_folder, name) {
            (true, Some(name)) if name == TRASH.as_bytes() => None,
            (true, _) => Some(Account::new(os::file::dir_of(dir).to_owned(), None)),
            _ => Some(Account::new(dir.to_owned(), None)),
        }
    }

    /// Where it is.
    pub fn inbox(&self) -> &Path {
        &self.inbox
    }

    /// Begins a change of what counts; None where there is no quota, which takes one look for the file.
    pub fn begin(&self) -> Option<Entry> {
        if self.given == Some(Limits::default()) {
            return None;
        }
        let entry = |limits, file| Entry {
            account: self.clone(),
            limits,
            file,
            noted: Change::default(),
            is_settled: false,
        };
        match open_current(&self.path()) {
            Ok(file) => Some(entry(self.given, Some(file))),
            // One that is not ours to write to, or none yet: the next count makes it.
            Err(error) => {
                let may_be_read = error.kind() == io::ErrorKind::PermissionDenied;
                let limits = self
                    .given
                    .or_else(|| may_be_read.then(|| self.limits_there())?);
                limits.map(|limits| entry(Some(limits), None))
            }
        }
    }

    /// [`Entry::has_room`], where there is a quota.
    pub fn fits(&self, more: Usage) -> io::Result<Fit> {
        match self.begin() {
            None => Ok(Fit::NoQuota),
            Some(mut entry) => Ok(match entry.has_room(more)? {
                true => Fit::Fits,
                false => Fit::Full,
            }),
        }
    }

    fn path(&self) -> PathBuf {
        self.inbox.join(FILE)
    }

    fn limits_there(&self) -> Option<Limits> {
        let file = os::file::open_unfollowed(&self.path()).ok()?;
        let is_file = file.metadata().is_ok_and(|meta| meta.is_file());
        Limits::of_text(&is_file.then(|| text_of(&file).ok())??)
    }
}

/// A change of what counts that has begun. Dropping it unsettled takes back what it has noted.
#[derive(Debug)]
pub struct Entry {
    account: Account,
    /// None until the file has been asked.
    limits: Option<Limits>,
    /// The file, locked.
    file: Option<File>,
    noted: Change,
    is_settled: bool,
}

impl Entry {
    /// Whether `more` could be added. Counts where that is needed; an error is of reading the directories.
    pub fn has_room(&mut self, more: Usage) -> io::Result<bool> {
        self.find_room(more, false)
    }

    /// Notes that `more` is to be added, if there is room for it. An error is of reading the directories.
    pub fn reserve(&mut self, more: Usage) -> io::Result<bool> {
        self.find_room(more, true)
    }

    /// The change is done, and was this: `noted` or not, the sum is right afterwards.
    pub fn settle(mut self, change: Change) {
        self.finish(change);
    }

    fn find_room(&mut self, more: Usage, takes: bool) -> io::Result<bool> {
        for attempt in 1..=TRIES {
            if let Some(file) = &mut self.file {
                file.seek(SeekFrom::Start(0))?;
                let text = text_of(file)?;
                let Some(limits) = self.limits.or_else(|| Limits::of_text(&text)) else {
                    // A file of nobody knows what.
                    return Ok(true);
                };
                self.limits = Some(limits);
                let known = Known::of(&text, file.metadata()?.modified()?);
                if let Some(known) = known.filter(|known| known.sum.limits == limits) {
                    match limits.allow(known.sum.usage.plus(more)) {
                        true if !takes => return Ok(true),
                        true if append_within(file, more, &limits, text.len()) => {
                            self.noted = Change::more(more);
                            return Ok(true);
                        }
                        true => {}
                        false if known.is_fresh(&self.account.inbox, SystemTime::now())? => {
                            return Ok(false);
                        }
                        false => {}
                    }
                }
            }
            let Some(limits) = self.limits else {
                return Ok(true);
            };
            if self.be_alone() || attempt == TRIES {
                return self.count(limits, more, takes);
            }
        }
        Ok(true)
    }

    /// Waits until nobody else changes anything. False if the file was replaced meanwhile: then somebody
    /// else has counted, and it is opened anew.
    fn be_alone(&mut self) -> bool {
        let Some(file) = &self.file else {
            return true;
        };
        wait_for(|| file.try_lock());
        if is_current(file) {
            return true;
        }
        self.file = open_current(&self.account.path()).ok();
        self.file.is_none()
    }

    /// Counts, and writes the file anew, with `more` in it if that `takes` room and there is some.
    fn count(&mut self, limits: Limits, more: Usage, takes: bool) -> io::Result<bool> {
        let usage = count_all(&self.account.inbox)?;
        let fits = limits.allow(usage.plus(more));
        let noted = match fits && takes {
            true => Change::more(more),
            false => Change::default(),
        };
        let file = self.write(&to_text(limits, usage), noted);
        if file.is_err() && self.account.given.is_some() {
            // What is there is wrong. (Where it alone says what the quota is, that is worth more.)
            let _ = fs::remove_file(self.account.path());
        }
        self.noted = match file.is_ok() {
            true => noted,
            false => Change::default(),
        };
        // The old one is unlocked by this.
        self.file = file.ok();
        Ok(fits)
    }

    fn write(&self, text: &[u8], noted: Change) -> io::Result<File> {
        // Under a name of ours, so that the file of a process that dies here is swept.
        let host = Host::new(&os::process::host_name());
        let mut names = Names::new(host, std::process::id(), os::process::random);
        let name = names.next(SystemTime::now())?;
        let tmp = self.account.inbox.join("tmp").join(name);
        let mut file = os::file::create_exclusive_to_append(&tmp, 0o600)?;
        let mut text = text.to_vec();
        if noted != Change::default() {
            text.extend_from_slice(noted.to_line().as_bytes());
        }
        // Nobody else has it yet.
        let _ = file.try_lock_shared();
        let done = file
            .write_all(&text)
            .and_then(|()| fs::rename(&tmp, self.account.path()));
        if done.is_err() {
            let _ = fs::remove_file(tmp);
        }
        done.map(|()| file)
    }

    fn finish(&mut self, change: Change) {
        self.is_settled = true;
        let rest = change.minus(self.noted);
        let Some(file) = self.file.as_mut().filter(|file| is_current(file)) else {
            // What was noted went with the file, or may have been counted, or not.
            if change != Change::default() {
                self.recount();
            }
            return;
        };
        if rest == Change::default() {
            return;
        }
        let is_noted = append(file, rest).is_ok();
        let is_long = file.metadata().is_ok_and(|meta| meta.len() > SIZE_LIMIT);
        if is_long || !is_noted {
            self.recount();
        }
    }

    /// Counts anew where there is a quota still.
    fn recount(&mut self) {
        let limits = self.account.given.or_else(|| self.account.limits_there());
        self.file = open_current(&self.account.path()).ok();
        if let Some(limits) = limits {
            self.be_alone();
            // Who finds it wrong counts again.
            let _ = self.count(limits, Usage::default(), false);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.is_settled && self.noted != Change::default() {
            self.finish(Change::default());
        }
    }
}

/// Opens the file, locks it with others, and makes sure that it is the one that is there.
fn open_current(path: &Path) -> io::Result<File> {
    let mut tries = 0;
    loop {
        let file = os::file::append_unfollowed(path)?;
        wait_for(|| file.try_lock_shared());
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        tries += 1;
        if meta.nlink() > 0 || tries == TRIES {
            return Ok(file);
        }
    }
}

/// Whether the file has not been replaced.
fn is_current(file: &File) -> bool {
    file.metadata().is_ok_and(|meta| meta.nlink() > 0)
}

/// Takes a lock if that can be had in time.
fn wait_for(lock: impl Fn() -> Result<(), TryLockError>) {
    let mut end = None;
    let mut pause = Duration::from_millis(1);
    while let Err(TryLockError::WouldBlock) = lock() {
        let now = Instant::now();
        if now >= *end.get_or_insert(now + LOCK_WAIT) {
            return;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LOCK_PAUSE);
    }
}

/// Appends a line, with one write: a second could come after somebody else's.
fn append(file: &mut File, change: Change) -> io::Result<()> {
    let line = change.to_line();
    match file.write(line.as_bytes())? == line.len() {
        true => Ok(()),
        false => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Appends a line for `more` to a file of which `known` bytes leave room for it. If others were faster and
/// have taken the room, or it cannot be written, the result is false.
fn append_within(file: &mut File, more: Usage, limits: &Limits, known: usize) -> bool {
    let change = Change::more(more);
    if append(file, change).is_err() {
        return false;
    }
    // Where it went to: the position is behind what was appended.
    let Ok(end) = file.stream_position() else {
        return false;
    };
    if end == (known + change.to_line().len()) as u64 {
        return true;
    }
    let mut text = match file.seek(SeekFrom::Start(0)).and_then(|_| text_of(file)) {
        Ok(text) => text,
        Err(_) => return false,
    };
    text.truncate(usize::try_from(end).unwrap_or(usize::MAX));
    let sum = super::Sum::parse(&text).filter(|sum| sum.limits == *limits);
    if end <= SIZE_LIMIT && sum.is_some_and(|sum| limits.allow(sum.usage)) {
        return true;
    }
    let _ = append(file, Change::default().minus(change));
    false
}
