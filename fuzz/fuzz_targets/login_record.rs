//! The record of a login, as root reads it from the process that reads the network: what is
//! understood is exactly one login, and nothing of a TLS program's variables can mean something
//! else to others.
#![no_main]

use chain::{Env, tls};
use login::record::Record;
use libfuzzer_sys::fuzz_target;
use record::Message;

fuzz_target!(|message: &[u8]| {
    let Ok(record) = Record::from_record(message) else {
        return;
    };
    assert!(!record.login.name.contains(&0) && !record.login.secret.expose().contains(&0));
    let again = record.to_record();
    assert_eq!(again.expect("within the limits").as_slice(), message);
    let block = record.tls.unwrap_or_default();
    let mut env = Env::default();
    tls::add_variables(&mut env, &block);
    assert!(tls::is_on(&env));
    for line in env.to_strings() {
        let line = line.to_bytes();
        assert!(line.starts_with(b"SSL_") && !line.starts_with(b"SSL_CERT_"));
        assert!(line.iter().all(|byte| matches!(byte, b' '..=b'~')));
    }
});
