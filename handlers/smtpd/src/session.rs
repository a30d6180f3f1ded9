//! The dialogue: states, verbs, replies.
//!
//! A session has at most one transaction ([`Mail`]); RSET, HELO, EHLO and the end of its message end
//! it, as does a second MAIL, which begins the next. The verbs are in the rooms below: [`hello`] what
//! a client says about itself and its link, [`login`] AUTH, [`envelope`] MAIL and RCPT, [`outside`] who else is asked about them; the message is
//! in [`crate::data`].

mod envelope;
mod hello;
mod login;
mod outside;
mod peer;
mod start;

pub(crate) use outside::PluginDecision;

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, Instant};

use chain::Env;
use chain::tls::Door;
use os::Exit;
use smtp::address::MailParameters;
use smtp::enhanced::{self, Status};
use wire::command::{self, Next, Verb};
use wire::refusals::OTHER_VERB;
use wire::{Conn, Line, Log, Ready, Refusals, Trouble};
use zeroize::Zeroize;

use crate::data::Receiving;
use crate::replies;
use crate::settings::Settings;
use crate::sources::SettingsError;
use crate::transport::{DESTINATIONS, Destination, PerDestination};
use crate::xclient::Introduction;

use start::Start;

/// The most bytes of a command line, without its end.
pub const LINE_LIMIT: usize = 4096;

/// The same of AUTH, with an initial response of the longest kind (RFC 4954 section 4).
pub const AUTH_LINE_LIMIT: usize = wire::sasl::RESPONSE_LIMIT + 64;

/// After so many temporary refusals of recipients, messages that are declared too large, and commands
/// that follow a refused one, the session ends.
const DEFERRAL_LIMIT: u64 = 1000;

/// So many HELO, EHLO and MAIL that plugins are asked about may come to no message; then the session ends.
/// Each starts programs, and none is refused.
const VAIN_LIMIT: u64 = 1000;

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
    pub(crate) parameters: MailParameters,
    /// Who was taken, by the way that his mail goes.
    pub(crate) recipients: PerDestination<Vec<Vec<u8>>>,
    /// What the next hops know of it.
    pub(crate) hops: PerDestination<AtHop>,
    /// A plugin has vouched for the sender.
    vouched: bool,
    /// Recipients over the limit were refused, and the log has one line about it.
    over_limit: bool,
    /// Somebody was refused, so what comes next may have been sent in the hope that nobody would.
    disappointed: bool,
}

impl Mail {
    /// How many were taken.
    pub(crate) fn count(&self) -> usize {
        self.recipients.local.len() + self.recipients.remote.len()
    }
}

/// A transaction as the next hop sees it.
#[derive(Debug, Default)]
pub(crate) enum AtHop {
    /// It has heard nothing.
    #[default]
    Nothing,
    /// It has accepted the sender.
    Begun(Box<nexthop::Client>),
    /// It cannot be asked, or has refused the sender: all recipients are told so.
    Refused(crate::handoff::Failure),
}

impl AtHop {
    /// Says good-bye to it.
    pub(crate) fn leave(self) {
        if let AtHop::Begun(client) = self {
            client.quit();
        }
    }
}

/// What has happened so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    bad_commands: u64,
    refused: u64,
    deferred: u64,
    /// Commands that plugins were asked about and that begin a message, or may.
    beginnings: u64,
    pub(crate) begun: u64,
    /// Accepted recipients, also of messages that did not come.
    pub(crate) recipients: u64,
    pub(crate) accepted: u64,
    pub(crate) failed_logins: u64,
    refusals: Refusals,
}

/// Reads the settings that an environment makes.
pub type ReadSettings = Box<dyn Fn(&Env) -> Result<Settings, SettingsError>>;

/// What the session works with besides the connection: environment, settings reader, TLS.
pub struct Context {
    /// The environment that programs get.
    pub env: Env,
    /// Reads the settings of a client that a proxy speaks for.
    pub settings: ReadSettings,
    /// The way to the TLS program, where STARTTLS is offered.
    pub door: Option<Door>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("door", &self.door)
            .finish_non_exhaustive()
    }
}

