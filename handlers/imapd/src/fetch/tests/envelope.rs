//! ENVELOPE.

use imap::command::FetchItem;

use super::reply;

fn envelope(header: &[u8]) -> String {
    let reply = reply(header, &[FetchItem::Envelope]);
    reply
        .strip_prefix("ENVELOPE ")
        .expect("an envelope")
        .to_owned()
}

#[test]
fn the_example_of_the_rfc_is_answered_as_there() {
    // RFC 3501 section 8, with the names in quotes.
    let header = b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\n\
        From: Terry Gray <gray@cac.washington.edu>\n\
        Subject: IMAP4rev1 WG mtg summary and minutes\n\
        To: imap@cac.washington.edu\n\
        cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\n\
        Message-Id: <B27397-0100000@cac.washington.edu>\n\
        MIME-Version: 1.0\n\
        Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\n\n";
    let gray = "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))";
    assert_eq!(
        envelope(header),
        format!(
            "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary and minutes\" \
             {gray} {gray} {gray} ((NIL NIL \"imap\" \"cac.washington.edu\")) \
             ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")\
             (\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \
             \"<B27397-0100000@cac.washington.edu>\")"
        )
    );
}

#[test]
fn what_is_missing_is_nil_and_what_is_empty_is_empty() {
    let nothing = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";
    for header in [
        &b""[..],
        b"\n",
        b"\r\n\r\n",
        b"X: y",
        b"To:\nCc: \nBcc: ,\n",
    ] {
        assert_eq!(envelope(header), nothing, "{}", header.escape_ascii());
    }
    assert_eq!(
        envelope(b"Date:\nSubject: \nIn-Reply-To:\nMessage-ID:"),
        "(\"\" \"\" NIL NIL NIL NIL NIL NIL \"\" \"\")"
    );
}

#[test]
fn what_stands_behind_the_header_is_none_of_it() {
    assert_eq!(
        envelope(b"To: a@b\n\nSubject: not this\n"),
        "(NIL NIL NIL NIL NIL ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL)"
    );
}

#[test]
fn sender_and_reply_to_are_from_unless_they_name_somebody() {
    assert_eq!(
        envelope(b"From: a@b\nSender:\nReply-To: c@d\n\n"),
        "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) \
         NIL NIL NIL NIL NIL)"
    );
    // Not the other way round.
    assert_eq!(
        envelope(b"Sender: a@b\n\n"),
        "(NIL NIL NIL ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL NIL)"
    );
}

#[test]
fn a_group_has_a_start_and_an_end() {
    assert_eq!(
        envelope(b"To: grp: a@b, \"J\" <c@d>;\nCc: undisclosed-recipients:;\n\n"),
        "(NIL NIL NIL NIL NIL ((NIL NIL \"grp\" NIL)(NIL NIL \"a\" \"b\")(\"J\" NIL \"c\" \"d\")\
         (NIL NIL NIL NIL)) ((NIL NIL \"undisclosed-recipients\" NIL)(NIL NIL NIL NIL)) \
         NIL NIL NIL)"
    );
}

#[test]
fn quotes_and_backslashes_are_escaped_and_8_bit_is_a_literal() {
    assert_eq!(
        envelope(b"From: \"Q \\\"x\\\" y\" <a@b>\nSubject: \"quoted\\\"\n\n"),
        "(NIL \"\\\"quoted\\\\\\\"\" ((\"Q \\\"x\\\" y\" NIL \"a\" \"b\")) \
         ((\"Q \\\"x\\\" y\" NIL \"a\" \"b\")) ((\"Q \\\"x\\\" y\" NIL \"a\" \"b\")) \
         NIL NIL NIL NIL NIL)"
    );
    assert_eq!(
        envelope(b"Subject: caf\xe9\nTo: \xe9\xe9 <a@b>\n\n"),
        "(NIL {4}|caf\\xe9 NIL NIL NIL (({2}|\\xe9\\xe9 NIL \"a\" \"b\")) NIL NIL NIL NIL)"
    );
}

#[test]
fn nul_is_in_no_string() {
    assert_eq!(
        envelope(b"Subject: nul\0x\n\n"),
        "(NIL {7}|nul\\xef\\xbf\\xbdx NIL NIL NIL NIL NIL NIL NIL NIL)"
    );
}

#[test]
fn folding_goes_and_encoded_words_stay() {
    assert_eq!(
        envelope(
            b"Subject: =?utf-8?q?a_b?=\r\n =?utf-8?q?c?=\r\n\tend  \r\nDate: a\r\n  b\r\n\
            In-Reply-To: <a>\n <b>\nTo: =?utf-8?q?a_b?= <a@b>, \"A\n  B\" <x@y>\n\n"
        ),
        "(\"a  b\" \"=?utf-8?q?a_b?= =?utf-8?q?c?= end\" NIL NIL NIL \
         ((\"=?utf-8?q?a_b?=\" NIL \"a\" \"b\")(\"A B\" NIL \"x\" \"y\")) NIL NIL \"<a> <b>\" NIL)"
    );
}

#[test]
fn an_address_without_a_part_says_so_for_nil_means_a_group() {
    assert_eq!(
        envelope(b"From: a\nReply-To: <>\nTo: <@r1,@r2:a@b>\nCc: x@y (comment)\n\n"),
        "(NIL NIL ((NIL NIL \"a\" \"MISSING_DOMAIN\")) ((NIL NIL \"a\" \"MISSING_DOMAIN\")) \
         ((NIL NIL \"MISSING_MAILBOX\" \"MISSING_DOMAIN\")) ((NIL \"@r1,@r2\" \"a\" \"b\")) \
         ((\"comment\" NIL \"x\" \"y\")) NIL NIL NIL)"
    );
}

#[test]
fn of_two_fields_the_last_counts_but_addresses_add_up() {
    assert_eq!(
        envelope(b"Subject: a\nTo: a@b\nSubject: b\nTO: c@d\n\n"),
        "(NIL \"b\" NIL NIL NIL ((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")) NIL NIL NIL NIL)"
    );
}

#[test]
fn a_header_without_end_has_an_envelope_of_a_bounded_size() {
    let count = |header: &[u8]| envelope(header).matches("\"a\" \"b\"").count();
    for (fields, told) in [(999, 999), (1_000, 1_000), (1_001, 1_000)] {
        assert_eq!(count("To: a@b\n".repeat(fields).as_bytes()), told);
    }
    let long = [b"To: ".as_slice(), "a@b,".repeat(400_000).as_bytes(), b"\n"].concat();
    let told = count(&long.repeat(3));
    assert!((9_990..=30_000).contains(&told), "{told}");
    let long = [b"Subject: ".as_slice(), &vec![b'x'; 1_000_000]].concat();
    assert!(envelope(&long).len() < 70_000);
}
