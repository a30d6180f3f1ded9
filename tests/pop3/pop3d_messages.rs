//! What pop3d sends of messages: their octets, whatever their line ends are, dots, headers alone, and
//! in how many writes.

use std::fmt::Write as _;
use std::fs;

use crate::mailbox::{Mailbox, OK};
use kit::{note_left_out, peer};

/// A message as RFC 1939 has it on the wire: lines that end in CRLF, the last one too.
fn on_the_wire(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for (at, &byte) in message.iter().enumerate() {
        if byte == b'\n' && !message[..at].ends_with(b"\r") {
            wire.push(b'\r');
        }
        wire.push(byte);
    }
    if !message.is_empty() && !message.ends_with(b"\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

/// Wire form with the dots that are added, and the end mark.
fn stuffed(wire: &[u8]) -> Vec<u8> {
    let mut sent = Vec::new();
    for line in wire.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b".") {
            sent.push(b'.');
        }
        sent.extend_from_slice(line);
    }
    sent.extend_from_slice(b".\r\n");
    sent
}

/// Messages of every kind of line end, and some that are cut where pop3d reads and writes.
fn every_kind() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        &b""[..],
        b"\n",
        b"\r\n",
        b"\r",
        b"A: b",
        b"A: b\n\nlf\n",
        b"A: b\r\n\r\ncrlf\r\n",
        b"A: b\n\nmixed\r\n\r\n\nends\n",
        b"A: b\n\nbare \r in a line\r\r\n\r",
        b"A: b\n\nno end",
        b"A: b\r\n\r\nno end\r",
        b"A: b\n\n\n\n\n",
        b".",
        b".\n",
        b".\r\n",
        b"A: b\n\n.\n..\n...\n. \n.x\nx.\n",
        b"A: b\n\n.no end",
        b"A: b\n\nbare\r.\n",
        b"A: b\n\nNUL \0 and \x80\xff\n",
        b"\n\n.\n",
        b"A: b\n\nlast\n.",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    // A CR, LF or dot just before, at and behind the places where a piece of 16 or 64 KiB ends.
    for edge in [16 << 10, 32 << 10, 64 << 10] {
        for around in [&b"\n"[..], b"\r\n", b"\n.\n", b"\r\n..\r\n", b"\r.\n"] {
            for back in 0..=around.len() {
                let mut message = vec![b'x'; edge - back];
                message.extend_from_slice(around);
                message.extend_from_slice(b"end");
                all.push(message);
            }
        }
    }
    all
}

#[test]
fn list_stat_and_retr_agree_for_every_kind_of_line_end() {
    let mailbox = Mailbox::new();
    let messages = every_kind();
    for (at, message) in messages.iter().enumerate() {
        mailbox.put(&format!("new/{}.a", at + 1), message);
    }
    let total: usize = messages
        .iter()
        .map(|message| on_the_wire(message).len())
        .sum();
    // The second time sizes come from the index.
    for _ in 0..2 {
        let mut session = mailbox.session(&[]);
        assert_eq!(
            session.ask("STAT"),
            format!("+OK {} {total}", messages.len())
        );
        let sizes = session.listing("LIST");
        for (at, message) in messages.iter().enumerate() {
            let (number, wire) = (at + 1, on_the_wire(message));
            assert_eq!(sizes[at], format!("{number} {}", wire.len()), "{message:?}");
            assert_eq!(
                session.ask(&format!("LIST {number}")),
                format!("+OK {}", sizes[at])
            );
            let sent = session.message(&format!("RETR {number}"));
            assert!(sent == stuffed(&wire), "message {number}");
            let top = session.message(&format!("TOP {number} 99999999"));
            assert!(top == sent, "TOP of message {number}");
        }
        let log = session.quit();
        assert!(!log.contains(" fault "), "no size was wrong: {log}");
        assert!(mailbox.path("superd-index").exists());
    }
}

#[test]
fn with_the_blank_line_every_message_ends_as_under_qmail_and_is_counted_so() {
    let mailbox = Mailbox::with(&["A: b\n\ntext\n", "A: b\r\n\r\nno end", ""]);
    let mut session = mailbox.session(&[("POP3D_BLANK_LINE", "1")]);
    session.dialogue(&[("STAT", "+OK 3 36")]);
    assert_eq!(session.listing("LIST"), ["1 16", "2 18", "3 2"]);
    assert_eq!(session.message("RETR 1"), b"A: b\r\n\r\ntext\r\n\r\n.\r\n");
    assert_eq!(
        session.message("RETR 2"),
        b"A: b\r\n\r\nno end\r\n\r\n.\r\n"
    );
    assert_eq!(session.message("RETR 3"), b"\r\n.\r\n");
    session.quit();
    // The index knows nothing of it.
    let mut session = mailbox.session(&[]);
    assert_eq!(session.listing("LIST"), ["1 14", "2 16", "3 0"]);
    assert_eq!(session.message("RETR 3"), b".\r\n");
}

