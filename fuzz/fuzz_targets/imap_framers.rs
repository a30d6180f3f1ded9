//! The two framers of IMAP, imapup's and lib/imap's, fed the same octets with the same limits, the second in pieces:
//! they see the same literals, keep or throw away the same octets, find the same ends of commands, and hand over the
//! same text.
//!
//! What may differ, and is stated here: a length of more than 20 digits or more than 63 bits, which lib/imap does not
//! read; an announced literal that imapup refuses for what the command is (lib/imap's caller refuses it then); APPEND,
//! whose faults lib/imap finds before its literals; imapup's ends of a conversation.
#![no_main]

use imap::frame::{Frame, Limits, Next};
use imapup::cursor::Cursor;
use imapup::gathered::COMMAND_LIMIT;
use imapup::session::{LINE_LIMIT, LITERAL_LIMIT, Session};
use libfuzzer_sys::fuzz_target;
use login::dialogue::{Dialogue, Input, Method, Step, Terms, Tls};

const LIMITS: Limits = Limits {
    line: LINE_LIMIT,
    literal: LITERAL_LIMIT as u64,
    total: COMMAND_LIMIT,
    literals: usize::MAX,
};

fn terms() -> Terms {
    Terms {
        host: b"mx.test".to_vec(),
        apop: None,
        cram: Some(b"<c.1@mx.test>".to_vec()),
        password: true,
        tls: Tls::Off,
        require_tls: false,
        joined: false,
        hidden: Vec::new(),
    }
}

/// Feeds a line in pieces of at most `part` octets.
fn feed(frame: &mut Frame, line: &[u8], part: usize) -> Next {
    let mut rest = line;
    while rest.len() > part {
        let (first, others) = rest.split_at(part);
        frame.part(first);
        rest = others;
    }
    frame.line(rest)
}

/// Makes long input out of short, so that limits of kilobytes are reached: 0xFE stands for 1,000 letters.
fn widened(input: &[u8]) -> Vec<u8> {
    let mut wide = Vec::new();
    for &byte in input {
        match byte {
            0xfe if wide.len() < 100_000 => wide.resize(wide.len() + 1000, b'x'),
            byte => wide.push(byte),
        }
    }
    wide
}

/// Whether the number at the end of a line is one that lib/imap does not read.
fn is_beyond(line: &[u8]) -> bool {
    let inner = line.strip_suffix(b"}").unwrap_or(line);
    let inner = inner.strip_suffix(b"+").unwrap_or(inner);
    let digits = inner
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let text = std::str::from_utf8(&inner[inner.len() - digits..]).expect("digits");
    digits > 20 || text.parse::<i64>().is_err()
}

fuzz_target!(|input: &[u8]| {
    let Some((&part, input)) = input.split_first() else {
        return;
    };
    let part = usize::from(part) * usize::from(part) + 1;
    let text = widened(input);
    let mut text = &text[..];
    let mut session = Session::new(terms());
    let mut frame = Frame::new(LIMITS);
    let mut out = Vec::new();
    // The next line is a response of SASL, which announces nothing.
    let mut responds = false;
    loop {
        out.clear();
        let Some(at) = text.iter().position(|&byte| byte == b'\n') else {
            return;
        };
        let line = text[..at].strip_suffix(b"\r").unwrap_or(&text[..at]);
        text = &text[at + 1..];
        if line.len() > session.line_limit() {
            return;
        }
        let step = session.input(Input::Line(line), &mut out);
        if responds {
            responds = step == Step::More && out.starts_with(b"+ ");
            if matches!(step, Step::End(_) | Step::Quit) {
                return;
            }
            continue;
        }
        let next = feed(&mut frame, line, part);
        let is_append = imap::append::append_head(&frame) != imap::append::Head::NotAppend
            || frame
                .bytes()
                .split(|&byte| byte == b' ')
                .nth(1)
                .is_some_and(|word| word.eq_ignore_ascii_case(b"APPEND"));
        match step {
            Step::Quit | Step::End(_) => return,
            Step::Literal(count) => {
                match next {
                    Next::Literal(literal) => {
                        assert_eq!(literal.octets, count as u64);
                        assert_eq!(literal.sync, !out.is_empty());
                    }
                    // A fault of APPEND that only lib/imap knows, or a number that it does not read.
                    Next::Skip(octets) => {
                        assert!(is_append, "kept by one only");
                        assert_eq!(octets, count as u64);
                    }
                    Next::Close => {
                        assert!(is_beyond(line));
                        return;
                    }
                    Next::Done => {
                        assert!(
                            is_append || is_beyond(line),
                            "literal for one, end for the other"
                        );
                        assert!(!out.is_empty(), "it comes in any case");
                        return;
                    }
                }
                let Some((octets, rest)) = text.split_at_checked(count) else {
                    return;
                };
                text = rest;
                out.clear();
                assert_eq!(session.input(Input::Literal(octets), &mut out), Step::More);
                if let Next::Literal(literal) = next {
                    if literal.message {
                        frame.elsewhere();
                    } else {
                        // In pieces, too.
                        for piece in octets.chunks(part) {
                            frame.literal(piece);
                        }
                        if octets.is_empty() {
                            frame.literal(octets);
                        }
                    }
                }
            }
            Step::Skip(count) => {
                match next {
                    Next::Skip(octets) => assert_eq!(octets, count as u64),
                    Next::Literal(literal) => {
                        assert!(literal.message || is_append, "skipped by one only");
                        assert_eq!((literal.octets, literal.sync), (count as u64, false));
                        frame.refuse(literal);
                    }
                    Next::Close => {
                        assert!(is_beyond(line));
                        return;
                    }
                    Next::Done => panic!("skipped by one, the end for the other"),
                }
                let Some((_, rest)) = text.split_at_checked(count) else {
                    return;
                };
                text = rest;
            }
            // The end of a command.
            step => {
                match next {
                    Next::Done => {}
                    Next::Literal(literal) => {
                        assert!(literal.sync, "it comes in any case");
                        assert_eq!(frame.refuse(literal), Next::Done);
                    }
                    // More digits than are kept of a line that is thrown away: what stands before them is not known.
                    Next::Close if is_beyond(line) => return,
                    next => panic!("the end for one only: {next:?}"),
                }
                if let Step::Decide(login) = &step
                    && login.method == Method::User
                {
                    assert!(frame.fault().is_none());
                    let mut cursor = Cursor::new(frame.bytes());
                    assert_eq!(cursor.tag(), Ok(&login.note[..]));
                    assert!(
                        cursor.space().is_ok() && cursor.word().is_ok() && cursor.space().is_ok()
                    );
                    assert_eq!(cursor.astring().expect("a name")[..], login.name[..]);
                    // And by lib/imap's own reader, which takes fewer atoms.
                    let mut own = imap::cursor::Cursor::of(&frame);
                    assert_eq!(own.tag(), Ok(&login.note[..]));
                    assert!(
                        own.sp("command").is_ok()
                            && own.atom("command").is_ok()
                            && own.sp("name").is_ok()
                    );
                    let name = own.astring("name");
                    if let Ok(name) = &name {
                        if own.peek() == Some(b' ') {
                            assert_eq!(name, &login.name);
                        }
                    }
                }
                responds = step == Step::More && out.starts_with(b"+ ");
                if matches!(step, Step::Decide(_)) {
                    session.refused(
                        login::dialogue::Answer {
                            why: login::dialogue::Refusal::Credentials,
                            last: false,
                        },
                        &mut out,
                    );
                }
                frame.clear();
            }
        }
    }
});
