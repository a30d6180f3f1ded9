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
    /// 71: refused for now.
    Deferred,
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
            Code::Deferred => 71,
            Code::Envelope => 91,
        }
    }
}

/// The exit code that says: what to tell the client stands on descriptor 6.
pub const TOLD: u8 = 82;

/// The most bytes that a reader of descriptor 6 takes.
const TOLD_BYTES: usize = 255;

/// The most bytes of an address, or of what a filter says, in a text for the client.
const PART_BYTES: usize = 180;

/// A code and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the caller is told.
    pub code: Code,
    /// What the log is told: one sentence that names the object.
    pub reason: String,
    /// What the client is told, where it is its concern: an enhanced status code (RFC 3463) and a text.
    client: Option<(&'static str, String)>,
}

impl Failure {
    /// From its parts.
    pub fn new(code: Code, reason: String) -> Failure {
        Failure {
            code,
            reason,
            client: None,
        }
    }

    /// Lets the client know more than the code says. `enhanced` begins with 5 where the code is a
    /// permanent one, else with 4. The text is made printable, and tells no paths.
    pub fn telling(mut self, enhanced: &'static str, text: &str) -> Failure {
        self.client = Some((enhanced, printable(text.as_bytes())));
        self
    }

    /// Whether trying again is no use.
    pub fn is_permanent(&self) -> bool {
        (11..=40).contains(&self.code.number())
    }

    /// What a server replies: whether for good (550 and its like) or for now (451), the enhanced status
    /// code, and a text of one line without it.
    pub fn reply(&self) -> (bool, &str, String) {
        let permanent = self.is_permanent();
        if let Some((enhanced, text)) = &self.client {
            return (permanent, enhanced, text.clone());
        }
        let (enhanced, text) = match self.code {
            Code::AddressTooLong => ("5.1.3", "the address is too long"),
            Code::Refused => ("5.3.0", "the message is refused"),
            Code::Memory => ("4.3.0", "out of memory"),
            Code::Timeout => ("4.3.0", "the delivery took too long"),
            Code::Write => ("4.3.0", "write error or disk full"),
            Code::Read => ("4.3.0", "unable to read the message"),
            Code::Configuration => ("4.3.5", "unable to read the configuration"),
            Code::Home => ("4.3.0", "trouble with the mailbox"),
            Code::Create => ("4.3.0", "unable to create a file"),
            Code::Deferred => ("4.3.0", "the message is refused for now"),
            Code::Envelope => ("4.3.0", "the envelope is malformed"),
        };
        (permanent, enhanced, text.to_owned())
    }

    /// The text for descriptor 6, where the client is to be told more than the code says: `D` (for good)
    /// or `Z` (for now), a text of one line, and the enhanced status code as qmail's programs show it.
    pub fn told(&self) -> Option<String> {
        let (enhanced, text) = self.client.as_ref()?;
        let letter = if self.is_permanent() { 'D' } else { 'Z' };
        let end = format!(" (#{enhanced})");
        let mut told = format!("{letter}{text}");
        told.truncate(TOLD_BYTES - end.len());
        Some(told + &end)
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

/// A part of a text for the client: printable ASCII on one line, cut where it is long.
pub fn printable(bytes: &[u8]) -> String {
    let shown = |&byte: &u8| match byte {
        b' '..=b'~' => char::from(byte),
        _ => '?',
    };
    let mut text: String = bytes.iter().take(PART_BYTES + 1).map(shown).collect();
    if text.len() > PART_BYTES {
        text.truncate(PART_BYTES - 3);
        text.push_str("...");
    }
    text
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
    fn what_the_client_is_told_is_one_line_with_its_code_and_fits_into_the_pipe() {
        let refused = Failure::new(Code::Refused, "mailbox /v/joe is full".to_owned());
        assert_eq!(refused.told(), None);
        assert_eq!(
            refused.reply(),
            (true, "5.3.0", "the message is refused".to_owned())
        );
        let refused = refused.telling("5.2.2", "the mailbox is full\r\n250 ok");
        assert_eq!(
            refused.told().as_deref(),
            Some("Dthe mailbox is full??250 ok (#5.2.2)")
        );
        assert_eq!(
            refused.reply(),
            (true, "5.2.2", "the mailbox is full??250 ok".to_owned())
        );
        let deferred = Failure::new(Code::Deferred, String::new());
        let long = deferred.telling("4.3.0", &"x\u{e4}".repeat(9999));
        let told = long.told().expect("told");
        assert!(
            told.starts_with('Z') && told.ends_with("... (#4.3.0)"),
            "{told}"
        );
        assert!(told.len() <= TOLD_BYTES && told.is_ascii());
        assert!(!long.reply().0);
    }

    #[test]
    fn a_part_of_the_limit_is_whole_and_a_longer_one_is_cut() {
        let text = "x".repeat(PART_BYTES);
        assert_eq!(printable(text.as_bytes()), text);
        let cut = printable(format!("{text}x").as_bytes());
        assert_eq!(cut.len(), PART_BYTES);
        assert!(cut.ends_with("x..."));
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
            Code::Deferred,
            Code::Envelope,
        ];
        assert!(temporary.iter().all(|code| code.number() > 40));
    }
}
