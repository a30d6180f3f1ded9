//! imapup's conversation from the greeting to the login, in the order of imapup(8), and what the next program is
//! given. That one is a shell here, which says what it knows and then gives back what it reads.

use kit::pop3::{HOST, Office, PASSWORD, Pop3, SYSTEM_PASSWORD, one_try};
use kit::sasl::{base64, cram};
use kit::server::Builder;
use kit::{Client, Run, bin, is_root, peer};

/// The next program: `TAG OK USER AUTHENTICATED AUTH`, and then whatever it reads.
pub const NEXT: &str = "printf '%s OK %s %s %s\\r\\n' \"$IMAPLOGINTAG\" \"$USER\" \"$AUTHENTICATED\" \"$AUTH\"; exec cat";

/// superd with imapup, this checker, and [`NEXT`].
pub fn imap(office: &Office, checker: &str) -> Builder {
    office.serve(&["imapup", HOST, checker, "/bin/sh", "-c", NEXT])
}

/// Who is behind imapup, in [`NEXT`]'s words. Where the tests are not root's, USER is who has started them.
fn is_joe(line: &str, tag: &str, auth: &str) -> bool {
    line.starts_with(&format!("{tag} OK ")) && line.ends_with(&format!(" joe {auth}"))
}

fn greeted(server: &kit::Server) -> Client {
    let mut client = server.connect();
    let greeting = client.line();
    assert!(
        greeting.starts_with("* OK [CAPABILITY IMAP4rev1 "),
        "{greeting}"
    );
    client
}

#[test]
fn the_greeting_and_capability_tell_what_this_checker_can_do() {
    let office = Office::new();
    for (checker, end) in [
        ("checkpw", "ID AUTH=PLAIN AUTH=LOGIN"),
        ("selectcheckpw", "ID AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5"),
        ("checkapoppw", "ID AUTH=CRAM-MD5 LOGINDISABLED"),
        ("/bin/false", "ID AUTH=PLAIN AUTH=LOGIN"),
    ] {
        let server = imap(&office, checker).start();
        let mut client = server.connect();
        let list = format!("CAPABILITY IMAP4rev1 LITERAL+ SASL-IR {end}");
        assert_eq!(client.line(), format!("* OK [{list}] {HOST} ready"));
        assert_eq!(client.ask("a CAPABILITY"), format!("* {list}"));
        assert_eq!(client.line(), "a OK done");
    }
    let server = imap(&office, "checkpw")
        .env("IMAPD_HIDE", "id sasl-ir")
        .start();
    let greeting = server.connect().line();
    let list = "CAPABILITY IMAP4rev1 LITERAL+ AUTH=PLAIN AUTH=LOGIN";
    assert_eq!(greeting, format!("* OK [{list}] {HOST} ready"));
}

#[test]
fn the_commands_before_the_login() {
    let office = Office::new();
    let server = imap(&office, "checkpw").start();
    let mut client = greeted(&server);
    for (said, replies) in [
        ("a NOOP", &["a OK done"][..]),
        ("a ID NIL", &["* ID (\"name\" \"superd\")", "a OK done"]),
        (
            "a ID (\"name\" \"x\" \"os\" NIL)",
            &["* ID (\"name\" \"superd\")", "a OK done"],
        ),
        (
            "a ID name",
            &["a BAD the arguments are not those of this command"],
        ),
        ("a SELECT INBOX", &["a BAD log in first"]),
        ("a STARTTLS", &["a BAD there is no STARTTLS here"]),
        ("a XYZZY", &["a BAD that command is unknown"]),
        ("NOOP", &["NOOP BAD a command is missing"]),
        ("* NOOP", &["* BAD a command begins with a tag"]),
        ("a LOGOUT", &["* BYE logging out", "a OK done"]),
    ] {
        client.say(said);
        for reply in replies {
            assert_eq!(&client.line(), reply, "{said}");
        }
    }
    assert_eq!(client.rest(), b"");
}

