//! Any bytes as the journal of a mailbox: no panic, and what is accepted says the same when it is
//! written again. The checksums are made to fit, for no fuzzer finds those.

#![no_main]

use libfuzzer_sys::fuzz_target;

use maildir::selection::check_journal;

const HEADER: usize = 168;

fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let mut number = [0; 8];
    number[..length].copy_from_slice(bytes.get(at..at + length)?);
    usize::try_from(u64::from_le_bytes(number)).ok()
}

fn seal(bytes: &mut [u8]) -> Option<()> {
    let record = number(bytes, 10, 2)?;
    let mut end = HEADER;
    for (at, unit) in [(48, record), (56, 16), (64, 1), (72, 1), (80, 1)] {
        end = end.checked_add(number(bytes, at, 8)?.checked_mul(unit)?)?;
    }
    let body = crc32fast::hash(bytes.get(HEADER..end)?);
    bytes[HEADER - 8..HEADER - 4].copy_from_slice(&body.to_le_bytes());
    let header = crc32fast::hash(&bytes[..HEADER - 4]);
    bytes[HEADER - 4..HEADER].copy_from_slice(&header.to_le_bytes());
    // Then the frames of the log.
    while let Some(length) = number(bytes, end, 4) {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(bytes.get(16..24)?);
        hasher.update(&(end as u64).to_le_bytes());
        hasher.update(bytes.get(end + 8..(end + 8).checked_add(length)?)?);
        let checksum = hasher.finalize();
        bytes[end + 4..end + 8].copy_from_slice(&checksum.to_le_bytes());
        end += 8 + length;
    }
    Some(())
}

fuzz_target!(|bytes: &[u8]| {
    let _ = check_journal(bytes);
    let mut bytes = bytes.to_vec();
    let _ = seal(&mut bytes);
    if let Some(again) = check_journal(&bytes) {
        assert_eq!(check_journal(&again), Some(again));
    }
});
