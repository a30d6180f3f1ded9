//! Any bytes as a dovecot-uidlist: no panic; what is accepted has ascending UIDs below the next one
//! and names that are none of paths, and is the same without what stands behind its last line.

#![no_main]

use libfuzzer_sys::fuzz_target;

use maildir::uidlist::{Header, read};

type Entry = (u32, Vec<u8>, Option<Vec<u8>>);

fn all(bytes: &[u8]) -> Option<(Header, Vec<Entry>)> {
    let mut entries = Vec::new();
    let header = read(bytes, |entry| {
        let saved = entry.pop3_uidl().map(<[u8]>::to_vec);
        entries.push((entry.uid, entry.unique.to_vec(), saved));
    });
    Some((header.ok()?, entries))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((header, entries)) = all(bytes) else {
        return;
    };
    assert!(header.validity != 0 && header.next != 0);
    assert!(entries.windows(2).all(|pair| pair[0].0 < pair[1].0));
    for (uid, unique, _) in &entries {
        assert!(*uid != 0 && *uid < header.next);
        assert!(!unique.iter().any(|byte| b"/:\n".contains(byte)));
    }
    let complete = &bytes[..header.complete as usize];
    assert_eq!(complete.last(), Some(&b'\n'));
    assert_eq!(all(complete), Some((header, entries)));
});
