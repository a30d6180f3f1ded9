//! The grammar of IMAP4rev1 (RFC 3501) and of the extensions that imapd has, both ways: commands
//! in, replies out. Values in, values out; nothing here reads, writes or waits.
//!
//! A command is read in two stages. [`frame`] finds its end, over any number of lines and literals,
//! without understanding it, so that whatever is wrong with a command, nothing of it is ever taken
//! for another one. [`parse`] then makes a [`command::Command`] of the whole.
//!
//! - [`cursor`]: the tokens: atoms, strings, numbers;
//! - [`command`]: what a client can say, as values; [`fault`]: what is wrong with what it said;
//! - [`append`]: APPEND, the messages of which need not pass through here;
//! - [`seq`]: sequence sets; [`date`]: dates of SEARCH and APPEND; [`flag`]: flags;
//! - [`mod@write`]: strings, lists and sets as replies have them.
//!
//! Nothing recurses but search keys, which have a limit of depth.

pub mod append;
pub mod command;
pub mod cursor;
pub mod date;
pub mod fault;
pub mod flag;
pub mod frame;
pub mod parse;
pub mod seq;
pub mod write;

#[cfg(test)]
mod test_support;

#[cfg(test)]
mod oracle_tests;
