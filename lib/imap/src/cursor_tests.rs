use super::*;
use crate::test_support::frame;

fn astring(input: &[u8]) -> Result<Vec<u8>, String> {
    let frame = frame(input);
    let mut cursor = Cursor::of(&frame);
    let read = cursor.astring("name");
    let read = read.and_then(|read| cursor.end().map(|()| read));
    read.map_err(|fault| fault.to_string())
}

#[test]
fn an_astring_is_an_atom_or_a_string() {
    assert_eq!(astring(b"INBOX"), Ok(b"INBOX".to_vec()));
    assert_eq!(astring(b"~peter/a]+"), Ok(b"~peter/a]+".to_vec()));
    assert_eq!(astring(b"\"\""), Ok(Vec::new()));
    assert_eq!(astring(b"\"a \\\"b\\\\\""), Ok(b"a \"b\\".to_vec()));
    assert_eq!(astring("\"\u{fc}\"".as_bytes()), Ok("\u{fc}".into()));
    assert_eq!(astring(b"{5}\r\na\r\n\"b"), Ok(b"a\r\n\"b".to_vec()));
    assert_eq!(astring(b"{0+}\r\n"), Ok(Vec::new()));
}

#[test]
fn what_is_none_says_what_is_needed_and_where() {
    let fault = |input: &[u8]| astring(input).expect_err("none");
    assert_eq!(fault(b""), "missing name");
    assert_eq!(fault(b"(a)"), "name expected at octet 1, not (a)");
    assert_eq!(fault(b"\"abc"), "missing closing quote");
    assert_eq!(
        fault(b"\"a\\n\""),
        "quote or backslash behind a backslash expected at octet 4, not n\\\""
    );
    assert_eq!(
        fault(b"\"a\0\""),
        "closing quote expected at octet 3, not \\x00\\\""
    );
    assert_eq!(fault(b"{3}\r\na\0b"), "a literal with a NUL octet");
    assert_eq!(
        fault(b"~{3}\r\nabc"),
        "a binary literal, which no command takes"
    );
    assert_eq!(
        fault(b"a%"),
        "end of the command expected at octet 2, not %"
    );
    assert_eq!(
        fault("\u{fc}".as_bytes()),
        "name expected at octet 1, not \\xc3\\xbc"
    );
    let long = fault(format!("({}", "x".repeat(1000)).as_bytes());
    assert!(long.len() < 60, "{long}");
}

#[test]
fn a_literal_that_is_cut_short_is_none() {
    for input in [
        &b"{5}\r\nabc"[..],
        b"{5}",
        b"{5}\nabcde",
        b"{99999999999999999999}\r\n",
    ] {
        let mut cursor = Cursor::over(input);
        assert!(cursor.astring("name").is_err());
        assert!(Cursor::over(input).message("message").is_err());
    }
}

#[test]
fn numbers_have_their_bounds() {
    let number = |text: &str| Cursor::over(text.as_bytes()).number("n").ok();
    let nz = |text: &str| Cursor::over(text.as_bytes()).nz_number("n").ok();
    let long = |text: &str| Cursor::over(text.as_bytes()).number64("n").ok();
    assert_eq!(number("0"), Some(0));
    assert_eq!(nz("0"), None);
    assert_eq!(nz("01"), Some(1));
    assert_eq!(number("4294967295"), Some(u32::MAX));
    assert_eq!(number("4294967296"), None);
    assert_eq!(long("9223372036854775807"), Some(i64::MAX as u64));
    assert_eq!(long("9223372036854775808"), None);
    assert_eq!(long("99999999999999999999999"), None);
    assert_eq!(number("-1"), None);
    assert_eq!(number(""), None);
}

#[test]
fn a_list_has_one_space_between_its_elements() {
    let list = |text: &str, limit| {
        let mut cursor = Cursor::over(text.as_bytes());
        let read = cursor.list("words", limit, |cursor| cursor.atom("word"));
        read.map(|words| words.len())
            .map_err(|fault| fault.to_string())
    };
    assert_eq!(list("()", 2), Ok(0));
    assert_eq!(list("(a b)", 2), Ok(2));
    assert_eq!(list("(a b c)", 2), Err("more than 2 words".to_owned()));
    for none in ["a", "(a", "( a)", "(a )", "(a  b)", "(a,b"] {
        assert!(list(none, 2).is_err(), "{none}");
    }
    let some = |text: &str| {
        let read = |cursor: &mut Cursor<'_>| cursor.atom("word").map(<[u8]>::to_vec);
        Cursor::over(text.as_bytes())
            .some_list("words", 2, read)
            .is_ok()
    };
    assert!(some("(a)") && !some("()"));
}
