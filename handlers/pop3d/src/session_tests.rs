use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use maildir::uidlist::{Fault, ListError};
use os::log::Said;

use super::*;
use crate::output::tests::Kept;
use crate::store::Committed;
use crate::uidl::{List, Style};

/// A mailbox in memory.
#[derive(Debug, Default)]
struct Memory {
    messages: Vec<Message>,
    has_broken_list: bool,
    told: Rc<RefCell<Told>>,
}

#[derive(Clone, Debug)]
struct Message {
    unique: Vec<u8>,
    text: Vec<u8>,
    size: u64,
    trouble: Option<ErrorKind>,
}

/// What the mailbox was told to do.
#[derive(Debug, Default)]
struct Told {
    committed: Option<BTreeSet<usize>>,
    corrected: Vec<(usize, u64)>,
    kept: BTreeSet<usize>,
    is_unsynced: bool,
}

impl Memory {
    fn of(texts: &[&[u8]]) -> Memory {
        let message = |(n, text): (usize, &&[u8])| {
            let mut size = maildir::WireSize::new();
            size.feed(text);
            Message {
                unique: format!("{}.x", n + 1).into_bytes(),
                text: text.to_vec(),
                size: size.finish(),
                trouble: None,
            }
        };
        Memory {
            messages: texts.iter().enumerate().map(message).collect(),
            ..Memory::default()
        }
    }
}

impl Store for Memory {
    type Message = io::Cursor<Vec<u8>>;

    fn len(&self) -> usize {
        self.messages.len()
    }

    fn size(&self, n: usize) -> u64 {
        self.messages[n].size
    }

    fn correct_size(&mut self, n: usize, octets: u64) {
        self.told.borrow_mut().corrected.push((n, octets));
    }

    fn unique(&self, n: usize) -> &[u8] {
        &self.messages[n].unique
    }

    fn is_twin(&self, _: usize) -> bool {
        false
    }

    fn open(&mut self, n: usize) -> io::Result<Self::Message> {
        match self.messages[n].trouble {
            Some(kind) => Err(kind.into()),
            None => Ok(io::Cursor::new(self.messages[n].text.clone())),
        }
    }

    fn list(&mut self, _: Style) -> Result<Option<Box<dyn List>>, ListError> {
        match self.has_broken_list {
            true => Err(ListError {
                path: "Maildir/list".into(),
                fault: Fault::Header,
            }),
            false => Ok(None),
        }
    }

    fn commit(&mut self, deleted: &dyn Fn(usize) -> bool) -> Committed {
        let mut told = self.told.borrow_mut();
        let all: BTreeSet<usize> = (0..self.messages.len()).filter(|&n| deleted(n)).collect();
        let failed = all.intersection(&told.kept).count();
        let removed = all.len() - failed;
        told.committed = Some(all);
        let fault = || "unable to remove 2.x: permission denied".to_owned();
        Committed {
            removed,
            failed,
            is_unsynced: told.is_unsynced,
            faults: (failed > 0).then(fault).into_iter().collect(),
        }
    }
}

/// A session over a mailbox in memory, and what it says.
struct Talk {
    session: Session<Memory, Kept>,
    told: Rc<RefCell<Told>>,
    lines: Rc<RefCell<Vec<String>>>,
}

impl Talk {
    fn over(memory: Memory) -> Talk {
        Talk::with(memory, &[])
    }

    fn with(memory: Memory, env: &[(&str, &str)]) -> Talk {
        let lines = Rc::new(RefCell::new(Vec::new()));
        let into = lines.clone();
        let sink = move |line: &[u8]| {
            into.borrow_mut()
                .push(String::from_utf8(line.to_vec()).expect("ASCII"));
            Said::Written
        };
        let log = Log::to("pop3d", Some(b"192.0.2.1"), Box::new(sink));
        let mut settings = Settings::read(&env.iter().copied().collect()).expect("settings");
        settings.user = b"alice".to_vec();
        Talk {
            told: memory.told.clone(),
            session: Session::new(memory, Kept::default(), log, settings),
            lines,
        }
    }

    /// What is answered to one command.
    fn say(&mut self, line: &str) -> String {
        self.answer(line.as_bytes()).0
    }

