//! What those who share a loop share: registration with its poll, and timers.
//!
//! A loop has one type for what a socket or a timer may concern; a resolver puts its questions in
//! ([`Concern`]).

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::Instant;

use mio::{Interest, Registry, Token, event};

/// A question in the air, by its number in the resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asked(pub(crate) u64);

/// What a socket or a timer may concern: a question at least.
pub trait Concern: Copy + From<Asked> {}

impl<C: Copy + From<Asked>> Concern for C {}

/// Names a timer that has been set.
pub type TimerKey = (Instant, u64);

/// The poll's registry and the timers.
#[derive(Debug)]
pub struct Shell<C> {
    registry: Registry,
    /// Tokens are never used twice, so that a late event cannot reach a later socket.
    next_token: usize,
    owners: HashMap<Token, C>,
    timers: BTreeMap<TimerKey, C>,
    serial: u64,
}

impl<C: Copy> Shell<C> {
    /// `first_token` and what follows are given out.
    pub fn new(registry: Registry, first_token: usize) -> Shell<C> {
        let (owners, timers) = (HashMap::new(), BTreeMap::new());
        Shell {
            registry,
            next_token: first_token,
            owners,
            timers,
            serial: 0,
        }
    }

    /// Registers `source`; its events will be told to concern `owner`.
    pub fn watch(
        &mut self,
        source: &mut impl event::Source,
        interest: Interest,
        owner: C,
    ) -> io::Result<Token> {
        let token = Token(self.next_token);
        self.registry.register(source, token, interest)?;
        self.next_token += 1;
        self.owners.insert(token, owner);
        Ok(token)
    }

    /// Undoes [`Shell::watch`].
    pub fn forget(&mut self, source: &mut impl event::Source, token: Token) {
        // It fails only for a socket that is not registered, which is what is wanted.
        let _ = self.registry.deregister(source);
        self.owners.remove(&token);
    }

    /// What an event concerns; `None` if its socket is no longer watched.
    pub fn owner(&self, token: Token) -> Option<C> {
        self.owners.get(&token).copied()
    }

    /// Sets a timer.
    pub fn set_timer(&mut self, at: Instant, concern: C) -> TimerKey {
        self.serial += 1;
        let key = (at, self.serial);
        self.timers.insert(key, concern);
        key
    }

    /// Takes a timer back; nothing happens if it is over.
    pub fn clear_timer(&mut self, key: TimerKey) {
        self.timers.remove(&key);
    }

    /// When the next timer is over.
    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|(&(at, _), _)| at)
    }

    /// Takes one timer that is over.
    pub fn take_due(&mut self, now: Instant) -> Option<C> {
        let first = self
            .timers
            .first_entry()
            .filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }
}
