//! Which copies are made by whom: pure.
//!
//! A mailbox gets one copy, however many recipients lead to it. The copies that the first recipient to
//! lead there brings, as far as they belong to one owner, are a **part**: made all or none. What
//! becomes of a recipient is the worst of the parts that his mailboxes are in. So a recipient with
//! mailboxes of two owners (an alias) whose second part fails is told so, though the first part is
//! delivered: his message comes again, and the first owner has it twice. It is never lost.

use std::collections::BTreeMap;
use std::path::PathBuf;

use delivery::deliver::Target;

use crate::record::RecipientStatus;

/// Who makes copies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The user id.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// The other groups.
    pub groups: Vec<u32>,
}

/// Copies that are made all or none.
#[derive(Debug)]
pub struct Part {
    /// Who makes them.
    pub owner: Owner,
    /// The recipient that they are for, as a place in the list.
    pub recipient: usize,
    /// Where they go.
    pub targets: Vec<Target>,
}

/// What is to be done for the recipients of one message.
#[derive(Debug, Default)]
pub struct Plan {
    /// The parts.
    pub parts: Vec<Part>,
    /// For each recipient the numbers of his parts.
    pub of_recipient: Vec<Vec<usize>>,
}

impl Plan {
    /// For recipients with these targets each; `owner` says who a target's is.
    pub fn of(recipients: &[Vec<Target>], mut owner: impl FnMut(&Target) -> Owner) -> Plan {
        let mut plan = Plan::default();
        let mut known: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for (recipient, targets) in recipients.iter().enumerate() {
            let first_own = plan.parts.len();
            let mut his = Vec::new();
            for target in targets {
                let part = match known.get(&target.mailbox.maildir) {
                    Some(&part) => part,
                    None => {
                        let part = plan.part(first_own, recipient, owner(target));
                        known.insert(target.mailbox.maildir.clone(), part);
                        plan.parts[part].targets.push(target.clone());
                        part
                    }
                };
                if !his.contains(&part) {
                    his.push(part);
                }
            }
            plan.of_recipient.push(his);
        }
        plan
    }

    /// The number of this recipient's part of that owner, which is made if it is not there.
    fn part(&mut self, first_own: usize, recipient: usize, owner: Owner) -> usize {
        let found = self.parts[first_own..]
            .iter()
            .position(|part| part.owner == owner);
        if let Some(found) = found {
            return first_own + found;
        }
        self.parts.push(Part {
            owner,
            recipient,
            targets: Vec::new(),
        });
        self.parts.len() - 1
    }

    /// The numbers of the parts of each owner, in the order in which owners are first named.
    pub fn by_owner(&self) -> Vec<Vec<usize>> {
        let mut places: BTreeMap<&Owner, usize> = BTreeMap::new();
        let mut lists: Vec<Vec<usize>> = Vec::new();
        for (number, part) in self.parts.iter().enumerate() {
            let place = *places.entry(&part.owner).or_insert(lists.len());
            match lists.get_mut(place) {
                Some(list) => list.push(number),
                None => lists.push(vec![number]),
            }
        }
        lists
    }

    /// The statuses of the recipients from those of the parts: where parts differ, a temporary refusal
    /// goes before one for good, for what comes again may yet arrive.
    pub fn statuses(&self, parts: &[RecipientStatus]) -> Vec<RecipientStatus> {
        let status = |his: &Vec<usize>| {
            let mut worst = RecipientStatus::Delivered;
            for status in his.iter().filter_map(|&part| parts.get(part)) {
                if rank(status) > rank(&worst) {
                    worst = status.clone();
                }
            }
            worst
        };
        self.of_recipient.iter().map(status).collect()
    }
}

fn rank(status: &RecipientStatus) -> u8 {
    match status {
        RecipientStatus::Delivered => 0,
        RecipientStatus::Refused(reply) if reply.starts_with('5') => 1,
        RecipientStatus::Refused(_) => 2,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
