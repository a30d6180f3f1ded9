//! How long a check may take.

use std::io;

/// The longest that a check and becoming the user may take, in seconds.
pub const CHECK_LIMIT: u32 = 120;

/// Ends this process by SIGALRM after [`CHECK_LIMIT`], unless what is returned is dropped before: a
/// home may be on a file system that hangs, and nothing can be told about a file there before it is
/// opened.
pub fn begin() -> io::Result<os::process::Alarm> {
    os::process::alarm(CHECK_LIMIT)
}
