//! BODY[...].

use imap::command::{FetchItem, Section, SectionText, Shown};

use super::{names, reply, section};

const NESTED: &[u8] = b"Content-Type: multipart/mixed; boundary=b\n\npre\n--b\n\none\n--b\n\
    Content-Type: message/rfc822\n\nSubject: in\nContent-Type: multipart/alternative; boundary=c\n\n\
    --c\n\nc1\n--c\nContent-Type: text/html; charset=utf-8\n\nc2\n\n--c--\n--b\n\
    Content-Type: application/x\n\nAAAA\n--b--\npost\n";

const FORWARDED: &[u8] = b"Content-Type: message/rfc822\n\nSubject: in\n\nhello\nyou\n";

/// The literal of one section of a message.
fn literal(message: &[u8], part: &[u32], text: SectionText) -> String {
    let reply = reply(message, &[section(part, text, None)]);
    let (_, literal) = reply.split_once("] ").expect("a section");
    let (head, text) = literal.split_once('|').expect("a literal");
    // `|` stands for two octets.
    let octets = text.len() + text.matches('|').count();
    if !text.contains('\\') {
        assert_eq!(head, format!("{{{octets}}}"));
    }
    text.to_owned()
}

#[test]
fn a_message_has_lines_that_end_in_crlf_however_they_end_in_the_file() {
    for (message, text) in [
        (&b""[..], ""),
        (b"Subject: x", "Subject: x"),
        (b"Subject: x\n", "Subject: x|"),
        (b"a: b\r\n\r\nx\r\n", "a: b||x|"),
        (b"a: b\r\n\nx\r\ny\nz", "a: b||x|y|z"),
        (b"a: b\n\nx\ry\r\r\n", "a: b||x\\ry\\r|"),
        (b"\n\nn\0l\n", "||n\\x80l|"),
    ] {
        assert_eq!(literal(message, &[], SectionText::All), text);
    }
}

#[test]
fn a_message_is_header_and_text_together() {
    for message in [
        &b""[..],
        b"\n",
        b"X: y",
        b"X: y\n",
        b"X: y\n\n",
        b"X: y\r\n\r\nbody",
        b"\nbody\n",
        b"not a field\nX: y\n\nbody\n",
        NESTED,
    ] {
        let header = literal(message, &[], SectionText::Header);
        let text = literal(message, &[], SectionText::Text);
        assert_eq!(header + &text, literal(message, &[], SectionText::All));
    }
    assert_eq!(literal(b"\nbody\n", &[], SectionText::Header), "|");
    assert_eq!(literal(b"X: y", &[], SectionText::Text), "");
}

#[test]
fn parts_are_numbered_through_multiparts_and_messages() {
    let inside = "Subject: in|Content-Type: multipart/alternative; boundary=c||";
    let text = "--c||c1|--c|Content-Type: text/html; charset=utf-8||c2||--c--";
    for (part, of, expected) in [
        (&[1][..], SectionText::All, "one".to_owned()),
        (&[1], SectionText::Mime, "|".to_owned()),
        (&[2], SectionText::All, format!("{inside}{text}")),
        (
            &[2],
            SectionText::Mime,
            "Content-Type: message/rfc822||".to_owned(),
        ),
        (&[2], SectionText::Header, inside.to_owned()),
        (&[2], SectionText::Text, text.to_owned()),
        (&[2, 1], SectionText::All, "c1".to_owned()),
        (&[2, 1], SectionText::Mime, "|".to_owned()),
        (&[2, 2], SectionText::All, "c2|".to_owned()),
        (
            &[2],
            SectionText::Fields(names(&["subject"])),
            "Subject: in||".to_owned(),
        ),
        (&[3], SectionText::All, "AAAA".to_owned()),
    ] {
        // The line end before a boundary is the boundary's, also behind a message inside.
        assert_eq!(
            literal(NESTED, part, of.clone()),
            expected,
            "{part:?} {of:?}"
        );
    }
}

