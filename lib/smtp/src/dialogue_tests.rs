use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use super::*;

type Lines = Rc<RefCell<Vec<u8>>>;

fn dialogue(protocol: Protocol) -> (Dialogue, UnixStream, Lines) {
    let (server, client) = UnixStream::pair().expect("a pair");
    let input = server.try_clone().expect("a copy").into();
    let limits = wire::Limits {
        read: Duration::from_secs(20),
        session_end: Instant::now() + Duration::from_secs(20),
    };
    let lines = Lines::default();
    let into = lines.clone();
    let log = Log::to(
        "x",
        None,
        Box::new(move |line| {
            into.borrow_mut().extend_from_slice(line);
            os::log::Said::Written
        }),
    );
    let limits_of_dialogue = Limits {
        bad_commands: 2,
        refused: 2,
        recipients: 10,
        session_recipients: 10,
        databytes: 0,
    };
    let conn = Conn::new(input, server.into(), limits);
    let dialogue = Dialogue::new(conn, log, protocol, limits_of_dialogue);
    (dialogue, client, lines)
}

fn written(mut dialogue: Dialogue, mut client: UnixStream) -> String {
    assert!(dialogue.flush());
    drop(dialogue);
    let mut text = String::new();
    client.read_to_string(&mut text).expect("read");
    text
}

#[test]
fn lmtp_has_its_status_codes_in_front_in_the_log_as_well_and_smtp_behind() {
    for (protocol, reply, logged) in [
        (
            Protocol::Smtp,
            "501 bad SIZE (#5.5.4)\r\n250 ok\r\n354 go ahead\r\n",
            "x: refuse verb=other helo=\"\" reply=\"501 bad SIZE (#5.5.4)\"\n",
        ),
        (
            Protocol::Lmtp,
            "501 5.5.4 bad SIZE\r\n250 2.1.0 ok\r\n354 go ahead\r\n",
            "x: refuse verb=other lhlo=\"\" reply=\"501 5.5.4 bad SIZE\"\n",
        ),
    ] {
        let (mut dialogue, client, lines) = dialogue(protocol);
        assert_eq!(dialogue.bad(texts::BAD_SIZE), Next::Continue);
        dialogue.reply_with(texts::OK, Some((1, 0)));
        dialogue.reply(texts::GO_AHEAD);
        assert_eq!(written(dialogue, client), reply);
        assert_eq!(String::from_utf8_lossy(&lines.borrow()), logged);
    }
}

#[test]
fn what_is_offered_stands_in_one_reply() {
    let (mut dialogue, client, _) = dialogue(Protocol::Lmtp);
    dialogue.reply_capabilities(b"mx", &["A".into(), "B 1".into()]);
    dialogue.reply_capabilities(b"mx", &[]);
    assert_eq!(
        written(dialogue, client),
        "250-mx\r\n250-A\r\n250 B 1\r\n250 mx\r\n"
    );
}

#[test]
fn a_line_of_the_limit_is_a_command_and_a_longer_one_or_one_with_a_nul_is_not() {
    let (mut dialogue, mut client, _) = dialogue(Protocol::Smtp);
    client
        .write_all(b"NOOP\r\nNOOPx\r\nNO\0P\r\n")
        .expect("sent");
    drop(client);
    let mut line = Vec::new();
    let mut heard = || dialogue.hear(&mut line, 4);
    assert_eq!(heard(), Heard::Command);
    assert_eq!(heard(), Heard::Unreadable(texts::LINE_TOO_LONG));
    assert_eq!(heard(), Heard::Unreadable(texts::NUL));
    assert_eq!(heard(), Heard::Nothing);
    assert!(matches!(
        dialogue.ending(),
        Some(End::Trouble(Trouble::Closed))
    ));
}

#[test]
fn the_second_bad_command_is_the_last_where_the_limit_is_two() {
    let (mut dialogue, client, _) = dialogue(Protocol::Smtp);
    assert_eq!(dialogue.bad(texts::UNIMPLEMENTED), Next::Continue);
    assert_eq!(dialogue.bad(texts::UNIMPLEMENTED), Next::Close);
    assert!(matches!(
        dialogue.ending(),
        Some(End::Closed("too many bad commands"))
    ));
    let text = written(dialogue, client);
    assert!(text.ends_with("421 too many bad commands (#4.7.0)\r\n"));
}
