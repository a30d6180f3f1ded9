//! The order of a delivery: find out everything, write everything, then show it.
//!
//! 1. Every recipient is resolved; one that is nobody, or a loop, refuses the whole message.
//! 2. Every mailbox must belong to the user that this process runs as. So root delivers nothing:
//!    a path in a user's hands is not to be written to with root's rights. A missing Maildir is
//!    made, in a home that exists and belongs to that user.
//! 3. All copies for an account must fit into its quota.
//! 4. Every copy is written and synced in `tmp`.
//! 5. Filters are asked, each about its copy.
//! 6. What is added is noted for the quotas, all are linked into `new`, and the directories are synced.
//!
//! [`prepare`] is everything up to step 6: nothing is visible to anybody, and a failure takes everything
//! back. (What a filter has done meanwhile it may do again, when the message comes again.)
//! [`Prepared::publish`] is step 6.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use accounts::resolve::LEARN_LIMIT;
use accounts::{AccountError, Accounts, Found, Mailbox, address};
use maildir::quota::{self, Account, Change, Entry, Fit, Limits, Usage};
use maildir::{Delivered, Maildir, Names, Staged};

use crate::failure::{Code, Failure, printable};
use crate::filter::{self, Decision, Question};
use crate::spool::Spool;
use crate::trace::{self, LoopCheck};

/// One process in so many looks for files of dead deliveries in the Maildirs that it delivers to.
const SWEEP_EVERY: u32 = 64;

/// What a name in a directory may want: a block for it.
const NAME_BYTES: u64 = 4096;

/// What the process that delivers has besides the message: its user, its names for files, its clock.
#[derive(Debug)]
pub struct Deliverer {
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
    /// The file; where a filter has taken the message, the filter.
    pub message: Delivered,
    /// Whether a filter has taken it, so that there is no copy.
    pub taken: bool,
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

impl Target {
    /// The two lines on top of its copy.
    fn head(&self, sender: &[u8]) -> Vec<u8> {
        let mut head = trace::return_path(sender);
        head.extend_from_slice(&self.delivered_to);
        head
    }
}

/// Delivers `message` to all of `targets`, or to none of them.
pub fn deliver(
    deliverer: &mut Deliverer,
    sender: &[u8],
    targets: Vec<Target>,
    message: &Spool,
) -> Result<Vec<Delivery>, Failure> {
    prepare(deliverer, sender, targets, message)?.publish(deliverer)
}

/// Copies that are on the disk, and that nobody sees yet. Dropped, they are taken away.
#[derive(Debug)]
pub struct Prepared {
    copies: Copies,
    /// What filters have taken.
    taken: Vec<Delivery>,
    /// Nothing that could be found out before may stand in the way any more.
    promised: bool,
}

/// Does everything for `targets` that can be refused or can want room, but for the names in `new`.
pub fn prepare(
    deliverer: &mut Deliverer,
    sender: &[u8],
    targets: Vec<Target>,
    message: &Spool,
) -> Result<Prepared, Failure> {
    check_for_loop(&targets, message)?;
    for target in &targets {
        check_time(deliverer.deadline)?;
        let mailbox = &target.mailbox;
        check_mailbox(deliverer.uid, &mailbox.home, mailbox.uid, &mailbox.maildir)?;
    }
    check_quotas(deliverer, sender, &targets, message)?;
    // Here and not when all is done: what goes wrong in it, and be it a panic, must not deny what was delivered.
    if std::process::id().is_multiple_of(SWEEP_EVERY) {
        for target in &targets {
            Maildir::at(target.mailbox.maildir.clone()).sweep((deliverer.clock)());
        }
    }
    let mut copies = Vec::with_capacity(targets.len());
    for target in targets {
        check_time(deliverer.deadline)?;
        let staged = stage(deliverer, &target, sender, message)?;
        copies.push((target, staged));
    }
    let (copies, taken) = ask_filters(deliverer, sender, copies, message)?;
    check_time(deliverer.deadline)?;
    Ok(Prepared {
        copies,
        taken,
        promised: false,
    })
}

impl Prepared {
    /// Sees that there is room for the names, which are all that is still to be made, as far as the file systems
    /// tell. From then on the quotas, which have been asked, stand in the way of nothing: who has filled the
    /// mailbox meanwhile was faster by less than one message.
    pub fn promise(&mut self) -> Result<(), Failure> {
        let names = self.copies.len() as u64;
        let maildirs: BTreeSet<&Path> = self
            .copies
            .iter()
            .map(|(target, _)| target.mailbox.maildir.as_path())
            .collect();
        for maildir in maildirs {
            // Who does not tell may have it.
            let Ok(room) = os::file::room(maildir) else {
                continue;
            };
            if room.bytes < names * NAME_BYTES || room.files.is_some_and(|files| files < names) {
                let reason = format!(
                    "unable to link into {}: out of disk space",
                    maildir.display()
                );
                return Err(Failure::new(Code::Write, reason));
            }
        }
        self.promised = true;
        Ok(())
    }

