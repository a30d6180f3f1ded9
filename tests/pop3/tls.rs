//! STLS with a real TLS program by the UCSPI-TLS convention, and REQUIRETLS.

use std::path::Path;

use kit::pop3::{HOST, Office, PASSWORD, Pop3};
use kit::{Client, Run, bin, libexec, peer, tls};

/// popup behind a TLS program, for one connection.
fn behind_tls(office: &Office, env: &[(&str, &Path)]) -> Option<tls::Program> {
    let popup = bin("popup").display().to_string();
    let words = [&popup, HOST, "checkpw", "pop3d", "Maildir"];
    let (home, libexec) = (office.path("home"), libexec());
    let mut all = vec![
        ("SUPERD_HOME", home.as_path()),
        ("SUPERD_LIBEXEC", libexec.as_path()),
    ];
    all.extend_from_slice(env);
    tls::Program::start(&office.launcher(), &words, &all)
}

fn curl(program: &tls::Program, more: &[&str]) -> Option<Run> {
    let (certificate, _) = tls::certificate()?;
    let (host, port) = (program.address.ip(), program.address.port());
    Some(
        Run::new(peer("curl")?)
            .args(["-sS", "--max-time", "20", "--cacert"])
            .arg(certificate)
            .arg("--connect-to")
            .arg(format!("localhost:{port}:{host}:{port}"))
            .args(["-u", &format!("joe:{PASSWORD}")])
            .args(more)
            .arg(format!("pop3://localhost:{port}/1")),
    )
}

#[test]
fn curl_logs_in_and_reads_its_mail_after_stls() {
    let office = Office::new();
    office.deliver("joe", "1.a", "Subject: secret\n\nbody\n");
    let Some(program) = behind_tls(&office, &[]) else {
        return;
    };
    let Some(curl) = curl(&program, &["--ssl-reqd"]) else {
        return;
    };
    let done = curl.done();
    let log = program.log();
    assert_eq!((done.code, done.err().as_str()), (Some(0), ""), "{log}");
    assert_eq!(done.out(), "Subject: secret\r\n\r\nbody\r\n");
    let line = log
        .lines()
        .find(|line| line.starts_with("popup: login "))
        .expect("a line");
    assert!(
        line.contains(" ip=127.0.0.1 user=joe ") && line.contains(" tls=TLSv1.3"),
        "{log}"
    );
}

#[test]
fn without_tls_requiretls_refuses_a_password_and_says_why() {
    let office = Office::new();
    let Some(program) = behind_tls(&office, &[("REQUIRETLS", Path::new("1"))]) else {
        return;
    };
    let mut client = Client::connect(program.address);
    assert!(client.line().starts_with("+OK"));
    assert!(client.ask("CAPA").starts_with("+OK"));
    let capabilities = client.body();
    assert!(
        capabilities.contains(&"STLS".to_owned()),
        "{capabilities:?}"
    );
    assert!(
        !capabilities
            .iter()
            .any(|line| line == "USER" || line.contains("PLAIN")),
        "{capabilities:?}"
    );
    let reply = client.ask("USER joe");
    assert!(
        reply.starts_with("-ERR") && reply.contains("STLS"),
        "{reply}"
    );
    client.ask("QUIT");
    program.log();
}

#[test]
fn requiretls_is_content_after_stls() {
    let office = Office::new();
    office.deliver("joe", "1.a", "Subject: x\n\ny\n");
    let Some(program) = behind_tls(&office, &[("REQUIRETLS", Path::new("1"))]) else {
        return;
    };
    let Some(curl) = curl(&program, &["--ssl-reqd"]) else {
        return;
    };
    let done = curl.done();
    let log = program.log();
    assert_eq!((done.code, done.err().as_str()), (Some(0), ""), "{log}");
}

#[test]
fn what_was_sent_in_the_clear_behind_stls_is_not_taken_as_sent_after_it() {
    let office = Office::new();
    let Some(program) = behind_tls(&office, &[]) else {
        return;
    };
    let mut client = Client::connect(program.address);
    client.line();
    // CVE-2011-0411: the injected command must not be answered, in the clear or later.
    client.send("STLS\r\nNOOP\r\nCAPA\r\n");
    assert!(client.line().starts_with("+OK"));
    let rest = client.rest();
    assert!(
        !rest.windows(3).any(|part| part == b"+OK"),
        "{}",
        rest.escape_ascii()
    );
}

#[test]
fn stls_is_neither_offered_nor_taken_without_a_tls_program() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let mut client = server.connect();
    client.line();
    client.ask("CAPA");
    assert!(!client.body().contains(&"STLS".to_owned()));
    assert!(client.ask("STLS").starts_with("-ERR"));
}
