//! Many requests at once, and how the process ends.

use std::time::Duration;

use lookup::settings::Settings;
use lookup::{Name, Request};

use crate::support::dns::Dns;
use crate::support::ident::Ident;
use crate::support::{Caller, request, settings};

fn address(number: u64) -> String {
    format!("10.1.{}.{}", number / 250, number % 250)
}

#[test]
fn the_same_question_of_many_connections_is_asked_once() {
    let dns = Dns::start(|query| {
        std::thread::sleep(Duration::from_millis(50));
        vec![query.says_name(b"mx.test")]
    });
    let caller = Caller::start(settings(&[dns.address]));
    for id in 0..100 {
        caller.send(&request(id, "192.0.2.2").encode());
    }
    let answers = caller.receive_all(100);
    let is_right = |name: &Name| *name == Name::Known(b"mx.test".to_vec());
    assert!(answers.values().all(|answer| is_right(&answer.remote_name)));
    assert_eq!(dns.seen().len(), 1);
}

#[test]
fn many_connections_at_once_each_get_their_own_answer() {
    let dns = Dns::start(|query| {
        let parts: Vec<_> = query.name.split('.').collect();
        vec![query.says_name(format!("host-{}-{}.test", parts[1], parts[0]).as_bytes())]
    });
    let caller = Caller::start(settings(&[dns.address]));
    let mut answers = std::collections::HashMap::new();
    // In rounds, because the test's own server has a small receive buffer.
    for round in 0..10 {
        for id in round * 50..(round + 1) * 50 {
            caller.send(&request(id, &address(id)).encode());
        }
        answers.extend(caller.receive_all(50));
    }
    for (id, answer) in answers {
        let text = format!("host-{}-{}.test", id / 250, id % 250);
        assert_eq!(answer.remote_name, Name::Known(text.into_bytes()));
    }
}

#[test]
fn what_comes_beyond_the_limit_has_failed_at_once_and_room_comes_back() {
    let dns = Dns::start(|query| {
        std::thread::sleep(Duration::from_millis(100));
        vec![query.says_name(b"mx.test")]
    });
    let caller = Caller::start(Settings {
        requests_limit: 4,
        ..settings(&[dns.address])
    });
    for id in 0..5 {
        caller.send(&request(id, &address(id)).encode());
    }
    let first = caller.receive_answer();
    assert_eq!((first.id, first.remote_name), (4, Name::Failed));
    let answers = caller.receive_all(4);
    assert!(
        answers
            .values()
            .all(|answer| answer.remote_name == Name::Known(b"mx.test".to_vec()))
    );
    let (answer, _) = caller.look_up(&request(9, &address(9)));
    assert_eq!(answer.remote_name, Name::Known(b"mx.test".to_vec()));
}

#[test]
fn a_caller_that_does_not_read_loses_nothing() {
    let dns = Dns::start(|query| vec![query.says_name(b"mx.test")]);
    let caller = Caller::start(settings(&[dns.address]));
    caller.look_up(&request(0, "192.0.2.2"));
    let mut sent = 0;
    let mut refusals = 0;
    // Until both directions are full: nothing has been taken for a while.
    while refusals < 20 {
        if caller.try_send(&request(sent, "192.0.2.2").encode()) {
            (sent, refusals) = (sent + 1, 0);
        } else {
            refusals += 1;
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(sent < 10_000, "the process hoards answers");
    }
    assert!(sent > 300, "{sent}");
    let answers = caller.receive_all(usize::try_from(sent).expect("a count"));
    assert!((0..sent).all(|id| answers.contains_key(&id)));
    caller.look_up(&request(sent, "192.0.2.2"));
}

#[test]
fn a_thousand_connections_with_names_and_ident_are_all_answered() {
    let ident = Ident::start(|_, stream| {
        let _ = std::io::Write::write_all(stream, b"1,2:USERID:UNIX:joe\r\n");
    });
    let dns = Dns::start(|query| vec![query.says_name(b"mx.test")]);
    let caller = Caller::start(Settings {
        ident_port: ident.port,
        ..settings(&[dns.address])
    });
    let mut joes = 0;
    for round in 0..10 {
        for id in round * 100..(round + 1) * 100 {
            let wanted = Request {
                local_name: true,
                ident: Some(Duration::from_secs(5)),
                ..request(id, &format!("127.0.1.{}", id % 10))
            };
            caller.send(&wanted.encode());
        }
        let answers = caller.receive_all(100);
        joes += answers
            .values()
            .filter(|answer| answer.info == Some(b"joe".to_vec()))
            .count();
    }
    assert_eq!(joes, 1_000);
}

#[test]
fn the_process_ends_when_its_caller_does() {
    let caller = Caller::start(settings(&[]));
    caller.close().expect("a quiet end");
}

#[test]
fn the_process_ends_with_its_caller_even_when_answers_are_outstanding() {
    let silent = Dns::start(|_| Vec::new());
    let caller = Caller::start(settings(&[silent.address]));
    caller.send(&request(1, "192.0.2.2").encode());
    std::thread::sleep(Duration::from_millis(50));
    caller.close().expect("a quiet end");
}

#[test]
fn a_record_that_cannot_be_read_ends_the_process() {
    for record in [&b"\x02C"[..], b"x", &[1; 5_000]] {
        let caller = Caller::start(settings(&[]));
        caller.send(record);
        let error = caller.join().expect_err("an error");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    }
}
