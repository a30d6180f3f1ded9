//! What `superd-nss` is asked and what it answers, as records.
//!
//! Our static programs cannot use NSS, PAM and libcrypt, so they ask a small dynamic program. A
//! record is a row of fields, each ended by a NUL: no name, password or hash that a C library takes
//! has one. The first field is the kind; it decides how many fields there are, to the last one.
//!
//! ```text
//! user NAME                         user NAME UID GID HOME SHELL GID,GID,...
//! hash SECRET HASH                  unknown
//! shadow NAME SECRET                yes NAME
//! pam SERVICE NAME SECRET RHOST     no WHY, temporary WHY, permanent WHY
//! ```

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::number;
use super::passwd::User;

/// The most bytes of a request; it fits into a pipe at once.
pub const REQUEST_LIMIT: usize = 4096;

/// The most bytes of an answer. Linux allows a user 65536 groups.
pub const ANSWER_LIMIT: usize = 1 << 20;

/// A question. It borrows what it is made of, so that a secret is nowhere twice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Who is this user, and in which groups?
    User {
        /// The login name.
        name: &'a [u8],
    },
    /// Is this the secret behind this hash, of whatever scheme of crypt(5)?
    Hash {
        /// What was typed.
        secret: &'a [u8],
        /// What is stored.
        hash: &'a [u8],
    },
    /// Is this the password of that user's shadow entry?
    Shadow {
        /// The login name.
        name: &'a [u8],
        /// What was typed.
        secret: &'a [u8],
    },
    /// Does PAM let this user in?
    Pam {
        /// The name of a file of pam.d.
        service: &'a [u8],
        /// The login name.
        name: &'a [u8],
        /// What was typed.
        secret: &'a [u8],
        /// The client's address; may be empty.
        rhost: &'a [u8],
    },
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the fields: some are secrets.
        write!(f, "Request({})", self.fields()[0].escape_ascii())
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The user, and all his groups.
    User(User, Vec<u32>),
    /// There is no such user.
    Unknown,
    /// It is him; the name is that which PAM ended with, or the one that was asked about.
    Yes(Vec<u8>),
    /// It is not him, or he may not; why.
    No(String),
    /// It cannot be told now; why.
    Temporary(String),
    /// It can never be told; why.
    Permanent(String),
}

/// Why bytes are no record, or fields make none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// It is over its limit.
    TooLong,
    /// A field has a NUL in it.
    Nul,
    /// Its kind is unknown, or fields are missing, too many, or not what they should be.
    Malformed,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordError::TooLong => "the record is too long",
            RecordError::Nul => "a field has a NUL in it",
            RecordError::Malformed => "the record is malformed",
        })
    }
}

impl std::error::Error for RecordError {}

impl<'a> Request<'a> {
    fn fields(&self) -> Vec<&'a [u8]> {
        match *self {
            Request::User { name } => vec![b"user", name],
            Request::Hash { secret, hash } => vec![b"hash", secret, hash],
            Request::Shadow { name, secret } => vec![b"shadow", name, secret],
            Request::Pam {
                service,
                name,
                secret,
                rhost,
            } => vec![b"pam", service, name, secret, rhost],
        }
    }

    /// The record. Where it holds a secret, overwriting it is the caller's.
    pub fn to_record(&self) -> Result<Vec<u8>, RecordError> {
        record(&self.fields(), REQUEST_LIMIT)
    }

    /// Takes a record apart.
    pub fn parse(record: &'a [u8]) -> Result<Request<'a>, RecordError> {
        let request = match fields(record, REQUEST_LIMIT)?[..] {
            [b"user", name] => Request::User { name },
            [b"hash", secret, hash] => Request::Hash { secret, hash },
            [b"shadow", name, secret] => Request::Shadow { name, secret },
            [b"pam", service, name, secret, rhost] => Request::Pam {
                service,
                name,
                secret,
                rhost,
            },
            _ => return Err(RecordError::Malformed),
        };
        match request {
            Request::User { name } | Request::Shadow { name, .. } if name.is_empty() => {
                Err(RecordError::Malformed)
            }
            // A service is a file of pam.d and never a path to another place.
            Request::Pam { service, name, .. }
                if name.is_empty() || service.is_empty() || service.contains(&b'/') =>
            {
                Err(RecordError::Malformed)
            }
            request => Ok(request),
        }
    }
}

