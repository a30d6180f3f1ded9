//! Everything ends: literals, lines, silence; and how IMAP is told.

use std::time::{Duration, Instant};

use crate::house::{Link, Popup, starts};

#[test]
fn who_only_connects_and_logs_out_leaves_one_line() {
    for start in starts() {
        let popup = Popup::new(&["joe", "mail"]).starter(start);
        let mut talking = popup.start(Link::Pair);
        talking.line();
        talking.say("a LOGOUT\r\n");
        let done = talking.wait();
        assert_eq!(done.said, "* BYE logging out\r\na OK done\r\n");
        let end = "imapup: end ip=192.0.2.1 reason=quit\n";
        assert_eq!((done.code, done.log.as_str()), (Some(0), end));
    }
}

#[test]
fn missing_words_and_bad_settings_are_told_to_the_client() {
    let done = Popup::bare(&["mx.test"]).start(Link::Pair).wait();
    assert_eq!(done.code, Some(1));
    assert_eq!(done.said, "* BYE usage: imapup host checkprog prog\r\n");
    let popup = Popup::new(&["joe", "mail"]).env("TIMEOUT", "10m");
    let done = popup.start(Link::Pair).wait();
    assert_eq!(done.code, Some(111));
    assert_eq!(
        done.said,
        "* BYE [CONTACTADMIN] this server cannot serve\r\n"
    );
}

#[test]
fn silence_ends_it_with_bye_also_in_the_middle_of_a_literal() {
    for start in starts() {
        for (name, bye, why) in [
            (
                "TIMEOUT",
                "* BYE you were silent for too long\r\n",
                "the client was silent for too long",
            ),
            (
                "AUTH_SESSION_TIMEOUT",
                "* BYE the time for a login is over\r\n",
                "the session took too long",
            ),
        ] {
            let talkings =
                ["", "a LOGIN {6+}\r\nabc", "a LOGIN {6000+}\r\nabc", "a NO"].map(|sent| {
                    let popup = Popup::new(&["joe", "mail"]).starter(start).env(name, "1");
                    let mut talking = popup.start(Link::Tcp);
                    talking.line();
                    talking.say(sent);
                    talking
                });
            let begun = Instant::now();
            for talking in talkings {
                let done = talking.wait();
                let seen = (done.code, done.said.as_str(), done.log.as_str());
                let log = format!("imapup: end ip=192.0.2.1 reason=\"{why}\"\n");
                assert_eq!(seen, (Some(1), bye, log.as_str()), "{name}");
            }
            assert!(begun.elapsed() >= Duration::from_millis(800));
        }
    }
}

#[test]
fn a_literal_that_is_too_large_is_thrown_away_and_one_without_end_is_not() {
    for start in starts() {
        let popup = Popup::new(&["joe", "mail"]).starter(start);
        let mut talking = popup.start(Link::Tcp);
        talking.line();
        let most = 1 << 20;
        talking.say(&format!("a LOGIN {{{most}+}}\r\n"));
        for _ in 0..1 << 10 {
            talking.say(&"b LOGOUT\r\n".repeat(103)[..1024]);
        }
        assert!(talking.ask(" x\r\n").starts_with("a BAD "));
        talking.say(&format!("a LOGIN {{{}+}}\r\n", most + 1));
        let done = talking.wait();
        assert_eq!(done.said, "* BYE that literal is too large\r\n");
        assert_eq!(
            (done.code, done.log.as_str()),
            (
                Some(1),
                "imapup: end ip=192.0.2.1 reason=\"a literal that is too large\"\n"
            )
        );
    }
}

#[test]
fn a_line_that_is_too_long_ends_it_and_so_does_one_without_end() {
    for start in starts() {
        let popup = Popup::new(&["joe", "mail"]).starter(start);
        let mut talking = popup.start(Link::Pair);
        talking.line();
        let long = "x".repeat(20_000);
        talking.say(&format!("a {long} {{20+}}\r\nb LOGOUT\r\n"));
        let done = talking.wait();
        assert_eq!(done.said, "* BYE that line is too long\r\n");
        assert_eq!(
            done.log,
            "imapup: end ip=192.0.2.1 reason=\"a line that is too long\"\n"
        );
        let popup = Popup::new(&["joe", "mail"]).starter(start);
        let mut talking = popup.start(Link::Pair);
        talking.line();
        for _ in 0..80 {
            talking.say(&long);
        }
        let done = talking.wait();
        assert_eq!(done.code, Some(1));
        assert!(
            done.log
                .ends_with("reason=\"the client sent a line without end\"\n")
        );
    }
}

#[test]
fn the_first_wrong_password_takes_a_second_and_the_last_one_ends_it() {
    for start in starts() {
        let popup = Popup::new(&["joe", "mail"]).starter(start);
        let mut talking = popup.env("MAXAUTHFAIL", "2").start(Link::Tcp);
        talking.line();
        let begun = Instant::now();
        talking.say("a LOGIN joe wrong\r\nb LOGIN {3+}\r\njoe wrong\r\nc LOGIN joe sekrit\r\n");
        let failed = "NO [AUTHENTICATIONFAILED] authentication failed\r\n";
        assert_eq!(talking.line(), format!("a {failed}"));
        let first = begun.elapsed();
        assert!(first >= Duration::from_secs(1) && first < Duration::from_secs(2));
        assert_eq!(talking.line(), format!("b {failed}"));
        assert!(begun.elapsed() >= Duration::from_secs(3));
        let done = talking.wait();
        assert_eq!(
            (done.code, done.said.as_str()),
            (Some(1), "* BYE too many failed logins\r\n")
        );
        let fail = "imapup: fail ip=192.0.2.1 user=joe method=user reason=\"wrong password\"\n";
        let end = "imapup: end ip=192.0.2.1 reason=\"too many failed logins\"\n";
        assert_eq!(done.log, [fail, fail, end].concat());
    }
}
