//! What a service may write to its log, in pieces or whole: the same messages, none longer than its
//! limit, nothing in them that is not printable, and no byte lost but newlines. And any bytes as the
//! file of a time zone.
#![no_main]

use std::time::UNIX_EPOCH;

use libfuzzer_sys::fuzz_target;
use splogger::facility::Facility;
use splogger::lines::{Charset, LIMIT, Lines};
use splogger::message::{Messages, for_people};
use splogger::zone::Zone;

fn run(charset: Charset, stream: &[u8], piece: usize, zone: &Zone) -> Vec<(Vec<u8>, usize)> {
    let mut all = Vec::new();
    let mut lines = Lines::new(charset);
    let mut messages = Messages::new(b"tag", Facility::MAIL, zone.clone());
    let mut each = |piece: splogger::lines::Piece<'_>| {
        assert!(!piece.text.is_empty() && piece.text.len() <= LIMIT);
        let mut out = Vec::new();
        messages.write(piece, UNIX_EPOCH, &mut out);
        assert!(out.len() <= messages.beside() + piece.text.len());
        assert!(for_people(&out).starts_with(b"tag: 0.000000"));
        all.push((out, piece.text.len()));
    };
    for part in stream.chunks(piece) {
        lines.feed(part, &mut each);
    }
    lines.finish(&mut each);
    all
}

fuzz_target!(|input: &[u8]| {
    let zone = Zone::parse(input).unwrap_or(Zone::UTC);
    for time in [i64::MIN, -1, 0, 1_800_000_000, i64::MAX] {
        assert!(zone.offset_at(time).abs() <= 100_000);
    }
    let as_text = Zone::find(Some(input), |_| None);
    assert!(as_text.offset_at(1_800_000_000).abs() <= 100_000);

    let Some((&first, stream)) = input.split_first() else {
        return;
    };
    let newlines = stream.iter().filter(|&&byte| byte == b'\n').count();
    for charset in [Charset::Ascii, Charset::Utf8] {
        let whole = run(charset, stream, stream.len().max(1), &zone);
        let pieces = run(charset, stream, usize::from(first).max(1), &zone);
        assert_eq!(whole, pieces);
        let bytes: usize = whole.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(bytes + newlines, stream.len());
        for (message, _) in whole {
            let text = str::from_utf8(&message).expect("a message is text");
            assert!(!text.chars().any(char::is_control));
            assert!(charset == Charset::Utf8 || text.is_ascii());
        }
    }
});
