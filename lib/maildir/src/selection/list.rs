//! Giving UIDs: by `dovecot-uidlist`, which other programs write, too.

use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{Kind, StoreError};
use super::look::{Found, NameIndex};
use super::stamps::{FileStamp, Trust};
use super::view::View;
use super::{Selection, Writing};
use crate::dotlock::Dotlock;
use crate::folder::hash;
use crate::sizes::number;
use crate::uidfile::{COURIER, add_line, append, create, rewrite};
use crate::uidlist::{self, Fault, Header, ListError};
use crate::uids::clock_validity;

/// So many dead lines are never worth a new list, nor is this share of all.
const DEAD: u32 = 50;
const DEAD_SHARE: u32 = 4;

/// How long the lock is waited for to write a new list: another time will do.
const TIDY_WAIT: Duration = Duration::from_millis(50);

/// What a list said.
#[derive(Debug)]
struct Listed {
    header: Header,
    stamp: FileStamp,
    lines: u32,
    /// Where it was read; None if it is to be made of nothing.
    source: Option<PathBuf>,
    /// Whether that was Courier's.
    is_couriers: bool,
    /// The UIDs of the fresh files, and of the messages that are known; 0 is none.
    fresh: Vec<u32>,
    known: Vec<u32>,
    /// The UID of its last line; 0 where that does not matter.
    last: u32,
}

/// Who got which UID.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Fresh files, by their place in what was asked for.
    pub(super) fresh: Vec<(usize, u32)>,
    /// Messages that have another UID from now on.
    pub(super) known: Vec<(usize, u32)>,
    /// The next UID.
    pub(super) next: u32,
}

impl Selection {
    /// Finds or gives the UIDs of `fresh` files, and looks whether those of known messages still are
    /// as they were if the list has changed. `start` gives a UIDVALIDITY where nothing is known yet.
    pub(super) fn give_uids(
        &mut self,
        found: &Found,
        fresh: &[usize],
        start: Option<&dyn Fn() -> std::io::Result<u32>>,
    ) -> Result<Given, StoreError> {
        let path = self.dir.join(uidlist::FILE);
        let stamp = FileStamp::of(&path).map_err(StoreError::at("read", &path))?;
        if stamp == self.view.summary.stamps.list && start.is_none() && fresh.is_empty() {
            return Ok(Given {
                next: self.view.summary.next,
                ..Given::default()
            });
        }
        let mut listed = self.listed(&path, stamp, found, fresh, start)?;
        let mut lock = None;
        while self.lacks(&listed, start.is_some()) {
            if self.writing != Writing::Works {
                return self.unwritten(found, fresh, listed, start);
            }
            if lock.is_none() {
                match Dotlock::take(&path, self.wait) {
                    Ok(taken) => lock = Some(taken),
                    Err(error) => {
                        self.bear(StoreError::at("lock", &path)(error), &listed)?;
                        return self.unwritten(found, fresh, listed, start);
                    }
                }
                let stamp = FileStamp::of(&path).map_err(StoreError::at("read", &path))?;
                if stamp != listed.stamp {
                    listed = self.listed(&path, stamp, found, fresh, start)?;
                    continue;
                }
            }
            if !lock.as_ref().is_some_and(Dotlock::is_held) {
                return Err(ListError::new(&path, Fault::LockLost).into());
            }
            match self.give(&path, found, fresh, &mut listed) {
                Ok(()) => break,
                Err(error) => {
                    self.bear(error, &listed)?;
                    return self.unwritten(found, fresh, listed, start);
                }
            }
        }
        Ok(self.accept(listed, fresh.len(), start.is_some()))
    }

    /// Reads the list, if it is not as it was, or there may be more in it than is known. Messages that
    /// are gone need not be in it.
    fn listed(
        &self,
        path: &Path,
        stamp: FileStamp,
        found: &Found,
        fresh: &[usize],
        start: Option<&dyn Fn() -> std::io::Result<u32>>,
    ) -> Result<Listed, StoreError> {
        let mut listed = self.listed_all(path, stamp, found, fresh, start)?;
        for &n in &found.missing {
            listed.known[n] = self.view.messages[n].uid;
        }
        Ok(listed)
    }

