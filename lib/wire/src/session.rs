//! What a session has, whatever it speaks: the limits of a refused client, the count of bad commands, and its end.
//!
//! It stands below the protocols, so that POP3, IMAP, SMTP and LMTP count and end alike; what they say to the client
//! is theirs. These are values and no object that all servers would own: the dialogues before a login are pure, and
//! have a count and no clock.

use std::fmt;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use os::Exit;

use crate::{Limits, Trouble};

/// How long a client may take to read that it is not served.
pub const REFUSAL_TIME: Duration = Duration::from_secs(60);

/// What the log says of a session that ended for its bad commands.
pub const TOO_MANY_BAD: &str = "too many bad commands";

/// The commands of a session that nobody should send, up to the limit at which it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCommands {
    count: u64,
    limit: u64,
}

impl BadCommands {
    /// The limit where no setting says another one.
    pub const DEFAULT_LIMIT: u64 = 20;

    /// No such command yet; a `limit` of 0 is none.
    pub fn up_to(limit: u64) -> BadCommands {
        BadCommands { count: 0, limit }
    }

    /// Goes on with another limit, as where the session is another client's from now on.
    pub fn limit_to(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Counts one; `true` where the session is to end.
    #[must_use]
    pub fn count(&mut self) -> bool {
        self.count = self.count.saturating_add(1);
        self.limit > 0 && self.count >= self.limit
    }

    /// Counts from zero again: only those in a row end an IMAP session.
    pub fn forgive(&mut self) {
        self.count = 0;
    }
}

impl Default for BadCommands {
    fn default() -> BadCommands {
        BadCommands::up_to(BadCommands::DEFAULT_LIMIT)
    }
}

/// How a session ended. Its text is the reason that the log gives.
#[derive(Debug)]
pub enum End {
    /// The client said good-bye, in the word of its protocol.
    Quit(&'static str),
    /// The server ended it, for this reason.
    Closed(&'static str),
    /// The connection ended it.
    Trouble(Trouble),
}

impl End {
    /// The exit code of a program that tells by it whether the client said good-bye: 0 or 1.
    pub fn exit(&self) -> Exit {
        match self {
            End::Quit(_) => Exit::OK,
            End::Closed(_) | End::Trouble(_) => Exit::NO,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Quit(word) | End::Closed(word) => f.write_str(word),
            End::Trouble(trouble) => trouble.fmt(f),
        }
    }
}

impl Limits {
    /// The limits of a session that begins at `start` and may last for `session`; one that would outlast the clock
    /// is over at once.
    pub fn lasting(start: Instant, read: Duration, session: Duration) -> Limits {
        Limits {
            read,
            session_end: start.checked_add(session).unwrap_or(start),
        }
    }

    /// The limits where a client is only told that it is not served.
    pub fn to_refuse(start: Instant) -> Limits {
        Limits::lasting(start, REFUSAL_TIME, REFUSAL_TIME)
    }
}

/// Writes last words to descriptor 1 for a client that is not served, or not any more, within [`REFUSAL_TIME`].
/// Nothing is read, and a client that does not take them is lost.
pub fn last_words(text: &[u8]) {
    let deadline = Instant::now() + REFUSAL_TIME;
    let _ = os::fd::write_all_until(os::fd::standard_output().as_fd(), text, deadline);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_at_the_limit_of_bad_commands_and_not_before() {
        let mut bad = BadCommands::default();
        for _ in 1..BadCommands::DEFAULT_LIMIT {
            assert!(!bad.count());
        }
        assert!(bad.count());
        bad.forgive();
        assert!(!bad.count());
    }

    #[test]
    fn a_limit_of_zero_is_none() {
        let mut bad = BadCommands::up_to(0);
        assert!((0..1000).all(|_| !bad.count()));
    }

    #[test]
    fn only_a_good_bye_is_exit_code_0() {
        assert_eq!(End::Quit("quit").exit(), Exit::OK);
        assert_eq!(End::Closed(TOO_MANY_BAD).exit(), Exit::NO);
        assert_eq!(End::Trouble(Trouble::Closed).exit(), Exit::NO);
        let reason = End::Trouble(Trouble::Timeout).to_string();
        assert_eq!(reason, "the client was silent for too long");
    }

    #[test]
    fn a_session_that_would_outlast_the_clock_is_over_at_once() {
        let start = Instant::now();
        let limits = Limits::lasting(start, REFUSAL_TIME, Duration::MAX);
        assert_eq!(limits.session_end, start);
        assert_eq!(Limits::to_refuse(start).session_end, start + REFUSAL_TIME);
    }
}
