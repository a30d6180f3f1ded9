//! Handing a message over, by whatever way it goes.
//!
//! One message goes one way, for all its recipients ([`crate::ways`]). A way is begun before 354 is
//! said, so that trouble with it is told at once; nothing is committed before the end of the data;
//! dropping a handoff gives the message up, and is all that a killed smtpd would do, too.

pub mod hop;
pub mod program;
pub mod sendmail;

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use chain::Env;
use nexthop::Client;

use crate::handoff::program::Running;
use crate::handoff::sendmail::Spooled;
use crate::ways::Way;

/// Why a message was not taken: the reply, and a sentence for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// To the client.
    pub reply: Cow<'static, str>,
    /// To the log.
    pub reason: String,
}

/// Where and how programs are run.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The home.
    pub folder: &'a Path,
    /// The session's environment.
    pub env: &'a Env,
    /// How long one write, and the work after the end of the data, may take.
    pub patience: Duration,
}

/// A message on its way.
#[derive(Debug)]
pub enum Handoff {
    /// To a program with qmail-queue's interface.
    Program(Running),
    /// To a program with sendmail's, once it is whole.
    Sendmail(Spooled),
    /// To the next hop, which has heard all but the text.
    Hop(Box<hop::Talking>),
}

impl Handoff {
    /// Begins. For a hop `client` has been told sender and recipients.
    pub fn start(way: &Way, client: Option<Client>, place: Place<'_>) -> Result<Handoff, Failure> {
        match way {
            Way::Program(program) => Running::start(program, place).map(Handoff::Program),
            Way::Sendmail(program) => Spooled::new(program).map(Handoff::Sendmail),
            Way::Hop(hop) => {
                hop::Talking::start(hop, client).map(|talking| Handoff::Hop(Box::new(talking)))
            }
        }
    }

    /// The number in the reply: the process id of a program that was started.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Handoff::Program(running) => Some(running.pid()),
            Handoff::Sendmail(_) | Handoff::Hop(_) => None,
        }
    }

    /// Whether a bare CR cannot go this way: whoever gets it by SMTP may take it for a line end.
    pub fn takes_bare_cr(&self) -> bool {
        !matches!(self, Handoff::Hop(_))
    }

    /// Adds to the message. What goes wrong is told at the end.
    pub fn write(&mut self, bytes: &[u8]) {
        match self {
            Handoff::Program(running) => running.write(bytes),
            Handoff::Sendmail(spooled) => spooled.write(bytes),
            Handoff::Hop(talking) => talking.write(bytes),
        }
    }

    /// Whether it is known already that the message cannot be taken.
    pub fn is_broken(&self) -> bool {
        match self {
            Handoff::Program(running) => running.is_broken(),
            Handoff::Sendmail(spooled) => spooled.is_broken(),
            Handoff::Hop(talking) => talking.is_broken(),
        }
    }

    /// Commits the message, and says what was said about it where something was. The client of a hop
    /// comes back for the next message where it can be used.
    pub fn finish(
        self,
        sender: &[u8],
        recipients: &[Vec<u8>],
        place: Place<'_>,
    ) -> (Result<Option<String>, Failure>, Option<Client>) {
        match self {
            Handoff::Program(running) => {
                let done = running.commit(sender, recipients);
                (done.map(|()| None), None)
            }
            Handoff::Sendmail(spooled) => {
                let done = spooled.send(sender, recipients, place);
                (done.map(|()| None), None)
            }
            Handoff::Hop(talking) => talking.finish(recipients),
        }
    }
}
