//! A client's octets, fed to a frame as a session feeds them.

use crate::frame::{Frame, Limits, Next};

/// What a conversation did with some octets.
#[derive(Debug)]
pub(crate) struct Fed {
    pub(crate) frame: Frame,
    /// What every line was followed by.
    pub(crate) nexts: Vec<Next>,
    /// What the next command begins with.
    pub(crate) rest: Vec<u8>,
}

/// Feeds one command; messages of APPEND stand elsewhere.
pub(crate) fn feed(limits: Limits, mut input: &[u8]) -> Fed {
    let mut frame = Frame::new(limits);
    let mut nexts = Vec::new();
    loop {
        let length = memchr::memmem::find(input, b"\r\n").expect("a line end");
        let next = frame.line(&input[..length]);
        input = &input[length + 2..];
        nexts.push(next);
        let octets = match next {
            Next::Done | Next::Close => break,
            Next::Literal(literal) => {
                let octets = usize::try_from(literal.octets).expect("few octets");
                match literal.message {
                    true => frame.elsewhere(),
                    false => frame.literal(&input[..octets]),
                }
                octets
            }
            Next::Skip(octets) => usize::try_from(octets).expect("few octets"),
        };
        input = &input[octets..];
    }
    Fed {
        frame,
        nexts,
        rest: input.to_vec(),
    }
}

/// A collected command, of octets without the last line end.
pub(crate) fn frame(input: &[u8]) -> Frame {
    let input = [input, b"\r\n"].concat();
    feed(Limits::default(), &input).frame
}
