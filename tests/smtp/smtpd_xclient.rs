//! XCLIENT: a proxy says whom it speaks for, once, and from then on the session is that client's.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use kit::sasl::base64;
use kit::server::Builder;
use kit::smtp::{House, behind_tls, smtplib};
use kit::{Client, Run, bin, libexec, script};

/// A recipient elsewhere.
const FAR: &str = "RCPT TO:<x@far.test>";

const ADDR: &str = "XCLIENT ADDR=203.0.113.7 NAME=Client.Far.test";

/// smtpd for a proxy at any address of this host, which may relay itself.
fn proxied(house: &House) -> Builder {
    let queue = house.capturing("taken");
    let rules = house.rules("127.:allow,XCLIENT=\"\",RELAYCLIENT=\"\"\n:deny\n");
    house
        .smtp()
        .options(["-x".into(), rules.into_os_string()])
        .env("QMAILQUEUE", queue)
}

/// Rules about the clients behind a proxy, and a smtpd whose proxy names them.
fn with_rules(house: &House, text: &str) -> Builder {
    client_rules(house, text);
    let rules = house
        .rules("127.:allow,XCLIENT=\"\",RELAYCLIENT=\"\",XCLIENT_RULES=\"clients.cdb\"\n:deny\n");
    let queue = house.capturing("taken");
    house
        .smtp()
        .options(["-x".into(), rules.into_os_string()])
        .env("QMAILQUEUE", queue)
}

fn client_rules(house: &House, text: &str) -> PathBuf {
    let cdb = house.path("home/clients.cdb");
    let done = Run::new(bin("superd-rules"))
        .arg(&cdb)
        .arg(house.path("home/clients.tmp"))
        .input(text)
        .done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    cdb
}

/// What EHLO announces.
fn announced(client: &mut Client) -> Vec<String> {
    client.say("EHLO proxy.test");
    client.expect("250 ")
}

#[test]
fn the_client_behind_a_proxy_cannot_say_who_it_is() {
    let house = House::new();
    let server = proxied(&house).start();
    let mut client = server.connect();
    client.expect("220 ");
    let offer = announced(&mut client);
    assert!(
        offer.iter().any(|line| line.contains("XCLIENT ")),
        "{offer:?}"
    );
    client.say(ADDR);
    client.expect("220 ");
    let offer = announced(&mut client);
    assert!(
        !offer.iter().any(|line| line.contains("XCLIENT")),
        "{offer:?}"
    );
    client.say("MAIL FROM:<s@x>");
    client.expect("250 ");
    client.say(FAR);
    client.expect("553 ");
    for more in [
        "XCLIENT LOGIN=hashed",
        "XCLIENT ADDR=127.0.0.1",
        "XCLIENT x",
    ] {
        let mut client = server.connect();
        client.expect("220 ");
        client.say(ADDR);
        client.expect("220 ");
        // Who goes on behind it is not served: it may be a proxy that speaks for somebody else by now.
        client.send(format!("{more}\r\nMAIL FROM:<s@x>\r\n{FAR}\r\n"));
        let said = "503 XCLIENT is not permitted any more (#5.5.1)\r\n";
        assert_eq!(client.text(), said, "{more}");
    }
}

#[test]
fn a_proxy_that_has_sent_for_itself_is_nobodys_proxy_any_more() {
    let house = House::new();
    let server = proxied(&house).start();
    for first in [
        "MAIL FROM:<s@x>\r\nRSET",
        "AUTH PLAIN",
        "VRFY x",
        "XFORWARD",
    ] {
        let mut client = server.connect();
        client.expect("220 ");
        client.send(format!("{first}\r\n{ADDR}\r\nMAIL FROM:<s@x>\r\n{FAR}\r\n"));
        let said = client.text();
        assert!(
            said.ends_with("503 XCLIENT is not permitted any more (#5.5.1)\r\n"),
            "{said}"
        );
    }
}

#[test]
fn starttls_goes_back_to_the_client_and_not_to_its_proxy() {
    let house = House::new();
    let queue = house.capturing("taken");
    let proxy = [
        ("XCLIENT", Path::new("")),
        ("RELAYCLIENT", Path::new("")),
        ("QMAILQUEUE", &queue),
    ];
    let Some(program) = behind_tls(&house, &[], &proxy) else {
        return;
    };
    const SAYS: &str = "
smtp.ehlo()
say('XCLIENT ADDR=203.0.113.7 NAME=client.far.test')
smtp.ehlo()
encrypt()
say('EHLO proxy.test')
say('MAIL FROM:<s@x>')
say('RCPT TO:<x@far.test>')
say('RCPT TO:<joe@here.test>')
message()
say('XCLIENT LOGIN=hashed')
";
    let Some((codes, said)) = smtplib(&program, SAYS) else {
        return;
    };
    let expected = ["220", "250", "250", "553", "250", "250", "503"];
    assert_eq!(codes, expected, "{said}");
    assert!(!said.contains("XCLIENT NAME"), "{said}");
    let log = program.log();
    assert!(log.contains("smtpd: accept ip=203.0.113.7 "), "{log}");
}

