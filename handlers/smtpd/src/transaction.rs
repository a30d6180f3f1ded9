//! A transaction: one message, from MAIL to the reply after its text, and what next hops know of it.

use std::borrow::Cow;
use std::time::Duration;

use nexthop::Client;
use smtp::address::MailParameters;
use smtp::incoming::{Flaw, Incoming};
use wire::chunk::Chunks;

use crate::handoff::{Failure, Handoff, hop};
use crate::limits::SessionLimits;
use crate::replies::{self, queue as texts};
use crate::transport::{DESTINATIONS, PerDestination};

/// What a session knows of messages: at most one is under way.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    /// The envelope, from MAIL on.
    pub(crate) mail: Option<Mail>,
    /// The message that comes in chunks.
    pub(crate) receiving: Option<Receiving>,
    /// The next hops that wait for another transaction.
    pub(crate) idle: PerDestination<Option<Box<Client>>>,
    /// MAIL was refused, and commands that were sent before that was known follow.
    pub(crate) mail_refused: bool,
}

impl Transaction {
    /// Whether one has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.mail.is_some() || self.receiving.is_some()
    }

    /// Whether the client may still be sending what it sent in the hope that nothing would be refused.
    pub(crate) fn is_disappointed(&self) -> bool {
        self.mail_refused || self.mail.as_ref().is_some_and(|mail| mail.disappointed)
    }

    /// Whether a message can follow; the reply where it cannot.
    pub(crate) fn is_ready(&self) -> Result<(), &'static str> {
        match &self.mail {
            None => Err(replies::WANT_MAIL),
            Some(mail) if mail.count() == 0 => Err(replies::WANT_RCPT),
            Some(_) => Ok(()),
        }
    }

    /// How long the client may say nothing before the next hops are given up; `None` where there are none.
    pub(crate) fn hop_patience(&self, limits: &SessionLimits) -> Option<Duration> {
        let mail = self.mail.as_ref();
        let has_begun = |destination| {
            mail.is_some_and(|mail| matches!(mail.hops[destination], AtHop::Begun(_)))
        };
        if DESTINATIONS.into_iter().any(has_begun) {
            return Some(limits.hop_silence);
        }
        let mut all = DESTINATIONS.into_iter();
        all.any(|destination| self.idle[destination].is_some())
            .then_some(limits.hop_idle)
    }

    /// Gives the next hops up: their connections are few, and a client that has nothing to say must not
    /// hold one.
    pub(crate) fn give_hops_up(&mut self) {
        self.leave_idle();
        let Some(mail) = &mut self.mail else { return };
        for destination in DESTINATIONS {
            if matches!(mail.hops[destination], AtHop::Begun(_)) {
                let given_up = AtHop::Refused(hop::given_up());
                std::mem::replace(&mut mail.hops[destination], given_up).leave();
            }
        }
    }

    /// Ends the transaction, and says good-bye to the next hops.
    pub(crate) fn leave_hops(&mut self) {
        self.receiving = None;
        let hops = self.mail.take().map(|mail| mail.hops).unwrap_or_default();
        hops.local.leave();
        hops.remote.leave();
        self.leave_idle();
    }

    /// Says good-bye to the next hops that wait for another transaction.
    pub(crate) fn leave_idle(&mut self) {
        for destination in DESTINATIONS {
            if let Some(client) = self.idle[destination].take() {
                client.quit();
            }
        }
    }
}

/// The envelope of a message, from MAIL on.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub(crate) sender: Vec<u8>,
    pub(crate) parameters: MailParameters,
    /// Who was taken, by the way that his mail goes.
    pub(crate) recipients: PerDestination<Vec<Vec<u8>>>,
    /// What the next hops know of it.
    pub(crate) hops: PerDestination<AtHop>,
    /// A plugin has vouched for the sender.
    pub(crate) vouched: bool,
    /// Recipients over the limit were refused, and the log has one line about it.
    pub(crate) over_limit: bool,
    /// Somebody was refused, so what comes next may have been sent in the hope that nobody would.
    pub(crate) disappointed: bool,
}

impl Mail {
    /// How many were taken.
    pub(crate) fn count(&self) -> usize {
        self.recipients.local.len() + self.recipients.remote.len()
    }
}

/// A transaction as the next hop sees it.
#[derive(Debug, Default)]
pub(crate) enum AtHop {
    /// It has heard nothing.
    #[default]
    Nothing,
    /// It has accepted the sender.
    Begun(Box<nexthop::Client>),
    /// It cannot be asked, or has refused the sender: all recipients are told so.
    Refused(Failure),
}

impl AtHop {
    /// Says good-bye to it.
    pub(crate) fn leave(self) {
        if let AtHop::Begun(client) = self {
            client.quit();
        }
    }
}

/// What one message is called in the reply, the header and the log.
#[derive(Clone, Debug)]
pub(crate) struct Id {
    pub(crate) seconds: u64,
    /// What stands behind `qp`: the process id of the queue program, which is what a queue's own log
    /// has, or, where none is started, this process's and the number of the message in it.
    pub(crate) number: String,
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.seconds, self.number)
    }
}

/// A message that is coming in.
#[derive(Debug)]
pub(crate) struct Receiving {
    pub(crate) mail: Mail,
    pub(crate) id: Id,
    /// Who takes it, or the reply that refuses it; it has been given up then.
    pub(crate) taken: Result<Handoff, Cow<'static, str>>,
    pub(crate) incoming: Incoming,
    pub(crate) chunks: Chunks,
}

impl Receiving {
    /// Takes stored text that came in `used` bytes; `is_spoiled` says that a line end in it, or before
    /// it, is not what it must be.
    pub(crate) fn take(&mut self, stored: &[u8], used: usize, is_spoiled: bool) {
        let flaw = self.incoming.feed(stored, is_spoiled);
        let refusal = flaw.map(|flaw| match flaw {
            Flaw::BareLf => replies::BARE_LF,
            Flaw::Looping => replies::LOOPING,
            Flaw::TooBig => replies::TOO_BIG,
        });
        let bare_cr = |handoff: &Handoff| !handoff.takes_bare_cr() && stored.contains(&b'\r');
        match (&mut self.taken, refusal) {
            (Ok(handoff), None) if bare_cr(handoff) => self.taken = Err(replies::BARE_CR.into()),
            (Ok(handoff), None) => {
                handoff.write(stored);
                if handoff.is_broken() {
                    self.incoming.discard(used);
                }
            }
            (Ok(_), Some(reply)) => self.taken = Err(reply.into()),
            (Err(before), reply) => {
                self.incoming.discard(used);
                if let Some(reply) = reply {
                    *before = reply.into();
                }
            }
        }
    }

    /// The reply to a message that is refused already.
    pub(crate) fn refusal(&self) -> Cow<'static, str> {
        match &self.taken {
            Err(reply) => reply.clone(),
            Ok(_) => texts::READ_ERROR.into(),
        }
    }
}
