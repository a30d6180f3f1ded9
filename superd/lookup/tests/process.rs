//! The program itself: what it takes over, what it gives up, how it ends.
//!
//! There is no executable of this crate, so the test executable starts itself with one test chosen,
//! [`the_child`], which is the program where the variable below is set.

use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lookup::{MESSAGE_LIMIT, Name, Reply};

use crate::support::request;

const VARIABLE: &str = "LOOKUP_TEST_CHILD";

#[test]
fn the_child() {
    if let Some(words) = std::env::var_os(VARIABLE) {
        let args = if words.is_empty() {
            Vec::new()
        } else {
            vec![words]
        };
        let exit = lookup::main(lookup::PROGRAM, args);
        std::process::exit(i32::from(exit.0));
    }
}

fn child(stdin: Stdio, words: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this file"));
    command
        .args(["process::the_child", "--exact", "--nocapture"])
        .env(VARIABLE, words)
        .env("DNSCACHEIP", "127.0.0.1")
        .env_remove("SUPERD_UNPRIV")
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn start(changes: impl Fn(&mut Command)) -> (OwnedFd, Child) {
    let (ours, theirs) = os::socket::message_pair().expect("a pair");
    let mut command = child(Stdio::from(theirs), "");
    changes(&mut command);
    let child = command.spawn().expect("a child");
    (ours, child)
}

fn ended(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().expect("its end");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// The first line of each thread's status file that begins with `key`.
fn status_lines(child: &Child, key: &str) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).expect("its threads");
    let read = |task: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(task.ok()?.path().join("status")).ok()?;
        text.lines()
            .find_map(|line| line.strip_prefix(key))
            .map(|rest| rest.trim().to_owned())
    };
    tasks.filter_map(read).collect()
}

#[test]
fn requests_are_answered_without_any_privilege_until_the_socket_ends() {
    let (socket, child) = start(|_| {});
    // Nothing is asked of anybody, so that no server is needed.
    let nothing = lookup::Request {
        remote_name: false,
        ..request(3, "192.0.2.2")
    };
    os::socket::send_nowait(socket.as_fd(), &nothing.encode()).expect("sent");
    let mut buffer = [0; MESSAGE_LIMIT];
    let deadline = Instant::now() + Duration::from_secs(20);
    let length = os::fd::read_until(socket.as_fd(), &mut buffer, deadline).expect("an answer");
    let Ok(Reply::Connection(answer)) = Reply::decode(&buffer[..length]) else {
        panic!("a good record");
    };
    assert_eq!((answer.id, answer.remote_name), (3, Name::NotAsked));

    assert!(status_lines(&child, "NoNewPrivs:").contains(&"1".to_owned()));
    if os::identity::effective_uid() == 0 {
        for ids in status_lines(&child, "Uid:") {
            assert!(!ids.split_whitespace().any(|id| id == "0"), "{ids}");
        }
        for groups in status_lines(&child, "Groups:") {
            assert!(groups.split_whitespace().count() <= 1, "{groups}");
        }
    }
    drop(socket);
    assert_eq!(ended(child).0, Some(0));
}

#[test]
fn without_an_unprivileged_user_root_is_told_so() {
    if os::identity::effective_uid() != 0 {
        return;
    }
    for (user, sentence) in [
        (
            "no-such-user-here",
            "superd-lookup: fatal: no such user: no-such-user-here",
        ),
        (
            "root",
            "superd-lookup: fatal: unable to use root as unprivileged user: it has uid 0",
        ),
    ] {
        let (socket, child) = start(|command| {
            command.env("SUPERD_UNPRIV", user);
        });
        // One that serves in spite of all ends now, without an error.
        drop(socket);
        let (code, message) = ended(child);
        assert_eq!(code, Some(111), "{message}");
        assert!(message.contains(sentence), "{message}");
    }
}

#[test]
fn started_by_hand_it_says_what_it_is() {
    for stdin in [Stdio::null(), Stdio::piped()] {
        let (code, message) = ended(child(stdin, "").spawn().expect("a child"));
        assert_eq!(code, Some(100));
        assert!(
            message.contains("descriptor 0 is not a socket"),
            "{message}"
        );
    }
    let (code, message) = ended(child(Stdio::null(), "--help").spawn().expect("a child"));
    assert_eq!(code, Some(100));
    assert!(message.contains("takes no arguments"), "{message}");
}
