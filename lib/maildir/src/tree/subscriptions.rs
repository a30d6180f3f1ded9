//! Which mailboxes a user wants to see.
//!
//! Dovecot's file `subscriptions` in the root. Version 2 begins with `V`, a tab and `2` and an empty
//! line; then each line is a name, its levels with tabs between them and escaped: `\001` followed by
//! `1`, `t`, `r`, `n` or `0` is `\001`, a tab, CR, LF or NUL. Version 1 is only lines, with dots
//! between the levels. (Seen in files that it wrote.) Where there is none, Courier's
//! `courierimapsubscribed` counts, whose names begin with `INBOX.`; the first change makes
//! Dovecot's of it.
//!
//! The lock is `subscriptions.lock`, as Dovecot has it.

use std::collections::BTreeSet;

use super::{LOCK_WAIT, Name, Tree, TreeError, rewrite};
use crate::dotlock::Dotlock;

const FILE: &str = "subscriptions";
const TEMPORARY: &str = "superd-subscriptions.tmp";
const COURIER: &str = "courierimapsubscribed";

const VERSION_2: &[u8] = b"V\t2";

/// What such a file says. Lines that are no names of ours stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriptions {
    is_version_2: bool,
    lines: Vec<(Vec<u8>, Option<Name>)>,
}

/// Reads Dovecot's file of either version.
pub fn parse(text: &[u8]) -> Subscriptions {
    let mut lines = rewrite::lines(text).peekable();
    let is_version_2 = lines.next_if_eq(&VERSION_2).is_some();
    if is_version_2 {
        // What else the first lines may say to somebody ends with an empty one.
        lines.by_ref().take_while(|line| !line.is_empty()).count();
    }
    let known = |line: &[u8]| {
        let name = match is_version_2 {
            true => unescape(line),
            false => Name::from_disk(line).ok(),
        };
        (line.to_vec(), name)
    };
    Subscriptions {
        is_version_2,
        // Where a version is said in the midst of names, it must not become the first line one day.
        lines: lines.filter(|line| *line != VERSION_2).map(known).collect(),
    }
}

impl Subscriptions {
    /// What a new file begins as.
    fn new() -> Subscriptions {
        Subscriptions {
            is_version_2: true,
            lines: Vec::new(),
        }
    }

    /// From Courier's file.
    fn of_courier(text: &[u8]) -> Subscriptions {
        let mut seen = BTreeSet::new();
        let mut subscriptions = Subscriptions::new();
        for line in rewrite::lines(text) {
            let name = match line.eq_ignore_ascii_case(b"INBOX") {
                true => Ok(Name::inbox()),
                false => Name::from_disk(line.strip_prefix(b"INBOX.").unwrap_or_default()),
            };
            if let Ok(name) = name
                && seen.insert(name.clone())
            {
                subscriptions.lines.push((escape(&name), Some(name)));
            }
        }
        subscriptions
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.lines.iter().filter_map(|(_, name)| name.as_ref())
    }

    /// Adds a name; false if it is there.
    pub fn add(&mut self, name: &Name) -> bool {
        if self.names().any(|other| other == name) {
            return false;
        }
        let line = match self.is_version_2 {
            true => escape(name),
            false => name.as_disk().to_vec(),
        };
        self.lines.push((line, Some(name.clone())));
        true
    }

    /// Takes a name out; false if it is not there.
    pub fn remove(&mut self, name: &Name) -> bool {
        let before = self.lines.len();
        self.lines.retain(|(_, other)| other.as_ref() != Some(name));
        self.lines.len() < before
    }

    /// The file's text, of the version that was read.
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if self.is_version_2 {
            text.extend_from_slice(VERSION_2);
            text.extend_from_slice(b"\n\n");
        }
        for (line, _) in &self.lines {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        text
    }
}

/// A level has no control characters, so that nothing of it needs escaping.
fn escape(name: &Name) -> Vec<u8> {
    name.levels().collect::<Vec<_>>().join(&b'\t')
}

/// The other way round nothing escaped can be in a name: what it stands for is refused in levels.
fn unescape(line: &[u8]) -> Option<Name> {
    Name::new(line.split(|&byte| byte == b'\t')).ok()
}

impl Tree {
    /// The mailboxes that are subscribed, whether they exist or not.
    pub fn subscribed(&self) -> Result<BTreeSet<Name>, TreeError> {
        Ok(self.subscriptions()?.names().cloned().collect())
    }

    fn subscriptions(&self) -> Result<Subscriptions, TreeError> {
        let path = self.root.join(FILE);
        if let Some(text) = rewrite::read(&path).map_err(TreeError::io(&path))? {
            return Ok(parse(&text));
        }
        let path = self.root.join(COURIER);
        let text = rewrite::read(&path).map_err(TreeError::io(&path))?;
        Ok(text.map_or_else(Subscriptions::new, |text| Subscriptions::of_courier(&text)))
    }

    /// Subscribes a name, which need not exist.
    pub fn subscribe(&self, name: &Name) -> Result<(), TreeError> {
        self.change_subscriptions(|subscriptions| subscriptions.add(name))
    }

    /// Takes a subscription back; none is none, too.
    pub fn unsubscribe(&self, name: &Name) -> Result<(), TreeError> {
        self.change_subscriptions(|subscriptions| subscriptions.remove(name))
    }

    fn change_subscriptions(
        &self,
        change: impl FnOnce(&mut Subscriptions) -> bool,
    ) -> Result<(), TreeError> {
        let path = self.root.join(FILE);
        let lock = Dotlock::take(&path, LOCK_WAIT).map_err(TreeError::io(&path))?;
        let mut subscriptions = self.subscriptions()?;
        if !change(&mut subscriptions) {
            return Ok(());
        }
        if !lock.is_held() {
            let error = std::io::Error::other("its lock was taken away");
            return Err(TreeError::Io(path, error));
        }
        rewrite::replace(&path, &self.root.join(TEMPORARY), &subscriptions.to_text())
            .map_err(TreeError::io(&path))
    }
}

#[cfg(test)]
#[path = "subscriptions_tests.rs"]
mod tests;
