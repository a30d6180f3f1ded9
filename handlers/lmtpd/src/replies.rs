//! What lmtpd says beyond [`smtp::texts`]. The status codes come before the texts when they are written: every
//! reply but the greeting, 354 and the answer to LHLO has one (RFC 2034).

pub use smtp::texts::*;

/// To HELP.
pub const HELP: &str = "214 this is superd's lmtpd: see the manual page lmtpd(8)";
/// To HELO and EHLO.
pub const WANT_LHLO: &str = "500 this is LMTP: say LHLO (#5.5.1)";
/// The domain is not delivered here.
pub const NOT_LOCAL: &str = "550 sorry, no mail is delivered here for that domain (#5.1.2)";
/// The recipient cannot be looked up, or something of this host is in the way.
pub const NO_LOOKUP: &str = "451 sorry, unable to deliver to that mailbox now (#4.3.0)";
/// The message is larger than allowed.
pub const TOO_BIG: &str = "552 sorry, that message is larger than my databytes limit (#5.3.4)";
/// There is no room for the message.
pub const NO_ROOM: &str = "452 sorry, no room for your message now (#4.3.1)";
/// The process that delivers has not answered.
pub const NO_ANSWER: &str = "451 sorry, the delivery did not come to an end (#4.3.0)";
/// The client was silent for too long.
pub const TIMEOUT: &str = "421 timeout (#4.4.2)";
/// The configuration cannot be used, or something of this host is in the way.
pub const NO_SERVICE: &str = "421 4.3.0 sorry, unable to serve now";
