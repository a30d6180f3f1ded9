//! What a next hop says: in pieces or whole the same reply or the same fault, nothing of it that
//! could be a line of its own, nothing behind its last line taken; and what can be told from it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nexthop::capabilities::Capabilities;
use nexthop::reply::{Fault, LINE_BYTES, LINES, Reader, TEXT_BYTES, Whole};

fn run(pieces: &[&[u8]]) -> Result<(usize, Option<Whole>), Fault> {
    let (mut reader, mut total) = (Reader::new(), 0);
    for piece in pieces {
        let (used, whole) = reader.feed(piece)?;
        total += used;
        if whole.is_some() {
            return Ok((total, whole));
        }
        assert_eq!(used, piece.len());
    }
    Ok((total, None))
}

fuzz_target!(|input: &[u8]| {
    let Some((&first, text)) = input.split_first() else {
        return;
    };
    let pieces: Vec<&[u8]> = text.chunks(usize::from(first).max(1)).collect();
    let result = run(&[text]);
    assert_eq!(run(&pieces), result);
    let Ok((used, Some(whole))) = result else {
        return;
    };
    assert!(text[..used].ends_with(b"\n"));
    assert_eq!(run(&[&text[..used]]), Ok((used, Some(whole.clone()))));
    assert!((1..=LINES).contains(&whole.lines.len()));
    for line in &whole.lines {
        assert!(line.len() <= LINE_BYTES - 3 && !line.contains(&b'\n'));
    }
    let reply = &whole.reply;
    assert!((200..600).contains(&reply.code));
    assert!(reply.text.len() <= TEXT_BYTES);
    assert!(reply.text.iter().all(|byte| (b' '..=b'~').contains(byte)));
    if let Some(enhanced) = reply.enhanced {
        assert_eq!(enhanced.class, reply.code / 100);
    }
    let shown = reply.to_string();
    assert!(shown.starts_with(&reply.code.to_string()) && !shown.contains(['\r', '\n']));
    let _ = Capabilities::parse(&whole.lines);
});
