//! Quotas, as maildir-queue, imapd and pop3d keep them together: what is refused, what never is, and that
//! `maildirsize` says what is there.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kit::imap::{Imap, Piece, Reply};
use kit::place::files;
use kit::pop3::{HOST, Office, PASSWORD, Pop3};
use kit::smtp::House;
use kit::{bin, is_root, run};

const ENVELOPE: &[u8] = b"Fs@x\0Tjoe@here.test\0\0";

/// A message of a hundred octets or so.
const MESSAGE: &str =
    "Subject: hello\r\nFrom: ann@here.test\r\n\r\nSome lines of text.\r\nAnd one more.\r\n";

fn spawn(house: &House, program: &str, env: &[(&str, &str)]) -> (UnixStream, Child) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new(bin(program));
    command
        .arg("Maildir")
        .current_dir(house.path("joe"))
        .env_clear()
        .env("PATH", run::PATH)
        .env("USER", "joe")
        .env("TCPREMOTEIP", "127.0.0.1")
        .envs(env.iter().copied())
        .stdin(OwnedFd::from(theirs.try_clone().unwrap()))
        .stdout(OwnedFd::from(theirs))
        .stderr(Stdio::inherit());
    if is_root() {
        command.uid(house.user).gid(house.group);
    }
    let child = command.spawn().unwrap();
    drop(command);
    (ours, child)
}

fn imap_with(house: &House, env: &[(&str, &str)]) -> Imap {
    let (stream, child) = spawn(house, "imapd", env);
    let client = Imap::attach(stream, child);
    assert!(client.greeting.starts_with("PREAUTH"), "{client:?}");
    client
}

fn imap(house: &House) -> Imap {
    imap_with(house, &[])
}

/// A whole POP3 session; all that the server said.
fn pop3(house: &House, commands: &str) -> String {
    let (mut stream, mut child) = spawn(house, "pop3d", &[]);
    stream.write_all(commands.as_bytes()).unwrap();
    let mut said = String::new();
    stream.set_read_timeout(Some(kit::DEADLINE)).unwrap();
    stream.read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    said
}

fn deliver(house: &House) -> Option<i32> {
    let mut queue = house.queue(&[]);
    queue.feed(b"Subject: hello\n\nSome text.\n", ENVELOPE);
    queue.end().0
}

fn maildir(house: &House) -> PathBuf {
    house.path("joe/Maildir")
}

fn size_file(house: &House) -> String {
    fs::read_to_string(maildir(house).join("maildirsize")).unwrap()
}

/// What the lines of maildirsize add up to.
fn noted(house: &House) -> (i64, i64) {
    let text = size_file(house);
    let mut sum = (0, 0);
    for line in text.lines().skip(1) {
        let (bytes, messages) = line.split_once(' ').unwrap();
        sum.0 += bytes.parse::<i64>().unwrap();
        sum.1 += messages.parse::<i64>().unwrap();
    }
    sum
}

/// What is there, by the files themselves: all folders but Trash, and no message with the flag T.
fn held(house: &House) -> (i64, i64) {
    let mut sum = (0, 0);
    let root = maildir(house);
    let mut folders = vec![root.clone()];
    for entry in fs::read_dir(&root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with('.') && name != ".Trash" {
            folders.push(root.join(name));
        }
    }
    for folder in folders {
        for file in ["new", "cur"]
            .iter()
            .flat_map(|part| files(&folder.join(part)))
        {
            let name = file.file_name().unwrap().to_str().unwrap();
            let flags = name.rsplit_once(":2,").map_or("", |(_, flags)| flags);
            if !flags.contains('T') {
                sum.0 += i64::try_from(file.metadata().unwrap().len()).unwrap();
                sum.1 += 1;
            }
        }
    }
    sum
}

#[track_caller]
fn assert_in_step(house: &House) {
    assert_eq!(noted(house), held(house), "{}", size_file(house));
}

#[track_caller]
fn assert_full(reply: &Reply) {
    assert!(reply.status.starts_with("NO [OVERQUOTA] "), "{reply:?}");
}

