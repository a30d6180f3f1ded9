//! What the suites of the mail programs share: a home with users, their Maildirs, a capturing
//! program as the way out, and servers that run smtpd.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::clients::python;
use crate::place::worker;
use crate::server::Builder;
use crate::{DEADLINE, Run, Server, bin, files, is_root, libexec, private_dir, run, script, tls};

/// The local domain of every house.
pub const DOMAIN: &str = "here.test";

/// A home with the users joe and ann, who own empty homes.
#[derive(Debug)]
pub struct House {
    dir: tempfile::TempDir,
    /// Who owns the mailboxes, and runs the programs: nobody where the tests run as root.
    pub user: u32,
    /// The group of that user.
    pub group: u32,
}

impl House {
    /// A fresh one.
    pub fn new() -> House {
        let (user, group) = worker();
        let house = House {
            dir: private_dir(0o755),
            user,
            group,
        };
        fs::create_dir_all(house.path("home/control")).unwrap();
        house.control("me", DOMAIN);
        let mut users = String::new();
        for name in ["joe", "ann"] {
            let home = house.own_dir(name);
            users.push_str(&format!("{name}:x:{user}:{group}::{}::\n", home.display()));
        }
        fs::write(house.path("home/users"), users).unwrap();
        house
    }

    /// A path below the house.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a control file.
    pub fn control(&self, name: &str, text: &str) {
        let path = self.path("home/control").join(name);
        fs::write(path, format!("{text}\n")).unwrap();
    }

    /// A directory that belongs to the programs' user.
    pub fn own_dir(&self, name: &str) -> PathBuf {
        let dir = self.path(name);
        fs::create_dir(&dir).unwrap();
        self.give(&dir);
        dir
    }

    /// Gives a file to the programs' user.
    pub fn give(&self, path: &Path) {
        if is_root() {
            chown(path, Some(self.user), Some(self.group)).unwrap();
        }
    }

    /// The messages in `new` of a user, sorted by what they say.
    pub fn mail(&self, user: &str) -> Vec<String> {
        let mut texts: Vec<String> = files(&self.path(user).join("Maildir/new"))
            .iter()
            .map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned())
            .collect();
        texts.sort();
        texts
    }

    /// The files in `tmp` of a user.
    pub fn unfinished(&self, user: &str) -> Vec<PathBuf> {
        files(&self.path(user).join("Maildir/tmp"))
    }

    /// Waits until a user has `count` messages.
    pub fn wait_for_mail(&self, user: &str, count: usize) -> Vec<String> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let mail = self.mail(user);
            if mail.len() == count {
                return mail;
            }
            assert!(
                Instant::now() < deadline,
                "{user} has {}: {mail:?}",
                mail.len()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A queue program that keeps what it gets in the directory of its name, numbered by its pid.
    pub fn capturing(&self, name: &str) -> PathBuf {
        let dir = self.own_dir(name);
        let program = self.path(&format!("{name}-queue"));
        let text = format!(
            "#!/bin/sh\ncat >'{0}'/$$.message && cat <&1 >'{0}'/$$.envelope\n",
            dir.display()
        );
        script(&program, &text);
        program
    }

    /// The envelopes that a capturing program got, with `|` for NUL.
    pub fn captured(&self, name: &str) -> Vec<String> {
        let all = files(&self.path(name)).into_iter();
        let mut envelopes: Vec<String> = all
            .filter(|path| path.extension().is_some_and(|end| end == "envelope"))
            .map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).replace('\0', "|"))
            .collect();
        envelopes.sort();
        envelopes
    }

    /// Compiles rules; the path of the cdb.
    pub fn rules(&self, text: &str) -> PathBuf {
        let cdb = self.path("rules.cdb");
        let done = Run::new(bin("superd-rules"))
            .arg(&cdb)
            .arg(self.path("rules.tmp"))
            .input(text)
            .done();
        assert_eq!(done.code, Some(0), "{}", done.err());
        cdb
    }

    /// superd with smtpd behind it, as the programs' user, verbose, without look-ups.
    pub fn smtp(&self) -> Builder {
        self.smtp_under(Server::under_name(bin("superd")))
    }

    /// Any server of that command line with smtpd behind it.
    pub fn smtp_under(&self, builder: Builder) -> Builder {
        let builder = builder
            .options(["-vHRl0"])
            .handler([libexec().join("smtpd")])
            .env("SUPERD_HOME", self.path("home"));
        if !is_root() {
            return builder;
        }
        builder.options([format!("-u{}", self.user), format!("-g{}", self.group)])
    }

    /// smtpd alone, with its input.
    pub fn smtpd(&self, input: &str) -> Run {
        Run::new(libexec().join("smtpd"))
            .env("SUPERD_HOME", self.path("home"))
            .env("TCPREMOTEIP", "192.0.2.1")
            .input(input)
    }

    /// maildir-queue with two pipes, as the programs' user.
    pub fn queue(&self, launcher: &[&str]) -> QueueRun {
        use std::os::unix::process::CommandExt;
        let program = libexec().join("maildir-queue");
        let mut command = match launcher {
            [] => Command::new(&program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(&program);
                command
            }
        };
        let (message_end, message) = std::io::pipe().unwrap();
        let (envelope_end, envelope) = std::io::pipe().unwrap();
        command
            .env_clear()
            .env("PATH", run::PATH)
            .env("SUPERD_HOME", self.path("home"))
            .stdin(Stdio::from(message_end))
            .stdout(Stdio::from(envelope_end))
            .stderr(Stdio::piped());
        if is_root() {
            command.uid(self.user).gid(self.group);
        }
        QueueRun {
            child: command.spawn().unwrap(),
            message: Some(message),
            envelope: Some(envelope),
        }
    }
}

