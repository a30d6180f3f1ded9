//! The file `superd-journal` of a mailbox: a snapshot, and behind it the log of what happened since.
//!
//! Readers take no lock: a frame of the log counts when its checksum fits. Writers hold the lock of
//! the mailbox; what is behind the last good frame then belongs to nobody and is cut off. A new
//! snapshot replaces the file by renaming. It is read into memory and never mapped: whoever cut a mapped
//! file off would end all its readers.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::op::{BODY_BYTES, FRAME_HEAD, Op, frames, read_frames};
use super::snapshot::{HEADER_BYTES, Header};
use super::view::View;

/// Its name in the mailbox.
pub(super) const FILE: &str = "superd-journal";
const TEMPORARY: &str = "superd-journal.tmp";

/// How much of the log is read at once: some frames of the largest kind.
const READ_BYTES: usize = 4 * (BODY_BYTES + FRAME_HEAD);

/// A log that is shorter needs no new snapshot.
const LOG_BYTES: u64 = 64 * 1024;

/// One that has no place for a log longer than this share of the snapshot.
const LOG_SHARE: u64 = 4;

/// A journal that was read.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    identity: (u64, u64),
    generation: u64,
    /// How long the snapshot is.
    begin: u64,
    /// Up to here the log was read.
    end: u64,
}

/// What became of the file since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is as it was, and perhaps longer.
    Same,
    /// Another one stands in its place.
    Replaced,
    /// It is not there any more, or damaged.
    Lost,
}

impl Journal {
    /// Reads the journal of the mailbox at `dir`. None if there is none that can be believed.
    pub(super) fn open(dir: &Path) -> io::Result<Option<(Journal, View)>> {
        let file = match os::file::open_unfollowed(&dir.join(FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let meta = file.metadata()?;
        let is_believable = meta.is_file()
            && (meta.uid() == os::identity::effective_uid()
                || meta.uid() == fs::metadata(dir)?.uid());
        if !is_believable {
            return Ok(None);
        }
        let Some((view, begin)) = read_snapshot(&file, meta.len())? else {
            return Ok(None);
        };
        let mut journal = Journal {
            identity: identity(&meta),
            file,
            generation: view.summary.generation,
            begin,
            end: begin,
        };
        let mut view = view;
        journal.read_on(&mut view)?;
        Ok(Some((journal, view)))
    }

    /// What became of the file at its place.
    pub(super) fn fate(&self, dir: &Path) -> io::Result<Fate> {
        match fs::symlink_metadata(dir.join(FILE)) {
            Ok(meta) if identity(&meta) != self.identity => Ok(Fate::Replaced),
            Ok(meta) if meta.len() < self.end => Ok(Fate::Lost),
            Ok(_) => Ok(Fate::Same),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Fate::Lost),
            Err(error) => Err(error),
        }
    }

    /// Tells `view` what was appended.
    pub(super) fn read_on(&mut self, view: &mut View) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            let left = self.file.metadata()?.len().saturating_sub(self.end);
            let count = usize::try_from(left).unwrap_or(READ_BYTES).min(READ_BYTES);
            if count == 0 {
                return Ok(());
            }
            buffer.resize(count, 0);
            match self.file.read_exact_at(&mut buffer, self.end) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
                other => other?,
            }
            let good = read_frames(&buffer, self.generation, self.end, |ops| {
                view.apply(ops, false)
            });
            if good == 0 {
                return Ok(());
            }
            self.end += good as u64;
        }
    }

    /// Whether there is more in the file than was read: a frame that was not written to the end, or
    /// one that does not fit what is known here.
    pub(super) fn has_more(&self) -> bool {
        let length = self.file.metadata().map(|meta| meta.len());
        length.is_ok_and(|length| length > self.end)
    }

    /// Whether another reading of the same file came further.
    pub(super) fn is_behind(&self, other: &Journal) -> bool {
        self.identity == other.identity && self.end < other.end
    }

    /// Writes down what happened. The lock must be held, and everything have been read.
    pub(super) fn append(&mut self, dir: &Path, ops: &[Op]) -> io::Result<()> {
        // Opened for this write: closing it is what those are told by who watch the directory.
        let file = OpenOptions::new().write(true).open(dir.join(FILE))?;
        let meta = file.metadata()?;
        if identity(&meta) != self.identity {
            return Err(ErrorKind::NotFound.into());
        }
        if meta.len() > self.end {
            // What a writer left who died.
            file.set_len(self.end)?;
        }
        let bytes = frames(ops, self.generation, self.end);
        match file.write_all_at(&bytes, self.end) {
            Ok(()) => {
                self.end += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                let _ = file.set_len(self.end);
                Err(error)
            }
        }
    }

    /// Whether the log is so long that a new snapshot is cheaper.
    pub(super) fn is_long(&self) -> bool {
        self.end - self.begin > LOG_BYTES.max(self.begin / LOG_SHARE)
    }

    /// Writes a new journal that holds what `view` knows, and lets it know that by the new one's
    /// names. The lock must be held.
    pub(super) fn write(dir: &Path, view: &mut View, now: u32) -> io::Result<Journal> {
        let mut generation = [0; 8];
        os::process::random(&mut generation)?;
        let parts = view
            .snapshot(u64::from_le_bytes(generation), now)
            .ok_or(ErrorKind::FileTooLarge)?;
        let temporary = dir.join(TEMPORARY);
        if let Err(error) = fs::remove_file(&temporary)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = os::file::create_exclusive(&temporary, 0o600)?;
        // What is lost of the others with a crash of the system is found again, and a file that is not
        // whole is known by its checksums.
        let make_last = |file: &File| match view.has_words() {
            true => file.sync_data(),
            false => {
                os::file::begin_to_write(file);
                Ok(())
            }
        };
        let result = parts
            .iter()
            .try_for_each(|part| file.write_all(part))
            .and_then(|()| make_last(&file))
            .and_then(|()| fs::rename(&temporary, dir.join(FILE)));
        drop(parts);
        if let Err(error) = result {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        let (journal, newer) = Journal::open(dir)?.ok_or(ErrorKind::InvalidData)?;
        let _ = view.adopt(newer, true);
        Ok(journal)
    }
}

/// What the snapshot at the beginning of a file of so many bytes says, and its length. None if it cannot
/// be believed.
///
/// It is taken over in two pieces, so that of the records nothing stays in memory twice.
fn read_snapshot(file: &File, length: u64) -> io::Result<Option<(View, u64)>> {
    let mut head = [0; HEADER_BYTES];
    match file.read_exact_at(&mut head, 0) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let Some(header) = Header::read(&head) else {
        return Ok(None);
    };
    let (first, second) = (header.first_half(), header.second_half());
    let end = header.length() as u64;
    if end > length {
        return Ok(None);
    }
    let mut file = file;
    file.seek(SeekFrom::Start(HEADER_BYTES as u64))?;
    let read = |count: usize| {
        let mut bytes = Vec::with_capacity(count);
        file.take(count as u64).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    let (records, rest) = (read(first)?, read(second)?);
    Ok(View::load(header, &records, rest).map(|view| (view, end)))
}

fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}
