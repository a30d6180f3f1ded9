//! What the suites of POP3 share: users with passwords and Maildirs, and servers that run popup.
//!
//! Where the tests run as root the users are the system's: the servers run in a mount namespace of
//! their own, in which /etc/passwd, /etc/shadow and /etc/group are files of the test. Elsewhere there
//! is one user, who runs the tests, in a `users` file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::log::without_sessions;
use crate::place::top;
use crate::server::Builder;
use crate::{Client, Done, Run, Server, bin, is_root, libexec, note_left_out, private_dir, script};

/// The host that popup is told it is.
pub const HOST: &str = "mx.example.org";

/// The password of every user's .password file.
pub const PASSWORD: &str = "mailbox pass";

/// The system's password of every user.
pub const SYSTEM_PASSWORD: &str = "system pass";

/// joe's number where the tests run as root; ann's is one more.
pub const JOE: u32 = 54_331;

/// The number of the group `post`, which is joe's third besides his own.
pub const POST_GROUP: u32 = 54_341;

/// Users and their homes.
#[derive(Debug)]
pub struct Office {
    dir: tempfile::TempDir,
    /// joe's user id.
    pub uid: u32,
    /// joe's group id.
    pub gid: u32,
}

impl Office {
    /// joe and ann, with an empty Maildir and a .password file each.
    pub fn new() -> Office {
        use std::os::unix::fs::MetadataExt;
        let me = fs::metadata("/proc/self").unwrap();
        let (uid, gid) = if is_root() {
            (JOE, JOE)
        } else {
            (me.uid(), me.gid())
        };
        let office = Office {
            dir: private_dir(0o755),
            uid,
            gid,
        };
        fs::create_dir_all(office.path("home/control")).unwrap();
        for name in ["joe", "ann"] {
            office.make_home(name);
        }
        if is_root() {
            office.write_system_files();
        } else {
            office.write_users_file();
        }
        office
    }

    /// A path below the office.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The number of a user of the office.
    pub fn uid_of(&self, name: &str) -> u32 {
        if is_root() && name == "ann" {
            self.uid + 1
        } else {
            self.uid
        }
    }

    /// The Maildir of a user.
    pub fn maildir(&self, name: &str) -> PathBuf {
        self.path(name).join("Maildir")
    }

    /// Writes a file of a user, with this mode.
    pub fn write(&self, name: &str, path: &Path, bytes: impl AsRef<[u8]>, mode: u32) {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        self.give(name, path);
    }

    /// Makes a file or directory a user's.
    pub fn give(&self, name: &str, path: &Path) {
        if is_root() {
            let uid = self.uid_of(name);
            std::os::unix::fs::lchown(path, Some(uid), Some(uid)).unwrap();
        }
    }

    /// Sets what .password of a user holds.
    pub fn password(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.maildir(name).join(".password");
        self.write(name, &path, bytes, 0o600);
    }

    /// Puts a message into `new` under a name of its own; the path.
    pub fn deliver(&self, name: &str, file: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.maildir(name).join("new").join(file);
        let tmp = self.maildir(name).join("tmp").join(file);
        self.write(name, &tmp, bytes, 0o600);
        fs::rename(tmp, &path).unwrap();
        path
    }

    fn make_home(&self, name: &str) {
        let home = self.path(name);
        for dir in ["", "Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"] {
            let dir = home.join(dir);
            fs::create_dir(&dir).unwrap();
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
            self.give(name, &dir);
        }
        self.password(name, format!("{PASSWORD}\n"));
    }

    fn write_system_files(&self) {
        let system = fs::read_to_string("/etc/passwd").unwrap();
        let home = |name: &str| self.path(name).display().to_string();
        let (joe, ann) = (self.uid, self.uid + 1);
        let passwd = format!(
            "{system}joe:x:{joe}:{joe}:Joe:{}:/bin/sh\nann:x:{ann}:{ann}::{}:/bin/false\n\
             toor:x:0:0::{}:/bin/sh\n",
            home("joe"),
            home("ann"),
            home("joe"),
        );
        fs::write(self.path("passwd"), passwd).unwrap();
        let hash = hashed(SYSTEM_PASSWORD);
        let shadow = format!(
            "root:*:19000:0:99999:7:::\njoe:{hash}:19000:0:99999:7:::\nann:!{hash}:19000:0:99999:7:::\n\
             toor:{hash}:19000::::::\n"
        );
        fs::write(self.path("shadow"), shadow).unwrap();
        fs::set_permissions(self.path("shadow"), fs::Permissions::from_mode(0o600)).unwrap();
        let system = fs::read_to_string("/etc/group").unwrap();
        let group = format!(
            "{system}joe:x:{joe}:\nann:x:{ann}:\npost:x:{POST_GROUP}:joe\nother:x:54342:ann\n"
        );
        fs::write(self.path("group"), group).unwrap();
    }

