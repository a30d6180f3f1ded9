//! Dovecot, where tests/peers.sh could unpack it: another server of the same Maildirs, for tests in
//! which users move between it and ours.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Client, DEADLINE, as_root, left_out, peer, private_dir, run, signal};

/// The ports that tests/kit/programs/dovecot.sh lets it listen on.
const POP3: u16 = 2110;
const IMAP: u16 = 2143;

/// A running Dovecot 2.3: POP3 and IMAP on an address of its own, mail in the users' ~/Maildir,
/// plaintext logins, no TLS. Dropping it ends it and all its processes.
#[derive(Debug)]
pub struct Dovecot {
    master: Child,
    address: Ipv4Addr,
    dir: tempfile::TempDir,
}

impl Dovecot {
    /// Starts one for these users (name, password, uid, gid, home) and waits until it serves.
    /// `None`, with a note, where there is none, where this is not root (it changes to the users'
    /// ids), or where it does not start. Homes must be reachable by their users.
    pub fn start(users: &[(&str, &str, u32, u32, &Path)]) -> Option<Dovecot> {
        Dovecot::start_with(users, "")
    }

    /// [`Dovecot::start`] with these lines added to its configuration.
    pub fn start_with(users: &[(&str, &str, u32, u32, &Path)], more: &str) -> Option<Dovecot> {
        let program = peer("dovecot")?;
        if !as_root("whatever needs dovecot") {
            return None;
        }
        let dir = private_dir(0o755);
        let lines = users.iter().map(|(name, password, uid, gid, home)| {
            format!(
                "{name}:{{PLAIN}}{password}:{uid}:{gid}::{}::\n",
                home.display()
            )
        });
        fs::write(dir.path().join("users"), lines.collect::<String>()).unwrap();
        fs::write(dir.path().join("more.conf"), more).unwrap();
        let address = super::address();
        let said = File::create(dir.path().join("said")).unwrap();
        let script = crate::place::top().join("tests/kit/programs/dovecot.sh");
        let master = Command::new("/bin/sh")
            .args([script.as_path(), program.as_path(), dir.path()])
            .arg(address.to_string())
            .env_clear()
            .env("PATH", run::PATH)
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap_or_else(|error| panic!("{script:?}: {error}"));
        let mut dovecot = Dovecot {
            master,
            address,
            dir,
        };
        if let Err(reason) = dovecot.wait_until_ready() {
            left_out("whatever needs dovecot", &reason);
            return None;
        }
        Some(dovecot)
    }

    /// Where it serves POP3.
    pub fn pop3_address(&self) -> SocketAddr {
        SocketAddr::from((self.address, POP3))
    }

    /// Where it serves IMAP.
    pub fn imap_address(&self) -> SocketAddr {
        SocketAddr::from((self.address, IMAP))
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.read("dovecot.log")
    }

    fn read(&self, name: &str) -> String {
        let path: PathBuf = self.dir.path().join(name);
        match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            // Before its first line there is no log.
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => panic!("{path:?}: {error}"),
        }
    }

    /// Ready is when both protocols greet; it listens long before. The error says what it said.
    fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + DEADLINE;
        for (server, greeting) in [(self.pop3_address(), "+OK"), (self.imap_address(), "* OK")] {
            loop {
                let ended = self.master.try_wait().unwrap();
                if ended.is_some() || Instant::now() > deadline {
                    return Err(format!(
                        "it does not start: {}{}",
                        self.read("said").trim_end(),
                        self.log().trim_end()
                    ));
                }
                if let Ok(mut client) = Client::attempt(None, server, DEADLINE)
                    && client.line().starts_with(greeting)
                {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // Not by KILL: it is the master who ends its children.
        if matches!(self.master.try_wait(), Ok(None)) {
            signal(self.master.id(), "TERM");
            run::wait(&mut self.master, Instant::now() + DEADLINE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::Dovecot;
    use crate::{Client, SOMEBODY, as_root, private_dir};

    #[test]
    fn dovecot_serves_a_maildir_by_pop3_and_by_imap_and_writes_its_log() {
        if !as_root("dovecot") {
            return;
        }
        let house = private_dir(0o755);
        let home = house.path().join("joe");
        for name in ["", "Maildir", "Maildir/new", "Maildir/cur", "Maildir/tmp"] {
            std::fs::create_dir(home.join(name)).unwrap();
            chown(home.join(name), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }
        let message = home.join("Maildir/new/1.a");
        std::fs::write(&message, "Subject: one\n\ntext\n").unwrap();
        chown(&message, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        let Some(dovecot) = Dovecot::start(&[("joe", "secret", SOMEBODY, SOMEBODY, &home)]) else {
            return;
        };

        let mut client = Client::connect(dovecot.pop3_address());
        client.dialogue(
            "+OK",
            &[
                ("USER joe", "+OK"),
                ("PASS secret", "+OK"),
                ("STAT", "+OK 1 22"),
                ("QUIT", "+OK"),
            ],
        );
        let mut client = Client::connect(dovecot.imap_address());
        assert!(client.line().starts_with("* OK"));
        client.say("a LOGIN joe secret");
        assert!(client.line().starts_with("a OK"));
        assert!(dovecot.log().contains("Login: user=<joe>"));
    }
}
