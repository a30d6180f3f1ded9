//! The program superd-rules, known to many as tcprules. Its manual page is superd-rules(1).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use os::Exit;

use crate::compile::{Counts, Failure, Report, check, compile};
use crate::lint::Warning;
use crate::text::{self, Fault, FaultKind};

/// Reads rules on descriptor 0; `args` are the words after the program's name. `name` begins each
/// message.
pub fn main(name: &str, args: Vec<OsString>) -> Exit {
    let mut messages = Messages {
        name,
        held: Vec::new(),
    };
    match &args[..] {
        [option] if option == "--check" => {
            let done = standard_input().and_then(|input| check(input, &mut messages));
            messages.end(done, OsStr::new(""), OsStr::new(""))
        }
        [target, temporary, ..] if !target.as_bytes().starts_with(b"--") => {
            let (into, by) = (Path::new(target), Path::new(temporary));
            let done = match standard_input() {
                Ok(input) => compile(input, into, by, &mut messages),
                Err(failure) => Err(failure),
            };
            messages.end(done, target, temporary)
        }
        _ => {
            messages.line(&[b": usage: ", name.as_bytes(), b" rules.cdb rules.tmp"]);
            // The original's line is the whole answer to a call that the original has, too.
            if args
                .first()
                .is_some_and(|word| word.as_bytes().starts_with(b"--"))
            {
                messages.line(&[b": usage: ", name.as_bytes(), b" --check"]);
            }
            Exit::PERMANENT
        }
    }
}

/// Descriptor 0 without std's buffer, which our own reader would only copy from.
///
/// Where descriptor 0 was closed, Rust's runtime has put /dev/null there before main, which would
/// compile to a database that lets everybody in. It opens it for writing too, as no redirection of
/// input does.
fn standard_input() -> Result<File, Failure> {
    let input = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map(File::from)
        .map_err(Failure::Read)?;
    let is_null = match (input.metadata(), std::fs::metadata("/dev/null")) {
        (Ok(input), Ok(null)) => input.rdev() == null.rdev(),
        _ => false,
    };
    if is_null && io::Write::write(&mut &input, b"").is_ok() {
        return Err(Failure::Read(io::Error::other("file descriptor not open")));
    }
    Ok(input)
}

/// Writes messages to descriptor 2, in pieces of whole lines.
struct Messages<'a> {
    name: &'a str,
    held: Vec<u8>,
}

impl Messages<'_> {
    /// The program's name, the parts and a newline.
    fn line(&mut self, parts: &[&[u8]]) {
        self.held.extend_from_slice(self.name.as_bytes());
        for part in parts {
            self.held.extend_from_slice(part);
        }
        self.held.push(b'\n');
        if self.held.len() >= 8192 {
            self.flush();
        }
    }

    fn flush(&mut self) {
        os::log::say(&self.held);
        self.held.clear();
    }

    fn fatal(&mut self, what: &[&[u8]], error: &io::Error) -> Exit {
        let reason = os::reason(error);
        self.line(&[b": fatal: ", &what.concat(), b": ", reason.as_bytes()]);
        Exit::TEMPORARY
    }

    /// The last message, if there is one, and the exit code.
    fn end(&mut self, done: Result<Counts, Failure>, target: &OsStr, temporary: &OsStr) -> Exit {
        let (target, temporary) = (target.as_bytes(), temporary.as_bytes());
        match done {
            Ok(counts) => {
                if counts.records == 0 {
                    self.line(&[b": warning: no rule in the input: every client is allowed"]);
                }
                Exit::OK
            }
            Err(Failure::Faults) => Exit::PERMANENT,
            Err(Failure::Create(error)) => self.fatal(&[b"unable to create ", temporary], &error),
            Err(Failure::Read(error)) => self.fatal(&[b"unable to read input"], &error),
            Err(Failure::Write(error)) => self.fatal(&[b"unable to write to ", temporary], &error),
            Err(Failure::Move(error)) => {
                self.fatal(&[b"unable to move ", temporary, b" to ", target], &error)
            }
            Err(Failure::Sync(error)) => {
                let reason = os::reason(&error);
                let what =
                    b" is replaced, but a crash may undo that: unable to sync its directory: ";
                // A directory that may be written to and not read is somebody's will; tcprules
                // works in it.
                let unreadable = error.kind() == io::ErrorKind::PermissionDenied;
                let word: &[u8] = if unreadable {
                    b": warning: "
                } else {
                    b": fatal: "
                };
                self.line(&[word, target, what, reason.as_bytes()]);
                if unreadable {
                    Exit::OK
                } else {
                    Exit::TEMPORARY
                }
            }
        }
    }
}

impl Drop for Messages<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Report for Messages<'_> {
    /// Two lines: tcprules' own, to the byte, for whoever looks for it; then the place and why.
    fn fault(&mut self, line: u64, text: &[u8], fault: Fault) {
        let shown = match fault.kind {
            FaultKind::TooLong => &text[..text.len().min(80)],
            _ => text::trim(text),
        };
        let shown = shown.split(|byte| *byte == 0).next().unwrap_or_default();
        self.line(&[b": fatal: unable to parse this line: ", shown]);
        self.line(&[format!(": line {line}, {fault}").as_bytes()]);
    }

    fn warning(&mut self, line: u64, warning: Warning) {
        self.line(&[format!(": warning: line {line}: {warning}").as_bytes()]);
    }
}
