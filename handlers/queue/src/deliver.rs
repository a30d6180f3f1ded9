//! The order of a delivery: find out everything, write everything, then show it.
//!
//! 1. Every recipient is resolved; one that is nobody, or a loop, refuses the whole message.
//! 2. Every mailbox must belong to the user that this process runs as. So root delivers nothing:
//!    a path in a user's hands is not to be written to with root's rights. A missing Maildir is
//!    made, in a home that exists and belongs to that user.
//! 3. Every copy is written and synced in `tmp`.
//! 4. All are linked into `new`, and the directories are synced.
//!
//! Up to step 4 nothing is visible to anybody, and a failure takes everything back.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::time::{Instant, SystemTime};

use accounts::{AccountError, Accounts, Found, Mailbox, address};
use maildir::{Delivered, Maildir, Names, Staged};

use crate::failure::{Code, Failure};
use crate::spool::Spool;
use crate::trace::{self, LoopCheck};

/// One process in so many looks for files of dead deliveries in the Maildirs that it delivers to.
const SWEEP_EVERY: u32 = 64;

/// What a delivery needs to know of the world.
#[derive(Debug)]
pub struct Place {
    /// The user that this process runs as.
    pub uid: u32,
    /// Names for files.
    pub names: Names,
    /// The time.
    pub clock: fn() -> SystemTime,
    /// When to give up if nothing is visible yet.
    pub deadline: Instant,
}

/// One copy that was delivered.
#[derive(Debug)]
pub struct Delivery {
    /// The recipient of the envelope that it is for.
    pub recipient: Vec<u8>,
    /// The file.
    pub message: Delivered,
}

/// A copy to be made: where it goes, and the first recipient that leads there.
#[derive(Clone, Debug)]
pub struct Target {
    /// The recipient of the envelope.
    pub recipient: Vec<u8>,
    /// Where it goes.
    pub mailbox: Mailbox,
    delivered_to: Vec<u8>,
}

/// Delivers `message` to all of `targets`, or to none of them.
pub fn deliver(
    place: &mut Place,
    sender: &[u8],
    targets: Vec<Target>,
    message: &Spool,
) -> Result<Vec<Delivery>, Failure> {
    check_for_loop(&targets, message)?;
    for target in &targets {
        check_time(place.deadline)?;
        prepare(place.uid, &target.mailbox)?;
    }
    let return_path = trace::return_path(sender);
    let mut staged = Vec::with_capacity(targets.len());
    for target in &targets {
        check_time(place.deadline)?;
        staged.push(stage(place, target, &return_path, message)?);
    }
    check_time(place.deadline)?;
    let delivered = maildir::publish_all(staged, &mut place.names, place.clock)?;
    if std::process::id().is_multiple_of(SWEEP_EVERY) {
        for target in &targets {
            Maildir::at(target.mailbox.maildir.clone()).sweep((place.clock)());
        }
    }
    let pairs = targets.into_iter().zip(delivered);
    Ok(pairs
        .map(|(target, message)| Delivery {
            recipient: target.recipient,
            message,
        })
        .collect())
}

/// The mailboxes of all recipients, each once, with the first recipient that leads to it. One
/// recipient who is nobody here makes all of them fail.
pub fn targets(accounts: &Accounts, recipients: &[Vec<u8>]) -> Result<Vec<Target>, Failure> {
    let mut targets: Vec<Target> = Vec::new();
    for recipient in recipients {
        for mailbox in resolve(accounts, recipient)? {
            if targets
                .iter()
                .any(|known| known.mailbox.maildir == mailbox.maildir)
            {
                continue;
            }
            targets.push(Target {
                recipient: recipient.clone(),
                mailbox,
                delivered_to: trace::delivered_to(recipient),
            });
        }
    }
    Ok(targets)
}

fn resolve(accounts: &Accounts, recipient: &[u8]) -> Result<Vec<Mailbox>, Failure> {
    let refused = |why: &str| {
        let reason = format!("recipient {} {why}", recipient.escape_ascii());
        Err(Failure::new(Code::Refused, reason))
    };
    let (local, domain) = address::split(recipient);
    if domain.is_some_and(|domain| !accounts.is_local(domain)) {
        return refused("is not of a local domain");
    }
    match accounts.resolve(local) {
        Ok(Found::Mailboxes(list)) => Ok(list),
        Ok(Found::Unknown) => refused("has no mailbox here"),
        Err(error @ AccountError::Read(..)) if is_memory(&error) => {
            Err(Failure::new(Code::Memory, error.to_string()))
        }
        Err(error) => Err(Failure::new(Code::Configuration, error.to_string())),
    }
}

fn is_memory(error: &AccountError) -> bool {
    matches!(error, AccountError::Read(_, source) if source.kind() == std::io::ErrorKind::OutOfMemory)
}

fn check_for_loop(targets: &[Target], message: &Spool) -> Result<(), Failure> {
    let lines = targets.iter().map(|target| target.delivered_to.as_slice());
    let mut check = LoopCheck::new(lines);
    message
        .read(|piece| Ok(check.feed(piece)))
        .map_err(|error| Failure::reading("the spool file", &error))?;
    match check.found() {
        None => Ok(()),
        Some(line) => {
            let reason = format!("the message is looping: it has {}", line.escape_ascii());
            Err(Failure::new(Code::Refused, reason))
        }
    }
}

/// Sees to it that `mailbox` is there and ours to write to.
fn prepare(uid: u32, mailbox: &Mailbox) -> Result<(), Failure> {
    let path = mailbox.maildir.display();
    if mailbox.uid != uid {
        let owner = mailbox.uid;
        let reason = format!(
            "unable to deliver to {path}: it belongs to user id {owner} and this program runs as {uid}"
        );
        return Err(Failure::new(Code::Home, reason));
    }
    let home = fs::metadata(&mailbox.home).map_err(|error| {
        let home = mailbox.home.display();
        let reason = format!("unable to use home {home}: {}", os::reason(&error));
        Failure::new(Code::Home, reason)
    })?;
    if !home.is_dir() || home.uid() != uid {
        let home = mailbox.home.display();
        let reason = format!(
            "unable to deliver to {path}: home {home} is no directory that belongs to user id {uid}"
        );
        return Err(Failure::new(Code::Home, reason));
    }
    let maildir = Maildir::at(mailbox.maildir.clone());
    if !maildir.exists() {
        maildir.create_below(&mailbox.home)?;
    }
    maildir.belongs_to(uid).map_err(|part| {
        let part = part.display();
        let reason = format!(
            "unable to deliver to {path}: {part} is no directory that belongs to user id {uid}"
        );
        Failure::new(Code::Home, reason)
    })
}

/// Up to the first link everything can be given up.
fn check_time(deadline: Instant) -> Result<(), Failure> {
    if Instant::now() < deadline {
        return Ok(());
    }
    Err(Failure::new(
        Code::Timeout,
        "the delivery took too long".to_owned(),
    ))
}

fn stage(
    place: &mut Place,
    target: &Target,
    return_path: &[u8],
    message: &Spool,
) -> Result<Staged, Failure> {
    let maildir = Maildir::at(target.mailbox.maildir.clone());
    let mut head = return_path.to_vec();
    head.extend_from_slice(&target.delivered_to);
    let size = head.len() as u64 + message.size();
    let staged = maildir.stage(&mut place.names, place.clock, |file| {
        file.write_all(&head)?;
        message.read(|piece| file.write_all(piece).map(|()| true))?;
        Ok(size)
    })?;
    Ok(staged)
}

#[cfg(test)]
#[path = "deliver_tests.rs"]
mod tests;
