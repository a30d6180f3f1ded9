//! What mailboxes are for (RFC 6154).
//!
//! The file `superd-special-use` in the root has a line for each use that a client gave a mailbox:
//! the attribute, a tab, and the name as on the disk (`\Sent`, tab, `Mail.Sent`). For an attribute
//! that no mailbox has by that, the one with a well-known name has it.

use std::collections::{BTreeMap, BTreeSet};

use super::{LOCK_WAIT, Name, Tree, TreeError, rewrite};
use crate::dotlock::Dotlock;

const FILE: &str = "superd-special-use";
const TEMPORARY: &str = "superd-special-use.tmp";

/// What a mailbox is for. `\All` and `\Flagged` are views of other mailboxes, which there are none of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Where old messages are put.
    Archive,
    /// Drafts.
    Drafts,
    /// What was found to be spam.
    Junk,
    /// Copies of what was sent.
    Sent,
    /// What was deleted.
    Trash,
}

/// The uses, their attributes, and the names that say it without a word, the best first.
const USES: [(Use, &str, &[&str]); 5] = [
    (Use::Archive, "\\Archive", &["Archive", "Archives"]),
    (Use::Drafts, "\\Drafts", &["Drafts"]),
    (Use::Junk, "\\Junk", &["Junk", "Spam"]),
    (
        Use::Sent,
        "\\Sent",
        &["Sent", "Sent Messages", "Sent Items"],
    ),
    (
        Use::Trash,
        "\\Trash",
        &["Trash", "Deleted Messages", "Deleted Items"],
    ),
];

impl Use {
    /// By its attribute, in any case.
    pub fn of(attribute: &[u8]) -> Option<Use> {
        let mut uses = USES.iter();
        uses.find(|(_, text, _)| attribute.eq_ignore_ascii_case(text.as_bytes()))
            .map(|&(special, _, _)| special)
    }

    /// Its attribute, with the backslash.
    pub fn attribute(self) -> &'static str {
        match self {
            Use::Archive => "\\Archive",
            Use::Drafts => "\\Drafts",
            Use::Junk => "\\Junk",
            Use::Sent => "\\Sent",
            Use::Trash => "\\Trash",
        }
    }
}

impl Tree {
    /// What those of the mailboxes `there` are for that are for something.
    ///
    /// A file that cannot be read says nothing: the names are still there.
    pub fn special_of(&self, there: &BTreeSet<Name>) -> BTreeMap<Name, Vec<Use>> {
        let text = rewrite::read(&self.root.join(FILE)).ok().flatten();
        uses(&text.unwrap_or_default(), there)
    }

    /// Says that a mailbox is for these uses and no others.
    pub fn set_special(&self, name: &Name, uses: &[Use]) -> Result<(), TreeError> {
        self.change_special(
            |line| match parsed(line) {
                Some((_, other)) if other == *name => None,
                _ => Some(line.to_vec()),
            },
            &uses
                .iter()
                .map(|special| line(*special, name))
                .collect::<Vec<_>>(),
        )
    }

    /// After a deletion. A line that stays says nothing, for its mailbox is not there.
    pub(super) fn forget_special(&self, name: &Name) {
        let _ = self.set_special(name, &[]);
    }

    /// After a renaming, with all below it.
    pub(super) fn move_special(&self, from: &Name, to: &Name) {
        let moved = |text: &[u8]| {
            let new = parsed(text).and_then(|(special, name)| {
                let name = name.moved(from, to)?.ok()?;
                Some(line(special, &name))
            });
            Some(new.unwrap_or_else(|| text.to_vec()))
        };
        let _ = self.change_special(moved, &[]);
    }

    /// Gives each line to `change`, adds `more`, and writes the file if that made a difference.
    fn change_special(
        &self,
        change: impl Fn(&[u8]) -> Option<Vec<u8>>,
        more: &[Vec<u8>],
    ) -> Result<(), TreeError> {
        let path = self.root.join(FILE);
        let read = || rewrite::read(&path).map_err(TreeError::io(&path));
        if more.is_empty() && read()?.is_none() {
            return Ok(());
        }
        let lock = Dotlock::take(&path, LOCK_WAIT).map_err(TreeError::io(&path))?;
        let old = read()?.unwrap_or_default();
        let mut text = Vec::new();
        for line in rewrite::lines(&old)
            .filter_map(change)
            .chain(more.iter().cloned())
        {
            text.extend_from_slice(&line);
            text.push(b'\n');
        }
        if text == old {
            return Ok(());
        }
        if !lock.is_held() {
            let error = std::io::Error::other("its lock was taken away");
            return Err(TreeError::Io(path, error));
        }
        rewrite::replace(&path, &self.root.join(TEMPORARY), &text).map_err(TreeError::io(&path))
    }
}

fn line(special: Use, name: &Name) -> Vec<u8> {
    [special.attribute().as_bytes(), b"\t", name.as_disk()].concat()
}

fn parsed(line: &[u8]) -> Option<(Use, Name)> {
    let tab = memchr::memchr(b'\t', line)?;
    let special = Use::of(&line[..tab])?;
    Some((special, Name::from_disk(&line[tab + 1..]).ok()?))
}

/// What mailboxes are for by the text of the file and by their names.
fn uses(text: &[u8], there: &BTreeSet<Name>) -> BTreeMap<Name, Vec<Use>> {
    let mut uses: BTreeMap<Name, Vec<Use>> = BTreeMap::new();
    let mut said = BTreeSet::new();
    for (special, name) in rewrite::lines(text).filter_map(parsed) {
        if there.contains(&name) {
            said.insert(special);
            uses.entry(name).or_default().push(special);
        }
    }
    for (special, _, names) in USES {
        if said.contains(&special) {
            continue;
        }
        if let Some(name) = names.iter().find_map(|name| well_known(name, there)) {
            uses.entry(name.clone()).or_default().push(special);
        }
    }
    for of_one in uses.values_mut() {
        of_one.sort_unstable();
        of_one.dedup();
    }
    uses
}

/// The mailbox at the first level with this name: exactly, or else in another case.
fn well_known<'n>(name: &str, there: &'n BTreeSet<Name>) -> Option<&'n Name> {
    let exact = there
        .iter()
        .find(|there| there.as_disk() == name.as_bytes());
    let in_any_case = |there: &&Name| there.as_disk().eq_ignore_ascii_case(name.as_bytes());
    exact.or_else(|| there.iter().find(in_any_case))
}

#[cfg(test)]
#[path = "special_tests.rs"]
mod tests;
