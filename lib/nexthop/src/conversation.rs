//! One command, one reply: with the server's words turned into values and every way in which it can
//! fail to keep to the protocol into a [`Failure`].

use std::time::{Duration, Instant};

use rustls::ClientConnection;

use crate::failure::Failure;
use crate::link::Link;
use crate::reply::{Reader, Reply, Whole};
use crate::settings::Limits;

/// How much is read at once.
const READ_BYTES: usize = 4 * 1024;

/// How long is waited for what a server may have said before it hung up.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The service is going away (RFC 5321 section 3.8); it may be said at any time.
const GOING_AWAY: u16 = 421;

/// A connection on which commands and replies alternate.
#[derive(Debug)]
pub(crate) struct Conversation {
    link: Link,
    /// What was read and not used yet.
    ahead: Vec<u8>,
    hop: String,
    limits: Limits,
    /// When the opening, or the end of a message, must be done, whatever each step may take.
    until: Option<Instant>,
    /// Nobody knows any more what the next bytes would mean, or the server has gone.
    broken: bool,
}

impl Conversation {
    pub(crate) fn new(link: Link, hop: String, limits: Limits) -> Conversation {
        Conversation {
            link,
            ahead: Vec::new(),
            hop,
            limits,
            until: None,
            broken: false,
        }
    }

