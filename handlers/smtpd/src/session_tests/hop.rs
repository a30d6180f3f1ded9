//! The next hop: its answers are the client's.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};

use super::*;

/// A server that answers each verb as it is told to, and keeps what it heard.
pub(super) struct Hop {
    path: PathBuf,
    heard: Arc<Mutex<Vec<String>>>,
}

/// What is answered to a command; `None` ends the conversation.
pub(super) type Answers = fn(&str) -> Option<&'static str>;

impl Hop {
    /// Speaks LMTP on a socket in `place`, with as many replies after the dot as there are
    /// accepted recipients.
    fn new(place: &TestHome, answers: Answers) -> Hop {
        Hop::at(place, "hop", answers)
    }

    /// The same, on a socket of this name.
    pub(super) fn at(place: &TestHome, name: &str, answers: Answers) -> Hop {
        let path = place.path(name);
        let listener = UnixListener::bind(&path).expect("bound");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let keeps = heard.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = serve(stream, answers, &keeps);
            }
        });
        Hop { path, heard }
    }

    pub(super) fn transport(&self) -> Transport {
        let text = format!("lmtp:unix:{}", self.path.display());
        nexthop::Transport::parse(text.as_bytes(), std::path::Path::new("/"))
            .expect("a transport")
            .into()
    }

    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("not poisoned").clone()
    }
}

fn serve(stream: UnixStream, answers: Answers, heard: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    out.write_all(b"220 hop LMTP\r\n")?;
    let (mut accepted, mut in_text) = (Vec::new(), false);
    for line in BufReader::new(stream).lines() {
        let line = line?;
        heard.lock().expect("not poisoned").push(line.clone());
        if in_text && line != "." {
            continue;
        }
        if in_text {
            in_text = false;
            for recipient in accepted.drain(..) {
                let key = format!(".{recipient}");
                let answer = answers(&key).unwrap_or("250 2.0.0 saved as 17");
                out.write_all(format!("{answer}\r\n").as_bytes())?;
            }
            continue;
        }
        let verb = line.split(' ').next().unwrap_or_default();
        let Some(answer) = answers(&line).or(match verb {
            "LHLO" => Some("250-hop\r\n250 8BITMIME"),
            "DATA" => Some("354 go on"),
            "QUIT" => Some("221 bye"),
            "" => None,
            _ => Some("250 2.0.0 ok"),
        }) else {
            return Ok(());
        };
        if answer.starts_with("354") {
            in_text = true;
        }
        if matches!(verb, "MAIL" | "RSET") {
            accepted.clear();
        }
        if verb == "RCPT" && answer.starts_with('2') {
            accepted.push(line.clone());
        }
        out.write_all(format!("{answer}\r\n").as_bytes())?;
    }
    Ok(())
}

fn talk(place: &TestHome, hop: &Hop, input: &str) -> Said {
    let mut settings = place.settings();
    settings.transports = Transports::Two {
        local: hop.transport(),
        accounts: None,
        remote: None,
    };
    place.talk_with(settings, input.as_bytes())
}

fn two(rest: &str) -> String {
    format!("MAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\nRCPT TO:<ann@here.test>\r\n{rest}")
}

const TEXT: &str = "DATA\r\nhi\r\n..dot\r\n.\r\nQUIT\r\n";

#[test]
fn the_250_comes_after_the_hops_for_every_recipient_and_the_log_has_its_words() {
    let place = TestHome::new();
    let hop = Hop::new(&place, |_| None);
    let said = talk(&place, &hop, &two(TEXT));
    assert!(said.replies[5].starts_with("250 ok "), "{:?}", said.replies);
    let accepted = said
        .log
        .iter()
        .find(|line| line.contains(" accept "))
        .expect("a line");
    assert!(accepted.contains("hop=\"saved as 17\""), "{accepted}");
    let heard = hop.heard();
    assert!(
        heard.contains(&"RCPT TO:<ann@here.test>".to_owned()),
        "{heard:?}"
    );
    assert!(heard.contains(&"..dot".to_owned()), "{heard:?}");
    let id = said.replies[5].rsplit(' ').next().expect("a number");
    assert!(accepted.contains(&format!(".{id} ")), "{accepted} {id}");
    assert!(
        heard.iter().any(|line| line.contains(&format!(".{id};"))),
        "{heard:?}"
    );
}

#[test]
fn the_hops_refusal_of_a_recipient_is_the_clients_at_once() {
    let place = TestHome::new();
    let hop = Hop::new(&place, |line| {
        line.starts_with("RCPT TO:<joe").then_some("550 5.1.1 who?")
    });
    let said = talk(&place, &hop, &two(TEXT));
    assert_eq!(said.replies[2..4], ["550 who? (#5.1.1)", replies::OK]);
    assert!(said.replies[5].starts_with("250 ok "), "{:?}", said.replies);
}

#[test]
fn a_hop_that_refuses_the_sender_refuses_every_recipient_and_is_asked_once() {
    let place = TestHome::new();
    let hop = Hop::new(&place, |line| {
        line.starts_with("MAIL").then_some("554 5.7.1 not him")
    });
    let said = talk(&place, &hop, &two("QUIT\r\n"));
    assert_eq!(
        said.replies[1..4],
        [replies::OK, "554 not him (#5.7.1)", "554 not him (#5.7.1)"]
    );
    let asked = hop
        .heard()
        .iter()
        .filter(|line| line.starts_with("MAIL"))
        .count();
    assert_eq!(asked, 1);
}

