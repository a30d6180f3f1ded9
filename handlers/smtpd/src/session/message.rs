//! The message: DATA and BDAT, from their first byte to the reply after the last.
//!
//! The message goes on its way as it comes, in pieces of a bounded size. As soon as it is known that
//! it will not be taken (too large, going round, a bare LF) it is given up; the client is still read to
//! the true end of its message, so that what follows in the conversation is never taken for part of it,
//! or the other way round.

use std::time::{SystemTime, UNIX_EPOCH};

use accounts::control::digits;
use smtp::incoming::Incoming;
use smtp::received::{self, Received};
use wire::Trouble;
use wire::chunk::Chunks;
use wire::command::Next;
use wire::data::{Step, Unstuff};

use super::Session;
use super::outside::PluginDecision;
use crate::handoff::{Envelope, Failure, Finished, Handoff, hop};
use crate::replies::{self, queue as texts};
use crate::transaction::{AtHop, Id, Mail, Receiving};
use crate::transport::{DESTINATIONS, PerDestination};

/// Recipients that are named in a log line; more are only counted.
const LOGGED_RECIPIENTS: usize = 20;

/// How the text of a message ended.
enum End {
    /// At its end mark.
    Whole,
    /// At a bare LF, in the mode that stops there.
    BareLf,
    /// Nowhere: it was refused and went on for too long.
    Endless,
    /// The conversation broke off.
    Trouble(Trouble),
}

impl Session {
    /// DATA.
    pub(crate) fn data(&mut self, _: &[u8]) -> Next {
        if self.transaction.receiving.is_some() {
            return self.dialogue.bad(replies::CHUNKS_UNDER_WAY);
        }
        if let Err(text) = self.transaction.is_ready() {
            return self.bad_in_turn(text);
        }
        if let PluginDecision::Over(next) = self.asks_for_data() {
            return next;
        }
        let Some(mut receiving) = self.begin() else {
            return Next::Continue;
        };
        self.dialogue.reply(replies::GO_AHEAD);
        match self.read_text(&mut receiving) {
            End::Trouble(trouble) => {
                self.log_message("broken", Some(&receiving.id), &receiving.mail, 0, None);
                self.dialogue.fail(trouble)
            }
            End::BareLf => self.cut_off(&receiving, replies::STRAY_NEWLINE, "bare LF"),
            End::Endless => self.cut_off(&receiving, &receiving.refusal(), "endless message"),
            End::Whole => self.settle(receiving),
        }
    }

    /// BDAT (RFC 3030): a chunk of the message, whose length says where it ends.
    pub(crate) fn bdat(&mut self, argument: &[u8]) -> Next {
        let Some((size, is_last)) = chunk(argument) else {
            // Nobody knows where the next command begins.
            return self.dialogue.close(replies::BAD_CHUNK, "bad BDAT");
        };
        let mut receiving = match self.transaction.receiving.take() {
            Some(receiving) => Some(receiving),
            None => match self.transaction.is_ready() {
                Ok(()) => match self.asks_for_data() {
                    PluginDecision::Over(Next::Close) => return Next::Close,
                    PluginDecision::Over(Next::Continue) => None,
                    PluginDecision::GoOn | PluginDecision::Unchecked => self.begin(),
                },
                Err(text) => return self.skip_chunk(size, text),
            },
        };
        let ends = self.read_chunk(receiving.as_mut(), size);
        let Some(mut receiving) = receiving else {
            // Its refusal has been said.
            return ends.map_or(Next::Close, |()| Next::Continue);
        };
        if ends.is_none() {
            self.log_message("broken", Some(&receiving.id), &receiving.mail, 0, None);
            return Next::Close;
        }
        if is_last {
            let mut stored = Vec::new();
            receiving.chunks.finish(&mut stored);
            let is_spoiled = receiving.chunks.is_spoiled();
            receiving.take(&stored, 0, is_spoiled);
            return self.settle(receiving);
        }
        if receiving.taken.is_err() {
            let reply = receiving.refusal();
            self.log_message(
                "refuse",
                Some(&receiving.id),
                &receiving.mail,
                0,
                Some(&reply),
            );
            self.dialogue.reply(&reply);
            // Chunks that are on their way already follow on this.
            self.transaction.mail_refused = true;
        } else {
            self.transaction.receiving = Some(receiving);
            self.dialogue.reply(&format!("250 ok, {size} octets"));
        }
        Next::Continue
    }

    /// Reads a chunk that nobody wants, and says so.
    fn skip_chunk(&mut self, size: u64, text: &'static str) -> Next {
        if self.read_chunk(None, size).is_none() {
            return Next::Close;
        }
        self.bad_in_turn(text)
    }

