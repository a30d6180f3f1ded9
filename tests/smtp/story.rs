//! A host as an administrator sets it up: the services of the init script, users of the system, a message that
//! comes by SMTP and is read by POP3 or IMAP; and people who log in to send.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kit::clients::python;
use kit::imap::Imap;
use kit::place::files;
use kit::pop3::{Office, SYSTEM_PASSWORD, with_system_users};
use kit::sasl::base64;
use kit::{Client, DEADLINE, Done, Run, address, bin, peer, private_dir, script};

/// Who receives mail, and in which group.
const QMAILD: u32 = 54_361;
const NOFILES: u32 = 54_362;

const SMTP: u16 = 25;
const SUBMISSION: u16 = 587;

/// An office whose services are those of the init script.
struct Host {
    office: Office,
    address: Ipv4Addr,
}

impl Host {
    /// Starts these services, with further settings.
    fn new(services: &str, settings: &str) -> Host {
        let host = Host {
            office: Office::new(),
            address: address(),
        };
        host.add(
            "passwd",
            &format!("qmaild:x:{QMAILD}:{NOFILES}::/nonexistent:/bin/false\n"),
        );
        host.add("group", &format!("nofiles:x:{NOFILES}:\n"));
        let path = |name: &str| host.path(name).display().to_string();
        host.control("me", "here.test");
        host.control("localqueue", &format!("lmtp:unix:{}", path("run/lmtp")));
        let done = Run::new(bin("superd-rules"))
            .args([path("tcp.smtp.cdb"), path("tcp.smtp.tmp")])
            .input("127.66.:deny\n:allow\n")
            .done();
        assert_eq!(done.code, Some(0), "{}", done.err());
        let text = format!(
            "SUPERD={superd}\nRUN={run}\nLOCK={lock}\nSERVICES='{services}'\nSMTP_HOST={address}\n\
             SMTP_NAME=here.test\nSMTP_RULES={rules}\nSMTP_OPTIONS=-HR\nLMTP_SOCKET={run}/lmtp\n\
             SUBMISSION_HOST={address}\nSUBMISSION_OPTIONS=-HR\nAUTH_SOCKET={run}/auth\n\
             POP3_HOST={address}\nPOP3_OPTIONS=-HR\nexport SUPERD_HOME={home}\n\
             logger_of() {{ exec cat >>{log}; }}\n{settings}\n",
            superd = bin("superd").display(),
            run = path("run"),
            lock = path("lock"),
            address = host.address,
            rules = path("tcp.smtp.cdb"),
            home = path("home"),
            log = path("log"),
        );
        fs::write(host.path("settings"), text).unwrap();
        let done = host.office.init_script("start");
        let told = format!("{}{}{}", done.out(), done.err(), host.office.log());
        assert_eq!(done.code, Some(0), "{told}");
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.office.path(name)
    }

    fn add(&self, file: &str, line: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        fs::write(self.path(file), text + line).unwrap();
    }

    fn control(&self, name: &str, text: &str) {
        fs::write(self.path("home/control").join(name), format!("{text}\n")).unwrap();
    }

    fn port(&self, port: u16) -> SocketAddr {
        (self.address, port).into()
    }