    fn listed_all(
        &self,
        path: &Path,
        stamp: FileStamp,
        found: &Found,
        fresh: &[usize],
        start: Option<&dyn Fn() -> std::io::Result<u32>>,
    ) -> Result<Listed, StoreError> {
        let summary = &self.view.summary;
        let none = |validity, next, known| Listed {
            header: Header {
                version: 0,
                validity,
                next,
                pop3_format: None,
                complete: 0,
                others: Vec::new(),
            },
            stamp,
            lines: 0,
            source: None,
            is_couriers: false,
            fresh: vec![0; fresh.len()],
            known,
            last: 0,
        };
        if start.is_none() && stamp == summary.stamps.list && stamp.is_there {
            let known = self.view.messages.iter().map(|message| message.uid);
            let mut listed = none(summary.validity, summary.next, known.collect());
            listed.header.version = 3;
            listed.header.complete = summary.stamps.list_complete;
            listed.lines = summary.stamps.list_lines;
            return Ok(listed);
        }
        let courier = self.dir.join(COURIER);
        let mut sources = vec![path];
        if start.is_some() {
            sources.push(&courier);
        }
        for source in sources {
            match read(source, stamp, &self.view, found, fresh) {
                Ok(Some(listed)) => {
                    let is_ours = start.is_some() || listed.header.validity == summary.validity;
                    return match is_ours {
                        true => Ok(listed),
                        false => Err(StoreError::replaced(&self.dir)),
                    };
                }
                Ok(None) => {}
                // Courier's list is a help and no more.
                Err(_) if source == courier => {}
                // A list that is damaged is made anew where everything in it is known otherwise; nothing
                // is lost of an empty one. One that is all there is is left for somebody to look at.
                Err(Fault::Header | Fault::Line(_)) if start.is_none() || is_empty(source) => {}
                Err(fault) => return Err(ListError::new(source, fault).into()),
            }
        }
        match start {
            // The list is lost, and what is known of it is not.
            None => {
                let known = self.view.messages.iter().map(|message| message.uid);
                Ok(none(summary.validity, summary.next, known.collect()))
            }
            Some(new_validity) => {
                let validity = match self.writing {
                    Writing::Works => {
                        new_validity().map_err(StoreError::at("number", &self.dir))?
                    }
                    _ => clock_validity(),
                };
                Ok(none(validity, 1, vec![0; self.view.messages.len()]))
            }
        }
    }

    /// Whether the list has to be written.
    fn lacks(&self, listed: &Listed, starts: bool) -> bool {
        let next = self.view.summary.next;
        let is_unusable = |&uid: &u32| uid == 0 || (!starts && uid < next);
        listed.header.version != 3
            || listed.source.as_ref().is_some_and(|source| !is_own(source))
            || listed.fresh.iter().any(is_unusable)
            || self
                .view
                .living()
                .any(|(n, message)| !is_good(listed.known[n], message.uid, next))
    }

    /// Gives UIDs to all that have none and writes them into the list. The lists' lock must be held.
    fn give(
        &mut self,
        path: &Path,
        found: &Found,
        fresh: &[usize],
        listed: &mut Listed,
    ) -> Result<(), StoreError> {
        let view = &self.view;
        let starts = view.summary.validity == 0;
        let next = view.summary.next;
        listed.header.next = listed.header.next.max(next);
        let mut lines = Vec::new();
        let mut count = 0;
        if listed.header.version == 0 {
            for (_, message) in view.living() {
                add_line(&mut lines, message.uid, view.unique(message));
                count += 1;
            }
        }
        // Lines that were lost from its end come again as they were.
        for (n, message) in view.living() {
            let is_lost = listed.known[n] == 0 && listed.header.version == 3;
            if is_lost && message.uid > listed.last {
                listed.known[n] = message.uid;
                add_line(&mut lines, message.uid, view.unique(message));
                count += 1;
            }
        }
        let mut given = listed.header.next;
        let mut take = |uid: &mut u32, unique: &[u8]| {
            if given == u32::MAX {
                return Err(StoreError::from(ListError::new(path, Fault::Full)));
            }
            *uid = given;
            given += 1;
            add_line(&mut lines, *uid, unique);
            count += 1;
            Ok(())
        };
        for (n, message) in view.living() {
            if !is_good(listed.known[n], message.uid, next) {
                take(&mut listed.known[n], view.unique(message))?;
            }
        }
        let mut order: Vec<usize> = (0..fresh.len())
            .filter(|&at| listed.fresh[at] == 0 || (!starts && listed.fresh[at] < next))
            .collect();
        let names = &found.folder;
        let unique = |at: usize| names.names.unique(&names.messages[fresh[at]]);
        order.sort_by_cached_key(|&at| (time_of(unique(at)), unique(at).to_vec()));
        for at in order {
            take(&mut listed.fresh[at], unique(at))?;
        }
        listed.header.next = given;
        let result = match (listed.header.version, &listed.source) {
            (3, source) if source.as_ref().is_none_or(|source| is_own(source)) => {
                append(path, &lines, &mut listed.header).map_err(Fault::Io)
            }
            (_, source) => create(path, &lines, &mut listed.header, source.as_deref()),
        };
        result.map_err(|fault| ListError::new(path, fault))?;
        listed.source = Some(path.to_owned());
        listed.lines = listed.lines.saturating_add(count);
        listed.stamp = FileStamp::of(path).map_err(StoreError::at("read", path))?;
        Ok(())
    }