#[test]
fn a_message_that_is_no_multipart_has_part_1() {
    assert_eq!(literal(b"X: y\n\nbody\n", &[1], SectionText::All), "body|");
    assert_eq!(
        literal(b"X: y\n\nbody\n", &[1], SectionText::Mime),
        "X: y||"
    );
    for (part, of, expected) in [
        (&[1][..], SectionText::All, "Subject: in||hello|you|"),
        (&[1, 1], SectionText::All, "hello|you|"),
        (&[1], SectionText::Header, "Subject: in||"),
        (&[1], SectionText::Text, "hello|you|"),
        (&[1], SectionText::Mime, "Content-Type: message/rfc822||"),
        (&[1, 1], SectionText::Mime, "Subject: in||"),
    ] {
        assert_eq!(literal(FORWARDED, part, of), expected, "{part:?}");
    }
}

#[test]
fn a_section_that_a_message_does_not_have_is_empty() {
    for (message, part, of) in [
        (NESTED, &[4][..], SectionText::All),
        (NESTED, &[0], SectionText::All),
        (NESTED, &[2, 3], SectionText::All),
        (NESTED, &[1, 2], SectionText::All),
        (NESTED, &[4_294_967_295], SectionText::Mime),
        (NESTED, &[1], SectionText::Header),
        (NESTED, &[1], SectionText::Text),
        (NESTED, &[1], SectionText::Fields(names(&["a"]))),
        (FORWARDED, &[1, 1, 1], SectionText::All),
        (FORWARDED, &[1, 1], SectionText::Header),
        (b"X: y\n\nbody\n", &[2], SectionText::All),
    ] {
        assert_eq!(literal(message, part, of), "", "{part:?}");
    }
    assert_eq!(
        reply(NESTED, &[section(&[9], SectionText::All, Some((0, 5)))]),
        "BODY[9]<0> {0}|"
    );
}

#[test]
fn fields_come_in_the_order_of_the_message_with_their_folding_and_an_empty_line() {
    let message = b"To: a\nX-Long: one\n two\n\tthree\nSubject: s\nto : b\nFrom x\n\nTo: body\n";
    for (not, asked, expected) in [
        (false, &["subject", "TO"][..], "To: a|Subject: s|to : b||"),
        (false, &["x-long"], "X-Long: one| two|\\tthree||"),
        (false, &["nothing"], "|"),
        (true, &["to", "x-long"], "Subject: s|From x||"),
        (
            true,
            &["nothing"],
            "To: a|X-Long: one| two|\\tthree|Subject: s|to : b|From x||",
        ),
    ] {
        let text = match not {
            false => SectionText::Fields(names(asked)),
            true => SectionText::FieldsNot(names(asked)),
        };
        assert_eq!(literal(message, &[], text), expected, "{asked:?}");
    }
}

#[test]
fn a_header_without_an_end_gets_one_where_fields_are_asked_for() {
    for message in [
        &b"Subject: x"[..],
        b"Subject: x\n",
        b"Subject: x\r\n",
        b"Subject: x\n\n",
    ] {
        let text = SectionText::Fields(names(&["subject"]));
        assert_eq!(literal(message, &[], text), "Subject: x||");
    }
    assert_eq!(
        literal(b"", &[], SectionText::Fields(names(&["subject"]))),
        "|"
    );
}

#[test]
fn a_reply_calls_a_section_what_the_client_called_it() {
    let fields = SectionText::Fields(names(&["To", "x y", "DATE"]));
    let message = b"X: y\n\n";
    for (part, text, partial, label) in [
        (&[][..], SectionText::All, None, "BODY[] "),
        (&[], SectionText::Text, None, "BODY[TEXT] "),
        (&[1, 2], SectionText::All, None, "BODY[1.2] "),
        (&[1, 2], SectionText::Mime, None, "BODY[1.2.MIME] "),
        (
            &[],
            fields.clone(),
            None,
            "BODY[HEADER.FIELDS (To \"x y\" DATE)] ",
        ),
        (
            &[3],
            fields,
            Some((7, 9)),
            "BODY[3.HEADER.FIELDS (To \"x y\" DATE)]<7> ",
        ),
        (
            &[],
            SectionText::FieldsNot(names(&["a"])),
            None,
            "BODY[HEADER.FIELDS.NOT (a)] ",
        ),
    ] {
        let reply = reply(message, &[section(part, text, partial)]);
        assert!(reply.starts_with(label), "{reply}");
    }
}

