//! What is offered and demanded: status codes, logins, TLS, the banner's delay, pipelines, XCLIENT.

use super::*;

#[test]
fn status_codes_stand_in_front_where_they_are_offered() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.terms.enhanced = true;
    let input = "EHLO c\r\nMAIL FROM:<s@x>\r\nRCPT TO:<nobody@here.test>\r\nRCPT TO:<joe@here.test>\r\n\
                 DATA\r\nhi\r\n.\r\nFOO\r\nRSET\r\nQUIT\r\n";
    let said = place.talk_with(settings, input.as_bytes());
    let replies: Vec<&str> = said.replies.iter().map(String::as_str).collect();
    assert!(replies.contains(&"250-ENHANCEDSTATUSCODES"), "{replies:?}");
    let at = replies
        .iter()
        .position(|line| line.starts_with("250 SIZE"))
        .expect("EHLO")
        + 1;
    assert_eq!(
        replies[at..at + 4],
        [
            "250 2.1.0 ok",
            "550 5.1.1 sorry, no mailbox here by that name",
            "250 2.1.5 ok",
            "354 go ahead"
        ]
    );
    assert!(replies[at + 4].starts_with("250 2.0.0 ok "), "{replies:?}");
    assert_eq!(
        replies[at + 5..],
        [
            "502 5.5.1 unimplemented",
            "250 2.0.0 flushed",
            "221 2.0.0 mx.here.test"
        ]
    );
}

#[test]
fn without_tls_there_is_no_starttls() {
    let said = TestHome::new().talk("EHLO c\r\nSTARTTLS\r\n");
    assert!(!said.replies.iter().any(|line| line.contains("STARTTLS")));
    assert_eq!(
        said.replies.last().map(String::as_str),
        Some(replies::UNIMPLEMENTED)
    );
}

#[test]
fn where_tls_is_demanded_nothing_is_sent_without_it() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.terms.tls_to_send = true;
    let said = place.talk_with(settings, b"MAIL FROM:<s@x>\r\nNOOP\r\n");
    assert_eq!(said.after_banner(), [replies::WANT_TLS, replies::OK]);
}

#[test]
fn auth_that_is_not_offered_is_told() {
    let said = TestHome::new().talk("EHLO c\r\nAUTH PLAIN\r\n");
    assert!(!said.replies.iter().any(|line| line.contains("AUTH ")));
    assert_eq!(
        said.replies.last().map(String::as_str),
        Some(replies::UNIMPLEMENTED)
    );
}

#[test]
fn who_speaks_before_the_banner_is_dropped_where_that_is_asked_for() {
    let place = TestHome::new();
    let early = || {
        let mut settings = place.settings();
        settings.terms.greet_delay = Duration::from_millis(200);
        settings
    };
    let said = place.talk_with(early(), b"NOOP\r\n");
    assert_eq!(said.after_banner(), [replies::OK]);
    let mut drops = early();
    drops.terms.drop_early = true;
    let said = place.talk_with(drops, b"NOOP\r\n");
    assert_eq!(said.replies, [replies::EARLY_TALKER]);
    let mut relays = early();
    relays.terms.drop_early = true;
    relays.client.relay = Some(vec![]);
    let said = place.talk_with(relays, b"NOOP\r\n");
    assert_eq!(said.after_banner(), [replies::OK]);
}

#[test]
fn commands_of_a_pipeline_that_follow_a_refused_one_are_nobodys_fault() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.limits.bad_commands = 3;
    settings.limits.databytes = 10;
    let after_mail = format!(
        "MAIL FROM:<s@x> SIZE=11\r\n{}DATA\r\n",
        "RCPT TO:<joe@here.test>\r\n".repeat(10)
    );
    let after_rcpt = "MAIL FROM:<s@x>\r\nRCPT TO:<nobody@here.test>\r\nDATA\r\n".repeat(10);
    let input = format!("{after_mail}{after_rcpt}QUIT\r\n");
    let said = place.talk_with(settings, input.as_bytes());
    assert_eq!(said.exit, Exit::OK, "{:?}", said.replies);
    let mut settings = place.settings();
    settings.limits.bad_commands = 3;
    let said = place.talk_with(settings, "DATA\r\n".repeat(10).as_bytes());
    assert_eq!(
        said.replies.last().map(String::as_str),
        Some(replies::TOO_MANY_BAD)
    );
}

#[test]
fn xclient_is_for_listed_peers() {
    let place = TestHome::new();
    let input = "XCLIENT ADDR=192.0.2.77 NAME=far.test\r\nMAIL FROM:<s@x>\r\n";
    let said = place.talk_with(place.settings(), input.as_bytes());
    assert_eq!(said.after_banner(), [replies::NO_XCLIENT, replies::OK]);
}

#[test]
fn in_the_tarpit_each_recipient_waits() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.limits.tarpit_after = 2;
    settings.limits.tarpit = Duration::from_millis(100);
    let input = format!(
        "MAIL FROM:<s@x>\r\n{}",
        "RCPT TO:<joe@here.test>\r\n".repeat(5)
    );
    let begin = Instant::now();
    let said = place.talk_with(settings, input.as_bytes());
    assert_eq!(said.after_banner(), [replies::OK; 6]);
    assert!(begin.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_recipient_over_the_limit_has_one_line_in_the_log() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.limits.recipients = 1;
    let input = format!(
        "MAIL FROM:<s@x>\r\n{}",
        "RCPT TO:<joe@here.test>\r\n".repeat(9)
    );
    let said = place.talk_with(settings, input.as_bytes());
    assert_eq!(said.after_banner()[2..], [replies::TOO_MANY_RECIPIENTS; 8]);
    let lines = said.log.iter().filter(|line| line.contains(" refuse "));
    assert_eq!(lines.count(), 1);
}

