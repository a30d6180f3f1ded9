//! What descriptor 3 gave: parsing never panics, and what was parsed makes the same record again.
#![no_main]

use auth::{Attempt, Method};

libfuzzer_sys::fuzz_target!(|record: &[u8]| {
    for method in [Method::Password, Method::Apop, Method::Cram] {
        if let Ok(attempt) = Attempt::parse(record, method) {
            assert_eq!(Method::of_auth(attempt.method().as_bytes()), Some(method));
            // A time stamp may lack its NUL, and then the record that ends in one may be too long.
            if let Ok(again) = attempt.to_record() {
                assert_eq!(Attempt::parse(&again, method).as_ref(), Ok(&attempt));
            }
        }
    }
});
