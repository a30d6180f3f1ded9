//! Maildir++ quotas: how much is in an account's Maildir and all its folders, and how much may be.
//!
//! The sum stands in the file `maildirsize` of the Maildir, which Courier, maildrop, Dovecot and others
//! read and write, too: one line that defines the quota, as `10000000S,1000C`, then lines `bytes
//! count`, which are to be added up. A delivery appends one line with one write. By the Maildir++
//! specification everything is counted anew, and the file written anew, if
//! - it is missing, cannot be understood, or has more than [`SIZE_LIMIT`] bytes;
//! - it was made for another quota;
//! - something would go over the quota, and the sum is not just counted: it has several lines, is
//!   older than [`FRESH`], or a directory of messages has changed since. (That last look is ours: who
//!   has made room is not to be refused.)
//!
//! The folder `.Trash` and messages with the flag T do not count. Sizes are what names say (`S=`), else
//! those of the files.
//!
//! The file is never synced. What a crash leaves of it is either whole or is not understood: it has no
//! newline at its end, a byte that does not belong there, or no sum. It is not the truth but what was
//! found out about it, so it can be lost at any time. Two deliveries at one instant may go over the
//! quota together, as everywhere in Maildir++.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::name::Names;

/// The file.
pub const FILE: &str = "maildirsize";

/// A larger file is written anew.
pub const SIZE_LIMIT: u64 = 5120;

/// How long a sum that is over the quota is believed.
pub const FRESH: Duration = Duration::from_secs(15 * 60);

/// The folder that does not count.
pub const TRASH: &str = ".Trash";

/// How often everything is counted while somebody else delivers or removes.
const COUNTS: usize = 2;

/// What may be in a Maildir.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all messages.
    pub bytes: Option<u64>,
    /// Number of messages.
    pub messages: Option<u64>,
}

/// What is in a Maildir, or is to be added to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all messages.
    pub bytes: u64,
    /// Number of messages.
    pub messages: u64,
}

impl Usage {
    /// Both numbers of both.
    pub fn plus(self, more: Usage) -> Usage {
        Usage {
            bytes: self.bytes.saturating_add(more.bytes),
            messages: self.messages.saturating_add(more.messages),
        }
    }
}

impl Limits {
    /// Whether so much may be there.
    pub fn allow(&self, usage: Usage) -> bool {
        self.bytes.is_none_or(|most| usage.bytes <= most)
            && self.messages.is_none_or(|most| usage.messages <= most)
    }

    /// From the first line of the file. A 0 means no limit.
    fn parse(line: &[u8]) -> Option<Limits> {
        let mut limits = Limits::default();
        for part in line.split(|&byte| byte == b',') {
            let (unit, digits) = part.split_last()?;
            let number = crate::sizes::number(digits)?;
            match unit {
                b'S' => limits.bytes = Some(number).filter(|&number| number > 0),
                b'C' => limits.messages = Some(number).filter(|&number| number > 0),
                _ => return None,
            }
        }
        Some(limits)
    }

    fn to_line(self) -> String {
        match (self.bytes, self.messages) {
            (Some(bytes), Some(messages)) => format!("{bytes}S,{messages}C\n"),
            (None, Some(messages)) => format!("{messages}C\n"),
            (bytes, None) => format!("{}S\n", bytes.unwrap_or(0)),
        }
    }
}

/// The content of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The quota that it was made for.
    pub limits: Limits,
    /// All its lines together.
    pub usage: Usage,
    /// How many lines that were; at least one.
    pub lines: usize,
}

impl Sum {
    /// Reads the text of a file; `None` where it cannot be understood, or is less than nothing.
    pub fn parse(text: &[u8]) -> Option<Sum> {
        let mut lines = text.strip_suffix(b"\n")?.split(|&byte| byte == b'\n');
        let limits = Limits::parse(lines.next()?.trim_ascii())?;
        let (mut bytes, mut messages, mut count) = (0_i64, 0_i64, 0);
        for line in lines {
            // Others write the numbers with blanks before them.
            let mut words = line
                .split(u8::is_ascii_whitespace)
                .filter(|word| !word.is_empty());
            bytes = bytes.checked_add(signed(words.next()?)?)?;
            messages = messages.checked_add(signed(words.next()?)?)?;
            if words.next().is_some() {
                return None;
            }
            count += 1;
        }
        let usage = Usage {
            bytes: u64::try_from(bytes).ok()?,
            messages: u64::try_from(messages).ok()?,
        };
        (count > 0).then_some(Sum {
            limits,
            usage,
            lines: count,
        })
    }
}

/// The text of a file with one sum.
pub fn to_text(limits: Limits, usage: Usage) -> Vec<u8> {
    let mut text = limits.to_line().into_bytes();
    text.extend_from_slice(to_line(usage).as_bytes());
    text
}

fn to_line(usage: Usage) -> String {
    format!("{} {}\n", usage.bytes, usage.messages)
}

fn signed(word: &[u8]) -> Option<i64> {
    let (digits, negative) = match word.strip_prefix(b"-") {
        Some(digits) => (digits, true),
        None => (word, false),
    };
    let number = i64::try_from(crate::sizes::number(digits)?).ok()?;
    Some(if negative { -number } else { number })
}

