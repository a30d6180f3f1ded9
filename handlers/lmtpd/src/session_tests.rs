//! Dialogues over a socket pair, with a delivery that keeps what it gets.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use delivery::spool::Spool;
use os::log::Said as Wrote;
use wire::Limits;
use wire::data::BareLf;

use super::*;
use crate::record::RecipientStatus;

/// What a delivery was asked.
#[derive(Debug, Default)]
struct Seen {
    senders: Vec<String>,
    recipients: Vec<String>,
    messages: Vec<String>,
}

/// Knows joe and ann, has trouble with bad, and nobody else is anybody. Mail for ann is refused.
#[derive(Clone, Debug, Default)]
struct Counter {
    seen: Rc<RefCell<Seen>>,
    taken: Vec<String>,
    /// It is gone when it is asked for the first time, or to deliver.
    gone: bool,
    gone_later: bool,
    short: bool,
}

impl Delivery for Counter {
    fn mail(&mut self, sender: &[u8]) -> Result<(), String> {
        self.taken.clear();
        self.seen.borrow_mut().senders.push(text(sender));
        Ok(())
    }

    fn rcpt(&mut self, recipient: &[u8]) -> Result<RecipientAnswer, String> {
        if self.gone {
            return Err("gone".to_owned());
        }
        let name = text(accounts::address::split(recipient).0);
        let standing = match name.as_str() {
            "joe" | "ann" | "postmaster" => RecipientAnswer::Here,
            "bad" => RecipientAnswer::Temporary,
            _ => RecipientAnswer::Unknown,
        };
        if standing == RecipientAnswer::Here {
            self.taken.push(name);
            self.seen.borrow_mut().recipients.push(text(recipient));
        }
        Ok(standing)
    }

