//! The loop: requests in, answers out, sockets and timers between.
//!
//! Each message of superd's gets exactly one answer. A request that cannot be read ends the
//! process: the other end is superd itself, so it can only mean another version. Answers that
//! superd does not take wait in a queue; while it is long no further request is read.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::task;
use std::time::Instant;

use dns::Outcome;
use dns::resolver::Resolver;
use dns::shell::TimerKey;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::codec::MESSAGE_LIMIT;
use crate::connection::{Connection, Part};
use crate::exchange::Exchange;
use crate::host::{Host, Next};
use crate::record::{HostAnswer, HostFailure, HostRequest, Incoming, Request, Trouble};
use crate::settings::Settings;
use crate::watch::{Concern, Shell};

/// The most answers that wait for superd before its requests are left lying.
const UNSENT_LIMIT: usize = 256;

const MESSAGES: Token = Token(0);

/// One who waits for the DNS.
#[derive(Clone, Copy, Debug)]
enum Waiter {
    Connection(u64, Part),
    Host(u64),
}

/// A connection that is being looked up, with what belongs to the process.
#[derive(Debug)]
struct Job {
    connection: Connection,
    exchange: Option<Exchange>,
    timers: Vec<TimerKey>,
}

#[derive(Debug)]
struct HostJob {
    id: u64,
    host: Host,
    timer: TimerKey,
}

#[derive(Debug)]
struct Service {
    settings: Settings,
    socket: OwnedFd,
    shell: Shell,
    resolver: Resolver<Waiter>,
    jobs: HashMap<u64, Job>,
    hosts: HashMap<u64, HostJob>,
    serial: u64,
    unsent: VecDeque<Vec<u8>>,
}

/// Serves the superd at the other end of `socket` until that end is closed.
///
/// An error means that the process cannot go on; requests without an answer are lost.
pub fn serve(socket: OwnedFd, settings: Settings) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let number = socket.as_raw_fd();
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry()
        .register(&mut SourceFd(&number), MESSAGES, both)?;
    let shell = Shell::new(poll.registry().try_clone()?, MESSAGES.0 + 1);
    let mut service = Service {
        resolver: Resolver::new(&settings.dns()),
        settings,
        socket,
        shell,
        jobs: HashMap::new(),
        hosts: HashMap::new(),
        serial: 0,
        unsent: VecDeque::new(),
    };
    let mut events = Events::with_capacity(256);
    loop {
        if service.exchange_messages()? == Ended::Yes {
            return Ok(());
        }
        let timeout = service
            .shell
            .next_timer()
            .map(|at| at.saturating_duration_since(Instant::now()));
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let now = Instant::now();
        for event in &events {
            service.event(event.token(), now);
        }
        // Before the timers: what has come in time must not be overtaken by the deadline.
        service.tell_waiters(now);
        while let Some(timer) = service.shell.take_due(now) {
            service.time_is_over(timer, now);
        }
        service.tell_waiters(now);
    }
}

#[derive(PartialEq, Eq)]
enum Ended {
    Yes,
    No,
}

impl Service {
    /// Sends what can be sent and takes what may be taken, until there is nothing more to do.
    ///
    /// The events of the message socket are edges, so each time round the loop tries again; a call
    /// that would block costs nothing that counts.
    fn exchange_messages(&mut self) -> io::Result<Ended> {
        let mut buffer = [0; MESSAGE_LIMIT];
        loop {
            if self.send_answers()? == Ended::Yes {
                return Ok(Ended::Yes);
            }
            if self.unsent.len() >= UNSENT_LIMIT {
                return Ok(Ended::No);
            }
            match os::socket::receive_nowait(self.socket.as_fd(), &mut buffer) {
                Ok(0) => return Ok(Ended::Yes),
                Ok(length) => {
                    let request = Incoming::decode(&buffer[..length]).map_err(|malformed| {
                        io::Error::new(io::ErrorKind::InvalidData, malformed.to_string())
                    })?;
                    let now = Instant::now();
                    self.accept(request, now);
                    self.tell_waiters(now);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(Ended::No),
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::ConnectionReset => return Ok(Ended::Yes),
                    _ => return Err(error),
                },
            }
        }
    }

