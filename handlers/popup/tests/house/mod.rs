//! Starts the program and speaks with it. imapup's tests have this module, too; which example is the program
//! [`crate::HOUSE`] tells.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Longer than anything here takes.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Nobody, as the tests' checker has him.
pub const NOBODY: u32 = 65534;

pub fn is_root() -> bool {
    os::identity::effective_uid() == 0
}

/// A directory that everybody can read, with the program in it. A later run removes it.
pub fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        for entry in std::fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name.strip_prefix(crate::HOUSE);
            if let Some(pid) = pid.and_then(|rest| rest.strip_prefix("-tests."))
                && !Path::new("/proc").join(pid).exists()
            {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let name = format!("{}-tests.{}", crate::HOUSE, std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o755)).unwrap();
        let built = std::env::current_exe().unwrap();
        let built = built.parent().and_then(Path::parent).unwrap();
        let house = built.join("examples").join(crate::HOUSE);
        assert!(
            house.exists(),
            "{house:?} is not built: cargo test -p of the package does that"
        );
        // By a child, so that no process of the tests holds it open for writing.
        let copied = Command::new("/bin/cp")
            .arg(house)
            .arg(directory.join("house"))
            .status()
            .unwrap();
        assert!(copied.success());
        directory
    })
}

/// What the program speaks through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Tcp,
    Pair,
    Pipes,
}

pub const LINKS: [Link; 3] = [Link::Tcp, Link::Pair, Link::Pipes];

/// As whom the program is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    /// Whoever runs the tests.
    Tester,
    /// Nobody; the same as the tester where he is not root.
    Nobody,
}

/// The ways of starting it that differ here.
pub fn starts() -> Vec<As> {
    if is_root() {
        vec![As::Tester, As::Nobody]
    } else {
        vec![As::Tester]
    }
}

/// The program to be started.
pub struct Popup {
    command: Command,
    starter: As,
}

impl Popup {
    pub fn new(words: &[&str]) -> Popup {
        let mut command = Command::new(directory().join("house"));
        command.arg("mx.test").args(words);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("TCPREMOTEIP", "192.0.2.1");
        Popup {
            command,
            starter: As::Tester,
        }
    }

    /// With exactly these words, the host among them.
    pub fn bare(words: &[&str]) -> Popup {
        let mut popup = Popup::new(&[]);
        popup.command = Command::new(directory().join("house"));
        popup.command.args(words).env_clear();
        popup
    }

    pub fn env(mut self, name: &str, value: &str) -> Popup {
        self.command.env(name, value);
        self
    }

    pub fn starter(mut self, starter: As) -> Popup {
        self.starter = starter;
        self
    }

    pub fn start(mut self, link: Link) -> Talking {
        if self.starter == As::Nobody && is_root() {
            self.command.uid(NOBODY).gid(NOBODY);
        }
        self.command.stderr(Stdio::piped());
        let (read, write): (Box<dyn Read + Send>, Option<Box<dyn Write + Send>>);
        match link {
            Link::Pipes => {
                self.command.stdin(Stdio::piped()).stdout(Stdio::piped());
                let mut child = self.command.spawn().unwrap();
                read = Box::new(child.stdout.take().unwrap());
                write = Some(Box::new(child.stdin.take().unwrap()));
                return Talking { child, read, write };
            }
            Link::Pair => {
                let (ours, theirs) = UnixStream::pair().unwrap();
                ours.set_read_timeout(Some(DEADLINE)).unwrap();
                self.both(theirs.into());
                read = Box::new(ours.try_clone().unwrap());
                write = Some(Box::new(ours));
            }
            Link::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                let (theirs, _) = listener.accept().unwrap();
                ours.set_read_timeout(Some(DEADLINE)).unwrap();
                ours.set_nodelay(true).unwrap();
                self.both(theirs.into());
                read = Box::new(ours.try_clone().unwrap());
                write = Some(Box::new(ours));
            }
        }
        let child = self.command.spawn().unwrap();
        // The command holds the program's end of the link until it is dropped.
        drop(self.command);
        Talking { child, read, write }
    }

    fn both(&mut self, socket: OwnedFd) {
        self.command.stdin(Stdio::from(socket.try_clone().unwrap()));
        self.command.stdout(Stdio::from(socket));
    }
}

/// The program, running.
pub struct Talking {
    child: Child,
    read: Box<dyn Read + Send>,
    write: Option<Box<dyn Write + Send>>,
}

/// How it went.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    /// What is left of what it said to the client.
    pub said: String,
    pub log: String,
}

impl Talking {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn say(&mut self, text: &str) -> &mut Talking {
        let write = self.write.as_mut().unwrap();
        // A program that has gone is seen in what it says.
        let _ = write.write_all(text.as_bytes());
        self
    }

    /// The next line, with its end; empty at the end.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.read.read(&mut byte).unwrap_or(0) == 1 {
            line.push(byte[0]);
            if byte[0] == b'\n' {
                break;
            }
        }
        String::from_utf8_lossy(&line).into_owned()
    }

    /// Says it and gives the next line.
    pub fn ask(&mut self, text: &str) -> String {
        self.say(text);
        self.line()
    }

    /// Reads to the end, without closing this side.
    pub fn wait(mut self) -> Done {
        let mut said = Vec::new();
        let _ = self.read.read_to_end(&mut said);
        self.done(&said)
    }

    /// Closes this side, and reads to the end.
    pub fn close(mut self) -> Done {
        self.write = None;
        let mut said = Vec::new();
        let _ = self.read.read_to_end(&mut said);
        self.done(&said)
    }

    /// Goes away.
    pub fn hang_up(mut self) -> Done {
        self.write = None;
        self.read = Box::new(std::io::empty());
        self.done(b"")
    }

    fn done(mut self, said: &[u8]) -> Done {
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut log).unwrap();
        let session = format!(" id={}", self.child.id());
        for line in log.lines().filter(|line| line.contains(" id=")) {
            assert!(line.contains(&session), "{line} is not of {session}");
        }
        let lines: Vec<String> = log.split('\n').map(without_session).collect();
        Done {
            code: self.child.wait().unwrap().code(),
            said: String::from_utf8_lossy(said).into_owned(),
            log: lines.join("\n"),
        }
    }

    /// The processes that the program has started and that are not over.
    pub fn children(&self) -> Vec<u32> {
        let pid = self.pid();
        let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        list.unwrap_or_default()
            .split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect()
    }
}

/// A line of /proc/PID/status.
pub fn status(pid: u32, key: &str) -> String {
    let all = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = all
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key}"))
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// A line without what differs from run to run: the number of its session, and what passed in which time.
fn without_session(line: &str) -> String {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_of_run = |word: &&str| {
        let of = |key| word.strip_prefix(key).is_some_and(is_number);
        of("id=") || of("in=") || of("out=") || line.contains(" in=") && of("seconds=")
    };
    let words: Vec<&str> = line.split(' ').filter(|word| !is_of_run(word)).collect();
    words.join(" ")
}
