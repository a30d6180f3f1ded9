//! The dialogue of the TRANSACTION state (RFC 1939 section 5): commands in, replies out.
//!
//! Nothing is removed and nothing moved before QUIT, and nothing is removed where the client is found to
//! be gone then; a session that ends in any other way has
//! changed nothing but which messages this client has seen.

use std::io::{self, ErrorKind};
use std::time::Instant;

use wire::command::{self, Next, Verb};
use wire::{BadCommands, Conn, End, Line, Log, Trouble};

use crate::number::{self, Decimal};
use crate::output::{Output, PIECE_BYTES};
use crate::replies;
use crate::retrieve::{self, Failed, Wanted};
use crate::settings::Settings;
use crate::store::Store;
use crate::uidl::Ids;

/// The most bytes of a command line, without its end. (RFC 2449 section 4 allows 255 with it.)
pub const LINE_LIMIT: usize = 512;

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages sent by RETR.
    pub retr: u64,
    /// Messages sent by TOP.
    pub top: u64,
    /// Messages removed.
    pub dele: u64,
    /// Octets of messages sent.
    pub bytes: u64,
    bad: BadCommands,
}

/// The end of a session in one word, as the log has it here.
fn word(end: &End) -> &'static str {
    match end {
        End::Quit(word) | End::Closed(word) => word,
        End::Trouble(Trouble::Timeout) => "timeout",
        End::Trouble(Trouble::SessionOver) => "session-timeout",
        End::Trouble(Trouble::Closed) => "closed",
        End::Trouble(Trouble::Flood) => "flood",
        End::Trouble(Trouble::Io(_)) => "failed",
    }
}

/// One session over the mailbox `S`, answering to `O`.
#[derive(Debug)]
pub struct Session<S, O> {
    store: S,
    out: O,
    log: Log,
    settings: Settings,
    start: Instant,
    deleted: Vec<bool>,
    /// The highest number that was retrieved or deleted; 0 for none.
    last: usize,
    /// Made at the first UIDL.
    ids: Option<Ids>,
    /// Allocated at the first RETR.
    buffer: Vec<u8>,
    counts: Counts,
    end: Option<End>,
    told_of_size: bool,
}

impl<S: Store + 'static> Session<S, Conn> {
    /// Speaks to the end; `+OK `, the answer to the login, comes first.
    pub fn run(mut self) {
        self.reply(replies::OK);
        let mut line = Vec::new();
        loop {
            let read = self.out.read_line(&mut line, LINE_LIMIT);
            let next = match read {
                Ok(Line::Whole) => self.answer(&line),
                Ok(Line::TooLong) => self.bad(replies::LINE_TOO_LONG),
                // RFC 1939 section 3: nothing is said to a client that was silent for too long.
                Err(trouble) => self.close(End::Trouble(trouble)),
            };
            if next == Next::Close {
                break;
            }
        }
        // The client may be gone; there is nobody else to tell.
        let _ = self.out.flush();
        self.log_end();
    }
}

