//! Any bytes as a mailbox index: no panic, and what is accepted is in order and comes back the same
//! when it is written. The checksum is made to fit, for no fuzzer finds one that does.

#![no_main]

use libfuzzer_sys::fuzz_target;

use maildir::index::{Record, read, write};

fn records(bytes: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    let length = bytes.len() as u64;
    read(bytes, length, |record| records.push(record)).ok()?;
    Some(records)
}

fuzz_target!(|bytes: &[u8]| {
    let _ = records(bytes);
    let Some(end) = bytes.len().checked_sub(4) else {
        return;
    };
    let mut bytes = bytes.to_vec();
    let checksum = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&checksum.to_le_bytes());
    let Some(first) = records(&bytes) else {
        return;
    };
    assert!(first.windows(2).all(|pair| pair[0].key() < pair[1].key()));
    let mut written = Vec::new();
    write(&mut written, first.len() as u64, first.iter().copied()).expect("memory is enough");
    assert_eq!(records(&written), Some(first));
});
