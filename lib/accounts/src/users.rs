//! The `users` file: passwd(5)'s seven fields and two more.
//!
//! ```text
//! name:x:uid:gid:gecos:home:shell:mailbox:quota
//! ```
//!
//! `mailbox` is a path below `home`, by default `Maildir`; `quota` is that of Maildir++
//! (`10000000S,1000C`), or `NOQUOTA`, by default what `control/quota` says. Both fields may be left
//! out, so a line of passwd will do.
//! Empty lines and lines that begin with `#` say nothing.
//!
//! uid 0 never owns a mailbox: such a line is faulty.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::control::digits;
use crate::lines;

/// Where a mailbox is below its home unless the line says otherwise.
pub const DEFAULT_MAILBOX: &str = "Maildir";

/// An account with a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name as the file has it.
    pub name: Vec<u8>,
    /// Who owns the mailbox.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The home directory, absolute.
    pub home: PathBuf,
    /// The shell, for the environment of programs; may be empty.
    pub shell: Vec<u8>,
    /// The Maildir, relative to the home.
    pub mailbox: PathBuf,
    /// How much may be in it; `None` where the line does not say.
    pub quota: Option<Quota>,
}

/// A limit in the manner of Maildir++. Without either number it is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of all messages together.
    pub bytes: Option<u64>,
    /// Number of messages.
    pub messages: Option<u64>,
}

impl Quota {
    /// Whether it limits nothing.
    pub fn is_none(&self) -> bool {
        self.bytes.is_none() && self.messages.is_none()
    }

    /// Reads `10000000S`, `1000C`, both with a comma between them, or `NOQUOTA`; `None` for anything
    /// else. A 0 means no limit, as with Courier and Dovecot.
    pub fn parse(text: &[u8]) -> Option<Quota> {
        if text == b"NOQUOTA" {
            return Some(Quota::default());
        }
        let mut quota = Quota::default();
        for part in text.split(|&byte| byte == b',') {
            let (unit, number) = part.split_last()?;
            let field = match unit {
                b'S' => &mut quota.bytes,
                b'C' => &mut quota.messages,
                _ => return None,
            };
            if field.replace(digits(number)?).is_some() {
                return None;
            }
        }
        let limit = |number: Option<u64>| number.filter(|&number| number > 0);
        Some(Quota {
            bytes: limit(quota.bytes),
            messages: limit(quota.messages),
        })
    }
}

/// As it is written in the file.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.bytes, self.messages) {
            (Some(bytes), Some(messages)) => write!(f, "{bytes}S,{messages}C"),
            (Some(bytes), None) => write!(f, "{bytes}S"),
            (None, Some(messages)) => write!(f, "{messages}C"),
            (None, None) => f.write_str("NOQUOTA"),
        }
    }
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineError {
    /// Not seven to nine fields.
    Fields,
    /// The name is empty or has a byte that no name may have.
    Name,
    /// A user or group id is no number below 2^32 - 1.
    Number,
    /// The user id is 0.
    Root,
    /// The home is no absolute path.
    Home,
    /// The mailbox leads out of the home.
    Mailbox,
    /// The quota is not of the form `10000000S,1000C`.
    Quota,
    /// The line is too long.
    TooLong,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LineError::Fields => "it does not have seven, eight or nine fields",
            LineError::Name => "its name cannot be one",
            LineError::Number => "its user or group id is no number",
            LineError::Root => "user id 0 never owns a mailbox",
            LineError::Home => "its home is no absolute path",
            LineError::Mailbox => "its mailbox is no path below the home",
            LineError::Quota => "its quota is not of the form 10000000S,1000C",
            LineError::TooLong => "it is too long",
        })
    }
}

/// Reads one line.
pub fn parse(line: &[u8]) -> Result<Account, LineError> {
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
    let (&[name, _, uid, gid, _, home, shell], added) =
        fields.split_first_chunk().ok_or(LineError::Fields)?;
    let (mailbox, quota) = match added {
        [] => (&b""[..], &b""[..]),
        [mailbox] => (*mailbox, &b""[..]),
        [mailbox, quota] => (*mailbox, *quota),
        _ => return Err(LineError::Fields),
    };
    if name.is_empty() || !name.iter().all(|&byte| is_name_byte(byte)) {
        return Err(LineError::Name);
    }
    let uid = id(uid)?;
    if uid == 0 {
        return Err(LineError::Root);
    }
    let home = Path::new(OsStr::from_bytes(home));
    if !home.is_absolute() || line.contains(&0) {
        return Err(LineError::Home);
    }
    Ok(Account {
        name: name.to_vec(),
        uid,
        gid: id(gid)?,
        home: home.to_owned(),
        shell: shell.to_vec(),
        mailbox: parse_mailbox(mailbox)?,
        quota: parse_quota(quota)?,
    })
}

/// Names come from an administrator and meet texts from the network only in comparisons; what
/// could not be a local part of ours is a typing error.
fn is_name_byte(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && byte != b'/' && byte != b'@'
}

/// The last number is kept out: to setuid(2) it means "leave as it is".
fn id(text: &[u8]) -> Result<u32, LineError> {
    digits(text)
        .and_then(|number| u32::try_from(number).ok())
        .filter(|&number| number != u32::MAX)
        .ok_or(LineError::Number)
}