    fn deliver(&mut self, _: &str, message: Spool) -> Result<Vec<RecipientStatus>, String> {
        let mut all = Vec::new();
        let read = message.read(|piece| {
            all.extend_from_slice(piece);
            Ok(true)
        });
        read.expect("readable");
        self.seen.borrow_mut().messages.push(text(&all));
        if self.gone_later {
            return Err("gone".to_owned());
        }
        let status = |name: &String| match name.as_str() {
            "ann" => RecipientStatus::refused(true, "5.2.2", "ann's mailbox is full"),
            _ => RecipientStatus::Delivered,
        };
        let mut statuses: Vec<RecipientStatus> =
            self.taken.drain(..).map(|name| status(&name)).collect();
        if self.short {
            statuses.pop();
        }
        Ok(statuses)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn settings() -> Settings {
    Settings {
        me: b"here.test".to_vec(),
        locals: vec![b"here.test".to_vec()],
        remote_host: b"localhost".to_vec(),
        remote_ip: None,
        remote_uid: Some(7),
        limits: crate::settings::Limits {
            timeout: Duration::from_secs(20),
            session: Duration::from_secs(60),
            databytes: 0,
            recipients: 1000,
            session_recipients: 10_000,
            refused: 100,
            bad_commands: 20,
            discard: 1 << 30,
        },
        bare_lf: BareLf::Reject,
    }
}

/// What a session did.
struct Said {
    exit: Exit,
    replies: Vec<String>,
    log: Vec<String>,
    seen: Seen,
}

impl Said {
    /// The replies after the greeting.
    fn after_greeting(&self) -> Vec<&str> {
        self.replies[1..].iter().map(String::as_str).collect()
    }

    /// The stored text of message `number`, without our header.
    fn message(&self, number: usize) -> &str {
        let all = &self.seen.messages[number];
        let mut lines = all.splitn(3, '\n');
        assert!(
            lines
                .next()
                .is_some_and(|line| line.starts_with("Received: from "))
        );
        assert!(
            lines
                .next()
                .is_some_and(|line| line.starts_with("  by here.test with LMTP id "))
        );
        lines.next().expect("a message")
    }
}

fn said_with(settings: Settings, delivery: Counter, input: impl AsRef<[u8]>) -> Said {
    let (mut client, server) = UnixStream::pair().expect("a pair");
    let input = input.as_ref().to_vec();
    let mut reader = client.try_clone().expect("a duplicate");
    let replies = std::thread::spawn(move || {
        let mut all = String::new();
        let _ = reader.read_to_string(&mut all);
        all
    });
    let writer = std::thread::spawn(move || {
        // It may be gone before it has read everything.
        let _ = client.write_all(&input);
        let _ = client.shutdown(std::net::Shutdown::Write);
    });
    let lines: Rc<RefCell<Vec<String>>> = Rc::default();
    let into = lines.clone();
    let log = Log::to(
        "lmtpd",
        None,
        Box::new(move |line| {
            into.borrow_mut().push(text(line).trim_end().to_owned());
            Wrote::Written
        }),
    );
    let limits = Limits {
        read: settings.limits.timeout,
        session_end: Instant::now() + settings.limits.session,
    };
    let seen = delivery.seen.clone();
    let output = server.try_clone().expect("a duplicate");
    let conn = Conn::new(server.into(), output.into(), limits);
    let exit = Session::new(conn, log, settings, delivery).run();
    writer.join().expect("written");
    let replies = replies.join().expect("read");
    let log = lines.borrow().clone();
    Said {
        exit,
        replies: replies.lines().map(str::to_owned).collect(),
        log,
        seen: seen.take(),
    }
}

fn said(input: impl AsRef<[u8]>) -> Said {
    said_with(settings(), Counter::default(), input)
}

const BEGIN: &str = "LHLO mx\r\nMAIL FROM:<s@x>\r\n";

/// The replies to LHLO and MAIL are six and one.
const BEGUN: usize = 7;

#[test]
fn the_transcript_of_rfc_2033_is_answered_with_a_reply_for_each_recipient() {
    let said = said(
        "LHLO foo.edu\r\nMAIL FROM:<chris@bar.com>\r\nRCPT TO:<joe@here.test>\r\n\
         RCPT TO:<jones@here.test>\r\nRCPT TO:<ann@here.test>\r\nDATA\r\n\
         Blah blah blah...\r\n...etc. etc. etc.\r\n.\r\nQUIT\r\n",
    );
    let id = said.replies[12]
        .rsplit(' ')
        .next()
        .expect("an id")
        .to_owned();
    let expected = [
        "220 here.test LMTP".to_owned(),
        "250-here.test".to_owned(),
        "250-PIPELINING".to_owned(),
        "250-8BITMIME".to_owned(),
        "250-SIZE 0".to_owned(),
        "250-SMTPUTF8".to_owned(),
        "250 ENHANCEDSTATUSCODES".to_owned(),
        "250 2.1.0 ok".to_owned(),
        "250 2.1.5 ok".to_owned(),
        "550 5.1.1 sorry, no mailbox here by that name".to_owned(),
        "250 2.1.5 ok".to_owned(),
        "354 go ahead".to_owned(),
        format!("250 2.1.5 ok {id}"),
        "552 5.2.2 ann's mailbox is full".to_owned(),
        "221 2.0.0 here.test".to_owned(),
    ];
    assert_eq!(said.replies, expected);
    assert_eq!(said.exit, Exit::OK);
    assert_eq!(said.message(0), "Blah blah blah...\n..etc. etc. etc.\n");
    assert!(said.seen.messages[0].contains(&format!(" id {id}; ")));
    assert_eq!(said.log[0], "lmtpd: start uid=7 host=localhost");
    // The reply to the message has the number of this process.
    let sent: usize = said.replies.iter().map(|line| line.len() + 2).sum();
    let last = format!(
        "lmtpd: end reason=quit messages=1 delivered=1 refused=1 in=171 out={sent} seconds=0"
    );
    assert_eq!(said.log.last(), Some(&last));
}

#[test]
fn lmtp_is_not_smtp() {
    let said = said("HELO x\r\nEHLO x\r\nhelp\r\nexpn x\r\nvrfy joe\r\nNOOP x\r\nQUIT\r\n");
    let want = "500 5.5.1 this is LMTP: say LHLO";
    let replies = said.after_greeting();
    assert_eq!(replies[..2], [want; 2]);
    let codes: Vec<&str> = replies[2..].iter().map(|line| &line[..9]).collect();
    assert_eq!(
        codes,
        [
            "214 2.0.0",
            "502 5.5.1",
            "252 2.0.0",
            "250 2.0.0",
            "221 2.0.0"
        ]
    );
}

#[test]
fn commands_out_of_order_are_refused_and_data_without_recipient_with_503() {
    let said = said(
        "RCPT TO:<joe>\r\nDATA\r\nMAIL FROM:<>\r\nDATA\r\nRCPT TO:<nobody>\r\nDATA\r\nRSET\r\n\
         RCPT TO:<joe>\r\nMAIL FROM:<>\r\nLHLO x\r\nRCPT TO:<joe>\r\n",
    );
    let codes: Vec<&str> = said
        .after_greeting()
        .iter()
        .map(|line| &line[..3])
        .collect();
    let expected = [
        "503", "503", "250", "503", "550", "503", "250", "503", "250", "250", "250", "250", "250",
        "250", "250", "503",
    ];
    assert_eq!(codes, expected);
    assert_eq!(said.exit, Exit::NO);
    assert!(
        said.log
            .last()
            .expect("a line")
            .contains("the client closed the connection")
    );
}

#[test]
fn a_recipient_is_local_without_domain_and_in_the_local_ones_and_nowhere_else() {
    let said = said(format!(
        "{BEGIN}RCPT TO:<joe>\r\nRCPT TO:<JOE@HERE.test>\r\nRCPT TO:<joe@HERE.TEST>\r\n\
         RCPT TO:<joe@other.test>\r\nRCPT TO:<joe@a@here.test.>\r\nRCPT TO:<joe@>\r\n\
         RCPT TO:<>\r\nRCPT TO\r\nRCPT TO:<bad@here.test>\r\nRCPT TO:<postmaster>\r\n"
    ));
    let codes: Vec<&str> = said.after_greeting()[BEGUN..]
        .iter()
        .map(|line| &line[..9])
        .collect();
    let expected = [
        "250 2.1.5",
        "550 5.1.1",
        "250 2.1.5",
        "550 5.1.2",
        "550 5.1.2",
        "550 5.1.2",
        "501 5.1.3",
        "501 5.1.3",
        "451 4.3.0",
        "250 2.1.5",
    ];
    assert_eq!(codes, expected);
    assert_eq!(said.seen.recipients, ["joe", "joe@HERE.TEST", "postmaster"]);
    let refused = said
        .log
        .iter()
        .find(|line| line.contains("to=<joe@other.test>"));
    assert_eq!(
        refused.expect("a line"),
        "lmtpd: refuse verb=RCPT from=<s@x> to=<joe@other.test> lhlo=mx \
         reply=\"550 5.1.2 sorry, no mail is delivered here for that domain\""
    );
}

#[test]
fn the_same_recipient_twice_gets_two_replies() {
    let input = format!("{BEGIN}RCPT TO:<joe>\r\nRCPT TO:<joe>\r\nDATA\r\n.\r\n");
    let said = said(input);
    let after = &said.after_greeting()[BEGUN + 3..];
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|line| line.starts_with("250 2.1.5 ok ")));
    assert_eq!(said.message(0), "");
}

