//! The two lines that final delivery adds, and the loop that one of them reveals.
//!
//! `Return-Path` holds the envelope sender (RFC 5321 section 4.4), quoted again, for the envelope
//! carries it unquoted. `Delivered-To` holds the recipient; a message that comes with exactly that
//! line in its header has been delivered here before and is going round (as qmail-local sees it).

use std::collections::BTreeSet;

/// The longest header line that can be one of ours: the name, an address of the envelope's limit.
const LINE_LIMIT: usize = crate::envelope::ADDRESS_LIMIT + 32;

/// `Return-Path: <quoted sender>` and its LF.
pub fn return_path(sender: &[u8]) -> Vec<u8> {
    let mut line = b"Return-Path: <".to_vec();
    line.extend_from_slice(&smtp::address::quote(sender));
    line.extend_from_slice(b">\n");
    line
}

/// `Delivered-To: recipient` and its LF.
pub fn delivered_to(recipient: &[u8]) -> Vec<u8> {
    let mut line = b"Delivered-To: ".to_vec();
    line.extend(recipient.iter().map(|&byte| printable(byte)));
    line.push(b'\n');
    line
}

/// A header line must stay one line, whatever an address holds.
fn printable(byte: u8) -> u8 {
    if byte < b' ' || byte == 0x7f {
        b'_'
    } else {
        byte
    }
}

/// Looks through the header of a message for one of several lines.
#[derive(Debug)]
pub struct LoopCheck<'l> {
    lines: BTreeSet<&'l [u8]>,
    line: Vec<u8>,
    /// Still in the header.
    looking: bool,
    found: Option<Vec<u8>>,
}

impl<'l> LoopCheck<'l> {
    /// `lines` as [`delivered_to`] makes them.
    pub fn new(lines: impl IntoIterator<Item = &'l [u8]>) -> LoopCheck<'l> {
        LoopCheck {
            lines: lines.into_iter().collect(),
            line: Vec::new(),
            looking: true,
            found: None,
        }
    }

    /// Takes the message as it comes; `false` once the rest does not matter.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            if !self.looking {
                return false;
            }
            // A longer line is none of ours; what is kept of it is not, either.
            let room = LINE_LIMIT.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.last() == Some(&b'\n') {
                if self.line == b"\n" {
                    self.looking = false;
                } else if self.lines.contains(self.line.as_slice()) {
                    self.found = Some(std::mem::take(&mut self.line));
                    self.looking = false;
                }
                self.line.clear();
            }
        }
        self.looking
    }

    /// The line that was found, without its LF.
    pub fn found(&self) -> Option<&[u8]> {
        self.found.as_deref().map(<[u8]>::trim_ascii_end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).expect("ASCII")
    }

    #[test]
    fn a_plain_sender_stays_plain_and_the_null_sender_is_empty() {
        assert_eq!(
            text(return_path(b"joe.b+x@s.example")),
            "Return-Path: <joe.b+x@s.example>\n"
        );
        assert_eq!(text(return_path(b"")), "Return-Path: <>\n");
        assert_eq!(text(return_path(b"joe")), "Return-Path: <joe>\n");
    }

    #[test]
    fn no_address_can_bring_a_line_into_the_header() {
        assert_eq!(
            text(return_path(b"a\nB: c@d\r\0\ne")),
            "Return-Path: <\"a_B: c\"@d___e>\n"
        );
        assert_eq!(
            text(delivered_to(b"a\nB: c@d\x7f")),
            "Delivered-To: a_B: c@d_\n"
        );
    }

    fn looks(message: &[u8]) -> Option<Vec<u8>> {
        let ours = [delivered_to(b"joe@h"), delivered_to(b"ann@h")];
        let check = |size: usize| {
            let mut check = LoopCheck::new(ours.iter().map(Vec::as_slice));
            for piece in message.chunks(size) {
                if !check.feed(piece) {
                    break;
                }
            }
            check.found().map(<[u8]>::to_vec)
        };
        let found = check(message.len().max(1));
        assert_eq!(check(1), found, "byte by byte");
        found
    }

    #[test]
    fn our_own_line_in_the_header_is_a_loop() {
        let message = b"Received: x\nDelivered-To: ann@h\nSubject: y\n\nbody\n";
        assert_eq!(looks(message), Some(b"Delivered-To: ann@h".to_vec()));
        assert_eq!(
            looks(b"Delivered-To: joe@h\n"),
            Some(b"Delivered-To: joe@h".to_vec())
        );
    }

    #[test]
    fn other_lines_and_the_body_are_no_loop() {
        for message in [
            &b"Delivered-To: joe@h2\n\n"[..],
            b"Delivered-To: joe@h \n\n",
            b"delivered-to: joe@h\n\n",
            b"X: y\n\nDelivered-To: joe@h\n",
            b"\nDelivered-To: joe@h\n",
            b"X-Delivered-To: joe@h\n",
            b"Delivered-To: joe@h",
            b"",
        ] {
            assert_eq!(looks(message), None, "{}", message.escape_ascii());
        }
    }

    #[test]
    fn an_endless_header_line_takes_no_memory_and_hides_nothing() {
        let mut message = vec![b'x'; 10 * LINE_LIMIT];
        message.extend_from_slice(b"\nDelivered-To: joe@h\n");
        assert!(looks(&message).is_some());
        let mut check = LoopCheck::new([]);
        check.feed(&message[..9 * LINE_LIMIT]);
        assert_eq!(check.line.len(), LINE_LIMIT);
    }
}
