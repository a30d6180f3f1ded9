//! What is SMTP's own and everybody's who speaks it here: smtpd, lmtpd, the client of the next hop.
//!
//! Pure: bytes in, values out. [`address`] is the argument of MAIL and RCPT, and the way back from
//! an envelope to a line; [`received`] is the trace header and the count of those that a message has.

pub mod address;
pub mod enhanced;
pub mod received;
