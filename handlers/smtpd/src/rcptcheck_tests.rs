use super::*;

const QUESTION: Question<'_> = Question {
    sender: b"ann@s.example",
    recipient: b"joe@h.example",
    helo: b"client",
    is_ours: true,
};

/// A home with an executable script in it, by the name that RCPTCHECK has.
fn home(text: &str) -> (tempfile::TempDir, Env) {
    let folder = tempfile::tempdir().expect("a folder");
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).expect("made");
    let file = bin.join("check");
    crate::test_support::script(&file, &format!("#!/bin/sh\n{text}\n"));
    let env = [("PATH", "/bin:/usr/bin"), ("RCPTCHECK", "bin/check")];
    (folder, env.into_iter().collect())
}

fn asked(text: &str) -> RcptVerdict {
    let (folder, env) = home(text);
    let check = RcptCheck::parse(&env, folder.path()).expect("usable");
    check.expect("a program").ask(&QUESTION, &env)
}

fn reply(text: &str) -> (String, bool) {
    match asked(text) {
        RcptVerdict::No { reply, close, .. } => (reply, close),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn without_the_variable_nothing_is_asked() {
    for pairs in [&[][..], &[("RCPTCHECK", "")]] {
        let env = pairs.iter().copied().collect();
        assert_eq!(RcptCheck::parse(&env, Path::new("/")), Ok(None));
    }
}

#[test]
fn the_program_knows_who_and_whom_and_has_no_conversation() {
    let answer = asked(
        "[ \"$SENDER $RECIPIENT $HELO $USE_FD4 $RCPTHOSTS\" = \
            'ann@s.example joe@h.example client 1 1' ] || exit 111
         [ -z \"$(cat)\" ] || exit 111",
    );
    assert_eq!(answer, RcptVerdict::Yes);
    let (folder, mut env) = home("[ -z \"${RCPTHOSTS+x}\" ]");
    env.set("RCPTHOSTS", b"1");
    let check = RcptCheck::parse(&env, folder.path()).expect("usable");
    let question = Question {
        is_ours: false,
        ..QUESTION
    };
    assert_eq!(
        check.expect("a program").ask(&question, &env),
        RcptVerdict::Yes
    );
}

#[test]
fn each_exit_code_has_its_answer_and_those_without_one_refuse_for_now() {
    assert_eq!(asked("exit 0"), RcptVerdict::Yes);
    assert_eq!(asked("exit 112"), RcptVerdict::Ignored);
    for (end, said) in [
        ("exit 100", NO_MAILBOX),
        ("exit 113", OVER_LIMIT),
        ("exit 111", TROUBLE),
        ("exit 120", TROUBLE),
        ("exit 1", TROUBLE),
        ("exit 255", TROUBLE),
        ("kill -9 $$", TROUBLE),
        ("exec /nonexistent/program", TROUBLE),
    ] {
        assert_eq!(reply(end), (said.to_owned(), false), "{end}");
    }
}

#[test]
fn only_what_the_program_did_wrong_is_a_fault() {
    for (end, is_fault) in [
        ("exit 100", false),
        ("exit 111", false),
        ("exit 113", false),
        ("exit 120", true),
        ("exit 3", true),
        ("kill -9 $$", true),
    ] {
        let answer = asked(end);
        let RcptVerdict::No { fault, .. } = &answer else {
            panic!("{answer:?}");
        };
        assert_eq!(fault.is_some(), is_fault, "{end}: {answer:?}");
    }
}

#[test]
fn the_programs_own_words_are_the_reply() {
    for (end, said) in [
        (
            "echo '550 moved away (#5.1.6)' >&4; exit 100",
            "550 moved away (#5.1.6)",
        ),
        ("echo '452 try later' >&4; exit 100", "452 try later"),
        ("echo 'moved away' >&4; exit 100", "550 moved away"),
        (
            "echo 'enough for today' >&4; exit 113",
            "452 enough for today",
        ),
        ("echo '450 greylisted' >&4; exit 111", "450 greylisted"),
    ] {
        assert_eq!(reply(end), (said.to_owned(), false), "{end}");
    }
    let ended = reply("echo '421 too much' >&4; exit 113");
    assert_eq!(ended, ("421 too much".to_owned(), true));
}

#[test]
fn words_that_would_be_another_reply_are_not_said() {
    for (end, said) in [
        ("echo '250 ok' >&4; exit 100", NO_MAILBOX),
        ("echo '354 go ahead' >&4; exit 113", OVER_LIMIT),
        ("echo '550 never' >&4; exit 111", TROUBLE),
        ("echo '421 bye' >&4; exit 111", TROUBLE),
        ("printf '550 no\\r\\n250 ok\\r\\n' >&4; exit 100", "550 no"),
        ("printf '550-no\\n550 more\\n' >&4; exit 100", "550 no"),
        ("printf '550 a\\033b\\n' >&4; exit 100", "550 a?b"),
    ] {
        assert_eq!(reply(end), (said.to_owned(), false), "{end}");
    }
    // What it says of one it takes is nobody's business.
    assert_eq!(asked("echo '550 no' >&4; exit 0"), RcptVerdict::Yes);
    let (long, _) = reply("head -c 100000 /dev/zero | tr '\\0' x >&4; exit 100");
    assert_eq!(long.len(), "550 ".len() + sanitize::TEXT_LIMIT);
}

#[test]
fn a_program_that_does_not_end_refuses_for_now() {
    let (folder, mut env) = home("sleep 60");
    env.set("RCPTCHECK_TIMEOUT", b"1");
    let begin = Instant::now();
    let check = RcptCheck::parse(&env, folder.path()).expect("usable");
    let answer = check.expect("a program").ask(&QUESTION, &env);
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert!(
        matches!(&answer, RcptVerdict::No { reply, fault: Some(_), .. } if reply == TROUBLE),
        "{answer:?}"
    );
}

#[test]
fn a_program_is_found_below_the_home_or_by_its_bare_name() {
    let (folder, mut env) = home("exit 112");
    let found = |env: &Env| {
        let check = RcptCheck::parse(env, folder.path()).expect("usable");
        check.expect("a program").program
    };
    assert_eq!(found(&env), folder.path().join("bin/check"));
    env.set("RCPTCHECK", b"true");
    assert!(found(&env).is_absolute() && found(&env).ends_with("true"));
    env.set("RCPTCHECK", b"no-such-program");
    assert_eq!(found(&env), folder.path().join("no-such-program"));
    env.set("RCPTCHECK", b"/opt/check");
    assert_eq!(found(&env), Path::new("/opt/check"));
}

#[test]
fn clients_that_may_relay_are_checked_only_where_that_is_said() {
    let (folder, mut env) = home("exit 0");
    for (value, applies) in [
        (None, false),
        (Some("0"), false),
        (Some(""), false),
        (Some("1"), true),
    ] {
        if let Some(value) = value {
            env.set("RCPTCHECKRELAYCLIENT", value.as_bytes());
        }
        let check = RcptCheck::parse(&env, folder.path()).expect("usable");
        let check = check.expect("a program");
        assert_eq!(check.applies_to(true), applies, "{value:?}");
        assert!(check.applies_to(false));
    }
    for name in ["RCPTCHECKRELAYCLIENT", "RCPTCHECK_TIMEOUT"] {
        let mut env = env.clone();
        env.set(name, b"yes");
        let error = RcptCheck::parse(&env, folder.path()).expect_err("no number");
        assert_eq!(
            error,
            format!("unable to use variable {name}: yes is not a number")
        );
    }
}
