//! What the side that speaks with the client and the side that delivers tell each other: one message
//! each, over a socket pair that keeps their boundaries.
//!
//! ```text
//! M | sender                                a transaction begins; no answer
//! R | recipient                             answer: one byte
//! D | id, with the text as a descriptor     answer: one status for each recipient taken, in order
//! ```
//!
//! The side that delivers believes nothing of it but that a client may have said so: a message that
//! is not exactly one of these, or comes out of turn, is the end of the other side.

use std::fmt;

use smtp::address::ADDRESS_BYTES;

/// The most bytes of an id.
pub const ID_LIMIT: usize = 64;

/// The most bytes of one message.
pub const LIMIT: usize = 1 + ADDRESS_BYTES;

/// The most bytes of a status.
pub const STATUS_LIMIT: usize = 480;

/// What the side that speaks asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A transaction begins; the one before it is forgotten.
    Mail {
        /// Unquoted; empty for the null sender.
        sender: Vec<u8>,
    },
    /// Who is this? If he is here, he is a recipient of the transaction.
    Rcpt {
        /// Unquoted, not empty.
        recipient: Vec<u8>,
    },
    /// Deliver the text that comes with this to all recipients of the transaction.
    Deliver {
        /// What the message is called in the log.
        id: Vec<u8>,
    },
}

/// Why a message is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A field is too short or too long.
    Length,
    /// It is of no known kind.
    Kind,
    /// A byte that cannot stand in its field.
    Byte,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Length => "a record is malformed: a field is too short or too long",
            Malformed::Kind => "a record is malformed: it is of an unknown kind",
            Malformed::Byte => "a record is malformed: a field has a byte that it cannot have",
        })
    }
}

impl std::error::Error for Malformed {}

impl Order {
    /// As a message.
    pub fn to_record(&self) -> Vec<u8> {
        match self {
            Order::Mail { sender } => [b"M", sender.as_slice()].concat(),
            Order::Rcpt { recipient } => [b"R", recipient.as_slice()].concat(),
            Order::Deliver { id } => [b"D", id.as_slice()].concat(),
        }
    }

    /// Reads a message.
    pub fn parse(record: &[u8]) -> Result<Order, Malformed> {
        let (kind, rest) = record.split_first().ok_or(Malformed::Length)?;
        match kind {
            b'M' => Ok(Order::Mail {
                sender: address(rest)?,
            }),
            b'R' if rest.is_empty() => Err(Malformed::Length),
            b'R' => Ok(Order::Rcpt {
                recipient: address(rest)?,
            }),
            b'D' if rest.is_empty() || rest.len() > ID_LIMIT => Err(Malformed::Length),
            b'D' if !rest
                .iter()
                .all(|byte| byte.is_ascii_digit() || *byte == b'.') =>
            {
                Err(Malformed::Byte)
            }
            b'D' => Ok(Order::Deliver { id: rest.to_vec() }),
            _ => Err(Malformed::Kind),
        }
    }
}

/// What smtp::address lets through, and nothing else.
fn address(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    if bytes.len() >= ADDRESS_BYTES {
        return Err(Malformed::Length);
    }
    if bytes.iter().any(|&byte| byte < b' ' || byte == 0x7f) {
        return Err(Malformed::Byte);
    }
    Ok(bytes.to_vec())
}

/// Who a recipient is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientAnswer {
    /// He is here.
    Here,
    /// Nobody has that name.
    Unknown,
    /// That cannot be told, or he cannot be delivered to now; the log has said why.
    Temporary,
}

impl RecipientAnswer {
    /// As a message.
    pub fn to_byte(self) -> u8 {
        match self {
            RecipientAnswer::Here => b'h',
            RecipientAnswer::Unknown => b'u',
            RecipientAnswer::Temporary => b't',
        }
    }

    /// Reads a message.
    pub fn of_byte(byte: u8) -> Option<RecipientAnswer> {
        match byte {
            b'h' => Some(RecipientAnswer::Here),
            b'u' => Some(RecipientAnswer::Unknown),
            b't' => Some(RecipientAnswer::Temporary),
            _ => None,
        }
    }
}

/// What became of a recipient's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientStatus {
    /// He has it, on the disk.
    Delivered,
    /// He has not, and this is the reply that says so: `451 4.2.0 text`.
    Refused(String),
}

impl RecipientStatus {
    /// A refusal, with its enhanced status code. Of `text` only what is printable is kept, and no more
    /// than fits a reply line.
    pub fn refused(permanent: bool, enhanced: &str, text: &str) -> RecipientStatus {
        let status = enhanced.get(1..).unwrap_or_default();
        let (code, class) = match (permanent, status) {
            (true, ".1.1") => ("550", "5"),
            (true, ".2.2") => ("552", "5"),
            (true, _) => ("554", "5"),
            (false, ".2.2") => ("452", "4"),
            (false, _) => ("451", "4"),
        };
        let mut reply = format!("{code} {class}{status} ");
        let printable = text
            .chars()
            .map(|char| if matches!(char, ' '..='~') { char } else { '?' });
        reply.extend(printable);
        reply.truncate(STATUS_LIMIT - 1);
        RecipientStatus::Refused(reply)
    }

