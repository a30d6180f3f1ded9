//! What a protocol has to bring, and the loop that feeds it.

use auth::Secret;
use os::Exit;
use sasl::{Credentials, Mechanism, NeedsTls, Offer};
use wire::{Conn, End, Line, Log, Trouble};
use zeroize::{Zeroize, Zeroizing};

use chain::tls::Door;

/// How a client logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The protocol's own command with name and password: USER and PASS, LOGIN.
    User,
    /// APOP.
    Apop,
    /// SASL PLAIN.
    Plain,
    /// SASL LOGIN.
    Login,
    /// SASL CRAM-MD5.
    CramMd5,
}

impl Method {
    /// All, in the order of their numbers in a record.
    pub const ALL: [Method; 5] = [
        Method::User,
        Method::Apop,
        Method::Plain,
        Method::Login,
        Method::CramMd5,
    ];

    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Method::User => "user",
            Method::Apop => "apop",
            Method::Plain => "plain",
            Method::Login => "login",
            Method::CramMd5 => "cram-md5",
        }
    }

    /// Whether it shows the password to everybody who can read the connection.
    pub fn is_plaintext(self) -> bool {
        !matches!(self, Method::Apop | Method::CramMd5)
    }
}

impl From<Mechanism> for Method {
    fn from(mechanism: Mechanism) -> Method {
        match mechanism {
            Mechanism::Plain => Method::Plain,
            Mechanism::Login => Method::Login,
            Mechanism::CramMd5 => Method::CramMd5,
        }
    }
}

/// One login as the client tried it.
#[derive(Debug, PartialEq, Eq)]
pub struct Login {
    /// By which command.
    pub method: Method,
    /// The name as it was typed. No NUL.
    pub name: Vec<u8>,
    /// The password, or the digest. No NUL.
    pub secret: Secret,
    /// What the next program has to know of the dialogue ([`crate::Protocol::note`]); printable
    /// ASCII, at most [`crate::record::NOTE_LIMIT`] bytes, empty for nothing.
    pub note: Vec<u8>,
}

impl Login {
    /// The login that an exchange of SASL came to.
    pub fn by_sasl(mechanism: Mechanism, shown: Credentials, note: Vec<u8>) -> Login {
        let (name, secret) = match shown {
            Credentials::Password { login, password } => (login, password),
            Credentials::Cram { login, digest } => (login, digest),
        };
        Login {
            method: mechanism.into(),
            name,
            secret: Secret::new(&secret),
            note,
        }
    }
}

/// Why a login was not let in, as the client may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Name and password do not fit.
    Credentials,
    /// It could not be told; later it may.
    Temporary,
    /// It can never be told this way.
    Permanent,
}

/// The answer to a login that was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Why.
    pub why: Refusal,
    /// There will be no further one: say so and close.
    pub last: bool,
}

/// Whether the link is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// It is not, and cannot be.
    Off,
    /// The client may ask for it.
    Offered,
    /// It is.
    On,
}

/// What a dialogue may offer to this client.
#[derive(Clone, Debug)]
pub struct Terms {
    /// This host, as the command line names it.
    pub host: Vec<u8>,
    /// The challenge to show for APOP, where APOP can work.
    pub apop: Option<Vec<u8>>,
    /// The challenge for CRAM-MD5, where that can work.
    pub cram: Option<Vec<u8>>,
    /// Whether passwords can be checked at all.
    pub password: bool,
    /// The state of the link at the beginning.
    pub tls: Tls,
    /// No password may be sent in the clear.
    pub require_tls: bool,
    /// Every program of the chain is ours.
    pub joined: bool,
    /// The value of [`crate::Protocol::hide`]: what is not to be announced. Empty for nothing.
    pub hidden: Vec<u8>,
}

/// Why no password is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPassword {
    /// The checker verifies digests only.
    DigestsOnly,
    /// TLS is wanted first, and the client may ask for it.
    StartTls,
    /// TLS is wanted, and cannot be had here.
    Tls,
}

impl NoPassword {
    /// What the log is told.
    pub fn reason(self) -> &'static str {
        match self {
            NoPassword::DigestsOnly => "the checker takes no passwords",
            NoPassword::StartTls | NoPassword::Tls => "a password in the clear",
        }
    }
}

impl Terms {
    /// The mechanisms of SASL that are taken now, in the order in which they are announced.
    pub fn mechanisms(&self) -> Vec<Mechanism> {
        self.offer().mechanisms(self.tls == Tls::On).collect()
    }

    /// Whether `mechanism` is among them.
    pub fn takes(&self, mechanism: Mechanism) -> bool {
        self.offer().takes(mechanism, self.tls == Tls::On)
    }

