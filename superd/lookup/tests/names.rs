//! The names of a connection: -h, -p, and the local name.

use std::time::Duration;

use lookup::{Name, Request};

use crate::support::dns::{A, CNAME, Dns, NXDOMAIN, PTR, Query, SERVFAIL, record, wire};
use crate::support::{AT_ONCE, Caller, hurried, request, settings};

fn known(text: &str) -> Name {
    Name::Known(text.as_bytes().to_vec())
}

fn name_from(answer: impl Fn(&Query) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Name {
    let dns = Dns::start(answer);
    let caller = Caller::start(settings(&[dns.address]));
    let (answer, _) = caller.look_up(&request(1, "192.0.2.2"));
    answer.remote_name
}

#[test]
fn the_name_of_the_client_is_found_by_its_reverse_name() {
    let name = name_from(|query| {
        assert_eq!(
            (query.name.as_str(), query.kind),
            ("2.2.0.192.in-addr.arpa", PTR)
        );
        vec![query.says_name(b"Mx.Example.ORG")]
    });
    assert_eq!(name, known("mx.example.org"));
}

#[test]
fn strange_bytes_in_a_name_come_out_escaped() {
    let name = name_from(|query| vec![query.says_name(b"we:rd na_me.\xff\0")]);
    assert_eq!(name, known("we\\072rd\\040na_me.\\377\\000"));
}

#[test]
fn an_ipv6_client_is_found_under_ip6_arpa() {
    let dns = Dns::start(|query| {
        let is_it = query.name.starts_with("2.0.0.0.") && query.name.ends_with(".ip6.arpa");
        vec![if is_it {
            query.says_name(b"six.test")
        } else {
            query.refuse(NXDOMAIN)
        }]
    });
    let caller = Caller::start(settings(&[dns.address]));
    let (answer, _) = caller.look_up(&request(1, "2001:db8::2"));
    assert_eq!(answer.remote_name, known("six.test"));
}

#[test]
fn a_delegation_of_part_of_a_network_is_followed() {
    let name = name_from(|query| {
        let cname = record(CNAME, &wire(b"2.0-63.2.0.192.in-addr.arpa"), 300);
        let mut pointer = wire(b"2.0-63.2.0.192.in-addr.arpa");
        pointer.extend(&record(PTR, &wire(b"mx.test"), 300)[2..]);
        vec![query.response(0, &[cname, pointer])]
    });
    assert_eq!(name, known("mx.test"));
}

#[test]
fn no_such_name_is_no_name_at_once() {
    let dns = Dns::start(|query| vec![query.refuse(NXDOMAIN)]);
    let caller = Caller::start(settings(&[dns.address]));
    let (answer, time) = caller.look_up(&request(1, "192.0.2.2"));
    assert_eq!(answer.remote_name, Name::None);
    assert!(time < AT_ONCE, "{time:?}");
}

#[test]
fn what_is_not_asked_for_is_not_looked_up() {
    let dns = Dns::start(|query| vec![query.says_name(b"mx.test")]);
    let caller = Caller::start(settings(&[dns.address]));
    let nothing = Request {
        remote_name: false,
        paranoid: true,
        ..request(7, "192.0.2.2")
    };
    let (answer, _) = caller.look_up(&nothing);
    assert_eq!(answer, nothing.failed());
    assert!(dns.seen().is_empty());
}

fn checked(addresses: &'static [[u8; 4]]) -> Name {
    let dns = Dns::start(|query| {
        vec![match query.kind {
            PTR => query.says_name(b"mx.test"),
            _ => query.says_addresses(addresses),
        }]
    });
    let caller = Caller::start(settings(&[dns.address]));
    let (answer, _) = caller.look_up(&Request {
        paranoid: true,
        ..request(1, "192.0.2.2")
    });
    let last = dns.seen().pop().expect("queries");
    assert_eq!((last.name.as_str(), last.kind), ("mx.test", A));
    answer.remote_name
}

#[test]
fn a_checked_name_is_kept_if_one_of_its_addresses_is_the_clients() {
    assert_eq!(checked(&[[192, 0, 2, 9], [192, 0, 2, 2]]), known("mx.test"));
}

#[test]
fn a_checked_name_with_other_addresses_is_removed() {
    assert_eq!(checked(&[[192, 0, 2, 9]]), Name::None);
    assert_eq!(checked(&[]), Name::None);
}

#[test]
fn a_name_that_reads_like_an_address_does_not_confirm_itself() {
    let dns = Dns::start(|query| {
        vec![match query.kind {
            PTR => query.says_name(b"192.0.2.2"),
            _ => query.refuse(NXDOMAIN),
        }]
    });
    let caller = Caller::start(settings(&[dns.address]));
    let (answer, _) = caller.look_up(&Request {
        paranoid: true,
        ..request(1, "192.0.2.2")
    });
    assert_eq!(answer.remote_name, Name::None);
}

#[test]
fn a_name_that_cannot_be_checked_has_failed() {
    let dns = Dns::start(|query| {
        vec![match query.kind {
            PTR => query.says_name(b"mx.test"),
            _ => query.refuse(SERVFAIL),
        }]
    });
    let caller = Caller::start(settings(&[dns.address]));
    let (answer, _) = caller.look_up(&Request {
        paranoid: true,
        ..request(1, "192.0.2.2")
    });
    assert_eq!(answer.remote_name, Name::Failed);
}

#[test]
fn both_names_are_looked_up_at_the_same_time() {
    let dns = Dns::start(|query| {
        std::thread::sleep(Duration::from_millis(300));
        let first = query.name.split('.').next().unwrap_or_default();
        vec![query.says_name(format!("host{first}.test").as_bytes())]
    });
    let caller = Caller::start(settings(&[dns.address]));
    let both = Request {
        local_name: true,
        ..request(1, "192.0.2.2")
    };
    let (answer, time) = caller.look_up(&both);
    assert_eq!(
        (answer.local_name, answer.remote_name),
        (known("host1.test"), known("host2.test"))
    );
    assert!(time < Duration::from_millis(550), "{time:?}");
}

#[test]
fn name_and_check_together_have_one_deadline() {
    let dns = Dns::start(|query| match query.kind {
        PTR => {
            std::thread::sleep(Duration::from_millis(600));
            vec![query.says_name(b"mx.test")]
        }
        _ => Vec::new(),
    });
    let caller = Caller::start(hurried(&[dns.address]));
    let (answer, time) = caller.look_up(&Request {
        paranoid: true,
        ..request(1, "192.0.2.2")
    });
    assert_eq!(answer.remote_name, Name::Failed);
    assert!(time >= Duration::from_millis(1_000), "{time:?}");
    assert!(time < Duration::from_millis(1_400), "{time:?}");
}

#[test]
fn what_is_known_is_not_asked_again() {
    let dns = Dns::start(|query| vec![query.says_name(b"mx.test")]);
    let caller = Caller::start(settings(&[dns.address]));
    for id in 0..5 {
        let (answer, _) = caller.look_up(&request(id, "192.0.2.2"));
        assert_eq!(answer.remote_name, known("mx.test"));
    }
    assert_eq!(dns.seen().len(), 1);
    caller.look_up(&request(9, "192.0.2.3"));
    assert_eq!(dns.seen().len(), 2);
}

#[test]
fn that_there_is_no_name_and_that_nobody_could_tell_is_kept_too() {
    for code in [NXDOMAIN, SERVFAIL] {
        let dns = Dns::start(move |query| vec![query.refuse(code)]);
        let caller = Caller::start(settings(&[dns.address]));
        let (first, _) = caller.look_up(&request(1, "192.0.2.2"));
        let (second, _) = caller.look_up(&request(2, "192.0.2.2"));
        assert_eq!(first.remote_name, second.remote_name);
        assert_eq!(dns.seen().len(), 1);
    }
}

#[test]
fn that_nobody_could_tell_is_forgotten_after_three_seconds() {
    let dns = Dns::start(|query| vec![query.refuse(SERVFAIL)]);
    let caller = Caller::start(settings(&[dns.address]));
    caller.look_up(&request(1, "192.0.2.2"));
    std::thread::sleep(Duration::from_millis(3_050));
    caller.look_up(&request(2, "192.0.2.2"));
    assert_eq!(dns.seen().len(), 2);
}
