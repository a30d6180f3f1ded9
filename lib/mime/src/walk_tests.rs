use std::borrow::Cow;

use super::*;

/// Each part as `path type/subtype lines octets "body"`, `path` being the section that it is, and
/// bodies of what has something inside left out.
fn outline(message: &str) -> Vec<String> {
    let structure = structure(message.as_bytes(), Limits::default());
    describe(message, &structure)
}

fn describe(message: &str, structure: &Structure<'_>) -> Vec<String> {
    check(message.as_bytes(), structure);
    let line = |index: usize| {
        let part = &structure.parts[index];
        let path: Vec<String> = structure.path(index).iter().map(u32::to_string).collect();
        let media = [&part.type_[..], b"/", &part.subtype].concat();
        let media = String::from_utf8_lossy(&media).into_owned();
        let body = &message[part.body.clone()];
        match part.kind {
            Kind::Leaf => format!(
                "{} {media} {} {} {body:?}",
                path.join("."),
                part.lines,
                part.octets_crlf
            ),
            Kind::Multipart => format!("{} {media}", path.join(".")),
            Kind::Message => format!(
                "{} {media} {} {}",
                path.join("."),
                part.lines,
                part.octets_crlf
            ),
        }
    };
    (0..structure.parts.len()).map(line).collect()
}

/// What is true of every structure.
fn check(message: &[u8], structure: &Structure<'_>) {
    let parts = &structure.parts;
    assert_eq!(parts[0].parent, None);
    for (index, part) in parts.iter().enumerate() {
        assert!(part.header.end == part.body.start && part.body.end <= message.len());
        assert_eq!(
            wire_size(&message[part.body.clone()]),
            (part.octets_crlf, part.lines)
        );
        let children: Vec<usize> = structure.children(index).collect();
        match part.kind {
            Kind::Leaf => assert!(children.is_empty()),
            Kind::Multipart => assert!(!children.is_empty()),
            Kind::Message => assert_eq!(children.len(), 1),
        }
        assert_eq!(
            structure.inner(index),
            children
                .first()
                .copied()
                .filter(|_| part.kind == Kind::Message)
        );
        for (number, &child) in (1..).zip(&children) {
            let inside = &parts[child];
            assert!(child > index && inside.parent == Some(index) && inside.number == number);
            assert!(inside.header.start >= part.body.start && inside.body.end <= part.body.end);
        }
        // A multipart that is a message has the section of what it is in.
        let path = structure.path(index);
        let found = structure.section(&path).unwrap();
        assert!(found == index || structure.inner(found) == Some(index));
    }
}

#[test]
fn a_message_without_mime_is_plain_text() {
    assert_eq!(
        outline("Subject: x\n\none\ntwo\n"),
        ["1 text/plain 2 10 \"one\\ntwo\\n\""]
    );
    assert_eq!(outline("Subject: x\n"), ["1 text/plain 0 0 \"\""]);
    assert_eq!(outline(""), ["1 text/plain 0 0 \"\""]);
    assert_eq!(outline("\nx"), ["1 text/plain 0 1 \"x\""]);
}

#[test]
fn octets_count_with_crlf_and_lines_by_their_ends() {
    assert_eq!(
        outline("\na\r\nb\nc\rd"),
        ["1 text/plain 2 9 \"a\\r\\nb\\nc\\rd\""]
    );
}

#[test]
fn the_line_end_before_a_boundary_belongs_to_it() {
    for end in ["\n", "\r\n"] {
        let message = "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\none\n--b\n\ntwo\n\n--b--\nepilogue\n";
        let message = message.replace('\n', end);
        let two = format!("2 text/plain 1 5 {:?}", format!("two{end}"));
        assert_eq!(
            outline(&message),
            [" multipart/mixed", "1 text/plain 0 3 \"one\"", &two]
        );
    }
    assert_eq!(
        outline(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\n--b\n\n\r\n--b\n\n--b--"
        ),
        [
            " multipart/mixed",
            "1 text/plain 0 3 \"one\"",
            "2 text/plain 0 0 \"\"",
            "3 text/plain 0 0 \"\"",
        ]
    );
}

