//! The rule of a time zone in the form of POSIX's TZ.

use crate::calendar::{DAY, date_of, days_before, is_leap};

/// The rule of POSIX's TZ (its section 8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    standard: i32,
    summer: Option<Summer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Summer {
    offset: i32,
    start: Change,
    end: Change,
}

/// A moment of every year, in the local time that it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    day: Day,
    second: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// 1 to 365; 60 is the 1st of March of every year.
    Julian(i64),
    /// 0 to 365, with the 29th of February.
    OfYear(i64),
    /// Month, its week (5 is the last one), day of the week from Sunday on.
    Weekday(i64, i64, i64),
}

impl Rule {
    /// Reads a rule such as `CET-1CEST,M3.5.0,M10.5.0/3`; `None` where it is none.
    pub fn parse(text: &[u8]) -> Option<Rule> {
        let mut text = Text(text);
        text.name()?;
        let standard = -text.time(24)?;
        if text.0.is_empty() {
            let summer = None;
            return Some(Rule { standard, summer });
        }
        text.name()?;
        let offset = match text.0.first() {
            None | Some(b',') => standard + 3600,
            Some(_) => -text.time(24)?,
        };
        let (start, end) = if text.0.is_empty() {
            // POSIX leaves it to the system; systems take the dates of the United States.
            let at = |month, week| Change {
                day: Day::Weekday(month, week, 0),
                second: 7200,
            };
            (at(3, 2), at(11, 1))
        } else {
            (text.change()?, text.change()?)
        };
        let summer = Summer { offset, start, end };
        text.0.is_empty().then_some(Rule {
            standard,
            summer: Some(summer),
        })
    }

    /// Seconds that local time is ahead of UTC outside summer.
    pub fn standard(&self) -> i32 {
        self.standard
    }

    /// Seconds that local time is ahead of UTC at `time`, seconds since the epoch.
    pub fn offset_at(&self, time: i64) -> i32 {
        let Some(summer) = self.summer else {
            return self.standard;
        };
        let (year, _, _) = date_of(
            time.saturating_add(i64::from(self.standard))
                .div_euclid(DAY),
        );
        let start = summer.start.in_year(year) - i64::from(self.standard);
        let end = summer.end.in_year(year) - i64::from(summer.offset);
        let is_summer = if start < end {
            (start..end).contains(&time)
        } else {
            !(end..start).contains(&time)
        };
        if is_summer {
            summer.offset
        } else {
            self.standard
        }
    }
}

impl Change {
    /// In seconds since the epoch, of a clock that shows local time.
    fn in_year(self, year: i64) -> i64 {
        let new_year = days_before(year, 1, 1);
        let day = match self.day {
            Day::OfYear(day) => new_year + day,
            Day::Julian(day) => {
                let leap = i64::from(day >= 60 && is_leap(year));
                new_year + day - 1 + leap
            }
            Day::Weekday(month, week, weekday) => {
                let first = days_before(year, month, 1);
                let next = if month == 12 {
                    days_before(year + 1, 1, 1)
                } else {
                    days_before(year, month + 1, 1)
                };
                // The epoch was a Thursday.
                let ahead = (weekday - (first + 4)).rem_euclid(7);
                let day = first + ahead + (week - 1) * 7;
                if day >= next { day - 7 } else { day }
            }
        };
        day * DAY + i64::from(self.second)
    }
}

