//! What SMTP's and LMTP's servers say and count alike: reply lines, refusals and their limits, the log's
//! lines about them, and the end of a session.
//!
//! A server owns a [`Dialogue`] beside its transaction and its policy, which decide what is answered; how it
//! is written, counted and logged is decided here. The counting alone is pure: [`crate::tally`].

use std::borrow::Cow;
use std::time::{Duration, Instant};

use os::Exit;
use wire::command::Next;
use wire::refusals::OTHER_VERB;
use wire::{Conn, End, Line, Log, Trouble};

use crate::enhanced::{self, Status};
use crate::tally::{Limits, Over, Tally};
use crate::texts;

/// The most bytes of a command line, without its end.
pub const LINE_LIMIT: usize = 4096;

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321. Status codes stand behind the texts until the server announces ENHANCEDSTATUSCODES.
    Smtp,
    /// RFC 2033. Status codes stand in front of the texts, in the log as well.
    Lmtp,
}

/// What the client says about itself.
#[derive(Debug, Default)]
pub struct Hello {
    /// The argument of HELO, EHLO or LHLO.
    pub name: Option<Vec<u8>>,
    /// It was EHLO.
    pub esmtp: bool,
}

/// The protocol's side of one session with one client.
#[derive(Debug)]
pub struct Dialogue {
    /// The connection.
    pub conn: Conn,
    /// The log of this client.
    pub log: Log,
    /// What is counted.
    pub tally: Tally,
    /// What the client says about itself.
    pub hello: Hello,
    /// The command that is being answered, as the log names it.
    pub verb: &'static str,
    /// When the session began.
    pub began: Instant,
    /// How the session ended, once it has; trouble with the connection stays what it was.
    end: Option<End>,
    /// Status codes stand in front of the texts (RFC 2034).
    pub enhanced: bool,
    protocol: Protocol,
}

/// A line that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It may be a command.
    Command,
    /// It cannot be one: the reply.
    Unreadable(&'static str),
    /// There is none: the trouble is noted.
    Nothing,
}

impl Dialogue {
    /// Begins; nothing is said yet.
    pub fn new(conn: Conn, log: Log, protocol: Protocol, limits: Limits) -> Dialogue {
        Dialogue {
            conn,
            log,
            tally: Tally::new(limits),
            hello: Hello::default(),
            verb: OTHER_VERB,
            began: Instant::now(),
            end: None,
            enhanced: protocol == Protocol::Lmtp,
            protocol,
        }
    }

    /// Reads the next line, of at most `limit` bytes without its end.
    pub fn hear(&mut self, line: &mut Vec<u8>, limit: usize) -> Heard {
        let read = self.conn.read_line(line, limit);
        self.verb = OTHER_VERB;
        match read {
            Err(trouble) => {
                self.fail(trouble);
                Heard::Nothing
            }
            Ok(Line::TooLong) => Heard::Unreadable(texts::LINE_TOO_LONG),
            Ok(Line::Whole) if line.contains(&0) => Heard::Unreadable(texts::NUL),
            Ok(Line::Whole) => Heard::Command,
        }
    }

    /// Waits, but not beyond the session's end.
    pub fn pause(&mut self, time: Duration) {
        std::thread::sleep(time.min(self.conn.time_left()));
    }

    /// Writes out what was answered, before something that may take a while; `false` where that fails, and
    /// the trouble is noted.
    pub fn flush(&mut self) -> bool {
        match self.conn.flush() {
            Ok(()) => true,
            Err(trouble) => {
                self.fail(trouble);
                false
            }
        }
    }

    /// Adds one reply line.
    pub fn reply(&mut self, text: &str) {
        self.reply_with(text, None);
    }

    /// Adds one reply line; `status` is subject and detail of a text that has no status code of its own.
    pub fn reply_with(&mut self, text: &str, status: Option<(u16, u16)>) {
        let line = match self.enhanced {
            true => enhance(text, status),
            false => Cow::Borrowed(text),
        };
        self.conn.reply(line.as_bytes());
        self.conn.reply(b"\r\n");
    }

