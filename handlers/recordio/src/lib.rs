//! recordio: runs a program and writes down what it and its client say.
//!
//! The program keeps the process, so that whoever started it sees its end and not the recorder's; the
//! recorder is a child of it, between the client and two pipes. It promises:
//! - **the record of the original**, byte for byte ([`record`]);
//! - **what passes was written down before**, and passes unchanged ([`copy`]);
//! - **the program stays a program of its chain**: what was read ahead for it reaches it, and it is
//!   called where it is ours and executed where not;
//! - **the recorder is nobody**: it never needs root, so it gives it up before it reads a byte.

pub mod copy;
pub mod record;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use chain::Call;
use os::Exit;
use os::process::Side;

use crate::copy::{Flow, Log};
use crate::record::Way;

/// The program: `program args`, so in a chain it is one that passes on all of its words.
pub fn main(mut call: Call) -> Exit {
    let name = call.name.clone();
    if call.args.is_empty() {
        let usage = format!("{name}: usage: {name} program [ arg ... ]\n");
        os::log::say(usage.as_bytes());
        return Exit::PERMANENT;
    }
    match part(&mut call) {
        Ok(()) => call.finish(),
        Err(error) => {
            let reason = format!(
                "unable to put a recorder in between: {}",
                os::reason(&error)
            );
            os::log::fatal(&name, &reason);
            Exit::TEMPORARY
        }
    }
}

/// Puts a recorder between descriptors 0 and 1 and this process, which gets pipes in their place.
fn part(call: &mut Call) -> io::Result<()> {
    os::fd::guard_standard()?;
    let (program_in, to_program) = io::pipe()?;
    let (from_program, program_out) = io::pipe()?;
    let pid = std::process::id();
    if os::process::fork()? == Side::Child {
        drop((program_in, program_out));
        let _ = recorder(call, pid, to_program.into(), from_program.into());
        os::process::end_now(0);
    }
    call.ahead.clear();
    os::fd::place(program_in.as_fd(), 0)?;
    os::fd::place(program_out.as_fd(), 1)
}

/// The child: lives until the program's output or the client is at an end.
fn recorder(
    call: &mut Call,
    pid: u32,
    to_program: OwnedFd,
    from_program: OwnedFd,
) -> io::Result<()> {
    // What the process had open is the program's: nobody may wait for an end that the recorder holds up.
    os::fd::close_all_but(&[to_program.as_fd(), from_program.as_fd()])?;
    os::fd::set_nonblocking(to_program.as_fd())?;
    let mut log = Log::new(&call.name, pid, io::stderr().as_fd())?;
    be_nobody(call);
    let client_in = os::fd::duplicate_high(io::stdin().as_fd())?;
    let client_out = os::fd::duplicate_high(io::stdout().as_fd())?;
    let ahead = std::mem::take(&mut call.ahead);
    let inward = Flow::new(Way::In, client_in, to_program, ahead);
    let outward = Flow::new(Way::Out, from_program, client_out, Vec::new());
    copy::run(inward, outward, &mut log)
}

/// Gives up root, where there is a user for it. Copying is not decoding: where there is none, the
/// record is still what was asked for.
fn be_nobody(call: &Call) {
    if os::identity::effective_uid() == 0
        && let Ok(who) = os::identity::unprivileged(call.env.bytes("SUPERD_UNPRIV"))
    {
        let _ = os::identity::become_user(who);
    }
    let _ = os::confine::keep_to_itself();
}
