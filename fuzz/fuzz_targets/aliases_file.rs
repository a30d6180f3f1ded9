//! Any bytes as the file of aliases: no panic; an alias is found in any case of its name, has a target or
//! a fault, and no target is a program, a file or an include; what stands behind it in the file does
//! not matter. The first line of the input is the name.
#![no_main]

use libfuzzer_sys::fuzz_target;

use accounts::aliases::{TARGET_LIMIT, find_in};

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|&byte| byte == b'\n');
    let Some((name, text)) = end.map(|end| (&input[..end], &input[end + 1..])) else {
        return;
    };
    let found = find_in(text, name).expect("memory can be read");
    let upper = find_in(text, &name.to_ascii_uppercase()).expect("memory can be read");
    assert_eq!(found, upper);
    let Some(alias) = found else {
        return;
    };
    assert!(alias.number >= 1 && alias.number <= text.split(|&byte| byte == b'\n').count() as u64);
    if let Ok(targets) = &alias.targets {
        assert!((1..=TARGET_LIMIT).contains(&targets.len()));
        for target in targets {
            assert!(!target.is_empty() && !b"|/:\"\\<".contains(&target[0]));
            assert!(target.iter().all(|&byte| byte > b' ' && byte != 0x7f));
        }
    }
    let behind = [text, b"\nz: other\n"].concat();
    assert_eq!(
        find_in(&behind[..], name).expect("read").as_ref(),
        Some(&alias)
    );
});
