//! Messages that go both ways: what stays here is shown last.

use super::hop::{Answers, Hop};
use super::*;

fn transports(place: &TestHome, local: Transport, remote: Transport) -> Settings {
    let mut settings = place.settings();
    settings.client.relay = Some(vec![]);
    settings.transports = Transports::Two {
        local,
        accounts: None,
        remote: Some(remote),
    };
    settings
}

/// Both by scripts.
fn programs(place: &TestHome) -> Settings {
    transports(
        place,
        program(&place.path("queue")),
        program(&place.path("remote")),
    )
}

const BOTH: &str = "MAIL FROM:<s@x>\r\nRCPT TO:<x@far.test>\r\nRCPT TO:<joe@here.test>\r\nRCPT TO:<ann@here.test>\r\n";
const TEXT: &str = "DATA\r\nhi\r\n.\r\n";

fn send(place: &TestHome, settings: Settings) -> (String, Said) {
    let said = place.talk_with(settings, format!("{BOTH}{TEXT}QUIT\r\n").as_bytes());
    let reply = said.replies[said.replies.len() - 2].clone();
    (reply, said)
}

#[test]
fn each_way_has_its_recipients_and_the_same_text() {
    let place = TestHome::new();
    let (reply, said) = send(&place, programs(&place));
    assert!(reply.starts_with("250 ok "), "{:?}", said.replies);
    assert_eq!(place.read("remote.envelope"), "Fs@x|Tx@far.test||");
    assert_eq!(
        place.read("queue.envelope"),
        "Fs@x|Tjoe@here.test|Tann@here.test||"
    );
    assert_eq!(place.read("queue.message"), place.read("remote.message"));
    let accepts: Vec<&String> = said
        .log
        .iter()
        .filter(|line| line.contains(" accept "))
        .collect();
    assert!(
        accepts.len() == 1 && accepts[0].contains(" rcpts=3 "),
        "{accepts:?}"
    );
}

#[test]
fn what_the_way_out_refuses_was_never_committed_here() {
    let place = TestHome::new();
    for (code, reply) in [("31", "554 "), ("71", "451 ")] {
        fs::write(place.path("remote.exit"), code).expect("written");
        let (said, all) = send(&place, programs(&place));
        assert!(said.starts_with(reply), "{:?}", all.replies);
        // It saw the end of the pipe before the last NUL.
        assert_eq!(
            place.read("queue.envelope"),
            "Fs@x|Tjoe@here.test|Tann@here.test|"
        );
    }
}

#[test]
fn a_program_here_that_is_dead_before_its_turn_keeps_the_message_from_going_out() {
    let place = TestHome::new();
    crate::test_support::script(&place.path("queue"), "#!/bin/sh\nexit 53\n");
    let mut settings = programs(&place);
    settings.limits.messages = 1;
    // Enough that its end is seen while the text is written.
    let text = "0123456789abcdef\r\n".repeat(20_000);
    let input = format!("{BOTH}DATA\r\n{text}.\r\nQUIT\r\n");
    let said = place.talk_with(settings, input.as_bytes());
    assert_eq!(
        said.replies[6], "451 qq write error or disk full (#4.3.0)",
        "{:?}",
        said.replies
    );
    assert_eq!(place.read("remote.envelope"), "");
}

#[test]
fn who_refuses_here_after_it_went_out_is_named_or_comes_again() {
    let place = TestHome::new();
    fs::write(place.path("queue.exit"), "31").expect("written");
    let (reply, _) = send(&place, programs(&place));
    assert_eq!(
        reply,
        "554 mail server permanently rejected message (#5.3.0) (for joe@here.test; others have it)"
    );
    fs::write(place.path("queue.exit"), "53").expect("written");
    let (reply, said) = send(&place, programs(&place));
    assert_eq!(reply, "451 qq write error or disk full (#4.3.0)");
    assert!(
        said.log
            .iter()
            .any(|line| line.contains(" fault ") && line.contains("goes there again")),
        "{:?}",
        said.log
    );
}

