//! maildir-queue: a program with qmail-queue's interface that delivers into local Maildirs.
//!
//! Descriptor 0 is the message, descriptor 1 (read, too) the envelope, the exit code the answer
//! (qmail-queue(8)). It promises:
//! - nothing is delivered before the final NUL of the envelope was read, so a sender that dies or
//!   gives up in the middle has sent nothing;
//! - exit code 0 means that every recipient has the message on disk, file and directory synced;
//! - any other code means that nobody has it (but for the failure of the very last step, see
//!   `maildir::deliver`); a code of the permanent kind comes only where trying again is no use;
//! - it writes only as the owner of the mailbox, so never as root.
//!
//! There is no bounce: whoever calls must have asked for unknown users before.
//!
//! With `--hold` it stops before the last step ([`hold`]): so that smtpd can hand the message on to
//! another server, too, and both have it or neither.
//!
//! What it does with a message is the crate `delivery`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant, SystemTime};

use accounts::{Accounts, Home};
use chain::{Call, Env};
use delivery::deliver::{self, Deliverer, Delivery};
use delivery::envelope::{Envelope, Reader};
use delivery::failure::{self, Code, Failure};
use delivery::hold::{self, Hold};
use delivery::spool::{self, Spool};
use maildir::{Host, Names};
use os::Exit;
use wire::Log;

/// How long the message may take; as long as qmail-queue. The sender has shorter limits.
const MESSAGE_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How long everything after the message may take: the envelope, and the writing.
const DELIVERY_TIME: Duration = Duration::from_secs(4 * 60);

/// Where a text for the client goes, if that is a pipe: notqmail's custom text.
const TEXT: RawFd = 6;

/// How long a full pipe for the text is waited for.
const TEXT_TIME: Duration = Duration::from_secs(1);

/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// The program. Without `--hold` it has no arguments.
pub fn main(call: Call) -> Exit {
    os::process::umask(0o077);
    // A write over the limit must be an error, or nobody would remove the half-written file.
    let _ = os::signals::ignore_file_size();
    // A filter is waited for, and may not read what it is given.
    let _ = os::signals::default_child();
    let _ = os::signals::ignore_pipe();
    let mut log = Log::new(&call.name, call.env.bytes("TCPREMOTEIP"));
    let pid = std::process::id();
    // Taken at once, so that no program of a user inherits it.
    let text = os::fd::take_pipe_writer(TEXT).ok().flatten();
    let hold = call.args.first().is_some_and(|word| word == hold::OPTION);
    let hold = hold.then(Hold::begin);
    match run(pid, &call.env, hold) {
        Ok((envelope, deliveries)) => {
            for delivery in deliveries {
                let event = if delivery.taken { "filter" } else { "deliver" };
                log.event(event)
                    .number("qp", u64::from(pid))
                    .address("from", &envelope.sender)
                    .address("to", &delivery.recipient)
                    .number("size", delivery.message.size)
                    .field("file", delivery.message.path.as_os_str().as_bytes())
                    .say();
            }
            Exit::OK
        }
        Err(failure) => {
            log.event("fail")
                .number("qp", u64::from(pid))
                .number("code", u64::from(failure.code.number()))
                .field("reason", failure.reason.as_bytes())
                .say();
            Exit(tell(&failure, text))
        }
    }
}

/// Tells the client's text where somebody reads it; the exit code.
fn tell(failure: &Failure, text: Option<OwnedFd>) -> u8 {
    let told = failure.told().zip(text).is_some_and(|(told, pipe)| {
        let deadline = Instant::now() + TEXT_TIME;
        os::fd::write_all_until(pipe.as_fd(), told.as_bytes(), deadline).is_ok()
    });
    if told {
        failure::TOLD
    } else {
        failure.code.number()
    }
}