#[test]
fn recipients_of_the_limit_are_taken_and_one_more_comes_again() {
    let mut settings = settings();
    settings.limits.recipients = 3;
    let input = format!("{BEGIN}{}DATA\r\nx\r\n.\r\n", "RCPT TO:<joe>\r\n".repeat(4));
    let said = said_with(settings, Counter::default(), input);
    let replies = &said.after_greeting()[BEGUN..];
    assert_eq!(replies[2], "250 2.1.5 ok");
    assert_eq!(replies[3], "452 4.5.3 too many recipients");
    assert_eq!(replies.len(), 4 + 1 + 3);
}

#[test]
fn a_message_of_the_limit_passes_and_one_byte_more_is_552_for_each() {
    let mut settings = settings();
    settings.limits.databytes = 10;
    let data = |size: usize| format!("{}\r\n.\r\n", "x".repeat(size - 1));
    let begin = "MAIL FROM:<s@x>\r\nRCPT TO:<joe>\r\nRCPT TO:<joe>\r\nDATA\r\n";
    let input = format!(
        "{begin}{}{begin}{}MAIL FROM:<s@x> SIZE=11\r\nMAIL FROM:<> SIZE=10\r\n",
        data(10),
        data(11)
    );
    let said = said_with(settings, Counter::default(), input);
    let codes: Vec<&str> = said
        .after_greeting()
        .iter()
        .map(|line| &line[..3])
        .collect();
    let expected = [
        "250", "250", "250", "354", "250", "250", "250", "250", "250", "354", "552", "552", "552",
        "250",
    ];
    assert_eq!(codes, expected);
    assert_eq!(said.seen.messages.len(), 1);
}

