//! The recorder: copies both ways, and writes down what passes before it passes.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use os::log::{LINE_LIMIT, Said, Sink};
use os::poll::{For, wait_any};

use crate::record::{Record, Way};

/// How long a client may take no byte of what is there for it. (Programs of ours have waited as
/// long by then, and ended.)
pub const CLIENT_TIME: Duration = Duration::from_secs(1200);

/// How long the conversation is held up for the sake of a log that is full, before the record gets
/// a gap. It is not held up again before a line got through.
pub const LOG_TIME: Duration = Duration::from_secs(1);

/// How much is read at a time.
const CHUNK: usize = 16_384;

/// Bytes that go one way.
#[derive(Debug)]
pub struct Flow {
    way: Way,
    from: Option<File>,
    to: Option<File>,
    /// Whether `to` can be sent to without waiting; else poll says whether it can be written to.
    to_socket: bool,
    /// What was read and is not written; `at` is where it begins.
    buffer: Vec<u8>,
    at: usize,
}

impl Flow {
    /// From one descriptor to another, beginning with `ahead`, which was read already.
    pub fn new(way: Way, from: OwnedFd, to: OwnedFd, ahead: Vec<u8>) -> Flow {
        Flow {
            way,
            to_socket: os::socket::is_socket(to.as_fd()),
            from: Some(from.into()),
            to: Some(to.into()),
            buffer: ahead,
            at: 0,
        }
    }

    fn pending(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// What to wait for: room, or else more to read.
    fn wanted(&self) -> Option<(BorrowedFd<'_>, For)> {
        let (file, what) = if self.pending().is_empty() {
            (&self.from, For::Reading)
        } else {
            (&self.to, For::Writing)
        };
        file.as_ref().map(|file| (file.as_fd(), what))
    }

    /// Nothing goes this way any more, and whoever reads is told.
    fn close(&mut self) {
        *self = Flow {
            way: self.way,
            from: None,
            to: None,
            to_socket: false,
            buffer: Vec::new(),
            at: 0,
        };
    }

    /// Does what [`Flow::wanted`] was waiting for.
    fn go_on(&mut self, log: &mut Log) -> Passed {
        if self.pending().is_empty() {
            self.read(log)
        } else {
            self.write()
        }
    }

    fn read(&mut self, log: &mut Log) -> Passed {
        let Some(from) = &mut self.from else {
            return Passed::Nothing;
        };
        self.buffer.resize(CHUNK, 0);
        let read = from.read(&mut self.buffer);
        let count = match &read {
            Err(error) if is_passing(error) => {
                self.buffer.clear();
                self.at = 0;
                return Passed::Nothing;
            }
            // A connection that was cut is as much an end as one that was closed.
            Err(_) => 0,
            Ok(count) => *count,
        };
        self.buffer.truncate(count);
        self.at = 0;
        if count == 0 {
            log.end(self.way);
            self.close();
            return Passed::End;
        }
        log.bytes(self.way, &self.buffer);
        // Most of the time there is room.
        if self.to_socket && self.write() == Passed::Broken {
            return Passed::Broken;
        }
        Passed::Some
    }

    fn write(&mut self) -> Passed {
        let Some(to) = &mut self.to else {
            return Passed::Nothing;
        };
        let bytes = &self.buffer[self.at..];
        let written = if self.to_socket {
            os::socket::send_nowait(to.as_fd(), bytes)
        } else {
            // poll promises room for so much in a pipe.
            to.write(&bytes[..bytes.len().min(LINE_LIMIT)])
        };
        match written {
            Ok(count) => {
                self.at += count;
                Passed::Some
            }
            Err(error) if is_passing(&error) => Passed::Nothing,
            Err(_) => {
                self.close();
                Passed::Broken
            }
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    /// Bytes moved.
    Some,
    /// None did, and that may change.
    Nothing,
    /// The end of what is read.
    End,
    /// Nobody reads any more what is written.
    Broken,
}

/// Copies both ways until the program ends its output, or nobody takes it. A program that has closed its
/// input goes on talking.
pub fn run(mut inward: Flow, mut outward: Flow, log: &mut Log) -> io::Result<()> {
    log.bytes(Way::In, inward.pending());
    let mut moved = Instant::now();
    loop {
        let limit = moved + CLIENT_TIME;
        let deadline = (!outward.pending().is_empty()).then_some(limit);
        let [input, output] = wait_any([inward.wanted(), outward.wanted()], deadline)?;
        let now = Instant::now();
        if input {
            inward.go_on(log);
        }
        let passed = if output {
            outward.go_on(log)
        } else {
            Passed::Nothing
        };
        match passed {
            Passed::End | Passed::Broken => return Ok(()),
            Passed::Some => moved = now,
            Passed::Nothing if deadline.is_some_and(|deadline| now >= deadline) => return Ok(()),
            Passed::Nothing => {}
        }
    }
}

/// Where the record goes: descriptor 2.
#[derive(Debug)]
pub struct Log {
    record: Record,
    name: String,
    pid: u32,
    sink: Sink,
    lines: Vec<u8>,
    dropped: u64,
}

impl Log {
    /// The record of the program with the process number `pid`; `name` is the recorder's own.
    pub fn new(name: &str, pid: u32, fd: BorrowedFd<'_>) -> io::Result<Log> {
        Ok(Log {
            record: Record::of(pid),
            name: name.to_owned(),
            pid,
            sink: Sink::of(fd)?,
            lines: Vec::new(),
            dropped: 0,
        })
    }

    fn bytes(&mut self, way: Way, bytes: &[u8]) {
        self.record.bytes(way, bytes, &mut self.lines);
        self.write();
    }

    fn end(&mut self, way: Way) {
        self.record.end(way, &mut self.lines);
        self.write();
    }

    /// Writes the lines, as many at a time as are not mixed with what others write.
    fn write(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        let mut rest = &lines[..];
        while !rest.is_empty() {
            let most = &rest[..rest.len().min(LINE_LIMIT)];
            // A line has fewer bytes than the limit, so one ends there.
            let length = memchr::memrchr(b'\n', most).map_or(most.len(), |end| end + 1);
            let (some, others) = rest.split_at(length);
            self.put(some);
            rest = others;
        }
        self.lines = lines;
        self.lines.clear();
    }

    fn put(&mut self, lines: &[u8]) {
        if self.dropped > 0 {
            let (name, pid, count) = (&self.name, self.pid, self.dropped);
            let told = format!("{name}: warning: {pid}: {count} lines dropped\n");
            if self.sink.write(told.as_bytes()) == Said::Written {
                self.dropped = 0;
            }
        }
        let mut said = self.sink.write(lines);
        if said == Said::Full && self.dropped == 0 {
            let deadline = Instant::now() + LOG_TIME;
            while said == Said::Full && Instant::now() < deadline {
                if !self.sink.wait_until(deadline) {
                    break;
                }
                said = self.sink.write(lines);
            }
        }
        if said != Said::Written {
            let count = memchr::memchr_iter(b'\n', lines).count();
            self.dropped = self.dropped.saturating_add(count as u64);
        }
    }
}