#[test]
fn a_proxy_may_encrypt_first() {
    let house = House::new();
    let Some(program) = behind_tls(&house, &[], &[("XCLIENT", Path::new(""))]) else {
        return;
    };
    const SAYS: &str = "
encrypt()
say('XCLIENT HELO=their.test PROTO=ESMTP')
say('XCLIENT ADDR=203.0.113.7 NAME=client.far.test')
say('MAIL FROM:<s@x>')
say('RCPT TO:<joe@here.test>')
message()
smtp.quit()
";
    let Some((codes, said)) = smtplib(&program, SAYS) else {
        return;
    };
    assert_eq!(codes, ["220", "220", "250", "250", "250"], "{said}");
    let mail = house.mail("joe").concat();
    assert!(
        mail.contains("Received: from client.far.test (HELO their.test) (203.0.113.7)"),
        "{mail}"
    );
    assert!(mail.contains(" with ESMTPS (TLSv1.3) id "), "{mail}");
}

#[test]
fn lines_and_programs_name_the_client_and_not_its_proxy() {
    let house = House::new();
    script(
        &house.path("home/check"),
        "#!/bin/sh\necho \"asked for $TCPREMOTEIP $TCPREMOTEHOST $TCPREMOTEPORT\" >&2\n",
    );
    house.control(
        "smtpplugins",
        "[mail]\n:echo \"plugin for $TCPREMOTEIP\" >&2\n",
    );
    let smtpd = libexec().join("smtpd").display().to_string();
    let server = proxied(&house)
        .handler([smtpd.as_str(), "/bin/sh", "-c", "exit 1"])
        .env("RCPTCHECK", "./check")
        .env("ENABLE_SPP", "")
        .start();
    let mut client = server.connect();
    client.expect("220 ");
    client.say(&format!("{ADDR} PORT=4711"));
    client.expect("220 ");
    client.say(&format!("AUTH PLAIN {}", base64("\0joe\0x")));
    client.expect("535 ");
    client.say("MAIL FROM:<s@x>");
    client.expect("250 ");
    client.say("RCPT TO:<joe@here.test>");
    client.expect("250 ");
    client.say("QUIT");
    client.expect("221 ");
    server.wait_for("smtpd: start ip=127.");
    let line = server.wait_for("smtpd: xclient ip=203.0.113.7 ");
    assert!(
        line.contains(" proxy=127.") && line.contains(" host=client.far.test relay=no"),
        "{line}"
    );
    server.wait_for("smtpd: fail ip=203.0.113.7 user=joe method=PLAIN ");
    server.wait_for("asked for 203.0.113.7 client.far.test 4711");
    server.wait_for("plugin for 203.0.113.7");
    server.wait_for("smtpd: end ip=203.0.113.7 ");
}

#[test]
fn rules_decide_about_the_client_behind_a_proxy() {
    let house = House::new();
    let server = with_rules(
        &house,
        "203.0.113.8:deny\n\
         203.0.113.9:allow,RELAYCLIENT=\"\"\n\
         203.0.113.10:allow,DATABYTES=\"1000\",MAXRCPT=\"1\"\n\
         joe@203.0.113.11:deny\n\
         =client.bad.test:deny\n",
    )
    .start();
    let begin = |words: &str| {
        let mut client = server.connect();
        client.expect("220 ");
        client.say(&format!("XCLIENT {words}"));
        client
    };
    for denied in [
        "ADDR=203.0.113.8",
        "ADDR=203.0.113.11 LOGIN=joe",
        "ADDR=203.0.113.12 NAME=Client.BAD.test",
    ] {
        let client = begin(denied);
        assert_eq!(
            client.text(),
            "554 sorry, your address is not served here (#5.7.1)\r\n",
            "{denied}"
        );
    }
    server.wait_for("smtpd: refuse ip=203.0.113.8 verb=XCLIENT ");
    for (address, reply) in [("203.0.113.9", "250 "), ("203.0.113.7", "553 ")] {
        let mut client = begin(&format!("ADDR={address}"));
        client.expect("220 ");
        client.say("MAIL FROM:<s@x>");
        client.expect("250 ");
        client.say(FAR);
        client.expect(reply);
    }
    let mut client = begin("ADDR=203.0.113.10");
    client.expect("220 ");
    let offer = announced(&mut client);
    assert!(
        offer.iter().any(|line| line == "250 SIZE 1000"),
        "{offer:?}"
    );
    client.say("MAIL FROM:<s@x>");
    client.expect("250 ");
    client.say("RCPT TO:<joe@here.test>");
    client.expect("250 ");
    client.say("RCPT TO:<ann@here.test>");
    client.expect("452 ");
}

