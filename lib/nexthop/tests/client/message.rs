//! Transactions that go well.

use nexthop::{MailParameters, Verdict};
use smtp::enhanced::Status;

use crate::hop::{Peer, Server};

fn take(peer: &mut Peer) -> Vec<u8> {
    peer.expect("DATA", "354 go ahead");
    let text = peer.hear_message();
    peer.say("250 2.0.0 queued as 1\r\n");
    text
}

#[test]
fn a_message_goes_out_and_the_reply_comes_back_for_each_recipient() {
    let server = Server::smtp(|peer| {
        peer.greet(&["SIZE 1000", "8BITMIME", "SMTPUTF8", "PIPELINING"]);
        peer.expect("MAIL FROM:<a@b.test> SIZE=20 BODY=8BITMIME", "250 2.1.0 ok");
        peer.expect("RCPT TO:<\"joe blow\"@c.test>", "250 ok");
        peer.expect("RCPT TO:<no@c.test>", "550 5.1.1 no such user");
        peer.expect("RCPT TO:<d@c.test>", "251 forwarded");
        let text = take(peer);
        assert_eq!(peer.hear(), "QUIT");
        text
    });
    let mut client = server.connect().expect("it is there");
    assert_eq!(client.size(), Some(1000));
    assert!(client.has_8bitmime() && client.has_smtputf8());
    assert_eq!(client.tls_version(), None);
    let parameters = MailParameters {
        size: Some(20),
        eight_bit: true,
        utf8: false,
    };
    client.mail(b"a@b.test", &parameters).expect("250");
    client.rcpt(b"joe blow@c.test").expect("250");
    let failure = client.rcpt(b"no@c.test").expect_err("550");
    assert!(failure.permanent && client.is_usable());
    client.rcpt(b"d@c.test").expect("251");
    client.data().expect("354");
    client.write(b"Subject: x\n\n.dot\nlast").expect("room");
    let verdicts = client.finish().expect("250");
    let [Verdict::Ok(first), Verdict::Ok(second)] = verdicts.as_slice() else {
        panic!("{verdicts:?}");
    };
    assert_eq!(first, second);
    assert_eq!(first.enhanced, Status::parse(b"2.0.0"));
    assert_eq!(first.text, b"queued as 1");
    client.quit();
    assert_eq!(server.done(), b"Subject: x\r\n\r\n..dot\r\nlast\r\n.\r\n");
}

#[test]
fn one_connection_carries_several_transactions() {
    let server = Server::smtp(|peer| {
        peer.greet(&[]);
        peer.expect("MAIL FROM:<>", "250 ok");
        peer.expect("RCPT TO:<a@b>", "250 ok");
        take(peer);
        peer.expect("MAIL FROM:<x@y>", "250 ok");
        peer.expect("RSET", "250 ok");
        peer.expect("MAIL FROM:<z@y>", "250 ok");
        peer.expect("RCPT TO:<c@d>", "250 ok");
        take(peer)
    });
    let mut client = server.connect().expect("it is there");
    let nothing = MailParameters::default();
    client.mail(b"", &nothing).expect("250");
    client.rcpt(b"a@b").expect("250");
    client.data().expect("354");
    client.finish().expect("250");
    client.mail(b"x@y", &nothing).expect("250");
    client.reset().expect("250");
    client.mail(b"z@y", &nothing).expect("250");
    client.rcpt(b"c@d").expect("250");
    client.data().expect("354");
    client.write(b"second\n").expect("room");
    client.finish().expect("250");
    assert_eq!(server.done(), b"second\r\n.\r\n");
}

