//! POP- and IMAP-before-SMTP: whoever has logged in for his mail may, from the same address, send some for
//! a while.
//!
//! | program | place | what it does |
//! |---|---|---|
//! | `relay-ctrl-allow` | between checker and mailbox | records the client's address ([`allow`]) |
//! | `relay-ctrl-age` | crontab | forgets the old ones ([`age`]) |
//! | `relay-ctrl-check` | before smtpd | sets RELAYCLIENT for a recorded address ([`check`]) |
//! | `relay-ctrl-chdir` | before a server | opens the store for programs that may not ([`chdir`]) |
//! | `superd-relay` | command line | shows and changes what is recorded ([`superd_relay`]) |
//!
//! The store itself is the crate `relay_store`, which the server shares. Three ways lead from it to
//! RELAYCLIENT: `superd --relay`, relay-ctrl-check, and the classic one, a rules database with one record an
//! address, which [`database`] keeps. Settings come from a directory of one-line files and from variables
//! ([`config`]).
//!
//! What goes wrong never costs a user his login, and never opens anything: the address is not recorded,
//! or the last good database stays, and one line says so.

pub mod age;
pub mod allow;
pub mod chdir;
pub mod check;
pub mod config;
pub mod database;
pub mod exclude;
pub mod superd_relay;
mod time;
pub mod trouble;

pub use trouble::Trouble;
