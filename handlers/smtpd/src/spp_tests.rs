use super::*;

fn env() -> Env {
    [("PATH", "/bin:/usr/bin")].into_iter().collect()
}

fn plugins(file: &str) -> Plugins {
    Plugins::of(file.as_bytes(), Path::new("/"))
}

/// The lines of `file` in one section, asked at RCPT for `joe@h`.
fn at_rcpt(lines: &str) -> (Outcome, Vec<u8>, Env) {
    let (mut env, mut address) = (env(), b"joe@h".to_vec());
    let outcome = plugins(&format!("[rcpt]\n{lines}\n")).rcpt(&mut env, &mut address, true);
    (outcome, address, env)
}

fn turn(lines: &str) -> Turn {
    at_rcpt(lines).0.turn
}

fn refused(text: &str) -> Turn {
    Turn::Refuse(text.to_owned())
}

#[test]
fn plugins_are_asked_only_where_they_are_enabled_and_then_they_must_be_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::at(folder.path().to_owned());
    let mut env = env();
    assert!(Plugins::read(&env, &home).expect("no error").is_none());
    env.set("ENABLE_SPP", b"");
    let error = Plugins::read(&env, &home).expect_err("no file");
    assert!(
        error.ends_with("control/smtpplugins: file does not exist"),
        "{error}"
    );
    std::fs::create_dir(folder.path().join("control")).expect("made");
    std::fs::write(home.control("smtpplugins"), "[rcpt]\n:true\n").expect("written");
    let read = Plugins::read(&env, &home).expect("read").expect("enabled");
    assert_eq!(read.list, [(Section::Rcpt, b":true".to_vec())]);
    std::fs::write(home.control("other"), "[data]\n:true\n").expect("written");
    env.set("SPPCONFFILE", b"control/other");
    let read = Plugins::read(&env, &home).expect("read").expect("enabled");
    assert_eq!(read.list, [(Section::Data, b":true".to_vec())]);
}

#[test]
fn sections_are_told_by_their_first_letter() {
    let file = "early\n[connection]\nc\n# no\n\n[helo]\nh1\nh2\n[mail]\nm\n[rcpt]\nr\n[pass]\np\n\
        [data]\nd\n[auth]\na\n[xyz]\nx\n[]\ny\n[R]\nr2\n";
    let expected = [
        (Section::Connection, "c"),
        (Section::Helo, "h1"),
        (Section::Helo, "h2"),
        (Section::Mail, "m"),
        (Section::Rcpt, "r"),
        (Section::Pass, "p"),
        (Section::Data, "d"),
        (Section::Auth, "a"),
        (Section::Rcpt, "r2"),
    ];
    let expected = expected.map(|(section, line)| (section, line.as_bytes().to_vec()));
    assert_eq!(plugins(file).list, expected);
}

#[test]
fn a_plugin_is_a_program_below_the_home_or_a_command_of_the_shell() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a plugin");
    crate::test_support::script(&file, "#!/bin/sh\necho \"E550 $0\"\n");
    let mut plugins = Plugins::of(b"[c]\na plugin\n[h]\n:echo E550 `pwd`\n", folder.path());
    let path = folder.path().display();
    let outcome = plugins.connection(&mut env());
    assert_eq!(outcome.turn, refused(&format!("550 {path}/a plugin")));
    let outcome = plugins.helo(&mut env(), b"client");
    assert_eq!(outcome.turn, refused(&format!("550 {path}")));
}

#[test]
fn the_first_that_has_the_last_word_decides() {
    assert_eq!(turn(":true\n:echo N\n:echo E550 no"), Turn::GoOn);
    assert_eq!(turn(":true\n:echo O\n:echo E550 no"), Turn::Unchecked);
    assert_eq!(turn(":true\n:echo E550 no\n:echo O"), refused("550 no"));
    assert_eq!(
        turn(":echo R554 go away"),
        Turn::Close(Some("554 go away".to_owned()))
    );
    assert_eq!(turn(":echo D"), Turn::Close(None));
}

#[test]
fn one_that_accepts_all_is_the_last_that_is_asked() {
    let mut plugins = plugins("[m]\n:echo A\n:echo E550 no\n[r]\n:echo E550 no\n");
    let mut address = b"joe@h".to_vec();
    assert_eq!(plugins.mail(&mut env(), &mut address).turn, Turn::GoOn);
    assert_eq!(
        plugins.rcpt(&mut env(), &mut address, true).turn,
        Turn::GoOn
    );
}