    /// Adds the reply to EHLO or LHLO: this server's name, and what it offers, a line each.
    pub fn reply_capabilities(&mut self, name: &[u8], offered: &[Cow<'_, str>]) {
        let mut line = name;
        for next in offered {
            self.conn.reply(b"250-");
            self.conn.reply(line);
            self.conn.reply(b"\r\n");
            line = next.as_bytes();
        }
        self.conn.reply(b"250 ");
        self.conn.reply(line);
        self.conn.reply(b"\r\n");
    }

    /// Answers a command that is understood and changes nothing.
    pub fn answer(&mut self, text: &str) -> Next {
        self.reply(text);
        Next::Continue
    }

    /// Refuses a command that nobody should send; too many of them end the session.
    pub fn bad(&mut self, text: &'static str) -> Next {
        self.log_refusal(self.verb, None, None, text);
        self.reply(text);
        let over = self.tally.count_bad_command();
        self.end_where(over)
    }

    /// Refuses a sender: MAIL was understood.
    pub fn refuse_sender(&mut self, sender: &[u8], text: &str) -> Next {
        self.log_refusal("MAIL", Some(sender), None, text);
        self.reply(text);
        self.count_deferral()
    }

    /// Refuses a recipient; too many of them end the session.
    pub fn refuse_recipient(&mut self, sender: Option<&[u8]>, to: &[u8], text: &str) -> Next {
        self.log_refusal("RCPT", sender, Some(to), text);
        self.reply(text);
        let over = self.tally.count_refused_recipient(text.starts_with('4'));
        self.end_where(over)
    }

    /// Counts a refusal that an honest client may get many of, and not without end: each has its line in
    /// the log.
    pub fn count_deferral(&mut self) -> Next {
        let over = self.tally.count_deferral();
        self.end_where(over)
    }

    fn end_where(&mut self, over: Option<Over>) -> Next {
        match over {
            None => Next::Continue,
            Some(Over { reply, reason }) => self.close(reply, reason),
        }
    }

    /// Ends the session with this reply; the log gets the reason.
    pub fn close(&mut self, text: &str, reason: &'static str) -> Next {
        self.reply(text);
        self.end_for(End::Closed(reason))
    }

    /// Ends the session for trouble that a step met.
    pub fn fail(&mut self, trouble: Trouble) -> Next {
        self.end_for(End::Trouble(trouble))
    }

    /// Ends the session; what is to be said was said.
    pub fn end_for(&mut self, end: End) -> Next {
        if !matches!(self.end, Some(End::Trouble(_))) {
            self.end = Some(end);
        }
        Next::Close
    }

    /// How the session ended, once it has.
    pub fn ending(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// QUIT: says good-bye with this server's name.
    pub fn quit(&mut self, name: &[u8]) -> Next {
        let name = String::from_utf8_lossy(name);
        self.reply(&format!("221 {name}"));
        self.end_for(End::Quit("quit"))
    }

    /// Says why the session ends, if that is to be said, writes what is left, and logs the end with these
    /// counts; the exit code is 0 after QUIT and 1 otherwise. `timeout` is the reply to a client that was silent for too long.
    pub fn end(&mut self, timeout: &str, counts: &[(&str, u64)]) -> Exit {
        let end = self.end.take().unwrap_or(End::Closed("quit"));
        let last = match &end {
            End::Trouble(Trouble::Timeout) => Some(timeout),
            End::Trouble(Trouble::SessionOver) => Some(texts::SESSION_OVER),
            End::Trouble(Trouble::Flood) => Some(texts::FLOOD),
            End::Trouble(Trouble::Closed | Trouble::Io(_)) | End::Quit(_) | End::Closed(_) => None,
        };
        if let Some(last) = last {
            self.reply(last);
        }
        // The client may be gone; there is nobody else to tell.
        let _ = self.conn.flush();
        let mut entry = self
            .log
            .event("end")
            .field("reason", end.to_string().as_bytes());
        for (key, count) in counts {
            entry = entry.number(key, *count);
        }
        entry = entry.traffic(self.conn.traffic(), self.began);
        let untold = self.tally.refusals.untold();
        if untold > 0 {
            entry = entry.number("unlogged", untold);
        }
        entry.say();
        end.exit()
    }

    /// Logs a refusal, with the addresses as far as they are known; `verb` is the command, or what stands
    /// for one.
    pub fn log_refusal(
        &mut self,
        verb: &'static str,
        sender: Option<&[u8]>,
        recipient: Option<&[u8]>,
        text: &str,
    ) {
        if !self.tally.refusals.may_be_told(verb) {
            return;
        }
        let (key, text) = match self.protocol {
            Protocol::Smtp => ("helo", Cow::Borrowed(text)),
            Protocol::Lmtp => ("lhlo", enhance(text, None)),
        };
        let hello = self.hello.name.as_deref().unwrap_or_default();
        let mut entry = self.log.event("refuse").field("verb", verb.as_bytes());
        for (key, address) in [("from", sender), ("to", recipient)] {
            if let Some(address) = address {
                entry = entry.address(key, address);
            }
        }
        entry
            .field(key, hello)
            .field("reply", text.as_bytes())
            .say();
    }

    /// Logs what of this host is in the way.
    pub fn log_fault(&mut self, reason: &str) {
        let entry = self.log.event("fault");
        entry.field("reason", reason.as_bytes()).say();
    }
}

/// Puts the status code of `text` in front of it, `status` (subject and detail) where it has none of its own;
/// the next question of an exchange, and 354, get none.
pub fn enhance(text: &str, status: Option<(u16, u16)>) -> Cow<'_, str> {
    let digit = text.as_bytes().first();
    let class = u16::from(digit.map_or(0, |digit| digit.wrapping_sub(b'0')));
    if class == 3 {
        return Cow::Borrowed(text);
    }
    let status = status.map(|(subject, detail)| Status {
        class,
        subject,
        detail,
    });
    Cow::Owned(enhanced::enhance(text, status))
}

#[cfg(test)]
#[path = "dialogue_tests.rs"]
mod tests;
