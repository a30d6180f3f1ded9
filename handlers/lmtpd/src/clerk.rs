//! The side that decides and delivers. It reads nothing of the network: what it is asked has been
//! understood by the other side, and is an address, or a message that it does not look into.
//!
//! As root it delivers by [`Hand`]s, one for each owner of mailboxes, some at a time; as anybody else
//! by itself, into mailboxes of that user only.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use accounts::resolve::Source;
use accounts::{Accounts, Home};
use os::names::passwd;
use queue::deliver::{self, Target};
use queue::failure::{Code, Failure};
use queue::spool::Spool;
use wire::Log;

use crate::hands::{self, Hand, Job};
use crate::outcome::Outcome;
use crate::plan::{Owner, Part, Plan};
use crate::record::{Standing, Verdict};

/// How long a delivery may take, up to the moment when the last copy becomes visible. A client waits
/// ten minutes after its dot (RFC 5321 section 4.5.3.2.6).
pub const DELIVERY_TIME: Duration = Duration::from_secs(4 * 60);

/// How many owners are delivered to at a time: the disk can sync their files together.
const HANDS: usize = 8;

/// Whoever answers questions about recipients and takes messages for them. An error is a sentence:
/// there will be no answers any more.
pub trait Desk {
    /// A transaction begins.
    fn mail(&mut self, sender: &[u8]) -> Result<(), String>;
    /// Who is this? One who is here is a recipient of the transaction from now on.
    fn rcpt(&mut self, recipient: &[u8]) -> Result<Standing, String>;
    /// Delivers to all recipients; a verdict for each, in order. The transaction is over.
    fn deliver(&mut self, id: &str, text: Spool) -> Result<Vec<Verdict>, String>;
}

/// How the clerk delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By itself, as this user.
    Alone(u32),
    /// By hands.
    Hands,
}

/// A recipient of the transaction.
#[derive(Debug)]
struct Recipient {
    address: Vec<u8>,
    targets: Vec<Target>,
}

/// The side that decides.
#[derive(Debug)]
pub struct Clerk {
    accounts: Accounts,
    /// Whether accounts may be the system's: those have groups.
    system: bool,
    way: Way,
    host: Vec<u8>,
    log: Log,
    sender: Option<Vec<u8>>,
    recipients: Vec<Recipient>,
}

impl Clerk {
    /// For the accounts of a home; the error is a sentence.
    pub fn new(home: &Home, locals: Vec<Vec<u8>>, way: Way, log: Log) -> Result<Clerk, String> {
        let sources = Source::of(home).map_err(|error| error.to_string())?;
        let accounts = Accounts::open(home, locals).map_err(|error| error.to_string())?;
        Ok(Clerk {
            accounts,
            system: sources.contains(&Source::System),
            way,
            host: os::process::host_name(),
            log,
            sender: None,
            recipients: Vec::new(),
        })
    }

