//! Which mailboxes there are.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry};
use std::io;

use super::{Name, Tree, TreeError};

/// One name of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name.
    pub name: Name,
    /// Whether it is a mailbox. If not, it only has others below it.
    pub selectable: bool,
    /// Whether there are others below it.
    pub has_children: bool,
}

impl Tree {
    /// All names in order: INBOX, the mailboxes, and what is above them.
    ///
    /// One reading of the root, without a look into the mailboxes: 10,000 of them are no effort. A
    /// link to a directory counts as one, as it does with Dovecot.
    pub fn list(&self) -> Result<Vec<Listed>, TreeError> {
        let mut names: BTreeMap<Name, (bool, bool)> = BTreeMap::new();
        names.insert(Name::inbox(), (true, false));
        for name in self.on_disk().map_err(TreeError::io(&self.root))? {
            let mut parent = name.parent();
            while let Some(above) = parent {
                let next = above.parent();
                let known = names.entry(above).or_default();
                // Where this is known, all that is above is known, too.
                parent = match std::mem::replace(&mut known.1, true) {
                    true => None,
                    false => next,
                };
            }
            names.entry(name).or_default().0 = true;
        }
        let listed = |(name, (selectable, has_children))| Listed {
            name,
            selectable,
            has_children,
        };
        Ok(names.into_iter().map(listed).collect())
    }

    /// The names of the directories that are mailboxes, in no order, without INBOX.
    pub(super) fn on_disk(&self) -> io::Result<Vec<Name>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if let Some(name) = Name::from_dir_name(&entry.file_name())
                && is_directory(&entry)
            {
                names.push(name);
            }
        }
        Ok(names)
    }
}

fn is_directory(entry: &DirEntry) -> bool {
    match entry.file_type() {
        Ok(kind) if kind.is_symlink() => fs::metadata(entry.path()).is_ok_and(|meta| meta.is_dir()),
        Ok(kind) => kind.is_dir(),
        Err(_) => false,
    }
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
