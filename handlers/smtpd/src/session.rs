//! One conversation with one client: the dialogue, the transaction, and the policy between them.
//!
//! A session has at most one transaction (`transaction`); RSET, HELO, EHLO and the end of its message
//! end it, as does a second MAIL, which begins the next. Replies, counts and refusals are
//! [`smtp::dialogue`]'s, shared with lmtpd; who the client is and what it may do is [`crate::policy`]'s. The verbs
//! are in the files below: `hello` what a client says about itself and its link, `login` AUTH,
//! `envelope` MAIL and RCPT, `outside` who else is asked about them, `message` DATA and BDAT, `peer`
//! XCLIENT.

mod envelope;
mod hello;
mod login;
mod message;
mod outside;
mod peer;
mod start;

use std::time::Instant;

use os::Exit;
use smtp::dialogue::{Dialogue, Heard, LINE_LIMIT, Protocol};
use wire::End;
use wire::command::{self, Next, Verb};
use wire::{Conn, Log, Ready, Trouble};
use zeroize::Zeroize;

use crate::policy::{Context, Policy};
use crate::replies;
use crate::settings::Settings;
use crate::transaction::Transaction;
use crate::transport::{Destination, Transports};

/// The most bytes of the line of AUTH, with an initial response of the longest kind (RFC 4954 section 4).
pub const AUTH_LINE_LIMIT: usize = sasl::RESPONSE_LIMIT + 64;

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
        word: "BDAT",
        run: Session::bdat,
    },
    Verb {
        word: "QUIT",
        run: |session, _| session.dialogue.quit(&session.policy.settings.greeting),
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
        word: "AUTH",
        run: Session::auth,
    },
    Verb {
        word: "STARTTLS",
        run: Session::starttls,
    },
    Verb {
        word: "XCLIENT",
        run: Session::xclient,
    },
    Verb {
        word: "HELP",
        run: |session, _| session.dialogue.answer(replies::HELP),
    },
    Verb {
        word: "NOOP",
        run: |session, _| session.dialogue.answer(replies::OK),
    },
    Verb {
        word: "VRFY",
        run: |session, _| session.dialogue.answer(replies::VRFY),
    },
];

/// One conversation with one client.
#[derive(Debug)]
pub struct Session {
    /// What is said: connection, log, counts, end.
    dialogue: Dialogue,
    /// The message that is under way.
    transaction: Transaction,
    /// Who the client is, and what it may do.
    policy: Policy,
}

impl Session {
    /// Nothing is said yet.
    pub fn new(conn: Conn, log: Log, settings: Settings, context: Context) -> Session {
        let mut dialogue = Dialogue::new(conn, log, Protocol::Smtp, settings.limits.dialogue());
        dialogue.enhanced = settings.terms.enhanced;
        Session {
            dialogue,
            transaction: Transaction::default(),
            policy: Policy::new(settings, context),
        }
    }

    /// Speaks to the end. The exit code is 0 after QUIT and 1 otherwise.
    pub fn run(mut self) -> Exit {
        self.log_start();
        if self.is_patient() && self.open() {
            self.greet();
            // Of its full size at once: a line may hold a password, and a vector that grows leaves copies.
            let mut line = Vec::with_capacity(AUTH_LINE_LIMIT + 2);
            while self.next(&mut line) == Next::Continue {}
        }
        let counts = [
            ("accepted", self.policy.counts.accepted),
            ("refused", self.dialogue.tally.refused),
        ];
        let exit = self.dialogue.end(replies::TIMEOUT, &counts);
        self.transaction.leave_hops();
        exit
    }

    /// Holds the banner back where that is asked for, and sees whether the client waits for it.
    fn is_patient(&mut self) -> bool {
        let terms = &self.policy.settings.terms;
        if terms.greet_delay.is_zero() || self.policy.settings.client.relay.is_some() {
            return true;
        }
        let drop_early = terms.drop_early;
        let until = Instant::now() + terms.greet_delay;
        match self.dialogue.conn.wait(None, until) {
            // A client that has gone has said nothing: the next read will tell.
            Ok(Ready::Input) if drop_early && self.dialogue.conn.has_input() => {
                self.dialogue
                    .log_refusal("banner", None, None, replies::EARLY_TALKER);
                self.dialogue.reply(replies::EARLY_TALKER);
                self.dialogue
                    .end_for(End::Closed("spoke before the banner"));
                false
            }
            Ok(Ready::Input) => {
                // It is not dropped, and waits like every client.
                self.dialogue
                    .pause(until.saturating_duration_since(Instant::now()));
                true
            }
            Ok(_) => true,
            Err(trouble) => {
                self.dialogue.fail(trouble);
                false
            }
        }
    }

