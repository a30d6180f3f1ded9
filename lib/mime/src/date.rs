//! Dates of header fields (RFC 5322 section 3.3 and 4.3).

use crate::words::Cursor;

/// A date as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    /// The year, with its century.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31, and one that this month has.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
    /// Minutes east of Greenwich; 0 if the date has no zone or one that nobody knows.
    pub zone_minutes: i16,
}

impl DateTime {
    /// Seconds since the epoch.
    pub fn instant(&self) -> i64 {
        let (year, month, day) = (
            i64::from(self.year),
            i64::from(self.month),
            i64::from(self.day),
        );
        // Years begin in March, so that the day that comes and goes is the last one.
        let year = if month <= 2 { year - 1 } else { year };
        let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
        let days =
            year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year
                - 719_468;
        let minutes = i64::from(self.hour) * 60 + i64::from(self.minute);
        (days * 1440 + minutes - i64::from(self.zone_minutes)) * 60 + i64::from(self.second)
    }

    /// Year, month and day, with no regard to the zone: what SENTBEFORE and its like compare.
    pub fn day_as_written(&self) -> (u16, u8, u8) {
        (self.year, self.month, self.day)
    }
}

/// The date of a field's value, folded or not; None if it is none. Weekdays are not looked at. What is
/// missing at the end is 0: seconds, the time, the zone. Years of two digits are 1950 to 2049, of
/// three from 1900 on (RFC 5322 section 4.3). The order of ctime(3), which old mail has, is read too.
///
/// ```
/// let date = mime::date::parse(b"Fri, 21 Nov 1997 09:55:06 -0600").unwrap();
/// assert_eq!(date.instant(), 880_127_706);
/// assert_eq!(date.day_as_written(), (1997, 11, 21));
/// ```
pub fn parse(value: &[u8]) -> Option<DateTime> {
    let words = words(value);
    let mut words: Words<'_, '_> = words.iter().copied().flatten().peekable();
    words.next_if(|word| word[0].is_ascii_alphabetic() && month(word).is_none());
    let (day, month, year, time, zone);
    if words.peek()?[0].is_ascii_digit() {
        day = number(words.next()?, 2)?;
        month = self::month(words.next()?)?;
        year = self::year(words.next()?)?;
        time = self::time(&mut words)?;
        zone = self::zone(&mut words);
    } else {
        month = self::month(words.next()?)?;
        day = number(words.next()?, 2)?;
        time = self::time(&mut words)?;
        zone = match words.peek()?[0].is_ascii_digit() {
            true => 0,
            false => self::zone(&mut words),
        };
        year = self::year(words.next()?)?;
    }
    let (hour, minute, second) = time;
    if day == 0 || day > u16::from(days(year, month)) {
        return None;
    }
    Some(DateTime {
        year,
        month,
        day: u8::try_from(day).ok()?,
        hour,
        minute,
        second,
        zone_minutes: zone,
    })
}

type Words<'w, 'a> = std::iter::Peekable<
    std::iter::Flatten<std::iter::Copied<std::slice::Iter<'w, Option<&'a [u8]>>>>,
>;

/// The first words, without comments and commas. A sign begins a word, a colon is one.
fn words(value: &[u8]) -> [Option<&[u8]>; 16] {
    let mut words = [None; 16];
    let mut cursor = Cursor::new(value);
    let mut count = 0;
    while count < words.len() {
        cursor.skip_space();
        let Some(first) = cursor.peek() else {
            break;
        };
        let rest = cursor.rest();
        let mut length = usize::from(matches!(first, b'+' | b'-' | b':'));
        cursor.skip(length);
        if first != b':' {
            length += cursor.token(b",:+-").len();
        }
        if length == 0 {
            cursor.skip(1);
        } else {
            words[count] = Some(&rest[..length]);
            count += 1;
        }
    }
    words
}

/// Digits, so many at most.
fn number(word: &[u8], most: usize) -> Option<u16> {
    if word.is_empty() || word.len() > most.min(4) || !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        word.iter()
            .fold(0, |number, digit| number * 10 + u16::from(digit - b'0')),
    )
}

/// A hyphen may stand before what is neither a time nor a zone: `2-Jan-2006`.
fn without_hyphen(word: &[u8]) -> &[u8] {
    word.strip_prefix(b"-").unwrap_or(word)
}