#[test]
fn what_has_to_be_set_right_here_bounces_no_mail() {
    let place = TestHome::new();
    let hop = Hop::new(&place, |line| {
        line.starts_with("MAIL").then_some("530 5.7.0 log in first")
    });
    let said = talk(&place, &hop, &two("QUIT\r\n"));
    assert!(said.replies[2].starts_with("451 "), "{:?}", said.replies);
}

#[test]
fn a_hop_that_is_not_there_is_trouble_for_now() {
    let place = TestHome::new();
    let hop = Hop::new(&place, |_| None);
    fs::remove_file(&hop.path).expect("removed");
    let said = talk(&place, &hop, &two("QUIT\r\n"));
    assert!(said.replies[2].starts_with("451 "), "{:?}", said.replies);
    assert!(
        said.log.iter().any(|line| line.contains(" fault ")),
        "{:?}",
        said.log
    );
}

#[test]
fn one_recipient_for_later_makes_the_message_come_again_and_one_refused_is_named() {
    let place = TestHome::new();
    let hop = Hop::new(&place, |line| match line {
        line if line.starts_with(".RCPT TO:<joe") => Some("452 4.2.2 full now"),
        line if line.starts_with(".RCPT TO:<bob") => Some("552 5.2.2 full"),
        _ => None,
    });
    let said = talk(&place, &hop, &two(TEXT));
    assert_eq!(said.replies[5], "452 full now (#4.2.2)");
    let input = two(TEXT).replace("joe@", "bob@");
    let said = talk(&place, &hop, &input);
    assert!(
        said.replies[5].starts_with("552 full (#5.2.2) (for bob@here.test"),
        "{:?}",
        said.replies
    );
    let fault = said
        .log
        .iter()
        .find(|line| line.contains(" fault "))
        .expect("a line");
    assert!(
        fault.contains("1 of 2 recipients") && fault.contains("bob@here.test"),
        "{fault}"
    );
}

#[test]
fn a_refused_message_never_ends_at_the_hop() {
    let place = TestHome::new();
    let hop = Hop::new(&place, |_| None);
    let said = talk(&place, &hop, &two("DATA\r\nbare\rcr\r\n.\r\nNOOP\r\n"));
    assert_eq!(said.replies[5..], [replies::BARE_CR, replies::OK]);
    let said = talk(&place, &hop, &two("DATA\r\nhalf"));
    assert_eq!(said.replies.len(), 5);
    std::thread::sleep(Duration::from_millis(100));
    assert!(!hop.heard().contains(&".".to_owned()), "{:?}", hop.heard());
}

#[test]
fn one_connection_serves_one_message_after_the_other() {
    let place = TestHome::new();
    let hop = Hop::new(&place, |_| None);
    let message = two("DATA\r\nx\r\n.\r\n");
    let said = talk(
        &place,
        &hop,
        &format!("{message}{message}{}RSET\r\n{message}", two("")),
    );
    let taken = said
        .replies
        .iter()
        .filter(|line| line.starts_with("250 ok 1"))
        .count();
    assert_eq!(taken, 3, "{:?}", said.replies);
    let greeted = hop
        .heard()
        .iter()
        .filter(|line| line.starts_with("LHLO"))
        .count();
    assert_eq!(greeted, 1);
}

#[test]
fn a_silent_client_keeps_no_connection_to_the_hop() {
    let place = TestHome::new();
    let hop = Hop::new(&place, |_| None);
    for (before, rest, last) in [
        ("RSET\r\n", "NOOP\r\n", replies::OK),
        (
            "",
            "DATA\r\n",
            "451 you were silent for too long, please send that again (#4.4.2)",
        ),
    ] {
        let mut settings = place.settings();
        settings.transports = Transports::Two {
            local: hop.transport(),
            accounts: None,
            remote: None,
        };
        settings.limits.hop_idle = Duration::from_millis(50);
        settings.limits.hop_silence = Duration::from_millis(50);
        let (server, mut client) = UnixStream::pair().expect("a pair");
        let conn = conn(server, &settings);
        let input = two(before);
        let talker = std::thread::spawn(move || {
            client.write_all(input.as_bytes()).expect("room");
            std::thread::sleep(Duration::from_millis(500));
            client.write_all(rest.as_bytes()).expect("room");
            client
                .shutdown(std::net::Shutdown::Write)
                .expect("shut down");
            let mut said = String::new();
            client.read_to_string(&mut said).expect("read");
            said
        });
        Session::new(conn, log().0, settings, means()).run();
        let said = talker.join().expect("joined");
        assert!(said.ends_with(&format!("{last}\r\n")), "{said}");
        assert_eq!(hop.heard().last().map(String::as_str), Some("QUIT"));
    }
}

#[test]
fn a_hop_that_says_a_reply_too_many_has_taken_nothing() {
    let place = TestHome::new();
    let hop = Hop::new(&place, |line| match line {
        "DATA" => Some("354 go\r\n250 early"),
        line if line.starts_with(".RCPT") => Some("452 4.3.1 disk full"),
        _ => None,
    });
    let said = talk(&place, &hop, &two(TEXT));
    assert!(
        said.replies.last().expect("one").starts_with("221"),
        "{:?}",
        said.replies
    );
    let taken = said.replies.iter().any(|line| line.starts_with("250 ok 1"));
    assert!(!taken, "{:?}", said.replies);
    assert!(said.replies[4].starts_with("451 "), "{:?}", said.replies);
}
