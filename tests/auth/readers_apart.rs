//! Processes that read the network share one unprivileged user. One of them that was taken over, which is
//! what a debugger makes of it here, reaches none of the others.

use std::time::Instant;

use kit::place::attack;
use kit::pop3::{HOST, Office, PASSWORD, Pop3, with_system_users};
use kit::process::family;
use kit::{Client, DEADLINE, Run, Server, note_left_out};

/// Numbers of system calls on x86_64, where the debugger knows its way.
const CAN_TAKE_OVER: bool = cfg!(target_arch = "x86_64");

/// -EPERM.
const REFUSED: &str = "-1";

fn may_take_over(what: &str) -> bool {
    if !CAN_TAKE_OVER {
        note_left_out(what, "processes are taken over on x86_64 only");
    }
    CAN_TAKE_OVER && with_system_users(what)
}

/// What a process that was taken over gets for a system call.
fn call(pid: u32, words: &[&str]) -> String {
    let done = Run::new(attack())
        .args(["call", &pid.to_string()])
        .args(words)
        .done();
    assert_eq!(done.code, Some(0), "{words:?}: {}", done.err());
    done.out().trim_end().to_owned()
}

/// Waits until it waits, for it is taken over in a system call.
fn settled(pid: u32) -> u32 {
    let deadline = Instant::now() + DEADLINE;
    let path = format!("/proc/{pid}/syscall");
    loop {
        let text = std::fs::read_to_string(&path).unwrap();
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return pid;
        }
        assert!(Instant::now() < deadline, "{pid}: {text}");
    }
}

