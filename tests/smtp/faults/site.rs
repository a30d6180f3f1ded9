//! A house with three users, a message for all of them, and a session that delivers it.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use kit::hop::Hop;
use kit::place::{files, script};
use kit::smtp::House;
use kit::{DEADLINE, SOMEBODY, is_root, libexec, run};

/// The first has a Maildir before the delivery, the others get theirs by it.
pub const USERS: [&str; 3] = ["joe", "ann", "sue"];

/// Processes of a session with smtpd, in the order in which they begin.
pub const SMTPD: usize = 0;
pub const QUEUE: usize = 1;

/// Those of a session with lmtpd: who decides, who speaks, and one for each owner of mailboxes.
pub const DECIDES: usize = 0;
pub const SPEAKS: usize = 1;
pub const HAND: usize = 2;

/// Who takes the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Smtpd,
    Lmtpd,
}

impl Door {
    /// Whether faults of this process leave the session as it is.
    pub fn outlives(self, process: usize) -> bool {
        match self {
            Door::Smtpd => process == QUEUE,
            Door::Lmtpd => process >= HAND,
        }
    }
}

/// A house with a message to be delivered in it.
pub struct Site {
    pub door: Door,
    pub house: House,
    /// The owners of the mailboxes.
    owners: [u32; 3],
    body: Vec<u8>,
    /// Who takes it for a recipient elsewhere, where it has one.
    pub hop: Option<Hop>,
    /// What it had taken before.
    before: std::cell::Cell<usize>,
}

impl Site {
    /// With a body of about so many bytes, delivered by smtpd.
    pub fn new(size: usize) -> Site {
        let house = House::new();
        let owners = [house.user; 3];
        Site::of(Door::Smtpd, house, owners, size)
    }

    /// Delivered by lmtpd as root, to mailboxes of two owners.
    pub fn lmtp(size: usize) -> Site {
        let house = House::new();
        let owners = [house.user, house.user, SOMEBODY];
        Site::of(Door::Lmtpd, house, owners, size)
    }

    fn of(door: Door, house: House, owners: [u32; 3], size: usize) -> Site {
        let group = house.group;
        for name in ["disk", "spool", "report"] {
            house.own_dir(name);
        }
        let mut users = String::new();
        for (name, owner) in USERS.iter().zip(owners) {
            let home = house.path("disk").join(name);
            // One of them has a quota, so that it is kept count.
            let quota = if *name == "ann" {
                ":Maildir:9000000S"
            } else {
                ""
            };
            users.push_str(&format!(
                "{name}:x:{owner}:{group}::{}:{quota}\n",
                home.display()
            ));
        }
        fs::write(house.path("home/users"), users).unwrap();
        let mut body = b"Subject: x\n\n".to_vec();
        let mut line = 0;
        while body.len() < size {
            body.extend_from_slice(format!("line {line} 0123456789abcdef\n").as_bytes());
            line += 1;
        }
        body.extend_from_slice(b"end\n");
        Site {
            door,
            house,
            owners,
            body,
            hop: None,
            before: std::cell::Cell::default(),
        }
    }

    /// With a recipient elsewhere, too.
    pub fn with_hop(self) -> Site {
        let hop = Hop::start();
        self.house
            .control("remotequeue", &format!("smtp:{}", hop.address()));
        Site {
            hop: Some(hop),
            ..self
        }
    }

    /// How often the next host has taken the message. It is known once it has ended a later one.
    pub fn went(&self) -> usize {
        let taken = self.hop.as_ref().map_or(0, |hop| hop.taken().len());
        taken - self.before.get()
    }

    /// Every copy is shown to a filter.
    pub fn with_filter(self) -> Site {
        let filter = self.house.path("filter");
        script(&filter, "#!/bin/sh\nexec cat >/dev/null\n");
        self.house.control("filter", filter.to_str().unwrap());
        self
    }

    fn home(&self, user: &str) -> PathBuf {
        self.house.path("disk").join(user)
    }

    fn maildir(&self, user: &str) -> PathBuf {
        self.home(user).join("Maildir")
    }

    pub fn report(&self) -> PathBuf {
        self.house.path("report/calls")
    }

    /// As before the first delivery.
    pub fn clear(&self) {
        for user in USERS {
            let _ = fs::remove_dir_all(self.home(user));
        }
        for (user, owner) in USERS.iter().zip(self.owners) {
            let home = self.house.own_dir(&format!("disk/{user}"));
            if owner != self.house.user {
                chown(home, Some(owner), None).unwrap();
            }
        }
        for part in ["", "tmp", "new", "cur"] {
            self.house.own_dir(&format!("disk/joe/Maildir/{part}"));
        }
        for file in files(&self.house.path("spool")) {
            fs::remove_file(file).unwrap();
        }
        let _ = fs::remove_file(self.report());
        self.before.set(0);
        self.before.set(self.went());
    }

    /// How many copies each user has. All of them must be whole.
    pub fn copies(&self) -> [usize; 3] {
        USERS.map(|user| {
            let mut count = 0;
            for part in ["new", "cur"] {
                for path in files(&self.maildir(user).join(part)) {
                    self.check_whole(user, &path);
                    count += 1;
                }
            }
            count
        })
    }

