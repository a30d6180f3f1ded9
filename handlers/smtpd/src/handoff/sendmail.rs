//! The command line of sendmail: `PROGRAM -i -f SENDER -- RECIPIENT...`, the message on descriptor 0.
//!
//! To sendmail the end of its input is the end of the message, also where it is the end of whoever
//! wrote it. So nothing is started before the message is whole: it waits in a file without a name,
//! which the program then reads.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::time::Instant;

use chain::child::{Command, Program};

use super::{Failure, ProgramContext};
use crate::replies::queue as texts;
use crate::transport::shown;

/// Recipients of one message: all stand on one command line.
pub const RECIPIENT_LIMIT: usize = 100;

/// What of the program's own words stands in the log.
const COMPLAINT_BYTES: usize = 400;

/// A message that waits for its end.
#[derive(Debug)]
pub struct Spooled {
    program: Program,
    file: File,
    failed: Option<std::io::Error>,
}

impl Spooled {
    /// An empty one.
    pub fn new(program: &Program) -> Result<Spooled, Failure> {
        let file =
            os::file::create_nameless(&os::file::temporary_folders()).map_err(|error| Failure {
                reply: texts::CANNOT_CREATE.into(),
                reason: format!("unable to create a spool file: {}", os::reason(&error)),
            })?;
        Ok(Spooled {
            program: program.clone(),
            file,
            failed: None,
        })
    }

    /// Whether it could not be written.
    pub fn is_broken(&self) -> bool {
        self.failed.is_some()
    }

    /// Adds to it.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.file.write_all(bytes).err();
        }
    }

    /// Whether it is whole so far.
    pub fn check(&self) -> Result<(), Failure> {
        let Some(error) = &self.failed else {
            return Ok(());
        };
        Err(Failure {
            reply: texts::CANNOT_WRITE.into(),
            reason: format!("unable to write the spool file: {}", os::reason(error)),
        })
    }

    /// Runs the program on it.
    pub fn send(
        mut self,
        sender: &[u8],
        recipients: &[Vec<u8>],
        context: ProgramContext<'_>,
    ) -> Result<(), Failure> {
        let name = shown(&self.program);
        let failure = |reply: &'static str, reason: String| Failure {
            reply: reply.into(),
            reason,
        };
        self.check()?;
        self.file.seek(SeekFrom::Start(0)).map_err(|error| {
            let reason = format!("unable to read the spool file: {}", os::reason(&error));
            failure(texts::CANNOT_WRITE, reason)
        })?;
        let told = Command {
            program: &self.program,
            words: &words(sender, recipients),
            env: context.env,
            folder: context.folder,
            descriptors: &[(self.file.as_fd(), 0)],
        }
        .ask(1, COMPLAINT_BYTES, Instant::now() + context.patience);
        let told = told.map_err(|error| {
            let reason = format!("unable to run {name}: {}", os::reason(&error));
            failure(texts::CANNOT_EXEC, reason)
        })?;
        let Some(status) = told.status else {
            return Err(failure(texts::TIMEOUT, format!("{name} took too long")));
        };
        match status.code() {
            Some(0) => Ok(()),
            Some(code) => {
                let said = told.text.trim_ascii().escape_ascii();
                let reason = format!("{name} exited {code}: {said}");
                Err(failure(texts::for_sysexit(code), reason))
            }
            None => {
                let signal = status.signal().unwrap_or_default();
                let reason = format!("{name} was ended by signal {signal}");
                Err(failure(texts::CRASHED, reason))
            }
        }
    }
}

/// Whether a recipient is surely an address to every program of this kind: some take others for a pipe, a
/// file or a list of addresses, and one without a domain for what is in their own tables.
pub fn is_speakable(recipient: &[u8]) -> bool {
    let (local, domain) = accounts::address::split(recipient);
    let is_word = |domain: &[u8]| {
        !domain.is_empty()
            && domain.iter().all(|&byte| {
                byte.is_ascii_alphanumeric() || byte >= 0x80 || b"-._:[]".contains(&byte)
            })
    };
    let is_other = |first: &u8| matches!(first, b'|' | b'/' | b':' | b'\\');
    domain.is_some_and(is_word) && !local.is_empty() && !local.first().is_some_and(is_other)
}

fn words(sender: &[u8], recipients: &[Vec<u8>]) -> Vec<OsString> {
    let sender = match sender {
        // So it is written on this command line.
        b"" => b"<>".to_vec(),
        sender => smtp::address::quote(sender),
    };
    let mut words: Vec<OsString> = vec!["-i".into(), "-f".into(), OsString::from_vec(sender)];
    words.push("--".into());
    words.extend(
        recipients
            .iter()
            .map(|recipient| OsString::from_vec(smtp::address::quote(recipient))),
    );
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_mailer_could_take_for_something_else_is_no_address() {
        for address in ["a@h", "\u{fc}@h", "a b@[192.0.2.1]"] {
            assert!(is_speakable(address.as_bytes()), "{address}");
        }
        for other in [
            "|/bin/x",
            "|x@h",
            "/f@h",
            ":include:/f@h",
            "\\a@h",
            "a",
            "a@",
            "@h",
            "a@b(c",
        ] {
            assert!(!is_speakable(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn no_address_can_be_an_option() {
        let words = words(b"", &[b"-bd@h".to_vec(), b"a b@h".to_vec()]);
        let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
        assert_eq!(words, ["-i", "-f", "<>", "--", "-bd@h", "\"a b\"@h"]);
    }
}
