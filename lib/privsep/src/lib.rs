//! Privilege separation: the process that reads the network is not the one that has privileges.
//!
//! A program that is started as root calls [`fork`]. The **unprivileged child** gives everything up ([`give_up`]) and
//! speaks with the client. The **monitor** keeps the privileges and reads bounded records of that child and nothing else;
//! each is a request that a client may have made, and the monitor decides about it as if the child were an enemy. What
//! they tell each other is the two types of their [`Channel`].
//!
//! ```text
//! client <-- network --> unprivileged child <-- Channel --> monitor --> the user's files
//! ```
//!
//! A child that was taken over by its client can send what it likes, and stop answering; [`UnprivilegedChild`] bounds how
//! long that lasts. It can do nothing else.

mod channel;
mod child;

use std::io;
use std::os::fd::BorrowedFd;

use os::identity::Identity;
use os::process::Side;
use record::Message;

pub use channel::{Channel, Fault};
pub use child::UnprivilegedChild;

/// Which of the two processes this one is, and how it speaks with the other.
#[derive(Debug)]
pub enum Process<ToChild, ToMonitor> {
    /// It has the privileges.
    Monitor(UnprivilegedChild<ToChild, ToMonitor>),
    /// It is to give them up, and to end with [`os::process::end_with`].
    Child(Channel<ToMonitor, ToChild>),
}

/// Makes the two processes of this one, which must have no threads.
pub fn fork<ToChild: Message, ToMonitor: Message>() -> io::Result<Process<ToChild, ToMonitor>> {
    let (ours, theirs) = Channel::pair()?;
    // Each closes the other's end, or neither would learn of the other's death.
    match os::process::fork()? {
        Side::Child => Ok(Process::Child(theirs)),
        Side::Parent(pid) => Ok(Process::Monitor(UnprivilegedChild::new(pid, ours))),
    }
}

/// Becomes `who`, and nothing that this process could do for somebody else is left: of its descriptors only 0 to 2 and
/// `keep`, no way to more privileges (which is proved by trying) or to another process, be it of the same user, and an end
/// with its parent. An error is a sentence; the process must not go on then.
pub fn give_up(who: Identity, keep: &[BorrowedFd<'_>]) -> Result<(), String> {
    let failed = |error: io::Error| format!("unable to give up privileges: {}", os::reason(&error));
    os::fd::close_all_but(keep).map_err(failed)?;
    os::identity::become_user(who).map_err(|error| error.to_string())?;
    os::process::no_children().map_err(failed)?;
    os::process::end_with_parent().map_err(failed)?;
    os::confine::keep_to_itself().map_err(failed)
}