    /// The messages in `new` of a user.
    fn mail(&self, user: &str) -> Vec<String> {
        files(&self.office.maildir(user).join("new"))
            .iter()
            .map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned())
            .collect()
    }

    /// Waits for a line of the log that has all these parts.
    fn wait_for(&self, parts: &[&str]) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let log = self.office.log();
            let is_it = |line: &&str| parts.iter().all(|part| line.contains(part));
            if let Some(line) = log.lines().find(is_it) {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "no line with {parts:?}: {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A program that takes what goes to other hosts, and keeps it.
    fn way_out(&self) {
        let dir = self.path("sent");
        fs::create_dir(&dir).unwrap();
        std::os::unix::fs::chown(&dir, Some(QMAILD), Some(NOFILES)).unwrap();
        let text = format!(
            "#!/bin/sh\ncat >'{0}'/$$.message && cat <&1 >'{0}'/$$.envelope\n",
            dir.display()
        );
        script(&self.path("way-out"), &text);
        self.control("remotequeue", &self.path("way-out").display().to_string());
    }

    /// What the way out was given, and forgets it: envelopes and messages.
    fn take_sent(&self) -> Vec<(String, String)> {
        let all = files(&self.path("sent"));
        let envelopes = all
            .iter()
            .filter(|path| path.extension().is_some_and(|end| end == "envelope"));
        let sent = envelopes
            .map(|path| {
                let message = path.with_extension("message");
                let text =
                    |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
                (text(path).replace('\0', "|"), text(&message))
            })
            .collect();
        for path in all {
            fs::remove_file(path).unwrap();
        }
        sent
    }

    /// The replies to a transaction from this client, the last one to its message.
    fn transaction(&self, client: &mut Client, sender: &str, recipients: &[&str]) -> Vec<String> {
        let mut replies = vec![ask(client, &format!("MAIL FROM:<{sender}>"))];
        for recipient in recipients {
            replies.push(ask(client, &format!("RCPT TO:<{recipient}>")));
        }
        replies.push(ask(client, "DATA"));
        if replies.last().is_some_and(|reply| reply.starts_with("354")) {
            replies.push(ask(client, "Subject: by hand\r\n\r\ntext\r\n."));
        }
        replies
    }

    /// A client that has said EHLO.
    fn greeted(&self, port: u16) -> Client {
        let mut client = Client::connect(self.port(port));
        client.expect("220 here.test ESMTP");
        ask(&mut client, "EHLO client.test");
        client
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.office.init_script("stop");
    }
}

/// Says a line; the last line of the reply.
fn ask(client: &mut Client, line: &str) -> String {
    client.say(line);
    client.expect("").pop().unwrap()
}

fn begins(replies: &[String], codes: &[&str]) {
    let begins = replies.iter().map(|reply| &reply[..3]);
    assert!(begins.eq(codes.iter().copied()), "{replies:?}");
}

/// swaks, from a stranger to this recipient.
fn swaks(host: &Host, port: u16, to: &str, more: &[&str]) -> Option<Done> {
    Some(
        Run::new(peer("swaks")?)
            .args([
                "--server",
                &host.address.to_string(),
                "--port",
                &port.to_string(),
            ])
            .args(["--helo", "swaks.test", "--from", "s@far.test", "--to", to])
            .args(["--header", "Subject: by swaks", "--body", "text of swaks"])
            .args(more)
            .done(),
    )
}

/// curl, as the article reads mail.
fn read_by_pop3(host: &Host, user: &str, number: usize) -> Option<String> {
    let done = Run::new(peer("curl")?)
        .args(["-sS", "--max-time", "20"])
        .args(["-u", &format!("{user}:{SYSTEM_PASSWORD}")])
        .arg(format!("pop3://{}/{number}", host.address))
        .done();
    assert_eq!(done.code, Some(0), "{}{}", done.err(), host.office.log());
    Some(done.out().replace("\r\n", "\n"))
}

fn belongs(path: &Path, uid: u32, mode: u32) {
    let meta = fs::metadata(path).unwrap();
    let found = (meta.uid(), meta.gid(), meta.permissions().mode() & 0o7777);
    assert_eq!(found, (uid, uid, mode), "{path:?}");
}

