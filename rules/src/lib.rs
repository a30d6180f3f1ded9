//! The rules of who may connect: text, database, look-up.
//!
//! Rules are lines of text (superd-rules(5)), compiled into a constant database that a server
//! reads for each connection. The rooms, in the order in which a rule passes through them:
//! [`lines`] reads the text within bounds, [`text`] is the grammar of one line, [`lint`] and
//! [`shadows`] know what a line does that its writer will not have meant, [`record`] is the data of one rule,
//! [`replace`] guards the change of a file, [`compile`] puts these together; [`cdb`] reads a
//! database and [`search`] asks it about a client. [`keys`] makes databases of mere names,
//! [`table`] any.
//! [`superd_rules`] and [`superd_rulescheck`] are the programs.
//!
//! The grammar, the encoding and the order of look-up are those of tcprules, tcprulescheck and
//! tcpserver of ucspi-tcp 0.88, found out by running them; a database made here is theirs to the
//! byte. Where a program here differs on purpose, its manual page says so under COMPATIBILITY.

pub mod cdb;
pub mod compile;
mod digest;
pub mod keys;
pub mod lines;
pub mod lint;
pub mod record;
pub mod replace;
pub mod search;
pub mod shadows;
pub mod superd_rules;
pub mod superd_rulescheck;
pub mod table;
pub mod text;
mod write;
