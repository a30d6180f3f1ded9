//! MAIL, RCPT and RSET: a transaction up to its message, at the next hop too where there is one.

use accounts::address as envelope;
use nexthop::{Client, MailParameters as HopParameters};
use smtp::address::{self, Fault};
use wire::command::Next;

use super::outside::PluginDecision;
use super::{AtHop, Mail, Session};
use crate::decide::{self, Decision, Known, Refusal, decide};
use crate::handoff::{Failure, hop, sendmail};
use crate::replies;
use crate::spp::Plugins;
use crate::transport::{DESTINATIONS, Destination, Transport};

impl Session {
    pub(super) fn mail(&mut self, argument: &[u8]) -> Next {
        if self.receiving.is_some() {
            return self.bad(replies::CHUNKS_UNDER_WAY);
        }
        let limit = self.settings.limits.messages;
        if limit > 0 && self.counts.begun >= limit {
            return self.close(replies::TOO_MANY_MESSAGES, "too many messages");
        }
        let limits = &self.settings.limits;
        if limits.is_all_of_session(self.counts.recipients) {
            let why = "too many recipients in one session";
            return self.close(replies::SESSION_HAD_TOO_MANY, why);
        }
        // Also a MAIL that is refused ends the transaction before it.
        self.abandon();
        self.mail_refused = true;
        if self.settings.terms.tls_to_send && !self.is_tls() {
            return self.bad(replies::WANT_TLS);
        }
        if self.must_log_in() {
            return self.bad(replies::WANT_AUTH);
        }
        let read = address::parse(argument)
            .and_then(|read| Ok((address::mail_parameters(read.parameters)?, read.address)));
        let (parameters, mut sender) = match read {
            Ok(read) => read,
            Err(fault) => return self.bad(reply_to(fault)),
        };
        address::replace_own_literal(
            &mut sender,
            self.settings.local_ip,
            &self.settings.localiphost,
        );
        let decision = self.ask_plugins("MAIL", &mut sender, Plugins::mail);
        if let PluginDecision::Over(next) = decision {
            return next;
        }
        if self.settings.terms.own_sender && !self.is_own_sender(&sender) {
            return self.refuse_sender(&sender, replies::OTHER_SENDER);
        }
        let databytes = self.settings.limits.databytes;
        if databytes > 0 && parameters.size.is_some_and(|size| size > databytes) {
            return self.refuse_sender(&sender, replies::TOO_BIG);
        }
        self.mail_refused = false;
        self.mail = Some(Mail {
            sender,
            parameters,
            vouched: decision == PluginDecision::Unchecked,
            ..Mail::default()
        });
        self.reply_with(replies::OK, Some((1, 0)));
        Next::Continue
    }

    fn refuse_sender(&mut self, sender: &[u8], text: &str) -> Next {
        self.log_refusal("MAIL", Some(sender), None, text);
        self.reply(text);
        self.count_deferral()
    }

    /// Whether who has logged in may send as `sender`: his name is that address or, without a domain or with a local
    /// one, the local part of a local one. Nobody in particular may send as anybody.
    fn is_own_sender(&self, sender: &[u8]) -> bool {
        let Some(user) = &self.user else { return true };
        let local_part = |address| {
            let (local, domain) = envelope::split(address);
            let is_local = domain.is_none_or(|domain| self.settings.hosts.locals.names(domain));
            is_local.then_some(local)
        };
        let same_local_part = local_part(sender)
            .zip(local_part(user))
            .is_some_and(|(sender, user)| sender.eq_ignore_ascii_case(user));
        sender.eq_ignore_ascii_case(user) || same_local_part
    }

    pub(super) fn rcpt(&mut self, argument: &[u8]) -> Next {
        if self.receiving.is_some() {
            return self.bad(replies::CHUNKS_UNDER_WAY);
        }
        let Some(mail) = &mut self.mail else {
            return self.bad_in_turn(replies::WANT_MAIL);
        };
        let mut recipient = match address::parse(argument) {
            Ok(read) if read.address.is_empty() => return self.bad(replies::BAD_ADDRESS),
            Ok(read) => read.address,
            Err(fault) => return self.bad(reply_to(fault)),
        };
        let limits = &self.settings.limits;
        let too_many = if mail.count() as u64 >= limits.recipients {
            Some(replies::TOO_MANY_RECIPIENTS)
        } else if limits.is_all_of_session(self.counts.recipients) {
            Some(replies::TOO_MANY_OF_SESSION)
        } else {
            None
        };
        if let Some(text) = too_many {
            // One line in the log is enough: there may be thousands.
            if std::mem::replace(&mut mail.over_limit, true) {
                self.reply(text);
                return self.count_deferral();
            }
            return self.refuse(&recipient, text);
        }
        self.wait_in_tarpit();
        decide::complete(&self.settings, &mut recipient);
        let allowed = decide::is_reachable(&self.settings, &recipient);
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
        let Some(mail) = &self.mail else {
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
            helo: self.hello.name.as_deref().unwrap_or_default(),
            size: mail.parameters.size.unwrap_or(0),
            vouched_sender: mail.vouched,
            vouched_recipient,
        };
        match decide(&self.settings, known, recipient) {
            Decision::Take(destination) => Ok(destination),
            Decision::Bad(text) => Err(self.bad(text)),
            Decision::Refuse(refusal) => Err(self.refuse_for(recipient, &refusal)),
        }
    }

