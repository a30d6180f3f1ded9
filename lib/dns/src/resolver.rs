//! Questions to the DNS: asked once however many wait for the answer, kept for a while, never for
//! longer in the air than their deadline.
//!
//! An answer is kept for the time that the server vouches for it, but for 10 s at least and for
//! 600 s at most; that there is nothing is kept for 30 s; that nobody could answer for 3 s, so that
//! servers that are down do not cost each client the whole deadline. A server that was silent for
//! its time is asked last in the next 30 s. Memory is bounded: [`CACHE_LIMIT`] answers,
//! [`QUESTIONS_LIMIT`] questions in the air.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::Token;

use crate::attempts::{Attempts, Step};
use crate::cache::Cache;
use crate::message::{Question, Verdict};
use crate::servers::Servers;
use crate::settings::Settings;
use crate::shell::{Asked, Concern, Shell, TimerKey};
use crate::transport::{Datagram, Heard, Stream};
use crate::{Outcome, Trouble};

/// The most answers that are kept.
pub const CACHE_LIMIT: usize = 4_096;

/// The most questions in the air; what comes beyond has failed at once.
pub const QUESTIONS_LIMIT: usize = 2_048;

/// The shortest and the longest time for which an answer is kept.
const ANSWER_LIFE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));

/// How long it is kept that there is nothing.
const NOTHING_LIFE: Duration = Duration::from_secs(30);

/// How long it is kept that nobody could answer.
const FAILURE_LIFE: Duration = Duration::from_secs(3);

/// How long a silent server is put behind the others.
const SILENT_LIFE: Duration = Duration::from_secs(30);

/// Asks, keeps, tells those who wait. `W` is whatever names one who waits.
///
/// It has no loop of its own: whoever runs one tells it what happened, and hands in the shell with
/// the loop's sockets and timers.
#[derive(Debug)]
pub struct Resolver<W> {
    servers: Servers,
    silent: HashMap<SocketAddr, Instant>,
    rounds: [Duration; 3],
    deadline: Duration,
    cache: Cache<Question, Rc<Outcome>>,
    asking: HashMap<u64, Asking<W>>,
    by_question: HashMap<Question, u64>,
    serial: u64,
    finished: Vec<(W, Rc<Outcome>)>,
}

/// A question in the air.
#[derive(Debug)]
struct Asking<W> {
    question: Question,
    waiting: Vec<W>,
    servers: Vec<SocketAddr>,
    attempts: Attempts,
    /// One for each server that has been asked and has neither answered nor failed.
    datagrams: Vec<Option<Datagram>>,
    stream: Option<Stream>,
    timer: Option<TimerKey>,
}

impl<W> Resolver<W> {
    /// One that has asked nothing yet.
    pub fn new(settings: &Settings) -> Resolver<W> {
        Resolver {
            servers: Servers::new(settings.servers.clone(), settings.port),
            silent: HashMap::new(),
            rounds: settings.rounds,
            deadline: settings.deadline,
            cache: Cache::new(CACHE_LIMIT),
            asking: HashMap::new(),
            by_question: HashMap::new(),
            serial: 0,
            finished: Vec::new(),
        }
    }

    /// Asks; the outcome will come out of [`Resolver::take_finished`], maybe at once.
    pub fn ask<C: Concern>(
        &mut self,
        question: Question,
        waiter: W,
        now: Instant,
        shell: &mut Shell<C>,
    ) {
        if let Some(outcome) = self.cache.get(&question, now) {
            self.finished.push((waiter, Rc::clone(outcome)));
            return;
        }
        let known = self
            .by_question
            .get(&question)
            .and_then(|id| self.asking.get_mut(id));
        if let Some(asking) = known {
            asking.waiting.push(waiter);
            return;
        }
        if self.asking.len() >= QUESTIONS_LIMIT {
            self.finished.push((waiter, Rc::new(Err(Trouble::Busy))));
            return;
        }
        let servers = self.servers_in_order(now);
        self.serial += 1;
        let asking = Asking {
            question: question.clone(),
            waiting: vec![waiter],
            attempts: Attempts::new(servers.len(), now + self.deadline, self.rounds),
            datagrams: servers.iter().map(|_| None).collect(),
            servers,
            stream: None,
            timer: None,
        };
        self.by_question.insert(question, self.serial);
        self.asking.insert(self.serial, asking);
        self.step(self.serial, now, shell);
    }

