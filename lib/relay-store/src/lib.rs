//! The store of recently authenticated addresses: who may relay because he has just logged in.
//!
//! A directory of one small file an address, as in relay-ctrl:
//! - the **name** is the address in its canonical text (`192.0.2.1`, `2001:db8::1`; an IPv4 address
//!   inside IPv6, `::ffff:192.0.2.1`, is the IPv4 one). Whatever else is in the directory is not
//!   looked at;
//! - the **time** of its last change is that of the last login. A file is good for as many seconds as
//!   the expiry says, to the second;
//! - the **content** says who it was ([`Entry`]); relay-ctrl 2.5 left it empty, and that is good too.
//!
//! Nothing is ever written in place: a new file gets its name when it is whole. Nothing is synced: what
//! a crash can take is the leave to relay for some minutes, and the next login gives it back.
//!
//! This is a leaf that programs before and behind the login share with the server itself, which looks an
//! address up for each connection: one open where it is not there.

mod address;
mod entry;
mod expiry;
pub mod settings;
mod store;
mod sweep;

pub use address::Address;
pub use entry::{CONTENT_LIMIT, Entry, VALUE_LIMIT};
pub use expiry::Expiry;
pub use store::{Found, Lock, Recorded, Store};
pub use sweep::{Swept, TEMPORARY_AGE};
