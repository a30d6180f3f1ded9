use super::*;

fn feed(pieces: &[&[u8]]) -> Result<(usize, Option<Whole>), Fault> {
    let mut reader = Reader::new();
    let mut total = 0;
    for piece in pieces {
        let (used, whole) = reader.feed(piece)?;
        total += used;
        if whole.is_some() {
            return Ok((total, whole));
        }
        assert_eq!(used, piece.len(), "all of an unfinished reply is taken");
    }
    Ok((total, None))
}

fn read(text: &str) -> Reply {
    match feed(&[text.as_bytes()]) {
        Ok((used, Some(whole))) => {
            assert_eq!(used, text.len());
            whole.reply
        }
        other => panic!("{text:?}: {other:?}"),
    }
}

fn shown(text: &str) -> String {
    read(text).to_string()
}

fn fault(text: &[u8]) -> Fault {
    feed(&[text]).expect_err("no reply")
}

#[test]
fn a_reply_is_a_code_and_a_text() {
    let reply = read("250 2.1.0 ok\r\n");
    assert_eq!(reply.code, 250);
    assert_eq!(reply.enhanced, Status::parse(b"2.1.0"));
    assert_eq!(reply.text, b"ok");
    assert!(!reply.is_permanent());
    assert!(read("554 no\r\n").is_permanent());
    for bare in ["220\r\n", "220 \r\n", "220\n"] {
        assert_eq!(shown(bare), "220", "{bare:?}");
    }
}

#[test]
fn what_stands_behind_the_last_line_is_not_taken() {
    let text = b"250-a\r\n250 b\r\n220 c\r\n";
    let (used, whole) = feed(&[text]).expect("a reply");
    assert_eq!(used, 14);
    assert_eq!(whole.expect("complete").lines, [b"a", b"b"]);
}

#[test]
fn lines_become_one_and_the_codes_in_them_go() {
    let text = "550-5.1.1 no such\r\n550-5.1.1 user\r\n550-\r\n550 5.1.1 here\r\n";
    assert_eq!(shown(text), "550 5.1.1 no such user here");
}

#[test]
fn an_enhanced_code_counts_only_if_it_is_one_of_that_class() {
    assert_eq!(read("550 4.1.1 x\r\n").enhanced, None);
    assert_eq!(shown("550 4.1.1 x\r\n"), "550 4.1.1 x");
    for none in [
        "5.1", "5.1.1.1", "5..1", "5.1.1x", "5.1.1234", "5.1.-1", "55.1.1",
    ] {
        let reply = read(&format!("550 {none} x\r\n"));
        assert_eq!(reply.enhanced, None, "{none}");
        assert_eq!(reply.text, format!("{none} x").as_bytes());
    }
    assert_eq!(read("550 5.7.999\r\n").enhanced, Status::parse(b"5.7.999"));
    assert_eq!(read("550 5.7.999\r\n").text, b"");
}

#[test]
fn a_text_is_one_printable_line() {
    let (_, whole) = feed(&[b"550 a\rb\tc\x1b[1m\0\xe4 \x7f\r\r\n"]).expect("a reply");
    assert_eq!(whole.expect("complete").reply.text, b"a b c?[1m?? ?");
}

#[test]
fn a_text_has_a_limit() {
    let with = |length: usize| read(&format!("550 {}\r\n", "x".repeat(length))).text.len();
    assert_eq!(with(TEXT_BYTES), TEXT_BYTES);
    assert_eq!(with(TEXT_BYTES + 1), TEXT_BYTES);
    let half = "y".repeat(TEXT_BYTES - 1);
    let text = read(&format!("550-{half}\r\n550-zz\r\n550 zz\r\n")).text;
    assert_eq!(text.len(), TEXT_BYTES);
}

#[test]
fn a_line_of_2048_bytes_is_read_and_one_of_2049_is_a_fault() {
    let with = |length: usize, end: &str| format!("250 {}{end}", "x".repeat(length - 4));
    for end in ["\r\n", "\n"] {
        read(&with(LINE_BYTES, end));
        assert_eq!(fault(with(LINE_BYTES + 1, end).as_bytes()), Fault::LongLine);
    }
    // It does not have to end for that.
    let endless = with(LINE_BYTES + 2, "");
    assert_eq!(fault(endless.as_bytes()), Fault::LongLine);
    let bytes: Vec<&[u8]> = endless.as_bytes().chunks(1).collect();
    assert_eq!(feed(&bytes).expect_err("too long"), Fault::LongLine);
}

#[test]
fn a_reply_of_100_lines_is_read_and_one_of_101_is_a_fault() {
    let with = |lines: usize| format!("{}250 x\r\n", "250-x\r\n".repeat(lines - 1));
    read(&with(LINES));
    assert_eq!(fault(with(LINES + 1).as_bytes()), Fault::ManyLines);
    assert_eq!(
        fault("250-x\r\n".repeat(LINES + 1).as_bytes()),
        Fault::ManyLines
    );
}

#[test]
fn what_does_not_begin_with_a_code_is_no_reply() {
    for wrong in [
        "\r\n",
        "25\r\n",
        "25 x\r\n",
        "2500 x\r\n",
        "250x\r\n",
        "250\tx\r\n",
        "x50 x\r\n",
        "150 x\r\n",
        "650 x\r\n",
        "050 x\r\n",
        " 250 x\r\n",
        "-250 x\r\n",
        "2\u{b2}0 x\r\n",
        "HTTP/1.1 400 Bad Request\r\n",
        "250-x\r\nx\r\n",
    ] {
        assert_eq!(fault(wrong.as_bytes()), Fault::NoCode, "{wrong:?}");
    }
}

#[test]
fn the_lines_of_a_reply_have_one_code() {
    assert_eq!(fault(b"250-a\r\n550 b\r\n"), Fault::Codes);
}

#[test]
fn in_pieces_or_whole_it_is_the_same_reply() {
    let text = b"250-mx.test\r\n250-SIZE 10\r\n250 8BITMIME\r\nrest";
    let whole = feed(&[text]).expect("a reply");
    for size in 1..text.len() {
        let pieces: Vec<&[u8]> = text.chunks(size).collect();
        let mut reader = Reader::new();
        let found = pieces
            .iter()
            .find_map(|piece| reader.feed(piece).expect("a reply").1);
        assert_eq!(found, whole.1);
    }
    assert_eq!(whole.0, text.len() - 4);
}
