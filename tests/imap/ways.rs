//! Ways to a mailbox by IMAP: all ours, joined or each by its path, and chains in which some programs
//! are others'. The variables IMAPLOGINTAG and AUTHENTICATED are where they meet.
//!
//! Every chain is spoken to twice: line by line, and with the whole session in one write, for what
//! a client sends behind its password must reach whoever serves the mailbox.

use std::fs;

use crate::house::simple;
use kit::imap::{Imap, step};
use kit::pop3::{HOST, Office, PASSWORD, SYSTEM_PASSWORD, with_system_users};
use kit::{Server, as_root, bin, peer};

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
    office.deliver("joe", "1600000000.M1P1.host", simple(1));
    office
}

/// A session line by line.
fn speaks(server: &Server, log_in: &str) {
    let mut client = Imap::connect(server.address());
    assert!(client.greeting.starts_with("OK "), "{}", client.greeting);
    let reply = client.run(log_in);
    assert!(reply.is_ok(), "{reply:?} {:?}", server.log());
    step(&mut client, "SELECT INBOX", &["1 EXISTS"], "OK ~");
    step(
        &mut client,
        "FETCH 1 BODY.PEEK[TEXT]",
        &["1 FETCH (BODY[TEXT] {21}\r\ntext 1\r\nsecond line\r\n)"],
        "OK ~",
    );
    step(&mut client, "LOGOUT", &["BYE ~"], "OK ~");
    assert!(client.is_over());
}

/// The whole session in one write.
fn takes_it_all_at_once(server: &Server, log_in: &str) {
    let mut client = server.connect();
    client.send(format!(
        "t1 {log_in}\r\nt2 SELECT INBOX\r\nt3 UID FETCH 1 FLAGS\r\nt4 LOGOUT\r\n"
    ));
    let all = client.text();
    for tag in ["t1", "t2", "t3", "t4"] {
        let ok = format!("{tag} OK");
        assert!(
            all.lines().any(|line| line.starts_with(&ok)),
            "{tag}: {all} {:?}",
            server.log()
        );
    }
    assert!(all.lines().any(|line| line == "* 1 EXISTS"), "{all}");
}

fn serves(server: &Server) {
    for log_in in [
        format!("LOGIN joe \"{PASSWORD}\""),
        format!("LOGIN {{3+}}\r\njoe {{{}+}}\r\n{PASSWORD}", PASSWORD.len()),
    ] {
        speaks(server, &log_in);
        takes_it_all_at_once(server, &log_in);
    }
}

#[test]
fn all_ours_joined_and_each_by_its_path() {
    let office = office();
    serves(
        &office
            .serve(&["imapup", HOST, "checkpw", "imapd", "Maildir"])
            .start(),
    );
    let words = [
        &path("imapup"),
        HOST,
        &path("checkpw"),
        &path("imapd"),
        "Maildir",
    ];
    serves(&office.serve(&words).start());
}

#[test]
fn ours_under_the_original_super_server() {
    let Some(tcpserver) = original("tcpserver") else {
        return;
    };
    let office = office();
    let words = [&path("imapup"), HOST, "checkpw", "imapd", "Maildir"];
    serves(&office.under(Server::under_name(tcpserver), &words).start());
}

#[test]
fn the_original_checker_between_ours() {
    if !with_system_users("the original checkpw under imapup") {
        return;
    }
    let Some(checker) = original("checkpw") else {
        return;
    };
    let office = office();
    let words = ["imapup", HOST, &checker, &path("imapd"), "Maildir"];
    serves(&office.serve(&words).start());
}

#[test]
fn couriers_server_behind_our_login() {
    let Some(imapd) = original("courier-imapd") else {
        return;
    };
    let office = office();
    for checker in ["checkpw".to_owned(), path("checkpw")] {
        let server = office
            .serve(&["imapup", HOST, &checker, &imapd, "./Maildir"])
            .start();
        // It has no LITERAL+, but the login is ours.
        speaks_to_couriers(&server, &format!("LOGIN {{3+}}\r\njoe \"{PASSWORD}\""));
        takes_it_all_at_once(&server, &format!("LOGIN joe \"{PASSWORD}\""));
    }
}

/// [`speaks`], with what Courier's says first about a program that is not there.
fn speaks_to_couriers(server: &Server, log_in: &str) {
    let mut client = Imap::connect(server.address());
    let reply = client.run(log_in);
    assert!(reply.is_ok(), "{reply:?} {:?}", server.log());
    step(&mut client, "SELECT INBOX", &["1 EXISTS"], "OK ~");
    step(&mut client, "LOGOUT", &["BYE ~"], "OK ~");
    assert!(client.is_over());
}

