//! A resolver for a program that has nothing else to do than to wait for it.

use std::io;
use std::rc::Rc;
use std::time::Instant;

use mio::{Events, Poll};

use crate::resolver::Resolver;
use crate::settings::Settings;
use crate::shell::{Asked, Shell};
use crate::{Outcome, Question};

/// Questions in the air at the same time; their outcomes come one by one, as they come. `W` is
/// whatever names a question to the caller.
#[derive(Debug)]
pub struct Client<W> {
    poll: Poll,
    events: Events,
    shell: Shell<Asked>,
    resolver: Resolver<W>,
    /// How many outcomes are still to come.
    waiting: usize,
}

impl<W> Client<W> {
    /// One that asks nothing yet.
    pub fn new(settings: &Settings) -> io::Result<Client<W>> {
        let poll = Poll::new()?;
        Ok(Client {
            shell: Shell::new(poll.registry().try_clone()?, 0),
            poll,
            events: Events::with_capacity(64),
            resolver: Resolver::new(settings),
            waiting: 0,
        })
    }

    /// Sends a question out, whose time begins `now`.
    pub fn ask(&mut self, question: Question, name: W, now: Instant) {
        self.waiting += 1;
        self.resolver.ask(question, name, now, &mut self.shell);
    }

    /// Waits for the next outcome, by the deadline of its question at the latest; `None` where none
    /// is to come any more.
    pub fn next_outcome(&mut self) -> io::Result<Option<(W, Rc<Outcome>)>> {
        while self.waiting > 0 {
            if let Some(finished) = self.resolver.take_finished() {
                self.waiting -= 1;
                return Ok(Some(finished));
            }
            self.wait()?;
        }
        Ok(None)
    }

    fn wait(&mut self) -> io::Result<()> {
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        let timeout = self.shell.next_timer().map(left);
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let now = Instant::now();
        for event in &self.events {
            let token = event.token();
            if let Some(question) = self.shell.owner(token) {
                self.resolver.event(question, token, now, &mut self.shell);
            }
        }
        // After the events: what has come in time is not overtaken by the deadline.
        while let Some(question) = self.shell.take_due(now) {
            self.resolver.time_is_over(question, now, &mut self.shell);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
    use std::time::Duration;

    use crate::servers::Source;
    use crate::settings::ROUNDS;
    use crate::{DnsName, Found, Kind, Trouble};

    fn question(name: &str) -> Question {
        Question {
            name: DnsName::parse(name.as_bytes()).expect("a name"),
            kind: Kind::Ipv4,
        }
    }

    /// The response to `query` with one address.
    fn response(query: &[u8], last: u8) -> Vec<u8> {
        let mut response = query.to_vec();
        response[2] |= 0x80;
        response[7] = 1;
        response.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\0\0");
        response.push(last);
        response
    }

    fn client(server: SocketAddr, deadline: Duration) -> Client<&'static str> {
        let settings = Settings {
            servers: Source::Fixed(vec![server.ip()]),
            port: server.port(),
            rounds: ROUNDS,
            deadline,
        };
        Client::new(&settings).expect("a client")
    }

    fn addresses(last: u8) -> Outcome {
        let address = Ipv4Addr::new(127, 0, 0, last);
        Ok(Found::Addresses(vec![IpAddr::V4(address)]))
    }

    #[test]
    fn questions_are_in_the_air_together_and_silence_ends_at_the_deadline() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let deadline = Duration::from_millis(300);
        let mut client = client(server.local_addr().expect("an address"), deadline);
        // Both are asked before either is answered, which is in the other order.
        let thread = std::thread::spawn(move || {
            let mut queries = Vec::new();
            while queries.len() < 3 {
                let mut buffer = [0; 512];
                let (length, from) = server.recv_from(&mut buffer).expect("a query");
                queries.push((buffer[..length].to_vec(), from));
            }
            for (last, at) in [(2, 1), (1, 0)] {
                let (query, from) = &queries[at];
                let forged = response(&[&[query[0] ^ 1], &query[1..]].concat(), 9);
                server.send_to(&forged, from).expect("sent");
                server.send_to(&response(query, last), from).expect("sent");
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let start = Instant::now();
        for name in ["one.test", "two.test", "silent.test"] {
            client.ask(question(name), name, start);
        }
        let mut outcomes = Vec::new();
        while let Some((name, outcome)) = client.next_outcome().expect("no fault") {
            outcomes.push((name, (*outcome).clone()));
        }
        let expected = [
            ("two.test", addresses(2)),
            ("one.test", addresses(1)),
            ("silent.test", Err(Trouble::TimedOut)),
        ];
        assert_eq!(outcomes, expected);
        let taken = start.elapsed();
        assert!(taken >= deadline && taken < deadline * 10, "{taken:?}");
        thread.join().expect("the server");
    }

    #[test]
    fn an_answer_that_is_cut_short_is_fetched_by_tcp() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = UdpSocket::bind(address).expect("the same port");
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 512];
            let (length, from) = server.recv_from(&mut buffer).expect("a query");
            buffer[2] |= 0x82;
            server.send_to(&buffer[..length], from).expect("sent");
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut query = vec![0; 2 + length];
            stream.read_exact(&mut query).expect("the query");
            let response = response(&query[2..], 7);
            let length = u16::try_from(response.len()).expect("short");
            stream.write_all(&length.to_be_bytes()).expect("sent");
            stream.write_all(&response).expect("sent");
        });
        let mut client = client(address, Duration::from_secs(20));
        client.ask(question("long.test"), "", Instant::now());
        let (_, outcome) = client.next_outcome().expect("no fault").expect("one");
        assert_eq!(*outcome, addresses(7));
        assert!(client.next_outcome().expect("no fault").is_none());
        thread.join().expect("the server");
    }

    #[test]
    fn where_nobody_listens_the_question_has_failed_at_once() {
        let free = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let mut client = client(address, Duration::from_secs(20));
        let start = Instant::now();
        client.ask(question("a.test"), "", start);
        let (_, outcome) = client.next_outcome().expect("no fault").expect("one");
        assert_eq!(*outcome, Err(Trouble::Refused));
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
