//! When a failed login is answered: the schedules of all programs, side by side.
//!
//! | program | delay of the 1st, 2nd, ... failure | why |
//! |---|---|---|
//! | popup, imapup | 1, 2, 4, 8, 15, 15, ... s | MAXAUTHFAIL may be 0, no limit: then it is the delay that slows guessing down |
//! | smtpd | 3 s each | the fifth failure always ends the session, so the delay need not grow |
//! | authd | 2 s each | one question a connection: there is nothing to count |
//!
//! In all of them the delay counts from the question, and an answer that would come later comes at the next
//! multiple: how long a check took, which may tell whether an account exists, does not show.

use std::time::Duration;

/// A schedule of delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// By the number of failures before; the last is for all that follow.
    units: &'static [u32],
    unit: Duration,
}

impl Backoff {
    /// Of popup and imapup.
    pub const LOGIN: Backoff = Backoff::seconds(&[1, 2, 4, 8, 15]);
    /// Of smtpd's AUTH.
    pub const SMTP: Backoff = Backoff::seconds(&[3]);
    /// Of authd.
    pub const AUTHD: Backoff = Backoff::seconds(&[2]);

    const fn seconds(units: &'static [u32]) -> Backoff {
        Backoff {
            units,
            unit: Duration::from_secs(1),
        }
    }

    /// The schedule with another unit than a second.
    #[must_use]
    pub fn with_unit(self, unit: Duration) -> Backoff {
        Backoff { unit, ..self }
    }

    /// The delay from the question to the answer, where `failures` logins failed before.
    pub fn delay(&self, failures: u32) -> Duration {
        let at = usize::try_from(failures).unwrap_or(usize::MAX);
        let units = self.units.get(at).or(self.units.last());
        self.unit * units.copied().unwrap_or(0)
    }

    /// How long the answer is still to wait where the question was `gone` ago and `failures` logins failed before.
    /// Who took longer than the delay waits for its next multiple.
    pub fn rest(&self, failures: u32, gone: Duration) -> Duration {
        let delay = self.delay(failures);
        let over = gone.as_nanos().checked_rem(delay.as_nanos()).unwrap_or(0);
        delay.saturating_sub(Duration::from_nanos(u64::try_from(over).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_waits_longer_up_to_the_last_delay() {
        let seconds = |failures| Backoff::LOGIN.delay(failures).as_secs();
        let all: Vec<u64> = (0..7).map(seconds).collect();
        assert_eq!(all, [1, 2, 4, 8, 15, 15, 15]);
        assert_eq!(seconds(u32::MAX), 15);
        for failures in [0, 4, u32::MAX] {
            assert_eq!(Backoff::SMTP.delay(failures).as_secs(), 3);
            assert_eq!(Backoff::AUTHD.delay(failures).as_secs(), 2);
        }
    }

    #[test]
    fn however_long_a_check_took_the_answer_comes_at_a_multiple_of_the_delay() {
        for (gone, left) in [(0, 3000), (1, 2999), (2999, 1), (3000, 3000), (7500, 1500)] {
            let rest = Backoff::SMTP.rest(0, Duration::from_millis(gone));
            assert_eq!(rest, Duration::from_millis(left), "{gone}");
        }
        let at_once = Backoff::SMTP.with_unit(Duration::ZERO);
        assert_eq!(at_once.rest(0, Duration::from_secs(1)), Duration::ZERO);
    }
}
