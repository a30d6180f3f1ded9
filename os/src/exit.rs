//! Exit codes, as the whole family of these programs means them.

/// What a program says at its end. The meaning is that of qmail and ucspi-tcp; 101 is what Rust's
/// runtime uses for a panic, which here always means a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// Done as asked.
    pub const OK: Exit = Exit(0);
    /// Not done, in a way that the caller expects (a check that says no).
    pub const NO: Exit = Exit(1);
    /// Will never work as called: usage, a text that cannot be parsed, a denied client.
    pub const PERMANENT: Exit = Exit(100);
    /// The system is in the way; the same call may work later.
    pub const TEMPORARY: Exit = Exit(111);
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit.0)
    }
}