    /// As a message.
    pub fn to_record(&self) -> Vec<u8> {
        match self {
            RecipientStatus::Delivered => b"y".to_vec(),
            RecipientStatus::Refused(reply) => [b"n", reply.as_bytes()].concat(),
        }
    }

    /// Reads a message; `None` for anything that is not a status.
    pub fn parse(record: &[u8]) -> Option<RecipientStatus> {
        match record.split_first()? {
            (b'y', []) => Some(RecipientStatus::Delivered),
            (b'n', reply) if record.len() <= STATUS_LIMIT => {
                let refuses = reply.starts_with(b"4") || reply.starts_with(b"5");
                let printable = reply.iter().all(|byte| matches!(byte, b' '..=b'~'));
                let reply = std::str::from_utf8(reply).ok()?;
                (refuses && printable && reply.len() > 4)
                    .then(|| RecipientStatus::Refused(reply.to_owned()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> Vec<Order> {
        vec![
            Order::Mail { sender: vec![] },
            Order::Mail {
                sender: b"a b@c".to_vec(),
            },
            Order::Rcpt {
                recipient: b"joe@h".to_vec(),
            },
            Order::Deliver {
                id: b"1.2.3".to_vec(),
            },
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        for order in orders() {
            assert_eq!(Order::parse(&order.to_record()), Ok(order));
        }
        for standing in [
            RecipientAnswer::Here,
            RecipientAnswer::Unknown,
            RecipientAnswer::Temporary,
        ] {
            assert_eq!(RecipientAnswer::of_byte(standing.to_byte()), Some(standing));
        }
        assert_eq!(RecipientAnswer::of_byte(b'x'), None);
    }

    #[test]
    fn other_kinds_and_lengths_are_refused() {
        for record in [&b""[..], b"R", b"D"] {
            assert_eq!(
                Order::parse(record),
                Err(Malformed::Length),
                "{}",
                record.escape_ascii()
            );
        }
        assert_eq!(Order::parse(b"X"), Err(Malformed::Kind));
        assert_eq!(Order::parse(b"mjoe"), Err(Malformed::Kind));
    }

    #[test]
    fn addresses_and_ids_of_the_limit_are_taken_and_longer_ones_are_not() {
        let rcpt = |length: usize| Order::parse(&[b"R", "a".repeat(length).as_bytes()].concat());
        assert!(rcpt(ADDRESS_BYTES - 1).is_ok());
        assert_eq!(rcpt(ADDRESS_BYTES), Err(Malformed::Length));
        let id = |length: usize| Order::parse(&[b"D", "1".repeat(length).as_bytes()].concat());
        assert!(id(ID_LIMIT).is_ok());
        assert_eq!(id(ID_LIMIT + 1), Err(Malformed::Length));
        let most = Order::Mail {
            sender: vec![b'a'; ADDRESS_BYTES - 1],
        };
        assert!(most.to_record().len() < LIMIT);
    }

    #[test]
    fn control_bytes_are_refused() {
        for byte in (0..32).chain([127]) {
            assert_eq!(Order::parse(&[b'R', b'a', byte]), Err(Malformed::Byte));
            assert_eq!(Order::parse(&[b'M', byte]), Err(Malformed::Byte));
        }
        assert_eq!(Order::parse(b"D1 2"), Err(Malformed::Byte));
        assert!(Order::parse(b"R\xe4@h").is_ok());
    }

    #[test]
    fn a_refusal_is_one_printable_line_within_its_limit() {
        let refused = RecipientStatus::refused(true, "5.4.6", "looping");
        assert_eq!(
            refused,
            RecipientStatus::Refused("554 5.4.6 looping".to_owned())
        );
        let full = RecipientStatus::refused(true, "5.2.2", "full");
        assert_eq!(full, RecipientStatus::Refused("552 5.2.2 full".to_owned()));
        let odd = RecipientStatus::refused(false, "4.2.0", "a\r\n250 ok\u{e4}");
        assert_eq!(
            odd,
            RecipientStatus::Refused("451 4.2.0 a??250 ok?".to_owned())
        );
        let long = RecipientStatus::refused(false, "4.2.0", &"x".repeat(5000));
        assert_eq!(long.to_record().len(), STATUS_LIMIT);
        assert_eq!(RecipientStatus::parse(&long.to_record()), Some(long));
        assert_eq!(
            RecipientStatus::parse(b"y"),
            Some(RecipientStatus::Delivered)
        );
    }

    #[test]
    fn what_is_no_verdict_is_none() {
        let long = [b"n451 ".as_slice(), &[b'x'; STATUS_LIMIT]].concat();
        for record in [
            &b""[..],
            b"yes",
            b"n",
            b"n250 ok",
            b"n451",
            b"n451 \r\n",
            b"n\xff",
            &long,
        ] {
            assert_eq!(
                RecipientStatus::parse(record),
                None,
                "{}",
                record.escape_ascii()
            );
        }
    }
}
