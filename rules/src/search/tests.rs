use super::*;

fn client<'a>(ip: &'a str, host: Option<&'a str>, info: Option<&'a str>) -> Client<'a> {
    Client {
        ip: ip.as_bytes(),
        host: host.map(str::as_bytes),
        info: info.map(str::as_bytes),
    }
}

/// The keys that are asked for when none has a record.
fn keys(client: &Client<'_>) -> Vec<String> {
    let mut asked = Vec::new();
    let decision = decide(client, |key| {
        asked.push(String::from_utf8(key.to_vec()).unwrap());
        Ok(None)
    });
    assert_eq!(
        decision.unwrap(),
        Decision {
            key: None,
            record: Record::default()
        }
    );
    asked
}

/// The key that decides where all of `present` have a record.
fn decides(client: &Client<'_>, present: &[&str]) -> Option<String> {
    let found = decide(client, |key| {
        let there = present.iter().any(|one| one.as_bytes() == key);
        Ok(there.then(|| key.to_vec()))
    });
    let found = found.unwrap();
    assert_eq!(
        found.record.as_bytes(),
        found.key.as_deref().unwrap_or_default()
    );
    found.key.map(|key| String::from_utf8(key).unwrap())
}

#[test]
fn a_client_with_everything_known_is_asked_for_in_nine_steps() {
    assert_eq!(
        keys(&client("1.2.3.4", Some("mx.example.org"), Some("joe"))),
        [
            "joe@1.2.3.4",
            "joe@=mx.example.org",
            "1.2.3.4",
            "=mx.example.org",
            "1.2.3.",
            "1.2.",
            "1.",
            "=.example.org",
            "=.org",
            "=",
            ""
        ]
    );
}

#[test]
fn an_address_alone_is_asked_for_with_its_prefixes_and_the_empty_key() {
    assert_eq!(
        keys(&client("1.2.3.4", None, None)),
        ["1.2.3.4", "1.2.3.", "1.2.", "1.", ""]
    );
}

#[test]
fn information_without_a_host_is_combined_with_the_address_only() {
    assert_eq!(
        keys(&client("1.2.3.4", None, Some("joe")))[..2],
        ["joe@1.2.3.4", "1.2.3.4"]
    );
}

#[test]
fn known_and_empty_is_not_the_same_as_unknown() {
    assert_eq!(
        keys(&client("1.2.3.4", Some(""), Some(""))),
        [
            "@1.2.3.4", "@=", "1.2.3.4", "=", "1.2.3.", "1.2.", "1.", "=", ""
        ]
    );
}

#[test]
fn no_record_at_all_allows_and_names_no_key() {
    let decision = decide(&client("1.2.3.4", None, None), |_| Ok(None)).unwrap();
    assert_eq!(decision.key, None);
    assert_eq!(decision.verdict(), Verdict::Allow);
    assert_eq!(decision.variables().count(), 0);
}

#[test]
fn the_empty_key_is_a_key_and_not_the_default() {
    assert_eq!(
        decides(&client("1.2.3.4", None, None), &[""]),
        Some(String::new())
    );
}

#[test]
fn the_first_key_found_decides_alone() {
    let joe = client("1.2.3.4", Some("mx.example.org"), Some("joe"));
    let all = keys(&joe);
    for first in 0..all.len() {
        let present: Vec<&str> = all[first..].iter().map(String::as_str).collect();
        assert_eq!(decides(&joe, &present).as_ref(), Some(&all[first]));
    }
}

#[test]
fn an_address_prefix_beats_a_host_suffix_and_an_exact_host_beats_a_prefix() {
    let mx = client("1.2.3.4", Some("mx.example.org"), None);
    assert_eq!(decides(&mx, &["=.example.org", "1."]), Some("1.".into()));
    assert_eq!(
        decides(&mx, &["1.2.3.", "=mx.example.org"]),
        Some("=mx.example.org".into())
    );
}

#[test]
fn prefixes_are_cut_at_dots_only() {
    let one = client("10.20.30.40", None, None);
    assert_eq!(decides(&one, &["10", "10.20", "10.2", "10.20.30"]), None);
    assert_eq!(decides(&one, &["10", "10.20."]), Some("10.20.".into()));
}

#[test]
fn information_does_not_combine_with_prefixes_or_suffixes() {
    let joe = client("1.2.3.4", Some("mx.example.org"), Some("joe"));
    assert_eq!(
        decides(&joe, &["joe@1.2.3.", "joe@=.example.org", "joe@"]),
        None
    );
}

#[test]
fn names_are_compared_byte_by_byte() {
    let mx = client("1.2.3.4", Some("mx.example.org"), None);
    assert_eq!(decides(&mx, &["=MX.example.org", "=.Org"]), None);
}

#[test]
fn a_look_up_that_fails_ends_the_search() {
    let mut asked = 0;
    let decision = decide(&client("1.2.3.4", None, None), |_| {
        asked += 1;
        if asked == 2 {
            Err(io::ErrorKind::InvalidData.into())
        } else {
            Ok(None)
        }
    });
    assert_eq!(decision.unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(asked, 2);
}

#[test]
fn the_decision_carries_the_variables_of_the_record_in_order() {
    let decision = decide(&client("1.2.3.4", None, None), |key| {
        Ok(key.is_empty().then(|| b"+B=2\0+A=1\0".to_vec()))
    });
    let decision = decision.unwrap();
    assert_eq!(decision.verdict(), Verdict::Allow);
    assert_eq!(
        decision.variables().collect::<Vec<_>>(),
        [(&b"B"[..], &b"2"[..]), (b"A", b"1")]
    );
}
