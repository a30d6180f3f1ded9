//! What stands behind popup: programs of ours and of others, and not a byte that is lost.

use crate::house::{DEADLINE, LINKS, Link, Popup, is_root, starts};

/// A checker as a shell script: joe with `sekrit`, and then `cat`, which says back what it reads.
const FOREIGN: &str = r#"
record=$(tr '\0' '|' <&3)
case $record in
    "joe|sekrit|<"*"@mx.test>|") ;;
    *) exit 1 ;;
esac
printf '+OK checked %s\r\n' "$AUTH"
exec 3<&-
exec cat
"#;

fn foreign() -> Popup {
    Popup::new(&["/bin/sh", "-c", FOREIGN])
}

#[test]
fn in_a_joined_chain_what_was_sent_ahead_goes_with_the_login() {
    for start in starts() {
        for link in LINKS {
            let mut talking = Popup::new(&["joe", "mail"]).starter(start).start(link);
            assert!(talking.line().starts_with("+OK <"));
            talking.say("CAPA\r\nUSER joe\r\nPASS sekrit\r\nSTAT\r\nLIST 1\r\nQUIT\r\n");
            let done = talking.wait();
            let end = "\r\n.\r\n+OK \r\n+OK mail USER=joe HOME=/ AUTH=pop\r\n\
                       +OK STAT\r\n+OK LIST 1\r\n+OK QUIT\r\n";
            let end = if is_root() && start == crate::house::As::Tester {
                end.to_owned()
            } else {
                end.replace(" USER=joe HOME=/", "")
            };
            assert!(done.said.ends_with(&end), "{start:?} {link:?}: {done:?}");
            assert_eq!(done.code, Some(0));
            assert_eq!(
                done.log,
                "popup: login ip=192.0.2.1 user=joe method=user tls=no\n"
            );
        }
    }
}

#[test]
fn in_a_foreign_chain_nothing_behind_the_login_is_read() {
    for start in starts() {
        for link in LINKS {
            let mut talking = foreign().starter(start).start(link);
            talking.line();
            talking.say("USER joe\r\nPASS sekrit\r\nSTAT\r\nLIST 1\r\n");
            assert_eq!(talking.line(), "+OK \r\n", "{start:?} {link:?}");
            assert_eq!(talking.line(), "+OK checked pop\r\n");
            assert_eq!(talking.line(), "STAT\r\n");
            assert_eq!(talking.line(), "LIST 1\r\n");
            let done = talking.hang_up();
            assert_eq!(done.code, Some(0));
            let line = "popup: login ip=192.0.2.1 user=joe method=user tls=no\n";
            assert_eq!(done.log, line);
        }
    }
}

#[test]
fn a_foreign_checker_may_say_no_and_the_next_try_is_another_one() {
    for start in starts() {
        let mut talking = foreign().starter(start).start(Link::Pipes);
        talking.line();
        talking.say("USER joe\r\nPASS wrong\r\nUSER joe\r\nPASS sekrit\r\nSTAT\r\n");
        assert_eq!(talking.line(), "+OK \r\n");
        assert_eq!(talking.line(), "-ERR [AUTH] authorization failed\r\n");
        assert_eq!(talking.line(), "+OK \r\n");
        assert_eq!(talking.line(), "+OK checked pop\r\n");
        assert_eq!(talking.line(), "STAT\r\n");
        let done = talking.close();
        assert_eq!(
            done.log,
            "popup: fail ip=192.0.2.1 user=joe method=user reason=\"/bin/sh said no\"\n\
             popup: login ip=192.0.2.1 user=joe method=user tls=no\n"
        );
    }
}

#[test]
fn a_foreign_checker_learns_apop_and_sasl_from_auth() {
    let script = r#"
        record=$(tr '\0' '|' <&3)
        printf '+OK %s %s\r\n' "$AUTH" "${record%%<*}"
    "#;
    for (line, told) in [
        ("APOP joe c4c9334b\r\n", "+OK apop joe|c4c9334b|\r\n"),
        ("USER joe\nPASS a b \r\n", "+OK pop joe|a b |\r\n"),
        ("AUTH PLAIN AGpvZQBwdw==\r\n", "+OK pop joe|pw|\r\n"),
    ] {
        let mut talking = Popup::new(&["/bin/sh", "-c", script]).start(Link::Pair);
        talking.line();
        let mut reply = talking.ask(line);
        if line.starts_with("USER") {
            reply = talking.line();
        }
        assert_eq!(reply, told);
        assert_eq!(talking.wait().code, Some(0));
    }
}

