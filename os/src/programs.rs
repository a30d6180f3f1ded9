//! Finding programs: ours by bare name first, then along PATH.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The variable that overrides where our own programs are looked for; tests need it.
pub const LIBEXEC_VARIABLE: &str = "SUPERD_LIBEXEC";

/// Where PATH is not set, programs are looked for here, as the originals do.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// The folder of our own programs: `$SUPERD_LIBEXEC`, else `../libexec/superd` seen from the
/// folder of the running executable (links resolved).
///
/// The folder need not exist. `None` where the running executable cannot be found.
pub fn libexec() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(LIBEXEC_VARIABLE).filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let executable = std::env::current_exe().ok()?;
    let prefix = executable.parent()?.parent()?;
    Some(prefix.join("libexec/superd"))
}

/// The file for `name` in the folder of our own programs, where it has one and `name` is bare.
pub fn own(name: &OsStr) -> Option<PathBuf> {
    own_in(libexec().as_deref(), name)
}

fn own_in(libexec: Option<&Path>, name: &OsStr) -> Option<PathBuf> {
    if name.is_empty() || name.as_bytes().contains(&b'/') {
        return None;
    }
    let file = libexec?.join(name);
    if is_executable(&file).unwrap_or(false) {
        std::path::absolute(&file).ok()
    } else {
        None
    }
}

/// The file to execute for `name`.
///
/// A name with a slash stands for itself. A bare name is one of ours where the libexec folder has
/// it; otherwise the first executable regular file of that name along `path` (the value of PATH).
/// Where only files without execute permission are found, the first of them is returned, so that
/// exec gives the reason. `None` where there is nothing of that name.
pub fn resolve(name: &OsStr, path: Option<&OsStr>) -> Option<PathBuf> {
    resolve_in(libexec().as_deref(), name, path)
}

fn resolve_in(libexec: Option<&Path>, name: &OsStr, path: Option<&OsStr>) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(name));
    }
    if name.is_empty() {
        return None;
    }
    if let Some(ours) = own_in(libexec, name) {
        return Some(ours);
    }
    let path = path.map_or(DEFAULT_PATH, OsStr::as_bytes);
    let mut unusable = None;
    for folder in path.split(|&byte| byte == b':') {
        let folder = if folder.is_empty() { b"." } else { folder };
        let file = Path::new(OsStr::from_bytes(folder)).join(name);
        match is_executable(&file) {
            Ok(true) => return std::path::absolute(&file).ok(),
            Ok(false) => unusable = unusable.or(Some(file)),
            Err(_) => {}
        }
    }
    unusable
}

fn is_executable(file: &Path) -> io::Result<bool> {
    let meta = std::fs::metadata(file)?;
    Ok(meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(folder: &Path, name: &str, mode: u32) -> PathBuf {
        let file = folder.join(name);
        std::fs::write(&file, "").expect("written");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).expect("set");
        file
    }

    #[test]
    fn a_bare_name_that_is_ours_means_ours() {
        let (ours, theirs) = (
            tempfile::tempdir().expect("a"),
            tempfile::tempdir().expect("b"),
        );
        let expected = program(ours.path(), "smtpd", 0o755);
        program(theirs.path(), "smtpd", 0o755);
        let found = resolve_in(
            Some(ours.path()),
            "smtpd".as_ref(),
            Some(theirs.path().as_ref()),
        );
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_name_with_a_slash_stands_for_itself() {
        let ours = tempfile::tempdir().expect("a folder");
        program(ours.path(), "smtpd", 0o755);
        let found = resolve_in(Some(ours.path()), "./smtpd".as_ref(), None);
        assert_eq!(found, Some(PathBuf::from("./smtpd")));
    }

    #[test]
    fn a_file_that_cannot_be_executed_is_passed_over_unless_there_is_no_other() {
        let (first, second) = (
            tempfile::tempdir().expect("a"),
            tempfile::tempdir().expect("b"),
        );
        let unusable = program(first.path(), "prog", 0o644);
        let path = std::env::join_paths([first.path(), second.path()]).expect("a path");
        assert_eq!(
            resolve_in(None, "prog".as_ref(), Some(&path)),
            Some(unusable)
        );
        let usable = program(second.path(), "prog", 0o755);
        assert_eq!(resolve_in(None, "prog".as_ref(), Some(&path)), Some(usable));
    }

    #[test]
    fn without_path_the_system_folders_are_searched() {
        let found = resolve_in(None, "sh".as_ref(), None);
        assert_eq!(found, Some(PathBuf::from("/bin/sh")));
        assert_eq!(resolve_in(None, "no-such-program".as_ref(), None), None);
    }
}