#[test]
fn top_sends_the_header_the_empty_line_and_so_many_lines() {
    let lf = "A: 1\nB: 2\n\none\n.two\n\nfour";
    let mailbox = Mailbox::with(&[lf, &lf.replace('\n', "\r\n"), "A: 1\nno body\n", ""]);
    let mut session = mailbox.session(&[]);
    let header = "A: 1\r\nB: 2\r\n\r\n";
    for (lines, body) in [
        ("0", ""),
        ("1", "one\r\n"),
        ("2", "one\r\n..two\r\n"),
        ("3", "one\r\n..two\r\n\r\n"),
        ("4", "one\r\n..two\r\n\r\nfour\r\n"),
        ("5", "one\r\n..two\r\n\r\nfour\r\n"),
        ("18446744073709551615", "one\r\n..two\r\n\r\nfour\r\n"),
    ] {
        for number in [1, 2] {
            let sent = session.message(&format!("TOP {number} {lines}"));
            let expected = format!("{header}{body}.\r\n");
            assert_eq!(String::from_utf8_lossy(&sent), expected, "{number} {lines}");
        }
    }
    assert_eq!(session.message("TOP 3 0"), b"A: 1\r\nno body\r\n.\r\n");
    assert_eq!(session.message("TOP 4 0"), b".\r\n");
}

/// Lines of 70 bytes, so many bytes together.
fn text(bytes: usize) -> String {
    let mut text = "Subject: long\n\n".to_owned();
    while text.len() < bytes {
        let _ = writeln!(text, ".{:068}", text.len());
    }
    text
}

/// The sizes of the writes to the client that a trace tells of, in their order.
fn writes(trace: &str) -> Vec<usize> {
    let sends = |line: &&str| {
        line.contains("<socket:[") && (line.contains("send") || line.contains("write"))
    };
    // A socket that is full takes nothing, and is tried again.
    let sends = trace
        .lines()
        .filter(sends)
        .filter(|line| !line.contains("EAGAIN"));
    let result = |line: &str| line.rsplit_once("= ")?.1.parse().ok();
    sends
        .map(|line| result(line).unwrap_or_else(|| panic!("{line}")))
        .collect()
}

const SENDING: [&str; 2] = ["-e", "trace=write,writev,sendto,sendmsg,sendmmsg,sendfile"];

/// Whether this machine lets strace work; if not, that is noted.
fn was_traced(mailbox: &Mailbox, what: &str) -> bool {
    let traced =
        fs::read_to_string(mailbox.home().join("trace")).is_ok_and(|text| text.contains("+++"));
    if !traced {
        note_left_out(what, "this machine does not let programs be traced");
    }
    traced
}

#[test]
fn each_reply_is_one_write() {
    let Some(strace) = peer("strace") else { return };
    let mailbox = Mailbox::with(&[&text(30_000), "A: 2\n\n.\n"]);
    for number in 3..300 {
        mailbox.put(&format!("cur/{number}.{}:2,S", "n".repeat(60)), "A: b\n");
    }
    let mut session = mailbox.traced(&strace, &SENDING, &[]);
    let Some(greeting) = session.try_line() else {
        was_traced(&mailbox, "the writes of replies");
        return;
    };
    assert_eq!(greeting, OK);
    let mut sizes = vec![6];
    for command in [
        "STAT", "LIST", "UIDL", "CAPA", "RETR 1", "RETR 2", "TOP 1 10", "DELE 1", "NOPE",
    ] {
        let first = session.ask(command);
        let more = match command {
            "STAT" | "DELE 1" | "NOPE" => 0,
            _ => session.raw_lines().len(),
        };
        sizes.push(first.len() + 2 + more);
    }
    session.quit();
    sizes.push(6);
    assert_eq!(writes(&mailbox.trace()), sizes);
}

#[test]
fn a_large_message_goes_out_in_large_writes() {
    let Some(strace) = peer("strace") else { return };
    let message = text(1 << 20);
    let mailbox = Mailbox::with(&[&message]);
    let mut session = mailbox.traced(&strace, &SENDING, &[]);
    if session.try_line().is_none() {
        was_traced(&mailbox, "the writes of a large message");
        return;
    }
    let sent = session.message("RETR 1");
    assert!(sent == stuffed(&on_the_wire(message.as_bytes())));
    session.quit();
    let writes = writes(&mailbox.trace());
    // A socket may take a part of what it is given, so they are not all alike.
    assert!(writes.len() * (32 << 10) < sent.len(), "{writes:?}");
    assert_eq!(writes.iter().sum::<usize>(), sent.len() + 3 * 6);
}