    /// The name of the other side, for sentences.
    pub(crate) fn hop(&self) -> &str {
        &self.hop
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Nothing that is said from now on, and no reply to it, may take longer than until `until`.
    pub(crate) fn end_by(&mut self, until: Option<Instant>) {
        self.until = until;
    }

    /// That far from now, or sooner.
    pub(crate) fn deadline(&self, limit: Duration) -> Instant {
        let own = deadline(limit);
        self.until.map_or(own, |until| own.min(until))
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    pub(crate) fn tls_version(&self) -> Option<&'static str> {
        self.link.tls_version()
    }

    /// Sends a line, which `name` stands for in sentences, and reads the reply to it.
    pub(crate) fn command(&mut self, name: &str, line: &[u8]) -> Result<Whole, Failure> {
        self.check_silence()?;
        self.send(line, &format!("it did not take {name}"))?;
        let until = self.deadline(self.limits.reply);
        self.reply(&format!("the reply to {name}"), until)
    }

    /// [`Conversation::command`], and the reply must be of the class `class`: 2 or 3.
    pub(crate) fn expect(&mut self, name: &str, line: &[u8], class: u16) -> Result<Whole, Failure> {
        let whole = self.command(name, line)?;
        self.judge(name, &whole.reply, class)?;
        Ok(whole)
    }

    /// Whether a reply is of the class `class`. A refusal is the server's (4yz, 5yz); anything else
    /// ends the conversation.
    pub(crate) fn judge(&mut self, name: &str, reply: &Reply, class: u16) -> Result<(), Failure> {
        let failure = |permanent, what: &str| Failure {
            permanent,
            reply: Some(reply.clone()),
            reason: format!("{} {what} {name}: {reply}", self.hop),
        };
        match reply.code {
            code if code / 100 == class => Ok(()),
            GOING_AWAY => {
                let failure = failure(false, "goes away at");
                self.broken = true;
                Err(failure)
            }
            400..600 => Err(failure(reply.is_permanent(), "refused")),
            _ => {
                let mut failure = failure(false, "has no answer to");
                failure.reply = None;
                self.broken = true;
                Err(failure)
            }
        }
    }

    /// Sends bytes that no reply comes to.
    pub(crate) fn send(&mut self, bytes: &[u8], otherwise: &str) -> Result<(), Failure> {
        self.check()?;
        let until = self.deadline(self.limits.write);
        match self.link.write(bytes, until) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.fault(&format!("{otherwise}: {}", os::reason(&error)))),
        }
    }

    /// Sends a part of the message. Where that fails the server may have said why, and that is the answer.
    pub(crate) fn send_text(&mut self, text: &[u8]) -> Result<(), Failure> {
        let Err(failure) = self.send(text, "it did not take the message") else {
            return Ok(());
        };
        self.broken = false;
        let said = self.reply("the reply to the message", deadline(LAST_WORDS));
        self.broken = true;
        match said {
            Ok(whole) if matches!(whole.reply.code, 400..600) => Err(Failure {
                permanent: whole.reply.is_permanent(),
                reason: format!("{}, and it said {}", failure.reason, whole.reply),
                reply: Some(whole.reply),
            }),
            _ => Err(failure),
        }
    }

    /// Before the end of the text a server has nothing to say but that it will not take it; anything else is a
    /// reply that would count for the message though it is not about it.
    pub(crate) fn check_text(&mut self) -> Result<(), Failure> {
        self.check()?;
        if self.ahead.is_empty() {
            let mut buffer = [0; READ_BYTES];
            match self.link.read(&mut buffer, Instant::now()) {
                Ok(0) => return Err(self.fault("it closed the connection within the message")),
                Ok(count) => self.ahead.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::TimedOut => return Ok(()),
                Err(error) => {
                    let reason = os::reason(&error);
                    return Err(self.fault(&format!("the connection broke: {reason}")));
                }
            }
        }
        let said = self.reply("a reply within the message", deadline(LAST_WORDS))?;
        self.broken = true;
        match self.judge("the message", &said.reply, 2) {
            Err(failure) => Err(failure),
            Ok(()) => Err(self.fault("it took the message before its end")),
        }
    }

    /// Reads a reply, `what`, until `deadline`.
    pub(crate) fn reply(&mut self, what: &str, deadline: Instant) -> Result<Whole, Failure> {
        self.check()?;
        let mut reader = Reader::new();
        loop {
            match reader.feed(&self.ahead) {
                Ok((used, whole)) => {
                    self.ahead.drain(..used);
                    if let Some(whole) = whole {
                        return Ok(whole);
                    }
                }
                Err(fault) => return Err(self.fault(&format!("{fault} ({what})"))),
            }
            let mut buffer = [0; READ_BYTES];
            match self.link.read(&mut buffer, deadline) {
                Ok(0) => {
                    return Err(self.fault(&format!("it closed the connection before {what}")));
                }
                Ok(count) => self.ahead.extend_from_slice(&buffer[..count]),
                Err(error) => {
                    let reason = os::reason(&error);
                    return Err(self.fault(&format!("unable to read {what}: {reason}")));
                }
            }
        }
    }

    /// Shakes hands. Nothing that came in the clear counts as having come inside TLS: bytes that
    /// stand behind the reply to STARTTLS end the connection (CVE-2021-38371 and its like).
    pub(crate) fn start_tls(&mut self, tls: ClientConnection) -> Result<(), Failure> {
        self.check_silence()?;
        match self.link.start_tls(tls, self.deadline(self.limits.reply)) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.fault(&format!("no TLS: {}", os::reason(&error)))),
        }
    }

    /// Says a last line and closes; what becomes of it does not matter.
    pub(crate) fn end(mut self, line: &[u8], limit: Duration) {
        if !self.broken {
            let until = deadline(limit.min(self.limits.write));
            if self.link.write(line, until).is_ok() {
                self.link.say_end(until);
            }
        }
    }

    /// The conversation is over, and why.
    pub(crate) fn fault(&mut self, what: &str) -> Failure {
        self.broken = true;
        Failure::temporary(format!("{}: {what}", self.hop))
    }

    fn check(&self) -> Result<(), Failure> {
        if self.broken {
            let reason = format!("{}: the connection is of no use any more", self.hop);
            return Err(Failure::temporary(reason));
        }
        Ok(())
    }

    /// Before a command there is nothing that the server could have to say.
    pub(crate) fn check_silence(&mut self) -> Result<(), Failure> {
        self.check()?;
        if self.ahead.is_empty() {
            return Ok(());
        }
        Err(self.fault("it said more than one reply"))
    }
}

/// That far from now.
pub(crate) fn deadline(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit).unwrap_or(now)
}