    /// Takes note of a list in which everything is that should be.
    fn accept(&mut self, listed: Listed, fresh: usize, starts: bool) -> Given {
        let mut given = Given {
            next: listed.header.next,
            ..Given::default()
        };
        for (n, message) in self.view.living() {
            let uid = listed.known[n];
            if uid != message.uid && uid != 0 {
                given.known.push((n, uid));
            }
        }
        let usable = (0..fresh).map(|at| (at, listed.fresh[at]));
        given.fresh = usable.filter(|&(_, uid)| uid != 0).collect();
        let summary = &mut self.view.summary;
        summary.stamps.list = listed.stamp;
        summary.stamps.list_complete = listed.header.complete;
        summary.stamps.list_lines = listed.lines;
        if starts {
            summary.validity = listed.header.validity;
            summary.stamps.wants_courier = listed.is_couriers;
        }
        given
    }

    /// What there is without writing: what is in the list, and, in a session of its own, the rest
    /// with UIDs that hold for as long as that.
    fn unwritten(
        &mut self,
        found: &Found,
        fresh: &[usize],
        mut listed: Listed,
        start: Option<&dyn Fn() -> std::io::Result<u32>>,
    ) -> Result<Given, StoreError> {
        let next = self.view.summary.next;
        if self.writing == Writing::Forbidden && (start.is_some() || self.is_private) {
            if start.is_some() && !self.is_private {
                self.is_private = true;
                listed.header.validity = clock_validity();
            }
            listed.header.next = listed.header.next.max(next);
            let names = &found.folder;
            let unique = |at: usize| names.names.unique(&names.messages[fresh[at]]);
            let mut order: Vec<usize> = (0..fresh.len())
                .filter(|&at| listed.fresh[at] == 0 || (start.is_none() && listed.fresh[at] < next))
                .collect();
            order.sort_by_cached_key(|&at| (time_of(unique(at)), unique(at).to_vec()));
            for at in order {
                listed.fresh[at] = listed.header.next;
                listed.header.next = listed.header.next.saturating_add(1);
            }
        } else {
            // They are looked for again.
            for uid in &mut listed.fresh {
                if start.is_none() && *uid < next {
                    *uid = 0;
                }
            }
            let stamps = &mut self.view.summary.stamps;
            (stamps.new.trust, stamps.cur.trust) = (Trust::None, Trust::None);
        }
        for (n, message) in self.view.living() {
            listed.known[n] = message.uid;
        }
        Ok(self.accept(listed, fresh.len(), start.is_some()))
    }

    /// Goes on without what failed, if that can be, and tells it for the log.
    fn bear(&mut self, error: StoreError, listed: &Listed) -> Result<(), StoreError> {
        match error.kind() {
            Kind::NoPermission => self.writing = Writing::Forbidden,
            // Without a list there is no UIDVALIDITY that would hold.
            Kind::NoSpace | Kind::Io if listed.header.version == 3 => {}
            _ => return Err(error),
        }
        self.warning = Some(error.to_string());
        Ok(())
    }