    fn answer(&mut self, line: &[u8]) -> (String, Next) {
        let before = self.session.out.all().len();
        let next = self.session.answer(line);
        let said = self.session.out.all().split_off(before);
        (String::from_utf8(said).expect("text"), next)
    }

    #[track_caller]
    fn dialogue(&mut self, lines: &[(&str, &str)]) {
        for (line, reply) in lines {
            assert_eq!(self.say(line), format!("{reply}\r\n"), "{line}");
        }
    }

    fn log(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }
}

/// Two messages of 120 and 200 octets, as in RFC 1939 section 10.
fn two() -> Memory {
    let text = |octets: usize| [b"A: b\r\n\r\n", &vec![b'x'; octets - 10][..], b"\r\n"].concat();
    Memory::of(&[&text(120), &text(200)])
}

#[test]
fn the_example_dialogue_of_rfc_1939_goes_as_it_is_written() {
    let mut talk = Talk::over(two());
    let body = |octets: usize| format!("A: b\r\n\r\n{}\r\n", "x".repeat(octets - 10));
    talk.dialogue(&[
        ("STAT", "+OK 2 320"),
        ("LIST", "+OK \r\n1 120\r\n2 200\r\n."),
        ("RETR 1", &format!("+OK \r\n{}.", body(120))),
        ("DELE 1", "+OK "),
        ("RETR 2", &format!("+OK \r\n{}.", body(200))),
        ("DELE 2", "+OK "),
    ]);
    assert_eq!(talk.answer(b"QUIT"), ("+OK \r\n".to_owned(), Next::Close));
    assert_eq!(talk.told.borrow().committed, Some(BTreeSet::from([0, 1])));
    talk.session.log_end();
    assert_eq!(
        talk.log(),
        [
            "pop3d: session ip=192.0.2.1 user=alice retr=2 top=0 dele=2 bytes=320 messages=2 \
          seconds=0 end=quit\n"
        ]
    );
}

#[test]
fn commands_are_known_in_any_case() {
    let mut talk = Talk::over(two());
    talk.dialogue(&[("stat", "+OK 2 320"), ("LiSt 1", "+OK 1 120")]);
}

#[test]
fn a_deleted_message_is_in_no_total_and_no_listing_and_comes_back_with_rset() {
    let mut talk = Talk::over(two());
    talk.dialogue(&[
        ("DELE 1", "+OK "),
        ("STAT", "+OK 1 200"),
        ("LIST", "+OK \r\n2 200\r\n."),
        ("UIDL", "+OK \r\n2 2.x\r\n."),
        ("DELE 1", "-ERR already deleted"),
        ("LIST 1", "-ERR already deleted"),
        ("UIDL 1", "-ERR already deleted"),
        ("RETR 1", "-ERR already deleted"),
        ("TOP 1 0", "-ERR already deleted"),
        ("RSET", "+OK "),
        ("STAT", "+OK 2 320"),
        ("LIST 1", "+OK 1 120"),
    ]);
}

#[test]
fn an_empty_mailbox_has_empty_lists() {
    let mut talk = Talk::over(Memory::of(&[]));
    talk.dialogue(&[
        ("STAT", "+OK 0 0"),
        ("LIST", "+OK \r\n."),
        ("UIDL", "+OK \r\n."),
        ("RETR 1", "-ERR not that many messages"),
        ("QUIT", "+OK "),
    ]);
}

#[test]
fn numbers_are_checked_strictly() {
    let mut talk = Talk::over(two());
    talk.dialogue(&[
        ("DELE 0", "-ERR messages are counted from 1"),
        ("DELE 3", "-ERR not that many messages"),
        ("DELE 18446744073709551615", "-ERR not that many messages"),
        ("DELE 18446744073709551617", "-ERR syntax error"),
        ("DELE 1abc", "-ERR syntax error"),
        ("DELE +1", "-ERR syntax error"),
        ("DELE -1", "-ERR syntax error"),
        ("DELE", "-ERR syntax error"),
        ("DELE 1 2", "-ERR syntax error"),
        ("LIST 1 2", "-ERR syntax error"),
        ("UIDL x", "-ERR syntax error"),
        ("RETR 1 0", "-ERR syntax error"),
        ("TOP 1", "-ERR syntax error"),
        ("TOP 1 x", "-ERR syntax error"),
        ("TOP 1 2 3", "-ERR syntax error"),
        ("STAT", "+OK 2 320"),
    ]);
}

