//! A constant database whose keys are names, such as control/morercpthosts.cdb.
//!
//! It is opened once a session and read by pread where it is asked about something, so a list of a
//! million names costs a session two kilobytes. A database that cannot be read is neither empty nor
//! full: whoever asks gets a sentence for the log and refuses for now.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rules::cdb::Cdb;

/// Names in a database.
#[derive(Debug, Default)]
pub struct KeyFile {
    path: PathBuf,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Missing,
    Open(Cdb),
    Broken(io::Error),
}

/// Why it cannot be told whether a name is in a list: a sentence with the file in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl Unreadable {
    fn new(path: &Path, error: &io::Error) -> Unreadable {
        let (path, reason) = (path.display(), os::reason(error));
        Unreadable(format!("unable to read {path}: {reason}"))
    }
}

impl KeyFile {
    /// The file `path`, which need not be there.
    pub fn open(path: PathBuf) -> KeyFile {
        let mut file = KeyFile::open_named(path);
        if let State::Broken(error) = &file.state
            && error.kind() == io::ErrorKind::NotFound
        {
            file.state = State::Missing;
        }
        file
    }

    /// The file `path`, which somebody has named: it is there, or the list cannot be read.
    pub fn open_named(path: PathBuf) -> KeyFile {
        let state = match Cdb::open_path(&path) {
            Ok(cdb) => State::Open(cdb),
            Err(error) => State::Broken(error),
        };
        KeyFile { path, state }
    }

    /// Whether there is such a list, readable or not.
    pub fn is_there(&self) -> bool {
        !matches!(self.state, State::Missing)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it has `key`, byte by byte. A list that is not there has none.
    pub fn has(&self, key: &[u8]) -> Result<bool, Unreadable> {
        let failed = |error: &io::Error| Unreadable::new(&self.path, error);
        match &self.state {
            State::Missing => Ok(false),
            State::Broken(error) => Err(failed(error)),
            State::Open(cdb) => match cdb.get(key) {
                Ok(data) => Ok(data.is_some()),
                Err(error) => Err(failed(&error)),
            },
        }
    }

    /// Walks over all of it and says what contradicts itself.
    pub fn validate(&self) -> Result<(), Unreadable> {
        let failed = |error: &io::Error| Unreadable::new(&self.path, error);
        match &self.state {
            State::Missing => Ok(()),
            State::Broken(error) => Err(failed(error)),
            State::Open(cdb) => cdb.validate().map_err(|error| failed(&error)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A database of `keys`, as `--make-cdb` makes it.
    pub(crate) fn file_of(path: &Path, keys: &str) -> KeyFile {
        let temporary = path.with_extension("tmp");
        rules::keys::compile_keys(keys.as_bytes(), path, &temporary).expect("made");
        KeyFile::open(path.to_owned())
    }

    #[test]
    fn a_list_has_its_keys_and_a_missing_one_has_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.cdb");
        let none = KeyFile::open(path.clone());
        assert!(!none.is_there());
        assert_eq!(none.has(b"a"), Ok(false));
        let list = file_of(&path, "a\nb\n");
        assert!(list.is_there());
        assert_eq!(list.has(b"a"), Ok(true));
        assert_eq!(list.has(b"c"), Ok(false));
        assert_eq!(list.validate(), Ok(()));
        // It stays what it was where it is made anew.
        file_of(&path, "c\n");
        assert_eq!(list.has(b"a"), Ok(true));
    }

    #[test]
    fn a_list_that_cannot_be_read_says_so_whatever_it_is_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.cdb");
        let said = |file: &KeyFile| file.has(b"a").expect_err("broken").to_string();
        assert!(
            said(&KeyFile::open_named(path.clone())).ends_with("list.cdb: file does not exist")
        );
        for (content, reason) in [
            (&b""[..], "invalid argument"),
            (b"no database", "protocol error"),
            (&[0; 4096], "protocol error"),
        ] {
            std::fs::write(&path, content).expect("written");
            let file = KeyFile::open(path.clone());
            assert!(file.is_there());
            let expected = format!("unable to read {}: {reason}", path.display());
            assert_eq!(said(&file), expected);
            assert!(file.validate().is_err());
        }
        std::fs::remove_file(&path).expect("removed");
        std::fs::create_dir(&path).expect("made");
        assert!(said(&KeyFile::open(path)).ends_with("is a directory"));
    }

    #[test]
    fn a_list_cut_short_under_a_reader_is_an_error_and_no_signal() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.cdb");
        let list = file_of(&path, "a\nb\n");
        let file = std::fs::File::options()
            .write(true)
            .open(&path)
            .expect("open");
        file.set_len(2048).expect("cut");
        assert!(list.has(b"a").is_err());
    }
}
