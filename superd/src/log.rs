//! superd's own lines on descriptor 2, which nobody may be reading.
//!
//! A line is written at once where there is room. Where there is none, it goes into a bounded
//! buffer that a thread of its own empties, waiting as long as it must. When the buffer is full,
//! lines are dropped and counted, and the count is told when there is room again; so are lines that a file does
//! not take, because its disk is full or it has the size of the limit. So a log that nobody reads never stops the
//! service, and a log that is read gets every line in order.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use os::log::{LINE_LIMIT, Said, Sink};

use crate::THREAD_STACK;
use crate::cli::Verbosity;

/// How many bytes may wait for a reader of the log, beside as many that are being written.
pub const BUFFER_LIMIT: usize = 64 * 1024;

/// A handle to the log; every clone writes to the same one.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}

struct Shared {
    name: String,
    verbosity: Verbosity,
    sink: Sink,
    queue: Mutex<Queue>,
    /// Wakes the writing thread.
    filled: Condvar,
    /// Wakes whoever waits for the end of writing.
    written: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Lines that are not written yet.
    lines: Vec<u8>,
    /// Lines are being collected, to be written together.
    held: bool,
    /// Somebody is writing, and will look for more when he has done; the lock is not held meanwhile.
    busy: bool,
    /// That somebody is to be the writing thread: the file is full.
    full: bool,
    dropped: u64,
    /// Lines that the file refused, since it took the last one.
    refused: u64,
}

impl Log {
    /// A log on `sink` whose lines begin with `name` and a colon. Starts the writing thread, so
    /// privileges must have been dropped.
    pub fn start(name: &str, verbosity: Verbosity, sink: Sink) -> std::io::Result<Log> {
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            verbosity,
            sink,
            queue: Mutex::new(Queue::default()),
            filled: Condvar::new(),
            written: Condvar::new(),
        });
        let writer = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("log".into());
        thread
            .stack_size(THREAD_STACK)
            .spawn(move || writer.write_for_ever())?;
        Ok(Log { shared })
    }

    /// Whether lines of this level are wanted; spares the making of them.
    pub fn wants(&self, level: Verbosity) -> bool {
        self.shared.verbosity >= level
    }

    /// Says one or several lines of `level`; each is prefixed with the program's name.
    pub fn say(&self, level: Verbosity, lines: &[&str]) {
        if !self.wants(level) {
            return;
        }
        let mut text = Vec::with_capacity(256);
        for line in lines {
            text.extend_from_slice(self.shared.name.as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
        }
        self.shared.put(&text);
    }

    /// Collects lines from now on, until [`Log::release`]: a busy service then writes many of them
    /// in one call, and wakes their reader once.
    pub fn hold(&self) {
        self.shared.lock().held = true;
    }

    /// Writes what was collected; lines are written as they come again.
    pub fn release(&self) {
        let mut queue = self.shared.lock();
        queue.held = false;
        self.shared.drain(queue);
    }

    /// Waits until everything said is written, for `patience` at most.
    pub fn flush(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.release();
        let mut queue = self.shared.lock();
        while queue.busy {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let (back, _) = self
                .shared
                .written
                .wait_timeout(queue, left)
                .unwrap_or_else(PoisonError::into_inner);
            queue = back;
        }
    }
}

impl Shared {
    /// A poisoned lock only means that a thread died of a bug; the text in it is still good.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, text: &[u8]) {
        let mut queue = self.lock();
        if queue.lines.len() + text.len() > BUFFER_LIMIT {
            queue.dropped += count_lines(text);
            return;
        }
        queue.lines.extend_from_slice(text);
        if !queue.held || queue.lines.len() > LINE_LIMIT {
            self.drain(queue);
        }
    }

    /// Writes what there is without waiting, and without the lock: the reader of a pipe may well
    /// take the processor from whoever writes to it.
    fn drain<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) {
        if queue.busy || queue.lines.is_empty() {
            return;
        }
        queue.busy = true;
        if self.sink.may_wait() {
            queue.full = true;
            self.filled.notify_one();
            return;
        }
        while !queue.lines.is_empty() {
            let end = whole_lines(&queue.lines);
            let rest = queue.lines.split_off(end);
            let piece = std::mem::replace(&mut queue.lines, rest);
            drop(queue);
            let said = self.sink.write(&piece);
            queue = self.lock();
            if said == Said::Full {
                let later = std::mem::replace(&mut queue.lines, piece);
                queue.lines.extend_from_slice(&later);
                queue.full = true;
                self.filled.notify_one();
                return;
            }
            // A log that is broken is no reason to stop serving.
            let lines = count_lines(&piece);
            self.tell_lost(&mut queue, said == Said::Written, lines);
        }
        queue.busy = false;
        self.written.notify_all();
    }

    /// After so many lines were written or refused: adds those about lines that were lost, once there is room for
    /// them.
    fn tell_lost(&self, queue: &mut Queue, is_written: bool, lines: u64) {
        if !is_written {
            queue.refused += lines;
            return;
        }
        let lost = [
            (std::mem::take(&mut queue.dropped), "nobody read them"),
            (
                std::mem::take(&mut queue.refused),
                "they could not be written",
            ),
        ];
        for (count, why) in lost {
            if count > 0 {
                let name = &self.name;
                let note = format!("{name}: warning: {count} log lines dropped: {why}\n");
                queue.lines.extend_from_slice(note.as_bytes());
            }
        }
    }

    fn write_for_ever(&self) {
        let mut queue = self.lock();
        loop {
            while !queue.full {
                queue = self
                    .filled
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            while !queue.lines.is_empty() {
                let text = std::mem::take(&mut queue.lines);
                drop(queue);
                let refused = self.write_waiting(&text);
                queue = self.lock();
                self.tell_lost(&mut queue, refused == 0, refused);
            }
            queue.full = false;
            queue.busy = false;
            self.written.notify_all();
        }
    }

    /// Waits for room as long as it takes; how many lines were refused all the same.
    fn write_waiting(&self, text: &[u8]) -> u64 {
        let (mut rest, mut refused) = (text, 0);
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(whole_lines(rest));
            if self.sink.write_waiting(piece).is_err() {
                refused += count_lines(piece);
            }
            rest = later;
        }
        refused
    }
}

