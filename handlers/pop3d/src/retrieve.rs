//! Sending a message: the whole reply to RETR or TOP, in as few reads and writes as it takes.

use std::io::{self, ErrorKind, Read};

use wire::Trouble;

use crate::output::{Large, Output};
use crate::replies;
use crate::stuff::Stuff;
use crate::top::Cut;

/// How much of a message is read at once. Twice as much can become of it on the wire.
pub const READ_BYTES: usize = 16 * 1024;

/// What is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The header and so many lines of the body (TOP), or everything (RETR).
    pub lines: Option<u64>,
    /// The octets that the message is thought to have.
    pub expected: u64,
    /// One more empty line at the end.
    pub blank_line: bool,
}

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The octets of the message, without what is for the wire alone.
    pub octets: u64,
    /// Everything that there is in the message was sent.
    pub whole: bool,
}

/// Why not all was sent.
#[derive(Debug)]
pub enum Failed {
    /// The message cannot be read; nothing was sent.
    Unreadable(io::Error),
    /// It could not be read any further. A part of it was sent, and the end mark must not follow:
    /// the client would take the part for the whole.
    Broken(io::Error),
    /// The client does not take it.
    Client(Trouble),
}

/// Sends `message` and the end mark. `buffer` is empty, or what an earlier call left.
pub fn send(
    mut message: impl Read,
    wanted: Wanted,
    buffer: &mut Vec<u8>,
    out: &mut impl Output,
) -> Result<Sent, Failed> {
    if buffer.is_empty() {
        *buffer = vec![0; READ_BYTES];
    }
    let mut count = read(&mut message, buffer).map_err(Failed::Unreadable)?;
    let mut reply = Large::new(out);
    reply.add(replies::OK.as_bytes());
    reply.add(b"\r\n");
    let mut cut = wanted.lines.map(Cut::after);
    let mut stuff = Stuff::new();
    while count > 0 {
        let piece = &buffer[..count];
        let taken = cut.as_mut().map_or(count, |cut| cut.take(piece));
        stuff.feed(&piece[..taken], |bytes| reply.add(bytes));
        if cut.as_ref().is_some_and(Cut::is_done) {
            break;
        }
        // A read that was not filled, and just the octets that were expected: that is the end, and
        // another read would only say so.
        if count < buffer.len() && stuff.octets_at_end() == wanted.expected {
            break;
        }
        reply.send_piece().map_err(Failed::Client)?;
        count = read(&mut message, buffer).map_err(Failed::Broken)?;
    }
    stuff.finish(|bytes| reply.add(bytes));
    if wanted.blank_line {
        reply.add(b"\r\n");
    }
    reply.add(b".\r\n");
    reply.send_piece().map_err(Failed::Client)?;
    Ok(Sent {
        octets: stuff.octets(),
        whole: !cut.is_some_and(|cut| cut.is_done()),
    })
}