/// One conversation with one client.
#[derive(Debug)]
pub struct Session {
    pub(crate) conn: Conn,
    pub(crate) log: Log,
    pub(crate) settings: Settings,
    pub(crate) context: Context,
    pub(crate) hello: Hello,
    pub(crate) mail: Option<Mail>,
    /// A message that comes in chunks.
    pub(crate) receiving: Option<Receiving>,
    /// The next hops that wait for another transaction.
    pub(crate) idle: PerDestination<Option<Box<nexthop::Client>>>,
    /// Who has logged in.
    pub(crate) user: Option<Vec<u8>>,
    /// The command that is being answered, as the log names it.
    verb: &'static str,
    /// How it began, for when nothing counts that was said since.
    start: Start,
    /// When it began.
    began: Instant,
    /// Whether it may still be told for whom it is.
    introduction: Introduction,
    /// Why the client is refused for its address, once that was looked up: a reply.
    pub(crate) listed: Option<Option<String>>,
    /// MAIL was refused, and commands that were sent before that was known follow.
    pub(crate) mail_refused: bool,
    pub(crate) counts: Counts,
    /// What made a reading or writing step fail.
    pub(crate) trouble: Option<Trouble>,
    /// What the log says about the end where it is neither QUIT nor trouble.
    pub(crate) ended: Option<&'static str>,
    pub(crate) exit: Exit,
}

