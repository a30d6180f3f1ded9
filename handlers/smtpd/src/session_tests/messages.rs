//! From 354 to the verdict.

use super::*;

#[test]
fn a_message_is_handed_over_with_its_header_and_envelope() {
    let place = TestHome::new();
    let said = place.talk(&format!("EHLO me\r\n{}", message("A: b\r\n\r\n..c")));
    let last = said.replies[said.replies.len() - 2].clone();
    let words: Vec<&str> = last.split(' ').collect();
    assert_eq!(
        [words[0], words[1], words[3]],
        ["250", "ok", "qp"],
        "{last}"
    );
    let id = format!("{}.{}", words[2], words[4]);
    let text = place.read("queue.message");
    let head = "Received: from client.test (HELO me) (192.0.2.1)\n  by mx.here.test with ESMTP id ";
    assert!(text.starts_with(&format!("{head}{id}; ")), "{text}");
    assert!(text.ends_with(" -0000\nA: b\n\n.c\n"), "{text}");
    assert_eq!(place.read("queue.envelope"), "Fs@x.test|Tjoe@here.test||");
    let accept = said
        .log
        .iter()
        .find(|line| line.contains(": accept "))
        .expect("a line");
    let expected = format!(
        "smtpd: accept ip=192.0.2.1 message={id} from=<s@x.test> size=9 rcpts=1 helo=me to=<joe@here.test>"
    );
    assert_eq!(*accept, expected);
    assert_eq!(said.exit, Exit::OK);
}

#[test]
fn the_log_begins_with_the_queue_in_use() {
    let place = TestHome::new();
    let said = place.talk("");
    let queue = place.path("queue").display().to_string();
    let remote = place.path("remote").display().to_string();
    let expected = format!(
        "smtpd: start ip=192.0.2.1 host=client.test relay=no queue={queue} remotequeue={remote}"
    );
    assert_eq!(said.log[0], expected);
}

#[test]
fn an_empty_message_is_just_our_header() {
    let place = TestHome::new();
    let said = place.talk(&format!("{TO_JOE}.\r\n"));
    assert!(verdict(&said).starts_with("250 ok "));
    assert_eq!(place.read("queue.message").lines().count(), 2);
}

#[test]
fn two_ways_that_are_the_same_take_recipients_of_both() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.client.relay = Some(vec![]);
    settings.transports = Transports::Two {
        local: program(&place.path("queue")),
        accounts: None,
        remote: Some(program(&place.path("queue"))),
    };
    let input =
        "MAIL FROM:<s@x>\r\nRCPT TO:<x@far.test>\r\nRCPT TO:<joe@here.test>\r\nDATA\r\nhi\r\n.\r\n";
    let said = place.talk_with(settings, input.as_bytes());
    assert!(said.replies[5].starts_with("250 ok "), "{:?}", said.replies);
    assert_eq!(
        place.read("queue.envelope"),
        "Fs@x|Tx@far.test|Tjoe@here.test||"
    );
}

#[test]
fn the_queue_programs_exit_is_the_reply() {
    let place = TestHome::new();
    fs::write(place.path("queue.exit"), "31").expect("written");
    let said = place.talk(&message("x"));
    assert_eq!(
        verdict(&said),
        "554 mail server permanently rejected message (#5.3.0)"
    );
    assert!(
        said.log
            .iter()
            .any(|line| line.contains(" fault ") && line.contains("exited 31"))
    );
}

#[test]
fn a_queue_program_that_is_not_there_is_told_before_354() {
    let place = TestHome::new();
    fs::remove_file(place.path("queue")).expect("removed");
    let said = place.talk(&format!("{TO_JOE}DATA\r\nQUIT\r\n"));
    let expected = [
        replies::OK,
        replies::OK,
        "451 unable to exec qq (#4.3.0)",
        replies::WANT_MAIL,
    ];
    assert_eq!(said.after_banner()[..4], expected);
}

#[test]
fn the_size_limit_counts_stored_bytes_and_the_session_goes_on() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.limits.databytes = 10;
    let input = format!("{TO_JOE}1234\r\n..78\r\n.\r\n{TO_JOE}1234\r\n67890\r\n.\r\nQUIT\r\n");
    let said = place.talk_with(settings, input.as_bytes());
    assert!(said.replies[4].starts_with("250 ok "), "{:?}", said.replies);
    assert_eq!(said.replies[8], replies::TOO_BIG);
    assert_eq!(said.exit, Exit::OK);
    assert_eq!(
        place.read("queue.envelope"),
        "",
        "the second message has no envelope"
    );
}

