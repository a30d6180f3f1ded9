//! Lines of users and aliases: an account that is read never belongs to root and its mailbox never
//! leaves its home; a target is never a program or a file.
#![no_main]

use std::path::Component;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    for line in text.split(|&byte| byte == b'\n') {
        if let Ok(account) = accounts::users::parse(line) {
            assert!(account.uid != 0 && account.uid != u32::MAX);
            assert!(account.home.is_absolute());
            let mut parts = account.mailbox.components();
            assert!(parts.clone().count() > 0);
            assert!(parts.all(|part| matches!(part, Component::Normal(_))));
        }
        if let Ok(targets) = accounts::aliases::parse_targets(line) {
            for target in targets {
                assert!(!target.is_empty() && !b"|/:\"".contains(&target[0]));
                assert!(!target.iter().any(|byte| *byte <= b' '));
            }
        }
    }
});
