//! The ways out, to servers that people have: Dovecot takes over by LMTP, Postfix as a smarthost, and programs with
//! sendmail's interface. And Postfix as the client, whose message has recipients of two ways.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kit::dovecot::Dovecot;
use kit::place::files;
use kit::postfix::{Place, Postfix, Wanted};
use kit::server::Builder;
use kit::smtp::House;
use kit::{Client, DEADLINE, Run, SOMEBODY, Server, as_root, peer, private_dir, script, tls};

/// Dots, no ASCII, a line that is longer than any of SMTP's.
fn text() -> String {
    let long = "0123456789".repeat(300);
    format!("Subject: gr\u{fc}\u{df}e\n\n.\n..\n.dot\n{long}\nFrom here on\n\nlast\n")
}

/// Sends a message; all replies but that to EHLO, the last that to the message.
fn send(server: &Server, recipients: &[&str]) -> Vec<String> {
    send_text(server, recipients, &text())
}

fn send_text(server: &Server, recipients: &[&str], text: &str) -> Vec<String> {
    let mut client = server.connect();
    client.dialogue("220 ", &[("EHLO client.test", "250 ")]);
    let mut ask = |line: &str| {
        client.say(line);
        client.expect("").pop().unwrap()
    };
    let mut replies = vec![ask("MAIL FROM:<s@far.test> BODY=8BITMIME")];
    for recipient in recipients {
        replies.push(ask(&format!("RCPT TO:<{recipient}>")));
    }
    if replies[1..].iter().any(|reply| reply.starts_with("250")) {
        replies.push(ask("DATA"));
        if replies.last().unwrap().starts_with("354") {
            let text = text.replace('\n', "\r\n").replace("\r\n.", "\r\n..");
            replies.push(ask(&format!("{text}.")));
        }
    }
    replies
}

fn is_taken(replies: &[String], told: &dyn Fn() -> String) {
    let last = replies.last().unwrap();
    assert!(last.starts_with("250 ok "), "{replies:?} {}", told());
}

/// A house whose users' mail and all other goes one way: whoever connects may relay.
fn relaying(way: &str) -> (House, Builder) {
    let house = House::new();
    house.control("localqueue", way);
    house.control("remotequeue", way);
    let server = house.smtp().env("RELAYCLIENT", "");
    (house, server)
}

