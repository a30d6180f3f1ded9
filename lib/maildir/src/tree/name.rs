//! The name of a mailbox, as a value that can stand on the disk.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::utf7;

/// How long a name of a directory may be (limits.h: NAME_MAX).
const DIRECTORY_BYTES: usize = 255;

const INBOX: &[u8] = b"INBOX";

/// Why something is not the name of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadName {
    /// There is nothing.
    Empty,
    /// One of its levels is empty.
    EmptyLevel,
    /// A control character or a slash is in it.
    Character,
    /// A dot that is not the separator.
    Dot,
    /// It is not modified UTF-7 in its one form.
    Encoding,
    /// Its directory's name would have more than 255 bytes.
    TooLong,
    /// It does not begin with the prefix of all mailboxes.
    Outside,
    /// INBOX below the prefix: the name INBOX is taken.
    Reserved,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadName::Empty => "A mailbox needs a name.",
            BadName::EmptyLevel => "The name has an empty level.",
            BadName::Character => "The name has a character that no mailbox can have.",
            BadName::Dot => "The name has a dot, which no mailbox can have here.",
            BadName::Encoding => "The name is not modified UTF-7.",
            BadName::TooLong => "The name is too long.",
            BadName::Outside => "The name is outside the namespace.",
            BadName::Reserved => "INBOX is the name of another mailbox.",
        })
    }
}

impl std::error::Error for BadName {}

/// The name of a mailbox: its levels, each as on the disk.
///
/// INBOX is the Maildir itself when it stands alone. With levels below it the first one is a level as
/// others are: `INBOX.x` is `.INBOX.x` on the disk, and what is above it is INBOX. At the first level
/// it is read in any case and is INBOX from there on, also with levels below it. Dovecot does both.
///
/// Names are in order level by level: what is below a name follows it at once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// The levels with dots between them.
    text: Vec<u8>,
}

impl Name {
    /// The Maildir itself.
    pub fn inbox() -> Name {
        Name {
            text: INBOX.to_vec(),
        }
    }

    /// From its levels, in modified UTF-7.
    pub fn new<'l>(levels: impl IntoIterator<Item = &'l [u8]>) -> Result<Name, BadName> {
        let mut text = Vec::new();
        for (n, level) in levels.into_iter().enumerate() {
            check_level(level)?;
            if n > 0 {
                text.push(b'.');
            }
            text.extend_from_slice(level);
        }
        if let Some(first) = text.get_mut(..INBOX.len())
            && first.eq_ignore_ascii_case(INBOX)
            && text.get(INBOX.len()).is_none_or(|&next| next == b'.')
        {
            text[..INBOX.len()].copy_from_slice(INBOX);
        }
        match text.len() {
            0 => Err(BadName::Empty),
            DIRECTORY_BYTES.. => Err(BadName::TooLong),
            _ => Ok(Name { text }),
        }
    }

    /// From its levels with dots between them, as files on the disk have it.
    pub fn from_disk(text: &[u8]) -> Result<Name, BadName> {
        match text {
            b"" => Err(BadName::Empty),
            _ => Name::new(text.split(|&byte| byte == b'.')),
        }
    }

    /// The mailbox whose directory in the root has this name. None if that is no mailbox: `.INBOX`
    /// and `.inbox.x` are none, for nobody could say their names.
    pub fn from_dir_name(dir: &OsStr) -> Option<Name> {
        let text = dir.as_bytes().strip_prefix(b".")?;
        let name = Name::from_disk(text).ok()?;
        (name.text == text && !name.is_inbox()).then_some(name)
    }

    /// The directory in the root; none for INBOX, which is the root.
    pub fn dir_name(&self) -> Option<OsString> {
        (!self.is_inbox()).then(|| OsString::from_vec([b".", &self.text[..]].concat()))
    }

    /// Whether it is INBOX itself.
    pub fn is_inbox(&self) -> bool {
        self.text == INBOX
    }

    /// Its levels, the uppermost first, in modified UTF-7.
    pub fn levels(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|&byte| byte == b'.')
    }

    /// Its levels with dots between them, as files on the disk have it.
    pub fn as_disk(&self) -> &[u8] {
        &self.text
    }

    /// The name one level above.
    pub fn parent(&self) -> Option<Name> {
        let dot = memchr::memrchr(b'.', &self.text)?;
        Some(Name {
            text: self.text[..dot].to_vec(),
        })
    }

    /// Whether it is below `other`.
    pub fn is_below(&self, other: &Name) -> bool {
        self.below(other).is_some()
    }

    /// What follows `other` and a dot.
    fn below(&self, other: &Name) -> Option<&[u8]> {
        self.text.strip_prefix(&other.text[..])?.strip_prefix(b".")
    }

    /// The name that this one, which is `from` or below it, has when `from` is called `to`.
    pub fn moved(&self, from: &Name, to: &Name) -> Option<Result<Name, BadName>> {
        if self == from {
            return Some(Ok(to.clone()));
        }
        let rest = self.below(from)?;
        let text = [&to.text[..], b".", rest].concat();
        Some(match text.len() {
            DIRECTORY_BYTES.. => Err(BadName::TooLong),
            _ => Ok(Name { text }),
        })
    }
}

/// What a level must be.
fn check_level(level: &[u8]) -> Result<(), BadName> {
    if level.is_empty() {
        return Err(BadName::EmptyLevel);
    }
    if level.contains(&b'.') {
        return Err(BadName::Dot);
    }
    if level
        .iter()
        .any(|byte| byte.is_ascii_control() || *byte == b'/')
    {
        return Err(BadName::Character);
    }
    if !utf7::is_canonical(level) {
        return Err(BadName::Encoding);
    }
    // Only behind a shift can there be control characters now.
    let has_control = level.contains(&b'&')
        && utf7::decode(level).is_none_or(|text| text.chars().any(char::is_control));
    match has_control {
        true => Err(BadName::Character),
        false => Ok(()),
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> Ordering {
        self.levels().cmp(other.levels())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Canonical modified UTF-7 is printable US-ASCII.
        write!(f, "{}", self.text.escape_ascii())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

#[cfg(test)]
#[path = "name_tests.rs"]
mod tests;
