//! What stands behind imapup: programs of ours and of others, what they are told, and not a byte that is lost.

use crate::house::{As, LINKS, Link, Popup, is_root, starts};

/// A checker as a shell script: joe with `sekrit`, and then `cat`, which says back what it reads.
const FOREIGN: &str = r#"
record=$(tr '\0' '|' <&3)
case $record in
    "joe|sekrit|<"*"@mx.test>|") ;;
    *) exit 1 ;;
esac
printf '%s OK checked %s %s\r\n' "$IMAPLOGINTAG" "$AUTHENTICATED" "$AUTH"
exec 3<&-
exec cat
"#;

/// Every way to say that joe is here, all of it at once.
const LOGINS: [&str; 8] = [
    "a.1 LOGIN joe sekrit\r\n",
    "a.1 LOGIN \"joe\" \"sekrit\"\n",
    "a.1 LOGIN {3}\r\njoe {6}\r\nsekrit\r\n",
    "a.1 LOGIN {3+}\r\njoe {6+}\r\nsekrit\r\n",
    "a.1 LOGIN joe {6+}\nsekrit\n",
    "a.1 AUTHENTICATE PLAIN AGpvZQBzZWtyaXQ=\r\n",
    "a.1 AUTHENTICATE PLAIN\r\nAGpvZQBzZWtyaXQ=\r\n",
    "a.1 AUTHENTICATE LOGIN\r\nam9l\r\nc2Vrcml0\r\n",
];

/// What the next program has to see: commands, and bytes that are no line yet.
const BEHIND: &str = "b SELECT INBOX\r\nc APPEND x {3+}\r\nab\n\r\nd IDLE\r\n";

/// The replies that ask for something, and the first line behind them.
fn first_answer(talking: &mut crate::house::Talking) -> String {
    loop {
        let line = talking.line();
        if !line.starts_with("+ ") {
            return line;
        }
    }
}

#[test]
fn in_a_joined_chain_what_was_sent_ahead_goes_with_the_login() {
    for start in starts() {
        for login in LOGINS {
            let mut talking = Popup::new(&["joe", "mail"]).starter(start).start(Link::Tcp);
            let greeting = talking.line();
            assert!(
                greeting.starts_with("* OK [CAPABILITY IMAP4rev1 "),
                "{greeting}"
            );
            assert!(greeting.contains(" IDLE "), "{greeting}");
            talking.say(&format!("{login}{BEHIND}QUIT\r\n"));
            let user = if is_root() && start == As::Tester {
                " USER=joe HOME=/"
            } else {
                ""
            };
            assert_eq!(
                first_answer(&mut talking),
                format!("+OK mail{user} AUTH=pop IMAPLOGINTAG=a.1 AUTHENTICATED=joe\r\n"),
                "{start:?} {login:?}"
            );
            let done = talking.wait();
            let all: String = BEHIND
                .lines()
                .chain(["QUIT"])
                .map(|line| format!("+OK {line}\r\n"))
                .collect();
            assert_eq!((done.said, done.code), (all, Some(0)), "{login:?}");
            assert!(
                done.log
                    .starts_with("imapup: login ip=192.0.2.1 user=joe method=")
            );
        }
    }
}

#[test]
fn in_a_foreign_chain_nothing_behind_the_login_is_read() {
    for start in starts() {
        for link in LINKS {
            for login in LOGINS {
                let popup = Popup::new(&["/bin/sh", "-c", FOREIGN]).starter(start);
                let mut talking = popup.start(link);
                let greeting = talking.line();
                assert!(!greeting.contains("IDLE"), "{greeting}");
                talking.say(&format!("{login}{BEHIND}"));
                let answer = first_answer(&mut talking);
                assert_eq!(answer, "a.1 OK checked joe pop\r\n", "{link:?} {login:?}");
                let mut all = String::new();
                while all.len() < BEHIND.len() {
                    all += &talking.line();
                }
                assert_eq!(all, BEHIND, "{start:?} {link:?} {login:?}");
                assert_eq!(talking.hang_up().code, Some(0));
            }
        }
    }
}

#[test]
fn behind_our_checker_a_foreign_program_is_executed_and_finds_all_bytes() {
    let script = "printf '* %s %s %s %s\\r\\n' \"$IMAPLOGINTAG\" \"$AUTHENTICATED\" \"$HOME\" \
                  \"$(id -u)\"; exec cat";
    for start in starts() {
        for link in LINKS {
            let popup = Popup::new(&["joe", "/bin/sh", "-c", script]).starter(start);
            let mut talking = popup.start(link);
            talking.line();
            // What is thrown away before does not count as read behind.
            talking.say(&format!(
                "x LOGIN {{5000+}}\r\n{}\r\na.1 LOGIN {{3+}}\r\njoe {{6+}}\r\nsekrit\r\n{BEHIND}",
                "b NOOP\r\n".repeat(625)
            ));
            assert!(talking.line().starts_with("x BAD "), "{start:?} {link:?}");
            let told = talking.line();
            assert!(told.starts_with("* a.1 joe "), "{told}");
            if is_root() && start == As::Tester {
                assert_eq!(told, "* a.1 joe / 65534\r\n");
            }
            let mut all = String::new();
            while all.len() < BEHIND.len() {
                all += &talking.line();
            }
            assert_eq!(all, BEHIND, "{start:?} {link:?}");
            talking.hang_up();
        }
    }
}

