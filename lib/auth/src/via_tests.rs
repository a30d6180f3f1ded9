use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use super::*;
use crate::verdict::UserIdentity;

fn attempt(proof: Proof) -> Attempt {
    Attempt {
        login: b"joe".to_vec(),
        proof,
        challenge: b"<1.2@h>".to_vec(),
    }
}

fn password(text: &[u8]) -> Attempt {
    attempt(Proof::Password(Secret::new(text)))
}

fn env() -> Env {
    [("TCPLOCALPORT", "587"), ("TCPREMOTEIP", "192.0.2.1")]
        .into_iter()
        .collect()
}

#[test]
fn a_question_carries_the_attempt_as_it_is() {
    let digest = || b"0123".to_vec();
    for attempt in [
        password(b"pw"),
        attempt(Proof::Apop { digest: digest() }),
        attempt(Proof::Cram { digest: digest() }),
    ] {
        let env = env();
        let record = Question::of(&attempt, &env).to_record().expect("short");
        let question = Question::parse(&record).expect("well-formed");
        assert_eq!(question.attempt(), attempt);
        assert_eq!(question.client, b"192.0.2.1");
        assert_eq!(question.service, b"587");
    }
    let named = [("SERVICE", "smtpd"), ("TCPLOCALPORT", "587")];
    let env = named.into_iter().collect();
    assert_eq!(Question::of(&password(b"pw"), &env).service, b"smtpd");
}

#[test]
fn a_question_of_the_limit_is_asked_and_one_over_it_is_not() {
    let env = Env::default();
    let fits = QUESTION_LIMIT - b"\0joe\0\0<1.2@h>\0pop\0\0".len();
    let attempt = password(&vec![b'x'; fits]);
    let record = Question::of(&attempt, &env).to_record().expect("it fits");
    assert_eq!(record.len(), QUESTION_LIMIT);
    assert!(Question::parse(&record).is_ok());
    let attempt = password(&vec![b'x'; fits + 1]);
    let error = Question::of(&attempt, &env)
        .to_record()
        .expect_err("too long");
    assert_eq!(error, RecordError::TooLong);
    let attempt = password(b"a\0b");
    let error = Question::of(&attempt, &env).to_record().expect_err("a NUL");
    assert_eq!(error, RecordError::Nul);
}

#[test]
fn a_record_that_is_not_exactly_a_question_is_none() {
    for record in [
        &b""[..],
        b"\0\0\0\0\0\0",
        b"s\0joe\0pw\0c\0pop\0ip",
        b"s\0joe\0pw\0c\0pop\0ip\0more\0",
        b"s\0joe\0pw\0c\0POP\0ip\0",
        b"joe\0pw\0c\0pop\0ip\0",
    ] {
        let error = Question::parse(record).expect_err("malformed");
        assert_eq!(error, RecordError::Malformed, "{record:?}");
    }
}

fn yes() -> Answer {
    Answer::Yes {
        user: b"joe".to_vec(),
        home: b"/home/joe".to_vec(),
        shell: Vec::new(),
        variables: vec![("EXT", b"a=b".to_vec()), ("MAILDIRQUOTA", b"5C".to_vec())],
    }
}

#[test]
fn an_answer_is_read_as_it_was_written_and_never_cut() {
    for answer in [yes(), Answer::No, Answer::Temporary, Answer::Permanent] {
        let record = answer.to_record().expect("short");
        assert_eq!(Answer::parse(&record), Ok(answer));
        for end in 0..record.len() {
            assert!(Answer::parse(&record[..end]).is_err(), "to {end}");
        }
    }
}

#[test]
fn no_answer_sets_a_variable_that_no_checker_sets() {
    for record in [
        &b"yes\0joe\0/\0\0PATH=/tmp\0end\0"[..],
        b"yes\0joe\0/\0\0EXT\0end\0",
        b"yes\0\0/\0\0end\0",
        b"yes\0joe\0/\0end\0",
    ] {
        assert_eq!(Answer::parse(record), Err(RecordError::Malformed));
    }
}