impl Answer {
    /// The record.
    pub fn to_record(&self) -> Result<Vec<u8>, RecordError> {
        match self {
            Answer::User(user, groups) => {
                let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
                let groups: Vec<String> = groups.iter().map(u32::to_string).collect();
                let groups = groups.join(",");
                let fields = [
                    b"user",
                    &user.name[..],
                    uid.as_bytes(),
                    gid.as_bytes(),
                    user.home.as_os_str().as_bytes(),
                    &user.shell,
                    groups.as_bytes(),
                ];
                record(&fields, ANSWER_LIMIT)
            }
            Answer::Unknown => record(&[b"unknown"], ANSWER_LIMIT),
            Answer::Yes(name) => record(&[b"yes", name], ANSWER_LIMIT),
            Answer::No(why) => record(&[b"no", why.as_bytes()], ANSWER_LIMIT),
            Answer::Temporary(why) => record(&[b"temporary", why.as_bytes()], ANSWER_LIMIT),
            Answer::Permanent(why) => record(&[b"permanent", why.as_bytes()], ANSWER_LIMIT),
        }
    }

    /// Takes a record apart.
    pub fn parse(record: &[u8]) -> Result<Answer, RecordError> {
        let text = |why: &[u8]| String::from_utf8_lossy(why).into_owned();
        Ok(match fields(record, ANSWER_LIMIT)?[..] {
            [b"user", name, uid, gid, home, shell, groups] if !name.is_empty() => {
                let user = User {
                    name: name.to_vec(),
                    uid: id(uid)?,
                    gid: id(gid)?,
                    home: PathBuf::from(OsStr::from_bytes(home)),
                    shell: shell.to_vec(),
                };
                let groups = match groups {
                    b"" => Vec::new(),
                    list => list
                        .split(|&byte| byte == b',')
                        .map(id)
                        .collect::<Result<_, _>>()?,
                };
                Answer::User(user, groups)
            }
            [b"unknown"] => Answer::Unknown,
            [b"yes", name] => Answer::Yes(name.to_vec()),
            [b"no", why] => Answer::No(text(why)),
            [b"temporary", why] => Answer::Temporary(text(why)),
            [b"permanent", why] => Answer::Permanent(text(why)),
            _ => return Err(RecordError::Malformed),
        })
    }
}

/// The last number is kept out: to setuid(2) it means "leave as it is".
fn id(text: &[u8]) -> Result<u32, RecordError> {
    number(text)
        .filter(|&id| id != u32::MAX)
        .ok_or(RecordError::Malformed)
}

/// The fields, each with a NUL behind it.
pub fn record(fields: &[&[u8]], limit: usize) -> Result<Vec<u8>, RecordError> {
    if fields.iter().any(|field| field.contains(&0)) {
        return Err(RecordError::Nul);
    }
    let length = fields.iter().map(|field| field.len() + 1).sum();
    if length > limit {
        return Err(RecordError::TooLong);
    }
    // Room for all of it at once: a vector that grows leaves copies behind.
    let mut record = Vec::with_capacity(length);
    for field in fields {
        record.extend_from_slice(field);
        record.push(0);
    }
    Ok(record)
}

