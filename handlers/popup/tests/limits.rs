//! Everything ends: lines, tries, silence, the whole time before a login; and how that is told.

use std::time::{Duration, Instant};

use crate::house::{Link, Popup, starts};

#[test]
fn who_only_connects_and_quits_leaves_one_line() {
    for start in starts() {
        let popup = Popup::new(&["joe", "mail"]).starter(start);
        let mut talking = popup.start(Link::Pair);
        talking.line();
        assert_eq!(talking.ask("QUIT\r\n"), "+OK \r\n");
        let done = talking.wait();
        assert_eq!(
            (done.code, done.said.as_str(), done.log.as_str()),
            (Some(0), "", "popup: end ip=192.0.2.1 reason=quit\n")
        );
        let popup = Popup::new(&["joe", "mail"]).starter(start);
        let done = popup.start(Link::Tcp).hang_up();
        let gone = "popup: end ip=192.0.2.1 reason=\"the client closed the connection\"\n";
        assert_eq!((done.code, done.log.as_str()), (Some(1), gone));
    }
}

#[test]
fn missing_words_are_told_to_the_client_as_by_the_original() {
    for words in [&[][..], &["mx.test"]] {
        let done = Popup::bare(words).start(Link::Pair).wait();
        assert_eq!(done.code, Some(1));
        assert_eq!(done.said, "-ERR usage: popup hostname subprogram\r\n");
    }
}

#[test]
fn a_limit_that_is_no_number_is_told() {
    let popup = Popup::new(&["joe", "mail"]).env("TIMEOUT", "10m");
    let done = popup.start(Link::Pair).wait();
    assert_eq!(done.code, Some(111));
    assert_eq!(done.said, "-ERR [SYS/PERM] this server cannot serve\r\n");
    assert_eq!(
        done.log,
        "popup: fault ip=192.0.2.1 reason=\"unable to use TIMEOUT=10m: it is to be a number, 1 at \
         least\"\n"
    );
}

#[test]
fn silence_ends_it_without_a_word_to_the_client() {
    for start in starts() {
        for name in ["TIMEOUT", "AUTH_TIMEOUT", "AUTH_SESSION_TIMEOUT"] {
            let popup = Popup::new(&["joe", "mail"]).starter(start).env(name, "1");
            let mut talking = popup.start(Link::Tcp);
            talking.line();
            let begun = Instant::now();
            let done = talking.wait();
            assert!(begun.elapsed() >= Duration::from_millis(900));
            let seen = (done.code, done.said.as_str(), done.log.as_str());
            let why = match name {
                "AUTH_SESSION_TIMEOUT" => "the session took too long",
                _ => "the client was silent for too long",
            };
            let log = format!("popup: end ip=192.0.2.1 reason=\"{why}\"\n");
            assert_eq!(seen, (Some(1), "", log.as_str()), "{name}");
        }
    }
}

#[test]
fn the_first_wrong_password_takes_a_second_and_the_last_one_ends_it() {
    for start in starts() {
        let popup = Popup::new(&["joe", "mail"]).starter(start);
        let mut talking = popup.env("MAXAUTHFAIL", "2").start(Link::Tcp);
        talking.line();
        let begun = Instant::now();
        talking
            .say("USER joe\r\nPASS wrong\r\nUSER joe\r\nPASS wrong\r\nUSER joe\r\nPASS sekrit\r\n");
        let failed = "-ERR [AUTH] authorization failed\r\n";
        assert_eq!([talking.line(), talking.line()], ["+OK \r\n", failed]);
        let first = begun.elapsed();
        assert!(first >= Duration::from_secs(1) && first < Duration::from_secs(2));
        assert_eq!([talking.line(), talking.line()], ["+OK \r\n", failed]);
        assert!(begun.elapsed() >= Duration::from_secs(3));
        let done = talking.wait();
        assert_eq!((done.code, done.said.as_str()), (Some(1), ""));
        let fail = "popup: fail ip=192.0.2.1 user=joe method=user reason=\"wrong password\"\n";
        let end = "popup: end ip=192.0.2.1 reason=\"too many failed logins\"\n";
        assert_eq!(done.log, [fail, fail, end].concat());
    }
}

#[test]
fn what_no_client_does_is_ended_and_told() {
    let mut talking = Popup::new(&["joe", "mail"]).start(Link::Pair);
    talking.line();
    talking.say(&"HELO\r\n".repeat(40));
    let done = talking.wait();
    assert_eq!(done.code, Some(1));
    assert!(done.said.ends_with("-ERR too many bad commands\r\n"));
    assert_eq!(
        done.log,
        "popup: end ip=192.0.2.1 reason=\"too many bad commands\"\n"
    );
}

#[test]
fn a_line_without_end_is_not_kept_in_memory() {
    let mut talking = Popup::new(&["joe", "mail"]).start(Link::Pair);
    talking.line();
    let piece = "x".repeat(1 << 16);
    for _ in 0..24 {
        talking.say(&piece);
    }
    let done = talking.wait();
    assert_eq!(done.code, Some(1));
    let line = "popup: end ip=192.0.2.1 reason=\"the client sent a line without end\"\n";
    assert_eq!(done.log, line);
}

#[test]
fn no_secret_is_in_the_log() {
    let popup = Popup::new(&["joe", "mail"]).env("MAXAUTHFAIL", "1");
    let mut talking = popup.start(Link::Pair);
    talking.line();
    talking.say("USER joe\r\nPASS quite-secret\r\n");
    let done = talking.wait();
    assert!(done.log.contains("popup: fail ") && !done.log.contains("quite-secret"));
}
