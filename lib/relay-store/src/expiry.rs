//! For how long a login is good.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A number of seconds, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry(i64);

impl Default for Expiry {
    /// 900 seconds, as in relay-ctrl.
    fn default() -> Expiry {
        Expiry(900)
    }
}

impl Expiry {
    /// A number of seconds; `None` for 0 and for more than anybody can mean (68 years).
    pub fn new(seconds: u64) -> Option<Expiry> {
        let seconds = i32::try_from(seconds).ok()?;
        (seconds > 0).then_some(Expiry(seconds.into()))
    }

    /// A number as strtol(3) takes it (blanks and a plus before it), with nothing behind it.
    pub fn parse(text: &[u8]) -> Option<Expiry> {
        let text = text.trim_ascii_start();
        let text = text.strip_prefix(b"+").unwrap_or(text);
        if !text.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Expiry::new(std::str::from_utf8(text).ok()?.parse().ok()?)
    }

    /// The number of seconds.
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// Whether a file with these times is good at `now` (seconds since the epoch). Exactly `self` seconds
    /// old is still good. The time of the last change of the inode counts too, as in relay-ctrl: nobody
    /// can set it, so a file that is dated ahead does not last longer. Times further ahead than the expiry
    /// come from a clock that was wrong, and are not believed.
    pub(crate) fn covers(self, meta: &Metadata, now: i64) -> bool {
        let near = |time: i64| now.abs_diff(time) <= self.0.unsigned_abs();
        near(meta.mtime()) && near(meta.ctime())
    }
}

/// Whole seconds since the epoch, as a file's time has them.
pub(crate) fn seconds(now: SystemTime) -> i64 {
    match now.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_a_positive_number_and_nothing_else() {
        assert_eq!(Expiry::parse(b"900").map(Expiry::seconds), Some(900));
        assert_eq!(Expiry::parse(b" +60").map(Expiry::seconds), Some(60));
        assert_eq!(
            Expiry::parse(b"2147483647").map(Expiry::seconds),
            Some(2_147_483_647)
        );
        let wrong: [&[u8]; 9] = [
            b"",
            b"0",
            b"-1",
            b"900s",
            b"900 ",
            b"15m",
            b"++1",
            b"2147483648",
            b"99999999999999999999",
        ];
        for wrong in wrong {
            assert_eq!(Expiry::parse(wrong), None, "{}", wrong.escape_ascii());
        }
    }
}
