//! One login, as values and as the record of descriptor 3.
//!
//! The record is `login NUL secret NUL challenge NUL`, at most 512 bytes (checkpassword's
//! interface). It does not tell a password from a digest; the variable `AUTH` does (the
//! authentication patch of checkpw): `pop` for a password, `apop`, and `cram` with checkers of ours.

use std::fmt;

use zeroize::Zeroizing;

use crate::Secret;

/// The most bytes of a record.
pub const RECORD_LIMIT: usize = 512;

/// What a client shows to prove who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A password (USER and PASS, SASL PLAIN and LOGIN).
    Password(Secret),
    /// APOP: hexadecimal MD5 of challenge and password (RFC 1939 section 7).
    Apop {
        /// As the client sent it.
        digest: Vec<u8>,
    },
    /// CRAM-MD5: hexadecimal HMAC-MD5 of the challenge under the password (RFC 2195).
    Cram {
        /// As the client sent it.
        digest: Vec<u8>,
    },
}

/// One login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The name as it was typed. No NUL.
    pub login: Vec<u8>,
    /// What proves it. No NUL.
    pub proof: Proof,
    /// What the server had said: for APOP the text with its angle brackets, for CRAM-MD5 the text
    /// before base64; with a password it proves nothing, and goes along as with the originals.
    pub challenge: Vec<u8>,
}

/// Why an attempt makes no record, or a record no attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// More than [`RECORD_LIMIT`] bytes.
    TooLong,
    /// A field has a NUL.
    Nul,
    /// A field is not there, or the first one is empty altogether.
    Missing,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordError::TooLong => "name and password are longer than 512 bytes",
            RecordError::Nul => "a NUL is in the name or the password",
            RecordError::Missing => "descriptor 3 has no name and no password",
        })
    }
}

impl std::error::Error for RecordError {}

impl Attempt {
    /// The value of `AUTH` that tells a checker what the second field is.
    pub fn method(&self) -> &'static str {
        match self.proof {
            Proof::Password(_) => "pop",
            Proof::Apop { .. } => "apop",
            Proof::Cram { .. } => "cram",
        }
    }

    /// The record for descriptor 3.
    pub fn to_record(&self) -> Result<Zeroizing<Vec<u8>>, RecordError> {
        let secret = match &self.proof {
            Proof::Password(secret) => secret.expose(),
            Proof::Apop { digest } | Proof::Cram { digest } => digest,
        };
        let fields = [&self.login[..], secret, &self.challenge];
        if fields.iter().any(|field| field.contains(&0)) {
            return Err(RecordError::Nul);
        }
        let length = fields.iter().map(|field| field.len() + 1).sum();
        if length > RECORD_LIMIT {
            return Err(RecordError::TooLong);
        }
        let mut record = Zeroizing::new(Vec::with_capacity(length));
        for field in fields {
            record.extend_from_slice(field);
            record.push(0);
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(login: &[u8], password: &[u8]) -> Attempt {
        Attempt {
            login: login.to_vec(),
            proof: Proof::Password(Secret::new(password)),
            challenge: b"<1.2@h>".to_vec(),
        }
    }

    #[test]
    fn a_record_is_three_fields_that_end_in_nul() {
        let record = attempt(b"joe", b"pw").to_record().expect("short");
        assert_eq!(record.as_slice(), b"joe\0pw\0<1.2@h>\0");
    }

    #[test]
    fn a_record_of_the_limit_is_made_and_one_over_it_is_not() {
        let fits = RECORD_LIMIT - b"joe\0\0<1.2@h>\0".len();
        let record = attempt(b"joe", &vec![b'x'; fits]).to_record();
        assert_eq!(record.expect("it fits").len(), RECORD_LIMIT);
        let record = attempt(b"joe", &vec![b'x'; fits + 1]).to_record();
        assert_eq!(record.expect_err("too long"), RecordError::TooLong);
    }

    #[test]
    fn a_nul_in_a_field_would_shift_the_next_one() {
        let record = attempt(b"joe\0root", b"pw").to_record();
        assert_eq!(record.expect_err("a NUL"), RecordError::Nul);
    }
}
