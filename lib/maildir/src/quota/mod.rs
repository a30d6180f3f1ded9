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
//! found out about it, so it can be lost at any time.
//!
//! - [`Limits`], [`Usage`], [`Change`], [`Sum`]: the file's content, as values;
//! - [`would_exceed`]: the question of who may not write there;
//! - [`Account`] and [`Entry`]: whoever changes what counts, in step with all others;
//! - `count`: what is there in truth.

mod account;
mod count;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};

pub use account::{Account, Entry, Fit};
pub use count::folder_usage;
pub(crate) use count::usage_of;

use count::directories;

/// The file.
pub const FILE: &str = "maildirsize";

/// A larger file is written anew.
pub const SIZE_LIMIT: u64 = 5120;

/// How long a sum that is over the quota is believed.
pub const FRESH: Duration = Duration::from_secs(15 * 60);

/// The folder that does not count.
pub const TRASH: &str = ".Trash";

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

/// How what is in a Maildir changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    bytes: i64,
    messages: i64,
}

impl Change {
    /// So much comes.
    pub fn more(usage: Usage) -> Change {
        let signed = |number| i64::try_from(number).unwrap_or(i64::MAX);
        Change {
            bytes: signed(usage.bytes),
            messages: signed(usage.messages),
        }
    }

    /// So much goes.
    pub fn less(usage: Usage) -> Change {
        Change::default().minus(Change::more(usage))
    }

    /// Both.
    pub fn plus(self, other: Change) -> Change {
        Change {
            bytes: self.bytes.saturating_add(other.bytes),
            messages: self.messages.saturating_add(other.messages),
        }
    }

    /// What is left of it after the other.
    fn minus(self, other: Change) -> Change {
        Change {
            bytes: self.bytes.saturating_sub(other.bytes),
            messages: self.messages.saturating_sub(other.messages),
        }
    }

    fn to_line(self) -> String {
        format!("{} {}\n", self.bytes, self.messages)
    }
}

impl Limits {
    /// Whether so much may be there.
    pub fn allow(&self, usage: Usage) -> bool {
        self.bytes.is_none_or(|most| usage.bytes <= most)
            && self.messages.is_none_or(|most| usage.messages <= most)
    }

    /// What the first line of a file says, however the others are.
    fn of_text(text: &[u8]) -> Option<Limits> {
        let end = memchr::memchr(b'\n', text)?;
        Limits::parse(text[..end].trim_ascii())
    }

    /// From a line such as `10000000S,1000C`. A 0 means no limit.
    pub fn parse(line: &[u8]) -> Option<Limits> {
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
    text.extend_from_slice(Change::more(usage).to_line().as_bytes());
    text
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

/// A file that was read.
#[derive(Debug)]
struct Known {
    sum: Sum,
    written: SystemTime,
}

impl Known {
    fn of(text: &[u8], written: SystemTime) -> Option<Known> {
        let is_long = text.len() as u64 > SIZE_LIMIT;
        let sum = Sum::parse(text).filter(|_| !is_long);
        sum.map(|sum| Known { sum, written })
    }

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
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(Known::of(&text_of(&file)?, meta.modified()?))
}

/// The beginning of a file, one byte more than it may have.
fn text_of(file: &File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(SIZE_LIMIT + 1).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
