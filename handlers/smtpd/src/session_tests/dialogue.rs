//! The order of commands, lines, limits, the arguments of MAIL and RCPT.

use super::*;

#[test]
fn the_banner_quit_and_the_exit_code() {
    let place = TestHome::new();
    let said = place.talk("QUIT\r\n");
    assert_eq!(said.replies, ["220 mx.here.test ESMTP", "221 mx.here.test"]);
    assert_eq!(said.exit, Exit::OK);
    let said = place.talk("");
    assert_eq!(said.replies, ["220 mx.here.test ESMTP"]);
    assert_eq!(said.exit, Exit::NO);
    assert!(said.log[1].starts_with("smtpd: end ip=192.0.2.1 reason=\"the client closed"));
}

#[test]
fn simple_verbs_have_their_replies_in_any_case_and_with_bare_lf() {
    let said =
        TestHome::new().talk("helo\r\nHELO x\nnoop x\r\nRset\r\nvrfy joe\r\nHELP\r\n\r\nFOO\r\n");
    let expected = [
        "250 mx.here.test",
        "250 mx.here.test",
        "250 ok",
        "250 flushed",
        "252 send some mail, i'll try my best",
        "214 this is superd's smtpd: see the manual page smtpd(8)",
        "502 unimplemented (#5.5.1)",
        "502 unimplemented (#5.5.1)",
    ];
    assert_eq!(said.after_banner(), expected);
}

#[test]
fn ehlo_tells_what_there_is() {
    let place = TestHome::new();
    let said = place.talk("EHLO x\r\n");
    let expected = [
        "250-mx.here.test",
        "250-PIPELINING",
        "250-8BITMIME",
        "250-SMTPUTF8",
        "250-CHUNKING",
        "250 SIZE 0",
    ];
    assert_eq!(said.after_banner(), expected);
    let mut settings = place.settings();
    settings.limits.databytes = 5000;
    assert_eq!(
        place.talk_with(settings, b"ehlo\r\n").replies[6],
        "250 SIZE 5000"
    );
}

#[test]
fn starttls_and_auth_are_not_there() {
    let said = TestHome::new().talk("STARTTLS\r\nAUTH PLAIN x\r\n");
    assert_eq!(said.after_banner(), [replies::UNIMPLEMENTED; 2]);
}

#[test]
fn the_order_of_commands_is_kept() {
    let said = TestHome::new().talk("RCPT TO:<joe@here.test>\r\nDATA\r\nMAIL FROM:<>\r\nDATA\r\n");
    let expected = [
        "503 MAIL first (#5.5.1)",
        "503 MAIL first (#5.5.1)",
        "250 ok",
        "503 RCPT first (#5.5.1)",
    ];
    assert_eq!(said.after_banner(), expected);
}

#[test]
fn a_transaction_ends_with_rset_helo_ehlo_and_a_second_mail() {
    for word in ["RSET", "HELO x", "EHLO x", "MAIL FROM:<>"] {
        let said = TestHome::new().talk(&format!(
            "MAIL FROM:<>\r\nRCPT TO:<joe@here.test>\r\n{word}\r\nDATA\r\n"
        ));
        let last = said.replies.last().expect("a reply");
        let first = if word.starts_with("MAIL") {
            "503 RCPT"
        } else {
            "503 MAIL"
        };
        assert!(last.starts_with(first), "{word}: {last}");
    }
}

#[test]
fn after_data_a_new_mail_is_needed_whatever_came_of_it() {
    let place = TestHome::new();
    for exit in ["0", "53"] {
        fs::write(place.path("queue.exit"), exit).expect("written");
        let said = place.talk(&format!(
            "{TO_JOE}x\r\n.\r\nRCPT TO:<joe@here.test>\r\nDATA\r\n"
        ));
        assert_eq!(said.replies[5..], [replies::WANT_MAIL; 2]);
    }
}

#[test]
fn data_after_only_refused_recipients_is_no_354() {
    let said = TestHome::new().talk("MAIL FROM:<>\r\nRCPT TO:<x@y>\r\nDATA\r\nQUIT\r\n");
    assert_eq!(
        said.after_banner()[1..3],
        [replies::NO_GATEWAY, replies::WANT_RCPT]
    );
}

#[test]
fn nul_and_overlong_lines_are_refused_and_the_session_goes_on() {
    let longest = format!("NOOP {}", "x".repeat(LINE_LIMIT - 5));
    let said = TestHome::new().talk(&format!(
        "NOOP\0\r\nMAIL FROM:<a\0b>\r\n{longest}\r\n{longest}x\r\n"
    ));
    let expected = [
        replies::NUL,
        replies::NUL,
        replies::OK,
        replies::LINE_TOO_LONG,
    ];
    assert_eq!(said.after_banner(), expected);
}