#[test]
fn sections_are_numbered_as_the_rfc_does() {
    // The example of RFC 3501 section 6.4.5.
    let message = "\
Content-Type: multipart/mixed; boundary=a

--a

1
--a
Content-Type: application/octet-stream

2
--a
Content-Type: message/rfc822

Subject: 3
Content-Type: multipart/mixed; boundary=b

--b

3.1
--b
Content-Type: application/octet-stream

3.2
--b--
--a
Content-Type: multipart/mixed; boundary=c

--c
Content-Type: image/gif

4.1
--c
Content-Type: message/rfc822

Subject: 4.2
Content-Type: multipart/mixed; boundary=d

--d

4.2.1
--d
Content-Type: multipart/alternative; boundary=e

--e

4.2.2.1
--e
Content-Type: text/richtext

4.2.2.2
--e--
--d--
--c--
--a--
";
    assert_eq!(
        outline(message),
        [
            " multipart/mixed",
            "1 text/plain 0 1 \"1\"",
            "2 application/octet-stream 0 1 \"2\"",
            "3 message/rfc822 10 126",
            "3 multipart/mixed",
            "3.1 text/plain 0 3 \"3.1\"",
            "3.2 application/octet-stream 0 3 \"3.2\"",
            "4 multipart/mixed",
            "4.1 image/gif 0 3 \"4.1\"",
            "4.2 message/rfc822 17 202",
            "4.2 multipart/mixed",
            "4.2.1 text/plain 0 5 \"4.2.1\"",
            "4.2.2 multipart/alternative",
            "4.2.2.1 text/plain 0 7 \"4.2.2.1\"",
            "4.2.2.2 text/richtext 0 7 \"4.2.2.2\"",
        ]
    );
    let structure = structure(message.as_bytes(), Limits::default());
    for path in [
        &[0][..],
        &[5],
        &[1, 1],
        &[3, 3],
        &[4, 1, 1],
        &[4, 2, 2, 3],
        &[4, 2, 2, 1, 1],
        &[u32::MAX],
    ] {
        assert_eq!(structure.section(path), None, "{path:?}");
    }
    let inner = structure
        .inner(structure.section(&[4, 2]).unwrap())
        .unwrap();
    assert_eq!(
        &message[structure.parts[inner].header.clone()][..12],
        "Subject: 4.2"
    );
    assert_eq!(structure.inner(0), None);
}

#[test]
fn part_1_of_what_is_no_multipart_is_its_body() {
    let structure = |message| structure(message, Limits::default());
    let text = structure(b"\nx");
    assert_eq!(
        (text.section(&[]), text.section(&[1]), text.section(&[2])),
        (Some(0), Some(0), None)
    );
    assert_eq!(text.section(&[1, 1]), None);
    let message = structure(b"Content-Type: message/rfc822\n\nSubject: x\n\nx");
    assert_eq!(message.section(&[1]), Some(0));
    assert_eq!(message.section(&[1, 1]), Some(1));
    assert_eq!(message.section(&[1, 2]), None);
    let twice = structure(
        b"Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nSubject: x\n\nx",
    );
    assert_eq!(twice.section(&[1, 1, 1]), Some(2));
    assert_eq!(twice.path(2), [1, 1, 1]);
}

#[test]
fn a_multipart_without_a_part_gets_an_empty_one() {
    let expected = [" multipart/mixed", "1 text/plain 0 0 \"\""];
    for body in [
        "",
        "\n",
        "\n\n",
        "\nx\ny\n",
        "\n--b--\n",
        "\nx\n--b--",
        "\n-b\n --b\n--c",
    ] {
        assert_eq!(
            outline(&format!(
                "Content-Type: multipart/mixed; boundary=b\n{body}"
            )),
            expected,
            "{body}"
        );
    }
    assert_eq!(
        outline(
            "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/x; boundary=b\n\n--a\n\nx"
        ),
        [
            " multipart/mixed",
            "1 multipart/x",
            "1.1 text/plain 0 0 \"\"",
            "2 text/plain 0 1 \"x\""
        ]
    );
}

