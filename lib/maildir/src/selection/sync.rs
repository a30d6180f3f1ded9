//! Opening a mailbox, and keeping in step with it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::error::{Kind, StoreError};
use super::journal::{Fate, Journal};
use super::list::Given;
use super::lock::Lock;
use super::look::{Found, look};
use super::op::{NO_DATE, NO_SIZE, NewOp, Op};
use super::settle::{Changes, Settled};
use super::snapshot::Summary;
use super::stamps::{FileStamp, MailboxStamps, Trust};
use super::view::{View, mark};
use super::{Access, Open, Selection, Writing};
use crate::folder::{Place, unique_of};
use crate::scan::{Stamps, now};
use crate::tree::Keywords;
use crate::uidlist;

/// What we changed ourselves is believed for so long, or for so many times what a look costs, in
/// nanoseconds. Then a look shows whether somebody else changed something at the same moment.
const REST: i64 = 1_000_000_000;
const REST_LOOKS: i64 = 10;

/// When a journal that could not be written is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Where a UIDVALIDITY comes from.
type NewValidity<'v> = &'v dyn Fn() -> io::Result<u32>;

/// Seconds since the epoch.
pub(super) fn seconds() -> u32 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
    })
}

/// The least modification sequence at this time in nanoseconds since the epoch: seconds times 2 to the
/// 20th, about one a microsecond. Clients that count in floating-point numbers can hold that until the
/// year 2242.
fn modseq_of(time: i64) -> u64 {
    let units = (i128::from(time) << 20) / 1_000_000_000;
    u64::try_from(units).unwrap_or(1).max(1)
}

impl Selection {
    /// Opens a mailbox. The client is told all of it at first: [`Selection::take_news`] has nothing.
    pub fn open(open: &Open<'_>) -> Result<Selection, StoreError> {
        Selection::open_as(open, open.access == Access::ReadWrite)
    }

    /// [`Selection::open`]; `claims` says whether messages in `new` become this session's.
    pub(super) fn open_as(open: &Open<'_>, claims: bool) -> Result<Selection, StoreError> {
        let mut selection = Selection::prepare(open, claims)?;
        selection.start(open.new_validity)?;
        Ok(selection)
    }

    /// One that knows nothing yet.
    pub(super) fn prepare(open: &Open<'_>, claims: bool) -> Result<Selection, StoreError> {
        let opened = StoreError::at("open", open.dir);
        let held = File::open(open.dir).map_err(opened)?;
        let meta = held.metadata().map_err(StoreError::at("open", open.dir))?;
        if !meta.is_dir() {
            return Err(StoreError::at("open", open.dir)(
                ErrorKind::NotADirectory.into(),
            ));
        }
        Ok(Selection {
            dir: open.dir.to_owned(),
            account: open.account.cloned(),
            held,
            access: open.access,
            claims,
            wait: open.wait,
            writing: Writing::Works,
            is_private: false,
            journal: None,
            is_behind: false,
            next_try: None,
            view: unknown(),
            letters: Keywords::default(),
            letters_stamp: FileStamp::default(),
            look_cost: 0,
            warning: None,
        })
    }

    /// Learns all that there is to know at first.
    pub(super) fn start(&mut self, new_validity: NewValidity<'_>) -> Result<(), StoreError> {
        self.learn_first(new_validity)?;
        self.view.tell_all();
        self.take_over_courier();
        self.view.tell_all();
        Ok(())
    }

    fn learn_first(&mut self, new_validity: NewValidity<'_>) -> Result<(), StoreError> {
        make_directories(&self.dir)?;
        // One that cannot be read is as good as none.
        if let Ok(Some((journal, view))) = Journal::open(&self.dir) {
            self.journal = Some(journal);
            self.view = view;
            if self.is_current()? {
                return Ok(());
            }
        }
        let lock = match self.writing {
            Writing::Works => Lock::take(&self.dir, self.wait).map(Some),
            Writing::Forbidden | Writing::Fails => Ok(None),
        };
        let lock = match lock {
            Ok(lock) => lock,
            Err(error) => {
                let error = StoreError::at("lock", &self.dir)(error);
                let is_known = || fs::metadata(self.dir.join(uidlist::FILE)).is_ok();
                self.writing = match error.kind() {
                    Kind::NoPermission => Writing::Forbidden,
                    // Without a list there is no UIDVALIDITY that would hold.
                    Kind::NoSpace | Kind::Io if is_known() => Writing::Fails,
                    _ => return Err(error),
                };
                self.warning = Some(error.to_string());
                None
            }
        };
        if self.view.summary.validity == 0
            && let Ok(Some((journal, view))) = Journal::open(&self.dir)
        {
            self.journal = Some(journal);
            self.view = view;
        }
        if self.view.summary.validity != 0 {
            match self.sync_locked(false, None) {
                // The journal is of a mailbox that was here before.
                Err(error) if error.is_replaced() => {
                    self.journal = None;
                    self.view = unknown();
                }
                result => return result,
            }
        }
        self.sync_locked(true, Some(new_validity))?;
        drop(lock);
        Ok(())
    }

