//! The AUTHORIZATION state of POP3: lines in, replies and steps out.
//!
//! Commands are taken as the original takes them: a word in any case up to the first space, then,
//! after any number of spaces, the rest of the line as it is.

use auth::Secret;
use login::dialogue::{
    Answer, Dialogue, Input, Login, Method, NoPassword, Refusal, Step, Terms, Tls,
};
use sasl::{Exchange, Fault, Mechanism, Turn};
use wire::session::TOO_MANY_BAD;
use wire::{BadCommands, command};

use crate::replies;

/// The most bytes of a command line but AUTH's: those of the longest name or password that the
/// record on descriptor 3 can hold. RFC 2449 section 4 asks for 255 with the line's end.
pub const LINE_LIMIT: usize = 512;

/// The most bytes of an AUTH line or a response in it.
const SASL_LIMIT: usize = sasl::RESPONSE_LIMIT + 32;

/// After so many commands of any kind it ends, too.
const COMMAND_LIMIT: u32 = 1000;

/// One conversation before its login.
#[derive(Debug)]
pub struct Session {
    terms: Terms,
    user: Option<Vec<u8>>,
    exchange: Option<Exchange>,
    utf8: bool,
    /// The log has been told of a password that was not taken.
    told: bool,
    commands: u32,
    bad: BadCommands,
}

impl Session {
    /// Nothing is said yet.
    pub fn new(terms: Terms) -> Session {
        Session {
            terms,
            user: None,
            exchange: None,
            utf8: false,
            told: false,
            commands: 0,
            bad: BadCommands::default(),
        }
    }

    fn command(&mut self, line: &[u8], out: &mut Vec<u8>) -> Step {
        let (verb, argument) = command::split(line);
        let is = |word: &str| verb.eq_ignore_ascii_case(word.as_bytes());
        if is("AUTH") {
            return self.auth(argument, out);
        }
        if line.len() > LINE_LIMIT {
            return self.bad(out, replies::TOO_LONG);
        }
        if is("USER") {
            self.user(argument, out)
        } else if is("PASS") {
            self.pass(argument, out)
        } else if is("APOP") {
            self.apop(argument, out)
        } else if is("CAPA") {
            self.capa(out);
            Step::More
        } else if is("NOOP") {
            say(out, replies::OK);
            Step::More
        } else if is("QUIT") {
            say(out, replies::OK);
            Step::Quit
        } else if is("STLS") {
            self.stls(argument, out)
        } else if is("UTF8") {
            self.utf8(argument, out)
        } else {
            self.bad(out, replies::AUTHORIZATION_FIRST)
        }
    }

    /// Refuses what nobody should send; too much of it ends the conversation.
    fn bad(&mut self, out: &mut Vec<u8>, text: &str) -> Step {
        say(out, text);
        self.count_bad(out)
    }

    fn count_bad(&mut self, out: &mut Vec<u8>) -> Step {
        if !self.bad.count() {
            return Step::More;
        }
        say(out, replies::TOO_MANY_BAD);
        Step::End(TOO_MANY_BAD)
    }

    /// What is said to a password that is not to be sent; `None` where it may be.
    fn refuse_password(&mut self, method: Method, out: &mut Vec<u8>) -> Option<Step> {
        let why = self.terms.why_no_password()?;
        let text = match why {
            NoPassword::DigestsOnly => replies::APOP_ONLY,
            NoPassword::StartTls => replies::STLS_FIRST,
            NoPassword::Tls => replies::TLS_ONLY,
        };
        let step = self.bad(out, text);
        if self.told || step != Step::More {
            return Some(step);
        }
        self.told = true;
        Some(Step::Refuse(method, why.reason()))
    }

    fn user(&mut self, argument: &[u8], out: &mut Vec<u8>) -> Step {
        if let Some(step) = self.refuse_password(Method::User, out) {
            return step;
        }
        if argument.is_empty() {
            return self.bad(out, replies::SYNTAX);
        }
        self.user = Some(argument.to_vec());
        say(out, replies::OK);
        Step::More
    }

    fn pass(&mut self, argument: &[u8], out: &mut Vec<u8>) -> Step {
        if let Some(step) = self.refuse_password(Method::User, out) {
            return step;
        }
        match self.user.take() {
            None => self.bad(out, replies::USER_FIRST),
            Some(user) if argument.is_empty() => {
                self.user = Some(user);
                self.bad(out, replies::SYNTAX)
            }
            Some(user) => self.decide(Method::User, user, argument),
        }
    }

    fn apop(&mut self, argument: &[u8], out: &mut Vec<u8>) -> Step {
        if self.terms.apop.is_none() {
            return self.bad(out, replies::NO_APOP);
        }
        let (name, digest) = command::split(argument);
        if name.is_empty() || digest.is_empty() {
            return self.bad(out, replies::SYNTAX);
        }
        self.decide(Method::Apop, name.to_vec(), digest)
    }

    fn decide(&self, method: Method, name: Vec<u8>, secret: &[u8]) -> Step {
        Step::Decide(Login {
            method,
            name,
            secret: Secret::new(secret),
            note: self.note(),
        })
    }

    fn note(&self) -> Vec<u8> {
        if self.utf8 { b"1".to_vec() } else { Vec::new() }
    }

