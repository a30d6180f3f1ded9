//! Where a command ends: a line that announces a literal is not its end (RFC 3501 section 4.3, RFC 7888).
//!
//! This comes before any other reading of a command and does not depend on whether the rest of it makes sense: the
//! bytes of a literal, whatever becomes of its command, are never taken for commands.

/// A literal that a line announces at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Literal {
    /// How many bytes it has; `usize::MAX` for more than can be counted.
    pub length: usize,
    /// Whether the client waits until it may send it. Where not, it comes whatever is answered.
    pub waits: bool,
}

impl Literal {
    /// The one that `line`, which has lost its end, announces: `{n}` or `{n+}`.
    pub fn at_end(line: &[u8]) -> Option<Literal> {
        let inner = line.strip_suffix(b"}")?;
        let open = inner.iter().rposition(|&byte| byte == b'{')?;
        let (length, waits) = measure(&inner[open + 1..])?;
        Some(Literal { length, waits })
    }

    /// The one that `text` begins with, and what stands behind its announcement and the CR LF after that.
    pub(crate) fn at_start(text: &[u8]) -> Option<(Literal, &[u8])> {
        let inner = text.strip_prefix(b"{")?;
        let close = inner.iter().position(|&byte| byte == b'}')?;
        let (length, waits) = measure(&inner[..close])?;
        let rest = inner[close + 1..].strip_prefix(b"\r\n")?;
        Some((Literal { length, waits }, rest))
    }
}

/// Takes apart what stands between the braces.
fn measure(inner: &[u8]) -> Option<(usize, bool)> {
    let (digits, waits) = match inner.strip_suffix(b"+") {
        Some(digits) => (digits, false),
        None => (inner, true),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length = digits.iter().fold(0usize, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(usize::from(digit - b'0'))
    });
    Some((length, waits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_end(line: &[u8]) -> Option<(usize, bool)> {
        Literal::at_end(line).map(|literal| (literal.length, literal.waits))
    }

    #[test]
    fn a_literal_is_announced_at_the_end_of_a_line() {
        assert_eq!(at_end(b"a LOGIN {5}"), Some((5, true)));
        assert_eq!(at_end(b"a LOGIN {5+}"), Some((5, false)));
        assert_eq!(at_end(b"{0+}"), Some((0, false)));
        assert_eq!(at_end(b"a APPEND x ~{10}"), Some((10, true)));
        assert_eq!(
            at_end(b"a LOGIN {3} {00000000000000000000000007+}"),
            Some((7, false))
        );
        // In a string that is not closed, in a line that is no command: whoever sent it sends the bytes, too.
        assert_eq!(at_end(b"a LOGIN \"joe {5+}"), Some((5, false)));
    }

    #[test]
    fn what_only_looks_like_one_announces_nothing() {
        for line in [
            &b""[..],
            b"}",
            b"{}",
            b"{+}",
            b"{-1}",
            b"{5-}",
            b"{5++}",
            b"{ 5}",
            b"{5} ",
            b"{5}\"",
            b"5}",
            b"{0x5}",
            b"{5}{",
            b"{5",
            b"\\{5a}",
        ] {
            assert_eq!(at_end(line), None, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn no_number_is_too_large_to_be_seen() {
        let line = [&b"a LOGIN {"[..], &[b'9'; 4000], b"+}"].concat();
        assert_eq!(at_end(&line), Some((usize::MAX, false)));
        assert_eq!(at_end(b"{18446744073709551616}"), Some((usize::MAX, true)));
    }

    #[test]
    fn the_length_in_a_command_is_the_one_that_was_announced() {
        let (literal, rest) = Literal::at_start(b"{3+}\r\njoe {2}").expect("a literal");
        assert_eq!((literal.length, rest), (3, &b"joe {2}"[..]));
        for text in [
            &b"{3}"[..],
            b"{3}x",
            b"{3}\n",
            b"3}\r\n",
            b"{3\r\n",
            b"{x}\r\n",
        ] {
            assert_eq!(Literal::at_start(text), None, "{}", text.escape_ascii());
        }
    }
}
