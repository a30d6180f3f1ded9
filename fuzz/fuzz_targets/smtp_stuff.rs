//! A message on its way to the next hop: in pieces or whole the same bytes, of which a receiver
//! takes all and nothing more, and finds the text again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nexthop::stuff::Stuff;
use wire::data::{BareLf, Step, Unstuff, Verdict};

fn sent(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut stuff, mut out) = (Stuff::new(), Vec::new());
    for piece in pieces {
        let before = out.len();
        stuff.feed(piece, &mut out);
        assert!(out.len() - before <= 2 * piece.len());
    }
    stuff.finish(&mut out);
    out
}

/// What is stored there: the text, a dot behind a bare CR doubled, the last line ended.
fn expected(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in text {
        if byte == b'.' && out.last() == Some(&b'\r') {
            out.push(b'.');
        }
        out.push(byte);
    }
    if !out.is_empty() && out.last() != Some(&b'\n') {
        out.push(b'\n');
    }
    out
}

fuzz_target!(|input: &[u8]| {
    let Some((&first, text)) = input.split_first() else {
        return;
    };
    let pieces: Vec<&[u8]> = text.chunks(usize::from(first).max(1)).collect();
    let wire = sent(&[text]);
    assert_eq!(sent(&pieces), wire);
    for (at, pair) in wire.windows(2).enumerate() {
        assert!(pair[1] != b'\n' || pair[0] == b'\r', "a bare LF at {at}");
    }
    for mode in [BareLf::Stop, BareLf::Reject, BareLf::Accept] {
        let (mut receiver, mut stored) = (Unstuff::new(mode), Vec::new());
        let (used, step) = receiver.feed(&wire, &mut stored);
        assert_eq!((used, step), (wire.len(), Step::End(Verdict::Clean)));
        assert_eq!(stored, expected(text));
    }
});
