//! The decision about one recipient, as far as it needs nobody else: no program, no look-up in the
//! DNS, no next hop. `smtpd --explain` asks here, too.
//!
//! The order is qmail-smtpd's where it has the step: the sender's fault first, told at RCPT so that
//! the log has both addresses; then the recipient's.

use std::borrow::Cow;

use accounts::{Found, address as envelope};
use smtp::address;

use crate::hosts::Route;
use crate::replies;
use crate::settings::Settings;
use crate::transport::Destination;

/// The most bytes of a recipient with RELAYCLIENT's value; the number is qmail-queue's.
pub const RECIPIENT_BYTES: usize = 1003;

/// What becomes of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// His mail is taken, this way.
    Take(Destination),
    /// It is not.
    Refuse(Refusal),
    /// The command is faulty.
    Bad(&'static str),
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// To the client.
    pub reply: Cow<'static, str>,
    /// To the log: what of ours is in the way.
    pub fault: Option<String>,
}

impl Refusal {
    /// One that needs no explanation.
    pub fn plain(reply: &'static str) -> Decision {
        Decision::Refuse(Refusal {
            reply: Cow::Borrowed(reply),
            fault: None,
        })
    }

    /// For trouble of ours.
    pub fn fault(reply: &'static str, fault: String) -> Decision {
        Decision::Refuse(Refusal {
            reply: Cow::Borrowed(reply),
            fault: Some(fault),
        })
    }
}

/// What is known when a recipient is decided about.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The envelope sender, unquoted.
    pub sender: &'a [u8],
    /// What the client calls itself.
    pub helo: &'a [u8],
    /// How large the message is, as far as the client has said.
    pub size: u64,
    /// A plugin has vouched for the sender: our lists of senders are not asked.
    pub vouched_sender: bool,
    /// A plugin has vouched for the recipient: whatever he is, he is taken.
    pub vouched_recipient: bool,
}

/// Makes of `recipient` (unquoted, as RCPT names him) what the envelope is to hold.
pub fn complete(settings: &Settings, recipient: &mut Vec<u8>) {
    address::replace_own_literal(recipient, settings.local_ip, &settings.localiphost);
    let relay = settings.client.relay.as_deref();
    recipient.extend_from_slice(relay.unwrap_or_default());
}

/// Whether the lists of hosts let `recipient` ([`complete`]) through.
pub fn is_reachable(settings: &Settings, recipient: &[u8]) -> bool {
    let relay = settings.client.relay.is_some();
    matches!(
        settings.hosts.route(recipient, relay),
        Route::Local | Route::Remote
    )
}

/// Decides about `recipient` ([`complete`]).
pub fn decide(settings: &Settings, known: Known<'_>, recipient: &[u8]) -> Decision {
    let relay = settings.client.relay.is_some();
    let lists = &settings.lists;
    if lists.refuse_hello(known.helo, relay) {
        return Refusal::plain(replies::BAD_HELLO);
    }
    if !known.vouched_sender && lists.refuse_sender(known.sender, relay) {
        return Refusal::plain(replies::BAD_SENDER);
    }
    if recipient.len() > RECIPIENT_BYTES {
        return Decision::Bad(replies::SYNTAX);
    }
    if known.vouched_recipient {
        let route = settings.hosts.route(recipient, true);
        return transport(settings, recipient, known.size, route);
    }
    let route = settings.hosts.route(recipient, relay);
    if !matches!(route, Route::Refused | Route::Unknown(_)) {
        if lists.refuse_recipient(recipient, relay) {
            return Refusal::plain(replies::BAD_RECIPIENT);
        }
        match lists.is_valid(recipient, relay) {
            Ok(true) => {}
            Ok(false) => return Refusal::plain(replies::NO_MAILBOX),
            Err(error) => return Refusal::fault(replies::NO_LOOKUP, error.to_string()),
        }
    }
    transport(settings, recipient, known.size, route)
}

fn transport(settings: &Settings, recipient: &[u8], size: u64, route: Route) -> Decision {
    match route {
        Route::Refused => Refusal::plain(replies::NO_GATEWAY),
        Route::Unknown(error) => Refusal::fault(replies::NO_MORE_RCPTHOSTS, error.to_string()),
        Route::Local => local(settings, recipient, size),
        Route::Remote if settings.transports.of(Destination::Remote).is_none() => {
            Refusal::plain(replies::NO_WAY_OUT)
        }
        Route::Remote => Decision::Take(Destination::Remote),
    }
}

fn local(settings: &Settings, recipient: &[u8], size: u64) -> Decision {
    let Some(accounts) = settings.transports.accounts() else {
        return Decision::Take(Destination::Local);
    };
    let (local, _) = envelope::split(recipient);
    match accounts.resolve(local) {
        Ok(Found::Mailboxes(mailboxes))
            if mailboxes
                .iter()
                // What cannot be told here the delivery decides.
                .any(|one| delivery::deliver::is_full(one, size).unwrap_or(false)) =>
        {
            Refusal::plain(replies::FULL)
        }
        Ok(Found::Mailboxes(_)) => Decision::Take(Destination::Local),
        Ok(Found::Unknown) => Refusal::plain(replies::NO_MAILBOX),
        Err(error) => Refusal::fault(replies::NO_LOOKUP, error.to_string()),
    }
}
