//! The client's side of SMTP (RFC 5321) and LMTP (RFC 2033): one connection to one next hop, used
//! while our own client waits for its reply.
//!
//! It promises:
//! - **nothing is cut**: the end mark is sent by [`Client::finish`] and by nothing else; a client
//!   that is dropped in the middle of a message closes the connection, and the hop has no message;
//! - **nothing is smuggled**: every LF leaves as CRLF, and a dot is doubled behind whatever any hop
//!   may take for the end of a line ([`stuff`]);
//! - **nothing waits for ever**: connecting, each reply and each write have a deadline, and a reply
//!   has a limit in lines and in bytes ([`reply`]);
//! - **no password in the clear**: credentials go only to a hop that has proved its name by a
//!   certificate, or into a UNIX socket of this host;
//! - **no mail bounces for our mistakes**: only what the hop says to MAIL, RCPT, DATA and the
//!   message can be permanent; everything before is a temporary failure.
//!
//! The rooms: [`transport`] reads the line that names a way out. Pure: [`reply`], [`capabilities`],
//! [`commands`], [`stuff`]. With descriptors: `dial` (names and connections), `tls`, `link` (bytes
//! in and out under deadlines), `conversation` (a command and its reply), `opening` (from the
//! banner to AUTH) and [`client`] (the transaction).

pub mod capabilities;
pub mod client;
pub mod commands;
mod conversation;
mod dial;
mod failure;
mod link;
mod opening;
pub mod reply;
mod settings;
pub mod stuff;
mod tls;
pub mod transport;

pub use client::{Client, Verdict};
pub use failure::Failure;
pub use reply::Reply;
pub use settings::{Credentials, Limits, Settings};
pub use smtp::address::MailParameters;
pub use transport::{Endpoint, Hop, Protocol, Security, Transport, TransportError};
