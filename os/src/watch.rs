//! Being told of changes in directories (inotify(7)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// Directories that are watched, by one descriptor.
#[derive(Debug)]
pub struct Watch(Inotify);

impl Watch {
    /// Watches the entries of directories: what is created, renamed, removed, or written and closed
    /// in them. A directory that is not there is an error, as is having no more watches to give
    /// (`fs.inotify.max_user_instances`).
    pub fn new<'p>(directories: impl IntoIterator<Item = &'p Path>) -> io::Result<Watch> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let entries = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        for directory in directories {
            inotify.add_watch(directory, entries)?;
        }
        Ok(Watch(inotify))
    }

    /// Takes what has come in, without waiting; whether anything had.
    pub fn drain(&self) -> io::Result<bool> {
        let mut any = false;
        loop {
            match self.0.read_events() {
                Ok(events) => any |= !events.is_empty(),
                Err(Errno::EAGAIN) => return Ok(any),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Watch {
    /// Readable when something has changed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::{Duration, Instant};

    #[test]
    fn a_change_in_a_directory_is_told_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let watch = Watch::new([dir.path()]).expect("a watch");
        assert!(!watch.drain().expect("nothing yet"));
        fs::write(dir.path().join("a"), "x").expect("written");
        let by = Instant::now() + Duration::from_secs(5);
        assert!(crate::fd::wait_readable(watch.as_fd(), by).expect("told"));
        assert!(watch.drain().expect("events"));
        assert!(!watch.drain().expect("taken"));
    }

    #[test]
    fn what_is_no_directory_cannot_be_watched() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("none");
        assert!(Watch::new([path.as_path()]).is_err());
    }
}