/// maildir-queue at work.
#[derive(Debug)]
pub struct QueueRun {
    /// The process.
    pub child: Child,
    /// Where the message goes.
    pub message: Option<std::io::PipeWriter>,
    /// Where the envelope goes.
    pub envelope: Option<std::io::PipeWriter>,
}

impl QueueRun {
    /// Writes both and closes them. The program may be gone already.
    pub fn feed(&mut self, message: &[u8], envelope: &[u8]) {
        use std::io::Write;
        if let Some(mut pipe) = self.message.take() {
            let _ = pipe.write_all(message);
        }
        if let Some(mut pipe) = self.envelope.take() {
            let _ = pipe.write_all(envelope);
        }
    }

    /// Waits for its end: the exit code (`None` after a signal) and its log.
    pub fn end(mut self) -> (Option<i32>, String) {
        use std::io::Read;
        self.message = None;
        self.envelope = None;
        let deadline = Instant::now() + DEADLINE;
        let status = run::wait(&mut self.child, deadline).expect("it ends in time");
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut log).unwrap();
        (status.code(), crate::log::without_sessions(&log))
    }
}

/// smtpd with these words behind a TLS program, for one connection, as who delivers.
pub fn behind_tls(house: &House, words: &[&str], more: &[(&str, &Path)]) -> Option<tls::Program> {
    let smtpd = libexec().join("smtpd").display().to_string();
    let (home, libexec) = (house.path("home"), libexec());
    let mut env = vec![
        ("SUPERD_HOME", home.as_path()),
        ("SUPERD_LIBEXEC", libexec.as_path()),
    ];
    env.extend_from_slice(more);
    let launcher = if is_root() {
        run::becoming(house.user, house.group)
    } else {
        vec!["env".to_owned()]
    };
    let words: Vec<&str> = [smtpd.as_str()].iter().chain(words).copied().collect();
    tls::Program::start(&launcher, &words, &env)
}

/// What every script of [`smtplib`] begins with.
const SMTPLIB: &str = "
import smtplib, ssl, sys
host, port, certificate = sys.argv[1:]
smtp = smtplib.SMTP(host, int(port), timeout=20, local_hostname='before.test')
def say(line):
    print(*smtp.docmd(line))
def message():
    print(*smtp.data(b'Subject: x\\r\\n\\r\\ny\\r\\n'))
def encrypt():
    context = ssl.create_default_context()
    context.load_verify_locations(certificate)
    context.check_hostname = False
    smtp.starttls(context=context)
";

/// A conversation of Python's smtplib with a program behind TLS, in Python: `say('LINE')` and `message()` print the
/// reply, `encrypt()` begins TLS. The codes of the replies, and all that it said; `None` where there is no Python.
pub fn smtplib(program: &tls::Program, script: &str) -> Option<(Vec<String>, String)> {
    let done = Run::new(python()?)
        .args(["-c", &format!("{SMTPLIB}{script}")])
        .arg(program.address.ip().to_string())
        .arg(program.address.port().to_string())
        .arg(tls::certificate()?.0)
        .done();
    let said = done.out();
    let codes = said.lines().filter_map(|line| line.get(..3));
    Some((
        codes.map(str::to_owned).collect(),
        format!("{said}{}", done.err()),
    ))
}