#[test]
fn how_a_foreign_checker_ends_tells_the_client_whose_fault_it_is() {
    let cases = [
        ("exit 1", "[AUTH]", "fail"),
        ("exit 2", "[SYS/PERM]", "fault"),
        ("exit 100", "[SYS/PERM]", "fault"),
        ("exit 111", "[SYS/TEMP]", "fault"),
        ("kill -SEGV $$", "[SYS/PERM]", "fault"),
    ];
    for start in starts() {
        // All at once, for each waits a second.
        let talkings = cases.map(|(script, ..)| {
            let popup = Popup::new(&["/bin/sh", "-c", script]).env("MAXAUTHFAIL", "1");
            let mut talking = popup.starter(start).start(Link::Pair);
            talking.say("USER joe\r\nPASS x\r\n");
            talking
        });
        for (mut talking, (script, code, event)) in talkings.into_iter().zip(cases) {
            let reply = [(); 3].map(|()| talking.line())[2].clone();
            assert!(
                reply.starts_with(&format!("-ERR {code} ")),
                "{script}: {reply}"
            );
            let done = talking.wait();
            assert_eq!((done.code, done.said.as_str()), (Some(1), ""), "{script}");
            let line = format!("popup: {event} ip=192.0.2.1 user=joe ");
            assert!(done.log.starts_with(&line), "{}", done.log);
        }
    }
}

#[test]
fn a_foreign_checker_that_cannot_be_run_is_the_servers_fault() {
    let popup = Popup::new(&["/no/such/checker", "mail"]).env("MAXAUTHFAIL", "1");
    let mut talking = popup.start(Link::Pair);
    talking.line();
    talking.ask("USER joe\r\n");
    assert!(talking.ask("PASS x\r\n").starts_with("-ERR [SYS/PERM] "));
    let done = talking.wait();
    assert!(
        done.log
            .starts_with("popup: fatal: unable to run /no/such/checker: file does not exist\n"),
        "{}",
        done.log
    );
}

#[test]
fn a_checker_that_never_reads_its_record_keeps_nobody_waiting() {
    let popup = Popup::new(&["/bin/sh", "-c", "exec 3<&-; exit 0"]);
    let mut talking = popup.start(Link::Pair);
    talking.line();
    let start = std::time::Instant::now();
    let password = "x".repeat(400);
    talking.say(&format!("USER joe\r\nPASS {password}\r\n"));
    let done = talking.wait();
    assert_eq!(done.code, Some(0));
    assert!(start.elapsed() < DEADLINE / 2);
}

#[test]
fn behind_our_checker_a_foreign_program_is_executed_and_finds_all_bytes() {
    for start in starts() {
        for link in LINKS {
            let script = "printf '+OK %s %s\\r\\n' \"$USER\" \"$(id -u)\"; exec cat";
            let popup = Popup::new(&["joe", "/bin/sh", "-c", script]).starter(start);
            let mut talking = popup.start(link);
            talking.line();
            talking.say("USER joe\r\nPASS sekrit\r\nSTAT\r\n");
            assert_eq!(talking.line(), "+OK \r\n");
            let who = talking.line();
            assert!(who.ends_with(" 65534\r\n") || !is_root(), "{who}");
            assert_eq!(talking.line(), "STAT\r\n");
            talking.hang_up();
        }
    }
}

#[test]
fn a_next_program_that_cannot_be_run_is_told_and_logged() {
    for start in starts() {
        let popup = Popup::new(&["joe", "/no/such/program"]).starter(start);
        let mut talking = popup.start(Link::Pair);
        talking.line();
        talking.ask("USER joe\r\n");
        assert!(
            talking
                .ask("PASS sekrit\r\n")
                .starts_with("-ERR [SYS/PERM] ")
        );
        let done = talking.wait();
        assert_eq!(done.code, Some(111));
        let fault = "popup: fault ip=192.0.2.1 user=joe \
                     reason=\"unable to run /no/such/program: file does not exist\"\n";
        assert!(done.log.ends_with(fault), "{}", done.log);
    }
}

#[test]
fn apop_and_cram_md5_use_the_challenges_of_the_deciding_side() {
    for start in starts() {
        let mut talking = Popup::new(&["joe", "mail"])
            .starter(start)
            .start(Link::Pair);
        let greeting = talking.line();
        let challenge = greeting.trim_end().strip_prefix("+OK ").unwrap();
        assert!(challenge.starts_with('<') && challenge.ends_with("@mx.test>"));
        let reply = talking.ask(&format!("APOP joe {}\r\n", &challenge[1..33]));
        assert!(reply.starts_with("+OK mail"), "{reply}");
        assert!(reply.contains("AUTH=apop"), "{reply}");
        talking.say("QUIT\r\n");
        assert!(talking.wait().log.contains(" method=apop "));
    }
}

#[test]
fn the_next_program_learns_that_the_client_speaks_utf8() {
    let mut talking = Popup::new(&["joe", "mail"]).start(Link::Pair);
    talking.line();
    talking.say("UTF8\r\nUSER joe\r\nPASS sekrit\r\n");
    let lines: Vec<String> = (0..3).map(|_| talking.line()).collect();
    assert!(lines[2].contains(" POP3_UTF8=1"), "{lines:?}");
}
