//! Days and dates of the Gregorian calendar.

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// Whether `year` has a 29th of February.
pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from the epoch to a date of the Gregorian calendar. A year is taken to begin in March here,
/// so that the odd day is its last.
pub fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let in_year = (153 * month + 2) / 5 + day - 1;
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // The 1st of March of the year 0 is 719,468 days before the epoch.
    365 * year + leaps + in_year - 719_468
}

/// Year, month and day of the month, a number of days after the epoch.
pub fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    // 400 years have 146,097 days.
    let (era, in_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_each_others_inverse() {
        assert_eq!(date_of(0), (1970, 1, 1));
        assert_eq!(days_before(2026, 11, 24), 20_781);
        for days in (-800_000..800_000).step_by(17) {
            let (year, month, day) = date_of(days);
            assert_eq!(days_before(year, month, day), days);
        }
        assert_eq!(
            date_of(days_before(2024, 2, 28) + 1),
            (2024, 2, 29),
            "a leap year"
        );
    }
}
