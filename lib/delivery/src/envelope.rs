//! The envelope as qmail-queue(8) reads it: `F` sender NUL, then `T` recipient NUL for each
//! recipient, then one more NUL.
//!
//! The final NUL is the sender's word that this is all and that it means it.

use crate::failure::{Code, Failure};

/// The most bytes of an address; the number is qmail-queue's.
pub const ADDRESS_LIMIT: usize = 1003;

/// The most recipients of one message.
pub const RECIPIENT_LIMIT: usize = 10_000;

/// Who sends and who is to get it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Without quotes; empty for the null sender.
    pub sender: Vec<u8>,
    /// Without quotes; at least one.
    pub recipients: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
enum At {
    #[default]
    Start,
    Sender,
    Letter,
    Recipient,
}

/// Takes an envelope as it comes.
#[derive(Debug, Default)]
pub struct Reader {
    at: At,
    address: Vec<u8>,
    envelope: Envelope,
}

impl Reader {
    /// The whole envelope once its final NUL has come; what follows is not looked at.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Envelope>, Failure> {
        for &byte in bytes {
            if self.byte(byte)? {
                return Ok(Some(std::mem::take(&mut self.envelope)));
            }
        }
        Ok(None)
    }

    fn byte(&mut self, byte: u8) -> Result<bool, Failure> {
        match (&self.at, byte) {
            (At::Start, b'F') => self.at = At::Sender,
            (At::Letter, b'T') => {
                if self.envelope.recipients.len() == RECIPIENT_LIMIT {
                    let reason = format!("more than {RECIPIENT_LIMIT} recipients");
                    return Err(Failure::new(Code::Refused, reason));
                }
                self.at = At::Recipient;
            }
            (At::Letter, 0) if !self.envelope.recipients.is_empty() => return Ok(true),
            (At::Start | At::Letter, _) => {
                let reason = "the envelope is malformed".to_owned();
                return Err(Failure::new(Code::Envelope, reason));
            }
            (At::Sender, 0) => {
                self.envelope.sender = std::mem::take(&mut self.address);
                self.at = At::Letter;
            }
            (At::Recipient, 0) => {
                self.envelope
                    .recipients
                    .push(std::mem::take(&mut self.address));
                self.at = At::Letter;
            }
            (At::Sender | At::Recipient, byte) => {
                if self.address.len() == ADDRESS_LIMIT {
                    let reason = format!("an address has more than {ADDRESS_LIMIT} bytes");
                    return Err(Failure::new(Code::AddressTooLong, reason));
                }
                self.address.push(byte);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Envelope>, Code> {
        let whole = Reader::default()
            .feed(bytes)
            .map_err(|failure| failure.code);
        let mut reader = Reader::default();
        let mut single = Ok(None);
        for byte in bytes {
            single = reader.feed(&[*byte]).map_err(|failure| failure.code);
            if !matches!(single, Ok(None)) {
                break;
            }
        }
        assert_eq!(whole, single, "byte by byte");
        whole
    }

    #[test]
    fn an_envelope_is_read_up_to_its_final_nul() {
        let envelope = read(b"Fa b@c\0Tx@y\0Tz\0\0ignored")
            .expect("well formed")
            .expect("whole");
        assert_eq!(envelope.sender, b"a b@c");
        assert_eq!(envelope.recipients, [b"x@y".to_vec(), b"z".to_vec()]);
        let envelope = read(b"F\0Tx\0\0").expect("well formed").expect("whole");
        assert_eq!(envelope.sender, b"");
    }

    #[test]
    fn before_the_final_nul_there_is_no_envelope() {
        for cut in [&b""[..], b"F", b"F\0", b"F\0T", b"F\0Tx", b"F\0Tx\0"] {
            assert_eq!(read(cut), Ok(None), "{}", cut.escape_ascii());
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        for wrong in [
            &b"x"[..],
            b"T",
            b"\0",
            b"F\0x",
            b"F\0F",
            b"F\0Tx\0\n",
            b"F\0\0",
        ] {
            assert_eq!(read(wrong), Err(Code::Envelope), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn an_address_of_the_limit_passes_and_one_byte_more_does_not() {
        let with = |sender: usize, recipient: usize| {
            let mut bytes = vec![b'F'];
            bytes.extend(vec![b'a'; sender]);
            bytes.extend_from_slice(b"\0T");
            bytes.extend(vec![b'a'; recipient]);
            bytes.extend_from_slice(b"\0\0");
            read(&bytes)
        };
        assert!(
            with(ADDRESS_LIMIT, ADDRESS_LIMIT)
                .expect("passes")
                .is_some()
        );
        assert_eq!(with(ADDRESS_LIMIT + 1, 1), Err(Code::AddressTooLong));
        assert_eq!(with(1, ADDRESS_LIMIT + 1), Err(Code::AddressTooLong));
    }

    #[test]
    fn the_number_of_recipients_is_limited() {
        let with = |count: usize| {
            let mut bytes = b"F\0".to_vec();
            bytes.extend(b"Tx\0".repeat(count));
            bytes.push(0);
            Reader::default()
                .feed(&bytes)
                .map_err(|failure| failure.code)
        };
        let envelope = with(RECIPIENT_LIMIT).expect("passes").expect("whole");
        assert_eq!(envelope.recipients.len(), RECIPIENT_LIMIT);
        assert_eq!(with(RECIPIENT_LIMIT + 1), Err(Code::Refused));
    }
}
