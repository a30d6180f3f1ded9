//! What the suites of pop3d share: a Maildir, and pop3d alone over it, as its owner.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use kit::place::{files, worker};
use kit::server::Builder;
use kit::{DEADLINE, Done, Run, Server, bin, is_root, private_dir, run};

/// The reply that has nothing to say, as pop3d(8) writes it.
pub const OK: &str = "+OK ";

/// A home with an empty Maildir, of nobody where the tests run as root, else of who runs them.
#[derive(Debug)]
pub struct Mailbox {
    home: tempfile::TempDir,
    uid: u32,
    gid: u32,
}

impl Mailbox {
    /// An empty one.
    pub fn new() -> Mailbox {
        let (uid, gid) = worker();
        let mailbox = Mailbox {
            home: private_dir(0o755),
            uid,
            gid,
        };
        mailbox.give(mailbox.home.path());
        for dir in ["", "tmp", "new", "cur"] {
            fs::create_dir(mailbox.path(dir)).unwrap();
            mailbox.give(&mailbox.path(dir));
        }
        mailbox
    }

    /// One with these messages: new/1.a, new/2.a and so on.
    pub fn with(messages: &[&str]) -> Mailbox {
        let mailbox = Mailbox::new();
        for (at, text) in messages.iter().enumerate() {
            mailbox.put(&format!("new/{}.a", at + 1), text);
        }
        mailbox
    }

    /// The user's home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A path below the Maildir.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("Maildir").join(name)
    }

    /// Makes a file or directory the owner's.
    pub fn give(&self, path: &Path) {
        if is_root() {
            lchown(path, Some(self.uid), Some(self.gid)).unwrap();
        }
    }

    /// Writes a file of the owner's. Of two whose names begin with a number the smaller one is older,
    /// and all are old.
    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        self.give(&path);
        let file = name.rsplit('/').next().unwrap();
        let digits = file.split(|letter: char| !letter.is_ascii_digit()).next();
        let number: u64 = digits.unwrap().parse().unwrap_or(0);
        self.date(name, Duration::from_secs(1_000_000_000 + number));
        path
    }

    /// Sets when a file was modified.
    pub fn date(&self, name: &str, since: Duration) {
        let file = File::options().write(true).open(self.path(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + since).unwrap();
    }

    /// Sets the mode of a file or directory.
    pub fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Renames, as another mail program does.
    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// What is in `new` and `cur`, as `new/1.a`.
    pub fn names(&self) -> Vec<String> {
        let list = |dir: &str| files(&self.path(dir));
        let all = list("new").into_iter().chain(list("cur"));
        let mut names: Vec<String> = all
            .map(|path| {
                let below = path.strip_prefix(self.path("")).unwrap();
                below.to_string_lossy().into_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// What becomes the owner and then this program, with its words.
    fn as_owner(&self) -> Vec<String> {
        if is_root() {
            run::becoming(self.uid, self.gid)
        } else {
            vec!["env".to_owned()]
        }
    }

    /// Another program, in the home as the owner.
    pub fn run(&self, program: impl AsRef<Path>) -> Run {
        Run::behind(&self.as_owner(), program.as_ref()).dir(self.home())
    }

    /// pop3d on two pipes, with all its input at once, to its end.
    pub fn done(&self, env: &[(&str, &str)], input: impl AsRef<[u8]>) -> Done {
        let mut run = self.run(bin("pop3d")).arg("Maildir").input(input);
        for (name, value) in client().iter().chain(env) {
            run = run.env(name, value);
        }
        run.done()
    }

    /// All that pop3d says on two pipes to this input. It must find nothing to complain of.
    pub fn says(&self, env: &[(&str, &str)], input: &str) -> String {
        let done = self.done(env, input);
        assert_eq!(done.code, Some(0), "{}", done.err());
        assert!(!done.err().contains(": fault "), "{}", done.err());
        done.out()
    }

    /// pop3d on one end of a socket pair.
    pub fn start(&self, env: &[(&str, &str)]) -> Session {
        let mut command = Command::new(bin("pop3d"));
        command.env_clear().envs(client()).envs(env.iter().copied());
        if is_root() {
            command.uid(self.uid).gid(self.gid);
        }
        self.connect(command)
    }

    /// The same, and its answer to the login is read.
    pub fn session(&self, env: &[(&str, &str)]) -> Session {
        let mut session = self.start(env);
        assert_eq!(session.line(), OK);
        session
    }

    /// pop3d on one end of a socket pair, started by strace with these words, which writes to
    /// [`Mailbox::trace`]. strace becomes the owner.
    pub fn traced(&self, strace: &Path, words: &[&str], env: &[(&str, &str)]) -> Session {
        let mut command = Command::new(strace);
        command.args(["-y", "-s", "64", "-o"]);
        command.arg(self.home().join("trace")).args(words);
        if is_root() {
            command.args(["-u", "nobody"]);
        }
        command.arg(bin("pop3d"));
        command.env_clear().envs(client()).envs(env.iter().copied());
        self.connect(command)
    }

    /// What strace wrote.
    pub fn trace(&self) -> String {
        fs::read_to_string(self.home().join("trace")).unwrap()
    }

    fn connect(&self, mut command: Command) -> Session {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(DEADLINE)).unwrap();
        ours.set_write_timeout(Some(DEADLINE)).unwrap();
        command
            .arg("Maildir")
            .current_dir(self.home())
            .stdin(OwnedFd::from(theirs.try_clone().unwrap()))
            .stdout(OwnedFd::from(theirs))
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        });
        Session {
            child,
            stream: Some(BufReader::new(ours)),
            log: Some(log),
        }
    }

    /// Any server of tcpserver's command line, as the owner, with these words behind it.
    pub fn serve(&self, server: impl AsRef<Path>, words: &[&str]) -> Builder {
        let builder = Server::under_name(server.as_ref())
            .after(&format!("cd '{}'", self.home().display()))
            .options(["-vHRl0"])
            .handler(words);
        if !is_root() {
            return builder;
        }
        builder.options([format!("-u{}", self.uid), format!("-g{}", self.gid)])
    }

    /// The numbers of the owner and his group.
    pub fn owner(&self) -> (u32, u32) {
        (self.uid, self.gid)
    }
}

