//! The not authenticated state of IMAP (RFC 3501 section 3.1): lines and literals in, replies and steps out.
//!
//! A command is gathered to its end before anything of it is read ([`Literal`]), and whatever of it is refused or
//! thrown away, nothing of it is ever taken for another command.

use auth::Secret;
use login::dialogue::{
    Answer, Dialogue, Input, Login, Method, NoPassword, Refusal, Step, Terms, Tls,
};
use sasl::{Exchange, Fault, Mechanism, Turn};
use wire::conn::FLOOD_LIMIT;
use wire::session::TOO_MANY_BAD;
use wire::{BadCommands, Trouble};

use crate::cursor::{Cursor, Malformed, TAG_LIMIT};
use crate::gathered::Gathered;
use crate::literal::Literal;
use crate::verb::Verb;
use crate::{offers, replies};

/// The most bytes of a line: an AUTHENTICATE with its tag and the longest initial response, or such a response alone.
/// RFC 7162 section 4 asks for 8192.
pub const LINE_LIMIT: usize = TAG_LIMIT + " AUTHENTICATE CRAM-MD5 ".len() + sasl::RESPONSE_LIMIT;

/// The most bytes of a literal. No name and no password can be as long.
pub const LITERAL_LIMIT: usize = 4096;

/// After so many lines of any kind it ends, too.
const LINES_LIMIT: u32 = 1000;

/// One conversation before its login.
#[derive(Debug)]
pub struct Session {
    terms: Terms,
    /// That of the command which is being answered.
    tag: Vec<u8>,
    exchange: Option<Exchange>,
    gathered: Option<Gathered>,
    /// The log has been told of a password that was not taken.
    told: bool,
    lines: u32,
    bad: BadCommands,
}

impl Session {
    /// Nothing is said yet.
    pub fn new(terms: Terms) -> Session {
        Session {
            terms,
            tag: Vec::new(),
            exchange: None,
            gathered: None,
            told: false,
            lines: 0,
            bad: BadCommands::default(),
        }
    }

    /// A line of a command: all of it, its beginning, or what comes behind a literal.
    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Step {
        let literal = Literal::at_end(line);
        let mut gathered = match (self.gathered.take(), literal) {
            (Some(gathered), _) => gathered,
            (None, Some(_)) => Gathered::new(),
            (None, None) => return self.command(line, out),
        };
        gathered.add(line);
        let Some(literal) = literal else {
            return if gathered.is_spoiled() {
                self.too_large(gathered.text(), out)
            } else {
                self.command(gathered.text(), out)
            };
        };
        if literal.waits && !gathered.is_spoiled() && !self.wants_literals(gathered.text()) {
            // It is refused for what it is, and the literal need not be sent.
            return self.command(gathered.text(), out);
        }
        if literal.length <= LITERAL_LIMIT && gathered.has_room(literal.length) {
            gathered.add(b"\r\n");
            self.gathered = Some(gathered);
            if literal.waits {
                say(out, replies::GO_ON);
            }
            return Step::Literal(literal.length);
        }
        if literal.waits {
            return self.too_large(gathered.text(), out);
        }
        if gathered.skip(literal.length) > FLOOD_LIMIT {
            say(out, replies::FLOOD);
            return Step::End("a literal that is too large");
        }
        self.gathered = Some(gathered);
        Step::Skip(literal.length)
    }

    /// Whether a command that begins like this may go on with a literal that can still be kept from being sent.
    fn wants_literals(&self, text: &[u8]) -> bool {
        let mut cursor = Cursor::new(text);
        let verb = cursor
            .tag()
            .and_then(|_| cursor.space())
            .and_then(|()| cursor.word());
        match verb.map(Verb::of) {
            Ok(Verb::Login) => self.terms.takes_passwords(),
            Ok(verb) => verb == Verb::Id,
            Err(Malformed) => false,
        }
    }

    /// Refuses a command of which not everything is there.
    fn too_large(&mut self, text: &[u8], out: &mut Vec<u8>) -> Step {
        match Cursor::new(text).tag() {
            Ok(tag) => {
                self.tag = tag.to_vec();
                self.bad(out, replies::TOO_LARGE)
            }
            Err(Malformed) => self.bad_untagged(out),
        }
    }