#[test]
fn a_message_for_a_user_of_the_system_is_his_and_is_read_by_pop3() {
    if !with_system_users("mail for users of the system by the init script") {
        return;
    }
    let host = Host::new("lmtp smtp pop3", "POP3_CHECKER=checkpassword");
    // joe has no Maildir yet.
    fs::remove_dir_all(host.office.maildir("joe")).unwrap();
    let Some(done) = swaks(&host, SMTP, "joe@here.test", &[]) else {
        return;
    };
    assert_eq!(done.code, Some(0), "{}{}", done.out(), host.office.log());
    let uid = host.office.uid_of("joe");
    let maildir = host.office.maildir("joe");
    let [file] = &files(&maildir.join("new"))[..] else {
        panic!("one message: {}", host.office.log())
    };
    belongs(file, uid, 0o600);
    for name in ["", "tmp", "new", "cur"] {
        belongs(&maildir.join(name), uid, 0o700);
    }
    assert!(files(&maildir.join("tmp")).is_empty());
    let stored = fs::read_to_string(file).unwrap();
    let head = "Return-Path: <s@far.test>\nDelivered-To: joe@here.test\nReceived: from ";
    assert!(stored.starts_with(head), "{stored}");
    // One line of each program that had it.
    let traces: Vec<&str> = stored
        .lines()
        .filter(|line| line.starts_with("Received: "))
        .collect();
    assert_eq!(traces.len(), 2, "{stored}");
    assert!(
        stored.contains(" with LMTP id ") && stored.contains(" with ESMTP id "),
        "{stored}"
    );
    assert!(stored.contains("(HELO swaks.test) ("), "{stored}");
    // By his name, or by his address, as some clients have it.
    for login in ["joe", "joe@here.test"] {
        if let Some(read) = read_by_pop3(&host, login, 1) {
            assert_eq!(read, stored);
        }
    }
    // What the client was told, what smtpd logs and what the log of the delivery says is one thing.
    let accepted = host.wait_for(&["smtpd: accept ", " to=<joe@here.test>"]);
    let id = accepted.split(" hop=").nth(1).expect("what the hop said");
    let id = id.trim_start_matches('"').trim_start_matches("ok ");
    let id = id.split(['"', ' ']).next().unwrap();
    host.wait_for(&["lmtpd: deliver ", &format!("qp={id} ")]);
}

#[test]
fn with_the_services_of_the_script_each_recipient_is_who_he_is() {
    if !with_system_users("recipients by the init script") {
        return;
    }
    let host = Host::new("lmtp smtp", "");
    let refused = "550 sorry, no mailbox here by that name (#5.1.1)";
    let mut client = host.greeted(SMTP);
    for (recipient, reply) in [
        ("nobody-here@here.test", refused),
        // uid 0, whatever it is called.
        ("root@here.test", refused),
        ("toor@here.test", refused),
        (
            "x@far.test",
            "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
        ),
    ] {
        let replies = host.transaction(&mut client, "s@far.test", &[recipient]);
        assert_eq!(replies[1], reply, "{recipient}");
    }
    // A postmaster is a must, so who he is must be said; until then nobody is sent away.
    let replies = host.transaction(&mut client, "s@far.test", &["postmaster"]);
    begins(&replies, &["250", "451", "503"]);
    host.control("admin", "joe");
    fs::write(
        host.path("home/aliases"),
        "team: joe, ann\nhostmaster: ann\n",
    )
    .unwrap();
    let mut client = host.greeted(SMTP);
    for (recipients, joe, ann) in [
        (&["postmaster", "abuse@HERE.test"][..], 1, 0),
        (&["team@here.test"], 2, 1),
        (&["hostmaster@here.test"], 2, 2),
        (&["joe-list@here.test", "Ann@Here.Test"], 3, 3),
    ] {
        let replies = host.transaction(&mut client, "s@far.test", recipients);
        assert!(
            replies.last().unwrap().starts_with("250 ok "),
            "{replies:?} {}",
            host.office.log()
        );
        let mail = (host.mail("joe").len(), host.mail("ann").len());
        assert_eq!(mail, (joe, ann), "{recipients:?}");
    }
    assert!(
        host.mail("joe")
            .iter()
            .any(|mail| mail.contains("\nDelivered-To: joe-list@here.test\n"))
    );
    for file in files(&host.office.maildir("ann").join("new")) {
        belongs(&file, host.office.uid_of("ann"), 0o600);
    }
    // Some recipients are known and some are not: who is known gets the message.
    let replies = host.transaction(
        &mut client,
        "s@far.test",
        &["no@here.test", "joe@here.test"],
    );
    begins(&replies, &["250", "550", "250", "354", "250"]);
    assert_eq!(host.mail("joe").len(), 4);
    let mut denied = Client::connect_from(Ipv4Addr::new(127, 66, 1, 1), host.port(SMTP));
    assert_eq!(denied.try_line(), None, "the rules hold");
}