#[test]
fn a_digest_has_messages_unless_a_part_says_otherwise() {
    assert_eq!(
        outline(
            "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\ny\n--b\nContent-Type: text/html\n\nz\n\
             --b\nContent-Type: nonsense\n\nz\n--b--"
        ),
        [
            " multipart/digest",
            "1 message/rfc822 2 15",
            "1.1 text/plain 0 1 \"y\"",
            "2 text/html 0 1 \"z\"",
            "3 text/plain 0 1 \"z\"",
        ]
    );
}

#[test]
fn a_type_that_is_none_is_plain_text() {
    for value in [
        "",
        "text",
        "text/",
        "/plain",
        "/",
        "; charset=x",
        "\"text/html\"",
        "(",
        "multipart/mixed",
        "multipart/mixed; boundary=\"\"",
        "multipart/mixed; boundary=\" \"",
        "multipart/mixed; boundary",
    ] {
        let message = format!("Content-Type: {value}\n\n--\nx");
        let structure = structure(message.as_bytes(), Limits::default());
        assert!(
            structure.parts[0].is("text", "plain") && structure.parts.len() == 1,
            "{value}"
        );
        assert_eq!(structure.parts[0].parameters, []);
    }
}

#[test]
fn a_header_without_an_empty_line_ends_at_the_next_boundary() {
    assert_eq!(
        outline(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n--b\nno field\n--b--\n"
        ),
        [
            " multipart/mixed",
            "1 text/html 0 0 \"\"",
            "2 text/plain 0 0 \"\""
        ]
    );
    assert_eq!(
        outline(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n--b\n--b--\n"
        ),
        [
            " multipart/mixed",
            "1 message/rfc822 0 0",
            "1.1 text/plain 0 0 \"\"",
            "2 text/plain 0 0 \"\""
        ]
    );
}

#[test]
fn a_message_that_is_cut_in_its_header_is_inside_of_its_part() {
    for end in ["\n", "\r\n"] {
        let message =
            "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n--b\nTo: y\n--b--\n";
        let message = message.replace('\n', end);
        assert_eq!(
            outline(&message),
            [
                " multipart/digest",
                "1 message/rfc822 0 10",
                "1.1 text/plain 0 0 \"\"",
                "2 message/rfc822 0 0",
                "2.1 text/plain 0 0 \"\"",
            ]
        );
        let structure = structure(message.as_bytes(), Limits::default());
        let header = |index: usize| &message[structure.parts[index].header.clone()];
        assert_eq!(
            (header(2), header(3), header(4)),
            ("Subject: x", "To: y", "")
        );
    }
}

#[test]
fn an_outer_boundary_ends_what_is_inside() {
    assert_eq!(
        outline(
            "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n\
             x\n--a\n\ny\n--b\nz\n--a--\n--b\n"
        ),
        [
            " multipart/mixed",
            "1 multipart/mixed",
            "1.1 text/plain 0 1 \"x\"",
            "2 text/plain 2 9 \"y\\n--b\\nz\""
        ]
    );
    let open = "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: message/rfc822\n\nSubject: x\n\ny\n--a\n\nz";
    assert_eq!(
        outline(open),
        [
            " multipart/mixed",
            "1 message/rfc822 2 15",
            "1.1 text/plain 0 1 \"y\"",
            "2 text/plain 0 1 \"z\""
        ]
    );
}

#[test]
fn a_line_need_only_begin_with_a_boundary_and_the_longest_counts() {
    assert_eq!(
        outline(
            "Content-Type: multipart/mixed; boundary=a\n\n--a  \nContent-Type: multipart/mixed; boundary=ab\n\n--ab x\n\n\
             1\n--ab--\n--a\t\n\n2\n --a\n-a\n--a--x\n--a"
        ),
        [
            " multipart/mixed",
            "1 multipart/mixed",
            "1.1 text/plain 0 1 \"1\"",
            "2 text/plain 2 11 \"2\\n --a\\n-a\"",
        ]
    );
}

