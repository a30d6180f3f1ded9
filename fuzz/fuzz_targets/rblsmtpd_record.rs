//! What the child that reads the DNS tells rblsmtpd: any bytes at all. What is taken for a verdict is
//! one line of printable text within its limit, and has one form only.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rblsmtpd::verdict::{TEXT_LIMIT, Verdict};

fuzz_target!(|bytes: &[u8]| {
    let (_, told) = rblsmtpd::record::read(bytes);
    for line in told {
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }
    if let Some(verdict) = Verdict::from_record(bytes) {
        assert_eq!(verdict.to_record(), bytes);
        if let Verdict::Refuse(refusal) = verdict {
            let line = refusal.line();
            assert!(line.len() <= 4 + TEXT_LIMIT);
            assert!(line.iter().all(|byte| (b' '..=b'~').contains(byte)));
        }
    }
    let told = Verdict::of_variable(bytes);
    assert_eq!(Verdict::from_record(&told.to_record()), Some(told));
});
