//! SASL exchanges: base64 has one text for each message, and what comes out of an exchange has no
//! NUL and no empty field.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use sasl::{Credentials, Exchange, Mechanism, Turn};

fn check(credentials: &Credentials) {
    let (login, secret) = match credentials {
        Credentials::Password { login, password } => (login, password),
        Credentials::Cram { login, digest } => {
            assert_eq!(digest.len(), 32);
            (login, digest)
        }
    };
    for field in [&login[..], secret] {
        assert!(!field.is_empty() && field.len() <= sasl::FIELD_LIMIT && !field.contains(&0));
    }
}

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default();
    if let Ok(message) = sasl::decode(first) {
        assert_eq!(STANDARD.encode(&message).as_bytes(), first);
    }
    let lines: Vec<&[u8]> = lines.collect();
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5] {
        for initial in [None, Some(first)] {
            let Ok((mut exchange, mut turn)) = Exchange::begin(mechanism, initial, b"<c>") else {
                continue;
            };
            let mut responses = lines.iter();
            loop {
                match turn {
                    Turn::Done(credentials) => break check(&credentials),
                    Turn::Ask(text) => assert!(STANDARD.decode(text).is_ok()),
                }
                let Some(response) = responses.next() else {
                    break;
                };
                // The message itself, and its base64.
                let encoded = STANDARD.encode(response);
                let response = if initial.is_some() {
                    response
                } else {
                    encoded.as_bytes()
                };
                match exchange.answer(response) {
                    Ok(next) => turn = next,
                    Err(_) => break,
                }
            }
        }
    }
});