    fn command(&mut self, text: &[u8], out: &mut Vec<u8>) -> Step {
        let mut cursor = Cursor::new(text);
        let Ok(tag) = cursor.tag() else {
            return self.bad_untagged(out);
        };
        self.tag = tag.to_vec();
        let Ok(verb) = cursor.space().and_then(|()| cursor.word()) else {
            return self.bad(out, replies::NO_COMMAND);
        };
        let done = match Verb::of(verb) {
            Verb::Login => self.login(cursor, out),
            Verb::Authenticate => self.authenticate(cursor, out),
            Verb::Capability => self.capability(cursor, out),
            Verb::StartTls => self.starttls(cursor, out),
            Verb::Id => self.id(cursor, out),
            Verb::Noop => self.noop(cursor, out),
            Verb::Logout => self.logout(cursor, out),
            Verb::Later => Ok(self.bad(out, replies::LOGIN_FIRST)),
            Verb::Unknown => Ok(self.bad(out, replies::UNKNOWN)),
        };
        done.unwrap_or_else(|Malformed| self.bad(out, replies::SYNTAX))
    }

    /// Answers the command.
    fn answer(&self, out: &mut Vec<u8>, text: &str) {
        replies::tagged(out, &self.tag, text);
    }

    /// Refuses what nobody should send; too much of it ends the conversation.
    fn bad(&mut self, out: &mut Vec<u8>, text: &str) -> Step {
        self.answer(out, text);
        self.count_bad(out)
    }

    fn bad_untagged(&mut self, out: &mut Vec<u8>) -> Step {
        say(out, replies::NO_TAG);
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
            NoPassword::DigestsOnly => replies::DIGESTS_ONLY,
            NoPassword::StartTls => replies::STARTTLS_FIRST,
            NoPassword::Tls => replies::TLS_ONLY,
        };
        let step = self.bad(out, text);
        if self.told || step != Step::More {
            return Some(step);
        }
        self.told = true;
        Some(Step::Refuse(method, why.reason()))
    }

    fn login(&mut self, mut cursor: Cursor<'_>, out: &mut Vec<u8>) -> Result<Step, Malformed> {
        if let Some(step) = self.refuse_password(Method::User, out) {
            return Ok(step);
        }
        cursor.space()?;
        let name = cursor.astring()?;
        cursor.space()?;
        let password = cursor.astring()?;
        cursor.end()?;
        if name.is_empty() || password.is_empty() {
            // Nobody's. A checker that asks a directory could take it for a login as nobody in particular.
            return Ok(self.bad(out, replies::FAILED));
        }
        Ok(self.decide(Method::User, &name, &password))
    }

    fn decide(&self, method: Method, name: &[u8], secret: &[u8]) -> Step {
        Step::Decide(Login {
            method,
            name: name.to_vec(),
            secret: Secret::new(secret),
            note: self.tag.clone(),
        })
    }

    fn authenticate(
        &mut self,
        mut cursor: Cursor<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Step, Malformed> {
        cursor.space()?;
        let name = cursor.word()?;
        let initial = match cursor.end() {
            Ok(()) => None,
            Err(Malformed) => {
                cursor.space()?;
                Some(cursor.token()?)
            }
        };
        cursor.end()?;
        let Some(mechanism) = Mechanism::of(name) else {
            return Ok(self.bad(out, replies::NO_MECHANISM));
        };
        if mechanism.is_plaintext()
            && let Some(step) = self.refuse_password(mechanism.into(), out)
        {
            return Ok(step);
        }
        if !self.terms.takes(mechanism) {
            return Ok(self.bad(out, replies::NO_MECHANISM));
        }
        let challenge = self.terms.cram.as_deref().unwrap_or_default();
        Ok(match Exchange::begin(mechanism, initial, challenge) {
            Ok((exchange, turn)) => self.turn(exchange, Ok(turn), out),
            Err(fault) => self.sasl_fault(fault, out),
        })
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
                let note = self.tag.clone();
                Step::Decide(Login::by_sasl(exchange.mechanism(), shown, note))
            }
            Err(fault) => self.sasl_fault(fault, out),
        }
    }

    fn sasl_fault(&mut self, fault: Fault, out: &mut Vec<u8>) -> Step {
        let kind = match fault {
            Fault::OtherIdentity => "NO [AUTHORIZATIONFAILED]",
            Fault::Cancelled | Fault::NotBase64 | Fault::Malformed | Fault::Unexpected => "BAD",
        };
        self.bad(out, &format!("{kind} {fault}"))
    }

    fn starttls(&mut self, cursor: Cursor<'_>, out: &mut Vec<u8>) -> Result<Step, Malformed> {
        cursor.end()?;
        Ok(match self.terms.tls {
            Tls::On => self.bad(out, replies::TLS_IS_ON),
            Tls::Off => self.bad(out, replies::NO_TLS),
            Tls::Offered => {
                self.answer(out, replies::TLS_BEGINS);
                Step::StartTls
            }
        })
    }

    fn id(&mut self, mut cursor: Cursor<'_>, out: &mut Vec<u8>) -> Result<Step, Malformed> {
        cursor.space()?;
        cursor.id_parameters()?;
        cursor.end()?;
        say(out, replies::ID);
        self.answer(out, replies::DONE);
        Ok(Step::More)
    }

    fn noop(&mut self, cursor: Cursor<'_>, out: &mut Vec<u8>) -> Result<Step, Malformed> {
        cursor.end()?;
        self.answer(out, replies::DONE);
        Ok(Step::More)
    }

    fn logout(&mut self, cursor: Cursor<'_>, out: &mut Vec<u8>) -> Result<Step, Malformed> {
        cursor.end()?;
        say(out, replies::BYE);
        self.answer(out, replies::DONE);
        Ok(Step::Quit)
    }

    fn capability(&mut self, cursor: Cursor<'_>, out: &mut Vec<u8>) -> Result<Step, Malformed> {
        cursor.end()?;
        say(out, "* ");
        say(out, &offers::capabilities(&self.terms));
        say(out, "\r\n");
        self.answer(out, replies::DONE);
        Ok(Step::More)
    }
}

