//! A command of one line or several: it is read or refused in one sentence without control
//! characters, and what is written of its strings, sets and dates is read as the same again.
#![no_main]

use imap::command::{Command, SearchKey};
use imap::cursor::Cursor;
use imap::date;
use imap::frame::{Frame, Limits, Next};
use imap::parse::parse;
use imap::seq::{self, SequenceSet};
use imap::write;
use libfuzzer_sys::fuzz_target;

fn frame_of(input: &[u8]) -> Option<Frame> {
    let mut frame = Frame::new(Limits::default());
    let mut at = 0;
    loop {
        let rest = input.get(at..)?;
        let length = rest.iter().position(|&byte| byte == b'\n');
        let line = &rest[..length.unwrap_or(rest.len())];
        at += line.len() + 1;
        let Next::Literal(literal) = frame.line(line.strip_suffix(b"\r").unwrap_or(line)) else {
            return Some(frame);
        };
        let octets = usize::try_from(literal.octets).ok()?;
        frame.literal(input.get(at..at.checked_add(octets)?)?);
        at += octets;
    }
}

fn string(octets: &[u8]) {
    let mut out = b"a DELETE ".to_vec();
    write::astring(&mut out, octets);
    out.push(b'\n');
    if let Some(frame) = frame_of(&out) {
        assert_eq!(parse(&frame).command, Ok(Command::Delete(octets.to_vec())));
    }
}

fn set(set: &SequenceSet) {
    let ranges = set.resolve(1000);
    assert!(
        ranges
            .iter()
            .all(|&(start, end)| 1 <= start && start <= end)
    );
    assert!(ranges.windows(2).all(|two| two[0].1 + 1 < two[1].0));
    let mut out = Vec::new();
    write::set(&mut out, &ranges);
    if !out.is_empty() {
        let again = seq::set(&mut Cursor::over(&out));
        assert_eq!(again.map(|set| set.resolve(1)), Ok(ranges));
    }
}

fn depth(key: &SearchKey) -> usize {
    match key {
        SearchKey::And(keys) => keys.iter().map(depth).max().unwrap_or(0) + 1,
        SearchKey::Or(one, other) => depth(one).max(depth(other)) + 1,
        SearchKey::Not(key) => depth(key) + 1,
        _ => 0,
    }
}

fuzz_target!(|input: &[u8]| {
    let Some(frame) = frame_of(input) else {
        return;
    };
    match parse(&frame).command {
        Err(fault) => {
            let sentence = fault.to_string();
            assert!(sentence.len() < 200);
            assert!(sentence.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
        Ok(Command::Delete(name) | Command::Subscribe(name)) => string(&name),
        Ok(Command::Search { key, .. }) => assert!(depth(&key) <= 103),
        Ok(Command::Copy { set: copied, .. } | Command::Store { set: copied, .. }) => set(&copied),
        Ok(Command::Append { messages, .. }) => {
            for date in messages.iter().filter_map(|message| message.date) {
                let mut out = Vec::new();
                date.write(&mut out);
                assert_eq!(out.len(), 28);
                let year = date::Date::of_instant(date.instant, date.zone).year;
                if (1..9999).contains(&year) {
                    assert_eq!(date::date_time(&mut Cursor::over(&out)), Ok(date));
                }
            }
        }
        Ok(_) => {}
    }
});