#[test]
fn a_plugin_knows_what_was_said_and_counted() {
    let told =
        |names: &str| format!(":for name in {names}; do eval echo 'P250-'$name=\\$$name; done\n");
    let file = format!(
        "[h]\n{}[m]\n{}[r]\n{counts}[p]\n{counts}[a]\n{}",
        told("SMTPHELOHOST"),
        told("SMTPMAILFROM"),
        told("SMTPAUTHMETHOD SMTPAUTHUSER"),
        counts = told("SMTPRCPTTO SMTPRCPTCOUNT SMTPRCPTCOUNTALL SMTPRCPTHOSTSOK"),
    );
    let (mut plugins, mut env) = (plugins(&file), env());
    let printed = |outcome: Outcome| {
        assert_eq!((outcome.turn, outcome.faults), (Turn::GoOn, vec![]));
        outcome
            .before
            .join(" ")
            .replace("250-", "")
            .replace("SMTP", "")
    };
    assert_eq!(
        printed(plugins.helo(&mut env, b"client")),
        "HELOHOST=client"
    );
    let auth = plugins.auth(&mut env, b"plain", b"ann");
    assert_eq!(printed(auth), "AUTHMETHOD=plain AUTHUSER=ann");
    let mail = plugins.mail(&mut env, &mut b"ann@s".to_vec());
    assert_eq!(printed(mail), "MAILFROM=ann@s");
    let rcpt = plugins.rcpt(&mut env, &mut b"a@x".to_vec(), false);
    assert_eq!(
        printed(rcpt),
        "RCPTTO=a@x RCPTCOUNT=0 RCPTCOUNTALL=1 RCPTHOSTSOK=0"
    );
    let rcpt = plugins.rcpt(&mut env, &mut b"b@h".to_vec(), true);
    assert_eq!(
        printed(rcpt),
        "RCPTTO=b@h RCPTCOUNT=0 RCPTCOUNTALL=2 RCPTHOSTSOK=1"
    );
    let pass = plugins.pass(&mut env, &mut b"b@h".to_vec());
    assert_eq!(
        printed(pass),
        "RCPTTO=b@h RCPTCOUNT=1 RCPTCOUNTALL=2 RCPTHOSTSOK=1"
    );
    plugins.mail(&mut env, &mut b"ann@s".to_vec());
    let rcpt = plugins.rcpt(&mut env, &mut b"b@h".to_vec(), true);
    assert_eq!(
        printed(rcpt),
        "RCPTTO=b@h RCPTCOUNT=0 RCPTCOUNTALL=1 RCPTHOSTSOK=1"
    );
}

#[test]
fn a_login_that_is_refused_leaves_no_name() {
    for (said, is_left) in [("N", true), ("E535 no", false), ("D", false)] {
        let mut env = env();
        plugins(&format!("[a]\n:echo {said}\n")).auth(&mut env, b"plain", b"ann");
        assert_eq!(env.get("SMTPAUTHUSER").is_some(), is_left, "{said}");
        assert_eq!(env.get("SMTPAUTHMETHOD").is_some(), is_left, "{said}");
    }
}

#[test]
fn an_address_is_changed_for_what_follows() {
    let (outcome, address, env) = at_rcpt(":echo Cann@h\n:echo \"P250-$SMTPRCPTTO\"");
    assert_eq!(address, b"ann@h");
    assert_eq!(outcome.before, ["250-ann@h"]);
    assert_eq!(env.bytes("SMTPRCPTTO"), Some(&b"ann@h"[..]));
    // There is none at HELO.
    let outcome = plugins("[h]\n:echo Cann@h\n").helo(&mut self::env(), b"client");
    assert_eq!(outcome, Outcome::of(Turn::GoOn));
}

#[test]
fn variables_are_set_and_unset_for_what_follows() {
    let (outcome, _, env) = at_rcpt(":echo Sa=1; echo Sb=2\n:echo Ua; echo \"P250-$a$b\"");
    assert_eq!(outcome.before, ["250-12"]);
    assert_eq!((env.get("a"), env.bytes("b")), (None, Some(&b"2"[..])));
}

#[test]
fn a_plugin_has_no_part_in_the_conversation() {
    assert_eq!(turn(":[ -z \"$(cat)\" ] || echo E550 read"), Turn::GoOn);
}

