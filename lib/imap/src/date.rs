//! Dates of IMAP: a day of SEARCH (`date`), an instant of APPEND and INTERNALDATE (`date-time`).

use crate::cursor::Cursor;
use crate::fault::Fault;

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// A day, of no zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// The year, four digits.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31, and one that this month has.
    pub day: u8,
}

/// An instant, and the zone that it was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    /// Seconds since the epoch.
    pub instant: i64,
    /// Minutes east of Greenwich.
    pub zone: i16,
}

impl Date {
    /// The first day that can be written.
    pub const FIRST: Date = Date {
        year: 0,
        month: 1,
        day: 1,
    };

    /// The last one.
    pub const LAST: Date = Date {
        year: 9999,
        month: 12,
        day: 31,
    };

    /// A day of the Gregorian calendar, in a year of four digits; None if there is no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Date> {
        let is_day = year <= Date::LAST.year
            && (1..=12).contains(&month)
            && (1..=month_days(year, month)).contains(&day);
        is_day.then_some(Date { year, month, day })
    }

    /// The day that it is at an instant, in seconds since the epoch, in a zone so many minutes east of
    /// Greenwich. [`Date::FIRST`] or [`Date::LAST`] where its year has no four digits.
    pub fn of_instant(instant: i64, zone: i16) -> Date {
        let local = instant.saturating_add(i64::from(zone) * 60);
        Date::of_days(local.div_euclid(DAY_SECONDS))
    }

    /// The day so many days after 1 January 1970, bounded in the same way.
    pub fn of_days(days: i64) -> Date {
        if days <= Date::FIRST.days() {
            return Date::FIRST;
        }
        if days >= Date::LAST.days() {
            return Date::LAST;
        }
        // Years begin in March here, so that a leap day is the last of its year. 400 of them have
        // always the same number of days.
        let days = days + EPOCH_DAYS;
        let (era, of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
        let leaps = of_era / 1460 - of_era / 36524 + of_era / 146_096;
        let year_of_era = (of_era - leaps) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        // All three are in their bounds: the day was between the first and the last.
        Date {
            year: year as u16,
            month: month as u8,
            day: day as u8,
        }
    }

    /// Days since 1 January 1970.
    pub fn days(self) -> i64 {
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let year = i64::from(self.year) - i64::from(month <= 2);
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let from_march = (month + 9) % 12;
        let of_year = (153 * from_march + 2) / 5 + day - 1;
        let of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + of_year;
        era * ERA_DAYS + of_era - EPOCH_DAYS
    }
}

/// Days of 400 years.
const ERA_DAYS: i64 = 146_097;

/// Days from 1 March of the year 0 to 1 January 1970.
const EPOCH_DAYS: i64 = 719_468;

fn month_days(year: u16, month: u8) -> u8 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl DateTime {
    /// Adds it as INTERNALDATE has it, quotes included: `" 7-Feb-1994 21:52:25 -0800"`. 28 octets.
    pub fn write(self, out: &mut Vec<u8>) {
        let date = Date::of_instant(self.instant, self.zone);
        let local = self.instant.saturating_add(i64::from(self.zone) * 60);
        let second = local.rem_euclid(DAY_SECONDS);
        let zone = i64::from(self.zone.unsigned_abs());
        let month = MONTHS[usize::from(date.month.clamp(1, 12) - 1)];
        out.push(b'"');
        match date.day {
            day @ 0..10 => out.extend_from_slice(&[b' ', b'0' + day]),
            day => two(out, i64::from(day)),
        }
        out.push(b'-');
        out.extend_from_slice(month);
        out.push(b'-');
        two(out, i64::from(date.year / 100));
        two(out, i64::from(date.year % 100));
        out.push(b' ');
        two(out, second / 3600);
        out.push(b':');
        two(out, second / 60 % 60);
        out.push(b':');
        two(out, second % 60);
        out.extend_from_slice(if self.zone < 0 { b" -" } else { b" +" });
        two(out, zone / 60);
        two(out, zone % 60);
        out.push(b'"');
    }
}

/// Two digits of a number from 0 to 99.
fn two(out: &mut Vec<u8>, value: i64) {
    let value = value.clamp(0, 99) as u8;
    out.extend_from_slice(&[b'0' + value / 10, b'0' + value % 10]);
}

/// Reads a `date`: `1-Feb-1994`, the day in one or two digits, quoted or not.
pub fn date(cursor: &mut Cursor<'_>) -> Result<Date, Fault> {
    let before = cursor.clone();
    let quoted = cursor.eat(b'"');
    let date = day_of_year(cursor, 1, 2).ok_or_else(|| before.expected("date"))?;
    if quoted {
        cursor.need(b'"', "closing quote")?;
    }
    Ok(date)
}

/// Reads a `date-time`: `" 7-Feb-1994 21:52:25 -0800"`, the day in two places. A leap second is let
/// pass; it is the first second of the next minute.
pub fn date_time(cursor: &mut Cursor<'_>) -> Result<DateTime, Fault> {
    let before = cursor.clone();
    quoted_date_time(cursor).ok_or_else(|| before.expected("date and time"))
}

fn quoted_date_time(cursor: &mut Cursor<'_>) -> Option<DateTime> {
    has(cursor, b'"')?;
    let places = if cursor.eat(b' ') { 1 } else { 2 };
    let date = day_of_year(cursor, places, places)?;
    has(cursor, b' ')?;
    let hour = digits(cursor, 2, 2).filter(|&hour| hour < 24)?;
    has(cursor, b':')?;
    let minute = digits(cursor, 2, 2).filter(|&minute| minute < 60)?;
    has(cursor, b':')?;
    let second = digits(cursor, 2, 2).filter(|&second| second <= 60)?;
    has(cursor, b' ')?;
    let sign = match cursor.eat(b'-') {
        true => -1,
        false => has(cursor, b'+').map(|()| 1)?,
    };
    let zone_hours = digits(cursor, 2, 2).filter(|&hours| hours < 24)?;
    let zone_minutes = digits(cursor, 2, 2).filter(|&minutes| minutes < 60)?;
    has(cursor, b'"')?;
    let zone = sign * i64::from(zone_hours * 60 + zone_minutes);
    let of_day = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    Some(DateTime {
        instant: date.days() * DAY_SECONDS + of_day - zone * 60,
        zone: zone as i16,
    })
}

/// `7-Feb-1994`, the day in so many digits.
fn day_of_year(cursor: &mut Cursor<'_>, least: usize, most: usize) -> Option<Date> {
    let day = digits(cursor, least, most)?;
    has(cursor, b'-')?;
    let name = cursor.run(|byte| byte.is_ascii_alphabetic());
    let is = |month: &&[u8; 3]| month.eq_ignore_ascii_case(name);
    let month = MONTHS.iter().position(is)? + 1;
    has(cursor, b'-')?;
    let year = digits(cursor, 4, 4)?;
    Date::new(year, month as u8, day as u8)
}

fn has(cursor: &mut Cursor<'_>, byte: u8) -> Option<()> {
    cursor.eat(byte).then_some(())
}

/// A number of so many digits, four at most. It ends there, even before another digit.
fn digits(cursor: &mut Cursor<'_>, least: usize, most: usize) -> Option<u16> {
    let (mut value, mut count) = (0, 0);
    while count < most.min(4) {
        let Some(digit @ b'0'..=b'9') = cursor.peek() else {
            break;
        };
        cursor.eat(digit);
        value = value * 10 + u16::from(digit - b'0');
        count += 1;
    }
    (count >= least).then_some(value)
}

#[cfg(test)]
#[path = "date_tests.rs"]
mod tests;
