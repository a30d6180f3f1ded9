//! A comparison in a process of its own.
//!
//! yescrypt fills some 16 MiB with what it makes of the password. An allocator that keeps freed memory
//! would keep that for as long as the session of who is let in takes, and nobody overwrites it. A child's
//! memory goes back to the system with the child, every page of it, whatever the C library; a fork costs
//! a four-hundredth of such a hash.

use std::io::{self, PipeWriter, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use os::process::Side;

use super::Compared;

/// The longest that one may take. The most work that an administrator's hash may make is some seconds
/// on an idle machine.
const TIME: Duration = Duration::from_secs(60);

/// What `work` says in a child of this process. In a process that has threads, which cannot be forked, it
/// is done here.
pub(super) fn compare(work: impl FnOnce() -> Compared) -> Compared {
    compare_until(Instant::now() + TIME, work)
}

fn compare_until(deadline: Instant, work: impl FnOnce() -> Compared) -> Compared {
    let Ok((reader, writer)) = io::pipe() else {
        return Compared::NoAnswer;
    };
    let child = match os::process::fork() {
        Ok(Side::Child) => {
            drop(reader);
            // Nothing of the parent's may be undone here, also not by a bug.
            let end = catch_unwind(AssertUnwindSafe(|| answer(writer, work)));
            os::process::end_now(end.map_or(101, |_| 0));
        }
        Ok(Side::Parent(child)) => child,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return work(),
        Err(_) => return Compared::NoAnswer,
    };
    drop(writer);
    let mut byte = [0];
    let count = os::fd::read_until(reader.as_fd(), &mut byte, deadline);
    let said = matches!(count, Ok(1)).then(|| of_byte(byte[0])).flatten();
    // Whoever has answered has nothing more to do.
    let _ = os::process::kill_at_once(child);
    let _ = os::process::wait(child);
    said.unwrap_or(Compared::NoAnswer)
}

/// The child: does the work, and says what it came to.
fn answer(mut writer: PipeWriter, work: impl FnOnce() -> Compared) -> io::Result<()> {
    // It has a copy of the client's socket.
    os::process::end_with_parent()?;
    writer.write_all(&[byte_of(work())])
}

const ANSWERS: [(Compared, u8); 3] = [
    (Compared::Match, b'y'),
    (Compared::NoMatch, b'n'),
    (Compared::NoMemory, b'm'),
];

fn byte_of(answer: Compared) -> u8 {
    let found = ANSWERS.iter().find(|(known, _)| *known == answer);
    found.map_or(b'?', |(_, byte)| *byte)
}

fn of_byte(byte: u8) -> Option<Compared> {
    let found = ANSWERS.iter().find(|(_, known)| *known == byte);
    found.map(|(answer, _)| *answer)
}
