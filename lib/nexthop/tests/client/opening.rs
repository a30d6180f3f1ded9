//! Banner, EHLO, HELO: all that can go wrong before MAIL is temporary.

use nexthop::{Credentials, MailParameters, Protocol, Security, Settings};

use crate::hop::{Server, settings};

#[test]
fn a_banner_and_replies_of_several_lines_are_read_whole() {
    let server = Server::smtp(|peer| {
        peer.say("220-mx.test\r\n220-says\r\n");
        std::thread::sleep(std::time::Duration::from_millis(30));
        peer.say("220 hello\r\n");
        peer.hello(&["SIZE 77"]);
        peer.expect("MAIL FROM:<>", "250-a\r\n250 b");
    });
    let mut client = server.connect().expect("it is there");
    assert_eq!(client.size(), Some(77));
    client.mail(b"", &MailParameters::default()).expect("250");
    server.done();
}

#[test]
fn a_server_that_does_not_know_ehlo_gets_helo() {
    let server = Server::smtp(|peer| {
        peer.say("220 old\r\n");
        peer.expect("EHLO me.test", "502 unimplemented");
        peer.expect("HELO me.test", "250 old");
        peer.expect("MAIL FROM:<a@b>", "250 ok");
    });
    let mut client = server.connect().expect("it is there");
    assert!(!client.has_8bitmime() && client.size().is_none());
    let wanted = MailParameters {
        size: Some(5),
        eight_bit: true,
        utf8: false,
    };
    client.mail(b"a@b", &wanted).expect("250");
    server.done();
}

#[test]
fn no_refusal_before_mail_is_for_good() {
    let banner = |text: &'static str| {
        Server::smtp(move |peer| {
            peer.say(text);
            peer.hear_all()
        })
    };
    for text in [
        "554 5.7.1 go away\r\n",
        "450 later\r\n",
        "421 busy\r\n",
        "354 what\r\n",
        "SSH-2.0-OpenSSH\r\n",
        "",
    ] {
        let server = banner(text);
        if text.is_empty() {
            // It says nothing at all: a limit ends that.
            let mut short = settings();
            short.limits.reply = std::time::Duration::from_millis(50);
            let failure = nexthop::Client::connect(&server.hop, &short).expect_err("silence");
            let reason = format!("{}: unable to read its banner: timed out", server.name());
            assert_eq!(failure.reason, reason);
            assert_eq!(server.done(), b"");
            continue;
        }
        let failure = server.connect().expect_err("no banner");
        assert!(!failure.permanent, "{text}");
        assert!(failure.reason.starts_with(&server.name()), "{failure}");
        assert!(failure.reply.is_none_or(|reply| !reply.is_permanent()));
        assert_eq!(server.done(), b"", "{text}");
    }
    for (ehlo, helo) in [("550 no", "550 no"), ("502 no", "421 bye"), ("450 no", "")] {
        let server = Server::smtp(move |peer| {
            peer.say("220 mx\r\n");
            peer.expect("EHLO me.test", ehlo);
            if !helo.is_empty() {
                peer.expect("HELO me.test", helo);
            }
            peer.hear_all()
        });
        let failure = server.connect().expect_err("not greeted");
        assert!(!failure.permanent, "{ehlo} {helo}");
        assert_eq!(server.done(), b"");
    }
}

#[test]
fn a_name_that_is_no_word_is_never_sent() {
    let server = Server::smtp(|peer| {
        peer.say("220 mx\r\n");
        peer.hear_all()
    });
    let odd = Settings {
        name: b"me\r\nMAIL FROM:<x>".to_vec(),
        ..settings()
    };
    let failure = nexthop::Client::connect(&server.hop, &odd).expect_err("no name");
    assert!(
        failure.reason.contains("is no name to greet it with"),
        "{failure}"
    );
    assert_eq!(server.done(), b"");
}

fn with_credentials() -> Settings {
    Settings {
        credentials: Credentials::parse(b"joe:secret"),
        ..settings()
    }
}

#[test]
fn a_password_is_not_sent_in_the_clear_over_tcp() {
    for protocol in [Protocol::Smtp, Protocol::Lmtp] {
        let server = Server::tcp(protocol, Security::Plain, "127.0.0.1", |peer| {
            peer.greet(&["AUTH PLAIN LOGIN"]);
            peer.hear_all()
        });
        let client = nexthop::Client::connect(&server.hop, &with_credentials());
        let client = client.expect("it goes on without");
        assert!(!client.is_authenticated());
        client.quit();
        assert_eq!(server.done(), b"QUIT\r\n");
    }
}

#[test]
fn over_a_unix_socket_a_password_is_sent_where_it_is_asked_for() {
    let server = Server::lmtp(|peer| {
        peer.greet(&["AUTH LOGIN PLAIN"]);
        peer.expect("AUTH PLAIN AGpvZQBzZWNyZXQ=", "235 2.7.0 ok");
    });
    let client = nexthop::Client::connect(&server.hop, &with_credentials());
    assert!(client.expect("235").is_authenticated());
    server.done();
    let server = Server::lmtp(|peer| peer.greet(&[]));
    let client = nexthop::Client::connect(&server.hop, &with_credentials());
    assert!(!client.expect("it does not ask").is_authenticated());
    server.done();
}

#[test]
fn plain_is_sent_again_where_its_initial_response_was_passed_over_and_login_answers_two_questions()
{
    let server = Server::lmtp(|peer| {
        peer.greet(&["AUTH PLAIN"]);
        peer.expect("AUTH PLAIN AGpvZQBzZWNyZXQ=", "334 ");
        peer.expect("AGpvZQBzZWNyZXQ=", "235 ok");
    });
    let client = nexthop::Client::connect(&server.hop, &with_credentials());
    assert!(client.expect("235").is_authenticated());
    server.done();
    let server = Server::lmtp(|peer| {
        peer.greet(&["AUTH LOGIN CRAM-MD5"]);
        peer.expect("AUTH LOGIN", "334 VXNlcm5hbWU6");
        peer.expect("am9l", "334 UGFzc3dvcmQ6");
        peer.expect("c2VjcmV0", "235 ok");
    });
    let client = nexthop::Client::connect(&server.hop, &with_credentials());
    assert!(client.expect("235").is_authenticated());
    server.done();
}

#[test]
fn a_password_that_is_not_taken_is_our_trouble_and_stays_out_of_the_log() {
    for answer in [
        "535 5.7.8 wrong password",
        "454 later",
        "334 ",
        "250 ok\r\n250 ok",
    ] {
        let server = Server::lmtp(move |peer| {
            peer.greet(&["AUTH PLAIN"]);
            peer.expect("AUTH PLAIN AGpvZQBzZWNyZXQ=", answer);
            if answer == "334 " {
                peer.expect("AGpvZQBzZWNyZXQ=", "535 no");
            }
            peer.hear_all()
        });
        let client = nexthop::Client::connect(&server.hop, &with_credentials());
        if answer.starts_with("250") {
            let failure = client.expect("any 2yz will do").reset();
            assert!(failure.is_err(), "one reply too many");
        } else {
            let failure = client.expect_err("refused");
            assert!(!failure.permanent, "{answer}");
            assert!(failure.reply.is_none_or(|reply| !reply.is_permanent()));
            assert!(
                failure.reason.contains("refused AUTH PLAIN: "),
                "{}",
                failure.reason
            );
            assert!(!failure.reason.contains("AGpv"), "{}", failure.reason);
        }
        assert_eq!(server.done(), b"");
    }
}
