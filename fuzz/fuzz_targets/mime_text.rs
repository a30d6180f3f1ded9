//! Encoded text: in pieces or whole the same bytes and the same characters come out, and a search
//! finds what is in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mime::decode::{Decoder, Encoding, TextDecoder, charset_to_utf8, content};
use mime::fold::{Needle, fold};
use mime::search::body_contains;

const LABELS: [&str; 8] = [
    "utf-8",
    "us-ascii",
    "iso-8859-1",
    "iso-2022-jp",
    "gb18030",
    "utf-16",
    "shift_jis",
    "x",
];

fuzz_target!(|input: &[u8]| {
    let [choice, piece, body @ ..] = input else {
        return;
    };
    let piece = usize::from(*piece).max(1);
    let label = LABELS[usize::from(choice >> 2) % LABELS.len()].as_bytes();
    let encoding = match choice % 3 {
        0 => Encoding::Identity,
        1 => Encoding::Base64,
        _ => Encoding::QuotedPrintable,
    };
    let bytes = content(body, encoding);
    assert!(bytes.len() <= body.len());
    let (mut decoder, mut out) = (Decoder::new(encoding), Vec::new());
    for piece in body.chunks(piece) {
        let before = out.len();
        decoder.feed(piece, &mut out);
        assert!(out.len() - before < piece.len() + 300);
    }
    decoder.finish(&mut out);
    assert_eq!(out, *bytes);

    let text = charset_to_utf8(&bytes, Some(label));
    let (mut decoder, mut out) = (TextDecoder::new(Some(label)), String::new());
    for piece in bytes.chunks(piece) {
        decoder.feed(piece, &mut out);
    }
    decoder.finish(&mut out);
    assert_eq!(out, text);

    let half = text
        .char_indices()
        .nth(text.chars().count() / 2)
        .map_or(0, |(at, _)| at);
    let needle = Needle::new(&text[half..]);
    assert!(body_contains(body, encoding, Some(label), &needle));
    let other = Needle::new("needle");
    assert_eq!(
        body_contains(body, encoding, Some(label), &other),
        fold(&text).contains("needle")
    );
});