#[test]
fn rules_that_cannot_be_read_let_no_client_in() {
    let house = House::new();
    let server = with_rules(&house, ":allow,RELAYCLIENT=\"\"\n").start();
    let cdb = house.path("home/clients.cdb");
    let good = fs::read(&cdb).unwrap();
    let cut = &good[..good.len() - 3];
    let mut false_table = good.clone();
    // Its keys hash to a table which says that its records lie behind the end.
    let end = false_table.len();
    false_table[end - 4..].copy_from_slice(&[0xff; 4]);
    let broken = [Some(cut), Some(&b""[..]), Some(&false_table[..]), None];
    for (nth, text) in (1..).zip(broken) {
        match text {
            Some(text) => fs::write(&cdb, text).unwrap(),
            None => fs::remove_file(&cdb).unwrap(),
        }
        let mut client = server.connect();
        client.expect("220 ");
        client.say(ADDR);
        assert_eq!(
            client.text(),
            "421 sorry, unable to check your address now (#4.3.0)\r\n"
        );
        let line = server.wait_for_nth(nth, "smtpd: fault ip=203.0.113.7 ");
        assert!(line.contains("clients.cdb"), "{line}");
    }
}

#[test]
fn a_proxy_that_is_not_understood_does_not_go_on_with_its_own_rights() {
    let house = House::new();
    let server = proxied(&house).start();
    for wrong in [
        "XCLIENT ADDR=2001:db8::1",
        "XCLIENT X=y",
        "XCLIENT",
        "XCLIENT LOGIN=",
    ] {
        let mut client = server.connect();
        client.expect("220 ");
        client.send(format!("{wrong}\r\nMAIL FROM:<s@x>\r\n{FAR}\r\n"));
        assert_eq!(
            client.text(),
            "501 bad XCLIENT attribute (#5.5.4)\r\n",
            "{wrong}"
        );
    }
    // Nor one whose line cannot be read.
    for (wrong, reply) in [
        (
            format!("XCLIENT ADDR=203.0.113.7 HELO={}", "x".repeat(4096)),
            "500 line too long (#5.5.2)\r\n",
        ),
        (
            format!("XCLIENT ADDR=203.0.113.7 HELO={}", "x".repeat(40_000)),
            "500 line too long (#5.5.2)\r\n",
        ),
        (
            "XCLIENT ADDR=203.0.113.7 HELO=\0".to_owned(),
            "500 NUL in command (#5.5.2)\r\n",
        ),
    ] {
        let mut client = server.connect();
        client.expect("220 ");
        client.send(format!("{wrong}\r\nMAIL FROM:<s@x>\r\n{FAR}\r\n"));
        assert_eq!(client.text(), reply);
    }
    // Nor one that does not say the address.
    let mut client = server.connect();
    client.dialogue(
        "220 ",
        &[
            ("XCLIENT LOGIN=joe", "220 "),
            ("MAIL FROM:<s@x>", "503 XCLIENT ADDR first"),
            ("XCLIENT ADDR=203.0.113.7", "220 "),
            ("MAIL FROM:<s@x>", "250 "),
            (FAR, "250 "),
        ],
    );
    server.wait_for("smtpd: xclient ip=203.0.113.7 ");
    let line = server.wait_for(" user=joe");
    assert!(line.contains("relay=yes"), "{line}");
}

#[test]
fn the_plugins_of_the_connection_are_asked_about_the_client_too() {
    let house = House::new();
    house.control(
        "smtpplugins",
        "[connection]\n:case $TCPREMOTEIP in 127.*) echo SRELAYCLIENT=;; 203.0.113.8) echo 'E554 not you';; esac\n",
    );
    let server = proxied(&house).env("ENABLE_SPP", "").start();
    let mut client = server.connect();
    client.dialogue(
        "220 ",
        &[(ADDR, "220 "), ("MAIL FROM:<s@x>", "250 "), (FAR, "553 ")],
    );
    let mut client = server.connect_from(Ipv4Addr::new(127, 0, 0, 9));
    client.expect("220 ");
    client.say("XCLIENT ADDR=203.0.113.8");
    assert_eq!(client.text(), "554 not you\r\n");
}