#[test]
fn dovecot_takes_over_by_lmtp_on_a_unix_socket_and_on_tcp() {
    if !as_root("LMTP to Dovecot") {
        return;
    }
    let place = private_dir(0o755);
    let home = place.path().join("dove");
    for name in ["", "Maildir", "Maildir/new", "Maildir/cur", "Maildir/tmp"] {
        fs::create_dir(home.join(name)).unwrap();
        std::os::unix::fs::chown(home.join(name), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    }
    let socket = place.path().join("lmtp");
    let more = format!(
        "protocols = pop3 imap lmtp\nauth_username_format = %Ln\n\
         service lmtp {{\n unix_listener {} {{\n mode = 0666\n }}\n inet_listener lmtp {{\n port = 2424\n }}\n}}\n\
         protocol lmtp {{\n postmaster_address = postmaster@here.test\n}}\n",
        socket.display()
    );
    let users = [("dove", "secret", SOMEBODY, SOMEBODY, home.as_path())];
    let Some(dovecot) = Dovecot::start_with(&users, &more) else {
        return;
    };
    let ways = [
        format!("lmtp:unix:{}", socket.display()),
        format!("lmtp:{}:2424", dovecot.imap_address().ip()),
    ];
    for (count, way) in ways.iter().enumerate() {
        let (_house, server) = relaying(way);
        let server = server.start();
        let told = || format!("{:?} {}", server.log(), dovecot.log());
        let replies = send(&server, &["dove@here.test", "nobody-here@here.test"]);
        assert!(replies[2].starts_with("550 "), "{replies:?} {}", told());
        is_taken(&replies, &told);
        let stored = files(&home.join("Maildir/new"));
        assert_eq!(stored.len(), count + 1, "{}", told());
        for file in stored {
            let stored = fs::read_to_string(file).unwrap();
            assert!(stored.ends_with(&text()), "{stored}");
            assert!(stored.contains(" with ESMTP id "), "{stored}");
            assert!(stored.contains("Return-Path: <s@far.test>\n"), "{stored}");
        }
        let replies = send(&server, &["nobody-here@here.test"]);
        assert!(replies[1].starts_with("550 "), "{replies:?} {}", told());
    }
}

/// The name of the smarthost, which only /etc/hosts knows, as this test makes it.
const SMARTHOST: &str = "smarthost.test";

/// Words that let a program know [`SMARTHOST`].
fn knowing(dir: &Path, address: Ipv4Addr) -> Vec<String> {
    let hosts = dir.join("hosts");
    fs::write(&hosts, format!("{address} {SMARTHOST}\n")).unwrap();
    let text = format!(
        "mount --bind '{}' /etc/hosts || exit 111; exec \"$@\"",
        hosts.display()
    );
    let words = ["unshare", "-m", "/bin/sh", "-c", &text, "sh"];
    words.into_iter().map(str::to_owned).collect()
}

/// A Postfix that takes everything, with a certificate for [`SMARTHOST`], and the authority behind it. With a
/// Dovecot for it, only who logs in as joe gets in.
struct Smarthost {
    postfix: Postfix,
    authority: PathBuf,
    dir: tempfile::TempDir,
    _dovecot: Option<Dovecot>,
}

fn smarthost(with_login: bool) -> Option<Smarthost> {
    let place = Place::new()?;
    let dir = private_dir(0o755);
    let (authority, certificate, key) = tls::issued_for(dir.path(), SMARTHOST)?;
    let mut dovecot = None;
    if with_login {
        let socket = place.path("auth");
        let more = format!(
            "service auth {{\n unix_listener {} {{\n mode = 0666\n }}\n}}\n",
            socket.display()
        );
        let users = [("joe", "secret word", SOMEBODY, SOMEBODY, dir.path())];
        dovecot = Some(Dovecot::start_with(&users, &more)?);
    }
    let wanted = Wanted {
        more: "smtpd_tls_received_header = yes\nsmtpd_sasl_authenticated_header = yes\n",
        certificate: Some(&(certificate, key)),
        ..Wanted::default()
    };
    let postfix = place.start((SOMEBODY, SOMEBODY), &wanted)?;
    Some(Smarthost {
        postfix,
        authority,
        dir,
        _dovecot: dovecot,
    })
}

impl Smarthost {
    fn ip(&self) -> Ipv4Addr {
        self.postfix.address().ip().to_string().parse().unwrap()
    }

    /// A house that sends everything this way, knows the host's name, and trusts this authority.
    fn house(&self, way: &str, authority: Option<&Path>) -> (House, Server) {
        let (house, server) = relaying(way);
        if let Some(authority) = authority {
            house.control(
                "remoteca",
                fs::read_to_string(authority).unwrap().trim_end(),
            );
        }
        let launcher = knowing(self.dir.path(), self.ip());
        (house, server.launcher(launcher).start())
    }
}

/// Postfix has so many messages, as they were sent; its own line in the header says this.
fn arrives(postfix: &Postfix, count: usize, said: &str) {
    let mail = postfix.wait_for_mail(count);
    // It adds lines to the header.
    let text = text();
    let (_, body) = text.split_once("\n\n").unwrap();
    for mail in mail {
        let (header, stored) = mail.split_once("\n\n").unwrap();
        assert!(
            header.contains(said) && header.contains("\nSubject: gr\u{fc}\u{df}e\n"),
            "{header}"
        );
        assert_eq!(stored, body);
    }
}

#[test]
fn postfix_is_a_smarthost_in_the_clear_and_by_whatever_tls_it_has() {
    let Some(place) = Place::new() else { return };
    let Some(plain) = place.start((SOMEBODY, SOMEBODY), &Wanted::default()) else {
        return;
    };
    let (_house, server) = relaying(&format!("smtp:{}", plain.address()));
    let server = server.start();
    is_taken(&send(&server, &["x@far.test", "y@far.test"]), &|| {
        plain.log()
    });
    // One copy for each recipient.
    arrives(&plain, 2, " with ESMTP id ");

    // Whoever it is, nobody else is to listen.
    let Some(host) = smarthost(false) else { return };
    let (_house, server) = host.house(&format!("smtp:{}", host.postfix.address()), None);
    is_taken(&send(&server, &["x@far.test"]), &|| host.postfix.log());
    arrives(&host.postfix, 1, "(using TLSv1.");
}

#[test]
fn postfix_with_a_proved_name_is_trusted_and_without_one_it_is_not() {
    let Some(host) = smarthost(false) else { return };
    let (smtp, smtps) = (host.postfix.address(), host.postfix.tls_address());
    let mut count = 0;
    for way in [
        format!("submission:{SMARTHOST}:{}", smtp.port()),
        format!("smtps:{SMARTHOST}:{}", smtps.port()),
    ] {
        let (_house, server) = host.house(&way, Some(&host.authority));
        let told = || format!("{:?} {}", server.log(), host.postfix.log());
        is_taken(&send(&server, &["x@far.test"]), &told);
        count += 1;
        arrives(&host.postfix, count, "(using TLSv1.");
    }
    let other_dir = private_dir(0o755);
    let Some((other, ..)) = tls::issued_for(other_dir.path(), SMARTHOST) else {
        return;
    };
    for (way, authority) in [
        // Another authority, those of the system, and another name.
        (
            format!("submission:{SMARTHOST}:{}", smtp.port()),
            Some(other.as_path()),
        ),
        (format!("smtps:{SMARTHOST}:{}", smtps.port()), None),
        (format!("submission:{smtp}"), Some(host.authority.as_path())),
        (format!("smtps:{smtps}"), Some(host.authority.as_path())),
    ] {
        let (_house, server) = host.house(&way, authority);
        let replies = send(&server, &["x@far.test"]);
        let refusal = "451 unable to reach the next host, please try again later (#4.4.1)";
        assert_eq!(replies[1..], [refusal], "{way} {:?}", server.log());
        let line = server.wait_for("smtpd: fault ");
        assert!(
            line.contains(&way) && line.contains("certificate"),
            "{line}"
        );
    }
    // Without TLS at all it is not even asked.
    let Some(plain) =
        Place::new().and_then(|place| place.start((SOMEBODY, SOMEBODY), &Wanted::default()))
    else {
        return;
    };
    let (_house, server) = host.house(
        &format!("submission:{}", plain.address()),
        Some(&host.authority),
    );
    let replies = send(&server, &["x@far.test"]);
    assert!(replies[1].starts_with("451 "), "{replies:?}");
    server.wait_for("it does not offer STARTTLS, which is required here");
    assert!(plain.mail().is_empty());
    host.postfix.wait_for_mail(count);
}

#[test]
fn postfix_lets_in_who_logs_in_and_the_password_goes_nowhere_else() {
    let Some(host) = smarthost(true) else { return };
    let ways = [
        format!("submission:{SMARTHOST}:{}", host.postfix.address().port()),
        format!("smtps:{SMARTHOST}:{}", host.postfix.tls_address().port()),
    ];
    let mut count = 0;
    for way in &ways {
        let (house, server) = host.house(way, Some(&host.authority));
        let told = || format!("{:?} {}", server.log(), host.postfix.log());
        // Nobody in particular is refused, and by the host's own words.
        let replies = send(&server, &["x@far.test"]);
        assert!(replies[1].starts_with("554 "), "{replies:?} {}", told());
        house.control("remoteauth", "joe:wrong word");
        let replies = send(&server, &["x@far.test"]);
        // It is not the client who has a wrong password.
        assert!(replies[1].starts_with("451 "), "{replies:?} {}", told());
        house.control("remoteauth", "joe:secret word");
        is_taken(&send(&server, &["x@far.test"]), &told);
        count += 1;
        arrives(&host.postfix, count, "(Authenticated sender: joe)");
        let log = server.log().join("\n");
        assert!(!log.contains(" word"), "{log}");
    }
    // By `smtp:` it may be anybody, who gets no password.
    let (house, server) = host.house(
        &format!("smtp:{}", host.postfix.address()),
        Some(&host.authority),
    );
    house.control("remoteauth", "joe:secret word");
    let replies = send(&server, &["x@far.test"]);
    assert!(replies[1].starts_with("554 "), "{replies:?}");
    host.postfix.wait_for_mail(count);
}

/// The number of a group of the system.
fn group(name: &str) -> u32 {
    let text = fs::read_to_string("/etc/group").unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name}:")));
    line.unwrap().split(':').nth(2).unwrap().parse().unwrap()
}

