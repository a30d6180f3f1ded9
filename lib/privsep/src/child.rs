//! The unprivileged child, as its monitor sees it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use os::Exit;
use os::children::STOP_LIMIT;
use record::Message;

use crate::channel::{Channel, Fault, without_descriptor};

/// How often a child that sends nothing is looked at.
const LOOK: Duration = Duration::from_secs(10);

/// How long a child may take to end after its last record.
const LAST_MOMENTS: Duration = Duration::from_secs(1);

/// The process that speaks with the client, and the channel to it: a child of this process that nobody else waits for.
#[derive(Debug)]
#[must_use = "it goes on until it is ended or waited for"]
pub struct UnprivilegedChild<Send, Receive> {
    pid: i32,
    channel: Channel<Send, Receive>,
}

impl<Send, Receive> UnprivilegedChild<Send, Receive> {
    /// The child `pid`, which has the other end of `channel`.
    pub fn new(pid: i32, channel: Channel<Send, Receive>) -> UnprivilegedChild<Send, Receive> {
        UnprivilegedChild { pid, channel }
    }

    /// Waits until it sends something or is gone, at most until `deadline`.
    pub fn wait_for_a_sign(&self, deadline: Instant) {
        let _ = os::fd::wait_readable(self.channel.as_fd(), deadline);
    }

    /// Ends it, whatever it is doing.
    pub fn end(self) {
        let _ = os::process::kill_at_once(self.pid);
        let _ = os::process::wait(self.pid);
    }

    /// Its exit code, after it has sent its last record. One that does not end (an empty record is not told from the end
    /// of all) is ended here. An error, a sentence, where it has not ended as a program should.
    pub fn exit(self) -> Result<Exit, String> {
        let Ok(Some(status)) = os::process::wait_until(self.pid, Instant::now() + LAST_MOMENTS)
        else {
            self.end();
            return Err(
                "the process that speaks with the client sends nothing any more".to_owned(),
            );
        };
        let how = match (status.code(), status.signal()) {
            (Some(code @ (0 | 1 | 111)), _) => return Ok(Exit(code)),
            (Some(code), _) => format!("with {code}"),
            (None, Some(signal)) => format!("by signal {signal}"),
            (None, None) => "in an unknown way".to_owned(),
        };
        Err(format!(
            "the process that speaks with the client ended {how}"
        ))
    }

    /// Waits until there is something to read, or the end. A child that somebody has stopped is no child to wait for.
    fn wait(&self, deadline: Instant) -> io::Result<()> {
        let mut stopped = None;
        loop {
            let now = Instant::now();
            let look = match stopped {
                None => now + LOOK,
                Some(since) => since + STOP_LIMIT,
            };
            if os::fd::wait_readable(self.channel.as_fd(), look.min(deadline))? {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if !os::children::is_stopped(self.pid) {
                stopped = None;
            } else if stopped.is_some() {
                return Err(io::Error::other("it was stopped"));
            } else {
                stopped = Some(Instant::now());
            }
        }
    }
}

impl<Send: Message, Receive: Message> UnprivilegedChild<Send, Receive> {
    /// Its next record, which is waited for until `deadline`; `None` where it sends no more. A descriptor that comes with
    /// it is closed, and a fault.
    pub fn receive(&self, deadline: Instant) -> Result<Option<Receive>, Fault> {
        self.receive_with(deadline).and_then(without_descriptor)
    }

    /// Its next record, and the descriptor that came with it; waited for until `deadline`. `None` where it sends no more.
    pub fn receive_with(
        &self,
        deadline: Instant,
    ) -> Result<Option<(Receive, Option<OwnedFd>)>, Fault> {
        self.wait(deadline).map_err(Fault::Stuck)?;
        self.channel.take()
    }

    /// Tells it something, waiting for room until `deadline`.
    pub fn send(&self, message: &Send, deadline: Instant) -> io::Result<()> {
        self.channel.send(message, deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::tests::Text;

    type Child = UnprivilegedChild<Text<5>, Text<5>>;

    /// A child that runs `script` and has nothing of the channel, whose other end this process keeps.
    fn child(script: &str) -> (Child, Channel<Text<5>, Text<5>>) {
        let child = std::process::Command::new("/bin/sh")
            .args(["-c", script])
            .spawn();
        let pid = child.expect("started").id().cast_signed();
        let (ours, theirs) = Channel::pair().expect("a pair");
        (UnprivilegedChild::new(pid, ours), theirs)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn the_exit_code_of_a_child_that_ended_as_it_should_is_that_of_the_whole() {
        for code in [0, 1, 111] {
            let (child, _) = child(&format!("exit {code}"));
            let pid = child.pid;
            assert_eq!(child.exit(), Ok(Exit(code)));
            assert!(!os::process::exists(pid), "it is waited for");
        }
    }

    #[test]
    fn another_end_is_told_of() {
        for (script, end) in [("exit 101", "with 101"), ("kill -9 $$", "by signal 9")] {
            let (child, _) = child(script);
            let pid = child.pid;
            let expected = format!("the process that speaks with the client ended {end}");
            assert_eq!(child.exit(), Err(expected));
            assert!(!os::process::exists(pid), "it is waited for");
        }
    }

    #[test]
    fn a_child_that_does_not_end_is_ended() {
        let (child, _) = child("exec sleep 600");
        let pid = child.pid;
        let reason = child.exit().expect_err("it goes on");
        assert!(reason.ends_with("sends nothing any more"), "{reason}");
        assert!(!os::process::exists(pid), "it is waited for");
    }

    #[test]
    fn records_are_received_until_the_deadline_and_the_end() {
        let (child, theirs) = child("exec sleep 600");
        theirs.send(&Text(b"one".to_vec()), soon()).expect("sent");
        let received = child.receive(soon()).expect("there");
        assert_eq!(received, Some(Text(b"one".to_vec())));
        child.send(&Text(b"yes".to_vec()), soon()).expect("sent");
        let received = theirs.receive(soon()).expect("there");
        assert_eq!(received, Some(Text(b"yes".to_vec())));
        let Err(Fault::Stuck(error)) = child.receive(Instant::now() + Duration::from_millis(30))
        else {
            panic!("nothing was sent")
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
        assert_eq!(child.receive(soon()).expect("the end"), None);
        child.end();
    }
}