#[test]
fn an_epilogue_belongs_to_no_part() {
    let message = "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n\
                   1\n--b--\nepilogue\n--b\nstill\n--a--\nand this\n--a\n";
    assert_eq!(
        outline(message),
        [
            " multipart/mixed",
            "1 multipart/mixed",
            "1.1 text/plain 0 1 \"1\""
        ]
    );
    let structure = structure(message.as_bytes(), Limits::default());
    let body = |index: usize| &message[structure.parts[index].body.clone()];
    assert!(body(0).ends_with("--a\n"));
    assert!(body(1).ends_with("--b\nstill"));
}

#[test]
fn what_a_header_says_of_its_part_is_read() {
    let message =
        b"Content-Type: Text/HTML (comment) ; Charset=\"u\\tf-8\"; name*0=a; name*1*=%20b\r\n\
        content-transfer-encoding : Quoted-Printable (x)\r\n\
        CONTENT-ID:\r\n <a@b>\r\n\
        Content-Description: some\r\n words\r\n\
        Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\n\
        Content-Disposition: attachment; filename=\"a; b.txt\"; size=1\r\n\
        Content-Language: en (English), de,\r\n fr-CH\r\n\
        Content-Location: http://x.example/\r\n\
        Content-Type: text/plain\r\n\
        \r\n";
    let part = top(message);
    let text = |text: Option<&Cow<'_, [u8]>>| String::from_utf8(text.unwrap().to_vec()).unwrap();
    assert!(part.is("text", "html") && *part.type_ == b"Text"[..]);
    assert_eq!(part.parameter("charset"), Some(&b"utf-8"[..]));
    assert_eq!(
        part.parameters[1],
        (Cow::Borrowed(&b"name*0"[..]), Cow::Borrowed(&b"a"[..]))
    );
    assert_eq!(
        part.parameters[2],
        (Cow::Borrowed(&b"name*1*"[..]), Cow::Borrowed(&b"%20b"[..]))
    );
    assert_eq!(text(part.encoding.as_ref()), "Quoted-Printable");
    assert_eq!(part.transfer(), crate::decode::Encoding::QuotedPrintable);
    assert_eq!(text(part.id.as_ref()), "<a@b>");
    assert_eq!(text(part.description.as_ref()), "some words");
    assert_eq!(text(part.md5.as_ref()), "Q2hlY2sgSW50ZWdyaXR5IQ==");
    let disposition = part.disposition.unwrap();
    assert_eq!(disposition.kind, &b"attachment"[..]);
    assert_eq!(disposition.parameters.len(), 2);
    assert_eq!(disposition.parameters[0].1, &b"a; b.txt"[..]);
    assert_eq!(part.languages, [&b"en"[..], b"de", b"fr-CH"]);
    assert_eq!(text(part.location.as_ref()), "http://x.example/");
    let nothing = top(b"Content-ID:\nContent-Disposition: ;x=y\n\n");
    assert_eq!(
        (nothing.id, nothing.disposition, nothing.encoding),
        (None, None, None)
    );
}

#[test]
fn parameters_are_read_as_they_are_written_in_the_wild() {
    let read = |value: &str| -> Vec<String> {
        let message = format!("Content-Type: a/b{value}\n\n");
        let part = top(message.as_bytes());
        let text = |text: &Cow<'_, [u8]>| String::from_utf8_lossy(text).into_owned();
        part.parameters
            .iter()
            .map(|(name, value)| format!("{}={}", text(name), text(value)))
            .collect()
    };
    assert_eq!(
        read("; boundary=----=_Part_1.2"),
        ["boundary=----=_Part_1.2"]
    );
    assert_eq!(
        read("; charset=us-ascii (Plain text)"),
        ["charset=us-ascii"]
    );
    assert_eq!(
        read(" charset=x name=y; z=1"),
        ["charset=x", "name=y", "z=1"]
    );
    assert_eq!(
        read("; name=My  File.doc ; x=\"\""),
        ["name=My  File.doc", "x="]
    );
    assert_eq!(read(";; a = b ;\n c\n =\n \"d\n e\";f"), ["a=b", "c=d e"]);
    assert_eq!(read("; a=\"b"), ["a=b"]);
    assert_eq!(read("; a=b\"c; d"), ["a=b\"c"]);
    assert_eq!(read("; =x; \"y\"; z"), [""; 0]);
    assert_eq!(read(&"; a=b".repeat(64)).len(), 64);
    assert_eq!(read(&"; a=b".repeat(65)).len(), 64);
}