/// The fields of a record that was read as a whole.
pub fn fields(record: &[u8], limit: usize) -> Result<Vec<&[u8]>, RecordError> {
    if record.len() > limit {
        return Err(RecordError::TooLong);
    }
    let inner = record.strip_suffix(b"\0").ok_or(RecordError::Malformed)?;
    Ok(inner.split(|&byte| byte == 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests() -> [Request<'static>; 4] {
        [
            Request::User { name: b"joe" },
            Request::Hash {
                secret: b"",
                hash: b"$y$x",
            },
            Request::Shadow {
                name: b"joe",
                secret: b"pw",
            },
            Request::Pam {
                service: b"pop3",
                name: b"joe",
                secret: b"pw",
                rhost: b"",
            },
        ]
    }

    fn answers() -> [Answer; 6] {
        let joe = User {
            name: b"joe".to_vec(),
            uid: 1000,
            gid: 100,
            home: PathBuf::from("/home/joe"),
            shell: Vec::new(),
        };
        [
            Answer::User(joe.clone(), vec![100, 4]),
            Answer::User(joe, Vec::new()),
            Answer::Unknown,
            Answer::Yes(b"joe".to_vec()),
            Answer::No("wrong password".to_owned()),
            Answer::Temporary(String::new()),
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        for request in requests() {
            let record = request.to_record().expect("a record");
            assert_eq!(Request::parse(&record), Ok(request));
        }
        for answer in answers() {
            let record = answer.to_record().expect("a record");
            assert_eq!(Answer::parse(&record), Ok(answer));
        }
    }

    #[test]
    fn a_record_that_was_cut_short_is_none() {
        for answer in answers() {
            let record = answer.to_record().expect("a record");
            for end in 0..record.len() {
                assert!(
                    Answer::parse(&record[..end]).is_err(),
                    "{answer:?} to {end}"
                );
            }
        }
        for request in requests() {
            let record = request.to_record().expect("a record");
            for end in 0..record.len() {
                assert!(
                    Request::parse(&record[..end]).is_err(),
                    "{request:?} to {end}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_said_exactly_is_refused() {
        for record in [
            &b"user\0joe\0more\0"[..],
            b"user\0\0",
            b"shadow\0\0pw\0",
            b"USER\0joe\0",
            b"pam\0../x\0joe\0pw\0\0",
            b"pam\0\0joe\0pw\0\0",
            b"pam\0pop3\0\0pw\0\0",
            b"\0",
            b"",
        ] {
            let parsed = Request::parse(record);
            assert_eq!(parsed, Err(RecordError::Malformed), "{record:?}");
        }
        for record in [
            &b"user\0joe\0-1\x001\0/\0\0\0"[..],
            b"user\0joe\x004294967295\x001\0/\0\0\0",
            b"user\0joe\x001\x001\0/\0\x001,,2\0",
            b"user\0\x001\x001\0/\0\0\0",
            b"yes\0",
            b"unknown\0x\0",
        ] {
            let parsed = Answer::parse(record);
            assert_eq!(parsed, Err(RecordError::Malformed), "{record:?}");
        }
    }

    #[test]
    fn a_request_of_the_limit_is_made_and_read_and_one_over_it_is_not() {
        let long = vec![b'x'; REQUEST_LIMIT];
        let fits = Request::User {
            name: &long[..REQUEST_LIMIT - b"user\0\0".len()],
        };
        let record = fits.to_record().expect("it fits");
        assert_eq!(record.len(), REQUEST_LIMIT);
        assert_eq!(Request::parse(&record), Ok(fits));
        let over = Request::User {
            name: &long[..REQUEST_LIMIT - b"user\0".len()],
        };
        assert_eq!(over.to_record(), Err(RecordError::TooLong));
        let mut record = record;
        record.push(0);
        assert_eq!(Request::parse(&record), Err(RecordError::TooLong));
    }

    #[test]
    fn a_nul_in_a_field_makes_no_record() {
        let request = Request::Shadow {
            name: b"joe",
            secret: b"a\0b",
        };
        assert_eq!(request.to_record(), Err(RecordError::Nul));
    }

    #[test]
    fn a_request_does_not_print_its_secret() {
        let [.., pam] = requests();
        assert_eq!(format!("{pam:?}"), "Request(pam)");
    }
}
