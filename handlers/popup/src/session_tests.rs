use super::*;

fn terms() -> Terms {
    Terms {
        host: b"mx.test".to_vec(),
        apop: Some(b"<r.1@mx.test>".to_vec()),
        cram: None,
        password: true,
        tls: Tls::Off,
        require_tls: false,
        joined: true,
        hidden: Vec::new(),
    }
}

fn session(change: impl FnOnce(&mut Terms)) -> Session {
    let mut terms = terms();
    change(&mut terms);
    Session::new(terms)
}

fn say_to(session: &mut Session, line: &[u8]) -> (Step, String) {
    let mut out = Vec::new();
    let step = session.input(Input::Line(line), &mut out);
    (step, String::from_utf8(out).expect("ASCII"))
}

/// The replies to lines that all let the conversation go on.
fn replies_to(session: &mut Session, lines: &[&str]) -> Vec<String> {
    lines
        .iter()
        .map(|line| match say_to(session, line.as_bytes()) {
            (Step::More, reply) => reply,
            (step, reply) => panic!("{line}: {step:?} {reply}"),
        })
        .collect()
}

fn decided(session: &mut Session, line: &[u8]) -> (Method, Vec<u8>, Vec<u8>) {
    match say_to(session, line) {
        (Step::Decide(login), reply) if reply.is_empty() => {
            let secret = login.secret.expose().to_vec();
            (login.method, login.name, secret)
        }
        (step, reply) => panic!("{step:?} {reply}"),
    }
}

fn greeting(session: &mut Session) -> String {
    let mut out = Vec::new();
    session.greet(&mut out);
    String::from_utf8(out).expect("ASCII")
}

