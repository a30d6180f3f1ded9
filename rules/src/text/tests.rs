use super::*;

fn rule(line: &str) -> Rule<'_> {
    match parse(line.as_bytes()) {
        Ok(Line::Rule(rule)) => rule,
        other => panic!("{line:?} is no rule: {other:?}"),
    }
}

fn keys(line: &str) -> Vec<String> {
    match rule(line).address() {
        Address::Literal(key) => vec![String::from_utf8_lossy(key).into()],
        Address::Range(range) => {
            let mut key = Vec::new();
            let mut keys = Vec::new();
            for number in range.numbers() {
                range.key(number, &mut key);
                keys.push(String::from_utf8_lossy(&key).into());
            }
            keys
        }
    }
}

fn variables(line: &str) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    rule(line)
        .variables()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

fn fault(line: &[u8]) -> (FaultKind, usize) {
    match parse(line) {
        Err(fault) => (fault.kind, fault.column),
        other => panic!("{line:?} is read: {other:?}"),
    }
}

#[test]
fn blank_lines_and_comments_say_nothing() {
    for line in ["", "\n", " \t \n", "#", "# 1.2.3.4:denyx", "#\r"] {
        assert_eq!(parse(line.as_bytes()), Ok(Line::Nothing), "{line:?}");
    }
}

#[test]
fn a_line_without_a_colon_is_no_fault() {
    for line in ["1.2.3.4 deny", "  # indented", "\r\n", "deny", "1-x"] {
        assert_eq!(parse(line.as_bytes()), Ok(Line::NoColon), "{line:?}");
    }
}

#[test]
fn an_indented_comment_with_a_colon_is_a_rule_that_cannot_be_read() {
    assert_eq!(fault(b" # note: this").0, FaultKind::Action);
}

#[test]
fn the_address_is_everything_before_the_first_colon_blanks_included() {
    assert_eq!(keys(" 1.1.1.1:deny"), [" 1.1.1.1"]);
    assert_eq!(keys(":allow"), [""]);
    assert_eq!(keys("joe@=mx.example.org:allow"), ["joe@=mx.example.org"]);
    assert_eq!(keys("10.0.0.0/8:deny"), ["10.0.0.0/8"]);
}

#[test]
fn the_action_is_exact_and_lower_case() {
    assert_eq!(rule("1.2.3.4:deny").verdict, Verdict::Deny);
    assert_eq!(rule("1.2.3.4:allow").verdict, Verdict::Allow);
    for line in [
        "1.2.3.4:Deny",
        "1.2.3.4: deny",
        "1.2.3.4:",
        "1.2.3.4:den",
        "::allow",
    ] {
        assert_eq!(fault(line.as_bytes()).0, FaultKind::Action, "{line:?}");
    }
}

#[test]
fn after_the_action_only_a_comma_or_the_end_may_come() {
    let lines = [
        "1.2.3.4:allowed",
        "1.2.3.4:denyx",
        "1.2.3.4:allow ,A=\"1\"",
        "1.2.3.4:deny:",
        "x:denyallow",
    ];
    for line in lines {
        assert_eq!(fault(line.as_bytes()).0, FaultKind::AfterAction, "{line:?}");
    }
}

#[test]
fn spaces_tabs_and_the_newline_are_trimmed_at_the_end_and_a_carriage_return_is_not() {
    assert_eq!(rule("1.2.3.4:deny \t \n").verdict, Verdict::Deny);
    for tail in ["\r\n", "\x0b", "\x0c"] {
        let line = format!("1.2.3.4:deny{tail}");
        assert_eq!(fault(line.as_bytes()).0, FaultKind::AfterAction, "{line:?}");
    }
}

#[test]
fn variables_keep_their_order_and_take_any_byte_as_delimiter() {
    assert_eq!(
        variables(":allow,A=\"1\",B='x \"y\"',C==c=,D=,d,,E=:e:"),
        pairs(&[
            ("A", "1"),
            ("B", "x \"y\""),
            ("C", "c"),
            ("D", "d"),
            ("E", "e")
        ])
    );
    assert_eq!(
        variables(":deny,DIEMSG=/421 no, sorry: busy/"),
        pairs(&[("DIEMSG", "421 no, sorry: busy")])
    );
}

#[test]
fn the_name_runs_to_the_next_equals_sign_whatever_it_contains() {
    assert_eq!(variables(":allow, A=\"x\""), pairs(&[(" A", "x")]));
    assert_eq!(variables(":allow,=\"x\""), pairs(&[("", "x")]));
    assert_eq!(variables(":allow,\"A\",B=xyx"), pairs(&[("\"A\",B", "y")]));
}

#[test]
fn a_value_may_be_empty_and_two_may_have_one_name() {
    assert_eq!(
        variables(":allow,A=\"\",A=\"2\""),
        pairs(&[("A", ""), ("A", "2")])
    );
}

#[test]
fn there_is_no_escape_character() {
    assert_eq!(fault(b":allow,A=\"x\\\"y\"").0, FaultKind::AfterValue);
}

#[test]
fn a_space_as_delimiter_works_unless_the_closing_one_is_trimmed() {
    assert_eq!(
        variables(":allow,A= x ,B=\"\""),
        pairs(&[("A", "x"), ("B", "")])
    );
    assert_eq!(fault(b":allow,A= x ").0, FaultKind::NotClosed);
}