#[test]
fn login_takes_every_form_of_a_name_and_a_password() {
    let office = Office::new();
    let server = imap(&office, "checkpw").start();
    let length = PASSWORD.len();
    for sent in [
        format!("a LOGIN joe \"{PASSWORD}\"\r\n"),
        format!("a login \"joe\" \"{PASSWORD}\" \n"),
        format!("a LOGIN {{3+}}\r\njoe {{{length}+}}\r\n{PASSWORD}\r\n"),
        format!("a LOGIN joe {{{length}+}}\r\n{PASSWORD}\r\n"),
    ] {
        let mut client = greeted(&server);
        client.send(&sent);
        let line = client.line();
        assert!(
            is_joe(&line, "a", "pop"),
            "{sent:?}: {line} {:?}",
            server.log()
        );
    }
    let mut client = greeted(&server);
    assert_eq!(client.ask("a LOGIN {3}"), "+ OK");
    assert_eq!(client.ask(&format!("joe {{{length}}}")), "+ OK");
    let line = client.ask(PASSWORD);
    assert!(is_joe(&line, "a", "pop"), "{line}");
    // What needs to be written with care.
    for (password, sent) in [
        ("atom]pass+%*", &b"atom]pass+%*"[..]),
        ("a\"b\\c", b"\"a\\\"b\\\\c\""),
        ("p\u{e4}ss", "\"p\u{e4}ss\"".as_bytes()),
        ("p\u{e4}ss", "p\u{e4}ss".as_bytes()),
        ("{6+}", b"\"{6+}\""),
        ("{6+}", b"{4+}\r\n{6+}"),
    ] {
        office.password("joe", format!("{password}\n"));
        let mut client = greeted(&server);
        client.send([b"a LOGIN joe ", sent, b"\r\n"].concat());
        let line = client.line();
        assert!(
            is_joe(&line, "a", "pop"),
            "{password}: {line} {:?}",
            server.log()
        );
    }
}

#[test]
fn authenticate_takes_each_mechanism_with_and_without_an_initial_response() {
    let office = Office::new();
    let server = imap(&office, "selectcheckpw").start();
    let plain = base64(format!("\0joe\0{PASSWORD}"));
    let same = base64(format!("joe\0joe\0{PASSWORD}"));
    let (name, password) = (base64("joe"), base64(PASSWORD));
    for lines in [
        &[&*format!("a AUTHENTICATE PLAIN {plain}")][..],
        &[&format!("a authenticate plain {same}")],
        &["a AUTHENTICATE PLAIN", &plain],
        &["a AUTHENTICATE LOGIN", &name, &password],
        &[&format!("a AUTHENTICATE LOGIN {name}"), &password],
    ] {
        let mut client = greeted(&server);
        let (last, first) = lines.split_last().unwrap();
        for line in first {
            let reply = client.ask(line);
            assert!(reply.starts_with("+ "), "{line}: {reply}");
        }
        let line = client.ask(last);
        assert!(
            is_joe(&line, "a", "pop"),
            "{lines:?}: {line} {:?}",
            server.log()
        );
    }
    let mut client = greeted(&server);
    let asked = client.ask("a AUTHENTICATE CRAM-MD5");
    let line = client.ask(&cram(&asked, "joe", PASSWORD));
    assert!(is_joe(&line, "a", "cram"), "{line} {:?}", server.log());
    for method in ["plain", "login", "cram-md5"] {
        server.wait_for(&format!(
            "imapup: login ip=127.0.0.1 user=joe method={method} tls=no"
        ));
    }
}

#[test]
fn what_authenticate_does_not_take_leaves_the_conversation_as_it_was() {
    let office = Office::new();
    let server = imap(&office, "checkpw").start();
    let mut client = greeted(&server);
    let stranger = base64(format!("ann\0joe\0{PASSWORD}"));
    for lines in [
        &["a AUTHENTICATE CRAM-MD5"][..],
        &["a AUTHENTICATE SCRAM-SHA-1 ="],
        &["a AUTHENTICATE PLAIN", "*"],
        &["a AUTHENTICATE LOGIN", "*"],
        &["a AUTHENTICATE LOGIN", "am9l", "*"],
        &["a AUTHENTICATE PLAIN ="],
        &["a AUTHENTICATE PLAIN", "?"],
        &["a AUTHENTICATE PLAIN", ""],
        &["a AUTHENTICATE PLAIN", "b LOGOUT"],
        &["a AUTHENTICATE PLAIN", &stranger],
        &["a AUTHENTICATE"],
    ] {
        let (last, first) = lines.split_last().unwrap();
        for line in first {
            let reply = client.ask(line);
            assert!(reply.starts_with("+ "), "{line}: {reply}");
        }
        let reply = client.ask(last);
        let is_cancelled = *last == "*";
        assert!(
            reply.starts_with("a BAD ") || (reply.starts_with("a NO ") && !is_cancelled),
            "{lines:?}: {reply}"
        );
        assert_eq!(client.ask("n NOOP"), "n OK done", "{lines:?}");
    }
    let line = client.ask(&format!("b LOGIN joe \"{PASSWORD}\""));
    assert!(is_joe(&line, "b", "pop"), "{line}");
}

