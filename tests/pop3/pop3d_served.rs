//! pop3d where it is used: behind super-servers, ours and the original, and behind a front that is
//! not ours.

use std::fs;
use std::path::{Path, PathBuf};

use crate::mailbox::{Mailbox, OK};
use kit::place::original;
use kit::pop3::Pop3;
use kit::server::Builder;
use kit::{Client, Server, as_root, bin, peer};

/// superd, and tcpserver where it is there.
fn servers() -> Vec<PathBuf> {
    let original = original("tcpserver");
    [bin("superd")].into_iter().chain(original).collect()
}

fn mailbox() -> Mailbox {
    Mailbox::with(&["Subject: one\n\n.dot\n", "Subject: two\r\n\r\nlast"])
}

/// A whole session, behind the login.
fn reads_and_deletes(client: &mut Client) {
    assert_eq!(client.ask("STAT"), "+OK 2 44");
    assert_eq!(client.ask("RETR 1"), OK);
    assert_eq!(client.body(), ["Subject: one", "", ".dot"]);
    client.send("TOP 2 0\r\nDELE 1\r\nUIDL\r\n");
    assert_eq!(client.line(), OK);
    assert_eq!(client.body(), ["Subject: two", ""]);
    assert_eq!([client.line(), client.line()], [OK, OK]);
    assert_eq!(client.body(), ["2 2.a"]);
    assert_eq!(client.ask("QUIT"), OK);
    assert_eq!(client.line(), "", "the connection ends");
}

#[test]
fn each_super_server_runs_it_on_the_clients_socket() {
    for program in servers() {
        let mailbox = mailbox();
        let pop3d = bin("pop3d").display().to_string();
        let server = mailbox.serve(&program, &[&pop3d, "Maildir"]).start();
        let mut client = server.connect();
        assert_eq!(client.line(), OK);
        reads_and_deletes(&mut client);
        assert_eq!(mailbox.names(), ["cur/2.a:2,"], "{program:?}");
        // Behind a super-server the client's address is known.
        let line = server.wait_for("pop3d: session ip=127.0.0.1 ");
        assert!(
            line.contains(" dele=1 ") && line.ends_with(" end=quit"),
            "{line}"
        );
    }
}

#[test]
fn a_client_that_breaks_the_connection_off_has_changed_nothing() {
    for program in servers() {
        let mailbox = mailbox();
        let pop3d = bin("pop3d").display().to_string();
        let server = mailbox.serve(&program, &[&pop3d, "Maildir"]).start();
        let mut client = server.connect();
        assert_eq!(client.line(), OK);
        assert_eq!(client.ask("DELE 1"), OK);
        client.reset();
        server.wait_for("pop3d: session ip=127.0.0.1 ");
        server.wait_for_ends(1);
        assert_eq!(mailbox.names(), ["new/1.a", "new/2.a"]);
    }
}

#[test]
fn variables_of_the_rules_decide_for_each_client() {
    let mailbox = mailbox();
    let rules = kit::compile(
        kit::Side::Ours,
        mailbox.home(),
        "rules.cdb",
        "127.0.0.2:allow,POP3D_BLANK_LINE=\"1\"\n127.0.0.3:allow,POP3D_UIDL=\"md6\"\n:allow\n",
    );
    let server = mailbox.serve(bin("superd"), &["pop3d", "Maildir"]);
    let server = server.options(["-x", &rules]).start();
    for (last, greeting, stat) in [
        (1, OK, "+OK 2 44"),
        (2, OK, "+OK 2 48"),
        (
            3,
            "-ERR [SYS/PERM] unable to use the configuration of this server",
            "",
        ),
    ] {
        let mut client = server.connect_from(std::net::Ipv4Addr::new(127, 0, 0, last));
        assert_eq!(client.line(), greeting);
        if !stat.is_empty() {
            assert_eq!(client.ask("STAT"), stat);
        }
    }
    let fault = "unable to use variable POP3D_UIDL: md6 is none of name, mailfront, md5, courier and dovecot";
    server.wait_for(fault);
}

/// mailfront's front with the users of a password file, and pop3d behind it.
fn behind_mailfront(mailbox: &Mailbox, program: &Path) -> Option<Builder> {
    let (front, cvm) = (peer("pop3front-auth")?, peer("cvm-pwfile")?);
    let users = mailbox.home().join("pwfile");
    let (uid, gid) = mailbox.owner();
    let home = mailbox.home().display();
    fs::write(&users, format!("joe:secret:{uid}:{gid}::{home}:\n")).unwrap();
    let (front, cvm) = (front.display().to_string(), cvm.display().to_string());
    let pop3d = bin("pop3d").display().to_string();
    // It becomes the user by itself, so it is started as root.
    let server = Server::under_name(program)
        .options(["-vHRl0"])
        .handler([&front, &cvm, &pop3d, "Maildir"])
        .env("CVM_PWFILE_PATH", users);
    Some(server)
}

#[test]
fn it_serves_behind_the_front_of_mailfront() {
    if !as_root("pop3d behind pop3front-auth") {
        return;
    }
    for program in servers() {
        let mailbox = mailbox();
        let Some(server) = behind_mailfront(&mailbox, &program) else {
            return;
        };
        let server = server.start();
        let mut client = server.connect();
        assert!(client.line().starts_with("+OK"), "{:?}", server.log());
        let reply = client.login("joe", "secret");
        assert_eq!(reply, OK, "{:?}", server.log());
        reads_and_deletes(&mut client);
        assert_eq!(mailbox.names(), ["cur/2.a:2,"]);
        let line = server.wait_for("pop3d: session ip=127.0.0.1 user=joe ");
        assert!(line.ends_with(" end=quit"), "{line}");
    }
}

#[test]
fn behind_the_front_of_mailfront_a_wrong_password_gets_no_mailbox() {
    if !as_root("pop3d behind pop3front-auth") {
        return;
    }
    let mailbox = mailbox();
    let Some(server) = behind_mailfront(&mailbox, &bin("superd")) else {
        return;
    };
    let server = server.start();
    let mut client = server.connect();
    client.line();
    assert!(client.login("joe", "wrong").starts_with("-ERR"));
    assert!(client.ask("STAT").starts_with("-ERR"));
}
