use super::*;

fn shown(write: impl Fn(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn a_string_is_quoted_where_that_is_possible() {
    let string = |bytes: &[u8]| shown(|out| string(out, bytes));
    assert_eq!(string(b""), "\"\"");
    assert_eq!(string(b"two words"), "\"two words\"");
    assert_eq!(string(b"a\"b\\c\\"), "\"a\\\"b\\\\c\\\\\"");
    assert_eq!(string(b"a\tb\x7f"), "\"a\tb\x7f\"");
    assert_eq!(string(b"a\nb"), "{3}\r\na\nb");
    assert_eq!(string(b"a\rb"), "{3}\r\na\rb");
    assert_eq!(string("\u{fc}".as_bytes()), "{2}\r\n\u{fc}");
    assert_eq!(string(&[b'x'; 1000]).len(), 1002);
    assert!(string(&[b'x'; 1001]).starts_with("{1001}\r\nx"));
}

#[test]
fn an_nstring_is_nil_for_nothing_alone() {
    assert_eq!(shown(|out| nstring(out, None)), "NIL");
    assert_eq!(shown(|out| nstring(out, Some(b""))), "\"\"");
    assert_eq!(shown(|out| nstring(out, Some(b"NIL"))), "\"NIL\"");
}

#[test]
fn an_astring_is_an_atom_where_that_is_possible() {
    let astring = |bytes: &[u8]| shown(|out| astring(out, bytes));
    assert_eq!(astring(b"Sent.2026"), "Sent.2026");
    assert_eq!(astring(b"&AOk-"), "&AOk-");
    for quoted in ["", "nil", "a b", "a]", "a%", "a*", "(", "{", "a\\b"] {
        assert!(astring(quoted.as_bytes()).starts_with('"'), "{quoted}");
    }
    assert_eq!(astring(b"a\r\nb"), "{4}\r\na\r\nb");
}

#[test]
fn inbox_is_in_capitals() {
    assert_eq!(shown(|out| mailbox(out, b"inBox")), "INBOX");
    assert_eq!(shown(|out| mailbox(out, b"inBox.x")), "inBox.x");
}

#[test]
fn numbers_and_sets_are_decimal() {
    assert_eq!(shown(|out| number(out, 0)), "0");
    assert_eq!(shown(|out| number(out, u64::MAX)), "18446744073709551615");
    assert_eq!(
        shown(|out| set(out, &[(1, 1), (3, 5), (u32::MAX, u32::MAX)])),
        "1,3:5,4294967295"
    );
    assert_eq!(shown(|out| set(out, &[])), "");
}

#[test]
fn flags_stand_in_parentheses() {
    let some = [Flag::Seen, Flag::Keyword(b"$Forwarded".to_vec())];
    assert_eq!(shown(|out| flags(out, &some)), "(\\Seen $Forwarded)");
    assert_eq!(shown(|out| flags(out, &[])), "()");
}
