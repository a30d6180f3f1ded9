//! What the line protocols of the house (SMTP, POP3, IMAP, LMTP) have in common on the wire.
//!
//! - [`conn`]: the two descriptors of a conversation, with a bounded buffer, deadlines and
//!   collected replies;
//! - [`codec`]: a layer below, such as compression;
//! - [`chunk`]: the text of a message that comes in chunks of a known length, likewise;
//! - [`command`]: a line taken apart into verb and argument, and the table of verbs;
//! - [`data`]: the text of a message between DATA and its end mark, as a pure state machine;
//! - [`log`]: the one grammar of our log lines;
//! - [`refusals`]: how many lines of them refusals have;
//! - [`session`]: bad commands, last words and the end of a session.
//!
//! Nothing here knows a protocol's states, and nothing here trusts a byte that it reads: every
//! line has a limit, every wait has an end.

pub mod chunk;
pub mod codec;
#[cfg(test)]
mod codec_tests;
pub mod command;
pub mod conn;
pub mod data;
pub mod log;
pub mod refusals;
pub mod session;

pub use codec::Codec;
pub use conn::{Conn, Limits, Line, Ready, Traffic, Trouble};
pub use log::Log;
pub use refusals::Refusals;
pub use session::{BadCommands, End};
