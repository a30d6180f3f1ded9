//! Clients that die with commands on their way. What they have sent has arrived, and their next session looks
//! whether it was done: what is done after that look comes twice, for they send it again.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use crate::house::{Home, simple};
use kit::{DEADLINE, run, signal};

/// Commands that are on their way at once.
const MANY: u64 = 40;

/// How the client and imapd are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Tcp,
    /// As behind a process that speaks TLS with the client, and dies with it.
    Pair,
    Pipes,
}

const WAYS: [Way; 3] = [Way::Tcp, Way::Pair, Way::Pipes];

/// The client's side.
enum Ends {
    Tcp(TcpStream),
    Pair(UnixStream),
    Pipes(std::io::PipeReader, std::io::PipeWriter),
}

/// Two ends of a connection by TCP.
fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((kit::address(), 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// imapd behind a way, and the client's side of it.
fn session(home: &Home, way: Way) -> (Ends, Child) {
    let (ends, child, _) = watched_session(home, way);
    (ends, child)
}

/// The same, and what imapd writes to, for a look at what it can know of the client.
fn watched_session(home: &Home, way: Way) -> (Ends, Child, OwnedFd) {
    let (ends, input, output): (_, OwnedFd, OwnedFd) = match way {
        Way::Tcp => {
            let (ours, theirs) = tcp();
            (
                Ends::Tcp(ours),
                theirs.try_clone().unwrap().into(),
                theirs.into(),
            )
        }
        Way::Pair => {
            let (ours, theirs) = UnixStream::pair().unwrap();
            (
                Ends::Pair(ours),
                theirs.try_clone().unwrap().into(),
                theirs.into(),
            )
        }
        Way::Pipes => {
            let (input, writer) = std::io::pipe().unwrap();
            let (reader, output) = std::io::pipe().unwrap();
            (Ends::Pipes(reader, writer), input.into(), output.into())
        }
    };
    let child = home.imapd_on(input, output.try_clone().unwrap(), &[]);
    (ends, child, output)
}

/// Waits until what imapd writes to is broken. That may be a moment after its other end was closed: another test
/// that has just forked holds a copy of all descriptors until its program is executed.
fn wait_until_broken(output: &OwnedFd) {
    let start = Instant::now();
    while !os::fd::is_broken(output.as_fd()) {
        assert!(start.elapsed() < DEADLINE, "the connection breaks");
        thread::sleep(Duration::from_millis(5));
    }
}

impl Ends {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Ends::Tcp(stream) => stream,
            Ends::Pair(stream) => stream,
            Ends::Pipes(_, writer) => writer,
        }
    }

    fn reader(&mut self) -> &mut dyn Read {
        match self {
            Ends::Tcp(stream) => stream,
            Ends::Pair(stream) => stream,
            Ends::Pipes(reader, _) => reader,
        }
    }

    /// Reads one line, and not a byte behind it.
    fn line(&mut self) -> String {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            self.reader().read_exact(&mut byte).unwrap();
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    /// Reads to the reply to the command with this tag.
    fn reply(&mut self, tag: &str) -> String {
        loop {
            let line = self.line();
            if line.starts_with(&format!("{tag} ")) {
                return line;
            }
        }
    }

    /// Says that no more comes; the client's replies go on.
    fn close_sending(self) -> Box<dyn Read> {
        match self {
            Ends::Tcp(stream) => {
                stream.shutdown(Shutdown::Write).unwrap();
                Box::new(stream)
            }
            Ends::Pair(stream) => {
                stream.shutdown(Shutdown::Write).unwrap();
                Box::new(stream)
            }
            Ends::Pipes(reader, writer) => {
                drop(writer);
                Box::new(reader)
            }
        }
    }
}

/// APPENDs of messages 1 to [`MANY`], in one piece.
fn appends(mailbox: impl Fn(u64) -> &'static str) -> String {
    (1..=MANY)
        .map(|number| {
            let message = simple(number).replace('\n', "\r\n");
            let (length, mailbox) = (message.len(), mailbox(number));
            format!("a{number} APPEND {mailbox} {{{length}+}}\r\n{message}\r\n")
        })
        .collect()
}

/// Waits for the end of imapd.
fn wait(mut child: Child) {
    let ended = run::wait(&mut child, Instant::now() + DEADLINE).expect("imapd ends");
    assert_eq!(ended.code(), Some(0));
}

/// A home with `.box` and `.held`, and in INBOX some messages to be copied.
fn furnished() -> Home {
    let home = Home::new();
    home.folder(".box");
    home.folder(".held");
    for number in 1..=3 {
        home.put("", number, simple(number));
    }
    home
}

/// Takes long: it waits for the lock of `.held`.
const HELD: &str = "h APPEND held {7+}\r\nA: b\r\n\r\r\n";

/// What a client that is dead when imapd gets to them has reached with these commands, the first one and all
/// others: the messages in `.box`.
///
/// Between the first one and the others is one that takes long. A dead client's TCP socket looks like a half-closed
/// one until a reply to it is answered by a RST, and that comes in its own time, on a busy machine even here. It has
/// come when that command is over; and it would never come if the reply to the first one were not sent at once.
fn done_for_the_dead(way: Way, first: &str, others: &str) -> usize {
    let home = furnished();
    let (mut client, child, output) = watched_session(&home, way);
    client.line();
    client.writer().write_all(b"s SELECT INBOX\r\n").unwrap();
    client.reply("s");
    signal(child.id(), "STOP");
    let commands = [first, HELD, others].concat();
    client.writer().write_all(commands.as_bytes()).unwrap();
    drop(client);
    let lock = locked(&home, ".held");
    if way != Way::Tcp {
        wait_until_broken(&output);
    }
    signal(child.id(), "CONT");
    wait_until_broken(&output);
    drop(lock);
    wait(child);
    assert!(
        !home.names("").is_empty(),
        "UID 1 was moved, the others not"
    );
    home.names(".box").len()
}

/// What a client that died gets done of its first command, by each way: what a half-closed one would, where they
/// cannot be told apart, and else nothing.
fn once(way: Way, messages: usize) -> usize {
    match way {
        Way::Tcp => messages,
        Way::Pair | Way::Pipes => 0,
    }
}

#[test]
fn of_pipelined_appends_of_a_client_that_died_one_is_done_at_most() {
    let commands = appends(|_| "box");
    let (first, others) = commands.split_at(commands.find("a2 ").unwrap());
    for way in WAYS {
        let done = done_for_the_dead(way, first, others);
        assert_eq!(done, once(way, 1), "{way:?}, of {MANY}");
    }
}

#[test]
fn of_pipelined_copies_and_moves_of_a_client_that_died_one_is_done_at_most() {
    for verb in ["COPY 1", "UID COPY 1:2", "MOVE 1", "UID MOVE 1"] {
        let others: String = (2..=MANY)
            .map(|number| format!("c{number} {verb} box\r\n"))
            .collect();
        let messages = if verb.ends_with('2') { 2 } else { 1 };
        for way in WAYS {
            let done = done_for_the_dead(way, &format!("c1 {verb} box\r\n"), &others);
            assert_eq!(done, once(way, messages), "{verb}, {way:?}");
        }
    }
}

#[test]
fn a_client_that_only_says_that_no_more_comes_gets_everything_done_and_told() {
    for way in WAYS {
        let home = furnished();
        let (mut client, child) = session(&home, way);
        client.line();
        signal(child.id(), "STOP");
        let mut commands = appends(|_| "box");
        commands.push_str("s SELECT INBOX\r\nc COPY 1 box\r\nm MOVE 2 box\r\n");
        client.writer().write_all(commands.as_bytes()).unwrap();
        let mut replies = client.close_sending();
        signal(child.id(), "CONT");
        let mut text = String::new();
        replies.read_to_string(&mut text).unwrap();
        let appended = text.matches(" OK [APPENDUID ").count();
        assert_eq!(appended, MANY as usize, "{way:?}: {text}");
        assert!(
            text.contains("\r\nc OK ") && text.contains("\r\nm OK "),
            "{way:?}: {text}"
        );
        assert_eq!(home.names(".box").len(), MANY as usize + 2, "{way:?}");
        wait(child);
    }
}

/// Holds the lock of a mailbox as another session does, until it is dropped.
fn locked(home: &Home, folder: &str) -> File {
    let path = home.mail(&format!("{folder}/superd-lock"));
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(_) => File::open(home.write(&format!("{folder}/superd-lock"), "")).unwrap(),
    };
    file.lock().unwrap();
    file
}

