//! Records on a pipe, which keeps no boundaries: a frame is the length of a record in 16 bits, and the record.

use std::marker::PhantomData;

use zeroize::Zeroizing;

use crate::{Malformed, Message, Writer};

/// The frame of one message. An error where a field is over its limit.
pub fn frame<M: Message>(message: &M) -> Result<Zeroizing<Vec<u8>>, Malformed> {
    let record = message.to_record()?;
    let mut writer = Writer::new(record.len() + 2);
    writer.bytes(&record, M::LIMIT);
    writer.finish()
}

/// Takes frames as they come, in pieces of any size. It holds one frame and what was fed last at most.
#[derive(Debug)]
pub struct Frames<M> {
    held: Vec<u8>,
    is_broken: bool,
    kind: PhantomData<fn() -> M>,
}

impl<M> Default for Frames<M> {
    fn default() -> Frames<M> {
        Frames {
            held: Vec::new(),
            is_broken: false,
            kind: PhantomData,
        }
    }
}

impl<M: Message> Frames<M> {
    /// The messages whose frames are complete with `bytes`. What follows something that is no frame is not looked at.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<M> {
        let mut messages = Vec::new();
        if self.is_broken {
            return messages;
        }
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((length, rest)) = self.held[at..].split_first_chunk() {
            let length = usize::from(u16::from_be_bytes(*length));
            if length > M::LIMIT {
                self.is_broken = true;
                break;
            }
            let Some(record) = rest.get(..length) else {
                break;
            };
            let Ok(message) = M::from_record(record) else {
                self.is_broken = true;
                break;
            };
            messages.push(message);
            at += 2 + length;
        }
        self.held.drain(..at);
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reader;

    #[derive(Debug, PartialEq)]
    struct Word(Vec<u8>);

    impl Message for Word {
        const LIMIT: usize = 2 + 5;

        fn write(&self, to: &mut Writer) {
            to.bytes(&self.0, 5);
        }

        fn read(from: &mut Reader<'_>) -> Result<Word, Malformed> {
            Ok(Word(from.bytes(5)?.to_vec()))
        }
    }

    fn words() -> Vec<Word> {
        ["", "one", "three"].map(|word| Word(word.into())).into()
    }

    fn stream() -> Vec<u8> {
        let frames = words().into_iter().map(|word| frame(&word).expect("short"));
        frames.flat_map(|frame| frame.to_vec()).collect()
    }

    #[test]
    fn messages_are_read_however_the_stream_is_cut() {
        let stream = stream();
        for size in 1..=stream.len() {
            let mut frames = Frames::default();
            let pieces = stream.chunks(size);
            let read: Vec<Word> = pieces.flat_map(|piece| frames.feed(piece)).collect();
            assert_eq!(read, words(), "in pieces of {size}");
        }
    }

    #[test]
    fn a_message_over_its_limit_makes_no_frame() {
        assert_eq!(frame(&Word(b"longer".to_vec())), Err(Malformed::Limit));
    }

    #[test]
    fn what_follows_something_else_is_not_looked_at() {
        // A record with a byte left over, one that is cut, one that is longer than any.
        for bad in [&b"\0\x03\0\0x"[..], b"\0\x02\0\x01", b"\0\x08\0\x06longer"] {
            let mut frames = Frames::<Word>::default();
            let all = [&stream()[..], bad, &stream()].concat();
            assert_eq!(frames.feed(&all), words());
            assert_eq!(frames.feed(&stream()), []);
        }
    }
}
