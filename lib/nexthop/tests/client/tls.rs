//! TLS: whom it is good for.

use std::path::PathBuf;

use nexthop::{Client, Credentials, MailParameters, Protocol, Security, Settings};

use crate::hop::{Peer, Server, certificate, settings};

fn trusting(name: &str) -> Settings {
    Settings {
        ca_file: Some(certificate(name)),
        ..settings()
    }
}

fn with_credentials(settings: Settings) -> Settings {
    Settings {
        credentials: Credentials::parse(b"joe:secret"),
        ..settings
    }
}

/// SMTP with this security as `host`.
fn server<T: Send + 'static>(
    security: Security,
    host: &str,
    script: impl FnOnce(&mut Peer) -> T + Send + 'static,
) -> Server<T> {
    Server::tcp(Protocol::Smtp, security, host, script)
}

/// STARTTLS, and a transaction inside; the message.
fn inside(peer: &mut Peer) -> Vec<u8> {
    peer.greet(&["STARTTLS", "SIZE 5"]);
    peer.expect("STARTTLS", "220 go ahead");
    assert!(peer.start_tls());
    peer.hello(&["8BITMIME"]);
    message(peer)
}

fn message(peer: &mut Peer) -> Vec<u8> {
    peer.expect("MAIL FROM:<a@b>", "250 ok");
    peer.expect("RCPT TO:<c@d>", "250 ok");
    peer.expect("DATA", "354 go ahead");
    let text = peer.hear_message();
    peer.say("250 ok\r\n");
    assert_eq!(peer.hear(), "QUIT");
    text
}

fn send(mut client: Client) {
    assert_eq!(client.tls_version(), Some("TLSv1.3"));
    client
        .mail(b"a@b", &MailParameters::default())
        .expect("250");
    client.rcpt(b"c@d").expect("250");
    client.data().expect("354");
    client.write(&b"line\n".repeat(20_000)).expect("room");
    client.finish().expect("250");
    client.quit();
}

fn is_whole(text: &[u8]) -> bool {
    text == [&b"line\r\n".repeat(20_000)[..], b".\r\n"].concat()
}

#[test]
fn what_was_offered_in_the_clear_is_forgotten() {
    let server = server(Security::StartTls, "localhost", inside);
    let client = Client::connect(&server.hop, &trusting("ca.pem")).expect("proved");
    assert_eq!(client.size(), None);
    assert!(client.has_8bitmime());
    send(client);
    assert!(is_whole(&server.done()));
}

#[test]
fn opportunistic_takes_any_certificate() {
    // Nobody has signed it who is trusted, and it is for another name.
    for host in ["127.0.0.1", "localhost"] {
        let server = server(Security::Opportunistic, host, inside);
        let settings = with_credentials(trusting("other.pem"));
        let client = Client::connect(&server.hop, &settings).expect("anybody");
        assert!(!client.is_authenticated());
        send(client);
        assert!(is_whole(&server.done()));
    }
}

#[test]
fn opportunistic_goes_on_in_the_clear_where_tls_is_not_offered_or_refused() {
    let server = server(Security::Opportunistic, "localhost", |peer| {
        peer.greet(&["SIZE"]);
        peer.expect("RSET", "250 ok");
    });
    let mut client = server.connect().expect("in the clear");
    assert_eq!(client.tls_version(), None);
    client.reset().expect("250");
    server.done();
    for answer in ["454 4.7.0 no certificate", "554 5.7.0 no"] {
        let server = self::server(Security::Opportunistic, "localhost", move |peer| {
            peer.greet(&["STARTTLS"]);
            peer.expect("STARTTLS", answer);
            peer.expect("RSET", "250 ok");
        });
        let mut client = server.connect().expect("in the clear");
        assert_eq!(client.tls_version(), None);
        client.reset().expect("250");
        server.done();
    }
    // RFC 3207 knows 220 alone.
    let server = self::server(Security::Opportunistic, "localhost", |peer| {
        peer.greet(&["STARTTLS"]);
        peer.expect("STARTTLS", "250 what");
        peer.hear_all()
    });
    assert!(!server.connect().expect_err("no 220").permanent);
    assert_eq!(server.done(), b"");
}

#[test]
fn a_server_that_must_prove_its_name_and_cannot_gets_nothing() {
    let cases = [
        ("localhost", "other.pem", "UnknownIssuer"),
        ("127.0.0.1", "ca.pem", "not valid for name"),
    ];
    for (host, trusted, why) in cases {
        for security in [Security::StartTls, Security::Wrapped] {
            let server = server(security, host, move |peer| {
                if security == Security::StartTls {
                    peer.greet(&["STARTTLS", "AUTH PLAIN"]);
                    peer.expect("STARTTLS", "220 go ahead");
                }
                // With TLS 1.3 the server is done before the client has looked.
                let _ = peer.start_tls();
                peer.hear_all()
            });
            let settings = with_credentials(trusting(trusted));
            let failure = Client::connect(&server.hop, &settings).expect_err("not proved");
            assert!(!failure.permanent && failure.reply.is_none());
            assert!(failure.reason.contains(why), "{failure}");
            assert_eq!(server.done(), b"");
        }
    }
}

