use super::*;
use crate::append::{AppendHead, append_head};
use crate::command::{AppendMessage, Command};
use crate::flag::Flag;
use crate::parse::parse;
use crate::test_support::{feed, frame};

const SMALL: Limits = Limits {
    line: 40,
    literal: 10,
    total: 60,
    literals: 3,
};

fn literal(octets: u64, sync: bool) -> Literal {
    Literal {
        octets,
        sync,
        binary: false,
        message: false,
    }
}

fn fault(input: &[u8]) -> String {
    let fed = feed(SMALL, input);
    fed.frame
        .fault()
        .map(ToString::to_string)
        .unwrap_or_default()
}

#[test]
fn a_line_without_an_announcement_is_a_command() {
    for line in [
        "a NOOP", "", "a {", "a }", "a {}", "a {5", "a {5} ", "a {5}x", "a {-5}", "a {5++}",
        "a {5 }", "a 5}", "5}",
    ] {
        let mut frame = Frame::new(Limits::default());
        assert_eq!(frame.line(line.as_bytes()), Next::Done, "{line}");
        assert_eq!(frame.bytes(), line.as_bytes());
        assert_eq!(frame.fault(), None);
    }
}

#[test]
fn an_announcement_ends_a_line_and_is_followed_by_its_octets() {
    let mut frame = Frame::new(Limits::default());
    assert_eq!(frame.line(b"a LOGIN {3}"), Next::Literal(literal(3, true)));
    frame.literal(b"jo");
    frame.literal(b"e");
    assert_eq!(frame.line(b" {2+}"), Next::Literal(literal(2, false)));
    frame.literal(b"\r\n");
    assert_eq!(frame.line(b""), Next::Done);
    assert_eq!(frame.bytes(), b"a LOGIN {3}\r\njoe {2+}\r\n\r\n");
    let binary = Literal {
        binary: true,
        ..literal(7, true)
    };
    frame.clear();
    assert_eq!(frame.line(b"a X ~{007}"), Next::Literal(binary));
}

#[test]
fn the_parts_of_a_line_are_one_line() {
    let mut frame = Frame::new(Limits::default());
    frame.part(b"a SELECT {");
    frame.part(b"3");
    assert_eq!(frame.line(b"+}"), Next::Literal(literal(3, false)));
}

#[test]
fn a_line_has_a_limit_and_its_literals_are_skipped_behind_it() {
    let line = |length: usize| {
        let mut line = b"a NOOP ".to_vec();
        line.resize(length, b'x');
        line
    };
    let ended = |line: Vec<u8>, end: &[u8]| [line.as_slice(), end].concat();
    assert_eq!(fault(&ended(line(40), b"\r\n")), "");
    assert_eq!(
        fault(&ended(line(41), b"\r\n")),
        "a line of more than 40 octets"
    );
    for length in [35, 36, 37, 38, 39, 40, 41, 60, 100, 1000] {
        let input = ended(
            line(length),
            b"{12+}\r\na2 NOOP\r\n\r\n {3+}\r\nabc\r\na3 NOOP\r\n",
        );
        let fed = feed(SMALL, &input);
        assert_eq!(fed.nexts, [Next::Skip(12), Next::Skip(3), Next::Done]);
        assert_eq!(fed.rest, b"a3 NOOP\r\n", "{length}");
        let parsed = parse(&fed.frame);
        assert_eq!(parsed.tag, b"a");
        assert!(parsed.command.is_err());
    }
    // Nothing comes behind a literal that waits for a `+`.
    let fed = feed(SMALL, &ended(line(100), b"{12}\r\na2 NOOP\r\n"));
    assert_eq!(fed.nexts, [Next::Done]);
    assert_eq!(fed.rest, b"a2 NOOP\r\n");
}

#[test]
fn a_literal_has_a_limit() {
    let good = feed(SMALL, b"a SELECT {10}\r\n0123456789\r\n");
    assert_eq!(good.nexts, [Next::Literal(literal(10, true)), Next::Done]);
    let waits = feed(SMALL, b"a SELECT {11}\r\nb NOOP\r\n");
    assert_eq!(waits.nexts, [Next::Done]);
    assert_eq!(waits.rest, b"b NOOP\r\n");
    let comes = feed(SMALL, b"a SELECT {11+}\r\nb LOGOUT\r\n.\r\nb NOOP\r\n");
    assert_eq!(comes.nexts, [Next::Skip(11), Next::Done]);
    assert_eq!(comes.rest, b"b NOOP\r\n");
    let command = parse(&comes.frame).command;
    assert_eq!(command, Err(Fault::LiteralTooLong(10)));
}

#[test]
fn a_command_has_a_limit_in_octets_and_in_literals() {
    let one = b"a SEARCH {10+}\r\n0123456789".to_vec();
    let two = [one.as_slice(), b" {10+}\r\n0123456789"].concat();
    assert_eq!(
        fault(&[two.as_slice(), b" 456789012345678\r\n"].concat()),
        ""
    );
    assert_eq!(
        fault(&[two.as_slice(), b" 4567890123456789\r\n"].concat()),
        "a command of more than 60 octets"
    );
    assert_eq!(
        fault(&[two.as_slice(), b" {9+}\r\n012345678\r\n"].concat()),
        ""
    );
    assert_eq!(
        fault(&[two.as_slice(), b" {10+}\r\n0123456789\r\n"].concat()),
        "a command of more than 60 octets"
    );
    assert_eq!(fault(b"a {1+}\r\nx {1+}\r\nx {1+}\r\nx\r\n"), "");
    assert_eq!(
        fault(b"a {1+}\r\nx {1+}\r\nx {1+}\r\nx {1+}\r\nx\r\n"),
        "more than 3 literals"
    );
}

