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
    /// A field is not there.
    Missing,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordError::TooLong => "name and password are longer than 512 bytes",
            RecordError::Nul => "a NUL is in the name or the password",
            RecordError::Missing => "a field is missing of what descriptor 3 gave",
        })
    }
}

impl std::error::Error for RecordError {}

/// What the second field of a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A password.
    Password,
    /// The digest of APOP.
    Apop,
    /// The digest of CRAM-MD5.
    Cram,
}

impl Method {
    /// By the value of `AUTH`; `None` where it is another.
    pub fn of_auth(value: &[u8]) -> Option<Method> {
        match value {
            b"pop" => Some(Method::Password),
            b"apop" => Some(Method::Apop),
            b"cram" => Some(Method::Cram),
            _ => None,
        }
    }
}

impl Attempt {
    /// Takes a record apart, whose second field is what `method` says.
    ///
    /// As with the originals a password needs two fields that end in NUL, a digest three; what comes
    /// after the third is ignored. A name may be empty: it is nobody's.
    pub fn parse(record: &[u8], method: Method) -> Result<Attempt, RecordError> {
        if record.len() > RECORD_LIMIT {
            return Err(RecordError::TooLong);
        }
        let (login, rest) = split_at_nul(record).ok_or(RecordError::Missing)?;
        let (secret, rest) = split_at_nul(rest).ok_or(RecordError::Missing)?;
        let challenge = match (split_at_nul(rest), method) {
            (Some((challenge, _)), _) => challenge,
            (None, Method::Password) => rest,
            (None, _) => return Err(RecordError::Missing),
        };
        Ok(Attempt {
            login: login.to_vec(),
            proof: match method {
                Method::Password => Proof::Password(Secret::new(secret)),
                Method::Apop => Proof::Apop {
                    digest: secret.to_vec(),
                },
                Method::Cram => Proof::Cram {
                    digest: secret.to_vec(),
                },
            },
            challenge: challenge.to_vec(),
        })
    }

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

fn split_at_nul(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == 0)?;
    Some((&text[..at], &text[at + 1..]))
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

    #[test]
    fn what_was_written_is_read() {
        for (method, proof) in [
            (Method::Password, Proof::Password(Secret::new(b"pw"))),
            (
                Method::Apop,
                Proof::Apop {
                    digest: b"d".to_vec(),
                },
            ),
            (
                Method::Cram,
                Proof::Cram {
                    digest: b"d".to_vec(),
                },
            ),
        ] {
            let attempt = Attempt {
                proof,
                ..attempt(b"joe", b"")
            };
            let record = attempt.to_record().expect("short");
            assert_eq!(Method::of_auth(attempt.method().as_bytes()), Some(method));
            assert_eq!(Attempt::parse(&record, method), Ok(attempt));
        }
    }

    #[test]
    fn a_password_needs_two_fields_and_a_digest_three() {
        for record in [&b""[..], b"joe", b"joe\0", b"joe\0pw"] {
            for method in [Method::Password, Method::Apop, Method::Cram] {
                let parsed = Attempt::parse(record, method);
                assert_eq!(parsed, Err(RecordError::Missing), "{record:?}");
            }
        }
        for record in [&b"joe\0pw\0"[..], b"joe\0pw\0<1@h>"] {
            assert!(Attempt::parse(record, Method::Password).is_ok());
            let parsed = Attempt::parse(record, Method::Apop);
            assert_eq!(parsed, Err(RecordError::Missing), "{record:?}");
        }
        let record = b"joe\0pw\0<1.2@h>\0more\0";
        assert_eq!(
            Attempt::parse(record, Method::Password),
            Ok(attempt(b"joe", b"pw"))
        );
        assert!(Attempt::parse(b"\0\0", Method::Password).is_ok());
    }

    #[test]
    fn a_record_of_the_limit_is_read_and_one_over_it_is_not() {
        let mut record = b"joe\0pw\0".to_vec();
        record.resize(RECORD_LIMIT, b'x');
        assert!(Attempt::parse(&record, Method::Password).is_ok());
        record.push(0);
        let parsed = Attempt::parse(&record, Method::Password);
        assert_eq!(parsed, Err(RecordError::TooLong));
    }
}
