//! Host words of the command line.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use lookup::settings::Settings;
use lookup::{Family, HostFailure, HostRequest, Trouble, qualify};

use crate::support::dns::{A, Dns, NXDOMAIN, SERVFAIL};
use crate::support::{Caller, hurried, settings};

fn word(text: &str) -> HostRequest {
    HostRequest {
        id: 77,
        word: text.as_bytes().to_vec(),
        family: Family::V4,
    }
}

/// Answers for a few names; searched domains `nope.test` and `search.test`.
fn start() -> (Dns, Caller) {
    let dns = Dns::start(|query| match (query.name.as_str(), query.kind) {
        ("mx.test" | "host.search.test", A) => {
            vec![query.says_addresses(&[[192, 0, 2, 2], [192, 0, 2, 1]])]
        }
        ("servfail.test", _) => vec![query.refuse(SERVFAIL)],
        ("silent.test", _) => Vec::new(),
        ("nodata.test", _) => vec![query.response(0, &[])],
        _ => vec![query.refuse(NXDOMAIN)],
    });
    let qualification = qualify::Source {
        local_domain: Some(b"nope.test search.test".to_vec()),
        ..qualify::Source::default()
    };
    let caller = Caller::start(Settings {
        qualification,
        ..hurried(&[dns.address])
    });
    (dns, caller)
}

fn outcome(text: &str) -> Result<Vec<IpAddr>, HostFailure> {
    let (_dns, caller) = start();
    let answer = caller.look_up_host(&word(text));
    assert_eq!(answer.id, 77);
    answer.outcome
}

fn both() -> Result<Vec<IpAddr>, HostFailure> {
    Ok(["192.0.2.2", "192.0.2.1"]
        .map(|text| text.parse().expect("an address"))
        .to_vec())
}

#[test]
fn the_addresses_come_in_the_order_of_the_answer() {
    assert_eq!(outcome("mx.test"), both());
    assert_eq!(outcome("MX.test."), both());
}

#[test]
fn a_word_without_a_dot_is_searched_for_in_the_local_domains() {
    let (dns, caller) = start();
    assert_eq!(caller.look_up_host(&word("host")).outcome, both());
    let names: Vec<_> = dns.seen().into_iter().map(|query| query.name).collect();
    assert_eq!(names, ["host.nope.test", "host.search.test"]);
}

#[test]
fn a_word_without_addresses_is_not_found() {
    for text in ["nodata.test", "no.such", "host.", "localhost", "127.1", ""] {
        assert_eq!(outcome(text), Err(HostFailure::NotFound), "{text}");
    }
}

#[test]
fn troubles_are_told_apart() {
    let trouble = |trouble| Err(HostFailure::Temporary(trouble));
    assert_eq!(outcome("servfail.test"), trouble(Trouble::ServerFailed));
    assert_eq!(outcome("silent.test"), trouble(Trouble::TimedOut));
    let long = format!("{}.test", "y".repeat(70));
    assert_eq!(outcome(&long), trouble(Trouble::Protocol));
    let nobody = Caller::start(settings(&["127.0.0.4:1".parse().expect("an address")]));
    let answer = nobody.look_up_host(&word("mx.test"));
    assert_eq!(answer.outcome, trouble(Trouble::Refused));
}

#[test]
fn a_word_has_one_deadline_with_all_its_names() {
    let dns = Dns::start(|query| {
        std::thread::sleep(Duration::from_millis(150));
        vec![query.refuse(NXDOMAIN)]
    });
    let qualification = qualify::Source {
        local_domain: Some("a b c d e f g h i".as_bytes().to_vec()),
        ..qualify::Source::default()
    };
    let caller = Caller::start(Settings {
        qualification,
        host_deadline: Duration::from_millis(600),
        ..settings(&[dns.address])
    });
    let start = Instant::now();
    let answer = caller.look_up_host(&word("w"));
    assert_eq!(
        answer.outcome,
        Err(HostFailure::Temporary(Trouble::TimedOut))
    );
    assert!(start.elapsed() >= Duration::from_millis(600));
    assert!(
        start.elapsed() < Duration::from_millis(1_000),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn rules_that_cannot_be_read_are_a_temporary_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let qualification = qualify::Source {
        rewrite_file: folder.path().to_owned(),
        ..qualify::Source::default()
    };
    let caller = Caller::start(Settings {
        qualification,
        ..settings(&[])
    });
    let outcome = caller.look_up_host(&word("mx.test")).outcome;
    let failure = outcome.expect_err("no addresses");
    let message = String::from_utf8(failure.message(b"mx.test")).expect("ASCII");
    let start = "temporarily unable to figure out IP address for mx.test: ";
    assert_eq!(message, format!("{start}is a directory"));
}
