//! What a server says: the reader of replies (RFC 5321 section 4.2, RFC 2034), pure.
//!
//! The server is not trusted: a reply has a limit in lines and in bytes, its lines must have the
//! same code, and of its texts only one printable line is kept.

use std::fmt;

use smtp::enhanced::Status;

/// The most lines of a reply.
pub const LINES: usize = 100;

/// The most bytes of a line, without its line end. (RFC 5321 section 4.5.3.1.5 allows 512 with it.)
pub const LINE_BYTES: usize = 2048;

/// The most bytes of a text that are kept.
pub const TEXT_BYTES: usize = 400;

/// A reply as far as it is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// From 200 to 599.
    pub code: u16,
    /// The enhanced code at the beginning of the text, if it is of the class of `code`.
    pub enhanced: Option<Status>,
    /// All lines in one, without the codes: printable ASCII, at most [`TEXT_BYTES`].
    pub text: Vec<u8>,
}

impl Reply {
    /// Whether it says that the same will never work (5yz).
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        if !self.text.is_empty() {
            write!(f, " {}", self.text.escape_ascii())?;
        }
        Ok(())
    }
}

/// A reply and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// What is passed on.
    pub reply: Reply,
    /// The lines without code and line end, as they came: for EHLO and AUTH.
    pub lines: Vec<Vec<u8>>,
}

/// Why something is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A line does not begin with a code.
    NoCode,
    /// Its lines have different codes.
    Codes,
    /// A line has more than [`LINE_BYTES`].
    LongLine,
    /// It has more than [`LINES`].
    ManyLines,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NoCode => write!(f, "what came is no reply"),
            Fault::Codes => write!(f, "the lines of its reply have different codes"),
            Fault::LongLine => write!(f, "its reply has a line of more than {LINE_BYTES} bytes"),
            Fault::ManyLines => write!(f, "its reply has more than {LINES} lines"),
        }
    }
}

/// Reads one reply in whatever pieces it comes.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    code: Option<u16>,
    lines: Vec<Vec<u8>>,
}

impl Reader {
    /// At the beginning of a reply.
    pub fn new() -> Reader {
        Reader::default()
    }

    /// Takes input; says how much of it belongs to this reply, and gives the reply when its last
    /// line is complete. After that or a fault the reader is used up.
    pub fn feed(&mut self, input: &[u8]) -> Result<(usize, Option<Whole>), Fault> {
        let mut used = 0;
        while used < input.len() {
            let rest = &input[used..];
            let end = memchr::memchr(b'\n', rest);
            let piece = &rest[..end.unwrap_or(rest.len())];
            // A CR that may turn out to belong to the line end is let through.
            if self.line.len() + piece.len() > LINE_BYTES + 1 {
                return Err(Fault::LongLine);
            }
            self.line.extend_from_slice(piece);
            used += piece.len();
            if end.is_some() {
                used += 1;
                if let Some(whole) = self.end_line()? {
                    return Ok((used, Some(whole)));
                }
            }
        }
        Ok((used, None))
    }

    fn end_line(&mut self) -> Result<Option<Whole>, Fault> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if line.len() > LINE_BYTES {
            return Err(Fault::LongLine);
        }
        if self.lines.len() == LINES {
            return Err(Fault::ManyLines);
        }
        let (code, is_last, text) = take_apart(line).ok_or(Fault::NoCode)?;
        if *self.code.get_or_insert(code) != code {
            return Err(Fault::Codes);
        }
        self.lines.push(text.to_vec());
        if !is_last {
            return Ok(None);
        }
        let lines = std::mem::take(&mut self.lines);
        let reply = passed_on(code, &lines);
        Ok(Some(Whole { reply, lines }))
    }
}

/// Code, whether it is the last line, text.
fn take_apart(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (code, rest) = line.split_at_checked(3)?;
    if !matches!(code[0], b'2'..=b'5') || !code.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = code
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest {
        [] => Some((code, true, rest)),
        [b' ', text @ ..] => Some((code, true, text)),
        [b'-', text @ ..] => Some((code, false, text)),
        _ => None,
    }
}

fn passed_on(code: u16, lines: &[Vec<u8>]) -> Reply {
    let enhanced = lines.first().and_then(|line| enhanced(code, line));
    let mut text: Vec<u8> = Vec::new();
    for line in lines {
        // Each line of a reply has it again (RFC 2034 section 4).
        let line = match enhanced_end(line) {
            Some(end) if self::enhanced(code, line).is_some() => &line[end..],
            _ => line,
        };
        let line = line.trim_ascii();
        if line.is_empty() || text.len() >= TEXT_BYTES {
            continue;
        }
        if !text.is_empty() {
            text.push(b' ');
        }
        text.extend(line.iter().map(|&byte| printable(byte)));
    }
    text.truncate(TEXT_BYTES);
    Reply {
        code,
        enhanced,
        text,
    }
}

/// Whatever it is passed on to: no byte of it ends a line or means something to a terminal.
fn printable(byte: u8) -> u8 {
    match byte {
        b' '..=b'~' => byte,
        b'\t' | b'\r' => b' ',
        _ => b'?',
    }
}

/// Where the first word ends.
fn enhanced_end(line: &[u8]) -> Option<usize> {
    let end = memchr::memchr(b' ', line).unwrap_or(line.len());
    (end > 0).then_some(end)
}

/// The enhanced code that a line begins with, if it is one of the class of `code`.
fn enhanced(code: u16, line: &[u8]) -> Option<Status> {
    let status = Status::parse(&line[..enhanced_end(line)?])?;
    (status.class == code / 100).then_some(status)
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