#[test]
fn a_bare_lf_is_refused_for_each_or_accepted_and_is_never_half_of_an_end() {
    for (mode, kept) in [(BareLf::Reject, false), (BareLf::Accept, true)] {
        let mut settings = settings();
        settings.bare_lf = mode;
        let input = format!(
            "{BEGIN}RCPT TO:<joe>\r\nRCPT TO:<joe>\r\nDATA\r\na\nb\r\n.\r\nNOOP\r\n\
             MAIL FROM:<s@x>\r\nRCPT TO:<joe>\r\nDATA\r\na\n.\nMAIL FROM:<evil@x>\r\n.\r\nNOOP\r\n"
        );
        let said = said_with(settings, Counter::default(), input);
        let replies = &said.after_greeting()[BEGUN + 3..];
        let codes: Vec<&str> = replies.iter().map(|line| &line[..3]).collect();
        let first = if kept { "250" } else { "550" };
        assert_eq!(
            codes,
            [first, first, "250", "250", "250", "354", "550", "250"]
        );
        assert_eq!(said.seen.senders, ["s@x", "s@x"]);
        assert_eq!(said.seen.messages.len(), usize::from(kept));
    }
}

#[test]
fn only_crlf_dot_crlf_ends_a_message() {
    for odd in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n"] {
        let input = format!("{BEGIN}RCPT TO:<joe>\r\nDATA\r\nx{odd}RSET\r\n.\r\nNOOP\r\n");
        let said = said(input);
        let replies = &said.after_greeting()[BEGUN + 2..];
        assert_eq!(replies.len(), 2, "{odd:?}: {replies:?}");
        assert_eq!(replies[1], "250 2.0.0 ok", "{odd:?}");
    }
}

#[test]
fn a_message_that_goes_round_is_refused_for_each() {
    let input = |hops: usize| {
        let lines = "Received: x\r\n".repeat(hops);
        format!("{BEGIN}RCPT TO:<joe>\r\nRCPT TO:<joe>\r\nDATA\r\n{lines}\r\n.\r\n")
    };
    let last = |hops| said(input(hops)).replies.last().expect("a reply").clone();
    assert!(last(99).starts_with("250 2.1.5 ok "));
    assert_eq!(
        last(100),
        "554 5.4.6 too many hops, this message is looping"
    );
}

#[test]
fn lines_of_the_limit_are_commands_and_longer_ones_and_nuls_are_not() {
    let line = |length: usize| format!("NOOP {}\r\n", "x".repeat(length - 5));
    let said = said(format!(
        "{}{}NOOP\0\r\nMAIL FROM:<a\x01>\r\nMAIL FROM:<{}>\r\nMAIL FROM:<a> SIZE=x\r\n",
        line(LINE_LIMIT),
        line(LINE_LIMIT + 1),
        "a".repeat(900)
    ));
    let codes: Vec<&str> = said
        .after_greeting()
        .iter()
        .map(|line| &line[..9])
        .collect();
    assert_eq!(
        codes,
        [
            "250 2.0.0",
            "500 5.5.2",
            "500 5.5.2",
            "501 5.1.3",
            "555 5.5.4",
            "501 5.5.4"
        ]
    );
}

