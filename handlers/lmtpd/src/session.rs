//! The dialogue: states, verbs, replies (RFC 2033, and RFC 5321 as far as that refers to it).
//!
//! A session has at most one transaction; RSET, LHLO and DATA end it, as does a second MAIL, which
//! begins the next.

use std::time::Instant;

use os::Exit;
use smtp::address::{self, Fault};
use wire::command::{self, Next, Verb};
use wire::refusals::OTHER_VERB;
use wire::{Conn, Line, Log, Refusals, Trouble};

use crate::local_delivery::Delivery;
use crate::record::RecipientAnswer;
use crate::replies;
use crate::settings::Settings;

/// The most bytes of a command line, without its end.
pub const LINE_LIMIT: usize = 4096;

/// After so many temporary refusals of recipients, and of messages that are declared too large, the
/// session ends.
const DEFERRAL_LIMIT: u64 = 1000;

/// All verbs; anything else is 502.
fn verbs<D: Delivery>() -> [Verb<Session<D>>; 11] {
    let verb = |word, run| Verb { word, run };
    [
        verb("RCPT", Session::rcpt),
        verb("MAIL", Session::mail),
        verb("DATA", Session::data),
        verb("QUIT", Session::quit),
        verb("LHLO", Session::lhlo),
        verb("RSET", Session::rset),
        verb("NOOP", Session::noop),
        verb("VRFY", Session::vrfy),
        verb("HELP", Session::help),
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

/// What has happened so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    bad_commands: u64,
    refused: u64,
    deferred: u64,
    /// Accepted recipients, also of messages that did not come.
    recipients: u64,
    refusals: Refusals,
    pub(crate) messages: u64,
    pub(crate) delivered: u64,
}

/// One conversation with one client.
#[derive(Debug)]
pub struct Session<D> {
    pub(crate) conn: Conn,
    pub(crate) log: Log,
    pub(crate) settings: Settings,
    pub(crate) delivery: D,
    pub(crate) lhlo: Option<Vec<u8>>,
    pub(crate) mail: Option<Mail>,
    pub(crate) counts: Counts,
    /// What made a reading or writing step fail.
    pub(crate) trouble: Option<Trouble>,
    /// What the log says about the end where it is neither QUIT nor trouble.
    pub(crate) ended: Option<&'static str>,
    exit: Exit,
    start: Instant,
    /// The command that is being answered, as the log names it.
    verb: &'static str,
}

impl<D: Delivery> Session<D> {
    /// Nothing is said yet.
    pub fn new(conn: Conn, log: Log, settings: Settings, delivery: D) -> Session<D> {
        Session {
            conn,
            log,
            settings,
            delivery,
            lhlo: None,
            mail: None,
            counts: Counts::default(),
            trouble: None,
            ended: None,
            exit: Exit::NO,
            start: Instant::now(),
            verb: OTHER_VERB,
        }
    }

    /// Speaks to the end. The exit code is 0 after QUIT and 1 otherwise.
    pub fn run(mut self) -> Exit {
        self.log_start();
        self.reply_named("220 ", " LMTP");
        let verbs = verbs();
        let mut line = Vec::new();
        while self.next(&verbs, &mut line) == Next::Continue {}
        self.say_goodbye();
        self.exit
    }

    /// Reads and answers one command.
    fn next(&mut self, verbs: &[Verb<Session<D>>], line: &mut Vec<u8>) -> Next {
        let read = self.conn.read_line(line, LINE_LIMIT);
        self.verb = OTHER_VERB;
        match read {
            Err(trouble) => {
                self.trouble = Some(trouble);
                Next::Close
            }
            Ok(Line::TooLong) => self.bad(replies::LINE_TOO_LONG),
            Ok(Line::Whole) if line.contains(&0) => self.bad(replies::NUL),
            Ok(Line::Whole) => {
                let (verb, argument) = command::split(line);
                match command::find(verbs, verb) {
                    Some(verb) => {
                        self.verb = verb.word;
                        (verb.run)(self, argument)
                    }
                    None => self.bad(replies::UNIMPLEMENTED),
                }
            }
        }
    }

    /// Says why it ends, if that is to be said, and writes what is left.
    fn say_goodbye(&mut self) {
        let word = match &self.trouble {
            Some(trouble) => trouble.to_string(),
            None => self.ended.unwrap_or("quit").to_owned(),
        };
        let last = match &self.trouble {
            Some(Trouble::Timeout) => Some(replies::TIMEOUT),
            Some(Trouble::SessionOver) => Some(replies::SESSION_OVER),
            Some(Trouble::Flood) => Some(replies::FLOOD),
            Some(Trouble::Closed | Trouble::Io(_)) | None => None,
        };
        if let Some(last) = last {
            self.reply(last);
        }
        // The client may be gone; there is nobody else to tell.
        let _ = self.conn.flush();
        let untold = self.counts.refusals.untold();
        let mut entry = self
            .log
            .event("end")
            .field("reason", word.as_bytes())
            .number("messages", self.counts.messages)
            .number("delivered", self.counts.delivered)
            .number("refused", self.counts.refused + self.counts.deferred)
            .traffic(self.conn.traffic(), self.start);
        if untold > 0 {
            entry = entry.number("unlogged", untold);
        }
        entry.say();
    }

    fn log_start(&mut self) {
        let mut entry = self.log.event("start");
        if let Some(uid) = self.settings.remote_uid {
            entry = entry.number("uid", uid);
        }
        entry.field("host", &self.settings.remote_host).say();
    }

    /// Adds one reply line.
    pub(crate) fn reply(&mut self, text: &str) {
        self.conn.reply(text.as_bytes());
        self.conn.reply(b"\r\n");
    }

    /// Adds one with this host's name in it.
    fn reply_named(&mut self, before: &str, behind: &str) {
        self.conn.reply(before.as_bytes());
        self.conn.reply(&self.settings.me);
        self.reply(behind);
    }

    /// Refuses a command that nobody should send; too many of them end the session.
    fn bad(&mut self, text: &'static str) -> Next {
        self.log_refused(self.verb, None, None, text);
        self.reply(text);
        self.counts.bad_commands += 1;
        let limit = self.settings.limits.bad_commands;
        if limit == 0 || self.counts.bad_commands < limit {
            return Next::Continue;
        }
        self.close(replies::TOO_MANY_BAD, "too many bad commands")
    }

    /// Refuses a recipient; too many of them end the session.
    fn refuse(&mut self, sender: &[u8], to: &[u8], text: &'static str) -> Next {
        self.log_refused("RCPT", Some(sender), Some(to), text);
        self.reply(text);
        if text.starts_with('4') {
            return self.count_deferral();
        }
        self.counts.refused += 1;
        let limit = self.settings.limits.refused;
        if limit == 0 || self.counts.refused < limit {
            return Next::Continue;
        }
        self.close(replies::TOO_MANY_REFUSED, "too many refused recipients")
    }

    /// Counts a refusal that an honest client may get many of, and not without end: each has its
    /// line in the log.
    fn count_deferral(&mut self) -> Next {
        self.counts.deferred += 1;
        if self.counts.deferred < DEFERRAL_LIMIT {
            return Next::Continue;
        }
        self.close(replies::TOO_MANY_REFUSED, "too many deferrals")
    }

    fn log_refused(
        &mut self,
        verb: &'static str,
        sender: Option<&[u8]>,
        to: Option<&[u8]>,
        text: &'static str,
    ) {
        if !self.counts.refusals.may_be_told(verb) {
            return;
        }
        let lhlo = self.lhlo.as_deref().unwrap_or_default();
        let mut entry = self.log.event("refuse").field("verb", verb.as_bytes());
        for (key, address) in [("from", sender), ("to", to)] {
            if let Some(address) = address {
                entry = entry.address(key, address);
            }
        }
        entry
            .field("lhlo", lhlo)
            .field("reply", text.as_bytes())
            .say();
    }

    pub(crate) fn close(&mut self, text: &str, why: &'static str) -> Next {
        self.reply(text);
        self.ended = Some(why);
        Next::Close
    }

    /// The side that delivers is lost, and with it all that this could be for.
    pub(crate) fn lost(&mut self, reason: &str) -> Next {
        let entry = self.log.event("fault");
        entry.field("reason", reason.as_bytes()).say();
        self.close(replies::NO_SERVICE, "trouble")
    }

    fn helo(&mut self, _: &[u8]) -> Next {
        self.bad(replies::WANT_LHLO)
    }

    fn lhlo(&mut self, argument: &[u8]) -> Next {
        self.mail = None;
        self.lhlo = Some(argument.to_vec());
        self.reply_named("250-", "");
        let size = format!("250-SIZE {}", self.settings.limits.databytes);
        for line in ["250-PIPELINING", "250-8BITMIME", &size, "250-SMTPUTF8"] {
            self.reply(line);
        }
        self.reply("250 ENHANCEDSTATUSCODES");
        Next::Continue
    }

    fn mail(&mut self, argument: &[u8]) -> Next {
        let limits = &self.settings.limits;
        if limits.is_all_of_session(self.counts.recipients) {
            let why = "too many recipients in one session";
            return self.close(replies::SESSION_HAD_TOO_MANY, why);
        }
        // Also a MAIL that is refused ends the transaction before it.
        self.mail = None;
        let (sender, size) = match address::parse(argument).and_then(|read| {
            let parameters = address::mail_parameters(read.parameters)?;
            Ok((read.address, parameters.size))
        }) {
            Ok(read) => read,
            Err(fault) => return self.bad(reply_to(fault)),
        };
        let databytes = self.settings.limits.databytes;
        if databytes > 0 && size.is_some_and(|size| size > databytes) {
            self.log_refused("MAIL", Some(&sender), None, replies::TOO_BIG);
            self.reply(replies::TOO_BIG);
            return self.count_deferral();
        }
        if let Err(reason) = self.delivery.mail(&sender) {
            return self.lost(&reason);
        }
        self.mail = Some(Mail {
            sender,
            ..Mail::default()
        });
        self.reply(replies::SENDER_OK);
        Next::Continue
    }

    fn rcpt(&mut self, argument: &[u8]) -> Next {
        let Some(mail) = self.mail.take() else {
            return self.bad(replies::WANT_MAIL);
        };
        let recipient = match address::parse(argument) {
            Ok(read) if read.address.is_empty() => Err(replies::BAD_ADDRESS),
            Ok(read) => Ok(read.address),
            Err(fault) => Err(reply_to(fault)),
        };
        let (mail, next) = match recipient {
            Ok(recipient) => self.rcpt_of(mail, &recipient),
            Err(text) => (mail, self.bad(text)),
        };
        self.mail = Some(mail);
        next
    }

    fn rcpt_of(&mut self, mut mail: Mail, recipient: &[u8]) -> (Mail, Next) {
        let limits = &self.settings.limits;
        let too_many = if mail.recipients as u64 >= limits.recipients {
            Some(replies::TOO_MANY_RECIPIENTS)
        } else if limits.is_all_of_session(self.counts.recipients) {
            Some(replies::TOO_MANY_OF_SESSION)
        } else {
            None
        };
        if let Some(text) = too_many {
            // One line in the log is enough: there may be thousands.
            let next = if std::mem::replace(&mut mail.over_limit, true) {
                self.reply(text);
                self.count_deferral()
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
        self.counts.recipients += 1;
        self.reply(replies::RECIPIENT_OK);
        (mail, Next::Continue)
    }

    fn data(&mut self, _: &[u8]) -> Next {
        match self.mail.take() {
            None => self.bad(replies::WANT_MAIL),
            // RFC 2033 section 4.2: with no recipient DATA is refused, always with 503.
            Some(mail) if mail.recipients == 0 => {
                self.mail = Some(mail);
                self.bad(replies::WANT_RCPT)
            }
            Some(mail) => self.receive(&mail),
        }
    }

    fn rset(&mut self, _: &[u8]) -> Next {
        self.mail = None;
        self.reply(replies::FLUSHED);
        Next::Continue
    }

    fn noop(&mut self, _: &[u8]) -> Next {
        self.reply(replies::OK);
        Next::Continue
    }

    fn vrfy(&mut self, _: &[u8]) -> Next {
        self.reply(replies::VRFY);
        Next::Continue
    }

    fn help(&mut self, _: &[u8]) -> Next {
        self.reply(replies::HELP);
        Next::Continue
    }

    fn quit(&mut self, _: &[u8]) -> Next {
        self.reply_named("221 2.0.0 ", "");
        self.exit = Exit::OK;
        Next::Close
    }
}

fn reply_to(fault: Fault) -> &'static str {
    match fault {
        Fault::TooLong => replies::SYNTAX,
        Fault::Control => replies::BAD_ADDRESS,
        Fault::Size => replies::BAD_SIZE,
        Fault::Body => replies::BAD_BODY,
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
