//! Servers that are silent, cut the connection, or never come to an end.

use std::time::{Duration, Instant};

use nexthop::{Client, Failure, MailParameters, Settings};

use crate::hop::{Peer, Server, settings};

/// The lines of a transaction and the answers to them.
const STEPS: [(&str, &str); 6] = [
    ("", "220 mx.test"),
    ("EHLO me.test", "250 mx.test"),
    ("MAIL FROM:<a@b>", "250 ok"),
    ("RCPT TO:<c@d>", "250 ok"),
    ("DATA", "354 go ahead"),
    (".", "250 ok"),
];

/// Plays the steps before `last`, hears that one, says `instead`, and does `then`.
fn until<T: Send + 'static>(
    last: usize,
    instead: &'static [u8],
    then: impl FnOnce(&mut Peer) -> T + Send + 'static,
) -> Server<T> {
    Server::smtp(move |peer| {
        for (at, (line, answer)) in STEPS.into_iter().enumerate().take(last + 1) {
            match line {
                "" => {}
                "." => assert_eq!(peer.hear_message(), b"text\r\n.\r\n"),
                line => assert_eq!(peer.hear(), line),
            }
            if at < last {
                peer.say(format!("{answer}\r\n"));
            }
        }
        peer.say(instead);
        then(peer)
    })
}

fn all(server: &Server<impl Send + 'static>, settings: &Settings) -> Result<(), Failure> {
    let mut client = Client::connect(&server.hop, settings)?;
    let done = transaction(&mut client);
    assert_eq!(client.is_usable(), done.is_ok());
    done
}

fn transaction(client: &mut Client) -> Result<(), Failure> {
    client.mail(b"a@b", &MailParameters::default())?;
    client.rcpt(b"c@d")?;
    client.data()?;
    client.write(b"text\n")?;
    client.finish().map(|_| ())
}

#[test]
fn a_connection_that_is_cut_at_any_step_is_a_temporary_failure() {
    for last in 0..STEPS.len() {
        for instead in [&b""[..], b"25", b"250-half\r\n", b"250 no end"] {
            let server = until(last, instead, |_| ());
            let failure = all(&server, &settings()).expect_err("cut");
            assert!(
                !failure.permanent && failure.reply.is_none(),
                "{last}: {failure}"
            );
            let reason = failure.reason;
            assert!(reason.starts_with(&server.name()), "{reason}");
            assert!(reason.contains("closed the connection before"), "{reason}");
            server.done();
        }
    }
}

#[test]
fn a_server_that_falls_silent_at_any_step_is_left_at_the_deadline() {
    for last in 0..STEPS.len() {
        let server = until(last, b"250-still", Peer::hear_all);
        let mut short = settings();
        if last == STEPS.len() - 1 {
            short.limits.data_end = Duration::from_millis(60);
        } else {
            short.limits.reply = Duration::from_millis(60);
        }
        let start = Instant::now();
        let failure = all(&server, &short).expect_err("silence");
        assert!(start.elapsed() >= Duration::from_millis(60));
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(!failure.permanent && failure.reply.is_none());
        assert!(failure.reason.ends_with("timed out"), "{failure}");
        assert_eq!(server.done(), b"");
    }
}