/// The lines of refusals, without what stands before `verb=`.
fn refusals(said: &Said) -> Vec<String> {
    let lines = said.log.iter();
    lines
        .filter_map(|line| line.strip_prefix("smtpd: refuse ip=192.0.2.1 verb="))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_refusal_has_a_line() {
    let place = TestHome::new();
    let long = "x".repeat(LINE_LIMIT + 1);
    for (said, line) in [
        (
            "MAIL FROM:<a\x01@x>",
            "MAIL helo=c reply=\"501 bad address (#5.1.3)\"",
        ),
        (
            "MAIL FROM:<s@x> SIZE=x",
            "MAIL helo=c reply=\"501 bad SIZE (#5.5.4)\"",
        ),
        (
            "MAIL FROM:<s@x> BODY=x",
            "MAIL helo=c reply=\"504 that BODY is not implemented (#5.5.4)\"",
        ),
        (
            "RCPT TO:<joe@here.test>",
            "RCPT helo=c reply=\"503 MAIL first (#5.5.1)\"",
        ),
        ("DATA", "DATA helo=c reply=\"503 MAIL first (#5.5.1)\""),
        (
            "STARTTLS",
            "STARTTLS helo=c reply=\"502 unimplemented (#5.5.1)\"",
        ),
        (
            "AUTH PLAIN",
            "AUTH helo=c reply=\"502 unimplemented (#5.5.1)\"",
        ),
        (
            "XCLIENT ADDR=x",
            "XCLIENT helo=c reply=\"550 insufficient authorization (#5.7.0)\"",
        ),
        (
            "c2VjcmV0 x",
            "other helo=c reply=\"502 unimplemented (#5.5.1)\"",
        ),
        (
            "NO\0OP",
            "other helo=c reply=\"500 NUL in command (#5.5.2)\"",
        ),
        (
            &format!("NOOP {long}"),
            "NOOP helo=c reply=\"500 line too long (#5.5.2)\"",
        ),
        (&long, "other helo=c reply=\"500 line too long (#5.5.2)\""),
    ] {
        let said = place.talk(&format!("EHLO c\r\n{said}\r\nQUIT\r\n"));
        assert_eq!(refusals(&said), [line]);
        // The word may be a password that was sent in the wrong place.
        assert!(!said.log.concat().contains("c2VjcmV0"), "{:?}", said.log);
    }
}

#[test]
fn a_refusal_for_want_of_tls_or_a_login_has_a_line() {
    let place = TestHome::new();
    let with_auth = |value: &str| {
        let env: Env = [("SMTPAUTH", value)].into_iter().collect();
        let words = ["/bin/sh", "-c", "exit 1"].map(std::ffi::OsString::from);
        let mut settings = place.settings();
        settings.auth = SmtpAuth::parse(&words, &env, &place.path("")).expect("usable");
        settings
    };
    let mut wants_tls = with_auth("");
    wants_tls.terms.tls_to_send = true;
    let input = b"MAIL FROM:<s@x>\r\nAUTH PLAIN AGpvZQB4\r\n";
    assert_eq!(
        refusals(&place.talk_with(wants_tls, input)),
        [
            "MAIL helo=\"\" reply=\"530 must issue a STARTTLS command first (#5.7.0)\"",
            "AUTH helo=\"\" reply=\"538 encryption required for that mechanism (#5.7.11)\"",
        ]
    );
    let input = b"MAIL FROM:<s@x>\r\nAUTH GSSAPI\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN !!\r\n";
    assert_eq!(
        refusals(&place.talk_with(with_auth("!"), input)),
        [
            "MAIL helo=\"\" reply=\"530 authentication required (#5.7.0)\"",
            "AUTH helo=\"\" reply=\"504 auth type unimplemented (#5.5.1)\"",
            "AUTH helo=\"\" reply=\"501 auth exchange cancelled (#5.0.0)\"",
            "AUTH helo=\"\" reply=\"501 malformed auth input (#5.5.4)\"",
        ]
    );
}

#[test]
fn refusals_without_end_are_counted_and_do_not_fill_the_log() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.limits.bad_commands = 0;
    let limit = usize::try_from(wire::refusals::TOLD_LIMIT).expect("small");
    let input = format!("{}{}", "X\r\n".repeat(limit + 7), "DATA\r\n".repeat(limit));
    let said = place.talk_with(settings, input.as_bytes());
    assert_eq!(said.after_banner().len(), 2 * limit + 7);
    assert_eq!(refusals(&said).len(), 2 * limit);
    let last = said.log.last().expect("a line");
    assert!(
        last.contains(" end ") && last.contains(" unlogged=7"),
        "{last}"
    );
}

#[test]
fn the_end_tells_what_has_passed_and_how_long_it_took() {
    let said = TestHome::new().talk("NOOP\r\nQUIT\r\n");
    let sent: usize = said.replies.iter().map(|line| line.len() + 2).sum();
    let expected = format!(
        "smtpd: end ip=192.0.2.1 reason=quit accepted=0 refused=0 in=12 out={sent} seconds=0"
    );
    assert_eq!(said.log.last(), Some(&expected));
}
