//! Writing passwords into files, so that a crash leaves the old one or the new one.

use std::fmt;
use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use auth::users_secret;
use zeroize::Zeroizing;

/// The largest `users.secret` that is edited: a hundred bytes for each of a few hundred thousand users.
const FILE_LIMIT: u64 = 64 << 20;

/// How long to wait for another one who edits the same file.
const LOCK_LIMIT: Duration = Duration::from_secs(10);
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// What could not be done, to which file.
#[derive(Debug)]
pub struct Failure {
    what: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.as_os_str().as_bytes().escape_ascii();
        write!(
            f,
            "unable to {} {path}: {}",
            self.what,
            os::reason(&self.error)
        )
    }
}

impl std::error::Error for Failure {}

fn failed(what: &'static str, path: &Path) -> impl Fn(io::Error) -> Failure {
    move |error| Failure {
        what,
        path: path.to_owned(),
        error,
    }
}

/// Puts a file with `text`, mode 0600, in the place of whatever is at `path`.
pub fn replace(path: &Path, text: &[u8]) -> Result<(), Failure> {
    put(path, text, None)
}

/// Sets the value of `name` in the `users.secret` at `path`, which is made where it is missing. All
/// other lines stay as they are, and so do mode and owner. Others who do the same wait meanwhile.
pub fn set_secret(path: &Path, name: &[u8], value: &[u8]) -> Result<(), Failure> {
    let deadline = Instant::now() + LOCK_LIMIT;
    let (file, meta) = lock(path, deadline)?;
    let old = read(&file, &meta).map_err(failed("read", path))?;
    put(path, &with_secret(&old, name, value), Some(&meta))
    // The lock ends with the old file.
}

/// `text`, a `users.secret`, in which the first line of `name` has `value`; where there is none it is
/// the last one.
fn with_secret(text: &[u8], name: &[u8], value: &[u8]) -> Zeroizing<Vec<u8>> {
    let line = [name, b":", value].concat();
    let line = Zeroizing::new(line);
    // Room for all of it at once: a vector that grows leaves copies behind.
    let mut new = Zeroizing::new(Vec::with_capacity(text.len() + line.len() + 2));
    let mut is_set = false;
    for whole in text.split_inclusive(|&byte| byte == b'\n') {
        let old = whole.strip_suffix(b"\n").unwrap_or(whole);
        let is_his = users_secret::parse(old).is_some_and(|(known, _)| known == name);
        if is_his && !is_set {
            is_set = true;
            new.extend_from_slice(&line);
            let old = old.strip_suffix(b"\r").unwrap_or(old);
            new.extend_from_slice(&whole[old.len()..]);
        } else {
            new.extend_from_slice(whole);
        }
    }
    if !is_set {
        if new.last().is_some_and(|&byte| byte != b'\n') {
            new.push(b'\n');
        }
        new.extend_from_slice(&line);
        new.push(b'\n');
    }
    new
}

/// Opens and locks the file. Whoever waited for another one holds a file that has no name any more,
/// and begins again.
fn lock(path: &Path, deadline: Instant) -> Result<(File, Metadata), Failure> {
    loop {
        let file = match os::file::open_unfollowed(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match os::file::create_exclusive(path, 0o600) {
                    Ok(_) => continue,
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                    Err(error) => return Err(failed("create", path)(error)),
                }
            }
            Err(error) => return Err(failed("open", path)(error)),
        };
        let meta = file.metadata().map_err(failed("open", path))?;
        if !meta.is_file() {
            return Err(failed("open", path)(io::Error::other(
                "it is no regular file",
            )));
        }
        match file.try_lock() {
            Ok(()) => {
                let now = path.symlink_metadata();
                if now.is_ok_and(|now| (now.dev(), now.ino()) == (meta.dev(), meta.ino())) {
                    // What was written before the lock was had counts.
                    let meta = file.metadata().map_err(failed("open", path))?;
                    return Ok((file, meta));
                }
            }
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(failed("lock", path)(io::ErrorKind::TimedOut.into()));
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", path)(error)),
        }
    }
}

fn read(mut file: &File, meta: &Metadata) -> io::Result<Zeroizing<Vec<u8>>> {
    if meta.len() > FILE_LIMIT {
        return Err(io::Error::from_raw_os_error(FILE_TOO_BIG));
    }
    let length = usize::try_from(meta.len()).unwrap_or(usize::MAX);
    let mut text = Zeroizing::new(vec![0; length]);
    file.read_exact(&mut text)?;
    Ok(text)
}

/// EFBIG, as every Linux has it.
const FILE_TOO_BIG: i32 = 27;

/// Writes a new file beside `path` and renames it. `like` gives it its owner and its mode.
fn put(path: &Path, text: &[u8], like: Option<&Metadata>) -> Result<(), Failure> {
    let mut random = [0; 8];
    os::process::random(&mut random).map_err(failed("write", path))?;
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{:016x}", u64::from_le_bytes(random)));
    let new = PathBuf::from(new);
    let file = os::file::create_exclusive(&new, 0o600).map_err(failed("create", &new))?;
    let done = fill(file, text, like)
        .map_err(failed("write", &new))
        .and_then(|()| std::fs::rename(&new, path).map_err(failed("replace", path)));
    if done.is_err() {
        let _ = std::fs::remove_file(&new);
        return done;
    }
    let dir = os::file::dir_of(path);
    os::file::sync_dir(dir).map_err(failed("sync", dir))
}