/// What is left of the text of a rule.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    /// `CET`, or `<+01>`.
    fn name(&mut self) -> Option<()> {
        let length = if self.0.starts_with(b"<") {
            self.0.iter().position(|&byte| byte == b'>')? + 1
        } else {
            let letters = self.0.iter().take_while(|byte| byte.is_ascii_alphabetic());
            letters.count()
        };
        self.0 = &self.0[length..];
        (length >= 3).then_some(())
    }

    fn number(&mut self, least: i32, most: i32) -> Option<i32> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit());
        let length = digits.count();
        let number = str::from_utf8(&self.0[..length]).ok()?.parse().ok()?;
        self.0 = &self.0[length..];
        (least..=most).contains(&number).then_some(number)
    }

    fn skip(&mut self, byte: u8) -> bool {
        let rest = self.0.strip_prefix(&[byte]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// `[+-]hh[:mm[:ss]]`, in seconds.
    fn time(&mut self, hours: i32) -> Option<i32> {
        let sign = if self.skip(b'-') { -1 } else { 1 };
        if sign == 1 {
            self.skip(b'+');
        }
        let mut seconds = self.number(0, hours)? * 3600;
        for unit in [60, 1] {
            if !self.skip(b':') {
                break;
            }
            seconds += self.number(0, 59)? * unit;
        }
        Some(sign * seconds)
    }

    /// `,date[/time]`
    fn change(&mut self) -> Option<Change> {
        if !self.skip(b',') {
            return None;
        }
        let day = if self.skip(b'J') {
            Day::Julian(self.number(1, 365)?.into())
        } else if self.skip(b'M') {
            let month = self.number(1, 12)?;
            let week = self.skip(b'.').then(|| self.number(1, 5))??;
            let weekday = self.skip(b'.').then(|| self.number(0, 6))??;
            Day::Weekday(month.into(), week.into(), weekday.into())
        } else {
            Day::OfYear(self.number(0, 365)?.into())
        };
        let second = if self.skip(b'/') {
            // RFC 9636 section 3.3.1 allows a week.
            self.time(167)?
        } else {
            7200
        };
        Some(Change { day, second })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rule` at each of `times`, in hours.
    fn hours(rule: &str, times: &[i64]) -> Vec<i32> {
        let zone = Rule::parse(rule.as_bytes()).expect("a rule");
        times
            .iter()
            .map(|&time| zone.offset_at(time) / 3600)
            .collect()
    }

    #[test]
    fn summer_begins_and_ends_by_the_rule() {
        // 29 March and 25 October 2026, 01:00 UTC.
        let (start, end) = (1_774_746_000, 1_792_890_000);
        let times = [start - 1, start, end - 1, end];
        assert_eq!(hours("CET-1CEST,M3.5.0,M10.5.0/3", &times), [1, 2, 2, 1]);
        // 8 March and 1 November 2026, 07:00 and 06:00 UTC.
        let (start, end) = (1_772_953_200, 1_793_512_800);
        let times = [start - 1, start, end - 1, end];
        assert_eq!(hours("EST5EDT,M3.2.0,M11.1.0", &times), [-5, -4, -4, -5]);
        assert_eq!(hours("EST5EDT", &times), [-5, -4, -4, -5]);
    }

    #[test]
    fn south_of_the_equator_summer_goes_over_the_new_year() {
        // 5 April and 4 October 2026, 16:00 UTC the day before.
        let (end, start) = (1_775_318_400, 1_791_043_200);
        let times = [end - 1, end, start - 1, start, start + 90 * DAY];
        let rule = "AEST-10AEDT,M10.1.0,M4.1.0/3";
        assert_eq!(hours(rule, &times), [11, 10, 10, 11, 11]);
    }

    #[test]
    fn days_can_be_counted_through_the_year() {
        // 1 March 2024 is day 60 of Julian and day 60 from 0 in a leap year.
        let march = days_before(2024, 3, 1) * DAY + 7200;
        for rule in ["AAA0BBB,J60,J300", "AAA0BBB,60,300"] {
            assert_eq!(hours(rule, &[march - 1, march]), [0, 1], "{rule}");
        }
    }

    #[test]
    fn a_name_in_brackets_and_a_broken_offset_are_read() {
        let zone = Rule::parse(b"<+0545>-5:45").expect("a rule");
        assert_eq!(zone.offset_at(0), 5 * 3600 + 45 * 60);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in [
            "",
            "A1",
            "CET",
            "CET-25",
            "CET-1CEST,",
            "CET-1CEST,M3.5.0",
            "CET-1CEST,M13.5.0,M10.5.0",
            "CET-1CEST,M3.6.0,M10.5.0",
            "CET-1CEST,J0,J3",
            "CET-1x",
            "CET-1CEST,M3.5.0,M10.5.0x",
            "<+01",
            "CET-1:60",
        ] {
            assert_eq!(Rule::parse(text.as_bytes()), None, "{text}");
        }
    }
}