#[test]
fn postfixs_sendmail_takes_over() {
    let (Some(place), Some(sendmail)) = (Place::new(), peer("postfix-sendmail")) else {
        return;
    };
    let wanted = Wanted {
        more: "export_environment = TZ MAIL_CONFIG LANG=C LD_LIBRARY_PATH\n",
        ..Wanted::default()
    };
    let Some(postfix) = place.start((SOMEBODY, SOMEBODY), &wanted) else {
        return;
    };
    let (house, server) = relaying("sendmail:sendmail");
    let text_of = format!(
        "#!/bin/sh\nexec '{}' '{}' \"$@\"\n",
        sendmail.display(),
        postfix.path("etc").display()
    );
    script(&house.path("home/sendmail"), &text_of);
    // What makes its own postdrop set-group-id.
    let server = server.options([format!("-g{}", group("mail"))]).start();
    let replies = send(&server, &["x@far.test", "\"a b\"@far.test"]);
    is_taken(&replies, &|| {
        format!("{:?} {}", server.log(), postfix.log())
    });
    arrives(&postfix, 2, "by postfix.test (Postfix, from userid ");
}

#[test]
fn msmtp_as_sendmail_takes_over_and_says_whether_it_could() {
    let Some(msmtp) = peer("msmtp") else { return };
    // It sends to another house of ours.
    let next = House::new();
    let receiver = next.smtp().start();
    let (house, server) = relaying("sendmail:sendmail");
    let config = house.path("msmtprc");
    let settings = |address: &str, port: u16| {
        let text = format!("account default\nhost {address}\nport {port}\nauth off\ntls off\n");
        fs::write(&config, text).unwrap();
    };
    let text_of = format!(
        "#!/bin/sh\nexec '{}' -C '{}' \"$@\"\n",
        msmtp.display(),
        config.display()
    );
    script(&house.path("home/sendmail"), &text_of);
    let server = server.start();
    let address = receiver.address();
    settings(&address.ip().to_string(), address.port());
    let with_header = format!(
        "From: s@far.test\nDate: Tue, 24 Nov 2026 10:00:00 +0000\n{}",
        text()
    );
    let told = || format!("{:?} {:?}", server.log(), receiver.log());
    let replies = send_text(&server, &["joe@here.test", "ann@here.test"], &with_header);
    is_taken(&replies, &told);
    for user in ["joe", "ann"] {
        let mail = next.mail(user);
        assert_eq!(mail.len(), 1, "{}", told());
        assert!(mail[0].ends_with(&with_header), "{mail:?}");
        assert!(
            mail[0].starts_with("Return-Path: <s@far.test>\n"),
            "{mail:?}"
        );
    }
    // Where its own next host takes nothing, or is not there, nothing is taken.
    let replies = send_text(&server, &["nobody-here@here.test"], &with_header);
    assert!(!replies.last().unwrap().starts_with('2'), "{replies:?}");
    drop(receiver);
    let replies = send_text(&server, &["joe@here.test"], &with_header);
    assert!(replies.last().unwrap().starts_with("451 "), "{replies:?}");
    assert_eq!(next.mail("joe").len(), 1);
}