#[test]
fn commands_without_arguments_get_none() {
    for verb in ["STAT", "NOOP", "RSET", "LAST", "CAPA", "QUIT"] {
        let mut talk = Talk::over(two());
        talk.dialogue(&[(&format!("{verb} x"), "-ERR syntax error")]);
        assert!(talk.say(&format!("{verb}  ")).starts_with("+OK "), "{verb}");
    }
}

#[test]
fn spaces_around_numbers_are_no_arguments() {
    let mut talk = Talk::over(two());
    talk.dialogue(&[
        ("LIST ", "+OK \r\n1 120\r\n2 200\r\n."),
        ("LIST   2 ", "+OK 2 200"),
        ("TOP  1   0  ", "+OK \r\nA: b\r\n\r\n."),
    ]);
}

#[test]
fn list_says_how_many_octets_retr_sends() {
    let texts: [&[u8]; 6] = [b"", b"a", b"a\n\n.b\r\n", b"\r", b".\n.\n.", b"a\rb\n"];
    for env in [&[][..], &[("POP3D_BLANK_LINE", "1")]] {
        let mut talk = Talk::with(Memory::of(&texts), env);
        for n in 1..=texts.len() {
            let list = talk.say(&format!("LIST {n}"));
            let octets: usize = list[6..].trim_end().parse().expect("a number");
            let reply = talk.say(&format!("RETR {n}"));
            let stuffed = reply.strip_prefix("+OK \r\n").expect("sent");
            let message = stuffed.strip_suffix(".\r\n").expect("an end");
            let dots = message
                .split_inclusive("\r\n")
                .filter(|line| line.starts_with('.'));
            assert_eq!(message.len() - dots.count(), octets, "{n}");
        }
        assert_eq!(talk.log(), [""; 0]);
    }
}

#[test]
fn top_sends_the_header_and_so_many_lines() {
    let mut talk = Talk::over(Memory::of(&[b"A: b\n\n.one\ntwo\n"]));
    talk.dialogue(&[
        ("TOP 1 0", "+OK \r\nA: b\r\n\r\n."),
        ("TOP 1 1", "+OK \r\nA: b\r\n\r\n..one\r\n."),
        ("TOP 1 99999999", "+OK \r\nA: b\r\n\r\n..one\r\ntwo\r\n."),
    ]);
    assert_eq!((talk.session.counts.top, talk.session.counts.retr), (3, 0));
}

#[test]
fn last_is_the_highest_message_retrieved_or_deleted() {
    let mut talk = Talk::over(two());
    talk.dialogue(&[("LAST", "+OK 0"), ("TOP 2 0", "+OK \r\nA: b\r\n\r\n.")]);
    talk.say("RETR 1");
    talk.dialogue(&[("LAST", "+OK 1"), ("DELE 2", "+OK "), ("LAST", "+OK 2")]);
    talk.dialogue(&[("DELE 1", "+OK "), ("LAST", "+OK 2")]);
    talk.dialogue(&[("RSET", "+OK "), ("LAST", "+OK 0")]);
}

#[test]
fn what_is_announced_is_one_reply_and_each_line_of_it_is_true() {
    let mut talk = Talk::over(two());
    let reply = talk.say("CAPA");
    assert!(reply.starts_with("+OK \r\n") && reply.ends_with("\r\n.\r\n"));
    for line in ["TOP", "UIDL", "RESP-CODES", "PIPELINING", "EXPIRE NEVER"] {
        assert!(reply.contains(&format!("\r\n{line}\r\n")), "{line}");
    }
    for line in ["USER", "SASL", "STLS"] {
        assert!(!reply.contains(line), "{line}");
    }
}

#[test]
fn what_belongs_before_the_login_is_refused_after_it() {
    let mut talk = Talk::over(two());
    for line in [
        "USER bob",
        "PASS x",
        "APOP bob 0",
        "AUTH PLAIN",
        "STLS",
        "UTF8",
    ] {
        talk.dialogue(&[(line, "-ERR already logged in")]);
    }
    talk.dialogue(&[
        ("XTND XMIT", "-ERR unimplemented"),
        ("", "-ERR unimplemented"),
    ]);
}