fn staged(folder: &Path) -> usize {
    files(&folder.join("tmp")).len()
}

/// A house whose joe may have so much, with one message that was delivered.
fn house_with(quota: &str) -> House {
    let house = House::new();
    house.control("quota", quota);
    assert_eq!(deliver(&house), Some(0));
    house
}

#[test]
fn an_append_over_the_quota_is_refused_before_its_literal_is_sent() {
    let house = house_with("3C");
    let mut client = imap(&house);
    for _ in 0..2 {
        let reply = client.append("INBOX", MESSAGE);
        assert!(reply.is_ok(), "{reply:?}");
    }
    assert_in_step(&house);
    assert_eq!(deliver(&house), Some(31));
    // The NO stands where + would: nothing of the message is sent.
    client.send(format!("a1 APPEND INBOX {{{}}}\r\n", MESSAGE.len()));
    assert!(client.response().starts_with("a1 NO [OVERQUOTA] "));
    // What is on its way already is read, and no command.
    client.send(format!(
        "a2 APPEND INBOX {{{0}+}}\r\n{MESSAGE} {{{0}+}}\r\n{MESSAGE}\r\na3 NOOP\r\n",
        MESSAGE.len()
    ));
    assert!(client.response().starts_with("a2 NO [OVERQUOTA] "));
    while !client.response().starts_with("a3 OK") {}
    assert_eq!(staged(&maildir(&house)), 0);
    assert_in_step(&house);
    // By octets, too, and the sum of several messages counts.
    house.control("quota", "100000S");
    client.ok("SELECT INBOX");
    client.ok("STORE 1 +FLAGS (\\Deleted)");
    client.ok("EXPUNGE");
    assert_eq!(deliver(&house), Some(0), "of another quota: counted again");
    let large = "x".repeat(60_000);
    let reply = client.pieces(&[
        Piece::Words("APPEND INBOX "),
        Piece::Literal(large.as_bytes()),
        Piece::Words(" "),
        Piece::Literal(large.as_bytes()),
    ]);
    assert_full(&reply);
    assert_eq!(staged(&maildir(&house)), 0);
    assert!(client.append("INBOX", &large).is_ok());
    assert_full(&client.append("INBOX", &large));
    assert_in_step(&house);
}

#[test]
fn who_is_full_can_move_and_delete_and_not_copy() {
    let house = house_with("3C");
    let mut client = imap(&house);
    for _ in 0..2 {
        assert!(client.append("INBOX", MESSAGE).is_ok());
    }
    for name in ["box", "Trash"] {
        client.ok(&format!("CREATE {name}"));
    }
    client.ok("SELECT INBOX");
    assert_full(&client.run("COPY 1 box"));
    assert_full(&client.run("COPY 1:3 INBOX"));
    assert_eq!(held(&house).1, 3);
    client.ok("MOVE 1 box");
    client.ok("MOVE 1 INBOX");
    assert_in_step(&house);
    assert_eq!(held(&house).1, 3);
    // Trash does not count, so there is room after that.
    client.ok("COPY 1 Trash");
    client.ok("MOVE 1 Trash");
    assert_in_step(&house);
    assert_eq!(held(&house).1, 2);
    client.ok("COPY 1 box");
    assert_in_step(&house);
    // But not for what comes back.
    client.ok("SELECT Trash");
    assert_full(&client.run("MOVE 1 INBOX"));
    assert_full(&client.run("RENAME Trash elsewhere"));
    client.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)");
    client.ok("EXPUNGE");
    assert_in_step(&house);
    // A message that is marked does not count.
    client.ok("SELECT box");
    client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
    assert_in_step(&house);
    assert_eq!(held(&house).1, 2);
    assert!(client.append("INBOX", MESSAGE).is_ok());
    client.ok("STORE 1 FLAGS.SILENT ()");
    assert_in_step(&house);
    assert_eq!(
        held(&house).1,
        4,
        "over the quota, but nobody's mail is taken"
    );
    assert_full(&client.append("INBOX", MESSAGE));
    client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
    client.ok("CLOSE");
    assert_in_step(&house);
    client.ok("DELETE box");
    assert_in_step(&house);
    // A whole mailbox goes to Trash, and comes back.
    assert_eq!(held(&house).1, 2);
    client.ok("DELETE Trash");
    client.ok("CREATE box");
    assert!(client.append("box", MESSAGE).is_ok());
    client.ok("RENAME box Trash");
    assert_in_step(&house);
    assert_eq!(held(&house).1, 2);
    client.ok("RENAME Trash box");
    assert_in_step(&house);
    client.ok("RENAME INBOX Trash");
    assert_in_step(&house);
    assert_eq!(held(&house).1, 1);
    client.ok("DELETE box");
    assert_eq!((noted(&house), held(&house)), ((0, 0), (0, 0)));
}

