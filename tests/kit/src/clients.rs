//! Real POP3 clients, each as one function: they log in and fetch everything.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::place::files;
use crate::{Done, Run, is_root, note_left_out, peer, private_dir};

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// USER and PASS, or what the client takes for a plain password.
    Password,
    /// APOP.
    Apop,
}

/// What a client fetched: the messages with LF as line ends, sorted.
pub type Mail = Vec<String>;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "\n")
}

fn succeeded(client: &str, done: &Done) {
    assert_eq!(done.code, Some(0), "{client}: {}{}", done.out(), done.err());
}

/// Python, which has a POP3 library of its own.
pub fn python() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join("python3"))
        .find(|file| file.exists());
    if found.is_none() {
        note_left_out("Python's poplib", "there is no python3");
    }
    found
}

const POPLIB: &str = "
import poplib, sys
host, port, how, user, password = sys.argv[1:]
pop = poplib.POP3(host, int(port), timeout=20)
if how == 'apop':
    pop.apop(user, password)
else:
    pop.user(user)
    pop.pass_(password)
count, octets = pop.stat()
sizes = [int(line.split()[1]) for line in pop.list()[1]]
assert len(sizes) == count and sum(sizes) == octets, (count, octets, sizes)
assert len({line.split()[1] for line in pop.uidl()[1]}) == count
for number in range(1, count + 1):
    reply, lines, size = pop.retr(number)
    # poplib counts what it got, with two bytes for each line end.
    assert size == sizes[number - 1], (size, sizes)
    sys.stdout.write('\\n'.join(line.decode('latin-1') for line in lines) + '\\n\\0')
pop.quit()
";

/// Python's poplib; it also holds LIST to RETR.
pub fn poplib(server: SocketAddr, how: How, user: &str, password: &str) -> Option<Mail> {
    let word = if how == How::Apop { "apop" } else { "user" };
    let done = Run::new(python()?)
        .args([
            "-c",
            POPLIB,
            &server.ip().to_string(),
            &server.port().to_string(),
            word,
        ])
        .args([user, password])
        .env("HOME", "/nonexistent")
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .done();
    succeeded("poplib", &done);
    let out = text(&done.stdout);
    let mut mail: Mail = out.split_terminator('\0').map(str::to_owned).collect();
    mail.sort();
    Some(mail)
}

/// curl, which fetches one message at a time; here the first `count`.
pub fn curl(
    server: SocketAddr,
    how: How,
    user: &str,
    password: &str,
    count: usize,
) -> Option<Mail> {
    let curl = peer("curl")?;
    let mut mail: Mail = (1..=count)
        .map(|number| {
            let mut run = Run::new(&curl).args(["-sS", "--max-time", "20"]);
            if how == How::Apop {
                run = run.args(["--login-options", "AUTH=+APOP"]);
            }
            let done = run
                .args(["-u", &format!("{user}:{password}")])
                .arg(format!("pop3://{server}/{number}"))
                .done();
            succeeded("curl", &done);
            text(&done.stdout)
        })
        .collect();
    mail.sort();
    Some(mail)
}

/// fetchmail, into a program that keeps each message.
pub fn fetchmail(server: SocketAddr, how: How, user: &str, password: &str) -> Option<Mail> {
    let fetchmail = peer("fetchmail")?;
    let dir = private_dir(0o700);
    let kept = dir.path().join("mail");
    fs::create_dir(&kept).unwrap();
    let protocol = if how == How::Apop { "APOP" } else { "POP3" };
    let rc = format!(
        "set postmaster \"nobody\"\npoll {} with protocol {protocol} service {} \
         user \"{user}\" password \"{password}\" fetchall keep sslproto \"\" \
         mda \"cat >{}/$$\"\n",
        server.ip(),
        server.port(),
        kept.display()
    );
    private_file(&dir.path().join("rc"), &rc);
    let done = run_fetchmail(&fetchmail, dir.path());
    succeeded("fetchmail", &done);
    Some(texts(&kept))
}

/// Runs fetchmail with the settings of DIR/rc.
pub fn run_fetchmail(fetchmail: &Path, dir: &Path) -> Done {
    Run::new(fetchmail)
        .args([
            "-f",
            "rc",
            "--nodetach",
            "--nosyslog",
            "--pidfile",
            "pid",
            "-v",
        ])
        .env("HOME", dir)
        .env("FETCHMAILHOME", dir)
        .dir(dir)
        .done()
}

/// The messages of a directory.
fn texts(dir: &Path) -> Mail {
    let read = |path: &PathBuf| text(&fs::read(path).unwrap());
    let mut mail: Mail = files(dir).iter().map(read).collect();
    mail.sort();
    mail
}

fn empty_maildir(dir: &Path) -> PathBuf {
    let maildir = dir.join("Maildir");
    for name in ["", "tmp", "new", "cur"] {
        fs::create_dir(maildir.join(name)).unwrap();
    }
    maildir
}

/// getmail, into a Maildir.
pub fn getmail(server: SocketAddr, how: How, user: &str, password: &str) -> Option<Mail> {
    let getmail = peer("getmail")?;
    let dir = private_dir(0o700);
    let maildir = empty_maildir(dir.path());
    let apop = if how == How::Apop { "True" } else { "False" };
    let rc = format!(
        "[retriever]\ntype = SimplePOP3Retriever\nserver = {}\nport = {}\nusername = {user}\n\
         password = {password}\nuse_apop = {apop}\n[destination]\ntype = Maildir\npath = {}/\n\
         [options]\nread_all = true\ndelivered_to = false\nreceived = false\n",
        server.ip(),
        server.port(),
        maildir.display()
    );
    private_file(&dir.path().join("getmailrc"), &rc);
    // It delivers nothing as root, and wants a user who has a name.
    let mut run = if is_root() {
        let done = Run::new("chown")
            .args(["-R", "nobody"])
            .arg(dir.path())
            .done();
        assert_eq!(done.code, Some(0), "{}", done.err());
        Run::new("setpriv")
            .args(["--reuid", "nobody", "--regid", "1", "--clear-groups", "--"])
            .arg(getmail)
    } else {
        Run::new(getmail)
    };
    run = run.arg("--getmaildir");
    let done = run.arg(dir.path()).env("HOME", dir.path()).done();
    succeeded("getmail", &done);
    Some(texts(&maildir.join("new")))
}

/// mpop, into a Maildir.
pub fn mpop(server: SocketAddr, how: How, user: &str, password: &str) -> Option<Mail> {
    let mpop = peer("mpop")?;
    let dir = private_dir(0o700);
    let maildir = empty_maildir(dir.path());
    let auth = if how == How::Apop { "apop" } else { "user" };
    let rc = format!(
        "account test\nhost {}\nport {}\nuser {user}\npassword {password}\nauth {auth}\ntls off\n\
         keep on\nreceived_header off\nuidls_file {}/uidls\ndelivery maildir {}\n",
        server.ip(),
        server.port(),
        dir.path().display(),
        maildir.display()
    );
    private_file(&dir.path().join("rc"), &rc);
    let done = Run::new(mpop)
        .arg("-C")
        .arg(dir.path().join("rc"))
        .arg("test")
        .env("HOME", dir.path())
        .done();
    succeeded("mpop", &done);
    Some(texts(&maildir.join("new")))
}

/// Writes a file that only its owner can read.
pub fn private_file(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
