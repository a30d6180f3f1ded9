//! The counts of a session and their limits: pure.

use wire::session::TOO_MANY_BAD;
use wire::{BadCommands, Refusals};

use crate::texts;

/// After so many temporary refusals of recipients, messages that are declared too large, and commands
/// that follow a refused one, the session ends.
pub const DEFERRAL_LIMIT: u64 = 1000;

/// The limits of a dialogue; 0 is no limit where the field says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bad commands; 0 is none.
    pub bad_commands: u64,
    /// Recipients that are refused for good; 0 is none.
    pub refused: u64,
    /// Accepted recipients of one message.
    pub recipients: u64,
    /// Accepted recipients of all messages together; 0 is none.
    pub session_recipients: u64,
    /// Bytes of a message; 0 is none.
    pub databytes: u64,
}

/// A limit is reached: the session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// To the client.
    pub reply: &'static str,
    /// To the log.
    pub reason: &'static str,
}

/// What has happened so far.
#[derive(Debug)]
pub struct Tally {
    limits: Limits,
    /// Accepted recipients, also of messages that did not come.
    pub recipients: u64,
    /// Recipients that were refused for good.
    pub refused: u64,
    /// Temporary refusals.
    pub deferred: u64,
    /// The refusals that the log has, and those that it has not.
    pub refusals: Refusals,
    bad_commands: BadCommands,
}

impl Tally {
    /// Nothing has happened yet.
    pub fn new(limits: Limits) -> Tally {
        Tally {
            limits,
            recipients: 0,
            refused: 0,
            deferred: 0,
            refusals: Refusals::default(),
            bad_commands: BadCommands::up_to(limits.bad_commands),
        }
    }

    /// Goes on with other limits, as where the session is another client's from now on.
    pub fn limit_to(&mut self, limits: Limits) {
        self.bad_commands.limit_to(limits.bad_commands);
        self.limits = limits;
    }

    /// Counts a command that nobody should send.
    pub fn count_bad_command(&mut self) -> Option<Over> {
        self.bad_commands.count().then_some(Over {
            reply: texts::TOO_MANY_BAD,
            reason: TOO_MANY_BAD,
        })
    }

    /// Counts a recipient that was refused, for good or until later.
    pub fn count_refused_recipient(&mut self, is_temporary: bool) -> Option<Over> {
        if is_temporary {
            return self.count_deferral();
        }
        self.refused += 1;
        let limit = self.limits.refused;
        (limit > 0 && self.refused >= limit).then_some(Over {
            reply: texts::TOO_MANY_REFUSED,
            reason: "too many refused recipients",
        })
    }

    /// Counts a refusal that an honest client may get many of.
    pub fn count_deferral(&mut self) -> Option<Over> {
        self.deferred += 1;
        (self.deferred >= DEFERRAL_LIMIT).then_some(Over {
            reply: texts::TOO_MANY_REFUSED,
            reason: "too many deferrals",
        })
    }

    /// Whether another message may begin: all recipients that the session may have may be taken.
    pub fn may_begin(&self) -> Option<Over> {
        self.has_all_recipients().then_some(Over {
            reply: texts::SESSION_HAD_TOO_MANY,
            reason: "too many recipients in one session",
        })
    }

    /// The reply to a further recipient of a message that has `count`, where that is one too many.
    pub fn refuse_further(&self, count: usize) -> Option<&'static str> {
        if count as u64 >= self.limits.recipients {
            Some(texts::TOO_MANY_RECIPIENTS)
        } else if self.has_all_recipients() {
            Some(texts::TOO_MANY_OF_SESSION)
        } else {
            None
        }
    }

    /// Whether a message of the size that MAIL declares is too large.
    pub fn is_too_big(&self, declared: Option<u64>) -> bool {
        let limit = self.limits.databytes;
        limit > 0 && declared.is_some_and(|size| size > limit)
    }

    fn has_all_recipients(&self) -> bool {
        let limit = self.limits.session_recipients;
        limit > 0 && self.recipients >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        Tally::new(Limits {
            bad_commands: 2,
            refused: 2,
            recipients: 3,
            session_recipients: 4,
            databytes: 10,
        })
    }

    #[test]
    fn the_last_of_the_bad_commands_and_of_the_refusals_ends_the_session() {
        let mut tally = tally();
        assert_eq!(tally.count_bad_command(), None);
        let reason = |over: Option<Over>| over.map(|over| over.reason);
        let over = reason(tally.count_bad_command());
        assert_eq!(over, Some("too many bad commands"));
        assert_eq!(tally.count_refused_recipient(false), None);
        assert_eq!(tally.count_refused_recipient(true), None);
        let over = reason(tally.count_refused_recipient(false));
        assert_eq!(over, Some("too many refused recipients"));
        assert_eq!((tally.refused, tally.deferred), (2, 1));
        for _ in 2..DEFERRAL_LIMIT {
            assert_eq!(tally.count_deferral(), None);
        }
        assert_eq!(reason(tally.count_deferral()), Some("too many deferrals"));
    }

    #[test]
    fn zero_is_no_limit() {
        let mut tally = Tally::new(Limits {
            bad_commands: 0,
            refused: 0,
            recipients: 3,
            session_recipients: 0,
            databytes: 0,
        });
        tally.recipients = u64::MAX;
        for _ in 0..10_000 {
            assert_eq!(tally.count_bad_command(), None);
            assert_eq!(tally.count_refused_recipient(false), None);
        }
        assert_eq!(tally.may_begin(), None);
        assert_eq!(tally.refuse_further(2), None);
        assert!(!tally.is_too_big(Some(u64::MAX)));
    }

    #[test]
    fn a_message_and_a_session_have_so_many_recipients_and_no_more() {
        let mut tally = tally();
        assert_eq!(tally.refuse_further(2), None);
        assert_eq!(tally.refuse_further(3), Some(texts::TOO_MANY_RECIPIENTS));
        tally.recipients = 3;
        assert_eq!((tally.refuse_further(2), tally.may_begin()), (None, None));
        tally.recipients = 4;
        assert_eq!(tally.refuse_further(2), Some(texts::TOO_MANY_OF_SESSION));
        assert!(tally.may_begin().is_some());
    }

    #[test]
    fn a_declared_size_over_the_limit_is_too_big() {
        let tally = tally();
        assert!(!tally.is_too_big(None));
        assert!(!tally.is_too_big(Some(10)));
        assert!(tally.is_too_big(Some(11)));
    }
}