    fn auth(&mut self, argument: &[u8], out: &mut Vec<u8>) -> Step {
        if argument.is_empty() {
            say(out, replies::LIST);
            for mechanism in self.terms.mechanisms() {
                say(out, mechanism.name());
                say(out, "\r\n");
            }
            say(out, ".\r\n");
            return Step::More;
        }
        let (name, initial) = command::split(argument);
        let Some(mechanism) = Mechanism::of(name) else {
            return self.bad(out, replies::NO_MECHANISM);
        };
        if mechanism.is_plaintext()
            && let Some(step) = self.refuse_password(mechanism.into(), out)
        {
            return step;
        }
        if !self.terms.takes(mechanism) {
            return self.bad(out, replies::NO_MECHANISM);
        }
        let initial = Some(initial).filter(|initial| !initial.is_empty());
        let challenge = self.terms.cram.as_deref().unwrap_or_default();
        match Exchange::begin(mechanism, initial, challenge) {
            Ok((exchange, turn)) => self.turn(exchange, Ok(turn), out),
            Err(fault) => self.sasl_fault(fault, out),
        }
    }

    fn response(&mut self, line: &[u8], out: &mut Vec<u8>) -> Step {
        let Some(mut exchange) = self.exchange.take() else {
            return self.command(line, out);
        };
        let turn = exchange.answer(line);
        self.turn(exchange, turn, out)
    }

    fn turn(&mut self, exchange: Exchange, turn: Result<Turn, Fault>, out: &mut Vec<u8>) -> Step {
        match turn {
            Ok(Turn::Ask(text)) => {
                say(out, "+ ");
                say(out, &text);
                say(out, "\r\n");
                self.exchange = Some(exchange);
                Step::More
            }
            Ok(Turn::Done(shown)) => {
                Step::Decide(Login::by_sasl(exchange.mechanism(), shown, self.note()))
            }
            Err(fault) => self.sasl_fault(fault, out),
        }
    }

    fn sasl_fault(&mut self, fault: Fault, out: &mut Vec<u8>) -> Step {
        self.bad(out, &format!("-ERR {fault}\r\n"))
    }

    fn stls(&mut self, argument: &[u8], out: &mut Vec<u8>) -> Step {
        match self.terms.tls {
            Tls::On => self.bad(out, replies::TLS_IS_ON),
            Tls::Off => self.bad(out, replies::AUTHORIZATION_FIRST),
            Tls::Offered if !argument.is_empty() => self.bad(out, replies::SYNTAX),
            Tls::Offered => {
                say(out, replies::TLS_BEGINS);
                Step::StartTls
            }
        }
    }

    fn utf8(&mut self, argument: &[u8], out: &mut Vec<u8>) -> Step {
        if !self.terms.joined {
            return self.bad(out, replies::NO_UTF8);
        }
        if !argument.is_empty() {
            return self.bad(out, replies::SYNTAX);
        }
        if self.utf8 {
            return self.bad(out, replies::UTF8_IS_ON);
        }
        self.utf8 = true;
        say(out, replies::OK);
        Step::More
    }

    fn capa(&self, out: &mut Vec<u8>) {
        say(out, replies::LIST);
        // Of what stands behind this program only what every POP3 server has.
        say(
            out,
            "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n",
        );
        if self.terms.joined {
            say(out, "UTF8 USER\r\n");
        }
        if self.terms.takes_passwords() {
            say(out, "USER\r\n");
        }
        let mechanisms = self.terms.mechanisms();
        if !mechanisms.is_empty() {
            say(out, "SASL");
            for mechanism in mechanisms {
                say(out, " ");
                say(out, mechanism.name());
            }
            say(out, "\r\n");
        }
        if self.terms.tls == Tls::Offered {
            say(out, "STLS\r\n");
        }
        say(out, "IMPLEMENTATION superd\r\n.\r\n");
    }
}

impl Dialogue for Session {
    fn greet(&mut self, out: &mut Vec<u8>) {
        say(out, "+OK ");
        match &self.terms.apop {
            Some(challenge) => out.extend_from_slice(challenge),
            // No angle bracket: clients take that for a challenge.
            None => {
                let shown = |byte: &u8| matches!(byte, b'!'..=b'~') && !b"<>@".contains(byte);
                out.extend(
                    self.terms.host.iter().take(255).map(
                        |byte| {
                            if shown(byte) { *byte } else { b'?' }
                        },
                    ),
                );
                say(out, " ready");
            }
        }
        say(out, "\r\n");
    }

    fn line_limit(&self) -> usize {
        SASL_LIMIT
    }

    fn input(&mut self, input: Input<'_>, out: &mut Vec<u8>) -> Step {
        self.commands += 1;
        if self.commands > COMMAND_LIMIT {
            say(out, replies::TOO_MANY);
            return Step::End("too many commands before the login");
        }
        match input {
            Input::Line(line) if !line.contains(&0) => self.response(line, out),
            refused => {
                self.exchange = None;
                let text = if refused == Input::TooLong {
                    replies::TOO_LONG
                } else {
                    replies::NUL
                };
                self.bad(out, text)
            }
        }
    }

    fn tls_started(&mut self) {
        self.terms.tls = Tls::On;
        self.user = None;
        self.exchange = None;
        self.utf8 = false;
    }

    fn refused(&mut self, answer: Answer, out: &mut Vec<u8>) {
        self.user = None;
        self.exchange = None;
        say(
            out,
            match answer.why {
                Refusal::Credentials => replies::FAILED,
                Refusal::Temporary => replies::FAILED_NOW,
                Refusal::Permanent => replies::FAILED_FOR_GOOD,
            },
        );
    }
}

fn say(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
