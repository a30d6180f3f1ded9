//! The exchanges of PLAIN, LOGIN and CRAM-MD5 on the server's side, as values.
//!
//! A protocol frames them (`+ `, `334 `, `+ ` with a tag at the end) and knows which of them it
//! offers; what is said inside the frames is the same for POP3, SMTP and IMAP and is here. Nothing
//! is verified: an [`Exchange`] ends in [`Credentials`], and somebody else decides about them.
//!
//! - Base64 is strict (RFC 4648 sections 3.2 to 3.5): padded, nothing but the alphabet, no bits
//!   behind the end. Two texts for one secret would be two ways to count one guess.
//! - Fields cannot be empty and have no NUL. PLAIN's identity to act as (RFC 4616 section 2) must
//!   be empty or the name itself: nobody logs in as somebody else here.
//! - LOGIN was never a standard; its two prompts are those that every client knows.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::Mechanism;

/// The most bytes of one base64 response, as RFC 4954 section 4 wants it; that many come back as
/// three quarters of it.
pub const RESPONSE_LIMIT: usize = 12_288;

/// The most bytes of a name or a secret: what a response can hold.
pub const FIELD_LIMIT: usize = RESPONSE_LIMIT / 4 * 3;

/// What a client has shown. Nothing is verified yet.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A name and a password.
    Password {
        /// As it was typed.
        login: Vec<u8>,
        /// As it was typed.
        password: Zeroizing<Vec<u8>>,
    },
    /// A name, and HMAC-MD5 of the challenge under the password in 32 hexadecimal digits.
    Cram {
        /// As it was typed.
        login: Vec<u8>,
        /// In the case in which it was sent.
        digest: Zeroizing<Vec<u8>>,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, login) = match self {
            Credentials::Password { login, .. } => ("Password", login),
            Credentials::Cram { login, .. } => ("Cram", login),
        };
        write!(f, "{kind}({})", login.escape_ascii())
    }
}

/// What comes next in an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Send this (base64, possibly empty) in the protocol's frame, and read one response.
    Ask(String),
    /// The exchange is complete.
    Done(Credentials),
}

/// Why an exchange ends without credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client sent `*`.
    Cancelled,
    /// The response is no base64.
    NotBase64,
    /// The message inside is not one of the mechanism's.
    Malformed,
    /// An initial response to a mechanism in which the server speaks first (RFC 4954 section 4).
    Unexpected,
    /// The identity to act as is another one than the identity that logs in.
    OtherIdentity,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Cancelled => "authentication was cancelled",
            Fault::NotBase64 => "that is not base64",
            Fault::Malformed => "that response is not of this mechanism",
            Fault::Unexpected => "this mechanism has no initial response",
            Fault::OtherIdentity => "nobody can log in for somebody else",
        })
    }
}

impl std::error::Error for Fault {}

/// An exchange that waits for the client's next response.
pub struct Exchange {
    waits_for: Wait,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({})", self.mechanism().name())
    }
}

enum Wait {
    Plain,
    LoginName,
    LoginPassword(Vec<u8>),
    Cram,
}

impl Exchange {
    /// Begins. `initial` is the initial response as it was sent, `=` for an empty one (RFC 5034
    /// section 4); `challenge` is what CRAM-MD5 sends, with its angle brackets.
    pub fn begin(
        mechanism: Mechanism,
        initial: Option<&[u8]>,
        challenge: &[u8],
    ) -> Result<(Exchange, Turn), Fault> {
        let (waits_for, prompt) = match mechanism {
            Mechanism::Plain => (Wait::Plain, &b""[..]),
            Mechanism::Login => (Wait::LoginName, &b"Username:"[..]),
            Mechanism::CramMd5 => (Wait::Cram, challenge),
        };
        let mut exchange = Exchange { waits_for };
        let turn = match initial {
            None => Turn::Ask(STANDARD.encode(prompt)),
            Some(_) if mechanism == Mechanism::CramMd5 => return Err(Fault::Unexpected),
            Some(b"=") => exchange.message(&[])?,
            Some(response) => exchange.answer(response)?,
        };
        Ok((exchange, turn))
    }

    /// The mechanism that was begun with.
    pub fn mechanism(&self) -> Mechanism {
        match self.waits_for {
            Wait::Plain => Mechanism::Plain,
            Wait::LoginName | Wait::LoginPassword(_) => Mechanism::Login,
            Wait::Cram => Mechanism::CramMd5,
        }
    }

    /// Takes the client's response, a line of base64. After a fault or credentials the exchange is
    /// over.
    pub fn answer(&mut self, response: &[u8]) -> Result<Turn, Fault> {
        if response == b"*" {
            return Err(Fault::Cancelled);
        }
        let message = decode(response)?;
        self.message(&message)
    }

    fn message(&mut self, message: &[u8]) -> Result<Turn, Fault> {
        match &self.waits_for {
            Wait::Plain => plain(message).map(Turn::Done),
            Wait::Cram => cram(message).map(Turn::Done),
            Wait::LoginName => {
                self.waits_for = Wait::LoginPassword(field(message)?.to_vec());
                Ok(Turn::Ask(STANDARD.encode("Password:")))
            }
            Wait::LoginPassword(login) => Ok(Turn::Done(Credentials::Password {
                login: login.clone(),
                password: Zeroizing::new(field(message)?.to_vec()),
            })),
        }
    }
}

/// The bytes of one response.
pub fn decode(response: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
    if response.len() > RESPONSE_LIMIT {
        return Err(Fault::NotBase64);
    }
    // Of the final size at once, so that no copy is left behind; the decoder wants whole groups.
    let mut bytes = Zeroizing::new(vec![0; response.len().div_ceil(4) * 3]);
    let count = STANDARD
        .decode_slice(response, &mut bytes)
        .map_err(|_| Fault::NotBase64)?;
    bytes.truncate(count);
    Ok(bytes)
}

fn field(bytes: &[u8]) -> Result<&[u8], Fault> {
    if bytes.is_empty() || bytes.len() > FIELD_LIMIT || bytes.contains(&0) {
        return Err(Fault::Malformed);
    }
    Ok(bytes)
}

/// `[authzid] NUL authcid NUL passwd`.
fn plain(message: &[u8]) -> Result<Credentials, Fault> {
    let mut fields = message.splitn(3, |&byte| byte == 0);
    let (Some(acts_as), Some(login), Some(password)) =
        (fields.next(), fields.next(), fields.next())
    else {
        return Err(Fault::Malformed);
    };
    let (login, password) = (field(login)?, field(password)?);
    if !acts_as.is_empty() && acts_as != login {
        return Err(Fault::OtherIdentity);
    }
    Ok(Credentials::Password {
        login: login.to_vec(),
        password: Zeroizing::new(password.to_vec()),
    })
}

/// `name SP digest`; the name may have spaces itself.
fn cram(message: &[u8]) -> Result<Credentials, Fault> {
    let space = memchr::memrchr(b' ', message).ok_or(Fault::Malformed)?;
    let (login, digest) = (field(&message[..space])?, &message[space + 1..]);
    if digest.len() != 32 || !digest.iter().all(u8::is_ascii_hexdigit) {
        return Err(Fault::Malformed);
    }
    Ok(Credentials::Cram {
        login: login.to_vec(),
        digest: Zeroizing::new(digest.to_vec()),
    })
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