#[test]
fn the_twentieth_bad_command_ends_the_session_and_nothing_is_removed() {
    let mut talk = Talk::over(two());
    talk.say("DELE 1");
    for _ in 1..BadCommands::DEFAULT_LIMIT {
        assert_eq!(
            talk.answer(b"XTND"),
            ("-ERR unimplemented\r\n".to_owned(), Next::Continue)
        );
        // What an honest client may ask for is not counted.
        talk.say("RETR 99");
    }
    let (said, next) = talk.answer(b"DELE\0 2");
    assert_eq!(
        said,
        "-ERR a command has no NUL\r\n-ERR too many bad commands\r\n"
    );
    assert_eq!(next, Next::Close);
    assert_eq!(talk.told.borrow().committed, None);
    talk.session.log_end();
    assert!(talk.log()[0].ends_with(" dele=0 bytes=0 messages=2 seconds=0 end=bad-commands\n"));
}

#[test]
fn a_message_that_is_gone_is_said_to_be_and_no_fault() {
    let mut memory = two();
    memory.messages[0].trouble = Some(ErrorKind::NotFound);
    let mut talk = Talk::over(memory);
    talk.dialogue(&[
        ("RETR 1", "-ERR unable to open that message"),
        ("TOP 1 0", "-ERR unable to open that message"),
        ("DELE 1", "+OK "),
    ]);
    assert_eq!(talk.session.counts.retr, 0);
    assert_eq!(talk.log(), [""; 0]);
}

#[test]
fn a_message_that_may_not_be_read_is_a_fault() {
    let mut memory = two();
    memory.messages[0].trouble = Some(ErrorKind::PermissionDenied);
    let mut talk = Talk::over(memory);
    talk.dialogue(&[("RETR 1", "-ERR unable to open that message")]);
    assert!(
        talk.log()[0].starts_with(
            "pop3d: fault ip=192.0.2.1 user=alice reason=\"unable to read message 1.x: "
        ),
        "{:?}",
        talk.log()
    );
}

#[test]
fn a_wrong_size_is_corrected_each_time_and_told_once() {
    let mut memory = two();
    memory.messages[0].size = 119;
    memory.messages[1].size = 1;
    let mut talk = Talk::over(memory);
    for line in ["TOP 1 0", "RETR 1", "TOP 2 100", "RETR 2"] {
        talk.say(line);
    }
    assert_eq!(talk.told.borrow().corrected, [(0, 120), (1, 200), (1, 200)]);
    assert_eq!(
        talk.log(),
        [
            "pop3d: fault ip=192.0.2.1 user=alice reason=\"the size of message 1.x was thought to \
          be 119 and is 120\"\n"
        ]
    );
}

#[test]
fn messages_that_could_not_be_removed_are_counted_in_one_reply() {
    let mut talk = Talk::over(Memory::of(&[b"a", b"b", b"c", b"d"]));
    talk.told.borrow_mut().kept = BTreeSet::from([1, 3]);
    talk.say("DELE 1");
    talk.say("DELE 2");
    assert_eq!(
        talk.answer(b"QUIT"),
        (
            "-ERR [SYS/TEMP] 1 of 2 messages not removed\r\n".to_owned(),
            Next::Close
        )
    );
    assert_eq!(
        talk.log(),
        [
            "pop3d: fault ip=192.0.2.1 user=alice reason=\"unable to remove 2.x: permission denied\"\n"
        ]
    );
    talk.session.log_end();
    assert!(talk.log()[1].contains(" dele=1 "));
}

#[test]
fn ids_that_cannot_be_had_are_no_ids_of_another_kind() {
    let mut memory = two();
    memory.has_broken_list = true;
    let mut talk = Talk::over(memory);
    talk.dialogue(&[
        (
            "UIDL",
            "-ERR [SYS/TEMP] unable to read the list of message ids",
        ),
        ("STAT", "+OK 2 320"),
    ]);
    assert_eq!(
        talk.log(),
        [
            "pop3d: fault ip=192.0.2.1 user=alice reason=\"unable to use Maildir/list: its first \
          line cannot be read\"\n"
        ]
    );
    talk.session.store.has_broken_list = false;
    talk.dialogue(&[("UIDL 2", "+OK 2 2.x")]);
}

