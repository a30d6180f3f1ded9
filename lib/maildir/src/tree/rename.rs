//! Renaming mailboxes.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use super::{Name, Tree, TreeError};

impl Tree {
    /// Calls a mailbox and all below it otherwise. Their UIDs and what else is kept in their
    /// directories go with them; subscriptions stay as they are (RFC 3501 section 6.3.6).
    ///
    /// `from` may be a name that has only others below it. If there is something at one of the new
    /// names, nothing is done. INBOX is not renamed here: its messages are moved to a new mailbox.
    ///
    /// Each directory is renamed by itself: the lowest first and `from` last, so that after a kill
    /// `from` is still there and the same command does the rest. (From below `to` it is the other way
    /// round, for there one may take the place of another.) After an error those that were renamed
    /// get their old names back.
    pub fn rename(&self, from: &Name, to: &Name) -> Result<(), TreeError> {
        if from.is_inbox() {
            return Err(TreeError::Refused(
                "INBOX itself cannot be renamed.".to_owned(),
            ));
        }
        if to.is_below(from) {
            return Err(TreeError::Refused(
                "A mailbox cannot be renamed to a name below itself.".to_owned(),
            ));
        }
        let there = self.on_disk().map_err(TreeError::io(&self.root))?;
        let there: BTreeSet<Name> = there.into_iter().collect();
        let moves = plan(from, to, &there)?;
        // What is made anew under these names must be newer.
        self.note_validities(moves.iter().map(|(old, _)| self.path(old)));
        for (n, (old, new)) in moves.iter().enumerate() {
            if let Err(error) = os::file::rename_noreplace(&self.path(old), &self.path(new)) {
                for (old, new) in moves[..n].iter().rev() {
                    let _ = os::file::rename_noreplace(&self.path(new), &self.path(old));
                }
                return Err(match error.kind() {
                    ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty => {
                        TreeError::Exists(new.clone())
                    }
                    ErrorKind::NotFound => TreeError::Missing(old.clone()),
                    _ => TreeError::Io(self.path(old), error),
                });
            }
        }
        os::file::sync_dir(&self.root).map_err(TreeError::io(&self.root))?;
        self.move_special(from, to);
        Ok(())
    }
}

/// The renamings, in order, if nothing is in the way.
fn plan(from: &Name, to: &Name, there: &BTreeSet<Name>) -> Result<Vec<(Name, Name)>, TreeError> {
    let mut moves = Vec::new();
    for old in there {
        if let Some(new) = old.moved(from, to) {
            let new = new.map_err(|bad| TreeError::Refused(bad.to_string()))?;
            moves.push((old.clone(), new));
        }
    }
    if moves.is_empty() {
        return Err(TreeError::Missing(from.clone()));
    }
    let leaves = |name: &Name| name == from || name.is_below(from);
    let targets = moves.iter().map(|(_, new)| new).chain([to]);
    for new in targets {
        if new.is_inbox() || (there.contains(new) && !(from != to && leaves(new))) {
            return Err(TreeError::Exists(new.clone()));
        }
    }
    moves.sort_by_key(|(old, _)| old.levels().count());
    if !from.is_below(to) {
        moves.reverse();
    }
    Ok(moves)
}

#[cfg(test)]
#[path = "rename_tests.rs"]
mod tests;
