//! Asks the process that delivers, over a socket pair: the unprivileged child's half of privilege separation.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use delivery::spool::Spool;

use crate::local_delivery::{DELIVERY_TIME, Delivery};
use crate::record::{Order, RecipientAnswer, RecipientStatus, STATUS_LIMIT};

/// How long an answer about a recipient may take, and how much longer than a delivery its statuses.
pub const ANSWER_TIME: Duration = Duration::from_secs(60);

/// The near end of the pair.
#[derive(Debug)]
pub struct DeliveryProxy<'w> {
    delivery: &'w OwnedFd,
    /// The recipients of the transaction, for each of whom there will be a status.
    count: usize,
}

impl<'w> DeliveryProxy<'w> {
    /// Nothing is asked yet.
    pub fn new(delivery: &'w OwnedFd) -> DeliveryProxy<'w> {
        DeliveryProxy { delivery, count: 0 }
    }

    fn ask(&self, order: &Order) -> Result<(), String> {
        let sent = os::socket::send_all_until(
            self.delivery.as_fd(),
            &order.to_record(),
            Instant::now() + ANSWER_TIME,
        );
        sent.map_err(|error| gone(&error))
    }

    /// The next answer.
    fn answer(&self, buffer: &mut [u8], deadline: Instant) -> Result<usize, String> {
        match os::fd::read_until(self.delivery.as_fd(), buffer, deadline) {
            Ok(0) => Err("the side that delivers is gone".to_owned()),
            Ok(count) => Ok(count),
            Err(error) => Err(gone(&error)),
        }
    }
}

fn gone(error: &io::Error) -> String {
    format!(
        "the side that delivers does not answer: {}",
        os::reason(error)
    )
}

impl Delivery for DeliveryProxy<'_> {
    fn mail(&mut self, sender: &[u8]) -> Result<(), String> {
        self.count = 0;
        self.ask(&Order::Mail {
            sender: sender.to_vec(),
        })
    }

    fn rcpt(&mut self, recipient: &[u8]) -> Result<RecipientAnswer, String> {
        self.ask(&Order::Rcpt {
            recipient: recipient.to_vec(),
        })?;
        let mut byte = [0];
        self.answer(&mut byte, Instant::now() + ANSWER_TIME)?;
        let standing = RecipientAnswer::of_byte(byte[0]);
        let standing = standing.ok_or_else(|| "the answer about a recipient is none".to_owned())?;
        self.count += usize::from(standing == RecipientAnswer::Here);
        Ok(standing)
    }

    fn deliver(&mut self, id: &str, text: Spool) -> Result<Vec<RecipientStatus>, String> {
        let file = text.into_file().map_err(|failure| failure.reason)?;
        let order = Order::Deliver { id: id.into() };
        os::sibling::send_with(self.delivery.as_fd(), &order.to_record(), file.as_fd())
            .map_err(|error| gone(&error))?;
        drop(file);
        let deadline = Instant::now() + DELIVERY_TIME + ANSWER_TIME;
        let mut buffer = [0; STATUS_LIMIT];
        let mut status = || {
            let count = self.answer(&mut buffer, deadline)?;
            RecipientStatus::parse(&buffer[..count]).ok_or_else(|| "a verdict is none".to_owned())
        };
        (0..self.count).map(|_| status()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::record;

    #[test]
    fn the_window_understands_answers_and_nothing_else() {
        let (ours, theirs) = os::socket::message_pair().expect("a pair");
        let say = |message: &[u8]| os::socket::send_nowait(theirs.as_fd(), message).expect("sent");
        let heard = || {
            let mut buffer = [0; record::LIMIT];
            let (count, with) =
                os::sibling::receive_with(theirs.as_fd(), &mut buffer).expect("sent");
            (Order::parse(&buffer[..count]).expect("an order"), with)
        };
        let mut proxy = DeliveryProxy::new(&ours);
        proxy.mail(b"s@x").expect("sent");
        let sender = b"s@x".to_vec();
        assert_eq!(heard().0, Order::Mail { sender });
        let recipient = b"joe".to_vec();
        for (byte, standing) in [
            (b"h", RecipientAnswer::Here),
            (b"u", RecipientAnswer::Unknown),
        ] {
            say(byte);
            assert_eq!(proxy.rcpt(b"joe"), Ok(standing));
            let asked = Order::Rcpt {
                recipient: recipient.clone(),
            };
            assert_eq!(heard().0, asked);
        }
        say(b"?");
        assert!(proxy.rcpt(b"joe").is_err());
        let _ = heard();
        say(b"h");
        assert_eq!(proxy.rcpt(b"joe"), Ok(RecipientAnswer::Here));
        let _ = heard();
        let refused = RecipientStatus::refused(false, "4.3.0", "no");
        for message in [&b"y"[..], &refused.to_record()] {
            say(message);
        }
        let mut text = Spool::new(Vec::new());
        text.push(b"hello").expect("pushed");
        let statuses = proxy.deliver("1.2", text).expect("statuses");
        assert_eq!(statuses, [RecipientStatus::Delivered, refused]);
        let (order, with) = heard();
        let id = b"1.2".to_vec();
        assert_eq!(order, Order::Deliver { id });
        let text = Spool::of_file(File::from(with.expect("a descriptor"))).expect("a file");
        assert_eq!(text.size(), 5);
        // Two recipients, and only one status is one.
        say(b"y");
        say(b"n");
        assert!(proxy.deliver("1.2", Spool::new(Vec::new())).is_err());
        drop(theirs);
        assert!(proxy.rcpt(b"joe").is_err());
    }
}
