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

/// A client's side of it: what it sends is cut into lines and literals as the shell does it.
struct Client {
    session: Session,
    sent: Vec<u8>,
    /// What was said since it was last looked at.
    out: Vec<u8>,
}

fn client(change: impl FnOnce(&mut Terms)) -> Client {
    Client {
        session: session(change),
        sent: Vec::new(),
        out: Vec::new(),
    }
}

impl Client {
    /// Sends it; the step that stops the reading, `More` where all of it was read.
    fn send(&mut self, bytes: impl AsRef<[u8]>) -> Step {
        self.sent.extend_from_slice(bytes.as_ref());
        let mut due = Step::More;
        loop {
            let step = match due {
                Step::Literal(count) => {
                    assert!(count <= LITERAL_LIMIT);
                    let Some(bytes) = self.take(count) else {
                        return Step::Literal(count);
                    };
                    self.input(Input::Literal(&bytes))
                }
                Step::Skip(count) if self.take(count).is_none() => return Step::Skip(count),
                Step::More | Step::Skip(_) | Step::Refuse(..) => {
                    let end = self.sent.iter().position(|&byte| byte == b'\n');
                    let Some(line) = end.and_then(|at| self.take(at + 1)) else {
                        return Step::More;
                    };
                    let line = line.strip_suffix(b"\n").unwrap_or(&line);
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    if line.len() > self.session.line_limit() {
                        self.input(Input::TooLong)
                    } else {
                        self.input(Input::Line(line))
                    }
                }
                over => return over,
            };
            due = step;
        }
    }

    fn input(&mut self, input: Input<'_>) -> Step {
        self.session.input(input, &mut self.out)
    }

    fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        (count <= self.sent.len()).then(|| self.sent.drain(..count).collect())
    }

    fn said(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.out)).expect("text")
    }

    /// Sends what lets the conversation go on; the reply.
    fn ask(&mut self, bytes: impl AsRef<[u8]>) -> String {
        let step = self.send(bytes);
        assert_eq!(step, Step::More, "{}", self.said());
        self.said()
    }

    fn login(&mut self, bytes: impl AsRef<[u8]>) -> (Method, Vec<u8>, Vec<u8>) {
        match self.send(bytes) {
            Step::Decide(login) => {
                let secret = login.secret.expose().to_vec();
                (login.method, login.name, secret)
            }
            step => panic!("{step:?} {}", self.said()),
        }
    }

    fn capabilities(&mut self) -> String {
        let reply = self.ask("c CAPABILITY\r\n");
        let reply = reply.strip_suffix("\r\nc OK done\r\n");
        reply.expect("a list").to_owned()
    }
}

fn greeting(session: &mut Session) -> String {
    let mut out = Vec::new();
    session.greet(&mut out);
    String::from_utf8(out).expect("ASCII")
}

#[test]
fn the_greeting_has_the_capabilities_and_nothing_of_the_host_breaks_it() {
    assert_eq!(
        greeting(&mut session(|terms| terms.joined = false)),
        "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID AUTH=PLAIN AUTH=LOGIN] mx.test ready\r\n"
    );
    let mut strange = session(|terms| terms.host = b"a b]\r\n".repeat(1000));
    let greeting = greeting(&mut strange);
    assert!(
        greeting.len() < 512 && greeting.contains("] a?b]??a?b]"),
        "{greeting}"
    );
}

#[test]
fn capabilities_are_those_that_there_are_now() {
    assert_eq!(
        client(|_| ()).capabilities(),
        "* CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=PLAIN AUTH=LOGIN"
    );
    let mut offered = client(|terms| {
        terms.joined = false;
        terms.cram = Some(b"<c>".to_vec());
        terms.require_tls = true;
        terms.tls = Tls::Offered;
    });
    assert_eq!(
        offered.capabilities(),
        "* CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID STARTTLS AUTH=CRAM-MD5 LOGINDISABLED"
    );
    offered.session.tls_started();
    assert_eq!(
        offered.capabilities(),
        "* CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5"
    );
    let mut hiding = client(|terms| {
        terms.require_tls = true;
        terms.hidden = b"literal+, ID\tLOGINDISABLED IMAP4rev1 idle".to_vec();
    });
    assert_eq!(
        hiding.capabilities(),
        "* CAPABILITY IMAP4rev1 SASL-IR ENABLE LOGINDISABLED"
    );
}

