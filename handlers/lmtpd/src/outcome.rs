//! What a process that delivers as the owner of mailboxes tells the one that started it: one frame a
//! thing done, on a pipe, and an end.
//!
//! ```text
//! kind | number of the part, 2 bytes | size, 8 bytes | length, 2 bytes | text      least first
//! c    a copy is there: its size, and its path
//! f    a filter has taken the message, so there is no copy: its size, and the filter's path
//! d    the part is delivered
//! r    the part is refused: the reply, NUL, the reason
//! ```
//!
//! A part without `d` or `r` is one whose process died: nobody knows what became of it, and it is
//! not delivered.

use std::path::PathBuf;

use crate::record::RecipientStatus;

/// The most bytes of a text.
pub const TEXT_LIMIT: usize = 8 * 1024;

const HEADER: usize = 1 + 2 + 8 + 2;

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A copy is on the disk.
    Copy {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
        /// It is none: the file is a filter, which has taken the message.
        taken: bool,
    },
    /// All copies of the part are.
    Delivered,
    /// None of them is.
    Refused {
        /// What the client is told.
        status: RecipientStatus,
        /// What the log is told.
        reason: Vec<u8>,
    },
}

/// An outcome as a frame, of the part of that number.
pub fn write(part: usize, outcome: &Outcome) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    let (kind, size, mut text) = match outcome {
        Outcome::Copy { path, size, taken } => {
            let kind = if *taken { b'f' } else { b'c' };
            (kind, *size, path.as_os_str().as_bytes().to_vec())
        }
        Outcome::Delivered => (b'd', 0, Vec::new()),
        Outcome::Refused { status, reason } => {
            let reply = match status {
                RecipientStatus::Refused(reply) => reply.as_bytes(),
                RecipientStatus::Delivered => b"",
            };
            (b'r', 0, [reply, b"\0", reason].concat())
        }
    };
    text.truncate(TEXT_LIMIT);
    let mut frame = vec![kind];
    // Neither is ever larger: there are fewer recipients, and the text was cut.
    frame.extend_from_slice(&u16::try_from(part).unwrap_or(u16::MAX).to_le_bytes());
    frame.extend_from_slice(&size.to_le_bytes());
    frame.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    frame.extend_from_slice(&text);
    frame
}

/// Takes frames as they come.
#[derive(Debug, Default)]
pub struct Reader {
    held: Vec<u8>,
    broken: bool,
}

impl Reader {
    /// The outcomes that are complete now, with the numbers of their parts. What follows something
    /// that is no frame is not looked at.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<(usize, Outcome)> {
        let mut found = Vec::new();
        if self.broken {
            return found;
        }
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((header, rest)) = self.held[at..].split_first_chunk::<HEADER>() {
            let [kind, p0, p1, s0, s1, s2, s3, s4, s5, s6, s7, l0, l1] = *header;
            let length = usize::from(u16::from_le_bytes([l0, l1]));
            if length > TEXT_LIMIT {
                self.broken = true;
                break;
            }
            let Some(text) = rest.get(..length) else {
                break;
            };
            let size = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
            let Some(outcome) = outcome(kind, size, text) else {
                self.broken = true;
                break;
            };
            found.push((usize::from(u16::from_le_bytes([p0, p1])), outcome));
            at += HEADER + length;
        }
        self.held.drain(..at);
        found
    }
}

fn outcome(kind: u8, size: u64, text: &[u8]) -> Option<Outcome> {
    use std::os::unix::ffi::OsStrExt;
    match kind {
        b'c' | b'f' => Some(Outcome::Copy {
            path: PathBuf::from(std::ffi::OsStr::from_bytes(text)),
            size,
            taken: kind == b'f',
        }),
        b'd' => Some(Outcome::Delivered),
        b'r' => {
            let end = text.iter().position(|&byte| byte == 0)?;
            let status = RecipientStatus::of_reply(&text[..end])?;
            Some(Outcome::Refused {
                status,
                reason: text[end + 1..].to_vec(),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes() -> Vec<(usize, Outcome)> {
        let refused = Outcome::Refused {
            status: RecipientStatus::refused(false, "4.2.0", "no"),
            reason: b"unable to create /x: no".to_vec(),
        };
        let copy = Outcome::Copy {
            path: "/m/new/1".into(),
            size: 1 << 40,
            taken: false,
        };
        let taken = Outcome::Copy {
            path: "/m/filter".into(),
            size: 5,
            taken: true,
        };
        vec![
            (0, copy),
            (0, taken),
            (0, Outcome::Delivered),
            (999, refused),
        ]
    }

    #[test]
    fn what_is_written_is_read_however_it_is_cut() {
        let stream: Vec<u8> = outcomes()
            .iter()
            .flat_map(|(part, outcome)| write(*part, outcome))
            .collect();
        for size in [1, 2, 5, 13, 14, stream.len()] {
            let mut reader = Reader::default();
            let found: Vec<_> = stream
                .chunks(size)
                .flat_map(|piece| reader.feed(piece))
                .collect();
            assert_eq!(found, outcomes(), "in pieces of {size}");
        }
    }

    #[test]
    fn a_frame_without_its_end_is_none() {
        let frame = write(1, &outcomes()[0].1);
        for end in 0..frame.len() {
            assert_eq!(Reader::default().feed(&frame[..end]), []);
        }
    }

    #[test]
    fn what_follows_something_else_is_not_looked_at() {
        let good = write(1, &Outcome::Delivered);
        let mut reader = Reader::default();
        let stream = [&good[..], &[b'x'; HEADER - 2], &[0, 0], &good].concat();
        assert_eq!(reader.feed(&stream), [(1, Outcome::Delivered)]);
        assert_eq!(reader.feed(&good), []);
    }

    #[test]
    fn a_text_of_the_limit_is_read_and_a_longer_one_is_cut() {
        for length in [TEXT_LIMIT, TEXT_LIMIT + 1] {
            let path = PathBuf::from("x".repeat(length));
            let copy = Outcome::Copy {
                path,
                size: 1,
                taken: false,
            };
            let found = Reader::default().feed(&write(0, &copy));
            let [(0, Outcome::Copy { path, .. })] = &found[..] else {
                panic!("one copy: {found:?}")
            };
            assert_eq!(path.as_os_str().len(), TEXT_LIMIT);
        }
    }
}
