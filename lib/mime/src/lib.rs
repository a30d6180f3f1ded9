//! Reading messages as they lie on disk: header fields, addresses, dates, structure, text
//! (RFC 5322, RFC 2045 to 2047, and what RFC 5256 wants to know of a message).
//!
//! Everything here is a function of bytes. A message is one slice, usually a mapped file: its lines
//! end in LF or CRLF or both, they are of any length, and any byte may stand in them. Nothing here
//! fails: mail that breaks every rule has a structure too. No text of a message is copied unless it
//! has to be rewritten, nothing recurses, every count has a limit, and the time is linear in the
//! size of what is read.
//!
//! What goes out is neutral: no wire form of IMAP, no substitute for what a message lacks.

pub mod address;
pub mod date;
pub mod decode;
pub mod encoded_word;
pub mod fold;
pub mod header;
pub mod msgid;
pub mod search;
pub mod subject;
pub mod walk;

mod boundary;
mod charset;
mod content;
mod parse;
mod part;
mod words;

#[cfg(test)]
mod oracle_tests;