/// Whether a message of `size` bytes would surely go over `limits` in the Maildir at `inbox`.
///
/// A cheap question for the moment at which a recipient is named: it reads `maildirsize` and, if that
/// is over, looks at the dates of the directories. It counts nothing and writes nothing, so it may be
/// asked as any user. Where the file does not tell, the answer is `false`, and the delivery decides.
pub fn would_exceed(inbox: &Path, limits: &Limits, size: u64) -> io::Result<bool> {
    would_exceed_at(inbox, limits, size, SystemTime::now())
}

fn would_exceed_at(inbox: &Path, limits: &Limits, size: u64, now: SystemTime) -> io::Result<bool> {
    let one = Usage {
        bytes: size,
        messages: 1,
    };
    match read(inbox)? {
        Some(file) if file.sum.limits == *limits => {
            Ok(!limits.allow(file.sum.usage.plus(one)) && file.is_fresh(inbox, now)?)
        }
        _ => Ok(false),
    }
}

/// Whether `more` may be added to what is in the Maildir at `inbox`. Counts and writes the file where
/// that is needed; an error is of reading the directories. To be asked as the owner only.
pub fn fits(
    inbox: &Path,
    limits: &Limits,
    more: Usage,
    names: &mut Names,
    now: SystemTime,
) -> io::Result<bool> {
    if let Ok(Some(file)) = read(inbox)
        && file.sum.limits == *limits
    {
        if limits.allow(file.sum.usage.plus(more)) {
            return Ok(true);
        }
        if file.is_fresh(inbox, now)? {
            return Ok(false);
        }
    }
    let (usage, at_rest) = count_at_rest(inbox)?;
    let written = at_rest && write(inbox, *limits, usage, names, now).is_ok();
    if !written {
        // It is wrong, or was counted while the Maildir changed.
        let _ = fs::remove_file(inbox.join(FILE));
    }
    Ok(limits.allow(usage.plus(more)))
}

/// Notes that `more` was added. Nothing is done where there is no file; one that cannot be written to
/// is removed, so that it is made anew.
pub fn add(inbox: &Path, more: Usage) {
    let path = inbox.join(FILE);
    let appended = os::file::append_unfollowed(&path).and_then(|mut file| {
        must_be_regular(&file)?;
        let line = to_line(more);
        // Once: a second write could come after somebody else's.
        let written = file.write(line.as_bytes())?;
        if written < line.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(())
    });
    if appended.is_err_and(|error| error.kind() != io::ErrorKind::NotFound) {
        let _ = fs::remove_file(path);
    }
}

/// A file that was read.
#[derive(Debug)]
struct Known {
    sum: Sum,
    written: SystemTime,
}

impl Known {
    /// Whether its sum was counted a short while ago and nothing has happened since.
    fn is_fresh(&self, inbox: &Path, now: SystemTime) -> io::Result<bool> {
        let age = now.duration_since(self.written);
        if self.sum.lines > 1 || age.map_or(true, |age| age > FRESH) {
            return Ok(false);
        }
        for directory in directories(inbox)? {
            // One of the same tick of the clock may be younger.
            match fs::metadata(directory) {
                Ok(meta) if meta.modified()? >= self.written => return Ok(false),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(true)
    }
}

/// The file of a Maildir; `None` where there is none that is of use.
fn read(inbox: &Path) -> io::Result<Option<Known>> {
    let file = match os::file::open_unfollowed(&inbox.join(FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    must_be_regular(&file)?;
    let written = file.metadata()?.modified()?;
    let mut text = Vec::new();
    file.take(SIZE_LIMIT + 1).read_to_end(&mut text)?;
    if text.len() as u64 > SIZE_LIMIT {
        return Ok(None);
    }
    Ok(Sum::parse(&text).map(|sum| Known { sum, written }))
}

fn must_be_regular(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidInput.into())
    }
}

fn write(
    inbox: &Path,
    limits: Limits,
    usage: Usage,
    names: &mut Names,
    now: SystemTime,
) -> io::Result<()> {
    // Under a name of ours, so that the file of a process that dies here is swept.
    let tmp = inbox.join("tmp").join(names.next(now)?);
    let mut file = os::file::create_exclusive(&tmp, 0o600)?;
    let done = file
        .write_all(&to_text(limits, usage))
        .and_then(|()| fs::rename(&tmp, inbox.join(FILE)));
    if done.is_err() {
        let _ = fs::remove_file(tmp);
    }
    done
}

/// The directories that hold messages which count, `new` before `cur`: a message that goes from one to
/// the other meanwhile is counted twice and not never. Some may not be there.
fn directories(inbox: &Path) -> io::Result<Vec<PathBuf>> {
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

/// Everything that counts, and whether nothing changed meanwhile.
fn count_at_rest(inbox: &Path) -> io::Result<(Usage, bool)> {
    let mut counted = (Usage::default(), false);
    for _ in 0..COUNTS {
        let directories = directories(inbox)?;
        let before = stamps(&directories);
        let mut usage = Usage::default();
        for directory in &directories {
            usage = usage.plus(count(directory)?);
        }
        counted = (usage, stamps(&directories) == before);
        if counted.1 {
            break;
        }
    }
    Ok(counted)
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

#[cfg(test)]
#[path = "quota_tests.rs"]
mod tests;
