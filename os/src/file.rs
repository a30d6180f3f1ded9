//! What std lacks for files: exclusive creation with a mode, syncing a directory, identity.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Creates `path` for writing with `mode` less the umask; fails where anything of that name
/// exists, a dangling symbolic link included. Close-on-exec.
pub fn create_exclusive(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
}

/// [`create_exclusive`], readable too.
pub fn create_exclusive_readable(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
}

/// [`create_exclusive_readable`], and whatever is written goes to its end.
pub fn create_exclusive_to_append(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create_new(true)
        .mode(mode)
        .open(path)
}

/// Whether this process, as the user that it runs as, may execute the file at `path`.
pub fn may_execute(path: &Path) -> bool {
    let is_file = std::fs::metadata(path).is_ok_and(|meta| meta.is_file());
    is_file && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
}

/// Whether it may write to what is at `path`; a socket must be written to by who connects to it.
pub fn may_write(path: &Path) -> io::Result<()> {
    Ok(nix::unistd::access(path, nix::unistd::AccessFlags::W_OK)?)
}

/// What is left on a file system for who is not root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes.
    pub bytes: u64,
    /// Files; `None` where it has no limit of its own for them.
    pub files: Option<u64>,
}

/// The room on the file system of `path` (statvfs(3)). Quotas are not seen.
pub fn room(path: &Path) -> io::Result<Room> {
    let told = nix::sys::statvfs::statvfs(path)?;
    let bytes = told.blocks_available().saturating_mul(told.fragment_size());
    let files = (told.files() > 0).then(|| told.files_available());
    Ok(Room { bytes, files })
}

/// Begins to write a file to the disk, without waiting for it. What cannot be begun happens later of
/// itself.
pub fn begin_to_write(file: &File) {
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is open for as long as the call takes, and no memory is involved.
    unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
}

/// Creates a file that has `content` from the instant on that others see it; whoever dies meanwhile leaves
/// nothing. `ErrorKind::AlreadyExists` if there is one. `ErrorKind::Unsupported` where the file system
/// has no files without names, or /proc is not there.
pub fn create_whole(path: &Path, mode: u32, content: &[u8]) -> io::Result<File> {
    use std::os::fd::AsRawFd;
    let mut file = match OpenOptions::new()
        .write(true)
        .mode(mode)
        .custom_flags(libc::O_TMPFILE)
        .open(dir_of(path))
    {
        Ok(file) => file,
        Err(error) => {
            return Err(match error.raw_os_error() {
                Some(libc::EOPNOTSUPP | libc::EISDIR | libc::ENOSYS) => {
                    io::ErrorKind::Unsupported.into()
                }
                _ => error,
            });
        }
    };
    io::Write::write_all(&mut file, content)?;
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    let follow = nix::fcntl::AtFlags::AT_SYMLINK_FOLLOW;
    let here = nix::fcntl::AT_FDCWD;
    match nix::unistd::linkat(here, name.as_str(), here, path, follow) {
        Ok(()) => Ok(file),
        Err(nix::errno::Errno::ENOENT) => Err(io::ErrorKind::Unsupported.into()),
        Err(error) => Err(error.into()),
    }
}

/// Where files may be made that nobody is to find: `$TMPDIR`, else `/var/tmp`, else `/tmp`.
pub fn temporary_folders() -> Vec<std::path::PathBuf> {
    let named = std::env::var_os("TMPDIR").filter(|value| !value.is_empty());
    let usual = ["/var/tmp", "/tmp"].map(std::path::PathBuf::from);
    named.into_iter().map(Into::into).chain(usual).collect()
}

