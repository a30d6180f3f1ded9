//! The replies. Where qmail-pop3d has a text for something, it is the same here, the space after
//! `+OK` included.
//!
//! RESP-CODES is announced, so a text that begins with `[` begins with a code (RFC 2449 section 8,
//! RFC 3206).

/// What was asked for is done, or follows.
pub const OK: &str = "+OK ";
/// A number that is none, one too few, or anything that does not belong there.
pub const SYNTAX: &str = "-ERR syntax error";
/// Number 0.
pub const FROM_ONE: &str = "-ERR messages are counted from 1";
/// A number over that of the last message.
pub const NOT_THAT_MANY: &str = "-ERR not that many messages";
/// The message is marked as deleted.
pub const DELETED: &str = "-ERR already deleted";
/// The message is gone, or its file cannot be read.
pub const UNREADABLE: &str = "-ERR unable to open that message";
/// No such command.
pub const UNIMPLEMENTED: &str = "-ERR unimplemented";
/// A command of the AUTHORIZATION state.
pub const LOGGED_IN: &str = "-ERR already logged in";
/// The line is longer than [`crate::session::LINE_LIMIT`].
pub const LINE_TOO_LONG: &str = "-ERR line too long";
/// A NUL in a command.
pub const NUL: &str = "-ERR a command has no NUL";
/// The session ends here.
pub const TOO_MANY_BAD: &str = "-ERR too many bad commands";
/// The list that the ids of messages come from cannot be had.
pub const NO_IDS: &str = "-ERR [SYS/TEMP] unable to read the list of message ids";
/// All is done, but a crash may undo it, and it was asked for that it may not.
pub const UNSYNCED: &str = "-ERR [SYS/TEMP] unable to sync this mailbox";

/// The Maildir is not there, or none was named.
pub const NO_MAILDIR: &str = "-ERR this user has no $HOME/Maildir";
/// It is there and cannot be read.
pub const NO_SCAN: &str = "-ERR unable to scan $HOME/Maildir";
/// Another session has the lock.
pub const IN_USE: &str = "-ERR [IN-USE] another session has this mailbox open";
/// The lock cannot be had for another reason.
pub const NO_LOCK: &str = "-ERR [SYS/TEMP] unable to lock this mailbox";
/// A setting that cannot be used; the log says which.
pub const SETTINGS: &str = "-ERR [SYS/PERM] unable to use the configuration of this server";

/// The capabilities after the login (RFC 2449). USER, SASL and STLS are the front's to announce,
/// and only it knows which of them it has.
pub const CAPABILITIES: &str = "+OK \r\n\
    TOP\r\n\
    UIDL\r\n\
    RESP-CODES\r\n\
    AUTH-RESP-CODE\r\n\
    PIPELINING\r\n\
    EXPIRE NEVER\r\n\
    UTF8\r\n\
    IMPLEMENTATION superd\r\n\
    .\r\n";
