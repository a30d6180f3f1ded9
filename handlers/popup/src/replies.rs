//! What popup says, line ends included. Where the original has a text for the occasion, it is that
//! one.
//!
//! A text after `-ERR ` begins with a bracket only where that is a response code (RFC 2449 section
//! 8).

/// Words are missing on the command line; the original's name for itself is kept.
pub const USAGE: &str = "-ERR usage: popup hostname subprogram\r\n";
/// This host is not set up to serve anybody.
pub const CANNOT_SERVE: &str = "-ERR [SYS/PERM] this server cannot serve\r\n";
/// Something of this host is in the way.
pub const TRY_LATER: &str = "-ERR [SYS/TEMP] try again later\r\n";

/// Yes; the original's space is kept.
pub const OK: &str = "+OK \r\n";
/// The answer to what is no command here.
pub const AUTHORIZATION_FIRST: &str = "-ERR authorization first\r\n";
/// An argument is missing.
pub const SYNTAX: &str = "-ERR syntax error\r\n";
/// PASS before USER.
pub const USER_FIRST: &str = "-ERR USER first\r\n";
/// Name and password do not fit, or nobody has that name.
pub const FAILED: &str = "-ERR [AUTH] authorization failed\r\n";
/// The checker could not tell.
pub const FAILED_NOW: &str = "-ERR [SYS/TEMP] authorization failed, try again later\r\n";
/// The checker can never tell, or crashed.
pub const FAILED_FOR_GOOD: &str =
    "-ERR [SYS/PERM] authorization failed, the server is at fault\r\n";

/// A line over the limit.
pub const TOO_LONG: &str = "-ERR that line is too long\r\n";
/// A NUL in a line.
pub const NUL: &str = "-ERR a NUL is no part of a command\r\n";
/// More bad commands than anybody needs.
pub const TOO_MANY_BAD: &str = "-ERR too many bad commands\r\n";
/// More commands than anybody needs.
pub const TOO_MANY: &str = "-ERR too many commands before the login\r\n";

/// REQUIRETLS, and TLS can be had.
pub const STLS_FIRST: &str = "-ERR STLS first: no password is taken in the clear\r\n";
/// REQUIRETLS, and TLS cannot be had here.
pub const TLS_ONLY: &str = "-ERR use TLS: no password is taken in the clear\r\n";
/// The checker can do APOP only.
pub const APOP_ONLY: &str = "-ERR no passwords are taken here, use APOP\r\n";
/// APOP, where no challenge was shown.
pub const NO_APOP: &str = "-ERR there is no APOP here\r\n";

/// TLS begins.
pub const TLS_BEGINS: &str = "+OK TLS now\r\n";
/// STLS twice, or on an encrypted connection.
pub const TLS_IS_ON: &str = "-ERR TLS is on\r\n";

/// UTF8 where the next program would not keep to it.
pub const NO_UTF8: &str = "-ERR there is no UTF8 here\r\n";
/// UTF8 twice.
pub const UTF8_IS_ON: &str = "-ERR UTF8 is on\r\n";

/// A mechanism that is not offered.
pub const NO_MECHANISM: &str = "-ERR that mechanism is not offered\r\n";
/// Begins the two lists.
pub const LIST: &str = "+OK list follows\r\n";
