//! What superd and its look-up process say to each other, as values; [`crate::codec`] has the bytes.
//!
//! superd sends a [`Request`] for a connection or a [`HostRequest`] for a word of its command line;
//! for each it gets exactly one [`Reply`], in any order, told apart by the `id` that superd chose.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use dns::Trouble;

/// The most bytes of the word of a [`HostRequest`].
pub const WORD_LIMIT: usize = 1_024;

/// What superd wants to know about one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The number that the answer will bear.
    pub id: u64,
    /// Look up the name of the remote address (-h).
    pub remote_name: bool,
    /// Keep the remote name only if it has the remote address among its addresses (-p). Without
    /// `remote_name` it means nothing.
    pub paranoid: bool,
    /// Look up the name of the local address (no -l).
    pub local_name: bool,
    /// Ask the ident server of the remote address (-r), for that long at most (-t). Counted in
    /// milliseconds, up to 49 days.
    pub ident: Option<Duration>,
    /// Where the client connected to.
    pub local: SocketAddr,
    /// Where the client connects from.
    pub remote: SocketAddr,
}

impl Request {
    /// The answer where nobody could be asked: what was asked for has failed.
    pub fn failed(&self) -> Answer {
        let name = |asked| if asked { Name::Failed } else { Name::NotAsked };
        Answer {
            id: self.id,
            local_name: name(self.local_name),
            remote_name: name(self.remote_name),
            info: None,
        }
    }
}

/// What became of a look-up of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// It was not asked for.
    NotAsked,
    /// There is none, or -p has removed it.
    None,
    /// The name as text, see [`dns::name`].
    Known(Vec<u8>),
    /// Nobody knows: a server failed or was too slow.
    Failed,
}

/// What is known about one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The number of the request.
    pub id: u64,
    /// The name of the local address.
    pub local_name: Name,
    /// The name of the remote address.
    pub remote_name: Name,
    /// What the ident server said, maybe empty; `None` where it was not asked or did not answer.
    pub info: Option<Vec<u8>>,
}

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4 (A records).
    V4,
    /// IPv6 (AAAA records).
    V6,
}

/// A host word of the command line to find the addresses of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRequest {
    /// The number that the answer will bear.
    pub id: u64,
    /// The word as it was typed, at most [`WORD_LIMIT`] bytes.
    pub word: Vec<u8>,
    /// Which addresses are wanted.
    pub family: Family,
}

/// The addresses of a host word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAnswer {
    /// The number of the request.
    pub id: u64,
    /// At least one address, in the order of the server's answer.
    pub outcome: Result<Vec<IpAddr>, HostFailure>,
}

/// Why there are no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostFailure {
    /// The DNS knows no address of that family under that name.
    NotFound,
    /// Nobody can tell now.
    Temporary(Trouble),
}

impl HostFailure {
    /// The original's message about `word`, to be put behind `NAME: fatal: `.
    pub fn message(&self, word: &[u8]) -> Vec<u8> {
        match self {
            HostFailure::NotFound => [b"no IP address for ", word].concat(),
            HostFailure::Temporary(trouble) => {
                let reason = format!(": {trouble}");
                let start = b"temporarily unable to figure out IP address for ";
                [start, word, reason.as_bytes()].concat()
            }
        }
    }
}

/// What superd sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// About a connection.
    Connection(Request),
    /// About a host word.
    Host(HostRequest),
}

/// What superd gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// About a connection.
    Connection(Answer),
    /// About a host word.
    Host(HostAnswer),
}
