//! The pause before the last step, for a caller that has something else to do first.
//!
//! When every copy is written and synced, one byte goes to descriptor 5. Then one byte is awaited behind
//! the envelope: with it the copies become visible; without it, at the end of the pipe, they are taken
//! away. So a caller that dies has sent nothing, as before the last NUL of the envelope.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use crate::failure::{Code, Failure};

/// The word that asks for it.
pub const OPTION: &str = "--hold";

/// Where it is said that the copies are ready; a pipe.
pub const READY: RawFd = 5;

/// What is said there, and what is awaited.
pub const WORD: &[u8] = b"K";

/// How long the word is awaited: longer than any caller takes, whose client waits for ten minutes (RFC
/// 5321 section 4.5.3.2.6).
pub const HOLD_TIME: Duration = Duration::from_secs(15 * 60);

/// How long the pipe is waited for; it is empty.
const SAY_TIME: Duration = Duration::from_secs(1);

/// A delivery that will be held.
#[derive(Debug)]
pub struct Hold {
    ready: Option<OwnedFd>,
}

impl Hold {
    /// Takes the descriptor over, so that no program of a user inherits it.
    pub fn begin() -> Hold {
        Hold {
            ready: os::fd::take_pipe_writer(READY).ok().flatten(),
        }
    }

    /// Says that everything is ready, and waits for the word on `envelope`. An error is that nothing may be
    /// shown.
    pub fn wait(self, envelope: BorrowedFd<'_>) -> Result<(), Failure> {
        self.wait_until(envelope, Instant::now() + HOLD_TIME)
    }

    fn wait_until(self, envelope: BorrowedFd<'_>, deadline: Instant) -> Result<(), Failure> {
        let failure = |reason: &str| Failure::new(Code::Read, reason.to_owned());
        let ready = self
            .ready
            .ok_or_else(|| failure("descriptor 5 is no pipe to write to"))?;
        os::fd::write_all_until(ready.as_fd(), WORD, Instant::now() + SAY_TIME)
            .map_err(|_| failure("the sender has gone before it was told"))?;
        drop(ready);
        let mut word = [0; 1];
        match os::fd::read_until(envelope, &mut word, deadline) {
            Ok(1..) if word == WORD => Ok(()),
            Ok(1..) => Err(failure("what stands behind the envelope is not the word")),
            Ok(_) => Err(failure("the sender has taken the message back")),
            Err(error) => Err(Failure::reading("the word behind the envelope", &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};

    use super::*;

    fn hold(word: &[u8], closes: bool) -> (Result<(), Failure>, Vec<u8>) {
        let (mut told, ready) = io::pipe().expect("a pipe");
        let (envelope, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(word).expect("room");
        let open = (!closes).then_some(writer);
        let hold = Hold {
            ready: Some(ready.into()),
        };
        let soon = Instant::now() + Duration::from_millis(50);
        let done = hold.wait_until(envelope.as_fd(), soon);
        drop(open);
        let mut said = Vec::new();
        told.read_to_end(&mut said).expect("read");
        (done, said)
    }

    #[test]
    fn it_goes_on_with_the_word_and_with_nothing_else() {
        assert_eq!(hold(b"K", false), (Ok(()), b"K".to_vec()));
        for (word, closes, code) in [
            (&b""[..], true, Code::Read),
            (b"", false, Code::Timeout),
            (b"\0", false, Code::Read),
            (b"k", true, Code::Read),
        ] {
            let (done, said) = hold(word, closes);
            assert_eq!(done.expect_err("no word").code, code);
            assert_eq!(said, b"K");
        }
    }

    #[test]
    fn a_sender_that_has_gone_gets_nothing_delivered() {
        let (told, ready) = io::pipe().expect("a pipe");
        drop(told);
        let (envelope, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(WORD).expect("room");
        let ready = Some(ready.into());
        assert!(Hold { ready }.wait(envelope.as_fd()).is_err());
        assert!(Hold { ready: None }.wait(envelope.as_fd()).is_err());
    }
}
