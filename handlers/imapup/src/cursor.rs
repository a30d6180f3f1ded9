//! The grammar of one command (RFC 3501 section 9), as far as it is needed before a login. Nothing here calls itself:
//! what is nested is refused, not followed.
//!
//! A command is one text, in which each literal stands behind its announcement and a CR LF, as it was sent.

use login::record::NOTE_LIMIT;
use zeroize::Zeroizing;

use crate::literal::Literal;

/// The most bytes of a tag: what the next program is told of it.
pub const TAG_LIMIT: usize = NOTE_LIMIT;

/// What stands in a command is not what the grammar wants there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads a command from its beginning to its end.
#[derive(Clone, Debug)]
pub struct Cursor<'t> {
    rest: &'t [u8],
}

impl<'t> Cursor<'t> {
    /// At the beginning of `text`.
    pub fn new(text: &'t [u8]) -> Cursor<'t> {
        Cursor { rest: text }
    }

    /// The tag: any ASTRING-CHAR but `+`, [`TAG_LIMIT`] of them at most.
    pub fn tag(&mut self) -> Result<&'t [u8], Malformed> {
        let tag = self.run(|byte| is_atom(byte) && byte != b'+')?;
        if tag.len() > TAG_LIMIT {
            return Err(Malformed);
        }
        Ok(tag)
    }