#[test]
fn a_fault_in_a_variable_is_told_with_its_place() {
    assert_eq!(fault(b":allow,"), (FaultKind::TrailingComma, 8));
    assert_eq!(fault(b":allow,A=\"1\","), (FaultKind::TrailingComma, 14));
    assert_eq!(fault(b":allow,A"), (FaultKind::NoEquals, 9));
    assert_eq!(fault(b":allow,A="), (FaultKind::NoValue, 10));
    assert_eq!(fault(b":allow,A=\"x"), (FaultKind::NotClosed, 10));
    assert_eq!(fault(b":allow,A=\"x\"y"), (FaultKind::AfterValue, 13));
    assert_eq!(
        fault(b":allow,A=\"x\" ,B=\"\""),
        (FaultKind::AfterValue, 13)
    );
}

#[test]
fn the_place_of_a_bad_action_is_that_of_its_first_wrong_byte() {
    assert_eq!(fault(b"1.2.3.4:dny"), (FaultKind::Action, 9));
    assert_eq!(fault(b"1.2.3.4:denyx"), (FaultKind::AfterAction, 13));
}

#[test]
fn a_nul_is_refused_anywhere_even_in_a_comment() {
    assert_eq!(fault(b"1.2.3.4:allow,A=\"x\0D\0\""), (FaultKind::Nul, 19));
    assert_eq!(fault(b"# \0"), (FaultKind::Nul, 3));
    assert_eq!(fault(b"\0"), (FaultKind::Nul, 1));
}

#[test]
fn a_range_is_one_key_a_number_without_leading_zeros() {
    let expected: Vec<String> = (5..=17).map(|last| format!("1.2.3.{last}")).collect();
    assert_eq!(keys("1.2.3.5-17:deny"), expected);
    assert_eq!(keys("10.2-3.:deny"), ["10.2.", "10.3."]);
    assert_eq!(keys("1-2.3.4.5:deny"), ["1.3.4.5", "2.3.4.5"]);
    assert_eq!(keys("1.2.3.007-008:deny"), ["1.2.3.7", "1.2.3.8"]);
}

#[test]
fn only_the_first_hyphen_makes_a_range() {
    assert_eq!(keys("1.2-3.4-5:deny"), ["1.2.4-5", "1.3.4-5"]);
    assert_eq!(fault(b"1-2-3:deny"), (FaultKind::RangeNumber, 4));
}

#[test]
fn an_absent_number_is_zero() {
    assert_eq!(keys("-:deny"), ["0"]);
    assert_eq!(keys("1.-2.3:deny"), ["1.0.3", "1.1.3", "1.2.3"]);
    assert_eq!(keys("1.2.3.4-:deny"), [""; 0]);
}

#[test]
fn a_reversed_range_or_one_above_255_has_no_key() {
    assert_eq!(keys("7.7.7.9-3:deny"), [""; 0]);
    assert_eq!(keys("7.7.7.256-260:deny"), [""; 0]);
}

#[test]
fn the_upper_end_is_cut_to_255_so_a_range_has_at_most_256_keys() {
    assert_eq!(keys("1.2.3.254-300:deny"), ["1.2.3.254", "1.2.3.255"]);
    assert_eq!(keys("0-99999999999999999999999.0-255:deny").len(), 256);
}

#[test]
fn numbers_wrap_at_two_to_the_64th_and_say_so() {
    assert_eq!(keys("18446744073709551617-3:deny"), ["1", "2", "3"]);
    let Address::Range(range) = rule("18446744073709551617-3:deny").address() else {
        panic!("no range");
    };
    assert!(range.low().wrapped && !range.high().wrapped);
    let Address::Range(range) = rule("18446744073709551615-3:deny").address() else {
        panic!("no range");
    };
    assert!(!range.low().wrapped);
}

#[test]
fn an_end_of_a_range_that_is_no_number_is_a_fault_with_its_place() {
    assert_eq!(fault(b"host-name:deny"), (FaultKind::RangeNumber, 1));
    assert_eq!(fault(b"1.2.3.4-x:deny"), (FaultKind::RangeNumber, 9));
    assert_eq!(fault(b" 1-2:deny"), (FaultKind::RangeNumber, 1));
    assert_eq!(fault(b"1.2.3.4-5/8:deny"), (FaultKind::RangeNumber, 10));
}

#[test]
fn an_equals_sign_or_an_at_sign_makes_a_hyphen_plain_text() {
    assert_eq!(keys("=host-name:deny"), ["=host-name"]);
    assert_eq!(keys("joe@1.2.3.4-5:deny"), ["joe@1.2.3.4-5"]);
}

#[test]
fn a_rule_that_was_read_and_written_again_is_the_same_rule() {
    let mut random = 1_u64;
    let mut next = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % below
    };
    for _ in 0..5_000 {
        let word = |next: &mut dyn FnMut(u64) -> u64, letters: &[u8]| -> String {
            let length = next(6);
            let letter = |n| char::from(letters[usize::try_from(n).unwrap() % letters.len()]);
            (0..length).map(|_| letter(next(1 << 30))).collect()
        };
        let address = word(&mut next, b"019.@=/ x*");
        let deny = next(2) == 0;
        let mut line = format!("{address}:{}", if deny { "deny" } else { "allow" });
        let mut expected = Vec::new();
        for _ in 0..next(4) {
            let (name, value) = (word(&mut next, b"AB ,'"), word(&mut next, b"ab=,: '"));
            line += &format!(",{name}=\"{value}\"");
            expected.push((name, value));
        }
        let rule = rule(&line);
        assert_eq!(
            rule.address(),
            Address::Literal(address.as_bytes()),
            "{line:?}"
        );
        assert_eq!(rule.verdict == Verdict::Deny, deny, "{line:?}");
        assert_eq!(variables(&line), expected, "{line:?}");
    }
}