    /// Shows all copies, or none of them; what was delivered, each with its recipient.
    pub fn publish(self, deliverer: &mut Deliverer) -> Result<Vec<Delivery>, Failure> {
        let mut done = self.taken;
        let (targets, staged): (Vec<Target>, Vec<Staged>) = self.copies.into_iter().unzip();
        // An error takes back what is noted.
        let noted = note(&targets, &staged, self.promised)?;
        let delivered = maildir::publish_all(staged, &mut deliverer.names, deliverer.clock)?;
        for (entry, more) in noted {
            entry.settle(Change::more(more));
        }
        let pairs = targets.into_iter().zip(delivered);
        done.extend(pairs.map(|(target, message)| Delivery {
            recipient: target.recipient,
            message,
            taken: false,
        }));
        Ok(done)
    }
}

/// The quota that what goes into a mailbox counts for. The folder for what was thrown away has none.
fn counted(mailbox: &Mailbox) -> Option<Limits> {
    let quota = mailbox.quota?;
    if mailbox.maildir != mailbox.inbox && mailbox.maildir.ends_with(quota::TRASH) {
        return None;
    }
    Some(Limits {
        bytes: quota.bytes,
        messages: quota.messages,
    })
}

/// Whether a message of `size` bytes is surely too much for a mailbox: the cheap question for the moment
/// at which its recipient is named, which may be asked as any user ([`quota::would_exceed`]). An error is
/// of reading what is there; then the delivery decides.
pub fn is_full(mailbox: &Mailbox, size: u64) -> io::Result<bool> {
    counted(mailbox).map_or(Ok(false), |limits| {
        quota::would_exceed(&mailbox.inbox, &limits, size)
    })
}

fn one(bytes: u64) -> Usage {
    Usage { bytes, messages: 1 }
}

/// What comes to each account that has a quota, with a target of it.
type Sums<'t> = BTreeMap<&'t Path, (Usage, Limits, &'t Target)>;

fn sums<'t>(copies: impl Iterator<Item = (&'t Target, u64)>) -> Sums<'t> {
    let mut sums = Sums::new();
    for (target, size) in copies {
        if let Some(limits) = counted(&target.mailbox) {
            let empty = (Usage::default(), limits, target);
            let sum = sums.entry(&target.mailbox.inbox).or_insert(empty);
            sum.0 = sum.0.plus(one(size));
        }
    }
    sums
}

/// Refuses the message where the copies for one account are too much for it, before any is written.
fn check_quotas(
    deliverer: &Deliverer,
    sender: &[u8],
    targets: &[Target],
    message: &Spool,
) -> Result<(), Failure> {
    let size = |target: &Target| target.head(sender).len() as u64 + message.size();
    let copies = targets.iter().map(|target| (target, size(target)));
    for (inbox, (more, limits, target)) in sums(copies) {
        check_time(deliverer.deadline)?;
        let account = Account::new(inbox.to_owned(), Some(limits));
        let fit = account.fits(more);
        if fit.map_err(|error| uncounted(inbox, &error))? == Fit::Full {
            return Err(full(inbox, more, target));
        }
    }
    Ok(())
}

/// Notes for the quotas what is to be added; an error is that it is too much, unless it was promised.
fn note(
    targets: &[Target],
    staged: &[Staged],
    promised: bool,
) -> Result<Vec<(Entry, Usage)>, Failure> {
    let mut noted = Vec::new();
    let sizes = staged.iter().map(Staged::size);
    for (inbox, (more, limits, target)) in sums(targets.iter().zip(sizes)) {
        let account = Account::new(inbox.to_owned(), Some(limits));
        let Some(mut entry) = account.begin() else {
            continue;
        };
        let has_room = entry.reserve(more);
        if !promised && !has_room.map_err(|error| uncounted(inbox, &error))? {
            return Err(full(inbox, more, target));
        }
        noted.push((entry, more));
    }
    Ok(noted)
}

fn uncounted(inbox: &Path, error: &io::Error) -> Failure {
    let reason = os::reason(error);
    let reason = format!("unable to count what is in {}: {reason}", inbox.display());
    Failure::writing(reason, error, Code::Home)
}

fn full(inbox: &Path, more: Usage, target: &Target) -> Failure {
    let reason = format!(
        "{} is full: {} bytes more are over its quota",
        inbox.display(),
        more.bytes
    );
    let text = format!("mailbox of {} is full", printable(&target.recipient));
    Failure::new(Code::Refused, reason).telling("5.2.2", &text)
}

/// Copies that are to be delivered, with where they go.
type Copies = Vec<(Target, Staged)>;

