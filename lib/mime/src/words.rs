//! The pieces that structured field values are made of (RFC 5322 section 3.2), in folded values: a
//! line end is white space.

use std::borrow::Cow;

use memchr::{memchr2, memchr3};

/// Whether it is white space, or a line end between two.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The text of the quoted-string whose `"` stands at `at`, and where it ends. None if it does not.
pub(crate) fn quoted(bytes: &[u8], at: usize) -> Option<(Cow<'_, [u8]>, usize)> {
    let mut end = at + 1;
    loop {
        end += memchr2(b'"', b'\\', bytes.get(end..)?)?;
        if bytes[end] == b'"' {
            return Some((unquote(&bytes[at + 1..end]), end + 1));
        }
        end += 2;
    }
}

/// The text of the comment whose `(` stands at `at`, and where it ends. None if it does not.
pub(crate) fn comment(bytes: &[u8], at: usize) -> Option<(Cow<'_, [u8]>, usize)> {
    let (mut end, mut depth) = (at + 1, 1u64);
    loop {
        end += memchr3(b'(', b')', b'\\', bytes.get(end..)?)?;
        match bytes[end] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => end += 1,
        }
        end += 1;
        if depth == 0 {
            return Some((unquote(&bytes[at + 1..end - 1]), end));
        }
    }
}

/// Without the backslashes of quoted pairs and without line ends.
pub(crate) fn unquote(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr2(b'\\', b'\n', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\n' => {}
            b'\r' if bytes.peek() == Some(&b'\n') => {}
            b'\\' => match bytes.next() {
                Some(b'\r' | b'\n') | None => {}
                Some(byte) => out.push(byte),
            },
            byte => out.push(byte),
        }
    }
    Cow::Owned(out)
}

/// A place in a field's value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next byte.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Passes over so many bytes.
    pub(crate) fn skip(&mut self, bytes: usize) {
        self.at = self.bytes.len().min(self.at + bytes);
    }

    /// Passes over this byte if it is the next one.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    /// Passes over white space and comments; one that does not end is all that is left.
    pub(crate) fn skip_space(&mut self) {
        while let Some(byte) = self.peek() {
            if is_space(byte) {
                self.at += 1;
            } else if byte == b'(' {
                self.at = comment(self.bytes, self.at).map_or(self.bytes.len(), |(_, end)| end);
            } else {
                break;
            }
        }
    }

    /// What stands before white space, a comment, a quote, a semicolon or one of `ends`.
    pub(crate) fn token(&mut self, ends: &[u8]) -> &'a [u8] {
        let rest = self.rest();
        let is_end = |&byte: &u8| {
            is_space(byte) || matches!(byte, b'(' | b'"' | b';') || ends.contains(&byte)
        };
        let token = &rest[..rest.iter().position(is_end).unwrap_or(rest.len())];
        self.at += token.len();
        token
    }

    /// A quoted-string, which goes to the end of the value if it does not end before. The next
    /// byte is its quote.
    pub(crate) fn quoted(&mut self) -> Cow<'a, [u8]> {
        let (text, end) = quoted(self.bytes, self.at)
            .unwrap_or_else(|| (unquote(&self.rest()[1..]), self.bytes.len()));
        self.at = end;
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_string_loses_its_backslashes_and_its_folding() {
        let (text, end) = quoted(b"\"a\\\"b\r\n c\" d", 0).unwrap();
        assert_eq!((&text[..], end), (&b"a\"b c"[..], 10));
        assert_eq!(quoted(b"\"a", 0), None);
        assert_eq!(quoted(b"\"a\\\"", 0), None);
        assert_eq!(quoted(b"\"\\", 0), None);
    }

    #[test]
    fn comments_stand_in_comments() {
        let (text, end) = comment(b"(a (b) \\) c) d", 0).unwrap();
        assert_eq!((&text[..], end), (&b"a (b) ) c"[..], 12));
        assert_eq!(comment(b"(a (b)", 0), None);
        assert_eq!(comment(b"(\\", 0), None);
    }
}
