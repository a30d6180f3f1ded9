//! A message on its way out: in pieces or whole the same bytes, never an end mark in the middle of
//! it, as many octets as LIST says, and without the stuffed dots the message with CRLF line ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use maildir::WireSize;
use pop3d::stuff::Stuff;
use pop3d::top::Cut;

fn stuffed(pieces: &[&[u8]]) -> (Vec<u8>, u64) {
    let (mut stuff, mut out) = (Stuff::new(), Vec::new());
    for piece in pieces {
        stuff.feed(piece, |bytes| out.extend_from_slice(bytes));
    }
    let octets = stuff.octets_at_end();
    stuff.finish(|bytes| out.extend_from_slice(bytes));
    assert_eq!(stuff.octets(), octets);
    (out, octets)
}

fn top(lines: u64, pieces: &[&[u8]]) -> Vec<u8> {
    let (mut cut, mut out) = (Cut::after(lines), Vec::new());
    for piece in pieces {
        if cut.is_done() {
            break;
        }
        let taken = cut.take(piece);
        assert!(taken == piece.len() || cut.is_done());
        out.extend_from_slice(&piece[..taken]);
    }
    out
}

/// The rule by itself, byte by byte.
fn normalised(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in text {
        if byte == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(byte);
    }
    if !out.is_empty() && out.last() != Some(&b'\n') {
        out.extend_from_slice(b"\r\n");
    }
    out
}

fuzz_target!(|input: &[u8]| {
    let [piece, lines, text @ ..] = input else {
        return;
    };
    let piece = usize::from(*piece).max(1);
    let pieces: Vec<&[u8]> = text.chunks(piece).collect();
    let (wire, octets) = stuffed(&[text]);
    assert_eq!(stuffed(&pieces), (wire.clone(), octets));

    let mut size = WireSize::new();
    pieces.iter().for_each(|piece| size.feed(piece));
    assert_eq!(size.finish(), octets);

    let mut plain = Vec::new();
    for line in wire.split_inclusive(|&byte| byte == b'\n') {
        assert!(line.ends_with(b"\r\n") && line != b".\r\n");
        plain.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    assert_eq!(plain, normalised(text));

    let lines = u64::from(*lines);
    let head = top(lines, &[text]);
    assert_eq!(top(lines, &pieces), head);
    assert!(text.starts_with(&head));
    assert_eq!(top(u64::MAX, &pieces), text);
});
