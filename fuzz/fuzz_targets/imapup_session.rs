//! IMAP before the login: whatever a client sends, each reply is one of the protocol, nothing is asked for beyond the
//! limits, the bytes of a literal are never taken for commands, no password is decided about where none may be taken,
//! and what is decided about fits the record to the parent.
#![no_main]

use login::dialogue::{Answer, Dialogue, Input, Refusal, Step, Terms, Tls};
use login::record::Record;
use record::Message;
use imapup::cursor::Cursor;
use imapup::literal::Literal;
use imapup::session::{LITERAL_LIMIT, Session};
use libfuzzer_sys::fuzz_target;

fn check(out: &[u8]) {
    assert!(out.is_empty() || out.ends_with(b"\r\n"));
    for line in out.split_inclusive(|&byte| byte == b'\n') {
        assert!(line.len() <= 512 && line.ends_with(b"\r\n"));
        let text = &line[..line.len() - 2];
        assert!(text.iter().all(|byte| matches!(byte, b' '..=b'~')));
        let is_untagged = text.starts_with(b"* ") || text.starts_with(b"+ ");
        assert!(is_untagged || Cursor::new(text).tag().is_ok());
    }
}

/// Takes `count` bytes from the front of `text`; `None` where they are not there.
fn take<'t>(text: &mut &'t [u8], count: usize) -> Option<&'t [u8]> {
    let (taken, rest) = text.split_at_checked(count)?;
    *text = rest;
    Some(taken)
}

fuzz_target!(|input: &[u8]| {
    let Some((&flags, mut text)) = input.split_first() else {
        return;
    };
    let is = |bit: u8| flags & (1 << bit) != 0;
    let terms = Terms {
        host: b"mx.test".to_vec(),
        apop: None,
        cram: is(1).then(|| b"<c.1@mx.test>".to_vec()),
        password: is(2),
        tls: if is(3) { Tls::Offered } else { Tls::Off },
        require_tls: is(4),
        joined: is(5),
        hidden: if is(6) { b"ID".to_vec() } else { Vec::new() },
    };
    let mut encrypted = false;
    let mut session = Session::new(terms);
    let mut out = Vec::new();
    session.greet(&mut out);
    check(&out);
    // Whether the next line is a response of SASL, which announces nothing.
    let mut responds = false;
    let mut step = Step::More;
    loop {
        out.clear();
        step = match step {
            Step::Literal(count) => {
                assert!(count <= LITERAL_LIMIT);
                let Some(bytes) = take(&mut text, count) else {
                    return;
                };
                let step = session.input(Input::Literal(bytes), &mut out);
                assert!(
                    step == Step::More && out.is_empty(),
                    "a literal is answered with its line"
                );
                step
            }
            Step::Skip(count) if take(&mut text, count).is_none() => return,
            _ => {
                let Some(at) = text.iter().position(|&byte| byte == b'\n') else {
                    return;
                };
                let line = take(&mut text, at + 1).unwrap_or_default();
                let line = &line[..at];
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if line.len() > session.line_limit() {
                    let step = session.input(Input::TooLong, &mut out);
                    assert!(matches!(step, Step::End(_)), "a literal may follow it");
                    return check(&out);
                }
                let step = session.input(Input::Line(line), &mut out);
                if let Step::Literal(count) | Step::Skip(count) = step {
                    let literal = Literal::at_end(line).expect("it is announced");
                    assert_eq!(literal.length, count);
                    assert_eq!(literal.waits, !out.is_empty());
                } else if let Some(literal) = Literal::at_end(line) {
                    // It is not read: then it is not sent, or nothing more is.
                    assert!(literal.waits || responds || matches!(step, Step::End(_)));
                }
                responds = step == Step::More && out.starts_with(b"+ ");
                step
            }
        };
        check(&out);
        match step {
            Step::Quit | Step::End(_) => return,
            Step::StartTls => {
                assert!(is(3) && !encrypted);
                encrypted = true;
                session.tls_started();
            }
            Step::Decide(login) => {
                assert!(out.is_empty());
                assert!(!login.name.is_empty() && !login.note.is_empty());
                if login.method.is_plaintext() {
                    assert!(is(2) && (encrypted || !is(4)));
                }
                let last = login.name.len() % 2 == 0;
                let record = Record {
                    login,
                    tls: None,
                    ahead: b"ahead".to_vec().into(),
                };
                let message = record.to_record().expect("it fits");
                let read = Record::from_record(&message);
                assert_eq!(read.expect("it is understood"), record);
                let why = Refusal::Credentials;
                session.refused(Answer { why, last }, &mut out);
                check(&out);
                step = Step::More;
                continue;
            }
            Step::Literal(_) | Step::Skip(_) | Step::More | Step::Refuse(..) => {}
        }
    }
});