    /// The name of a command or of a mechanism: an atom.
    pub fn word(&mut self) -> Result<&'t [u8], Malformed> {
        self.run(|byte| is_atom(byte) && byte != b']')
    }

    /// Anything without spaces and control characters.
    pub fn token(&mut self) -> Result<&'t [u8], Malformed> {
        self.run(|byte| byte.is_ascii_graphic())
    }

    /// One space.
    pub fn space(&mut self) -> Result<(), Malformed> {
        self.byte(b' ')
    }

    /// The end. Spaces before it are nothing.
    pub fn end(&self) -> Result<(), Malformed> {
        let is_blank = self.rest.iter().all(|&byte| byte == b' ');
        is_blank.then_some(()).ok_or(Malformed)
    }

    /// A name or a password, which is without NUL: an atom, in quotes, or a literal.
    ///
    /// An atom may have more than RFC 3501 gives it, as clients send it: `%`, `*` and bytes beyond ASCII.
    pub fn astring(&mut self) -> Result<Zeroizing<Vec<u8>>, Malformed> {
        if matches!(self.rest.first(), Some(b'"' | b'{')) {
            return self.string();
        }
        let is_wide = |byte: u8| is_atom(byte) || b"%*".contains(&byte) || byte >= 0x80;
        Ok(Zeroizing::new(self.run(is_wide)?.to_vec()))
    }

    /// The parameters of ID (RFC 2971 section 3.3): NIL, or a list of names with values, each of them a string or NIL.
    /// How many there are.
    pub fn id_parameters(&mut self) -> Result<usize, Malformed> {
        if self.nil() {
            return Ok(0);
        }
        self.byte(b'(')?;
        if self.byte(b')').is_ok() {
            return Ok(0);
        }
        let mut count = 0;
        loop {
            self.string()?;
            self.space()?;
            if !self.nil() {
                self.string()?;
            }
            count += 1;
            if self.byte(b')').is_ok() {
                return Ok(count);
            }
            self.space()?;
        }
    }

    fn nil(&mut self) -> bool {
        match self.rest.split_at_checked(3) {
            Some((word, rest)) if word.eq_ignore_ascii_case(b"NIL") => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn byte(&mut self, wanted: u8) -> Result<(), Malformed> {
        match self.rest.split_first() {
            Some((byte, rest)) if *byte == wanted => {
                self.rest = rest;
                Ok(())
            }
            _ => Err(Malformed),
        }
    }

    /// All bytes from here on that are of a kind, one at least.
    fn run(&mut self, is_kind: impl Fn(u8) -> bool) -> Result<&'t [u8], Malformed> {
        let length = self.rest.iter().take_while(|&&byte| is_kind(byte)).count();
        if length == 0 {
            return Err(Malformed);
        }
        let (run, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(run)
    }

    fn string(&mut self) -> Result<Zeroizing<Vec<u8>>, Malformed> {
        if let Some((literal, rest)) = Literal::at_start(self.rest) {
            let (bytes, rest) = rest.split_at_checked(literal.length).ok_or(Malformed)?;
            if bytes.contains(&0) {
                return Err(Malformed);
            }
            self.rest = rest;
            return Ok(Zeroizing::new(bytes.to_vec()));
        }
        self.byte(b'"')?;
        // Room for all of it at once: a vector that grows leaves copies behind.
        let mut unquoted = Zeroizing::new(Vec::with_capacity(self.rest.len()));
        loop {
            let (&byte, rest) = self.rest.split_first().ok_or(Malformed)?;
            self.rest = rest;
            match byte {
                b'"' => return Ok(unquoted),
                b'\\' => {
                    let (&byte, rest) = rest.split_first().ok_or(Malformed)?;
                    if !b"\"\\".contains(&byte) {
                        return Err(Malformed);
                    }
                    self.rest = rest;
                    unquoted.push(byte);
                }
                0 | b'\r' | b'\n' => return Err(Malformed),
                byte => unquoted.push(byte),
            }
        }
    }
}

/// Whether a byte is an ASTRING-CHAR: printable, and nothing that means something of its own.
fn is_atom(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"(){%*\"\\".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn astring(text: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut cursor = Cursor::new(text);
        let value = cursor.astring()?.to_vec();
        cursor.end().map(|()| value)
    }

    fn id(text: &[u8]) -> Result<usize, Malformed> {
        let mut cursor = Cursor::new(text);
        let count = cursor.id_parameters()?;
        cursor.end().map(|()| count)
    }

    #[test]
    fn a_tag_is_of_atom_characters_without_plus() {
        for tag in [
            &b"a"[..],
            b"A001",
            b"1.2-3",
            b"x]y[",
            b"~!@#$^&_=|;:',<>/?`}",
        ] {
            assert_eq!(Cursor::new(tag).tag(), Ok(tag));
        }
        for text in [
            &b""[..],
            b" a",
            b"*",
            b"+",
            b"(a",
            b"{1}",
            b"\"a\"",
            b"\xe4",
            b"\0",
            b"%",
        ] {
            assert_eq!(
                Cursor::new(text).tag(),
                Err(Malformed),
                "{}",
                text.escape_ascii()
            );
        }
        assert!(Cursor::new(&[b't'; TAG_LIMIT]).tag().is_ok());
        assert_eq!(Cursor::new(&[b't'; TAG_LIMIT + 1]).tag(), Err(Malformed));
    }

    #[test]
    fn a_string_is_an_atom_in_quotes_or_a_literal() {
        for (text, value) in [
            (&b"joe"[..], &b"joe"[..]),
            (b"a]b+c%d*e", b"a]b+c%d*e"),
            ("jörg".as_bytes(), "jörg".as_bytes()),
            (b"\"two words\"", b"two words"),
            (b"\"\"", b""),
            (b"\"a\\\\b\\\"c\"", b"a\\b\"c"),
            ("\"pässwörd\"".as_bytes(), "pässwörd".as_bytes()),
            (b"\"{5}\"", b"{5}"),
            (b"{3}\r\na\"b", b"a\"b"),
            (b"{7+}\r\na\r\n\\ \xff(", b"a\r\n\\ \xff("),
            (b"{0}\r\n", b""),
        ] {
            assert_eq!(
                astring(text).as_deref(),
                Ok(value),
                "{}",
                text.escape_ascii()
            );
        }
    }

    #[test]
    fn what_is_no_string_is_refused() {
        for text in [
            &b""[..],
            b" x",
            b"(x)",
            b"\"x",
            b"\"x\\\"",
            b"\"x\\",
            b"\"\\x\"",
            b"\"a\rb\"",
            b"\"a\0b\"",
            b"a\0b",
            b"a\\b",
            b"a\"b",
            b"{3}\r\nab",
            b"{3}ab",
            b"{3}\r\na\0b",
            b"{x}\r\n",
            b"\"a\"b",
            b"{1}\r\nab",
            b"~{1}\r\na",
            b"\x7f",
            b"a\tb",
        ] {
            assert_eq!(astring(text), Err(Malformed), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn id_has_nil_or_pairs() {
        for (text, count) in [
            (&b"NIL"[..], 0),
            (b"nil", 0),
            (b"()", 0),
            (b"(\"name\" \"x\")", 1),
            (b"(\"name\" NIL \"version\" {3}\r\n1.0)", 2),
            (b"({4+}\r\nname nil)", 1),
        ] {
            assert_eq!(id(text), Ok(count), "{}", text.escape_ascii());
        }
        for text in [
            &b""[..],
            b"x",
            b"(",
            b"(\"name\")",
            b"(\"name\" )",
            b"(\"name\" x)",
            b"(NIL \"x\")",
            b"(\"a\" \"b\"",
            b"(\"a\" \"b\" )",
            b"(\"a\"  \"b\")",
            b"((\"a\" \"b\"))",
            b"NILS",
            b"(\"a\" (\"b\"))",
        ] {
            assert_eq!(id(text), Err(Malformed), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_million_parentheses_are_refused_at_the_second() {
        assert_eq!(id(&vec![b'('; 1_000_000]), Err(Malformed));
        assert_eq!(astring(&vec![b'('; 1_000_000]), Err(Malformed));
    }
}
