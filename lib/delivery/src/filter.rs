//! The filter: a program of the user's, or of everybody's, that is asked before a copy is visible.
//!
//! It runs as the owner of the mailbox, in his home, never by a shell. On descriptor 0 it finds the copy
//! as it is to be delivered; what it writes to descriptor 1 may name a folder or say why; descriptor 2
//! is the log. Its exit code decides ([`decide`]). All that is in doubt makes the message wait: a filter
//! that is broken neither loses mail nor lets it through.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use accounts::{Filter, Mailbox, address};
use chain::Env;
use chain::child::{Command, Program, Told};
use os::process::Status;

use crate::failure::{Code, Failure, printable};

/// The most bytes of what it says that are looked at.
const SAID_BYTES: usize = 4096;

/// The most bytes of its complaints that stand in the log.
const COMPLAINT_BYTES: usize = 400;

/// The most bytes of the name of a folder.
const FOLDER_BYTES: usize = 250;

/// Where it finds programs.
const PATH: &[u8] = b"/usr/local/bin:/usr/bin:/bin";

/// What a filter has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The copy is delivered as if there were no filter.
    Deliver,
    /// It goes to this folder, a name of a directory below the Maildir, if there is one.
    Folder(Vec<u8>),
    /// There is no copy: the filter has taken the message.
    Taken,
    /// The message is refused for good, with this text.
    Refuse(String),
    /// It is refused for now; the reason is the end of a sentence that begins with the filter.
    Defer(String),
}

/// What it means that a filter ended like this, having said `said`; no status where it was killed for
/// the time it took.
pub fn decide(status: Option<Status>, said: &[u8]) -> Decision {
    let Some(status) = status else {
        return Decision::Defer("took too long".to_owned());
    };
    let line = said.split(|&byte| byte == b'\n').next();
    let line = line.unwrap_or_default().trim_ascii();
    match status.code() {
        Some(0) => folder_name(line).map_or(Decision::Deliver, Decision::Folder),
        Some(99) => Decision::Taken,
        Some(100) if line.is_empty() => Decision::Refuse("the message is refused".to_owned()),
        Some(100) => Decision::Refuse(printable(line)),
        Some(code) => Decision::Defer(format!("exited {code}")),
        None => {
            let signal = status.signal().unwrap_or_default();
            Decision::Defer(format!("was ended by signal {signal}"))
        }
    }
}

/// The directory that `Spam`, or `.Spam`, is below a Maildir; `None` for what cannot be a folder of a
/// Maildir++ and could lead elsewhere.
fn folder_name(line: &[u8]) -> Option<Vec<u8>> {
    let name = line.strip_prefix(b".").unwrap_or(line);
    let wrong = |&byte: &u8| byte < b' ' || byte == 0x7f || byte == b'/';
    let levels = name.split(|&byte| byte == b'.');
    if name.len() > FOLDER_BYTES || name.iter().any(wrong) || levels.clone().any(<[u8]>::is_empty) {
        return None;
    }
    Some([b".", name].concat())
}

/// What is asked about.
#[derive(Debug)]
pub struct Question<'q> {
    /// Whose copy it is.
    pub mailbox: &'q Mailbox,
    /// The sender of the envelope.
    pub sender: &'q [u8],
    /// The recipient of the envelope.
    pub recipient: &'q [u8],
}

