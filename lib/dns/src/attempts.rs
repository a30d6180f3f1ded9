//! In which order the servers are asked one question, and how long each may take. No clock, no
//! sockets: the time is handed in.
//!
//! The servers are asked in turn, round after round: 1 s each in the first round, 1.5 s in the
//! second, 2.5 s from then on, and all of it ends at the question's deadline. (The original waits
//! 3, 11 and 45 s in its rounds, so a silent server costs its client 59 s.) A server that says it
//! cannot answer, or where nobody listens, is not asked this question again; the next one is asked
//! at once, and when none is left, the question has failed at once. (The original goes on to its
//! second round, so SERVFAIL costs 11 s.)

use std::time::{Duration, Instant};

use crate::Trouble;

/// How long a server may take, by round; the last one holds for all further rounds.
pub const ROUNDS: [Duration; 3] = [
    Duration::from_millis(1_000),
    Duration::from_millis(1_500),
    Duration::from_millis(2_500),
];

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask this server (an index into the list) and wait until then at most.
    Ask(usize, Instant),
    /// The question has failed.
    GiveUp(Trouble),
}

/// The attempts at one question.
#[derive(Debug)]
pub(crate) struct Attempts {
    /// What is wrong with each server; `None` where it may be asked.
    out: Vec<Option<Trouble>>,
    /// Counts the turns, also those of servers that are passed over.
    turn: usize,
    /// The server that is being asked.
    current: Option<usize>,
    end: Instant,
    rounds: [Duration; 3],
    last: Trouble,
}

impl Attempts {
    /// `servers` of them, until `end`.
    pub(crate) fn new(servers: usize, end: Instant, rounds: [Duration; 3]) -> Attempts {
        let last = Trouble::TimedOut;
        Attempts {
            out: vec![None; servers],
            turn: 0,
            current: None,
            end,
            rounds,
            last,
        }
    }

    /// The server that is being asked.
    pub(crate) fn current(&self) -> Option<usize> {
        self.current
    }

    /// Whether the deadline has come.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.end
    }

    /// The next step, at the start and whenever the current server has had its time or is out.
    pub(crate) fn next(&mut self, now: Instant) -> Step {
        self.current = None;
        if self.is_over(now) {
            return Step::GiveUp(Trouble::TimedOut);
        }
        let servers = self.out.len();
        for _ in 0..servers {
            let server = self.turn % servers;
            let round = self.turn / servers;
            self.turn += 1;
            if self.out[server].is_none() {
                self.current = Some(server);
                return Step::Ask(server, self.until(now, round));
            }
        }
        Step::GiveUp(self.last)
    }

    /// `server` has said that its answer is to be fetched by TCP: it is the one that is waited for.
    pub(crate) fn take_up(&mut self, server: usize) {
        self.current = Some(server);
    }

    /// When the current server's time is over, if it begins anew at `now`.
    pub(crate) fn again_until(&self, now: Instant) -> Instant {
        self.until(now, self.rounds.len())
    }

    /// `server` is not to be asked again.
    pub(crate) fn put_out(&mut self, server: usize, trouble: Trouble) {
        if let Some(state) = self.out.get_mut(server) {
            *state = Some(trouble);
            self.last = trouble;
        }
    }

    fn until(&self, now: Instant, round: usize) -> Instant {
        (now + self.rounds[round.min(self.rounds.len() - 1)]).min(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    fn five_seconds(servers: usize) -> (Attempts, Instant) {
        let start = Instant::now();
        (Attempts::new(servers, after(start, 5_000), ROUNDS), start)
    }

    #[test]
    fn a_single_silent_server_is_asked_three_times_in_five_seconds() {
        let (mut attempts, start) = five_seconds(1);
        assert_eq!(attempts.next(start), Step::Ask(0, after(start, 1_000)));
        assert_eq!(
            attempts.next(after(start, 1_000)),
            Step::Ask(0, after(start, 2_500))
        );
        assert_eq!(
            attempts.next(after(start, 2_500)),
            Step::Ask(0, after(start, 5_000))
        );
        assert_eq!(
            attempts.next(after(start, 5_000)),
            Step::GiveUp(Trouble::TimedOut)
        );
    }

    #[test]
    fn several_silent_servers_are_asked_in_turn_and_the_deadline_cuts_the_last_try() {
        let (mut attempts, start) = five_seconds(3);
        let mut now = start;
        let mut asked = Vec::new();
        while let Step::Ask(server, until) = attempts.next(now) {
            asked.push((server, until.duration_since(start).as_millis()));
            now = until;
        }
        assert_eq!(
            asked,
            [(0, 1_000), (1, 2_000), (2, 3_000), (0, 4_500), (1, 5_000)]
        );
    }

    #[test]
    fn a_server_that_is_out_is_not_asked_again() {
        let (mut attempts, start) = five_seconds(2);
        assert_eq!(attempts.next(start), Step::Ask(0, after(start, 1_000)));
        attempts.put_out(0, Trouble::ServerFailed);
        let now = after(start, 10);
        assert_eq!(attempts.next(now), Step::Ask(1, after(now, 1_000)));
        assert_eq!(
            attempts.next(after(now, 1_000)),
            Step::Ask(1, after(now, 2_500))
        );
        assert_eq!(attempts.current(), Some(1));
    }

    #[test]
    fn when_every_server_is_out_the_question_has_failed_at_once() {
        let (mut attempts, start) = five_seconds(2);
        attempts.next(start);
        attempts.put_out(0, Trouble::Refused);
        attempts.next(start);
        attempts.put_out(1, Trouble::ServerFailed);
        assert_eq!(attempts.next(start), Step::GiveUp(Trouble::ServerFailed));
        assert_eq!(attempts.current(), None);
    }

    #[test]
    fn fetching_by_tcp_has_the_longest_time_but_no_more_than_is_left() {
        let (mut attempts, start) = five_seconds(1);
        attempts.next(start);
        assert_eq!(attempts.again_until(after(start, 100)), after(start, 2_600));
        assert_eq!(
            attempts.again_until(after(start, 4_000)),
            after(start, 5_000)
        );
    }

    #[test]
    fn without_servers_there_is_nothing_to_ask() {
        let (mut attempts, start) = five_seconds(0);
        assert_eq!(attempts.next(start), Step::GiveUp(Trouble::TimedOut));
    }
}
