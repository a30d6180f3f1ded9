//! The memory of this process.

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
