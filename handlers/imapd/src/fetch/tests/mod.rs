//! What messages look like in replies. Where the RFC leaves a choice, what stands here is what
//! Dovecot 2.3 answers for the same message.

mod anything;
mod envelope;
mod many;
mod sections;
mod structure;

use std::convert::Infallible;

use imap::command::{FetchItem, Section, SectionText, Shown};

use super::plan::Plan;
use super::writer::{Drain, Writer};
use super::{message, text, view};

/// A drain that keeps everything.
#[derive(Debug, Default)]
struct Kept(Vec<u8>);

impl Drain for &mut Kept {
    type Error = Infallible;

    fn drain(&mut self, buffer: &mut Vec<u8>) -> Result<(), Infallible> {
        self.0.append(buffer);
        Ok(())
    }
}

/// The reply for one message, without what is the same in all.
fn reply(message: &[u8], items: &[FetchItem]) -> String {
    let mut kept = Kept::default();
    let mut out = Writer::new(&mut kept);
    message::write(message, false, 0, &Plan::new(items, false), &mut out).expect("kept");
    out.finish().expect("kept");
    let reply = kept.0;
    let inner = reply
        .strip_prefix(b"* 1 FETCH (")
        .and_then(|rest| rest.strip_suffix(b")\r\n"));
    readable(inner.expect("a reply"))
}

/// So that a failure can be read: `\r\n` as `|`, everything that is not printable escaped.
fn readable(bytes: &[u8]) -> String {
    let text: String = bytes
        .iter()
        .map(|&byte| match byte {
            b' '..=b'~' => char::from(byte).to_string(),
            _ => byte.escape_ascii().to_string(),
        })
        .collect();
    text.replace("\\r\\n", "|")
}

fn section(part: &[u32], text: SectionText, partial: Option<(u64, u64)>) -> FetchItem {
    FetchItem::Section(Section {
        shown: Shown::Body,
        peek: true,
        part: part.to_vec(),
        text,
        partial,
    })
}

fn names(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

#[test]
fn dates_are_those_of_the_calendar_in_utc() {
    for (instant, text) in [
        (0, "\" 1-Jan-1970 00:00:00 +0000\""),
        (-1, "\"31-Dec-1969 23:59:59 +0000\""),
        (951_782_400, "\"29-Feb-2000 00:00:00 +0000\""),
        (951_868_800, "\" 1-Mar-2000 00:00:00 +0000\""),
        (1_709_164_799, "\"28-Feb-2024 23:59:59 +0000\""),
        (1_709_164_800, "\"29-Feb-2024 00:00:00 +0000\""),
        (837_596_665, "\"17-Jul-1996 09:44:25 +0000\""),
        (253_402_300_799, "\"31-Dec-9999 23:59:59 +0000\""),
        (i64::MAX, "\"31-Dec-9999 23:59:59 +0000\""),
        (i64::MIN, "\" 1-Jan-0000 00:00:00 +0000\""),
    ] {
        let mut out = Vec::new();
        view::write_date(instant, &mut out);
        assert_eq!(readable(&out), text, "{instant}");
    }
}

#[test]
fn white_space_of_text_for_people_is_one_space() {
    for (raw, text) in [
        (&b"a b"[..], &b"a b"[..]),
        (b"", b""),
        (b" \t", b""),
        (b"a\r\n\tb", b"a b"),
        (b"  a  b\tc \r\n ", b"a b c"),
        (b"a\tb", b"a b"),
        (b"\n \n x", b"x"),
    ] {
        assert_eq!(&text::squashed(raw)[..], text, "{}", raw.escape_ascii());
    }
}

#[test]
fn a_string_without_end_is_cut() {
    for (length, told) in [
        (text::STRING_BYTES, text::STRING_BYTES),
        (text::STRING_BYTES + 1, text::STRING_BYTES),
    ] {
        let mut out = Vec::new();
        text::string(&mut out, &vec![b'x'; length]);
        let head = format!("{{{told}}}\r\n");
        assert_eq!(out.len(), head.len() + told);
        assert!(out.starts_with(head.as_bytes()));
    }
}