#[test]
fn without_the_service_that_delivers_nothing_is_taken_and_nothing_is_lost() {
    if !with_system_users("a host without lmtpd") {
        return;
    }
    let host = Host::new("smtp", "");
    let mut client = host.greeted(SMTP);
    let replies = host.transaction(&mut client, "s@far.test", &["joe@here.test"]);
    assert_eq!(
        replies[1],
        "451 unable to reach the next host, please try again later (#4.4.1)"
    );
    begins(&replies, &["250", "451", "503"]);
    host.wait_for(&["smtpd: fault ", "unable to connect to lmtp:unix:"]);
    assert!(host.mail("joe").is_empty());
    drop(client);
    // A service of the same settings that is started later is enough.
    let text = fs::read_to_string(host.path("settings")).unwrap();
    fs::write(host.path("settings"), text + "SERVICES='lmtp smtp'\n").unwrap();
    assert_eq!(
        host.office.init_script("start").code,
        Some(0),
        "{}",
        host.office.log()
    );
    let mut client = host.greeted(SMTP);
    let replies = host.transaction(&mut client, "s@far.test", &["joe@here.test"]);
    begins(&replies, &["250", "250", "354", "250"]);
    // The service behind an open session is started anew, and what it had open ends: its next message gets there.
    let text = fs::read_to_string(host.path("settings")).unwrap();
    fs::write(host.path("settings"), text.clone() + "SERVICES=lmtp\n").unwrap();
    assert_eq!(
        host.office.init_script("restart").code,
        Some(0),
        "{}",
        host.office.log()
    );
    fs::write(host.path("settings"), text).unwrap();
    let replies = host.transaction(&mut client, "s@far.test", &["joe@here.test"]);
    begins(&replies, &["250", "250", "354", "250"]);
    assert_eq!(host.mail("joe").len(), 2);
}

/// Everything that a person who sends mail has.
const PEOPLE: &str = "POP3_CHECKER=checkpassword";

fn people() -> Option<Host> {
    if !with_system_users("submission by the init script") {
        return None;
    }
    let host = Host::new("auth lmtp smtp submission imap", PEOPLE);
    host.way_out();
    Some(host)
}

#[test]
fn who_does_not_log_in_submits_nothing() {
    let Some(host) = people() else { return };
    let mut client = host.greeted(SUBMISSION);
    for recipient in ["joe@here.test", "x@far.test"] {
        let replies = host.transaction(&mut client, "joe@here.test", &[recipient]);
        begins(&replies, &["530", "503", "503"]);
    }
    // Nor with a wrong password, that of somebody who is locked, or that of root.
    for (user, password) in [
        ("joe", "wrong"),
        ("ann", SYSTEM_PASSWORD),
        ("toor", SYSTEM_PASSWORD),
    ] {
        let secret = base64(format!("\0{user}\0{password}"));
        let reply = ask(&mut client, &format!("AUTH PLAIN {secret}"));
        assert_eq!(
            reply,
            "535 authentication failed (#5.7.8)",
            "{user} {}",
            host.office.log()
        );
    }
    let replies = host.transaction(&mut client, "joe@here.test", &["x@far.test"]);
    begins(&replies, &["530", "503", "503"]);
    if let Some(done) = swaks(&host, SUBMISSION, "x@far.test", &[]) {
        assert_ne!(done.code, Some(0));
        assert!(
            done.out()
                .contains("<** 530 authentication required (#5.7.0)"),
            "{}",
            done.out()
        );
    }
    assert!(host.take_sent().is_empty());
    assert!(host.mail("joe").is_empty());
    // On the port of other hosts nobody logs in.
    let mut client = host.greeted(SMTP);
    assert!(ask(&mut client, "AUTH PLAIN").starts_with("502 "));
    assert!(!host.office.log().contains(SYSTEM_PASSWORD));
}

