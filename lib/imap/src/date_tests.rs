use super::*;

fn day(text: &str) -> Option<(u16, u8, u8)> {
    let mut cursor = Cursor::over(text.as_bytes());
    let date = date(&mut cursor).ok().filter(|_| cursor.end().is_ok())?;
    Some((date.year, date.month, date.day))
}

fn instant(text: &str) -> Option<DateTime> {
    let quoted = format!("\"{text}\"");
    let mut cursor = Cursor::over(quoted.as_bytes());
    date_time(&mut cursor).ok().filter(|_| cursor.end().is_ok())
}

fn shown(instant: i64, zone: i16) -> String {
    let mut out = Vec::new();
    DateTime { instant, zone }.write(&mut out);
    String::from_utf8(out).expect("ASCII")
}

#[test]
fn a_day_has_one_or_two_digits_and_perhaps_quotes() {
    assert_eq!(day("1-Feb-1994"), Some((1994, 2, 1)));
    assert_eq!(day("01-feb-1994"), Some((1994, 2, 1)));
    assert_eq!(day("\"31-DEC-9999\""), Some((9999, 12, 31)));
    assert_eq!(day("29-Feb-2000"), Some((2000, 2, 29)));
    for none in [
        "",
        "1-Feb-94",
        "1-Feb-19940",
        "0-Feb-1994",
        "001-Feb-1994",
        "29-Feb-1900",
        "30-Feb-2000",
        "31-Apr-2000",
        "1-Foo-1994",
        "1-February-1994",
        "1 Feb 1994",
        "\"1-Feb-1994",
        "1-Feb-1994\"",
    ] {
        assert_eq!(day(none), None, "{none}");
    }
}

#[test]
fn a_date_time_has_a_day_in_two_places() {
    let eve = instant(" 7-Feb-1994 21:52:25 -0800").expect("a date");
    assert_eq!((eve.instant, eve.zone), (760_686_745, -480));
    let same = instant("08-Feb-1994 05:52:25 +0000").expect("a date");
    assert_eq!((same.instant, same.zone), (760_686_745, 0));
    assert_eq!(
        instant("31-Dec-2016 23:59:60 +0000").map(|date| date.instant),
        Some(1_483_228_800)
    );
    for none in [
        "7-Feb-1994 21:52:25 -0800",
        " 17-Feb-1994 21:52:25 -0800",
        " 07-Feb-1994 21:52:25 -0800",
        "007-Feb-1994 21:52:25 -0800",
        " 7-Feb-1994 24:52:25 -0800",
        " 7-Feb-1994 21:60:25 -0800",
        " 7-Feb-1994 21:52:61 -0800",
        " 7-Feb-1994 21:52:25 0800",
        " 7-Feb-1994 21:52:25 -2400",
        " 7-Feb-1994 21:52:25 -0860",
        " 7-Feb-1994 21:52:25 GMT",
        " 7-Feb-1994 1:52:25 +0000",
        " 7-Feb-1994",
        "",
    ] {
        assert_eq!(instant(none), None, "{none}");
    }
}

#[test]
fn an_internal_date_is_written_as_it_is_read() {
    assert_eq!(shown(760_686_745, -480), "\" 7-Feb-1994 21:52:25 -0800\"");
    assert_eq!(shown(0, 0), "\" 1-Jan-1970 00:00:00 +0000\"");
    assert_eq!(shown(-1, 330), "\" 1-Jan-1970 05:29:59 +0530\"");
    assert_eq!(shown(1_709_164_800, 0), "\"29-Feb-2024 00:00:00 +0000\"");
    // Bounded where a year has no four digits.
    assert!(shown(i64::MAX, 0).starts_with("\"31-Dec-9999 "));
    assert!(shown(i64::MIN, i16::MIN).starts_with("\" 1-Jan-0000 "));
    for step in 0..4000_i64 {
        let moment = -60_000_000_000 + step * 77_777_777;
        let text = shown(moment, (step % 1439 - 719) as i16);
        let read = instant(text.trim_matches('"')).expect("a date");
        assert_eq!(read.instant, moment, "{text}");
    }
}

#[test]
fn every_day_follows_the_one_before_it() {
    let mut before = Date::FIRST;
    for days in Date::FIRST.days() + 1..=Date::LAST.days() {
        let date = Date::of_days(days);
        assert_eq!(date.days(), days);
        assert_eq!(Date::new(date.year, date.month, date.day), Some(date));
        assert!(date > before);
        before = date;
    }
    assert_eq!(before, Date::LAST);
    assert_eq!(Date::of_days(0), Date::new(1970, 1, 1).expect("a day"));
    assert_eq!(Date::of_instant(86_399, 0), Date::of_days(0));
    assert_eq!(Date::of_instant(86_399, 1), Date::of_days(1));
    assert_eq!(Date::of_instant(0, -1), Date::of_days(-1));
    assert_eq!(Date::new(10_000, 1, 1), None);
}
