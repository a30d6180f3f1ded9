//! The look-up process of superd: DNS names and ident, off the main loop and without privileges.
//!
//! superd's main loop may be root (for the sake of the programs it starts), so it reads nothing
//! from the network. What must be read before a program can be started, the names of both ends of
//! a connection, the check of the client's name and the answer of its ident server, is read here: by
//! one extra process for all connections, started by superd as `superd-lookup` only if an option or
//! a host word asks for it. It becomes an unprivileged user (`$SUPERD_LOOKUP_USER`, else `superd-lookup`, else
//! the one of all: `$SUPERD_UNPRIV`, else `superd-null`, else `nobody`) before it reads its first byte from anywhere but its caller, runs no programs, and
//! ends when the caller's end of the socket does.
//!
//! **Protocol.** Descriptor 0 is one end of a SOCK_SEQPACKET pair. superd sends a
//! [`record::Request`] for a connection or a [`record::HostRequest`] for a word of its command line,
//! and gets exactly one [`record::Reply`] for each, in any order, told apart by the number that it
//! chose. [`codec`] has the bytes and their limits; decoding them is superd's only contact with
//! what came from the network, and it accepts only what can honestly be meant.
//!
//! **Time.** All names of one connection are under one deadline of 5 s
//! ([`settings::NAMES_DEADLINE`]), ident under its own (-t, the request says it), and both run at the
//! same time. So an answer comes within the greater of the two; a server that says it cannot answer
//! fails at once if there is no other. A host word has 10 s. If this process dies, superd takes
//! [`record::Request::failed`] for what is outstanding and starts another.
//!
//! **Bounds.** At most 1,024 requests are worked on at a time, 2,048 questions are in the air,
//! 4,096 answers are kept; what comes beyond is answered as failed at once. When descriptors run
//! out, the questions and ident conversations that need one fail, and the process goes on.
//!
//! Pure rooms: [`ident`], [`codec`], [`qualify`], `connection`, `host`. Rooms with sockets: `exchange`,
//! [`serve()`]. The DNS itself is the crate [`dns`].

pub mod codec;
mod connection;
mod exchange;
mod host;
pub mod ident;
pub mod qualify;
pub mod record;
mod serve;
pub mod settings;
mod watch;

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use os::Exit;
use os::identity::{Identity, become_user, effective_uid};

pub use codec::{MESSAGE_LIMIT, Malformed};
pub use record::{
    Answer, Family, HostAnswer, HostFailure, HostRequest, Incoming, Name, Reply, Request, Trouble,
};
pub use serve::serve;

/// The name under which superd starts this program.
pub const PROGRAM: &str = "superd-lookup";

/// The variable that names the user of this process.
pub const USER: &str = "SUPERD_LOOKUP_USER";

/// The program: takes no words, serves the superd at the other end of descriptor 0, ends with it.
///
/// Exit codes: 0 at the end of the socket; 100 when started by anybody else than superd; 111 when
/// the system is in the way, among other things when there is no unprivileged user.
pub fn main(name: &str, args: Vec<OsString>) -> Exit {
    if !args.is_empty() {
        os::log::fatal(
            name,
            "this program takes no arguments: superd starts it when it is needed",
        );
        return Exit::PERMANENT;
    }
    // Whoever sends one of these to the service does not mean this process.
    let _ = os::signals::ignore_meaningless();
    let socket = match take_socket() {
        Ok(socket) => socket,
        Err(Unusable::NoSocket) => {
            let message =
                "descriptor 0 is not a socket: superd starts this program when it is needed";
            os::log::fatal(name, message);
            return Exit::PERMANENT;
        }
        Err(Unusable::System(error)) => {
            os::log::fatal(
                name,
                &format!("unable to take descriptor 0: {}", os::reason(&error)),
            );
            return Exit::TEMPORARY;
        }
    };
    if let Err(message) = give_up_privileges() {
        os::log::fatal(name, &message);
        return Exit::TEMPORARY;
    }
    match serve(socket, settings::Settings::from_environment()) {
        Ok(()) => Exit::OK,
        Err(error) => {
            os::log::fatal(name, &format!("unable to go on: {}", os::reason(&error)));
            Exit::TEMPORARY
        }
    }
}

enum Unusable {
    NoSocket,
    System(io::Error),
}

/// Takes the message socket from descriptor 0, and leaves nothing of it on 0 and 1, nor anything
/// that superd was started with on higher numbers.
fn take_socket() -> Result<OwnedFd, Unusable> {
    os::fd::close_inherited().map_err(Unusable::System)?;
    let input = os::fd::standard_input();
    if !os::socket::is_socket(input.as_fd()) {
        return Err(Unusable::NoSocket);
    }
    let socket = os::fd::duplicate_high(input.as_fd()).map_err(Unusable::System)?;
    for number in [0, 1] {
        os::fd::point_at_null(number).map_err(Unusable::System)?;
    }
    Ok(socket)
}

/// Whom it becomes where it is started as root: a user of its own, whom no session can reach, where there is
/// one, else the unprivileged user of all. The error is a sentence.
pub fn user() -> Result<Identity, String> {
    let value = |name: &str| std::env::var_os(name).map(OsString::into_vec);
    let (own, all) = (value(USER), value("SUPERD_UNPRIV"));
    os::identity::unprivileged_for(PROGRAM, (USER, own.as_deref()), all.as_deref())
}

/// Becomes that user if this is root, and in any case nobody who could gain anything.
/// The error is a sentence.
fn give_up_privileges() -> Result<(), String> {
    if effective_uid() == 0 {
        become_user(user()?).map_err(|error| error.to_string())?;
    }
    let restricted = os::confine::keep_to_itself();
    restricted.map_err(|error| format!("unable to give up privileges: {}", os::reason(&error)))
}
