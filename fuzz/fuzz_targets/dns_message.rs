//! What a DNS server sends: any bytes at all, and any records behind the question that was asked.
//! No name, no text and no list of addresses that comes out may be more than its limits allow.
#![no_main]

use dns::message::{self, ADDRESSES_LIMIT, Found, Kind, Question, TEXTS_LIMIT, Verdict};
use dns::name::{self, DnsName};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else {
        return;
    };
    let (kind, name) = match choice % 4 {
        0 => (Kind::Pointer, DnsName::reverse_of([192, 0, 2, 71].into())),
        1 => (Kind::Ipv4, DnsName::parse(b"mx.test").expect("a name")),
        2 => (Kind::Ipv6, DnsName::parse(b"mx.test").expect("a name")),
        _ => (Kind::Text, DnsName::parse(b"mx.test").expect("a name")),
    };
    let question = Question { name, kind };
    let id = bytes.first_chunk().map_or(0, |id| u16::from_be_bytes(*id));
    check(kind, message::examine(bytes, id, &question));

    let mut response = message::query(&question, id);
    response[2] |= 0x80;
    response[7] = choice / 4;
    response.extend(bytes);
    check(kind, message::examine(&response, id, &question));
    assert_eq!(
        message::examine(&response, !id, &question),
        Verdict::NotOurs
    );
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
        Found::Text(text) => {
            assert_eq!(kind, Kind::Text);
            assert!(text.len() <= TEXTS_LIMIT);
        }
    }
}
