//! SASL (RFC 4422) on the server's side, for POP3, SMTP and IMAP: values in, values out.
//!
//! - [`mechanism`]: the mechanisms, and which of them are on offer for a link that is encrypted or not;
//! - [`exchange`]: what is said between the command and its answer, without the protocol's frame;
//! - [`backoff`]: when a failed login is answered, for all programs that answer one.
//!
//! Nothing is verified here, nothing is read and nothing waits: an [`Exchange`] ends in [`Credentials`], about which
//! somebody else decides.

pub mod backoff;
pub mod exchange;
pub mod mechanism;

pub use backoff::Backoff;
pub use exchange::{Credentials, Exchange, FIELD_LIMIT, Fault, RESPONSE_LIMIT, Turn, decode};
pub use mechanism::{Mechanism, NeedsTls, Offer};