#[test]
fn what_was_done_is_told_before_the_next_command_is_begun() {
    for way in WAYS {
        for first in [
            "APPEND INBOX {7+}\r\nA: b\r\n\r",
            "COPY 1 INBOX",
            "MOVE 1 INBOX",
        ] {
            let home = furnished();
            let (mut client, child) = session(&home, way);
            client.line();
            client.writer().write_all(b"s SELECT INBOX\r\n").unwrap();
            client.reply("s");
            // The second one waits for a lock, for longer than the test has time.
            let lock = locked(&home, ".box");
            let commands = format!("a {first}\r\nb APPEND box {{7+}}\r\nA: b\r\n\r\r\n");
            client.writer().write_all(commands.as_bytes()).unwrap();
            let start = Instant::now();
            let reply = client.reply("a");
            assert!(reply.starts_with("a OK "), "{way:?} {first}: {reply}");
            let waited = start.elapsed();
            drop(lock);
            assert!(client.reply("b").starts_with("b OK "));
            assert!(waited.as_secs() < 15, "{way:?} {first}: {waited:?}");
            drop(client);
            wait(child);
        }
    }
}

/// What a process that speaks TLS does: it carries what the client sends to imapd, passes on that no more
/// comes, and ends when a reply shows that the client is no more.
fn relay(outside: TcpStream, inside: UnixStream) -> thread::JoinHandle<()> {
    let (mut from, mut to) = (outside.try_clone().unwrap(), inside.try_clone().unwrap());
    let there = thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let (mut inside, mut outside) = (inside, outside);
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = inside.read(&mut buffer) {
            let sent = outside.write_all(&buffer[..count]);
            if sent.is_err() || !matches!(outside.take_error(), Ok(None)) {
                break;
            }
        }
        let _ = inside.shutdown(Shutdown::Both);
        let _ = outside.shutdown(Shutdown::Both);
        drop(inside);
        let _ = there.join();
    })
}

#[test]
fn behind_a_process_that_speaks_tls_it_ends_where_the_first_reply_finds_nobody() {
    let home = furnished();
    let (mut client, outside) = tcp();
    let (inside, theirs) = UnixStream::pair().unwrap();
    let child = home.imapd_on(
        OwnedFd::from(theirs.try_clone().unwrap()),
        theirs.into(),
        &[],
    );
    let relaying = relay(outside, inside);
    let mut lines = BufReader::new(client.try_clone().unwrap());
    lines.read_line(&mut String::new()).unwrap();
    signal(child.id(), "STOP");
    // The first reply is on its way while the second command waits; it is begun, and no third one.
    let lock = locked(&home, ".box");
    let commands = appends(|number| if number == 1 { "INBOX" } else { "box" });
    client.write_all(commands.as_bytes()).unwrap();
    client.shutdown(Shutdown::Both).unwrap();
    drop((lines, client));
    signal(child.id(), "CONT");
    relaying.join().unwrap();
    drop(lock);
    wait(child);
    assert_eq!(home.names("").len(), 4);
    let done = home.names(".box").len();
    assert!(done <= 1, "{done}");
}