/// By its first three letters: the whole name is seen as well.
fn month(word: &[u8]) -> Option<u8> {
    let name = without_hyphen(word).get(..3)?;
    let months = b"janfebmaraprmayjunjulaugsepoctnovdec".chunks_exact(3);
    let number = (1..)
        .zip(months)
        .find(|(_, month)| name.eq_ignore_ascii_case(month))?;
    Some(number.0)
}

fn year(word: &[u8]) -> Option<u16> {
    let word = without_hyphen(word);
    let year = number(word, 4)?;
    match word.len() {
        4 => Some(year),
        3 => Some(1900 + year),
        2 => Some(if year < 50 { 2000 } else { 1900 } + year),
        _ => None,
    }
}

/// The time, if there is one.
fn time(words: &mut Words<'_, '_>) -> Option<(u8, u8, u8)> {
    let Some(hour) = words.next_if(|word| word[0].is_ascii_digit()) else {
        return Some((0, 0, 0));
    };
    let part = |word: &[u8], most: u16| {
        let whole = word.split(|&byte| byte == b'.').next()?;
        u8::try_from(number(whole, 2).filter(|&number| number <= most)?).ok()
    };
    words.next_if(|word| word[0] == b':')?;
    let minute = words.next()?;
    let second = match words.next_if(|word| word[0] == b':') {
        // 60 is a leap second.
        Some(_) => part(words.next()?, 60)?,
        None => 0,
    };
    Some((part(hour, 23)?, part(minute, 59)?, second))
}

