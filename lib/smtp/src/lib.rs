//! What SMTP and LMTP have in common here: smtpd, lmtpd, and the client of the next hop use it.
//!
//! [`address`] is the argument of MAIL and RCPT, and the way back from an envelope to a line; [`enhanced`]
//! are status codes; [`received`] is the trace header and the count of those that a message has; [`incoming`]
//! judges a message while it comes; [`texts`] are the replies of every server and [`tally`] its counts and
//! limits. All of these are pure: bytes in, values out. [`dialogue`] is the shell around them: it writes
//! replies to the connection and refusals to the log.

pub mod address;
pub mod dialogue;
pub mod enhanced;
pub mod incoming;
pub mod received;
pub mod tally;
pub mod texts;
