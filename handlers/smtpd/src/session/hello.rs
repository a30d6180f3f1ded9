//! HELO, EHLO and STARTTLS, and the verbs that change nothing.

use std::time::{Duration, Instant};

use chain::tls::Started;
use wire::command::Next;

use super::outside::PluginDecision;
use super::{Hello, Session};
use crate::replies;
use crate::xclient;

/// How long the handshake of TLS may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(60);

impl Session {
    pub(super) fn helo(&mut self, argument: &[u8]) -> Next {
        if let Some(next) = self.meet(argument, false) {
            return next;
        }
        let reply = [b"250 ", self.settings.greeting.as_slice(), b"\r\n"].concat();
        self.conn.reply(&reply);
        Next::Continue
    }

    pub(super) fn ehlo(&mut self, argument: &[u8]) -> Next {
        if let Some(next) = self.meet(argument, true) {
            return next;
        }
        let mut lines = vec![self.settings.greeting.clone()];
        let mut offer = |line: String| lines.push(line.into_bytes());
        offer("PIPELINING".to_owned());
        offer("8BITMIME".to_owned());
        offer("SMTPUTF8".to_owned());
        offer("CHUNKING".to_owned());
        if self.settings.terms.enhanced {
            offer("ENHANCEDSTATUSCODES".to_owned());
        }
        if self.context.door.is_some() {
            offer("STARTTLS".to_owned());
        }
        let mechanisms = self.mechanisms();
        if !mechanisms.is_empty() {
            offer(format!("AUTH {}", mechanisms.join(" ")));
        }
        if self.introduction.is_awaited() {
            offer(xclient::ANNOUNCED.to_owned());
        }
        offer(format!("SIZE {}", self.settings.limits.databytes));
        let mut reply = Vec::new();
        let last = lines.len() - 1;
        for (at, line) in lines.iter().enumerate() {
            reply.extend_from_slice(if at == last { b"250 " } else { b"250-" });
            reply.extend_from_slice(line);
            reply.extend_from_slice(b"\r\n");
        }
        self.conn.reply(&reply);
        Next::Continue
    }

    /// Begins anew with a client of that name; where the plugins want none, it is answered.
    fn meet(&mut self, name: &[u8], esmtp: bool) -> Option<Next> {
        self.abandon();
        if let Some(plugins) = &mut self.settings.plugins {
            plugins.abandon();
        }
        self.mail_refused = false;
        let decision = self.ask_plugins("HELO", &mut Vec::new(), |plugins, env, _| {
            plugins.helo(env, name)
        });
        if let PluginDecision::Over(next) = decision {
            return Some(next);
        }
        self.hello = Hello {
            name: Some(name.to_vec()),
            esmtp,
        };
        None
    }

    /// STARTTLS (RFC 3207), by the program that stands beside this one. Nothing that was said before
    /// counts afterwards, and nothing that was sent ahead is read.
    pub(super) fn starttls(&mut self, argument: &[u8]) -> Next {
        if self.context.door.is_none() {
            return self.bad(replies::UNIMPLEMENTED);
        }
        if !argument.is_empty() {
            return self.bad(replies::BAD_TLS);
        }
        if self.is_in_transaction() {
            return self.bad(replies::IN_TRANSACTION);
        }
        self.reply_with(replies::READY_FOR_TLS, None);
        if let Err(trouble) = self.conn.flush() {
            self.trouble = Some(trouble);
            return Next::Close;
        }
        let Some(door) = self.context.door.take() else {
            return Next::Close;
        };
        match door.start(Instant::now() + HANDSHAKE_TIME) {
            Ok(started) => {
                self.encrypted(started);
                Next::Continue
            }
            Err(reason) => {
                self.log_fault(&reason);
                self.ended = Some("TLS failed");
                Next::Close
            }
        }
    }

    /// Goes on over the encrypted link.
    pub(super) fn encrypted(&mut self, link: Started) {
        self.conn.replace(link.input, link.output);
        self.start_again(&link.variables);
    }

    pub(super) fn help(&mut self, _: &[u8]) -> Next {
        self.reply(replies::HELP);
        Next::Continue
    }

    pub(super) fn noop(&mut self, _: &[u8]) -> Next {
        self.reply(replies::OK);
        Next::Continue
    }

    pub(super) fn vrfy(&mut self, _: &[u8]) -> Next {
        self.reply(replies::VRFY);
        Next::Continue
    }

    pub(super) fn quit(&mut self, _: &[u8]) -> Next {
        let greeting = String::from_utf8_lossy(&self.settings.greeting).into_owned();
        self.reply(&format!("221 {greeting}"));
        self.exit = os::Exit::OK;
        Next::Close
    }
}
