//! What the unprivileged child and the monitor of popup and imapup tell each other: a [`Record`] for each login, and
//! an [`Answer`] where it does not let the client in.
//!
//! The monitor believes nothing of a record but that a client may have said so: it has the challenges, the count of
//! tries and the clock itself. A message that is not exactly a record, or that has a NUL in a name or a secret, is the
//! end of the child.

use auth::Secret;
use record::{Malformed, Message, Reader, Writer};
use zeroize::Zeroizing;

use crate::dialogue::{Answer, Login, Method, Refusal};
use chain::tls;

/// The most bytes of [`Login::note`].
pub const NOTE_LIMIT: usize = 128;

/// The most bytes of a name and of a secret: what SASL can carry. What is longer than the record of
/// descriptor 3 can hold is refused where logins are decided about.
pub const FIELD_LIMIT: usize = sasl::FIELD_LIMIT;

/// A login, as the child tells it.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// The login.
    pub login: Login,
    /// Where TLS was begun since the connection was made: the TLS program's variables.
    pub tls: Option<Vec<u8>>,
    /// What was read ahead. It may be a password that the client sent early.
    pub ahead: Zeroizing<Vec<u8>>,
}

impl Message for Record {
    /// The method, whether there is TLS, the lengths of five fields, and the fields.
    const LIMIT: usize =
        2 + 5 * 2 + 2 * FIELD_LIMIT + NOTE_LIMIT + tls::VARIABLES_LIMIT + wire::conn::AHEAD_LIMIT;

    fn write(&self, to: &mut Writer) {
        let login = &self.login;
        let method = Method::ALL.iter().position(|one| *one == login.method);
        to.u8(method
            .and_then(|at| u8::try_from(at).ok())
            .unwrap_or(u8::MAX));
        to.bytes(&login.name, FIELD_LIMIT);
        to.bytes(login.secret.expose(), FIELD_LIMIT);
        to.bytes(&login.note, NOTE_LIMIT);
        to.option(self.tls.as_deref(), |to, block| {
            to.bytes(block, tls::VARIABLES_LIMIT);
        });
        to.bytes(&self.ahead, wire::conn::AHEAD_LIMIT);
    }

    fn read(from: &mut Reader<'_>) -> Result<Record, Malformed> {
        let method = Method::ALL.get(usize::from(from.u8()?));
        let &method = method.ok_or(Malformed::Unknown)?;
        let name = from.bytes(FIELD_LIMIT)?;
        let secret = from.bytes(FIELD_LIMIT)?;
        let note = from.bytes(NOTE_LIMIT)?;
        let has_nul = name.contains(&0) || secret.contains(&0);
        if has_nul || !note.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(Malformed::Byte);
        }
        let login = Login {
            method,
            name: name.to_vec(),
            secret: Secret::new(secret),
            note: note.to_vec(),
        };
        let tls = from.option(|from| from.bytes(tls::VARIABLES_LIMIT))?;
        Ok(Record {
            login,
            tls: tls.map(<[u8]>::to_vec),
            ahead: Zeroizing::new(from.bytes(wire::conn::AHEAD_LIMIT)?.to_vec()),
        })
    }
}

impl Message for Answer {
    const LIMIT: usize = 2;

    fn write(&self, to: &mut Writer) {
        to.u8(match self.why {
            Refusal::Credentials => b'n',
            Refusal::Temporary => b't',
            Refusal::Permanent => b'p',
        });
        to.bool(self.last);
    }

    fn read(from: &mut Reader<'_>) -> Result<Answer, Malformed> {
        let why = match from.u8()? {
            b'n' => Refusal::Credentials,
            b't' => Refusal::Temporary,
            b'p' => Refusal::Permanent,
            _ => return Err(Malformed::Unknown),
        };
        let last = from.bool()?;
        Ok(Answer { why, last })
    }
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

    fn record(login: Login, tls: Option<&[u8]>, ahead: &[u8]) -> Record {
        Record {
            login,
            tls: tls.map(<[u8]>::to_vec),
            ahead: Zeroizing::new(ahead.to_vec()),
        }
    }

    fn good() -> Vec<u8> {
        let record = record(login(), Some(b"SSL_PROTOCOL=x\0\0"), b"STAT\r\n");
        record.to_record().expect("short").to_vec()
    }

    #[test]
    fn what_is_written_is_read() {
        let read = Record::from_record(&good()).expect("ours");
        assert_eq!(read.login, login());
        assert_eq!(read.tls.as_deref(), Some(&b"SSL_PROTOCOL=x\0\0"[..]));
        assert_eq!(*read.ahead, b"STAT\r\n");
        for method in Method::ALL {
            let message = record(Login { method, ..login() }, None, b"").to_record();
            let read = Record::from_record(&message.expect("short")).expect("ours");
            assert_eq!((read.login.method, read.tls), (method, None));
        }
    }

    #[test]
    fn a_message_of_any_other_length_is_refused() {
        let message = good();
        for length in 0..message.len() {
            let read = Record::from_record(&message[..length]);
            assert_eq!(read, Err(Malformed::Length), "{length}");
        }
        let longer = [&message[..], b"x"].concat();
        assert_eq!(Record::from_record(&longer), Err(Malformed::Length));
    }

    #[test]
    fn unknown_methods_and_flags_are_refused() {
        // The flag of TLS stands behind name, secret and note.
        let flag = 1 + 2 + 3 + 2 + 6 + 2 + 1;
        for (at, value) in [(0, 5), (0, 255), (flag, 2)] {
            let mut message = good();
            message[at] = value;
            let read = Record::from_record(&message);
            assert_eq!(read, Err(Malformed::Unknown), "{at}={value}");
        }
    }

    #[test]
    fn a_nul_or_a_line_end_cannot_reach_where_it_would_mean_something() {
        let (name, secret, note) = (3, 8, 16);
        for (at, byte) in [(name, 0), (secret, 0), (note, b'\n'), (note, 0)] {
            let mut message = good();
            message[at] = byte;
            assert_eq!(Record::from_record(&message), Err(Malformed::Byte), "{at}");
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
            record(login, Some(&tls), &vec![b'a'; ahead]).to_record()
        };
        let most = long(FIELD_LIMIT, FIELD_LIMIT, wire::conn::AHEAD_LIMIT).expect("it fits");
        assert_eq!(most.len(), Record::LIMIT);
        assert!(Record::from_record(&most).is_ok());
        assert!(long(FIELD_LIMIT + 1, 1, 0).is_err());
        assert!(long(1, FIELD_LIMIT + 1, 0).is_err());
        assert!(long(1, 1, wire::conn::AHEAD_LIMIT + 1).is_err());
        let mut over = good();
        over[1] = 0xff;
        assert_eq!(Record::from_record(&over), Err(Malformed::Limit));
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        for why in [Refusal::Credentials, Refusal::Temporary, Refusal::Permanent] {
            for last in [false, true] {
                let answer = Answer { why, last };
                let record = answer.to_record().expect("short");
                assert_eq!(Answer::from_record(&record), Ok(answer));
            }
        }
        for bad in [&b""[..], b"n", b"y\0", b"n\x02", b"n\0\0"] {
            assert!(Answer::from_record(bad).is_err(), "{bad:?}");
        }
    }
}
