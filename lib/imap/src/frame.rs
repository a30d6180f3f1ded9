//! The end of a command, over any number of lines and literals, found without understanding it.
//!
//! A command is what comes up to the first line end that no literal is announced before. It is
//! collected as it came, and [`crate::parse`] looks at it when it is whole. Whatever is wrong with it
//! (too long, refused half-way, no command at all), its non-synchronizing literals (RFC 7888) are on
//! their way already, and so is what follows them: they are skipped, all of them, so that no octet of
//! a literal is ever taken for a command.
//!
//! `{5}`, `{5+}` and `~{5}` at the very end of a line announce a literal, wherever they stand. In a
//! quoted string they cannot be at the end of a line but where its closing quote is missing; such a
//! command is refused anyway, and to skip what may be a literal is the safe reading of it.
//!
//! The caller's part:
//!
//! ```text
//! loop {
//!     match frame.line(the next line, without its end) {
//!         Done => break,                  // parse(&frame), answer
//!         Literal(literal) => {           // send "+" if literal.sync, then
//!             if literal.message {        // octets to disk, then frame.elsewhere(), or
//!                                         // frame.refuse(literal), which says what to do next
//!             } else { frame.literal(octets) }
//!         }
//!         Skip(octets) => {}              // read so many and throw them away
//!         Close => ...                    // BYE: nobody can tell where the literal ends
//!     }
//! }
//! ```

use crate::append::{self, Head};
use crate::fault::Fault;

/// The longest announcement that is looked for where a line is thrown away: `~{`, 20 digits, `+}` and
/// some more.
const TAIL_BYTES: usize = 32;

/// A literal of more octets than this is one whose end cannot be waited for.
const OCTETS_LIMIT: u64 = i64::MAX as u64;

/// A buffer larger than this is given back after its command.
const KEPT_BYTES: usize = 16 * 1024;

/// The limits of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one line, its end and literals not counted.
    pub line: usize,
    /// Octets of one literal that is not a message of APPEND.
    pub literal: u64,
    /// Octets of the whole, messages that stand elsewhere not counted.
    pub total: usize,
    /// Literals in a command, messages included.
    pub literals: usize,
}

impl Default for Limits {
    /// Lines of 64 KiB, as clients send sets of UIDs that long; 1000 messages to an APPEND.
    fn default() -> Limits {
        Limits {
            line: 64 * 1024,
            literal: 64 * 1024,
            total: 1024 * 1024,
            literals: 1000,
        }
    }
}

/// A literal that a line has announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Literal {
    /// Its length.
    pub octets: u64,
    /// The client waits for a `+` before it sends it.
    pub sync: bool,
    /// `~{...}` (RFC 3516): it may contain NUL. No command takes it.
    pub binary: bool,
    /// It is a message of APPEND, to which [`Limits::literal`] does not apply;
    /// [`append::append_head`] tells what is known of it.
    pub message: bool,
}

/// What follows a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: the command is whole, or refused and nothing more of it comes.
    Done,
    /// A literal, and then another line.
    Literal(Literal),
    /// So many octets of a refused command, and then another line of it.
    Skip(u64),
    /// Octets without a reasonable end: the connection cannot go on.
    Close,
}

/// A command that is being collected.
#[derive(Debug, Default)]
pub struct Frame {
    limits: Limits,
    bytes: Vec<u8>,
    line_start: usize,
    /// Octets of the announced literal that have not come yet; None where none is announced.
    due: Option<u64>,
    literals: usize,
    /// Where literals begin whose octets are not in `bytes`.
    elsewhere: Vec<usize>,
    fault: Option<Fault>,
    refused: bool,
    /// The end of the line that is being thrown away.
    tail: Vec<u8>,
    /// More of it came before that.
    tail_is_cut: bool,
}

impl Frame {
    /// An empty one.
    pub fn new(limits: Limits) -> Frame {
        Frame {
            limits,
            ..Frame::default()
        }
    }