/// Multiparts in each other: so many, each with a text behind what is inside.
fn nested(depth: usize) -> String {
    let mut message = String::new();
    for level in 0..depth {
        message.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{level:03}\n\n--b{level:03}\n"
        ));
    }
    message.push_str("\nx\n");
    for level in (0..depth).rev() {
        message.push_str(&format!("--b{level:03}\n\ny\n--b{level:03}--\n"));
    }
    message
}

#[test]
fn nesting_has_a_limit_and_what_is_deeper_is_a_leaf() {
    let limits = Limits {
        depth: 3,
        parts: 100,
    };
    let message = nested(3);
    let structure3 = structure(message.as_bytes(), limits);
    check(message.as_bytes(), &structure3);
    assert_eq!(structure3.parts.len(), 7);
    assert!(structure3.parts[3].is("text", "plain"));
    let message = nested(4);
    let structure4 = structure(message.as_bytes(), limits);
    check(message.as_bytes(), &structure4);
    assert_eq!(structure4.parts.len(), 7);
    assert!(structure4.parts[3].is("application", "octet-stream"));
    assert!(message[structure4.parts[3].body.clone()].starts_with("--b003"));
    let message = "Content-Type: message/rfc822\n\n".repeat(5);
    let messages = structure(message.as_bytes(), limits);
    check(message.as_bytes(), &messages);
    assert_eq!(messages.parts.len(), 4);
    assert!(messages.parts[3].is("application", "octet-stream"));
}

#[test]
fn the_number_of_parts_has_a_limit_and_the_last_one_has_the_rest() {
    let message = format!(
        "Content-Type: multipart/mixed; boundary=b\n\n{}--b--\n",
        "--b\n\nx\n".repeat(20)
    );
    for limit in 1..30 {
        let limits = Limits {
            depth: 100,
            parts: limit,
        };
        let structure = structure(message.as_bytes(), limits);
        check(message.as_bytes(), &structure);
        assert!(structure.parts.len() <= limit);
        assert!(structure.parts.len() + 1 >= limit.min(21));
        let last = &structure.parts[structure.parts.len() - 1];
        if limit < 21 {
            assert_eq!(last.body.end, message.len());
        }
    }
    let message = nested(20);
    for limit in 1..50 {
        let structure = structure(
            message.as_bytes(),
            Limits {
                depth: 100,
                parts: limit,
            },
        );
        check(message.as_bytes(), &structure);
        assert!(structure.parts.len() <= limit);
    }
}

#[test]
fn hostile_messages_take_no_more_than_linear_time() {
    // As many multiparts as there may be, with boundaries that begin alike, and many lines that
    // begin like them.
    let mut deep = String::new();
    for level in 1..=150 {
        let boundary = "a".repeat(level);
        deep.push_str(&format!(
            "Content-Type: multipart/mixed; boundary={boundary}b\n\n--{boundary}b\n"
        ));
    }
    deep.push('\n');
    let mut wide = String::from("Content-Type: multipart/mixed; boundary=x\n\n");
    for number in 0..12_000 {
        wide.push_str(&format!(
            "--x\nContent-Type: multipart/mixed; boundary=y{number}\n\n--y{number}\n\n"
        ));
    }
    let lines = 30_000;
    for message in [
        format!("{deep}{}", "--\n".repeat(lines)),
        format!(
            "{deep}{}",
            "--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n".repeat(lines)
        ),
        format!("{deep}{}", "--aab\n".repeat(lines)),
        format!("{wide}{}", "--y\n".repeat(lines)),
        "Content-Type: message/rfc822\n\n".repeat(5_000),
        format!(
            "Content-Type: multipart/mixed; boundary={}\n\n",
            "x".repeat(1 << 20)
        ),
        "\n".repeat(lines),
        ":".repeat(lines),
        "a:\n".repeat(lines),
    ] {
        let start = std::time::Instant::now();
        let structure = structure(message.as_bytes(), Limits::default());
        assert!(start.elapsed().as_secs() < 20, "{}", &message[..100]);
        assert!(structure.parts.len() <= 10_000);
    }
}
