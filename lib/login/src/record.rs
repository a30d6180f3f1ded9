//! What the child that speaks with the client tells the parent that decides: one message a login.
//!
//! ```text
//! version 1 | method | tls 0/1 | lengths of 5 fields, 2 bytes each, least first | the fields
//! name, secret, note, variables of the TLS program, bytes that were read ahead
//! ```
//!
//! The parent believes nothing of it but that a client may have said so: it has the challenges, the
//! count of tries and the clock itself. A message that is not exactly this, or that has a NUL in a
//! name or a secret, is the end of the child.

use std::fmt;

use auth::Secret;
use zeroize::Zeroizing;

use crate::dialogue::{Login, Method};
use chain::tls;

/// The most bytes of [`Login::note`].
pub const NOTE_LIMIT: usize = 128;

/// The most bytes of a name and of a secret: what SASL can carry. What is longer than the record of
/// descriptor 3 can hold is refused where logins are decided about.
pub const FIELD_LIMIT: usize = sasl::FIELD_LIMIT;

const VERSION: u8 = 1;
const HEADER: usize = 3 + 5 * 2;

/// The most bytes of one message.
pub const LIMIT: usize =
    HEADER + 2 * FIELD_LIMIT + NOTE_LIMIT + tls::VARIABLES_LIMIT + wire::conn::AHEAD_LIMIT;

/// A message, as it was understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// The login.
    pub login: Login,
    /// Where TLS was begun since the connection was made: the TLS program's variables.
    pub tls: Option<Vec<u8>>,
    /// What was read ahead.
    pub ahead: Vec<u8>,
}

/// Why a message is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It is shorter or longer than it says.
    Length,
    /// A version, a method or a flag that is not known.
    Unknown,
    /// A field is over its limit.
    Limit,
    /// A byte that cannot stand in its field.
    Byte,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Malformed::Length => "its lengths do not fit",
            Malformed::Unknown => "it is of an unknown kind",
            Malformed::Limit => "a field is too long",
            Malformed::Byte => "a field has a byte that it cannot have",
        };
        write!(f, "the record of a login is malformed: {what}")
    }
}

impl std::error::Error for Malformed {}

/// Writes one. `None` where a field is over its limit.
pub fn write(login: &Login, tls: Option<&[u8]>, ahead: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let method = Method::ALL
        .iter()
        .position(|method| *method == login.method)
        .and_then(|at| u8::try_from(at).ok())?;
    let fields = [
        &login.name[..],
        login.secret.expose(),
        &login.note,
        tls.unwrap_or_default(),
        ahead,
    ];
    let length = HEADER + fields.iter().map(|field| field.len()).sum::<usize>();
    let mut message = Zeroizing::new(Vec::with_capacity(length));
    message.extend_from_slice(&[VERSION, method, u8::from(tls.is_some())]);
    for (field, limit) in fields.iter().zip(LIMITS) {
        let length = u16::try_from(field.len()).ok()?;
        if field.len() > limit {
            return None;
        }
        message.extend_from_slice(&length.to_le_bytes());
    }
    for field in fields {
        message.extend_from_slice(field);
    }
    Some(message)
}

const LIMITS: [usize; 5] = [
    FIELD_LIMIT,
    FIELD_LIMIT,
    NOTE_LIMIT,
    tls::VARIABLES_LIMIT,
    wire::conn::AHEAD_LIMIT,
];

