//! What a hop may refuse, and whose fault it is.

use nexthop::{Client, Failure, MailParameters, Reply, Verdict};

use crate::hop::{Peer, Server};

/// Plays a transaction up to the step with this number and answers it so; what follows is heard to
/// its end.
fn refusing(step: usize, answer: &'static str) -> Server<Vec<u8>> {
    Server::smtp(move |peer: &mut Peer| {
        let steps = [
            ("MAIL FROM:<a@b>", "250 ok"),
            ("RCPT TO:<c@d>", "250 ok"),
            ("DATA", "354 go ahead"),
        ];
        peer.greet(&[]);
        for (at, (line, usual)) in steps.into_iter().enumerate() {
            if at == step {
                peer.expect(line, answer);
                return peer.hear_all();
            }
            peer.expect(line, usual);
        }
        peer.hear_message();
        peer.say(format!("{answer}\r\n"));
        peer.hear_all()
    })
}

/// The failure of a whole transaction, and the client after it.
fn transaction(client: &mut Client) -> Result<(), Failure> {
    client.mail(b"a@b", &MailParameters::default())?;
    client.rcpt(b"c@d")?;
    client.data()?;
    client.write(b"text\n")?;
    match client.finish()?.pop() {
        Some(Verdict::Refused(failure)) => Err(failure),
        _ => Ok(()),
    }
}

const STEPS: [&str; 4] = ["MAIL", "RCPT", "DATA", "the message"];

#[test]
fn a_refusal_of_the_transaction_is_passed_on_as_it_is() {
    for (step, name) in STEPS.into_iter().enumerate() {
        for (answer, permanent) in [
            ("450 4.2.0 greylisted", false),
            ("552-5.2.2 the mailbox\r\n552 5.2.2 is full", true),
        ] {
            let server = refusing(step, answer);
            let mut client = server.connect().expect("it is there");
            let failure = transaction(&mut client).expect_err("refused");
            assert_eq!(failure.permanent, permanent, "{name}");
            let reply = failure.reply.expect("it said something");
            let text = if permanent {
                "552 5.2.2 the mailbox is full"
            } else {
                answer
            };
            assert_eq!(reply.to_string(), text);
            let reason = format!("{} refused {name}: {text}", server.name());
            assert_eq!(failure.reason, reason);
            assert!(client.is_usable(), "{name}");
            client.quit();
            assert_eq!(server.done(), b"QUIT\r\n");
        }
    }
}

#[test]
fn a_hop_that_goes_away_is_a_temporary_failure_and_of_no_use_any_more() {
    for (step, name) in STEPS.into_iter().enumerate() {
        let server = refusing(step, "421 4.3.2 shutting down");
        let mut client = server.connect().expect("it is there");
        let failure = transaction(&mut client).expect_err("refused");
        assert!(!failure.permanent, "{name}");
        assert_eq!(failure.reply.map(|reply| reply.code), Some(421));
        assert!(!client.is_usable());
        client.reset().expect_err("of no use");
        client.quit();
        assert_eq!(server.done(), b"");
    }
}

#[test]
fn an_answer_that_is_none_is_a_temporary_failure_and_the_end() {
    for (step, name) in STEPS.into_iter().enumerate() {
        for answer in ["334 what", "354 go", "250 ok", "hello", "250-a\r\n550 b"] {
            let usual = if step == 2 { "354 go" } else { "250 ok" };
            if answer == usual {
                continue;
            }
            let server = refusing(step, answer);
            let mut client = server.connect().expect("it is there");
            let failure = transaction(&mut client).expect_err("no answer");
            assert!(!failure.permanent, "{name} {answer}");
            assert_eq!(failure.reply, None, "{name} {answer}: {failure}");
            assert!(!client.is_usable(), "{name} {answer}");
            drop(client);
            assert_eq!(server.done(), b"");
        }
    }
}

#[test]
fn after_a_refused_data_the_transaction_can_be_given_up() {
    let server = Server::smtp(|peer| {
        peer.greet(&[]);
        peer.expect("MAIL FROM:<a@b>", "250 ok");
        peer.expect("RCPT TO:<c@d>", "250 ok");
        peer.expect("DATA", "554 5.5.1 no valid recipients");
        peer.expect("RSET", "250 ok");
        peer.expect("MAIL FROM:<a@b>", "250 ok");
    });
    let mut client = server.connect().expect("it is there");
    transaction(&mut client).expect_err("554");
    client.write(b"x").expect_err("no 354");
    client.reset().expect("250");
    client
        .mail(b"a@b", &MailParameters::default())
        .expect("250");
    server.done();
}

#[test]
fn a_refused_reset_is_never_for_good() {
    let server = Server::smtp(|peer| {
        peer.greet(&[]);
        peer.expect("RSET", "500 5.5.1 unknown");
    });
    let failure = server.connect().expect("it is there").reset();
    let failure = failure.expect_err("500");
    assert!(!failure.permanent);
    assert_eq!(failure.reply, None::<Reply>);
    server.done();
}
