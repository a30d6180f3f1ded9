//! smtpd's conversation as the outside sees it: pipes, clients that go away, kills, memory.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use kit::log::pid_of;
use kit::place::files;
use kit::smtp::House;
use kit::{Client, DEADLINE, Server, as_root, bin, libexec, signal, soak};

const TO_JOE: &str = "MAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\nDATA\r\n";

#[test]
fn two_pipes_will_do_and_the_exit_code_tells_how_it_ended() {
    let house = House::new();
    let done = house.smtpd("QUIT\r\n").done();
    assert_eq!(
        (done.code, done.out().as_str()),
        (Some(0), "220 here.test ESMTP\r\n221 here.test\r\n")
    );
    let done = house.smtpd("HELO x\n").done();
    assert_eq!(done.code, Some(1));
    assert_eq!(done.out(), "220 here.test ESMTP\r\n250 here.test\r\n");
}

#[test]
fn without_any_variable_it_says_unknown() {
    let house = House::new();
    let queue = house.capturing("other");
    let done = house
        .smtpd(&format!("{TO_JOE}x\r\n.\r\nQUIT\r\n"))
        .env("QMAILQUEUE", &queue)
        .env("TCPREMOTEIP", "")
        .done();
    assert_eq!(done.code, Some(0), "{}", done.out());
    let message = files(&house.path("other"))
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "message"))
        .unwrap();
    let text = fs::read_to_string(message).unwrap();
    assert!(
        text.starts_with("Received: from unknown (unknown)\n  by unknown with SMTP id "),
        "{text}"
    );
}

#[test]
fn a_home_that_is_not_there_is_told() {
    let house = House::new();
    let done = house
        .smtpd("")
        .env("SUPERD_HOME", "/nonexistent/home")
        .done();
    assert_eq!(done.code, Some(1));
    assert_eq!(done.out(), "421 unable to read controls (#4.3.0)\r\n");
    let expected = "smtpd: fault ip=192.0.2.1 reason=\"unable to read /nonexistent/home: \
                    file does not exist\"\n";
    // As root it warns before.
    assert!(done.err().ends_with(expected), "{}", done.err());
}

#[test]
fn pipelined_replies_travel_together_and_half_a_command_does_not_hold_them() {
    let house = House::new();
    let server = house.smtp().start();
    let mut client = server.connect();
    client.expect("220 ");
    client.send("MAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\nRCPT TO:<nobody@here.test>\r\nRSE");
    for reply in ["250 ok", "250 ok", "550 "] {
        client.expect(reply);
    }
    client.send("T\r\n");
    client.expect("250 flushed");
}

#[test]
fn a_silent_client_is_told_and_left() {
    let house = House::new();
    house.control("timeoutsmtpd", "1");
    let server = house.smtp().start();
    assert_eq!(
        server.talk(),
        "220 here.test ESMTP\r\n451 timeout (#4.4.2)\r\n"
    );
    server.wait_for("smtpd: end ip=127.0.0.1 reason=\"the client was silent for too long\"");
}

/// A client that has been told 354.
fn in_data(server: &Server) -> Client {
    let mut client = server.connect();
    client.dialogue(
        "220 ",
        &[
            ("MAIL FROM:<s@x>", "250 ok"),
            ("RCPT TO:<joe@here.test>", "250 ok"),
            ("DATA", "354 "),
        ],
    );
    client
}

#[test]
fn a_client_that_goes_away_in_the_middle_has_sent_nothing() {
    let house = House::new();
    let server = house.smtp().start();
    let client = in_data(&server);
    client.finish();
    let mut client = in_data(&server);
    client.send("half a line");
    client.finish();
    let mut client = in_data(&server);
    client.send("a line\r\n.\r");
    client.reset();
    server.wait_for_nth(3, "smtpd: broken ip=127.0.0.1 ");
    server.wait_for_nth(3, "maildir-queue: fail ip=127.0.0.1 ");
    assert!(house.mail("joe").is_empty());
}

#[test]
fn a_killed_smtpd_has_delivered_nothing_before_the_dot() {
    let house = House::new();
    let server = house.smtp().start();
    let mut client = in_data(&server);
    client.send("text\r\n".repeat(1000));
    signal(pid_of(&server.wait_for(" pid ")), "KILL");
    assert_eq!(client.text(), "");
    let line = server.wait_for("maildir-queue: fail ");
    assert!(
        line.contains("code=54 reason=\"the message was withdrawn: "),
        "{line}"
    );
    assert!(house.mail("joe").is_empty());
}

