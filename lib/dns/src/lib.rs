//! A stub resolver of the DNS: what of it the look-up process of superd and the handlers share.
//!
//! Pure rooms: [`name`] (domain names as text and on the wire), [`message`] (questions, and answers
//! that are checked against them), `attempts` (which server is asked when), `cache`. Rooms with
//! sockets: [`transport`] (one question, one server), [`resolver`] (many questions at a time, for a
//! loop that somebody else runs), [`client`] (the same for a program that has nothing else to do
//! than to wait). [`servers`] says who is asked, [`settings`] how long.
//!
//! It promises that no question is in the air for longer than its deadline, that an answer counts
//! only if it comes from the server that was asked, to the port that asked, with the identifier and
//! the question of the query, and that any bytes at all may come.

mod attempts;
mod cache;
pub mod client;
pub mod message;
pub mod name;
pub mod resolver;
pub mod servers;
pub mod settings;
pub mod shell;
pub mod transport;
mod trouble;

pub use message::{Found, Kind, Question};
pub use name::DnsName;
pub use trouble::Trouble;

/// What became of a question.
pub type Outcome = Result<Found, Trouble>;