#[test]
fn too_many_bad_commands_end_the_session() {
    let place = TestHome::new();
    let said = place.talk(&"FOO\r\n".repeat(25));
    assert_eq!(said.replies.len(), 1 + 20 + 1);
    assert_eq!(said.replies[21], replies::TOO_MANY_BAD);
    assert_eq!(said.exit, Exit::NO);
    assert!(
        said.log[21].contains("reason=\"too many bad commands\""),
        "{:?}",
        said.log
    );
    assert_eq!(place.talk(&"FOO\r\n".repeat(19)).replies.len(), 1 + 19);
    let mut settings = place.settings();
    settings.limits.bad_commands = 0;
    let said = place.talk_with(settings, "FOO\r\n".repeat(50).as_bytes());
    assert_eq!(said.replies.len(), 1 + 50);
}

#[test]
fn too_many_refused_recipients_end_the_session() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.limits.refused = 3;
    let input = format!("MAIL FROM:<>\r\n{}", "RCPT TO:<x@y>\r\n".repeat(5));
    let said = place.talk_with(settings, input.as_bytes());
    assert_eq!(said.replies[5..], [replies::TOO_MANY_REFUSED]);
    assert_eq!(
        said.log
            .iter()
            .filter(|line| line.contains(" refuse "))
            .count(),
        3
    );
}

#[test]
fn a_session_has_a_limit_of_messages() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.limits.messages = 2;
    let one = format!("{TO_JOE}x\r\n.\r\n");
    let said = place.talk_with(settings, one.repeat(3).as_bytes());
    assert_eq!(
        said.replies.last().map(String::as_str),
        Some(replies::TOO_MANY_MESSAGES)
    );
    assert_eq!(
        said.replies
            .iter()
            .filter(|line| line.starts_with("250 ok 1"))
            .count(),
        2
    );
}

#[test]
fn a_session_has_a_limit_of_accepted_recipients_of_all_messages_together() {
    let place = TestHome::new();
    let limited = || {
        let mut settings = place.settings();
        settings.limits.session_recipients = 3;
        settings
    };
    let begin = "MAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\n";
    // Who forgets them has named them nonetheless.
    let said = place.talk_with(limited(), format!("{begin}RSET\r\n").repeat(9).as_bytes());
    assert_eq!(said.replies.len(), 1 + 3 * 3 + 1);
    assert_eq!(said.replies[10], replies::SESSION_HAD_TOO_MANY);
    let end = said.log.last().expect("a line");
    assert!(
        end.contains("reason=\"too many recipients in one session\""),
        "{end}"
    );
    // In the midst of a message those before the limit have it, and one line tells of the others.
    let rest = "RCPT TO:<ann@here.test>\r\n".repeat(5);
    let input = format!("{begin}{rest}DATA\r\nx\r\n.\r\n{begin}");
    let said = place.talk_with(limited(), input.as_bytes());
    let over = replies::TOO_MANY_OF_SESSION;
    assert_eq!(
        said.replies[2..8],
        [replies::OK, replies::OK, replies::OK, over, over, over]
    );
    assert!(
        said.replies[9].starts_with("250 ok "),
        "{}",
        said.replies[9]
    );
    assert_eq!(said.replies[10..], [replies::SESSION_HAD_TOO_MANY]);
    let is_refusal = |line: &&String| line.contains(" refuse ");
    assert_eq!(said.log.iter().filter(is_refusal).count(), 1);
    let mut free = place.settings();
    free.limits.session_recipients = 0;
    let said = place.talk_with(free, format!("{begin}RSET\r\n").repeat(9).as_bytes());
    assert_eq!(said.replies.len(), 1 + 3 * 9);
}

#[test]
fn a_silent_client_and_an_endless_session_are_told_so() {
    let place = TestHome::new();
    for (timeout, session, last) in [
        (40, 5000, replies::TIMEOUT),
        (5000, 40, replies::SESSION_OVER),
    ] {
        let mut settings = place.settings();
        settings.limits.timeout = Duration::from_millis(timeout);
        settings.limits.session = Duration::from_millis(session);
        let (server, mut client) = UnixStream::pair().expect("a pair");
        let conn = conn(server, &settings);
        assert_eq!(
            Session::new(conn, log().0, settings, means()).run(),
            Exit::NO
        );
        let mut text = String::new();
        client.read_to_string(&mut text).expect("ASCII");
        assert_eq!(text, format!("220 mx.here.test ESMTP\r\n{last}\r\n"));
    }
}

#[test]
fn mail_takes_what_qmail_takes() {
    let said = TestHome::new()
        .talk("MAIL\r\nMAIL FROM\r\nMAIL FROM:<>\r\nMAIL FROM:<a@b> X=y BODY=8BITMIME\r\n");
    assert_eq!(said.after_banner(), [replies::OK; 4]);
}

