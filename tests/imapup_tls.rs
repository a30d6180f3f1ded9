//! STARTTLS with a real TLS program by the UCSPI-TLS convention, and REQUIRETLS.

use std::path::Path;

use crate::imapup_session::YES;
use crate::post::{HOST, Office, PASSWORD, Pop3};
use crate::support::{Client, Run, bin, libexec, peer, tls};

/// imapup behind a TLS program, for one connection.
fn behind_tls(office: &Office, env: &[(&str, &Path)]) -> Option<tls::Program> {
    let imapup = bin("imapup").display().to_string();
    let words = [&imapup, HOST, "checkpw", "/bin/sh", "-c", YES];
    let (home, libexec) = (office.path("home"), libexec());
    let mut all = vec![
        ("SUPERD_HOME", home.as_path()),
        ("SUPERD_LIBEXEC", libexec.as_path()),
    ];
    all.extend_from_slice(env);
    tls::Program::start(&office.launcher(), &words, &all)
}

#[test]
fn curl_logs_in_after_starttls_also_where_tls_is_required() {
    let office = Office::new();
    for env in [&[][..], &[("REQUIRETLS", Path::new("1"))]] {
        let Some(program) = behind_tls(&office, env) else {
            return;
        };
        let (Some((certificate, _)), Some(curl)) = (tls::certificate(), peer("curl")) else {
            return;
        };
        let (host, port) = (program.address.ip(), program.address.port());
        let done = Run::new(curl)
            .args(["-sS", "--max-time", "20", "--ssl-reqd", "--cacert"])
            .arg(certificate)
            .arg("--connect-to")
            .arg(format!("localhost:{port}:{host}:{port}"))
            .args(["-u", &format!("joe:{PASSWORD}"), "-X", "NOOP"])
            .arg(format!("imap://localhost:{port}/"))
            .done();
        let log = program.log();
        assert_eq!((done.code, done.err().as_str()), (Some(0), ""), "{log}");
        let line = log.lines().find(|line| line.starts_with("imapup: login "));
        let line = line.expect("a line");
        assert!(
            line.contains(" ip=127.0.0.1 user=joe ") && line.contains(" tls=TLSv1.3"),
            "{log}"
        );
    }
}

#[test]
fn without_tls_requiretls_refuses_a_password_and_says_why() {
    let office = Office::new();
    let Some(program) = behind_tls(&office, &[("REQUIRETLS", Path::new("1"))]) else {
        return;
    };
    let mut client = Client::connect(program.address);
    let greeting = client.line();
    assert!(
        greeting.contains(" ID STARTTLS LOGINDISABLED]"),
        "{greeting}"
    );
    let reply = client.ask("a LOGIN joe x");
    assert!(
        reply.starts_with("a NO [PRIVACYREQUIRED] STARTTLS first"),
        "{reply}"
    );
    client.ask("a LOGOUT");
    program.log();
}

#[test]
fn what_was_sent_in_the_clear_behind_starttls_is_not_taken_as_sent_after_it() {
    let office = Office::new();
    for behind in ["b NOOP\r\nc CAPABILITY\r\n", "b LOGIN {3+}\r\n"] {
        let Some(program) = behind_tls(&office, &[]) else {
            return;
        };
        let mut client = Client::connect(program.address);
        client.line();
        // CVE-2011-0411: the injected command must not be answered, in the clear or later.
        client.send(format!("a STARTTLS\r\n{behind}"));
        assert_eq!(client.line(), "a OK TLS now");
        let rest = client.rest();
        let is_answered = rest.windows(3).any(|part| part == b"OK " || part == b"BAD");
        assert!(!is_answered, "{}", rest.escape_ascii());
    }
}