#[test]
fn memory_does_not_depend_on_the_size_of_a_message() {
    let peak = |bytes: usize| -> usize {
        let mailbox = Mailbox::with(&[&text(bytes)]);
        let mut session = mailbox.session(&[]);
        session.message("RETR 1");
        let status = fs::read_to_string(format!("/proc/{}/status", session.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    };
    let (small, large) = (peak(100_000), peak(8_000_000));
    // Pages of the executable, which may be there or not, are counted, too.
    assert!(large < small + 2048, "{small} kB, then {large} kB");
}

#[test]
fn a_message_that_cannot_be_read_at_all_is_an_error_and_a_fault() {
    let mailbox = Mailbox::with(&["A: 1\n", "A: 2\n"]);
    mailbox.chmod("new/1.a", 0o000);
    let mut session = mailbox.session(&[]);
    session.dialogue(&[
        ("RETR 1", "-ERR unable to open that message"),
        ("TOP 1 0", "-ERR unable to open that message"),
        ("RETR 2", OK),
    ]);
    assert_eq!(session.lines(), ["A: 2"]);
    let log = session.quit();
    let fault =
        "pop3d: fault ip=192.0.2.1 user=joe reason=\"unable to read message 1.a: access denied\"";
    assert!(log.lines().any(|line| line == fault), "{log}");
}

#[test]
fn a_message_that_can_be_read_only_in_part_gets_no_end_mark() {
    let Some(strace) = peer("strace") else { return };
    let mailbox = Mailbox::new();
    let message = text(100_000);
    let wire = on_the_wire(message.as_bytes());
    let name = format!("new/1.a,S={},W={}", message.len(), wire.len());
    let path = mailbox.put(&name, &message);
    // The disk fails at the third piece of the file.
    let words = [
        "-P",
        path.to_str().unwrap(),
        "-e",
        "inject=read:error=EIO:when=3+",
    ];
    let mut session = mailbox.traced(&strace, &words, &[]);
    if session.try_line().is_none() {
        was_traced(&mailbox, "a disk that fails");
        return;
    }
    assert_eq!(session.ask("DELE 1"), OK);
    assert_eq!(session.ask("RSET"), OK);
    assert_eq!(session.ask("RETR 1"), OK);
    let sent = session.rest();
    assert!(stuffed(&wire).starts_with(&sent));
    assert!(sent.len() < 40_000, "{}", sent.len());
    let (code, log) = session.end();
    assert_eq!(code, Some(0));
    assert!(
        log.contains("reason=\"unable to read message 1.a,S="),
        "{log}"
    );
    assert!(log.contains(" end=read-error"), "{log}");
    assert_eq!(mailbox.names(), [name]);
}

#[test]
fn sizes_in_a_name_are_believed_where_they_agree_and_corrected_where_they_are_wrong() {
    let mailbox = Mailbox::new();
    mailbox.put("new/1.right,S=7,W=9", "A: b\n\nx");
    mailbox.put("new/2.wrong,S=6,W=12", "A: b\n\n");
    mailbox.put("new/3.other,S=99,W=100", "A: b\n\n");
    mailbox.put("new/4.alone,S=6", "A: b\n\n");
    let mut session = mailbox.session(&[]);
    // What W says is taken, though the first lacks its last line end; the third's S is not the file's.
    assert_eq!(session.listing("LIST"), ["1 9", "2 12", "3 8", "4 8"]);
    for number in 1..=4 {
        session.message(&format!("RETR {number}"));
    }
    assert_eq!(session.listing("LIST"), ["1 9", "2 12", "3 8", "4 8"]);
    let log = session.quit();
    let fault = "reason=\"the size of message 1.right,S=7,W=9 was thought to be 9 and is 11\"";
    assert!(log.contains(fault), "{log}");
    assert_eq!(
        log.matches(" fault ").count(),
        1,
        "one line a session: {log}"
    );
    // The next session knows better.
    let mut session = mailbox.session(&[]);
    assert_eq!(session.listing("LIST"), ["1 11", "2 8", "3 8", "4 8"]);
}

#[test]
fn a_message_of_someone_who_takes_nothing_ends_with_the_timeout() {
    let mailbox = Mailbox::with(&[&text(4 << 20)]);
    let mut session = mailbox.session(&[("TIMEOUT", "1")]);
    session.send("DELE 1\r\nRSET\r\nRETR 1\r\nQUIT\r\n");
    let (code, log) = session.wait();
    assert_eq!(code, Some(0));
    assert!(log.contains(" end=timeout"), "{log}");
    assert_eq!(mailbox.names(), ["new/1.a"]);
}

#[test]
fn a_message_that_is_cut_off_while_it_is_sent_gets_no_end_mark() {
    let mailbox = Mailbox::new();
    let path = mailbox.put("cur/1.a:2,", vec![b'\n'; 8 << 20]);
    let mut session = mailbox.session(&[]);
    assert_eq!(session.ask("RETR 1"), OK);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(6 << 20).unwrap();
    let rest = session.rest();
    assert_eq!(rest.len(), 12 << 20);
    assert!(rest.ends_with(b"\r\n\r\n"));
    let (code, log) = session.end();
    assert_eq!(code, Some(0));
    assert!(log.contains("end of file"), "{log}");
    assert!(log.ends_with(" end=read-error\n"), "{log}");
}
