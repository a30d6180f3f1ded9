//! The transaction: MAIL, RCPT, DATA, the message, the verdicts.

use std::time::Duration;

use smtp::address::MailParameters;

use crate::capabilities::Capabilities;
use crate::commands::{self, Unspeakable};
use crate::conversation::{Conversation, deadline};
use crate::dial::dial;
use crate::failure::Failure;
use crate::link::Link;
use crate::opening::{self, Opened};
use crate::reply::Reply;
use crate::settings::Settings;
use crate::stuff::Stuff;
use crate::transport::{Hop, Protocol};

/// How much stored text is made ready at once; it at most doubles.
const PIECE_BYTES: usize = 16 * 1024;

/// How much is collected before it is sent.
const SEND_BYTES: usize = 16 * 1024;

/// How long QUIT may take.
const QUIT_TIME: Duration = Duration::from_secs(1);

/// What became of the message for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The hop is responsible for it now.
    Ok(Reply),
    /// It is not.
    Refused(Failure),
}

/// Where in a transaction a client is.
#[derive(Debug)]
enum State {
    /// Between transactions.
    Ready,
    /// After MAIL, or after a refused DATA.
    Envelope {
        /// Accepted recipients.
        recipients: usize,
        /// Whether MAIL had SMTPUTF8.
        utf8: bool,
    },
    /// After 354.
    Data {
        recipients: usize,
        stuff: Stuff,
        /// Ready to be sent.
        waiting: Vec<u8>,
    },
}

/// One connection to one hop. Dropped in the middle of a message it closes the connection without
/// the end of data, so that the hop has no message.
#[derive(Debug)]
pub struct Client {
    talk: Conversation,
    protocol: Protocol,
    capabilities: Capabilities,
    authenticated: bool,
    state: State,
}

impl Client {
    /// Connects, and says everything that comes before MAIL. All failures are temporary.
    pub fn connect(hop: &Hop, settings: &Settings) -> Result<Client, Failure> {
        let fd = dial(&hop.endpoint, &settings.dns, settings.limits.connect).map_err(|reason| {
            Failure::temporary(format!("unable to connect to {hop}: {reason}"))
        })?;
        let Opened {
            conversation,
            capabilities,
            authenticated,
        } = opening::open(Link::new(fd), hop, settings)?;
        let mut conversation = conversation;
        conversation.end_by(None);
        Ok(Client {
            talk: conversation,
            protocol: hop.protocol,
            capabilities,
            authenticated,
            state: State::Ready,
        })
    }

    /// The most bytes of a message, where the hop has said so.
    pub fn size(&self) -> Option<u64> {
        self.capabilities.size.flatten()
    }

    /// Whether SMTPUTF8 is offered.
    pub fn has_smtputf8(&self) -> bool {
        self.capabilities.smtputf8
    }

    /// Whether 8BITMIME is offered.
    pub fn has_8bitmime(&self) -> bool {
        self.capabilities.eight_bit_mime
    }

