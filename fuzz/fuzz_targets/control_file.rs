//! Control files: whatever stands in one, what is read from it holds no line end, no trailing blank
//! and no empty entry.
#![no_main]

use accounts::control;
use libfuzzer_sys::fuzz_target;
use smtpd::hosts::HostList;

fn is_clean(entry: &[u8]) -> bool {
    !entry.is_empty()
        && !entry.contains(&b'\n')
        && !entry.last().is_some_and(|byte| b" \t\r".contains(byte))
}

fuzz_target!(|text: &[u8]| {
    if let Some(line) = control::first_line(text) {
        assert!(is_clean(line));
        let _ = control::number(line);
    }
    let entries: Vec<Vec<u8>> = control::entries(text).map(<[u8]>::to_vec).collect();
    assert!(entries.iter().all(|entry| is_clean(entry)));
    let list = HostList::new(entries.clone());
    assert!(entries.iter().all(|entry| list.covers(entry)));
});
