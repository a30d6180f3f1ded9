//! COPY and MOVE: by links, where both mailboxes are on one file system.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::error::StoreError;
use super::incoming::{Incoming, with_sizes};
use super::op::{NO_DATE, NO_SIZE};
use super::stage::Temporary;
use super::view::mark;
use super::{Open, Selection};
use crate::scan::modified_at;
use crate::sizes::sizes_in_name;

/// What was copied or moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The UIDVALIDITY of the target.
    pub validity: u32,
    /// UIDs here, and there.
    pub pairs: Vec<(u32, u32)>,
    /// Messages that are no more, by their numbers.
    pub gone: Vec<usize>,
}

impl Selection {
    /// Copies messages into another mailbox, or into this one, with their flags, keywords and
    /// dates: all of them, or none, if one is gone or anything fails (RFC 3501 section 6.4.7), or if they
    /// are too much for the account's quota. They are on the disk when this returns.
    pub fn copy(&mut self, which: &[usize], target: &Open<'_>) -> Result<Copied, StoreError> {
        Ok(self.copy_there(which, target, true, true)?.0)
    }

    /// [`Selection::copy`] of those that are there; those that are gone are passed over.
    pub fn copy_present(
        &mut self,
        which: &[usize],
        target: &Open<'_>,
    ) -> Result<Copied, StoreError> {
        Ok(self.copy_there(which, target, false, true)?.0)
    }

    /// Moves messages into another mailbox, or into this one under new UIDs; those that are gone
    /// are passed over. Each is there, on the disk, before it is removed here: a kill leaves some in
    /// both and none in neither. One that somebody else has moved or expunged meanwhile is his, and
    /// is taken back from the target.
    ///
    /// Within one account nothing is added to what counts, so no quota is in the way.
    pub fn move_to(&mut self, which: &[usize], target: &Open<'_>) -> Result<Copied, StoreError> {
        self.check_writable()?;
        // From one to the other of one account: nothing is to be noted for either.
        let counts = self.account.is_none() || target.account.is_none();
        let (mut copied, mut mailbox) = self.copy_there(which, target, false, counts)?;
        let places = |pairs: &[(u32, u32)], selection: &Selection| -> Vec<(u32, usize)> {
            let all = pairs.iter();
            all.filter_map(|&(uid, _)| Some((uid, selection.position(uid)?)))
                .collect()
        };
        let moved = places(&copied.pairs, self);
        let numbers: Vec<usize> = moved.iter().map(|&(_, n)| n).collect();
        let (removed, fault) = match self.remove_from(&numbers, counts) {
            Ok(removed) => (removed, None),
            // Those that it got away are moved, and the others stay here.
            Err(error) => {
                let gone = moved.iter().filter(|&&(_, n)| self.is_gone(n));
                (gone.map(|&(uid, _)| uid).collect(), Some(error))
            }
        };
        let (ours, others): (Vec<_>, Vec<_>) = copied
            .pairs
            .iter()
            .partition(|(uid, _)| removed.binary_search(uid).is_ok());
        if others.is_empty() {
            return Ok(copied);
        }
        // Only what was told of can be removed, and nobody else is told by this session.
        mailbox.take_news(true);
        let back = others.iter().filter_map(|&(_, uid)| mailbox.position(uid));
        let back: Vec<usize> = back.collect();
        mailbox.remove_from(&back, counts)?;
        if let Some(error) = fault {
            return Err(error);
        }
        let lost = moved
            .iter()
            .filter(|(uid, _)| removed.binary_search(uid).is_err());
        copied.gone.extend(lost.map(|&(_, n)| n));
        copied.gone.sort_unstable();
        copied.pairs = ours;
        Ok(copied)
    }

