//! The dialogue: states, verbs, replies (RFC 2033, and RFC 5321 as far as that refers to it).
//!
//! A session has at most one transaction; RSET, LHLO and DATA end it, as does a second MAIL, which
//! begins the next.

use os::Exit;
use smtp::address;
use smtp::dialogue::{Dialogue, Heard, LINE_LIMIT, Protocol};
use wire::command::{self, Next, Verb};
use wire::{Conn, Log};

use crate::local_delivery::Delivery;
use crate::record::RecipientAnswer;
use crate::replies;
use crate::settings::Settings;

/// All verbs; anything else is 502.
fn verbs<D: Delivery>() -> [Verb<Session<D>>; 11] {
    let verb = |word, run| Verb { word, run };
    [
        verb("RCPT", Session::rcpt),
        verb("MAIL", Session::mail),
        verb("DATA", Session::data),
        verb("QUIT", |session, _| {
            session.dialogue.quit(&session.settings.me)
        }),
        verb("LHLO", Session::lhlo),
        verb("RSET", Session::rset),
        verb("NOOP", |session, _| session.dialogue.answer(replies::OK)),
        verb("VRFY", |session, _| session.dialogue.answer(replies::VRFY)),
        verb("HELP", |session, _| session.dialogue.answer(replies::HELP)),
        verb("HELO", Session::helo),
        verb("EHLO", Session::helo),
    ]
}

/// A transaction.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub(crate) sender: Vec<u8>,
    /// How many recipients were accepted, each of whom gets a reply of his own.
    pub(crate) recipients: usize,
    /// Recipients over a limit were refused, and the log has one line about it.
    over_limit: bool,
}

/// What has happened to messages so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) messages: u64,
    pub(crate) delivered: u64,
}

/// One conversation with one client.
#[derive(Debug)]
pub struct Session<D> {
    pub(crate) dialogue: Dialogue,
    pub(crate) settings: Settings,
    pub(crate) delivery: D,
    pub(crate) mail: Option<Mail>,
    pub(crate) counts: Counts,
}

impl<D: Delivery> Session<D> {
    /// Nothing is said yet.
    pub fn new(conn: Conn, log: Log, settings: Settings, delivery: D) -> Session<D> {
        Session {
            dialogue: Dialogue::new(conn, log, Protocol::Lmtp, settings.limits.dialogue()),
            settings,
            delivery,
            mail: None,
            counts: Counts::default(),
        }
    }

    /// Speaks to the end. The exit code is 0 after QUIT and 1 otherwise.
    pub fn run(mut self) -> Exit {
        self.log_start();
        let greeting = [b"220 ", self.settings.me.as_slice(), b" LMTP\r\n"].concat();
        self.dialogue.conn.reply(&greeting);
        let verbs = verbs();
        let mut line = Vec::new();
        while self.next(&verbs, &mut line) == Next::Continue {}
        let tally = &self.dialogue.tally;
        let counts = [
            ("messages", self.counts.messages),
            ("delivered", self.counts.delivered),
            ("refused", tally.refused + tally.deferred),
        ];
        self.dialogue.end(replies::TIMEOUT, &counts)
    }

    /// Reads and answers one command.
    fn next(&mut self, verbs: &[Verb<Session<D>>], line: &mut Vec<u8>) -> Next {
        match self.dialogue.hear(line, LINE_LIMIT) {
            Heard::Nothing => Next::Close,
            Heard::Unreadable(text) => self.dialogue.bad(text),
            Heard::Command => {
                let (verb, argument) = command::split(line);
                match command::find(verbs, verb) {
                    Some(verb) => {
                        self.dialogue.verb = verb.word;
                        (verb.run)(self, argument)
                    }
                    None => self.dialogue.bad(replies::UNIMPLEMENTED),
                }
            }
        }
    }

    fn log_start(&mut self) {
        let mut entry = self.dialogue.log.event("start");
        if let Some(uid) = self.settings.remote_uid {
            entry = entry.number("uid", uid);
        }
        entry.field("host", &self.settings.remote_host).say();
    }

    /// The side that delivers is lost, and with it all that this could be for.
    pub(crate) fn lost(&mut self, reason: &str) -> Next {
        self.dialogue.log_fault(reason);
        self.dialogue.close(replies::NO_SERVICE, "trouble")
    }

