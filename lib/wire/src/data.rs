//! The text of a message as SMTP and LMTP send it (RFC 5321 section 4.5.2), as a pure state
//! machine: bytes in, bytes for storage out, and the end mark.
//!
//! **CRLF.CRLF is the only end of data** (or `.CRLF` as the very first line), in every mode. A
//! receiver that also ends at LF.LF or its kin can be fed a second message by way of a relay that
//! passes those bytes through as text (SMTP smuggling, CVE-2023-51764 and its like).
//!
//! Otherwise as observed on qmail-smtpd: CRLF becomes LF; one leading dot of a line goes; a bare
//! CR is text and is kept, so is NUL; a line `.` CR x keeps its dot.
//!
//! What a bare LF means is the caller's choice ([`BareLf`]); whatever it is, a bare LF is never
//! half of an end mark.

use memchr::memchr2;

/// What to do about a LF without CR before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BareLf {
    /// Read on to the true end mark; the message is then [`Verdict::BareLf`].
    Reject,
    /// Stop at once with [`Step::BareLf`], as qmail-smtpd does.
    Stop,
    /// It ends a line of text. A line that is nothing but a dot and has a bare LF on either side
    /// still spoils the message ([`Verdict::BareLf`]): that is what smuggling looks like.
    Accept,
}

/// How far [`Unstuff::feed`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// All input is consumed and the message goes on.
    More,
    /// The end mark was read; what follows in the input is not part of the message.
    End(Verdict),
    /// Only with [`BareLf::Stop`]: a bare LF was met.
    BareLf,
}

/// What the finished message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong with its line ends.
    Clean,
    /// It has a bare LF that the mode does not allow; the output is of no use.
    BareLf,
}

/// Where in the text the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Inside a line.
    Text,
    /// Inside a line, after a CR that is not written yet.
    TextCr,
    /// At the start of a line.
    Start(LineEnd),
    /// After a dot at the start of a line; the dot is not written yet.
    Dot(LineEnd),
    /// After a dot and a CR at the start of a line; neither is written yet.
    DotCr(LineEnd),
}

/// How the line before ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    CrLf,
    BareLf,
}

/// The state machine for one message.
#[derive(Debug)]
pub struct Unstuff {
    at: At,
    mode: BareLf,
    spoiled: bool,
}

impl Unstuff {
    /// For a message that begins with the next byte.
    pub fn new(mode: BareLf) -> Unstuff {
        Unstuff {
            at: At::Start(LineEnd::CrLf),
            mode,
            spoiled: false,
        }
    }

    /// Takes input as it comes, appends what is to be stored to `out`, and says how many bytes it
    /// consumed. At most one byte more than `input` holds, and two that were held back before,
    /// are appended.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, Step) {
        let mut used = 0;
        while let Some(&byte) = input.get(used) {
            if self.at == At::Text && byte != b'\r' && byte != b'\n' {
                let rest = &input[used..];
                let run = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                out.extend_from_slice(&rest[..run]);
                used += run;
                continue;
            }
            used += 1;
            if let Some(step) = self.byte(byte, out) {
                return (used, step);
            }
        }
        (used, Step::More)
    }

    /// Whether the message is spoiled already: its verdict will be [`Verdict::BareLf`].
    pub fn is_spoiled(&self) -> bool {
        self.spoiled
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) -> Option<Step> {
        match (self.at, byte) {
            (At::DotCr(LineEnd::CrLf), b'\n') => {
                let verdict = if self.spoiled {
                    Verdict::BareLf
                } else {
                    Verdict::Clean
                };
                return Some(Step::End(verdict));
            }
            (At::DotCr(LineEnd::BareLf), b'\n') => {
                self.spoiled = true;
                self.at = At::Start(LineEnd::CrLf);
            }
            (At::TextCr, b'\n') => {
                out.push(b'\n');
                self.at = At::Start(LineEnd::CrLf);
            }
            (at, b'\n') => return self.bare_lf(at, out),
            (At::Text, b'\r') | (At::Start(_), b'\r') => self.at = At::TextCr,
            (At::TextCr, b'\r') => out.push(b'\r'),
            (At::Dot(before), b'\r') => self.at = At::DotCr(before),
            (At::DotCr(_), b'\r') => {
                out.extend_from_slice(b".\r");
                self.at = At::TextCr;
            }
            (At::Start(before), b'.') => self.at = At::Dot(before),
            (At::Text | At::Start(_) | At::Dot(_), byte) => {
                out.push(byte);
                self.at = At::Text;
            }
            (At::TextCr, byte) => {
                out.extend_from_slice(&[b'\r', byte]);
                self.at = At::Text;
            }
            (At::DotCr(_), byte) => {
                out.extend_from_slice(&[b'.', b'\r', byte]);
                self.at = At::Text;
            }
        }
        None
    }

    fn bare_lf(&mut self, at: At, out: &mut Vec<u8>) -> Option<Step> {
        match self.mode {
            BareLf::Stop => return Some(Step::BareLf),
            BareLf::Reject => self.spoiled = true,
            BareLf::Accept => {
                self.spoiled |= matches!(at, At::Dot(_));
                out.push(b'\n');
            }
        }
        self.at = At::Start(LineEnd::BareLf);
        None
    }
}

#[cfg(test)]
#[path = "data_tests.rs"]
mod tests;
