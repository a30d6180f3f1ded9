//! When a login that failed is answered.

use std::time::Duration;

/// How long the answer is still to wait, where it is to come `delay` after the question and `gone` of that
/// is over. Who took longer waits for the next multiple: a check that takes its time must not show in the
/// answer's either way.
pub fn rest(delay: Duration, gone: Duration) -> Duration {
    let over = gone.as_nanos().checked_rem(delay.as_nanos()).unwrap_or(0);
    delay.saturating_sub(Duration::from_nanos(u64::try_from(over).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_long_a_check_took_the_answer_comes_at_a_multiple_of_the_delay() {
        let delay = Duration::from_secs(3);
        for (gone, left) in [(0, 3000), (1, 2999), (2999, 1), (3000, 3000), (7500, 1500)] {
            let rest = rest(delay, Duration::from_millis(gone));
            assert_eq!(rest, Duration::from_millis(left), "{gone}");
        }
        assert_eq!(rest(Duration::ZERO, delay), Duration::ZERO);
    }
}
