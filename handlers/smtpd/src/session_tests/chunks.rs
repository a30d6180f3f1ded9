//! BDAT (RFC 3030).

use super::*;

const TO_JOE_CHUNKS: &str = "MAIL FROM:<s@x.test>\r\nRCPT TO:<joe@here.test>\r\n";

fn body(place: &TestHome) -> String {
    let text = place.read("queue.message");
    // Without our own header of two lines.
    text.splitn(3, '\n').nth(2).unwrap_or_default().to_owned()
}

#[test]
fn chunks_make_a_message_and_dots_in_them_are_text() {
    let place = TestHome::new();
    let said = place.talk(&format!(
        "{TO_JOE_CHUNKS}BDAT 6\r\na\r\n.\r\nBDAT 9 LAST\r\n\r\n..\r\nb\r\nQUIT\r\n"
    ));
    assert_eq!(said.replies[3], "250 ok, 6 octets");
    assert!(said.replies[4].starts_with("250 ok "), "{:?}", said.replies);
    assert_eq!(said.exit, Exit::OK);
    assert_eq!(body(&place), "a\n.\n\n..\nb\n");
    assert_eq!(place.read("queue.envelope"), "Fs@x.test|Tjoe@here.test||");
}

#[test]
fn an_empty_last_chunk_ends_the_message() {
    let place = TestHome::new();
    let said = place.talk(&format!(
        "{TO_JOE_CHUNKS}BDAT 3\r\na\r\nBDAT 0 LAST\r\nNOOP\r\n"
    ));
    assert!(said.replies[4].starts_with("250 ok "), "{:?}", said.replies);
    assert_eq!(said.replies[5], replies::OK);
    assert_eq!(body(&place), "a\n");
}

#[test]
fn what_is_in_a_chunk_is_never_a_command() {
    let place = TestHome::new();
    let inner = "\r\n.\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<ann@here.test>\r\n";
    let said = place.talk(&format!(
        "{TO_JOE_CHUNKS}BDAT {} LAST\r\n{inner}NOOP\r\n",
        inner.len()
    ));
    assert_eq!(said.replies.len(), 5);
    assert_eq!(place.read("queue.envelope"), "Fs@x.test|Tjoe@here.test||");
}

#[test]
fn a_chunk_that_nobody_wants_is_read_and_thrown_away() {
    let place = TestHome::new();
    let said =
        place.talk("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\nMAIL FROM:<s@x>\r\nBDAT 6\r\nQUIT\r\nNOOP\r\n");
    assert_eq!(
        said.after_banner(),
        [
            replies::WANT_MAIL,
            replies::OK,
            replies::OK,
            replies::WANT_RCPT,
            replies::OK
        ]
    );
}

#[test]
fn between_chunks_there_is_no_other_message() {
    let place = TestHome::new();
    let said = place.talk(&format!(
        "{TO_JOE_CHUNKS}BDAT 3\r\na\r\nDATA\r\nRCPT TO:<ann@here.test>\r\nMAIL FROM:<y@z>\r\nNOOP\r\nRSET\r\nBDAT 0 LAST\r\n"
    ));
    assert_eq!(said.replies[4..7], [replies::CHUNKS_UNDER_WAY; 3]);
    assert_eq!(
        said.replies[7..],
        [replies::OK, replies::FLUSHED, replies::WANT_MAIL]
    );
    assert_eq!(place.read("queue.envelope"), "", "it was given up");
}

#[test]
fn a_bare_lf_in_a_chunk_refuses_the_message_unless_it_is_accepted() {
    let place = TestHome::new();
    let input = format!("{TO_JOE_CHUNKS}BDAT 4 LAST\r\na\nb\nNOOP\r\n");
    let said = place.talk(&input);
    assert_eq!(said.replies[3..], [replies::BARE_LF, replies::OK]);
    let mut settings = place.settings();
    settings.bare_lf = BareLf::Accept;
    let said = place.talk_with(settings, input.as_bytes());
    assert!(said.replies[3].starts_with("250 ok "), "{:?}", said.replies);
    assert_eq!(body(&place), "a\nb\n");
}

#[test]
fn a_message_of_chunks_over_the_limit_is_refused_at_once_and_its_chunks_are_skipped() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.limits.databytes = 4;
    let input = format!("{TO_JOE_CHUNKS}BDAT 5\r\n12345BDAT 5 LAST\r\n12345NOOP\r\n");
    let said = place.talk_with(settings, input.as_bytes());
    assert_eq!(
        said.replies[3..],
        [replies::TOO_BIG, replies::WANT_MAIL, replies::OK]
    );
    assert_eq!(place.read("queue.envelope"), "");
}

#[test]
fn a_chunk_without_a_length_ends_the_session() {
    let said = TestHome::new().talk(&format!("{TO_JOE_CHUNKS}BDAT x\r\nNOOP\r\n"));
    assert_eq!(said.replies[3..], [replies::BAD_CHUNK]);
}

#[test]
fn a_client_that_goes_away_between_or_in_chunks_has_sent_nothing() {
    let place = TestHome::new();
    for cut in ["BDAT 3\r\na\r\n", "BDAT 9 LAST\r\na"] {
        let said = place.talk(&format!("{TO_JOE_CHUNKS}{cut}"));
        assert_eq!(said.exit, Exit::NO);
    }
    assert_eq!(place.read("queue.envelope"), "");
}