#[test]
fn the_commands_of_any_state() {
    let mut client = client(|_| ());
    assert_eq!(
        client.ask("a NOOP\r\nb noop  \n"),
        "a OK done\r\nb OK done\r\n"
    );
    assert_eq!(client.send("x.1 LoGoUt\r\nc NOOP\r\n"), Step::Quit);
    assert_eq!(client.said(), "* BYE logging out\r\nx.1 OK done\r\n");
}

#[test]
fn id_is_taken_apart_and_answered() {
    let mut client = client(|_| ());
    for parameters in [
        "NIL",
        "()",
        "(\"name\" \"x\" \"version\" NIL)",
        "(\"name\" {2+}\r\n\"\n {1+}\r\nx nil)",
    ] {
        assert_eq!(
            client.ask(format!("a ID {parameters}\r\n")),
            "* ID (\"name\" \"superd\")\r\na OK done\r\n",
            "{parameters}"
        );
    }
    for parameters in ["", " x", " (", " (\"name\")", " (name x)", " NIL NIL"] {
        let reply = client.ask(format!("a ID{parameters}\r\n"));
        assert!(reply.starts_with("a BAD "), "{parameters}: {reply}");
    }
    // It waits for what it has announced.
    assert_eq!(client.send("a ID ({4}\r\n"), Step::Literal(4));
    assert_eq!(client.said(), "+ OK\r\n");
    let reply = client.ask("name NIL)\r\nb NOOP\r\n");
    assert!(reply.ends_with("b OK done\r\n"), "{reply}");
}

#[test]
fn what_is_no_command_here_is_bad_under_its_tag_and_without_one_under_a_star() {
    let mut client = client(|_| ());
    for (line, reply) in [
        ("a SELECT INBOX", "a BAD log in first"),
        ("a uid fetch 1:* (FLAGS)", "a BAD log in first"),
        ("a XYZZY", "a BAD that command is unknown"),
        (
            "a NOOP x",
            "a BAD the arguments are not those of this command",
        ),
        (
            "a CAPABILITY x",
            "a BAD the arguments are not those of this command",
        ),
        (
            "a LOGOUT x",
            "a BAD the arguments are not those of this command",
        ),
        ("a", "a BAD a command is missing"),
        ("a ", "a BAD a command is missing"),
        ("a  NOOP", "a BAD a command is missing"),
        ("a \"NOOP\"", "a BAD a command is missing"),
        ("", "* BAD a command begins with a tag"),
        ("* NOOP", "* BAD a command begins with a tag"),
        ("+ NOOP", "* BAD a command begins with a tag"),
        (" a NOOP", "* BAD a command begins with a tag"),
    ] {
        assert_eq!(
            client.ask(format!("{line}\r\n")),
            format!("{reply}\r\n"),
            "{line}"
        );
    }
}

#[test]
fn a_tag_of_the_limit_is_taken_and_a_longer_one_is_not() {
    let mut client = client(|_| ());
    let tag = "t".repeat(TAG_LIMIT);
    assert_eq!(
        client.ask(format!("{tag} NOOP\r\n")),
        format!("{tag} OK done\r\n")
    );
    assert_eq!(client.ask(format!("{tag}t NOOP\r\n")), replies::NO_TAG);
    let Step::Decide(login) = client.send(format!("{tag} LOGIN joe x\r\n")) else {
        panic!("no login: {}", client.said());
    };
    assert_eq!(login.note, tag.as_bytes());
}