    fn refuse_for(&mut self, recipient: &[u8], refusal: &Refusal) -> Next {
        if let Some(fault) = &refusal.fault {
            let entry = self.log.event("fault").address("to", recipient);
            entry.field("reason", fault.as_bytes()).say();
        }
        self.refuse(recipient, &refusal.reply)
    }

    /// Takes a recipient whose mail goes to `destination`, if the way there has nothing against him.
    fn send_on(&mut self, destination: Destination, recipient: Vec<u8>) -> Next {
        let Some(mail) = &self.mail else {
            return Next::Continue;
        };
        let destination = self.settings.transports.destination(destination);
        let count = mail.recipients[destination].len();
        match self.settings.transports.of(destination) {
            Some(Transport::Hop(_)) => {
                // What was answered before goes out first: the hop may take a while.
                if let Err(trouble) = self.conn.flush() {
                    self.trouble = Some(trouble);
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
        if let Some(mail) = &mut self.mail {
            mail.recipients[destination].push(recipient);
            self.counts.recipients += 1;
        }
        self.reply_with(replies::OK, Some((1, 5)));
        Next::Continue
    }

    /// What the next hop says about a recipient.
    fn ask_hop(&mut self, destination: Destination, recipient: &[u8]) -> Result<(), Failure> {
        let at_hop = self.mail.as_mut();
        let at_hop = at_hop.map(|mail| std::mem::take(&mut mail.hops[destination]));
        let (now, answer) = match at_hop.unwrap_or_default() {
            AtHop::Refused(failure) => (AtHop::Refused(failure.clone()), Err(failure)),
            AtHop::Begun(client) => ask(client, recipient),
            AtHop::Nothing => match self.begin_at_hop(destination) {
                Ok(client) => ask(client, recipient),
                Err(failure) => (AtHop::Refused(failure.clone()), Err(failure)),
            },
        };
        if let Some(mail) = &mut self.mail {
            mail.hops[destination] = now;
        }
        answer
    }

    /// Tells the next hop the sender: the one of the transaction before if it is still there.
    fn begin_at_hop(&mut self, destination: Destination) -> Result<Box<Client>, Failure> {
        let Some(Transport::Hop(hop)) = self.settings.transports.of(destination) else {
            return Err(hop::unreachable());
        };
        let Some(mail) = &self.mail else {
            return Err(hop::unreachable());
        };
        let parameters = HopParameters {
            size: mail.parameters.size,
            eight_bit: mail.parameters.eight_bit,
            utf8: mail.parameters.utf8,
        };
        if let Some(mut client) = self.idle[destination].take() {
            match client.mail(&mail.sender, &parameters) {
                Ok(()) => return Ok(client),
                Err(failure) if client.is_usable() => {
                    self.idle[destination] = Some(client);
                    return Err(hop::told(&failure));
                }
                // It was tired of waiting.
                Err(_) => {}
            }
        }
        let connected = Client::connect(hop, &self.settings.hop);
        let mut client = Box::new(connected.map_err(|failure| hop::told(&failure))?);
        match client.mail(&mail.sender, &parameters) {
            Ok(()) => Ok(client),
            Err(failure) => {
                let told = hop::told(&failure);
                if client.is_usable() {
                    self.idle[destination] = Some(client);
                }
                Err(told)
            }
        }
    }

    pub(super) fn rset(&mut self, _: &[u8]) -> Next {
        self.abandon();
        self.mail_refused = false;
        if let Some(plugins) = &mut self.settings.plugins {
            plugins.reset();
        }
        self.reply_with(replies::FLUSHED, None);
        Next::Continue
    }

    /// Whether a transaction has begun.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.mail.is_some() || self.receiving.is_some()
    }

    /// Ends the transaction, wherever it is.
    pub(crate) fn abandon(&mut self) {
        // Dropped in the middle, a message is given up by whoever has it.
        self.receiving = None;
        let Some(mut mail) = self.mail.take() else {
            return;
        };
        for destination in DESTINATIONS {
            if let AtHop::Begun(mut client) = std::mem::take(&mut mail.hops[destination])
                // Of what was answered before nothing waits for the hop. Who does not take it is found out.
                && (self.conn.flush().is_ok() && client.reset().is_ok())
            {
                self.idle[destination] = Some(client);
            }
        }
    }

    fn wait_in_tarpit(&mut self) {
        let limits = &self.settings.limits;
        let count = self.mail.as_ref().map_or(0, Mail::count);
        if limits.tarpit_after == 0
            || (count as u64) < limits.tarpit_after
            || self.settings.client.relay.is_some()
        {
            return;
        }
        let tarpit = limits.tarpit;
        // What was answered before goes out first; who does not take it will be found out.
        if self.conn.flush().is_ok() {
            self.pause(tarpit);
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

fn reply_to(fault: Fault) -> &'static str {
    match fault {
        Fault::TooLong => replies::SYNTAX,
        Fault::Control => replies::BAD_ADDRESS,
        Fault::Size => replies::BAD_SIZE,
        Fault::Body => replies::BAD_BODY,
    }
}
