//! Entries of control files against an address: any bytes at all. What is taken for a list in the DNS
//! can be asked, stars are quick and mean what they say, and who is valid does not depend on where
//! the list is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtpd::dnsbl;
use smtpd::lists::{Patterns, ValidRecipients, means};

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |&byte| byte == 0);
    let (address, text) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let entries: Vec<Vec<u8>> = accounts::control::entries(text)
        .map(<[u8]>::to_vec)
        .collect();
    for entry in &entries {
        if let Some(source) = dnsbl::source(entry, false) {
            assert!(!source.base.is_empty());
            assert!(
                source
                    .question(std::net::Ipv4Addr::LOCALHOST.into())
                    .is_some()
            );
            assert!(source.message.is_none_or(|message| !message.is_empty()));
        }
        if !entry.contains(&b'*') {
            let end = address.iter().rposition(|&byte| byte == b'@');
            let host = end.map_or(&b""[..], |at| &address[at..]);
            let plain = entry.eq_ignore_ascii_case(address)
                || entry.starts_with(b"@") && entry.eq_ignore_ascii_case(host);
            assert_eq!(means(entry, address), plain);
        }
        assert!(means(&[entry.as_slice(), b"*"].concat(), entry));
        assert!(means(&[b"*", entry.as_slice()].concat(), entry));
    }
    let any = entries.iter().any(|entry| means(entry, address));
    let patterns = Patterns::new(entries.clone());
    assert_eq!(patterns.name_address(address), any && !address.is_empty());
    let valid = ValidRecipients::new(Some(entries.clone()), vec![]);
    let there = valid.have(address).expect("no file, no error");
    let listed = |who: &[u8]| entries.iter().any(|entry| entry.eq_ignore_ascii_case(who));
    if listed(address) {
        assert!(there);
    } else if listed(&[b"-", address].concat()) && !address.eq_ignore_ascii_case(b"postmaster") {
        assert!(!there);
    }
});