fn days(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_offset(word: &[u8]) -> bool {
    matches!(word[0], b'+' | b'-')
}

/// Minutes east of Greenwich, 0 for what is not known. The military zones are not: too many had
/// their signs wrong (RFC 5322 section 4.3).
fn zone(words: &mut Words<'_, '_>) -> i16 {
    let Some(word) = words.next() else {
        return 0;
    };
    if is_offset(word) {
        return offset(word, words);
    }
    // Behind `GMT+0100` is meant to be an offset.
    if let Some(word) = words.next_if(|word| is_offset(word) && word.len() > 2) {
        return offset(word, words);
    }
    let hours = ZONES
        .iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
    hours.map_or(0, |(_, hours)| hours * 60)
}

/// `+0100`, `+01:00` or `+01`.
fn offset(word: &[u8], words: &mut Words<'_, '_>) -> i16 {
    let digits = &word[1..];
    let (hours, minutes) = if words.next_if(|word| word[0] == b':').is_some() {
        (digits, words.next().unwrap_or_default())
    } else {
        digits.split_at(digits.len().min(2))
    };
    let part = |word: &[u8], most: u16| number(word, 2).filter(|&number| number <= most);
    let minutes = match (part(hours, 99), part(minutes, 59)) {
        (Some(hours), Some(minutes)) => hours * 60 + minutes,
        (Some(hours), None) if minutes.is_empty() => hours * 60,
        _ => 0,
    };
    let minutes = i16::try_from(minutes).unwrap_or(0);
    if word[0] == b'-' { -minutes } else { minutes }
}

/// The zones that RFC 822 names, and those that old mail has besides and that mean one thing.
const ZONES: [(&str, i16); 25] = [
    ("EDT", -4),
    ("EST", -5),
    ("CDT", -5),
    ("CST", -6),
    ("MDT", -6),
    ("MST", -7),
    ("PDT", -7),
    ("PST", -8),
    ("AKDT", -8),
    ("AKST", -9),
    ("HST", -10),
    ("WEST", 1),
    ("BST", 1),
    ("CET", 1),
    ("MET", 1),
    ("CEST", 2),
    ("MEST", 2),
    ("EET", 2),
    ("EEST", 3),
    ("MSK", 3),
    ("HKT", 8),
    ("SGT", 8),
    ("JST", 9),
    ("KST", 9),
    ("AEST", 10),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (u16, u8, u8, u8, u8, u8, i16) {
        let date = parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
        let (year, month, day) = date.day_as_written();
        (
            year,
            month,
            day,
            date.hour,
            date.minute,
            date.second,
            date.zone_minutes,
        )
    }

    #[test]
    fn the_dates_of_the_rfc_are_read() {
        assert_eq!(
            read("Fri, 21 Nov 1997 09:55:06 -0600"),
            (1997, 11, 21, 9, 55, 6, -360)
        );
        assert_eq!(
            read("Tue, 1 Jul 2003 10:52:37 +0200"),
            (2003, 7, 1, 10, 52, 37, 120)
        );
        assert_eq!(read("21 Nov 97 09:55:06 GMT"), (1997, 11, 21, 9, 55, 6, 0));
        assert_eq!(
            read("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600"),
            (1997, 11, 21, 9, 55, 6, -360),
        );
        assert_eq!(
            read("Thu,\r\n 13\r\n Feb\r\n  1969\r\n 23:32\r\n -0330 (Newfoundland Time)"),
            (1969, 2, 13, 23, 32, 0, -210),
        );
    }

    #[test]
    fn what_old_and_careless_programs_write_is_read() {
        let noon = (2006, 1, 2, 15, 4, 5, 0);
        for text in [
            "2-Jan-2006 15:04:05 +0000",
            "Mon,2 January 2006 15:04:05",
            "Mon Jan  2 15:04:05 2006",
            "Montag, 2 Jan 106 15:04:05.123 Z",
            "2 JAN 06 15:04:05 UT",
            "(x) 2 Jan 2006 15:04:05 nonsense",
            "Mon, 2 Jan 2006 15:04:05 -0000 (UTC) and more of it, and more",
        ] {
            assert_eq!(read(text), noon, "{text}");
        }
        assert_eq!(
            read("Mon Jan  2 15:04:05 EST 2006"),
            (2006, 1, 2, 15, 4, 5, -300)
        );
        assert_eq!(read("2 Jan 2006"), (2006, 1, 2, 0, 0, 0, 0));
        assert_eq!(read("2 Jan 2006 15:04 PDT").6, -420);
        assert_eq!(read("2 Jan 2006 15:04 A").6, 0);
        assert_eq!(read("2 Jan 2006 15:04 GMT+0130").6, 90);
        assert_eq!(read("2 Jan 2006 15:04 -01:30").6, -90);
        assert_eq!(read("2 Jan 2006 15:04+0130").6, 90);
        assert_eq!(read("2 Jan 2006 15:04 +9999").6, 0);
        assert_eq!(read("2 Jan 49 15:04").0, 2049);
        assert_eq!(read("2 Jan 50 15:04").0, 1950);
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "Mon",
            "2",
            "2 Jan",
            "2 Jan x",
            "32 Jan 2006",
            "29 Feb 2005 10:00",
            "29 Feb 1900 10:00",
            "0 Jan 2006",
            "2 Foo 2006",
            "2 Jan 12006",
            "2 Jan 6",
            "2 Jan 2006 24:00",
            "2 Jan 2006 1:60",
            "2 Jan 2006 1:01:61",
            "2 Jan 2006 1",
            "2 Jan 2006 1:",
            "2 Jan 2006 1:1:",
            "Jan 2 10:00",
            "-",
            "(",
            ":",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        read("29 Feb 2004 10:00");
        read("29 Feb 2000 23:59:60 +0000");
    }

    #[test]
    fn instants_count_seconds_from_1970_on() {
        let instant = |text: &str| parse(text.as_bytes()).unwrap().instant();
        assert_eq!(instant("1 Jan 1970 00:00:00 +0000"), 0);
        assert_eq!(instant("1 Jan 1970 00:00:00 +0100"), -3600);
        assert_eq!(instant("29 Feb 2000 12:00:00 +0000"), 951_825_600);
        assert_eq!(instant("1 Mar 2000 00:00:00 +0000"), 951_868_800);
        assert_eq!(instant("31 Dec 2099 23:59:59 -0030"), 4_102_446_599);
        // A day is a day long, over 400 years and more.
        let months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";
        let mut expected = instant("1 Jan 1890 00:00 +0000");
        for year in 1890..2310u16 {
            for (month, name) in (1..).zip(months.split(' ')) {
                assert_eq!(instant(&format!("1 {name} {year:04} 00:00")), expected);
                expected += i64::from(days(year, month)) * 86_400;
            }
        }
    }
}
