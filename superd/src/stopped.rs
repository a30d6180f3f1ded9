//! Children that are stopped, and since when: a value.
//!
//! A program that somebody of its user has stopped holds its place of `-c` for ever, and with enough of them
//! nobody else gets one. So it is ended where it does not go on soon.

use std::collections::HashMap;
use std::time::Instant;

use os::children::STOP_LIMIT;

/// Who is stopped, and until when that may be so.
#[derive(Debug, Default)]
pub struct Stopped {
    until: HashMap<i32, Instant>,
}

impl Stopped {
    /// A child was stopped.
    pub fn stops(&mut self, pid: i32, now: Instant) {
        self.until.insert(pid, now + STOP_LIMIT);
    }

    /// It goes on, or has ended.
    pub fn moves(&mut self, pid: i32) {
        self.until.remove(&pid);
    }

    /// When [`Stopped::take_due`] is to be called.
    pub fn next_due(&self) -> Option<Instant> {
        self.until.values().min().copied()
    }

    /// Those who have been stopped for too long.
    pub fn take_due(&mut self, now: Instant) -> Vec<i32> {
        let due = self.until.extract_if(|_, until| *until <= now);
        due.map(|(pid, _)| pid).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn who_stays_stopped_is_due_once_and_who_goes_on_or_ends_is_not() {
        let mut stopped = Stopped::default();
        let start = Instant::now();
        assert_eq!(stopped.next_due(), None);
        for pid in [7, 8] {
            stopped.stops(pid, start);
        }
        stopped.moves(8);
        let due = start + STOP_LIMIT;
        assert_eq!(stopped.next_due(), Some(due));
        let before = due.checked_sub(Duration::from_millis(1)).expect("a time");
        assert_eq!(stopped.take_due(before), []);
        assert_eq!(stopped.take_due(due), [7]);
        assert_eq!(stopped.take_due(due), []);
    }

    #[test]
    fn a_second_stop_is_a_new_one() {
        let mut stopped = Stopped::default();
        let start = Instant::now();
        stopped.stops(7, start);
        stopped.stops(7, start + STOP_LIMIT);
        assert_eq!(stopped.take_due(start + STOP_LIMIT), []);
        assert_eq!(stopped.next_due(), Some(start + STOP_LIMIT * 2));
    }
}
