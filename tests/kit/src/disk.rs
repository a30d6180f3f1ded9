//! Small file systems.

use std::path::{Path, PathBuf};

use crate::{Run, note_left_out};

/// A small file system, while this lives.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Of a limit such as `size=128k`, at a directory; `None`, and noted, where there can be none.
    pub fn mount(at: &Path, limit: &str) -> Option<SmallDisk> {
        let options = format!("{limit},mode=0777");
        let done = Run::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "superd-tests"])
            .arg(at)
            .done();
        if done.code != Some(0) {
            note_left_out("a full disk", done.err().trim_end());
            return None;
        }
        Some(SmallDisk(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let done = Run::new("umount").arg(&self.0).done();
        assert_eq!(done.code, Some(0), "{}", done.err());
    }
}
