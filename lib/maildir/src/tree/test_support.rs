//! A tree in a folder of its own, for tests.

use std::fs;
use std::path::PathBuf;

use super::{Name, Tree};
use crate::deliver::Maildir;

/// Lives as long as the value.
pub(crate) struct TestTree {
    folder: tempfile::TempDir,
    pub(crate) tree: Tree,
}

impl TestTree {
    /// With these mailboxes, their names as on the disk.
    pub(crate) fn with(names: &[&str]) -> TestTree {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("Maildir");
        Maildir::at(root.clone()).create().expect("made");
        let test = TestTree {
            folder,
            tree: Tree::new(root),
        };
        for name in names {
            test.tree.create(&name_of(name)).expect("made");
        }
        test
    }

    /// The folder that the Maildir is in.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.tree.root().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("there")
    }

    /// All names, those that are no mailboxes in parentheses, those with others below with a `+`.
    pub(crate) fn list(&self) -> Vec<String> {
        let listed = self.tree.list().expect("listed").into_iter();
        let shown = listed.map(|listed| {
            let children = if listed.has_children { "+" } else { "" };
            match listed.selectable {
                true => format!("{}{children}", listed.name),
                false => format!("({}){children}", listed.name),
            }
        });
        shown.collect()
    }

    /// All that the root holds, in order.
    pub(crate) fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.tree.root()).expect("there");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry).into_string().expect("UTF-8"))
            .collect();
        names.sort();
        names
    }
}

/// The name with these levels.
pub(crate) fn name_of(disk: &str) -> Name {
    Name::from_disk(disk.as_bytes()).expect("a name")
}
