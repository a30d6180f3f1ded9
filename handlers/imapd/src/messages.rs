//! FETCH, STORE, COPY, MOVE, EXPUNGE: what is done with the messages of the selected mailbox.

use std::io::Write as _;

use imap::command::{By, FetchItem, StoreHow};
use imap::flag::Flag;
use imap::seq::{SequenceSet, intersect, ranges_of};
use imap::write;
use maildir::selection::{Access, Change, Copied, Flags, How, Kind, Open, Selection, StoreError};
use wire::Trouble;

use crate::answer::Answer;
use crate::fetch::{self, Cut, Plan};
use crate::selecting::{missing, write_flags};
use crate::session::{REPLY_BYTES, Session};

/// System flags and keywords, as the storage has them.
pub(crate) fn split_flags(flags: Vec<Flag>) -> (Flags, Vec<Vec<u8>>) {
    let mut system = Flags::default();
    let mut keywords = Vec::new();
    for flag in flags {
        match flag {
            Flag::Answered => system.insert(Flags::ANSWERED),
            Flag::Flagged => system.insert(Flags::FLAGGED),
            Flag::Deleted => system.insert(Flags::DELETED),
            Flag::Seen => system.insert(Flags::SEEN),
            Flag::Draft => system.insert(Flags::DRAFT),
            Flag::Keyword(name) => keywords.push(name),
        }
    }
    (system, keywords)
}

/// What ends a FETCH, and the conversation with it.
enum Stop {
    Client(Trouble),
    Message(Cut),
}

impl From<Cut> for Stop {
    fn from(cut: Cut) -> Stop {
        Stop::Message(cut)
    }
}

impl Session {
    /// The selected mailbox, for a change.
    fn changeable(&mut self) -> Result<&mut Selection, Answer> {
        if self.selected.is_none() {
            return Err(self.not_selected());
        }
        match &mut self.selected {
            Some(selection) if !selection.is_read_only() => Ok(selection),
            _ => Err(Answer::no("READ-ONLY", "This mailbox is read-only.")),
        }
    }