impl Question<'_> {
    /// The environment that a filter has: qmail-command(8)'s names, and MAILDIR.
    fn env(&self) -> Env {
        let (local, host) = address::split(self.recipient);
        let mailbox = self.mailbox;
        let shell = match mailbox.shell.as_slice() {
            b"" => b"/bin/sh",
            shell => shell,
        };
        let mut env = Env::default();
        for (name, value) in [
            ("HOME", mailbox.home.as_os_str().as_bytes()),
            ("USER", &mailbox.user),
            ("LOGNAME", &mailbox.user),
            ("SHELL", shell),
            ("PATH", PATH),
            ("SENDER", self.sender),
            ("RECIPIENT", self.recipient),
            ("LOCAL", local),
            ("HOST", host.unwrap_or_default()),
            ("EXT", &mailbox.extension),
            ("DEFAULT", &mailbox.extension),
            ("MAILDIR", mailbox.maildir.as_os_str().as_bytes()),
        ] {
            env.set(name, value);
        }
        env
    }

    /// Asks the filter of the mailbox, where it has one, about the copy in `file`, until `deadline` at
    /// the latest. `uid` is who this process is, and must own the filter, or root.
    pub fn ask(&self, file: &File, uid: u32, deadline: Instant) -> Result<Decision, Failure> {
        let Some(filter) = &self.mailbox.filter else {
            return Ok(Decision::Deliver);
        };
        let path = &filter.path;
        match usable(path, uid) {
            Ok(()) => {}
            Err(Unusable::Io(error))
                if filter.of_his_own && error.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(Decision::Deliver);
            }
            Err(Unusable::Io(error)) => {
                return Err(self.failure(path, &format!("cannot be used: {}", os::reason(&error))));
            }
            Err(Unusable::Because(why)) => return Err(self.failure(path, why)),
        }
        let told = self.run(filter, file, deadline).map_err(|error| {
            self.failure(path, &format!("cannot be run: {}", os::reason(&error)))
        })?;
        match decide(told.status, &told.text) {
            Decision::Defer(why) => {
                let complaint = told.complaint.trim_ascii().escape_ascii().to_string();
                let why = if complaint.is_empty() {
                    why
                } else {
                    format!("{why}, and it said: {complaint}")
                };
                Err(self.failure(path, &why))
            }
            Decision::Refuse(text) => {
                let reason = format!("filter {} refuses: {text}", path.display());
                Err(Failure::new(Code::Refused, reason).telling("5.7.1", &text))
            }
            decision => Ok(decision),
        }
    }

    /// Its descriptor 2 is not our log, which is not the owner's: he could empty it, or write other lines
    /// into it.
    fn run(&self, filter: &Filter, file: &File, deadline: Instant) -> io::Result<Told> {
        // What a caller has left open is nothing to it.
        os::fd::keep_from_programs()?;
        let limit = Instant::now() + Duration::from_secs(filter.seconds);
        Command {
            program: &Program::File(filter.path.clone()),
            words: &[],
            env: &self.env(),
            folder: &self.mailbox.home,
            descriptors: &[(file.as_fd(), 0)],
        }
        .ask_stranger(1, SAID_BYTES, COMPLAINT_BYTES, deadline.min(limit))
    }

    fn failure(&self, path: &Path, why: &str) -> Failure {
        let reason = format!("filter {} {why}", path.display());
        let text = format!("unable to filter mail for {}", printable(self.recipient));
        Failure::new(Code::Deferred, reason).telling("4.3.0", &text)
    }
}

/// Why a file is no filter.
#[derive(Debug)]
enum Unusable {
    /// It cannot be looked at.
    Io(io::Error),
    /// It is not as it must be; the end of a sentence.
    Because(&'static str),
}

/// Whether a file may be run for `uid`: it is his or root's, nobody else can write to it, and the
/// system, not a shell, runs it.
fn usable(path: &Path, uid: u32) -> Result<(), Unusable> {
    let meta = fs::metadata(path).map_err(Unusable::Io)?;
    let mode = meta.mode();
    let why = if !meta.is_file() {
        "is no regular file"
    } else if meta.uid() != uid && meta.uid() != 0 {
        "belongs neither to the owner of the mailbox nor to root"
    } else if mode & 0o022 != 0 {
        "can be written to by others"
    } else if mode & 0o111 == 0 {
        "is not executable"
    } else if !is_program(path).map_err(Unusable::Io)? {
        "is no program: it begins with neither #! nor the mark of an ELF file"
    } else {
        return Ok(());
    };
    Err(Unusable::Because(why))
}

/// The C library gives to a shell what the system does not know as a program.
fn is_program(path: &Path) -> io::Result<bool> {
    let mut start = [0; 4];
    let mut file = match os::file::open_without_waiting(path) {
        Ok(file) => file,
        // It may be executable and not readable; then it is no script, for those are read.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(true),
        Err(error) => return Err(error),
    };
    let mut count = 0;
    while count < start.len() {
        match file.read(&mut start[count..])? {
            0 => break,
            more => count += more,
        }
    }
    Ok(start.starts_with(b"#!") || start == *b"\x7fELF")
}

/// The folder of a decision below the Maildir of an account, if it is there.
pub fn folder(inbox: &Path, name: &[u8]) -> Option<PathBuf> {
    let path = inbox.join(std::ffi::OsStr::from_bytes(name));
    path.join("new").is_dir().then_some(path)
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
