//! Any bytes as the name of a mailbox and as a pattern of LIST: no panic; a text has one modified
//! UTF-7 form; a name that is accepted is one directory in the root and comes back the same, and is
//! matched by itself; a pattern matches what plain trying matches.

#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;

use maildir::tree::{Name, Pattern, Tree, Wire, utf7};

fuzz_target!(|bytes: &[u8]| {
    match utf7::decode(bytes) {
        Some(text) => assert_eq!(utf7::encode(&text), bytes),
        None => assert!(!utf7::is_canonical(bytes)),
    }
    if let Ok(text) = str::from_utf8(bytes) {
        assert_eq!(utf7::decode(&utf7::encode(text)).as_deref(), Some(text));
    }
    for (separator, prefix) in [
        (b'.', &b""[..]),
        (b'/', b""),
        (b'.', b"INBOX."),
        (b'/', b"Mail/"),
    ] {
        let wire = Wire::new(separator, prefix);
        if let Ok(name) = wire.parse(bytes) {
            check(&wire, &name);
        }
    }
    check_pattern(bytes);
});

fn check(wire: &Wire, name: &Name) {
    let root = Path::new("the/top");
    let path = Tree::new(root.to_owned()).path(name);
    let inner = path.strip_prefix(root).expect("below the root");
    let parts: Vec<Component> = inner.components().collect();
    match parts[..] {
        [] => assert!(name.is_inbox()),
        [Component::Normal(dir)] => {
            assert!(dir.len() <= 255);
            assert_eq!(Name::from_dir_name(dir).as_ref(), Some(name));
        }
        _ => panic!("{} leaves the root", path.display()),
    }
    let shown = wire.show(name);
    assert_eq!(wire.parse(&shown).as_ref(), Ok(name));
    if !shown.contains(&b'*') && !shown.contains(&b'%') {
        assert!(Pattern::new(&shown, wire.separator()).matches(&shown));
    }
    assert!(Pattern::new(b"*", wire.separator()).matches(&shown));
}

/// The first line is the pattern, the rest the name.
fn check_pattern(bytes: &[u8]) {
    let mut lines = bytes.splitn(2, |&byte| byte == b'\n');
    let (Some(pattern), Some(name)) = (lines.next(), lines.next()) else {
        return;
    };
    let matches = Pattern::new(pattern, b'/').matches(name);
    // Without what is written otherwise than it is meant, and without INBOX.
    let is_plain = |text: &[u8]| {
        text.iter()
            .all(|byte| byte.is_ascii_graphic() && *byte != b'&')
    };
    let may_be_inbox = name
        .first()
        .is_some_and(|byte| byte.eq_ignore_ascii_case(&b'i'));
    if is_plain(pattern) && is_plain(name) && !may_be_inbox {
        assert_eq!(matches, plainly(pattern, name));
    }
}

/// Which prefixes of the pattern match which prefixes of the name, one after the other.
fn plainly(pattern: &[u8], name: &[u8]) -> bool {
    let mut row: Vec<bool> = (0..=name.len()).map(|at| at == 0).collect();
    for token in pattern {
        let above = row;
        row = Vec::with_capacity(above.len());
        for at in 0..=name.len() {
            let last = at.checked_sub(1).map(|before| (before, name[before]));
            row.push(match token {
                b'*' => above[at] || last.is_some_and(|(before, _)| row[before]),
                b'%' => above[at] || last.is_some_and(|(before, byte)| row[before] && byte != b'/'),
                token => last.is_some_and(|(before, byte)| above[before] && byte == *token),
            });
        }
    }
    row[name.len()]
}
