//! imaptest, Dovecot's own tester, where a folder with it is given: SUPERD_IMAPTEST=DIR, in which
//! there are the program `imaptest` and its scripts in `tests` or `src/tests`.
//!
//! Its scripts are a test here; its stress of sixty seconds with twenty clients runs in `make soak`.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::house::{Home, PASSWORD, USER};
use kit::pop3::{HOST, Office};
use kit::{Done, Run, Server, note_left_out, private_dir, soak};

/// Groups of scripts that ours does not pass, and why.
const KNOWN: &[(&str, &str)] = &[
    (
        "copy",
        "\\Recent is told of what was delivered, not of copies (imapd(8))",
    ),
    (
        "select",
        "\\Recent is told of what was delivered, not of what APPEND brings (imapd(8))",
    ),
    ("search-flags", "the same"),
    (
        "id",
        "before the login a line of an ID may have 12 KiB, and not 32 (imapup(8))",
    ),
];

/// The folder with the program and its scripts.
fn folder() -> Option<(PathBuf, PathBuf)> {
    let Some(dir) = std::env::var_os("SUPERD_IMAPTEST").map(PathBuf::from) else {
        note_left_out("imaptest", "SUPERD_IMAPTEST names no folder with it");
        return None;
    };
    let scripts = ["tests", "src/tests"].map(|name| dir.join(name));
    let scripts = scripts.into_iter().find(|path| path.is_dir());
    Some((
        dir.join("imaptest"),
        scripts.expect("its scripts are there"),
    ))
}

/// A hundred messages in a file of mbox's form with CRLF, which it sends.
fn mbox(dir: &Path) -> PathBuf {
    let mut text = String::new();
    for number in 1..=100 {
        write!(
            text,
            "From a@example.org Mon Sep  7 10:00:00 2020\r\nFrom: Ann <a@example.org>\r\n\
             To: b@example.org\r\nSubject: message {number}\r\nMessage-ID: <{number}@example.org>\r\n\
             Date: Mon, 7 Sep 2020 10:11:12 +0200\r\n\r\n{}\r\n",
            format!("text {number}\r\n").repeat(number)
        )
        .unwrap();
    }
    let path = dir.join("mbox");
    fs::write(&path, text).unwrap();
    path
}

fn run(
    program: &Path,
    server: SocketAddr,
    password: &str,
    mbox: &Path,
    words: &[&str],
    limit: u64,
) -> Done {
    Run::new(program)
        .arg(format!("host={}", server.ip()))
        .arg(format!("port={}", server.port()))
        .arg(format!("user={USER}"))
        .arg(format!("pass={password}"))
        .arg(format!("mbox={}", mbox.display()))
        .args(words)
        .deadline(Duration::from_secs(limit))
        .done()
}

/// The names of the groups that failed, as it says them.
fn failed(done: &Done) -> Vec<String> {
    let mut names: Vec<String> = done
        .err()
        .lines()
        .chain(done.out().lines())
        .filter_map(|line| line.split("*** Test ").nth(1))
        .map(|rest| rest.split(' ').next().unwrap().to_owned())
        .collect();
    names.dedup();
    names
}

fn ours() -> Option<(Office, Server)> {
    let office = Office::new();
    let server = office.serve(&["imapup", HOST, "checkpw", "imapd", "Maildir"]);
    let server = server.options(["-c", "100"]).start();
    Some((office, server))
}

#[test]
fn imaptests_scripts_pass_with_dovecot() {
    let Some((program, scripts)) = folder() else {
        return;
    };
    let home = Home::new();
    let Some(dovecot) = home.dovecot() else {
        return;
    };
    let mbox = mbox(home.path());
    let words = [&format!("test={}", scripts.display()) as &str];
    let done = run(
        &program,
        dovecot.imap_address(),
        PASSWORD,
        &mbox,
        &words,
        200,
    );
    assert!(
        done.out().contains(" test groups: 0 failed,"),
        "{}{}",
        done.out(),
        done.err()
    );
}

#[test]
fn imaptests_scripts_pass_with_ours() {
    let Some((program, scripts)) = folder() else {
        return;
    };
    let Some((_office, server)) = ours() else {
        return;
    };
    let dir = private_dir(0o755);
    let words = [&format!("test={}", scripts.display()) as &str];
    let password = kit::pop3::PASSWORD;
    let done = run(
        &program,
        server.address(),
        password,
        &mbox(dir.path()),
        &words,
        200,
    );
    assert!(
        done.out().contains(" test groups: "),
        "{}{}",
        done.out(),
        done.err()
    );
    let unknown: Vec<String> = failed(&done)
        .into_iter()
        .filter(|name| KNOWN.iter().all(|(known, _)| known != name))
        .collect();
    assert!(
        unknown.is_empty(),
        "{unknown:?}\n{}{}",
        done.out(),
        done.err()
    );
}

fn stress(seconds: u64) {
    let Some((program, _)) = folder() else { return };
    let Some((_office, server)) = ours() else {
        return;
    };
    let dir = private_dir(0o755);
    // With checkpoints it ends by a fault of its own, also with Dovecot.
    let secs = format!("secs={seconds}");
    let words = ["clients=20", "seed=1", &secs];
    let password = kit::pop3::PASSWORD;
    let done = run(
        &program,
        server.address(),
        password,
        &mbox(dir.path()),
        &words,
        seconds + 60,
    );
    assert_eq!(done.code, Some(0), "{}{}", done.out(), done.err());
    let complaints: Vec<String> = (done.err().lines().chain(done.out().lines()))
        .filter(|line| line.contains("Error: ") || line.contains("Warning: "))
        .map(str::to_owned)
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert!(
        !server.log().iter().any(|line| line.contains(": fault ")),
        "{:?}",
        server.log()
    );
}

#[test]
fn imaptests_twenty_clients_find_nothing_wrong() {
    stress(5);
}

#[test]
fn soak_imaptests_twenty_clients_find_nothing_wrong_for_a_minute() {
    if soak() {
        stress(60);
    }
}