    /// The version of TLS, where there is TLS: `TLSv1.3`.
    pub fn tls_version(&self) -> Option<&'static str> {
        self.talk.tls_version()
    }

    /// Whether the credentials were sent, and taken.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Whether another command can be sent; after a broken connection or a 421 only a new client
    /// can help.
    pub fn is_usable(&self) -> bool {
        !self.talk.is_broken() && !matches!(self.state, State::Data { .. })
    }

    /// Begins a transaction. `sender` is unquoted, as in the envelope, and empty for a bounce.
    pub fn mail(&mut self, sender: &[u8], mail: &MailParameters) -> Result<(), Failure> {
        if !matches!(self.state, State::Ready) {
            return Err(self.out_of_order("MAIL"));
        }
        let line = commands::mail(sender, mail, &self.capabilities)
            .map_err(|why| self.unspeakable(why, [5, 1, 7]))?;
        self.talk.expect("MAIL", &line, 2).map_err(ours)?;
        self.state = State::Envelope {
            recipients: 0,
            utf8: mail.utf8 || !sender.is_ascii(),
        };
        Ok(())
    }

    /// Adds a recipient, unquoted, as in the envelope.
    pub fn rcpt(&mut self, recipient: &[u8]) -> Result<(), Failure> {
        let State::Envelope { utf8, .. } = self.state else {
            return Err(self.out_of_order("RCPT"));
        };
        let line =
            commands::rcpt(recipient, utf8).map_err(|why| self.unspeakable(why, [5, 1, 3]))?;
        self.talk.expect("RCPT", &line, 2).map_err(ours)?;
        if let State::Envelope { recipients, .. } = &mut self.state {
            *recipients += 1;
        }
        Ok(())
    }

    /// Asks to send the message, which follows. After a refusal there is only [`Client::reset`].
    pub fn data(&mut self) -> Result<(), Failure> {
        let recipients = match self.state {
            State::Envelope { recipients, .. } if recipients > 0 => recipients,
            _ => return Err(self.out_of_order("DATA")),
        };
        let whole = self.talk.expect("DATA", b"DATA\r\n", 3).map_err(ours)?;
        self.talk.check_silence()?;
        if whole.reply.code != 354 {
            let reply = whole.reply;
            return Err(self
                .talk
                .fault(&format!("it has no answer to DATA: {reply}")));
        }
        self.state = State::Data {
            recipients,
            stuff: Stuff::new(),
            waiting: Vec::new(),
        };
        Ok(())
    }

    /// Adds to the message: stored text with LF line ends, in pieces of any size.
    pub fn write(&mut self, stored: &[u8]) -> Result<(), Failure> {
        let State::Data { stuff, waiting, .. } = &mut self.state else {
            return Err(self.out_of_order("the message"));
        };
        for piece in stored.chunks(PIECE_BYTES) {
            stuff.feed(piece, waiting);
            if waiting.len() >= SEND_BYTES {
                self.talk.send_text(waiting)?;
                waiting.clear();
            }
        }
        Ok(())
    }

    /// Sends what was collected, so that the hop has all of the message but its end, within `limit`; and sees
    /// that it has not given up meanwhile.
    pub fn flush(&mut self, limit: Duration) -> Result<(), Failure> {
        let State::Data { waiting, .. } = &mut self.state else {
            return Err(self.out_of_order("the message"));
        };
        let text = std::mem::take(waiting);
        self.talk.end_by(Some(deadline(limit)));
        let sent = self.talk.send_text(&text);
        self.talk.end_by(None);
        sent?;
        self.talk.check_text()
    }

    /// [`Client::finish`], but that all of it is done within `limit`.
    pub fn finish_within(&mut self, limit: Duration) -> Result<Vec<Verdict>, Failure> {
        self.talk.end_by(Some(deadline(limit)));
        let done = self.finish();
        self.talk.end_by(None);
        done
    }

    /// Ends the message and reads what becomes of it: one verdict for each accepted recipient, in
    /// their order. SMTP has one for all of them; it stands there for each.
    ///
    /// With LMTP the connection may be lost between the verdicts: those that have come count, and
    /// the rest are refused for now. An error says that none has come: then the message may have
    /// been taken all the same, as ever where a reply is lost (RFC 1047).
    pub fn finish(&mut self) -> Result<Vec<Verdict>, Failure> {
        let (recipients, stuff, mut waiting) =
            match std::mem::replace(&mut self.state, State::Ready) {
                State::Data {
                    recipients,
                    stuff,
                    waiting,
                } => (recipients, stuff, waiting),
                other => {
                    self.state = other;
                    return Err(self.out_of_order("the end of the message"));
                }
            };
        stuff.finish(&mut waiting);
        self.talk.check_text()?;
        self.talk.send_text(&waiting)?;
        let until = self.talk.deadline(self.talk.limits().data_end);
        let replies = match self.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => recipients,
        };
        let mut verdicts = Vec::with_capacity(recipients);
        while verdicts.len() < replies {
            match self.talk.reply("the reply to the message", until) {
                Ok(whole) => verdicts.push(self.verdict(whole.reply)),
                Err(failure) if verdicts.is_empty() => return Err(failure),
                Err(failure) => {
                    verdicts.resize(recipients, Verdict::Refused(failure));
                }
            }
        }
        // With a reply too many nobody knows which of them was about this message.
        if !self.talk.is_broken() {
            self.talk.check_silence()?;
        }
        if let Some(last) = verdicts.last().cloned() {
            verdicts.resize(recipients, last);
        }
        Ok(verdicts)
    }

    fn verdict(&mut self, reply: Reply) -> Verdict {
        match self.talk.judge("the message", &reply, 2) {
            Ok(()) => Verdict::Ok(reply),
            Err(failure) => Verdict::Refused(failure),
        }
    }

    /// Gives the transaction up, for the next one.
    pub fn reset(&mut self) -> Result<(), Failure> {
        if matches!(self.state, State::Data { .. }) {
            return Err(self.out_of_order("RSET"));
        }
        self.talk
            .expect("RSET", b"RSET\r\n", 2)
            .map_err(Failure::for_later)?;
        self.state = State::Ready;
        Ok(())
    }

    /// Says good-bye and closes, without waiting for an answer. In the middle of a message it only
    /// closes.
    pub fn quit(self) {
        if !matches!(self.state, State::Data { .. }) {
            self.talk.end(b"QUIT\r\n", QUIT_TIME);
        }
    }

    /// A step that has no place where the transaction is.
    fn out_of_order(&self, what: &str) -> Failure {
        let reason = format!("{}: {what} has no place here", self.talk.hop());
        Failure::temporary(reason)
    }

    fn unspeakable(&self, why: Unspeakable, of_address: [u16; 3]) -> Failure {
        let (enhanced, text) = match why {
            Unspeakable::Utf8 => (
                [5, 6, 7],
                "SMTPUTF8 is needed and not offered by the next hop",
            ),
            Unspeakable::NoAddress => (of_address, "there is no address"),
            Unspeakable::Address | Unspeakable::Name => {
                (of_address, "no such address can be sent to the next hop")
            }
        };
        Failure::impossible(self.talk.hop(), enhanced, text)
    }
}

/// What a server says to who has not logged in, or does not speak as it wants: somebody must set
/// something right here, and the message is not to blame (RFC 4954 section 6, RFC 5321 section 4.2.2).
fn ours(failure: Failure) -> Failure {
    let is_ours = |reply: &Reply| matches!(reply.code, 500..=504 | 530 | 534 | 535 | 538);
    if failure.reply.as_ref().is_some_and(is_ours) {
        return failure.for_later();
    }
    failure
}