    /// Learns what has changed. Costs a few looks at files and directories if nothing has.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.check_identity()?;
        if self.poll()? && self.is_current()? {
            return Ok(());
        }
        self.sync_with_lock(false)
    }

    /// Learns what has changed, under the lock; reads the directories whatever they look like if
    /// it is `forced`.
    pub(super) fn sync_with_lock(&mut self, forced: bool) -> Result<(), StoreError> {
        let lock = self.lock()?;
        self.sync_locked(forced, None)?;
        self.checkpoint();
        drop(lock);
        Ok(())
    }

    /// Takes the lock, if there can be one.
    pub(super) fn lock(&mut self) -> Result<Option<Lock>, StoreError> {
        match self.writing {
            Writing::Forbidden => return Ok(None),
            // Perhaps it works again.
            Writing::Fails | Writing::Works => {}
        }
        self.check_identity()?;
        match Lock::take(&self.dir, self.wait) {
            Ok(lock) => {
                self.writing = Writing::Works;
                Ok(Some(lock))
            }
            Err(error) => {
                let error = StoreError::at("lock", &self.dir)(error);
                match error.kind() {
                    Kind::NoSpace | Kind::Io => {
                        self.writing = Writing::Fails;
                        Ok(None)
                    }
                    _ => Err(error),
                }
            }
        }
    }

    /// Whether the mailbox that was opened is still at its place.
    fn check_identity(&self) -> Result<(), StoreError> {
        let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
        let there = fs::metadata(&self.dir).map_err(StoreError::at("find", &self.dir))?;
        let held = self.held.metadata();
        let held = held.map_err(StoreError::at("find", &self.dir))?;
        match identity(there) == identity(held) {
            true => Ok(()),
            false => Err(StoreError::replaced(&self.dir)),
        }
    }

    /// Learns what others have written into the journal. False if it needs to be written anew.
    pub(super) fn poll(&mut self) -> Result<bool, StoreError> {
        let path = self.dir.join(super::journal::FILE);
        let failed = |error| StoreError::at("read", &path)(error);
        let fate = match &mut self.journal {
            Some(journal) => {
                // Of one that was replaced, too: what it says came before what the other one says.
                journal.read_on(&mut self.view).map_err(failed)?;
                journal.fate(&self.dir).map_err(failed)?
            }
            None => Fate::Replaced,
        };
        if fate == Fate::Same {
            return Ok(!self.is_to_be_written());
        }
        if fate == Fate::Replaced
            && let Ok(Some((journal, view))) = Journal::open(&self.dir)
        {
            if view.summary.validity != self.view.summary.validity {
                return match self.is_private {
                    true => Ok(true),
                    false => Err(StoreError::replaced(&self.dir)),
                };
            }
            self.journal = Some(journal);
            self.take_over(view);
            return Ok(!self.is_to_be_written());
        }
        let is_waiting = self.is_behind && !self.is_to_be_written();
        Ok(self.writing != Writing::Works || is_waiting)
    }

    fn take_over(&mut self, view: View) {
        if !self.view.adopt(view, false) {
            (self.is_behind, self.next_try) = (true, None);
        }
    }

    /// Before what is behind the end of the journal is cut off: sees to it that nobody else can read
    /// it. The lock must be held.
    pub(super) fn read_the_rest(&mut self) {
        let Some(journal) = &self.journal else {
            return;
        };
        if journal.has_more()
            && let Ok(Some((other, view))) = Journal::open(&self.dir)
            && journal.is_behind(&other)
            && view.summary.validity == self.view.summary.validity
        {
            self.journal = Some(other);
            self.take_over(view);
        }
    }

    /// Whether all that can be seen of the mailbox is as it was when it was looked at last.
    fn is_current(&mut self) -> Result<bool, StoreError> {
        self.read_letters();
        let stamps = &self.view.summary.stamps;
        let list = self.dir.join(uidlist::FILE);
        let list = FileStamp::of(&list).map_err(StoreError::at("read", &list))?;
        let claims = self.claims && self.view.may_be_new;
        Ok(list == stamps.list && self.due()? == [false; 2] && !claims)
    }

    fn due(&self) -> Result<[bool; 2], StoreError> {
        let rest = REST.max(self.look_cost.saturating_mul(REST_LOOKS));
        Ok(self
            .view
            .summary
            .stamps
            .due(Stamps::of(&self.dir)?, now(), rest))
    }

    /// [`Selection::sync`] for one who holds the lock, or cannot have it. `start` is for a mailbox of
    /// which nothing is known.
    pub(super) fn sync_locked(
        &mut self,
        forced: bool,
        start: Option<NewValidity<'_>>,
    ) -> Result<(), StoreError> {
        self.check_identity()?;
        let mut is_fine = start.is_some() || self.poll()?;
        if start.is_none() {
            self.read_the_rest();
            is_fine &= !self.is_to_be_written();
        }
        if is_fine && !forced && self.is_current()? {
            return Ok(());
        }
        let result = self.look_and_tell(forced, start);
        if result.is_err() {
            // What was seen was not written down.
            let stamps = &mut self.view.summary.stamps;
            (stamps.new.trust, stamps.cur.trust) = (Trust::None, Trust::None);
        }
        result?;
        if (start.is_some() || !is_fine) && self.writing == Writing::Works {
            self.write_journal();
        }
        Ok(())
    }

    fn look_and_tell(
        &mut self,
        forced: bool,
        start: Option<NewValidity<'_>>,
    ) -> Result<(), StoreError> {
        self.read_letters();
        let due = match forced {
            true => [true; 2],
            false => self.due()?,
        };
        let old = self.view.summary.stamps;
        let began = Instant::now();
        let mut found = match due {
            [false, false] => Found::nothing(&self.dir, [old.new, old.cur]),
            _ => look(&self.dir, &self.view, due)?,
        };
        if due[Place::Cur as usize] {
            self.look_cost = i64::try_from(began.elapsed().as_nanos()).unwrap_or(i64::MAX);
        }
        let Settled {
            changes,
            fresh,
            claimed,
        } = self.settle(&mut found)?;
        // These need no UIDs any more, even if the list has lost them.
        found.missing = changes.gone.iter().copied().collect();
        let files: Vec<usize> = fresh.iter().map(|&(file, _)| file).collect();
        let given = self.give_uids(&found, &files, start)?;
        let uids = claimed.iter().map(|&n| self.view.messages[n].uid);
        let first_seen = given.fresh.iter().filter(|&&(at, _)| fresh[at].1);
        let recent: Vec<u32> = uids.chain(first_seen.map(|&(_, uid)| uid)).collect();
        match start {
            Some(_) => self.tell_first(&found, &files, &given)?,
            None => self.tell(old, &found, &files, changes, &given),
        }
        for uid in recent {
            if let Some(n) = self.view.find(uid) {
                self.view.set_marks(n, mark::RECENT);
            }
        }
        if due[Place::Cur as usize] {
            let old = self.view.summary.stamps;
            if self.writing == Writing::Works && start.is_none() {
                self.tidy_list();
            }
            self.tell_stamps(old);
        }
        Ok(())
    }

    /// Makes the view of a mailbox of which nothing was known.
    fn tell_first(
        &mut self,
        found: &Found,
        files: &[usize],
        given: &Given,
    ) -> Result<(), StoreError> {
        let modseq = self.next_modseq();
        let summary = &mut self.view.summary;
        (summary.highest, summary.floor) = (modseq, modseq);
        let mut order = given.fresh.clone();
        order.sort_unstable_by_key(|&(_, uid)| uid);
        for (at, uid) in order {
            if !self.view.push(&new_op(found, files[at], uid, modseq)) {
                return Err(StoreError::full(&self.dir));
            }
        }
        self.view.summary.next = self.view.summary.next.max(given.next);
        Ok(())
    }

    /// Writes down what was found.
    fn tell(
        &mut self,
        old: MailboxStamps,
        found: &Found,
        files: &[usize],
        mut changes: Changes,
        given: &Given,
    ) {
        let modseq = self.next_modseq();
        let mut new: Vec<NewOp> = given
            .fresh
            .iter()
            .map(|&(at, uid)| new_op(found, files[at], uid, modseq))
            .collect();
        for &(n, uid) in &given.known {
            let message = &self.view.messages[n];
            let state = changes.states.remove(&n).unwrap_or(message.state);
            if changes.gone.contains(&n) {
                continue;
            }
            let state = self.view.states.get(state);
            new.push(NewOp {
                uid,
                modseq,
                size: message.size,
                date: message.date,
                place: state.place,
                unique: self.view.unique(message).to_vec(),
                suffix: state.suffix.to_vec(),
                words: state.words.to_vec(),
            });
            changes.gone.insert(n);
        }
        new.sort_unstable_by_key(|new| new.uid);
        let mut ops = changes.ops(&self.view, modseq, seconds());
        ops.extend(new.into_iter().map(Op::New));
        let is_same = old == self.view.summary.stamps && given.next <= self.view.summary.next;
        if !(ops.is_empty() && is_same) {
            ops.push(self.stamps_op(given.next));
            self.commit_as(ops, false);
        }
    }

    /// Writes down what the files look like now, if that is not `old`.
    pub(super) fn tell_stamps(&mut self, old: MailboxStamps) {
        if self.view.summary.stamps != old {
            let op = self.stamps_op(0);
            self.commit(vec![op]);
        }
    }

    /// What the files looked like, and that the next UID is at least this one.
    pub(super) fn stamps_op(&self, next: u32) -> Op {
        let summary = &self.view.summary;
        Op::Stamps {
            stamps: summary.stamps,
            next: next.max(summary.next),
            highest: summary.highest,
        }
    }

    /// A modification sequence above all others, those of a journal that was lost included: that is
    /// what the clock is for.
    pub(super) fn next_modseq(&self) -> u64 {
        modseq_of(now()).max(self.view.summary.highest + 1)
    }

    /// Writes down what this session did, and lets its view know. The lock must be held.
    pub(super) fn commit(&mut self, ops: Vec<Op>) {
        self.commit_as(ops, true);
    }

    /// [`Selection::commit`] for what this session did itself, or only found.
    fn commit_as(&mut self, ops: Vec<Op>, is_own: bool) {
        if self.writing == Writing::Works
            && !self.is_behind
            && let Some(journal) = &mut self.journal
            && let Err(error) = journal.append(&self.dir, &ops)
        {
            // It is written as a whole the next time.
            self.warn_of_journal(error);
        }
        self.view.apply(ops, is_own);
    }

    /// Whether the journal lacks something, and it is time to try again.
    fn is_to_be_written(&self) -> bool {
        self.is_behind && self.next_try.is_none_or(|next| Instant::now() >= next)
    }

    fn warn_of_journal(&mut self, error: io::Error) {
        self.is_behind = true;
        self.next_try = Instant::now().checked_add(TRY_AGAIN);
        let path = self.dir.join(super::journal::FILE);
        self.warning = Some(StoreError::at("write", &path)(error).to_string());
    }

    /// Writes the journal anew. Failing costs what only the journal can hold.
    pub(super) fn write_journal(&mut self) {
        match Journal::write(&self.dir, &mut self.view, seconds()) {
            Ok(journal) => {
                self.journal = Some(journal);
                self.is_behind = false;
            }
            Err(error) => self.warn_of_journal(error),
        }
    }

    /// Writes the journal anew if its log has become long. The lock must be held.
    pub(super) fn checkpoint(&mut self) {
        let is_long = self.journal.as_ref().is_some_and(Journal::is_long);
        if is_long && self.writing == Writing::Works {
            self.write_journal();
        }
    }
}

