//! Who reads the network, and who a session is: as /proc tells it, not as the code says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kit::is_null;
use kit::pop3::{HOST, JOE, Office, PASSWORD, POST_GROUP, Pop3, with_system_users};
use kit::process::{Process, connection, eventually, holders};

#[test]
fn before_login_nobody_who_reads_the_network_is_root() {
    if !with_system_users("before login nobody is root: popup") {
        return;
    }
    let office = Office::new();
    for checker in ["checkpassword", "checkpw", "checkapoppw", "selectcheckpw"] {
        let server = office.pop3(checker).start();
        let mut client = server.connect();
        client.line();
        let connection = connection(&server, &client);
        for line in ["NOOP", "CAPA", "USER joe"] {
            client.say(line);
        }
        let (root, others): (Vec<Process>, Vec<Process>) = eventually(|| {
            let all = holders(&connection, &server);
            let wait = |process: &Process| process.waits_for().is_some();
            (all.len() == 2 && all.iter().all(wait))
                .then(|| all.into_iter().partition(Process::is_root))
        });
        let [reader] = &others[..] else {
            panic!("one process without privileges: {others:?}")
        };
        assert_eq!(
            reader.waits_for().as_deref(),
            Some(&*connection),
            "it reads the network"
        );
        assert!(reader.no_new_privileges);
        assert_eq!(reader.capabilities, "0000000000000000");
        let nobody = reader.users[0];
        assert!(
            reader
                .users
                .iter()
                .all(|&user| user == nobody && user != JOE)
        );
        assert!(
            reader
                .groups
                .iter()
                .all(|&group| group == reader.groups[0] && group != 0)
        );
        assert!(
            !reader.list.contains(&0) && reader.list.len() <= 1,
            "{reader:?}"
        );
        // Whoever has privileges holds the connection for later, and waits for the other one.
        let [keeper] = &root[..] else {
            panic!("one process of root: {root:?}")
        };
        let waits_for = keeper.waits_for().unwrap();
        assert_ne!(waits_for, connection);
        assert!(waits_for.starts_with("socket:["), "{waits_for}");
    }
}

#[test]
fn after_login_the_session_is_the_user_with_his_groups_and_nothing_else() {
    if !with_system_users("after login the session is the user") {
        return;
    }
    let office = Office::new();
    for (checker, password) in [
        ("checkpw", PASSWORD),
        ("checkpassword", kit::pop3::SYSTEM_PASSWORD),
    ] {
        let server = office.pop3(checker).start();
        let mut client = server.connect();
        client.line();
        let connection = connection(&server, &client);
        let reply = client.login("joe", password);
        assert!(reply.starts_with("+OK"), "{reply} {:?}", server.log());
        assert!(client.ask("NOOP").starts_with("+OK"));
        let session = eventually(|| {
            let mut all = holders(&connection, &server);
            (all.len() == 1).then(|| all.remove(0))
        });
        assert_eq!(session.users, [JOE; 4]);
        assert_eq!(session.groups, [JOE; 4]);
        assert_eq!(session.list, BTreeSet::from([JOE, POST_GROUP]));
        assert_eq!(session.capabilities, "0000000000000000");
        assert_eq!(session.waits_for().as_deref(), Some(&*connection));
        // Nothing of the way there is left open: no shadow file, no socket to the other side.
        let log = session.descriptor(2);
        // What superd was started with passes to its programs, as under the original.
        let inherited = Process::of(server.pid()).unwrap().descriptors();
        for (number, open) in session.descriptors() {
            let expected = open == connection
                || open == log
                || inherited
                    .iter()
                    .any(|(_, theirs)| *theirs == open && open.starts_with("pipe:"))
                || is_null(&open)
                || Path::new(&open).starts_with(office.path("joe"));
            assert!(expected, "descriptor {number} is open on {open}");
        }
        let cwd = fs::read_link(format!("/proc/{}/cwd", session.pid)).unwrap();
        assert!(cwd.starts_with(office.path("joe")), "{cwd:?}");
    }
}

#[test]
fn a_session_ends_when_the_one_who_reads_the_network_dies() {
    if !with_system_users("the death of popup's reader") {
        return;
    }
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let mut client = server.connect();
    client.line();
    let connection = connection(&server, &client);
    let reader = eventually(|| {
        holders(&connection, &server)
            .into_iter()
            .find(|one| !one.is_root())
    });
    kit::signal(reader.pid, "KILL");
    assert_eq!(client.rest(), b"");
    server.wait_for_ends(1);
}

#[test]
fn after_a_login_ps_shows_the_program_that_serves_and_no_longer_the_front() {
    let office = Office::new();
    for (front, session) in [("popup", "pop3d"), ("imapup", "imapd")] {
        for options in [&[][..], &["--exec"]] {
            let words = [front, HOST, "checkpw", session, "Maildir"];
            let server = office.serve(&words).options(options).start();
            let mut client = server.connect();
            client.line();
            let connection = connection(&server, &client);
            let names = || -> BTreeSet<String> {
                let all = holders(&connection, &server).into_iter();
                let name = |process: Process| {
                    fs::read_to_string(format!("/proc/{}/comm", process.pid)).ok()
                };
                all.filter_map(name).collect()
            };
            assert_eq!(names(), BTreeSet::from([format!("{front}\n")]));
            let reply = match front {
                "popup" => client.login("joe", PASSWORD),
                _ => {
                    client.say(&format!("a LOGIN joe \"{PASSWORD}\""));
                    client.line()
                }
            };
            assert!(reply.contains("OK"), "{reply} {:?}", server.log());
            eventually(|| (names() == BTreeSet::from([format!("{session}\n")])).then_some(()));
        }
    }
}