impl Session {
    /// Nothing is said yet.
    pub fn new(conn: Conn, log: Log, settings: Settings, context: Context) -> Session {
        Session {
            start: Start::of(&context.env, &settings),
            began: Instant::now(),
            verb: OTHER_VERB,
            introduction: Introduction::new(settings.terms.xclient),
            conn,
            log,
            settings,
            context,
            hello: Hello::default(),
            mail: None,
            receiving: None,
            idle: PerDestination::default(),
            user: None,
            listed: None,
            mail_refused: false,
            counts: Counts::default(),
            trouble: None,
            ended: None,
            exit: Exit::NO,
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
        self.say_goodbye();
        self.leave_hops();
        self.exit
    }

    /// Waits for the client, and gives the next hops up where he is silent: their connections are few, and
    /// whoever has nothing to say must not hold one.
    fn let_go_of_hops(&mut self) -> Result<(), Trouble> {
        let is_begun = |mail: &Mail| {
            let is_begun =
                |&destination: &Destination| matches!(mail.hops[destination], AtHop::Begun(_));
            DESTINATIONS.iter().any(is_begun)
        };
        let patience = if self.mail.as_ref().is_some_and(is_begun) {
            self.settings.limits.hop_silence
        } else if DESTINATIONS
            .iter()
            .any(|&destination| self.idle[destination].is_some())
        {
            self.settings.limits.hop_idle
        } else {
            return Ok(());
        };
        let until = Instant::now() + patience;
        if self.conn.wait(None, until)? != Ready::Time {
            return Ok(());
        }
        self.leave_idle();
        for destination in DESTINATIONS {
            if let Some(mail) = &mut self.mail
                && matches!(mail.hops[destination], AtHop::Begun(_))
            {
                let given_up = AtHop::Refused(crate::handoff::hop::given_up());
                std::mem::replace(&mut mail.hops[destination], given_up).leave();
            }
        }
        Ok(())
    }

    /// Says good-bye to the next hops.
    fn leave_hops(&mut self) {
        self.receiving = None;
        let hops = self.mail.take().map(|mail| mail.hops).unwrap_or_default();
        hops.local.leave();
        hops.remote.leave();
        self.leave_idle();
    }

    /// The same to those that wait for another transaction.
    fn leave_idle(&mut self) {
        for destination in DESTINATIONS {
            if let Some(client) = self.idle[destination].take() {
                client.quit();
            }
        }
    }

    /// Holds the banner back where that is asked for, and sees whether the client waits for it.
    fn is_patient(&mut self) -> bool {
        let terms = &self.settings.terms;
        if terms.greet_delay.is_zero() || self.settings.client.relay.is_some() {
            return true;
        }
        let drop_early = terms.drop_early;
        let until = Instant::now() + terms.greet_delay;
        match self.conn.wait(None, until) {
            // Who has gone has said nothing: the next read will tell.
            Ok(Ready::Input) if drop_early && self.conn.has_input() => {
                self.log_refusal("banner", None, None, replies::EARLY_TALKER);
                self.reply(replies::EARLY_TALKER);
                self.ended = Some("spoke before the banner");
                false
            }
            Ok(Ready::Input) => {
                // He is not dropped, and waits like everybody else.
                self.pause(until.saturating_duration_since(Instant::now()));
                true
            }
            Ok(_) => true,
            Err(trouble) => {
                self.trouble = Some(trouble);
                false
            }
        }
    }

    /// Waits, but not beyond the session's end.
    pub(crate) fn pause(&mut self, time: Duration) {
        std::thread::sleep(time.min(self.conn.time_left()));
    }

    pub(crate) fn greet(&mut self) {
        let banner = [b"220 ", self.settings.greeting.as_slice(), b" ESMTP\r\n"].concat();
        self.conn.reply(&banner);
    }

    /// Reads and answers one command.
    fn next(&mut self, line: &mut Vec<u8>) -> Next {
        if let Err(trouble) = self.let_go_of_hops() {
            self.trouble = Some(trouble);
            return Next::Close;
        }
        let next = self.answer(line);
        // It may have been AUTH, with a password.
        line.zeroize();
        next
    }

    fn answer(&mut self, line: &mut Vec<u8>) -> Next {
        let read = self.conn.read_line(line, AUTH_LINE_LIMIT);
        self.verb = OTHER_VERB;
        match read {
            Err(trouble) => {
                self.trouble = Some(trouble);
                Next::Close
            }
            Ok(Line::TooLong) => self.unreadable(replies::LINE_TOO_LONG),
            Ok(Line::Whole) if line.contains(&0) => self.unreadable(replies::NUL),
            Ok(Line::Whole) => {
                let (verb, argument) = command::split(line);
                let is_long = line.len() > LINE_LIMIT;
                let verb = command::find(VERBS, verb);
                self.verb = verb.map_or(OTHER_VERB, |verb| verb.word);
                if self.verb != "XCLIENT"
                    && let Err(text) = self.introduction.before(self.verb)
                {
                    return self.bad(text);
                }
                match verb {
                    Some(verb) if is_long && verb.word != "AUTH" => {
                        self.unreadable(replies::LINE_TOO_LONG)
                    }
                    Some(verb) => (verb.run)(self, argument),
                    None if is_long => self.unreadable(replies::LINE_TOO_LONG),
                    None => self.bad(replies::UNIMPLEMENTED),
                }
            }
        }
    }

    /// Refuses a line that cannot be a command.
    fn unreadable(&mut self, text: &'static str) -> Next {
        if self.introduction.is_open() {
            return self.end_for_xclient(text);
        }
        self.bad(text)
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
        let mut entry = self
            .log
            .event("end")
            .field("reason", word.as_bytes())
            .number("accepted", self.counts.accepted)
            .number("refused", self.counts.refused)
            .traffic(self.conn.traffic(), self.began);
        let untold = self.counts.refusals.untold();
        if untold > 0 {
            entry = entry.number("unlogged", untold);
        }
        entry.say();
    }

    fn log_start(&mut self) {
        let relay: &[u8] = match self.settings.client.relay {
            Some(_) => b"yes",
            None => b"no",
        };
        let transports = &self.settings.transports;
        let shown = |destination| transports.of(destination).map(ToString::to_string);
        let (queue, remote) = (shown(Destination::Local), shown(Destination::Remote));
        let one = matches!(transports, crate::transport::Transports::One(_));
        let mut entry = self
            .log
            .event("start")
            .field("host", &self.settings.client.host)
            .field("relay", relay)
            .field("queue", queue.unwrap_or_default().as_bytes());
        if let Some(remote) = remote.filter(|_| !one) {
            entry = entry.field("remotequeue", remote.as_bytes());
        }
        entry.say();
    }

    /// Adds one reply line.
    pub(crate) fn reply(&mut self, text: &str) {
        self.reply_with(text, None);
    }

    /// The same with the status code of a text that has none of its own: subject and detail.
    pub(crate) fn reply_with(&mut self, text: &str, status: Option<(u16, u16)>) {
        let class = text
            .as_bytes()
            .first()
            .map_or(0, |digit| digit.wrapping_sub(b'0'));
        // The next question of an exchange, and 354, have none.
        let line = if self.settings.terms.enhanced && class != 3 {
            let class = u16::from(class);
            let status = status.map(|(subject, detail)| Status {
                class,
                subject,
                detail,
            });
            Cow::Owned(enhanced::enhance(text, status))
        } else {
            Cow::Borrowed(text)
        };
        self.conn.reply(line.as_bytes());
        self.conn.reply(b"\r\n");
    }

    /// Refuses a command that nobody should send; too many of them end the session.
    pub(crate) fn bad(&mut self, text: &'static str) -> Next {
        self.log_refusal(self.verb, None, None, text);
        self.reply(text);
        self.counts.bad_commands += 1;
        let limit = self.settings.limits.bad_commands;
        if limit == 0 || self.counts.bad_commands < limit {
            return Next::Continue;
        }
        self.close(replies::TOO_MANY_BAD, "too many bad commands")
    }

    /// Refuses a recipient; too many of them end the session.
    pub(crate) fn refuse(&mut self, recipient: &[u8], text: &str) -> Next {
        if let Some(mail) = &mut self.mail {
            mail.disappointed = true;
        }
        let sender = self.mail.as_ref().map(|mail| mail.sender.clone());
        self.log_refusal("RCPT", sender.as_deref(), Some(recipient), text);
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

    /// Refuses a command that only follows on one that was refused: in a pipeline it was sent before that was
    /// known (RFC 2920 section 3.1), so it is nobody's fault.
    pub(crate) fn bad_in_turn(&mut self, text: &'static str) -> Next {
        let is_disappointed = |mail: &Mail| mail.disappointed;
        if self.mail_refused || self.mail.as_ref().is_some_and(is_disappointed) {
            self.reply(text);
            return self.count_deferral();
        }
        self.bad(text)
    }

    /// Counts a refusal that an honest client may get many of, and not without end: each has its
    /// line in the log.
    pub(crate) fn count_deferral(&mut self) -> Next {
        self.counts.deferred += 1;
        if self.counts.deferred < DEFERRAL_LIMIT {
            return Next::Continue;
        }
        self.close(replies::TOO_MANY_REFUSED, "too many deferrals")
    }

    /// Counts a command that begins a message, or may, before plugins are asked about it; an answer where there
    /// were too many.
    pub(crate) fn count_beginning(&mut self) -> Option<Next> {
        self.counts.beginnings += 1;
        if self.counts.beginnings <= self.counts.begun.saturating_add(VAIN_LIMIT) {
            return None;
        }
        Some(self.close(
            replies::TOO_MANY_VAIN,
            "too many commands without a message",
        ))
    }

    pub(crate) fn close(&mut self, text: &str, why: &'static str) -> Next {
        self.reply(text);
        self.ended = Some(why);
        Next::Close
    }

    /// Tells the log of a refusal, with the addresses as far as they are known; `verb` is the command, or what
    /// stands for one.
    pub(crate) fn log_refusal(
        &mut self,
        verb: &'static str,
        sender: Option<&[u8]>,
        recipient: Option<&[u8]>,
        text: &str,
    ) {
        if !self.counts.refusals.may_be_told(verb) {
            return;
        }
        let hello = self.hello.name.as_deref().unwrap_or_default();
        let mut entry = self.log.event("refuse").field("verb", verb.as_bytes());
        for (key, address) in [("from", sender), ("to", recipient)] {
            if let Some(address) = address {
                entry = entry.address(key, address);
            }
        }
        entry
            .field("helo", hello)
            .field("reply", text.as_bytes())
            .say();
    }

    pub(crate) fn log_fault(&mut self, reason: &str) {
        self.log
            .event("fault")
            .field("reason", reason.as_bytes())
            .say();
    }

    /// Whether the link is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        chain::tls::is_on(&self.context.env)
    }
}

#[cfg(test)]
#[path = "session_tests/mod.rs"]
mod tests;