/// Creates a file without a name, for writing and reading, in the first of `folders` that allows it:
/// however this process ends, nothing is left behind.
pub fn create_nameless(folders: &[std::path::PathBuf]) -> io::Result<File> {
    let mut last = io::ErrorKind::NotFound.into();
    for folder in folders {
        let unnamed = OpenOptions::new()
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_TMPFILE | libc::O_EXCL)
            .open(folder);
        match unnamed.or_else(|_| create_and_forget(folder)) {
            Ok(file) => return Ok(file),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The same where the file system has no files without names.
fn create_and_forget(folder: &Path) -> io::Result<File> {
    let mut random = [0; 16];
    crate::process::random(&mut random)?;
    let name = format!("superd.{:032x}", u128::from_be_bytes(random));
    let path = folder.join(name);
    let file = create_exclusive_readable(&path, 0o600)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// Opens `path` for reading; a fifo that nobody writes to, or a device, is not waited for.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

/// Opens `path`, which somebody else may be changing, for reading: a symbolic link in its last place
/// is an error (ELOOP), and a fifo or a device is not waited for. What was opened is to be examined
/// by its descriptor.
pub fn open_unfollowed(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

/// Opens `path`, which somebody else may be changing, for reading it and appending to it, otherwise as
/// [`open_unfollowed`]. It must be there.
pub fn append_unfollowed(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

/// Renames `from` to `to`, which nothing may have: `ErrorKind::AlreadyExists` where something has.
///
/// renameat2(2) with RENAME_NOREPLACE. File systems (and kernels) that do not know the flag get a look
/// and then a rename: what takes the name between the two is replaced. (A link and an unlink would
/// replace nothing, but a kill between them leaves a file with two names for good.)
pub fn rename_noreplace(from: &Path, to: &Path) -> io::Result<()> {
    let [old, new] = [c_path(from)?, c_path(to)?];
    // SAFETY: both pointers are to C strings that live until the call returns; it only reads them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            old.as_ptr(),
            libc::AT_FDCWD,
            new.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EINVAL | libc::ENOSYS) => rename_after_look(from, to),
        _ => Err(error),
    }
}

fn c_path(path: &Path) -> io::Result<std::ffi::CString> {
    use std::os::unix::ffi::OsStrExt;
    Ok(std::ffi::CString::new(path.as_os_str().as_bytes())?)
}

fn rename_after_look(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::rename(from, to),
        Err(error) => Err(error),
    }
}

/// Makes what happened to the names in directory `path` last through a crash.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECTORY)
        .open(path)?
        .sync_all()
}

/// The directory that holds `path`: its parent, or `.` for a bare name.
pub fn dir_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Gives the UNIX socket at `path` to `uid` and, where given, `gid`. Whatever else is at `path` by
/// now, a symbolic link included, is left alone and refused with ENOTSOCK.
pub fn give_socket(path: &Path, uid: u32, gid: Option<u32>) -> io::Result<()> {
    use nix::fcntl::{AtFlags, OFlag, open};
    use nix::sys::stat::{Mode, SFlag, fstat};
    use nix::unistd::{Gid, Uid, fchownat};
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let there = open(path, flags, Mode::empty())?;
    let kind = SFlag::from_bits_truncate(fstat(&there)?.st_mode) & SFlag::S_IFMT;
    if kind != SFlag::S_IFSOCK {
        return Err(io::Error::from_raw_os_error(libc::ENOTSOCK));
    }
    let (uid, gid) = (Uid::from_raw(uid), gid.map(Gid::from_raw));
    Ok(fchownat(
        &there,
        "",
        Some(uid),
        gid,
        AtFlags::AT_EMPTY_PATH,
    )?)
}

/// What tells one state of a file from another: a change of content or a replacement changes it,
/// within the resolution of the file system's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    /// From what stat says.
    pub fn of(meta: &Metadata) -> Identity {
        Identity {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether both are the same file with nothing written to it in between. (Renaming or removing
    /// a name of it, or a change of mode, is a change of identity but not of this.)
    pub fn has_content_of(&self, other: &Identity) -> bool {
        (self.device, self.inode, self.size, self.modified)
            == (other.device, other.inode, other.size, other.modified)
    }

    /// Seconds since the epoch of the last change of content or inode.
    pub fn changed_at(&self) -> i64 {
        self.modified.0.max(self.changed.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_is_given_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let (socket, file) = (folder.path().join("s"), folder.path().join("f"));
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        std::fs::write(&file, "").expect("written");
        let link = folder.path().join("l");
        std::os::unix::fs::symlink(&socket, &link).expect("a link");
        let me = crate::identity::effective_uid();
        give_socket(&socket, me, None).expect("one's own");
        for other in [file, link] {
            let error = give_socket(&other, me, None).expect_err("no socket");
            assert_eq!(
                error.raw_os_error(),
                Some(libc::ENOTSOCK),
                "{}",
                other.display()
            );
        }
    }

    #[test]
    fn a_fifo_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("made");
        open_without_waiting(&path).expect("opened at once");
    }

    #[test]
    fn what_is_appended_to_is_a_file_that_is_there_and_no_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let [file, link, fifo] = ["file", "link", "fifo"].map(|name| folder.path().join(name));
        assert!(append_unfollowed(&file).is_err(), "it is not made");
        std::fs::write(&file, "a").expect("written");
        let mut opened = append_unfollowed(&file).expect("there");
        io::Write::write_all(&mut opened, b"b").expect("written");
        assert_eq!(std::fs::read(&file).expect("read"), b"ab");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("made");
        let error = append_unfollowed(&link).expect_err("no file");
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
        append_unfollowed(&fifo).expect("opened at once");
    }

    #[test]
    fn a_rename_without_replacing_refuses_a_name_that_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let [one, two, three] = ["1", "2", "3"].map(|name| folder.path().join(name));
        for rename in [rename_noreplace, rename_after_look] {
            std::fs::write(&one, "one").expect("written");
            std::fs::write(&two, "two").expect("written");
            let error = rename(&one, &two).expect_err("taken");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read(&two).expect("there"), b"two");
            rename(&one, &three).expect("renamed");
            assert_eq!(std::fs::read(&three).expect("there"), b"one");
            let error = rename(&one, &folder.path().join("4")).expect_err("gone");
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            // Another name of the same file is a name that is taken, too.
            std::fs::hard_link(&three, &one).expect("linked");
            let error = rename(&three, &one).expect_err("taken");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            std::fs::remove_file(&three).expect("removed");
        }
    }

    #[test]
    fn a_change_of_content_changes_the_identity() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let before = Identity::of(&std::fs::metadata(file.path()).expect("there"));
        std::fs::write(file.path(), "longer").expect("written");
        assert_ne!(
            before,
            Identity::of(&std::fs::metadata(file.path()).expect("there"))
        );
    }
}
