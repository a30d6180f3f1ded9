//! Any bytes as a maildirsize: no panic; what is understood is written and read the same, and a line more
//! adds what it says. A cut file is not understood, or is one with fewer lines.
#![no_main]

use libfuzzer_sys::fuzz_target;

use maildir::quota::{Sum, Usage, to_text};

fuzz_target!(|text: &[u8]| {
    let Some(sum) = Sum::parse(text) else {
        return;
    };
    assert!(sum.lines > 0 && text.ends_with(b"\n"));
    let written = Sum::parse(&to_text(sum.limits, sum.usage)).expect("ours");
    assert_eq!((written.limits, written.usage), (sum.limits, sum.usage));
    let more = Sum::parse(&[text, b"7 1\n"].concat());
    let added = sum.usage.plus(Usage {
        bytes: 7,
        messages: 1,
    });
    match more {
        Some(more) => assert_eq!((more.usage, more.lines), (added, sum.lines + 1)),
        None => assert!(added.bytes > i64::MAX as u64 || added.messages > i64::MAX as u64),
    }
    for cut in text.len().saturating_sub(64)..text.len() {
        if let Some(part) = Sum::parse(&text[..cut]) {
            assert!(part.lines < sum.lines && part.limits == sum.limits);
        }
    }
});
