//! What a client hears that is not served.
//!
//! Greetings and senders are accepted and everything else is refused, the first recipient above all:
//! so the sender's log says whose mail did not go where, and clients that know only of refused
//! recipients end in good order.

use std::io;
use std::time::{Duration, Instant};

use wire::command::{Next, Verb, find, split};
use wire::{Conn, Limits, Line, Trouble};

use crate::verdict::Refusal;

/// The longest line that is taken for a command; a longer one is refused as what is no command.
pub const LINE_LIMIT: usize = 1_024;

const GREETING: &[u8] = b"220 rblsmtpd.local\r\n";
const ACCEPTED: &[u8] = b"250 rblsmtpd.local\r\n";
const FAREWELL: &[u8] = b"221 rblsmtpd.local\r\n";

const VERBS: &[Verb<Session>] = &[
    verb("QUIT", Session::quit),
    verb("HELO", Session::accept),
    verb("EHLO", Session::accept),
    verb("MAIL", Session::accept),
    verb("RSET", Session::accept),
    verb("NOOP", Session::accept),
];

const fn verb(word: &'static str, run: fn(&mut Session, &[u8]) -> Next) -> Verb<Session> {
    Verb { word, run }
}

#[derive(Debug)]
struct Session {
    conn: Conn,
    refused: Vec<u8>,
}

/// Refuses whatever the client at descriptors 0 and 1 wants, for `time` at most; zero is to tell it
/// and not to listen. `ahead` was read from it already. However it ends, nothing is lost by it; an
/// error is that there are no such descriptors.
pub fn refuse(refusal: &Refusal, time: Duration, ahead: &[u8]) -> io::Result<()> {
    let refused = [refusal.line(), b"\r\n"].concat();
    if time.is_zero() {
        wire::session::last_words(&refused);
        return Ok(());
    }
    let mut conn = Conn::standard(Limits::lasting(Instant::now(), time, time))?;
    conn.resume(ahead);
    let mut session = Session { conn, refused };
    let _ = session.run();
    Ok(())
}

impl Session {
    fn run(&mut self) -> Result<(), Trouble> {
        self.conn.reply(GREETING);
        let mut line = Vec::new();
        loop {
            let read = self.conn.read_line(&mut line, LINE_LIMIT)?;
            let (word, argument) = split(&line);
            let next = match find(VERBS, word) {
                Some(verb) if read == Line::Whole => (verb.run)(self, argument),
                _ => self.refuse(),
            };
            if next == Next::Close {
                return self.conn.flush();
            }
        }
    }

    fn refuse(&mut self) -> Next {
        self.conn.reply(&self.refused);
        Next::Continue
    }

    fn accept(&mut self, _: &[u8]) -> Next {
        self.conn.reply(ACCEPTED);
        Next::Continue
    }

    fn quit(&mut self, _: &[u8]) -> Next {
        self.conn.reply(FAREWELL);
        Next::Close
    }
}