#[test]
fn a_faulty_command_has_a_line_and_many_do_not_fill_the_log() {
    let said = said("EHLO x\r\nLHLO mx\r\nRCPT TO:<joe@here.test>\r\nc2VjcmV0\r\n");
    let refused: Vec<&str> = said
        .log
        .iter()
        .filter_map(|line| line.strip_prefix("lmtpd: refuse "))
        .collect();
    let reply = |text: &str| format!("reply=\"{text}\"");
    assert_eq!(
        refused,
        [
            format!(
                "verb=EHLO lhlo=\"\" {}",
                reply("500 5.5.1 this is LMTP: say LHLO")
            ),
            format!("verb=RCPT lhlo=mx {}", reply("503 5.5.1 MAIL first")),
            format!("verb=other lhlo=mx {}", reply("502 5.5.1 unimplemented")),
        ]
    );
    let mut unlimited = settings();
    unlimited.limits.bad_commands = 0;
    let said = said_with(unlimited, Counter::default(), "x\r\n".repeat(1000));
    assert_eq!(lines_of(&said, "refuse"), 100);
    let last = said.log.last().expect("a line");
    assert!(last.ends_with(" unlogged=900"), "{last}");
}

#[test]
fn too_many_bad_commands_end_the_session() {
    let said = said("x\r\n".repeat(30));
    assert_eq!(said.replies.len(), 1 + 20 + 1);
    assert_eq!(said.replies[21], "421 4.7.0 too many bad commands");
    assert_eq!(said.exit, Exit::NO);
}

/// Whether the last line of the log begins so.
fn ends_with_line(said: &Said, beginning: &str) {
    let last = said.log.last().expect("a line");
    assert!(last.starts_with(beginning), "{last}");
}

/// How many lines of the log are about `event`.
fn lines_of(said: &Said, event: &str) -> usize {
    let is_it = |line: &&String| line.starts_with(&format!("lmtpd: {event} "));
    said.log.iter().filter(is_it).count()
}

#[test]
fn a_session_has_a_limit_of_refused_recipients_and_its_log_one_of_lines() {
    let input = |name: &str, count: usize| {
        let rcpt = format!("RCPT TO:<{name}@here.test>\r\n");
        BEGIN.to_owned() + &rcpt.repeat(count)
    };
    let mut limited = settings();
    limited.limits.refused = 3;
    let under = said_with(
        limited.clone(),
        Counter::default(),
        input("x", 2) + "QUIT\r\n",
    );
    assert_eq!(under.exit, Exit::OK);
    let over = said_with(limited.clone(), Counter::default(), input("x", 50_000));
    let no = "550 5.1.1 sorry, no mailbox here by that name";
    assert_eq!(
        over.replies[BEGUN + 1..],
        [no, no, no, "421 4.7.0 too many refused recipients"]
    );
    assert_eq!(lines_of(&over, "refuse"), 3);
    ends_with_line(
        &over,
        "lmtpd: end reason=\"too many refused recipients\" messages=0 delivered=0 refused=3 in=",
    );
    // RSET and another sender do not begin the count anew, and 0 is no limit.
    let again = format!("{BEGIN}RCPT TO:<x@here.test>\r\nRSET\r\n").repeat(4);
    let over = said_with(limited.clone(), Counter::default(), again);
    assert_eq!(lines_of(&over, "refuse"), 3);
    limited.limits.refused = 0;
    let free = said_with(limited.clone(), Counter::default(), input("x", 500));
    assert_eq!(lines_of(&free, "refuse"), 100);
    let last = free.log.last().expect("a line");
    assert!(
        last.contains(" refused=500 ") && last.ends_with(" unlogged=400"),
        "{last}"
    );
    // Temporary ones are counted apart.
    limited.limits.refused = 3;
    let deferred = said_with(limited, Counter::default(), input("bad", 50_000));
    assert_eq!(lines_of(&deferred, "refuse"), 100);
    assert_eq!(
        deferred.replies.last().map(String::as_str),
        Some("421 4.7.0 too many refused recipients")
    );
}