/// A view of which nothing is known.
fn unknown() -> View {
    View::new(Summary {
        next: 1,
        ..Summary::default()
    })
}

fn new_op(found: &Found, file: usize, uid: u32, modseq: u64) -> NewOp {
    let message = &found.folder.messages[file];
    let name = found.folder.names.name(message);
    let unique = unique_of(name);
    NewOp {
        uid,
        modseq,
        size: NO_SIZE,
        date: NO_DATE,
        place: message.place(),
        unique: unique.to_vec(),
        suffix: name[unique.len()..].to_vec(),
        words: Vec::new(),
    }
}

/// Makes the directories of a mailbox that lacks them, as a hand-made one may. One that was used before
/// had them: they are elsewhere for the moment, and its messages with them.
fn make_directories(dir: &Path) -> Result<(), StoreError> {
    let was_used = [super::journal::FILE, uidlist::FILE]
        .iter()
        .any(|file| fs::symlink_metadata(dir.join(file)).is_ok());
    for part in ["new", "cur", "tmp"] {
        let path = dir.join(part);
        match fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && (!was_used || part == "tmp") => {
                let made = DirBuilder::new().mode(0o700).create(&path);
                made.map_err(StoreError::at("create", &path))?;
            }
            Err(error) => return Err(StoreError::at("open", &path)(error)),
            Ok(_) => {}
        }
    }
    Ok(())
}