#[test]
fn whatever_fails_refuses_for_now_and_changes_nothing() {
    for lines in [
        "/nonexistent/plugin",
        "/etc/passwd",
        ":exit 120",
        ":/nonexistent/plugin",
        ":/etc/passwd",
        ":echo N; echo Sa=1; kill -9 $$",
        ":echo Sa=1; printf 'Ca\\tb\\n'; echo N",
        ":echo Sa=1; head -c 70000 /dev/zero; echo N",
    ] {
        let (outcome, address, env) = at_rcpt(lines);
        assert_eq!(outcome.turn, refused(TROUBLE), "{lines}");
        assert_eq!(outcome.faults.len(), 1, "{lines}");
        assert_eq!(
            (address, env.get("a")),
            (b"joe@h".to_vec(), None),
            "{lines}"
        );
    }
    for lines in [
        ":exit 1",
        ":exit 100",
        ":exit 111",
        ":exit 255",
        ":grep -q x /dev/null",
    ] {
        assert_eq!(turn(lines), Turn::GoOn, "{lines}");
    }
}

#[test]
fn a_plugin_that_does_not_end_is_not_waited_for() {
    let mut plugins = plugins("[c]\n:echo N; sleep 60\n");
    plugins.time = Duration::from_millis(200);
    let begin = Instant::now();
    let outcome = plugins.connection(&mut env());
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert_eq!(outcome.turn, refused(TROUBLE));
    assert_eq!(
        outcome.faults,
        ["plugin :echo N; sleep 60: it did not end in time"]
    );
}

#[test]
fn what_is_said_up_to_the_limit_is_heard() {
    let said = |bytes: usize| {
        turn(&format!(
            ":head -c {} /dev/zero | tr '\\0' x; echo; echo E550 no",
            bytes - 9
        ))
    };
    // Of the limit the line end and the refusal take 9.
    assert_eq!(said(OUTPUT_LIMIT), refused("550 no"));
    assert_eq!(said(OUTPUT_LIMIT + 1), refused(TROUBLE));
}

#[test]
fn a_later_error_is_told_when_its_time_comes_and_until_rset() {
    let file = "[h]\n:echo 'LM550 m'; echo 'LR550 r'; echo 'LR550 second'; echo 'LD550 d'\n";
    let mut plugins = plugins(file);
    let (mut env, mut address) = (env(), b"joe@h".to_vec());
    assert_eq!(plugins.helo(&mut env, b"client").turn, Turn::GoOn);
    for _ in 0..2 {
        assert_eq!(plugins.mail(&mut env, &mut address).turn, refused("550 m"));
        assert_eq!(
            plugins.rcpt(&mut env, &mut address, true).turn,
            refused("550 r")
        );
        assert_eq!(plugins.data(&mut env).turn, refused("550 d"));
    }
    plugins.reset();
    assert_eq!(plugins.mail(&mut env, &mut address).turn, Turn::GoOn);
    assert_eq!(plugins.rcpt(&mut env, &mut address, true).turn, Turn::GoOn);
    assert_eq!(plugins.data(&mut env).turn, Turn::GoOn);
}

#[test]
fn header_fields_are_for_the_message_in_whose_transaction_they_were_said() {
    let mut plugins = plugins("[h]\n:echo HX-Helo: 1\n[m]\n:echo \"HX-From: $SMTPMAILFROM\"\n");
    let mut env = env();
    plugins.helo(&mut env, b"client");
    plugins.mail(&mut env, &mut b"given@up".to_vec());
    plugins.mail(&mut env, &mut b"ann@s".to_vec());
    assert_eq!(plugins.take_headers(), b"X-Helo: 1\nX-From: ann@s\n");
    assert_eq!(plugins.take_headers(), b"");
}

#[test]
fn a_header_that_goes_on_with_nothing_or_without_end_is_refused() {
    let (outcome, ..) = at_rcpt(":printf 'H\\tx\\n'");
    assert_eq!(outcome.turn, refused(TROUBLE));
    let field = format!(":printf 'HX: {}\\n'\n", "x".repeat(900));
    let fits = HEADERS_LIMIT / 904;
    assert_eq!(turn(&field.repeat(fits)), Turn::GoOn);
    assert_eq!(turn(&field.repeat(fits + 1)), refused(TROUBLE));
}

#[test]
fn the_environment_does_not_grow_without_end() {
    let line = ":i=0; while [ $i -lt 15 ]; do echo S$NAME$i=$VALUE; i=$((i+1)); done\n";
    let mut env = env();
    env.set("VALUE", &[b'x'; 4000]);
    let mut plugins = plugins(&format!("[h]\n{line}"));
    let mut turns = Vec::new();
    for round in 0..5 {
        env.set("NAME", format!("V{round}_").as_bytes());
        turns.push(plugins.helo(&mut env, b"client").turn);
    }
    assert_eq!(turns[..4], [const { Turn::GoOn }; 4]);
    assert_eq!(turns[4], refused(TROUBLE));
}
