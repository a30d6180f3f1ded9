//! Who reads the network before a login of IMAP, and who the session is: as /proc tells it.

use crate::imapup_session::imap;
use kit::pop3::{JOE, Office, PASSWORD, Pop3, with_system_users};
use kit::process::{Process, connection, eventually, holders};

#[test]
fn before_login_nobody_who_reads_the_network_is_root() {
    if !with_system_users("before login nobody is root: imapup") {
        return;
    }
    let office = Office::new();
    let server = imap(&office, "checkpw").start();
    for sent in [
        "a NOOP\r\n",
        "a LOGIN {3}\r\n",
        "a LOGIN {3+}\r\njo",
        "a LOGIN {5000+}\r\nxyz",
    ] {
        let mut client = server.connect();
        client.line();
        let connection = connection(&server, &client);
        client.send(sent);
        let (root, others): (Vec<Process>, Vec<Process>) = eventually(|| {
            let all = holders(&connection, &server);
            let wait = |process: &Process| process.waits_for().is_some();
            (all.len() == 2 && all.iter().all(wait))
                .then(|| all.into_iter().partition(Process::is_root))
        });
        let ([reader], [keeper]) = (&others[..], &root[..]) else {
            panic!("one process of root and one without privileges: {root:?} {others:?}")
        };
        assert_eq!(reader.waits_for().as_deref(), Some(&*connection));
        assert!(
            reader.no_new_privileges && reader.list.len() <= 1,
            "{reader:?}"
        );
        assert_eq!(reader.capabilities, "0000000000000000");
        let nobody = reader.users[0];
        assert!(nobody != 0 && nobody != JOE);
        assert!(reader.users.iter().all(|&user| user == nobody));
        assert!(!reader.groups.contains(&0));
        assert_ne!(keeper.waits_for().as_deref(), Some(&*connection));
    }
}

#[test]
fn after_login_the_session_is_the_user_alone() {
    if !with_system_users("after login the session is the user: imapup") {
        return;
    }
    let office = Office::new();
    let server = imap(&office, "checkpw").start();
    let mut client = server.connect();
    client.line();
    let connection = connection(&server, &client);
    client.send(format!(
        "a LOGIN joe {{{}+}}\r\n{PASSWORD}\r\n",
        PASSWORD.len()
    ));
    assert_eq!(client.line(), "a OK joe joe pop");
    assert_eq!(client.ask("b NOOP"), "b NOOP");
    let all = holders(&connection, &server);
    let [session] = &all[..] else {
        panic!("one process: {all:?}")
    };
    assert_eq!(session.users, [JOE; 4]);
    assert_eq!(session.groups, [JOE; 4]);
    assert!(!session.list.contains(&0), "{session:?}");
}
