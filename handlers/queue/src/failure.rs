//! Why nothing was delivered, as an exit code of qmail-queue(8) and a sentence for the log.

use std::fmt;
use std::io;

use maildir::Step;

/// The exit codes that this program uses, with qmail-queue's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// 11: an address is too long.
    AddressTooLong,
    /// 31: the message is refused for good.
    Refused,
    /// 51: out of memory.
    Memory,
    /// 52: the time is over.
    Timeout,
    /// 53: write error, disk full, over quota.
    Write,
    /// 54: the message or the envelope cannot be read, or stops before its end.
    Read,
    /// 55: the configuration cannot be read.
    Configuration,
    /// 61: trouble with the home directory or the mailbox in it.
    Home,
    /// 63: a file cannot be made.
    Create,
    /// 91: the envelope is none.
    Envelope,
}

impl Code {
    /// The exit code.
    pub fn number(self) -> u8 {
        match self {
            Code::AddressTooLong => 11,
            Code::Refused => 31,
            Code::Memory => 51,
            Code::Timeout => 52,
            Code::Write => 53,
            Code::Read => 54,
            Code::Configuration => 55,
            Code::Home => 61,
            Code::Create => 63,
            Code::Envelope => 91,
        }
    }
}

/// A code and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the caller is told.
    pub code: Code,
    /// What the log is told: one sentence that names the object.
    pub reason: String,
}

impl Failure {
    /// From its parts.
    pub fn new(code: Code, reason: String) -> Failure {
        Failure { code, reason }
    }

    /// For a failure to read `what`.
    pub fn reading(what: &str, error: &io::Error) -> Failure {
        let code = match error.kind() {
            io::ErrorKind::TimedOut => Code::Timeout,
            io::ErrorKind::OutOfMemory => Code::Memory,
            _ => Code::Read,
        };
        Failure::new(
            code,
            format!("unable to read {what}: {}", os::reason(error)),
        )
    }

    /// For a failure to create or write a file.
    pub fn writing(reason: String, error: &io::Error, otherwise: Code) -> Failure {
        let code = match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Code::Write,
            io::ErrorKind::OutOfMemory => Code::Memory,
            _ => otherwise,
        };
        Failure::new(code, reason)
    }
}

impl From<maildir::Error> for Failure {
    fn from(error: maildir::Error) -> Failure {
        let otherwise = match error.step {
            Step::MakeDirectory => Code::Home,
            Step::Create | Step::Link => Code::Create,
            Step::Write | Step::Sync | Step::SyncDirectory => Code::Write,
        };
        Failure::writing(error.to_string(), &error.source, otherwise)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(step: Step, kind: io::ErrorKind) -> Code {
        let path = "/m/tmp/x".into();
        let source = kind.into();
        Failure::from(maildir::Error { step, path, source }).code
    }

    #[test]
    fn a_full_disk_is_a_write_error_at_whatever_step() {
        for step in [
            Step::MakeDirectory,
            Step::Create,
            Step::Write,
            Step::Sync,
            Step::Link,
        ] {
            assert_eq!(failed(step, io::ErrorKind::StorageFull), Code::Write);
            assert_eq!(failed(step, io::ErrorKind::QuotaExceeded), Code::Write);
            assert_eq!(failed(step, io::ErrorKind::FileTooLarge), Code::Write);
        }
        assert_eq!(failed(Step::Sync, io::ErrorKind::Other), Code::Write);
        assert_eq!(
            failed(Step::SyncDirectory, io::ErrorKind::Other),
            Code::Write
        );
    }

    #[test]
    fn what_may_not_be_written_is_trouble_with_files_or_the_home() {
        assert_eq!(
            failed(Step::Create, io::ErrorKind::PermissionDenied),
            Code::Create
        );
        assert_eq!(failed(Step::Link, io::ErrorKind::NotFound), Code::Create);
        assert_eq!(
            failed(Step::MakeDirectory, io::ErrorKind::NotFound),
            Code::Home
        );
        assert_eq!(
            failed(Step::Create, io::ErrorKind::OutOfMemory),
            Code::Memory
        );
    }

    #[test]
    fn only_what_can_never_work_is_permanent() {
        let permanent = [Code::AddressTooLong, Code::Refused];
        assert!(
            permanent
                .iter()
                .all(|code| (11..=40).contains(&code.number()))
        );
        let temporary = [
            Code::Memory,
            Code::Timeout,
            Code::Write,
            Code::Read,
            Code::Configuration,
            Code::Home,
            Code::Create,
            Code::Envelope,
        ];
        assert!(temporary.iter().all(|code| code.number() > 40));
    }
}
