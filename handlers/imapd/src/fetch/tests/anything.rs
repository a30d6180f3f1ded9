//! Messages that nobody would write: the reply is one that can be read.

use imap::command::{FetchItem, SectionText};

use super::super::plan::Plan;
use super::super::writer::Writer;
use super::{Kept, message, names, section};

/// What messages are made of here, line ends in many places above all.
const SCRAPS: &[&[u8]] = &[
    b"\n",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b"\"",
    b"\\",
    b"(",
    b")",
    b"<",
    b">",
    b",",
    b";",
    b":",
    b"@",
    b"=",
    b"x",
    b"\xe9",
    b"--b",
    b"--b--",
    b"--c\n",
    b"From: ",
    b"To: a@b, ",
    b"Subject: ",
    b"Content-Type: multipart/mixed; boundary=b\n",
    b"Content-Type: multipart/digest; boundary=\"c\"\r\n",
    b"Content-Type: message/rfc822\n",
    b"Content-Disposition: attachment; filename=",
    b"Content-Language: en, ",
];

/// One value at `at`: a list, a string, or an atom. The place behind it.
fn value(reply: &[u8], at: usize, depth: usize) -> Option<usize> {
    if depth > 250 {
        return None;
    }
    match *reply.get(at)? {
        b'(' => {
            let mut at = at + 1;
            while *reply.get(at)? != b')' {
                at = value(reply, at, depth + 1)?;
                at += usize::from(*reply.get(at)? == b' ');
            }
            Some(at + 1)
        }
        b'"' => {
            let mut at = at + 1;
            loop {
                match *reply.get(at)? {
                    b'"' => return Some(at + 1),
                    b'\\' if matches!(reply.get(at + 1)?, b'"' | b'\\') => at += 2,
                    b'\\' | b'\r' | b'\n' | 0 | 0x80.. => return None,
                    _ => at += 1,
                }
            }
        }
        b'{' => {
            let digits = reply[at + 1..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit());
            let head = at + 1 + digits.count();
            let octets: usize = str::from_utf8(&reply[at + 1..head]).ok()?.parse().ok()?;
            let start = head + 3;
            let is_head = reply.get(head..start)? == b"}\r\n";
            let literal = reply.get(start..start + octets)?;
            (is_head && !literal.contains(&0)).then_some(start + octets)
        }
        _ => {
            let is_atom = |byte: &u8| byte.is_ascii_alphanumeric() || b"[]<>.".contains(byte);
            let length = reply[at..].iter().take_while(|byte| is_atom(byte)).count();
            (length > 0).then_some(at + length)
        }
    }
}

#[test]
fn the_reply_is_one_that_can_be_read() {
    let mut random = 7_u64;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    let items = [
        FetchItem::Envelope,
        FetchItem::BodyStructure,
        FetchItem::Body,
        section(&[], SectionText::All, None),
        section(&[], SectionText::Header, Some((1, 20))),
        section(&[], SectionText::Text, Some((3, 7))),
        section(&[1], SectionText::All, None),
        section(&[1], SectionText::Mime, None),
        section(&[2, 1], SectionText::Header, None),
        section(&[1, 1], SectionText::All, Some((2, 5))),
    ];
    let plan = Plan::new(&items, false);
    for _ in 0..4_000 {
        let mut text = Vec::new();
        for _ in 0..next(60) {
            text.extend_from_slice(SCRAPS[next(SCRAPS.len())]);
        }
        let mut kept = Kept::default();
        let mut out = Writer::new(&mut kept);
        message::write(&text, false, 0, &plan, &mut out).expect("kept");
        out.finish().expect("kept");
        let reply = kept.0;
        let end = value(&reply, b"* 1 FETCH ".len(), 0);
        assert_eq!(end, Some(reply.len() - 2), "{}", text.escape_ascii());
        assert!(reply.ends_with(b")\r\n"));
    }
}

#[test]
fn a_section_is_the_same_whole_and_in_pieces() {
    let fields = || SectionText::Fields(names(&["to", "subject"]));
    let message = b"To: a\r\nSubject: b\n c\nX: y\nTo: d";
    let whole = super::reply(message, &[section(&[], fields(), None)]);
    let (_, whole) = whole.split_once('|').expect("a literal");
    let mut together = String::new();
    for start in 0..60 {
        let piece = super::reply(message, &[section(&[], fields(), Some((start, 1)))]);
        let (_, piece) = piece.split_once('|').expect("a literal");
        together.push_str(piece);
    }
    assert_eq!(together.replace("\\r\\n", "|"), whole);
}
