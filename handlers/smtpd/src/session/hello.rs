//! HELO, EHLO and STARTTLS, and the verbs that change nothing.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use chain::tls::Started;
use smtp::dialogue::Hello;
use wire::End;
use wire::command::Next;

use super::Session;
use super::outside::PluginDecision;
use crate::replies;
use crate::xclient;

/// How long the handshake of TLS may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(60);

impl Session {
    pub(super) fn helo(&mut self, argument: &[u8]) -> Next {
        if let Some(next) = self.meet(argument, false) {
            return next;
        }
        let reply = [b"250 ", self.policy.settings.greeting.as_slice(), b"\r\n"].concat();
        self.dialogue.conn.reply(&reply);
        Next::Continue
    }

    pub(super) fn ehlo(&mut self, argument: &[u8]) -> Next {
        if let Some(next) = self.meet(argument, true) {
            return next;
        }
        let mut offered: Vec<Cow<'_, str>> = ["PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING"]
            .map(Cow::from)
            .to_vec();
        if self.policy.settings.terms.enhanced {
            offered.push("ENHANCEDSTATUSCODES".into());
        }
        if self.policy.context.door.is_some() {
            offered.push("STARTTLS".into());
        }
        let mechanisms = self.policy.mechanisms();
        if !mechanisms.is_empty() {
            offered.push(format!("AUTH {}", mechanisms.join(" ")).into());
        }
        if self.policy.introduction.is_awaited() {
            offered.push(xclient::ANNOUNCED.into());
        }
        let databytes = self.policy.settings.limits.databytes;
        offered.push(format!("SIZE {databytes}").into());
        let name = &self.policy.settings.greeting;
        self.dialogue.reply_capabilities(name, &offered);
        Next::Continue
    }

    /// Begins anew with a client of that name; where the plugins want none, it is answered.
    fn meet(&mut self, name: &[u8], esmtp: bool) -> Option<Next> {
        self.abandon();
        if let Some(plugins) = &mut self.policy.settings.plugins {
            plugins.abandon();
        }
        self.transaction.mail_refused = false;
        let decision = self.ask_plugins("HELO", &mut Vec::new(), |plugins, env, _| {
            plugins.helo(env, name)
        });
        if let PluginDecision::Over(next) = decision {
            return Some(next);
        }
        self.dialogue.hello = Hello {
            name: Some(name.to_vec()),
            esmtp,
        };
        None
    }

    /// STARTTLS (RFC 3207), by the program that stands beside this one. Nothing that was said before
    /// counts afterwards, and nothing that was sent ahead is read.
    pub(super) fn starttls(&mut self, argument: &[u8]) -> Next {
        if self.policy.context.door.is_none() {
            return self.dialogue.bad(replies::UNIMPLEMENTED);
        }
        if !argument.is_empty() {
            return self.dialogue.bad(replies::BAD_TLS);
        }
        if self.transaction.has_begun() {
            return self.dialogue.bad(replies::IN_TRANSACTION);
        }
        self.dialogue.reply_with(replies::READY_FOR_TLS, None);
        if !self.dialogue.flush() {
            return Next::Close;
        }
        let Some(door) = self.policy.context.door.take() else {
            return Next::Close;
        };
        match door.start(Instant::now() + HANDSHAKE_TIME) {
            Ok(started) => {
                self.encrypted(started);
                Next::Continue
            }
            Err(reason) => {
                self.dialogue.log_fault(&reason);
                self.dialogue.end_for(End::Closed("TLS failed"))
            }
        }
    }

    /// Goes on over the encrypted link.
    pub(super) fn encrypted(&mut self, link: Started) {
        self.dialogue.conn.replace(link.input, link.output);
        self.start_again(&link.variables);
    }
}
