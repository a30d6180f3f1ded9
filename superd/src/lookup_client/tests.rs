use super::*;
use crate::cli::{Invocation, parse};
use std::ffi::OsString;
use std::process::{Child, Command, Stdio};

/// A desk whose look-up process is this test: it holds the other end of the socket. The pid is
/// that of a child that does nothing.
struct Played {
    desk: LookupClient,
    theirs: OwnedFd,
    child: Child,
}

impl Drop for Played {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Played {
    fn new(options: &[&str]) -> Played {
        let words = options
            .iter()
            .chain(&["0", "25", "p"])
            .map(OsString::from)
            .collect();
        let Ok(Invocation::Serve(options)) = parse(words).outcome else {
            panic!("options")
        };
        let mask = os::signals::Signals::watch()
            .expect("signals")
            .mask_for_programs();
        let mut desk = LookupClient::new(&options, mask, Arc::new(Vec::new()));
        let (ours, theirs) = message_pair().expect("a pair");
        let child = Command::new("cat")
            .stdin(Stdio::piped())
            .spawn()
            .expect("started");
        let pid = i32::try_from(child.id()).expect("a pid");
        desk.process = Some(Process { socket: ours, pid });
        // Nothing may be started in its place.
        desk.not_before = Some(Instant::now() + Duration::from_secs(3600));
        Played {
            desk,
            theirs,
            child,
        }
    }

    fn ask(&mut self) -> Asked {
        self.ask_from("127.0.0.1")
    }

    fn ask_from(&mut self, local: &str) -> Asked {
        let local = SocketAddr::new(local.parse().expect("an address"), 25);
        let remote = "192.0.2.7:40000".parse().expect("an address");
        self.desk.ask(local, remote).0
    }

    fn wait(&mut self) -> u64 {
        match self.ask() {
            Asked::Waiting(id) => id,
            Asked::Known(names) => panic!("{names:?}"),
        }
    }

    fn request(&self) -> Request {
        let mut buffer = [0; MESSAGE_LIMIT];
        let count = receive_nowait(self.theirs.as_fd(), &mut buffer).expect("a request");
        Request::decode(&buffer[..count]).expect("a request")
    }

    fn answer(&self, answer: &Answer) {
        send_nowait(self.theirs.as_fd(), &answer.encode()).expect("room");
    }

    /// The process is gone.
    fn hang_up(&mut self) {
        let (ours, theirs) = message_pair().expect("a pair");
        drop(std::mem::replace(&mut self.theirs, theirs));
        drop(ours);
        // A child that another test is about to start may still hold a copy of their end.
        let socket = self.desk.socket().expect("ours");
        let deadline = Instant::now() + Duration::from_secs(20);
        assert!(
            os::fd::wait_readable(socket, deadline).expect("a poll"),
            "no end"
        );
    }

    /// Another process is started.
    fn replace(&mut self) {
        let (ours, theirs) = message_pair().expect("a pair");
        self.theirs = theirs;
        let pid = i32::try_from(self.child.id()).expect("a pid");
        self.desk.process = Some(Process { socket: ours, pid });
        assert_eq!(self.desk.tend(Instant::now()), (vec![], false));
    }

