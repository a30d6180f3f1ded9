//! BODY and BODYSTRUCTURE.

use imap::command::FetchItem;

use super::reply;

fn structure(message: &[u8]) -> String {
    let reply = reply(message, &[FetchItem::BodyStructure]);
    reply
        .strip_prefix("BODYSTRUCTURE ")
        .expect("a structure")
        .to_owned()
}

fn body(message: &[u8]) -> String {
    let reply = reply(message, &[FetchItem::Body]);
    reply.strip_prefix("BODY ").expect("a structure").to_owned()
}

const PLAIN: &str = "\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\"";
const NO_ENVELOPE: &str = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";

#[test]
fn text_has_octets_with_crlf_and_lines() {
    for (message, octets, lines) in [
        (&b""[..], 0, 0),
        (b"Subject: x", 0, 0),
        (b"\nbody\n", 6, 1),
        (b"\r\nbody\r\n", 6, 1),
        (b"X: y\n\none\ntwo", 8, 1),
        (b"X: y\n\nb\0dy\nx\r\ny\rz\r\r\n", 15, 3),
    ] {
        let expected = format!("({PLAIN} {octets} {lines}");
        assert_eq!(
            body(message),
            format!("{expected})"),
            "{}",
            message.escape_ascii()
        );
        assert_eq!(structure(message), format!("{expected} NIL NIL NIL NIL)"));
    }
}

#[test]
fn a_multipart_has_its_parts_its_subtype_and_extension_data() {
    let message = b"Content-Type: multipart/mixed; boundary=b; charset=x\n\
        Content-Disposition: attachment;filename=x\nContent-Language: en\nContent-Location: l\n\n\
        pre\n--b\n\none\n--b\nContent-Type: application/x; name=\"a b.bin\"\n\
        Content-Transfer-Encoding: base64\nContent-Disposition: inline\n\
        Content-Language: en, de\nContent-MD5: abc\nContent-Location: http://x\nContent-ID: <i>\n\
        Content-Description: d\n\nAAAA\n--b--\npost\n";
    assert_eq!(
        body(message),
        format!(
            "(({PLAIN} 3 0)(\"application\" \"x\" (\"name\" \"a b.bin\") \"<i>\" \"d\" \"base64\" 4) \
             \"mixed\")"
        )
    );
    assert_eq!(
        structure(message),
        format!(
            "(({PLAIN} 3 0 NIL NIL NIL NIL)(\"application\" \"x\" (\"name\" \"a b.bin\") \"<i>\" \
             \"d\" \"base64\" 4 \"abc\" (\"inline\" NIL) (\"en\" \"de\") \"http://x\") \"mixed\" \
             (\"boundary\" \"b\" \"charset\" \"x\") (\"attachment\" (\"filename\" \"x\")) (\"en\") \
             \"l\")"
        )
    );
}

/// Its last line end is that of the boundary behind it, as with any part; Dovecot counts it where the
/// message inside is a multipart, and only there.
#[test]
fn a_message_inside_has_envelope_structure_and_lines() {
    let message =
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n\
        Subject: in\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\nc1\n--c\n\
        Content-Type: text/html; Charset=utf-8\n\nc2\n\n--c--\n--b--\n";
    let inner = "(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL)";
    assert_eq!(
        body(message),
        format!(
            "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 133 {inner} (({PLAIN} 2 0)\
             (\"text\" \"html\" (\"Charset\" \"utf-8\") NIL NIL \"7bit\" 4 1) \"alternative\") 11) \
             \"mixed\")"
        )
    );
    assert_eq!(
        structure(message),
        format!(
            "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 133 {inner} \
             (({PLAIN} 2 0 NIL NIL NIL NIL)(\"text\" \"html\" (\"Charset\" \"utf-8\") NIL NIL \
             \"7bit\" 4 1 NIL NIL NIL NIL) \"alternative\" (\"boundary\" \"c\") NIL NIL NIL) 11 \
             NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)"
        )
    );
}