/// Lines of the text in [`send_and_kill`]: more than a queue program keeps in memory.
const LINES: usize = 20_000;

/// Sends a message, in one go and whatever comes of it, while smtpd is killed `delay` after its
/// start; whether the message was accepted.
fn send_and_kill(server: &Server, number: usize, delay: Duration) -> bool {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let pid = pid_of(&server.wait_for_nth(number, " pid "));
    let killer = std::thread::spawn(move || {
        std::thread::sleep(delay);
        signal(pid, "KILL");
    });
    let text = "0123456789abcdef\r\n".repeat(LINES);
    let all = format!("{TO_JOE}Subject: {number}\r\n\r\n{text}end\r\n.\r\n");
    let _ = stream.write_all(all.as_bytes());
    let mut replies = Vec::new();
    let _ = stream.read_to_end(&mut replies);
    killer.join().unwrap();
    // `250 ok` alone is for MAIL and RCPT.
    String::from_utf8_lossy(&replies).contains("\r\n250 ok ")
}

fn number_of(round: u32) -> usize {
    usize::try_from(round).unwrap()
}

fn kill_smtpd_at_many_instants(rounds: u32) {
    let house = House::new();
    let server = house.smtp().start();
    let mut promised = Vec::new();
    for round in 1..=rounds {
        let delay = Duration::from_micros(u64::from(round * 7919 % 30_000));
        let number = number_of(round);
        if send_and_kill(&server, number, delay) {
            promised.push(number);
        }
    }
    // A queue program that was told everything goes on without smtpd.
    std::thread::sleep(Duration::from_millis(300));
    let mail = house.mail("joe");
    println!(
        "promised {} of {rounds}, there {}",
        promised.len(),
        mail.len()
    );
    assert!(mail.len() < number_of(rounds), "no kill came in time");
    for text in &mail {
        // Our two lines, Received's two, the subject, an empty line, the text, the end.
        let whole = text.ends_with("\nend\n") && text.lines().count() == LINES + 7;
        assert!(whole, "not whole: {} bytes", text.len());
    }
    for number in promised {
        let subject = format!("\nSubject: {number}\n");
        assert!(
            mail.iter().any(|text| text.contains(&subject)),
            "{number} was promised"
        );
    }
    assert!(house.unfinished("joe").is_empty());
}

#[test]
fn whenever_smtpd_is_killed_what_is_there_is_whole_and_what_was_promised_is_there() {
    kill_smtpd_at_many_instants(40);
}

#[test]
fn soak_whenever_smtpd_is_killed_what_is_there_is_whole() {
    if soak() {
        kill_smtpd_at_many_instants(2000);
    }
}

