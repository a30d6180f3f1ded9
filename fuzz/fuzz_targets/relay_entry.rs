//! A file of the relay store, name and content: what comes out of it may stand in a variable and in a line, and is
//! written as it is read; an address has one name.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use relay_store::{Address, CONTENT_LIMIT, Entry, VALUE_LIMIT};

fuzz_target!(|bytes: &[u8]| {
    let entry = Entry::parse(bytes, 7);
    for value in [
        &entry.user,
        &entry.domain,
        &entry.how,
        &entry.host,
        &entry.why,
    ] {
        assert!(value.len() <= VALUE_LIMIT);
        assert!(value.iter().all(|byte| (b' '..=b'~').contains(byte)));
    }
    let content = entry.to_content();
    assert!(content.len() <= CONTENT_LIMIT);
    assert_eq!(Entry::parse(&content, 7), entry);
    if let Some(address) = Address::from_text(bytes) {
        let name = address.to_string();
        assert!(!name.contains('/') && !name.starts_with('.'));
        // By its bits: `::ffff:8` begins as one that stands for IPv4 does, and is none.
        let is_mapped = matches!(address.ip(), IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
        assert!(!is_mapped, "{name}");
        assert_eq!(Address::from_name(name.as_bytes()), Some(address));
    }
    if let Some(address) = Address::from_name(bytes) {
        assert_eq!(address.to_string().as_bytes(), bytes);
    }
});