    /// Reads `size` bytes of the message; `None` where the conversation ends in them.
    fn read_chunk(&mut self, mut receiving: Option<&mut Receiving>, size: u64) -> Option<()> {
        let mut left = size;
        let mut discarded = 0;
        let mut stored = Vec::new();
        while left > 0 {
            let input = match self.dialogue.conn.data() {
                Ok(input) => input,
                Err(trouble) => {
                    self.dialogue.fail(trouble);
                    return None;
                }
            };
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
            let is_endless = match &mut receiving {
                Some(receiving) => {
                    receiving.chunks.feed(&input[..count], &mut stored);
                    let is_spoiled = receiving.chunks.is_spoiled();
                    receiving.take(&stored, count, is_spoiled);
                    stored.clear();
                    receiving.incoming.is_endless()
                }
                None => {
                    discarded += count as u64;
                    discarded > self.policy.settings.limits.discard
                }
            };
            self.dialogue.conn.consume(count);
            left -= count as u64;
            if is_endless {
                self.dialogue.reply(texts::READ_ERROR);
                self.dialogue.end_for(wire::End::Closed("endless message"));
                return None;
            }
        }
        Some(())
    }

    /// What the plugins say to a message.
    fn asks_for_data(&mut self) -> PluginDecision {
        let decision =
            self.ask_plugins("DATA", &mut Vec::new(), |plugins, env, _| plugins.data(env));
        if matches!(decision, PluginDecision::Over(_)) {
            self.abandon();
            self.transaction.mail_refused = true;
        }
        decision
    }

    /// Begins to take a message; where that cannot be, it is said.
    fn begin(&mut self) -> Option<Receiving> {
        let mut mail = self.transaction.mail.take()?;
        // Also one that nobody can take: it may have started a program, and has its lines in the log.
        self.policy.counts.begun += 1;
        // What was answered before goes out first: who takes the message may take a while. A client that
        // has gone is found out when it is read.
        let _ = self.dialogue.conn.flush();
        let started = self.start_ways(&mut mail);
        let mut handoff = match started {
            Ok(handoff) => handoff,
            Err(failure) => {
                self.dialogue.log_fault(&failure.reason);
                self.log_message("refuse", None, &mail, 0, Some(&failure.reply));
                self.dialogue.reply(&failure.reply);
                self.transaction.mail_refused = true;
                return None;
            }
        };
        let at = SystemTime::now();
        let number = match handoff.pid() {
            Some(pid) => pid.to_string(),
            None => format!("{}.{}", std::process::id(), self.policy.counts.begun),
        };
        let id = Id {
            seconds: at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            number,
        };
        let client = &self.policy.settings.client;
        let is_tls = self.policy.is_tls();
        let word = received::word(
            self.dialogue.hello.esmtp,
            mail.parameters.utf8,
            is_tls,
            self.policy.user.is_some(),
        );
        let version = self.policy.context.env.bytes(chain::tls::PROTOCOL_VARIABLE);
        let received = Received {
            remote_host: &client.host,
            helo: self.dialogue.hello.name.as_deref(),
            remote_info: client.info.as_deref(),
            remote_ip: &client.ip,
            local: &self.policy.settings.local,
            with: &word,
            tls: version.filter(|_| is_tls),
            id: &id.to_string(),
            at,
        };
        handoff.write(&received.lines());
        if let Some(plugins) = &mut self.policy.settings.plugins {
            handoff.write(&plugins.take_headers());
        }
        let limits = &self.policy.settings.limits;
        Some(Receiving {
            mail,
            id,
            taken: Ok(handoff),
            incoming: Incoming::new(limits.databytes, limits.discard),
            chunks: Chunks::new(self.policy.settings.bare_lf),
        })
    }

    /// Begins the ways that the message goes.
    fn start_ways(&self, mail: &mut Mail) -> Result<Handoff, Failure> {
        let mut transports = PerDestination::default();
        for destination in DESTINATIONS {
            let at_hop = std::mem::take(&mut mail.hops[destination]);
            if mail.recipients[destination].is_empty() {
                // It has refused all that it was asked about.
                at_hop.leave();
                continue;
            }
            let client = match at_hop {
                AtHop::Begun(client) => Some(*client),
                AtHop::Nothing => None,
                // It accepted somebody, and was lost or given up since.
                AtHop::Refused(failure) => return Err(failure),
            };
            let transport = self.policy.settings.transports.of(destination);
            transports[destination] = Some((transport.ok_or_else(hop::unreachable)?, client));
        }
        Handoff::start(transports, self.policy.program_context())
    }

    /// Reads the text of DATA to its end and passes it on as long as it may be taken.
    fn read_text(&mut self, receiving: &mut Receiving) -> End {
        let mut machine = Unstuff::new(self.policy.settings.bare_lf);
        let mut stored = Vec::new();
        loop {
            let (used, step) = match self.dialogue.conn.data() {
                Ok(input) => machine.feed(input, &mut stored),
                Err(trouble) => return End::Trouble(trouble),
            };
            self.dialogue.conn.consume(used);
            receiving.take(&stored, used, machine.is_spoiled());
            stored.clear();
            match step {
                Step::End(_) => return End::Whole,
                Step::BareLf => return End::BareLf,
                Step::More if receiving.incoming.is_endless() => return End::Endless,
                Step::More => {}
            }
        }
    }