    fn copy_there(
        &mut self,
        which: &[usize],
        target: &Open<'_>,
        all_or_none: bool,
        counts: bool,
    ) -> Result<(Copied, Selection), StoreError> {
        let counts = counts && self.has_room(which, target)?;
        let mut mailbox = Selection::open_as(target, false)?;
        let mut copied = Copied {
            validity: mailbox.validity(),
            ..Copied::default()
        };
        let mut uids = Vec::new();
        let mut incoming = Vec::with_capacity(which.len());
        for &n in which {
            match self.link(n, target.dir)? {
                Some(message) => {
                    uids.push(self.uid(n));
                    incoming.push(message);
                }
                None => copied.gone.push(n),
            }
        }
        let is_wanted = copied.gone.is_empty() || !all_or_none;
        if is_wanted && !incoming.is_empty() {
            let given = mailbox.add(incoming, counts)?;
            mailbox.make_last()?;
            copied.pairs = uids.into_iter().zip(given).collect();
        }
        Ok((copied, mailbox))
    }

    /// Whether there is a quota that the copies of messages count for; an error if they are surely too
    /// much for it. (A message of whose name nobody knows the size is looked at.)
    fn has_room(&self, which: &[usize], target: &Open<'_>) -> Result<bool, StoreError> {
        let Some(account) = target.account else {
            return Ok(false);
        };
        let counting = |error| StoreError::at("count what is in", account.inbox())(error);
        let Some(mut entry) = account.begin() else {
            return Ok(false);
        };
        let more = self.usage(which).map_err(counting)?;
        match entry.has_room(more).map_err(counting)? {
            true => Ok(true),
            false => Err(StoreError::over_quota(target.dir)),
        }
    }

    /// Links the file of message `n` into `tmp` of the mailbox at `target`. None if it is gone.
    fn link(&mut self, n: usize, target: &Path) -> Result<Option<Incoming>, StoreError> {
        for look in 0..3 {
            let path = self.path(n);
            if path.as_os_str().is_empty() {
                return Ok(None);
            }
            match Temporary::new(target, |new| link_or_copy(&path, new)) {
                Ok((temporary, ())) => return Ok(Some(self.incoming(n, temporary)?)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // It may be the target that is not there.
                    let tmp = target.join("tmp");
                    fs::metadata(&tmp).map_err(StoreError::at("open", &tmp))?;
                }
                Err(error) => return Err(StoreError::at("copy", &path)(error)),
            }
            match look {
                0 => self.sync()?,
                1 => self.sync_with_lock(true)?,
                _ => {}
            }
        }
        Ok(None)
    }

    fn incoming(&self, n: usize, temporary: Temporary) -> Result<Incoming, StoreError> {
        let meta = fs::symlink_metadata(&temporary.path)
            .map_err(StoreError::at("read", &temporary.path))?;
        let message = &self.view.messages[n];
        let unique = self.view.unique(message);
        let named = sizes_in_name(unique).filter(|&(bytes, _)| bytes == meta.len());
        let wire = match message.size != NO_SIZE && !message.is(mark::GROWING) {
            true => Some(message.size),
            false => named.map(|(_, wire)| wire),
        };
        let ids = self.keywords(n).iter();
        Ok(Incoming {
            unique: with_sizes(&temporary.unique, meta.len(), wire),
            bytes: meta.len(),
            temporary,
            flags: self.flags(n),
            keywords: ids.map(|&id| self.keyword_name(id).to_vec()).collect(),
            size: wire.unwrap_or(NO_SIZE),
            date: match wire {
                Some(_) => modified_at(&meta).div_euclid(1_000_000_000),
                None => NO_DATE,
            },
        })
    }
}

/// Gives a file a second name, or, where that cannot be, a copy.
fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::AlreadyExists
                    | io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
            ) =>
        {
            Err(error)
        }
        // Another file system, too many links already, a file of somebody else.
        Err(_) => copy(from, to),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = os::file::open_unfollowed(from)?;
    let meta = source.metadata()?;
    if !meta.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut target: File = os::file::create_exclusive(to, 0o600)?;
    let result = io::copy(&mut source, &mut target)
        .and_then(|_| target.set_modified(meta.modified()?))
        .and_then(|()| target.sync_all());
    if result.is_err() {
        let _ = fs::remove_file(to);
    }
    result
}
