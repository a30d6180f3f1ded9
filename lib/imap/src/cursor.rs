//! The tokens of a command (RFC 3501 section 9), read from left to right.
//!
//! Every reader takes the name of what it looks for, so that the [`Fault`] can say what is missing and
//! where. One that fails may have moved; nothing goes on from there.

use crate::fault::{Fault, beginning};
use crate::frame::Frame;

/// A place in a collected command.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    elsewhere: &'a [usize],
    /// The command ends with the announcement of a literal.
    awaiting: bool,
}

/// What stands before the octets of a literal, and where they begin.
struct Announced {
    octets: u64,
    is_elsewhere: bool,
}

impl<'a> Cursor<'a> {
    /// At the beginning of a command.
    pub fn of(frame: &'a Frame) -> Cursor<'a> {
        Cursor {
            bytes: frame.bytes(),
            at: 0,
            elsewhere: frame.elsewhere_at(),
            awaiting: frame.is_awaiting(),
        }
    }

    /// At the beginning of octets that have all their literals.
    pub fn over(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor {
            bytes,
            at: 0,
            elsewhere: &[],
            awaiting: false,
        }
    }

    /// The next octet.
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Whether nothing is left but spaces. Those at the end of a command mean nothing, and all servers
    /// let them pass; anywhere else one space is one space.
    pub fn is_over(&self) -> bool {
        self.bytes[self.at..].iter().all(|&byte| byte == b' ')
    }

    /// The end of the command.
    pub fn end(&self) -> Result<(), Fault> {
        match self.is_over() {
            true => Ok(()),
            false => Err(self.expected("end of the command")),
        }
    }

    /// The fault that `what` does not stand here.
    pub fn expected(&self, what: &'static str) -> Fault {
        match &self.bytes[self.at..] {
            [] => Fault::Missing(what),
            found => Fault::Expected {
                what,
                at: self.at + 1,
                found: beginning(found),
            },
        }
    }

    /// The next octet, if it is this one.
    pub fn eat(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    /// This octet.
    pub fn need(&mut self, byte: u8, what: &'static str) -> Result<(), Fault> {
        match self.eat(byte) {
            true => Ok(()),
            false => Err(self.expected(what)),
        }
    }

    /// The space before `what`.
    pub fn sp(&mut self, what: &'static str) -> Result<(), Fault> {
        if self.is_over() {
            return Err(Fault::Missing(what));
        }
        self.need(b' ', "space")
    }

    /// What is left, as it came.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Octets of a class, perhaps none.
    pub fn run(&mut self, is_in: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| !is_in(byte));
        let run = &rest[..length.unwrap_or(rest.len())];
        self.at += run.len();
        run
    }

    fn some(&mut self, what: &'static str, is_in: impl Fn(u8) -> bool) -> Result<&'a [u8], Fault> {
        match self.run(is_in) {
            [] => Err(self.expected(what)),
            run => Ok(run),
        }
    }

    /// `tag`.
    pub fn tag(&mut self) -> Result<&'a [u8], Fault> {
        let is_in = |byte| is_astring_char(byte) && byte != b'+';
        self.some("tag", is_in).map_err(|_| Fault::Tag)
    }

    /// `atom`.
    pub fn atom(&mut self, what: &'static str) -> Result<&'a [u8], Fault> {
        self.some(what, is_atom_char)
    }

    /// An atom, if it is this word in any case. Otherwise nothing is read.
    pub fn eat_word(&mut self, word: &[u8]) -> bool {
        let before = self.at;
        let is = self.run(is_atom_char).eq_ignore_ascii_case(word);
        if !is {
            self.at = before;
        }
        is
    }

    /// `astring`: an atom that may contain `]`, or a string. Its octets, without quotes and escapes.
    pub fn astring(&mut self, what: &'static str) -> Result<Vec<u8>, Fault> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(what),
            // Any other `~` may begin an atom.
            Some(b'~') if self.rest().starts_with(b"~{") => Err(NO_BINARY),
            _ => self.some(what, is_astring_char).map(<[u8]>::to_vec),
        }
    }

    /// `list-mailbox`: an astring in which wildcards need no quotes.
    pub fn list_mailbox(&mut self, what: &'static str) -> Result<Vec<u8>, Fault> {
        let is_in = |byte| is_astring_char(byte) || matches!(byte, b'%' | b'*');
        match self.peek() {
            Some(b'"' | b'{') => self.string(what),
            _ => self.some(what, is_in).map(<[u8]>::to_vec),
        }
    }

    /// `nstring`: a string, or None for NIL.
    pub fn nstring(&mut self, what: &'static str) -> Result<Option<Vec<u8>>, Fault> {
        match self.eat_word(b"NIL") {
            true => Ok(None),
            false => self.string(what).map(Some),
        }
    }

    /// `string`: quoted or literal.
    pub fn string(&mut self, what: &'static str) -> Result<Vec<u8>, Fault> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal(what).map(<[u8]>::to_vec),
            Some(b'~') if self.rest().starts_with(b"~{") => Err(NO_BINARY),
            _ => Err(self.expected(what)),
        }
    }

