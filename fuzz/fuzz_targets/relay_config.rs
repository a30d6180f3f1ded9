//! The settings of relay-ctrl: its first line as each of them, the rest as rules and as the exclude list. Whatever
//! stands there, a record that is made for an address allows, and only where the rules do not deny.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relay::database::{Statics, parse_rule};
use relay::exclude::Exclude;
use relay_store::settings::first_line;
use relay_store::{Address, Expiry};
use rules::record::{Record, Verdict};
use rules::search::Client;

fuzz_target!(|bytes: &[u8]| {
    let line = first_line(bytes).unwrap_or_default();
    let text = bytes.get(line.len() + 1..).unwrap_or_default();
    if let Some(expiry) = Expiry::parse(line) {
        assert!(expiry.seconds() > 0);
    }
    if let Ok(list) = Exclude::parse(text)
        && let Some(address) = Address::from_text(line)
    {
        let _ = list.covers(&address);
    }
    let Ok(rule) = parse_rule(line) else { return };
    let opens = rule.iter().any(|(name, _)| name == b"RELAYCLIENT");
    let client = Client {
        ip: b"192.0.2.1",
        host: Some(b"a.b"),
        info: None,
    };
    let statics = Statics::new(text.to_vec());
    if let Some(data) = statics.record(&client, &rule) {
        let record = Record::new(data);
        assert_eq!(record.verdict(), Verdict::Allow);
        let relays = record.variables().any(|(name, _)| name == b"RELAYCLIENT");
        assert!(relays || !opens);
    }
});
