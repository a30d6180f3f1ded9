//! The side that decides and delivers. It reads nothing of the network: what it is asked has been
//! understood by the other side, and is an address, or a message that it does not look into.
//!
//! As root it delivers by [`Worker`]s, one for each owner of mailboxes, some at a time; as anybody else
//! by itself, into mailboxes of that user only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use accounts::{Accounts, Home, Source};
use delivery::deliver::{self, Target};
use delivery::failure::{Code, Failure};
use delivery::spool::Spool;
use os::names::passwd;
use wire::Log;

use crate::outcome::Outcome;
use crate::plan::{Owner, Part, Plan};
use crate::record::{RecipientAnswer, RecipientStatus};
use crate::workers::{self, Job, Worker};

/// How long a delivery may take, up to the moment when the last copy becomes visible. A client waits
/// ten minutes after its dot (RFC 5321 section 4.5.3.2.6).
pub const DELIVERY_TIME: Duration = Duration::from_secs(4 * 60);

/// How many owners are delivered to at a time: the disk can sync their files together.
const WORKERS: usize = 8;

/// Answers questions about recipients and takes messages for them. An error is a sentence:
/// there will be no answers any more.
pub trait Delivery {
    /// A transaction begins.
    fn mail(&mut self, sender: &[u8]) -> Result<(), String>;
    /// Who is this? One who is here is a recipient of the transaction from now on.
    fn rcpt(&mut self, recipient: &[u8]) -> Result<RecipientAnswer, String>;
    /// Delivers to all recipients; a status for each, in order. The transaction is over.
    fn deliver(&mut self, id: &str, text: Spool) -> Result<Vec<RecipientStatus>, String>;
}

/// Which processes write into mailboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// This one, as this user.
    InProcess(u32),
    /// Workers, one for each owner of mailboxes.
    Workers,
}

/// The most mailboxes that the recipients of one message may have together. Whoever speaks is not logged
/// in, and everything that he names is kept here until he is done.
pub const TARGET_LIMIT: usize = 5000;

/// The recipients of the transaction, each name looked up once: a large alias can be named a thousand
/// times.
#[derive(Debug, Default)]
struct Recipients {
    /// For each recipient the number of his name.
    list: Vec<usize>,
    /// The names in lower case.
    names: BTreeMap<Vec<u8>, usize>,
    /// The first address of each name, and where it leads.
    found: Vec<(Vec<u8>, Vec<Target>)>,
    targets: usize,
}

/// Looks recipients up in the accounts of this host, and delivers to them.
#[derive(Debug)]
pub struct LocalDelivery {
    accounts: Accounts,
    mode: Mode,
    host: Vec<u8>,
    log: Log,
    sender: Option<Vec<u8>>,
    recipients: Recipients,
}

impl LocalDelivery {
    /// For the accounts of a home; the error is a sentence.
    pub fn new(
        home: &Home,
        locals: Vec<Vec<u8>>,
        mode: Mode,
        log: Log,
    ) -> Result<LocalDelivery, String> {
        let accounts = Accounts::open(home, locals).map_err(|error| error.to_string())?;
        Ok(LocalDelivery {
            accounts,
            mode,
            host: os::process::host_name(),
            log,
            sender: None,
            recipients: Recipients::default(),
        })
    }

    /// How many recipients the transaction has; `None` where there is no transaction.
    pub fn count(&self) -> Option<usize> {
        self.sender.as_ref().map(|_| self.recipients.list.len())
    }

    /// Writes to the log what has gone wrong on this side.
    pub fn fault(&mut self, reason: &str) {
        let entry = self.log.event("fault");
        entry.field("reason", reason.as_bytes()).say();
    }

    fn find(&mut self, recipient: &[u8]) -> Result<Vec<Target>, Failure> {
        let targets = deliver::targets(&self.accounts, &[recipient.to_vec()])?;
        for target in &targets {
            let uid = target.mailbox.uid;
            let whose = match self.mode {
                _ if uid == 0 => "the superuser".to_owned(),
                Mode::InProcess(own) if own != uid => {
                    format!("user id {uid} and this program runs as {own}")
                }
                _ => continue,
            };
            let path = target.mailbox.maildir.display();
            let reason = format!("unable to deliver to {path}: it belongs to {whose}");
            return Err(Failure::new(Code::Home, reason));
        }
        Ok(targets)
    }

