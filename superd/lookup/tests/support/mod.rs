//! The caller's end, and servers to look things up from.

pub mod dns;
pub mod ident;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ::dns::servers::Source;
use lookup::settings::Settings;
use lookup::{Answer, HostAnswer, HostRequest, MESSAGE_LIMIT, Reply, Request};

/// Longer than any test should take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The settings of most tests: the usual times, these servers, their port.
///
/// With the usual times "at once" is far from the 1 s after which the next server would be asked,
/// so a slow machine does not spoil a test.
pub fn settings(servers: &[SocketAddr]) -> Settings {
    let list = servers.iter().map(SocketAddr::ip).collect();
    Settings {
        dns_port: servers.first().map_or(1, SocketAddr::port),
        ..Settings::of_servers(Source::Fixed(list))
    }
}

/// The same with a fifth of the usual times, for tests that have to wait until time is over.
pub fn hurried(servers: &[SocketAddr]) -> Settings {
    Settings {
        rounds: [200, 300, 500].map(Duration::from_millis),
        names_deadline: Duration::from_millis(1_000),
        host_deadline: Duration::from_millis(2_000),
        ..settings(servers)
    }
}

/// Less than the time of a first try, and more than anything takes that is done at once.
pub const AT_ONCE: Duration = Duration::from_millis(900);

/// What to ask about a connection from `remote`: its name only.
pub fn request(id: u64, remote: &str) -> Request {
    let remote: IpAddr = remote.parse().expect("an address");
    Request {
        id,
        remote_name: true,
        paranoid: false,
        local_name: false,
        ident: None,
        local: "127.0.0.1:2525".parse().expect("an address"),
        remote: SocketAddr::new(remote, 50_559),
    }
}

/// superd's end of the socket, with the process as a thread at the other.
pub struct Caller {
    socket: OwnedFd,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Caller {
    pub fn start(settings: Settings) -> Caller {
        let (socket, theirs) = os::socket::message_pair().expect("a pair");
        let thread = std::thread::spawn(|| lookup::serve(theirs, settings));
        Caller { socket, thread }
    }

    pub fn send(&self, record: &[u8]) {
        let deadline = Instant::now() + PATIENCE;
        while !self.try_send(record) {
            assert!(os::fd::wait_writable(self.socket.as_fd(), deadline).expect("a wait"));
        }
    }

    /// Whether there was room.
    pub fn try_send(&self, record: &[u8]) -> bool {
        match os::socket::send_nowait(self.socket.as_fd(), record) {
            Ok(_) => true,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => false,
            Err(error) => panic!("{error}"),
        }
    }

    pub fn receive(&self) -> Reply {
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [0; MESSAGE_LIMIT];
        let length = os::fd::read_until(self.socket.as_fd(), &mut buffer, deadline);
        let length = length.expect("an answer in time");
        Reply::decode(&buffer[..length]).expect("a good record")
    }

    pub fn receive_answer(&self) -> Answer {
        match self.receive() {
            Reply::Connection(answer) => answer,
            Reply::Host(answer) => panic!("{answer:?}"),
        }
    }

    /// The answer, and how long it took.
    pub fn look_up(&self, request: &Request) -> (Answer, Duration) {
        let start = Instant::now();
        self.send(&request.encode());
        let answer = self.receive_answer();
        assert_eq!(answer.id, request.id);
        (answer, start.elapsed())
    }

    pub fn look_up_host(&self, request: &HostRequest) -> HostAnswer {
        self.send(&request.encode().expect("a short word"));
        match self.receive() {
            Reply::Host(answer) => answer,
            Reply::Connection(answer) => panic!("{answer:?}"),
        }
    }

    /// As many answers as are expected, by number.
    pub fn receive_all(&self, count: usize) -> HashMap<u64, Answer> {
        let mut all = HashMap::new();
        for _ in 0..count {
            let answer = self.receive_answer();
            assert!(all.insert(answer.id, answer).is_none(), "one answer each");
        }
        all
    }

    /// Closes this end; how the process ended.
    pub fn close(self) -> std::io::Result<()> {
        drop(self.socket);
        self.thread.join().expect("no panic")
    }

    /// How the process ended, without having been told to.
    pub fn join(self) -> std::io::Result<()> {
        self.thread.join().expect("no panic")
    }
}