#[test]
fn messages_inside_of_messages_close_in_order() {
    assert_eq!(
        structure(
            b"Content-Type: message/rfc822; x=y\n\nContent-Type: message/rfc822\n\n\
            Content-Type: message/partial\n\nx\n"
        ),
        format!(
            "(\"message\" \"rfc822\" (\"x\" \"y\") NIL NIL \"7bit\" 68 {NO_ENVELOPE} \
             (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 36 {NO_ENVELOPE} \
             (\"message\" \"partial\" NIL NIL NIL \"7bit\" 3 NIL NIL NIL NIL) 3 NIL NIL NIL NIL) \
             5 NIL NIL NIL NIL)"
        )
    );
}

#[test]
fn parts_of_a_digest_are_messages_unless_they_say_otherwise() {
    assert_eq!(
        structure(
            b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: d1\n\nt1\n--b\n\
            Content-Type: text/plain\n\nx\n--b--\n"
        ),
        format!(
            "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 17 \
             (NIL \"d1\" NIL NIL NIL NIL NIL NIL NIL NIL) ({PLAIN} 2 0 NIL NIL NIL NIL) 2 \
             NIL NIL NIL NIL)({PLAIN} 1 0 NIL NIL NIL NIL) \"digest\" (\"boundary\" \"b\") \
             NIL NIL NIL)"
        )
    );
}

#[test]
fn a_multipart_without_a_part_has_an_empty_one() {
    assert_eq!(
        structure(b"Content-Type: multipart/mixed; boundary=b\n\nnothing\n"),
        format!("(({PLAIN} 0 0 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)")
    );
}

#[test]
fn case_is_kept_and_what_cannot_be_quoted_is_a_literal() {
    assert_eq!(
        structure(
            b"Content-Type: TEXT/Html; NAME=\"\xe9\"; x=\"a\\\\b\"\n\
            Content-Transfer-Encoding: 8BIT\n\nx\n"
        ),
        "(\"TEXT\" \"Html\" (\"NAME\" {1}|\\xe9 \"x\" \"a\\\\b\" \"charset\" \"us-ascii\") NIL NIL \
         \"8BIT\" 3 1 NIL NIL NIL NIL)"
    );
}

#[test]
fn what_is_no_text_has_no_charset_and_no_lines() {
    assert_eq!(
        structure(b"Content-Type: image/gif\nContent-Language: en\n\nzz"),
        "(\"image\" \"gif\" NIL NIL NIL \"7bit\" 2 NIL NIL (\"en\") NIL)"
    );
    assert_eq!(
        structure(b"Content-Type: message/delivery-status\n\nA: b\n"),
        "(\"message\" \"delivery-status\" NIL NIL NIL \"7bit\" 6 NIL NIL NIL NIL)"
    );
}

#[test]
fn parentheses_balance_however_deep_it_goes() {
    for depth in [1, 50, 99, 100, 101, 3_000] {
        let mut message = Vec::new();
        for level in 0..depth {
            match level % 3 {
                0 => message.extend_from_slice(b"Content-Type: message/rfc822\n\n"),
                _ => message.extend_from_slice(
                    format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n")
                        .as_bytes(),
                ),
            }
        }
        message.extend_from_slice(b"\nend\n");
        let text = structure(&message);
        let count = |of: char| text.matches(of).count();
        assert_eq!(count('('), count(')'), "{depth}");
        assert!(text.starts_with('(') && text.ends_with(')'), "{depth}");
    }
}

#[test]
fn a_reply_of_many_parts_goes_out_in_pieces() {
    let mut message = b"Content-Type: multipart/mixed; boundary=b\n\n".to_vec();
    for _ in 0..12_000 {
        message.extend_from_slice(b"--b\nContent-Description: a part\n\nx\n");
    }
    let text = structure(&message);
    let parts = text.matches("\"a part\"").count();
    assert!((9_990..=10_000).contains(&parts), "{parts}");
}
