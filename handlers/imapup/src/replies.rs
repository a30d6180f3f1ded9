//! What imapup says. Untagged replies are complete; the others lack the tag, and the line end behind them.
//!
//! A text in brackets is a response code of RFC 5530, which tells a client's program what to tell its user.

/// Words are missing on the command line.
pub const USAGE: &str = "* BYE usage: imapup host checkprog prog\r\n";
/// This host is not set up to serve anybody.
pub const CANNOT_SERVE: &str = "* BYE [CONTACTADMIN] this server cannot serve\r\n";
/// Something of this host is in the way.
pub const TRY_LATER: &str = "* BYE [UNAVAILABLE] try again later\r\n";

/// Name and password do not fit, or nobody has that name.
pub const FAILED: &str = "NO [AUTHENTICATIONFAILED] authentication failed";
/// The checker could not tell.
pub const FAILED_NOW: &str = "NO [UNAVAILABLE] authentication failed, try again later";
/// The checker can never tell, or crashed.
pub const FAILED_FOR_GOOD: &str = "NO [CONTACTADMIN] authentication failed, the server is at fault";
/// The last of them.
pub const TOO_MANY_FAILED: &str = "* BYE too many failed logins\r\n";

/// CAPABILITY, NOOP and ID are done.
pub const DONE: &str = "OK done";
/// LOGOUT, before its tagged reply.
pub const BYE: &str = "* BYE logging out\r\n";
/// The answer to ID.
pub const ID: &str = "* ID (\"name\" \"superd\")\r\n";
/// A synchronizing literal may be sent.
pub const GO_ON: &str = "+ OK\r\n";

/// What begins with no tag of IMAP, or with one that is too long.
pub const NO_TAG: &str = "* BAD a command begins with a tag\r\n";
/// A tag alone, or something that is no word behind it.
pub const NO_COMMAND: &str = "BAD a command is missing";
/// What is no command at all.
pub const UNKNOWN: &str = "BAD that command is unknown";
/// A command for those who have logged in.
pub const LOGIN_FIRST: &str = "BAD log in first";
/// Arguments where there are none, or other ones.
pub const SYNTAX: &str = "BAD the arguments are not those of this command";
/// A literal or a command over its limit.
pub const TOO_LARGE: &str = "BAD that is more than a command here can have";
/// A line over the limit. Nobody knows whether a literal follows it.
pub const TOO_LONG: &str = "* BYE that line is too long\r\n";
/// A literal that would have to be thrown away for too long.
pub const FLOOD: &str = "* BYE that literal is too large\r\n";
/// More bad commands than anybody needs.
pub const TOO_MANY_BAD: &str = "* BYE too many bad commands\r\n";
/// More commands than anybody needs.
pub const TOO_MANY: &str = "* BYE too many commands before the login\r\n";
/// Silence.
pub const SILENT: &str = "* BYE you were silent for too long\r\n";
/// Silence, or talk, until the end of the time for a login.
pub const TIME_IS_OVER: &str = "* BYE the time for a login is over\r\n";

/// REQUIRETLS, and TLS can be had.
pub const STARTTLS_FIRST: &str =
    "NO [PRIVACYREQUIRED] STARTTLS first: no password is taken in the clear";
/// REQUIRETLS, and TLS cannot be had here.
pub const TLS_ONLY: &str = "NO [PRIVACYREQUIRED] use TLS: no password is taken in the clear";
/// The checker can do digests only.
pub const DIGESTS_ONLY: &str = "NO no passwords are taken here, use CRAM-MD5";
/// A mechanism that is not offered.
pub const NO_MECHANISM: &str = "NO that mechanism is not offered";

/// TLS begins.
pub const TLS_BEGINS: &str = "OK TLS now";
/// STARTTLS twice, or on an encrypted connection.
pub const TLS_IS_ON: &str = "BAD TLS is on";
/// STARTTLS without a TLS program.
pub const NO_TLS: &str = "BAD there is no STARTTLS here";

/// Adds `tag text` and the end of the line.
pub fn tagged(out: &mut Vec<u8>, tag: &[u8], text: &str) {
    out.extend_from_slice(tag);
    out.push(b' ');
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}