    fn check_whole(&self, user: &str, path: &Path) {
        let text = fs::read(path).unwrap();
        let shown = path.display();
        let head = text.strip_suffix(self.body.as_slice());
        let head = head.unwrap_or_else(|| panic!("{shown}: not whole: {} bytes", text.len()));
        let head = std::str::from_utf8(head).unwrap();
        let ours = format!("Return-Path: <s@far.test>\nDelivered-To: {user}@here.test\nReceived: ");
        let rest = head.strip_prefix(&ours);
        let rest = rest.unwrap_or_else(|| panic!("{shown}: {head}"));
        assert!(
            rest.lines().skip(1).all(|line| line.starts_with(' ')) && rest.ends_with('\n'),
            "{shown}: {head}"
        );
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.ends_with(&format!(",S={}", text.len())), "{shown}");
    }

    /// The files of deliveries that were not finished: those in `tmp`, and in the spool.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let mut left = files(&self.house.path("spool"));
        for user in USERS {
            left.extend(files(&self.maildir(user).join("tmp")));
        }
        left
    }

    /// The server behind a launcher, on one end of a socket pair: smtpd as the owner of the mailboxes,
    /// lmtpd as root.
    pub fn start(&self, launcher: &[OsString]) -> Talk {
        let program = match self.door {
            Door::Smtpd => libexec().join("smtpd").into_os_string(),
            Door::Lmtpd => libexec().join("lmtpd").into_os_string(),
        };
        let words: Vec<&OsString> = launcher.iter().chain([&program]).collect();
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(DEADLINE)).unwrap();
        ours.set_write_timeout(Some(DEADLINE)).unwrap();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .env("PATH", run::PATH)
            .env("SUPERD_HOME", self.house.path("home"))
            .env("TMPDIR", self.house.path("spool"))
            .env("TCPREMOTEIP", "192.0.2.1")
            .envs(self.hop.as_ref().map(|_| ("RELAYCLIENT", "")))
            .stdin(OwnedFd::from(theirs.try_clone().unwrap()))
            .stdout(OwnedFd::from(theirs))
            .stderr(Stdio::piped());
        if is_root() && self.door == Door::Smtpd {
            command.uid(self.house.user).gid(self.house.group);
        }
        let mut child = command.spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        });
        Talk {
            child,
            stream: BufReader::new(ours),
            log,
            replies: Vec::new(),
        }
    }

    /// The message as it goes over the wire.
    fn wire(&self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(self.body.len() * 2);
        for line in self.body.split_inclusive(|&byte| byte == b'\n') {
            wire.extend_from_slice(&line[..line.len() - 1]);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b".\r\n");
        wire
    }
}

/// A session, and all that was said in it.
pub struct Talk {
    child: Child,
    stream: BufReader<UnixStream>,
    log: JoinHandle<String>,
    replies: Vec<String>,
}

impl Talk {
    /// The reply to something, its last line; `None` if smtpd has gone.
    fn ask(&mut self, bytes: &[u8]) -> Option<String> {
        // It may be gone.
        let _ = self.stream.get_mut().write_all(bytes);
        loop {
            let mut line = String::new();
            match self.stream.read_line(&mut line) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
                Err(error) => panic!("waiting for a reply: {error}: {:?}", self.replies),
            }
            let text = line.strip_suffix("\r\n")?.to_owned();
            let last = text.as_bytes().get(3) != Some(&b'-');
            self.replies.push(text.clone());
            if last {
                return Some(text);
            }
        }
    }

    /// One transaction; for which users the message was taken.
    pub fn send(&mut self, site: &Site) -> [bool; 3] {
        let nobody = [false; 3];
        let elsewhere = site.hop.as_ref().map(|_| "RCPT TO:<x@far.test>".to_owned());
        let commands = ["MAIL FROM:<s@far.test>".to_owned()]
            .into_iter()
            .chain(USERS.map(|user| format!("RCPT TO:<{user}@here.test>")))
            .chain(elsewhere);
        for command in commands {
            if !is(self.ask(format!("{command}\r\n").as_bytes()), "250") {
                return nobody;
            }
        }
        if !is(self.ask(b"DATA\r\n"), "354") {
            return nobody;
        }
        let first = is(self.ask(&site.wire()), "250");
        match site.door {
            Door::Smtpd => [first; 3],
            Door::Lmtpd => [first, is(self.ask(b""), "250"), is(self.ask(b""), "250")],
        }
    }

    /// The same in a new session.
    pub fn greet_and_send(&mut self, site: &Site) -> [bool; 3] {
        let hello: &[u8] = match site.door {
            Door::Smtpd => b"EHLO client.test\r\n",
            Door::Lmtpd => b"LHLO client.test\r\n",
        };
        if is(self.ask(b""), "220") && is(self.ask(hello), "250") {
            return self.send(site);
        }
        [false; 3]
    }

    /// How many processes the server, which is the tracer's child, runs or has not waited for.
    pub fn children(&self) -> usize {
        let list = |pid: &str| {
            let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            list.unwrap_or_default()
        };
        let server = list(&self.child.id().to_string());
        list(server.trim()).split_ascii_whitespace().count()
    }

    /// Ends it, and waits for all that it has started; the replies and the log.
    pub fn end(mut self) -> String {
        let _ = self.ask(b"QUIT\r\n");
        drop(self.stream);
        let status = run::wait(&mut self.child, Instant::now() + DEADLINE);
        let status = status.expect("it ends in time");
        assert_ne!(status.code(), Some(120), "the tracer failed");
        let log = self.log.join().unwrap();
        format!("{}\n{log}{status}", self.replies.join("\n"))
    }
}

fn is(reply: Option<String>, code: &str) -> bool {
    reply.is_some_and(|reply| reply.starts_with(code))
}
