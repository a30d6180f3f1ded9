//! The parts of a message: no panic, each inside of what it is in, in order, counted as its bytes say,
//! found by its section, never more than there may be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mime::walk::{Kind, Limits, structure, top, wire_size};

fuzz_target!(|input: &[u8]| {
    let [depth, parts, message @ ..] = input else {
        return;
    };
    let limits = Limits {
        depth: usize::from(*depth),
        parts: usize::from(*parts).max(1),
    };
    for limits in [limits, Limits::default()] {
        let structure = structure(message, limits);
        let parts = &structure.parts;
        assert!(!parts.is_empty() && parts.len() <= limits.parts);
        assert_eq!(parts[0].body, top(message).body);
        let mut seen = 1;
        for (index, part) in parts.iter().enumerate() {
            assert!(part.header.end == part.body.start);
            assert_eq!(
                wire_size(&message[part.body.clone()]),
                (part.octets_crlf, part.lines)
            );
            let mut end = part.body.start;
            let mut number = 0;
            for child in structure.children(index) {
                let inside = &parts[child];
                number += 1;
                assert_eq!((inside.parent, inside.number), (Some(index), number));
                assert!(inside.header.start >= end && inside.body.end <= part.body.end);
                end = inside.body.end;
                seen += 1;
            }
            assert_eq!(number > 0, part.kind != Kind::Leaf);
            assert!(number <= 1 || part.kind == Kind::Multipart);
            let found = structure.section(&structure.path(index));
            assert!(
                found.is_some_and(|found| found == index || structure.inner(found) == Some(index))
            );
        }
        assert_eq!(seen, parts.len());
    }
});
