//! popup's limits, just under and just over, its clocks, how it ends, and what it can be started on.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use kit::pop3::{HOST, Office, PASSWORD, Pop3, one_try};
use kit::{DEADLINE, Run, bin, libexec};

#[test]
fn a_command_line_has_512_bytes() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let mut client = server.connect();
    client.line();
    let line = |length: usize| format!("USER {}", "x".repeat(length - "USER ".len()));
    assert_eq!(client.ask(&line(512)), "+OK ");
    let reply = client.ask(&line(513));
    assert!(
        reply.starts_with("-ERR ") && reply.contains("too long"),
        "{reply}"
    );
    // Far more than is ever kept, and the conversation goes on behind it.
    let reply = client.ask(&line(200_000));
    assert!(reply.starts_with("-ERR "), "{reply}");
    assert!(client.login("joe", PASSWORD).starts_with("+OK"));
}

#[test]
fn lines_of_auth_have_12320_bytes() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let mut client = server.connect();
    client.line();
    // No base64, so that what is read whole is refused for that.
    for (length, told) in [(12_320, "base64"), (12_321, "too long")] {
        let line = format!("AUTH PLAIN {}", "?".repeat(length - "AUTH PLAIN ".len()));
        let reply = client.ask(&line);
        assert!(
            reply.starts_with("-ERR ") && reply.contains(told),
            "{length}: {reply}"
        );
        assert_eq!(client.ask("AUTH PLAIN").trim_end(), "+");
        let reply = client.ask(&"?".repeat(length));
        assert!(
            reply.starts_with("-ERR ") && reply.contains(told),
            "{length}: {reply}"
        );
    }
    assert_eq!(client.ask("NOOP"), "+OK ");
}

#[test]
fn a_line_without_end_ends_the_conversation() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let mut client = TcpStream::connect(server.address()).unwrap();
    client.set_write_timeout(Some(DEADLINE)).unwrap();
    let chunk = vec![b'x'; 1 << 16];
    // The buffers of a socket hold some megabytes of it.
    let cut = (0..1000).position(|_| client.write_all(&chunk).is_err());
    assert!(cut.is_some(), "all of it was taken");
    server.wait_for("popup: end ip=127.0.0.1 reason=");
    server.wait_for_ends(1);
}

#[test]
fn what_does_not_fit_in_the_record_is_refused_like_a_wrong_password() {
    let office = Office::new();
    let server = one_try(office.pop3("checkpw")).start();
    let mut client = server.connect();
    client.line();
    assert_eq!(client.ask(&format!("USER {}", "u".repeat(400))), "+OK ");
    let reply = client.ask(&format!("PASS {}", "p".repeat(400)));
    assert!(reply.starts_with("-ERR [AUTH] "), "{reply}");
}

#[test]
fn a_nul_is_no_part_of_a_command() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let mut client = server.connect();
    client.line();
    // The original takes this for the user joe.
    client.send(b"USER joe\0x\r\n");
    assert!(client.line().starts_with("-ERR "));
    assert_eq!(client.ask(&format!("PASS {PASSWORD}")), "-ERR USER first");
    assert_eq!(client.ask("USER joe"), "+OK ");
    client.send(format!("PASS {PASSWORD}\0\r\n"));
    assert!(client.line().starts_with("-ERR "));
    assert!(client.ask(&format!("PASS {PASSWORD}")).starts_with("+OK"));
}

#[test]
fn twenty_bad_commands_or_a_thousand_of_any_kind_end_the_conversation() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let mut client = server.connect();
    client.line();
    client.send("STAT\r\nNOOP\r\n".repeat(30));
    let all = client.text();
    let bad = all
        .lines()
        .filter(|line| *line == "-ERR authorization first")
        .count();
    assert_eq!(bad, 20, "{all}");
    assert!(all.ends_with("-ERR too many bad commands\r\n"), "{all}");
    server.wait_for("popup: end ip=127.0.0.1 reason=\"too many bad commands\"");
    let mut client = server.connect();
    client.line();
    client.send("NOOP\r\n".repeat(1001));
    let all = client.text();
    assert_eq!(all.lines().filter(|line| *line == "+OK ").count(), 1000);
    assert!(
        all.lines()
            .last()
            .unwrap()
            .starts_with("-ERR too many commands"),
        "{all}"
    );
}

#[test]
fn the_servers_end_line_has_the_exit_code_of_the_session() {
    let office = Office::new();
    let pop3d = bin("pop3d").display().to_string();
    let login = format!("USER joe\r\nPASS {PASSWORD}\r\n");
    for (checker, program, said, expected) in [
        ("checkpw", "pop3d", "QUIT\r\n", 0),
        ("checkpw", "pop3d", "NOOP\r\n", 256),
        ("checkpw", "pop3d", &*format!("{login}QUIT\r\n"), 0),
        ("checkpw", &pop3d, &format!("{login}QUIT\r\n"), 0),
        ("checkpw", "/bin/true", &login, 0),
        ("checkpw", "/bin/false", &login, 256),
        ("/bin/true", "pop3d", &login, 0),
        ("checkpw", "/nonexistent/program", &login, 111 << 8),
    ] {
        let server = office
            .serve(&["popup", HOST, checker, program, "Maildir"])
            .start();
        let status = server.status_of(said);
        let told = format!("{checker} {program} {said:?}: {:?}", server.log());
        assert_eq!(status, expected, "{told}");
    }
}