fn fill(mut file: File, text: &[u8], like: Option<&Metadata>) -> io::Result<()> {
    let own = file.metadata()?;
    let (mut owner, mut mode) = ((own.uid(), own.gid()), 0o600);
    if let Some(like) = like {
        owner = (like.uid(), like.gid());
        mode = like.mode() & 0o777;
    }
    if owner != (own.uid(), own.gid()) {
        std::os::unix::fs::fchown(&file, Some(owner.0), Some(owner.1))?;
    }
    // Whatever the umask is.
    file.set_permissions(PermissionsExt::from_mode(mode))?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, name: &str) -> String {
        let new = with_secret(text.as_bytes(), name.as_bytes(), b"NEW");
        String::from_utf8(new.to_vec()).expect("ASCII")
    }

    #[test]
    fn the_first_line_of_a_name_is_changed_and_all_else_stays_as_it_is() {
        let text = "# joe:x\n\nann:{PLAIN}a:b\r\n joe:y\njoe:$1$x\njoe:second\nbob:z";
        assert_eq!(
            edited(text, "joe"),
            "# joe:x\n\nann:{PLAIN}a:b\r\n joe:y\njoe:NEW\njoe:second\nbob:z"
        );
        assert_eq!(
            edited(text, "ann"),
            "# joe:x\n\nann:NEW\r\n joe:y\njoe:$1$x\njoe:second\nbob:z"
        );
        assert_eq!(edited("bob:z", "bob"), "bob:NEW");
        assert_eq!(edited("bob:z", "bo"), "bob:z\nbo:NEW\n");
        assert_eq!(edited("bob:z\n", "joe"), "bob:z\njoe:NEW\n");
        assert_eq!(edited("", "joe"), "joe:NEW\n");
    }

    #[test]
    fn what_was_edited_is_found() {
        let text = edited("bob:z", "joe");
        let looked = users_secret::search(text.as_bytes(), b"joe").expect("readable");
        assert_eq!(looked.value.expect("joe's").expose(), b"NEW");
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).expect("readable");
        entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    }

    #[test]
    fn a_file_is_replaced_whole_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, other) = (dir.path().join(".password"), dir.path().join("other"));
        std::fs::write(&other, "other").expect("written");
        std::os::unix::fs::symlink(&other, &path).expect("a link");
        replace(&path, b"sekrit\n").expect("written");
        let meta = path.symlink_metadata().expect("there");
        assert!(meta.is_file());
        assert_eq!(meta.mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read(&path).expect("text"), b"sekrit\n");
        assert_eq!(std::fs::read(&other).expect("text"), b"other");
        assert_eq!(names(dir.path()).len(), 2);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_no_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("folder");
        std::fs::create_dir(&path).expect("made");
        let error = replace(&path, b"x").expect_err("a folder is in the way");
        assert!(
            error.to_string().starts_with("unable to replace /"),
            "{error}"
        );
        assert_eq!(names(dir.path()), ["folder"]);
        let error = replace(&dir.path().join("none/.password"), b"x").expect_err("no folder");
        assert!(
            error.to_string().ends_with(": file does not exist"),
            "{error}"
        );
    }

    #[test]
    fn a_secret_is_set_and_mode_and_owner_stay() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("users.secret");
        set_secret(&path, b"joe", b"one").expect("made");
        assert_eq!(path.metadata().expect("there").mode() & 0o7777, 0o600);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).expect("set");
        let as_root = os::identity::effective_uid() == 0;
        if as_root {
            std::os::unix::fs::chown(&path, Some(54321), Some(54322)).expect("given away");
        }
        set_secret(&path, b"ann", b"two").expect("written");
        set_secret(&path, b"joe", b"three").expect("written");
        let meta = path.metadata().expect("there");
        assert_eq!(meta.mode() & 0o7777, 0o640);
        if as_root {
            assert_eq!((meta.uid(), meta.gid()), (54321, 54322));
        }
        assert_eq!(std::fs::read(&path).expect("text"), b"joe:three\nann:two\n");
        assert_eq!(names(dir.path()), ["users.secret"]);
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("users.secret");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let name = format!("user{number}");
                    set_secret(path, name.as_bytes(), b"x").expect("written");
                });
            }
        });
        let text = std::fs::read_to_string(&path).expect("text");
        assert_eq!(text.lines().count(), 8, "{text}");
    }

    #[test]
    fn a_link_is_not_followed_and_a_lock_not_waited_for_for_ever() {
        let dir = tempfile::tempdir().expect("a folder");
        let (link, file) = (dir.path().join("link"), dir.path().join("file"));
        std::fs::write(&file, "").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        assert!(set_secret(&link, b"joe", b"x").is_err());
        let holder = File::open(&file).expect("there");
        holder.lock().expect("locked");
        let error = lock(&file, Instant::now()).expect_err("held");
        assert!(error.to_string().starts_with("unable to lock /"), "{error}");
    }
}