    /// Makes it empty, for the next command. A small buffer is kept.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.line_start = 0;
        self.due = None;
        self.literals = 0;
        self.elsewhere.clear();
        self.fault = None;
        self.refused = false;
        self.tail.clear();
        self.tail_is_cut = false;
    }

    /// The command: lines and literals as they came, CRLF behind each line but the last.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Why the command will not be understood, where that is known.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Nothing of a command has come yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.fault.is_none()
    }

    /// Where literals begin whose octets are not in [`Frame::bytes`], in ascending order.
    pub(crate) fn elsewhere_at(&self) -> &[usize] {
        &self.elsewhere
    }

    /// A literal is announced, and nothing of it has come.
    pub(crate) fn is_awaiting(&self) -> bool {
        self.due.is_some() && self.line_start == self.bytes.len()
    }

    /// Adds octets of a line that has not ended yet, for a caller whose buffer is smaller than
    /// [`Limits::line`].
    pub fn part(&mut self, bytes: &[u8]) {
        debug_assert!(matches!(self.due, None | Some(0)), "the literal first");
        self.due = None;
        if self.is_dropping() {
            self.drop_part(bytes);
            return;
        }
        let in_line = self.limits.line - (self.bytes.len() - self.line_start).min(self.limits.line);
        let in_all = self.limits.total - self.bytes.len().min(self.limits.total);
        if bytes.len() <= in_line.min(in_all) {
            self.bytes.extend_from_slice(bytes);
            return;
        }
        self.fault = Some(match bytes.len() > in_line {
            true => Fault::LineTooLong(self.limits.line),
            false => Fault::TooLong(self.limits.total),
        });
        // What fits is kept for the sake of the tag.
        let (fits, rest) = bytes.split_at(in_line.min(in_all));
        self.bytes.extend_from_slice(fits);
        let kept = self.bytes[self.line_start..].len().min(TAIL_BYTES);
        let end = self.bytes[self.bytes.len() - kept..].to_vec();
        self.tail_is_cut = self.bytes.len() - self.line_start > kept;
        self.tail.extend_from_slice(&end);
        self.drop_part(rest);
    }

    /// Adds the last octets of a line, without its end, and says what follows it.
    pub fn line(&mut self, rest: &[u8]) -> Next {
        self.part(rest);
        let announced = match self.is_dropping() {
            false => announced(&self.bytes[self.line_start..], false),
            true => announced(&self.tail, self.tail_is_cut),
        };
        self.tail.clear();
        self.tail_is_cut = false;
        let Some(announced) = announced else {
            return Next::Done;
        };
        let mut message = false;
        if !self.is_dropping() {
            self.bytes.extend_from_slice(b"\r\n");
            self.line_start = self.bytes.len();
            self.due = Some(announced.octets.unwrap_or(0));
            self.literals += 1;
            let head = append::append_head(self);
            message = matches!(head, Head::Message(_));
            self.fault = self.find_fault(announced.octets, head);
        }
        let literal = Literal {
            octets: announced.octets.unwrap_or(0),
            sync: announced.sync,
            binary: announced.binary,
            message,
        };
        match announced.octets {
            _ if !self.is_dropping() => Next::Literal(literal),
            None if !announced.sync => Next::Close,
            _ => self.drop_literal(literal),
        }
    }

    /// Adds octets of the announced literal, all of them or some.
    pub fn literal(&mut self, octets: &[u8]) {
        let due = self.due.unwrap_or(0);
        let takes = usize::try_from(due).map_or(octets.len(), |due| due.min(octets.len()));
        debug_assert_eq!(takes, octets.len(), "more than was announced");
        self.due = Some(due - takes as u64);
        self.bytes.extend_from_slice(&octets[..takes]);
        self.line_start = self.bytes.len();
    }

    /// The octets of the announced literal have been read and stand elsewhere.
    pub fn elsewhere(&mut self) {
        debug_assert!(self.is_awaiting(), "a literal is announced");
        self.elsewhere.push(self.bytes.len());
        self.due = None;
    }

    /// The caller does not take the literal that was just announced: a message that is too large, for
    /// a mailbox that is not there. The caller keeps his answer; the rest of the command is thrown
    /// away, beginning with what is returned.
    pub fn refuse(&mut self, literal: Literal) -> Next {
        self.refused = true;
        self.drop_literal(literal)
    }

    /// Whether [`Frame::refuse`] was called: the command is not to be parsed.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    fn is_dropping(&self) -> bool {
        self.refused || self.fault.is_some()
    }

    fn drop_literal(&mut self, literal: Literal) -> Next {
        self.due = None;
        match literal.sync {
            // It never comes: the client sees the answer in place of the `+`.
            true => Next::Done,
            false => Next::Skip(literal.octets),
        }
    }

    /// Keeps the end of a line of which nothing else is kept.
    fn drop_part(&mut self, bytes: &[u8]) {
        let from = bytes.len() - bytes.len().min(TAIL_BYTES);
        self.tail.extend_from_slice(&bytes[from..]);
        let over = self.tail.len() - self.tail.len().min(TAIL_BYTES);
        self.tail.drain(..over);
        self.tail_is_cut |= from > 0 || over > 0;
    }

    /// What is wrong with the literal that was just announced; nothing where `octets` may come.
    fn find_fault(&self, octets: Option<u64>, head: Head) -> Option<Fault> {
        let limits = &self.limits;
        let is_message = match head {
            Head::Bad(fault) => return Some(fault),
            Head::Message(_) => true,
            Head::NotAppend | Head::Other => false,
        };
        if self.literals > limits.literals {
            return Some(Fault::TooMany {
                what: "literals",
                limit: limits.literals,
            });
        }
        let Some(octets) = octets else {
            return Some(Fault::LiteralTooLong(OCTETS_LIMIT));
        };
        if is_message {
            return None;
        }
        if octets > limits.literal {
            return Some(Fault::LiteralTooLong(limits.literal));
        }
        let all = octets.saturating_add(self.bytes.len() as u64);
        (all > limits.total as u64).then_some(Fault::TooLong(limits.total))
    }
}

/// What stands at the end of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Announced {
    /// None: more than [`OCTETS_LIMIT`].
    octets: Option<u64>,
    sync: bool,
    binary: bool,
}

/// The announcement at the end of a line, of which the beginning may be cut off.
fn announced(line: &[u8], is_cut: bool) -> Option<Announced> {
    let inner = line.strip_suffix(b"}")?;
    let (inner, sync) = match inner.strip_suffix(b"+") {
        Some(inner) => (inner, false),
        None => (inner, true),
    };
    let others = inner.iter().rposition(|byte| !byte.is_ascii_digit());
    let Some(brace) = others else {
        // Digits as far as one can see.
        let endless = Announced {
            octets: None,
            sync,
            binary: false,
        };
        return is_cut.then_some(endless);
    };
    let digits = &inner[brace + 1..];
    if inner[brace] != b'{' || digits.is_empty() {
        return None;
    }
    Some(Announced {
        octets: number(digits),
        sync,
        binary: brace > 0 && inner[brace - 1] == b'~',
    })
}

/// The number, if it is at most [`OCTETS_LIMIT`]. More than 20 digits are too many even if they begin
/// with zeros, so that a line that is thrown away is read as one that is kept.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.len() > 20 {
        return None;
    }
    let mut value: u64 = 0;
    for digit in digits {
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
    }
    (value <= OCTETS_LIMIT).then_some(value)
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
