//! Handing a message over, by whatever way it goes, or by both ([`crate::transport`]).
//!
//! A way is begun before 354 is said, so that trouble with it is told at once; nothing is committed
//! before the end of the data; dropping a handoff gives the message up, and is all that a killed smtpd
//! would do, too.
//!
//! **Both ways** are committed without a queue, in three steps:
//!
//! 1. what stays here is prepared: all that can go wrong with it is done ([`part::Part::prepare`]);
//! 2. what goes elsewhere is committed. Its refusal, or its silence, is the answer, and what was prepared
//!    is taken away;
//! 3. what stays here is committed: by maildir-queue names in `new`, by LMTP the last dot, by a foreign
//!    queue program the last NUL.
//!
//! The order is so because step 2 cannot be undone and is the one that fails. Who has died, or fails,
//! between 2 and 3 has not said 250: the client sends again, and what went elsewhere goes there twice. Nothing
//! is lost.

mod both;
pub mod hop;
pub mod part;
pub mod program;
pub mod sendmail;

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use chain::Env;
use nexthop::Client;

use crate::handoff::part::Part;
use crate::sanitize;
use crate::transport::{DESTINATIONS, Destination, PerDestination, Transport};

/// Why a message was not taken: the reply, and a sentence for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// To the client.
    pub reply: Cow<'static, str>,
    /// To the log.
    pub reason: String,
}

impl Failure {
    /// Whether the client is told not to try again.
    pub fn is_permanent(&self) -> bool {
        self.reply.starts_with('5')
    }

    /// This failure where other recipients have the message: the sender must know whom this is about, and must not think
    /// that nobody has it.
    #[must_use]
    fn of_some(mut self, first: &[u8]) -> Failure {
        let name = sanitize::line(first).unwrap_or_default();
        self.reply = format!("{} (for {name}; others have it)", self.reply).into();
        self
    }
}

/// What became of a message one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everybody has it; what was said about that, where something was.
    All(Option<String>),
    /// Some have it, and the others never will. The reply says so.
    Some(Failure),
    /// Nobody has it, or it has to come again.
    Nobody(Failure),
}

impl From<Result<(), Failure>> for Outcome {
    fn from(done: Result<(), Failure>) -> Outcome {
        match done {
            Ok(()) => Outcome::All(None),
            Err(failure) => Outcome::Nobody(failure),
        }
    }
}

/// Where and how programs are run.
#[derive(Clone, Copy, Debug)]
pub struct ProgramContext<'a> {
    /// The home.
    pub folder: &'a Path,
    /// The session's environment.
    pub env: &'a Env,
    /// How long one write, and the work after the end of the data, may take.
    pub patience: Duration,
}

/// Whom a message is from, and whom it is for.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Unquoted; empty for a bounce.
    pub sender: &'a [u8],
    /// Unquoted, in the order in which they were accepted.
    pub recipients: &'a PerDestination<Vec<Vec<u8>>>,
}

impl<'a> Envelope<'a> {
    /// Sender and recipients of one destination.
    fn of(&self, destination: Destination) -> (&'a [u8], &'a [Vec<u8>]) {
        (self.sender, &self.recipients[destination])
    }
}

/// A way that a message is to go. A hop's client has been told sender and recipients.
pub type Begun<'a> = (&'a Transport, Option<Client>);

/// The end of a message's way.
#[derive(Debug)]
pub struct Finished {
    /// What hops have said about it, or why it was not taken.
    pub done: Result<Vec<String>, Failure>,
    /// The clients of hops that can be used for the next message.
    pub clients: PerDestination<Option<Client>>,
}

/// A message on its way.
#[derive(Debug)]
pub struct Handoff {
    parts: PerDestination<Option<Part>>,
}

impl Handoff {
    /// Begins the ways that there are.
    pub fn start(
        mut transports: PerDestination<Option<Begun<'_>>>,
        context: ProgramContext<'_>,
    ) -> Result<Handoff, Failure> {
        let hold = transports.local.is_some() && transports.remote.is_some();
        // Who is elsewhere is asked first: that is more likely to fail, and less work to take back.
        let start = |begun: Option<Begun<'_>>| match begun {
            Some((transport, client)) => Part::start(transport, client, context, hold).map(Some),
            None => Ok(None),
        };
        let remote = start(transports.remote.take())?;
        let local = start(transports.local.take())?;
        let parts = PerDestination { local, remote };
        Ok(Handoff { parts })
    }

    fn each(&self) -> impl Iterator<Item = &Part> {
        DESTINATIONS
            .iter()
            .filter_map(|&destination| self.parts[destination].as_ref())
    }

    /// The number in the reply: the process id of a program that was started.
    pub fn pid(&self) -> Option<u32> {
        self.each().find_map(Part::pid)
    }

    /// Whether a bare CR cannot go this way: whoever gets it by SMTP may take it for a line end.
    pub fn takes_bare_cr(&self) -> bool {
        self.each().all(Part::takes_bare_cr)
    }

    /// Adds to the message. What goes wrong is told at the end.
    pub fn write(&mut self, bytes: &[u8]) {
        for destination in DESTINATIONS {
            if !self.is_broken()
                && let Some(part) = &mut self.parts[destination]
            {
                part.write(bytes);
            }
        }
    }

    /// Whether it is known already that the message cannot be taken.
    pub fn is_broken(&self) -> bool {
        self.each().any(Part::is_broken)
    }

    /// Commits the message.
    pub fn finish(self, envelope: Envelope<'_>, context: ProgramContext<'_>) -> Finished {
        let mut clients = PerDestination::default();
        let done = match self.parts {
            PerDestination {
                local: Some(local),
                remote: Some(remote),
            } => both::finish(local, remote, envelope, context, &mut clients),
            PerDestination { local, remote } => {
                let mut done = Ok(Vec::new());
                for (destination, part) in
                    [(Destination::Local, local), (Destination::Remote, remote)]
                {
                    let Some(part) = part else { continue };
                    let (outcome, client) = part.finish(envelope.of(destination), context, None);
                    clients[destination] = client;
                    done = match outcome {
                        Outcome::All(said) => Ok(said.into_iter().collect()),
                        Outcome::Some(failure) | Outcome::Nobody(failure) => Err(failure),
                    };
                }
                done
            }
        };
        Finished { done, clients }
    }
}
