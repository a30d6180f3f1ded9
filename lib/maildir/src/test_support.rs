//! A Maildir in a folder of its own, for tests.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::deliver::Maildir;
use crate::mailbox::{Mailbox, Options};

/// Lives as long as the value.
pub(crate) struct TestBox {
    _folder: tempfile::TempDir,
    pub(crate) dir: PathBuf,
}

pub(crate) const NO_INDEX: Options = Options {
    threads: 2,
    index: false,
};
pub(crate) const INDEX: Options = Options {
    threads: 2,
    index: true,
};

impl TestBox {
    pub(crate) fn new() -> TestBox {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("Maildir");
        Maildir::at(dir.clone()).create().expect("made");
        TestBox {
            _folder: folder,
            dir,
        }
    }

    /// Of so many messages `1.m.h`, `2.m.h`, ... in `cur`, all older than a minute.
    pub(crate) fn with(count: u64) -> TestBox {
        let test = TestBox::new();
        for n in 1..=count {
            test.put(&format!("cur/{n}.m.h:2,"), &format!("message {n}\n"), n);
        }
        test
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes a message that was modified `second` seconds after a day before now.
    pub(crate) fn put(&self, name: &str, text: &str, second: u64) {
        fs::write(self.path(name), text).expect("written");
        self.date(name, second);
    }

    pub(crate) fn date(&self, name: &str, second: u64) {
        let file = File::options()
            .append(true)
            .open(self.path(name))
            .expect("there");
        let then = SystemTime::now() - Duration::from_secs(86_400 - second);
        file.set_modified(then).expect("dated");
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("renamed");
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("removed");
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path(name)).is_ok()
    }

    pub(crate) fn open(&self, options: &Options) -> Mailbox {
        Mailbox::open(&self.dir, options).expect("opened")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.path(crate::cache::FILE)
    }
}

/// Unique names and sizes, in order.
pub(crate) fn listed(mailbox: &Mailbox) -> Vec<(String, u64)> {
    (0..mailbox.len())
        .map(|n| {
            let unique = String::from_utf8_lossy(mailbox.unique(n)).into_owned();
            (unique, mailbox.wire_size(n))
        })
        .collect()
}

/// Names in a directory, sorted.
pub(crate) fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .expect("readable")
        .map(|entry| {
            let name = entry.expect("an entry").file_name();
            name.to_string_lossy().into_owned()
        })
        .collect();
    names.sort();
    names
}
