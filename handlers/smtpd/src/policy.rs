//! The decision about one recipient with everything that files of this host say: the lists of
//! [`crate::lists`] around what [`crate::decide`] decides. The session asks here, and so does
//! `smtpd --explain`.
//!
//! First what the client said about itself and about the sender; then what [`decide`](decide())
//! says, which is whether the recipient's host is taken, who he is and which way his mail goes;
//! last the lists of recipients, so that nobody learns from them who may not send here anyway.

use accounts::{ControlError, Home};

use crate::decide::{Decision, Refusal, decide as decide_alone};
use crate::dnsbl::Dnsbl;
use crate::lists::{Lists, Variable};
use crate::settings::Settings;

/// The name in HELO or EHLO is in badhelo.
pub const BAD_HELLO: &str = "553 sorry, your HELO host name has been denied (#5.7.1)";
/// The sender is in badmailfromnorelay; the text for badmailfrom.
pub use crate::replies::BAD_SENDER;
/// The recipient is in badrcptto.
pub const BAD_RECIPIENT: &str = "553 sorry, your envelope recipient has been denied (#5.7.1)";
/// The recipient is in none of the lists of those that there are; the text for an unknown user.
pub use crate::replies::NO_MAILBOX;
/// A list of those that there are cannot be read.
pub const NO_VALIDRCPTTO: &str = "451 sorry, unable to check validrcptto (#4.3.0)";

/// What files say about clients, senders and recipients.
#[derive(Debug, Default)]
pub struct Policy {
    /// About names and addresses.
    pub lists: Lists,
    /// About clients, by their addresses.
    pub dnsbl: Dnsbl,
}

impl Policy {
    /// Reads it.
    pub fn read(variable: Variable<'_>, home: &Home) -> Result<Policy, ControlError> {
        Ok(Policy {
            lists: Lists::read(variable, home)?,
            dnsbl: Dnsbl::read(variable, home)?,
        })
    }

    /// Decides about `recipient` (unquoted, as RCPT names him) of a message from `sender`, sent by
    /// who calls himself `hello`, and makes the address what the envelope is to hold. Lists in the
    /// DNS are not asked: [`Dnsbl::look_up`] does that, once a session.
    pub fn decide(
        &self,
        settings: &Settings,
        hello: &[u8],
        sender: &[u8],
        recipient: &mut Vec<u8>,
    ) -> Decision {
        let may_relay = settings.client.relay.is_some();
        if self.lists.refuse_hello(hello, may_relay) {
            return Refusal::plain(BAD_HELLO);
        }
        if self.lists.refuse_sender(sender, may_relay) {
            return Refusal::plain(BAD_SENDER);
        }
        let named = recipient.clone();
        match decide_alone(settings, sender, recipient) {
            Decision::Take(side) => match self.refuse(&named, recipient, may_relay) {
                Some(refusal) => refusal,
                None => Decision::Take(side),
            },
            other => other,
        }
    }

    /// What the lists of recipients say: about the address that the client has `named`, which
    /// RELAYCLIENT's value is not a part of yet, and the one of the envelope.
    fn refuse(&self, named: &[u8], recipient: &[u8], may_relay: bool) -> Option<Decision> {
        let bad = |address| self.lists.refuse_recipient(address, may_relay);
        if bad(named) || bad(recipient) {
            return Some(Refusal::plain(BAD_RECIPIENT));
        }
        match self.lists.is_valid(recipient, may_relay) {
            Ok(true) => None,
            Ok(false) => Some(Refusal::plain(NO_MAILBOX)),
            Err(unreadable) => Some(Refusal::fault(NO_VALIDRCPTTO, unreadable.to_string())),
        }
    }
}
