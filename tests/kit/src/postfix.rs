//! Postfix, where tests/peers.sh could unpack it: the next host that takes over, or the client that comes.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Client, DEADLINE, as_root, left_out, peer, private_dir, run, signal};

/// The ports that tests/kit/programs/postfix.sh lets it listen on.
const SMTP: u16 = 2525;
const SMTPS: u16 = 2465;

/// What is put into its directory before it starts.
#[derive(Debug, Default)]
pub struct Wanted<'a> {
    /// Lines of main.cf behind all others.
    pub more: &'a str,
    /// Where it passes everything on to, in place of its Maildir.
    pub relay_host: Option<SocketAddr>,
    /// Its certificate and key: TLS is offered.
    pub certificate: Option<&'a (PathBuf, PathBuf)>,
}

/// A Postfix that is about to be started: its directory is there.
#[derive(Debug)]
pub struct Place {
    program: PathBuf,
    dir: tempfile::TempDir,
    address: Ipv4Addr,
}

/// A running Postfix on an address of its own, which takes everything into one Maildir or passes it on. Dropping
/// it ends it and all its processes.
#[derive(Debug)]
pub struct Postfix {
    master: Child,
    place: Place,
}

impl Place {
    /// `None`, with a note, where there is no Postfix or this is not root.
    pub fn new() -> Option<Place> {
        let program = peer("postfix")?;
        as_root("whatever needs postfix").then(|| Place {
            program,
            dir: private_dir(0o755),
            address: super::address(),
        })
    }

    /// Where its parts are: see tests/kit/programs/postfix.sh.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts it, its Maildir owned by `owner`, and waits until it serves. `None`, with a note, where it does
    /// not.
    pub fn start(self, owner: (u32, u32), wanted: &Wanted<'_>) -> Option<Postfix> {
        fs::write(self.path("more.cf"), wanted.more).unwrap();
        if let Some(host) = wanted.relay_host {
            let line = format!("[{}]:{}\n", host.ip(), host.port());
            fs::write(self.path("relayhost"), line).unwrap();
        }
        // Above a Maildir its virtual(8) wants directories of the owner's.
        chown(self.dir.path(), Some(owner.0), Some(owner.1)).unwrap();
        if let Some((certificate, key)) = wanted.certificate {
            fs::copy(certificate, self.path("cert.pem")).unwrap();
            fs::copy(key, self.path("key.pem")).unwrap();
        }
        let said = File::create(self.path("said")).unwrap();
        let script = crate::place::top().join("tests/kit/programs/postfix.sh");
        let master = Command::new("/bin/sh")
            .args([script.as_path(), &self.program, self.dir.path()])
            .args([
                self.address.to_string(),
                owner.0.to_string(),
                owner.1.to_string(),
            ])
            .env_clear()
            .env("PATH", run::PATH)
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap_or_else(|error| panic!("{script:?}: {error}"));
        let mut postfix = Postfix {
            master,
            place: self,
        };
        if let Err(reason) = postfix.wait_until_ready() {
            left_out("whatever needs postfix", &reason);
            return None;
        }
        Some(postfix)
    }
}

impl Postfix {
    /// Where it listens for SMTP.
    pub fn address(&self) -> SocketAddr {
        (self.place.address, SMTP).into()
    }

    /// Where it listens for SMTP inside TLS.
    pub fn tls_address(&self) -> SocketAddr {
        (self.place.address, SMTPS).into()
    }

    /// A path of its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("postfix.log")).unwrap_or_default()
    }

    /// The messages in its Maildir, once there are `count`.
    pub fn wait_for_mail(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let mail = self.mail();
            if mail.len() >= count {
                assert_eq!(mail.len(), count, "{mail:?}");
                return mail;
            }
            assert!(Instant::now() < deadline, "{mail:?} {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The messages in its Maildir.
    pub fn mail(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("Maildir/new")) else {
            return vec![];
        };
        entries
            .map(|entry| {
                String::from_utf8_lossy(&fs::read(entry.unwrap().path()).unwrap()).into_owned()
            })
            .collect()
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Ok(mut client) = Client::attempt(None, self.address(), DEADLINE)
                && client
                    .try_line()
                    .is_some_and(|line| line.starts_with("220 "))
            {
                client.try_say("QUIT");
                return Ok(());
            }
            let ended = self.master.try_wait().unwrap();
            if ended.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(self.path("said")).unwrap_or_default();
                return Err(format!(
                    "it does not start: {}{}",
                    said.trim_end(),
                    self.log().trim_end()
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // Not by KILL: it is the master who ends its children.
        if matches!(self.master.try_wait(), Ok(None)) {
            signal(self.master.id(), "TERM");
            run::wait(&mut self.master, Instant::now() + DEADLINE);
        }
    }
}
