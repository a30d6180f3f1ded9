//! A list of names as a database: the lines of a text are the keys, and no key has data.
//!
//! That is how qmail-newmrh makes morercpthosts.cdb. Lines are in lower case whatever the text has;
//! blanks at their ends are cut, a carriage return among them; what begins with `#` and what is
//! empty says nothing. Who writes such a list in two ways has the name twice, and nothing is
//! different.

use std::fmt;
use std::io::Read;
use std::path::Path;

use crate::compile::Failure;
use crate::lines::Lines;
use crate::table::Table;

/// Why there is no new database.
#[derive(Debug)]
pub enum KeysFailure {
    /// A line, counted from 1, that cannot be a key.
    Line(u64, KeyFault),
    /// Anything else; never [`Failure::Faults`].
    File(Failure),
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// It has a NUL, which nothing that is looked up has.
    Nul,
    /// It is longer than [`crate::lines::LINE_LIMIT`].
    TooLong,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyFault::Nul => "it has a NUL byte",
            KeyFault::TooLong => "it is longer than 1 MiB",
        })
    }
}

impl From<Failure> for KeysFailure {
    fn from(failure: Failure) -> KeysFailure {
        KeysFailure::File(failure)
    }
}

/// What a line of such a text says, without the blanks at its end and not yet in lower case;
/// `None` where that is nothing.
pub fn key(line: &[u8]) -> Option<&[u8]> {
    let last = line
        .iter()
        .rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))?;
    line.get(..=last).filter(|line| line[0] != b'#')
}

/// Makes the lines of `input` the keys of the database `target` by way of the file `temporary`
/// ([`crate::replace::Replacement::create`] says what becomes of an old one); how many there are. On any failure
/// but [`Failure::Sync`] `target` is as it was and `temporary` is gone.
///
/// Memory is that of one line and, for each key, 8 to 40 bytes for the database's tables.
pub fn compile_keys(input: impl Read, target: &Path, temporary: &Path) -> Result<u64, KeysFailure> {
    let mut table = Table::create(target, temporary)?;
    let count = add_keys(input, |key| table.add(key, b""))?;
    table.commit(None)?;
    Ok(count)
}

fn add_keys(
    input: impl Read,
    mut add: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<u64, KeysFailure> {
    let mut lines = Lines::new(input);
    let mut lower = Vec::new();
    let mut count = 0;
    while lines.advance().map_err(Failure::Read)? {
        let Some(key) = key(lines.text()) else {
            continue;
        };
        if lines.nul().is_some() {
            return Err(KeysFailure::Line(lines.number(), KeyFault::Nul));
        }
        if lines.is_cut() {
            return Err(KeysFailure::Line(lines.number(), KeyFault::TooLong));
        }
        lower.clear();
        lower.extend_from_slice(key);
        lower.make_ascii_lowercase();
        add(&lower)?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdb::Cdb;
    use crate::lines::LINE_LIMIT;
    use std::path::PathBuf;

    fn made(text: &[u8]) -> (tempfile::TempDir, PathBuf, Result<u64, KeysFailure>) {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("list.cdb");
        let done = compile_keys(text, &target, &folder.path().join("list.tmp"));
        (folder, target, done)
    }

    #[test]
    fn each_line_is_a_key_in_lower_case_without_data() {
        let text = b"Example.TEST \t\r\n\n# remark\n.sub.test\n#\nlast";
        let (_folder, target, done) = made(text);
        assert_eq!(done.unwrap(), 3);
        let cdb = Cdb::open_path(&target).unwrap();
        for key in ["example.test", ".sub.test", "last"] {
            assert_eq!(cdb.get(key.as_bytes()).unwrap(), Some(vec![]), "{key}");
        }
        for key in ["Example.TEST", "", "# remark", "#", "sub.test"] {
            assert_eq!(cdb.get(key.as_bytes()).unwrap(), None, "{key}");
        }
        cdb.validate().unwrap();
    }

    #[test]
    fn a_text_without_lines_is_a_database_without_keys() {
        let (_folder, target, done) = made(b"# nothing\n");
        assert_eq!(done.unwrap(), 0);
        assert_eq!(std::fs::metadata(target).unwrap().len(), 2048);
    }

    #[test]
    fn a_line_that_can_be_no_key_leaves_the_old_database_in_force() {
        let (folder, target, done) = made(b"old\n");
        done.unwrap();
        let old = std::fs::read(&target).unwrap();
        let temporary = folder.path().join("list.tmp");
        let mut long = vec![b'x'; LINE_LIMIT + 1];
        long.splice(0..0, *b"a\n");
        for (text, line, fault) in [
            (&b"a\nb\nc\0d\n"[..], 3, KeyFault::Nul),
            (&long, 2, KeyFault::TooLong),
        ] {
            match compile_keys(text, &target, &temporary) {
                Err(KeysFailure::Line(number, why)) => assert_eq!((number, why), (line, fault)),
                other => panic!("{other:?}"),
            }
            assert_eq!(std::fs::read(&target).unwrap(), old);
            assert!(!temporary.exists());
        }
        long.pop();
        compile_keys(&long[..], &target, &temporary).unwrap();
    }
}