    fn send_answers(&mut self) -> io::Result<Ended> {
        while let Some(answer) = self.unsent.front() {
            match os::socket::send_nowait(self.socket.as_fd(), answer) {
                Ok(_) => {
                    self.unsent.pop_front();
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(Ended::No),
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                        return Ok(Ended::Yes);
                    }
                    _ => return Err(error),
                },
            }
        }
        Ok(Ended::No)
    }

    fn accept(&mut self, request: Incoming, now: Instant) {
        let is_full = self.jobs.len() + self.hosts.len() >= self.settings.requests_limit;
        self.serial += 1;
        match request {
            Incoming::Connection(request) if is_full => {
                self.unsent.push_back(request.failed().encode());
            }
            Incoming::Connection(request) => self.accept_connection(request, now),
            Incoming::Host(request) if is_full => {
                self.answer_host(request.id, Err(HostFailure::Temporary(Trouble::Busy)));
            }
            Incoming::Host(request) => self.accept_host(request, now),
        }
    }

    fn accept_connection(&mut self, request: Request, now: Instant) {
        let number = self.serial;
        let ident = request.ident;
        let ends = (canonical(request.local), canonical(request.remote));
        let (mut connection, questions) = Connection::new(request);
        let mut timers = Vec::new();
        if !questions.is_empty() {
            let until = now + self.settings.names_deadline;
            timers.push(self.shell.set_timer(until, Concern::Names(number)));
        }
        let mut exchange = None;
        if let Some(time) = ident {
            let port = self.settings.ident_port;
            match Exchange::start(ends, port, &mut self.shell, Concern::Ident(number)) {
                Ok(started) => {
                    timers.push(self.shell.set_timer(now + time, Concern::Ident(number)));
                    exchange = Some(started);
                }
                Err(_) => connection.learn_info(None),
            }
        }
        self.jobs.insert(
            number,
            Job {
                connection,
                exchange,
                timers,
            },
        );
        for (part, question) in questions {
            let waiter = Waiter::Connection(number, part);
            self.resolver.ask(question, waiter, now, &mut self.shell);
        }
        self.finish_if_known(number);
    }

    fn accept_host(&mut self, request: HostRequest, now: Instant) {
        let number = self.serial;
        let rules = match self.settings.qualification.rules() {
            Ok(rules) => rules,
            Err(error) => {
                let trouble = Trouble::from(&error);
                return self.answer_host(request.id, Err(HostFailure::Temporary(trouble)));
            }
        };
        let host = Host::new(&rules, &request.word, request.family);
        let until = now + self.settings.host_deadline;
        let timer = self.shell.set_timer(until, Concern::Host(number));
        self.hosts.insert(
            number,
            HostJob {
                id: request.id,
                host,
                timer,
            },
        );
        self.go_on_with_host(number, None, now);
    }

    fn go_on_with_host(&mut self, number: u64, outcome: Option<&Outcome>, now: Instant) {
        let Some(job) = self.hosts.get_mut(&number) else {
            return;
        };
        match job.host.next(outcome) {
            Next::Ask(question) => {
                self.resolver
                    .ask(question, Waiter::Host(number), now, &mut self.shell);
            }
            Next::Done(result) => self.finish_host(number, result),
        }
    }

    fn finish_host(&mut self, number: u64, outcome: Result<Vec<IpAddr>, HostFailure>) {
        if let Some(job) = self.hosts.remove(&number) {
            self.shell.clear_timer(job.timer);
            self.answer_host(job.id, outcome);
        }
    }

    fn answer_host(&mut self, id: u64, outcome: Result<Vec<IpAddr>, HostFailure>) {
        self.unsent.push_back(HostAnswer { id, outcome }.encode());
    }

    fn event(&mut self, token: Token, now: Instant) {
        match self.shell.owner(token) {
            Some(Concern::Question(id)) => self.resolver.event(id, token, now, &mut self.shell),
            Some(Concern::Ident(number)) => {
                if let Some(job) = self.jobs.get_mut(&number)
                    && let Some(exchange) = &mut job.exchange
                    && let task::Poll::Ready(info) = exchange.go_on()
                {
                    self.end_ident(number, info);
                }
            }
            // These have no socket.
            Some(Concern::Names(_) | Concern::Host(_)) => {}
            // The message socket, or one that an earlier event of the same round has closed.
            None => {}
        }
    }

    fn end_ident(&mut self, number: u64, info: Option<Vec<u8>>) {
        let Some(job) = self.jobs.get_mut(&number) else {
            return;
        };
        if let Some(exchange) = job.exchange.take() {
            exchange.close(&mut self.shell);
        }
        job.connection.learn_info(info);
        self.finish_if_known(number);
    }

    fn time_is_over(&mut self, timer: Concern, now: Instant) {
        match timer {
            Concern::Question(id) => self.resolver.time_is_over(id, now, &mut self.shell),
            Concern::Names(number) => {
                if let Some(job) = self.jobs.get_mut(&number) {
                    job.connection.stop_names();
                    self.finish_if_known(number);
                }
            }
            Concern::Ident(number) => self.end_ident(number, None),
            Concern::Host(number) => {
                let trouble = HostFailure::Temporary(Trouble::TimedOut);
                self.finish_host(number, Err(trouble));
            }
        }
    }

    /// Hands the outcomes of questions to those who wait for them; what they ask then may be
    /// answered at once, too.
    fn tell_waiters(&mut self, now: Instant) {
        while let Some((waiter, outcome)) = self.resolver.take_finished() {
            self.tell(waiter, &outcome, now);
        }
    }

    fn tell(&mut self, waiter: Waiter, outcome: &Rc<Outcome>, now: Instant) {
        match waiter {
            Waiter::Connection(number, part) => {
                let Some(job) = self.jobs.get_mut(&number) else {
                    return;
                };
                match job.connection.learn(part, outcome) {
                    Some(question) => {
                        let waiter = Waiter::Connection(number, Part::Forward);
                        self.resolver.ask(question, waiter, now, &mut self.shell);
                    }
                    None => self.finish_if_known(number),
                }
            }
            Waiter::Host(number) => self.go_on_with_host(number, Some(outcome), now),
        }
    }

    fn finish_if_known(&mut self, number: u64) {
        let Some(answer) = self
            .jobs
            .get(&number)
            .and_then(|job| job.connection.answer())
        else {
            return;
        };
        if let Some(job) = self.jobs.remove(&number) {
            for timer in job.timers {
                self.shell.clear_timer(timer);
            }
            if let Some(exchange) = job.exchange {
                exchange.close(&mut self.shell);
            }
        }
        self.unsent.push_back(answer.encode());
    }
}

/// An IPv4 address in the form of an IPv6 one becomes itself again: a socket of both families sees
/// IPv4 clients so.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        // The scope of a link-local address is kept.
        IpAddr::V6(_) => address,
    }
}
