use super::*;
use crate::ident::INFO_LIMIT;
use dns::name::{DnsName, TEXT_LIMIT};

fn request() -> Request {
    Request {
        id: 0x0102_0304_0506_0708,
        remote_name: true,
        paranoid: false,
        local_name: true,
        ident: Some(Duration::from_secs(26)),
        local: "192.0.2.1:25".parse().expect("an address"),
        remote: "192.0.2.2:50559".parse().expect("an address"),
    }
}

fn answer() -> Answer {
    Answer {
        id: 7,
        local_name: Name::NotAsked,
        remote_name: Name::Known(b"mx.example.org".to_vec()),
        info: Some(b"joe".to_vec()),
    }
}

#[test]
fn a_request_has_these_bytes_and_is_read_back() {
    let bytes = request().encode();
    let mut expected = b"\x01C\x01\x02\x03\x04\x05\x06\x07\x08\x0d\0\0\x65\x90".to_vec();
    expected.extend(b"\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01\0\x19\0\0\0\0");
    expected.extend(b"\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x02\xc5\x7f\0\0\0\0");
    assert_eq!(bytes, expected);
    assert_eq!(Request::decode(&bytes), Ok(request()));
}

#[test]
fn every_combination_of_wishes_and_both_families_come_through() {
    let scoped = SocketAddrV6::new("fe80::1".parse().expect("an address"), 113, 0, 5);
    for wishes in 0..16 {
        let request = Request {
            remote_name: wishes & 1 != 0,
            paranoid: wishes & 2 != 0,
            local_name: wishes & 4 != 0,
            ident: (wishes & 8 != 0).then_some(Duration::from_millis(1_500)),
            local: scoped.into(),
            ..request()
        };
        assert_eq!(Request::decode(&request.encode()), Ok(request));
    }
}

#[test]
fn an_ident_time_beyond_what_fits_becomes_the_longest_there_is() {
    let request = Request {
        ident: Some(Duration::MAX),
        ..request()
    };
    let read = Request::decode(&request.encode()).expect("a request");
    assert_eq!(read.ident, Some(Duration::from_millis(u64::from(u32::MAX))));
}

#[test]
fn an_answer_has_these_bytes_and_is_read_back() {
    let bytes = answer().encode();
    let mut expected = b"\x01c\0\0\0\0\0\0\0\x07\x00\x02\0\x0emx.example.org".to_vec();
    expected.extend(b"\x01\0\x03joe");
    assert_eq!(bytes, expected);
    assert_eq!(Answer::decode(&bytes), Ok(answer()));
}

#[test]
fn the_longest_answer_fits_a_message() {
    let long = [b'%'; 63];
    let text = [&long[..], b".", &long, b".", &long, b".", &long[..61]].concat();
    let text = DnsName::parse(&text).expect("a name").to_text();
    assert_eq!(text.len(), TEXT_LIMIT);
    let answer = Answer {
        id: u64::MAX,
        local_name: Name::Known(text.clone()),
        remote_name: Name::Known(text),
        info: Some(vec![b'x'; INFO_LIMIT]),
    };
    let bytes = answer.encode();
    assert!(bytes.len() <= MESSAGE_LIMIT);
    assert_eq!(Answer::decode(&bytes), Ok(answer));
    let full = vec!["2001:db8::1".parse().expect("an address"); ADDRESSES_LIMIT];
    assert!(
        HostAnswer {
            id: 0,
            outcome: Ok(full)
        }
        .encode()
        .len()
            <= MESSAGE_LIMIT
    );
    let word = vec![b'x'; WORD_LIMIT];
    let request = HostRequest {
        id: 0,
        word,
        family: Family::V4,
    };
    assert!(request.encode().expect("just short enough").len() <= MESSAGE_LIMIT);
}

#[test]
fn a_name_or_information_that_cannot_be_is_not_sent() {
    let bad = Answer {
        local_name: Name::Known(b"no:name".to_vec()),
        remote_name: Name::Known(vec![b'x'; TEXT_LIMIT + 1]),
        info: Some(vec![b'x'; INFO_LIMIT + 1]),
        ..answer()
    };
    let read = Answer::decode(&bad.encode()).expect("an answer");
    assert_eq!(
        (read.local_name, read.remote_name, read.info),
        (Name::None, Name::None, None)
    );
}

#[test]
fn a_name_or_information_that_cannot_be_is_not_accepted() {
    for (good, bad) in [
        (&b"mx.example"[..], &b"mx:example"[..]),
        (b"mx", b"mX"),
        (b"joe", b"j\0e"),
    ] {
        let mut bytes = answer().encode();
        let at = bytes
            .windows(good.len())
            .position(|part| part == good)
            .expect("it is there");
        bytes[at..at + bad.len()].copy_from_slice(bad);
        assert_eq!(
            Answer::decode(&bytes),
            Err(Malformed),
            "{}",
            bad.escape_ascii()
        );
    }
}

