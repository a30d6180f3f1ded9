//! A client's octets, framed and parsed as a session does it, in lines whole and in parts: no octet of
//! a literal becomes a command, whatever is refused, and where the lines are cut changes nothing.
#![no_main]

use imap::append::{Head, append_head};
use imap::frame::{Frame, Limits, Next};
use imap::parse::parse;
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    line: 200,
    literal: 100,
    total: 400,
    literals: 5,
};

/// Collects one command. How many octets it took; None where they are too few or the end is not
/// known.
fn collect(frame: &mut Frame, input: &[u8], part: usize) -> Option<usize> {
    let mut at = 0;
    loop {
        let length = input[at..].iter().position(|&byte| byte == b'\n')?;
        let line = &input[at..at + length];
        at += length + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut rest = line;
        while rest.len() > part {
            let (first, others) = rest.split_at(part);
            frame.part(first);
            rest = others;
        }
        let octets = match frame.line(rest) {
            Next::Done => return Some(at),
            Next::Close => return None,
            Next::Skip(octets) => octets,
            Next::Literal(literal) => {
                assert!(line.ends_with(b"}"));
                let head = append_head(frame);
                assert_eq!(literal.message, matches!(head, Head::Message(_)));
                assert!(!matches!(head, Head::Bad(_)));
                if literal.message {
                    frame.elsewhere();
                } else {
                    assert!(literal.octets <= LIMITS.literal);
                    let octets = usize::try_from(literal.octets).ok()?;
                    frame.literal(input.get(at..at + octets)?);
                }
                literal.octets
            }
        };
        at = at.checked_add(usize::try_from(octets).ok()?)?;
        if at > input.len() {
            return None;
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&part, mut input)) = input.split_first() else {
        return;
    };
    let mut whole = Frame::new(LIMITS);
    let mut parts = Frame::new(LIMITS);
    while let Some(length) = collect(&mut whole, input, usize::MAX) {
        assert_eq!(
            collect(&mut parts, input, usize::from(part) + 1),
            Some(length)
        );
        // Two octets more for the line end behind each literal.
        assert!(whole.bytes().len() <= LIMITS.total + 2 * LIMITS.literals + 2);
        let parsed = parse(&whole);
        assert!(!parsed.tag.is_empty());
        if whole.fault().is_some() {
            assert!(parsed.command.is_err());
        } else {
            assert_eq!(parsed, parse(&parts));
        }
        whole.clear();
        parts.clear();
        input = &input[length..];
    }
});