/// Who the client is, as the programs before pop3d tell it.
fn client() -> [(&'static str, &'static str); 3] {
    [
        ("PATH", run::PATH),
        ("TCPREMOTEIP", "192.0.2.1"),
        ("USER", "joe"),
    ]
}

/// One session with pop3d. Dropping it ends it.
#[derive(Debug)]
pub struct Session {
    child: Child,
    stream: Option<BufReader<UnixStream>>,
    log: Option<JoinHandle<String>>,
}

impl Session {
    fn stream(&mut self) -> &mut BufReader<UnixStream> {
        self.stream.as_mut().unwrap()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let stream = self.stream().get_mut();
        stream.write_all(bytes.as_ref()).unwrap();
    }

    /// The next line, which must end in CRLF.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let read = self.stream().read_until(b'\n', &mut line);
        read.unwrap_or_else(|error| panic!("waiting for a line: {error}"));
        let Some(text) = line.strip_suffix(b"\r\n") else {
            panic!("no line: {:?}", String::from_utf8_lossy(&line));
        };
        String::from_utf8_lossy(text).into_owned()
    }

    /// Sends a command, and reads the first line of the reply.
    pub fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n"));
        self.line()
    }

    /// Each command has just this reply.
    pub fn dialogue(&mut self, steps: &[(&str, &str)]) {
        for (command, reply) in steps {
            assert_eq!(&self.ask(command), reply, "{command}");
        }
    }

    /// The lines of a reply after its first, to the dot.
    pub fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            if line == "." {
                return lines;
            }
            lines.push(line);
            assert!(lines.len() < 1_000_000, "a reply without end");
        }
    }

    /// Sends a command that gets `+OK ` and lines; the lines.
    pub fn listing(&mut self, command: &str) -> Vec<String> {
        assert_eq!(self.ask(command), OK, "{command}");
        self.lines()
    }

    /// The bytes of a message that is sent, as they are on the wire, with the end mark.
    pub fn message(&mut self, command: &str) -> Vec<u8> {
        assert_eq!(self.ask(command), OK, "{command}");
        self.raw_lines()
    }

    /// The bytes of a reply after its first line, with the end mark.
    pub fn raw_lines(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let start = all.len();
            let read = self.stream().read_until(b'\n', &mut all);
            let count = read.unwrap_or_else(|error| panic!("waiting for a line: {error}"));
            assert_ne!(count, 0, "the connection ended within a reply");
            if &all[start..] == b".\r\n" {
                return all;
            }
        }
    }

    /// Nothing more will be sent.
    pub fn finish(&mut self) {
        let stream = self.stream().get_ref();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// The next line; `None` where the connection has ended.
    pub fn try_line(&mut self) -> Option<String> {
        let more = self.stream().fill_buf().map(|bytes| !bytes.is_empty());
        matches!(more, Ok(true)).then(|| self.line())
    }

    /// [`Session::ask`]; `None` where the connection has ended.
    pub fn try_ask(&mut self, command: &str) -> Option<String> {
        let stream = self.stream().get_mut();
        let sent = stream.write_all(format!("{command}\r\n").as_bytes());
        sent.ok()?;
        self.try_line()
    }

    /// Fails if anything at all comes within `time`: a byte, or the end.
    pub fn is_silent_for(&mut self, time: Duration) {
        let stream = self.stream();
        stream.get_ref().set_read_timeout(Some(time)).unwrap();
        let more = stream.fill_buf().map(String::from_utf8_lossy);
        let is_silent = matches!(&more, Err(error) if error.kind() == ErrorKind::WouldBlock);
        assert!(is_silent, "{more:?}");
        stream.get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
    }

    /// All that is still said, to the end of the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = self.stream().read_to_end(&mut rest);
        read.unwrap_or_else(|error| panic!("waiting for the end: {error}"));
        rest
    }

    /// Goes away and waits for the end; the exit code, `None` after a signal, and the log.
    pub fn end(mut self) -> (Option<i32>, String) {
        self.stream = None;
        self.wait()
    }

    /// Waits for the end, and takes nothing of what is said meanwhile.
    pub fn wait(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + DEADLINE;
        let status = run::wait(&mut self.child, deadline).expect("pop3d ends");
        let log = self.log.take().unwrap().join().unwrap();
        (status.code(), kit::log::without_sessions(&log))
    }

    /// Says QUIT, which gets `+OK `, and waits for the end; the log.
    pub fn quit(mut self) -> String {
        assert_eq!(self.ask("QUIT"), OK);
        assert_eq!(self.rest(), b"");
        let (code, log) = self.end();
        assert_eq!(code, Some(0), "{log}");
        log
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The fields of pop3d's one `session` line, but for `seconds`, which is a number.
pub fn session_line(log: &str) -> String {
    let mut lines = log
        .lines()
        .filter_map(|line| line.strip_prefix("pop3d: session "));
    let (Some(line), None) = (lines.next(), lines.next()) else {
        panic!("not one line of a session: {log}");
    };
    let words = line.split(' ').filter(|word| {
        let seconds = word.strip_prefix("seconds=");
        assert!(
            seconds.is_none_or(|seconds| seconds.parse::<u64>().is_ok()),
            "{word}"
        );
        seconds.is_none()
    });
    words.collect::<Vec<_>>().join(" ")
}