impl<S: Store + 'static, O: Output + 'static> Session<S, O> {
    const VERBS: &'static [Verb<Self>] = &[
        Verb {
            word: "RETR",
            run: Self::retr,
        },
        Verb {
            word: "DELE",
            run: Self::dele,
        },
        Verb {
            word: "TOP",
            run: Self::top,
        },
        Verb {
            word: "STAT",
            run: Self::stat,
        },
        Verb {
            word: "LIST",
            run: Self::list,
        },
        Verb {
            word: "UIDL",
            run: Self::uidl,
        },
        Verb {
            word: "QUIT",
            run: Self::quit,
        },
        Verb {
            word: "NOOP",
            run: Self::noop,
        },
        Verb {
            word: "RSET",
            run: Self::rset,
        },
        Verb {
            word: "LAST",
            run: Self::last,
        },
        Verb {
            word: "CAPA",
            run: Self::capa,
        },
        Verb {
            word: "USER",
            run: Self::logged_in,
        },
        Verb {
            word: "PASS",
            run: Self::logged_in,
        },
        Verb {
            word: "APOP",
            run: Self::logged_in,
        },
        Verb {
            word: "AUTH",
            run: Self::logged_in,
        },
        Verb {
            word: "STLS",
            run: Self::logged_in,
        },
        Verb {
            word: "UTF8",
            run: Self::logged_in,
        },
    ];

    /// Nothing is said yet.
    pub fn new(store: S, out: O, log: Log, settings: Settings) -> Session<S, O> {
        Session {
            deleted: vec![false; store.len()],
            store,
            out,
            log,
            settings,
            start: Instant::now(),
            last: 0,
            ids: None,
            buffer: Vec::new(),
            counts: Counts::default(),
            end: None,
            told_of_size: false,
        }
    }

    /// Answers one command.
    pub fn answer(&mut self, line: &[u8]) -> Next {
        if line.contains(&0) {
            return self.bad(replies::NUL);
        }
        let (verb, argument) = command::split(line);
        match command::find(Self::VERBS, verb) {
            Some(verb) => (verb.run)(self, argument),
            None => self.bad(replies::UNIMPLEMENTED),
        }
    }

    fn reply(&mut self, text: &str) {
        self.out.add(text.as_bytes());
        self.out.add(b"\r\n");
    }

    fn say(&mut self, text: &str) -> Next {
        self.reply(text);
        Next::Continue
    }

    /// Refuses a command that nobody should send; too many of them end the session.
    fn bad(&mut self, text: &str) -> Next {
        self.reply(text);
        if !self.counts.bad.count() {
            return Next::Continue;
        }
        self.reply(replies::TOO_MANY_BAD);
        self.close(End::Closed("bad-commands"))
    }

    fn close(&mut self, end: End) -> Next {
        self.end = Some(end);
        Next::Close
    }

    /// The message that a client means by `number`.
    fn message(&self, number: u64) -> Result<usize, &'static str> {
        let before = number.checked_sub(1).ok_or(replies::FROM_ONE)?;
        let n = usize::try_from(before).map_err(|_| replies::NOT_THAT_MANY)?;
        match self.deleted.get(n) {
            None => Err(replies::NOT_THAT_MANY),
            Some(true) => Err(replies::DELETED),
            Some(false) => Ok(n),
        }
    }

    /// The octets of a message as RETR sends it.
    fn size(&self, n: usize) -> u64 {
        let more = if self.settings.blank_line { 2 } else { 0 };
        self.store.size(n).saturating_add(more)
    }

    fn noop(&mut self, argument: &[u8]) -> Next {
        match number::numbers(argument) {
            Some([]) => self.say(replies::OK),
            None => self.bad(replies::SYNTAX),
        }
    }

    fn logged_in(&mut self, _: &[u8]) -> Next {
        self.bad(replies::LOGGED_IN)
    }

    fn capa(&mut self, argument: &[u8]) -> Next {
        let Some([]) = number::numbers(argument) else {
            return self.bad(replies::SYNTAX);
        };
        self.out.add(replies::CAPABILITIES.as_bytes());
        Next::Continue
    }

    fn stat(&mut self, argument: &[u8]) -> Next {
        let Some([]) = number::numbers(argument) else {
            return self.bad(replies::SYNTAX);
        };
        let (mut count, mut octets) = (0, 0_u64);
        for n in (0..self.store.len()).filter(|&n| !self.deleted[n]) {
            count += 1;
            octets = octets.saturating_add(self.size(n));
        }
        self.say(&format!("{}{count} {octets}", replies::OK))
    }

    fn last(&mut self, argument: &[u8]) -> Next {
        let Some([]) = number::numbers(argument) else {
            return self.bad(replies::SYNTAX);
        };
        self.say(&format!("{}{}", replies::OK, self.last))
    }

    fn rset(&mut self, argument: &[u8]) -> Next {
        let Some([]) = number::numbers(argument) else {
            return self.bad(replies::SYNTAX);
        };
        self.deleted.fill(false);
        self.last = 0;
        self.say(replies::OK)
    }

    fn dele(&mut self, argument: &[u8]) -> Next {
        let Some([number]) = number::numbers(argument) else {
            return self.bad(replies::SYNTAX);
        };
        match self.message(number) {
            Err(text) => self.say(text),
            Ok(n) => {
                self.deleted[n] = true;
                self.last = self.last.max(n + 1);
                self.say(replies::OK)
            }
        }
    }

    fn list(&mut self, argument: &[u8]) -> Next {
        self.tell(argument, |session, n, line| {
            line.extend_from_slice(Decimal::of(session.size(n)).as_bytes());
        })
    }

    fn uidl(&mut self, argument: &[u8]) -> Next {
        if self.ids.is_none() {
            match self.store.list(self.settings.style) {
                Ok(list) => {
                    self.ids = Some(Ids::new(self.settings.style, list, &mut self.store));
                }
                Err(error) => {
                    self.fault(&error.to_string());
                    return self.say(replies::NO_IDS);
                }
            }
        }
        self.tell(argument, |session, n, line| {
            if let Some(ids) = &session.ids {
                ids.write(n, &session.store, line);
            }
        })
    }

    /// LIST and UIDL: `what` of one message, or of all that are not deleted.
    fn tell(&mut self, argument: &[u8], what: fn(&Self, usize, &mut Vec<u8>)) -> Next {
        let mut piece = replies::OK.as_bytes().to_vec();
        if number::words(argument).next().is_some() {
            let Some([number]) = number::numbers(argument) else {
                return self.bad(replies::SYNTAX);
            };
            return match self.message(number) {
                Err(text) => self.say(text),
                Ok(n) => {
                    self.add_line(n, what, &mut piece);
                    self.out.add(&piece);
                    Next::Continue
                }
            };
        }
        piece.extend_from_slice(b"\r\n");
        for n in 0..self.store.len() {
            if !self.deleted[n] {
                self.add_line(n, what, &mut piece);
            }
            if piece.len() >= PIECE_BYTES {
                self.out.add(&piece);
                piece.clear();
                if let Err(trouble) = self.out.send() {
                    return self.close(End::Trouble(trouble));
                }
            }
        }
        piece.extend_from_slice(b".\r\n");
        self.out.add(&piece);
        Next::Continue
    }

    fn add_line(&self, n: usize, what: fn(&Self, usize, &mut Vec<u8>), piece: &mut Vec<u8>) {
        piece.extend_from_slice(Decimal::of(n as u64 + 1).as_bytes());
        piece.push(b' ');
        what(self, n, piece);
        piece.extend_from_slice(b"\r\n");
    }

    fn retr(&mut self, argument: &[u8]) -> Next {
        match number::numbers(argument) {
            Some([number]) => self.send(number, None),
            None => self.bad(replies::SYNTAX),
        }
    }

    fn top(&mut self, argument: &[u8]) -> Next {
        match number::numbers(argument) {
            Some([number, lines]) => self.send(number, Some(lines)),
            None => self.bad(replies::SYNTAX),
        }
    }

    /// Sends a message, or its header and so many `lines`.
    fn send(&mut self, number: u64, lines: Option<u64>) -> Next {
        let n = match self.message(number) {
            Ok(n) => n,
            Err(text) => return self.say(text),
        };
        let expected = self.store.size(n);
        let wanted = Wanted {
            lines,
            expected,
            blank_line: self.settings.blank_line,
        };
        let sent = match self.store.open(n) {
            Ok(message) => retrieve::send(message, wanted, &mut self.buffer, &mut self.out),
            Err(error) => Err(Failed::Unreadable(error)),
        };
        match sent {
            Ok(sent) => {
                self.counts.bytes = self.counts.bytes.saturating_add(sent.octets);
                match lines {
                    None => {
                        self.counts.retr += 1;
                        self.last = self.last.max(n + 1);
                    }
                    Some(_) => self.counts.top += 1,
                }
                if sent.whole && sent.octets != expected {
                    self.correct_size(n, expected, sent.octets);
                }
                Next::Continue
            }
            Err(Failed::Unreadable(error)) => {
                // That it is gone is another session's doing, and no fault.
                if error.kind() != ErrorKind::NotFound {
                    self.read_fault(n, &error);
                }
                self.say(replies::UNREADABLE)
            }
            Err(Failed::Broken(error)) => {
                self.read_fault(n, &error);
                self.close(End::Closed("read-error"))
            }
            Err(Failed::Client(trouble)) => self.close(End::Trouble(trouble)),
        }
    }

    fn correct_size(&mut self, n: usize, expected: u64, octets: u64) {
        self.store.correct_size(n, octets);
        // One line a session: all sizes of a mailbox may be wrong for one reason.
        if !self.told_of_size {
            self.told_of_size = true;
            let name = self.store.unique(n).escape_ascii();
            self.fault(&format!(
                "the size of message {name} was thought to be {expected} and is {octets}"
            ));
        }
    }

    fn read_fault(&mut self, n: usize, error: &io::Error) {
        let name = self.store.unique(n).escape_ascii();
        self.fault(&format!(
            "unable to read message {name}: {}",
            os::reason(error)
        ));
    }

    /// Where messages are to be removed: sends what is not sent yet, some of them perhaps. An error says
    /// that the client does not get it and nothing may be removed.
    fn is_received(&mut self) -> Result<(), Trouble> {
        if !self.deleted.contains(&true) {
            return Ok(());
        }
        self.out.send()?;
        // What was written to a client that is gone is taken by the system all the same.
        match self.out.is_broken() {
            true => Err(Trouble::Closed),
            false => Ok(()),
        }
    }

    fn quit(&mut self, argument: &[u8]) -> Next {
        let Some([]) = number::numbers(argument) else {
            return self.bad(replies::SYNTAX);
        };
        if let Err(trouble) = self.is_received() {
            return self.close(End::Trouble(trouble));
        }
        let deleted = std::mem::take(&mut self.deleted);
        let committed = self.store.commit(&|n| deleted[n]);
        self.counts.dele = committed.removed as u64;
        if committed.failed == 0 {
            self.reply(match committed.is_unsynced {
                false => replies::OK,
                true => replies::UNSYNCED,
            });
        } else {
            let asked = deleted.iter().filter(|&&deleted| deleted).count();
            let failed = committed.failed;
            self.reply(&format!(
                "-ERR [SYS/TEMP] {failed} of {asked} messages not removed"
            ));
        }
        for fault in committed.faults {
            self.fault(&fault);
        }
        self.close(End::Quit("quit"))
    }

    fn fault(&mut self, reason: &str) {
        self.log
            .event("fault")
            .field("user", &self.settings.user)
            .field("reason", reason.as_bytes())
            .say();
    }

    fn log_end(&mut self) {
        let end = self.end.as_ref().map_or("", word);
        self.log
            .event("session")
            .field("user", &self.settings.user)
            .number("retr", self.counts.retr)
            .number("top", self.counts.top)
            .number("dele", self.counts.dele)
            .number("bytes", self.counts.bytes)
            .number("messages", self.store.len() as u64)
            .number("seconds", self.start.elapsed().as_secs())
            .field("end", end.as_bytes())
            .say();
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
