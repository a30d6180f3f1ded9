//! Why a command is refused before it is understood: one sentence, for the text behind BAD.

use std::fmt;

/// So many octets of what a client sent are shown in a sentence.
const SHOWN_BYTES: usize = 20;

/// What is wrong with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no tag, or it has characters that a tag cannot have.
    Tag,
    /// No command has this name.
    UnknownCommand(Vec<u8>),
    /// The command ends where this is needed.
    Missing(&'static str),
    /// Something else stands where this is needed.
    Expected {
        /// What is needed.
        what: &'static str,
        /// Where, in octets from the beginning of the command, the first one being 1.
        at: usize,
        /// What stands there, its first octets.
        found: Vec<u8>,
    },
    /// This is none of its kind.
    Unknown {
        /// The kind: `flag`, `search key`.
        kind: &'static str,
        /// What the client named.
        name: Vec<u8>,
    },
    /// The rest of the sentence, for whatever is its own case.
    Refused(&'static str),
    /// There are more of these than the server takes.
    TooMany {
        /// Of what.
        what: &'static str,
        /// So many are taken.
        limit: usize,
    },
    /// A line outside literals is longer than this.
    LineTooLong(usize),
    /// A literal that is not a message is longer than this.
    LiteralTooLong(u64),
    /// The command is longer than this, messages of APPEND not counted.
    TooLong(usize),
}

impl Fault {
    /// What is unknown, its kind first.
    pub(crate) fn unknown(kind: &'static str, name: &[u8]) -> Fault {
        Fault::Unknown {
            kind,
            name: beginning(name),
        }
    }
}

/// What of octets from the network is shown.
pub(crate) fn beginning(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len().min(SHOWN_BYTES)].to_vec()
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Tag => write!(f, "missing or invalid tag"),
            Fault::UnknownCommand(name) => write!(f, "unknown command {}", name.escape_ascii()),
            Fault::Missing(what) => write!(f, "missing {what}"),
            Fault::Expected { what, at, found } => write!(
                f,
                "{what} expected at octet {at}, not {}",
                found.escape_ascii()
            ),
            Fault::Unknown { kind, name } => write!(f, "unknown {kind} {}", name.escape_ascii()),
            Fault::Refused(sentence) => write!(f, "{sentence}"),
            Fault::TooMany { what, limit } => write!(f, "more than {limit} {what}"),
            Fault::LineTooLong(limit) => write!(f, "a line of more than {limit} octets"),
            Fault::LiteralTooLong(limit) => write!(f, "a literal of more than {limit} octets"),
            Fault::TooLong(limit) => write!(f, "a command of more than {limit} octets"),
        }
    }
}

impl std::error::Error for Fault {}