#[test]
fn login_takes_atoms_strings_in_quotes_and_literals_of_both_kinds() {
    for (sent, waits, name, password) in [
        ("a LOGIN joe sekrit\r\n", 0, "joe", "sekrit"),
        ("a login joe sekrit \n", 0, "joe", "sekrit"),
        ("a LOGIN joe@mx.test x]y+z}\r\n", 0, "joe@mx.test", "x]y+z}"),
        ("a LOGIN jörg pässwörd\r\n", 0, "jörg", "pässwörd"),
        (
            "a LOGIN \"joe b\" \" a \\\"b\\\\c \"\r\n",
            0,
            "joe b",
            " a \"b\\c ",
        ),
        ("a LOGIN {3}\r\njoe {6}\r\nsekrit\r\n", 2, "joe", "sekrit"),
        ("a LOGIN {3+}\r\njoe {6+}\r\nsekrit\r\n", 0, "joe", "sekrit"),
        ("a LOGIN {3}\r\njoe {6+}\r\nsekrit\r\n", 1, "joe", "sekrit"),
        ("a LOGIN \"joe\" {6}\nsekrit\n", 1, "joe", "sekrit"),
        ("a LOGIN {3+}\njoe \"{6+}\"\n", 0, "joe", "{6+}"),
        (
            "a LOGIN joe {9+}\r\na\r\nb \"c\\d\r\n",
            0,
            "joe",
            "a\r\nb \"c\\d",
        ),
    ] {
        let mut client = client(|_| ());
        let expected = (
            Method::User,
            name.as_bytes().to_vec(),
            password.as_bytes().to_vec(),
        );
        assert_eq!(client.login(sent), expected, "{sent}");
        // Who waits is asked, and nobody else is.
        let asked = client.said();
        assert_eq!(asked, replies::GO_ON.repeat(waits), "{sent}");
    }
}

#[test]
fn what_is_no_login_is_bad_and_decides_nothing() {
    let mut client = client(|_| ());
    for arguments in [
        &b""[..],
        b" ",
        b" joe",
        b" joe ",
        b" joe  x",
        b"  joe x",
        b" joe x y",
        b" (joe) x",
        b" joe \"x",
        b" joe \"x\"y",
        b" joe \"\\x\"",
        b" joe x\0y",
        b" joe \"x\0\"",
        b" {3+}\r\nj\0e x",
        b" joe {3+}\r\nabcd",
        b" joe {1+}\r\na {1+}\r\nb",
    ] {
        let reply = client.ask([b"a LOGIN", arguments, b"\r\n"].concat());
        assert!(
            reply.starts_with("a BAD "),
            "{}: {reply}",
            arguments.escape_ascii()
        );
        client.session.bad.forgive();
    }
    // Well-formed, and nobody's.
    for arguments in ["\"\" x", "joe \"\"", "joe {0+}\r\n"] {
        let reply = client.ask(format!("a LOGIN {arguments}\r\n"));
        assert_eq!(
            reply,
            "a NO [AUTHENTICATIONFAILED] authentication failed\r\n"
        );
    }
}

#[test]
fn a_literal_of_the_limit_is_taken_and_a_larger_one_is_not_asked_for() {
    let mut client = client(|_| ());
    let most = "x".repeat(LITERAL_LIMIT);
    let (_, _, password) = client.login(format!("a LOGIN joe {{{LITERAL_LIMIT}}}\r\n{most}\r\n"));
    assert_eq!(password.len(), LITERAL_LIMIT);
    assert_eq!(client.said(), "+ OK\r\n");
    for length in [LITERAL_LIMIT + 1, usize::MAX] {
        // The next line is a command.
        let reply = client.ask(format!("a LOGIN joe {{{length}}}\r\nb NOOP\r\n"));
        assert_eq!(reply, format!("a {}\r\nb OK done\r\n", replies::TOO_LARGE));
    }
}

