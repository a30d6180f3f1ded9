//! The replies that SMTP's and LMTP's servers have in common, in qmail's form: the status code stands
//! behind the text, and [`crate::dialogue`] puts it in front where that is agreed on.

/// To NOOP.
pub const OK: &str = "250 ok";
/// To RSET.
pub const FLUSHED: &str = "250 flushed";
/// To VRFY.
pub const VRFY: &str = "252 send some mail, i'll try my best";
/// To DATA.
pub const GO_AHEAD: &str = "354 go ahead";
/// A verb that is not known.
pub const UNIMPLEMENTED: &str = "502 unimplemented (#5.5.1)";
/// RCPT or DATA before MAIL.
pub const WANT_MAIL: &str = "503 MAIL first (#5.5.1)";
/// DATA before an accepted RCPT.
pub const WANT_RCPT: &str = "503 RCPT first (#5.5.1)";
/// The argument of MAIL or RCPT cannot be understood.
pub const SYNTAX: &str = "555 syntax error (#5.5.4)";
/// An address with a control character, or RCPT without one.
pub const BAD_ADDRESS: &str = "501 bad address (#5.1.3)";
/// SIZE= without a number.
pub const BAD_SIZE: &str = "501 bad SIZE (#5.5.4)";
/// BODY= with a value that is neither 7BIT nor 8BITMIME.
pub const BAD_BODY: &str = "504 that BODY is not implemented (#5.5.4)";
/// A NUL in a command.
pub const NUL: &str = "500 NUL in command (#5.5.2)";
/// A command line over the limit.
pub const LINE_TOO_LONG: &str = "500 line too long (#5.5.2)";
/// No such user.
pub const NO_MAILBOX: &str = "550 sorry, no mailbox here by that name (#5.1.1)";
/// More recipients than one message may have.
pub const TOO_MANY_RECIPIENTS: &str = "452 too many recipients (#4.5.3)";
/// More recipients than a session may have, in the midst of a message: those before it are taken.
pub const TOO_MANY_OF_SESSION: &str =
    "452 too many recipients in one session, please connect again (#4.5.3)";
/// More recipients than a session may have, where another message is begun.
pub const SESSION_HAD_TOO_MANY: &str =
    "421 too many recipients in one session, please connect again (#4.7.0)";
/// The message is going round.
pub const LOOPING: &str = "554 too many hops, this message is looping (#5.4.6)";
/// A bare LF, where that is refused.
pub const BARE_LF: &str =
    "550 sorry, your message has a LF without CR, see https://cr.yp.to/docs/smtplf.html (#5.6.11)";
/// The session's time is over.
pub const SESSION_OVER: &str = "421 this session took too long (#4.4.2)";
/// A line without end.
pub const FLOOD: &str = "421 that line does not end (#4.7.0)";
/// More bad commands than a session may have.
pub const TOO_MANY_BAD: &str = "421 too many bad commands (#4.7.0)";
/// More refused recipients than a session may have.
pub const TOO_MANY_REFUSED: &str = "421 too many refused recipients (#4.7.0)";
