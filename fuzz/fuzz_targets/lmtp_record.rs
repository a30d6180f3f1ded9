//! What root reads of lmtpd's other processes: orders of the one that reads the network, outcomes of
//! those that deliver as users. What is understood makes the same record again, and nothing that is
//! understood could begin a line or name a path.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lmtpd::outcome::{self, Outcome, Reader};
use lmtpd::record::{LIMIT, Order, RecipientAnswer, RecipientStatus, STATUS_LIMIT};

fuzz_target!(|record: &[u8]| {
    if let Ok(order) = Order::parse(record) {
        assert!(record.len() <= LIMIT);
        assert_eq!(order.to_record(), record);
        let (Order::Mail { sender: bytes }
        | Order::Rcpt { recipient: bytes }
        | Order::Deliver { id: bytes }) = order;
        assert!(bytes.iter().all(|&byte| byte >= b' ' && byte != 0x7f));
    }
    if let Some(status) = RecipientStatus::parse(record) {
        assert!(record.len() <= STATUS_LIMIT);
        assert_eq!(status.to_record(), record);
        if let RecipientStatus::Refused(reply) = status {
            assert!(reply.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            assert!(!reply.starts_with('2'));
        }
    }
    if let [byte] = record {
        let standing = RecipientAnswer::of_byte(*byte);
        assert!(standing.is_none_or(|standing| standing.to_byte() == *byte));
    }
    let whole = Reader::default().feed(record);
    let mut reader = Reader::default();
    let single: Vec<(usize, Outcome)> = record
        .iter()
        .flat_map(|byte| reader.feed(&[*byte]))
        .collect();
    assert_eq!(whole, single);
    for (part, found) in whole {
        let again = Reader::default().feed(&outcome::write(part, &found));
        assert_eq!(again, [(part, found)]);
    }
});
