//! What plugins and checkers say to clients: a refusal is one printable line that refuses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtpd::{sanitize, spp};

fn is_line(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fuzz_target!(|text: &[u8]| {
    if let Some(line) = sanitize::line(text) {
        assert!(is_line(&line) && line.len() <= sanitize::TEXT_LIMIT);
    }
    if let Some(reply) = sanitize::refusal(text) {
        assert!(is_line(&reply) && reply.starts_with(['4', '5']) && reply.as_bytes()[3] == b' ');
    }
    let Ok(output) = spp::output::parse(text) else {
        return;
    };
    use spp::output::Last::{Refuse, Reject};
    if let Some(Refuse(reply) | Reject(reply)) = output.last {
        assert!(is_line(&reply) && reply.starts_with(['4', '5']));
    }
});
