//! DATA: the message from 354 to the reply after its end.
//!
//! The message goes to the queue programs as it comes, in pieces of a bounded size. As soon as it
//! is known that it will not be taken (too large, going round, a bare LF) the programs are given
//! up; the client is still read to the true end of its message, so that what follows in the
//! conversation is never taken for part of it, or the other way round.

use std::time::{SystemTime, UNIX_EPOCH};

use smtp::received::{Hops, Received};
use wire::Trouble;
use wire::command::Next;
use wire::data::{Step, Unstuff};

use crate::handoff::Handoff;
use crate::replies;
use crate::session::{Mail, Session};

/// Recipients that are named in a log line; more are only counted.
const LOGGED_RECIPIENTS: usize = 20;

/// How the text of a message ended.
enum End {
    /// At its end mark, after so many stored bytes (without our own header).
    Whole(Taken, u64),
    /// At a bare LF, in the mode that stops there.
    BareLf,
    /// Nowhere: it was refused and went on for too long.
    Endless(&'static str),
    /// The conversation broke off.
    Trouble(Trouble),
}

/// The programs that take the message, or the reply that refuses it. They are given up before it
/// is refused.
type Taken = Result<Handoff, &'static str>;

/// What one message is called in the reply, the header and the log.
struct Id {
    seconds: u64,
    pid: u32,
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.seconds, self.pid)
    }
}

impl Session {
    /// Takes the message of a transaction that is ready for it.
    pub(crate) fn receive(&mut self, mail: Mail) -> Next {
        let parts = self.parts(&mail);
        let started = Handoff::start(&self.settings.home, &parts, self.settings.limits.queue);
        let mut handoff = match started {
            Ok(handoff) => handoff,
            Err(failure) => {
                self.log_fault(&failure.reason);
                self.log_message("refuse", None, &mail, 0, Some(failure.reply));
                self.reply(failure.reply);
                return Next::Continue;
            }
        };
        self.counts.begun += 1;
        let at = SystemTime::now();
        let id = Id {
            seconds: at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            pid: handoff.pid(),
        };
        let client = &self.settings.client;
        let received = Received {
            remote_host: &client.host,
            helo: self.hello.name.as_deref(),
            remote_info: client.info.as_deref(),
            remote_ip: &client.ip,
            local: &self.settings.local,
            esmtp: self.hello.esmtp,
            id: &id.to_string(),
            at,
        };
        handoff.write(&received.lines());
        self.reply(replies::GO_AHEAD);
        match self.read_text(handoff) {
            End::Trouble(trouble) => {
                self.log_message("broken", Some(&id), &mail, 0, None);
                self.trouble = Some(trouble);
                Next::Close
            }
            End::BareLf => self.cut_off(&id, &mail, replies::STRAY_NEWLINE, "bare LF"),
            End::Endless(reply) => self.cut_off(&id, &mail, reply, "endless message"),
            End::Whole(taken, size) => {
                self.settle(taken, &id, &mail, size);
                Next::Continue
            }
        }
    }

    /// Reads the text to its end and passes it on as long as it may be taken.
    ///
    /// Where the conversation breaks off, dropping the handoff closes its pipes: the programs see
    /// a message that was given up.
    fn read_text(&mut self, handoff: Handoff) -> End {
        let mut machine = Unstuff::new(self.settings.bare_lf);
        let mut hops = Hops::default();
        let limits = self.settings.limits;
        let (mut size, mut discarded) = (0_u64, 0_u64);
        let mut taken: Taken = Ok(handoff);
        let mut stored = Vec::new();
        loop {
            let (used, step) = match self.conn.data() {
                Ok(input) => machine.feed(input, &mut stored),
                Err(trouble) => return End::Trouble(trouble),
            };
            self.conn.consume(used);
            hops.feed(&stored);
            size += stored.len() as u64;
            // Each of these stays true once it is, so the last answer is the one that counts.
            let refusal = if machine.is_spoiled() {
                Some(replies::BARE_LF)
            } else if hops.too_many() {
                Some(replies::LOOPING)
            } else if limits.databytes > 0 && size > limits.databytes {
                Some(replies::TOO_BIG)
            } else {
                None
            };
            taken = match (taken, refusal) {
                (Ok(mut handoff), None) => {
                    handoff.write(&stored);
                    Ok(handoff)
                }
                (Ok(handoff), Some(reply)) => {
                    handoff.abort();
                    Err(reply)
                }
                (Err(before), reply) => {
                    discarded += used as u64;
                    Err(reply.unwrap_or(before))
                }
            };
            stored.clear();
            match (step, &taken) {
                (Step::End(_), _) => return End::Whole(taken, size),
                (Step::BareLf, _) => return End::BareLf,
                (Step::More, Err(reply)) if discarded > limits.discard => {
                    return End::Endless(reply);
                }
                (Step::More, _) => {}
            }
        }
    }

    /// Commits or refuses a message that has come to its end.
    fn settle(&mut self, taken: Taken, id: &Id, mail: &Mail, size: u64) {
        let committed = match taken {
            Err(reply) => Err(reply),
            Ok(handoff) => handoff.finish(&mail.sender).map_err(|(failure, in_part)| {
                self.log_fault(&failure.reason);
                if in_part {
                    self.log_message("partial", Some(id), mail, size, None);
                }
                failure.reply
            }),
        };
        match committed {
            Ok(()) => {
                self.counts.accepted += 1;
                self.log_message("accept", Some(id), mail, size, None);
                self.reply(&format!("250 ok {} qp {}", id.seconds, id.pid));
            }
            Err(reply) => {
                self.log_message("refuse", Some(id), mail, size, Some(reply));
                self.reply(reply);
            }
        }
    }

    fn cut_off(&mut self, id: &Id, mail: &Mail, reply: &'static str, why: &'static str) -> Next {
        self.log_message("refuse", Some(id), mail, 0, Some(reply));
        self.reply(reply);
        self.ended = Some(why);
        Next::Close
    }

    fn log_fault(&mut self, reason: &str) {
        self.log
            .event("fault")
            .field("reason", reason.as_bytes())
            .say();
    }

    fn log_message(
        &mut self,
        event: &str,
        id: Option<&Id>,
        mail: &Mail,
        size: u64,
        reply: Option<&str>,
    ) {
        let hello = self.hello.name.as_deref().unwrap_or_default();
        let mut entry = self.log.event(event);
        if reply.is_some() {
            entry = entry.field("verb", b"DATA");
        }
        if let Some(id) = id {
            entry = entry.field("id", id.to_string().as_bytes());
        }
        entry = entry.address("from", &mail.sender);
        if size > 0 {
            entry = entry.number("size", size);
        }
        entry = entry
            .number("rcpts", mail.count() as u64)
            .field("helo", hello);
        if let Some(login) = &self.settings.client.login {
            entry = entry.field("login", login);
        }
        if let Some(reply) = reply {
            entry = entry.field("reply", reply.as_bytes());
        }
        let recipients = mail.recipients.iter().chain(&mail.remote);
        for recipient in recipients.take(LOGGED_RECIPIENTS) {
            entry = entry.address("to", recipient);
        }
        entry.say();
    }
}
