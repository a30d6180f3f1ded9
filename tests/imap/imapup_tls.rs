//! STARTTLS with a real TLS program by the UCSPI-TLS convention, and REQUIRETLS.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::imapup_session::YES;
use kit::place::files;
use kit::pop3::{HOST, Office, PASSWORD, Pop3};
use kit::{Client, DEADLINE, Run, bin, libexec, peer, tls};

/// imapup behind a TLS program, for one connection.
fn behind_tls(office: &Office, env: &[(&str, &Path)]) -> Option<tls::Program> {
    before_tls(office, &["checkpw", "/bin/sh", "-c", YES], env)
}

/// The same, with what comes after it.
fn before_tls(office: &Office, after: &[&str], env: &[(&str, &Path)]) -> Option<tls::Program> {
    let imapup = bin("imapup").display().to_string();
    let words = [&[imapup.as_str(), HOST], after].concat();
    let (home, libexec) = (office.path("home"), libexec());
    let mut all = vec![
        ("SUPERD_HOME", home.as_path()),
        ("SUPERD_LIBEXEC", libexec.as_path()),
    ];
    all.extend_from_slice(env);
    tls::Program::start(&office.launcher(), &words, &all)
}

#[test]
fn curl_logs_in_after_starttls_also_where_tls_is_required() {
    let office = Office::new();
    for env in [&[][..], &[("REQUIRETLS", Path::new("1"))]] {
        let Some(program) = behind_tls(&office, env) else {
            return;
        };
        let (Some((certificate, _)), Some(curl)) = (tls::certificate(), peer("curl")) else {
            return;
        };
        let (host, port) = (program.address.ip(), program.address.port());
        let done = Run::new(curl)
            .args(["-sS", "--max-time", "20", "--ssl-reqd", "--cacert"])
            .arg(certificate)
            .arg("--connect-to")
            .arg(format!("localhost:{port}:{host}:{port}"))
            .args(["-u", &format!("joe:{PASSWORD}"), "-X", "NOOP"])
            .arg(format!("imap://localhost:{port}/"))
            .done();
        let log = program.log();
        assert_eq!((done.code, done.err().as_str()), (Some(0), ""), "{log}");
        let line = log.lines().find(|line| line.starts_with("imapup: login "));
        let line = line.expect("a line");
        assert!(
            line.contains(" ip=127.0.0.1 user=joe ") && line.contains(" tls=TLSv1.3"),
            "{log}"
        );
    }
}

#[test]
fn without_tls_requiretls_refuses_a_password_and_says_why() {
    let office = Office::new();
    let Some(program) = behind_tls(&office, &[("REQUIRETLS", Path::new("1"))]) else {
        return;
    };
    let mut client = Client::connect(program.address);
    let greeting = client.line();
    assert!(
        greeting.contains(" ID STARTTLS LOGINDISABLED]"),
        "{greeting}"
    );
    let reply = client.ask("a LOGIN joe x");
    assert!(
        reply.starts_with("a NO [PRIVACYREQUIRED] STARTTLS first"),
        "{reply}"
    );
    client.ask("a LOGOUT");
    program.log();
}

#[test]
fn what_was_sent_in_the_clear_behind_starttls_is_not_taken_as_sent_after_it() {
    let office = Office::new();
    for behind in ["b NOOP\r\nc CAPABILITY\r\n", "b LOGIN {3+}\r\n"] {
        let Some(program) = behind_tls(&office, &[]) else {
            return;
        };
        let mut client = Client::connect(program.address);
        client.line();
        // CVE-2011-0411: the injected command must not be answered, in the clear or later.
        client.send(format!("a STARTTLS\r\n{behind}"));
        assert_eq!(client.line(), "a OK TLS now");
        let rest = client.rest();
        let is_answered = rest.windows(3).any(|part| part == b"OK " || part == b"BAD");
        assert!(!is_answered, "{}", rest.escape_ascii());
    }
}

#[test]
fn what_a_client_that_died_had_on_its_way_is_not_done_behind_tls() {
    let office = Office::new();
    let Some(program) = before_tls(&office, &["checkpw", "imapd", "Maildir"], &[]) else {
        return;
    };
    let mut openssl = Command::new("openssl")
        .args(["s_client", "-quiet", "-starttls", "imap", "-connect"])
        .arg(program.address.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut client = openssl.stdin.take().unwrap();
    let mut replies = BufReader::new(openssl.stdout.take().unwrap());
    let begin = format!("b LOGIN joe {{{}+}}\r\n{PASSWORD}\r\n", PASSWORD.len());
    client.write_all(begin.as_bytes()).unwrap();
    line(&mut replies, "b OK ");
    client
        .write_all(b"c CREATE box\r\nd SELECT box\r\ne SELECT INBOX\r\n")
        .unwrap();
    line(&mut replies, "e OK ");
    // One APPEND into INBOX and twenty into the other, which both wait for locks.
    let lock = |folder: &str| {
        let lock = File::open(office.maildir("joe").join(folder).join("superd-lock")).unwrap();
        lock.lock().unwrap();
        lock
    };
    let (inbox, other) = (lock("."), lock(".box"));
    let mut all = String::from("x APPEND INBOX {6+}\r\nA: b\r\n\r\n");
    for number in 0..20 {
        write!(all, "y{number} APPEND box {{6+}}\r\nA: b\r\n\r\n").unwrap();
    }
    client.write_all(all.as_bytes()).unwrap();
    // They come in one record: when the first is there all are.
    let end = Instant::now() + DEADLINE;
    while files(&office.maildir("joe").join("tmp")).is_empty() {
        assert!(Instant::now() < end, "nothing has come");
        std::thread::sleep(Duration::from_millis(2));
    }
    openssl.kill().unwrap();
    openssl.wait().unwrap();
    program.wait_until_closed("read");
    drop(inbox);
    // The first reply finds nobody; what has begun by then is done.
    program.wait_until_closed("write");
    drop(other);
    let log = program.log();
    let numbers = |folder: &str| files(&office.maildir("joe").join(folder).join("cur")).len();
    assert_eq!(numbers("."), 1, "{log}");
    assert!(numbers(".box") <= 1, "{} {log}", numbers(".box"));
}

/// Reads lines up to one that begins like this.
fn line(replies: &mut impl BufRead, begin: &str) {
    let mut line = String::new();
    while !line.starts_with(begin) {
        line.clear();
        assert_ne!(replies.read_line(&mut line).unwrap(), 0, "no {begin}");
    }
}
