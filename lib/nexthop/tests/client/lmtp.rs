//! LMTP: a verdict for each recipient.

use nexthop::{MailParameters, Protocol, Security, Verdict};

use crate::hop::{Peer, Server};

fn play(peer: &mut Peer) {
    peer.greet(&["PIPELINING", "ENHANCEDSTATUSCODES"]);
    peer.expect("MAIL FROM:<a@b>", "250 ok");
    peer.expect("RCPT TO:<one@h>", "250 ok");
    peer.expect("RCPT TO:<none@h>", "550 5.1.1 no such user");
    peer.expect("RCPT TO:<two@h>", "250 ok");
    peer.expect("RCPT TO:<three@h>", "250 ok");
    peer.expect("DATA", "354 go ahead");
    peer.hear_message();
}

fn send(client: &mut nexthop::Client) -> Result<Vec<Verdict>, nexthop::Failure> {
    client.mail(b"a@b", &MailParameters::default())?;
    for recipient in ["one@h", "none@h", "two@h", "three@h"] {
        let _ = client.rcpt(recipient.as_bytes());
    }
    client.data()?;
    client.write(b"text\n")?;
    client.finish()
}

fn shown(verdicts: &[Verdict]) -> Vec<String> {
    let shown = |verdict: &Verdict| match verdict {
        Verdict::Ok(reply) => format!("ok {reply}"),
        Verdict::Refused(failure) => {
            let kind = if failure.permanent { "never" } else { "later" };
            format!("{kind} {}", failure.reason)
        }
    };
    verdicts.iter().map(shown).collect()
}

#[test]
fn each_accepted_recipient_has_a_verdict_of_its_own_in_order() {
    let server = Server::lmtp(|peer| {
        play(peer);
        // All at once: the later ones are not lost with the first.
        peer.say("250 2.1.5 one\r\n552-5.2.2 two\r\n552 5.2.2 is full\r\n451 4.3.0 three\r\n");
        peer.expect("MAIL FROM:<next@b>", "250 ok");
    });
    let name = server.name();
    let mut client = server.connect().expect("it is there");
    let verdicts = send(&mut client).expect("verdicts");
    let expected = [
        "ok 250 2.1.5 one".to_owned(),
        format!("never {name} refused the message: 552 5.2.2 two is full"),
        format!("later {name} refused the message: 451 4.3.0 three"),
    ];
    assert_eq!(shown(&verdicts), expected);
    client
        .mail(b"next@b", &MailParameters::default())
        .expect("250");
    server.done();
}

#[test]
fn verdicts_that_have_come_count_though_the_connection_is_lost() {
    let server = Server::lmtp(|peer| {
        play(peer);
        peer.say("250 2.1.5 one\r\n250-2.1.5 tw");
    });
    let name = server.name();
    let mut client = server.connect().expect("it is there");
    let verdicts = send(&mut client).expect("verdicts");
    let lost = format!("later {name}: it closed the connection before the reply to the message");
    assert_eq!(
        shown(&verdicts),
        ["ok 250 2.1.5 one".to_owned(), lost.clone(), lost]
    );
    assert!(!client.is_usable());
    server.done();
}

#[test]
fn without_any_verdict_there_is_a_failure() {
    let server = Server::lmtp(play);
    let mut client = server.connect().expect("it is there");
    let failure = send(&mut client).expect_err("no verdict");
    assert!(!failure.permanent && failure.reply.is_none());
    server.done();
}

#[test]
fn a_reply_too_many_is_noticed_before_it_is_taken_for_an_answer() {
    let server = Server::lmtp(|peer| {
        play(peer);
        peer.say("250 1\r\n250 2\r\n250 3\r\n250 4\r\n");
        peer.hear_all()
    });
    let mut client = server.connect().expect("it is there");
    // Nobody knows which of them are about this message.
    let failure = send(&mut client).expect_err("out of step");
    assert!(!failure.permanent && failure.reply.is_none() && !client.is_usable());
    let reason = format!("{}: it said more than one reply", server.name());
    assert_eq!(failure.reason, reason);
    drop(client);
    assert_eq!(server.done(), b"");
}

#[test]
fn a_server_that_does_not_know_lhlo_is_not_asked_otherwise() {
    let server = Server::tcp(Protocol::Lmtp, Security::Plain, "127.0.0.1", |peer| {
        peer.say("220 mx.test ready\r\n");
        peer.expect("LHLO me.test", "500 what");
        peer.hear_all()
    });
    let failure = server.connect().expect_err("no LMTP");
    assert!(!failure.permanent);
    assert_eq!(server.done(), b"");
}

#[test]
fn a_socket_that_is_not_there_is_told() {
    let mut server = Server::lmtp(|_| ());
    let real = server.hop.clone();
    server.hop.endpoint = nexthop::Endpoint::Unix("/nonexistent/lmtp".into());
    let failure = server.connect().expect_err("nothing is there");
    let reason = "unable to connect to lmtp:unix:/nonexistent/lmtp: file does not exist";
    assert_eq!(failure.reason, reason);
    server.hop = real;
    server.connect().expect_err("it closes at once");
    server.done();
}