    fn write_users_file(&self) {
        let mut users = String::new();
        for name in ["joe", "ann"] {
            let home = self.path(name);
            users.push_str(&format!(
                "{name}:x:{}:{}::{}::\n",
                self.uid,
                self.gid,
                home.display()
            ));
        }
        fs::write(self.path("home/users"), users).unwrap();
        let secret = self.path("home/users.secret");
        fs::write(
            &secret,
            format!("joe:{{CRYPT}}{0}\n", hashed(SYSTEM_PASSWORD)),
        )
        .unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Words that put the office's users in the place of the system's, and run what follows them.
    pub fn launcher(&self) -> Vec<String> {
        if !is_root() {
            return vec!["env".to_owned()];
        }
        let text = format!(
            "for f in passwd shadow group; do mount --bind '{0}'/$f /etc/$f || exit 111; done; exec \"$@\"",
            self.dir.path().display()
        );
        let words = ["unshare", "-m", "/bin/sh", "-c", &text, "sh"];
        words.into_iter().map(str::to_owned).collect()
    }

    /// A checker that takes everybody for joe whose secret has `secret` in it, and is in trouble where it has `later`
    /// (111) or `broken` (2).
    pub fn checker(&self) -> String {
        let path = self.path("checker");
        let text = "#!/bin/sh\nin=$(tr '\\0' '\\n' <&3)\ncase $in in\n\
                    *secret*) USER=joe; export USER; exec \"$@\";;\n*later*) exit 111;;\n*broken*) exit 2;;\nesac\nexit 1\n";
        script(&path, text);
        path.display().to_string()
    }

    /// Runs the init script with this word, for the office's users and with the file `settings` of the office.
    pub fn init_script(&self, word: &str) -> Done {
        Run::behind(&self.launcher(), "/bin/sh")
            .arg(top().join("init/superd"))
            .arg(word)
            .env("SUPERD_DEFAULTS", self.path("settings"))
            .env("RELAY_CTRL_CONFDIR", self.path("conf"))
            .done()
    }

    /// What the services of the init script have logged into the file `log`, without sessions.
    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        without_sessions(&log)
    }

    /// superd, verbose and without look-ups, with these words behind it, for the office's users.
    pub fn serve(&self, words: &[&str]) -> Builder {
        self.under(Server::under_name(bin("superd")), words)
    }

    /// Any server of that command line.
    pub fn under(&self, builder: Builder, words: &[&str]) -> Builder {
        builder
            .launcher(self.launcher())
            .options(["-vHRl0"])
            .handler(words)
            .env("SUPERD_HOME", self.path("home"))
            .env("SUPERD_LIBEXEC", libexec())
    }

    /// superd with popup, this checker, and pop3d.
    pub fn pop3(&self, checker: &str) -> Builder {
        self.serve(&["popup", HOST, checker, "pop3d", "Maildir"])
    }
}

/// For the first line of a test that needs the office's users to be the system's.
pub fn with_system_users(what: &str) -> bool {
    if !is_root() {
        note_left_out(what, "needs root");
        return false;
    }
    let done = Run::new("unshare").args(["-m", "true"]).done();
    if done.code != Some(0) {
        note_left_out(what, "this machine allows no mount namespaces");
    }
    done.code == Some(0)
}

/// crypt(3) of a password, by the system's openssl: not by what is tested.
fn hashed(password: &str) -> String {
    let done = Run::new("openssl")
        .args(["passwd", "-6", "-salt", "saltsalt", "-stdin"])
        .input(format!("{password}\n"))
        .done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    done.out().trim_end().to_owned()
}

/// POP3 as a client speaks it.
pub trait Pop3 {
    /// Sends a line and reads the first line of the reply.
    fn ask(&mut self, line: &str) -> String;
    /// The lines of a reply after its first, to the dot, unstuffed.
    fn body(&mut self) -> Vec<String>;
    /// Logs in; the reply to PASS.
    fn login(&mut self, user: &str, password: &str) -> String;
}

impl Pop3 for Client {
    fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.line()
    }

    fn body(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            if line == "." {
                return lines;
            }
            lines.push(line.strip_prefix('.').unwrap_or(&line).to_owned());
            assert!(lines.len() < 1_000_000, "a reply without end");
        }
    }

    fn login(&mut self, user: &str, password: &str) -> String {
        assert!(self.ask(&format!("USER {user}")).starts_with("+OK"));
        self.ask(&format!("PASS {password}"))
    }
}

/// After so many failed logins it is over, so that a test need not wait for the later delays.
pub fn one_try(builder: Builder) -> Builder {
    builder.env("MAXAUTHFAIL", "1")
}