    /// One who waited, and the outcome.
    pub fn take_finished(&mut self) -> Option<(W, Rc<Outcome>)> {
        self.finished.pop()
    }

    /// Something happened to a socket of question `id`.
    pub fn event<C: Concern>(
        &mut self,
        Asked(id): Asked,
        token: Token,
        now: Instant,
        shell: &mut Shell<C>,
    ) {
        let Some(asking) = self.asking.get_mut(&id) else {
            return;
        };
        let (server, heard) = if let Some(stream) = &mut asking.stream
            && stream.token == token
        {
            (stream.server, stream.go_on(&asking.question))
        } else {
            let is_it = |datagram: &Option<Datagram>| {
                datagram
                    .as_ref()
                    .is_some_and(|datagram| datagram.token == token)
            };
            let Some(server) = asking.datagrams.iter().position(is_it) else {
                return;
            };
            let Some(datagram) = &mut asking.datagrams[server] else {
                return;
            };
            (server, datagram.receive(&asking.question))
        };
        if let (Heard::Message(_), Some(address)) = (&heard, asking.servers.get(server)) {
            self.silent.remove(address);
        }
        match heard {
            Heard::Nothing => {}
            Heard::Message(Verdict::Answer(found, life)) => {
                self.finish(id, Ok(found), life, now, shell);
            }
            Heard::Message(Verdict::Truncated) => self.fetch_by_tcp(id, server, now, shell),
            Heard::Message(Verdict::Failed | Verdict::NotOurs) => {
                self.give_up_server(id, server, Trouble::ServerFailed, now, shell);
            }
            Heard::Trouble(trouble) => self.give_up_server(id, server, trouble, now, shell),
        }
    }

    /// The current server of question `id` has had its time.
    pub fn time_is_over<C: Concern>(
        &mut self,
        Asked(id): Asked,
        now: Instant,
        shell: &mut Shell<C>,
    ) {
        let Some(asking) = self.asking.get_mut(&id) else {
            return;
        };
        asking.timer = None;
        if let Some(stream) = asking.stream.take() {
            let server = stream.server;
            stream.close(shell);
            asking.attempts.put_out(server, Trouble::TimedOut);
        } else if let Some(server) = asking.attempts.current()
            && let Some(&address) = asking.servers.get(server)
        {
            self.silent.retain(|_, until| *until > now);
            self.silent.insert(address, now + SILENT_LIFE);
        }
        self.step(id, now, shell);
    }

    /// The servers, those that have been silent lately last.
    fn servers_in_order(&mut self, now: Instant) -> Vec<SocketAddr> {
        let mut list = self.servers.current(now).to_vec();
        let is_silent = |server: &SocketAddr| self.silent.get(server).is_some_and(|&end| end > now);
        list.sort_by_key(is_silent);
        list
    }

    /// Asks the next server that can be asked, or gives the question up.
    fn step<C: Concern>(&mut self, id: u64, now: Instant, shell: &mut Shell<C>) {
        let Some(asking) = self.asking.get_mut(&id) else {
            return;
        };
        if let Some(timer) = asking.timer.take() {
            shell.clear_timer(timer);
        }
        let trouble = loop {
            match asking.attempts.next(now) {
                Step::Ask(server, until) => match asking.send(id, server, shell) {
                    Ok(()) => {
                        asking.timer = Some(shell.set_timer(until, Asked(id).into()));
                        return;
                    }
                    Err(error) => asking.put_out(server, Trouble::from(&error), shell),
                },
                Step::GiveUp(trouble) => break trouble,
            }
        };
        self.finish(id, Err(trouble), Duration::ZERO, now, shell);
    }

