use std::cell::RefCell;
use std::rc::Rc;

use auth::{Offers, Secret};
use chain::{Call, Env};
use os::log::Said;

use ::record::Message;

use super::*;
use crate::challenge::Challenges;
use crate::desk::Way;
use crate::desk::tests::PROTOCOL;
use crate::dialogue::{Login, Method, Refusal, Tls};

/// Lets nobody in, and counts.
#[derive(Clone, Default)]
struct Never(Rc<RefCell<u32>>);

impl crate::Judge for Never {
    fn offers(&self) -> Offers {
        Offers {
            password: true,
            apop: true,
            cram: true,
        }
    }

    fn gives_identity(&self) -> bool {
        true
    }

    fn check(&self, _: &auth::Attempt, _: &Env) -> auth::Verdict {
        *self.0.borrow_mut() += 1;
        auth::Verdict::No("never".to_owned())
    }
}

/// What a monitor did with a child that was taken over: its exit, its log, how often it asked the
/// checker, and the answers that were sent.
struct Seen {
    exit: Exit,
    log: String,
    asked: u32,
    answers: Vec<Answer>,
}

type Lines = Rc<RefCell<String>>;

fn log_to(lines: &Lines) -> Log {
    let into = lines.clone();
    let sink = move |line: &[u8]| {
        into.borrow_mut().push_str(&String::from_utf8_lossy(line));
        Said::Written
    };
    Log::to("popup", None, Box::new(sink))
}

/// Lets a monitor read `messages`, all of which are there before it begins. `ends` tells whether the
/// child's side is closed after them.
fn monitor_of(messages: &[&[u8]], joined: bool, ends: bool) -> Seen {
    let (ours, theirs) = Channel::<Answer, Record>::pair().expect("a pair");
    for message in messages {
        os::socket::send_nowait(theirs.as_fd(), message).expect("sent");
    }
    // Some process of this one, to be ended.
    let mut child = std::process::Command::new("/bin/sleep")
        .arg("600")
        .spawn()
        .expect("started");
    let pid = child.id().cast_signed();
    let settings = Settings {
        tries: 2,
        ..Settings::read(&Env::default()).expect("defaults")
    };
    let call = Call {
        name: "popup".to_owned(),
        args: Vec::new(),
        env: Env::default(),
        ahead: Vec::new(),
        applets: &[],
    };
    let judge = Never::default();
    let way = Way::Ours(Box::new(judge.clone()));
    let challenges = Challenges::make(b"h").expect("random");
    let ready = Ready {
        settings,
        desk: Desk::new(way, call, challenges, &settings, false).at_once(),
        door: None,
        terms: Terms {
            host: b"h".to_vec(),
            apop: None,
            cram: None,
            password: true,
            tls: Tls::Off,
            require_tls: false,
            joined,
            hidden: Vec::new(),
        },
        warnings: Vec::new(),
    };
    let lines = Lines::default();
    let log = log_to(&lines);
    let ender = std::thread::spawn(move || {
        // The last words: the parent waits for them, not for ever.
        if !ends {
            std::thread::sleep(Duration::from_millis(100));
        }
        let mut answers = Vec::new();
        while let Ok(Some(answer)) = theirs.receive(Instant::now()) {
            answers.push(answer);
        }
        drop(theirs);
        answers
    });
    let exit = decide(ready, log, &PROTOCOL, UnprivilegedChild::new(pid, ours));
    assert!(child.wait().is_err(), "the child is ended and waited for");
    Seen {
        exit,
        log: lines.take(),
        asked: *judge.0.borrow(),
        answers: ender.join().expect("answers"),
    }
}

fn message(tls: Option<&[u8]>, ahead: &[u8]) -> Vec<u8> {
    let login = Login {
        method: Method::User,
        name: b"joe".to_vec(),
        secret: Secret::new(b"x"),
        note: Vec::new(),
    };
    let record = Record {
        login,
        tls: tls.map(<[u8]>::to_vec),
        ahead: Zeroizing::new(ahead.to_vec()),
    };
    record.to_record().expect("short").to_vec()
}

#[test]
fn a_child_that_goes_on_guessing_after_the_last_try_is_not_heard() {
    let guess = message(None, b"");
    let seen = monitor_of(&[&guess, &guess, &guess, &guess], true, false);
    assert_eq!((seen.exit, seen.asked), (Exit::NO, 2));
}

#[test]
fn the_last_answer_is_given_time_to_be_passed_on() {
    let guess = message(None, b"");
    let begun = Instant::now();
    let seen = monitor_of(&[&guess, &guess], true, false);
    let why = Refusal::Credentials;
    let answers = [false, true].map(|last| Answer { why, last });
    assert_eq!((seen.exit, &seen.answers[..]), (Exit::NO, &answers[..]));
    assert!(begun.elapsed() >= Duration::from_millis(100));
}

#[test]
fn a_record_that_is_none_is_the_end_of_the_child() {
    let long = vec![0; Record::LIMIT + 1];
    for bad in [&b"x"[..], &long, &message(None, b"")[1..]] {
        let seen = monitor_of(&[bad], true, false);
        assert_eq!((seen.exit, seen.asked), (Exit::TEMPORARY, 0));
        let start = "popup: fault reason=\"the record of a login is malformed: ";
        assert!(seen.log.starts_with(start), "{}", seen.log);
    }
}

#[test]
fn what_was_not_begun_by_the_monitors_means_is_not_believed() {
    let seen = monitor_of(&[&message(Some(b"\0\0"), b"")], true, false);
    assert_eq!((seen.exit, seen.asked), (Exit::TEMPORARY, 0));
    assert!(seen.log.contains("TLS was begun without a TLS program"));
    let seen = monitor_of(&[&message(None, b"STAT\r\n")], false, false);
    assert_eq!((seen.exit, seen.asked), (Exit::TEMPORARY, 0));
    assert!(seen.log.contains("bytes were read that a foreign program"));
}

#[test]
fn a_child_that_is_gone_is_the_end() {
    let how = |script: &str| {
        let child = std::process::Command::new("/bin/sh")
            .args(["-c", script])
            .spawn();
        let child = child.expect("started").id().cast_signed();
        let lines = Lines::default();
        let (ours, _) = Channel::pair().expect("a pair");
        let exit = gone(UnprivilegedChild::new(child, ours), &mut log_to(&lines));
        assert!(!os::process::exists(child), "it is waited for");
        (exit, lines.take())
    };
    for code in [0, 1, 111] {
        let ended = how(&format!("exit {code}"));
        assert_eq!(ended, (Exit(code), String::new()));
    }
    for (script, end) in [("exit 101", "with 101"), ("kill -9 $$", "by signal 9")] {
        let (exit, log) = how(script);
        assert_eq!(exit, Exit::TEMPORARY);
        let reason = format!("reason=\"the process that speaks with the client ended {end}\"\n");
        assert!(log.ends_with(&reason), "{log}");
    }
}

#[test]
fn a_child_that_lives_and_sends_nothing_or_closes_its_side_is_told_from_one_that_ended() {
    for (messages, ends) in [(&[][..], true), (&[&b""[..]], false)] {
        let seen = monitor_of(messages, true, ends);
        assert_eq!((seen.exit, seen.asked), (Exit::TEMPORARY, 0));
        let reason = "reason=\"the process that speaks with the client sends nothing any more\"\n";
        assert!(seen.log.ends_with(reason), "{}", seen.log);
        assert!(seen.answers.is_empty());
    }
}