#[test]
fn recipients_over_the_limit_of_a_message_have_one_line_and_an_end() {
    let mut limited = settings();
    limited.limits.recipients = 1;
    let input = BEGIN.to_owned() + &"RCPT TO:<joe@here.test>\r\n".repeat(50_000);
    let said = said_with(limited, Counter::default(), input);
    assert_eq!(lines_of(&said, "refuse"), 1);
    assert_eq!(said.replies.len(), BEGUN + 1 + 1 + 1000 + 1);
    assert_eq!(
        said.replies.last().map(String::as_str),
        Some("421 4.7.0 too many refused recipients")
    );
}

#[test]
fn a_session_has_a_limit_of_accepted_recipients_of_all_messages_together() {
    let mut limited = settings();
    limited.limits.session_recipients = 2;
    let one = "MAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\n";
    let input =
        format!("LHLO mx\r\n{one}RSET\r\n{one}RCPT TO:<ann@here.test>\r\nDATA\r\nx\r\n.\r\n{one}");
    let said = said_with(limited, Counter::default(), input);
    let last = said.replies.len() - 1;
    assert_eq!(
        said.replies[last],
        "421 4.7.0 too many recipients in one session, please connect again"
    );
    assert!(said.replies.contains(
        &"452 4.5.3 too many recipients in one session, please connect again".to_owned()
    ));
    // Who was taken before has his message.
    assert_eq!(said.seen.messages.len(), 1);
    ends_with_line(
        &said,
        "lmtpd: end reason=\"too many recipients in one session\" messages=1 delivered=1 refused=1 in=",
    );
}

#[test]
fn a_client_that_goes_away_in_the_middle_has_sent_nothing() {
    for cut in ["", "Subject", "x\r\n", "x\r\n.", "x\r\n.\r"] {
        let said = said(format!("{BEGIN}RCPT TO:<joe>\r\nDATA\r\n{cut}"));
        assert!(said.seen.messages.is_empty(), "{cut:?}");
        assert!(
            said.log
                .iter()
                .any(|line| line.starts_with("lmtpd: broken qp="))
        );
        assert_eq!(said.exit, Exit::NO);
    }
}

#[test]
fn a_silent_client_is_told_and_left() {
    let mut settings = settings();
    settings.limits.timeout = Duration::from_millis(30);
    let (_client, server) = UnixStream::pair().expect("a pair");
    let output = server.try_clone().expect("a duplicate");
    let limits = Limits {
        read: settings.limits.timeout,
        session_end: Instant::now() + settings.limits.session,
    };
    let conn = Conn::new(server.into(), output.into(), limits);
    let log = Log::to("lmtpd", None, Box::new(|_| Wrote::Written));
    let exit = Session::new(conn, log, settings, Counter::default()).run();
    assert_eq!(exit, Exit::NO);
}

#[test]
fn without_the_side_that_delivers_nothing_is_promised_and_the_session_ends() {
    let gone = Counter {
        gone: true,
        ..Counter::default()
    };
    let input = format!("{BEGIN}RCPT TO:<joe>\r\nDATA\r\nNOOP\r\n");
    let said = said_with(settings(), gone, &input);
    assert_eq!(said.after_greeting()[BEGUN..], [replies::NO_SERVICE]);
    let input = format!("{BEGIN}RCPT TO:<joe>\r\nRCPT TO:<joe>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n");
    for short in [false, true] {
        let gone = Counter {
            gone_later: !short,
            short,
            ..Counter::default()
        };
        let said = said_with(settings(), gone, &input);
        let expected = [
            "354 go ahead",
            "451 4.3.0 sorry, the delivery did not come to an end",
            "451 4.3.0 sorry, the delivery did not come to an end",
            replies::NO_SERVICE,
        ];
        assert_eq!(said.after_greeting()[BEGUN + 2..], expected);
        assert!(
            said.log
                .iter()
                .any(|line| line.starts_with("lmtpd: fault reason="))
        );
    }
}

#[test]
fn a_large_message_is_kept_whole() {
    let line = "0123456789abcdef".repeat(4);
    let lines = 20_000;
    let body = format!("{line}\r\n").repeat(lines);
    let said = said(format!("{BEGIN}RCPT TO:<joe>\r\nDATA\r\n{body}.\r\n"));
    assert_eq!(said.message(0), format!("{line}\n").repeat(lines));
}