    /// `quoted`. 8-bit octets are let pass: clients send UTF-8 so, and what they mean by it is not
    /// decided here.
    fn quoted(&mut self) -> Result<Vec<u8>, Fault> {
        self.at += 1;
        let mut string = Vec::new();
        loop {
            string.extend_from_slice(
                self.run(|byte| !matches!(byte, b'"' | b'\\' | b'\r' | b'\n' | 0)),
            );
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(byte @ (b'"' | b'\\')) => string.push(byte),
                        _ => return Err(self.expected("quote or backslash behind a backslash")),
                    }
                    self.at += 1;
                }
                _ => return Err(self.expected("closing quote")),
            }
        }
    }

    /// `literal`, the octets of which are here and have no NUL.
    fn literal(&mut self, what: &'static str) -> Result<&'a [u8], Fault> {
        let literal = self.announced(what)?;
        let octets = usize::try_from(literal.octets).ok();
        let end = octets.and_then(|octets| self.at.checked_add(octets));
        let found = end.and_then(|end| self.bytes.get(self.at..end));
        let Some(found) = found.filter(|_| !literal.is_elsewhere) else {
            return Err(Fault::Missing(what));
        };
        if memchr::memchr(0, found).is_some() {
            return Err(Fault::Refused("a literal with a NUL octet"));
        }
        self.at += found.len();
        Ok(found)
    }

    /// A literal that is a message: how many octets it has. What is in it is not looked at.
    pub fn message(&mut self, what: &'static str) -> Result<u64, Fault> {
        if self.rest().starts_with(b"~{") {
            return Err(NO_BINARY);
        }
        let literal = self.announced(what)?;
        if !literal.is_elsewhere {
            let octets = usize::try_from(literal.octets).ok();
            let end = octets.and_then(|octets| self.at.checked_add(octets));
            match end {
                Some(end) if end <= self.bytes.len() => self.at = end,
                _ => return Err(Fault::Missing(what)),
            }
        }
        Ok(literal.octets)
    }

    /// Whether here stands the announcement of a literal that has not come yet.
    pub(crate) fn literal_is_awaited(&self) -> bool {
        let mut ahead = self.clone();
        ahead.eat(b'~');
        ahead.awaiting && ahead.announced("").is_ok() && ahead.at == ahead.bytes.len()
    }

    /// `{5}` or `{5+}` and its line end.
    fn announced(&mut self, what: &'static str) -> Result<Announced, Fault> {
        if self.peek() != Some(b'{') {
            return Err(self.expected(what));
        }
        self.at += 1;
        let octets = self.number64("length of a literal")?;
        self.eat(b'+');
        self.need(b'}', "end of a literal's length")?;
        if !self.rest().starts_with(b"\r\n") {
            return Err(self.expected("line end behind a literal's length"));
        }
        self.at += 2;
        let is_awaited = self.awaiting && self.at == self.bytes.len();
        Ok(Announced {
            octets,
            is_elsewhere: is_awaited || self.elsewhere.binary_search(&self.at).is_ok(),
        })
    }

    /// `number`, 32 bits.
    pub fn number(&mut self, what: &'static str) -> Result<u32, Fault> {
        let before = self.clone();
        let value = self.number64(what)?;
        u32::try_from(value).map_err(|_| before.expected(what))
    }

    /// `nz-number`: one that is not 0.
    pub fn nz_number(&mut self, what: &'static str) -> Result<u32, Fault> {
        let before = self.clone();
        match self.number(what)? {
            0 => Err(before.expected(what)),
            value => Ok(value),
        }
    }

    /// `number64`, or a `mod-sequence-valzer`: 63 bits (RFC 7162 section 7, RFC 9051 section 9).
    pub fn number64(&mut self, what: &'static str) -> Result<u64, Fault> {
        let before = self.clone();
        let mut value: u64 = 0;
        for digit in self.some(what, |byte| byte.is_ascii_digit())? {
            value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(u64::from(digit - b'0')))
                .filter(|&value| i64::try_from(value).is_ok())
                .ok_or_else(|| before.expected(what))?;
        }
        Ok(value)
    }

    /// A list in parentheses, with one space between its elements: `read` reads one of them. It may
    /// be empty; at most `limit` elements are taken.
    pub fn list<T>(
        &mut self,
        what: &'static str,
        limit: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        self.need(b'(', what)?;
        let mut list = Vec::new();
        if self.eat(b')') {
            return Ok(list);
        }
        loop {
            if list.len() == limit {
                return Err(Fault::TooMany { what, limit });
            }
            list.push(read(self)?);
            if self.eat(b')') {
                return Ok(list);
            }
            self.need(b' ', "space or closing parenthesis")?;
        }
    }

    /// A list that is not empty.
    pub fn some_list<T>(
        &mut self,
        what: &'static str,
        limit: usize,
        read: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        if self.rest().starts_with(b"()") {
            return Err(self.expected(what));
        }
        self.list(what, limit, read)
    }
}

/// What a `~{5}` gets.
const NO_BINARY: Fault = Fault::Refused("a binary literal, which no command takes");

/// `ATOM-CHAR`.
pub fn is_atom_char(byte: u8) -> bool {
    const IS: [bool; 256] = atom_chars();
    IS[usize::from(byte)]
}

/// `ASTRING-CHAR`: that or `]`.
pub fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}

/// All that is printable and 7-bit, but for `atom-specials`.
const fn atom_chars() -> [bool; 256] {
    let mut is = [false; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        is[byte] = !matches!(
            byte as u8,
            b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']'
        );
        byte += 1;
    }
    is
}

#[cfg(test)]
#[path = "cursor_tests.rs"]
mod tests;
