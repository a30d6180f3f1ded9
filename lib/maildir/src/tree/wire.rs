//! What mailboxes are called on the wire.

use super::{BadName, Name};

const INBOX: &[u8] = b"INBOX";

/// The separator of levels and the namespace's prefix: the way from the wire to a [`Name`] and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    separator: u8,
    prefix: Vec<u8>,
}

impl Wire {
    /// `separator` is `.` or `/`; `prefix` is empty or ends in it (`INBOX.`).
    ///
    /// With a prefix all mailboxes but INBOX begin with it on the wire and not on the disk. Where
    /// it begins with INBOX, that is read in any case.
    pub fn new(separator: u8, prefix: &[u8]) -> Wire {
        Wire {
            separator,
            prefix: prefix.to_vec(),
        }
    }

    /// The separator.
    pub fn separator(&self) -> u8 {
        self.separator
    }

    /// The prefix.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// The mailbox that a client means.
    pub fn parse(&self, text: &[u8]) -> Result<Name, BadName> {
        if text.eq_ignore_ascii_case(INBOX) {
            return Ok(Name::inbox());
        }
        let inner = self.without_prefix(text).ok_or(BadName::Outside)?;
        if inner.is_empty() {
            return Err(BadName::Empty);
        }
        let name = Name::new(inner.split(|&byte| byte == self.separator))?;
        match name.is_inbox() {
            true => Err(BadName::Reserved),
            false => Ok(name),
        }
    }

    /// [`Wire::parse`] of a mailbox that is to be made: one separator at its end, which says that
    /// there will be others below it, does not count (RFC 3501 section 6.3.3).
    pub fn parse_new(&self, text: &[u8]) -> Result<Name, BadName> {
        self.parse(text.strip_suffix(&[self.separator]).unwrap_or(text))
    }

    fn without_prefix<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        let (start, inner) = text.split_at_checked(self.prefix.len())?;
        let insensitive = match self.prefix.get(..INBOX.len()) {
            Some(first) if first.eq_ignore_ascii_case(INBOX) => INBOX.len(),
            _ => 0,
        };
        let is_prefix = start[..insensitive].eq_ignore_ascii_case(&self.prefix[..insensitive])
            && start[insensitive..] == self.prefix[insensitive..];
        is_prefix.then_some(inner)
    }

    /// What clients call a mailbox.
    pub fn show(&self, name: &Name) -> Vec<u8> {
        if name.is_inbox() {
            return INBOX.to_vec();
        }
        let mut text = [&self.prefix[..], name.as_disk()].concat();
        if self.separator != b'.' {
            for byte in &mut text[self.prefix.len()..] {
                if *byte == b'.' {
                    *byte = self.separator;
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(wire: &Wire, text: &str) -> Result<String, BadName> {
        let name = wire.parse(text.as_bytes())?;
        Ok(String::from_utf8(wire.show(&name)).expect("ASCII"))
    }

    #[test]
    fn names_come_back_from_the_disk_as_they_were() {
        for (separator, prefix, text, disk) in [
            (b'.', "", "A.B", ".A.B"),
            (b'/', "", "A/B", ".A.B"),
            (b'.', "INBOX.", "INBOX.A.B", ".A.B"),
            (b'/', "INBOX/", "INBOX/A/B", ".A.B"),
            (b'.', "", "INBOX.A", ".INBOX.A"),
            (b'.', "INBOX.", "INBOX.INBOX.A", ".INBOX.A"),
            (b'/', "Mail/", "Mail/A", ".A"),
            (b'.', "", "Entw&APw-rfe", ".Entw&APw-rfe"),
        ] {
            let wire = Wire::new(separator, prefix.as_bytes());
            let name = wire.parse(text.as_bytes()).expect("a name");
            assert_eq!(name.dir_name().expect("not INBOX"), disk, "{text}");
            assert_eq!(shown(&wire, text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn inbox_is_inbox_in_any_case_with_any_prefix() {
        for prefix in ["", "INBOX.", "Mail."] {
            let wire = Wire::new(b'.', prefix.as_bytes());
            for text in ["INBOX", "inbox", "iNbOx"] {
                assert!(wire.parse(text.as_bytes()).expect("INBOX").is_inbox());
                assert_eq!(shown(&wire, text).as_deref(), Ok("INBOX"));
            }
        }
        let wire = Wire::new(b'.', b"");
        assert_eq!(shown(&wire, "inbox.Sent").as_deref(), Ok("INBOX.Sent"));
        assert_eq!(shown(&wire, "inboxes.Sent").as_deref(), Ok("inboxes.Sent"));
        let wire = Wire::new(b'.', b"INBOX.");
        assert_eq!(shown(&wire, "inbox.Sent").as_deref(), Ok("INBOX.Sent"));
        assert_eq!(shown(&wire, "inbox.sent").as_deref(), Ok("INBOX.sent"));
    }

    #[test]
    fn what_is_no_name_is_refused_with_its_reason() {
        for (separator, prefix, text, reason) in [
            (b'.', "", "", BadName::Empty),
            (b'.', "", ".", BadName::EmptyLevel),
            (b'.', "", ".A", BadName::EmptyLevel),
            (b'.', "", "A.", BadName::EmptyLevel),
            (b'.', "", "A..B", BadName::EmptyLevel),
            (b'.', "", "..", BadName::EmptyLevel),
            (b'.', "", "A/B", BadName::Character),
            (b'.', "", "../../etc", BadName::EmptyLevel),
            (b'/', "", "..", BadName::Dot),
            (b'/', "", "A/../B", BadName::Dot),
            (b'/', "", "v1.2", BadName::Dot),
            (b'/', "", "/A", BadName::EmptyLevel),
            (b'.', "", "A\tB", BadName::Character),
            (b'.', "", "A\0B", BadName::Character),
            (b'.', "", "A&AAA-B", BadName::Character),
            (b'.', "", "A&AIU-B", BadName::Character),
            (b'.', "", "é", BadName::Encoding),
            (b'.', "", "&AGE-", BadName::Encoding),
            (b'.', "", "&AC4-", BadName::Encoding),
            (b'.', "", "&AC8-", BadName::Encoding),
            (b'.', "", "A&B", BadName::Encoding),
            (b'.', "INBOX.", "A", BadName::Outside),
            (b'.', "INBOX.", "INBOXA", BadName::Outside),
            (b'.', "INBOX.", "INBOX.", BadName::Empty),
            (b'.', "INBOX.", "INBOX.inbox", BadName::Reserved),
            (b'.', "Mail.", "mail.A", BadName::Outside),
        ] {
            let wire = Wire::new(separator, prefix.as_bytes());
            assert_eq!(wire.parse(text.as_bytes()), Err(reason), "{text}");
        }
    }

    #[test]
    fn one_separator_at_the_end_of_a_new_name_does_not_count() {
        let wire = Wire::new(b'/', b"");
        assert_eq!(wire.parse_new(b"A/B/"), wire.parse(b"A/B"));
        assert_eq!(wire.parse_new(b"A/B"), wire.parse(b"A/B"));
        assert_eq!(wire.parse_new(b"INBOX/"), Ok(Name::inbox()));
        assert_eq!(wire.parse_new(b"A//"), Err(BadName::EmptyLevel));
        assert_eq!(wire.parse_new(b"/"), Err(BadName::Empty));
    }
}