#[test]
fn who_waits_to_be_asked_for_a_literal_is_asked() {
    for start in starts() {
        let mut talking = Popup::new(&["joe", "mail"])
            .starter(start)
            .start(Link::Pipes);
        talking.line();
        assert_eq!(talking.ask("a LOGIN {3}\r\n"), "+ OK\r\n");
        assert_eq!(talking.ask("joe {6}\r\n"), "+ OK\r\n");
        assert!(talking.ask("sekrit\r\n").starts_with("+OK mail"));
        talking.say("QUIT\r\n");
        assert_eq!(talking.wait().code, Some(0));
    }
}

#[test]
fn how_a_foreign_checker_ends_is_told_under_the_tag() {
    let cases = [
        ("exit 1", "[AUTHENTICATIONFAILED]", "fail"),
        ("exit 2", "[CONTACTADMIN]", "fault"),
        ("exit 111", "[UNAVAILABLE]", "fault"),
        ("kill -SEGV $$", "[CONTACTADMIN]", "fault"),
    ];
    for start in starts() {
        // All at once, for each waits a second.
        let talkings = cases.map(|(script, ..)| {
            let popup = Popup::new(&["/bin/sh", "-c", script]).env("MAXAUTHFAIL", "1");
            let mut talking = popup.starter(start).start(Link::Pair);
            talking.say("x9 LOGIN joe x\r\n");
            talking
        });
        for (mut talking, (script, code, event)) in talkings.into_iter().zip(cases) {
            talking.line();
            let reply = talking.line();
            assert!(
                reply.starts_with(&format!("x9 NO {code} ")),
                "{script}: {reply}"
            );
            let done = talking.wait();
            assert_eq!(done.code, Some(1), "{script}");
            assert_eq!(done.said, "* BYE too many failed logins\r\n", "{script}");
            let line = format!("imapup: {event} ip=192.0.2.1 user=joe method=user ");
            assert!(done.log.starts_with(&line), "{}", done.log);
        }
    }
}

#[test]
fn the_tag_and_the_name_of_a_failed_login_are_not_those_of_the_next() {
    for start in starts() {
        let popup = Popup::new(&["/bin/sh", "-c", FOREIGN]).starter(start);
        let mut talking = popup.env("IMAPLOGINTAG", "old").start(Link::Pipes);
        talking.line();
        talking.say("a1 LOGIN ann sekrit\r\na2 LOGIN joe sekrit\r\n");
        assert!(talking.line().starts_with("a1 NO [AUTHENTICATIONFAILED] "));
        assert_eq!(talking.line(), "a2 OK checked joe pop\r\n");
        talking.close();
    }
}

#[test]
fn a_right_login_that_cannot_be_served_is_answered_under_its_tag() {
    for start in starts() {
        let popup = Popup::new(&["joe", "/no/such/program"]).starter(start);
        let mut talking = popup.start(Link::Pair);
        talking.line();
        assert!(
            talking
                .ask("a7 LOGIN joe sekrit\r\n")
                .starts_with("a7 NO [CONTACTADMIN] ")
        );
        let done = talking.wait();
        assert_eq!(done.code, Some(111));
        assert_eq!(
            done.said,
            "* BYE [CONTACTADMIN] this server cannot serve\r\n"
        );
        assert!(done.log.ends_with(
            "imapup: fault ip=192.0.2.1 user=joe \
             reason=\"unable to run /no/such/program: file does not exist\"\n"
        ));
    }
    if is_root() {
        let popup = Popup::new(&["joe", "mail"]).env("JOES_HOME", "/no/such/home");
        let mut talking = popup.start(Link::Pair);
        talking.line();
        assert!(
            talking
                .ask("a7 LOGIN joe sekrit\r\n")
                .starts_with("a7 NO [UNAVAILABLE] ")
        );
        assert!(talking.wait().said.starts_with("* BYE [UNAVAILABLE] "));
    }
}

#[test]
fn cram_md5_uses_the_challenge_of_the_deciding_side() {
    for start in starts() {
        let mut talking = Popup::new(&["joe", "mail"])
            .starter(start)
            .start(Link::Pair);
        assert!(talking.line().contains(" AUTH=CRAM-MD5]"));
        let asked = talking.ask("a AUTHENTICATE CRAM-MD5\r\n");
        let challenge = decoded(asked.trim_end().strip_prefix("+ ").unwrap());
        assert!(
            challenge.starts_with('<') && challenge.ends_with("@mx.test>"),
            "{challenge}"
        );
        // The checker wants 32 bytes of it; they are to look like a digest.
        let reply = talking.ask(&format!(
            "{}\r\n",
            encoded(&format!("joe {}", "0".repeat(32)))
        ));
        assert!(reply.starts_with("a NO [AUTHENTICATIONFAILED] "), "{reply}");
        talking.say("b LOGOUT\r\n");
        let done = talking.wait();
        assert!(done.log.contains(" method=cram-md5 "), "{}", done.log);
    }
}

fn encoded(text: &str) -> String {
    openssl(&["base64", "-A"], text)
}

fn decoded(text: &str) -> String {
    openssl(&["base64", "-d", "-A"], text)
}

fn openssl(words: &[&str], text: &str) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = Command::new("openssl")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success());
    String::from_utf8(done.stdout).unwrap()
}
