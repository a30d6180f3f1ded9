//! Any bytes as a courierpop3dsizelist: no panic, and every identifier that is made of what was read is
//! one that POP3 allows, but for its length.

#![no_main]

use libfuzzer_sys::fuzz_target;

use maildir::courier::read;

fuzz_target!(|bytes: &[u8]| {
    let _ = read(bytes, |unique, entry| {
        let uidl = entry.uidl(unique);
        assert!(uidl.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
        assert_eq!(uidl.is_empty(), entry.uid == 0 && unique.is_empty());
    });
});