    /// Delivers as the plan says; an outcome for each part, and the copies that were made.
    fn work(&mut self, plan: &mut Plan, job: Job<'_>) -> Vec<(Vec<Outcome>, Outcome)> {
        let lists = plan.by_owner();
        let mut parts: Vec<Option<Part>> = plan.parts.drain(..).map(Some).collect();
        let mut done: Vec<(Vec<Outcome>, Option<Outcome>)> =
            parts.iter().map(|_| (Vec::new(), None)).collect();
        let mut note = |number: usize, outcome: Outcome| {
            let Some((copies, end)) = done.get_mut(number) else {
                return;
            };
            match outcome {
                Outcome::Copy { .. } => copies.push(outcome),
                end_of_it => *end = Some(end_of_it),
            }
        };
        let by = job.deadline + workers::GRACE;
        let mut lists = lists.into_iter();
        let mut at_work: Vec<Worker> = Vec::with_capacity(WORKERS);
        loop {
            // Whoever is slow holds up himself: another begins where one has ended.
            while at_work.len() < WORKERS
                && let Some(list) = lists.next()
            {
                let his: Vec<(usize, Part)> = list
                    .iter()
                    .filter_map(|&number| Some((number, parts.get_mut(number)?.take()?)))
                    .collect();
                if Instant::now() >= job.deadline {
                    let reason = "the delivery took too long".to_owned();
                    let late = workers::refused(&Failure::new(Code::Timeout, reason));
                    list.iter().for_each(|&number| note(number, late.clone()));
                } else if self.mode == Mode::Workers {
                    let Some(owner) = his.first().map(|(_, part)| part.owner.clone()) else {
                        continue;
                    };
                    match Worker::start(job, &owner, his) {
                        Ok(worker) => at_work.push(worker),
                        Err(error) => {
                            let reason = format!("unable to fork: {}", os::reason(&error));
                            let failed = workers::refused(&Failure::new(Code::Memory, reason));
                            list.iter().for_each(|&number| note(number, failed.clone()));
                        }
                    }
                } else {
                    for (number, part) in his {
                        workers::deliver(job, part, &mut |outcome| note(number, outcome));
                    }
                }
            }
            if at_work.is_empty() {
                break;
            }
            let (still, ended): (Vec<Worker>, Vec<Worker>) =
                workers::listen::<WORKERS>(at_work, by);
            at_work = still;
            for worker in ended {
                settle(worker, by, &mut note);
            }
        }
        let lost = || workers::lost("nobody has delivered it".to_owned());
        done.into_iter()
            .map(|(copies, end)| (copies, end.unwrap_or_else(lost)))
            .collect()
    }

    fn log_part(&mut self, id: &str, sender: &[u8], to: &[u8], copies: &[Outcome], end: &Outcome) {
        let refusal = match end {
            Outcome::Refused { status, reason } => Some((status, reason)),
            Outcome::Delivered | Outcome::Copy { .. } => None,
        };
        if let Some((RecipientStatus::Refused(reply), reason)) = refusal {
            self.log
                .event("fail")
                .field("qp", id.as_bytes())
                .address("from", sender)
                .address("to", to)
                .field("reply", reply.as_bytes())
                .field("reason", reason)
                .say();
            return;
        }
        for copy in copies {
            let Outcome::Copy { path, size, taken } = copy else {
                continue;
            };
            self.log
                .event(if *taken { "filter" } else { "deliver" })
                .field("qp", id.as_bytes())
                .address("from", sender)
                .address("to", to)
                .number("size", *size)
                .field("file", path.as_os_str().as_encoded_bytes())
                .say();
        }
    }
}

/// Notes what a worker has reported; it speaks for its own parts alone.
fn settle(worker: Worker, by: Instant, note: &mut dyn FnMut(usize, Outcome)) {
    let mut missing = worker.parts.clone();
    let (reported, why) = worker.finish(by);
    for (number, outcome) in reported {
        if !missing.contains(&number) {
            continue;
        }
        if !matches!(outcome, Outcome::Copy { .. }) {
            missing.retain(|&part| part != number);
        }
        note(number, outcome);
    }
    let why = why.unwrap_or_else(|| "it said nothing".to_owned());
    for number in missing {
        let lost = workers::lost(format!("the process that delivers: {why}"));
        note(number, lost);
    }
}

impl Delivery for LocalDelivery {
    fn mail(&mut self, sender: &[u8]) -> Result<(), String> {
        self.sender = Some(sender.to_vec());
        self.recipients = Recipients::default();
        Ok(())
    }

