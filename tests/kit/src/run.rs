//! Running one program to its end, with an empty environment and a deadline.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::DEADLINE;
use super::log::without_sessions;

/// The only variable that a program gets when a test does not say otherwise.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that is about to be run.
#[derive(Debug)]
pub struct Run {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    input: Vec<u8>,
    dir: Option<OsString>,
    deadline: Duration,
}

/// Words that run what follows them as this user, in this group and no other; for whoever is root.
pub fn becoming(uid: u32, gid: u32) -> Vec<String> {
    let (uid, gid) = (uid.to_string(), gid.to_string());
    let words = [
        "setpriv",
        "--reuid",
        &uid,
        "--regid",
        &gid,
        "--clear-groups",
        "--",
    ];
    words.into_iter().map(str::to_owned).collect()
}

/// What a program did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Its exit code, `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// All that it wrote to descriptor 1.
    pub stdout: Vec<u8>,
    /// All that it wrote to descriptor 2.
    pub stderr: Vec<u8>,
}

impl Done {
    /// Descriptor 1 as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Descriptor 2 as text, without its session ([`without_sessions`]).
    pub fn err(&self) -> String {
        without_sessions(&String::from_utf8_lossy(&self.stderr))
    }
}

impl Run {
    /// `program` with no arguments, an environment of $PATH alone, no input, and [`DEADLINE`].
    pub fn new(program: impl AsRef<OsStr>) -> Run {
        Run {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: vec![("PATH".into(), PATH.into())],
            input: Vec::new(),
            dir: None,
            deadline: DEADLINE,
        }
    }

    /// [`Run::new`] behind words that become the program, such as those of [`becoming`].
    pub fn behind(launcher: &[String], program: impl AsRef<OsStr>) -> Run {
        match launcher {
            [] => Run::new(program),
            [first, rest @ ..] => Run::new(first).args(rest).arg(program),
        }
    }

    /// [`Run::new`] as a user without privileges: this one, or somebody where this one is root.
    pub fn unprivileged(program: impl AsRef<OsStr>) -> Run {
        if super::is_root() {
            Run::behind(&becoming(super::SOMEBODY, super::SOMEBODY), program)
        } else {
            Run::new(program)
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Run {
        self.args.push(word.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
        self.args
            .extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Run {
        self.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// What the program reads from descriptor 0.
    pub fn input(mut self, bytes: impl AsRef<[u8]>) -> Run {
        self.input = bytes.as_ref().to_vec();
        self
    }

    /// The directory to start it in.
    pub fn dir(mut self, dir: impl AsRef<OsStr>) -> Run {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// How long it may take, in place of [`DEADLINE`].
    pub fn deadline(mut self, limit: Duration) -> Run {
        self.deadline = limit;
        self
    }

    /// Runs it to its end, and to the end of what it writes. Past the deadline it is killed and
    /// the test fails, naming the command.
    pub fn done(self) -> Done {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        let shown = format!("{:?} {:?}", self.program, self.args);
        let started = Instant::now();
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{shown}: {error}"));
        let mut stdin = child.stdin.take().unwrap();
        let input = self.input;
        // A program that does not read its input is no failure of the test.
        std::thread::spawn(move || stdin.write_all(&input));
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        let status = wait(&mut child, started + self.deadline)
            .unwrap_or_else(|| panic!("{shown}: not done after {:?}", self.deadline));
        let rest = |from: &mpsc::Receiver<Vec<u8>>, what: &str| {
            let left = (started + self.deadline).saturating_duration_since(Instant::now());
            from.recv_timeout(left.max(Duration::from_millis(100)))
                .unwrap_or_else(|_| {
                    panic!(
                        "{shown}: {what} still held open by a process after {:?}",
                        self.deadline
                    )
                })
        };
        Done {
            code: status.code(),
            signal: status.signal(),
            stdout: rest(&stdout, "stdout"),
            stderr: rest(&stderr, "stderr"),
        }
    }
}

/// Reads to the end in a thread.
fn collect(mut from: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (done, all) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        let _ = done.send(bytes);
    });
    all
}

/// Waits for a child until `deadline`; past it the child is killed and `None` returned.
pub fn wait(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}