    fn helo(&mut self, _: &[u8]) -> Next {
        self.dialogue.bad(replies::WANT_LHLO)
    }

    fn lhlo(&mut self, argument: &[u8]) -> Next {
        self.mail = None;
        self.dialogue.hello.name = Some(argument.to_vec());
        let size = format!("SIZE {}", self.settings.limits.databytes);
        let offered = [
            "PIPELINING".into(),
            "8BITMIME".into(),
            size.into(),
            "SMTPUTF8".into(),
            "ENHANCEDSTATUSCODES".into(),
        ];
        self.dialogue
            .reply_capabilities(&self.settings.me, &offered);
        Next::Continue
    }

    fn mail(&mut self, argument: &[u8]) -> Next {
        if let Some(over) = self.dialogue.tally.may_begin() {
            return self.dialogue.close(over.reply, over.reason);
        }
        // Also a MAIL that is refused ends the transaction before it.
        self.mail = None;
        let (sender, parameters) = match address::mail_argument(argument) {
            Ok(read) => read,
            Err(text) => return self.dialogue.bad(text),
        };
        if self.dialogue.tally.is_too_big(parameters.size) {
            return self.dialogue.refuse_sender(&sender, replies::TOO_BIG);
        }
        if let Err(reason) = self.delivery.mail(&sender) {
            return self.lost(&reason);
        }
        self.mail = Some(Mail {
            sender,
            ..Mail::default()
        });
        self.dialogue.reply_with(replies::OK, Some((1, 0)));
        Next::Continue
    }

    fn rcpt(&mut self, argument: &[u8]) -> Next {
        let Some(mail) = self.mail.take() else {
            return self.dialogue.bad(replies::WANT_MAIL);
        };
        let (mail, next) = match address::rcpt_argument(argument) {
            Ok(recipient) => self.rcpt_of(mail, &recipient),
            Err(text) => (mail, self.dialogue.bad(text)),
        };
        self.mail = Some(mail);
        next
    }

    fn refuse(&mut self, sender: &[u8], recipient: &[u8], text: &str) -> Next {
        self.dialogue
            .refuse_recipient(Some(sender), recipient, text)
    }

    fn rcpt_of(&mut self, mut mail: Mail, recipient: &[u8]) -> (Mail, Next) {
        if let Some(text) = self.dialogue.tally.refuse_further(mail.recipients) {
            // One line in the log is enough: there may be thousands.
            let next = if std::mem::replace(&mut mail.over_limit, true) {
                self.dialogue.reply(text);
                self.dialogue.count_deferral()
            } else {
                self.refuse(&mail.sender, recipient, text)
            };
            return (mail, next);
        }
        let (_, domain) = accounts::address::split(recipient);
        let refusal = if domain.is_some_and(|domain| !self.settings.is_local(domain)) {
            Some(replies::NOT_LOCAL)
        } else {
            match self.delivery.rcpt(recipient) {
                Ok(RecipientAnswer::Here) => None,
                Ok(RecipientAnswer::Unknown) => Some(replies::NO_MAILBOX),
                Ok(RecipientAnswer::Temporary) => Some(replies::NO_LOOKUP),
                Err(reason) => return (mail, self.lost(&reason)),
            }
        };
        if let Some(text) = refusal {
            let next = self.refuse(&mail.sender, recipient, text);
            return (mail, next);
        }
        mail.recipients += 1;
        self.dialogue.tally.recipients += 1;
        self.dialogue.reply_with(replies::OK, Some((1, 5)));
        (mail, Next::Continue)
    }

    fn data(&mut self, _: &[u8]) -> Next {
        match self.mail.take() {
            None => self.dialogue.bad(replies::WANT_MAIL),
            // RFC 2033 section 4.2: with no recipient DATA is refused, always with 503.
            Some(mail) if mail.recipients == 0 => {
                self.mail = Some(mail);
                self.dialogue.bad(replies::WANT_RCPT)
            }
            Some(mail) => self.receive(&mail),
        }
    }

    fn rset(&mut self, _: &[u8]) -> Next {
        self.mail = None;
        self.dialogue.reply(replies::FLUSHED);
        Next::Continue
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
