//! Unique file names: `SECONDS.M<usec>P<pid>Q<counter>R<random>.HOST`, and `,S=size` at the end of
//! a delivered one.
//!
//! The form is that of maildir(5) with the parts that other deliverers add (M, P and Q as in
//! qmail's successors and Dovecot); `S=` is what Courier and Dovecot read sizes from. Names hold
//! no `/` and no `:` (the colon begins the flags) and fit into 255 bytes with flags behind them.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// The most bytes of a host's name that go into a file name.
const HOST_BYTES: usize = 120;

/// Fills a buffer with random bytes.
pub type Random = fn(&mut [u8]) -> io::Result<()>;

/// A host's name as it may stand in a file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// `/`, `:` and `,` become `\057`, `\072` and `\054`, other bytes that are not printable
    /// ASCII `_`; an empty name becomes `localhost`; a long one is cut.
    pub fn new(name: &[u8]) -> Host {
        let mut text = String::new();
        for &byte in name {
            match byte {
                b'/' => text.push_str("\\057"),
                b':' => text.push_str("\\072"),
                b',' => text.push_str("\\054"),
                b'!'..=b'~' => text.push(char::from(byte)),
                _ => text.push('_'),
            }
            if text.len() >= HOST_BYTES {
                text.truncate(HOST_BYTES);
                break;
            }
        }
        if text.is_empty() {
            text.push_str("localhost");
        }
        Host(text)
    }
}

/// Whether a file name has the form of those made here: `SECONDS.M<digits>P<digits>Q<digits>R...`.
pub(crate) fn is_ours(name: &[u8]) -> bool {
    let mut rest = name;
    for mark in [&b""[..], b".M", b"P", b"Q"] {
        let Some(after) = rest.strip_prefix(mark) else {
            return false;
        };
        let digits = after
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 {
            return false;
        }
        rest = &after[digits..];
    }
    rest.starts_with(b"R")
}

/// When the name of a message was made, in seconds since the epoch; 0 where it does not say.
pub(crate) fn second_of(name: &[u8]) -> u64 {
    let digits = name.split(|byte| !byte.is_ascii_digit()).next();
    crate::sizes::number(digits.unwrap_or_default()).unwrap_or(0)
}

/// Makes names that differ from one another and from those of every other process and host.
#[derive(Debug)]
pub struct Names {
    host: Host,
    pid: u32,
    counter: u64,
    random: Random,
}

impl Names {
    /// For process `pid` on `host`.
    pub fn new(host: Host, pid: u32, random: Random) -> Names {
        Names {
            host,
            pid,
            counter: 0,
            random,
        }
    }

    /// The next name. Fails only where `random` does.
    pub fn next(&mut self, now: SystemTime) -> io::Result<String> {
        let mut bytes = [0; 8];
        (self.random)(&mut bytes)?;
        self.counter = self.counter.wrapping_add(1);
        Ok(unique(
            now,
            self.pid,
            self.counter,
            u64::from_be_bytes(bytes),
            &self.host,
        ))
    }
}

/// The name made of its parts.
pub fn unique(now: SystemTime, pid: u32, counter: u64, random: u64, host: &Host) -> String {
    // A clock before 1970 gives 0: the other parts keep names apart.
    let time = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, micros) = (time.as_secs(), time.subsec_micros());
    let host = &host.0;
    format!("{seconds}.M{micros}P{pid}Q{counter}R{random:016x}.{host}")
}

/// The name of a delivered message of `size` bytes.
pub fn with_size(unique: &str, size: u64) -> String {
    format!("{unique},S={size}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_name_is_made_of_its_parts() {
        let now = UNIX_EPOCH + Duration::from_micros(1_790_000_000_000_042);
        let name = unique(now, 77, 3, 0xabc, &Host::new(b"mx.example.org"));
        assert_eq!(name, "1790000000.M42P77Q3R0000000000000abc.mx.example.org");
        assert_eq!(with_size(&name, 12), format!("{name},S=12"));
    }

    #[test]
    fn a_host_cannot_bring_a_path_flags_or_a_size_into_a_name() {
        assert_eq!(Host::new(b"a/b:2,S").0, "a\\057b\\0722\\054S");
        assert_eq!(Host::new(b"a b\0\xff").0, "a_b__");
        assert_eq!(Host::new(b"").0, "localhost");
    }

    #[test]
    fn the_longest_name_leaves_room_for_flags() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(99_999_999_999);
        let host = Host::new(&[b'/'; 300]);
        let name = with_size(&unique(now, u32::MAX, u64::MAX, u64::MAX, &host), u64::MAX);
        assert!(name.len() + ":2,DFPRSTabcdefghijklmnopqrstuvwxyz".len() <= 255);
        assert_eq!(Host::new(&[b'h'; HOST_BYTES]).0.len(), HOST_BYTES);
        assert_eq!(Host::new(&[b'h'; HOST_BYTES + 1]).0.len(), HOST_BYTES);
    }

    #[test]
    fn names_of_one_instant_differ() {
        let mut names = Names::new(Host::new(b"h"), 1, |_| Ok(()));
        let now = SystemTime::UNIX_EPOCH;
        assert_ne!(names.next(now).expect("a"), names.next(now).expect("b"));
    }

    #[test]
    fn without_randomness_there_is_no_name() {
        let mut names = Names::new(Host::new(b"h"), 1, |_| Err(io::ErrorKind::Other.into()));
        assert!(names.next(SystemTime::UNIX_EPOCH).is_err());
    }
}
