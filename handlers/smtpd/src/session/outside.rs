//! What others are asked about a client and its commands: the plugins, RCPTCHECK, the block lists.

use wire::End;
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
        if self.policy.settings.plugins.is_some()
            && matches!(verb, "HELO" | "MAIL")
            && let Some(over) = self.policy.count_beginning()
        {
            return PluginDecision::Over(self.dialogue.close(over.reply, over.reason));
        }
        let Some(plugins) = &mut self.policy.settings.plugins else {
            return PluginDecision::GoOn;
        };
        // What was answered before goes out first: a plugin may take a while.
        if !self.dialogue.flush() {
            return PluginDecision::Over(Next::Close);
        }
        let outcome = ask(plugins, &mut self.policy.context.env, address);
        // One of them may have let the client relay, or not.
        let relay = self.policy.context.env.bytes("RELAYCLIENT");
        let is_sound = |value: &&[u8]| !value.iter().any(|&byte| byte < b' ' || byte == 0x7f);
        self.policy.settings.client.relay = relay.filter(is_sound).map(<[u8]>::to_vec);
        for fault in &outcome.faults {
            self.dialogue.log_fault(fault);
        }
        for line in &outcome.before {
            self.dialogue.conn.reply(line.as_bytes());
            self.dialogue.conn.reply(b"\r\n");
        }
        match outcome.turn {
            Turn::GoOn => PluginDecision::GoOn,
            Turn::Unchecked => PluginDecision::Unchecked,
            Turn::Refuse(reply) => {
                self.transaction.mail_refused |= verb == "MAIL";
                PluginDecision::Over(match verb {
                    "RCPT" => self.refuse(address, &reply),
                    _ => {
                        let from = self
                            .transaction
                            .mail
                            .as_ref()
                            .map(|mail| mail.sender.clone());
                        let from = if verb == "MAIL" {
                            Some(address.clone())
                        } else {
                            from
                        };
                        self.dialogue
                            .log_refusal(verb, from.as_deref(), None, &reply);
                        self.dialogue.reply(&reply);
                        self.dialogue.count_deferral()
                    }
                })
            }
            Turn::Close(reply) => {
                let said = reply.unwrap_or_default();
                self.dialogue.log_refusal(verb, None, None, &said);
                if !said.is_empty() {
                    self.dialogue.reply(&said);
                }
                self.dialogue.end_for(End::Closed("a plugin has ended it"));
                PluginDecision::Over(Next::Close)
            }
        }
    }

    /// Whether the plugins let the client begin.
    pub(super) fn is_welcome(&mut self) -> bool {
        let decision = self.ask_plugins("connection", &mut Vec::new(), |plugins, env, _| {
            plugins.connection(env)
        });
        if matches!(decision, PluginDecision::Over(_)) && self.dialogue.ending().is_none() {
            self.dialogue
                .end_for(End::Closed("a plugin has refused it"));
        }
        !matches!(decision, PluginDecision::Over(_))
    }

    /// Refuses a recipient of a client whose address is on a list; a client that may relay is not looked
    /// up.
    pub(super) fn checks_address(&mut self, recipient: &[u8]) -> Option<Next> {
        if self.policy.settings.client.relay.is_some() || self.policy.settings.dnsbl.is_idle() {
            return None;
        }
        if self.policy.listed.is_none() {
            if !self.dialogue.flush() {
                return Some(Next::Close);
            }
            let found = self
                .policy
                .settings
                .dnsbl
                .look_up(&self.policy.settings.client.ip, &mut self.dialogue.log);
            let reply = |refusal: crate::dnsbl::Refusal| {
                String::from_utf8_lossy(refusal.line()).into_owned()
            };
            self.policy.listed = Some(found.map(reply));
        }
        let reply = self.policy.listed.clone().flatten()?;
        Some(self.refuse(recipient, &reply))
    }

    /// Asks RCPTCHECK about a recipient that would be taken; what it refuses is answered.
    pub(super) fn checks_recipient(&mut self, recipient: &[u8]) -> Option<Next> {
        let is_relay = self.policy.settings.client.relay.is_some();
        let check = self.policy.settings.rcpt_check.as_ref()?;
        if !check.applies_to(is_relay) {
            return None;
        }
        if !self.dialogue.flush() {
            return Some(Next::Close);
        }
        let sender = self
            .transaction
            .mail
            .as_ref()
            .map(|mail| mail.sender.as_slice());
        let question = Question {
            sender: sender.unwrap_or_default(),
            recipient,
            helo: self.dialogue.hello.name.as_deref().unwrap_or_default(),
            is_ours: matches!(
                self.policy.settings.hosts.route(recipient, false),
                crate::hosts::Route::Local | crate::hosts::Route::Remote
            ),
        };
        match check.ask(&question, &self.policy.context.env) {
            RcptVerdict::Yes | RcptVerdict::Ignored => None,
            RcptVerdict::No {
                reply,
                close,
                fault,
            } => {
                if let Some(fault) = fault {
                    let entry = self.dialogue.log.event("fault").address("to", recipient);
                    entry.field("reason", fault.as_bytes()).say();
                }
                let next = self.refuse(recipient, &reply);
                if close {
                    self.dialogue.end_for(End::Closed("RCPTCHECK has ended it"));
                    return Some(Next::Close);
                }
                Some(next)
            }
        }
    }
}
