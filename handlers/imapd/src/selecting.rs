//! SELECT, EXAMINE, CLOSE, UNSELECT, and telling a client what has changed in its mailbox.

use std::io::Write as _;
use std::time::Duration;

use imap::command::Select;
use imap::seq::{self, ranges_of};
use imap::write;
use maildir::selection::{Access, Kind, Open, Selection, StoreError};
use maildir::tree::Name;
use wire::Trouble;

use crate::answer::Answer;
use crate::session::Session;

/// How long a lock of a mailbox is waited for. Dovecot holds its own for as long as a large mailbox
/// takes.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(30);

/// A mailbox of so many messages needs memory to be opened that it does not need later.
const LARGE: usize = 10_000;

impl Session {
    /// How a mailbox is opened.
    pub(crate) fn open(&self, name: &Name, access: Access) -> Result<Selection, StoreError> {
        self.with_open(name, access, Selection::open)
    }

    /// Calls `what` with the way to open a mailbox.
    pub(crate) fn with_open<T>(
        &self,
        name: &Name,
        access: Access,
        what: impl FnOnce(&Open<'_>) -> T,
    ) -> T {
        let dir = self.tree.path(name);
        let counts = self.tree.counts(name);
        what(&Open {
            dir: &dir,
            access,
            wait: LOCK_WAIT,
            account: counts.then_some(&self.account),
            new_validity: &|| self.tree.next_validity(),
        })
    }

    pub(crate) fn select(&mut self, select: &Select) -> Result<Answer, Trouble> {
        let name = match self.named(&select.mailbox) {
            Ok(name) => name,
            Err(answer) => {
                self.leave();
                return Ok(answer);
            }
        };
        // A SELECT that fails leaves nothing selected (RFC 3501 section 6.3.1).
        self.leave();
        if select.qresync.is_some() && !self.qresync {
            return Ok(Answer::bad("ENABLE QRESYNC first."));
        }
        self.condstore |= select.condstore || select.qresync.is_some();
        let access = match select.read_only {
            true => Access::ReadOnly,
            false => Access::ReadWrite,
        };
        let mut selection = match self.open(&name, access) {
            Ok(selection) => selection,
            Err(error) if error.kind() == Kind::NotFound => {
                return Ok(Answer::of_fault(&error));
            }
            Err(error) => return Ok(self.fault(&error)),
        };
        if selection.len() >= LARGE {
            os::memory::give_back();
        }
        if let Some(warning) = selection.take_warning() {
            self.say_fault(&warning);
        }
        // All of it is told here.
        let _ = selection.take_news(true);
        self.selected_name = Some(name);
        self.tell_flags(&selection);
        let out = &mut self.out;
        let _ = write!(
            out,
            "* {} EXISTS\r\n* {} RECENT\r\n",
            selection.len(),
            selection.count_recent()
        );
        if let Some(first) = selection.first_unseen() {
            let _ = write!(
                out,
                "* OK [UNSEEN {}] The first unseen message.\r\n",
                first + 1
            );
        }
        let _ = write!(
            out,
            "* OK [UIDVALIDITY {}] Valid.\r\n* OK [UIDNEXT {}] The next one.\r\n\
             * OK [HIGHESTMODSEQ {}] The latest change.\r\n",
            selection.validity(),
            selection.uid_next(),
            selection.highest_modseq()
        );
        if let Some(known) = &select.qresync
            && known.validity == selection.validity()
        {
            self.selected = Some(selection);
            self.resynchronize(known)?;
        } else {
            self.selected = Some(selection);
        }
        let is_read_only = self.selected.as_ref().is_none_or(Selection::is_read_only);
        Ok(match is_read_only {
            true => Answer::ok_with("READ-ONLY", "Examine it."),
            false => Answer::ok_with("READ-WRITE", "Selected."),
        })
    }

    /// Tells a client that comes back what it does not know (RFC 7162 section 3.2.5).
    fn resynchronize(&mut self, known: &imap::command::Qresync) -> Result<(), Trouble> {
        let Some(selection) = &self.selected else {
            return Ok(());
        };
        let last = selection.uid_next().saturating_sub(1);
        let known_uids = match &known.known_uids {
            Some(set) => set.resolve(last),
            None => vec![(1, last.max(1))],
        };
        let above = match &known.pairs {
            Some((numbers, uids)) => self.known_pairs(numbers, uids),
            None => 0,
        };
        let Some(selection) = &self.selected else {
            return Ok(());
        };
        let vanished = match selection.vanished_since(known.modseq) {
            Some(ranges) => seq::intersect(&ranges, &known_uids),
            None => missing(selection, &known_uids, above),
        };
        if !vanished.is_empty() {
            self.out.extend_from_slice(b"* VANISHED (EARLIER) ");
            write::set(&mut self.out, &vanished);
            self.out.extend_from_slice(b"\r\n");
        }
        for n in 0..selection.len() {
            let is_known = seq::contains(&known_uids, selection.uid(n));
            if is_known && selection.modseq(n) > known.modseq {
                write_flags(selection, n, true, true, &mut self.out);
            }
        }
        self.pass_on_much()
    }

    /// Up to which UID what a client knows by number and UID is still so: nothing vanished before it.
    fn known_pairs(&self, numbers: &imap::seq::SequenceSet, uids: &imap::seq::SequenceSet) -> u32 {
        let Some(selection) = &self.selected else {
            return 0;
        };
        let flat = |set: &imap::seq::SequenceSet| {
            let ranges = set.resolve(0);
            ranges.into_iter().flat_map(|(start, end)| start..=end)
        };
        let mut above = 0;
        for (number, uid) in flat(numbers).zip(flat(uids)) {
            let n = number as usize - 1;
            if n >= selection.len() || selection.uid(n) != uid {
                break;
            }
            above = uid;
        }
        above
    }

    /// From now on modification sequences are told (RFC 7162 section 3.1.2), beginning with that of the
    /// mailbox that is selected.
    pub(crate) fn turn_on_condstore(&mut self) {
        if self.condstore {
            return;
        }
        self.condstore = true;
        if let Some(selection) = &self.selected {
            let highest = selection.highest_modseq();
            let _ = write!(
                self.out,
                "* OK [HIGHESTMODSEQ {highest}] The latest change.\r\n"
            );
        }
    }

    /// Leaves the selected mailbox without expunging.
    pub(crate) fn leave(&mut self) {
        self.saved.clear();
        if self.selected.take().is_some() && self.qresync {
            // RFC 7162 section 3.2.11.
            self.out
                .extend_from_slice(b"* OK [CLOSED] The mailbox before it.\r\n");
        }
    }

    pub(crate) fn unselect(&mut self) -> Answer {
        if self.selected.is_none() {
            return self.not_selected();
        }
        self.saved.clear();
        self.selected = None;
        Answer::ok("Unselected.")
    }

    pub(crate) fn close(&mut self) -> Answer {
        let Some(mut selection) = self.selected.take() else {
            return self.unselect();
        };
        self.saved.clear();
        if selection.is_read_only() {
            return Answer::ok("Closed.");
        }
        match selection.expunge(None) {
            Ok(uids) => {
                self.counts.expunged += uids.len() as u64;
                match self.qresync && !uids.is_empty() {
                    true => Answer::ok_with(
                        format!("HIGHESTMODSEQ {}", selection.highest_modseq()),
                        "Closed.",
                    ),
                    false => Answer::ok("Closed."),
                }
            }
            Err(error) if error.kind() == Kind::NotFound => Answer::ok("Closed."),
            Err(error) => self.fault(&error),
        }
    }

    /// `* FLAGS` and PERMANENTFLAGS.
    fn tell_flags(&mut self, selection: &Selection) {
        let out = &mut self.out;
        let list = |out: &mut Vec<u8>| {
            out.extend_from_slice(b"\\Answered \\Flagged \\Deleted \\Seen \\Draft");
            for (_, name) in selection.keyword_names() {
                out.push(b' ');
                out.extend_from_slice(name);
            }
        };
        out.extend_from_slice(b"* FLAGS (");
        list(out);
        out.extend_from_slice(b")\r\n* OK [PERMANENTFLAGS (");
        match selection.is_read_only() {
            true => out.extend_from_slice(b")] None can be changed.\r\n"),
            false => {
                list(out);
                out.extend_from_slice(b" \\*)] These last.\r\n");
            }
        }
    }

    /// Looks whether others have changed the selected mailbox, and tells it.
    pub(crate) fn look_around(&mut self, expunges: bool, by_uid: bool) {
        let Some(selection) = &mut self.selected else {
            return;
        };
        match selection.sync() {
            Ok(()) => {}
            Err(error) if error.kind() == Kind::NotFound => {
                // Nothing of it can be had any more.
                self.selected = None;
                self.lost = true;
                return;
            }
            Err(error) => {
                self.say_fault(&error.to_string());
                return;
            }
        }
        self.tell_news(expunges, by_uid);
    }

    /// Tells what is known to have changed; the messages whose flags were told.
    pub(crate) fn tell_news(&mut self, expunges: bool, by_uid: bool) -> Vec<usize> {
        let Some(mut selection) = self.selected.take() else {
            return Vec::new();
        };
        if let Some(warning) = selection.take_warning() {
            self.say_fault(&warning);
        }
        let news = selection.take_news(expunges);
        if self.qresync && !news.expunged.is_empty() {
            let mut uids: Vec<u32> = news.expunged.iter().map(|gone| gone.uid).collect();
            uids.sort_unstable();
            self.out.extend_from_slice(b"* VANISHED ");
            write::set(&mut self.out, &ranges_of(uids));
            self.out.extend_from_slice(b"\r\n");
        } else {
            for gone in &news.expunged {
                let _ = write!(self.out, "* {} EXPUNGE\r\n", gone.n + 1);
            }
        }
        if !self.saved.is_empty() && !news.expunged.is_empty() {
            self.saved.retain(|&uid| selection.position(uid).is_some());
        }
        if news.keywords_changed {
            self.tell_flags(&selection);
        }
        if let Some(count) = news.exists {
            let _ = write!(self.out, "* {count} EXISTS\r\n");
        }
        if let Some(count) = news.recent {
            let _ = write!(self.out, "* {count} RECENT\r\n");
        }
        for &n in &news.changed {
            let with_uid = by_uid || self.qresync;
            write_flags(&selection, n, with_uid, self.condstore, &mut self.out);
        }
        self.selected = Some(selection);
        news.changed
    }
}

/// Adds `* n FETCH` with the flags of message `n`.
pub(crate) fn write_flags(
    selection: &Selection,
    n: usize,
    with_uid: bool,
    with_modseq: bool,
    out: &mut Vec<u8>,
) {
    let _ = write!(out, "* {} FETCH (", n + 1);
    if with_uid {
        let _ = write!(out, "UID {} ", selection.uid(n));
    }
    crate::fetch::write_flag_list(selection, n, out);
    if with_modseq {
        let _ = write!(out, " MODSEQ ({})", selection.modseq(n));
    }
    out.extend_from_slice(b")\r\n");
}

/// The UIDs of `known` above `above` that no message has (any more), as ranges.
pub(crate) fn missing(selection: &Selection, known: &[(u32, u32)], above: u32) -> Vec<(u32, u32)> {
    let end = selection.uid_next();
    let mut gaps = Vec::new();
    let mut next = above.saturating_add(1);
    for n in selection.lower_bound(next)..selection.len() {
        let uid = selection.uid(n);
        if uid > next {
            gaps.push((next, uid - 1));
        }
        next = uid.saturating_add(1);
    }
    if next < end {
        gaps.push((next, end - 1));
    }
    seq::intersect(&gaps, known)
}
