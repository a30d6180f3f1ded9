//! The event loop: accept, count, ask, decide, hand over, reap.
//!
//! The loop reads nothing from the network. It waits for four things: connections, signals,
//! answers of the look-up process, and spawners that have something to say. What can wait in it is
//! bounded by `-c`: at the limit nothing is accepted, and clients wait in the kernel's queue.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use os::children::{Change, next_change};
use os::process::Status;
use os::signals::{Event, Signals};
use os::socket::{self, Peer};
use rules::search::Client;

use crate::children::Ended;
use crate::cli::{Options, Verbosity};
use crate::connection::{Ends, Names, ip_text};
use crate::environment::{self, Variable};
use crate::gate::{Gate, Judgement};
use crate::lines;
use crate::listen::{Bound, Listener};
use crate::log::Log;
use crate::lookup_client::{Asked, LookupClient};
use crate::relays::Relays;
use crate::spawners::{Job, Service, Spawners};
use crate::stopped::Stopped;

const LISTENER: Token = Token(0);
const SIGNALS: Token = Token(1);
const NAMES: Token = Token(2);
const SPAWNERS: Token = Token(3);

/// So many connections are accepted before the loop looks at signals and answers again.
const BATCH: usize = 64;
/// The first pause after accept failed for want of descriptors or memory; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Failures to accept that follow each other within this time are one trouble, told once.
const SAME_TROUBLE: Duration = Duration::from_secs(60);
/// What the end waits for a log that is not read.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// The raw status of a connection that was denied (exit 100) and of one that failed (exit 111).
const DENIED: Status = Status(100 << 8);
const FAILED: Status = Status(111 << 8);

/// A running service.
#[derive(Debug)]
pub struct Server {
    options: Options,
    log: Log,
    poll: Poll,
    listener: Listener,
    signals: Signals,
    spawners: Spawners,
    gate: Option<Gate>,
    relays: Option<Relays>,
    desk: LookupClient,
    /// Connections that wait for their names, by the number of the question.
    parked: HashMap<u64, Connection>,
    /// Programs and connections that take up a place.
    running: u32,
    /// When it was last said that clients wait because of `-c`.
    full: Option<Instant>,
    /// Signals that mean nothing, and when that was said.
    ignored: HashMap<&'static str, Instant>,
    /// Children that are stopped.
    stopped: Stopped,
    /// For connections without a process: numbers that no process can have.
    numbers: Numbers,
    /// The listener has not yet said "would block" since it last woke us.
    more: bool,
    pause: Option<Pause>,
    /// When accept last failed for want of something.
    trouble: Option<Instant>,
}

/// A connection that has no program yet.
#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    ends: Ends,
}

/// A pause in accepting.
#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Instant,
    length: Duration,
}

/// Counts through the numbers above the greatest pid.
#[derive(Debug)]
struct Numbers {
    first: i64,
    next: i64,
}

impl Numbers {
    fn above(greatest_pid: u32) -> Numbers {
        let first = i64::from(greatest_pid) + 1;
        Numbers { first, next: first }
    }

    fn take(&mut self) -> i64 {
        let number = self.next;
        self.next = if number == i64::from(i32::MAX) {
            self.first
        } else {
            number + 1
        };
        number
    }
}

impl Server {
    /// Puts the service together and starts the spawner threads. Privileges must have been dropped.
    pub fn new(
        options: Options,
        log: Log,
        listener: Listener,
        signals: Signals,
        service: Service,
        relays: Option<Relays>,
    ) -> io::Result<Server> {
        let poll = Poll::new()?;
        let registry = poll.registry();
        registry.register(
            &mut SourceFd(&listener.socket.as_raw_fd()),
            LISTENER,
            Interest::READABLE,
        )?;
        let signal_fd = signals.as_fd().as_raw_fd();
        registry.register(&mut SourceFd(&signal_fd), SIGNALS, Interest::READABLE)?;
        let waker = Waker::new(registry, SPAWNERS)?;
        let unix = matches!(listener.bound, Bound::Unix { .. });
        let shared = environment::shared(std::env::vars_os(), unix);
        let mask = signals.mask_for_programs();
        let spawners = Spawners::start(
            service,
            options.execute,
            options.socket_options(),
            Arc::clone(&shared),
            mask,
            log.clone(),
            waker,
        )?;
        let gate = options
            .rules
            .clone()
            .map(|path| Gate::new(path, options.without_rules));
        let desk = LookupClient::new(&options, mask, shared);
        Ok(Server {
            options,
            log,
            poll,
            listener,
            signals,
            spawners,
            gate,
            relays,
            desk,
            parked: HashMap::new(),
            running: 0,
            full: None,
            ignored: HashMap::new(),
            stopped: Stopped::default(),
            numbers: Numbers::above(os::process::GREATEST_PID),
            more: true,
            pause: None,
            trouble: None,
        })
    }

