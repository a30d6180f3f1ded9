//! What the suites of IMAP share: a home with a Maildir, served by ours or by Dovecot.
//!
//! A test of the protocol is run on both: what Dovecot answers shows that the expectation is right.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use kit::dovecot::Dovecot;
use kit::imap::Imap;
use kit::place::worker;
use kit::{bin, is_root, private_dir, run};

/// The user's name.
pub const USER: &str = "joe";

/// The user's password.
pub const PASSWORD: &str = "mailbox pass";

/// The time of the first message that [`Home::put`] writes; each following one is a minute later.
pub const FIRST: u64 = 1_600_000_000;

/// Capabilities of Dovecot that are switched on for the comparison: deflate, and the special uses
/// of [`Home::special_uses`].
const MORE: &str = "mail_plugins = zlib
protocol imap {
  mail_plugins = zlib imap_zlib
}
namespace inbox {
  inbox = yes
  mailbox Sent {
    special_use = \\Sent
  }
  mailbox Trash {
    special_use = \\Trash
  }
}
";

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Dovecot's.
    Dovecot,
    /// Ours.
    Ours,
}

/// A home with an empty Maildir, of nobody where the tests run as root, else of who runs them.
#[derive(Debug)]
pub struct Home {
    dir: tempfile::TempDir,
    uid: u32,
    gid: u32,
}

impl Home {
    /// An empty one.
    pub fn new() -> Home {
        let (uid, gid) = worker();
        let home = Home {
            dir: private_dir(0o755),
            uid,
            gid,
        };
        home.give(home.path());
        home.folder("");
        home
    }

    /// The home.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A path below the Maildir.
    pub fn mail(&self, name: &str) -> PathBuf {
        self.path().join("Maildir").join(name)
    }

    /// The owner's group.
    pub fn group(&self) -> u32 {
        self.gid
    }

    /// Makes a file or directory the owner's.
    pub fn give(&self, path: &Path) {
        if is_root() {
            lchown(path, Some(self.uid), Some(self.gid)).unwrap();
        }
    }

    /// Makes a folder with its three directories, by its name on disk (`.Sent`; empty is INBOX).
    pub fn folder(&self, name: &str) {
        for dir in ["", "cur", "new", "tmp"] {
            let path = self.mail(name).join(dir);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
            self.give(&path);
        }
        if !name.is_empty() {
            self.write(&format!("{name}/maildirfolder"), "");
        }
    }