#[test]
fn a_refused_message_without_end_is_cut_off_at_its_limit() {
    let place = TestHome::new();
    // A block of 2048 bytes is read, then blocks of 16384. In the first one the message is refused; after
    // the third one two have been thrown away; the fourth has the end.
    let text = "x".repeat(5 * 16_384 / 2);
    for (limit, last) in [
        (2 * 16_384, replies::OK),
        (2 * 16_384 - 1, replies::TOO_BIG),
    ] {
        let mut settings = place.settings();
        settings.limits.databytes = 10;
        settings.limits.discard = limit;
        let (server, mut client) = UnixStream::pair().expect("a pair");
        let conn = conn(server, &settings);
        // All of it is there before it is read, so that blocks are full.
        let input = format!("{TO_JOE}{text}\r\n.\r\nNOOP\r\n");
        client.write_all(input.as_bytes()).expect("room");
        client
            .shutdown(std::net::Shutdown::Write)
            .expect("shut down");
        Session::new(conn, log().0, settings, means()).run();
        let mut said = Vec::new();
        // Hanging up on unread bytes is a reset, behind what was said.
        let _ = client.read_to_end(&mut said);
        let said = String::from_utf8(said).expect("ASCII");
        assert!(said.contains(replies::TOO_BIG), "{limit}: {said}");
        assert!(said.ends_with(&format!("{last}\r\n")), "{limit}: {said}");
    }
}

#[test]
fn a_hundred_hops_are_too_many() {
    let place = TestHome::new();
    let said = place.talk(&message(&"Received: x\r\n".repeat(99)));
    assert!(verdict(&said).starts_with("250 ok "));
    let said = place.talk(&message(&"Received: x\r\n".repeat(100)));
    assert_eq!(verdict(&said), replies::LOOPING);
    let mut settings = place.settings();
    settings.limits.databytes = 5;
    let input = message(&"Received: x\r\n".repeat(100));
    let said = place.talk_with(settings, input.as_bytes());
    assert_eq!(verdict(&said), replies::LOOPING, "hops come before size");
}

#[test]
fn a_client_that_goes_away_has_sent_nothing() {
    let place = TestHome::new();
    for cut in ["x", "x\r\n", "x\r\n.", "x\r\n.\r"] {
        let said = place.talk(&format!("{TO_JOE}{cut}"));
        assert_eq!(said.exit, Exit::NO);
        assert_eq!(verdict(&said), "");
        assert!(
            said.log.iter().any(|line| line.contains(": broken ")),
            "{:?}",
            said.log
        );
    }
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(place.read("queue.envelope"), "");
}

#[test]
fn a_large_message_goes_through_whole() {
    let place = TestHome::new();
    let text = "0123456789abcdef0123456789abcdef\r\n".repeat(30_000);
    let said = place.talk(&message(&text));
    assert!(verdict(&said).starts_with("250 ok "));
    assert!(place.read("queue.message").len() > 33 * 30_000);
}

#[test]
fn the_dot_after_a_pipelined_message_is_followed_by_the_next_command() {
    let said = TestHome::new().talk(&format!("{TO_JOE}x\r\n.\r\n{TO_JOE}y\r\n.\r\nNOOP\r\n"));
    let codes: Vec<&str> = said.replies.iter().map(|line| &line[..3]).collect();
    assert_eq!(
        codes,
        [
            "220", "250", "250", "354", "250", "250", "250", "354", "250", "250"
        ]
    );
}

#[test]
fn messages_that_nobody_can_take_are_counted_too() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.limits.messages = 3;
    settings.transports = Transports::One(program(&place.path("not-there")));
    let said = place.talk_with(settings, TO_JOE.repeat(5).as_bytes());
    let last = said.replies.last().map(String::as_str);
    assert_eq!(last, Some(replies::TOO_MANY_MESSAGES), "{:?}", said.replies);
    assert_eq!(said.after_banner().len(), 3 * 3 + 1);
}
