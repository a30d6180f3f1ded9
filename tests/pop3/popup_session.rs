//! popup's conversation from the greeting to the login, in the order of popup(8). Its texts are the
//! original's where the original has one for the occasion.

use std::time::{Duration, Instant};

use kit::clients::{self, How};
use kit::pop3::{HOST, Office, PASSWORD, Pop3, SYSTEM_PASSWORD, one_try};
use kit::sasl::{apop_digest, base64, cram};
use kit::{Client, Run, bin, peer};

fn capabilities(client: &mut Client) -> Vec<String> {
    assert!(client.ask("CAPA").starts_with("+OK"));
    client.body()
}

#[test]
fn the_greeting_shows_a_challenge_that_nobody_can_guess_where_apop_can_be_used() {
    let office = Office::new();
    let mut seen = Vec::new();
    for checker in ["checkapoppw", "selectcheckpw", "/bin/false"] {
        let server = office.pop3(checker).start();
        for _ in 0..2 {
            let greeting = server.connect().line();
            let challenge = greeting
                .strip_prefix("+OK <")
                .and_then(|text| text.strip_suffix('>'));
            let (random, host) = challenge.and_then(|text| text.split_once('@')).unwrap();
            let (random, seconds) = random.split_once('.').unwrap();
            assert_eq!(host, HOST);
            // 16 bytes, in six bits a letter.
            assert_eq!(random.len(), 22, "{greeting}");
            let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            assert!(random.bytes().all(is_letter), "{greeting}");
            let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
            assert!(now - seconds.parse::<u64>().unwrap() < 60, "{greeting}");
            seen.push(random.to_owned());
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 6, "the same challenge came twice");
}

#[test]
fn without_apop_the_greeting_has_no_angle_bracket_and_apop_is_refused() {
    let office = Office::new();
    for (checker, apop) in [
        ("checkpw", "1"),
        ("checkpassword", "1"),
        ("/bin/false", "0"),
        ("selectcheckpw", "0"),
    ] {
        let server = office.pop3(checker).env("APOP", apop).start();
        let mut client = server.connect();
        assert_eq!(client.line(), format!("+OK {HOST} ready"), "{checker}");
        let reply = client.ask(&format!("APOP joe {}", "0".repeat(32)));
        assert!(reply.starts_with("-ERR "), "{checker}: {reply}");
        assert_eq!(client.ask("QUIT"), "+OK ");
    }
}

#[test]
fn the_answers_before_the_login_are_the_originals() {
    let office = Office::new();
    let server = office.pop3("selectcheckpw").start();
    let mut client = server.connect();
    client.line();
    for (said, reply) in [
        ("PASS secret", "-ERR USER first"),
        ("USER", "-ERR syntax error"),
        ("USER ", "-ERR syntax error"),
        ("APOP joe", "-ERR syntax error"),
        ("STAT", "-ERR authorization first"),
        ("", "-ERR authorization first"),
        ("USER\tjoe", "-ERR authorization first"),
        ("USERS joe", "-ERR authorization first"),
        ("user    joe", "+OK "),
        ("PASS", "-ERR syntax error"),
        ("NOOP whatever", "+OK "),
        ("QUIT whatever", "+OK "),
    ] {
        client.say(said);
        // With its last blank.
        assert_eq!(client.line(), reply, "{said:?}");
    }
    assert_eq!(client.rest(), b"");
}

#[test]
fn lines_may_end_with_lf_alone() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let mut client = server.connect();
    client.line();
    client.send(format!("NOOP\nUSER joe\nPASS {PASSWORD}\nQUIT\n"));
    for _ in 0..4 {
        assert!(client.line().starts_with("+OK"));
    }
}

#[test]
fn without_a_checker_on_the_command_line_client_and_log_of_exits_are_told() {
    for words in [&[][..], &[HOST]] {
        let done = Run::new(bin("popup")).args(words).done();
        assert_eq!(done.out(), "-ERR usage: popup hostname subprogram\r\n");
        assert_eq!(done.code, Some(1));
    }
}

#[test]
fn a_name_and_a_password_are_the_rest_of_their_lines_with_all_spaces() {
    let office = Office::new();
    let password = "  two  words ";
    office.password("joe", format!("{password}\n"));
    let server = one_try(office.pop3("checkpw")).start();
    let mut client = server.connect();
    client.line();
    assert_eq!(client.ask("USER other"), "+OK ");
    assert_eq!(client.ask("USER   joe"), "+OK ");
    // The spaces behind the command's word are none of the password's, as with the original.
    office.password("joe", "two  words ");
    let reply = client.ask(&format!("PASS {password}"));
    assert!(reply.starts_with("+OK"), "{reply} {:?}", server.log());
    let mut client = server.connect();
    client.line();
    let reply = client.login("joe", "two  words");
    assert!(reply.starts_with("-ERR [AUTH] "), "{reply}");
}