#[test]
fn a_sendmail_here_is_run_after_the_way_out_has_taken_it() {
    let place = TestHome::new();
    let script = "#!/bin/sh\ntest -s remote.envelope || exit 75\necho \"$@\" >sendmail.words\n";
    crate::test_support::script(&place.path("sendmail"), script);
    let sendmail = || Transport::Sendmail(Program::File(place.path("sendmail")));
    let settings = transports(&place, sendmail(), program(&place.path("remote")));
    let (reply, said) = send(&place, settings);
    assert!(reply.starts_with("250 ok "), "{:?}", said.replies);
    assert_eq!(
        place.read("sendmail.words"),
        "-i -f s@x -- joe@here.test ann@here.test\n"
    );
    fs::remove_file(place.path("sendmail.words")).expect("removed");
    fs::write(place.path("remote.exit"), "71").expect("written");
    let settings = transports(&place, sendmail(), program(&place.path("remote")));
    let (reply, _) = send(&place, settings);
    assert!(reply.starts_with("451 "), "{reply}");
    assert!(!place.path("sendmail.words").exists());
}

/// Both by hops in the same place, the local one first.
fn hops(place: &TestHome, here: Answers, there: Answers) -> (Hop, Hop) {
    (Hop::at(place, "here", here), Hop::at(place, "there", there))
}

fn heard_end(hop: &Hop) -> bool {
    hop.heard().contains(&".".to_owned())
}

