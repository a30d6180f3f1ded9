//! Any message in any pieces has as many octets as it has when it is written out byte by byte.

#![no_main]

use libfuzzer_sys::fuzz_target;

use maildir::WireSize;

fn on_the_wire(message: &[u8]) -> usize {
    let mut wire = Vec::new();
    for (at, &byte) in message.iter().enumerate() {
        if byte == b'\n' && (at == 0 || message[at - 1] != b'\r') {
            wire.push(b'\r');
        }
        wire.push(byte);
    }
    if !wire.is_empty() && !wire.ends_with(b"\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire.len()
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, message) = input;
    let mut size = WireSize::new();
    for piece in message.chunks(usize::from(piece).max(1)) {
        size.feed(piece);
    }
    assert_eq!(size.finish(), on_the_wire(message) as u64);
});
