//! A header and its values: the fields and the empty line are the header, byte for byte; no value
//! makes a panic, and what is read of it keeps to its limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mime::address::{self, Address};
use mime::{date, encoded_word, header, msgid, subject};

fuzz_target!(|message: &[u8]| {
    let end = header::header_end(message);
    let mut at = 0;
    for field in header::fields(message) {
        assert_eq!(field.start, at);
        assert_eq!(&message[field.range()], field.raw);
        assert!(!field.raw.is_empty());
        at += field.raw.len();
        assert!(!header::unfold(field.value).contains(&b'\n'));

        let list = address::parse(field.value);
        assert!(list.len() <= address::MOST);
        let mut in_group = false;
        for entry in &list {
            let is_right = match entry {
                Address::GroupStart(_) => !std::mem::replace(&mut in_group, true),
                Address::GroupEnd => std::mem::replace(&mut in_group, false),
                Address::Mailbox(_) => true,
            };
            assert!(is_right);
        }
        assert!(!in_group);

        if let Some(date) = date::parse(field.value) {
            assert!((1..=12).contains(&date.month) && (1..=31).contains(&date.day));
            assert!(date.hour < 24 && date.minute < 60 && date.second <= 60);
            assert!(date.instant().abs() < 1 << 40);
        }

        let ids = msgid::all(field.value);
        assert_eq!(ids.first().cloned(), msgid::first(field.value));
        assert!(ids.iter().all(|id| id.contains(&b'@')));

        // A base has no more marks, unless the mark was all there was.
        let base = subject::base(&encoded_word::header_text(field.value));
        let again = subject::base(&base.text);
        assert_eq!(again.text, base.text);
        assert!(!again.reply_or_forward);
    }
    assert!(matches!(&message[at..end], b"" | b"\n" | b"\r\n"));
    assert!(at < end || end == message.len());
});
