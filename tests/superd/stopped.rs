//! A process that somebody has stopped keeps no place: neither superd's nor that of a session.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kit::log::pid_of;
use kit::place::attack;
use kit::pop3::{HOST, Office, PASSWORD, Pop3, with_system_users};
use kit::process::{connection, family, holders};
use kit::{Client, DEADLINE, Server, as_root, libexec, script, signal};

fn logged_in(server: &Server) -> Client {
    let mut client = server.connect();
    client.line();
    let reply = client.login("joe", PASSWORD);
    assert!(reply.starts_with("+OK"), "{reply} {:?}", server.log());
    client
}

/// The pid of the one session of the server.
fn session(server: &Server) -> u32 {
    pid_of(&server.wait_for("superd: ok "))
}

#[test]
fn a_session_that_its_user_stops_gives_its_place_to_the_next_client() {
    let office = Office::new();
    let server = office.pop3("checkpw").options(["-c1"]).start();
    let first = logged_in(&server);
    let pid = session(&server);
    signal(pid, "STOP");
    let mut second = server.connect();
    assert!(second.line().starts_with("+OK"));
    assert_eq!(first.rest(), b"");
    server.wait_for(&format!(
        "superd: warning: process {pid} was stopped, and is ended"
    ));
    server.wait_for(&format!("superd: end {pid} status 9"));
    assert!(second.login("joe", PASSWORD).starts_with("+OK"));
}

#[test]
fn a_session_behind_a_checker_that_is_not_ours_gives_it_as_well() {
    if !with_system_users("a stopped session behind a checker that is not ours") {
        return;
    }
    let office = Office::new();
    let checker = libexec().join("checkpw").display().to_string();
    let words = ["popup", HOST, &checker, "pop3d", "Maildir"];
    let server = office
        .serve(&words)
        .options(["-c1"])
        .env("PATH", format!("{}:/usr/bin:/bin", libexec().display()))
        .start();
    let client = logged_in(&server);
    let all = holders(&connection(&server, &client), &server);
    let joe = all.iter().find(|process| process.users[0] == office.uid);
    signal(joe.unwrap_or_else(|| panic!("{all:?}")).pid, "STOP");
    let mut second = server.connect();
    assert!(second.line().starts_with("+OK"));
    let line = server.wait_for("popup: fault ");
    assert!(line.contains("was stopped, and is ended"), "{line}");
}

#[test]
fn a_session_that_goes_on_at_once_lives_and_so_does_one_in_a_debugger() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let mut client = logged_in(&server);
    let pid = session(&server);
    for _ in 0..3 {
        signal(pid, "STOP");
        std::thread::sleep(Duration::from_millis(100));
        signal(pid, "CONT");
    }
    std::thread::sleep(Duration::from_millis(1500));
    assert!(client.ask("NOOP").starts_with("+OK"));
    if as_root("a session in a debugger") {
        let mut debugger = Command::new(attack())
            .args(["hold", &pid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut out = BufReader::new(debugger.stdout.take().unwrap());
        out.read_line(&mut said).unwrap();
        assert_eq!(said, "held\n");
        std::thread::sleep(Duration::from_millis(2500));
        drop(debugger.stdin.take());
        assert!(debugger.wait().unwrap().success());
        assert!(client.ask("NOOP").starts_with("+OK"));
    }
    let log = server.log();
    assert!(!log.iter().any(|line| line.contains("stopped")), "{log:?}");
}

#[test]
fn forkers_that_are_stopped_are_ended_and_the_service_goes_on() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let name = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let forkers = || {
        let all = family(server.pid()).into_iter();
        all.filter(|&pid| name(pid) == "superd-forker\n")
    };
    let deadline = Instant::now() + DEADLINE;
    while forkers().count() < 4 {
        assert!(Instant::now() < deadline);
    }
    for pid in forkers() {
        signal(pid, "STOP");
    }
    let ended = |line: &&String| line.starts_with("superd: warning: a forker ended with status 9");
    while server.log().iter().filter(ended).count() < 4 {
        assert!(Instant::now() < deadline, "{:?}", server.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    for _ in 0..5 {
        drop(logged_in(&server));
    }
}

#[test]
fn a_child_of_the_shell_before_superd_is_nobodys_to_end() {
    let office = Office::new();
    let builder = office.pop3("checkpw");
    let server = builder
        .after("sleep 60 >/dev/null 2>&1 & echo $! >&2")
        .start();
    let deadline = Instant::now() + DEADLINE;
    let sleeper: u32 = loop {
        let log = server.log();
        if let Some(pid) = log.iter().find_map(|line| line.parse().ok()) {
            break pid;
        }
        assert!(Instant::now() < deadline);
    };
    signal(sleeper, "STOP");
    std::thread::sleep(Duration::from_millis(1500));
    assert!(server.connect().line().starts_with("+OK"));
    let stat = std::fs::read_to_string(format!("/proc/{sleeper}/stat")).unwrap();
    assert!(stat.contains(") T "), "{stat}");
    signal(sleeper, "KILL");
}

#[test]
fn a_reader_that_is_stopped_ends_its_session() {
    if !with_system_users("a stopped reader") {
        return;
    }
    let office = Office::new();
    let server = office.pop3("checkpw").options(["-c1"]).start();
    let mut client = server.connect();
    client.line();
    let all = holders(&connection(&server, &client), &server);
    let reader = all.iter().find(|process| !process.is_root());
    signal(reader.unwrap_or_else(|| panic!("{all:?}")).pid, "STOP");
    assert!(server.connect().line().starts_with("+OK"));
    server.wait_for("popup: fault ip=127.0.0.1 reason=\"the process that speaks with the client is stuck: it was stopped\"");
}

#[test]
fn one_who_delivers_and_is_stopped_by_his_user_holds_up_nobody() {
    if !with_system_users("a stopped delivery") {
        return;
    }
    let office = Office::new();
    std::fs::write(office.path("home/control/me"), "here.test\n").unwrap();
    // joe's filter stops the process that waits for it.
    let filter = office.path("filter");
    script(
        &filter,
        "#!/bin/sh\n[ \"$USER\" != joe ] || kill -STOP $PPID\n",
    );
    let setting = format!("{}\n", filter.display());
    std::fs::write(office.path("home/control/filter"), setting).unwrap();
    let server = office.serve(&["lmtpd"]).start();
    let mut client = server.connect();
    client.expect("220 ");
    for (line, reply) in [
        ("LHLO client", "250 "),
        ("MAIL FROM:<s@x>", "250 "),
        ("RCPT TO:<joe@here.test>", "250 "),
        ("RCPT TO:<ann@here.test>", "250 "),
        ("DATA", "354 "),
    ] {
        client.say(line);
        client.expect(reply);
    }
    client.send("Subject: x\r\n\r\ny\r\n.\r\n");
    let joe = client.line();
    assert!(joe.starts_with("451 4.3.0 "), "{joe}");
    let ann = client.line();
    assert!(ann.starts_with("250 2.1.5 "), "{ann}");
    let line = server.wait_for("lmtpd: fail ");
    assert!(line.contains("it was stopped"), "{line}");
}