#[test]
fn a_larger_one_that_does_not_wait_is_thrown_away_and_nothing_of_it_is_a_command() {
    let mut client = client(|_| ());
    let evil = "b LOGIN joe sekrit\r\n".repeat(1000);
    let most = "x".repeat(LITERAL_LIMIT);
    let length = evil.len();
    for rest in [
        "\r\n".to_owned(),
        " x\r\n".to_owned(),
        // Whatever follows in the same command is thrown away with it, also where it is small.
        format!(" {{19+}}\r\nb LOGIN joe sekrit\n x {{{length}+}}\r\n{evil}\r\n"),
        format!(" {}\r\n", "y".repeat(LINE_LIMIT - 1)),
    ] {
        let reply = client.ask(format!("a LOGIN {{{length}+}}\r\n{evil}{rest}n NOOP\r\n"));
        assert_eq!(
            reply,
            format!("a {}\r\nn OK done\r\n", replies::TOO_LARGE),
            "{rest}"
        );
    }
    // One that waits behind it is not asked for.
    let reply = client.ask(format!(
        "a LOGIN {{{length}+}}\r\n{evil} {{3}}\r\nn NOOP\r\n"
    ));
    assert_eq!(reply, format!("a {}\r\nn OK done\r\n", replies::TOO_LARGE));
    // Four of the largest are more than a command can have.
    let pieces = format!("{{{LITERAL_LIMIT}+}}\r\n{most} ").repeat(4);
    let reply = client.ask(format!("a ID ({pieces})\r\nn NOOP\r\n"));
    assert_eq!(reply, format!("a {}\r\nn OK done\r\n", replies::TOO_LARGE));
}

#[test]
fn the_bytes_of_a_literal_are_no_commands_whatever_their_command_is() {
    for command in [
        "XYZZY",
        "APPEND INBOX",
        "NOOP",
        "AUTHENTICATE PLAIN",
        "LOGIN",
        "STARTTLS",
        "",
        "\"x",
    ] {
        for require_tls in [false, true] {
            let mut client = client(|terms| terms.require_tls = require_tls);
            let reply = client.ask(format!("a {command} {{10+}}\r\nb LOGOUT\r\n\r\nn NOOP\r\n"));
            let first = reply.lines().next().unwrap_or_default();
            assert!(
                first.starts_with("a BAD ") || first.starts_with("a NO "),
                "{command}: {reply}"
            );
            assert!(reply.ends_with("\r\nn OK done\r\n"), "{command}: {reply}");
            assert_eq!(reply.lines().count(), 2, "{command}: {reply}");
        }
    }
    // Without a tag, too.
    let reply = client(|_| ()).ask("(( {10+}\r\nb LOGOUT\r\n\r\nn NOOP\r\n");
    assert_eq!(reply, format!("{}n OK done\r\n", replies::NO_TAG));
}

#[test]
fn a_literal_that_waits_is_asked_for_only_where_it_is_wanted() {
    let mut client = client(|terms| {
        terms.require_tls = true;
        terms.tls = Tls::Offered;
    });
    for (line, reply) in [
        ("a APPEND INBOX {10}", "a BAD log in first"),
        (
            "a NOOP {10}",
            "a BAD the arguments are not those of this command",
        ),
        ("a XYZZY {10}", "a BAD that command is unknown"),
        ("{10}", "* BAD a command begins with a tag"),
        // Nobody is asked to send his name or password in the clear.
        (
            "a LOGIN {3}",
            "a NO [PRIVACYREQUIRED] STARTTLS first: no password is taken in the clear",
        ),
    ] {
        client.send(format!("{line}\r\n"));
        assert_eq!(client.said(), format!("{reply}\r\n"), "{line}");
    }
}

