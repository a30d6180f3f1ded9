//! A program beside this one, waited for under a deadline: a queue program, a plugin, a checker.
//!
//! It gets its words, an environment that is a value, a working directory and descriptors by their
//! numbers, as interfaces between programs name them (3 of checkpassword, 6 of qmail-queue). What
//! it starts itself belongs to its process group, and ends with it where it is killed.
//!
//! A program of ours is called in a copy of this process and not executed, which is faster.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, Instant};

use os::poll::For;
use os::process::{Side, Status};

use crate::{Applet, Call, Env};

/// The exit code of a child that could not become its program, as qmail's programs have it.
const CANNOT_BEGIN: u8 = 120;

/// How much is read of a pipe at once.
const PIECE_BYTES: usize = 1024;

/// What a pipe holds.
const PIPE_BYTES: usize = 64 * 1024;

/// How often a child that says nothing is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How often a child is looked at where the kernel cannot tell its end by a descriptor.
const STEP: Duration = Duration::from_millis(5);

/// What is run.
#[derive(Clone, Debug)]
pub enum Program {
    /// A file; a relative path is below the folder that it is run in.
    File(PathBuf),
    /// A program of ours.
    Ours(&'static Applet),
}

/// How it is run.
#[derive(Debug)]
pub struct Command<'a> {
    /// The program.
    pub program: &'a Program,
    /// Its words, without its name.
    pub words: &'a [OsString],
    /// Its environment.
    pub env: &'a Env,
    /// Where it is run, if that is a directory.
    pub folder: &'a Path,
    /// Its descriptors with their numbers, below 16; the others are those of this process that are
    /// not close-on-exec.
    pub descriptors: &'a [(BorrowedFd<'a>, RawFd)],
}

/// A program that runs, or has ended and was not waited for. One that is dropped is killed.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    waited: bool,
}

impl Command<'_> {
    /// Starts it. An error is of making the process or of executing the file.
    pub fn start(&self) -> io::Result<Child> {
        let pid = match self.program {
            Program::File(path) => self.execute(path)?,
            Program::Ours(applet) => match os::process::fork()? {
                Side::Parent(pid) => pid,
                Side::Child => {
                    let run = std::panic::AssertUnwindSafe(|| self.become_ours(applet));
                    os::process::end_now(std::panic::catch_unwind(run).unwrap_or(101));
                }
            },
        };
        Ok(Child { pid, waited: false })
    }

    fn execute(&self, path: &Path) -> io::Result<i32> {
        let folder = self.folder.is_dir();
        let path = if folder && path.is_relative() {
            self.folder.join(path)
        } else {
            path.to_owned()
        };
        let mut command = process::Command::new(path);
        command.args(self.words).process_group(0);
        command.env_clear().envs(self.env.pairs());
        command.env(os::session::VARIABLE, os::session::id().to_string());
        if folder {
            command.current_dir(self.folder);
        }
        os::spawn::give(&mut command, self.descriptors)?;
        // Waited for by its number.
        command.spawn().map(|child| child.id().cast_signed())
    }

    /// Becomes a program of ours in a process of its own; the exit code.
    fn become_ours(&self, applet: &'static Applet) -> u8 {
        let _ = os::process::lead_group();
        // As after an exec; only what ps shows.
        let _ = os::sibling::set_name(applet.name);
        if self.folder.is_dir() && std::env::set_current_dir(self.folder).is_err() {
            return CANNOT_BEGIN;
        }
        // Nobody is to wait for the end of a pipe, or of a connection, that a copy holds open.
        if os::process::place_in_copy(self.descriptors).is_err() {
            return CANNOT_BEGIN;
        }
        let call = Call {
            name: applet.name.to_owned(),
            args: self.words.to_vec(),
            env: self.env.clone(),
            ahead: Vec::new(),
            applets: &[],
        };
        (applet.run)(call).0
    }
}

impl Child {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Waits for its end until `deadline`; `None` then. The status is told once.
    pub fn wait_until(&mut self, deadline: Instant) -> io::Result<Option<Status>> {
        if self.waited {
            return Ok(None);
        }
        let status = match os::process::wait_until(self.pid, deadline) {
            // Whatever is in the way of the descriptor, the child can be waited for without.
            Err(_) => self.wait_in_steps(deadline)?,
            Ok(status) => status,
        };
        self.waited = status.is_some();
        Ok(status)
    }

    /// Its status if it has ended; told once.
    pub fn try_wait(&mut self) -> io::Result<Option<Status>> {
        if self.waited {
            return Ok(None);
        }
        let status = os::process::try_wait(self.pid)?;
        self.waited = status.is_some();
        Ok(status)
    }

    /// The same without a descriptor for the child, which an old kernel or a sandbox does not give.
    fn wait_in_steps(&self, deadline: Instant) -> io::Result<Option<Status>> {
        loop {
            if let Some(status) = os::process::try_wait(self.pid)? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(STEP);
        }
    }