    /// Writes a file of the owner's, in one step.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.mail(name);
        let new = self.path().join(format!("{}.new", name.replace('/', "_")));
        fs::write(&new, bytes).unwrap();
        self.give(&new);
        fs::rename(new, &path).unwrap();
        path
    }

    /// Writes message number `number` of a folder, read and `number` minutes old: cur/NUMBER.a:2,S of
    /// it, with the file's time [`FIRST`] and so many minutes.
    pub fn put(&self, folder: &str, number: u64, bytes: impl AsRef<[u8]>) -> PathBuf {
        let name = format!("cur/{}.M{number}P1.host:2,S", FIRST + number * 60);
        self.put_as(folder, &name, number, bytes)
    }

    /// The same under a name of one's own.
    pub fn put_as(
        &self,
        folder: &str,
        name: &str,
        minute: u64,
        bytes: impl AsRef<[u8]>,
    ) -> PathBuf {
        let path = self.write(&format!("{folder}{}{name}", slash(folder)), bytes);
        let when = SystemTime::UNIX_EPOCH + Duration::from_secs(FIRST + minute * 60);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(when).unwrap();
        path
    }

    /// Delivers a message into `new`, as it arrives.
    pub fn deliver(&self, folder: &str, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        self.write(&format!("{folder}{}new/{name}", slash(folder)), bytes)
    }

    /// The files in `new` and `cur` of a folder, as `cur/1.a:2,S`, sorted.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let list = |dir: &str| {
            let all = fs::read_dir(self.mail(folder).join(dir)).unwrap();
            let names = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names
                .map(|name| format!("{dir}/{name}"))
                .collect::<Vec<String>>()
        };
        let mut names = list("new");
        names.extend(list("cur"));
        names.sort();
        names
    }

    /// Copies the Maildir of another home, with all times and names.
    pub fn copy_of(other: &Home) -> Home {
        let home = Home::new();
        fs::remove_dir_all(home.mail("")).unwrap();
        let done = run::Run::new("cp")
            .arg("-a")
            .arg(other.mail(""))
            .arg(home.path().join("Maildir"))
            .done();
        assert_eq!(done.code, Some(0), "{}", done.err());
        home
    }

    /// imapd over this Maildir, as its owner, on one end of a socket pair and already logged in.
    pub fn imapd(&self, env: &[(&str, &str)]) -> Imap {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let child = self.imapd_on(theirs.try_clone().unwrap().into(), theirs.into(), env);
        Imap::attach(ours, child)
    }

    /// The same on any two descriptors. They are the process's alone, or its end would not be seen.
    pub fn imapd_on(&self, input: OwnedFd, output: OwnedFd, env: &[(&str, &str)]) -> Child {
        let mut command = Command::new(bin("imapd"));
        command
            .arg("Maildir")
            .current_dir(self.path())
            .env_clear()
            .envs(self.env())
            .envs(env.iter().copied())
            .stdin(input)
            .stdout(output)
            .stderr(Stdio::inherit());
        if is_root() {
            command.uid(self.uid).gid(self.gid);
        }
        command.spawn().unwrap()
    }

    /// imapd over this Maildir as [`Home::imapd`] starts it, on two pipes.
    pub fn imapd_run(&self) -> run::Run {
        let launcher = if is_root() {
            run::becoming(self.uid, self.gid)
        } else {
            vec![]
        };
        let mut command = run::Run::behind(&launcher, bin("imapd"));
        for (name, value) in self.env() {
            command = command.env(name, value);
        }
        command.arg("Maildir").dir(self.path())
    }

    /// Starts Dovecot for this home.
    pub fn dovecot(&self) -> Option<Dovecot> {
        let user = (USER, PASSWORD, self.uid, self.gid, self.path());
        Dovecot::start_with(&[user], MORE)
    }

    /// The variables that whoever logs a user in sets.
    fn env(&self) -> Vec<(String, String)> {
        let home = self.path().display().to_string();
        [
            ("PATH", run::PATH),
            ("USER", USER),
            ("AUTHENTICATED", USER),
            ("HOME", &home),
            ("TCPREMOTEIP", "127.0.0.1"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }
}

fn slash(folder: &str) -> &str {
    if folder.is_empty() { "" } else { "/" }
}

/// A home and who serves it.
#[derive(Debug)]
pub struct House {
    /// The home.
    pub home: Home,
    /// Whose server it is.
    pub whose: Whose,
    dovecot: Option<Dovecot>,
}

impl House {
    /// Serves a home; `None` where that server cannot be had.
    pub fn of(home: Home, whose: Whose) -> Option<House> {
        let dovecot = match whose {
            Whose::Dovecot => Some(home.dovecot()?),
            Whose::Ours => None,
        };
        Some(House {
            home,
            whose,
            dovecot,
        })
    }

    /// A session, logged in.
    pub fn session(&self) -> Imap {
        let Some(dovecot) = &self.dovecot else {
            let client = self.home.imapd(&[]);
            assert!(client.greeting.starts_with("PREAUTH"), "{client:?}");
            return client;
        };
        let mut client = Imap::connect(dovecot.imap_address());
        let status = client.login(USER, PASSWORD);
        assert!(status.starts_with("OK"), "{status} {}", dovecot.log());
        client
    }

    /// Selects each mailbox once, so that no message is \Recent to the sessions of a test.
    pub fn settle(&self) {
        let mut client = self.session();
        for line in client.ok("LIST \"\" *") {
            if !line.contains("\\Noselect") && !line.contains("\\NonExistent") {
                let name = line.split_once(" \".\" ").unwrap().1;
                client.ok(&format!("SELECT {name}"));
            }
        }
        client.ok("LOGOUT");
    }

    /// Ends the server and gives the home back.
    pub fn into_home(self) -> Home {
        self.home
    }

    /// Whether this is Dovecot.
    pub fn is_dovecots(&self) -> bool {
        self.whose == Whose::Dovecot
    }
}

/// Runs a test on homes that `furnish` makes, Dovecot's first, then ours.
pub fn both(furnish: impl Fn(&Home), test: impl Fn(&House)) {
    for whose in [Whose::Dovecot, Whose::Ours] {
        on(whose, &furnish, &test);
    }
}

/// Runs a test on ours alone: for what Dovecot has not, or does otherwise.
pub fn ours(furnish: impl Fn(&Home), test: impl Fn(&House)) {
    on(Whose::Ours, &furnish, &test);
}

fn on(whose: Whose, furnish: &impl Fn(&Home), test: &impl Fn(&House)) {
    let home = Home::new();
    furnish(&home);
    if let Some(house) = House::of(home, whose) {
        println!("the server is {whose:?}'s");
        house.settle();
        test(&house);
    }
}

/// A message with these header lines and this text; line ends are LF.
pub fn message(header: &[&str], text: &str) -> String {
    format!("{}\n\n{text}", header.join("\n"))
}

/// Three read messages, the second flagged: most of the transcripts have them.
pub fn three(home: &Home) {
    for number in 1..=3 {
        home.put("", number, simple(number));
    }
    let name = home.names("")[1].clone();
    fs::rename(home.mail(&name), home.mail(&name.replace(":2,S", ":2,FS"))).unwrap();
}

/// A plain message with a subject and a date of its own.
pub fn simple(number: u64) -> String {
    message(
        &[
            &format!("Date: Sun, {} Sep 2020 12:00:00 +0000", 10 + number),
            "From: Ann Other <ann@example.org>",
            "To: Joe <joe@example.org>",
            &format!("Subject: message {number}"),
            &format!("Message-ID: <{number}@example.org>"),
        ],
        &format!("text {number}\nsecond line\n"),
    )
}
