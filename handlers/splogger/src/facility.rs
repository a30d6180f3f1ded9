//! Facilities of syslog, by number or by name.

/// Where in syslog lines belong: a number as in syslog(3), shifted down by three bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(u8);

/// Those that have names (syslog(3), RFC 5424 section 6.2.1).
const NAMES: &[(&str, u8)] = &[
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("security", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

impl Facility {
    /// That of the kernel.
    pub const KERN: Facility = Facility(0);
    /// That of mail, which the original uses where none is named.
    pub const MAIL: Facility = Facility(2);

    /// What a word on the command line means: a name in letters of any case, or a number, which ends
    /// where its digits do; `None` for any other word.
    ///
    /// The number is not looked up anywhere: the original takes 99, too. One that has no place in a
    /// priority (more than 127) is `user`, as syslog(3) makes of it.
    pub fn parse(word: &[u8]) -> Option<Facility> {
        let named = |(name, _): &&(&str, u8)| word.eq_ignore_ascii_case(name.as_bytes());
        if let Some((_, number)) = NAMES.iter().find(named) {
            return Some(Facility(*number));
        }
        let digits = word.iter().take_while(|byte| byte.is_ascii_digit());
        let number = digits.fold(None, |number: Option<u64>, &digit| {
            let number = number.unwrap_or(0).saturating_mul(10);
            Some(number.saturating_add(u64::from(digit - b'0')))
        })?;
        let known = u8::try_from(number).ok().filter(|number| *number < 128);
        Some(Facility(known.unwrap_or(1)))
    }

    /// The number that stands in front of a message of this facility with a priority of 0 to 7.
    pub fn with(self, priority: u8) -> u16 {
        u16::from(self.0) * 8 + u16::from(priority & 7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_facility_has_a_number_or_a_name() {
        for (word, number) in [
            ("3", 3),
            ("mail", 2),
            ("LOCAL7", 23),
            ("99", 99),
            ("127", 127),
        ] {
            assert_eq!(Facility::parse(word.as_bytes()), Some(Facility(number)));
        }
    }

    #[test]
    fn a_number_ends_where_its_digits_do() {
        assert_eq!(Facility::parse(b"3x"), Some(Facility(3)));
    }

    #[test]
    fn a_number_that_no_priority_has_is_the_users() {
        for word in ["128", "1000", "99999999999999999999999"] {
            assert_eq!(Facility::parse(word.as_bytes()), Some(Facility(1)));
        }
    }

    #[test]
    fn any_other_word_is_none() {
        for word in ["", "maill", "-3", "x3"] {
            assert_eq!(Facility::parse(word.as_bytes()), None, "{word:?}");
        }
    }

    #[test]
    fn facility_and_priority_make_one_number() {
        assert_eq!(Facility::MAIL.with(6), 22);
        assert_eq!(Facility(99).with(6), 798);
    }
}
