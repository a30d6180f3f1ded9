//! What lmtpd's unprivileged child, which speaks with the client, and its monitor, which delivers, tell each other.
//!
//! An [`Order`] begins a transaction (no answer), names a recipient (answered by a [`RecipientAnswer`]), or has the text
//! with it as a descriptor and asks for its delivery (answered by a [`RecipientStatus`] for each recipient taken, in order).
//!
//! The monitor believes nothing of it but that a client may have said so: a record that is not exactly one of these, or
//! comes out of turn, is the end of the child.

use record::{Malformed, Message, Reader, Writer};
use smtp::address::ADDRESS_BYTES;

/// The most bytes of an id.
pub const ID_LIMIT: usize = 64;

/// The most bytes of a reply that refuses a recipient.
pub const REPLY_LIMIT: usize = 479;

/// What the child asks for.
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

impl Message for Order {
    /// The kind and one field.
    const LIMIT: usize = 1 + 2 + ADDRESS_BYTES;

    fn write(&self, to: &mut Writer) {
        match self {
            Order::Mail { sender } => {
                to.u8(b'M');
                to.bytes(sender, ADDRESS_BYTES - 1);
            }
            Order::Rcpt { recipient } => {
                to.u8(b'R');
                to.bytes(recipient, ADDRESS_BYTES - 1);
            }
            Order::Deliver { id } => {
                to.u8(b'D');
                to.bytes(id, ID_LIMIT);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Order, Malformed> {
        match from.u8()? {
            b'M' => Ok(Order::Mail {
                sender: address(from)?,
            }),
            b'R' => match address(from)? {
                recipient if recipient.is_empty() => Err(Malformed::Length),
                recipient => Ok(Order::Rcpt { recipient }),
            },
            b'D' => {
                let id = from.bytes(ID_LIMIT)?;
                let is_known = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
                if id.is_empty() {
                    Err(Malformed::Length)
                } else if id.iter().all(is_known) {
                    Ok(Order::Deliver { id: id.to_vec() })
                } else {
                    Err(Malformed::Byte)
                }
            }
            _ => Err(Malformed::Unknown),
        }
    }
}

/// What smtp::address lets through, and nothing else.
fn address(from: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    let bytes = from.bytes(ADDRESS_BYTES - 1)?;
    if bytes.iter().any(|&byte| byte < b' ' || byte == 0x7f) {
        return Err(Malformed::Byte);
    }
    Ok(bytes.to_vec())
}

/// What the monitor answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Order::Rcpt`].
    Recipient(RecipientAnswer),
    /// To [`Order::Deliver`], one for each recipient.
    Status(RecipientStatus),
}

impl Message for Reply {
    /// The kind, and a reply of SMTP.
    const LIMIT: usize = 1 + 2 + REPLY_LIMIT;

    fn write(&self, to: &mut Writer) {
        match self {
            Reply::Recipient(RecipientAnswer::Here) => to.u8(b'h'),
            Reply::Recipient(RecipientAnswer::Unknown) => to.u8(b'u'),
            Reply::Recipient(RecipientAnswer::Temporary) => to.u8(b't'),
            Reply::Status(RecipientStatus::Delivered) => to.u8(b'y'),
            Reply::Status(RecipientStatus::Refused(reply)) => {
                to.u8(b'n');
                to.bytes(reply.as_bytes(), REPLY_LIMIT);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Reply, Malformed> {
        match from.u8()? {
            b'h' => Ok(Reply::Recipient(RecipientAnswer::Here)),
            b'u' => Ok(Reply::Recipient(RecipientAnswer::Unknown)),
            b't' => Ok(Reply::Recipient(RecipientAnswer::Temporary)),
            b'y' => Ok(Reply::Status(RecipientStatus::Delivered)),
            b'n' => {
                let refused = RecipientStatus::of_reply(from.bytes(REPLY_LIMIT)?);
                refused.map(Reply::Status).ok_or(Malformed::Byte)
            }
            _ => Err(Malformed::Unknown),
        }
    }
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
        reply.truncate(REPLY_LIMIT);
        RecipientStatus::Refused(reply)
    }

    /// The refusal of this reply; `None` for anything that is no refusal within its limit.
    pub fn of_reply(reply: &[u8]) -> Option<RecipientStatus> {
        let refuses = reply.starts_with(b"4") || reply.starts_with(b"5");
        let printable = reply.iter().all(|byte| matches!(byte, b' '..=b'~'));
        let fits = reply.len() > 4 && reply.len() <= REPLY_LIMIT;
        let reply = std::str::from_utf8(reply).ok()?;
        (refuses && printable && fits).then(|| RecipientStatus::Refused(reply.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(kind: u8, field: &[u8]) -> Result<Order, Malformed> {
        let length = u16::try_from(field.len()).expect("short").to_be_bytes();
        Order::from_record(&[&[kind], &length[..], field].concat())
    }

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
            let record = order.to_record().expect("short");
            assert_eq!(Order::from_record(&record), Ok(order));
        }
        for reply in [
            Reply::Recipient(RecipientAnswer::Here),
            Reply::Recipient(RecipientAnswer::Unknown),
            Reply::Recipient(RecipientAnswer::Temporary),
            Reply::Status(RecipientStatus::Delivered),
            Reply::Status(RecipientStatus::refused(false, "4.2.0", "no")),
        ] {
            let record = reply.to_record().expect("short");
            assert_eq!(Reply::from_record(&record), Ok(reply));
        }
        assert_eq!(Reply::from_record(b"x"), Err(Malformed::Unknown));
    }

    #[test]
    fn other_kinds_and_lengths_are_refused() {
        for record in [
            &b""[..],
            b"R",
            b"D",
            b"R\0\0",
            b"D\0\0",
            b"M\0\x05joe",
            b"M\0\x03joe?",
        ] {
            assert_eq!(
                Order::from_record(record),
                Err(Malformed::Length),
                "{}",
                record.escape_ascii()
            );
        }
        assert_eq!(order(b'X', b""), Err(Malformed::Unknown));
        assert_eq!(order(b'm', b"joe"), Err(Malformed::Unknown));
    }

    #[test]
    fn addresses_and_ids_of_the_limit_are_taken_and_longer_ones_are_not() {
        let rcpt = |length: usize| order(b'R', "a".repeat(length).as_bytes());
        assert!(rcpt(ADDRESS_BYTES - 1).is_ok());
        assert_eq!(rcpt(ADDRESS_BYTES), Err(Malformed::Limit));
        let id = |length: usize| order(b'D', "1".repeat(length).as_bytes());
        assert!(id(ID_LIMIT).is_ok());
        assert_eq!(id(ID_LIMIT + 1), Err(Malformed::Limit));
        let most = Order::Mail {
            sender: vec![b'a'; ADDRESS_BYTES - 1],
        };
        assert!(most.to_record().expect("it fits").len() < Order::LIMIT);
    }

    #[test]
    fn control_bytes_are_refused() {
        for byte in (0..32).chain([127]) {
            assert_eq!(order(b'R', &[b'a', byte]), Err(Malformed::Byte));
            assert_eq!(order(b'M', &[byte]), Err(Malformed::Byte));
        }
        assert_eq!(order(b'D', b"1 2"), Err(Malformed::Byte));
        assert!(order(b'R', b"\xe4@h").is_ok());
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
        let reply = Reply::Status(long);
        let record = reply.to_record().expect("it fits");
        assert_eq!(record.len(), Reply::LIMIT);
        assert_eq!(Reply::from_record(&record), Ok(reply));
    }

    #[test]
    fn what_is_no_refusal_is_none() {
        let long = [b"451 ".as_slice(), &[b'x'; REPLY_LIMIT]].concat();
        for reply in [
            &b""[..],
            b"yes",
            b"250 ok",
            b"451",
            b"451 \r\n",
            b"\xff",
            &long,
        ] {
            assert_eq!(
                RecipientStatus::of_reply(reply),
                None,
                "{}",
                reply.escape_ascii()
            );
        }
    }
}