    /// Serves until SIGTERM. Programs that run then go on by themselves.
    pub fn run(mut self) -> io::Result<()> {
        let outcome = self.serve();
        self.finish();
        outcome
    }

    fn serve(&mut self) -> io::Result<()> {
        self.say_status();
        let mut events = Events::with_capacity(64);
        loop {
            self.accept_some();
            self.say_full();
            self.log.release();
            match self.poll.poll(&mut events, self.patience()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => other?,
            }
            self.log.hold();
            for event in &events {
                match event.token() {
                    LISTENER => self.more = true,
                    SIGNALS => {
                        if self.take_signals()? {
                            return Ok(());
                        }
                    }
                    NAMES => {
                        let answers = self.desk.take_answers();
                        self.take_names(answers);
                    }
                    _ => self.take_settled(),
                }
            }
            let (given_up, started) = self.desk.tend(Instant::now());
            if started {
                self.watch_desk();
            }
            self.take_names(given_up);
            self.end_stopped();
            if let Some(trouble) = self.desk.take_trouble() {
                self.log
                    .say(Verbosity::Errors, &[&format!("warning: {trouble}")]);
            }
        }
    }

    /// How long the loop may sleep.
    fn patience(&self) -> Option<Duration> {
        let now = Instant::now();
        if self.may_accept() {
            return match self.pause {
                None => Some(Duration::ZERO),
                Some(pause) => Some(self.earlier(pause.until, now)),
            };
        }
        self.next_deadline()
            .map(|deadline| deadline.saturating_duration_since(now))
    }

    fn earlier(&self, until: Instant, now: Instant) -> Duration {
        let deadline = self.next_deadline().map_or(until, |other| until.min(other));
        deadline.saturating_duration_since(now)
    }

    fn next_deadline(&self) -> Option<Instant> {
        let both = [self.desk.next_deadline(), self.stopped.next_due()];
        both.into_iter().flatten().min()
    }

    fn may_accept(&self) -> bool {
        self.more && self.running < self.options.limit && !self.desk.is_full()
    }

    fn accept_some(&mut self) {
        if self.pause.is_some_and(|pause| Instant::now() < pause.until) {
            return;
        }
        for _ in 0..BATCH {
            if !self.may_accept() {
                return;
            }
            match socket::accept(self.listener.socket.as_fd()) {
                Ok((socket, peer)) => {
                    self.pause = None;
                    self.admit(socket, peer);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.more = false;
                    self.pause = None;
                }
                Err(error) if socket::is_one_clients_trouble(&error) => {}
                Err(error) => return self.back_off(&error),
            }
        }
    }

    /// Accepting fails and will fail again: wait a little, and say so once.
    fn back_off(&mut self, error: &io::Error) {
        let now = Instant::now();
        if self
            .trouble
            .is_none_or(|last| now.duration_since(last) > SAME_TROUBLE)
        {
            let line = format!("warning: unable to accept: {}; waiting", os::reason(error));
            self.log.say(Verbosity::Errors, &[&line]);
        }
        self.trouble = Some(now);
        let length = self
            .pause
            .map_or(FIRST_PAUSE, |pause| (pause.length * 2).min(LONGEST_PAUSE));
        self.pause = Some(Pause {
            until: now + length,
            length,
        });
    }

    /// Says that somebody waits because of `-c`, once a minute at most.
    fn say_full(&mut self) {
        let now = Instant::now();
        let is_news = |last: Instant| now.duration_since(last) > SAME_TROUBLE;
        if self.running < self.options.limit || !self.more || !self.full.is_none_or(is_news) {
            return;
        }
        // Nobody has come yet where it was the last one who filled the limit.
        if os::fd::wait_readable(self.listener.socket.as_fd(), now).unwrap_or(false) {
            self.full = Some(now);
            let limit = self.options.limit;
            // Not a warning: a script that waits for the first of those is to find what it found before.
            let line = format!("full: {}/{limit}; clients wait", self.running);
            self.log.say(Verbosity::Errors, &[&line]);
        }
    }

    /// Counts a new connection in and sees it to its names.
    fn admit(&mut self, socket: OwnedFd, peer: Peer) {
        self.running += 1;
        self.say_status();
        let ends = match self.ends_of(&socket, peer) {
            Ok(ends) => ends,
            Err(error) => {
                let why = format!("unable to get local address: {}", os::reason(&error));
                return self.drop_unseen(&why);
            }
        };
        let connection = Connection { socket, ends };
        if let Err(error) = self.greet(&connection) {
            let why = format!("unable to print banner: {}", os::reason(&error));
            return self.drop_connection(connection, &why);
        }
        let Ends::Tcp { local, remote } = connection.ends else {
            return self.decide(connection, Names::default());
        };
        let (asked, started) = self.desk.ask(local, remote);
        if started {
            self.watch_desk();
        }
        if let Some(trouble) = self.desk.take_trouble() {
            self.log
                .say(Verbosity::Errors, &[&format!("warning: {trouble}")]);
        }
        match asked {
            Asked::Known(names) => self.decide(connection, names),
            Asked::Waiting(id) => {
                self.parked.insert(id, connection);
            }
        }
    }

