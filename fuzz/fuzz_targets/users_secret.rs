//! `users.secret` and shadow(5): searching never panics, and what is found stands in the file.
#![no_main]

use auth::stored::Stored;
use auth::users_secret;
use os::names::shadow;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    for line in text.split(|&byte| byte == b'\n') {
        if let Some((name, value)) = users_secret::parse(line) {
            assert!(!name.is_empty());
            let _ = Stored::of_secret(value);
            if line.len() <= shadow::SECRET_LINE_LIMIT {
                let looked = users_secret::search(text, name).expect("memory can be read");
                let found = looked.value.expect("its own line, or one before it");
                assert!(
                    text.windows(found.expose().len().max(1))
                        .any(|part| part == found.expose())
                        || found.expose().is_empty()
                );
            }
        }
        if let Some(entry) = shadow::parse(line) {
            let _ = Stored::of_shadow(entry.hash.expose());
            let _ = entry.closed(20_000);
        }
    }
});