#[test]
fn not_a_byte_behind_a_login_is_lost() {
    let office = Office::new();
    let length = PASSWORD.len();
    let plain = base64(format!("\0joe\0{PASSWORD}"));
    let behind = "b SELECT INBOX\r\nc APPEND x {3+}\r\n\n\n\r\r\nd IDLE\r\nDONE\r\nno line";
    for checker in ["checkpw", "/bin/sh"] {
        let words = match checker {
            // It checks nothing, and is foreign.
            "/bin/sh" => vec!["imapup", HOST, "/bin/sh", "-c", NEXT],
            checker => vec!["imapup", HOST, checker, "/bin/sh", "-c", NEXT],
        };
        let server = office.serve(&words).start();
        for login in [
            format!("a LOGIN joe \"{PASSWORD}\"\r\n"),
            format!("a LOGIN {{3+}}\r\njoe {{{length}+}}\r\n{PASSWORD}\n"),
            format!("a LOGIN joe {{{length}}}\r\n{PASSWORD}\r\n"),
            format!("a AUTHENTICATE PLAIN {plain}\r\n"),
            format!("a AUTHENTICATE PLAIN\r\n{plain}\r\n"),
        ] {
            let mut client = greeted(&server);
            client.send(format!("{login}{behind}"));
            client.finish();
            let all = client.text();
            let (answer, rest) = all.split_once(" joe pop\r\n").unwrap_or_default();
            assert!(answer.contains("a OK "), "{checker} {login:?}: {all}");
            assert_eq!(rest, behind, "{checker} {login:?}");
        }
    }
}

#[test]
fn after_a_wrong_password_the_client_tries_again() {
    let office = Office::new();
    let server = imap(&office, "checkpw").start();
    let mut client = greeted(&server);
    client.send(format!(
        "a LOGIN joe wrong\r\nb LOGIN joe \"{PASSWORD}\"\r\nc NOOP\r\n"
    ));
    let failed = "a NO [AUTHENTICATIONFAILED] authentication failed";
    assert_eq!(client.line(), failed);
    assert!(is_joe(&client.line(), "b", "pop"));
    assert_eq!(client.line(), "c NOOP");
    let server = one_try(imap(&office, "checkpw")).start();
    let mut client = greeted(&server);
    client.send(format!(
        "a LOGIN joe wrong\r\nb LOGIN joe \"{PASSWORD}\"\r\n"
    ));
    assert_eq!(client.line(), failed);
    assert_eq!(client.line(), "* BYE too many failed logins");
    assert_eq!(client.rest(), b"");
    server.wait_for("imapup: end ip=127.0.0.1 reason=\"too many failed logins\"");
}

#[test]
fn the_next_program_is_told_the_account_and_its_home() {
    let office = Office::new();
    let next = "printf '%s|%s|%s|%s|%s\\r\\n' \"$IMAPLOGINTAG\" \"$AUTHENTICATED\" \"$USER\" \"$HOME\" \
                \"${UCSPITLS-none}\"";
    let server = office
        .serve(&["imapup", HOST, "checkpw", "/bin/sh", "-c", next])
        .env("IMAPLOGINTAG", "old")
        .env("AUTHENTICATED", "old")
        .start();
    let mut client = greeted(&server);
    let told = client.ask(&format!("x.1-2 LOGIN joe \"{PASSWORD}\""));
    if is_root() {
        let home = office.path("joe").display().to_string();
        assert_eq!(told, format!("x.1-2|joe|joe|{home}|none"));
    } else {
        assert!(told.starts_with("x.1-2|joe|"), "{told}");
    }
}