    /// How many recipients the transaction has; `None` where there is no transaction.
    pub fn count(&self) -> Option<usize> {
        self.sender.as_ref().map(|_| self.recipients.len())
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
            let whose = match self.way {
                _ if uid == 0 => "the superuser".to_owned(),
                Way::Alone(own) if own != uid => {
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
        for some in lists.chunks(HANDS) {
            let mut at_work = Vec::with_capacity(some.len());
            for list in some {
                let his: Vec<(usize, Part)> = list
                    .iter()
                    .filter_map(|&number| Some((number, parts.get_mut(number)?.take()?)))
                    .collect();
                if Instant::now() >= job.deadline {
                    let reason = "the delivery took too long".to_owned();
                    let late = hands::refused(&Failure::new(Code::Timeout, reason));
                    list.iter().for_each(|&number| note(number, late.clone()));
                } else if self.way == Way::Hands {
                    let Some(owner) = his.first().map(|(_, part)| part.owner.clone()) else {
                        continue;
                    };
                    match Hand::start(job, &owner, his) {
                        Ok(hand) => at_work.push(hand),
                        Err(error) => {
                            let reason = format!("unable to fork: {}", os::reason(&error));
                            let failed = hands::refused(&Failure::new(Code::Memory, reason));
                            list.iter().for_each(|&number| note(number, failed.clone()));
                        }
                    }
                } else {
                    for (number, part) in his {
                        hands::deliver(job, part, &mut |outcome| note(number, outcome));
                    }
                }
            }
            for hand in at_work {
                let mut missing = hand.parts.clone();
                let (told, why) = hand.finish(job.deadline);
                for (number, outcome) in told {
                    // A process speaks for its own parts alone.
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
                    note(
                        number,
                        hands::lost(format!("the process that delivers: {why}")),
                    );
                }
            }
        }
        let lost = || hands::lost("nobody has delivered it".to_owned());
        done.into_iter()
            .map(|(copies, end)| (copies, end.unwrap_or_else(lost)))
            .collect()
    }

    fn log_part(&mut self, id: &str, sender: &[u8], to: &[u8], copies: &[Outcome], end: &Outcome) {
        let refusal = match end {
            Outcome::Refused { verdict, reason } => Some((verdict, reason)),
            Outcome::Delivered | Outcome::Copy { .. } => None,
        };
        if let Some((Verdict::Refused(reply), reason)) = refusal {
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

impl Desk for Clerk {
    fn mail(&mut self, sender: &[u8]) -> Result<(), String> {
        self.sender = Some(sender.to_vec());
        self.recipients.clear();
        Ok(())
    }

    fn rcpt(&mut self, recipient: &[u8]) -> Result<Standing, String> {
        Ok(match self.find(recipient) {
            Ok(targets) => {
                let address = recipient.to_vec();
                self.recipients.push(Recipient { address, targets });
                Standing::Here
            }
            Err(failure) if failure.code == Code::Refused => Standing::Unknown,
            Err(failure) => {
                let entry = self.log.event("fault").address("to", recipient);
                entry.field("reason", failure.reason.as_bytes()).say();
                Standing::Temporary
            }
        })
    }

    fn deliver(&mut self, id: &str, text: Spool) -> Result<Vec<Verdict>, String> {
        let sender = self.sender.take().unwrap_or_default();
        let (addresses, targets): (Vec<_>, Vec<_>) = std::mem::take(&mut self.recipients)
            .into_iter()
            .map(|recipient| (recipient.address, recipient.targets))
            .unzip();
        let mut owners = Owners::new(self.system && self.way == Way::Hands);
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
        let mut verdicts = Vec::with_capacity(done.len());
        for ((copies, end), first) in done.iter().zip(firsts) {
            let to = addresses.get(first).map_or(&b""[..], Vec::as_slice);
            self.log_part(id, &sender, to, copies, end);
            verdicts.push(match end {
                Outcome::Refused { verdict, .. } => verdict.clone(),
                Outcome::Delivered | Outcome::Copy { .. } => Verdict::Delivered,
            });
        }
        Ok(plan.verdicts(&verdicts))
    }
}

/// Who owns mailboxes, each account looked up once.
struct Owners {
    system: bool,
    known: BTreeMap<(Vec<u8>, u32, u32), Vec<u32>>,
}

impl Owners {
    fn new(system: bool) -> Owners {
        Owners {
            system,
            known: BTreeMap::new(),
        }
    }

    fn of(&mut self, target: &Target) -> Owner {
        let mailbox = &target.mailbox;
        let (uid, gid) = (mailbox.uid, mailbox.gid);
        let groups = if self.system {
            let key = (mailbox.user.clone(), uid, gid);
            let known = self.known.entry(key);
            known
                .or_insert_with(|| groups_of(&mailbox.user, uid, gid))
                .clone()
        } else {
            Vec::new()
        };
        Owner { uid, gid, groups }
    }
}

/// The other groups of a user of the system; none of somebody who only has such a user's name. Groups
/// that cannot be read are not given to anybody: delivering into a Maildir needs none.
fn groups_of(name: &[u8], uid: u32, gid: u32) -> Vec<u32> {
    let user = passwd::user_by_name(name).ok().flatten();
    if user.is_some_and(|user| user.uid == uid && user.gid == gid) {
        passwd::groups_of(name).unwrap_or_default()
    } else {
        Vec::new()
    }
}

#[cfg(test)]
#[path = "clerk_tests.rs"]
mod tests;
