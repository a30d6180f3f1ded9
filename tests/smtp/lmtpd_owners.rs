//! lmtpd and many mailboxes: nobody holds up other owners for long, and no client makes it grow by naming
//! recipients.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kit::place::files;
use kit::pop3::{Office, with_system_users};
use kit::{Client, DEADLINE, as_root, script};

/// An office with these users, and what lmtpd needs to know of it.
fn office(users: &str) -> Office {
    let office = Office::new();
    fs::write(office.path("home/control/me"), "here.test\n").unwrap();
    fs::write(office.path("home/users"), users).unwrap();
    office
}

fn command(client: &mut Client, line: &str) -> String {
    client.say(line);
    loop {
        let reply = client.line();
        if reply.as_bytes().get(3) != Some(&b'-') {
            return reply;
        }
    }
}

fn begun(mut client: Client) -> Client {
    client.expect("220 ");
    for line in ["LHLO client", "MAIL FROM:<s@x>"] {
        let said = command(&mut client, line);
        assert!(said.starts_with("250 "), "{line}: {said}");
    }
    client
}

/// The processes below `pid`.
fn below(pid: u32) -> Vec<u32> {
    let children = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(children).unwrap_or_default();
    let own = children
        .split_whitespace()
        .filter_map(|word| word.parse().ok());
    own.flat_map(|child| {
        let mut all = below(child);
        all.push(child);
        all
    })
    .collect()
}

/// Anonymous memory in kB.
fn anonymous(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}

#[test]
fn a_large_alias_that_is_named_a_thousand_times_takes_the_memory_of_once() {
    let office = Office::new();
    let (uid, gid, home) = (office.uid, office.gid, office.path("joe"));
    let home = home.display();
    let names: Vec<String> = (0..300).map(|number| format!("u{number}")).collect();
    let line = |name: &String| format!("{name}:x:{uid}:{gid}::{home}::M{name}\n");
    fs::write(office.path("home/control/me"), "here.test\n").unwrap();
    let users: String = names.iter().map(line).collect();
    fs::write(office.path("home/users"), users).unwrap();
    fs::write(
        office.path("home/aliases"),
        format!("all: {}\n", names.join(", ")),
    )
    .unwrap();
    let server = office.serve(&["lmtpd"]).start();
    let mut client = begun(server.connect());
    for turn in 0..500 {
        let name = if turn % 2 == 0 { "all" } else { "aLL" };
        let said = command(&mut client, &format!("RCPT TO:<{name}@here.test>"));
        assert!(said.starts_with("250 "), "{said}");
    }
    let most = below(server.pid()).into_iter().map(anonymous).max();
    let most = most.expect("lmtpd runs");
    assert!(most > 0 && most <= 4096, "{most} kB");
    // Each recipient has a verdict of his own all the same, and each mailbox one copy.
    assert_eq!(command(&mut client, "DATA"), "354 go ahead");
    client.send("Subject: x\r\n\r\ny\r\n.\r\n");
    for _ in 0..500 {
        let reply = client.line();
        assert!(reply.starts_with("250 2.1.5 "), "{reply}");
    }
    for name in [&names[0], &names[299]] {
        assert_eq!(
            files(&office.path("joe").join(format!("M{name}/new"))).len(),
            1
        );
    }
}

