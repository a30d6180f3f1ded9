//! What root reads of lmtpd's other processes: orders of the one that reads the network, outcomes of
//! those that deliver as users. What is understood makes the same record again, and nothing that is
//! understood could begin a line or name a path.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lmtpd::outcome::{self, Outcome, Reader};
use lmtpd::record::{Order, RecipientStatus, Reply};
use record::Message;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(order) = Order::from_record(bytes) {
        assert_eq!(*order.to_record().expect("within the limits"), bytes);
        let (Order::Mail { sender: field }
        | Order::Rcpt { recipient: field }
        | Order::Deliver { id: field }) = order;
        assert!(field.iter().all(|&byte| byte >= b' ' && byte != 0x7f));
    }
    if let Ok(reply) = Reply::from_record(bytes) {
        assert_eq!(*reply.to_record().expect("within the limits"), bytes);
        if let Reply::Status(RecipientStatus::Refused(reply)) = reply {
            assert!(reply.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            assert!(!reply.starts_with('2'));
        }
    }
    let whole = Reader::default().feed(bytes);
    let mut reader = Reader::default();
    let single: Vec<(usize, Outcome)> = bytes
        .iter()
        .flat_map(|byte| reader.feed(&[*byte]))
        .collect();
    assert_eq!(whole, single);
    for (part, found) in whole {
        let again = Reader::default().feed(&outcome::write(part, &found));
        assert_eq!(again, [(part, found)]);
    }
});