#[test]
fn addresses_with_control_bytes_or_too_long_are_refused() {
    let long = "a".repeat(900);
    let said = TestHome::new().talk(&format!(
        "MAIL FROM:<a\tb>\r\nMAIL FROM:<{long}>\r\nMAIL FROM:<>\r\nRCPT TO:<a\x07@b>\r\nRCPT TO:<{long}>\r\n"
    ));
    let expected = [
        replies::BAD_ADDRESS,
        replies::SYNTAX,
        replies::OK,
        replies::BAD_ADDRESS,
        replies::SYNTAX,
    ];
    assert_eq!(said.after_banner(), expected);
}

#[test]
fn no_recipient_is_a_bad_recipient() {
    let said =
        TestHome::new().talk("MAIL FROM:<>\r\nRCPT\r\nRCPT TO:\r\nRCPT TO:<>\r\nRCPT TO:<@a>\r\n");
    assert_eq!(said.after_banner()[1..], [replies::BAD_ADDRESS; 4]);
}

#[test]
fn a_declared_size_over_the_limit_is_refused_at_once() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.limits.databytes = 100;
    let input = "MAIL FROM:<> SIZE=100\r\nMAIL FROM:<> size=101\r\nRCPT TO:<joe@here.test>\r\nMAIL FROM:<> SIZE=x\r\n";
    let said = place.talk_with(settings, input.as_bytes());
    let expected = [
        replies::OK,
        replies::TOO_BIG,
        replies::WANT_MAIL,
        replies::BAD_SIZE,
    ];
    assert_eq!(said.after_banner(), expected);
    assert_eq!(
        place.talk("MAIL FROM:<> SIZE=99999999999\r\n").replies[1],
        replies::OK
    );
}

#[test]
fn a_mail_that_is_refused_ends_the_transaction_before_it() {
    let place = TestHome::new();
    let said = place.talk(
        "MAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\nMAIL FROM:<a\x01b@x>\r\n\
         RCPT TO:<ann@here.test>\r\nDATA\r\nQUIT\r\n",
    );
    let replies = said.after_banner();
    assert!(replies[2].starts_with("501"), "{replies:?}");
    assert!(replies[3].starts_with("503"), "{replies:?}");
    assert!(replies[4].starts_with("503"), "{replies:?}");
}

#[test]
fn deferrals_without_end_end_the_session() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.limits.databytes = 10;
    let input = "MAIL FROM:<s@x> SIZE=11\r\n".repeat(1001);
    let said = place.talk_with(settings, input.as_bytes());
    let replies = said.after_banner();
    let limit = usize::try_from(DEFERRAL_LIMIT).expect("small");
    assert_eq!(replies.len(), limit + 1);
    assert!(replies[limit - 1].starts_with("552"));
    assert!(replies[limit].starts_with("421"));
}

#[test]
fn plugins_are_not_asked_without_end_where_no_message_comes() {
    let place = TestHome::new();
    std::fs::write(place.path("control/smtpplugins"), "[mail]\n").expect("written");
    let plugged = || {
        let env: Env = [("ENABLE_SPP", "")].into_iter().collect();
        let home = Home::at(place.path(""));
        let plugins = crate::spp::Plugins::read(&env, &home).expect("readable");
        Settings {
            plugins,
            ..place.settings()
        }
    };
    assert!(plugged().plugins.is_some());
    let limit = usize::try_from(VAIN_LIMIT).expect("small");
    for command in ["HELO c\r\n", "EHLO c\r\n", "MAIL FROM:<s@x>\r\n"] {
        let input = format!("{}NOOP\r\n", command.repeat(limit));
        let said = place.talk_with(plugged(), input.as_bytes());
        assert_eq!(said.replies.last().map(String::as_str), Some(replies::OK));
        let input = format!("{}NOOP\r\n", command.repeat(limit + 1));
        let said = place.talk_with(plugged(), input.as_bytes());
        let last = said.replies.last().map(String::as_str);
        assert_eq!(last, Some(replies::TOO_MANY_VAIN), "{command}");
        let line = said.log.last().expect("a line");
        assert!(
            line.contains("reason=\"too many commands without a message\""),
            "{line}"
        );
        // Without plugins nothing is started.
        let said = place.talk(&input);
        assert_eq!(said.replies.last().map(String::as_str), Some(replies::OK));
    }
    // Each message makes up for a sender.
    let vain = "MAIL FROM:<s@x>\r\n".repeat(limit - 1);
    let input = format!("{vain}{TO_JOE}x\r\n.\r\nMAIL FROM:<s@x>\r\nMAIL FROM:<s@x>\r\n");
    let said = place.talk_with(plugged(), input.as_bytes());
    assert_eq!(
        said.replies[said.replies.len() - 2..],
        [replies::OK, replies::TOO_MANY_VAIN]
    );
}
