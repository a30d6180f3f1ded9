use mime::walk::{Limits, structure};

use super::*;

fn has(header: &str, name: &str, text: &str) -> bool {
    header_contains(header.as_bytes(), name.as_bytes(), &Needle::new(text))
}

fn body_has(message: &str, text: &str) -> bool {
    let message = message.as_bytes();
    body_contains(
        message,
        &structure(message, Limits::default()),
        &Needle::new(text),
    )
}

fn any_has(header: &str, text: &str) -> bool {
    any_field_contains(header.as_bytes(), &Needle::new(text))
}

#[test]
fn a_field_is_found_by_what_it_shows() {
    let header = "Subject: =?iso-8859-1?q?caf=E9?= =?utf-8?b?IGF1IGxhaXQ=?=\r\n\
                  To: a@x,\r\n\tb@x\r\nX-Wide: a  b\tc\r\n";
    for (name, text, yes) in [
        ("Subject", "CAF\u{c9} AU", true),
        ("subject", "cafe", false),
        // What it is encoded in is none of it.
        ("Subject", "iso-8859-1", false),
        ("Subject", "IGF1", false),
        ("To", "a@x, b@x", true),
        ("X-Wide", "a b c", true),
        ("X-Wide", "a  b", true),
        ("X-Wide", "a   b", false),
        ("Cc", "a", false),
        ("", "a", false),
    ] {
        assert_eq!(has(header, name, text), yes, "{name} {text}");
    }
}

#[test]
fn nothing_is_found_in_every_field_that_is_there() {
    let header = "Subject:\nTo: a@x\n\nCc: b@x\n";
    assert!(has(header, "Subject", ""));
    assert!(has(header, "To", ""));
    assert!(!has(header, "Cc", ""));
    assert!(!has(header, "Subject", " "));
}

#[test]
fn every_field_of_a_name_counts() {
    let header = "Received: one\nReceived: two\n";
    assert!(has(header, "Received", "one") && has(header, "Received", "two"));
}

#[test]
fn all_of_a_header_is_its_names_too() {
    let header = "X-Spam-Flag : YES\nSubject: =?utf-8?q?J=C3=B6rg?=\nfrom the wire\n";
    for (text, yes) in [
        ("spam-flag", true),
        ("X-Spam-Flag: yes", true),
        ("subject: J\u{f6}RG", true),
        ("=C3=B6", false),
        ("from the wire", true),
        ("yes subject", false),
    ] {
        assert_eq!(any_has(header, text), yes, "{text}");
    }
}

const MIXED: &str = "Subject: outside\n\
    Content-Type: multipart/mixed; boundary=B\n\n\
    preamble\n--B\n\
    Content-Type: text/plain; charset=iso-8859-1\n\
    Content-Transfer-Encoding: quoted-printable\n\n\
    na=EFve and sp=\nlit\n--B\n\
    Content-Type: application/octet-stream; name=report.bin\n\n\
    binary words\n--B\n\
    Content-Type: message/rfc822\n\n\
    Subject: =?utf-8?q?the_inn=C3=A9r_one?=\nContent-Type: text/html\n\n\
    <p>deep words</p>\n--B--\nepilogue\n";

#[test]
fn a_body_is_the_text_of_its_parts_and_of_messages_inside() {
    for (text, yes) in [
        ("na\u{ef}ve", true),
        ("split", true),
        ("=EF", false),
        ("deep words", true),
        ("the inn\u{e9}r one", true),
        ("encoding: quoted-printable", true),
        ("report.bin", true),
        ("outside", false),
        ("binary words", false),
        ("preamble", false),
        ("epilogue", false),
        ("", true),
    ] {
        assert_eq!(body_has(MIXED, text), yes, "{text}");
    }
}

#[test]
fn a_message_without_a_type_is_text() {
    assert!(body_has("Subject: x\n\nsome words\n", "Some Words"));
    assert!(!body_has("Subject: x\n\nsome words\n", "x\n"));
    assert!(!body_has("Content-Type: image/png\n\nwords\n", "words"));
    assert!(!body_has("Subject: words\n", "words"));
}

#[test]
fn a_message_in_a_message_in_a_message_is_searched() {
    let inner = "Content-Type: message/rfc822\n\n".repeat(20) + "Subject: needle\n\nhay\n";
    assert!(body_has(&inner, "needle") && body_has(&inner, "hay"));
}

#[test]
fn an_address_is_found_whatever_comments_are_in_it() {
    let header = b"From: <user-from (comment)@ (comment) domain.org>\r\nSubject: a (b)@ c\r\n\r\n";
    let finds = |name: &[u8], text: &str| header_contains(header, name, &Needle::new(text));
    assert!(finds(b"from", "User-From@domain.org"));
    assert!(finds(b"From", "(comment)@"));
    assert!(!finds(b"From", "user-from@domain.org2"));
    assert!(!finds(b"Subject", "a@c"));
}
