use super::*;
use crate::text::{Line, parse};

fn warned(line: &str) -> Vec<Warning> {
    let Ok(Line::Rule(rule)) = parse(line.as_bytes()) else {
        panic!("{line:?} is no rule");
    };
    let mut seen = Vec::new();
    warnings(&rule, |warning| seen.push(warning));
    seen
}

fn why_dead(key: &str) -> Option<Dead> {
    dead(key.as_bytes())
}

#[test]
fn keys_that_clients_have_draw_no_warning() {
    let keys = [
        "",
        "1.2.3.4",
        "0.0.0.0",
        "255.255.255.255",
        "10.",
        "10.0.",
        "192.168.1.",
        "=",
        "=a",
        "=mx.example.org",
        "=.example.org",
        "=.org",
        "=host-name",
        "=1.2.3.4",
        "joe@1.2.3.4",
        "@1.2.3.4",
        "joe@=mx.example.org",
        "a@b@1.2.3.4",
        "x=y@1.2.3.4",
        "joe@=a",
    ];
    for key in keys {
        assert_eq!(why_dead(key), None, "{key:?}");
        assert_eq!(warned(&format!("{key}:deny")), [], "{key:?}");
    }
}

#[test]
fn each_reason_why_no_client_has_a_key_is_told() {
    let dead = [
        (" 1.2.3.4", Dead::Blank),
        ("1.2.3.4 ", Dead::Blank),
        ("1.2.\t", Dead::Blank),
        ("=mx example.org", Dead::Blank),
        ("10", Dead::NoFinalDot),
        ("1.2", Dead::NoFinalDot),
        ("1.2.3", Dead::NoFinalDot),
        ("1.2.3.4.", Dead::FinalDot),
        ("1.02.3.4", Dead::LeadingZero),
        ("00.", Dead::LeadingZero),
        ("1.2.3.256", Dead::Octet),
        ("999.", Dead::Octet),
        ("1.2.3.1000", Dead::Octet),
        ("10.0.0.0/8", Dead::Cidr),
        ("1.2.*", Dead::Wildcard),
        ("=*.example.org", Dead::Wildcard),
        ("1..2.3", Dead::NotAnAddress),
        (".", Dead::NotAnAddress),
        ("1.2.3.4.5", Dead::NotAnAddress),
        ("1.2.3.4.5.", Dead::NotAnAddress),
        ("[1", Dead::NotAnAddress),
        ("host.example.org", Dead::NoEquals),
        ("localhost", Dead::NoEquals),
        ("joe@", Dead::Info),
        ("joe@=", Dead::Info),
        ("joe@1.2.3.", Dead::Info),
        ("joe@1.2.3", Dead::Info),
        ("joe@=.org", Dead::Info),
        ("joe@1.2.3.4.", Dead::FinalDot),
        ("joe@1.2.3.400", Dead::Octet),
        ("joe@=Mx.example.org", Dead::Capital),
        ("=Mx.example.org", Dead::Capital),
        ("=.Org", Dead::Capital),
        ("=mx.example.org.", Dead::HostFinalDot),
        ("=.", Dead::HostFinalDot),
        ("=a..b", Dead::EmptyLabel),
        ("=..a", Dead::EmptyLabel),
    ];
    for (key, why) in dead {
        assert_eq!(why_dead(key), Some(why), "{key:?}");
        assert_eq!(
            warned(&format!("{key}:deny")),
            [Warning::Dead(why)],
            "{key:?}"
        );
    }
}

#[test]
fn whatever_key_the_search_asks_for_is_not_called_dead() {
    let ips = ["1.2.3.4", "255.0.10.199"];
    let hosts = [
        None,
        Some("mx.example.org"),
        Some("a"),
        Some("x-1.y_z.example"),
    ];
    let infos = [None, Some(""), Some("joe"), Some("a b")];
    for ip in ips {
        for host in hosts {
            for info in infos {
                let client = crate::search::Client {
                    ip: ip.as_bytes(),
                    host: host.map(str::as_bytes),
                    info: info.map(str::as_bytes),
                };
                crate::search::decide(&client, |key| {
                    assert_eq!(dead(key), None, "{:?}", String::from_utf8_lossy(key));
                    Ok(None)
                })
                .unwrap();
            }
        }
    }
}

#[test]
fn a_range_that_is_as_it_should_be_draws_no_warning() {
    for line in [
        "1.2.3.5-17:deny",
        "10.2-3.:deny",
        "0-255.:deny",
        "1-2.3.4.5:deny",
    ] {
        assert_eq!(warned(line), [], "{line:?}");
    }
}

#[test]
fn a_range_without_a_number_in_it_is_told() {
    assert_eq!(warned("7.7.7.9-3:deny"), [Warning::RangeReversed]);
    assert_eq!(warned("7.7.7.256-260:deny"), [Warning::RangeAbove]);
    assert_eq!(
        warned("8.8.8.5-:deny"),
        [Warning::RangeAbsent, Warning::RangeReversed]
    );
}

#[test]
fn a_range_that_is_read_otherwise_than_it_is_written_is_told() {
    assert_eq!(warned("1.2.3.250-300:deny"), [Warning::RangeCut]);
    assert_eq!(warned("1.2.3.-7:deny"), [Warning::RangeAbsent]);
    assert_eq!(
        warned("18446744073709551617-3.:deny"),
        [Warning::RangeWrapped]
    );
}

#[test]
fn a_range_of_keys_that_no_client_has_is_told() {
    assert_eq!(warned("10-12:deny"), [Warning::Dead(Dead::NoFinalDot)]);
    assert_eq!(warned("1.2-3.4-5:deny"), [Warning::Dead(Dead::NoEquals)]);
    assert_eq!(warned("1.2.3.4-5.:deny"), [Warning::Dead(Dead::FinalDot)]);
}

#[test]
fn an_odd_name_of_a_variable_is_told_once_a_line() {
    for line in [
        ":allow,=\"x\"",
        ":allow, A=\"x\"",
        ":allow,\"A\"=\"\"",
        ":allow,A,B=\"\",C D=\"\"",
    ] {
        assert_eq!(warned(line), [Warning::VariableName], "{line:?}");
    }
    assert_eq!(warned(":allow,RELAYCLIENT=\"\",A_1=\" \""), []);
}

#[test]
fn warnings_read_as_one_sentence() {
    let text = |warning: Warning| warning.to_string();
    assert_eq!(
        text(Warning::Dead(Dead::NoFinalDot)),
        "the rule matches no client: a part of an address needs a dot at its end (1.2. for all of 1.2)"
    );
    let of_one = Duplicate {
        line: 9,
        earlier: 3,
        keys: 1,
    };
    assert_eq!(
        text(Warning::Duplicate(of_one)),
        "line 3 has the same address and decides: this rule does not"
    );
    assert_eq!(
        text(Warning::Duplicate(Duplicate { keys: 4, ..of_one })),
        "4 addresses of this range stand in earlier lines, which decide: the first in line 3"
    );
}