#[test]
fn a_client_that_says_nothing_is_hung_up_on_without_a_word() {
    let office = Office::new();
    for (name, value) in [("TIMEOUT", "1"), ("AUTH_TIMEOUT", "1")] {
        let server = office
            .pop3("checkpw")
            .env("TIMEOUT", "1000")
            .env(name, value)
            .start();
        let started = Instant::now();
        let mut client = server.connect();
        client.line();
        assert_eq!(client.rest(), b"");
        let took = started.elapsed();
        assert!(
            took >= Duration::from_millis(900) && took < Duration::from_secs(20),
            "{took:?}"
        );
        server.wait_for_ends(1);
        assert!(server.wait_for("superd: end ").ends_with(" status 256"));
    }
}

#[test]
fn the_time_before_the_login_is_bounded_however_much_is_said() {
    let office = Office::new();
    let server = office
        .pop3("checkpw")
        .env("AUTH_SESSION_TIMEOUT", "1")
        .start();
    let started = Instant::now();
    let mut client = server.connect();
    client.line();
    let mut said = 0;
    while client.try_say("NOOP").is_some() && client.try_line().is_some() {
        said += 1;
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "it goes on for ever"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(started.elapsed() >= Duration::from_millis(900), "{said}");
    // But one who has logged in by then stays.
    let mut client = server.connect();
    client.line();
    assert!(client.login("joe", PASSWORD).starts_with("+OK"));
    std::thread::sleep(Duration::from_millis(600));
    assert!(client.ask("NOOP").starts_with("+OK"));
}

#[test]
fn a_setting_that_is_no_number_serves_nobody_and_is_named_in_the_log() {
    let office = Office::new();
    for name in ["TIMEOUT", "AUTH_SESSION_TIMEOUT", "MAXAUTHFAIL"] {
        let server = office.pop3("checkpw").env(name, "10m").start();
        let reply = server.talk();
        assert!(
            reply.starts_with("-ERR [SYS/PERM] ") && reply.ends_with("\r\n"),
            "{reply}"
        );
        let line = server.wait_for("popup: fault ip=127.0.0.1 reason=");
        assert!(line.contains(name), "{line}");
        server.wait_for_ends(1);
        assert!(
            server
                .wait_for(": end ")
                .ends_with(&format!(" status {}", 111 << 8))
        );
    }
}

/// popup with descriptors 0 and 1 as a caller gives them, and the whole session in `said`.
mod without_a_server {
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    use super::*;
    use kit::run;

    fn words(office: &Office, program: &str) -> Vec<String> {
        let popup = bin("popup").display().to_string();
        let mut all = office.launcher();
        all.extend([&*popup, HOST, "checkpw", program, "Maildir"].map(str::to_owned));
        all
    }

    fn session() -> String {
        format!("USER joe\r\nPASS {PASSWORD}\r\nSTAT\r\nQUIT\r\n")
    }

    fn is_whole(all: &str) {
        let replies: Vec<&str> = all.lines().collect();
        assert_eq!(replies.len(), 5, "{all}");
        assert!(replies.iter().all(|line| line.starts_with("+OK")), "{all}");
        assert!(replies[3].starts_with("+OK 1 "), "{all}");
    }

    #[test]
    fn pipes_serve_as_well() {
        let office = Office::new();
        office.deliver("joe", "1.a", "Subject: x\n\nhello\n");
        let pop3d = bin("pop3d").display().to_string();
        for program in ["pop3d", &pop3d] {
            let words = words(&office, program);
            let done = Run::new(&words[0])
                .args(&words[1..])
                .env("SUPERD_HOME", office.path("home"))
                .env("SUPERD_LIBEXEC", libexec())
                .input(session())
                .done();
            is_whole(&done.out());
            assert_eq!(done.code, Some(0));
            let log = done.err();
            let expected = "popup: login ip=unknown user=joe method=user tls=no";
            assert_eq!(log.lines().next(), Some(expected), "{log}");
        }
    }

    #[test]
    fn a_socket_pair_serves_as_well() {
        let office = Office::new();
        office.deliver("joe", "1.a", "Subject: x\n\nhello\n");
        let pop3d = bin("pop3d").display().to_string();
        for program in ["pop3d", &pop3d] {
            let words = words(&office, program);
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            ours.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut child = Command::new(&words[0])
                .args(&words[1..])
                .env_clear()
                .env("PATH", run::PATH)
                .env("SUPERD_HOME", office.path("home"))
                .env("SUPERD_LIBEXEC", libexec())
                .stdin(OwnedFd::from(theirs.try_clone().unwrap()))
                .stdout(OwnedFd::from(theirs))
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            ours.write_all(session().as_bytes()).unwrap();
            let mut all = String::new();
            ours.read_to_string(&mut all).unwrap();
            is_whole(&all);
            let status = run::wait(&mut child, Instant::now() + DEADLINE).expect("it ends");
            assert_eq!(status.code(), Some(0));
        }
    }
}