#[test]
fn an_owner_who_takes_long_holds_up_nobody_but_himself() {
    const OWNERS: u32 = 20;
    const SLOW: Duration = Duration::from_secs(6);
    if !as_root("lmtpd and many owners") {
        return;
    }
    let office = office("");
    let home = |number: u32| -> PathBuf { office.path(&format!("u{number}")) };
    let mut users = String::new();
    for number in 0..OWNERS {
        let (uid, home) = (56_000 + number, home(number));
        fs::DirBuilder::new().mode(0o700).create(&home).unwrap();
        chown(&home, Some(uid), Some(uid)).unwrap();
        users += &format!("u{number}:x:{uid}:{uid}::{}::\n", home.display());
    }
    fs::write(office.path("home/users"), users).unwrap();
    let filter = office.path("filter");
    script(
        &filter,
        &format!(
            "#!/bin/sh\n[ \"$USER\" != u0 ] || sleep {}\n",
            SLOW.as_secs()
        ),
    );
    fs::write(
        office.path("home/control/filter"),
        format!("{}\n", filter.display()),
    )
    .unwrap();
    let server = office.serve(&["lmtpd"]).start();
    let mut client = begun(server.connect());
    for number in 0..OWNERS {
        let said = command(&mut client, &format!("RCPT TO:<u{number}@here.test>"));
        assert!(said.starts_with("250 "), "{said}");
    }
    assert_eq!(command(&mut client, "DATA"), "354 go ahead");
    let begin = Instant::now();
    client.send("Subject: x\r\n\r\ny\r\n.\r\n");
    // Also those for whom there was no place beside the first ones.
    while (1..OWNERS).any(|number| files(&home(number).join("Maildir/new")).len() != 1) {
        assert!(begin.elapsed() < SLOW, "they wait for the first one");
        std::thread::sleep(Duration::from_millis(20));
    }
    for _ in 0..OWNERS {
        assert!(client.line().starts_with("250 2.1.5 "));
    }
    assert!(begin.elapsed() >= SLOW && begin.elapsed() < DEADLINE);
    assert_eq!(files(&home(0).join("Maildir/new")).len(), 1);
}

/// The reply to a recipient in a transaction of its own.
fn rcpt(server: &kit::Server, name: &str) -> String {
    let mut client = begun(server.connect());
    command(&mut client, &format!("RCPT TO:<{name}@here.test>"))
}

#[test]
fn a_home_that_is_not_mounted_makes_mail_wait_and_the_log_names_it() {
    if !with_system_users("lmtpd and a home that is not mounted") {
        return;
    }
    let office = Office::new();
    fs::write(office.path("home/control/me"), "here.test\n").unwrap();
    let server = office.serve(&["lmtpd"]).start();
    let home = office.path("joe");
    fs::rename(&home, office.path("elsewhere")).unwrap();
    assert_eq!(
        rcpt(&server, "joe"),
        "451 4.3.0 sorry, unable to deliver to that mailbox now"
    );
    server.wait_for(&format!(
        "lmtpd: fault ip=127.0.0.1 to=<joe@here.test> reason=\"unable to use home {} of user joe: file does not exist\"",
        home.display()
    ));
    fs::rename(office.path("elsewhere"), &home).unwrap();
    assert!(rcpt(&server, "joe").starts_with("250 "));
}

#[test]
fn the_accounts_of_programs_get_no_mail_unless_they_are_named() {
    if !with_system_users("lmtpd and the accounts of programs") {
        return;
    }
    let office = Office::new();
    fs::write(office.path("home/control/me"), "here.test\n").unwrap();
    let home = office.path("base");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(77), Some(77)).unwrap();
    let passwd = fs::read_to_string(office.path("passwd")).unwrap();
    let line = format!("base:x:77:77::{}:\n", home.display());
    fs::write(office.path("passwd"), passwd + &line).unwrap();
    let server = office.serve(&["lmtpd"]).start();
    let unknown = "550 5.1.1 sorry, no mailbox here by that name";
    assert_eq!(rcpt(&server, "base"), unknown);
    assert_eq!(rcpt(&server, "base-x"), unknown);
    assert!(rcpt(&server, "joe").starts_with("250 "));
    let named = [
        ("home/control/systemusers", "base\n", "base-x"),
        ("home/control/uidmin", "77\n", "base"),
        ("home/aliases", "base: base\n", "base"),
        ("home/aliases", "dba: base\n", "dba"),
    ];
    for (file, text, name) in named {
        fs::write(office.path(file), text).unwrap();
        assert!(rcpt(&server, name).starts_with("250 "), "{file} {text}");
        fs::remove_file(office.path(file)).unwrap();
    }
    fs::write(office.path("home/control/uidmin"), "0\n").unwrap();
    assert_eq!(rcpt(&server, "toor"), unknown);
    assert!(!home.join("Maildir").exists());
}
