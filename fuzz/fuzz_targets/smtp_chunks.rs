//! The text of a message in chunks: however it is cut, the same bytes are stored, no CRLF is left, and it is
//! spoiled by a LF without CR and by nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::chunk::Chunks;
use wire::data::BareLf;

fn run(mode: BareLf, text: &[u8], piece: usize) -> (Vec<u8>, bool) {
    let mut chunks = Chunks::new(mode);
    let mut out = Vec::new();
    for piece in text.chunks(piece.max(1)) {
        chunks.feed(piece, &mut out);
    }
    chunks.finish(&mut out);
    (out, chunks.is_spoiled())
}

fuzz_target!(|input: &[u8]| {
    let Some((&first, text)) = input.split_first() else {
        return;
    };
    let bare = text
        .iter()
        .enumerate()
        .any(|(at, &byte)| byte == b'\n' && (at == 0 || text[at - 1] != b'\r'));
    for mode in [BareLf::Reject, BareLf::Stop, BareLf::Accept] {
        let whole = run(mode, text, text.len());
        assert_eq!(whole, run(mode, text, usize::from(first)));
        let (out, spoiled) = whole;
        assert_eq!(spoiled, bare && mode != BareLf::Accept);
        let ends = text.windows(2).filter(|pair| pair == b"\r\n").count();
        assert_eq!(out.len() + ends, text.len());
    }
});