#[test]
fn a_large_message_in_odd_pieces_arrives_as_it_is() {
    let line = ".a line that begins with a dot, and has some length to it\n";
    let stored = line.repeat(40_000);
    let sent = format!(".{}", line.replace('\n', "\r\n")).repeat(40_000) + ".\r\n";
    let server = Server::smtp(|peer| {
        peer.greet(&[]);
        peer.expect("MAIL FROM:<a@b>", "250 ok");
        peer.expect("RCPT TO:<a@b>", "250 ok");
        peer.expect("DATA", "354 go ahead");
        let text = peer.hear_message();
        peer.say("250 ok\r\n");
        text
    });
    let mut client = server.connect().expect("it is there");
    client
        .mail(b"a@b", &MailParameters::default())
        .expect("250");
    client.rcpt(b"a@b").expect("250");
    client.data().expect("354");
    for piece in stored.as_bytes().chunks(70_001) {
        client.write(piece).expect("room");
    }
    client.finish().expect("250");
    assert!(server.done() == sent.as_bytes());
}

#[test]
fn steps_out_of_order_are_refused_and_never_sent() {
    let server = Server::smtp(|peer| {
        peer.greet(&[]);
        peer.expect("MAIL FROM:<a@b>", "250 ok");
        peer.expect("RCPT TO:<no@b>", "550 no");
        peer.expect("RCPT TO:<a@b>", "250 ok");
        take(peer)
    });
    let mut client = server.connect().expect("it is there");
    let nothing = MailParameters::default();
    for failure in [
        client.rcpt(b"a@b").expect_err("no MAIL"),
        client.data().expect_err("no MAIL"),
        client.write(b"x").expect_err("no DATA"),
        client.finish().expect_err("no DATA"),
    ] {
        assert!(!failure.permanent);
        assert!(failure.reason.ends_with("has no place here"), "{failure}");
    }
    client.mail(b"a@b", &nothing).expect("250");
    client.mail(b"a@b", &nothing).expect_err("no RSET");
    client.data().expect_err("no recipient");
    client.rcpt(b"no@b").expect_err("550");
    client.data().expect_err("no accepted recipient");
    client.finish().expect_err("no DATA");
    client.rcpt(b"a@b").expect("the transaction is still there");
    client.data().expect("354");
    client.reset().expect_err("the message is not complete");
    client.write(b"x\n").expect("room");
    client.finish().expect("250");
    assert_eq!(server.done(), b"x\r\n.\r\n");
}

#[test]
fn what_no_hop_could_take_is_refused_for_good_without_asking() {
    let server = Server::smtp(|peer| {
        peer.greet(&[]);
        peer.expect("MAIL FROM:<a@b>", "250 ok");
        peer.expect("RCPT TO:<a@b>", "250 ok");
        peer.hear_all()
    });
    let mut client = server.connect().expect("it is there");
    let needed = MailParameters {
        utf8: true,
        ..MailParameters::default()
    };
    let nothing = MailParameters::default();
    let code = |failure: nexthop::Failure| {
        assert!(failure.permanent, "{failure}");
        failure
            .reply
            .and_then(|reply| reply.enhanced)
            .map(|code| code.to_string())
    };
    let sender = "\u{fc}@b".as_bytes();
    for failure in [
        client.mail(b"a@b", &needed).expect_err("no SMTPUTF8"),
        client.mail(sender, &nothing).expect_err("no SMTPUTF8"),
    ] {
        assert_eq!(code(failure).as_deref(), Some("5.6.7"));
    }
    let failure = client
        .mail(b"a\r\nDATA\r\n@b", &nothing)
        .expect_err("two lines");
    assert_eq!(code(failure).as_deref(), Some("5.1.7"));
    client.mail(b"a@b", &nothing).expect("250");
    let failure = client.rcpt(b"a@b> NOTIFY=NEVER").expect_err("no domain");
    assert_eq!(code(failure).as_deref(), Some("5.1.3"));
    let failure = client.rcpt(sender).expect_err("no SMTPUTF8");
    assert_eq!(code(failure).as_deref(), Some("5.6.7"));
    client.rcpt(b"a@b").expect("250");
    client.quit();
    assert_eq!(server.done(), b"QUIT\r\n");
}