#[test]
fn starttls_that_is_required_and_not_offered_is_told() {
    for old in [false, true] {
        let server = server(Security::StartTls, "localhost", move |peer| {
            if old {
                peer.say("220 old\r\n");
                peer.expect("EHLO me.test", "502 no");
                peer.expect("HELO me.test", "250 old");
            } else {
                peer.greet(&["AUTH PLAIN"]);
            }
            peer.hear_all()
        });
        let settings = with_credentials(trusting("ca.pem"));
        let failure = Client::connect(&server.hop, &settings).expect_err("not offered");
        let reason = format!(
            "{}: it does not offer STARTTLS, which is required here",
            server.name()
        );
        assert_eq!(failure.reason, reason);
        assert!(!failure.permanent);
        assert_eq!(server.done(), b"");
    }
}

#[test]
fn a_password_goes_to_a_server_that_has_proved_its_name() {
    for security in [Security::StartTls, Security::Wrapped] {
        let server = server(security, "localhost", move |peer| {
            if security == Security::StartTls {
                // What is offered in the clear is for nobody.
                peer.greet(&["STARTTLS", "AUTH LOGIN"]);
                peer.expect("STARTTLS", "220 go ahead");
            }
            assert!(peer.start_tls());
            if security == Security::Wrapped {
                peer.say("220 mx.test\r\n");
            }
            peer.hello(&["AUTH PLAIN"]);
            peer.expect("AUTH PLAIN AGpvZQBzZWNyZXQ=", "235 ok");
            message(peer)
        });
        let settings = with_credentials(trusting("ca.pem"));
        let client = Client::connect(&server.hop, &settings).expect("proved");
        assert!(client.is_authenticated());
        send(client);
        assert!(is_whole(&server.done()));
    }
}

#[test]
fn a_server_that_should_take_the_password_and_cannot_is_told() {
    let server = server(Security::Wrapped, "localhost", |peer| {
        assert!(peer.start_tls());
        peer.greet(&["AUTH GSSAPI"]);
        peer.hear_all()
    });
    let settings = with_credentials(trusting("ca.pem"));
    let failure = Client::connect(&server.hop, &settings).expect_err("no AUTH");
    assert!(
        failure.reason.contains("neither AUTH PLAIN nor AUTH LOGIN"),
        "{failure}"
    );
    assert!(!failure.permanent);
    assert_eq!(server.done(), b"");
}

#[test]
fn bytes_that_stand_behind_the_reply_to_starttls_end_the_connection() {
    for security in [Security::Opportunistic, Security::StartTls] {
        let server = server(security, "localhost", |peer| {
            peer.greet(&["STARTTLS"]);
            // An impostor on the way adds what is to count as said inside TLS.
            peer.expect("STARTTLS", "220 go ahead\r\n250-mx.test\r\n250 AUTH PLAIN");
            peer.hear_all()
        });
        let settings = with_credentials(trusting("ca.pem"));
        let failure = Client::connect(&server.hop, &settings).expect_err("injected");
        let reason = format!("{}: it said more than one reply", server.name());
        assert_eq!(failure.reason, reason);
        assert_eq!(server.done(), b"");
    }
}

#[test]
fn bytes_in_the_clear_in_the_place_of_a_handshake_end_the_connection() {
    let server = server(Security::Opportunistic, "localhost", |peer| {
        peer.greet(&["STARTTLS"]);
        peer.expect("STARTTLS", "220 go ahead");
        std::thread::sleep(std::time::Duration::from_millis(50));
        peer.say("250-mx.test\r\n250 AUTH PLAIN\r\n");
        peer.hear_all();
    });
    let failure = server.connect().expect_err("no TLS");
    assert!(failure.reason.contains(": no TLS: "), "{failure}");
    assert!(!failure.permanent);
    server.done();
}

#[test]
fn a_handshake_that_stays_silent_ends_at_the_deadline() {
    let server = server(Security::Wrapped, "localhost", Peer::hear_all);
    let mut short = trusting("ca.pem");
    short.limits.reply = std::time::Duration::from_millis(60);
    let failure = Client::connect(&server.hop, &short).expect_err("silence");
    assert_eq!(
        failure.reason,
        format!("{}: no TLS: timed out", server.name())
    );
    assert!(!server.done().is_empty(), "a ClientHello");
}

#[test]
fn a_client_that_is_dropped_in_the_middle_of_a_message_never_ends_it() {
    let server = server(Security::Opportunistic, "localhost", |peer| {
        peer.greet(&["STARTTLS"]);
        peer.expect("STARTTLS", "220 go ahead");
        assert!(peer.start_tls());
        peer.hello(&[]);
        peer.expect("MAIL FROM:<a@b>", "250 ok");
        peer.expect("RCPT TO:<c@d>", "250 ok");
        peer.expect("DATA", "354 go ahead");
        peer.hear_message()
    });
    let mut client = server.connect().expect("anybody");
    client
        .mail(b"a@b", &MailParameters::default())
        .expect("250");
    client.rcpt(b"c@d").expect("250");
    client.data().expect("354");
    client.write(&b"line\n".repeat(20_000)).expect("room");
    drop(client);
    assert!(!server.done().ends_with(b"\r\n.\r\n"));
}

#[test]
fn a_file_of_authorities_that_cannot_be_read_is_told() {
    let server = server(Security::Wrapped, "localhost", Peer::hear_all);
    let settings = Settings {
        ca_file: Some(PathBuf::from("/nonexistent/ca.pem")),
        ..settings()
    };
    let failure = Client::connect(&server.hop, &settings).expect_err("nobody is trusted");
    let reason = format!(
        "{}: unable to read /nonexistent/ca.pem: file does not exist",
        server.name()
    );
    assert_eq!(failure.reason, reason);
    assert!(!failure.permanent);
    assert_eq!(server.done(), b"");
}