/// Reads one.
pub fn read(message: &[u8]) -> Result<Record, Malformed> {
    let (header, mut rest) = message
        .split_first_chunk::<HEADER>()
        .ok_or(Malformed::Length)?;
    let [version, method, has_tls, lengths @ ..] = header;
    let method = Method::ALL.get(usize::from(*method));
    let (VERSION, Some(&method), 0 | 1) = (*version, method, *has_tls) else {
        return Err(Malformed::Unknown);
    };
    let mut fields = [&[][..]; 5];
    for ((field, length), limit) in fields.iter_mut().zip(lengths.chunks_exact(2)).zip(LIMITS) {
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        if length > limit {
            return Err(Malformed::Limit);
        }
        (*field, rest) = rest.split_at_checked(length).ok_or(Malformed::Length)?;
    }
    if !rest.is_empty() {
        return Err(Malformed::Length);
    }
    let [name, secret, note, variables, ahead] = fields;
    let has_nul = name.contains(&0) || secret.contains(&0);
    if has_nul || !note.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Malformed::Byte);
    }
    if *has_tls == 0 && !variables.is_empty() {
        return Err(Malformed::Unknown);
    }
    Ok(Record {
        login: Login {
            method,
            name: name.to_vec(),
            secret: Secret::new(secret),
            note: note.to_vec(),
        },
        tls: (*has_tls == 1).then(|| variables.to_vec()),
        ahead: ahead.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            method: Method::Plain,
            name: b"joe".to_vec(),
            secret: Secret::new(b"sekrit"),
            note: b"1".to_vec(),
        }
    }

    fn good() -> Vec<u8> {
        let message = write(&login(), Some(b"SSL_PROTOCOL=x\0\0"), b"STAT\r\n");
        message.expect("short").to_vec()
    }

    #[test]
    fn what_is_written_is_read() {
        let record = read(&good()).expect("ours");
        assert_eq!(record.login, login());
        assert_eq!(record.tls.as_deref(), Some(&b"SSL_PROTOCOL=x\0\0"[..]));
        assert_eq!(record.ahead, b"STAT\r\n");
        for method in Method::ALL {
            let message = write(&Login { method, ..login() }, None, b"").expect("short");
            let record = read(&message).expect("ours");
            assert_eq!((record.login.method, record.tls), (method, None));
        }
    }

    #[test]
    fn a_message_of_any_other_length_is_refused() {
        let message = good();
        for length in 0..message.len() {
            assert_eq!(read(&message[..length]), Err(Malformed::Length), "{length}");
        }
        let longer = [&message[..], b"x"].concat();
        assert_eq!(read(&longer), Err(Malformed::Length));
    }

    #[test]
    fn unknown_versions_methods_and_flags_are_refused() {
        for (at, value) in [(0, 0), (0, 2), (1, 5), (1, 255), (2, 2), (2, 0)] {
            let mut message = good();
            message[at] = value;
            assert_eq!(read(&message), Err(Malformed::Unknown), "{at}={value}");
        }
    }

    #[test]
    fn a_nul_or_a_line_end_cannot_reach_where_it_would_mean_something() {
        let at = HEADER;
        for (at, byte) in [(at, 0), (at + 3, 0), (at + 9, b'\n'), (at + 9, 0)] {
            let mut message = good();
            message[at] = byte;
            assert_eq!(read(&message), Err(Malformed::Byte), "{at}");
        }
    }

    #[test]
    fn fields_of_the_limit_are_taken_and_longer_ones_are_not() {
        let long = |name: usize, secret: usize, ahead: usize| {
            let login = Login {
                name: vec![b'n'; name],
                secret: Secret::new(&vec![b's'; secret]),
                note: vec![b'o'; NOTE_LIMIT],
                ..login()
            };
            let tls = vec![b'v'; tls::VARIABLES_LIMIT];
            write(&login, Some(&tls), &vec![b'a'; ahead])
        };
        let most = long(FIELD_LIMIT, FIELD_LIMIT, wire::conn::AHEAD_LIMIT).expect("it fits");
        assert_eq!(most.len(), LIMIT);
        assert!(read(&most).is_ok());
        assert!(long(FIELD_LIMIT + 1, 1, 0).is_none());
        assert!(long(1, FIELD_LIMIT + 1, 0).is_none());
        assert!(long(1, 1, wire::conn::AHEAD_LIMIT + 1).is_none());
        let mut over = good();
        over[HEADER - 1] = 0xff;
        assert_eq!(read(&over), Err(Malformed::Limit));
    }
}