/// Asks the filter of each copy; what is left to be delivered, and what the filters have taken.
fn ask_filters(
    deliverer: &mut Deliverer,
    sender: &[u8],
    copies: Copies,
    message: &Spool,
) -> Result<(Copies, Vec<Delivery>), Failure> {
    let mut kept = Vec::with_capacity(copies.len());
    let mut taken = Vec::new();
    for (mut target, mut staged) in copies {
        let Some(filter) = &target.mailbox.filter else {
            kept.push((target, staged));
            continue;
        };
        check_time(deliverer.deadline)?;
        let question = Question {
            mailbox: &target.mailbox,
            sender,
            recipient: &target.recipient,
        };
        match question.ask(&staged.open()?, deliverer.uid, deliverer.deadline)? {
            Decision::Taken => {
                let path = filter.path.clone();
                let size = staged.size();
                taken.push(Delivery {
                    recipient: target.recipient,
                    message: Delivered { path, size },
                    taken: true,
                });
                continue;
            }
            Decision::Folder(name) => {
                let mailbox = &mut target.mailbox;
                if let Some(folder) = filter::folder(&mailbox.inbox, &name) {
                    check_mailbox(deliverer.uid, &mailbox.home, mailbox.uid, &folder)?;
                    let near = same_device(&mailbox.maildir, &folder);
                    mailbox.maildir = folder;
                    if near {
                        staged.redirect(&Maildir::at(mailbox.maildir.clone()));
                    } else {
                        staged = stage(deliverer, &target, sender, message)?;
                    }
                }
            }
            // The last two are errors of `ask`.
            Decision::Deliver | Decision::Refuse(_) | Decision::Defer(_) => {}
        }
        kept.push((target, staged));
    }
    Ok((kept, taken))
}

fn same_device(one: &Path, other: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev());
    matches!((device(one), device(other)), (Ok(one), Ok(other)) if one == other)
}

/// The mailboxes of all recipients, each once, with the first recipient that leads to it. One
/// recipient who is nobody here makes all of them fail.
pub fn targets(accounts: &Accounts, recipients: &[Vec<u8>]) -> Result<Vec<Target>, Failure> {
    let mut targets: Vec<Target> = Vec::new();
    let mut known: BTreeSet<PathBuf> = BTreeSet::new();
    let mut asked: BTreeSet<Vec<u8>> = BTreeSet::new();
    for (at, recipient) in recipients.iter().enumerate() {
        if at.is_multiple_of(LEARN_LIMIT) {
            let next = recipients.get(at..).unwrap_or_default();
            accounts.learn(next.iter().map(|recipient| address::split(recipient).0));
        }
        // A large alias that is named a thousand times is expanded once.
        if !asked.insert(recipient.to_ascii_lowercase()) {
            continue;
        }
        for mailbox in resolve(accounts, recipient)? {
            if !known.insert(mailbox.maildir.clone()) {
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
    let refused = |why: &str, enhanced| {
        let reason = format!("recipient {} {why}", recipient.escape_ascii());
        let text = format!("recipient {} {why}", printable(recipient));
        Err(Failure::new(Code::Refused, reason).telling(enhanced, &text))
    };
    let (local, domain) = address::split(recipient);
    if domain.is_some_and(|domain| !accounts.is_local(domain)) {
        return refused("is not of a local domain", "5.1.2");
    }
    match accounts.resolve(local) {
        Ok(Found::Mailboxes(list)) => Ok(list),
        Ok(Found::Unknown) => refused("has no mailbox here", "5.1.1"),
        Err(error @ AccountError::Read(..)) if is_memory(&error) => {
            Err(Failure::new(Code::Memory, error.to_string()))
        }
        Err(error @ AccountError::Home { .. }) => Err(Failure::new(Code::Home, error.to_string())),
        Err(error) => Err(Failure::new(Code::Configuration, error.to_string())),
    }
}

fn is_memory(error: &AccountError) -> bool {
    matches!(error, AccountError::Read(_, source) if source.kind() == io::ErrorKind::OutOfMemory)
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
            let text = "too many hops, this message is looping";
            Err(Failure::new(Code::Refused, reason).telling("5.4.6", text))
        }
    }
}

/// Sees to it that the Maildir at `path` of the account with this home and this owner is there and ours
/// to write to.
fn check_mailbox(uid: u32, home: &Path, owner: u32, path: &Path) -> Result<(), Failure> {
    let maildir = Maildir::at(path.to_owned());
    let path = path.display();
    if owner != uid {
        let reason = format!(
            "unable to deliver to {path}: it belongs to user id {owner} and this program runs as {uid}"
        );
        return Err(Failure::new(Code::Home, reason));
    }
    let meta = fs::metadata(home).map_err(|error| {
        let home = home.display();
        let reason = format!("unable to use home {home}: {}", os::reason(&error));
        Failure::new(Code::Home, reason)
    })?;
    if !meta.is_dir() || meta.uid() != uid {
        let home = home.display();
        let reason = format!(
            "unable to deliver to {path}: home {home} is no directory that belongs to user id {uid}"
        );
        return Err(Failure::new(Code::Home, reason));
    }
    if !maildir.exists() {
        maildir.create_below(home)?;
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
    deliverer: &mut Deliverer,
    target: &Target,
    sender: &[u8],
    message: &Spool,
) -> Result<Staged, Failure> {
    let maildir = Maildir::at(target.mailbox.maildir.clone());
    let head = target.head(sender);
    let size = head.len() as u64 + message.size();
    let staged = maildir.stage(&mut deliverer.names, deliverer.clock, |file| {
        file.write_all(&head)?;
        message.read(|piece| file.write_all(piece).map(|()| true))?;
        Ok(size)
    })?;
    Ok(staged)
}

#[cfg(test)]
#[path = "deliver_tests.rs"]
mod tests;
