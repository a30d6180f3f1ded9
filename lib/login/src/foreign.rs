//! A checker that is somebody else's: a program with the record on descriptor 3, which becomes the
//! next program of the chain itself, with the conversation on 0 and 1 and the log on 2.

use std::ffi::OsString;
use std::io::{PipeReader, Write};
use std::os::fd::AsFd;

use auth::Entry;
use chain::Call;
use os::process::Side;
use zeroize::Zeroizing;

/// What became of a login.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It is him, and this process is to go on.
    In(Entry),
    /// It was him, and the program has served him.
    Over,
    /// Somebody has stopped the program, and it was ended. What it had said to the client by then nobody knows,
    /// so there is nothing more to be said.
    Stopped(String),
    /// It is not.
    No(String),
    /// It cannot be told now.
    Temporary(String),
    /// It cannot be told this way.
    Permanent(String),
}

/// The number on which checkers read the record.
const RECORD_NUMBER: i32 = 3;

/// What the child of the fork ends with where there is nothing to execute: as with checkpassword,
/// the chain is misused.
const CANNOT_RUN: u8 = 2;

/// Runs the chain of `call` and waits for its end, which may be that of a whole session: nothing of
/// `record` (at most [`auth::attempt::RECORD_LIMIT`] bytes) is left then.
pub(crate) fn run(call: &Call, record: Zeroizing<Vec<u8>>) -> Ended {
    let Some(checker) = call.args.first() else {
        return Ended::Permanent("no checker is named".to_owned());
    };
    let name = checker.as_encoded_bytes().escape_ascii();
    let failed = |what: &str, error: &std::io::Error| {
        Ended::Temporary(format!(
            "unable to run {name}: {what}: {}",
            os::reason(error)
        ))
    };
    let (reader, mut writer) = match std::io::pipe() {
        Ok(pipe) => pipe,
        Err(error) => return failed("pipe", &error),
    };
    // A new pipe has room for it, so whoever never reads cannot make this wait, and while this
    // process has the reading end itself there is no SIGPIPE.
    if let Err(error) = writer.write_all(&record) {
        return failed("pipe", &error);
    }
    drop(writer);
    // Not kept for as long as the user's session takes, here or in the new process.
    drop(record);
    let pid = match os::process::fork() {
        Ok(Side::Parent(pid)) => pid,
        Ok(Side::Child) => become_checker(call, reader),
        Err(error) => return failed("fork", &error),
    };
    drop(reader);
    // The user of the session could have stopped it, and would keep the place of this one as well.
    let status = match os::children::wait_moving(pid) {
        Ok(Some(status)) => status,
        Ok(None) => return Ended::Stopped(format!("{name} was stopped, and is ended")),
        Err(error) => return failed("wait", &error),
    };
    match (status.code(), status.signal()) {
        (Some(0), _) => Ended::Over,
        (Some(1), _) => Ended::No(format!("{name} said no")),
        (Some(111), _) => Ended::Temporary(format!("{name} ended with 111")),
        (Some(code), _) => Ended::Permanent(format!("{name} ended with {code}")),
        (None, Some(signal)) => Ended::Permanent(format!("{name} was ended by signal {signal}")),
        (None, None) => Ended::Permanent(format!("{name} ended in an unknown way")),
    }
}

/// Lets a checker, which knows no programs of ours, find the one that it is to become: the word right behind
/// it, where that is a bare name of ours. All other words are somebody's own, whatever they look like.
fn name_next_by_path(words: &mut [OsString]) {
    if let Some(next) = words.get_mut(1)
        && let Some(file) = os::programs::own(next)
    {
        *next = file.into();
    }
}

fn become_checker(call: &Call, reader: PipeReader) -> ! {
    let name = call.name.clone();
    if let Err(error) = os::fd::place(reader.as_fd(), RECORD_NUMBER) {
        os::log::fatal(
            &name,
            &format!("unable to place a pipe: {}", os::reason(&error)),
        );
        os::process::end_now(os::Exit::TEMPORARY.0);
    }
    // Where the pipe had that number itself, it must not be closed with its owner.
    let _ = std::os::fd::IntoRawFd::into_raw_fd(std::os::fd::OwnedFd::from(reader));
    let mut args = call.args.clone();
    name_next_by_path(&mut args);
    let call = Call {
        name: name.clone(),
        args,
        env: call.env.clone(),
        ahead: Vec::new(),
        applets: call.applets,
    };
    let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call.go_on()));
    os::process::end_now(match end {
        // A program of ours, in the place of a checker.
        Ok(Ok(exit)) => exit.0,
        Ok(Err(error)) => {
            os::log::fatal(&name, &error.to_string());
            CANNOT_RUN
        }
        Err(_) => 101,
    });
}
