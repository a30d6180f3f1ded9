//! Servers that are slow, down, broken or hostile.

use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use dns::servers::Source;
use lookup::settings::Settings;
use lookup::{Answer, Name};

use crate::support::dns::{Dns, PTR, Query, SERVFAIL, record, wire};
use crate::support::{AT_ONCE, Caller, hurried, request, settings};

fn known() -> Name {
    Name::Known(b"mx.test".to_vec())
}

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn look_up(servers: &[SocketAddr]) -> (Name, Duration) {
    look_up_with(settings(servers))
}

fn look_up_hurried(servers: &[SocketAddr]) -> (Name, Duration) {
    look_up_with(hurried(servers))
}

fn look_up_with(settings: Settings) -> (Name, Duration) {
    let caller = Caller::start(settings);
    let (answer, time) = caller.look_up(&request(1, "192.0.2.2"));
    (answer.remote_name, time)
}

fn answered_with(answer: impl Fn(&Query) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Name {
    look_up(&[Dns::start(answer).address]).0
}

/// Another server at the port of `first`.
fn beside(
    first: &Dns,
    address: [u8; 4],
    answer: impl Fn(&Query) -> Vec<Vec<u8>> + Send + Sync + 'static,
) -> Dns {
    Dns::start_at(SocketAddr::from((address, first.address.port())), answer)
}

#[test]
fn a_silent_server_costs_the_deadline_and_no_more() {
    let dns = Dns::start(|_| Vec::new());
    let (name, time) = look_up_hurried(&[dns.address]);
    assert_eq!(name, Name::Failed);
    assert!(time >= milliseconds(1_000), "{time:?}");
    assert!(time < milliseconds(1_400), "{time:?}");
    assert_eq!(dns.seen().len(), 3);
}

#[test]
fn with_the_usual_times_a_silent_server_costs_five_seconds() {
    let dns = Dns::start(|_| Vec::new());
    let (name, time) = look_up(&[dns.address]);
    assert_eq!(name, Name::Failed);
    assert!(time >= milliseconds(5_000), "{time:?}");
    assert!(time < milliseconds(6_000), "{time:?}");
}

#[test]
fn behind_a_silent_server_the_next_one_is_asked_and_remembered() {
    let silent = Dns::start(|_| Vec::new());
    let good = beside(&silent, [127, 0, 0, 2], |query| {
        vec![query.says_name(b"mx.test")]
    });
    let caller = Caller::start(settings(&[silent.address, good.address]));
    let (answer, time) = caller.look_up(&request(1, "192.0.2.2"));
    assert_eq!(answer.remote_name, known());
    assert!(time >= milliseconds(1_000), "{time:?}");
    assert!(time < milliseconds(1_900), "{time:?}");
    let (answer, time) = caller.look_up(&request(2, "192.0.2.3"));
    assert_eq!(answer.remote_name, known());
    assert!(time < AT_ONCE, "the silent one is asked last now: {time:?}");
    assert_eq!(silent.seen().len(), 1);
}

#[test]
fn a_server_that_cannot_answer_fails_at_once() {
    let dns = Dns::start(|query| vec![query.refuse(SERVFAIL)]);
    let (name, time) = look_up(&[dns.address]);
    assert_eq!(name, Name::Failed);
    assert!(time < AT_ONCE, "{time:?}");
    assert_eq!(dns.seen().len(), 1);
}

#[test]
fn behind_a_server_that_cannot_answer_the_next_one_is_asked_at_once() {
    let bad = Dns::start(|query| vec![query.refuse(SERVFAIL)]);
    let good = beside(&bad, [127, 0, 0, 2], |query| {
        vec![query.says_name(b"mx.test")]
    });
    let (name, time) = look_up(&[bad.address, good.address]);
    assert_eq!(name, known());
    assert!(time < AT_ONCE, "{time:?}");
}

#[test]
fn where_nobody_listens_the_next_one_is_asked_at_once() {
    let good = Dns::start(|query| vec![query.says_name(b"mx.test")]);
    let nobody = SocketAddr::from(([127, 0, 0, 3], good.address.port()));
    let (name, time) = look_up(&[nobody, good.address]);
    assert_eq!(name, known());
    assert!(time < AT_ONCE, "{time:?}");
    let (name, time) = look_up(&[nobody]);
    assert_eq!(name, Name::Failed);
    assert!(time < AT_ONCE, "{time:?}");
}

#[test]
fn a_late_answer_to_the_first_try_counts() {
    let dns = Dns::start(|query| {
        std::thread::sleep(milliseconds(1_200));
        vec![query.says_name(b"mx.test")]
    });
    let (name, time) = look_up(&[dns.address]);
    assert_eq!(name, known());
    assert!(
        time < milliseconds(1_900),
        "not only the answer to the second try: {time:?}"
    );
    let seen = dns.seen();
    assert_eq!(
        seen[0].bytes, seen[1].bytes,
        "the second try is the same query"
    );
    assert_eq!(seen[0].client, seen[1].client);
}

#[test]
fn an_answer_that_is_cut_short_is_fetched_by_tcp() {
    let name = answered_with(|query| {
        let mut message = query.says_name(b"mx.test");
        if !query.by_tcp {
            message[2] |= 2;
            message.truncate(message.len() - 4);
        }
        vec![message]
    });
    assert_eq!(name, known());
}

#[test]
fn the_longest_answer_by_tcp_is_read() {
    let name = answered_with(|query| {
        let mut message = query.says_name(b"mx.test");
        if !query.by_tcp {
            message[2] |= 2;
            return vec![message];
        }
        message.resize(usize::from(u16::MAX), 0);
        vec![message]
    });
    assert_eq!(name, known());
}

#[test]
fn a_server_that_is_silent_by_tcp_costs_the_deadline_and_no_more() {
    let dns = Dns::start(|query| {
        let mut message = query.says_name(b"mx.test");
        message[2] |= 2;
        if query.by_tcp {
            Vec::new()
        } else {
            vec![message]
        }
    });
    // The server closes the connection without an answer.
    let (name, time) = look_up(&[dns.address]);
    assert_eq!(name, Name::Failed);
    assert!(time < AT_ONCE, "{time:?}");

    let holding = Dns::start(|query| {
        if query.by_tcp {
            std::thread::sleep(milliseconds(5_000));
        }
        let mut message = query.says_name(b"mx.test");
        message[2] |= 2;
        vec![message]
    });
    let (name, time) = look_up_hurried(&[holding.address]);
    assert_eq!(name, Name::Failed);
    assert!(time >= milliseconds(500), "{time:?}");
    assert!(time < milliseconds(900), "{time:?}");
    assert_eq!(holding.seen().len(), 2, "it is not asked again");
}

#[test]
fn behind_a_server_that_fails_by_tcp_the_next_one_is_asked_at_once() {
    let bad = Dns::start(|query| {
        let mut message = query.says_name(b"mx.test");
        message[2] |= 2;
        if query.by_tcp {
            return Vec::new();
        }
        // Late, so that the other one is being waited for already.
        std::thread::sleep(milliseconds(1_300));
        vec![message]
    });
    let asked = std::sync::atomic::AtomicU32::new(0);
    let good = beside(&bad, [127, 0, 0, 2], move |query| {
        match asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Vec::new(),
            _ => vec![query.says_name(b"mx.test")],
        }
    });
    let (name, time) = look_up(&[bad.address, good.address]);
    assert_eq!(name, known());
    assert!(time < milliseconds(1_900), "{time:?}");
}

