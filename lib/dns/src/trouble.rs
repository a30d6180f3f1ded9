//! Why a question was not answered.

use std::fmt;

/// Why a question was not answered. The texts are the original's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Every server stayed silent.
    TimedOut,
    /// The servers said that they cannot answer.
    ServerFailed,
    /// Nobody listens where the servers should be.
    Refused,
    /// The word is no domain name, or an answer made no sense.
    Protocol,
    /// There is too much to do.
    Busy,
    /// A system call failed, with this errno.
    System(i32),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trouble::TimedOut => "timed out",
            Trouble::ServerFailed => "temporary failure",
            Trouble::Refused => "connection refused",
            Trouble::Protocol => "protocol error",
            Trouble::Busy => "too many look-ups",
            Trouble::System(number) => return f.write_str(&os::error::reason_for(*number)),
        })
    }
}

impl From<&std::io::Error> for Trouble {
    fn from(error: &std::io::Error) -> Trouble {
        match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Trouble::Refused,
            std::io::ErrorKind::TimedOut => Trouble::TimedOut,
            _ => error
                .raw_os_error()
                .map_or(Trouble::Protocol, Trouble::System),
        }
    }
}
