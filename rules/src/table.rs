//! A new database, record by record, behind the guard: it is in force whole or not at all.

use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use crate::compile::Failure;
use crate::digest;
use crate::replace::{CommitError, Replacement};
use crate::write::{Maker, Written};

/// A database on its way to replace one. Dropped before [`Table::commit`] it leaves the old one in
/// force, and no temporary file.
pub struct Table {
    replacement: Replacement,
    maker: Maker,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Table");
        shown.field("replacement", &self.replacement);
        shown.finish_non_exhaustive()
    }
}

impl Table {
    /// Begins one that is to become `target`, by way of the file `temporary`
    /// ([`Replacement::create`] says what becomes of an old one).
    pub fn create(target: &Path, temporary: &Path) -> Result<Table, Failure> {
        let replacement = Replacement::create(target, temporary).map_err(Failure::Create)?;
        let maker = replacement.file().try_clone().and_then(Maker::new);
        Ok(Table {
            maker: maker.map_err(Failure::Write)?,
            replacement,
        })
    }

    /// The temporary file, for its owner and mode.
    pub fn file(&self) -> &File {
        self.replacement.file()
    }

    /// Adds a record; of several with one key the first is found. An error says `out of memory` where
    /// the database has become too large.
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        let added = self.maker.add(key, digest::of(key), value);
        added.map_err(Failure::Write)
    }

    /// Writes and syncs it, reads it back, and puts it in the old one's place. Its time of last change is
    /// `modified`, where that is given.
    pub fn commit(self, modified: Option<SystemTime>) -> Result<(), Failure> {
        let written: Written = self.maker.finish().map_err(Failure::Write)?;
        let file = self.replacement.file();
        modified
            .map_or(Ok(()), |time| file.set_modified(time))
            .and_then(|()| file.sync_all())
            .and_then(|()| written.compare(file.try_clone()?))
            .map_err(Failure::Write)?;
        self.replacement.commit().map_err(|error| match error {
            CommitError::Move(error) => Failure::Move(error),
            CommitError::Sync(error) => Failure::Sync(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdb::Cdb;

    #[test]
    fn it_is_in_force_whole_or_not_at_all_and_of_equal_keys_the_first_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (target, temporary) = (folder.path().join("t.cdb"), folder.path().join("t.tmp"));
        let mut table = Table::create(&target, &temporary).unwrap();
        for value in [b"1", b"2"] {
            table.add(b"a", value).unwrap();
        }
        assert!(!target.exists());
        table.commit(None).unwrap();
        let get = || Cdb::open_path(&target).unwrap().get(b"a").unwrap().unwrap();
        assert_eq!(get(), b"1");
        let mut table = Table::create(&target, &temporary).unwrap();
        table.add(b"a", b"3").unwrap();
        drop(table);
        assert_eq!(get(), b"1");
        assert!(!temporary.exists());
    }
}
