//! The message while it is not known yet where it goes.
//!
//! The interface sends the message before the envelope. A small one waits in memory; a larger one
//! in a file that has no name any more by the time anything is written to it, so that nothing is
//! left behind however this process ends. The folder is `$TMPDIR`, else `/var/tmp`, else `/tmp`.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::failure::{Code, Failure};

/// The most bytes that are kept in memory.
pub const MEMORY_LIMIT: usize = 256 * 1024;

/// How much is read back at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Where a spool file may be made, in the order in which they are tried.
pub use os::file::temporary_folders as folders;

/// A message of any size.
#[derive(Debug)]
pub struct Spool {
    folders: Vec<PathBuf>,
    memory: Vec<u8>,
    file: Option<File>,
    size: u64,
}

impl Spool {
    /// An empty one that makes its file, if it needs one, in the first of `folders` that allows it.
    pub fn new(folders: Vec<PathBuf>) -> Spool {
        Spool {
            folders,
            memory: Vec::new(),
            file: None,
            size: 0,
        }
    }

    /// All of a file that somebody else has written. An error where it is no regular file: such a
    /// one has no size, and may be waited for.
    pub fn of_file(file: File) -> io::Result<Spool> {
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Spool {
            folders: Vec::new(),
            memory: Vec::new(),
            file: Some(file),
            size: meta.len(),
        })
    }

    /// The message as a file without a name, for another process: its own one, or, where it is small,
    /// one in memory.
    pub fn into_file(self) -> Result<File, Failure> {
        if let Some(file) = self.file {
            return Ok(file);
        }
        let file = os::memory::file("message").map_err(|error| {
            let reason = format!("unable to create a file in memory: {}", os::reason(&error));
            Failure::writing(reason, &error, Code::Create)
        })?;
        write_at(&file, &self.memory, 0)?;
        Ok(file)
    }

    /// Its file, where it has one.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    /// The bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds bytes at the end.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.file.is_none() && self.memory.len() + bytes.len() > MEMORY_LIMIT {
            let file = self.make_file()?;
            write_at(&file, &self.memory, 0)?;
            self.memory = Vec::new();
            self.file = Some(file);
        }
        match &self.file {
            Some(file) => write_at(file, bytes, self.size)?,
            None => self.memory.extend_from_slice(bytes),
        }
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Shows all bytes to `each`, a piece at a time, until it returns `false`.
    pub fn read(&self, mut each: impl FnMut(&[u8]) -> io::Result<bool>) -> io::Result<()> {
        let Some(file) = &self.file else {
            each(&self.memory)?;
            return Ok(());
        };
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut at = 0;
        while at < self.size {
            let left = usize::try_from(self.size - at).unwrap_or(CHUNK_BYTES);
            let piece = &mut buffer[..left.min(CHUNK_BYTES)];
            file.read_exact_at(piece, at)?;
            at += piece.len() as u64;
            if !each(piece)? {
                break;
            }
        }
        Ok(())
    }

    fn make_file(&self) -> Result<File, Failure> {
        let mut last = None;
        for folder in &self.folders {
            match os::file::create_nameless(std::slice::from_ref(folder)) {
                Ok(file) => return Ok(file),
                Err(error) => last = Some((folder, error)),
            }
        }
        let (folder, error) = match last {
            Some((folder, error)) => (folder.as_path(), error),
            None => (Path::new("/tmp"), io::ErrorKind::NotFound.into()),
        };
        let reason = format!(
            "unable to create a spool file in {}: {}",
            folder.display(),
            os::reason(&error)
        );
        Err(Failure::writing(reason, &error, Code::Create))
    }
}

fn write_at(file: &File, bytes: &[u8], at: u64) -> Result<(), Failure> {
    file.write_all_at(bytes, at).map_err(|error| {
        let reason = format!("unable to write the spool file: {}", os::reason(&error));
        Failure::writing(reason, &error, Code::Write)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(spool: &Spool) -> Vec<u8> {
        let mut all = Vec::new();
        spool
            .read(|piece| {
                all.extend_from_slice(piece);
                Ok(true)
            })
            .expect("readable");
        all
    }

    #[test]
    fn a_message_of_the_limit_stays_in_memory_and_one_byte_more_goes_to_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = Spool::new(vec![folder.path().to_owned()]);
        let text: Vec<u8> = (0..MEMORY_LIMIT).map(|at| (at % 251) as u8).collect();
        for piece in text.chunks(5000) {
            spool.push(piece).expect("pushed");
        }
        assert!(spool.file.is_none());
        assert_eq!(back(&spool), text);
        spool.push(b"!").expect("pushed");
        spool.push(b"?").expect("pushed");
        assert!(spool.file.is_some());
        assert_eq!(spool.memory.capacity(), 0);
        assert_eq!(spool.size(), text.len() as u64 + 2);
        assert_eq!(back(&spool), [&text[..], b"!?"].concat());
        let left = std::fs::read_dir(folder.path()).expect("readable").count();
        assert_eq!(left, 0, "the file has no name");
    }

    #[test]
    fn the_first_folder_that_allows_it_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let folders = vec!["/nonexistent/tmp".into(), folder.path().to_owned()];
        let mut spool = Spool::new(folders);
        spool.push(&vec![b'x'; MEMORY_LIMIT + 1]).expect("pushed");
        let mut spool = Spool::new(vec!["/nonexistent/tmp".into()]);
        let failure = spool
            .push(&vec![b'x'; MEMORY_LIMIT + 1])
            .expect_err("no folder");
        assert_eq!(failure.code, Code::Create);
        assert!(
            failure
                .reason
                .contains("/nonexistent/tmp: file does not exist")
        );
    }

    #[test]
    fn a_message_of_any_size_can_be_handed_over_as_a_file() {
        for size in [0, 5, MEMORY_LIMIT + 1] {
            let mut spool = Spool::new(folders());
            let text: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            spool.push(&text).expect("pushed");
            let file = spool.into_file().expect("a file");
            let taken = Spool::of_file(file).expect("a regular file");
            assert_eq!((taken.size(), back(&taken)), (size as u64, text));
        }
    }

    #[test]
    fn what_is_no_regular_file_is_not_taken() {
        for path in ["/dev/null", "/"] {
            let file = File::open(path).expect("opened");
            let error = Spool::of_file(file).expect_err(path);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn a_file_that_is_cut_meanwhile_is_an_error() {
        let mut spool = Spool::new(folders());
        spool.push(b"0123456789").expect("pushed");
        let file = spool.into_file().expect("a file");
        let other = file.try_clone().expect("a duplicate");
        let taken = Spool::of_file(file).expect("a regular file");
        other.set_len(4).expect("cut");
        let error = taken.read(|_| Ok(true)).expect_err("cut");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn reading_stops_where_it_is_told_to() {
        let mut spool = Spool::new(folders());
        spool.push(&vec![b'x'; MEMORY_LIMIT + 1]).expect("pushed");
        let mut pieces = 0;
        spool
            .read(|_| {
                pieces += 1;
                Ok(false)
            })
            .expect("readable");
        assert_eq!(pieces, 1);
    }
}
