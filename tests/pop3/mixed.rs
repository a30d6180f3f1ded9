//! Ours among theirs: chains in which some programs are the originals'.
//!
//! Every chain is spoken to twice: line by line, and with the whole session in one write, for what
//! a client sends behind its password must reach whoever serves the mailbox, however many programs
//! come between.

use kit::pop3::{HOST, Office, PASSWORD, Pop3, with_system_users};
use kit::sasl::apop_digest;
use kit::{Client, Server, bin, peer, script};

/// The path of a program of ours: what is named with a slash is executed, also by ours.
fn path(name: &str) -> String {
    bin(name).display().to_string()
}

fn original(name: &str) -> Option<String> {
    Some(peer(name)?.display().to_string())
}

/// joe with one message.
fn office() -> Office {
    let office = Office::new();
    office.deliver("joe", "1.a", "Subject: x\n\nhello\n");
    office
}

/// A session line by line.
fn speaks(server: &Server, log_in: &dyn Fn(&mut Client, &str) -> String) {
    let mut client = server.connect();
    let greeting = client.line();
    let reply = log_in(&mut client, &greeting);
    assert!(reply.starts_with("+OK"), "{reply} {:?}", server.log());
    let stat = client.ask("STAT");
    assert!(stat.starts_with("+OK 1 "), "{stat}");
    assert!(client.ask("RETR 1").starts_with("+OK"));
    let body = client.body();
    assert_eq!(&body[..3], ["Subject: x", "", "hello"]);
    assert!(client.ask("QUIT").starts_with("+OK"));
    assert_eq!(client.rest(), b"");
}

/// The whole session in one write.
fn takes_it_all_at_once(server: &Server, log_in: &dyn Fn(&str) -> String) {
    let mut client = server.connect();
    let greeting = client.line();
    client.send(format!("{}STAT\r\nLIST 1\r\nQUIT\r\n", log_in(&greeting)));
    let all = client.text();
    let replies: Vec<&str> = all.lines().collect();
    assert!(
        replies.iter().all(|line| line.starts_with("+OK")),
        "{all} {:?}",
        server.log()
    );
    let count = log_in("<challenge>").lines().count() + 3;
    assert_eq!(replies.len(), count, "{all}");
    assert!(replies[count - 3].starts_with("+OK 1 "), "{all}");
}

fn by_password(server: &Server) {
    speaks(server, &|client, _| client.login("joe", PASSWORD));
    takes_it_all_at_once(server, &|_| format!("USER joe\r\nPASS {PASSWORD}\r\n"));
}

fn by_apop(server: &Server) {
    let line = |greeting: &str| format!("APOP joe {}", apop_digest(greeting, PASSWORD));
    speaks(server, &|client, greeting| client.ask(&line(greeting)));
    takes_it_all_at_once(server, &|greeting| format!("{}\r\n", line(greeting)));
}

#[test]
fn all_ours_joined() {
    let office = office();
    by_password(&office.pop3("checkpw").start());
    by_apop(&office.pop3("checkapoppw").start());
}

#[test]
fn all_ours_each_by_its_path() {
    let office = office();
    for (checker, apop) in [
        ("checkpw", false),
        ("checkapoppw", true),
        ("selectcheckpw", true),
    ] {
        let words = [
            &path("popup"),
            HOST,
            &path(checker),
            &path("pop3d"),
            "Maildir",
        ];
        let server = office.serve(&words).start();
        if apop {
            by_apop(&server);
        } else {
            by_password(&server);
        }
    }
}

#[test]
fn ours_under_the_original_super_server() {
    let Some(tcpserver) = original("tcpserver") else {
        return;
    };
    let office = office();
    for (popup, checker, pop3d) in [
        (path("popup"), "checkpw".to_owned(), "pop3d".to_owned()),
        (path("popup"), path("checkpw"), path("pop3d")),
    ] {
        let words = [&popup, HOST, &checker, &pop3d, "Maildir"];
        by_password(&office.under(Server::under_name(&tcpserver), &words).start());
    }
}