#[test]
fn capa_tells_what_can_be_done_before_the_login_and_after_it() {
    let office = Office::new();
    let server = office.pop3("selectcheckpw").start();
    let mut client = server.connect();
    client.line();
    let before = capabilities(&mut client);
    for wanted in [
        "USER",
        "UIDL",
        "TOP",
        "RESP-CODES",
        "AUTH-RESP-CODE",
        "PIPELINING",
        "UTF8 USER",
    ] {
        assert!(
            before.iter().any(|line| line == wanted),
            "{wanted}: {before:?}"
        );
    }
    let sasl = before.iter().find(|line| line.starts_with("SASL")).unwrap();
    assert_eq!(sasl, "SASL PLAIN LOGIN CRAM-MD5");
    assert!(client.login("joe", PASSWORD).starts_with("+OK"));
    let after = capabilities(&mut client);
    for wanted in ["UIDL", "TOP", "RESP-CODES"] {
        assert!(
            after.iter().any(|line| line == wanted),
            "{wanted}: {after:?}"
        );
    }
    for gone in ["SASL", "STLS"] {
        assert!(
            !after.iter().any(|line| line.starts_with(gone)),
            "{gone}: {after:?}"
        );
    }
    // And before the login there is nothing of it that does not work.
    for (checker, user, mechanisms) in [
        ("checkpw", true, Some("SASL PLAIN LOGIN")),
        ("checkapoppw", false, Some("SASL CRAM-MD5")),
        ("/bin/false", true, Some("SASL PLAIN LOGIN")),
    ] {
        let server = office.pop3(checker).start();
        let mut client = server.connect();
        client.line();
        let lines = capabilities(&mut client);
        assert_eq!(
            lines.contains(&"USER".to_owned()),
            user,
            "{checker}: {lines:?}"
        );
        let sasl = lines.iter().find(|line| line.starts_with("SASL"));
        assert_eq!(sasl.map(String::as_str), mechanisms, "{checker}");
    }
}

#[test]
fn utf8_is_there_where_every_program_of_the_chain_is_ours() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let mut client = server.connect();
    client.line();
    assert!(client.ask("UTF8").starts_with("+OK"));
    assert!(client.login("joe", PASSWORD).starts_with("+OK"));
    let pop3d = bin("pop3d").display().to_string();
    let server = office
        .serve(&["popup", HOST, "checkpw", &pop3d, "Maildir"])
        .start();
    let mut client = server.connect();
    client.line();
    assert!(
        !capabilities(&mut client)
            .iter()
            .any(|line| line.starts_with("UTF8"))
    );
    assert!(client.ask("UTF8").starts_with("-ERR"));
    assert!(client.login("joe", PASSWORD).starts_with("+OK"));
}

#[test]
fn auth_lists_its_mechanisms_and_takes_each_of_them() {
    let office = Office::new();
    let server = office.pop3("selectcheckpw").start();
    let mut client = server.connect();
    client.line();
    assert!(client.ask("AUTH").starts_with("+OK"));
    assert_eq!(client.body(), ["PLAIN", "LOGIN", "CRAM-MD5"]);
    let plain = base64(format!("\0joe\0{PASSWORD}"));
    let same = base64(format!("joe\0joe\0{PASSWORD}"));
    let at_once = format!("AUTH PLAIN {plain}");
    let lower = format!("auth plain {same}");
    let named = format!("AUTH LOGIN {}", base64("joe"));
    let password = base64(PASSWORD);
    let (name, crammed) = (base64("joe"), String::new());
    for lines in [
        vec![&at_once],
        vec![&lower],
        vec![&"AUTH PLAIN".to_owned(), &plain],
        vec![&"AUTH LOGIN".to_owned(), &name, &password],
        vec![&named, &password],
        vec![&"AUTH CRAM-MD5".to_owned(), &crammed],
    ] {
        let mut client = server.connect();
        client.line();
        let (last, first) = lines.split_last().unwrap();
        let mut reply = String::new();
        for line in first {
            reply = client.ask(line);
            assert!(reply.starts_with("+ "), "{line}: {reply}");
        }
        let last = if last.is_empty() {
            cram(&reply, "joe", PASSWORD)
        } else {
            last.to_string()
        };
        let reply = client.ask(&last);
        assert!(
            reply.starts_with("+OK"),
            "{lines:?}: {reply} {:?}",
            server.log()
        );
        assert!(client.ask("STAT").starts_with("+OK 0 "));
    }
    for method in ["plain", "login", "cram-md5"] {
        server.wait_for(&format!(
            "popup: login ip=127.0.0.1 user=joe method={method} tls=no"
        ));
    }
}

