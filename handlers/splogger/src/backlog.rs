//! Messages that syslog has not taken yet: a bounded queue that counts what it must refuse.

use std::collections::VecDeque;

/// The most bytes that wait, what it takes to keep them included. At a thousand lines a second it is
/// half a minute.
pub const LIMIT: usize = 4 << 20;

/// What a message takes beside its text.
const OVERHEAD: usize = 48;

/// Messages in their order.
#[derive(Debug)]
pub struct Backlog {
    limit: usize,
    /// The most that a message takes beside the text of its line.
    beside: usize,
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
    dropped: u64,
    /// Whether the present line is among the dropped ones already.
    counted: bool,
}

impl Backlog {
    /// Empty; it will hold at most `limit` bytes of messages that have at most `beside` bytes beside
    /// the text of their line.
    pub fn new(limit: usize, beside: usize) -> Backlog {
        Backlog {
            limit,
            beside: beside + OVERHEAD,
            messages: VecDeque::new(),
            bytes: 0,
            dropped: 0,
            counted: false,
        }
    }

    /// Whether nothing waits and nothing was dropped without being told.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.dropped == 0
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many bytes of input are sure to find room, whatever they are: two bytes can
    /// be a line.
    pub fn room(&self) -> usize {
        if self.dropped > 0 {
            return 0;
        }
        let free = self.limit.saturating_sub(self.bytes);
        // A line without its end may wait already, and makes one more.
        free.saturating_sub(self.beside) * 2 / (self.beside + 1)
    }

    /// Whether lines are being dropped, until there is room to speak of.
    pub fn is_dropping(&self) -> bool {
        self.dropped > 0
    }

    /// Adds the message of a piece that continues a line, or begins one. Once a message was
    /// dropped, all are, until [`Backlog::take_dropped`] has told of it.
    pub fn push(&mut self, message: &[u8], continued: bool) {
        self.counted &= continued;
        let size = message.len() + OVERHEAD;
        if self.dropped > 0 || self.bytes + size > self.limit {
            self.drop_one(continued);
            return;
        }
        self.bytes += size;
        self.messages.push_back(message.to_vec());
    }

    /// Counts a message of which nothing could be made. A line of several pieces counts once.
    pub fn drop_one(&mut self, continued: bool) {
        if !(continued && self.counted) {
            self.dropped = self.dropped.saturating_add(1);
        }
        self.counted = true;
    }

    /// The oldest message.
    pub fn first(&self) -> Option<&[u8]> {
        self.messages.front().map(Vec::as_slice)
    }

    /// Takes the oldest message away.
    pub fn pop(&mut self) {
        if let Some(message) = self.messages.pop_front() {
            self.bytes -= message.len() + OVERHEAD;
        }
        if self.messages.is_empty() {
            self.messages.shrink_to(1024);
        }
    }

    /// How many lines were dropped, where there is room to go on: half of it, or the gaps would be
    /// many and small. They are forgotten here, to be told by the caller.
    pub fn take_dropped(&mut self) -> Option<u64> {
        let has_room = self.bytes <= self.limit / 2;
        (self.dropped > 0 && has_room).then(|| std::mem::take(&mut self.dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = &[b'x'; 100 - OVERHEAD];

    #[test]
    fn messages_come_out_in_their_order() {
        let mut backlog = Backlog::new(1000, 0);
        backlog.push(b"1", false);
        backlog.push(b"2", false);
        assert_eq!(backlog.first(), Some(&b"1"[..]));
        backlog.pop();
        assert_eq!(backlog.first(), Some(&b"2"[..]));
        backlog.pop();
        assert!(backlog.is_empty() && backlog.first().is_none());
    }

    #[test]
    fn the_limit_is_filled_and_one_message_more_is_dropped_and_counted() {
        let mut backlog = Backlog::new(1000, 0);
        for _ in 0..10 {
            backlog.push(MESSAGE, false);
        }
        assert_eq!((backlog.dropped, backlog.messages.len()), (0, 10));
        backlog.push(b"", false);
        assert_eq!((backlog.dropped, backlog.messages.len()), (1, 10));
    }

    #[test]
    fn nothing_is_taken_again_before_half_of_the_room_is_free_and_the_gap_is_told() {
        let mut backlog = Backlog::new(1000, 0);
        for _ in 0..11 {
            backlog.push(MESSAGE, false);
        }
        for _ in 0..4 {
            backlog.pop();
            backlog.push(MESSAGE, false);
        }
        assert_eq!(backlog.take_dropped(), None);
        backlog.pop();
        assert_eq!(backlog.take_dropped(), Some(5));
        assert_eq!(backlog.take_dropped(), None);
        backlog.push(MESSAGE, false);
        assert_eq!(backlog.messages.len(), 6);
    }

    #[test]
    fn a_line_of_several_pieces_counts_once() {
        let mut backlog = Backlog::new(0, 0);
        for continued in [false, true, true, false, false, true] {
            backlog.push(MESSAGE, continued);
        }
        assert_eq!(backlog.take_dropped(), Some(3));
    }

    #[test]
    fn there_is_room_for_as_many_of_the_shortest_lines_as_is_said() {
        let mut backlog = Backlog::new(LIMIT, 100);
        let room = backlog.room();
        assert!(room >= 1 << 15, "{room}");
        for _ in 0..room / 2 + 1 {
            backlog.push(&[b'x'; 101], false);
        }
        assert!(!backlog.is_dropping());
        assert!(backlog.room() < 10);
        while !backlog.is_dropping() {
            backlog.push(&[b'x'; 101], false);
        }
        assert_eq!(backlog.room(), 0);
    }

    #[test]
    fn a_gap_is_not_empty_before_it_was_told() {
        let mut backlog = Backlog::new(0, 0);
        backlog.push(MESSAGE, false);
        assert!(!backlog.is_empty());
        backlog.take_dropped();
        assert!(backlog.is_empty());
    }
}
