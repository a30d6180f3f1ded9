//! Any bytes as the keywords of a mailbox, Dovecot's and Courier's: no panic; each letter has one
//! keyword and each keyword one letter, and what is written is read the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

use maildir::tree::{read_courier_keywords, read_keywords};

fn is_sound(name: &[u8]) -> bool {
    !name.is_empty() && !name.iter().any(|byte| b" \n(){\"\\".contains(byte))
}

fuzz_target!(|bytes: &[u8]| {
    let keywords = read_keywords(bytes);
    assert!(keywords.iter().count() <= 26);
    for (letter, name) in keywords.iter() {
        assert!(is_sound(name));
        assert_eq!(keywords.name(letter), Some(name));
        assert_eq!(keywords.letter(&name.to_ascii_uppercase()), Some(letter));
    }
    assert_eq!(read_keywords(&keywords.to_text()), keywords);

    let courier = read_courier_keywords(bytes);
    let names: Vec<&[u8]> = courier.names().collect();
    assert!(names.iter().all(|name| is_sound(name)));
    for line in bytes.split(|&byte| byte == b'\n') {
        let unique = line
            .split(|&byte| byte == b':')
            .next()
            .expect("one at least");
        assert!(courier.of(unique).all(|name| names.contains(&name)));
    }
});