#[test]
fn a_literal_that_nobody_can_wait_for_closes_the_connection() {
    let next = |line: &str| Frame::new(Limits::default()).line(line.as_bytes());
    assert_eq!(
        next("a X {9223372036854775807+}"),
        Next::Skip(i64::MAX as u64)
    );
    for number in [
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999999999999999999999999",
        "000000000000000000005",
    ] {
        assert_eq!(next(&format!("a X {{{number}+}}")), Next::Close, "{number}");
        assert_eq!(next(&format!("a X {{{number}}}")), Next::Done, "{number}");
        // The same where the line is too long to be kept.
        let long = "x".repeat(70_000);
        assert_eq!(next(&format!("a {long} {{{number}+}}")), Next::Close);
        assert_eq!(next(&format!("a {long} {{{number}}}")), Next::Done);
    }
    assert_eq!(
        next(&format!(
            "a {} {{00000000000000000005+}}",
            "x".repeat(70_000)
        )),
        Next::Skip(5)
    );
}

fn head(lines: &[u8]) -> Head {
    let mut frame = Frame::new(Limits::default());
    let mut lines = lines;
    // All literals but the last one have three octets.
    while let Some(end) = memchr::memmem::find(lines, b"\r\n") {
        let Next::Literal(literal) = frame.line(&lines[..end]) else {
            panic!("a literal is announced");
        };
        match literal.message {
            true => frame.elsewhere(),
            false => frame.literal(&lines[end + 2..end + 5]),
        }
        lines = &lines[end + 5..];
    }
    frame.line(lines);
    append_head(&frame)
}

fn message(mailbox: &[u8], before: usize, flags: &[Flag], octets: u64) -> Head {
    Head::Message(AppendHead {
        mailbox: mailbox.to_vec(),
        before,
        message: AppendMessage {
            flags: flags.to_vec(),
            date: None,
            octets,
        },
    })
}

#[test]
fn a_message_of_append_is_told_from_other_literals() {
    assert_eq!(head(b"a SELECT {3}"), Head::NotAppend);
    assert_eq!(head(b"a {3}"), Head::NotAppend);
    assert_eq!(head(b"{3}"), Head::NotAppend);
    assert_eq!(head(b"a APPEND {3}"), Head::Other);
    assert_eq!(head(b"a append {3+}"), Head::Other);
    assert_eq!(head(b"a APPEND x {30}"), message(b"x", 0, &[], 30));
    assert_eq!(
        head(b"a APPEND {3}\r\nbox (\\Seen) {30+}"),
        message(b"box", 0, &[Flag::Seen], 30)
    );
    assert_eq!(
        head(b"a APPEND x {3}\r\nmsg (\\Draft) {3}\r\nmsg {99999999}"),
        message(b"x", 2, &[], 99_999_999)
    );
    let Head::Message(dated) =
        head(b"a APPEND x (\\Seen $Junk) \" 7-Feb-1994 21:52:25 -0800\" {3}")
    else {
        panic!("a message");
    };
    assert_eq!(dated.message.flags.len(), 2);
    assert_eq!(
        dated.message.date.map(|date| date.instant),
        Some(760_686_745)
    );
}

#[test]
fn an_append_that_is_wrong_already_gets_no_message() {
    for line in [
        &b"a APPEND x (\\Recent) {5+}"[..],
        b"a APPEND x (\\Strange) {5+}",
        b"a APPEND x \"32-Feb-1994 21:52:25 -0800\" {5+}",
        b"a APPEND x x {5+}",
        b"a APPEND x  {5+}",
        b"a APPEND x ~{5+}",
        b"a APPEND x{5+}",
        b"a APPEND \"x {5+}",
    ] {
        let input = [line, b"\r\nb X\r\n\r\nb NOOP\r\n"].concat();
        let fed = feed(Limits::default(), &input);
        assert_eq!(fed.nexts, [Next::Skip(5), Next::Done]);
        assert_eq!(fed.rest, b"b NOOP\r\n", "{}", line.escape_ascii());
        assert!(parse(&fed.frame).command.is_err());
    }
}

#[test]
fn messages_have_no_limit_of_literals_length_and_may_be_refused() {
    let mut frame = Frame::new(SMALL);
    let Next::Literal(first) = frame.line(b"a APPEND x {1000+}") else {
        panic!("a message");
    };
    assert!(first.message);
    assert_eq!(frame.refuse(first), Next::Skip(1000));
    assert_eq!(frame.line(b" {2000+}"), Next::Skip(2000));
    assert_eq!(frame.line(b" {3000}"), Next::Done);
    assert!(frame.is_refused() && parse(&frame).command.is_err());
    assert_eq!(parse(&frame).tag, b"a");

    frame.clear();
    let Next::Literal(waits) = frame.line(b"a APPEND x {1000}") else {
        panic!("a message");
    };
    assert_eq!(frame.refuse(waits), Next::Done);
    frame.clear();
    assert!(!frame.is_refused() && frame.is_empty());
}

#[test]
fn a_message_may_stand_elsewhere_or_here() {
    let wanted = Ok(Command::Append {
        mailbox: b"x".to_vec(),
        messages: [5, 0]
            .map(|octets| AppendMessage {
                flags: Vec::new(),
                date: None,
                octets,
            })
            .to_vec(),
    });
    let elsewhere = frame(b"a APPEND x {5}\r\nhello {0+}\r\n");
    assert_eq!(parse(&elsewhere).command, wanted);
    let mut here = Frame::new(Limits::default());
    here.line(b"a APPEND x {5}");
    here.literal(b"h\0llo");
    here.line(b" {0+}");
    here.literal(b"");
    here.line(b"");
    assert_eq!(parse(&here).command, wanted);
}
