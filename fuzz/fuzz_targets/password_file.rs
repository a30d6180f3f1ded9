//! A user's password file: hostile, as it is read by root. It never panics, never lets an empty
//! password in, and a hash in it never makes more work than it may.
#![no_main]

use auth::hash::{Bounds, Compared, verify};
use auth::stored::{PASSWORD_LIMIT, Stored, is_same};

/// Small, so that each run is fast.
const BOUNDS: Bounds = Bounds {
    memory: 1 << 20,
    rounds: 5000,
    cost: 4,
};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let Ok(Some(line)) = auth::password_file::first_line(text) else {
        return;
    };
    assert!(line.len() <= PASSWORD_LIMIT);
    assert!(text.starts_with(&line));
    match Stored::of_password_file(&line) {
        Stored::Plain(password) => {
            assert!(is_same(password, password));
            assert!(!is_same(b"", password));
        }
        Stored::Hash(hash) => {
            // A password that nobody has; a match would mean that it does not matter.
            assert_ne!(verify(b"\x01 fuzz", hash, BOUNDS), Compared::Match);
        }
        Stored::Locked(_) => {}
        Stored::Unknown(_) => panic!("no line of a password file is of an unknown scheme"),
    }
});