#[test]
fn what_pop3_deletes_makes_room_without_a_count() {
    let house = house_with("3C");
    for _ in 0..2 {
        assert_eq!(deliver(&house), Some(0));
    }
    let before = size_file(&house);
    assert!(pop3(&house, "DELE 1\r\nRSET\r\nQUIT\r\n").contains("+OK"));
    assert_eq!(size_file(&house), before);
    assert!(pop3(&house, "DELE 1\r\nDELE 3\r\nQUIT\r\n").contains("+OK"));
    assert!(
        size_file(&house).starts_with(&before),
        "{}",
        size_file(&house)
    );
    assert_in_step(&house);
    let after = size_file(&house);
    assert_eq!(deliver(&house), Some(0));
    assert!(
        size_file(&house).starts_with(&after),
        "{}",
        size_file(&house)
    );
    assert_in_step(&house);
}

#[test]
fn the_quota_of_the_environment_holds_where_nothing_was_ever_delivered() {
    let house = House::new();
    house.control("quota", "3C");
    assert_eq!(deliver(&house), Some(0));
    let path = maildir(&house).join("maildirsize");
    fs::remove_file(&path).unwrap();
    let mut client = imap_with(&house, &[("MAILDIRQUOTA", "2C")]);
    assert!(client.append("INBOX", MESSAGE).is_ok());
    assert!(size_file(&house).starts_with("2C\n"));
    assert_full(&client.append("INBOX", MESSAGE));
    // It is made again, if somebody removes it.
    fs::remove_file(&path).unwrap();
    assert_full(&client.append("INBOX", MESSAGE));
    assert!(size_file(&house).starts_with("2C\n"));
    assert_in_step(&house);
    // Who has none, has none.
    fs::remove_file(&path).unwrap();
    let mut client = imap(&house);
    for _ in 0..3 {
        assert!(client.append("INBOX", MESSAGE).is_ok());
    }
    let mut client = imap_with(&house, &[("MAILDIRQUOTA", "NOQUOTA")]);
    fs::write(&path, "1C\n0 0\n").unwrap();
    house.give(&path);
    assert!(client.append("INBOX", MESSAGE).is_ok());
    assert_eq!(size_file(&house), "1C\n0 0\n");
}

#[test]
fn one_command_stages_no_more_than_so_much() {
    let house = House::new();
    assert_eq!(deliver(&house), Some(0));
    let mut client = imap_with(&house, &[("IMAPD_APPENDLIMIT", "1000")]);
    let message = "x".repeat(1000);
    let mut pieces = vec![Piece::Words("APPEND INBOX ")];
    for _ in 0..3 {
        pieces.extend([Piece::Literal(message.as_bytes()), Piece::Words(" ")]);
    }
    pieces.push(Piece::Literal(message.as_bytes()));
    let reply = client.pieces(&pieces);
    assert!(reply.is_ok(), "{reply:?}");
    pieces.extend([Piece::Words(" "), Piece::Literal(b"x")]);
    let reply = client.pieces(&pieces);
    assert!(reply.status.starts_with("NO [LIMIT] "), "{reply:?}");
    assert_eq!(staged(&maildir(&house)), 0);
    assert_eq!(held(&house).1, 5);
}