#[test]
fn a_host_request_comes_through_up_to_the_limit_of_its_word() {
    for family in [Family::V4, Family::V6] {
        let request = HostRequest {
            id: 3,
            word: b"mx.example.org".to_vec(),
            family,
        };
        let bytes = request.encode().expect("a short word");
        assert_eq!(Incoming::decode(&bytes), Ok(Incoming::Host(request)));
    }
    let long = HostRequest {
        id: 3,
        word: vec![b'x'; WORD_LIMIT + 1],
        family: Family::V4,
    };
    assert_eq!(long.encode(), None);
    let mut bytes = b"\x01H\0\0\0\0\0\0\0\x03\x04\x04\x01".to_vec();
    bytes.extend(vec![b'x'; WORD_LIMIT + 1]);
    assert_eq!(Incoming::decode(&bytes), Err(Malformed));
}

#[test]
fn every_outcome_of_a_host_word_comes_through() {
    let troubles = [
        Trouble::TimedOut,
        Trouble::ServerFailed,
        Trouble::Refused,
        Trouble::Protocol,
        Trouble::Busy,
        Trouble::System(101),
    ];
    let addresses = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().expect("an address"));
    let mut outcomes = vec![Ok(addresses.to_vec()), Err(HostFailure::NotFound)];
    outcomes.extend(troubles.map(|trouble| Err(HostFailure::Temporary(trouble))));
    for outcome in outcomes {
        let answer = HostAnswer { id: 9, outcome };
        assert_eq!(Reply::decode(&answer.encode()), Ok(Reply::Host(answer)));
    }
}

#[test]
fn the_addresses_of_an_answer_are_at_least_one_and_at_most_the_limit() {
    let address: IpAddr = "192.0.2.1".parse().expect("an address");
    let full = HostAnswer {
        id: 9,
        outcome: Ok(vec![address; ADDRESSES_LIMIT]),
    };
    let mut bytes = full.encode();
    assert_eq!(Reply::decode(&bytes), Ok(Reply::Host(full)));
    bytes[11] += 1;
    put_address(&mut bytes, address);
    assert_eq!(Reply::decode(&bytes), Err(Malformed));
    let over = HostAnswer {
        id: 9,
        outcome: Ok(vec![address; ADDRESSES_LIMIT + 1]),
    };
    assert!(Reply::decode(&over.encode()).is_ok());
    assert_eq!(
        Reply::decode(b"\x01h\0\0\0\0\0\0\0\x09\0\0"),
        Err(Malformed)
    );
}

#[test]
fn a_record_that_is_cut_short_or_too_long_is_refused() {
    let records = [
        request().encode(),
        answer().encode(),
        HostRequest {
            id: 1,
            word: b"x".to_vec(),
            family: Family::V4,
        }
        .encode()
        .expect("short"),
        HostAnswer {
            id: 1,
            outcome: Err(HostFailure::Temporary(Trouble::Busy)),
        }
        .encode(),
    ];
    let is_refused =
        |bytes: &[u8]| Incoming::decode(bytes).is_err() && Reply::decode(bytes).is_err();
    for record in records {
        assert!(!is_refused(&record));
        for length in 0..record.len() {
            assert!(is_refused(&record[..length]));
        }
        assert!(is_refused(&[&record[..], b"\0"].concat()));
    }
}

#[test]
fn another_version_or_kind_and_unknown_wishes_are_refused() {
    for (at, value) in [(0, 2), (1, b'X'), (10, 0x10), (15, 5), (37, 1)] {
        let mut bytes = request().encode();
        bytes[at] = value;
        assert_eq!(Request::decode(&bytes), Err(Malformed), "byte {at}");
    }
    let mut bytes = Request {
        ident: None,
        ..request()
    }
    .encode();
    bytes[14] = 1;
    assert_eq!(Request::decode(&bytes), Err(Malformed));
}

#[test]
fn no_bytes_can_make_the_reader_panic() {
    for record in [request().encode(), answer().encode()] {
        for at in 0..record.len() {
            for value in 0..=255 {
                let mut bad = record.clone();
                bad[at] = value;
                let _ = (Incoming::decode(&bad), Reply::decode(&bad));
            }
        }
    }
}

#[test]
fn failures_of_a_host_word_are_told_in_the_originals_words() {
    assert_eq!(
        HostFailure::NotFound.message(b"mx"),
        b"no IP address for mx"
    );
    assert_eq!(
        HostFailure::Temporary(Trouble::TimedOut).message(b"x.y"),
        b"temporarily unable to figure out IP address for x.y: timed out"
    );
}

#[test]
fn where_nobody_could_be_asked_what_was_asked_for_has_failed() {
    let failed = Request {
        local_name: false,
        ..request()
    }
    .failed();
    assert_eq!(
        (failed.local_name, failed.remote_name),
        (Name::NotAsked, Name::Failed)
    );
    assert_eq!(failed.info, None);
}
