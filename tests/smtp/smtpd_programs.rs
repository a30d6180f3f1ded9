//! AUTH: logins that programs with checkpassword's interface decide about, ours and others.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kit::desk::Desk;
use kit::pop3::{Office, PASSWORD};
use kit::sasl::base64;
use kit::server::Builder;
use kit::smtp::House;
use kit::{Client, Run, libexec, peer, script};

/// A message to somebody at another host, who only gets it from clients that may relay.
const FAR: &str = "RCPT TO:<far@there.test>";

/// smtpd with these words behind it, and a queue program that takes everything.
fn server(house: &House, words: &[&str]) -> Builder {
    let smtpd = libexec().join("smtpd").display().to_string();
    let words: Vec<&str> = [smtpd.as_str()].iter().chain(words).copied().collect();
    let queue = house.capturing("taken");
    house.smtp().handler(words).env("QMAILQUEUE", queue)
}

/// A checker that lets joe in with the password `secret`, keeps the record and its variable AUTH, and becomes
/// the program behind it.
fn checker(house: &House) -> String {
    let records = house.own_dir("records");
    let path = house.path("checker");
    script(
        &path,
        &format!(
            "#!/bin/sh
            cat <&3 >'{0}/record'
            printf %s \"$AUTH\" >'{0}/auth'
            echo '250 said by the checker'
            case \"$(tr '\\000' / <'{0}/record')\" in
            joe/secret/*) exec \"$@\";;
            joe/111/*) exit 111;;
            joe/kill/*) kill -9 $$;;
            *) exit 1;;
            esac\n",
            records.display()
        ),
    );
    path.display().to_string()
}

fn plain(user: &str, password: &str) -> String {
    base64(format!("\0{user}\0{password}"))
}

/// Says EHLO; what is offered behind AUTH.
fn offered(client: &mut Client) -> Option<String> {
    client.say("EHLO client");
    let lines = client.expect("250 ");
    let found = lines
        .iter()
        .find_map(|line| line.get(4..)?.strip_prefix("AUTH "));
    found.map(str::to_owned)
}

/// The messages that the queue program has got.
fn messages(house: &House) -> Vec<String> {
    let all = kit::place::files(&house.path("taken")).into_iter();
    all.filter(|path| path.extension().is_some_and(|end| end == "message"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

#[test]
fn who_logs_in_may_relay_and_stands_in_received() {
    let house = House::new();
    let checker = checker(&house);
    let server = server(&house, &[&checker, "/bin/true"]).start();
    let mut client = server.connect();
    client.expect("220 ");
    assert_eq!(offered(&mut client).as_deref(), Some("LOGIN PLAIN"));
    client.say("MAIL FROM:<joe@here.test>");
    client.expect("250 ");
    client.say(FAR);
    client.expect("553 ");
    client.say("RSET");
    client.expect("250 ");
    // What the checker says on descriptor 1 is no reply.
    client.say(&format!("AUTH PLAIN {}", plain("joe", "secret")));
    client.expect("235 ok, go ahead (#2.0.0)");
    assert_eq!(offered(&mut client), None);
    client.say(&format!("AUTH PLAIN {}", plain("joe", "secret")));
    client.expect("503 ");
    client.say("MAIL FROM:<joe@here.test>");
    client.expect("250 ");
    client.say(FAR);
    client.expect("250 ");
    client.say("DATA");
    client.expect("354 ");
    client.send("hello\r\n.\r\n");
    client.expect("250 ");
    let messages = messages(&house);
    assert!(messages[0].contains("(joe@127."), "{messages:?}");
    assert!(messages[0].contains(" with ESMTPA "), "{messages:?}");
    let record = fs::read(house.path("records/record")).unwrap();
    assert_eq!(record, b"joe\0secret\0\0");
    assert_eq!(fs::read(house.path("records/auth")).unwrap(), b"pop");
    let line = server.wait_for("smtpd: login ");
    assert!(line.contains(" user=joe method=PLAIN"), "{line}");
    assert!(!server.log().join("\n").contains("secret"));
}

#[test]
fn login_asks_for_name_and_password() {
    let house = House::new();
    let checker = checker(&house);
    // The old patches want the host's name in front.
    let server = server(&house, &["mx.example.org", &checker, "/bin/true"]).start();
    server.connect().dialogue(
        "220 ",
        &[
            ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
            (&base64("joe"), "334 UGFzc3dvcmQ6"),
            ("*", "501 "),
            (&format!("AUTH LOGIN {}", base64("joe")), "334 UGFzc3dvcmQ6"),
            (&base64("secret"), "235 "),
        ],
    );
}

#[test]
fn the_digest_of_cram_md5_is_shown_with_its_challenge() {
    let house = House::new();
    let checker = checker(&house);
    let server = server(&house, &[&checker, "/bin/true"])
        .env("SMTPAUTH", "+cram")
        .start();
    let mut client = server.connect();
    client.expect("220 ");
    assert_eq!(
        offered(&mut client).as_deref(),
        Some("LOGIN PLAIN CRAM-MD5")
    );
    client.say("AUTH CRAM-MD5");
    let lines = client.expect("334 ");
    let done = Run::new("base64").arg("-d").input(&lines[0][4..]).done();
    let challenge = done.out();
    assert!(
        challenge.starts_with('<') && challenge.ends_with("@here.test>"),
        "{challenge}"
    );
    let digest = "0123456789abcdef0123456789abcdef";
    client.say(&base64(format!("joe {digest}")));
    client.expect("535 ");
    let record = fs::read_to_string(house.path("records/record")).unwrap();
    assert_eq!(record, format!("joe\0{digest}\0{challenge}\0"));
    assert_eq!(fs::read(house.path("records/auth")).unwrap(), b"cram");
}

#[test]
fn a_wrong_login_is_answered_late_and_a_checker_in_trouble_is_no_refusal() {
    let house = House::new();
    let checker = checker(&house);
    let server = server(&house, &[&checker, "/bin/true"]).start();
    let mut client = server.connect();
    client.expect("220 ");
    let begin = Instant::now();
    client.say(&format!("AUTH PLAIN {}", plain("joe", "wrong-73")));
    client.expect("535 ");
    assert!(
        begin.elapsed() >= Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    for trouble in ["111", "kill"] {
        client.say(&format!("AUTH PLAIN {}", plain("joe", trouble)));
        client.expect("454 ");
    }
    client.say(&format!("AUTH PLAIN {}", plain("joe", "secret")));
    client.expect("235 ");
    // As all programs that log people in have it, and fail2ban's filter expects it.
    let line = server.wait_for("smtpd: fail ip=");
    assert!(line.contains(" user=joe method=PLAIN "), "{line}");
    let log = server.log().join("\n");
    assert!(
        !log.contains("wrong-73") && log.contains("ended with 111"),
        "{log}"
    );
}

#[test]
fn a_checker_in_trouble_is_answered_as_late_and_as_often_as_a_no() {
    let house = House::new();
    let checker = checker(&house);
    let server = server(&house, &[&checker, "/bin/true"]).start();
    let mut client = server.connect();
    client.expect("220 ");
    let begin = Instant::now();
    for _ in 0..5 {
        client.say(&format!("AUTH PLAIN {}", plain("joe", "111")));
        client.expect("454 ");
    }
    client.expect("421 ");
    assert!(
        begin.elapsed() >= Duration::from_secs(14),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn how_long_the_checker_took_does_not_show_in_the_time_of_a_no() {
    let house = House::new();
    let checker = house.path("checker");
    // What a hash takes, and more.
    script(
        &checker,
        "#!/bin/sh\ntr '\\0' ' ' <&3 | grep -q slow && sleep 1.5\nexit 1\n",
    );
    let server = server(&house, &[&checker.display().to_string(), "/bin/true"]).start();
    for name in ["quick", "slow"] {
        let mut client = server.connect();
        client.expect("220 ");
        let asked = Instant::now();
        client.say(&format!("AUTH PLAIN {}", plain(name, "x")));
        client.expect("535 ");
        let took = asked.elapsed().as_millis();
        assert!((2900..4300).contains(&took), "{name}: {took} ms");
    }
}

#[test]
fn nobody_sends_where_a_login_is_demanded_of_all() {
    let house = House::new();
    let checker = checker(&house);
    let server = server(&house, &[&checker, "/bin/true"])
        .env("SMTPAUTH", "!")
        .start();
    server.connect().dialogue(
        "220 ",
        &[
            ("MAIL FROM:<s@x>", "530 "),
            (&format!("AUTH PLAIN {}", plain("joe", "secret")), "235 "),
            ("MAIL FROM:<s@x>", "250 "),
        ],
    );
}

#[test]
fn without_a_checker_there_is_no_auth_and_none_can_be_demanded() {
    let house = House::new();
    let server = house.smtp().env("SMTPAUTH", "+cram").start();
    let mut client = server.connect();
    client.expect("220 ");
    assert_eq!(offered(&mut client), None);
    client.say(&format!("AUTH PLAIN {}", plain("joe", "secret")));
    client.expect("50");
    for (words, value) in [(&[][..], "!"), (&["/nonexistent/checker", "true"], "-")] {
        let mut run = house.smtpd("QUIT\r\n").env("SMTPAUTH", value);
        run = run.args(words);
        let done = run.done();
        let start = if value == "-" { "220 " } else { "421 " };
        assert!(done.out().starts_with(start), "{words:?} {}", done.out());
    }
    let done = house.smtpd("").args(["no-such-checker", "true"]).done();
    assert!(done.out().starts_with("421 "), "{}", done.out());
    assert!(
        done.err()
            .contains("unable to run no-such-checker: file does not exist"),
        "{}",
        done.err()
    );
}

/// The password file of joe.
fn set_password(house: &House, password: &str) {
    let maildir = house.own_dir("joe/Maildir");
    let path = maildir.join(".password");
    fs::write(&path, password).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    house.give(&path);
}

#[test]
fn a_checker_of_ours_is_asked_and_nobody_is_become() {
    let house = House::new();
    set_password(&house, "own secret");
    for words in [
        &["selectcheckpw"][..],
        &["selectcheckpw", "true"],
        &["selectcheckpw", "/bin/true"],
    ] {
        let _ = fs::remove_dir_all(house.path("taken"));
        let server = server(&house, words).env("SMTPAUTH", "+cram").start();
        let mut client = server.connect();
        client.expect("220 ");
        assert_eq!(
            offered(&mut client).as_deref(),
            Some("LOGIN PLAIN CRAM-MD5")
        );
        client.say(&format!("AUTH PLAIN {}", plain("joe", "own secret")));
        client.expect("235 ");
        // The conversation goes on in the process that was there before.
        client.say("MAIL FROM:<joe@here.test>");
        client.expect("250 ");
        client.say(FAR);
        client.expect("250 ");
        client.say("QUIT");
        client.expect("221 ");
    }
}

/// curl, which sends a message with a login.
fn curl_sends(
    curl: &Path,
    house: &House,
    url: &str,
    mechanism: &str,
    password: &str,
) -> Option<i32> {
    let message = house.path("message");
    fs::write(&message, "Subject: hello\r\n\r\nhello\r\n").unwrap();
    let done = Run::new(curl)
        .args(["-sS", "--max-time", "20", "--mail-from", "joe@here.test"])
        .args(["--mail-rcpt", "far@there.test", "--user"])
        .arg(format!("joe:{password}"))
        .args([
            "--login-options",
            &format!("AUTH={mechanism}"),
            "--upload-file",
        ])
        .arg(&message)
        .arg(url)
        .done();
    done.code
}

#[test]
fn curl_logs_in_by_every_mechanism() {
    let Some(curl): Option<PathBuf> = peer("curl") else {
        return;
    };
    let house = House::new();
    set_password(&house, "own secret");
    let server = server(&house, &["selectcheckpw", "true"])
        .env("SMTPAUTH", "!+cram")
        .start();
    let url = format!("smtp://{}/client", server.address());
    for (sent, mechanism) in ["PLAIN", "LOGIN", "CRAM-MD5"].into_iter().enumerate() {
        let code = curl_sends(&curl, &house, &url, mechanism, "own secret");
        assert_eq!(code, Some(0), "{mechanism} {:?}", server.log());
        assert_eq!(messages(&house).len(), sent + 1);
        server.wait_for(&format!(" method={mechanism}"));
    }
    // 67 is curl's word for a login that was denied.
    for mechanism in ["PLAIN", "CRAM-MD5"] {
        let code = curl_sends(&curl, &house, &url, mechanism, "wrong");
        assert_eq!(code, Some(67), "{mechanism} {:?}", server.log());
    }
}

#[test]
fn without_privileges_authd_is_asked() {
    let (house, office) = (House::new(), Office::new());
    let allow = house.user.to_string();
    let desk = Desk::start(
        &office,
        &["--mode", "0666"],
        &["authd", "selectcheckpw"],
        &[("AUTHD_ALLOW", &allow)],
    );
    let path = desk.path.display().to_string();
    let server = server(&house, &["check-via", &path, "/bin/true"]).start();
    let mut client = server.connect();
    client.expect("220 ");
    // authd waits two seconds before it says no.
    client.say(&format!("AUTH PLAIN {}", plain("joe", "wrong-73")));
    client.expect("535 ");
    client.say(&format!("AUTH PLAIN {}", plain("joe-work", PASSWORD)));
    client.expect("235 ");
    desk.wait_for("authd: login ");
    let line = server.wait_for("smtpd: login ");
    assert!(line.contains(" user=joe method=PLAIN"), "{line}");
    drop(desk);
    let mut client = server.connect();
    client.expect("220 ");
    client.say(&format!("AUTH PLAIN {}", plain("joe", PASSWORD)));
    client.expect("454 ");
}