    /// Whether passwords are taken on this link by this checker.
    pub fn takes_passwords(&self) -> bool {
        self.why_no_password().is_none()
    }

    /// Why they are not, where they are not.
    pub fn why_no_password(&self) -> Option<NoPassword> {
        if self.offer().takes_passwords(self.tls == Tls::On) {
            None
        } else if !self.password {
            Some(NoPassword::DigestsOnly)
        } else if self.tls == Tls::Offered {
            Some(NoPassword::StartTls)
        } else {
            Some(NoPassword::Tls)
        }
    }

    fn offer(&self) -> Offer {
        Offer {
            passwords: self.password,
            cram_md5: self.cram.is_some(),
            needs_tls: match self.require_tls {
                true => NeedsTls::Passwords,
                false => NeedsTls::Nothing,
            },
            order: Offer::PLAIN_FIRST,
        }
    }
}

/// What a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'l> {
    /// A line without its end.
    Line(&'l [u8]),
    /// A line over [`Dialogue::line_limit`]; it is gone.
    TooLong,
    /// The bytes that [`Step::Literal`] asked for.
    Literal(&'l [u8]),
}

/// What is to be done after an input. Replies that were added go out first.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Read a line.
    More,
    /// Read so many bytes, whatever they are ([`Input::Literal`]). The dialogue keeps to a limit of its own.
    Literal(usize),
    /// Throw so many bytes away, then read a line. The dialogue keeps to a limit of its own.
    Skip(usize),
    /// The client is done: exit code 0.
    Quit,
    /// Enough of it: exit code 1. The log is told why.
    End(&'static str),
    /// The log is told of something refused; read on.
    Refuse(Method, &'static str),
    /// TLS begins with the client's next byte.
    StartTls,
    /// Decide about this; [`Dialogue::refused`] follows, or nothing where it is let in.
    Decide(Login),
}

/// A protocol's conversation before the login: a pure state machine. Lines and literals go in; replies, complete
/// with their line ends, are added to `out`.
pub trait Dialogue {
    /// The first words.
    fn greet(&mut self, out: &mut Vec<u8>);
    /// The most bytes of the next line.
    fn line_limit(&self) -> usize;
    /// Takes what the client sent.
    fn input(&mut self, input: Input<'_>, out: &mut Vec<u8>) -> Step;
    /// The link is encrypted now; nothing that was said before counts.
    fn tls_started(&mut self);
    /// The login was not let in.
    fn refused(&mut self, answer: Answer, out: &mut Vec<u8>);
    /// The last words to a client that is given up, which may not be there any more.
    fn given_up(&mut self, _why: &Trouble, _out: &mut Vec<u8>) {}
}

/// What a conversation has come to.
#[derive(Debug)]
pub(crate) enum Came {
    /// Somebody is to decide about a login. What was read ahead is [`Talk::ahead`].
    Login(Login),
    /// It is over.
    End(Exit),
}

/// Overwrites what calls that have returned left on the stack: parts of lines, from registers that were
/// kept there. How deep they were is not known; this is deeper than anything here.
#[inline(never)]
fn overwrite_stack() {
    let room = [0u8; 32 << 10];
    std::hint::black_box(&room);
}

/// What is to be read next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Due {
    #[default]
    Line,
    Literal(usize),
    /// So many bytes that nobody wants, and then a line.
    LineBehind(usize),
}

/// A dialogue on its connection.
pub(crate) struct Talk {
    conn: Conn,
    dialogue: Box<dyn Dialogue>,
    door: Option<Door>,
    /// The variables of the TLS program, once TLS has begun.
    tls: Option<Vec<u8>>,
    handshake: std::time::Duration,
    line: Vec<u8>,
    due: Due,
    out: Vec<u8>,
    since: std::time::Instant,
}

impl Talk {
    /// Nothing is said yet.
    pub(crate) fn new(
        conn: Conn,
        dialogue: Box<dyn Dialogue>,
        door: Option<Door>,
        handshake: std::time::Duration,
    ) -> Talk {
        Talk {
            conn,
            dialogue,
            door,
            tls: None,
            handshake,
            // Room for any password at once: a vector that grows leaves copies behind.
            line: Vec::with_capacity(1024),
            due: Due::Line,
            out: Vec::with_capacity(512),
            since: std::time::Instant::now(),
        }
    }

    /// Says the first words; they go out before the first read.
    pub(crate) fn greet(&mut self) {
        self.dialogue.greet(&mut self.out);
        self.pass_on();
    }

    /// Reads and answers until there is a login to decide about, or the end.
    pub(crate) fn go_on(&mut self, log: &mut Log) -> Came {
        loop {
            match self.next() {
                Ok(Step::More | Step::Literal(_) | Step::Skip(_)) => {}
                Ok(Step::Refuse(method, reason)) => {
                    log.event("refuse")
                        .field("method", method.name().as_bytes())
                        .field("reason", reason.as_bytes())
                        .say();
                }
                Ok(Step::Quit) => return self.over(End::Quit("quit"), log),
                Ok(Step::End(reason)) => return self.over(End::Closed(reason), log),
                // All that was answered before must be out: the answer to the login may be another
                // program's.
                Ok(Step::Decide(login)) => match self.conn.flush() {
                    Ok(()) => return Came::Login(login),
                    Err(trouble) => return self.over(End::Trouble(trouble), log),
                },
                Ok(Step::StartTls) => {
                    if let Err(reason) = self.start_tls() {
                        log.event("fault").field("reason", reason.as_bytes()).say();
                        self.end(&End::Closed("TLS could not be begun"), log);
                        return Came::End(Exit::TEMPORARY);
                    }
                }
                Err(trouble) => {
                    self.dialogue.given_up(&trouble, &mut self.out);
                    self.conn.last_words(&self.out);
                    self.out.clear();
                    return self.over(End::Trouble(trouble), log);
                }
            }
        }
    }

    /// Tells the client what became of his login, and whether the conversation goes on.
    pub(crate) fn refused(&mut self, answer: Answer, log: &mut Log) -> Option<Exit> {
        self.dialogue.refused(answer, &mut self.out);
        self.pass_on();
        if !answer.last {
            return None;
        }
        let end = End::Closed("too many failed logins");
        self.end(&end, log);
        Some(end.exit())
    }

    /// Overwrites what was read and is used up, the password among it. What the client sent after
    /// it is not lost.
    pub(crate) fn forget(&mut self) {
        // It may begin with the next password.
        let ahead = Zeroizing::new(self.conn.ahead().to_vec());
        self.conn.wipe();
        self.conn.resume(&ahead);
        overwrite_stack();
    }

    /// What was read and not asked for.
    pub(crate) fn ahead(&self) -> &[u8] {
        self.conn.ahead()
    }

    /// The variables of the TLS program, where TLS was begun here.
    pub(crate) fn tls(&self) -> Option<&[u8]> {
        self.tls.as_deref()
    }

    /// Ends this side of the conversation and overwrites all that was read. The descriptors 0 and
    /// 1 stay.
    pub(crate) fn wipe(mut self) {
        self.conn.wipe();
        self.line.zeroize();
    }

    fn next(&mut self) -> Result<Step, Trouble> {
        let due = std::mem::take(&mut self.due);
        if let Due::LineBehind(count) = due {
            self.conn.skip_octets(count)?;
        }
        let input = if let Due::Literal(count) = due {
            self.conn.read_octets(&mut self.line, count)?;
            Input::Literal(&self.line)
        } else {
            let limit = self.dialogue.line_limit();
            match self.conn.read_line(&mut self.line, limit)? {
                Line::Whole => Input::Line(&self.line),
                Line::TooLong => Input::TooLong,
            }
        };
        let step = self.dialogue.input(input, &mut self.out);
        self.due = match step {
            Step::Literal(count) => Due::Literal(count),
            Step::Skip(count) => Due::LineBehind(count),
            _ => Due::Line,
        };
        if matches!(step, Step::Decide(_)) {
            self.line.zeroize();
        }
        self.pass_on();
        Ok(step)
    }

    fn pass_on(&mut self) {
        self.conn.reply(&self.out);
        self.out.clear();
    }

    fn over(&mut self, end: End, log: &mut Log) -> Came {
        self.end(&end, log);
        Came::End(end.exit())
    }

    /// The one line about the end of a conversation in which nobody was let in.
    fn end(&mut self, end: &End, log: &mut Log) {
        // The client may be gone; there is nobody else to tell.
        let _ = self.conn.flush();
        log.event("end")
            .field("reason", end.to_string().as_bytes())
            .traffic(self.conn.traffic(), self.since)
            .say();
    }

    fn start_tls(&mut self) -> Result<(), String> {
        let Some(door) = self.door.take() else {
            return Err("TLS was begun without a TLS program".to_owned());
        };
        self.conn.flush().map_err(|trouble| trouble.to_string())?;
        let started = door.start(std::time::Instant::now() + self.handshake)?;
        self.conn.replace(started.input, started.output);
        self.tls = Some(started.variables);
        self.dialogue.tls_started();
        Ok(())
    }
}

#[cfg(test)]
#[path = "dialogue_tests.rs"]
mod tests;