    /// Adds the banner.
    pub(crate) fn greet(&mut self) {
        let banner = [
            b"220 ",
            self.policy.settings.greeting.as_slice(),
            b" ESMTP\r\n",
        ]
        .concat();
        self.dialogue.conn.reply(&banner);
    }

    /// Reads and answers one command.
    fn next(&mut self, line: &mut Vec<u8>) -> Next {
        if let Err(trouble) = self.let_go_of_hops() {
            return self.dialogue.fail(trouble);
        }
        let next = match self.dialogue.hear(line, AUTH_LINE_LIMIT) {
            Heard::Nothing => Next::Close,
            Heard::Unreadable(text) => self.unreadable(text),
            Heard::Command => self.answer(line),
        };
        // It may have been AUTH, with a password.
        line.zeroize();
        next
    }

    /// Waits for the client, and gives the next hops up where it is silent.
    fn let_go_of_hops(&mut self) -> Result<(), Trouble> {
        let limits = &self.policy.settings.limits;
        let Some(patience) = self.transaction.hop_patience(limits) else {
            return Ok(());
        };
        let until = Instant::now() + patience;
        if self.dialogue.conn.wait(None, until)? == Ready::Time {
            self.transaction.give_hops_up();
        }
        Ok(())
    }

    /// Answers a command.
    fn answer(&mut self, line: &[u8]) -> Next {
        let (word, argument) = command::split(line);
        let is_long = line.len() > LINE_LIMIT;
        let verb = command::find(VERBS, word);
        if let Some(verb) = verb {
            self.dialogue.verb = verb.word;
        }
        if self.dialogue.verb != "XCLIENT"
            && let Err(text) = self.policy.introduction.before(self.dialogue.verb)
        {
            return self.dialogue.bad(text);
        }
        match verb {
            Some(verb) if is_long && verb.word != "AUTH" => self.unreadable(replies::LINE_TOO_LONG),
            Some(verb) => (verb.run)(self, argument),
            None if is_long => self.unreadable(replies::LINE_TOO_LONG),
            None => self.dialogue.bad(replies::UNIMPLEMENTED),
        }
    }

    /// Refuses a line that cannot be a command.
    fn unreadable(&mut self, text: &'static str) -> Next {
        if self.policy.introduction.is_open() {
            return self.end_for_xclient(text);
        }
        self.dialogue.bad(text)
    }

    /// Logs the start of the session.
    fn log_start(&mut self) {
        let relay: &[u8] = match self.policy.settings.client.relay {
            Some(_) => b"yes",
            None => b"no",
        };
        let transports = &self.policy.settings.transports;
        let shown = |destination| transports.of(destination).map(ToString::to_string);
        let (queue, remote) = (shown(Destination::Local), shown(Destination::Remote));
        let one = matches!(transports, Transports::One(_));
        let mut entry = self
            .dialogue
            .log
            .event("start")
            .field("host", &self.policy.settings.client.host)
            .field("relay", relay)
            .field("queue", queue.unwrap_or_default().as_bytes());
        if let Some(remote) = remote.filter(|_| !one) {
            entry = entry.field("remotequeue", remote.as_bytes());
        }
        entry.say();
    }

    /// Refuses a recipient; too many of them end the session.
    fn refuse(&mut self, recipient: &[u8], text: &str) -> Next {
        let mail = self.transaction.mail.as_mut();
        let sender = mail.map(|mail| {
            mail.disappointed = true;
            mail.sender.as_slice()
        });
        self.dialogue.refuse_recipient(sender, recipient, text)
    }

    /// Refuses a command that only follows on one that was refused: in a pipeline it was sent before that was
    /// known (RFC 2920 section 3.1), so it is nobody's fault.
    pub(crate) fn bad_in_turn(&mut self, text: &'static str) -> Next {
        if self.transaction.is_disappointed() {
            self.dialogue.reply(text);
            return self.dialogue.count_deferral();
        }
        self.dialogue.bad(text)
    }
}

#[cfg(test)]
#[path = "session_tests/mod.rs"]
mod tests;