    /// Writes the list anew if most of it is of messages that are gone. All that is there must be
    /// known. Failing does no harm.
    pub(super) fn tidy_list(&mut self) {
        let stamps = self.view.summary.stamps;
        let living = u32::try_from(self.view.living().count()).unwrap_or(u32::MAX);
        let dead = stamps.list_lines.saturating_sub(living);
        let is_sure = [stamps.new, stamps.cur]
            .iter()
            .all(|dir| dir.trust == Trust::Complete);
        if !is_sure || dead <= DEAD || dead <= stamps.list_lines / DEAD_SHARE {
            return;
        }
        let path = self.dir.join(uidlist::FILE);
        let Ok(lock) = Dotlock::take(&path, TIDY_WAIT) else {
            return;
        };
        if !FileStamp::of(&path).is_ok_and(|now| now == stamps.list) || !lock.is_held() {
            return;
        }
        let header = os::file::open_unfollowed(&path)
            .map_err(Fault::Io)
            .and_then(|file| uidlist::read(BufReader::new(file), |_| {}));
        let Ok(mut header) = header else {
            return;
        };
        header.next = header.next.max(self.view.summary.next);
        let index = NameIndex::of(&self.view);
        let view = &self.view;
        let is_alive = |entry: &uidlist::Entry<'_>| {
            let n = index.find_in(view, entry.unique);
            n.is_some_and(|n| view.messages[n].uid == entry.uid)
        };
        match rewrite(&path, &mut header, is_alive) {
            Ok(lines) => {
                if let Ok(now) = FileStamp::of(&path) {
                    let stamps = &mut self.view.summary.stamps;
                    stamps.list = now;
                    stamps.list_complete = header.complete;
                    stamps.list_lines = lines;
                }
            }
            Err(fault) => self.warning = Some(ListError::new(&path, fault).to_string()),
        }
    }
}

/// Whether there is a file of no length: one that a crash of the system has left.
fn is_empty(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == 0)
}

/// Whether this is what the list should say of a message that has `uid`: nothing else, or a later
/// one that somebody else gave.
fn is_good(listed: u32, uid: u32, next: u32) -> bool {
    listed == uid || listed >= next
}

fn is_own(source: &Path) -> bool {
    source.file_name().is_some_and(|name| name == uidlist::FILE)
}

fn read(
    path: &Path,
    stamp: FileStamp,
    view: &View,
    found: &Found,
    fresh: &[usize],
) -> Result<Option<Listed>, Fault> {
    let file = match os::file::open_unfollowed(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let names = &found.folder;
    let unique = |at: usize| names.names.unique(&names.messages[fresh[at]]);
    let fresh_index = NameIndex::new(
        fresh.len(),
        (0..fresh.len()).map(|at| (at, hash(unique(at)))),
    );
    let known_index = NameIndex::of(view);
    let mut listed_fresh = vec![0; fresh.len()];
    let mut listed_known = vec![0; view.messages.len()];
    let (mut lines, mut last) = (0, 0);
    let header = uidlist::read(BufReader::with_capacity(64 * 1024, file), |entry| {
        lines += 1;
        last = entry.uid;
        // A name that stands there twice came back after it was gone: the later UID counts.
        let hash = hash(entry.unique);
        if let Some(at) = fresh_index.find(hash, |at| unique(at) == entry.unique) {
            listed_fresh[at] = entry.uid;
        } else if let Some(n) = known_index.find_in(view, entry.unique) {
            listed_known[n] = entry.uid;
        }
    })?;
    Ok(Some(Listed {
        header,
        stamp,
        lines,
        source: Some(path.to_owned()),
        is_couriers: !is_own(path),
        fresh: listed_fresh,
        known: listed_known,
        last,
    }))
}

/// When a message was delivered, by its name: seconds, and microseconds as `M` says them. Names of
/// other forms have no time.
pub(super) fn time_of(unique: &[u8]) -> (u64, u64) {
    let digits = |text: &[u8]| {
        let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        number(&text[..count]).unwrap_or(0)
    };
    let seconds = digits(unique);
    let micros = memchr::memmem::find(unique, b".M").map_or(0, |at| digits(&unique[at + 2..]));
    (seconds, micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_message_is_in_its_name() {
        for (unique, time) in [
            (&b"1700000000.M42P7Q1.host,S=10"[..], (1_700_000_000, 42)),
            (b"1700000000.7.host", (1_700_000_000, 0)),
            (b"odd", (0, 0)),
            (b"99999999999999999999.M1", (0, 1)),
        ] {
            assert_eq!(time_of(unique), time);
        }
    }
}