#[test]
fn a_client_that_goes_before_its_end_has_sendmail_never_started() {
    let (house, server) = relaying("sendmail:sendmail");
    let started = house.own_dir("started");
    let text_of = format!("#!/bin/sh\ncat >'{}/'$$\n", started.display());
    script(&house.path("home/sendmail"), &text_of);
    let server = server.start();
    let mut client = server.connect();
    client.dialogue(
        "220 ",
        &[
            ("EHLO client.test", "250 "),
            ("MAIL FROM:<s@far.test>", "250 "),
            ("RCPT TO:<x@far.test>", "250 "),
            ("DATA", "354 "),
        ],
    );
    client.send("Subject: half\r\n\r\nhalf");
    drop(client);
    server.wait_for("smtpd: broken ");
    server.wait_for("superd: end ");
    assert!(files(&started).is_empty());
    is_taken(&send(&server, &["x@far.test"]), &String::new);
    assert_eq!(files(&started).len(), 1);
}

#[test]
fn postfix_as_the_client_sends_one_message_for_recipients_of_two_ways() {
    let Some(place) = Place::new() else { return };
    let house = House::new();
    let remote = house.capturing("remote");
    house.control("remotequeue", remote.to_str().unwrap());
    let server = house.smtp().env("RELAYCLIENT", "").start();
    let wanted = Wanted {
        relay_host: Some(server.address()),
        ..Wanted::default()
    };
    let Some(postfix) = place.start((SOMEBODY, SOMEBODY), &wanted) else {
        return;
    };
    let mut client = Client::connect(postfix.address());
    client.expect("220 ");
    for line in [
        "EHLO client.test",
        "MAIL FROM:<s@far.test>",
        "RCPT TO:<joe@here.test>",
        "RCPT TO:<x@far.test>",
        "RCPT TO:<ann@here.test>",
        "DATA",
        "Subject: two ways\r\n\r\ntext\r\n.",
    ] {
        client.say(line);
        let said = loop {
            let line = client.try_line().unwrap_or_default();
            if line.as_bytes().get(3) != Some(&b'-') {
                break line;
            }
        };
        assert!(
            said.starts_with(['2', '3']),
            "{line}: {said} {}",
            postfix.log()
        );
    }
    client.try_say("QUIT");
    let deadline = Instant::now() + DEADLINE;
    let counts = || {
        (
            house.mail("joe").len(),
            house.mail("ann").len(),
            house.captured("remote").len(),
        )
    };
    let mut asked = Instant::now();
    while counts() != (1, 1, 1) {
        // A look into the queue while the message is still on its way puts it off for long.
        if asked.elapsed() > Duration::from_secs(2) {
            asked = Instant::now();
            flush(&postfix);
        }
        let told = format!("{:?} {:?} {}", counts(), server.log(), postfix.log());
        assert!(Instant::now() < deadline, "{told}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let accepted = server.wait_for("smtpd: accept ");
    assert!(accepted.contains(" rcpts=3 "), "{accepted}");
    while !queue_is_empty(&postfix) {
        assert!(Instant::now() < deadline, "{}", postfix.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(counts(), (1, 1, 1), "each of them once");
    assert_eq!(house.captured("remote"), ["Fs@far.test|Tx@far.test||"]);
    assert!(
        !postfix.log().contains("status=bounced"),
        "{}",
        postfix.log()
    );
}

/// What `postqueue -f` says to the queue manager: forget who was not there, and look at everything now.
fn flush(postfix: &Postfix) {
    use std::io::Write;
    let socket = postfix.path("queue").join("public/qmgr");
    if let Ok(mut manager) = std::os::unix::net::UnixStream::connect(socket) {
        let _ = manager.write_all(b"FAD");
    }
}

fn queue_is_empty(postfix: &Postfix) -> bool {
    let parts =
        ["incoming", "active", "deferred", "maildrop"].map(|name| postfix.path("queue").join(name));
    let done = Run::new("find").args(parts).args(["-type", "f"]).done();
    done.out().is_empty()
}
