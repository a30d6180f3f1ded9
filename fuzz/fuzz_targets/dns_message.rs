//! What a DNS server sends: any bytes at all, and any records behind the question that was asked.
//! No name and no list of addresses that comes out may be more than its limits allow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lookup::dns::{self, ADDRESSES_LIMIT, Found, Kind, Question, Verdict};
use lookup::name::{self, DnsName};

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else {
        return;
    };
    let (kind, name) = match choice % 3 {
        0 => (Kind::Pointer, DnsName::reverse_of([192, 0, 2, 71].into())),
        1 => (Kind::Ipv4, DnsName::parse(b"mx.test").expect("a name")),
        _ => (Kind::Ipv6, DnsName::parse(b"mx.test").expect("a name")),
    };
    let question = Question { name, kind };
    let id = bytes.first_chunk().map_or(0, |id| u16::from_be_bytes(*id));
    check(kind, dns::examine(bytes, id, &question));

    let mut message = dns::query(&question, id);
    message[2] |= 0x80;
    message[7] = choice / 3;
    message.extend(bytes);
    check(kind, dns::examine(&message, id, &question));
    assert_eq!(dns::examine(&message, !id, &question), Verdict::NotOurs);
});

fn check(kind: Kind, verdict: Verdict) {
    let Verdict::Answer(found, _) = verdict else {
        return;
    };
    match found {
        Found::Name(found) => {
            assert_eq!(kind, Kind::Pointer);
            assert!(found.is_none_or(|found| name::is_text(&found.to_text())));
        }
        Found::Addresses(list) => {
            assert!(list.len() <= ADDRESSES_LIMIT);
            assert!(
                list.iter()
                    .all(|address| address.is_ipv4() == (kind == Kind::Ipv4))
            );
        }
    }
}
