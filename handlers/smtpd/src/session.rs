//! The dialogue: states, verbs, replies.
//!
//! A session has at most one transaction (`Mail`); RSET, HELO, EHLO and DATA end it, as does a
//! second MAIL, which begins the next.

use std::path::Path;

use accounts::{Found, address as envelope};
use os::Exit;
use smtp::address::{self, Fault};
use wire::command::{self, Next, Verb};
use wire::{Conn, Line, Log, Trouble};

use crate::handoff::Part;
use crate::hosts::{self, Route};
use crate::replies;
use crate::settings::{Queue, Settings};

/// The most bytes of a command line, without its end.
pub const LINE_LIMIT: usize = 4096;

/// The most bytes of a recipient with RELAYCLIENT's value; the number is qmail-queue's.
const RECIPIENT_BYTES: usize = 1003;

/// After so many temporary refusals of recipients, and messages that are declared too large, the
/// session ends.
const DEFERRAL_LIMIT: u64 = 1000;

/// All verbs; anything else is 502.
const VERBS: &[Verb<Session>] = &[
    Verb {
        word: "RCPT",
        run: Session::rcpt,
    },
    Verb {
        word: "MAIL",
        run: Session::mail,
    },
    Verb {
        word: "DATA",
        run: Session::data,
    },
    Verb {
        word: "QUIT",
        run: Session::quit,
    },
    Verb {
        word: "HELO",
        run: Session::helo,
    },
    Verb {
        word: "EHLO",
        run: Session::ehlo,
    },
    Verb {
        word: "RSET",
        run: Session::rset,
    },
    Verb {
        word: "HELP",
        run: Session::help,
    },
    Verb {
        word: "NOOP",
        run: Session::noop,
    },
    Verb {
        word: "VRFY",
        run: Session::vrfy,
    },
];

/// What the client said about itself.
#[derive(Debug, Default)]
pub(crate) struct Hello {
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) esmtp: bool,
}

/// A transaction.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub(crate) sender: Vec<u8>,
    /// It is in badmailfrom; each recipient is told so.
    bad_sender: bool,
    /// Those for the first queue program: local ones, or all where one program takes all.
    pub(crate) recipients: Vec<Vec<u8>>,
    /// Those for the remotequeue program.
    pub(crate) remote: Vec<Vec<u8>>,
}

impl Mail {
    pub(crate) fn count(&self) -> usize {
        self.recipients.len() + self.remote.len()
    }
}

/// What has happened so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    bad_commands: u64,
    refused: u64,
    deferred: u64,
    pub(crate) begun: u64,
    pub(crate) accepted: u64,
}

/// One conversation with one client.
#[derive(Debug)]
pub struct Session {
    pub(crate) conn: Conn,
    pub(crate) log: Log,
    pub(crate) settings: Settings,
    pub(crate) hello: Hello,
    pub(crate) mail: Option<Mail>,
    pub(crate) counts: Counts,
    /// What made a reading or writing step fail.
    pub(crate) trouble: Option<Trouble>,
    /// What the log says about the end where it is neither QUIT nor trouble.
    pub(crate) ended: Option<&'static str>,
    exit: Exit,
}

impl Session {
    /// Nothing is said yet.
    pub fn new(conn: Conn, log: Log, settings: Settings) -> Session {
        Session {
            conn,
            log,
            settings,
            hello: Hello::default(),
            mail: None,
            counts: Counts::default(),
            trouble: None,
            ended: None,
            exit: Exit::NO,
        }
    }

    /// Speaks to the end. The exit code is 0 after QUIT and 1 otherwise.
    pub fn run(mut self) -> Exit {
        self.log_start();
        let banner = [b"220 ", self.settings.greeting.as_slice(), b" ESMTP\r\n"].concat();
        self.conn.reply(&banner);
        let mut line = Vec::new();
        while self.next(&mut line) == Next::Continue {}
        self.say_goodbye();
        self.exit
    }