fn parse_mailbox(text: &[u8]) -> Result<PathBuf, LineError> {
    let path = match text {
        b"" => Path::new(DEFAULT_MAILBOX),
        text => Path::new(OsStr::from_bytes(text)),
    };
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    let path_is_below = path.components().all(inside)
        && path
            .components()
            .any(|part| matches!(part, Component::Normal(_)));
    // Collected from its parts, `./Maildir/` and `Maildir` are one mailbox.
    path_is_below
        .then(|| {
            path.components()
                .filter(|part| matches!(part, Component::Normal(_)))
                .collect()
        })
        .ok_or(LineError::Mailbox)
}

fn parse_quota(text: &[u8]) -> Result<Option<Quota>, LineError> {
    if text.is_empty() {
        return Ok(None);
    }
    Quota::parse(text).map(Some).ok_or(LineError::Quota)
}

/// A line of the file that was looked for.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) account: Result<Account, LineError>,
}

pub(crate) fn read_line(line: &lines::Numbered<'_>) -> Line {
    let account = if line.cut {
        Err(LineError::TooLong)
    } else {
        parse(line.text)
    };
    Line {
        number: line.number,
        account,
    }
}

/// The name of a line, which may be anything; empty where it says nothing.
pub(crate) fn name_of(line: &[u8]) -> &[u8] {
    if line.first() == Some(&b'#') {
        return b"";
    }
    line.split(|&byte| byte == b':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joe() -> Account {
        Account {
            name: b"joe".to_vec(),
            uid: 5000,
            gid: 5001,
            home: PathBuf::from("/var/vmail/joe"),
            shell: Vec::new(),
            mailbox: PathBuf::from("Maildir"),
            quota: None,
        }
    }

    #[test]
    fn a_line_gives_its_account() {
        let line = b"joe:x:5000:5001:Joe:/var/vmail/joe:/bin/false:mail/in/:10000000S,1000C";
        let expected = Account {
            shell: b"/bin/false".to_vec(),
            mailbox: PathBuf::from("mail/in"),
            quota: Some(Quota {
                bytes: Some(10_000_000),
                messages: Some(1000),
            }),
            ..joe()
        };
        assert_eq!(parse(line), Ok(expected));
    }

    #[test]
    fn a_line_of_passwd_will_do() {
        for end in ["", ":", "::", ":./Maildir", ":Maildir:"] {
            let line = format!("joe:x:5000:5001::/var/vmail/joe:{end}");
            assert_eq!(parse(line.as_bytes()), Ok(joe()), "{line}");
        }
    }

    #[test]
    fn each_fault_is_told() {
        let cases = [
            ("joe:x:5000:5001::/h", LineError::Fields),
            ("joe:x:5000:5001::/h::m:q:more", LineError::Fields),
            (":x:5000:5001::/h:", LineError::Name),
            ("a b:x:5000:5001::/h:", LineError::Name),
            ("a/b:x:5000:5001::/h:", LineError::Name),
            ("joe:x::5001::/h:", LineError::Number),
            ("joe:x:5000:-1::/h:", LineError::Number),
            ("joe:x:4294967295:1::/h:", LineError::Number),
            ("joe:x:4294967296:1::/h:", LineError::Number),
            ("joe:x:0:0::/h:", LineError::Root),
            ("joe:x:00:0::/h:", LineError::Root),
            ("joe:x:5000:5001::h:", LineError::Home),
            ("joe:x:5000:5001::/h\0:", LineError::Home),
            ("joe:x:5000:5001::/h::/Maildir", LineError::Mailbox),
            ("joe:x:5000:5001::/h::../x", LineError::Mailbox),
            ("joe:x:5000:5001::/h::a/../../x", LineError::Mailbox),
            ("joe:x:5000:5001::/h::.", LineError::Mailbox),
            ("joe:x:5000:5001::/h:::10M", LineError::Quota),
            ("joe:x:5000:5001::/h:::S", LineError::Quota),
            ("joe:x:5000:5001::/h:::1S,2S", LineError::Quota),
            ("joe:x:5000:5001::/h:::1S,", LineError::Quota),
            ("joe:x:5000:5001::/h:::NOQUOTA,1S", LineError::Quota),
            ("joe:x:5000:5001::/h:::noquota", LineError::Quota),
        ];
        for (line, fault) in cases {
            assert_eq!(parse(line.as_bytes()), Err(fault), "{line}");
        }
    }

    #[test]
    fn no_quota_is_said_by_its_word_or_by_a_nought_and_is_not_the_same_as_nothing() {
        assert_eq!(parse_quota(b""), Ok(None));
        for none in ["NOQUOTA", "0S", "0S,0C", "0C,0S"] {
            let quota = Quota::parse(none.as_bytes()).expect(none);
            assert!(quota.is_none(), "{none}");
        }
        let messages = Some(5);
        assert_eq!(
            Quota::parse(b"0S,5C"),
            Some(Quota {
                bytes: None,
                messages
            })
        );
        assert_eq!(Quota::parse(b""), None);
    }
}
