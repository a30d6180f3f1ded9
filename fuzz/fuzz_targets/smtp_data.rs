//! The text of a message: in every mode, in pieces or whole, the same bytes are stored and the same
//! end is found, and that is a true CRLF.CRLF.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp::received::Hops;
use wire::data::{BareLf, Step, Unstuff};

fn run(mode: BareLf, text: &[u8], piece: usize) -> (Step, Vec<u8>, usize) {
    let mut machine = Unstuff::new(mode);
    let (mut out, mut at) = (Vec::new(), 0);
    loop {
        let end = text.len().min(at + piece);
        let (used, step) = machine.feed(&text[at..end], &mut out);
        at += used;
        if step != Step::More || at == text.len() {
            return (step, out, at);
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&first, text)) = input.split_first() else {
        return;
    };
    for mode in [BareLf::Reject, BareLf::Stop, BareLf::Accept] {
        let whole = run(mode, text, text.len().max(1));
        let pieces = run(mode, text, usize::from(first).max(1));
        assert_eq!(whole, pieces);
        let (step, out, used) = whole;
        assert!(out.len() <= used);
        let mut hops = Hops::default();
        hops.feed(&out);
        if let Step::End(_) = step {
            let read = &text[..used];
            assert!(read == b".\r\n" || read.ends_with(b"\r\n.\r\n"));
        }
    }
});
