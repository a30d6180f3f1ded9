//! What lmtpd says. Every reply but the greeting, 354 and the answer to LHLO has an enhanced status
//! code (RFC 2034).

/// MAIL was accepted.
pub const SENDER_OK: &str = "250 2.1.0 ok";
/// RCPT was accepted.
pub const RECIPIENT_OK: &str = "250 2.1.5 ok";
/// NOOP.
pub const OK: &str = "250 2.0.0 ok";
/// RSET.
pub const FLUSHED: &str = "250 2.0.0 flushed";
/// DATA may begin.
pub const GO_AHEAD: &str = "354 go ahead";
/// VRFY.
pub const VRFY: &str = "252 2.0.0 send some mail, i'll try my best";
/// HELP.
pub const HELP: &str = "214 2.0.0 this is superd's lmtpd: see the manual page lmtpd(8)";
/// HELO and EHLO, which LMTP does not have (RFC 2033 section 4.1).
pub const WANT_LHLO: &str = "500 5.5.1 this is LMTP: say LHLO";
/// A command that is not known.
pub const UNIMPLEMENTED: &str = "502 5.5.1 unimplemented";
/// MAIL must come before.
pub const WANT_MAIL: &str = "503 5.5.1 MAIL first";
/// RCPT must come before.
pub const WANT_RCPT: &str = "503 5.5.1 RCPT first";
/// An address that is too long.
pub const SYNTAX: &str = "555 5.5.4 syntax error";
/// An address that has control bytes, or a recipient that is none.
pub const BAD_ADDRESS: &str = "501 5.1.3 bad address";
/// SIZE= without a number.
pub const BAD_SIZE: &str = "501 5.5.4 bad SIZE";
/// BODY= with something else than 7BIT or 8BITMIME.
pub const BAD_BODY: &str = "504 5.5.4 that BODY is not implemented";
/// A NUL in a command.
pub const NUL: &str = "500 5.5.2 NUL in command";
/// A command line over the limit.
pub const LINE_TOO_LONG: &str = "500 5.5.2 line too long";
/// The domain is not one of ours.
pub const NOT_LOCAL: &str = "550 5.1.2 sorry, no mail is delivered here for that domain";
/// No such user.
pub const NO_MAILBOX: &str = "550 5.1.1 sorry, no mailbox here by that name";
/// Users cannot be looked up, or the mailbox cannot be used.
pub const NO_LOOKUP: &str = "451 4.3.0 sorry, unable to deliver to that mailbox now";
/// More recipients than one message may have.
pub const TOO_MANY_RECIPIENTS: &str = "452 4.5.3 too many recipients";
/// More recipients than a session may have, in the midst of a message: those before it are taken.
pub const TOO_MANY_OF_SESSION: &str =
    "452 4.5.3 too many recipients in one session, please connect again";
/// The same, for whoever begins another message.
pub const SESSION_HAD_TOO_MANY: &str =
    "421 4.7.0 too many recipients in one session, please connect again";
/// The message is larger than allowed.
pub const TOO_BIG: &str = "552 5.3.4 sorry, that message is larger than my databytes limit";
/// The message is going round.
pub const LOOPING: &str = "554 5.4.6 too many hops, this message is looping";
/// A bare LF.
pub const BARE_LF: &str =
    "550 5.6.11 sorry, your message has a LF without CR, see https://cr.yp.to/docs/smtplf.html";
/// There is no room for the message.
pub const NO_ROOM: &str = "452 4.3.1 sorry, no room for your message now";
/// The side that delivers has not answered.
pub const NO_ANSWER: &str = "451 4.3.0 sorry, the delivery did not come to an end";
/// The client was silent for too long.
pub const TIMEOUT: &str = "421 4.4.2 timeout";
/// The session's time is over.
pub const SESSION_OVER: &str = "421 4.4.2 this session took too long";
/// A line without end.
pub const FLOOD: &str = "421 4.7.0 that line does not end";
/// More bad commands than a session may have.
pub const TOO_MANY_BAD: &str = "421 4.7.0 too many bad commands";
/// More refused recipients than a session may have.
pub const TOO_MANY_REFUSED: &str = "421 4.7.0 too many refused recipients";
/// The configuration cannot be used, or something of this host is in the way.
pub const NO_SERVICE: &str = "421 4.3.0 sorry, unable to serve now";