#[test]
fn the_last_dot_is_for_the_server_beside_us_and_comes_after_the_other_ones_250() {
    let place = TestHome::new();
    let (here, there) = hops(
        &place,
        |_| None,
        |line| line.starts_with(".RCPT").then_some("451 4.3.0 later"),
    );
    let (reply, _) = send(
        &place,
        transports(&place, here.transport(), there.transport()),
    );
    assert_eq!(reply, "451 later (#4.3.0)");
    assert!(heard_end(&there) && !heard_end(&here));
    // It had all but that.
    let until = Instant::now() + Duration::from_secs(10);
    while !here.heard().contains(&"hi".to_owned()) {
        assert!(Instant::now() < until, "{:?}", here.heard());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_server_beside_us_that_says_a_reply_too_many_keeps_the_message_from_going_out() {
    let place = TestHome::new();
    let (here, there) = hops(
        &place,
        |line| (line == "DATA").then_some("354 go\r\n451 4.3.1 disk full"),
        |_| None,
    );
    let (_, said) = send(
        &place,
        transports(&place, here.transport(), there.transport()),
    );
    assert!(said.replies[5].starts_with("451 "), "{:?}", said.replies);
    assert!(!heard_end(&there));
}

#[test]
fn where_some_have_it_elsewhere_those_here_have_it_too() {
    let place = TestHome::new();
    let (here, there) = hops(
        &place,
        |_| None,
        |line| line.starts_with(".RCPT TO:<y").then_some("552 5.2.2 full"),
    );
    let input = format!("{BOTH}RCPT TO:<y@far.test>\r\n{TEXT}");
    let settings = transports(&place, here.transport(), there.transport());
    let said = place.talk_with(settings, input.as_bytes());
    assert_eq!(
        said.replies[7],
        "552 full (#5.2.2) (for y@far.test; others have it)"
    );
    assert!(heard_end(&here));
}

#[test]
fn where_somebody_elsewhere_is_for_later_everything_comes_again() {
    let place = TestHome::new();
    let (here, there) = hops(
        &place,
        |_| None,
        |line| line.starts_with(".RCPT TO:<y").then_some("452 4.2.2 full"),
    );
    let input = format!("{BOTH}RCPT TO:<y@far.test>\r\n{TEXT}");
    let settings = transports(&place, here.transport(), there.transport());
    let said = place.talk_with(settings, input.as_bytes());
    assert_eq!(said.replies[7], "452 full (#4.2.2)");
    assert!(!heard_end(&here));
}

#[test]
fn who_was_refused_by_one_way_does_not_hinder_the_other() {
    let place = TestHome::new();
    for refused in ["MAIL", "RCPT"] {
        let answers: Answers = match refused {
            "MAIL" => |line| line.starts_with("MAIL").then_some("550 5.7.1 no"),
            _ => |line| line.starts_with("RCPT").then_some("550 5.7.1 no"),
        };
        let there = Hop::at(&place, refused, answers);
        let settings = transports(&place, program(&place.path("queue")), there.transport());
        let (reply, said) = send(&place, settings);
        assert_eq!(said.replies[2], "550 no (#5.7.1)");
        assert!(reply.starts_with("250 ok "), "{:?}", said.replies);
        assert_eq!(
            place.read("queue.envelope"),
            "Fs@x|Tjoe@here.test|Tann@here.test||"
        );
    }
}

#[test]
fn a_way_out_that_is_lost_on_the_way_commits_nothing_here() {
    let place = TestHome::new();
    let (here, there) = hops(
        &place,
        |_| None,
        // It hangs up at its second recipient.
        |line| line.starts_with("RCPT TO:<y").then_some("421 bye"),
    );
    let input = format!("{BOTH}RCPT TO:<y@far.test>\r\n{TEXT}");
    let settings = transports(&place, here.transport(), there.transport());
    let said = place.talk_with(settings, input.as_bytes());
    assert!(said.replies[5].starts_with("451 "), "{:?}", said.replies);
    assert!(said.replies[6].starts_with("451 "), "{:?}", said.replies);
    assert!(!heard_end(&here) && !heard_end(&there));
}

#[test]
fn one_connection_to_each_serves_all_messages_of_a_session() {
    let place = TestHome::new();
    let (here, there) = hops(&place, |_| None, |_| None);
    let settings = transports(&place, here.transport(), there.transport());
    let one = |recipient: &str| format!("MAIL FROM:<s@x>\r\nRCPT TO:<{recipient}>\r\n{TEXT}");
    let input = format!(
        "{BOTH}{TEXT}{}{}{BOTH}RSET\r\n{BOTH}{TEXT}QUIT\r\n",
        one("joe@here.test"),
        one("x@far.test")
    );
    let said = place.talk_with(settings, input.as_bytes());
    let taken = said
        .replies
        .iter()
        .filter(|line| line.starts_with("250 ok 1"))
        .count();
    assert_eq!(taken, 4, "{:?}", said.replies);
    for hop in [&here, &there] {
        let heard = hop.heard();
        let count = |word: &str| heard.iter().filter(|line| line.starts_with(word)).count();
        assert_eq!((count("LHLO"), count("QUIT")), (1, 1), "{heard:?}");
        assert_eq!(heard.iter().filter(|line| *line == ".").count(), 3);
    }
}

#[test]
fn a_silent_client_keeps_no_connection_to_either() {
    let place = TestHome::new();
    let (here, there) = hops(&place, |_| None, |_| None);
    let mut settings = transports(&place, here.transport(), there.transport());
    settings.limits.hop_silence = Duration::from_millis(50);
    let (server, mut client) = UnixStream::pair().expect("a pair");
    let conn = conn(server, &settings);
    let talker = std::thread::spawn(move || {
        client.write_all(BOTH.as_bytes()).expect("room");
        std::thread::sleep(Duration::from_millis(500));
        client.write_all(b"DATA\r\n").expect("room");
        client
            .shutdown(std::net::Shutdown::Write)
            .expect("shut down");
        let mut said = String::new();
        client.read_to_string(&mut said).expect("read");
        said
    });
    Session::new(conn, log().0, settings, means()).run();
    let said = talker.join().expect("joined");
    let last = "451 you were silent for too long, please send that again (#4.4.2)";
    assert!(said.ends_with(&format!("{last}\r\n")), "{said}");
    for hop in [here, there] {
        assert_eq!(hop.heard().last().map(String::as_str), Some("QUIT"));
    }
}

#[test]
fn a_bare_cr_cannot_go_out_so_it_does_not_stay_here_either() {
    let place = TestHome::new();
    let there = Hop::at(&place, "there", |_| None);
    let settings = transports(&place, program(&place.path("queue")), there.transport());
    let input = format!("{BOTH}DATA\r\nbare\rcr\r\n.\r\nNOOP\r\n");
    let said = place.talk_with(settings, input.as_bytes());
    assert_eq!(said.replies[6..8], [replies::BARE_CR, replies::OK]);
    assert_eq!(place.read("queue.envelope"), "");
    assert!(!heard_end(&there));
}