    fn give_up_server<C: Concern>(
        &mut self,
        id: u64,
        server: usize,
        trouble: Trouble,
        now: Instant,
        shell: &mut Shell<C>,
    ) {
        let Some(asking) = self.asking.get_mut(&id) else {
            return;
        };
        asking.put_out(server, trouble, shell);
        if asking.attempts.current() == Some(server) {
            self.step(id, now, shell);
        }
    }

    fn fetch_by_tcp<C: Concern>(
        &mut self,
        id: u64,
        server: usize,
        now: Instant,
        shell: &mut Shell<C>,
    ) {
        let Some(asking) = self.asking.get_mut(&id) else {
            return;
        };
        if asking.stream.is_some() {
            return;
        }
        if let Some(datagram) = asking.datagrams[server].take() {
            datagram.close(shell);
        }
        asking.attempts.take_up(server);
        let address = (server, asking.servers[server]);
        match Stream::open(address, &asking.question, shell, Asked(id).into()) {
            Ok(stream) => {
                asking.stream = Some(stream);
                if let Some(timer) = asking.timer.take() {
                    shell.clear_timer(timer);
                }
                let until = asking.attempts.again_until(now);
                asking.timer = Some(shell.set_timer(until, Asked(id).into()));
            }
            Err(error) => self.give_up_server(id, server, Trouble::from(&error), now, shell),
        }
    }

    /// Ends question `id`; `vouched` is the time to live of an answer.
    fn finish<C: Concern>(
        &mut self,
        id: u64,
        outcome: Outcome,
        vouched: Duration,
        now: Instant,
        shell: &mut Shell<C>,
    ) {
        let Some(mut asking) = self.asking.remove(&id) else {
            return;
        };
        self.by_question.remove(&asking.question);
        asking.close(shell);
        let outcome = Rc::new(outcome);
        let life = match outcome.as_ref() {
            Ok(found) if found.is_nothing() => NOTHING_LIFE,
            Ok(_) => vouched.clamp(ANSWER_LIFE.0, ANSWER_LIFE.1),
            // Says nothing about the question.
            Err(Trouble::Busy | Trouble::System(_)) => Duration::ZERO,
            Err(_) => FAILURE_LIFE,
        };
        if !life.is_zero() {
            self.cache
                .insert(asking.question, Rc::clone(&outcome), now + life, now);
        }
        let told = asking
            .waiting
            .into_iter()
            .map(|waiter| (waiter, Rc::clone(&outcome)));
        self.finished.extend(told);
    }
}

impl<W> Asking<W> {
    fn send<C: Concern>(
        &mut self,
        id: u64,
        server: usize,
        shell: &mut Shell<C>,
    ) -> std::io::Result<()> {
        let slot = &mut self.datagrams[server];
        let datagram = match slot {
            Some(datagram) => datagram,
            None => {
                let address = self.servers[server];
                slot.insert(Datagram::open(address, shell, Asked(id).into())?)
            }
        };
        datagram.send(&self.question)
    }

    fn put_out<C: Concern>(&mut self, server: usize, trouble: Trouble, shell: &mut Shell<C>) {
        self.attempts.put_out(server, trouble);
        if let Some(datagram) = self.datagrams[server].take() {
            datagram.close(shell);
        }
        if let Some(stream) = self.stream.take_if(|stream| stream.server == server) {
            stream.close(shell);
        }
    }

    fn close<C: Concern>(&mut self, shell: &mut Shell<C>) {
        for datagram in self.datagrams.drain(..).flatten() {
            datagram.close(shell);
        }
        if let Some(stream) = self.stream.take() {
            stream.close(shell);
        }
        if let Some(timer) = self.timer.take() {
            shell.clear_timer(timer);
        }
    }
}
