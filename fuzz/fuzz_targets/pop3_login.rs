//! POP3 before the login: whatever a client sends, each reply is one of the protocol, no password
//! is decided about where none may be taken, and what is decided about fits the record to the
//! parent.
#![no_main]

use login::dialogue::{Answer, Dialogue, Input, Refusal, Step, Terms, Tls};
use login::record::Record;
use record::Message;
use libfuzzer_sys::fuzz_target;
use popup::session::Session;

fn check(out: &[u8]) {
    assert!(out.is_empty() || out.ends_with(b"\r\n"));
    assert!(out.is_empty() || out[0] == b'+' || out[0] == b'-');
    for line in out.split_inclusive(|&byte| byte == b'\n') {
        assert!(line.len() <= 512 && line.ends_with(b"\r\n"));
        assert!(
            line[..line.len() - 2]
                .iter()
                .all(|byte| matches!(byte, b' '..=b'~'))
        );
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&flags, text)) = input.split_first() else {
        return;
    };
    let is = |bit: u8| flags & (1 << bit) != 0;
    let terms = Terms {
        host: b"mx.test".to_vec(),
        apop: is(0).then(|| b"<r.1@mx.test>".to_vec()),
        cram: is(1).then(|| b"<c.1@mx.test>".to_vec()),
        password: is(2),
        tls: if is(3) { Tls::Offered } else { Tls::Off },
        require_tls: is(4),
        joined: is(5),
        hidden: Vec::new(),
    };
    let mut encrypted = false;
    let mut session = Session::new(terms);
    let mut out = Vec::new();
    session.greet(&mut out);
    check(&out);
    for line in text.split(|&byte| byte == b'\n') {
        out.clear();
        let input = if line.len() > session.line_limit() {
            Input::TooLong
        } else {
            Input::Line(line)
        };
        match session.input(input, &mut out) {
            Step::More | Step::Refuse(..) => assert!(!out.is_empty()),
            Step::Literal(_) | Step::Skip(_) => unreachable!("POP3 has lines only"),
            Step::Quit | Step::End(_) => return check(&out),
            Step::StartTls => {
                assert!(is(3) && !encrypted && out.starts_with(b"+OK "));
                encrypted = true;
                session.tls_started();
            }
            Step::Decide(login) => {
                assert!(out.is_empty());
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
            }
        }
        check(&out);
    }
});
