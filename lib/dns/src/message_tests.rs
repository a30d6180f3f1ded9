use super::*;
use domain::base::Ttl;

const ID: u16 = 0x1234;

fn reverse() -> Question {
    Question::name_of("192.0.2.71".parse().expect("an address"))
}

fn forward(name: &str) -> Question {
    let like = "192.0.2.1".parse().expect("an address");
    Question::addresses_like(DnsName::parse(name.as_bytes()).expect("a name"), like)
}

fn name(text: &str) -> Name<Vec<u8>> {
    DnsName::parse(text.as_bytes())
        .expect("a name")
        .as_domain()
        .clone()
}

/// A record for an answer: owner, what it says, time to live.
enum Says {
    Ptr(&'static str),
    Cname(&'static str),
    A([u8; 4]),
    Aaaa(&'static str),
    /// The strings of one record.
    Txt(&'static [&'static [u8]]),
    /// Of the type of PTR, in class CH.
    Chaos(&'static str),
}

fn response(question: &Question, rcode: Rcode, records: &[(&str, Says, u32)]) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(ID);
    builder.header_mut().set_qr(true);
    builder.header_mut().set_rcode(rcode);
    let mut section = builder.question();
    section
        .push((question.name.as_domain(), question.kind.rtype(), Class::IN))
        .expect("room");
    let mut section = section.answer();
    for (owner, says, ttl) in records {
        let (owner, ttl) = (name(owner), Ttl::from_secs(*ttl));
        match says {
            Says::Ptr(to) => section.push((owner, Class::IN, ttl, Ptr::new(name(to)))),
            Says::Chaos(to) => section.push((owner, Class::CH, ttl, Ptr::new(name(to)))),
            Says::Cname(to) => section.push((owner, Class::IN, ttl, Cname::new(name(to)))),
            Says::A(octets) => section.push((owner, Class::IN, ttl, A::new((*octets).into()))),
            Says::Aaaa(text) => {
                let address = text.parse().expect("an address");
                section.push((owner, Class::IN, ttl, Aaaa::new(address)))
            }
            Says::Txt(strings) => {
                let data = strings.iter().flat_map(|string| {
                    let length = u8::try_from(string.len()).expect("a short string");
                    [&[length], *string].concat()
                });
                let data: Vec<u8> = data.collect();
                let data = Txt::from_octets(data).expect("strings");
                section.push((owner, Class::IN, ttl, data))
            }
        }
        .expect("room");
    }
    section.finish()
}

const OWNER: &str = "71.2.0.192.in-addr.arpa";

fn answered_name(message: &[u8]) -> Option<String> {
    match examine(message, ID, &reverse()) {
        Verdict::Answer(Found::Name(name), _) => {
            name.map(|name| String::from_utf8(name.to_text()).expect("ASCII"))
        }
        other => panic!("{other:?}"),
    }
}

fn ttl(verdict: &Verdict) -> u64 {
    match verdict {
        Verdict::Answer(_, ttl) => ttl.as_secs(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_query_is_a_header_with_recursion_desired_and_the_question() {
    let mut expected = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0".to_vec();
    expected.extend(b"\x0271\x012\x010\x03192\x07in-addr\x04arpa\0\0\x0c\0\x01");
    assert_eq!(query(&reverse(), ID), expected);
}

#[test]
fn the_first_pointer_of_the_name_counts() {
    let records = [
        ("elsewhere.test", Says::Ptr("wrong.test"), 300),
        (OWNER, Says::Chaos("chaos.test"), 300),
        (OWNER, Says::Ptr("Mx.Example.ORG"), 300),
        (OWNER, Says::Ptr("second.test"), 5),
    ];
    let message = response(&reverse(), Rcode::NOERROR, &records);
    assert_eq!(answered_name(&message), Some("mx.example.org".into()));
    assert_eq!(ttl(&examine(&message, ID, &reverse())), 300);
}

#[test]
fn a_delegation_of_part_of_a_network_is_followed_in_any_order_of_the_records() {
    let records = [
        (
            "71.64-127.2.0.192.in-addr.arpa",
            Says::Ptr("mx.example.org"),
            300,
        ),
        (OWNER, Says::Cname("71.64-127.2.0.192.in-addr.arpa"), 60),
    ];
    let message = response(&reverse(), Rcode::NOERROR, &records);
    assert_eq!(answered_name(&message), Some("mx.example.org".into()));
    assert_eq!(ttl(&examine(&message, ID, &reverse())), 60);
}

fn chain(links: usize) -> Vec<u8> {
    // Named on the fly, so the records are built by hand here.
    let mut message = query(&reverse(), ID);
    message[2] |= 0x80;
    message[7] = u8::try_from(links + 1).expect("few links");
    let mut owner = b"\xc0\x0c".to_vec();
    for link in 0..links {
        let target = [&[3u8][..], format!("c{link:02}").as_bytes(), &[0]].concat();
        message.extend(&owner);
        message.extend(b"\0\x05\0\x01\0\0\0\x3c\0\x05");
        message.extend(&target);
        owner = target;
    }
    message.extend(&owner);
    message.extend(b"\0\x0c\0\x01\0\0\0\x3c\0\x05\x03end\0");
    message
}

#[test]
fn a_chain_of_sixteen_links_is_followed_and_a_longer_one_is_a_failure() {
    assert_eq!(answered_name(&chain(0)), Some("end".into()));
    assert_eq!(answered_name(&chain(CHAIN_LIMIT)), Some("end".into()));
    assert_eq!(
        examine(&chain(CHAIN_LIMIT + 1), ID, &reverse()),
        Verdict::Failed
    );
}

#[test]
fn a_chain_that_goes_round_in_circles_is_a_failure() {
    let records = [
        (OWNER, Says::Cname("loop.test"), 60),
        ("loop.test", Says::Cname(OWNER), 60),
        (OWNER, Says::Ptr("mx.example.org"), 60),
    ];
    let message = response(&reverse(), Rcode::NOERROR, &records);
    assert_eq!(examine(&message, ID, &reverse()), Verdict::Failed);
}

#[test]
fn no_such_name_and_no_record_of_the_kind_are_both_no_name() {
    assert_eq!(
        answered_name(&response(&reverse(), Rcode::NXDOMAIN, &[])),
        None
    );
    assert_eq!(
        answered_name(&response(&reverse(), Rcode::NOERROR, &[])),
        None
    );
    let other = [(OWNER, Says::A([9, 9, 9, 9]), 300)];
    assert_eq!(
        answered_name(&response(&reverse(), Rcode::NOERROR, &other)),
        None
    );
}

#[test]
fn a_server_that_cannot_answer_has_failed() {
    for rcode in [
        Rcode::SERVFAIL,
        Rcode::REFUSED,
        Rcode::NOTIMP,
        Rcode::FORMERR,
    ] {
        let message = response(&reverse(), rcode, &[(OWNER, Says::Ptr("mx.test"), 9)]);
        assert_eq!(
            examine(&message, ID, &reverse()),
            Verdict::Failed,
            "{rcode}"
        );
    }
}

#[test]
fn what_does_not_answer_this_query_is_passed_over() {
    let good = response(
        &reverse(),
        Rcode::NOERROR,
        &[(OWNER, Says::Ptr("mx.test"), 9)],
    );
    assert_eq!(examine(&good, ID ^ 1, &reverse()), Verdict::NotOurs);
    assert_eq!(
        examine(&query(&reverse(), ID), ID, &reverse()),
        Verdict::NotOurs
    );
    let other = Question::name_of("192.0.2.72".parse().expect("an address"));
    assert_eq!(examine(&good, ID, &other), Verdict::NotOurs);
    let other = Question {
        kind: Kind::Ipv4,
        ..reverse()
    };
    assert_eq!(examine(&good, ID, &other), Verdict::NotOurs);
    let mut notify = good.clone();
    notify[2] |= 4 << 3;
    assert_eq!(examine(&notify, ID, &reverse()), Verdict::NotOurs);
    let mut none_asked = good.clone();
    none_asked[5] = 0;
    assert_eq!(examine(&none_asked, ID, &reverse()), Verdict::NotOurs);
    for length in [0, 1, 11, 12, 20] {
        assert_eq!(examine(&good[..length], ID, &reverse()), Verdict::NotOurs);
    }
}

#[test]
fn the_case_of_the_question_in_the_response_does_not_matter() {
    let mut message = response(
        &reverse(),
        Rcode::NOERROR,
        &[(OWNER, Says::Ptr("mx.test"), 9)],
    );
    let at = message
        .windows(7)
        .position(|part| part == b"in-addr")
        .expect("the question");
    message[at..at + 7].copy_from_slice(b"In-AdDr");
    assert_eq!(answered_name(&message), Some("mx.test".into()));
}

#[test]
fn a_response_that_is_cut_short_is_told_before_its_records_are_looked_at() {
    let mut message = response(
        &reverse(),
        Rcode::NOERROR,
        &[(OWNER, Says::Ptr("mx.test"), 9)],
    );
    message[2] |= 2;
    message.truncate(message.len() - 3);
    assert_eq!(examine(&message, ID, &reverse()), Verdict::Truncated);
    message[2] &= !2;
    assert_eq!(examine(&message, ID, &reverse()), Verdict::Failed);
}

#[test]
fn a_name_that_points_at_itself_or_forwards_is_a_failure() {
    let mut message = query(&reverse(), ID);
    message[2] |= 0x80;
    message[7] = 1;
    let data = u8::try_from(message.len() + 12).expect("a short message");
    for pointer in [data, data + 2, 0xff] {
        let mut looping = message.clone();
        looping.extend(b"\xc0\x0c\0\x0c\0\x01\0\0\0\x3c\0\x02");
        looping.extend([0xc0, pointer]);
        assert_eq!(
            examine(&looping, ID, &reverse()),
            Verdict::Failed,
            "{pointer}"
        );
    }
}

#[test]
fn the_addresses_come_in_the_order_of_the_answer_and_with_the_least_time() {
    let records = [
        ("mx.test", Says::Cname("real.test"), 900),
        ("real.test", Says::A([192, 0, 2, 2]), 700),
        ("mx.test", Says::A([9, 9, 9, 9]), 1),
        ("real.test", Says::Aaaa("2001:db8::1"), 1),
        ("real.test", Says::A([192, 0, 2, 1]), 800),
    ];
    let message = response(&forward("MX.test"), Rcode::NOERROR, &records);
    let list = ["192.0.2.2", "192.0.2.1"]
        .map(|text| text.parse().expect("an address"))
        .to_vec();
    let expected = Verdict::Answer(Found::Addresses(list), Duration::from_secs(700));
    assert_eq!(examine(&message, ID, &forward("mx.test")), expected);
}

#[test]
fn addresses_of_the_other_family_are_asked_for_by_aaaa() {
    let like: IpAddr = "2001:db8::1".parse().expect("an address");
    let question = Question::addresses_like(DnsName::parse(b"mx.test").expect("a name"), like);
    let records = [
        ("mx.test", Says::A([9, 9, 9, 9]), 9),
        ("mx.test", Says::Aaaa("2001:db8::1"), 9),
    ];
    let message = response(&question, Rcode::NOERROR, &records);
    let expected = Verdict::Answer(Found::Addresses(vec![like]), Duration::from_secs(9));
    assert_eq!(examine(&message, ID, &question), expected);
}

#[test]
fn sixty_four_addresses_are_kept_and_no_more() {
    for (count, kept) in [
        (ADDRESSES_LIMIT, ADDRESSES_LIMIT),
        (ADDRESSES_LIMIT + 1, ADDRESSES_LIMIT),
    ] {
        let records: Vec<_> = (0..count)
            .map(|last| ("mx.test", Says::A([192, 0, 2, last.to_le_bytes()[0]]), 9))
            .collect();
        let message = response(&forward("mx.test"), Rcode::NOERROR, &records);
        let Verdict::Answer(Found::Addresses(list), _) = examine(&message, ID, &forward("mx.test"))
        else {
            panic!("an answer");
        };
        assert_eq!(list.len(), kept);
    }
}

fn text_of(name: &str) -> Question {
    Question {
        kind: Kind::Text,
        ..forward(name)
    }
}

#[test]
fn the_texts_of_a_name_come_one_behind_the_other_and_raw() {
    let records = [
        ("4.3.2.1.list.test", Says::Cname("real.test"), 900),
        ("real.test", Says::Txt(&[b"one ", b"", b"t\xffo"]), 700),
        ("real.test", Says::A([127, 0, 0, 2]), 1),
        ("4.3.2.1.list.test", Says::Txt(&[b"wrong"]), 1),
        ("real.test", Says::Txt(&[b"\nthree"]), 800),
    ];
    let question = text_of("4.3.2.1.list.test");
    let message = response(&question, Rcode::NOERROR, &records);
    let expected = Found::Text(b"one t\xffo\nthree".to_vec());
    assert_eq!(
        examine(&message, ID, &question),
        Verdict::Answer(expected, Duration::from_secs(700))
    );
    let none = response(&question, Rcode::NXDOMAIN, &[]);
    let Verdict::Answer(found, _) = examine(&none, ID, &question) else {
        panic!("an answer");
    };
    assert!(found.is_nothing());
}

#[test]
fn a_thousand_and_twenty_four_bytes_of_text_are_kept_and_no_more() {
    let whole: &[&[u8]] = &[&[b'x'; 255], &[b'y'; 255], &[b'z'; 255], &[b'a'; 255]];
    let lasts: [(&[&[u8]], usize); 3] = [
        (&[b"123"], 1_023),
        (&[b"1234"], 1_024),
        (&[b"12345"], 1_024),
    ];
    for (last, kept) in lasts {
        let records = [
            ("mx.test", Says::Txt(whole), 9),
            ("mx.test", Says::Txt(last), 9),
        ];
        let question = text_of("mx.test");
        let message = response(&question, Rcode::NOERROR, &records);
        let Verdict::Answer(Found::Text(text), _) = examine(&message, ID, &question) else {
            panic!("an answer");
        };
        assert_eq!(text.len(), kept);
    }
}

#[test]
fn a_text_that_is_longer_than_its_record_is_a_failure() {
    let question = text_of("mx.test");
    let records = [("mx.test", Says::Txt(&[b"abc"]), 9)];
    let mut message = response(&question, Rcode::NOERROR, &records);
    let at = message.len() - 4;
    assert_eq!(message[at], 3);
    message[at] = 4;
    assert_eq!(examine(&message, ID, &question), Verdict::Failed);
}

#[test]
fn no_byte_of_an_answer_can_be_changed_into_a_panic() {
    let records = [
        (OWNER, Says::Cname("71.64-127.2.0.192.in-addr.arpa"), 60),
        (
            "71.64-127.2.0.192.in-addr.arpa",
            Says::Ptr("mx.example.org"),
            300,
        ),
    ];
    let good = response(&reverse(), Rcode::NOERROR, &records);
    for at in 0..good.len() {
        for value in 0..=255 {
            let mut bad = good.clone();
            bad[at] = value;
            let _ = examine(&bad, ID, &reverse());
        }
        let _ = examine(&good[..at], ID, &reverse());
    }
}