#[test]
fn an_answer_that_is_cut_short_even_by_tcp_or_empty_is_a_failure() {
    for empty in [false, true] {
        let name = answered_with(move |query| {
            let mut message = query.says_name(b"mx.test");
            message[2] |= 2;
            vec![if query.by_tcp && empty {
                Vec::new()
            } else {
                message
            }]
        });
        assert_eq!(name, Name::Failed);
    }
}

#[test]
fn answers_to_something_else_are_passed_over() {
    let name = answered_with(|query| {
        let forged = query.says_name(b"forged.test");
        let mut other_id = forged.clone();
        other_id[0] ^= 0x40;
        let mut other_question = forged.clone();
        other_question[13] ^= 1;
        let mut no_response = forged.clone();
        no_response[2] &= 0x7f;
        let good = query.says_name(b"mx.test");
        vec![
            Vec::new(),
            b"\0".to_vec(),
            other_id,
            other_question,
            no_response,
            good,
        ]
    });
    assert_eq!(name, known());
}

#[test]
fn an_answer_from_elsewhere_is_not_heard() {
    let elsewhere = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let name = answered_with(move |query| {
        let forged = query.says_name(b"forged.test");
        elsewhere.send_to(&forged, query.client).expect("sent");
        std::thread::sleep(milliseconds(30));
        vec![query.says_name(b"mx.test")]
    });
    assert_eq!(name, known());
}

