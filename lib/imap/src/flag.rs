//! Flags of messages (RFC 3501 section 2.3.2).

use std::fmt;

/// A flag as a client names it. \Recent is none that can be set.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// \Answered.
    Answered,
    /// \Flagged.
    Flagged,
    /// \Deleted.
    Deleted,
    /// \Seen.
    Seen,
    /// \Draft.
    Draft,
    /// A keyword: an atom, with its case.
    Keyword(Vec<u8>),
}

impl Flag {
    /// The system flags, in the order in which they are listed.
    pub const SYSTEM: [Flag; 5] = [
        Flag::Answered,
        Flag::Flagged,
        Flag::Deleted,
        Flag::Seen,
        Flag::Draft,
    ];

    /// Its name as it stands in replies.
    pub fn name(&self) -> &[u8] {
        match self {
            Flag::Answered => b"\\Answered",
            Flag::Flagged => b"\\Flagged",
            Flag::Deleted => b"\\Deleted",
            Flag::Seen => b"\\Seen",
            Flag::Draft => b"\\Draft",
            Flag::Keyword(name) => name,
        }
    }

    /// The system flag of that name, in any case, backslash included.
    pub fn system(name: &[u8]) -> Option<Flag> {
        let is = |flag: &Flag| flag.name().eq_ignore_ascii_case(name);
        Flag::SYSTEM.into_iter().find(is)
    }
}

impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name().escape_ascii())
    }
}