#[test]
fn reasons_and_ids_stay_on_the_other_side() {
    let answer = Answer::of(&Verdict::No("wrong password".to_owned()));
    assert_eq!(answer.to_record().expect("short"), b"no\0");
    let entry = Entry {
        user: b"joe".to_vec(),
        identity: Some(UserIdentity {
            uid: 1000,
            gid: 100,
            groups: vec![4],
            home: "/home/joe".into(),
            shell: Vec::new(),
        }),
        variables: vec![
            ("MAILDIRQUOTA", b"5C".to_vec()),
            ("EXT", b"a=b".to_vec()),
            ("OTHER", b"x".to_vec()),
        ],
    };
    assert_eq!(Answer::of(&Verdict::Yes(entry)), yes());
}

/// A place where one question is answered with `answer`.
fn authd(answer: &'static [u8]) -> (tempfile::TempDir, Via, std::thread::JoinHandle<Vec<u8>>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("authd");
    let listener = UnixListener::bind(&path).expect("bound");
    let thread = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a connection");
        let mut question = Vec::new();
        socket.read_to_end(&mut question).expect("a question");
        socket.write_all(answer).expect("written");
        question
    });
    (folder, Via { path }, thread)
}

#[test]
fn a_yes_has_variables_and_no_identity() {
    let (_folder, via, thread) = authd(b"yes\0joe\0/home/joe\0\0EXT=\0end\0");
    let Verdict::Yes(entry) = via.check(&password(b"pw"), &env()) else {
        panic!("not let in");
    };
    assert_eq!(
        (entry.user.as_slice(), &entry.identity),
        (&b"joe"[..], &None)
    );
    let expected = [
        ("USER", b"joe".to_vec()),
        ("HOME", b"/home/joe".to_vec()),
        ("EXT", Vec::new()),
    ];
    assert_eq!(entry.variables, expected);
    let mut env = Env::default();
    entry.enter(&mut env).expect("nothing to become");
    assert_eq!(env.bytes("USER"), Some(&b"joe"[..]));
    let question = thread.join().expect("answered");
    assert_eq!(question, b"587\0joe\0pw\0<1.2@h>\0pop\x00192.0.2.1\0");
}

#[test]
fn whatever_is_no_yes_lets_nobody_in() {
    let verdict = |answer: &'static [u8]| {
        let (_folder, via, thread) = authd(answer);
        let verdict = via.check(&password(b"pw"), &env());
        thread.join().expect("answered");
        verdict
    };
    assert!(matches!(verdict(b"no\0"), Verdict::No(_)));
    assert!(matches!(verdict(b"temporary\0"), Verdict::Temporary(_)));
    assert!(matches!(verdict(b"permanent\0"), Verdict::Permanent(_)));
    for broken in [
        &b""[..],
        b"yes\0",
        b"yes\0joe\0/\0/bin/sh\0",
        b"YES\0joe\0/\0\0end\0",
    ] {
        assert!(
            matches!(verdict(broken), Verdict::Temporary(_)),
            "{broken:?}"
        );
    }
}

#[test]
fn without_authd_it_cannot_be_told_now() {
    let via = Via {
        path: "/nonexistent/authd".into(),
    };
    let Verdict::Temporary(why) = via.check(&password(b"pw"), &env()) else {
        panic!("somebody answered");
    };
    assert_eq!(
        why,
        "unable to ask authd at /nonexistent/authd: file does not exist"
    );
}

#[test]
fn an_authd_that_is_silent_is_left_at_the_deadline() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("authd");
    let _listener = UnixListener::bind(&path).expect("bound");
    let via = Via { path };
    let deadline = Instant::now() + Duration::from_millis(50);
    let verdict = via.check_until(&password(b"pw"), &env(), deadline);
    assert!(matches!(verdict, Verdict::Temporary(why) if why.ends_with(": timed out")));
}