fn uid(pid: u32) -> u32 {
    // Its folder is root's where it is not dumpable; what is in /status is not.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// The processes below the server that have no privileges, once there are so many.
fn readers(server: &Server, count: usize) -> Vec<u32> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let all = family(server.pid()).into_iter();
        let found: Vec<u32> = all.filter(|&pid| uid(pid) != 0).collect();
        if found.len() == count {
            return found.into_iter().map(settled).collect();
        }
        assert!(Instant::now() < deadline, "{found:?}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Lets `one` try everything on `other`, and sees that it can do its own work.
fn cannot_reach(one: u32, other: u32) {
    let pid = other.to_string();
    let pid = pid.as_str();
    let pidfd = call(one, &["434", pid, "0"]);
    let tries: &[(&str, &[&str])] = &[
        ("kill", &["62", pid, "0"]),
        ("kill of its group", &["62", "0", "0"]),
        ("kill of all", &["62", "-1", "0"]),
        ("tkill", &["200", pid, "0"]),
        ("tgkill", &["234", pid, pid, "0"]),
        ("rt_sigqueueinfo", &["129", pid, "0", "@"]),
        ("rt_tgsigqueueinfo", &["297", pid, pid, "0", "@"]),
        ("pidfd_send_signal", &["424", &pidfd, "0", "0", "0"]),
        ("fcntl F_SETOWN", &["72", "1", "8", pid]),
        ("fcntl F_SETSIG", &["72", "1", "10", "9"]),
        ("ioctl FIOSETOWN", &["16", "1", "0x8901", "@"]),
        ("ioctl SIOCSPGRP", &["16", "1", "0x8902", "@"]),
        ("ptrace", &["101", "16", pid, "0", "0"]),
        ("pidfd_getfd", &["438", &pidfd, "0", "0"]),
        ("setpriority", &["141", "0", pid, "0"]),
        ("setpriority of the user", &["141", "2", "0", "0"]),
        ("sched_setparam", &["142", pid, "@"]),
        ("sched_setscheduler", &["144", pid, "0", "@"]),
        ("sched_setattr", &["314", pid, "@", "0"]),
        ("sched_setaffinity", &["203", pid, "8", "@"]),
        ("ioprio_set", &["251", "1", pid, "0"]),
        ("prlimit64", &["302", pid, "4", "0", "@"]),
        ("kill, of the other interface", &["0x4000003e", pid, "0"]),
    ];
    let told: Vec<(&str, String)> = tries
        .iter()
        .map(|(name, words)| (*name, call(one, words)))
        .filter(|(_, result)| result != REFUSED)
        .collect();
    assert_eq!(told, [], "{one} reaches {other}");
    // Nor does a program of that user which is under no filter look into it.
    let user = uid(one).to_string();
    let looked = Run::new(attack()).args(["look", &user, &user, pid]).done();
    assert!(!looked.out().contains(" open"), "{}", looked.out());
    // getpid, and its own limits.
    assert_eq!(call(one, &["39"]), one.to_string());
    assert_eq!(call(one, &["302", "0", "4", "0", "@"]), "0");
}

fn greeted(server: &Server) -> Client {
    let mut client = server.connect();
    assert!(!client.line().is_empty());
    client
}

#[test]
fn one_that_is_taken_over_reaches_none_of_the_others() {
    if !may_take_over("readers that were taken over") {
        return;
    }
    let office = Office::new();
    std::fs::write(office.path("home/control/me"), "here.test\n").unwrap();
    for words in [
        &["popup", HOST, "checkpw", "pop3d", "Maildir"][..],
        &["imapup", HOST, "checkpw", "imapd", "Maildir"],
        &["lmtpd"],
        &["rblsmtpd", "smtpd"],
    ] {
        let server = office.serve(words).env("RBLSMTPD", "-not you").start();
        let _clients = [greeted(&server), greeted(&server)];
        let both = readers(&server, 2);
        assert_eq!(uid(both[0]), uid(both[1]), "they are of one user");
        cannot_reach(both[0], both[1]);
        cannot_reach(both[1], both[0]);
    }
}

#[test]
fn a_recorder_and_a_reader_do_not_reach_each_other_and_the_session_goes_on() {
    if !may_take_over("a recorder that was taken over") {
        return;
    }
    let office = Office::new();
    let words = ["recordio", "popup", HOST, "checkpw", "pop3d", "Maildir"];
    let server = office.serve(&words).start();
    let mut client = greeted(&server);
    let both = readers(&server, 2);
    cannot_reach(both[0], both[1]);
    cannot_reach(both[1], both[0]);
    assert!(client.login("joe", PASSWORD).starts_with("+OK"));
}

#[test]
fn the_look_up_process_reaches_no_reader_and_has_a_user_of_its_own_where_one_is_named() {
    if !may_take_over("a look-up process that was taken over") {
        return;
    }
    let office = Office::new();
    let words = ["popup", HOST, "checkpw", "pop3d", "Maildir"];
    let daemon = Run::new("id").args(["-u", "daemon"]).done().out();
    let daemon: u32 = daemon.trim().parse().unwrap();
    for own in [false, true] {
        // A server for names that nobody runs: what is asked comes to nothing at once.
        let mut server = office.serve(&words).options(["-h"]);
        server = server.env("DNSCACHEIP", "127.0.0.1");
        if own {
            server = server.env("SUPERD_LOOKUP_USER", "daemon");
        }
        let server = server.start();
        let _client = greeted(&server);
        let both = readers(&server, 2);
        let comm = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        let (looks, reads): (Vec<u32>, Vec<u32>) = both
            .into_iter()
            .partition(|pid| comm(pid).starts_with("superd-lookup"));
        assert_eq!((looks.len(), reads.len()), (1, 1));
        assert_eq!(uid(looks[0]) == uid(reads[0]), !own);
        assert_eq!(uid(looks[0]) == daemon, own);
        cannot_reach(looks[0], reads[0]);
        cannot_reach(reads[0], looks[0]);
    }
}

#[test]
fn smtpd_that_was_started_as_root_signals_no_reader_but_what_it_has_started() {
    if !may_take_over("smtpd that was taken over") {
        return;
    }
    let office = Office::new();
    let words = ["popup", HOST, "checkpw", "pop3d", "Maildir"];
    let post = office.serve(&words).start();
    let _reading = greeted(&post);
    let reader = readers(&post, 1)[0];
    let server = office.serve(&["smtpd"]).start();
    let _sending = greeted(&server);
    let smtpd = readers(&server, 1)[0];
    assert_eq!(uid(smtpd), uid(reader), "they are of one user");
    let pid = reader.to_string();
    assert_eq!(call(smtpd, &["62", &pid, "0"]), REFUSED);
    assert_eq!(call(smtpd, &["234", &pid, &pid, "0"]), REFUSED);
    // Plugins and queue programs it can end.
    assert_eq!(call(smtpd, &["62", &smtpd.to_string(), "0"]), "0");
    // sendmail and qmail-queue may be setuid.
    let status = std::fs::read_to_string(format!("/proc/{smtpd}/status")).unwrap();
    assert!(status.contains("NoNewPrivs:\t0"), "{status}");
}