    fn rcpt(&mut self, recipient: &[u8]) -> Result<RecipientAnswer, String> {
        let name = recipient.to_ascii_lowercase();
        if let Some(&number) = self.recipients.names.get(&name) {
            self.recipients.list.push(number);
            return Ok(RecipientAnswer::Here);
        }
        Ok(match self.find(recipient) {
            Ok(targets) if self.recipients.targets + targets.len() > TARGET_LIMIT => {
                let reason = format!(
                    "the recipients of one message have more than {TARGET_LIMIT} mailboxes"
                );
                let entry = self.log.event("fault").address("to", recipient);
                entry.field("reason", reason.as_bytes()).say();
                RecipientAnswer::Temporary
            }
            Ok(targets) => {
                let all = &mut self.recipients;
                all.targets += targets.len();
                all.names.insert(name, all.found.len());
                all.list.push(all.found.len());
                all.found.push((recipient.to_vec(), targets));
                RecipientAnswer::Here
            }
            Err(failure) if failure.code == Code::Refused => RecipientAnswer::Unknown,
            Err(failure) => {
                let entry = self.log.event("fault").address("to", recipient);
                entry.field("reason", failure.reason.as_bytes()).say();
                RecipientAnswer::Temporary
            }
        })
    }

    fn deliver(&mut self, id: &str, text: Spool) -> Result<Vec<RecipientStatus>, String> {
        let sender = self.sender.take().unwrap_or_default();
        let Recipients { list, found, .. } = std::mem::take(&mut self.recipients);
        let (addresses, targets): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let owners = match self.mode {
            Mode::Workers => Owners::of_system(&targets),
            Mode::InProcess(_) => Owners::alone(),
        };
        let mut plan = Plan::of(&targets, |target| owners.of(target));
        let firsts: Vec<usize> = plan.parts.iter().map(|part| part.recipient).collect();
        let host = self.host.clone();
        let job = Job {
            sender: &sender,
            message: &text,
            host: &host,
            deadline: Instant::now() + DELIVERY_TIME,
        };
        let done = self.work(&mut plan, job);
        let mut statuses = Vec::with_capacity(done.len());
        for ((copies, end), first) in done.iter().zip(firsts) {
            let to = addresses.get(first).map_or(&b""[..], Vec::as_slice);
            self.log_part(id, &sender, to, copies, end);
            statuses.push(match end {
                Outcome::Refused { status, .. } => status.clone(),
                Outcome::Delivered | Outcome::Copy { .. } => RecipientStatus::Delivered,
            });
        }
        let of_name = plan.statuses(&statuses);
        let lost = || RecipientStatus::refused(false, "4.3.0", "sorry, nobody has delivered it");
        let of_recipient = |name: usize| of_name.get(name).cloned().unwrap_or_else(lost);
        Ok(list.into_iter().map(of_recipient).collect())
    }
}

/// Who owns mailboxes.
struct Owners {
    groups: BTreeMap<Vec<u8>, Vec<u32>>,
}

impl Owners {
    /// Reads the groups of those owners of `targets` that are users of the system. Groups that cannot be
    /// read are not given to anybody: delivering into a Maildir needs none.
    fn of_system(targets: &[Vec<Target>]) -> Owners {
        let mailboxes = targets.iter().flatten().map(|target| &target.mailbox);
        let users: BTreeSet<Vec<u8>> = mailboxes
            .filter(|mailbox| mailbox.source == Source::System)
            .map(|mailbox| mailbox.user.clone())
            .collect();
        let groups = match users.is_empty() {
            true => BTreeMap::new(),
            false => passwd::groups_of_each(&users).unwrap_or_default(),
        };
        Owners { groups }
    }

    /// Without any groups.
    fn alone() -> Owners {
        Owners {
            groups: BTreeMap::new(),
        }
    }

    /// Somebody who only has the name of a user of the system has none of his groups.
    fn of(&self, target: &Target) -> Owner {
        let mailbox = &target.mailbox;
        let groups = match mailbox.source {
            Source::System => self.groups.get(&mailbox.user).cloned().unwrap_or_default(),
            Source::Users => Vec::new(),
        };
        let (uid, gid) = (mailbox.uid, mailbox.gid);
        Owner { uid, gid, groups }
    }
}

#[cfg(test)]
#[path = "local_delivery_tests.rs"]
mod tests;