    /// Ends it and what it has started, and waits for it.
    pub fn kill(&mut self) {
        if self.waited {
            return;
        }
        // The group is there once the child has made it.
        let _ = os::process::kill_group_at_once(self.pid);
        let _ = os::process::kill_at_once(self.pid);
        let _ = os::process::wait(self.pid);
        self.waited = true;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Told {
    /// What it wrote to the descriptor that was listened to, at most as much as was asked for.
    pub text: Vec<u8>,
    /// What it complained of on descriptor 2, where that was listened to.
    pub complaint: Vec<u8>,
    /// Its end; `None` where the time was over, and it was killed.
    pub status: Option<Status>,
}

/// The reading end of a pipe to a program.
#[derive(Debug)]
struct Ear {
    /// `None` once nobody has the other end any more.
    pipe: Option<io::PipeReader>,
    limit: usize,
    heard: Vec<u8>,
}

impl Ear {
    fn new(limit: usize) -> io::Result<(Ear, io::PipeWriter)> {
        let (pipe, writer) = io::pipe()?;
        let ear = Ear {
            pipe: Some(pipe),
            limit,
            heard: Vec::new(),
        };
        Ok((ear, writer))
    }

    /// One that hears nothing.
    fn deaf() -> Ear {
        Ear {
            pipe: None,
            limit: 0,
            heard: Vec::new(),
        }
    }

    fn wanted(&self) -> Option<(BorrowedFd<'_>, For)> {
        self.pipe.as_ref().map(|pipe| (pipe.as_fd(), For::Reading))
    }

    /// Takes what is there, one piece at most; whether there was something.
    fn listen(&mut self) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        let mut piece = [0; PIECE_BYTES];
        match os::fd::read_until(pipe.as_fd(), &mut piece, Instant::now()) {
            Ok(count @ 1..) => {
                let room = self.limit.saturating_sub(self.heard.len()).min(count);
                self.heard.extend_from_slice(&piece[..room]);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => false,
            // Its end, or nothing that could be waited for.
            Ok(_) | Err(_) => {
                self.pipe = None;
                false
            }
        }
    }

    /// Takes what a pipe can hold; who has been left behind and goes on writing is not listened to.
    fn listen_last(&mut self) {
        let mut pieces = PIPE_BYTES / PIECE_BYTES;
        while pieces > 0 && self.listen() {
            pieces -= 1;
        }
    }
}

impl Command<'_> {
    /// Runs it to its end or until `deadline`, with what it writes to descriptor `number` kept: the
    /// first `limit` bytes, the rest is read and dropped. What it has started and left behind is not
    /// waited for, and is killed where the time is over.
    pub fn ask(&self, number: RawFd, limit: usize, deadline: Instant) -> io::Result<Told> {
        self.listen_to(number, limit, None, deadline)
    }

    /// [`Command::ask`] for a program that is not trusted with the log, which descriptor 2 would be: what it
    /// writes there is kept, too, at most `complaint_limit` bytes.
    pub fn ask_stranger(
        &self,
        number: RawFd,
        limit: usize,
        complaint_limit: usize,
        deadline: Instant,
    ) -> io::Result<Told> {
        self.listen_to(number, limit, Some(complaint_limit), deadline)
    }

    fn listen_to(
        &self,
        number: RawFd,
        limit: usize,
        complaint_limit: Option<usize>,
        deadline: Instant,
    ) -> io::Result<Told> {
        let (mut answers, answer_end) = Ear::new(limit)?;
        let (mut complaints, complaint_end) = match complaint_limit {
            Some(limit) => Ear::new(limit).map(|(ear, end)| (ear, Some(end)))?,
            None => (Ear::deaf(), None),
        };
        let mut descriptors = self.descriptors.to_vec();
        descriptors.push((answer_end.as_fd(), number));
        if let Some(end) = &complaint_end {
            descriptors.push((end.as_fd(), 2));
        }
        let mut child = Command {
            descriptors: &descriptors,
            ..*self
        }
        .start()?;
        drop(descriptors);
        drop((answer_end, complaint_end));
        let status = loop {
            let status = if answers.pipe.is_none() && complaints.pipe.is_none() {
                child.wait_until(deadline)?
            } else {
                let step = deadline.min(Instant::now() + LOOK);
                let [has_answer, has_complaint] =
                    os::poll::wait_any([answers.wanted(), complaints.wanted()], Some(step))?;
                let heard =
                    (has_answer && answers.listen()) | (has_complaint && complaints.listen());
                // Whoever holds a pipe open may be somebody that it has left behind.
                if heard { None } else { child.try_wait()? }
            };
            if status.is_some() {
                answers.listen_last();
                complaints.listen_last();
                break status;
            }
            // Also of one that never stops talking.
            if Instant::now() >= deadline {
                break None;
            }
        };
        Ok(Told {
            text: answers.heard,
            complaint: complaints.heard,
            status,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    fn shell() -> Program {
        Program::File("/bin/sh".into())
    }

    fn told(script: &str, until: Instant) -> Told {
        let env: Env = [("A", "x"), ("PATH", "/bin:/usr/bin")]
            .into_iter()
            .collect();
        Command {
            program: &shell(),
            words: &["-c".into(), script.into()],
            env: &env,
            folder: Path::new("/"),
            descriptors: &[],
        }
        .ask(4, 10, until)
        .expect("run")
    }

    #[test]
    fn what_it_says_and_how_it_ends_is_told() {
        let told = told("pwd >&4; echo $A >&4; exit 7", soon());
        assert_eq!(told.text, b"/\nx\n");
        assert_eq!(told.status.and_then(Status::code), Some(7));
    }

    #[test]
    fn more_than_is_asked_for_is_read_and_dropped() {
        let told = told(
            "i=0; while [ $i -lt 9999 ]; do echo 12345678901 >&4; i=$((i+1)); done",
            soon(),
        );
        assert_eq!(told.text, b"1234567890");
        assert_eq!(told.status.and_then(Status::code), Some(0));
    }

    #[test]
    fn one_that_never_stops_talking_ends_at_the_deadline_too() {
        let begin = Instant::now();
        let told = told("yes >&4", begin + Duration::from_millis(300));
        assert_eq!((told.text.len(), told.status), (10, None));
        assert!(begin.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_stranger_complains_to_us_and_not_to_the_log() {
        let env: Env = [("PATH", "/bin:/usr/bin")].into_iter().collect();
        let script = "echo yes; i=0; while [ $i -lt 20000 ]; do echo complaint >&2; i=$((i+1)); done; exit 3";
        let told = Command {
            program: &shell(),
            words: &["-c".into(), script.into()],
            env: &env,
            folder: Path::new("/"),
            descriptors: &[],
        }
        .ask_stranger(1, 10, 9, soon())
        .expect("run");
        assert_eq!(
            (told.text.as_slice(), told.complaint.as_slice()),
            (&b"yes\n"[..], &b"complaint"[..])
        );
        assert_eq!(told.status.and_then(Status::code), Some(3));
    }

    #[test]
    fn one_that_does_not_end_is_killed_with_what_it_has_started() {
        let begin = Instant::now();
        let told = told(
            "sleep 60 & echo $! >&4; wait",
            begin + Duration::from_millis(300),
        );
        assert_eq!(told.status, None);
        assert!(begin.elapsed() < Duration::from_secs(30));
        let pid = String::from_utf8(told.text).expect("digits");
        let pid: i32 = pid.trim().parse().expect("a number");
        while os::process::exists(pid) {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                break;
            }
            assert!(begin.elapsed() < Duration::from_secs(30), "{pid} lives");
        }
    }

    #[test]
    fn a_file_that_cannot_be_executed_is_an_error() {
        let env = Env::default();
        let program = Program::File("/nonexistent/program".into());
        let command = Command {
            program: &program,
            words: &[],
            env: &env,
            folder: Path::new("/"),
            descriptors: &[],
        };
        let error = command.start().expect_err("no such file");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_it_has_left_behind_is_not_waited_for() {
        let begin = Instant::now();
        let told = told(
            "sleep 60 >&4 & echo x >&4; exit 3",
            begin + Duration::from_secs(30),
        );
        assert_eq!(told.text, b"x\n");
        assert_eq!(told.status.and_then(Status::code), Some(3));
        assert!(begin.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn descriptors_get_their_numbers_whatever_had_them() {
        let (read_a, mut write_a) = io::pipe().expect("a pipe");
        let (mut read_b, write_b) = io::pipe().expect("a pipe");
        write_a.write_all(b"hello").expect("room");
        drop(write_a);
        let env: Env = [("PATH", "/bin:/usr/bin")].into_iter().collect();
        let mut child = Command {
            program: &shell(),
            words: &["-c".into(), "cat <&8 >&9".into()],
            env: &env,
            folder: Path::new("/"),
            descriptors: &[(read_a.as_fd(), 8), (write_b.as_fd(), 9)],
        }
        .start()
        .expect("started");
        drop((read_a, write_b));
        let mut text = String::new();
        read_b.read_to_string(&mut text).expect("read");
        assert_eq!(text, "hello");
        assert!(child.wait_until(soon()).expect("waited").is_some());
    }

    #[test]
    fn a_file_that_cannot_be_executed_is_told_whatever_number_is_given() {
        let env = Env::default();
        let program = Program::File("/nonexistent/program".into());
        let (reader, _writer) = io::pipe().expect("a pipe");
        // Among them are numbers that are free, and would be taken by the pipe that tells it.
        let descriptors: Vec<_> = (3..16).map(|number| (reader.as_fd(), number)).collect();
        let command = Command {
            program: &program,
            words: &[],
            env: &env,
            folder: Path::new("/"),
            descriptors: &descriptors,
        };
        let error = command.start().expect_err("no such file");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