    fn ends_of(&self, socket: &OwnedFd, peer: Peer) -> io::Result<Ends> {
        match (&self.listener.bound, peer) {
            (Bound::Unix { path, .. }, _) => Ok(Ends::Unix {
                path: Arc::clone(path),
                peer: socket::peer_credentials(socket.as_fd()).ok(),
            }),
            (Bound::Tcp(bound), Peer::Tcp(remote)) => {
                let local = if bound.ip().is_unspecified() {
                    socket::local_address(socket.as_fd())?
                } else {
                    *bound
                };
                Ok(Ends::Tcp { local, remote })
            }
            (Bound::Tcp(_), Peer::Unix) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The banner goes out before the rules are asked, and after the socket options are set.
    fn greet(&self, connection: &Connection) -> io::Result<()> {
        let (socket, banner) = (connection.socket.as_fd(), &self.options.banner);
        if banner.is_empty() {
            return Ok(());
        }
        if let Ends::Tcp { .. } = connection.ends {
            self.options.socket_options().set(socket);
        }
        if socket::send_nowait(socket, banner)? < banner.len() {
            // A new socket has room for many times the longest banner.
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(())
    }

    fn watch_desk(&self) {
        if let Some(socket) = self.desk.socket() {
            let fd = socket.as_raw_fd();
            let registry = self.poll.registry();
            if let Err(error) = registry.register(&mut SourceFd(&fd), NAMES, Interest::READABLE) {
                ::log::error!("unable to watch the look-up process: {error}");
            }
        }
    }

    fn take_names(&mut self, answers: Vec<(u64, Names)>) {
        for (id, names) in answers {
            if let Some(connection) = self.parked.remove(&id) {
                self.decide(connection, names);
            }
        }
    }

    /// Asks the rules, and either hands the connection to a spawner or closes it.
    fn decide(&mut self, connection: Connection, names: Names) {
        if names.lost && self.gate.is_some() {
            let why = "unable to look up names: the look-up process does not answer";
            return self.drop_connection(connection, why);
        }
        let judgement = match (&mut self.gate, &connection.ends) {
            (Some(gate), Ends::Tcp { remote, .. }) => {
                let ip = ip_text(remote.ip());
                let client = Client {
                    ip: ip.as_bytes(),
                    host: names.remote.as_deref(),
                    info: names.info.as_deref(),
                };
                let (judgement, complaint) = gate.judge(&client);
                if let Some(complaint) = complaint {
                    self.log.say(Verbosity::Errors, &[&complaint]);
                }
                judgement
            }
            _ => Judgement::Allow(Vec::new()),
        };
        match judgement {
            Judgement::Allow(mut rule) => {
                if let (Some(relays), Ends::Tcp { remote, .. }) =
                    (&mut self.relays, &connection.ends)
                    && let Some(complaint) = relays.add(remote.ip(), &mut rule)
                {
                    self.log.say(Verbosity::Errors, &[&complaint]);
                }
                self.launch(connection, names, rule);
            }
            Judgement::Deny => {
                let number = self.numbers.take();
                if self.log.wants(Verbosity::All) {
                    let pid = lines::pid(number, &connection.ends);
                    let deny = lines::verdict(false, number, &connection.ends, &names);
                    self.log.say(Verbosity::All, &[&pid, &deny]);
                }
                drop(connection);
                self.end(number, DENIED, true);
            }
            Judgement::Unreadable(reason) => {
                let path = self
                    .gate
                    .as_ref()
                    .map(|gate| gate.path().display().to_string());
                let why = format!("unable to read {}: {reason}", path.unwrap_or_default());
                self.drop_connection(connection, &why);
            }
        }
    }

    fn launch(&self, connection: Connection, names: Names, rule: Vec<Variable>) {
        let Connection { socket, ends } = connection;
        self.spawners.submit(Job {
            socket,
            ends,
            names,
            rule,
        });
    }

    /// Closes a connection that failed before it had a process.
    fn drop_connection(&mut self, connection: Connection, why: &str) {
        let number = self.numbers.take();
        let pid = lines::pid(number, &connection.ends);
        self.log.say(Verbosity::All, &[&pid]);
        self.log.say(Verbosity::Errors, &[&lines::dropping(why)]);
        drop(connection);
        self.end(number, FAILED, true);
    }

    /// The same where not even the ends are known.
    fn drop_unseen(&mut self, why: &str) {
        let number = self.numbers.take();
        self.log.say(Verbosity::Errors, &[&lines::dropping(why)]);
        self.end(number, FAILED, true);
    }

    /// `true` where the service is to end.
    fn take_signals(&mut self) -> io::Result<bool> {
        let mut terminate = false;
        while let Some(event) = self.signals.take()? {
            match event {
                Event::Terminate => terminate = true,
                Event::Meaningless(name) => self.say_ignored(name),
                Event::Child => {}
            }
        }
        while let Some((pid, change)) = next_change()? {
            let status = match change {
                Change::Stopped => {
                    self.stopped.stops(pid, Instant::now());
                    continue;
                }
                Change::Continued => {
                    self.stopped.moves(pid);
                    continue;
                }
                Change::Ended(status) => status,
            };
            self.stopped.moves(pid);
            if self.desk.forget_process(pid) {
                let line = format!(
                    "warning: the look-up process ended with status {}",
                    status.0
                );
                self.log.say(Verbosity::Errors, &[&line]);
                let answers = self.desk.take_answers();
                self.take_names(answers);
                continue;
            }
            // One that does not end by superd's own end; its thread finds out and does without.
            if self.spawners.take_forker(pid) {
                let line = format!("warning: a forker ended with status {}", status.0);
                self.log.say(Verbosity::Errors, &[&line]);
                continue;
            }
            let ended = self.spawners.children().ended(pid, status);
            if let Some(ended) = ended {
                self.take_end(ended);
            }
        }
        Ok(terminate)
    }

    /// A signal that means nothing yet; the line about each comes once a minute.
    fn say_ignored(&mut self, name: &'static str) {
        let now = Instant::now();
        let last = self.ignored.insert(name, now);
        if last.is_some_and(|last| now.duration_since(last) < SAME_TROUBLE) {
            // The minute is that of the line, not of the signal.
            self.ignored.extend(last.map(|last| (name, last)));
            return;
        }
        let line = format!("warning: {name} is ignored: it means nothing to this program");
        self.log.say(Verbosity::Errors, &[&line]);
    }

    /// Ends those of superd's own children that somebody has stopped for good: each would keep a place.
    fn end_stopped(&mut self) {
        let now = Instant::now();
        for pid in self.stopped.take_due(now) {
            let ours = if self.spawners.is_forker(pid) || self.desk.is_process(pid) {
                Some(true)
            } else {
                self.spawners.children().is_ours(pid)
            };
            match ours {
                Some(true) => {
                    let line = format!("warning: process {pid} was stopped, and is ended");
                    self.log.say(Verbosity::Errors, &[&line]);
                    let _ = os::process::kill_at_once(pid);
                }
                Some(false) => {}
                None => self.stopped.stops(pid, now),
            }
        }
    }

    /// Children that ended before their spawner had reported them, and lost connections.
    fn take_settled(&mut self) {
        let settled = self.spawners.children().take_settled();
        for ended in settled {
            self.take_end(ended);
        }
        for _ in 0..self.spawners.take_lost() {
            self.running = self.running.saturating_sub(1);
            self.say_status();
        }
    }

    fn take_end(&mut self, ended: Ended) {
        self.end(ended.pid.into(), ended.status, ended.ours);
    }

    fn end(&mut self, number: i64, status: Status, ours: bool) {
        if ours {
            self.running = self.running.saturating_sub(1);
        }
        if self.log.wants(Verbosity::All) {
            let end = lines::end(number, status);
            let now = lines::status(self.running, self.options.limit);
            self.log.say(Verbosity::All, &[&end, &now]);
        }
    }

    fn say_status(&self) {
        if self.log.wants(Verbosity::All) {
            self.log.say(
                Verbosity::All,
                &[&lines::status(self.running, self.options.limit)],
            );
        }
    }

    fn finish(&self) {
        self.listener.bound.remove_file();
        // Connections that were handed over get their programs, and these their log lines.
        let deadline = Instant::now() + LAST_WORDS;
        while self.spawners.children().is_starting() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.log.flush(LAST_WORDS);
    }
}

/// The port of a TCP listener, as the kernel gave it.
pub fn bound_port(listener: &Listener) -> Option<u16> {
    match &listener.bound {
        Bound::Tcp(address) => Some(SocketAddr::port(address)),
        Bound::Unix { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_connections_without_a_process_stay_above_every_pid() {
        let mut numbers = Numbers::above(4_194_304);
        assert_eq!((numbers.take(), numbers.take()), (4_194_305, 4_194_306));
        numbers.next = i64::from(i32::MAX);
        assert_eq!(
            (numbers.take(), numbers.take()),
            (i64::from(i32::MAX), 4_194_305)
        );
    }
}
