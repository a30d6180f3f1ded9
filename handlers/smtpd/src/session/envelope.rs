//! MAIL, RCPT and RSET: a transaction up to its message, at the next hop too where there is one.

use nexthop::Client;
use smtp::address;
use wire::command::Next;

use super::Session;
use super::outside::PluginDecision;
use crate::decide::{self, Decision, Known, Refusal, decide};
use crate::handoff::{Failure, hop, sendmail};
use crate::replies;
use crate::spp::Plugins;
use crate::transaction::{AtHop, Mail};
use crate::transport::{DESTINATIONS, Destination, Transport};

impl Session {
    pub(super) fn mail(&mut self, argument: &[u8]) -> Next {
        if self.transaction.receiving.is_some() {
            return self.dialogue.bad(replies::CHUNKS_UNDER_WAY);
        }
        let limit = self.policy.settings.limits.messages;
        if limit > 0 && self.policy.counts.begun >= limit {
            return self
                .dialogue
                .close(replies::TOO_MANY_MESSAGES, "too many messages");
        }
        if let Some(over) = self.dialogue.tally.may_begin() {
            return self.dialogue.close(over.reply, over.reason);
        }
        // Also a MAIL that is refused ends the transaction before it.
        self.abandon();
        self.transaction.mail_refused = true;
        if self.policy.settings.terms.tls_to_send && !self.policy.is_tls() {
            return self.dialogue.bad(replies::WANT_TLS);
        }
        if self.policy.must_log_in() {
            return self.dialogue.bad(replies::WANT_AUTH);
        }
        let (mut sender, parameters) = match address::mail_argument(argument) {
            Ok(read) => read,
            Err(text) => return self.dialogue.bad(text),
        };
        address::replace_own_literal(
            &mut sender,
            self.policy.settings.local_ip,
            &self.policy.settings.localiphost,
        );
        let decision = self.ask_plugins("MAIL", &mut sender, Plugins::mail);
        if let PluginDecision::Over(next) = decision {
            return next;
        }
        if self.policy.settings.terms.own_sender && !self.policy.is_own_sender(&sender) {
            return self.dialogue.refuse_sender(&sender, replies::OTHER_SENDER);
        }
        if self.dialogue.tally.is_too_big(parameters.size) {
            return self.dialogue.refuse_sender(&sender, replies::TOO_BIG);
        }
        self.transaction.mail_refused = false;
        self.transaction.mail = Some(Mail {
            sender,
            parameters,
            vouched: decision == PluginDecision::Unchecked,
            ..Mail::default()
        });
        self.dialogue.reply_with(replies::OK, Some((1, 0)));
        Next::Continue
    }

    pub(super) fn rcpt(&mut self, argument: &[u8]) -> Next {
        if self.transaction.receiving.is_some() {
            return self.dialogue.bad(replies::CHUNKS_UNDER_WAY);
        }
        let Some(mail) = &mut self.transaction.mail else {
            return self.bad_in_turn(replies::WANT_MAIL);
        };
        let mut recipient = match address::rcpt_argument(argument) {
            Ok(recipient) => recipient,
            Err(text) => return self.dialogue.bad(text),
        };
        let too_many = self.dialogue.tally.refuse_further(mail.count());
        if let Some(text) = too_many {
            // One line in the log is enough: there may be thousands.
            if std::mem::replace(&mut mail.over_limit, true) {
                self.dialogue.reply(text);
                return self.dialogue.count_deferral();
            }
            return self.refuse(&recipient, text);
        }
        self.wait_in_tarpit();
        decide::complete(&self.policy.settings, &mut recipient);
        let allowed = decide::is_reachable(&self.policy.settings, &recipient);
        let decision = self.ask_plugins("RCPT", &mut recipient, |plugins, env, recipient| {
            plugins.rcpt(env, recipient, allowed)
        });
        if let PluginDecision::Over(next) = decision {
            return next;
        }
        let vouched = decision == PluginDecision::Unchecked;
        let destination = match self.decide_about(&recipient, vouched) {
            Ok(destination) => destination,
            Err(next) => return next,
        };
        if let Some(next) = self
            .checks_address(&recipient)
            .or_else(|| self.checks_recipient(&recipient))
        {
            return next;
        }
        let asked = recipient.clone();
        if let PluginDecision::Over(next) = self.ask_plugins("RCPT", &mut recipient, Plugins::pass)
        {
            return next;
        }
        if recipient == asked {
            return self.send_on(destination, recipient);
        }
        // They have named another one, who may be nobody or elsewhere.
        match self.decide_about(&recipient, vouched) {
            Ok(destination) => self.send_on(destination, recipient),
            Err(next) => next,
        }
    }