#[test]
fn dovecots_server_behind_our_login() {
    if !as_root("Dovecot's imap behind imapup") {
        return;
    }
    let Some(imap) = original("dovecot-imap") else {
        return;
    };
    let office = office();
    let config = office.path("dovecot.conf");
    let text = format!(
        "base_dir = {0}\nstate_dir = {0}\nlog_path = /dev/stderr\nssl = no\nmail_location = maildir:~/Maildir\n\
         default_internal_user = nobody\ndefault_login_user = nobody\ndefault_internal_group = {1}\n\
         first_valid_uid = 1\nfirst_valid_gid = 1\nimport_environment = LD_LIBRARY_PATH LD_PRELOAD\n",
        office.path("").display(),
        group_of_nobody(),
    );
    fs::write(&config, text).unwrap();
    let words = ["imapup", HOST, "checkpw", &imap, config.to_str().unwrap()];
    serves(&office.serve(&words).start());
}

fn group_of_nobody() -> String {
    let done = kit::Run::new("id").args(["-gn", "nobody"]).done();
    done.out().trim_end().to_owned()
}

#[test]
fn our_server_behind_the_front_of_mailfront() {
    if !as_root("imapd behind imapfront-auth") {
        return;
    }
    let (Some(front), Some(cvm)) = (original("imapfront-auth"), original("cvm-pwfile")) else {
        return;
    };
    let office = office();
    let users = office.path("pwfile");
    let (uid, home) = (office.uid, office.path("joe"));
    let line = format!("joe:{PASSWORD}:{uid}:{uid}::{}:\n", home.display());
    fs::write(&users, line).unwrap();
    let server = Server::under_name(bin("superd"))
        .options(["-vHRl0"])
        .handler([&front, &path("imapd"), "Maildir"])
        .env("CVM_PWFILE_PATH", users)
        .env("CVM_SASL_PLAIN", cvm)
        .start();
    let mut client = Imap::connect(server.address());
    let reply = client.run(&format!("LOGIN joe \"{PASSWORD}\""));
    assert!(reply.is_ok(), "{reply:?} {:?}", server.log());
    step(&mut client, "SELECT INBOX", &["1 EXISTS"], "OK ~");
    step(&mut client, "LOGOUT", &["BYE ~"], "OK ~");
    let mut client = Imap::connect(server.address());
    let reply = client.run("LOGIN joe wrong");
    assert!(reply.status.starts_with("NO "), "{reply:?}");
}

#[test]
fn a_mailbox_that_cannot_be_opened_is_refused_by_the_tag_of_the_login() {
    let office = office();
    let server = office
        .serve(&["imapup", HOST, "checkpw", "imapd", "no/where"])
        .start();
    let mut client = Imap::connect(server.address());
    let reply = client.run(&format!("LOGIN joe \"{PASSWORD}\""));
    assert!(reply.status.starts_with("NO [UNAVAILABLE] "), "{reply:?}");
}

#[test]
fn who_logs_in_before_any_mail_has_come_finds_an_empty_inbox() {
    let office = office();
    std::fs::remove_dir_all(office.maildir("joe")).unwrap();
    let server = office
        .serve(&["imapup", HOST, "checkpassword", "imapd", "Maildir"])
        .start();
    for made in [true, false] {
        let mut client = Imap::connect(server.address());
        let reply = client.run(&format!("LOGIN joe \"{SYSTEM_PASSWORD}\""));
        assert!(reply.is_ok(), "{reply:?} {:?}", server.log());
        step(&mut client, "SELECT INBOX", &["0 EXISTS"], "OK ~");
        step(&mut client, "LOGOUT", &["BYE ~"], "OK ~");
        let line = "imapd: made ip=127.0.0.1 user=joe reason=\"the user had no Maildir\"";
        server.wait_for("imapd: end ");
        let lines = server.log();
        let count = lines.iter().filter(|said| *said == line).count();
        assert_eq!(count, 1, "made now: {made} {lines:?}");
    }
}

#[test]
fn the_capabilities_come_with_the_login() {
    let office = office();
    let server = office
        .serve(&["imapup", HOST, "checkpw", "imapd", "Maildir"])
        .start();
    let mut client = Imap::connect(server.address());
    assert!(
        client.greeting.starts_with("OK [CAPABILITY IMAP4rev1 "),
        "{}",
        client.greeting
    );
    let reply = client.run(&format!("LOGIN joe \"{PASSWORD}\""));
    let code = reply.status.split(']').next().unwrap();
    assert!(code.starts_with("OK [CAPABILITY IMAP4rev1 "), "{reply:?}");
    let told = client.ok("CAPABILITY");
    assert_eq!(told[0], code.strip_prefix("OK [").unwrap());
}
