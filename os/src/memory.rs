//! The memory of this process, and files that are nowhere else.

/// An empty file in memory, without a name in any directory (`name` is what /proc calls it), close-on-exec.
pub fn file(name: &str) -> std::io::Result<std::fs::File> {
    use nix::sys::memfd::{MFdFlags, memfd_create};
    let name = std::ffi::CString::new(name)?;
    Ok(memfd_create(name.as_c_str(), MFdFlags::MFD_CLOEXEC)?.into())
}

/// From now on large blocks are given back to the system the moment they are freed. The allocator of glibc
/// keeps them otherwise once one was freed, which is faster for a program that asks for them again and
/// again, and costs one that needs much for a moment and then waits for hours. Others have no such
/// habit, and nothing is done.
pub fn give_back_large_blocks() {
    #[cfg(target_env = "gnu")]
    {
        /// The value that is the default before the first large block was freed.
        const THRESHOLD: libc::c_int = 128 * 1024;
        // SAFETY: it sets a number of the allocator and touches no memory of ours.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, THRESHOLD) };
    }
}

/// Gives back what is free now. It takes a time that grows with what there is: some milliseconds for tens
/// of megabytes.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only memory that is free is touched.
    unsafe {
        libc::malloc_trim(0)
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_file_in_memory_is_one_like_any_other() {
        use std::os::unix::fs::FileExt;
        let file = super::file("text").expect("made");
        file.write_all_at(b"abc", 2).expect("written");
        let mut back = [1; 5];
        file.read_exact_at(&mut back, 0).expect("read");
        assert_eq!(&back, b"\0\0abc");
        assert!(file.metadata().expect("there").is_file());
    }

    #[test]
    fn large_blocks_are_given_back() {
        super::give_back_large_blocks();
        let resident = || {
            let text = std::fs::read_to_string("/proc/self/statm").expect("read");
            let pages = text.split(' ').nth(1).expect("a number");
            pages.parse::<usize>().expect("a number")
        };
        let block = || std::hint::black_box(vec![1_u8; 8 << 20]);
        drop(block());
        let before = resident();
        let blocks: Vec<_> = (0..4).map(|_| block()).collect();
        drop(blocks);
        // Other tests run beside this one.
        assert!(resident() < before + 4096, "{before} {}", resident());
    }
}