#[test]
fn a_literal_without_end_ends_the_conversation() {
    let mut client = client(|_| ());
    assert_eq!(
        client.send(format!("a LOGIN {{{FLOOD_LIMIT}+}}\r\n")),
        Step::Skip(FLOOD_LIMIT)
    );
    let mut client = self::client(|_| ());
    let step = client.send(format!("a LOGIN {{{}+}}\r\n", FLOOD_LIMIT + 1));
    assert_eq!(step, Step::End("a literal that is too large"));
    assert_eq!(client.said(), replies::FLOOD);
    // In two pieces it is as much.
    let mut client = self::client(|_| ());
    let piece = format!("{{{FLOOD_LIMIT}+}}\r\n{}", "x".repeat(FLOOD_LIMIT));
    let step = client.send(format!("a LOGIN {piece} {{1+}}\r\nx\r\n"));
    assert_eq!(step, Step::End("a literal that is too large"));
}

#[test]
fn a_line_of_the_limit_is_taken_and_a_longer_one_ends_the_conversation() {
    let mut client = client(|_| ());
    let line = |length: usize| format!("a XYZZY {}\r\n", "x".repeat(length - "a XYZZY ".len()));
    assert_eq!(
        client.ask(line(LINE_LIMIT)),
        "a BAD that command is unknown\r\n"
    );
    // Its end, which is gone, may announce a literal.
    let step = client.send(line(LINE_LIMIT + 1));
    assert_eq!(step, Step::End("a line that is too long"));
    assert_eq!(client.said(), replies::TOO_LONG);
    let mut longest = "t".repeat(TAG_LIMIT) + " AUTHENTICATE CRAM-MD5 ";
    longest += &"x".repeat(sasl::RESPONSE_LIMIT);
    assert_eq!(longest.len(), LINE_LIMIT);
}

#[test]
fn a_failed_login_is_answered_under_its_tag_and_the_last_one_with_bye() {
    for (why, reply) in [
        (
            Refusal::Credentials,
            "x NO [AUTHENTICATIONFAILED] authentication failed\r\n",
        ),
        (
            Refusal::Temporary,
            "x NO [UNAVAILABLE] authentication failed, try again later\r\n",
        ),
        (
            Refusal::Permanent,
            "x NO [CONTACTADMIN] authentication failed, the server is at fault\r\n",
        ),
    ] {
        for last in [false, true] {
            let mut client = client(|_| ());
            client.login("x LOGIN joe x\r\n");
            client
                .session
                .refused(Answer { why, last }, &mut client.out);
            let bye = if last { replies::TOO_MANY_FAILED } else { "" };
            assert_eq!(client.said(), format!("{reply}{bye}"));
        }
    }
    // In an exchange it is that of the command.
    let mut client = client(|_| ());
    client.ask("y AUTHENTICATE PLAIN\r\n");
    client.login("AGpvZQBwdw==\r\n");
    let answer = Answer {
        why: Refusal::Credentials,
        last: false,
    };
    client.session.refused(answer, &mut client.out);
    assert!(client.said().starts_with("y NO "));
    assert_eq!(client.login("z LOGIN joe y\r\n").2, b"y");
}

#[test]
fn the_plain_exchange_with_and_without_an_initial_response() {
    let both = |client: &mut Client, sent: &str| {
        let (method, name, secret) = client.login(sent);
        assert_eq!(
            (method, &name[..], &secret[..]),
            (Method::Plain, &b"joe"[..], &b"pw"[..])
        );
    };
    both(&mut client(|_| ()), "a AUTHENTICATE PLAIN AGpvZQBwdw==\r\n");
    both(
        &mut client(|_| ()),
        "a authenticate plain am9lAGpvZQBwdw== \r\n",
    );
    let mut client = client(|_| ());
    assert_eq!(client.ask("a AUTHENTICATE PLAIN\r\n"), "+ \r\n");
    both(&mut client, "AGpvZQBwdw==\r\n");
}