#[test]
fn relay_ctrl_allow_behind_the_checker_is_told_that_it_was_imap() {
    let office = Office::new();
    let store = office.path("store");
    std::fs::create_dir(&store).unwrap();
    let server = office
        .serve(&[
            "imapup",
            HOST,
            "checkpw",
            "relay-ctrl-allow",
            "/bin/sh",
            "-c",
            NEXT,
        ])
        .env("RELAY_CTRL_DIR", &store)
        .start();
    let mut client = greeted(&server);
    let line = client.ask(&format!("a LOGIN joe \"{PASSWORD}\""));
    assert!(is_joe(&line, "a", "pop"), "{line} {:?}", server.log());
    server.wait_for("relay-ctrl-allow: open ip=127.0.0.1 user=joe how=imap until=");
}

#[test]
fn requiretls_takes_no_password_in_the_clear_and_logs_it_once() {
    let office = Office::new();
    let server = imap(&office, "selectcheckpw").env("REQUIRETLS", "").start();
    let mut client = server.connect();
    assert!(client.line().contains(" AUTH=CRAM-MD5 LOGINDISABLED]"));
    for line in [
        "a LOGIN joe x",
        "a LOGIN {3}",
        "a LOGIN",
        "a AUTHENTICATE PLAIN AGpvZQB4",
        "a AUTHENTICATE PLAIN",
        "a AUTHENTICATE LOGIN",
    ] {
        let reply = client.ask(line);
        assert!(
            reply.starts_with("a NO [PRIVACYREQUIRED] "),
            "{line}: {reply}"
        );
    }
    // A digest shows nothing.
    let asked = client.ask("a AUTHENTICATE CRAM-MD5");
    let line = client.ask(&cram(&asked, "joe", PASSWORD));
    assert!(is_joe(&line, "a", "cram"), "{line}");
    server.wait_for("imapup: login ");
    let log = server.log();
    let refused = log
        .iter()
        .filter(|line| line.starts_with("imapup: refuse "));
    assert_eq!(refused.count(), 1, "{log:?}");
}

#[test]
fn checkpassword_behind_imapup_lets_in_by_the_systems_password() {
    let office = Office::new();
    let server = one_try(imap(&office, "checkpassword")).start();
    let line = greeted(&server).ask(&format!("a LOGIN joe \"{SYSTEM_PASSWORD}\""));
    assert!(is_joe(&line, "a", "pop"), "{line} {:?}", server.log());
    let line = greeted(&server).ask(&format!("a LOGIN joe \"{PASSWORD}\""));
    assert!(line.starts_with("a NO [AUTHENTICATIONFAILED] "), "{line}");
}

#[test]
fn without_words_the_client_and_the_log_of_exits_are_told() {
    for words in [&[][..], &[HOST]] {
        let done = Run::new(bin("imapup")).args(words).done();
        assert_eq!(done.out(), "* BYE usage: imapup host checkprog prog\r\n");
        assert_eq!(done.code, Some(1));
    }
}

/// A next program that answers every command with OK.
pub const YES: &str = "printf '%s OK in\\r\\n' \"$IMAPLOGINTAG\"; while read -r tag rest; do \
                       printf '%s OK done\\r\\n' \"$tag\"; done";

#[test]
fn a_client_of_the_world_logs_in_by_each_way() {
    let office = Office::new();
    let Some(curl) = peer("curl") else {
        return;
    };
    let words = ["imapup", HOST, "selectcheckpw", "/bin/sh", "-c", YES];
    let serve = |hidden: &str| office.serve(&words).env("IMAPD_HIDE", hidden).start();
    let all = serve("");
    // Without SASL curl takes LOGIN.
    let none = serve("AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5");
    for (server, option, method) in [
        (&all, "AUTH=PLAIN", "plain"),
        (&all, "AUTH=LOGIN", "login"),
        (&all, "AUTH=CRAM-MD5", "cram-md5"),
        (&none, "AUTH=*", "user"),
    ] {
        for more in [&[][..], &["--sasl-ir"]] {
            let done = Run::new(&curl)
                .args(["-sS", "--max-time", "20", "--login-options", option])
                .args(more)
                .args(["-u", &format!("joe:{PASSWORD}"), "-X", "NOOP"])
                .args([&format!("imap://{}/", server.address())])
                .done();
            assert_eq!((done.code, done.err().as_str()), (Some(0), ""), "{option}");
            server.wait_for(&format!("user=joe method={method} "));
        }
    }
}
