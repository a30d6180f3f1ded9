//! One way of a message, with three steps: the text, all that can be done without committing it, the commit.

use std::time::Duration;

use nexthop::Client;

use super::hop::Talking;
use super::program::Running;
use super::sendmail::Spooled;
use super::{Failure, Outcome, ProgramContext};
use crate::transport::Transport;

/// A message on one way. Dropped, it is given up.
#[derive(Debug)]
pub enum Part {
    /// To a program with qmail-queue's interface.
    Program(Running),
    /// To a program with sendmail's, once it is whole.
    Sendmail(Spooled),
    /// To the next hop, which has heard all but the text.
    Hop(Box<Talking>),
}

impl Part {
    /// Begins. For a hop `client` has been told sender and recipients. With `hold` there is another way, and a
    /// program that can wait before its last step does.
    pub fn start(
        transport: &Transport,
        client: Option<Client>,
        context: ProgramContext<'_>,
        hold: bool,
    ) -> Result<Part, Failure> {
        match transport {
            Transport::Maildirs(program) => {
                Running::start(program, context, hold).map(Part::Program)
            }
            Transport::Program(program) => {
                Running::start(program, context, false).map(Part::Program)
            }
            Transport::Sendmail(program) => Spooled::new(program).map(Part::Sendmail),
            Transport::Hop(hop) => {
                Talking::start(hop, client).map(|talking| Part::Hop(Box::new(talking)))
            }
        }
    }

    /// The process id of a program that was started.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Part::Program(running) => Some(running.pid()),
            Part::Sendmail(_) | Part::Hop(_) => None,
        }
    }

    /// Whether a bare CR can go this way.
    pub fn takes_bare_cr(&self) -> bool {
        !matches!(self, Part::Hop(_))
    }

    /// Adds to the message. What goes wrong is told at the end.
    pub fn write(&mut self, bytes: &[u8]) {
        match self {
            Part::Program(running) => running.write(bytes),
            Part::Sendmail(spooled) => spooled.write(bytes),
            Part::Hop(talking) => talking.write(bytes),
        }
    }

    /// Whether it is known already that the message cannot be taken.
    pub fn is_broken(&self) -> bool {
        match self {
            Part::Program(running) => running.is_broken(),
            Part::Sendmail(spooled) => spooled.is_broken(),
            Part::Hop(talking) => talking.is_broken(),
        }
    }

    /// Does, within `limit`, whatever can be done without committing the message: maildir-queue writes and syncs
    /// every copy; any other program has read all but the last NUL, and a hop all but the last dot. After an
    /// error it can only be dropped.
    pub fn prepare(
        &mut self,
        (sender, recipients): (&[u8], &[Vec<u8>]),
        limit: Duration,
    ) -> Result<(), Failure> {
        match self {
            Part::Program(running) => running.prepare(sender, recipients, limit),
            Part::Sendmail(spooled) => spooled.check(),
            Part::Hop(talking) => talking.prepare(limit),
        }
    }

    /// Commits the message, within `limit`, or the way's own. The client of a hop comes back for the next
    /// message where it can be used.
    pub fn finish(
        self,
        (sender, recipients): (&[u8], &[Vec<u8>]),
        context: ProgramContext<'_>,
        limit: Option<Duration>,
    ) -> (Outcome, Option<Client>) {
        let patience = limit.map_or(context.patience, |limit| limit.min(context.patience));
        match self {
            Part::Program(running) => {
                let done = running.commit(sender, recipients, patience);
                (done.into(), None)
            }
            Part::Sendmail(spooled) => {
                let context = ProgramContext {
                    patience,
                    ..context
                };
                (spooled.send(sender, recipients, context).into(), None)
            }
            Part::Hop(talking) => talking.finish(recipients, limit),
        }
    }
}