#[test]
fn the_login_exchange_asks_for_what_it_has_not_got() {
    let mut one = client(|_| ());
    assert_eq!(one.ask("a AUTHENTICATE LOGIN\r\n"), "+ VXNlcm5hbWU6\r\n");
    assert_eq!(one.ask("am9l\r\n"), "+ UGFzc3dvcmQ6\r\n");
    let expected = (Method::Login, b"joe".to_vec(), b"pw".to_vec());
    assert_eq!(one.login("cHc=\r\n"), expected);
    let mut two = client(|_| ());
    assert_eq!(
        two.ask("a AUTHENTICATE LOGIN am9l\r\n"),
        "+ UGFzc3dvcmQ6\r\n"
    );
    assert_eq!(two.login("cHc=\r\n"), expected);
}

#[test]
fn cram_md5_is_there_where_the_checker_can_do_it() {
    let refused = "a NO that mechanism is not offered\r\n";
    assert_eq!(client(|_| ()).ask("a AUTHENTICATE CRAM-MD5\r\n"), refused);
    let mut client = client(|terms| terms.cram = Some(b"<c>".to_vec()));
    assert_eq!(client.ask("a AUTHENTICATE CRAM-MD5\r\n"), "+ PGM+\r\n");
    let (method, name, digest) =
        client.login("dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n");
    assert_eq!((method, &name[..]), (Method::CramMd5, &b"tim"[..]));
    assert_eq!(digest, b"b913a602c7eda7a495b4e6e7334d3890");
    let reply = client.ask("b AUTHENTICATE CRAM-MD5 =\r\n");
    assert_eq!(reply, "b BAD this mechanism has no initial response\r\n");
}

#[test]
fn an_exchange_that_is_cancelled_or_broken_is_bad_and_over() {
    for (sent, reply) in [
        (
            "a AUTHENTICATE PLAIN\r\n*\r\n",
            "+ \r\na BAD authentication was cancelled\r\n",
        ),
        (
            "a AUTHENTICATE LOGIN am9l\r\n*\r\n",
            "+ UGFzc3dvcmQ6\r\na BAD authentication was cancelled\r\n",
        ),
        (
            "a AUTHENTICATE PLAIN *\r\n",
            "a BAD authentication was cancelled\r\n",
        ),
        (
            "a AUTHENTICATE PLAIN =\r\n",
            "a BAD that response is not of this mechanism\r\n",
        ),
        (
            "a AUTHENTICATE PLAIN\r\n\r\n",
            "+ \r\na BAD that response is not of this mechanism\r\n",
        ),
        (
            "a AUTHENTICATE PLAIN\r\n?\r\n",
            "+ \r\na BAD that is not base64\r\n",
        ),
        (
            "a AUTHENTICATE PLAIN\r\nAA\0A\r\n",
            "+ \r\na BAD that is not base64\r\n",
        ),
        // A response is no command, and announces nothing.
        (
            "a AUTHENTICATE PLAIN\r\nx {5+}\r\n",
            "+ \r\na BAD that is not base64\r\n",
        ),
        (
            "a AUTHENTICATE PLAIN YW5uAGpvZQBwdw==\r\n",
            "a NO [AUTHORIZATIONFAILED] nobody can log in for somebody else\r\n",
        ),
        (
            "a AUTHENTICATE\r\n",
            "a BAD the arguments are not those of this command\r\n",
        ),
        (
            "a AUTHENTICATE PLAIN = =\r\n",
            "a BAD the arguments are not those of this command\r\n",
        ),
        (
            "a AUTHENTICATE SCRAM-SHA-256 =\r\n",
            "a NO that mechanism is not offered\r\n",
        ),
    ] {
        let mut client = client(|_| ());
        let all = client.ask(format!("{sent}n NOOP\r\n"));
        assert_eq!(all, format!("{reply}n OK done\r\n"), "{sent}");
    }
}