fn read(message: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match message.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::PIECE_BYTES;
    use crate::output::tests::Kept;

    const ALL: Wanted = Wanted {
        lines: None,
        expected: 0,
        blank_line: false,
    };

    /// Gives its pieces one a read, then the error if there is one; counts the reads.
    struct Pieces<'p> {
        pieces: Vec<&'p [u8]>,
        error: Option<ErrorKind>,
        reads: usize,
    }

    impl<'p> Pieces<'p> {
        fn of(pieces: &[&'p [u8]]) -> Pieces<'p> {
            Pieces {
                pieces: pieces.to_vec(),
                error: None,
                reads: 0,
            }
        }
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.reads += 1;
            if self.pieces.is_empty() {
                return self.error.take().map_or(Ok(0), |kind| Err(kind.into()));
            }
            let piece = self.pieces.remove(0);
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    fn sent(pieces: &mut Pieces, wanted: Wanted) -> (Result<Sent, Failed>, Kept) {
        let mut out = Kept::default();
        let result = send(pieces, wanted, &mut Vec::new(), &mut out);
        (result, out)
    }

    #[test]
    fn the_status_line_the_message_and_the_end_mark_are_one_reply() {
        let (result, out) = sent(&mut Pieces::of(&[b"A: b\n\n.", b"x\n"]), ALL);
        assert_eq!(out.collected, b"+OK \r\nA: b\r\n\r\n..x\r\n.\r\n");
        assert_eq!(out.writes, [0; 0]);
        let told = Sent {
            octets: 12,
            whole: true,
        };
        assert_eq!(result.expect("sent"), told);
    }

    #[test]
    fn an_empty_message_is_an_empty_reply() {
        let (result, out) = sent(&mut Pieces::of(&[]), ALL);
        assert_eq!(out.collected, b"+OK \r\n.\r\n");
        assert_eq!(result.expect("sent").octets, 0);
    }

    #[test]
    fn the_blank_line_of_qmail_comes_before_the_end_mark() {
        let blank_line = Wanted {
            blank_line: true,
            ..ALL
        };
        let (_, out) = sent(&mut Pieces::of(&[b"a"]), blank_line);
        assert_eq!(out.collected, b"+OK \r\na\r\n\r\n.\r\n");
        let (_, out) = sent(&mut Pieces::of(&[]), blank_line);
        assert_eq!(out.collected, b"+OK \r\n\r\n.\r\n");
    }

    #[test]
    fn a_message_of_the_expected_size_is_read_once_and_any_other_to_its_end() {
        for (expected, reads) in [(3, 1), (2, 2), (4, 2)] {
            let mut message = Pieces::of(&[b"a\n"]);
            let wanted = Wanted { expected, ..ALL };
            assert!(sent(&mut message, wanted).0.expect("sent").whole);
            assert_eq!(message.reads, reads, "{expected}");
        }
    }

    #[test]
    fn top_stops_reading_where_it_has_what_is_wanted() {
        let mut message = Pieces::of(&[b"A: b\n\none\n", b"two\n"]);
        let wanted = Wanted {
            lines: Some(1),
            ..ALL
        };
        let (result, out) = sent(&mut message, wanted);
        assert_eq!(out.collected, b"+OK \r\nA: b\r\n\r\none\r\n.\r\n");
        assert!(!result.expect("sent").whole);
        assert_eq!(message.reads, 1);
    }

    #[test]
    fn top_with_a_huge_count_is_retr() {
        let wanted = Wanted {
            lines: Some(99_999_999),
            ..ALL
        };
        let (result, out) = sent(&mut Pieces::of(&[b"A: b\n\none\n", b"two\n"]), wanted);
        assert_eq!(out.collected, b"+OK \r\nA: b\r\n\r\none\r\ntwo\r\n.\r\n");
        assert!(result.expect("sent").whole);
    }

    #[test]
    fn a_message_that_cannot_be_read_at_all_sends_nothing() {
        let mut message = Pieces::of(&[]);
        message.error = Some(ErrorKind::IsADirectory);
        let (result, out) = sent(&mut message, ALL);
        assert!(matches!(result, Err(Failed::Unreadable(_))));
        assert_eq!(out.all(), b"");
    }

    #[test]
    fn a_message_that_breaks_off_gets_no_end_mark() {
        let mut message = Pieces::of(&[b"A: b\n\none"]);
        message.error = Some(ErrorKind::Other);
        let (result, out) = sent(&mut message, ALL);
        assert!(matches!(result, Err(Failed::Broken(_))));
        assert_eq!(out.all(), b"+OK \r\nA: b\r\n\r\none");
    }

    #[test]
    fn an_interrupted_read_is_made_again() {
        let mut message = Pieces::of(&[]);
        message.error = Some(ErrorKind::Interrupted);
        let (result, out) = sent(&mut message, ALL);
        assert!(result.is_ok());
        assert_eq!(out.collected, b"+OK \r\n.\r\n");
    }

    #[test]
    fn a_large_message_goes_out_in_large_pieces_and_never_stands_in_memory() {
        let text = [b'\n'; 1 << 20];
        let mut out = Kept::default();
        let mut buffer = Vec::new();
        let sent = send(&text[..], ALL, &mut buffer, &mut out).expect("sent");
        assert_eq!(sent.octets, 2 << 20);
        assert_eq!(out.all().len(), 6 + (2 << 20) + 3);
        assert_eq!(buffer.len(), READ_BYTES);
        let most = PIECE_BYTES + 2 * READ_BYTES;
        assert!(out.writes.iter().all(|&write| write < most));
        assert!(out.writes.len() <= (2 << 20) / PIECE_BYTES);
        assert!(out.collected.len() < PIECE_BYTES);
    }

    #[test]
    fn a_client_who_takes_no_more_ends_it() {
        let mut out = Kept {
            is_closed: true,
            ..Kept::default()
        };
        let text = [b'\n'; 1 << 20];
        let result = send(&text[..], ALL, &mut Vec::new(), &mut out);
        assert!(matches!(result, Err(Failed::Client(Trouble::Closed))));
    }
}
