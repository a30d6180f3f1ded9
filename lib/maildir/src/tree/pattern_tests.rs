use std::time::{Duration, Instant};

use super::*;

fn matches(pattern: &str, name: &str) -> bool {
    Pattern::new(pattern.as_bytes(), b'/').matches(name.as_bytes())
}

#[test]
fn wildcards_match_as_the_rfc_says() {
    for (pattern, name, expected) in [
        ("*", "a/b/c", true),
        ("*", "", true),
        ("%", "a", true),
        ("%", "a/b", false),
        ("%/%", "a/b", true),
        ("%/%", "a/b/c", false),
        ("%/*", "a/b/c", true),
        ("*%", "a/b", true),
        ("%*", "a/b", true),
        ("%%", "a/b", false),
        ("a*", "a", true),
        ("a%", "a/b", false),
        ("a/%", "a/b", true),
        ("a/%", "a", false),
        ("a/*", "a/", true),
        ("%b%", "abc", true),
        ("*b/c", "a/b/b/c", true),
        ("*b%", "b/ab", true),
        ("*x%y", "x/xay", true),
        ("*x%y", "xa/y", false),
        ("", "", true),
        ("", "a", false),
        ("a", "A", false),
        ("a.b", "a/b", false),
    ] {
        assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
    }
}

#[test]
fn inbox_is_matched_in_any_case_and_only_as_the_first_level() {
    for (pattern, name, expected) in [
        ("inbox", "INBOX", true),
        ("InBoX", "INBOX", true),
        ("i%", "INBOX", true),
        ("%x", "INBOX", true),
        ("inbox/%", "INBOX/x", true),
        ("inbox/X", "INBOX/x", false),
        ("a/inbox", "a/INBOX", false),
        ("inboxes", "INBOXES", false),
    ] {
        assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
    }
}

#[test]
fn text_is_compared_and_not_its_encoding() {
    assert!(matches("&AOk-*", "&AOkA6A-"));
    assert!(matches("&AOk-%", "&AOk-a"));
    assert!(matches("%&AOg-", "&AOkA6A-"));
    assert!(!matches("&AOk-", "&AOkA6A-"));
    assert!(matches("a&-*", "a&-b"));
    // No wildcard reaches into the BASE64 of another character.
    assert!(!matches("&-*", "&AOk-"));
}

#[test]
fn a_pattern_that_is_not_modified_utf_7_matches_nothing() {
    for pattern in ["&", "&AGE-*", "*&", "&AO*", "*&XX", "é", "*\u{1}"] {
        assert!(!matches(pattern, "a"), "{pattern}");
        assert!(!matches(pattern, "&AOk-"), "{pattern}");
    }
}

/// What is meant, with all the time that it takes.
fn plainly(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|n| plainly(rest, &name[n..])),
        Some((b'%', rest)) => (0..=name.len())
            .take_while(|&n| !name[..n].contains(&b'/'))
            .any(|n| plainly(rest, &name[n..])),
        Some((byte, rest)) => name.first() == Some(byte) && plainly(rest, &name[1..]),
    }
}

/// All texts of up to so many of these characters.
fn all(characters: &[u8], most: u32) -> Vec<Vec<u8>> {
    let mut texts = vec![Vec::new()];
    let mut start = 0;
    for _ in 0..most {
        let end = texts.len();
        for n in start..end {
            for &character in characters {
                let text = [&texts[n][..], &[character]].concat();
                texts.push(text);
            }
        }
        start = end;
    }
    texts
}

#[test]
fn every_short_pattern_matches_what_plain_trying_matches() {
    let names = all(b"ab/", 5);
    for pattern in all(b"ab/*%", 5) {
        let compiled = Pattern::new(&pattern, b'/');
        for name in &names {
            assert_eq!(
                compiled.matches(name),
                plainly(&pattern, name),
                "{} on {}",
                pattern.escape_ascii(),
                name.escape_ascii()
            );
        }
    }
}

#[test]
fn a_pattern_made_to_take_long_does_not() {
    let start = Instant::now();
    for part in ["*a", "%a", "*a%a", "a*"] {
        let pattern = format!("{}b", part.repeat(20_000));
        assert!(!matches(&pattern, &"a".repeat(250)));
        let pattern = format!("{}b", part.repeat(60));
        for _ in 0..10 {
            assert!(!matches(&pattern, &"a".repeat(250)));
        }
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}
