//! What an ident server sends: the same in one piece as in many, and never more than the limits
//! allow; and what superd reads of the look-up process is never more than it can have meant.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lookup::ident::{self, Progress, REPLY_LIMIT, Reply};
use lookup::{Incoming, Reply as Record};

fuzz_target!(|bytes: &[u8]| {
    let whole = Reply::default().push(bytes);
    let piece = bytes.first().map_or(1, |&byte| usize::from(byte) + 1);
    let mut reply = Reply::default();
    let mut last = Progress::More;
    for part in bytes.chunks(piece) {
        last = reply.push(part);
        if last != Progress::More {
            break;
        }
    }
    assert_eq!(whole, last);
    match whole {
        Progress::More => assert!(bytes.len() < REPLY_LIMIT),
        Progress::Done(info) => assert!(ident::is_info(&info)),
        Progress::TooLong => assert!(bytes.len() >= REPLY_LIMIT),
    }

    // A record has one form only.
    match Record::decode(bytes) {
        Ok(Record::Connection(answer)) => assert_eq!(answer.encode(), bytes),
        Ok(Record::Host(answer)) => assert_eq!(answer.encode(), bytes),
        Err(_) => {}
    }
    match Incoming::decode(bytes) {
        Ok(Incoming::Connection(request)) => assert_eq!(request.encode(), bytes),
        Ok(Incoming::Host(request)) => assert_eq!(request.encode().as_deref(), Some(bytes)),
        Err(_) => {}
    }
});