#[test]
fn long_lists_go_out_in_large_pieces() {
    let mut talk = Talk::over(Memory {
        messages: vec![
            Message {
                unique: Vec::new(),
                text: Vec::new(),
                size: u64::MAX,
                trouble: None,
            };
            10_000
        ],
        ..Memory::default()
    });
    for (n, message) in talk.session.store.messages.iter_mut().enumerate() {
        message.unique = format!("1700000000.M{n:06}P1.host").into_bytes();
    }
    for line in ["LIST", "UIDL"] {
        talk.session.out = Kept::default();
        let reply = talk.say(line);
        assert_eq!(reply.lines().count(), 10_002);
        assert!(reply.ends_with("\r\n.\r\n"));
        let writes = &talk.session.out.writes;
        assert_eq!(writes.len(), reply.len() / (PIECE_BYTES + 40));
        assert!(writes.iter().all(|&write| write < PIECE_BYTES + 100));
    }
    // The sum does not overflow, whatever sizes are told.
    talk.dialogue(&[("STAT", "+OK 10000 18446744073709551615")]);
}

#[test]
fn a_client_who_takes_no_more_ends_the_session() {
    let mut talk = Talk::over(Memory::of(&[&[b'\n'; 1 << 18]]));
    talk.session.out.is_closed = true;
    assert_eq!(talk.answer(b"RETR 1").1, Next::Close);
    talk.session.log_end();
    assert!(
        talk.log()[0].ends_with(" retr=0 top=0 dele=0 bytes=0 messages=1 seconds=0 end=closed\n")
    );
}

#[test]
fn where_the_client_is_gone_at_quit_nothing_is_removed() {
    // It takes nothing; or the system takes it in its place.
    for is_closed in [true, false] {
        let mut talk = Talk::over(two());
        talk.say("RETR 1");
        talk.say("DELE 1");
        talk.session.out.is_closed = is_closed;
        talk.session.out.is_broken = true;
        assert_eq!(talk.answer(b"QUIT").1, Next::Close);
        assert_eq!(talk.told.borrow().committed, None);
        talk.session.log_end();
        assert!(
            talk.log()[0].contains(" dele=0 ") && talk.log()[0].ends_with(" end=closed\n"),
            "{:?}",
            talk.log()
        );
    }
}

#[test]
fn what_is_to_be_removed_was_sent_before() {
    let mut talk = Talk::over(two());
    talk.say("RETR 1");
    talk.say("DELE 1");
    assert!(talk.session.out.sent.is_empty());
    assert_eq!(talk.answer(b"QUIT").0, "+OK \r\n");
    assert!(talk.session.out.sent.ends_with(b"\r\n.\r\n+OK \r\n"));
    assert_eq!(talk.session.out.collected, b"+OK \r\n");
}

#[test]
fn where_nothing_is_deleted_a_quit_goes_out_with_what_was_before_it() {
    let mut talk = Talk::over(two());
    talk.say("RETR 1");
    talk.session.out.is_broken = true;
    talk.say("QUIT");
    assert!(talk.session.out.sent.is_empty());
    assert_eq!(talk.told.borrow().committed, Some(BTreeSet::new()));
}

#[test]
fn a_quit_that_does_not_last_is_not_said_to() {
    let mut talk = Talk::over(two());
    talk.told.borrow_mut().is_unsynced = true;
    talk.dialogue(&[
        ("DELE 1", "+OK "),
        ("QUIT", "-ERR [SYS/TEMP] unable to sync this mailbox"),
    ]);
}

#[test]
fn sizes_beyond_all_measure_do_not_overflow() {
    let mut memory = two();
    memory.messages[0].size = u64::MAX;
    let mut talk = Talk::with(memory, &[("POP3D_BLANK_LINE", "1")]);
    talk.dialogue(&[
        ("LIST 1", "+OK 1 18446744073709551615"),
        ("STAT", "+OK 2 18446744073709551615"),
    ]);
}
