//! imapup's limits, just under and just over, and how it ends.

use crate::imapup_session::imap;
use kit::pop3::{HOST, Office, PASSWORD, Pop3, one_try};

/// What stands in imapup(8).
const LINE: usize = 12_439;
const LITERAL: usize = 4096;
const COMMAND: usize = 16_384;
const FLOOD: usize = 1 << 20;

const TOO_LARGE: &str = "a BAD that is more than a command here can have";

#[test]
fn a_line_has_12439_bytes() {
    let office = Office::new();
    let server = imap(&office, "checkpw").start();
    let mut client = server.connect();
    client.line();
    let line = |length: usize| format!("a XYZZY {}", "x".repeat(length - "a XYZZY ".len()));
    assert_eq!(client.ask(&line(LINE)), "a BAD that command is unknown");
    assert_eq!(client.ask(&line(LINE + 1)), "* BYE that line is too long");
    assert_eq!(client.rest(), b"");
    server.wait_for("imapup: end ip=127.0.0.1 reason=\"a line that is too long\"");
    // What its end may have announced is not taken for commands.
    let mut client = server.connect();
    client.line();
    client.send(format!("{} {{12+}}\r\nb CAPABILITY\r\n", line(LINE + 1)));
    assert_eq!(client.text(), "* BYE that line is too long\r\n");
}

#[test]
fn a_literal_has_4096_bytes() {
    let office = Office::new();
    let server = one_try(imap(&office, "checkpw")).start();
    for kind in ["", "+"] {
        let mut client = server.connect();
        client.line();
        client.send(format!(
            "a LOGIN joe {{{LITERAL}{kind}}}\r\n{}\r\n",
            "x".repeat(LITERAL)
        ));
        let mut reply = client.line();
        if kind.is_empty() {
            assert_eq!(reply, "+ OK");
            reply = client.line();
        }
        // It is more than the record of a checker can hold, and refused as a wrong password is.
        assert!(reply.starts_with("a NO [AUTHENTICATIONFAILED] "), "{reply}");
    }
    let mut client = server.connect();
    client.line();
    assert_eq!(
        client.ask(&format!("a LOGIN joe {{{}}}", LITERAL + 1)),
        TOO_LARGE
    );
    let evil = "b CAPABILITY\r\n".repeat(293);
    assert!(evil.len() > LITERAL);
    client.send(format!(
        "a LOGIN joe {{{}+}}\r\n{evil}\r\nc NOOP\r\n",
        evil.len()
    ));
    assert_eq!(client.line(), TOO_LARGE);
    assert_eq!(client.line(), "c OK done");
}

#[test]
fn a_command_has_16384_bytes_with_all_its_literals() {
    let office = Office::new();
    let server = imap(&office, "checkpw").start();
    let mut client = server.connect();
    client.line();
    // Pairs of a literal and NIL, and one that fills it up.
    let id = |length: usize| {
        let pair = format!("{{{LITERAL}+}}\r\n{} NIL ", "x".repeat(LITERAL));
        let mut command = format!("a ID ({}", pair.repeat(3));
        let rest = length - command.len() - "{4096+}\r\n NIL)".len();
        command += &format!("{{{rest:04}+}}\r\n{} NIL)", "x".repeat(rest));
        assert_eq!(command.len(), length);
        command
    };
    assert_eq!(client.ask(&id(COMMAND)), "* ID (\"name\" \"superd\")");
    assert_eq!(client.line(), "a OK done");
    assert_eq!(client.ask(&id(COMMAND + 1)), TOO_LARGE);
    assert_eq!(client.ask("n NOOP"), "n OK done");
}

#[test]
fn a_literal_of_more_than_a_mebibyte_ends_the_conversation() {
    let office = Office::new();
    let server = imap(&office, "checkpw").start();
    let mut client = server.connect();
    client.line();
    client.send(format!("a LOGIN {{{FLOOD}+}}\r\n"));
    client.send("b NOOP\r\n".repeat(FLOOD / 8));
    assert_eq!(client.ask(" x"), TOO_LARGE);
    assert_eq!(
        client.ask(&format!("a LOGIN {{{}+}}", FLOOD + 1)),
        "* BYE that literal is too large"
    );
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_tag_has_128_bytes() {
    let office = Office::new();
    let server = imap(&office, "checkpw").start();
    let mut client = server.connect();
    client.line();
    let tag = "t".repeat(128);
    let reply = client.ask(&format!("{tag}t NOOP"));
    assert_eq!(reply, "* BAD a command begins with a tag");
    let reply = client.ask(&format!("{tag} LOGIN joe \"{PASSWORD}\""));
    assert!(reply.starts_with(&format!("{tag} OK ")), "{reply}");
}

#[test]
fn a_nul_is_no_part_of_a_name_or_a_password() {
    let office = Office::new();
    let server = imap(&office, "checkpw").start();
    let mut client = server.connect();
    client.line();
    for sent in [
        "a LOGIN joe\0 x\r\n",
        "a LOGIN \"joe\0\" x\r\n",
        "a LOGIN {4+}\r\njoe\0 x\r\n",
        "a LOGIN joe {4}\r\nx\0\r\n\r\n",
    ] {
        client.send(sent);
        let mut reply = client.line();
        if reply == "+ OK" {
            reply = client.line();
        }
        assert!(reply.starts_with("a BAD "), "{sent:?}: {reply}");
    }
}

#[test]
fn a_million_parentheses_are_nothing() {
    let office = Office::new();
    let server = imap(&office, "checkpw").start();
    let mut client = server.connect();
    client.line();
    assert!(
        client
            .ask(&format!("a ID {}", "(".repeat(12_000)))
            .starts_with("a BAD ")
    );
    client.send(format!("a ID {{{FLOOD}+}}\r\n{}\r\n", "(".repeat(FLOOD)));
    assert_eq!(client.line(), TOO_LARGE);
}

#[test]
fn twenty_bad_commands_or_a_thousand_lines_end_the_conversation() {
    let office = Office::new();
    let server = imap(&office, "checkpw").start();
    let mut client = server.connect();
    client.line();
    client.send("b NOOP\r\na SELECT x\r\n".repeat(20));
    let all = client.text();
    assert_eq!(all.matches("a BAD log in first\r\n").count(), 20, "{all}");
    assert!(all.ends_with("* BYE too many bad commands\r\n"), "{all}");
    server.wait_for("imapup: end ip=127.0.0.1 reason=\"too many bad commands\"");
    let mut client = server.connect();
    client.line();
    client.send("a NOOP\r\n".repeat(1001));
    let all = client.text();
    assert_eq!(all.matches("a OK done\r\n").count(), 1000);
    assert!(
        all.ends_with("* BYE too many commands before the login\r\n"),
        "{all}"
    );
}

#[test]
fn the_servers_end_line_has_the_exit_code_of_the_session() {
    let office = Office::new();
    let login = format!("a LOGIN joe \"{PASSWORD}\"\r\n");
    for (checker, program, said, expected) in [
        ("checkpw", "/bin/true", "a LOGOUT\r\n", 0),
        ("checkpw", "/bin/true", "a NOOP\r\n", 256),
        ("checkpw", "/bin/true", &*login, 0),
        ("checkpw", "/bin/false", &login, 256),
        ("/bin/true", "imapd", &login, 0),
        ("checkpw", "/nonexistent/program", &login, 111 << 8),
    ] {
        let server = office.serve(&["imapup", HOST, checker, program]).start();
        let status = server.status_of(said);
        let told = format!("{checker} {program} {said:?}: {:?}", server.log());
        assert_eq!(status, expected, "{told}");
    }
}