#[test]
fn without_tls_no_password_is_taken_where_tls_is_required() {
    let mut offered = client(|terms| {
        terms.require_tls = true;
        terms.tls = Tls::Offered;
    });
    let refused = "a NO [PRIVACYREQUIRED] STARTTLS first: no password is taken in the clear\r\n";
    // The log is told once.
    let step = offered
        .session
        .input(Input::Line(b"a LOGIN joe x"), &mut offered.out);
    assert_eq!(step, Step::Refuse(Method::User, "a password in the clear"));
    assert_eq!(offered.said(), refused);
    for command in [
        "LOGIN joe x",
        "LOGIN",
        "AUTHENTICATE PLAIN AGpvZQBwdw==",
        "AUTHENTICATE LOGIN",
    ] {
        assert_eq!(
            offered.ask(format!("a {command}\r\n")),
            refused,
            "{command}"
        );
    }
    offered.session.tls_started();
    assert_eq!(offered.login("a LOGIN joe x\r\n").1, b"joe");
    let mut without = client(|terms| terms.require_tls = true);
    without.send("a LOGIN joe x\r\n");
    assert!(
        without
            .said()
            .starts_with("a NO [PRIVACYREQUIRED] use TLS: ")
    );
    // From outside it came encrypted.
    let mut on = client(|terms| {
        terms.require_tls = true;
        terms.tls = Tls::On;
    });
    assert_eq!(on.login("a LOGIN joe x\r\n").1, b"joe");
}

#[test]
fn a_checker_of_digests_gets_no_password_sent() {
    let mut client = client(|terms| {
        terms.password = false;
        terms.cram = Some(b"<c>".to_vec());
    });
    client.send("a LOGIN joe x\r\n");
    assert_eq!(
        client.said(),
        "a NO no passwords are taken here, use CRAM-MD5\r\n"
    );
    assert!(
        client
            .capabilities()
            .ends_with(" AUTH=CRAM-MD5 LOGINDISABLED")
    );
}

#[test]
fn starttls_is_answered_once_and_only_where_it_is_offered() {
    let mut client = client(|terms| terms.tls = Tls::Offered);
    let reply = client.ask("a STARTTLS now\r\n");
    assert_eq!(
        reply,
        "a BAD the arguments are not those of this command\r\n"
    );
    assert_eq!(client.send("b STARTTLS\r\n"), Step::StartTls);
    assert_eq!(client.said(), "b OK TLS now\r\n");
    client.session.tls_started();
    assert_eq!(client.ask("c STARTTLS\r\n"), "c BAD TLS is on\r\n");
    let reply = self::client(|_| ()).ask("a STARTTLS\r\n");
    assert_eq!(reply, "a BAD there is no STARTTLS here\r\n");
}

#[test]
fn after_so_many_bad_commands_it_ends() {
    let mut client = client(|_| ());
    let bad = "a XYZZY\r\n";
    client.ask(bad.repeat(usize::try_from(BadCommands::DEFAULT_LIMIT).expect("few") - 1));
    assert_eq!(client.send(bad), Step::End("too many bad commands"));
    assert_eq!(
        client.said(),
        "a BAD that command is unknown\r\n* BYE too many bad commands\r\n"
    );
}

#[test]
fn after_so_many_lines_of_any_kind_it_ends() {
    let mut client = client(|_| ());
    client.ask("a NOOP\r\n".repeat(usize::try_from(LINES_LIMIT).expect("few")));
    let step = client.send("a NOOP\r\n");
    assert_eq!(step, Step::End("too many commands before the login"));
    assert_eq!(client.said(), replies::TOO_MANY);
    // Also where they are all of one command.
    let mut client = self::client(|_| ());
    let step = client.send(format!("a ID {}", "{0+}\r\n".repeat(2000)));
    assert_eq!(step, Step::End("too many commands before the login"));
}

#[test]
fn who_is_given_up_is_told_why_if_he_is_there() {
    let told = |trouble: Trouble| {
        let mut out = Vec::new();
        session(|_| ()).given_up(&trouble, &mut out);
        String::from_utf8(out).expect("ASCII")
    };
    assert_eq!(told(Trouble::Timeout), replies::SILENT);
    assert_eq!(told(Trouble::SessionOver), replies::TIME_IS_OVER);
    assert_eq!(told(Trouble::Flood), replies::TOO_LONG);
    assert_eq!(told(Trouble::Closed), "");
}
