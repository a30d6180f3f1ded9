//! What others are asked about a client and its commands: the plugins, RCPTCHECK, the block lists.

use wire::command::Next;

use super::Session;
use crate::rcptcheck::{Question, RcptVerdict};
use crate::spp::{Outcome, Plugins, Turn};

/// What the plugins have made of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PluginDecision {
    /// It goes on.
    GoOn,
    /// It goes on without our own checks of the address.
    Unchecked,
    /// It has been answered.
    Over(Next),
}

impl Session {
    /// Asks the plugins by `ask`, where there are any, and does what they say about `verb`.
    pub(crate) fn ask_plugins(
        &mut self,
        verb: &'static str,
        address: &mut Vec<u8>,
        ask: impl FnOnce(&mut Plugins, &mut chain::Env, &mut Vec<u8>) -> Outcome,
    ) -> PluginDecision {
        if self.settings.plugins.is_some()
            && matches!(verb, "HELO" | "MAIL")
            && let Some(next) = self.count_beginning()
        {
            return PluginDecision::Over(next);
        }
        let Some(plugins) = &mut self.settings.plugins else {
            return PluginDecision::GoOn;
        };
        // What was answered before goes out first: a plugin may take a while.
        if let Err(trouble) = self.conn.flush() {
            self.trouble = Some(trouble);
            return PluginDecision::Over(Next::Close);
        }
        let outcome = ask(plugins, &mut self.context.env, address);
        // One of them may have let the client relay, or not.
        let relay = self.context.env.bytes("RELAYCLIENT");
        let is_sound = |value: &&[u8]| !value.iter().any(|&byte| byte < b' ' || byte == 0x7f);
        self.settings.client.relay = relay.filter(is_sound).map(<[u8]>::to_vec);
        for fault in &outcome.faults {
            self.log_fault(fault);
        }
        for line in &outcome.before {
            self.conn.reply(line.as_bytes());
            self.conn.reply(b"\r\n");
        }
        match outcome.turn {
            Turn::GoOn => PluginDecision::GoOn,
            Turn::Unchecked => PluginDecision::Unchecked,
            Turn::Refuse(reply) => {
                self.mail_refused |= verb == "MAIL";
                PluginDecision::Over(match verb {
                    "RCPT" => self.refuse(address, &reply),
                    _ => {
                        let from = self.mail.as_ref().map(|mail| mail.sender.clone());
                        let from = if verb == "MAIL" {
                            Some(address.clone())
                        } else {
                            from
                        };
                        self.log_refusal(verb, from.as_deref(), None, &reply);
                        self.reply(&reply);
                        self.count_deferral()
                    }
                })
            }
            Turn::Close(reply) => {
                let said = reply.unwrap_or_default();
                self.log_refusal(verb, None, None, &said);
                if !said.is_empty() {
                    self.reply(&said);
                }
                self.ended = Some("a plugin has ended it");
                PluginDecision::Over(Next::Close)
            }
        }
    }

    /// Whether the plugins let the client begin.
    pub(super) fn is_welcome(&mut self) -> bool {
        let decision = self.ask_plugins("connection", &mut Vec::new(), |plugins, env, _| {
            plugins.connection(env)
        });
        if matches!(decision, PluginDecision::Over(_))
            && self.ended.is_none()
            && self.trouble.is_none()
        {
            self.ended = Some("a plugin has refused it");
        }
        !matches!(decision, PluginDecision::Over(_))
    }

    /// Refuses a recipient of a client whose address is on a list; a client that may relay is not looked
    /// up.
    pub(super) fn checks_address(&mut self, recipient: &[u8]) -> Option<Next> {
        if self.settings.client.relay.is_some() || self.settings.dnsbl.is_idle() {
            return None;
        }
        if self.listed.is_none() {
            if let Err(trouble) = self.conn.flush() {
                self.trouble = Some(trouble);
                return Some(Next::Close);
            }
            let found = self
                .settings
                .dnsbl
                .look_up(&self.settings.client.ip, &mut self.log);
            let reply = |refusal: crate::dnsbl::Refusal| {
                String::from_utf8_lossy(refusal.line()).into_owned()
            };
            self.listed = Some(found.map(reply));
        }
        let reply = self.listed.clone().flatten()?;
        Some(self.refuse(recipient, &reply))
    }

    /// Asks RCPTCHECK about a recipient that would be taken; what it refuses is answered.
    pub(super) fn checks_recipient(&mut self, recipient: &[u8]) -> Option<Next> {
        let is_relay = self.settings.client.relay.is_some();
        let check = self.settings.rcpt_check.as_ref()?;
        if !check.applies_to(is_relay) {
            return None;
        }
        if let Err(trouble) = self.conn.flush() {
            self.trouble = Some(trouble);
            return Some(Next::Close);
        }
        let sender = self.mail.as_ref().map(|mail| mail.sender.as_slice());
        let question = Question {
            sender: sender.unwrap_or_default(),
            recipient,
            helo: self.hello.name.as_deref().unwrap_or_default(),
            is_ours: matches!(
                self.settings.hosts.route(recipient, false),
                crate::hosts::Route::Local | crate::hosts::Route::Remote
            ),
        };
        match check.ask(&question, &self.context.env) {
            RcptVerdict::Yes | RcptVerdict::Ignored => None,
            RcptVerdict::No {
                reply,
                close,
                fault,
            } => {
                if let Some(fault) = fault {
                    let entry = self.log.event("fault").address("to", recipient);
                    entry.field("reason", fault.as_bytes()).say();
                }
                let next = self.refuse(recipient, &reply);
                if close {
                    self.ended = Some("RCPTCHECK has ended it");
                    return Some(Next::Close);
                }
                Some(next)
            }
        }
    }
}
