//! Files as memory, for reading (mmap(2)).

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// A file as it was when it was mapped, read-only.
///
/// Whoever shortens the file afterwards takes memory away that is in use here: reading there ends the
/// process with SIGBUS. So only files are mapped whose owner this process runs as, and a file of ours
/// is replaced by renaming and never shortened.
#[derive(Debug)]
pub struct Map {
    start: NonNull<std::ffi::c_void>,
    length: usize,
}

// SAFETY: the memory belongs to the value and is only read.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    /// All of a file. An empty one is an empty slice.
    pub fn of(file: &File) -> io::Result<Map> {
        let length = usize::try_from(file.metadata()?.len())
            .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let Some(size) = NonZeroUsize::new(length) else {
            return Ok(Map {
                start: NonNull::dangling(),
                length: 0,
            });
        };
        let (read, private) = (ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE);
        // SAFETY: the kernel chooses a place that nothing is at.
        let start = unsafe { mmap(None, size, read, private, file.as_fd(), 0) }?;
        Ok(Map { start, length })
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: so many bytes are mapped there for as long as the value lives.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.length) }
    }
}

impl std::ops::Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if self.length > 0 {
            // SAFETY: it was mapped by this value, and no slice of it outlives the value.
            let _ = unsafe { munmap(self.start, self.length) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_is_read_through_its_mapping() {
        let mut file = tempfile::tempfile().expect("a file");
        assert_eq!(Map::of(&file).expect("mapped").as_slice(), b"");
        file.write_all(b"some text").expect("written");
        let map = Map::of(&file).expect("mapped");
        assert_eq!(&map[..], b"some text");
        // What is added later is not in it.
        file.write_all(b" more").expect("written");
        assert_eq!(map.len(), 9);
    }
}