/// A field of /proc/PID/status in kilobytes.
fn memory(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn memory_does_not_grow_with_the_message() {
    let house = House::new();
    let server = house.smtp().start();
    let mut client = in_data(&server);
    let pid = pid_of(&server.wait_for(" pid "));
    let before = memory(pid, "RssAnon:");
    let block = "0123456789abcdef0123456789abcdef\r\n".repeat(1000);
    for _ in 0..600 {
        client.send(&block);
    }
    let after = memory(pid, "RssAnon:");
    assert!(
        after < 1024 && after - before < 256,
        "{before} kB before, {after} kB after"
    );
    client.send(".\r\n");
    client.expect("250 ok ");
    assert!(house.mail("joe")[0].len() > 600 * 33 * 1000);
}

#[test]
fn memory_does_not_grow_with_a_line_without_end() {
    let house = House::new();
    let server = house.smtp().start();
    let mut client = server.connect();
    client.expect("220 ");
    let pid = pid_of(&server.wait_for(" pid "));
    for _ in 0..60 {
        client.send([b'x'; 16_384]);
    }
    client.send("\r\nNOOP\r\n");
    client.expect("500 line too long");
    client.expect("250 ok");
    assert!(memory(pid, "RssAnon:") < 1024);
    // The server hangs up in the middle of it, so sending may fail.
    for _ in 0..70 {
        client.send([b'x'; 16_384]);
        std::thread::sleep(Duration::from_millis(1));
        if server
            .log()
            .iter()
            .any(|line| line.contains("a line without end"))
        {
            break;
        }
    }
    server.wait_for("smtpd: end ip=127.0.0.1 reason=\"the client sent a line without end\"");
}

#[test]
fn a_log_that_nobody_reads_does_not_stop_mail() {
    let house = House::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let server = house.smtp().stderr(writer).start();
    let started = Instant::now();
    let refused = "RCPT TO:<nobody-of-that-long-name@here.test>\r\n".repeat(90);
    for _ in 0..12 {
        let mut client = server.connect();
        client.expect("220 ");
        client.send(format!("MAIL FROM:<s@x>\r\n{refused}"));
        client.expect("250 ok");
        for _ in 0..90 {
            client.expect("550 ");
        }
        client.send(format!("{TO_JOE}x\r\n.\r\nQUIT\r\n"));
        for reply in ["250 ok", "250 ok", "354 ", "250 ok ", "221 "] {
            client.expect(reply);
        }
    }
    assert!(started.elapsed() < DEADLINE);
    assert_eq!(house.wait_for_mail("joe", 12).len(), 12);
    drop(reader);
}

#[test]
fn started_with_sigchld_ignored_it_still_learns_that_the_message_is_delivered() {
    let house = House::new();
    // superd gives programs the default; a shell between them takes it away again.
    let smtpd = kit::libexec().join("smtpd");
    let ignoring = format!("trap '' CHLD; exec '{}'", smtpd.display());
    let server = house.smtp().shell(&ignoring).start();
    let mut client = server.connect();
    client.expect("220");
    client.send(format!("{TO_JOE}x\r\n.\r\nQUIT\r\n"));
    for prefix in ["250", "250", "354", "250"] {
        client.expect(prefix);
    }
    house.wait_for_mail("joe", 1);
}

/// superd with smtpd behind it that are started as root and without -u.
fn as_root_without_a_user(house: &House, unprivileged: &str) -> Server {
    Server::under_name(bin("superd"))
        .options(["-vHRl0"])
        .handler([libexec().join("smtpd")])
        .env("SUPERD_HOME", house.path("home"))
        .env("SUPERD_UNPRIV", unprivileged)
        .start()
}

#[test]
fn started_as_root_it_is_somebody_else_before_it_reads_and_says_whom() {
    if !as_root("smtpd started as root") {
        return;
    }
    let house = House::new();
    let server = as_root_without_a_user(&house, "nobody");
    let mut client = server.connect();
    client.expect("220 ");
    let pid = pid_of(&server.wait_for("pid "));
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let ids = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let (uid, gid) = (house.user, house.group);
    assert_eq!(ids("Uid:"), [uid.to_string().as_str(); 4].join(" "));
    assert_eq!(ids("Gid:"), [gid.to_string().as_str(); 4].join(" "));
    assert!(
        ["", &gid.to_string()].contains(&ids("Groups:").as_str()),
        "{status}"
    );
    assert_eq!(ids("CapEff:"), "0000000000000000");
    let line = server.wait_for("smtpd: warning ");
    assert!(
        line.contains(&format!("goes on as uid {uid} and gid {gid}: ")),
        "{line}"
    );
    // The mailboxes of that user it writes to, and so it serves.
    for (line, reply) in TO_JOE.lines().zip(["250 ", "250 ", "354 "]) {
        client.say(line);
        client.expect(reply);
    }
    client.send("Subject: x\r\n\r\nhello\r\n.\r\n");
    client.expect("250 ");
    assert_eq!(house.mail("joe").len(), 1);
}

#[test]
fn as_root_without_anybody_to_become_it_serves_nobody() {
    if !as_root("smtpd started as root") {
        return;
    }
    let house = House::new();
    let server = as_root_without_a_user(&house, "no-such-user");
    assert_eq!(
        server.connect().text(),
        "421 unable to read controls (#4.3.0)\r\n"
    );
    let line = server.wait_for("smtpd: fault ");
    assert!(line.contains("no such user: no-such-user"), "{line}");
    assert!(
        !server
            .log()
            .iter()
            .any(|line| line.contains("smtpd: start"))
    );
}
