//! CREATE, DELETE, RENAME, SUBSCRIBE, STATUS, NAMESPACE: what is done with mailboxes as a whole.

use std::io::Write as _;

use imap::command::StatusItem;
use imap::write;
use maildir::quota::{self, Account, Entry, Usage, folder_usage};
use maildir::selection::{self, Access, Kind, Status, StoreError};
use maildir::tree::{Name, TreeError, Use};

use crate::answer::Answer;
use crate::session::Session;

impl Session {
    /// What a client hears of a fault of the tree of mailboxes.
    pub(crate) fn tree_fault(&mut self, error: &TreeError) -> Answer {
        match error {
            TreeError::Exists(_) => Answer::no("ALREADYEXISTS", "There is such a mailbox."),
            TreeError::Missing(_) => Answer::no("NONEXISTENT", "There is no such mailbox."),
            TreeError::Refused(reason) => Answer::no("CANNOT", reason.clone()),
            TreeError::Io(_, cause) => {
                self.say_fault(&error.to_string());
                Answer::of_system(cause)
            }
        }
    }

    pub(crate) fn create(&mut self, mailbox: &[u8], uses: &[Vec<u8>]) -> Answer {
        // A separator at the end says that there will be children (RFC 3501 section 6.3.3).
        let name = match self.wire.parse_new(mailbox) {
            Ok(name) => name,
            Err(bad) => return Answer::no("CANNOT", bad.to_string()),
        };
        let mut special = Vec::new();
        for word in uses {
            match Use::of(&[b"\\", word.as_slice()].concat()) {
                Some(special_use) => special.push(special_use),
                None => return Answer::no("USEATTR", "That special use is not known here."),
            }
        }
        if let Err(error) = self.tree.create(&name) {
            return self.tree_fault(&error);
        }
        if !special.is_empty()
            && let Err(error) = self.tree.set_special(&name, &special)
        {
            // All or nothing (RFC 6154 section 3).
            let _ = self.tree.delete(&name);
            return self.tree_fault(&error);
        }
        Answer::ok("Created.")
    }

    pub(crate) fn delete(&mut self, mailbox: &[u8]) -> Answer {
        let name = match self.named(mailbox) {
            Ok(name) => name,
            Err(answer) => return answer,
        };
        let account = Some(&self.account).filter(|_| self.tree.counts(&name));
        let entry = account.and_then(Account::begin);
        let held = match &entry {
            Some(_) => folder_usage(&self.tree.path(&name)).unwrap_or_default(),
            None => Usage::default(),
        };
        if let Err(error) = self.tree.delete(&name) {
            return self.tree_fault(&error);
        }
        if let Some(entry) = entry {
            entry.settle(quota::Change::less(held));
        }
        if self.selected.is_some() && self.selected_name.as_ref() == Some(&name) {
            self.leave();
        }
        Answer::ok("Deleted.")
    }

    pub(crate) fn rename(&mut self, from: &[u8], to: &[u8]) -> Answer {
        let from = match self.named(from) {
            Ok(name) => name,
            Err(answer) => return answer,
        };
        let to = match self.wire.parse_new(to) {
            Ok(name) => name,
            Err(bad) => return Answer::no("CANNOT", bad.to_string()),
        };
        if from.is_inbox() {
            return self.rename_inbox(&to);
        }
        let mut moved = match self.renamed_usage(&from, &to) {
            Ok(moved) => moved,
            Err(answer) => return answer,
        };
        match self.tree.rename(&from, &to) {
            Ok(()) => {
                if let Some((entry, change)) = moved.take() {
                    entry.settle(change);
                }
                self.follow(&from, &to);
                Answer::ok("Renamed.")
            }
            Err(error) => self.tree_fault(&error),
        }
    }

    /// The selected mailbox stays selected where this session itself has renamed it.
    fn follow(&mut self, from: &Name, to: &Name) {
        let name = self.selected_name.as_ref();
        let Some(Ok(name)) = name.and_then(|name| name.moved(from, to)) else {
            return;
        };
        if let Some(selection) = &mut self.selected {
            let account = Some(&self.account).filter(|_| self.tree.counts(&name));
            selection.was_renamed(self.tree.path(&name), account);
        }
        self.selected_name = Some(name);
    }

