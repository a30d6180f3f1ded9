//! The number of a session, which all its log lines have, whichever program of the chain writes them.
//!
//! It is the number of the process that the super-server started, as superd's own lines have it
//! (`superd: pid 7310 from ...`). The first program of ours that serves a connection takes it before it
//! forks; its copies keep it, and programs that are executed find it in [`VARIABLE`].

use std::sync::atomic::{AtomicU32, Ordering};

/// The variable in which an executed program finds the number. superd takes it away from what it
/// inherits itself.
pub const VARIABLE: &str = "SUPERD_SESSION";

/// 0 until it is known.
static ID: AtomicU32 = AtomicU32::new(0);

/// This session's number: that of who executed this program, or else of this process. To be asked for
/// before the first fork.
pub fn id() -> u32 {
    let known = ID.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    let told = std::env::var_os(VARIABLE);
    let id = told
        .and_then(|value| number(value.as_encoded_bytes()))
        .unwrap_or_else(std::process::id);
    ID.store(id, Ordering::Relaxed);
    id
}

/// What can be the number of a process and nothing else.
fn number(text: &[u8]) -> Option<u32> {
    let digits = text.first() != Some(&b'0') && text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| digits)?;
    number
        .parse()
        .ok()
        .filter(|&id| id <= crate::process::GREATEST_PID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_number_of_the_program_before_it_is_that_of_this_process() {
        assert_eq!(id(), std::process::id());
        assert_eq!(id(), std::process::id());
    }

    #[test]
    fn only_what_can_be_a_process_number_is_taken_from_the_environment() {
        assert_eq!(number(b"1"), Some(1));
        assert_eq!(number(b"4194304"), Some(4_194_304));
        for text in [
            &b""[..],
            b"0",
            b"07",
            b"+7",
            b" 7",
            b"7\n",
            b"4194305",
            b"99999999999999999999",
            b"7 ip=192.0.2.1",
        ] {
            assert_eq!(number(text), None, "{}", text.escape_ascii());
        }
    }
}
