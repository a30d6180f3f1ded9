//! Clients that die with whole messages on their way. Nobody hears that one of them was taken, so all are sent
//! again: what is delivered nevertheless comes twice.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kit::smtp::House;
use kit::{DEADLINE, is_root, libexec, run, signal};

/// Messages that are on their way at once.
const MANY: usize = 12;

/// What the client and the server are connected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Tcp,
    /// As behind a process that speaks TLS with the client, and dies with it.
    Pair,
}

/// The client's side.
enum End {
    Tcp(TcpStream),
    Pair(UnixStream),
}

impl End {
    /// Both sides.
    fn connected(way: Way) -> (End, OwnedFd) {
        match way {
            Way::Tcp => {
                let listener = TcpListener::bind((kit::address(), 0)).unwrap();
                let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                (End::Tcp(client), listener.accept().unwrap().0.into())
            }
            Way::Pair => {
                let (client, server) = UnixStream::pair().unwrap();
                (End::Pair(client), server.into())
            }
        }
    }

    fn send(&mut self, text: &str) {
        match self {
            End::Tcp(stream) => stream.write_all(text.as_bytes()),
            End::Pair(stream) => stream.write_all(text.as_bytes()),
        }
        .unwrap();
    }

    /// Says that no more comes; replies go on.
    fn close_sending(&self) {
        match self {
            End::Tcp(stream) => stream.shutdown(Shutdown::Write),
            End::Pair(stream) => stream.shutdown(Shutdown::Write),
        }
        .unwrap();
    }

    fn reader(&mut self) -> &mut dyn Read {
        match self {
            End::Tcp(stream) => stream,
            End::Pair(stream) => stream,
        }
    }

    /// Reads up to these bytes and none behind them.
    fn read_to(&mut self, end: &str) {
        let mut text = Vec::new();
        while !text.ends_with(end.as_bytes()) {
            let mut byte = [0];
            self.reader().read_exact(&mut byte).unwrap();
            text.push(byte[0]);
        }
    }
}

/// Waits until the client's end is closed, of which `socket` is the other one. That may be a moment after it was
/// dropped: another test that has just forked holds a copy of all descriptors until its program is executed.
fn wait_until_closed(way: Way, socket: &OwnedFd) {
    let is_closed = || match way {
        Way::Pair => os::fd::is_broken(socket.as_fd()),
        Way::Tcp => is_close_wait(&TcpStream::from(socket.try_clone().unwrap())),
    };
    let start = Instant::now();
    while !is_closed() {
        assert!(start.elapsed() < DEADLINE, "the client's end is closed");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the peer has said that no more comes, as the kernel's table of connections shows it (proc_net(5)).
fn is_close_wait(stream: &TcpStream) -> bool {
    let ours = format!(":{:04X}", stream.local_addr().unwrap().port());
    let theirs = format!(":{:04X}", stream.peer_addr().unwrap().port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.len() > 3
            && words[1].ends_with(&ours)
            && words[2].ends_with(&theirs)
            && words[3] == "08"
    })
}

/// A server on a socket, which is its alone, or its end would not be seen.
fn serve(house: &House, program: &str, socket: OwnedFd) -> Child {
    let mut command = Command::new(libexec().join(program));
    command
        .env_clear()
        .env("PATH", run::PATH)
        .env("SUPERD_HOME", house.path("home"))
        .env("TCPREMOTEIP", "192.0.2.1")
        .stdin(socket.try_clone().unwrap())
        .stdout(socket)
        .stderr(Stdio::piped());
    if is_root() {
        command.uid(house.user).gid(house.group);
    }
    command.spawn().unwrap()
}

/// The server's log, after its end.
fn log(mut child: Child) -> String {
    run::wait(&mut child, Instant::now() + DEADLINE).expect("it ends");
    let mut text = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut text).unwrap();
    text
}

/// How messages are sent without waiting for replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bdat,
    Data,
    Lmtp,
}

impl Form {
    fn program(self) -> &'static str {
        match self {
            Form::Bdat | Form::Data => "smtpd",
            Form::Lmtp => "lmtpd",
        }
    }

    fn hello(self) -> &'static str {
        match self {
            Form::Bdat | Form::Data => "EHLO c\r\n",
            Form::Lmtp => "LHLO c\r\n",
        }
    }

    /// All messages in one piece.
    fn messages(self) -> String {
        let text = match self {
            Form::Bdat => "BDAT 17 LAST\r\nSubject: x\r\n\r\nx\r\n",
            Form::Data | Form::Lmtp => "DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n",
        };
        format!("MAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\n{text}").repeat(MANY)
    }
}

const CASES: [(Form, Way); 6] = [
    (Form::Bdat, Way::Tcp),
    (Form::Bdat, Way::Pair),
    (Form::Data, Way::Tcp),
    (Form::Data, Way::Pair),
    (Form::Lmtp, Way::Tcp),
    (Form::Lmtp, Way::Pair),
];

#[test]
fn no_message_is_taken_of_a_client_that_died_before_its_first_reply() {
    for (form, way) in CASES {
        let house = House::new();
        let (mut client, socket) = End::connected(way);
        client.send(&format!("{}{}", form.hello(), form.messages()));
        drop(client);
        wait_until_closed(way, &socket);
        let log = log(serve(&house, form.program(), socket));
        assert_eq!(house.mail("joe").len(), 0, "{form:?} {way:?}: {log}");
        assert!(house.unfinished("joe").is_empty(), "{form:?} {way:?}");
    }
}

#[test]
fn of_pipelined_messages_of_a_client_that_died_one_is_taken_at_most() {
    for (form, way) in CASES {
        let house = House::new();
        let (mut client, socket) = End::connected(way);
        let watched = socket.try_clone().unwrap();
        let child = serve(&house, form.program(), socket);
        client.send(form.hello());
        client.read_to(match form {
            Form::Lmtp => "250 ENHANCEDSTATUSCODES\r\n",
            Form::Bdat | Form::Data => "250 SIZE 0\r\n",
        });
        signal(child.id(), "STOP");
        client.send(&form.messages());
        drop(client);
        wait_until_closed(way, &watched);
        signal(child.id(), "CONT");
        let log = log(child);
        let taken = house.mail("joe").len();
        // A dead client's socket looks like a half-closed one until something is sent there.
        assert!(
            taken <= usize::from(way == Way::Tcp),
            "{form:?} {way:?}: {taken}: {log}"
        );
        assert!(house.unfinished("joe").is_empty(), "{form:?} {way:?}");
        // By TCP the end can come to light between two messages, too, where there is none to give up.
        let event = format!("{}: broken ", form.program());
        let (broken, least) = (log.matches(&event).count(), usize::from(way == Way::Pair));
        assert!((least..=1).contains(&broken), "{form:?} {way:?}: {log}");
    }
}

#[test]
fn a_client_that_only_says_that_no_more_comes_has_everything_taken_and_told() {
    for (form, way) in CASES {
        let house = House::new();
        let (mut client, socket) = End::connected(way);
        client.send(&format!("{}{}", form.hello(), form.messages()));
        client.close_sending();
        let child = serve(&house, form.program(), socket);
        let mut text = String::new();
        client.reader().read_to_string(&mut text).unwrap();
        let log = log(child);
        assert_eq!(house.mail("joe").len(), MANY, "{form:?} {way:?}: {log}");
        let told = match form {
            Form::Lmtp => text.matches("\r\n250 2.1.5 ok 1").count(),
            Form::Bdat | Form::Data => text.matches("\r\n250 ok 1").count(),
        };
        assert_eq!(told, MANY, "{form:?} {way:?}: {text}");
    }
}