#[test]
fn one_byte_now_and_then_does_not_move_the_deadline() {
    let server = until(2, b"", |peer| {
        for _ in 0..200 {
            peer.say("2");
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let mut short = settings();
    short.limits.reply = Duration::from_millis(150);
    let start = Instant::now();
    let failure = all(&server, &short).expect_err("silence");
    assert!(failure.reason.ends_with("timed out"), "{failure}");
    assert!(
        start.elapsed() < Duration::from_millis(800),
        "{:?}",
        start.elapsed()
    );
    server.done();
}

#[test]
fn a_reply_without_end_is_ended() {
    for endless in [&b"250-x\r\n"[..], b"250 xxxxxxxxxxxxxxxx"] {
        let server = until(3, b"250-", move |peer| {
            for _ in 0..20_000 {
                peer.say(endless);
            }
        });
        let failure = all(&server, &settings()).expect_err("too much");
        assert!(!failure.permanent);
        assert!(failure.reason.contains("its reply has"), "{failure}");
        server.done();
    }
}

#[test]
fn a_server_that_takes_no_bytes_is_left_at_the_deadline() {
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let server = until(4, b"354 go ahead\r\n", move |_| {
        let _ = wait.recv();
    });
    let mut short = settings();
    short.limits.write = Duration::from_millis(100);
    let mut client = Client::connect(&server.hop, &short).expect("it is there");
    client
        .mail(b"a@b", &MailParameters::default())
        .expect("250");
    client.rcpt(b"c@d").expect("250");
    client.data().expect("354");
    let text = [b'x'; 64 * 1024];
    let failure = (0..4096).find_map(|_| client.write(&text).err());
    let failure = failure.expect("nobody reads 256 MB");
    assert!(!failure.permanent);
    let reason = format!("{}: it did not take the message: timed out", server.name());
    assert_eq!(failure.reason, reason);
    client.finish().expect_err("it is cut");
    drop(client);
    drop(done);
    server.done();
}

#[test]
fn a_client_that_is_dropped_or_quits_in_the_middle_of_a_message_never_ends_it() {
    for quits in [false, true] {
        for text in [&b"text"[..], b"text\n", b"text\n.\n", &[b'\n'; 40_000]] {
            let server = until(4, b"354 go ahead\r\n", Peer::hear_message);
            let mut client = server.connect().expect("it is there");
            client
                .mail(b"a@b", &MailParameters::default())
                .expect("250");
            client.rcpt(b"c@d").expect("250");
            client.data().expect("354");
            client.write(text).expect("room");
            assert!(!client.is_usable());
            if quits {
                client.quit();
            } else {
                drop(client);
            }
            let heard = server.done();
            assert!(!heard.ends_with(b"\r\n.\r\n") && heard != b".\r\n");
        }
    }
}

#[test]
fn a_server_that_closes_after_the_message_but_before_its_reply_has_said_nothing() {
    let server = until(5, b"", |_| ());
    let failure = all(&server, &settings()).expect_err("cut");
    let reason = format!(
        "{}: it closed the connection before the reply to the message",
        server.name()
    );
    assert_eq!(failure.reason, reason);
    server.done();
}

#[test]
fn what_is_said_without_being_asked_ends_the_conversation() {
    let server = until(
        2,
        b"250 ok\r\n250 to what will be asked\r\n",
        Peer::hear_all,
    );
    let failure = all(&server, &settings()).expect_err("out of step");
    let reason = format!("{}: it said more than one reply", server.name());
    assert_eq!(failure.reason, reason);
    assert_eq!(server.done(), b"");
}

#[test]
fn a_port_where_nobody_listens_is_told() {
    let mut server = Server::smtp(|_| ());
    let real = server.hop.clone();
    server.hop.endpoint = nexthop::Endpoint::Tcp {
        host: b"127.0.0.1".to_vec(),
        port: 1,
    };
    let failure = server.connect().expect_err("nobody is there");
    let reason = "unable to connect to smtp:127.0.0.1:1: connection refused";
    assert_eq!(failure.reason, reason);
    assert!(!failure.permanent);
    server.hop = real;
    server.connect().expect_err("it closes at once");
    server.done();
}

#[test]
fn all_but_the_end_can_be_sent_and_the_verdict_be_waited_for_as_long_as_one_likes() {
    let server = until(4, b"354 go ahead\r\n", |peer| {
        assert_eq!(peer.hear(), "text");
        assert_eq!(peer.hear_all(), b".\r\n");
    });
    let mut client = server.connect().expect("it is there");
    client
        .mail(b"a@b", &MailParameters::default())
        .expect("250");
    client.rcpt(b"c@d").expect("250");
    client.data().expect("354");
    client.write(b"text\n").expect("room");
    client.flush(Duration::from_secs(10)).expect("sent");
    let start = Instant::now();
    let limit = Duration::from_millis(100);
    let failure = client.finish_within(limit).expect_err("silence");
    assert!(!failure.permanent && failure.reason.ends_with("timed out"));
    assert!(start.elapsed() >= limit && start.elapsed() < Duration::from_secs(10));
    drop(client);
    server.done();
}

#[test]
fn a_server_that_gives_up_before_the_end_is_heard_when_all_but_that_is_sent() {
    let server = until(4, b"354 go ahead\r\n", |peer| {
        assert_eq!(peer.hear(), "text");
        peer.say("452 4.3.1 no room\r\n");
        peer.hear_all()
    });
    let mut client = server.connect().expect("it is there");
    client
        .mail(b"a@b", &MailParameters::default())
        .expect("250");
    client.rcpt(b"c@d").expect("250");
    client.data().expect("354");
    client.write(b"text\n").expect("room");
    // It is not known when it speaks.
    let failure = (0..1000).find_map(|_| {
        std::thread::sleep(Duration::from_millis(5));
        client.flush(Duration::from_secs(10)).err()
    });
    let failure = failure.expect("452");
    assert_eq!(failure.reply.map(|reply| reply.code), Some(452));
    assert!(!client.is_usable());
    drop(client);
    assert_eq!(server.done(), b"");
}