#[test]
fn a_compressed_append_of_what_grows_a_thousandfold_is_refused_and_leaves_nothing() {
    let house = house_with("5000S");
    let mut client = imap(&house);
    client.compress();
    let zeros = vec![0; 10_000_000];
    // The most that a message may have, and more.
    for (count, code) in [(10, "OVERQUOTA"), (14, "TOOBIG")] {
        client.send(format!("a1 APPEND INBOX {{{}+}}\r\n", count * zeros.len()));
        for _ in 0..count {
            client.send(&zeros);
        }
        client.send("\r\na2 NOOP\r\n");
        let said = client.response();
        assert!(said.starts_with(&format!("a1 NO [{code}] ")), "{said}");
        assert!(client.response().starts_with("a2 OK"));
    }
    assert_eq!(staged(&maildir(&house)), 0);
    assert_in_step(&house);
}

#[test]
fn a_size_file_that_is_none_stops_nobody() {
    let house = House::new();
    assert_eq!(deliver(&house), Some(0));
    let path = maildir(&house).join("maildirsize");
    let huge = format!("2C\n{}", "1 1\n".repeat(100_000));
    let cases = [
        ("2C\n", true),
        ("2C\n-100000 -5\n", true),
        ("2C\n99999999999999999999 1\n", true),
        ("2C\ngarbage\n", true),
        (huge.as_str(), true),
        ("garbage", false),
        ("-2C\n0 0\n", false),
        ("", false),
    ];
    for (text, is_known) in cases {
        fs::write(&path, text).unwrap();
        house.give(&path);
        let mut client = imap(&house);
        client.ok("SELECT INBOX");
        assert!(client.append("INBOX", MESSAGE).is_ok());
        let reply = client.append("INBOX", MESSAGE);
        assert_eq!(
            !reply.is_ok(),
            is_known,
            "{}: {reply:?}",
            &text[..text.len().min(30)]
        );
        if is_known {
            assert_full(&reply);
            assert_in_step(&house);
        }
        client.ok("STORE 2:* +FLAGS (\\Deleted)");
        client.ok("EXPUNGE");
        fs::remove_file(&path).unwrap();
    }
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    let mut client = imap(&house);
    client.ok("SELECT INBOX");
    assert!(client.append("INBOX", MESSAGE).is_ok());
    client.ok("STORE 2 +FLAGS (\\Deleted)");
    client.ok("EXPUNGE");
    let mut client = imap_with(&house, &[("MAILDIRQUOTA", "2C")]);
    assert!(client.append("INBOX", MESSAGE).is_ok());
    assert_full(&client.append("INBOX", MESSAGE));
    assert_in_step(&house);
}

#[test]
fn two_sessions_at_the_limit_do_not_go_over_it_together() {
    let house = house_with("20C");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut client = imap(&house);
                for _ in 0..15 {
                    let reply = client.append("INBOX", MESSAGE);
                    assert!(
                        reply.is_ok() || reply.status.starts_with("NO [OVERQUOTA]"),
                        "{reply:?}"
                    );
                }
            });
        }
    });
    assert_in_step(&house);
    // One may have been refused for another that was refused itself.
    assert!((18..=20).contains(&held(&house).1), "{:?}", held(&house));
}

#[test]
fn all_programs_at_once_leave_the_sum_that_a_count_finds() {
    let house = house_with("60C");
    let mut client = imap(&house);
    client.ok("CREATE box");
    client.ok("CREATE Trash");
    let end = Instant::now() + Duration::from_secs(6);
    let house = &house;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                while Instant::now() < end {
                    let code = deliver(house);
                    assert!(matches!(code, Some(0 | 31)), "{code:?}");
                }
            });
        }
        scope.spawn(move || {
            while Instant::now() < end {
                let said = pop3(house, "DELE 1\r\nDELE 2\r\nDELE 3\r\nQUIT\r\n");
                assert!(said.starts_with("+OK"), "{said}");
            }
        });
        for _ in 0..2 {
            scope.spawn(move || {
                let mut client = imap(house);
                client.ok("SELECT INBOX");
                while Instant::now() < end {
                    for command in ["COPY 1 box", "MOVE 2:4 box", "MOVE 1:2 Trash"] {
                        client.run(command);
                        client.run("NOOP");
                    }
                    client.append("box", MESSAGE);
                    client.run("STORE 1:2 +FLAGS.SILENT (\\Deleted)");
                    client.run("STORE 2 -FLAGS.SILENT (\\Deleted)");
                    client.run("EXPUNGE");
                }
            });
        }
        scope.spawn(move || {
            let mut client = imap(house);
            while Instant::now() < end {
                client.ok("SELECT box");
                client.run("STORE 1:10 +FLAGS.SILENT (\\Deleted)");
                client.run("CLOSE");
            }
        });
    });
    assert_in_step(house);
    assert!(held(house).1 <= 60);
}

