//! A TCP client that can choose its own address, and never waits for ever.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::DEADLINE;

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects, from an address that the system chooses.
    pub fn connect(server: SocketAddr) -> Client {
        Client::attempt(None, server, DEADLINE)
            .unwrap_or_else(|error| panic!("connect to {server}: {error}"))
    }

    /// Connects from a given address (any port).
    pub fn connect_from(source: Ipv4Addr, server: SocketAddr) -> Client {
        Client::attempt(Some(source), server, DEADLINE)
            .unwrap_or_else(|error| panic!("connect from {source} to {server}: {error}"))
    }

    /// Connects, with the system's answer as it is.
    pub fn attempt(
        source: Option<Ipv4Addr>,
        server: SocketAddr,
        limit: Duration,
    ) -> io::Result<Client> {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
        if let Some(source) = source {
            socket.bind(&SocketAddr::new(IpAddr::V4(source), 0).into())?;
        }
        socket.connect_timeout(&server.into(), limit)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Client {
            stream: BufReader::new(stream),
        })
    }

    /// The client's own address and port.
    pub fn address(&self) -> SocketAddr {
        self.stream.get_ref().local_addr().unwrap()
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends bytes in a thread of its own, while replies are read in this one. A server that closes before has
    /// not read them all.
    pub fn send_aside(&self, bytes: Vec<u8>) {
        let mut stream = self.stream.get_ref().try_clone().unwrap();
        std::thread::spawn(move || stream.write_all(&bytes));
    }

    /// Sends a line with CR LF.
    pub fn say(&mut self, line: &str) {
        self.send(format!("{line}\r\n"));
    }

    /// [`Client::send`] to a server that may have gone.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends a line with CR LF; `None` where the server has gone.
    pub fn try_say(&mut self, line: &str) -> Option<()> {
        let stream = self.stream.get_mut();
        stream.write_all(format!("{line}\r\n").as_bytes()).ok()
    }

    /// [`Client::line`]; `None` where the connection has ended, in whatever way.
    pub fn try_line(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        let read = self.stream.read_until(b'\n', &mut bytes);
        let line = bytes.strip_suffix(b"\n")?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        read.is_ok()
            .then(|| String::from_utf8_lossy(line).into_owned())
    }

    /// The lines of a reply of POP3's form after its first, to the dot, unstuffed; `None` where the
    /// connection ends before.
    pub fn try_body(&mut self) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let mut bytes = Vec::new();
            if !matches!(self.stream.read_until(b'\n', &mut bytes), Ok(1..)) {
                return None;
            }
            let line = bytes.strip_suffix(b"\r\n")?;
            if line == b"." {
                return Some(lines);
            }
            let line = line.strip_prefix(b".").unwrap_or(line);
            lines.push(String::from_utf8_lossy(line).into_owned());
        }
    }

    /// Reads one line to the byte, with its end. Empty at the end of the connection, of which a reset is one.
    pub fn raw_line(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.stream.read_until(b'\n', &mut bytes) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error),
            _ => Ok(bytes),
        }
    }

    /// Reads one line; CR and LF are cut off. Empty at the end of the connection.
    pub fn line(&mut self) -> String {
        let mut bytes = Vec::new();
        self.stream
            .read_until(b'\n', &mut bytes)
            .unwrap_or_else(|error| panic!("waiting for a line: {error}"));
        String::from_utf8_lossy(&bytes)
            .trim_end_matches(['\r', '\n'])
            .to_owned()
    }

    /// Reads a reply of SMTP's form (lines with a hyphen behind the code go on), and fails unless its
    /// last line begins with `prefix`. Returns all lines.
    pub fn expect(&mut self, prefix: &str) -> Vec<String> {
        let mut lines = vec![self.line()];
        while lines
            .last()
            .is_some_and(|line| line.as_bytes().get(3) == Some(&b'-'))
        {
            lines.push(self.line());
        }
        let last = lines.last().unwrap();
        assert!(
            last.starts_with(prefix),
            "expected {prefix:?}, got {lines:?}"
        );
        lines
    }

    /// Plays a dialogue: the greeting, then each line said and its reply awaited.
    pub fn dialogue(&mut self, greeting: &str, steps: &[(&str, &str)]) {
        self.expect(greeting);
        for (said, reply) in steps {
            self.say(said);
            self.expect(reply);
        }
    }

    /// Says that nothing more will be sent.
    pub fn finish(&self) {
        self.try_finish().unwrap();
    }

    /// [`Client::finish`] to a server that may have gone.
    pub fn try_finish(&self) -> io::Result<()> {
        self.stream.get_ref().shutdown(std::net::Shutdown::Write)
    }

    /// Reads to the end of the connection. A reset counts as an end: a server that closes with
    /// unread input in its buffer sends one.
    pub fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => bytes,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => bytes,
            Err(error) => panic!("reading to the end after {bytes:?}: {error}"),
        }
    }

    /// [`Client::rest`] as text.
    pub fn text(self) -> String {
        String::from_utf8_lossy(&self.rest()).into_owned()
    }

    /// Whether nothing at all comes within `time`: no byte, no end.
    pub fn is_silent_for(&mut self, time: Duration) -> bool {
        assert!(self.stream.buffer().is_empty(), "bytes came before");
        let stream = self.stream.get_ref();
        stream.set_read_timeout(Some(time)).unwrap();
        let started = Instant::now();
        let silent = match stream.peek(&mut [0]) {
            Ok(_) => false,
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        };
        assert!(!silent || started.elapsed() >= time / 2);
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        silent
    }

    /// Breaks the connection off with a reset.
    pub fn reset(self) {
        let socket = Socket::from(self.stream.into_inner());
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
}
