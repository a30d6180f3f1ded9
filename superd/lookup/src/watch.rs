//! What the sockets and timers of the process concern.

use dns::shell::Asked;

/// The sockets of the loop and its timers.
pub(crate) type Shell = dns::shell::Shell<Concern>;

/// Whom a socket belongs to, or whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concern {
    /// A question to the DNS: its sockets, and the time of its current server.
    Question(Asked),
    /// The ident exchange of a job, by the job's number: its socket, and its time.
    Ident(u64),
    /// The time for the names of a job.
    Names(u64),
    /// The time for a host word.
    Host(u64),
}

impl From<Asked> for Concern {
    fn from(question: Asked) -> Concern {
        Concern::Question(question)
    }
}