    /// Reads and answers one command.
    fn next(&mut self, line: &mut Vec<u8>) -> Next {
        match self.conn.read_line(line, LINE_LIMIT) {
            Err(trouble) => {
                self.trouble = Some(trouble);
                Next::Close
            }
            Ok(Line::TooLong) => self.bad(replies::LINE_TOO_LONG),
            Ok(Line::Whole) if line.contains(&0) => self.bad(replies::NUL),
            Ok(Line::Whole) => {
                let (verb, argument) = command::split(line);
                match command::find(VERBS, verb) {
                    Some(verb) => (verb.run)(self, argument),
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
        self.log
            .event("end")
            .field("reason", word.as_bytes())
            .number("accepted", self.counts.accepted)
            .number("refused", self.counts.refused)
            .say();
    }

    fn log_start(&mut self) {
        let (queue, remote): (&Path, Option<&Path>) = match &self.settings.queue {
            Queue::External(program) => (program, None),
            Queue::Embedded { local, remote, .. } => (local, remote.as_deref()),
        };
        let relay: &[u8] = if self.settings.client.relay.is_some() {
            b"yes"
        } else {
            b"no"
        };
        let bytes = |path: &Path| path.as_os_str().as_encoded_bytes().to_vec();
        let (queue, remote) = (bytes(queue), remote.map(bytes));
        let mut entry = self
            .log
            .event("start")
            .field("host", &self.settings.client.host)
            .field("relay", relay)
            .field("queue", &queue);
        if let Some(remote) = remote {
            entry = entry.field("remotequeue", &remote);
        }
        entry.say();
    }

    /// Adds one reply line.
    pub(crate) fn reply(&mut self, text: &str) {
        self.conn.reply(text.as_bytes());
        self.conn.reply(b"\r\n");
    }

    /// Refuses a command that nobody should send; too many of them end the session.
    fn bad(&mut self, text: &'static str) -> Next {
        self.reply(text);
        self.counts.bad_commands += 1;
        let limit = self.settings.limits.bad_commands;
        if limit == 0 || self.counts.bad_commands < limit {
            return Next::Continue;
        }
        self.close(replies::TOO_MANY_BAD, "too many bad commands")
    }

    /// Refuses a recipient; too many of them end the session.
    fn refuse(&mut self, recipient: &[u8], text: &'static str) -> Next {
        let sender = self.mail.as_ref().map(|mail| mail.sender.clone());
        self.log_refusal("RCPT", &sender.unwrap_or_default(), Some(recipient), text);
        self.reply(text);
        let temporary = text.starts_with('4');
        if temporary {
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

    fn close(&mut self, text: &str, why: &'static str) -> Next {
        self.reply(text);
        self.ended = Some(why);
        Next::Close
    }

    fn log_refusal(&mut self, verb: &str, sender: &[u8], recipient: Option<&[u8]>, text: &str) {
        let hello = self.hello.name.as_deref().unwrap_or_default();
        let mut entry = self
            .log
            .event("refuse")
            .field("verb", verb.as_bytes())
            .address("from", sender);
        if let Some(recipient) = recipient {
            entry = entry.address("to", recipient);
        }
        entry
            .field("helo", hello)
            .field("reply", text.as_bytes())
            .say();
    }

    fn helo(&mut self, argument: &[u8]) -> Next {
        self.greet(argument, false);
        let reply = [b"250 ", self.settings.greeting.as_slice(), b"\r\n"].concat();
        self.conn.reply(&reply);
        Next::Continue
    }

    fn ehlo(&mut self, argument: &[u8]) -> Next {
        self.greet(argument, true);
        let size = format!("250 SIZE {}\r\n", self.settings.limits.databytes);
        let reply = [
            b"250-",
            self.settings.greeting.as_slice(),
            b"\r\n250-PIPELINING\r\n250-8BITMIME\r\n",
            size.as_bytes(),
        ];
        self.conn.reply(&reply.concat());
        Next::Continue
    }

    fn greet(&mut self, name: &[u8], esmtp: bool) {
        self.mail = None;
        self.hello = Hello {
            name: Some(name.to_vec()),
            esmtp,
        };
    }

    fn mail(&mut self, argument: &[u8]) -> Next {
        let limit = self.settings.limits.messages;
        if limit > 0 && self.counts.begun >= limit {
            return self.close(replies::TOO_MANY_MESSAGES, "too many messages");
        }
        // Also a MAIL that is refused ends the transaction before it.
        self.mail = None;
        let (mut sender, size) = match address::parse(argument)
            .and_then(|read| Ok((address::declared_size(read.parameters)?, read.address)))
        {
            Ok((size, sender)) => (sender, size),
            Err(fault) => return self.bad(reply_to(fault)),
        };
        address::replace_own_literal(
            &mut sender,
            self.settings.local_ip,
            &self.settings.localiphost,
        );
        let databytes = self.settings.limits.databytes;
        if databytes > 0 && size.is_some_and(|size| size > databytes) {
            self.log_refusal("MAIL", &sender, None, replies::TOO_BIG);
            self.reply(replies::TOO_BIG);
            return self.count_deferral();
        }
        self.mail = Some(Mail {
            bad_sender: hosts::is_bad_sender(&self.settings.bad_senders, &sender),
            sender,
            ..Mail::default()
        });
        self.reply(replies::OK);
        Next::Continue
    }

    fn rcpt(&mut self, argument: &[u8]) -> Next {
        let Some(mail) = &self.mail else {
            return self.bad(replies::WANT_MAIL);
        };
        let mut recipient = match address::parse(argument) {
            Ok(read) if read.address.is_empty() => return self.bad(replies::BAD_ADDRESS),
            Ok(read) => read.address,
            Err(fault) => return self.bad(reply_to(fault)),
        };
        if mail.bad_sender {
            return self.refuse(&recipient, replies::BAD_SENDER);
        }
        if mail.count() as u64 >= self.settings.limits.recipients {
            return self.refuse(&recipient, replies::TOO_MANY_RECIPIENTS);
        }
        address::replace_own_literal(
            &mut recipient,
            self.settings.local_ip,
            &self.settings.localiphost,
        );
        let relay = self.settings.client.relay.as_deref();
        recipient.extend_from_slice(relay.unwrap_or_default());
        if recipient.len() > RECIPIENT_BYTES {
            return self.bad(replies::SYNTAX);
        }
        match self.settings.hosts.route(&recipient, relay.is_some()) {
            Route::Refused => self.refuse(&recipient, replies::NO_GATEWAY),
            Route::Unknown => self.refuse(&recipient, replies::NO_MORE_RCPTHOSTS),
            Route::Local => self.rcpt_local(recipient),
            Route::Remote => self.rcpt_remote(recipient),
        }
    }

    fn rcpt_local(&mut self, recipient: Vec<u8>) -> Next {
        if let Queue::Embedded { accounts, .. } = &self.settings.queue {
            let (local, _) = envelope::split(&recipient);
            match accounts.resolve(local) {
                Ok(Found::Mailboxes(_)) => {}
                Ok(Found::Unknown) => return self.refuse(&recipient, replies::NO_MAILBOX),
                Err(error) => {
                    let reason = error.to_string();
                    let entry = self.log.event("fault").address("to", &recipient);
                    entry.field("reason", reason.as_bytes()).say();
                    return self.refuse(&recipient, replies::NO_LOOKUP);
                }
            }
        }
        self.take(recipient, false)
    }

    fn rcpt_remote(&mut self, recipient: Vec<u8>) -> Next {
        match &self.settings.queue {
            Queue::External(_) => self.take(recipient, false),
            Queue::Embedded {
                remote: Some(_), ..
            } => self.take(recipient, true),
            Queue::Embedded { remote: None, .. } => self.refuse(&recipient, replies::NO_WAY_OUT),
        }
    }

    fn take(&mut self, recipient: Vec<u8>, remote: bool) -> Next {
        if let Some(mail) = &mut self.mail {
            let list = if remote {
                &mut mail.remote
            } else {
                &mut mail.recipients
            };
            list.push(recipient);
            self.reply(replies::OK);
        }
        Next::Continue
    }

    fn data(&mut self, _: &[u8]) -> Next {
        match self.mail.take() {
            None => self.bad(replies::WANT_MAIL),
            Some(mail) if mail.count() == 0 => {
                self.mail = Some(mail);
                self.bad(replies::WANT_RCPT)
            }
            Some(mail) => self.receive(mail),
        }
    }

    /// The programs that are to take `mail`, in the order in which they are committed.
    pub(crate) fn parts<'m>(&'m self, mail: &'m Mail) -> Vec<Part<'m>> {
        let (first, second) = match &self.settings.queue {
            Queue::External(program) => (program, None),
            Queue::Embedded { local, remote, .. } => (local, remote.as_ref()),
        };
        let first = Part {
            program: first,
            recipients: &mail.recipients,
        };
        let second = second.map(|program| Part {
            program,
            recipients: &mail.remote,
        });
        [Some(first), second]
            .into_iter()
            .flatten()
            .filter(|part| !part.recipients.is_empty())
            .collect()
    }

    fn rset(&mut self, _: &[u8]) -> Next {
        self.mail = None;
        self.reply(replies::FLUSHED);
        Next::Continue
    }

    fn help(&mut self, _: &[u8]) -> Next {
        self.reply(replies::HELP);
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

    fn quit(&mut self, _: &[u8]) -> Next {
        let reply = [b"221 ", self.settings.greeting.as_slice(), b"\r\n"].concat();
        self.conn.reply(&reply);
        self.exit = Exit::OK;
        Next::Close
    }
}

fn reply_to(fault: Fault) -> &'static str {
    match fault {
        Fault::TooLong => replies::SYNTAX,
        Fault::Control => replies::BAD_ADDRESS,
        Fault::Size => replies::BAD_SIZE,
    }
}

#[cfg(test)]
#[path = "session_tests/mod.rs"]
mod tests;
