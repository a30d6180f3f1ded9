//! The commands by their names.

/// What a command's name means before a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Authenticate,
    Capability,
    Id,
    Login,
    Logout,
    Noop,
    StartTls,
    /// A command of those who have logged in.
    Later,
    /// None at all.
    Unknown,
}

const NOW: [(&str, Verb); 7] = [
    ("AUTHENTICATE", Verb::Authenticate),
    ("CAPABILITY", Verb::Capability),
    ("ID", Verb::Id),
    ("LOGIN", Verb::Login),
    ("LOGOUT", Verb::Logout),
    ("NOOP", Verb::Noop),
    ("STARTTLS", Verb::StartTls),
];

/// Those of RFC 3501 and of the extensions that are in use.
const LATER: &str = "APPEND CHECK CLOSE COMPRESS COPY CREATE DELETE DELETEACL ENABLE ESEARCH EXAMINE EXPUNGE FETCH \
                     GETACL GETMETADATA GETQUOTA GETQUOTAROOT IDLE LIST LISTRIGHTS LSUB MOVE MYRIGHTS NAMESPACE \
                     NOTIFY RENAME REPLACE SEARCH SELECT SETACL SETMETADATA SETQUOTA SORT STATUS STORE SUBSCRIBE \
                     THREAD UID UNAUTHENTICATE UNSELECT UNSUBSCRIBE XLIST";

impl Verb {
    /// The one of that name, in any case.
    pub(crate) fn of(word: &[u8]) -> Verb {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        match NOW.iter().find(|(name, _)| is(name)) {
            Some((_, verb)) => *verb,
            None if LATER.split(' ').any(is) => Verb::Later,
            None => Verb::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_only_whole() {
        assert_eq!(Verb::of(b"LoGiN"), Verb::Login);
        assert_eq!(Verb::of(b"id"), Verb::Id);
        assert_eq!(Verb::of(b"uid"), Verb::Later);
        assert_eq!(Verb::of(b"XLIST"), Verb::Later);
        for word in [&b""[..], b"LOGINS", b"LOG", b"APPEND CHECK", b" "] {
            assert_eq!(Verb::of(word), Verb::Unknown, "{}", word.escape_ascii());
        }
    }
}
