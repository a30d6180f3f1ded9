//! DATA: the message from 354 to the replies after its end, one for each recipient.
//!
//! The message waits in a spool until its end is known: in memory while it is small, in a file without a
//! name otherwise. As soon as it is known that it will not be taken (too large, going round, a bare
//! LF, no room) it is given up; the client is still read to the true end of its message.

use std::time::{SystemTime, UNIX_EPOCH};

use delivery::spool::{self, Spool};
use smtp::dialogue::enhance;
use smtp::incoming::{Flaw, Incoming};
use smtp::received::Received;
use wire::Trouble;
use wire::command::Next;
use wire::data::{Step, Unstuff};

use crate::local_delivery::Delivery;
use crate::record::RecipientStatus;
use crate::replies;
use crate::session::{Mail, Session};

/// How the text of a message ended.
enum End {
    /// At its end mark, after so many stored bytes (without our own header).
    Whole(Taken, u64),
    /// Nowhere: it was refused and went on for too long.
    Endless(&'static str),
    /// The conversation broke off.
    Trouble(Trouble),
}

/// The message, or the reply that refuses it.
type Taken = Result<Spool, &'static str>;

impl<D: Delivery> Session<D> {
    /// Takes the message of a transaction that is ready for it.
    pub(crate) fn receive(&mut self, mail: &Mail) -> Next {
        self.counts.messages += 1;
        let at = SystemTime::now();
        let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let id = format!("{seconds}.{}.{}", std::process::id(), self.counts.messages);
        let received = Received {
            remote_host: &self.settings.remote_host,
            helo: self.dialogue.hello.name.as_deref(),
            remote_info: None,
            remote_ip: self.settings.remote_ip.as_deref().unwrap_or(b"unix"),
            local: &self.settings.me,
            with: "LMTP",
            tls: None,
            id: &id,
            at,
        };
        let header = received.lines();
        self.dialogue.reply(replies::GO_AHEAD);
        match self.read_text(&header) {
            End::Trouble(trouble) => {
                self.log_refusal("broken", &id, mail, 0, None);
                self.dialogue.fail(trouble)
            }
            End::Endless(reply) => {
                self.log_refusal("refuse", &id, mail, 0, Some(reply));
                self.dialogue.close(replies::NO_SERVICE, "endless message")
            }
            End::Whole(Err(reply), size) => {
                self.log_refusal("refuse", &id, mail, size, Some(reply));
                (0..mail.recipients).for_each(|_| self.dialogue.reply(reply));
                Next::Continue
            }
            End::Whole(Ok(text), _) => {
                // By TCP the answers to the message before show a client that is gone: whoever hears no reply
                // sends the message again, and everybody would have it twice.
                if let Err(trouble) = self.dialogue.conn.reach() {
                    self.log_refusal("broken", &id, mail, 0, None);
                    return self.dialogue.fail(trouble);
                }
                self.deliver(&id, mail, text)
            }
        }
    }

    /// Reads the text to its end, and keeps it as long as it may be taken.
    fn read_text(&mut self, header: &[u8]) -> End {
        let mut machine = Unstuff::new(self.settings.bare_lf);
        let limits = self.settings.limits;
        let mut incoming = Incoming::new(limits.databytes, limits.discard);
        let mut taken: Taken = Ok(Spool::new(spool::folders()));
        self.keep(&mut taken, header);
        let mut stored = Vec::new();
        loop {
            let (used, step) = match self.dialogue.conn.data() {
                Ok(input) => machine.feed(input, &mut stored),
                Err(trouble) => return End::Trouble(trouble),
            };
            self.dialogue.conn.consume(used);
            // Each flaw stays once it is there, so the last answer is the one that counts.
            let refusal = incoming
                .feed(&stored, machine.is_spoiled())
                .map(|flaw| match flaw {
                    Flaw::BareLf => replies::BARE_LF,
                    Flaw::Looping => replies::LOOPING,
                    Flaw::TooBig => replies::TOO_BIG,
                });
            match refusal {
                None => self.keep(&mut taken, &stored),
                Some(reply) => taken = Err(reply),
            }
            if taken.is_err() {
                incoming.discard(used);
            }
            stored.clear();
            match (step, &taken) {
                (Step::End(_) | Step::BareLf, _) => return End::Whole(taken, incoming.size()),
                (Step::More, Err(reply)) if incoming.is_endless() => {
                    return End::Endless(reply);
                }
                (Step::More, _) => {}
            }
        }
    }

    /// Adds to the message if it is still to be taken.
    fn keep(&mut self, taken: &mut Taken, bytes: &[u8]) {
        if let Ok(spool) = taken
            && let Err(failure) = spool.push(bytes)
        {
            self.dialogue.log_fault(&failure.reason);
            *taken = Err(replies::NO_ROOM);
        }
    }

    /// Hands the message over, and says what became of it to each recipient.
    fn deliver(&mut self, id: &str, mail: &Mail, text: Spool) -> Next {
        let (statuses, lost) = match self.delivery.deliver(id, text) {
            Ok(statuses) if statuses.len() == mail.recipients => (statuses, None),
            Ok(_) => (Vec::new(), Some("verdicts are missing".to_owned())),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        for number in 0..mail.recipients {
            match statuses.get(number) {
                Some(RecipientStatus::Delivered) => {
                    self.counts.delivered += 1;
                    self.dialogue
                        .reply_with(&format!("{} {id}", replies::OK), Some((1, 5)));
                }
                Some(RecipientStatus::Refused(reply)) => self.dialogue.reply(reply),
                None => self.dialogue.reply(replies::NO_ANSWER),
            }
        }
        // Nothing that comes next holds these back.
        let _ = self.dialogue.conn.flush();
        match lost {
            None => Next::Continue,
            Some(reason) => self.lost(&reason),
        }
    }

    fn log_refusal(&mut self, event: &str, id: &str, mail: &Mail, size: u64, reply: Option<&str>) {
        let mut entry = self.dialogue.log.event(event);
        if reply.is_some() {
            entry = entry.field("verb", b"DATA");
        }
        entry = entry
            .field("qp", id.as_bytes())
            .address("from", &mail.sender);
        if size > 0 {
            entry = entry.number("size", size);
        }
        entry = entry.number("rcpts", mail.recipients as u64);
        if let Some(reply) = reply {
            entry = entry.field("reply", enhance(reply, None).as_bytes());
        }
        entry.say();
    }
}