#[test]
fn what_auth_does_not_take_leaves_the_conversation_as_it_was() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let mut client = server.connect();
    client.line();
    let stranger = base64(format!("ann\0joe\0{PASSWORD}"));
    for lines in [
        vec!["AUTH CRAM-MD5"],
        vec!["AUTH SCRAM-SHA-1"],
        vec!["AUTH PLAIN", "*"],
        vec!["AUTH LOGIN", "*"],
        vec!["AUTH LOGIN", "am9l", "*"],
        vec!["AUTH PLAIN", "?"],
        vec!["AUTH PLAIN", ""],
        vec!["AUTH PLAIN ="],
        vec!["AUTH PLAIN am9l"],
        vec!["AUTH PLAIN", "QUIT"],
        vec!["AUTH PLAIN", &stranger],
    ] {
        let (last, first) = lines.split_last().unwrap();
        for line in first {
            let reply = client.ask(line);
            assert!(reply.starts_with("+ "), "{line}: {reply}");
        }
        let reply = client.ask(last);
        assert!(reply.starts_with("-ERR "), "{lines:?}: {reply}");
        assert_eq!(client.ask("NOOP"), "+OK ", "{lines:?}");
    }
    assert!(client.login("joe", PASSWORD).starts_with("+OK"));
}

#[test]
fn a_client_of_the_world_logs_in_by_each_mechanism() {
    let office = Office::new();
    office.deliver("joe", "1.a", "Subject: x\n\nhello\n");
    let server = office.pop3("selectcheckpw").start();
    let Some(curl) = peer("curl") else {
        return;
    };
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        let done = Run::new(&curl)
            .args([
                "-sS",
                "--max-time",
                "20",
                "--login-options",
                &format!("AUTH={mechanism}"),
            ])
            .args([
                "-u",
                &format!("joe:{PASSWORD}"),
                &format!("pop3://{}/1", server.address()),
            ])
            .done();
        assert_eq!(
            (done.code, done.err().as_str()),
            (Some(0), ""),
            "{mechanism}"
        );
        let method = mechanism.to_lowercase();
        server.wait_for(&format!("user=joe method={method} "));
    }
    // What chooses by itself takes what is shown.
    if let Some(mail) = clients::mpop(server.address(), How::Apop, "joe", PASSWORD) {
        assert_eq!(mail.len(), 1);
    }
}

#[test]
fn after_a_wrong_password_the_client_tries_again_and_not_a_byte_is_lost() {
    let office = Office::new();
    let pop3d = bin("pop3d").display().to_string();
    for program in ["pop3d", &pop3d] {
        let server = office
            .serve(&["popup", HOST, "checkpw", program, "Maildir"])
            .start();
        let mut client = server.connect();
        client.line();
        client.send(format!(
            "USER joe\r\nPASS wrong\r\nPASS {PASSWORD}\r\nUSER joe\r\nPASS {PASSWORD}\r\nSTAT\r\nQUIT\r\n"
        ));
        let all = client.text();
        let replies: Vec<&str> = all.lines().collect();
        let kinds: Vec<bool> = replies.iter().map(|line| line.starts_with("+OK")).collect();
        assert_eq!(kinds, [true, false, false, true, true, true, true], "{all}");
        assert!(replies[1].starts_with("-ERR [AUTH] "), "{all}");
        assert_eq!(replies[2], "-ERR USER first", "the name is asked for again");
        assert!(replies[5].starts_with("+OK 0 "), "{all}");
    }
}

#[test]
fn apop_may_be_tried_again_with_the_challenge_of_the_greeting() {
    let office = Office::new();
    let server = office.pop3("checkapoppw").start();
    let mut client = server.connect();
    let greeting = client.line();
    let wrong = client.ask(&format!("APOP joe {}", apop_digest(&greeting, "wrong")));
    assert!(wrong.starts_with("-ERR [AUTH] "), "{wrong}");
    let right = client.ask(&format!("APOP joe {}", apop_digest(&greeting, PASSWORD)));
    assert!(right.starts_with("+OK"), "{right}");
}