#[test]
fn the_old_items_have_their_old_names() {
    let item = |shown, text| {
        FetchItem::Section(Section {
            shown,
            peek: false,
            part: Vec::new(),
            text,
            partial: None,
        })
    };
    let items = [
        item(Shown::Rfc822, SectionText::All),
        item(Shown::Rfc822Header, SectionText::Header),
        item(Shown::Rfc822Text, SectionText::Text),
    ];
    assert_eq!(
        reply(b"X: y\n\nb\n", &items),
        "RFC822 {11}|X: y||b| RFC822.HEADER {8}|X: y|| RFC822.TEXT {3}|b|"
    );
}

/// All of it, with the line ends of the wire.
pub(super) fn octets(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (n, &byte) in message.iter().enumerate() {
        if byte == b'\n' && (n == 0 || message[n - 1] != b'\r') {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

#[test]
fn a_partial_may_begin_and_end_anywhere() {
    let message = b"X: y\n\r\n\rone\n\ntwo\r\n\r\r\nend";
    let all = octets(message);
    let most = all.len() as u64 + 3;
    for start in 0..most {
        for count in (0..most).chain([u64::MAX]) {
            let first = usize::try_from(start).expect("small").min(all.len());
            let last = usize::try_from(start.saturating_add(count))
                .expect("64 bits")
                .min(all.len());
            let expected = super::readable(&all[first..last]);
            assert_eq!(
                reply(
                    message,
                    &[section(&[], SectionText::All, Some((start, count)))]
                ),
                format!("BODY[]<{start}> {{{}}}|{expected}", last - first),
                "{start} {count}"
            );
        }
    }
    assert_eq!(
        reply(
            message,
            &[section(&[], SectionText::All, Some((u64::MAX, u64::MAX)))]
        ),
        format!("BODY[]<{}> {{0}}|", u64::MAX)
    );
}

#[test]
fn a_partial_of_fields_goes_across_them() {
    let message = b"A: 1\nB: 2\nC: 3\n\n";
    let all = b"A: 1\r\nC: 3\r\n\r\n";
    for start in 0..all.len() {
        for end in start..=all.len() {
            let partial = Some((start as u64, (end - start) as u64));
            let text = SectionText::FieldsNot(names(&["b"]));
            assert_eq!(
                reply(message, &[section(&[], text, partial)]),
                format!(
                    "BODY[HEADER.FIELDS.NOT (b)]<{start}> {{{}}}|{}",
                    end - start,
                    super::readable(&all[start..end])
                )
            );
        }
    }
}

#[test]
fn partials_of_a_long_message_are_pieces_of_the_whole() {
    // Line ends of both kinds at, before and behind the borders of every block.
    let mut message = b"X: y\n\n".to_vec();
    let mut n = 0_usize;
    while message.len() < 100_000 {
        message.extend(std::iter::repeat_n(b'x', n % 97));
        message.extend_from_slice(if n.is_multiple_of(3) { b"\r\n" } else { b"\n" });
        n += 1;
    }
    message.extend(std::iter::repeat_n(&b"\r\n"[..], 20_000).flatten());
    message.extend(std::iter::repeat_n(b'\n', 40_000));
    message.extend(std::iter::repeat_n(b'\r', 20_000));
    let all = octets(&message);
    for step in [1_000, 16_383, 16_384, 16_385, 65_536] {
        let mut start = 0;
        let mut together = Vec::new();
        while start < all.len() {
            let partial = Some((start as u64, step as u64));
            let item = section(&[], SectionText::All, partial);
            let mut kept = super::Kept::default();
            let mut out = super::Writer::new(&mut kept);
            let plan = super::Plan::new(&[item], false);
            super::message::write(&message, false, 0, &plan, &mut out).expect("kept");
            out.finish().expect("kept");
            let count = step.min(all.len() - start);
            let head = format!("* 1 FETCH (BODY[]<{start}> {{{count}}}\r\n");
            let piece = kept.0.strip_prefix(head.as_bytes()).expect("the head");
            together.extend_from_slice(piece.strip_suffix(b")\r\n").expect("the end"));
            start += step;
        }
        assert!(together == all, "{step}");
    }
}