    fn was_ended(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        os::process::wait_child_until(&mut self.child, deadline)
            .expect("waited")
            .is_some()
    }
}

/// A client of whom nothing could be asked.
fn lost() -> Names {
    Names {
        local: Some(b"0".to_vec()),
        lost: true,
        ..Names::default()
    }
}

fn known(name: &str) -> Name {
    Name::Known(name.into())
}

fn answer(id: u64) -> Answer {
    Answer {
        id,
        local_name: Name::NotAsked,
        remote_name: Name::None,
        info: None,
    }
}

#[test]
fn what_the_options_want_is_asked_and_the_answer_handed_on() {
    let mut played = Played::new(&["-p", "-t", "3", "-l", "here"]);
    let id = played.wait();
    let request = played.request();
    assert!(request.remote_name && request.paranoid && !request.local_name);
    assert_eq!(request.ident, Some(Duration::from_secs(3)));
    played.answer(&Answer {
        remote_name: known("two.example.org"),
        info: Some(b"joe".to_vec()),
        ..answer(id)
    });
    let names = Names {
        local: Some(b"here".to_vec()),
        remote: Some(b"two.example.org".to_vec()),
        info: Some(b"joe".to_vec()),
        lost: false,
    };
    assert_eq!(played.desk.take_answers(), [(id, names)]);
}

#[test]
fn the_local_name_is_asked_for_once_for_each_address() {
    let mut played = Played::new(&["-HR"]);
    let id = played.wait();
    assert!(played.request().local_name);
    played.answer(&Answer {
        local_name: known("here"),
        remote_name: Name::NotAsked,
        ..answer(id)
    });
    assert_eq!(
        played.desk.take_answers()[0].1.local.as_deref(),
        Some(&b"here"[..])
    );
    let here = Names {
        local: Some(b"here".to_vec()),
        ..Names::default()
    };
    assert_eq!(played.ask(), Asked::Known(here));
    assert!(matches!(played.ask_from("127.0.0.9"), Asked::Waiting(_)));
}

#[test]
fn a_local_name_is_handed_on_however_many_addresses_there_are() {
    let mut played = Played::new(&["-HR"]);
    for number in 0..u32::try_from(LOCAL_LIMIT).expect("small") + 2 {
        let local = std::net::Ipv4Addr::from(0x7f00_0000 + number).to_string();
        let Asked::Waiting(id) = played.ask_from(&local) else {
            panic!("not asked")
        };
        played.request();
        let remote_name = Name::NotAsked;
        played.answer(&Answer {
            local_name: known("here"),
            remote_name,
            ..answer(id)
        });
        let answers = played.desk.take_answers();
        assert_eq!(answers[0].1.local.as_deref(), Some(&b"here"[..]), "{local}");
    }
    assert!(played.desk.local.len() <= LOCAL_LIMIT);
}

#[test]
fn no_more_is_asked_than_the_process_can_take() {
    let mut played = Played::new(&["-l0"]);
    let limit = played.desk.open_limit;
    for _ in 0..limit {
        assert!(!played.desk.is_full());
        played.wait();
    }
    assert!(played.desk.is_full());
    let id = played.request().id;
    played.answer(&answer(id));
    played.desk.take_answers();
    assert!(!played.desk.is_full());
}

#[test]
fn an_answer_that_nobody_asked_for_ends_the_process() {
    let mut played = Played::new(&["-l0"]);
    let id = played.wait();
    played.answer(&answer(id + 1));
    assert_eq!(played.desk.take_answers(), []);
    assert!(played.desk.socket().is_none());
    assert!(played.desk.take_trouble().is_some());
    assert!(played.was_ended());
    played.replace();
    assert_eq!(played.request().id, id, "it is asked again");
}

#[test]
fn bytes_that_are_no_answer_end_the_process() {
    let mut played = Played::new(&["-l0"]);
    let id = played.wait();
    send_nowait(played.theirs.as_fd(), b"nonsense").expect("room");
    assert_eq!(played.desk.take_answers(), []);
    assert!(played.was_ended());
    played.replace();
    assert_eq!(played.request().id, id, "it is asked again");
}

#[test]
fn a_process_that_does_not_answer_in_time_is_ended() {
    let mut played = Played::new(&["-R", "-l0"]);
    let id = played.wait();
    let deadline = played.desk.next_deadline().expect("a deadline");
    let just_before = deadline
        .checked_sub(Duration::from_millis(1))
        .expect("a time");
    assert_eq!(played.desk.tend(just_before), (vec![], false));
    assert!(played.desk.socket().is_some());
    assert_eq!(played.desk.tend(deadline), (vec![], false));
    assert!(played.desk.socket().is_none());
    assert!(played.was_ended());
    // No other one can be started here, and nobody waits for ever.
    let last = played.desk.next_deadline().expect("a deadline");
    assert!(last > deadline);
    assert_eq!(played.desk.tend(last), (vec![(id, lost())], false));
    assert_eq!(played.desk.next_deadline(), None);
}

#[test]
fn what_was_not_asked_for_is_not_believed() {
    let mut played = Played::new(&["-HR"]);
    let id = played.wait();
    played.answer(&Answer {
        id,
        local_name: known("here"),
        remote_name: known("forged"),
        info: Some(b"forged".to_vec()),
    });
    let names = Names {
        local: Some(b"here".to_vec()),
        ..Names::default()
    };
    assert_eq!(played.desk.take_answers(), [(id, names)]);
}

#[test]
fn when_the_process_is_gone_open_questions_are_asked_again_until_three_have_died_of_them() {
    let mut played = Played::new(&["-l0"]);
    let id = played.wait();
    for _ in 1..TRIES {
        assert_eq!(played.request().id, id);
        played.hang_up();
        assert_eq!(played.desk.take_answers(), []);
        // A later one waits as well, though none is started before its time.
        played.replace();
    }
    let later = played.wait();
    assert_eq!((played.request().id, played.request().id), (id, later));
    played.hang_up();
    assert_eq!(played.desk.take_answers(), [(id, lost())]);
    played.replace();
    assert_eq!(played.request().id, later);
    played.answer(&answer(later));
    let none = Names {
        lost: false,
        ..lost()
    };
    assert_eq!(played.desk.take_answers(), [(later, none)]);
}

#[test]
fn a_connection_of_which_only_the_local_name_is_wanted_loses_nothing_that_rules_ask_for() {
    let mut played = Played::new(&["-HR"]);
    let id = played.wait();
    played.hang_up();
    assert_eq!(played.desk.take_answers(), []);
    let last = Instant::now() + Duration::from_secs(60);
    assert_eq!(played.desk.tend(last).0, [(id, Names::default())]);
}

#[test]
fn a_look_up_process_that_has_ended_is_known_as_one_once() {
    let mut played = Played::new(&["-l0"]);
    played.desk.pids.push(4711);
    assert!(played.desk.forget_process(4711));
    assert!(!played.desk.forget_process(4711));
}