impl Dialogue for Session {
    fn greet(&mut self, out: &mut Vec<u8>) {
        say(out, "* OK [");
        say(out, &offers::capabilities(&self.terms));
        say(out, "] ");
        let shown = |byte: &u8| {
            if byte.is_ascii_graphic() { *byte } else { b'?' }
        };
        out.extend(self.terms.host.iter().take(255).map(shown));
        say(out, " ready\r\n");
    }

    fn line_limit(&self) -> usize {
        LINE_LIMIT
    }

    fn input(&mut self, input: Input<'_>, out: &mut Vec<u8>) -> Step {
        if let Input::Literal(bytes) = input {
            if let Some(gathered) = &mut self.gathered {
                gathered.add(bytes);
            }
            return Step::More;
        }
        self.lines += 1;
        if self.lines > LINES_LIMIT {
            say(out, replies::TOO_MANY);
            return Step::End("too many commands before the login");
        }
        let Input::Line(line) = input else {
            // What follows may be a literal, and must not be taken for commands.
            say(out, replies::TOO_LONG);
            return Step::End("a line that is too long");
        };
        match self.exchange.take() {
            Some(mut exchange) => {
                let turn = exchange.answer(line);
                self.turn(exchange, turn, out)
            }
            None => self.line(line, out),
        }
    }

    fn tls_started(&mut self) {
        self.terms.tls = Tls::On;
        self.exchange = None;
        self.gathered = None;
    }

    fn refused(&mut self, answer: Answer, out: &mut Vec<u8>) {
        self.answer(
            out,
            match answer.why {
                Refusal::Credentials => replies::FAILED,
                Refusal::Temporary => replies::FAILED_NOW,
                Refusal::Permanent => replies::FAILED_FOR_GOOD,
            },
        );
        if answer.last {
            say(out, replies::TOO_MANY_FAILED);
        }
    }

    fn given_up(&mut self, why: &Trouble, out: &mut Vec<u8>) {
        match why {
            Trouble::Timeout => say(out, replies::SILENT),
            Trouble::SessionOver => say(out, replies::TIME_IS_OVER),
            Trouble::Flood => say(out, replies::TOO_LONG),
            Trouble::Closed | Trouble::Io(_) => {}
        }
    }
}

fn say(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