    /// What a renaming changes for the quota: what is in Trash does not count. An error if it does then,
    /// and is too much.
    fn renamed_usage(
        &mut self,
        from: &Name,
        to: &Name,
    ) -> Result<Option<(Entry, quota::Change)>, Answer> {
        let counts = [from, to].map(|name| self.tree.counts(name));
        if counts[0] == counts[1] {
            return Ok(None);
        }
        let Some(mut entry) = self.account.begin() else {
            return Ok(None);
        };
        let held = folder_usage(&self.tree.path(from)).unwrap_or_default();
        if counts[0] {
            return Ok(Some((entry, quota::Change::less(held))));
        }
        match entry.reserve(held) {
            Ok(true) => Ok(Some((entry, quota::Change::more(held)))),
            Ok(false) => Err(Answer::over_quota()),
            Err(error) => {
                let (inbox, why) = (self.account.inbox().display(), os::reason(&error));
                self.say_fault(&format!("unable to count what is in {inbox}: {why}"));
                Err(Answer::of_system(&error))
            }
        }
    }

    /// RENAME INBOX takes its messages to a new mailbox and leaves it empty (RFC 3501 section 6.3.5).
    fn rename_inbox(&mut self, to: &Name) -> Answer {
        if let Err(error) = self.tree.create(to) {
            return self.tree_fault(&error);
        }
        let moved = self
            .open(&Name::inbox(), Access::ReadWrite)
            .and_then(|mut inbox| {
                let all: Vec<usize> = (0..inbox.len()).collect();
                match all.is_empty() {
                    true => Ok(()),
                    false => self
                        .with_open(to, Access::ReadWrite, |open| inbox.move_to(&all, open))
                        .map(|_| ()),
                }
            });
        match moved {
            Ok(()) => Answer::ok("The messages of INBOX were moved there."),
            Err(error) => {
                // So that the client can try again. What got there stays there.
                let _ = self.tree.remove_empty(to);
                self.fault(&error)
            }
        }
    }

    pub(crate) fn subscribe(&mut self, mailbox: &[u8], wanted: bool) -> Answer {
        let name = match self.named(mailbox) {
            Ok(name) => name,
            Err(answer) => return answer,
        };
        let result = match wanted {
            true => self.tree.subscribe(&name),
            false => self.tree.unsubscribe(&name),
        };
        match result {
            Ok(()) if wanted => Answer::ok("Subscribed."),
            Ok(()) => Answer::ok("Unsubscribed."),
            Err(error) => self.tree_fault(&error),
        }
    }

    pub(crate) fn namespace(&mut self) -> Answer {
        self.out.extend_from_slice(b"* NAMESPACE ((");
        write::string(&mut self.out, &self.settings.prefix);
        self.out.push(b' ');
        write::string(&mut self.out, &[self.settings.separator]);
        self.out.extend_from_slice(b")) NIL NIL\r\n");
        Answer::ok("That is all.")
    }

    pub(crate) fn status(&mut self, mailbox: &[u8], items: &[StatusItem]) -> Answer {
        let name = match self.named(mailbox) {
            Ok(name) => name,
            Err(answer) => return answer,
        };
        match self.write_status(&name, items) {
            Ok(()) => Answer::ok("That is all."),
            Err(error) if error.kind() == Kind::NotFound => Answer::of_fault(&error),
            Err(error) => self.fault(&error),
        }
    }

    /// Adds a STATUS reply.
    pub(crate) fn write_status(
        &mut self,
        name: &Name,
        items: &[StatusItem],
    ) -> Result<(), StoreError> {
        // RFC 7162 section 3.1.1: who asks for it wants it from now on.
        if items.contains(&StatusItem::HighestModseq) {
            self.turn_on_condstore();
        }
        let with_size = items.contains(&StatusItem::Size);
        let status = self.with_open(name, Access::ReadOnly, |open| {
            selection::status(open, with_size)
        })?;
        self.out.extend_from_slice(b"* STATUS ");
        write::astring(&mut self.out, &self.wire.show(name));
        self.out.extend_from_slice(b" (");
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(b' ');
            }
            let (word, value) = self.status_item(*item, &status);
            let _ = write!(self.out, "{word} {value}");
        }
        self.out.extend_from_slice(b")\r\n");
        Ok(())
    }

    fn status_item(&self, item: StatusItem, status: &Status) -> (&'static str, u64) {
        match item {
            StatusItem::Messages => ("MESSAGES", status.messages),
            StatusItem::Recent => ("RECENT", status.recent),
            StatusItem::UidNext => ("UIDNEXT", u64::from(status.uid_next)),
            StatusItem::UidValidity => ("UIDVALIDITY", u64::from(status.validity)),
            StatusItem::Unseen => ("UNSEEN", status.unseen),
            StatusItem::Deleted => ("DELETED", status.deleted),
            StatusItem::Size => ("SIZE", status.size),
            StatusItem::HighestModseq => ("HIGHESTMODSEQ", status.highest_modseq),
            StatusItem::AppendLimit => ("APPENDLIMIT", self.settings.capabilities.append_limit),
        }
    }
}