/// How much of `text` makes one write: whole lines, short enough not to be mixed with another
/// writer's; a line that is longer than that goes in pieces.
fn whole_lines(text: &[u8]) -> usize {
    let window = &text[..text.len().min(LINE_LIMIT)];
    if window.len() == text.len() {
        return window.len();
    }
    window
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(window.len(), |newline| newline + 1)
}

fn count_lines(text: &[u8]) -> u64 {
    text.iter().filter(|&&byte| byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsFd;

    fn pipe() -> (std::io::PipeReader, Sink) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        (reader, Sink::of(writer.as_fd()).expect("a sink"))
    }

    fn start(sink: Sink) -> Log {
        Log::start("superd", Verbosity::All, sink).expect("a thread")
    }

    #[test]
    fn a_line_arrives_with_the_name_in_front() {
        let (mut reader, writer) = pipe();
        start(writer).say(Verbosity::All, &["status: 0/40", "pid 1 from x"]);
        let expected = b"superd: status: 0/40\nsuperd: pid 1 from x\n";
        let mut text = vec![0; expected.len()];
        reader.read_exact(&mut text).expect("two lines");
        assert_eq!(text, expected);
    }

    #[test]
    fn lines_that_are_held_come_together_and_in_order() {
        let (mut reader, sink) = pipe();
        let log = start(sink);
        log.hold();
        log.say(Verbosity::All, &["one"]);
        log.clone().say(Verbosity::All, &["two"]);
        let readable = os::fd::wait_readable(reader.as_fd(), Instant::now());
        assert!(!readable.expect("a poll"), "it was not held");
        log.release();
        let mut text = [0; 24];
        assert_eq!(reader.read(&mut text).expect("lines"), 24);
        assert_eq!(&text, b"superd: one\nsuperd: two\n");
        log.say(Verbosity::All, &["three"]);
        assert_eq!(reader.read(&mut text).expect("a line"), 14);
    }

    #[test]
    fn more_than_a_pipe_takes_in_one_piece_is_not_held() {
        let (mut reader, sink) = pipe();
        let log = start(sink);
        log.hold();
        let line = "x".repeat(1000);
        for _ in 0..5 {
            log.say(Verbosity::All, &[&line]);
        }
        let mut text = [0; 8192];
        let first = reader.read(&mut text).expect("lines");
        assert!(first >= 4 * 1009, "{first}");
    }

    #[test]
    fn quiet_means_nothing_at_all() {
        let (reader, writer) = pipe();
        let log = Log::start("superd", Verbosity::Quiet, writer).expect("a thread");
        log.say(Verbosity::Errors, &["warning: x"]);
        assert!(!log.wants(Verbosity::Errors));
        let readable = os::fd::wait_readable(reader.as_fd(), Instant::now());
        assert!(!readable.expect("a poll"), "something was said");
    }

    #[test]
    fn a_log_that_nobody_reads_holds_nobody_up_and_the_lost_lines_are_counted() {
        let (mut reader, writer) = pipe();
        let log = start(writer);
        let total = 20_000;
        let begin = Instant::now();
        for number in 0..total {
            log.say(Verbosity::All, &[&format!("line {number}")]);
        }
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "it waited for a reader"
        );
        let collector = std::thread::spawn(move || {
            let mut text = String::new();
            let mut chunk = [0; 65536];
            while !text.contains("dropped") {
                let count = reader.read(&mut chunk).expect("lines");
                text.push_str(std::str::from_utf8(&chunk[..count]).expect("ASCII"));
            }
            text
        });
        let text = collector.join().expect("the text");
        let seen: Vec<u64> = text
            .lines()
            .filter_map(|line| line.strip_prefix("superd: line ")?.parse().ok())
            .collect();
        assert!(seen.is_sorted() && seen.first() == Some(&0), "out of order");
        let told = text
            .lines()
            .find(|line| line.contains("dropped"))
            .expect("the count");
        let dropped: u64 = told
            .split(' ')
            .nth(2)
            .expect("a word")
            .parse()
            .expect("a number");
        assert_eq!(seen.len() as u64 + dropped, total);
    }

    #[test]
    fn flushing_a_log_that_nobody_reads_ends_when_patience_does() {
        let (_reader, writer) = pipe();
        let log = start(writer);
        for _ in 0..20_000 {
            log.say(
                Verbosity::All,
                &["a line of some length that fills the pipe"],
            );
        }
        let begin = Instant::now();
        log.flush(Duration::from_millis(50));
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}