    /// Commits or refuses a message that has come to its end.
    fn settle(&mut self, receiving: Receiving) -> Next {
        // The answers to what came before, such as to chunks before the last. By TCP they also show a client
        // that is gone: whoever hears no reply sends the message again, and would have it twice.
        if let Err(trouble) = self.dialogue.conn.reach() {
            self.log_message("broken", Some(&receiving.id), &receiving.mail, 0, None);
            return self.dialogue.fail(trouble);
        }
        let Receiving {
            mail,
            id,
            taken,
            incoming,
            ..
        } = receiving;
        let size = incoming.size();
        let committed = match taken {
            Err(reply) => Err(reply),
            Ok(handoff) => {
                let envelope = Envelope {
                    sender: &mail.sender,
                    recipients: &mail.recipients,
                };
                let Finished { done, clients } =
                    handoff.finish(envelope, self.policy.program_context());
                self.transaction.idle.local = clients.local.map(Box::new).or(self
                    .transaction
                    .idle
                    .local
                    .take());
                self.transaction.idle.remote = clients.remote.map(Box::new).or(self
                    .transaction
                    .idle
                    .remote
                    .take());
                done.map_err(|failure| {
                    self.dialogue.log_fault(&failure.reason);
                    failure.reply
                })
            }
        };
        match committed {
            Ok(said) => {
                self.policy.counts.accepted += 1;
                self.log_accepted(&id, &mail, size, &said);
                self.dialogue
                    .reply(&format!("250 ok {} qp {}", id.seconds, id.number));
            }
            Err(reply) => {
                self.log_message("refuse", Some(&id), &mail, size, Some(&reply));
                self.dialogue.reply(&reply);
            }
        }
        // Nothing that comes next holds this back: who does not hear it sends again.
        let _ = self.dialogue.conn.flush();
        Next::Continue
    }

    fn cut_off(&mut self, receiving: &Receiving, reply: &str, why: &'static str) -> Next {
        self.log_message(
            "refuse",
            Some(&receiving.id),
            &receiving.mail,
            0,
            Some(reply),
        );
        self.dialogue.reply(reply);
        self.dialogue.end_for(wire::End::Closed(why));
        Next::Close
    }

    fn log_accepted(&mut self, id: &Id, mail: &Mail, size: u64, said: &[String]) {
        self.log_line("accept", Some(id), mail, size, None, said);
    }

    fn log_message(
        &mut self,
        event: &str,
        id: Option<&Id>,
        mail: &Mail,
        size: u64,
        reply: Option<&str>,
    ) {
        self.log_line(event, id, mail, size, reply, &[]);
    }

    fn log_line(
        &mut self,
        event: &str,
        id: Option<&Id>,
        mail: &Mail,
        size: u64,
        reply: Option<&str>,
        said: &[String],
    ) {
        let hello = self.dialogue.hello.name.as_deref().unwrap_or_default();
        let login = self
            .policy
            .user
            .as_ref()
            .or(self.policy.settings.client.login.as_ref());
        let mut entry = self.dialogue.log.event(event);
        if reply.is_some() {
            entry = entry.field("verb", b"DATA");
        }
        if let Some(id) = id {
            entry = entry.field("message", id.to_string().as_bytes());
        }
        entry = entry.address("from", &mail.sender);
        if size > 0 {
            entry = entry.number("size", size);
        }
        entry = entry
            .number("rcpts", mail.count() as u64)
            .field("helo", hello);
        if let Some(login) = login {
            entry = entry.field("login", login);
        }
        if let Some(reply) = reply {
            entry = entry.field("reply", reply.as_bytes());
        }
        for hop in said {
            entry = entry.field("hop", hop.as_bytes());
        }
        let all = DESTINATIONS
            .iter()
            .flat_map(|&destination| &mail.recipients[destination]);
        for recipient in all.take(LOGGED_RECIPIENTS) {
            entry = entry.address("to", recipient);
        }
        entry.say();
    }
}

/// The argument of BDAT: how many bytes, and whether they are the last.
fn chunk(argument: &[u8]) -> Option<(u64, bool)> {
    let mut words = argument
        .split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty());
    let size = digits(words.next()?)?;
    let is_last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"LAST") => true,
        Some(_) => return None,
    };
    words.next().is_none().then_some((size, is_last))
}

#[cfg(test)]
mod tests {
    use super::chunk;

    #[test]
    fn a_chunk_has_a_length_and_may_be_the_last() {
        assert_eq!(chunk(b"12"), Some((12, false)));
        assert_eq!(chunk(b"0 last"), Some((0, true)));
        for wrong in [
            "",
            "LAST",
            "x",
            "-1",
            "1 2",
            "1 LAST x",
            "99999999999999999999",
        ] {
            assert_eq!(chunk(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
