//! Asks the monitor, which delivers: the unprivileged child's half of privilege separation.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use delivery::spool::Spool;
use privsep::{Channel, Fault};

use crate::local_delivery::{DELIVERY_TIME, Delivery};
use crate::record::{Order, RecipientAnswer, RecipientStatus, Reply};

/// How long an answer about a recipient may take, and how much longer than a delivery its statuses.
pub const ANSWER_TIME: Duration = Duration::from_secs(60);

/// A delivery that is done elsewhere.
#[derive(Debug)]
pub struct DeliveryProxy<'w> {
    monitor: &'w Channel<Order, Reply>,
    /// The recipients of the transaction, for each of whom there will be a status.
    count: usize,
}

impl<'w> DeliveryProxy<'w> {
    /// Nothing is asked yet.
    pub fn new(monitor: &'w Channel<Order, Reply>) -> DeliveryProxy<'w> {
        DeliveryProxy { monitor, count: 0 }
    }

    fn ask(&self, order: &Order) -> Result<(), String> {
        let sent = self.monitor.send(order, Instant::now() + ANSWER_TIME);
        sent.map_err(|error| gone(&error))
    }

    /// The next answer.
    fn answer(&self, deadline: Instant) -> Result<Reply, String> {
        match self.monitor.receive(deadline) {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err("the side that delivers is gone".to_owned()),
            Err(Fault::Stuck(error)) => Err(gone(&error)),
            Err(Fault::Malformed(_) | Fault::TooLong) => {
                Err("the side that delivers gives an answer that is none".to_owned())
            }
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
        let Reply::Recipient(standing) = self.answer(Instant::now() + ANSWER_TIME)? else {
            return Err("the answer about a recipient is none".to_owned());
        };
        self.count += usize::from(standing == RecipientAnswer::Here);
        Ok(standing)
    }

    fn deliver(&mut self, id: &str, text: Spool) -> Result<Vec<RecipientStatus>, String> {
        let file = text.into_file().map_err(|failure| failure.reason)?;
        let order = Order::Deliver { id: id.into() };
        let sent = self.monitor.send_with(&order, file.as_fd());
        sent.map_err(|error| gone(&error))?;
        drop(file);
        let deadline = Instant::now() + DELIVERY_TIME + ANSWER_TIME;
        let status = || match self.answer(deadline)? {
            Reply::Status(status) => Ok(status),
            Reply::Recipient(_) => Err("a verdict is none".to_owned()),
        };
        (0..self.count).map(|_| status()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn the_proxy_understands_answers_and_nothing_else() {
        let (ours, theirs) = Channel::<Order, Reply>::pair().expect("a pair");
        let soon = || Instant::now() + Duration::from_secs(5);
        let say = |reply: Reply| theirs.send(&reply, soon()).expect("sent");
        let heard = || theirs.take().expect("an order").expect("not the end");
        let mut proxy = DeliveryProxy::new(&ours);
        proxy.mail(b"s@x").expect("sent");
        let sender = b"s@x".to_vec();
        assert_eq!(heard().0, Order::Mail { sender });
        let recipient = b"joe".to_vec();
        for standing in [RecipientAnswer::Here, RecipientAnswer::Unknown] {
            say(Reply::Recipient(standing));
            assert_eq!(proxy.rcpt(b"joe"), Ok(standing));
            let asked = Order::Rcpt {
                recipient: recipient.clone(),
            };
            assert_eq!(heard().0, asked);
        }
        os::socket::send_nowait(theirs.as_fd(), b"?").expect("sent");
        assert!(proxy.rcpt(b"joe").is_err());
        let _ = heard();
        say(Reply::Status(RecipientStatus::Delivered));
        assert!(proxy.rcpt(b"joe").is_err());
        let _ = heard();
        say(Reply::Recipient(RecipientAnswer::Here));
        assert_eq!(proxy.rcpt(b"joe"), Ok(RecipientAnswer::Here));
        let _ = heard();
        let refused = RecipientStatus::refused(false, "4.3.0", "no");
        for status in [RecipientStatus::Delivered, refused.clone()] {
            say(Reply::Status(status));
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
        say(Reply::Status(RecipientStatus::Delivered));
        say(Reply::Recipient(RecipientAnswer::Here));
        assert!(proxy.deliver("1.2", Spool::new(Vec::new())).is_err());
        drop(theirs);
        assert!(proxy.rcpt(b"joe").is_err());
    }
}