    pub(crate) fn fetch(
        &mut self,
        by: By,
        set: &SequenceSet,
        mut items: Vec<FetchItem>,
        changed_since: Option<u64>,
        vanished: bool,
    ) -> Result<Answer, Trouble> {
        let mut which = match self.which(by, set) {
            Ok(which) => which,
            Err(answer) => return Ok(answer),
        };
        if vanished && !self.qresync {
            return Ok(Answer::bad("ENABLE QRESYNC first."));
        }
        if changed_since.is_some() || items.contains(&FetchItem::Modseq) {
            self.turn_on_condstore();
        }
        if let (true, Some(since)) = (vanished, changed_since) {
            self.tell_vanished(set, since);
        }
        let plan = match changed_since {
            None => Plan::new(&items, by == By::Uid),
            Some(_) => {
                // RFC 7162 section 3.1.4.1: it is asked for by that.
                if !items.contains(&FetchItem::Modseq) {
                    items.push(FetchItem::Modseq);
                }
                Plan::new(&items, by == By::Uid)
            }
        };
        let Some(selection) = &mut self.selected else {
            return Ok(self.not_selected());
        };
        if let Some(since) = changed_since {
            which.retain(|&n| selection.modseq(n) > since);
        }
        let mut seen = Vec::new();
        if plan.sets_seen() && !selection.is_read_only() {
            which
                .iter()
                .filter(|&&n| !selection.flags(n).contains(Flags::SEEN))
                .for_each(|&n| seen.push(n));
        }
        if !seen.is_empty() {
            let change = Change {
                how: How::Add,
                flags: Flags::SEEN,
                keywords: Vec::new(),
            };
            match selection.store(&seen, &change, None) {
                Ok(stored) => seen = stored.changed,
                Err(error) => {
                    // The mail can be read nonetheless.
                    seen.clear();
                    self.say_fault(&error.to_string());
                }
            }
        }
        let Some(selection) = &mut self.selected else {
            return Ok(self.not_selected());
        };
        let (conn, out) = (&mut self.conn, &mut self.out);
        conn.reply(out);
        out.clear();
        let mut waiting = 0;
        let outcome = fetch::run(selection, &which, &plan, &mut |bytes: &[u8]| {
            conn.reply(bytes);
            waiting += bytes.len();
            if waiting < REPLY_BYTES {
                return Ok(());
            }
            waiting = 0;
            conn.flush().map_err(Stop::Client)
        });
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(Stop::Client(trouble)) => return Err(trouble),
            Err(Stop::Message(cut)) => {
                self.say_fault(&cut.to_string());
                return Err(Trouble::Io(std::io::Error::other(cut)));
            }
        };
        self.counts.fetched += which.len() as u64;
        if !plan.has_flags() {
            for n in seen {
                write_flags(selection, n, by == By::Uid, self.condstore, &mut self.out);
            }
        }
        for reason in &outcome.faults {
            self.say_fault(reason);
        }
        Ok(if outcome.missed.is_empty() {
            Answer::ok("Fetched.")
        } else if outcome.faults.is_empty() {
            done_but_for_the_gone()
        } else {
            Answer::no("SERVERBUG", "Some of these messages cannot be read.")
        })
    }

    /// `* VANISHED (EARLIER)` of UID FETCH (RFC 7162 section 3.2.6).
    fn tell_vanished(&mut self, set: &SequenceSet, since: u64) {
        let Some(selection) = &self.selected else {
            return;
        };
        let asked = set.resolve(selection.uid_next().saturating_sub(1));
        let vanished = match selection.vanished_since(since) {
            Some(ranges) => intersect(&ranges, &asked),
            None => missing(selection, &asked, 0),
        };
        if !vanished.is_empty() {
            self.out.extend_from_slice(b"* VANISHED (EARLIER) ");
            write::set(&mut self.out, &vanished);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    pub(crate) fn store(
        &mut self,
        by: By,
        set: &SequenceSet,
        unchanged_since: Option<u64>,
        how: StoreHow,
        silent: bool,
        flags: Vec<Flag>,
    ) -> Result<Answer, Trouble> {
        let which = match self.which(by, set) {
            Ok(which) => which,
            Err(answer) => return Ok(answer),
        };
        if unchanged_since.is_some() {
            self.turn_on_condstore();
        }
        let condstore = self.condstore;
        let selection = match self.changeable() {
            Ok(selection) => selection,
            Err(answer) => return Ok(answer),
        };
        let (flags, keywords) = split_flags(flags);
        let change = Change {
            how: match how {
                StoreHow::Replace => How::Replace,
                StoreHow::Add => How::Add,
                StoreHow::Remove => How::Remove,
            },
            flags,
            keywords,
        };
        let stored = match selection.store(&which, &change, unchanged_since) {
            Ok(stored) => stored,
            Err(error) => return Ok(self.fault(&error)),
        };
        // New keywords have to be known before they are used.
        let told = self.tell_news(false, by == By::Uid);
        let Some(selection) = &self.selected else {
            return Ok(self.not_selected());
        };
        let with_uid = by == By::Uid || self.qresync;
        if !silent {
            for &n in &which {
                let is_in = |list: &[usize]| list.binary_search(&n).is_ok();
                if !is_in(&stored.gone) && !is_in(&stored.modified) && !is_in(&told) {
                    write_flags(selection, n, with_uid, condstore, &mut self.out);
                }
            }
        } else if condstore {
            // RFC 7162 section 3.1.3: the client has to know it, silent or not.
            for &n in &stored.changed {
                let _ = write!(self.out, "* {} FETCH (", n + 1);
                if with_uid {
                    let _ = write!(self.out, "UID {} ", selection.uid(n));
                }
                let _ = write!(self.out, "MODSEQ ({}))\r\n", selection.modseq(n));
            }
        }
        if !stored.modified.is_empty() {
            let numbers = stored.modified.iter().map(|&n| match by {
                By::Uid => selection.uid(n),
                By::Number => u32::try_from(n + 1).unwrap_or(u32::MAX),
            });
            let mut code = b"MODIFIED ".to_vec();
            write::set(&mut code, &ranges_of(numbers));
            let code = String::from_utf8_lossy(&code).into_owned();
            return Ok(Answer::ok_with(code, "Some had changed."));
        }
        let answer = match stored.gone.is_empty() {
            true => Answer::ok("Stored."),
            false => done_but_for_the_gone(),
        };
        self.pass_on_much()?;
        Ok(answer)
    }

    pub(crate) fn expunge(&mut self, set: Option<&SequenceSet>) -> Answer {
        let ranges = match set {
            None => None,
            Some(set) => match self.which(By::Uid, set) {
                Ok(which) => {
                    let selection = self.selected.as_ref();
                    let uids = which
                        .iter()
                        .filter_map(|&n| selection.map(|selection| selection.uid(n)));
                    Some(ranges_of(uids))
                }
                Err(answer) => return answer,
            },
        };
        let selection = match self.changeable() {
            Ok(selection) => selection,
            Err(answer) => return answer,
        };
        match selection.expunge(ranges.as_deref()) {
            Ok(uids) => {
                let highest = selection.highest_modseq();
                self.counts.expunged += uids.len() as u64;
                match self.condstore && !uids.is_empty() {
                    // RFC 7162 section 3.1.2.1, for clients that keep it.
                    true => Answer::ok_with(format!("HIGHESTMODSEQ {highest}"), "Expunged."),
                    false => Answer::ok("Expunged."),
                }
            }
            Err(error) => self.fault(&error),
        }
    }

    /// By number it is all or nothing (RFC 3501 section 6.4.7), and what is gone cannot be copied (RFC 2180
    /// section 4.4.1). A UID that no message has is ignored (RFC 3501 section 6.4.8), whether this session has
    /// heard of its end or not.
    pub(crate) fn copy(&mut self, by: By, set: &SequenceSet, mailbox: &[u8]) -> Answer {
        let how = match by {
            By::Number => Selection::copy,
            By::Uid => Selection::copy_present,
        };
        match self.transfer(by, set, mailbox, how) {
            Ok(None) => Answer::ok("There was nothing to copy."),
            Ok(Some(copied)) => {
                self.counts.copied += copied.pairs.len() as u64;
                match (copied.pairs.is_empty(), by) {
                    (false, _) => Answer::ok_with(copy_uid(&copied), "Copied."),
                    (true, By::Number) => none_for_the_gone(),
                    (true, By::Uid) => done_but_for_the_gone(),
                }
            }
            Err(answer) => answer,
        }
    }

    /// What is there is moved, or a client would believe that nothing was; NO by number where nothing is.
    pub(crate) fn move_to(&mut self, by: By, set: &SequenceSet, mailbox: &[u8]) -> Answer {
        let changeable = self.changeable().map(|_| ());
        let moved = changeable.and_then(|()| self.transfer(by, set, mailbox, Selection::move_to));
        match moved {
            Ok(None) => Answer::ok("There was nothing to move."),
            Ok(Some(copied)) => {
                self.counts.copied += copied.pairs.len() as u64;
                let has_moved = !copied.pairs.is_empty();
                if has_moved {
                    // Before the messages go (RFC 6851 section 4.3).
                    let _ = write!(self.out, "* OK [{}] Moved.\r\n", copy_uid(&copied));
                }
                match copied.gone.is_empty() {
                    true => Answer::ok("Moved."),
                    false if has_moved || by == By::Uid => done_but_for_the_gone(),
                    false => none_for_the_gone(),
                }
            }
            Err(answer) => answer,
        }
    }

    fn transfer(
        &mut self,
        by: By,
        set: &SequenceSet,
        mailbox: &[u8],
        how: impl FnOnce(&mut Selection, &[usize], &Open<'_>) -> Result<Copied, StoreError>,
    ) -> Result<Option<Copied>, Answer> {
        let which = self.which(by, set)?;
        let name = self.named(mailbox)?;
        if !self.tree.exists(&name) {
            return Err(no_target());
        }
        if which.is_empty() {
            return Ok(None);
        }
        let Some(mut selection) = self.selected.take() else {
            return Err(self.not_selected());
        };
        let copied = self.with_open(&name, Access::ReadWrite, |open| {
            how(&mut selection, &which, open)
        });
        self.selected = Some(selection);
        copied.map(Some).map_err(|error| match error.kind() {
            Kind::NotFound => no_target(),
            _ => self.fault(&error),
        })
    }
}

/// What others expunged is passed over. It is no NO: clients show that to people, who did nothing wrong (RFC
/// 5530 section 3 has the code with an OK).
fn done_but_for_the_gone() -> Answer {
    Answer::ok_with("EXPUNGEISSUED", "Some of these messages are gone.")
}

/// Nothing was done, for what others expunged is among what was named by number.
fn none_for_the_gone() -> Answer {
    Answer::no("EXPUNGEISSUED", "Some of these messages are gone.")
}

/// The mailbox that something should go into is not there.
pub(crate) fn no_target() -> Answer {
    Answer::no("TRYCREATE", "There is no such mailbox.")
}

/// COPYUID (RFC 4315): both sets in the same order and of the same length.
fn copy_uid(copied: &Copied) -> String {
    let mut code = format!("COPYUID {} ", copied.validity).into_bytes();
    // Runs only where both sides run: what a client pairs by position has to fit.
    let mut from: Vec<(u32, u32)> = Vec::new();
    let mut to: Vec<(u32, u32)> = Vec::new();
    for &(source, target) in &copied.pairs {
        match (from.last_mut(), to.last_mut()) {
            (Some(a), Some(b)) if source == a.1 + 1 && target == b.1 + 1 => {
                a.1 = source;
                b.1 = target;
            }
            _ => {
                from.push((source, source));
                to.push((target, target));
            }
        }
    }
    write::set(&mut code, &from);
    code.push(b' ');
    write::set(&mut code, &to);
    String::from_utf8_lossy(&code).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copyuid_pairs_by_position() {
        let copied = Copied {
            validity: 7,
            pairs: vec![(1, 11), (2, 12), (4, 13), (5, 14), (9, 20)],
            gone: Vec::new(),
        };
        assert_eq!(copy_uid(&copied), "COPYUID 7 1:2,4:5,9 11:12,13:14,20");
    }
}