#[test]
fn the_original_checkers_under_our_popup() {
    if !with_system_users("the original checkpw under popup") {
        return;
    }
    let office = office();
    for (checker, apop) in [("checkpw", false), ("checkapoppw", true)] {
        let Some(checker) = original(checker) else {
            return;
        };
        for pop3d in ["pop3d".to_owned(), path("pop3d")] {
            let server = office
                .serve(&["popup", HOST, &checker, &pop3d, "Maildir"])
                .start();
            if apop {
                by_apop(&server);
            } else {
                by_password(&server);
            }
            let mut client = server.connect();
            client.line();
            let reply = client.login("joe", "wrong");
            assert!(reply.starts_with("-ERR"), "{reply}");
            server.wait_for("popup: fail ");
        }
    }
}

#[test]
fn a_foreign_checker_gets_the_path_of_the_program_of_ours_behind_it_and_all_other_words_as_they_are()
 {
    let office = office();
    let checker = office.path("checker");
    let told = "#!/bin/sh\nexec 3<&-\necho \"checker: $*\" >&2\nexit 1\n";
    script(&checker, told);
    let checker = checker.display().to_string();
    for (words, told) in [
        (
            &["pop3d", "Maildir"][..],
            format!("{} Maildir", path("pop3d")),
        ),
        (
            &["relay-ctrl-allow", "pop3d", "Maildir"],
            format!("{} pop3d Maildir", path("relay-ctrl-allow")),
        ),
        (
            &["-s", "imapd", "/bin/true"],
            "-s imapd /bin/true".to_owned(),
        ),
        (&["/bin/pop3d", "imapd"], "/bin/pop3d imapd".to_owned()),
        (&["true", "pop3d"], "true pop3d".to_owned()),
    ] {
        let words = [&["popup", HOST, &checker], words].concat();
        let server = office.serve(&words).start();
        let mut client = server.connect();
        client.line();
        assert!(client.login("joe", PASSWORD).starts_with("-ERR"));
        assert_eq!(server.wait_for("checker: "), format!("checker: {told}"));
    }
}

#[test]
fn the_original_selectcheckpw_is_told_the_method() {
    if !with_system_users("the original selectcheckpw under popup") {
        return;
    }
    let Some(checker) = original("selectcheckpw") else {
        return;
    };
    let office = office();
    let server = office
        .serve(&["popup", HOST, &checker, &path("pop3d"), "Maildir"])
        .start();
    by_password(&server);
    by_apop(&server);
}

#[test]
fn our_checkers_before_the_original_mailbox_server() {
    let Some(maildir) = original("pop3front-maildir") else {
        return;
    };
    let office = office();
    for checker in ["checkpw".to_owned(), path("checkpw")] {
        let server = office
            .serve(&["popup", HOST, &checker, &maildir, "Maildir"])
            .start();
        by_password(&server);
    }
    let server = office
        .serve(&["popup", HOST, "checkapoppw", &maildir, "Maildir"])
        .start();
    by_apop(&server);
}

#[test]
fn a_checker_that_does_not_read_its_record_holds_nobody_up() {
    let office = office();
    let server = office
        .serve(&["popup", HOST, "/bin/false", "pop3d", "Maildir"])
        .start();
    let mut client = server.connect();
    client.line();
    let reply = client.login("joe", &"x".repeat(200));
    assert!(reply.starts_with("-ERR"), "{reply}");
}

#[test]
fn a_checker_that_cannot_be_run_is_our_trouble_and_not_the_clients() {
    let office = office();
    let words = ["popup", HOST, "/nonexistent/checker", "pop3d", "Maildir"];
    let server = office.serve(&words).start();
    let mut client = server.connect();
    client.line();
    let reply = client.login("joe", PASSWORD);
    assert!(reply.starts_with("-ERR [SYS/"), "{reply}");
    let line = server.wait_for("/nonexistent/checker");
    assert!(line.starts_with("popup: "), "{line}");
}
