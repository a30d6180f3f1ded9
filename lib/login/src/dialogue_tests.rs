use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use os::log::Said;
use wire::Limits;

use super::*;

/// `literal N` and `skip N` ask for it, `login` is one, `quit` ends it; what comes is kept.
#[derive(Clone, Default)]
struct Asking(Rc<RefCell<Vec<Vec<u8>>>>);

impl Dialogue for Asking {
    fn greet(&mut self, _: &mut Vec<u8>) {}

    fn line_limit(&self) -> usize {
        100
    }

    fn input(&mut self, input: Input<'_>, out: &mut Vec<u8>) -> Step {
        let (kind, bytes) = match input {
            Input::Line(line) => ("line ", line),
            Input::Literal(bytes) => ("literal ", bytes),
            Input::TooLong => ("too long", &b""[..]),
        };
        let mut seen = self.0.borrow_mut();
        seen.push([kind.as_bytes(), bytes].concat());
        let Input::Line(line) = input else {
            return Step::More;
        };
        let line = String::from_utf8_lossy(line);
        let (word, count) = line.split_once(' ').unwrap_or((&line, "0"));
        let count = count.parse().unwrap_or(0);
        match word {
            "literal" => {
                out.extend_from_slice(b"+\n");
                Step::Literal(count)
            }
            "skip" => Step::Skip(count),
            "login" => Step::Decide(Login {
                method: Method::User,
                name: b"joe".to_vec(),
                secret: Secret::new(b"x"),
                note: Vec::new(),
            }),
            "quit" => Step::Quit,
            _ => Step::More,
        }
    }

    fn tls_started(&mut self) {}

    fn refused(&mut self, _: Answer, _: &mut Vec<u8>) {}

    fn given_up(&mut self, why: &Trouble, out: &mut Vec<u8>) {
        out.extend_from_slice(why.to_string().as_bytes());
    }
}

struct Place {
    talk: Talk,
    client: UnixStream,
    /// A second descriptor of the program's end.
    keeper: UnixStream,
    seen: Asking,
}

fn place(exactly: bool, read: Duration) -> Place {
    let (server, client) = UnixStream::pair().expect("a pair");
    client
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("set");
    let keeper = server.try_clone().expect("a copy");
    let input = OwnedFd::from(server.try_clone().expect("a copy"));
    let limits = Limits {
        read,
        session_end: Instant::now() + Duration::from_secs(60),
    };
    let mut conn = Conn::new(input, server.into(), limits);
    if exactly {
        conn.read_exactly();
    }
    let seen = Asking::default();
    let talk = Talk::new(conn, Box::new(seen.clone()), None, read);
    Place {
        talk,
        client,
        keeper,
        seen,
    }
}

fn no_log() -> Log {
    Log::to("test", None, Box::new(|_: &[u8]| Said::Written))
}

impl Place {
    fn seen(&self) -> Vec<String> {
        let seen = self.seen.0.borrow();
        seen.iter()
            .map(|bytes| bytes.escape_ascii().to_string())
            .collect()
    }
}

#[test]
fn a_literal_is_as_many_bytes_as_were_asked_for_and_a_line_follows() {
    for exactly in [false, true] {
        let mut place = place(exactly, Duration::from_secs(5));
        place
            .client
            .write_all(b"literal 5\r\na\r\n\0b rest\r\nliteral 0\nskip 6\nlogin\n\nquit\n")
            .expect("room");
        assert!(matches!(
            place.talk.go_on(&mut no_log()),
            Came::End(Exit::OK)
        ));
        assert_eq!(
            place.seen(),
            [
                "line literal 5",
                "literal a\\r\\n\\x00b",
                "line  rest",
                "line literal 0",
                "literal ",
                "line skip 6",
                // Of what was thrown away nothing is heard.
                "line ",
                "line quit",
            ]
        );
    }
}

#[test]
fn what_asks_for_a_literal_is_written_before_it_is_waited_for() {
    let mut place = place(false, Duration::from_secs(5));
    let mut client = place.client.try_clone().expect("a copy");
    let waits = std::thread::spawn(move || {
        client.write_all(b"literal 3\n").expect("room");
        let mut reply = [0; 2];
        client.read_exact(&mut reply).expect("a reply");
        client.write_all(b"abc\nquit\n").expect("room");
        reply
    });
    place.talk.go_on(&mut no_log());
    assert_eq!(&waits.join().expect("a reply"), b"+\n");
    assert_eq!(place.seen()[1], "literal abc");
}

#[test]
fn behind_a_login_with_a_literal_all_is_left_or_handed_on() {
    let text = b"literal 3\nab\nlogin\nmore\nand more";
    for exactly in [false, true] {
        let mut place = place(exactly, Duration::from_secs(5));
        place.client.write_all(text).expect("room");
        let done = place.client.shutdown(std::net::Shutdown::Write);
        done.expect("shut");
        assert!(matches!(place.talk.go_on(&mut no_log()), Came::Login(_)));
        let ahead = place.talk.ahead().to_vec();
        let mut left = Vec::new();
        place.keeper.read_to_end(&mut left).expect("the rest");
        assert_eq!(ahead.is_empty(), exactly);
        assert_eq!([ahead, left].concat(), b"more\nand more");
    }
}

#[test]
fn a_literal_that_does_not_come_ends_it_with_the_last_words_of_the_protocol() {
    for asked in ["literal 5\nabc", "skip 5\nabc"] {
        let mut place = place(false, Duration::from_millis(50));
        place.client.write_all(asked.as_bytes()).expect("room");
        assert!(matches!(
            place.talk.go_on(&mut no_log()),
            Came::End(Exit::NO)
        ));
        drop((place.talk, place.keeper));
        let mut said = String::new();
        place.client.read_to_string(&mut said).expect("words");
        assert!(
            said.ends_with("the client was silent for too long"),
            "{said}"
        );
        assert_eq!(place.seen.0.borrow().len(), 1);
    }
}

/// What the log is told while the client says this and goes.
fn told(text: &[u8], answer: Option<Answer>) -> Vec<String> {
    let mut place = place(false, Duration::from_millis(50));
    place.client.write_all(text).expect("room");
    let lines = Rc::new(RefCell::new(Vec::new()));
    let into = lines.clone();
    let sink = move |line: &[u8]| {
        into.borrow_mut()
            .push(String::from_utf8_lossy(line).into_owned());
        Said::Written
    };
    let mut log = Log::to("popup", None, Box::new(sink));
    let came = place.talk.go_on(&mut log);
    if let Some(answer) = answer {
        assert!(matches!(came, Came::Login(_)));
        place.talk.refused(answer, &mut log);
    }
    lines.take()
}

#[test]
fn every_end_is_one_line_with_what_passed_and_how_long_it_took() {
    let end = |reason: &str, received: u64, sent: u64| {
        vec![format!(
            "popup: end reason={reason} in={received} out={sent} seconds=0\n"
        )]
    };
    assert_eq!(told(b"hello\nquit\n", None), end("quit", 11, 0));
    let silent = "\"the client was silent for too long\"";
    // Its last words are the trouble's, without the marks.
    assert_eq!(told(b"hello\n", None), end(silent, 6, 34));
    let why = Refusal::Credentials;
    let last = Answer { why, last: true };
    let failed = "\"too many failed logins\"";
    assert_eq!(told(b"login\n", Some(last)), end(failed, 6, 0));
    // A conversation that goes on, here or in the next program, has not ended.
    let more = Answer { why, last: false };
    assert_eq!(told(b"login\n", Some(more)), [""; 0]);
}
