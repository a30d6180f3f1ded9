//! Reading and replacing the small files of the tree.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

/// The most bytes of such a file: 100,000 long names fit.
pub(super) const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// All of a file; none if it is not there. A link, what is no file and what is too large are errors.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match os::file::open_unfollowed(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata().as_ref().is_ok_and(Metadata::is_file) {
        return Err(ErrorKind::InvalidInput.into());
    }
    let mut text = Vec::new();
    file.take(FILE_BYTES + 1).read_to_end(&mut text)?;
    match text.len() as u64 > FILE_BYTES {
        true => Err(ErrorKind::FileTooLarge.into()),
        false => Ok(Some(text)),
    }
}

/// Replaces a file by way of `temporary`, in the same directory: a kill leaves the old or the new
/// one, and this one is on the disk when it returns. Whoever calls this holds the file's lock, so
/// that a `temporary` that is there belongs to nobody any more.
pub(super) fn replace(path: &Path, temporary: &Path, text: &[u8]) -> io::Result<()> {
    if text.len() as u64 > FILE_BYTES {
        return Err(ErrorKind::FileTooLarge.into());
    }
    if let Err(error) = fs::remove_file(temporary)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = os::file::create_exclusive(temporary, 0o600)?;
    let result = file
        .write_all(text)
        .and_then(|()| file.sync_data())
        .and_then(|()| fs::rename(temporary, path));
    if let Err(error) = result {
        let _ = fs::remove_file(temporary);
        return Err(error);
    }
    os::file::sync_dir(os::file::dir_of(path))
}

/// The lines of a text, without their ends; an unfinished last one is one, too.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let count = if text.is_empty() { 0 } else { usize::MAX };
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|&byte| byte == b'\n').take(count)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_text_has_its_lines_and_no_more() {
        for (text, expected) in [
            ("", &[][..]),
            ("\n", &[""]),
            ("a", &["a"]),
            ("a\n", &["a"]),
            ("a\n\nb", &["a", "", "b"]),
            ("a\n\n", &["a", ""]),
        ] {
            let expected: Vec<&[u8]> = expected.iter().map(|line| line.as_bytes()).collect();
            assert_eq!(
                lines(text.as_bytes()).collect::<Vec<_>>(),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_file_as_large_as_the_bound_is_read_and_a_larger_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let file = fs::File::create(&path).expect("made");
        file.set_len(FILE_BYTES).expect("grown");
        let text = read(&path).expect("read").expect("there");
        assert_eq!(text.len() as u64, FILE_BYTES);
        file.set_len(FILE_BYTES + 1).expect("grown");
        let error = read(&path).expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        replace(&path, &folder.path().join("tmp"), &vec![0; text.len() + 1])
            .expect_err("too large");
    }

    #[test]
    fn only_files_are_read_and_a_temporary_one_of_the_dead_is_no_hindrance() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, temporary) = (folder.path().join("file"), folder.path().join("tmp"));
        assert!(read(&path).expect("none").is_none());
        read(folder.path()).expect_err("a directory");
        symlink("elsewhere", &temporary).expect("linked");
        replace(&path, &temporary, b"new").expect("replaced");
        assert_eq!(read(&path).expect("read"), Some(b"new".to_vec()));
        assert!(!temporary.exists() && !folder.path().join("elsewhere").exists());
        symlink("file", folder.path().join("link")).expect("linked");
        read(&folder.path().join("link")).expect_err("a link");
    }
}