#[test]
fn people_log_in_by_the_clients_they_have_and_reach_everybody() {
    let Some(host) = people() else { return };
    for mechanism in ["PLAIN", "LOGIN"] {
        let words = [
            "--auth",
            mechanism,
            "--auth-user",
            "joe",
            "--auth-password",
            SYSTEM_PASSWORD,
        ];
        if let Some(done) = swaks(&host, SUBMISSION, "x@far.test", &words) {
            assert_eq!(done.code, Some(0), "{}{}", done.out(), host.office.log());
            one_from_joe(&host, "text of swaks\n");
        }
    }
    if let Some(curl) = peer("curl") {
        let done = Run::new(curl)
            .args([
                "-sS",
                "--max-time",
                "20",
                "-u",
                &format!("joe:{SYSTEM_PASSWORD}"),
            ])
            .args(["--mail-from", "s@far.test", "--mail-rcpt", "x@far.test"])
            .args(["--upload-file", "-"])
            .arg(format!("smtp://{}:{SUBMISSION}", host.address))
            .input("Subject: by curl\r\n\r\ntext of curl\r\n")
            .done();
        assert_eq!(done.code, Some(0), "{}{}", done.err(), host.office.log());
        one_from_joe(&host, "text of curl\n");
    }
    if let Some(msmtp) = peer("msmtp") {
        let dir = private_dir(0o700);
        let config = dir.path().join("msmtprc");
        let text = format!(
            "account default\nhost {}\nport {SUBMISSION}\ntls off\nauth login\nuser joe\npassword \"{SYSTEM_PASSWORD}\"\n\
             from s@far.test\n",
            host.address
        );
        fs::write(&config, text).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
        let done = Run::new(msmtp)
            .arg("-C")
            .arg(&config)
            .arg("x@far.test")
            .env("HOME", dir.path())
            .input("From: s@far.test\nSubject: by msmtp\n\ntext of msmtp\n")
            .done();
        assert_eq!(done.code, Some(0), "{}{}", done.err(), host.office.log());
        one_from_joe(&host, "text of msmtp\n");
    }
    if let Some(python) = python() {
        const TEXT: &str = "
import smtplib, sys
host, port, password = sys.argv[1:]
s = smtplib.SMTP(host, int(port), timeout=20)
s.login('joe', password)
s.sendmail('s@far.test', ['x@far.test'], 'Subject: by smtplib\\n\\ntext of smtplib\\n')
s.quit()
";
        let done = Run::new(python)
            .args([
                "-c",
                TEXT,
                &host.address.to_string(),
                &SUBMISSION.to_string(),
            ])
            .arg(SYSTEM_PASSWORD)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .done();
        assert_eq!(done.code, Some(0), "{}{}", done.err(), host.office.log());
        one_from_joe(&host, "text of smtplib\n");
    }
    assert!(!host.office.log().contains(SYSTEM_PASSWORD));
}

/// One message has left for x@far.test; its header and the log say that joe sent it.
fn one_from_joe(host: &Host, end: &str) {
    let sent = host.take_sent();
    let [(envelope, message)] = &sent[..] else {
        panic!("one message: {sent:?} {}", host.office.log())
    };
    assert_eq!(envelope, "Fs@far.test|Tx@far.test||");
    assert!(
        message.contains(" with ESMTPA id ") && message.contains("(joe@127."),
        "{message}"
    );
    assert!(
        message
            .trim_end_matches('\n')
            .ends_with(end.trim_end_matches('\n')),
        "{message}"
    );
    host.wait_for(&["smtpd: accept ", " login=joe", " to=<x@far.test>"]);
}