fn run(pid: u32, env: &Env, hold: Option<Hold>) -> Result<(Envelope, Vec<Delivery>), Failure> {
    // The configuration comes after the message: a sender that goes away needs none of it.
    let message = read_message(io::stdin().as_fd(), Instant::now() + MESSAGE_TIME)?;
    let deadline = Instant::now() + DELIVERY_TIME;
    let envelope = read_envelope(io::stdout().as_fd(), deadline)?;
    let configuration =
        |error: accounts::ControlError| Failure::new(Code::Configuration, error.to_string());
    let home = Home::find(|name| env.get(name).map(ToOwned::to_owned));
    home.check().map_err(configuration)?;
    let me = home
        .me(env.bytes("TCPLOCALHOST"), os::process::host_name)
        .map_err(configuration)?;
    let locals = home.locals(&me).map_err(configuration)?;
    let accounts = Accounts::open(&home, locals).map_err(configuration)?;
    let mut deliverer = Deliverer {
        uid: os::identity::effective_uid(),
        names: Names::new(
            Host::new(&os::process::host_name()),
            pid,
            os::process::random,
        ),
        clock: SystemTime::now,
        deadline,
    };
    let targets = deliver::targets(&accounts, &envelope.recipients)?;
    let mut prepared = deliver::prepare(&mut deliverer, &envelope.sender, targets, &message)?;
    if let Some(hold) = hold {
        // What the caller does meanwhile cannot be taken back.
        prepared.promise()?;
        hold.wait(io::stdout().as_fd())?;
    }
    let deliveries = prepared.publish(&mut deliverer)?;
    Ok((envelope, deliveries))
}

/// Reads the message to its end.
fn read_message(from: BorrowedFd<'_>, deadline: Instant) -> Result<Spool, Failure> {
    let mut message = Spool::new(spool::folders());
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = os::fd::read_until(from, &mut buffer, deadline)
            .map_err(|error| Failure::reading("the message", &error))?;
        if count == 0 {
            return Ok(message);
        }
        message.push(&buffer[..count])?;
    }
}

/// Reads the envelope to its final NUL.
fn read_envelope(from: BorrowedFd<'_>, deadline: Instant) -> Result<Envelope, Failure> {
    let mut reader = Reader::default();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = os::fd::read_until(from, &mut buffer, deadline)
            .map_err(|error| Failure::reading("the envelope", &error))?;
        if count == 0 {
            let reason = "the message was withdrawn: its envelope has no end".to_owned();
            return Err(Failure::new(Code::Read, reason));
        }
        if let Some(envelope) = reader.feed(&buffer[..count])? {
            return Ok(envelope);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    fn piped(bytes: &[u8]) -> io::PipeReader {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(bytes).expect("room");
        reader
    }

    #[test]
    fn an_envelope_without_final_nul_is_no_envelope() {
        for cut in [&b""[..], b"F", b"Fa@b\0", b"Fa@b\0Tc@d", b"Fa@b\0Tc@d\0"] {
            let failure = read_envelope(piped(cut).as_fd(), soon()).expect_err("cut");
            assert_eq!(failure.code, Code::Read, "{}", cut.escape_ascii());
        }
        let envelope = read_envelope(piped(b"Fa@b\0Tc@d\0\0").as_fd(), soon()).expect("whole");
        assert_eq!(envelope.recipients, [b"c@d"]);
    }

    #[test]
    fn a_sender_that_says_nothing_is_given_up_at_the_deadline() {
        let (reader, _writer) = io::pipe().expect("a pipe");
        let past = Instant::now() + Duration::from_millis(20);
        let failure = read_message(reader.as_fd(), past).expect_err("silent");
        assert_eq!(failure.code, Code::Timeout);
        let failure = read_envelope(reader.as_fd(), past).expect_err("silent");
        assert_eq!(failure.code, Code::Timeout);
    }

    #[test]
    fn a_descriptor_that_cannot_be_read_is_a_read_error() {
        let folder = std::fs::File::open("/").expect("a folder");
        let failure = read_envelope(folder.as_fd(), soon()).expect_err("a folder");
        assert_eq!(failure.code, Code::Read);
    }

    #[test]
    fn the_message_is_everything_up_to_the_end() {
        let message = read_message(piped(b"a\0b\n").as_fd(), soon()).expect("read");
        assert_eq!(message.size(), 4);
    }
}