/// An office whose joe is of the users file, with what his line says of a quota, and never had mail.
fn office_with(quota: &str) -> Office {
    let office = Office::new();
    let home = office.path("joe");
    let line = format!(
        "joe:x:{}:{}::{}:/bin/sh:Maildir:{quota}\n",
        office.uid,
        office.gid,
        home.display()
    );
    fs::write(office.path("home/users"), line).unwrap();
    fs::write(office.path("home/control/accounts"), "users\n").unwrap();
    let secret = office.path("home/users.secret");
    fs::write(&secret, format!("joe:{{PLAIN}}{PASSWORD}\n")).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    office
}

/// How many messages joe can add by IMAP behind this checker, of four; the environment of superd has `env`, too.
fn room(office: &Office, checker: &str, env: &[(&str, &str)]) -> usize {
    let mut server = office.serve(&["imapup", HOST, checker, "imapd", "Maildir"]);
    for (name, value) in env {
        server = server.env(name, value);
    }
    let server = server.start();
    let mut client = Imap::connect(server.address());
    let reply = client.login("joe", PASSWORD);
    assert!(reply.starts_with("OK "), "{checker}: {reply}");
    for count in 0..4 {
        let reply = client.append("INBOX", MESSAGE);
        if !reply.is_ok() {
            assert_full(&reply);
            return count;
        }
    }
    4
}

#[test]
fn who_never_had_a_delivery_is_kept_to_the_quota_of_his_account_after_a_login() {
    let by_path = bin("checkpassword").display().to_string();
    for checker in ["checkpassword", "checkpw", by_path.as_str()] {
        let office = office_with("2C");
        assert_eq!(room(&office, checker, &[]), 2, "{checker}");
        let size = fs::read_to_string(office.maildir("joe").join("maildirsize")).unwrap();
        assert!(size.starts_with("2C\n"), "{checker}: {size}");
    }
}

#[test]
fn the_quota_of_the_account_comes_before_the_default_and_that_before_one_of_the_environment() {
    let (env, none): (&[_], &[_]) = (&[("MAILDIRQUOTA", "1C")], &[]);
    for (account, default, env, most) in [
        ("3C", "2C\n", env, 3),
        ("NOQUOTA", "2C\n", env, 4),
        ("", "2C\n", env, 2),
        ("", "2C\n", none, 2),
        ("", "", env, 1),
        ("", "", none, 4),
        // Nobody is kept from his mail by a typing error.
        ("", "two\n", none, 4),
    ] {
        let office = office_with(account);
        if !default.is_empty() {
            fs::write(office.path("home/control/quota"), default).unwrap();
        }
        let found = room(&office, "checkpassword", env);
        assert_eq!(found, most, "{account:?} {default:?} {env:?}");
    }
}

#[test]
fn what_pop3_removes_makes_room_under_the_quota_of_the_account() {
    let office = office_with("2C");
    assert_eq!(room(&office, "checkpassword", &[]), 2);
    let server = office.pop3("checkpassword").start();
    let mut client = server.connect();
    client.line();
    assert!(client.login("joe", PASSWORD).starts_with("+OK"));
    assert!(client.ask("DELE 1").starts_with("+OK"));
    assert!(client.ask("QUIT").starts_with("+OK"));
    client.rest();
    assert_eq!(room(&office, "checkpassword", &[]), 1);
}