#[test]
fn each_failure_is_answered_later_than_the_one_before() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let mut client = server.connect();
    client.line();
    let started = Instant::now();
    let reply = client.login("joe", "wrong");
    assert!(reply.starts_with("-ERR [AUTH] "), "{reply}");
    assert!(
        started.elapsed() >= Duration::from_millis(950),
        "{:?}",
        started.elapsed()
    );
    client.ask("USER joe");
    client.say("PASS wrong");
    assert!(client.is_silent_for(Duration::from_millis(1500)));
    // The delays of one connection are none of another's.
    let mut other = server.connect();
    other.line();
    assert!(other.login("joe", PASSWORD).starts_with("+OK"));
}

#[test]
fn after_maxauthfail_failures_it_hangs_up_and_says_so_in_the_log() {
    let office = Office::new();
    let server = one_try(office.pop3("checkpw")).start();
    let mut client = server.connect();
    client.line();
    client.send("USER joe\r\nPASS wrong\r\nNOOP\r\n");
    assert_eq!(client.line(), "+OK ");
    assert!(client.line().starts_with("-ERR [AUTH] "));
    assert_eq!(
        client.rest(),
        b"",
        "nothing is answered after the last failure"
    );
    server.wait_for("popup: end ip=127.0.0.1 reason=\"too many failed logins\"");
    server.wait_for_ends(1);
    assert!(server.wait_for("superd: end ").ends_with(" status 256"));
}

#[test]
fn requiretls_refuses_every_plaintext_password_and_logs_it_once() {
    let office = Office::new();
    for value in ["1", ""] {
        let server = office
            .pop3("selectcheckpw")
            .env("REQUIRETLS", value)
            .start();
        let mut client = server.connect();
        let greeting = client.line();
        for line in [
            "USER joe",
            "PASS x",
            "AUTH PLAIN AGpvZQB4",
            "AUTH LOGIN",
            "AUTH PLAIN",
        ] {
            let reply = client.ask(line);
            assert!(
                reply.starts_with("-ERR ") && reply.contains("TLS"),
                "{line}: {reply}"
            );
        }
        let lines = capabilities(&mut client);
        assert!(!lines.contains(&"USER".to_owned()), "{lines:?}");
        assert!(lines.contains(&"SASL CRAM-MD5".to_owned()), "{lines:?}");
        // A digest shows nothing.
        let reply = client.ask(&format!("APOP joe {}", apop_digest(&greeting, PASSWORD)));
        assert!(reply.starts_with("+OK"), "{reply}");
        server.wait_for("popup: login ");
        let log = server.log();
        let refused = log
            .iter()
            .filter(|line| line.starts_with("popup: refuse "))
            .count();
        assert_eq!(refused, 1, "{log:?}");
    }
}

#[test]
fn a_connection_that_was_decrypted_in_front_counts_as_encrypted() {
    let office = Office::new();
    let server = office
        .pop3("checkpw")
        .env("REQUIRETLS", "1")
        .env("SSL_PROTOCOL", "TLSv1.3")
        .start();
    let mut client = server.connect();
    client.line();
    assert!(client.login("joe", PASSWORD).starts_with("+OK"));
    server.wait_for("popup: login ip=127.0.0.1 user=joe method=user tls=TLSv1.3");
    // sslserver sets these without TLS, too.
    let server = office
        .pop3("checkpw")
        .env("REQUIRETLS", "1")
        .env("PROTO", "SSL")
        .env("SSL_PROTOCOL", "")
        .start();
    let mut client = server.connect();
    client.line();
    assert!(client.ask("USER joe").starts_with("-ERR "));
}

#[test]
fn checkpassword_behind_popup_lets_in_by_the_systems_password() {
    let office = Office::new();
    let server = one_try(office.pop3("checkpassword")).start();
    let mut client = server.connect();
    client.line();
    assert!(client.login("joe", SYSTEM_PASSWORD).starts_with("+OK"));
    let mut client = server.connect();
    client.line();
    assert!(client.login("joe", PASSWORD).starts_with("-ERR [AUTH] "));
    // ann is locked, or has no password at all: no other answer than for a wrong one.
    let mut client = server.connect();
    client.line();
    assert!(
        client
            .login("ann", SYSTEM_PASSWORD)
            .starts_with("-ERR [AUTH] ")
    );
}