#[test]
fn who_has_logged_in_reaches_local_users_too_and_they_read_it_by_imap() {
    let Some(host) = people() else { return };
    let mut client = host.greeted(SUBMISSION);
    let secret = base64(format!("\0joe\0{SYSTEM_PASSWORD}"));
    let reply = ask(&mut client, &format!("AUTH PLAIN {secret}"));
    assert!(reply.starts_with("235 "), "{reply} {}", host.office.log());
    let replies = host.transaction(
        &mut client,
        "joe@here.test",
        &["joe@here.test", "x@far.test"],
    );
    begins(&replies, &["250", "250", "250", "354", "250"]);
    assert_eq!(host.take_sent().len(), 1);
    let mut reader = Imap::connect(host.port(143));
    assert!(
        reader.login("joe", SYSTEM_PASSWORD).starts_with("OK "),
        "{}",
        host.office.log()
    );
    let told = reader.ok("SELECT INBOX");
    assert!(told.iter().any(|line| line == "1 EXISTS"), "{told:?}");
    let told = reader.ok("FETCH 1 BODY[TEXT]");
    assert!(told.concat().contains("text"), "{told:?}");
}

#[test]
fn where_it_is_asked_for_people_send_as_themselves() {
    if !with_system_users("FORCEAUTHMAILFROM by the init script") {
        return;
    }
    let host = Host::new("auth lmtp submission", "export FORCEAUTHMAILFROM=1");
    host.way_out();
    for login in ["joe", "joe@here.test"] {
        let mut client = host.greeted(SUBMISSION);
        let secret = base64(format!("\0{login}\0{SYSTEM_PASSWORD}"));
        let reply = ask(&mut client, &format!("AUTH PLAIN {secret}"));
        assert!(reply.starts_with("235 "), "{reply} {}", host.office.log());
        for sender in ["ann@here.test", "joe@far.test", "", "joe-x@here.test"] {
            let replies = host.transaction(&mut client, sender, &["x@far.test"]);
            begins(&replies, &["553", "503", "503"]);
        }
        assert!(host.take_sent().is_empty());
        for sender in ["joe@here.test", "JOE@Here.test", "joe"] {
            let replies = host.transaction(&mut client, sender, &["x@far.test"]);
            begins(&replies, &["250", "250", "354", "250"]);
        }
        assert_eq!(host.take_sent().len(), 3);
    }
}

#[test]
fn the_line_of_the_manual_serves_without_the_script() {
    if !with_system_users("smtpd by the line of the manual") {
        return;
    }
    let host = Host::new("lmtp", "");
    // With look-ups as it is written: its name server and its client's ident server are not there.
    let launcher = host.office.launcher();
    let mut child = std::process::Command::new(&launcher[0])
        .args(&launcher[1..])
        .arg(bin("superd"))
        .args(["-v", "-u", "qmaild", "-g", "nofiles", "-x", "tcp.smtp.cdb"])
        .args([host.address.to_string().as_str(), "smtp", "smtpd"])
        .current_dir(host.path(""))
        .env_clear()
        .env("PATH", kit::run::PATH)
        .env("SUPERD_HOME", host.path("home"))
        .env("DNSCACHEIP", host.address.to_string())
        .stdin(std::process::Stdio::null())
        .stderr(fs::File::create(host.path("said")).unwrap())
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(host.path("said")).unwrap();
    let deadline = Instant::now() + DEADLINE;
    while !said().contains("superd: status: ") {
        assert!(Instant::now() < deadline, "{}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut client = Client::connect(host.port(SMTP));
    client.expect("220 ");
    ask(&mut client, "EHLO client.test");
    let replies = host.transaction(&mut client, "s@far.test", &["joe@here.test"]);
    child.kill().unwrap();
    child.wait().unwrap();
    begins(&replies, &["250", "250", "354", "250"]);
    assert_eq!(host.mail("joe").len(), 1, "{}{}", said(), host.office.log());
}
