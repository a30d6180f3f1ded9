//! All addresses of the store: which are good, and away with the others.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use crate::expiry::seconds;
use crate::{Address, Store};

/// A temporary file that is older than this, in seconds, was left by somebody who died over it.
pub const TEMPORARY_AGE: i64 = 3600;

/// What a sweep has found.
#[derive(Debug, Default)]
pub struct Swept {
    /// The addresses that are good, in no order.
    pub open: Vec<Address>,
    /// How many files were removed.
    pub removed: u64,
    /// The first thing that could not be done. `open` is right all the same.
    pub trouble: Option<io::Error>,
}

impl Store {
    /// The addresses that are good at `now` and not `unwanted`. Nothing is changed.
    pub fn list(
        &self,
        now: SystemTime,
        unwanted: impl Fn(&Address) -> bool,
    ) -> io::Result<Vec<Address>> {
        let mut open = Vec::new();
        self.each(|address, meta, _| {
            if self.expiry.covers(meta, seconds(now)) && !unwanted(&address) {
                open.push(address);
            }
        })?;
        Ok(open)
    }

    /// [`Store::list`], and removes all other files of addresses, and old temporary ones.
    ///
    /// Needs no lock: an address that is recorded at the same time is not lost ([`Store::expire`]).
    pub fn sweep(&self, now: SystemTime, unwanted: impl Fn(&Address) -> bool) -> io::Result<Swept> {
        let mut swept = Swept::default();
        self.each(|address, meta, path| {
            let wanted = !unwanted(&address);
            if wanted && self.expiry.covers(meta, seconds(now)) {
                swept.open.push(address);
                return;
            }
            match self.expire_file(path, now, wanted) {
                Ok(true) => swept.removed += 1,
                // It was renewed in the meantime.
                Ok(false) => swept.open.push(address),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    swept.trouble.get_or_insert(error);
                }
            }
        })?;
        Ok(swept)
    }

    /// Removes `address` if it is no longer good at `now`; whether that was so.
    pub fn expire(&self, address: &Address, now: SystemTime) -> io::Result<bool> {
        self.expire_file(&self.path(address), now, true)
    }

    /// A login may renew the file between the look and the removal. So it is moved aside first, looked at
    /// where no login finds it, and moved back if it is good and the login has not made another by then.
    fn expire_file(&self, path: &Path, now: SystemTime, wanted: bool) -> io::Result<bool> {
        let aside = self.temporary("old")?;
        fs::rename(path, &aside)?;
        let good = fs::symlink_metadata(&aside)
            .is_ok_and(|meta| meta.is_file() && self.expiry.covers(&meta, seconds(now)));
        if good && wanted {
            return match os::file::rename_noreplace(&aside, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    fs::remove_file(&aside).map(|()| false)
                }
                other => other.map(|()| false),
            };
        }
        fs::remove_file(&aside).map(|()| true)
    }

    /// Gives `found` each regular file that has an address for a name; removes old temporary files.
    fn each(&self, mut found: impl FnMut(Address, &Metadata, &Path)) -> io::Result<()> {
        for item in fs::read_dir(&self.root)? {
            let item = item?;
            let name = item.file_name();
            let name = name.as_bytes();
            let address = Address::from_name(name);
            let temporary = name.starts_with(b".new.") || name.starts_with(b".old.");
            if address.is_none() && !temporary {
                continue;
            }
            // Does not follow links. A file that is gone by now was none.
            let Ok(meta) = item.metadata() else { continue };
            match address {
                Some(address) if meta.is_file() => found(address, &meta, &item.path()),
                Some(_) => {}
                None => {
                    let age = seconds(SystemTime::now()).saturating_sub(meta.ctime());
                    if age > TEMPORARY_AGE {
                        let _ = fs::remove_file(item.path());
                    }
                }
            }
        }
        Ok(())
    }
}
