//! The last line of a command's reply.

use std::borrow::Cow;

use maildir::selection::{Kind, StoreError};

/// OK, NO or BAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was done.
    Ok,
    /// It was understood and not done.
    No,
    /// It was not understood, or has no place here.
    Bad,
}

/// A status, a response code where there is one, and a text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: Status,
    /// What stands in brackets (RFC 3501 section 7.1, RFC 5530); empty for nothing.
    pub code: Cow<'static, str>,
    /// The text.
    pub text: Cow<'static, str>,
}

impl Answer {
    /// OK without a code.
    pub fn ok(text: impl Into<Cow<'static, str>>) -> Answer {
        Answer::ok_with("", text)
    }

    /// OK with a code.
    pub fn ok_with(
        code: impl Into<Cow<'static, str>>,
        text: impl Into<Cow<'static, str>>,
    ) -> Answer {
        Answer {
            status: Status::Ok,
            code: code.into(),
            text: text.into(),
        }
    }

    /// NO with a code.
    pub fn no(code: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Answer {
        Answer {
            status: Status::No,
            code: code.into(),
            text: text.into(),
        }
    }

    /// BAD.
    pub fn bad(text: impl Into<Cow<'static, str>>) -> Answer {
        Answer {
            status: Status::Bad,
            code: Cow::Borrowed(""),
            text: text.into(),
        }
    }

    /// What a client hears of a fault of the storage. The sentence, with its path, is for the log.
    pub fn of_fault(error: &StoreError) -> Answer {
        match error.kind() {
            Kind::NotFound => Answer::no("NONEXISTENT", "There is no such mailbox."),
            Kind::ReadOnly => Answer::no("READ-ONLY", "This mailbox is read-only."),
            Kind::NoPermission => Answer::no("NOPERM", "The server may not do this here."),
            Kind::NoSpace => Answer::no("OVERQUOTA", "There is no room left."),
            Kind::Busy => Answer::no(
                "INUSE",
                "This mailbox is locked by another program, try again.",
            ),
            Kind::Full => Answer::no("LIMIT", "This mailbox cannot hold more."),
            Kind::OverQuota => Answer::over_quota(),
            Kind::Corrupt => Answer::no("CORRUPTION", "A file of this mailbox is damaged."),
            Kind::Io => Answer::no(
                "SERVERBUG",
                "The server failed to do this, try again later.",
            ),
        }
    }

    /// There is no room for it in the account (RFC 5530).
    pub fn over_quota() -> Answer {
        Answer::no("OVERQUOTA", "Your mailboxes hold as much as they may.")
    }

    /// What a client hears of what the system said.
    pub fn of_system(error: &std::io::Error) -> Answer {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Answer::no("OVERQUOTA", "There is no room left.")
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Answer::no("NOPERM", "The server may not do this here.")
            }
            ErrorKind::WouldBlock => {
                Answer::no("INUSE", "Another program holds a lock, try again.")
            }
            _ => Answer::no(
                "SERVERBUG",
                "The server failed to do this, try again later.",
            ),
        }
    }

    /// Adds the line, with its tag and line end.
    pub fn write(&self, tag: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(tag);
        out.extend_from_slice(match self.status {
            Status::Ok => b" OK ",
            Status::No => b" NO ",
            Status::Bad => b" BAD ",
        });
        if !self.code.is_empty() {
            out.push(b'[');
            out.extend_from_slice(self.code.as_bytes());
            out.extend_from_slice(b"] ");
        }
        // A text must not be empty, and no line end may come in by it.
        let start = out.len();
        out.extend(
            self.text
                .bytes()
                .filter(|byte| (b' '..=b'~').contains(byte)),
        );
        if out.len() == start {
            out.push(b'-');
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(answer: &Answer) -> String {
        let mut out = Vec::new();
        answer.write(b"a1", &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn an_answer_is_one_line_whatever_its_text_is() {
        assert_eq!(line(&Answer::ok("Done.")), "a1 OK Done.\r\n");
        assert_eq!(
            line(&Answer::no("TRYCREATE", "There is no such mailbox.")),
            "a1 NO [TRYCREATE] There is no such mailbox.\r\n"
        );
        assert_eq!(line(&Answer::bad("x\r\na2 OK y")), "a1 BAD xa2 OK y\r\n");
        assert_eq!(line(&Answer::bad("\r\n")), "a1 BAD -\r\n");
    }
}