#[test]
fn thirty_one_wrong_answers_are_passed_over_and_thirty_two_are_too_many() {
    for (count, expected) in [(31, known()), (32, Name::Failed)] {
        let name = answered_with(move |query| {
            let mut wrong = query.says_name(b"forged.test");
            wrong[0] ^= 1;
            let mut messages = vec![wrong; count];
            messages.push(query.says_name(b"mx.test"));
            messages
        });
        assert_eq!(name, expected, "{count}");
    }
}

#[test]
fn an_answer_that_makes_no_sense_is_a_failure_at_once() {
    let looping = |query: &Query| {
        let at = u8::try_from(query.bytes.len() + 12).expect("a short query");
        vec![query.response(0, &[record(PTR, &[0xc0, at], 300)])]
    };
    assert_eq!(answered_with(looping), Name::Failed);
    let short = |query: &Query| {
        let mut message = query.says_name(b"mx.test");
        message.truncate(message.len() - 4);
        vec![message]
    };
    assert_eq!(answered_with(short), Name::Failed);
    let long = |query: &Query| {
        let pieces = [b'x'; 63];
        let long = [wire(&pieces), wire(&pieces), wire(&pieces), wire(&pieces)].concat();
        let name: Vec<u8> = long.split(|&byte| byte == 0).collect::<Vec<_>>().concat();
        vec![query.response(0, &[record(PTR, &[&name[..], b"\0"].concat(), 300)])]
    };
    assert_eq!(answered_with(long), Name::Failed);
}

#[test]
fn each_question_has_a_port_and_an_identifier_of_its_own() {
    let dns = Dns::start(|query| vec![query.says_name(b"mx.test")]);
    let caller = Caller::start(settings(&[dns.address]));
    for id in 0..20 {
        caller.look_up(&request(id, &format!("192.0.2.{id}")));
    }
    let seen = dns.seen();
    let ports: HashSet<_> = seen.iter().map(|query| query.client.port()).collect();
    let ids: HashSet<_> = seen
        .iter()
        .map(|query| [query.bytes[0], query.bytes[1]])
        .collect();
    assert!(ports.len() >= 18, "{ports:?}");
    assert!(ids.len() >= 18, "{ids:?}");
}

#[test]
fn a_file_of_servers_is_heeded_when_it_changes() {
    let first = Dns::start(|query| vec![query.says_name(b"first.test")]);
    let second = beside(&first, [127, 0, 0, 2], |query| {
        vec![query.says_name(b"second.test")]
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("resolv.conf");
    std::fs::write(&path, "nameserver 127.0.0.1\n").expect("written");
    let caller = Caller::start(Settings {
        servers: Source::File(path.clone()),
        ..settings(&[first.address])
    });
    let name = |answer: Answer| answer.remote_name;
    let (answer, _) = caller.look_up(&request(1, "192.0.2.1"));
    assert_eq!(name(answer), Name::Known(b"first.test".to_vec()));
    std::fs::write(&path, "nameserver 127.0.0.2\n# new\n").expect("written");
    let start = Instant::now();
    std::thread::sleep(milliseconds(2_100));
    let (answer, _) = caller.look_up(&request(2, "192.0.2.2"));
    assert_eq!(
        name(answer),
        Name::Known(b"second.test".to_vec()),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(second.seen().len(), 1);
}
