//! Sanitizes what programs say to a client through us: one printable line, and a reply that means what it
//! was meant to.
//!
//! A line end or a control byte from a program would be a second reply, and answer a command that
//! the client has not sent yet.

/// The most bytes of a text; with code and line end a reply line has 512 at most (RFC 5321
/// section 4.5.3.1.5).
pub const TEXT_LIMIT: usize = 480;

/// The first line of `bytes` that is not blank, printable ASCII and at most [`TEXT_LIMIT`] bytes of
/// it; any other byte is `?`. `None` where there is none.
pub fn line(bytes: &[u8]) -> Option<String> {
    bytes
        .split(|&byte| matches!(byte, b'\n' | b'\r'))
        .map(<[u8]>::trim_ascii)
        .find(|line| !line.is_empty())
        .map(|line| line.iter().take(TEXT_LIMIT).map(printable).collect())
}

/// A byte that may be part of a reply.
fn printable(byte: &u8) -> char {
    match byte {
        b' '..=b'~' => char::from(*byte),
        b'\t' => ' ',
        _ => '?',
    }
}

/// The reply that `bytes` are where they begin with a code of refusal, from 400 to 599: one line,
/// and the last one of its reply.
pub fn refusal(bytes: &[u8]) -> Option<String> {
    let line = line(bytes)?;
    let (code, text) = line.split_at_checked(3)?;
    let digits = code.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !code.starts_with(['4', '5']) {
        return None;
    }
    let text = match text.as_bytes().first() {
        None => "refused",
        Some(b' ' | b'-') => text[1..].trim_start(),
        Some(_) => return None,
    };
    Some(format!("{code} {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_is_said_and_only_what_is_printable() {
        assert_eq!(line(b"no\r\n250 ok\r\n").as_deref(), Some("no"));
        assert_eq!(
            line(b"\n \r\n a\tb\x1b\xff\0c ").as_deref(),
            Some("a b???c")
        );
        assert_eq!(line(b"\r\n\n \t"), None);
        assert_eq!(line(b""), None);
    }

    #[test]
    fn a_line_of_the_limit_is_said_whole_and_a_longer_one_is_cut() {
        for (given, said) in [(479, 479), (480, 480), (481, 480), (100_000, 480)] {
            let text = line(&vec![b'x'; given]).expect("a line");
            assert_eq!(text.len(), said, "{given}");
        }
    }

    #[test]
    fn a_refusal_has_a_code_from_400_to_599_and_is_the_last_line_of_a_reply() {
        for (given, reply) in [
            ("550 no (#5.1.1)", "550 no (#5.1.1)"),
            ("421-later\n421 more", "421 later"),
            ("450", "450 refused"),
            ("599  x", "599 x"),
        ] {
            assert_eq!(refusal(given.as_bytes()).as_deref(), Some(reply));
        }
        for given in [
            "250 ok",
            "354 go",
            "650 x",
            "55 x",
            "5500 x",
            "5x0 a",
            "no",
            "",
            "\u{661}50 x",
            "55\u{e9}",
        ] {
            assert_eq!(refusal(given.as_bytes()), None, "{given:?}");
        }
    }
}
