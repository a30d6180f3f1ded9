//! AUTH (RFC 4954), by a program with checkpassword's interface.
//!
//! Who has logged in may relay: it is as if a rule had set RELAYCLIENT to nothing for him. His name
//! stands in Received, in the log and in the variables that programs after this one look for.

use std::time::Instant;

use sasl::{Backoff, Credentials, Exchange, Mechanism, NeedsTls, Turn};
use wire::Line;
use wire::command::Next;

use super::Session;
use super::outside::PluginDecision;
use crate::checker::{self, Answer};
use crate::replies;

/// Failed logins of one session, after which it ends.
const FAILURE_LIMIT: u64 = 5;

impl Session {
    pub(super) fn auth(&mut self, argument: &[u8]) -> Next {
        let next = self.try_to_log_in(argument);
        self.forget_secret();
        next
    }

    fn try_to_log_in(&mut self, argument: &[u8]) -> Next {
        let (offer, is_tls) = (self.policy.offer(), self.policy.is_tls());
        if offer.is_nothing() {
            return self.dialogue.bad(replies::UNIMPLEMENTED);
        }
        if self.policy.user.is_some() {
            return self.dialogue.bad(replies::AUTHENTICATED);
        }
        if self.transaction.has_begun() {
            return self.dialogue.bad(replies::IN_TRANSACTION);
        }
        if offer.needs_tls == NeedsTls::Everything && !is_tls {
            return self.dialogue.bad(replies::WANT_TLS_TO_AUTH);
        }
        let (name, initial) = wire::command::split(argument);
        let initial = initial.trim_ascii_end();
        let Some(mechanism) = Mechanism::of(name).filter(|one| offer.takes(*one, is_tls)) else {
            return self.dialogue.bad(replies::BAD_MECHANISM);
        };
        let challenge: Vec<u8> = match auth::challenge::make(&self.policy.settings.greeting) {
            Ok(challenge) => challenge,
            Err(error) => {
                let reason = format!("unable to make a challenge: {}", os::reason(&error));
                return self.cannot_tell(&reason, Instant::now());
            }
        };
        let initial = (!initial.is_empty()).then_some(initial);
        let shown = self.exchange(mechanism, initial, &challenge);
        self.forget_secret();
        let credentials = match shown {
            Ok(Ok(credentials)) => credentials,
            Ok(Err(sasl::Fault::Cancelled)) => return self.dialogue.bad(replies::AUTH_CANCELLED),
            Ok(Err(_)) => return self.dialogue.bad(replies::BAD_RESPONSE),
            Err(next) => return next,
        };
        // Replies that were collected go out before a program is waited for.
        if !self.dialogue.flush() {
            return Next::Close;
        }
        let login = match &credentials {
            Credentials::Password { login, .. } | Credentials::Cram { login, .. } => login.clone(),
        };
        let asked = Instant::now();
        let answer = self.policy.settings.auth.check(
            credentials,
            &challenge,
            &self.policy.context.env,
            asked + checker::TIME,
        );
        match answer {
            Answer::Accepted { user } => self.log_in(user, mechanism),
            Answer::Refused(why) => self.not_him(&login, mechanism, &why, asked),
            Answer::Trouble(reason) => self.cannot_tell(&reason, asked),
        }
    }

    /// What is said between AUTH and its answer.
    fn exchange(
        &mut self,
        mechanism: Mechanism,
        initial: Option<&[u8]>,
        challenge: &[u8],
    ) -> Result<Result<Credentials, sasl::Fault>, Next> {
        // Of its full size at once: a vector that grows leaves copies behind.
        let mut line = zeroize::Zeroizing::new(Vec::with_capacity(sasl::RESPONSE_LIMIT + 2));
        let (mut exchange, mut turn) = match Exchange::begin(mechanism, initial, challenge) {
            Ok(begun) => begun,
            Err(fault) => return Ok(Err(fault)),
        };
        loop {
            match turn {
                Turn::Done(credentials) => return Ok(Ok(credentials)),
                Turn::Ask(prompt) => self.dialogue.reply(&format!("334 {prompt}")),
            }
            match self
                .dialogue
                .conn
                .read_line(&mut line, sasl::RESPONSE_LIMIT)
            {
                Ok(Line::Whole) => {}
                Ok(Line::TooLong) => return Ok(Err(sasl::Fault::Malformed)),
                Err(trouble) => {
                    self.dialogue.fail(trouble);
                    return Err(Next::Close);
                }
            }
            turn = match exchange.answer(&line) {
                Ok(turn) => turn,
                Err(fault) => return Ok(Err(fault)),
            };
        }
    }

    /// Lets `user` send, and tells the programs after this one who he is.
    pub(super) fn log_in(&mut self, user: Vec<u8>, mechanism: Mechanism) -> Next {
        let method = mechanism.name().to_ascii_lowercase();
        let decision = self.ask_plugins("AUTH", &mut Vec::new(), |plugins, env, _| {
            plugins.auth(env, method.as_bytes(), &user)
        });
        if let PluginDecision::Over(next) = decision {
            return next;
        }
        self.dialogue
            .log
            .event("login")
            .field("user", &user)
            .field("method", mechanism.name().as_bytes())
            .say();
        self.policy.context.env.set(
            "SMTPAUTHMETHOD",
            mechanism.name().to_ascii_lowercase().as_bytes(),
        );
        self.policy.enter(user);
        self.dialogue.reply(replies::AUTH_OK);
        Next::Continue
    }

    /// Overwrites what was read of a secret. What the client sent behind it is not lost.
    fn forget_secret(&mut self) {
        let ahead = zeroize::Zeroizing::new(self.dialogue.conn.ahead().to_vec());
        self.dialogue.conn.wipe();
        self.dialogue.conn.resume(&ahead);
    }

    fn not_him(&mut self, login: &[u8], mechanism: Mechanism, why: &str, asked: Instant) -> Next {
        self.dialogue
            .log
            .event("fail")
            .field("user", login)
            .field("method", mechanism.name().as_bytes())
            .field("reason", why.as_bytes())
            .say();
        self.not_in(replies::AUTH_FAILED, asked)
    }

    /// A check that could not be made waits and counts as one that failed: some names alone have trouble (a home
    /// that is not there), and whoever guesses names would learn them at full speed.
    fn cannot_tell(&mut self, reason: &str, asked: Instant) -> Next {
        self.dialogue.log_fault(reason);
        self.not_in(replies::AUTH_TROUBLE, asked)
    }

    /// Nobody has logged in: the reply, when its time has come, and the end of a session with too many of them.
    fn not_in(&mut self, reply: &str, asked: Instant) -> Next {
        let before = u32::try_from(self.policy.counts.failed_logins).unwrap_or(u32::MAX);
        std::thread::sleep(Backoff::SMTP.rest(before, asked.elapsed()));
        self.dialogue.reply(reply);
        self.policy.counts.failed_logins += 1;
        if self.policy.counts.failed_logins < FAILURE_LIMIT {
            return Next::Continue;
        }
        self.dialogue
            .close(replies::TOO_MANY_AUTHS, "too many failed logins")
    }
}