    /// Where a recipient's mail goes; what is refused is answered.
    fn decide_about(
        &mut self,
        recipient: &[u8],
        vouched_recipient: bool,
    ) -> Result<Destination, Next> {
        let Some(mail) = &self.transaction.mail else {
            return Err(Next::Continue);
        };
        // Who was taken before is not looked up again: a large alias can be named a thousand times.
        let is_same = |one: &Vec<u8>| one.eq_ignore_ascii_case(recipient);
        if let Some(&destination) = DESTINATIONS
            .iter()
            .find(|&&destination| mail.recipients[destination].iter().any(is_same))
        {
            return Ok(destination);
        }
        let known = Known {
            sender: &mail.sender,
            helo: self.dialogue.hello.name.as_deref().unwrap_or_default(),
            size: mail.parameters.size.unwrap_or(0),
            vouched_sender: mail.vouched,
            vouched_recipient,
        };
        match decide(&self.policy.settings, known, recipient) {
            Decision::Take(destination) => Ok(destination),
            Decision::Bad(text) => Err(self.dialogue.bad(text)),
            Decision::Refuse(refusal) => Err(self.refuse_for(recipient, &refusal)),
        }
    }

    fn refuse_for(&mut self, recipient: &[u8], refusal: &Refusal) -> Next {
        if let Some(fault) = &refusal.fault {
            let entry = self.dialogue.log.event("fault").address("to", recipient);
            entry.field("reason", fault.as_bytes()).say();
        }
        self.refuse(recipient, &refusal.reply)
    }

    /// Takes a recipient whose mail goes to `destination`, if the way there has nothing against him.
    fn send_on(&mut self, destination: Destination, recipient: Vec<u8>) -> Next {
        let Some(mail) = &self.transaction.mail else {
            return Next::Continue;
        };
        let destination = self.policy.settings.transports.destination(destination);
        let count = mail.recipients[destination].len();
        match self.policy.settings.transports.of(destination) {
            Some(Transport::Hop(_)) => {
                // What was answered before goes out first: the hop may take a while.
                if !self.dialogue.flush() {
                    return Next::Close;
                }
                if let Err(failure) = self.ask_hop(destination, &recipient) {
                    return self.refuse_for(
                        &recipient,
                        &Refusal {
                            // What it refuses for good is its word and no trouble of ours.
                            fault: (!failure.is_permanent()).then_some(failure.reason),
                            reply: failure.reply,
                        },
                    );
                }
            }
            Some(Transport::Sendmail(_)) if !sendmail::is_speakable(&recipient) => {
                return self.refuse(&recipient, replies::BAD_ADDRESS);
            }
            Some(Transport::Sendmail(_)) if count >= sendmail::RECIPIENT_LIMIT => {
                return self.refuse(&recipient, replies::TOO_MANY_RECIPIENTS);
            }
            _ => {}
        }
        if let Some(mail) = &mut self.transaction.mail {
            mail.recipients[destination].push(recipient);
            self.dialogue.tally.recipients += 1;
        }
        self.dialogue.reply_with(replies::OK, Some((1, 5)));
        Next::Continue
    }

