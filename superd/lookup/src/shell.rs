//! What the rooms with sockets share: registration with the poll, and timers.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::Instant;

use mio::{Interest, Registry, Token, event};

/// Whom a socket belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A question to the DNS, by its number in the resolver.
    Question(u64),
    /// The ident exchange of a job, by the job's number.
    Ident(u64),
}

/// Whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The current server of a question.
    Server(u64),
    /// The names of a job.
    Names(u64),
    /// The ident exchange of a job.
    Ident(u64),
    /// A host word.
    Host(u64),
}

/// Names a timer that has been set.
pub(crate) type TimerKey = (Instant, u64);

/// The poll's registry and the timers.
#[derive(Debug)]
pub(crate) struct Shell {
    registry: Registry,
    /// Tokens are never used twice, so that a late event cannot reach a later socket.
    next_token: usize,
    owners: HashMap<Token, Owner>,
    timers: BTreeMap<TimerKey, Timer>,
    serial: u64,
}

impl Shell {
    /// `first_token` and what follows are given out.
    pub(crate) fn new(registry: Registry, first_token: usize) -> Shell {
        let (owners, timers) = (HashMap::new(), BTreeMap::new());
        Shell {
            registry,
            next_token: first_token,
            owners,
            timers,
            serial: 0,
        }
    }

    /// Registers `source`; its events will be told to belong to `owner`.
    pub(crate) fn watch(
        &mut self,
        source: &mut impl event::Source,
        interest: Interest,
        owner: Owner,
    ) -> io::Result<Token> {
        let token = Token(self.next_token);
        self.registry.register(source, token, interest)?;
        self.next_token += 1;
        self.owners.insert(token, owner);
        Ok(token)
    }

    /// Undoes [`Shell::watch`].
    pub(crate) fn forget(&mut self, source: &mut impl event::Source, token: Token) {
        // It fails only for a socket that is not registered, which is what is wanted.
        let _ = self.registry.deregister(source);
        self.owners.remove(&token);
    }

    /// Whom an event belongs to; `None` if its socket is no longer watched.
    pub(crate) fn owner(&self, token: Token) -> Option<Owner> {
        self.owners.get(&token).copied()
    }

    /// Sets a timer.
    pub(crate) fn set_timer(&mut self, at: Instant, timer: Timer) -> TimerKey {
        self.serial += 1;
        let key = (at, self.serial);
        self.timers.insert(key, timer);
        key
    }

    /// Takes a timer back; nothing happens if it is over.
    pub(crate) fn clear_timer(&mut self, key: TimerKey) {
        self.timers.remove(&key);
    }

    /// When the next timer is over.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|(&(at, _), _)| at)
    }

    /// Takes one timer that is over.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let first = self
            .timers
            .first_entry()
            .filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }
}