fn capa(session: &mut Session) -> Vec<String> {
    let (step, reply) = say_to(session, b"CAPA");
    assert_eq!(step, Step::More);
    assert!(
        reply.starts_with("+OK ") && reply.ends_with("\r\n.\r\n"),
        "{reply}"
    );
    reply.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn the_greeting_shows_the_challenge_or_no_angle_bracket_at_all() {
    assert_eq!(greeting(&mut session(|_| ())), "+OK <r.1@mx.test>\r\n");
    let mut without = session(|terms| terms.apop = None);
    assert_eq!(greeting(&mut without), "+OK mx.test ready\r\n");
    let mut strange = session(|terms| {
        terms.apop = None;
        terms.host = b"<a@b>\r\n".to_vec();
    });
    assert_eq!(greeting(&mut strange), "+OK ?a?b??? ready\r\n");
}

#[test]
fn the_texts_are_those_of_the_original() {
    let replies = replies_to(
        &mut session(|_| ()),
        &[
            "USER",
            "PASS",
            "PASS x",
            "USER joe",
            "PASS",
            "APOP joe",
            "NOOP with words",
            "LIST",
            "",
            "USER\tjoe",
        ],
    );
    assert_eq!(
        replies,
        [
            "-ERR syntax error\r\n",
            "-ERR USER first\r\n",
            "-ERR USER first\r\n",
            "+OK \r\n",
            "-ERR syntax error\r\n",
            "-ERR syntax error\r\n",
            "+OK \r\n",
            "-ERR authorization first\r\n",
            "-ERR authorization first\r\n",
            "-ERR authorization first\r\n",
        ]
    );
}

#[test]
fn name_and_password_are_the_rest_of_their_lines() {
    let mut session = session(|_| ());
    replies_to(&mut session, &["USER first", "uSeR    joe  bloggs "]);
    let (method, name, secret) = decided(&mut session, b"pass   my  pass word ");
    assert_eq!((method, &name[..]), (Method::User, &b"joe  bloggs "[..]));
    assert_eq!(secret, b"my  pass word ");
}

#[test]
fn an_empty_pass_does_not_forget_the_name() {
    let mut session = session(|_| ());
    replies_to(&mut session, &["USER joe", "PASS", "NOOP", "USER"]);
    assert_eq!(decided(&mut session, b"PASS x").1, b"joe");
}

#[test]
fn after_a_failure_the_name_is_asked_for_again() {
    let mut session = session(|_| ());
    replies_to(&mut session, &["USER joe"]);
    decided(&mut session, b"PASS wrong");
    let mut out = Vec::new();
    let answer = Answer {
        why: Refusal::Credentials,
        last: false,
    };
    session.refused(answer, &mut out);
    assert_eq!(out, b"-ERR [AUTH] authorization failed\r\n");
    assert_eq!(
        replies_to(&mut session, &["PASS x"]),
        ["-ERR USER first\r\n"]
    );
    replies_to(&mut session, &["USER joe"]);
    assert_eq!(decided(&mut session, b"PASS right").2, b"right");
}

#[test]
fn response_codes_tell_the_user_s_fault_from_the_server_s() {
    for (why, code) in [
        (Refusal::Credentials, "-ERR [AUTH] "),
        (Refusal::Temporary, "-ERR [SYS/TEMP] "),
        (Refusal::Permanent, "-ERR [SYS/PERM] "),
    ] {
        let mut out = Vec::new();
        session(|_| ()).refused(Answer { why, last: true }, &mut out);
        let reply = String::from_utf8(out).expect("ASCII");
        assert!(reply.starts_with(code), "{reply}");
        assert!(reply.len() <= 512 && reply.ends_with("\r\n"));
    }
}

#[test]
fn apop_is_a_name_up_to_the_first_space_and_the_rest() {
    let mut session = session(|_| ());
    let (method, name, digest) = decided(&mut session, b"APOP  joe  c4c9 334b ");
    assert_eq!((method, &name[..]), (Method::Apop, &b"joe"[..]));
    assert_eq!(digest, b"c4c9 334b ");
}

#[test]
fn without_a_challenge_there_is_no_apop() {
    let mut session = session(|terms| terms.apop = None);
    let replies = replies_to(&mut session, &["APOP joe c4c9334b"]);
    assert_eq!(replies, [replies::NO_APOP]);
}

#[test]
fn quit_ends_it_whatever_follows_the_word() {
    let (step, reply) = say_to(&mut session(|_| ()), b"quit now");
    assert_eq!((step, reply.as_str()), (Step::Quit, "+OK \r\n"));
}

#[test]
fn capa_lists_what_there_is_now() {
    let common = [
        "TOP",
        "UIDL",
        "RESP-CODES",
        "AUTH-RESP-CODE",
        "PIPELINING",
        "EXPIRE NEVER",
    ];
    let end = ["IMPLEMENTATION superd", "."];
    let with = |middle: &[&'static str]| [&common[..], middle, &end].concat();
    assert_eq!(
        capa(&mut session(|_| ())),
        with(&["UTF8 USER", "USER", "SASL PLAIN LOGIN"])
    );
    let mut foreign = session(|terms| terms.joined = false);
    assert_eq!(capa(&mut foreign), with(&["USER", "SASL PLAIN LOGIN"]));
    let mut cram = session(|terms| {
        terms.joined = false;
        terms.cram = Some(b"<c>".to_vec());
        terms.require_tls = true;
        terms.tls = Tls::Offered;
    });
    assert_eq!(capa(&mut cram), with(&["SASL CRAM-MD5", "STLS"]));
    cram.tls_started();
    assert_eq!(
        capa(&mut cram),
        with(&["USER", "SASL PLAIN LOGIN CRAM-MD5"])
    );
}

#[test]
fn auth_alone_lists_the_mechanisms() {
    let mut session = session(|terms| terms.cram = Some(b"<c>".to_vec()));
    assert_eq!(
        replies_to(&mut session, &["AUTH"]),
        ["+OK list follows\r\nPLAIN\r\nLOGIN\r\nCRAM-MD5\r\n.\r\n"]
    );
}

#[test]
fn the_plain_dialogues_of_rfc_5034() {
    let mut one = session(|_| ());
    let (method, name, secret) = decided(&mut one, b"AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=");
    assert_eq!(method, Method::Plain);
    assert_eq!((&name[..], &secret[..]), (&b"test"[..], &b"test"[..]));
    let mut two = session(|_| ());
    assert_eq!(replies_to(&mut two, &["AUTH PLAIN"]), ["+ \r\n"]);
    assert_eq!(decided(&mut two, b"dGVzdAB0ZXN0AHRlc3Q=").1, b"test");
    // Cancelled, and the conversation goes on.
    assert_eq!(
        replies_to(&mut two, &["AUTH PLAIN", "*", "NOOP"]),
        [
            "+ \r\n",
            "-ERR authentication was cancelled\r\n",
            "+OK \r\n"
        ]
    );
}

#[test]
fn the_login_mechanism_asks_twice() {
    let mut session = session(|_| ());
    assert_eq!(
        replies_to(&mut session, &["auth login", "am9l"]),
        ["+ VXNlcm5hbWU6\r\n", "+ UGFzc3dvcmQ6\r\n"]
    );
    let (method, name, secret) = decided(&mut session, b"cHc=");
    assert_eq!(
        (method, &name[..], &secret[..]),
        (Method::Login, &b"joe"[..], &b"pw"[..])
    );
}

#[test]
fn cram_md5_is_there_where_the_checker_can_do_it() {
    assert_eq!(
        replies_to(&mut session(|_| ()), &["AUTH CRAM-MD5"]),
        [replies::NO_MECHANISM]
    );
    let mut session = session(|terms| terms.cram = Some(b"<c>".to_vec()));
    assert_eq!(replies_to(&mut session, &["AUTH CRAM-MD5"]), ["+ PGM+\r\n"]);
    let line = b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw";
    let (method, name, digest) = decided(&mut session, line);
    assert_eq!((method, &name[..]), (Method::CramMd5, &b"tim"[..]));
    assert_eq!(digest, b"b913a602c7eda7a495b4e6e7334d3890");
}

#[test]
fn a_mechanism_that_is_not_known_gets_no_continuation() {
    let mut session = session(|_| ());
    for line in ["AUTH SCRAM-SHA-256", "AUTH KERBEROS_V4 =", "AUTH X"] {
        assert_eq!(replies_to(&mut session, &[line]), [replies::NO_MECHANISM]);
    }
}

#[test]
fn what_is_no_base64_is_refused_and_ends_the_exchange() {
    let mut session = session(|_| ());
    assert_eq!(
        replies_to(&mut session, &["AUTH PLAIN", "QUIT", "NOOP"]),
        [
            "+ \r\n",
            "-ERR that response is not of this mechanism\r\n",
            "+OK \r\n"
        ]
    );
    let replies = replies_to(&mut session, &["AUTH PLAIN =", "AUTH PLAIN b=d"]);
    assert!(replies.iter().all(|reply| reply.starts_with("-ERR ")));
}

#[test]
fn without_tls_no_password_is_taken_where_tls_is_required() {
    let mut with_stls = session(|terms| {
        terms.require_tls = true;
        terms.tls = Tls::Offered;
    });
    // The log is told once.
    let (step, reply) = say_to(&mut with_stls, b"USER joe");
    assert_eq!(step, Step::Refuse(Method::User, "a password in the clear"));
    assert_eq!(reply, replies::STLS_FIRST);
    let lines = ["PASS x", "AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=", "AUTH LOGIN"];
    assert_eq!(replies_to(&mut with_stls, &lines), [replies::STLS_FIRST; 3]);
    assert_eq!(
        decided(&mut with_stls, b"APOP joe c4c9334b").0,
        Method::Apop
    );
    with_stls.tls_started();
    replies_to(&mut with_stls, &["USER joe"]);
    assert_eq!(decided(&mut with_stls, b"PASS x").0, Method::User);
    let mut without = session(|terms| terms.require_tls = true);
    assert_eq!(say_to(&mut without, b"USER joe").1, replies::TLS_ONLY);
    // From outside it came encrypted.
    let mut on = session(|terms| {
        terms.require_tls = true;
        terms.tls = Tls::On;
    });
    assert_eq!(replies_to(&mut on, &["USER joe"]), ["+OK \r\n"]);
}

#[test]
fn a_checker_of_digests_gets_no_password_sent() {
    let mut session = session(|terms| terms.password = false);
    assert_eq!(say_to(&mut session, b"USER joe").1, replies::APOP_ONLY);
    assert_eq!(say_to(&mut session, b"AUTH PLAIN").1, replies::APOP_ONLY);
    assert!(
        !capa(&mut session)
            .iter()
            .any(|line| line.contains("PLAIN") || line == "USER")
    );
    assert_eq!(decided(&mut session, b"APOP joe c4c9334b").0, Method::Apop);
}

#[test]
fn stls_forgets_what_was_said_before() {
    let mut session = session(|terms| terms.tls = Tls::Offered);
    assert_eq!(
        replies_to(&mut session, &["STLS now"]),
        ["-ERR syntax error\r\n"]
    );
    replies_to(&mut session, &["USER joe", "UTF8"]);
    let (step, reply) = say_to(&mut session, b"STLS");
    assert_eq!((step, reply.as_str()), (Step::StartTls, "+OK TLS now\r\n"));
    session.tls_started();
    assert_eq!(
        replies_to(&mut session, &["PASS x", "STLS", "UTF8"]),
        ["-ERR USER first\r\n", "-ERR TLS is on\r\n", "+OK \r\n"]
    );
}

#[test]
fn stls_is_no_command_where_it_is_not_offered() {
    assert_eq!(
        replies_to(&mut session(|_| ()), &["STLS"]),
        ["-ERR authorization first\r\n"]
    );
}

#[test]
fn utf8_is_said_once_and_the_next_program_learns_of_it() {
    let mut one = session(|_| ());
    assert_eq!(
        replies_to(&mut one, &["UTF8 x", "UTF8", "UTF8", "USER j\u{f6}"]),
        [
            "-ERR syntax error\r\n",
            "+OK \r\n",
            replies::UTF8_IS_ON,
            "+OK \r\n"
        ]
    );
    let (Step::Decide(login), _) = say_to(&mut one, b"PASS x") else {
        panic!("no login");
    };
    assert_eq!(
        (&login.note[..], &login.name[..]),
        (&b"1"[..], "j\u{f6}".as_bytes())
    );
    let mut foreign = session(|terms| terms.joined = false);
    assert_eq!(replies_to(&mut foreign, &["UTF8"]), [replies::NO_UTF8]);
}

#[test]
fn a_line_of_the_limit_is_taken_and_a_longer_one_is_not() {
    let mut session = session(|_| ());
    let name = "x".repeat(LINE_LIMIT - "USER ".len());
    assert_eq!(
        replies_to(&mut session, &[&format!("USER {name}")]),
        ["+OK \r\n"]
    );
    assert_eq!(
        replies_to(&mut session, &[&format!("USER {name}x")]),
        [replies::TOO_LONG]
    );
    let mut out = Vec::new();
    assert_eq!(session.input(Input::TooLong, &mut out), Step::More);
    assert_eq!(out, replies::TOO_LONG.as_bytes());
    assert!(session.line_limit() >= sasl::RESPONSE_LIMIT + "AUTH CRAM-MD5 ".len());
}

#[test]
fn a_nul_is_refused() {
    let mut session = session(|_| ());
    assert_eq!(
        say_to(&mut session, b"USER joe\0x"),
        (Step::More, replies::NUL.to_owned())
    );
    assert_eq!(
        replies_to(&mut session, &["PASS x"]),
        ["-ERR USER first\r\n"]
    );
}

#[test]
fn after_so_many_bad_commands_it_ends() {
    let mut session = session(|_| ());
    for _ in 1..BadCommands::DEFAULT_LIMIT {
        assert_eq!(say_to(&mut session, b"HELO").0, Step::More);
    }
    let (step, reply) = say_to(&mut session, b"HELO");
    assert_eq!(step, Step::End("too many bad commands"));
    assert_eq!(
        reply,
        "-ERR authorization first\r\n-ERR too many bad commands\r\n"
    );
}

#[test]
fn after_so_many_commands_of_any_kind_it_ends() {
    let mut session = session(|_| ());
    for _ in 0..COMMAND_LIMIT {
        assert_eq!(say_to(&mut session, b"NOOP").0, Step::More);
    }
    assert!(matches!(say_to(&mut session, b"NOOP").0, Step::End(_)));
}

#[test]
fn no_free_text_looks_like_a_response_code() {
    for text in [
        replies::USAGE,
        replies::AUTHORIZATION_FIRST,
        replies::TOO_LONG,
        replies::STLS_FIRST,
        replies::TLS_ONLY,
        replies::APOP_ONLY,
        replies::NO_MECHANISM,
        replies::TOO_MANY,
    ] {
        assert!(
            text.starts_with("-ERR ") && !text.starts_with("-ERR ["),
            "{text}"
        );
        assert!(text.len() <= 512 && text.ends_with("\r\n"));
    }
}