    /// What the next hop says about a recipient.
    fn ask_hop(&mut self, destination: Destination, recipient: &[u8]) -> Result<(), Failure> {
        let at_hop = self.transaction.mail.as_mut();
        let at_hop = at_hop.map(|mail| std::mem::take(&mut mail.hops[destination]));
        let (now, answer) = match at_hop.unwrap_or_default() {
            AtHop::Refused(failure) => (AtHop::Refused(failure.clone()), Err(failure)),
            AtHop::Begun(client) => ask(client, recipient),
            AtHop::Nothing => match self.begin_at_hop(destination) {
                Ok(client) => ask(client, recipient),
                Err(failure) => (AtHop::Refused(failure.clone()), Err(failure)),
            },
        };
        if let Some(mail) = &mut self.transaction.mail {
            mail.hops[destination] = now;
        }
        answer
    }

    /// Tells the next hop the sender: the one of the transaction before if it is still there.
    fn begin_at_hop(&mut self, destination: Destination) -> Result<Box<Client>, Failure> {
        let Some(Transport::Hop(hop)) = self.policy.settings.transports.of(destination) else {
            return Err(hop::unreachable());
        };
        let Some(mail) = &self.transaction.mail else {
            return Err(hop::unreachable());
        };
        if let Some(mut client) = self.transaction.idle[destination].take() {
            match client.mail(&mail.sender, &mail.parameters) {
                Ok(()) => return Ok(client),
                Err(failure) if client.is_usable() => {
                    self.transaction.idle[destination] = Some(client);
                    return Err(hop::told(&failure));
                }
                // It was tired of waiting.
                Err(_) => {}
            }
        }
        let connected = Client::connect(hop, &self.policy.settings.hop);
        let mut client = Box::new(connected.map_err(|failure| hop::told(&failure))?);
        match client.mail(&mail.sender, &mail.parameters) {
            Ok(()) => Ok(client),
            Err(failure) => {
                let told = hop::told(&failure);
                if client.is_usable() {
                    self.transaction.idle[destination] = Some(client);
                }
                Err(told)
            }
        }
    }

    pub(super) fn rset(&mut self, _: &[u8]) -> Next {
        self.abandon();
        self.transaction.mail_refused = false;
        if let Some(plugins) = &mut self.policy.settings.plugins {
            plugins.reset();
        }
        self.dialogue.reply_with(replies::FLUSHED, None);
        Next::Continue
    }

    /// Ends the transaction, wherever it is.
    pub(crate) fn abandon(&mut self) {
        // Dropped in the middle, a message is given up by whoever has it.
        self.transaction.receiving = None;
        let Some(mut mail) = self.transaction.mail.take() else {
            return;
        };
        for destination in DESTINATIONS {
            if let AtHop::Begun(mut client) = std::mem::take(&mut mail.hops[destination])
                // Of what was answered before nothing waits for the hop. Who does not take it is found out.
                && (self.dialogue.conn.flush().is_ok() && client.reset().is_ok())
            {
                self.transaction.idle[destination] = Some(client);
            }
        }
    }

    fn wait_in_tarpit(&mut self) {
        let limits = &self.policy.settings.limits;
        let count = self.transaction.mail.as_ref().map_or(0, Mail::count);
        if limits.tarpit_after == 0
            || (count as u64) < limits.tarpit_after
            || self.policy.settings.client.relay.is_some()
        {
            return;
        }
        let tarpit = limits.tarpit;
        // What was answered before goes out first; who does not take it will be found out.
        if self.dialogue.conn.flush().is_ok() {
            self.dialogue.pause(tarpit);
        }
    }
}

fn ask(mut client: Box<Client>, recipient: &[u8]) -> (AtHop, Result<(), Failure>) {
    match client.rcpt(recipient) {
        Ok(()) => (AtHop::Begun(client), Ok(())),
        Err(failure) => {
            let told = hop::told(&failure);
            let now = if client.is_usable() {
                AtHop::Begun(client)
            } else {
                AtHop::Refused(told.clone())
            };
            (now, Err(told))
        }
    }
}
